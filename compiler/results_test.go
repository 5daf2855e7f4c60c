package compiler_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// resultsPage is where the results of real documents are published. GWC_UPDATE=1 rewrites it.
const resultsPage = "../docs/openapi.md"

const resultsHead = `# OpenAPI documents, and what becomes of them

An API is described by an OpenAPI document of version 3.0 or 3.1, in YAML or JSON, which gwc takes as it is: it is
somebody else's, and gwc's own settings stand in the API's definition by operationId. What routing depends on must be
sound and is an error at its place in the document: its syntax, version, references, path templates and operationIds. Other
faults of the writer are warnings, one for each document however often they occur; see ` + "`gwc rules`" + `, group "openapi".

Operations that a gateway should not offer, or that collide with another one of the same document, are left out by name, so
that the document need not be edited:

    apis: accounting: {
        openapi: "xero_accounting.yaml", basePath: "/accounting", upstream: "xero"
        exclude: ["getInvoiceAttachmentByFileName"]   // or only: ["getInvoices", "getContacts"]
    }

An id in ` + "`only` or `exclude`" + ` that the document does not have is an error, so that a new version of the document which
renames an operation does not publish it by accident.

## Results of real documents

Each document of the corpora is the only API of a repository of its own, which is built to an artifact. This table is
written by a test.

`

// documentLine is what tells an OpenAPI document from the fragments and settings that lie beside it.
var documentLine = regexp.MustCompile(`(?m)^ {0,4}["']?(openapi|swagger)["']? *:`)

// outcome is what a document came to.
type outcome struct {
	file               string
	operations         int
	warnings, refusals []diag.Diagnostic
	excluded           int // operations that had to be left out for it to build
}

func TestTheTableOfResultsIsThatOfTheDocuments(t *testing.T) {
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	var page strings.Builder
	page.WriteString(resultsHead)
	page.WriteString("| corpus | documents | operations | built | of them with warnings | built after operations were left out | refused |\n|---|---|---|---|---|---|---|\n")
	var details strings.Builder
	warned := map[diag.Code]int{}
	for _, corpus := range []string{
		"openapi/learn.openapis.org", "openapi/oas-examples", "openapi/oasdiff-data", "openapi/twilio", "openapi/xero", "specs/mistral", "specs/openai",
	} {
		files := documents(t, root, corpus)
		var all []string
		for _, f := range slices.Sorted(maps.Keys(files)) {
			if documentLine.Match(files[f]) {
				all = append(all, f)
			}
		}
		if len(all) == 0 {
			t.Fatalf("%s holds no documents", corpus)
		}
		built, withWarnings, without, refused, operations := 0, 0, 0, 0, 0
		for _, f := range all {
			o := attempt(t, files, f)
			for _, d := range o.warnings {
				warned[d.Code]++
			}
			switch {
			case len(o.refusals) > 0 && o.excluded == 0:
				refused++
				d := o.refusals[0]
				fmt.Fprintf(&details, "| %s | %s | %s |\n", o.file, d.Code, strings.ReplaceAll(d.Summary, "|", "\\|"))
			case len(o.refusals) > 0:
				without++
				fmt.Fprintf(&details, "| %s | %s | %s; it builds without %d of its operations |\n", o.file, o.refusals[0].Code, strings.ReplaceAll(o.refusals[0].Summary, "|", "\\|"), o.excluded)
			default:
				built++
				if len(o.warnings) > 0 {
					withWarnings++
				}
			}
			operations += o.operations
		}
		fmt.Fprintf(&page, "| %s | %d | %d | %d | %d | %d | %d |\n", corpus, len(all), operations, built, withWarnings, without, refused)
	}
	page.WriteString("\n## Why documents are refused\n\n| document | rule | what gwc says |\n|---|---|---|\n" + details.String())
	page.WriteString("\n## What gwc warns of\n\n| rule | title | documents |\n|---|---|---|\n")
	codes := slices.SortedFunc(maps.Keys(warned), func(a, b diag.Code) int { return cmp.Or(warned[b]-warned[a], cmp.Compare(a, b)) })
	for _, c := range codes {
		r, _ := rules.Get(string(c))
		fmt.Fprintf(&page, "| %s | %s | %d |\n", c, r.Title, warned[c])
	}
	if os.Getenv("GWC_UPDATE") == "1" {
		if err := os.WriteFile(resultsPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(resultsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), page.String()); diff != "" {
		t.Errorf("%s: mismatch (-want +got)\n%s", resultsPage, diff)
	}
}

// documents reads the YAML and JSON files of a corpus, by their paths in it.
func documents(t *testing.T, root, corpus string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(root, corpus), func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(p)) {
			return err
		}
		b, err := os.ReadFile(p)
		rel, _ := filepath.Rel(root, p)
		files[filepath.ToSlash(rel)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// attempt builds a document as the only API of a repository. What it refers to is there too, and nothing else. Where
// operations collide, they are left out as the help says, and it is built again.
func attempt(t *testing.T, files map[string][]byte, file string) outcome {
	t.Helper()
	o := outcome{file: file}
	docs, _ := openapi.Read(openapi.Input{Files: openapi.Bytes(files), Wanted: []openapi.Wanted{{File: file}}})
	repo := map[string][]byte{}
	for _, f := range docs.Read {
		// Folders that gwc passes over, such as "testdata", are the corpora's own.
		repo["corpus/"+strings.NewReplacer("testdata", "data", "/_", "/", "/.", "/").Replace(f)] = files[f]
	}
	at := "corpus/" + strings.NewReplacer("testdata", "data", "/_", "/", "/.", "/").Replace(file)
	if doc := docs.ByFile[file]; doc != nil {
		o.operations = len(doc.Operations)
	}
	var excluded []string
	for {
		repo["gateway.cue"] = fmt.Appendf(nil, `package gateway
gateway: listeners: main: address: "127.0.0.1:8080"
upstreams: u: endpoints: [{url: "http://127.0.0.1:9000"}]
apis: "the-api": {openapi: %q, basePath: "/the-api", upstream: "u", exclude: [%s]}
`, at, strings.Join(excluded, ", "))
		r := build(t, repo, "")
		var collide []string
		var found []diag.Diagnostic
		for _, d := range r.Report.All() {
			switch {
			case d.Severity == diag.Error:
				found = append(found, d)
				if d.Primary.Span.IsZero() || d.Primary.Span.Start.Line == 0 {
					t.Errorf("%s: %s has no place", file, d.Code)
				}
			case len(excluded) == 0:
				o.warnings = append(o.warnings, d)
			}
			if d.Code == "GWC2008" {
				for _, h := range d.Help {
					if _, list, ok := strings.Cut(h, "exclude: ["); ok {
						collide = append(collide, strings.Split(strings.TrimSuffix(list, "]"), ", ")...)
					}
				}
			}
		}
		if len(excluded) == 0 {
			o.refusals = found
		}
		switch {
		case len(found) == 0:
			if _, _, err := artifact.Decode(r.Bytes); err != nil {
				t.Errorf("%s: the artifact: %v", file, err)
			}
			o.excluded = len(excluded)
			return o
		case len(collide) == 0 || len(excluded) > 1000:
			return o
		}
		excluded = append(excluded, collide...)
	}
}
