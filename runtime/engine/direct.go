package engine

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/netio"
)

// Bounds of a connection of the direct engine. They are constants on purpose: none of them is worth a setting until
// somebody needs it.
const (
	maxPipelined  = 64 << 10  // input held while an exchange is in flight; above it the connection is paused
	maxDiscard    = 256 << 10 // rest of a request's body that is read and dropped to keep the connection
	bigWrite      = 64 << 10  // collected output is sent when it grows beyond this
	headTimeout   = 30 * time.Second
	bodyTimeout   = 60 * time.Second
	idleTimeout   = 75 * time.Second
	freshTimeout  = time.Second // while draining: how long a connection may take to send its first request
	keptBufferMax = 128 << 10   // larger buffers are left to the collector instead of the pool
)

// Errors that an [Exchange] may get from Gone.
var (
	ErrBody    = errors.New("the request's body is malformed")
	ErrTimeout = errors.New("the client was too slow")
	ErrPanic   = errors.New("a bug in the gateway ended the exchange")
)

// Observer is told about connections, about requests that never became an exchange, and about bugs. Its methods must
// not block.
type Observer interface {
	Conn(listener string, delta int)
	Refused(listener, reason string)
	// Panicked is told of a panic that was contained: it cost one connection, not the process.
	Panicked(v any, stack []byte)
}

// Direct is the netpoll engine: a set of listeners that share a [netio.Loop], a Handler and a drain.
type Direct struct {
	loop   *netio.Loop
	h      Handler
	obs    Observer
	limits http1.Limits

	draining atomic.Bool
	mu       sync.Mutex
	lns      []*netio.Listener
	conns    map[*serverConn]struct{}
	idle     chan struct{} // closed when draining and no connection is left
}

// NewDirect makes an engine on a loop.
func NewDirect(loop *netio.Loop, h Handler, obs Observer) *Direct {
	return &Direct{loop: loop, h: h, obs: obs, limits: http1.Limits{Head: 64 << 10, Fields: 256}, conns: map[*serverConn]struct{}{}, idle: make(chan struct{})}
}

