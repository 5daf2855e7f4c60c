package mock

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// filler makes values for a JSON Schema out of a text: numbers of the text go to numbers, names of the text to
// strings, in order. What the text does not have is filled with the smallest value that the schema allows.
type filler struct {
	numbers []float64
	names   []string
	depth   int
}

var numberWords = regexp.MustCompile(`-?\b\d+(?:\.\d+)?\b`)

func newFiller(text string) *filler {
	f := &filler{}
	for _, s := range numberWords.FindAllString(text, 16) {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			f.numbers = append(f.numbers, n)
		}
	}
	f.names = properNames(text)
	return f
}

// properNames are the runs of capitalised words that do not begin a sentence: "Is it colder in New York or Oslo?"
// has "New York" and "Oslo".
func properNames(text string) []string {
	var names []string
	inSentence, run := false, false
	for _, field := range strings.Fields(text) {
		word := strings.TrimFunc(field, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		first, size := utf8.DecodeRuneInString(word)
		if unicode.IsUpper(first) && len(word) > size && inSentence {
			if run {
				names[len(names)-1] += " " + word
			} else {
				names = append(names, word)
			}
			run = true
		} else {
			run = false
		}
		inSentence = !strings.ContainsAny(field[len(field)-1:], ".!?:")
		run = run && strings.HasSuffix(field, word)
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// split gives one filler for each name of the text, or f alone.
func (f *filler) split(each bool) []*filler {
	if !each || len(f.names) < 2 {
		return []*filler{{numbers: f.numbers, names: f.names}}
	}
	var out []*filler
	for _, n := range f.names {
		out = append(out, &filler{numbers: f.numbers, names: []string{n}})
	}
	return out
}

// value makes a value of the schema of the property called name.
func (f *filler) value(name string, schema map[string]any) any {
	if f.depth > 16 { // a schema that refers to itself
		return nil
	}
	f.depth++
	defer func() { f.depth-- }()
	if v, ok := schema["const"]; ok {
		return v
	}
	if v, ok := schema["enum"].([]any); ok && len(v) > 0 {
		return v[0]
	}
	for _, word := range []string{"anyOf", "oneOf", "allOf"} {
		if v, ok := schema[word].([]any); ok && len(v) > 0 {
			if first, ok := v[0].(map[string]any); ok {
				return f.value(name, first)
			}
		}
	}
	kind, _ := schema["type"].(string)
	if list, ok := schema["type"].([]any); ok && len(list) > 0 {
		kind, _ = list[0].(string)
	}
	if kind == "" && schema["properties"] != nil {
		kind = "object"
	}
	switch kind {
	case "object":
		return f.object(schema)
	case "array":
		items, _ := schema["items"].(map[string]any)
		n := int(bound(schema, "minItems", 1))
		out := []any{}
		for range min(max(n, 1), 8) {
			out = append(out, f.value(name, items))
		}
		return out
	case "integer", "number":
		n := bound(schema, "minimum", 1)
		if len(f.numbers) > 0 {
			n, f.numbers = f.numbers[0], f.numbers[1:]
		}
		n = min(max(n, bound(schema, "minimum", math.Inf(-1))), bound(schema, "maximum", math.Inf(1)))
		if kind == "integer" {
			return int64(n)
		}
		return n
	case "boolean":
		return true
	case "null":
		return nil
	}
	return f.str(name, schema)
}

func (f *filler) object(schema map[string]any) any {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	var keys []string
	for _, r := range required {
		if s, ok := r.(string); ok && properties[s] != nil {
			keys = append(keys, s)
		}
	}
	if len(keys) == 0 {
		for k := range properties {
			keys = append(keys, k)
		}
		slices.Sort(keys)
	}
	out := map[string]any{}
	for _, k := range keys {
		sub, _ := properties[k].(map[string]any)
		out[k] = f.value(k, sub)
	}
	return out
}

func (f *filler) str(name string, schema map[string]any) string {
	switch schema["format"] {
	case "date":
		return "2026-01-31"
	case "date-time":
		return "2026-01-31T12:00:00Z"
	case "email":
		return "someone@example.com"
	case "uri", "url":
		return "https://example.com/"
	case "uuid":
		return "8d3d7f8c-0d7a-4b6e-9f0b-3c1f0a5f6a11"
	}
	s := name
	if s == "" {
		s = "text"
	}
	if len(f.names) > 0 {
		s = f.names[0]
		if len(f.names) > 1 {
			f.names = f.names[1:]
		}
	}
	for n := int(bound(schema, "minLength", 0)); len(s) < n && len(s) < 4096; {
		s += "x"
	}
	if n := bound(schema, "maxLength", math.Inf(1)); float64(len(s)) > n {
		s = strings.ToValidUTF8(s[:int(n)], "")
	}
	return s
}

func bound(schema map[string]any, word string, otherwise float64) float64 {
	if n, ok := schema[word].(float64); ok {
		return n
	}
	return otherwise
}
