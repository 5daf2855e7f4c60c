package runtime

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

const testKey = "gwc_test-key"

// repo is an artifact made by hand: one API, two models, one tenant with an app per case.
type repo struct {
	upstream  string
	openai    []string // base URLs, each a provider and a target of model "fast"
	anthropic string   // a target of model "smart"
	retry     artifact.Retry
	keepAlive time.Duration
	timeouts  artifact.Timeouts
	requests  int64 // of the limit of app "few"
	calls     string
	api2      bool // one more route, to tell artifacts apart
	creds     []string
	engine    string       // of the listener; netpoll where empty
	priced    bool         // every target has a price; see price
	rates     []price.Rate // of target "gpt-0", instead
}

func (r repo) artifact(t testing.TB) *artifact.Artifact {
	t.Helper()
	to := artifact.Timeouts{Connect: 2 * time.Second, FirstByte: 5 * time.Second, Idle: 5 * time.Second}
	if r.timeouts != (artifact.Timeouts{}) {
		to = r.timeouts
	}
	if r.upstream == "" {
		r.upstream = "http://127.0.0.1:1"
	}
	a := &artifact.Artifact{
		Gateway:   artifact.Gateway{Listeners: []artifact.Listener{{Name: "main", Address: "127.0.0.1:0", Engine: "netpoll"}}, Admin: "127.0.0.1:0", Calls: artifact.Calls{Dir: r.calls, Flush: 10 * time.Millisecond, MaxBytes: 1 << 20}},
		Upstreams: []artifact.Upstream{{Name: "up", Endpoints: []artifact.Endpoint{{URL: r.upstream, Weight: 1}}, Timeouts: to}},
		APIs:      []artifact.API{{Name: "pets", BasePath: "/pets/v1"}},
		Tenants:   []artifact.Tenant{{Name: "acme"}},
		Apps: []artifact.App{
			{Name: "few", Limits: []artifact.Limit{{Requests: max(r.requests, 1), Per: time.Hour}}},
			{Name: "old"},
			{Name: "web"},
		},
		Provenance: artifact.Provenance{Tool: "test", Schema: "sha256:" + strings.Repeat("0", 64)},
	}
	if !slices.Contains([]string{""}, r.calls) {
		a.Gateway.Calls.Dir = r.calls
	} else {
		a.Gateway.Calls = artifact.Calls{}
	}
	if r.anthropic != "" {
		a.Providers = append(a.Providers, artifact.Provider{Name: "claude", Kind: "anthropic", BaseURL: r.anthropic, Credentials: r.creds, Timeouts: to})
		a.Models = append(a.Models, artifact.Model{Name: "smart", Strategy: "priority", Targets: []artifact.Target{{Provider: 0, Model: "claude-sonnet-4-5"}}, Retry: artifact.Retry{Attempts: 1}, MaxTokens: 100})
	}
	if r.engine != "" {
		a.Gateway.Listeners[0].Engine = r.engine
	}
	if len(r.openai) > 0 {
		m := artifact.Model{Name: "fast", Strategy: "priority", Retry: r.retry, MaxTokens: 100}
		for i, u := range r.openai {
			m.Targets = append(m.Targets, artifact.Target{Provider: len(a.Providers), Model: fmt.Sprintf("gpt-%d", i)})
			a.Providers = append(a.Providers, artifact.Provider{Name: fmt.Sprintf("open%d", i), Kind: "openai", BaseURL: u, Credentials: r.creds, Timeouts: to})
		}
		if m.Retry.Attempts == 0 {
			m.Retry = artifact.Retry{Attempts: len(m.Targets), On: []string{"429", "5xx", "connect", "timeout"}}
		}
		a.Models = append([]artifact.Model{m}, a.Models...)
	}
	if r.priced {
		r.price(a)
	}
	for i := range a.Models {
		a.Models[i].KeepAlive = r.keepAlive
		a.Apps[2].Models = append(a.Apps[2].Models, i)
	}
	a.Keys = []artifact.Key{
		{Hash: sha256.Sum256([]byte(testKey)), ID: "web-1", App: 2},
		{Hash: sha256.Sum256([]byte(testKey + "-few")), ID: "few-1", App: 0},
		{Hash: sha256.Sum256([]byte(testKey + "-old")), ID: "old-1", App: 1, Expires: 1000},
	}
	slices.SortFunc(a.Keys, func(x, y artifact.Key) int { return bytes.Compare(x.Hash[:], y.Hash[:]) })
	route := func(id, method, path, op, auth string) {
		a.Routes = append(a.Routes, artifact.Route{ID: id, Kind: artifact.RouteAPI, Method: method, Path: path, Operation: op, Auth: auth})
	}
	if len(a.Models) > 0 {
		a.Routes = append(a.Routes,
			artifact.Route{ID: "ai.chat", Kind: artifact.RouteChat, Method: "POST", Path: "/v1/chat/completions", API: -1, Auth: "key"},
			artifact.Route{ID: "ai.model", Kind: artifact.RouteModel, Method: "GET", Path: "/v1/models/{model}", API: -1, Auth: "key"},
			artifact.Route{ID: "ai.models", Kind: artifact.RouteModels, Method: "GET", Path: "/v1/models", API: -1, Auth: "key"})
	}
	if r.rates != nil {
		for _, x := range artifact.AIRoutes() {
			if x.Kind == artifact.RouteImages || x.Kind == artifact.RouteSpeech || x.Kind == artifact.RouteRerank {
				a.Routes = append(a.Routes, artifact.Route{ID: x.ID, Kind: x.Kind, Method: x.Method, Path: x.Path, API: -1, Auth: "key"})
			}
		}
		slices.SortFunc(a.Routes, func(x, y artifact.Route) int { return strings.Compare(x.ID, y.ID) })
	}
	if r.api2 {
		route("pets.extra", "GET", "/pets/v1/extra", "extra", "none")
	}
	route("pets.get", "GET", "/pets/v1/pets/{id}", "get", "key")
	route("pets.health", "GET", "/pets/v1/health", "health", "none")
	route("pets.list", "GET", "/pets/v1/pets", "list", "key")
	route("pets.upload", "POST", "/pets/v1/pets", "upload", "none")
	var ps []match.Pattern
	for i := range a.Routes {
		ps = append(ps, match.Pattern{Method: a.Routes[i].Method, Path: a.Routes[i].Path, Value: uint32(i)})
	}
	var conflicts []match.Conflict
	if a.Table, conflicts = match.Build(ps); len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	return a
}

