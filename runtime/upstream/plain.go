package upstream

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/netio"
)

const (
	idleTimeout  = 55 * time.Second // of a connection in the pool; below the 60 s and 75 s that servers commonly use
	maxIdle      = 1024             // connections kept in one pool
	bigWrite     = 64 << 10
	maxPending   = 4 << 20 // request bytes that may wait for a connection
	keptBuffer   = 128 << 10
	readLimit    = 64 << 10 // an answer's head
	fieldsInHead = 256
)

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

func putBuffer(b *[]byte) {
	if cap(*b) <= keptBuffer {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

var limits = http1.Limits{Head: readLimit, Fields: fieldsInHead}

// plainConn is one connection to a clear-text server: the HTTP/1.1 client side as a state machine. While a call is on,
// the exchange's mutex guards it; in the pool, nobody touches it but its own events. The hand-over between the two
// goes through the kernel, which the race detector cannot see: hence the atomic pointer.
type plainConn struct {
	p    *Pool
	nc   *netio.Conn
	call atomic.Pointer[Call]
	dead atomic.Bool
	line Line // nil: the network

	head    http1.Head
	body    http1.Body
	part    []byte
	out     *[]byte
	t       Timeouts
	served  int
	method  string
	inBody  bool
	sent    bool // the request is complete
	wrote   bool // a byte of it was given to the socket
	chunked bool
	started bool // an answer byte has come
	untaken int  // bytes of the request that the server had not taken when the time for an answer was over; -1: it was not yet
	upgrade bool // another protocol was asked for
	tunnel  bool // and is spoken now: nothing is parsed any more
}

// dialing carries a Call while its connection is being made: what is written waits.
type dialing struct {
	p      *Pool
	c      *Call
	q      *Request
	t      Timeouts
	stop   context.CancelFunc
	body   []byte
	ended  bool
	trail  []byte
	paused bool
	line   Line // nil: the network
}

func (p *Pool) take() *plainConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.free); n > 0; n = len(p.free) {
		u := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		if !u.dead.Load() {
			return u
		}
	}
	return nil
}

func (p *Pool) put(u *plainConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired || len(p.free) >= maxIdle || u.dead.Load() {
		return false
	}
	p.free = append(p.free, u)
	return true
}

