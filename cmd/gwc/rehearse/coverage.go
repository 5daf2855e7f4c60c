package rehearse

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// Coverage is which parts of a configuration tests have exercised.
//
//   - an operation: a request was let through to it, or gwc answered it;
//   - a policy: of an API, auth "key" has refused somebody, auth "none" has let somebody in without a key, and a timeout
//     has ended an exchange; an app's limit has refused a request;
//   - a target: a model's target was called, fallbacks included;
//   - a prompt: each version of it has been answered by its model;
//   - a passthrough: a request of the app went to the provider by that path;
//   - a key: a request came with it.
type Coverage struct {
	Items []Item // by tenant, kind and name

	index  map[string]int
	routes map[string]*artifact.Route
	a      *artifact.Artifact
}

// Item is one part.
type Item struct {
	Tenant  string `json:"tenant"` // "": the platform's
	Kind    string `json:"kind"`   // "operation", "policy", "target", "prompt", "passthrough", "key"
	Name    string `json:"name"`
	Covered bool   `json:"covered"`
}

func newCoverage(a *artifact.Artifact) *Coverage {
	c := &Coverage{index: map[string]int{}, routes: map[string]*artifact.Route{}, a: a}
	tenant := func(i int) string {
		if i < 0 {
			return ""
		}
		return a.Tenants[i].Name
	}
	for i := range a.Routes {
		r := &a.Routes[i]
		c.routes[r.ID] = r
		if r.Kind.Prompt() {
			continue // its versions count
		}
		owner := ""
		if r.API >= 0 {
			owner = tenant(a.APIs[r.API].Owner)
		}
		if _, own := r.Kind.AI(); !own && r.Kind != artifact.RoutePassthrough { // gwc's own paths are its own tests' business; what is asked there counts as a target
			c.item(owner, "operation", r.ID)
		}
		for _, p := range policiesOf(a, r) {
			c.item(owner, "policy", p)
		}
	}
	for i := range a.Models {
		m := &a.Models[i]
		for j, t := range m.Targets {
			c.item("", "target", targetName(m.Name, j, a.Providers[t.Provider].Name, t.Model))
		}
	}
	for i := range a.Prompts {
		p := &a.Prompts[i]
		for j := range p.Versions {
			c.item(tenant(p.Owner), "prompt", promptName(p.Name, p.Versions[j].Number))
		}
	}
	for i := range a.Apps {
		app := &a.Apps[i]
		for j := range app.Passthrough {
			for _, path := range app.Passthrough[j].Paths {
				c.item(tenant(app.Tenant), "passthrough", openedName(tenant(app.Tenant)+"/"+app.Name, a.Providers[app.Passthrough[j].Provider].Name, path))
			}
		}
		for _, l := range app.Limits {
			c.item(tenant(app.Tenant), "policy", limitName(tenant(app.Tenant)+"/"+app.Name, limitText(l)))
		}
	}
	for i := range a.Keys {
		app := &a.Apps[a.Keys[i].App]
		c.item(tenant(app.Tenant), "key", keyName(tenant(app.Tenant), app.Name, a.Keys[i].ID))
	}
	slices.SortStableFunc(c.Items, func(x, y Item) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	for i, it := range c.Items {
		c.index[it.Kind+"\x00"+it.Name] = i
	}
	return c
}

// policiesOf names the policies of a route. Routes of one API that say the same share a policy.
func policiesOf(a *artifact.Artifact, r *artifact.Route) []string {
	of := "the models' paths"
	switch {
	case r.API >= 0:
		of = "API " + a.APIs[r.API].Name
	case r.Kind == artifact.RoutePassthrough:
		of = "providers' own paths"
	}
	list := []string{fmt.Sprintf("auth %q of %s", r.Auth, of)}
	if r.Timeout > 0 {
		list = append(list, fmt.Sprintf("timeout %s of %s", r.Timeout, of))
	}
	return list
}

func targetName(model string, i int, provider, upstream string) string {
	return fmt.Sprintf("%s: target %d, %s/%s", model, i+1, provider, upstream)
}

func promptName(prompt string, version int64) string {
	return fmt.Sprintf("%s: version %d", prompt, version)
}

func openedName(app, provider, path string) string {
	return fmt.Sprintf("%s: %s of provider %s", app, path, provider)
}

func limitName(app, limit string) string { return fmt.Sprintf("limit %s of app %s", limit, app) }

func keyName(tenant, app, id string) string { return tenant + "/" + app + ": " + id }

// limitText is a limit as a record says it.
func limitText(l artifact.Limit) string {
	per := l.Per.String()
	if strings.HasSuffix(per, "m0s") {
		per = strings.TrimSuffix(per, "0s")
	}
	if strings.HasSuffix(per, "h0m") {
		per = strings.TrimSuffix(per, "0m")
	}
	return fmt.Sprintf("%d per %s", l.Requests, per)
}

func (c *Coverage) item(tenant, kind, name string) {
	key := kind + "\x00" + name
	if _, known := c.index[key]; known {
		return
	}
	c.index[key] = len(c.Items)
	c.Items = append(c.Items, Item{Tenant: tenant, Kind: kind, Name: name})
}

func (c *Coverage) cover(kind, name string) {
	if i, ok := c.index[kind+"\x00"+name]; ok {
		c.Items[i].Covered = true
	}
}

// exchange notes what the record of an exchange says was exercised.
func (c *Coverage) exchange(record any, q *script.Request) {
	if c == nil {
		return
	}
	text := func(path ...any) string { s, _ := at(record, path...).(string); return s }
	refused := text("error")
	attempts, _ := at(record, "attempts").([]any)
	app := text("tenant") + "/" + text("app")
	if key := text("key"); key != "" {
		c.cover("key", keyName(text("tenant"), text("app"), key))
	}
	if limit := text("limit"); limit != "" {
		c.cover("policy", limitName(app, limit))
	}
	r := c.routes[text("route")]
	if r == nil {
		return
	}
	if r.Kind == artifact.RoutePrompt && len(attempts) > 0 && refused == "" {
		n, _ := at(record, "prompt_version").(json.Number)
		if v, err := n.Int64(); err == nil {
			c.cover("prompt", promptName(text("prompt"), v))
		}
	}
	if r.Kind == artifact.RoutePassthrough && len(attempts) > 0 {
		c.passed(app, r, text("method"), text("path"))
	}
	if refused != "auth" && refused != "limit" && (len(attempts) > 0 || refused == "") {
		c.cover("operation", r.ID)
	}
	for _, p := range policiesOf(c.a, r) {
		if r.Kind.Prompt() {
			break
		}
		switch {
		case strings.HasPrefix(p, `auth "none"`):
			if refused != "auth" && text("key") == "" {
				c.cover("policy", p)
			}
		case strings.HasPrefix(p, "auth"):
			if refused == "auth" {
				c.cover("policy", p)
			}
		case refused == "timeout" && atLeast(at(record, "duration_ms"), r.Timeout): // and not the upstream's own bound
			c.cover("policy", p)
		}
	}
	model := text("model")
	for i := range c.a.Models {
		m := &c.a.Models[i]
		if m.Name != model {
			continue
		}
		for j, t := range m.Targets {
			provider := c.a.Providers[t.Provider].Name
			for _, a := range attempts {
				if at(a, "provider") == provider && at(a, "model") == t.Model && at(a, "error") != "request" {
					c.cover("target", targetName(m.Name, j, provider, t.Model))
				}
			}
		}
	}
}

// passed notes the paths by which a request of an app went to a provider.
func (c *Coverage) passed(app string, r *artifact.Route, method, path string) {
	provider := c.a.Providers[r.Provider].Name
	if method == "HEAD" {
		method = "GET"
	}
	for i := range c.a.Apps {
		a := &c.a.Apps[i]
		if c.a.Tenants[a.Tenant].Name+"/"+a.Name != app {
			continue
		}
		for _, o := range a.Passthrough {
			for _, opened := range o.Paths {
				_, meet := match.Meet(opened, strings.TrimPrefix(path, passthrough.Root+provider))
				if meet && o.Provider == r.Provider && (o.WebSocket || slices.Contains(o.Methods, method)) {
					c.cover("passthrough", openedName(app, provider, opened))
				}
			}
		}
	}
}

// atLeast compares milliseconds of a record.
func atLeast(ms any, d time.Duration) bool {
	n, _ := ms.(json.Number)
	f, err := n.Float64()
	return err == nil && f >= float64(d.Milliseconds())
}

// merge adds what another Coverage of the same artifact has covered.
func (c *Coverage) merge(o *Coverage) {
	for i := range o.Items {
		c.Items[i].Covered = c.Items[i].Covered || o.Items[i].Covered
	}
}

// Share is how much of some items is covered.
type Share struct {
	Covered int
	All     int
}

// Percent returns the share in hundredths, rounded down: 100 means all. Nothing is covered wholly.
func (s Share) Percent() float64 {
	if s.All == 0 {
		return 100
	}
	return float64(s.Covered*10000/s.All) / 100
}

// MarshalJSON implements [json.Marshaler].
func (s Share) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"covered": s.Covered, "all": s.All, "percent": s.Percent()})
}

// Total returns the share of the items that a function chooses; nil chooses all.
func (c *Coverage) Total(of func(*Item) bool) (s Share) {
	for i := range c.Items {
		if of != nil && !of(&c.Items[i]) {
			continue
		}
		s.All++
		if c.Items[i].Covered {
			s.Covered++
		}
	}
	return s
}

// Tenants returns the tenants that have items, the platform ("") first.
func (c *Coverage) Tenants() []string {
	var list []string
	for i := range c.Items {
		if t := c.Items[i].Tenant; !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}
