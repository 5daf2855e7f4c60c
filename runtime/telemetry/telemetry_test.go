package telemetry

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// scrape returns the gwc lines of the text format, without comments.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var b strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "gwc_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// always are the lines that stand in every scrape.
const always = `gwc_inflight_requests 0
gwc_limited_total 0
gwc_panics_total 0
gwc_reloads_total{result="error"} 0
gwc_reloads_total{result="ok"} 0
gwc_tunnels 0
`

func TestScrapeShowsWhatWasCounted(t *testing.T) {
	tests := []struct {
		name string
		do   func(m *Metrics)
		want []string // lines that must be there
		not  []string // text that must not
	}{
		{
			name: "children that saw nothing have no series",
			do:   func(m *Metrics) { m.Route("petstore.listPets"); m.Target("openai", "gpt-5"); m.Route("") },
			want: []string{`gwc_inflight_requests 0`, `gwc_limited_total 0`, `gwc_reloads_total{result="ok"} 0`},
			not:  []string{"listPets", "gpt-5", "unmatched"},
		},
		{
			name: "an exchange is counted by route and class",
			do: func(m *Metrics) {
				r := m.Route("petstore.listPets")
				r.Observe(200, 3*time.Millisecond, 2*time.Millisecond, 10, 1000)
				r.Observe(204, 7*time.Millisecond, 2*time.Millisecond, 0, 0)
				r.Observe(404, time.Millisecond, 0, 0, 100)
				r.Observe(499, time.Millisecond, 0, -5, -5)
				r.Observe(0, -time.Second, -1, 0, 0)
				m.Route("").Observe(404, time.Microsecond, 0, 0, 0)
			},
			want: []string{
				`gwc_requests_total{code="2xx",route="petstore.listPets"} 2`,
				`gwc_requests_total{code="4xx",route="petstore.listPets"} 1`,
				`gwc_requests_total{code="499",route="petstore.listPets"} 1`,
				`gwc_requests_total{code="other",route="petstore.listPets"} 1`,
				`gwc_requests_total{code="4xx",route="unmatched"} 1`,
				`gwc_request_duration_seconds_bucket{route="petstore.listPets",le="0.0005"} 1`,
				`gwc_request_duration_seconds_bucket{route="petstore.listPets",le="0.001"} 3`,
				`gwc_request_duration_seconds_bucket{route="petstore.listPets",le="0.005"} 4`,
				`gwc_request_duration_seconds_bucket{route="petstore.listPets",le="0.01"} 5`,
				`gwc_request_duration_seconds_bucket{route="petstore.listPets",le="+Inf"} 5`,
				`gwc_request_duration_seconds_sum{route="petstore.listPets"} 0.012`,
				`gwc_request_duration_seconds_count{route="petstore.listPets"} 5`,
				`gwc_request_first_byte_seconds_count{route="petstore.listPets"} 2`,
				`gwc_request_body_bytes_total{route="petstore.listPets"} 10`,
				`gwc_response_body_bytes_total{route="petstore.listPets"} 1100`,
			},
			not: []string{`code="5xx"`, `first_byte_seconds_count{route="unmatched"}`},
		},
		{
			name: "an observation above all bounds is in +Inf only",
			do:   func(m *Metrics) { m.Route("ai.chat").Observe(200, time.Hour, time.Hour, 0, 0) },
			want: []string{
				`gwc_request_duration_seconds_bucket{route="ai.chat",le="300"} 0`,
				`gwc_request_duration_seconds_bucket{route="ai.chat",le="+Inf"} 1`,
			},
		},
		{
			name: "attempts and tokens of a target",
			do: func(m *Metrics) {
				a := m.Target("openai", "gpt-5")
				for _, o := range Outcomes() {
					a.Attempt(o, time.Second)
				}
				a.Attempt("made up by a caller", time.Second)
				a.Tokens(100, 20, 50, 0, 7)
				a.Tokens(1, -1, 0, 0, 0)
			},
			want: []string{
				`gwc_target_attempts_total{model="gpt-5",outcome="ok",provider="openai"} 1`,
				`gwc_target_attempts_total{model="gpt-5",outcome="429",provider="openai"} 1`,
				`gwc_target_attempts_total{model="gpt-5",outcome="aborted",provider="openai"} 1`,
				`gwc_target_attempts_total{model="gpt-5",outcome="other",provider="openai"} 1`,
				`gwc_target_attempt_duration_seconds_count{model="gpt-5",provider="openai"} 10`,
				`gwc_tokens_total{kind="input",model="gpt-5",provider="openai"} 101`,
				`gwc_tokens_total{kind="output",model="gpt-5",provider="openai"} 20`,
				`gwc_tokens_total{kind="cache_read",model="gpt-5",provider="openai"} 50`,
				`gwc_tokens_total{kind="reasoning",model="gpt-5",provider="openai"} 7`,
			},
			not: []string{"made up", "cache_write"},
		},
		{
			name: "an endpoint and its health",
			do: func(m *Metrics) {
				u := m.Upstream("petstore", "10.0.0.7:8080")
				u.Attempt("ok", time.Millisecond)
				u.Attempt("connect", time.Millisecond)
				u.SetHealthy(false)
				u.SetConns(5, 2)
				m.Upstream("petstore", "10.0.0.8:8080").AddConns(1, 1)
			},
			want: []string{
				`gwc_upstream_attempts_total{endpoint="10.0.0.7:8080",outcome="ok",upstream="petstore"} 1`,
				`gwc_upstream_attempts_total{endpoint="10.0.0.7:8080",outcome="connect",upstream="petstore"} 1`,
				`gwc_upstream_healthy{endpoint="10.0.0.7:8080",upstream="petstore"} 0`,
				`gwc_upstream_healthy{endpoint="10.0.0.8:8080",upstream="petstore"} 1`,
				`gwc_upstream_connections{endpoint="10.0.0.7:8080",state="busy",upstream="petstore"} 3`,
				`gwc_upstream_connections{endpoint="10.0.0.7:8080",state="idle",upstream="petstore"} 2`,
				`gwc_upstream_connections{endpoint="10.0.0.8:8080",state="busy",upstream="petstore"} 0`,
			},
		},
		{
			name: "the process and its artifact",
			do: func(m *Metrics) {
				m.Begin()
				m.Begin()
				m.End()
				m.Limited()
				m.Panicked()
				m.Refused("request_line")
				m.Refused("request_line")
				m.AuthFailed("unknown")
				m.Reloaded(nil)
				m.Reloaded(errors.New("truncated"))
				m.SnapshotLoaded("sha256:aa", time.UnixMilli(1795384500123))
				l := m.Listener("main")
				l.Opened()
				l.Opened()
				l.Closed()
				m.SetCallLog(func() CallLog { return CallLog{Records: 10, Dropped: 2, Errors: 1, Queued: 300} })
			},
			want: []string{
				`gwc_inflight_requests 1`, `gwc_limited_total 1`, `gwc_panics_total 1`,
				`gwc_refused_total{reason="request_line"} 2`, `gwc_auth_failures_total{reason="unknown"} 1`,
				`gwc_reloads_total{result="ok"} 1`, `gwc_reloads_total{result="error"} 1`,
				`gwc_snapshot_info{digest="sha256:aa"} 1`, `gwc_snapshot_loaded_timestamp_seconds 1.795384500123e+09`,
				`gwc_connections{listener="main"} 1`, `gwc_connections_total{listener="main"} 2`,
				`gwc_calllog_records_total 10`, `gwc_calllog_dropped_total 2`, `gwc_calllog_errors_total 1`, `gwc_calllog_queued_bytes 300`,
			},
		},
		{
			name: "a newer artifact replaces the older digest",
			do: func(m *Metrics) {
				m.SnapshotLoaded("sha256:aa", time.Unix(1, 0))
				m.SnapshotLoaded("sha256:bb", time.Unix(2, 0))
			},
			want: []string{`gwc_snapshot_info{digest="sha256:bb"} 1`},
			not:  []string{"sha256:aa"},
		},
		{
			name: "a name that is not UTF-8 does not break the scrape",
			do:   func(m *Metrics) { m.Route("a\xffb").Observe(200, 1, 1, 1, 1) },
			want: []string{"gwc_requests_total{code=\"2xx\",route=\"a\uFFFDb\"} 1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := New()
			tt.do(m)
			got := scrape(t, m)
			for _, w := range tt.want {
				if !strings.Contains("\n"+got, "\n"+w+"\n") {
					t.Errorf("no line %s in\n%s", w, got)
				}
			}
			for _, n := range tt.not {
				if strings.Contains(got, n) {
					t.Errorf("%s stands in\n%s", n, got)
				}
			}
		})
	}
}

