// Package yamltext reads YAML files into the nodes of the YAML library, and knows which bytes of the file each node is.
//
// The bytes of one file enter; its only document leaves as a tree of [yaml.Node], with [Places], which turns what the
// library says of places into byte ranges. The library counts lines and columns in characters, takes some Unicode
// separators for line ends, names no ends, and counts the lines of some errors from 0 and of others from 1.
//
// What the nodes mean is its importers' business: package openapi makes documents of them, and package load
// configuration. Both point into files of others, so that a place that is wrong by one is a wrong place; one package
// that is right was preferred to two that nearly are. A YAML library of our own was refused: no two of them agree on
// all of YAML.
package yamltext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Document returns the root of a file's only document, or nil if the file holds nothing. The error is of the file;
// [Places.Problem] says where it is. Malformed inputs on which the library panics give an error like any other.
func Document(src []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("%v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(src))
	var first, second yaml.Node
	if err := d.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	switch err := d.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("line %d: a second document begins, one was expected", second.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if len(first.Content) == 0 {
		return nil, nil
	}
	return first.Content[0], nil
}

// Invalid returns the offset of the first byte that is not UTF-8, or -1, and what helps.
func Invalid(src []byte) (offset int, help string) {
	if utf8.Valid(src) {
		return -1, ""
	}
	for {
		r, n := utf8.DecodeRune(src[offset:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		offset += n
	}
	if bytes.HasPrefix(src, []byte{0xff, 0xfe}) || bytes.HasPrefix(src, []byte{0xfe, 0xff}) {
		help = "save the file as UTF-8; it looks like UTF-16"
	}
	return offset, help
}

// Range is a part of a file in bytes; To is exclusive.
type Range struct{ From, To int }

// Places turns the library's lines and columns into byte offsets. It is immutable.
type Places struct {
	src   []byte
	lines []int
	ascii bool
}

// NewPlaces returns the places of a file.
func NewPlaces(src []byte) *Places {
	p := &Places{src: src, ascii: true}
	for _, c := range src {
		if c >= utf8.RuneSelf || c == '\r' {
			p.ascii = false
			break
		}
	}
	if p.ascii {
		p.lines = append(make([]int, 0, 16+len(src)/32), 0)
		for off := 0; ; {
			n := bytes.IndexByte(src[off:], '\n')
			if n < 0 {
				return p
			}
			off += n + 1
			p.lines = append(p.lines, off)
		}
	}
	// The library ends lines at "\n", "\r", "\r\n", U+0085, U+2028 and U+2029, and skips a byte order mark.
	begin := 0
	if bytes.HasPrefix(src, []byte("\ufeff")) {
		begin = 3
	}
	p.lines = append(p.lines, begin)
	for i := begin; i < len(src); {
		r, n := rune(src[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(src[i:])
		}
		i += n
		switch r {
		case '\r':
			if i < len(src) && src[i] == '\n' {
				i++
			}
			p.lines = append(p.lines, i)
		case '\n', '\u0085', '\u2028', '\u2029':
			p.lines = append(p.lines, i)
		}
	}
	return p
}

// Offset returns the byte offset at which a node begins, its tag and anchor included.
func (p *Places) Offset(n *yaml.Node) int {
	if n.Line < 1 || n.Line > len(p.lines) {
		return len(p.src)
	}
	at := p.lines[n.Line-1]
	if p.ascii {
		return min(at+max(n.Column-1, 0), len(p.src))
	}
	for c := 1; c < n.Column && at < len(p.src); c++ {
		_, size := utf8.DecodeRune(p.src[at:])
		at += size
	}
	return at
}

// line returns the text of a line without its indentation; of an empty line, that of the next one that is not empty.
func (p *Places) line(line int) Range {
	if line < 1 || line > len(p.lines) {
		return Range{}
	}
	for i := line - 1; i < len(p.lines); i++ {
		start, end := p.lines[i], len(p.src)
		if i+1 < len(p.lines) {
			end = p.lines[i+1]
		}
		s := string(p.src[start:end])
		trimmed := strings.TrimSpace(s)
		if trimmed != "" {
			start += strings.Index(s, trimmed)
			return Range{start, start + len(trimmed)}
		}
	}
	return Range{}
}

// Scalar returns the range of a scalar that begins at start; a tag or an anchor before it is left out. Of one that goes
// over several lines it is the first.
func (p *Places) Scalar(n *yaml.Node, start int) Range {
	s := p.src[start:]
	for len(s) > 0 && (s[0] == '&' || s[0] == '!') {
		n := bytes.IndexAny(s, " \t\r\n")
		if n < 0 {
			break
		}
		for n < len(s) && (s[n] == ' ' || s[n] == '\t') {
			n++
		}
		start += n
		s = s[n:]
	}
	end := 0
	switch {
	case len(s) == 0:
	case s[0] == '"':
		for end = 1; end < len(s) && s[end] != '"'; end++ {
			if s[end] == '\\' {
				end++
			}
		}
		end = min(end+1, len(s))
	case s[0] == '\'':
		for end = 1; end < len(s); end++ {
			if s[end] == '\'' {
				if end+1 < len(s) && s[end+1] == '\'' {
					end++
					continue
				}
				break
			}
		}
		end = min(end+1, len(s))
	case len(n.Value) > 0 && bytes.HasPrefix(s, []byte(n.Value)):
		end = len(n.Value)
	default: // folded over lines, or a block: its first line
		if end = bytes.IndexAny(s, "\r\n"); end < 0 {
			end = len(s)
		}
		end = len(bytes.TrimRight(s[:end], " \t"))
		if len(n.Value) == 0 {
			end = 0
		}
	}
	return Range{start, start + max(end, 1)}
}

var errorLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// Problem says in words what an error of [Document] is, where, and what helps. Deep tells that the file nests deeper
// than the library follows.
func (p *Places) Problem(err error) (message string, at Range, help string, deep bool) {
	message = err.Error()
	m := errorLine.FindStringSubmatch(message)
	line, _ := strconv.Atoi(m[1])
	message = strings.TrimPrefix(message, m[0])
	// The library counts lines from 1 where its scanner fails and from 0 where its parser does.
	if strings.HasPrefix(message, "did not find expected") || strings.HasPrefix(message, "found duplicate %") ||
		strings.HasPrefix(message, "found incompatible") || strings.HasPrefix(message, "found undefined tag") {
		line++
	}
	if strings.Contains(message, "cannot start any token") && bytes.ContainsRune(p.src, '\t') {
		help = "indent with spaces; YAML does not take tabs"
	}
	return message, p.line(line), help, strings.HasPrefix(message, "exceeded max depth")
}
