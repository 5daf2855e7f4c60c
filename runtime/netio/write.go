//go:build linux

package netio

import (
	"sync"
	"syscall"

	"github.com/cloudwego/netpoll"
)

// Write sends b. It never blocks and keeps nothing of b: what the socket does not take at once is copied to the
// connection's queue, which the poller writes out as the peer reads; Drained tells when. Calls from several
// goroutines are sent one after the other, each whole.
//
// ErrOverflow: more than MaxQueue would wait; the connection is aborted. ErrClosed: after Close, Abort, or the peer's
// end. Anything else is what the socket said; Closed follows when what the peer sent before has been delivered.
//
// Budget, queue empty and clear text: one mutex, one write(2), no allocation.
func (c *Conn) Write(b []byte) error {
	if c.tls != nil {
		return c.tls.write(b)
	}
	c.mu.Lock()
	if c.werr != nil {
		err := c.werr
		c.mu.Unlock()
		return err
	}
	err := c.send(b)
	c.mu.Unlock()
	return err
}

// Queued returns how many bytes wait in the output queue (under TLS, encrypted ones).
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.q.n
}

// Untaken is the number of bytes that the peer's machine has not taken: those in the output queue and those that the kernel
// holds because the peer's window is closed, or because they are on their way. It costs a system call.
func (c *Conn) Untaken() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finishing {
		return 0
	}
	return c.q.n + sysUntaken(c.fd)
}

// send writes b or queues it. c.mu is held.
func (c *Conn) send(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if c.q.n == 0 {
		n, errno := sysWrite(c.fd, b)
		if n == len(b) {
			return nil
		}
		if errno != 0 && errno != syscall.EAGAIN {
			c.werr = errno // the answer that the peer sent before its reset may still be read; the hang-up follows
			c.because(errno)
			return errno
		}
		b = b[n:]
	}
	if c.q.n+len(b) > c.l.o.MaxQueue {
		c.killLocked(ErrOverflow, true)
		return ErrOverflow
	}
	first := c.q.n == 0
	c.q.add(b)
	if first {
		c.setSys(c.l.o.WriteTimeout)
		c.wantWrite()
	}
	return nil
}

// wantWrite asks for write events. A parked descriptor has them anyway, and one that is not registered yet will.
func (c *Conn) wantWrite() {
	if c.reg == regRead {
		_ = c.p.Control(c.opR, netpoll.PollR2RW) // fails only when netpoll has taken it out for a hang-up
	}
}

// onWrite is the poller's call for a writable descriptor.
func (c *Conn) onWrite(netpoll.Poll) error {
	if c.parkedNow {
		c.parkedNow = false // at worst this skips one event, and the level-triggered next one does the work
		return nil
	}
	c.flush(flushSize)
	return nil
}

// onWriteParked is the same for opP, whose events are edge-triggered, so that the socket must be filled.
func (c *Conn) onWriteParked(netpoll.Poll) error {
	c.flush(int(^uint(0) >> 1))
	return nil
}

// flush writes at most about budget bytes of the queue.
func (c *Conn) flush(budget int) {
	c.mu.Lock()
	if c.q.n == 0 {
		if c.reg == regRead && !c.finishing {
			_ = c.p.Control(c.opR, netpoll.PollRW2R)
		}
		c.mu.Unlock()
		return
	}
	wrote := 0
	for c.q.n > 0 && wrote < budget {
		b := c.q.peek()
		n, errno := sysWrite(c.fd, b)
		wrote += n
		c.q.skip(n)
		if errno != 0 && errno != syscall.EAGAIN {
			c.werr = errno
			c.because(errno)
			c.q.drop()
			if c.reg == regRead {
				_ = c.p.Control(c.opR, netpoll.PollRW2R)
			}
			if c.closing {
				c.killLocked(ErrClosed, false)
			}
			c.mu.Unlock()
			return
		}
		if n < len(b) {
			break
		}
	}
	if c.q.n > 0 {
		if wrote > 0 {
			c.setSys(c.l.o.WriteTimeout)
		}
		c.mu.Unlock()
		return
	}
	if c.sys.Store(0); c.tls != nil && c.h == nil {
		c.setSys(c.ln.o.HandshakeTimeout)
	}
	if c.reg == regRead {
		_ = c.p.Control(c.opR, netpoll.PollRW2R)
	}
	if c.closing {
		c.linger()
		c.mu.Unlock()
		return
	}
	h := c.h
	if h == nil || c.async {
		c.drained = true // TLS, written to in Accept: the Handler is not known yet, and is told when it is
		if h != nil {
			c.pump()
		}
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if c.flags.Load()&fDiscard == 0 {
		h.Drained()
	}
}

// queue holds output in pooled segments. The first is small, because what a slow reader of a stream leaves is small.
type queue struct {
	first, last *segment
	n           int
}

type segment struct {
	next *segment
	r, w int
	b    []byte // smallSegment or bigSegment long
}

const (
	smallSegment = 4 << 10
	bigSegment   = 32 << 10
)

// The pools are caches of memory, not state.
var (
	smallSegments = sync.Pool{New: func() any { return &segment{b: make([]byte, smallSegment)} }}
	bigSegments   = sync.Pool{New: func() any { return &segment{b: make([]byte, bigSegment)} }}
)

func (s *segment) free() {
	*s = segment{b: s.b}
	if len(s.b) == smallSegment {
		smallSegments.Put(s)
	} else {
		bigSegments.Put(s)
	}
}

// add copies b to the end.
func (q *queue) add(b []byte) {
	for len(b) > 0 {
		s := q.last
		if s == nil || s.w == len(s.b) {
			if s == nil && len(b) <= smallSegment {
				s = smallSegments.Get().(*segment)
			} else {
				s = bigSegments.Get().(*segment)
			}
			if q.last == nil {
				q.first = s
			} else {
				q.last.next = s
			}
			q.last = s
		}
		n := copy(s.b[s.w:], b)
		s.w += n
		q.n += n
		b = b[n:]
	}
}

// peek returns the first bytes of a queue that is not empty.
func (q *queue) peek() []byte { return q.first.b[q.first.r:q.first.w] }

// skip takes n bytes away, of those that peek returned.
func (q *queue) skip(n int) {
	if n == 0 {
		return
	}
	s := q.first
	s.r += n
	q.n -= n
	if s.r == s.w {
		q.first = s.next
		if q.first == nil {
			q.last = nil
		}
		s.free()
	}
}

func (q *queue) drop() {
	for s := q.first; s != nil; {
		next := s.next
		s.free()
		s = next
	}
	*q = queue{}
}
