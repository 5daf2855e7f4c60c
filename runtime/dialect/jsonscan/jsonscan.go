// Package jsonscan reads JSON bodies in place.
//
// What enters is a body as a caller or provider sent it; what leaves is either the proof that it is one valid JSON
// text in which no object has two members of the same name, or an [Error] that names the byte and the reason. [Chat]
// finds, in that same pass, the few top-level members that the gateway needs of a chat request, and [Splice] changes
// them without touching any other byte, so that a call in the same dialect goes through as it was written.
//
// The invariant: whatever two JSON readers could understand differently is refused. That covers repeated names at
// every depth (compared as decoded text: "model" and "mod\u0065l" are one name), invalid UTF-8, lone surrogates,
// bytes after the value and nesting beyond a limit. A gateway that took the first of two "model" members while the
// provider takes the last would check one model and pay for another.
//
// Refused alternatives: decoding into a tree costs 20 to 40 times as much; looking up single paths (gjson and
// others) takes one of two equal names without a word. Nothing here allocates for a body that is accepted; the names
// of objects with many members spill into a pooled hash table with a random seed, so that no body is quadratic.
package jsonscan

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"
	"unicode/utf8"
)

// MaxDepth is how deeply objects and arrays may be nested for [Chat], [Check] and [Valid].
const MaxDepth = 64

// Error says why a body was refused. Offset counts bytes from 0. Reason is one lower-case phrase. Param is the
// top-level member at fault where the JSON itself is fine and a member has the wrong type, else "".
type Error struct {
	Offset int
	Reason string
	Param  string
}

// Error returns the reason with its place.
func (e *Error) Error() string {
	if e.Param != "" {
		return e.Reason
	}
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.Reason)
}

// Span is a half-open range of bytes of the scanned body.
type Span struct{ Start, End int }

// Len returns the number of bytes.
func (s Span) Len() int { return s.End - s.Start }

// ChatHead is what [Chat] finds of a chat request. Spans point into the scanned body.
type ChatHead struct {
	// Model is the decoded value of "model". It aliases the body where the value has no escape sequences; else it
	// is a copy that the next use of the ChatHead overwrites.
	Model     []byte
	ModelSpan Span // the value with its quotes
	HasModel  bool

	Stream bool // "stream" is true

	StreamOptions    Span // the value: an object or null
	HasStreamOptions bool
	IncludeUsage     bool // "stream_options.include_usage" is true
	includeUsage     Span // its value, where present

	close    int // offset of the closing brace
	empty    bool
	unquoted []byte
}

// Check reports whether body is exactly one valid JSON text without repeated names, at most [MaxDepth] deep. The
// error is an [*Error].
func Check(body []byte) error { return CheckDepth(body, MaxDepth) }

// CheckDepth is [Check] with another limit of nesting.
func CheckDepth(body []byte, depth int) error {
	s := scanners.Get().(*scanner)
	err := s.scan(body, nil, depth, true)
	s.release()
	if err != nil {
		return err
	}
	return nil
}

// Valid reports whether body has the grammar of one JSON text, at most [MaxDepth] deep. It is for answers of
// providers, which are read leniently: of two equal names the last one counts, and what is not Unicode (invalid
// UTF-8, half a surrogate pair where a provider cut a character in two) becomes U+FFFD.
func Valid(body []byte) error {
	s := scanners.Get().(*scanner)
	err := s.scan(body, nil, MaxDepth, false)
	s.release()
	if err != nil {
		return err
	}
	return nil
}

// Chat checks body as [Check] does and fills out with what it says at the top level. A body that is not an object,
// a "model" that is not a string, a "stream" that is not a boolean and "stream_options" that are not an object are
// errors too (null is taken as absent, except for "model"). The error is an [*Error].
func Chat(body []byte, out *ChatHead) error {
	*out = ChatHead{unquoted: out.unquoted[:0]}
	s := scanners.Get().(*scanner)
	err := s.scan(body, out, MaxDepth, true)
	s.release()
	if err != nil {
		return err
	}
	return nil
}

