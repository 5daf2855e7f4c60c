package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/runtime"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// TestTryAgreesWithTheRuntime sends requests to a running gateway and asks try about the same ones: the status that
// gwc answers with by itself and the request that reaches a server behind must be the same.
func TestTryAgreesWithTheRuntime(t *testing.T) {
	var reached atomic.Pointer[string]
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := r.Method + " http://" + r.Host + r.URL.RequestURI()
		reached.Store(&line)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"x","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	defer behind.Close()

	keys := map[string]key{"web": newKey(), "batch": newKey(), "old": newKey(), "stranger": newKey()}
	hash := func(name string) string { k := keys[name]; return k.hashText() }
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gateway.cue"), `package gateway

gateway: listeners: main: address: "127.0.0.1:0"
providers: p: {kind: "openai", baseURL: "`+behind.URL+`/v1"}
models: {
	fast: targets: [{provider: "p", model: "x"}]
	other: targets: [{provider: "p", model: "y"}]
}
upstreams: {
	root: endpoints: [{url: "`+behind.URL+`"}]
	deep: endpoints: [{url: "`+behind.URL+`/deep/er"}]
}
tenants: t: {
	owners: ["@t"]
	apps: {
		web: {keys: [{id: "w", hash: "`+hash("web")+`"}], models: ["fast"]}
		batch: {keys: [{id: "b", hash: "`+hash("batch")+`"}], models: ["fast", "other"]}
		old: keys: [{id: "o", hash: "`+hash("old")+`", expires: "2020-01-01"}]
	}
}
apis: {
	a: {owner: "t", openapi: "a.yaml", basePath: "/a/v1", upstream: "deep", operations: open: policies: auth: "none"}
	b: {owner: "t", openapi: "a.yaml", hosts: ["b.example"], upstream: "root"}
}
`)
	write(t, filepath.Join(dir, "a.yaml"), `openapi: 3.0.3
info: {title: A, version: "1"}
paths:
  /things: {get: {operationId: list, responses: {"200": {description: ok}}}}
  /things/{id}.json: {get: {operationId: asJson, parameters: [{name: id, in: path, required: true, schema: {type: string}}], responses: {"200": {description: ok}}}}
  /things/{id}: {get: {operationId: show, parameters: [{name: id, in: path, required: true, schema: {type: string}}], responses: {"200": {description: ok}}}}
  /open: {post: {operationId: open, responses: {"200": {description: ok}}}}
  /: {get: {operationId: home, responses: {"200": {description: ok}}}}
`)
	res, err := compiler.Build(t.Context(), compiler.Options{Dir: dir, Tool: "test"})
	if err != nil || res.Artifact == nil {
		t.Fatalf("%v %+v", err, res.Report.All())
	}
	file := filepath.Join(dir, "gateway.gwca")
	if err := os.WriteFile(file, res.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, err := artifact.Decode(res.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan runtime.Info, 1), make(chan error, 1)
	go func() {
		done <- runtime.Run(ctx, runtime.Options{Path: file, Drain: time.Second, Log: slog.New(slog.DiscardHandler), Ready: func(i runtime.Info) { ready <- i }})
	}()
	var addr net.Addr
	select {
	case i := <-ready:
		addr = i.Listeners["main"]
	case err := <-done:
		t.Fatal(err)
	}
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	bearer := func(name string) string { k := keys[name]; return "Authorization: Bearer " + k.secret }
	outcomes := [3]int{}
	for _, tt := range []struct {
		name, method, target, host, body string
		headers                          []string
	}{
		{name: "an operation by key", method: "GET", target: "/a/v1/things", headers: []string{bearer("web")}},
		{name: "a parameter, a query and an encoded slash", method: "GET", target: "/a/v1/things/x%2fy?q=1&r=%20", headers: []string{bearer("web")}},
		{name: "a mixed segment", method: "GET", target: "/a/v1/things/7.json", headers: []string{"x-api-key: " + keys["web"].secret}},
		{name: "unreserved characters are decoded", method: "GET", target: "/a/v1/%74hings?", headers: []string{"X-Goog-Api-Key: " + keys["web"].secret}},
		{name: "the root of an API", method: "GET", target: "/a/v1/", headers: []string{bearer("web")}},
		{name: "the root without its slash", method: "GET", target: "/a/v1", headers: []string{bearer("web")}},
		{name: "HEAD in place of GET", method: "HEAD", target: "/a/v1/things", headers: []string{bearer("web")}},
		{name: "no key needed", method: "POST", target: "/a/v1/open"},
		{name: "no key", method: "GET", target: "/a/v1/things"},
		{name: "a key of nobody", method: "GET", target: "/a/v1/things", headers: []string{bearer("stranger")}},
		{name: "an expired key", method: "GET", target: "/a/v1/things", headers: []string{bearer("old")}},
		{name: "two keys", method: "GET", target: "/a/v1/things", headers: []string{bearer("web"), "x-api-key: " + keys["batch"].secret}},
		{name: "the same key twice", method: "GET", target: "/a/v1/things", headers: []string{bearer("web"), "x-api-key: " + keys["web"].secret}},
		{name: "a credential of another scheme beside a key", method: "GET", target: "/a/v1/things", headers: []string{"Authorization: Basic eDp5", "x-api-key: " + keys["web"].secret}},
		{name: "a wrong method", method: "DELETE", target: "/a/v1/things", headers: []string{bearer("web")}},
		{name: "no such path", method: "GET", target: "/a/v1/thing", headers: []string{bearer("web")}},
		{name: "an empty parameter", method: "GET", target: "/a/v1/things/", headers: []string{bearer("web")}},
		{name: "a malformed encoding", method: "GET", target: "/a/v1/things/%zz"},
		{name: "dot segments", method: "GET", target: "/a/v1/%2e%2e/x"},
		{name: "another host", method: "GET", target: "/things", host: "B.example:80", headers: []string{bearer("web")}},
		{name: "the path of another host", method: "GET", target: "/things", headers: []string{bearer("web")}},
		{name: "a chat", method: "POST", target: "/v1/chat/completions", headers: []string{bearer("web")}, body: `{"model":"fast","messages":[]}`},
		{name: "a chat with a model that the app has not", method: "POST", target: "/v1/chat/completions", headers: []string{bearer("web")}, body: `{"model":"other","messages":[]}`},
		{name: "a chat with a model that is not", method: "POST", target: "/v1/chat/completions", headers: []string{bearer("web")}, body: `{"model":"none","messages":[]}`},
		{name: "a chat without a model", method: "POST", target: "/v1/chat/completions", headers: []string{bearer("web")}, body: `{"messages":[]}`},
		{name: "a chat that is not JSON", method: "POST", target: "/v1/chat/completions", headers: []string{bearer("web")}, body: `{`},
		{name: "a chat without a key", method: "POST", target: "/v1/chat/completions", body: `{"model":"fast","messages":[]}`},
		{name: "the models", method: "GET", target: "/v1/models", headers: []string{bearer("batch")}},
		{name: "a model", method: "GET", target: "/v1/models/fast", headers: []string{bearer("web")}},
		{name: "a model that the app has not", method: "GET", target: "/v1/models/other", headers: []string{bearer("web")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := newRequest(tt.method, tt.target, tt.headers, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if q.host = tt.host; q.host == "" {
				q.host = addr.String()
			}
			q.body = []byte(tt.body)
			d := decide(a, q)
			outcomes[d.outcome()]++

			// The request is written by hand: a client would normalise it.
			reached.Store(nil)
			var b strings.Builder
			b.WriteString(tt.method + " " + tt.target + " HTTP/1.1\r\nHost: " + q.host + "\r\nConnection: close\r\n")
			for _, h := range tt.headers {
				b.WriteString(h + "\r\n")
			}
			if tt.body != "" {
				b.WriteString("Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(tt.body)) + "\r\n")
			}
			got := exchange(t, addr, b.String()+"\r\n"+tt.body)
			want := d.status
			if want == 0 {
				want = http.StatusOK
			}
			if got != want {
				t.Errorf("the runtime answers with %d, try says %q", got, d.verdict())
			}
			line := ""
			if p := reached.Load(); p != nil {
				line = *p
			}
			if len(d.endpoints) == 0 && line != "" || len(d.endpoints) > 0 && line != d.endpoints[0].url {
				t.Errorf("the runtime sent %q, try says %+v", line, d.endpoints)
			}
		})
	}
	if outcomes[0] < 8 || outcomes[1] < 2 || outcomes[2] < 12 {
		t.Errorf("the requests are too much alike: %v", outcomes)
	}
}

// exchange sends raw bytes and returns the status of the answer.
func exchange(t *testing.T, addr net.Addr, raw string) int {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil || len(b) < 12 {
		t.Fatalf("%q, %v", b, err)
	}
	status := 0
	for _, digit := range b[9:12] {
		status = status*10 + int(digit-'0')
	}
	return status
}
