package main

import (
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/reach"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// passing returns whether a CALL that is METHOD PATH passes to a provider for an app; nil where it is another call, or the
// template of the route itself. Apps of a program and of its artifact are in one order.
func passing(r *compiled, call string) func(app int) bool {
	method, target, ok := strings.Cut(call, " ")
	if !ok {
		return nil
	}
	q, err := newRequest(method, strings.TrimSpace(target), nil, time.Time{})
	if err != nil || strings.Contains(q.path, "{") {
		return nil
	}
	path, bad := http1.NormalizePath(nil, []byte(q.path))
	if bad != nil {
		return nil
	}
	var p match.Params
	n, outcome := r.Artifact.Table.Lookup([]byte(q.host), []byte(q.method), path, &p)
	if outcome != match.Found || r.Artifact.Routes[n].Kind != artifact.RoutePassthrough {
		return nil
	}
	at := r.Artifact.Routes[n].Provider
	provider := &r.Artifact.Providers[at]
	return func(app int) bool {
		for _, socket := range []bool{false, true} {
			t, _ := r.Artifact.Apps[app].Table(at, socket)
			if status, _, _ := passthrough.Decide(&t, provider.Kind, q.method, socket, path[len(passthrough.Root)+len(provider.Name):]); status == 0 {
				return true
			}
		}
		return false
	}
}

// opened returns what an app opens of the provider of a subject; nil for other subjects.
func (w *whoCan) opened(x reach.Subject, app int) []ir.Passthrough {
	if w.m.By(x) != reach.Passed {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(w.p.Apps[app].Passthrough), func(o ir.Passthrough) bool { return o.Provider.Index != w.p.Routes[x.Routes[0]].Provider })
}
