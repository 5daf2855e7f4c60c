package realtime

import "bytes"

// Bounds of what is kept of a message. The largest usage seen in the wild has some 600 bytes.
const (
	maxName  = 24
	maxValue = 4 << 10
)

// slot is a value that is looked for in messages, by its path of one or two names.
type slot uint8

const (
	none          slot = iota
	typ                // type
	responseUsage      // response.usage
	usage              // usage, of a transcription
	usageMetadata      // usageMetadata, of Gemini Live
	sessionModel       // session.model
	setupModel         // setup.model, of Gemini Live
	slots
	// Objects that are looked into.
	response
	session
	setup
)

// names of the first level, and of the second.
func first(name []byte) slot {
	switch string(name) {
	case "type":
		return typ
	case "usage":
		return usage
	case "usageMetadata", "usage_metadata":
		return usageMetadata
	case "response":
		return response
	case "session":
		return session
	case "setup":
		return setup
	}
	return none
}

func second(in slot, name []byte) slot {
	switch {
	case in == response && string(name) == "usage":
		return responseUsage
	case in == session && string(name) == "model":
		return sessionModel
	case in == setup && string(name) == "model":
		return setupModel
	}
	return none
}

// watch reads one message of JSON in pieces of any size and keeps the values of its slots, and nothing else: a message
// with a megabyte of audio costs no memory. It judges nothing; of what is not JSON it makes something or nothing, within
// its bounds.
type watch struct {
	values [slots][]byte
	// Where the text is: level counts the objects that are looked into, skip the containers within them that are not.
	level, skip int
	in          slot // the object of the first level that is looked into
	at          slot // the value that is being kept
	member      slot // what the last name stands for
	name        [maxName]byte
	named       int
	quoted      bool // within a string
	escaped     bool // behind a backslash
	naming      bool // the string is a name
	expect      bool // a name comes next
	cut         bool // a value was longer than its bound
}

func (w *watch) reset() {
	for i := range w.values {
		w.values[i] = w.values[i][:0]
	}
	*w = watch{values: w.values}
}

// keep appends text to the value that is being kept.
func (w *watch) keep(b ...byte) {
	if w.at == none {
		return
	}
	if len(w.values[w.at])+len(b) > maxValue {
		w.values[w.at], w.at, w.cut = w.values[w.at][:0], none, true
		return
	}
	w.values[w.at] = append(w.values[w.at], b...)
}

func (w *watch) feed(b []byte) {
	for len(b) > 0 {
		if w.quoted {
			b = b[w.string(b):]
			continue
		}
		c := b[0]
		b = b[1:]
		switch c {
		case '"':
			w.quoted = true
			if w.naming = w.expect && w.skip == 0; w.naming {
				w.named, w.expect = 0, false
			}
			w.keep(c)
		case '{', '[':
			switch {
			case w.level == 0 && w.skip == 0 && c == '{':
				w.level, w.expect = 1, true
			case w.level == 1 && w.skip == 0 && c == '{' && w.member >= response:
				w.level, w.in, w.expect, w.member = 2, w.member, true, none
			default:
				w.skip++
				w.keep(c)
			}
		case '}', ']':
			if w.skip > 0 {
				w.skip--
				w.keep(c)
				continue
			}
			w.at, w.member, w.expect = none, none, false
			if w.level > 0 {
				w.level--
			}
		case ',':
			if w.skip > 0 {
				w.keep(c)
				continue
			}
			w.at, w.member, w.expect = none, none, w.level > 0
		case ':':
			if w.skip > 0 {
				w.keep(c)
				continue
			}
			if w.at = w.member; w.at >= slots {
				w.at = none
			}
			w.values[w.at] = w.values[w.at][:0] // the last of several counts
		default:
			w.keep(c)
		}
	}
}

// string reads within a string and returns how many bytes it took. Long strings are passed over quickly: they are what
// messages with audio consist of.
func (w *watch) string(b []byte) int {
	at := 0
	if w.escaped {
		w.escaped, at = false, 1
	}
	quote := func(from int) int {
		if n := bytes.IndexByte(b[from:], '"'); n >= 0 {
			return from + n
		}
		return len(b)
	}
	end := quote(at)
	for {
		n := bytes.IndexByte(b[at:end], '\\')
		if n < 0 {
			break
		}
		if at += n + 2; at > len(b) {
			w.escaped = true
			w.inside(b)
			return len(b)
		}
		if at > end { // the quote was escaped
			end = quote(at)
		}
	}
	w.inside(b[:end])
	if end == len(b) {
		return end
	}
	w.quoted = false
	if !w.naming {
		w.keep('"')
		return end + 1
	}
	w.naming, w.member = false, none
	if w.named <= maxName {
		if w.level == 1 {
			w.member = first(w.name[:w.named])
		} else {
			w.member = second(w.in, w.name[:w.named])
		}
	}
	return end + 1
}

// inside takes a piece of a string's text.
func (w *watch) inside(b []byte) {
	if !w.naming {
		w.keep(b...)
		return
	}
	if w.named+len(b) > maxName {
		w.named = maxName + 1
		return
	}
	w.named += copy(w.name[w.named:], b)
}
