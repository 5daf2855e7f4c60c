package check

import (
	"encoding/binary"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Places knows where each data path of a unit stands. It is one text of entries in order of their paths, because a
// large repository has a million of them: as a map of spans they would take a gigabyte, as text they take 40 bytes
// each and none of the garbage collector's time. It is immutable.
//
// An entry is how far back the entry of its object begins, 0 for none, then its path, without the object's where there
// is one, then the place of its key and that of its value.
type Places struct {
	Files []string // that entries name by index
	Text  string   // the entries
	Index []uint32 // where each entry begins in Text
}

// newPlaces freezes the places that a walk found.
func newPlaces(m map[string]place) Places {
	var p Places
	if len(m) == 0 {
		return p
	}
	p.Index = make([]uint32, 0, len(m))
	b := make([]byte, 0, 40*len(m))
	files := map[string]int{}
	object, at := "", 0 // the last path of two labels, and where its entry begins
	for _, path := range slices.Sorted(maps.Keys(m)) {
		p.Index = append(p.Index, uint32(len(b)))
		rest, below := strings.CutPrefix(path, object)
		if below && object != "" {
			b = binary.AppendUvarint(b, uint64(len(b)-at))
		} else {
			rest = path
			if strings.Count(path, "\x00") == 2 {
				object, at = path, len(b)
			}
			b = append(b, 0)
		}
		b = binary.AppendUvarint(b, uint64(len(rest)))
		b = append(b, rest...)
		b = p.appendSpan(b, files, m[path].key)
		b = p.appendSpan(b, files, m[path].value)
	}
	p.Text = string(b)
	return p
}

// appendSpan writes a span: its file's index plus one, or 0 for none, and the start; the end as what lies between.
// files holds the indices of p.Files.
func (p *Places) appendSpan(b []byte, files map[string]int, s diag.Span) []byte {
	if s.IsZero() {
		return append(b, 0)
	}
	i, ok := files[s.File]
	if !ok {
		i = len(p.Files)
		files[s.File] = i
		p.Files = append(p.Files, s.File)
	}
	b = binary.AppendUvarint(b, uint64(i)+1)
	for _, n := range []int{s.Start.Line, s.Start.Col, s.Start.Offset, s.End.Line - s.Start.Line, s.End.Col - s.Start.Col, s.End.Offset - s.Start.Offset} {
		b = binary.AppendVarint(b, int64(n))
	}
	return b
}

// find returns the places of a joined data path.
func (p *Places) find(path string) (place, bool) {
	i, ok := slices.BinarySearchFunc(p.Index, path, func(at uint32, path string) int {
		object, below, _ := p.entry(at)
		if n := min(len(object), len(path)); object[:n] != path[:n] || n < len(object) {
			return strings.Compare(object, path)
		}
		return strings.Compare(below, path[len(object):])
	})
	if !ok {
		return place{}, false
	}
	_, _, rest := p.entry(p.Index[i])
	key, rest := p.span(rest)
	value, _ := p.span(rest)
	return place{key, value}, true
}

// entry returns the path of the entry that begins somewhere, as that of its object and what is below it, and what
// follows the path. What does not lie within the text is empty: Places may come from a file.
func (p *Places) entry(at uint32) (object, below, rest string) {
	back, below, rest := p.read(at)
	if back > 0 && back <= uint64(at) {
		_, object, _ = p.read(at - uint32(back))
	}
	return object, below, rest
}

// read returns the parts of an entry as they stand.
func (p *Places) read(at uint32) (back uint64, path, rest string) {
	if int64(at) > int64(len(p.Text)) {
		return 0, "", ""
	}
	back, rest = uvarint(p.Text[at:])
	n, rest := uvarint(rest)
	if n > uint64(len(rest)) {
		return 0, "", ""
	}
	return back, rest[:n], rest[n:]
}

func (p *Places) span(rest string) (diag.Span, string) {
	i, rest := uvarint(rest)
	if i == 0 || i > uint64(len(p.Files)) {
		return diag.Span{}, rest
	}
	var n [6]int
	for k := range n {
		var u uint64
		u, rest = uvarint(rest)
		n[k] = int(int64(u>>1) ^ -int64(u&1))
	}
	s := diag.Span{File: p.Files[i-1], Start: diag.Pos{Line: n[0], Col: n[1], Offset: n[2]}}
	s.End = diag.Pos{Line: n[0] + n[3], Col: n[1] + n[4], Offset: n[2] + n[5]}
	return s, rest
}

// uvarint is binary.Uvarint of a text; 0 and nothing where there is none.
func uvarint(s string) (v uint64, rest string) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, s[i+1:]
		}
	}
	return 0, ""
}

// heads returns the paths of at most two labels: the fields at the top, and the objects in them.
func (p *Places) heads() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, at := range p.Index {
			back, path, _ := p.read(at)
			if back > 0 {
				continue
			}
			i := strings.IndexByte(path, 0) + 1
			if j := strings.IndexByte(path[i:], 0); j >= 0 && i+j+1 < len(path) {
				continue
			}
			if !yield(path) {
				return
			}
		}
	}
}

// head returns the first two labels of a joined data path.
func head(path string) string {
	i := strings.IndexByte(path, 0) + 1
	if j := strings.IndexByte(path[i:], 0); j >= 0 {
		return path[:i+j+1]
	}
	return path
}

// Positions knows where each data path of a repository stands. It is immutable.
type Positions struct {
	units []home
	homes map[string]int // in units, of each field at the top and each object: the one whose places count
}

// home is what is known of a unit.
type home struct {
	tenant string
	places *Places
}

// add adds the places of a unit. Of an object that two units define, the first one's count.
func (p *Positions) add(tenant string, places *Places) {
	for path := range places.heads() {
		if _, taken := p.homes[path]; !taken || strings.Count(path, "\x00") < 2 {
			p.homes[path] = len(p.units)
		}
	}
	p.units = append(p.units, home{tenant, places})
}

// Key is [Config.Key].
func (p *Positions) Key(path ...string) diag.Span { return p.place(path).key }

// Value is [Config.Value].
func (p *Positions) Value(path ...string) diag.Span { return p.place(path).value }

// Folder returns the name of the tenant in whose folder an object stands, such as Folder("apis", "petstore"); "" for
// the platform.
func (p *Positions) Folder(path ...string) string {
	if p == nil {
		return ""
	}
	at, ok := p.homes[head(join(path))]
	if !ok {
		return ""
	}
	return p.units[at].tenant
}

func (p *Positions) place(path []string) place {
	if p == nil {
		return place{}
	}
	joined := join(path)
	at, ok := p.homes[head(joined)]
	if !ok {
		return place{}
	}
	found, _ := p.units[at].places.find(joined)
	return found
}
