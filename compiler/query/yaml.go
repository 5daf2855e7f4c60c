package query

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"
)

// isYAML reports whether a file is YAML. JSON is read as CUE, of which it is a part.
func isYAML(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// yamlMachine reads YAML line by line, as people write it: blocks by their indentation, and values in flow style. Like
// machine it makes something of every text; what it does not know (anchors, tags, complex keys) it passes over.
type yamlMachine struct {
	data   []byte
	stop   int // lines that begin behind it are not read
	fields []Field
	stack  []block
}

// block is a mapping or a list in block style that is open.
type block struct {
	indent int
	path   []string
	field  int // whose value it is, -1 none
	list   bool
	index  int // of the last element
	last   int // the last field in it, whose value lines that are indented deeper belong to
}

func (m *yamlMachine) top() *block { return &m.stack[len(m.stack)-1] }

// readYAML returns the fields of a file of YAML.
func readYAML(data []byte) []Field {
	m := yamlMachine{data: data, stop: len(data) + 1}
	m.run()
	for len(m.stack) > 0 {
		m.pop()
	}
	return m.fields
}

func (m *yamlMachine) run() {
	for at := 0; at < len(m.data); {
		end := len(m.data)
		if i := bytes.IndexByte(m.data[at:], '\n'); i >= 0 {
			end = at + i
		}
		if end >= m.stop {
			return
		}
		at = m.line(at, end) + 1
	}
}

// line reads the line from at to end, and returns where what it begins ends: a value in flow style or a text may take
// several lines.
func (m *yamlMachine) line(at, end int) int {
	from := at
	for from < end && m.data[from] == ' ' {
		from++
	}
	indent := from - at
	for {
		rest := m.data[from:end]
		if len(rest) == 0 || rest[0] == '#' || rest[0] == '\r' || indent == 0 && (bytes.HasPrefix(rest, []byte("---")) || bytes.HasPrefix(rest, []byte("..."))) {
			return end
		}
		if rest[0] != '-' || len(rest) > 1 && rest[1] != ' ' && rest[1] != '\r' {
			break
		}
		// An element: what follows the dash is indented as it stands.
		b := m.container(indent, true)
		if b == nil {
			return end
		}
		b.index++
		skip := 1
		for skip < len(rest) && rest[skip] == ' ' {
			skip++
		}
		m.add(b, strconv.Itoa(b.index), Extent{from + skip, from + skip}, Extent{from + skip, from + skip}, true)
		from += skip
		indent += skip
	}
	label, name, value, ok := key(m.data, from, end)
	if !ok {
		// A scalar or a flow, which is the value of an element.
		if len(m.stack) > 0 && m.top().list && m.top().last >= 0 {
			return m.value(m.top().last, from, end, indent)
		}
		return end
	}
	b := m.container(indent, false)
	if b == nil {
		return end
	}
	m.add(b, name, label, Extent{value, value}, false)
	for value < end && (m.data[value] == ' ' || m.data[value] == '\t') {
		value++
	}
	return m.value(b.last, value, end, indent)
}

// key splits a line into its label and where its value begins.
func key(data []byte, from, end int) (label Extent, name string, value int, ok bool) {
	rest := data[from:end]
	n := 0
	if q := rest[0]; q == '"' || q == '\'' {
		i := bytes.IndexByte(rest[1:], q)
		if i < 0 {
			return Extent{}, "", 0, false
		}
		n = i + 2
		name = string(rest[1 : n-1])
	} else if rest[0] == '{' || rest[0] == '[' {
		return Extent{}, "", 0, false
	} else {
		for n < len(rest) && !(rest[n] == ':' && (n+1 == len(rest) || rest[n+1] == ' ' || rest[n+1] == '\r')) {
			if rest[n] == '#' && n > 0 && rest[n-1] == ' ' {
				return Extent{}, "", 0, false
			}
			n++
		}
		name = strings.TrimRight(string(rest[:n]), " ")
	}
	at := n
	for at < len(rest) && rest[at] == ' ' {
		at++
	}
	if at == len(rest) || rest[at] != ':' {
		return Extent{}, "", 0, false
	}
	return Extent{from, from + len(strings.TrimRight(string(rest[:n]), " "))}, name, from + at + 1, true
}

// container returns the open block that a line with an indentation belongs to, and opens it where the line before is
// what it is the value of.
func (m *yamlMachine) container(indent int, list bool) *block {
	for len(m.stack) > 0 && (m.top().indent > indent || m.top().indent == indent && m.top().list && !list) {
		m.pop()
	}
	if len(m.stack) > 0 && m.top().indent == indent && m.top().list == list {
		return m.top()
	}
	if len(m.stack) == maxPath {
		return nil
	}
	b := block{indent: indent, list: list, field: -1, index: -1, last: -1}
	if len(m.stack) > 0 {
		// A list may stand as deep as the key that it is the value of.
		if b.field = m.top().last; b.field < 0 {
			return nil
		}
		f := &m.fields[b.field]
		b.path = f.Path
		if f.Form == Nothing {
			f.Form = Block
			if list {
				f.Form = Sequence
			}
		}
	}
	m.stack = append(m.stack, b)
	return m.top()
}

func (m *yamlMachine) pop() { m.stack = m.stack[:len(m.stack)-1] }

// add adds a field to a block.
func (m *yamlMachine) add(b *block, name string, label, value Extent, element bool) {
	if len(m.fields) == maxFields || len(b.path) == maxPath {
		return
	}
	m.fields = append(m.fields, Field{
		Path: append(slices.Clip(slices.Clone(b.path)), name), Label: label, Value: value, Element: element, Parent: b.field,
	})
	b.last = len(m.fields) - 1
}

// grow says that the value of a field, and of those around it, reaches to an offset.
func (m *yamlMachine) grow(i, to int) {
	for ; i >= 0; i = m.fields[i].Parent {
		f := &m.fields[i]
		f.Value.End = max(f.Value.End, to)
		if f.Element {
			f.Label = f.Value
		}
	}
}

// value reads the value of a field, which begins on the line from from to end, and returns where it ends.
func (m *yamlMachine) value(i, from, end, indent int) int {
	rest := bytes.TrimRight(m.data[from:end], " \t\r")
	f := &m.fields[i]
	switch {
	case len(rest) == 0 || rest[0] == '#':
		m.grow(i, f.Label.End)
		return end
	case rest[0] == '|' || rest[0] == '>':
		// A text: the lines that are indented deeper.
		f.Value, f.Form = Extent{from, from + len(rest)}, Expression
		for end < len(m.data) {
			next := len(m.data)
			if i := bytes.IndexByte(m.data[end+1:], '\n'); i >= 0 {
				next = end + 1 + i
			}
			line := m.data[end+1 : next]
			deep := len(line) - len(bytes.TrimLeft(line, " "))
			if len(bytes.TrimSpace(line)) > 0 && deep <= indent {
				break
			}
			end = next
		}
		m.grow(i, min(end, len(m.data)))
		return end
	case rest[0] == '{' || rest[0] == '[':
		to := m.flow(i, from, 0)
		f = &m.fields[i]
		f.Value = Extent{from, max(from, to)}
		m.grow(i, to)
		if to > end {
			if n := bytes.IndexByte(m.data[to:], '\n'); n >= 0 {
				return to + n
			}
			return len(m.data)
		}
		return end
	}
	at, text := scalarOf(m.data, from, from+len(rest), false)
	f.Value, f.Form, f.Text = at, Text, text
	m.grow(i, at.End)
	return end
}

// scalarOf reads a plain or quoted scalar.
func scalarOf(data []byte, from, end int, flow bool) (Extent, string) {
	rest := data[from:end]
	if q := rest[0]; q == '"' || q == '\'' {
		for n := 1; n < len(rest); n++ {
			if rest[n] == '\\' && q == '"' {
				n++
			} else if rest[n] == q {
				text := string(rest[1:n])
				if s, err := strconv.Unquote(string(rest[:n+1])); err == nil && q == '"' {
					text = s
				}
				return Extent{from, from + n + 1}, text
			}
		}
		return Extent{from, end}, strings.Trim(string(rest), `"'`)
	}
	n := 0
	for n < len(rest) {
		c := rest[n]
		if c == '#' && n > 0 && (rest[n-1] == ' ' || rest[n-1] == '\t') || flow && strings.IndexByte(",]}{[", c) >= 0 ||
			flow && c == ':' && (n+1 == len(rest) || strings.IndexByte(" ,]}", rest[n+1]) >= 0) {
			break
		}
		n++
	}
	text := strings.TrimRight(string(rest[:n]), " \t\r")
	return Extent{from, from + len(text)}, text
}

// flow reads a value in flow style, and returns where it ends. It may go over several lines.
func (m *yamlMachine) flow(i, from, depth int) int {
	open := m.data[from]
	m.fields[i].Form = Block
	if open == '[' {
		m.fields[i].Form = Sequence
	}
	if depth == maxPath {
		return len(m.data)
	}
	b := block{path: m.fields[i].Path, field: i, index: -1, last: -1}
	at := from + 1
	for at < len(m.data) {
		switch c := m.data[at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':' && open == '[':
			at++
			continue
		case c == ']' || c == '}':
			return at + 1
		case c == '#' && m.data[at-1] != ',':
			if n := bytes.IndexByte(m.data[at:], '\n'); n >= 0 {
				at += n
				continue
			}
			return len(m.data)
		}
		if open == '[' {
			b.index++
			before := len(m.fields)
			m.add(&b, strconv.Itoa(b.index), Extent{at, at}, Extent{at, at}, true)
			if len(m.fields) == before {
				return len(m.data)
			}
			at = m.flowValue(b.last, at, depth)
			continue
		}
		end := len(m.data)
		if n := bytes.IndexByte(m.data[at:], '\n'); n >= 0 {
			end = at + n
		}
		label, name := scalarOf(m.data, at, end, true)
		if label.End == at {
			at++ // a bracket where a label belongs
			continue
		}
		at = label.End
		for at < len(m.data) && m.data[at] == ' ' {
			at++
		}
		if at == len(m.data) || m.data[at] != ':' {
			continue
		}
		before := len(m.fields)
		m.add(&b, name, label, Extent{at + 1, at + 1}, false)
		if len(m.fields) == before {
			return len(m.data)
		}
		at++
		for at < len(m.data) && m.data[at] == ' ' {
			at++
		}
		if at < len(m.data) && strings.IndexByte(",}\n]", m.data[at]) < 0 {
			at = m.flowValue(b.last, at, depth)
		}
	}
	return len(m.data)
}

func (m *yamlMachine) flowValue(i, at, depth int) int {
	if c := m.data[at]; c == '{' || c == '[' {
		to := m.flow(i, at, depth+1)
		m.fields[i].Value = Extent{at, to}
		if m.fields[i].Element {
			m.fields[i].Label = m.fields[i].Value
		}
		return to
	}
	end := len(m.data)
	if n := bytes.IndexByte(m.data[at:], '\n'); n >= 0 {
		end = at + n
	}
	where, text := scalarOf(m.data, at, end, true)
	if where.End == at {
		return at + 1
	}
	f := &m.fields[i]
	f.Value, f.Form, f.Text = where, Text, text
	if f.Element {
		f.Label = where
	}
	return where.End
}

// yamlCursor is [At] for YAML in block style.
func yamlCursor(data []byte, offset int) (Cursor, bool) {
	start := bytes.LastIndexByte(data[:offset], '\n') + 1
	end := len(data)
	if i := bytes.IndexByte(data[offset:], '\n'); i >= 0 {
		end = offset + i
	}
	m := yamlMachine{data: data, stop: start}
	m.run()
	from := start
	for from < end && data[from] == ' ' {
		from++
	}
	if offset < from {
		from = offset // in the white space before a line: what would be written there
	}
	indent, element := from-start, false
	for from < offset && data[from] == '-' && (from+1 == end || data[from+1] == ' ') {
		b := m.container(indent, true)
		if b == nil {
			return Cursor{}, false
		}
		b.index++
		skip := 1
		for from+skip < end && from+skip < offset && data[from+skip] == ' ' {
			skip++
		}
		m.add(b, strconv.Itoa(b.index), Extent{from + skip, from + skip}, Extent{from + skip, from + skip}, true)
		from += skip
		indent += skip
		element = true
	}
	rest := data[from:end]
	if i := bytes.IndexByte(data[from:offset], '#'); i >= 0 && (i == 0 || data[from+i-1] == ' ') {
		return Cursor{}, false
	}
	if len(rest) > 0 && (rest[0] == '{' || rest[0] == '[') {
		return Cursor{}, false
	}
	if len(rest) > 0 {
		if label, name, value, ok := key(data, from, end); ok {
			b := m.container(indent, false)
			if b == nil {
				return Cursor{}, false
			}
			if offset <= label.End {
				return Cursor{Path: b.path, Label: true, Token: label, Quoted: data[label.Start] == '"', Colon: true}, true
			}
			if offset < value {
				return Cursor{}, false
			}
			m.add(b, name, label, Extent{value, value}, false)
			for value < offset && data[value] == ' ' {
				value++
			}
			return m.scalarCursor(b.last, value, offset, end)
		}
	}
	word := Extent{from, from + len(bytes.TrimRight(rest, " \t\r"))}
	if !word.Holds(offset) {
		word = Extent{offset, offset}
	}
	if element {
		// A scalar, or the first key of a struct; what the language has there decides.
		b := m.top()
		return Cursor{Path: m.fields[b.last].Path, Token: word, Quoted: word.End > word.Start && data[word.Start] == '"'}, true
	}
	b := m.container(indent, false)
	if b == nil {
		return Cursor{}, false
	}
	return Cursor{Path: b.path, Label: true, Token: word, Quoted: word.End > word.Start && data[word.Start] == '"'}, true
}

// scalarCursor is the cursor in a value behind a label.
func (m *yamlMachine) scalarCursor(i, from, offset, end int) (Cursor, bool) {
	c := Cursor{Path: m.fields[i].Path, Token: Extent{offset, offset}}
	rest := bytes.TrimRight(m.data[from:end], " \t\r")
	if len(rest) == 0 || rest[0] == '#' {
		return c, true
	}
	if strings.IndexByte("{[|>&*!", rest[0]) >= 0 {
		return Cursor{}, false
	}
	at, _ := scalarOf(m.data, from, from+len(rest), false)
	if !at.Holds(offset) {
		return Cursor{}, false
	}
	c.Token, c.Quoted = at, rest[0] == '"'
	return c, true
}
