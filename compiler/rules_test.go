package compiler_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/prove"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// now is the time at which examples and goldens are judged.
var now = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

// build compiles a repository in memory.
func build(t testing.TB, files map[string][]byte, stopAfter string) *compiler.Result {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, data := range files {
		fsys[name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	r, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Now: now, Tool: "gwc test", StopAfter: stopAfter, Tests: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func repository(files []rules.File) map[string][]byte {
	m := map[string][]byte{}
	for _, f := range files {
		m[f.Name] = f.Data
	}
	return m
}

// proved is a build's report with what its assertions come to.
func proved(res *compiler.Result) diag.Report {
	report := res.Report
	if res.Artifact != nil {
		for _, r := range prove.Prove(prove.Input{Program: res.Program, Artifact: res.Artifact, Now: now}) {
			if r.Finding != nil {
				report.Add(*r.Finding)
			}
			report.Add(r.Idle...)
		}
	}
	return report
}

// short writes findings in a form for tests: a line for each place.
func short(report diag.Report) string {
	var b strings.Builder
	place := func(l diag.Label) string {
		s := l.Span
		p := "-"
		if !s.IsZero() {
			p = fmt.Sprintf("%s:%d:%d", s.File, s.Start.Line, s.Start.Col)
			if s.End.Line == s.Start.Line && s.End.Col > s.Start.Col+1 {
				p += fmt.Sprintf("-%d", s.End.Col)
			}
		}
		if l.Text != "" {
			p += " " + l.Text
		}
		return p
	}
	for _, d := range report.All() {
		fmt.Fprintf(&b, "%s[%s]: %s\n", d.Severity, d.Code, d.Summary)
		fmt.Fprintf(&b, "  at %s\n", place(d.Primary))
		for _, l := range d.Secondary {
			fmt.Fprintf(&b, "  and %s\n", place(l))
		}
		if len(d.Path) > 0 {
			fmt.Fprintf(&b, "  path %s\n", strings.Join(d.Path, "."))
		}
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "  note %s\n", n)
		}
		for _, h := range d.Help {
			fmt.Fprintf(&b, "  help %s\n", h)
		}
		for _, f := range d.Fixes {
			fmt.Fprintf(&b, "  fix %s:", f.Title)
			for _, e := range f.Edits {
				fmt.Fprintf(&b, " %s:%d:%d-%d:%d %q", e.Span.File, e.Span.Start.Line, e.Span.Start.Col, e.Span.End.Line, e.Span.End.Col, e.New)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestExamplesOfRulesGiveTheirFindingAndNoOther(t *testing.T) {
	for _, r := range rules.All() {
		t.Run(string(r.Code), func(t *testing.T) {
			if r.Example == nil {
				return
			}
			res := build(t, repository(r.Example), "")
			report := proved(res)
			got := report.All()
			if len(got) != 1 || got[0].Code != r.Code || got[0].Severity != r.Severity {
				t.Errorf("the example gives\n%s\nwant one %s[%s]", short(report), r.Severity, r.Code)
			}
		})
	}
}

func TestFixesOfRulesBuildWithoutTheFinding(t *testing.T) {
	for _, r := range rules.All() {
		t.Run(string(r.Code), func(t *testing.T) {
			if r.Fix == nil {
				return
			}
			res := build(t, repository(r.Fix), "")
			if report := proved(res); len(report.All()) > 0 || res.Bytes == nil {
				t.Errorf("the fix gives\n%s\nwant an artifact and no finding", short(report))
			}
		})
	}
}

var codeInSource = regexp.MustCompile(`"(GWC[0-9]{4})"`)

func TestEachCodeHasAPageAndEachPageACode(t *testing.T) {
	emitted := map[string]bool{}
	// The compiler's, and those of commands that have findings of their own.
	see := func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, m := range codeInSource.FindAllSubmatch(b, -1) {
			emitted[string(m[1])] = true
		}
		return nil
	}
	for _, folder := range []string{".", "../cmd/gwc"} {
		if err := filepath.WalkDir(folder, see); err != nil {
			t.Fatal(err)
		}
	}
	var want, got []string
	for c := range emitted {
		want = append(want, c)
	}
	for _, r := range rules.All() {
		got = append(got, string(r.Code))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes in sources, and pages: mismatch (-want +got)\n%s", diff)
	}
}
