//go:build linux

package netio

import (
	"io"
	"net"
	"os"
)

// preface is what an HTTP/2 client sends first (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// sniff compares the first bytes with the preface. The first that differs ends it, so that any other method than one
// that begins with P pays one comparison of a string.
func (c *Conn) sniff(b []byte) {
	k := int(c.sniffed)
	n := min(len(b), len(preface)-k)
	if string(b[:n]) != preface[k:k+n] {
		c.flags.And(^uint32(fSniff))
		if k > 0 {
			c.h.Data([]byte(preface[:k])) // it was withheld
		}
		c.h.Data(b)
		return
	}
	if k += n; k < len(preface) {
		c.sniffed = uint8(k)
		return
	}
	c.flags.And(^uint32(fSniff))
	rest := append([]byte(preface), b[n:]...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finishing {
		return
	}
	c.handing = true
	if c.feed == nil {
		c.feed = newFeed()
	}
	c.flags.Or(fFeed)
	// Bytes that are in an async feed came after b.
	c.workers++
	c.l.wg.Go(func() {
		defer c.leave()
		if nc, more := c.detach(); nc != nil {
			c.give = func() { c.handTo(&prefixed{Conn: nc, pre: append(rest, more...)}) }
		}
	})
}

// detach takes the descriptor away from the poller and makes a net.Conn of it, on the Go runtime's poller. It returns
// the bytes that arrived before and were not consumed. nil: the connection had ended; that goes its own way. The
// caller is a worker, and the Conn ends, with ErrHandedOver, when the last worker has left.
func (c *Conn) detach() (net.Conn, []byte) {
	c.mu.Lock()
	if c.finishing {
		c.mu.Unlock()
		return nil, nil
	}
	if c.hup {
		c.mu.Unlock()
		c.finish(io.EOF) // a client that has closed already wants no answer
		return nil, nil
	}
	c.detached = true
	c.werr = ErrClosed
	c.mu.Unlock()
	c.unpoll()

	f := os.NewFile(uintptr(c.fd), "")
	nc, err := net.FileConn(f)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.cause = ErrHandedOver
	c.finishing = true
	c.flags.Or(fDiscard)
	_ = f.Close()
	if err != nil {
		c.cause = err
		return nil, nil
	}
	if c.q.n > 0 {
		var out []byte
		for c.q.n > 0 {
			b := c.q.peek()
			out = append(out, b...)
			c.q.skip(len(b))
		}
		nc = &unsent{Conn: nc, out: out}
	}
	more := c.feed.buf
	c.feed.buf = nil
	return nc, more
}

// prefixed yields pre before what the connection yields.
type prefixed struct {
	net.Conn
	pre []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.pre) > 0 {
		n := copy(b, p.pre)
		p.pre = p.pre[n:]
		if len(p.pre) == 0 {
			p.pre = nil
		}
		return n, nil
	}
	return p.Conn.Read(b)
}

// NetConn returns the connection beneath.
func (p *prefixed) NetConn() net.Conn { return p.Conn }

// unsent sends out before the first bytes that are written.
type unsent struct {
	net.Conn
	out []byte
}

func (u *unsent) Write(b []byte) (int, error) {
	if len(u.out) > 0 {
		n, err := u.Conn.Write(u.out)
		u.out = u.out[n:]
		if err != nil {
			return 0, err
		}
	}
	return u.Conn.Write(b)
}
