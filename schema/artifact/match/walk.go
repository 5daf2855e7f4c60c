package match

import (
	"iter"
	"strings"
)

// Normal returns the pattern in the form in which the table keeps it: host in lower case, literal text of the path in
// the normal form of paths. The error is that of [Check].
func Normal(p Pattern) (Pattern, error) {
	segs, err := parseTemplate(p.Path)
	if err != nil {
		return Pattern{}, err
	}
	if _, _, err := parseHost(p.Host); err != nil {
		return Pattern{}, err
	}
	if err := checkMethod(p.Method); err != nil {
		return Pattern{}, err
	}
	var b strings.Builder
	b.Grow(len(p.Path))
	for i := range segs {
		b.WriteByte('/')
		segs[i].append(&b)
	}
	p.Path, p.Host = b.String(), strings.ToLower(p.Host)
	return p, nil
}

// All yields the patterns of a valid table in the form of [Normal], so that a pattern that is equal to one of them is
// the one that the table was built of: those of any host first, then by host, and within a
// host in the order of the table. Patterns that one request may match come in the order of precedence, but for the
// hosts.
func (t *Table) All() iter.Seq[Pattern] {
	return func(yield func(Pattern) bool) {
		if len(t.Nodes) == 0 {
			return
		}
		w := walker{t: t, yield: yield}
		if !w.node("", 0, nil, nil) {
			return
		}
		for i := 0; i < len(t.Hosts); i += hashWidth {
			if !w.node(string(t.str(t.Hosts[i+hashStr:], 0)), t.Hosts[i+hashChild], nil, nil) {
				return
			}
		}
		for i := 0; i < len(t.Wildcards); i += hashWidth {
			if !w.node("*."+string(t.str(t.Wildcards[i+hashStr:], 0)), t.Wildcards[i+hashChild], nil, nil) {
				return
			}
		}
	}
}

type walker struct {
	t     *Table
	yield func(Pattern) bool
}

// hole is where a parameter stands in the text of a path; wild for a trailing wildcard.
type hole struct {
	at   int
	wild bool
}

// node yields what lies below node n, where path is the text so far without its parameters.
func (w *walker) node(host string, n uint32, path []byte, holes []hole) bool {
	t := w.t
	nd := t.Nodes[n*nodeWidth:][:nodeWidth]
	for i := nd[nodeLeaf]; i < nd[nodeLeafEnd]; i++ {
		l := t.Leaves[i*leafWidth:][:leafWidth]
		var b strings.Builder
		from := 0
		for k, h := range holes {
			b.Write(path[from:h.at])
			b.WriteByte('{')
			b.Write(t.str(t.Names, int(l[leafNames])+k))
			if h.wild {
				b.WriteByte('+')
			}
			b.WriteByte('}')
			from = h.at
		}
		b.Write(path[from:])
		if !w.yield(Pattern{Host: host, Method: string(t.str(t.Methods, int(l[leafMethod]))), Path: b.String(), Value: l[leafValue]}) {
			return false
		}
	}
	path = append(path[:len(path):len(path)], '/')
	for i := nd[nodeStatic]; i < nd[nodeStaticEnd]; i++ {
		e := t.Edges[i*hashWidth:][:hashWidth]
		if !w.node(host, e[hashChild], append(path, t.str(e[hashStr:], 0)...), holes) {
			return false
		}
	}
	for i := nd[nodeMixed]; i < nd[nodeMixedEnd]; i++ {
		m := t.Mixed[i*mixWidth:][:mixWidth]
		text, at := path, holes[:len(holes):len(holes)]
		for j := m[mixFirst]; j < m[mixEnd]; j++ {
			if j > m[mixFirst] {
				at = append(at, hole{at: len(text)})
			}
			text = append(text, t.str(t.Parts, int(j))...)
		}
		if !w.node(host, m[mixChild], text, at) {
			return false
		}
	}
	at := append(holes[:len(holes):len(holes)], hole{at: len(path)})
	if p := nd[nodeParam]; p != 0 && !w.node(host, p, path, at) {
		return false
	}
	if p := nd[nodeWild]; p != 0 {
		at[len(holes)].wild = true
		return w.node(host, p, path, at)
	}
	return true
}
