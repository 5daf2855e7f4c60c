// Package query answers what people ask of a repository while they write it: which field the cursor is in, what the
// language allows there, what a name refers to and who refers to it.
//
// The text of files enters, and data paths with the ranges that say them leave. Everything here is a pure function of
// text and the language, and works on files that do not parse: somebody who types has a broken file most of the time.
// So an [Outline] is read from the tokens of a file by a machine that follows brackets, labels and commas and is never
// surprised, and not from its syntax tree: the parser of CUE stops being right where the first mistake is.
//
// What an outline says is what stands in a file. What that evaluates to (references, templates, comprehensions) is
// package check's business; see its Evaluate.
package query

import (
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
)

// Extent is a range of bytes of a file; End is exclusive.
type Extent struct{ Start, End int }

// Holds reports whether a cursor at an offset is in the extent or touches it.
func (e Extent) Holds(offset int) bool { return e.Start <= offset && offset <= e.End }

// Form says what a value looks like.
type Form uint8

const (
	// Nothing: the value is not there yet.
	Nothing Form = iota
	// Text is one string literal; [Field.Text] is what it says.
	Text
	// Block is a struct.
	Block
	// Sequence is a list.
	Sequence
	// Expression is anything else.
	Expression
)

// Any is the label in a path that stands for a label that is computed, such as (name) or [string].
const Any = "*"

// Field is a field as a file writes it, or an element of a list.
type Field struct {
	// Path is the data path. The last part of an element is its index.
	Path []string
	// Label is where the label stands; of an element it is the value's extent.
	Label Extent
	// Value is where the value stands, without the comma that ends it.
	Value Extent
	Form  Form
	Text  string
	// Element says that it is an element of a list.
	Element bool
	// Parent is the index of the field that it stands in, -1 at the top of a file.
	Parent int
}

// Outline is a file by its fields, in the order in which they begin. It is immutable.
type Outline struct {
	Name   string
	Data   []byte
	Fields []Field
}

// maxDepth bounds how deep brackets are followed. What lies deeper is left out.
const maxDepth = 200

// maxPath bounds how many labels a data path has. Fields below are left out.
const maxPath = 64

// maxFields bounds the fields of one outline.
const maxFields = 1 << 18

// Read returns the outline of a file: of CUE, JSON or YAML. It never fails: what it cannot make sense of it leaves out.
func Read(name string, data []byte) *Outline {
	if isYAML(name) {
		return &Outline{Name: name, Data: data, Fields: readYAML(data)}
	}
	m := machine{data: data, stop: len(data) + 1}
	m.run()
	return &Outline{Name: name, Data: data, Fields: m.fields}
}

// Cursor is what a place in a file is for: what can be written there.
type Cursor struct {
	// Path is the data path of what is written there: of the struct whose label it is, or of the value.
	Path []string
	// Label says that only a label can stand there. Otherwise a value can, and where that is a struct also the
	// label of one of its fields, as in `models: fast: targets: …`.
	Label bool
	// Token is what of the text is replaced: the token that the cursor is in or behind, or nothing.
	Token Extent
	// Quoted says that the token is a string.
	Quoted bool
	// Colon says that a colon follows the token: it is a label that has its value.
	Colon bool
	// Element says that an element of a list is written.
	Element bool
}

// At returns what an offset of a file is for. It is false in comments, in expressions that are computed, and where
// nothing of the language can stand. Of YAML it knows block style.
func At(name string, data []byte, offset int) (Cursor, bool) {
	if isYAML(name) {
		return yamlCursor(data, offset)
	}
	m := machine{data: data, stop: offset}
	m.run()
	return m.cursor()
}

// frame is an open bracket, or the file.
type frame struct {
	open   token.Token // LBRACE for the file itself
	path   []string    // of what stands in it
	field  int         // whose value it is, -1 none
	opaque bool        // what stands in it is not of the package: a call's arguments, a computed label
	string bool        // it is the expression in an interpolated string
	index  int         // of the list's next element
	since  int         // fields that were there when it was opened

	chain []int // fields of the declaration that is being read, outermost first
	at    state
	label Extent // of what may be a label, if a colon follows
	name  string
	let   bool
}

type state uint8

const (
	begin  state = iota // of a declaration or an element
	label               // something that is a label if a colon follows; at the beginning of a declaration
	colon               // behind a colon: the value, or another label
	either              // behind a colon, something that is a value, or a label if a colon follows
	inside              // within an expression
)

// machine reads tokens and follows what they open and close. It keeps a stack of its own, so that no text can make it
// recurse.
type machine struct {
	data   []byte
	stop   int // tokens that begin here or later are not read
	fields []Field
	stack  []frame
	deep   int // brackets beyond maxDepth

	last    Extent // the token before
	lastTok token.Token
	comment bool // the stop lies in a comment
}

