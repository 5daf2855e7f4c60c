package prove

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// What the runtime does of itself, and no file says. A test holds these against it.
const (
	// MaxPause is the longest time that the runtime waits before it calls a target again.
	MaxPause = 2 * time.Second
	// MaxAttempts is how often the runtime calls servers for one exchange at most.
	MaxAttempts = 10
)

// limit decides whether each app has a limit that lets nothing pass which the demanded one would not.
func (s *search) limit() {
	want := s.a.Limit
	apps := s.apps(s.a.Apps)
	for _, app := range apps {
		a := &s.p.Apps[app]
		if slices.ContainsFunc(a.Limits, func(l artifact.Limit) bool { return within(l, want) }) {
			continue
		}
		what := fmt.Sprintf("app %q has no limit", s.m.App(app))
		if len(a.Limits) > 0 {
			what = fmt.Sprintf("app %q may make %s, not at most %s", s.m.App(app), limits(a.Limits), limitText(want))
		}
		s.bad(counterexample{what: what, at: func() []diag.Label { return s.limitsAt(app) }, witness: func() *Witness { return s.anything(app) }})
	}
	s.checked = count(len(apps), "app")
	s.help = []string{fmt.Sprintf("add limits: [{requests: %d, per: %q}], or name the app under \"unless\"", want.Requests, ir.Duration(want.Per))}
}

// within reports whether a limit lets nothing pass that another would not: neither more at once nor more in the long
// run.
func within(l, want artifact.Limit) bool {
	if l.Requests > want.Requests {
		return false
	}
	// l.Requests/l.Per <= want.Requests/want.Per
	h1, l1 := bits.Mul64(uint64(l.Requests), uint64(want.Per))
	h2, l2 := bits.Mul64(uint64(want.Requests), uint64(l.Per))
	return h1 < h2 || h1 == h2 && l1 <= l2
}

func limitText(l artifact.Limit) string {
	return fmt.Sprintf("%d per %s", l.Requests, ir.Duration(l.Per))
}

func limits(list []artifact.Limit) string {
	texts := make([]string, len(list))
	for i, l := range list {
		texts[i] = limitText(l)
	}
	return strings.Join(texts, " and ")
}

// limitsAt returns where an app's limits are said, or the app where it has none.
func (p *prover) limitsAt(app int) []diag.Label {
	a := &p.p.Apps[app]
	if at := p.p.Places.Key("tenants", p.p.Tenants[a.Tenant].Name, "apps", a.Name, "limits"); !at.IsZero() {
		return []diag.Label{{Span: at, Text: "its limits"}}
	}
	return []diag.Label{{Span: p.m.AppAt(app), Text: "the app"}}
}

// anything returns a request that the app may make.
func (p *prover) anything(app int) *Witness {
	for _, ref := range p.p.Apps[app].Models {
		if ref.Index >= 0 {
			return p.request(reach.Subject{Model: ref.Index}, app)
		}
	}
	for i := range p.p.Routes {
		if p.p.Routes[i].API >= 0 && p.p.Routes[i].Auth != "none" {
			return p.request(reach.Subject{Model: -1, Routes: []int{i}}, app)
		}
	}
	return nil
}

// unbounded is more than any bound.
const unbounded = math.MaxInt64

// most returns how many requests an app can make in any span of time, by the runtime's rule (package meter): a limit of
// N per window is a bucket of N that refills evenly, so that a span sees N at once and one more after each window/N.
func most(list []artifact.Limit, span time.Duration) int64 {
	least := int64(unbounded)
	for _, l := range list {
		n := max(l.Requests, 1)
		interval := (int64(l.Per) + n - 1) / n
		least = min(least, add(n, int64(span)/max(interval, 1)))
	}
	return least
}

// add and times saturate.
func add(a, b int64) int64 {
	if a > unbounded-b {
		return unbounded
	}
	return a + b
}

