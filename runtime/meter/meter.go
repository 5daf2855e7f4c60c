// Package meter holds what apps have used of their request limits.
//
// The limits of an app and the time enter; a [Result] leaves: the request may pass, or when it may be tried again.
// A limit of N requests per window is a bucket of N that refills evenly (GCRA, the generic cell rate algorithm): at
// most N requests at once, and in any span of time t at most N + N·t/window. All that changes is one instant per limit,
// and no window ever ends at which everybody rushes in.
//
// The guarantees: a request takes from all limits of its app or from none, in one step under the app's mutex, so that
// no interleaving of requests admits more than the limits say, and a refused request uses nothing. Counting is by a
// stable id ("tenant/app"), and the state outlives snapshots: a reload with another limit keeps the number of
// requests that were used, it does not give them back (only what exceeds a lower limit is forgotten, so that nobody
// waits longer than a window for it). A [Limiter] belongs to a snapshot and holds its limits; nothing of a snapshot
// that failed to load is ever applied, because the state adopts a limit with the first request that is checked against
// it, and from then on exchanges of older snapshots are checked against it too.
//
// Time is an argument, nanoseconds of any clock, so that tests run in virtual time. One atomic per limit was refused:
// with several limits, one that refuses must give back what the others gave, and a token that is given back after its
// bucket has refilled admits one request too many. The mutex is held for some ten nanoseconds, and apps do not share it.
package meter

