package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/netio"
)

// echo answers as the path asks: the one Handler that the whole suite drives through every engine.
type echo struct {
	gone chan error
}

type echoing struct {
	h      *echo
	c      Client
	q      Request
	path   string
	method string
	body   []byte
	end    bool
}

func (h *echo) Begin(c Client, q *Request) Exchange {
	x := &echoing{h: h, c: c, q: *q, path: string(q.Path), method: string(q.Method)}
	switch x.path {
	case "/now": // answers inside Begin
		c.Start(200, []byte("Content-Type: text/plain\r\n"), 4)
		c.Write([]byte("now\n"))
		c.End(nil)
	case "/refuse": // answers inside Begin, before a body that it does not want
		c.Start(401, nil, 3)
		c.Write([]byte("no\n"))
		c.End(nil)
	case "/empty":
		c.Start(204, nil, NoBody)
		c.End(nil)
	case "/early":
		c.Interim(103, []byte("Link: </a.css>; rel=preload\r\n"))
		c.Start(200, nil, 2)
		c.Write([]byte("ok"))
		c.End(nil)
	case "/stream":
		c.Start(200, []byte("Content-Type: text/event-stream\r\n"), Unknown)
	case "/cut":
		c.Start(200, nil, 10)
		c.Write([]byte("five!"))
		c.Flush()
		c.Abort()
	case "/short":
		c.Start(200, nil, 10)
		c.Write([]byte("five!"))
		c.End(nil)
	case "/hang":
	case "/panic":
		panic("a bug")
	default:
		if q.Expect100 {
			c.Interim(100, nil)
		}
	}
	return x
}

func (x *echoing) Body(b []byte) {
	if x.path == "/stream" {
		x.c.Write(b)
		return
	}
	x.body = append(x.body, b...)
}

func (x *echoing) BodyEnd(trailers []http1.Field) {
	x.end = true
	var t []byte
	for _, f := range trailers {
		t = append(append(append(append(t, f.Name...), '='), f.Value...), ' ')
	}
	switch x.path {
	case "/hang":
		return
	case "/stream":
		x.c.End([]http1.Field{{Name: []byte("X-Sum"), Value: []byte("42")}})
		return
	case "/later": // answers from another goroutine, as an upstream's event does
		mu := x.q.Mu
		go func() {
			mu.Lock()
			defer mu.Unlock()
			x.c.Start(200, nil, int64(len(x.body)))
			x.c.Write(x.body)
			x.c.End(nil)
		}()
		return
	}
	x.c.Start(200, []byte("X-Method: "+x.method+"\r\nX-Trailers: "+string(t)+"\r\n"), int64(len(x.body)))
	x.c.Write(x.body)
	x.c.End(nil)
}

func (x *echoing) Flush() {
	if x.path == "/stream" {
		x.c.Flush()
	}
}
func (x *echoing) Drained() {}
func (x *echoing) Gone(err error) {
	select {
	case x.h.gone <- err:
	default:
	}
}

// quiet counts connections and leaves everything else unsaid.
type quiet struct{ open *atomic.Int64 }

func (q quiet) Conn(_ string, n int) { q.open.Add(int64(n)) }
func (quiet) Refused(string, string) {}
func (quiet) Panicked(any, []byte)   {}

// front is one engine under test.
type front struct {
	name string
	addr string
	tls  bool
	h2   bool
	h    *echo
	open atomic.Int64 // connections, as the engine tells its Observer
	stop func(time.Duration) int
}

func (f *front) url(path string) string {
	if f.tls {
		return "https://" + f.addr + path
	}
	return "http://" + f.addr + path
}

func (f *front) client() *http.Client {
	var p http.Protocols
	switch {
	case f.h2 && f.tls:
		p.SetHTTP2(true)
	case f.h2:
		p.SetUnencryptedHTTP2(true)
	default:
		p.SetHTTP1(true)
	}
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
}

