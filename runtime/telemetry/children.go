package telemetry

import (
	"sync/atomic"
	"time"
)

// lazy holds the counts of a child from its first use on: most routes of a large artifact are never called.
type lazy[T any] struct{ p atomic.Pointer[T] }

// get returns the counts; only the first call allocates.
func (l *lazy[T]) get() *T {
	if v := l.p.Load(); v != nil {
		return v
	}
	l.p.CompareAndSwap(nil, new(T))
	return l.p.Load()
}

// Route returns the child of a route id, which it makes if need be; "" stands for [Unmatched].
func (m *Metrics) Route(id string) *Route {
	if id == "" {
		id = Unmatched
	}
	return child(m, m.routes, valid(id))
}

// Route counts the exchanges of one route.
type Route struct{ c lazy[routeCounts] }

type routeCounts struct {
	codes     [len(codes)]atomic.Uint64
	duration  histogram
	firstByte histogram
	in, out   atomic.Uint64
}

// codes are the values of the label "code". 499 stands by itself: the client went away, which is nobody's mistake.
var codes = [...]string{"1xx", "2xx", "3xx", "4xx", "5xx", "499", "other"}

func codeIndex(status int) int {
	switch {
	case status == 499:
		return 5
	case status >= 100 && status < 600:
		return status/100 - 1
	}
	return 6
}

// Observe counts an exchange that is over: the status sent to the client, its duration, the time to the first byte
// (0: there was none), and body bytes from and to the client. No allocation, at most 0.15 µs.
func (r *Route) Observe(status int, d, firstByte time.Duration, in, out int64) {
	c := r.c.get()
	c.codes[codeIndex(status)].Add(1)
	c.duration.observe(d)
	if firstByte > 0 {
		c.firstByte.observe(firstByte)
	}
	if in > 0 {
		c.in.Add(uint64(in))
	}
	if out > 0 {
		c.out.Add(uint64(out))
	}
}

// Target returns the child of a target, which it makes if need be. model is the provider's name of it.
func (m *Metrics) Target(provider, model string) *Target {
	return child(m, m.targets, TargetID{valid(provider), valid(model)})
}

// Target counts the attempts at one target of AI models.
type Target struct{ c lazy[targetCounts] }

type targetCounts struct {
	attempts attemptCounts
	tokens   [len(tokenKinds)]atomic.Uint64
	cost     [2]atomic.Uint64 // in pico-USD: as counted, and by estimate
	unpriced atomic.Uint64
}

// tokenKinds are the values of the label "kind". "input" includes the cache kinds, "output" includes "reasoning".
var tokenKinds = [...]string{"input", "output", "cache_read", "cache_write", "reasoning"}

// Attempt counts a try that is over; see [Outcomes]. No allocation.
func (t *Target) Attempt(outcome string, d time.Duration) { t.c.get().attempts.add(outcome, d) }

// Tokens counts the tokens of an answer, as the provider told them. No allocation.
func (t *Target) Tokens(input, output, cacheRead, cacheWrite, reasoning int64) {
	c := t.c.get()
	for i, n := range [...]int64{input, output, cacheRead, cacheWrite, reasoning} {
		if n > 0 {
			c.tokens[i].Add(uint64(n))
		}
	}
}

// Cost counts what an attempt costs, in pico-USD (10⁻¹² USD). The sum begins again at 0 beyond 18 million USD, as a
// counter may. No allocation.
func (t *Target) Cost(pico uint64, estimate bool) {
	i := 0
	if estimate {
		i = 1
	}
	t.c.get().cost[i].Add(pico)
}

// Unpriced counts an attempt that used tokens which nobody has a price for. No allocation.
func (t *Target) Unpriced() { t.c.get().unpriced.Add(1) }

// Upstream returns the child of an upstream's endpoint, which it makes if need be.
func (m *Metrics) Upstream(name, endpoint string) *Upstream {
	return child(m, m.upstreams, UpstreamID{valid(name), valid(endpoint)})
}

// Upstream counts the attempts at one endpoint and shows its state.
type Upstream struct {
	c          lazy[attemptCounts]
	down       atomic.Bool
	open, idle atomic.Int64
}

// Attempt counts a try that is over; see [Outcomes]. No allocation.
func (u *Upstream) Attempt(outcome string, d time.Duration) { u.c.get().add(outcome, d) }

// SetHealthy says whether the endpoint is in use. It begins healthy.
func (u *Upstream) SetHealthy(ok bool) { u.down.Store(!ok) }

// SetConns says how many connections to the endpoint are open, and how many of them are idle.
func (u *Upstream) SetConns(open, idle int) {
	u.open.Store(int64(open))
	u.idle.Store(int64(idle))
}

// AddConns changes the numbers of connections, for a pool that does not count.
func (u *Upstream) AddConns(open, idle int) {
	if open != 0 {
		u.open.Add(int64(open))
	}
	if idle != 0 {
		u.idle.Add(int64(idle))
	}
}

// outcomes are the values of the label "outcome" of an attempt; any other text is counted as "other".
var outcomes = [...]string{"ok", "connect", "timeout", "429", "4xx", "5xx", "protocol", "aborted", "credential", "other"}

// Outcomes lists what an attempt can end in: "ok" (an answer below 400), "connect" (no connection), "timeout", "429",
// "4xx" (others), "5xx", "protocol" (the answer was not HTTP, or was cut), "aborted" (the client
// went away), "credential" (a token for the provider could not be fetched).
func Outcomes() []string { return outcomes[:len(outcomes)-1] }

// Outcome is the outcome of an attempt that ended in a complete answer with the status.
func Outcome(status int) string {
	switch {
	case status == 429:
		return "429"
	case status >= 500:
		return "5xx"
	case status >= 400:
		return "4xx"
	}
	return "ok"
}

func outcomeIndex(s string) int {
	switch s {
	case "ok":
		return 0
	case "connect":
		return 1
	case "timeout":
		return 2
	case "429":
		return 3
	case "4xx":
		return 4
	case "5xx":
		return 5
	case "protocol":
		return 6
	case "aborted":
		return 7
	case "credential":
		return 8
	}
	return 9
}

// attemptCounts count attempts by outcome, and how long they took.
type attemptCounts struct {
	outcomes [len(outcomes)]atomic.Uint64
	duration histogram
}

func (a *attemptCounts) add(outcome string, d time.Duration) {
	a.outcomes[outcomeIndex(outcome)].Add(1)
	a.duration.observe(d)
}
