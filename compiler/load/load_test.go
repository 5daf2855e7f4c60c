package load

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// TestGoldens loads the repositories in testdata: sections in/<path> are files, out/load is what came of them.
// GWC_UPDATE=1 rewrites out/load.
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
				if p, ok := strings.CutPrefix(f.Name, "in/"); ok {
					in[p] = &fstest.MapFile{Data: f.Data}
				} else {
					want = f.Data
				}
			}
			src, report, err := Load(in)
			if err != nil {
				t.Fatal(err)
			}
			got := render(src, report.All())
			if os.Getenv("GWC_UPDATE") != "" {
				a.Files = append(a.Files[:len(in):len(in)], txtar.File{Name: "out/load", Data: got})
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

func render(src *Sources, list []diag.Diagnostic) []byte {
	var b bytes.Buffer
	for _, u := range src.Units {
		fmt.Fprintf(&b, "unit %q broken=%v\n", u.Tenant, u.Broken)
		for _, f := range u.Files {
			fmt.Fprintf(&b, "  %s\n", f.Path)
		}
	}
	for _, p := range slices.Sorted(src.Paths()) {
		if path.Ext(p) != ".cue" {
			fmt.Fprintf(&b, "document %s\n", p)
		}
	}
	for _, d := range list {
		s := d.Primary.Span
		fmt.Fprintf(&b, "%s[%s]: %s\n  --> %s:%d:%d", d.Severity, d.Code, d.Summary, s.File, s.Start.Line, s.Start.Col)
		if data, _ := src.Data(s.File); s.End.Offset > s.Start.Offset && s.End.Offset <= len(data) {
			fmt.Fprintf(&b, " [%s]", data[s.Start.Offset:s.End.Offset])
		}
		fmt.Fprintln(&b)
		for _, l := range d.Secondary {
			fmt.Fprintf(&b, "  also: %s:%d:%d %s\n", l.Span.File, l.Span.Start.Line, l.Span.Start.Col, l.Text)
		}
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "  note: %s\n", n)
		}
		for _, h := range d.Help {
			fmt.Fprintf(&b, "  help: %s\n", h)
		}
		for _, f := range d.Fixes {
			fmt.Fprintf(&b, "  fix: %s (safe: %v): %q\n", f.Title, f.Safe, f.Edits[0].New)
		}
	}
	return b.Bytes()
}

// codes loads a file system and returns the codes that were reported.
func codes(t *testing.T, fsys fs.FS) []diag.Code {
	t.Helper()
	_, report, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var list []diag.Code
	for _, d := range report.All() {
		list = append(list, d.Code)
	}
	return list
}

func TestSchemaOfThisBinaryIsNoWarning(t *testing.T) {
	fsys := fstest.MapFS{"cue.mod/module.cue": {}}
	for _, f := range language.Files() {
		fsys["cue.mod/pkg/gwc.dev/schema/"+f.Name] = &fstest.MapFile{Data: f.Data}
	}
	if got := codes(t, fsys); got != nil {
		t.Errorf("codes are %v, expected none", got)
	}
}

