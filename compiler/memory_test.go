package compiler_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/specimen"
)

// TestAMemoryChangesNoResult edits a repository on disk again and again, as somebody does beside `gwc run`, and compares
// builds that remember the ones before with builds that know nothing.
func TestAMemoryChangesNoResult(t *testing.T) {
	dir := t.TempDir()
	files := specimen.Company(50, "http://127.0.0.1:9000")
	put := func(name string, data []byte) {
		t.Helper()
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-time.Hour)
	for name, data := range files {
		put(name, data)
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	var memory cache.Memory
	build := func(m *cache.Memory) *compiler.Result {
		t.Helper()
		r, err := compiler.Build(context.Background(), compiler.Options{Dir: dir, Now: now, Tool: "gwc test", Memory: m})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := build(&memory); r.Units.Evaluated != 6 {
		t.Errorf("the first build evaluated %d units of 6", r.Units.Evaluated)
	}
	if r := build(&memory); r.Units.Evaluated != 0 || r.Documents.Parsed != 0 {
		t.Errorf("a build of the same evaluated %d units and parsed %d documents", r.Units.Evaluated, r.Documents.Parsed)
	}
	api := "tenants/team-00003/apis/api-000031.cue"
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 40 {
		data := append([]byte(nil), files[api]...)
		data[r.IntN(len(data))] = "{}:\"a1. "[r.IntN(8)]
		put(api, data)
		got := build(&memory)
		same(t, "an edit", build(nil), got)
		if got.Units.Evaluated > 1 {
			t.Errorf("edit %d: %d units were evaluated", i, got.Units.Evaluated)
		}
	}
	put(api, files[api])
	if err := os.Remove(filepath.Join(dir, "tenants/team-00001/openapi.yaml")); err != nil {
		t.Fatal(err)
	}
	same(t, "a document is gone", build(nil), build(&memory))
}
