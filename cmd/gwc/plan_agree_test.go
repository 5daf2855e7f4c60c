package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/runtime"
)

// TestPlansAreTrueOfRunningGateways makes changes of known classes, starts a gateway on either side of a change and sends the witness to both: the
// status that gwc answers with by itself, or the server behind that is reached, must be what the plan says.
func TestPlansAreTrueOfRunningGateways(t *testing.T) {
	var reached atomic.Pointer[string]
	behind := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			line := "http://" + r.Host + r.URL.Path
			reached.Store(&line)
			w.Header().Set("Content-Type", "application/json")
			if strings.HasSuffix(r.URL.Path, "/messages") {
				io.WriteString(w, `{"id":"x","type":"message","role":"assistant","model":"x","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`)
				return
			}
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
		case want.Status == 0 && q.Model == "" && !slices.ContainsFunc(want.To, func(to string) bool {
			to, _, _ = strings.Cut(to, " (weight")
			return *at == to
		}):
			t.Errorf("%s: the gateway asks %s, the plan says %s", q, *at, want)
		case want.Status == 0 && q.Model != "" && !strings.Contains(want.To[0], strings.TrimSuffix(strings.TrimSuffix(*at, "/chat/completions"), "/v1/messages")+")"):
			t.Errorf("%s: the gateway asks %s, the plan says %s", q, *at, want)
		}
	}
	before := start(base)
	defer before.stop()
	sent := map[diff.Kind]int{}
	const g, a, b = "gateway.cue", "a.yaml", "b.yaml"
	cases := []struct {
		name  string
		edits []string // file, from, to, …
		want  string   // class and kind of each change, in order
	}{
		{"an operation is removed", []string{a, "  /things: {get: {operationId: list, responses: {\"200\": {description: ok}}}}\n", ""}, "breaking route-removed"},
		{"an operation is added", []string{a, "paths:\n", "paths:\n  /more: {get: {operationId: more, responses: {\"200\": {description: ok}}}}\n"}, "neutral route-added"},
		{"an operation is added that needs no key", []string{a, "paths:\n", "paths:\n  /more: {get: {operationId: more, responses: {\"200\": {description: ok}}}}\n",
			g, `operations: open: policies: auth: "none"`, `operations: {open: policies: auth: "none", more: policies: auth: "none"}`}, "security route-added-open, neutral route-added"},
		{"an operation has another method", []string{a, "{post: {operationId: open", "{put: {operationId: open"}, "breaking route-method"},
		{"an operation has another path", []string{a, "/things/{id}", "/things/{id}/all"}, "breaking route-path"},
		{"an operation has another name", []string{a, "operationId: show", "operationId: display"}, "neutral route-renamed"},
		{"a parameter of a path has another name", []string{a, "/things/{id}: {get: {operationId: show, parameters: [{name: id", "/things/{thing}: {get: {operationId: show, parameters: [{name: thing"}, "neutral route-parameter"},
		{"an operation is added where another served", []string{a, "paths:\n", "paths:\n  /things/mine: {get: {operationId: mine, responses: {\"200\": {description: ok}}}}\n"}, "neutral route-added"},
		{"an operation is added where another served, for longer", []string{a, "paths:\n", "paths:\n  /things/mine: {get: {operationId: mine, responses: {\"200\": {description: ok}}}}\n",
			g, `auth: "none"}`, `auth: "none", operations: mine: policies: timeout: "9s"}`}, "behaviour route-takes-requests, neutral route-added"},
		{"an operation needs no key", []string{g, `auth: "none"}`, `auth: "none", operations: list: policies: auth: "none"}`}, "security route-auth-loosened"},
		{"an operation needs a key", []string{g, `, operations: open: policies: auth: "none"`, ``}, "breaking route-auth-tightened"},
		{"no operation of an API needs a key", []string{g, `operations: open: policies: auth: "none"`, `policies: auth: "none"`}, "security route-auth-loosened, security route-auth-loosened"},
		{"an operation may take shorter", []string{g, `policies: auth: "none"`, `policies: {auth: "none", timeout: "9s"}`}, "behaviour route-timeout"},
		{"all operations of an API may take shorter", []string{g, `hosts: ["b.example"]`, `policies: timeout: "9s", hosts: ["b.example"]`}, "behaviour route-timeout"},
		{"an API has another base path", []string{g, `"/a/v1"`, `"/a/v2"`}, "breaking api-base-path"},
		{"an API has another upstream", []string{g, `upstream: "deep"`, `upstream: "root"`}, "behaviour api-upstream"},
		{"an API has another name", []string{g, "\ta: {owner", "\talpha: {owner"}, "neutral api-added, neutral api-replaced, neutral route-renamed, neutral route-renamed, neutral route-renamed"},
		{"an API has another name and upstream", []string{g, "\ta: {owner", "\talpha: {owner", g, `upstream: "deep"`, `upstream: "root"`}, "behaviour route-moved, behaviour route-moved, behaviour route-moved, neutral api-added, neutral api-replaced"},
		{"an API is on another host", []string{g, `["b.example"]`, `["*.b.example"]`}, "breaking api-host-removed, neutral api-host-added"},
		{"an API is on one more host", []string{g, `["b.example"]`, `["b.example", "c.example"]`}, "neutral api-host-added"},
		{"an API is on every host", []string{g, `hosts: ["b.example"], `, ``}, "neutral api-host-added, neutral api-host-covered"},
		{"an API is removed", []string{g, "\tb: {owner: \"t\", openapi: \"b.yaml\", hosts: [\"b.example\"], upstream: \"root\"}\n", ""}, "breaking api-removed"},
		{"an API is added", []string{g, "apis: {\n", "apis: {\n\tc: {owner: \"t\", openapi: \"b.yaml\", basePath: \"/c\", upstream: \"root\"}\n"}, "neutral api-added"},
		{"an API belongs to the platform", []string{g, `b: {owner: "t", `, `b: {`}, "security api-owner"},
		{"an upstream has another endpoint", []string{g, two.URL + "/deep", two.URL + "/deeper"}, "behaviour upstream-endpoint-added, behaviour upstream-endpoint-removed"},
		{"an upstream has one more endpoint", []string{g, `root: endpoints: [`, `root: endpoints: [{url: "` + two.URL + `/more", weight: 5}, `}, "behaviour upstream-endpoint-added"},
		{"an upstream has other timeouts", []string{g, `deep: endpoints`, `deep: timeouts: connect: "9s", deep: endpoints`}, "behaviour upstream-timeouts"},
		{"a target is another provider's", []string{g, `{provider: "p", model: "x"}`, `{provider: "q", model: "x"}`}, "behaviour model-target-added, behaviour model-target-removed"},
		{"a target is another model of its provider", []string{g, `{provider: "p", model: "x"}`, `{provider: "p", model: "z"}`}, "behaviour model-target-added, behaviour model-target-removed"},
		{"a target is added before the others", []string{g, `other: targets: [`, `other: targets: [{provider: "q", model: "first"}, `}, "behaviour model-target-added, behaviour model-targets-order, cost model-attempts-raised"},
		{"a target is removed", []string{g, `{provider: "p", model: "y"}, {provider: "q", model: "y"}`, `{provider: "q", model: "y"}`}, "behaviour model-attempts-lowered, behaviour model-target-removed, behaviour model-targets-order"},
		{"targets change places", []string{g, `{provider: "p", model: "y"}, {provider: "q", model: "y"}`, `{provider: "q", model: "y"}, {provider: "p", model: "y"}`}, "behaviour model-targets-order"},
		{"a model may be tried more often", []string{g, `other: targets`, `other: retry: attempts: 5, other: targets`}, "cost model-attempts-raised"},
		{"a model is tried once", []string{g, `other: targets`, `other: retry: attempts: 1, other: targets`}, "behaviour model-attempts-lowered"},
		{"a model is tried again after fewer failures", []string{g, `other: targets`, `other: retry: on: ["429"], other: targets`}, "behaviour model-retry-on"},
		{"a model has other timeouts", []string{g, `fast: targets`, `fast: timeouts: total: "33s", fast: targets`}, "behaviour model-timeouts"},
		{"a model may answer longer", []string{g, `fast: targets`, `fast: maxTokens: 9000, fast: targets`}, "cost model-max-tokens-raised"},
		{"a model costs more", []string{g, `fast: targets`, `fast: price: {input: "1", output: "2"}, fast: targets`}, "neutral model-price-known"},
		{"a model is said to be capable of something", []string{g, `fast: targets`, `fast: capabilities: ["tools"], fast: targets`}, "neutral model-capability-added"},
		{"a model is removed", []string{g, "\tother: targets: [{provider: \"p\", model: \"y\"}, {provider: \"q\", model: \"y\"}]\n", "", g, `models: ["fast", "other"]`, `models: ["fast"]`}, "breaking model-removed"},
		{"a provider moves", []string{g, one.URL + "/v1", two.URL + "/v1"}, "security provider-server"},
		{"a provider is asked at another path", []string{g, one.URL + "/v1", one.URL + "/v9"}, "behaviour provider-path"},
		{"a provider is asked in another dialect", []string{g, `q: {kind: "openai", baseURL: "` + two.URL + `/v1"}`, `q: {kind: "anthropic", baseURL: "` + two.URL + `/v1"}`, g, `{provider: "p", model: "y"}, {`, `{`},
			"behaviour model-attempts-lowered, behaviour model-target-removed, behaviour model-targets-order, behaviour provider-kind"},
		{"a provider has other timeouts", []string{g, `p: {kind: "openai", `, `p: {kind: "openai", timeouts: connect: "9s", `}, "behaviour provider-timeouts"},
		{"a provider is sent a header", []string{g, `p: {kind: "openai", `, `p: {kind: "openai", headers: "x-team": "t", `}, "behaviour provider-headers"},
		{"a model is granted", []string{g, `models: ["fast"]}`, `models: ["fast", "other"]}`}, "security model-granted"},
		{"a model is revoked", []string{g, `models: ["fast", "other"]`, `models: ["other"]`}, "breaking model-revoked"},
		{"a key is added", []string{g, `{id: "batch-1"`, `{id: "batch-2", hash: "` + hash("batch-2") + `"}, {id: "batch-1"`}, "security key-added"},
		{"a key is removed", []string{g, `web: {keys: [{id: "web-1", hash: "` + hash("web-1") + `"}], `, `web: {`}, "breaking key-removed"},
		{"a key is another one", []string{g, `{id: "web-1", hash: "` + hash("web-1"), `{id: "batch-2", hash: "` + hash("batch-2")}, "breaking key-removed, security key-added"},
		{"a key has expired", []string{g, hash("web-1") + `"`, hash("web-1") + `", expires: "2020-01-01"`}, "breaking key-expiry-earlier"},
		{"a key is called otherwise", []string{g, `id: "web-1"`, `id: "web-one"`}, "neutral key-renamed"},
		{"a key is another app's", []string{g, hash("web-1"), "WEB", g, hash("batch-1"), hash("web-1"), g, "WEB", hash("batch-1")}, "security key-moved, security key-moved"},
		{"an app is removed", []string{g, `		web: {keys: [{id: "web-1", hash: "` + hash("web-1") + `"}], models: ["fast"]}` + "\n", ""}, "breaking app-removed"},
		{"an app is added", []string{g, "\tapps: {\n", "\tapps: {\n\t\tnew: {keys: [{id: \"batch-2\", hash: \"" + hash("batch-2") + "\"}], models: [\"fast\"]}\n"}, "security app-added"},
		{"an app has a limit", []string{g, `models: ["fast"]}`, `models: ["fast"], limits: [{requests: 1000, per: "1m"}]}`}, "behaviour limit-added"},
		{"a tenant has other owners", []string{g, `["@t"]`, `["@u"]`}, "security tenant-owners"},
		{"a document asks for a parameter", []string{a, "operationId: list,", "operationId: list, parameters: [{name: page, in: query, required: true, schema: {type: integer}}],"}, "breaking document-breaking"},
		{"a document allows a parameter", []string{a, "operationId: list,", "operationId: list, parameters: [{name: page, in: query, schema: {type: integer}}],"}, "neutral document-neutral"},
	}
	if len(cases) < 40 {
		t.Fatalf("there are only %d changes", len(cases))
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			files := maps.Clone(base)
			for e := tt.edits; len(e) > 0; e = e[3:] {
				if !strings.Contains(files[e[0]], e[1]) {
					t.Fatalf("%s does not hold %q", e[0], e[1])
				}
				files[e[0]] = strings.Replace(files[e[0]], e[1], e[2], 1)
			}
			after := start(files)
			defer after.stop()
			there, back := diff.Compare(before.side, after.side), diff.Compare(after.side, before.side)
			var got []string
			for i := range there {
				c := &there[i]
				got = append(got, fmt.Sprintf("%s %s", c.Class(), c.Kind))
				// Where a request is decided differently, the plan must show one.
				if c.Class() == diff.Behaviour && c.Witness == nil && !slices.Contains([]diff.Kind{diff.LimitAdded}, c.Kind) {
					t.Errorf("%s: no request shows it", c.Summary)
				}
			}
			if d := cmp.Diff(tt.want, strings.Join(got, ", ")); d != "" {
				t.Errorf("mismatch (-want +got)\n%s", d)
			}
			for i, c := range slices.Concat(there, back) {
				w := c.Witness
				if w == nil {
					continue
				}
				sent[c.Kind]++
				x, y := before, after
				if i >= len(there) {
					x, y = after, before
				}
				holds(t, x, w.Request, w.Before)
				holds(t, y, w.Request, w.After)
			}
		})
	}
	if len(sent) < 30 {
		t.Errorf("witnesses of %d kinds were sent: %v", len(sent), sent)
	}
}
