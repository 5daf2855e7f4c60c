package script

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Pattern is a value that an actual value is held against. Exactly one of its forms is set.
type Pattern struct {
	At   diag.Span
	Text string // as a file says it, for messages; short

	Absent bool           // the field must not be there
	Const  *Constant      // equality
	Fields []Field        // Struct
	Elems  []*Pattern     // List
	Rest   *Pattern       // List: of further elements; nil: any
	Fits   func(any) bool // a constraint; decided by CUE

	Struct, List bool
	Exact        bool // Struct: no other fields; List: no further elements
}

// Field is a field of a struct. An optional one may be missing.
type Field struct {
	Name     string
	Optional bool
	Pattern  *Pattern
}

// Constant is null, a bool, a string or a number ([json.Number]).
type Constant struct{ Value any }

// Mismatch is one place at which an actual value does not fit.
type Mismatch struct {
	Path string    // "json.error.code", "events[2].data"
	At   diag.Span // of what is expected
	Want string
	Got  string // "nothing" where there is no such field
}

// maxMismatches is how many mismatches of one pattern are said.
const maxMismatches = 20

// Match holds an actual value, of the kinds that [Decode] gives, against a pattern. name begins the paths.
func (p *Pattern) Match(name string, actual any) []Mismatch {
	m := matcher{}
	m.match(p, name, actual, true)
	return m.list
}

type matcher struct{ list []Mismatch }

func (m *matcher) miss(p *Pattern, at diag.Span, path, want, got string) {
	if len(m.list) < maxMismatches {
		m.list = append(m.list, Mismatch{Path: path, At: at, Want: want, Got: got})
	}
}

func (m *matcher) match(p *Pattern, path string, actual any, there bool) {
	switch {
	case p.Absent:
		if there {
			m.miss(p, p.At, path, "nothing", Show(actual))
		}
	case !there:
		m.miss(p, p.At, path, p.Text, "nothing")
	case p.Const != nil:
		if !equal(p.Const.Value, actual) {
			m.miss(p, p.At, path, p.Text, Show(actual))
		}
	case p.Struct:
		m.structure(p, path, actual)
	case p.List:
		m.elements(p, path, actual)
	case p.Fits != nil:
		if !p.Fits(actual) {
			m.miss(p, p.At, path, p.Text, Show(actual))
		}
	}
}

func (m *matcher) structure(p *Pattern, path string, actual any) {
	object, ok := actual.(map[string]any)
	if !ok {
		m.miss(p, p.At, path, "a struct", Show(actual))
		return
	}
	known := map[string]bool{}
	for _, f := range p.Fields {
		known[f.Name] = true
		v, there := object[f.Name]
		if !there && f.Optional {
			continue
		}
		m.match(f.Pattern, path+step(f.Name), v, there)
	}
	if !p.Exact {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !known[name] {
			m.miss(p, p.At, path+step(name), "nothing (the struct is closed)", Show(object[name]))
		}
	}
}

func (m *matcher) elements(p *Pattern, path string, actual any) {
	list, ok := actual.([]any)
	if !ok {
		m.miss(p, p.At, path, "a list", Show(actual))
		return
	}
	if p.Exact && len(list) != len(p.Elems) {
		got := count(len(list), "element")
		if len(list) > 0 {
			got += ": " + Show(list)
		}
		m.miss(p, p.At, path, count(len(p.Elems), "element"), got)
		if len(list) > len(p.Elems) {
			return
		}
	}
	for i, e := range p.Elems {
		at := fmt.Sprintf("%s[%d]", path, i)
		if i < len(list) {
			m.match(e, at, list[i], true)
		} else if !p.Exact {
			m.match(e, at, nil, false)
		}
	}
	if p.Rest == nil {
		return
	}
	for i := len(p.Elems); i < len(list); i++ {
		m.match(p.Rest, fmt.Sprintf("%s[%d]", path, i), list[i], true)
	}
}

// count returns "no elements", "1 element", "2 elements".
func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// step returns a field's part of a path.
func step(name string) string {
	if name != "" && strings.IndexFunc(name, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0 {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

// Get returns the pattern of a field of a struct, or nil.
func (p *Pattern) Get(name string) *Pattern {
	if p == nil {
		return nil
	}
	for _, f := range p.Fields {
		if f.Name == name {
			return f.Pattern
		}
	}
	return nil
}

// Decode reads JSON as patterns see it: numbers are [json.Number]. It says false of what is not exactly one value.
func Decode(data []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	return v, !d.More() && d.InputOffset() == int64(len(bytes.TrimRight(data, " \t\r\n")))
}

// Show writes an actual value for a message, at most a few hundred bytes of it.
func Show(v any) string {
	const most = 300
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	s := strings.TrimSuffix(b.String(), "\n")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + fmt.Sprintf("… (%d bytes)", len(s))
	}
	return s
}

// equal compares what two values say: 1 and 1.0 are one number.
func equal(want, got any) bool {
	a, ok := want.(json.Number)
	if !ok {
		return want == scalar(got)
	}
	b, ok := got.(json.Number)
	if !ok {
		return false
	}
	if a == b {
		return true
	}
	x, okx := rational(string(a))
	y, oky := rational(string(b))
	return okx && oky && x.Cmp(y) == 0
}

// scalar keeps values that can be compared; a struct or list is equal to no scalar.
func scalar(v any) any {
	switch v.(type) {
	case nil, bool, string:
		return v
	}
	return Constant{}
}

// rational reads a number that is not made to cost time: 1e999999999 has a billion digits.
func rational(s string) (*big.Rat, bool) {
	if len(s) > 400 {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if exp, err := strconv.Atoi(s[i+1:]); err != nil || exp > 400 || exp < -400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}
