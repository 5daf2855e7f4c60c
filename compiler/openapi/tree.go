package openapi

import (
	"bytes"
	"crypto/sha256"
	"sort"
	"sync"

	"github.com/gwc-dev/gwc/compiler/yamltext"
	"github.com/gwc-dev/gwc/schema/diag"
)

// kind is what a node of a document is.
type kind uint8

const (
	kindScalar kind = iota // a JSON number, true, false or null; a YAML scalar that is not a string
	kindText               // a string
	kindObject
	kindArray
	kindAlias // stands for another node (YAML only); child is that node
)

// none is the index of no node.
const none = int32(-1)

// node is one value of a document. Nodes of a document stand in one slice and name each other by index, so that a
// document of a hundred thousand values is a handful of allocations. A member of an object carries its key.
type node struct {
	kind       kind
	key        string // of a member of an object
	value      string // of a scalar or a string: unquoted
	keyAt      extent
	at         extent
	child      int32 // first member or element; of an alias: the node it stands for
	next       int32 // next member or element of the same parent
	childCount int32
}

// extent is a range of bytes in the file.
type extent struct{ start, end int32 }

// tree is a parsed JSON or YAML file. It is immutable once parsed, but for what is worked out on first use, which a
// lock guards: goroutines that read different documents meet in the files that these share.
type tree struct {
	file  string
	src   []byte
	nodes []node

	digest func() [sha256.Size]byte // of src, made once, when first asked for

	mu       sync.Mutex
	lines    []int32                    // offsets at which lines begin
	byKey    map[int32]map[string]int32 // members of large objects
	elements map[int32][]int32          // elements of arrays that a pointer led into
}

func digestOf(src []byte) func() [sha256.Size]byte {
	return sync.OnceValue(func() [sha256.Size]byte { return sha256.Sum256(src) })
}

// fault is a syntax error or a refused construct: parsing ends at the first one.
type fault struct {
	code    diag.Code
	summary string
	at      extent
	other   extent // a second place; empty: none
	otherAs string
	help    string
}

// get returns the node of index i, with aliases followed.
func (t *tree) get(i int32) *node { return &t.nodes[t.real(i)] }

// real follows aliases to the node that they stand for. The parser lets an alias point only at a node that is not
// an alias, so one step is enough.
func (t *tree) real(i int32) int32 {
	if t.nodes[i].kind == kindAlias {
		return t.nodes[i].child
	}
	return i
}

// members calls f for each member of an object, or each element of an array, in the file's order.
func (t *tree) members(i int32, f func(i int32, n *node) bool) {
	for c := t.first(i); c != none; c = t.nodes[c].next {
		if !f(c, &t.nodes[c]) {
			return
		}
	}
}

// first returns the first member or element of a node, or none.
func (t *tree) first(i int32) int32 {
	n := t.get(i)
	if n.kind != kindObject && n.kind != kindArray {
		return none
	}
	return n.child
}

// member returns the index of an object's member, or none. Large objects are indexed on first use, so that
// resolving many references into one of them stays linear.
func (t *tree) member(i int32, key string) int32 {
	i = t.real(i)
	n := &t.nodes[i]
	if n.kind != kindObject {
		return none
	}
	if n.childCount <= 16 {
		for c := n.child; c != none; c = t.nodes[c].next {
			if t.nodes[c].key == key {
				return c
			}
		}
		return none
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.byKey[i]
	if m == nil {
		m = make(map[string]int32, n.childCount)
		for c := n.child; c != none; c = t.nodes[c].next {
			m[t.nodes[c].key] = c
		}
		if t.byKey == nil {
			t.byKey = map[int32]map[string]int32{}
		}
		t.byKey[i] = m
	}
	if c, ok := m[key]; ok {
		return c
	}
	return none
}

// element returns the index of an array's element, or none.
func (t *tree) element(i int32, at int) int32 {
	i = t.real(i)
	n := &t.nodes[i]
	if n.kind != kindArray || at < 0 || at >= int(n.childCount) {
		return none
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.elements[i]
	if l == nil {
		l = make([]int32, 0, n.childCount)
		for c := n.child; c != none; c = t.nodes[c].next {
			l = append(l, c)
		}
		if t.elements == nil {
			t.elements = map[int32][]int32{}
		}
		t.elements[i] = l
	}
	return l[at]
}

// str returns the string or scalar at an object's member, "" where there is none, and the index of the member.
func (t *tree) str(i int32, key string) (string, int32) {
	c := t.member(i, key)
	if c == none {
		return "", none
	}
	n := t.get(c)
	if n.kind != kindText && n.kind != kindScalar {
		return "", c
	}
	return n.value, c
}

// null reports whether a value is null, or in YAML nothing at all.
func (t *tree) null(i int32) bool {
	n := t.get(i)
	return n.kind == kindScalar && (n.value == "" || n.value == "null" || n.value == "~" || n.value == "Null" || n.value == "NULL")
}

// span turns a range of bytes into a place with lines and columns. What stands for one character at the end of the
// file is nothing there.
func (t *tree) span(e extent) diag.Span {
	n := int32(len(t.src))
	e.start = min(e.start, n)
	e.end = max(min(e.end, n), e.start)
	return diag.Span{File: t.file, Start: t.pos(e.start), End: t.pos(e.end)}
}

// valueSpan is the place of a node's value; of an alias it is the place of the alias.
func (t *tree) valueSpan(i int32) diag.Span { return t.span(t.nodes[i].at) }

// keySpan is the place of a member's key.
func (t *tree) keySpan(i int32) diag.Span { return t.span(t.nodes[i].keyAt) }

func (t *tree) pos(off int32) diag.Pos {
	t.mu.Lock()
	if t.lines == nil {
		t.lines = lineStarts(t.src)
	}
	t.mu.Unlock()
	l := sort.Search(len(t.lines), func(i int) bool { return t.lines[i] > off }) - 1
	return diag.Pos{Line: l + 1, Col: int(off-t.lines[l]) + 1, Offset: int(off)}
}

// lineStarts returns the offsets at which lines begin; lines end with "\n".
func lineStarts(src []byte) []int32 {
	l := make([]int32, 1, 16+len(src)/32)
	for off := 0; ; {
		n := bytes.IndexByte(src[off:], '\n')
		if n < 0 {
			return l
		}
		off += n + 1
		l = append(l, int32(off))
	}
}

// validText returns the fault of a file that is not UTF-8, or nil.
func validText(src []byte) *fault {
	off, help := yamltext.Invalid(src)
	if off < 0 {
		return nil
	}
	return &fault{code: codeSyntax, summary: "the file is not UTF-8 text", at: extent{int32(off), int32(off + 1)}, help: help}
}

// adder grows the tree while it is parsed: it links children to their parent in order.
type adder struct {
	t *tree
}

// add appends a node under the open parent and returns its index.
func (a *adder) add(n node) int32 {
	i := int32(len(a.t.nodes))
	n.next = none
	if n.kind != kindAlias {
		n.child = none
	}
	a.t.nodes = append(a.t.nodes, n)
	return i
}

// link makes c the next child of parent.
func (a *adder) link(parent, last, c int32) {
	if last == none {
		a.t.nodes[parent].child = c
	} else {
		a.t.nodes[last].next = c
	}
	a.t.nodes[parent].childCount++
}
