package http1

import "bytes"

// maxBlankLines is how many empty lines before a message are skipped. RFC 9112 §2.2 asks for one at least; old clients
// send one or two after a body. An empty line cannot be read as anything else, but skipping must end somewhere.
const maxBlankLines = 2

// Paths that stand in no message. They are never written to.
var (
	rootPath     = []byte("/")
	asteriskPath = []byte("*")
)

// ParseRequest reads a request head at the beginning of b. n > 0: the head took n bytes (with the blank line, and up to
// two empty lines before it if there were any). n == 0 and err == nil: b is incomplete, call again with the same bytes and
// more. Bytes that are already wrong are refused at once, also in an incomplete line, so that garbage does not sit out
// a timeout.
//
// A call with a head that has grown looks only at what is new, until the head is complete; the offsets that this needs
// are kept in h. Call [Head.Reset] before other bytes when the last call was incomplete.
//
// CONNECT alone gives both n and an error: its head is read, and what it asks for is not offered (501).
//
// Refused are, by RFC 9112: everything that is not its grammar; obs-fold; bare CR and LF; a method that is not in the
// table of known ones (501), versions other than 1.0 and 1.1 (505); Content-Length with
// Transfer-Encoding in either order, two of either, also when equal; every Transfer-Encoding but "chunked", and any in
// HTTP/1.0; no Host or two, or one that is empty or no uri-host (an empty Host is legal for URIs without an authority,
// but http URIs have one; beside an absolute-form target, whose authority replaces it, it may be empty); user
// information; fragments.
//
// Allocation budget: none, once Fields has grown to the connection's usual number. About 300 ns for ten fields.
func (h *Head) ParseRequest(b []byte, l Limits) (n int, err *Error) {
	return h.parse(b, l, false)
}

// parse is what requests and responses have in common.
func (h *Head) parse(b []byte, l Limits, response bool) (n int, err *Error) {
	most, fields := l.Head, l.Fields
	if most <= 0 {
		most = 64 << 10
	}
	if fields <= 0 {
		fields = 256
	}
	// What lies beyond the limit is not looked at, so that the verdict does not depend on how the bytes arrive.
	v := b[:min(len(b), most)]
	// A short head is simply parsed again: that is cheap, and finds garbage at its first byte.
	if h.seen > 0 && len(v) > h.seen && h.seen > 64 {
		complete, err := h.resume(v, fields, response)
		if err != nil || !complete {
			return h.more(len(v), most, err)
		}
	}
	h.clear()
	p := 0
	for p < len(v) && v[p] == '\r' {
		if p == 2*maxBlankLines {
			return h.more(len(v), most, errBlankLines)
		}
		if p+1 < len(v) && v[p+1] != '\n' {
			return h.more(len(v), most, errBareCR)
		}
		p = min(p+2, len(v))
	}
	h.line, h.inFields = p, false
	if p < len(v) {
		if response {
			p, err = h.statusLine(v, p)
		} else {
			p, err = h.requestLine(v, p)
		}
		if p == 0 {
			return h.more(len(v), most, err)
		}
		var done bool
		h.inFields = true
		h.line, done, err = h.fields(v, p, fields)
		if done {
			if response {
				err = h.checkResponse()
			} else {
				err = h.checkRequest()
			}
			if err == nil || err == errConnect {
				h.seen = 0
				return h.line, err
			}
		}
	}
	return h.more(len(v), most, err)
}

// more ends a call that did not complete a head: with err, or because the limit is reached, or to wait for more.
func (h *Head) more(length, most int, err *Error) (int, *Error) {
	if err == nil && length < most {
		h.seen = length
		return 0, nil
	}
	h.seen = 0
	if err == nil {
		err = errHeadTooLarge
		if !h.inFields {
			err = errTargetTooLong
		}
	}
	return 0, err
}

