package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// operation is the routes of one id that say the same on several hosts.
type operation struct {
	id      string
	kind    artifact.RouteKind
	api     string // "" for those of models
	tenant  string
	to      string // the API's upstream
	method  string
	path    string // in normal form
	rel     string // path without the API's base path
	auth    string
	timeout string
	hosts   []string // sorted
	follows bool     // its hosts are those of its API
	source  string
}

func (o *operation) subject() string { return "operation " + o.id }

// at is where an operation is published: "GET /orders/{id} on api.example".
func (o *operation) at() string {
	s := o.method + " " + o.path
	if hosts := slices.DeleteFunc(slices.Clone(o.hosts), func(h string) bool { return h == "" }); len(hosts) > 0 {
		s += " on " + strings.Join(hosts, ", ")
	}
	return s
}

// patterns are what the table has of an operation, without the names of its parameters.
func (o *operation) patterns() (list []string) {
	for _, h := range o.hosts {
		list = append(list, h+" "+o.method+" "+blank(o.path))
	}
	return list
}

// operations returns the operations of a view by id, then path and the rest.
func (v *View) operations() []*operation {
	type key struct {
		id, method, path, auth, timeout string
	}
	at := map[key]*operation{}
	var list []*operation
	for i := range v.a.Routes {
		r := &v.a.Routes[i]
		if r.Kind.Prompt() || r.Kind == artifact.RoutePassthrough {
			continue // said of the prompts, and of the apps
		}
		n, err := match.Normal(match.Pattern{Host: r.Host, Method: r.Method, Path: r.Path})
		if err != nil {
			panic("diff: an artifact that was not validated: " + err.Error())
		}
		k := key{r.ID, n.Method, n.Path, r.Auth, orNone(r.Timeout)}
		o := at[k]
		if o == nil {
			o = &operation{id: r.ID, kind: r.Kind, method: n.Method, path: n.Path, rel: n.Path, auth: r.Auth, timeout: k.timeout}
			if r.API >= 0 {
				api := &v.a.APIs[r.API]
				o.api, o.tenant, o.to = api.Name, v.owner(api), v.a.Upstreams[api.Upstream].Name
				o.rel = strings.TrimPrefix(n.Path, api.BasePath)
			}
			if r.Origin.File != "" {
				o.source = fmt.Sprintf("%s:%d", r.Origin.File, r.Origin.Line)
			}
			at[k] = o
			list = append(list, o)
		}
		o.hosts = append(o.hosts, n.Host)
		if r.API >= 0 {
			hosts := slices.Sorted(slices.Values(v.a.APIs[r.API].Hosts))
			if len(hosts) == 0 {
				hosts = []string{""}
			}
			slices.Sort(o.hosts)
			o.follows = slices.Equal(o.hosts, hosts)
		}
	}
	slices.SortStableFunc(list, func(a, b *operation) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.path, b.path), cmp.Compare(a.method, b.method),
			cmp.Compare(a.auth, b.auth), cmp.Compare(a.timeout, b.timeout))
	})
	return list
}

// owner returns the tenant of an API, "" for the platform.
func (v *View) owner(a *artifact.API) string {
	if a.Owner < 0 {
		return ""
	}
	return v.a.Tenants[a.Owner].Name
}

