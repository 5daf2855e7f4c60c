package meter

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// at is an instant of virtual time.
func at(d time.Duration) int64 { return int64(1e18) + int64(d) }

// drain takes until the limiter refuses and returns how many passed.
func drain(l *Limiter, now int64) int {
	for n := 0; ; n++ {
		if r := l.Take(now); !r.Allowed || n > 1e6 {
			return n
		}
	}
}

func TestTake(t *testing.T) {
	type step struct {
		at   time.Duration
		want Result
	}
	minute := Limit{Requests: 3, Per: time.Minute}
	second := Limit{Requests: 1, Per: time.Second}
	tests := []struct {
		name   string
		limits []Limit
		steps  []step
	}{
		{"without limits everything passes", nil, []step{{0, Result{Allowed: true}}, {0, Result{Allowed: true}}}},
		{"as many at once as the limit says, then one for each part of the window", []Limit{minute}, []step{
			{0, Result{Allowed: true, Limit: minute, Remaining: 2, Reset: 20 * time.Second}},
			{0, Result{Allowed: true, Limit: minute, Remaining: 1, Reset: 40 * time.Second}},
			{0, Result{Allowed: true, Limit: minute, Remaining: 0, Reset: time.Minute}},
			{0, Result{Limit: minute, Reset: time.Minute, RetryAfter: 20 * time.Second}},
			{20*time.Second - 1, Result{Limit: minute, Reset: 40*time.Second + 1, RetryAfter: 1}},
			{20 * time.Second, Result{Allowed: true, Limit: minute, Reset: time.Minute}},
			{20 * time.Second, Result{Limit: minute, Reset: time.Minute, RetryAfter: 20 * time.Second}},
			{time.Hour, Result{Allowed: true, Limit: minute, Remaining: 2, Reset: 20 * time.Second}},
		}},
		{"the limit that refuses is the one that speaks, and the other gives nothing", []Limit{minute, second}, []step{
			{0, Result{Allowed: true, Limit: second, Remaining: 0, Reset: time.Second}},
			{0, Result{Limit: second, Reset: time.Second, RetryAfter: time.Second}},
			{0, Result{Limit: second, Reset: time.Second, RetryAfter: time.Second}},
			{time.Second, Result{Allowed: true, Limit: second, Remaining: 0, Reset: time.Second}},
			{2 * time.Second, Result{Allowed: true, Limit: minute, Remaining: 0, Reset: 58 * time.Second}},
			{2 * time.Second, Result{Limit: minute, Reset: 58 * time.Second, RetryAfter: 18 * time.Second}},
		}},
		{"a clock that went back admits at most less", []Limit{second}, []step{
			{time.Second, Result{Allowed: true, Limit: second, Reset: time.Second}},
			{0, Result{Limit: second, Reset: 2 * time.Second, RetryAfter: 2 * time.Second}},
		}},
		{"a clock that was set back by an hour costs a window, not an hour", []Limit{minute}, []step{
			{time.Hour, Result{Allowed: true, Limit: minute, Remaining: 2, Reset: 20 * time.Second}},
			{0, Result{Limit: minute, Reset: time.Minute, RetryAfter: 20 * time.Second}},
			{20 * time.Second, Result{Allowed: true, Limit: minute, Reset: time.Minute}},
			{2 * time.Minute, Result{Allowed: true, Limit: minute, Remaining: 2, Reset: 20 * time.Second}},
		}},
		{"nonsense is bounded", []Limit{{Requests: -5, Per: -5}}, []step{
			{0, Result{Allowed: true, Limit: Limit{1, 1}, Reset: 1}},
			{0, Result{Limit: Limit{1, 1}, Reset: 1, RetryAfter: 1}},
			{1, Result{Allowed: true, Limit: Limit{1, 1}, Reset: 1}},
		}},
		{"the largest limit does not overflow", []Limit{{Requests: math.MaxInt64, Per: math.MaxInt64}}, []step{
			{0, Result{Allowed: true, Limit: Limit{MaxRequests, MaxPer}, Remaining: MaxRequests - 1, Reset: 32}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := new(Meter).Bind("acme/web", tt.limits)
			for i, s := range tt.steps {
				if diff := cmp.Diff(s.want, l.Take(at(s.at)), cmpopts.IgnoreUnexported(Result{})); diff != "" {
					t.Fatalf("step %d: mismatch (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestNilLimiterLetsPass(t *testing.T) {
	var l *Limiter
	r := l.Take(0)
	if !r.Allowed || r.Text() != "" || l.Policy() != "" || len(r.AppendFields(nil)) != 0 || len(r.AppendRateLimit(nil)) != 0 {
		t.Errorf("a nil limiter says %+v", r)
	}
}

func TestEditedLimits(t *testing.T) {
	tests := []struct {
		name          string
		before, after []Limit
		use           int           // before the edit
		later         time.Duration // between the last use and the edit
		want          int           // that still pass at once
	}{
		{"the same limit goes on", []Limit{{100, time.Minute}}, []Limit{{100, time.Minute}}, 80, 0, 20},
		{"a higher limit keeps what was used", []Limit{{100, time.Minute}}, []Limit{{200, time.Minute}}, 80, 0, 120},
		{"a lower limit keeps what was used", []Limit{{100, time.Minute}}, []Limit{{90, time.Minute}}, 80, 0, 10},
		{"a limit below what was used refuses", []Limit{{100, time.Minute}}, []Limit{{50, time.Minute}}, 80, 0, 0},
		{"a longer window keeps what was used", []Limit{{100, time.Minute}}, []Limit{{100, time.Hour}}, 80, 0, 20},
		{"a shorter window keeps what was used", []Limit{{100, time.Hour}}, []Limit{{100, time.Second}}, 80, 0, 20},
		{"both edited", []Limit{{100, time.Hour}}, []Limit{{7, 11 * time.Second}}, 5, 0, 2},
		{"what has refilled is not used", []Limit{{60, time.Minute}}, []Limit{{120, time.Minute}}, 60, 30 * time.Second, 90},
		{"a limit beside it starts full", []Limit{{100, time.Minute}}, []Limit{{100, time.Minute}, {50, time.Hour}}, 80, 0, 20},
		{"the order does not matter", []Limit{{100, time.Minute}, {1000, time.Hour}}, []Limit{{90, time.Hour}, {100, time.Minute}}, 80, 0, 10},
		{"a limit that goes leaves the other alone", []Limit{{100, time.Minute}, {1000, time.Hour}}, []Limit{{1000, time.Hour}}, 80, 0, 920},
		{"a huge limit becomes small", []Limit{{MaxRequests, MaxPer}}, []Limit{{10, MaxPer}}, 5, 0, 5},
		{"a fast one becomes slow", []Limit{{1e9, time.Second}}, []Limit{{1000, MaxPer}}, 600, 0, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Meter
			l := m.Bind("acme/web", tt.before)
			for i := range tt.use {
				if r := l.Take(at(0)); !r.Allowed {
					t.Fatalf("request %d was refused before the edit", i)
				}
			}
			l = m.Bind("acme/web", tt.after)
			if got := drain(l, at(tt.later)); got != tt.want {
				t.Errorf("%d passed after the edit, want %d", got, tt.want)
			}
		})
	}
}

func TestLoweredLimitHoldsForOneWindowOnly(t *testing.T) {
	var m Meter
	drain(m.Bind("acme/web", []Limit{{1000, time.Hour}}), at(0))
	l := m.Bind("acme/web", []Limit{{10, time.Hour}})
	if r := l.Take(at(0)); r.Allowed || r.RetryAfter != 6*time.Minute {
		t.Errorf("after 1000 of then 10 were used: %+v, want a wait of a tenth of the window", r)
	}
	if got := drain(l, at(time.Hour)); got != 10 {
		t.Errorf("%d passed after a window, want 10", got)
	}
}

func TestSnapshotThatFailsToLoadChangesNothing(t *testing.T) {
	var m Meter
	l := m.Bind("acme/web", []Limit{{10, time.Minute}})
	for range 4 {
		l.Take(at(0))
	}
	m.Bind("acme/web", []Limit{{1, time.Hour}, {1, time.Second}}) // bound, then thrown away
	if got := drain(l, at(0)); got != 6 {
		t.Errorf("%d passed, want 6", got)
	}
}

func TestExchangesOfTwoSnapshotsShareOneCount(t *testing.T) {
	var m Meter
	older := m.Bind("acme/web", []Limit{{10, time.Minute}})
	newer := m.Bind("acme/web", []Limit{{20, time.Minute}})
	passed := 0
	for i := range 40 {
		l := newer
		if i%2 == 0 {
			l = older
		}
		if r := l.Take(at(0)); r.Allowed {
			passed++
		}
	}
	if passed != 20 {
		t.Errorf("%d passed, want the newer limit's 20", passed)
	}
}

func TestRetain(t *testing.T) {
	var m Meter
	gone := m.Bind("acme/gone", []Limit{{10, time.Minute}})
	kept := m.Bind("acme/kept", []Limit{{10, time.Minute}})
	m.Bind("acme/idle", []Limit{{10, time.Minute}})
	drain(gone, at(0))
	drain(kept, at(0))
	m.Retain([]string{"acme/kept"}, at(0))
	if got := m.Len(); got != 2 {
		t.Errorf("%d apps are held, want the kept one and the one that has used something", got)
	}
	if got := drain(m.Bind("acme/gone", []Limit{{10, time.Minute}}), at(0)); got != 0 {
		t.Errorf("an app that came back had %d requests, want 0", got)
	}
	m.Retain([]string{"acme/kept"}, at(time.Minute))
	if got := m.Len(); got != 1 {
		t.Errorf("%d apps are held after a window, want 1", got)
	}
}

// model is a bucket by other means: a level that is filled up as time passes.
type model struct {
	level, depth, interval, last int64
}

func newModel(l Limit) *model {
	interval := (int64(l.Per) + l.Requests - 1) / l.Requests
	d := interval * l.Requests
	return &model{level: d, depth: d, interval: interval, last: math.MinInt64}
}

func (m *model) fill(now int64) {
	if m.last != math.MinInt64 {
		m.level = min(m.level+(now-m.last), m.depth)
	}
	m.last = now
}

func TestTakeAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Limit {
			return Limit{Requests: rapid.Int64Range(1, 12).Draw(t, "requests"), Per: time.Duration(rapid.Int64Range(1, 100).Draw(t, "per"))}
		}), 1, 3).Draw(t, "limits")
		l := new(Meter).Bind("acme/web", limits)
		models := make([]*model, len(limits))
		for i := range limits {
			models[i] = newModel(limits[i])
		}
		now := at(0)
		var passed []int64
		for range rapid.IntRange(1, 120).Draw(t, "n") {
			now += rapid.Int64Range(0, 30).Draw(t, "step")
			ok := true
			wait := int64(0)
			for _, m := range models {
				m.fill(now)
				if m.level < m.interval {
					ok = false
					wait = max(wait, m.interval-m.level)
				}
			}
			left := int64(math.MaxInt64)
			if ok {
				for _, m := range models {
					m.level -= m.interval
					left = min(left, m.level/m.interval)
				}
				passed = append(passed, now)
			} else {
				left = 0
			}
			r := l.Take(now)
			if r.Allowed != ok || r.Remaining != left || int64(r.RetryAfter) != wait {
				t.Fatalf("at %d: got %+v, want allowed %v, remaining %d, wait %d", now, r, ok, left, wait)
			}
			if r.Reset < r.RetryAfter {
				t.Fatalf("everything is back in %d, but the next request in %d", r.Reset, r.RetryAfter)
			}
		}
		// The promise in the package's words: at most N at once, and in any span at most N + N·span/window.
		for i := range passed {
			for j := i; j < len(passed); j++ {
				span, n := passed[j]-passed[i], int64(j-i+1)
				for _, lim := range limits {
					if bound := lim.Requests + lim.Requests*span/int64(lim.Per); n > bound {
						t.Fatalf("%d passed in %d ns, limit %+v allows %d", n, span, lim, bound)
					}
				}
			}
		}
	})
}

// TestEditsNeverGiveBack raises limits at random: a request never passes that would not have passed, had the limit
// always been the last one. (Lowering forgets what exceeds the lower limit; TestEditedLimits has it.)
func TestEditsNeverGiveBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const per = 1000
		var m Meter
		most := rapid.Int64Range(2, 50).Draw(t, "most")
		top := newModel(Limit{most, per})
		now := at(0)
		limit := int64(1)
		for range rapid.IntRange(1, 20).Draw(t, "edits") {
			limit = rapid.Int64Range(limit, most).Draw(t, "requests")
			l := m.Bind("acme/web", []Limit{{limit, per}})
			for range rapid.IntRange(0, 20).Draw(t, "n") {
				now += rapid.Int64Range(0, 50).Draw(t, "step")
				top.fill(now)
				if !l.Take(now).Allowed {
					continue
				}
				if top.level < top.interval {
					t.Fatalf("a request passed at %d beyond what %d per %d allows", now, most, per)
				}
				top.level -= top.interval
			}
		}
	})
}

