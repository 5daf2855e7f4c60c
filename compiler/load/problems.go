package load

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/schema/diag"

	language "github.com/gwc-dev/gwc/schema/cue"
)

// The rules of this package; each has its page in schema/rules.
const (
	codeSyntax    diag.Code = "GWC1001"
	codePackage   diag.Code = "GWC1003"
	codeStray     diag.Code = "GWC1004"
	codeNotYet    diag.Code = "GWC1010"
	codeSize      diag.Code = "GWC1011"
	codeLink      diag.Code = "GWC1012"
	codeAttribute diag.Code = "GWC1013"
	codeVendored  diag.Code = "GWC1014"
	codeNoFile    diag.Code = "GWC1312"
	codeName      diag.Code = "GWC1313"
)

// packageName is the package that files of a repository belong to.
const packageName = "gateway"

// maxNesting bounds brackets within brackets: the parser recurses, and a Go stack that overflows cannot be caught.
const maxNesting = 500

// maxTree bounds the depth of a syntax tree, which chains such as `a: b: c: …` and `1 + 1 + …` make without brackets:
// what walks and evaluates the tree recurses as well.
const maxTree = 2000

// harmless is the size of a file in bytes that the parser survives whatever stands in it: it recurses at most once per
// token and takes about 2 KB of stack each time, of the 1 GB that Go allows.
const harmless = 128 << 10

// Syntax returns what is wrong with the syntax of a file, as [Load] says it: of a CUE file at most one thing. A file without a
// finding is safe to parse and to walk.
func Syntax(name string, data []byte) []diag.Diagnostic {
	_, _, problems := parseAny(name, data)
	return problems
}

// parse returns the syntax tree of a file, or nil and what is wrong with it.
func parse(name string, data []byte) (*ast.File, []diag.Diagnostic) {
	if at := tooNested(data); at >= 0 {
		pos := position(data, at)
		return nil, []diag.Diagnostic{{
			Code:    codeSyntax,
			Summary: fmt.Sprintf("brackets are nested more than %d deep", maxNesting),
			Primary: diag.Label{Span: diag.Span{File: name, Start: pos, End: position(data, at+1)}},
		}}
	}
	if at := tooChained(data); at >= 0 {
		return nil, []diag.Diagnostic{{
			Code:    codeSyntax,
			Summary: fmt.Sprintf("expressions are nested more than %d deep", maxTree),
			Primary: diag.Label{Span: tokenAt(name, data, at)},
		}}
	}
	f, err := parser.ParseFile(name, data)
	if err != nil {
		// What follows the first error of a file is most often its consequence.
		e := errors.Errors(err)[0]
		format, args := e.Msg()
		at := e.Position()
		offset := 0
		if at.IsValid() {
			offset = min(at.Offset(), len(data))
		}
		d := diag.Diagnostic{
			Code:    codeSyntax,
			Summary: "syntax error: " + tokenWords.Replace(strings.TrimSpace(fmt.Sprintf(format, args...))),
			Primary: diag.Label{Span: tokenAt(name, data, offset)},
		}
		if open, ok := unclosed(name, data); ok && strings.Contains(d.Summary, endOfFile) {
			d.Secondary = []diag.Label{{Span: open, Text: "opened here and not closed"}}
		}
		return nil, []diag.Diagnostic{d}
	}
	if n := tooDeepIn(f); n != nil {
		start := n.Pos().Offset()
		return nil, []diag.Diagnostic{{
			Code:    codeSyntax,
			Summary: fmt.Sprintf("expressions are nested more than %d deep", maxTree),
			Primary: diag.Label{Span: tokenAt(name, data, start)},
		}}
	}
	return f, attributes(name, f)
}

// tooDeepIn returns a node that lies too deep in a syntax tree, or nil.
func tooDeepIn(f *ast.File) (deep ast.Node) {
	depth := 0
	ast.Walk(f, func(n ast.Node) bool {
		if depth == maxTree {
			deep = n
		}
		if deep != nil {
			return false
		}
		depth++
		return true
	}, func(ast.Node) { depth-- })
	return deep
}

const endOfFile = "the end of the file"

// tokenWords says the parser's names of tokens as people do.
var tokenWords = strings.NewReplacer("'EOF'", endOfFile, "'IDENT' ", "", "'INT' ", "", "'FLOAT' ", "", "'STRING' ", "", "'newline'", "the end of the line")

// unclosed returns the innermost bracket that is not closed at the end of a file.
func unclosed(name string, data []byte) (diag.Span, bool) {
	var s scanner.Scanner
	s.Init(token.NewFile(name, -1, len(data)), data, func(token.Pos, string, []any) {}, 0)
	var open []int
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.LBRACE, token.LBRACK, token.LPAREN:
			open = append(open, pos.Offset())
		case token.RBRACE, token.RBRACK, token.RPAREN:
			open = open[:max(0, len(open)-1)]
		case token.INTERPOLATION:
			return diag.Span{}, false // Only the parser knows where its text goes on.
		case token.EOF:
			if len(open) == 0 {
				return diag.Span{}, false
			}
			at := open[len(open)-1]
			return diag.Span{File: name, Start: position(data, at), End: position(data, at+1)}, true
		}
	}
}

