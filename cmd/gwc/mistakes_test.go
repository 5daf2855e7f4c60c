package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/schema/diag"
)

// mistakesFolder holds repositories with one mistake each. An archive's first line says which, its second line where:
// "at FILE:LINE:COL". Its sections in/<path> stand in place of the files of base.txtar, and out/text is what a person
// is told, which GWC_UPDATE=1 rewrites; the place is never rewritten.
const mistakesFolder = "../../compiler/testdata/mistakes"

// judged is the day on which the repositories are judged.
var judged = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

func buildFiles(t testing.TB, files map[string][]byte) *compiler.Result {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	r, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Now: judged, Tool: "gwc test"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// told is what a person sees of findings.
func told(t testing.TB, list []diag.Diagnostic, files map[string][]byte) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := render.Write(&b, "text", list, render.Options{Source: func(f string) []byte { return files[f] }}); err != nil {
		t.Fatal(err)
	}
	text := allowedFields.ReplaceAllString(strings.TrimRight(b.String(), "\n")+"\n", "= allowed: …")
	return inSchema.ReplaceAllString(text, "$1")
}

// What changes in many texts with every field that the language gets stays out of them: the fields of a struct, and the
// line of the schema. Goldens of the stages hold both.
var (
	allowedFields = regexp.MustCompile(`= allowed: .*`)
	inSchema      = regexp.MustCompile(`(\(schema: [a-z]+\.cue):[0-9]+`)
)

func archive(t testing.TB, name string) (a *txtar.Archive, in map[string][]byte) {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	in = map[string][]byte{}
	for _, f := range a.Files {
		if p, ok := strings.CutPrefix(f.Name, "in/"); ok {
			in[p] = f.Data
		}
	}
	return a, in
}

func TestOneMistakeIsOneFinding(t *testing.T) {
	_, base := archive(t, filepath.Join(mistakesFolder, "base.txtar"))
	if r := buildFiles(t, base); len(r.Report.All()) > 0 || r.Bytes == nil {
		t.Fatalf("the repository without a mistake gives\n%s", told(t, r.Report.All(), base))
	}
	names, err := filepath.Glob(filepath.Join(mistakesFolder, "*.txtar"))
	if err != nil || len(names) <= 150 {
		t.Fatalf("%d archives, %v", len(names), err)
	}
	for _, name := range names {
		if filepath.Base(name) == "base.txtar" {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, in := archive(t, name)
			files := maps.Clone(base)
			maps.Copy(files, in)
			list := buildFiles(t, files).Report.All()
			text := told(t, list, files)
			lines := strings.Split(string(a.Comment), "\n")
			if len(list) != 1 {
				t.Errorf("%s: %d findings, want one:\n%s", lines[0], len(list), text)
			}
			at := list[:min(1, len(list))]
			if got, want := fmt.Sprintf("at %s", place(at)), lines[1]; got != want {
				t.Errorf("%s: the finding is %s, want %s:\n%s", lines[0], got, want, text)
			}
			last := &a.Files[len(a.Files)-1]
			if last.Name != "out/text" {
				t.Fatal("the last section is not out/text")
			}
			if os.Getenv("GWC_UPDATE") == "1" {
				last.Data = []byte(text)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(last.Data), text); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
			for i := range list {
				repaired(t, list, i, files)
			}
		})
	}
}

func place(list []diag.Diagnostic) string {
	if len(list) == 0 {
		return "nowhere"
	}
	s := list[0].Primary.Span
	return fmt.Sprintf("%s:%d:%d", s.File, s.Start.Line, s.Start.Col)
}

// repaired applies each fix of a finding by itself: the finding is gone then, and there is none that was not there.
func repaired(t *testing.T, list []diag.Diagnostic, i int, files map[string][]byte) {
	t.Helper()
	known := map[string]int{}
	for j := range list {
		if j != i {
			known[list[j].Fingerprint()]++
		}
	}
	for _, fix := range list[i].Fixes {
		source := func(f string) []byte { return files[f] }
		if _, ok := placesOf(fix, source); !ok {
			t.Errorf("fix %q of %s has no places", fix.Title, list[i].Code)
			continue
		}
		after := maps.Clone(files)
		maps.Copy(after, apply([]repair{{list[i].Code, fix.Title, fix.Edits}}, source))
		for _, d := range buildFiles(t, after).Report.All() {
			if known[d.Fingerprint()]--; known[d.Fingerprint()] < 0 {
				t.Errorf("fix %q of %s leaves\n%s", fix.Title, list[i].Code, told(t, []diag.Diagnostic{d}, after))
			}
		}
	}
}
