// Package render prints a report for people and for tools: text with excerpts and carets, Markdown for a pull request,
// JSON, and what code scanners and CI systems read.
//
// Diagnostics enter as values, in the order of [diag.Report.All]; bytes leave. A renderer decides how much is shown,
// never what is true: it folds identical causes, stops at a number of errors, cuts lines that are too long, and
// blanks whatever a diagnostic marks as secret or looks like a credential. It reads no file: excerpts come from the
// bytes that the compiler judged, so that an excerpt shows what was wrong and not what has been saved since.
package render

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Options say what is shown and how. The zero value shows everything, without excerpts.
type Options struct {
	// Source returns the bytes of a file of a span, or nil where they are not known; then there is no excerpt.
	Source func(file string) []byte
	// Color turns on ANSI colours.
	Color bool
	// Max is the number of errors that are shown, and the number of warnings and notes; 0 shows all.
	Max int
	// Waived are findings that waivers took out of the list; formats that have a place for them say so.
	Waived []Waived
	// Strict says that warnings fail the command.
	Strict bool
	// Folder is where the repository lies in what was checked out of version control, with forward slashes and without
	// one at its end, or "". Formats for the hosts of such checkouts put it before names of files.
	Folder string
}

// Waived is a finding that a waiver takes out of the report, with what the waiver says. Until is its last day.
type Waived struct {
	diag.Diagnostic
	Name, Reason, By, Until string
	At                      diag.Span // of the waiver's name
}

// waived takes secrets out of o.Waived. What the waivers themselves say is for people to read, and is blanked too.
func (o *Options) waived() (list []Waived, found []finding) {
	if len(o.Waived) == 0 {
		return nil, nil
	}
	plain := make([]diag.Diagnostic, len(o.Waived))
	for i := range o.Waived {
		plain[i] = o.Waived[i].Diagnostic
	}
	s := newSecrets(plain, o.Source)
	list = slices.Clone(o.Waived)
	for i := range list {
		list[i].Reason, list[i].By = s.blank(list[i].Reason), s.blank(list[i].By)
	}
	found, _ = findings(plain, Options{Source: o.Source})
	return list, found
}

// place returns the name of a file in the checkout.
func (o *Options) place(file string) string { return path.Join(o.Folder, file) }

// The shape of an excerpt.
const (
	maxExcerpts = 3   // then "and 4 more places"
	maxColumns  = 140 // of an excerpt; longer lines are cut around the span
	keepBefore  = 50  // columns before the span where a line is cut
	tabWidth    = 4
)

const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	cyan   = "\x1b[1;36m"
	blue   = "\x1b[1;34m"
	bold   = "\x1b[1m"
	reset  = "\x1b[0m"
)

// Text writes diagnostics as text, one block for each, with an empty line after it. It returns how many findings it
// did not show because of o.Max.
func Text(w io.Writer, list []diag.Diagnostic, o Options) (hidden int, err error) {
	p := printer{o: o, secrets: newSecrets(list, o.Source), lines: map[string][]string{}}
	shown := map[bool]int{}
	for _, g := range fold(list) {
		isError := g.first.Severity == diag.Error
		if o.Max > 0 && shown[isError] >= o.Max {
			hidden += 1 + len(g.more)
			continue
		}
		shown[isError]++
		p.block(g)
	}
	_, err = io.WriteString(w, p.b.String())
	return hidden, err
}

// group is findings with one cause: they say the same at different places.
type group struct {
	first *diag.Diagnostic
	more  []diag.Label
}

func fold(list []diag.Diagnostic) []*group {
	var groups []*group
	at := make(map[string]*group)
	for i := range list {
		d := &list[i]
		var key strings.Builder
		fmt.Fprintf(&key, "%s %d %q %q %q %q", d.Code, d.Severity, d.Summary, d.Primary.Text, d.Notes, d.Help)
		for _, s := range d.Secondary {
			fmt.Fprintf(&key, " %v", s)
		}
		if g := at[key.String()]; g != nil {
			g.more = append(g.more, d.Primary)
			continue
		}
		g := &group{first: d}
		at[key.String()] = g
		groups = append(groups, g)
	}
	return groups
}

type printer struct {
	o       Options
	b       strings.Builder
	secrets *secrets            // that no excerpt may show, whichever diagnostic the excerpt is of
	lines   map[string][]string // of files that were shown
}

func (p *printer) color(c, s string) string {
	if !p.o.Color || s == "" {
		return s
	}
	return c + s + reset
}

// one returns the block of one diagnostic.
func (p *printer) one(d *diag.Diagnostic) string {
	p.b.Reset()
	p.block(&group{first: d})
	return strings.TrimSuffix(p.b.String(), "\n")
}

