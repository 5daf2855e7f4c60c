//go:build linux

package netio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestListenerCloseLeavesConnectionsAlone(t *testing.T) {
	r := newRig(t, mode{}, Options{})
	_, peer := r.one(echo)
	if err := r.ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.ln.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	pingPong(t, peer)
	if c, err := net.Dial("tcp", r.ln.Addr().String()); err == nil {
		c.Close()
		t.Error("a closed listener accepts")
	}
}

func TestLoopCloseEndsEverythingAndWaits(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{Pollers: 2})
		var ps []*probe
		for i := range 6 {
			p, peer := r.one(nil)
			switch i {
			case 1:
				p.c.Pause()
				peer.Write([]byte("waits"))
			case 2:
				p.c.Write(make([]byte, 3<<20))
			case 3:
				p.c.Close()
			}
			ps = append(ps, p)
		}
		if n := r.l.Conns(); n != len(ps) {
			t.Errorf("%d connections, want %d", n, len(ps))
		}
		if err := r.l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, p := range ps {
			want := ErrLoopClosed
			if i == 3 {
				want = ErrClosed
			}
			select {
			case err := <-p.closed:
				if err != want {
					t.Errorf("connection %d: Closed(%v), want %v", i, err, want)
				}
			default:
				t.Errorf("connection %d is not closed when Loop.Close returns", i)
			}
		}
		if n := r.l.Conns(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		if _, err := r.l.Listen("127.0.0.1:0", ListenOptions{Accept: r.accept}); err != ErrLoopClosed {
			t.Errorf("Listen after Close: %v", err)
		}
		if err := r.l.Close(t.Context()); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
}

func TestLoopCloseGivesUpWithItsContext(t *testing.T) {
	r := newRig(t, mode{}, Options{})
	in, out := make(chan struct{}), make(chan struct{})
	_, peer := r.one(func(p *probe, b []byte) { close(in); <-out }) // a Handler that breaks the rules
	peer.Write([]byte("x"))
	wait(t, in, "Data")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := r.l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	close(out) // the rig's Close waits for the rest
}

func TestDialFailsAsNetDoes(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	never := func(*Conn) Handler { t.Error("a Handler was made"); return nil }

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	if _, err := l.Dial(t.Context(), addr, patience, never); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("refused: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx, addr, patience, never); err == nil {
		t.Error("Dial with a context that has ended succeeds")
	}
	if _, err := l.Dial(t.Context(), "no port", patience, never); err == nil {
		t.Error("Dial without a port succeeds")
	}
	var dns *net.DNSError
	if _, err := l.Dial(t.Context(), "nowhere.invalid:80", patience, never); !errors.As(err, &dns) {
		t.Errorf("unknown host: %v", err)
	}
}

func TestDialByName(t *testing.T) {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if _, err := l.Dial(t.Context(), "localhost:"+port, patience, func(c *Conn) Handler { return newProbe(t, c, nil) }); err != nil {
		t.Fatal(err)
	}
}

func TestANilHandlerRefusesTheConnection(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			r := newRig(t, m, Options{})
			if m.dialled {
				if _, err := r.l.Dial(t.Context(), r.back.Addr().String(), patience, func(*Conn) Handler { return nil }); err == nil {
					t.Error("Dial succeeds without a Handler")
				}
				return
			}
			peer := r.tryConnect(func(*Conn) Handler { return nil })
			if b, _ := io.ReadAll(peer); len(b) > 0 {
				t.Errorf("got %q", b)
			}
		})
	}
}

// TestAHandlerSeesNothingBeforeItExists: the peer sends at once, and newHandler takes its time.
func TestAHandlerSeesNothingBeforeItExists(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		got := make(chan string, 1)
		var ready atomic.Bool
		if m.dialled {
			go func() {
				c, err := r.back.Accept()
				if err != nil {
					return
				}
				c.Write([]byte("early"))
				c.Close()
			}()
			p := (*probe)(nil)
			if _, err := r.l.Dial(t.Context(), r.back.Addr().String(), patience, func(c *Conn) Handler {
				time.Sleep(50 * time.Millisecond)
				p = newProbe(t, c, func(p *probe, b []byte) {
					if !ready.Load() {
						t.Error("Data before newHandler has returned")
					}
					got <- string(b)
				})
				ready.Store(true)
				return p
			}); err != nil {
				t.Fatal(err)
			}
			if s := wait(t, got, "Data"); s != "early" {
				t.Errorf("got %q", s)
			}
			wait(t, p.closed, "Closed")
			return
		}
		peer := r.connect(func(c *Conn) Handler {
			time.Sleep(50 * time.Millisecond)
			ready.Store(true)
			return newProbe(t, c, func(p *probe, b []byte) {
				if !ready.Load() {
					t.Error("Data before Accept has returned")
				}
				got <- string(b)
			})
		})
		peer.Write([]byte("early"))
		if s := wait(t, got, "Data"); s != "early" {
			t.Errorf("got %q", s)
		}
	})
}

// TestOutOfDescriptorsIsWaitedOut: accepting neither dies nor spins, and says so once.
func TestOutOfDescriptorsIsWaitedOut(t *testing.T) {
	var mu sync.Mutex
	var said []string
	r := newRig(t, mode{}, Options{Logf: func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf(format, args...))
	}})
	r.next(func(c *Conn) Handler { return newProbe(t, c, echo) })
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)
	// One descriptor is free: the client's. The server's end then has none.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	low := old
	low.Cur = uint64(fd + 1)
	var holes []int // fill the numbers below fd
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	for {
		d, err := syscall.Dup(0)
		if err != nil {
			break
		}
		holes = append(holes, d)
	}
	free := func() {
		for _, d := range holes {
			syscall.Close(d)
		}
		holes = nil
	}
	defer free()
	a := r.ln.Addr().(*net.TCPAddr)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: a.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	for { // until it has failed
		mu.Lock()
		n := len(said)
		mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	free()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if _, err := syscall.Write(fd, []byte("ping")); err != nil {
		t.Fatal(err)
	}
	if n, err := syscall.Read(fd, make([]byte, 4)); n != 4 || err != nil { // it was accepted after all
		t.Fatalf("read %d, %v", n, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(said) != 1 || !strings.Contains(said[0], "too many open files") {
		t.Errorf("logged %q, want one line", said)
	}
}

func TestListenOnIPv6AndOnAllAddresses(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	for _, c := range []struct{ listen, dial string }{{"[::1]:0", "::1"}, {":0", "127.0.0.1"}, {":0", "::1"}, {"0.0.0.0:0", "127.0.0.1"}} {
		got := make(chan *Conn, 1)
		ln, err := l.Listen(c.listen, ListenOptions{Accept: func(c *Conn) Handler { got <- c; return newProbe(t, c, nil) }})
		if err != nil {
			if strings.Contains(c.listen+c.dial, "::1") {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		peer, err := net.Dial("tcp", net.JoinHostPort(c.dial, port))
		if err != nil {
			t.Fatal(err)
		}
		a := wait(t, got, "the connection").RemoteAddr()
		if a.Addr().String() != c.dial {
			t.Errorf("listening on %s: the peer's address is %v, want %s", c.listen, a, c.dial)
		}
		peer.Close()
	}
}

func TestListenRefuses(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	if _, err := l.Listen("127.0.0.1:0", ListenOptions{}); err == nil {
		t.Error("Listen without Accept succeeds")
	}
	ln, err := l.Listen("127.0.0.1:0", ListenOptions{Accept: func(*Conn) Handler { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Listen(ln.Addr().String(), ListenOptions{Accept: func(*Conn) Handler { return nil }}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen on a port in use: %v", err)
	}
}