// dial opens a raw connection that speaks HTTP/1.1.
func (f *front) dial(t *testing.T) net.Conn {
	t.Helper()
	var c net.Conn
	var err error
	if f.tls {
		c, err = tls.Dial("tcp", f.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	} else {
		c, err = net.Dial("tcp", f.addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// fronts runs a test against every engine and every way to reach it.
func fronts(t *testing.T, test func(t *testing.T, f *front)) { frontsOf(t, nil, test) }

// frontsOf is fronts with a Handler of the test's own.
func frontsOf(t *testing.T, own func(*front) Handler, test func(t *testing.T, f *front)) {
	for _, kind := range []struct {
		name                string
		std, tls, h2, async bool
	}{
		{name: "netpoll"},
		{name: "netpoll-async", async: true},
		{name: "netpoll-tls", tls: true},
		{name: "netpoll-h2", tls: true, h2: true},
		{name: "netpoll-h2c", h2: true},
		{name: "std", std: true},
		{name: "std-tls", std: true, tls: true},
		{name: "std-h2", std: true, tls: true, h2: true},
	} {
		t.Run(kind.name, func(t *testing.T) {
			echo := &echo{gone: make(chan error, 1)}
			f := &front{name: kind.name, tls: kind.tls, h2: kind.h2, h: echo}
			var h Handler = echo
			if own != nil {
				h = own(f)
			}
			loop, err := netio.New(netio.Options{Async: kind.async, Logf: t.Logf})
			if err != nil {
				t.Fatal(err)
			}
			obs := quiet{&f.open}
			d := NewDirect(loop, h, obs)
			s := NewStd(h, obs, slog.New(slog.DiscardHandler))
			var tc *tls.Config
			if kind.tls {
				tc = selfSigned(t)
			}
			var a net.Addr
			if kind.std {
				a, err = s.Listen("main", "127.0.0.1:0", tc)
			} else {
				a, err = d.Listen("main", "127.0.0.1:0", tc, s.HandOver("main"))
			}
			if err != nil {
				t.Fatal(err)
			}
			f.addr = a.String()
			stopped := false
			f.stop = func(wait time.Duration) int {
				stopped = true
				dead := make(chan struct{})
				timer := time.AfterFunc(wait, func() { close(dead) })
				defer timer.Stop()
				n := d.Drain(dead) + s.Drain(dead)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				if err := loop.Close(ctx); err != nil {
					t.Error("loop:", err)
				}
				return n
			}
			t.Cleanup(func() {
				if !stopped {
					f.stop(time.Second)
				}
			})
			test(t, f)
		})
	}
}

func TestEveryEngineCarriesBodiesBothWays(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		for _, path := range []string{"/echo", "/later", "/stream"} {
			for _, n := range []int{0, 1, 100, 70_000, 1 << 20} {
				for _, known := range []bool{true, false} {
					body := bytes.Repeat([]byte("abcdefghij"), n/10+1)[:n]
					var r io.Reader = bytes.NewReader(body)
					if !known {
						r = io.MultiReader(r) // hides the length
					}
					resp, err := c.Post(f.url(path), "text/plain", r)
					if err != nil {
						t.Fatalf("%s %d known=%v: %v", path, n, known, err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || !bytes.Equal(got, body) {
						t.Fatalf("%s %d known=%v: %d bytes came back, %v", path, n, known, len(got), err)
					}
				}
			}
		}
	})
}

func TestEveryEngineHandlesHeadsWithoutBodies(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		for range 3 { // on one connection: framing mistakes show in the next answer
			for _, m := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "PUT"} {
				req, _ := http.NewRequest(m, f.url("/echo"), nil)
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(m, err)
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || len(b) != 0 || resp.StatusCode != 200 || resp.Header.Get("X-Method") != m {
					t.Fatal(m, resp.StatusCode, resp.Header, string(b), err)
				}
			}
			resp, err := c.Get(f.url("/empty"))
			if err != nil || resp.StatusCode != 204 || resp.ContentLength > 0 {
				t.Fatal(resp, err)
			}
			resp.Body.Close()
			resp, err = c.Head(f.url("/now"))
			if err != nil || resp.StatusCode != 200 || resp.ContentLength != 4 && f.name != "x" && resp.ContentLength != -1 {
				t.Fatal(resp, err)
			}
			resp.Body.Close()
		}
	})
}

func TestEveryEngineCarriesTrailers(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		req, _ := http.NewRequest("POST", f.url("/echo"), io.MultiReader(strings.NewReader("hello")))
		req.Trailer = http.Header{"X-Check": {"7"}}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if got := resp.Header.Get("X-Trailers"); !strings.EqualFold(got, "x-check=7") && !strings.EqualFold(strings.TrimSpace(got), "x-check=7") {
			t.Errorf("the request's trailers arrived as %q", got)
		}
		resp, err = c.Post(f.url("/stream"), "text/plain", io.MultiReader(strings.NewReader("hello")))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if got := resp.Trailer.Get("X-Sum"); got != "42" {
			t.Errorf("the answer's trailers arrived as %v", resp.Trailer)
		}
	})
}