func TestSizesAreBounded(t *testing.T) {
	big := bytes.Repeat([]byte("# padding\n"), MaxCUE/10+1)
	src, report, err := Load(fstest.MapFS{
		"gateway.cue":      {Data: append([]byte("package gateway\n"), bytes.ReplaceAll(big, []byte("#"), []byte("//"))...)},
		"tenants/a/a.yaml": {Data: bytes.Repeat(big, MaxDocument/len(big)+1)},
		"tenants/a/b.yaml": {Data: big},
	})
	if err != nil {
		t.Fatal(err)
	}
	if all := report.All(); len(all) != 1 || all[0].Code != codeSize || all[0].Primary.Span.File != "gateway.cue" {
		t.Errorf("report is %v", all)
	}
	if !src.Units[0].Broken {
		t.Error("a unit that misses a file is not marked as broken")
	}
	if _, ok := src.Data("tenants/a/a.yaml"); ok || src.Oversize["tenants/a/a.yaml"] <= MaxDocument {
		t.Error("a document that is too large was read, or not noted")
	}
	if _, ok := src.Data("tenants/a/b.yaml"); !ok {
		t.Error("a document within the bound was not read")
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, open := range []string{"[", "{", "("} {
		text := "package gateway\nx: " + strings.Repeat(open, MaxCUE/2)
		if got := codes(t, fstest.MapFS{"gateway.cue": {Data: []byte(text)}}); !slices.Equal(got, []diag.Code{codeSyntax}) {
			t.Errorf("%q: codes are %v", open, got)
		}
	}
	for _, text := range []string{
		strings.Repeat("a:", MaxCUE/3) + "1",
		"x: " + strings.Repeat("!", MaxCUE/2) + "true",
		"x: " + strings.Repeat("1+", MaxCUE/3) + "1",
		"x: a" + strings.Repeat(".a", MaxCUE/3),
	} {
		if got := codes(t, fstest.MapFS{"gateway.cue": {Data: []byte("package gateway\n" + text)}}); !slices.Equal(got, []diag.Code{codeSyntax}) {
			t.Errorf("%.10s: codes are %v", text, got)
		}
	}
	deep := strings.Repeat("a/", maxDepth+1)
	if got := codes(t, fstest.MapFS{deep + "x.json": {}}); !slices.Equal(got, []diag.Code{codeSize}) {
		t.Errorf("folders: codes are %v", got)
	}
}

func TestLinksOutOfTheRepositoryAreRefused(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "secret.json"), "{}")
	write(filepath.Join(outside, "x.cue"), "package gateway")
	write(filepath.Join(dir, "..data", "gateway.cue"), "package gateway")
	write(filepath.Join(dir, "platform", "a.cue"), "package gateway")
	link(filepath.Join("..data", "gateway.cue"), "gateway.cue") // As Kubernetes mounts a ConfigMap.
	link(filepath.Join(outside, "secret.json"), "absolute.json")
	rel, err := filepath.Rel(dir, filepath.Join(outside, "x.cue"))
	if err != nil {
		t.Fatal(err)
	}
	link(rel, "relative.cue")
	link("nowhere.yaml", "dangling.yaml")
	link("loop.json", "loop.json")
	link(outside, "folder.json")
	link("platform", "again")
	link(filepath.Join("..", "platform"), "platform/more")
	link(outside, "tenants")
	link(filepath.Join("..", "gateway.cue"), "platform/NOTES")

	for name, load := range map[string]func() (*Sources, diag.Report, error){
		"Dir":            func() (*Sources, diag.Report, error) { return Dir(dir) },
		"Load of DirFS":  func() (*Sources, diag.Report, error) { return Load(os.DirFS(dir)) },
		"Load of a root": func() (*Sources, diag.Report, error) { return loadRoot(dir) },
	} {
		t.Run(name, func(t *testing.T) {
			src, report, err := load()
			if err != nil {
				t.Fatal(err)
			}
			var refused []string
			for _, d := range report.All() {
				if d.Code != codeLink {
					t.Errorf("%s: %s", d.Code, d.Summary)
				}
				refused = append(refused, d.Primary.Span.File)
			}
			want := []string{"absolute.json", "dangling.yaml", "folder.json", "loop.json", "platform/more", "relative.cue", "tenants"}
			if d := cmp.Diff(want, refused); d != "" {
				t.Errorf("refused links: mismatch (-want +got):\n%s", d)
			}
			if d := cmp.Diff([]string{"gateway.cue", "platform/a.cue"}, slices.Sorted(src.Paths())); d != "" {
				t.Errorf("files: mismatch (-want +got):\n%s", d)
			}
		})
	}
}

func loadRoot(dir string) (*Sources, diag.Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, diag.Report{}, err
	}
	defer root.Close()
	return Load(root.FS())
}

// broken is a file system with a file that cannot be read.
type broken struct{ fstest.MapFS }

func (b broken) ReadFile(name string) ([]byte, error) {
	if name == "gateway.cue" {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("the disk is on fire")}
	}
	return b.MapFS.ReadFile(name)
}

func TestFailureOfTheMachineIsAnErrorAndNotADiagnostic(t *testing.T) {
	_, _, err := Load(broken{fstest.MapFS{"gateway.cue": {Data: []byte("package gateway")}}})
	if err == nil || !strings.Contains(err.Error(), "the disk is on fire") {
		t.Errorf("error is %v", err)
	}
	if _, _, err := Dir(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("package gateway\n\nmodels: fast: targets: [{provider: \"a\"}]\n"))
	f.Add([]byte("package gateway\nx: \"unterminated"))
	f.Add([]byte("package gateway\nx: = \xff\n\"\\(a"))
	f.Add([]byte("{\n'''\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		syntax, problems := parse("gateway.cue", data)
		if syntax == nil && len(problems) != 1 {
			t.Fatalf("no syntax tree and %d problems", len(problems))
		}
		for _, d := range problems {
			s := d.Primary.Span
			if s.Start.Offset > s.End.Offset || s.End.Offset > len(data) || s.Start.Line < 1 || s.Start.Col < 1 {
				t.Fatalf("span %+v of %q", s, d.Summary)
			}
			if got := position(data, s.Start.Offset); got != s.Start {
				t.Fatalf("offset %d is at %+v, not %+v", s.Start.Offset, got, s.Start)
			}
		}
	})
}
