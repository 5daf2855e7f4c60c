package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

// TestGoldens checks the repositories in testdata: sections in/<path> are files, out/diag is what is said of them.
// GWC_UPDATE=1 rewrites out/diag.
func TestGoldens(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			in := fstest.MapFS{}
			var want []byte
			for _, f := range a.Files {
				if path, ok := strings.CutPrefix(f.Name, "in/"); ok {
					in[path] = &fstest.MapFile{Data: f.Data}
				} else {
					want = f.Data
				}
			}
			src, report, err := load.Load(in)
			if err != nil {
				t.Fatal(err)
			}
			cfg, r := Check(src)
			report.Merge(r)
			if cfg != nil && !r.Failed() && (cfg.Withheld.Any || len(cfg.Withheld.Names) > 0) {
				t.Errorf("a configuration without errors lacks %v", cfg.Withheld)
			}
			got := render(report.All(), src)
			if bytes.Contains(got, []byte("hunter")) {
				t.Errorf("a secret is printed:\n%s", got)
			}
			if os.Getenv("GWC_UPDATE") != "" {
				a.Files = append(a.Files[:len(in):len(in)], txtar.File{Name: "out/diag", Data: got})
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// render writes diagnostics in a compact form: the text that the primary span covers stands in brackets.
func render(list []diag.Diagnostic, src *load.Sources) []byte {
	var b bytes.Buffer
	text := func(l diag.Label) string {
		s := l.Span
		if s.IsZero() {
			return "nowhere"
		}
		out := fmt.Sprintf("%s:%d:%d", s.File, s.Start.Line, s.Start.Col)
		if data, _ := src.Data(s.File); s.End.Offset > s.Start.Offset && s.End.Offset <= len(data) {
			if l.Secret {
				out += " [***]"
			} else {
				out += fmt.Sprintf(" [%s]", data[s.Start.Offset:s.End.Offset])
			}
		}
		if l.Text != "" {
			out += " " + l.Text
		}
		return out
	}
	for _, d := range list {
		fmt.Fprintf(&b, "%s[%s]: %s\n  --> %s\n", d.Severity, d.Code, d.Summary, text(d.Primary))
		if len(d.Path) > 0 {
			fmt.Fprintf(&b, "  path: %s\n", strings.Join(d.Path, "."))
		}
		for _, l := range d.Secondary {
			fmt.Fprintf(&b, "  also: %s\n", text(l))
		}
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "  note: %s\n", n)
		}
		for _, h := range d.Help {
			fmt.Fprintf(&b, "  help: %s\n", h)
		}
		for _, f := range d.Fixes {
			fmt.Fprintf(&b, "  fix: %s (safe: %v)", f.Title, f.Safe)
			for _, e := range f.Edits {
				fmt.Fprintf(&b, " %s -> %s", text(diag.Label{Span: e.Span}), e.New)
			}
			fmt.Fprintln(&b)
		}
	}
	return b.Bytes()
}
