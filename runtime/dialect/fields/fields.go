// Package fields reads the fields of a request's body for the dialects that callers speak.
//
// A body that [jsonscan.Check] accepted enters; what leaves is what the dialect asked for, field by field, or one
// [Fault] that says where and why. The caller of a [Reader] walks the body in one pass and in any order of fields:
//
//	for ok := r.Object(); ok && r.More(); {
//		switch string(r.Key()) {
//		case "model":
//			r.String(&model)
//		case "messages":
//			for ok := r.Array(); ok && r.More(); {
//				…
//			}
//		default:
//			r.Skip()
//		}
//	}
//	return r.Fault()
//
// The first fault sticks: from then on every loop ends and every read does nothing, so that the code of a dialect
// needs no checks between the reads. The place of a fault is only written where there is one, in the dialect's own
// words (OpenAI writes messages[0].content, Anthropic messages.0.content).
//
// Decoding into structs was refused: it costs several times as much, takes the last of what stands twice and says
// nothing of places.
package fields

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// Step is one part of a place: a field's name as it stands in the body, or the index of an element.
type Step struct {
	Name  string // "" for an element
	Index int
}

// Path is the place of a value in a body.
type Path []Step

// Dotted writes the place with dots: messages.0.content.
func (p Path) Dotted() string {
	var b []byte
	for i, s := range p {
		if i > 0 {
			b = append(b, '.')
		}
		if s.Name != "" {
			b = append(b, s.Name...)
		} else {
			b = strconv.AppendInt(b, int64(s.Index), 10)
		}
	}
	return string(b)
}

// Indexed writes the place with brackets: messages[0].content.
func (p Path) Indexed() string {
	var b []byte
	for i, s := range p {
		switch {
		case s.Name == "":
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(s.Index), 10)
			b = append(b, ']')
			continue
		case i > 0:
			b = append(b, '.')
		}
		b = append(b, s.Name...)
	}
	return string(b)
}

// Kind says what is wrong with a value.
type Kind uint8

const (
	Missing Kind = iota + 1 // it is not there
	Type                    // it has another type than Want
	Value                   // it is none of those that are allowed: Want says which
	Below                   // it is a whole number below Want
	Range                   // it is a number outside of Want
	Other                   // Want is a whole sentence
)

// Fault is what is wrong with a body: one place, one reason.
type Fault struct {
	Path Path
	Kind Kind
	Want string // "a string", "'auto' or 'none'", "at least 1"
	Got  string // what stands there: "an object", "'x'", "0"; shortened
	Code string // of a fault of kind Other: the dialect's own word for it, if it has one
}

// Reader reads one body. The zero value is not usable; see [Over]. It shares memory with the body, what it returns
// as strings does not.
type Reader struct {
	c      jsonscan.Cursor
	frames []frame
	room   [8]frame
	name   []byte // buffer of names with escape sequences
	buf    []byte // buffer of strings with escape sequences
	fault  *Fault
}

// frame is an object or array that is being read.
type frame struct {
	array   bool
	swapped bool   // before is where the cursor goes on when this frame ends
	root    string // of a frame read from a raw value: its name below the frame above
	key     []byte // of an object: the current member, as written; nil before the first
	index   int    // of an array: the current element; -1 before the first
	before  jsonscan.Cursor
}

// Over returns a reader that stands before the body's value.
func Over(body []byte) *Reader {
	r := &Reader{c: jsonscan.Over(body)}
	r.frames = r.room[:0]
	return r
}

// Fault returns what was wrong, nil if nothing was.
func (r *Reader) Fault() *Fault { return r.fault }

// Kind returns the first byte of the value that comes next, 0 after a fault.
func (r *Reader) Kind() byte {
	if r.fault != nil {
		return 0
	}
	return r.c.Kind()
}

// Null passes over a null and reports whether there was one.
func (r *Reader) Null() bool {
	if r.Kind() != 'n' {
		return false
	}
	r.c.Skip()
	return true
}

// Object goes into the object that comes next. A null is passed over like an object without members, which is what
// the APIs take it for.
func (r *Reader) Object() bool { return r.enter('{', false, "an object") }

// Array goes into the array that comes next; a null is passed over.
func (r *Reader) Array() bool { return r.enter('[', true, "an array") }

func (r *Reader) enter(open byte, array bool, want string) bool {
	if r.fault != nil || r.Null() {
		return false
	}
	if r.c.Kind() != open {
		r.wrongType(want)
		return false
	}
	r.c.Enter()
	r.frames = append(r.frames, frame{array: array, index: -1})
	return true
}

