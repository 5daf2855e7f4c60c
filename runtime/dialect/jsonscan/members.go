package jsonscan

import "bytes"

// membersMax bounds a value that [Members] keeps, in bytes.
const membersMax = 64 << 10

// Members finds a few members of a JSON object that passes in pieces, without keeping the object: an answer may be many
// megabytes long (images, vectors) and hold its usage anywhere at the top level. It is an automaton over bytes that
// knows the depth, whether it is inside a string, and the last name at the top. It checks nothing but the values that
// it found; bytes that are not JSON lead it nowhere. The zero value is not ready: see [Members.Reset].
type Members struct {
	names   []string
	deliver func(name string, raw []byte)

	depth    int
	inString bool
	escape   bool
	isName   bool // the string being read is a name at the top
	wantName bool // a name may come next
	ended    bool
	array    bool // the whole is a list
	name     [40]byte
	nameLen  int
	want     int // index of the name whose value is captured; -1: none
	tooLong  bool
	value    []byte
}

// Reset makes m ready for another object. deliver is called with each member of one of these names, whose value is
// valid JSON of at most 64 KiB; raw is valid during the call.
func (m *Members) Reset(names []string, deliver func(name string, raw []byte)) {
	v := m.value[:0]
	*m = Members{names: names, deliver: deliver, value: v, want: -1}
}

// Ended reports whether the whole object has been seen.
func (m *Members) Ended() bool { return m.ended && m.depth == 0 && !m.array }

// Feed takes the next piece.
func (m *Members) Feed(b []byte) {
	for i := 0; i < len(b) && !m.ended; {
		if m.inString {
			i += m.str(b[i:])
			continue
		}
		c := b[i]
		i++
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			continue
		}
		if m.depth == 0 && c != '{' {
			m.ended, m.array = true, true // no object
			return
		}
		if m.want >= 0 && m.depth == 1 && (c == ',' || c == '}') {
			m.give()
		}
		m.keep(c)
		switch c {
		case '"':
			m.inString = true
			m.isName = m.wantName
			m.wantName = false
			m.nameLen = 0
		case '{', '[':
			m.depth++
			m.wantName = c == '{' && m.depth == 1
		case '}', ']':
			m.depth--
			m.wantName = false
			m.ended = m.depth <= 0
		case ',':
			m.wantName = m.depth == 1
		case ':':
			if m.depth == 1 && m.want < 0 {
				m.look()
			}
		}
	}
}

// look decides by the name before a colon whether the value is wanted.
func (m *Members) look() {
	for i, n := range m.names {
		if n == string(m.name[:m.nameLen]) {
			m.want, m.tooLong, m.value = i, false, m.value[:0]
			return
		}
	}
}

func (m *Members) give() {
	name := m.names[m.want]
	m.want = -1
	if !m.tooLong && Valid(m.value) == nil {
		m.deliver(name, m.value)
	}
}

// str reads inside a string and returns how many bytes it took.
func (m *Members) str(b []byte) int {
	if m.escape {
		m.escape = false
		m.piece(b[:1])
		return 1
	}
	end := bytes.IndexByte(b, '"')
	plain := b
	if end >= 0 {
		plain = b[:end]
	}
	if slash := bytes.IndexByte(plain, '\\'); slash >= 0 {
		m.piece(b[:slash+1])
		m.escape = true
		return slash + 1
	}
	if end < 0 {
		m.piece(b)
		return len(b)
	}
	m.piece(b[:end])
	m.keep('"')
	m.inString = false
	return end + 1
}

// piece keeps a piece of a string where it is part of a name or of a wanted value.
func (m *Members) piece(b []byte) {
	if m.isName {
		if m.nameLen+len(b) > len(m.name) {
			m.nameLen, m.isName = 0, false // too long to be one that matters
		} else {
			m.nameLen += copy(m.name[m.nameLen:], b)
		}
	}
	if m.want < 0 || m.tooLong {
		return
	}
	if len(m.value)+len(b) > membersMax {
		m.tooLong = true
		return
	}
	m.value = append(m.value, b...)
}

func (m *Members) keep(c byte) {
	if m.want < 0 || m.tooLong {
		return
	}
	if len(m.value) >= membersMax {
		m.tooLong = true
		return
	}
	m.value = append(m.value, c)
}
