package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// Std is the engine on net/http: HTTP/2 connections that the netpoll engine hands over, and listeners that ask for
// it. It offers the same contract: what comes from the request's goroutine is pushed to the exchange under its mutex,
// and what the exchange writes waits in a queue until that goroutine has sent it.
type Std struct {
	h   Handler
	obs Observer
	srv *http.Server

	mu    sync.Mutex
	names map[net.Listener]string

	open    atomic.Int64 // connections
	active  atomic.Int64 // exchanges
	conns   sync.Map     // net.Conn → the name of its listener
	carried atomic.Int64 // tunnels, whose connections net/http has given away
	tunnels sync.Map     // their net.Conn → nothing
}

type listenerKey struct{}

// NewStd makes the engine.
func NewStd(h Handler, obs Observer, log *slog.Logger) *Std {
	s := &Std{h: h, obs: obs, names: map[net.Listener]string{}}
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	s.srv = &http.Server{
		Handler:           s,
		Protocols:         &p,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 250},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(ln net.Listener) context.Context {
			s.mu.Lock()
			defer s.mu.Unlock()
			return context.WithValue(context.Background(), listenerKey{}, s.names[ln])
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			name, _ := ctx.Value(listenerKey{}).(string)
			s.conns.Store(c, name)
			s.open.Add(1)
			s.obs.Conn(name, 1)
			return ctx
		},
		ConnState: func(c net.Conn, st http.ConnState) {
			if st != http.StateClosed && st != http.StateHijacked {
				return
			}
			if name, ok := s.conns.LoadAndDelete(c); ok {
				s.open.Add(-1)
				s.obs.Conn(name.(string), -1)
			}
		},
	}
	return s
}

// Listen opens an address that this engine serves alone.
func (s *Std) Listen(name, addr string, tc *tls.Config) (net.Addr, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	a := ln.Addr()
	if tc != nil {
		tc = tc.Clone()
		tc.NextProtos = []string{"h2", "http/1.1"}
		ln = tls.NewListener(ln, tc)
	}
	s.mu.Lock()
	s.names[ln] = name
	s.mu.Unlock()
	go s.srv.Serve(ln)
	return a, nil
}

// HandOver returns the function that takes connections from the netpoll engine's listener of that name.
func (s *Std) HandOver(name string) func(net.Conn) {
	h := &handover{ch: make(chan net.Conn), done: make(chan struct{})}
	s.mu.Lock()
	s.names[h] = name
	s.mu.Unlock()
	go s.srv.Serve(h)
	return func(c net.Conn) {
		select {
		case h.ch <- c:
		case <-h.done:
			c.Close()
		}
	}
}

// handover is a [net.Listener] whose connections come from elsewhere.
type handover struct {
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
}

// Accept implements [net.Listener].
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.ch:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr implements [net.Listener].
func (h *handover) Addr() net.Addr { return &net.TCPAddr{} }

