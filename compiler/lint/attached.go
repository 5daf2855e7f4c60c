package lint

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeSamePolicy   diag.Code = "GWC2021" // an operation's policy that says what its API's says
	codeShadowed     diag.Code = "GWC2022" // an API's policy that no operation inherits
	codeCoveredHost  diag.Code = "GWC2023" // a host that another one of the API covers
	codeServerPath   diag.Code = "GWC3021" // the document's server has a path and the upstream has none
	codeNeverTimeout diag.Code = "GWC5109" // a policy's timeout that the upstream's makes void
	codeIdleWeight   diag.Code = "GWC5110" // a weight of an endpoint that has no sibling
)

// policies: rules of operations and APIs that change nothing where they stand.
func (l *linter) policies() {
	routes := map[int][]*ir.Route{}
	for i := range l.p.Routes {
		if r := &l.p.Routes[i]; r.API >= 0 {
			routes[r.API] = append(routes[r.API], r)
		}
	}
	for i := range l.p.APIs {
		a := &l.p.APIs[i]
		for _, field := range []string{"auth", "timeout"} {
			l.inherited(a, routes[i], field)
		}
		l.neverTimeout(a, routes[i])
	}
}

func (l *linter) inherited(a *ir.API, routes []*ir.Route, field string) {
	apis := []string{"apis", a.Name, "policies", field}
	at := l.p.Places.Value(apis...)
	if at.IsZero() || len(routes) == 0 {
		return
	}
	own := func(r *ir.Route) []string {
		return []string{"apis", a.Name, "operations", r.Operation, "policies", field}
	}
	value := func(r *ir.Route) string {
		if field == "auth" {
			return r.Auth
		}
		return r.Timeout.String()
	}
	overridden := 0
	given := ""
	var setting []*ir.Route
	seen := map[string]bool{}
	for _, r := range routes {
		if seen[r.Operation] {
			continue // one route for each host
		}
		seen[r.Operation] = true
		if l.p.Places.Value(own(r)...).IsZero() {
			given = value(r)
			continue
		}
		overridden++
		setting = append(setting, r)
	}
	if overridden == len(seen) {
		l.warn(codeShadowed, apis, diag.Diagnostic{
			Summary:   fmt.Sprintf("policy %q of API %q applies to nothing: each of its operations has its own", field, a.Name),
			Secondary: []diag.Label{{Span: l.at(own(setting[0])), Text: fmt.Sprintf("that of operation %q", setting[0].Operation)}},
			Help:      []string{"remove it, or remove those of the operations that are to follow it"}})
		return
	}
	for _, r := range setting {
		if value(r) == given {
			l.warn(codeSamePolicy, own(r), diag.Diagnostic{
				Summary:   fmt.Sprintf("policy %q of operation %q says what API %q says for all", field, r.Operation, a.Name),
				Secondary: []diag.Label{{Span: at, Text: "said here"}},
				Help:      []string{"remove it: the operation would not follow the API if that changes"}})
		}
	}
}

// neverTimeout: the upstream gives an attempt up before the policy's timeout of the whole exchange could end it, and an
// API makes one attempt.
func (l *linter) neverTimeout(a *ir.API, routes []*ir.Route) {
	if a.Upstream.Index < 0 {
		return
	}
	u := &l.p.Upstreams[a.Upstream.Index]
	total := []string{"upstreams", u.Name, "timeouts", "total"}
	if u.Timeouts.Total == 0 {
		return
	}
	said := map[string]bool{}
	for _, r := range routes {
		path := []string{"apis", a.Name, "operations", r.Operation, "policies", "timeout"}
		if l.p.Places.Value(path...).IsZero() {
			path = []string{"apis", a.Name, "policies", "timeout"}
		}
		if r.Timeout <= u.Timeouts.Total || l.p.Places.Value(path...).IsZero() || said[strings.Join(path, "\x00")] {
			continue
		}
		said[strings.Join(path, "\x00")] = true
		l.warn(codeNeverTimeout, path, diag.Diagnostic{
			Summary:   fmt.Sprintf("timeout of %s of API %q is never reached: upstream %q ends an attempt after %s", duration(r.Timeout), a.Name, u.Name, duration(u.Timeouts.Total)),
			Secondary: []diag.Label{{Span: l.at(total), Text: "the attempt ends here first"}},
			Help:      []string{"make it shorter than the upstream's total, or raise that"}})
	}
}

func duration(d time.Duration) string { return ir.Duration(d) }

// coveredHosts: a host of an API that a pattern of the same API matches.
func (l *linter) coveredHosts() {
	for i := range l.p.APIs {
		a := &l.p.APIs[i]
		for _, h := range a.Hosts {
			by := slices.IndexFunc(a.Hosts, func(o string) bool {
				return o != h && strings.HasPrefix(o, "*.") && strings.HasSuffix(h, o[1:])
			})
			if by < 0 {
				continue
			}
			l.warn(codeCoveredHost, []string{"apis", a.Name, "hosts"}, diag.Diagnostic{
				Summary: fmt.Sprintf("host %q of API %q is covered by its host %q", h, a.Name, a.Hosts[by]),
				Help:    []string{"remove one of the two"}})
		}
	}
}

// idleWeights: a weight is relative to those of siblings.
func (l *linter) idleWeights() {
	for i := range l.p.Upstreams {
		u := &l.p.Upstreams[i]
		path := []string{"upstreams", u.Name, "endpoints", "0", "weight"}
		if len(u.Endpoints) != 1 || u.Endpoints[0].Weight == 1 || l.p.Places.Value(path...).IsZero() {
			continue
		}
		l.warn(codeIdleWeight, path, diag.Diagnostic{
			Summary: fmt.Sprintf("weight %d of the only endpoint of upstream %q changes nothing", u.Endpoints[0].Weight, u.Name),
			Help:    []string{"remove it, or add the endpoints that it is to be weighed against"}})
	}
}

// serverPaths: the document says that its paths lie below one that the upstream does not have. A gateway adds an
// operation's path to the endpoint's, so that requests would miss a part of it.
func (l *linter) serverPaths() {
	for i := range l.p.APIs {
		a := &l.p.APIs[i]
		// A server at the API's own base path is this gateway.
		if len(a.Servers) == 0 || a.Upstream.Index < 0 || slices.Contains(a.Servers, a.BasePath) {
			continue
		}
		u := &l.p.Upstreams[a.Upstream.Index]
		bare := !slices.ContainsFunc(u.Endpoints, func(e artifact.Endpoint) bool {
			at, err := url.Parse(e.URL)
			return err != nil || strings.Trim(at.Path, "/") != ""
		})
		if !bare {
			continue
		}
		at := l.p.Places.Value("apis", a.Name, "upstream")
		l.warn(codeServerPath, []string{"apis", a.Name, "upstream"}, diag.Diagnostic{
			Summary: fmt.Sprintf("the document of API %q says that its paths lie below %q, and upstream %q has no path", a.Name, a.Servers[0], u.Name),
			Primary: diag.Label{Span: at},
			Secondary: []diag.Label{{Span: l.at([]string{"upstreams", u.Name, "endpoints", "0", "url"}), Text: "requests go to " +
				strconv.Quote(cmp.Or(u.Endpoints[0].URL, "")+"/…")}},
			Help: []string{fmt.Sprintf("add the path to the URL of each endpoint: %q", u.Endpoints[0].URL+a.Servers[0])}})
	}
}
