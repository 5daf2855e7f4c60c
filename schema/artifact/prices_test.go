package artifact

import (
	"testing"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

func TestCostOfACallUnderAnArtifact(t *testing.T) {
	a := &Artifact{
		Providers: []Provider{{Name: "claude"}, {Name: "openai"}},
		Models:    []Model{{Name: "smart", Targets: []Target{{0, "sonnet", 1}, {1, "gpt", 2}, {1, "house", 0}}}},
		Prices: []price.Price{
			price.Price{Rates: []price.Rate{{Kind: price.Input, Femto: 3e9}}}.Identify(),
			price.Price{Rates: []price.Rate{{Kind: price.Input, Femto: 1e9}}}.Identify(),
		},
	}
	for _, c := range []struct {
		name, model, provider, upstream string
		want                            string // "" unknown
	}{
		{"the target that answered", "smart", "openai", "gpt", "0.001"},
		{"its upstream model at another provider", "smart", "azure", "gpt", "0.001"},
		{"a target that is gone costs what the first one does", "smart", "old", "older", "0.003"},
		{"a target without a price", "smart", "openai", "house", ""},
		{"a model that is gone", "other", "openai", "gpt", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, version := a.Cost(c.model, c.provider, c.upstream, &price.Usage{Input: 1000})
			if got.Known != (c.want != "") || got.Known && got.Amount.String() != c.want || got.Known != (version != "") {
				t.Errorf("got %s %+v by %q, want %q", got.Amount, got, version, c.want)
			}
		})
	}
}
