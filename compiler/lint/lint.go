// Package lint holds opinions about a program that is correct: what is open, what cannot work well, what will stop
// working soon. All of them are warnings, each with a code of its own.
//
// A linked program and the time enter; a report leaves. The time is an argument because stages never read the clock:
// it judges expiries here and enters nothing else. Rules are functions in one table; a rule looks at one kind of
// definition, skips what link could not resolve, and says only what the files alone prove.
package lint

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of this stage. Each has its page in schema/rules.
const (
	codeOpenMutation diag.Code = "GWC4101" // anybody may call an operation that changes something
	codeClearText    diag.Code = "GWC4102" // credentials go out in clear text
	codeExpired      diag.Code = "GWC4103" // a key that no longer works
	codeExpiring     diag.Code = "GWC4104" // a key that will stop working soon
	codeOpenAdmin    diag.Code = "GWC4105" // the admin listener can be reached from outside
	codeIdleRetry    diag.Code = "GWC5101" // a retry that never happens
	codeUnreached    diag.Code = "GWC5102" // targets that no attempt reaches
	codeSameTarget   diag.Code = "GWC5103" // a target twice
	codeTimeoutOrder diag.Code = "GWC5104" // a timeout that another one makes void
	codeSameEndpoint diag.Code = "GWC5106" // an endpoint twice
	codeLoop         diag.Code = "GWC5107" // an upstream or a provider that is this gateway
)

// soon is how long before its expiry a key is warned about.
const soon = 14 * 24 * time.Hour

// rules are run in this order; the report is sorted by place anyhow.
var rules = []func(*linter){
	(*linter).openMutation, (*linter).clearText, (*linter).expiry, (*linter).openAdmin,
	(*linter).attempts, (*linter).sameTarget, (*linter).timeouts, (*linter).endpoints, (*linter).loop, (*linter).models,
	(*linter).clearListener, (*linter).openListener, (*linter).clearUpstream, (*linter).oneSecret, (*linter).policies, (*linter).coveredHosts, (*linter).idleWeights, (*linter).serverPaths,
	(*linter).promptLocks, (*linter).promptTold, (*linter).promptCaching,
	(*linter).sharedAccounts, (*linter).passthroughLocks,
}

// Lint judges a linked program at a time. Where now is zero, nothing is said of expiries.
func Lint(p *ir.Program, now time.Time) diag.Report {
	l := linter{p: p, now: now}
	for _, rule := range rules {
		rule(&l)
	}
	return l.report
}

type linter struct {
	p      *ir.Program
	now    time.Time
	report diag.Report
}

func (l *linter) warn(code diag.Code, path []string, d diag.Diagnostic) {
	d.Code, d.Severity, d.Path = code, diag.Warning, path
	if d.Primary.Span.IsZero() {
		d.Primary.Span = l.at(path)
	}
	l.report.Add(d)
}

// at is the place of a data path's value, or of the nearest thing above it that stands in a file: a default has no
// place of its own.
func (l *linter) at(path []string) diag.Span {
	if s := l.p.Places.Value(path...); !s.IsZero() {
		return s
	}
	for n := len(path); n > 0; n-- {
		if s := l.p.Places.Key(path[:n]...); !s.IsZero() {
			return s
		}
	}
	return diag.Span{}
}

// openMutation: an operation that changes something and asks for no key. Operations of one API are one finding where
// the API's own policy opens them.
func (l *linter) openMutation() {
	type group struct {
		path []string
		ops  []string
		at   diag.Span
	}
	groups := map[string]*group{}
	var order []string
	for i := range l.p.Routes {
		r := &l.p.Routes[i]
		if r.Auth != "none" || r.API < 0 || !slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, r.Method) {
			continue
		}
		api := l.p.APIs[r.API].Name
		path := []string{"apis", api, "operations", r.Operation, "policies", "auth"}
		if l.p.Places.Value(path...).IsZero() {
			path = []string{"apis", api, "policies", "auth"}
		}
		k := strings.Join(path, "\x00")
		g := groups[k]
		if g == nil {
			g = &group{path: path, at: r.Origin}
			groups[k] = g
			order = append(order, k)
		}
		op := fmt.Sprintf("%s %s", r.Method, r.Path)
		if !slices.Contains(g.ops, op) {
			g.ops = append(g.ops, op)
		}
	}
	for _, k := range order {
		g := groups[k]
		d := diag.Diagnostic{Secondary: []diag.Label{{Span: g.at, Text: g.ops[0]}},
			Help: []string{`leave "auth" out, so that a key is needed`}}
		if len(g.ops) == 1 {
			d.Summary = fmt.Sprintf("anybody may call %s of API %q without a key", g.ops[0], g.path[1])
		} else {
			d.Summary = fmt.Sprintf("anybody may call %d operations of API %q that change something, without a key", len(g.ops), g.path[1])
			d.Notes = []string{some(g.ops)}
		}
		l.warn(codeOpenMutation, g.path, d)
	}
}

