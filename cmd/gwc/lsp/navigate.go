package lsp

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/query"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// named is the name that a cursor is on: one that the repository defines, or an operation of an API.
type named struct {
	space query.Space
	name  string
	api   string       // of an operation
	at    query.Extent // of the literal or label under the cursor
}

// name returns the name at an offset of the document.
func (v *view) nameAt(offset int) (named, bool) {
	if v.outline == nil {
		o, apis, ok := v.operation(offset)
		if !ok {
			return named{}, false
		}
		return named{query.Operations, o.ID, apis[0], query.Extent{Start: o.IDSpan.Start.Offset, End: o.IDSpan.End.Offset}}, true
	}
	f, onLabel, ok := v.outline.Find(offset)
	if !ok {
		return named{}, false
	}
	if onLabel {
		if space, name, ok := query.Defines(f.Path); ok {
			return named{space, name, "", f.Label}, true
		}
		if space, ok := query.LabelRefers(f.Path); ok {
			n := named{space: space, name: f.Path[len(f.Path)-1], at: f.Label}
			if space == query.Operations {
				n.api = f.Path[1]
			}
			return n, true
		}
		return named{}, false
	}
	if space, ok := query.Refers(f.Path); ok && f.Form == query.Text {
		return named{space, f.Text, "", f.Value}, true
	}
	return named{}, false
}

// definition leads from a name to what it stands for.
func (v *view) definition(p documentParams) (any, error) {
	if v.session == nil {
		return nil, nil
	}
	offset := v.text.offset(p.Position)
	n, ok := v.nameAt(offset)
	if !ok {
		return v.locations(v.identifier(offset)), nil
	}
	switch n.space {
	case query.Documents:
		file := path.Join(path.Dir(v.name), n.name)
		if v.textOf(file) == nil {
			return nil, nil
		}
		return []location{{URI: v.uri(file)}}, nil
	case query.Operations:
		if v.outline == nil { // In the document itself: to what APIs say about it.
			return v.locations(v.repo.Settings(v.name, n.name)), nil
		}
		if d := v.document(n.api); d != nil {
			for i := range d.Operations {
				if o := &d.Operations[i]; o.ID == n.name {
					return v.locations([]query.Place{placeIn(o.IDSpan)}), nil
				}
			}
		}
		return nil, nil
	}
	return v.locations(v.repo.Definitions(n.space, n.name)), nil
}

func placeIn(s diag.Span) query.Place {
	return query.Place{File: s.File, At: query.Extent{Start: s.Start.Offset, End: s.End.Offset}}
}

// identifier returns where the unit sets the field that an identifier of CUE refers to, by the name alone: at the top of
// the package, where files keep what they share.
func (v *view) identifier(offset int) []query.Place {
	if v.outline == nil {
		return nil
	}
	data := v.text.data
	part := func(c byte) bool {
		return c == '_' || c == '#' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80
	}
	from, to := offset, offset
	for from > 0 && part(data[from-1]) {
		from--
	}
	for to < len(data) && part(data[to]) {
		to++
	}
	if from == to || from > 0 && (data[from-1] == '.' || data[from-1] == '"') {
		return nil
	}
	return v.repo.Says(v.name, []string{string(data[from:to])})
}

func (v *view) locations(places []query.Place) []location {
	var out []location
	for _, p := range places {
		if l, ok := v.location(p); ok {
			out = append(out, l)
		}
	}
	return out
}

// references leads from a name to those who say it.
func (v *view) references(p documentParams) (any, error) {
	if v.session == nil {
		return nil, nil
	}
	n, ok := v.nameAt(v.text.offset(p.Position))
	if !ok {
		return nil, nil
	}
	var places []query.Place
	switch n.space {
	case query.Documents:
		return nil, nil
	case query.Operations:
		file := v.name
		if v.outline != nil {
			file, _ = v.repo.Document(n.api)
		}
		if p.Context.IncludeDeclaration {
			if d := v.read(file); d != nil {
				for i := range d.Operations {
					if o := &d.Operations[i]; o.ID == n.name {
						places = append(places, placeIn(o.IDSpan))
					}
				}
			}
		}
		places = append(places, v.repo.Settings(file, n.name)...)
	default:
		if p.Context.IncludeDeclaration {
			places = v.repo.Definitions(n.space, n.name)
		}
		places = append(places, v.repo.References(n.space, n.name)...)
		places = append(places, v.repo.LabelReferences(n.space, n.name)...)
	}
	return v.locations(places), nil
}

