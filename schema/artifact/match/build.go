package match

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Pattern is one entry to build a table of: see [Check] for what its texts may be. Value is what a lookup returns.
type Pattern struct {
	Host   string // "" any, "a.example", "*.example"
	Method string
	Path   string
	Value  uint32
}

// Conflict is a reason why patterns cannot stand in one table. A and B index the patterns given to [Build], A < B
// but for "malformed", where they are the same.
type Conflict struct {
	A, B int
	// Kind is "duplicate" (host, method and path say the same), "ambiguous" (they are written differently, but no
	// rule says which one takes the Witness) or "malformed" (see Check).
	Kind string
	// Witness is a request that both match, such as "GET /pets/id" or "GET /pets/id on api.example"; for "malformed"
	// it is the error of Check.
	Witness string
}

// node is the table while it grows.
type node struct {
	static []edge           // sorted by hash, then label, when the tree is complete
	byText map[string]*node // static by label, where there are many
	mixed  []*mixedEdge     // sorted by compareMixed when the tree is complete
	param  *node
	wild   *node
	leaves []leaf
	number uint32 // in the flat table
}

// numberOf returns the number of a node; 0, which no node's child has, where there is none.
func numberOf(n *node) uint32 {
	if n == nil {
		return 0
	}
	return n.number
}

// edge leads to what follows a static segment.
type edge struct {
	hash  uint32
	label string
	child *node
}

// many is the number of edges from which on they are found through a map: most nodes have one.
const many = 8

// next returns the node behind a static segment, made where it is new.
func (n *node) next(label string) *node {
	if n.byText != nil {
		if c := n.byText[label]; c != nil {
			return c
		}
	} else {
		for i := range n.static {
			if n.static[i].label == label {
				return n.static[i].child
			}
		}
	}
	c := new(node)
	n.static = append(n.static, edge{hashSegment([]byte(label)), label, c})
	switch {
	case n.byText != nil:
		n.byText[label] = c
	case len(n.static) > many:
		n.byText = make(map[string]*node, 2*many)
		for _, e := range n.static {
			n.byText[e.label] = e.child
		}
	}
	return c
}

type mixedEdge struct {
	lits  []string
	child *node
}

type leaf struct {
	method  string
	pattern int
	names   []string
}

type tree struct {
	host string
	wild bool
	root *node
}

// Build makes the table of the patterns. It depends on the set of patterns and not on their order, but for which of
// two conflicting ones is A. The table is of use only where there are no conflicts; then no request has two best
// matches.
func Build(patterns []Pattern) (Table, []Conflict) {
	var conflicts []Conflict
	parsed := make([][]segment, len(patterns))
	trees := map[string]*tree{"": {root: new(node)}}
	methods := map[string]bool{}
	var segs []segment
	var err error
	for i, p := range patterns {
		malformed := func(err error) {
			conflicts = append(conflicts, Conflict{A: i, B: i, Kind: "malformed", Witness: err.Error()})
		}
		if i == 0 || p.Path != patterns[i-1].Path { // Operations of one path mostly follow each other.
			segs, err = parseTemplate(p.Path)
		}
		name, wild, hostErr := parseHost(p.Host)
		if wrong := cmp.Or(err, hostErr, checkMethod(p.Method)); wrong != nil {
			malformed(wrong)
			continue
		}
		if methods[p.Method] = true; len(methods) > MaxMethods {
			malformed(fmt.Errorf("there are more than %d different methods", MaxMethods))
			continue
		}
		parsed[i] = segs
		host := strings.ToLower(p.Host)
		t := trees[host]
		if t == nil {
			t = &tree{host: name, wild: wild, root: new(node)}
			trees[host] = t
		}
		n := t.root.at(segs)
		if k := slices.IndexFunc(n.leaves, func(l leaf) bool { return l.method == p.Method }); k >= 0 {
			other := n.leaves[k].pattern
			kind := "ambiguous"
			if patterns[other].Path == p.Path {
				kind = "duplicate"
			}
			conflicts = append(conflicts, Conflict{A: other, B: i, Kind: kind, Witness: witness(p, sample(segs))})
			continue
		}
		var names []string
		for j := range segs {
			names = append(names, segs[j].params...)
		}
		n.leaves = append(n.leaves, leaf{method: p.Method, pattern: i, names: names})
	}
	for _, host := range slices.Sorted(maps.Keys(trees)) {
		trees[host].root.sort()
		conflicts = append(conflicts, trees[host].root.ambiguous(patterns, parsed, 0)...)
	}
	if len(conflicts) > 0 {
		slices.SortStableFunc(conflicts, func(a, b Conflict) int {
			return cmp.Or(cmp.Compare(a.B, b.B), cmp.Compare(a.A, b.A))
		})
		return Table{}, conflicts
	}
	return flatten(patterns, trees, slices.Sorted(maps.Keys(methods))), nil
}

