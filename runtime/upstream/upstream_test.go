package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/netio"
)

// answer collects the events of a call.
type answer struct {
	mu       sync.Mutex
	status   int
	interim  []int
	length   int64
	header   map[string]string
	body     strings.Builder
	trailers string
	fail     *Failure
	over     int // last events: must be one
	flushes  int
	done     chan struct{}
}

func newAnswer() *answer { return &answer{done: make(chan struct{}), header: map[string]string{}} }

func (a *answer) Interim(h *http1.Head) { a.interim = append(a.interim, h.Status) }
func (a *answer) AnswerHead(h *http1.Head, n int64) {
	a.status, a.length = h.Status, n
	for _, f := range h.Fields {
		a.header[strings.ToLower(string(f.Name))] = string(f.Value)
	}
}
func (a *answer) AnswerBody(b []byte) { a.body.Write(b) }
func (a *answer) AnswerFlush()        { a.flushes++ }
func (a *answer) RequestDrained()     {}
func (a *answer) AnswerEnd(t []http1.Field) {
	for _, f := range t {
		a.trailers += string(f.Name) + "=" + string(f.Value) + ";"
	}
	a.end()
}
func (a *answer) AnswerFail(f *Failure) {
	a.fail = f
	a.end()
}
func (a *answer) end() {
	if a.over++; a.over == 1 {
		close(a.done)
	}
}

func (a *answer) wait(t *testing.T) {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(10 * time.Second):
		t.Fatal("no last event came")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over != 1 {
		t.Fatalf("%d last events came", a.over)
	}
}

// server is a raw TCP server: script gets each connection, numbered from 0.
func server(t *testing.T, script func(n int, c net.Conn, br *bufio.Reader)) *url.URL {
	t.Helper()
	return serverOf(t, new(net.ListenConfig), script)
}

// serverOf is server on a socket of a kind.
func serverOf(t *testing.T, of *net.ListenConfig, script func(n int, c net.Conn, br *bufio.Reader)) *url.URL {
	t.Helper()
	ln, err := of.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: ln.Addr().String()}
}

