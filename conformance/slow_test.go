package conformance

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// pattern is an endless body that can be checked at any place.
type pattern struct{ at int64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte((p.at + int64(i)) * 131 >> 7)
	}
	p.at += int64(len(b))
	return len(b), nil
}

func patternSum(n int64) [32]byte {
	h := sha256.New()
	io.CopyN(h, &pattern{}, n)
	return [32]byte(h.Sum(nil))
}

// others makes requests beside something that is stuck; all of them must be answered.
func others(t *testing.T, s *stage) {
	t.Helper()
	for range 8 {
		c := s.dial(t)
		for range 50 {
			c.send("GET /api/t/beside HTTP/1.1\r\nHost: a\r\n\r\n")
			c.must("GET", 200)
		}
		c.Close()
	}
}

func memoryOf(g *rig.Gateway) int64 {
	_, anonymous := rig.Memory(g.PID())
	return anonymous
}

// bound is how much a stuck transfer may cost: queues of the gateway, not the kernel's, and what the collector lags.
const bound = 48 << 20

// TestSlowUpstreamBoundsAnUpload sends half a gigabyte to an upstream that first reads nothing: the client is held
// back, memory stays within its bound, others are served; then everything arrives.
func TestSlowUpstreamBoundsAnUpload(t *testing.T) {
	size := int64(512 << 20)
	if testing.Short() {
		size = 64 << 20
	}
	want := patternSum(size)
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			up := newScripted(t)
			slow := newSink(t)
			g := serve(t, slowRepo(e.listener, up.url(), slow.url()), rig.Options{})
			s := &stage{g, e, up}
			others(t, s)
			before := memoryOf(g)
			c := s.dial(t)
			c.SetDeadline(time.Now().Add(2 * time.Minute))
			sent := make(chan error, 1)
			go func() {
				if _, err := fmt.Fprintf(c, "POST /slow/upload HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size); err != nil {
					sent <- err
					return
				}
				_, err := io.CopyN(c, &pattern{}, size)
				sent <- err
			}()
			select {
			case <-slow.arrived:
			case <-time.After(20 * time.Second):
				r, _ := c.receive("POST")
				t.Fatalf("the upload did not reach the upstream: %v %q", r.Response, r.Text)
			}
			time.Sleep(time.Second) // everything that wants to fill up does
			others(t, s)
			if grown := memoryOf(g) - before; grown > bound {
				t.Errorf("memory grew by %d MB while the upstream read nothing", grown>>20)
			}
			select {
			case err := <-sent:
				t.Fatalf("the client was not held back: %v", err)
			default:
			}
			close(slow.read)
			others(t, s)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			c.must("POST", 200)
			if got := <-slow.sum; got != want {
				t.Error("the upload did not arrive as it was sent")
			}
			if grown := memoryOf(g) - before; grown > bound {
				t.Errorf("memory grew by %d MB in all", grown>>20)
			}
		})
	}
}

// slowRepo has an API of a slow upstream beside that of the HTTP suite.
func slowRepo(listener, up, slow string) rig.Repo {
	r := thingsRepo(listener, up)
	r["platform/slow/api.cue"] = fmt.Sprintf(`package gateway

upstreams: slow: {endpoints: [{url: "%s"}], timeouts: {idle: "1m", firstByte: "2m"}}
apis: slow: {owner: "acme", openapi: "openapi.yaml", basePath: "/slow", upstream: "slow", policies: auth: "none"}
`, slow)
	r["platform/slow/openapi.yaml"] = `openapi: 3.0.3
info: {title: Slow, version: 1.0.0}
paths:
  /upload:
    post: {operationId: upload, responses: {"200": {description: OK}}}
  /download:
    get: {operationId: download, responses: {"200": {description: OK}}}
`
	return r
}

// sink is an upstream that reads a body only when it is told to.
type sink struct {
	net.Listener
	arrived chan struct{}
	read    chan struct{}
	sum     chan [32]byte
}

func newSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{l, make(chan struct{}), make(chan struct{}), make(chan [32]byte, 1)}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			n := int64(256 << 20)
			w.Header().Set("Content-Length", fmt.Sprint(n))
			io.CopyN(w, &pattern{}, n)
			return
		}
		close(s.arrived)
		<-s.read
		h := sha256.New()
		io.Copy(h, r.Body)
		s.sum <- [32]byte(h.Sum(nil))
		w.Write([]byte("ok"))
	})}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return s
}

func (s *sink) url() string { return "http://" + s.Addr().String() }

// TestSlowReaderDelaysNobody: clients that ask for much and read nothing cost a bounded amount of memory, hold up
// nobody, and get all of it when they read.
func TestSlowReaderDelaysNobody(t *testing.T) {
	const size = 256 << 20
	want := patternSum(size)
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			up := newScripted(t)
			slow := newSink(t)
			g := serve(t, slowRepo(e.listener, up.url(), slow.url()), rig.Options{})
			s := &stage{g, e, up}
			others(t, s)
			before := memoryOf(g)
			var stuck []*wireConn
			for range 4 {
				c := s.dial(t)
				c.SetDeadline(time.Now().Add(time.Minute))
				c.send("GET /slow/download HTTP/1.1\r\nHost: a\r\n\r\n")
				stuck = append(stuck, c)
			}
			time.Sleep(500 * time.Millisecond) // everything that wants to fill up does
			others(t, s)
			if grown := memoryOf(g) - before; grown > bound {
				t.Errorf("memory grew by %d MB for four clients that read nothing", grown>>20)
			}
			for _, c := range stuck[1:] {
				c.Close() // in the middle
			}
			r, err := http.ReadResponse(stuck[0].br, nil)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			if n, err := io.Copy(h, r.Body); err != nil || n != size || [32]byte(h.Sum(nil)) != want {
				t.Errorf("%d bytes of %d came, %v", n, size, err)
			}
			others(t, s)
			eventually(t, func() (bool, string) {
				m, err := g.Metrics()
				n := m.Sum("gwc_inflight_requests")
				return err == nil && n == 0, fmt.Sprintf("%v exchanges are in flight", n)
			})
		})
	}
}

// TestSlowHeadsHoldNobodyUp: many connections that never finish a head do not keep others from being served.
func TestSlowHeadsHoldNobodyUp(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, s *stage) {
		others(t, s)
		before := memoryOf(s.Gateway)
		for range 200 {
			c := s.dial(t)
			c.send("GET /api/t/x HTTP/1.1\r\nHost: a\r\nX-Slow: " + strings.Repeat("y", 100))
		}
		others(t, s)
		if grown := memoryOf(s.Gateway) - before; grown > bound {
			t.Errorf("memory grew by %d MB for 200 connections", grown>>20)
		}
	})
}