func (m *machine) top() *frame { return &m.stack[len(m.stack)-1] }

func (m *machine) run() {
	m.stack = append(m.stack, frame{open: token.LBRACE, field: -1})
	file := token.NewFile("", -1, len(m.data))
	var s scanner.Scanner
	s.Init(file, m.data, func(token.Pos, string, []any) {}, scanner.ScanComments)
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			break
		}
		at := Extent{pos.Offset(), pos.Offset() + len(lit)}
		if lit == "" || lit == "\n" {
			at.End = at.Start + len(tok.String())
			if lit == "\n" {
				at.End = at.Start
			}
		}
		if tok == token.STRING || tok == token.INTERPOLATION || tok == token.COMMENT || tok == token.ATTRIBUTE {
			at.End = s.Offset() // carriage returns are not in the literal
		}
		at.End = min(at.End, len(m.data))
		if at.Start >= m.stop {
			break
		}
		if tok == token.COMMENT {
			// A comment ends with its line; a cursor behind the last letter still writes it.
			m.comment = m.comment || m.stop <= at.End
			continue
		}
		if tok == token.RPAREN && m.closes(token.LPAREN) && m.top().string {
			m.pop()
			from := s.Offset() - 1
			text := s.ResumeInterpolation()
			m.last = Extent{m.last.Start, min(s.Offset(), len(m.data))}
			m.lastTok = token.INTERPOLATION
			if strings.HasSuffix(text, "(") && m.last.End < len(m.data) && m.data[m.last.End] == '(' {
				// The string goes on with another expression, and does not just end there.
				s.Scan()
				m.push(frame{open: token.LPAREN, opaque: true, string: true, field: -1})
			}
			if m.stop > from && m.stop <= m.last.End {
				break
			}
			continue
		}
		if m.token(tok, lit, at) {
			m.last, m.lastTok = at, tok
		}
		if tok == token.INTERPOLATION {
			s.Scan()
			m.push(frame{open: token.LPAREN, opaque: true, string: true, field: -1})
		}
	}
	if m.stop > len(m.data) {
		for len(m.stack) > 1 {
			m.pop()
		}
		m.end(m.top())
	}
}

// closes reports whether the innermost bracket is of a kind.
func (m *machine) closes(open token.Token) bool {
	return m.deep == 0 && len(m.stack) > 1 && m.top().open == open
}

func (m *machine) push(f frame) {
	if len(m.stack) == maxDepth || m.deep > 0 {
		m.deep++
		return
	}
	f.since = len(m.fields)
	m.stack = append(m.stack, f)
}

// pop closes the innermost bracket.
func (m *machine) pop() {
	if m.deep > 0 {
		m.deep--
		return
	}
	m.end(m.top())
	m.stack = m.stack[:len(m.stack)-1]
}

// end ends a declaration or an element: its fields' values end with the token before.
func (m *machine) end(f *frame) {
	for _, i := range f.chain {
		if d := &m.fields[i]; d.Form != Nothing {
			d.Value.End = max(d.Value.Start, m.last.End)
			if d.Element {
				d.Label = d.Value
			}
		}
	}
	f.chain, f.at, f.let = f.chain[:0:0], begin, false
}

