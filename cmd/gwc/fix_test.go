package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

func edit(l1, c1, l2, c2 int, text string) diag.Edit {
	return diag.Edit{Span: diag.Span{File: "a.cue", Start: diag.Pos{Line: l1, Col: c1}, End: diag.Pos{Line: l2, Col: c2}}, New: text}
}

// result is a compilation of a.cue whose findings carry one fix each.
func result(src string, fixes ...diag.Fix) *compiled {
	sources, _, err := load.Load(fstest.MapFS{"a.cue": {Data: []byte(src)}})
	if err != nil {
		panic(err)
	}
	r := &compiled{Result: &compiler.Result{Sources: sources}}
	for _, f := range fixes {
		r.list = append(r.list, diag.Diagnostic{Code: "GWC1203", Fixes: []diag.Fix{f}})
	}
	return r
}

func TestRepairs(t *testing.T) {
	safe := func(edits ...diag.Edit) diag.Fix { return diag.Fix{Safe: true, Edits: edits} }
	elsewhere := edit(1, 1, 1, 2, "x")
	elsewhere.Span.File = "b.cue"
	for _, tt := range []struct {
		name  string
		fixes []diag.Fix
		want  string
	}{
		{"edits of several lines, in any order", []diag.Fix{safe(edit(2, 1, 2, 4, "TWO")), safe(edit(1, 1, 1, 4, "ONE"))}, "ONE\nTWO\n"},
		{"an insertion at the start and one at the end", []diag.Fix{safe(edit(1, 1, 1, 1, "<"), edit(3, 1, 3, 1, ">"))}, "<one\ntwo\n>"},
		{"of two that overlap the first", []diag.Fix{safe(edit(1, 1, 1, 3, "x")), safe(edit(1, 2, 1, 4, "y"))}, "xe\ntwo\n"},
		{"of two insertions at one place the first", []diag.Fix{safe(edit(1, 2, 1, 2, "x")), safe(edit(1, 2, 1, 2, "y"))}, "oxne\ntwo\n"},
		{"neighbours are both made", []diag.Fix{safe(edit(1, 1, 1, 2, "x")), safe(edit(1, 2, 1, 3, "y"))}, "xye\ntwo\n"},
		{"an insertion at the edge of another edit waits", []diag.Fix{safe(edit(1, 1, 1, 3, "x")), safe(edit(1, 3, 1, 3, "y"))}, "xe\ntwo\n"},
		{"all edits of a fix or none", []diag.Fix{safe(edit(1, 1, 1, 2, "x")), safe(edit(2, 1, 2, 2, "y"), edit(1, 1, 1, 2, "z"))}, "xne\ntwo\n"},
		{"a fix that overlaps itself is none", []diag.Fix{safe(edit(1, 1, 1, 3, "x"), edit(1, 2, 1, 4, "y"))}, ""},
		{"over the end of a line", []diag.Fix{safe(edit(1, 3, 2, 2, "-"))}, "on-wo\n"},
		{"a place that is not there", []diag.Fix{safe(edit(1, 9, 1, 10, "x")), safe(edit(9, 1, 9, 1, "x")), safe(edit(0, 0, 0, 0, "x"))}, ""},
		{"backwards", []diag.Fix{safe(edit(2, 1, 1, 1, "x"))}, ""},
		{"an unknown file", []diag.Fix{safe(elsewhere)}, ""},
		{"no change", []diag.Fix{safe(edit(1, 1, 1, 4, "one")), safe()}, ""},
		{"a guess", []diag.Fix{{Edits: []diag.Edit{edit(1, 1, 1, 4, "x")}}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := result("one\ntwo\n", tt.fixes...)
			got := string(apply((&fixing{}).repairs(r, nil), r.source)["a.cue"])
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// FuzzRepairs holds that what is applied is exactly what was asked for, whatever the places of two fixes are.
func FuzzRepairs(f *testing.F) {
	f.Add("one\ntwo\n", 1, 1, 1, 4, 2, 1, 2, 4)
	f.Add("", 1, 1, 1, 1, 1, 1, 1, 1)
	f.Add("a\r\n\n", 2, 1, 3, 1, 1, 2, 2, 1)
	f.Fuzz(func(t *testing.T, src string, a, b, c, d, e, g, h, i int) {
		if strings.ContainsAny(src, "<>") {
			return
		}
		r := result(src, diag.Fix{Safe: true, Edits: []diag.Edit{edit(a, b, c, d, "<")}}, diag.Fix{Safe: true, Edits: []diag.Edit{edit(e, g, h, i, ">")}})
		repairs := (&fixing{}).repairs(r, nil)
		got := string(apply(repairs, r.source)["a.cue"])
		if n := strings.Count(got, "<") + strings.Count(got, ">"); n != len(repairs) {
			t.Errorf("%d repairs, %d edits in %q", len(repairs), n, got)
		}
		left := len(src)
		for _, x := range repairs {
			places, _ := placesOf(diag.Fix{Edits: x.edits}, r.source)
			left -= places[0].to - places[0].from
		}
		if len(repairs) > 0 && left != len(got)-len(repairs) {
			t.Errorf("%q became %q", src, got)
		}
	})
}