// tooNested returns the offset of the bracket that is nested too deeply, or -1. Brackets in strings and comments
// count as well; no file that people write comes near the bound.
func tooNested(data []byte) int {
	depth := 0
	for i, c := range data {
		switch c {
		case '(', '[', '{':
			if depth++; depth > maxNesting {
				return i
			}
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	return -1
}

// tooChained returns the offset where a chain of tokens without a comma becomes too long for the parser, which recurses
// for each, or -1. Small files cannot hold such a chain.
func tooChained(data []byte) int {
	if len(data) <= harmless {
		return -1
	}
	var s scanner.Scanner
	s.Init(token.NewFile("", -1, len(data)), data, func(token.Pos, string, []any) {}, 0)
	for n := 0; ; n++ {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return -1
		case token.COMMA:
			n = 0
		default:
			if n > harmless/2 {
				return pos.Offset()
			}
		}
	}
}

// tokenAt returns the span of the token that begins at an offset.
func tokenAt(name string, data []byte, offset int) diag.Span {
	var s scanner.Scanner
	rest := data[offset:]
	file := token.NewFile(name, -1, len(rest))
	s.Init(file, rest, func(token.Pos, string, []any) {}, 0)
	n := 0
	if pos, tok, lit := s.Scan(); tok != token.EOF {
		text := lit
		if text == "" || text == "\n" {
			text = tok.String()
			if text == "\n" {
				text = ""
			}
		}
		if pos.Offset() == 0 {
			n = len(text)
		}
	}
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		n = min(n, i)
	}
	n = min(n, len(rest))
	return diag.Span{File: name, Start: position(data, offset), End: position(data, offset+n)}
}

// position turns an offset into a place.
func position(data []byte, offset int) diag.Pos {
	before := data[:offset]
	return diag.Pos{
		Line:   bytes.Count(before, []byte{'\n'}) + 1,
		Col:    offset - bytes.LastIndexByte(before, '\n'),
		Offset: offset,
	}
}

func span(name string, n ast.Node) diag.Span {
	start, end := n.Pos(), n.End()
	return diag.Span{
		File:  name,
		Start: diag.Pos{Line: start.Line(), Col: start.Column(), Offset: start.Offset()},
		End:   diag.Pos{Line: end.Line(), Col: end.Column(), Offset: end.Offset()},
	}
}

// attributes refuses attributes that make CUE read a file or a value differently: gwc evaluates files as they stand,
// and silence would leave them without effect.
func attributes(name string, f *ast.File) []diag.Diagnostic {
	var out []diag.Diagnostic
	ast.Walk(f, func(n ast.Node) bool {
		a, ok := n.(*ast.Attribute)
		if !ok {
			return true
		}
		switch key := a.Name(); key {
		case "if", "ignore", "tag", "embed":
			out = append(out, diag.Diagnostic{
				Code:    codeAttribute,
				Summary: fmt.Sprintf("attribute %q has no effect in gwc", "@"+key),
				Primary: diag.Label{Span: span(name, a)},
				Notes:   []string{"gwc evaluates every file as it stands: nothing is injected, embedded or left out"},
				Help:    []string{"write the value, or remove the attribute"},
			})
		}
		return true
	}, nil)
	return out
}

// checkPackage reports a file that is not of the package "gateway".
func checkPackage(name string, syntax *ast.File) (diag.Diagnostic, bool) {
	for _, d := range syntax.Decls {
		p, ok := d.(*ast.Package)
		if !ok {
			continue
		}
		if p.Name.Name == packageName {
			return diag.Diagnostic{}, true
		}
		at := span(name, p.Name)
		return diag.Diagnostic{
			Code:    codePackage,
			Summary: fmt.Sprintf("file is of package %q, expected %q", p.Name.Name, packageName),
			Primary: diag.Label{Span: at},
			Fixes:   []diag.Fix{{Title: "make it a part of the gateway", Edits: []diag.Edit{{Span: at, New: packageName}}}},
		}, false
	}
	start := diag.Pos{Line: 1, Col: 1}
	at := diag.Span{File: name, Start: start, End: start}
	return diag.Diagnostic{
		Code:    codePackage,
		Summary: fmt.Sprintf("file has no package clause, expected \"package %s\"", packageName),
		Primary: diag.Label{Span: at},
		Fixes: []diag.Fix{{
			Title: "add the package clause", Safe: true,
			Edits: []diag.Edit{{Span: at, New: "package " + packageName + "\n\n"}},
		}},
	}, false
}

