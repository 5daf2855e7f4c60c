package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// stallTimeout is how long a TLS server may take no byte of a request's body; netio has the same for clear text.
const stallTimeout = 30 * time.Second

// maxBodyQueue is how many request bytes may wait for a TLS server before the exchange is told to pause (by
// Call.Queued) and, at sixteen times that, given up.
const maxBodyQueue = 256 << 10

func newTransport(tc *tls.Config) *http.Transport {
	if tc != nil {
		tc = tc.Clone()
	}
	d := &net.Dialer{KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:            d.DialContext,
		TLSClientConfig:        tc,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: readLimit,
	}
}

// stdCall carries a Call over [http.Transport]: one goroutine that blocks in RoundTrip and then reads the body. It
// waits on cond, which uses the exchange's mutex.
type stdCall struct {
	p    *Pool
	c    *Call
	t    Timeouts
	stop context.CancelCauseFunc
	body *bodyQueue
	wait *time.Timer

	cond   *sync.Cond
	paused bool

	connected bool // the transport has a connection
	sent      bool // the request is complete

	// Of a tunnel.
	tunnel io.Closer // the connection
	out    []byte    // what waits for the server
	flying int       // bytes that are being written
	ended  bool      // close was called
}

var (
	errSlow   = errors.New("no answer in time")
	errCancel = errors.New("cancelled")
)

func startStd(p *Pool, c *Call, q *Request, t Timeouts) {
	ctx, stop := context.WithCancelCause(context.Background())
	s := &stdCall{p: p, c: c, t: t, stop: stop, cond: sync.NewCond(c.mu)}
	c.t = s
	s.wait = time.AfterFunc(s.left(t.Connect), func() { stop(errSlow) })
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: s.gotConn})
	u, err := url.ParseRequestURI(string(q.Target))
	if err != nil {
		u = &url.URL{Path: "/"}
		u.Opaque = string(q.Target)
	}
	u.Scheme, u.Host = p.scheme, p.addr
	req := (&http.Request{Method: q.Method, URL: u, Host: q.Host, Header: parseFields(q.Fields), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // none rather than the library's own
	}
	switch {
	case q.Length > 0 || q.Length == Chunked:
		s.body = &bodyQueue{drained: s.drained, taken: s.taken}
		s.body.cond.L = &s.body.mu
		req.Body = s.body
		req.ContentLength = q.Length
	case q.Length == 0:
		req.Body = http.NoBody
		s.sent = true
	default:
		s.sent = true
	}
	if q.Upgrade != "" { // net/http keeps to HTTP/1.1 then
		req.Header["Connection"] = []string{"Upgrade"}
		req.Header["Upgrade"] = []string{q.Upgrade}
	}
	go s.run(req, q.Upgrade != "")
}

func parseFields(b []byte) http.Header {
	h := http.Header{}
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\r\n"))
		b = rest
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok {
			h.Add(string(name), strings.TrimSpace(string(value)))
		}
	}
	return h
}

func (s *stdCall) run(req *http.Request, upgrade bool) {
	defer s.stop(errCancel)
	defer s.wait.Stop()
	resp, err := s.p.rt.RoundTrip(req)
	if err != nil {
		s.fail(req.Context(), err, true)
		return
	}
	defer resp.Body.Close()
	h := responseHead(resp)
	s.c.mu.Lock()
	defer s.p.unlock(s.c, func() { s.stop(errCancel) })
	s.p.connected(true)
	if s.c.r == nil {
		return
	}
	if conn, ok := resp.Body.(io.ReadWriteCloser); resp.StatusCode == http.StatusSwitchingProtocols {
		if !ok || !upgrade {
			s.c.fail(&Failure{Class: Protocol, Err: errors.New("101 without an Upgrade")})
			return
		}
		s.carry(h, conn)
		return
	}
	s.c.r.AnswerHead(h, resp.ContentLength)
	if s.c.r == nil {
		return
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if cap(*buf) < 32<<10 {
		*buf = make([]byte, 0, 32<<10)
	}
	b := (*buf)[:cap(*buf)]
	for {
		for s.paused && s.c.r != nil {
			s.cond.Wait()
		}
		if s.c.r == nil {
			return
		}
		s.wait.Reset(s.left(s.t.Idle))
		s.c.mu.Unlock()
		n, err := resp.Body.Read(b)
		s.c.mu.Lock()
		if s.c.r == nil {
			return
		}
		if n > 0 {
			s.c.r.AnswerBody(b[:n])
		}
		switch {
		case s.c.r == nil:
			return
		case err == io.EOF:
			r := s.c.r
			s.c.r = nil
			r.AnswerEnd(trailerFields(resp.Trailer))
			return
		case err != nil:
			s.failLocked(req.Context(), err, false)
			return
		case n > 0:
			s.c.r.AnswerFlush()
		}
	}
}

// left is d or what is left until the deadline; an hour where neither is set.
func (s *stdCall) left(d time.Duration) time.Duration {
	if !s.t.Deadline.IsZero() {
		if l := max(time.Until(s.t.Deadline), 0); d == 0 || l < d {
			return l
		}
	}
	if d == 0 {
		return time.Hour
	}
	return d
}

// gotConn is the transport's call when it has a connection, new or pooled: what is waited for is now the request's
// body, whose pace is the client's, and then the first byte of the answer.
func (s *stdCall) gotConn(httptrace.GotConnInfo) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.connected = true
	s.arm()
}

