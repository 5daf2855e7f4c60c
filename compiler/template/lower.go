package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact/prompt"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Inputs are the types that a template is lowered by; Types[0] is the object of all inputs.
type Inputs struct {
	Types []prompt.Type
	// Used is by the index of fields of Types[0]: whether a template uses the input. Lower sets it.
	Used []bool
}

// Library finds partials by name.
type Library interface {
	Partial(name string) (text string, ok bool)
	Names() []string
}

// Lower returns the steps of a template, or what is wrong with it. included is told of each partial that is laid out.
func Lower(text string, in *Inputs, lib Library, included func(name string)) ([]prompt.Op, []Fault) {
	l := lowerer{in: in, lib: lib, included: included, scopes: []scope{{typ: 0}}}
	l.text(text)
	if len(l.faults) > 0 {
		if slices.ContainsFunc(l.faults, syntax) {
			return nil, slices.DeleteFunc(l.faults, func(f Fault) bool { return !syntax(f) }) // the rest may follow from it
		}
		return nil, l.faults
	}
	return l.ops, nil
}

func syntax(f Fault) bool { return f.Kind == Syntax }

// scope is where names are looked up: the inputs, or an element or object within.
type scope struct {
	typ   int
	frame int
	item  bool // of an Each: "." is the element
}

// place is a value as the type system sees it.
type place struct {
	frame int
	path  []int
	typ   int
	sure  bool // it is always there
}

func (p place) key() string { return fmt.Sprint(p.frame, p.path) }

type lowerer struct {
	in       *Inputs
	lib      Library
	included func(string)
	ops      []prompt.Op
	size     int
	faults   []Fault
	scopes   []scope
	frames   int
	depth    int
	known    []string // keys of places that the sections around hold to be there
	stack    []string // partials under way
	laid     int      // partials laid out so far
	muted    int      // sections around whose name nobody knows: what is said in them would only follow from that
}

// maxPartials bounds how often partials are laid out in one template: empty ones double without adding a step.
const maxPartials = 2000

func (l *lowerer) fault(f Fault) {
	if l.muted > 0 {
		return
	}
	if len(l.stack) > 0 {
		f.In = l.stack[len(l.stack)-1]
	}
	l.faults = append(l.faults, f)
}

// emit adds a step. It reports false where the template has become too large.
func (l *lowerer) emit(op prompt.Op, t *token) bool {
	if op.Code == prompt.Text {
		if n := len(l.ops); n > 0 && l.ops[n-1].Code == prompt.Text && len(l.ops[n-1].Text)+len(op.Text) <= 32<<10 {
			l.ops[n-1].Text += op.Text
			l.size += len(op.Text)
			return l.fits(t)
		}
		l.size += len(op.Text)
	}
	l.ops = append(l.ops, op)
	return l.fits(t)
}

func (l *lowerer) fits(t *token) bool {
	if len(l.ops) <= prompt.MaxOps/2 && l.size <= prompt.MaxTemplate/2 {
		return true
	}
	l.fault(Fault{Kind: TooLarge, At: t.at, Length: min(t.end-t.at, 40), Text: "the template is too large once its partials are laid out"})
	return false
}

// open is a section under way.
type open struct {
	tok    token
	framed bool
	known  bool
	mute   bool
}

// text lowers a template or partial. It stops at the first mistake of syntax, and goes on after others.
func (l *lowerer) text(text string) bool {
	tokens, fault := scan(text)
	if fault != nil {
		l.fault(*fault)
		return false
	}
	var sections []open
	for i := range tokens {
		t := &tokens[i]
		switch t.kind {
		case literal:
			for s := t.text; s != ""; {
				n := min(len(s), 32<<10)
				for n < len(s) && n > 0 && s[n]&0xc0 == 0x80 {
					n--
				}
				if n == 0 {
					n = min(len(s), 32<<10) // no UTF-8, which the sources are
				}
				if !l.emit(prompt.Op{Code: prompt.Text, Text: s[:n]}, t) {
					return false
				}
				s = s[n:]
			}
		case variable:
			if !l.print(t) {
				return false
			}
		case partial:
			if !l.partial(t) {
				return false
			}
		case section, inverted:
			o, ok := l.section(t)
			if !ok {
				return false
			}
			sections = append(sections, o)
		case closing:
			if len(sections) == 0 {
				l.fault(Fault{Kind: Syntax, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("%q closes no section", "{{/"+t.text+"}}")})
				return false
			}
			o := sections[len(sections)-1]
			if o.tok.text != t.text {
				l.fault(Fault{Kind: Syntax, At: t.at, Length: t.end - t.at, Near: o.tok.text,
					Text: fmt.Sprintf("%q stands where section %q is open", "{{/"+t.text+"}}", o.tok.text)})
				return false
			}
			sections = sections[:len(sections)-1]
			l.close(o, t)
		}
	}
	if len(sections) > 0 {
		o := sections[len(sections)-1].tok
		l.fault(Fault{Kind: Syntax, At: o.at, Length: o.end - o.at, Text: fmt.Sprintf("section %q is not closed by %q", o.text, "{{/"+o.text+"}}")})
		return false
	}
	return true
}

