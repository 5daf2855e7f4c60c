package link

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// nowhere is a program's places where the sources do not matter.
type nowhere struct{}

func (nowhere) Key(...string) diag.Span   { return diag.Span{} }
func (nowhere) Value(...string) diag.Span { return diag.Span{} }

func program() *ir.Program {
	return &ir.Program{
		Providers: []ir.Provider{{Name: "a"}, {Name: "b"}},
		Models:    []ir.Model{{Name: "m", Targets: []ir.Target{{Provider: ir.To("b")}, {Provider: ir.To("a")}}}},
		Upstreams: []ir.Upstream{{Name: "u"}},
		Tenants:   []ir.Tenant{{Name: "t"}},
		Apps:      []ir.App{{Name: "app", Models: []ir.Ref{ir.To("m")}}},
		APIs: []ir.API{
			{Name: "x", Owner: ir.To("t"), Upstream: ir.To("u")},
			{Name: "y", Owner: ir.To(""), Upstream: ir.To("u")},
		},
		Routes: []ir.Route{{ID: "x.op", Kind: artifact.RouteAPI, API: 0}, {ID: "y.op", Kind: artifact.RouteAPI, API: 1}},
		Places: nowhere{},
	}
}

func TestReferencesBecomeIndicesAndTheInputStaysAsItWas(t *testing.T) {
	in := program()
	out, report := Link(in)
	if diff := cmp.Diff(program(), in); diff != "" {
		t.Errorf("the input changed: mismatch (-before +after)\n%s", diff)
	}
	got := []int{out.Models[0].Targets[0].Provider.Index, out.Models[0].Targets[1].Provider.Index, out.Apps[0].Models[0].Index,
		out.APIs[0].Upstream.Index, out.APIs[0].Owner.Index, out.APIs[1].Owner.Index}
	if diff := cmp.Diff([]int{1, 0, 0, 0, 0, ir.Unresolved}, got); diff != "" {
		t.Errorf("indices: mismatch (-want +got)\n%s", diff)
	}
	// Both APIs are at "/": the routes of the second are left out, so that their collisions are not said again.
	if report.Count(diag.Error) != 1 || len(out.Routes) != 1 || out.Routes[0].ID != "x.op" {
		t.Errorf("routes %v, findings %v", out.Routes, report.All())
	}
}

func TestListenersOverlapWhereOneSocketExcludesTheOther(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.1", "localhost", true},
		{"127.0.0.1", "", true},
		{"::", "10.0.0.1", true},
		{"0.0.0.0", "::1", true},
		{"::1", "0:0:0:0:0:0:0:1", true},
		{"a.example", "A.example", true},
		{"127.0.0.1", "::1", false},
		{"10.0.0.1", "10.0.0.2", false},
		{"a.example", "10.0.0.1", false},
	} {
		if overlap(test.a, test.b) != test.want || overlap(test.b, test.a) != test.want {
			t.Errorf("overlap(%q, %q) = %v, want %v", test.a, test.b, !test.want, test.want)
		}
	}
}

func TestRatesAreComparedWithoutOverflow(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b artifact.Limit
		want bool
	}{
		{"more in the same time", artifact.Limit{Requests: 2, Per: time.Second}, artifact.Limit{Requests: 1, Per: time.Second}, true},
		{"the same rate", artifact.Limit{Requests: 60, Per: time.Minute}, artifact.Limit{Requests: 1, Per: time.Second}, false},
		{"the greatest numbers", artifact.Limit{Requests: 1e9, Per: time.Second}, artifact.Limit{Requests: 1e9, Per: 24 * time.Hour}, true},
		{"the greatest numbers the other way", artifact.Limit{Requests: 1e9, Per: 24 * time.Hour}, artifact.Limit{Requests: 1e9, Per: time.Second}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := faster(test.a, test.b); got != test.want {
				t.Errorf("faster(%v, %v) = %v", test.a, test.b, got)
			}
		})
	}
}