func (p *printer) block(g *group) {
	d := g.first
	c := map[diag.Severity]string{diag.Error: red, diag.Warning: yellow, diag.Note: cyan}[d.Severity]
	head := d.Severity.String()
	if d.Code != "" {
		head += "[" + string(d.Code) + "]"
	}
	places := ""
	if len(g.more) > 0 {
		places = fmt.Sprintf(" (%d places)", 1+len(g.more))
	}
	fmt.Fprintf(&p.b, "%s%s\n", p.color(c, head), p.color(bold, ": "+p.clean(d.Summary)+places))

	actions := help(d)
	type place struct {
		diag.Label
		primary bool
	}
	places3 := []place{{d.Primary, true}}
	for _, l := range d.Secondary {
		places3 = append(places3, place{l, false})
	}
	for _, l := range g.more {
		l.Text = ""
		places3 = append(places3, place{l, true})
	}
	places3 = slices.DeleteFunc(places3, func(l place) bool { return l.Span.IsZero() })
	left := 0
	if len(places3) > maxExcerpts {
		left = len(places3) - maxExcerpts
		places3 = places3[:maxExcerpts]
	}
	gutter := 1
	for _, l := range places3 {
		gutter = max(gutter, len(fmt.Sprint(l.Span.Start.Line)))
	}
	pad := strings.Repeat(" ", gutter)
	bar := p.color(blue, "|")
	for i, l := range places3 {
		arrow, mark := "-->", "^"
		if i > 0 {
			arrow = ":::"
		}
		if !l.primary {
			mark = "-"
		}
		where := l.Span.File
		if l.Span.Start.Line > 0 {
			where += fmt.Sprintf(":%d:%d", l.Span.Start.Line, max(1, l.Span.Start.Col))
		}
		fmt.Fprintf(&p.b, "%s%s %s\n", pad, p.color(blue, arrow), p.clean(where))
		text, from, width, ok := p.excerpt(l.Span)
		if !ok {
			if l.Text != "" {
				fmt.Fprintf(&p.b, "%s %s %s\n", pad, p.color(blue, "="), p.clean(l.Text))
			}
			continue
		}
		fmt.Fprintf(&p.b, "%s %s\n", pad, bar)
		fmt.Fprintf(&p.b, "%s\n", strings.TrimRight(fmt.Sprintf("%s %s %s", p.color(blue, fmt.Sprintf("%*d", gutter, l.Span.Start.Line)), bar, text), " "))
		marks := strings.Repeat(mark, width)
		if l.Text != "" {
			marks += " " + p.clean(l.Text)
		}
		mc := c
		if !l.primary {
			mc = blue
		}
		fmt.Fprintf(&p.b, "%s %s %s%s\n", pad, bar, strings.Repeat(" ", from), p.color(mc, marks))
		if i < len(places3)-1 || left > 0 || len(d.Notes)+len(actions) > 0 {
			fmt.Fprintf(&p.b, "%s %s\n", pad, bar)
		}
	}
	eq := p.color(blue, "=")
	if left > 0 {
		fmt.Fprintf(&p.b, "%s %s and %s\n", pad, eq, Count(left, "more place"))
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&p.b, "%s %s %s\n", pad, eq, p.clean(n))
	}
	for _, h := range actions {
		fmt.Fprintf(&p.b, "%s %s %s %s\n", pad, eq, p.color(bold, "help:"), p.clean(h))
	}
	p.b.WriteByte('\n')
}

// excerpt returns the first line of a span as it is shown, and where the marks under it begin and how many there are,
// in columns of a terminal.
func (p *printer) excerpt(s diag.Span) (text string, from, width int, ok bool) {
	if s.Start.Line < 1 || p.o.Source == nil {
		return "", 0, 0, false
	}
	lines, known := p.lines[s.File]
	if !known {
		if src := p.o.Source(s.File); src != nil {
			lines = strings.Split(string(src), "\n")
		}
		p.lines[s.File] = lines
	}
	if s.Start.Line > len(lines) {
		return "", 0, 0, false
	}
	src := strings.TrimSuffix(lines[s.Start.Line-1], "\r")
	begin := min(max(s.Start.Col-1, 0), len(src))
	end := begin + 1
	switch {
	case s.End.Line > s.Start.Line:
		end = max(len(src), end)
	case s.End.Line == s.Start.Line && s.End.Col > s.Start.Col:
		end = s.End.Col - 1
	}

	// Blank before anything else is done with the text. The marks stay on what was blanked.
	hidden := p.blanks(src, s.File, s.Start.Line)
	var b strings.Builder
	col, first, last := 0, -1, -1
	put := func(text string, n, at int) {
		if at >= begin && first < 0 {
			first = col
		}
		b.WriteString(text)
		col += n
		if at < end {
			last = col
		}
	}
	for i := 0; i < len(src); {
		if k := slices.IndexFunc(hidden, func(r [2]int) bool { return r[0] <= i && i < r[1] }); k >= 0 {
			// A span that begins within what is blanked is marked as the whole of it.
			if r := hidden[k]; begin > r[0] && begin < r[1] {
				begin = r[0]
			}
			put(blanked, len(blanked), i)
			i = hidden[k][1]
			continue
		}
		r, n := utf8.DecodeRuneInString(src[i:])
		switch {
		case r == '\t':
			w := tabWidth - col%tabWidth
			put(strings.Repeat(" ", w), w, i)
		case r == utf8.RuneError && n == 1, unsafe(r):
			put("?", 1, i)
		default:
			put(src[i:i+n], columns(r), i)
		}
		i += n
	}
	if first < 0 {
		first = col
	}
	text, width = b.String(), max(1, last-first)
	return cut(text, first, width)
}

