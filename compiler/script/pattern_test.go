package script

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// exactly is the pattern of a value and of no other.
func exactly(v any) *Pattern {
	switch v := v.(type) {
	case map[string]any:
		p := &Pattern{Struct: true, Exact: true, Text: Show(v)}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			p.Fields = append(p.Fields, Field{Name: name, Pattern: exactly(v[name])})
		}
		return p
	case []any:
		p := &Pattern{List: true, Exact: true, Text: Show(v)}
		for _, e := range v {
			p.Elems = append(p.Elems, exactly(e))
		}
		return p
	}
	return &Pattern{Const: &Constant{Value: v}, Text: Show(v)}
}

// FuzzMatch holds any JSON against the pattern of any other: a value fits its own pattern, a list and a struct around it
// do not, and what differs is said with a path that begins with the name.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{`null`, `{"a":[1,2,{"b":"c"}]}`, `[]`, `1e400`, `1.0`, `{"a":1,"a":2}`, `"\ud800"`, `{"":{" ":0}}`, `-0`, `1e999999999`} {
		f.Add([]byte(s), []byte(`{"a":[1,2,{"b":"d"}]}`))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, ok := Decode(a)
		if !ok {
			return
		}
		if !json.Valid(a) {
			t.Fatalf("%q was read and is no JSON", a)
		}
		p := exactly(x)
		if m := p.Match("v", x); len(m) > 0 {
			t.Fatalf("%s does not fit itself: %v", a, m)
		}
		if m := p.Match("v", []any{x, x}); len(m) == 0 {
			t.Fatalf("%s fits a list of itself", a)
		}
		y, ok := Decode(b)
		if !ok {
			return
		}
		list := p.Match("v", y)
		if len(list) > maxMismatches {
			t.Fatalf("%d mismatches", len(list))
		}
		for _, m := range list {
			if !strings.HasPrefix(m.Path, "v") || m.Want == "" || m.Got == "" {
				t.Fatalf("%+v", m)
			}
		}
		if back := exactly(y).Match("v", x); (len(list) == 0) != (len(back) == 0) {
			t.Fatalf("%s and %s: %v one way, %v the other", a, b, list, back)
		}
	})
}

func TestDecodeTakesOneValue(t *testing.T) {
	for text, want := range map[string]bool{`1`: true, ` {"a":1} ` + "\n": true, `1 2`: false, ``: false, `{`: false, `x`: false, `[1]]`: false} {
		if _, ok := Decode([]byte(text)); ok != want {
			t.Errorf("%q: %v, want %v", text, ok, want)
		}
	}
}

func TestShowIsShort(t *testing.T) {
	s := Show(strings.Repeat("é<", 1000))
	if len(s) > 400 || !strings.Contains(s, "bytes)") || strings.Contains(s, "u003c") {
		t.Errorf("%q", s)
	}
}