func TestEveryEngineCountsItsConnections(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		resp, err := c.Get(f.url("/now"))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		until := func(n int64) {
			t.Helper()
			for range 500 {
				if f.open.Load() == n {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Fatalf("%d connections are counted, want %d", f.open.Load(), n)
		}
		until(1)
		c.CloseIdleConnections()
		until(0)
	})
}

func TestEveryEngineGoesOnAfterABodyThatWasNotWanted(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		if f.h2 {
			t.Skip("one connection, one stream of bytes: HTTP/1.1")
		}
		c := f.dial(t)
		io.WriteString(c, "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /now HTTP/1.1\r\nHost: a\r\n\r\n")
		br := bufio.NewReader(c)
		for _, want := range []int{401, 200} {
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != want {
				t.Fatalf("%v, %v; want %d", resp, err, want)
			}
			io.Copy(io.Discard, resp.Body)
		}
	})
}

func TestEveryEngineStreamsWhileTheRequestGoesOn(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		pr, pw := io.Pipe()
		req, _ := http.NewRequest("POST", f.url("/stream"), pr)
		got := make(chan string)
		go func() {
			resp, err := c.Do(req)
			if err != nil {
				got <- err.Error()
				return
			}
			defer resp.Body.Close()
			b := make([]byte, 16)
			for {
				n, err := resp.Body.Read(b)
				if n > 0 {
					got <- string(b[:n])
				}
				if err != nil {
					got <- err.Error()
					return
				}
			}
		}()
		for _, piece := range []string{"one", "two", "three"} {
			io.WriteString(pw, piece)
			select {
			case s := <-got:
				if s != piece {
					t.Fatalf("got %q, want %q", s, piece)
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("%q did not come back while the request was open", piece)
			}
		}
		pw.Close()
		if s := <-got; s != "EOF" {
			t.Fatalf("the answer ended with %q", s)
		}
	})
}

func TestEveryEngineShowsACutAnswer(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		for _, path := range []string{"/cut", "/short"} {
			resp, err := c.Get(f.url(path))
			if err != nil {
				continue // cut before the head was out
			}
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if err == nil {
				t.Errorf("%s: an incomplete answer looks complete", path)
			}
		}
	})
}

func TestEveryEngineNoticesThatTheClientHasGone(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", f.url("/hang"), nil)
		go func() {
			time.Sleep(50 * time.Millisecond)
			cancel()
		}()
		if _, err := c.Do(req); err == nil {
			t.Fatal("an answer came")
		}
		select {
		case <-f.h.gone:
		case <-time.After(5 * time.Second):
			t.Fatal("the exchange was not told")
		}
	})
}

func TestEveryEngineSurvivesABugInTheHandler(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		if resp, err := c.Get(f.url("/panic")); err == nil {
			resp.Body.Close()
			t.Fatal("an answer came:", resp.Status)
		}
		resp, err := c.Get(f.url("/now"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	})
}