// expiry decides whether keys end, and soon enough.
func (s *search) expiry() {
	apps := s.apps(s.a.Apps)
	keys := 0
	// The last day that is allowed, to its end.
	day := s.Now.UTC().Truncate(24 * time.Hour)
	end := day.AddDate(0, 0, s.a.Days+1)
	for _, app := range apps {
		for _, i := range s.m.Keys(app, time.Time{}) {
			k := &s.p.Keys[i]
			keys++
			until := time.Unix(k.Expires, 0).UTC()
			if k.Expires != 0 && (s.Now.IsZero() || !until.After(end)) {
				continue
			}
			what := fmt.Sprintf("key %q of app %q never expires", k.ID, s.m.App(app))
			if k.Expires != 0 {
				what = fmt.Sprintf("key %q of app %q works until the end of %s, later than %s", k.ID, s.m.App(app),
					until.Add(-time.Second).Format(time.DateOnly), end.Add(-time.Second).Format(time.DateOnly))
			}
			s.bad(counterexample{
				what: what,
				at: func() []diag.Label {
					a := &s.p.Apps[app]
					path := []string{"tenants", s.p.Tenants[a.Tenant].Name, "apps", a.Name, "keys", strconv.Itoa(k.At)}
					if at := s.p.Places.Value(append(path, "expires")...); !at.IsZero() {
						return []diag.Label{{Span: at, Text: "it ends here"}}
					}
					return []diag.Label{{Span: s.p.Places.Value(append(path, "id")...), Text: "the key"}}
				},
				witness: func() *Witness {
					w := s.anything(app)
					if w == nil || s.Now.IsZero() {
						return nil
					}
					q := w.Request
					q.At = end.Unix()
					q, ok := s.view().As(q, s.m.App(app), k.ID)
					if !ok {
						return nil
					}
					return &Witness{q, s.view().Decide(q)}
				},
			})
		}
	}
	s.checked = count(keys, "key")
	if s.empty == "" && keys == 0 {
		s.empty = fmt.Sprintf("no app that is %s has a key", quoted(s.a.Apps))
	}
	s.help = []string{"give the key an expires, or make a new one with `gwc keys new TENANT/APP --expires DAY`"}
}

// targets decides where models may be.
func (s *search) targets() {
	models := s.subjects(s.a.Calls, func(x reach.Subject) bool { return x.Model >= 0 })
	for _, x := range models {
		m := &s.p.Models[x.Model]
		witness := func() *Witness { return s.show(x) }
		at := func(i int) diag.Span { return s.p.Places.Value("models", m.Name, "targets", strconv.Itoa(i)) }
		for i, t := range m.Targets {
			if s.a.Among == nil || slices.Contains(s.a.Among, t.Provider.Name) {
				continue
			}
			s.bad(counterexample{
				what:    fmt.Sprintf("target %d of model %q is at provider %q", i+1, m.Name, t.Provider.Name),
				at:      func() []diag.Label { return []diag.Label{{Span: at(i), Text: "the target"}} },
				witness: witness,
			})
		}
		if n, tried := s.providers(m); n < s.a.Providers {
			what := fmt.Sprintf("model %q tries %s, not %d", m.Name, count(n, "provider"), s.a.Providers)
			if tried < len(m.Targets) {
				what = fmt.Sprintf("model %q tries %s in %s, not %d", m.Name, count(n, "provider"), count(tried, "attempt"), s.a.Providers)
			}
			s.bad(counterexample{
				what: what,
				at: func() (l []diag.Label) {
					for i := range m.Targets {
						l = append(l, diag.Label{Span: at(i)})
					}
					return append(l, diag.Label{Span: s.p.Places.Key("models", m.Name, "retry"), Text: "when another target is tried"})
				},
				witness: witness,
			})
		}
	}
	s.checked = count(len(models), "model")
	s.help = []string{"change the targets of the model, or name it under \"unless\""}
}

// providers returns how many different servers a model tries, and in how many attempts at most. Two entries with one
// address are one server: they fail together.
func (p *prover) providers(m *ir.Model) (n, tried int) {
	tried = min(m.Retry.Attempts, len(m.Targets))
	if len(m.Retry.On) == 0 {
		tried = min(1, len(m.Targets))
	}
	seen := map[string]bool{}
	for _, t := range m.Targets[:tried] {
		if t.Provider.Index >= 0 {
			seen[server(p.p.Providers[t.Provider.Index].BaseURL)] = true
		}
	}
	return len(seen), tried
}

