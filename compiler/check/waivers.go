package check

import "regexp"

var (
	ruleForm    = regexp.MustCompile(`^GWC[1-9][0-9]{3}$`)
	ruleSetForm = regexp.MustCompile(`^(GWC[1-9][0-9]{3}|shape|references|openapi|security|reliability|cost)$`)
	placeForm   = regexp.MustCompile(`^\S+$`)
	reasonForm  = regexp.MustCompile(`(?s)\S.*\S`)
)

// Waiver is waivers.<name>. Tenant is that of the folder whose file says it, "" for the platform's. Expires is in Unix
// seconds, the end of the last day UTC.
type Waiver struct {
	Tenant, Code, At, Reason, By string

	Expires int64
}

func (m *merger) waiver(n *node, _ string) Waiver {
	return Waiver{
		Tenant: m.unit.tenant, Code: n.get("code").str, At: n.get("at").str, Reason: n.get("reason").str, By: n.get("by").str,
		Expires: endOfDay(n.get("expires").str),
	}
}
