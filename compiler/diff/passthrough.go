package diff

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// door is a path of a provider that is opened to an app for a method, or for WebSocket.
type door struct{ provider, path, method string }

func (d door) String() string { return d.method + " " + passthrough.Root + d.provider + d.path }

// doors lists what is opened to an app, in order.
func (v *View) doors(a *artifact.App) (list []door) {
	for i := range a.Passthrough {
		o := &a.Passthrough[i]
		for _, path := range o.Paths {
			for _, m := range o.Opened() {
				list = append(list, door{v.a.Providers[o.Provider].Name, path, m})
			}
		}
	}
	return list
}

// passthrough compares the paths of providers that are opened to an app. Methods of one path are said together.
func (c *comparison) passthrough(base Change, app string, x, y *artifact.App) {
	a, b := c.base.doors(x), c.target.doors(y)
	type change struct {
		Change
		methods []string
		samples []Request
	}
	say := func(list, other []door, f func(at string, d door) change) {
		said := map[string]*change{}
		var order []string
		for _, d := range list {
			if slices.Contains(other, d) {
				continue
			}
			at := passthrough.Root + d.provider + d.path
			ch := said[at]
			if ch == nil {
				n := f(at, d)
				ch, order = &n, append(order, at)
				said[at] = ch
			}
			ch.methods = append(ch.methods, d.method)
			for _, path := range samples(d.path) {
				q := Request{Method: d.method, Path: passthrough.Root + d.provider + path}
				if d.method == passthrough.WebSocket {
					q.Method, q.Socket = http.MethodGet, true
				}
				ch.samples = append(ch.samples, q)
			}
		}
		for _, at := range order {
			ch := said[at]
			methods := strings.Join(ch.methods, ", ")
			ch.Summary = strings.ReplaceAll(ch.Summary, "METHODS", methods)
			ch.Witness = c.passed(app, ch.samples)
			if ch.Kind == PassthroughClosed {
				ch.Before = methods + " " + at
				if ch.Witness == nil && c.byApp[app] != nil {
					ch.Kind, ch.Summary, ch.Blast = PassthroughCovered, fmt.Sprintf("app %q no longer names %s of %s, which another of its paths takes", app, methods, at), Blast{}
				}
			} else {
				ch.After = methods + " " + at
			}
			c.add(ch.Change)
		}
	}
	say(b, a, func(at string, d door) change {
		ch := change{Change: base}
		ch.Kind, ch.Summary = PassthroughOpened, fmt.Sprintf("app %q may call METHODS %s of provider %q", app, d.path, d.provider)
		return ch
	})
	say(a, b, func(at string, d door) change {
		ch := change{Change: base}
		ch.Kind, ch.Summary = PassthroughClosed, fmt.Sprintf("app %q may no longer call METHODS %s of provider %q", app, d.path, d.provider)
		return ch
	})
}

// samples are paths that a template takes; of one with a wildcard, a short one and a deeper one.
func samples(path string) []string {
	at, ok := match.Meet(path, path)
	if !ok {
		return nil
	}
	if strings.HasSuffix(path, "+}") {
		return []string{at, at + "/more"}
	}
	return []string{at}
}

// passed returns the witness of the first of these requests that the two decide differently for an app of both.
func (c *comparison) passed(app string, list []Request) *Witness {
	k, ok := c.byApp[app]
	if !ok {
		return nil
	}
	for _, q := range list {
		if w := c.judge(q.as(app, k)); w != nil {
			return w
		}
	}
	return nil
}

// pass decides a call of a provider's own path.
func (v *View) pass(app int, r *artifact.Route, q Request, d *Decision) {
	p := &v.a.Providers[r.Provider]
	rest := strings.TrimPrefix(q.Path, passthrough.Root+p.Name)
	t, _ := v.a.Apps[app].Table(r.Provider, q.Socket)
	if d.Status, d.Why, _ = passthrough.Decide(&t, p.Kind, q.Method, q.Socket, []byte(rest)); d.Status != 0 {
		return
	}
	d.To = []string{fmt.Sprintf("%s (%s at %s%s)", p.Name, p.Kind, p.BaseURL, rest)}
	d.Terms = terms(p.Timeouts)
	for _, h := range p.Headers {
		d.Terms = append(d.Terms, "header "+h.Name)
	}
}