// Edit replaces body[Start:End] by New. Start == End inserts.
type Edit struct {
	Start, End int
	New        []byte
}

// Splice appends body to dst with the edits applied. Edits may come in any order and must not overlap; the slice of
// edits is sorted in place.
func Splice(dst, body []byte, edits ...Edit) []byte {
	for i := 1; i < len(edits); i++ {
		for j := i; j > 0 && edits[j].Start < edits[j-1].Start; j-- {
			edits[j], edits[j-1] = edits[j-1], edits[j]
		}
	}
	at := 0
	for _, e := range edits {
		dst = append(dst, body[at:e.Start]...)
		dst = append(dst, e.New...)
		at = e.End
	}
	return append(dst, body[at:]...)
}

var (
	memberUsage      = []byte(`"stream_options":{"include_usage":true}`)
	memberUsageAfter = []byte(`,"stream_options":{"include_usage":true}`)
	optionsUsage     = []byte(`{"include_usage":true}`)
	optionUsage      = []byte(`"include_usage":true`)
	optionUsageComma = []byte(`"include_usage":true,`)
	valueTrue        = []byte(`true`)
)

// ReplaceModel is the edit that puts another value in the place of "model". quoted is a JSON string with its quotes
// (see [AppendString]). It needs HasModel.
func (h *ChatHead) ReplaceModel(quoted []byte) Edit {
	return Edit{h.ModelSpan.Start, h.ModelSpan.End, quoted}
}

// RequestUsage is the edit that makes body ask for usage in its stream (stream_options.include_usage), and whether
// one is needed. body is the one that was scanned.
func (h *ChatHead) RequestUsage(body []byte) (e Edit, needed bool) {
	switch {
	case h.IncludeUsage:
		return Edit{}, false
	case h.includeUsage.Len() > 0:
		return Edit{h.includeUsage.Start, h.includeUsage.End, valueTrue}, true
	case h.HasStreamOptions && body[h.StreamOptions.Start] == '{':
		at := h.StreamOptions.Start + 1
		if body[skipSpace(body, at)] == '}' {
			return Edit{at, at, optionUsage}, true
		}
		return Edit{at, at, optionUsageComma}, true
	case h.HasStreamOptions:
		return Edit{h.StreamOptions.Start, h.StreamOptions.End, optionsUsage}, true
	case h.empty:
		return Edit{h.close, h.close, memberUsage}, true
	default:
		return Edit{h.close, h.close, memberUsageAfter}, true
	}
}

// linear is the number of members up to which an object's names are compared one by one.
const linear = 16

// entry is a member's name in an open object. The text is body[off:off+n], or arena[off:off+n] where it had escapes.
type entry struct {
	sig    uint64
	off, n uint32
	arena  bool
}

// slot is a place of the hash table that holds the names of all objects with more than linear members. object 0 is
// an empty place; numbers of objects are never used twice within a body, so nothing is ever deleted.
type slot struct {
	hash   uint64
	off, n uint32
	object uint32
	arena  bool
}

// frame is an open object or array.
type frame struct {
	isObject bool
	spilled  bool
	base     uint32 // first entry in names
	object   uint32
}

type scanner struct {
	frames  []frame
	names   []entry
	table   []slot
	used    int
	objects uint32
	arena   []byte
	seed    maphash.Seed
}

var scanners = sync.Pool{New: func() any {
	return &scanner{
		frames: make([]frame, 0, MaxDepth),
		names:  make([]entry, 0, 4*linear),
		seed:   maphash.MakeSeed(),
	}
}}

// release returns s to the pool without the memory that only a hostile body needs.
func (s *scanner) release() {
	if len(s.table) > 1<<12 {
		s.table = nil
	} else if s.used > 0 {
		clear(s.table)
	}
	if cap(s.arena) > 1<<14 {
		s.arena = nil
	}
	s.used, s.objects = 0, 0
	s.frames, s.names, s.arena = s.frames[:0], s.names[:0], s.arena[:0]
	scanners.Put(s)
}

