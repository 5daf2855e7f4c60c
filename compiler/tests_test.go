package compiler_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/cache"
)

// TestTestsWithoutMistakesAreNotJudgedAgain builds with one cache: tests whose files and names have not changed are not
// evaluated, and what has changed is judged.
func TestTestsWithoutMistakesAreNotJudgedAgain(t *testing.T) {
	c, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	files := fstest.MapFS{
		"gateway.cue": {Data: []byte(`package gateway
gateway: listeners: main: address: "127.0.0.1:8080"
upstreams: pets: endpoints: [{url: "http://10.0.0.7:8080"}]
apis: pets: {openapi: "pets.yaml", basePath: "/pets", upstream: "pets"}
`)},
		"pets.yaml":   {Data: []byte("openapi: 3.0.3\ninfo: {title: Pets, version: \"1\"}\npaths:\n  /pets:\n    get: {operationId: listPets}\n")},
		"tests/a.cue": {Data: []byte("package gateway\ntests: x: {request: path: \"/pets/pets\", expect: record: operation: \"listPets\"}\n")},
	}
	judge := func(o compiler.Options) (findings, tests int) {
		t.Helper()
		o.FS, o.Tool, o.Cache = files, "gwc test", c
		res, err := compiler.Build(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		return len(res.Report.All()), len(res.Tests)
	}
	if n, tests := judge(compiler.Options{Tests: true}); n != 0 || tests != 1 {
		t.Errorf("at first: %d findings, %d tests", n, tests)
	}
	if n, tests := judge(compiler.Options{Tests: true}); n != 0 || tests != 0 {
		t.Errorf("again: %d findings, %d tests; want none, because nothing was evaluated", n, tests)
	}
	if n, tests := judge(compiler.Options{Rehearsal: true}); n != 0 || tests != 1 {
		t.Errorf("where they are wanted: %d findings, %d tests", n, tests)
	}
	document := files["pets.yaml"]
	files["pets.yaml"] = &fstest.MapFile{Data: []byte("openapi: 3.0.3\ninfo: {title: Pets, version: \"1\"}\npaths:\n  /pets:\n    get: {operationId: showPets}\n")}
	for range 2 {
		if n, _ := judge(compiler.Options{Tests: true}); n != 1 {
			t.Errorf("a name is gone: %d findings, want 1", n)
		}
	}
	files["pets.yaml"] = document
	files["tests/a.cue"] = &fstest.MapFile{Data: []byte("package gateway\ntests: x: {request: pth: \"/pets/pets\"}\n")}
	if n, _ := judge(compiler.Options{Tests: true}); n == 0 {
		t.Error("a typo in a test was not found")
	}
}
