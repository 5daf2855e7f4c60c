package runtime

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

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
	a := repo{calls: "calls", requests: 1000, engine: p.engine}.artifact(t)
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
	b, err := artifact.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	g = runBytes(t, b, Options{})
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
