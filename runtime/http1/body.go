package http1

import "bytes"

// Bounds of what surrounds the payload of a chunked body.
const (
	maxExtension    = 1 << 10  // bytes of one chunk's extensions
	maxExcess       = 16 << 10 // bytes of framing beyond what ordinary chunks of the same payload need
	maxTrailerBytes = 8 << 10  // the whole trailer section
	maxTrailers     = 64
)

// Body finds the payload in the bytes that follow a head (RFC 9112 §6, §7). It is a small value that may be copied
// while no trailer has been read, and holds nothing of the bytes it was given. Its zero value is an empty body.
//
// Chunk extensions are read by their grammar, bounded (each chunk's, and their sum by what net/http allows too: 16 KiB
// more than two bytes of framing for each byte of payload), and dropped: RFC 9112 §7.1.1 has recipients ignore those
// they do not know. White space around ";" and "=", which that grammar has for old senders only, is refused.
type Body struct {
	left     int64 // payload bytes to come, of the message or of the present chunk
	length   int64
	excess   int64 // framing bytes not yet outweighed by payload
	trailer  *trailer
	err      *Error
	line     int32 // bytes of the present chunk's size line
	digits   uint8
	state    bodyState
	response bool
}

// trailer keeps the trailer section of a body that has one.
type trailer struct {
	buf    []byte // its lines, without the final blank one
	line   int    // where the incomplete line begins
	lines  int    // complete ones
	fields []Field
}

type bodyState uint8

const (
	bodyDone bodyState = iota
	bodyFailed
	bodyFixed
	bodyUntilClose
	chunkSize          // the digits
	chunkName          // the first byte of an extension's name
	chunkNameMore      // after it
	chunkValue         // the first byte of an extension's value
	chunkToken         // a value that is a token
	chunkQuoted        // a value in quotes
	chunkQuotedPair    // after a backslash in it
	chunkQuotedEnd     // after the closing quote
	chunkSizeLF        // the LF of the size line
	chunkData          //
	chunkDataCR        //
	chunkDataLF        //
	trailerLineStart   //
	trailerLine        //
	trailerBlankLineLF //
)

// Request prepares x for the body of a request with head h (RFC 9112 §6.3): chunked, by length, or none.
func (x *Body) Request(h *Head) {
	*x = Body{trailer: x.trailer.reset()}
	x.frame(h)
}

// Response prepares x for the body of a response with head h to a request whose method was HEAD or not. 1xx, 204, 304
// and answers to HEAD have none whatever their fields say; the others are chunked, by length or, with neither, until
// the connection closes, in which case h.Close is set. A 101 without Upgrade is an error; after one with it the
// connection speaks another protocol, which is not x's affair.
func (x *Body) Response(h *Head, toHEAD bool) *Error {
	*x = Body{trailer: x.trailer.reset(), response: true}
	switch {
	case h.Status == 101 && !h.HasUpgrade:
		return fromUpstream(errNoUpgrade)
	case toHEAD || h.Status < 200 || h.Status == 204 || h.Status == 304:
	case h.Chunked || h.ContentLength >= 0:
		x.frame(h)
	default:
		x.state, x.length, h.Close = bodyUntilClose, -1, true
	}
	return nil
}

// frame sets x up for a chunked body or one with a length.
func (x *Body) frame(h *Head) {
	switch {
	case h.Chunked:
		x.state, x.length = chunkSize, -1
	case h.ContentLength > 0:
		x.state, x.left, x.length = bodyFixed, h.ContentLength, h.ContentLength
	}
}

// Done tells whether the body is complete. One that lasts until the connection closes never is: its end is the
// connection's.
func (x *Body) Done() bool { return x.state == bodyDone }

// UntilClose tells whether the body lasts until the connection closes.
func (x *Body) UntilClose() bool { return x.state == bodyUntilClose }

// Length returns how long the payload is declared to be: -1 for a chunked body and one until close, 0 for none.
func (x *Body) Length() int64 { return x.length }

// Trailers returns the trailer fields of a chunked body that is done, nil if there are none. They stay valid until the
// next use of x. Those that must not stand in a trailer (RFC 9110 §6.5.1: framing, routing, authentication, request
// and response control, content format) are not among them.
func (x *Body) Trailers() []Field {
	if x.trailer == nil || x.state != bodyDone {
		return nil
	}
	return x.trailer.fields
}

