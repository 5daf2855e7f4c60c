package render

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// maxTelling bounds the lines of one finding that are held to be about a secret: an excerpt shows the first.
const maxTelling = 100

// blanked stands where a secret stood.
const blanked = "[secret]"

// credential matches what vendors' keys and ours look like. It is a net under the marks of the diagnostics: a line
// is shown because of a mistake in one field and may hold a key in another.
var credential = regexp.MustCompile(`\b(?:sk[-_]|gwc_|xai-|gsk_|hf_|AIza|AKIA|ASIA|gh[pousr]_|xox[abprs]-)[A-Za-z0-9_\-]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY-----.*`)

// shortest is the length of a text that is taken for a secret wherever it stands, once a diagnostic has marked it.
const shortest = 6

// word is a literal or a name in a line of CUE, JSON or YAML, and whether it is a label.
var word = regexp.MustCompile(`("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[A-Za-z_#$][\w$#-]*)(\s*[?!]?\s*:)?`)

// telling matches labels whose values are most often secret, whether the language knows the label or not: who writes
// apiKey where credentials belong has written a key behind it.
var telling = regexp.MustCompile(`(?i)(keys?|token|secret|passwo?r?d|authorization|cookie)$|^#?_?(ref|headers|hash)$`)

// harmless matches what stands behind such labels without being a secret.
var harmless = regexp.MustCompile(`^(env|file|sha256):|^$`)

// names matches labels whose values say which thing is meant, or until when: the language holds them to a form that no
// secret has, or to a name.
var names = regexp.MustCompile(`^(id|kind|name|expires|address|engine|per|model|models|provider|owner|owners|openapi|basePath|hosts|upstream)$`)

// bare matches what stands behind a label without quotes and is no name in CUE: text in YAML, which has a digit or a
// character in it that names do not have.
var bare = regexp.MustCompile(`^\s+([^\s"'{}\[\],#&*|>!][^"'{}\[\],#]*)`)

// named matches a name in CUE, such as a reference to another field.
var named = regexp.MustCompile(`^[A-Za-z_#$.]*$`)

// tellingLiterals returns the ranges of a line's literals that are most likely secrets: behind a telling label, and
// anywhere behind "credentials". Where all is true every literal is taken for one.
func tellingLiterals(src string, all bool) [][2]int {
	var out [][2]int
	secret := all
	for _, m := range word.FindAllStringSubmatchIndex(src, -1) {
		text := src[m[2]:m[3]]
		quoted := text[0] == '"' || text[0] == '\''
		if quoted {
			text = text[1 : len(text)-1]
		}
		switch {
		case m[4] >= 0 && strings.EqualFold(text, "credentials"):
			all, secret = true, true
		case m[4] >= 0:
			secret = (all || telling.MatchString(text)) && !names.MatchString(text)
			if p := bare.FindStringSubmatchIndex(src[m[1]:]); secret && p != nil {
				from, to := m[1]+p[2], m[1]+p[3]
				to = from + len(strings.TrimRight(src[from:to], " \t\r\n"))
				if v := src[from:to]; len(v) >= shortest && !harmless.MatchString(v) && !named.MatchString(v) && !strings.Contains(v+" ", ": ") {
					out = append(out, [2]int{from, to})
				}
			}
		case quoted && secret && !harmless.MatchString(text):
			out = append(out, [2]int{m[2] + 1, m[3] - 1})
		}
	}
	return out
}

// secrets knows what a list of diagnostics marks as secret: where it stands and how it reads.
type secrets struct {
	spans  []diag.Span
	values []string      // longest first
	lines  map[line]bool // in which every literal is taken for a secret
}

type line struct {
	file string
	n    int
}

