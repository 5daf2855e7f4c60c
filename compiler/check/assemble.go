package check

import (
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
	"github.com/gwc-dev/gwc/schema/diag"
)

func startOf(file string) diag.Span {
	start := diag.Pos{Line: 1, Col: 1}
	return diag.Span{File: file, Start: start, End: start}
}

// fragment turns what the walk found in a unit into its part of the configuration.
func (u *unit) fragment() *Fragment {
	f := &Fragment{Tenant: u.tenant, First: u.first, Broken: u.broken, Unsound: u.unfit, Report: u.report.All(), Places: newPlaces(u.places), Config: newConfig(), Dated: u.dated}
	if u.root == nil {
		return f
	}
	if g := u.root.fields["gateway"]; g != nil {
		f.Listens = true
		f.Config.Gateway = gatewayOf(g)
	}
	var report diag.Report
	m := merger{unit: u, config: &f.Config, report: &report}
	m.all()
	f.Objects = report.All()
	return f
}

func newConfig() Config {
	return Config{
		Providers: map[string]Provider{}, Models: map[string]Model{}, Upstreams: map[string]Upstream{},
		APIs: map[string]API{}, Catalogue: map[string]Facts{}, Tenants: map[string]Tenant{}, Assertions: map[string]Assertion{}, Locks: map[string]artifact.Lock{},
		Waivers: map[string]Waiver{}, Prompts: map[string]Prompt{}, Partials: map[string]Partial{},
	}
}

// merger makes the definitions of one unit. Paths of what it reports begin with the object, field and name: an object
// that another unit defined before is not said to be wrong in other ways too.
type merger struct {
	unit   *unit
	config *Config
	report *diag.Report
}

func (m *merger) all() {
	c := m.config
	merge(m, "providers", c.Providers, m.provider)
	merge(m, "models", c.Models, m.model)
	merge(m, "catalogue", c.Catalogue, m.facts)
	merge(m, "upstreams", c.Upstreams, m.upstream)
	merge(m, "apis", c.APIs, m.api)
	merge(m, "tenants", c.Tenants, m.tenant)
	merge(m, "prompts", c.Prompts, m.prompt)
	merge(m, "partials", c.Partials, m.partial)
	merge(m, "assertions", c.Assertions, m.assertion)
	merge(m, "locks", c.Locks, m.lock)
	merge(m, "waivers", c.Waivers, m.waiver)
}

// merge makes the objects of one field.
func merge[T any](m *merger, field string, into map[string]T, make func(*node, string) T) {
	objects := m.unit.root.fields[field]
	if objects == nil {
		return
	}
	for _, name := range objects.order {
		if n := objects.fields[name]; n != nil {
			into[name] = make(n, name)
		}
	}
}

// objectWord returns the word for one object of a field: "model" for "models".
func objectWord(field string) string {
	switch field {
	case "apis":
		return "API"
	case "catalogue":
		return "catalogue entry"
	}
	return strings.TrimSuffix(field, "s")
}

func gatewayOf(n *node) Gateway {
	g := Gateway{Listeners: map[string]Listener{}, Admin: n.get("admin").get("address").str, Unwaivable: texts(n.get("unwaivable"))}
	for name, l := range n.get("listeners").fields {
		if l == nil {
			continue
		}
		out := Listener{Address: l.get("address").str, Engine: l.get("engine").str}
		if t := l.fields["tls"]; t != nil {
			out.TLS = &TLS{Cert: t.get("cert").str, Key: t.get("key").str}
		}
		g.Listeners[name] = out
	}
	calls := n.get("calls")
	g.Calls = Calls{Dir: calls.get("dir").str, Flush: duration(calls.get("flush")), MaxBytes: calls.get("rotate").num}
	if s := n.fields["signatures"]; s != nil {
		g.Signers, g.Require = map[string]sign.PublicKey{}, int(s.get("require").num)
		for name, k := range s.get("keys").fields {
			if k == nil {
				continue
			}
			if key, err := sign.ParsePublicKey(k.str); err == nil {
				g.Signers[name] = key
			}
		}
	}
	return g
}

