package openapi

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// The JSON reader exists for positions: encoding/json has none, and a YAML parser, which could read most JSON,
// refuses surrogate escapes and is ten times slower on the documents of several megabytes that are usual as JSON.

// maxDepth is how deep values may nest in a document. Real documents stay under 60.
const maxDepth = 300

// parseJSON reads a JSON text (RFC 8259, UTF-8, an optional byte order mark). Duplicate keys are a fault: two
// readers would disagree about what the document says.
func parseJSON(file string, src []byte) (*tree, *fault) {
	if f := validText(src); f != nil {
		return nil, f
	}
	t := &tree{file: file, src: src, digest: digestOf(src), nodes: make([]node, 0, 8+len(src)/24)}
	p := jsonParser{adder: adder{t: t}, s: unsafe.String(unsafe.SliceData(src), len(src))}
	p.i = len(p.s) - len(strings.TrimPrefix(p.s, "\ufeff"))
	p.space()
	if f := p.value("", extent{}, 0); f != nil {
		return nil, f
	}
	if p.space(); p.i < len(p.s) {
		return nil, p.failf(p.i, "%s after the end of the document", p.found())
	}
	return t, nil
}

type jsonParser struct {
	adder
	s string // the same bytes as the tree's source; strings of nodes are parts of it
	i int
}

func (p *jsonParser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// found names what stands at the current place, for messages.
func (p *jsonParser) found() string {
	if p.i >= len(p.s) {
		return "end of file"
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.i:])
	return strconv.QuoteRune(r)
}

func (p *jsonParser) failf(at int, format string, args ...any) *fault {
	_, n := utf8.DecodeRuneInString(p.s[min(at, len(p.s)):])
	return &fault{code: codeSyntax, summary: "not valid JSON: " + fmt.Sprintf(format, args...), at: extent{int32(at), int32(at + n)}}
}

// value reads one value and appends its node; key and keyAt are of the member that it belongs to.
func (p *jsonParser) value(key string, keyAt extent, depth int) *fault {
	if depth > maxDepth {
		return &fault{code: codeHostile, summary: fmt.Sprintf("the document nests deeper than %d levels", maxDepth), at: extent{int32(p.i), int32(p.i + 1)}}
	}
	if p.i >= len(p.s) {
		return p.failf(p.i, "found end of file, expected a value")
	}
	start := p.i
	switch c := p.s[p.i]; {
	case c == '{':
		return p.object(key, keyAt, depth)
	case c == '[':
		return p.array(key, keyAt, depth)
	case c == '"':
		s, f := p.str()
		if f != nil {
			return f
		}
		p.add(node{kind: kindText, key: key, keyAt: keyAt, value: s, at: extent{int32(start), int32(p.i)}})
		return nil
	case c == '-' || '0' <= c && c <= '9':
		if f := p.number(); f != nil {
			return f
		}
	default:
		word := ""
		for _, w := range [...]string{"true", "false", "null"} {
			if strings.HasPrefix(p.s[p.i:], w) {
				word = w
			}
		}
		if word == "" {
			return p.failf(p.i, "found %s, expected a value", p.found())
		}
		p.i += len(word)
	}
	p.add(node{kind: kindScalar, key: key, keyAt: keyAt, value: p.s[start:p.i], at: extent{int32(start), int32(p.i)}})
	return nil
}

func (p *jsonParser) number() *fault {
	digits := func() bool {
		from := p.i
		for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
			p.i++
		}
		return p.i > from
	}
	start := p.i
	if p.s[p.i] == '-' {
		p.i++
	}
	if p.i < len(p.s) && p.s[p.i] == '0' {
		p.i++
	} else if !digits() {
		return p.failf(p.i, "found %s, expected a digit", p.found())
	}
	if p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		if !digits() {
			return p.failf(p.i, "found %s, expected a digit", p.found())
		}
	}
	if p.i < len(p.s) && (p.s[p.i] == 'e' || p.s[p.i] == 'E') {
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		if !digits() {
			return p.failf(p.i, "found %s, expected a digit", p.found())
		}
	}
	if p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
		return p.failf(start, "a number has a leading zero")
	}
	return nil
}

// str reads the string that begins here. Without escapes the result shares the source's memory.
func (p *jsonParser) str() (string, *fault) {
	start := p.i + 1
	for i := start; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			p.i = i + 1
			return p.s[start:i], nil
		case c == '\\':
			return p.escaped(start, i)
		case c < 0x20:
			return "", p.failf(i, "a control character stands in a string; write it as an escape")
		}
	}
	return "", p.failf(start-1, "the string does not end")
}