// find looks a name up, from the innermost scope outwards.
func (l *lowerer) find(t *token) (place, bool) {
	if t.text == "." {
		for i := len(l.scopes) - 1; i >= 0; i-- {
			if l.scopes[i].item {
				return place{frame: l.scopes[i].frame, typ: l.scopes[i].typ, sure: true}, true
			}
		}
		l.fault(Fault{Kind: Unknown, At: t.at, Length: t.end - t.at, Text: `"." is the element of a list, and no section over a list is open`})
		return place{}, false
	}
	labels := strings.Split(t.text, ".")
	for i := len(l.scopes) - 1; i >= 0; i-- {
		s := &l.scopes[i]
		if at := l.field(s.typ, labels[0]); at >= 0 {
			return l.walk(t, place{frame: s.frame, typ: s.typ, sure: true}, labels)
		}
	}
	var names []string
	for i := range l.scopes {
		names = append(names, l.names(l.scopes[i].typ)...)
	}
	f := Fault{Kind: Unknown, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("%q is no input", labels[0])}
	f.Near, _ = diag.Nearest(labels[0], names)
	if f.Near == "" && len(names) > 0 {
		f.Note = "inputs here: " + strings.Join(names, ", ")
	}
	l.fault(f)
	return place{}, false
}

func (l *lowerer) field(typ int, name string) int {
	return slices.IndexFunc(l.in.Types[typ].Fields, func(f prompt.Field) bool { return f.Name == name })
}

func (l *lowerer) names(typ int) []string {
	var list []string
	for _, f := range l.in.Types[typ].Fields {
		list = append(list, f.Name)
	}
	return list
}

// walk follows labels from a place whose first one is there.
func (l *lowerer) walk(t *token, p place, labels []string) (place, bool) {
	for i, label := range labels {
		typ := &l.in.Types[p.typ]
		at := l.field(p.typ, label)
		if at < 0 {
			f := Fault{Kind: Unknown, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("%q has no field %q", strings.Join(labels[:i], "."), label)}
			if typ.Kind != prompt.Object {
				f.Text = fmt.Sprintf("%q is %s and has no field %q", strings.Join(labels[:i], "."), article(typ.Kind), label)
				f.Kind = Misuse
			}
			if near, ok := diag.Nearest(label, l.names(p.typ)); ok {
				f.Near = strings.Join(append(slices.Clone(labels[:i]), near), ".")
			}
			l.fault(f)
			return place{}, false
		}
		if p.frame == 0 && i == 0 {
			l.in.Used[at] = true
		}
		p.path = append(slices.Clip(p.path), at)
		p.typ = typ.Fields[at].Type
		p.sure = p.sure && (typ.Fields[at].Required || typ.Fields[at].Default != "") || slices.Contains(l.known, p.key())
	}
	return p, true
}

func article(k prompt.Kind) string {
	switch k {
	case prompt.Integer, prompt.Array, prompt.Object, prompt.Image:
		return "an " + k.String()
	}
	return "a " + k.String()
}

func (l *lowerer) print(t *token) bool {
	p, ok := l.find(t)
	if !ok {
		return true
	}
	misuse := func(format string, args ...any) bool {
		l.fault(Fault{Kind: Misuse, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf(format, args...)})
		return true
	}
	switch l.in.Types[p.typ].Kind {
	case prompt.Array:
		return misuse("%q is an array and not text: write {{#%s}}…{{/%s}} around what is said of each element", t.text, t.text, t.text)
	case prompt.Object:
		return misuse("%q is an object and not text: name one of its fields", t.text)
	case prompt.Image:
		return misuse("%q is an image and not text: name it under \"images\" of the message", t.text)
	}
	if !p.sure {
		l.fault(Fault{Kind: Absent, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("%q may be absent where it is printed", t.text)})
		return true
	}
	return l.emit(prompt.Op{Code: prompt.Print, Frame: p.frame, Path: p.path}, t)
}

