package openai

import (
	"bytes"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// captureMax bounds the value of a member that [Members] finds.
const captureMax = 64 << 10

// Wanted says which members [Members] finds: those of the body itself, and those of the objects in one array of it.
type Wanted struct {
	Top   []string
	Array string
	Inner []string
}

// Found takes what [Members] finds, in the order in which it stands: the index of a name in Wanted.Top (element is -1
// then) or in Wanted.Inner, and the value as written, which is valid JSON and of use during the call alone.
type Found interface {
	Found(element, name int, raw []byte)
}

// Members finds a few members of a JSON body that passes in pieces, without keeping the body: an answer may be many
// megabytes long and hold its usage anywhere at the top level. It is an automaton over bytes that knows the depth,
// whether it is inside a string, and the last name at the two levels that matter. It checks nothing; a body that is
// not JSON leads it nowhere. Values of more than 64 KiB are passed over.
type Members struct {
	want     *Wanted
	depth    int
	isObject [4]bool // at depths 1 to 3
	inString bool
	escape   bool
	isName   bool // the string being read is a member's name
	wantName bool // a name may come next
	complete bool
	name     [24]byte
	nameLen  int
	inArray  bool // the top-level member being read is want.Array
	element  int  // of it
	objects  int64

	target  int // 1 + the index of the name whose value is being captured; 0: none
	level   int // the depth at which the captured value ends
	capture []byte
	tooLong bool
}

// Reset makes s ready for another body. Its buffer is kept unless it has grown large.
func (s *Members) Reset(want *Wanted) {
	*s = Members{want: want, capture: s.capture[:0]}
}

// Complete reports whether the body's last byte has passed.
func (s *Members) Complete() bool { return s.complete && s.depth == 0 }

// Objects returns how many objects Wanted.Array had so far.
func (s *Members) Objects() int64 { return s.objects }

// Feed takes the next piece.
func (s *Members) Feed(b []byte, to Found) {
	for i := 0; i < len(b); {
		if s.complete {
			return
		}
		if s.inString {
			i += s.str(b[i:])
			continue
		}
		c := b[i]
		i++
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		if s.depth == 0 && c != '{' && c != '[' {
			s.complete, s.depth = true, -1 // not an object
			return
		}
		if s.target != 0 && s.depth == s.level && (c == ',' || c == '}') {
			s.deliver(to)
		}
		s.keep(c)
		switch c {
		case '"':
			s.inString = true
			s.isName = s.wantName
			s.wantName = false
			s.nameLen = 0
		case '{', '[':
			s.depth++
			if s.depth < len(s.isObject) {
				s.isObject[s.depth] = c == '{'
			}
			if s.depth == 2 && s.inArray {
				s.element = 0
			}
			if c == '{' && s.depth == 3 && s.inArray && !s.isObject[2] {
				s.objects++
			}
			s.wantName = c == '{' && s.named()
		case '}', ']':
			s.depth--
			s.wantName = false
			if s.depth <= 0 {
				s.complete, s.depth = true, 0
			}
		case ',':
			if s.depth == 2 && s.inArray {
				s.element++
			}
			s.wantName = s.named() && s.isObject[s.depth]
		case ':':
			if s.named() && s.isObject[s.depth] {
				s.begin()
			}
		}
	}
}

// named reports whether names at this depth matter.
func (s *Members) named() bool {
	return s.depth == 1 || s.depth == 3 && s.inArray && !s.isObject[2]
}

// begin looks at the name before a colon.
func (s *Members) begin() {
	if s.target != 0 {
		return
	}
	s.tooLong = false
	s.capture = s.capture[:0]
	s.level = s.depth
	name := s.name[:s.nameLen]
	list := s.want.Inner
	if s.depth == 1 {
		list = s.want.Top
		s.inArray = s.want.Array != "" && string(name) == s.want.Array
	}
	for i, want := range list {
		if string(name) == want {
			s.target = i + 1
			return
		}
	}
}

// str reads inside a string and returns how many bytes it took.
func (s *Members) str(b []byte) int {
	if s.escape {
		s.escape = false
		s.piece(b[:1])
		return 1
	}
	end := bytes.IndexByte(b, '"')
	plain := b
	if end >= 0 {
		plain = b[:end]
	}
	if slash := bytes.IndexByte(plain, '\\'); slash >= 0 {
		s.piece(b[:slash+1])
		s.escape = true
		return slash + 1
	}
	if end < 0 {
		s.piece(b)
		return len(b)
	}
	s.piece(b[:end])
	s.keep('"')
	s.inString = false
	return end + 1
}

// piece keeps a piece of a string where it is part of a name or of a captured value.
func (s *Members) piece(b []byte) {
	if s.isName {
		if s.nameLen+len(b) > len(s.name) {
			s.nameLen = 0
			s.isName = false // too long to be one that matters
		} else {
			s.nameLen += copy(s.name[s.nameLen:], b)
		}
	}
	if s.target == 0 || s.tooLong {
		return
	}
	if len(s.capture)+len(b) > captureMax {
		s.tooLong = true
		return
	}
	s.capture = append(s.capture, b...)
}

func (s *Members) keep(c byte) {
	if s.target == 0 || s.tooLong {
		return
	}
	if len(s.capture) >= captureMax {
		s.tooLong = true
		return
	}
	s.capture = append(s.capture, c)
}

// deliver hands a captured value on.
func (s *Members) deliver(to Found) {
	what, element := s.target-1, -1
	if s.level == 3 {
		element = s.element
	}
	s.target = 0
	if !s.tooLong && jsonscan.Valid(s.capture) == nil {
		to.Found(element, what, s.capture)
	}
}
