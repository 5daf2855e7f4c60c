package pack

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	Name string
	On   bool
	N    int
}

type whole struct {
	Text  string
	Texts []string
	Bytes []byte
	Hash  [4]byte
	Pair  [2]int
	Small int8
	Big   uint64
	Float float64
	Took  time.Duration
	When  time.Time
	Addr  netip.Addr
	Inner inner
	List  []inner
	Map   map[string]inner
	Lists map[string][]string
	Ptr   *inner
	Next  *whole
	Any   any
}

func full() *whole {
	return &whole{
		Text: "gwc", Texts: []string{"", "gwc", "ö\x00"}, Bytes: []byte{0, 255}, Hash: [4]byte{1, 2, 3, 4}, Pair: [2]int{-1, math.MaxInt64},
		Small: -128, Big: math.MaxUint64, Float: -0.5, Took: time.Second, When: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Addr: netip.MustParseAddr("::1"), Inner: inner{"a", true, 1}, List: []inner{{}, {"b", false, math.MinInt64}},
		Map: map[string]inner{"x": {N: 1}, "": {N: 2}}, Lists: map[string][]string{"nil": nil, "empty": {}, "one": {"x"}},
		Ptr: &inner{}, Next: &whole{When: time.Unix(0, 0).UTC(), Text: "inside"},
		Any: map[string]any{"a": []any{nil, true, int64(1), 1.5, "s", map[string]any{}}},
	}
}

func codecOf(t testing.TB) *Codec[whole] {
	t.Helper()
	c, err := Of[whole]()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAValueComesBackAsItWas(t *testing.T) {
	c := codecOf(t)
	for name, want := range map[string]*whole{"zero": {}, "full": full()} {
		t.Run(name, func(t *testing.T) {
			b, err := c.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
			again, err := c.Encode(got)
			if err != nil || !bytes.Equal(b, again) {
				t.Errorf("the value gives other bytes a second time (%v)", err)
			}
		})
	}
}

func TestATextStandsOnce(t *testing.T) {
	type list struct{ L []string }
	c, err := Of[list]()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1000)
	b, err := c.Encode(&list{[]string{long, long, long, long}})
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 1100 {
		t.Errorf("%d bytes for one text of 1000 that stands four times", len(b))
	}
}

func TestTypesThatWouldLoseSomethingAreRefused(t *testing.T) {
	type hidden struct{ a int }
	type inList struct{ L []hidden }
	if _, err := Of[inList](); !errors.Is(err, ErrType) {
		t.Errorf("an unexported field: error %v, want %v", err, ErrType)
	}
	if _, err := Of[map[int]string](); !errors.Is(err, ErrType) {
		t.Errorf("a map by number: error %v, want %v", err, ErrType)
	}
	if _, err := Of[func()](); !errors.Is(err, ErrType) {
		t.Errorf("a function: error %v, want %v", err, ErrType)
	}
	type marked struct {
		A int
		b int `pack:"-"`
	}
	m, err := Of[marked]()
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode(&marked{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Decode(b); err != nil || *got != (marked{A: 1}) {
		t.Errorf("a field that is marked gives %+v, %v", got, err)
	}
	c := codecOf(t)
	if _, err := c.Encode(&whole{Any: hidden{1}}); !errors.Is(err, ErrType) {
		t.Errorf("any of a type of one's own: error %v, want %v", err, ErrType)
	}
	deep := any(nil)
	for range 2 * maxDepth {
		deep = []any{deep}
	}
	if _, err := c.Encode(&whole{Any: deep}); !errors.Is(err, ErrType) {
		t.Errorf("nesting: error %v, want %v", err, ErrType)
	}
}

func TestShapesDifferWhereTypesDo(t *testing.T) {
	type a struct{ X, Y int }
	type b struct{ Y, X int }
	type c struct{ X, Y int }
	type d struct{ X, Y int32 }
	shapes := map[string]string{}
	for name, of := range map[string]func() (string, error){"a": shapeOf[a], "b": shapeOf[b], "c": shapeOf[c], "d": shapeOf[d]} {
		s, err := of()
		if err != nil {
			t.Fatal(err)
		}
		shapes[name] = s
	}
	if shapes["a"] != shapes["c"] || shapes["a"] == shapes["b"] || shapes["a"] == shapes["d"] {
		t.Errorf("shapes are %v", shapes)
	}
}

func shapeOf[T any]() (string, error) {
	c, err := Of[T]()
	if err != nil {
		return "", err
	}
	return c.Shape(), nil
}

func TestDamagedBytesAreRefused(t *testing.T) {
	c := codecOf(t)
	b, err := c.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := c.Decode(b[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(b))
		}
	}
	if _, err := c.Decode(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a byte after the end was taken")
	}
	// A length that promises more than there is must not be believed before it is checked.
	if n := testing.AllocsPerRun(10, func() { c.Decode([]byte{0xff, 0xff, 0xff, 0xff, 0x07}) }); n > 5 {
		t.Errorf("%g allocations for five bytes", n)
	}
}

func FuzzDecode(f *testing.F) {
	c := codecOf(f)
	for _, v := range []*whole{{}, full()} {
		b, err := c.Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := c.Decode(b)
		if err != nil {
			return
		}
		if _, err := c.Encode(v); err != nil && !errors.Is(err, ErrType) {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
