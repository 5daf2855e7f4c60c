package render

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Marker is the first line of the Markdown form. A bot that finds it in a comment edits that comment.
const Marker = "<!-- gwc -->"

// Bounds of a comment: GitHub takes 65,536 characters.
const (
	maxRows    = 100
	maxCell    = 300    // characters of a text
	rowsEnd    = 30_000 // bytes after which no row begins
	maxExplain = 4_000  // bytes of one finding's details
	detailsEnd = 56_000 // bytes after which no details begin
)

// Markdown writes diagnostics as a comment on a pull request: the verdict, a table, and each finding's lines folded
// away, with what a safe fix would make of them.
func Markdown(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	shown, hidden := findings(list, o)
	p := printer{o: o, secrets: newSecrets(list, o.Source), lines: map[string][]string{}}
	p.o.Color = false
	src := newSources(o.Source)
	var b strings.Builder
	verdict := "passed"
	for i := range list {
		if list[i].Severity == diag.Error || o.Strict && list[i].Severity == diag.Warning {
			verdict = "failed"
		}
	}
	fmt.Fprintf(&b, "%s\n**gwc %s: %s**\n", Marker, verdict, counts(list))
	if len(shown) > 0 {
		b.WriteString("\n| | where | what | fingerprint |\n|---|---|---|---|\n")
	}
	rows := 0
	for i := range shown {
		if rows == maxRows || b.Len() > rowsEnd {
			break
		}
		rows++
		d := &shown[i]
		what := cell(p.clean(d.Summary))
		if d.Primary.Text != "" {
			what += "<br>" + cell(p.clean(d.Primary.Text))
		}
		fmt.Fprintf(&b, "| %s %s | %s | %s | `%s` |\n", d.Severity, d.Code, cell(p.clean(where(&d.Diagnostic))), what, d.fingerprint)
	}
	left := len(shown) - rows + hidden
	if left > 0 {
		fmt.Fprintf(&b, "\n%s.\n", Count(left, "more finding")+" in the text and JSON forms")
	}
	if rows > 0 {
		b.WriteString("\n<details><summary>The lines, and what to do</summary>\n")
		for i := range rows {
			if b.Len() > detailsEnd {
				fmt.Fprintf(&b, "\n%s.\n", Count(rows-i, "more finding")+" in the text and JSON forms")
				break
			}
			d := &shown[i].Diagnostic
			text := p.one(d)
			if len(text) > maxExplain {
				text = strings.ToValidUTF8(text[:maxExplain], "") + "\n..."
			}
			fenced(&b, "", text)
			for _, f := range d.Fixes {
				if lines, ok := p.suggestion(src, f); ok {
					fmt.Fprintf(&b, "\n%s:\n", cell(p.clean(f.Title)))
					fenced(&b, "suggestion", lines)
					break
				}
			}
		}
		b.WriteString("\n</details>\n")
	}
	_, err = io.WriteString(w, b.String())
	return hidden, err
}

// where returns "platform/models.cue:3:37".
func where(d *diag.Diagnostic) string {
	s := d.Primary.Span
	if s.IsZero() || s.Start.Line < 1 {
		return s.File
	}
	return fmt.Sprintf("%s:%d:%d", path.Clean(s.File), s.Start.Line, max(1, s.Start.Col))
}

// suggestion returns the line that a fix of one line makes, as a review's suggestion wants it: whole.
func (p *printer) suggestion(src *sources, f diag.Fix) (string, bool) {
	if len(f.Edits) != 1 || f.Edits[0].Span.Start.Line != end(f.Edits[0].Span).Line {
		return "", false
	}
	e := f.Edits[0]
	text, ok := src.line(e.Span.File, e.Span.Start.Line)
	if !ok || len(text) > maxExplain || len(p.blanks(text, e.Span.File, e.Span.Start.Line)) > 0 {
		return "", false // A line that is blanked would be suggested without what was blanked.
	}
	from, to := min(max(e.Span.Start.Col, 1)-1, len(text)), min(end(e.Span).Col-1, len(text))
	if to < from {
		return "", false
	}
	return text[:from] + e.New + text[to:], true
}

// cell makes text fit for a cell of a table: nothing in it is Markdown or HTML.
func cell(s string) string {
	if r := []rune(s); len(r) > maxCell {
		s = string(r[:maxCell]) + "..."
	}
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]()#+!|~$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
		if r == '@' {
			b.WriteString("<!-- -->") // Nobody is mentioned.
		}
	}
	return b.String()
}

// fenced writes a block of code, between fences that it does not hold.
func fenced(b *strings.Builder, kind, text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	fmt.Fprintf(b, "\n%s%s\n%s\n%s\n", fence, kind, strings.Trim(text, "\n"), fence)
}
