// Package match decides which route a request head takes. The compiler builds the [Table] with it and proves it free
// of ambiguity; the runtime and `gwc try` look up in it. There is one implementation, so that they cannot disagree.
//
// A set of patterns (host, method, path template) enters [Build]; a flat table leaves it: arrays of integers and one
// string pool, which are both the wire form and what [Table.Lookup] walks. Nothing is prepared after decoding, so a
// table that passed [Table.Validate] is ready, and a lookup neither allocates nor locks.
//
// The table is a forest of tries, one per host, one level per path segment. What matches best wins, in this order:
// an exact host, then the longest wildcard host, then the patterns of any host; within a host, segment by segment
// from the left, literal text, then mixed segments (the one with most literal bytes first), then a parameter, then a
// trailing wildcard. A choice that leads nowhere is taken back, so a match is found whenever there is one; a path
// that matches only with other methods is MethodNotAllowed, not NotFound.
//
// The search cannot blow up: in a tree a node stands at one depth and is reached in one way, so a lookup visits a
// node at most once whatever the path holds, and never goes deeper than [MaxSegments]. Regular expressions were
// refused (unbounded cost, undecidable overlap in practice), and so was a hash of whole paths (templates).
package match

import "bytes"

// Limits of patterns. [Check] refuses what exceeds them and [Table.Validate] what pretends to.
const (
	// MaxSegments is the greatest number of segments of a path template, so the greatest depth of a search.
	MaxSegments = 64
	// MaxParams is the greatest number of parameters of a path template.
	MaxParams = 16
	// MaxMethods is the greatest number of different methods in one table.
	MaxMethods = 64
	// MaxHostLabels is the greatest number of labels of a host pattern.
	MaxHostLabels = 16
	// MaxHost is the greatest length of a host name, by RFC 1035 §2.3.4.
	MaxHost = 255
)

// Table is the flat routing table: arrays of integers and one string pool, as they stand in the artifact. A Table is
// immutable once it is built or validated and may be used by any number of goroutines. The zero Table matches
// nothing.
//
// Node 0 is the root of the patterns of any host. The arrays hold records of fixed width (see the constants of
// record fields in this package); strings are (offset, length) pairs into Pool.
type Table struct {
	Pool      []byte `cbor:"1,keyasint,omitempty"`
	Methods   Ints   `cbor:"2,keyasint,omitempty"`  // offset, length; sorted by text; an index here is a method id
	Hosts     Ints   `cbor:"3,keyasint,omitempty"`  // hash, offset, length, root: exact hosts, sorted by hash then text
	Wildcards Ints   `cbor:"4,keyasint,omitempty"`  // the same for "*.suffix", without the "*."
	Nodes     Ints   `cbor:"5,keyasint,omitempty"`  // see nodeStatic and the following
	Edges     Ints   `cbor:"6,keyasint,omitempty"`  // hash, offset, length, child; a node's edges are sorted by hash then text
	Mixed     Ints   `cbor:"7,keyasint,omitempty"`  // first part, end part, child; a node's are in order of precedence
	Parts     Ints   `cbor:"8,keyasint,omitempty"`  // offset, length: the literals of a mixed segment, params between them
	Leaves    Ints   `cbor:"9,keyasint,omitempty"`  // method, value, first name, end name; a node's are sorted by method
	Names     Ints   `cbor:"10,keyasint,omitempty"` // offset, length: parameter names in order of the path
}

// Fields of the records.
const (
	strOff, strLen, strWidth                       = 0, 1, 2
	hashOff, hashStr, hashChild, hashWidth         = 0, 1, 3, 4
	mixFirst, mixEnd, mixChild, mixWidth           = 0, 1, 2, 3
	leafMethod, leafValue, leafNames, leafNamesEnd = 0, 1, 2, 3
	leafWidth                                      = 4

	nodeStatic    = 0 // first edge
	nodeStaticEnd = 1
	nodeMixed     = 2 // first mixed segment
	nodeMixedEnd  = 3
	nodeParam     = 4 // child behind a parameter; 0: none
	nodeWild      = 5 // child behind a trailing wildcard; 0: none
	nodeLeaf      = 6 // first leaf
	nodeLeafEnd   = 7
	nodeWidth     = 8
)

// Outcome is what a lookup came to.
type Outcome uint8

const (
	// NotFound: no pattern has this path on this host.
	NotFound Outcome = iota
	// Found: the value is that of the best pattern.
	Found
	// MethodNotAllowed: patterns match host and path, but with other methods; see [Table.AppendAllow].
	MethodNotAllowed
)

// String returns "not found", "found" or "method not allowed".
func (o Outcome) String() string {
	switch o {
	case Found:
		return "found"
	case MethodNotAllowed:
		return "method not allowed"
	}
	return "not found"
}