func TestEveryEngineFinishesWhatIsInFlightWhenItDrains(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		c := f.client()
		defer c.CloseIdleConnections()
		pr, pw := io.Pipe()
		req, _ := http.NewRequest("POST", f.url("/stream"), pr)
		type result struct {
			body string
			err  error
		}
		res := make(chan result, 1)
		begun := make(chan struct{})
		go func() {
			resp, err := c.Do(req)
			if err != nil {
				res <- result{err: err}
				return
			}
			close(begun)
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			res <- result{string(b), err}
		}()
		io.WriteString(pw, "a")
		<-begun
		cut := make(chan int)
		go func() { cut <- f.stop(5 * time.Second) }()
		time.Sleep(100 * time.Millisecond)
		io.WriteString(pw, "b")
		pw.Close()
		if r := <-res; r.err != nil || r.body != "ab" {
			t.Fatalf("the exchange in flight gave %q, %v", r.body, r.err)
		}
		c.CloseIdleConnections()
		if n := <-cut; n != 0 {
			t.Errorf("%d connections were cut", n)
		}
	})
}

// raw sends bytes to the engines that speak HTTP/1.1 by themselves and returns all that comes back until the
// connection closes or n answers were read.
func TestDirectEngineOnTheWire(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		if !strings.HasPrefix(f.name, "netpoll") || f.h2 {
			t.Skip("only the codec of our own")
		}
		for _, tt := range []struct {
			name, send string
			want       []string // statuses, in order
			closed     bool
		}{
			{"pipelined requests are answered in order", "GET /now HTTP/1.1\r\nHost: a\r\n\r\nPOST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /empty HTTP/1.1\r\nHost: a\r\n\r\n", []string{"200", "200", "204"}, false},
			{"a body that the answer did not wait for is skipped", "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /now HTTP/1.1\r\nHost: a\r\n\r\n", []string{"401", "200"}, false},
			{"a chunked body that the answer did not wait for is skipped", "POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n", []string{"401", "200"}, false},
			{"a huge body that the answer did not wait for closes the connection", "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\nhello", []string{"401"}, true},
			{"Connection: close is obeyed", "GET /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", []string{"200"}, true},
			{"HTTP/1.0 closes", "GET /now HTTP/1.0\r\n\r\n", []string{"200"}, true},
			{"HTTP/1.0 with keep-alive stays", "GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /now HTTP/1.0\r\n\r\n", []string{"200", "200"}, true},
			{"an unknown length to HTTP/1.0 ends with the connection", "POST /stream HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", []string{"200"}, true},
			{"Expect gets 100 before the answer", "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi", []string{"100", "200"}, false},
			{"a refusal instead of 100 closes the connection", "POST /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", []string{"401"}, true},
			{"103 comes before the answer", "GET /early HTTP/1.1\r\nHost: a\r\n\r\n", []string{"103", "200"}, false},
			{"a malformed head is refused and the connection closed", "GET /now HTTP/1.1\nHost: a\n\n", []string{"400"}, true},
			{"what follows a malformed head is not read", "GET /now HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n", []string{"400"}, true},
			{"a malformed chunk ends the exchange", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", []string{"400"}, true},
			{"a head that is too large is refused", "GET /now HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n", []string{"431"}, true},
			{"a missing Host is refused", "GET /now HTTP/1.1\r\n\r\n", []string{"400"}, true},
			{"an absolute-form target is served", "GET http://a.example/now HTTP/1.1\r\nHost: b\r\n\r\n", []string{"200"}, false},
		} {
			for _, split := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/split=%v", tt.name, split), func(t *testing.T) {
					if split && len(tt.send) > 10_000 {
						t.Skip("long")
					}
					c := f.dial(t)
					go func() {
						if !split {
							io.WriteString(c, tt.send)
							return
						}
						for i := range len(tt.send) {
							if _, err := io.WriteString(c, tt.send[i:i+1]); err != nil {
								return
							}
						}
					}()
					br := bufio.NewReader(c)
					var got []string
					for range tt.want {
						line, err := br.ReadString('\n')
						if err != nil {
							t.Fatalf("after %v: %v", got, err)
						}
						status := line[9:12]
						got = append(got, status)
						length, chunked := 0, false
						for {
							l, err := br.ReadString('\n')
							if err != nil {
								t.Fatal(err)
							}
							if l == "\r\n" {
								break
							}
							fmt.Sscanf(strings.ToLower(l), "content-length: %d", &length)
							chunked = chunked || strings.HasPrefix(strings.ToLower(l), "transfer-encoding")
						}
						if chunked {
							t.Fatal("an HTTP/1.0 answer is chunked")
						}
						if _, err := io.CopyN(io.Discard, br, int64(length)); err != nil {
							t.Fatal(err)
						}
					}
					if strings.Join(got, " ") != strings.Join(tt.want, " ") {
						t.Fatalf("answers %v, want %v", got, tt.want)
					}
					if tt.closed {
						if _, err := io.Copy(io.Discard, br); err != nil && !strings.Contains(err.Error(), "reset") {
							t.Errorf("the connection did not close: %v", err)
						}
					} else {
						io.WriteString(c, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
						if line, err := br.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
							t.Errorf("the connection does not go on: %q %v", line, err)
						}
					}
				})
			}
		}
	})
}