// Drain stops accepting and waits for exchanges in flight until the deadline, then cuts the rest and reports how many
// connections that were.
func (s *Std) Drain(deadline <-chan struct{}) (cut int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-deadline:
			cancel()
		case <-ctx.Done():
		}
	}()
	late := s.srv.Shutdown(ctx) != nil
	for s.carried.Load() > 0 && ctx.Err() == nil { // Shutdown knows nothing of them
		time.Sleep(10 * time.Millisecond)
	}
	if late || s.carried.Load() > 0 {
		cut = int(s.open.Load())
		s.srv.Close()
		s.tunnels.Range(func(conn, _ any) bool {
			conn.(net.Conn).Close()
			return true
		})
		// Close does not wait for the exchanges that it cut; their records must be written before the log closes.
		for range 100 {
			if s.active.Load() == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return cut
}

// stdClient is the [Client] of one exchange of the std engine. Its fields are guarded by mu, the exchange's mutex.
type stdClient struct {
	mu   sync.Mutex
	cond *sync.Cond
	s    *Std
	w    http.ResponseWriter
	rc   *http.ResponseController
	h2   bool
	x    Exchange

	interim  []interim
	status   int // 0: Start has not been called
	fields   []byte
	length   int64
	out      []byte
	trailers []http1.Field
	queued   int // bytes in out and with the goroutine that writes them
	flushed  bool
	ended    bool
	aborted  bool
	gone     bool
	failed   int // status of the answer to a body that could not be read; 0: the client has left
	paused   bool
	bodyDone bool
	noBody   bool
	wrote    bool     // the answer's head; for the handler's goroutine
	tunnel   net.Conn // the connection, where it is the exchange's
}

type interim struct {
	status int
	fields []byte
}

// ServeHTTP implements [http.Handler].
func (s *Std) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.active.Add(1)
	defer s.active.Add(-1)
	name, _ := r.Context().Value(listenerKey{}).(string)
	h, bad := requestHead(r)
	if bad != nil {
		s.obs.Refused(name, bad.Reason)
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Connection", "close")
		w.WriteHeader(bad.Status)
		io.WriteString(w, `{"type":"about:blank","title":`+strconv.Quote(http.StatusText(bad.Status))+`,"status":`+strconv.Itoa(bad.Status)+`,"detail":`+strconv.Quote(bad.Reason)+"}\n")
		return
	}
	c := &stdClient{s: s, w: w, rc: http.NewResponseController(w), h2: r.ProtoMajor == 2}
	c.cond = sync.NewCond(&c.mu)
	length := r.ContentLength
	hasBody := r.Body != nil && r.Body != http.NoBody
	switch {
	case !hasBody && len(r.Header["Content-Length"]) > 0 && length == 0, !hasBody && r.Method == http.MethodPost:
		length = 0
	case !hasBody:
		length = NoBody
	case length < 0:
		length = Unknown
	}
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	req := Request{Head: h, Mu: &c.mu, Client: addr, TLS: r.TLS != nil, HTTP2: r.ProtoMajor == 2, Listener: name, Length: length}
	c.begin(&req, !hasBody)
	stop := context.AfterFunc(r.Context(), func() { c.leave(io.EOF) })
	defer stop()
	reading := make(chan struct{})
	c.mu.Lock()
	if c.x == nil {
		hasBody = false // answered already: net/http reads the rest of the body over, or closes
	}
	c.mu.Unlock()
	if hasBody {
		if r.ProtoMajor == 1 {
			c.rc.EnableFullDuplex()
		}
		go func() {
			defer close(reading)
			c.read(r)
		}()
	} else {
		close(reading)
	}
	c.serve(r, hasBody && r.ProtoMajor == 1)
	if hasBody {
		c.mu.Lock()
		c.cond.Broadcast()
		if !c.bodyDone {
			c.rc.SetReadDeadline(time.Unix(1, 0)) // wakes a Read that waits
		}
		c.mu.Unlock()
		<-reading
	}
	c.mu.Lock()
	aborted := c.aborted
	c.mu.Unlock()
	if aborted && c.tunnel == nil && !c.breakOff(r) {
		panic(http.ErrAbortHandler)
	}
}

const (
	lingerTime = 2 * time.Second
	lingerMax  = 16 << 20 // bytes that are read and thrown away
)

// breakOff ends the connection of an HTTP/1.1 exchange in the middle of its answer and reports whether it could. What
// net/http does on a panic is to close: with requests unread that the client sent behind this one, the kernel then
// resets the connection and takes back what is still on its way of the answers before (RFC 9112 §9.6).
func (c *stdClient) breakOff(r *http.Request) bool {
	if c.h2 || !r.ProtoAtLeast(1, 1) { // for HTTP/1.0 the end of the connection could be the end of the body
		return false
	}
	if c.wrote {
		c.rc.Flush()
	}
	conn, _, err := c.rc.Hijack()
	if err != nil {
		return false
	}
	defer conn.Close()
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(lingerTime))
		io.CopyN(io.Discard, conn, lingerMax)
	}
	return true
}

// unlock ends an event of the exchange. It is deferred, and contains a panic as the direct engine does.
func (c *stdClient) unlock() {
	if v := recover(); v != nil {
		c.s.obs.Panicked(v, debug.Stack())
		x := c.x
		c.x = nil
		c.aborted = true
		c.cond.Broadcast()
		if x != nil {
			defer func() { _ = recover() }() // an exchange that is broken may break again
			defer c.mu.Unlock()
			x.Gone(ErrPanic)
			return
		}
	}
	c.mu.Unlock()
}

func (c *stdClient) begin(req *Request, bodyDone bool) {
	c.mu.Lock()
	defer c.unlock()
	c.bodyDone = bodyDone
	c.x = beginning{}
	x := c.s.h.Begin(c, req)
	if c.x != nil {
		c.x = x
		if c.bodyDone {
			x.BodyEnd(nil)
		}
	}
}