// Params holds what a lookup found out beside the value: the captured parameters, as places in the path, and the
// methods that would have matched. It holds no pointers; the zero value is ready and may be used again and again.
type Params struct {
	allow uint64 // method ids of all nodes that match the path
	names uint32 // first of the pattern's names
	n     int32
	at    [MaxParams]capture
}

type capture struct{ start, end uint32 }

// Len returns the number of captured parameters.
func (p *Params) Len() int { return int(p.n) }

// Value returns the text that parameter i took of the path that was looked up, still percent-encoded.
func (p *Params) Value(path []byte, i int) []byte {
	c := p.at[:p.n][i]
	return path[c.start:c.end]
}

// Name returns the name of parameter i in t's matched template, as a subslice of t.
func (p *Params) Name(t *Table, i int) []byte {
	_ = p.at[:p.n][i]
	return t.str(t.Names, int(p.names)+i)
}

// Get returns the value of the named parameter, or nil: a parameter's value is never empty.
func (p *Params) Get(t *Table, path []byte, name string) []byte {
	for i := range int(p.n) {
		if string(p.Name(t, i)) == name {
			return p.Value(path, i)
		}
	}
	return nil
}

// str returns string i of an array of (offset, length) pairs.
func (t *Table) str(a Ints, i int) []byte {
	off, n := a[i*strWidth+strOff], a[i*strWidth+strLen]
	return t.Pool[off : off+n]
}

// Lookup returns the value of the pattern that matches best. host is the request's host in any case, with or without
// a port; method is case-sensitive; path is in the normal form that the runtime's HTTP codec gives it (see
// [Check] for the same form of templates), without the query. A request for HEAD takes the pattern for GET where the
// best matching template has none for HEAD (RFC 9110 §9.1 requires both of a server); OPTIONS is never implied.
//
// p receives the captured parameters, and after MethodNotAllowed the allowed methods. Lookup allocates nothing.
func (t *Table) Lookup(host, method, path []byte, p *Params) (value uint32, outcome Outcome) {
	p.n, p.allow = 0, 0
	if len(path) == 0 || path[0] != '/' || len(t.Nodes) == 0 {
		return 0, NotFound
	}
	s := search{t: t, path: path, p: p, method: noMethod, instead: noMethod}
	s.method = t.methodID(method)
	if string(method) == "HEAD" {
		s.instead = t.methodID(methodGET)
	}
	if len(t.Hosts) > 0 || len(t.Wildcards) > 0 {
		var roots [MaxHostLabels + 1]uint32
		for _, root := range t.roots(host, &roots) {
			if leaf, ok := s.node(root, 1); ok {
				return s.found(leaf)
			}
		}
	}
	if leaf, ok := s.node(0, 1); ok {
		return s.found(leaf)
	}
	if p.allow != 0 {
		return 0, MethodNotAllowed
	}
	return 0, NotFound
}

// AppendAllow appends the methods that the path of a lookup has, as the value of an Allow header: "GET, HEAD, POST".
// HEAD is listed wherever GET is.
func (t *Table) AppendAllow(dst []byte, p *Params) []byte {
	n := len(t.Methods) / strWidth
	hasHEAD := t.methodID(methodHEAD) != noMethod && p.allow>>t.methodID(methodHEAD)&1 == 1
	implied := false // HEAD has to be listed in its place
	sep := ""
	for i := range n {
		if p.allow>>i&1 == 0 {
			continue
		}
		name := t.str(t.Methods, i)
		if implied && string(name) > "HEAD" {
			dst = append(append(dst, sep...), methodHEAD...)
			implied = false
		}
		dst = append(append(dst, sep...), name...)
		sep = ", "
		implied = implied || !hasHEAD && string(name) == "GET"
	}
	if implied {
		dst = append(append(dst, sep...), methodHEAD...)
	}
	return dst
}

var methodGET, methodHEAD = []byte("GET"), []byte("HEAD")

// noMethod is the id of a method that no pattern has.
const noMethod = MaxMethods

func (t *Table) methodID(m []byte) uint32 {
	for i := range len(t.Methods) / strWidth {
		if bytes.Equal(t.str(t.Methods, i), m) {
			return uint32(i)
		}
	}
	return noMethod
}

// search is one lookup.
type search struct {
	t       *Table
	path    []byte
	p       *Params
	method  uint32
	instead uint32 // the method that answers where method has no pattern
}

func (s *search) found(leaf uint32) (uint32, Outcome) {
	l := s.t.Leaves[leaf*leafWidth:][:leafWidth]
	s.p.names = l[leafNames]
	return l[leafValue], Found
}