func TestConcurrentRequestsNeverExceedTheLimit(t *testing.T) {
	var m Meter
	const n = 1000
	limits := []Limit{{n, time.Minute}, {5 * n, time.Hour}}
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		l := m.Bind("acme/web", limits)
		wg.Go(func() {
			for range n {
				if r := l.Take(at(0)); r.Allowed {
					passed.Add(1)
				} else if r.Remaining != 0 || r.RetryAfter <= 0 {
					t.Errorf("a refusal says %+v", r)
				}
			}
		})
	}
	for range 50 {
		m.Bind("acme/web", limits) // reloads beside the traffic
		m.Retain([]string{"acme/web"}, at(0))
	}
	wg.Wait()
	if got := passed.Load(); got != n {
		t.Errorf("%d passed, want %d", got, n)
	}
	if got := drain(m.Bind("acme/web", limits[1:]), at(0)); got != 4*n {
		t.Errorf("%d are left of the longer window, want %d: refused requests used it", got, 4*n)
	}
}

func TestFields(t *testing.T) {
	tests := []struct {
		name   string
		limits []Limit
		takes  int
		text   string
		want   string
	}{
		{"one limit", []Limit{{600, time.Minute}}, 1, "600 per 1m",
			"RateLimit-Policy: \"1m\";q=600;w=60\r\nRateLimit: \"1m\";r=599;t=1\r\n"},
		{"a refusal", []Limit{{2, time.Minute}}, 3, "2 per 1m",
			"RateLimit-Policy: \"1m\";q=2;w=60\r\nRateLimit: \"1m\";r=0;t=30\r\n" +
				"RateLimit-Limit: 2\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 30\r\nRetry-After: 30\r\n"},
		{"a refusal for less than a second asks for one", []Limit{{100, time.Second}}, 101, "100 per 1s",
			"RateLimit-Policy: \"1s\";q=100;w=1\r\nRateLimit: \"1s\";r=0;t=1\r\n" +
				"RateLimit-Limit: 100\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 1\r\nRetry-After: 1\r\n"},
		{"several limits", []Limit{{100, time.Second}, {1000, time.Hour}, {90, 90 * time.Minute}}, 2, "90 per 1h30m",
			"RateLimit-Policy: \"1s\";q=100;w=1, \"1h\";q=1000;w=3600, \"1h30m\";q=90;w=5400\r\nRateLimit: \"1h30m\";r=88;t=120\r\n"},
		{"two limits of one window have names of their own", []Limit{{5, time.Second}, {9, time.Second}}, 1, "5 per 1s",
			"RateLimit-Policy: \"1s\";q=5;w=1, \"1s-2\";q=9;w=1\r\nRateLimit: \"1s\";r=4;t=1\r\n"},
		{"a window below a second has no w", []Limit{{5, 100 * time.Microsecond}}, 1, "5 per 100µs",
			"RateLimit-Policy: \"100us\";q=5\r\nRateLimit: \"100us\";r=4;t=1\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := new(Meter).Bind("acme/web", tt.limits)
			var r Result
			for range tt.takes {
				r = l.Take(at(0))
			}
			if diff := cmp.Diff(tt.want, string(r.AppendFields(nil))); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if got := r.Text(); got != tt.text {
				t.Errorf("the limit is called %q, want %q", got, tt.text)
			}
		})
	}
}

