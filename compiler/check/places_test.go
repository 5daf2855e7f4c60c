package check

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/diag"
)

func TestPlacesAreThoseThatTheWalkFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	span := func() diag.Span {
		if r.IntN(5) == 0 {
			return diag.Span{}
		}
		s := diag.Span{File: fmt.Sprintf("tenants/a/%d.cue", r.IntN(3)), Start: diag.Pos{Line: 1 + r.IntN(500), Col: 1 + r.IntN(90), Offset: r.IntN(9000)}}
		s.End = diag.Pos{Line: s.Start.Line + r.IntN(3), Col: 1 + r.IntN(90), Offset: s.Start.Offset + r.IntN(200)}
		return s
	}
	want := map[string]place{}
	for range 500 {
		path := []string{[]string{"apis", "api", "models"}[r.IntN(3)]}
		for range r.IntN(4) {
			path = append(path, fmt.Sprintf("n%d", r.IntN(30)))
		}
		want[join(path)] = place{span(), span()}
	}
	p := newPlaces(want)
	heads := map[string]bool{}
	for path, at := range want {
		if got, ok := p.find(path); !ok || got != at {
			t.Errorf("%q: mismatch (-want +got)\n%s", path, cmp.Diff(fmt.Sprint(at), fmt.Sprint(got)))
		}
		if strings.Count(path, "\x00") <= 2 {
			heads[path] = true
		}
	}
	got := slices.Collect(p.heads())
	if len(got) != len(heads) || slices.ContainsFunc(got, func(h string) bool { return !heads[h] }) {
		t.Errorf("heads are %q", got)
	}
	for _, path := range []string{"", "a\x00", "apis\x00nobody\x00", "zzz\x00"} {
		if _, ok := p.find(path); ok {
			t.Errorf("%q is there", path)
		}
	}
	var none Places
	if _, ok := none.find("a\x00"); ok {
		t.Error("no places have one")
	}
}

// FuzzPlaces reads places that nobody wrote, as a file may hold them.
func FuzzPlaces(f *testing.F) {
	p := newPlaces(map[string]place{"apis\x00a\x00": {diag.Span{File: "a.cue"}, diag.Span{}}, "apis\x00": {}})
	index := make([]byte, 0, 8)
	for _, at := range p.Index {
		index = binary.LittleEndian.AppendUint32(index, at)
	}
	f.Add(p.Text, index, "apis\x00a\x00")
	f.Fuzz(func(t *testing.T, text string, index []byte, path string) {
		p := Places{Files: []string{"a.cue"}, Text: text}
		for ; len(index) >= 4; index = index[4:] {
			p.Index = append(p.Index, binary.LittleEndian.Uint32(index))
		}
		p.find(path)
		for h := range p.heads() {
			head(h)
		}
	})
}
