package lower

import (
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
)

func (l *lowerer) assertions() {
	for _, name := range sorted(l.c.Assertions) {
		in := l.c.Assertions[name]
		l.p.Assertions = append(l.p.Assertions, ir.Assertion{
			Name: name, Kind: in.Kind, Reason: in.Reason,
			Calls: in.Calls, Apps: in.Apps, Only: in.Only, Never: in.Never, Unless: in.Unless, Policies: in.Policies, Auth: in.Auth, Apart: in.Apart,
			Limit: artifact.Limit(in.Limit), Each: in.Each, Per: in.Per, Requests: in.Requests, Tokens: in.Tokens, USD: in.USD, Answers: in.Answers,
			Days: in.Days, Among: in.Among, Providers: in.Providers, Most: in.Most,
		})
	}
}
