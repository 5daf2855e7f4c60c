package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEndpoints(t *testing.T) {
	full := Options{
		Metrics:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "gwc_up 1\n") }),
		Snapshot: func() any { return map[string]any{"digest": "sha256:aa", "routes": 3} },
		Ready:    func() (bool, string) { return true, "" },
		Pprof:    true,
	}
	notReady := Options{Ready: func() (bool, string) { return false, "draining" }}
	broken := Options{Snapshot: func() any { return func() {} }}
	tests := []struct {
		name         string
		o            Options
		method, path string
		header       string // "name: value"
		status       int
		body         string // begins with
	}{
		{"alive", Options{}, "GET", "/healthz", "", 200, "ok\n"},
		{"alive while not ready", notReady, "GET", "/healthz", "", 200, "ok\n"},
		{"ready", full, "GET", "/readyz", "", 200, "ready\n"},
		{"ready where nobody says otherwise", Options{}, "GET", "/readyz", "", 200, "ready\n"},
		{"not ready, and why", notReady, "GET", "/readyz", "", 503, "draining\n"},
		{"metrics", full, "GET", "/metrics", "", 200, "gwc_up 1\n"},
		{"no metrics", Options{}, "GET", "/metrics", "", 404, ""},
		{"the snapshot", full, "GET", "/snapshot", "", 200, "{\n  \"digest\": \"sha256:aa\",\n  \"routes\": 3\n}\n"},
		{"no snapshot", Options{}, "GET", "/snapshot", "", 404, ""},
		{"a snapshot that cannot be encoded", broken, "GET", "/snapshot", "", 500, "the snapshot cannot be shown: json: unsupported type"},
		{"profiles behind the flag", full, "GET", "/debug/pprof/", "", 200, "<html>"},
		{"a profile", full, "GET", "/debug/pprof/goroutine?debug=1", "", 200, "goroutine profile:"},
		{"no profiles without the flag", Options{}, "GET", "/debug/pprof/", "", 404, ""},
		{"no profile without the flag", Options{}, "GET", "/debug/pprof/heap", "", 404, ""},
		{"HEAD", full, "HEAD", "/healthz", "", 200, "ok\n"},
		{"POST", full, "POST", "/healthz", "", 405, ""},
		{"POST of a profile", full, "POST", "/debug/pprof/symbol", "", 405, ""},
		{"DELETE of the snapshot", full, "DELETE", "/snapshot", "", 405, ""},
		{"an unknown path", full, "GET", "/", "", 404, ""},
		{"a path below a known one", full, "GET", "/healthz/x", "", 404, ""},
		{"another site's page", full, "GET", "/snapshot", "Origin: https://evil.example", 403, "not for other sites\n"},
		{"another site's picture", full, "GET", "/snapshot", "Sec-Fetch-Site: cross-site", 403, "not for other sites\n"},
		{"typed into a browser", full, "GET", "/healthz", "Sec-Fetch-Site: none", 200, "ok\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, nil)
			if name, value, ok := strings.Cut(tt.header, ": "); ok {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			New(tt.o).ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if !strings.HasPrefix(w.Body.String(), tt.body) {
				t.Errorf("body %q, want %q", w.Body, tt.body)
			}
			if diff := cmp.Diff([]string{"no-store", "nosniff"}, []string{w.Header().Get("Cache-Control"), w.Header().Get("X-Content-Type-Options")}); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if w.Code == 405 && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("Allow: %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestServer(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := Listen("127.0.0.1:0", New(Options{Snapshot: func() any { return []int{1} }}), log)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(fmt.Sprintf("http://%s/snapshot", s.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	resp.Body.Close()
	if _, err := Listen(s.Addr().String(), http.NotFoundHandler(), log); err == nil || !strings.Contains(err.Error(), s.Addr().String()) {
		t.Errorf("a taken address gives %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := client.Get(fmt.Sprintf("http://%s/healthz", s.Addr())); err == nil {
		t.Error("it still answers after Close")
	}
}

func TestServerRefusesALargeHead(t *testing.T) {
	s, err := Listen("127.0.0.1:0", New(Options{}), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 431 {
		t.Errorf("status %d, want 431", resp.StatusCode)
	}
}

func TestCloseCutsWhatDoesNotFinish(t *testing.T) {
	began := make(chan struct{})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
	})
	s, err := Listen("127.0.0.1:0", h, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		_, err := client.Get(fmt.Sprintf("http://%s/", s.Addr()))
		answered <- err
	}()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err == nil {
		t.Error("Close says that everything finished")
	}
	if err := <-answered; err == nil {
		t.Error("the request was answered")
	}
}
