//go:build linux

package netio

import (
	"crypto/tls"
	"io"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"
)

const (
	readSize   = 64 << 10  // what one event reads at most, and so what one Data call carries at most
	plainSize  = 32 << 10  // what one Data call carries at most under TLS: two full records
	flushSize  = 256 << 10 // what one event writes of a queue at most, so that a fast reader does not keep its poller
	feedSize   = 64 << 10  // when a feed holds this much, reading stops; it may hold one more read
	lingerTime = 2 * time.Second
	lingerMax  = 16 << 20 // bytes that are read and thrown away after Close

	defaultMaxQueue         = 4 << 20
	defaultWriteTimeout     = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
)

// Bits of Conn.flags: what a read event does beyond handing its bytes to Data. None is set on the hot path.
const (
	fPaused  = 1 << iota // Pause was called
	fFull                // the feed is full: as fPaused, but netio's own doing
	fFeed                // bytes go to the feed, for the goroutine that shakes hands, hands over, or pumps (async)
	fTLS                 // bytes are decrypted
	fSniff               // the first bytes are looked at for the HTTP/2 preface
	fDiscard             // Close or Abort was called: bytes are thrown away, callbacks other than Closed are over

	fStop = fPaused | fFull // reading has to stop
)

// How the descriptor stands in its poller's epoll set.
const (
	regNone   = iota // not there: not yet, or taken out for good
	regRead          // opR: readable, hang-up, and writable while output is queued
	regParked        // opP: hang-up and writable only, edge-triggered; nothing is read
)

// Conn is one connection. All its methods may be called from any goroutine, from callbacks, and with the Handler's
// mutex held; none of them blocks or calls back.
//
// A Conn has two operators in netpoll, of which one is registered at a time: netpoll cannot register an operator
// again while its own callback runs, and has no event mask without "readable".
type Conn struct {
	l  *Loop
	p  *poller
	h  Handler // set before the first event that can reach it
	fd int     // constant; open until teardown

	flags atomic.Uint32
	timer
	sysFired atomic.Bool
	reading  atomic.Bool // onRead runs

	// parkedNow is set by onRead and read by onWrite, both on the poller, when onRead has just parked the
	// connection: for the rest of that event opR must not call out, because a Resume may be waiting for it to end.
	parkedNow bool
	sniffed   uint8 // bytes of the preface that have matched so far; used by the reader only
	async     bool

	tls  *tlsState // nil in clear text
	feed *feed     // nil when never needed
	ln   *Listener // nil when dialled

	mu        sync.Mutex // guards what follows; held across non-blocking system calls only
	q         queue
	werr      error // why Write fails; nil while it may succeed
	cause     error // what Closed will say; the first reason counts
	workers   int   // goroutines, other than the poller, that may be in a callback or read the descriptor
	reg       uint8
	closing   bool // Close was called
	lingering bool // SHUT_WR is done, bytes are thrown away until the peer's FIN
	hup       bool // netpoll has seen the hang-up and let go of the descriptor
	hupWait   bool // what arrived before the hang-up waits for Resume
	finishing bool // the end has begun; no worker may start
	reset     bool // close with an RST
	detached  bool // the descriptor is being, or was, given away
	unpolled  bool // the operators were given back
	handing   bool // a goroutine is about to hand over: no callback but Closed any more
	pumping   bool // async: the pump runs
	kick      bool // async: the pump has to run once even without bytes
	drained   bool // Drained is owed, by the pump or the goroutine of the handshake
	lingered  int
	give      func() // hands over; runs after Closed
	opR, opP  *netpoll.FDOperator
	remote    netip.AddrPort
	local     netip.AddrPort

	next, prev *Conn // Loop.mu
}

// newConn makes the Conn of a connected non-blocking socket and puts it on the Loop's list. It owns fd from here on,
// also when it fails. The caller is a worker of the Conn and leaves it when the Handler is set.
func (l *Loop) newConn(fd int, remote netip.AddrPort) (*Conn, error) {
	c := &Conn{l: l, p: l.pick(), fd: fd, remote: remote, async: l.o.Async, workers: 1}
	if !l.add(c) {
		_ = unix.Close(fd)
		return nil, ErrLoopClosed
	}
	c.opR = c.p.Alloc()
	c.opR.FD = fd
	c.opR.OnRead, c.opR.OnWrite, c.opR.OnHup = c.onRead, c.onWrite, c.onHup
	if c.async {
		c.feed = newFeed()
		c.flags.Store(fFeed)
	}
	return c, nil
}

// register lets events come. Never called on a poller.
func (c *Conn) register() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finishing {
		return
	}
	if err := c.p.Control(c.opR, netpoll.PollReadable); err != nil {
		c.killLocked(err, true)
		return
	}
	c.reg = regRead
	if c.q.n > 0 {
		c.wantWrite()
	}
}

