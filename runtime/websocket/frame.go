package websocket

import (
	"encoding/binary"
	"strconv"
)

// Opcode says what a frame is (RFC 6455 §5.2).
type Opcode uint8

// The opcodes; those of 8 and above are control frames'.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xa
)

// Codes of a Close frame (RFC 6455 §7.4.1) that the gateway says or notes itself.
const (
	GoingAway     = 1001
	ProtocolError = 1002
	NoCode        = 1005 // never on the wire: the Close frame had none
	Abnormal      = 1006 // never on the wire: there was no Close frame
	Policy        = 1008
	InternalError = 1011
)

const (
	maxControl = 125 // payload of a control frame (RFC 6455 §5.5)
	maxHead    = 14  // two bytes, a length of eight, a mask
	maxHeld    = 2 + 4 + maxControl
)

// Error is a breach of the protocol. Reason is a short phrase that quotes nothing.
type Error struct{ Reason string }

// Error returns the reason.
func (e *Error) Error() string { return "websocket: " + e.Reason }

var (
	errReserved   = &Error{"a reserved bit is set"}
	errOpcode     = &Error{"an unknown opcode"}
	errUnmasked   = &Error{"a frame of a client that is not masked"}
	errMasked     = &Error{"a frame of a server that is masked"}
	errControl    = &Error{"a control frame that is fragmented or too long"}
	errLength     = &Error{"a length that is not written in the shortest form"}
	errHuge       = &Error{"a length beyond 63 bits"}
	errNoMessage  = &Error{"a continuation of no message"}
	errInterposed = &Error{"a message within another"}
	errClosePart  = &Error{"a Close frame with one byte"}
	errCloseCode  = &Error{"a Close frame with a code that must not be sent"}
)

// Piece is what one call of [Reader.Next] has read.
type Piece struct {
	// Out is what to pass on: part of the bytes given, or of the Reader, and valid until the next call. It is empty
	// where a frame's head is incomplete, and for what comes behind a Close frame.
	Out []byte
	// Op is the opcode of the frame that Out belongs to. Of a fragment it is that of its message.
	Op Opcode
	// First tells that a message or a control frame begins here; Last, that it ends here; FrameEnd, that a frame ends.
	First, Last, FrameEnd bool
	// payload is the end of Out, masked by mask where that is not zero.
	payload []byte
	mask    [4]byte
}

// Plain returns the piece's payload without its mask, of which at most len(dst) bytes: dst holds what had to be
// unmasked.
func (p *Piece) Plain(dst []byte) []byte {
	if p.mask == [4]byte{} {
		return p.payload[:min(len(dst), len(p.payload))]
	}
	n := copy(dst, p.payload)
	for i := range dst[:n] {
		dst[i] ^= p.mask[i&3]
	}
	return dst[:n]
}

// Reader reads the frames of one direction of a connection. The zero value reads a server's; see [Reader.Reset].
type Reader struct {
	left  uint64 // payload of the data frame under way that is still to come
	held  [maxHeld]byte
	n     int // bytes in held
	phase int // of the mask
	mask  [4]byte
	code  uint16 // of the Close frame

	message  Opcode // of the message under way
	client   bool   // the frames are a client's: masked
	fin      bool   // the frame under way is its message's last
	within   bool   // a message is under way
	begins   bool   // no byte of its payload has come yet
	closed   bool   // a Close frame has come
	messages uint64
}

// Reset makes a Reader for a new connection. client tells that the frames are a client's.
func (r *Reader) Reset(client bool) { *r = Reader{client: client} }

// Boundary reports whether what was passed on so far ends with a whole frame, so that another may be added.
func (r *Reader) Boundary() bool { return r.left == 0 }

// Closed reports whether a Close frame has come, and its code: [NoCode] where it had none.
func (r *Reader) Closed() (code int, ok bool) { return int(r.code), r.closed }

// Messages is the number of text and binary messages that have ended.
func (r *Reader) Messages() uint64 { return r.messages }

// Next reads from the beginning of b, to the end of a frame at most, and tells in p what that was. It returns how many
// bytes it took, which is 0 only for an empty b. After an error the Reader must not be used: nobody knows where the next
// frame begins.
//
// Budget: no allocation; a frame whose head lies in b whole is not copied.
func (r *Reader) Next(b []byte, p *Piece) (n int, err *Error) {
	*p = Piece{}
	switch {
	case len(b) == 0:
		return 0, nil
	case r.closed:
		return len(b), nil // RFC 6455 §5.5.1: nothing may follow, and what follows means nothing
	case r.left > 0:
		n = r.take(b, p)
		p.Out = b[:n]
		return n, nil
	}
	frame := b
	size := 0
	if r.n == 0 {
		if err := r.early(b); err != nil {
			return 0, err
		}
		size = wanted(b)
	}
	if r.n > 0 || size > len(b) {
		for {
			size = wanted(r.held[:r.n])
			if r.n == size {
				break
			}
			k := copy(r.held[r.n:size], b[n:])
			r.n, n = r.n+k, n+k
			if err := r.early(r.held[:r.n]); err != nil {
				return n, err
			}
			if r.n < size {
				return n, nil
			}
		}
		frame = r.held[:size]
		r.n = 0
	} else {
		n = size
	}
	if frame[0]&0x08 != 0 {
		return n, r.control(frame[:size], p)
	}
	if err := r.data(frame[:size]); err != nil {
		return n, err
	}
	k := r.take(b[n:], p)
	switch {
	case k == 0:
		p.Out = frame[:size]
	case &frame[0] == &b[0]:
		p.Out = b[:n+k]
	default:
		// The head was held, and a piece has one Out: the payload comes with the next call.
		r.untake(k, p)
		p.Out = frame[:size]
		return n, nil
	}
	return n + k, nil
}