// An answer that does not wait for the request's body must never make the rest of that body the next request.
func TestABodyThatIsLeftOverIsNoRequest(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		if f.h2 {
			t.Skip("HTTP/2 frames its streams")
		}
		smuggled := "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"
		for _, size := range []int{100, 100_000, 400_000} {
			for round := range 5 {
				c := f.dial(t)
				piece := strings.Repeat(smuggled, size/len(smuggled)+1)
				go func() {
					fmt.Fprintf(c, "POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", len(piece))
					for b := piece; len(b) > 0; {
						n := min(len(b), 1000+777*round)
						if _, err := io.WriteString(c, b[:n]); err != nil {
							return
						}
						b = b[n:]
						if round%2 == 0 {
							time.Sleep(10 * time.Microsecond)
						}
					}
					io.WriteString(c, "\r\n0\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n")
				}()
				br := bufio.NewReader(c)
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					continue // reset before the answer was read
				}
				io.Copy(io.Discard, resp.Body)
				if resp.StatusCode != 401 {
					t.Fatal(resp.Status)
				}
				if resp.Close {
					continue
				}
				if resp, err := http.ReadResponse(br, nil); err == nil && resp.StatusCode != 200 {
					t.Fatalf("%d bytes: the body's rest was answered with %s", size, resp.Status)
				}
			}
		}
	})
}

// What a drain does to connections in each state: whoever has begun, or could not know, is answered.
func TestADrainFinishesWhatHasBegun(t *testing.T) {
	fronts(t, func(t *testing.T, f *front) {
		if !strings.HasPrefix(f.name, "netpoll") || f.h2 {
			t.Skip("only the codec of our own")
		}
		idle, fresh, head, body := f.dial(t), f.dial(t), f.dial(t), f.dial(t)
		io.WriteString(idle, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
		br := bufio.NewReader(idle)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		io.WriteString(head, "GET /now HT")
		io.WriteString(body, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
		time.Sleep(100 * time.Millisecond) // until all of it has arrived
		cut := make(chan int, 1)
		go func() { cut <- f.stop(8 * time.Second) }()
		if _, err := br.ReadByte(); err != io.EOF {
			t.Errorf("an idle connection was not closed: %v", err)
		}
		io.WriteString(fresh, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
		io.WriteString(head, "TP/1.1\r\nHost: a\r\n\r\n")
		io.WriteString(body, "llo")
		for name, c := range map[string]net.Conn{"fresh": fresh, "head": head, "body": body} {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if b, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || !resp.Close || err != nil || len(b) == 0 {
				t.Errorf("%s: %s close=%v %q %v", name, resp.Status, resp.Close, b, err)
			}
			c.Close()
		}
		idle.Close()
		if n := <-cut; n != 0 {
			t.Errorf("%d connections were cut", n)
		}
	})
}
