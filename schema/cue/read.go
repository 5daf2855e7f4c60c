package cue

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
)

// Language is the files of this package as a tree. It is immutable.
type Language struct {
	// Root is the definition #Gateway.
	Root *Type
	// Types holds every definition by its name, "#Provider".
	Types map[string]*Type
}

// Shape says what values of a [Type] look like.
type Shape uint8

const (
	// Struct has named fields ([Type.Fields]) and is closed.
	Struct Shape = iota + 1
	// Map has labels of one scalar type ([Type.Label]) and values of one type ([Type.Elem]).
	Map
	// List has elements of one type ([Type.Elem]).
	List
	// Union is one of several structs ([Type.Arms]), told apart by the field "kind".
	Union
	// Enum is one of several strings ([Type.Values]).
	Enum
	// String is text; [Type.Is] names what it must be beyond that.
	String
	// Int is a whole number.
	Int
	// Bool is true or false.
	Bool
	// Any is whatever CUE can say, constraints among it; with [Type.Is] "json" it is data, with "number" a number.
	Any
)

// Type is what a field may hold. Only the fields of its Shape are set.
type Type struct {
	Shape    Shape
	Name     string   // of its definition, "#Provider"; "" for a type written in place
	Doc      string   // the definition's comment
	At       Place    // of the definition, or of the field that it is written in
	Fields   []Field  // Struct, in order of the file, those of embedded definitions last
	Reserved []string // Struct: fields of the language that are not built yet; Union: kinds; Enum: values
	Label    *Type    // Map
	Elem     *Type    // Map, List
	Filled   bool     // Map, List: at least one
	Arms     []*Type  // Union
	Values   []string // Enum, in order of the file
	Is       string   // String, Int: the name of a scalar that gwc checks in Go, such as "duration"
	Min, Max *int64   // Int
}

// Field is a field of a struct.
type Field struct {
	Name     string
	Doc      string
	At       Place
	Type     *Type
	Required bool
	Optional bool     // neither required nor filled in when absent
	Default  any      // what holds when absent: string, int64, bool, []any, or nil where there is no default
	Reserved []string // values of the language that are not built yet
	Low, Top string   // bounds of a duration or size, as written; "" none
}

// Place is a line of the language's files.
type Place struct {
	File string
	Line int
}

// String returns "provider.cue:22".
func (p Place) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

// Field returns the field of a struct by name.
func (t *Type) Field(name string) (*Field, bool) {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i], true
		}
	}
	return nil, false
}

// Kind returns the value of the field "kind" of a union's arm, "" where there is none.
func (t *Type) Kind() string {
	if f, ok := t.Field("kind"); ok && f.Type.Shape == Enum && len(f.Type.Values) == 1 {
		return f.Type.Values[0]
	}
	return ""
}

// Read returns the language as a tree. It panics if the embedded files are not what this package reads, which a test
// of this package would have found.
var Read = sync.OnceValue(func() *Language {
	l, err := read(Files())
	if err != nil {
		panic(err)
	}
	return l
})

// reader turns definitions into types. A definition's type is allocated when its name is first met and filled when
// its turn comes, so that definitions may refer to each other in any order.
type reader struct {
	types map[string]*Type
}

func read(files []File) (*Language, error) {
	r := &reader{types: map[string]*Type{}}
	type definition struct {
		field *ast.Field
		name  string
	}
	var all []definition
	for _, file := range files {
		f, err := parser.ParseFile(file.Name, file.Data, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.Package, *ast.CommentGroup:
			case *ast.Field:
				name, err := labelName(d.Label)
				if err != nil || !strings.HasPrefix(name, "#") {
					return nil, fmt.Errorf("%s: a definition is expected here", d.Pos())
				}
				r.types[name] = &Type{Name: name}
				all = append(all, definition{d, name})
			default:
				return nil, fmt.Errorf("%s: a definition is expected here", d.Pos())
			}
		}
	}
	for _, d := range all {
		field, err := r.field(d.field)
		if err != nil {
			return nil, err
		}
		t := *field.Type
		t.Name, t.Doc, t.At = d.name, field.Doc, field.At
		if len(field.Reserved) > 0 {
			t.Reserved = field.Reserved
		}
		*r.types[d.name] = t
	}
	for _, t := range r.types {
		if err := r.embed(t); err != nil {
			return nil, err
		}
	}
	root, ok := r.types["#Gateway"]
	if !ok {
		return nil, fmt.Errorf("the language has no #Gateway")
	}
	return &Language{Root: root, Types: r.types}, nil
}

