//go:build linux

package netio

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// TLS without a goroutine per connection.
//
// The handshake runs on a goroutine, because crypto/tls cannot leave one and come back: its Read waits for the feed.
// After it, the poller's read event lends its bytes to the adapter beneath the tls.Conn and calls tls.Conn.Read until
// the adapter has nothing left and says errEmpty. crypto/tls keeps a half-read record in its buffer and does not
// remember an error that is Temporary (readRecordOrCCS; alike a half-read KeyUpdate, in readHandshakeBytes), so the
// next event goes on where this one stopped.
//
// Nothing in it can block: the adapter's Write is the queue's. Its locks: Read holds the lock of the input half, which
// is the reader's alone; Write, CloseWrite and the answer to a KeyUpdate hold that of the output half, for as long as
// it takes to encrypt and queue; the handshake's is not taken once the handshake is complete.
type tlsState struct {
	c     *Conn
	conn  *tls.Conn
	state *tls.ConnectionState // set before the Handler is made, then constant

	inline bool   // Read takes from in, not from the feed; set by the goroutine of the handshake before it ends
	in     []byte // what the read event that runs has lent; the reader's

	wmu    sync.Mutex // one Write at a time, so that each cork is one caller's
	cork   *block     // Conn.mu; records of the Write that runs, to be sent with one system call
	corked int

	nc net.Conn // after a hand-over: blocking reads and writes; set before the receiver gets the tls.Conn
}

// errEmpty says that there is nothing to read now. It is a net.Error that is Temporary, which is what keeps crypto/tls
// from giving up.
var errEmpty net.Error = emptyError{}

type emptyError struct{}

func (emptyError) Error() string   { return "netio: no bytes yet" }
func (emptyError) Timeout() bool   { return true }
func (emptyError) Temporary() bool { return true }

// serverConfig is the configuration of a listener: "h2" is offered exactly when somebody takes it.
func serverConfig(cfg *tls.Config, h2 bool) *tls.Config {
	cfg = cfg.Clone()
	protos := slices.DeleteFunc(slices.Clone(cfg.NextProtos), func(p string) bool { return p == "h2" })
	if len(protos) == 0 {
		protos = []string{"http/1.1"}
	}
	if h2 {
		protos = append([]string{"h2"}, protos...)
	}
	cfg.NextProtos = protos
	return cfg
}

func newTLS(c *Conn, cfg *tls.Config) *tlsState {
	t := &tlsState{c: c}
	t.conn = tls.Server((*tlsWire)(t), cfg)
	return t
}

