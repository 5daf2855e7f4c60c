package match

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A segment of a path template in its parsed form: literals with a parameter between each two of them. A static
// segment has one literal and no parameter; a parameter alone has two empty literals; a trailing wildcard is a
// parameter alone that takes the rest of the path.
type segment struct {
	lits   []string // in normal form
	params []string
	wild   bool
}

func (s *segment) static() bool { return len(s.params) == 0 }
func (s *segment) mixed() bool {
	return len(s.params) > 0 && (len(s.params) > 1 || s.lits[0] != "" || s.lits[1] != "")
}

// append writes the segment as a template does.
func (s *segment) append(b *strings.Builder) {
	for i, lit := range s.lits {
		b.WriteString(lit)
		if i < len(s.params) {
			b.WriteString("{" + s.params[i])
			if s.wild {
				b.WriteByte('+')
			}
			b.WriteByte('}')
		}
	}
}

// compareMixed orders mixed segments by precedence: most literal bytes, longest prefix, longest suffix, fewest
// parameters. Two that are equal so far and have the same prefix and suffix are ambiguous and Build refuses them
// where they can meet; the texts at the end make the order of others total.
func compareMixed(a, b []string) int {
	n := func(l []string) (n int) {
		for _, s := range l {
			n += len(s)
		}
		return n
	}
	if c := cmp.Or(
		cmp.Compare(n(b), n(a)),
		cmp.Compare(len(b[0]), len(a[0])),
		cmp.Compare(len(b[len(b)-1]), len(a[len(a)-1])),
		cmp.Compare(len(a), len(b)),
	); c != 0 {
		return c
	}
	for i := range a {
		if c := cmp.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// Check reports why a pattern cannot stand in a table, or nil. The error is one lower-case sentence without the
// pattern itself.
//
// A path template begins with "/" and is made of segments. A segment is literal text with parameters "{name}" in it,
// at least one literal character between two of them; the last segment may be a trailing wildcard "{name+}", which
// takes all that is left of the path, at least one character. A trailing slash matters. Literal text is brought into
// the form that requests' paths have (RFC 3986 §6.2.2): percent-encodings in upper case, unreserved characters
// decoded; what cannot stand in a path, such as a space or "é", is percent-encoded.
//
// A host is empty (any), a name such as "api.example", or "*." before a name, which takes one label or more. A port
// is not a part of it.
func Check(p Pattern) error {
	if _, err := parseTemplate(p.Path); err != nil {
		return err
	}
	if _, _, err := parseHost(p.Host); err != nil {
		return err
	}
	return checkMethod(p.Method)
}

func checkMethod(m string) error {
	if m == "" {
		return errors.New("the method is empty")
	}
	for _, c := range []byte(m) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return fmt.Errorf("the method %q is not a token", m)
		}
	}
	return nil
}

func parseHost(h string) (name string, wild bool, err error) {
	if h == "" {
		return "", false, nil
	}
	name, wild = strings.CutPrefix(h, "*.")
	switch {
	case len(h) > MaxHost:
		return "", false, fmt.Errorf("the host is longer than %d bytes", MaxHost)
	case strings.Count(h, ".")+1 > MaxHostLabels:
		return "", false, fmt.Errorf("the host has more than %d labels", MaxHostLabels)
	}
	if strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") && !wild {
		for _, c := range []byte(name[1 : len(name)-1]) {
			if !isHex(c) && c != ':' && c != '.' {
				return "", false, fmt.Errorf("the host %q is not an address", h)
			}
		}
		return strings.ToLower(name), false, nil
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" {
			return "", false, fmt.Errorf("the host %q has an empty label", h)
		}
		for _, c := range []byte(label) {
			if !isAlnum(c) && c != '-' && c != '_' {
				return "", false, fmt.Errorf("the host %q is not a name; a port does not belong to it and a wildcard stands only at its start, as in \"*.example.com\"", h)
			}
		}
	}
	return strings.ToLower(name), wild, nil
}

