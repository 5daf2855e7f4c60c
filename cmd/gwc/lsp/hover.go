package lsp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/compiler/query"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/rules"
)

// hover says what the thing under the cursor holds and where that comes from.
func (v *view) hover(p documentParams) (any, error) {
	offset := v.text.offset(p.Position)
	var parts []string
	var at query.Extent
	if v.outline != nil {
		if f, onLabel, ok := v.outline.Find(offset); ok {
			if parts = v.describe(f, onLabel); parts != nil {
				at = f.Label
				if !onLabel {
					at = f.Value
				}
				if f.Form != query.Text && !onLabel {
					parts, at = nil, query.Extent{} // In the middle of a struct there is nothing to say.
				}
			}
		}
	} else if o, apis, ok := v.operation(offset); ok {
		parts, at = v.published(o, apis), query.Extent{Start: o.MethodSpan.Start.Offset, End: o.MethodSpan.End.Offset}
		if e := (query.Extent{Start: o.IDSpan.Start.Offset, End: o.IDSpan.End.Offset}); e.Holds(offset) {
			at = e
		}
	}
	parts = append(parts, v.rulesAt(p.Position)...)
	if len(parts) == 0 {
		return nil, nil
	}
	h := hover{Contents: markup{formatMarkdown, strings.Join(parts, "\n\n")}, Range: v.text.span(at)}
	if at == (query.Extent{}) {
		h.Range = span{p.Position, p.Position}
	}
	return h, nil
}

// rulesAt returns what the rules of the findings at a position say, which the findings themselves are too short for.
func (v *view) rulesAt(p position) []string {
	if v.session == nil {
		return nil
	}
	var out []string
	var said []string
	for _, d := range v.session.published[v.name].Diagnostics {
		if before(p, d.Range.Start) || before(d.Range.End, p) || slices.Contains(said, d.Code) {
			continue
		}
		if r, ok := rules.Get(d.Code); ok {
			said = append(said, d.Code)
			out = append(out, fmt.Sprintf("**%s** %s. %s", d.Code, r.Title, strings.TrimSpace(r.Why)))
		}
	}
	return out
}

func before(a, b position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Character < b.Character
}

// describe returns the paragraphs about a field.
func (v *view) describe(f *query.Field, onLabel bool) []string {
	slot, ok := query.SlotAt(f.Path, v.kind)
	if !ok {
		return nil
	}
	parts := []string{v.valueOf(f.Path, slot)}
	if doc := docOf(slot); doc != "" {
		parts = append(parts, doc)
	}
	space, refers := query.Refers(f.Path)
	name := f.Text
	if !refers {
		space, refers = query.LabelRefers(f.Path)
		name = f.Path[len(f.Path)-1]
	}
	if refers {
		if s := v.referred(space, name, f.Path); s != "" {
			parts = append(parts, s)
		}
	}
	parts = append(parts, "schema: "+placeOf(slot).String())
	return parts
}

// docOf is the schema's comment on a field, or on what stands in a map or list.
func docOf(s query.Slot) string {
	if s.Field != nil && s.Field.Doc != "" {
		return s.Field.Doc
	}
	return s.Type.Doc
}

func placeOf(s query.Slot) language.Place {
	if s.Field != nil {
		return s.Field.At
	}
	return s.Type.At
}