// Next consumes n bytes of b and yields at most one piece of payload, a part of b. Call it again with b[n:], until n
// is 0 (all of b is consumed: bring more) or the body is Done (what is left of b belongs to the next message). Framing
// is consumed as it comes, also in part, so that b never needs to be kept. After an error it gives the same error.
//
// Allocation budget: none, but for a trailer section.
func (x *Body) Next(b []byte) (data []byte, n int, err *Error) {
	switch x.state {
	case bodyDone:
		return nil, 0, nil
	case bodyFailed:
		return nil, 0, x.err
	case bodyUntilClose:
		return b, len(b), nil
	case bodyFixed:
		n = int(min(x.left, int64(len(b))))
		if x.left -= int64(n); x.left == 0 {
			x.state = bodyDone
		}
		return b[:n:n], n, nil
	}
	return x.chunked(b)
}

// fail ends the body with err.
func (x *Body) fail(err *Error) ([]byte, int, *Error) {
	if x.response {
		err = fromUpstream(err)
	}
	x.state, x.err = bodyFailed, err
	return nil, 0, err
}

func (x *Body) chunked(b []byte) (data []byte, n int, err *Error) {
	for i := 0; i < len(b); {
		c := b[i]
		switch x.state {
		case chunkSize:
			if d := hexDigit[c]; d >= 0 {
				if x.digits++; x.digits > 16 || x.left > (1<<63-1)>>4 {
					return x.fail(errChunkTooLarge)
				}
				x.left = x.left<<4 | int64(d)
				break
			}
			if x.digits == 0 {
				return x.fail(errChunkSize)
			}
			switch c {
			case ';':
				x.state = chunkName
			case '\r':
				x.state = chunkSizeLF
			default:
				return x.fail(errChunkSize)
			}
		case chunkName, chunkNameMore, chunkValue, chunkToken, chunkQuoted, chunkQuotedPair, chunkQuotedEnd:
			if x.line++; x.line > maxExtension {
				return x.fail(errChunkExtensions)
			}
			if x.state = extension(x.state, c); x.state == bodyFailed {
				return x.fail(errChunkExtension)
			}
		case chunkSizeLF:
			if c != '\n' {
				return x.fail(errBareCR)
			}
			if x.left == 0 {
				x.state = trailerLineStart
			} else {
				x.state = chunkData
			}
			// As net/http: 16 bytes for each chunk and two for each byte of payload are free.
			if x.excess += int64(x.line) + int64(x.digits) + 4 - 16; x.left < maxExcess {
				x.excess -= 2 * x.left
			} else {
				x.excess = 0
			}
			if x.excess = max(x.excess, 0); x.excess > maxExcess {
				return x.fail(errChunkExtensions)
			}
			x.line, x.digits = 0, 0
		case chunkData:
			k := int(min(x.left, int64(len(b)-i)))
			data, i = b[i:i+k:i+k], i+k
			if x.left -= int64(k); x.left > 0 {
				return data, i, nil
			}
			x.state = chunkDataCR
			// What usually follows is consumed at once, which saves the caller a round.
			if rest := b[i:]; len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n' {
				i, x.state = i+2, chunkSize
				if len(rest) >= 7 && string(rest[2:7]) == "0\r\n\r\n" {
					i, x.state = i+5, bodyDone
				}
			}
			return data, i, nil
		case chunkDataCR:
			if c != '\r' {
				return x.fail(errChunkEnd)
			}
			x.state = chunkDataLF
		case chunkDataLF:
			if c != '\n' {
				return x.fail(errChunkEnd)
			}
			x.state = chunkSize
		case trailerLineStart, trailerLine:
			if c == '\r' && x.state == trailerLineStart {
				x.state = trailerBlankLineLF
				break
			}
			x.state = trailerLine
			if x.trailer == nil {
				x.trailer = new(trailer)
			}
			k, complete, err := x.trailer.add(b[i:])
			if err != nil {
				return x.fail(err)
			}
			if i += k; complete {
				x.state = trailerLineStart
			}
			continue
		case trailerBlankLineLF:
			if c != '\n' {
				return x.fail(errBareCR)
			}
			x.state = bodyDone
			x.trailer.finish()
			return nil, i + 1, nil
		}
		i++
	}
	return nil, len(b), nil
}

