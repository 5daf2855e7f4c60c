package link

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/script"
)

// TestNamesInTestsAreHeldAgainstTheProgram asks about one expectation at a time.
func TestNamesInTestsAreHeldAgainstTheProgram(t *testing.T) {
	p := &ir.Program{
		Tenants:   []ir.Tenant{{Name: "acme"}},
		Apps:      []ir.App{{Name: "mute", Tenant: 0}, {Name: "web", Tenant: 0}},
		Keys:      []ir.Key{{App: 1, ID: "k"}},
		APIs:      []ir.API{{Name: "pets"}},
		Routes:    []ir.Route{{ID: "pets.list", Operation: "list"}},
		Providers: []ir.Provider{{Name: "openai"}},
		Upstreams: []ir.Upstream{{Name: "pets"}},
	}
	constant := func(v any) *script.Pattern {
		return &script.Pattern{Const: &script.Constant{Value: v}, Text: script.Show(v)}
	}
	record := func(field string, p *script.Pattern) script.Expectation {
		return script.Expectation{Record: &script.Pattern{Struct: true, Fields: []script.Field{{Name: field, Pattern: p}}}}
	}
	for _, test := range []struct {
		name   string
		step   script.Step
		expect string
	}{
		{"a known app", script.Step{Request: &script.Request{As: "acme/web", Key: "k"}}, ""},
		{"an unknown app", script.Step{Request: &script.Request{As: "acme/wb"}}, `the request of a test comes from unknown app "acme/wb"; did you mean "acme/web"?`},
		{"an unknown key", script.Step{Request: &script.Request{As: "acme/web", Key: "q"}}, `app "acme/web" has no key "q"; did you mean "k"?`},
		{"an app without keys", script.Step{Request: &script.Request{As: "acme/mute"}}, `the request of a test comes from app "acme/mute", which has no key, so that nobody can call as it`},
		{"an unknown provider", script.Step{Providers: []script.Script{{Name: "opnai"}}}, `a test says what unknown provider "opnai" answers; did you mean "openai"?`},
		{"an unknown upstream", script.Step{Upstreams: []script.Script{{Name: "birds"}}}, `a test says what unknown upstream "birds" answers; upstreams: pets`},
		{"a known API", script.Step{Expect: record("api", constant("pets"))}, ""},
		{"an unknown API", script.Step{Expect: record("api", constant("petz"))}, `record.api can never be "petz": there is no such API; did you mean "pets"?`},
		{"a number in place of a name", script.Step{Expect: record("api", constant(json.Number("1")))}, `record.api can never be 1: there is no such API; APIs: pets`},
		{"a constraint that a name fits", script.Step{Expect: record("route", &script.Pattern{Fits: func(v any) bool { return v == "pets.list" }})}, ""},
		{"a constraint that no name fits", script.Step{Expect: record("route", &script.Pattern{Text: `=~"x"`, Fits: func(any) bool { return false }})}, `record.route can never be =~"x": there is no such route; routes: pets.list`},
		{"an absent name", script.Step{Expect: record("api", &script.Pattern{Absent: true})}, ""},
		{"a status", script.Step{Expect: record("status", constant(json.Number("418")))}, ""},
		{"a status that is none", script.Step{Expect: record("status", constant(json.Number("99")))}, `record.status can never be 99: a status is an integer from 100 to 599`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.step.Times = 1
			report := Tests(p, []script.Test{{Name: "x", Steps: []script.Step{test.step}}})
			got := ""
			for _, d := range report.All() {
				got += d.Summary
				if d.Primary.Text != "" {
					got += "; " + d.Primary.Text
				}
				for _, n := range d.Notes {
					got += "; " + n
				}
			}
			if d := cmp.Diff(test.expect, got); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}
