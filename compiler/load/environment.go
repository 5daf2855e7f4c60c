package load

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"

	"github.com/gwc-dev/gwc/schema/diag"

	language "github.com/gwc-dev/gwc/schema/cue"
)

// Environments: files that count in one environment only.
//
// The platform's overlays are env/<name>.cue and all below env/<name>/; a tenant's are in env/ of its own folder. The
// files of the chosen environment are unified with the rest, after it; those of others are not even parsed. A unit
// stays a unit: an overlay of the platform is split by the objects that it speaks of, each of which goes to the unit
// that has it, so that an overlay over one tenant's API is no reason to evaluate the others again.
//
// Reading each overlay into a unit of its own was refused: CUE's rule that a value can be made more definite, and
// never be changed, holds within one evaluation only.

const codeEnvironment diag.Code = "GWC1311"

// Environment is a set of overlays that can be chosen. Files are in order.
type Environment struct {
	Name  string
	Files []string
}

// EnvironmentError says that a repository has no environment of a name.
type EnvironmentError struct {
	Name  string
	Known []string // in order
}

func (e *EnvironmentError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no environment %q: the repository has none, as it has no folder env", e.Name)
	}
	s := fmt.Sprintf("there is no environment %q: the environments are %s", e.Name, strings.Join(e.Known, ", "))
	if near, ok := diag.Nearest(e.Name, e.Known); ok {
		s += fmt.Sprintf("; did you mean %q?", near)
	}
	return s
}

// environmentOf returns the name of the environment that a file counts in.
func environmentOf(p string) (name string, ok bool) {
	parts := strings.Split(p, "/")
	if parts[0] == "tenants" && len(parts) > 3 {
		parts = parts[2:]
	}
	if parts[0] != "env" || len(parts) < 2 {
		return "", false
	}
	name = parts[1]
	if len(parts) == 2 {
		name = strings.TrimSuffix(name, name[max(0, strings.LastIndexByte(name, '.')):])
	}
	return name, true
}

// Overlays reports whether a file counts in an environment only.
func Overlays(path string) bool {
	_, ok := environmentOf(path)
	return ok
}

var environmentForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// overlay notes a file of an environment, and reports a name that none can have.
func (l *loader) overlay(f *found, name string) {
	if !environmentForm.MatchString(name) {
		d := whole(codeEnvironment, f.path, fmt.Sprintf("environment %q has a name that none can have, expected lower-case letters, digits and \"-\"", name))
		d.Help = []string{"rename the file, such as to env/prod.cue"}
		l.report.Add(d)
		return
	}
	all := &l.src.Environments
	i, ok := slices.BinarySearchFunc(*all, name, func(e Environment, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		*all = slices.Insert(*all, i, Environment{Name: name})
	}
	(*all)[i].Files = append((*all)[i].Files, f.path)
}

// choose adds the overlays of the chosen environment to the units.
func (l *loader) choose(units map[string]*Unit) error {
	if l.env == "" {
		return nil
	}
	i := slices.IndexFunc(l.src.Environments, func(e Environment) bool { return e.Name == l.env })
	if i < 0 {
		e := &EnvironmentError{Name: l.env}
		for _, k := range l.src.Environments {
			e.Known = append(e.Known, k.Name)
		}
		return e
	}
	owners := owners{src: l.src, units: units, known: map[[2]string]string{}}
	for _, p := range l.src.Environments[i].Files {
		if tenant, _, ok := unitOf(p); ok {
			owners.unit(tenant).Files = append(owners.unit(tenant).Files, File{Path: p})
			continue
		}
		data, _ := l.src.Data(p)
		syntax, _, _ := parseAny(p, data)
		if syntax == nil {
			owners.unit("").Files = append(owners.unit("").Files, File{Path: p}) // Where it is parsed it is reported.
			continue
		}
		shares := map[string][]string{}
		for _, s := range spokenOf(syntax) {
			u := ""
			if len(s) == 2 {
				u = owners.of(s[0], s[1])
			}
			shares[u] = append(shares[u], strings.Join(s, "\x00"))
		}
		if len(rest(syntax)) > 0 || len(shares) == 0 {
			shares[""] = append(shares[""], "")
		}
		for tenant, share := range shares {
			slices.Sort(share)
			owners.unit(tenant).Files = append(owners.unit(tenant).Files, File{Path: p, Share: slices.Compact(share)})
		}
	}
	return nil
}

// owners finds the units that have objects.
type owners struct {
	src   *Sources
	units map[string]*Unit
	known map[[2]string]string
}

func (o *owners) unit(tenant string) *Unit {
	u := o.units[tenant]
	if u == nil {
		u = &Unit{Tenant: tenant}
		o.units[tenant] = u
	}
	return u
}

// of returns the unit that an object stands in: the tenant's own, or the one whose files name it; the platform where
// none does.
func (o *owners) of(field, name string) string {
	if field == "tenants" && o.units[name] != nil {
		return name
	}
	key := [2]string{field, name}
	if u, ok := o.known[key]; ok {
		return u
	}
	var tenants []string
	for t := range o.units {
		tenants = append(tenants, t)
	}
	slices.Sort(tenants) // The platform first.
	for _, t := range tenants {
		if o.names(o.units[t], field, name) {
			o.known[key] = t
			return t
		}
	}
	o.known[key] = ""
	return ""
}

// names reports whether a file of a unit writes an object's name where objects of a field stand. It is found as text
// first, as a large repository has many files and an overlay few names.
func (o *owners) names(u *Unit, field, name string) bool {
	for _, f := range u.Files {
		if f.Share != nil {
			continue
		}
		data, ok := o.src.Data(f.Path)
		if !ok || !bytes.Contains(data, []byte(name)) {
			continue
		}
		if syntax, _, _ := parseAny(f.Path, data); syntax != nil && slices.ContainsFunc(spokenOf(syntax), func(s []string) bool {
			return len(s) == 2 && s[0] == field && s[1] == name
		}) {
			return true
		}
	}
	return false
}

// parseAny parses a file of the configuration, in whatever form it is written.
func parseAny(p string, data []byte) (*ast.File, map[int]int, []diag.Diagnostic) {
	if isPlain(p) {
		return parsePlain(p, data)
	}
	f, problems := parse(p, data)
	return f, nil, problems
}

// spokenOf returns what a file says at the top: a field, or a field and the name of an object in it, once for each time.
func spokenOf(f *ast.File) (out [][]string) {
	eachDecl(f.Decls, func(d *ast.Field, name string) {
		inner, ok := objects(d, name)
		if !ok {
			out = append(out, []string{name})
			return
		}
		for _, e := range inner {
			if o, ok := regular(e); ok {
				out = append(out, []string{name, o})
			} else {
				out = append(out, []string{name})
			}
		}
		if len(inner) == 0 {
			out = append(out, []string{name})
		}
	})
	return out
}

// eachDecl calls f for each regular field at the top, also within `schema.#Gateway & {…}`.
func eachDecl(decls []ast.Decl, f func(d *ast.Field, name string)) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if name, ok := regular(d); ok {
				f(d, name)
			}
		case *ast.EmbedDecl:
			for _, s := range structs(d.Expr) {
				eachDecl(s.Elts, f)
			}
		}
	}
}

