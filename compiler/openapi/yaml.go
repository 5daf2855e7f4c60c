package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// parseYAML reads the single YAML document of a file into the same tree that parseJSON makes. Aliases stay aliases:
// a document whose aliases would multiply into billions of values costs what its bytes cost. Merge keys ("<<") are
// carried out. Duplicate keys, keys that are not scalars, and a second document are faults.
//
// The YAML library reports places as lines and columns of characters, counts some Unicode separators as line ends,
// and has no ends; places turns them into byte ranges.
func parseYAML(file string, src []byte) (*tree, *fault) {
	if f := validText(src); f != nil {
		return nil, f
	}
	root, err := yamlNode(src)
	t := &tree{file: file, src: src, digest: digestOf(src)}
	p := &yamlReader{adder: adder{t: t}, at: newPlaces(src), done: map[*yaml.Node]int32{}, height: map[int32]int{}}
	if err != nil {
		return nil, p.syntax(err)
	}
	if root == nil {
		t.nodes = append(t.nodes, node{kind: kindScalar, value: "null", child: none, next: none})
		return t, nil
	}
	t.nodes = make([]node, 0, 8+len(src)/24)
	if _, _, f := p.value(root.Content[0], "", extent{}, 0); f != nil {
		return nil, f
	}
	return t, nil
}

