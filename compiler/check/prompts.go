package check

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/load"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The rules of prompts that one definition alone can break.
const (
	codeSetting diag.Code = "GWC1431" // a setting that its type does not have
	codeCrossed diag.Code = "GWC1432" // bounds that nothing keeps to
	codePattern diag.Code = "GWC1433" // a pattern that is no regular expression
	codeTypeOf  diag.Code = "GWC1434" // an array without items
	codeRange   diag.Code = "GWC1435" // a parameter out of range
)

// Prompt is prompts.<name>. Versions holds all of them by number, the one that the prompt itself says among them.
type Prompt struct {
	Owner, Path, Description, Visibility string

	Version  int64 // the one that stands at the prompt itself
	Own      PromptContent
	Versions map[string]PromptContent // the others, by number
	Aliases  map[string]int64
	Split    map[string]int64 // by number
	SplitBy  string
}

// PromptContent is what a version says. Types refer to each other by index, and only to later ones.
type PromptContent struct {
	Model     string
	Types     []PromptType
	Inputs    []PromptField
	Output    []PromptField
	Messages  []PromptMessage
	Examples  []PromptExample
	OnInvalid string // "" where the files say nothing
	Stream    bool
	Caching   string // "" where the files say nothing

	Temperature, TopP *float64
	MaxTokens         int64
	Stop              []string
	Reasoning         string
}

// PromptField is an input, a field of an output, or a field of either.
type PromptField struct {
	Name     string
	Type     int
	Required bool
	Default  string // JSON; "" none
}

// PromptType is the type of a field or of elements.
type PromptType struct {
	Kind, Description string
	Least, Most       *int64
	Low, High         *float64
	Pattern           string
	Values            []string
	Items             int
	Fields            []PromptField
}

// PromptMessage is a message with its template.
type PromptMessage struct {
	Role, Text string
	Images     []string
}

// PromptExample is an example, as JSON.
type PromptExample struct{ Inputs, Output string }

// Partial is partials.<name>.
type Partial struct{ Text string }

func (m *merger) partial(n *node, _ string) Partial { return Partial{Text: n.get("text").str} }

func (m *merger) prompt(n *node, name string) Prompt {
	path := []string{"prompts", name}
	out := Prompt{Owner: n.get("owner").str, Path: n.get("path").str, Description: n.get("description").str,
		Visibility: n.get("visibility").str, Version: n.get("version").num, SplitBy: n.get("splitBy").str,
		Own: m.content(n, path), Versions: map[string]PromptContent{}, Aliases: numbers(n.get("aliases")), Split: numbers(n.get("split"))}
	if !n.get("owner").set {
		out.Owner = m.unit.tenant
	}
	for number, v := range n.get("versions").fields {
		if v != nil {
			out.Versions[number] = m.content(v, append(slices.Clone(path), "versions", number))
		}
	}
	return out
}

func numbers(n *node) map[string]int64 {
	out := map[string]int64{}
	for name, v := range n.fields {
		if v != nil {
			out[name] = v.num
		}
	}
	return out
}