func TestTakeDoesNotAllocate(t *testing.T) {
	l := new(Meter).Bind("acme/web", []Limit{{100, time.Second}, {600, time.Minute}})
	buf := make([]byte, 0, 256)
	now := at(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 1000
		r := l.Take(now)
		buf = r.AppendFields(buf[:0])
		_ = r.Text()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(buf) == 0 || cap(buf) != 256 {
		t.Errorf("the fields took %d bytes", len(buf))
	}
}

func BenchmarkTake(b *testing.B) {
	for n := 1; n <= 3; n++ {
		b.Run(fmt.Sprintf("%d limits", n), func(b *testing.B) {
			l := new(Meter).Bind("acme/web", []Limit{{1e6, time.Second}, {6e7, time.Minute}, {1e10, time.Hour}}[:n])
			now := at(0)
			b.ReportAllocs()
			for b.Loop() {
				now += 1000
				l.Take(now)
			}
		})
	}
}

func BenchmarkTakeParallel(b *testing.B) {
	l := new(Meter).Bind("acme/web", []Limit{{1e6, time.Second}})
	b.RunParallel(func(pb *testing.PB) {
		now := at(0)
		for pb.Next() {
			now += 1000
			l.Take(now)
		}
	})
}

func BenchmarkAppendFields(b *testing.B) {
	l := new(Meter).Bind("acme/web", []Limit{{1e6, time.Second}})
	r := l.Take(at(0))
	buf := make([]byte, 0, 256)
	for b.Loop() {
		buf = r.AppendFields(buf[:0])
	}
}
