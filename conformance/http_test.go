package conformance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// engine is a listener of the gateway: all of them promise the same.
type engine struct {
	name     string
	listener string // CUE
	tls      bool
}

var engines = []engine{
	{"netpoll", `address: "127.0.0.1:8080"`, false},
	{"std", `address: "127.0.0.1:8080", engine: "std"`, false},
	{"netpoll-tls", `address: "127.0.0.1:8080", tls: {cert: "file:tls.pem", key: "file:tls.key"}`, true},
	{"std-tls", `address: "127.0.0.1:8080", engine: "std", tls: {cert: "file:tls.pem", key: "file:tls.key"}`, true},
}

const thingsDocument = `openapi: 3.0.3
info: {title: Things, version: 1.0.0}
paths:
  /t/{case}:
    parameters: [{name: case, in: path, required: true, schema: {type: string}}]
    get: {operationId: getT, responses: {"200": {description: OK}}}
    head: {operationId: headT, responses: {"200": {description: OK}}}
    post: {operationId: postT, responses: {"200": {description: OK}}}
    put: {operationId: putT, responses: {"200": {description: OK}}}
    patch: {operationId: patchT, responses: {"200": {description: OK}}}
    delete: {operationId: deleteT, responses: {"200": {description: OK}}}
    options: {operationId: optionsT, responses: {"200": {description: OK}}}
  /t/{case}/{sub}:
    parameters: [{name: case, in: path, required: true, schema: {type: string}}, {name: sub, in: path, required: true, schema: {type: string}}]
    get: {operationId: getSub, responses: {"200": {description: OK}}}
  /only-get/{case}:
    parameters: [{name: case, in: path, required: true, schema: {type: string}}]
    get: {operationId: onlyGet, responses: {"200": {description: OK}}}
  /slow:
    get: {operationId: slow, responses: {"200": {description: OK}}}
`

// thingsRepo serves the document above below /api, without keys but for /only-get.
func thingsRepo(listener, upstream string) rig.Repo {
	return rig.Repo{
		"gateway.cue": gatewayFile(listener, fmt.Sprintf(`
upstreams: back: endpoints: [{url: "%s/base"}]
tenants: acme: apps: web: keys: [{id: "web-1", hash: %q}]
apis: things: {
	owner: "acme", openapi: "openapi.yaml", basePath: "/api", upstream: "back"
	policies: auth: "none"
	operations: onlyGet: policies: auth: "key"
	operations: slow: policies: timeout: "300ms"
}
`, upstream, hashOf(appKey))),
		"openapi.yaml":   thingsDocument,
		"../run/tls.pem": string(certificate.cert), "../run/tls.key": string(certificate.key),
	}
}

// certificate is made for this run.
var certificate = func() (c struct {
	cert, key []byte
	pool      *x509.CertPool
}) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	c.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	c.pool = x509.NewCertPool()
	c.pool.AppendCertsFromPEM(c.cert)
	return c
}()

// stage is one engine in front of a scripted upstream.
type stage struct {
	*rig.Gateway
	engine
	up *scripted
}

func onEveryEngine(t *testing.T, f func(t *testing.T, s *stage)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			up := newScripted(t)
			o := rig.Options{}
			if e.tls {
				o.Scheme = "https"
			}
			f(t, &stage{serve(t, thingsRepo(e.listener, up.url()), o), e, up})
		})
	}
}

// wireConn is a client's connection: raw bytes out, parsed answers in.
type wireConn struct {
	net.Conn
	t  testing.TB
	br *bufio.Reader
}

func (s *stage) dial(t testing.TB) *wireConn {
	t.Helper()
	var c net.Conn
	var err error
	if s.tls {
		c, err = tls.Dial("tcp", s.Addr, &tls.Config{RootCAs: certificate.pool, ServerName: "localhost", NextProtos: []string{"http/1.1"}})
	} else {
		c, err = net.Dial("tcp", s.Addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &wireConn{c, t, bufio.NewReaderSize(c, 64<<10)}
}

func (c *wireConn) send(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		c.t.Fatalf("sending %.100q: %v", raw, err)
	}
}

// received is an answer with its body.
type received struct {
	*http.Response
	Text string
	Err  error // of the body
}

// receive reads one answer to a request of the method; ok is false at the end of the connection.
func (c *wireConn) receive(method string) (received, bool) {
	c.t.Helper()
	r, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return received{}, false
	}
	b, err := io.ReadAll(r.Body)
	return received{r, string(b), err}, true
}

// must reads one answer and fails without one.
func (c *wireConn) must(method string, status int) received {
	c.t.Helper()
	r, ok := c.receive(method)
	if !ok {
		c.t.Fatalf("the connection ended in place of an answer with %d", status)
	}
	if r.StatusCode != status {
		c.t.Fatalf("status %d, want %d: %v %.300q", r.StatusCode, status, r.Header, r.Text)
	}
	return r
}

