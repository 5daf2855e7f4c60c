package match

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Validate reports whether t is a table that [Build] could have made, but for the values, which are the caller's to
// judge: [Table.MaxValue]. After it no lookup reads out of bounds, loops, or captures more than it can hold.
//
// It holds that every record is whole, every string in the pool and valid UTF-8, that the records of each kind belong
// to the nodes in order without gap or overlap, that each node but the first has exactly one parent and that this
// parent comes before it (so there is no cycle), that everything that is sorted is in its order, and that hashes are
// those of their texts.
func (t *Table) Validate() error {
	if len(t.Pool) > math.MaxInt32 {
		return errors.New("the string pool is too large")
	}
	for _, a := range []struct {
		name  string
		a     Ints
		width int
	}{
		{"methods", t.Methods, strWidth}, {"hosts", t.Hosts, hashWidth}, {"wildcard hosts", t.Wildcards, hashWidth},
		{"nodes", t.Nodes, nodeWidth}, {"edges", t.Edges, hashWidth}, {"mixed segments", t.Mixed, mixWidth},
		{"parts", t.Parts, strWidth}, {"leaves", t.Leaves, leafWidth}, {"names", t.Names, strWidth},
	} {
		if len(a.a)%a.width != 0 {
			return fmt.Errorf("the %s end within a record", a.name)
		}
	}
	for _, a := range []Ints{t.Methods, t.Parts, t.Names} {
		for i := 0; i < len(a); i += strWidth {
			if err := t.checkString(a[i:]); err != nil {
				return err
			}
		}
	}
	for _, a := range []Ints{t.Hosts, t.Wildcards, t.Edges} {
		for i := 0; i < len(a); i += hashWidth {
			if err := t.checkString(a[i+hashStr:]); err != nil {
				return err
			}
		}
	}
	if err := t.checkMethods(); err != nil {
		return err
	}
	nodes := uint32(len(t.Nodes) / nodeWidth)
	if nodes == 0 {
		if len(t.Hosts)+len(t.Wildcards)+len(t.Edges)+len(t.Mixed)+len(t.Parts)+len(t.Leaves)+len(t.Names) > 0 {
			return errors.New("there are records but no nodes")
		}
		return nil
	}
	c := checker{t: t, depth: make([]uint8, nodes), params: make([]uint8, nodes), end: make([]bool, nodes)}
	for i := range c.depth {
		c.depth[i] = unseen
	}
	c.depth[0] = 0
	if err := c.hosts(t.Hosts); err != nil {
		return err
	}
	if err := c.hosts(t.Wildcards); err != nil {
		return err
	}
	for n := range nodes {
		if err := c.node(n); err != nil {
			return fmt.Errorf("node %d: %w", n, err)
		}
	}
	return c.complete()
}

// MaxValue returns the greatest value in the table, or -1 where it is empty.
func (t *Table) MaxValue() int64 {
	v := int64(-1)
	for i := leafValue; i < len(t.Leaves); i += leafWidth {
		v = max(v, int64(t.Leaves[i]))
	}
	return v
}

func (t *Table) checkString(a Ints) error {
	off, n := uint64(a[strOff]), uint64(a[strLen])
	if off+n > uint64(len(t.Pool)) {
		return errors.New("a string is outside of the pool")
	}
	if !utf8.Valid(t.Pool[off : off+n]) {
		return errors.New("a string is not valid UTF-8")
	}
	return nil
}

func (t *Table) checkMethods() error {
	n := len(t.Methods) / strWidth
	if n > MaxMethods {
		return fmt.Errorf("there are more than %d methods", MaxMethods)
	}
	for i := range n {
		m := t.str(t.Methods, i)
		if err := checkMethod(string(m)); err != nil {
			return err
		}
		if i > 0 && string(t.str(t.Methods, i-1)) >= string(m) {
			return errors.New("the methods are not sorted")
		}
	}
	return nil
}

const unseen = 255

// checker walks the nodes in order. Every node's depth and number of parameters are known when it comes to it,
// because its parent came before.
type checker struct {
	t             *Table
	depth, params []uint8
	end           []bool // behind a trailing wildcard: may have leaves only

	edges, mixed, parts, leaves, names uint32 // how much is spoken for so far
}