// valueOf writes what holds at a data path as a block of CUE, with where it comes from behind it.
func (v *view) valueOf(path []string, slot query.Slot) string {
	var lines []string
	values := v.values()
	line := func(label string, at []string, s query.Slot, f *language.Field) {
		text, from := "", ""
		if values != nil {
			if got, ok := values.At(s.Type, at...); ok {
				text = got.Text
				if got.Set {
					from = fmt.Sprintf("%s:%d", got.At.File, got.At.Start.Line)
				} else if f != nil && f.Default != nil {
					from = "default, " + f.At.String()
				}
			}
		}
		switch {
		case text == "" && from == "":
			return
		case text == "":
			text = "…"
			if s.Type.Shape == language.Struct || s.Type.Shape == language.Union || s.Type.Shape == language.Map {
				text = "{…}"
			} else if s.Type.Shape == language.List {
				text = "[…]"
			}
		}
		if len(text) > 200 {
			text = strings.ToValidUTF8(text[:200], "") + "…"
		}
		lines = append(lines, fmt.Sprintf("%s: %s  // %s", label, text, from))
	}
	name := strings.Join(path, ".")
	switch t := slot.Type; t.Shape {
	case language.Struct, language.Union:
		for _, f := range query.Fields(t, v.kind(path)) {
			line("\t"+f.Name, append(slices.Clone(path), f.Name), query.Slot{Type: f.Type, Field: &f}, &f)
		}
		if len(lines) == 0 {
			return "```cue\n" + name + "\n```"
		}
		return "```cue\n" + name + ": {\n" + strings.Join(lines, "\n") + "\n}\n```"
	default:
		line(name, path, slot, slot.Field)
	}
	if len(lines) == 0 {
		return "```cue\n" + name + "\n```"
	}
	return "```cue\n" + strings.Join(lines, "\n") + "\n```"
}

// referred says what a name stands for.
func (v *view) referred(space query.Space, name string, path []string) string {
	switch space {
	case query.Documents:
		return ""
	case query.Operations:
		d := v.document(path[1])
		if d == nil {
			return ""
		}
		for i := range d.Operations {
			if o := &d.Operations[i]; o.ID == name {
				return v.operationText(o, path[1])
			}
		}
		return ""
	}
	at := v.repo.Definitions(space, name)
	if len(at) == 0 {
		return ""
	}
	l, ok := v.location(at[0])
	if !ok {
		return ""
	}
	s := fmt.Sprintf("%s **%s** is defined at [%s:%d](%s#L%d)", singular(space), name, at[0].File, l.Range.Start.Line+1, l.URI, l.Range.Start.Line+1)
	if k := v.repo.Text(at[0].File, []string{string(space), name, "kind"}); k != "" {
		s += fmt.Sprintf(", of kind %q", k)
	}
	return s
}

func singular(s query.Space) string {
	if s == "apis" {
		return "API"
	}
	return strings.TrimSuffix(string(s), "s")
}

// operationText says what an operation is and how an API publishes it.
func (v *view) operationText(o *openapi.Operation, api string) string {
	s := fmt.Sprintf("`%s %s`", o.Method, o.Path)
	if o.Summary != "" {
		sum := strings.Join(strings.Fields(o.Summary), " ")
		if len(sum) > 300 {
			sum = strings.ToValidUTF8(sum[:300], "") + "…"
		}
		s += " " + sum
	}
	uri := v.uri(o.MethodSpan.File)
	s += fmt.Sprintf(" ([%s:%d](%s#L%d))", o.MethodSpan.File, o.MethodSpan.Start.Line, uri, o.MethodSpan.Start.Line)
	if p := v.session.program; p != nil {
		for i := range p.Routes {
			r := &p.Routes[i]
			if r.API >= 0 && p.APIs[r.API].Name == api && r.Operation == o.ID {
				s += fmt.Sprintf("\n\npublished by API **%s** as `%s %s%s`, auth %s", api, r.Method, r.Host, r.Path, strconv.Quote(r.Auth))
				if r.Timeout > 0 {
					s += ", timeout " + r.Timeout.String()
				}
				break
			}
		}
	}
	return s
}

// operation returns the operation at an offset of an OpenAPI document that APIs of the repository publish.
func (v *view) operation(offset int) (*openapi.Operation, []string, bool) {
	if v.session == nil {
		return nil, nil, false
	}
	apis := v.repo.Publishers(v.name)
	if len(apis) == 0 {
		return nil, nil, false
	}
	d := v.read(v.name)
	if d == nil {
		return nil, nil, false
	}
	for i := range d.Operations {
		o := &d.Operations[i]
		for _, at := range []diag.Span{o.MethodSpan, o.IDSpan} {
			if at.File == v.name && (query.Extent{Start: at.Start.Offset, End: at.End.Offset}).Holds(offset) {
				return o, apis, true
			}
		}
	}
	return nil, nil, false
}

func (v *view) published(o *openapi.Operation, apis []string) []string {
	var out []string
	for _, a := range apis {
		out = append(out, v.operationText(o, a))
	}
	return out
}
