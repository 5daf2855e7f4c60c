package diff

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// Request is a request head as far as an artifact decides about it.
type Request struct {
	Method string
	Host   string // "" where none of the hosts that the artifact names is meant
	Path   string // in the normal form of package match
	App    string // whose key it carries, "tenant/app"; "" without a key
	Key    string // the id of that key
	Model  string // that a chat asks for
	Socket bool   // it asks for WebSocket
	// At is when it is made, in Unix seconds; 0 where no expiry matters.
	At int64

	hash [sha256.Size]byte // of the key
}

// String returns "GET /orders/v2/orders on api.example as acme/web (key web-1)".
func (q Request) String() string {
	var b strings.Builder
	b.WriteString(q.Method + " " + q.Path)
	if q.Host != "" {
		b.WriteString(" on " + q.Host)
	}
	if q.Model != "" {
		b.WriteString(" for model " + q.Model)
	}
	if q.Socket {
		b.WriteString(" for WebSocket")
	}
	if q.App == "" {
		b.WriteString(" without a key")
	} else {
		b.WriteString(" as " + q.App + " with key " + q.Key)
	}
	if q.At != 0 {
		b.WriteString(" at " + day(q.At))
	}
	return b.String()
}

func day(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }

// Decision is what an artifact says about a request, but for limits, which depend on other requests.
type Decision struct {
	Status int      // 0: it is let through to To; else what gwc answers by itself
	Why    string   // of Status
	Route  string   // the id of the route that took it; "" for none
	Caller string   // "tenant/app"; "" where no key was asked for
	To     []string // URLs, or targets of a model, in the order of the artifact
	Terms  []string // timeouts, attempts and the like
}

// Differs reports whether a caller or an upstream could notice that x was decided and not d. A route's name and the
// wording of a refusal are not noticed.
func (d Decision) Differs(x Decision) bool {
	return d.Status != x.Status || d.Caller != x.Caller || !slices.Equal(d.To, x.To) || !slices.Equal(d.Terms, x.Terms)
}

// String returns "proxied to http://10.0.0.7:8080/orders", "404 Not Found: no operation has this path".
func (d Decision) String() string {
	if d.Status != 0 {
		return fmt.Sprintf("%d %s: %s", d.Status, http.StatusText(d.Status), d.Why)
	}
	s := "sent to " + strings.Join(d.To, ", ")
	if d.Caller != "" {
		s += " for " + d.Caller
	}
	return s
}

// View is an artifact with the indices that decisions and comparisons need. It is immutable and may be used by any
// number of goroutines, and so must the artifact be while it is in use.
type View struct {
	a      *artifact.Artifact
	models map[string]int
	keys   map[[sha256.Size]byte]int
	owned  [][]int // the keys of each app
	hosted bool    // a route is bound to a host
	paths  *branch
}

// NewView returns a view of a valid artifact.
func NewView(a *artifact.Artifact) *View {
	v := &View{a: a, models: make(map[string]int, len(a.Models)), keys: make(map[[sha256.Size]byte]int, len(a.Keys)), owned: make([][]int, len(a.Apps)), paths: new(branch)}
	for i := range a.Models {
		v.models[a.Models[i].Name] = i
	}
	for i := range a.Keys {
		v.keys[a.Keys[i].Hash] = i
		v.owned[a.Keys[i].App] = append(v.owned[a.Keys[i].App], i)
	}
	for p := range a.Table.All() {
		v.hosted = v.hosted || p.Host != ""
		v.paths.add(split(p.Path))
	}
	return v
}

// app returns the full name of an app.
func (v *View) app(i int) string {
	return v.a.Tenants[v.a.Apps[i].Tenant].Name + "/" + v.a.Apps[i].Name
}

// As returns q as the app whose key has this id, and whether there is one.
func (v *View) As(q Request, app, key string) (Request, bool) {
	for i := range v.a.Keys {
		if k := &v.a.Keys[i]; k.ID == key && v.app(k.App) == app {
			return q.as(app, k), true
		}
	}
	return q, false
}

// Sample returns a request without a key that the artifact gives to a route, with stand-ins for parameters, and
// whether there is one.
func (v *View) Sample(route, method string) (Request, bool) {
	c := &comparison{base: v, target: v}
	for i := range v.a.Routes {
		r := &v.a.Routes[i]
		if r.ID != route || r.Method != method && !(r.Method == "GET" && method == "HEAD") {
			continue
		}
		n, err := match.Normal(match.Pattern{Host: r.Host, Method: r.Method, Path: r.Path})
		if err != nil {
			panic("diff: an artifact that was not validated: " + err.Error())
		}
		for _, q := range c.requests(&operation{method: method, path: n.Path, hosts: []string{n.Host}}) {
			if v.Decide(q).Route == route {
				return q, true
			}
		}
	}
	return Request{}, false
}

// Hosted reports whether a route of the artifact is bound to a host.
func (v *View) Hosted() bool { return v.hosted }

func (q Request) as(app string, k *artifact.Key) Request {
	q.App, q.Key, q.hash = app, k.ID, k.Hash
	return q
}

