package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/diag"
)

func newWhoCan(s streams) *cobra.Command {
	var c compiling
	var format string
	cmd := &cobra.Command{
		Use:   "who-can CALL",
		Short: "Show who reaches a model or an operation, and through what",
		Long: `who-can compiles the repository and lists the apps that may make a call, with the lines of the sources that let
them, their limits, and their keys with the day on which they end. It contacts nobody.

CALL is model:NAME, API.OPERATION, passthrough.PROVIDER, or METHOD PATH as in 'GET /petstore/v1/pets', where PATH may have
a host as in http://host/path and may be the template itself. "*" within a name stands for any text.`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usage("--format %q is not text or json", format)
			}
			_, now, err := c.check()
			if err != nil {
				return err
			}
			defer oneShot()()
			r, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if r.Artifact == nil || c.verdict(r) != nil {
				return c.report(r, []form{{name: "text"}}, s.err, s)
			}
			m := reach.New(r.Program)
			subjects, err := findCall(r, m, strings.Join(args, " "))
			if err != nil {
				return err
			}
			w := whoCan{r: r, m: m, p: r.Program, now: now, passes: passing(r, strings.Join(args, " "))}
			if format == "json" {
				list := []object{}
				for _, x := range subjects {
					list = append(list, w.json(x))
				}
				return writeJSON(s.out, object{{"calls", list}})
			}
			var b strings.Builder
			for i, x := range subjects {
				if i > 0 {
					b.WriteByte('\n')
				}
				w.text(&b, x)
			}
			if _, err := io.WriteString(s.out, b.String()); err != nil {
				return unreachable(err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	c.repository.bind(f)
	f.StringVar(&c.now, "now", "", "judge expiries as of `TIME` (2006-01-02 or RFC 3339) instead of the clock")
	f.StringVar(&format, "format", "text", "write the answer as `FORMAT`: text or json")
	f.BoolVar(&c.strict, "strict", false, "fail on warnings")
	f.IntVar(&c.maxErrors, "max-errors", 20, "show at most `N` errors (0: all)")
	bindColor(f, &c.color)
	return cmd
}

// findCall returns what a CALL names. Nothing that it could mean is wrong usage, with the nearest name that there is.
func findCall(r *compiled, m *reach.Map, call string) ([]reach.Subject, error) {
	if method, target, ok := strings.Cut(call, " "); ok {
		return findRequest(r, m, method, strings.TrimSpace(target))
	}
	pattern, wrong := ir.ParseCall(call)
	if wrong != "" {
		hint := ""
		if p, _ := ir.ParseCall("model:" + call); len(m.Matching(p)) > 0 {
			hint = fmt.Sprintf("; did you mean model:%s?", call)
		} else if p, _ := ir.ParseCall(call + ".*"); len(m.Matching(p)) > 0 {
			hint = fmt.Sprintf("; did you mean '%s.*'?", call)
		}
		return nil, usage("%q %s: CALL is model:NAME, API.OPERATION or 'METHOD PATH'%s", call, wrong, hint)
	}
	subjects := m.Matching(pattern)
	if len(subjects) > 0 {
		return subjects, nil
	}
	everything, _ := ir.ParseCall("*")
	var names []string
	for _, x := range m.Matching(everything) {
		names = append(names, callName(r.Program, x))
	}
	if near, ok := diag.Nearest(call, names); ok {
		return nil, usage("nothing is called %q; did you mean %q?", call, near)
	}
	if len(names) > 8 {
		names = append(names[:8], "…")
	}
	return nil, usage("nothing is called %q; there are %s", call, orNone(names))
}

// findRequest looks a method and a path up in the routing table. A path that is a template means that route.
func findRequest(r *compiled, m *reach.Map, method, target string) ([]reach.Subject, error) {
	q, err := newRequest(method, target, nil, time.Time{})
	if err != nil {
		return nil, err
	}
	for i := range r.Program.Routes {
		route := &r.Program.Routes[i]
		if route.Method == q.method && route.Path == q.path && (q.host == "" || route.Host == q.host) {
			return []reach.Subject{m.Route(i)}, nil
		}
	}
	path, bad := http1.NormalizePath(nil, []byte(q.path))
	if bad != nil {
		return nil, usage("%q is no path: %s", q.path, bad.Reason)
	}
	var p match.Params
	n, outcome := r.Artifact.Table.Lookup([]byte(q.host), []byte(q.method), path, &p)
	switch outcome {
	case match.MethodNotAllowed:
		return nil, usage("%s has other methods only: %s", q.path, r.Artifact.Table.AppendAllow(nil, &p))
	case match.NotFound:
		var paths []string
		for i := range r.Program.Routes {
			paths = append(paths, r.Program.Routes[i].Path)
		}
		if near, ok := diag.Nearest(q.path, paths); ok {
			return nil, usage("no operation has the path %q; did you mean %q?", q.path, near)
		}
		return nil, usage("no operation has the path %q", q.path)
	}
	found := &r.Artifact.Routes[n]
	for i := range r.Program.Routes {
		if route := &r.Program.Routes[i]; route.ID == found.ID && route.Host == found.Host {
			return []reach.Subject{m.Route(i)}, nil
		}
	}
	panic("whocan: the table has a route that the program lacks")
}

// callName returns "model:smart" or "petstore.listPets".
func callName(p *ir.Program, x reach.Subject) string {
	if x.Model >= 0 {
		return "model:" + p.Models[x.Model].Name
	}
	return p.Routes[x.Routes[0]].ID
}

// whoCan writes who reaches a subject.
type whoCan struct {
	r   *compiled
	m   *reach.Map
	p   *ir.Program
	now time.Time
	// passes tells whether a request to a provider's own paths, which was asked about, passes for an app; nil: no request
	// was.
	passes func(app int) bool
}

// apps are those that reach a subject, by the request that was asked about where that says more.
func (w *whoCan) apps(x reach.Subject) []int {
	apps := w.m.Apps(x)
	if w.passes == nil || w.m.By(x) != reach.Passed {
		return apps
	}
	return slices.DeleteFunc(slices.Clone(apps), func(app int) bool { return !w.passes(app) })
}

func line(s diag.Span) string {
	if s.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s:%d", s.File, s.Start.Line)
}

// through says in words why an app, or everyone, reaches a subject, and where that is written.
func (w *whoCan) through(x reach.Subject, app int) (string, diag.Span) {
	grant := w.m.Grant(x, app)
	at := diag.Span{}
	if len(grant) > 0 {
		at = grant[0].Span
	}
	switch w.m.By(x) {
	case reach.Listed:
		if by, _ := w.m.Through(x.Model, app); by.Routes != nil {
			return "through " + w.p.Routes[by.Routes[0]].ID, at
		}
		return "lists the model", at
	case reach.Open:
		return "needs no key", at
	case reach.Called:
		return "may call the prompt", at
	case reach.Passed:
		return "opens its paths", at
	}
	return "any key does", at
}

func (w *whoCan) key(k int) string {
	key := &w.p.Keys[k]
	if key.Expires == 0 {
		return "key " + key.ID
	}
	end := time.Unix(key.Expires, 0).UTC()
	day := end.Add(-time.Second).Format(time.DateOnly)
	if !w.now.Before(end) {
		return fmt.Sprintf("key %s, expired on %s", key.ID, day)
	}
	return fmt.Sprintf("key %s until the end of %s", key.ID, day)
}

func (w *whoCan) text(b *strings.Builder, x reach.Subject) {
	row := func(name, what string, at diag.Span) {
		text := fmt.Sprintf("%-20s %s", name, what)
		if s := line(at); s != "" {
			text = fmt.Sprintf("%-60s %s", text, s)
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	if x.Model >= 0 {
		model := &w.p.Models[x.Model]
		row("model "+model.Name, "", w.m.At(x))
		for i, t := range model.Targets {
			row(fmt.Sprintf("  target %d", i+1), t.Provider.Name+"/"+t.Model, diag.Span{})
		}
	} else {
		row("operation "+w.p.Routes[x.Routes[0]].ID, "", w.m.At(x))
		for _, i := range x.Routes {
			if route := &w.p.Routes[i]; w.m.By(x) != reach.Passed { // each app has paths of its own
				row("  "+route.Method, route.Host+route.Path, diag.Span{})
			}
		}
	}
	if w.m.By(x) == reach.Open {
		what, at := w.through(x, reach.Everyone)
		row("everyone", what, at)
		return
	}
	apps := w.apps(x)
	tenants := map[int]bool{}
	idle := 0
	for _, app := range apps {
		what, at := w.through(x, app)
		row(w.m.App(app), what, at)
		for _, o := range w.opened(x, app) {
			row("", strings.Join(o.Opened(), ", ")+" "+strings.Join(o.Paths, " "), diag.Span{})
		}
		for _, l := range w.p.Apps[app].Limits {
			row("", fmt.Sprintf("limit %d requests per %s", l.Requests, ir.Duration(l.Per)), diag.Span{})
		}
		for _, k := range w.m.Keys(app, time.Time{}) {
			row("", w.key(k), diag.Span{})
		}
		if len(w.m.Keys(app, w.now)) == 0 {
			row("", "no key that works", diag.Span{})
			idle++
		}
		tenants[w.p.Apps[app].Tenant] = true
	}
	if len(apps) == 0 {
		b.WriteString("nobody\n")
		return
	}
	fmt.Fprintf(b, "%s of %s", render.Count(len(apps), "app"), render.Count(len(tenants), "tenant"))
	if idle > 0 {
		fmt.Fprintf(b, ", %d of them without a key that works", idle)
	}
	b.WriteByte('\n')
}

func (w *whoCan) json(x reach.Subject) object {
	at := w.m.At(x)
	o := object{{"call", callName(w.p, x)}}
	if x.Model < 0 {
		routes := []object{}
		for _, i := range x.Routes {
			route := &w.p.Routes[i]
			routes = append(routes, object{{"method", route.Method}, {"host", route.Host}, {"path", route.Path}})
		}
		o = append(o, member{"routes", routes})
	}
	o = append(o, member{"file", at.File}, member{"line", at.Start.Line}, member{"everyone", w.m.By(x) == reach.Open})
	list := []object{}
	for _, app := range w.apps(x) {
		_, at := w.through(x, app)
		limits := []object{}
		for _, l := range w.p.Apps[app].Limits {
			limits = append(limits, object{{"requests", l.Requests}, {"per", ir.Duration(l.Per)}})
		}
		keys := []object{}
		for _, k := range w.m.Keys(app, time.Time{}) {
			key := &w.p.Keys[k]
			ko := object{{"id", key.ID}, {"works", key.Expires == 0 || w.now.Unix() < key.Expires}}
			if key.Expires != 0 {
				ko = append(ko, member{"expires", time.Unix(key.Expires, 0).UTC().Add(-time.Second).Format(time.DateOnly)})
			}
			keys = append(keys, ko)
		}
		tenant, name, _ := strings.Cut(w.m.App(app), "/")
		o := object{{"tenant", tenant}, {"app", name}, {"by", string(w.m.By(x))}, {"file", at.File}, {"line", at.Start.Line}, {"limits", limits}, {"keys", keys}}
		if w.m.By(x) == reach.Passed {
			opened := []object{}
			for _, e := range w.opened(x, app) {
				opened = append(opened, object{{"methods", e.Opened()}, {"paths", e.Paths}})
			}
			o = append(o, member{"opened", opened})
		}
		list = append(list, o)
	}
	return append(o, member{"apps", list})
}
