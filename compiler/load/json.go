package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/schema/diag"
)

// json reads a JSON file. encoding/json finds its tokens and what is wrong with its syntax; it says where each token
// ends, and only white space, commas and colons stand between two.
//
// CUE's own reader of JSON was refused: it takes JSON for CUE, in which a line that begins with a comma or a colon is
// an error, and it accepts a key that stands twice.
func (b *builder) json() (*ast.File, map[int]int, []diag.Diagnostic) {
	body := bytes.TrimPrefix(b.data, []byte("\ufeff"))
	skipped := len(b.data) - len(body)
	var whole json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		b.jsonError(err, skipped, len(body))
		return b.finish(nil)
	}
	r := jsonReader{builder: b, dec: json.NewDecoder(bytes.NewReader(body)), skipped: skipped, at: skipped}
	r.dec.UseNumber()
	top := r.value(r.next(), 0)
	if _, ok := top.(*ast.StructLit); !ok && top != nil {
		b.notAStruct("a value that is no object", extent{top.Pos().Offset(), top.Pos().Offset() + 1})
	}
	return b.finish(top)
}

func (b *builder) jsonError(err error, skipped, size int) {
	at := extent{skipped + size, skipped + size}
	message := err.Error()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 && int(syntax.Offset) <= size {
		at = extent{skipped + int(syntax.Offset) - 1, skipped + int(syntax.Offset)}
	}
	var help []string
	switch {
	case strings.Contains(message, "unexpected end"):
		message = "the file ends in the middle of a value"
		at = extent{skipped + size, skipped + size}
	case strings.Contains(message, "max depth"):
		message = fmt.Sprintf("values are nested more than %d deep", maxNesting)
	case strings.Contains(message, "invalid character '/'"):
		help = []string{"JSON has no comments: remove them, or write the file in CUE or YAML"}
	case strings.Contains(message, "invalid character '}'"), strings.Contains(message, "invalid character ']'"):
		help = []string{"JSON takes no comma before a closing bracket"}
	}
	b.problem(codePlainSyntax, at, "not valid JSON: "+message, help...)
}

type jsonReader struct {
	*builder
	dec     *json.Decoder
	skipped int // bytes of the file before what the decoder reads
	at      int // where the last token ended
	from    int // where it began
}

// next returns the next token, nil where there is none.
func (r *jsonReader) next() json.Token {
	t, err := r.dec.Token()
	if err != nil {
		return nil // the end: the syntax was checked
	}
	from := r.at
	for from < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[from]) >= 0 {
		from++
	}
	r.from, r.at = from, r.skipped+int(r.dec.InputOffset())
	return t
}

// value returns the value that begins with a token; nil where there is something wrong with it.
func (r *jsonReader) value(t json.Token, depth int) ast.Expr {
	at := extent{r.from, r.at}
	if depth == maxNesting {
		r.problem(codePlainSyntax, at, fmt.Sprintf("values are nested more than %d deep", maxNesting))
		return nil
	}
	if !r.count(at) {
		return nil
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return r.array(depth)
		}
		return r.object(depth)
	case string:
		return r.text(t, at)
	case json.Number:
		if n := r.number(t.String(), at); n != nil {
			return n
		}
		return nil
	case bool:
		if t {
			return r.word(token.TRUE, at)
		}
		return r.word(token.FALSE, at)
	}
	return r.word(token.NULL, at)
}

func (r *jsonReader) array(depth int) ast.Expr {
	list := &ast.ListLit{Lbrack: r.pos(r.from)}
	for r.dec.More() && r.sound() {
		if v := r.value(r.next(), depth+1); v != nil {
			list.Elts = append(list.Elts, v)
		}
	}
	if r.sound() {
		r.next()
	}
	list.Rbrack = r.pos(r.from)
	return list
}

func (r *jsonReader) object(depth int) ast.Expr {
	s := &ast.StructLit{Lbrace: r.pos(r.from)}
	m := members{b: r.builder}
	for r.dec.More() && r.sound() {
		key, _ := r.next().(string)
		at := extent{r.from, r.at}
		m.add(key, at, r.value(r.next(), depth+1))
	}
	if r.sound() {
		r.next()
	}
	s.Elts, s.Rbrace = m.elts, r.pos(r.from)
	return s
}

// sound reports whether reading can go on: after a value that was not read to its end it cannot.
func (r *jsonReader) sound() bool {
	return !containsDeep(r.problems) && r.values <= maxValues
}

func containsDeep(list []diag.Diagnostic) bool {
	return len(list) > 0 && list[len(list)-1].Code == codePlainSyntax
}