// token takes a token. It is false for a bracket that nothing opened, which is passed over.
func (m *machine) token(tok token.Token, lit string, at Extent) bool {
	if m.deep > 0 {
		switch tok {
		case token.LBRACE, token.LBRACK, token.LPAREN:
			m.deep++
		case token.RBRACE, token.RBRACK, token.RPAREN:
			m.deep--
		}
		return true
	}
	switch tok {
	case token.RBRACE:
		return m.close(token.LBRACE)
	case token.RBRACK:
		return m.close(token.LBRACK)
	case token.RPAREN:
		return m.close(token.LPAREN)
	}
	f := m.top()
	if f.opaque {
		switch tok {
		case token.LBRACE, token.LBRACK, token.LPAREN:
			m.push(frame{open: tok, opaque: true, field: -1})
		}
		return true
	}
	if tok == token.COMMA {
		m.end(f)
		if f.open == token.LBRACK && lit == "," {
			f.index++
		}
		return true
	}
	if tok == token.ATTRIBUTE {
		return true
	}
	if f.open == token.LBRACK && f.at == begin {
		m.element(f, at)
	}
	switch tok {
	case token.COLON:
		if f.open == token.LBRACK && m.lastTok == token.IDENT && len(f.chain) == 1 && m.fields[f.chain[0]].Value.Start == m.last.Start {
			f = m.forgotten()
		}
		if f.open == token.LBRACE && (f.at == label || f.at == either) && !f.let {
			m.field(f, at)
		}
		return true
	case token.OPTION, token.NOT:
		if f.at == label || f.at == either {
			return true // `name?:` and `name!:`
		}
	case token.BIND:
		if f.at == label && !f.let {
			f.at = begin // `X=name: …`
			return true
		}
	}
	first := f.at == begin || f.at == colon
	m.value(f, at)
	switch tok {
	case token.LBRACE, token.LBRACK, token.LPAREN:
		call := tok == token.LPAREN || f.let
		if !first && tok == token.LBRACK {
			switch m.lastTok {
			case token.IDENT, token.RPAREN, token.RBRACK, token.STRING:
				call = true // an index
			}
		}
		form := Block
		if tok == token.LBRACK {
			form = Sequence
		}
		if n := len(f.chain); n > 0 && tok != token.LPAREN && !call {
			if d := &m.fields[f.chain[n-1]]; first || d.Form == Expression {
				d.Form = form
			}
		}
		atLabel := f.open == token.LBRACE && first
		if atLabel && tok != token.LBRACE {
			// `[string]: …` and `(name): …`, if a colon follows.
			f.label, f.name = at, Any
			f.at = either
			if len(f.chain) == 0 {
				f.at = label
				call = true
			}
		} else {
			f.at = inside
		}
		in := frame{open: tok, opaque: call, field: -1, path: m.pathOf(f)}
		if n := len(f.chain); n > 0 {
			in.field = f.chain[n-1]
		} else {
			in.field = f.field
		}
		m.push(in)
	case token.IDENT, token.STRING, token.INTERPOLATION:
		m.word(f, tok, lit, at, first)
	default:
		if lit != "" && tok.IsKeyword() && first {
			m.word(f, token.IDENT, lit, at, true)
			if tok == token.LET {
				f.let = true
			}
			return true
		}
		m.compound(f)
	}
	return true
}

// compound notes that a value is more than one literal.
func (m *machine) compound(f *frame) {
	f.at = inside
	if n := len(f.chain); n > 0 {
		if d := &m.fields[f.chain[n-1]]; d.Form == Text {
			d.Form, d.Text = Expression, ""
		}
	}
}

// word takes a token that may be a label.
func (m *machine) word(f *frame, tok token.Token, lit string, at Extent, first bool) {
	if !first {
		m.compound(f)
		return
	}
	text, isText := lit, false
	switch tok {
	case token.STRING:
		text, isText = unquoted(lit)
	case token.INTERPOLATION:
		text = Any
	}
	if n := len(f.chain); n > 0 {
		d := &m.fields[f.chain[n-1]]
		d.Form = Expression
		if isText {
			d.Form, d.Text = Text, text
		}
	}
	f.label, f.name = at, text
	switch {
	case f.open == token.LBRACK:
		f.at = inside
	case f.at == colon:
		f.at = either
	default:
		f.at = label
	}
}

// unquoted returns what a string literal says; it may lack its closing quote.
func unquoted(lit string) (string, bool) {
	if s, err := literal.Unquote(lit); err == nil {
		return s, lit[0] == '"' || lit[0] == '#'
	}
	if lit[0] != '"' {
		return "", false
	}
	return strings.Trim(lit, `"`), true
}

// field begins a field: its label is known and the colon read.
func (m *machine) field(f *frame, at Extent) {
	if n := len(f.chain); n > 0 {
		// What seemed to be the value of the field before is a label in it.
		d := &m.fields[f.chain[n-1]]
		d.Form, d.Text = Block, ""
	}
	if f.name == Any && f.at == either {
		for len(m.fields) > 0 && m.fields[len(m.fields)-1].Element && m.fields[len(m.fields)-1].Label.Start >= f.label.Start {
			m.fields = m.fields[:len(m.fields)-1] // a pattern, which seemed to be a list
		}
	}
	parent := f.field
	if n := len(f.chain); n > 0 {
		parent = f.chain[n-1]
	}
	f.at = colon
	if len(m.fields) == maxFields || len(m.pathOf(f)) == maxPath {
		return
	}
	m.fields = append(m.fields, Field{
		Path: append(slices.Clip(slices.Clone(m.pathOf(f))), f.name), Label: f.label, Value: Extent{at.End, at.End}, Parent: parent,
	})
	f.chain = append(f.chain, len(m.fields)-1)
}

