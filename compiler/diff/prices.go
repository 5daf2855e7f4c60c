package diff

import (
	"fmt"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// Target is one of the (provider, upstream model) pairs behind a model, in the order in which they are asked.
type Target struct {
	Provider, Model string
	// Price is what its answers are charged by; nil where nobody knows.
	Price *price.Price
}

// Targets returns the targets of a model by its name; nil where there is no such model.
func (v *View) Targets(model string) []Target {
	i, ok := v.models[model]
	if !ok {
		return nil
	}
	var list []Target
	for _, t := range v.a.Models[i].Targets {
		list = append(list, Target{v.a.Providers[t.Provider].Name, t.Model, v.price(t)})
	}
	return list
}

func (v *View) price(t artifact.Target) *price.Price {
	if t.Price == 0 {
		return nil
	}
	return &v.a.Prices[t.Price-1]
}

// prices compares what the targets that a model keeps are charged by. Where a price comes from is no change: the same
// numbers are the same price.
func (c *comparison) prices(x, y *artifact.Model, who Blast) {
	charged := map[string]*price.Price{}
	for _, t := range x.Targets {
		charged[c.base.target(t)] = c.base.price(t)
	}
	for _, t := range y.Targets {
		name := c.target.target(t)
		from, kept := charged[name]
		to := c.target.price(t)
		delete(charged, name) // one that stands twice is said once
		if !kept || from == nil && to == nil || from != nil && to != nil && from.Version == to.Version {
			continue
		}
		ch := Change{Subject: "model " + y.Name, Blast: who}
		switch {
		case from == nil:
			ch.Kind, ch.After, ch.Summary = PriceKnown, rates(to, nil), "what target %s of model %q costs is known"
		case to == nil:
			ch.Kind, ch.Before, ch.Summary = PriceUnknown, rates(from, nil), "what target %s of model %q costs is no longer known"
		default:
			ch.Before, ch.After = rates(from, to), rates(to, from)
			switch up, down := compareRates(from, to); {
			case up && !down:
				ch.Kind, ch.Summary = PriceRaised, "target %s of model %q costs more"
			case down && !up:
				ch.Kind, ch.Summary = PriceLowered, "target %s of model %q costs less"
			default:
				ch.Kind, ch.Summary = PriceOther, "target %s of model %q has another price"
			}
		}
		ch.Summary = fmt.Sprintf(ch.Summary, name, y.Name)
		ch.secret = name // a model's targets may all change in the same way
		c.add(ch)
	}
}

// compareRates reports whether some unit costs more, and some less. Rates that only one of the prices has count as
// both: what they replace depends on the exchange.
func compareRates(from, to *price.Price) (up, down bool) {
	n := 0
	for _, r := range to.Rates {
		was, ok := from.Rate(r.Service, r.Above, r.Kind)
		if !ok {
			return true, true
		}
		n++
		up, down = up || r.Femto > was, down || r.Femto < was
	}
	if n != len(from.Rates) {
		return true, true
	}
	return up, down
}

// rates writes the rates of a price that another one has not, in USD: "input 1.25, output 10 per million tokens".
func rates(p, other *price.Price) string {
	var tokens, pieces []string
	for _, r := range p.Rates {
		if other != nil {
			if f, ok := other.Rate(r.Service, r.Above, r.Kind); ok && f == r.Femto {
				continue
			}
		}
		s := fmt.Sprintf("%s %s", r.Kind, price.FormatRate(r.Femto, r.Kind))
		if r.Above > 0 {
			s += fmt.Sprintf(" above %d tokens", r.Above)
		}
		if r.Service != "" {
			s = r.Service + " " + s
		}
		switch {
		case r.Kind.Piece():
			pieces = append(pieces, s+" USD each")
		case r.Kind == price.Character:
			pieces = append(pieces, s+" USD per "+r.Kind.Per())
		default:
			tokens = append(tokens, s)
		}
	}
	if len(tokens) > 0 {
		tokens[len(tokens)-1] += " USD per million tokens"
	}
	return strings.Join(append(tokens, pieces...), ", ")
}
