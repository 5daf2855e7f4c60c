package rehearse

import (
	"errors"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/runtime/clock"
	"github.com/gwc-dev/gwc/runtime/netio"
)

var (
	errLimit = errors.New("it takes too long on the machine's clock: something never ends")
	errStuck = errors.New("everybody waits for somebody else, and no timeout ends it")
)

// maxJumps bounds how often time moves in one test: a server that trickles for ever would move it without end.
const maxJumps = 200_000

// conductor is the time of one test. It moves only when everything that lives waits for time: each call to a server has
// either been told to wait by its script, with every byte that it wrote before having had its effects and the caller
// having read what came of it, or there is no call and the exchange waits to make one.
//
// mu is a leaf but for the loop's own locks: nothing is called with it held that could take an exchange's mutex.
type conductor struct {
	loop *netio.Loop

	mu      sync.Mutex
	now     time.Time
	lines   map[*line]struct{} // calls that are not over
	pauses  []pause            // of exchanges that wait to make another attempt
	flying  bool               // an exchange is in flight
	unread  func() bool        // tells whether bytes of its answer wait for the caller
	jumps   int
	stopped bool
	stuck   func(error)
	kick    chan struct{}
	done    chan struct{}
}

type pause struct {
	at time.Time
	f  func()
}

func newConductor(begin time.Time, loop *netio.Loop) *conductor {
	return &conductor{loop: loop, now: begin, lines: map[*line]struct{}{}, kick: make(chan struct{}, 1), done: make(chan struct{})}
}

// clock is what the runtime sees.
func (c *conductor) clock() *clock.Clock { return clock.New(c.time, c.after) }

func (c *conductor) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *conductor) after(d time.Duration, f func()) {
	c.mu.Lock()
	c.pauses = append(c.pauses, pause{c.now.Add(max(d, 0)), f})
	c.mu.Unlock()
	c.look()
}

// look has the conductor look whether time can move.
func (c *conductor) look() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// run moves the time while exchanges are in flight, until stop.
func (c *conductor) run() {
	defer close(c.done)
	for range c.kick {
		for c.jump() {
		}
		c.mu.Lock()
		stopped := c.stopped
		c.mu.Unlock()
		if stopped {
			return
		}
	}
}

func (c *conductor) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.look()
	<-c.done
}

// fly says that an exchange begins; unread tells whether something of its answer waits for the caller.
func (c *conductor) fly(unread func() bool) {
	c.mu.Lock()
	c.flying, c.unread = true, unread
	c.mu.Unlock()
	c.look()
}

// land says that the exchange has ended.
func (c *conductor) land() {
	c.mu.Lock()
	c.flying, c.unread = false, nil
	c.mu.Unlock()
	c.look()
}

// advance moves the time between exchanges.
func (c *conductor) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	c.mu.Unlock()
	c.loop.Advance(d)
}

// jump moves the time to the next moment at which something happens, if nothing can happen before.
func (c *conductor) jump() bool {
	c.mu.Lock()
	if !c.waits() {
		c.mu.Unlock()
		return false
	}
	// Timers of the runtime come before the script of a server at the same moment, so that it is not the machine that
	// decides.
	const (
		nobody = iota
		timers
		attempt
		server
	)
	who, next := nobody, time.Duration(0)
	if d, ok := c.loop.Next(); ok {
		who, next = timers, d
	}
	first := -1
	for i, p := range c.pauses {
		if d := max(p.at.Sub(c.now), 0); who == nobody || d < next {
			who, next, first = attempt, d, i
		}
	}
	var wake *line
	for l := range c.lines {
		if l.never {
			continue
		}
		if d := max(l.until.Sub(c.now), 0); who == nobody || d < next {
			who, next, wake = server, d, l
		}
	}
	if c.jumps++; who == nobody || c.jumps > maxJumps {
		stuck, err := c.stuck, errStuck
		if who != nobody {
			err = errLimit
		}
		c.flying = false
		c.mu.Unlock()
		stuck(err)
		return false
	}
	c.now = c.now.Add(next)
	var f func()
	switch who {
	case attempt:
		f = c.pauses[first].f
		c.pauses = append(c.pauses[:first], c.pauses[first+1:]...)
	case server:
		wake.asleep = false
	}
	c.mu.Unlock()
	c.loop.Advance(next) // what is due is done when it returns
	switch who {
	case attempt:
		f()
	case server:
		wake.woken <- struct{}{}
	}
	return true
}

// waits reports whether everybody waits for time. The caller holds mu.
func (c *conductor) waits() bool {
	if !c.flying || c.stopped || len(c.lines)+len(c.pauses) == 0 {
		return false
	}
	for l := range c.lines {
		if !l.asleep || l.delivered < l.written {
			return false
		}
	}
	// A caller whom the machine does not let read would be cut for not reading, after enough of such moves.
	return !c.unread()
}