// escaped goes on from the first backslash of a string.
func (p *jsonParser) escaped(start, i int) (string, *fault) {
	b := make([]byte, 0, i-start+32)
	b = append(b, p.s[start:i]...)
	for i < len(p.s) {
		c := p.s[i]
		switch {
		case c == '"':
			p.i = i + 1
			return string(b), nil
		case c < 0x20:
			return "", p.failf(i, "a control character stands in a string; write it as an escape")
		case c != '\\':
			b = append(b, c)
			i++
			continue
		}
		if i+1 >= len(p.s) {
			break
		}
		switch e := p.s[i+1]; e {
		case '"', '\\', '/':
			b = append(b, e)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := hex4(p.s[i+2:])
			if !ok {
				return "", p.failf(i, `\u needs four hexadecimal digits`)
			}
			i += 4
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if strings.HasPrefix(p.s[i+2:], `\u`) {
					low, ok = hex4(p.s[i+4:])
				}
				if both := utf16.DecodeRune(r, low); ok && both != utf8.RuneError {
					r = both
					i += 6
				} else {
					r = utf8.RuneError
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			return "", p.failf(i, "%s is no escape", strconv.Quote(p.s[i:i+2]))
		}
		i += 2
	}
	return "", p.failf(start-1, "the string does not end")
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (p *jsonParser) object(key string, keyAt extent, depth int) *fault {
	self := p.add(node{kind: kindObject, key: key, keyAt: keyAt, at: extent{int32(p.i), int32(p.i + 1)}})
	p.i++
	last := none
	seen := duplicates{t: p.t}
	for p.space(); ; p.space() {
		if p.i < len(p.s) && p.s[p.i] == '}' && last == none {
			break
		}
		if p.i >= len(p.s) || p.s[p.i] != '"' {
			return p.failf(p.i, "found %s, expected a key in double quotes", p.found())
		}
		at := extent{start: int32(p.i)}
		k, f := p.str()
		if f != nil {
			return f
		}
		at.end = int32(p.i)
		if p.space(); p.i >= len(p.s) || p.s[p.i] != ':' {
			return p.failf(p.i, "found %s, expected ':' after a key", p.found())
		}
		p.i++
		p.space()
		c := int32(len(p.t.nodes))
		if f := p.value(k, at, depth+1); f != nil {
			return f
		}
		if f := seen.add(self, c); f != nil {
			return f
		}
		p.link(self, last, c)
		last = c
		if p.space(); p.i < len(p.s) && p.s[p.i] == ',' {
			p.i++
			continue
		}
		if p.i < len(p.s) && p.s[p.i] == '}' {
			break
		}
		return p.failf(p.i, "found %s, expected ',' or '}'", p.found())
	}
	p.i++
	return nil
}

func (p *jsonParser) array(key string, keyAt extent, depth int) *fault {
	self := p.add(node{kind: kindArray, key: key, keyAt: keyAt, at: extent{int32(p.i), int32(p.i + 1)}})
	p.i++
	last := none
	for p.space(); ; p.space() {
		if p.i < len(p.s) && p.s[p.i] == ']' && last == none {
			break
		}
		c := int32(len(p.t.nodes))
		if f := p.value("", extent{}, depth+1); f != nil {
			return f
		}
		p.link(self, last, c)
		last = c
		if p.space(); p.i < len(p.s) && p.s[p.i] == ',' {
			p.i++
			continue
		}
		if p.i < len(p.s) && p.s[p.i] == ']' {
			break
		}
		return p.failf(p.i, "found %s, expected ',' or ']'", p.found())
	}
	p.i++
	return nil
}

// duplicates finds a key that stands twice in one object. Few keys are compared one by one, many through a map.
type duplicates struct {
	t    *tree
	seen map[string]int32
}

// add takes the member c of the object parent, which holds the members before it.
func (d *duplicates) add(parent, c int32) *fault {
	key := d.t.nodes[c].key
	n := &d.t.nodes[parent]
	first := none
	if n.childCount < 12 {
		for m := n.child; m != none; m = d.t.nodes[m].next {
			if d.t.nodes[m].key == key {
				first = m
			}
		}
	} else {
		if d.seen == nil {
			d.seen = make(map[string]int32, 32)
			for m := n.child; m != none; m = d.t.nodes[m].next {
				d.seen[d.t.nodes[m].key] = m
			}
		}
		if m, ok := d.seen[key]; ok {
			first = m
		}
		d.seen[key] = c
	}
	if first == none {
		return nil
	}
	return &fault{code: codeDuplicateKey, summary: fmt.Sprintf("key %q stands twice in one object", key), at: d.t.nodes[c].keyAt,
		other: d.t.nodes[first].keyAt, otherAs: "first here", help: "remove or rename one of the two"}
}
