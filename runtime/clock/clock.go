// Package clock is the time that exchanges live in: the machine's, or one that somebody else moves.
//
// A nil [Clock] is the machine's clock and costs one comparison more than package time. Any other Clock asks its
// owner: `gwc test` runs the production engine in virtual time, where a limit's window or a provider's timeout of two
// minutes passes at once and always in the same way. What enters is two functions; the invariant is that a runtime
// asks one Clock for everything that it compares with each other.
//
// An interface was refused: a call through it cannot be inlined, and the request path asks for the time seven times.
// testing/synctest was refused: it needs a test of Go's, and sockets are outside of its bubble.
package clock

import "time"

// Clock tells the time. It is immutable; nil is the machine's clock.
type Clock struct {
	now   func() time.Time
	after func(d time.Duration, f func())
}

// New makes a clock of its two functions: now tells the time, after runs f, on a goroutine of its own choice, when d
// has passed. Both may be called from any goroutine, with locks held.
func New(now func() time.Time, after func(d time.Duration, f func())) *Clock {
	return &Clock{now: now, after: after}
}

// Now returns the time. No allocation.
func (c *Clock) Now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c.now()
}

// Since returns the time that has passed since t.
func (c *Clock) Since(t time.Time) time.Duration {
	if c == nil {
		return time.Since(t)
	}
	return c.now().Sub(t)
}

// Until returns the time that passes until t; it is negative where t has passed.
func (c *Clock) Until(t time.Time) time.Duration {
	if c == nil {
		return time.Until(t)
	}
	return t.Sub(c.now())
}

// After runs f when d has passed.
func (c *Clock) After(d time.Duration, f func()) {
	if c == nil {
		time.AfterFunc(d, f)
		return
	}
	c.after(d, f)
}
