package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/cmd/serve"
)

// buffer is a stream that a test reads while a command writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// until waits for a text that matches, in what came after from, and returns the end of the match.
func (b *buffer) until(t *testing.T, from int, pattern string) int {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for range 1000 {
		if m := re.FindStringIndex(b.String()[from:]); m != nil {
			return from + m[1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q does not come after:\n%s", pattern, b.String())
	return 0
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, method, url, key string) int {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("x-api-key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestRunFollowsTheFiles edits a repository while it is served.
func TestRunFollowsTheFiles(t *testing.T) {
	upstream := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.URL.Path)) })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go upstream.Serve(l)
	defer upstream.Close()

	dir := t.TempDir()
	const api = "openapi: 3.0.3\ninfo: {title: A, version: \"1\"}\npaths:\n  /a:\n    get: {operationId: a, responses: {\"200\": {description: ok}}}\n"
	write(t, filepath.Join(dir, "gateway.cue"), "package gateway\n\ngateway: listeners: main: address: \"127.0.0.1:0\"\n")
	write(t, filepath.Join(dir, "tenants/acme/acme.cue"), `package gateway

tenants: acme: {owners: ["@a"], apps: web: limits: [{requests: 1000, per: "1s"}]}
upstreams: up: endpoints: [{url: "http://`+l.Addr().String()+`"}]
apis: a: {owner: "acme", openapi: "a.yaml", basePath: "/a/v1", upstream: "up"}
`)
	write(t, filepath.Join(dir, "tenants/acme/a.yaml"), api)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"run", "-C", dir, "--drain", "1s"}, streams{strings.NewReader(""), &out, &errs})
	}()
	at := errs.until(t, 0, `gwc: serving sha256:[0-9a-f]{64} on `)
	base := "http://" + regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(errs.String()[at:])
	out.until(t, 0, `# an API call\ncurl -s 'http://[^']+/a/v1/a' -H 'Authorization: Bearer gwc_`)
	key := regexp.MustCompile(`gwc_[0-9A-Za-z]{49}`).FindString(out.String())

	for _, c := range []struct {
		path, key string
		want      int
	}{{"/a/v1/a", key, 200}, {"/a/v1/a", "", 401}, {"/a/v1/b", key, 404}} {
		if got := status(t, "GET", base+c.path, c.key); got != c.want {
			t.Errorf("%s with key %t: got %d, want %d", c.path, c.key != "", got, c.want)
		}
	}

	// A document changes: another operation is there.
	at = len(errs.String())
	write(t, filepath.Join(dir, "tenants/acme/a.yaml"), api+"  /b:\n    get: {operationId: b, responses: {\"200\": {description: ok}}}\n")
	errs.until(t, at, `gwc: built 2 routes in \d+ ms`)
	waitFor(t, "the new operation", func() bool { return status(t, "GET", base+"/a/v1/b", key) == 200 })

	// A broken file: the diagnostic is printed and the last good state serves.
	at = len(errs.String())
	broken := filepath.Join(dir, "tenants/fresh/broken.cue") // in a folder that was not there
	write(t, broken, "package gateway\n\ntenants: fresh: {owners: [\"@f\"], apps: x: models: [\"nothing\"]}\n")
	at = errs.until(t, at, `(?s)error\[GWC2002\].*--> tenants/fresh/broken.cue:3:.*gwc: the last good state goes on serving`)
	if got := status(t, "GET", base+"/a/v1/b", key); got != 200 {
		t.Errorf("after a broken edit: got %d", got)
	}

	// The folder goes: all is well again, and nothing has changed.
	if err := os.RemoveAll(filepath.Dir(broken)); err != nil {
		t.Fatal(err)
	}
	errs.until(t, at, `gwc: no change`)

	cancel()
	if got := <-code; got != serve.OK {
		t.Errorf("exit code %d; stderr:\n%s", got, errs.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".run*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s does not come", what)
}

func TestRunOfABrokenRepositoryEnds(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gateway.cue"), "package gateway\n\ngateway: lisseners: {}\n")
	var out, errs buffer
	if got := run(t.Context(), []string{"run", "-C", dir}, streams{strings.NewReader(""), &out, &errs}); got != serve.Invalid {
		t.Errorf("exit code %d; stderr:\n%s", got, errs.String())
	}
	if out.String() != "" || !strings.Contains(errs.String(), "error[GWC") {
		t.Errorf("stdout %q, stderr:\n%s", out.String(), errs.String())
	}
}

// TestPanicIsABug holds that a panic becomes exit code 70 with words, not a bare stack.
func TestPanicIsABug(t *testing.T) {
	var out, errs buffer
	code := run(t.Context(), []string{"version"}, streams{strings.NewReader(""), panics{}, &errs})
	if code != serve.Bug || !strings.HasPrefix(errs.String(), "gwc: a bug in gwc: the disk is upside down\n") || out.String() != "" {
		t.Errorf("exit code %d, stderr:\n%s", code, errs.String())
	}
	for line := range strings.Lines(errs.String()) {
		if !strings.HasPrefix(line, "gwc: ") {
			t.Errorf("a line without prefix: %q", line)
		}
	}
}

type panics struct{}

func (panics) Write([]byte) (int, error) { panic("the disk is upside down") }

// TestFullDisk holds that a result that cannot be written is an error with a code, not silence.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("skipped: there is no /dev/full")
	}
	defer full.Close()
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"rules"}, {"keys", "new"}} {
		var errs buffer
		if got := run(t.Context(), args, streams{strings.NewReader(""), full, &errs}); got != serve.Unreachable || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("%v: exit code %d, stderr %q", args, got, errs.String())
		}
	}
}
