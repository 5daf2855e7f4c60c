package prompt

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is a value of a [Type]. The zero Value is one that is not there.
type Value struct {
	Kind   Kind
	Text   string  // String, Enum, Image; Number and Integer as they are written into a text
	True   bool    // Boolean
	Values []Value // Array: its elements; Object: its fields, in the order of the type's
}

// Fault is what is wrong with a document and where: a JSON pointer (RFC 6901), "" for the whole.
type Fault struct{ Pointer, Detail string }

// maxFaults bounds what is said of one document.
const maxFaults = 16

// Inputs reads a request's body. Either the faults are empty, or the value is of no use.
func (g *Program) Inputs(body []byte) (Value, []Fault) { return g.read(0, body) }

// Output reads what a model has written, for a version whose output is typed. Space around the JSON, and a fence of
// Markdown around it, which models are fond of, do not count.
func (g *Program) Output(text string) (Value, []Fault) {
	return g.read(g.Version.Output, []byte(unfenced(text)))
}

func unfenced(text string) string {
	text = strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(text, "```")
	if !ok {
		return text
	}
	inner = strings.TrimPrefix(inner, "json")
	inner, ok = strings.CutSuffix(inner, "```")
	if !ok || strings.Contains(inner, "```") {
		return text
	}
	return strings.TrimSpace(inner)
}

func (g *Program) read(t int, body []byte) (Value, []Fault) {
	doc, err := parse(body)
	if err != nil {
		if len(body) == 0 {
			return Value{}, []Fault{{"", "it is empty, expected a JSON object"}}
		}
		return Value{}, []Fault{{"", "it is not valid JSON: " + err.Error()}}
	}
	var faults []Fault
	v := g.conform(t, doc, "", &faults)
	return v, faults
}

// conform holds a document against a type.
func (g *Program) conform(at int, d *document, pointer string, faults *[]Fault) Value {
	t := &g.Types[at]
	wrong := func(format string, args ...any) Value {
		if len(*faults) < maxFaults {
			*faults = append(*faults, Fault{pointer, fmt.Sprintf(format, args...)})
		}
		return Value{}
	}
	want := map[Kind]byte{String: '"', Enum: '"', Image: '"', Number: '0', Integer: '0', Array: '[', Object: '{'}[t.Kind]
	if t.Kind == Boolean && (d.kind == 't' || d.kind == 'f') {
		return Value{Kind: Boolean, True: d.kind == 't'}
	}
	if d.kind != want {
		return wrong("it is %s, expected %s", described(d), article(t.Kind))
	}
	v := Value{Kind: t.Kind, Text: d.text}
	switch t.Kind {
	case String:
		n := int64(utf8.RuneCountInString(d.text))
		switch {
		case t.Least != nil && n < *t.Least:
			return wrong("it has %d characters, expected at least %d", n, *t.Least)
		case t.Most != nil && n > *t.Most:
			return wrong("it has %d characters, expected at most %d", n, *t.Most)
		case g.patterns[at] != nil && !g.patterns[at].MatchString(d.text):
			return wrong("it does not match the pattern %s", t.Pattern)
		}
	case Enum:
		if !slices.Contains(t.Values, d.text) {
			return wrong("it is %s, expected one of %s", strconv.Quote(clip(d.text)), listed(t.Values))
		}
	case Image:
		if why := imageFault(d.text); why != "" {
			return wrong("%s", why)
		}
	case Number, Integer:
		x, err := strconv.ParseFloat(d.text, 64)
		switch {
		case err != nil || math.IsInf(x, 0):
			return wrong("it is out of reach of a number of 64 bits")
		case t.Kind == Integer && (x != math.Trunc(x) || math.Abs(x) > 1<<53):
			return wrong("it is %s, expected a whole number of at most 2^53", clip(d.text))
		case t.Low != nil && x < *t.Low:
			return wrong("it is %s, expected at least %s", clip(d.text), decimal(*t.Low))
		case t.High != nil && x > *t.High:
			return wrong("it is %s, expected at most %s", clip(d.text), decimal(*t.High))
		}
		v.Text = decimal(x)
	case Array:
		n := int64(len(d.elems))
		switch {
		case t.Least != nil && n < *t.Least:
			return wrong("it has %d elements, expected at least %d", n, *t.Least)
		case t.Most != nil && n > *t.Most:
			return wrong("it has %d elements, expected at most %d", n, *t.Most)
		}
		v.Values = make([]Value, len(d.elems))
		for i := range d.elems {
			v.Values[i] = g.conform(t.Items, &d.elems[i], pointer+"/"+strconv.Itoa(i), faults)
		}
	case Object:
		g.object(at, d, pointer, faults, &v)
	}
	return v
}

