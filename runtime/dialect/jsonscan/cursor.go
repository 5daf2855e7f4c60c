package jsonscan

import (
	"strconv"
	"unicode/utf8"
)

// Cursor walks over a JSON text that [Check], [Chat] or [Valid] accepted, in one pass and without copying. It checks
// nothing again: on text that was not accepted its answers mean nothing, but it stays within the text.
//
//	for c.Enter(); c.More(); {
//		switch string(c.Key()) {
//		case "name":
//			name, buf, ok = c.Text(buf)
//		default:
//			c.Skip()
//		}
//	}
//
// Each member's or element's value must be consumed: by Skip, Text, Int, or Enter and More until it is false.
type Cursor struct {
	B     []byte
	I     int
	fresh bool // just entered: no comma is due
}

// Over returns a cursor that stands before the value of b.
func Over(b []byte) Cursor { return Cursor{B: b, I: skipSpace(b, 0)} }

// Kind returns the first byte of the next value: '{', '[', '"', 't', 'f', 'n', '-' or a digit; 0 at the end.
func (c *Cursor) Kind() byte {
	c.I = skipSpace(c.B, c.I)
	if c.I >= len(c.B) {
		return 0
	}
	return c.B[c.I]
}

// Enter goes into the object or array that begins here.
func (c *Cursor) Enter() {
	c.I = skipSpace(c.B, c.I) + 1
	c.fresh = true
}

// More reports whether there is another member or element and stands before it; where there is none it stands
// behind the object or array.
func (c *Cursor) More() bool {
	c.I = skipSpace(c.B, c.I)
	if c.I >= len(c.B) {
		return false
	}
	switch b := c.B[c.I]; {
	case b == '}' || b == ']':
		c.I++
		c.fresh = false
		return false
	case !c.fresh:
		c.I = skipSpace(c.B, c.I+1) // the comma
	}
	c.fresh = false
	return c.I < len(c.B)
}

// Key returns the next member's name as it is written, without quotes, and stands before its value. Names with
// escape sequences are returned as written: they equal none of the names that a dialect knows. (Providers' answers
// have none; requests that have some are caught by [Cursor.KeyText].)
func (c *Cursor) Key() []byte {
	start := c.I + 1
	end := stringEnd(c.B, c.I)
	c.I = skipSpace(c.B, skipSpace(c.B, end)+1)
	if end-1 < start {
		return nil
	}
	return c.B[start : end-1]
}

// KeyText is [Cursor.Key] with escape sequences decoded. The result is valid until buf is used again.
func (c *Cursor) KeyText(buf []byte) (key, newBuf []byte) {
	raw := c.Key()
	for _, b := range raw {
		if b == '\\' {
			return unescape(raw, buf[:0])
		}
	}
	return raw, buf
}