func registry(t *testing.T) *Registry {
	t.Helper()
	loop, err := netio.New(netio.Options{Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	g := NewRegistry(loop, nil, func(v any, stack []byte) { t.Errorf("%v\n%s", v, stack) })
	t.Cleanup(func() {
		g.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := loop.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (a *answer) start(p *Pool, q *Request, to Timeouts, body string) *Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q.Target == nil {
		q.Target = []byte("/x")
	}
	if q.Method == "" {
		q.Method = "GET"
	}
	q.Host = p.Host()
	if body == "" && q.Length == 0 {
		q.Length = NoBody
	}
	c := p.Start(&a.mu, a, q, to)
	if body != "" {
		c.Write([]byte(body))
	}
	c.End(nil)
	return c
}

func TestAnswersOfEveryShape(t *testing.T) {
	for _, tt := range []struct {
		name, method, send string
		status             int
		body, trailers     string
		fail               Class
		reused             bool // the connection serves the next call
	}{
		{"a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", "", 0, true},
		{"chunks and trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", 200, "hello", "X-T=1;", 0, true},
		{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", "", 0, false},
		{"no content", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", "", 0, true},
		{"not modified with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", "", 0, true},
		{"an answer to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, "", "", 0, true},
		{"interim heads first", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", "", 0, true},
		{"Connection: close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 200, "ok", "", 0, false},
		{"more bytes than the answer has", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", 200, "ok", "", 0, false},
		{"no HTTP", "GET", "SSH-2.0-x\r\n\r\n", 0, "", "", Protocol, false},
		{"a length with chunks", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "", "", Protocol, false},
		{"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 0, "", "", Protocol, false},
		{"101 that nobody asked for", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 0, "", "", Protocol, false},
		{"a malformed chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, "", "", Protocol, false},
		{"nothing", "GET", "", 0, "", "", Reset, false},
		{"half a head", "GET", "HTTP/1.1 200 OK\r\nConte", 0, "", "", Reset, false},
		{"half a body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 200, "hel", "", Reset, false},
		{"chunks that break off", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 200, "hello", "", Reset, false},
	} {
		for _, split := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/split=%v", tt.name, split), func(t *testing.T) {
				if split && tt.name == "more bytes than the answer has" {
					t.Skip("bytes that come later than the answer can only be told from the next one's when no call is on")
				}
				second := make(chan int, 4)
				u := server(t, func(n int, c net.Conn, br *bufio.Reader) {
					for {
						if _, err := http.ReadRequest(br); err != nil {
							return
						}
						second <- n
						if split {
							for i := range len(tt.send) {
								if _, err := io.WriteString(c, tt.send[i:i+1]); err != nil {
									return
								}
							}
						} else {
							io.WriteString(c, tt.send)
						}
						if !tt.reused {
							return
						}
					}
				})
				p := registry(t).Get(u)
				for call := range 2 {
					a := newAnswer()
					a.start(p, &Request{Method: tt.method}, Timeouts{Connect: time.Second}, "")
					a.wait(t)
					class := Class(0)
					if a.fail != nil {
						class = a.fail.Class
					}
					if a.status != tt.status || a.body.String() != tt.body || a.trailers != tt.trailers || class != tt.fail {
						t.Fatalf("call %d: status %d body %q trailers %q failure %v", call, a.status, a.body.String(), a.trailers, a.fail)
					}
					want := 0
					if !tt.reused {
						want = call
					}
					if n := <-second; n != want {
						t.Fatalf("call %d went over connection %d, want %d", call, n, want)
					}
				}
			})
		}
	}
}

func TestRequestsAsTheServerReadsThem(t *testing.T) {
	type seen struct{ method, target, host, body, te, x string }
	got := make(chan seen, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.RequestURI, r.Host, string(b), strings.Join(r.TransferEncoding, ","), r.Header.Get("X-A")}
	}))
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	p := registry(t).Get(u)
	for _, tt := range []struct {
		name string
		q    Request
		body string
		want seen
	}{
		{"no body", Request{Method: "GET", Target: []byte("/a?b=c"), Fields: []byte("X-A: 1\r\n")}, "", seen{"GET", "/a?b=c", u.Host, "", "", "1"}},
		{"a length", Request{Method: "POST", Target: []byte("/a"), Length: 5}, "hello", seen{"POST", "/a", u.Host, "hello", "", ""}},
		{"chunks", Request{Method: "PUT", Target: []byte("/a"), Length: Chunked}, "hello", seen{"PUT", "/a", u.Host, "hello", "chunked", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAnswer()
			a.start(p, &tt.q, Timeouts{}, tt.body)
			a.wait(t)
			if s := <-got; s != tt.want || a.status != 200 {
				t.Errorf("the server saw %+v, want %+v (status %d, %v)", s, tt.want, a.status, a.fail)
			}
		})
	}
}

func TestTimeouts(t *testing.T) {
	silent := server(t, func(_ int, c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) })
	stalls := server(t, func(_ int, c net.Conn, br *bufio.Reader) {
		http.ReadRequest(br)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
		io.Copy(io.Discard, br)
	})
	g := registry(t)
	for _, tt := range []struct {
		name   string
		u      *url.URL
		to     Timeouts
		status int
	}{
		{"first byte", silent, Timeouts{FirstByte: 150 * time.Millisecond}, 0},
		{"deadline", silent, Timeouts{FirstByte: time.Hour, Deadline: time.Now().Add(300 * time.Millisecond)}, 0},
		{"between bytes", stalls, Timeouts{FirstByte: time.Hour, Idle: 150 * time.Millisecond}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAnswer()
			a.start(g.Get(tt.u), &Request{}, tt.to, "")
			a.wait(t)
			if a.fail == nil || a.fail.Class != Timeout || a.status != tt.status {
				t.Errorf("status %d, failure %v", a.status, a.fail)
			}
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	u := &url.URL{Scheme: "http", Host: ln.Addr().String()}
	ln.Close()
	p := registry(t).Get(u)
	a := newAnswer()
	a.start(p, &Request{Method: "POST", Length: 5}, Timeouts{Connect: time.Second}, "hello")
	a.wait(t)
	if a.fail == nil || a.fail.Class != Connect {
		t.Fatalf("failure %v", a.fail)
	}
	if !p.Down(time.Now()) || p.Down(time.Now().Add(2*time.Second)) {
		t.Error("after one failure to connect the server should be left alone for a second")
	}
}

// A server that closes idle connections must not cost a call: the pool knows at once.
func TestConnectionsThatDiedInThePoolAreNotUsed(t *testing.T) {
	closed := make(chan struct{}, 16)
	u := server(t, func(n int, c net.Conn, br *bufio.Reader) {
		http.ReadRequest(br)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		c.Close()
		closed <- struct{}{}
	})
	p := registry(t).Get(u)
	for i := range 8 {
		a := newAnswer()
		a.start(p, &Request{}, Timeouts{}, "")
		a.wait(t)
		if a.fail != nil {
			t.Fatalf("call %d: %v", i, a.fail)
		}
		<-closed
		for range 100 { // until the hang-up has been noticed
			if p.Stats().Open == 0 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if s := p.Stats(); s.Open != 0 || s.Idle != 0 {
			t.Fatalf("the pool still counts %+v", s)
		}
	}
}

func TestCancelClosesTheConnection(t *testing.T) {
	gone := make(chan struct{})
	begun := make(chan struct{})
	u := server(t, func(_ int, c net.Conn, br *bufio.Reader) {
		http.ReadRequest(br)
		close(begun)
		io.Copy(io.Discard, br)
		close(gone)
	})
	a := newAnswer()
	c := a.start(registry(t).Get(u), &Request{}, Timeouts{}, "")
	<-begun
	a.mu.Lock()
	c.Cancel()
	a.mu.Unlock()
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Fatal("the server was not told")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over != 0 {
		t.Error("an event came after Cancel")
	}
}

func TestPauseHoldsTheAnswerBack(t *testing.T) {
	const size = 32 << 20
	wrote := make(chan int, 1)
	u := server(t, func(_ int, c net.Conn, br *bufio.Reader) {
		http.ReadRequest(br)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		b := make([]byte, 64<<10)
		n := 0
		for n < size {
			c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
			k, err := c.Write(b[:min(len(b), size-n)])
			n += k
			if err != nil {
				break
			}
		}
		wrote <- n
		c.SetWriteDeadline(time.Time{})
		for n < size {
			k, err := c.Write(b[:min(len(b), size-n)])
			n += k
			if err != nil {
				return
			}
		}
	})
	a := newAnswer()
	c := a.start(registry(t).Get(u), &Request{}, Timeouts{}, "")
	a.mu.Lock()
	c.Pause()
	a.mu.Unlock()
	if n := <-wrote; n > 16<<20 {
		t.Errorf("the server could send %d MB while the answer was paused", n>>20)
	}
	a.mu.Lock()
	c.Resume()
	a.mu.Unlock()
	a.wait(t)
	if a.body.Len() != size {
		t.Errorf("%d bytes arrived", a.body.Len())
	}
}

func TestTLSServers(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2=%v", h2), func(t *testing.T) {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				w.Header().Set("X-Proto", r.Proto)
				w.Header().Set("Trailer", "X-T")
				w.WriteHeader(201)
				w.(http.Flusher).Flush()
				w.Write(b)
				w.Header().Set("X-T", "1")
			}))
			srv.EnableHTTP2 = h2
			srv.StartTLS()
			defer srv.Close()
			g := registry(t)
			g.tls = srv.Client().Transport.(*http.Transport).TLSClientConfig
			u, _ := url.Parse(srv.URL)
			p := g.Get(u)
			for _, n := range []int{5, 3 << 20} {
				a := newAnswer()
				a.start(p, &Request{Method: "POST", Length: int64(n)}, Timeouts{FirstByte: 10 * time.Second}, strings.Repeat("x", n))
				a.wait(t)
				if a.fail != nil || a.status != 201 || a.body.Len() != n || a.trailers != "X-T=1;" {
					t.Fatalf("status %d, %d bytes, trailers %q, %v", a.status, a.body.Len(), a.trailers, a.fail)
				}
			}
		})
	}
}

// The terms of a call while its request is on the way: the deadline holds, the first byte's time has not begun.
func TestTermsWhileTheRequestIsSent(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b))
	}))
	srv.StartTLS()
	defer srv.Close()
	plain := httptest.NewServer(srv.Config.Handler)
	defer plain.Close()
	for _, base := range []string{plain.URL, srv.URL} {
		for _, tt := range []struct {
			name  string
			to    Timeouts
			class Class
		}{
			{"a slow upload is no slow answer", Timeouts{Connect: 5 * time.Second, FirstByte: 500 * time.Millisecond}, 0},
			{"the deadline counts", Timeouts{Connect: 5 * time.Second, FirstByte: 5 * time.Second, Deadline: time.Now().Add(400 * time.Millisecond)}, Timeout},
		} {
			t.Run(base[:5]+" "+tt.name, func(t *testing.T) {
				g := registry(t)
				g.tls = srv.Client().Transport.(*http.Transport).TLSClientConfig
				u, _ := url.Parse(base)
				p := g.Get(u)
				if !tt.to.Deadline.IsZero() {
					tt.to.Deadline = time.Now().Add(400 * time.Millisecond)
				}
				a := newAnswer()
				a.mu.Lock()
				c := p.Start(&a.mu, a, &Request{Method: "POST", Target: []byte("/x"), Host: p.Host(), Length: 8}, tt.to)
				a.mu.Unlock()
				for range 8 {
					time.Sleep(150 * time.Millisecond)
					a.mu.Lock()
					c.Write([]byte("x"))
					c.Flush()
					a.mu.Unlock()
				}
				a.mu.Lock()
				c.End(nil)
				a.mu.Unlock()
				a.wait(t)
				switch {
				case tt.class == 0 && (a.fail != nil || a.body.String() != "8"):
					t.Errorf("%q, %v", a.body.String(), a.fail)
				case tt.class != 0 && (a.fail == nil || a.fail.Class != tt.class):
					t.Errorf("failure %v", a.fail)
				}
			})
		}
	}
}

