//go:build linux

package netio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// dribble writes in pieces of n bytes, so that records arrive split everywhere.
type dribble struct {
	net.Conn
	n int
}

func (d dribble) Write(b []byte) (int, error) {
	for i := 0; i < len(b); i += d.n {
		if _, err := d.Conn.Write(b[i:min(i+d.n, len(b))]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

func TestRecordsThatArriveInPieces(t *testing.T) {
	eachTLS(t, func(t *testing.T, m mode) {
		for _, n := range []int{1, 3, 7, 1000} {
			r := newRig(t, m, Options{})
			raw := r.connectRaw(func(c *Conn) Handler { return newProbe(t, c, echo) })
			c := tls.Client(dribble{raw, n}, &tls.Config{InsecureSkipVerify: true})
			want := random(300 * n)
			go c.Write(want)
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("pieces of %d: %v, or bytes differ", n, err)
			}
		}
	})
}

func TestDataRightBehindTheHandshakeIsDelivered(t *testing.T) {
	eachTLS(t, func(t *testing.T, m mode) {
		for range 20 {
			r := newRig(t, m, Options{})
			raw := r.connectRaw(func(c *Conn) Handler { return newProbe(t, c, echo) })
			w := &gather{Conn: raw}
			c := tls.Client(w, &tls.Config{InsecureSkipVerify: true})
			want := random(40000)
			if _, err := c.Write(want); err != nil { // shakes hands first
				t.Fatal(err)
			}
			w.flush()
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%v, or bytes differ", err)
			}
		}
	})
}

// gather sends what was written only when something is read or flushed, so that under TLS 1.3 the client's Finished
// and its first records of data travel together.
type gather struct {
	net.Conn
	mu  sync.Mutex
	buf []byte
}

func (g *gather) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.buf = append(g.buf, b...)
	return len(b), nil
}

func (g *gather) Read(b []byte) (int, error) {
	g.flush()
	return g.Conn.Read(b)
}

func (g *gather) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Conn.Write(g.buf)
	g.buf = nil
}

func TestCloseNotifyGoesBothWays(t *testing.T) {
	eachTLS(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(func(p *probe, b []byte) { p.c.Write(b); p.c.Close() })
		peer.Write([]byte("bye"))
		if b, err := io.ReadAll(peer); string(b) != "bye" || err != nil { // without close_notify: ErrUnexpectedEOF
			t.Errorf("the peer got %q, %v", b, err)
		}
		peer.Close()
		wait(t, p.closed, "Closed")

		p, peer = r.one(nil)
		if err := peer.(*tls.Conn).CloseWrite(); err != nil { // close_notify, no FIN
			t.Fatal(err)
		}
		if err := wait(t, p.closed, "Closed"); err != io.EOF {
			t.Errorf("Closed(%v), want io.EOF", err)
		}
		if b, err := io.ReadAll(peer); len(b) != 0 || err != nil {
			t.Errorf("the peer got %q, %v", b, err)
		}
	})
}