// leave tells the exchange that its client is gone.
func (c *stdClient) leave(err error) {
	c.mu.Lock()
	defer c.unlock()
	if x := c.x; x != nil {
		c.x = nil
		c.gone = true
		c.cond.Broadcast()
		x.Gone(err)
	}
}

// read pushes the request's body.
func (c *stdClient) read(r *http.Request) {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if cap(*buf) < 32<<10 {
		*buf = make([]byte, 0, 32<<10)
	}
	b := (*buf)[:cap(*buf)]
	for {
		c.mu.Lock()
		for c.paused && c.x != nil && !c.ended {
			c.cond.Wait()
		}
		stop := c.x == nil
		if !stop {
			c.rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // with mu, lest it undoes the one that wakes this goroutine
		}
		c.mu.Unlock()
		if stop {
			return
		}
		n, err := r.Body.Read(b)
		if !c.push(r, b[:n], err) {
			return
		}
	}
}

// push gives a piece of the body to the exchange. It reports whether more is wanted.
func (c *stdClient) push(r *http.Request, b []byte, err error) bool {
	c.mu.Lock()
	defer c.unlock()
	if c.x != nil && len(b) > 0 {
		c.x.Body(b)
		if c.x != nil {
			c.x.Flush()
		}
	}
	x := c.x
	switch {
	case x == nil:
		return false
	case err == io.EOF:
		c.bodyDone = true
		c.rc.SetReadDeadline(time.Time{})
		x.BodyEnd(fieldsOf(r.Trailer))
		return false
	case err != nil:
		c.x = nil
		c.gone = true
		c.cond.Broadcast()
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			err, c.failed = ErrTimeout, http.StatusRequestTimeout
		} else if r.Context().Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			err, c.failed = ErrBody, http.StatusBadRequest
		}
		x.Gone(err)
		return false
	}
	return true
}

// serve sends what the exchange writes, until it ends. reading tells that read reads the body of an HTTP/1.1 request.
func (c *stdClient) serve(r *http.Request, reading bool) {
	started := false
	c.mu.Lock()
	defer c.unlock()
	for {
		for len(c.interim) == 0 && !c.gone && !c.aborted && !c.ended && !(c.flushed && c.status != 0) {
			c.cond.Wait()
		}
		if c.gone && c.status == 0 && !started {
			if c.failed == 0 {
				c.aborted = true
				return
			}
			c.status, c.fields, c.length, c.out, c.ended = c.failed, nil, 0, nil, true
		}
		if c.aborted || c.gone && started {
			c.aborted = true
			return
		}
		if len(c.interim) > 0 {
			i := c.interim[0]
			c.interim = c.interim[1:]
			c.mu.Unlock()
			h := c.w.Header()
			set(h, i.fields)
			c.w.WriteHeader(i.status)
			clear(h)
			c.mu.Lock()
			continue
		}
		out := c.out
		c.out = nil
		c.flushed = false
		ended := c.ended
		status, fields, length := c.status, c.fields, c.length
		trailers := c.trailers
		partial := reading && !c.bodyDone
		c.mu.Unlock()
		if status != 0 && length == Tunnel {
			c.carry(r, fields, out)
			c.mu.Lock()
			return
		}
		err := error(nil)
		if !started && status != 0 {
			started = true
			h := c.w.Header()
			set(h, fields)
			for _, own := range [...]string{"Date", "Content-Type"} { // net/http would add them
				if _, ok := h[own]; !ok {
					h[own] = nil
				}
			}
			if partial {
				// read may have to be interrupted in the middle of a chunk, and net/http would take what follows for
				// the next request.
				h.Set("Connection", "close")
			}
			if length >= 0 {
				h.Set("Content-Length", strconv.FormatInt(length, 10))
			}
			c.wrote = true
			c.w.WriteHeader(status)
		}
		if len(out) > 0 {
			_, err = c.w.Write(out)
		}
		if ended {
			if len(trailers) > 0 {
				c.rc.Flush() // a short answer would get a Content-Length, which has no trailers
			}
			for i := range trailers {
				c.w.Header().Add(http.TrailerPrefix+string(trailers[i].Name), string(trailers[i].Value))
			}
		} else if err == nil {
			err = c.rc.Flush()
		}
		c.mu.Lock()
		c.queued -= len(out)
		if ended {
			return
		}
		if err != nil {
			if x := c.x; x != nil {
				c.x = nil
				c.gone = true
				x.Gone(err)
			}
			c.aborted = true
			return
		}
		if c.queued == 0 && len(out) > 0 && c.x != nil {
			c.x.Drained()
		}
	}
}