func (m *merger) provider(n *node, _ string) Provider {
	p := Provider{
		Kind:     n.get("kind").str,
		BaseURL:  strings.TrimRight(n.get("baseURL").str, "/"),
		Timeouts: timeouts(n.get("timeouts")), Catalogue: n.get("catalogue").str,
		Vendor: n.get("vendor").str, APIVersion: n.get("apiVersion").str, API: n.get("api").str,
		Project: n.get("project").str, Location: n.get("location").str, Region: n.get("region").str,
	}
	if e := n.get("entra"); e.get("tenant").str != "" {
		p.Entra = &Entra{Tenant: e.get("tenant").str, ClientID: e.get("clientId").str, ClientSecret: e.get("clientSecret").str,
			Authority: strings.TrimRight(e.get("authority").str, "/"), Scope: e.get("scope").str}
	}
	for _, c := range n.get("credentials").elems {
		if c == nil {
			continue
		}
		if id := c.get("accessKeyId").str; id != "" {
			p.AWSKeys = append(p.AWSKeys, AWSKey{AccessKeyID: id, SecretAccessKey: c.get("secretAccessKey").str, SessionToken: c.get("sessionToken").str})
		} else if account := c.get("serviceAccount").str; account != "" {
			p.Credentials = append(p.Credentials, account)
		} else {
			p.Credentials = append(p.Credentials, c.get("ref").str)
		}
	}
	if h := n.get("headers"); len(h.order) > 0 {
		p.Headers = map[string]string{}
		for name, v := range h.fields {
			if v != nil {
				p.Headers[name] = v.str
			}
		}
	}
	return p
}

func (m *merger) model(n *node, name string) Model {
	out := Model{
		Strategy:  n.get("strategy").str,
		Retry:     Retry{Attempts: int(n.get("retry").get("attempts").num), On: texts(n.get("retry").get("on"))},
		Timeouts:  timeouts(n.get("timeouts")),
		MaxTokens: n.get("maxTokens").num,
		OnLoss:    n.get("onLoss").str,
		KeepAlive: duration(n.get("keepAlive")),

		Capabilities: texts(n.get("capabilities")),
		Price:        priceOf(n),
	}
	for _, t := range n.get("targets").elems {
		if t != nil {
			out.Targets = append(out.Targets, Target{Provider: t.get("provider").str, Model: t.get("model").str, Price: priceOf(t)})
		}
	}
	m.repeated(n.get("capabilities").elems, "models", name, "capabilities")
	if out.Retry.Attempts == 0 {
		out.Retry.Attempts = min(len(out.Targets), 10)
	}
	return out
}

func (m *merger) upstream(n *node, _ string) Upstream {
	out := Upstream{Timeouts: timeouts(n.get("timeouts"))}
	for _, e := range n.get("endpoints").elems {
		if e != nil {
			out.Endpoints = append(out.Endpoints, Endpoint{URL: strings.TrimRight(e.get("url").str, "/"), Weight: int(e.get("weight").num)})
		}
	}
	return out
}

func (m *merger) api(n *node, name string) API {
	out := API{
		Owner:      n.get("owner").str,
		BasePath:   strings.TrimSuffix(n.get("basePath").str, "/"),
		Only:       texts(n.get("only")),
		Exclude:    texts(n.get("exclude")),
		Hosts:      texts(n.get("hosts")),
		Upstream:   n.get("upstream").str,
		Policies:   policies(n.get("policies")),
		Operations: map[string]Operation{},
	}
	if !n.get("owner").set {
		out.Owner = m.unit.tenant
	}
	if doc := n.get("openapi"); doc.set {
		out.OpenAPI = path.Join(path.Dir(doc.at.value.File), doc.str)
		if out.OpenAPI == ".." || strings.HasPrefix(out.OpenAPI, "../") {
			m.report.Add(diag.Diagnostic{
				Code:    codeDocument,
				Summary: fmt.Sprintf("\"openapi\" %q lies outside of the repository, expected a file within it", doc.str),
				Path:    []string{"apis", name, "openapi"},
				Primary: diag.Label{Span: doc.at.value},
				Notes:   []string{"the path is relative to the file that says it"},
			})
		}
	}
	for id, o := range n.get("operations").fields {
		if o != nil {
			out.Operations[id] = Operation{Policies: policies(o.get("policies"))}
		}
	}
	m.repeated(n.get("hosts").elems, "apis", name, "hosts")
	m.repeated(n.get("only").elems, "apis", name, "only")
	m.repeated(n.get("exclude").elems, "apis", name, "exclude")
	return out
}

