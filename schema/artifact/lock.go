package artifact

import (
	"cmp"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Lock is what tenants' files must keep to at a path. A runtime has no use for it: it stands in the artifact so that
// whoever compares two of them sees a lock that was loosened.
//
// Kind says how values compare: "text", "number", "duration", "size", "day", "decimal" or "flag". Durations and sizes
// are written as nanoseconds and bytes. Values is nil where any value may stand there.
type Lock struct {
	Path      string        `cbor:"1,keyasint"`
	Kind      string        `cbor:"2,keyasint"`
	Values    []string      `cbor:"3,keyasint,omitempty"` // sorted
	AtLeast   string        `cbor:"4,keyasint,omitempty"`
	AtMost    string        `cbor:"5,keyasint,omitempty"`
	Matches   string        `cbor:"6,keyasint,omitempty"` // RE2, of the whole text
	Within    time.Duration `cbor:"7,keyasint,omitempty"` // of a day, after the day of the build
	Required  bool          `cbor:"8,keyasint,omitempty"`
	Forbidden bool          `cbor:"9,keyasint,omitempty"`
	Except    []string      `cbor:"10,keyasint,omitempty"` // tenants, sorted
	Reason    string        `cbor:"11,keyasint"`
}

// lockKinds holds the kinds of values that locks compare.
var lockKinds = []string{"text", "number", "duration", "size", "day", "decimal", "flag"}

// CompareLocked compares two values of a kind that has an order.
func CompareLocked(kind, a, b string) int {
	if kind == "day" || kind == "text" {
		return cmp.Compare(a, b)
	}
	x, _ := new(big.Rat).SetString(a)
	y, _ := new(big.Rat).SetString(b)
	if x == nil || y == nil {
		return 0
	}
	return x.Cmp(y)
}

// LockedText writes a value as files do.
func LockedText(kind, v string) string {
	switch kind {
	case "duration":
		n, _ := strconv.ParseInt(v, 10, 64)
		return strconv.Quote(shortDuration(time.Duration(n)))
	case "number", "size", "flag":
		return v
	}
	return strconv.Quote(v)
}

// shortDuration writes a duration without units that are zero.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Demand says what must stand at the path, as in `at least 1 and at most "30s"`; "" where anything may.
func (l *Lock) Demand() string {
	var parts []string
	if len(l.Values) == 1 {
		parts = append(parts, LockedText(l.Kind, l.Values[0]))
	} else if len(l.Values) > 1 {
		list := make([]string, len(l.Values))
		for i, v := range l.Values {
			list[i] = LockedText(l.Kind, v)
		}
		parts = append(parts, "one of "+strings.Join(list, ", "))
	}
	if l.AtLeast != "" {
		parts = append(parts, "at least "+LockedText(l.Kind, l.AtLeast))
	}
	if l.AtMost != "" {
		parts = append(parts, "at most "+LockedText(l.Kind, l.AtMost))
	}
	if l.Matches != "" {
		parts = append(parts, fmt.Sprintf("what matches %q", l.Matches))
	}
	if l.Within > 0 {
		parts = append(parts, fmt.Sprintf("a day within %s of the build", shortDuration(l.Within)))
	}
	return strings.Join(parts, " and ")
}

// String says the lock in one line, without its path and its reason.
func (l *Lock) String() string {
	s := l.Demand()
	switch {
	case l.Forbidden:
		s = "forbidden"
	case l.Required && s != "":
		s = "required, " + s
	case l.Required:
		s = "required"
	}
	if len(l.Except) > 0 {
		s += ", except for " + strings.Join(l.Except, ", ")
	}
	return s
}

// Looser reports whether l lets something pass that o does not. Two regular expressions that differ are taken to.
func (l *Lock) Looser(o *Lock) bool {
	bound := func(a, b string, sign int) bool { // a lets pass more than b
		return b != "" && (a == "" || CompareLocked(l.Kind, a, b)*sign < 0)
	}
	switch {
	case slices.ContainsFunc(l.Except, func(t string) bool { return !slices.Contains(o.Except, t) }):
		return true
	case o.Forbidden && !l.Forbidden, o.Required && !l.Required && !l.Forbidden:
		return true
	case l.Forbidden:
		return false
	case l.Kind != o.Kind:
		return true
	case o.Values != nil && (l.Values == nil || slices.ContainsFunc(l.Values, func(v string) bool { return !slices.Contains(o.Values, v) })):
		return true
	case l.Values != nil:
		return slices.ContainsFunc(l.Values, func(v string) bool { return !o.Holds(v) })
	case bound(l.AtLeast, o.AtLeast, 1), bound(l.AtMost, o.AtMost, -1):
		return true
	case o.Within > 0 && (l.Within == 0 || l.Within > o.Within):
		return true
	}
	return o.Matches != "" && l.Matches != o.Matches
}

// Holds reports whether a value keeps to the lock, but for Within.
func (l *Lock) Holds(v string) bool {
	switch {
	case l.Values != nil && !slices.ContainsFunc(l.Values, func(x string) bool { return x == v || l.Kind == "decimal" && CompareLocked(l.Kind, x, v) == 0 }):
		return false
	case l.AtLeast != "" && CompareLocked(l.Kind, v, l.AtLeast) < 0, l.AtMost != "" && CompareLocked(l.Kind, v, l.AtMost) > 0:
		return false
	case l.Matches == "":
		return true
	}
	form, err := regexp.Compile(`^(?:` + l.Matches + `)$`)
	return err == nil && form.MatchString(v)
}

func (v *validator) locks() {
	last := ""
	for i := range v.a.Locks {
		l := &v.a.Locks[i]
		v.name(l.Path, "lock %d", i)
		if l.Path <= last {
			v.fail("lock %d is not in order", i)
		}
		last = l.Path
		v.oneOf(l.Kind, lockKinds, "lock %d: kind", i)
		for _, s := range [][]string{l.Values, l.Except, {l.AtLeast, l.AtMost, l.Matches, l.Reason}} {
			for _, t := range s {
				v.text(t, "lock %d", i)
			}
		}
		if !slices.IsSorted(l.Values) || !slices.IsSorted(l.Except) {
			v.fail("lock %d holds values that are not in order", i)
		}
		v.duration(l.Within, "lock %d: within", i)
	}
}
