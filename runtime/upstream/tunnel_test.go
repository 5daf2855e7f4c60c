package upstream

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// tunnelling collects what comes through a tunnel.
type tunnelling struct {
	*answer
	head    chan struct{}
	more    chan struct{}
	drained chan struct{}
}

func (a *tunnelling) AnswerHead(h *http1.Head, n int64) {
	a.answer.AnswerHead(h, n)
	close(a.head)
}

func (a *tunnelling) AnswerBody(b []byte) {
	a.answer.AnswerBody(b)
	select {
	case a.more <- struct{}{}:
	default:
	}
}

func (a *tunnelling) RequestDrained() {
	select {
	case a.drained <- struct{}{}:
	default:
	}
}

// until waits until what has come ends in want.
func (a *tunnelling) until(t *testing.T, want string) {
	t.Helper()
	for deadline := time.After(10 * time.Second); ; {
		a.mu.Lock()
		ok := strings.HasSuffix(a.body.String(), want)
		a.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-a.more:
		case <-deadline:
			t.Fatalf("%.60q did not come", want)
		}
	}
}

// upgraders runs a test against a server in clear text and over TLS, which upgrades requests for "/t" and gives their
// connection to serve, and refuses others.
func upgraders(t *testing.T, serve func(c net.Conn, br *bufio.Reader), test func(t *testing.T, p *Pool)) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != "HTTP/1.1" || r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Upgrade") != "websocket" || r.URL.Path != "/t" {
					http.Error(w, "refused "+r.Proto, http.StatusTeapot)
					return
				}
				c, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
				serve(c, rw.Reader)
			}))
			srv.EnableHTTP2 = true // as providers do
			if scheme == "https" {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			t.Cleanup(srv.Close)
			g := registry(t)
			if scheme == "https" {
				g.tls = &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
			}
			u, _ := url.Parse(srv.URL)
			test(t, g.Get(u))
		})
	}
}

