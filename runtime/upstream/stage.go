package upstream

import (
	"context"
	"net/netip"
	"time"

	"github.com/gwc-dev/gwc/runtime/clock"
	"github.com/gwc-dev/gwc/runtime/http1"
)

// Stage stands where the network is: somebody plays the servers. `gwc test` uses it to run a repository's tests
// through the production code of this package, which cannot tell the difference: it writes to sockets, parses what
// comes back, and times out. Servers that ask for TLS are played in clear text.
type Stage interface {
	// Call is told that a call to a server begins, with the exchange's mutex held. owner is as in [Registry.GetFor],
	// addr is host:port. It must not block.
	Call(owner, addr string) Line
}

// Line is what carries one call on a [Stage]. Its methods may be called from any goroutine.
type Line interface {
	// Dial connects, as [netio.Loop.Dial] does: it blocks, at most for timeout in the stage's time. It returns a
	// connected, non-blocking stream socket, which is the caller's, and what the connection says of its peer.
	Dial(ctx context.Context, timeout time.Duration) (fd int, remote netip.AddrPort, err error)
	// Delivered says that n more bytes of what the server wrote have arrived and have had all their effects.
	Delivered(n int)
	// Over says that the call is over. It comes once, with the exchange's mutex held, before what follows from it.
	Over()
}

// Rehearse puts a stage in place of the network, and a clock in place of the machine's. It comes before the first Get.
func (g *Registry) Rehearse(s Stage, c *clock.Clock) { g.stage, g.clock = s, c }

// staged tells a line of the end of its call.
type staged struct {
	Receiver
	line Line
}

// AnswerEnd implements [Receiver].
func (s *staged) AnswerEnd(trailers []http1.Field) {
	s.line.Over()
	s.Receiver.AnswerEnd(trailers)
}

// AnswerFail implements [Receiver].
func (s *staged) AnswerFail(f *Failure) {
	s.line.Over()
	s.Receiver.AnswerFail(f)
}

var _ Receiver = (*staged)(nil)
