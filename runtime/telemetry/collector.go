package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("gwc_"+name, help, labels, nil)
}

// The metrics. docs/metrics.md has a row for each; a test compares.
var (
	requestsDesc       = desc("requests_total", "Exchanges that are over, by route and class of the status sent to the client.", "route", "code")
	durationDesc       = desc("request_duration_seconds", "From the complete head of a request to the end of its answer.", "route")
	firstByteDesc      = desc("request_first_byte_seconds", "From the complete head of a request to the first byte of its answer.", "route")
	bytesInDesc        = desc("request_body_bytes_total", "Body bytes received from clients.", "route")
	bytesOutDesc       = desc("response_body_bytes_total", "Body bytes sent to clients.", "route")
	targetAttemptsDesc = desc("target_attempts_total", "Attempts at a target of AI models, by outcome.", "provider", "model", "outcome")
	targetDurationDesc = desc("target_attempt_duration_seconds", "How long attempts at a target took.", "provider", "model")
	tokensDesc         = desc("tokens_total", "Tokens that providers reported, by kind; input includes the cache kinds, output includes reasoning.", "provider", "model", "kind")
	costDesc           = desc("cost_usd_total", "What attempts at a target cost, by the artifact's prices; estimate tells whether it rests on a guess.", "provider", "model", "estimate")
	unpricedDesc       = desc("unpriced_total", "Attempts at a target that used tokens which have no price.", "provider", "model")
	upAttemptsDesc     = desc("upstream_attempts_total", "Attempts at an endpoint of an upstream, by outcome.", "upstream", "endpoint", "outcome")
	upDurationDesc     = desc("upstream_attempt_duration_seconds", "How long attempts at an endpoint took.", "upstream", "endpoint")
	upHealthyDesc      = desc("upstream_healthy", "1 while an endpoint is in use, 0 while it is left out.", "upstream", "endpoint")
	upConnectionsDesc  = desc("upstream_connections", "Connections to an endpoint, by state.", "upstream", "endpoint", "state")
	connectionsDesc    = desc("connections", "Client connections that are open.", "listener")
	connectionsTotal   = desc("connections_total", "Client connections that were accepted.", "listener")
	inflightDesc       = desc("inflight_requests", "Exchanges that are under way.")
	tunnelsDesc        = desc("tunnels", "WebSocket tunnels that are open.")
	messagesDesc       = desc("tunnel_messages_total", "Messages that went through WebSocket tunnels, by who sent them.", "from")
	refusedDesc        = desc("refused_total", "Requests and connections that were refused before routing, by reason.", "reason")
	authFailuresDesc   = desc("auth_failures_total", "Exchanges that were refused for want of a valid key, by reason.", "reason")
	limitedDesc        = desc("limited_total", "Exchanges that a limit refused.")
	panicsDesc         = desc("panics_total", "Panics that were contained: bugs in gwc.")
	reloadsDesc        = desc("reloads_total", "Tries to load an artifact, by result.", "result")
	reloadFailuresDesc = desc("reload_failures_total", "Artifacts that were not loaded, by reason.", "reason")
	infoDesc           = desc("snapshot_info", "1 for the digest of the artifact in use.", "digest")
	loadedDesc         = desc("snapshot_loaded_timestamp_seconds", "When the artifact in use was loaded.")
	logRecordsDesc     = desc("calllog_records_total", "Call records that the call log took.")
	logDroppedDesc     = desc("calllog_dropped_total", "Call records that were lost because the disk did not keep up.")
	logErrorsDesc      = desc("calllog_errors_total", "Writes of the call log that failed.")
	logQueuedDesc      = desc("calllog_queued_bytes", "Bytes of call records that wait in memory.")
)

var descs = []*prometheus.Desc{
	requestsDesc, durationDesc, firstByteDesc, bytesInDesc, bytesOutDesc,
	targetAttemptsDesc, targetDurationDesc, tokensDesc, costDesc, unpricedDesc,
	upAttemptsDesc, upDurationDesc, upHealthyDesc, upConnectionsDesc,
	connectionsDesc, connectionsTotal, inflightDesc, tunnelsDesc, messagesDesc, refusedDesc, authFailuresDesc, limitedDesc, panicsDesc,
	reloadsDesc, reloadFailuresDesc, infoDesc, loadedDesc,
	logRecordsDesc, logDroppedDesc, logErrorsDesc, logQueuedDesc,
}