// yamlNode runs the library. It panics on a few malformed inputs; that is an error of the document like any other.
func yamlNode(src []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("%v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(src))
	var first, second yaml.Node
	if err := d.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("line %d: a second document begins, one was expected", second.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return &first, nil
}

type yamlReader struct {
	adder
	at     *places
	done   map[*yaml.Node]int32 // anchored nodes that were added; none while one is being added
	height map[int32]int        // levels below an anchored node
	merged int                  // members looked at for merge keys
}

var yamlErrorLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntax turns the library's error into a fault at the line that it names.
func (p *yamlReader) syntax(err error) *fault {
	msg := err.Error()
	m := yamlErrorLine.FindStringSubmatch(msg)
	line, _ := strconv.Atoi(m[1])
	msg = strings.TrimPrefix(msg, m[0])
	// The library counts lines from 1 where its scanner fails and from 0 where its parser does.
	if strings.HasPrefix(msg, "did not find expected") || strings.HasPrefix(msg, "found duplicate %") ||
		strings.HasPrefix(msg, "found incompatible") || strings.HasPrefix(msg, "found undefined tag") {
		line++
	}
	help := ""
	if strings.Contains(msg, "cannot start any token") && bytes.ContainsRune(p.t.src, '\t') {
		help = "indent with spaces; YAML does not take tabs"
	}
	code := codeSyntax
	if strings.HasPrefix(msg, "exceeded max depth") {
		code = codeHostile
	}
	return &fault{code: code, summary: "not valid YAML: " + msg, at: p.at.line(line), help: help}
}

// value adds a YAML node and what it holds. It returns its index and how many levels lie below it, with aliases
// followed, so that aliases cannot hide depth.
func (p *yamlReader) value(y *yaml.Node, key string, keyAt extent, depth int) (self int32, height int, f *fault) {
	start := p.at.offset(y.Line, y.Column)
	if depth > maxDepth {
		return 0, 0, p.tooDeep(start)
	}
	self = int32(len(p.t.nodes))
	if y.Anchor != "" {
		p.done[y] = none
	}
	switch y.Kind {
	case yaml.AliasNode:
		at := extent{start, start + 1 + int32(len(y.Value))}
		target, ok := p.done[y.Alias]
		if !ok || target == none {
			return 0, 0, &fault{code: codeHostile, summary: fmt.Sprintf("alias %q stands inside the value that it names", "*"+y.Value), at: at}
		}
		if height = p.height[target]; depth+height > maxDepth {
			return 0, 0, p.tooDeep(start)
		}
		p.add(node{kind: kindAlias, key: key, keyAt: keyAt, at: at, child: target})
	case yaml.ScalarNode:
		k := kindText
		if y.Tag != "!!str" {
			k = kindScalar
		}
		p.add(node{kind: k, key: key, keyAt: keyAt, value: y.Value, at: p.at.scalar(y, start)})
	case yaml.SequenceNode:
		p.add(node{kind: kindArray, key: key, keyAt: keyAt, at: extent{start, start + 1}})
		last := none
		for _, e := range y.Content {
			c, h, f := p.value(e, "", extent{}, depth+1)
			if f != nil {
				return 0, 0, f
			}
			height = max(height, h+1)
			p.link(self, last, c)
			last = c
		}
	case yaml.MappingNode:
		p.add(node{kind: kindObject, key: key, keyAt: keyAt, at: extent{start, start + 1}})
		if height, f = p.mapping(self, y, depth); f != nil {
			return 0, 0, f
		}
	default:
		return 0, 0, &fault{code: codeSyntax, summary: "not valid YAML: found a value of an unknown kind", at: extent{start, start + 1}}
	}
	if y.Anchor != "" {
		p.done[y] = self
		p.height[self] = height
	}
	return self, height, nil
}

func (p *yamlReader) tooDeep(at int32) *fault {
	return &fault{code: codeHostile, summary: fmt.Sprintf("the document nests deeper than %d levels", maxDepth), at: extent{at, at + 1}}
}

func (p *yamlReader) mapping(self int32, y *yaml.Node, depth int) (height int, f *fault) {
	last := none
	seen := duplicates{t: p.t}
	var merges []int32
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := y.Content[i]
		at := p.at.offset(k.Line, k.Column)
		keyAt := p.at.scalar(k, at)
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return 0, &fault{code: codeSyntax, summary: "a key is not a string", at: extent{at, at + 1}}
		}
		if k.Anchor != "" && k == y.Content[i] { // an alias to a key is legal; it stands for the text
			p.done[k] = p.add(node{kind: kindText, value: k.Value, at: keyAt})
		}
		c, h, f := p.value(y.Content[i+1], k.Value, keyAt, depth+1)
		if f != nil {
			return 0, f
		}
		height = max(height, h+1)
		if k.Tag == "!!merge" {
			merges = append(merges, c)
			continue
		}
		if f := seen.add(self, c); f != nil {
			return 0, f
		}
		p.link(self, last, c)
		last = c
	}
	if len(merges) == 0 {
		return height, nil
	}
	m := merge{p: p, self: self, last: last, own: map[string]bool{}}
	for c := p.t.first(self); c != none; c = p.t.nodes[c].next {
		m.own[p.t.nodes[c].key] = true
	}
	for _, from := range merges {
		if f := m.from(from); f != nil {
			return 0, f
		}
	}
	return height, nil
}

// merge carries out the merge keys of one mapping: members that it does not have itself are added as aliases.
// Mappings merged into mappings could multiply, so what is looked at counts against the limit of values.
type merge struct {
	p    *yamlReader
	self int32
	last int32
	own  map[string]bool
}

// from merges the mapping at i, or the mappings of the array at i, of which the first that has a member wins.
func (m *merge) from(i int32) *fault {
	t := m.p.t
	switch t.get(i).kind {
	case kindArray:
		for e := t.first(i); e != none; e = t.nodes[e].next {
			if t.get(e).kind != kindObject {
				return &fault{code: codeSyntax, summary: `a merge key "<<" holds something other than a mapping`, at: t.nodes[e].at}
			}
			if f := m.from(e); f != nil {
				return f
			}
		}
	case kindObject:
		for c := t.first(i); c != none; c = t.nodes[c].next {
			if m.p.merged++; m.p.merged > maxValues {
				return &fault{code: codeHostile, summary: fmt.Sprintf("the document holds more than %d values", maxValues), at: t.nodes[i].at}
			}
			n := t.nodes[c]
			if m.own[n.key] {
				continue
			}
			m.own[n.key] = true
			a := m.p.add(node{kind: kindAlias, key: n.key, keyAt: n.keyAt, at: n.at, child: t.real(c)})
			m.p.link(m.self, m.last, a)
			m.last = a
		}
	default:
		return &fault{code: codeSyntax, summary: `a merge key "<<" holds something other than a mapping`, at: t.nodes[i].at}
	}
	return nil
}