// handshake is the goroutine of a new TLS connection, and a worker of it.
func (c *Conn) handshake(ln *Listener) {
	defer c.leave()
	t := c.tls
	c.setSys(ln.o.HandshakeTimeout)
	if err := t.conn.Handshake(); err != nil {
		if err != io.EOF && err != ErrLoopClosed {
			c.l.o.Logf("netio: TLS handshake with %v failed: %v", c.remote, err)
		}
		c.finish(err)
		return
	}
	state := t.conn.ConnectionState()
	t.state = &state
	c.mu.Lock()
	c.sys.Store(0)
	if c.q.n > 0 {
		c.setSys(c.l.o.WriteTimeout)
	}
	c.mu.Unlock()
	if state.NegotiatedProtocol == "h2" && ln.o.HandOver != nil {
		if nc, more := c.detach(); nc != nil {
			t.nc = &prefixed{Conn: nc, pre: more}
			c.give = func() { ln.o.HandOver(t.conn) }
		}
		return
	}
	h := ln.o.Accept(c)
	if h == nil {
		c.kill(ErrAborted, false)
		return
	}
	t.inline = true
	c.mu.Lock()
	c.h = h
	c.flags.Or(fTLS)
	if c.async {
		c.kick = true // the last read of the handshake may have taken the first records of data with it
		c.pump()
		c.mu.Unlock()
		return
	}
	drained := c.drained && c.q.n == 0
	c.mu.Unlock()
	if drained && c.flags.Load()&fDiscard == 0 {
		h.Drained()
	}
	plain := newBlock()
	defer plain.free()
	for first := true; ; first = false {
		c.mu.Lock()
		b := c.feed.buf
		c.feed.buf = nil
		if len(b) == 0 && !first {
			c.flags.And(^uint32(fFeed)) // fTLS is set: the poller goes on
			c.restartLocked(fFull)
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.decrypt(b, plain.bytes())
	}
}

// decrypt delivers what the records in b hold, through plain. The caller is the connection's reader.
func (c *Conn) decrypt(b, plain []byte) {
	t := c.tls
	t.in = b
	for err := error(nil); err == nil; {
		n := 0
		for err == nil && n < len(plain) {
			var m int
			m, err = t.conn.Read(plain[n:])
			n += m
		}
		if c.flags.Load()&fDiscard != 0 {
			break
		}
		if n > 0 {
			c.h.Data(plain[:n])
		}
		switch err {
		case nil, errEmpty:
		case io.EOF: // close_notify: the peer's close
			t.sayGoodbye()
			c.kill(io.EOF, false)
		default: // crypto/tls has sent the alert
			c.kill(err, false)
		}
	}
	t.in = nil
}

// write encrypts b and sends the records together.
func (t *tlsState) write(b []byte) error {
	c := t.c
	t.wmu.Lock()
	defer t.wmu.Unlock()
	c.mu.Lock()
	if c.werr != nil {
		err := c.werr
		c.mu.Unlock()
		return err
	}
	t.cork, t.corked = newBlock(), 0
	c.mu.Unlock()

	_, err := t.conn.Write(b)

	c.mu.Lock()
	if serr := t.uncork(); err == nil {
		err = serr
	}
	t.cork.free()
	t.cork = nil
	if err != nil && c.werr != nil {
		err = c.werr // ErrOverflow and what the socket said are more telling than what crypto/tls made of them
		if c.cause == ErrOverflow {
			err = ErrOverflow
		}
	}
	c.mu.Unlock()
	return err
}

// uncork sends what the cork holds. c.mu is held.
func (t *tlsState) uncork() error {
	n := t.corked
	t.corked = 0
	if t.c.finishing || t.c.hup {
		return ErrClosed
	}
	return t.c.send(t.cork.b[:n])
}

// sayGoodbye queues a close_notify.
func (t *tlsState) sayGoodbye() {
	t.wmu.Lock()
	defer t.wmu.Unlock()
	_ = t.conn.CloseWrite() // the connection ends either way
}

// tlsWire is the net.Conn beneath the tls.Conn.
type tlsWire tlsState

func (w *tlsWire) Read(p []byte) (int, error) {
	switch {
	case w.nc != nil:
		return w.nc.Read(p)
	case !w.inline:
		return w.c.take(p)
	case len(w.in) == 0:
		return 0, errEmpty
	}
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n, nil
}

func (w *tlsWire) Write(p []byte) (int, error) {
	if w.nc != nil {
		return w.nc.Write(p)
	}
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finishing || c.hup {
		return 0, ErrClosed
	}
	if w.cork == nil {
		if err := c.send(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	for rest := p; len(rest) > 0; {
		n := copy(w.cork.b[w.corked:], rest)
		w.corked += n
		rest = rest[n:]
		if w.corked == len(w.cork.b) {
			if err := (*tlsState)(w).uncork(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// Close is called by the tls.Conn's Close, which only the receiver of a hand-over calls.
func (w *tlsWire) Close() error {
	if w.nc != nil {
		return w.nc.Close()
	}
	w.c.kill(ErrAborted, false)
	return nil
}

func (w *tlsWire) LocalAddr() net.Addr {
	if w.nc != nil {
		return w.nc.LocalAddr()
	}
	return net.TCPAddrFromAddrPort(w.c.LocalAddr())
}

func (w *tlsWire) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(w.c.remote) }

// Deadlines exist after a hand-over only; before it nothing blocks, and the handshake has its own timeout.

func (w *tlsWire) SetDeadline(t time.Time) error {
	if w.nc != nil {
		return w.nc.SetDeadline(t)
	}
	return nil
}

func (w *tlsWire) SetReadDeadline(t time.Time) error {
	if w.nc != nil {
		return w.nc.SetReadDeadline(t)
	}
	return nil
}

func (w *tlsWire) SetWriteDeadline(t time.Time) error {
	if w.nc != nil {
		return w.nc.SetWriteDeadline(t)
	}
	return nil
}

var _ net.Conn = (*tlsWire)(nil)
