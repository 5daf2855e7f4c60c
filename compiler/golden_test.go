package compiler_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// Each archive of testdata is one behaviour: the repository under in/, and what the stages make of it under out/:
// diag (all findings), ir (the program after link) and table (the routing table). An archive has the sections of out/
// that matter to it. GWC_UPDATE=1 rewrites them.
func TestGoldens(t *testing.T) {
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
			in := map[string][]byte{}
			for _, f := range a.Files {
				if p, ok := strings.CutPrefix(f.Name, "in/"); ok {
					in[p] = f.Data
				}
			}
			res := build(t, in, "")
			got := map[string]string{"out/diag": short(res.Report)}
			if res.Program != nil {
				got["out/ir"] = res.Program.Text()
			}
			if res.Artifact != nil {
				got["out/table"] = routes(res.Artifact)
			}
			for i, f := range a.Files {
				if !strings.HasPrefix(f.Name, "out/") {
					continue
				}
				text, ok := got[f.Name]
				if !ok && len(bytes.TrimSpace(f.Data)) > 0 {
					t.Errorf("%s: there is none", f.Name)
				}
				if os.Getenv("GWC_UPDATE") == "1" {
					a.Files[i].Data = []byte(text)
				} else if diff := cmp.Diff(string(f.Data), text); diff != "" {
					t.Errorf("%s: mismatch (-want +got)\n%s", f.Name, diff)
				}
			}
			if os.Getenv("GWC_UPDATE") == "1" {
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// routes writes the routing table: a line for each pattern, with the route that it leads to.
func routes(a *artifact.Artifact) string {
	var l []string
	for p := range a.Table.All() {
		r := &a.Routes[p.Value]
		api := "-"
		if r.API >= 0 {
			api = a.APIs[r.API].Name + "→" + a.Upstreams[a.APIs[r.API].Upstream].Name
		}
		timeout := ""
		if r.Timeout > 0 {
			timeout = " " + r.Timeout.String()
		}
		l = append(l, fmt.Sprintf("%s %s%s = %s %s %s%s\n", p.Method, p.Host, p.Path, r.ID, api, r.Auth, timeout))
	}
	slices.Sort(l)
	return strings.Join(l, "")
}
