package load

import (
	"bytes"
	"fmt"
	"path"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"

	language "github.com/gwc-dev/gwc/schema/cue"
)

// Which YAML and JSON files are configuration.
//
// A repository holds OpenAPI documents, fragments that they refer to, examples, and files of other tools. What is
// configuration shows in the file: one of the keys at its top is a field of the language. A document says "openapi" or
// "swagger" there. A file that says both is an error, and so is one whose keys resemble the language's by accident of
// a typo, because configuration that is not read must not go unnoticed. Files that are named as documents are
// ("openapi.yaml", "pets.openapi.json", "swagger.yaml") are documents without a look into them; those named
// "gateway.yaml" or lying in env/ are configuration whatever they say.

// kind is what a YAML or JSON file is.
type kind uint8

const (
	other         kind = iota // a document, a fragment of one, or nothing of ours
	configuration             // fields of the language
)

// isPlain reports whether a file is YAML or JSON.
func isPlain(p string) bool {
	switch path.Ext(p) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// namedAsDocument reports whether a file's name says that it is an OpenAPI document.
func namedAsDocument(p string) bool {
	name := strings.TrimSuffix(path.Base(p), path.Ext(p))
	for _, word := range []string{"openapi", "swagger"} {
		if name == word || strings.HasSuffix(name, "."+word) {
			return true
		}
	}
	return false
}

// namedAsConfiguration reports whether a file's name says that it is configuration.
func namedAsConfiguration(p string) bool {
	base := strings.TrimSuffix(path.Base(p), path.Ext(p))
	_, env := environmentOf(p)
	return p == path.Base(p) && base == "gateway" || env
}

// topKey is a key at the top of a file.
type topKey struct {
	name string
	at   extent
}

// kindOf tells what a YAML or JSON file of a unit is, and what is wrong about that.
func kindOf(p string, data []byte) (kind, []diag.Diagnostic) {
	if namedAsConfiguration(p) {
		return configuration, nil
	}
	if len(data) > MaxCUE || namedAsDocument(p) {
		return other, nil
	}
	var ours, document, foreign []topKey
	root := language.Read().Root
	for _, k := range topKeys(p, data) {
		_, known := root.Field(k.name)
		switch {
		case known || contains(root.Reserved, k.name):
			ours = append(ours, k)
		case k.name == "openapi" || k.name == "swagger":
			document = append(document, k)
		default:
			foreign = append(foreign, k)
		}
	}
	b := builder{name: p, data: data}
	inRoot := path.Dir(p) == "."
	switch {
	case len(ours) > 0 && len(document) > 0:
		b.problem(codeTwofold, ours[0].at, fmt.Sprintf("the file has the field %q of a gateway and %q of an OpenAPI document, expected one of both", ours[0].name, document[0].name),
			"put the configuration into a file of its own")
		d := &b.problems[0]
		d.Secondary = []diag.Label{{Span: b.span(document[0].at), Text: "which makes it a document"}}
		return other, b.problems
	case len(ours) > 0 && inRoot && len(foreign) > 0 && !typo(foreign, root):
		// Files of other tools lie in the root folder, and some of them have "models" or "policies" too.
		b.problem(codeForeign, ours[0].at, fmt.Sprintf("the file has the field %q of a gateway and %q, which is none: it is not read", ours[0].name, foreign[0].name),
			"if it is configuration, remove what is not, or name the file gateway"+path.Ext(p))
		b.problems[0].Severity = diag.Warning
		return other, b.problems
	case len(ours) > 0:
		return configuration, nil
	case len(document) > 0 || inRoot:
		return other, nil
	}
	for _, k := range foreign {
		if near, ok := diag.Nearest(k.name, fields(root)); ok {
			b.problem(codeUnread, k.at, fmt.Sprintf("no key at the top of the file is a field of a gateway: %q is not read", k.name),
				"put files that gwc shall not read into a folder named testdata")
			b.problems[0].Primary.Text = fmt.Sprintf("did you mean %q?", near)
			b.problems[0].Fixes = []diag.Fix{{Title: fmt.Sprintf("rename %q to %q", k.name, near), Edits: []diag.Edit{{Span: b.problems[0].Primary.Span, New: keyText(data, k.at, near)}}}}
			return other, b.problems
		}
	}
	return other, nil
}

// keyText returns how a key is written in place of another: in quotes if that is.
func keyText(data []byte, at extent, name string) string {
	if c := data[at.From]; c == '"' || c == '\'' {
		return string(c) + name + string(c)
	}
	return name
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func fields(t *language.Type) []string {
	var names []string
	for i := range t.Fields {
		names = append(names, t.Fields[i].Name)
	}
	return names
}

// typo reports whether one of some keys is most likely a misspelt field.
func typo(keys []topKey, t *language.Type) bool {
	for _, k := range keys {
		if _, ok := diag.Nearest(k.name, fields(t)); ok {
			return true
		}
	}
	return false
}

// topKeys returns the keys at the top of a YAML or JSON file, as far as they can be told: also of a file that cannot be
// parsed, because what is configuration with a fault in it must not be taken for none.
func topKeys(p string, data []byte) []topKey {
	if path.Ext(p) != ".json" {
		if keys, ok := unindented(data); ok {
			return keys
		}
	}
	return inBraces(data)
}

// inBraces returns the keys of the outermost braces: text, in quotes or not, with a colon after it.
func inBraces(data []byte) (keys []topKey) {
	depth := 0
	var last topKey // the text that may turn out to be a key
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '{' || c == '[':
			depth++
			i++
		case c == '}' || c == ']':
			depth--
			i++
		case c == '"' || c == '\'':
			from := i
			for i++; i < len(data) && data[i] != c; i++ {
				if data[i] == '\\' && c == '"' {
					i++
				}
			}
			i = min(i+1, len(data))
			last = topKey{strings.Trim(string(data[from:i]), string(c)), extent{from, i}}
		case c == ':':
			if depth == 1 && last.name != "" {
				keys = append(keys, last)
			}
			last = topKey{}
			i++
		case c == '#':
			for i < len(data) && data[i] != '\n' {
				i++
			}
		case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',':
			i++
		default:
			from := i
			for i < len(data) && strings.IndexByte(" \t\r\n,:{}[]\"'", data[i]) < 0 {
				i++
			}
			last = topKey{string(data[from:i]), extent{from, i}}
		}
	}
	return keys
}

// unindented returns the keys of a YAML file in block style. It says false where the file begins otherwise.
func unindented(data []byte) (keys []topKey, ok bool) {
	data, skipped := bytes.CutPrefix(data, []byte("\ufeff"))
	base := 0
	if skipped {
		base = 3
	}
	for offset := base; len(data) > 0; {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		if len(line) > 0 && line[0] != ' ' && line[0] != '#' && line[0] != '\t' && line[0] != '\r' && line[0] != '-' && line[0] != '.' {
			switch line[0] {
			case '{', '[', '&', '!', '?', '%', '*':
				return nil, false
			}
			from, to := 0, bytes.IndexByte(line, ':')
			if q := line[0]; q == '"' || q == '\'' {
				to = bytes.IndexByte(line[1:], q) + 1
				if to == 0 {
					return nil, false
				}
				keys = append(keys, topKey{string(line[1:to]), extent{offset, offset + to + 1}})
			} else if to > 0 {
				name := strings.TrimSpace(string(line[from:to]))
				keys = append(keys, topKey{name, extent{offset, offset + len(name)}})
			}
		}
		offset += len(line) + 1
		data = rest
	}
	return keys, true
}
