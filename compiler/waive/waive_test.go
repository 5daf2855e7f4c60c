package waive

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/diag"
)

// places knows of a few definitions where they stand.
type places map[string]string

func (p places) Key(path ...string) diag.Span {
	if f, ok := p[path[0]+"."+path[len(path)-1]]; ok && len(path) == 2 {
		return diag.Span{File: f, Start: diag.Pos{Line: 1, Col: 1}, End: diag.Pos{Line: 1, Col: 2}}
	}
	return diag.Span{}
}

func (p places) Value(path ...string) diag.Span { return diag.Span{} }

func TestWhatAWaiverComesTo(t *testing.T) {
	now := time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
	end := func(days int) int64 { return now.Truncate(24*time.Hour).AddDate(0, 0, days+1).Unix() }
	program := &ir.Program{
		APIs:   []ir.API{{Name: "orders", Owner: ir.To("shop"), Document: "specs/orders.yaml"}, {Name: "pets", Owner: ir.To("acme"), Document: "specs/pets.yaml"}},
		Places: places{"apis.orders": "gateway.cue", "apis.pets": "gateway.cue", "models.gpt-4.1": "gateway.cue", "upstreams.own": "tenants/acme/up.cue"},
	}
	find := func(code diag.Code, severity diag.Severity, file string, path ...string) diag.Diagnostic {
		return diag.Diagnostic{Code: code, Severity: severity, Summary: "s", Path: path, Primary: diag.Label{Span: diag.Span{File: file, Start: diag.Pos{Line: 1, Col: 1}}}}
	}
	idle := find("GWC5101", diag.Warning, "gateway.cue", "models", "gpt-4.1", "retry", "on")
	unnamed := find("GWC3010", diag.Warning, "specs/pets.yaml")
	open := find("GWC4101", diag.Warning, "gateway.cue", "apis", "orders", "policies", "auth")
	ambiguous := find("GWC2008", diag.Error, "specs/pets.yaml")
	for _, test := range []struct {
		name       string
		waiver     check.Waiver
		unwaivable []string
		now        time.Time
		findings   []diag.Diagnostic
		want       string // state, findings; then the codes of what is left
	}{
		{"a path below the place", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1", Expires: end(90)}, nil, now, []diag.Diagnostic{idle}, "used 1 []"},
		{"the path itself", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1.retry.on", Expires: end(90)}, nil, now, []diag.Diagnostic{idle}, "used 1 []"},
		{"a place whose name only begins alike", check.Waiver{Code: "GWC5101", At: "models.gpt-4", Expires: end(90)}, nil, now, []diag.Diagnostic{idle}, "unused 0 [GWC1502 GWC5101]"},
		{"the document of an API", check.Waiver{Tenant: "acme", Code: "GWC3010", At: "apis.pets", Expires: end(90)}, nil, now, []diag.Diagnostic{unnamed}, "refused 0 [GWC1504 GWC3010]"},
		{"the same by the platform", check.Waiver{Code: "GWC3010", At: "apis.pets", Expires: end(90)}, nil, now, []diag.Diagnostic{unnamed}, "used 1 []"},
		{"a file", check.Waiver{Code: "GWC3010", At: "specs/pets.yaml", Expires: end(90)}, nil, now, []diag.Diagnostic{unnamed, unnamed}, "used 2 []"},
		{"another rule at the place", check.Waiver{Code: "GWC5102", At: "models.gpt-4.1", Expires: end(90)}, nil, now, []diag.Diagnostic{idle}, "unused 0 [GWC1502 GWC5101]"},
		{"an API of the tenant that the platform defines", check.Waiver{Tenant: "shop", Code: "GWC4101", At: "apis.orders", Expires: end(90)}, nil, now, []diag.Diagnostic{open}, "used 1 []"},
		{"an API of another tenant", check.Waiver{Tenant: "acme", Code: "GWC4101", At: "apis.orders", Expires: end(90)}, nil, now, []diag.Diagnostic{open}, "refused 0 [GWC1504 GWC4101]"},
		{"a model of the platform by a tenant", check.Waiver{Tenant: "acme", Code: "GWC5101", At: "models.gpt-4.1.retry", Expires: end(90)}, nil, now, []diag.Diagnostic{idle}, "refused 0 [GWC1504 GWC5101]"},
		{"a rule that the platform keeps", check.Waiver{Tenant: "shop", Code: "GWC4101", At: "apis.orders", Expires: end(90)}, []string{"GWC4101"}, now, []diag.Diagnostic{open}, "refused 0 [GWC1503 GWC4101]"},
		{"a group that the platform keeps", check.Waiver{Tenant: "shop", Code: "GWC4101", At: "apis.orders", Expires: end(90)}, []string{"security"}, now, []diag.Diagnostic{open}, "refused 0 [GWC1503 GWC4101]"},
		{"what the platform keeps, by the platform", check.Waiver{Code: "GWC4101", At: "apis.orders", Expires: end(90)}, []string{"security"}, now, []diag.Diagnostic{open}, "used 1 []"},
		{"an error", check.Waiver{Code: "GWC2008", At: "apis.pets", Expires: end(90)}, nil, now, []diag.Diagnostic{ambiguous}, "refused 0 [GWC1503 GWC2008]"},
		{"no rule", check.Waiver{Code: "GWC5999", At: "models.gpt-4.1", Expires: end(90)}, nil, now, []diag.Diagnostic{idle}, "refused 0 [GWC1505 GWC5101]"},
		{"its last day", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1", Expires: end(0)}, nil, now, []diag.Diagnostic{idle}, "expires soon 1 [GWC1506]"},
		{"the day after", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1", Expires: end(-1)}, nil, now, []diag.Diagnostic{idle}, "expired 1 [GWC1501 GWC5101]"},
		{"the day after, without a finding", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1", Expires: end(-1)}, nil, now, nil, "expired 0 [GWC1501]"},
		{"the day after, where the time is not known", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1", Expires: end(-1)}, nil, time.Time{}, []diag.Diagnostic{idle}, "used 1 []"},
		{"nothing there, and an error that may hide it", check.Waiver{Code: "GWC5101", At: "models.gpt-4.1", Expires: end(90)}, nil, now, []diag.Diagnostic{ambiguous}, "unused 0 [GWC2008]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var report diag.Report
			report.Add(test.findings...)
			r := Apply(Given{Waivers: map[string]check.Waiver{"w": test.waiver}, Unwaivable: test.unwaivable}, program, report, test.now)
			codes := []diag.Code{}
			for _, d := range r.Report.All() {
				codes = append(codes, d.Code)
			}
			// The report is sorted by place; these are not told apart by it.
			slices.Sort(codes)
			got := fmt.Sprintf("%s %d %v", r.Waivers[0].State, r.Waivers[0].Findings, codes)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
			if n := len(r.Waived); n > 0 && n != r.Waivers[0].Findings {
				t.Errorf("%d findings were waived, and the waiver counts %d", n, r.Waivers[0].Findings)
			}
		})
	}
}
