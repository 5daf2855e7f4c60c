//go:build linux

package netio

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects to addr, "host:port", looking the host up where it is a name and trying its addresses as
// [net.Dialer] does. It blocks, at most until timeout or the end of ctx: never call it from a callback. newHandler makes the Handler before any event
// of the connection; it runs on the caller's goroutine. A nil Handler closes the connection and fails the call.
// The connection notices at once when the peer closes it, also while it is idle.
func (l *Loop) Dial(ctx context.Context, addr string, timeout time.Duration, newHandler func(*Conn) Handler) (*Conn, error) {
	d := net.Dialer{Timeout: timeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepAliveIdle * time.Second, Interval: keepAliveStep * time.Second, Count: keepAliveTry,
	}}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("netio: %w", err)
	}
	fd, remote, err := takeFD(nc.(*net.TCPConn))
	if err != nil {
		return nil, fmt.Errorf("netio: dial %s: %w", addr, err)
	}
	return l.Attach(fd, remote, newHandler)
}

// Attach makes a connection of a connected stream socket that somebody else has made. The socket must be non-blocking;
// it is the Loop's from here on, also when Attach fails. remote is what the connection says of its peer. newHandler is
// as in [Loop.Dial].
func (l *Loop) Attach(fd int, remote netip.AddrPort, newHandler func(*Conn) Handler) (*Conn, error) {
	c, err := l.newConn(fd, remote)
	if err != nil {
		return nil, err
	}
	defer c.leave()
	h := newHandler(c)
	if h == nil {
		c.kill(ErrAborted, false)
		return nil, ErrAborted
	}
	c.mu.Lock()
	c.h = h
	c.mu.Unlock()
	c.register()
	return c, nil
}

// takeFD takes a connected socket away from the Go runtime's poller. The duplicate shares the non-blocking mode and
// the options, TCP_NODELAY among them, that net has set.
func takeFD(tc *net.TCPConn) (fd int, remote netip.AddrPort, err error) {
	defer tc.Close() // closes the original descriptor only; the duplicate keeps the connection
	a := tc.RemoteAddr().(*net.TCPAddr).AddrPort()
	remote = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	rc, err := tc.SyscallConn()
	if err != nil {
		return 0, remote, err
	}
	if cerr := rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); cerr != nil {
		err = cerr
	}
	return fd, remote, err
}