// resume looks at what is new in b, of a head whose lines before h.line are known to be good. It tells whether the head
// is complete now and must be parsed as a whole, because its earlier lines may have moved. What it refuses is what
// parsing b as a whole would, and no byte is looked at more than a few times: of each part of a line that may be long
// (target, reason, field name, field value) it keeps how far it was checked.
func (h *Head) resume(b []byte, most int, response bool) (complete bool, err *Error) {
	if !h.inFields {
		if h.long && (response && valueEnd(b, h.seen) == len(b) || !response && targetEnd(b, h.seen) == len(b)) {
			return false, nil
		}
		var p int
		if response {
			p, err = h.statusLine(b, h.line)
		} else {
			p, err = h.requestLine(b, h.line)
		}
		if p == 0 {
			return false, err
		}
		h.line, h.inFields = p, true
	}
	if lf := bytes.LastIndexByte(b[max(h.seen, h.line):], '\n'); lf >= 0 {
		if h.line, complete, err = h.fields(b[:max(h.seen, h.line)+lf+1], h.line, most); complete || err != nil {
			return complete, err
		}
	}
	return false, h.openField(b)
}

// openField judges the line that begins at h.line, the last one of b and without its LF.
func (h *Head) openField(b []byte) *Error {
	if h.at < h.line {
		h.at, h.inValue = h.line, false
	}
	if !h.inValue {
		for h.at < len(b) && lower[b[h.at]] != 0 {
			h.at++
		}
		switch {
		case h.at == len(b):
			return nil
		case h.at == h.line && b[h.at] == '\r':
			if h.at+1 < len(b) {
				return errBareCR
			}
			return nil
		case h.at == h.line || b[h.at] != ':':
			return badName(b, h.line, h.at)
		}
		h.at, h.inValue = h.at+1, true
	}
	if h.at = valueEnd(b, h.at); h.at < len(b) {
		if b[h.at] != '\r' {
			return badByte(b[h.at])
		}
		if h.at+1 < len(b) {
			return errBareCR
		}
	}
	return nil
}

// requestLine reads the request line that begins at b[p]; next is 0 where it is incomplete or wrong.
func (h *Head) requestLine(b []byte, p int) (next int, err *Error) {
	i := p
	for i < len(b) && lower[b[i]] != 0 {
		if i++; i-p > longestMethod {
			return 0, errUnknownMethod
		}
	}
	if i == len(b) {
		return 0, nil
	}
	if b[i] != ' ' || i == p {
		if i == p && b[i] == '\n' {
			return 0, errBareLF
		}
		return 0, errMethod
	}
	h.Method = b[p:i:i]
	if !knownMethod(h.Method) {
		return 0, errUnknownMethod
	}
	start := i + 1
	end := targetEnd(b, start)
	if h.long = end == len(b); h.long {
		return 0, nil
	}
	if b[end] != ' ' || end == start {
		return 0, badTarget(b[end])
	}
	h.Target = b[start:end:end]
	h.Minor, next, err = version(b, end+1)
	if next == 0 {
		return 0, err
	}
	if next == len(b) {
		return 0, nil
	}
	if b[next] != '\r' {
		return 0, errVersion
	}
	if next+1 == len(b) {
		return 0, nil
	}
	if b[next+1] != '\n' {
		return 0, errBareCR
	}
	if err := h.target(); err != nil {
		return 0, err
	}
	return next + 2, nil
}

// badTarget says what is wrong with a byte that ended a target where none may end.
func badTarget(c byte) *Error {
	switch c {
	case '\n':
		return errBareLF
	case ' ', '\r', '\t':
		return errRequestLine
	}
	return errTarget
}

// version reads "HTTP/1.0" or "HTTP/1.1" at b[p]; next is 0 where it is incomplete or wrong.
func version(b []byte, p int) (minor uint8, next int, err *Error) {
	const prefix = "HTTP/"
	if len(b)-p >= 8 {
		switch string(b[p : p+8]) {
		case "HTTP/1.1":
			return 1, p + 8, nil
		case "HTTP/1.0":
			return 0, p + 8, nil
		}
	}
	for i := range min(8, len(b)-p) {
		switch c := b[p+i]; {
		case i < 5 && c == prefix[i], (i == 5 || i == 7) && '0' <= c && c <= '9', i == 6 && c == '.':
		default:
			return 0, 0, errVersion
		}
	}
	if len(b)-p < 8 {
		return 0, 0, nil
	}
	return 0, 0, errOtherVersion
}

