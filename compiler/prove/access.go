package prove

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
	"github.com/gwc-dev/gwc/schema/diag"
)

// reach decides who may reach models and operations.
func (s *search) reach() {
	only, never := callers(s.a.Only...), callers(s.a.Never...)
	needs := func(policy string) bool { return slices.Contains(s.a.Policies, policy) }
	// wrong reports whether a caller must not reach what it reaches.
	wrong := func(app int) bool {
		switch {
		case s.takes(s.callers, app):
			return false
		case needs("limits") && app != reach.Everyone && len(s.p.Apps[app].Limits) > 0:
			return false
		}
		return s.a.Only != nil && !s.takes(only, app) || s.takes(never, app)
	}
	forbidden := make([]bool, len(s.p.Apps))
	var list []int
	for i := range s.p.Apps {
		if wrong(i) {
			forbidden[i] = true
			list = append(list, i)
		}
	}
	list = s.liveFirst(list)
	subjects := s.subjects(s.a.Calls, nil)
	for _, x := range subjects {
		if needs("key") && s.m.By(x) != reach.Open || needs("timeout") && s.longest(x) > 0 {
			continue
		}
		shown := func(app int, what string) counterexample {
			return counterexample{
				what:    what,
				at:      func() []diag.Label { return s.m.Grant(x, app) },
				witness: func() *Witness { return s.request(x, app) },
			}
		}
		reaches := func(app int) counterexample {
			return shown(app, fmt.Sprintf("%s reaches %s", s.who(app), s.m.Name(x)))
		}
		switch s.m.By(x) {
		case reach.Open:
			// Everyone is one caller more; whoever is not to reach it does so without a key.
			if wrong(reach.Everyone) {
				s.bad(reaches(reach.Everyone))
			} else if len(list) > 0 && !s.takes(s.callers, reach.Everyone) && !s.takes(only, reach.Everyone) {
				s.bad(shown(reach.Everyone, fmt.Sprintf("everyone reaches %s without a key, and so does app %q", s.m.Name(x), s.m.App(list[0]))))
			}
		case reach.Keyed:
			s.many(len(list), func(i int) counterexample { return reaches(list[i]) })
		default:
			for _, app := range s.liveFirst(s.m.Apps(x)) {
				if forbidden[app] {
					s.bad(reaches(app))
				}
			}
		}
	}
	s.checked = fmt.Sprintf("%s by %s", count(len(subjects), "call"), count(len(s.p.Apps), "app"))
	if s.empty == "" && s.a.Only == nil && !slices.ContainsFunc(never, ir.Caller.Everyone) && !s.any(never) {
		s.empty = fmt.Sprintf("no app is %s", quoted(s.a.Never))
	}
	s.help = []string{"take the right away where it is given, or name the exception under \"unless\""}
}

// any reports whether the patterns take an app.
func (s *search) any(list []ir.Caller) bool {
	for i := range s.p.Apps {
		if s.takes(list, i) {
			return true
		}
	}
	return false
}

// auth decides how callers of operations prove who they are.
func (s *search) auth() {
	subjects := s.subjects(s.a.Calls, func(x reach.Subject) bool { return x.Model < 0 })
	for _, x := range subjects {
		if slices.Contains(s.a.Auth, s.m.Auth(x)) {
			continue
		}
		s.bad(counterexample{
			what: fmt.Sprintf("the auth of %s is %q", s.m.Name(x), s.m.Auth(x)),
			at: func() []diag.Label {
				return []diag.Label{{Span: s.m.AuthAt(x), Text: "it is said here"}, {Span: s.m.At(x), Text: "the operation"}}
			},
			witness: func() *Witness { return s.show(x) },
		})
	}
	s.checked = count(len(subjects), "operation")
	s.help = []string{fmt.Sprintf("set policies: auth: %q, or name the operation under \"unless\"", s.a.Auth[0])}
}

// isolation decides what tenants have in common.
func (s *search) isolation() {
	tenants := make([]bool, len(s.p.Tenants)) // that it speaks of
	var names []string
	patterns := callers(s.a.Apps...)
	for i := range s.p.Tenants {
		if name := s.p.Tenants[i].Name; slices.ContainsFunc(patterns, func(c ir.Caller) bool { return c.Tenant(name) }) {
			tenants[i] = true
			names = append(names, name)
		}
	}
	s.checked = fmt.Sprintf("%s of %s", strings.Join(s.a.Apart, ", "), count(len(names), "tenant"))
	if len(names) < 2 {
		s.empty = fmt.Sprintf("%s is fewer than two tenants", quoted(s.a.Apps))
		return
	}
	s.help = []string{"give each tenant its own, or name calls that are shared under \"unless\""}
	for _, part := range s.a.Apart {
		switch part {
		case "apis":
			s.apartAPIs(tenants)
		case "upstreams":
			s.apartUpstreams(tenants)
		case "credentials":
			s.apartCredentials(tenants)
		}
	}
}

// apartAPIs: no app of one tenant reaches an operation that another owns.
func (s *search) apartAPIs(tenants []bool) {
	var callers []int // one app of each tenant, with a key that works where there is one
	at := map[int]int{}
	for _, i := range s.liveFirst(all(s.p.Apps)) {
		t := s.p.Apps[i].Tenant
		if _, ok := at[t]; !ok && tenants[t] && !s.takes(s.callers, i) {
			at[t] = len(callers)
			callers = append(callers, i)
		}
	}
	except := map[string]bool{}
	for _, x := range s.m.Matching(s.calls...) {
		except[s.m.Name(x)] = true
	}
	for _, x := range s.m.Matching(calls("*.*")...) {
		r := &s.p.Routes[x.Routes[0]]
		if r.API < 0 || except[s.m.Name(x)] {
			continue
		}
		api := &s.p.APIs[r.API]
		if api.Owner.Index < 0 || !tenants[api.Owner.Index] {
			continue
		}
		// All but the owner's.
		n, own := len(callers), len(callers)
		if i, ok := at[api.Owner.Index]; ok {
			n, own = n-1, i
		}
		s.many(n, func(i int) counterexample {
			if i >= own {
				i++
			}
			app := callers[i]
			return counterexample{
				what:    fmt.Sprintf("%s reaches %s of tenant %q", s.who(app), s.m.Name(x), api.Owner.Name),
				at:      func() []diag.Label { return s.m.Grant(x, app) },
				witness: func() *Witness { return s.request(x, app) },
			}
		})
	}
}

