package check

import (
	"fmt"
	"strconv"

	"github.com/gwc-dev/gwc/compiler/load"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Values are what holds at the data paths of one unit: what its files say, evaluated, and what the language fills in. It
// is immutable.
type Values struct{ root *node }

// Value is what holds at a data path. Text is how CUE writes it, "" for structs and lists and where it may be a secret.
// At is where a file says it; it is zero where the language fills it in.
type Value struct {
	Text string
	Set  bool
	At   diag.Span
}

// Evaluate returns the values of one unit, for editors, which ask for one unit at a time. It is nil where the unit cannot
// be evaluated. Like [Check] it must not run twice at once on one unit.
func Evaluate(u *load.Unit) *Values {
	if got := newBench().check(u, diag.Report{}); got.root != nil {
		return &Values{got.root}
	}
	return nil
}

// At returns what holds at a data path, false where nothing does or what does was reported.
func (v *Values) At(t *language.Type, path ...string) (Value, bool) {
	n := v.root
	for _, p := range path {
		if i, err := strconv.Atoi(p); err == nil && n.elems != nil {
			if i < 0 || i >= len(n.elems) {
				return Value{}, false
			}
			n = n.elems[i]
		} else {
			n = n.fields[p]
		}
		if n == nil {
			return Value{}, false
		}
	}
	out := Value{Set: n.set, At: n.at.key}
	if !hidden(path) {
		out.Text = n.text(t)
	}
	return out, true
}

// text returns how CUE writes a scalar, or a list of them.
func (n *node) text(t *language.Type) string {
	switch t.Shape {
	case language.Enum, language.String:
		return strconv.Quote(n.str)
	case language.Int:
		return strconv.FormatInt(n.num, 10)
	case language.Bool:
		return strconv.FormatBool(n.flag)
	case language.List:
		s := "["
		for i, e := range n.elems {
			if e == nil {
				return ""
			}
			x := e.text(t.Elem)
			if x == "" {
				return ""
			}
			if i > 0 {
				s += ", "
			}
			s += x
		}
		return s + "]"
	}
	return ""
}

// Fault returns what is wrong with a text as a value of a type, in words that go on after it, such as "is not a name"; ""
// where nothing is. It judges the scalars that the language names, and enumerations.
func Fault(t *language.Type, text string) string {
	if s, ok := scalars[t.Is]; ok && t.Shape == language.String {
		return s.check(text)
	}
	if t.Shape == language.Enum {
		for _, v := range t.Values {
			if v == text {
				return ""
			}
		}
		return fmt.Sprintf("is not %s", oneOf(t.Values))
	}
	return ""
}

// Secret reports whether texts of a type may be secrets, which are never shown.
func Secret(t *language.Type) bool { return secret(t) }