func (l *lowerer) section(t *token) (open, bool) {
	o := open{tok: *t}
	if l.depth++; l.depth >= prompt.MaxDepth {
		l.fault(Fault{Kind: TooLarge, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("sections are more than %d deep", prompt.MaxDepth-1)})
		return o, false
	}
	p, ok := l.find(t)
	if !ok {
		l.muted++
		o.mute = true
		return o, true
	}
	op := prompt.Op{Code: prompt.If, Frame: p.frame, Path: p.path}
	switch typ := &l.in.Types[p.typ]; {
	case t.kind == inverted && p.sure && typ.Kind != prompt.Boolean && typ.Kind != prompt.Array:
		l.fault(Fault{Kind: Misuse, At: t.at, Length: t.end - t.at,
			Text: fmt.Sprintf("%q is %s that is always there: what stands in {{^%s}} would never be written", t.text, article(typ.Kind), t.text)})
		return o, true
	case t.kind == inverted:
		op.Code = prompt.Unless
	case typ.Kind == prompt.Array:
		op.Code = prompt.Each
		l.frames++
		l.scopes = append(l.scopes, scope{typ: typ.Items, frame: l.frames, item: true})
		o.framed = true
	case typ.Kind == prompt.Object:
		op.Code = prompt.With
		l.frames++
		l.scopes = append(l.scopes, scope{typ: p.typ, frame: l.frames})
		o.framed = true
	case typ.Kind == prompt.Boolean:
	case p.sure:
		l.fault(Fault{Kind: Misuse, At: t.at, Length: t.end - t.at,
			Text: fmt.Sprintf("%q is %s that is always there, and a section is over a boolean, a list, an object or what may be absent", t.text, article(typ.Kind))})
		return o, true
	}
	if t.kind == section {
		l.known = append(l.known, p.key())
		o.known = true
	}
	return o, l.emit(op, t)
}

func (l *lowerer) close(o open, t *token) {
	l.depth--
	if o.mute {
		l.muted--
	}
	if o.framed {
		l.frames--
		l.scopes = l.scopes[:len(l.scopes)-1]
	}
	if o.known {
		l.known = l.known[:len(l.known)-1]
	}
	if len(l.faults) == 0 {
		l.emit(prompt.Op{Code: prompt.Close}, t)
	}
}

func (l *lowerer) partial(t *token) bool {
	text, ok := l.lib.Partial(t.text)
	if !ok {
		f := Fault{Kind: Missing, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("partial %q is not defined", t.text)}
		names := l.lib.Names()
		f.Near, _ = diag.Nearest(t.text, names)
		switch {
		case len(names) == 0:
			f.Note = "no partial is defined"
		case f.Near == "":
			f.Note = "partials: " + strings.Join(names[:min(len(names), 8)], ", ")
		}
		l.fault(f)
		return true
	}
	if i := slices.Index(l.stack, t.text); i >= 0 {
		l.fault(Fault{Kind: Cyclic, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("partial %q includes itself", t.text),
			Note: "by way of " + strings.Join(append(slices.Clone(l.stack[i:]), t.text), " → ")})
		return false
	}
	if l.laid++; l.laid > maxPartials {
		l.fault(Fault{Kind: TooLarge, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("partials are laid out more than %d times", maxPartials)})
		return false
	}
	if len(l.stack) >= prompt.MaxDepth {
		l.fault(Fault{Kind: TooLarge, At: t.at, Length: t.end - t.at, Text: fmt.Sprintf("partials are more than %d deep", prompt.MaxDepth)})
		return false
	}
	if l.included != nil {
		l.included(t.text)
	}
	l.stack = append(l.stack, t.text)
	if t.alone {
		text = strings.TrimSuffix(text, "\n")
	}
	ok = l.text(text)
	l.stack = l.stack[:len(l.stack)-1]
	return ok
}

// Names returns the partials that a text includes, as far as it can be read.
func Names(text string) []string {
	tokens, _ := scan(text)
	var list []string
	for _, t := range tokens {
		if t.kind == partial {
			list = append(list, t.text)
		}
	}
	return list
}
