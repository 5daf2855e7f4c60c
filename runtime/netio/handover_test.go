//go:build linux

package netio

//lint:file-ignore SA1019 the HTTP/2 stack of x/net is driven by hand here, which net/http does not offer

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// handing is a Loop with a listener that hands over, and what became of its connections.
type handing struct {
	addr   string
	handed chan net.Conn
	probes chan *probe
}

func newHanding(t *testing.T, async bool, cfg *tls.Config) *handing {
	h := &handing{handed: make(chan net.Conn, 16), probes: make(chan *probe, 16)}
	l, err := New(Options{Async: async, Pollers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	ln, err := l.Listen("127.0.0.1:0", ListenOptions{
		TLS:      cfg,
		HandOver: func(c net.Conn) { h.handed <- c },
		Accept: func(c *Conn) Handler {
			p := newProbe(t, c, echo)
			h.probes <- p
			return p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	return h
}

func (h *handing) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func directAndAsync(t *testing.T, f func(t *testing.T, async bool)) {
	for _, async := range []bool{false, true} {
		t.Run(map[bool]string{false: "direct", true: "async"}[async], func(t *testing.T) { f(t, async) })
	}
}

func TestAConnectionThatBeginsWithThePrefaceIsHandedOverWithAllItsBytes(t *testing.T) {
	directAndAsync(t, func(t *testing.T, async bool) {
		for name, pieces := range map[string][]string{
			"in one piece":              {preface},
			"with more behind it":       {preface + "more"},
			"in two pieces":             {preface[:7], preface[7:] + "more"},
			"byte by byte":              strings.Split(preface+"more", ""),
			"with much more behind it":  {preface, strings.Repeat("x", 1<<20)},
			"with much more in one go":  {preface + strings.Repeat("y", 1<<20)},
			"split in its last newline": {preface[:len(preface)-1], preface[len(preface)-1:] + "z"},
		} {
			t.Run(name, func(t *testing.T) {
				h := newHanding(t, async, nil)
				peer := h.dial(t)
				want := strings.Join(pieces, "")
				go func() {
					for _, p := range pieces {
						peer.Write([]byte(p))
						if len(pieces) > 1 {
							time.Sleep(time.Millisecond)
						}
					}
				}()
				p := wait(t, h.probes, "Accept")
				c := wait(t, h.handed, "the hand-over")
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
					t.Fatalf("got %d bytes of %d, %v", len(got), len(want), err)
				}
				if err := wait(t, p.closed, "Closed"); err != ErrHandedOver {
					t.Errorf("Closed(%v), want ErrHandedOver", err)
				}
				if n := p.count(); n != 1 {
					t.Errorf("%d events, want Closed only", n)
				}
				if err := p.c.Write([]byte("x")); err == nil {
					t.Error("Write after the hand-over succeeds")
				}
				p.c.Close()
				p.c.Abort()
				big := random(4 << 20) // blocks: it is an ordinary net.Conn now
				go c.Write(big)
				back := make([]byte, len(big))
				if _, err := io.ReadFull(peer, back); err != nil || !bytes.Equal(back, big) {
					t.Fatalf("the answer did not arrive: %v", err)
				}
			})
		}
	})
}

func TestWhatOnlyLooksLikeThePrefaceIsDelivered(t *testing.T) {
	directAndAsync(t, func(t *testing.T, async bool) {
		for _, first := range []string{
			"GET / HTTP/1.1\r\n\r\n", "P", "PRI", "POST / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n",
			"PROPFIND / HTTP/1.1\r\n\r\n", preface[:len(preface)-1] + "!",
		} {
			for _, split := range []bool{false, true} {
				h := newHanding(t, async, nil)
				peer := h.dial(t)
				want := first + "the rest"
				go func() {
					if !split {
						peer.Write([]byte(want))
						return
					}
					for i := range want {
						peer.Write([]byte{want[i]})
					}
				}()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(peer, got); err != nil || string(got) != want {
					t.Fatalf("%q: got %q, %v", want, got, err)
				}
			}
		}
	})
}

func TestAPeerThatClosesWithinThePrefaceIsClosed(t *testing.T) {
	directAndAsync(t, func(t *testing.T, async bool) {
		h := newHanding(t, async, nil)
		peer := h.dial(t)
		peer.Write([]byte(preface[:5]))
		peer.Close()
		p := wait(t, h.probes, "Accept")
		if err := wait(t, p.closed, "Closed"); err != io.EOF {
			t.Errorf("Closed(%v), want io.EOF", err)
		}
	})
}

func TestCallsThatMeetAHandOverDoNoHarm(t *testing.T) {
	directAndAsync(t, func(t *testing.T, async bool) {
		h := newHanding(t, async, nil)
		var wg sync.WaitGroup
		for range 50 {
			peer := h.dial(t)
			p := wait(t, h.probes, "Accept")
			wg.Go(func() { peer.Write([]byte(preface + "abc")) })
			for _, f := range []func(){
				func() { p.c.Write([]byte("settings")) }, func() { p.c.Pause(); p.c.Resume() }, p.c.Close,
				func() { p.c.SetTimeout(time.Second) }, func() { p.c.LocalAddr() },
			} {
				wg.Go(f)
			}
			wg.Wait()
			peer.Close() // otherwise a Close that came first lingers
			wait(t, p.closed, "Closed")
			select {
			case c := <-h.handed:
				c.Close()
			case <-time.After(5 * time.Millisecond): // Close came first
			}
		}
	})
}

// TestHTTP2OverHandedOverConnections lets the real server and client talk over TLS (ALPN) and in clear text.
func TestHTTP2OverHandedOverConnections(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d %v", r.Proto, n, r.TLS != nil)
	})
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "clear text", true: "TLS"}[secure], func(t *testing.T) {
			directAndAsync(t, func(t *testing.T, async bool) {
				var cfg *tls.Config
				if secure {
					cfg = &tls.Config{Certificates: []tls.Certificate{certificate()}}
				}
				h := newHanding(t, async, cfg)
				quit := make(chan struct{})
				var wg sync.WaitGroup
				wg.Go(func() {
					for {
						select {
						case c := <-h.handed:
							wg.Go(func() { (&http2.Server{}).ServeConn(c, &http2.ServeConnOpts{Handler: handler}) })
						case <-quit:
							return
						}
					}
				})
				tr := &http2.Transport{AllowHTTP: !secure, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
				url := "https://"
				if !secure {
					url = "http://"
					tr.DialTLS = func(network, addr string, _ *tls.Config) (net.Conn, error) { return net.Dial(network, addr) }
				}
				defer wg.Wait()
				defer close(quit)
				defer tr.CloseIdleConnections()
				c := &http.Client{Transport: tr, Timeout: patience}
				for range 3 {
					resp, err := c.Post(url+h.addr+"/", "text/plain", bytes.NewReader(make([]byte, 3<<20)))
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if want := fmt.Sprintf("HTTP/2.0 %d %v", 3<<20, secure); string(b) != want {
						t.Errorf("got %q, want %q", b, want)
					}
				}
			})
		})
	}
}

func TestTheSameTLSListenerServesHTTP1WithoutAHandOver(t *testing.T) {
	directAndAsync(t, func(t *testing.T, async bool) {
		h := newHanding(t, async, &tls.Config{Certificates: []tls.Certificate{certificate()}})
		for _, protos := range [][]string{nil, {"http/1.1"}} {
			c := tls.Client(h.dial(t), &tls.Config{InsecureSkipVerify: true, NextProtos: protos})
			c.Write([]byte("hello\n"))
			if s, err := bufio.NewReader(c).ReadString('\n'); s != "hello\n" || err != nil {
				t.Errorf("got %q, %v", s, err)
			}
		}
	})
}

func TestWithoutHandOverNoH2IsOffered(t *testing.T) {
	r := newRig(t, mode{tls: tls.VersionTLS13}, Options{})
	raw := r.connectRaw(func(c *Conn) Handler { return newProbe(t, c, echo) })
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("negotiated %q", p)
	}
}
