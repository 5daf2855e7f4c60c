package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// decision is what the runtime would do with a request, and why. It uses the runtime's own table, path rules and JSON
// scanner; the order of the checks is that of the runtime's pipeline: path, route, key, limits, model.
type decision struct {
	a     *artifact.Artifact
	q     *tried
	path  string // in normal form
	route *artifact.Route
	names []string // of parameters
	vals  []string
	app   int    // -1: none
	keyID string // where a key was given

	status int    // 0: it is let through; else what gwc answers by itself
	why    string // of status
	allow  string // of 405

	model     *artifact.Model
	prices    []string // of its targets
	endpoints []endpoint
	notes     []string

	program *ir.Program // where the decision's lines are found; nil where nobody asks for them
}

// endpoint is a place that would be called, in the order of the attempts where there is one.
type endpoint struct {
	what, url, how string
}

// findCaller returns the index of an app, given as TENANT/APP or as the name of the only app with it.
func findCaller(a *artifact.Artifact, name string) (int, error) {
	var found []int
	var known []string
	for i := range a.Apps {
		full := a.Tenants[a.Apps[i].Tenant].Name + "/" + a.Apps[i].Name
		known = append(known, full)
		if full == name || a.Apps[i].Name == name {
			found = append(found, i)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return -1, usage("several tenants have an app %q: say TENANT/%s", name, name)
	}
	slices.Sort(known)
	if len(known) > 20 {
		known = append(known[:20], "…")
	}
	return -1, usage("there is no app %q; there are %s", name, orNone(known))
}

func decide(a *artifact.Artifact, q *tried) *decision {
	d := &decision{a: a, q: q, app: -1}
	path, bad := http1.NormalizePath(nil, []byte(q.path))
	if bad != nil {
		return d.refuse(bad.Status, bad.Reason)
	}
	d.path = string(path)
	var p match.Params
	v, outcome := a.Table.Lookup([]byte(q.host), []byte(q.method), path, &p)
	switch outcome {
	case match.NotFound:
		return d.refuse(http.StatusNotFound, "no operation has this path")
	case match.MethodNotAllowed:
		d.allow = string(a.Table.AppendAllow(nil, &p))
		return d.refuse(http.StatusMethodNotAllowed, "the path has other methods only: "+d.allow)
	}
	d.route = &a.Routes[v]
	for i := range p.Len() {
		d.names = append(d.names, string(p.Name(&a.Table, i)))
		d.vals = append(d.vals, string(p.Value(path, i)))
	}
	if d.route.Auth != "none" {
		if why := d.authenticate(); why != "" {
			return d.refuse(http.StatusUnauthorized, why)
		}
	}
	switch kind := d.route.Kind; {
	case kind == artifact.RouteAPI:
		d.proxy()
	case kind.Asks():
		d.chat()
	case kind.Prompt():
		d.prompt()
	case kind == artifact.RoutePassthrough:
		d.pass()
	case kind.Models():
		return d.answer("the list of the app's models: " + orNone(d.models()))
	case kind.Model():
		if !d.mayUse(d.vals[0]) {
			return d.refuse(http.StatusNotFound, fmt.Sprintf("model %q does not exist or the app does not list it", d.vals[0]))
		}
		return d.answer("the model's card")
	}
	return d
}

func (d *decision) refuse(status int, why string) *decision {
	d.status, d.why = status, why
	return d
}

func (d *decision) answer(why string) *decision { return d.refuse(http.StatusOK, why) }

// authenticate returns why the caller is not known, or "".
func (d *decision) authenticate() string {
	if d.q.as >= 0 {
		d.app = d.q.as
		return ""
	}
	found, reason := -1, "the route needs a key and none was given; --as TENANT/APP asks as an app"
	for _, field := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
		for _, v := range d.q.header.Values(field) {
			if field == "Authorization" {
				if len(v) < 7 || !strings.EqualFold(v[:7], "bearer ") {
					continue
				}
				v = strings.TrimLeft(v[7:], " ")
			}
			hash := sha256.Sum256([]byte(v))
			k := slices.IndexFunc(d.a.Keys, func(k artifact.Key) bool { return k.Hash == hash })
			switch {
			case k < 0 && found < 0:
				reason = "the key is not known"
			case k >= 0 && found >= 0 && found != k:
				return "the request carries several different keys"
			case k >= 0:
				found = k
			}
		}
	}
	if found < 0 {
		return reason
	}
	k := &d.a.Keys[found]
	if k.Expires != 0 && d.q.now.Unix() >= k.Expires {
		return fmt.Sprintf("the key %q has expired", k.ID)
	}
	d.app, d.keyID = k.App, k.ID
	return ""
}

