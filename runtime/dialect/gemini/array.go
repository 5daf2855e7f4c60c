package gemini

import "errors"

// maxElement bounds an element of a streamed array, in bytes: one chunk of an answer, which may hold an image.
const maxElement = 32 << 20

var errElement = errors.New("gemini: element too long")

// array splits the JSON array that a stream without alt=sse is into its elements, in whatever pieces it comes. It looks
// at strings and brackets only; what is inside an element is for others to check.
type array struct {
	element []byte // the beginning of an element that is not complete
	depth   int    // inside the element
	begun   bool   // the opening bracket was seen
	closed  bool   // the closing one
	text    bool   // inside a string
	escaped bool
}

func (a *array) reset() { *a = array{element: keep(a.element)} }

// next consumes n bytes of b: all of them, or up to the end of the next element, which is valid until the next call.
func (a *array) next(b []byte) (n int, element []byte, err error) {
	i := 0
	for a.depth == 0 && i < len(b) {
		c := b[i]
		switch {
		case a.closed:
			return len(b), nil, nil
		case !a.begun:
			a.begun = c == '['
		case c == ']':
			a.closed = true
		case c == '{':
			a.depth, a.element = 1, a.element[:0]
			start := i
			return a.inside(b, start, i+1)
		}
		i++
	}
	if a.depth > 0 {
		return a.inside(b, 0, i)
	}
	return i, nil, nil
}

// inside goes on in an element whose bytes in b begin at start.
func (a *array) inside(b []byte, start, i int) (int, []byte, error) {
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case a.escaped:
			a.escaped = false
		case a.text:
			a.escaped, a.text = c == '\\', c != '"'
		case c == '"':
			a.text = true
		case c == '{' || c == '[':
			a.depth++
		case c == '}' || c == ']':
			if a.depth--; a.depth == 0 {
				i++
				if len(a.element) == 0 {
					return i, b[start:i], nil
				}
				a.element = append(a.element, b[start:i]...)
				return i, a.element, nil
			}
		}
	}
	if len(a.element)+len(b)-start > maxElement {
		return i, nil, errElement
	}
	a.element = append(a.element, b[start:]...)
	return i, nil, nil
}
