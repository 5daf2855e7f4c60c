package compiler_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Real documents, each an API of one repository: what cannot be published is refused for the reason that is listed
// here, and everything else is found at its path.
func TestRealDocumentsBuild(t *testing.T) {
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	refused := map[string]diag.Code{
		"oas-examples/3.0/json/parameters-common.json":           "GWC3011", // a parameter twice in a path
		"oas-examples/3.0/yaml/parameters-common.yaml":           "GWC3011",
		"learn.openapis.org/examples/v3.2/3.2-tags-example.json": "GWC3005", // OpenAPI 3.2
		"learn.openapis.org/examples/v3.2/3.2-tags-example.yaml": "GWC3005",
		"xero/xero_accounting.yaml":                              "GWC2008", // {AttachmentID} beside {FileName}
	}
	read := func(folder string) map[string][]byte {
		files := map[string][]byte{}
		err := filepath.WalkDir(filepath.Join(root, "openapi", folder), func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !slices.Contains([]string{".yaml", ".json"}, filepath.Ext(p)) {
				return err
			}
			b, err := os.ReadFile(p)
			rel, _ := filepath.Rel(filepath.Join(root, "openapi"), p)
			files[filepath.ToSlash(rel)] = b
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	for _, folder := range []string{"learn.openapis.org/examples/v3.0", "learn.openapis.org/examples/v3.1", "learn.openapis.org/examples/v3.2",
		"twilio/spec/json", "xero", "oas-examples/3.0", "oas-examples/3.1"} {
		t.Run(folder, func(t *testing.T) {
			files := read(folder)
			want := map[string]diag.Code{}
			var cue strings.Builder
			cue.WriteString("package gateway\ngateway: listeners: main: address: \"127.0.0.1:8080\"\nupstreams: u: endpoints: [{url: \"http://127.0.0.1:9000\"}]\n")
			n := 0
			for name, b := range files {
				// Fragments that documents refer to have no version of their own.
				if s := string(b); !strings.Contains(s, "\"openapi\":") && !strings.HasPrefix(s, "openapi:") && !strings.Contains(s, "\nopenapi:") || strings.Contains(name, "package") || strings.HasPrefix(filepath.Base(name), ".") {
					continue
				}
				if code, ok := refused[name]; ok {
					want[name] = code
				}
				fmt.Fprintf(&cue, "apis: \"api-%d\": {openapi: %q, basePath: \"/api-%d\", upstream: \"u\"}\n", n, name, n)
				n++
			}
			if n == 0 {
				t.Fatal("no documents")
			}
			files["gateway.cue"] = []byte(cue.String())
			res := build(t, files, "")
			got := map[string]diag.Code{}
			for _, d := range res.Report.All() {
				if d.Severity == diag.Error {
					got[d.Primary.Span.File] = d.Code
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("refused documents: mismatch (-want +got)\n%s", diff)
			}
			if len(want) > 0 { // build the rest
				var rest strings.Builder
				for line := range strings.Lines(cue.String()) {
					keep := true
					for name := range want {
						keep = keep && !strings.Contains(line, fmt.Sprintf("%q", name))
					}
					if keep {
						rest.WriteString(line)
					}
				}
				if strings.Count(rest.String(), "\napis:") == 0 {
					return
				}
				files["gateway.cue"] = []byte(rest.String())
				res = build(t, files, "")
			}
			if res.Bytes == nil {
				t.Fatalf("no artifact:\n%s", short(res.Report))
			}
			a, _, err := artifact.Decode(res.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			for i := range a.Routes {
				r := &a.Routes[i]
				path := fill(t, r.Path)
				var p match.Params
				v, outcome := a.Table.Lookup(nil, []byte(r.Method), []byte(path), &p)
				// Another operation may be better for the values that were filled in, but never of another API.
				if outcome != match.Found || a.Routes[v].API != r.API {
					t.Errorf("%s %s: %v, route %q, want %q", r.Method, path, outcome, a.Routes[v].ID, r.ID)
				}
			}
			t.Logf("%d APIs, %d routes, %d bytes", len(a.APIs), len(a.Routes), len(res.Bytes))
		})
	}
}

// fill puts a value in place of each parameter of a template, in the normal form of paths.
func fill(t *testing.T, template string) string {
	p, err := match.Normal(match.Pattern{Method: "GET", Path: template})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	rest := p.Path
	for {
		lit, after, ok := strings.Cut(rest, "{")
		b.WriteString(lit)
		if !ok {
			return b.String()
		}
		_, rest, _ = strings.Cut(after, "}")
		b.WriteString("value-1")
	}
}