// ended checks that the server closes the connection without another byte.
func (c *wireConn) ended() {
	c.t.Helper()
	b, err := c.br.ReadByte()
	if err == nil {
		rest, _ := c.br.Peek(c.br.Buffered())
		c.t.Fatalf("the connection goes on with %q", string(b)+string(rest))
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		c.t.Fatal("the connection stays open")
	}
}

func TestHTTP(t *testing.T) {
	cases := []struct {
		name string
		run  func(t *testing.T, s *stage)
	}{
		{"keep-alive: requests follow each other on a connection", func(t *testing.T, s *stage) {
			c := s.dial(t)
			for i := range 20 {
				c.send(fmt.Sprintf("GET /api/t/keep?n=%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
				if r := c.must("GET", 200); r.Text != "ok" || r.Close {
					t.Fatalf("answer %d: %q, close %v", i, r.Text, r.Close)
				}
			}
			if got := s.up.requests("/base/t/keep"); len(got) != 20 || got[7].URL.RawQuery != "n=7" {
				t.Errorf("the upstream saw %d requests", len(got))
			}
		}},
		{"pipelining: answers come in order, with bodies among the requests", func(t *testing.T, s *stage) {
			s.up.on("/base/t/slowly", func(c net.Conn, r *seen) bool {
				time.Sleep(50 * time.Millisecond)
				return answerWith("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nslowly")(c, r)
			})
			s.up.on("/base/t/body", func(c net.Conn, r *seen) bool {
				return answerWith(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.Body), r.Body))(c, r)
			})
			c := s.dial(t)
			c.send("GET /api/t/slowly HTTP/1.1\r\nHost: a\r\n\r\n" +
				"POST /api/t/body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none" +
				"POST /api/t/body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n" +
				"HEAD /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n" +
				"GET /api/nowhere HTTP/1.1\r\nHost: a\r\n\r\n" +
				"GET /api/t/last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			for i, want := range []struct {
				method, text string
				status       int
			}{{"GET", "slowly", 200}, {"POST", "one", 200}, {"POST", "two", 200}, {"HEAD", "", 200}, {"GET", "", 404}, {"GET", "ok", 200}} {
				r := c.must(want.method, want.status)
				if want.status == 200 && r.Text != want.text {
					t.Errorf("answer %d is %q, want %q", i, r.Text, want.text)
				}
			}
			c.ended()
		}},
		{"a hundred pipelined requests", func(t *testing.T, s *stage) {
			c := s.dial(t)
			go io.WriteString(c, strings.Repeat("GET /api/t/many HTTP/1.1\r\nHost: a\r\n\r\n", 100))
			for range 100 {
				if r := c.must("GET", 200); r.Text != "ok" {
					t.Fatalf("%q", r.Text)
				}
			}
		}},
		{"a request in single bytes", func(t *testing.T, s *stage) {
			c := s.dial(t)
			for _, b := range []byte("POST /api/t/bytes?x=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n") {
				c.send(string(b))
			}
			c.must("POST", 200)
			if got := s.up.requests("/base/t/bytes"); len(got) != 1 || string(got[0].Body) != "hello" {
				t.Errorf("%+v", got)
			}
		}},
		{"Connection: close ends the connection after the answer", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/t/close HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if r := c.must("GET", 200); !r.Close {
				t.Errorf("the answer does not say close: %v", r.Header)
			}
			c.ended()
			if got := s.up.requests("/base/t/close")[0].field("Connection"); slices.Contains(got, "close") {
				t.Errorf("the upstream's connection is closed too: %q", got)
			}
		}},
		{"HTTP/1.0 gets no chunks and no keep-alive", func(t *testing.T, s *stage) {
			s.up.on("/base/t/old", answerWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"))
			c := s.dial(t)
			c.send("GET /api/t/old HTTP/1.0\r\nHost: a\r\n\r\n")
			r := c.must("GET", 200)
			if r.Text != "abcdef" || len(r.TransferEncoding) > 0 {
				t.Errorf("%q %v %v", r.Text, r.TransferEncoding, r.Header)
			}
			c.ended()
		}},
		{"chunked requests arrive whole, with their trailers", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/t/chunked HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" +
				"5;ext=1\r\nhello\r\n00000001\r\n,\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n")
			c.must("POST", 200)
			got := s.up.requests("/base/t/chunked")
			if len(got) != 1 || string(got[0].Body) != "hello, world" {
				t.Fatalf("body %+v", got)
			}
			if got[0].Trailer.Get("X-Sum") != "42" {
				t.Errorf("trailers %v", got[0].Trailer)
			}
			if strings.Contains(got[0].Head, "ext=1") {
				t.Error("a chunk extension went on")
			}
		}},
		{"chunked answers arrive whole, with their trailers", func(t *testing.T, s *stage) {
			s.up.on("/base/t/chunks", answerWith("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5;e\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n"))
			c := s.dial(t)
			c.send("GET /api/t/chunks HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\nGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			r := c.must("GET", 200)
			if r.Text != "hello, world" || r.Trailer.Get("X-Sum") != "42" {
				t.Errorf("%q, trailers %v, %v", r.Text, r.Trailer, r.Err)
			}
			c.must("GET", 200)
		}},
		{"trailers cannot set what a head must", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/t/trailed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 5\r\nHost: b\r\nTransfer-Encoding: x\r\nAuthorization: Bearer x\r\nX-Fine: 1\r\n\r\n")
			if r, answered := c.receive("POST"); answered && r.StatusCode == 200 {
				got := s.up.requests("/base/t/trailed")[0].Trailer
				for _, name := range []string{"Content-Length", "Host", "Transfer-Encoding", "Authorization"} {
					if got.Get(name) != "" {
						t.Errorf("trailer %s went on", name)
					}
				}
			}
		}},
		{"Expect: 100-continue is answered before the body comes", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/t/expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
			line, err := c.br.ReadString('\n')
			blank, _ := c.br.ReadString('\n')
			if err != nil || line != "HTTP/1.1 100 Continue\r\n" || blank != "\r\n" {
				t.Fatalf("%q %q %v", line, blank, err)
			}
			c.send("hello")
			c.must("POST", 200)
			if got := s.up.requests("/base/t/expect"); len(got) != 1 || string(got[0].Body) != "hello" {
				t.Errorf("%+v", got)
			}
		}},
		{"Expect: 100-continue is refused without reading the body", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
			c.must("POST", 404)
		}},
		{"another expectation is refused or ends here", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/t/expect2 HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 0\r\n\r\n")
			if r, ok := c.receive("POST"); !ok || r.StatusCode != 417 && r.StatusCode != 200 {
				t.Errorf("%+v", r.Response)
			}
			for _, r := range s.up.requests("/base/t/expect2") {
				if v := r.field("Expect"); v != nil {
					t.Errorf("it went on: %q", v)
				}
			}
		}},
		{"HEAD has the length of GET and no body", func(t *testing.T, s *stage) {
			s.up.on("/base/t/head", answerWith("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Type: text/plain\r\n\r\n"+strings.Repeat("x", 1000)))
			c := s.dial(t)
			c.send("HEAD /api/t/head HTTP/1.1\r\nHost: a\r\n\r\nGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			if r := c.must("HEAD", 200); r.ContentLength != 1000 || r.Header.Get("Content-Type") != "text/plain" {
				t.Errorf("%d %v", r.ContentLength, r.Header)
			}
			c.must("GET", 200)
		}},
		{"HEAD of a chunked answer", func(t *testing.T, s *stage) {
			s.up.on("/base/t/head2", answerWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
			c := s.dial(t)
			c.send("HEAD /api/t/head2 HTTP/1.1\r\nHost: a\r\n\r\nGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			c.must("HEAD", 200)
			c.must("GET", 200)
		}},
		{"204 and 304 have no body", func(t *testing.T, s *stage) {
			s.up.on("/base/t/204", answerWith("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"))
			s.up.on("/base/t/304", answerWith("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 17\r\n\r\n"))
			c := s.dial(t)
			c.send("DELETE /api/t/204 HTTP/1.1\r\nHost: a\r\n\r\nGET /api/t/304 HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"a\"\r\n\r\nGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			if r := c.must("DELETE", 204); r.Header.Get("Content-Length") != "" || len(r.TransferEncoding) > 0 {
				t.Errorf("204 has framing: %v", r.Header)
			}
			if r := c.must("GET", 304); r.Header.Get("Etag") != `"a"` || len(r.TransferEncoding) > 0 {
				t.Errorf("304: %v", r.Header)
			}
			c.must("GET", 200)
		}},
		{"interim answers of the upstream do not confuse", func(t *testing.T, s *stage) {
			s.up.on("/base/t/hints", answerWith("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"))
			c := s.dial(t)
			c.send("GET /api/t/hints HTTP/1.1\r\nHost: a\r\n\r\nGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			r, ok := c.receive("GET")
			for ok && r.StatusCode < 200 {
				r, ok = c.receive("GET")
			}
			if !ok || r.StatusCode != 200 || r.Text != "final" {
				t.Fatalf("%+v", r)
			}
			c.must("GET", 200)
		}},
		{"hop-by-hop fields of requests end here", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/t/hop HTTP/1.1\r\nHost: a\r\nConnection: X-Secret, keep-alive, X-Other\r\nConnection: x-third\r\nX-Secret: 1\r\nX-OTHER: 2\r\nX-Third: 3\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nProxy-Authorization: Basic x\r\nX-Stays: 4\r\n\r\n")
			c.must("GET", 200)
			got := s.up.requests("/base/t/hop")[0]
			for _, name := range []string{"X-Secret", "X-Other", "X-Third", "Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "Proxy-Authorization"} {
				if v := got.field(name); v != nil {
					t.Errorf("%s went on: %q", name, v)
				}
			}
			if v := got.field("X-Stays"); !slices.Equal(v, []string{"4"}) {
				t.Errorf("X-Stays is %q", v)
			}
		}},
		{"hop-by-hop fields of answers end here", func(t *testing.T, s *stage) {
			s.up.on("/base/t/hop2", answerWith("HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nX-Stays: 4\r\nContent-Length: 0\r\n\r\n"))
			c := s.dial(t)
			c.send("GET /api/t/hop2 HTTP/1.1\r\nHost: a\r\n\r\n")
			r := c.must("GET", 200)
			for _, name := range []string{"X-Secret", "Keep-Alive", "Proxy-Authenticate", "Upgrade"} {
				if v := r.Header.Get(name); v != "" {
					t.Errorf("%s came out: %q", name, v)
				}
			}
			if r.Header.Get("X-Stays") != "4" {
				t.Errorf("head %v", r.Header)
			}
		}},
		{"fields keep their order and number", func(t *testing.T, s *stage) {
			s.up.on("/base/t/fields", answerWith("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-N: 1\r\nSet-Cookie: b=2; Path=/\r\nX-Empty:\r\nX-N: 2\r\nContent-Length: 0\r\n\r\n"))
			c := s.dial(t)
			c.send("GET /api/t/fields HTTP/1.1\r\nHost: a\r\nX-M: 1\r\nCookie: a=1\r\nX-M: 2\r\nX-Blank: \r\nCookie: b=2\r\nX-Utf: \xc3\xa9\r\n\r\n")
			r := c.must("GET", 200)
			if d := cmp.Diff([]string{"a=1", "b=2; Path=/"}, r.Header["Set-Cookie"]); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff([]string{"1", "2"}, r.Header["X-N"]); d != "" {
				t.Error(d)
			}
			got := s.up.requests("/base/t/fields")[0]
			if m := got.field("X-M"); !slices.Equal(m, []string{"1", "2"}) && !slices.Equal(m, []string{"1, 2"}) {
				t.Errorf("X-M is %q", m)
			}
			if v := strings.Join(got.field("Cookie"), "; "); v != "a=1; b=2" {
				t.Errorf("Cookie is %q", v)
			}
			if v := got.field("X-Utf"); !slices.Equal(v, []string{"\xc3\xa9"}) {
				t.Errorf("X-Utf is %q", v)
			}
		}},
		{"the upstream learns who asked", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/t/forwarded HTTP/1.1\r\nHost: public.example\r\n\r\n")
			r := c.must("GET", 200)
			got := s.up.requests("/base/t/forwarded")[0]
			if v := got.field("X-Forwarded-For"); len(v) != 1 || !strings.Contains(v[0], "127.0.0.1") {
				t.Errorf("X-Forwarded-For is %q", v)
			}
			scheme := "http"
			if s.tls {
				scheme = "https"
			}
			if v := got.field("X-Forwarded-Proto"); !slices.Equal(v, []string{scheme}) {
				t.Errorf("X-Forwarded-Proto is %q", v)
			}
			if v := got.field("X-Forwarded-Host"); !slices.Equal(v, []string{"public.example"}) {
				t.Errorf("X-Forwarded-Host is %q", v)
			}
			if r.Header.Get("X-Request-Id") == "" || !strings.HasPrefix(r.Header.Get("X-Gwc-Artifact"), "sha256:") {
				t.Errorf("head %v", r.Header)
			}
		}},
		{"a large head is refused", func(t *testing.T, s *stage) {
			c := s.dial(t)
			io.WriteString(c, "GET /api/t/large HTTP/1.1\r\nHost: a\r\n") // the server may close before all is sent
			for range 4096 {
				if _, err := io.WriteString(c, "X-Filler: "+strings.Repeat("y", 500)+"\r\n"); err != nil {
					break
				}
			}
			if r, ok := c.receive("GET"); ok && (r.StatusCode < 400 || r.StatusCode > 431) {
				t.Errorf("status %d", r.StatusCode)
			}
			if got := s.up.requests("/base/t/large"); got != nil {
				t.Error("it reached the upstream")
			}
		}},
		{"a long target is refused", func(t *testing.T, s *stage) {
			c := s.dial(t)
			io.WriteString(c, "GET /api/t/"+strings.Repeat("a", 1<<20)+" HTTP/1.1\r\nHost: a\r\n\r\n")
			if r, ok := c.receive("GET"); ok && r.StatusCode != 414 && r.StatusCode != 431 && r.StatusCode != 400 {
				t.Errorf("status %d", r.StatusCode)
			}
		}},
		{"heads of a usual size pass", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/t/usual HTTP/1.1\r\nHost: a\r\nX-Big: " + strings.Repeat("y", 7000) + "\r\n\r\n")
			c.must("GET", 200)
			if got := s.up.requests("/base/t/usual")[0].field("X-Big"); len(got) != 1 || len(got[0]) != 7000 {
				t.Error("the field is not whole")
			}
		}},
		{"absolute-form targets are taken, and their authority is the host", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET http://other.example/api/t/absolute?q=1 HTTP/1.1\r\nHost: ignored\r\n\r\n")
			c.must("GET", 200)
			got := s.up.requests("/base/t/absolute")
			if len(got) != 1 || got[0].RequestURI != "/base/t/absolute?q=1" {
				t.Fatalf("%+v", got)
			}
			if v := got[0].field("X-Forwarded-Host"); !slices.Equal(v, []string{"other.example"}) {
				t.Errorf("X-Forwarded-Host is %q", v)
			}
		}},
		{"asterisk and authority forms have no route", func(t *testing.T, s *stage) {
			for _, line := range []string{"OPTIONS *", "CONNECT a:443"} {
				c := s.dial(t)
				c.send(line + " HTTP/1.1\r\nHost: a:443\r\n\r\n")
				if r, ok := c.receive("OPTIONS"); ok && r.StatusCode < 400 && line != "OPTIONS *" {
					t.Errorf("%s: status %d", line, r.StatusCode)
				}
			}
		}},
		{"percent-encoded paths arrive as they are", func(t *testing.T, s *stage) {
			c := s.dial(t)
			for _, p := range []string{"a%2Fb", "a%20b", "%C3%A9", "a+b", "a%25b", "a;b=1", "a%3Fb", "~x", "a:b@c!$&'()*,=", "%E2%82%AC"} {
				c.send("GET /api/t/" + p + " HTTP/1.1\r\nHost: a\r\n\r\n")
				c.must("GET", 200)
				if got := s.up.requests("/base/t/" + p); len(got) != 1 || got[0].RequestURI != "/base/t/"+p {
					t.Errorf("%s did not arrive: %v", p, got)
				}
			}
		}},
		{"queries arrive as they are", func(t *testing.T, s *stage) {
			c := s.dial(t)
			for i, q := range []string{"?", "?a", "?a=1&a=2&b", "?a=%2F&b=+&c=%20", "?a=b?c=d", "?%C3%A9", "?x=/../y"} {
				c.send(fmt.Sprintf("GET /api/t/query%d%s HTTP/1.1\r\nHost: a\r\n\r\n", i, q))
				c.must("GET", 200)
				if got := s.up.requests(fmt.Sprintf("/base/t/query%d", i))[0]; got.RequestURI != fmt.Sprintf("/base/t/query%d%s", i, q) {
					t.Errorf("%q arrived as %q", q, got.RequestURI)
				}
			}
		}},
		{"no path leaves the upstream's base", func(t *testing.T, s *stage) {
			for _, p := range []string{"/api/t/../../../etc", "/api/t/%2e%2e/x", "/api/t/..%2f..%2fx", "/api/t/%2e%2e%2fx", "/api/../secret", "/api/t/./x", "/api//t/x", "/api/t/..", "/api/t/%2E%2E", "/api/t/..;/x", "/api/t/%5c..%5cx", "/api/t/x\\..\\y", "/%61pi/t/x", "/api/t/%00", "/api/t/%zz", "/api/t/%", "//api/t/x"} {
				c := s.dial(t)
				c.send("GET " + p + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
				c.receive("GET")
			}
			for _, raw := range s.up.raw() {
				for _, m := range requestLines.FindAllStringSubmatch(raw, -1) {
					decoded, err := unescapeAll(m[1])
					for _, segment := range strings.FieldsFunc(decoded, func(r rune) bool { return r == '/' || r == '\\' || r == ';' }) {
						if err == nil && segment == ".." && !strings.Contains(m[1], "?") {
							t.Errorf("the upstream was asked for %q", m[1])
						}
					}
					if err != nil || !strings.HasPrefix(m[1], "/base/") || strings.Contains(decoded, "\x00") {
						t.Errorf("the upstream was asked for %q: %v", m[1], err)
					}
				}
			}
		}},
		{"methods with and without bodies", func(t *testing.T, s *stage) {
			c := s.dial(t)
			for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
				for _, body := range []string{"", "x=1"} {
					path := "/base/t/" + m + strconv.Itoa(len(body))
					head := ""
					if body != "" || m == "POST" || m == "PUT" || m == "PATCH" {
						head = fmt.Sprintf("Content-Length: %d\r\n", len(body))
					}
					c.send(m + " /api/t/" + m + strconv.Itoa(len(body)) + " HTTP/1.1\r\nHost: a\r\n" + head + "\r\n" + body)
					c.must(m, 200)
					got := s.up.requests(path)
					if len(got) != 1 || got[0].Method != m || string(got[0].Body) != body {
						t.Errorf("%s with %q: %+v", m, body, got)
					}
					if cl := got[0].field("Content-Length"); head != "" && len(got[0].TransferEncoding) == 0 && !slices.Equal(cl, []string{strconv.Itoa(len(body))}) {
						t.Errorf("%s with %q: Content-Length %q", m, body, cl)
					}
				}
			}
		}},
		{"answers that end with the connection", func(t *testing.T, s *stage) {
			s.up.on("/base/t/until-close", answerAndClose("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"))
			s.up.on("/base/t/until-close-10", answerAndClose("HTTP/1.0 200 OK\r\n\r\nuntil the end"))
			c := s.dial(t)
			for _, p := range []string{"until-close", "until-close-10"} {
				c.send("GET /api/t/" + p + " HTTP/1.1\r\nHost: a\r\n\r\n")
				if r := c.must("GET", 200); r.Text != "until the end" || r.Err != nil {
					t.Errorf("%s: %q, %v", p, r.Text, r.Err)
				}
			}
		}},
		{"answers that are cut are seen to be cut", func(t *testing.T, s *stage) {
			s.up.on("/base/t/cut", answerAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"))
			s.up.on("/base/t/cut2", answerAndClose("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nonly \r\n"))
			for _, p := range []string{"cut", "cut2"} {
				c := s.dial(t)
				c.send("GET /api/t/" + p + " HTTP/1.1\r\nHost: a\r\n\r\n")
				r, ok := c.receive("GET")
				if ok && r.StatusCode == 200 && r.Err == nil {
					t.Errorf("%s looks whole: %q %v", p, r.Text, r.Header)
				}
				c.ended()
			}
		}},
		{"answers that two parsers could read differently are 502", func(t *testing.T, s *stage) {
			for name, raw := range map[string]string{
				"both framings":           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
				"two lengths":             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
				"a bad length":            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
				"another coding":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
				"chunked twice":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
				"a bare LF":               "HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2\r\nContent-Length: 0\r\n\r\n",
				"a fold":                  "HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
				"a space before a colon":  "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
				"NUL in a field":          "HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 0\r\n\r\n",
				"no status":               "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
				"another protocol":        "SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
				"a switch nobody asked":   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
				"a head without an end":   "HTTP/1.1 200 OK\r\nX-A: 1\r\n",
				"a head of many megabyte": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("y", 1000)+"\r\n", 2000) + "\r\n",
				"nothing":                 "",
			} {
				p := "bad-" + strconv.Itoa(len(raw)) + "-" + strings.ReplaceAll(name, " ", "-")
				s.up.on("/base/t/"+p, answerAndClose(raw))
				c := s.dial(t)
				c.send("POST /api/t/" + p + " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
				r, ok := c.receive("POST")
				if !ok || r.StatusCode != 502 {
					t.Errorf("%s: answered %v, %+v", name, ok, r.Response)
				}
			}
		}},
		{"bytes after an answer never reach anybody", func(t *testing.T, s *stage) {
			s.up.on("/base/t/extra", answerWith("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"))
			c := s.dial(t)
			for range 5 {
				c.send("GET /api/t/extra HTTP/1.1\r\nHost: a\r\n\r\nGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
				for range 2 {
					if r := c.must("GET", 200); r.Text != "ok" {
						t.Fatalf("got %q", r.Text)
					}
				}
			}
		}},
		{"a pooled connection that the upstream closed is not an error", func(t *testing.T, s *stage) {
			s.up.on("/base/t/closes", func(c net.Conn, r *seen) bool {
				ok(c, r)
				return false // without Connection: close
			})
			c := s.dial(t)
			for range 10 {
				c.send("GET /api/t/closes HTTP/1.1\r\nHost: a\r\n\r\n")
				c.must("GET", 200)
				time.Sleep(5 * time.Millisecond) // the FIN arrives
			}
		}},
		{"an upstream's answer before the request is complete", func(t *testing.T, s *stage) {
			early := newEarly(t)
			g := serve(t, thingsRepo(s.listener, early), rig.Options{Scheme: "http"})
			c := (&stage{g, s.engine, s.up}).dial(t)
			c.send("POST /api/t/early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nonly this so far")
			if r := c.must("POST", 413); r.Text != "too much" {
				t.Errorf("%q", r.Text)
			}
		}},
		{"a client that leaves in the middle of its body", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/t/leaves HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nonly this")
			time.Sleep(20 * time.Millisecond)
			c.Close()
			eventually(t, func() (bool, string) {
				list := s.up.requests("/base/t/leaves")
				for _, r := range list {
					if r.Err == nil {
						return false, "the upstream took a body that is not whole"
					}
				}
				return len(list) == 0 || list[0].Err != nil, "waiting"
			})
		}},
		{"a client that leaves while it waits", func(t *testing.T, s *stage) {
			gone := make(chan error, 1)
			s.up.on("/base/t/waits", func(c net.Conn, r *seen) bool {
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				_, err := c.Read(make([]byte, 1))
				gone <- err
				return false
			})
			c := s.dial(t)
			c.send("GET /api/t/waits HTTP/1.1\r\nHost: a\r\n\r\n")
			eventually(t, func() (bool, string) { return len(s.up.requests("/base/t/waits")) == 1, "no request" })
			c.Close()
			if err := <-gone; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the upstream's connection stays: %v", err)
			}
		}},
		{"large bodies arrive whole both ways", func(t *testing.T, s *stage) {
			body := make([]byte, 3<<20+17)
			for i := range body {
				body[i] = byte(i * 7 >> 3)
			}
			s.up.on("/base/t/big", func(c net.Conn, r *seen) bool {
				if len(r.TransferEncoding) > 0 {
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					for rest := r.Body; len(rest) > 0; {
						n := min(len(rest), 10_000)
						fmt.Fprintf(c, "%x\r\n%s\r\n", n, rest[:n])
						rest = rest[n:]
					}
					fmt.Fprint(c, "0\r\n\r\n")
					return true
				}
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(r.Body))
				c.Write(r.Body)
				return true
			})
			c := s.dial(t)
			for _, chunked := range []bool{false, true} {
				go func() {
					if !chunked {
						fmt.Fprintf(c, "POST /api/t/big HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(body))
						c.Write(body)
						return
					}
					var b bytes.Buffer
					fmt.Fprint(&b, "POST /api/t/big HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
					for rest := body; len(rest) > 0; {
						n := min(len(rest), 77_777)
						fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
						rest = rest[n:]
					}
					fmt.Fprint(&b, "0\r\n\r\n")
					c.Write(b.Bytes())
				}()
				r := c.must("POST", 200)
				if sha256.Sum256([]byte(r.Text)) != sha256.Sum256(body) {
					t.Errorf("chunked %v: %d bytes came back of %d, %v", chunked, len(r.Text), len(body), r.Err)
				}
			}
		}},
		{"unknown paths are 404 problems", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
			r := c.must("GET", 404)
			var p struct {
				Type, Title string
				Status      int
			}
			if err := json.Unmarshal([]byte(r.Text), &p); err != nil || p.Status != 404 || p.Type == "" || r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%v: %v %s", err, r.Header, r.Text)
			}
			c.send("GET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			c.must("GET", 200)
		}},
		{"other methods are 405 with Allow", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("POST /api/only-get/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			r := c.must("POST", 405)
			if !strings.Contains(r.Header.Get("Allow"), "GET") {
				t.Errorf("Allow is %q", r.Header.Get("Allow"))
			}
			// The body was not wanted: either it is read over, or the answer says that the connection ends.
			if r.Close {
				c.ended()
			} else {
				c.must("GET", 200)
			}
		}},
		{"no key is 401 with a challenge, and keys end here", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/only-get/x HTTP/1.1\r\nHost: a\r\n\r\n")
			if r := c.must("GET", 401); r.Header.Get("Www-Authenticate") == "" || r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("head %v", r.Header)
			}
			for _, h := range []string{"Authorization: Bearer " + appKey, "X-API-KEY: " + appKey, "x-goog-api-key: " + appKey} {
				c.send("GET /api/only-get/y HTTP/1.1\r\nHost: a\r\n" + h + "\r\n\r\n")
				c.must("GET", 200)
			}
			for _, raw := range s.up.raw() {
				if strings.Contains(raw, appKey) {
					t.Error("the key went on to the upstream")
				}
			}
		}},
		{"a bad request closes the connection", func(t *testing.T, s *stage) {
			c := s.dial(t)
			c.send("GET /api/t/keep HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\nGET /api/t/smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
			c.must("GET", 400)
			c.ended()
			if s.up.requests("/base/t/smuggled") != nil {
				t.Error("what came after it was taken")
			}
		}},
		{"an operation's timeout is 504", func(t *testing.T, s *stage) {
			s.up.on("/base/slow", func(c net.Conn, r *seen) bool {
				c.Read(make([]byte, 1)) // until the gateway gives up
				return false
			})
			c := s.dial(t)
			c.send("GET /api/slow HTTP/1.1\r\nHost: a\r\n\r\n")
			c.must("GET", 504)
			c.send("GET /api/t/keep HTTP/1.1\r\nHost: a\r\n\r\n")
			c.must("GET", 200)
		}},
		{"events arrive one by one", func(t *testing.T, s *stage) {
			step := make(chan struct{})
			s.up.on("/base/t/sse", func(c net.Conn, r *seen) bool {
				fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
				for i := range 5 {
					e := fmt.Sprintf("data: %d\n\n", i)
					fmt.Fprintf(c, "%x\r\n%s\r\n", len(e), e)
					<-step
				}
				fmt.Fprint(c, "0\r\n\r\n")
				return true
			})
			c := s.dial(t)
			c.send("GET /api/t/sse HTTP/1.1\r\nHost: a\r\n\r\n")
			r, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			events := bufio.NewReader(r.Body)
			for i := range 5 {
				// The next event is not sent before this one has arrived.
				line, err := events.ReadString('\n')
				if err != nil || line != fmt.Sprintf("data: %d\n", i) {
					t.Fatalf("event %d: %q, %v", i, line, err)
				}
				events.ReadString('\n')
				step <- struct{}{}
			}
			if _, err := events.ReadByte(); err != io.EOF {
				t.Errorf("after the last event: %v", err)
			}
		}},
	}
	onEveryEngine(t, func(t *testing.T, s *stage) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.run(t, s) })
		}
	})
}

