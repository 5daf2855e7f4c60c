package artifact

import (
	"cmp"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// TargetPrice returns what a target is charged by; nil where nobody knows.
func (a *Artifact) TargetPrice(t Target) *price.Price {
	if t.Price == 0 {
		return nil
	}
	return &a.Prices[t.Price-1]
}

// Cost returns what a usage costs under this artifact: of a model's name, answered by the provider's upstream model
// that a call record names. Where the model has no such target any more, its first target of that upstream model, or
// else its first target, stands for it: this is what the exchange would have cost, for comparisons. The version is that
// of the price; it is empty, and nothing known, where the artifact has no such model or no price.
func (a *Artifact) Cost(model, provider, upstreamModel string, u *price.Usage) (c price.Cost, version string) {
	for i := range a.Models {
		m := &a.Models[i]
		if m.Name != model {
			continue
		}
		best, fit := 0, 0
		for j, t := range m.Targets {
			n := 0
			if t.Model == upstreamModel {
				n = 1
				if a.Providers[t.Provider].Name == provider {
					n = 2
				}
			}
			if n > fit {
				best, fit = j, n
			}
		}
		p := a.TargetPrice(m.Targets[best])
		if p == nil {
			return price.Cost{}, ""
		}
		return p.Of(u), p.Version
	}
	return price.Cost{}, ""
}

// ComparePrices orders prices as [Artifact.Prices] is.
func ComparePrices(a, b price.Price) int {
	return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Date, b.Date))
}

// prices holds that every price is what its version says, in order, and used.
func (v *validator) prices() {
	used := make([]bool, len(v.a.Prices)+1)
	for i := range v.a.Models {
		for _, t := range v.a.Models[i].Targets {
			if t.Price >= 0 && t.Price < len(used) {
				used[t.Price] = true
			}
		}
	}
	for i := range v.a.Prices {
		p := &v.a.Prices[i]
		if err := p.Check(); err != nil {
			v.fail("price %d: %s", i, err)
		}
		v.text(p.Source, "price %d: its source", i)
		v.text(p.Date, "price %d: its date", i)
		if i > 0 && ComparePrices(v.a.Prices[i-1], *p) >= 0 {
			v.fail("price %d is not greater than the one before", i)
		}
		if !used[i+1] {
			v.fail("price %d is no target's", i)
		}
	}
	for i := range v.a.Models {
		m := &v.a.Models[i]
		for j, c := range m.Capabilities {
			v.name(c, "model %d: a capability", i)
			v.ascending(m.Capabilities[max(j-1, 0)], c, j == 0, "model %d: the capability", i)
		}
	}
}