func some(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// clearText: credentials for a provider travel over http:// to another machine.
func (l *linter) clearText() {
	for i := range l.p.Providers {
		p := &l.p.Providers[i]
		u, err := url.Parse(p.BaseURL)
		if err != nil || u.Scheme != "http" || len(p.Credentials) == 0 && p.Entra == nil && p.Kind != "bedrock" || loopback(u.Hostname()) {
			continue
		}
		l.warn(codeClearText, []string{"providers", p.Name, "baseURL"}, diag.Diagnostic{
			Summary: fmt.Sprintf("credentials of provider %q go to %q in clear text", p.Name, u.Host),
			Help:    []string{"use https:// where the server can"}})
	}
}

// loopback reports whether a host is surely this machine. An empty host, and an unspecified address, is not.
func loopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (l *linter) expiry() {
	if l.now.IsZero() {
		return
	}
	for i := range l.p.Keys {
		k := &l.p.Keys[i]
		if k.Expires == 0 {
			continue
		}
		end := time.Unix(k.Expires, 0).UTC()
		app := &l.p.Apps[k.App]
		path := []string{"tenants", l.p.Tenants[app.Tenant].Name, "apps", app.Name, "keys", strconv.Itoa(k.At), "expires"}
		// Expires is the end of the last day on which the key works.
		day := end.Add(-time.Second).Format(time.DateOnly)
		switch left := end.Sub(l.now); {
		case left <= 0:
			l.warn(codeExpired, path, diag.Diagnostic{
				Summary: fmt.Sprintf("key %q of app %q expired on %s", k.ID, app.Name, day),
				Help:    []string{fmt.Sprintf("remove the key, or put a new one beside it with `gwc keys new %s/%s`", l.p.Tenants[app.Tenant].Name, app.Name)}})
		case left <= soon:
			l.warn(codeExpiring, path, diag.Diagnostic{
				Summary: fmt.Sprintf("key %q of app %q expires on %s, %s", k.ID, app.Name, day, days(left)),
				Help:    []string{fmt.Sprintf("put a new key beside it with `gwc keys new %s/%s`", l.p.Tenants[app.Tenant].Name, app.Name)}})
		}
	}
}

func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); n {
	case 0:
		return "in less than a day"
	case 1:
		return "tomorrow"
	default:
		return fmt.Sprintf("in %d days", n)
	}
}

// openAdmin: metrics and the snapshot page have no authentication.
func (l *linter) openAdmin() {
	host, _, err := net.SplitHostPort(l.p.Gateway.Admin)
	if err != nil || loopback(host) {
		return
	}
	what := fmt.Sprintf("listens on %q", host)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		what = "listens on every address of the machine"
	}
	l.warn(codeOpenAdmin, []string{"gateway", "admin", "address"}, diag.Diagnostic{
		Summary: fmt.Sprintf("the admin listener %s and asks for no credentials", what),
		Help:    []string{`listen on "127.0.0.1", or on an address that only operators can reach`}})
}