import (
	"maps"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of a [Limit]. MaxRequests is the largest integer that a RateLimit field can hold (RFC 9651 §3.3.1).
const (
	MaxRequests = 999_999_999_999_999
	MaxPer      = 366 * 24 * time.Hour
)

// Limit allows Requests per window of Per. Values out of bounds count as the bound: at least 1 request, 1 ns.
type Limit struct {
	Requests int64
	Per      time.Duration
}

// String gives "600 per 1m".
func (l Limit) String() string {
	return strconv.FormatInt(l.Requests, 10) + " per " + window(l.Per)
}

// window writes a duration without the zero units that its String adds: "1m", not "1m0s".
func window(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Meter holds the state of all apps. The zero value is ready to use.
type Meter struct {
	mu   sync.Mutex
	apps map[string]*app
}

// app is the state of one app.
type app struct {
	mu      sync.Mutex
	buckets []*bucket // as many as the app ever had limits at once
	bound   uint64    // how often
}

// bucket is the state of one limit.
type bucket struct {
	term // that full is counted in
	full int64
	gen  uint64 // of the limiter whose limit it counts in
}

// term is what a limit means in GCRA: the bucket is full from the instant full on; a request moves full on by
// interval, and may not move it further than depth away from now. interval is rounded up, so that rounding never
// admits more: a window is at most as many nanoseconds longer as it has requests.
type term struct {
	limit    Limit
	interval int64 // ns
	depth    int64 // ns: interval × requests
}

// Limiter checks requests against the limits of one app in one snapshot. It is immutable; all limiters of an app
// share its state. A nil Limiter, and one without limits, lets every request pass.
type Limiter struct {
	app    *app
	limits []limit
	gen    uint64 // grows with each Bind of the app
	policy string
}

// limit is a term, the bucket that it counts in, and its texts.
type limit struct {
	term
	bucket *bucket
	text   string // "600 per 1m"
	name   string // in the RateLimit fields, quoted: `"1m"`
}

// Result is the answer to one request. It speaks of one limit: the one that makes the request wait longest, or if it
// may pass, the one that lets the fewest others follow.
type Result struct {
	Allowed   bool
	Limit     Limit         // Requests is 0 if the app has no limits
	Remaining int64         // requests that may follow at once
	Reset     time.Duration // until nothing of the limit counts as used
	// RetryAfter is how long to wait before a request can pass, if none comes in between; 0 for an allowed request.
	RetryAfter time.Duration

	limiter *Limiter
	i       int // of the limit
}

// Text is the limit as the call record's field "limit" has it: "600 per 1m"; empty if the app has no limits.
func (r *Result) Text() string {
	if r.limiter == nil {
		return ""
	}
	return r.limiter.limits[r.i].text
}

// Bind returns a limiter for the app with the id ("tenant/app"). Where the app has been bound before, each limit
// continues the count of the limit with the same window, or else of one whose window has gone from the app: an edited
// limit keeps the number of requests that were used.
func (m *Meter) Bind(id string, limits []Limit) *Limiter {
	if len(limits) == 0 {
		return &Limiter{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.apps[id]
	if a == nil {
		if m.apps == nil {
			m.apps = map[string]*app{}
		}
		a = &app{}
		m.apps[id] = a
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bound++
	l := &Limiter{app: a, limits: make([]limit, len(limits)), gen: a.bound}
	free := slices.Clone(a.buckets)
	for i, want := range limits {
		t := newTerm(want)
		l.limits[i] = limit{term: t, text: t.limit.String()}
		if j := slices.IndexFunc(free, func(b *bucket) bool { return b.limit.Per == t.limit.Per }); j >= 0 {
			l.limits[i].bucket = free[j]
			free = slices.Delete(free, j, j+1)
		}
	}
	for i := range l.limits {
		lim := &l.limits[i]
		if lim.bucket != nil {
			continue
		}
		if len(free) > 0 {
			lim.bucket, free = free[0], free[1:]
			continue
		}
		lim.bucket = &bucket{term: lim.term, full: math.MinInt64, gen: l.gen}
		a.buckets = append(a.buckets, lim.bucket)
	}
	l.describe()
	return l
}

func newTerm(l Limit) term {
	l.Requests = min(max(l.Requests, 1), MaxRequests)
	l.Per = min(max(l.Per, 1), MaxPer)
	interval := (int64(l.Per) + l.Requests - 1) / l.Requests
	return term{limit: l, interval: interval, depth: interval * l.Requests} // < MaxPer + MaxRequests ns
}

// maxSkew is how far clocks of different cores and requests that overtake each other may lie apart. What differs by
// more was a clock that was set back.
const maxSkew = int64(time.Second)

// Take asks for one request at the instant now, and takes it from every limit if all allow it. An instant that lies
// somewhat before one that was used already, as another core may give, is safe: it admits at most less. After a clock
// was set back by more than a second, everything counts as used at that moment: an app waits for at most its windows,
// and not until the clock has caught up. No allocation, at most 0.1 µs for two limits.
func (l *Limiter) Take(now int64) Result {
	if l == nil || len(l.limits) == 0 {
		return Result{Allowed: true}
	}
	r := Result{Allowed: true, limiter: l}
	wait, left, reset := int64(0), int64(math.MaxInt64), int64(0)
	l.app.mu.Lock()
	for i := range l.limits {
		lim := &l.limits[i]
		b := lim.bucket
		if b.gen < l.gen {
			b.adopt(lim.term, now)
			b.gen = l.gen
		}
		used := int64(0) // ns
		if b.full > now {
			if used = b.full - now; used > b.depth+maxSkew {
				used = b.depth
				b.full = now + used
			}
		}
		room := b.depth - used - b.interval
		switch {
		case room < 0 && -room > wait:
			wait, left, reset, r.i = -room, 0, used, i
		case wait == 0 && room >= 0 && room/b.interval < left:
			left, reset, r.i = room/b.interval, used+b.interval, i
		}
	}
	if wait == 0 {
		for i := range l.limits {
			b := l.limits[i].bucket
			b.full = max(b.full, now) + b.interval
		}
	}
	l.app.mu.Unlock()

	r.Allowed = wait == 0
	r.Limit = l.limits[r.i].limit
	r.Remaining = left
	r.Reset = time.Duration(reset)
	r.RetryAfter = time.Duration(wait)
	return r
}

// adopt makes the bucket count in another limit. The number of requests that are used stays, rounded up by less than
// one, up to the new limit. The caller holds the app's mutex.
func (b *bucket) adopt(t term, now int64) {
	if b.full > now && b.term != t {
		used := t.depth
		if hi, lo := bits.Mul64(uint64(b.full-now), uint64(t.interval)); hi < uint64(b.interval) {
			q, rest := bits.Div64(hi, lo, uint64(b.interval))
			if rest > 0 {
				q++
			}
			used = int64(min(q, uint64(t.depth)))
		}
		b.full = now + used
	}
	b.term = t
}

// Retain forgets the apps that are not among ids and of which nothing is used at the instant now. The others are kept
// until a later call, so that taking an app out and putting it back gives nobody a fresh limit.
func (m *Meter) Retain(ids []string, now int64) {
	keep := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		keep[id] = struct{}{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.apps, func(id string, a *app) bool {
		if _, ok := keep[id]; ok {
			return false
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return !slices.ContainsFunc(a.buckets, func(b *bucket) bool { return b.full > now })
	})
}

// Len returns the number of apps whose state is held.
func (m *Meter) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.apps)
}