func open(t *testing.T, p *Pool, path string) (*tunnelling, *Call) {
	t.Helper()
	a := &tunnelling{answer: newAnswer(), head: make(chan struct{}), more: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
	a.mu.Lock()
	c := p.Start(&a.mu, a, &Request{Method: "GET", Target: []byte(path), Host: p.Host(), Length: NoBody, Upgrade: "websocket"},
		Timeouts{Connect: 5 * time.Second, FirstByte: 300 * time.Millisecond, Idle: 300 * time.Millisecond})
	a.mu.Unlock()
	select {
	case <-a.head:
	case <-a.done:
	case <-time.After(10 * time.Second):
		t.Fatal("no answer came")
	}
	return a, c
}

func (a *tunnelling) do(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func TestTunnelsCarryBytesBothWays(t *testing.T) {
	upgraders(t, func(c net.Conn, br *bufio.Reader) {
		io.Copy(c, br)
		io.WriteString(c, "seen the end")
	}, func(t *testing.T, p *Pool) {
		a, c := open(t, p, "/t")
		a.until(t, "hello")
		if a.status != 101 || a.header["upgrade"] != "websocket" {
			t.Fatal(a.status, a.header)
		}
		time.Sleep(700 * time.Millisecond) // longer than any of its timeouts
		for _, n := range []int{1, 10_000, 3 << 20} {
			b := bytes.Repeat([]byte{'a' + byte(n%26)}, n)
			a.do(func() { c.Write(b); c.Flush() })
			a.until(t, string(b))
		}
		a.do(c.Close)
		time.Sleep(50 * time.Millisecond)
		a.do(func() {
			if a.over != 0 || strings.Contains(a.body.String(), "seen") {
				t.Error("an event came after Close")
			}
		})
	})
}

func TestATunnelThatIsClosedSendsWhatWaits(t *testing.T) {
	got := make(chan int64, 1)
	upgraders(t, func(c net.Conn, br *bufio.Reader) {
		time.Sleep(200 * time.Millisecond)
		n, _ := io.Copy(io.Discard, br)
		got <- n
	}, func(t *testing.T, p *Pool) {
		a, c := open(t, p, "/t")
		const n = 3 << 20 // more than the sockets take
		a.do(func() {
			c.Write(make([]byte, n))
			c.Flush()
			c.Close()
		})
		select {
		case have := <-got:
			if have != n {
				t.Errorf("%d bytes arrived, want %d", have, n)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the server did not see the end")
		}
	})
}

func TestATunnelEndsWithItsServer(t *testing.T) {
	upgraders(t, func(c net.Conn, br *bufio.Reader) {
		br.ReadByte()
		io.WriteString(c, "last words")
	}, func(t *testing.T, p *Pool) {
		a, c := open(t, p, "/t")
		a.do(func() { c.Write([]byte("x")); c.Flush() })
		a.wait(t)
		if a.fail != nil || !strings.HasSuffix(a.body.String(), "last words") {
			t.Errorf("%q, %v", a.body.String(), a.fail)
		}
	})
}

func TestARefusedUpgradeIsAnAnswer(t *testing.T) {
	upgraders(t, nil, func(t *testing.T, p *Pool) {
		a, _ := open(t, p, "/other")
		a.wait(t)
		if a.fail != nil || a.status != http.StatusTeapot || a.body.String() != "refused HTTP/1.1\n" {
			t.Errorf("%d %q %v", a.status, a.body.String(), a.fail)
		}
	})
}

func TestAPausedTunnelStopsItsServer(t *testing.T) {
	const total = 64 << 20
	upgraders(t, func(c net.Conn, br *bufio.Reader) {
		br.ReadByte()
		b := make([]byte, 64<<10)
		for range total / len(b) {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}, func(t *testing.T, p *Pool) {
		a, c := open(t, p, "/t")
		a.until(t, "hello")
		a.do(func() { c.Pause(); c.Write([]byte("x")); c.Flush() })
		time.Sleep(300 * time.Millisecond)
		a.do(func() {
			if n := a.body.Len(); n > 1<<20 {
				t.Errorf("%d bytes came while the call was paused", n)
			}
			c.Resume()
		})
		a.wait(t)
		if n := a.body.Len(); n != total+len("hello") {
			t.Errorf("%d bytes came", n)
		}
	})
}

func TestATunnelTellsHowMuchWaits(t *testing.T) {
	let := make(chan struct{}, 1)
	upgraders(t, func(c net.Conn, br *bufio.Reader) {
		<-let
		io.Copy(io.Discard, br)
	}, func(t *testing.T, p *Pool) {
		a, c := open(t, p, "/t")
		a.until(t, "hello")
		a.do(func() {
			for range 200 {
				c.Write(make([]byte, 64<<10))
				c.Flush()
				if c.Queued() > 1<<20 {
					break
				}
			}
			if c.Queued() <= 1<<20 {
				t.Errorf("%d bytes wait for a server that reads nothing", c.Queued())
			}
		})
		select {
		case <-a.drained: // from before anything waited
		default:
		}
		let <- struct{}{}
		for deadline := time.After(10 * time.Second); ; {
			left := 0
			a.do(func() { left = c.Queued() })
			if left == 0 {
				break
			}
			select {
			case <-a.drained:
			case <-deadline:
				t.Fatalf("%d bytes still wait", left)
			}
		}
		a.do(c.Cancel)
	})
}

func TestATunnelToAServerThatStallsIsCancelled(t *testing.T) {
	seen := make(chan error, 1)
	upgraders(t, func(c net.Conn, br *bufio.Reader) {
		time.Sleep(300 * time.Millisecond)
		_, err := io.Copy(io.Discard, br)
		seen <- err
	}, func(t *testing.T, p *Pool) {
		a, c := open(t, p, "/t")
		a.until(t, "hello")
		a.do(func() {
			c.Write(make([]byte, 3<<20))
			c.Flush()
			c.Cancel()
		})
		select {
		case <-seen:
		case <-time.After(10 * time.Second):
			t.Fatal("the server did not see the end")
		}
	})
}
