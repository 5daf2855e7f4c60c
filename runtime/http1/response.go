package http1

// ParseResponse reads a response head at the beginning of b, as [Head.ParseRequest] reads a request's; errors have
// status 502.
//
// Refused are, beyond the grammar of RFC 9112: a status below 100 or with
// anything but three digits; Content-Length with Transfer-Encoding, two of either, also when equal (RFC 9112 §6.3
// allows the sender of equal ones to be forgiven; an upstream that writes them is broken); every Transfer-Encoding but
// "chunked"; any in HTTP/1.0. A status line that ends after the digits, without the space before an empty reason, is
// taken, because real servers write it, nobody reads it differently, and the reason is never forwarded.
//
// A Content-Length or Transfer-Encoding on 1xx or 204, which RFC 9110 §8.6 and RFC 9112 §6.1 forbid, delimits nothing
// and is not forwarded ([Field.Hop]). Unless it is a length of 0, Close is set, because the sender may believe in it.
func (h *Head) ParseResponse(b []byte, l Limits) (n int, err *Error) {
	if n, err = h.parse(b, l, true); err != nil {
		err = fromUpstream(err)
	}
	return n, err
}

// statusLine reads the status line that begins at b[p]; next is 0 where it is incomplete or wrong.
func (h *Head) statusLine(b []byte, p int) (next int, err *Error) {
	h.Minor, next, err = version(b, p)
	if next == 0 {
		return 0, err
	}
	h.Status = 0
	for i := range min(4, len(b)-next) {
		switch c := b[next+i]; {
		case i == 0 && c == ' ', i == 1 && '1' <= c && c <= '9', i > 1 && '0' <= c && c <= '9':
			if i > 0 {
				h.Status = h.Status*10 + int(c-'0')
			}
		default:
			return 0, errStatusLine
		}
	}
	next += 4
	if next >= len(b) {
		return 0, nil
	}
	end := next
	if b[next] == ' ' {
		end = valueEnd(b, next+1)
	}
	if h.long = end == len(b); h.long {
		return 0, nil
	}
	if b[end] != '\r' {
		if b[end] == '\n' {
			return 0, errBareLF
		}
		return 0, errStatusLine
	}
	if end+1 == len(b) {
		return 0, nil
	}
	if b[end+1] != '\n' {
		return 0, errBareCR
	}
	return end + 2, nil
}

// checkResponse judges a complete head as a whole.
func (h *Head) checkResponse() *Error {
	if err := h.connection(); err != nil {
		return err
	}
	if h.Status < 200 || h.Status == 204 {
		h.Close = h.Close || h.Chunked || h.ContentLength > 0
		for i := range h.Fields {
			if h.Fields[i].ID == ContentLength {
				h.Fields[i].Hop = true
			}
		}
	}
	return nil
}
