//go:build linux

package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	acceptBatch  = 64
	acceptMaxNap = time.Second

	keepAliveIdle = 60 // seconds until the first probe of a silent connection
	keepAliveStep = 15
	keepAliveTry  = 4
)

// Listener accepts connections for a [Loop].
type Listener struct {
	l    *Loop
	o    ListenOptions
	f    *os.File // the listening socket, on the Go runtime's poller; package net lets nobody wait on its own
	addr net.Addr
	once sync.Once
	quit chan struct{}
	done chan struct{}
}

// Listen opens a TCP listener at addr, "host:port" with a numeric port or service name, port 0 for a free one. No host
// means all addresses, IPv4 and IPv6. The socket has SO_REUSEADDR and the system's largest backlog; its connections
// have TCP_NODELAY and keep-alive probes.
func (l *Loop) Listen(addr string, o ListenOptions) (*Listener, error) {
	if o.Accept == nil {
		return nil, errors.New("netio: ListenOptions.Accept is missing")
	}
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = defaultHandshakeTimeout
	}
	if o.TLS != nil {
		o.TLS = serverConfig(o.TLS, o.HandOver != nil)
	}
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		if cerr := rc.Control(func(fd uintptr) { err = inherited(int(fd)) }); cerr != nil {
			return cerr
		}
		return err
	}}
	lc.SetMultipathTCP(false) // it costs, and its sockets do not inherit what plain ones do
	nl, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("netio: %w", err)
	}
	f, err := nl.(*net.TCPListener).File()
	_ = nl.Close() // f is a duplicate
	if err != nil {
		return nil, fmt.Errorf("netio: %w", err)
	}
	rc, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("netio: %w", err)
	}
	ln := &Listener{l: l, o: o, f: f, addr: nl.Addr(), quit: make(chan struct{}), done: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = f.Close()
		return nil, ErrLoopClosed
	}
	l.lns[ln] = struct{}{}
	l.wg.Go(func() { ln.run(rc) })
	return ln, nil
}

// inherited sets on a listening socket what its connections take over, which saves the calls for each of them.
func inherited(fd int) error {
	for _, o := range [...]struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveStep},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveTry},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return err
		}
	}
	return nil
}

// Addr returns the address that the listener is bound to.
func (ln *Listener) Addr() net.Addr { return ln.addr }

// Close stops accepting and waits until no further Accept is called. Open connections stay. It must not be called
// from Accept.
func (ln *Listener) Close() error {
	var err error
	ln.once.Do(func() {
		close(ln.quit)
		err = ln.f.Close()
		ln.l.mu.Lock()
		delete(ln.l.lns, ln)
		ln.l.mu.Unlock()
	})
	<-ln.done
	return err
}

// run accepts on one goroutine, which waits on the Go runtime's poller: nothing that a new connection costs delays
// the connections of a poller. No error ends it but the listener's close.
func (ln *Listener) run(rc syscall.RawConn) {
	defer close(ln.done)
	type accepted struct {
		fd int
		sa unix.Sockaddr
	}
	var batch [acceptBatch]accepted
	nap := time.Duration(0)
	for {
		n := 0
		var errno error
		err := rc.Read(func(fd uintptr) bool {
			for n < len(batch) {
				var a accepted
				a.fd, a.sa, errno = unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
				switch errno {
				case nil:
					batch[n] = a
					n++
				case unix.EINTR, unix.ECONNABORTED: // the client went away while it waited
				case unix.EAGAIN:
					errno = nil
					return n > 0
				default:
					return true
				}
			}
			return true
		})
		for i := range n {
			ln.serve(batch[i].fd, batch[i].sa)
			batch[i] = accepted{}
		}
		if err != nil {
			return // closed
		}
		if errno == nil {
			nap = 0
			continue
		}
		// Out of descriptors or memory. The connections wait in the backlog; trying again at once would spin.
		if nap == 0 {
			ln.l.o.Logf("netio: accepting on %v fails, will be tried again: %v", ln.Addr(), errno)
		}
		nap = min(max(2*nap, 5*time.Millisecond), acceptMaxNap)
		t := time.NewTimer(nap)
		select {
		case <-ln.quit:
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// serve makes a connection of an accepted socket.
func (ln *Listener) serve(fd int, sa unix.Sockaddr) {
	c, err := ln.l.newConn(fd, addrPort(sa))
	if err != nil {
		return
	}
	c.ln = ln
	if ln.o.TLS != nil {
		c.tls = newTLS(c, ln.o.TLS)
		if c.feed == nil {
			c.feed = newFeed()
		}
		c.flags.Or(fFeed)
		ln.l.wg.Go(func() { c.handshake(ln) }) // takes over the place as a worker
		c.register()
		return
	}
	defer c.leave()
	h := ln.o.Accept(c)
	if h == nil {
		c.kill(ErrAborted, false)
		return
	}
	c.mu.Lock()
	c.h = h
	if ln.o.HandOver != nil {
		c.flags.Or(fSniff)
	}
	c.mu.Unlock()
	c.register()
}

// handTo gives a connection to the listener's HandOver.
func (c *Conn) handTo(nc net.Conn) { c.ln.o.HandOver(nc) }
