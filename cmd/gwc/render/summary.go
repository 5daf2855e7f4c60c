package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Stats is what the summary line says beside the findings.
type Stats struct {
	Routes  int // negative: not known
	Elapsed time.Duration
	Waived  int // findings that waivers took out of the list
}

// Summary returns the last line of a command that compiles, without "gwc:": "1 error, 2 warnings in 3 files (412
// routes, 88 ms)", or "no findings (412 routes, 88 ms)". The files are those of the findings.
func Summary(list []diag.Diagnostic, s Stats) string {
	out := counts(list)
	if s.Waived > 0 {
		out += fmt.Sprintf(", %d waived", s.Waived)
	}
	took := fmt.Sprintf("%d ms", s.Elapsed.Milliseconds())
	if s.Elapsed >= 10*time.Second {
		took = fmt.Sprintf("%.1f s", s.Elapsed.Seconds())
	}
	if s.Routes < 0 {
		return fmt.Sprintf("%s (%s)", out, took)
	}
	return fmt.Sprintf("%s (%s, %s)", out, Count(s.Routes, "route"), took)
}

// counts returns "1 error, 2 warnings in 3 files", or "no findings".
func counts(list []diag.Diagnostic) string {
	var n [diag.Note + 1]int
	files := map[string]bool{}
	for i := range list {
		n[list[i].Severity]++
		if f := list[i].Primary.Span.File; f != "" {
			files[f] = true
		}
	}
	var parts []string
	for sev, count := range n {
		if count > 0 {
			parts = append(parts, Count(count, diag.Severity(sev).String()))
		}
	}
	out := "no findings"
	if len(parts) > 0 {
		out = strings.Join(parts, ", ")
		if len(files) > 0 {
			out += " in " + Count(len(files), "file")
		}
	}
	return out
}