// RemoteAddr returns the peer's address; an IPv4 peer's in its 4-byte form.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// LocalAddr returns this side's address, or the zero AddrPort when the connection is gone and it was never asked for.
func (c *Conn) LocalAddr() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.local.IsValid() && !c.finishing {
		if sa, err := unix.Getsockname(c.fd); err == nil {
			c.local = addrPort(sa)
		}
	}
	return c.local
}

// TLS returns the state of the TLS connection, nil in clear text.
func (c *Conn) TLS() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	return c.tls.state
}

// ---------------------------------------------------------------- reading

// onRead is the poller's call for a readable descriptor. Budget: one read(2), no allocation, no lock.
func (c *Conn) onRead(netpoll.Poll) error {
	c.reading.Store(true)
	c.readable()
	c.reading.Store(false)
	return nil
}

func (c *Conn) readable() {
	f := c.flags.Load()
	if f&fStop != 0 && c.park() {
		return
	}
	if f&fDiscard != 0 {
		c.discard()
		return
	}
	n, errno := sysRead(c.fd, c.p.in)
	switch {
	case n > 0:
		c.ingest(c.p.in[:n], c.p.plain)
	case errno != 0 && errno != syscall.EAGAIN:
		c.mu.Lock()
		c.because(errno) // the hang-up that ends it comes with the next event
		c.mu.Unlock()
	}
}

// ingest hands on bytes that were read. There is one reader at a time: the poller, and after the hang-up drain.
func (c *Conn) ingest(b, plain []byte) {
	f := c.flags.Load()
	if f&^fStop == 0 {
		c.h.Data(b)
		return
	}
	for f&fFeed != 0 {
		if c.push(b) {
			return
		}
		f = c.flags.Load() // the feed was given up meanwhile
	}
	switch {
	case f&fDiscard != 0:
	case f&fTLS != 0:
		c.decrypt(b, plain)
	case f&fSniff != 0:
		c.sniff(b)
	default:
		c.h.Data(b)
	}
}

// park takes the descriptor out of the read set, because fStop is set. It reports whether reading must not go on.
func (c *Conn) park() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flags.Load()&fStop == 0 {
		return false
	}
	if c.reg != regRead || c.finishing {
		return true
	}
	if c.opP == nil {
		c.opP = c.p.Alloc()
		c.opP.FD = c.fd
		c.opP.OnRead, c.opP.OnWrite, c.opP.OnHup = c.onNothing, c.onWriteParked, c.onHup
	}
	c.parkedNow = true
	c.reg = regParked
	_ = c.p.Control(c.opR, netpoll.PollDetach)
	if err := c.p.Control(c.opP, netpoll.PollWritable); err != nil {
		c.reg = regNone
		c.killLocked(err, true)
	}
	return true
}

// onNothing is opP's read event: there is none, but netpoll looks at the field when a stray one comes.
func (c *Conn) onNothing(netpoll.Poll) error { return nil }

// Pause stops reading from the peer, so that TCP's flow control stops the peer itself. What is read already, at most
// one Data call's worth, still comes (under TLS or async, what one read of 64 KB, or two, hold).
// Output goes on. Pause and Resume do not count: one Resume undoes any number of calls of Pause.
func (c *Conn) Pause() { c.flags.Or(fPaused) } // a read event that finds bytes waiting then parks the descriptor

// Resume undoes Pause.
func (c *Conn) Resume() {
	if c.flags.Load()&fPaused != 0 {
		c.restart(fPaused)
	}
}

// restart clears bits of fStop, and when none is left, reads again.
func (c *Conn) restart(bits uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restartLocked(bits)
}

func (c *Conn) restartLocked(bits uint32) {
	if c.flags.And(^bits)&^bits&fStop != 0 || c.finishing {
		return
	}
	switch {
	case c.hupWait:
		c.hupWait = false
		c.workers++
		c.l.wg.Go(c.drain)
	case c.reg == regParked:
		if err := c.p.Control(c.opP, netpoll.PollDetach); err != nil {
			return // netpoll has taken it out: the hang-up is on its way, and finds fStop cleared
		}
		c.reg = regRead
		// This may wait for the tail of the event in which opR was parked; that tail takes no lock and calls nobody.
		if err := c.p.Control(c.opR, netpoll.PollReadable); err != nil {
			c.reg = regNone
			c.killLocked(err, true)
			return
		}
		if c.q.n > 0 {
			c.wantWrite()
		}
	}
}