// stray reports configuration that lies in no unit: a file that says that it belongs to the gateway, and has no effect.
func (l *loader) stray(f *found) {
	at := diag.Span{File: f.path, Start: diag.Pos{Line: 1, Col: 1}, End: diag.Pos{Line: 1, Col: 1}}
	folder, _, _ := strings.Cut(f.path, "/")
	if !f.cue() {
		if folder != "tenants" || len(f.data) > MaxCUE {
			return // Not ours.
		}
		if k, _ := kindOf(f.path, f.data); k != configuration {
			return
		}
	} else {
		syntax, _ := parse(f.path, f.data)
		if syntax == nil || syntax.PackageName() != packageName {
			return // Not ours.
		}
		for _, d := range syntax.Decls {
			if p, ok := d.(*ast.Package); ok {
				at = span(f.path, p.Name)
			}
		}
	}
	d := diag.Diagnostic{
		Code:    codeStray,
		Summary: fmt.Sprintf("file %q belongs to the gateway but lies where gwc does not look", f.path),
		Primary: diag.Label{Span: at},
		Notes:   []string{"files lie in the root folder, below platform/, below tenants/<tenant>/, below env/, or below tests/"},
		Help:    []string{"move it to where its fields belong, or into a folder named testdata if gwc shall not read it"},
	}
	if folder == "tenants" {
		name := strings.TrimSuffix(path.Base(f.path), path.Ext(f.path))
		d.Help = []string{fmt.Sprintf("move it to tenants/%s/tenant%s", name, path.Ext(f.path))}
	} else if near, ok := diag.Nearest(folder, []string{"platform", "tenants", "env", "tests"}); ok {
		d.Primary.Text = fmt.Sprintf("did you mean the folder %q?", near)
	}
	l.report.Add(d)
}

// vendoredDir is where `gwc init` puts the language, for plain `cue vet` and editors.
const vendoredDir = "cue.mod/pkg/" + language.ImportPath

// vendored warns when the language in the repository is not the one in this binary.
func (l *loader) vendored() error {
	if _, err := fs.Stat(l.fsys, vendoredDir); err != nil {
		return nil // Not vendored, which is fine for gwc.
	}
	for _, want := range language.Files() {
		p := path.Join(vendoredDir, want.Name)
		got, err := fs.ReadFile(l.fsys, p)
		if err == nil && bytes.Equal(got, want.Data) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		line := diag.Pos{Line: 1, Col: 1}
		l.report.Add(diag.Diagnostic{
			Code:     codeVendored,
			Severity: diag.Warning,
			Summary:  "the vendored schema is not the one of this gwc",
			Primary:  diag.Label{Span: diag.Span{File: p, Start: line, End: line}},
			Notes:    []string{"gwc checks with its own schema; `cue vet` and editors check with the vendored one"},
			Help:     []string{"run `gwc init` in the repository to bring the vendored schema up to date"},
		})
		return nil
	}
	return nil
}

func noFile(p string) diag.Diagnostic {
	d := whole(codeNoFile, p, fmt.Sprintf("%q is no file, but a pipe, a socket or a device", p))
	d.Help = []string{"put a file in its place, or give it another ending"}
	return d
}

// badName reports a name that a terminal or a log could not show as it is; so it names no place.
func badName(dir, name string) diag.Diagnostic {
	return diag.Diagnostic{
		Code:    codeName,
		Summary: fmt.Sprintf("name %s in folder %q has characters that cannot be shown", quoted(name), dir),
		Help:    []string{"rename it: control characters and bytes that are not UTF-8 hide what a file is"},
	}
}

// printable reports whether a name shows as it is.
func printable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	})
}

func badLink(p string) diag.Diagnostic {
	return whole(codeLink, p, fmt.Sprintf("link %q leads out of the repository or to nothing that can be read", p))
}

func tooLarge(p string, size int64) diag.Diagnostic {
	return whole(codeSize, p, fmt.Sprintf("file %q has %d bytes, expected at most %d", p, size, MaxCUE))
}

func tooMuch(p string) diag.Diagnostic {
	d := whole(codeSize, p, fmt.Sprintf("the repository holds more than %d CUE, YAML and JSON files or more than %d MB of them", MaxFiles, MaxTotal>>20))
	d.Notes = []string{"reading stopped at this file"}
	return d
}

func tooDeep(p string) diag.Diagnostic {
	return whole(codeSize, p, "folder "+strconv.Quote(p)+" lies more than "+strconv.Itoa(maxDepth)+" deep")
}

// whole is an error about a file as such.
func whole(code diag.Code, p, summary string) diag.Diagnostic {
	line := diag.Pos{Line: 1, Col: 1}
	return diag.Diagnostic{Code: code, Summary: summary, Primary: diag.Label{Span: diag.Span{File: p, Start: line, End: line}}}
}