// embed replaces the fields that stand for embedded definitions, marked by an empty name, by those definitions'
// fields.
func (r *reader) embed(t *Type) error {
	for i := 0; i < len(t.Fields); i++ {
		if t.Fields[i].Name != "" {
			continue
		}
		in := t.Fields[i].Type
		if in.Shape != Struct {
			return fmt.Errorf("%s: only a struct can be embedded", t.Fields[i].At)
		}
		t.Fields = append(append(t.Fields[:i:i], in.Fields...), t.Fields[i+1:]...)
		t.Reserved = append(t.Reserved[:len(t.Reserved):len(t.Reserved)], in.Reserved...)
		i--
	}
	return nil
}

func (r *reader) field(f *ast.Field) (Field, error) {
	name, err := labelName(f.Label)
	if err != nil {
		return Field{}, err
	}
	out := Field{Name: name, Doc: doc(f), At: place(f.Pos())}
	out.Required = f.Constraint == token.NOT
	out.Optional = f.Constraint == token.OPTION
	t, def, err := r.expr(f.Value)
	if err != nil {
		return Field{}, err
	}
	out.Type, out.Default = t, def
	if t.Name == "" && t.Shape == Enum && len(t.Values) == 1 && def == nil && !out.Required && !out.Optional {
		out.Default = t.Values[0]
	}
	for _, a := range f.Attrs {
		switch key, body := a.Split(); key {
		case "reserved":
			out.Reserved = words(body)
		case "between":
			w := words(body)
			if len(w) != 2 {
				return Field{}, fmt.Errorf("%s: @between takes two bounds", a.Pos())
			}
			out.Low, out.Top = w[0], w[1]
		case "is":
			c := *t
			c.Is = body
			out.Type = &c
		case "filled":
			c := *t
			c.Filled = true
			out.Type = &c
		default:
			return Field{}, fmt.Errorf("%s: attribute @%s is not one of the language's", a.Pos(), key)
		}
	}
	return out, nil
}

// expr returns the type that an expression says and the default that it marks.
func (r *reader) expr(e ast.Expr) (*Type, any, error) {
	at := place(e.Pos())
	switch e := e.(type) {
	case *ast.ParenExpr:
		return r.expr(e.X)
	case *ast.Ident:
		switch e.Name {
		case "string":
			return &Type{Shape: String, At: at}, nil, nil
		case "int":
			return &Type{Shape: Int, At: at}, nil, nil
		case "number":
			return &Type{Shape: Any, Is: "number", At: at}, nil, nil
		case "_":
			return &Type{Shape: Any, At: at}, nil, nil
		case "bool":
			return &Type{Shape: Bool, At: at}, nil, nil
		}
		if t, ok := r.types[e.Name]; ok {
			return t, nil, nil
		}
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := literal.Unquote(e.Value)
			return &Type{Shape: Enum, At: at, Values: []string{s}}, nil, err
		}
	case *ast.UnaryExpr:
		if e.Op == token.MAT {
			return &Type{Shape: String, At: at}, nil, nil
		}
	case *ast.BinaryExpr:
		switch e.Op {
		case token.AND:
			return r.bounded(e)
		case token.OR:
			return r.either(e)
		}
	case *ast.ListLit:
		return r.list(e)
	case *ast.StructLit:
		return r.structure(e)
	}
	return nil, nil, fmt.Errorf("%s: this form is not one that the language is written in", e.Pos())
}

// bounded reads `int & >=1 & <=10`.
func (r *reader) bounded(e *ast.BinaryExpr) (*Type, any, error) {
	t, _, err := r.expr(e.X)
	if err != nil {
		return nil, nil, err
	}
	u, ok := e.Y.(*ast.UnaryExpr)
	if !ok || t.Shape != Int {
		return nil, nil, fmt.Errorf("%s: a bound of an integer is expected here", e.Y.Pos())
	}
	v, err := value(u.X)
	if err != nil {
		return nil, nil, err
	}
	n, ok := v.(int64)
	if !ok {
		return nil, nil, fmt.Errorf("%s: an integer is expected here", u.X.Pos())
	}
	c := *t
	switch u.Op {
	case token.GEQ:
		c.Min = &n
	case token.LEQ:
		c.Max = &n
	default:
		return nil, nil, fmt.Errorf("%s: >= or <= is expected here", u.Pos())
	}
	return &c, nil, nil
}