func (r repo) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := artifact.Encode(r.artifact(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// running is a gateway in this process.
type running struct {
	dir, file  string
	url, admin string
	info       Info
	log        *logBuffer
	stop       func() error
}

func run(t testing.TB, r repo, o Options) *running {
	t.Helper()
	return runBytes(t, r.bytes(t), o)
}

// runBytes runs an encoded artifact.
func runBytes(t testing.TB, b []byte, o Options) *running {
	t.Helper()
	g := &running{dir: t.TempDir(), log: &logBuffer{}}
	g.file = filepath.Join(g.dir, "gateway.gwca")
	if err := os.WriteFile(g.file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan Info, 1)
	done := make(chan error, 1)
	o.Path, o.Ready = g.file, func(i Info) { ready <- i }
	o.Log = slog.New(slog.NewTextHandler(g.log, nil))
	go func() { done <- Run(ctx, o) }()
	select {
	case g.info = <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	g.url, g.admin = "http://"+g.info.Listeners["main"].String(), "http://"+g.info.Admin.String()
	stopped := false
	g.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("Run did not return")
		}
	}
	t.Cleanup(func() {
		if err := g.stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// logBuffer is read while the gateway still writes to it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// do sends a request with the test key and returns the answer and its body.
func (g *running) do(t testing.TB, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, g.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// records reads the call log until it holds n records.
func (g *running) records(t testing.TB, dir string, n int) []map[string]any {
	t.Helper()
	for range 200 {
		var l []map[string]any
		files, _ := filepath.Glob(filepath.Join(g.dir, dir, "*.ndjson"))
		slices.Sort(files)
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b), testKey) {
				t.Fatal("the call log holds a key")
			}
			for line := range strings.Lines(string(b)) {
				m := map[string]any{}
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					t.Fatalf("%v in %q", err, line)
				}
				l = append(l, m)
			}
		}
		if len(l) >= n {
			return l
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the call log did not get %d records", n)
	return nil
}

func TestAnAPIIsProxiedWithItsHeadRewritten(t *testing.T) {
	var got *http.Request
	var body []byte
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("X-Upstream", "1")
		w.Header().Set("Connection", "X-Private")
		w.Header().Set("X-Private", "hop")
		w.Header().Set("X-Request-Id", "the upstream's own")
		w.WriteHeader(202)
		io.WriteString(w, "done")
	}))
	defer up.Close()
	g := run(t, repo{upstream: up.URL + "/base", calls: "calls"}, Options{})
	resp, text := g.do(t, "POST", "/pets/v1/pets?q=a%2Fb&x", "hello", "X-Forwarded-For", "6.6.6.6", "Forwarded", "for=6.6.6.6", "X-Mine", "yes",
		"Connection", "X-Drop", "X-Drop", "1", "Authorization", "Basic keep")
	if resp.StatusCode != 202 || text != "done" || resp.Header.Get("X-Upstream") != "1" || resp.Header.Get("X-Private") != "" {
		t.Errorf("the client got %d %q %v", resp.StatusCode, text, resp.Header)
	}
	if id := resp.Header.Get("X-Request-Id"); len(id) != 22 || resp.Header.Get("X-Gwc-Artifact") != g.info.Digest {
		t.Errorf("request id %q, artifact %q", id, resp.Header.Get("X-Gwc-Artifact"))
	}
	if got.RequestURI != "/base/pets?q=a%2Fb&x" || string(body) != "hello" || got.Host != strings.TrimPrefix(up.URL, "http://") {
		t.Errorf("the upstream got %s %q at %s", got.RequestURI, body, got.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": strings.TrimPrefix(g.url, "http://"), "Forwarded": "",
		"X-Mine": "yes", "X-Drop": "", "Authorization": "Basic keep", "X-Request-Id": resp.Header.Get("X-Request-Id"),
	} {
		if v := strings.Join(got.Header.Values(name), "|"); v != want {
			t.Errorf("the upstream got %s: %q, want %q", name, v, want)
		}
	}
	r := g.records(t, "calls", 1)[0]
	for k, want := range map[string]any{"status": 202.0, "route": "pets.upload", "api": "pets", "operation": "upload", "method": "POST", "path": "/pets/v1/pets", "bytes_in": 5.0, "bytes_out": 4.0} {
		if r[k] != want {
			t.Errorf("the record says %s = %v, want %v", k, r[k], want)
		}
	}
}

func TestCallersAreAdmittedByKey(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization"), r.Header.Get("X-Api-Key"), r.Header.Get("X-Goog-Api-Key"))
	}))
	defer up.Close()
	g := run(t, repo{upstream: up.URL, requests: 2}, Options{})
	for _, tt := range []struct {
		name   string
		path   string
		header []string
		status int
		body   string
	}{
		{"as a bearer token", "/pets/v1/pets/1", nil, 200, ""},
		{"as a bearer token in another case", "/pets/v1/pets/1", []string{"Authorization", "bEARER " + testKey}, 200, ""},
		{"as x-api-key", "/pets/v1/pets/1", []string{"Authorization", "", "x-api-key", testKey}, 200, ""},
		{"as x-goog-api-key", "/pets/v1/pets/1", []string{"Authorization", "", "x-goog-api-key", testKey}, 200, ""},
		{"beside a credential for the upstream", "/pets/v1/pets/1", []string{"Authorization", "Bearer theirs", "x-api-key", testKey}, 200, "Bearer theirs"},
		{"twice the same", "/pets/v1/pets/1", []string{"x-api-key", testKey}, 200, ""},
		{"two different keys", "/pets/v1/pets/1", []string{"x-api-key", testKey + "-few"}, 401, ""},
		{"without a key", "/pets/v1/pets/1", []string{"Authorization", ""}, 401, ""},
		{"with an unknown key", "/pets/v1/pets/1", []string{"Authorization", "Bearer gwc_wrong"}, 401, ""},
		{"with an expired key", "/pets/v1/pets/1", []string{"Authorization", "Bearer " + testKey + "-old"}, 401, ""},
		{"without a key where none is needed", "/pets/v1/health", []string{"Authorization", ""}, 200, ""},
		{"on a path that does not exist", "/pets/v1/nothing", nil, 404, ""},
		{"on a path with dots", "/pets/v1/%2e%2e/pets", nil, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := g.do(t, "GET", tt.path, "", tt.header...)
			if resp.StatusCode != tt.status || tt.status == 200 && body != tt.body {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, body, tt.status, tt.body)
			}
			if tt.status >= 400 {
				var p struct {
					Type, Title, Detail, Instance string
					Status                        int
				}
				if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != tt.status || !strings.HasPrefix(p.Type, "https://gwc.dev/problems/") || p.Detail == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("no problem details: %q (%v)", body, err)
				}
				if strings.Contains(body, testKey) {
					t.Error("the answer repeats the key")
				}
			}
		})
	}
	resp, _ := g.do(t, "DELETE", "/pets/v1/pets", "")
	if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%d with Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
	for i, want := range []int{200, 200, 429} {
		resp, _ := g.do(t, "GET", "/pets/v1/pets/1", "", "Authorization", "Bearer "+testKey+"-few")
		if resp.StatusCode != want || resp.Header.Get("RateLimit") == "" || (want == 429) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("request %d: %d %v", i, resp.StatusCode, resp.Header)
		}
	}
}

