package openaichat

import (
	"bytes"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// captureMax bounds the value of a top-level member that a Tap reads out of a body.
const captureMax = 64 << 10

type target uint8

const (
	targetNone target = iota
	targetModel
	targetUsage
	targetError
	targetGroq
	targetFinish
	targetService
)

// bodyScan finds a few members of a JSON body that passes in pieces, without keeping the body: an answer may be many
// megabytes long and hold its usage anywhere at the top level. It is an automaton over bytes that knows the depth,
// whether it is inside a string, and the last name at the two levels that matter (the top, and inside choices[0]).
// It checks nothing; a body that is not JSON leads it nowhere.
type bodyScan struct {
	depth    int
	isObject [4]bool // at depths 1 to 3
	inString bool
	escape   bool
	isName   bool // the string being read is a member's name
	wantName bool // a name may come next
	complete bool
	name     [24]byte
	nameLen  int
	inChoice bool // the top-level member being read is "choices"
	choice   int  // number of the choice

	target  target
	level   int // the depth at which the captured value ends
	capture []byte
	tooLong bool
}

func (s *bodyScan) feed(t *Tap, b []byte) {
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
			s.complete = true // not a body of this dialect
			return
		}
		if s.target != targetNone && s.depth == s.level && (c == ',' || c == '}') {
			s.deliver(t)
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
			if s.depth == 2 && s.inChoice {
				s.choice = 0
			}
			s.wantName = c == '{' && s.named()
		case '}', ']':
			s.depth--
			s.wantName = false
			if s.depth <= 0 {
				s.complete = true
				t.Done = true
			}
		case ',':
			if s.depth == 2 && s.inChoice {
				s.choice++
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
func (s *bodyScan) named() bool {
	return s.depth == 1 || s.depth == 3 && s.inChoice && s.choice == 0 && !s.isObject[2]
}

// begin looks at the name before a colon.
func (s *bodyScan) begin() {
	if s.target != targetNone {
		return
	}
	s.tooLong = false
	s.capture = s.capture[:0]
	s.level = s.depth
	name := s.name[:s.nameLen]
	if s.depth == 3 {
		if string(name) == "finish_reason" {
			s.target = targetFinish
		}
		return
	}
	s.inChoice = string(name) == "choices"
	switch string(name) {
	case "model":
		s.target = targetModel
	case "usage":
		s.target = targetUsage
	case "error":
		s.target = targetError
	case "x_groq":
		s.target = targetGroq
	case "service_tier":
		s.target = targetService
	}
}

// str reads inside a string and returns how many bytes it took.
func (s *bodyScan) str(b []byte) int {
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
func (s *bodyScan) piece(b []byte) {
	if s.isName {
		if s.nameLen+len(b) > len(s.name) {
			s.nameLen = 0
			s.isName = false // too long to be one that matters
		} else {
			s.nameLen += copy(s.name[s.nameLen:], b)
		}
	}
	if s.target == targetNone || s.tooLong {
		return
	}
	if len(s.capture)+len(b) > captureMax {
		s.tooLong = true
		return
	}
	s.capture = append(s.capture, b...)
}

func (s *bodyScan) keep(c byte) {
	if s.target == targetNone || s.tooLong {
		return
	}
	if len(s.capture) >= captureMax {
		s.tooLong = true
		return
	}
	s.capture = append(s.capture, c)
}

// deliver hands a captured value to the tap.
func (s *bodyScan) deliver(t *Tap) {
	what := s.target
	s.target = targetNone
	if s.tooLong || jsonscan.Valid(s.capture) != nil {
		return
	}
	switch what {
	case targetModel:
		t.model(s.capture)
	case targetUsage:
		t.usage(s.capture)
	case targetError:
		t.failure(s.capture, s.capture)
	case targetGroq:
		t.groq(s.capture)
	case targetFinish:
		t.stop(s.capture)
	case targetService:
		t.service = dialect.Service(s.capture)
		t.Usage.Service = t.service
	}
}