func (d *decision) models() []string {
	var names []string
	if d.app >= 0 {
		for _, m := range d.a.Apps[d.app].Models {
			names = append(names, d.a.Models[m].Name)
		}
	}
	return names
}

func (d *decision) mayUse(model string) bool {
	if d.app < 0 {
		return slices.ContainsFunc(d.a.Models, func(m artifact.Model) bool { return m.Name == model })
	}
	return slices.Contains(d.models(), model)
}

// proxy lists the URLs at which the operation may be called.
func (d *decision) proxy() {
	api := &d.a.APIs[d.route.API]
	u := &d.a.Upstreams[api.Upstream]
	rest := d.path[len(api.BasePath):]
	if rest == "" {
		rest = "/"
	}
	if d.q.hasQuery {
		rest += "?" + d.q.query
	}
	for _, e := range u.Endpoints {
		how := ""
		if len(u.Endpoints) > 1 {
			how = fmt.Sprintf("in turn, weight %d", e.Weight)
		}
		d.endpoints = append(d.endpoints, endpoint{"upstream " + u.Name, d.q.method + " " + e.URL + rest, how})
	}
	if t := d.route.Timeout; t > 0 {
		d.notes = append(d.notes, "the whole exchange takes at most "+t.String())
	}
}

// chat lists the targets in the order in which they are tried.
func (d *decision) chat() {
	head, err := pipeline.Asked(d.q.header.Get("Content-Type"), d.q.body)
	if err != nil {
		why := err.Error()
		if len(d.q.body) == 0 {
			why = "the request has no body; -d gives it one"
		}
		d.refuse(http.StatusBadRequest, why)
		return
	}
	if d.route.Kind.InPath() {
		head.Model, head.HasModel = []byte(d.vals[0]), true
	}
	if !head.HasModel {
		d.refuse(http.StatusBadRequest, "the body names no model")
		return
	}
	name := string(head.Model)
	if !d.mayUse(name) {
		why := fmt.Sprintf("model %q does not exist", name)
		if slices.ContainsFunc(d.a.Models, func(m artifact.Model) bool { return m.Name == name }) {
			why = fmt.Sprintf("model %q is not listed by the app, whose models are %s; the caller is told that it does not exist", name, orNone(d.models()))
		}
		d.refuse(http.StatusNotFound, why)
		return
	}
	d.ask(&d.a.Models[slices.IndexFunc(d.a.Models, func(m artifact.Model) bool { return m.Name == name })], head.Stream)
}

// ask lists the targets of a model.
func (d *decision) ask(m *artifact.Model, stream bool) {
	d.model = m
	for _, t := range d.model.Targets {
		p := &d.a.Providers[t.Provider]
		e := endpoint{fmt.Sprintf("%s/%s", p.Name, t.Model), "not called", "it has nothing of the kind"}
		if target, translated, ok := pipeline.Reach(p, t.Model, d.route.Kind, stream); ok {
			e.url, e.how = "POST "+p.BaseURL+target, "passed through"
			if translated {
				e.how = "translated to " + p.Kind
			}
		}
		d.prices = append(d.prices, "unknown")
		if price := d.a.TargetPrice(t); price != nil {
			d.prices[len(d.prices)-1] = usual(price)
		}
		d.endpoints = append(d.endpoints, e)
	}
	if r := d.model.Retry; r.Attempts > 1 {
		d.notes = append(d.notes, fmt.Sprintf("%s in all, another one after %s", render.Count(r.Attempts, "attempt"), strings.Join(r.On, ", ")))
	}
}

func (d *decision) caller() string {
	if d.app < 0 {
		return ""
	}
	app := &d.a.Apps[d.app]
	return d.a.Tenants[app.Tenant].Name + "/" + app.Name
}