const (
	fieldNone = iota
	fieldModel
	fieldStream
	fieldStreamOptions
)

// scan is the one pass. It is one function with labels because it is one automaton: value, after a value, member.
func (s *scanner) scan(b []byte, h *ChatHead, maxDepth int, strict bool) *Error {
	if len(b) > 1<<31-1 {
		return &Error{0, "larger than 2 GiB", ""}
	}
	if strict && !utf8.Valid(b) {
		return &Error{invalidUTF8(b), "invalid UTF-8", ""}
	}
	var (
		i          int
		end        int
		escaped    bool
		err        *Error
		field      int // the top-level member whose value is being read
		fieldStart int
		top        *frame
	)
	i = skipSpace(b, 0)
	if i == len(b) {
		return &Error{i, "empty", ""}
	}
	if h != nil && b[i] != '{' {
		return &Error{i, "a JSON object is expected", ""}
	}

value:
	if i >= len(b) {
		return &Error{i, "the text ends where a value is expected", ""}
	}
	switch c := b[i]; {
	case c == '"':
		if i, _, err = scanString(b, i, strict); err != nil {
			return err
		}
	case c == '{' || c == '[':
		if len(s.frames) >= maxDepth {
			return &Error{i, fmt.Sprintf("nested deeper than %d", maxDepth), ""}
		}
		if c == '[' {
			s.frames = append(s.frames, frame{})
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] == ']' {
				i++
				s.frames = s.frames[:len(s.frames)-1]
				goto after
			}
			goto value
		}
		s.objects++
		s.frames = append(s.frames, frame{isObject: true, base: uint32(len(s.names)), object: s.objects})
		i = skipSpace(b, i+1)
		if i < len(b) && b[i] == '}' {
			if h != nil && len(s.frames) == 1 {
				h.close, h.empty = i, true
			}
			i++
			s.frames = s.frames[:len(s.frames)-1]
			goto after
		}
		goto member
	case c == 't':
		if len(b)-i < 4 || string(b[i:i+4]) != "true" {
			return &Error{i, "a misspelt literal", ""}
		}
		i += 4
	case c == 'f':
		if len(b)-i < 5 || string(b[i:i+5]) != "false" {
			return &Error{i, "a misspelt literal", ""}
		}
		i += 5
	case c == 'n':
		if len(b)-i < 4 || string(b[i:i+4]) != "null" {
			return &Error{i, "a misspelt literal", ""}
		}
		i += 4
	case c == '-' || '0' <= c && c <= '9':
		if i, err = scanNumber(b, i); err != nil {
			return err
		}
	default:
		return &Error{i, "a value is expected", ""}
	}

after:
	if len(s.frames) == 0 {
		if i = skipSpace(b, i); i < len(b) {
			return &Error{i, "bytes after the end of the value", ""}
		}
		return nil
	}
	if field != fieldNone && len(s.frames) == 1 {
		if err = h.take(b, field, Span{fieldStart, i}); err != nil {
			return err
		}
		field = fieldNone
	}
	if i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if i >= len(b) {
		return &Error{i, "the text ends inside an object or array", ""}
	}
	top = &s.frames[len(s.frames)-1]
	switch c := b[i]; {
	case c == ',':
		i++
		if i < len(b) && b[i] <= ' ' {
			i = skipSpace(b, i)
		}
		if top.isObject {
			goto member
		}
		goto value
	case c == '}' && top.isObject:
		if h != nil && len(s.frames) == 1 {
			h.close = i
		}
		i++
		s.names = s.names[:top.base]
		s.frames = s.frames[:len(s.frames)-1]
		goto after
	case c == ']' && !top.isObject:
		i++
		s.frames = s.frames[:len(s.frames)-1]
		goto after
	case top.isObject:
		return &Error{i, "a comma or closing brace is expected", ""}
	default:
		return &Error{i, "a comma or closing bracket is expected", ""}
	}

