package openapi

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/compiler/yamltext"
)

// parseYAML reads the single YAML document of a file into the same tree that parseJSON makes. Aliases stay aliases:
// a document whose aliases would multiply into billions of values costs what its bytes cost. Merge keys ("<<") are
// carried out. Duplicate keys, keys that are not scalars, and a second document are faults.
func parseYAML(file string, src []byte) (*tree, *fault) {
	if f := validText(src); f != nil {
		return nil, f
	}
	root, err := yamltext.Document(src)
	t := &tree{file: file, src: src, digest: digestOf(src)}
	p := &yamlReader{adder: adder{t: t}, at: yamltext.NewPlaces(src), done: map[*yaml.Node]int32{}, height: map[int32]int{}}
	if err != nil {
		return nil, p.syntax(err)
	}
	if root == nil {
		t.nodes = append(t.nodes, node{kind: kindScalar, value: "null", child: none, next: none})
		return t, nil
	}
	t.nodes = make([]node, 0, 8+len(src)/24)
	if _, _, f := p.value(root, "", extent{}, 0); f != nil {
		return nil, f
	}
	return t, nil
}

type yamlReader struct {
	adder
	at     *yamltext.Places
	done   map[*yaml.Node]int32 // anchored nodes that were added; none while one is being added
	height map[int32]int        // levels below an anchored node
	merged int                  // members looked at for merge keys
}

// syntax turns the library's error into a fault at the line that it names.
func (p *yamlReader) syntax(err error) *fault {
	message, at, help, deep := p.at.Problem(err)
	code := codeSyntax
	if deep {
		code = codeHostile
	}
	return &fault{code: code, summary: "not valid YAML: " + message, at: extentOf(at), help: help}
}

func extentOf(r yamltext.Range) extent { return extent{int32(r.From), int32(r.To)} }

// value adds a YAML node and what it holds. It returns its index and how many levels lie below it, with aliases
// followed, so that aliases cannot hide depth.
func (p *yamlReader) value(y *yaml.Node, key string, keyAt extent, depth int) (self int32, height int, f *fault) {
	start := int32(p.at.Offset(y))
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
		p.add(node{kind: k, key: key, keyAt: keyAt, value: y.Value, at: extentOf(p.at.Scalar(y, int(start)))})
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
		at := int32(p.at.Offset(k))
		keyAt := extentOf(p.at.Scalar(k, int(at)))
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