// arm sets the timer for what comes before the answer.
func (s *stdCall) arm() {
	switch {
	case s.c.r == nil || !s.connected:
	case s.sent:
		s.wait.Reset(s.left(s.t.FirstByte))
	default:
		s.wait.Reset(s.left(0))
	}
}

// taken is called by the body queue, with its mutex, when the transport has taken a piece: what is waited for next is
// the server, while something is left, or its answer, or else the client.
func (s *stdCall) taken(left int, ended bool) {
	d := time.Duration(0)
	switch {
	case left > 0:
		d = stallTimeout
	case ended:
		d = s.t.FirstByte
	}
	s.wait.Reset(s.left(d))
}

func (s *stdCall) fail(ctx context.Context, err error, connecting bool) {
	s.c.mu.Lock()
	defer s.p.unlock(s.c, nil)
	s.failLocked(ctx, err, connecting)
}

func (s *stdCall) failLocked(ctx context.Context, err error, connecting bool) {
	f := &Failure{Class: Reset, Err: err}
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	switch {
	case context.Cause(ctx) == errSlow:
		f.Class, f.Err = Timeout, errSlow
		if d := s.t.Deadline; connecting && !s.connected && (d.IsZero() || time.Now().Before(d)) {
			f.Class = Connect
			s.p.connected(false)
		}
	case connecting && (errors.As(err, &op) && op.Op == "dial" || errors.As(err, &cert)):
		f.Class = Connect
		s.p.connected(false)
	}
	s.c.fail(f)
}

// drained is called by the body queue, without its mutex, when the transport has taken everything.
func (s *stdCall) drained() {
	s.c.mu.Lock()
	defer s.p.unlock(s.c, func() { s.stop(errCancel) })
	if s.c.r != nil {
		s.c.r.RequestDrained()
	}
}

func (s *stdCall) write(b []byte) {
	if s.tunnel != nil {
		s.out = append(s.out, b...)
		if s.queued() > 16*maxBodyQueue {
			s.tunnel.Close()
			s.c.fail(&Failure{Class: Overflow})
		}
		return
	}
	if s.body == nil {
		return
	}
	if s.body.push(b) > 16*maxBodyQueue {
		s.stop(errCancel)
		s.c.fail(&Failure{Class: Overflow})
	}
}

func (s *stdCall) end([]http1.Field) {
	if s.body != nil {
		s.body.finish(io.EOF)
		s.sent = true
		s.arm()
	}
}

func (s *stdCall) flush() {
	if len(s.out) > 0 {
		s.cond.Broadcast()
	}
}

func (s *stdCall) cancel() {
	s.stop(errCancel)
	if s.body != nil {
		s.body.finish(errCancel)
	}
	if s.tunnel != nil {
		s.tunnel.Close()
	}
	s.cond.Broadcast()
}

func (s *stdCall) queued() int {
	if s.body == nil {
		return len(s.out) + s.flying
	}
	return s.body.len()
}

// close ends a tunnel: what waits is still sent.
func (s *stdCall) close() {
	if s.tunnel == nil {
		s.cancel()
		return
	}
	s.ended = true
	s.cond.Broadcast()
}

func (s *stdCall) pause()  { s.paused = true }
func (s *stdCall) resume() { s.paused = false; s.cond.Broadcast() }

// bodyQueue is a request body that is pushed by the exchange and pulled by the transport.
type bodyQueue struct {
	mu      sync.Mutex
	cond    sync.Cond
	q       []byte
	waiting bool // q was over the bound: its owner waits for drained
	err     error
	drained func()
	taken   func(left int, ended bool)
}

func (q *bodyQueue) push(b []byte) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.q = append(q.q, b...)
	if len(q.q) > maxBodyQueue/2 {
		q.waiting = true
	}
	q.cond.Broadcast()
	return len(q.q)
}

func (q *bodyQueue) finish(err error) {
	q.mu.Lock()
	if q.err == nil {
		q.err = err
	}
	q.cond.Broadcast()
	q.mu.Unlock()
}

func (q *bodyQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.q)
}

// Read implements [io.Reader] for the transport.
func (q *bodyQueue) Read(b []byte) (int, error) {
	q.mu.Lock()
	for len(q.q) == 0 && q.err == nil {
		q.cond.Wait()
	}
	if len(q.q) == 0 || q.err != nil && q.err != io.EOF {
		defer q.mu.Unlock()
		return 0, q.err
	}
	n := copy(b, q.q)
	q.q = q.q[n:]
	tell := q.waiting && len(q.q) == 0
	if len(q.q) == 0 {
		q.q = nil
		q.waiting = false
	}
	q.taken(len(q.q), q.err != nil)
	q.mu.Unlock()
	if tell {
		go q.drained() // the exchange's mutex may be held by somebody who pushes
	}
	return n, nil
}

// Close implements [io.Closer] for the transport.
func (q *bodyQueue) Close() error {
	q.finish(io.ErrClosedPipe)
	return nil
}

func responseHead(resp *http.Response) *http1.Head {
	h := &http1.Head{Status: resp.StatusCode, Minor: 1, ContentLength: resp.ContentLength}
	for name, values := range resp.Header {
		for _, v := range values {
			h.Append(name, v)
		}
	}
	h.MarkHopByHop() // an answer that abuses Connection keeps its fields: net/http has framed it already
	return h
}

func trailerFields(t http.Header) []http1.Field {
	var h http1.Head
	for name, values := range t {
		for _, v := range values {
			h.Append(name, v)
		}
	}
	return slices.DeleteFunc(h.Fields, func(f http1.Field) bool { return f.ID != http1.Other || f.Hop }) // as http1.Body does
}

var _ carrier = (*stdCall)(nil)
