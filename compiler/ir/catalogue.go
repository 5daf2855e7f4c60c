package ir

import (
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
)

// Facts is an entry of the repository's own catalogue. Zero values are "not said".
type Facts struct {
	Name                             string // "provider/model"
	Like                             string // another name
	Context, Output                  int64
	Has, Lacks                       catalogue.Capabilities
	Price                            *Price
	Deprecated, Retires, Replacement string
}

// Price is a price that a file says. Rates are sorted as in package price, but may repeat a tier, which link reports.
type Price struct {
	Rates        []price.Rate
	Source, Date string
}

// Known is what is known of a target: by the repository's own catalogue, the shipped one, and the prices that the files
// say for it.
type Known struct {
	// Provider is the catalogue's name of the target's provider, "" for a server that it does not know.
	Provider string
	// Entry is nil where neither catalogue has the model.
	Entry *catalogue.Entry
	// Own tells that the repository's own catalogue has it.
	Own bool
	// Match is the rule by which the shipped catalogue has it; "" where it has not.
	Match catalogue.Match
	// Listed is what the shipped catalogue says that it costs, whatever the files say; nil where it says nothing.
	Listed *price.Price
	// Price is what it costs; nil where nobody knows. PriceAt is the path of the price in the files, nil for a price of
	// the shipped catalogue.
	Price   *price.Price
	PriceAt []string
}
