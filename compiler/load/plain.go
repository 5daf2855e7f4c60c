package load

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/yamltext"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Configuration in YAML and JSON. A file becomes the syntax tree that the same values would have in CUE, whose places
// are those in the file, so that everything behind this package sees one language. What two readers of YAML would
// read differently is an error here: a gateway must not depend on which one it is.

// The rules of YAML and JSON; each has its page in schema/rules.
const (
	codePlainSyntax diag.Code = "GWC1302"
	codeTwofold     diag.Code = "GWC1303"
	codeDuplicate   diag.Code = "GWC1304"
	codeAmbiguous   diag.Code = "GWC1305"
	codeTag         diag.Code = "GWC1306"
	codeAlias       diag.Code = "GWC1307"
	codeNumber      diag.Code = "GWC1308"
	codeUnread      diag.Code = "GWC1309"
	codeForeign     diag.Code = "GWC1310"
)

// maxValues is the number of values that a YAML or JSON file may come to, its aliases followed.
const maxValues = 100_000

// maxProblems is the number of findings about one YAML or JSON file.
const maxProblems = 20

// extent is a part of a file in bytes; To is exclusive.
type extent struct{ From, To int }

// builder makes syntax trees whose places lie in a file that is not CUE.
type builder struct {
	name     string
	data     []byte
	file     *token.File
	ends     map[int]int
	values   int
	problems []diag.Diagnostic
}

func newBuilder(name string, data []byte) *builder {
	f := token.NewFile(name, -1, len(data))
	f.SetLinesForContent(data)
	return &builder{name: name, data: data, file: f, ends: map[int]int{}}
}

// finish returns the file, or nil where something is wrong with it.
func (b *builder) finish(top ast.Expr) (*ast.File, map[int]int, []diag.Diagnostic) {
	if len(b.problems) > 0 {
		return nil, nil, b.problems[:min(len(b.problems), maxProblems)]
	}
	f := &ast.File{Filename: b.name, Decls: []ast.Decl{&ast.Package{PackagePos: b.pos(0), Name: ast.NewIdent(packageName)}}}
	if s, ok := top.(*ast.StructLit); ok {
		f.Decls = append(f.Decls, s.Elts...)
	}
	return f, b.ends, nil
}

func (b *builder) pos(offset int) token.Pos { return b.file.Pos(offset, token.Blank) }

func (b *builder) span(r extent) diag.Span {
	return diag.Span{File: b.name, Start: position(b.data, r.From), End: position(b.data, min(r.To, len(b.data)))}
}

func (b *builder) problem(code diag.Code, at extent, summary string, help ...string) {
	b.problems = append(b.problems, diag.Diagnostic{Code: code, Summary: summary, Primary: diag.Label{Span: b.span(at)}, Help: help})
}

// count counts a value; false: there are too many.
func (b *builder) count(at extent) bool {
	if b.values++; b.values == maxValues+1 {
		b.problem(codeAlias, at, fmt.Sprintf("the file comes to more than %d values", maxValues))
	}
	return b.values <= maxValues
}

// label returns a field's label. Only what would be a plain name in CUE too is one here: `_x` and `#x` are text in a
// file that knows no hidden fields and definitions.
func (b *builder) label(text string, at extent) ast.Label {
	b.ends[at.From] = at.To
	if bare(text) {
		return &ast.Ident{NamePos: b.pos(at.From), Name: text}
	}
	return b.literal(token.STRING, literal.String.Quote(text), at)
}

// bare reports whether a label can stand in CUE without quotes, beside fields of other files.
func bare(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '_')) {
			return false
		}
	}
	return s != "" && token.Lookup(s) == token.IDENT
}

func (b *builder) text(text string, at extent) ast.Expr {
	return b.literal(token.STRING, literal.String.Quote(text), at)
}

func (b *builder) literal(kind token.Token, value string, at extent) *ast.BasicLit {
	b.ends[at.From] = at.To
	return &ast.BasicLit{ValuePos: b.pos(at.From), Kind: kind, Value: value}
}

// number returns a number as JSON writes it, or reports it.
func (b *builder) number(text string, at extent) ast.Expr {
	kind := token.INT
	if strings.ContainsAny(text, ".eE") {
		kind = token.FLOAT
		// What does not fit a float64 cannot be meant, and an exponent of a million would take a million digits.
		if _, err := strconv.ParseFloat(text, 64); err != nil || len(text) > 40 {
			b.problem(codeNumber, at, "a number is larger, smaller or more exact than a float64 can be")
			return nil
		}
	} else if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		b.problem(codeNumber, at, "a number is beyond the integers of 64 bits")
		return nil
	}
	if text[0] != '-' {
		return b.literal(kind, text, at)
	}
	b.ends[at.From] = at.To
	return &ast.UnaryExpr{OpPos: b.pos(at.From), Op: token.SUB, X: b.literal(kind, text[1:], extent{at.From + 1, at.To})}
}

func (b *builder) word(kind token.Token, at extent) ast.Expr {
	return b.literal(kind, kind.String(), at)
}

// members collects the fields of one object and reports those that stand twice.
type members struct {
	b     *builder
	elts  []ast.Decl
	first map[string]extent
}

func (m *members) add(key string, at extent, value ast.Expr) {
	if before, again := m.first[key]; again {
		m.b.problem(codeDuplicate, at, fmt.Sprintf("key %s stands twice in one object", quoted(key)),
			"remove one of them: readers differ in which one counts")
		last := &m.b.problems[len(m.b.problems)-1]
		last.Secondary = []diag.Label{{Span: m.b.span(before), Text: "first here"}}
		return
	}
	if m.first == nil {
		m.first = map[string]extent{}
	}
	m.first[key] = at
	if value != nil {
		m.elts = append(m.elts, &ast.Field{Label: m.b.label(key, at), TokenPos: m.b.pos(at.To), Value: value})
	}
}

// quoted quotes a text, its beginning only if it is long.
func quoted(s string) string {
	if len(s) > 60 {
		return strconv.Quote(s[:50]) + "…"
	}
	return strconv.Quote(s)
}

// notAStruct reports a file whose only value is not a struct.
func (b *builder) notAStruct(what string, at extent) {
	b.problem(codePlainSyntax, at, fmt.Sprintf("the file holds %s, expected the fields of a gateway", what))
}

// some returns a list of a text, or no list if it is empty.
func some(help string) []string {
	if help == "" {
		return nil
	}
	return []string{help}
}

// parsePlain returns the syntax tree of a YAML or JSON file and where its keys and scalars end, or what is wrong with it.
func parsePlain(name string, data []byte) (*ast.File, map[int]int, []diag.Diagnostic) {
	b := newBuilder(name, data)
	if at, help := yamltext.Invalid(data); at >= 0 {
		b.problem(codePlainSyntax, extent{at, at + 1}, "the file is not UTF-8 text", some(help)...)
		return b.finish(nil)
	}
	if path.Ext(name) == ".json" {
		return b.json()
	}
	return b.yaml()
}