// places turns the library's lines and columns into byte offsets.
type places struct {
	src   []byte
	lines []int32
	ascii bool
}

func newPlaces(src []byte) *places {
	p := &places{src: src, ascii: true}
	for _, c := range src {
		if c >= utf8.RuneSelf || c == '\r' {
			p.ascii = false
			break
		}
	}
	if p.ascii {
		p.lines = lineStarts(src)
		return p
	}
	// The library ends lines at "\n", "\r", "\r\n", U+0085, U+2028 and U+2029, and skips a byte order mark.
	begin := 0
	if bytes.HasPrefix(src, []byte("\ufeff")) {
		begin = 3
	}
	p.lines = append(p.lines, int32(begin))
	for i := begin; i < len(src); {
		r, n := rune(src[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(src[i:])
		}
		i += n
		switch r {
		case '\r':
			if i < len(src) && src[i] == '\n' {
				i++
			}
			p.lines = append(p.lines, int32(i))
		case '\n', '\u0085', '\u2028', '\u2029':
			p.lines = append(p.lines, int32(i))
		}
	}
	return p
}

// offset returns the byte offset of a line and column as the library counts them, both from 1.
func (p *places) offset(line, col int) int32 {
	if line < 1 || line > len(p.lines) {
		return int32(len(p.src))
	}
	at := p.lines[line-1]
	if p.ascii {
		return min(at+int32(col-1), int32(len(p.src)))
	}
	for c := 1; c < col && int(at) < len(p.src); c++ {
		_, n := utf8.DecodeRune(p.src[at:])
		at += int32(n)
	}
	return at
}

// line returns the text of a line without its indentation; of an empty line, that of the next one that is not empty.
func (p *places) line(line int) extent {
	if line < 1 || line > len(p.lines) {
		return extent{}
	}
	for i := line - 1; i < len(p.lines); i++ {
		start, end := p.lines[i], int32(len(p.src))
		if i+1 < len(p.lines) {
			end = p.lines[i+1]
		}
		s := string(p.src[start:end])
		trimmed := strings.TrimSpace(s)
		if trimmed != "" {
			start += int32(strings.Index(s, trimmed))
			return extent{start, start + int32(len(trimmed))}
		}
	}
	return extent{}
}

// scalar returns the range of a scalar that begins at start; a tag or an anchor before it is left out.
func (p *places) scalar(y *yaml.Node, start int32) extent {
	s := p.src[start:]
	for len(s) > 0 && (s[0] == '&' || s[0] == '!') {
		n := bytes.IndexAny(s, " \t\r\n")
		if n < 0 {
			break
		}
		for n < len(s) && (s[n] == ' ' || s[n] == '\t') {
			n++
		}
		start += int32(n)
		s = s[n:]
	}
	end := 0
	switch {
	case len(s) == 0:
	case s[0] == '"':
		for end = 1; end < len(s) && s[end] != '"'; end++ {
			if s[end] == '\\' {
				end++
			}
		}
		end = min(end+1, len(s))
	case s[0] == '\'':
		for end = 1; end < len(s); end++ {
			if s[end] == '\'' {
				if end+1 < len(s) && s[end+1] == '\'' {
					end++
					continue
				}
				break
			}
		}
		end = min(end+1, len(s))
	case len(y.Value) > 0 && bytes.HasPrefix(s, []byte(y.Value)):
		end = len(y.Value)
	default: // folded over lines, or a block: its first line
		if end = bytes.IndexAny(s, "\r\n"); end < 0 {
			end = len(s)
		}
		end = len(bytes.TrimRight(s[:end], " \t"))
		if len(y.Value) == 0 {
			end = 0
		}
	}
	return extent{start, start + int32(max(end, 1))}
}
