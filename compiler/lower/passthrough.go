package lower

import (
	"slices"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// opened makes what a file opens explicit: paths in normal form, methods in order, all of them where it names none.
func opened(in check.Passthrough) ir.Passthrough {
	out := ir.Passthrough{Provider: ir.To(in.Provider), WebSocket: in.WebSocket}
	for _, path := range in.Paths {
		if n, err := match.Normal(match.Pattern{Method: "GET", Path: path}); err == nil {
			path = n.Path
		}
		out.Paths = append(out.Paths, path)
	}
	out.Methods = slices.Compact(slices.Sorted(slices.Values(in.Methods)))
	if len(out.Methods) == 0 && !in.WebSocket {
		out.Methods = passthrough.Methods()
	}
	return out
}

// passthrough adds the routes of providers of which an app opens paths. Which paths of whom is asked of the app, when
// its key is known; so a method that no app opens has a route as well, and is refused in the provider's own form.
func (l *lowerer) passthrough() {
	for i := range l.p.Providers {
		name := l.p.Providers[i].Name
		if !slices.ContainsFunc(l.p.Apps, func(a ir.App) bool {
			return slices.ContainsFunc(a.Passthrough, func(q ir.Passthrough) bool { return q.Provider.Name == name })
		}) {
			continue
		}
		for _, m := range passthrough.Methods() {
			l.p.Routes = append(l.p.Routes, ir.Route{ID: "passthrough." + name, Kind: artifact.RoutePassthrough, Method: m, Operation: name,
				Path: passthrough.Root + name + "/{path+}", API: -1, Provider: i, Auth: "key", Origin: l.c.Key("providers", name)})
		}
	}
}
