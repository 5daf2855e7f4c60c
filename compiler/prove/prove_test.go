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
		for _, d := range r.Idle {
			fmt.Fprintf(&b, "  %s[%s]: %s\n  at %s:%d:%d\n", d.Severity, d.Code, d.Summary, d.Primary.Span.File, d.Primary.Span.Start.Line, d.Primary.Span.Start.Col)
		}
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

// TestTheDocumentedAssertionsAreDecided builds the example of docs/prove.md beside what it speaks of.
func TestTheDocumentedAssertionsAreDecided(t *testing.T) {
	page, err := os.ReadFile("../../docs/prove.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```cue\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page shows no assertions")
	}
	results := decide(t, []txtar.File{
		{Name: "in/platform/assertions.cue", Data: []byte(example)},
		{Name: "in/gateway.cue", Data: []byte(`package gateway

gateway: listeners: main: address: "127.0.0.1:8080"
providers: openai: {kind: "openai", credentials: [{ref: "env:A"}], timeouts: total: "30s"}
providers: claude: {kind: "anthropic", credentials: [{ref: "env:B"}], timeouts: total: "30s"}
models: smart: targets: [{provider: "claude", model: "claude-sonnet-4-5"}, {provider: "openai", model: "gpt-5"}]
models: "gpt-big": targets: [{provider: "openai", model: "gpt-5"}, {provider: "claude", model: "claude-sonnet-4-5"}]
upstreams: u: endpoints: [{url: "http://10.0.0.7:8080"}]
apis: petstore: {owner: "acme", openapi: "a.yaml", basePath: "/petstore", upstream: "u", policies: timeout: "2s"}
apis: status: {openapi: "a.yaml", basePath: "/status", upstream: "u", policies: {auth: "none", timeout: "2s"}}
tenants: acme: apps: web: {keys: [{id: "w", hash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}], models: ["smart"]}
tenants: shop: apps: research: models: ["gpt-big"]
`)},
		{Name: "in/a.yaml", Data: []byte("openapi: 3.0.3\ninfo: {title: A, version: '1'}\npaths:\n  /health: {get: {operationId: health, responses: {'200': {description: ok}}}}\n")},
	})
	want := map[string]prove.Verdict{
		"smart-is-for-acme": prove.Proved, "shop-is-not-on-big-models": prove.Proved, "keys-everywhere": prove.Proved, "acme-and-shop-are-apart": prove.Refuted,
		"everybody-is-limited": prove.Refuted, "a-day-costs-at-most": prove.Refuted, "keys-end": prove.Refuted, "two-vendors": prove.Proved, "no-hangs": prove.Proved,
	}
	got := map[string]prove.Verdict{}
	for _, r := range results {
		got[r.Name] = r.Verdict
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got)\n%s", diff)
	}
}
