package lsp

import (
	"bytes"
	"sort"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/compiler/query"
)

// text is a file's content with the offsets at which its lines begin. It is immutable. Lines end with LF, CR LF or CR,
// as LSP says; a column counts UTF-16 code units unless the client wants bytes.
type text struct {
	data  []byte
	lines []int
	bytes bool
}

func newText(data []byte, inBytes bool) *text {
	t := &text{data: data, lines: []int{0}, bytes: inBytes}
	for i := 0; i < len(data); {
		n := bytes.IndexAny(data[i:], "\r\n")
		if n < 0 {
			break
		}
		i += n + 1
		if data[i-1] == '\r' && i < len(data) && data[i] == '\n' {
			i++
		}
		t.lines = append(t.lines, i)
	}
	return t
}

// line returns the extent of a line without its end.
func (t *text) line(n int) (from, to int) {
	from, to = t.lines[n], len(t.data)
	if n+1 < len(t.lines) {
		to = t.lines[n+1]
		if to > from && t.data[to-1] == '\n' {
			to--
		}
		if to > from && t.data[to-1] == '\r' {
			to--
		}
	}
	return from, to
}

// offset returns where a position is in bytes. A column beyond the line is its end, a line beyond the text the text's
// end, and one within a character the character's beginning.
func (t *text) offset(p position) int {
	switch {
	case p.Line < 0:
		return 0
	case p.Line >= len(t.lines):
		return len(t.data)
	}
	at, to := t.line(p.Line)
	for n := 0; n < p.Character && at < to; {
		r, size := utf8.DecodeRune(t.data[at:to])
		if n += t.units(r, size); n > p.Character {
			break
		}
		at += size
	}
	return at
}

func (t *text) units(r rune, size int) int {
	switch {
	case t.bytes:
		return size
	case r >= 0x10000:
		return 2
	}
	return 1
}

// position returns the position of an offset.
func (t *text) position(offset int) position {
	offset = max(0, min(offset, len(t.data)))
	line := sort.SearchInts(t.lines, offset+1) - 1
	from, to := t.line(line)
	p := position{Line: line}
	for at := from; at < offset && at < to; {
		r, size := utf8.DecodeRune(t.data[at:to])
		if at += size; at > offset {
			break // within a character
		}
		p.Character += t.units(r, size)
	}
	return p
}

func (t *text) span(e query.Extent) span { return span{t.position(e.Start), t.position(e.End)} }

// change replaces a range by another text.
func (t *text) change(r *span, with string) *text {
	if r == nil {
		return newText([]byte(with), t.bytes)
	}
	from, to := t.offset(r.Start), t.offset(r.End)
	if to < from {
		from, to = to, from
	}
	out := make([]byte, 0, len(t.data)-(to-from)+len(with))
	out = append(append(append(out, t.data[:from]...), with...), t.data[to:]...)
	return newText(out, t.bytes)
}

// difference returns the one edit that turns the text into another: whole lines between what both begin and end with.
func (t *text) difference(to []byte) (textEdit, bool) {
	if bytes.Equal(t.data, to) {
		return textEdit{}, false
	}
	short := min(len(t.data), len(to))
	same := 0
	for same < short && t.data[same] == to[same] {
		same++
	}
	from := bytes.LastIndexByte(t.data[:same], '\n') + 1
	tail := 0
	for tail < short-from && t.data[len(t.data)-1-tail] == to[len(to)-1-tail] {
		tail++
	}
	if tail > 0 {
		// To the beginning of a line, so that no character is cut.
		if i := bytes.IndexByte(t.data[len(t.data)-tail:], '\n'); i >= 0 {
			tail -= i + 1
		} else {
			tail = 0
		}
	}
	return textEdit{
		Range:   t.span(query.Extent{Start: from, End: len(t.data) - tail}),
		NewText: string(to[from : len(to)-tail]),
	}, true
}
