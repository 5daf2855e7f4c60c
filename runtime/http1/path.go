package http1

import "bytes"

// hexDigit holds the value of each hex digit, -1 for other bytes.
var hexDigit = func() (t [256]int8) {
	for c := range t {
		t[c] = -1
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = int8(c - '0')
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c], t[c-0x20] = int8(c-'a')+10, int8(c-'a')+10
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

// How NormalizePath treats a byte of a path.
const (
	pathRefuse     = iota // CTL, SP, "\", "?", "#", non-ASCII
	pathUnreserved        // as it is; decoded where it is encoded
	pathAsIs              // sub-delims, ":", "@", "/"
	pathEncode            // no pchar, though harmless: encoded
	pathPercent
)

var pathClass = func() (t [256]uint8) {
	for _, c := range []byte("-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		t[c] = pathUnreserved
	}
	for _, c := range []byte("!$&'()*+,;=:@/") {
		t[c] = pathAsIs
	}
	for _, c := range []byte("\"<>[]^`{|}") {
		t[c] = pathEncode
	}
	t['%'] = pathPercent
	return t
}()

// NormalizePath returns the one form of a path that is matched and forwarded, so that no two readers can see two
// paths: percent-encodings are in upper case, unreserved characters are not encoded (RFC 3986 §6.2.2), the characters
// that RFC 3986 does not allow in a path but senders write (" < > [ ] ^ ` { | }) are. Everything else is left as it is;
// above all "%2F" stays encoded and is no "/".
//
// Refused are a path that does not begin with "/" (and is not "*"), malformed encodings, "\" and control characters,
// also when encoded (many servers read "%5C" as a separator), spaces and bytes beyond ASCII unless encoded, and dot
// segments however they are written: ".", "..", also before ";" ("..;" is ".." to servlet containers), with encoded
// dots, and beside "%2F".
//
// raw itself is returned where it has that form already; otherwise p is dst with the path appended, less dst's old
// bytes. Allocation budget: none if dst has room for 3 × len(raw). About 1 ns a byte.
func NormalizePath(dst, raw []byte) (p []byte, err *Error) {
	if len(raw) == 0 || raw[0] != '/' {
		if string(raw) == "*" {
			return raw, nil
		}
		return nil, errPath
	}
	dots := false
	i := 0
	for ; i < len(raw); i++ {
		switch c := raw[i]; pathClass[c] {
		case pathUnreserved:
			dots = dots || c == '.'
			continue
		case pathAsIs:
			continue
		case pathPercent:
			v, err := encoded(raw, i)
			if err != nil {
				return nil, err
			}
			if pathClass[v] != pathUnreserved && raw[i+1] < 'a' && raw[i+2] < 'a' {
				i += 2
				continue
			}
		case pathRefuse:
			return nil, errPath
		}
		break
	}
	p = raw
	if i < len(raw) {
		if p, err = rewrite(append(dst, raw[:i]...), raw[i:]); err != nil {
			return nil, err
		}
		p, dots = p[len(dst):], true
	}
	if dots && dotSegment(p) {
		return nil, errPathDots
	}
	return p, nil
}

// rewrite appends the rest of a path to dst in the one form.
func rewrite(dst, raw []byte) ([]byte, *Error) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch pathClass[c] {
		case pathUnreserved, pathAsIs:
			dst = append(dst, c)
		case pathEncode:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		case pathPercent:
			v, err := encoded(raw, i)
			if err != nil {
				return nil, err
			}
			if i += 2; pathClass[v] == pathUnreserved {
				dst = append(dst, v)
			} else {
				dst = append(dst, '%', upperHex[v>>4], upperHex[v&15])
			}
		default:
			return nil, errPath
		}
	}
	return dst, nil
}

// encoded returns the byte that the percent-encoding at b[i] stands for.
func encoded(b []byte, i int) (byte, *Error) {
	if i+2 >= len(b) || hexDigit[b[i+1]] < 0 || hexDigit[b[i+2]] < 0 {
		return 0, errPathEncoding
	}
	v := byte(hexDigit[b[i+1]])<<4 | byte(hexDigit[b[i+2]])
	if v < ' ' || v == 0x7f || v == '\\' {
		return 0, errPath
	}
	return v, nil
}

// dotSegment tells whether one of the segments of p, a path in the one form, is "." or "..", up to a ";" if it has
// one. "%2F" and "%3B" count as "/" and ";" here, since a server that decodes them first resolves dots after.
func dotSegment(p []byte) bool {
	for i := 0; ; {
		k := bytes.IndexByte(p[i:], '.')
		if k < 0 {
			return false
		}
		i += k
		begins := p[i-1] == '/' || i >= 3 && string(p[i-3:i]) == "%2F"
		if i++; i < len(p) && p[i] == '.' {
			i++
		}
		if begins && (i == len(p) || p[i] == '/' || p[i] == ';' || len(p)-i >= 3 && (string(p[i:i+3]) == "%2F" || string(p[i:i+3]) == "%3B")) {
			return true
		}
	}
}
