package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/runtime"
)

// TestWitnessesAreTrueOfRunningGateways starts a gateway on either side of a change and sends the witness to both: the
// status that gwc answers with by itself, or the server behind that is reached, must be what the plan says.
func TestWitnessesAreTrueOfRunningGateways(t *testing.T) {
	var reached atomic.Pointer[string]
	behind := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			line := "http://" + r.Host + r.URL.Path
			reached.Store(&line)
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"id":"x","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
		}))
		t.Cleanup(s.Close)
		return s
	}
	one, two := behind(), behind()
	keys := map[string]key{"web-1": newKey(), "batch-1": newKey(), "batch-2": newKey()}
	hash := func(id string) string { k := keys[id]; return k.hashText() }
	base := map[string]string{
		"gateway.cue": `package gateway

gateway: listeners: main: address: "127.0.0.1:0"
providers: {
	p: {kind: "openai", baseURL: "` + one.URL + `/v1"}
	q: {kind: "openai", baseURL: "` + two.URL + `/v1"}
}
models: {
	fast: targets: [{provider: "p", model: "x"}]
	other: targets: [{provider: "p", model: "y"}, {provider: "q", model: "y"}]
}
upstreams: {
	root: endpoints: [{url: "` + one.URL + `"}]
	deep: endpoints: [{url: "` + two.URL + `/deep"}]
}
tenants: t: {
	owners: ["@t"]
	apps: {
		web: {keys: [{id: "web-1", hash: "` + hash("web-1") + `"}], models: ["fast"]}
		batch: {keys: [{id: "batch-1", hash: "` + hash("batch-1") + `"}], models: ["fast", "other"]}
	}
}
apis: {
	a: {owner: "t", openapi: "a.yaml", basePath: "/a/v1", upstream: "deep", operations: open: policies: auth: "none"}
	b: {owner: "t", openapi: "b.yaml", hosts: ["b.example"], upstream: "root"}
}
`,
		"a.yaml": `openapi: 3.0.3
info: {title: A, version: "1"}
paths:
  /things: {get: {operationId: list, responses: {"200": {description: ok}}}}
  /things/{id}: {get: {operationId: show, parameters: [{name: id, in: path, required: true, schema: {type: string}}], responses: {"200": {description: ok}}}}
  /open: {post: {operationId: open, responses: {"200": {description: ok}}}}
`,
		"b.yaml": `openapi: 3.0.3
info: {title: B, version: "1"}
paths:
  /goods/v{n}.json: {get: {operationId: good, parameters: [{name: n, in: path, required: true, schema: {type: string}}], responses: {"200": {description: ok}}}}
`,
	}
	type gateway struct {
		side diff.Side
		addr net.Addr
		stop func()
	}
	start := func(files map[string]string) gateway {
		fsys := fstest.MapFS{}
		for name, text := range files {
			fsys[name] = &fstest.MapFile{Data: []byte(text)}
		}
		res, err := compiler.Build(t.Context(), compiler.Options{FS: fsys, Tool: "test"})
		if err != nil || res.Artifact == nil {
			t.Fatalf("%v %+v", err, res.Report.All())
		}
		file := filepath.Join(t.TempDir(), "gateway.gwca")
		if err := os.WriteFile(file, res.Bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ready, done := make(chan runtime.Info, 1), make(chan error, 1)
		go func() {
			done <- runtime.Run(ctx, runtime.Options{Path: file, Drain: time.Second, Log: slog.New(slog.DiscardHandler), Ready: func(i runtime.Info) { ready <- i }})
		}()
		select {
		case i := <-ready:
			return gateway{diff.Side{Artifact: res.Artifact, Files: res.Sources.All()}, i.Listeners["main"], func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}}
		case err := <-done:
			cancel()
			t.Fatal(err)
		}
		panic("unreachable")
	}
	// holds sends a witness to one gateway.
	holds := func(t *testing.T, g gateway, q diff.Request, want diff.Decision) {
		t.Helper()
		host, body := q.Host, ""
		if host == "" {
			host = "any.example"
		}
		raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", q.Method, q.Path, host)
		if q.Key != "" {
			k := keys[q.Key]
			raw += "Authorization: Bearer " + k.secret + "\r\n"
		}
		if q.Model != "" {
			body = fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"x"}]}`, q.Model)
			raw += "Content-Type: application/json\r\n"
		}
		if q.Method == "POST" || q.Method == "PUT" {
			raw += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		reached.Store(nil)
		status := exchange(t, g.addr, raw+"\r\n"+body)
		at := reached.Load()
		switch {
		case want.Status != 0 && (status != want.Status || at != nil):
			t.Errorf("%s: the gateway answers %d, the plan says %s", q, status, want)
		case want.Status == 0 && (status != 200 || at == nil):
			t.Errorf("%s: the gateway answers %d without a server behind, the plan says %s", q, status, want)
		case want.Status == 0 && q.Model == "" && *at != want.To[0]:
			t.Errorf("%s: the gateway asks %s, the plan says %s", q, *at, want)
		case want.Status == 0 && q.Model != "" && !strings.Contains(want.To[0], strings.TrimSuffix(*at, "/chat/completions")+")"):
			t.Errorf("%s: the gateway asks %s, the plan says %s", q, *at, want)
		}
	}
	before := start(base)
	defer before.stop()
	sent := map[diff.Kind]int{}
	for _, tt := range []struct{ name, file, from, to string }{
		{"an operation is removed", "a.yaml", "  /things: {get: {operationId: list, responses: {\"200\": {description: ok}}}}\n", ""},
		{"an operation has another method", "a.yaml", "{post: {operationId: open", "{put: {operationId: open"},
		{"an operation has another path", "a.yaml", "/things/{id}", "/things/{id}/all"},
		{"an operation is added where another served", "a.yaml", "paths:\n", "paths:\n  /things/mine: {get: {operationId: mine, responses: {\"200\": {description: ok}}}}\n"},
		{"an operation needs no key", "gateway.cue", `auth: "none"}`, `auth: "none", operations: list: policies: auth: "none"}`},
		{"an operation needs a key", "gateway.cue", `, operations: open: policies: auth: "none"`, ``},
		{"an operation may take shorter", "gateway.cue", `policies: auth: "none"`, `policies: {auth: "none", timeout: "9s"}`},
		{"an API has another base path", "gateway.cue", `"/a/v1"`, `"/a/v2"`},
		{"an API has another upstream", "gateway.cue", `upstream: "deep"`, `upstream: "root"`},
		{"an API is on another host", "gateway.cue", `["b.example"]`, `["*.b.example"]`},
		{"an API is on every host", "gateway.cue", `hosts: ["b.example"], `, ``},
		{"an upstream has another endpoint", "gateway.cue", two.URL + "/deep", two.URL + "/deeper"},
		{"a target is another provider's", "gateway.cue", `{provider: "p", model: "x"}`, `{provider: "q", model: "x"}`},
		{"targets change places", "gateway.cue", `{provider: "p", model: "y"}, {provider: "q", model: "y"}`, `{provider: "q", model: "y"}, {provider: "p", model: "y"}`},
		{"a provider moves", "gateway.cue", one.URL + "/v1", two.URL + "/v1"},
		{"a model is granted", "gateway.cue", `models: ["fast"]}`, `models: ["fast", "other"]}`},
		{"a model is revoked", "gateway.cue", `models: ["fast", "other"]`, `models: ["other"]`},
		{"a key is added", "gateway.cue", `{id: "batch-1"`, `{id: "batch-2", hash: "` + hash("batch-2") + `"}, {id: "batch-1"`},
		{"an app is removed", "gateway.cue", `		web: {keys: [{id: "web-1", hash: "` + hash("web-1") + `"}], models: ["fast"]}` + "\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			for k, v := range base {
				files[k] = v
			}
			if !strings.Contains(files[tt.file], tt.from) {
				t.Fatalf("%s does not hold %q", tt.file, tt.from)
			}
			files[tt.file] = strings.Replace(files[tt.file], tt.from, tt.to, 1)
			after := start(files)
			defer after.stop()
			list := append(diff.Compare(before.side, after.side), diff.Compare(after.side, before.side)...)
			if len(list) == 0 {
				t.Fatal("nothing changes")
			}
			half := len(diff.Compare(before.side, after.side))
			for i := range list {
				w := list[i].Witness
				if w == nil {
					continue
				}
				sent[list[i].Kind]++
				x, y := before, after
				if i >= half {
					x, y = after, before
				}
				holds(t, x, w.Request, w.Before)
				holds(t, y, w.Request, w.After)
			}
		})
	}
	if len(sent) < 18 {
		t.Errorf("witnesses of %d kinds were sent: %v", len(sent), sent)
	}
}