member:
	if i >= len(b) {
		return &Error{i, "the text ends inside an object or array", ""}
	}
	if b[i] != '"' {
		return &Error{i, "a member's name in quotes is expected", ""}
	}
	end, escaped, err = scanString(b, i, strict)
	if err != nil {
		return err
	}
	if strict {
		var name []byte
		if name, err = s.name(b, i+1, end-1, escaped); err != nil {
			return err
		}
		if h != nil && len(s.frames) == 1 {
			switch string(name) {
			case "model":
				field = fieldModel
			case "stream":
				field = fieldStream
			case "stream_options":
				field = fieldStreamOptions
			}
		}
	}
	i = skipSpace(b, end)
	if i >= len(b) || b[i] != ':' {
		return &Error{i, "a colon is expected", ""}
	}
	i++
	if i < len(b) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if field != fieldNone && len(s.frames) == 1 {
		fieldStart = i
	}
	goto value
}

// take notes the value of a top-level member.
func (h *ChatHead) take(b []byte, field int, v Span) *Error {
	c := b[v.Start]
	switch field {
	case fieldModel:
		if c != '"' {
			return &Error{v.Start, "model must be a string", "model"}
		}
		h.HasModel, h.ModelSpan = true, v
		h.Model, h.unquoted = Unquote(b[v.Start:v.End], h.unquoted)
	case fieldStream:
		if c != 't' && c != 'f' && c != 'n' {
			return &Error{v.Start, "stream must be a boolean", "stream"}
		}
		h.Stream = c == 't'
	case fieldStreamOptions:
		if c != '{' && c != 'n' {
			return &Error{v.Start, "stream_options must be an object", "stream_options"}
		}
		h.HasStreamOptions, h.StreamOptions = true, v
		if c == 'n' {
			return nil
		}
		cur := Cursor{B: b[:v.End], I: v.Start}
		cur.Enter()
		for cur.More() {
			k := cur.Key()
			at := cur.I
			raw := cur.Skip()
			if string(k) != "include_usage" {
				var buf [len("include_usage")]byte
				if d, _ := unescape(k, buf[:0]); string(d) != "include_usage" {
					continue
				}
			}
			if c := raw[0]; c != 't' && c != 'f' && c != 'n' {
				return &Error{at, "stream_options.include_usage must be a boolean", "stream_options.include_usage"}
			}
			h.IncludeUsage = raw[0] == 't'
			h.includeUsage = Span{cur.I - len(raw), cur.I}
		}
	}
	return nil
}

// name enters the name b[off:end] into the innermost object and refuses it if it is already there. It returns the
// name decoded.
func (s *scanner) name(b []byte, off, end int, escaped bool) ([]byte, *Error) {
	f := &s.frames[len(s.frames)-1]
	e := entry{off: uint32(off), n: uint32(end - off)}
	key := b[off:end]
	if escaped {
		at := len(s.arena)
		_, s.arena = unescape(key, s.arena)
		e = entry{off: uint32(at), n: uint32(len(s.arena) - at), arena: true}
		key = s.arena[at:]
	}
	if f.spilled {
		if s.insert(b, e, f.object, key) {
			return nil, repeated(off-1, key)
		}
		return key, nil
	}
	e.sig = signature(key)
	open := s.names[f.base:]
	for j := range open {
		if open[j].sig == e.sig && open[j].n == e.n && string(s.text(b, open[j].off, open[j].n, open[j].arena)) == string(key) {
			return nil, repeated(off-1, key)
		}
	}
	if len(open) < linear {
		s.names = append(s.names, e)
		return key, nil
	}
	for _, o := range open {
		s.insert(b, o, f.object, s.text(b, o.off, o.n, o.arena))
	}
	s.insert(b, e, f.object, key)
	f.spilled = true
	s.names = s.names[:f.base]
	return key, nil
}