// apartUpstreams: no server serves APIs of two tenants. A server is a host and a port, whatever the path.
func (s *search) apartUpstreams(tenants []bool) {
	type use struct {
		api      int
		upstream string
		endpoint int
	}
	users := map[string][]use{} // by server
	var order []string
	skip := func(api string) bool {
		return slices.ContainsFunc(s.calls, func(c ir.Call) bool { _, name, op := c.Names(); return name == api && op == "" })
	}
	for i := range s.p.APIs {
		api := &s.p.APIs[i]
		if api.Owner.Index < 0 || !tenants[api.Owner.Index] || api.Upstream.Index < 0 || skip(api.Name) {
			continue
		}
		u := &s.p.Upstreams[api.Upstream.Index]
		for j, e := range u.Endpoints {
			server := server(e.URL)
			if users[server] == nil {
				order = append(order, server)
			}
			users[server] = append(users[server], use{i, u.Name, j})
		}
	}
	for _, name := range order {
		list := users[name]
		seen := []int{s.p.APIs[list[0].api].Owner.Index}
		for _, other := range list[1:] {
			a, b := &s.p.APIs[list[0].api], &s.p.APIs[other.api]
			if slices.Contains(seen, b.Owner.Index) {
				continue
			}
			seen = append(seen, b.Owner.Index)
			s.bad(counterexample{
				what: fmt.Sprintf("server %s serves API %q of tenant %q and API %q of tenant %q", name, a.Name, a.Owner.Name, b.Name, b.Owner.Name),
				at: func() []diag.Label {
					at := func(u use) diag.Span {
						return s.p.Places.Value("upstreams", u.upstream, "endpoints", strconv.Itoa(u.endpoint), "url")
					}
					return []diag.Label{{Span: at(list[0]), Text: "the server"}, {Span: at(other), Text: "the same server"},
						{Span: s.p.Places.Key("apis", a.Name), Text: "one API"}, {Span: s.p.Places.Key("apis", b.Name), Text: "the other"}}
				},
				witness: func() *Witness {
					for _, x := range s.m.Matching(calls(b.Name + ".*")...) {
						if w := s.show(x); w != nil {
							return w
						}
					}
					return nil
				},
			})
		}
	}
}

// all returns the indices of a list.
func all[T any](list []T) []int {
	out := make([]int, len(list))
	for i := range list {
		out[i] = i
	}
	return out
}

// server returns scheme, host and port of a URL.
func server(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

// apartCredentials: no credential of a provider serves two tenants' apps, for models or for its own paths.
func (s *search) apartCredentials(tenants []bool) {
	type use struct {
		app, provider int
		of            reach.Subject
	}
	users := map[string][]use{} // by reference
	var order []string
	except := map[string]bool{}
	for _, x := range s.m.Matching(s.calls...) {
		except[s.m.Name(x)] = true
	}
	add := func(u use) {
		p := &s.p.Providers[u.provider]
		credentials := slices.Clone(p.Credentials)
		for _, k := range p.AWSKeys {
			credentials = append(credentials, k.SecretAccessKey)
		}
		if p.Kind == "bedrock" && len(p.AWSKeys) == 0 {
			credentials = append(credentials, "the default chain of AWS")
		}
		for _, c := range credentials {
			if users[c] == nil {
				order = append(order, c)
			}
			users[c] = append(users[c], u)
		}
	}
	passed := s.m.Matching(calls("passthrough.*")...)
	for _, i := range s.liveFirst(all(s.p.Apps)) {
		a := &s.p.Apps[i]
		if !tenants[a.Tenant] || s.takes(s.callers, i) {
			continue
		}
		for _, x := range s.asks(i) {
			model := reach.Subject{Model: x.model}
			if except[s.m.Name(model)] {
				continue
			}
			for _, t := range s.p.Models[x.model].Targets {
				if t.Provider.Index >= 0 {
					add(use{i, t.Provider.Index, model})
				}
			}
		}
		for _, x := range passed {
			if !except[s.m.Name(x)] && slices.Contains(s.m.Apps(x), i) {
				add(use{i, s.p.Routes[x.Routes[0]].Provider, x})
			}
		}
	}
	slices.Sort(order)
	for _, c := range order {
		list := users[c]
		seen := []int{s.p.Apps[list[0].app].Tenant}
		for _, other := range list[1:] {
			if slices.Contains(seen, s.p.Apps[other.app].Tenant) {
				continue
			}
			seen = append(seen, s.p.Apps[other.app].Tenant)
			s.bad(counterexample{
				what: fmt.Sprintf("app %q and app %q share a credential of provider %q", s.m.App(list[0].app), s.m.App(other.app), s.p.Providers[other.provider].Name),
				at: func() []diag.Label {
					l := []diag.Label{{Span: s.p.Places.Key("providers", s.p.Providers[other.provider].Name), Text: "the provider"}}
					for _, u := range []use{list[0], other} {
						l = append(l, s.m.Grant(u.of, u.app)...)
					}
					return l
				},
				witness: func() *Witness { return s.request(other.of, other.app) },
			})
		}
	}
}
