package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Bounds of what is read. No configuration of a gateway comes near them; a YAML file of a few hundred bytes can come to
// any size when its aliases are followed.
const (
	// MaxFile is the size of a file in bytes.
	MaxFile   = 32 << 20
	maxValues = 2_000_000
	maxDepth  = 200
)

// value is a value of a document, with the line that it stands on. Reading it marks it, so that in the end what nobody
// read is known: that is what was not carried over.
type value struct {
	line   int
	kind   byte // 'm' mapping, 'l' list, 's' string, 'n' number, 'b' boolean, '0' null
	text   string
	fields []field
	items  []*value
	used   bool // read, or reported
}

type field struct {
	name string
	line int
	v    *value
}

// errDocument is what is wrong with a document, at a line.
type errDocument struct {
	line int
	why  string
}

func (e *errDocument) Error() string {
	if e.line == 0 {
		return e.why
	}
	return fmt.Sprintf("line %d: %s", e.line, e.why)
}

// parse reads a document in YAML or JSON.
func parse(data []byte) (*value, error) {
	if len(data) > MaxFile {
		return nil, &errDocument{0, fmt.Sprintf("the file is larger than %d MiB", MaxFile>>20)}
	}
	if t := bytes.TrimLeft(data, " \t\r\n\ufeff"); len(t) > 0 && (t[0] == '{' || t[0] == '[') {
		if v, err := parseJSON(data); err == nil {
			return v, nil
		} else if errors.As(err, new(*errDocument)) {
			return nil, err
		}
		// YAML's flow style begins alike.
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var n yaml.Node
	if err := d.Decode(&n); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &errDocument{0, "the file is empty"}
		}
		return nil, &errDocument{0, strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &errDocument{0, "the file holds more than one document, or breaks off in the second"}
	}
	r := yamlReader{left: maxValues}
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		return r.value(n.Content[0], 0)
	}
	return nil, &errDocument{0, "the file is empty"}
}

type yamlReader struct{ left int }

func (r *yamlReader) value(n *yaml.Node, depth int) (*value, error) {
	if r.left--; r.left < 0 {
		return nil, &errDocument{n.Line, fmt.Sprintf("the document comes to more than %d values", maxValues)}
	}
	if depth > maxDepth {
		return nil, &errDocument{n.Line, fmt.Sprintf("the document is nested deeper than %d levels", maxDepth)}
	}
	v := &value{line: n.Line}
	switch n.Kind {
	case yaml.AliasNode:
		if n.Alias == nil {
			return nil, &errDocument{n.Line, "an alias leads nowhere"}
		}
		return r.value(n.Alias, depth+1)
	case yaml.SequenceNode:
		v.kind = 'l'
		for _, c := range n.Content {
			item, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, item)
		}
	case yaml.MappingNode:
		v.kind = 'm'
		var merged []*value
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind == yaml.AliasNode && k.Alias != nil {
				k = k.Alias
			}
			if k.Kind != yaml.ScalarNode {
				return nil, &errDocument{k.Line, "a key is not a text"}
			}
			item, err := r.value(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			if k.Tag == "!!merge" {
				if item.kind == 'l' {
					merged = append(merged, item.items...)
				} else {
					merged = append(merged, item)
				}
				continue
			}
			if v.has(k.Value) {
				return nil, &errDocument{k.Line, "a key stands twice"}
			}
			v.fields = append(v.fields, field{k.Value, n.Content[i].Line, item})
		}
		for _, m := range merged {
			for _, f := range m.fields {
				if !v.has(f.name) {
					v.fields = append(v.fields, f)
				}
			}
		}
	default:
		v.text, v.kind = n.Value, 's'
		switch n.ShortTag() {
		case "!!int", "!!float":
			v.kind = 'n'
		case "!!bool":
			v.kind = 'b'
		case "!!null":
			v.kind = '0'
		}
	}
	return v, nil
}

// jsonReader reads JSON with the line of each value.
type jsonReader struct {
	d    *json.Decoder
	data []byte
	left int
	at   int64 // offset up to which lines were counted
	line int
}

