package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds are the upper bounds of the duration histograms: fine at the bottom, where a proxied call ends, and up to
// five minutes, where an answer of a model ends.
var bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 20 * time.Second,
	30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
}

// histogram counts durations. The number of observations is the sum of the counts, so that an observation is two
// atomic additions. A scrape that runs beside an observation may see one of the two; both only grow.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64 // the last is above all bounds
	sum    atomic.Int64                   // ns
}

// observe counts d; a negative one, which only a clock that went back gives, counts as 0. No allocation.
func (h *histogram) observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// metric returns what was observed so far, or nil for nothing.
func (h *histogram) metric(desc *prometheus.Desc, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(bounds))
	n := uint64(0)
	for i := range bounds {
		n += h.counts[i].Load()
		buckets[bounds[i].Seconds()] = n
	}
	n += h.counts[len(bounds)].Load()
	if n == 0 {
		return nil
	}
	return prometheus.MustNewConstHistogram(desc, n, time.Duration(h.sum.Load()).Seconds(), buckets, labels...)
}
