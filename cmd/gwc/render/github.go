package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// maxAnnotations is how many annotations of a level GitHub shows of one step.
const maxAnnotations = 10

// GitHub writes diagnostics as workflow commands, which GitHub Actions turns into annotations of a pull request's
// lines. It stops at 10 of a level, as GitHub does, and says how many there are beyond.
func GitHub(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	shown, hidden := findings(list, o)
	src := newSources(o.Source)
	var b strings.Builder
	var count [diag.Note + 1]int
	for i := range shown {
		d := &shown[i].Diagnostic
		if count[d.Severity]++; count[d.Severity] > maxAnnotations {
			continue
		}
		command := [...]string{diag.Error: "error", diag.Warning: "warning", diag.Note: "notice"}[d.Severity]
		var props []string
		put := func(name string, value any) { props = append(props, name+"="+escapeProperty(fmt.Sprint(value))) }
		if s := d.Primary.Span; !s.IsZero() {
			put("file", o.place(s.File))
			if s.Start.Line > 0 {
				e := end(s)
				put("line", s.Start.Line)
				put("col", src.utf16(s.File, s.Start))
				put("endLine", e.Line)
				put("endColumn", src.utf16(s.File, e))
			}
		}
		if title := titleOf(d.Code); title != "" {
			put("title", title)
		}
		if len(props) > 0 {
			command += " "
		}
		fmt.Fprintf(&b, "::%s%s::%s\n", command, strings.Join(props, ","), escapeData(message(d)))
	}
	for sev, n := range count {
		if n > maxAnnotations {
			fmt.Fprintf(&b, "%s without an annotation: GitHub shows %d of a step\n", Count(n-maxAnnotations, "more "+diag.Severity(sev).String()), maxAnnotations)
		}
	}
	_, err = io.WriteString(w, b.String())
	return hidden, err
}

// titleOf returns "GWC1203: unknown field".
func titleOf(c diag.Code) string {
	if r, ok := rules.Get(string(c)); c != "" && ok {
		return string(c) + ": " + r.Title
	}
	return string(c)
}

// escapeData escapes a message of a workflow command, and escapeProperty a property, as the runner reads them back:
// https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
func escapeData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