// Listen opens an address. HTTP/2 connections, by ALPN or by their preface, are given to handOver where it is not nil.
func (d *Direct) Listen(name, addr string, tc *tls.Config, handOver func(net.Conn)) (net.Addr, error) {
	ln, err := d.loop.Listen(addr, netio.ListenOptions{
		TLS:      tc,
		HandOver: handOver,
		Accept:   func(c *netio.Conn) netio.Handler { return d.accept(c, name, tc != nil) },
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.lns = append(d.lns, ln)
	d.mu.Unlock()
	return ln.Addr(), nil
}

// Attach serves a connection that no listener accepted: a connected, non-blocking stream socket in clear text, which is
// the engine's from here on. remote and tls are what exchanges see of the client and of how it came.
func (d *Direct) Attach(name string, fd int, remote netip.AddrPort, tls bool) error {
	_, err := d.loop.Attach(fd, remote, func(c *netio.Conn) netio.Handler { return d.accept(c, name, tls) })
	return err
}

func (d *Direct) accept(c *netio.Conn, name string, tls bool) netio.Handler {
	sc := &serverConn{d: d, nc: c, name: name, tls: tls}
	d.mu.Lock()
	d.conns[sc] = struct{}{}
	d.mu.Unlock()
	d.obs.Conn(name, 1)
	if d.draining.Load() { // it waited in the backlog, or shook hands: its request is on the way
		c.SetTimeout(freshTimeout)
	} else {
		c.SetTimeout(headTimeout)
	}
	return sc
}

// Drain stops accepting, closes idle connections, lets exchanges in flight finish (their answers say "Connection:
// close" where their head is not out yet), and returns when the last connection is gone or the deadline has passed,
// when it cuts the rest. It reports how many it cut. A connection that has not had a request yet is given a second:
// its first one may be on the way, and nobody expects a new connection to be closed.
func (d *Direct) Drain(deadline <-chan struct{}) (cut int) {
	d.draining.Store(true)
	d.mu.Lock()
	lns := d.lns
	d.lns = nil
	d.mu.Unlock()
	for _, ln := range lns {
		ln.Close()
	}
	for _, sc := range d.snapshot() {
		sc.mu.Lock()
		switch {
		case sc.x != nil || sc.gone || sc.closing || len(sc.part) > 0:
		case !sc.used:
			sc.nc.SetTimeout(freshTimeout)
		default:
			sc.closing = true
			sc.nc.Close()
		}
		sc.mu.Unlock()
	}
	d.mu.Lock()
	none := len(d.conns) == 0
	d.mu.Unlock()
	if none {
		return 0
	}
	select {
	case <-d.idle:
		return 0
	case <-deadline:
	}
	left := d.snapshot()
	for _, sc := range left {
		sc.nc.Abort()
	}
	return len(left)
}

func (d *Direct) snapshot() []*serverConn {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := make([]*serverConn, 0, len(d.conns))
	for sc := range d.conns {
		l = append(l, sc)
	}
	return l
}

// buffers holds output and input buffers between events, so that an idle connection owns none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// parsed is a head with the request made of it, reused together: a Request that is given to an interface would
// otherwise be allocated for each exchange.
type parsed struct {
	head http1.Head
	req  Request
}

var heads = sync.Pool{New: func() any { return new(parsed) }}

func putBuffer(b *[]byte) {
	if cap(*b) <= keptBufferMax {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// serverConn is one client connection: the HTTP/1.1 server side as a state machine. mu guards all of it and is the
// exchange's mutex too. It is the [Client] of the exchange in flight.
type serverConn struct {
	d    *Direct
	nc   *netio.Conn
	mu   sync.Mutex
	name string

	part []byte     // input that could not be used yet: a partial head, or pipelined requests
	head *parsed    // kept while a head is partial, so that it is not scanned again from its start
	x    Exchange   // in flight
	body http1.Body // of the request in flight
	out  *[]byte    // collected output

	discarded int
	length    int64 // of the answer: what is left to write, or Unknown

	tls        bool
	used       bool // a request has come
	gone       bool // Closed was called
	closing    bool // Close was called: input is ignored
	processing bool // process is on the stack: End must not call it again
	paused     bool // netio is paused: by the handler or by too much pipelined input
	bodyDone   bool
	discard    bool // the answer is out; the rest of the request's body is read and dropped
	headOut    bool // Start was called
	expecting  bool // the client waits for 100 before it sends the body
	keep       bool // the connection stays after this exchange
	minor      uint8
	isHead     bool
	chunked    bool
	noBody     bool
	tunnel     bool // the connection is the exchange's: nothing is parsed any more
}

// Data implements [netio.Handler].
func (sc *serverConn) Data(b []byte) {
	sc.mu.Lock()
	defer sc.unlock()
	if sc.gone || sc.closing {
		return
	}
	if len(sc.part) > 0 {
		sc.part = append(sc.part, b...)
		if sc.x != nil && sc.bodyDone {
			sc.boundPipeline()
			return
		}
		b = sc.part
	}
	sc.process(b)
}

// unlock ends an event. It is deferred, and contains a panic of whatever the event called: the connection is cut, its
// exchange is told, and everybody else goes on.
func (sc *serverConn) unlock() {
	if v := recover(); v != nil {
		sc.panicked(v)
	}
	sc.mu.Unlock()
}

// contain does the same for the requests that End goes on with: it may have been called in an event of an upstream,
// whose exchange is over and has nothing to do with them.
func (sc *serverConn) contain() {
	if v := recover(); v != nil {
		sc.panicked(v)
	}
}

func (sc *serverConn) panicked(v any) {
	sc.d.obs.Panicked(v, debug.Stack())
	x := sc.x
	sc.x, sc.part = nil, nil
	sc.closing, sc.processing = true, false
	sc.nc.Abort()
	if x != nil {
		defer func() { _ = recover() }() // an exchange that is broken may break again
		x.Gone(ErrPanic)
	}
}

// boundPipeline stops reading from a client that sends requests faster than they are answered.
func (sc *serverConn) boundPipeline() {
	if len(sc.part) > maxPipelined && !sc.paused {
		sc.paused = true
		sc.nc.Pause()
	}
}

// process consumes input, which is either new or all of sc.part: bodies of the exchange in flight, heads of new ones.
// What cannot be used yet is kept in sc.part. It runs with sc.mu held.
func (sc *serverConn) process(b []byte) {
	whole := len(b)
	sc.processing = true
	for len(b) > 0 && !sc.gone && !sc.closing {
		if sc.x != nil || sc.discard {
			if sc.bodyDone {
				break
			}
			n := sc.feed(b)
			if n < 0 {
				break
			}
			b = b[n:]
			continue
		}
		n := sc.begin(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	sc.processing = false
	if sc.gone || sc.closing {
		sc.part = nil
		return
	}
	switch {
	case len(b) == 0:
		sc.part = nil
	case len(b) == whole && len(sc.part) == whole: // nothing was used: it stays where it is
	default:
		sc.part = append([]byte(nil), b...)
	}
	if sc.x != nil && !sc.tunnel {
		sc.boundPipeline()
	}
	if sc.x != nil && !sc.bodyDone {
		sc.x.Flush()
	}
}

// begin parses one head and starts its exchange. It returns how many bytes it took; 0 when the head is not complete
// or was refused.
func (sc *serverConn) begin(b []byte) int {
	p := sc.head
	if p == nil {
		p = heads.Get().(*parsed)
		p.head.Reset()
	}
	h := &p.head
	n, bad := h.ParseRequest(b, sc.d.limits)
	if bad != nil {
		sc.refuse(bad)
		heads.Put(p)
		sc.head = nil
		return 0
	}
	if n == 0 {
		if sc.head == nil {
			sc.head = p
			sc.nc.SetTimeout(headTimeout)
		}
		return 0
	}
	sc.head = nil
	sc.used = true
	sc.body.Request(h)
	sc.minor = h.Minor
	sc.isHead = string(h.Method) == http.MethodHead
	sc.keep = !h.Close
	sc.bodyDone = sc.body.Done()
	sc.headOut, sc.discard = false, false
	sc.expecting = h.Expect100 && !sc.bodyDone
	length := sc.body.Length()
	if length == 0 && h.ContentLength < 0 {
		length = NoBody
	}
	p.req = Request{Head: h, Mu: &sc.mu, Client: sc.nc.RemoteAddr(), TLS: sc.tls, Listener: sc.name, Length: length}
	if sc.bodyDone {
		sc.nc.SetTimeout(0)
	} else {
		sc.nc.SetTimeout(bodyTimeout)
	}
	// Begin may answer at once; the placeholder tells an End inside it from no exchange.
	sc.x = beginning{}
	x := sc.d.h.Begin(sc, &p.req)
	heads.Put(p)
	if sc.x == nil || sc.gone || sc.closing {
		return n
	}
	sc.x = x
	if sc.bodyDone {
		x.BodyEnd(nil)
	}
	return n
}

type beginning struct{}

func (beginning) Body([]byte)           {}
func (beginning) BodyEnd([]http1.Field) {}
func (beginning) Flush()                {}
func (beginning) Drained()              {}
func (beginning) Gone(error)            {}

// feed gives body bytes to the exchange. It returns how many bytes it took; -1 when the body is malformed.
func (sc *serverConn) feed(b []byte) int {
	if sc.tunnel {
		sc.x.Body(b)
		return len(b)
	}
	total := 0
	for total < len(b) {
		data, n, bad := sc.body.Next(b[total:])
		if bad != nil {
			sc.d.obs.Refused(sc.name, bad.Reason)
			if sc.x == nil {
				sc.close()
				return -1
			}
			x := sc.x
			sc.x = nil
			if !sc.headOut {
				x.Gone(ErrBody)
				sc.refuseStatus(bad)
			} else {
				x.Gone(ErrBody)
				sc.cut()
			}
			return -1
		}
		total += n
		if len(data) > 0 {
			if sc.discard {
				if sc.discarded += len(data); sc.discarded > maxDiscard {
					sc.close()
					return -1
				}
			} else if sc.x != nil {
				sc.x.Body(data)
			}
		}
		if sc.gone || sc.closing {
			return -1
		}
		if sc.body.Done() {
			sc.bodyDone = true
			sc.nc.SetTimeout(0)
			if sc.discard {
				sc.discard = false
				sc.next()
			} else if sc.x != nil {
				sc.x.BodyEnd(sc.body.Trailers())
			}
			return total
		}
		if n == 0 {
			break
		}
	}
	if !sc.bodyDone && !sc.discard { // what is dropped has one term for all of it, set when the answer ended
		sc.nc.SetTimeout(bodyTimeout)
	}
	return total
}

// next makes the connection ready for another request, after an exchange.
func (sc *serverConn) next() {
	if sc.d.draining.Load() || !sc.keep {
		sc.close()
		return
	}
	sc.nc.SetTimeout(idleTimeout)
}

func (sc *serverConn) close() {
	sc.closing = true
	sc.flush()
	sc.nc.Close()
}

// refuse answers a malformed head and closes.
func (sc *serverConn) refuse(e *http1.Error) {
	sc.d.obs.Refused(sc.name, e.Reason)
	sc.refuseStatus(e)
}

func (sc *serverConn) refuseStatus(e *http1.Error) {
	out := sc.buffer()
	body := `{"type":"about:blank","title":` + strconv.Quote(http.StatusText(e.Status)) + `,"status":` + strconv.Itoa(e.Status) + `,"detail":` + strconv.Quote(e.Reason) + "}\n"
	*out = http1.AppendStatusLine(*out, e.Status)
	*out = append(*out, "Content-Type: application/problem+json\r\nContent-Length: "...)
	*out = strconv.AppendInt(*out, int64(len(body)), 10)
	*out = append(*out, "\r\nConnection: close\r\n\r\n"...)
	*out = append(*out, body...)
	sc.close()
}

// Drained implements [netio.Handler].
func (sc *serverConn) Drained() {
	sc.mu.Lock()
	defer sc.unlock()
	if sc.x != nil && !sc.gone {
		sc.x.Drained()
	}
}

// Timeout implements [netio.Handler]: an idle connection is closed, a slow head gets 408, a slow body ends its exchange.
func (sc *serverConn) Timeout() {
	sc.mu.Lock()
	defer sc.unlock()
	switch {
	case sc.gone || sc.closing || sc.tunnel || !sc.nc.Expired(): // the connection was faster: its timer has been set anew
	case sc.x != nil && !sc.bodyDone && !sc.paused:
		sc.d.obs.Refused(sc.name, "body timeout")
		x := sc.x
		sc.x = nil
		x.Gone(ErrTimeout)
		if sc.headOut {
			sc.cut()
		} else {
			sc.refuseStatus(&http1.Error{Status: http.StatusRequestTimeout, Reason: "the request's body did not arrive in time"})
		}
	case sc.x != nil:
	case len(sc.part) > 0:
		sc.refuse(&http1.Error{Status: http.StatusRequestTimeout, Reason: "the request's head did not arrive in time"})
	default:
		sc.close()
	}
}

// HungUp implements [netio.HungUpHandler]: the client has gone while its input is paused, and with it the reason for
// what is under way. Closed would come only after the input was let go, which a slow upstream may never do.
func (sc *serverConn) HungUp() {
	sc.mu.Lock()
	defer sc.unlock()
	if sc.paused && sc.x != nil {
		sc.nc.Abort()
	}
}

// Closed implements [netio.Handler].
func (sc *serverConn) Closed(err error) {
	sc.lost(err)
	d := sc.d
	d.obs.Conn(sc.name, -1)
	d.mu.Lock()
	delete(d.conns, sc)
	if len(d.conns) == 0 && d.draining.Load() {
		select {
		case <-d.idle:
		default:
			close(d.idle)
		}
	}
	d.mu.Unlock()
}

// lost tells the exchange in flight that its client is gone.
func (sc *serverConn) lost(err error) {
	sc.mu.Lock()
	defer sc.unlock()
	sc.gone = true
	x := sc.x
	sc.x = nil
	sc.part = nil
	if sc.out != nil {
		putBuffer(sc.out)
		sc.out = nil
	}
	if x != nil {
		if err == nil {
			err = io.EOF
		}
		x.Gone(err)
	}
}

func (sc *serverConn) buffer() *[]byte {
	if sc.out == nil {
		sc.out = buffers.Get().(*[]byte)
	}
	return sc.out
}

func (sc *serverConn) flush() {
	if sc.out == nil {
		return
	}
	if len(*sc.out) > 0 {
		sc.nc.Write(*sc.out) // a failure arrives as Closed
	}
	putBuffer(sc.out)
	sc.out = nil
}

// Interim implements [Client].
func (sc *serverConn) Interim(status int, fields []byte) {
	if sc.minor == 0 || sc.headOut {
		return
	}
	if status == http.StatusContinue {
		sc.expecting = false
	}
	out := sc.buffer()
	*out = http1.AppendStatusLine(*out, status)
	*out = append(*out, fields...)
	*out = append(*out, '\r', '\n')
	sc.flush()
}

// Start implements [Client].
func (sc *serverConn) Start(status int, fields []byte, length int64) {
	sc.headOut = true
	// A client that was not told to send its body may leave it out: what comes next could be either (RFC 9110 §10.1.1).
	if !sc.bodyDone && (sc.body.Length() > maxDiscard || sc.expecting) || sc.d.draining.Load() {
		sc.keep = false
	}
	sc.noBody = sc.isHead || length == NoBody
	sc.chunked = false
	sc.length = length
	out := sc.buffer()
	o := http1.AppendStatusLine(*out, status)
	o = append(o, fields...)
	if length == Tunnel {
		sc.keep, sc.tunnel, sc.bodyDone, sc.length = false, true, false, Unknown
		sc.nc.SetTimeout(0)
		*out = append(o, "Connection: Upgrade\r\n\r\n"...)
		return
	}
	switch {
	case length >= 0:
		o = append(o, "Content-Length: "...)
		o = strconv.AppendInt(o, length, 10)
		o = append(o, '\r', '\n')
	case length == NoBody:
	case sc.minor == 0:
		sc.keep = false
	default:
		sc.chunked = true
		o = append(o, "Transfer-Encoding: chunked\r\n"...)
	}
	if !sc.keep {
		o = append(o, "Connection: close\r\n"...)
	} else if sc.minor == 0 {
		o = append(o, "Connection: keep-alive\r\n"...)
	}
	*out = append(o, '\r', '\n')
}

// Write implements [Client].
func (sc *serverConn) Write(b []byte) {
	if sc.noBody || len(b) == 0 {
		return
	}
	out := sc.buffer()
	if sc.chunked {
		*out = http1.AppendChunk(*out, b)
	} else {
		if sc.length >= 0 {
			if int64(len(b)) > sc.length {
				b = b[:sc.length] // never more than was announced: the rest would be read as another answer
			}
			sc.length -= int64(len(b))
		}
		*out = append(*out, b...)
	}
	if len(*out) >= bigWrite {
		sc.flush()
	}
}

// Flush implements [Client].
func (sc *serverConn) Flush() {
	sc.flush()
	if sc.tunnel && !sc.processing && len(sc.part) > 0 {
		sc.unhold()
	}
}

// unhold delivers what a hasty client has sent behind its handshake. It was held as the next request of a pipeline.
func (sc *serverConn) unhold() {
	defer sc.contain()
	b := sc.part
	sc.part = nil
	if sc.paused {
		sc.paused = false
		sc.nc.Resume()
	}
	sc.process(b)
}

// End implements [Client].
func (sc *serverConn) End(trailers []http1.Field) {
	if sc.chunked && !sc.noBody {
		out := sc.buffer()
		*out = http1.AppendLastChunk(*out, trailers)
	}
	sc.x = nil
	if sc.tunnel {
		sc.close()
		return
	}
	if !sc.noBody && !sc.chunked && sc.length > 0 {
		sc.cut() // shorter than announced
		return
	}
	if sc.paused {
		sc.paused = false
		sc.nc.Resume()
	}
	if !sc.bodyDone {
		if !sc.keep || sc.d.draining.Load() {
			sc.close()
			return
		}
		sc.discard, sc.discarded = true, 0
		sc.flush()
		sc.nc.SetTimeout(bodyTimeout)
		return
	}
	sc.flush()
	sc.next()
	if !sc.closing && !sc.processing && len(sc.part) > 0 {
		sc.goOn()
	}
}

// goOn takes the requests that have waited for the end of the one before.
func (sc *serverConn) goOn() {
	defer sc.contain()
	sc.process(sc.part)
}

// Abort implements [Client].
func (sc *serverConn) Abort() {
	sc.x = nil
	sc.cut()
}

// cut ends the connection in the middle of an answer. One with chunks or a length tells by itself that it is not
// complete, so what came before the cut, the answers of earlier pipelined requests among it, is still sent. One that
// lasts until the connection closes needs an RST to look broken.
func (sc *serverConn) cut() {
	if sc.headOut && !sc.noBody && !sc.chunked && sc.length == Unknown {
		sc.closing = true
		sc.flush()
		sc.nc.Abort()
		return
	}
	sc.close()
}

// Queued implements [Client].
func (sc *serverConn) Queued() int { return sc.nc.Queued() }

// PauseBody implements [Client].
func (sc *serverConn) PauseBody() {
	if !sc.paused && !sc.bodyDone {
		sc.paused = true
		sc.nc.Pause()
	}
}

// ResumeBody implements [Client].
func (sc *serverConn) ResumeBody() {
	if sc.paused {
		sc.paused = false
		if !sc.tunnel {
			sc.nc.SetTimeout(bodyTimeout)
		}
		sc.nc.Resume()
	}
}

var (
	_ netio.Handler       = (*serverConn)(nil)
	_ netio.HungUpHandler = (*serverConn)(nil)
	_ Client              = (*serverConn)(nil)
)
