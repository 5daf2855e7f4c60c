package lsp

import (
	"bytes"
	"reflect"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/query"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// pages is where the page of each rule can be read in a browser.
const pages = "https://github.com/gwc-dev/gwc/blob/main/schema/rules/"

// codeSyntax is the rule that a file breaks which does not parse.
const codeSyntax diag.Code = "GWC1001"

// publish sends the findings of a repository, file by file, where they differ from what the client has.
func (s *server) publish(x *session) {
	list := map[string][]diagnostic{}
	texts := map[string]*sourceText{}
	for _, d := range x.result.Report.All() {
		name := d.Primary.Span.File
		if name == "" {
			name = "gateway.cue" // It is said of the whole repository.
		}
		list[name] = append(list[name], s.diagnostic(x, texts, &d))
	}
	for name, version := range x.version {
		if list[name] == nil {
			if p, ok := x.published[name]; !ok || p.Version == nil || *p.Version != version {
				list[name] = []diagnostic{}
			}
		}
	}
	// Where a file does not parse, its unit and all that is found between units is not looked at. What was found in other
	// files stays then, as long as they are what they were: it would go and come with every bracket that somebody types.
	torn := slices.ContainsFunc(x.result.Report.All(), func(d diag.Diagnostic) bool { return d.Code == codeSyntax })
	for name := range x.published {
		if list[name] == nil && !(torn && x.same(name)) {
			list[name] = []diagnostic{}
		}
	}
	names := make([]string, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p := publishParams{URI: s.uri(x, name), Diagnostics: list[name]}
		if version, open := x.version[name]; open {
			p.Version = &version
		}
		if reflect.DeepEqual(p, x.published[name]) {
			continue
		}
		s.notify("textDocument/publishDiagnostics", p)
		if len(p.Diagnostics) == 0 && p.Version == nil {
			delete(x.published, name)
		} else {
			x.published[name] = p
			x.foundIn[name], _ = x.result.Sources.Digest(name)
		}
	}
}

// same reports whether a file is still what its findings were published for.
func (x *session) same(name string) bool {
	d, ok := x.result.Sources.Digest(name)
	return ok && d == x.foundIn[name]
}

// sourceText is a file as a build read it. Places in findings count lines by LF and columns in bytes.
type sourceText struct {
	*text
	starts []int
}

func (t *sourceText) offset(p diag.Pos) int {
	if p.Line < 1 || p.Line > len(t.starts) {
		return len(t.data)
	}
	end := len(t.data)
	if p.Line < len(t.starts) {
		end = t.starts[p.Line] - 1
	}
	return min(t.starts[p.Line-1]+max(p.Col, 1)-1, end)
}

// source returns a file as the last build read it; a file that it did not read is empty.
func (s *server) source(x *session, texts map[string]*sourceText, name string) *sourceText {
	t := texts[name]
	if t == nil {
		var data []byte
		if x.result.Sources != nil {
			data, _ = x.result.Sources.Data(name)
		}
		t = &sourceText{newText(data, s.utf8), []int{0}}
		for i := 0; ; {
			n := bytes.IndexByte(data[i:], '\n')
			if n < 0 {
				break
			}
			i += n + 1
			t.starts = append(t.starts, i)
		}
		texts[name] = t
	}
	return t
}

func (s *server) span(x *session, texts map[string]*sourceText, at diag.Span) span {
	t := s.source(x, texts, at.File)
	return t.span(query.Extent{Start: t.offset(at.Start), End: max(t.offset(at.Start), t.offset(at.End))})
}

// diagnostic turns a finding into one of the protocol's.
func (s *server) diagnostic(x *session, texts map[string]*sourceText, d *diag.Diagnostic) diagnostic {
	out := diagnostic{Severity: severityError, Code: string(d.Code), Source: "gwc", Message: messageOf(d)}
	switch d.Severity {
	case diag.Warning:
		out.Severity = severityWarning
	case diag.Note:
		out.Severity = severityNote
	}
	if !d.Primary.Span.IsZero() {
		out.Range = s.span(x, texts, d.Primary.Span)
	}
	if _, ok := rules.Get(string(d.Code)); ok {
		out.CodeDescription = &href{pages + string(d.Code) + ".md"}
	}
	for _, l := range d.Secondary {
		if l.Span.IsZero() {
			continue
		}
		text := l.Text
		if text == "" {
			text = "here too"
		}
		out.Related = append(out.Related, relatedInfo{location{s.uri(x, l.Span.File), s.span(x, texts, l.Span)}, text})
	}
	return out
}

// messageOf is what a finding says, without the places and the code, which the protocol has fields for.
func messageOf(d *diag.Diagnostic) string {
	lines := []string{d.Summary}
	if d.Primary.Text != "" {
		lines[0] += ": " + d.Primary.Text
	}
	for _, n := range d.Notes {
		lines = append(lines, strings.Join(strings.Fields(n), " "))
	}
	for _, h := range d.Help {
		lines = append(lines, "help: "+h)
	}
	return strings.Join(lines, "\n")
}