func (m *merger) content(n *node, path []string) PromptContent {
	t := typer{merger: m}
	c := PromptContent{Model: n.get("model").str, OnInvalid: n.get("onInvalid").str, Stream: n.get("stream").flag}
	c.Inputs = t.fields(n.get("inputs"), append(slices.Clone(path), "inputs"), true)
	c.Output = t.fields(n.get("output"), append(slices.Clone(path), "output"), false)
	c.Types = t.pool
	for i, e := range n.get("messages").elems {
		if e != nil {
			c.Messages = append(c.Messages, PromptMessage{Role: e.get("role").str, Text: e.get("text").str, Images: texts(e.get("images"))})
			m.repeated(e.get("images").elems, append(slices.Clone(path), "messages", strconv.Itoa(i), "images")...)
		}
	}
	for _, e := range n.get("examples").elems {
		if e != nil {
			c.Examples = append(c.Examples, PromptExample{Inputs: raw(e.get("inputs"), "{}"), Output: raw(e.get("output"), "null")})
		}
	}
	c.Caching = n.get("caching").str
	p := n.get("parameters")
	c.Temperature, c.TopP = real(p.get("temperature")), real(p.get("topP"))
	c.MaxTokens, c.Stop, c.Reasoning = p.get("maxTokens").num, texts(p.get("stop")), p.get("reasoning").str
	for _, r := range []struct {
		name string
		is   *float64
		top  float64
	}{{"temperature", c.Temperature, 2}, {"topP", c.TopP, 1}} {
		if r.is != nil && (*r.is < 0 || *r.is > r.top) {
			m.report.Add(diag.Diagnostic{Code: codeRange, Path: append(slices.Clone(path), "parameters", r.name),
				Summary: fmt.Sprintf("parameter %q is %s, expected a number from 0 to %s", r.name, short(*r.is), short(r.top)),
				Primary: diag.Label{Span: firstLine(p.get(r.name).at.value)}})
		}
	}
	return c
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// raw returns data as JSON; none where no file says it.
func raw(n *node, none string) string {
	if data, ok := n.free.(json.RawMessage); ok {
		return string(data)
	}
	return none
}

// real returns a number; nil where no file says it.
func real(n *node) *float64 {
	if f, ok := n.free.(float64); ok {
		return &f
	}
	return nil
}

// integral returns an integer; nil where no file says it.
func integral(n *node) *int64 {
	if !n.set {
		return nil
	}
	return &n.num
}

// typer collects the types of a version.
type typer struct {
	*merger
	pool []PromptType
}

func (t *typer) fields(n *node, path []string, inputs bool) []PromptField {
	var list []PromptField
	for _, name := range n.order {
		f := n.fields[name]
		if f == nil {
			continue
		}
		out := PromptField{Name: name, Default: raw(f.get("default"), "")}
		at := append(slices.Clone(path), name)
		out.Type = t.typ(f, at, inputs)
		out.Required = out.Default == ""
		if r := f.get("required"); r.set {
			out.Required = r.flag
			if r.flag && out.Default != "" {
				t.report.Add(diag.Diagnostic{Code: codeSetting, Path: append(at, "default"),
					Summary:   fmt.Sprintf("%q is required and has a default", name),
					Primary:   diag.Label{Span: f.get("default").at.key},
					Secondary: []diag.Label{{Span: r.at.value, Text: "required here"}},
					Help:      []string{"remove one of the two: what has a default need not be given"}})
				out.Required = false
			}
		}
		if !inputs && f.get("default").set {
			t.setting(f, "default", "a field of an output", at)
		}
		list = append(list, out)
	}
	return list
}

// setting reports a setting that does not go with what it is set for.
func (t *typer) setting(n *node, name, of string, path []string) {
	t.report.Add(diag.Diagnostic{Code: codeSetting, Path: append(slices.Clone(path), name),
		Summary: fmt.Sprintf("%q is set for %s, which has no such setting", name, of),
		Primary: diag.Label{Span: n.get(name).at.key},
		Help:    []string{"remove it, or give the type that it belongs to"}})
}

// settings are the fields of a type that only some kinds have.
var settings = []struct {
	name  string
	kinds []string
}{
	{"enum", []string{"string"}}, {"minLength", []string{"string"}}, {"maxLength", []string{"string"}}, {"pattern", []string{"string"}},
	{"minimum", []string{"number", "integer"}}, {"maximum", []string{"number", "integer"}},
	{"items", []string{"array"}}, {"minItems", []string{"array"}}, {"maxItems", []string{"array"}}, {"fields", []string{"object"}},
}

func (t *typer) typ(n *node, path []string, inputs bool) int {
	at := len(t.pool)
	t.pool = append(t.pool, PromptType{})
	kind := n.get("type").str
	switch {
	case kind != "":
	case n.get("items").set:
		kind = "array"
	case n.get("fields").set:
		kind = "object"
	default:
		kind = "string"
	}
	for _, s := range settings {
		if n.get(s.name).set && !slices.Contains(s.kinds, kind) {
			of := "type " + strconv.Quote(kind)
			t.setting(n, s.name, of, path)
		}
	}
	out := PromptType{Kind: kind, Description: n.get("description").str}
	cross := func(low, high string, crossed bool) {
		if crossed {
			t.report.Add(diag.Diagnostic{Code: codeCrossed, Path: append(slices.Clone(path), high),
				Summary:   fmt.Sprintf("%q is less than %q: no value keeps to both", high, low),
				Primary:   diag.Label{Span: firstLine(n.get(high).at.value)},
				Secondary: []diag.Label{{Span: firstLine(n.get(low).at.value), Text: "the lower bound"}}})
		}
	}
	switch kind {
	case "string":
		out.Least, out.Most, out.Pattern, out.Values = integral(n.get("minLength")), integral(n.get("maxLength")), n.get("pattern").str, texts(n.get("enum"))
		cross("minLength", "maxLength", out.Least != nil && out.Most != nil && *out.Least > *out.Most)
		t.repeated(n.get("enum").elems, append(slices.Clone(path), "enum")...)
		if len(out.Values) > 0 {
			for _, s := range []string{"minLength", "maxLength", "pattern"} {
				if n.get(s).set {
					t.setting(n, s, `a string with "enum"`, path)
				}
			}
			out.Least, out.Most, out.Pattern = nil, nil, ""
		}
		if _, err := regexp.Compile(out.Pattern); err != nil || len(out.Pattern) > 1000 {
			d := diag.Diagnostic{Code: codePattern, Path: append(slices.Clone(path), "pattern"),
				Summary: "\"pattern\" is not a regular expression of RE2 of at most 1000 bytes",
				Primary: diag.Label{Span: firstLine(n.get("pattern").at.value)}}
			if err != nil {
				d.Notes = []string{err.Error()}
			}
			t.report.Add(d)
			out.Pattern = ""
		}
	case "number", "integer":
		out.Low, out.High = real(n.get("minimum")), real(n.get("maximum"))
		cross("minimum", "maximum", out.Low != nil && out.High != nil && *out.Low > *out.High)
	case "array":
		out.Least, out.Most = integral(n.get("minItems")), integral(n.get("maxItems"))
		cross("minItems", "maxItems", out.Least != nil && out.Most != nil && *out.Least > *out.Most)
		if items := n.fields["items"]; items != nil {
			out.Items = t.typ(items, append(slices.Clone(path), "items"), inputs)
			for _, s := range []string{"default", "required"} {
				if items.get(s).set {
					t.setting(items, s, "the elements of an array", append(slices.Clone(path), "items"))
				}
			}
		} else {
			t.report.Add(diag.Diagnostic{Code: codeTypeOf, Path: path, Summary: fmt.Sprintf("array %q does not say what its elements are", path[len(path)-1]),
				Primary: diag.Label{Span: n.at.key}, Help: []string{`add items: {type: "string"}`}})
			out.Items = len(t.pool)
			t.pool = append(t.pool, PromptType{Kind: "string"})
		}
	case "object":
		out.Fields = t.fields(n.get("fields"), append(slices.Clone(path), "fields"), inputs)
		if len(out.Fields) == 0 {
			t.report.Add(diag.Diagnostic{Code: codeTypeOf, Path: path, Summary: fmt.Sprintf("object %q has no fields", path[len(path)-1]),
				Primary: diag.Label{Span: n.at.key}, Help: []string{`add fields: name: {type: "string"}`}})
		}
	case "image":
		if !inputs {
			t.report.Add(diag.Diagnostic{Code: codeSetting, Path: append(slices.Clone(path), "type"), Summary: "an output cannot have an image",
				Primary: diag.Label{Span: firstLine(n.get("type").at.value)}})
		}
		if n.get("default").set {
			t.setting(n, "default", `type "image"`, path)
		}
	}
	t.pool[at] = out
	return at
}

// number checks a number that need not be whole.
func (w *walker) number(v cue.Value, t *language.Type) *node {
	kind := v.IncompleteKind()
	switch {
	case kind == cue.BottomKind:
		w.unevaluated(v)
		return nil
	case kind&cue.NumberKind != kind:
		w.wrongType(v, t, nil)
		return nil
	}
	f, err := v.Float64()
	if err != nil && !v.IsConcrete() {
		w.wrongType(v, t, nil)
		return nil
	}
	return &node{free: f}
}

// markers makes `label!: {…}` and `label?: {…}` in the output of a prompt what they look like: a field that is
// required, and one that may be absent. To CUE they are constraints on a field that nobody gives.
func markers(u *load.Unit) {
	for i := range u.Files {
		if u.Files[i].Ends != nil {
			continue // no CUE
		}
		below(u.Files[i].Syntax.Decls, "prompts", func(prompts ast.Expr) {
			eachField(prompts, func(p *ast.Field) {
				outputs(p.Value)
				inside(p.Value, "versions", func(v ast.Expr) { eachField(v, func(f *ast.Field) { outputs(f.Value) }) })
			})
		})
	}
}

// below calls found with the values of a label, at the top of a file or within a struct that is unified with others.
func below(decls []ast.Decl, label string, found func(ast.Expr)) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if labelled(d, label) {
				found(d.Value)
			}
		case *ast.EmbedDecl:
			inside(d.Expr, label, found)
		}
	}
}