// ObjectIn goes into a raw value of an object whose members have all been read, for fields that can only be understood
// when others are known. name is its name in that object; a dot separates the names of deeper ones.
func (r *Reader) ObjectIn(name string, raw []byte) bool {
	return r.enterRaw(name, raw, '{', false, "an object")
}

// ArrayIn is [Reader.ObjectIn] for an array.
func (r *Reader) ArrayIn(name string, raw []byte) bool {
	return r.enterRaw(name, raw, '[', true, "an array")
}

func (r *Reader) enterRaw(name string, raw []byte, open byte, array bool, want string) bool {
	if r.fault != nil || len(raw) == 0 || raw[0] == 'n' {
		return false
	}
	if raw[0] != open {
		r.WrongType(name, raw, want)
		return false
	}
	r.frames = append(r.frames, frame{array: array, index: -1, root: name, swapped: true, before: r.c})
	r.c = jsonscan.Over(raw)
	r.c.Enter()
	return true
}

// More stands before the next member or element of the innermost frame; where there is none it leaves the frame and
// reports false.
func (r *Reader) More() bool {
	if r.fault != nil {
		return false
	}
	f := &r.frames[len(r.frames)-1]
	if !r.c.More() {
		if f.swapped {
			r.c = f.before
		}
		r.frames = r.frames[:len(r.frames)-1]
		return false
	}
	f.index++
	return true
}

// Key returns the member's name and stands before its value. The bytes are valid until the next call.
func (r *Reader) Key() []byte {
	if r.fault != nil {
		return nil
	}
	var key []byte
	key, r.name = r.c.KeyText(r.name)
	f := &r.frames[len(r.frames)-1]
	if f.key = key; len(key) > 0 && len(r.name) > 0 && &key[0] == &r.name[0] {
		f.key = bytes.Clone(key) // an escaped name stands in the buffer, which the next one overwrites
	}
	return key
}

// Index returns the index of the element of the innermost array.
func (r *Reader) Index() int { return r.frames[len(r.frames)-1].index }

// Skip passes over the value that comes next.
func (r *Reader) Skip() {
	if r.fault == nil {
		r.c.Skip()
	}
}

// Raw passes over the value that comes next and returns it as written, nil for null.
func (r *Reader) Raw() []byte {
	if r.fault != nil {
		return nil
	}
	raw := r.c.Skip()
	if len(raw) == 0 || raw[0] == 'n' {
		return nil
	}
	return raw
}

// RawOrNull is [Reader.Raw] without regard for null.
func (r *Reader) RawOrNull() []byte {
	if r.fault != nil {
		return nil
	}
	return r.c.Skip()
}

// RawObject is [Reader.Raw] for a value that must be an object. The bytes are a copy.
func (r *Reader) RawObject() []byte {
	if r.fault != nil || r.Null() {
		return nil
	}
	if r.c.Kind() != '{' {
		r.wrongType("an object")
		return nil
	}
	return append([]byte(nil), r.c.Skip()...)
}

// String reads a string into to; null leaves it as it is.
func (r *Reader) String(to *string) {
	if r.fault != nil || r.Null() {
		return
	}
	if r.c.Kind() != '"' {
		r.wrongType("a string")
		return
	}
	var s []byte
	s, r.buf, _ = r.c.Text(r.buf)
	*to = string(s)
}

// Word reads a string that is usually one of those known, which are not copied.
func (r *Reader) Word(to *string, known ...string) { r.word(to, known) }

func (r *Reader) word(to *string, known []string) bool {
	if r.fault != nil || r.Null() {
		return true
	}
	if r.c.Kind() != '"' {
		r.wrongType("a string")
		return true
	}
	var s []byte
	s, r.buf, _ = r.c.Text(r.buf)
	for _, k := range known {
		if string(s) == k {
			*to = k
			return true
		}
	}
	*to = string(s)
	return false
}

// Enum reads a string that must be one of those given.
func (r *Reader) Enum(to *string, allowed ...string) {
	var s string
	switch known := r.word(&s, allowed); {
	case known && s != "":
		*to = s
	case !known && s != "":
		r.WrongValue(s, allowed...)
	}
}

// Bool reads true or false; null leaves to as it is.
func (r *Reader) Bool(to **bool) {
	if r.fault != nil || r.Null() {
		return
	}
	switch r.c.Kind() {
	case 't', 'f':
		*to = new(r.c.Skip()[0] == 't')
	default:
		r.wrongType("a boolean")
	}
}