// renamable returns the name at a position if it can be renamed: one that the repository defines, and not one that an
// OpenAPI document does, which belongs to others.
func (v *view) renamable(p position) (named, error) {
	if v.session == nil {
		return named{}, &fault{requestFailed, "the file belongs to no repository"}
	}
	n, ok := v.nameAt(v.text.offset(p))
	if !ok || len(v.repo.Definitions(n.space, n.name)) == 0 {
		return named{}, &fault{requestFailed, "there is no name here that can be renamed"}
	}
	if n.space == "tenants" {
		return named{}, &fault{requestFailed, "a tenant is named by its folder too; rename both by hand"}
	}
	if v.torn {
		return named{}, &fault{requestFailed, "a file that is open does not parse; repair it first"}
	}
	return n, nil
}

func (v *view) prepareRename(p documentParams) (any, error) {
	n, err := v.renamable(p.Position)
	if err != nil {
		return nil, nil // The protocol's way to say no before anybody has typed.
	}
	return prepared{v.text.span(inner(v.text.data, n.at)), n.name}, nil
}

// inner is an extent without the quotes around it.
func inner(data []byte, e query.Extent) query.Extent {
	if e.End-e.Start >= 2 && data[e.Start] == '"' && data[e.End-1] == '"' {
		return query.Extent{Start: e.Start + 1, End: e.End - 1}
	}
	return e
}

// rename renames a definition and all that refer to it.
func (v *view) rename(p documentParams) (any, error) {
	n, err := v.renamable(p.Position)
	if err != nil {
		return nil, err
	}
	slot, _ := query.SlotAt([]string{string(n.space)}, v.kind)
	if slot.Type != nil && slot.Type.Shape == language.Map {
		if wrong := check.Fault(slot.Type.Label, p.NewName); wrong != "" {
			return nil, &fault{requestFailed, fmt.Sprintf("%q %s", p.NewName, wrong)}
		}
	}
	if p.NewName != n.name && len(v.repo.Definitions(n.space, p.NewName)) > 0 {
		return nil, &fault{requestFailed, fmt.Sprintf("there is a %s %q already", singular(n.space), p.NewName)}
	}
	edit := workspaceEdit{Changes: map[string][]textEdit{}}
	add := func(places []query.Place, isLabel bool) {
		for _, at := range places {
			t := v.textOf(at.File)
			if t == nil {
				continue
			}
			text := strconv.Quote(p.NewName)
			if isLabel && (at.At.Start >= len(t.data) || t.data[at.At.Start] != '"') {
				text = label(p.NewName)
			}
			uri := v.uri(at.File)
			edit.Changes[uri] = append(edit.Changes[uri], textEdit{t.span(at.At), text})
		}
	}
	add(v.repo.Definitions(n.space, n.name), true)
	add(v.repo.References(n.space, n.name), false)
	add(v.repo.LabelReferences(n.space, n.name), true)
	return edit, nil
}

// codeActions offers the fixes of the findings in a range, and one that applies all that are safe.
func (v *view) codeActions(p documentParams) (any, error) {
	out := []codeAction{}
	x := v.session
	if x == nil || x.result == nil {
		return out, nil
	}
	wants := func(kind string) bool {
		return len(p.Context.Only) == 0 || slices.ContainsFunc(p.Context.Only, func(o string) bool { return kind == o || strings.HasPrefix(kind, o+".") })
	}
	texts := map[string]*sourceText{}
	all := codeAction{Title: "apply all safe fixes in this file", Kind: kindFixAll, Edit: workspaceEdit{Changes: map[string][]textEdit{}}}
	for _, d := range x.result.Report.All() {
		if d.Primary.Span.File != v.name {
			continue
		}
		at := v.server.diagnostic(x, texts, &d)
		near := !before(p.Range.End, at.Range.Start) && !before(at.Range.End, p.Range.Start)
		for i, f := range d.Fixes {
			edit, ok := v.edits(x, texts, f)
			if !ok {
				continue
			}
			if near && wants(kindQuickFix) {
				out = append(out, codeAction{Title: f.Title, Kind: kindQuickFix, Diagnostics: []diagnostic{at}, IsPreferred: f.Safe && i == 0, Edit: edit})
			}
			if f.Safe && i == 0 && len(edit.Changes) == 1 && apart(all.Edit.Changes[v.uri(v.name)], edit.Changes[v.uri(v.name)]) {
				all.Edit.Changes[v.uri(v.name)] = append(all.Edit.Changes[v.uri(v.name)], edit.Changes[v.uri(v.name)]...)
			}
		}
	}
	if wants(kindFixAll) && len(all.Edit.Changes) > 0 {
		out = append(out, all)
	}
	return out, nil
}