func (c *checker) child(parent int64, child uint32, depth, params uint8) error {
	switch {
	case uint64(child) >= uint64(len(c.depth)):
		return errors.New("a child is out of range")
	case int64(child) <= parent:
		return errors.New("a child comes before its parent")
	case c.depth[child] != unseen:
		return errors.New("a node has two parents")
	case depth > MaxSegments:
		return fmt.Errorf("deeper than %d segments", MaxSegments)
	case params > MaxParams:
		return fmt.Errorf("more than %d parameters", MaxParams)
	}
	c.depth[child], c.params[child] = depth, params
	return nil
}

func (c *checker) hosts(a Ints) error {
	for i := 0; i < len(a); i += hashWidth {
		off, n := a[i+hashStr], a[i+hashStr+1]
		name := string(c.t.Pool[off : off+n])
		low, wild, err := parseHost(name)
		if err != nil {
			return err
		}
		if low != name || wild || name == "" {
			return fmt.Errorf("the host %q is not in its normal form", name)
		}
		if err := c.t.checkHashed(a, i, 0, hashHost); err != nil {
			return err
		}
		if err := c.child(0, a[i+hashChild], 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// checkHashed holds that record i of a has the hash of its text and comes after the record before it, if that one is
// not before first.
func (t *Table) checkHashed(a Ints, i, first int, hash func([]byte) uint32) error {
	text := func(i int) string { return string(t.Pool[a[i+hashStr] : a[i+hashStr]+a[i+hashStr+1]]) }
	if a[i+hashOff] != hash([]byte(text(i))) {
		return errors.New("a hash is not that of its text")
	}
	if i > first {
		if cmp.Or(cmp.Compare(a[i-hashWidth+hashOff], a[i+hashOff]), cmp.Compare(text(i-hashWidth), text(i))) >= 0 {
			return errors.New("the entries are not sorted by hash and text")
		}
	}
	return nil
}

// span checks that [first, end) continues where the node before stopped and stays within n records.
func span(next *uint32, first, end uint32, n int, what string) error {
	if first != *next || end < first || uint64(end) > uint64(n) {
		return fmt.Errorf("its %s are out of place", what)
	}
	*next = end
	return nil
}

func (c *checker) node(n uint32) error {
	t := c.t
	nd := t.Nodes[n*nodeWidth:][:nodeWidth]
	depth, params := c.depth[n], c.params[n]
	if depth == unseen {
		return errors.New("it has no parent")
	}
	if err := cmp.Or(
		span(&c.edges, nd[nodeStatic], nd[nodeStaticEnd], len(t.Edges)/hashWidth, "edges"),
		span(&c.mixed, nd[nodeMixed], nd[nodeMixedEnd], len(t.Mixed)/mixWidth, "mixed segments"),
		span(&c.leaves, nd[nodeLeaf], nd[nodeLeafEnd], len(t.Leaves)/leafWidth, "leaves"),
	); err != nil {
		return err
	}
	if c.end[n] && (nd[nodeStatic] < nd[nodeStaticEnd] || nd[nodeMixed] < nd[nodeMixedEnd] || nd[nodeParam] != 0 || nd[nodeWild] != 0) {
		return errors.New("something follows a trailing wildcard")
	}
	for i := nd[nodeStatic]; i < nd[nodeStaticEnd]; i++ {
		if err := checkLiteral(string(t.str(t.Edges[hashStr:], int(i*hashWidth/strWidth)))); err != nil {
			return err
		}
		if err := t.checkHashed(t.Edges, int(i*hashWidth), int(nd[nodeStatic]*hashWidth), hashSegment); err != nil {
			return err
		}
		if err := c.child(int64(n), t.Edges[i*hashWidth+hashChild], depth+1, params); err != nil {
			return err
		}
	}
	var before []string
	for i := nd[nodeMixed]; i < nd[nodeMixedEnd]; i++ {
		m := t.Mixed[i*mixWidth:][:mixWidth]
		if err := span(&c.parts, m[mixFirst], m[mixEnd], len(t.Parts)/strWidth, "parts"); err != nil {
			return err
		}
		lits, err := t.mixedLits(m)
		if err != nil {
			return err
		}
		if before != nil && compareMixed(before, lits) >= 0 {
			return errors.New("its mixed segments are not in order")
		}
		before = lits
		if err := c.child(int64(n), m[mixChild], depth+1, params+uint8(len(lits)-1)); err != nil {
			return err
		}
	}
	if p := nd[nodeParam]; p != 0 {
		if err := c.child(int64(n), p, depth+1, params+1); err != nil {
			return err
		}
	}
	if w := nd[nodeWild]; w != 0 {
		if err := c.child(int64(n), w, depth+1, params+1); err != nil {
			return err
		}
		c.end[w] = true
	}
	if n > 0 && nd[nodeStatic] == nd[nodeStaticEnd] && nd[nodeMixed] == nd[nodeMixedEnd] && nd[nodeParam] == 0 &&
		nd[nodeWild] == 0 && nd[nodeLeaf] == nd[nodeLeafEnd] {
		return errors.New("it leads nowhere")
	}
	return c.leavesOf(nd, int(depth), int(params))
}

// mixedLits returns the literals of a mixed segment, which has at least one parameter and one literal byte, and
// literal text between any two parameters.
func (t *Table) mixedLits(m Ints) ([]string, error) {
	n := int(m[mixEnd] - m[mixFirst])
	if n < 2 || n > MaxParams+1 {
		return nil, errors.New("a mixed segment has too few or too many parts")
	}
	lits := make([]string, n)
	for i := range lits {
		lits[i] = string(t.str(t.Parts, int(m[mixFirst])+i))
		if err := checkLiteral(lits[i]); err != nil {
			return nil, err
		}
	}
	if n == 2 && lits[0]+lits[1] == "" || slices.Contains(lits[1:n-1], "") {
		return nil, errors.New("a mixed segment has no text where it needs some")
	}
	return lits, nil
}

// checkLiteral holds that literal text of a segment is in the form that paths have.
func checkLiteral(lit string) error {
	if n, err := normalize(lit); err != nil || n != lit {
		return errors.New("a literal is not in the normal form of paths")
	}
	return nil
}

func (c *checker) leavesOf(nd Ints, depth, params int) error {
	t := c.t
	for i := nd[nodeLeaf]; i < nd[nodeLeafEnd]; i++ {
		l := t.Leaves[i*leafWidth:][:leafWidth]
		if uint64(l[leafMethod]) >= uint64(len(t.Methods)/strWidth) {
			return errors.New("a method is out of range")
		}
		if i > nd[nodeLeaf] && t.Leaves[(i-1)*leafWidth+leafMethod] >= l[leafMethod] {
			return errors.New("its methods are not sorted")
		}
		if err := span(&c.names, l[leafNames], l[leafNamesEnd], len(t.Names)/strWidth, "names"); err != nil {
			return err
		}
		if int(l[leafNamesEnd]-l[leafNames]) != params {
			return errors.New("it has not one name for each parameter")
		}
		for j := l[leafNames]; j < l[leafNamesEnd]; j++ {
			name := t.str(t.Names, int(j))
			if len(name) == 0 || bytes.ContainsAny(name, "{}/?#\\") || name[len(name)-1] == '+' {
				return errors.New("a name could not stand in a template")
			}
			for k := l[leafNames]; k < j; k++ {
				if bytes.Equal(t.str(t.Names, int(k)), name) {
					return errors.New("it has a name twice")
				}
			}
		}
	}
	if depth == 0 && nd[nodeLeaf] != nd[nodeLeafEnd] {
		return errors.New("a root has leaves")
	}
	return nil
}

// complete holds that nothing is left over.
func (c *checker) complete() error {
	t := c.t
	for _, x := range []struct {
		used uint32
		have int
		name string
	}{
		{c.edges, len(t.Edges) / hashWidth, "edges"}, {c.mixed, len(t.Mixed) / mixWidth, "mixed segments"},
		{c.parts, len(t.Parts) / strWidth, "parts"}, {c.leaves, len(t.Leaves) / leafWidth, "leaves"},
		{c.names, len(t.Names) / strWidth, "names"},
	} {
		if int(x.used) != x.have {
			return fmt.Errorf("there are %s that belong to no node", x.name)
		}
	}
	return nil
}
