package check

import (
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
				Primary: diag.Label{Span: spanOf(spec.Path)},
				Notes:   []string{fmt.Sprintf("files may import packages of CUE itself, such as \"strings\", and %q", language.ImportPath)},
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

func (w *walker) evaluationError(e errors.Error) diag.Diagnostic {
	format, args := e.Msg()
	message := fmt.Sprintf(format, args...)
	name := "the value"
	if p := e.Path(); len(p) > 0 {
		name = strconv.Quote(strings.Join(p, "."))
	}
	d := diag.Diagnostic{Primary: diag.Label{Span: w.errorSpan(e)}}
	switch {
	case strings.HasPrefix(format, "conflicting values"):
		d.Code = codeConflict
		d.Summary = fmt.Sprintf("%s has two values that differ", name)
		if !hidden(e.Path()) && len(args) >= 2 {
			d.Summary = fmt.Sprintf("%s has two values, %v and %v", name, args[0], args[1])
		}
		spans := w.values(e)
		if len(spans) > 0 {
			d.Primary.Span = spans[0]
		}
		d.Primary.Secret = hidden(e.Path())
		for _, s := range spans[min(1, len(spans)):] {
			d.Secondary = append(d.Secondary, diag.Label{Span: s, Text: "and here", Secret: d.Primary.Secret})
		}
		d.Help = []string{"a field has one value: remove one of them"}
	case strings.HasPrefix(format, "reference"), strings.HasPrefix(format, "undefined field"):
		d.Code = codeReference
		d.Summary = message
		d.Notes = []string{"files see the fields of their own unit only: the root folder with platform/, or one tenant's folder"}
	case strings.Contains(message, "cycle"):
		d.Code = codeCycle
		d.Summary = fmt.Sprintf("%s refers to itself", name)
		d.Notes = []string{message}
	default:
		d.Code = codeEvaluation
		d.Summary = fmt.Sprintf("%s cannot be evaluated: %s", name, message)
		if hidden(e.Path()) {
			d.Summary = fmt.Sprintf("%s cannot be evaluated", name)
			d.Primary.Secret = true
		}
	}
	return d
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
	start := diag.Pos{Line: 1, Col: 1}
	return diag.Span{File: w.unit.first, Start: start, End: start}
}

// values returns the places of an error that are values and not references to them, in order.
func (w *walker) values(e errors.Error) []diag.Span {
	var values, all []diag.Span
	for _, p := range errors.Positions(e) {
		s, n, ok := w.node(p)
		if !ok {
			continue
		}
		s = firstLine(s)
		if slices.Contains(all, s) {
			continue
		}
		all = append(all, s)
		switch n.(type) {
		case *ast.Ident, *ast.SelectorExpr, *ast.BinaryExpr, *ast.Field:
		default:
			values = append(values, s)
		}
	}
	if len(values) < 2 {
		values = all
	}
	slices.SortStableFunc(values, func(a, b diag.Span) int {
		return strings.Compare(fmt.Sprintf("%s %9d", a.File, a.Start.Offset), fmt.Sprintf("%s %9d", b.File, b.Start.Offset))
	})
	return values
}

// node returns the syntax that begins at a position, and its span; for a field, the span of its label.
func (w *walker) node(p token.Pos) (diag.Span, ast.Node, bool) {
	if !p.IsValid() || w.unit.files[p.Filename()] == nil {
		return diag.Span{}, nil, false
	}
	in := w.inFile(p.Filename())
	if f, ok := in.fields[p.Offset()]; ok {
		return spanOf(f.Label), f, true
	}
	if n, ok := in.exprs[p.Offset()]; ok {
		return spanOf(n), n, true
	}
	start := diag.Pos{Line: p.Line(), Col: p.Column(), Offset: p.Offset()}
	return diag.Span{File: p.Filename(), Start: start, End: start}, nil, true
}
