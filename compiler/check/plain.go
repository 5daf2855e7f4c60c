package check

import (
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/diag"
)

// YAML and JSON files come as CUE (see package load), and only two things differ: where a key or scalar ends, as the
// syntax tree holds the text that CUE would need for it, and how a fix is written.

// span returns the place of a piece of syntax.
func (u *unit) span(n ast.Node) diag.Span {
	s := spanOf(n)
	f := u.sources[s.File]
	if f == nil || f.Ends == nil {
		return s
	}
	switch n.(type) {
	case *ast.StructLit, *ast.ListLit:
		return s
	}
	if end, ok := f.Ends[s.Start.Offset]; ok {
		p := n.Pos().File().Pos(end, token.NoRelPos)
		s.End = diag.Pos{Line: p.Line(), Col: p.Column(), Offset: end}
	}
	return s
}

// plainKey returns how a key is written in place of one in a YAML or JSON file; false: the file is CUE.
func plainKey(f *load.File, at diag.Span, name string) (string, bool) {
	if f == nil || f.Ends == nil || at.Start.Offset >= len(f.Data) {
		return "", false
	}
	if c := f.Data[at.Start.Offset]; c == '"' || c == '\'' {
		return string(c) + name + string(c), true
	}
	return name, true
}

// plainText returns how a text is written in place of another in a YAML or JSON file, in the same kind of quotes; false:
// the file is CUE, or the text is written over several lines.
func plainText(f *load.File, at diag.Span, old, text string) (string, bool) {
	if f == nil || f.Ends == nil || at.Start.Line != at.End.Line || at.End.Offset > len(f.Data) {
		return "", false
	}
	written := string(f.Data[at.Start.Offset:at.End.Offset])
	switch {
	case strings.HasPrefix(written, `"`):
		return strconv.Quote(text), true
	case strings.HasPrefix(written, "'"):
		return "'" + strings.ReplaceAll(text, "'", "''") + "'", true
	case written != old:
		return "", false // a block of lines
	case plainSafe(text):
		return text, true
	}
	return strconv.Quote(text), true
}

// plainSafe reports whether a text means itself in YAML without quotes, whoever reads it.
func plainSafe(s string) bool {
	switch strings.ToLower(s) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '_' || c == '/' || c == '.')) {
			return false
		}
	}
	return true
}