func witness(p Pattern, path string) string {
	w := p.Method + " " + path
	if p.Host != "" {
		w += " on " + strings.Replace(p.Host, "*", "any", 1)
	}
	return w
}

// at returns the node of a template, made where it is new.
func (n *node) at(segs []segment) *node {
	for i := range segs {
		s := &segs[i]
		switch {
		case s.static():
			n = n.next(s.lits[0])
		case s.mixed():
			k := slices.IndexFunc(n.mixed, func(m *mixedEdge) bool { return slices.Equal(m.lits, s.lits) })
			if k < 0 {
				k = len(n.mixed)
				n.mixed = append(n.mixed, &mixedEdge{lits: s.lits, child: new(node)})
			}
			n = n.mixed[k].child
		case s.wild:
			if n.wild == nil {
				n.wild = new(node)
			}
			n = n.wild
		default:
			if n.param == nil {
				n.param = new(node)
			}
			n = n.param
		}
	}
	return n
}

// children calls f for each child, in the order of the flat table.
func (n *node) children(f func(*node)) {
	for i := range n.static {
		f(n.static[i].child)
	}
	for _, m := range n.mixed {
		f(m.child)
	}
	if n.param != nil {
		f(n.param)
	}
	if n.wild != nil {
		f(n.wild)
	}
}

func compareHashed(hash func([]byte) uint32) func(a, b string) int {
	return func(a, b string) int {
		return cmp.Or(cmp.Compare(hash([]byte(a)), hash([]byte(b))), cmp.Compare(a, b))
	}
}

func (n *node) sort() {
	slices.SortFunc(n.static, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), strings.Compare(a.label, b.label))
	})
	slices.SortFunc(n.mixed, func(a, b *mixedEdge) int { return compareMixed(a.lits, b.lits) })
	slices.SortFunc(n.leaves, func(a, b leaf) int { return cmp.Compare(a.method, b.method) })
	n.children((*node).sort)
}

// ambiguous finds patterns that only the last resort of compareMixed tells apart: mixed siblings with the same number
// of literal bytes, the same prefix and suffix and different texts between, where the rest of two patterns below
// them can meet in one request.
func (n *node) ambiguous(patterns []Pattern, parsed [][]segment, depth int) (found []Conflict) {
	for i, a := range n.mixed {
		for _, b := range n.mixed[i+1:] {
			if !tied(a.lits, b.lits) {
				break // sorted: whoever is tied with a follows it
			}
			for _, x := range a.child.below() {
				for _, y := range b.child.below() {
					p, q := patterns[x.pattern], patterns[y.pattern]
					if x.method != y.method {
						continue
					}
					rest, ok := meet(parsed[x.pattern][depth+1:], parsed[y.pattern][depth+1:])
					if !ok {
						continue
					}
					path := sample(parsed[x.pattern][:depth]) + "/" + meetMixed(a.lits, b.lits) + rest
					c := Conflict{A: x.pattern, B: y.pattern, Kind: "ambiguous", Witness: witness(p, path)}
					if c.A > c.B {
						c.A, c.B, c.Witness = c.B, c.A, witness(q, path)
					}
					found = append(found, c)
				}
			}
		}
	}
	n.children(func(c *node) { found = append(found, c.ambiguous(patterns, parsed, depth+1)...) })
	return found
}