// apis compares APIs and their operations.
func (c *comparison) apis() {
	before, after := c.ops[c.base], c.ops[c.target]
	type pair struct{ x, y *operation }
	var both []pair
	partner := map[*operation]*operation{}
	join := func(x, y *operation) {
		both = append(both, pair{x, y})
		partner[x], partner[y] = y, x
	}
	// By id first: the name is what stays when anything else is edited. Then by pattern.
	for _, key := range []func(*operation) string{
		func(o *operation) string { return o.id },
		func(o *operation) string { return strings.Join(o.patterns(), "\n") },
	} {
		waiting := map[string][]*operation{}
		for _, y := range after {
			if partner[y] == nil {
				waiting[key(y)] = append(waiting[key(y)], y)
			}
		}
		for _, x := range before {
			if partner[x] != nil {
				continue
			}
			list := waiting[key(x)]
			if len(list) == 0 {
				continue
			}
			// Of several with one id, the one with the same pattern is the same.
			i := max(0, slices.IndexFunc(list, func(y *operation) bool { return y.method == x.method && y.rel == x.rel && y.auth == x.auth }))
			join(x, list[i])
			waiting[key(x)] = slices.Delete(list, i, i+1)
		}
	}

	name := func(a *artifact.API) string { return a.Name }
	byAPI := func(list []*operation) map[string][]*operation {
		m := map[string][]*operation{}
		for _, o := range list {
			m[o.api] = append(m[o.api], o)
		}
		return m
	}
	opsBefore, opsAfter := byAPI(before), byAPI(after)
	gone, new := map[string]bool{}, map[string]bool{}
	pairs(c.base.a.APIs, c.target.a.APIs, name, func(api string, i, j int) {
		switch {
		case i < 0:
			new[api] = true
			c.apiAdded(api, j, opsAfter[api], partner)
		case j < 0:
			gone[api] = true
			c.apiRemoved(api, i, opsBefore[api], partner)
		default:
			c.api(api, &c.base.a.APIs[i], &c.target.a.APIs[j], opsBefore[api], opsAfter[api])
		}
	})
	for _, x := range before {
		if partner[x] == nil && !(gone[x.api] && x.api != "") {
			c.add(Change{Kind: RouteRemoved, Tenant: x.tenant, Subject: x.subject(), Before: x.at(), Source: x.source,
				Summary: fmt.Sprintf("operation %q is removed", x.id), Blast: c.callers(c.base, x.auth == "none"), Witness: c.witness(c.base, x, false)})
		}
	}
	known := map[string]bool{}
	for _, x := range before {
		for _, p := range x.patterns() {
			known[p] = true
		}
	}
	for _, y := range after {
		if partner[y] == nil && !(new[y.api] && y.api != "") {
			c.added(y)
		}
		if slices.ContainsFunc(y.patterns(), func(p string) bool { return !known[p] }) {
			c.takes(y, partner[y])
		}
	}
	for _, p := range both {
		c.operation(p.x, p.y)
	}
}

func open(list []*operation) bool {
	return slices.ContainsFunc(list, func(o *operation) bool { return o.auth == "none" })
}

// first returns the witness of the first operation that has one.
func (c *comparison) first(v *View, list []*operation) *Witness {
	for i, o := range list {
		if i == maxAlike {
			break
		}
		if w := c.witness(v, o, false); w != nil {
			return w
		}
	}
	return nil
}

func (c *comparison) apiAdded(api string, j int, list []*operation, partner map[*operation]*operation) {
	a := &c.target.a.APIs[j]
	c.add(Change{Kind: APIAdded, Tenant: c.target.owner(a), Subject: "API " + api, After: a.BasePath + "/",
		Summary: fmt.Sprintf("API %q is published with %s", api, count(len(list), "operation")),
		Blast:   c.callers(c.target, open(list)), Witness: c.first(c.target, list)})
	for _, o := range list {
		if partner[o] == nil {
			c.opened(o)
		}
	}
}

func (c *comparison) apiRemoved(api string, i int, list []*operation, partner map[*operation]*operation) {
	a := &c.base.a.APIs[i]
	x := Change{Kind: APIRemoved, Tenant: c.base.owner(a), Subject: "API " + api, Before: a.BasePath + "/",
		Summary: fmt.Sprintf("API %q is removed with %s", api, count(len(list), "operation"))}
	lost := slices.DeleteFunc(slices.Clone(list), func(o *operation) bool { return partner[o] != nil })
	if len(lost) == 0 && len(list) > 0 {
		x.Kind = APIReplaced
		x.Summary = fmt.Sprintf("API %q is removed; all of its operations are now those of API %q", api, partner[list[0]].api)
	} else {
		x.Blast = c.callers(c.base, open(lost))
		x.Witness = c.first(c.base, lost)
	}
	c.add(x)
}