func parseJSON(data []byte) (*value, error) {
	r := jsonReader{d: json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff")))), left: maxValues, line: 1}
	r.data = bytes.TrimPrefix(data, []byte("\ufeff"))
	r.d.UseNumber()
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, &errDocument{r.now(), "something follows the document"}
	}
	return v, nil
}

// now returns the line of the token that was read last.
func (r *jsonReader) now() int {
	at := min(r.d.InputOffset(), int64(len(r.data)))
	r.line += bytes.Count(r.data[r.at:at], []byte("\n"))
	r.at = at
	return r.line
}

func (r *jsonReader) value(depth int) (*value, error) {
	t, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	v := &value{line: r.now()}
	if r.left--; r.left < 0 {
		return nil, &errDocument{v.line, fmt.Sprintf("the document comes to more than %d values", maxValues)}
	}
	if depth > maxDepth {
		return nil, &errDocument{v.line, fmt.Sprintf("the document is nested deeper than %d levels", maxDepth)}
	}
	switch t := t.(type) {
	case json.Delim:
		v.kind = map[json.Delim]byte{'{': 'm', '[': 'l'}[t]
		seen := map[string]bool{}
		for r.d.More() {
			name, line := "", 0
			if v.kind == 'm' {
				k, err := r.d.Token()
				if err != nil {
					return nil, err
				}
				name, _ = k.(string)
				if line = r.now(); seen[name] {
					return nil, &errDocument{line, "a key stands twice"}
				}
				seen[name] = true
			}
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			if v.kind == 'm' {
				v.fields = append(v.fields, field{name, line, item})
			} else {
				v.items = append(v.items, item)
			}
		}
		if _, err := r.d.Token(); err != nil {
			return nil, err
		}
	case string:
		v.kind, v.text = 's', t
	case json.Number:
		v.kind, v.text = 'n', t.String()
	case bool:
		v.kind, v.text = 'b', strconv.FormatBool(t)
	default:
		v.kind = '0'
	}
	return v, nil
}

func (v *value) has(name string) bool {
	for i := range v.fields {
		if v.fields[i].name == name {
			return true
		}
	}
	return false
}

// none is what is not there: it has no line, and reading it gives nothing.
var none = &value{kind: '0', used: true}

// get returns a field and marks it as read; one that is not there is empty. What lies below it is marked when it is
// read itself.
func (v *value) get(name string) *value {
	for i := range v.fields {
		if v.fields[i].name == name {
			v.fields[i].v.used = true
			return v.fields[i].v
		}
	}
	return none
}

// list returns the elements of a list, or the value itself where it is a single one.
func (v *value) list() []*value {
	switch v.kind {
	case 'l':
		for _, e := range v.items {
			e.used = true
		}
		return v.items
	case '0':
		return nil
	}
	return []*value{v}
}

// texts returns the scalars of a list.
func (v *value) texts() (l []string) {
	for _, e := range v.list() {
		if e.scalar() {
			l = append(l, e.text)
		}
	}
	return l
}

func (v *value) scalar() bool { return v.kind == 's' || v.kind == 'n' || v.kind == 'b' }

// str returns a scalar as text, "" where it is none.
func (v *value) str() string {
	if v.scalar() {
		return v.text
	}
	return ""
}

// integer returns a whole number, and whether it is one.
func (v *value) integer() (int64, bool) {
	n, err := strconv.ParseInt(v.str(), 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(v.str(), 64)
		if ferr != nil || f != float64(int64(f)) || f > 1e15 || f < -1e15 {
			return 0, false
		}
		n = int64(f)
	}
	return n, true
}

func (v *value) there() bool { return v != none && v.kind != '0' }

func (v *value) is(text string) bool { return v.str() == text }

// all marks a value and everything below it as read.
func (v *value) all() *value {
	if v == none {
		return v
	}
	v.used = true
	for _, f := range v.fields {
		f.v.all()
	}
	for _, e := range v.items {
		e.all()
	}
	return v
}

// ignore marks fields that say nothing about what a gateway does, such as comments and tags.
func (v *value) ignore(names ...string) {
	for _, n := range names {
		v.get(n).all()
	}
}