// onHup is netpoll's call, on a goroutine of its own, when the peer has closed or reset the connection, or this side
// has shut it down. netpoll has taken the descriptor out of the set before. Bytes may be left to read.
func (c *Conn) onHup(netpoll.Poll) error {
	c.mu.Lock()
	if c.hup || c.finishing || c.detached {
		c.mu.Unlock()
		return nil
	}
	if !sysHungUp(c.fd) {
		// Another connection's event, which had this number before: netpoll's race-detector build confuses them, because
		// it looks operators up by number. A Write that failed meanwhile would lose what was to be sent.
		c.rejoin()
		c.mu.Unlock()
		return nil
	}
	c.hup = true
	c.reg = regNone
	if c.werr == nil {
		c.werr = ErrClosed
	}
	if c.flags.Load()&fStop != 0 {
		c.hupWait = true
		h := c.h
		tell := c.flags.Load()&fDiscard == 0
		if tell {
			c.workers++
		}
		c.mu.Unlock()
		if tell {
			if h, ok := h.(HungUpHandler); ok {
				h.HungUp()
			}
			c.leave()
		}
		return nil
	}
	c.workers++
	c.mu.Unlock()
	c.drain()
	return nil
}

// rejoin puts a descriptor back into the read set from which a mistaken hang-up has taken it. c.mu is held.
func (c *Conn) rejoin() {
	if c.reg == regParked {
		_ = c.p.Control(c.opP, netpoll.PollDetach)
	}
	_ = c.p.Control(c.opR, netpoll.PollDetach)
	if err := c.p.Control(c.opR, netpoll.PollReadable); err != nil {
		c.reg = regNone
		c.killLocked(err, true)
		return
	}
	c.reg = regRead
	if c.q.n > 0 {
		c.wantWrite()
	}
}

