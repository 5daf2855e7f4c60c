package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/prove"
	"github.com/gwc-dev/gwc/runtime"
	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/pipeline"
)

// TestWitnessesOfAssertionsComeThrough refutes assertions of each kind and sends their witnesses to a running gateway:
// each must reach a server behind it.
func TestWitnessesOfAssertionsComeThrough(t *testing.T) {
	var reached atomic.Int64
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"x","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
	}))
	defer behind.Close()
	keys := map[string]key{"w": newKey(), "t": newKey()}
	hash := func(id string) string { k := keys[id]; return k.hashText() }
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gateway.cue"), `package gateway

gateway: listeners: main: address: "127.0.0.1:0"
providers: p: {kind: "openai", baseURL: "`+behind.URL+`/v1", credentials: [{ref: "env:PROVE_TEST_KEY"}]}
models: {
	fast: targets: [{provider: "p", model: "x"}]
	deep: targets: [{provider: "p", model: "y"}]
}
upstreams: u: endpoints: [{url: "`+behind.URL+`/below"}]
tenants: {
	t: apps: {
		idle: models: ["fast"]
		web: {keys: [{id: "w", hash: "`+hash("w")+`"}], models: ["fast", "deep"]}
	}
	s: apps: till: {keys: [{id: "t", hash: "`+hash("t")+`", expires: "2100-01-01"}], models: ["fast"], limits: [{requests: 50, per: "1m"}]}
}
apis: {
	a: {owner: "t", openapi: "a.yaml", basePath: "/a/v1", upstream: "u", operations: open: policies: auth: "none"}
	b: {owner: "s", openapi: "a.yaml", hosts: ["b.example", "*.c.example"], upstream: "u", operations: open: policies: auth: "none"}
}
assertions: {
	"r-model": {kind: "reach", calls: ["model:fast"], only: ["t"]}
	"r-model-never": {kind: "reach", calls: ["model:deep"], never: ["t/web"]}
	"r-operation": {kind: "reach", calls: ["a.show"], never: ["s"]}
	"r-hosted": {kind: "reach", calls: ["b.asJson"], only: ["s"]}
	"r-open": {kind: "reach", calls: ["*.*"], never: ["everyone"]}
	"r-open-hosted": {kind: "reach", calls: ["b.open"], only: ["s"]}
	"r-own": {kind: "reach", calls: ["ai.chat"], only: ["t"]}
	"auth-open": {kind: "auth"}
	"auth-key": {kind: "auth", calls: ["a.list"], auth: ["none"]}
	"iso-apis": {kind: "isolation", tenants: ["*"], apart: ["apis"]}
	"iso-upstreams": {kind: "isolation", tenants: ["s", "t"], apart: ["upstreams"]}
	"iso-credentials": {kind: "isolation", tenants: ["s", "t"], apart: ["credentials"]}
	"limit": {kind: "limit", requests: 10, per: "1m", unless: ["t/idle"]}
	"spend": {kind: "spend", per: "1m", requests: 99, apps: ["s"]}
	"spend-tenant": {kind: "spend", each: "tenant", per: "1m", requests: 99, unless: ["t/idle"]}
	"expiry": {kind: "expiry", days: 30, apps: ["s"]}
	"targets": {kind: "targets", providers: 2}
	"timeout": {kind: "timeout", most: "1s"}
}
`)
	write(t, filepath.Join(dir, "a.yaml"), `openapi: 3.0.3
info: {title: A, version: "1"}
paths:
  /things: {get: {operationId: list, responses: {"200": {description: ok}}}}
  /things/{id}.json: {get: {operationId: asJson, parameters: [{name: id, in: path, required: true, schema: {type: string}}], responses: {"200": {description: ok}}}}
  /things/{id}: {get: {operationId: show, parameters: [{name: id, in: path, required: true, schema: {type: string}}], responses: {"200": {description: ok}}}}
  /open: {post: {operationId: open, responses: {"200": {description: ok}}}}
`)
	t.Setenv("PROVE_TEST_KEY", "x")
	now := time.Now()
	res, err := compiler.Build(t.Context(), compiler.Options{Dir: dir, Tool: "test", Now: now})
	if err != nil || res.Artifact == nil {
		t.Fatalf("%v %+v", err, res.Report.All())
	}
	results := prove.Prove(prove.Input{Program: res.Program, Artifact: res.Artifact, Now: now})
	if err := holds(res.Artifact, results, now); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "gateway.gwca")
	if err := os.WriteFile(file, res.Bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan runtime.Info, 1), make(chan error, 1)
	go func() {
		done <- runtime.Run(ctx, runtime.Options{Path: file, Drain: time.Second, Log: slog.New(slog.DiscardHandler), Ready: func(i runtime.Info) { ready <- i }})
	}()
	var info runtime.Info
	select {
	case info = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for _, r := range results {
		t.Run(r.Name, func(t *testing.T) {
			if r.Verdict != prove.Refuted || r.Witness == nil || r.Witness.Keyless() {
				t.Fatalf("%s: %+v", r.Verdict, r.Witness)
			}
			q := r.Witness.Request
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
			if q.Method == "POST" {
				raw += fmt.Sprintf("Content-Length: %d\r\n", len(body))
			}
			before := reached.Load()
			if status := exchange(t, info.Listeners["main"], raw+"\r\n"+body); status != http.StatusOK || reached.Load() != before+1 {
				t.Errorf("%s: the gateway answers %d, and %d requests came through", r.Witness, status, reached.Load()-before)
			}
		})
	}
}

// TestProofsKnowTheRuntime: a proof about timeouts adds up the runtime's own attempts and pauses.
func TestProofsKnowTheRuntime(t *testing.T) {
	if prove.MaxPause != pipeline.MaxBackOff {
		t.Errorf("prove counts %s, the runtime waits for %s", prove.MaxPause, pipeline.MaxBackOff)
	}
	if prove.MaxAttempts != calllog.MaxAttempts {
		t.Errorf("prove counts %d attempts, the runtime makes %d", prove.MaxAttempts, calllog.MaxAttempts)
	}
}