func (g *Program) object(at int, d *document, pointer string, faults *[]Fault, v *Value) {
	t := &g.Types[at]
	v.Values = make([]Value, len(t.Fields))
	given := make([]bool, len(t.Fields))
	add := func(name, detail string) {
		if len(*faults) < maxFaults {
			*faults = append(*faults, Fault{pointer + "/" + escapePointer(clip(name)), detail})
		}
	}
	for i, name := range d.names {
		j := slices.IndexFunc(t.Fields, func(f Field) bool { return f.Name == name })
		if j < 0 {
			names := make([]string, len(t.Fields))
			for k := range t.Fields {
				names[k] = t.Fields[k].Name
			}
			if len(names) == 0 {
				add(name, "it is unknown: nothing is expected here")
			} else {
				add(name, "it is unknown, expected "+listed(names))
			}
			continue
		}
		if d.elems[i].kind == 'n' && !t.Fields[j].Required {
			continue // null says that nothing is given
		}
		given[j] = true
		v.Values[j] = g.conform(t.Fields[j].Type, &d.elems[i], pointer+"/"+escapePointer(name), faults)
	}
	for j := range t.Fields {
		if given[j] {
			continue
		}
		if t.Fields[j].Required && !slices.Contains(d.names, t.Fields[j].Name) {
			add(t.Fields[j].Name, "it is missing")
			continue
		}
		v.Values[j] = g.defaults[at][j]
	}
}

func escapePointer(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// decimal writes a number as JSON and people do: without an exponent where that is not long.
func decimal(x float64) string {
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	if x == 0 {
		return "0"
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

func described(d *document) string {
	switch d.kind {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '0':
		return "a number"
	case '"':
		return "a string"
	case '[':
		return "an array"
	}
	return "an object"
}

func article(k Kind) string {
	switch k {
	case Integer:
		return "a whole number"
	case Array, Object:
		return "an " + k.String()
	case Image:
		return "the URL of an image, or one as data:"
	}
	return "a " + k.String()
}

func listed(names []string) string {
	const most = 12
	var b strings.Builder
	for i, n := range names {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(names)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(clip(n)))
	}
	return b.String()
}

// imageTypes are the media types that models with vision take.
var imageTypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp"}

// SplitImage takes an image's text apart: the URL of one elsewhere, or media type and base64 of one that is data.
func SplitImage(s string) (mediaType, data, link string) {
	if rest, ok := strings.CutPrefix(s, "data:"); ok {
		mediaType, data, _ = strings.Cut(rest, ";base64,")
		return mediaType, data, ""
	}
	return "", "", s
}

func imageFault(s string) string {
	if !strings.HasPrefix(s, "data:") {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(s) > 8192 {
			return "it is not an https:// URL, nor data:image/…;base64,…"
		}
		return ""
	}
	mediaType, data, _ := SplitImage(s)
	if !slices.Contains(imageTypes, mediaType) {
		return "its media type is none of " + strings.Join(imageTypes, ", ")
	}
	if n, err := base64.StdEncoding.Strict().DecodeString(data); err != nil || len(n) == 0 {
		return "its data is not base64"
	}
	return ""
}

// AppendJSON appends a value of a type as JSON: fields in the type's order, absent ones left out.
func (g *Program) AppendJSON(b []byte, at int, v Value) []byte {
	t := &g.Types[at]
	switch v.Kind {
	case Number, Integer:
		return append(b, v.Text...)
	case Boolean:
		return strconv.AppendBool(b, v.True)
	case Array:
		b = append(b, '[')
		for i := range v.Values {
			if i > 0 {
				b = append(b, ',')
			}
			b = g.AppendJSON(b, t.Items, v.Values[i])
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		first := true
		for i := range v.Values {
			if v.Values[i].Kind == 0 {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendString(b, t.Fields[i].Name), ':')
			b = g.AppendJSON(b, t.Fields[i].Type, v.Values[i])
		}
		return append(b, '}')
	}
	return appendString(b, v.Text)
}

// Fits returns what is wrong with JSON as a value of a type.
func (g *Program) Fits(t int, data []byte) []Fault {
	_, faults := g.read(t, data)
	return faults
}

// Unquote returns the text that JSON is, if it is one.
func Unquote(data []byte) (string, bool) {
	d, err := parse(data)
	if err != nil || d.kind != '"' {
		return "", false
	}
	return d.text, true
}