// drain reads what arrived before the hang-up, then ends the connection. It is a worker.
func (c *Conn) drain() {
	defer c.leave()
	var buf, plain *block
	defer func() {
		buf.free()
		plain.free()
	}()
	for {
		// What the poller has read must be handed on before what follows it: a hang-up that netpoll has mistaken for
		// this connection's may come while it still does.
		for c.reading.Load() {
			runtime.Gosched()
		}
		c.mu.Lock()
		f := c.flags.Load()
		if c.finishing || f&fDiscard != 0 {
			c.mu.Unlock()
			c.finish(io.EOF)
			return
		}
		if f&fStop != 0 {
			c.hupWait = true
			c.mu.Unlock()
			return
		}
		if buf == nil {
			buf = newBlock()
		}
		n, errno := sysRead(c.fd, buf.b[:])
		if n <= 0 && errno == syscall.EAGAIN {
			// Not at its end after all.
			c.hup = false
			if c.werr == ErrClosed && !c.closing {
				c.werr = nil
			}
			c.rejoin()
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		if n <= 0 {
			var err error = io.EOF
			if errno != 0 {
				err = errno
			}
			c.finish(err)
			return
		}
		if f&fTLS != 0 && plain == nil {
			plain = newBlock()
		}
		c.ingest(buf.b[:n], plain.bytes())
	}
}

// discard reads and throws away, bounded, after Close.
func (c *Conn) discard() {
	n, _ := sysDiscard(c.fd, 1<<20)
	if n == 0 {
		return // FIN or an error: the hang-up comes with the next event
	}
	c.mu.Lock()
	c.lingered += n
	if c.lingered > lingerMax {
		c.killLocked(ErrClosed, true)
	}
	c.mu.Unlock()
}

// ---------------------------------------------------------------- ending

// because keeps the first reason.
func (c *Conn) because(err error) {
	if c.cause == nil {
		c.cause = err
	}
}

// Close ends the connection after the queue is written out (WriteTimeout bounds that). Then the sending side is shut
// down, and what the peer still sends is read and thrown away until it closes, for at most 2 s and 16 MB: an answer
// sent while the peer still uploads would otherwise be lost to the RST that unread bytes cause. Data, Drained and
// Timeout do not come any more, Write fails with ErrClosed. Closed comes when the descriptor is closed.
func (c *Conn) Close() {
	c.mu.Lock()
	if c.closing || c.finishing || c.flags.Load()&fDiscard != 0 {
		c.mu.Unlock()
		return
	}
	c.closing = true
	c.werr = ErrClosed
	c.because(ErrClosed)
	c.flags.Or(fDiscard)
	c.mu.Unlock()
	if c.tls != nil {
		c.tls.sayGoodbye()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finishing {
		return
	}
	if c.hup {
		c.killLocked(ErrClosed, false)
		return
	}
	if c.feed != nil {
		c.flags.And(^uint32(fFeed))
		c.feed.buf = nil
	}
	c.restartLocked(fStop)
	if c.q.n == 0 {
		c.linger()
	}
}

// linger begins the end of a connection whose queue is empty. c.mu is held.
func (c *Conn) linger() {
	if c.lingering || c.finishing {
		return
	}
	c.lingering = true
	if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
		c.killLocked(ErrClosed, false)
		return
	}
	c.setSys(lingerTime)
}

// Abort ends the connection at once. What is queued is dropped, and the peer gets an RST, so that an answer that
// breaks off does not look complete. Closed follows on another goroutine.
func (c *Conn) Abort() { c.kill(ErrAborted, true) }

func (c *Conn) kill(err error, reset bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killLocked(err, reset)
}

// killLocked ends the connection from a place that must not wait: on a poller, or with locks held.
func (c *Conn) killLocked(err error, reset bool) {
	if c.finishing || c.detached {
		return
	}
	c.because(err)
	c.reset = c.reset || reset
	c.flags.Or(fDiscard)
	c.werr = ErrClosed
	c.beginFinish()
	if c.workers == 0 {
		c.l.wg.Go(c.teardown)
	}
}

// beginFinish stops everything but workers that are in a callback. c.mu is held.
func (c *Conn) beginFinish() {
	c.finishing = true
	c.q.drop()
	if c.werr == nil {
		c.werr = ErrClosed
	}
	// The descriptor stays open until the last callback has returned; the peer should not have to wait for that.
	if c.reset {
		sysReset(c.fd)
	} else if c.workers > 0 {
		_ = unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
	if c.feed != nil {
		c.feed.wakeUp()
	}
}

// finish ends the connection. It is called off the pollers and with no lock held.
func (c *Conn) finish(err error) {
	c.mu.Lock()
	if c.finishing || c.detached {
		c.mu.Unlock()
		return
	}
	c.because(err)
	c.beginFinish()
	last := c.workers == 0
	c.mu.Unlock()
	if last {
		c.teardown()
	}
}

// enter makes the caller a worker: teardown waits for it. false when the end has begun.
func (c *Conn) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finishing {
		return false
	}
	c.workers++
	return true
}

// leave ends what enter began. The last worker to leave tears down what has been finished.
func (c *Conn) leave() {
	c.mu.Lock()
	c.workers--
	last := c.workers == 0 && c.finishing
	c.mu.Unlock()
	if last {
		c.teardown()
	}
}

// teardown runs once, when finishing is set and no worker is left. It waits for a callback that the poller may be in,
// closes the descriptor and says Closed.
func (c *Conn) teardown() {
	c.unpoll()
	c.mu.Lock()
	if !c.detached {
		_ = unix.Close(c.fd)
	}
	c.q.drop()
	err, h, give := c.cause, c.h, c.give
	c.mu.Unlock()
	c.l.wheel.drop(c)
	if h != nil {
		h.Closed(err)
	}
	c.l.remove(c)
	if give != nil {
		go give() // the receiver's from here on, and so is the goroutine
	}
}

// unpoll takes the descriptor out of epoll and gives the operators back, which waits until no callback of them runs.
func (c *Conn) unpoll() {
	c.mu.Lock()
	if c.unpolled {
		c.mu.Unlock()
		return
	}
	c.unpolled = true
	switch c.reg {
	case regRead:
		_ = c.p.Control(c.opR, netpoll.PollDetach)
	case regParked:
		_ = c.p.Control(c.opP, netpoll.PollDetach)
	}
	c.reg = regNone
	c.mu.Unlock()
	c.p.Free(c.opR)
	if c.opP != nil {
		c.p.Free(c.opP)
	}
}

// ---------------------------------------------------------------- time

// SetTimeout sets the connection's one timer: Timeout comes d from now, or up to 200 ms later. 0 clears it; a new call
// replaces the old. Budget: two atomic operations in the usual case, no allocation.
func (c *Conn) SetTimeout(d time.Duration) {
	if d <= 0 {
		c.user.Store(0)
		return
	}
	at := c.l.wheel.after(d)
	c.user.Store(at)
	c.l.wheel.arm(c, at)
}

// Expired reports whether the time set last has passed. A Handler calls it in Timeout, under the mutex under which
// it calls SetTimeout, to tell a Timeout that is meant from one that was under way when the timer was set anew.
func (c *Conn) Expired() bool { return c.user.Load() == fired }

// setSys sets netio's own deadline.
func (c *Conn) setSys(d time.Duration) {
	at := c.l.wheel.after(d)
	c.sys.Store(at)
	c.l.wheel.arm(c, at)
}

// fire is the wheel's call, on a goroutine, when a deadline has passed.
func (c *Conn) fire() {
	if !c.enter() {
		return
	}
	defer c.leave()
	c.mu.Lock()
	h := c.h
	if c.sysFired.Swap(false) {
		switch {
		case c.lingering:
			c.killLocked(ErrClosed, false)
		case c.q.n > 0:
			c.killLocked(ErrWriteTimeout, true)
		case c.tls != nil && c.h == nil:
			c.killLocked(ErrHandshakeTimeout, true)
		}
	}
	c.mu.Unlock()
	if c.Expired() && c.flags.Load()&fDiscard == 0 && h != nil {
		h.Timeout()
	}
}
