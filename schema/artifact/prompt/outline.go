package prompt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Source writes the template of a message, as the language would say it with its partials laid out. Equal steps give
// equal texts. It takes versions that [New] would refuse, too.
func (v *Version) Source(message int) string {
	var b strings.Builder
	m := &v.Messages[message]
	type block struct {
		name   string
		framed bool
	}
	var open []block
	frames := []int{0}
	for i := range m.Ops {
		op := &m.Ops[i]
		switch op.Code {
		case Text:
			b.WriteString(strings.ReplaceAll(op.Text, "{{", `\{{`))
			continue
		case Close:
			if n := len(open); n > 0 {
				b.WriteString("{{/" + open[n-1].name + "}}")
				if open[n-1].framed {
					frames = frames[:len(frames)-1]
				}
				open = open[:n-1]
			}
			continue
		}
		name, typ := v.named(frames, op)
		mark := map[Code]string{If: "#", Each: "#", With: "#", Unless: "^"}[op.Code]
		b.WriteString("{{" + mark + name + "}}" + op.Text)
		if mark == "" {
			continue
		}
		framed := op.Code == Each || op.Code == With
		if framed {
			if op.Code == Each && typ >= 0 && typ < len(v.Types) {
				typ = v.Types[typ].Items
			}
			frames = append(frames, typ)
		}
		open = append(open, block{name, framed})
	}
	for _, path := range m.Images {
		name, _ := v.named([]int{0}, &Op{Path: path})
		b.WriteString("{{image " + name + "}}")
	}
	return b.String()
}

// named returns what a template calls the value of a step, and its type; -1 where there is none.
func (v *Version) named(frames []int, op *Op) (string, int) {
	if op.Frame < 0 || op.Frame >= len(frames) {
		return fmt.Sprint("?", op.Frame, op.Path), -1
	}
	typ := frames[op.Frame]
	var names []string
	for _, i := range op.Path {
		if typ < 0 || typ >= len(v.Types) || i < 0 || i >= len(v.Types[typ].Fields) {
			return fmt.Sprint("?", op.Frame, op.Path), -1
		}
		f := &v.Types[typ].Fields[i]
		names, typ = append(names, f.Name), f.Type
	}
	if len(names) == 0 {
		return ".", typ
	}
	return strings.Join(names, "."), typ
}

// Shape writes a type in one line: `{text: string up to 8000, language?: "en" | "de" = "en", tags?: [string]}`. Like
// Source it takes what New would refuse.
func (v *Version) Shape(at int) string {
	var b strings.Builder
	v.shape(&b, at, 0)
	return b.String()
}

func (v *Version) shape(b *strings.Builder, at, depth int) {
	if at < 0 || at >= len(v.Types) || depth > MaxDepth {
		b.WriteString("?")
		return
	}
	t := &v.Types[at]
	if t.Kind != Enum && t.Kind != Array && t.Kind != Object {
		b.WriteString(t.Kind.String())
	}
	for i, s := range t.Values {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteString(strconv.Quote(s))
	}
	if t.Kind == Array || t.Items != 0 {
		b.WriteByte('[')
		v.shape(b, t.Items, depth+1)
		b.WriteByte(']')
	}
	if t.Kind == Object || len(t.Fields) > 0 {
		b.WriteByte('{')
		for i := range t.Fields {
			if i > 0 {
				b.WriteString(", ")
			}
			f := &t.Fields[i]
			b.WriteString(f.Name)
			if !f.Required {
				b.WriteByte('?')
			}
			b.WriteString(": ")
			v.shape(b, f.Type, depth+1)
			if f.Default != "" {
				b.WriteString(" = " + f.Default)
			}
		}
		b.WriteByte('}')
	}
	if t.Least != nil {
		fmt.Fprintf(b, " of at least %d", *t.Least)
	}
	if t.Most != nil {
		fmt.Fprintf(b, " up to %d", *t.Most)
	}
	if t.Low != nil {
		b.WriteString(" from " + decimal(*t.Low))
	}
	if t.High != nil {
		b.WriteString(" to " + decimal(*t.High))
	}
	if t.Pattern != "" {
		b.WriteString(" like " + strconv.Quote(t.Pattern))
	}
}

// Takes reports whether every value of a type of v is one of a type of w: what was sent for the one can be sent for the
// other. Both versions must be ones that [New] takes.
func (v *Version) Takes(at int, w *Version, other int) bool {
	a, b := &v.Types[at], &w.Types[other]
	if a.Kind != b.Kind && !(a.Kind == Integer && b.Kind == Number) && !(a.Kind == Enum && b.Kind == String && b.Pattern == "" && b.Least == nil && b.Most == nil) {
		return false
	}
	switch {
	case b.Pattern != "" && a.Pattern != b.Pattern,
		b.Least != nil && (a.Least == nil || *a.Least < *b.Least), b.Most != nil && (a.Most == nil || *a.Most > *b.Most),
		b.Low != nil && (a.Low == nil || *a.Low < *b.Low), b.High != nil && (a.High == nil || *a.High > *b.High):
		return false
	}
	if b.Kind == Enum {
		for _, s := range a.Values {
			if !slices.Contains(b.Values, s) {
				return false
			}
		}
	}
	if b.Kind == Array {
		return v.Takes(a.Items, w, b.Items)
	}
	for i := range a.Fields {
		j := slices.IndexFunc(b.Fields, func(f Field) bool { return f.Name == a.Fields[i].Name })
		if j < 0 || b.Fields[j].Required && !a.Fields[i].Required || !v.Takes(a.Fields[i].Type, w, b.Fields[j].Type) {
			return false
		}
	}
	for j := range b.Fields {
		if b.Fields[j].Required && !slices.ContainsFunc(a.Fields, func(f Field) bool { return f.Name == b.Fields[j].Name }) {
			return false
		}
	}
	return true
}