// target takes the request target apart by its form (RFC 9112 §3.2).
func (h *Head) target() *Error {
	t := h.Target
	if string(h.Method) == "CONNECT" {
		// The authority-form always has a port (RFC 9112 §3.2.3).
		if colon := bytes.LastIndexByte(t, ':'); colon < 0 || !validHost(t) || t[len(t)-1] == ']' {
			return errTarget
		}
		h.Host = t
		return nil
	}
	if t[0] != '/' {
		if len(t) == 1 && t[0] == '*' {
			// M-SEARCH is UPnP's, and defined with "*" only.
			if m := string(h.Method); m != "OPTIONS" && m != "M-SEARCH" {
				return errTarget
			}
			h.Path = t
			return nil
		}
		var err *Error
		if t, err = h.absolute(t); t == nil {
			return err
		}
	}
	if q := bytes.IndexByte(t, '?'); q >= 0 {
		h.HasQuery = true
		t, h.Query = t[:q:q], t[q+1:]
	}
	h.Path = t
	if len(t) == 0 {
		// RFC 9112 §3.2.4: OPTIONS for a URI with neither path nor query is for the server as a whole.
		if h.Path = rootPath; !h.HasQuery && string(h.Method) == "OPTIONS" {
			h.Path = asteriskPath
		}
	}
	return nil
}

// absolute reads the scheme and the authority of an absolute-form target into h.Host and returns the rest.
func (h *Head) absolute(t []byte) (rest []byte, err *Error) {
	i := bytes.IndexByte(t, ':')
	switch {
	case i < 0:
		return nil, errTarget
	case !equalFold(t[:i], "http") && !equalFold(t[:i], "https"):
		return nil, errScheme
	case len(t) < i+3 || t[i+1] != '/' || t[i+2] != '/':
		return nil, errTarget
	}
	t = t[i+3:]
	end := bytes.IndexAny(t, "/?")
	if end < 0 {
		end = len(t)
	}
	h.Host = t[:end:end]
	if bytes.IndexByte(h.Host, '@') >= 0 {
		return nil, errUserInfo
	}
	if !validHost(h.Host) {
		return nil, errHost
	}
	return t[end:], nil
}

// checkRequest judges a complete head as a whole.
func (h *Head) checkRequest() *Error {
	if h.has>>Host&1 != 0 {
		f := &h.Fields[h.host]
		if h.Host != nil {
			// RFC 9112 §3.2.2: the authority replaces whatever Host says, for everybody who comes after.
			if len(f.Value) > 0 && !validHost(f.Value) {
				return errHost
			}
			f.Value = h.Host
		} else if h.Host = f.Value; !validHost(h.Host) {
			return errHost
		}
	} else if h.Minor == 1 {
		return errNoHost
	}
	if err := h.connection(); err != nil {
		return err
	}
	if string(h.Method) == "CONNECT" {
		return errConnect
	}
	return nil
}

const longestMethod = len("UPDATEREDIRECTREF") // of those that knownMethod knows

// knownMethod tells whether m is a method of the IANA registry or one of the few unregistered ones in wide use. Others
// are refused with 501 (RFC 9110 §9.1): what follows a desynchronised message rarely begins with a known method, and a
// method that no route can name would only find its 405 later. Methods are case-sensitive.
func knownMethod(m []byte) bool {
	switch string(m) {
	case "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "QUERY", "TRACE", "CONNECT",
		"ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "COPY", "LABEL", "LINK", "LOCK", "MERGE",
		"MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "ORDERPATCH", "PROPFIND",
		"PROPPATCH", "REBIND", "REPORT", "SEARCH", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE",
		"UPDATEREDIRECTREF", "VERSION-CONTROL",
		"M-SEARCH", "NOTIFY", "PURGE", "SOURCE", "SUBSCRIBE", "UNSUBSCRIBE":
		return true
	}
	return false
}
