package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/conformance/rig"
)

func getURL(t testing.TB, url string) (int, http.Header, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// exited waits for the process and checks that it ended well.
func exited(t testing.TB, g *rig.Gateway, limit time.Duration) {
	t.Helper()
	select {
	case <-g.Exited():
		if err := g.Err(); err != nil {
			t.Errorf("it ended with %v:\n%s", err, g.Output())
		}
	case <-time.After(limit):
		t.Fatalf("it still runs after %v:\n%s", limit, g.Output())
	}
}

// serveOnce is serve for gateways that end in the test.
func serveOnce(t testing.TB, r rig.Repo, o rig.Options) *rig.Gateway {
	t.Helper()
	o.Dir = t.TempDir()
	g, err := bin.Serve(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Kill)
	return g
}

// TestDrainFinishesWhatIsInFlight: after SIGTERM no connection is accepted, what is under way is answered, idle
// connections are closed, and the process ends with 0 and the whole call log on disk.
func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			up := newScripted(t)
			release := make(chan struct{})
			up.on("/base/t/held", func(c net.Conn, r *seen) bool {
				<-release
				return ok(c, r)
			})
			up.on("/base/t/stream", func(c net.Conn, r *seen) bool {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
				<-release
				fmt.Fprint(c, "4\r\nlast\r\n0\r\n\r\n")
				return true
			})
			g := serveOnce(t, thingsRepo(e.listener, up.url()), rig.Options{})
			s := &stage{g, e, up}
			idle, held, stream := s.dial(t), s.dial(t), s.dial(t)
			idle.send("GET /api/t/x HTTP/1.1\r\nHost: a\r\n\r\n")
			idle.must("GET", 200)
			held.send("GET /api/t/held HTTP/1.1\r\nHost: a\r\n\r\n")
			stream.send("GET /api/t/stream HTTP/1.1\r\nHost: a\r\n\r\n")
			begun, err := http.ReadResponse(stream.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, func() (bool, string) { return len(up.requests("/base/t/held")) == 1, "not in flight" })
			g.Signal(syscall.SIGTERM)
			idle.ended()
			eventually(t, func() (bool, string) {
				c, err := net.Dial("tcp", g.Addr)
				if err == nil {
					c.Close()
				}
				return errors.Is(err, syscall.ECONNREFUSED), fmt.Sprintf("new connections are taken: %v", err)
			})
			close(release)
			if r := held.must("GET", 200); r.Text != "ok" {
				t.Errorf("%q", r.Text)
			}
			if b, err := io.ReadAll(begun.Body); err != nil || string(b) != "firstlast" {
				t.Errorf("%q, %v", b, err)
			}
			exited(t, g, 8*time.Second)
			if list, err := g.Records(3); err != nil || len(list) != 3 {
				t.Errorf("%d records, %v", len(list), err)
			}
		})
	}
}

// TestDrainHasADeadline: what does not end is cut after eight seconds, and a stream's client can tell.
func TestDrainHasADeadline(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: it waits for the drain deadline")
	}
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			up := newScripted(t)
			up.on("/base/t/endless", func(c net.Conn, r *seen) bool {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				for {
					if _, err := fmt.Fprint(c, "4\r\ntick\r\n"); err != nil {
						return false
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
			g := serveOnce(t, thingsRepo(e.listener, up.url()), rig.Options{})
			c := (&stage{g, e, up}).dial(t)
			c.send("GET /api/t/endless HTTP/1.1\r\nHost: a\r\n\r\n")
			r, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			g.Signal(syscall.SIGTERM)
			b, err := io.ReadAll(r.Body)
			if err == nil || len(b) < 4*100 {
				t.Errorf("the stream ended after %d bytes with %v", len(b), err)
			}
			exited(t, g, 5*time.Second)
			if list, err := g.Records(1); err != nil || list[0]["error"] == nil {
				t.Errorf("%v, %v", list, err)
			}
		})
	}
}

// TestStreamsDrain is the same for a chat: a stream of half a second goes on to its end.
func TestStreamsDrain(t *testing.T) {
	openai, anthropic := startMock(t, "--chunk-gap", "5ms"), startMock(t, "--chunk-gap", "5ms")
	g := serveOnce(t, aiRepo(openai.URL, anthropic.URL), rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=x"}})
	type result struct {
		answer
		err error
	}
	done := make(chan result, 2)
	for _, model := range []string{"passed", "translated"} {
		go func() {
			a, _, err := newOfficialGo(g.URL, appKey).call(context.Background(), request{model: model, messages: user("count to 50"), maxTokens: 1000, stream: true})
			done <- result{a, err}
		}()
	}
	eventually(t, func() (bool, string) {
		a, err := openai.Stats()
		b, err2 := anthropic.Stats()
		return err == nil && err2 == nil && a.Streams+b.Streams == 2, "the streams have not begun"
	})
	g.Signal(syscall.SIGTERM)
	for range 2 {
		if r := <-done; r.err != nil || r.Text != counted(50) {
			t.Errorf("%+v", r)
		}
	}
	exited(t, g, 8*time.Second)
}