// Int reads a whole number of at least least.
func (r *Reader) Int(to **int64, least int64) {
	if r.fault != nil || r.Null() {
		return
	}
	c := r.c
	n, ok := c.Int()
	switch {
	case !ok:
		r.wrongType("an integer")
	case n < least:
		r.fail(Below, "at least "+strconv.FormatInt(least, 10), strconv.FormatInt(n, 10))
	default:
		r.c = c
		*to = &n
	}
}

// Float reads a number from least to most.
func (r *Reader) Float(to **float64, least, most float64) {
	if r.fault != nil || r.Null() {
		return
	}
	if k := r.c.Kind(); k != '-' && (k < '0' || k > '9') {
		r.wrongType("a number")
		return
	}
	raw := string(r.c.Skip())
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f < least || f > most {
		r.fail(Range, "from "+strconv.FormatFloat(least, 'g', -1, 64)+" to "+strconv.FormatFloat(most, 'g', -1, 64), short(raw))
		return
	}
	*to = &f
}

// Text decodes a raw string of an object whose members have all been read; nil is "".
func (r *Reader) Text(name string, raw []byte) string {
	if r.fault != nil || len(raw) == 0 {
		return ""
	}
	if raw[0] != '"' {
		r.WrongType(name, raw, "a string")
		return ""
	}
	var s []byte
	s, r.buf = jsonscan.Unquote(raw, r.buf)
	return string(s)
}

// Missing reports that an object whose members have all been read lacks a field; a dot separates the names of deeper
// ones.
func (r *Reader) Missing(name string) { r.failIn(name, Missing, "", "") }

// WrongType reports a raw value of an object whose members have all been read.
func (r *Reader) WrongType(name string, raw []byte, want string) {
	r.failIn(name, Type, want, typeOf(raw))
}

// FailIn reports, in a whole sentence of the dialect's own, a field of an object whose members have all been read. code
// is the dialect's word for the fault, "" where it has none. An empty name is the object itself.
func (r *Reader) FailIn(name, code, sentence string) {
	if r.failIn(name, Other, sentence, ""); r.fault.Code == "" && r.fault.Want == sentence {
		r.fault.Code = code
	}
}

// WrongValueIn reports a string of an object whose members have all been read that is none of those allowed.
func (r *Reader) WrongValueIn(name, got string, allowed ...string) {
	r.failIn(name, Value, oneOf(allowed), "'"+short(got)+"'")
}

func (r *Reader) failIn(name string, kind Kind, want, got string) {
	if r.fault == nil {
		r.fault = &Fault{Path: named(r.Path(), name), Kind: kind, Want: want, Got: got}
	}
}

// WrongValue reports that the value at which the reader stands, or that it has just read, is none of those allowed.
func (r *Reader) WrongValue(got string, allowed ...string) {
	r.fail(Value, oneOf(allowed), "'"+short(got)+"'")
}

// oneOf writes 'a', 'b' or 'c'.
func oneOf(allowed []string) string {
	want := ""
	for i, a := range allowed {
		switch {
		case i == 0:
		case i == len(allowed)-1:
			want += " or "
		default:
			want += ", "
		}
		want += "'" + a + "'"
	}
	return want
}

// Fail reports a fault at the current place in a whole sentence of the dialect's own, with its word for it.
func (r *Reader) Fail(code, sentence string) {
	if r.fail(Other, sentence, ""); r.fault.Code == "" && r.fault.Want == sentence {
		r.fault.Code = code
	}
}

// WrongTypeHere reports the value that comes next, null included.
func (r *Reader) WrongTypeHere(want string) {
	if r.fault == nil {
		r.wrongType(want)
	}
}

func (r *Reader) wrongType(want string) { r.fail(Type, want, typeOf(r.c.B[min(r.c.I, len(r.c.B)):])) }

func (r *Reader) fail(kind Kind, want, got string) {
	if r.fault == nil {
		r.fault = &Fault{Path: r.Path(), Kind: kind, Want: want, Got: got}
	}
}

// Path returns the current place.
func (r *Reader) Path() Path {
	p := make(Path, 0, len(r.frames)+1)
	for i := range r.frames {
		f := &r.frames[i]
		if f.root != "" {
			p = named(p, f.root)
		}
		switch {
		case f.array && f.index >= 0:
			p = append(p, Step{Index: f.index})
		case f.key != nil:
			p = append(p, Step{Name: string(f.key)})
		}
	}
	return p
}

// In is the place of a field of an object whose members have all been read.
func (r *Reader) In(name string) Path { return named(r.Path(), name) }

func named(p Path, names string) Path {
	if names == "" {
		return p
	}
	for name := range strings.SplitSeq(names, ".") {
		p = append(p, Step{Name: name})
	}
	return p
}

func typeOf(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func short(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}
