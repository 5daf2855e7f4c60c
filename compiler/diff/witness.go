package diff

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// Witness is one request that the two artifacts decide differently.
type Witness struct {
	Request       Request
	Before, After Decision
}

// common finds the keys as whose app a witness can be sent to both gateways.
func (c *comparison) common() {
	for i := range c.base.a.Keys {
		k := &c.base.a.Keys[i]
		if j, ok := c.target.keys[k.Hash]; ok && c.base.app(k.App) == c.target.app(c.target.a.Keys[j].App) {
			c.both = append(c.both, *k)
		}
	}
	slices.SortFunc(c.both, func(x, y artifact.Key) int {
		never := func(k artifact.Key) int64 { return min(k.Expires, 1) }
		return cmp.Or(cmp.Compare(never(x), never(y)), cmp.Compare(c.base.app(x.App), c.base.app(y.App)), cmp.Compare(x.ID, y.ID))
	})
	c.byApp = map[string]*artifact.Key{}
	for i := range c.both {
		if app := c.base.app(c.both[i].App); c.byApp[app] == nil {
			c.byApp[app] = &c.both[i]
		}
	}
	c.keyed = map[*View]Blast{}
	for _, v := range []*View{c.base, c.target} {
		apps := map[string]bool{}
		for i := range v.a.Keys {
			apps[v.app(v.a.Keys[i].App)] = true
		}
		c.keyed[v] = blast(apps)
	}
}

func blast(apps map[string]bool) Blast {
	names := slices.Sorted(maps.Keys(apps))
	tenants := map[string]bool{}
	for _, n := range names {
		t, _, _ := strings.Cut(n, "/")
		tenants[t] = true
	}
	return Blast{Apps: len(names), Tenants: len(tenants), Some: names[:min(len(names), 5)]}
}

// callers is who may call operations of a view's APIs: every app with a key, and where open, everyone.
func (c *comparison) callers(v *View, open bool) Blast {
	b := c.keyed[v]
	b.Everyone = open
	return b
}

// askers is who may ask for one of the models, by their names, in either view.
func (c *comparison) askers(models map[string]bool) Blast {
	apps := map[string]bool{}
	for _, v := range []*View{c.base, c.target} {
		for i := range v.a.Keys {
			app := v.a.Keys[i].App
			if slices.ContainsFunc(v.a.Apps[app].Models, func(m int) bool { return models[v.a.Models[m].Name] }) {
				apps[v.app(app)] = true
			}
		}
	}
	return blast(apps)
}

// judge returns the witness of a request, or nil where both decide alike.
func (c *comparison) judge(q Request) *Witness {
	w := &Witness{Request: q, Before: c.base.Decide(q), After: c.target.Decide(q)}
	if !w.Before.Differs(w.After) {
		return nil
	}
	return w
}

// requests returns requests without a key that match an operation, by host and path.
func (c *comparison) requests(o *operation) (list []Request) {
	templates := paths(o.path, c.base, c.target)
	for _, host := range o.hosts {
		for _, h := range c.hosts(host) {
			for _, p := range templates {
				list = append(list, Request{Method: o.method, Host: h, Path: p})
			}
		}
	}
	return list
}

// hosts returns hosts that a pattern takes. Any host is one that no pattern names, where there are some.
func (c *comparison) hosts(pattern string) []string {
	rest, wild := strings.CutPrefix(pattern, "*.")
	switch {
	case wild:
		return []string{"any." + rest, "a.any." + rest}
	case pattern != "":
		return []string{pattern}
	case c.base.hosted || c.target.hosted:
		return []string{"gateway.example", ""}
	}
	return []string{""}
}

// as yields a request with keys that both gateways know, then without one. On APIs it does not matter whose it is.
func (c *comparison) as(q Request) []Request {
	list := []Request{q}
	if len(c.both) > 0 {
		k := &c.both[0]
		return append([]Request{q.as(c.base.app(k.App), k)}, list...)
	}
	return list
}

// witness looks for a request that v gives to the operation and that the two artifacts decide differently. anonymous
// asks for one without a key first.
func (c *comparison) witness(v *View, o *operation, anonymous bool) *Witness {
	if o.kind != artifact.RouteAPI {
		return c.asked(v, o)
	}
	for _, q := range c.requests(o) {
		if v.Decide(q).Route != o.id {
			continue
		}
		list := c.as(q)
		if anonymous {
			slices.Reverse(list)
		}
		for _, q := range list {
			if w := c.judge(q); w != nil {
				return w
			}
		}
	}
	return nil
}

// asked is witness for the routes of models.
func (c *comparison) asked(v *View, o *operation) *Witness {
	for i := range v.a.Models {
		name := v.a.Models[i].Name
		switch {
		case o.kind.Asks():
			path := o.path
			if o.kind.InPath() {
				path = fill(path, name)
			}
			if w := c.chat(path, name); w != nil {
				return w
			}
			continue
		case o.kind.Model():
			if q := (Request{Method: o.method, Path: fill(o.path, name)}); v.Decide(q).Route == o.id {
				for _, q := range c.as(q) {
					if w := c.judge(q); w != nil {
						return w
					}
				}
			}
			continue
		}
		for _, q := range c.as(Request{Method: o.method, Path: o.path}) {
			if w := c.judge(q); w != nil {
				return w
			}
		}
	}
	return nil
}

// chatPath is where a model is asked for in a witness.
const chatPath = "/v1/chat/completions"

// chat looks for an app of both that may ask for a model and for which the two decide differently.
func (c *comparison) chat(path, model string) *Witness {
	q := Request{Method: "POST", Path: path, Model: model}
	for i := range c.both {
		k := &c.both[i]
		if !c.lists(c.base, k, model) && !c.lists(c.target, k, model) {
			continue
		}
		if w := c.judge(q.as(c.base.app(k.App), k)); w != nil {
			return w
		}
	}
	return nil
}

func (c *comparison) lists(v *View, k *artifact.Key, model string) bool {
	app := v.a.Keys[v.keys[k.Hash]].App
	return v.mayUse(app, model)
}