// either reads enumerations, unions of definitions, and a type with its default.
func (r *reader) either(e *ast.BinaryExpr) (*Type, any, error) {
	var def any
	var out *Type
	for _, x := range alternatives(e) {
		if u, ok := x.(*ast.UnaryExpr); ok && u.Op == token.MUL {
			v, err := value(u.X)
			if err != nil {
				return nil, nil, err
			}
			def = v
			s, text := v.(string)
			if !text || out != nil && out.Shape != Enum {
				continue // `#Duration | *"5s"`: the default is a value of the other type.
			}
			if out == nil {
				out = &Type{Shape: Enum, At: place(e.Pos())}
			}
			out.Values = append(out.Values, s)
			continue
		}
		t, _, err := r.expr(x)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case out == nil:
			out = t
		case out.Shape == Enum && t.Shape == Enum:
			c := *out
			c.Values = append(c.Values[:len(c.Values):len(c.Values)], t.Values...)
			out = &c
		case out.Shape == Union && t.Name != "":
			out.Arms = append(out.Arms, t)
		case out.Name != "" && t.Name != "":
			out = &Type{Shape: Union, At: place(e.Pos()), Arms: []*Type{out, t}}
		case out.Shape == Int && t.Shape == String: // #Size
		default:
			return nil, nil, fmt.Errorf("%s: these alternatives do not go together", e.Pos())
		}
	}
	return out, def, nil
}

func alternatives(e ast.Expr) []ast.Expr {
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op == token.OR {
		return append(alternatives(b.X), alternatives(b.Y)...)
	}
	return []ast.Expr{e}
}

// list reads `[...#T]` and `[#T, ...#T]`.
func (r *reader) list(e *ast.ListLit) (*Type, any, error) {
	out := &Type{Shape: List, At: place(e.Pos())}
	for i, x := range e.Elts {
		rest, ok := x.(*ast.Ellipsis)
		if ok {
			x = rest.Type
		}
		if ok != (i == len(e.Elts)-1) || len(e.Elts) > 2 {
			return nil, nil, fmt.Errorf("%s: [...T] or [T, ...T] is expected here", e.Pos())
		}
		t, _, err := r.expr(x)
		if err != nil {
			return nil, nil, err
		}
		out.Elem, out.Filled = t, i == 1
	}
	return out, nil, nil
}

func (r *reader) structure(e *ast.StructLit) (*Type, any, error) {
	out := &Type{Shape: Struct, At: place(e.Pos())}
	for _, d := range e.Elts {
		switch d := d.(type) {
		case *ast.CommentGroup:
		case *ast.Attribute:
			if key, body := d.Split(); key == "reserved" {
				out.Reserved = words(body)
				continue
			}
			return nil, nil, fmt.Errorf("%s: only @reserved stands in a struct", d.Pos())
		case *ast.EmbedDecl:
			t, _, err := r.expr(d.Expr)
			if err != nil {
				return nil, nil, err
			}
			out.Fields = append(out.Fields, Field{Type: t, At: place(d.Pos())})
		case *ast.Field:
			if pattern, ok := d.Label.(*ast.ListLit); ok {
				if len(e.Elts) != 1 || len(pattern.Elts) != 1 {
					return nil, nil, fmt.Errorf("%s: a map has one pattern and nothing else", d.Pos())
				}
				label, _, err := r.expr(pattern.Elts[0])
				if err != nil {
					return nil, nil, err
				}
				elem, _, err := r.expr(d.Value)
				if err != nil {
					return nil, nil, err
				}
				return &Type{Shape: Map, At: place(e.Pos()), Label: label, Elem: elem}, nil, nil
			}
			f, err := r.field(d)
			if err != nil {
				return nil, nil, err
			}
			out.Fields = append(out.Fields, f)
		default:
			return nil, nil, fmt.Errorf("%s: a field is expected here", d.Pos())
		}
	}
	return out, nil, nil
}

// value reads a literal: a string, an integer, true, false, or a list of them.
func value(e ast.Expr) (any, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		switch e.Kind {
		case token.STRING:
			return literal.Unquote(e.Value)
		case token.INT:
			return strconv.ParseInt(e.Value, 10, 64)
		case token.TRUE, token.FALSE:
			return e.Kind == token.TRUE, nil
		}
	case *ast.ListLit:
		list := []any{}
		for _, x := range e.Elts {
			v, err := value(x)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return nil, fmt.Errorf("%s: a literal is expected here", e.Pos())
}

func labelName(l ast.Label) (string, error) {
	name, _, err := ast.LabelName(l)
	return name, err
}

// words splits `a,b,"c-d"`.
func words(body string) []string {
	list := strings.Split(body, ",")
	for i, w := range list {
		list[i] = strings.Trim(strings.TrimSpace(w), `"`)
	}
	return list
}

func place(p token.Pos) Place { return Place{File: p.Filename(), Line: p.Line()} }

// doc returns the comment before a field, without its marks, its lines joined.
func doc(f *ast.Field) string {
	var lines []string
	for _, g := range ast.Comments(f) {
		if !g.Doc {
			continue
		}
		for _, c := range g.List {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(c.Text, "//")))
		}
	}
	return strings.Join(lines, " ")
}