// apart reports whether edits can be made together, and there are any.
func apart(have, more []textEdit) bool {
	for _, a := range have {
		for _, b := range more {
			if !before(a.Range.End, b.Range.Start) && !before(b.Range.End, a.Range.Start) {
				return false
			}
		}
	}
	return len(more) > 0
}

// edits turns a fix into edits, unless a file that it changes is not any more what the finding was made from.
func (v *view) edits(x *session, texts map[string]*sourceText, f diag.Fix) (workspaceEdit, bool) {
	edit := workspaceEdit{Changes: map[string][]textEdit{}}
	for _, e := range f.Edits {
		now, ok := v.data(e.Span.File)
		if !ok || strings.HasPrefix(e.Span.File, "cue.mod/") || string(now) != string(v.server.source(x, texts, e.Span.File).data) {
			return edit, false
		}
		uri := v.uri(e.Span.File)
		edit.Changes[uri] = append(edit.Changes[uri], textEdit{v.server.span(x, texts, e.Span), e.New})
	}
	return edit, len(f.Edits) > 0
}

// format formats the document as gwc fmt does.
func (v *view) format(documentParams) (any, error) {
	if v.server.options.Format == nil || v.outline == nil {
		return nil, nil
	}
	out, err := v.server.options.Format(v.name, v.text.data)
	if err != nil {
		return nil, &fault{requestFailed, err.Error()}
	}
	if e, differs := v.text.difference(out); differs {
		return []textEdit{e}, nil
	}
	return []textEdit{}, nil
}

// symbols lists what a document defines: of configuration its fields, of an OpenAPI document its operations.
func (v *view) symbols(documentParams) (any, error) {
	out := []symbol{}
	if v.outline == nil {
		if v.session == nil || len(v.repo.Publishers(v.name)) == 0 {
			return out, nil
		}
		if d := v.read(v.name); d != nil {
			for i := range d.Operations {
				o := &d.Operations[i]
				if o.MethodSpan.File != v.name {
					continue
				}
				at := v.text.span(placeIn(o.MethodSpan).At)
				out = append(out, symbol{Name: o.ID, Detail: o.Method + " " + o.Path, Kind: symbolMethod, Range: at, SelectionRange: at})
			}
		}
		return out, nil
	}
	children := map[int][]int{}
	for i := range v.outline.Fields {
		if f := &v.outline.Fields[i]; !f.Element {
			children[v.above(f.Parent)] = append(children[v.above(f.Parent)], i)
		}
	}
	var list func(parent, depth int) []symbol
	list = func(parent, depth int) []symbol {
		var out []symbol
		for _, i := range children[parent] {
			f := &v.outline.Fields[i]
			s := symbol{Name: f.Path[len(f.Path)-1], Kind: symbolField,
				Range: v.text.span(query.Extent{Start: f.Label.Start, End: max(f.Label.End, f.Value.End)}), SelectionRange: v.text.span(f.Label)}
			switch f.Form {
			case query.Block:
				s.Kind = symbolObject
				if len(f.Path) == 1 {
					s.Kind = symbolNamespace
				}
			case query.Sequence:
				s.Kind = symbolArray
			case query.Text:
				s.Kind, s.Detail = symbolString, v.shown(f)
			}
			if s.Name == "" {
				s.Name = `""` // Editors refuse symbols without a name.
			}
			if depth < 6 {
				s.Children = list(i, depth+1)
			}
			out = append(out, s)
		}
		return out
	}
	return append(out, list(-1, 0)...), nil
}

// above returns the field that a field stands in, not counting elements of lists.
func (v *view) above(i int) int {
	for i >= 0 && v.outline.Fields[i].Element {
		i = v.outline.Fields[i].Parent
	}
	return i
}

// shown is a text for a list of symbols: short, and nothing where it may be a secret.
func (v *view) shown(f *query.Field) string {
	slot, ok := query.SlotAt(f.Path, v.kind)
	if !ok || check.Secret(slot.Type) || len(f.Text) > 80 || slices.Contains(f.Path, "headers") {
		return ""
	}
	return f.Text
}