func newSecrets(list []diag.Diagnostic, source func(string) []byte) *secrets {
	s := &secrets{lines: map[line]bool{}}
	lines := map[string][]string{}
	note := func(d *diag.Diagnostic, l diag.Label) {
		if !l.Secret || l.Span.IsZero() {
			return
		}
		s.spans = append(s.spans, l.Span)
		if source == nil {
			return
		}
		if _, known := lines[l.Span.File]; !known {
			lines[l.Span.File] = strings.Split(string(source(l.Span.File)), "\n")
		}
		all := lines[l.Span.File]
		for n := l.Span.Start.Line; n >= 1 && n <= min(len(all), max(l.Span.Start.Line, l.Span.End.Line)); n++ {
			from, to := rangeOf(l.Span, n, all[n-1])
			if text := strings.Trim(all[n-1][from:to], " \t\r\"'#`,"); len(text) >= shortest && !slices.Contains(d.Path, text) {
				s.values = append(s.values, text)
			}
		}
	}
	for i := range list {
		// A finding about a secret shows the place of its mistake, whether the mistake is the secret or beside it.
		if slices.ContainsFunc(list[i].Path, func(p string) bool { return strings.EqualFold(p, "credentials") || telling.MatchString(p) }) {
			at := list[i].Primary.Span
			for n := at.Start.Line; n <= max(at.Start.Line, min(at.End.Line, at.Start.Line+maxTelling)); n++ {
				s.lines[line{at.File, n}] = true
			}
		}
		note(&list[i], list[i].Primary)
		for _, l := range list[i].Secondary {
			note(&list[i], l)
		}
	}
	slices.SortFunc(s.values, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	s.values = slices.Compact(s.values)
	return s
}

// rangeOf returns the bytes of line n that belong to a span.
func rangeOf(s diag.Span, n int, text string) (from, to int) {
	to = len(text)
	if s.Start.Line == n {
		from = min(max(s.Start.Col-1, 0), len(text))
	}
	if s.End.Line == n && s.End.Col > 0 {
		to = min(s.End.Col-1, len(text))
	}
	return from, max(from, to)
}

// blank takes secrets out of a text.
func (s *secrets) blank(text string) string {
	for _, v := range s.values {
		text = strings.ReplaceAll(text, v, blanked)
	}
	return credential.ReplaceAllString(text, blanked)
}

// holds reports whether a text has a secret in it.
func (s *secrets) holds(text string) bool { return s.blank(text) != text }

// marks reports whether a span touches one that was marked.
func (s *secrets) marks(at diag.Span) bool {
	before := func(a, b diag.Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Col <= b.Col }
	return slices.ContainsFunc(s.spans, func(x diag.Span) bool {
		return x.File == at.File && !before(x.End, at.Start) && !before(at.End, x.Start)
	})
}

// without returns a copy of a diagnostic that tells no secret. A fix that would is left out, as half a fix is none.
func (s *secrets) without(d *diag.Diagnostic) diag.Diagnostic {
	out := *d
	texts := func(l []string) []string {
		out := make([]string, len(l))
		for i := range l {
			out[i] = s.blank(l[i])
		}
		return out
	}
	out.Summary, out.Path, out.Notes, out.Help = s.blank(d.Summary), texts(d.Path), texts(d.Notes), texts(d.Help)
	out.Primary.Text = s.blank(d.Primary.Text)
	out.Secondary = slices.Clone(d.Secondary)
	for i := range out.Secondary {
		out.Secondary[i].Text = s.blank(out.Secondary[i].Text)
	}
	out.Fixes = nil
	for _, f := range d.Fixes {
		if !slices.ContainsFunc(f.Edits, func(e diag.Edit) bool { return s.marks(e.Span) || s.holds(e.New) }) {
			out.Fixes = append(out.Fixes, diag.Fix{Title: s.blank(f.Title), Safe: f.Safe, Edits: f.Edits})
		}
	}
	return out
}

// Blank takes everything that looks like a credential out of a text of lines of a source, what stands behind labels of
// credentials, and the values that diagnostics mark as secret.
func Blank(text string, list []diag.Diagnostic, source func(file string) []byte) string {
	text = newSecrets(list, source).blank(text)
	var b strings.Builder
	for l := range strings.Lines(text) {
		at := 0
		for _, r := range tellingLiterals(l, false) {
			b.WriteString(l[at:r[0]] + blanked)
			at = r[1]
		}
		b.WriteString(l[at:])
	}
	return b.String()
}
