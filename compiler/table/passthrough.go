package table

import (
	"slices"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// passthrough lays out what is opened to an app, in the order of the artifact.
func passthrough(a *ir.App) (list []artifact.Passthrough) {
	for _, p := range a.Passthrough {
		list = append(list, artifact.Passthrough{Provider: p.Provider.Index, Paths: slices.Sorted(slices.Values(p.Paths)), Methods: p.Methods, WebSocket: p.WebSocket})
	}
	slices.SortFunc(list, func(x, y artifact.Passthrough) int { return x.Compare(&y) })
	return list
}
