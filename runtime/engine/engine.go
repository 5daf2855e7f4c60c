// Package engine turns connections into exchanges. It holds the listener engines behind one contract:
//
//   - netpoll ([Direct]): our strict HTTP/1.1 codec on event-driven connections (package netio), clear text and TLS;
//   - std ([Std]): net/http, for HTTP/2 and for listeners that ask for it.
//
// An engine parses request heads, frames bodies both ways, keeps connections alive, pipelines, times out and drains.
// What a request means is decided by a [Handler] (package pipeline), which sees the same [Request], answers through
// the same [Client] and gets the same events from every engine; the conformance suite runs over all of them.
//
// The contract is push only: nobody ever waits. A Handler gets body bytes pushed to its [Exchange] and pushes the
// answer into the Client; where one side is slower than the other, the Handler pauses the faster one. This is what
// lets the whole path run on a poller. The alternative, a goroutine that blocks per request, costs 1.3 to 2.7 times
// the CPU.
//
// Locking: each connection (or HTTP/2 stream) has one mutex, [Request.Mu]. The engine holds it during every call to
// the Handler and the Exchange; whoever else touches the exchange (an upstream's events, a goroutine) takes it first,
// and holds it for every call to the Client.
package engine

import (
	"net/netip"
	"sync"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// Handler decides what happens to requests.
type Handler interface {
	// Begin starts an exchange. The request and all bytes that it points to are valid during the call only. Begin may
	// answer at once through c; the Exchange that it returns gets the body and must never be nil.
	Begin(c Client, r *Request) Exchange
}

// Exchange is the Handler's side of one request: it receives what comes from the client. After the Client's End or
// Abort has been called, no event is sent any more. All calls are made with [Request.Mu] held.
type Exchange interface {
	// Body delivers a piece of the request's body, or of what comes through a [Tunnel]. b is valid during the call.
	Body(b []byte)
	// BodyEnd says that the body is complete. It comes once, for bodiless requests right after Begin. Trailer fields
	// are valid during the call.
	BodyEnd(trailers []http1.Field)
	// Flush ends a batch of Body calls: everything that has arrived was delivered.
	Flush()
	// Drained says that output that had to wait (Client.Queued) has been written out.
	Drained()
	// Gone is the last event: the client went away, sent something illegal, or timed out, before the answer was
	// complete. The Client must not be used any more.
	Gone(err error)
}

// Client is the engine's side of one exchange: where the answer goes. All calls are made with [Request.Mu] held; none
// blocks.
type Client interface {
	// Interim sends a 1xx answer with fields (lines with CRLF); HTTP/1.0 clients get none.
	Interim(status int, fields []byte)
	// Start begins the final answer. fields are complete lines with CRLF, without connection management and framing,
	// except that a bodiless answer (to HEAD, 304) may carry a Content-Length of its own. length is the body's length
	// in bytes, Unknown, or NoBody.
	//
	// With the status 101 and the length Tunnel, for a request with [http1.Head.HasUpgrade], the connection becomes the
	// exchange's: Body delivers what the client sends, without an end other than Gone; Write sends bytes as they are;
	// End closes the connection when they are sent, and Abort at once. The engine sets no timeouts any more, except for
	// a client that does not read.
	Start(status int, fields []byte, length int64)
	// Write sends body bytes; b is not kept.
	Write(b []byte)
	// Flush sends what Start and Write have collected.
	Flush()
	// End completes the answer and flushes. The Client must not be used any more.
	End(trailers []http1.Field)
	// Abort cuts the answer: the client can tell that it is not complete. The Client must not be used any more.
	Abort()
	// Queued is the number of bytes that the client has not taken yet.
	Queued() int
	// PauseBody stops the request's body; at most what is already read still comes. ResumeBody lets it go on.
	PauseBody()
	ResumeBody()
}

// Lengths of bodies that are not a number of bytes.
const (
	Unknown int64 = -1 // chunked, or until the connection closes
	NoBody  int64 = -2 // no body and no framing fields: 204, 304, answers to HEAD, requests without a body
	Tunnel  int64 = -3 // of an answer 101: bytes both ways, in the protocol that the connection was upgraded to
)

// Request is a request head with what the connection knows.
type Request struct {
	*http1.Head
	Mu       *sync.Mutex
	Client   netip.AddrPort
	TLS      bool
	HTTP2    bool
	Listener string
	Length   int64 // of the body: a number of bytes, Unknown or NoBody
}
