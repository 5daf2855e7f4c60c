package engine

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// relay upgrades every request to a tunnel that sends back what it gets, "!" in place of which it obeys an order: E ends,
// A aborts, P pauses what the client sends, until go.
type relay struct {
	gone  chan error
	got   atomic.Int64
	going chan func() // what lets a paused client go on
}

type relaying struct {
	h   *relay
	c   Client
	mu  *sync.Mutex
	end bool
}

func (h *relay) Begin(c Client, q *Request) Exchange {
	x := &relaying{h: h, c: c, mu: q.Mu}
	if !q.HasUpgrade {
		c.Start(426, nil, 0)
		c.End(nil)
	}
	return x
}

func (x *relaying) BodyEnd([]http1.Field) {
	go func() { // as an upstream's event does
		x.mu.Lock()
		defer x.mu.Unlock()
		x.c.Start(101, []byte("Upgrade: relay\r\n"), Tunnel)
		x.c.Write([]byte("hello"))
		x.c.Flush()
	}()
}

func (x *relaying) Body(b []byte) {
	x.h.got.Add(int64(len(b)))
	if i := bytes.IndexByte(b, '!'); i >= 0 {
		x.c.Write(b[:i])
		switch order := b[i+1]; order {
		case 'E':
			x.c.Write([]byte("bye"))
			x.c.End(nil)
		case 'A':
			x.c.Flush()
			x.c.Abort()
		case 'P':
			x.c.PauseBody()
			x.h.going <- func() {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.c.ResumeBody()
			}
		}
		x.end = true
		return
	}
	if !x.end {
		x.c.Write(b)
	}
}

func (x *relaying) Flush() {
	if !x.end {
		x.c.Flush()
	}
}
func (x *relaying) Drained()       {}
func (x *relaying) Gone(err error) { x.h.gone <- err }

const upgradeHead = "GET /t HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: relay\r\n\r\n"

// tunnel opens a tunnel and reads its head and its greeting.
func tunnel(t *testing.T, f *front, behind string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := f.dial(t)
	io.WriteString(c, upgradeHead+behind)
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "relay" || resp.Header.Get("Connection") != "Upgrade" || len(resp.Header) != 2 {
		t.Fatal(resp, err)
	}
	read(t, br, "hello"+behind)
	return c, br
}

func read(t *testing.T, br *bufio.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if n, err := io.ReadFull(br, b); err != nil || string(b) != want {
		t.Fatalf("read %.60q, %v; want %.60q", b[:n], err, want)
	}
}

func relays(t *testing.T, test func(t *testing.T, f *front, h *relay)) {
	var h *relay
	make := func(*front) Handler {
		h = &relay{gone: make(chan error, 4), going: make(chan func(), 1)}
		return h
	}
	frontsOf(t, make, func(t *testing.T, f *front) {
		if f.h2 {
			t.Skip("HTTP/2 has no upgrades")
		}
		test(t, f, h)
		for range 500 {
			if f.open.Load() == 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d connections are still counted", f.open.Load())
	})
}

func TestEveryEngineTunnelsBothWays(t *testing.T) {
	relays(t, func(t *testing.T, f *front, h *relay) {
		c, br := tunnel(t, f, "")
		for _, n := range []int{1, 5, 1000, 100_000} {
			b := bytes.Repeat([]byte("x"), n)
			go c.Write(b)
			read(t, br, string(b))
		}
		io.WriteString(c, "!E")
		read(t, br, "bye")
		if n, err := br.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the end %d bytes and %v came, want EOF", n, err)
		}
		c.Close()
	})
}

func TestEveryEngineDeliversWhatCameBehindTheHandshake(t *testing.T) {
	relays(t, func(t *testing.T, f *front, h *relay) {
		c, br := tunnel(t, f, "early bytes")
		io.WriteString(c, "more")
		read(t, br, "more")
		c.Close()
		<-h.gone
	})
}

func TestEveryEngineTellsOfATunnelsClientThatHasGone(t *testing.T) {
	relays(t, func(t *testing.T, f *front, h *relay) {
		c, _ := tunnel(t, f, "")
		c.Close()
		select {
		case err := <-h.gone:
			if err == nil {
				t.Error("without an error")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the exchange was not told")
		}
	})
}

func TestEveryEngineAbortsTunnels(t *testing.T) {
	relays(t, func(t *testing.T, f *front, h *relay) {
		c, br := tunnel(t, f, "")
		io.WriteString(c, "!A")
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		b, err := io.ReadAll(br)
		if ne, ok := err.(net.Error); len(b) > 0 || ok && ne.Timeout() {
			t.Errorf("%q, %v", b, err)
		}
		select {
		case err := <-h.gone:
			t.Errorf("Gone came after Abort: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		c.Close()
	})
}

func TestEveryEngineStopsATunnelsClient(t *testing.T) {
	relays(t, func(t *testing.T, f *front, h *relay) {
		c, _ := tunnel(t, f, "")
		io.WriteString(c, "!P")
		resume := <-h.going
		const total = 64 << 20
		sent := make(chan error, 1)
		var written atomic.Int64
		go func() {
			b := make([]byte, 64<<10)
			for written.Load() < total {
				n, err := c.Write(b)
				written.Add(int64(n))
				if err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for last := int64(-1); last != written.Load(); { // until nothing moves
			last = written.Load()
			time.Sleep(100 * time.Millisecond)
		}
		if held := h.got.Load(); held > 1<<20 || written.Load() >= total {
			t.Errorf("%d bytes were delivered to a paused exchange, %d taken from the client", held, written.Load())
		}
		resume()
		if err := <-sent; err != nil {
			t.Error(err)
		}
		for range 500 {
			if h.got.Load() >= total {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if h.got.Load() < total {
			t.Errorf("%d bytes of %d arrived", h.got.Load(), total)
		}
		c.Close()
		<-h.gone
	})
}

func TestEveryEngineCutsTunnelsWhenTheDrainIsOver(t *testing.T) {
	relays(t, func(t *testing.T, f *front, h *relay) {
		_, br := tunnel(t, f, "")
		if cut := f.stop(100 * time.Millisecond); cut != 1 {
			t.Errorf("%d connections were cut, want 1", cut)
		}
		select {
		case <-h.gone:
		case <-time.After(5 * time.Second):
			t.Fatal("the exchange was not told")
		}
		if _, err := br.ReadByte(); err == nil {
			t.Error("the connection is still open")
		}
	})
}