// element begins an element of a list.
func (m *machine) element(f *frame, at Extent) {
	if len(m.fields) == maxFields || len(f.path) == maxPath {
		return
	}
	m.fields = append(m.fields, Field{
		Path: append(slices.Clip(slices.Clone(f.path)), strconv.Itoa(f.index)), Label: at, Value: at, Element: true, Parent: f.field,
	})
	f.chain = append(f.chain, len(m.fields)-1)
}

// value notes that the value of the innermost field has begun.
func (m *machine) value(f *frame, at Extent) {
	for _, i := range f.chain {
		if d := &m.fields[i]; d.Form == Nothing {
			d.Value, d.Form = at, Expression
		}
	}
}

// pathOf returns the path of what is being written in a frame.
func (m *machine) pathOf(f *frame) []string {
	if n := len(f.chain); n > 0 {
		return m.fields[f.chain[n-1]].Path
	}
	return f.path
}

// forgotten closes a list that somebody forgot to close: a label, and not an element, has begun in it. It returns the
// frame in which the label stands.
func (m *machine) forgotten() *frame {
	f := m.top()
	at, name := f.label, f.name
	m.fields = m.fields[:f.chain[0]]
	f.chain = nil
	for len(m.stack) > 1 && m.top().open == token.LBRACK {
		m.pop()
	}
	f = m.top()
	m.end(f)
	f.label, f.name, f.at = at, name, label
	return f
}

// close closes the innermost bracket of a kind, and those in it that somebody forgot. One that nothing opened is passed
// over.
func (m *machine) close(open token.Token) bool {
	for i := len(m.stack) - 1; i > 0; i-- {
		if m.stack[i].open != open {
			continue
		}
		for len(m.stack) > i {
			m.pop()
		}
		return true
	}
	return false
}

func (m *machine) cursor() (Cursor, bool) {
	if m.comment || m.deep > 0 || m.top().opaque && len(m.stack) > 1 {
		return Cursor{}, false
	}
	f := m.top()
	c := Cursor{Token: Extent{m.stop, m.stop}, Element: f.open == token.LBRACK}
	touched := m.last.End >= m.stop && m.last.Start < m.stop && len(m.data) > 0
	word := touched && (m.lastTok == token.IDENT || m.lastTok == token.STRING || m.lastTok.IsKeyword())
	switch f.at {
	case begin:
		c.Path, c.Label = f.path, f.open == token.LBRACE
		if c.Element {
			c.Path = append(slices.Clip(slices.Clone(f.path)), strconv.Itoa(f.index))
		}
		return c, true
	case colon:
		c.Path = m.pathOf(f)
		return c, true
	case label:
		if !word || f.let {
			return Cursor{}, false
		}
		c.Path, c.Label = f.path, true
	case either:
		if !word {
			return Cursor{}, false
		}
		c.Path = m.pathOf(f)
	default:
		// The first word of an element, or what follows `=`, `|` and `&`, is not told apart from the rest of an
		// expression; only an element that is one word so far can be completed.
		if n := len(f.chain); !c.Element || !word || n == 0 || m.fields[f.chain[n-1]].Value.Start != m.last.Start {
			return Cursor{}, false
		}
		c.Path = m.pathOf(f)
	}
	c.Token, c.Quoted = m.last, m.lastTok == token.STRING
	if c.Quoted {
		if b := m.data[c.Token.Start:c.Token.End]; b[0] != '"' || len(b) > 2 && b[1] == '"' {
			return Cursor{}, false // bytes, or text of several lines
		} else if len(b) > 1 && b[len(b)-1] == '"' {
			if m.stop == c.Token.End {
				return Cursor{}, false // behind the closing quote
			}
		} else {
			c.Token.End = m.unclosed(c.Token)
		}
	}
	c.Colon = strings.HasPrefix(strings.TrimLeft(string(m.data[c.Token.End:min(len(m.data), c.Token.End+40)]), " \t!?"), ":")
	return c, true
}

// unclosed returns where a string that lacks its closing quote most likely ends: the scanner takes it to reach to the
// end of the line.
func (m *machine) unclosed(at Extent) int {
	end := m.stop
	for end < at.End && !strings.ContainsRune(" \t\r,]}:\"", rune(m.data[end])) {
		end++
	}
	return end
}

// Find returns the field that a cursor is in: the one whose label it is in, or the innermost one whose value it is in.
func (o *Outline) Find(offset int) (f *Field, onLabel, ok bool) {
	best := -1
	for i := range o.Fields {
		d := &o.Fields[i]
		if d.Label.Start > offset {
			break
		}
		if !d.Element && d.Label.Holds(offset) {
			return d, true, true
		}
		if d.Form != Nothing && d.Value.Holds(offset) {
			best = i
		}
	}
	if best < 0 {
		return nil, false, false
	}
	return &o.Fields[best], false, true
}