// regular returns the label of a field that is neither hidden nor a definition, nor computed.
func regular(d ast.Decl) (string, bool) {
	f, ok := d.(*ast.Field)
	if !ok {
		return "", false
	}
	switch l := f.Label.(type) {
	case *ast.Ident:
		return l.Name, !strings.HasPrefix(l.Name, "_") && !strings.HasPrefix(l.Name, "#")
	case *ast.BasicLit:
		s, err := literal.Unquote(l.Value)
		return s, err == nil
	}
	return "", false
}

// structs returns the structs that an expression unifies.
func structs(x ast.Expr) []*ast.StructLit {
	switch x := x.(type) {
	case *ast.StructLit:
		return []*ast.StructLit{x}
	case *ast.ParenExpr:
		return structs(x.X)
	case *ast.BinaryExpr:
		if x.Op == token.AND {
			return append(structs(x.X), structs(x.Y)...)
		}
	}
	return nil
}

// objects returns the objects of a field at the top that is a map of them, where they are written out.
func objects(d *ast.Field, name string) ([]ast.Decl, bool) {
	f, ok := language.Read().Root.Field(name)
	if !ok || f.Type.Shape != language.Map {
		return nil, false
	}
	s, ok := d.Value.(*ast.StructLit)
	if !ok {
		return nil, false
	}
	return s.Elts, true
}

// rest returns the declarations at the top that belong to no object and that no other declaration needs.
func rest(f *ast.File) []ast.Decl {
	used := map[string]bool{}
	for _, d := range f.Decls {
		if !shared(d) {
			mentions(d, used)
		}
	}
	return slices.DeleteFunc(slices.Clone(f.Decls), func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.Package, *ast.CommentGroup:
			return true
		case *ast.Field:
			if _, ok := regular(d); ok {
				return true
			}
		case *ast.EmbedDecl:
			return len(structs(d.Expr)) > 0
		}
		return shared(d) && slices.ContainsFunc(given(d), func(n string) bool { return used[n] })
	})
}

// shared reports whether a declaration gives names to others: an import, a let clause, a hidden field or a definition.
func shared(d ast.Decl) bool {
	switch d := d.(type) {
	case *ast.ImportDecl, *ast.LetClause:
		return true
	case *ast.Field:
		l, ok := d.Label.(*ast.Ident)
		return ok && (strings.HasPrefix(l.Name, "_") || strings.HasPrefix(l.Name, "#"))
	}
	return false
}