func tied(a, b []string) bool {
	total := func(l []string) int { return len(strings.Join(l, "")) }
	return total(a) == total(b) && len(a) == len(b) && a[0] == b[0] && a[len(a)-1] == b[len(b)-1]
}

// meetMixed returns a text that both of two tied segments match: the literals of the one, then those of the other,
// parameters all around.
func meetMixed(a, b []string) string {
	var w strings.Builder
	w.WriteString(a[0] + "1")
	for _, lit := range a[1 : len(a)-1] {
		w.WriteString(lit + "1")
	}
	for _, lit := range b[1 : len(b)-1] {
		w.WriteString(lit + "1")
	}
	w.WriteString(a[len(a)-1])
	return w.String()
}

func (n *node) below() []leaf {
	l := slices.Clone(n.leaves)
	n.children(func(c *node) { l = append(l, c.below()...) })
	return l
}

// meet returns the rest of a path that both templates match. Two mixed segments are taken to meet where their
// prefixes and suffixes agree, shorter within longer; the text is then prefix, both segments' inner literals, suffix.
func meet(a, b []segment) (path string, ok bool) {
	for {
		switch {
		case len(a) == 0 && len(b) == 0:
			return path, true
		case len(a) == 0 || len(b) == 0:
			return "", false
		case a[0].wild && b[0].wild:
			return path + "/rest", true
		case a[0].wild:
			return path + sample(b), sample(b) != "/"
		case b[0].wild:
			return path + sample(a), sample(a) != "/"
		}
		text, ok := meetSegment(&a[0], &b[0])
		if !ok {
			return "", false
		}
		path += "/" + text
		a, b = a[1:], b[1:]
	}
}

func meetSegment(a, b *segment) (text string, ok bool) {
	if a.static() && b.static() {
		return a.lits[0], a.lits[0] == b.lits[0]
	}
	// Candidates that are samples of the one or mixtures of both, judged by the matcher itself.
	for _, text := range []string{a.sample(), b.sample(), mixture(a, b)} {
		if text != "" && a.matches(text) && b.matches(text) {
			return text, true
		}
	}
	return "", false
}

// mixture joins the longer prefix, all inner literals and the longer suffix of two segments.
func mixture(a, b *segment) string {
	if a.static() || b.static() {
		return ""
	}
	longer := func(x, y string) string {
		if len(x) > len(y) {
			return x
		}
		return y
	}
	w := longer(a.lits[0], b.lits[0]) + "1"
	for _, s := range []*segment{a, b} {
		for _, lit := range s.lits[1 : len(s.lits)-1] {
			w += lit + "1"
		}
	}
	return w + longer(a.lits[len(a.lits)-1], b.lits[len(b.lits)-1])
}

// matches runs the matcher over one segment.
func (s *segment) matches(text string) bool {
	if s.static() {
		return s.lits[0] == text
	}
	if !s.mixed() {
		return text != ""
	}
	var t Table
	var p Params
	for _, lit := range s.lits {
		off, length := t.intern(nil, lit)
		t.Parts = append(t.Parts, off, length)
	}
	x := search{t: &t, path: []byte(text), p: &p}
	return x.mixed(0, uint32(len(s.lits)), 0, len(text))
}

// intern returns (offset, length) of a text in the pool, which it joins where it is new.
func (t *Table) intern(pool map[string]uint32, s string) (offset, length uint32) {
	off, ok := pool[s]
	if !ok {
		off = uint32(len(t.Pool))
		t.Pool = append(t.Pool, s...)
		if pool != nil {
			pool[s] = off
		}
	}
	return off, uint32(len(s))
}