func (d *decision) limits() (l []string) {
	if d.app >= 0 {
		for _, x := range d.a.Apps[d.app].Limits {
			l = append(l, fmt.Sprintf("%d requests per %s", x.Requests, ir.Duration(x.Per)))
		}
	}
	return l
}

// verdict says in one line what happens.
func (d *decision) verdict() string {
	switch {
	case d.status >= 400:
		return fmt.Sprintf("refused with %d %s: %s", d.status, http.StatusText(d.status), d.why)
	case d.status != 0:
		return fmt.Sprintf("answered with %d %s: %s", d.status, http.StatusText(d.status), d.why)
	case d.model != nil:
		return fmt.Sprintf("sent to model %s", d.model.Name)
	}
	return "proxied"
}

func (d *decision) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	on := ""
	if d.q.host != "" {
		on = " on " + d.q.host
	}
	row("request", "%s %s%s", d.q.method, d.q.path, on)
	row("decision", "%s", d.verdict())
	if d.route != nil {
		row("route", "%s, %s %s%s", d.route.ID, d.route.Method, d.route.Host, d.route.Path)
		if s := source(d.route); s != "" {
			row("source", "%s", s)
		}
		for i, n := range d.names {
			row("parameter", "%s = %s", n, d.vals[i])
		}
		switch caller := d.caller(); {
		case d.route.Auth == "none":
			row("caller", "anyone: the operation needs no key")
		case d.keyID != "":
			row("caller", "%s by key %s", caller, d.keyID)
		case caller != "":
			row("caller", "%s", caller)
		}
		for _, l := range d.limits() {
			row("limit", "%s", l)
		}
	}
	for i, e := range d.endpoints {
		how := ""
		if e.how != "" {
			how = " (" + e.how + ")"
		}
		if d.model != nil {
			row(fmt.Sprintf("target %d", i+1), "%s: %s%s", e.what, e.url, how)
			row("price", "%s", d.prices[i])
		} else {
			row("upstream", "%s%s", e.url, how)
		}
	}
	for _, n := range d.notes {
		row("note", "%s", n)
	}
	if d.program != nil {
		for _, o := range d.origins(d.program.Places) {
			row("says", "%s:%d: %s", o.at.File, o.at.Start.Line, o.what)
		}
	}
	return b.String()
}

func (d *decision) json() any {
	list := func(l []string) []string { return append([]string{}, l...) }
	o := object{{"method", d.q.method}, {"path", d.q.path}, {"outcome", [...]string{"forward", "answer", "refuse"}[d.outcome()]}}
	if d.status != 0 {
		o = append(o, member{"status", d.status}, member{"why", d.why})
	}
	if d.allow != "" {
		o = append(o, member{"allow", d.allow})
	}
	if d.route != nil {
		params := object{}
		for i, n := range d.names {
			params = append(params, member{n, d.vals[i]})
		}
		o = append(o, member{"route", d.route.ID}, member{"operation", d.route.Operation}, member{"template", d.route.Path},
			member{"file", d.route.Origin.File}, member{"line", d.route.Origin.Line}, member{"auth", d.route.Auth}, member{"params", params})
		if c := d.caller(); c != "" {
			o = append(o, member{"app", c}, member{"limits", list(d.limits())})
		}
		if t := d.route.Timeout; t != 0 {
			o = append(o, member{"timeout", t.Round(time.Millisecond).String()})
		}
	}
	if d.model != nil {
		o = append(o, member{"model", d.model.Name})
	}
	if len(d.endpoints) > 0 {
		var l []object
		for i, e := range d.endpoints {
			o := object{{"to", e.what}, {"request", e.url}, {"how", e.how}}
			if d.model != nil {
				o = append(o, member{"price", d.prices[i]})
			}
			l = append(l, o)
		}
		o = append(o, member{"endpoints", l})
	}
	if d.program != nil {
		l := []object{}
		for _, x := range d.origins(d.program.Places) {
			l = append(l, object{{"what", x.what}, {"file", x.at.File}, {"line", x.at.Start.Line}})
		}
		o = append(o, member{"sources", l})
	}
	return append(o, member{"notes", list(d.notes)})
}

func (d *decision) outcome() int {
	switch {
	case d.status >= 400:
		return 2
	case d.status != 0:
		return 1
	}
	return 0
}
