package render

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/schema/diag"
)

// sources turns columns of diagnostics, which count bytes, into those of other tools.
type sources struct {
	read  func(string) []byte
	lines map[string][]string
}

func newSources(read func(string) []byte) *sources {
	return &sources{read: read, lines: map[string][]string{}}
}

// line returns a line of a file without its end.
func (s *sources) line(file string, n int) (string, bool) {
	if _, known := s.lines[file]; !known {
		var lines []string
		if s.read != nil {
			if src := s.read(file); src != nil {
				lines = strings.Split(string(src), "\n")
			}
		}
		s.lines[file] = lines
	}
	if all := s.lines[file]; n >= 1 && n <= len(all) {
		return strings.TrimSuffix(all[n-1], "\r"), true
	}
	return "", false
}

// utf16 returns the column of a place in UTF-16 code units, from 1. Where the line is not known, a byte is one.
func (s *sources) utf16(file string, p diag.Pos) int {
	col := max(p.Col, 1)
	text, ok := s.line(file, p.Line)
	if !ok {
		return col
	}
	n, rest := 1, text[:min(col-1, len(text))]
	for rest != "" {
		r, size := utf8.DecodeRuneInString(rest)
		n += max(1, utf16.RuneLen(r))
		rest = rest[size:]
	}
	return n
}

// end returns the end of a span, which is no sooner than its start.
func end(s diag.Span) diag.Pos {
	if s.End.Line > s.Start.Line || s.End.Line == s.Start.Line && s.End.Col > s.Start.Col {
		return s.End
	}
	return s.Start
}