// Skip passes over the next value and returns it as written.
func (c *Cursor) Skip() []byte {
	c.I = skipSpace(c.B, c.I)
	start := c.I
	if start >= len(c.B) {
		return nil
	}
	c.fresh = false
	switch c.B[start] {
	case '"':
		c.I = stringEnd(c.B, start)
	case '{', '[':
		depth := 0
		for c.I < len(c.B) {
			switch c.B[c.I] {
			case '"':
				c.I = stringEnd(c.B, c.I)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			c.I++
			if depth == 0 {
				break
			}
		}
	default:
		for c.I < len(c.B) {
			switch c.B[c.I] {
			case ',', '}', ']', ' ', '\t', '\n', '\r':
				return c.B[start:c.I]
			}
			c.I++
		}
	}
	return c.B[start:c.I]
}

// Text reads the next value as a string: decoded, and whether it was a string. Without escape sequences the bytes
// alias the text; else they stand in buf, which is returned grown.
func (c *Cursor) Text(buf []byte) (s, newBuf []byte, ok bool) {
	raw := c.Skip()
	if len(raw) < 2 || raw[0] != '"' {
		return nil, buf, false
	}
	s, buf = Unquote(raw, buf)
	return s, buf, true
}

// Int reads the next value as an integer; ok is false for anything else, also for a number with a fraction.
func (c *Cursor) Int() (n int64, ok bool) { return Int(c.Skip()) }

// Int reads a raw value as an integer. A fraction or exponent is accepted if the value is whole (some providers
// write 12.0).
func Int(raw []byte) (n int64, ok bool) {
	if len(raw) == 0 || len(raw) > 32 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return 0, false
	}
	neg := raw[0] == '-'
	digits := raw
	if neg {
		digits = raw[1:]
	}
	if len(digits) > 0 && len(digits) <= 18 {
		whole := true
		for _, d := range digits {
			if d < '0' || d > '9' {
				whole = false
				break
			}
			n = n*10 + int64(d-'0')
		}
		if whole {
			if neg {
				n = -n
			}
			return n, true
		}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != float64(int64(f)) || f >= 1<<53 || f <= -(1<<53) {
		return 0, false
	}
	return int64(f), true
}

// stringEnd returns the offset after the closing quote of the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); {
		i = plainRun(b, i)
		if i >= len(b) {
			break
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return len(b)
}

// Unquote decodes a JSON string with its quotes. Without escape sequences the result aliases raw; else it stands in
// buf, which is returned grown.
func Unquote(raw, buf []byte) (s, newBuf []byte) {
	raw = raw[1 : len(raw)-1]
	for i := 0; i < len(raw); {
		i = plainRun(raw, i)
		if i < len(raw) && raw[i] == '\\' {
			buf = append(buf[:0], raw[:i]...)
			return unescapeFrom(raw, i, buf, 0)
		}
		i++
	}
	return raw, buf
}

// unescape appends the decoded text of raw to buf and returns both the decoded text and the grown buffer.
func unescape(raw, buf []byte) (s, newBuf []byte) { return unescapeFrom(raw, 0, buf, len(buf)) }

// unescapeFrom appends the decoded text of raw[i:] to buf; the text begins at buf[from].
func unescapeFrom(raw []byte, i int, buf []byte, from int) (s, newBuf []byte) {
	for i < len(raw) {
		j := plainRun(raw, i)
		buf = append(buf, raw[i:j]...)
		if i = j; i >= len(raw) {
			break
		}
		if raw[i] != '\\' || i+1 >= len(raw) {
			buf = append(buf, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			buf = append(buf, '\b')
		case 'f':
			buf = append(buf, '\f')
		case 'n':
			buf = append(buf, '\n')
		case 'r':
			buf = append(buf, '\r')
		case 't':
			buf = append(buf, '\t')
		case 'u':
			r := hex4(raw[i+2:])
			i += 4
			if r >= 0xd800 && r <= 0xdbff && i+8 <= len(raw) && raw[i+2] == '\\' && raw[i+3] == 'u' {
				if low := hex4(raw[i+4:]); low >= 0xdc00 && low <= 0xdfff {
					r = (r-0xd800)<<10 | (low - 0xdc00) + 0x10000
					i += 6
				}
			}
			buf = utf8.AppendRune(buf, r) // half a pair becomes U+FFFD
		default:
			buf = append(buf, c)
		}
		i += 2
	}
	return buf[min(from, len(buf)):], buf
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD; nothing is escaped that
// need not be.
func AppendString[S []byte | string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	dst = AppendEscaped(dst, s)
	return append(dst, '"')
}

// AppendEscaped is [AppendString] without the quotes.
func AppendEscaped[S []byte | string](dst []byte, s S) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := decodeRune(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += n
	}
	return append(dst, s[start:]...)
}

func decodeRune[S []byte | string](s S) (rune, int) {
	var b [utf8.UTFMax]byte
	n := copy(b[:], s)
	return utf8.DecodeRune(b[:n])
}