// provider is a scripted OpenAI or Anthropic server.
func provider(t *testing.T, h func(n int, w http.ResponseWriter, body map[string]any, r *http.Request)) (url string, calls *atomic.Int32) {
	calls = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		m := map[string]any{}
		json.Unmarshal(b, &m)
		h(int(calls.Add(1)), w, m, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

const chatBody = `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`

func okChat(w http.ResponseWriter, model any) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"c1","object":"chat.completion","created":1,"model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, model)
}

func TestChatGoesOnToTheNextTarget(t *testing.T) {
	for _, tt := range []struct {
		name   string
		first  func(w http.ResponseWriter, r *http.Request)
		errors string // of the first attempt in the record
		status int
	}{
		{"after 429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "status", 200},
		{"after 500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status", 200},
		{"after 529", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(529) }, "status", 200},
		{"after a cut connection", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "protocol", 200},
		{"after a timeout", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout", 200},
		{"not after 400", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"error":{"message":"no such parameter","type":"invalid_request_error","param":"x","code":"bad"}}`)
		}, "status", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one, _ := provider(t, func(_ int, w http.ResponseWriter, _ map[string]any, r *http.Request) { tt.first(w, r) })
			two, calls := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, _ *http.Request) { okChat(w, m["model"]) })
			g := run(t, repo{openai: []string{one, two}, calls: "calls", timeouts: artifact.Timeouts{Connect: time.Second, FirstByte: 300 * time.Millisecond, Idle: time.Second}}, Options{})
			resp, body := g.do(t, "POST", "/v1/chat/completions", chatBody)
			if resp.StatusCode != tt.status {
				t.Fatalf("%d %s", resp.StatusCode, body)
			}
			r := g.records(t, "calls", 1)[0]
			attempts := r["attempts"].([]any)
			if got := attempts[0].(map[string]any)["error"]; got != tt.errors {
				t.Errorf("the first attempt ended with %v", got)
			}
			if tt.status == 200 {
				if !strings.Contains(body, `"model":"gpt-1"`) || r["provider"] != "open1" || len(attempts) != 2 || resp.Header.Get("X-Gwc-Provider") != "open1" {
					t.Errorf("%s %v", body, r)
				}
				if tok := r["tokens"].(map[string]any); tok["input"] != 3.0 || tok["output"] != 2.0 || r["stop_reason"] != "stop" {
					t.Errorf("tokens %v stop %v", tok, r["stop_reason"])
				}
			} else if calls.Load() != 0 || !strings.Contains(body, "no such parameter") {
				t.Errorf("second target called %d times; %s", calls.Load(), body)
			}
		})
	}
}

func TestChatErrorsAreOpenAIs(t *testing.T) {
	one, calls := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, r *http.Request) { okChat(w, m["model"]) })
	g := run(t, repo{openai: []string{one}}, Options{})
	for _, tt := range []struct {
		name, body, code string
		status           int
		header           []string
	}{
		{"no key", chatBody, "invalid_api_key", 401, []string{"Authorization", ""}},
		{"a model that does not exist", `{"model":"none","messages":[]}`, "model_not_found", 404, nil},
		{"no model", `{"messages":[]}`, "", 400, nil},
		{"no JSON", `{"model":`, "", 400, nil},
		{"a repeated key", `{"model":"fast","model":"smart","messages":[]}`, "", 400, nil},
		{"a repeated key in the depth", `{"model":"fast","messages":[{"role":"user","content":"a","content":"b"}]}`, "", 400, nil},
		{"a repeated key in disguise", `{"model":"fast","mod\u0065l":"smart","messages":[]}`, "", 400, nil},
		{"an empty body", ``, "", 400, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := g.do(t, "POST", "/v1/chat/completions", tt.body, tt.header...)
			var e struct {
				Error struct {
					Message, Type string
					Code          any
				}
			}
			if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != tt.status || e.Error.Message == "" || e.Error.Type == "" {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			if tt.code != "" && e.Error.Code != tt.code {
				t.Errorf("code %v, want %s", e.Error.Code, tt.code)
			}
		})
	}
	if calls.Load() != 0 {
		t.Errorf("%d refused requests reached the provider", calls.Load())
	}
}

func TestAStreamsUsageIsAskedForAndHidden(t *testing.T) {
	one, _ := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		o, _ := m["stream_options"].(map[string]any)
		fmt.Fprint(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\n")
		if o["include_usage"] == true {
			fmt.Fprint(w, "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}\n\n")
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	})
	g := run(t, repo{openai: []string{one}, calls: "calls"}, Options{})
	_, hidden := g.do(t, "POST", "/v1/chat/completions", `{"model":"fast","stream":true,"messages":[]}`)
	_, shown := g.do(t, "POST", "/v1/chat/completions", `{"model":"fast","stream":true,"stream_options":{"include_usage":true},"messages":[]}`)
	if strings.Contains(hidden, "usage") || !strings.Contains(hidden, "[DONE]") || !strings.Contains(shown, "usage") {
		t.Errorf("hidden %q shown %q", hidden, shown)
	}
	for _, r := range g.records(t, "calls", 2) {
		if tok, _ := r["tokens"].(map[string]any); tok["input"] != 7.0 || r["stream"] != true {
			t.Errorf("record %v", r)
		}
	}
}

func TestAnAnthropicTargetSpeaksOpenAI(t *testing.T) {
	t.Setenv("GWC_TEST_SECRET", "sk-ant-test-secret")
	one, _ := provider(t, func(n int, w http.ResponseWriter, m map[string]any, r *http.Request) {
		if r.URL.Path != "/v1/messages" || r.Header.Get("X-Api-Key") != "sk-ant-test-secret" || r.Header.Get("Anthropic-Version") == "" || r.Header.Get("Authorization") != "" || m["model"] != "claude-sonnet-4-5" {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"type":"error","error":{"type":"invalid_request_error","message":"path %s"}}`, r.URL.Path)
			return
		}
		switch {
		case n == 3:
			w.WriteHeader(401)
			fmt.Fprint(w, `{"type":"error","error":{"type":"authentication_error","message":"invalid key sk-ant-test-secret"}}`)
		case m["stream"] == true:
			for _, e := range []string{
				`{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"claude","content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":1}}}`,
				`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
				`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}`,
				`{"type":"content_block_stop","index":0}`,
				`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}`,
				`{"type":"message_stop"}`,
			} {
				var t struct{ Type string }
				json.Unmarshal([]byte(e), &t)
				fmt.Fprintf(w, "event: %s\ndata: %s\n\n", t.Type, e)
				w.(http.Flusher).Flush()
			}
		default:
			fmt.Fprint(w, `{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"max_tokens","usage":{"input_tokens":5,"cache_read_input_tokens":2,"output_tokens":4}}`)
		}
	})
	g := run(t, repo{anthropic: one, calls: "calls", creds: []string{"env:GWC_TEST_SECRET"}}, Options{})
	resp, body := g.do(t, "POST", "/v1/chat/completions", `{"model":"smart","messages":[{"role":"user","content":"hi"}]}`)
	if resp.StatusCode != 200 || !strings.Contains(body, `"content":"hello"`) || !strings.Contains(body, `"finish_reason":"length"`) || !strings.Contains(body, `"prompt_tokens":7`) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	resp, body = g.do(t, "POST", "/v1/chat/completions", `{"model":"smart","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	if resp.StatusCode != 200 || !strings.Contains(body, `"content":"hello"`) || strings.Count(body, "[DONE]") != 1 || strings.Contains(body, "usage") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	resp, body = g.do(t, "POST", "/v1/chat/completions", `{"model":"smart","messages":[{"role":"user","content":"hi"}]}`)
	if resp.StatusCode != 401 || strings.Contains(body, "sk-ant-test-secret") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	for i, r := range g.records(t, "calls", 3)[:2] {
		if tok, _ := r["tokens"].(map[string]any); tok["input"] != 7.0 || tok["output"] != 4.0 || tok["cache_read"] != 2.0 {
			t.Errorf("record %d: %v", i, r)
		}
	}
	if strings.Contains(g.log.String(), "sk-ant-test-secret") {
		t.Error("the log holds the credential")
	}
}

func TestAClientThatLeavesCancelsTheProvider(t *testing.T) {
	gone := make(chan struct{})
	begun := make(chan struct{})
	one, _ := provider(t, func(_ int, w http.ResponseWriter, _ map[string]any, r *http.Request) {
		fmt.Fprint(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n")
		w.(http.Flusher).Flush()
		close(begun)
		<-r.Context().Done()
		close(gone)
	})
	g := run(t, repo{openai: []string{one}, calls: "calls"}, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"fast","stream":true,"messages":[]}`))
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	cancel()
	resp.Body.Close()
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Fatal("the provider was not told")
	}
	if r := g.records(t, "calls", 1)[0]; r["error"] != "client_abort" || r["status"] != 200.0 {
		t.Errorf("record %v", r)
	}
}

func TestReloadSwapsOrKeeps(t *testing.T) {
	hold := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		w.(http.Flusher).Flush()
		if strings.HasSuffix(r.URL.Path, "/pets") {
			<-hold
		}
		io.WriteString(w, "last")
	}))
	defer up.Close()
	g := run(t, repo{upstream: up.URL}, Options{})
	// A stream that is open while everything below happens.
	streamed := make(chan string)
	go func() {
		req, _ := http.NewRequest("GET", g.url+"/pets/v1/pets", nil)
		req.Header.Set("x-api-key", testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			streamed <- err.Error()
			return
		}
		b, err := io.ReadAll(resp.Body)
		streamed <- fmt.Sprint(string(b), " ", err, " ", resp.Header.Get("X-Gwc-Artifact"))
	}()
	state := func() (s struct {
		Digest    string
		LastError string `json:"last_error"`
		Inflight  int
	}) {
		resp, err := http.Get(g.admin + "/snapshot")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for range 300 {
			if ok() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatal(what, state(), g.log.String())
	}
	until("the stream did not begin", func() bool { return state().Inflight == 1 })
	if resp, _ := g.do(t, "GET", "/pets/v1/extra", ""); resp.StatusCode != 404 {
		t.Fatal(resp.Status)
	}
	replace := func(b []byte) {
		tmp := g.file + ".new"
		if err := os.WriteFile(tmp, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, g.file); err != nil {
			t.Fatal(err)
		}
	}
	replace(repo{upstream: up.URL, api2: true}.bytes(t))
	until("the new artifact was not loaded", func() bool { return state().Digest != g.info.Digest })
	if resp, body := g.do(t, "GET", "/pets/v1/extra", ""); resp.StatusCode != 200 || body != "first last" {
		t.Fatal(resp.Status, body)
	}
	good := state().Digest
	replace([]byte("no artifact"))
	until("the bad file was not noticed", func() bool { return state().LastError != "" })
	if s := state(); s.Digest != good {
		t.Errorf("the last good one is gone: %v", s)
	}
	if resp, _ := g.do(t, "GET", "/pets/v1/extra", ""); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
	other := repo{upstream: up.URL}.artifact(t)
	other.Gateway.Listeners[0].Address = "127.0.0.1:1"
	b, err := artifact.Encode(other)
	if err != nil {
		t.Fatal(err)
	}
	replace(b)
	until("changed listeners were not refused", func() bool { return strings.Contains(state().LastError, "restart") })
	close(hold)
	if s := <-streamed; s != "first last <nil> "+g.info.Digest {
		t.Errorf("the open stream ended with %q", s)
	}
	resp, err := http.Get(g.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	m, _ := io.ReadAll(resp.Body)
	for _, want := range []string{`gwc_reloads_total{result="error"} 2`, `digest="` + good + `"`, `gwc_requests_total{code="2xx",route="pets.extra"} 2`} {
		if !strings.Contains(string(m), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

func TestRunRefusesWhatItCannotServe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "g.gwca")
	for _, tt := range []struct {
		name  string
		write func()
		want  string
		o     Options
	}{
		{"no file", func() {}, "no such file", Options{}},
		{"garbage", func() { os.WriteFile(file, []byte("garbage"), 0o600) }, "artifact", Options{}},
		{"a missing secret", func() {
			os.WriteFile(file, repo{openai: []string{"http://127.0.0.1:1"}, creds: []string{"env:GWC_TEST_NOT_SET"}}.bytes(t), 0o600)
		}, "GWC_TEST_NOT_SET", Options{}},
		{"an address that is taken", func() { os.WriteFile(file, repo{}.bytes(t), 0o600) }, "cannot listen", Options{Listen: "192.0.2.1:80"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.write()
			tt.o.Path, tt.o.Log = file, slog.New(slog.DiscardHandler)
			err := Run(context.Background(), tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// The hot path's budget, counted over the whole process while one client and one upstream that allocate nothing
// exchange requests through it.
func TestAllocationBudgetOfAnExchange(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var lns [2]net.Listener
	for i := range lns {
		var err error
		if lns[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		defer lns[i].Close()
	}
	serve := func(ln net.Listener, answer string) {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, out := make([]byte, 16<<10), []byte(answer)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
	chat := `{"id":"c1","object":"chat.completion","created":1,"model":"x","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`
	g := run(t, repo{upstream: "http://" + lns[0].Addr().String(), openai: []string{"http://" + lns[1].Addr().String()}, calls: "calls", priced: true}, Options{})
	for i, tt := range []struct {
		name, request, answer string
		budget                float64
	}{
		{"an API call with key, metrics and record", "GET /pets/v1/pets/1 HTTP/1.1\r\nHost: a\r\nx-api-key: " + testKey + "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1.5},
		{"a chat passed through", fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nx-api-key: "+testKey+"\r\nContent-Length: %d\r\n\r\n%s", len(chatBody), chatBody), fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(chat), chat), 1.5},
		{"a refusal", "GET /pets/v1/pets/1 HTTP/1.1\r\nHost: a\r\n\r\n", "", 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.answer != "" {
				go serve(lns[i], tt.answer)
			}
			c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			br := bufio.NewReader(c)
			req, b := []byte(tt.request), make([]byte, 16<<10)
			once := func() {
				if _, err := c.Write(req); err != nil {
					t.Fatal(err)
				}
				if _, err := br.Read(b); err != nil { // short answers come in one piece
					t.Fatal(err)
				}
			}
			for range 200 {
				once()
			}
			const n = 2000
			var before, after goruntime.MemStats
			goruntime.ReadMemStats(&before)
			for range n {
				once()
			}
			goruntime.ReadMemStats(&after)
			per := float64(after.Mallocs-before.Mallocs) / n
			t.Logf("%.2f allocations, %.0f bytes", per, float64(after.TotalAlloc-before.TotalAlloc)/n)
			if per > tt.budget {
				t.Errorf("%.2f allocations an exchange, the budget is %v", per, tt.budget)
			}
		})
	}
}
