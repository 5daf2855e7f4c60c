package render

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/gwc-dev/gwc/schema/diag"
)

// FormatVersion is the version of the JSON form. Fields are only added while the first number stays.
const FormatVersion = "1.0"

type jsonReport struct {
	FormatVersion string           `json:"format_version"`
	Summary       jsonSummary      `json:"summary"`
	Diagnostics   []jsonDiagnostic `json:"diagnostics"`
	Waived        []jsonWaived     `json:"waived,omitempty"`
}

// jsonWaived is a finding that a waiver took out of the list.
type jsonWaived struct {
	jsonDiagnostic
	Waiver jsonWaiver `json:"waiver"`
}

type jsonWaiver struct {
	Name    string   `json:"name"`
	Reason  string   `json:"reason"`
	By      string   `json:"by"`
	Expires string   `json:"expires"`
	At      jsonSpan `json:"at"`
}

type jsonSummary struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Notes    int `json:"notes"`
	Waived   int `json:"waived,omitempty"`
}

type jsonDiagnostic struct {
	Code        diag.Code   `json:"code"`
	Severity    string      `json:"severity"`
	Summary     string      `json:"summary"`
	Path        []string    `json:"path"`
	Primary     *jsonLabel  `json:"primary,omitempty"`
	Secondary   []jsonLabel `json:"secondary"`
	Notes       []string    `json:"notes"`
	Help        []string    `json:"help"`
	Fixes       []jsonFix   `json:"fixes"`
	Fingerprint string      `json:"fingerprint"`
}

type jsonLabel struct {
	jsonSpan
	Label string `json:"label,omitempty"`
}

type jsonSpan struct {
	File  string   `json:"file"`
	Start *jsonPos `json:"start,omitempty"`
	End   *jsonPos `json:"end,omitempty"`
}

// jsonPos counts lines and columns (in bytes) from 1.
type jsonPos struct {
	Line int `json:"line"`
	Col  int `json:"col"`
}

type jsonFix struct {
	Title string     `json:"title"`
	Safe  bool       `json:"safe"`
	Edits []jsonEdit `json:"edits"`
}

type jsonEdit struct {
	jsonSpan
	New string `json:"new"`
}

// JSON writes diagnostics as one line of JSON. Lists are there even where they are empty; a place that is not known is
// absent. The summary counts what o.Max hides too.
func JSON(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	out := jsonReport{FormatVersion: FormatVersion, Diagnostics: []jsonDiagnostic{}}
	for i := range list {
		switch list[i].Severity {
		case diag.Error:
			out.Summary.Errors++
		case diag.Warning:
			out.Summary.Warnings++
		default:
			out.Summary.Notes++
		}
	}
	shown, hidden := findings(list, o)
	for i := range shown {
		out.Diagnostics = append(out.Diagnostics, jsonOf(&shown[i]))
	}
	waived, found := o.waived()
	out.Summary.Waived = len(waived)
	for i, v := range waived {
		out.Waived = append(out.Waived, jsonWaived{jsonOf(&found[i]), jsonWaiver{v.Name, v.Reason, v.By, v.Until, span(v.At)}})
	}
	return hidden, encode(w, out)
}

// JSONL writes each diagnostic as a line of JSON of its own, in the form that [JSON] has in its list.
func JSONL(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	var b bytes.Buffer
	shown, hidden := findings(list, o)
	for i := range shown {
		if err := encode(&b, jsonOf(&shown[i])); err != nil {
			return hidden, err
		}
	}
	_, err = w.Write(b.Bytes())
	return hidden, err
}

// encode writes a value as a line of JSON.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func jsonOf(d *finding) jsonDiagnostic {
	j := jsonDiagnostic{
		Code: d.Code, Severity: d.Severity.String(), Summary: d.Summary, Path: d.Path, Secondary: []jsonLabel{},
		Notes: d.Notes, Help: d.Help, Fixes: []jsonFix{}, Fingerprint: d.fingerprint,
	}
	if !d.Primary.Span.IsZero() {
		l := label(d.Primary)
		j.Primary = &l
	}
	for _, l := range d.Secondary {
		j.Secondary = append(j.Secondary, label(l))
	}
	for _, f := range d.Fixes {
		fix := jsonFix{Title: f.Title, Safe: f.Safe, Edits: []jsonEdit{}}
		for _, e := range f.Edits {
			fix.Edits = append(fix.Edits, jsonEdit{span(e.Span), e.New})
		}
		j.Fixes = append(j.Fixes, fix)
	}
	return j
}

func label(l diag.Label) jsonLabel { return jsonLabel{span(l.Span), l.Text} }

func span(s diag.Span) jsonSpan {
	j := jsonSpan{File: s.File}
	if s.Start.Line > 0 {
		j.Start = &jsonPos{s.Start.Line, s.Start.Col}
		j.End = j.Start
		if s.End.Line > 0 {
			j.End = &jsonPos{s.End.Line, s.End.Col}
		}
	}
	return j
}
