package match

import (
	"encoding/binary"
	"errors"
	"math"
)

// Ints is an array of 32-bit numbers. Its wire form is one byte string of unsigned varints in their shortest form:
// most numbers of a table are small, and one string decodes faster than an array of items.
type Ints []uint32

// MarshalBinary returns the wire form.
func (a Ints) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, len(a)*2)
	for _, v := range a {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b, nil
}

// UnmarshalBinary reads the wire form. It refuses a number that is cut off, too large or longer than it has to be,
// so that one array has one form.
func (a *Ints) UnmarshalBinary(b []byte) error {
	n := 0
	for _, c := range b {
		if c < 0x80 {
			n++
		}
	}
	out := make(Ints, 0, n)
	for len(b) > 0 {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > math.MaxUint32 || k > 1 && b[k-1] == 0 {
			return errInts
		}
		out = append(out, uint32(v))
		b = b[k:]
	}
	*a = out
	return nil
}

var errInts = errors.New("malformed array of numbers in the routing table")