// newEarly is an upstream that refuses each request when it has seen its head.
func newEarly(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				bufio.NewReader(c).ReadString('\n')
				io.WriteString(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much")
				io.Copy(io.Discard, c) // until the gateway closes
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestHTTP2 runs what HTTP/2 adds, and a cross-section of the rest, through the ALPN of both TLS listeners: the netpoll
// engine hands such connections over.
func TestHTTP2(t *testing.T) {
	for _, e := range engines {
		if e.tls {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				testHTTP2(t, e)
			})
		}
	}
}

func testHTTP2(t *testing.T, e engine) {
	up := newScripted(t)
	g := serve(t, thingsRepo(e.listener, up.url()), rig.Options{Scheme: "https"})
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: certificate.pool}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	do := func(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.ProtoMajor != 2 {
			t.Fatalf("protocol %s", resp.Proto)
		}
		return resp, string(b)
	}
	t.Run("plain and not found", func(t *testing.T) {
		if r, b := do(t, "GET", "/api/t/h2?x=1", ""); r.StatusCode != 200 || b != "ok" || r.Header.Get("X-Request-Id") == "" {
			t.Errorf("%d %q %v", r.StatusCode, b, r.Header)
		}
		if got := up.requests("/base/t/h2")[0]; got.RequestURI != "/base/t/h2?x=1" || got.Proto != "HTTP/1.1" {
			t.Errorf("%q %s", got.RequestURI, got.Proto)
		}
		if r, _ := do(t, "GET", "/nowhere", ""); r.StatusCode != 404 {
			t.Errorf("%d", r.StatusCode)
		}
		if r, _ := do(t, "DELETE", "/api/only-get/x", ""); r.StatusCode != 405 {
			t.Errorf("%d", r.StatusCode)
		}
	})
	t.Run("bodies", func(t *testing.T) {
		up.on("/base/t/h2-body", func(c net.Conn, r *seen) bool {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(r.Body))
			c.Write(r.Body)
			return true
		})
		body := strings.Repeat("0123456789abcdef", 1<<16)
		if _, b := do(t, "POST", "/api/t/h2-body", body); b != body {
			t.Errorf("%d bytes came back of %d", len(b), len(body))
		}
	})
	t.Run("trailers", func(t *testing.T) {
		up.on("/base/t/h2-trailers", answerWith("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n"))
		if r, _ := do(t, "GET", "/api/t/h2-trailers", "", "TE", "trailers"); r.Trailer.Get("X-Sum") != "42" {
			t.Errorf("trailers %v", r.Trailer)
		}
	})
	t.Run("HEAD and 204", func(t *testing.T) {
		up.on("/base/t/h2-204", answerWith("HTTP/1.1 204 No Content\r\n\r\n"))
		if r, b := do(t, "HEAD", "/api/t/h2", ""); r.StatusCode != 200 || b != "" || r.ContentLength != 2 {
			t.Errorf("%d %q %d", r.StatusCode, b, r.ContentLength)
		}
		if r, b := do(t, "DELETE", "/api/t/h2-204", ""); r.StatusCode != 204 || b != "" {
			t.Errorf("%d %q", r.StatusCode, b)
		}
	})
	t.Run("an answer that is cut is seen to be cut", func(t *testing.T) {
		up.on("/base/t/h2-cut", answerAndClose("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"))
		r, err := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/api/t/h2-cut", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil && resp.StatusCode == 200 {
			t.Error("it looks whole")
		}
	})
	t.Run("many at once, and a cancelled one", func(t *testing.T) {
		gone := make(chan struct{})
		up.on("/base/t/h2-waits", func(c net.Conn, r *seen) bool {
			c.Read(make([]byte, 1))
			close(gone)
			return false
		})
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/api/t/h2-waits", nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := tr.RoundTrip(r)
			done <- err
		}()
		eventually(t, func() (bool, string) { return len(up.requests("/base/t/h2-waits")) == 1, "no request" })
		for range 50 {
			if r, b := do(t, "GET", "/api/t/h2", ""); r.StatusCode != 200 || b != "ok" {
				t.Fatalf("%d %q", r.StatusCode, b)
			}
		}
		cancel()
		<-done
		select {
		case <-gone:
		case <-time.After(10 * time.Second):
			t.Error("the upstream was not told")
		}
	})
	t.Run("interim answers", func(t *testing.T) {
		up.on("/base/t/h2-hints", answerWith("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"))
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error { return nil }}), "GET", g.URL+"/api/t/h2-hints", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(b) != "final" {
			t.Errorf("%d %q %v", resp.StatusCode, b, err)
		}
	})
}
