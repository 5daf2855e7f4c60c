package lower

import (
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/catalogue"
)

// catalogue takes over the repository's own facts on upstream models, sorted by name.
func (l *lowerer) catalogue() {
	for _, name := range sorted(l.c.Catalogue) {
		in := l.c.Catalogue[name]
		l.p.Catalogue = append(l.p.Catalogue, ir.Facts{
			Name: name, Like: in.Like, Context: in.Context, Output: in.Output, Has: capabilities(in.Has), Lacks: capabilities(in.Lacks),
			Price: (*ir.Price)(in.Price), Deprecated: in.Deprecated, Retires: in.Retires, Replacement: in.Replacement,
		})
	}
}

// capabilities makes a set of names that the schema knows.
func capabilities(names []string) (set catalogue.Capabilities) {
	for _, n := range names {
		c, _ := catalogue.ParseCapability(n)
		set |= c
	}
	return set
}
