//go:build !linux

package netio

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"
)

// The event-driven engine is for Linux: it leans on epoll, accept4 and TCP options of it. Elsewhere this file lets the
// commands build, so that a repository can be checked and built on any machine, and New says why it cannot serve; the
// std engine can.

// errLinux is what New returns elsewhere.
var errLinux = errors.New("netio: the netpoll engine needs Linux; use the std engine here")

// Loop cannot be made on this system, so that no value of these types exists and their methods are never reached.
type Loop struct{}

// Listener cannot be made on this system.
type Listener struct{}

// Conn cannot be made on this system.
type Conn struct{}

// New fails on this system.
func New(Options) (*Loop, error) { return nil, errLinux }

// Conns returns 0.
func (*Loop) Conns() int { return 0 }

// Close returns nil.
func (*Loop) Close(context.Context) error { return nil }

// Listen fails on this system.
func (*Loop) Listen(string, ListenOptions) (*Listener, error) { return nil, errLinux }

// Dial fails on this system.
func (*Loop) Dial(context.Context, string, time.Duration, func(*Conn) Handler) (*Conn, error) {
	return nil, errLinux
}

// Attach fails on this system.
func (*Loop) Attach(int, netip.AddrPort, func(*Conn) Handler) (*Conn, error) { return nil, errLinux }

// Advance does nothing.
func (*Loop) Advance(time.Duration) {}

// Next knows of no deadline.
func (*Loop) Next() (time.Duration, bool) { return 0, false }

// Addr returns nil.
func (*Listener) Addr() net.Addr { return nil }

// Close returns nil.
func (*Listener) Close() error { return nil }

// Write fails on this system.
func (*Conn) Write([]byte) error { return errLinux }

// Queued returns 0.
func (*Conn) Queued() int { return 0 }

// Untaken returns 0.
func (*Conn) Untaken() int { return 0 }

// Pause does nothing.
func (*Conn) Pause() {}

// Resume does nothing.
func (*Conn) Resume() {}

// Close does nothing.
func (*Conn) Close() {}

// Abort does nothing.
func (*Conn) Abort() {}

// SetTimeout does nothing.
func (*Conn) SetTimeout(time.Duration) {}

// Expired returns false.
func (*Conn) Expired() bool { return false }

// RemoteAddr returns the zero AddrPort.
func (*Conn) RemoteAddr() netip.AddrPort { return netip.AddrPort{} }

// LocalAddr returns the zero AddrPort.
func (*Conn) LocalAddr() netip.AddrPort { return netip.AddrPort{} }

// TLS returns nil.
func (*Conn) TLS() *tls.ConnectionState { return nil }