func TestOutcome(t *testing.T) {
	for status, want := range map[int]string{200: "ok", 204: "ok", 304: "ok", 399: "ok", 400: "4xx", 404: "4xx", 428: "4xx", 429: "429", 430: "4xx", 500: "5xx", 529: "5xx", 599: "5xx"} {
		if got := Outcome(status); got != want {
			t.Errorf("Outcome(%d) = %q, want %q", status, got, want)
		}
		if i := outcomeIndex(want); outcomes[i] != want {
			t.Errorf("%q is counted as %q", want, outcomes[i])
		}
	}
}

func TestRetainDropsWhatTheSnapshotNoLongerHas(t *testing.T) {
	m := New()
	for _, id := range []string{"a", "b", ""} {
		m.Route(id).Observe(200, time.Millisecond, 0, 0, 0)
	}
	m.Target("p", "m").Attempt("ok", 1)
	m.Upstream("u", "e").Attempt("ok", 1)
	old := m.Route("a")
	m.Retain([]string{"b"}, nil, nil)
	old.Observe(200, time.Millisecond, 0, 0, 0) // an exchange on the older snapshot
	got := regexp.MustCompile(`(?m)^gwc_[a-z_]*_(total|healthy)\{.*$`).FindAllString(scrape(t, m), -1)
	want := []string{
		`gwc_reloads_total{result="error"} 0`, `gwc_reloads_total{result="ok"} 0`,
		`gwc_request_body_bytes_total{route="b"} 0`, `gwc_request_body_bytes_total{route="unmatched"} 0`,
		`gwc_requests_total{code="2xx",route="b"} 1`, `gwc_requests_total{code="2xx",route="unmatched"} 1`,
		`gwc_response_body_bytes_total{route="b"} 0`, `gwc_response_body_bytes_total{route="unmatched"} 0`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	m.Retain(nil, nil, nil)
	m.Route("a")
	if diff := cmp.Diff(always, dropRoutes(scrape(t, m))); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func dropRoutes(s string) string {
	return regexp.MustCompile(`(?m)^.*route="unmatched".*\n`).ReplaceAllString(s, "")
}

func TestReasonsAreBounded(t *testing.T) {
	m := New()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				m.Refused(fmt.Sprintf("r%d", i))
			}
		})
	}
	wg.Wait()
	got := scrape(t, m)
	if n := strings.Count(got, "gwc_refused_total{"); n != maxReasons+1 {
		t.Errorf("%d values of the reason label, want %d and \"other\"", n, maxReasons)
	}
	sum := 0
	for _, f := range regexp.MustCompile(`gwc_refused_total\{.*\} (\d+)`).FindAllStringSubmatch(got, -1) {
		var n int
		fmt.Sscan(f[1], &n)
		sum += n
	}
	if sum != 800 {
		t.Errorf("the values sum up to %d, want 800: some were lost", sum)
	}
}

