// Package sse splits a stream of server-sent events (WHATWG HTML §9.2.6) into events.
//
// Bytes enter in whatever pieces the network made of them; what leaves are the same events for every way of cutting.
// Lines end in LF, CR or CRLF, also where a cut falls between the two; a byte order mark may stand in front; the
// space after a colon is optional; several data lines are joined by LF; comments and unknown fields are dropped.
//
// The invariant is a bound: an event, with the line that is being received, never takes more memory than the limit.
// A larger one is reported as [ErrTooLong] once and then skipped up to its blank line, so that a reader that only
// looks on (and must not disturb the stream) can go on.
//
// A callback per event was refused: the pull form needs no closure, tells the caller which bytes belong to which
// event, and lets whole events alias the input. Nothing is allocated for events that arrive in one piece.
package sse

import (
	"bytes"
	"errors"
)

// DefaultMax is the limit of an event's size in bytes where none is given: 4 MiB.
const DefaultMax = 4 << 20

// ErrTooLong is returned once for an event that exceeds the limit.
var ErrTooLong = errors.New("sse: event too long")

// Event is one dispatched event. The slices alias the input or the splitter's buffers and are valid until the next
// call. Name is empty for the default type "message". ID is the last id seen in the stream, which an event need not
// have set itself. Retry is the value of a retry field in the event's block, in milliseconds; -1 if there was none.
type Event struct {
	Name, Data, ID []byte
	Retry          int64
}

// Splitter holds the state between pieces. The zero value is ready and has the limit [DefaultMax].
type Splitter struct {
	max      int
	line     []byte // the beginning of a line that is not complete
	data     []byte
	name     []byte
	id       []byte
	retry    int64
	alias    []byte // the block's only data line so far, inside the input of this call
	hasAlias bool
	hasData  bool
	hasRetry bool
	inBlock  bool // something of a block was seen since the last blank line
	skipping bool // the block exceeds the limit
	skipLine bool // while skipping: the current line is not empty
	cr       bool // the last byte was a CR; a LF that follows belongs to it
	bom      int  // bytes of a byte order mark matched so far; 3: past the beginning
}

// Reset prepares s for a new stream with the limit max (0: [DefaultMax]) and keeps its buffers, unless they have grown
// large.
func (s *Splitter) Reset(max int) {
	*s = Splitter{max: max, line: keep(s.line), data: keep(s.data), name: keep(s.name), id: keep(s.id)}
}

