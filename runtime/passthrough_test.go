package runtime

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// passing is a gateway whose app "web" may call paths of one provider.
type passing struct {
	provider artifact.Provider // without name and timeouts; the base URL is the server's with this one's path behind it
	opened   []artifact.Passthrough
	engine   string
	serve    http.HandlerFunc
	edit     func(*artifact.Artifact) // nil: nothing
	drain    time.Duration
}

// sent is what the provider got.
type sent struct {
	Method, URI, Host string
	Header            http.Header
	Body              string
}

// start runs the gateway and its provider. got returns what the provider got since the last time.
func (p passing) start(t *testing.T) (g *running, got func() []sent) {
	t.Helper()
	var mu sync.Mutex
	var list []sent
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.serve != nil {
			p.serve(w, r)
			if w.Header().Get("x-unseen") != "" {
				return
			}
		}
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		list = append(list, sent{r.Method, r.RequestURI, r.Host, r.Header.Clone(), string(b)})
		mu.Unlock()
		if p.serve == nil {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"object":"list","data":[]}`)
		}
	}))
	t.Cleanup(up.Close)
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte("sk-"+"provider-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := repo{calls: "calls", requests: 3, engine: p.engine}.artifact(t)
	v := p.provider
	v.Name, v.BaseURL = "vendor", up.URL+v.BaseURL
	v.Timeouts = a.Upstreams[0].Timeouts
	if v.Credentials == nil && v.AWSKeys == nil {
		v.Credentials = []string{"file:" + secret}
	}
	a.Providers = []artifact.Provider{v}
	a.Apps[2].Passthrough = p.opened
	a.Routes = slices.DeleteFunc(a.Routes, func(r artifact.Route) bool { return r.Kind != artifact.RouteAPI })
	for _, m := range passthrough.Methods() {
		a.Routes = append(a.Routes, artifact.Route{ID: "passthrough.vendor", Kind: artifact.RoutePassthrough, Method: m, Path: "/passthrough/vendor/{path+}", API: -1, Operation: "vendor", Auth: "key"})
	}
	var ps []match.Pattern
	for i := range a.Routes {
		ps = append(ps, match.Pattern{Method: a.Routes[i].Method, Path: a.Routes[i].Path, Value: uint32(i)})
	}
	a.Table, _ = match.Build(ps)
	if p.edit != nil {
		p.edit(a)
	}
	b, err := artifact.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	g = runBytes(t, b, Options{Drain: p.drain})
	return g, func() []sent {
		mu.Lock()
		defer mu.Unlock()
		l := list
		list = nil
		return l
	}
}

func opens(methods string, paths ...string) []artifact.Passthrough {
	p := artifact.Passthrough{Paths: paths, Methods: strings.Fields(methods)}
	if methods == "WEBSOCKET" {
		p.Methods, p.WebSocket = nil, true
	}
	return []artifact.Passthrough{p}
}

func TestAPassthroughGoesToTheProviderInTheGatewaysName(t *testing.T) {
	for _, engine := range []string{"netpoll", "std"} {
		t.Run(engine, func(t *testing.T) {
			p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1", Headers: []artifact.Header{{Name: "x-team", Value: "gateway"}}}, engine: engine,
				opened: opens("DELETE GET POST", "/files", "/files/{rest+}")}
			g, got := p.start(t)
			resp, body := g.do(t, "POST", "/passthrough/vendor/files/a%2db?purpose=batch&KEY=gwc_x&limit=2", "hello",
				"OpenAI-Beta", "assistants=v2", "OpenAI-Organization", "org-mine", "x-goog-api-key", "someone", "api-key", "theirs", "Cookie", "a=b",
				"X-HTTP-Method-Override", "DELETE", "X-Forwarded-For", "1.2.3.4", "X-Team", "caller", "X-Amz-Security-Token", "t", "Content-Type", "text/plain")
			if resp.StatusCode != 200 || body != `{"object":"list","data":[]}` || resp.Header.Get("x-gwc-provider") != "vendor" {
				t.Fatal(resp.Status, resp.Header, body)
			}
			l := got()
			if len(l) != 1 {
				t.Fatalf("%d calls", len(l))
			}
			for _, h := range []string{"Accept-Encoding", "User-Agent", "X-Request-Id", "Content-Length"} {
				l[0].Header.Del(h)
			}
			l[0].Host = ""
			want := sent{Method: "POST", URI: "/v1/files/a-b?purpose=batch&limit=2", Body: "hello", Header: http.Header{
				"Authorization": {"Bearer sk-" + "provider-secret"}, "Openai-Beta": {"assistants=v2"}, "X-Team": {"gateway"}, "Content-Type": {"text/plain"}}}
			if d := cmp.Diff(want, l[0]); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
			r := g.records(t, "calls", 1)[0]
			for k, v := range map[string]any{"route": "passthrough.vendor", "provider": "vendor", "path": "/passthrough/vendor/files/a-b", "status": 200.0, "bytes_in": 5.0, "bytes_out": 27.0, "app": "web", "operation": "vendor"} {
				if r[k] != v {
					t.Errorf("the record has %s %v, want %v", k, r[k], v)
				}
			}
			if r["tokens"] != nil || r["cost_usd"] != nil || r["model"] != nil {
				t.Errorf("the record says more than is known: %v", r)
			}
			if a := r["attempts"].([]any)[0].(map[string]any); a["provider"] != "vendor" || a["status"] != 200.0 {
				t.Errorf("the attempt is %v", a)
			}
		})
	}
}

func TestOnlyWhatIsOpenedPasses(t *testing.T) {
	p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, opened: []artifact.Passthrough{
		{Paths: []string{"/assistants/{rest+}", "/files", "/files/{id}/content"}, Methods: []string{"DELETE", "GET"}},
		{Paths: []string{"/realtime"}, WebSocket: true},
		{Paths: []string{"/uploads/{a}/{b}"}, Methods: []string{"POST"}},
	}}
	g, got := p.start(t)
	for _, x := range []struct {
		name, method, path, key string
		status                  int
		text                    string
		header                  []string
	}{
		{"a path that is not opened", "GET", "/batches", "", 404, "not opened to this app", nil},
		{"a path that only begins like an opened one", "GET", "/files/a", "", 404, "not opened", nil},
		{"a method that is not opened", "POST", "/files", "", 405, "not for this method", nil},
		{"a method that no route has", "OPTIONS", "/files", "", 405, "", nil},
		{"TRACE", "TRACE", "/files", "", 405, "", nil},
		{"another app", "GET", "/files", testKey + "-few", 404, "not opened", nil},
		{"no key", "GET", "/files", "-", 401, "no key", nil},
		{"dot segments", "GET", "/files/../chat/completions", "", 400, "", nil},
		{"encoded dot segments", "GET", "/files/%2e%2e/x/content", "", 400, "", nil},
		{"an encoded slash", "GET", "/files/a%2Fb/content", "", 403, "more than one way", nil},
		{"an encoded percent sign", "GET", "/files/a%252Fb/content", "", 403, "more than one way", nil},
		{"an empty segment", "GET", "/assistants//x", "", 403, "more than one way", nil},
		{"a path that asks a model", "POST", "/uploads/chat/completions", "", 403, "asks a model", nil},
		{"the same in other letters", "POST", "/uploads/Chat/COMPLETIONS", "", 403, "asks a model", nil},
		{"the same with parameters", "POST", "/uploads/chat;v=1/completions;x", "", 403, "asks a model", nil},
		{"WebSocket where it is not opened", "GET", "/files", "", 404, "not opened", []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
		{"a plain request where only WebSocket is opened", "GET", "/realtime", "", 404, "not opened", nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.key != "" {
				x.header = append(x.header, "Authorization", "Bearer "+x.key)
			}
			if x.key == "-" {
				x.header = []string{"Authorization", ""}
			}
			resp, body := g.do(t, x.method, "/passthrough/vendor"+x.path, "", x.header...)
			if resp.StatusCode != x.status || !strings.Contains(body, x.text) {
				t.Errorf("%s %s", resp.Status, body)
			}
			if x.status == 405 && x.method == "POST" && resp.Header.Get("Allow") != "DELETE, GET, HEAD" {
				t.Errorf("Allow is %q", resp.Header.Get("Allow"))
			}
		})
	}
	if resp, _ := g.do(t, "GET", "/passthrough/other/files", ""); resp.StatusCode != 404 {
		t.Errorf("another provider: %s", resp.Status)
	}
	if l := got(); len(l) != 0 {
		t.Errorf("the provider was called: %v", l)
	}
	if resp, _ := g.do(t, "HEAD", "/passthrough/vendor/files", ""); resp.StatusCode != 200 {
		t.Errorf("HEAD where GET is opened: %s", resp.Status)
	}
}

// A body is never collected: it waits with its sender while the provider takes nothing, and so does an answer.
func TestBodiesOfAPassthroughAreNotHeld(t *testing.T) {
	const size = 96 << 20
	release := make(chan struct{})
	sums := make(chan [32]byte, 2)
	p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, opened: opens("GET POST", "/files", "/files/{id}/content"), serve: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-unseen", "1")
		if r.Method == "GET" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			b := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
			for n := 0; n < size; n += len(b) {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
			return
		}
		h := sha256.New()
		io.CopyN(h, r.Body, 1000)
		<-release
		io.Copy(h, r.Body)
		var sum [32]byte
		h.Sum(sum[:0])
		sums <- sum
	}}
	g, _ := p.start(t)
	before := heap()
	_, down := g.raw(t, "GET /passthrough/vendor/files/f/content HTTP/1.1\r\nHost: a\r\nx-api-key: "+testKey+"\r\n\r\n")
	var sent atomic.Int64
	want := sha256.New()
	upload, answer := g.raw(t, fmt.Sprintf("POST /passthrough/vendor/files HTTP/1.1\r\nHost: a\r\nx-api-key: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n", testKey, size))
	done := make(chan error, 1)
	go func() {
		b := bytes.Repeat([]byte("fedcba9876543210"), 4<<10)
		for n := 0; n < size; n += len(b) {
			if _, err := upload.Write(b); err != nil {
				done <- err
				return
			}
			want.Write(b)
			sent.Add(int64(len(b)))
		}
		done <- nil
	}()
	last := int64(-1)
	until(t, "the upload stands still", func() bool {
		time.Sleep(50 * time.Millisecond)
		n := sent.Load()
		still := n == last && n > 0
		last = n
		return still
	})
	if last > 48<<20 {
		t.Errorf("%d MB of the upload were taken while the provider took nothing", last>>20)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(answer, nil); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	if sum := <-sums; string(want.Sum(nil)) != string(sum[:]) {
		t.Error("the provider read other bytes")
	}
	resp, err := http.ReadResponse(down, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("the download gave %d bytes, %v", n, err)
	}
	for _, r := range g.records(t, "calls", 2) {
		if in, out := r["bytes_in"], r["bytes_out"]; r["method"] == "POST" && in != float64(size) || r["method"] == "GET" && out != float64(size) {
			t.Errorf("the record counts %v in and %v out", in, out)
		}
	}
}

// Events of a stream reach the caller as they come.
func TestAStreamPassesEventByEvent(t *testing.T) {
	next := make(chan struct{})
	p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, opened: opens("POST", "/threads/{id}/runs"), serve: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-unseen", "1")
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "event: thread.run\ndata: {\"n\":%d}\n\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	}}
	g, _ := p.start(t)
	req, _ := http.NewRequest("POST", g.url+"/passthrough/vendor/threads/t/runs", strings.NewReader(`{"stream":true}`))
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, 1000)
	for i := range 3 {
		want := fmt.Sprintf("event: thread.run\ndata: {\"n\":%d}\n\n", i)
		if _, err := io.ReadFull(resp.Body, buf[:len(want)]); err != nil || string(buf[:len(want)]) != want {
			t.Fatalf("event %d is %q, %v", i, buf[:len(want)], err)
		}
		next <- struct{}{}
	}
	if rest, err := io.ReadAll(resp.Body); len(rest) != 0 || err != nil {
		t.Error(rest, err)
	}
}

// What an answer says of the gateway's account and of the provider's host stays behind, and errors come through as they
// are, but for the credential in use.
func TestAnswersOfAPassthrough(t *testing.T) {
	var base string
	key := "sk-" + "provider-secret"
	p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, opened: opens("GET POST", "/down", "/files", "/files/{id}", "/odd"), serve: func(w http.ResponseWriter, r *http.Request) {
		base = "http://" + r.Host + "/v1"
		h := w.Header()
		switch r.URL.Path {
		case "/v1/files":
			h.Set("Location", base+"/files/f1?x=1")
			h.Set("Operation-Location", "/v1/files/f1")
			h.Set("Link", "<"+base+"/files?after=f1>; rel=\"next\"")
			h.Set("X-Goog-Upload-Url", base+"/files/f2")
			h.Set("Content-Location", "//elsewhere.example/v1/files")
			h.Set("Set-Cookie", "__cf_bm=1")
			h.Set("Openai-Organization", "org-gateway")
			h.Set("Strict-Transport-Security", "max-age=1")
			h.Set("Alt-Svc", "h3=\":443\"")
			h.Set("x-debug", "auth: "+key)
			h.Set("X-Ratelimit-Remaining-Requests", "7")
			w.WriteHeader(http.StatusCreated)
		case "/v1/files/f1":
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, `{"error":{"message":"slow down","type":"requests"}}`)
		case "/v1/odd":
			w.WriteHeader(http.StatusUnauthorized)
			b := []byte(`{"error":{"message":"Incorrect API key provided: ` + key + `"}}`)
			for i := range b { // cut anywhere
				w.Write(b[i : i+1])
				w.(http.Flusher).Flush()
			}
		case "/v1/down":
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		}
	}}
	g, _ := p.start(t)
	resp, _ := g.do(t, "POST", "/passthrough/vendor/files", "{}")
	got := map[string]string{}
	for k := range resp.Header {
		if k != "Date" && k != "X-Request-Id" && k != "X-Gwc-Artifact" && k != "Content-Length" {
			got[k] = resp.Header.Get(k)
		}
	}
	home := g.url + "/passthrough/vendor"
	want := map[string]string{"Location": home + "/files/f1?x=1", "Operation-Location": home + "/files/f1", "Link": "<" + home + "/files?after=f1>; rel=\"next\"",
		"X-Goog-Upload-Url": home + "/files/f2", "Content-Location": "//elsewhere.example/v1/files", "X-Ratelimit-Remaining-Requests": "7", "X-Gwc-Provider": "vendor"}
	if d := cmp.Diff(want, got); d != "" || resp.StatusCode != 201 {
		t.Errorf("%s, mismatch (-want +got):\n%s", resp.Status, d)
	}
	if resp, body := g.do(t, "GET", "/passthrough/vendor/files/f1", ""); resp.StatusCode != 429 || body != `{"error":{"message":"slow down","type":"requests"}}` {
		t.Errorf("an error came as %s %s", resp.Status, body)
	}
	if resp, body := g.do(t, "GET", "/passthrough/vendor/odd", ""); resp.StatusCode != 401 || body != `{"error":{"message":"Incorrect API key provided: `+strings.Repeat("*", len(key))+`"}}` {
		t.Errorf("an error with the credential came as %s %s", resp.Status, body)
	}
	if resp, body := g.do(t, "POST", "/passthrough/vendor/down", "{}"); resp.StatusCode != 502 || !strings.Contains(body, `"code":"upstream_protocol"`) {
		t.Errorf("a provider that hangs up gave %s %s", resp.Status, body)
	}
	for _, r := range g.records(t, "calls", 4) {
		if s := fmt.Sprint(r); strings.Contains(s, key) {
			t.Errorf("a record holds the credential: %s", s)
		}
	}
}

// A credential that has to be fetched is waited for with the client paused, and a client that leaves meanwhile is gone.
func TestAPassthroughWaitsForItsCredential(t *testing.T) {
	asked, give := make(chan struct{}, 8), make(chan bool, 8)
	directory := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		if !<-give {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"token-1","expires_in":3600,"token_type":"Bearer"}`)
	}))
	defer directory.Close()
	secret := filepath.Join(t.TempDir(), "client")
	if err := os.WriteFile(secret, []byte("client-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		do   func(t *testing.T, g *running, got func() []sent)
	}{
		{"it comes", func(t *testing.T, g *running, got func() []sent) {
			c, r := g.raw(t, "POST /passthrough/vendor/openai/files HTTP/1.1\r\nHost: a\r\nx-api-key: "+testKey+"\r\nContent-Length: 400000\r\n\r\nbegin")
			<-asked
			body := bytes.Repeat([]byte("x"), 400000-len("begin"))
			wrote := make(chan error, 1)
			go func() { _, err := c.Write(body); wrote <- err }()
			give <- true
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			l := got()
			if len(l) != 1 || l[0].Body != "begin"+string(body) || l[0].Header.Get("Authorization") != "Bearer token-1" || l[0].URI != "/openai/files?api-version=2024-10-21" {
				t.Errorf("the provider got %d calls, %v", len(l), l[0].URI)
			}
		}},
		{"it does not come", func(t *testing.T, g *running, got func() []sent) {
			c, r := g.raw(t, "GET /passthrough/vendor/openai/files?api-version=preview HTTP/1.1\r\nHost: a\r\nx-api-key: "+testKey+"\r\n\r\n")
			defer c.Close()
			<-asked
			give <- false
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != 502 {
				t.Fatal(resp, err)
			}
			if b, _ := io.ReadAll(resp.Body); !strings.Contains(string(b), "upstream_credential") || strings.Contains(string(b), "invalid_client") {
				t.Errorf("the caller reads %s", b)
			}
			if rec := g.records(t, "calls", 1)[0]; rec["error"] != "upstream_credential" {
				t.Errorf("the record says %v", rec["error"])
			}
		}},
		{"the client leaves", func(t *testing.T, g *running, got func() []sent) {
			c, _ := g.raw(t, "POST /passthrough/vendor/openai/files HTTP/1.1\r\nHost: a\r\nx-api-key: "+testKey+"\r\nContent-Length: 10\r\n\r\nbegin")
			<-asked
			c.Close()
			if rec := g.records(t, "calls", 1)[0]; rec["error"] != "client_abort" || rec["status"] != 499.0 {
				t.Errorf("the record says %v %v", rec["error"], rec["status"])
			}
			give <- true
			if resp, _ := g.do(t, "GET", "/passthrough/vendor/openai/files", ""); resp.StatusCode != 200 {
				t.Errorf("the next request: %s", resp.Status)
			}
			if l := got(); len(l) != 1 {
				t.Errorf("the provider got %d calls", len(l))
			}
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := passing{opened: opens("GET POST", "/openai/files"), provider: artifact.Provider{Kind: "azure-openai", APIVersion: "2024-10-21", Credentials: []string{},
				Entra: &artifact.Entra{Tenant: "t", ClientID: "c", ClientSecret: "file:" + secret, Authority: directory.URL, Scope: "s"}}}
			g, got := p.start(t)
			x.do(t, g, got)
		})
	}
}