func repeated(off int, key []byte) *Error {
	if len(key) > 64 {
		key = key[:64]
	}
	return &Error{off, fmt.Sprintf("the name %q stands twice in one object", key), ""}
}

func (s *scanner) text(b []byte, off, n uint32, arena bool) []byte {
	if arena {
		b = s.arena
	}
	return b[off : off+n]
}

// insert puts a name of a large object into the table and reports whether it was there.
func (s *scanner) insert(b []byte, e entry, object uint32, key []byte) bool {
	if s.used*2 >= len(s.table) {
		s.grow()
	}
	hash := maphash.Bytes(s.seed, key) ^ uint64(object)*0x9e3779b97f4a7c15
	mask := uint64(len(s.table) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		t := &s.table[at]
		if t.object == 0 {
			*t = slot{hash, e.off, e.n, object, e.arena}
			s.used++
			return false
		}
		if t.hash == hash && t.object == object && t.n == e.n && string(s.text(b, t.off, t.n, t.arena)) == string(key) {
			return true
		}
	}
}

func (s *scanner) grow() {
	old := s.table
	s.table = make([]slot, max(256, 2*len(old)))
	mask := uint64(len(s.table) - 1)
	for _, t := range old {
		if t.object == 0 {
			continue
		}
		at := t.hash & mask
		for s.table[at].object != 0 {
			at = (at + 1) & mask
		}
		s.table[at] = t
	}
}

// signature tells most different names apart by their length and first and last eight bytes.
func signature(key []byte) uint64 {
	n := len(key)
	if n >= 8 {
		return binary.LittleEndian.Uint64(key) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(key[n-8:]), 29)
	}
	var x uint64
	for _, c := range key {
		x = x<<8 | uint64(c)
	}
	return x
}

func skipSpace(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\t', '\n', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainRun returns the offset of the first byte at or after i that is a quote, a backslash or a control character.
// Eight bytes are tested at a time; of the bits found, the lowest is exact.
func plainRun(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		quote := x ^ ones*'"'
		slash := x ^ ones*'\\'
		m := ((x-ones*0x20)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & highs
		if m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// scanString reads the string that begins with the quote at i and returns the offset after its closing quote.
func scanString(b []byte, i int, strict bool) (end int, escaped bool, err *Error) {
	for i++; ; {
		i = plainRun(b, i)
		if i >= len(b) {
			return i, escaped, &Error{i, "the text ends inside a string", ""}
		}
		switch b[i] {
		case '"':
			return i + 1, escaped, nil
		case '\\':
			escaped = true
			n, reason := escape(b[i:], strict)
			if reason != "" {
				return i, true, &Error{i, reason, ""}
			}
			i += n
		default:
			return i, escaped, &Error{i, "a control character inside a string", ""}
		}
	}
}

// escape returns the length of the escape sequence at the beginning of b: 2, 6, or 12 for a pair of surrogates. Only
// strict reading refuses half a pair.
func escape(b []byte, strict bool) (n int, reason string) {
	if len(b) < 2 {
		return 0, "the text ends inside a string"
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, ""
	case 'u':
		r := hex4(b[2:])
		switch {
		case r < 0:
			return 0, "a malformed \\u escape"
		case r < 0xd800 || r > 0xdfff || !strict:
			return 6, ""
		case r > 0xdbff:
			return 0, "half of a surrogate pair alone"
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0, "half of a surrogate pair alone"
		}
		if low := hex4(b[8:]); low < 0xdc00 || low > 0xdfff {
			return 0, "half of a surrogate pair alone"
		}
		return 12, ""
	}
	return 0, "an unknown escape sequence"
}

// hex4 reads four hexadecimal digits; -1 if there are none.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// scanNumber reads a number by the grammar of RFC 8259 §6.
func scanNumber(b []byte, i int) (int, *Error) {
	start := i
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	default:
		return i, &Error{start, "a malformed number", ""}
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			return i, &Error{start, "a malformed number", ""}
		}
		i = j
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			return i, &Error{start, "a malformed number", ""}
		}
		i = j
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}