// added is a new operation of an API that was there before, or of models.
func (c *comparison) added(o *operation) {
	c.add(Change{Kind: RouteAdded, Tenant: o.tenant, Subject: o.subject(), After: o.at(), Source: o.source,
		Summary: fmt.Sprintf("operation %q is published", o.id), Blast: c.callers(c.target, o.auth == "none"), Witness: c.witness(c.target, o, false)})
	c.opened(o)
}

func (c *comparison) opened(o *operation) {
	if o.auth != "none" {
		return
	}
	c.add(Change{Kind: RouteOpen, Tenant: o.tenant, Subject: o.subject(), After: o.at(), Source: o.source,
		Summary: fmt.Sprintf("new operation %q needs no key", o.id), Blast: c.callers(c.target, true), Witness: c.witness(c.target, o, true)})
}

// takes looks for a request that a new pattern takes from an operation that stays.
func (c *comparison) takes(o, was *operation) {
	if o.kind != artifact.RouteAPI {
		return // the compiler holds these paths free
	}
	for _, q := range c.requests(o) {
		from := c.base.Decide(q).Route
		if from == "" || from == o.id || was != nil && from == was.id || c.target.Decide(q).Route != o.id {
			continue
		}
		for _, q := range c.as(q) {
			if w := c.judge(q); w != nil {
				c.add(Change{Kind: RouteTakes, Tenant: o.tenant, Subject: o.subject(), Before: from, After: o.id, Source: o.source,
					Summary: fmt.Sprintf("operation %q takes requests that %q served", o.id, from), Blast: c.callers(c.base, o.auth == "none"), Witness: w})
				return
			}
		}
	}
}

// api compares an API that both have.
func (c *comparison) api(name string, x, y *artifact.API, before, after []*operation) {
	tenant, subject := c.target.owner(y), "API "+name
	who := c.callers(c.base, open(before))
	if from := c.base.owner(x); from != tenant {
		c.add(Change{Kind: APIOwner, Tenant: tenant, Subject: subject, Before: platform(from), After: platform(tenant),
			Summary: fmt.Sprintf("API %q belongs to %s", name, platform(tenant))})
	}
	if from, to := c.base.a.Upstreams[x.Upstream].Name, c.target.a.Upstreams[y.Upstream].Name; from != to {
		c.add(Change{Kind: APIUpstream, Tenant: tenant, Subject: subject, Before: from, After: to,
			Summary: fmt.Sprintf("API %q goes to upstream %q", name, to), Blast: who, Witness: c.first(c.base, before)})
	}
	if x.BasePath != y.BasePath {
		c.add(Change{Kind: APIBasePath, Tenant: tenant, Subject: subject, Before: x.BasePath + "/", After: y.BasePath + "/",
			Summary: fmt.Sprintf("API %q moves to base path %q", name, y.BasePath+"/"), Blast: who, Witness: c.first(c.base, before)})
	}
	anyHost := func(hosts []string) []string {
		if len(hosts) == 0 {
			return []string{""}
		}
		return hosts
	}
	text := func(h string) string {
		if h == "" {
			return "every host"
		}
		return "host " + h
	}
	id := func(s *string) string { return *s }
	pairs(anyHost(x.Hosts), anyHost(y.Hosts), id, func(host string, i, j int) {
		on := func(list []*operation) []*operation { // only there
			var l []*operation
			for _, o := range list {
				one := *o
				one.hosts = []string{host}
				l = append(l, &one)
			}
			return l
		}
		switch {
		case i < 0:
			c.add(Change{Kind: APIHostAdded, Tenant: tenant, Subject: subject, After: text(host),
				Summary: fmt.Sprintf("API %q is served on %s", name, text(host)), Blast: c.callers(c.target, open(after)), Witness: c.first(c.target, on(after))})
		case j < 0:
			ch := Change{Kind: APIHostRemoved, Tenant: tenant, Subject: subject, Before: text(host),
				Summary: fmt.Sprintf("API %q is no longer served on %s", name, text(host)), Blast: who, Witness: c.first(c.base, on(before))}
			covers := func(h string) bool {
				suffix, wild := strings.CutPrefix(h, "*")
				return h == "" || wild && strings.HasSuffix(host, suffix)
			}
			if ch.Witness == nil && slices.ContainsFunc(anyHost(y.Hosts), covers) {
				ch.Kind, ch.Summary, ch.Blast = APIHostCovered, fmt.Sprintf("API %q no longer names %s, which another of its hosts takes", name, text(host)), Blast{}
			}
			c.add(ch)
		}
	})
	if x.Title != y.Title {
		c.add(Change{Kind: APITitle, Tenant: tenant, Subject: subject, Before: x.Title, After: y.Title, Summary: fmt.Sprintf("API %q has another title", name)})
	}
	if x.Version != y.Version {
		c.add(Change{Kind: APIVersion, Tenant: tenant, Subject: subject, Before: x.Version, After: y.Version, Summary: fmt.Sprintf("API %q has another version", name)})
	}
}

