package diff

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
)

func (c *comparison) tenants() {
	pairs(c.base.a.Tenants, c.target.a.Tenants, func(t *artifact.Tenant) string { return t.Name }, func(name string, i, j int) {
		ch := Change{Tenant: name, Subject: "tenant " + name}
		owners := func(t *artifact.Tenant) string { return strings.Join(slices.Sorted(slices.Values(t.Owners)), ", ") }
		switch {
		case i < 0:
			ch.Kind, ch.Summary, ch.After = TenantAdded, fmt.Sprintf("tenant %q is added", name), owners(&c.target.a.Tenants[j])
		case j < 0:
			ch.Kind, ch.Summary, ch.Before = TenantRemoved, fmt.Sprintf("tenant %q is removed", name), owners(&c.base.a.Tenants[i])
		default:
			ch.Kind, ch.Summary = TenantOwners, fmt.Sprintf("tenant %q has other owners", name)
			ch.Before, ch.After = owners(&c.base.a.Tenants[i]), owners(&c.target.a.Tenants[j])
			if ch.Before == ch.After {
				return
			}
		}
		c.add(ch)
	})
}

// named is an app with its full name.
type named struct {
	name string
	app  *artifact.App
	i    int
}

func (v *View) apps() (list []named) {
	for i := range v.a.Apps {
		list = append(list, named{v.app(i), &v.a.Apps[i], i})
	}
	return list
}

func (v *View) modelNames(a *artifact.App) (names []string) {
	for _, m := range a.Models {
		names = append(names, v.a.Models[m].Name)
	}
	slices.Sort(names)
	return names
}

func (c *comparison) apps() {
	x, y := c.base.apps(), c.target.apps()
	pairs(x, y, func(n *named) string { return n.name }, func(name string, i, j int) {
		tenant, _, _ := strings.Cut(name, "/")
		who := blast(map[string]bool{name: true})
		base := Change{Tenant: tenant, Subject: "app " + name, Blast: who}
		holds := func(v *View, n named) string {
			s := count(len(v.owned[n.i]), "key")
			if m := v.modelNames(n.app); len(m) > 0 {
				s += ", models " + strings.Join(m, ", ")
			}
			if n := len(v.doors(n.app)); n > 0 {
				s += ", " + count(n, "opened path") + " of providers"
			}
			return s
		}
		if i < 0 {
			ch := base
			ch.Kind, ch.After = AppAdded, holds(c.target, y[j])
			ch.Summary = fmt.Sprintf("app %q is added with %s", name, ch.After)
			ch.Witness = c.keyOfApp(c.target, y[j].i)
			if len(c.target.owned[y[j].i]) == 0 {
				ch.Kind, ch.Blast = AppIdle, Blast{}
			}
			c.add(ch)
			return
		}
		if j < 0 {
			ch := base
			ch.Kind, ch.Before = AppRemoved, holds(c.base, x[i])
			ch.Summary = fmt.Sprintf("app %q is removed with %s", name, ch.Before)
			ch.Witness = c.keyOfApp(c.base, x[i].i)
			if len(c.base.owned[x[i].i]) == 0 {
				ch.Kind, ch.Blast = AppIdle, Blast{}
			}
			c.add(ch)
			return
		}
		a, b := c.base.modelNames(x[i].app), c.target.modelNames(y[j].app)
		for _, m := range b {
			if !slices.Contains(a, m) {
				ch := base
				ch.Kind, ch.After, ch.Summary, ch.Witness = ModelGranted, m, fmt.Sprintf("app %q may ask for model %q", name, m), c.asksFor(name, m)
				c.add(ch)
			}
		}
		for _, m := range a {
			// A model that is gone is said once, of the model.
			if _, still := c.target.models[m]; still && !slices.Contains(b, m) {
				ch := base
				ch.Kind, ch.Before, ch.Summary, ch.Witness = ModelRevoked, m, fmt.Sprintf("app %q may no longer ask for model %q", name, m), c.asksFor(name, m)
				c.add(ch)
			}
		}
		c.listed(base, name, x[i].app, y[j].app)
		c.passthrough(base, name, x[i].app, y[j].app)
		c.limits(base, name, x[i].app.Limits, y[j].app.Limits)
	})
}

// asksFor returns the witness of one app and one model.
func (c *comparison) asksFor(app, model string) *Witness {
	q := Request{Method: "POST", Path: "/v1/chat/completions", Model: model}
	if k, ok := c.byApp[app]; ok {
		return c.judge(q.as(app, k))
	}
	return nil
}

func limit(l artifact.Limit) string { return fmt.Sprintf("%d per %s", l.Requests, short(l.Per)) }

