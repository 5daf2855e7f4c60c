package check

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/compiler/load"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// importable says what can be imported.
const importable = `files may import packages of CUE itself, such as "strings", and "` + language.ImportPath + `"`

// imports reports imports that gwc cannot resolve: only CUE's own packages and the language can be.
func (u *unit) imports(src *load.Unit) (found bool) {
	for _, f := range src.Files {
		for spec := range f.Syntax.ImportSpecs() {
			path, err := literal.Unquote(spec.Path.Value)
			first, _, _ := strings.Cut(path, "/")
			if err != nil || path == language.ImportPath || !strings.Contains(first, ".") {
				continue
			}
			found = true
			u.report.Add(diag.Diagnostic{
				Code:    codeImport,
				Summary: fmt.Sprintf("import %q cannot be resolved", path),
				Primary: diag.Label{Span: u.span(spec.Path)},
				Notes:   []string{importable},
			})
		}
	}
	return found
}

// evaluation reports what CUE could not evaluate, once per cause, and remembers where, so that the walk passes over it.
func (w *walker) evaluation(err error) {
	if w.bad == nil {
		w.bad = map[string]bool{}
	}
	said := map[string]bool{}
	for _, e := range errors.Errors(err) {
		w.bad[join(e.Path())] = true
		d := w.evaluationError(e)
		key := fmt.Sprint(d.Code, d.Primary.Span, d.Summary)
		if said[key] {
			continue
		}
		said[key] = true
		d.Path = slices.Clone(e.Path())
		w.report(d)
	}
}

// evaluationError says in words what CUE says in its own.
func (w *walker) evaluationError(e errors.Error) diag.Diagnostic {
	format, args := e.Msg()
	message := fmt.Sprintf(format, args...)
	name := "the package"
	if p := e.Path(); len(p) > 0 {
		name = strconv.Quote(strings.Join(p, "."))
	}
	d := diag.Diagnostic{Primary: diag.Label{Span: w.errorSpan(e)}}
	switch {
	case strings.HasPrefix(format, "conflicting values"):
		w.conflict(&d, e, name)
	case strings.HasPrefix(format, "imported and not used"):
		d.Code = codeImport
		d.Summary = fmt.Sprintf("import %v is not used", args[0])
		d.Help = []string{"remove the import"}
	case strings.HasPrefix(format, "builtin package"), strings.HasPrefix(format, "package"):
		d.Code = codeImport
		d.Summary = fmt.Sprintf("import %q cannot be resolved", args...)
		d.Notes = []string{importable}
	case strings.HasPrefix(format, "reference"), strings.HasPrefix(format, "undefined field"):
		d.Code = codeReference
		d.Summary = message
		if len(args) == 1 {
			d.Summary = fmt.Sprintf("nothing is named %q here", fmt.Sprint(args[0]))
		}
		d.Notes = []string{"files see the fields of their own unit only: the root folder with platform/, or one tenant's folder"}
		if len(args) == 1 && filledIn(fmt.Sprint(args[0])) {
			d.Notes = []string{"what the schema fills in is not there yet while files are evaluated"}
		}
	case strings.Contains(message, "cycle"):
		d.Code = codeCycle
		d.Summary = name + " refers to itself"
	case strings.HasPrefix(format, "field not allowed"):
		d.Code = codeEvaluation
		d.Summary = fmt.Sprintf("field %s is not allowed by a definition that these files make", name)
	case hidden(e.Path()):
		d.Code = codeEvaluation
		d.Summary = name + " cannot be evaluated"
		d.Primary.Secret = true
	default:
		d.Code = codeEvaluation
		d.Summary = fmt.Sprintf("%s cannot be evaluated: %s", name, message)
	}
	return d
}

// filledIn reports whether some field of the language with this name need not be written.
func filledIn(name string) bool {
	for _, t := range language.Read().Types {
		if f, ok := t.Field(name); ok && !f.Required {
			return true
		}
	}
	return false
}

// conflict speaks of a field that has two values, and names both places.
func (w *walker) conflict(d *diag.Diagnostic, e errors.Error, name string) {
	d.Code = codeConflict
	d.Summary = name + " has two values that differ"
	d.Primary.Secret = hidden(e.Path())
	d.Help = []string{"a field has one value: remove one of them"}
	spans, texts := w.values(e)
	for _, t := range texts {
		// A URL with a user in it.
		d.Primary.Secret = d.Primary.Secret || strings.Contains(t, "://") && strings.Contains(t, "@")
	}
	if len(texts) == 2 && !d.Primary.Secret {
		d.Summary = fmt.Sprintf("%s has two values, %s and %s", name, texts[0], texts[1])
	}
	if i := slices.IndexFunc(spans, func(s diag.Span) bool { return load.Overlays(s.File) }); i >= 0 {
		d.Help = []string{"an overlay gives what the other files leave open: leave the field out there, or write its value as a default, such as *\"2s\" | string"}
		spans[0], spans[i] = spans[i], spans[0]
	}
	for i, s := range spans {
		if i == 0 {
			d.Primary.Span = s
			continue
		}
		d.Secondary = append(d.Secondary, diag.Label{Span: s, Text: "and here", Secret: d.Primary.Secret})
	}
}

