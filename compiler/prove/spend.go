package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/diag"
)

// account is whose requests are added up.
type account struct {
	name string // `app "acme/web"`
	apps []int
	at   diag.Span
}

// accounts groups apps as a spend says.
func (s *search) accounts(apps []int) (list []account) {
	switch s.a.Each {
	case "gateway":
		if len(apps) > 0 {
			list = append(list, account{name: "the gateway", apps: apps, at: s.p.Places.Key("gateway")})
		}
	case "tenant":
		for _, app := range apps {
			t := s.p.Tenants[s.p.Apps[app].Tenant].Name
			name := fmt.Sprintf("tenant %q", t)
			if n := len(list); n > 0 && list[n-1].name == name {
				list[n-1].apps = append(list[n-1].apps, app)
				continue
			}
			list = append(list, account{name: name, apps: []int{app}, at: s.p.Places.Key("tenants", t)})
		}
	case "key":
		for _, app := range apps {
			for _, k := range s.m.Keys(app, s.Now) {
				key := &s.p.Keys[k]
				list = append(list, account{name: fmt.Sprintf("key %q of app %q", key.ID, s.m.App(app)), apps: []int{app}, at: s.m.AppAt(app)})
			}
		}
	default:
		for _, app := range apps {
			list = append(list, account{name: fmt.Sprintf("app %q", s.m.App(app)), apps: []int{app}, at: s.m.AppAt(app)})
		}
	}
	return list
}

// use is what an account may use in the worst case; a text says why something is not bounded.
type use struct {
	requests, tokens   int64
	noRequests, noCost string // why there is no bound
	app                int    // that it is about
}

// spend decides what callers can use in any span of time. A limit is an app's own, so what a key can use is what its app
// can, and what a tenant can use is the sum of its apps'.
func (s *search) spend() {
	apps := s.apps(s.a.Apps)
	accounts := s.accounts(apps)
	if s.empty == "" && len(accounts) == 0 {
		s.empty = fmt.Sprintf("no app that is %s has a key", quoted(s.a.Apps))
	}
	for _, acc := range accounts {
		u := s.worst(acc)
		report := func(what string) {
			s.bad(counterexample{
				what: acc.name + " " + what,
				at: func() (l []diag.Label) {
					if u.noRequests != "" || u.noCost != "" {
						l = append(l, s.limitsAt(u.app)...)
					} else {
						for _, app := range acc.apps {
							l = append(l, s.limitsAt(app)...)
						}
					}
					return append(l, diag.Label{Span: acc.at})
				},
				witness: func() *Witness { return s.anything(u.app) },
			})
		}
		switch {
		case u.noRequests != "":
			report("may make any number of requests: " + u.noRequests)
		case s.a.Requests > 0 && u.requests > s.a.Requests:
			report(fmt.Sprintf("may make %d requests in %s, more than %d", u.requests, ir.Duration(s.a.Per), s.a.Requests))
		case (s.a.Tokens > 0 || s.a.USD != "") && u.noCost != "":
			report("may use any number of tokens: " + u.noCost)
		}
	}
	s.checked = count(len(accounts), s.a.Each)
	s.notes = append(s.notes, "a limit of N per window admits N requests at once and N more while the window passes, in each process of the gateway")
	s.help = []string{"add a limit, lower one, or name the app under \"unless\""}
}

// worst returns what an account may use in a span.
func (s *search) worst(acc account) use {
	u := use{app: acc.apps[0]}
	for _, app := range acc.apps {
		a := &s.p.Apps[app]
		if len(a.Limits) == 0 {
			u.app, u.noRequests = app, fmt.Sprintf("app %q has no limit", s.m.App(app))
			return u
		}
		u.requests = add(u.requests, most(a.Limits, s.a.Per))
		if len(a.Models) > 0 && u.noCost == "" {
			names := make([]string, len(a.Models))
			for i, m := range a.Models {
				names[i] = m.Name
			}
			slices.Sort(names)
			u.app, u.noCost = app, fmt.Sprintf("the output of model %s is not bounded", strings.Join(names[:1], ""))
		}
	}
	return u
}