// given returns the names that a shared declaration gives.
func given(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.LetClause:
		return []string{d.Ident.Name}
	case *ast.Field:
		return []string{d.Label.(*ast.Ident).Name}
	case *ast.ImportDecl:
		for _, s := range d.Specs {
			names = append(names, importName(s))
		}
	}
	return names
}

func importName(s *ast.ImportSpec) string {
	if s.Name != nil {
		return s.Name.Name
	}
	p, err := literal.Unquote(s.Path.Value)
	if err != nil {
		return ""
	}
	if i := strings.LastIndexByte(p, ':'); i >= 0 {
		return p[i+1:]
	}
	return p[strings.LastIndexByte(p, '/')+1:]
}

// mentions notes the identifiers of a syntax tree.
func mentions(n ast.Node, names map[string]bool) {
	ast.Walk(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			names[id.Name] = true
		}
		return true
	}, nil)
}

// part takes out of an overlay what does not count for a unit. The tree is the caller's own.
func part(f *ast.File, share []string) {
	has := func(path string) bool {
		_, ok := slices.BinarySearch(share, path)
		return ok
	}
	remains := map[ast.Decl]bool{}
	if has("") {
		for _, d := range rest(f) {
			remains[d] = true
		}
	}
	f.Decls = keep(f.Decls, has)
	// What gives names to others stays where one of its names is used, by what stays.
	used := map[string]bool{}
	for _, d := range f.Decls {
		if !shared(d) || remains[d] {
			mentions(d, used)
		}
	}
	for grown := true; grown; {
		grown = false
		for _, d := range f.Decls {
			if shared(d) && !remains[d] && slices.ContainsFunc(given(d), func(n string) bool { return used[n] }) {
				remains[d], grown = true, true
				mentions(d, used)
			}
		}
	}
	f.Decls = slices.DeleteFunc(f.Decls, func(d ast.Decl) bool {
		if imports, ok := d.(*ast.ImportDecl); ok && remains[d] && !has("") {
			imports.Specs = slices.DeleteFunc(imports.Specs, func(s *ast.ImportSpec) bool { return !used[importName(s)] })
		}
		return shared(d) && !remains[d]
	})
}

// keep returns the declarations whose fields or objects a unit has, and those that are no fields.
func keep(decls []ast.Decl, has func(string) bool) []ast.Decl {
	var out []ast.Decl
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			name, ok := regular(d)
			if !ok {
				break
			}
			inner, ok := objects(d, name)
			if !ok {
				if !has(name) {
					continue
				}
				break
			}
			s := d.Value.(*ast.StructLit)
			s.Elts = slices.DeleteFunc(slices.Clone(inner), func(e ast.Decl) bool {
				if o, ok := regular(e); ok {
					return !has(name + "\x00" + o)
				}
				return !has(name)
			})
			if len(s.Elts) == 0 && !has(name) {
				continue
			}
		case *ast.EmbedDecl:
			all := structs(d.Expr)
			left := 0
			for _, s := range all {
				s.Elts = keep(s.Elts, has)
				left += len(s.Elts)
			}
			if len(all) > 0 && left == 0 || len(all) == 0 && !has("") {
				continue
			}
		case *ast.Comprehension, *ast.Ellipsis, *ast.Attribute, *ast.BadDecl:
			if !has("") {
				continue
			}
		}
		out = append(out, d)
	}
	return out
}

// Given is where an environment says a data path.
type Given struct {
	Environment string
	At          diag.Span
}

// Givers returns the environments whose overlays write something at a data path, each with the first place; computed
// labels are not seen.
func (s *Sources) Givers(path []string) (out []Given) {
	for _, e := range s.Environments {
		for _, p := range e.Files {
			data, _ := s.Data(p)
			syntax, _, _ := parseAny(p, data)
			if syntax == nil {
				continue
			}
			if at, ok := written(syntax.Decls, path); ok {
				out = append(out, Given{e.Name, span(p, at)})
				break
			}
		}
	}
	return out
}

// written finds the field or element at a data path.
func written(decls []ast.Decl, path []string) (ast.Node, bool) {
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.Field:
			if name, ok := regular(d); !ok || name != path[0] {
				continue
			}
			if len(path) == 1 {
				return d.Label, true
			}
			if n, ok := writtenIn(d.Value, path[1:]); ok {
				return n, true
			}
		case *ast.EmbedDecl:
			for _, s := range structs(d.Expr) {
				if n, ok := written(s.Elts, path); ok {
					return n, true
				}
			}
		}
	}
	return nil, false
}

func writtenIn(x ast.Expr, path []string) (ast.Node, bool) {
	if l, ok := x.(*ast.ListLit); ok {
		i, err := strconv.Atoi(path[0])
		switch {
		case err != nil || i < 0 || i >= len(l.Elts):
			return nil, false
		case len(path) == 1:
			return l.Elts[i], true
		}
		return writtenIn(l.Elts[i], path[1:])
	}
	for _, s := range structs(x) {
		if n, ok := written(s.Elts, path); ok {
			return n, true
		}
	}
	return nil, false
}