func (m *merger) tenant(n *node, name string) Tenant {
	if own := m.unit.tenant; own != "" && own != name {
		m.report.Add(diag.Diagnostic{
			Code:    codePlatform,
			Summary: fmt.Sprintf("tenant %q stands in the folder of tenant %q, expected in its own or among the platform's files", name, own),
			Path:    []string{"tenants", name},
			Primary: diag.Label{Span: n.at.key},
			Help:    []string{fmt.Sprintf("move it to tenants/%s/tenant.cue", name)},
		})
	}
	out := Tenant{Owners: texts(n.get("owners")), Apps: map[string]App{}}
	m.repeated(n.get("owners").elems, "tenants", name, "owners")
	for appName, a := range n.get("apps").fields {
		if a == nil {
			continue
		}
		app := App{Models: texts(a.get("models")), Prompts: texts(a.get("prompts"))}
		var ids []*node
		for _, k := range a.get("keys").elems {
			if k == nil {
				continue
			}
			key := Key{ID: k.get("id").str, Expires: endOfDay(k.get("expires").str)}
			hash, err := hex.DecodeString(strings.TrimPrefix(k.get("hash").str, "sha256:"))
			if err == nil {
				copy(key.Hash[:], hash)
			}
			app.Keys = append(app.Keys, key)
			ids = append(ids, k.get("id"))
		}
		for _, l := range a.get("limits").elems {
			if l != nil {
				app.Limits = append(app.Limits, Limit{Requests: l.get("requests").num, Per: duration(l.get("per"))})
			}
		}
		for i, p := range a.get("passthrough").elems {
			if p == nil {
				continue
			}
			app.Passthrough = append(app.Passthrough, Passthrough{Provider: p.get("provider").str, Paths: texts(p.get("paths")),
				Methods: texts(p.get("methods")), WebSocket: p.get("websocket").flag})
			m.repeated(p.get("paths").elems, "tenants", name, "apps", appName, "passthrough", strconv.Itoa(i), "paths")
			m.repeated(p.get("methods").elems, "tenants", name, "apps", appName, "passthrough", strconv.Itoa(i), "methods")
		}
		m.repeated(a.get("models").elems, "tenants", name, "apps", appName, "models")
		m.repeated(a.get("prompts").elems, "tenants", name, "apps", appName, "prompts")
		m.repeated(ids, "tenants", name, "apps", appName, "keys")
		out.Apps[appName] = app
	}
	return out
}

// repeated reports texts that a list has twice.
func (m *merger) repeated(list []*node, path ...string) {
	first := map[string]*node{}
	for i, n := range list {
		if n == nil || !n.set {
			continue
		}
		before, again := first[n.str]
		if !again {
			first[n.str] = n
			continue
		}
		m.report.Add(diag.Diagnostic{
			Code:      codeRepeated,
			Summary:   fmt.Sprintf("%q stands twice in %q", n.str, path[len(path)-1]),
			Path:      append(slices.Clone(path), strconv.Itoa(i)),
			Primary:   diag.Label{Span: n.at.value},
			Secondary: []diag.Label{{Span: before.at.value, Text: "first here"}},
		})
	}
}

func timeouts(n *node) Timeouts {
	return Timeouts{
		Connect:   duration(n.get("connect")),
		FirstByte: duration(n.get("firstByte")),
		Idle:      duration(n.get("idle")),
		Total:     duration(n.get("total")),
	}
}

func policies(n *node) Policies {
	return Policies{Auth: n.get("auth").str, Timeout: duration(n.get("timeout"))}
}

// duration returns what a checked duration says; 0 where nothing does.
func duration(n *node) time.Duration {
	d, err := parseDuration(n.str)
	if err != nil {
		return 0
	}
	return d
}

// endOfDay returns the first second after a day, in Unix seconds; 0 for no day.
func endOfDay(day string) int64 {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0
	}
	return t.AddDate(0, 0, 1).Unix()
}

func texts(n *node) []string {
	var list []string
	for _, e := range n.elems {
		if e != nil {
			list = append(list, e.str)
		}
	}
	return list
}
