package check

import (
	"cmp"
	"slices"

	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/diag"
)

// codePrice is a price that is no amount of money.
const codePrice diag.Code = "GWC6001"

// Facts is catalogue."provider/model": what a repository knows of an upstream model. Zero values are "not said".
type Facts struct {
	Like                             string // "provider/model"
	Context, Output                  int64
	Has, Lacks                       []string // capabilities
	Price                            *Price
	Deprecated, Retires, Replacement string // the first two are days, "2027-03-01"
}

// Price is a price as a file says it. Rates are in the order of package price; a tier that stands twice gives rates
// that do.
type Price struct {
	Rates        []price.Rate
	Source, Date string
}

func (m *merger) facts(n *node, name string) Facts {
	m.repeated(n.get("has").elems, "catalogue", name, "has")
	m.repeated(n.get("lacks").elems, "catalogue", name, "lacks")
	return Facts{
		Like: n.get("like").str, Context: n.get("context").num, Output: n.get("output").num,
		Has: texts(n.get("has")), Lacks: texts(n.get("lacks")), Price: priceOf(n),
		Deprecated: n.get("deprecated").str, Retires: n.get("retires").str, Replacement: n.get("replacement").str,
	}
}

// priceOf returns the field "price" of an object, or nil.
func priceOf(of *node) *Price {
	n := of.get("price")
	if !n.set {
		return nil
	}
	p := &Price{Source: n.get("source").str, Date: n.get("date").str}
	add := func(rates *node, service string, above int64) {
		for _, k := range price.Kinds() {
			if r := rates.get(k.String()); r.set {
				femto, err := price.ParseRate(r.str, k)
				if err == nil { // the walk has held it to be a price
					p.Rates = append(p.Rates, price.Rate{Service: service, Above: above, Kind: k, Femto: femto})
				}
			}
		}
	}
	add(n, "", 0)
	for _, t := range n.get("tiers").elems {
		if t != nil {
			add(t, t.get("service").str, t.get("above").num)
		}
	}
	slices.SortStableFunc(p.Rates, func(a, b price.Rate) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Above, b.Above), cmp.Compare(a.Kind, b.Kind))
	})
	return p
}
