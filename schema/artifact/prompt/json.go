package prompt

import (
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// What JSON may hold: objects and arrays this deep, and this many values.
const (
	maxNesting = 64
	maxValues  = 1 << 20
)

// document is a value of JSON as it was written.
type document struct {
	kind  byte // 'n', 't', 'f', '0' (a number), '"', '[', '{'
	text  string
	elems []document
	names []string // of an object, beside elems
}

// SyntaxError is what is wrong with JSON, and where: the byte offset.
type SyntaxError struct {
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// scanner reads JSON as RFC 8259 has it. Names that stand twice in an object, at any depth, lone surrogates and bytes
// that are not UTF-8 are refused: readers do not agree about what they mean.
type scanner struct {
	b      []byte
	at     int
	depth  int
	values int
}

func parse(b []byte) (*document, error) {
	s := &scanner{b: b}
	s.space()
	var d document
	if err := s.value(&d); err != nil {
		return nil, err
	}
	s.space()
	if s.at < len(b) {
		return nil, s.fault("something follows the value")
	}
	return &d, nil
}

func (s *scanner) fault(reason string) error { return &SyntaxError{s.at, reason} }

func (s *scanner) space() {
	for s.at < len(s.b) && (s.b[s.at] == ' ' || s.b[s.at] == '\t' || s.b[s.at] == '\n' || s.b[s.at] == '\r') {
		s.at++
	}
}

func (s *scanner) value(d *document) error {
	if s.values++; s.values > maxValues {
		return s.fault("too many values")
	}
	if s.at >= len(s.b) {
		return s.fault("a value is missing")
	}
	switch c := s.b[s.at]; c {
	case '{', '[':
		if s.depth++; s.depth > maxNesting {
			return s.fault("the nesting is too deep")
		}
		d.kind = c
		s.at++
		err := s.members(d, c == '{')
		s.depth--
		return err
	case '"':
		d.kind = '"'
		var err error
		d.text, err = s.str()
		return err
	case 't':
		d.kind = 't'
		return s.word("true")
	case 'f':
		d.kind = 'f'
		return s.word("false")
	case 'n':
		d.kind = 'n'
		return s.word("null")
	}
	d.kind = '0'
	return s.number(d)
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.at < len(w) || string(s.b[s.at:s.at+len(w)]) != w {
		return s.fault("no value begins so")
	}
	s.at += len(w)
	return nil
}

func (s *scanner) members(d *document, object bool) error {
	end := byte(']')
	var seen map[string]bool
	if object {
		end = '}'
		seen = map[string]bool{}
	}
	s.space()
	if s.at < len(s.b) && s.b[s.at] == end {
		s.at++
		return nil
	}
	for {
		if object {
			s.space()
			if s.at >= len(s.b) || s.b[s.at] != '"' {
				return s.fault("a name is expected")
			}
			name, err := s.str()
			if err != nil {
				return err
			}
			if seen[name] {
				return s.fault(fmt.Sprintf("%s stands twice in one object", strconv.Quote(clip(name))))
			}
			seen[name] = true
			d.names = append(d.names, name)
			s.space()
			if s.at >= len(s.b) || s.b[s.at] != ':' {
				return s.fault(`":" is expected`)
			}
			s.at++
		}
		s.space()
		d.elems = append(d.elems, document{})
		if err := s.value(&d.elems[len(d.elems)-1]); err != nil {
			return err
		}
		s.space()
		switch {
		case s.at < len(s.b) && s.b[s.at] == ',':
			s.at++
		case s.at < len(s.b) && s.b[s.at] == end:
			s.at++
			return nil
		default:
			return s.fault(fmt.Sprintf(`"," or "%c" is expected`, end))
		}
	}
}

// clip shortens what callers wrote for an error that names it.
func clip(s string) string {
	if len(s) <= 64 {
		return s
	}
	i := 64
	for !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}

func (s *scanner) number(d *document) error {
	start := s.at
	digits := func() bool {
		from := s.at
		for s.at < len(s.b) && s.b[s.at] >= '0' && s.b[s.at] <= '9' {
			s.at++
		}
		return s.at > from
	}
	if s.b[s.at] == '-' {
		s.at++
	}
	first := s.at
	if !digits() {
		s.at = start
		return s.fault("no value begins so")
	}
	if s.b[first] == '0' && s.at > first+1 {
		s.at = start
		return s.fault("a number begins with 0")
	}
	if s.at < len(s.b) && s.b[s.at] == '.' {
		s.at++
		if !digits() {
			return s.fault("a digit is expected")
		}
	}
	if s.at < len(s.b) && (s.b[s.at] == 'e' || s.b[s.at] == 'E') {
		s.at++
		if s.at < len(s.b) && (s.b[s.at] == '+' || s.b[s.at] == '-') {
			s.at++
		}
		if !digits() {
			return s.fault("a digit is expected")
		}
	}
	d.text = string(s.b[start:s.at])
	return nil
}

// str reads a string; s.at is at its quote.
func (s *scanner) str() (string, error) {
	s.at++
	start := s.at
	for s.at < len(s.b) && s.b[s.at] != '"' && s.b[s.at] != '\\' && s.b[s.at] >= ' ' {
		s.at++
	}
	out := s.b[start:s.at:s.at]
	for {
		if s.at >= len(s.b) {
			return "", s.fault("a string does not end")
		}
		switch c := s.b[s.at]; {
		case c == '"':
			if !utf8.Valid(out) {
				return "", s.fault("a string is not UTF-8")
			}
			s.at++
			return string(out), nil
		case c < ' ':
			return "", s.fault("a control character stands in a string")
		case c != '\\':
			out = append(out, c)
			s.at++
		default:
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		}
	}
}

func (s *scanner) escape() (rune, error) {
	if s.at+1 >= len(s.b) {
		return 0, s.fault("a string does not end")
	}
	c := s.b[s.at+1]
	for i, e := range []byte(`"\/bfnrt`) {
		if c == e {
			s.at += 2
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
	}
	if c != 'u' {
		return 0, s.fault("an escape is unknown")
	}
	r, ok := s.hex(s.at + 2)
	if !ok {
		return 0, s.fault("an escape is unknown")
	}
	if !utf16.IsSurrogate(r) {
		s.at += 6
		return r, nil
	}
	if s.at+7 < len(s.b) && s.b[s.at+6] == '\\' && s.b[s.at+7] == 'u' {
		if low, ok := s.hex(s.at + 8); ok {
			if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
				s.at += 12
				return full, nil
			}
		}
	}
	return 0, s.fault("half of a surrogate pair stands alone")
}

func (s *scanner) hex(at int) (rune, bool) {
	if at+4 > len(s.b) {
		return 0, false
	}
	n := rune(0)
	for _, c := range s.b[at : at+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		n = n<<4 | rune(c)
	}
	return n, true
}

// appendString appends a string as JSON.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