// inside is [below] for an expression: a struct, or a unification with one.
func inside(e ast.Expr, label string, found func(ast.Expr)) {
	switch e := e.(type) {
	case *ast.StructLit:
		below(e.Elts, label, found)
	case *ast.BinaryExpr:
		if e.Op == token.AND {
			inside(e.X, label, found)
			inside(e.Y, label, found)
		}
	case *ast.ParenExpr:
		inside(e.X, label, found)
	}
}

func eachField(e ast.Expr, each func(*ast.Field)) {
	switch e := e.(type) {
	case *ast.StructLit:
		for _, d := range e.Elts {
			if f, ok := d.(*ast.Field); ok {
				each(f)
			}
		}
	case *ast.BinaryExpr:
		if e.Op == token.AND {
			eachField(e.X, each)
			eachField(e.Y, each)
		}
	}
}

func outputs(content ast.Expr) {
	inside(content, "output", func(o ast.Expr) { eachField(o, marked) })
}

func marked(f *ast.Field) {
	if f.Constraint == token.OPTION {
		if s, ok := f.Value.(*ast.StructLit); ok {
			s.Elts = append(s.Elts, &ast.Field{Label: ast.NewIdent("required"), Value: ast.NewBool(false)})
		}
	}
	if f.Constraint == token.OPTION || f.Constraint == token.NOT {
		f.Constraint = token.ILLEGAL
	}
	inside(f.Value, "fields", func(v ast.Expr) { eachField(v, marked) })
	inside(f.Value, "items", func(v ast.Expr) { inside(v, "fields", func(v ast.Expr) { eachField(v, marked) }) })
}