// wanted is how many bytes of a frame that begins with h must be there before it is judged: its head, and of a control
// frame everything. h has passed early.
func wanted(h []byte) int {
	if len(h) < 2 {
		return 2
	}
	n := 2
	if h[1]&0x80 != 0 {
		n += 4
	}
	switch l := int(h[1] & 0x7f); {
	case l == 126:
		n += 2
	case l == 127:
		n += 8
	case h[0]&0x08 != 0:
		n += l
	}
	return n
}

// early judges the first two bytes of a frame, or the first.
func (r *Reader) early(h []byte) *Error {
	if h[0]&0x70 != 0 {
		return errReserved
	}
	op := Opcode(h[0] & 0x0f)
	switch op {
	case Continuation:
		if !r.within {
			return errNoMessage
		}
	case Text, Binary:
		if r.within {
			return errInterposed
		}
	case Close, Ping, Pong:
		if h[0]&0x80 == 0 {
			return errControl
		}
	default:
		return errOpcode
	}
	if len(h) < 2 {
		return nil
	}
	switch masked := h[1]&0x80 != 0; {
	case r.client && !masked:
		return errUnmasked
	case !r.client && masked:
		return errMasked
	case op&0x08 != 0 && h[1]&0x7f > maxControl:
		return errControl
	}
	return nil
}

// data begins a data frame; h is its head.
func (r *Reader) data(h []byte) *Error {
	rest := h[2:]
	length := uint64(h[1] & 0x7f)
	switch length {
	case 126:
		length, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
		if length < 126 {
			return errLength
		}
	case 127:
		length, rest = binary.BigEndian.Uint64(rest), rest[8:]
		switch {
		case length>>63 != 0:
			return errHuge
		case length < 1<<16:
			return errLength
		}
	}
	r.left = length
	r.mask, r.phase = [4]byte{}, 0
	copy(r.mask[:], rest)
	r.fin = h[0]&0x80 != 0
	if op := Opcode(h[0] & 0x0f); op != Continuation {
		r.message, r.begins, r.within = op, true, true
	}
	return nil
}

// take reads payload of the data frame under way, and tells in p what it is.
func (r *Reader) take(b []byte, p *Piece) int {
	n := len(b)
	if uint64(n) > r.left {
		n = int(r.left)
	}
	p.Op, p.First, p.payload = r.message, r.begins, b[:n]
	for i := range p.mask {
		p.mask[i] = r.mask[(r.phase+i)&3]
	}
	r.phase = (r.phase + n) & 3
	r.begins = false
	if r.left -= uint64(n); r.left == 0 {
		p.FrameEnd = true
		if r.fin {
			p.Last, r.within = true, false
			r.messages++
		}
	}
	return n
}

// untake gives back the n bytes of payload that take has just read.
func (r *Reader) untake(n int, p *Piece) {
	r.left += uint64(n)
	r.phase = (r.phase - n) & 3
	p.payload = nil
	if p.FrameEnd {
		p.FrameEnd = false
	}
	if p.Last {
		p.Last, r.within = false, true
		r.messages--
	}
}

// control judges a control frame that is there as a whole.
func (r *Reader) control(f []byte, p *Piece) *Error {
	p.Out, p.Op, p.First, p.Last, p.FrameEnd = f, Opcode(f[0]&0x0f), true, true, true
	p.payload = f[2:]
	if r.client {
		p.mask, p.payload = [4]byte(f[2:6]), f[6:]
	}
	if p.Op != Close {
		return nil
	}
	r.code = NoCode
	if len(p.payload) > 0 {
		if len(p.payload) == 1 {
			return errClosePart
		}
		var b [2]byte
		if r.code = binary.BigEndian.Uint16(p.Plain(b[:])); !sendable(r.code) {
			return errCloseCode
		}
	}
	r.closed = true
	return nil
}

// sendable reports whether a Close frame may carry a code (RFC 6455 §7.4): not those that stand for its absence, nor
// those outside of the ranges. Codes that are not assigned yet pass.
func sendable(code uint16) bool {
	switch code {
	case 1004, NoCode, Abnormal, 1015:
		return false
	}
	return 1000 <= code && code < 5000
}

// AppendControl appends a control frame; mask is nil in frames of a server. The payload must not be longer than 125
// bytes; what is beyond is cut.
func AppendControl(dst []byte, op Opcode, payload []byte, mask *[4]byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	dst = append(dst, 0x80|byte(op))
	if mask == nil {
		return append(append(dst, byte(len(payload))), payload...)
	}
	dst = append(append(dst, 0x80|byte(len(payload))), mask[:]...)
	for i, c := range payload {
		dst = append(dst, c^mask[i&3])
	}
	return dst
}

// AppendClose appends a Close frame with a code and a reason, which is a text of the program's own in ASCII.
func AppendClose(dst []byte, code int, reason string, mask *[4]byte) []byte {
	var b [maxControl]byte
	binary.BigEndian.PutUint16(b[:], uint16(code))
	n := copy(b[2:], reason)
	return AppendControl(dst, Close, b[:2+n], mask)
}

// String returns the opcode's name.
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "opcode " + strconv.Itoa(int(o))
}