// A call without a body is signed for AWS, with its query and with what is encoded in its path; one with a body is refused.
func TestAPassthroughToBedrockIsSigned(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"id": "AKIDEXAMPLE", "secret": "example-" + "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := passing{opened: opens("DELETE GET", "/async-invoke", "/async-invoke/{arn}"), provider: artifact.Provider{Kind: "bedrock", Region: "eu-central-1",
		AWSKeys: []artifact.AWSKey{{AccessKeyID: "file:" + filepath.Join(dir, "id"), SecretAccessKey: "file:" + filepath.Join(dir, "secret")}}}}
	p.serve = func(w http.ResponseWriter, r *http.Request) {
		call := signer.Call{Method: r.Method, Host: r.Host, Target: []byte(r.RequestURI), Now: time.Now()}
		if wrong := signer.VerifySigV4(&call, r.Header.Get, "eu-central-1", "bedrock", "AKIDEXAMPLE", "example-"+"secret"); wrong != "" {
			http.Error(w, wrong, http.StatusForbidden)
		}
	}
	g, got := p.start(t)
	for _, path := range []string{"/async-invoke?maxResults=2&sortBy=x", "/async-invoke/arn:aws:bedrock:eu-central-1:1:async-invoke%2Fa"} {
		if resp, body := g.do(t, "GET", "/passthrough/vendor"+path, "", "X-Amz-Date", "20200101T000000Z", "X-Amz-Security-Token", "caller"); resp.StatusCode != 200 {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	if l := got(); len(l) != 2 || l[1].URI != "/async-invoke/arn:aws:bedrock:eu-central-1:1:async-invoke%2Fa" || l[0].Header.Get("X-Amz-Security-Token") != "" {
		t.Errorf("the provider got %v", l)
	}
	if resp, body := g.do(t, "DELETE", "/passthrough/vendor/async-invoke", "body"); resp.StatusCode != 413 || !strings.Contains(body, "signed") {
		t.Errorf("a body gave %s %s", resp.Status, body)
	}
	if resp, _ := g.do(t, "POST", "/passthrough/vendor/async-invoke", "{}"); resp.StatusCode != 405 {
		t.Errorf("POST gave %s", resp.Status)
	}
}

// What is refused is said in the form of the provider's own errors, and limits hold as everywhere.
func TestRefusalsOfAPassthroughAreInTheProvidersForm(t *testing.T) {
	for kind, want := range map[string]string{
		"openai":    `{"error":{"message":"`,
		"anthropic": `{"type":"error","error":{"type":"not_found_error"`,
		"gemini":    `{"error":{"code":404,`,
	} {
		g, _ := passing{provider: artifact.Provider{Kind: kind}, opened: opens("GET", "/v1/files")}.start(t)
		resp, body := g.do(t, "GET", "/passthrough/vendor/v1/models", "")
		if resp.StatusCode != 404 || !strings.HasPrefix(strings.ReplaceAll(strings.ReplaceAll(body, " ", ""), "\n", ""), strings.ReplaceAll(want, " ", "")) {
			t.Errorf("%s: %s %s", kind, resp.Status, body)
		}
	}
	p := passing{provider: artifact.Provider{Kind: "openai"}, opened: opens("GET", "/files")}
	g, got := p.start(t)
	var last *http.Response
	for range 4 {
		last, _ = g.do(t, "GET", "/passthrough/vendor/files", "", "Authorization", "Bearer "+testKey+"-few")
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" || len(got()) != 0 {
		t.Errorf("beyond the limit: %s %v", last.Status, last.Header)
	}
}

// A pooled connection that the provider has closed is no failure of a call that may be made twice; one that may not fails.
func TestAPassthroughOverAClosedConnection(t *testing.T) {
	var calls atomic.Int32
	p := passing{provider: artifact.Provider{Kind: "openai"}, opened: opens("GET POST", "/files"), serve: func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%2 == 0 { // the second call on a connection meets its end
			w.Header().Set("x-unseen", "1")
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		}
	}}
	g, _ := p.start(t)
	for range 2 {
		if resp, body := g.do(t, "GET", "/passthrough/vendor/files", ""); resp.StatusCode != 200 {
			t.Errorf("GET: %s %s", resp.Status, body)
		}
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("%d calls", n)
	}
	if resp, _ := g.do(t, "POST", "/passthrough/vendor/files", "{}"); resp.StatusCode != 502 || calls.Load() != 4 {
		t.Errorf("POST: %s after %d calls", resp.Status, calls.Load())
	}
}