// Interim implements [Client]. HTTP/2 clients get none: net/http writes an interim head from the very map that the final
// one has to be put into, and when the client resets the stream meanwhile it does not wait for that. The two accesses
// to the map would then end the process.
func (c *stdClient) Interim(status int, fields []byte) {
	if status == http.StatusContinue || c.h2 {
		return // net/http sends 100 when the body is first read
	}
	c.interim = append(c.interim, interim{status, append([]byte(nil), fields...)})
	c.cond.Broadcast()
}

// Start implements [Client].
func (c *stdClient) Start(status int, fields []byte, length int64) {
	c.status, c.fields, c.length = status, append([]byte(nil), fields...), length
	c.noBody = length == NoBody
}

// Write implements [Client].
func (c *stdClient) Write(b []byte) {
	if c.noBody {
		return
	}
	c.out = append(c.out, b...)
	c.queued += len(b)
}

// Flush implements [Client].
func (c *stdClient) Flush() {
	c.flushed = true
	c.cond.Broadcast()
}

// End implements [Client].
func (c *stdClient) End(trailers []http1.Field) {
	for i := range trailers {
		c.trailers = append(c.trailers, http1.Field{Name: bytes.Clone(trailers[i].Name), Value: bytes.Clone(trailers[i].Value)})
	}
	c.ended = true
	c.x = nil
	c.cond.Broadcast()
}

// Abort implements [Client].
func (c *stdClient) Abort() {
	c.aborted = true
	c.x = nil
	if c.tunnel != nil {
		c.tunnel.SetDeadline(time.Unix(1, 0)) // wakes a Write that waits
	}
	c.cond.Broadcast()
}

// Queued implements [Client].
func (c *stdClient) Queued() int { return c.queued }

// PauseBody implements [Client].
func (c *stdClient) PauseBody() { c.paused = true }

// ResumeBody implements [Client].
func (c *stdClient) ResumeBody() {
	c.paused = false
	c.cond.Broadcast()
}

// requestHead gives a request of net/http the form that the codec gives its own, with the codec's checks on it.
func requestHead(r *http.Request) (*http1.Head, *http1.Error) {
	h := &http1.Head{Method: []byte(r.Method), Target: []byte(r.RequestURI), Minor: 1, ContentLength: r.ContentLength}
	if r.Method == http.MethodConnect {
		return nil, &http1.Error{Status: http.StatusNotImplemented, Reason: "CONNECT is not supported"}
	}
	path := r.URL.EscapedPath()
	if r.RequestURI == "*" {
		path = "*"
	} else if raw, _, _ := strings.Cut(r.RequestURI, "?"); strings.HasPrefix(raw, "/") {
		path = raw // as it was sent: EscapedPath may write it in another way
	}
	if path == "" {
		path = "/"
	}
	h.Path = []byte(path)
	h.Query, h.HasQuery = []byte(r.URL.RawQuery), r.URL.RawQuery != "" || r.URL.ForceQuery
	h.Host = []byte(r.Host)
	if !http1.ValidHost(h.Host) {
		return nil, &http1.Error{Status: http.StatusBadRequest, Reason: "the host is malformed"}
	}
	for _, c := range h.Query {
		if c <= 0x20 || c >= 0x7f {
			return nil, &http1.Error{Status: http.StatusBadRequest, Reason: "the query holds a byte that is not allowed"}
		}
	}
	for name, values := range r.Header {
		for _, v := range values {
			h.Append(name, v)
		}
	}
	h.Expect100 = strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	bad := h.MarkHopByHop()
	if r.ProtoMajor != 1 || r.ProtoMinor == 0 {
		h.HasUpgrade = false
	}
	return h, bad
}

func fieldsOf(t http.Header) []http1.Field {
	var h http1.Head
	for name, values := range t {
		for _, v := range values {
			h.Append(name, v)
		}
	}
	return slices.DeleteFunc(h.Fields, func(f http1.Field) bool { return f.ID != http1.Other || f.Hop }) // as http1.Body does
}

// set puts header lines into h.
func set(h http.Header, b []byte) {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\r\n"))
		b = rest
		if name, value, ok := bytes.Cut(line, []byte(":")); ok {
			k := http.CanonicalHeaderKey(string(name))
			h[k] = append(h[k], strings.TrimSpace(string(value)))
		}
	}
}

var (
	_ http.Handler = (*Std)(nil)
	_ Client       = (*stdClient)(nil)
)