func TestBytesThatAreNoTLSEndTheConnection(t *testing.T) {
	eachTLS(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		raw := r.connectRaw(func(c *Conn) Handler { t.Error("Accept was called"); return nil })
		raw.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		if _, err := io.ReadAll(raw); err != nil && !isReset(err) {
			t.Error(err)
		}

		p, peer := r.one(nil) // and a forged record later
		peer.(*tls.Conn).NetConn().Write(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
		if err := wait(t, p.closed, "Closed"); err == nil || err == io.EOF || !strings.Contains(err.Error(), "tls") {
			t.Errorf("Closed(%v), want what crypto/tls said", err)
		}
	})
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func TestAHandshakeThatDoesNotComeEnds(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	ln, err := l.Listen("127.0.0.1:0", ListenOptions{
		TLS:              &tls.Config{Certificates: []tls.Certificate{certificate()}},
		HandshakeTimeout: time.Millisecond,
		Accept:           func(c *Conn) Handler { t.Error("Accept was called"); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, first := range []string{"", "\x16\x03\x01"} {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		c.Write([]byte(first))
		if _, err := io.ReadAll(c); err != nil && !isReset(err) {
			t.Error(err)
		}
	}
}

func TestAHandshakeThatFloodsIsStopped(t *testing.T) {
	r := newRig(t, mode{tls: tls.VersionTLS13}, Options{})
	raw := r.connectRaw(func(c *Conn) Handler { t.Error("Accept was called"); return nil })
	b := append([]byte{22, 3, 1, 0x40, 0}, make([]byte, 16<<10)...)
	for {
		if _, err := raw.Write(b); err != nil {
			break
		}
	}
}

func TestManyTLSConnectionsAtOnce(t *testing.T) {
	eachTLS(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{Pollers: 2})
		r.next(func(c *Conn) Handler { return newProbe(t, c, echo) })
		errs := make(chan error, 60)
		for range cap(errs) {
			go func() {
				c, err := tls.Dial("tcp", r.ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
				if err == nil {
					defer c.Close()
					c.SetDeadline(time.Now().Add(patience))
					want := random(100 << 10)
					go c.Write(want)
					got := make([]byte, len(want))
					if _, err = io.ReadFull(c, got); err == nil && !bytes.Equal(got, want) {
						err = errors.New("bytes differ")
					}
				}
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := wait(t, errs, "a client"); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestKeyUpdate lets OpenSSL ask for new keys, which crypto/tls as a client never does: the answer is written from the
// read path.
func TestKeyUpdate(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("skipped: openssl is not installed")
	}
	for _, m := range modes {
		if m.tls != tls.VersionTLS13 {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			r := newRig(t, m, Options{})
			got := make(chan string, 16)
			closed := make(chan error, 1)
			r.next(func(c *Conn) Handler {
				p := newProbe(t, c, func(p *probe, b []byte) { got <- string(b); p.c.Write(b) })
				p.closed = closed
				return p
			})
			cmd := exec.Command(openssl, "s_client", "-connect", r.ln.Addr().String(), "-tls1_3")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out lockedBuffer
			cmd.Stdout, cmd.Stderr = &out, &out
			// A command counts only when s_client reads it alone: what follows waits until it has been obeyed.
			update := func(command string, times int) {
				in.Write([]byte(command))
				for range 500 {
					if strings.Count(out.String(), "KEYUPDATE") >= times {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Fatalf("s_client did not update its keys:\n%s", out.String())
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			in.Write([]byte("one\n"))
			for i, line := range []string{"one\n", "two\n", "three\n"} {
				if s := wait(t, got, "a line"); s != line {
					t.Fatalf("got %q, want %q", s, line)
				}
				switch i {
				case 0:
					update("K\n", 1) // s_client: update both directions' keys
					in.Write([]byte("two\n"))
				case 1:
					update("k\n", 2) // its own only
					in.Write([]byte("three\n"))
				}
			}
			for limit := time.Now().Add(patience); !strings.Contains(out.String(), "\nthree\n") && time.Now().Before(limit); {
				time.Sleep(time.Millisecond)
			}
			in.Write([]byte("Q\n"))
			if err := wait(t, closed, "Closed"); err != io.EOF {
				t.Errorf("Closed(%v), want io.EOF", err)
			}
			cmd.Wait()
			if s := out.String(); !strings.Contains(s, "KEYUPDATE") || !strings.Contains(s, "three") {
				t.Errorf("s_client said:\n%s", s)
			}
		})
	}
}

func eachTLS(t *testing.T, f func(t *testing.T, m mode)) {
	for _, m := range modes {
		if m.tls != 0 {
			t.Run(m.name, func(t *testing.T) { f(t, m) })
		}
	}
}

// lockedBuffer takes what a child process says while the test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
