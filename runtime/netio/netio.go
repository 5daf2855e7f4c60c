// Package netio hides netpoll. Nobody else imports it, and nobody else has to know its rules.
//
// It offers event-driven connections that never block their caller: bytes that arrive are pushed to a [Handler];
// bytes to send are given to [Conn.Write], which writes to the socket at once and queues what the socket does not
// take. The same contract holds for clear text and TLS, on a poller or on the bulk lane, for accepted and dialled
// connections, so that the HTTP state machines above it are written once.
package netio

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

// Handler receives the events of one connection. No callback may block: it may run on a poller, where blocking stops
// every other connection of that poller. Data calls never overlap each other; Drained, Timeout and Closed may run
// beside Data on other goroutines, so a Handler guards its state with its own mutex. netio holds no lock of its own
// while it calls, and a Handler may hold its mutex while it calls the Conn.
type Handler interface {
	// Data delivers all bytes that have arrived. b is valid during the call only. All of it counts as consumed.
	Data(b []byte)
	// Drained says that the output queue, which was not empty after a Write, has been written out.
	Drained()
	// Timeout says that the time set with SetTimeout has passed.
	Timeout()
	// Closed is the last event and comes exactly once, also after Close and Abort. err tells why: io.EOF for the
	// peer's close, ErrWriteTimeout, ErrOverflow, ErrAborted, or what the socket said.
	Closed(err error)
}

// Options of a [Loop]. Zero values mean the defaults in brackets.
type Options struct {
	Pollers      int           // [GOMAXPROCS]
	MaxQueue     int           // output bytes that may wait in one connection before Write fails with ErrOverflow [4 MiB]
	WriteTimeout time.Duration // how long queued output may make no progress at all before the connection is cut [30 s]
	Async        bool          // run callbacks on goroutines instead of pollers: the safe fallback and the differential test
	Logf         func(format string, args ...any)
}

// ListenOptions say how a listener treats its connections.
type ListenOptions struct {
	TLS *tls.Config // nil: clear text. ALPN decides between Accept and HandOver ("h2").
	// Accept makes the Handler of a new connection (after the TLS handshake, which runs off the poller).
	Accept func(c *Conn) Handler
	// HandOver takes connections that the event-driven codec does not serve (HTTP/2): ALPN "h2", or clear text that
	// begins with the HTTP/2 preface. The net.Conn (a *tls.Conn under TLS) yields all bytes from the first.
	// nil: no "h2" is offered and the preface is treated as any other bytes.
	HandOver func(c net.Conn)
	// HandshakeTimeout bounds the TLS handshake, and for clear text nothing. [10 s]
	HandshakeTimeout time.Duration
}

// The methods that this package provides (the implementation's file and comments say more):
//
//	func New(o Options) (*Loop, error)
//	func (l *Loop) Listen(addr string, o ListenOptions) (*Listener, error)
//	func (l *Loop) Dial(ctx context.Context, addr string, timeout time.Duration, newHandler func(*Conn) Handler) (*Conn, error)  // blocks: never call it from a callback
//	func (l *Loop) Close(ctx context.Context) error            // stops pollers' work for this Loop, waits for its goroutines
//	func (ln *Listener) Addr() net.Addr
//	func (ln *Listener) Close() error                          // stops accepting; open connections stay
//
//	func (c *Conn) Write(b []byte) error      // never blocks, never keeps b
//	func (c *Conn) Queued() int               // bytes that wait in the output queue
//	func (c *Conn) Pause()                    // stop reading from the peer (moves to the bulk lane): at most what is already read still comes
//	func (c *Conn) Resume()
//	func (c *Conn) Close()                    // after the queue is written out; then shutdown. Safe on a poller
//	func (c *Conn) Abort()                    // at once
//	func (c *Conn) SetTimeout(d time.Duration) // one timer, on the wheel (resolution ~100 ms); 0 clears; a new call replaces the old
//	func (c *Conn) RemoteAddr() netip.AddrPort
//	func (c *Conn) LocalAddr() netip.AddrPort
//	func (c *Conn) TLS() *tls.ConnectionState // nil in clear text

var (
	_ netip.AddrPort
)
