package http1

import (
	"encoding/binary"
	"math/bits"
)

// lower maps each tchar (RFC 9110 §5.6.2) to itself in lower case and everything else to 0, so that one load both
// checks and folds.
var lower = func() (t [256]byte) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		t[c] = c
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c) | 0x20
	}
	return t
}()

const (
	ones  uint64 = 0x0101010101010101
	highs uint64 = 0x8080808080808080
)

// valueEnd returns where at or after i the first byte stands that no field value may hold: a CTL other than HTAB, or
// DEL; len(b) if there is none. In a good line that is its CR. It looks at eight bytes at a time: of the two masks the
// lowest bit is always exact, and only the lowest is used.
func valueEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		y := x ^ 0x7f*ones
		if m := ((x-0x20*ones)&^x | (y-ones)&^y) & highs; m != 0 {
			i += bits.TrailingZeros64(m) >> 3
			if b[i] != '\t' {
				return i
			}
			i++
			continue
		}
		i += 8
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 && c != '\t' || c == 0x7f {
			return i
		}
	}
	return len(b)
}

// targetEnd returns where at or after i the first byte stands that no request target may hold: SP, a CTL, DEL, "#" or
// anything beyond ASCII; len(b) if there is none.
func targetEnd(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		y, z := x^0x7f*ones, x^'#'*ones
		if m := (x | (x-0x21*ones)&^x | (y-ones)&^y | (z-ones)&^z) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	for ; i < len(b); i++ {
		if c := b[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return i
		}
	}
	return len(b)
}

// equalFold tells whether b is low, which is in lower case, in any case of ASCII letters.
func equalFold(b []byte, low string) bool {
	if len(b) != len(low) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != low[i] {
			return false
		}
	}
	return true
}

// isToken tells whether b is a token: one or more tchars.
func isToken(b []byte) bool {
	for _, c := range b {
		if lower[c] == 0 {
			return false
		}
	}
	return len(b) > 0
}

// trim returns b without the white space (OWS: SP and HTAB) around it.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