// limits compares limits by their windows: of several with one window the smallest holds.
func (c *comparison) limits(base Change, app string, x, y []artifact.Limit) {
	if slices.Equal(x, y) {
		return
	}
	type window struct {
		text  string
		limit artifact.Limit
	}
	holds := func(list []artifact.Limit) (l []window) {
		for _, a := range list {
			i := slices.IndexFunc(l, func(w window) bool { return w.limit.Per == a.Per })
			if i < 0 {
				l = append(l, window{fmt.Sprintf("%020d", a.Per), a})
			} else if a.Requests < l[i].limit.Requests {
				l[i].limit = a
			}
		}
		return l
	}
	a, b := holds(x), holds(y)
	said := false
	pairs(a, b, func(w *window) string { return w.text }, func(_ string, i, j int) {
		ch := base
		switch {
		case i < 0:
			ch.Kind, ch.After = LimitAdded, limit(b[j].limit)
			ch.Summary = fmt.Sprintf("app %q is limited to %s", app, ch.After)
		case j < 0:
			ch.Kind, ch.Before = LimitRemoved, limit(a[i].limit)
			ch.Summary = fmt.Sprintf("app %q is no longer limited to %s", app, ch.Before)
		case a[i].limit == b[j].limit:
			return
		default:
			ch.Kind, ch.Before, ch.After = LimitLowered, limit(a[i].limit), limit(b[j].limit)
			if b[j].limit.Requests > a[i].limit.Requests {
				ch.Kind = LimitRaised
			}
			ch.Summary = fmt.Sprintf("app %q is limited to %s", app, ch.After)
		}
		said = true
		c.add(ch)
	})
	if !said {
		text := func(list []artifact.Limit) string {
			var l []string
			for _, x := range list {
				l = append(l, limit(x))
			}
			return strings.Join(l, ", ")
		}
		ch := base
		ch.Kind, ch.Before, ch.After = LimitRepeats, text(x), text(y)
		ch.Summary = fmt.Sprintf("the limits of app %q are written otherwise", app)
		c.add(ch)
	}
}

// withKey returns the witness of a key: the first request that needs one.
func (c *comparison) withKey(v *View, k *artifact.Key, at int64) *Witness {
	tried := 0
	for _, o := range c.ops[v] {
		if tried == maxAlike {
			break
		}
		if o.auth == "none" || o.kind.Asks() || o.kind.Model() {
			continue
		}
		tried++
		for _, q := range c.requests(o) {
			q.At = at
			if v.Decide(q).Route != o.id {
				continue
			}
			if w := c.judge(q.as(v.app(k.App), k)); w != nil {
				return w
			}
		}
	}
	return nil
}

func (c *comparison) keyOfApp(v *View, app int) *Witness {
	other := c.target
	if v == other {
		other = c.base
	}
	for _, i := range v.owned[app] {
		k := &v.a.Keys[i]
		if _, moved := other.keys[k.Hash]; !moved {
			return c.withKey(v, k, 0)
		}
	}
	return nil
}

// keys compares the keys of apps that both have. Those of other apps are counted with the app.
func (c *comparison) keys() {
	id := func(k *artifact.Key) string { return hex.EncodeToString(k.Hash[:]) }
	apps := func(v *View) map[string]bool {
		m := map[string]bool{}
		for i := range v.a.Apps {
			m[v.app(i)] = true
		}
		return m
	}
	had, has := apps(c.base), apps(c.target)
	until := func(k *artifact.Key) string {
		if k.Expires == 0 {
			return "no expiry"
		}
		return "until " + day(k.Expires)
	}
	pairs(c.base.a.Keys, c.target.a.Keys, id, func(hash string, i, j int) {
		change := func(kind Kind, v *View, k *artifact.Key, before, after, summary string, args ...any) Change {
			app := v.app(k.App)
			tenant, _, _ := strings.Cut(app, "/")
			return Change{Kind: kind, Tenant: tenant, Subject: fmt.Sprintf("key %s of app %s", k.ID, app), Before: before, After: after, secret: hash,
				Summary: fmt.Sprintf("key %q of app %q "+summary, append([]any{k.ID, app}, args...)...), Blast: blast(map[string]bool{app: true})}
		}
		switch {
		case i < 0:
			k := &c.target.a.Keys[j]
			if had[c.target.app(k.App)] {
				ch := change(KeyAdded, c.target, k, "", until(k), "works")
				ch.Witness = c.withKey(c.target, k, 0)
				c.add(ch)
			}
			return
		case j < 0:
			k := &c.base.a.Keys[i]
			if has[c.base.app(k.App)] {
				ch := change(KeyRemoved, c.base, k, until(k), "", "no longer works")
				ch.Witness = c.withKey(c.base, k, 0)
				c.add(ch)
			}
			return
		}
		x, y := &c.base.a.Keys[i], &c.target.a.Keys[j]
		from, to := c.base.app(x.App), c.target.app(y.App)
		if from != to {
			ch := change(KeyMoved, c.target, y, from, to, "was a key of app %q", from)
			ch.Witness = c.withKey(c.target, y, 0)
			c.add(ch)
		} else if x.ID != y.ID {
			c.add(change(KeyRenamed, c.target, y, x.ID, y.ID, "was called %q", x.ID))
		}
		if x.Expires != y.Expires {
			ch := change(KeyShorter, c.target, y, until(x), until(y), "works %s", strings.Replace(until(y), "no expiry", "without an expiry", 1))
			first := x.Expires
			if y.Expires == 0 || x.Expires != 0 && y.Expires > x.Expires {
				ch.Kind = KeyLonger
			} else {
				first = y.Expires
			}
			ch.Witness = c.withKey(c.target, y, first)
			c.add(ch)
		}
	})
}
