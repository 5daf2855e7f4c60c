// Package telemetry holds the runtime's metrics.
//
// What happens in an exchange enters by method calls on children that were bound when the snapshot was loaded
// ([Metrics.Route], [Metrics.Target], [Metrics.Upstream], [Metrics.Listener]); what leaves is the Prometheus text of
// [Metrics.Handler]. An exchange pays for a handful of atomic additions and never allocates, hashes a label or takes
// a lock.
//
// The invariant is that the number of series is bounded by the artifact: labels are route ids, provider, model,
// upstream and listener names of the snapshot, and fixed enumerations. A path, key, address or any other text of a
// caller is never a label. Children that were bound but saw nothing have no series, so that an artifact of 10,000
// routes does not make every scrape carry 10,000 empty histograms. [Metrics.Retain] drops what a new snapshot no
// longer has.
//
// The counts are our own atomics, exposed through one prometheus.Collector. client_golang's histograms were refused
// on the hot path: each observation costs a search in float64 bounds, three atomic additions and a compare-and-swap
// loop over the float sum, where a count of nanoseconds in an integer needs two additions. The registry, the text
// format, and the Go and process collectors are client_golang's. docs/metrics.md describes each metric.
package telemetry

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Unmatched is the route id under which requests are counted that no route took.
const Unmatched = "unmatched"

// maxReasons bounds the values of a reason label. They are constants of the code that counts, so the bound is only
// there to hold the invariant against a mistake; what exceeds it is counted as "other".
const maxReasons = 64

// TargetID names a target of AI models.
type TargetID struct{ Provider, Model string }

// UpstreamID names an endpoint of an upstream.
type UpstreamID struct{ Name, Endpoint string }

// Metrics are the metrics of one runtime. Make it with [New].
type Metrics struct {
	registry *prometheus.Registry

	mu        sync.RWMutex
	routes    map[string]*Route
	targets   map[TargetID]*Target
	upstreams map[UpstreamID]*Upstream
	listeners map[string]*Listener
	digest    string
	loadedAt  time.Time
	callLog   func() CallLog

	inflight     atomic.Int64
	limited      atomic.Uint64
	tunnels      atomic.Int64
	messages     [2]atomic.Uint64 // through tunnels: of clients, of providers
	panics       atomic.Uint64
	refused      reasons
	authFailures reasons
	reloads      [2]atomic.Uint64 // by result: ok, error
	// why those of error failed
	reloadFailures reasons
}

// CallLog is what the call log has counted; see the package calllog's Stats.
type CallLog struct {
	Records, Dropped, Errors uint64
	Queued                   int
}

// New returns metrics with a registry of their own, which also holds the Go and process collectors.
func New() *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		routes:    map[string]*Route{},
		targets:   map[TargetID]*Target{},
		upstreams: map[UpstreamID]*Upstream{},
		listeners: map[string]*Listener{},
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		(*collector)(m),
	)
	return m
}

// Handler serves the metrics in the formats that Prometheus asks for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:          m.registry,
		EnableOpenMetrics: true,
		ErrorHandling:     promhttp.ContinueOnError, // one bad series must not hide all others
	})
}

// Retain drops the children that the newest snapshot no longer has. Exchanges that still run on an older snapshot
// keep theirs, but what they add is no longer shown.
func (m *Metrics) Retain(routes []string, targets []TargetID, upstreams []UpstreamID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	retain(m.routes, append([]string{Unmatched}, routes...))
	retain(m.targets, targets)
	retain(m.upstreams, upstreams)
}

func retain[K comparable, V any](m map[K]V, keep []K) {
	set := make(map[K]struct{}, len(keep))
	for _, k := range keep {
		set[k] = struct{}{}
	}
	maps.DeleteFunc(m, func(k K, _ V) bool {
		_, ok := set[k]
		return !ok
	})
}

