package lower

import (
	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
)

func (l *lowerer) assertions() { l.p.Assertions = Assertions(l.c.Assertions) }

// Assertions lowers assertions alone, which those in tests are: they are checked after the configuration, and nothing
// is built from them. They are in order of name.
func Assertions(given map[string]check.Assertion) (list []ir.Assertion) {
	for _, name := range sorted(given) {
		in := given[name]
		list = append(list, ir.Assertion{
			Name: name, Kind: in.Kind, Reason: in.Reason,
			Calls: in.Calls, Apps: in.Apps, Only: in.Only, Never: in.Never, Unless: in.Unless, Policies: in.Policies, Auth: in.Auth, Apart: in.Apart,
			Limit: artifact.Limit(in.Limit), Each: in.Each, Per: in.Per, Requests: in.Requests, Tokens: in.Tokens, USD: in.USD, Answers: in.Answers,
			Days: in.Days, Among: in.Among, Providers: in.Providers, Most: in.Most,
		})
	}
	return list
}