// A server that accepts and shakes no hands is one that no connection could be made to.
func TestATLSHandshakeThatHangsIsAFailureToConnect(t *testing.T) {
	u := server(t, func(_ int, c net.Conn, br *bufio.Reader) { io.Copy(io.Discard, br) })
	u.Scheme = "https"
	p := registry(t).Get(u)
	a := newAnswer()
	a.start(p, &Request{}, Timeouts{Connect: 200 * time.Millisecond, FirstByte: 5 * time.Second}, "")
	a.wait(t)
	if a.fail == nil || a.fail.Class != Connect || !p.Down(time.Now()) {
		t.Errorf("failure %v", a.fail)
	}
}

// A receiver with a bug costs its call, on every path by which events come.
func TestAReceiverThatPanicsCostsItsCallOnly(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }))
	srv.StartTLS()
	defer srv.Close()
	plain := httptest.NewServer(srv.Config.Handler)
	defer plain.Close()
	for _, base := range []string{plain.URL, srv.URL, "http://127.0.0.1:1"} {
		t.Run(base[:5], func(t *testing.T) {
			g := registry(t)
			g.tls = srv.Client().Transport.(*http.Transport).TLSClientConfig
			told := make(chan any, 4)
			g.panicked = func(v any, _ []byte) { told <- v }
			u, _ := url.Parse(base)
			p := g.Get(u)
			a := &breaking{answer: newAnswer()}
			a.mu.Lock()
			c := p.Start(&a.mu, a, &Request{Method: "GET", Target: []byte("/"), Host: p.Host(), Length: NoBody}, Timeouts{Connect: time.Second})
			c.End(nil)
			a.mu.Unlock()
			select {
			case <-told:
			case <-time.After(10 * time.Second):
				t.Fatal("nobody was told")
			}
			a.mu.Lock() // it is free again
			over := a.over
			a.mu.Unlock()
			if over != 0 {
				t.Errorf("%d last events reached the answer behind the panics", over)
			}
		})
	}
}

