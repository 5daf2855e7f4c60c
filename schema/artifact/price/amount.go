package price

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Amount is a sum of money in pico-USD (10⁻¹² USD): at most about 18 million USD.
type Amount uint64

// PerUSD is one USD.
const PerUSD Amount = 1e12

// Plus adds two amounts. It reports false where the sum is beyond reach.
func (a Amount) Plus(b Amount) (Amount, bool) {
	s, carry := bits.Add64(uint64(a), uint64(b), 0)
	return Amount(s), carry == 0
}

// Append writes the amount as a decimal number of USD, exactly and without an exponent: "0", "0.00045", "12.5". It is
// a number of JSON.
func (a Amount) Append(b []byte) []byte { return decimal(b, uint64(a), 12) }

// String returns what [Amount.Append] writes.
func (a Amount) String() string { return string(a.Append(nil)) }

// ParseAmount reads what [Amount.Append] writes, and any other decimal number of USD with at most twelve decimals.
func ParseAmount(s string) (Amount, error) {
	n, err := parse(s, 12)
	return Amount(n), err
}

// ReadAmount reads an amount as a provider writes it, a number of JSON: with an exponent or not, and with more than
// twelve decimals, which are cut. It reports false for what is none, is negative, or is beyond reach.
func ReadAmount(raw []byte) (a Amount, ok bool) {
	exp, end := 0, len(raw)
	for i, c := range raw {
		if c == 'e' || c == 'E' {
			n, err := strconv.Atoi(string(raw[i+1:]))
			if err != nil || n < -400 || n > 400 {
				return 0, false
			}
			exp, end = n, i
			break
		}
	}
	var n uint64
	point, left := false, exp+12 // how many places the digits before the point are to be moved
	seen := false
	for _, c := range raw[:end] {
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
			return 0, false
		}
		seen = true
		if point {
			left--
		}
		if n > (math.MaxUint64-9)/10 {
			if !point {
				return 0, false
			}
			left++ // a digit that can hardly matter
			continue
		}
		n = n*10 + uint64(c-'0')
	}
	for ; left > 0 && n != 0; left-- {
		if n > math.MaxUint64/10 {
			return 0, false
		}
		n *= 10
	}
	for ; left < 0 && n != 0; left++ {
		n /= 10
	}
	return Amount(n), seen
}

// decimal writes n · 10^-places without trailing zeros.
func decimal(b []byte, n uint64, places int) []byte {
	scale := uint64(1)
	for range places {
		scale *= 10
	}
	b = strconv.AppendUint(b, n/scale, 10)
	frac := n % scale
	if frac == 0 {
		return b
	}
	b = append(b, '.')
	for frac != 0 {
		scale /= 10
		b = append(b, byte('0'+frac/scale))
		frac %= scale
	}
	return b
}

// Decimals is how many decimals a price per million tokens may have.
const Decimals = 9

// Why a text is not a price.
var (
	ErrNegative = errors.New("is negative")
	ErrNumber   = errors.New("is not a decimal number")
	ErrDecimals = errors.New("has more than 9 decimals")
	ErrSign     = errors.New("has a sign of a currency")
	ErrComma    = errors.New("has a comma")
	ErrExponent = errors.New("has an exponent")
	ErrRange    = errors.New("is too large")
)

// ParseRate reads a price as the language writes it: USD per million tokens or, of kinds that are priced by the piece,
// USD per piece; "1.25", "0.075", "10". It returns femto-USD per unit.
func ParseRate(s string, k Kind) (femto uint64, err error) {
	if k.Piece() {
		return parse(s, 15)
	}
	return parse(s, Decimals)
}

// AppendRate writes a price per unit as [ParseRate] reads it.
func AppendRate(b []byte, femto uint64, k Kind) []byte {
	if k.Piece() {
		return decimal(b, femto, 15)
	}
	return decimal(b, femto, Decimals)
}

// FormatRate returns what [AppendRate] writes.
func FormatRate(femto uint64, k Kind) string { return string(AppendRate(nil, femto, k)) }

// parse reads a decimal number as a whole number of 10^-places.
func parse(s string, places int) (uint64, error) {
	whole, frac, point := strings.Cut(s, ".")
	for i, part := range [...]string{whole, frac} {
		if part == "" && (i == 0 || point) {
			return 0, notNumber(s)
		}
		for _, c := range []byte(part) {
			if c < '0' || c > '9' {
				return 0, notNumber(s)
			}
		}
	}
	if len(frac) > places {
		if strings.TrimRight(frac[places:], "0") != "" {
			return 0, ErrDecimals
		}
		frac = frac[:places]
	}
	var n uint64
	for _, part := range [...]string{whole, frac} {
		for _, c := range []byte(part) {
			if n > (math.MaxUint64-uint64(c-'0'))/10 {
				return 0, ErrRange
			}
			n = n*10 + uint64(c-'0')
		}
	}
	for range places - len(frac) {
		if n > math.MaxUint64/10 {
			return 0, ErrRange
		}
		n *= 10
	}
	return n, nil
}

// notNumber says what is most likely wrong with a text that is no number.
func notNumber(s string) error {
	switch {
	case strings.HasPrefix(s, "-"):
		return ErrNegative
	case strings.ContainsAny(s, "$€£¥"), strings.Contains(strings.ToUpper(s), "USD"):
		return ErrSign
	case strings.Contains(s, ","):
		return ErrComma
	case strings.ContainsAny(s, "eE") && strings.IndexAny(s, "0123456789") == 0:
		return ErrExponent
	}
	return ErrNumber
}
