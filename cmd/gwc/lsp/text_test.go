package lsp

import (
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestPositions(t *testing.T) {
	const s = "ab\ncä🦊d\r\ne\rf"
	for _, tt := range []struct {
		name   string
		p      position
		bytes  bool
		offset int
		back   position
	}{
		{"the beginning", position{0, 0}, false, 0, position{0, 0}},
		{"the end of a line", position{0, 2}, false, 2, position{0, 2}},
		{"beyond the end of a line", position{0, 9}, false, 2, position{0, 2}},
		{"behind a letter of two bytes", position{1, 2}, false, 6, position{1, 2}},
		{"behind a character of two units", position{1, 4}, false, 10, position{1, 4}},
		{"within a character of two units", position{1, 3}, false, 6, position{1, 2}},
		{"the end of a line that ends with CR LF", position{1, 5}, false, 11, position{1, 5}},
		{"beyond it", position{1, 6}, false, 11, position{1, 5}},
		{"a line behind CR", position{3, 0}, false, 15, position{3, 0}},
		{"beyond the last line", position{9, 9}, false, 16, position{3, 1}},
		{"before the first line", position{-1, 0}, false, 0, position{0, 0}},
		{"a column in bytes", position{1, 3}, true, 6, position{1, 3}},
		{"a column in bytes within a character", position{1, 5}, true, 6, position{1, 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newText([]byte(s), tt.bytes)
			if got := x.offset(tt.p); got != tt.offset {
				t.Errorf("the offset is %d, want %d", got, tt.offset)
			}
			if got := x.position(tt.offset); got != tt.back {
				t.Errorf("the position is %v, want %v", got, tt.back)
			}
		})
	}
}

// FuzzText compares positions with those of a text in UTF-16, changes with what they are for strings, and differences
// with what they are to become.
func FuzzText(f *testing.F) {
	f.Add("ab\ncä🦊d\r\ne\rf", 3, 8, "x🦊")
	f.Add("\xff\xf0\x9f", 1, 2, "\n")
	f.Add("a: {\n\tb: 1\n}\n", 5, 9, "")
	f.Fuzz(func(t *testing.T, s string, a, b int, with string) {
		x := newText([]byte(s), false)
		for i := range s {
			p := x.position(i)
			if got := x.offset(p); got > i {
				t.Fatalf("offset %d is at %v, which is at %d", i, p, got)
			}
			if s[i] == '\n' || s[i] == '\r' || !utf8.ValidString(s) {
				continue
			}
			if got := x.offset(p); got != i {
				t.Fatalf("offset %d is at %v, which is at %d", i, p, got)
			}
			from, _ := x.line(p.Line)
			if want := len(utf16.Encode([]rune(s[from:i]))); p.Character != want {
				t.Fatalf("offset %d is in column %d, want %d", i, p.Character, want)
			}
		}
		a, b = max(0, min(a, len(s))), max(0, min(b, len(s)))
		from, to := x.offset(x.position(min(a, b))), x.offset(x.position(max(a, b)))
		changed := x.change(&span{x.position(a), x.position(b)}, with)
		if want := s[:from] + with + s[to:]; string(changed.data) != want {
			t.Fatalf("got %q, want %q", changed.data, want)
		}
		if !utf8.ValidString(s) || !utf8.ValidString(with) {
			return
		}
		if e, differs := x.difference(changed.data); differs {
			if got := x.change(&e.Range, e.NewText); string(got.data) != string(changed.data) {
				t.Fatalf("the difference between %q and %q is %v, which makes %q", s, changed.data, e, got.data)
			}
		}
	})
}