type breaking struct{ *answer }

func (b *breaking) AnswerHead(*http1.Head, int64) { panic("a bug") }
func (b *breaking) AnswerFail(*Failure)           { panic("another") }

// A server that takes a large body slowly has not been slow to answer; one that takes nothing has.
func TestAServerThatStillTakesTheRequestIsNotSlowToAnswer(t *testing.T) {
	const size = 3 << 20 // more than the server's socket holds
	small := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) }), err)
	}}
	for _, tt := range []struct {
		name    string
		reads   int // bytes at a time, with a pause behind each
		answers bool
	}{{"it reads and answers", 256 << 10, true}, {"it reads and is silent", 256 << 10, false}, {"it reads nothing", 0, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			quit := make(chan struct{})
			u := serverOf(t, &small, func(_ int, c net.Conn, br *bufio.Reader) {
				if tt.reads == 0 {
					<-quit
					return
				}
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				for err == nil { // 1.8 s in all, where an answer may take 0.5
					time.Sleep(150 * time.Millisecond)
					_, err = io.CopyN(io.Discard, req.Body, int64(tt.reads))
				}
				if tt.answers {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
				<-quit
			})
			defer close(quit)
			a := newAnswer()
			a.start(registry(t).Get(u), &Request{Method: "POST", Length: size}, Timeouts{Connect: 5 * time.Second, FirstByte: 500 * time.Millisecond}, strings.Repeat("x", size))
			a.wait(t)
			if tt.answers && (a.fail != nil || a.body.String() != "ok") || !tt.answers && (a.fail == nil || a.fail.Class != Timeout) {
				t.Errorf("%q, %v", a.body.String(), a.fail)
			}
		})
	}
}