// unevaluated reports a value that is an error, at the place that the walk stands at.
func (w *walker) unevaluated(v cue.Value) {
	err := v.Err()
	if err == nil {
		err = v.Validate(cue.Concrete(true))
	}
	if err == nil {
		w.wrong++
		return
	}
	e := errors.Errors(err)[0]
	d := w.evaluationError(e)
	if d.Code == codeReference || d.Code == codeCycle {
		w.report(d)
		return
	}
	d.Code = codeIncomplete
	d.Summary = fmt.Sprintf("%s has no definite value", w.name())
	d.Primary = diag.Label{Span: firstLine(w.at.value), Secret: hidden(w.path)}
	if !d.Primary.Secret {
		d.Notes = []string{firstError(err)}
	}
	w.report(d)
}

// hidden reports whether the values at a data path may be secrets that must not be shown.
func hidden(path []string) bool {
	for _, p := range path {
		switch strings.TrimLeft(strings.ToLower(p), "_#") {
		case "credentials", "ref", "headers", "keys", "hash", "key", "secret", "token", "password":
			return true
		}
	}
	return false
}

func firstError(err error) string {
	format, args := errors.Errors(err)[0].Msg()
	return fmt.Sprintf(format, args...)
}

// errorSpan returns the place of an error in the unit's files.
func (w *walker) errorSpan(err error) diag.Span {
	for _, e := range errors.Errors(err) {
		for _, p := range errors.Positions(e) {
			if s, _, ok := w.node(p); ok {
				return firstLine(s)
			}
		}
	}
	if !w.at.value.IsZero() {
		return firstLine(w.at.value)
	}
	if p := cue.ParsePath(strings.Join(errors.Errors(err)[0].Path(), ".")); p.Err() == nil {
		if at := w.where(w.root.LookupPath(p)); !at.key.IsZero() {
			return firstLine(at.key)
		}
	}
	start := diag.Pos{Line: 1, Col: 1}
	return diag.Span{File: w.unit.first, Start: start, End: start}
}

// values returns the places of an error that are values and not references to them, in order, and their text where it
// is short.
func (w *walker) values(e errors.Error) ([]diag.Span, []string) {
	type spot struct {
		span diag.Span
		node ast.Node
	}
	var values, all []spot
	for _, p := range errors.Positions(e) {
		s, n, ok := w.node(p)
		if !ok || slices.ContainsFunc(all, func(o spot) bool { return o.span.File == s.File && o.span.Start == s.Start }) {
			continue
		}
		all = append(all, spot{s, n})
		if _, ok := n.(*ast.Field); !ok && !refers(n) {
			values = append(values, spot{s, n})
		}
	}
	if len(values) < 2 {
		values = all
	}
	slices.SortStableFunc(values, func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.span.File, b.span.File), cmp.Compare(a.span.Start.Offset, b.span.Start.Offset))
	})
	var spans []diag.Span
	var texts []string
	for _, v := range values {
		spans = append(spans, firstLine(v.span))
		switch n := v.node.(type) {
		case *ast.BasicLit:
			if len(n.Value) < 60 {
				texts = append(texts, n.Value)
			}
		case *ast.ListLit:
			texts = append(texts, "a list")
		case *ast.StructLit:
			texts = append(texts, "a struct")
		}
	}
	return spans, texts
}

// refers reports whether an expression names a value that stands elsewhere.
func refers(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.Ident:
		switch n.Name {
		case "_", "string", "bytes", "bool", "int", "float", "number", "null":
			return false
		}
		return true
	case *ast.SelectorExpr, *ast.IndexExpr:
		return true
	case *ast.BinaryExpr:
		return refers(n.X) || refers(n.Y)
	}
	return false
}

// node returns the syntax that begins at a position, and its span; for a field, the span of its label.
func (w *walker) node(p token.Pos) (diag.Span, ast.Node, bool) {
	if !p.IsValid() || w.unit.files[p.Filename()] == nil {
		return diag.Span{}, nil, false
	}
	start := diag.Pos{Line: p.Line(), Col: p.Column(), Offset: p.Offset()}
	return w.syntax(diag.Span{File: p.Filename(), Start: start, End: start})
}

// syntax returns the syntax that begins where a span begins, and its span; for a field, the span of its label.
func (w *walker) syntax(s diag.Span) (diag.Span, ast.Node, bool) {
	if w.unit.files[s.File] == nil {
		return diag.Span{}, nil, false
	}
	in := w.inFile(s.File)
	if f, ok := in.fields[s.Start.Offset]; ok {
		return w.unit.span(f.Label), f, true
	}
	if n, ok := in.exprs[s.Start.Offset]; ok {
		return w.unit.span(n), n, true
	}
	return s, nil, true
}