// blanks returns the ranges of a line that hold secrets, in order and without overlap.
func (p *printer) blanks(src, file string, n int) [][2]int {
	var out [][2]int
	for _, s := range p.secrets.spans {
		if s.File != file || n < s.Start.Line || n > max(s.Start.Line, s.End.Line) {
			continue
		}
		if from, to := rangeOf(s, n, src); from < to {
			out = append(out, [2]int{from, to})
		}
	}
	out = append(out, tellingLiterals(src, p.secrets.lines[line{file, n}])...)
	for _, v := range p.secrets.values {
		for at := 0; ; {
			i := strings.Index(src[at:], v)
			if i < 0 {
				break
			}
			out = append(out, [2]int{at + i, at + i + len(v)})
			at += i + len(v)
		}
	}
	for _, m := range credential.FindAllStringIndex(src, -1) {
		out = append(out, [2]int{m[0], m[1]})
	}
	slices.SortFunc(out, func(a, b [2]int) int { return a[0] - b[0] })
	merged := out[:0]
	for _, r := range out {
		if n := len(merged); n > 0 && r[0] <= merged[n-1][1] {
			merged[n-1][1] = max(merged[n-1][1], r[1])
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// cut shortens a line that is too long around the marks.
func cut(text string, from, width int) (string, int, int, bool) {
	const dots = "..."
	total := 0
	for _, r := range text {
		total += columns(r)
	}
	if total <= maxColumns {
		return text, from, width, true
	}
	start := 0
	if from+width > maxColumns {
		start = max(0, from-keepBefore)
	}
	var b strings.Builder
	shift := 0
	if start > 0 {
		b.WriteString(dots)
		shift = start - len(dots)
	}
	col, cutEnd := 0, false
	for _, r := range text {
		c := columns(r)
		if col >= start {
			if col+c > start+maxColumns {
				cutEnd = true
				break
			}
			if b.Len() == len(dots) && start > 0 {
				shift = col - len(dots)
			}
			b.WriteRune(r)
		}
		col += c
	}
	if cutEnd {
		b.WriteString(dots)
	}
	return b.String(), from - shift, max(1, min(width, col-from)), true
}

// columns is how many columns of a terminal a character takes: 0 for combining marks, 2 for wide ones (the blocks of
// East Asian Width W and F, and emoji).
func columns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), r == 0x200B, r == 0x200D, r == 0xFEFF, r >= 0xFE00 && r <= 0xFE0F:
		return 0
	case r >= 0x1100 && r <= 0x115F, r >= 0x2E80 && r <= 0x303E, r >= 0x3041 && r <= 0xA4CF, r >= 0xA960 && r <= 0xA97F,
		r >= 0xAC00 && r <= 0xD7A3, r >= 0xF900 && r <= 0xFAFF, r >= 0xFE30 && r <= 0xFE6F, r >= 0xFF00 && r <= 0xFF60,
		r >= 0xFFE0 && r <= 0xFFE6, r >= 0x1F300 && r <= 0x1F64F, r >= 0x1F680 && r <= 0x1F6FF, r >= 0x1F900 && r <= 0x1FAFF,
		r >= 0x20000 && r <= 0x3FFFD:
		return 2
	}
	return 1
}

// unsafe reports characters that would act on the terminal or reorder the line.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

// clean makes text of a diagnostic fit for one line of a terminal, and blanks credentials in it.
func (p *printer) clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unsafe(r) {
			return ' '
		}
		return r
	}, s)
	return p.secrets.blank(s)
}

// Count returns "1 error", "2 errors", "no errors" for a number of things.
func Count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
