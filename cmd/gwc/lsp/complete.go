package lsp

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/query"
	language "github.com/gwc-dev/gwc/schema/cue"
)

// complete offers what the language and the repository have for the place of the cursor: fields that are not set yet,
// values of enumerations, defaults, and the names that a reference may hold.
func (v *view) complete(p documentParams) (any, error) {
	list := completionList{Items: []completionItem{}}
	if v.outline == nil || v.session == nil {
		return list, nil
	}
	offset := v.text.offset(p.Position)
	cur, ok := query.At(v.name, v.text.data, offset)
	if !ok {
		return list, nil
	}
	c := completer{view: v, cur: cur, offset: offset, list: &list}
	// A quoted label with its colon is a label, also behind another one.
	if cur.Colon || cur.Label {
		c.labels(cur.Path)
		return list, nil
	}
	slot, ok := query.SlotAt(cur.Path, v.kind)
	if !ok {
		return list, nil
	}
	switch slot.Type.Shape {
	case language.Struct, language.Union, language.Map:
		if !cur.Element {
			c.labels(cur.Path)
		}
	default:
		c.values(slot)
	}
	return list, nil
}

type completer struct {
	*view
	cur    query.Cursor
	offset int
	list   *completionList
}

// add offers a text in the place of the token under the cursor.
func (c *completer) add(i completionItem, text string) {
	i.FilterText = strings.TrimSuffix(text, ": ") // What is in the range is compared with it, so with its quotes.
	i.SortText = fmt.Sprintf("%04d", len(c.list.Items))
	i.TextEdit = textEdit{c.text.span(c.cur.Token), text}
	c.list.Items = append(c.list.Items, i)
}

// labels offers labels of the struct at a data path.
func (c *completer) labels(at []string) {
	slot, ok := query.SlotAt(at, c.kind)
	if !ok {
		return
	}
	set := c.repo.Labels(c.name, at)
	mine := ""
	if c.cur.Token.End > c.cur.Token.Start {
		mine = strings.Trim(string(c.text.data[c.cur.Token.Start:c.cur.Token.End]), `"`)
	}
	write := func(name string) string {
		text := label(name)
		if c.cur.Quoted {
			text = strconv.Quote(name)
		}
		if !c.cur.Colon {
			text += ": "
		}
		return text
	}
	switch t := slot.Type; t.Shape {
	case language.Struct, language.Union:
		fields := query.Fields(t, c.kind(at))
		for _, required := range []bool{true, false} {
			for _, f := range fields {
				if f.Required != required || set[f.Name] && f.Name != mine && !open(f.Type) {
					continue
				}
				if tenant, ok := load.UnitOf(c.name); len(at) == 0 && f.Name == "gateway" && ok && tenant != "" {
					continue // Only the platform's files may say it.
				}
				detail := typeWords(f.Type)
				if f.Required {
					detail += ", required"
				} else if f.Default != nil {
					detail += ", default " + literalOf(f.Default)
				}
				c.add(completionItem{Label: f.Name, Kind: itemField, Detail: detail, Documentation: docs(f.Doc)}, write(f.Name))
			}
		}
	case language.Map:
		space, ok := query.LabelRefers(append(slices.Clone(at), "x"))
		if ok && space != query.Operations {
			for _, name := range c.repo.Names(space) {
				if !set[name] || name == mine {
					c.add(completionItem{Label: name, Kind: itemReference, Detail: singular(space)}, write(name))
				}
			}
			return
		}
		if ok {
			d := c.document(at[1])
			if d == nil {
				return
			}
			for i := range d.Operations {
				if o := &d.Operations[i]; !set[o.ID] || o.ID == mine {
					c.add(completionItem{Label: o.ID, Kind: itemReference, Detail: o.Method + " " + o.Path, Documentation: docs(o.Summary)}, write(o.ID))
				}
			}
			return
		}
		if tenant, ok := load.UnitOf(c.name); ok && tenant != "" && slices.Equal(at, []string{"tenants"}) {
			c.add(completionItem{Label: tenant, Kind: itemModule, Detail: "the tenant of this folder"}, write(tenant))
		}
	}
}

// open reports whether several files may add to a field, or one file in several places.
func open(t *language.Type) bool {
	return t.Shape == language.Struct || t.Shape == language.Union || t.Shape == language.Map
}

// values offers values for a scalar, or for a list the bracket with its first element left to the next question.
func (c *completer) values(slot query.Slot) {
	t := slot.Type
	if space, ok := query.Refers(c.cur.Path); ok {
		c.names(space)
		return
	}
	switch t.Shape {
	case language.Enum:
		for _, s := range t.Values {
			detail := ""
			if slot.Field != nil && slot.Field.Default == s {
				detail = "default"
			}
			c.add(completionItem{Label: s, Kind: itemEnum, Detail: detail, Documentation: docs(docOf(slot))}, strconv.Quote(s))
		}
		return
	case language.Bool:
		if !c.cur.Quoted {
			for _, s := range []string{"true", "false"} {
				c.add(completionItem{Label: s, Kind: itemEnum}, s)
			}
		}
		return
	}
	if f := slot.Field; f != nil && f.Default != nil {
		text := literalOf(f.Default)
		if c.cur.Quoted == strings.HasPrefix(text, `"`) || c.cur.Token.Start == c.cur.Token.End {
			c.add(completionItem{Label: text, Kind: itemEnum, Detail: "default", Documentation: docs(f.Doc)}, text)
		}
	}
}

// names offers the names that a reference may hold.
func (c *completer) names(space query.Space) {
	if space == query.Documents {
		dir := path.Dir(c.name)
		if c.session.result == nil {
			return
		}
		for file := range c.session.result.Sources.Paths() {
			rel := file
			if dir != "." {
				var below bool
				if rel, below = strings.CutPrefix(file, dir+"/"); !below {
					continue
				}
			}
			if path.Ext(rel) != ".cue" {
				c.add(completionItem{Label: rel, Kind: itemFile}, strconv.Quote(rel))
			}
		}
		return
	}
	for _, name := range c.repo.Names(space) {
		detail := singular(space)
		if at := c.repo.Definitions(space, name); len(at) > 0 {
			detail += ", " + at[0].File
		}
		c.add(completionItem{Label: name, Kind: itemReference, Detail: detail}, strconv.Quote(name))
	}
}

func docs(s string) *markup {
	if s == "" {
		return nil
	}
	return &markup{formatMarkdown, s}
}

// label writes a name as a label of CUE.
func label(s string) string {
	for i, c := range s {
		if !(c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9') {
			return strconv.Quote(s)
		}
	}
	switch s {
	case "", "true", "false", "null", "for", "in", "if", "let":
		return strconv.Quote(s)
	}
	return s
}

// literalOf writes a default of the language as CUE.
func literalOf(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = literalOf(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// typeWords says in a word or two what a field holds.
func typeWords(t *language.Type) string {
	switch t.Shape {
	case language.Struct, language.Union, language.Map:
		return "struct"
	case language.List:
		return "list"
	case language.Bool:
		return "true or false"
	case language.Int:
		return "integer"
	case language.Enum:
		return strings.Join(t.Values, " | ")
	}
	if t.Is != "" {
		return t.Is
	}
	return "string"
}
