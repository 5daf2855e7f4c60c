// Package telemetry holds the runtime's metrics. Label children are bound once (per route, per target), so that an
// exchange pays for a few atomic additions.
package telemetry

// What this package provides (names follow Prometheus practice, prefix gwc_; label sets are bounded: route ids,
// status classes, provider and model names of the artifact, fixed enums; never a path, key, address or caller's text):
//
//	func New() *Metrics                                            // its own prometheus.Registry
//	func (m *Metrics) Handler() http.Handler
//	func (m *Metrics) Route(id string) *Route                      // get or create; the "unmatched" route for what no route took
//	func (r *Route) Observe(status int, d, firstByte time.Duration, in, out int64)   // requests_total{route,code class}, duration histogram, bytes; no allocation
//	func (m *Metrics) Target(provider, model string) *Target       // AI targets
//	func (t *Target) Attempt(outcome string, d time.Duration)      // outcome: "ok","connect","timeout","429","4xx","5xx","protocol","aborted"
//	func (t *Target) Tokens(input, output, cacheRead, cacheWrite, reasoning int64)
//	func (m *Metrics) Upstream(name, endpoint string) *Upstream    // Attempt(outcome, d), SetHealthy(bool), SetConns(open, idle)
//	func (m *Metrics) Retain(routes, targets, upstreams)           // drop series that the newest snapshot no longer has
//	counters/gauges: reloads_total{result}, calllog_records_total, calllog_dropped_total, calllog_errors_total, snapshot_info{digest} 1, snapshot_loaded_timestamp_seconds,
//	    connections{listener}, connections_total{listener}, refused_total{reason} (parse errors by fixed class), inflight, auth_failures_total{reason}, limited_total