// flatten writes the trees as arrays: nodes in depth-first order, so that the way down a template lies together.
func flatten(patterns []Pattern, trees map[string]*tree, methods []string) Table {
	var t Table
	pool := make(map[string]uint32)
	ids := make(map[string]uint32)
	for i, m := range methods {
		ids[m] = uint32(i)
		off, length := t.intern(pool, m)
		t.Methods = append(t.Methods, off, length)
	}
	var exact, wild []string
	byName := func(wild bool, name string) *node {
		if wild {
			name = "*." + name
		}
		return trees[name].root
	}
	for _, tr := range trees {
		switch {
		case tr.wild:
			wild = append(wild, tr.host)
		case tr.host != "":
			exact = append(exact, tr.host)
		}
	}
	slices.SortFunc(exact, compareHashed(hashHost))
	slices.SortFunc(wild, compareHashed(hashHost))

	// Number all nodes first: a child's number stands in its parent's record.
	var order []*node
	var visit func(*node)
	visit = func(n *node) {
		n.number = uint32(len(order))
		order = append(order, n)
		n.children(visit)
	}
	visit(trees[""].root)
	for _, h := range exact {
		visit(byName(false, h))
	}
	for _, h := range wild {
		visit(byName(true, h))
	}
	hosts := func(names []string, wild bool) (a Ints) {
		for _, h := range names {
			off, length := t.intern(pool, h)
			a = append(a, hashHost([]byte(h)), off, length, byName(wild, h).number)
		}
		return a
	}
	t.Hosts, t.Wildcards = hosts(exact, false), hosts(wild, true)

	t.Nodes = make(Ints, 0, len(order)*nodeWidth)
	t.Edges = make(Ints, 0, len(order)*hashWidth)
	t.Leaves = make(Ints, 0, len(patterns)*leafWidth)
	for _, n := range order {
		var rec [nodeWidth]uint32
		rec[nodeStatic] = uint32(len(t.Edges) / hashWidth)
		for i := range n.static {
			e := &n.static[i]
			off, length := t.intern(pool, e.label)
			t.Edges = append(t.Edges, e.hash, off, length, e.child.number)
		}
		rec[nodeStaticEnd] = uint32(len(t.Edges) / hashWidth)
		rec[nodeMixed] = uint32(len(t.Mixed) / mixWidth)
		for _, m := range n.mixed {
			first := uint32(len(t.Parts) / strWidth)
			for _, lit := range m.lits {
				off, length := t.intern(pool, lit)
				t.Parts = append(t.Parts, off, length)
			}
			t.Mixed = append(t.Mixed, first, uint32(len(t.Parts)/strWidth), m.child.number)
		}
		rec[nodeMixedEnd] = uint32(len(t.Mixed) / mixWidth)
		rec[nodeParam], rec[nodeWild] = numberOf(n.param), numberOf(n.wild)
		rec[nodeLeaf] = uint32(len(t.Leaves) / leafWidth)
		for _, l := range n.leaves {
			first := uint32(len(t.Names) / strWidth)
			for _, name := range l.names {
				off, length := t.intern(pool, name)
				t.Names = append(t.Names, off, length)
			}
			t.Leaves = append(t.Leaves, ids[l.method], patterns[l.pattern].Value, first, uint32(len(t.Names)/strWidth))
		}
		rec[nodeLeafEnd] = uint32(len(t.Leaves) / leafWidth)
		t.Nodes = append(t.Nodes, rec[:]...)
	}
	return t
}

// Template is a path template that was parsed, to be held against many others. The zero Template meets nothing.
type Template struct{ segs []segment }

// Parse reads a path template; see [Check].
func Parse(path string) (Template, error) {
	segs, err := parseTemplate(path)
	return Template{segs}, err
}

// Meet returns a path that both templates match, and whether there is one. It is exact but for segments with several
// parameters, of which it may miss a common text that neither suggests.
func (a Template) Meet(b Template) (path string, ok bool) {
	if len(a.segs) == 0 || len(b.segs) == 0 {
		return "", false
	}
	// Most pairs differ in a segment that both spell out; that is found without making a path.
	for i := range min(len(a.segs), len(b.segs)) {
		x, y := &a.segs[i], &b.segs[i]
		if x.wild || y.wild {
			return meet(a.segs, b.segs)
		}
		if x.static() && y.static() && x.lits[0] != y.lits[0] {
			return "", false
		}
	}
	return meet(a.segs, b.segs)
}

// Meet is [Template.Meet] of two templates as texts. Those that [Check] refuses meet nothing.
func Meet(a, b string) (path string, ok bool) {
	x, err := Parse(a)
	if err != nil {
		return "", false
	}
	y, err := Parse(b)
	if err != nil {
		return "", false
	}
	return x.Meet(y)
}