func platform(tenant string) string {
	if tenant == "" {
		return "the platform"
	}
	return "tenant " + tenant
}

// operation compares an operation that both have.
func (c *comparison) operation(x, y *operation) {
	change := func(k Kind, before, after, summary string, args ...any) Change {
		return Change{Kind: k, Tenant: y.tenant, Subject: y.subject(), Before: before, After: after, Source: y.source,
			Summary: fmt.Sprintf("operation %q "+summary, append([]any{y.id}, args...)...), Blast: c.callers(c.base, x.auth == "none")}
	}
	if x.id != y.id {
		ch := change(RouteRenamed, x.id, y.id, "was %q", x.id)
		if x.api != y.api {
			if w := c.witness(c.base, x, false); w != nil {
				ch.Kind, ch.Witness = RouteMoved, w
				ch.Summary = fmt.Sprintf("operation %q serves what %q did", y.id, x.id)
			}
		}
		c.add(ch)
	}
	if x.method != y.method {
		ch := change(RouteMethod, x.method, y.method, "has method %s", y.method)
		ch.Witness = c.witness(c.base, x, false)
		c.add(ch)
	}
	// A base path that differs is said of the API, and so are hosts.
	if x.rel != y.rel && (x.api == y.api || x.path != y.path) {
		ch := change(RouteParameter, x.path, y.path, "has other names of parameters")
		if blank(x.rel) != blank(y.rel) {
			ch = change(RoutePath, x.path, y.path, "moves to %s", y.path)
			ch.Witness = c.witness(c.base, x, false)
		}
		c.add(ch)
	}
	if !slices.Equal(x.hosts, y.hosts) && !(x.follows && y.follows && x.api == y.api) {
		ch := change(RouteHosts, strings.Join(x.hosts, ", "), strings.Join(y.hosts, ", "), "is served on other hosts")
		ch.Witness = c.witness(c.base, x, false)
		c.add(ch)
	}
	if x.auth != y.auth {
		ch := change(RouteTightened, x.auth, y.auth, "needs a key")
		if y.auth == "none" {
			ch = change(RouteLoosened, x.auth, y.auth, "needs no key any more")
			ch.Blast = c.callers(c.target, true)
		}
		if ch.Witness = c.witness(c.base, x, true); ch.Witness == nil {
			ch.Witness = c.witness(c.target, y, true) // it moved as well
		}
		c.add(ch)
	}
	if x.timeout != y.timeout {
		ch := change(RouteTimeout, x.timeout, y.timeout, "may take %s", y.timeout)
		if ch.Witness = c.witness(c.base, x, false); ch.Witness == nil {
			ch.Witness = c.witness(c.target, y, false)
		}
		c.add(ch)
	}
}