// node looks for the best leaf below node n for what follows in the path at pos, which is the first byte of a segment
// or, at the end, one past the path's length. It leaves s.p.n as it was where it finds nothing.
func (s *search) node(n uint32, pos int) (leaf uint32, ok bool) {
	t := s.t
	for {
		nd := t.Nodes[n*nodeWidth:][:nodeWidth]
		if pos > len(s.path) {
			return s.leaf(nd)
		}
		end := len(s.path)
		if i := bytes.IndexByte(s.path[pos:], '/'); i >= 0 {
			end = pos + i
		}
		seg := s.path[pos:end]
		if a, b := nd[nodeStatic], nd[nodeStaticEnd]; a < b {
			if child := t.find(t.Edges, a, b, hashSegment(seg), seg); child != 0 {
				if nd[nodeMixed] == nd[nodeMixedEnd] && nd[nodeParam] == 0 && nd[nodeWild] == 0 {
					n, pos = child, end+1 // nothing to come back for
					continue
				}
				if leaf, ok := s.node(child, end+1); ok {
					return leaf, true
				}
			}
		}
		if len(seg) > 0 {
			for i := nd[nodeMixed]; i < nd[nodeMixedEnd]; i++ {
				m := t.Mixed[i*mixWidth:][:mixWidth]
				had := s.p.n
				if s.mixed(m[mixFirst], m[mixEnd], pos, end) {
					if leaf, ok := s.node(m[mixChild], end+1); ok {
						return leaf, true
					}
				}
				s.p.n = had
			}
			if child := nd[nodeParam]; child != 0 {
				s.take(pos, end)
				if leaf, ok := s.node(child, end+1); ok {
					return leaf, true
				}
				s.p.n--
			}
		}
		if child := nd[nodeWild]; child != 0 && pos < len(s.path) {
			s.take(pos, len(s.path))
			if leaf, ok := s.leaf(t.Nodes[child*nodeWidth:][:nodeWidth]); ok {
				return leaf, true
			}
			s.p.n--
		}
		return 0, false
	}
}

// leaf chooses among the methods of a node that matches the whole path.
func (s *search) leaf(nd Ints) (leaf uint32, ok bool) {
	for i := nd[nodeLeaf]; i < nd[nodeLeafEnd]; i++ {
		switch m := s.t.Leaves[i*leafWidth+leafMethod]; m {
		case s.method:
			return i, true
		case s.instead:
			leaf, ok = i, true
		default:
			s.p.allow |= 1 << m
		}
	}
	return leaf, ok
}

// take captures a parameter. Validate and Build hold that there are at most MaxParams on any way down.
func (s *search) take(start, end int) {
	s.p.at[s.p.n&(MaxParams-1)] = capture{uint32(start), uint32(end)}
	s.p.n++
}

// mixed matches the segment path[pos:end] against literals with a parameter between each two of them. A parameter
// takes at least one character, and as few as it can: "v{major}.{minor}" takes "v1.2.3" as "1" and "2.3". The
// earliest place for each literal leaves most for the rest, so no choice has to be taken back.
func (s *search) mixed(first, last uint32, pos, end int) bool {
	t := s.t
	lit := t.str(t.Parts, int(first))
	seg := s.path[:end]
	if !bytes.HasPrefix(seg[pos:], lit) {
		return false
	}
	pos += len(lit)
	for i := first + 1; i < last; i++ {
		lit := t.str(t.Parts, int(i))
		if i == last-1 { // the suffix
			at := end - len(lit)
			if at <= pos || !bytes.HasSuffix(seg, lit) || insideTriple(seg, at) {
				return false
			}
			s.take(pos, at)
			return true
		}
		at := pos + 1
		for {
			if at > end {
				return false
			}
			j := bytes.Index(seg[at:], lit)
			if j < 0 {
				return false
			}
			at += j
			if !insideTriple(seg, at) {
				break
			}
			at++
		}
		s.take(pos, at)
		pos = at + len(lit)
	}
	return false
}

// insideTriple reports whether at cuts a percent-encoded character in two. In a normal path each "%" begins one.
func insideTriple(seg []byte, at int) bool {
	return at > 0 && seg[at-1] == '%' || at > 1 && seg[at-2] == '%'
}

// find returns the child of the entry of a with that hash and text among entries first to end, or 0.
func (t *Table) find(a Ints, first, end, hash uint32, text []byte) uint32 {
	lo, hi := first, end
	for lo < hi {
		mid := (lo + hi) / 2
		if a[mid*hashWidth+hashOff] < hash {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	for ; lo < end; lo++ {
		e := a[lo*hashWidth:][:hashWidth]
		if e[hashOff] != hash {
			break
		}
		if off, n := e[hashStr], e[hashStr+1]; string(t.Pool[off:off+n]) == string(text) {
			return e[hashChild]
		}
	}
	return 0
}

// FNV-1a, 32 bit. The hash orders the entries of the wire form, so it is a part of the format. The table is fixed
// when requests come, so nobody can add collisions from outside.
const (
	fnvOffset = 2166136261
	fnvPrime  = 16777619
)

func hashSegment(b []byte) uint32 {
	h := uint32(fnvOffset)
	for _, c := range b {
		h = (h ^ uint32(c)) * fnvPrime
	}
	return h
}
