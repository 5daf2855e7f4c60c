package check

import (
	"bytes"
	"slices"

	"github.com/gwc-dev/gwc/compiler/leak"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

const codeLeak diag.Code = "GWC4111" // a key in clear, anywhere in a file

// leaks looks for keys in the text of the unit's files: in comments, names and values of fields that nobody would
// look at for one. What was said of the same line already is about the same mistake.
func (u *unit) leaks(src *load.Unit) {
	for i := range src.Files {
		f := &src.Files[i]
		if f.Share != nil && !slices.Contains(f.Share, "") {
			continue // an overlay, which is looked at once
		}
		from, to, found := leak.Find(f.Data)
		if !found {
			continue
		}
		span := diag.Span{File: f.Path, Start: position(f.Data, from), End: position(f.Data, to)}
		if slices.ContainsFunc(u.report.All(), func(d diag.Diagnostic) bool {
			return d.Primary.Span.File == f.Path && d.Primary.Span.Start.Line == span.Start.Line
		}) {
			continue
		}
		u.report.Add(diag.Diagnostic{Code: codeLeak, Severity: diag.Error, Summary: "a key stands in clear",
			Primary: diag.Label{Span: span, Secret: true},
			Help:    []string{"refer to it (env:NAME, file:PATH), and replace it at its vendor: whoever can read the repository knows it"}})
	}
}

// position is the place of a byte in a text.
func position(text []byte, offset int) diag.Pos {
	before := text[:offset]
	return diag.Pos{Line: 1 + bytes.Count(before, []byte("\n")), Col: offset - bytes.LastIndexByte(before, '\n'), Offset: offset}
}
