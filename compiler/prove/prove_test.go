package prove_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/prove"
)

var now = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

func decide(t testing.TB, files []txtar.File) []prove.Result {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name, "in/"); ok {
			fsys[name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
		}
	}
	res, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Now: now, Tool: "gwc test", StopAfter: "table"})
	if err != nil {
		t.Fatal(err)
	}
	if res.Artifact == nil {
		for _, d := range res.Report.All() {
			t.Errorf("%s: %s at %s:%d", d.Code, d.Summary, d.Primary.Span.File, d.Primary.Span.Start.Line)
		}
		t.FailNow()
	}
	return prove.Prove(prove.Input{Program: res.Program, Artifact: res.Artifact, Now: now})
}

func text(results []prove.Result) string {
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "%s %s: %s (%d)\n", r.Verdict, r.Name, r.Checked, r.Found)
		if r.Finding == nil {
			continue
		}
		fmt.Fprintf(&b, "  %s[%s]: %s\n", r.Finding.Severity, r.Finding.Code, r.Finding.Summary)
		fmt.Fprintf(&b, "  at %s:%d\n", r.Finding.Primary.Span.File, r.Finding.Primary.Span.Start.Line)
		for _, l := range r.Finding.Secondary {
			fmt.Fprintf(&b, "  and %s:%d %s\n", l.Span.File, l.Span.Start.Line, l.Text)
		}
		for _, n := range r.Finding.Notes {
			fmt.Fprintf(&b, "  note %s\n", n)
		}
		for _, h := range r.Finding.Help {
			fmt.Fprintf(&b, "  help %s\n", h)
		}
	}
	return b.String()
}

// TestAssertions decides the assertions of each archive of testdata: the repository under in/, the verdicts in
// out/verdicts. GWC_UPDATE=1 rewrites them.
func TestAssertions(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives (%v)", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := text(decide(t, a.Files))
			for i, f := range a.Files {
				if f.Name != "out/verdicts" {
					continue
				}
				if os.Getenv("GWC_UPDATE") != "" {
					a.Files[i].Data = []byte(got)
					if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
						t.Fatal(err)
					}
				} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
					t.Errorf("mismatch (-want +got)\n%s", diff)
				}
				return
			}
			t.Error("there is no out/verdicts")
		})
	}
}
