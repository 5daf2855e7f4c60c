package match

import (
	"encoding/binary"
	"math"
	"testing"
)

// arrays returns pointers to all arrays of a table.
func (t *Table) arrays() []*Ints {
	return []*Ints{&t.Methods, &t.Hosts, &t.Wildcards, &t.Nodes, &t.Edges, &t.Mixed, &t.Parts, &t.Leaves, &t.Names}
}

// mutable is a table with records of every kind.
func mutable(t testing.TB) *Table {
	return build(t, patterns("GET a.example/x", "GET *.example/x/{a}", "POST /a/{b}/c{d}-{e}.json", "PUT /a/{b}/c{d}-{e}.json",
		"GET /a/b", "GET /a/c/{f}", "GET /a/{b}/{rest+}", "GET /"))
}

// TestEveryNumberMatters changes each number of a table to values that break most things: Validate refuses it, or the
// table still works (a route's value is free, and some offsets name the same text elsewhere).
func TestEveryNumberMatters(t *testing.T) {
	refused := 0
	for k := range mutable(t).arrays() {
		for i := range *mutable(t).arrays()[k] {
			for _, f := range []func(uint32) uint32{
				func(v uint32) uint32 { return v + 1 }, func(v uint32) uint32 { return v - 1 },
				func(uint32) uint32 { return 0 }, func(uint32) uint32 { return math.MaxUint32 }, func(uint32) uint32 { return 1 << 31 },
			} {
				table := mutable(t)
				a := *table.arrays()[k]
				if f(a[i]) == a[i] {
					continue
				}
				a[i] = f(a[i])
				if table.Validate() != nil {
					refused++
					continue
				}
				exercise(table)
			}
		}
	}
	if refused < 800 {
		t.Errorf("only %d changes were refused", refused)
	}
}

func exercise(t *Table) {
	for _, path := range []string{"/", "/x", "/a/b", "/a/q/c1-2.json", "/a/b/c/d/e", "/x/y", "/a//", "//"} {
		for _, host := range []string{"", "a.example:80", "q.r.example"} {
			for _, m := range []string{"GET", "HEAD", "PUT", "X"} {
				lookup(t, host, m, path)
			}
		}
	}
	for range t.All() {
	}
}

func TestIntsHaveOneForm(t *testing.T) {
	for _, b := range [][]byte{{0x80}, {0x80, 0x00}, {0x81, 0x80, 0x00}, {0xff, 0xff, 0xff, 0xff, 0x7f}, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}} {
		var a Ints
		if err := a.UnmarshalBinary(b); err == nil {
			t.Errorf("%x is read as %v", b, a)
		}
	}
	want := Ints{0, 1, 127, 128, math.MaxUint32}
	b, _ := want.MarshalBinary()
	var got Ints
	if err := got.UnmarshalBinary(b); err != nil || len(got) != len(want) || got[4] != want[4] {
		t.Errorf("got %v, %v", got, err)
	}
}

// FuzzValidate changes numbers of a valid table: data is triples of which array, which number, which value.
func FuzzValidate(f *testing.F) {
	f.Add([]byte{4, 0, 3, 0, 0, 0, 1})
	f.Add([]byte{3, 0, 5, 0, 0, 0, 9, 7, 0, 0, 0, 0, 0, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		table := mutable(t)
		for ; len(data) >= 7; data = data[7:] {
			a := *table.arrays()[int(data[0])%9]
			a[int(binary.BigEndian.Uint16(data[1:]))%len(a)] = binary.BigEndian.Uint32(data[3:])
		}
		if table.Validate() == nil {
			exercise(table)
		}
	})
}