// timeout decides how long calls may take.
func (s *search) timeout() {
	subjects := s.subjects(s.a.Calls, func(x reach.Subject) bool {
		return x.Model >= 0 || s.m.Kind(x) == artifact.RouteAPI || s.m.Kind(x) == artifact.RoutePassthrough
	})
	for _, x := range subjects {
		d := s.longest(x)
		if d > 0 && d <= s.a.Most {
			continue
		}
		what := fmt.Sprintf("nothing bounds %s", s.m.Name(x))
		if d > 0 {
			what = fmt.Sprintf("%s may take %s", s.m.Name(x), ir.Duration(d))
		}
		s.bad(counterexample{
			what:    what,
			at:      func() []diag.Label { return s.timeoutAt(x) },
			witness: func() *Witness { return s.show(x) },
		})
	}
	s.checked = count(len(subjects), "call")
	s.help = []string{fmt.Sprintf("set policies: timeout: %q of the API or operation, or timeouts: total of the model or provider", ir.Duration(s.a.Most))}
}

// longest returns how long a call may take: of an operation the bound of the exchange, or of all the attempts that the
// runtime may make where a connection breaks; of a model all attempts with the pauses between rounds. An attempt on a
// connection that turns out to be closed before anything was sent takes no time. 0: nothing bounds it.
func (p *prover) longest(x reach.Subject) time.Duration {
	if x.Model < 0 {
		r := &p.p.Routes[x.Routes[0]]
		if r.Kind == artifact.RoutePassthrough {
			return p.p.Providers[r.Provider].Timeouts.Total * MaxAttempts
		}
		if r.API < 0 {
			return 0
		}
		total := time.Duration(0)
		if u := p.p.APIs[r.API].Upstream.Index; u >= 0 {
			total = p.p.Upstreams[u].Timeouts.Total * MaxAttempts
		}
		if r.Timeout > 0 && (total == 0 || r.Timeout < total) {
			return r.Timeout
		}
		return total
	}
	m := &p.p.Models[x.Model]
	attempts := max(1, m.Retry.Attempts)
	if len(m.Retry.On) == 0 {
		attempts = 1
	}
	sum := time.Duration(0)
	for i := range attempts {
		t := m.Targets[i%len(m.Targets)]
		total := m.Timeouts.Total
		if total == 0 && t.Provider.Index >= 0 {
			total = p.p.Providers[t.Provider.Index].Timeouts.Total
		}
		if total == 0 {
			return 0
		}
		if i >= len(m.Targets) {
			total += MaxPause
		}
		sum += total
	}
	return sum
}

// timeoutAt returns what bounds a call, or what could.
func (p *prover) timeoutAt(x reach.Subject) (l []diag.Label) {
	add := func(text string, path ...string) bool {
		at := p.p.Places.Value(path...)
		if !at.IsZero() {
			l = append(l, diag.Label{Span: at, Text: text})
		}
		return !at.IsZero()
	}
	if x.Model < 0 {
		r := &p.p.Routes[x.Routes[0]]
		if r.Kind == artifact.RoutePassthrough {
			add("bounds the attempt", "providers", p.p.Providers[r.Provider].Name, "timeouts", "total")
			return append(l, diag.Label{Span: r.Origin, Text: "the provider"})
		}
		api := &p.p.APIs[r.API]
		if !add("bounds the exchange", "apis", api.Name, "operations", r.Operation, "policies", "timeout") {
			add("bounds the exchange", "apis", api.Name, "policies", "timeout")
		}
		add("bounds the attempt", "upstreams", api.Upstream.Name, "timeouts", "total")
		return append(l, diag.Label{Span: r.Origin, Text: "the operation"})
	}
	m := &p.p.Models[x.Model]
	if !add("bounds each attempt", "models", m.Name, "timeouts", "total") {
		for _, t := range m.Targets {
			add("bounds its attempts", "providers", t.Provider.Name, "timeouts", "total")
		}
	}
	add("how many attempts there are", "models", m.Name, "retry", "attempts")
	return append(l, diag.Label{Span: p.m.At(x), Text: "the model"})
}