// child returns the child of a key, which it makes if need be.
func child[K comparable, V any](m *Metrics, in map[K]*V, k K) *V {
	m.mu.RLock()
	v := in[k]
	m.mu.RUnlock()
	if v != nil {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v = in[k]; v == nil {
		v = new(V)
		in[k] = v
	}
	return v
}

// valid makes a label value of a name. Names come from a checked artifact; a value that is not UTF-8 would make the
// registry panic at the next scrape.
func valid(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// Begin counts an exchange in; each one is followed by one [Metrics.End].
func (m *Metrics) Begin() { m.inflight.Add(1) }

// End counts an exchange out.
func (m *Metrics) End() { m.inflight.Add(-1) }

// Limited counts an exchange that a limit refused.
func (m *Metrics) Limited() { m.limited.Add(1) }

// Tunnel counts a WebSocket tunnel in (1) or out (-1).
func (m *Metrics) Tunnel(delta int64) { m.tunnels.Add(delta) }

// Messages counts whole messages that went through a tunnel, of its client or of its provider.
func (m *Metrics) Messages(client bool, n uint64) {
	i := 1
	if client {
		i = 0
	}
	m.messages[i].Add(n)
}

// Panicked counts a panic that cost one exchange or connection. There should be none: it is a bug in gwc.
func (m *Metrics) Panicked() { m.panics.Add(1) }

// Refused counts a request or connection that was refused before it could be routed. The reason is a constant, such
// as "request_line", "header_too_large" or "head_timeout"; never the caller's text.
func (m *Metrics) Refused(reason string) { m.refused.add(reason) }

// AuthFailed counts an exchange that was refused for want of a valid key. The reason is a constant: "missing",
// "unknown", "expired", "ambiguous", "not_allowed".
func (m *Metrics) AuthFailed(reason string) { m.authFailures.add(reason) }

// Reloaded counts a try to load an artifact: nil is a success.
func (m *Metrics) Reloaded(err error) {
	if err != nil {
		m.reloads[1].Add(1)
		return
	}
	m.reloads[0].Add(1)
}

// ReloadFailed counts why an artifact was not loaded, by one of a few words.
func (m *Metrics) ReloadFailed(reason string) { m.reloadFailures.add(reason) }

// SnapshotLoaded says which artifact is in use, and since when.
func (m *Metrics) SnapshotLoaded(digest string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.digest, m.loadedAt = digest, at
}

// SetCallLog names the source of the call log's counts, which is asked at each scrape. A later call replaces it; the
// counts must not go back, so whoever opens a second log adds the first one's.
func (m *Metrics) SetCallLog(stats func() CallLog) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.callLog = stats
}

// Listener returns the child of a listener.
func (m *Metrics) Listener(name string) *Listener { return child(m, m.listeners, valid(name)) }

// Listener counts connections.
type Listener struct {
	open   atomic.Int64
	opened atomic.Uint64
}

// Opened counts an accepted connection in; each one is followed by one [Listener.Closed].
func (l *Listener) Opened() {
	l.open.Add(1)
	l.opened.Add(1)
}

// Closed counts a connection out.
func (l *Listener) Closed() { l.open.Add(-1) }

// reasons counts by a label of few values. Reading is lock-free; a new value copies the map.
type reasons struct {
	mu sync.Mutex
	m  atomic.Pointer[map[string]*atomic.Uint64]
}

// add costs a map lookup and no allocation, except for the first of each value.
func (r *reasons) add(reason string) {
	if m := r.m.Load(); m != nil {
		if c := (*m)[reason]; c != nil {
			c.Add(1)
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.m.Load()
	if old == nil {
		old = new(map[string]*atomic.Uint64)
	}
	if len(*old) >= maxReasons {
		reason = "other"
	}
	if c := (*old)[reason]; c != nil {
		c.Add(1)
		return
	}
	next := make(map[string]*atomic.Uint64, len(*old)+1)
	maps.Copy(next, *old)
	c := new(atomic.Uint64)
	c.Add(1)
	next[reason] = c
	r.m.Store(&next)
}
