package pipeline

import (
	"bytes"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/runtime/clock"
	"github.com/gwc-dev/gwc/runtime/engine"
)

// pulse keeps the connection of a stream of events alive while its provider is silent: proxies and clients on the way give
// up on one that says nothing. What it writes are comments, which readers of events skip (WHATWG HTML §9.2.6), and only
// where an event has ended.
//
// It belongs to one answer and not to the flow, which is used again: a timer that comes late finds that the answer is over.
type pulse struct {
	mu    *sync.Mutex // the exchange's
	c     engine.Client
	clock *clock.Clock
	half  time.Duration
	tick  func()

	over  bool
	spoke bool    // something was written since the last tick
	tail  [4]byte // the last bytes that were
	sent  int64   // bytes of comments
}

// comment is what readers of events skip.
var comment = []byte(": keep-alive\n\n")

// startPulse writes a comment after each silence, of at most every, from now on. The exchange's mutex is held.
func startPulse(mu *sync.Mutex, c engine.Client, at *clock.Clock, every time.Duration) *pulse {
	p := &pulse{mu: mu, c: c, clock: at, half: every / 2}
	p.tick = p.beat
	at.After(p.half, p.tick)
	return p
}

// beat looks twice in each interval, so that no write has to touch a timer.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if !p.spoke && p.between() && p.c.Queued() == 0 {
		p.c.Write(comment)
		p.c.Flush()
		p.sent += int64(len(comment))
	}
	p.spoke = false
	p.clock.After(p.half, p.tick)
}

// wrote notes bytes of the answer.
func (p *pulse) wrote(b []byte) {
	if p == nil || len(b) == 0 {
		return
	}
	p.spoke = true
	if len(b) >= len(p.tail) {
		copy(p.tail[:], b[len(b)-len(p.tail):])
		return
	}
	copy(p.tail[:], p.tail[len(b):])
	copy(p.tail[len(p.tail)-len(b):], b)
}

// between reports whether an event has ended, or none has begun.
func (p *pulse) between() bool {
	t := p.tail[:]
	return t[3] == 0 || bytes.HasSuffix(t, []byte("\n\n")) || bytes.HasSuffix(t, []byte("\r\r")) || bytes.HasSuffix(t, []byte("\r\n\r\n"))
}

// end is the end of the answer. It returns how many bytes the comments had.
func (p *pulse) end() int64 {
	if p == nil {
		return 0
	}
	p.over = true
	return p.sent
}