func parseTemplate(path string) ([]segment, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New(`the path does not begin with "/"`)
	}
	if i := strings.IndexAny(path, `?#\`); i >= 0 {
		return nil, fmt.Errorf("the path holds %q, which is never a part of a request's path", path[i])
	}
	texts := strings.Split(path[1:], "/")
	if len(texts) > MaxSegments {
		return nil, fmt.Errorf("the path has more than %d segments", MaxSegments)
	}
	segs := make([]segment, 0, len(texts))
	var seen map[string]bool
	for i, text := range texts {
		s, err := parseSegment(text)
		if err != nil {
			return nil, err
		}
		if s.wild && i != len(texts)-1 {
			return nil, fmt.Errorf("the wildcard %q is not the last segment", text)
		}
		for _, name := range s.params {
			if seen[name] {
				return nil, fmt.Errorf("the parameter %q stands in the path twice", name)
			}
			if seen == nil {
				seen = map[string]bool{}
			}
			seen[name] = true
		}
		segs = append(segs, s)
	}
	if len(seen) > MaxParams {
		return nil, fmt.Errorf("the path has more than %d parameters", MaxParams)
	}
	return segs, nil
}

func parseSegment(text string) (s segment, err error) {
	whole := text
	for {
		open := strings.IndexByte(text, '{')
		lit := text
		if open >= 0 {
			lit = text[:open]
		}
		if strings.IndexByte(lit, '}') >= 0 {
			return s, fmt.Errorf("%q has a closing brace without an opening one", whole)
		}
		norm, err := normalize(lit)
		if err != nil {
			return s, err
		}
		if len(s.params) > 0 && norm == "" && open >= 0 {
			return s, fmt.Errorf("%q has two parameters with nothing between them", whole)
		}
		s.lits = append(s.lits, norm)
		if open < 0 {
			break
		}
		name, rest, ok := strings.Cut(text[open+1:], "}")
		if !ok || strings.IndexByte(name, '{') >= 0 {
			return s, fmt.Errorf("%q has an opening brace without a closing one", whole)
		}
		if n, wild := strings.CutSuffix(name, "+"); wild {
			if s.wild = true; len(s.params) > 0 || lit != "" || rest != "" {
				return s, fmt.Errorf("the wildcard %q does not stand alone in its segment", "{"+name+"}")
			}
			name = n
		}
		if name == "" {
			return s, fmt.Errorf("%q has a parameter without a name", whole)
		}
		if !utf8.ValidString(name) || strings.HasSuffix(name, "+") {
			return s, fmt.Errorf("%q has a parameter whose name ends with \"+\" twice or is not UTF-8", whole)
		}
		s.params = append(s.params, name)
		text = rest
	}
	if s.static() && (s.lits[0] == "." || s.lits[0] == "..") {
		return s, fmt.Errorf("the segment %q can never match: requests with dot segments are refused", whole)
	}
	return s, nil
}

// normalize brings literal text into the normal form of paths.
func normalize(lit string) (string, error) {
	const hex = "0123456789ABCDEF"
	plain := true
	for _, c := range []byte(lit) {
		plain = plain && c != '%' && inPath(c)
	}
	if plain {
		return lit, nil
	}
	b := make([]byte, 0, len(lit)+8)
	for i := 0; i < len(lit); i++ {
		c := lit[i]
		if c == '%' {
			if i+2 >= len(lit) || !isHex(lit[i+1]) || !isHex(lit[i+2]) {
				return "", fmt.Errorf("%q has a malformed percent-encoding", lit)
			}
			c = unhex(lit[i+1])<<4 | unhex(lit[i+2])
			i += 2
			if isAlnum(c) || strings.IndexByte("-._~", c) >= 0 {
				b = append(b, c)
				continue
			}
		} else if inPath(c) {
			b = append(b, c)
			continue
		}
		if c < ' ' || c == 0x7f || c == '\\' {
			return "", fmt.Errorf("%q has a character that no request's path may hold: a control character or a backslash", lit)
		}
		b = append(b, '%', hex[c>>4], hex[c&15])
	}
	return string(b), nil
}

// inPath reports whether a byte may stand in a path segment as it is: pchar of RFC 3986 §3.3 without "%".
func inPath(c byte) bool { return isAlnum(c) || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 }

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// sample appends a path that the template matches, with each parameter's name as its value where that is plain text.
func sample(segs []segment) string {
	var b bytes.Buffer
	for i := range segs {
		b.WriteByte('/')
		b.WriteString(segs[i].sample())
	}
	return b.String()
}

func (s *segment) sample() string {
	var b strings.Builder
	for i, lit := range s.lits {
		b.WriteString(lit)
		if i < len(s.params) {
			b.WriteString(sampleValue(s.params[i]))
		}
	}
	return b.String()
}

func sampleValue(name string) string {
	for _, c := range []byte(name) {
		if !isAlnum(c) {
			return "1"
		}
	}
	return name
}