// attempts: attempts, outcomes and targets that do not fit together. Attempts beyond the number of targets are sound:
// they go to the same targets again, after a pause.
func (l *linter) attempts() {
	for i := range l.p.Models {
		m := &l.p.Models[i]
		retry := func(field string) []string { return []string{"models", m.Name, "retry", field} }
		switch n := len(m.Targets); {
		case n > 1 && m.Retry.Attempts < n:
			l.warn(codeUnreached, retry("attempts"), diag.Diagnostic{
				Summary:   fmt.Sprintf("model %q never reaches its target %d: it allows %s", m.Name, m.Retry.Attempts+1, count(m.Retry.Attempts, "attempt")),
				Secondary: []diag.Label{{Span: l.at([]string{"models", m.Name, "targets", strconv.Itoa(m.Retry.Attempts)}), Text: "never reached"}},
				Help:      []string{fmt.Sprintf("leave attempts out, so that it is %d, or remove the target", n)}})
		case n > 1 && len(m.Retry.On) == 0:
			l.warn(codeUnreached, retry("on"), diag.Diagnostic{
				Summary:   fmt.Sprintf("model %q never reaches its target 2: no outcome leads to another attempt", m.Name),
				Secondary: []diag.Label{{Span: l.at([]string{"models", m.Name, "targets", "1"}), Text: "never reached"}},
				Help:      []string{`leave "on" out, or name outcomes such as "5xx"`}})
		case m.Retry.Attempts > 1 && len(m.Retry.On) == 0:
			l.warn(codeIdleRetry, retry("attempts"), diag.Diagnostic{
				Summary: fmt.Sprintf("model %q allows %d attempts, but no outcome leads to another one", m.Name, m.Retry.Attempts),
				Help:    []string{`leave "on" out, or name outcomes such as "5xx"`}})
		case m.Retry.Attempts == 1 && len(m.Retry.On) > 0 && !l.p.Places.Value(retry("on")...).IsZero():
			l.warn(codeIdleRetry, retry("on"), diag.Diagnostic{
				Summary: fmt.Sprintf("model %q names outcomes to retry after, but allows 1 attempt", m.Name),
				Help:    []string{"set attempts to ask the same target again, or add a target"}})
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (l *linter) sameTarget() {
	for i := range l.p.Models {
		m := &l.p.Models[i]
		for j, t := range m.Targets {
			if k := slices.IndexFunc(m.Targets[:j], func(o ir.Target) bool { return o.Provider == t.Provider && o.Model == t.Model }); k >= 0 {
				l.warn(codeSameTarget, []string{"models", m.Name, "targets", strconv.Itoa(j)}, diag.Diagnostic{
					Summary:   fmt.Sprintf("target %d of model %q is target %d again", j+1, m.Name, k+1),
					Secondary: []diag.Label{{Span: l.at([]string{"models", m.Name, "targets", strconv.Itoa(k)}), Text: "first here"}},
					Help:      []string{"a target that failed is asked again under the same conditions; name another provider or model"}})
			}
		}
	}
}

// timeouts: a part that may take as long as the whole, or longer, is no bound of its own.
func (l *linter) timeouts() {
	check := func(kind, name string, t artifact.Timeouts) {
		if t.Total == 0 {
			return
		}
		for _, part := range []struct {
			field string
			d     time.Duration
		}{{"connect", t.Connect}, {"firstByte", t.FirstByte}, {"idle", t.Idle}} {
			path := []string{kind + "s", name, "timeouts", part.field}
			if part.d <= t.Total || l.p.Places.Value(path...).IsZero() {
				continue // a default that is longer than a total that was set is nobody's mistake
			}
			l.warn(codeTimeoutOrder, path, diag.Diagnostic{
				Summary:   fmt.Sprintf("timeout %q of %s %q is %s, longer than the %s of the whole attempt", part.field, kind, name, ir.Duration(part.d), ir.Duration(t.Total)),
				Secondary: []diag.Label{{Span: l.at([]string{kind + "s", name, "timeouts", "total"}), Text: "the attempt ends here first"}}})
		}
	}
	for i := range l.p.Providers {
		check("provider", l.p.Providers[i].Name, l.p.Providers[i].Timeouts)
	}
	for i := range l.p.Models {
		check("model", l.p.Models[i].Name, l.p.Models[i].Timeouts)
	}
	for i := range l.p.Upstreams {
		check("upstream", l.p.Upstreams[i].Name, l.p.Upstreams[i].Timeouts)
	}
}

func (l *linter) endpoints() {
	for i := range l.p.Upstreams {
		u := &l.p.Upstreams[i]
		for j, e := range u.Endpoints {
			if k := slices.IndexFunc(u.Endpoints[:j], func(o artifact.Endpoint) bool { return o.URL == e.URL }); k >= 0 {
				l.warn(codeSameEndpoint, []string{"upstreams", u.Name, "endpoints", strconv.Itoa(j), "url"}, diag.Diagnostic{
					Summary:   fmt.Sprintf("upstream %q has endpoint %q twice", u.Name, e.URL),
					Secondary: []diag.Label{{Span: l.at([]string{"upstreams", u.Name, "endpoints", strconv.Itoa(k), "url"}), Text: "first here"}},
					Help:      []string{"set a weight to give an endpoint a larger share"}})
			}
		}
	}
}

// loop: an endpoint or a provider that is this gateway: on a listener a request would go round, and on the admin
// listener callers would read what is for operators only.
func (l *linter) loop() {
	type door struct {
		what, address string
		path          []string
	}
	var doors []door
	for _, ln := range l.p.Gateway.Listeners {
		doors = append(doors, door{fmt.Sprintf("listener %q", ln.Name), ln.Address, []string{"gateway", "listeners", ln.Name, "address"}})
	}
	if a := l.p.Gateway.Admin; a != "" {
		doors = append(doors, door{"admin listener", a, []string{"gateway", "admin", "address"}})
	}
	check := func(what, to string, path ...string) {
		u, err := url.Parse(to)
		if err != nil || !loopback(u.Hostname()) {
			return
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
		}
		for _, d := range doors {
			host, p, err := net.SplitHostPort(d.address)
			if err != nil || p != port {
				continue
			}
			if ip := net.ParseIP(host); host != "" && !loopback(host) && (ip == nil || !ip.IsUnspecified()) {
				continue
			}
			l.warn(codeLoop, path, diag.Diagnostic{
				Summary:   fmt.Sprintf("%s is this gateway's %s", what, d.what),
				Secondary: []diag.Label{{Span: l.at(d.path), Text: "it listens here"}},
				Help:      []string{"name the server that is to answer"}})
			return
		}
	}
	for i := range l.p.Upstreams {
		u := &l.p.Upstreams[i]
		for j, e := range u.Endpoints {
			check(fmt.Sprintf("endpoint %q of upstream %q", e.URL, u.Name), e.URL, "upstreams", u.Name, "endpoints", strconv.Itoa(j), "url")
		}
	}
	for i := range l.p.Providers {
		v := &l.p.Providers[i]
		check(fmt.Sprintf("baseURL %q of provider %q", v.BaseURL, v.Name), v.BaseURL, "providers", v.Name, "baseURL")
	}
}
