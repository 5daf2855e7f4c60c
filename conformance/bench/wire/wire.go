// Package wire reads HTTP/1.1 messages piece by piece, just well enough to find where they end: lengths, chunks, and
// events of a stream. Both ends of the bench use it. It trusts its peer, which is a proxy on the same machine under
// the bench's own requests; a strict parser would only cost time on the CPU that the clients have.
package wire

import "bytes"

// Reader follows one message after the other on a connection. The zero value waits for a head.
type Reader struct {
	Head   []byte // of the current message, without the blank line; valid once InBody
	InBody bool
	Events int // server-sent events seen in the body, that is lines that begin with "data:"

	left    int64 // bytes of a body or chunk still to come
	chunked bool
	state   state
	size    int64 // of the chunk whose line is being read
	line    int   // bytes of the current line of the body
	data    bool  // the current line agrees with "data:" so far
	buf     []byte
}

type state uint8

const (
	chunkSize state = iota
	chunkExtension
	chunkData
	chunkEnd // CR LF after the data
	trailer
	trailerLine
)

// MaxHead bounds a head.
const MaxHead = 64 << 10

// Feed takes bytes and returns how many belong to the current message and whether it is complete. Body, if not nil,
// is given the pieces of the decoded body. After a complete message the Reader waits for the next head.
func (r *Reader) Feed(b []byte, body func([]byte)) (n int, done bool) {
	if !r.InBody {
		start := len(r.buf)
		r.buf = append(r.buf, b...)
		i := bytes.Index(r.buf[max(0, start-3):], []byte("\r\n\r\n"))
		if i < 0 {
			if len(r.buf) > MaxHead {
				return len(b), true
			}
			return len(b), false
		}
		i += max(0, start-3)
		r.Head = r.buf[:i]
		r.begin()
		n = i + 4 - start
		b = b[n:]
	}
	m, done := r.body(b, body)
	if done {
		r.InBody = false
		r.buf = r.buf[:0]
	}
	return n + m, done
}

// begin reads the head's framing.
func (r *Reader) begin() {
	r.InBody, r.left, r.chunked, r.state, r.size = true, 0, false, chunkSize, 0
	r.line, r.data = 0, true
	if !bytes.HasPrefix(r.Head, []byte("HTTP/1.1 204")) && !bytes.HasPrefix(r.Head, []byte("HTTP/1.1 304")) {
		if v, ok := Field(r.Head, "content-length"); ok {
			for _, c := range v {
				r.left = r.left*10 + int64(c-'0')
			}
		} else if _, ok := Field(r.Head, "transfer-encoding"); ok {
			r.chunked = true
		}
	}
}

func (r *Reader) body(b []byte, body func([]byte)) (n int, done bool) {
	if !r.chunked {
		n = int(min(int64(len(b)), r.left))
		r.take(b[:n], body)
		r.left -= int64(n)
		return n, r.left == 0
	}
	for n < len(b) {
		c := b[n]
		switch r.state {
		case chunkSize, chunkExtension:
			n++
			if c == '\n' {
				r.left, r.size = r.size, 0
				r.state = chunkData
				if r.left == 0 {
					r.state = trailer
				}
			} else if v := hex(c); v >= 0 && r.state == chunkSize {
				r.size = r.size<<4 | int64(v)
			} else {
				r.state = chunkExtension
			}
		case chunkData:
			m := int(min(int64(len(b)-n), r.left))
			r.take(b[n:n+m], body)
			n += m
			if r.left -= int64(m); r.left == 0 {
				r.state = chunkEnd
			}
		case chunkEnd:
			n++
			if c == '\n' {
				r.state = chunkSize
			}
		case trailer: // at the start of a line
			n++
			if c == '\n' {
				return n, true
			}
			if c != '\r' {
				r.state = trailerLine
			}
		case trailerLine:
			n++
			if c == '\n' {
				r.state = trailer
			}
		}
	}
	return n, false
}

const dataField = "data:"

// take counts the events of a piece.
func (r *Reader) take(b []byte, body func([]byte)) {
	if body != nil {
		body(b)
	}
	for len(b) > 0 {
		if r.line < len(dataField) && r.data {
			if b[0] != dataField[r.line] {
				r.data = false
				continue
			}
			if r.line++; r.line == len(dataField) {
				r.Events++
			}
			b = b[1:]
			continue
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return
		}
		r.line, r.data = 0, true
		b = b[i+1:]
	}
}

func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// Field returns the value of a field of a head; name is in lower case.
func Field(head []byte, name string) ([]byte, bool) {
	for len(head) > 0 {
		line := head
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line, head = bytes.TrimSuffix(head[:i], []byte("\r")), head[i+1:]
		} else {
			head = nil
		}
		if len(line) > len(name) && line[len(name)] == ':' && bytes.EqualFold(line[:len(name)], []byte(name)) {
			return bytes.TrimSpace(line[len(name)+1:]), true
		}
	}
	return nil, false
}