// collector shows the counts of Metrics to the registry.
type collector Metrics

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descs {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	e := emitter(to)
	m := (*Metrics)(c)
	// Metrics are sent over a channel that the registry may be slow to read, so the lock is not held meanwhile: what
	// is shown is what was bound at this moment.
	m.mu.RLock()
	routes, targets := clone(m.routes), clone(m.targets)
	upstreams, listeners := clone(m.upstreams), clone(m.listeners)
	digest, loadedAt, callLog := m.digest, m.loadedAt, m.callLog
	m.mu.RUnlock()

	for _, p := range routes {
		r := p.v.c.p.Load()
		if r == nil {
			continue
		}
		for i := range r.codes {
			e.nonzero(requestsDesc, &r.codes[i], p.k, codes[i])
		}
		e.histogram(durationDesc, &r.duration, p.k)
		e.histogram(firstByteDesc, &r.firstByte, p.k)
		e.counter(bytesInDesc, r.in.Load(), p.k)
		e.counter(bytesOutDesc, r.out.Load(), p.k)
	}
	for _, p := range targets {
		t := p.v.c.p.Load()
		if t == nil {
			continue
		}
		for i := range t.attempts.outcomes {
			e.nonzero(targetAttemptsDesc, &t.attempts.outcomes[i], p.k.Provider, p.k.Model, outcomes[i])
		}
		e.histogram(targetDurationDesc, &t.attempts.duration, p.k.Provider, p.k.Model)
		for i := range t.tokens {
			e.nonzero(tokensDesc, &t.tokens[i], p.k.Provider, p.k.Model, tokenKinds[i])
		}
		for i, estimate := range [...]string{"false", "true"} {
			if pico := t.cost[i].Load(); pico > 0 {
				e <- prometheus.MustNewConstMetric(costDesc, prometheus.CounterValue, float64(pico)/1e12, p.k.Provider, p.k.Model, estimate)
			}
		}
		e.nonzero(unpricedDesc, &t.unpriced, p.k.Provider, p.k.Model)
	}
	for _, p := range upstreams {
		up := 1.0
		if p.v.down.Load() {
			up = 0
		}
		e.gauge(upHealthyDesc, up, p.k.Name, p.k.Endpoint)
		open, idle := p.v.open.Load(), p.v.idle.Load()
		e.gauge(upConnectionsDesc, float64(idle), p.k.Name, p.k.Endpoint, "idle")
		e.gauge(upConnectionsDesc, float64(max(open-idle, 0)), p.k.Name, p.k.Endpoint, "busy")
		a := p.v.c.p.Load()
		if a == nil {
			continue
		}
		for i := range a.outcomes {
			e.nonzero(upAttemptsDesc, &a.outcomes[i], p.k.Name, p.k.Endpoint, outcomes[i])
		}
		e.histogram(upDurationDesc, &a.duration, p.k.Name, p.k.Endpoint)
	}
	for _, p := range listeners {
		e.gauge(connectionsDesc, float64(p.v.open.Load()), p.k)
		e.counter(connectionsTotal, p.v.opened.Load(), p.k)
	}
	e.gauge(inflightDesc, float64(m.inflight.Load()))
	e.gauge(tunnelsDesc, float64(m.tunnels.Load()))
	e.nonzero(messagesDesc, &m.messages[0], "client")
	e.nonzero(messagesDesc, &m.messages[1], "provider")
	e.reasons(refusedDesc, &m.refused)
	e.reasons(authFailuresDesc, &m.authFailures)
	e.counter(limitedDesc, m.limited.Load())
	e.counter(panicsDesc, m.panics.Load())
	e.counter(reloadsDesc, m.reloads[0].Load(), "ok")
	e.counter(reloadsDesc, m.reloads[1].Load(), "error")
	e.reasons(reloadFailuresDesc, &m.reloadFailures)
	if digest != "" {
		e.gauge(infoDesc, 1, digest)
		e.gauge(loadedDesc, float64(loadedAt.UnixMilli())/1000)
	}
	if callLog != nil {
		s := callLog()
		e.counter(logRecordsDesc, s.Records)
		e.counter(logDroppedDesc, s.Dropped)
		e.counter(logErrorsDesc, s.Errors)
		e.gauge(logQueuedDesc, float64(s.Queued))
	}
}

type pair[K comparable, V any] struct {
	k K
	v *V
}

func clone[K comparable, V any](m map[K]*V) []pair[K, V] {
	l := make([]pair[K, V], 0, len(m))
	for k, v := range m {
		l = append(l, pair[K, V]{k, v})
	}
	return l
}

type emitter chan<- prometheus.Metric

func (e emitter) counter(d *prometheus.Desc, n uint64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// nonzero leaves out a combination of labels that never happened.
func (e emitter) nonzero(d *prometheus.Desc, n *atomic.Uint64, labels ...string) {
	if n := n.Load(); n > 0 {
		e.counter(d, n, labels...)
	}
}

func (e emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e emitter) histogram(d *prometheus.Desc, h *histogram, labels ...string) {
	if m := h.metric(d, labels...); m != nil {
		e <- m
	}
}

func (e emitter) reasons(d *prometheus.Desc, r *reasons) {
	if m := r.m.Load(); m != nil {
		for reason, n := range *m {
			e.counter(d, n.Load(), reason)
		}
	}
}

var _ prometheus.Collector = (*collector)(nil)