func startPlain(p *Pool, c *Call, q *Request, t Timeouts) {
	if q.Upgrade == "" { // a tunnel lasts: that its connection is an old one would be found out too late, to save little
		for u := p.take(); u != nil; u = p.take() {
			if u.bind(c, q, t) {
				return
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &dialing{p: p, c: c, q: q, t: t, stop: cancel}
	if s, ok := c.r.(*staged); ok {
		d.line = s.line
	}
	c.t = d
	go d.dial(ctx)
}

func (d *dialing) dial(ctx context.Context) {
	defer d.stop()
	timeout, hurried := d.t.Connect, false
	if !d.t.Deadline.IsZero() {
		if left := d.p.reg.clock.Until(d.t.Deadline); timeout == 0 || left < timeout {
			timeout, hurried = max(left, time.Millisecond), true
		}
	}
	u := &plainConn{p: d.p, line: d.line}
	nc, err := d.connect(ctx, timeout, func(nc *netio.Conn) netio.Handler {
		u.nc = nc
		return u
	})
	if ctx.Err() == nil && (err == nil || !hurried) { // what is left of a deadline says nothing about the server
		d.p.connected(err == nil)
	}
	if err == nil {
		d.p.mu.Lock()
		d.p.open++
		d.p.mu.Unlock()
	}
	c := d.c
	c.mu.Lock()
	defer d.p.unlock(c, nil)
	if c.r == nil { // cancelled in between
		if err == nil {
			nc.SetTimeout(idleTimeout)
			if !d.p.put(u) {
				nc.Close()
			}
		}
		return
	}
	if err != nil {
		f := &Failure{Class: Connect, Err: err}
		var ne interface{ Timeout() bool }
		if errors.As(err, &ne) && ne.Timeout() && !d.t.Deadline.IsZero() && !d.p.reg.clock.Now().Before(d.t.Deadline) {
			f.Class = Timeout
		}
		c.fail(f)
		return
	}
	if !u.bind(c, d.q, d.t) {
		c.fail(&Failure{Class: Connect, Err: io.ErrUnexpectedEOF})
		return
	}
	if d.paused {
		u.pause()
	}
	u.write(d.body)
	if d.ended || u.upgrade {
		u.endRaw(d.trail)
	} else {
		u.flush()
	}
	if c.r != nil {
		c.r.RequestDrained()
	}
}

// connect makes the connection: over the network, or over the stage's line.
func (d *dialing) connect(ctx context.Context, timeout time.Duration, newHandler func(*netio.Conn) netio.Handler) (*netio.Conn, error) {
	if d.line == nil {
		return d.p.reg.loop.Dial(ctx, d.p.addr, timeout, newHandler)
	}
	fd, remote, err := d.line.Dial(ctx, timeout)
	if err != nil {
		return nil, err
	}
	return d.p.reg.loop.Attach(fd, remote, newHandler)
}

func (d *dialing) write(b []byte) {
	if len(d.body)+len(b) > maxPending {
		d.stop()
		d.c.fail(&Failure{Class: Overflow})
		return
	}
	d.body = append(d.body, b...)
}

func (d *dialing) end(trailers []http1.Field) {
	d.ended = true
	d.trail = http1.AppendLastChunk(nil, trailers)
}
func (d *dialing) flush()      {}
func (d *dialing) cancel()     { d.stop() }
func (d *dialing) close()      { d.stop() }
func (d *dialing) queued() int { return len(d.body) }
func (d *dialing) pause()      { d.paused = true }
func (d *dialing) resume()     { d.paused = false }

// bind gives the connection to a call and collects the request's head. It reports false where the connection has died
// meanwhile: its Closed either came before the call was stored, and is seen here, or comes after and finds the call.
func (u *plainConn) bind(c *Call, q *Request, t Timeouts) bool {
	c.t = u
	u.t = t
	u.method = q.Method
	u.inBody, u.sent, u.started, u.wrote, u.untaken = false, false, false, false, -1
	u.chunked = q.Length == Chunked
	u.upgrade = q.Upgrade != ""
	out := u.buffer()
	o := append(*out, q.Method...)
	o = append(o, ' ')
	o = append(o, q.Target...)
	o = append(o, " HTTP/1.1\r\nHost: "...)
	o = append(o, q.Host...)
	o = append(o, '\r', '\n')
	o = append(o, q.Fields...)
	switch {
	case q.Length >= 0:
		o = append(o, "Content-Length: "...)
		o = strconv.AppendInt(o, q.Length, 10)
		o = append(o, '\r', '\n')
	case u.chunked:
		o = append(o, "Transfer-Encoding: chunked\r\n"...)
	case u.upgrade:
		o = append(append(append(o, "Connection: Upgrade\r\nUpgrade: "...), q.Upgrade...), '\r', '\n')
	}
	*out = append(o, '\r', '\n')
	u.call.Store(c)
	if u.dead.Load() {
		u.call.Store(nil)
		putBuffer(u.out)
		u.out = nil
		return false
	}
	u.arm(0)
	return true
}

func (u *plainConn) buffer() *[]byte {
	if u.out == nil {
		u.out = buffers.Get().(*[]byte)
	}
	return u.out
}

func (u *plainConn) write(b []byte) {
	if len(b) == 0 {
		return
	}
	out := u.buffer()
	if u.chunked {
		*out = http1.AppendChunk(*out, b)
	} else {
		*out = append(*out, b...)
	}
	if len(*out) >= bigWrite {
		u.flush()
	}
}

func (u *plainConn) end(trailers []http1.Field) {
	if u.chunked {
		out := u.buffer()
		*out = http1.AppendLastChunk(*out, trailers)
	}
	u.finish()
}

func (u *plainConn) endRaw(lastChunk []byte) {
	if u.chunked {
		out := u.buffer()
		*out = append(*out, lastChunk...)
	}
	u.finish()
}

func (u *plainConn) finish() {
	u.sent = true
	u.arm(u.t.FirstByte)
	u.flush()
}

// arm sets the timer to d from now, or to the call's deadline where that comes first.
func (u *plainConn) arm(d time.Duration) {
	if !u.t.Deadline.IsZero() {
		left := max(u.p.reg.clock.Until(u.t.Deadline), time.Millisecond)
		if d == 0 || left < d {
			d = left
		}
	}
	u.nc.SetTimeout(d)
}

func (u *plainConn) flush() {
	if u.out == nil {
		return
	}
	if len(*u.out) > 0 {
		err := u.nc.Write(*u.out) // a failure arrives as Closed
		if err == nil || errors.Is(err, netio.ErrOverflow) {
			u.wrote = true
		}
	}
	putBuffer(u.out)
	u.out = nil
}

func (u *plainConn) cancel() {
	u.call.Store(nil)
	u.nc.Abort()
}

// close ends a tunnel.
func (u *plainConn) close() {
	u.flush()
	u.call.Store(nil)
	u.nc.Close()
}

func (u *plainConn) queued() int { return u.nc.Queued() }
func (u *plainConn) pause()      { u.nc.SetTimeout(0); u.nc.Pause() }
func (u *plainConn) resume()     { u.arm(u.t.Idle); u.nc.Resume() }

// Data implements [netio.Handler].
func (u *plainConn) Data(b []byte) {
	if u.line != nil {
		defer u.line.Delivered(len(b)) // after everything that the bytes have led to
	}
	c := u.call.Load()
	if c == nil { // bytes that nobody asked for
		u.p.drop(u)
		u.nc.Abort()
		return
	}
	c.mu.Lock()
	defer u.unlock(c)
	if c.r == nil || u.call.Load() != c {
		return
	}
	if u.feed(c, b) && c.r != nil {
		c.r.AnswerFlush()
	}
}

// unlock is [Pool.unlock] for an event of this connection, which is cut where it is still the call's.
func (u *plainConn) unlock(c *Call) {
	if v := recover(); v != nil {
		u.p.reg.panicked(v, debug.Stack())
		u.p.broken(c, func() {
			if u.call.CompareAndSwap(c, nil) {
				u.nc.Abort()
			}
		})
	}
	c.mu.Unlock()
}

// feed parses answer bytes. It reports whether the call goes on.
func (u *plainConn) feed(c *Call, b []byte) bool {
	u.started = true
	for !u.inBody {
		own := len(u.part) > 0
		if own {
			u.part = append(u.part, b...)
			b = u.part
		}
		n, bad := u.head.ParseResponse(b, limits)
		if bad != nil {
			return u.broken(c, &Failure{Class: Protocol, Err: bad})
		}
		if n == 0 {
			if !own {
				u.part = append(u.part[:0], b...)
			}
			return true
		}
		rest := b[n:]
		if u.head.Status < 200 {
			if u.head.Status == 101 {
				if !u.upgrade {
					return u.broken(c, &Failure{Class: Protocol, Err: errors.New("101 without an Upgrade")})
				}
				u.inBody, u.tunnel, u.t = true, true, Timeouts{}
				u.nc.SetTimeout(0)
				c.r.AnswerHead(&u.head, -1)
				u.head, u.part = http1.Head{}, nil // a tunnel lasts: it keeps nothing of its handshake
				b = rest
				break
			}
			if u.head.Status != 100 {
				c.r.Interim(&u.head)
				if c.r == nil {
					return false
				}
			}
			u.head.Reset()
			u.part = nil
			if len(rest) == 0 {
				return true
			}
			b = append([]byte(nil), rest...)
			continue
		}
		if bad := u.body.Response(&u.head, u.method == "HEAD"); bad != nil {
			return u.broken(c, &Failure{Class: Protocol, Err: bad})
		}
		u.inBody = true
		u.arm(u.t.Idle)
		c.r.AnswerHead(&u.head, u.body.Length())
		u.part = nil
		b = rest
		if c.r == nil {
			return false
		}
	}
	if u.tunnel {
		if len(b) > 0 && c.r != nil {
			c.r.AnswerBody(b)
		}
		return c.r != nil
	}
	for !u.body.Done() {
		data, n, bad := u.body.Next(b)
		if bad != nil {
			return u.broken(c, &Failure{Class: Protocol, Err: bad})
		}
		if len(data) > 0 {
			c.r.AnswerBody(data)
			if c.r == nil {
				return false
			}
		}
		b = b[n:]
		if n == 0 {
			break
		}
	}
	if !u.body.Done() {
		if d := u.t.Deadline; !d.IsZero() && !u.p.reg.clock.Now().Before(d) {
			return u.broken(c, &Failure{Class: Timeout, Err: errSlow}) // each piece sets the timer anew: it would never expire
		}
		u.arm(u.t.Idle)
		return true
	}
	r := c.r
	c.r = nil
	trailers := u.body.Trailers()
	u.release(len(b) > 0)
	r.AnswerEnd(trailers)
	return false
}

// release returns the connection to the pool, or closes it where it cannot serve another call.
func (u *plainConn) release(extra bool) {
	u.call.Store(nil)
	u.served++
	if u.out != nil { // the rest of a request that the server did not wait for
		putBuffer(u.out)
		u.out = nil
	}
	if extra || !u.sent || u.head.Close || u.body.UntilClose() || u.nc.Queued() > 0 {
		u.head.Reset()
		u.nc.Close()
		return
	}
	u.head.Reset()
	u.body = http1.Body{}
	u.nc.SetTimeout(idleTimeout)
	if !u.p.put(u) {
		u.nc.Close()
	}
}

// broken ends the call and the connection.
func (u *plainConn) broken(c *Call, f *Failure) bool {
	u.call.Store(nil)
	u.nc.Abort()
	f.Reused = u.served > 0
	c.fail(f)
	return false
}

// Drained implements [netio.Handler].
func (u *plainConn) Drained() {
	c := u.call.Load()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer u.unlock(c)
	if c.r != nil && u.call.Load() == c {
		c.r.RequestDrained()
	}
}

// Timeout implements [netio.Handler].
func (u *plainConn) Timeout() {
	c := u.call.Load()
	if c == nil {
		if u.p.drop(u) { // else a call has taken it in this moment
			u.nc.Close()
		}
		return
	}
	c.mu.Lock()
	defer u.unlock(c)
	if c.r == nil || u.call.Load() != c || u.tunnel || !u.nc.Expired() {
		return
	}
	if d := u.t.Deadline; !u.sent && (d.IsZero() || u.p.reg.clock.Now().Before(d)) {
		u.arm(0) // the client is still sending: its own timeout counts
		return
	}
	if d := u.t.Deadline; !u.started && (d.IsZero() || u.p.reg.clock.Now().Before(d)) {
		// While a server still takes the request, at whatever pace, it cannot answer: most of a large body may wait in
		// the sockets. It gets the time again as long as it has taken some of it since.
		if n := u.nc.Untaken(); u.untaken < 0 && n > 0 || n < u.untaken {
			u.untaken = n
			u.arm(u.t.FirstByte)
			return
		}
	}
	u.broken(c, &Failure{Class: Timeout, Err: errSlow})
}

// Closed implements [netio.Handler].
func (u *plainConn) Closed(err error) {
	u.dead.Store(true)
	u.p.drop(u)
	u.p.mu.Lock()
	u.p.open--
	u.p.mu.Unlock()
	c := u.call.Load()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer u.unlock(c)
	if c.r == nil || u.call.Load() != c {
		return
	}
	u.call.Store(nil)
	if u.out != nil {
		putBuffer(u.out)
		u.out = nil
	}
	if (u.tunnel || u.inBody && u.body.UntilClose()) && (err == nil || errors.Is(err, io.EOF)) {
		r := c.r
		c.r = nil
		r.AnswerEnd(nil)
		return
	}
	f := &Failure{Class: Reset, Err: err, Reused: u.served > 0 && !u.started, Unsent: !u.wrote}
	if errors.Is(err, netio.ErrOverflow) {
		f.Class = Overflow
	} else if errors.Is(err, netio.ErrWriteTimeout) {
		f.Class = Timeout
	}
	c.fail(f)
}

// drop takes a connection out of the pool's free list. It reports whether it was there: who takes it out owns it.
func (p *Pool) drop(u *plainConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.free, u)
	if i < 0 {
		return false
	}
	p.free = slices.Delete(p.free, i, i+1)
	return true
}

var (
	_ netio.Handler = (*plainConn)(nil)
	_ carrier       = (*plainConn)(nil)
	_ carrier       = (*dialing)(nil)
)
