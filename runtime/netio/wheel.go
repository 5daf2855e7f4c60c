//go:build linux

package netio

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	tick       = 100 * time.Millisecond
	wheelSlots = 512 // a power of two; one round takes 51.2 s
	fired      = -1  // the value of a deadline that has passed
	fireBatch  = 32  // expired connections that share a goroutine
)

// wheel is the coarse clock of a Loop: one goroutine, a slot per tick, each connection in at most one slot.
//
// A connection has two deadlines, its handler's and netio's own. Setting one is a store; only when the connection has
// to be visited earlier than it would be is it moved, under the lock. A visit looks at the deadlines as they are then,
// and moves the connection on if none has passed. Requests on a busy connection push their deadlines ahead of the
// visit and so pay two atomic operations each.
type wheel struct {
	l     *Loop
	start time.Time
	now   atomic.Int64 // ticks since start, at least 1
	quit  chan struct{}
	moved time.Duration // by Advance; its caller's

	mu    sync.Mutex
	slots [wheelSlots]*Conn
}

// timer is a connection's part of the wheel.
type timer struct {
	user atomic.Int64 // tick of the handler's deadline; 0 none; fired
	sys  atomic.Int64 // tick of netio's own: handshake, write progress, linger; 0 none
	slot atomic.Int64 // tick at which the wheel visits; 0 when in no slot

	// guarded by wheel.mu
	wnext, wprev *Conn
	off          bool // the connection is gone: never link it again
}

func (w *wheel) init(l *Loop) {
	w.l, w.start, w.quit = l, time.Now(), make(chan struct{})
	w.now.Store(1)
}

func (w *wheel) stop() { close(w.quit) }

func (w *wheel) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-t.C:
		}
		for now, then := w.now.Load(), int64(time.Since(w.start)/tick)+1; now < then; {
			now++
			w.now.Store(now)
			w.visit(now)
		}
	}
}

// after returns the tick that is at least d away.
func (w *wheel) after(d time.Duration) int64 {
	return w.now.Load() + int64((d+tick-1)/tick) + 1
}

// arm sees to it that c is visited at tick at or before. The caller has stored the deadline already: either the
// visit that empties slot comes later and reads it, or slot is 0 here.
func (w *wheel) arm(c *Conn, at int64) {
	if s := c.slot.Load(); s != 0 && s <= at {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := c.slot.Load(); c.off || s != 0 && s <= at {
		return
	}
	w.unlink(c)
	w.link(c, at)
}

func (w *wheel) link(c *Conn, at int64) {
	now := w.now.Load()
	at = max(now+1, min(at, now+wheelSlots-1)) // what is further away is visited and moved on
	head := &w.slots[at%wheelSlots]
	c.wprev, c.wnext = nil, *head
	if *head != nil {
		(*head).wprev = c
	}
	*head = c
	c.slot.Store(at)
}

func (w *wheel) unlink(c *Conn) {
	at := c.slot.Load()
	if at == 0 {
		return
	}
	if c.wprev != nil {
		c.wprev.wnext = c.wnext
	} else {
		w.slots[at%wheelSlots] = c.wnext
	}
	if c.wnext != nil {
		c.wnext.wprev = c.wprev
	}
	c.wnext, c.wprev = nil, nil
	c.slot.Store(0)
}

// drop takes c out for good.
func (w *wheel) drop(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.off = true
	w.unlink(c)
}

// visit moves on the connections of a tick and fires those that are due.
func (w *wheel) visit(now int64) {
	due := w.collect(now)
	for len(due) > 0 {
		n := min(len(due), fireBatch)
		batch := due[:n]
		due = due[n:]
		w.l.wg.Go(func() {
			for _, c := range batch {
				c.fire()
			}
		})
	}
}

// Advance moves the time of a Loop with Options.Manual, from deadline to deadline. What becomes due runs on the
// caller's goroutine before Advance returns. One goroutine at a time may call it, and Next; no callback may.
func (l *Loop) Advance(d time.Duration) {
	w := &l.wheel
	end := w.moved + d
	for {
		at := int64(0)
		w.mu.Lock()
		for _, c := range w.slots {
			if c != nil && (at == 0 || c.slot.Load() < at) {
				at = c.slot.Load()
			}
		}
		w.mu.Unlock()
		if at == 0 || time.Duration(at-1)*tick > end {
			break
		}
		w.moved = max(w.moved, time.Duration(at-1)*tick)
		w.now.Store(at)
		for _, c := range w.collect(at) {
			c.fire()
		}
	}
	w.moved = end
	w.now.Store(max(w.now.Load(), int64(end/tick)+1))
}

// Next returns how far the time of a Loop with Options.Manual is from its next deadline; false where there is none.
func (l *Loop) Next() (time.Duration, bool) {
	w := &l.wheel
	w.mu.Lock()
	defer w.mu.Unlock()
	at := int64(0)
	for _, c := range w.slots {
		for ; c != nil; c = c.wnext {
			for _, d := range [...]int64{c.user.Load(), c.sys.Load()} {
				if d > 0 && (at == 0 || d < at) {
					at = d
				}
			}
		}
	}
	return max(time.Duration(at-1)*tick-w.moved, 0), at != 0
}

// collect moves on the connections of a tick and returns those of which a deadline has passed.
func (w *wheel) collect(now int64) []*Conn {
	var due []*Conn
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := w.slots[now%wheelSlots]; c != nil; {
		next := c.wnext
		w.unlink(c)
		next2 := int64(0)
		hit := false
		for i, d := range [...]*atomic.Int64{&c.user, &c.sys} {
			at := d.Load()
			if at > 0 && at <= now {
				to := int64(0)
				if i == 0 {
					to = fired
				}
				if d.CompareAndSwap(at, to) {
					hit = true
					if i == 1 {
						c.sysFired.Store(true)
					}
					continue
				}
				at = d.Load() // set again just now, to later
			}
			if at > 0 && (next2 == 0 || at < next2) {
				next2 = at
			}
		}
		if hit {
			due = append(due, c)
		}
		if next2 != 0 {
			w.link(c, next2)
		}
		c = next
	}
	return due
}
