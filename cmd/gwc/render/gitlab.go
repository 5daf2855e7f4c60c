package render

import (
	"io"

	"github.com/gwc-dev/gwc/schema/diag"
)

type (
	gitlabFinding struct {
		Description string         `json:"description"`
		Check       string         `json:"check_name"`
		Fingerprint string         `json:"fingerprint"`
		Severity    string         `json:"severity"`
		Location    gitlabLocation `json:"location"`
	}
	gitlabLocation struct {
		Path  string      `json:"path"`
		Lines gitlabLines `json:"lines"`
	}
	gitlabLines struct {
		Begin int `json:"begin"`
		End   int `json:"end"`
	}
)

// GitLab writes diagnostics as a Code Quality report of GitLab: a list of findings with unique fingerprints
// (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format). What is said of no file is said of the
// folder, since the format wants a place.
func GitLab(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	shown, hidden := findings(list, o)
	out := []gitlabFinding{}
	for i := range shown {
		d := &shown[i]
		f := gitlabFinding{
			Description: d.Summary, Check: string(d.Code), Fingerprint: numbered(d),
			Severity: [...]string{diag.Error: "critical", diag.Warning: "minor", diag.Note: "info"}[d.Severity],
			Location: gitlabLocation{Path: o.place("."), Lines: gitlabLines{1, 1}},
		}
		if d.Primary.Text != "" {
			f.Description += ": " + d.Primary.Text
		}
		if s := d.Primary.Span; !s.IsZero() {
			f.Location.Path = o.place(s.File)
			if s.Start.Line > 0 {
				f.Location.Lines = gitlabLines{s.Start.Line, end(s).Line}
			}
		}
		out = append(out, f)
	}
	return hidden, encode(w, out)
}