func keep(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// InBlock reports whether bytes of a block (field or comment lines) were consumed whose blank line is still to come.
func (s *Splitter) InBlock() bool { return s.inBlock }

// PendingLF reports whether the last byte was a CR, so that a LF that comes next belongs to what was already consumed.
func (s *Splitter) PendingLF() bool { return s.cr }

var mark = [3]byte{0xef, 0xbb, 0xbf}

// Next consumes n bytes of b: all of them, or up to the end of the next block. ok tells that the block was an event,
// which is then in ev; a block of comments is consumed without one. Call it again with b[n:] until nothing is left.
func (s *Splitter) Next(b []byte, ev *Event) (n int, ok bool, err error) {
	if len(b) == 0 {
		return 0, false, nil
	}
	i := 0
	for s.bom < 3 && i < len(b) {
		if b[i] == mark[s.bom] {
			s.bom++
			i++
			s.inBlock = s.bom < 3
			continue
		}
		s.line = append(s.line, mark[:s.bom]...)
		s.bom = 3
	}
	if s.cr && i < len(b) {
		s.cr = false
		if b[i] == '\n' {
			i++
		}
	}
	for i < len(b) {
		end := lineEnd(b[i:])
		if end < 0 {
			err = s.partial(b[i:])
			i = len(b)
			break
		}
		line := b[i : i+end]
		i += end + 1
		if b[i-1] == '\r' {
			if i == len(b) {
				s.cr = true
			} else if b[i] == '\n' {
				i++
			}
		}
		joined := len(s.line) > 0
		if joined && !s.skipping {
			s.line = append(s.line, line...)
			line = s.line
		}
		if len(line) == 0 && !s.skipLine {
			return i, s.dispatch(ev), nil
		}
		s.inBlock = true
		if s.skipping {
			s.skipLine = false
			continue
		}
		if len(line)+s.size() > s.limit() {
			s.skip(false)
			return i, false, ErrTooLong
		}
		s.field(line, joined)
		s.line = s.line[:0]
	}
	s.keep()
	return i, false, err
}

// End consumes the end of the stream. The standard drops a block without its blank line; providers have been seen to
// leave it out behind their last event, so End gives the event if the block has data.
func (s *Splitter) End(ev *Event) (ok bool) {
	if !s.skipping && len(s.line) > 0 {
		if len(s.line)+s.size() <= s.limit() {
			s.keep()
			s.field(s.line, true)
		}
		s.line = s.line[:0]
	}
	return s.dispatch(ev)
}

func (s *Splitter) limit() int {
	if s.max > 0 {
		return s.max
	}
	return DefaultMax
}

func (s *Splitter) size() int { return len(s.data) + len(s.alias) }

// partial keeps the beginning of a line.
func (s *Splitter) partial(rest []byte) error {
	s.inBlock = true
	if s.skipping {
		s.skipLine = true
		return nil
	}
	if len(s.line)+len(rest)+s.size() > s.limit() {
		s.skip(true)
		return ErrTooLong
	}
	s.line = append(s.line, rest...)
	return nil
}

// skip gives up the block.
func (s *Splitter) skip(midLine bool) {
	s.skipping, s.skipLine = true, midLine
	s.line, s.data = s.line[:0], s.data[:0]
	s.alias, s.hasAlias, s.hasData = nil, false, false
}

// keep copies a data line that aliases the input, before the call that brought it returns.
func (s *Splitter) keep() {
	if s.hasAlias {
		s.data = append(s.data[:0], s.alias...)
		s.alias, s.hasAlias = nil, false
	}
}

// dispatch ends a block.
func (s *Splitter) dispatch(ev *Event) bool {
	ok := s.hasData && !s.skipping
	if ok {
		*ev = Event{Name: s.name, Data: s.data, ID: s.id, Retry: -1}
		if s.hasAlias {
			ev.Data = s.alias
		}
		if s.hasRetry {
			ev.Retry = s.retry
		}
	}
	s.alias, s.hasAlias, s.hasData, s.hasRetry = nil, false, false, false
	s.inBlock, s.skipping, s.skipLine = false, false, false
	s.name, s.data = s.name[:0], s.data[:0]
	return ok
}

// field takes one line. kept tells that it stands in s.line, not in the input.
func (s *Splitter) field(line []byte, kept bool) {
	colon := bytes.IndexByte(line, ':')
	if colon == 0 {
		return
	}
	name, value := line, []byte(nil)
	if colon > 0 {
		name, value = line[:colon], line[colon+1:]
		if len(value) > 0 && value[0] == ' ' {
			value = value[1:]
		}
	}
	switch string(name) {
	case "data":
		if !s.hasData && !kept {
			s.alias, s.hasAlias, s.hasData = value, true, true
			return
		}
		s.keep()
		if s.hasData {
			s.data = append(s.data, '\n')
		}
		s.data = append(s.data, value...)
		s.hasData = true
	case "event":
		s.name = append(s.name[:0], value...)
	case "id":
		if bytes.IndexByte(value, 0) < 0 {
			s.id = append(s.id[:0], value...)
		}
	case "retry":
		if len(value) == 0 || len(value) > 15 {
			return
		}
		n := int64(0)
		for _, c := range value {
			if c < '0' || c > '9' {
				return
			}
			n = n*10 + int64(c-'0')
		}
		s.retry, s.hasRetry = n, true
	}
}

// lineEnd returns the offset of the first CR or LF; -1 if there is none. It searches in windows, so that a stream
// that ends its lines in CR alone is not searched for LF to its end again and again.
func lineEnd(b []byte) int {
	const window = 4096
	for at := 0; at < len(b); at += window {
		w := b[at:min(at+window, len(b))]
		lf := bytes.IndexByte(w, '\n')
		if lf >= 0 {
			w = w[:lf]
		}
		if cr := bytes.IndexByte(w, '\r'); cr >= 0 {
			return at + cr
		}
		if lf >= 0 {
			return at + lf
		}
	}
	return -1
}
