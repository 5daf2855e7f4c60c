// Package netio hides netpoll. Nobody else imports it, and nobody else has to know its rules.
//
// It offers event-driven connections that never block their caller: bytes that arrive are pushed to a [Handler];
// bytes to send are given to [Conn.Write], which writes to the socket at once and queues what the socket does not
// take. The same contract holds for clear text and TLS, for accepted and dialled connections, so that the HTTP state
// machines above it are written once.
//
// What is used of netpoll is its poller: Poll and FDOperator, the epoll loop with its operator cache, its guard
// against stale events, and its hang-up path. Its Connection, above them, is refused. It reads without end into a
// buffer that grows to 8 MB, allocates with each event, keeps 8 KB for each idle connection, spins when bytes are left
// or when a handler closes, and gives a descriptor back only through a Detach that may lose bytes. Here the poller
// calls us instead, so none of these can happen: a connection reads at most one buffer of 64 KB per event, the buffer
// belongs to the poller and not to the connection, a paused connection is taken out of the read set, and the queue is
// written by the poller when the socket has room. An idle connection costs no buffer and no goroutine: 0.5 KB against
// 8.8, and an echo of 1 KB takes a tenth less CPU than over netpoll's Connection with the same raw write.
//
// The invariants: no callback runs after Closed; Data calls of one connection never overlap; a descriptor is closed
// only when no callback of it is running and no writer holds its mutex, so that a reused number is never touched; and
// nothing on a poller waits, for a lock held across I/O, for a socket, or for another poller.
//
// A peer's FIN counts as the end of the connection, as it does in nginx when it proxies: what arrived before it is
// delivered, then comes Closed, and what was still queued is dropped. Half-closed clients get no answer.
package netio

import (
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Handler receives the events of one connection. No callback may block: it may run on a poller, where blocking stops
// every other connection of that poller. Data calls never overlap each other; Drained, Timeout and Closed may run
// beside Data on other goroutines, so a Handler guards its state with its own mutex. netio holds no lock of its own
// while it calls, and a Handler may hold its mutex while it calls the Conn.
type Handler interface {
	// Data delivers all bytes that have arrived. b is valid during the call only. All of it counts as consumed.
	Data(b []byte)
	// Drained says that the output queue, which was not empty after a Write, has been written out. Another goroutine's
	// Write may have filled it again meanwhile; then another Drained follows.
	Drained()
	// Timeout says that the time set with SetTimeout has passed. It may have been under way already while SetTimeout
	// was called again; a Handler that cares asks [Conn.Expired] under its mutex.
	Timeout()
	// Closed is the last event and comes exactly once, also after Close and Abort, and after all other callbacks have
	// returned. err tells why: io.EOF for the peer's close, ErrClosed after Close, ErrAborted after Abort,
	// ErrWriteTimeout, ErrOverflow, ErrHandedOver, ErrLoopClosed, or what the socket or TLS said.
	Closed(err error)
}

// HungUpHandler is what a [Handler] may implement besides, to hear at once of a peer that goes away while the
// connection is paused. Without it, Closed comes only after Resume, when the bytes that arrived first are delivered.
// A close that stands in the network behind more bytes than a paused connection's window takes cannot be heard.
type HungUpHandler interface {
	// HungUp says, once, that the peer has closed or reset the connection, with bytes perhaps still unread. The Handler
	// may Abort, or do nothing and Resume when it wants the rest.
	HungUp()
}

// Options of a [Loop]. Zero values mean the defaults in brackets.
type Options struct {
	Pollers      int           // [GOMAXPROCS]
	MaxQueue     int           // output bytes that may wait in one connection before Write fails with ErrOverflow [4 MiB]
	WriteTimeout time.Duration // how long queued output may make no progress at all before the connection is cut [30 s]
	Async        bool          // run callbacks on goroutines instead of pollers: the safe fallback and the differential test
	Logf         func(format string, args ...any)
	Manual       bool // time stands still but for Advance, which runs what is due on its caller: for tests in virtual time
}

// ListenOptions say how a listener treats its connections.
type ListenOptions struct {
	TLS *tls.Config // nil: clear text. ALPN decides between Accept and HandOver ("h2").
	// Accept makes the Handler of a new connection (after the TLS handshake, which runs off the poller). It runs
	// before any other callback of that connection, and never on a poller. A nil Handler closes the connection.
	Accept func(c *Conn) Handler
	// HandOver takes connections that the event-driven codec does not serve (HTTP/2): ALPN "h2", or clear text that
	// begins with the HTTP/2 preface. The net.Conn (a *tls.Conn under TLS) yields all bytes from the first. It runs on
	// a goroutine of its own and may block. In clear text, where Accept was called already, its Handler gets
	// Closed(ErrHandedOver) first.
	// nil: no "h2" is offered and the preface is treated as any other bytes.
	HandOver func(c net.Conn)
	// HandshakeTimeout bounds the TLS handshake, and for clear text nothing. [10 s]
	HandshakeTimeout time.Duration
}

// The reasons that Closed and the methods of [Conn] give.
var (
	ErrClosed           = errors.New("netio: connection closed by this side")
	ErrAborted          = errors.New("netio: connection aborted by this side")
	ErrWriteTimeout     = errors.New("netio: the peer does not read: queued output made no progress in time")
	ErrOverflow         = errors.New("netio: the peer reads too slowly: the output queue is full")
	ErrHandedOver       = errors.New("netio: connection handed over")
	ErrHandshakeTimeout = errors.New("netio: TLS handshake not finished in time")
	ErrLoopClosed       = errors.New("netio: loop closed")
)
