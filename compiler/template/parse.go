// Package template reads the text templates of prompts and lowers them, by the types of the inputs, into the flat steps
// that an artifact holds.
//
// The language is the part of mustache that says nothing but data: {{name}}, {{#name}}…{{/name}}, {{^name}}…{{/name}},
// {{>partial}} and {{! comment }}; a backslash before {{ makes it text. There is no code, no escaping of HTML, no change
// of the delimiters and no lambda, and what these would look like is a mistake that is named. Where mustache looks names
// up when it renders, [Lower] does it once, by type: a name that no input has, a section over what is always there, a
// list where text is expected and an input that may be absent where it is printed are found at build.
//
// Partials are laid out where they are included, in the scope that they are included in. Steps that call were refused:
// what a partial means depends on that scope, and without calls there is nothing to recurse.
package template

import (
	"fmt"
	"strings"
)

// kind of a tag.
type kind uint8

const (
	literal  kind = iota
	variable      // {{name}}
	section       // {{#name}}
	inverted      // {{^name}}
	closing       // {{/name}}
	partial       // {{>name}}
	comment       // {{! … }}
)

// token is a piece of a template: text, or a tag.
type token struct {
	kind  kind
	text  string // literal: the text; else the name
	at    int    // offset of the tag, or of the text
	end   int
	alone bool // the tag is all that its line has; the line goes with it
}

// Fault is a mistake in a template.
type Fault struct {
	Kind   FaultKind
	In     string // the partial that it is in; "" for the template itself
	At     int    // offset in the text of In, in bytes
	Length int
	Text   string // the sentence: lower case, no full stop
	Near   string // the name that was most likely meant
	Note   string
}

// FaultKind says which rule a mistake breaks.
type FaultKind uint8

const (
	Syntax   FaultKind = iota + 1
	Unknown            // no input has the name
	Misuse             // of an input's type
	Absent             // an input that may be absent is printed
	Missing            // no partial has the name
	Cyclic             // a partial includes itself
	TooLarge           // what is laid out is longer than an artifact may hold
)

// scan splits a template into tokens.
func scan(text string) ([]token, *Fault) {
	var list []token
	var plain strings.Builder
	start := 0
	flush := func(end int) {
		if plain.Len() > 0 {
			list = append(list, token{kind: literal, text: plain.String(), at: start, end: end})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], `\{{`):
			plain.WriteString("{{")
			i += 3
		case strings.HasPrefix(text[i:], "{{"):
			flush(i)
			t, fault := tag(text, i)
			if fault != nil {
				return nil, fault
			}
			list = append(list, t)
			i, start = t.end, t.end
		default:
			plain.WriteByte(text[i])
			i++
		}
	}
	flush(len(text))
	lines(text, list)
	return list, nil
}

// tag reads the tag at an offset.
func tag(text string, at int) (token, *Fault) {
	fault := func(length int, format string, args ...any) *Fault {
		return &Fault{Kind: Syntax, At: at, Length: length, Text: fmt.Sprintf(format, args...)}
	}
	n := strings.Index(text[at:], "}}")
	if n < 0 {
		return token{}, fault(2, `"{{" is not closed by "}}"`)
	}
	t := token{kind: variable, at: at, end: at + n + 2}
	inner := text[at+2 : at+n]
	whole := text[at:t.end]
	if inner == "" {
		return t, fault(len(whole), `"{{}}" has no name`)
	}
	switch inner[0] {
	case '{':
		return t, fault(3, `"{{{" is no tag: nothing is escaped, so that "{{name}}" is the text as it is`)
	case '&':
		return t, fault(3, `"{{&" is no tag: nothing is escaped, so that "{{name}}" is the text as it is`)
	case '=':
		return t, fault(3, `"{{=" is no tag: delimiters do not change`)
	case '#', '^', '/', '>', '!':
		t.kind = map[byte]kind{'#': section, '^': inverted, '/': closing, '>': partial, '!': comment}[inner[0]]
		inner = inner[1:]
	}
	t.text = strings.TrimSpace(inner)
	if t.kind == comment {
		return t, nil
	}
	if !named(t.text, t.kind == partial) {
		if t.text == "" {
			return t, fault(len(whole), "%q has no name", whole)
		}
		return t, fault(len(whole), "%q has no name of an input, but %q", shown(whole), shown(t.text))
	}
	return t, nil
}

func shown(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// named reports whether a text is a name: "." for the element at hand, or labels with dots between.
func named(s string, partial bool) bool {
	if s == "." && !partial {
		return true
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" {
			return false
		}
		for i, c := range []byte(label) {
			if !(c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && ('0' <= c && c <= '9' || partial && c == '-') || i == 0 && partial && '0' <= c && c <= '9') {
				return false
			}
		}
	}
	return true
}

// lines marks tags that stand alone on their lines, and takes the rest of those lines out of the text around them, as
// mustache does for all tags but variables. A partial's line stays, and its text ends where its last line does: authors
// of texts in a configuration file rarely end them with a line end.
func lines(text string, list []token) {
	for i := range list {
		t := &list[i]
		if t.kind == literal || t.kind == variable {
			continue
		}
		from := strings.LastIndexByte(text[:t.at], '\n') + 1
		to := strings.IndexByte(text[t.end:], '\n')
		rest := text[t.end:]
		if to >= 0 {
			rest = text[t.end : t.end+to+1]
		}
		t.alone = strings.Trim(text[from:t.at], " \t") == "" && strings.TrimSpace(rest) == "" && !(from == 0 && to < 0)
	}
	for i := range list {
		if !list[i].alone || list[i].kind == partial {
			continue
		}
		if i > 0 && list[i-1].kind == literal {
			list[i-1].text = strings.TrimRight(list[i-1].text, " \t")
		}
		if i+1 < len(list) && list[i+1].kind == literal {
			rest := strings.TrimLeft(list[i+1].text, " \t\r")
			list[i+1].text = strings.TrimPrefix(rest, "\n")
		}
	}
}