// extension returns the state after byte c of a chunk extension (RFC 9112 §7.1.1, without white space), bodyFailed if
// it does not belong there.
func extension(s bodyState, c byte) bodyState {
	token := lower[c] != 0
	switch s {
	case chunkName:
		if token {
			return chunkNameMore
		}
	case chunkNameMore:
		if token {
			return s
		}
		if c == '=' {
			return chunkValue
		}
		return extensionEnd(c)
	case chunkValue:
		if token {
			return chunkToken
		}
		if c == '"' {
			return chunkQuoted
		}
	case chunkToken:
		if token {
			return s
		}
		return extensionEnd(c)
	case chunkQuoted:
		switch {
		case c == '"':
			return chunkQuotedEnd
		case c == '\\':
			return chunkQuotedPair
		case c == '\t' || c >= ' ' && c != 0x7f:
			return s
		}
	case chunkQuotedPair:
		if c == '\t' || c >= ' ' && c != 0x7f {
			return chunkQuoted
		}
	case chunkQuotedEnd:
		return extensionEnd(c)
	}
	return bodyFailed
}

// extensionEnd returns the state after a byte that ends an extension.
func extensionEnd(c byte) bodyState {
	switch c {
	case ';':
		return chunkName
	case '\r':
		return chunkSizeLF
	}
	return bodyFailed
}

// reset empties t for the next body.
func (t *trailer) reset() *trailer {
	if t != nil {
		t.buf, t.line, t.lines, t.fields = t.buf[:0], 0, 0, t.fields[:0]
	}
	return t
}

// add takes the bytes of b up to and with the end of the present line, and tells whether the line is complete.
func (t *trailer) add(b []byte) (n int, complete bool, err *Error) {
	if n = bytes.IndexByte(b, '\n') + 1; n == 0 {
		n = len(b)
	} else {
		complete = true
	}
	if len(t.buf)+n > maxTrailerBytes {
		return 0, false, errTrailersTooLarge
	}
	old := len(t.buf)
	t.buf = append(t.buf, b[:n]...)
	if !complete {
		// The line as a whole is judged when it is complete; control characters are refused at once.
		if e := valueEnd(t.buf, max(old-1, t.line)); e < len(t.buf)-1 || e < len(t.buf) && t.buf[e] != '\r' {
			return 0, false, errValue
		}
		return n, false, nil
	}
	if _, _, _, _, next, err := fieldLine(t.buf, t.line); err != nil {
		return 0, false, err
	} else if t.line = next; next != len(t.buf) {
		return 0, false, errBareCR
	}
	if t.lines++; t.lines > maxTrailers {
		return 0, false, errTooManyFields
	}
	return n, true, nil
}

// finish makes the fields of the complete section.
func (t *trailer) finish() {
	if t == nil {
		return
	}
	for p := 0; p < len(t.buf); {
		id, colon, vs, ve, next, _ := fieldLine(t.buf, p)
		if f := (Field{Name: t.buf[p:colon:colon], Value: t.buf[vs:ve:ve], ID: id}); !forbiddenTrailer(f) {
			t.fields = append(t.fields, f)
		}
		p = next
	}
}

// forbiddenTrailer tells whether a field must not stand in a trailer section (RFC 9110 §6.5.1), because it belongs to
// framing, routing, authentication, request or response control, or describes the content's format. All fields that
// gwc knows do; the others are listed here, and "_" is taken for "-".
func forbiddenTrailer(f Field) bool {
	if f.ID != Other {
		return true
	}
	var low [32]byte
	n := copy(low[:], f.Name)
	for i, c := range low[:n] {
		if low[i] = lower[c]; c == '_' {
			low[i] = '-'
		}
	}
	name := low[:n]
	if lookup(name) != Other {
		return true
	}
	switch string(name) {
	case "age", "allow", "cache-control", "clear-site-data", "content-disposition", "content-language",
		"content-location", "content-range", "expires", "http2-settings", "if-match", "if-modified-since",
		"if-none-match", "if-range", "if-unmodified-since", "max-forwards", "origin", "pragma", "referer", "refresh",
		"strict-transport-security", "tracestate", "baggage", "vary", "warning", "www-authenticate":
		return true
	}
	for _, prefix := range []string{"x-forwarded-", "x-real-", "x-original-", "access-control-", "proxy-", "sec-"} {
		if bytes.HasPrefix(name, []byte(prefix)) {
			return true
		}
	}
	return false
}