func TestConcurrentObservationsAreAllCounted(t *testing.T) {
	m := New()
	var wg sync.WaitGroup
	const workers, each = 8, 2000
	for range workers {
		wg.Go(func() {
			r := m.Route("ai.chat")
			for range each {
				r.Observe(200, time.Millisecond, time.Millisecond, 1, 2)
				m.Target("openai", "gpt-5").Tokens(1, 1, 0, 0, 0)
			}
		})
	}
	for range 20 {
		scrape(t, m)
	}
	wg.Wait()
	got := scrape(t, m)
	for _, w := range []string{
		`gwc_requests_total{code="2xx",route="ai.chat"} 16000`,
		`gwc_request_duration_seconds_count{route="ai.chat"} 16000`,
		`gwc_request_duration_seconds_sum{route="ai.chat"} 16`,
		`gwc_response_body_bytes_total{route="ai.chat"} 32000`,
		`gwc_tokens_total{kind="input",model="gpt-5",provider="openai"} 16000`,
	} {
		if !strings.Contains(got, w+"\n") {
			t.Errorf("no line %s", w)
		}
	}
}

func TestObservationsDoNotAllocate(t *testing.T) {
	m := New()
	r, tg, u, l := m.Route("r"), m.Target("p", "m"), m.Upstream("u", "e"), m.Listener("main")
	if n := testing.AllocsPerRun(1000, func() {
		m.Begin()
		l.Opened()
		r.Observe(200, 3*time.Millisecond, time.Millisecond, 10, 20)
		tg.Attempt("5xx", time.Second)
		tg.Tokens(1, 2, 3, 4, 5)
		u.Attempt("ok", time.Millisecond)
		u.SetConns(1, 1)
		m.Refused("request_line")
		m.AuthFailed("unknown")
		m.Limited()
		l.Closed()
		m.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRouteObserve(b *testing.B) {
	r := New().Route("r")
	b.ReportAllocs()
	for b.Loop() {
		r.Observe(200, 1500*time.Microsecond, 1200*time.Microsecond, 100, 1000)
	}
}

func BenchmarkRouteObserveParallel(b *testing.B) {
	r := New().Route("r")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Observe(200, 1500*time.Microsecond, 1200*time.Microsecond, 100, 1000)
		}
	})
}

func BenchmarkTargetAttempt(b *testing.B) {
	t := New().Target("p", "m")
	b.ReportAllocs()
	for b.Loop() {
		t.Attempt("ok", 1500*time.Millisecond)
		t.Tokens(100, 20, 0, 0, 0)
	}
}

func BenchmarkScrape10000Routes(b *testing.B) {
	for _, used := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("%d used", used), func(b *testing.B) {
			m := New()
			for i := range 10_000 {
				r := m.Route(fmt.Sprintf("api%d.op", i))
				if i%(10_000/used) == 0 {
					r.Observe(200, time.Millisecond, time.Millisecond, 1, 1)
				}
			}
			h := m.Handler()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
			}
		})
	}
}
