package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeCall   diag.Code = "GWC1451" // no pattern of calls
	codeCaller diag.Code = "GWC1452" // no pattern of callers
	codeNoSay  diag.Code = "GWC1453" // an assertion that demands nothing
)

// Assertion is assertions.<name>. Which fields are set depends on Kind.
type Assertion struct {
	Kind, Reason string

	Calls, Apps, Only, Never, Unless, Policies, Auth, Apart, Among []string

	Limit            Limit
	Each             string
	Per, Most        time.Duration
	Requests, Tokens int64
	USD              string
	Answers          int64
	Days, Providers  int
}

func callText(s string) string {
	_, wrong := ir.ParseCall(s)
	return wrong
}

func callerText(s string) string {
	_, wrong := ir.ParseCaller(s)
	return wrong
}

func exceptionText(s string) string {
	if ir.IsCall(s) {
		return callText(s)
	}
	return callerText(s)
}

func (m *merger) assertion(n *node, name string) Assertion {
	kind := n.get("kind").str
	out := Assertion{
		Kind: kind, Reason: n.get("reason").str,
		Calls: texts(n.get("calls")), Apps: texts(n.get("apps")), Only: texts(n.get("only")), Never: texts(n.get("never")),
		Unless: texts(n.get("unless")), Policies: texts(n.get("unlessPolicies")), Auth: texts(n.get("auth")), Apart: texts(n.get("apart")), Among: texts(n.get("among")),
		Each: n.get("each").str, Per: duration(n.get("per")), Most: duration(n.get("most")),
		Requests: n.get("requests").num, Tokens: n.get("tokens").num, USD: n.get("usd").str, Answers: n.get("answers").num,
		Days: int(n.get("days").num), Providers: int(n.get("providers").num),
	}
	switch kind {
	case "isolation":
		out.Apps = texts(n.get("tenants"))
	case "limit":
		out.Limit = Limit{Requests: out.Requests, Per: out.Per}
	}
	for k, needs := range map[string][]string{"reach": {"only", "never"}, "spend": {"requests", "tokens", "usd"}, "targets": {"among", "providers"}, "isolation": {"apart"}, "auth": {"auth"}} {
		if k != kind || slices.ContainsFunc(needs, func(f string) bool { v := n.get(f); return v.str != "" || v.num != 0 || len(v.elems) > 0 }) {
			continue
		}
		m.report.Add(diag.Diagnostic{
			Code:    codeNoSay,
			Summary: fmt.Sprintf("assertion %q demands nothing", name),
			Path:    []string{"assertions", name},
			Primary: diag.Label{Span: n.at.key},
			Help:    []string{fmt.Sprintf("an assertion of kind %q says %s", kind, anyOf(needs))},
		})
	}
	return out
}

func anyOf(fields []string) string {
	text := ""
	for i, f := range fields {
		switch {
		case i > 0 && i == len(fields)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += fmt.Sprintf("%q", f)
	}
	return text
}