// Decide returns what the artifact says about a request, in the order of the runtime: route, key, model.
func (v *View) Decide(q Request) Decision {
	var p match.Params
	path := []byte(q.Path)
	n, outcome := v.a.Table.Lookup([]byte(q.Host), []byte(q.Method), path, &p)
	switch outcome {
	case match.NotFound:
		return Decision{Status: http.StatusNotFound, Why: "no operation has this path"}
	case match.MethodNotAllowed:
		return Decision{Status: http.StatusMethodNotAllowed, Why: "the path has other methods only: " + string(v.a.Table.AppendAllow(nil, &p))}
	}
	r := &v.a.Routes[n]
	d := Decision{Route: r.ID}
	app := -1
	if r.Auth != "none" {
		switch k, known := v.keys[q.hash]; {
		case q.App == "":
			d.Status, d.Why = http.StatusUnauthorized, "the operation needs a key"
			return d
		case !known:
			d.Status, d.Why = http.StatusUnauthorized, "the key is not known"
			return d
		case q.At != 0 && v.a.Keys[k].Expires != 0 && q.At >= v.a.Keys[k].Expires:
			d.Status, d.Why = http.StatusUnauthorized, "the key has expired"
			return d
		default:
			app = v.a.Keys[k].App
			d.Caller = v.app(app)
		}
	}
	switch {
	case r.Kind == artifact.RouteAPI:
		v.proxy(r, q, &d)
	case r.Kind.Asks() && r.Kind.InPath():
		if p.Len() > 0 {
			v.chat(app, string(p.Value(path, 0)), &d)
		}
	case r.Kind.Asks():
		v.chat(app, q.Model, &d)
	case r.Kind.Prompt():
		v.prompt(app, r, &d)
	case r.Kind == artifact.RoutePassthrough:
		v.pass(app, r, q, &d)
	case r.Kind.Models():
		d.Status, d.Why = http.StatusOK, "the list of the app's models"
	case r.Kind.Model():
		if p.Len() > 0 && v.mayUse(app, string(p.Value(path, 0))) {
			d.Status, d.Why = http.StatusOK, "the model's card"
		} else {
			d.Status, d.Why = http.StatusNotFound, "the app has no such model"
		}
	}
	return d
}

func (v *View) mayUse(app int, model string) bool {
	m, ok := v.models[model]
	return ok && (app < 0 || slices.Contains(v.a.Apps[app].Models, m))
}

func (v *View) proxy(r *artifact.Route, q Request, d *Decision) {
	api := &v.a.APIs[r.API]
	u := &v.a.Upstreams[api.Upstream]
	rest := strings.TrimPrefix(q.Path, api.BasePath)
	if rest == "" {
		rest = "/"
	}
	for _, e := range u.Endpoints {
		to := e.URL + rest
		if len(u.Endpoints) > 1 {
			to += fmt.Sprintf(" (weight %d)", e.Weight)
		}
		d.To = append(d.To, to)
	}
	d.Terms = append(terms(u.Timeouts), "exchange "+orNone(r.Timeout))
}

func (v *View) chat(app int, model string, d *Decision) {
	if !v.mayUse(app, model) {
		d.Status, d.Why = http.StatusNotFound, "the app has no such model"
		return
	}
	v.ask(&v.a.Models[v.models[model]], d)
}

// prompt decides a call of a prompt, or of its document, that names no version.
func (v *View) prompt(app int, r *artifact.Route, d *Decision) {
	p := &v.a.Prompts[r.Prompt]
	switch {
	case app < 0 || !v.a.MayPrompt(&v.a.Apps[app], r.Prompt):
		d.Status, d.Why = http.StatusForbidden, "the app may not call the prompt"
	case r.Kind == artifact.RoutePromptDocument:
		d.Status, d.Why = http.StatusOK, "the prompt's OpenAPI document"
	default:
		d.Terms = append(d.Terms, served(p))
		if q := p.Get(p.Default); q != nil && q.Model >= 0 && q.Model < len(v.a.Models) {
			v.ask(&v.a.Models[q.Model], d)
		}
	}
}

// ask adds the targets of a model.
func (v *View) ask(m *artifact.Model, d *Decision) {
	for _, t := range m.Targets {
		p := &v.a.Providers[t.Provider]
		d.To = append(d.To, fmt.Sprintf("%s/%s (%s at %s)", p.Name, t.Model, p.Kind, p.BaseURL))
		// A model's timeouts stand over its providers' where they are set.
		to := p.Timeouts
		for _, x := range []struct{ to, own *time.Duration }{
			{&to.Connect, &m.Timeouts.Connect}, {&to.FirstByte, &m.Timeouts.FirstByte}, {&to.Idle, &m.Timeouts.Idle}, {&to.Total, &m.Timeouts.Total},
		} {
			if *x.own != 0 {
				*x.to = *x.own
			}
		}
		d.Terms = append(d.Terms, terms(to)...)
		if p.API != "" {
			d.Terms = append(d.Terms, "conversations go to "+apiOf(p.API))
		}
		for _, h := range p.Headers {
			d.Terms = append(d.Terms, "header "+h.Name)
		}
	}
	d.Terms = append(d.Terms, m.Strategy, attempts(m.Retry), fmt.Sprintf("max tokens %d", m.MaxTokens))
	if m.OnLoss != "" {
		d.Terms = append(d.Terms, "losses "+m.OnLoss)
	}
}

func attempts(r artifact.Retry) string {
	if r.Attempts < 2 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts, another one after %s", r.Attempts, strings.Join(r.On, ", "))
}

func terms(t artifact.Timeouts) []string {
	return []string{"connect " + orNone(t.Connect), "first byte " + orNone(t.FirstByte), "idle " + orNone(t.Idle), "total " + orNone(t.Total)}
}

func orNone(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return short(d)
}

// short writes a duration as the language does: "1m", not "1m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
