package table

import (
	"slices"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// prices pins the price of every target in the artifact: those that are used, each once.
func prices(p *ir.Program, a *artifact.Artifact) {
	for i := range p.Models {
		for _, t := range p.Models[i].Targets {
			if t.Known.Price != nil {
				a.Prices = append(a.Prices, *t.Known.Price)
			}
		}
	}
	slices.SortFunc(a.Prices, artifact.ComparePrices)
	a.Prices = slices.CompactFunc(a.Prices, func(x, y price.Price) bool { return artifact.ComparePrices(x, y) == 0 })
	for i := range p.Models {
		for j, t := range p.Models[i].Targets {
			if t.Known.Price != nil {
				at, _ := slices.BinarySearchFunc(a.Prices, *t.Known.Price, artifact.ComparePrices)
				a.Models[i].Targets[j].Price = at + 1
			}
		}
	}
}
