package openapi

import (
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/diag"
)

// documentLine is what tells an OpenAPI document from the fragments and settings that lie beside it.
var documentLine = regexp.MustCompile(`(?m)^ {0,4}["']?openapi["']? *:`)

// corpus reads the YAML and JSON files below a folder of the corpora.
func corpus(t testing.TB, folder string) (files map[string][]byte, documents []string) {
	t.Helper()
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	files = map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(root, folder), func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch filepath.Ext(p) {
		case ".yaml", ".yml", ".json":
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return err
			}
			files[filepath.ToSlash(rel)] = b
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range slices.Sorted(maps.Keys(files)) {
		if documentLine.Match(files[f]) {
			documents = append(documents, f)
		}
	}
	return files, documents
}

var corpora = []string{
	"openapi/learn.openapis.org", "openapi/twilio", "openapi/xero", "openapi/oas-examples", "openapi/oasdiff-data",
	"specs/openai", "specs/mistral",
}

// notReadable are the documents of the corpora that gwc refuses, with the codes of their errors. All others have none.
var notReadable = map[string][]diag.Code{
	"openapi/learn.openapis.org/examples/v3.2/3.2-tags-example.json": {"GWC3005"}, // OpenAPI 3.2
	"openapi/learn.openapis.org/examples/v3.2/3.2-tags-example.yaml": {"GWC3005"},
	"openapi/oas-examples/3.0/json/parameters-common.json":           {"GWC3011"}, // /anything/{id}/{action}/{id}
	"openapi/oas-examples/3.0/yaml/parameters-common.yaml":           {"GWC3011"},
	"specs/mistral/openapi-public-doc.yaml":                          {"GWC3007"}, // #/$defs/… of another document
}

func TestRealDocumentsAreRead(t *testing.T) {
	for _, folder := range corpora {
		t.Run(folder, func(t *testing.T) {
			files, documents := corpus(t, folder)
			in := Input{Files: Bytes(files)}
			for _, f := range documents {
				in.Wanted = append(in.Wanted, Wanted{File: f})
			}
			docs, report := Read(in)
			operations, routes := 0, 0
			for _, d := range docs.ByFile {
				operations += len(d.Operations)
				var patterns []match.Pattern
				for _, o := range d.Operations {
					patterns = append(patterns, match.Pattern{Method: o.Method, Path: o.Path})
				}
				if _, conflicts := match.Build(patterns); len(conflicts) == 0 {
					routes += len(patterns)
				} else {
					t.Logf("%s: %v", d.File, conflicts)
				}
			}
			got := map[string][]diag.Code{}
			counts := map[diag.Code]int{}
			for _, d := range report.All() {
				counts[d.Code]++
				if f := d.Primary.Span.File; d.Severity == diag.Error && !slices.Contains(got[f], d.Code) {
					got[f] = append(got[f], d.Code)
				}
				if d.Primary.Span.Start.Line == 0 {
					t.Errorf("%s: %s has no place: %s", d.Primary.Span.File, d.Code, d.Summary)
				}
			}
			want := map[string][]diag.Code{}
			for f, codes := range notReadable {
				if strings.HasPrefix(f, folder+"/") {
					want[f] = codes
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("errors by document: mismatch (-want +got)\n%s", diff)
			}
			t.Logf("%d documents, %d operations, %d routes, findings %v", len(docs.ByFile), operations, routes, counts)
		})
	}
}

// kin-openapi is the judge: what it can load must have the same operations here.
func TestOperationsAreThoseThatKinOpenAPIFinds(t *testing.T) {
	for _, folder := range corpora {
		t.Run(folder, func(t *testing.T) {
			files, documents := corpus(t, folder)
			compared := 0
			for _, f := range documents {
				loader := openapi3.NewLoader()
				loader.ReadFromURIFunc = func(_ *openapi3.Loader, u *url.URL) ([]byte, error) {
					if b, ok := files[u.Path]; ok && u.Scheme == "" {
						return b, nil
					}
					return nil, fmt.Errorf("no file %q", u)
				}
				theirs, err := loader.LoadFromDataWithPath(files[f], &url.URL{Path: f})
				docs, _ := Read(Input{Files: Bytes(files), Wanted: []Wanted{{File: f}}})
				ours := docs.ByFile[f]
				if err != nil || ours == nil || ours.Partial {
					continue
				}
				want := map[string]string{}
				for path, item := range theirs.Paths.Map() {
					bare, _, variant := strings.Cut(strings.Replace(path, "?", "#", 1), "#")
					for method, op := range item.Operations() {
						k := method + " " + bare
						if _, ok := want[k]; !ok || !variant {
							want[k] = op.OperationID
						}
					}
				}
				got := map[string]string{}
				for _, o := range ours.Operations {
					id := ""
					if o.Given {
						id = o.ID
					}
					got[o.Method+" "+o.Path] = id
				}
				for k := range want { // which of two variants wins is the order of the file, which kin-openapi drops
					if _, ok := got[k]; ok && strings.Contains(k, "/cookies") {
						want[k] = got[k]
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: operations: mismatch (-want +got)\n%s", f, diff)
				}
				compared++
			}
			t.Logf("%d of %d documents compared", compared, len(documents))
			if compared == 0 {
				t.Error("no document was compared")
			}
		})
	}
}

func BenchmarkReadTwilio(b *testing.B) {
	files, documents := corpus(b, "openapi/twilio")
	in := Input{Files: Bytes(files)}
	size := 0
	for _, f := range documents {
		in.Wanted = append(in.Wanted, Wanted{File: f})
		size += len(files[f])
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		Read(in)
	}
}

func BenchmarkReadOpenAI(b *testing.B) {
	files, _ := corpus(b, "specs/openai")
	const f = "specs/openai/openapi.yaml"
	b.SetBytes(int64(len(files[f])))
	for b.Loop() {
		Read(Input{Files: Bytes(files), Wanted: []Wanted{{File: f}}})
	}
}
