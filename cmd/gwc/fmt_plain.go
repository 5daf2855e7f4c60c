package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/yamltext"
)

// formatFile formats a file by its ending; what has none is CUE.
func formatFile(name string, src []byte) ([]byte, error) {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
	default:
		return formatCUE(name, src)
	}
	if len(src) > load.MaxCUE {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, load.MaxCUE>>20)
	}
	if bad := load.Syntax(name, src); len(bad) > 0 {
		at := bad[0].Primary.Span.Start
		return nil, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Col, bad[0].Summary)
	}
	if filepath.Ext(name) == ".json" {
		var b bytes.Buffer
		if err := json.Indent(&b, bytes.TrimSpace(bytes.TrimPrefix(src, []byte("\ufeff"))), "", "  "); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		b.WriteByte('\n')
		return b.Bytes(), nil
	}
	return formatYAML(src), nil
}

// formatYAML indents a file by two spaces a level, and leaves one empty line where there were several. The YAML library
// writes it anew; where what it writes does not hold the same values, comments and anchors, or does not come to rest,
// only white space at the ends of lines and of the file changes.
func formatYAML(src []byte) []byte {
	out := src
	for range 3 {
		next, ok := rewritten(out)
		if !ok || yamlContent(next) != yamlContent(src) {
			return trimmed(src)
		}
		if bytes.Equal(next, out) {
			return out
		}
		out = next
	}
	return trimmed(src)
}

// blankLine stands for an empty line while the library, which keeps comments but no empty lines, writes a file anew.
const blankLine = "# \u00a0blank"

func rewritten(src []byte) (out []byte, ok bool) {
	defer func() {
		if recover() != nil { // the library, of comments in odd places
			out, ok = nil, false
		}
	}()
	src = bytes.TrimPrefix(bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")), []byte("\ufeff"))
	inside, ok := textLines(src)
	if !ok || bytes.Contains(src, []byte(blankLine)) || len(bytes.TrimSpace(src)) == 0 {
		return nil, false
	}
	var marked bytes.Buffer
	lines := strings.Split(strings.TrimRight(string(src), " \t\n"), "\n")
	for i, l := range lines {
		switch {
		case strings.TrimSpace(l) != "" || inside[i+1]:
			marked.WriteString(l + "\n")
		case i > 0 && strings.TrimSpace(lines[i-1]) != "" && i+1 < len(lines):
			// As deep as what follows, to which a comment belongs.
			next := i
			for next < len(lines)-1 && strings.TrimSpace(lines[next]) == "" {
				next++
			}
			deep := len(lines[next]) - len(strings.TrimLeft(lines[next], " "))
			marked.WriteString(strings.Repeat(" ", deep) + blankLine + "\n")
		}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(marked.Bytes(), &doc); err != nil {
		return nil, false
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil || e.Close() != nil {
		return nil, false
	}
	var res bytes.Buffer
	blank := true // no empty line at the beginning
	for l := range strings.Lines(b.String()) {
		if strings.TrimSpace(l) == blankLine || strings.TrimSpace(l) == "" {
			if !blank || strings.TrimSpace(l) == "" {
				res.WriteByte('\n')
			}
			blank = true
			continue
		}
		blank = false
		res.WriteString(l)
	}
	return res.Bytes(), true
}

// textLines returns the lines that are inside of texts of several lines, from 1.
func textLines(src []byte) (map[int]bool, bool) {
	root, err := yamltext.Document(src)
	if err != nil {
		return nil, false
	}
	inside := map[int]bool{}
	lines := bytes.Count(src, []byte{'\n'}) + 1
	var all []*yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		all = append(all, n)
		for _, c := range n.Content {
			walk(c)
		}
	}
	if root != nil {
		walk(root)
	}
	for i, n := range all {
		if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle|yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 && !strings.Contains(n.Value, "\n") {
			continue
		}
		end := lines
		for _, m := range all[i+1:] {
			if m.Line > n.Line {
				end = m.Line - 1
				break
			}
		}
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && !strings.Contains(n.Value, "\n") {
			continue
		}
		for l := n.Line + 1; l <= end; l++ {
			inside[l] = true
		}
	}
	return inside, true
}

// yamlContent is what formatting must keep: values with their kinds, tags, anchors and quotes, and comments.
func yamlContent(src []byte) string {
	root, err := yamltext.Document(src)
	if err != nil {
		return "error"
	}
	var b strings.Builder
	var comments []string
	seen := map[*yaml.Node]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		fmt.Fprintf(&b, "%d %s %q %q %d\n", n.Kind, n.Tag, n.Value, n.Anchor, n.Style&^yaml.FlowStyle)
		for _, c := range []string{n.HeadComment, n.LineComment, n.FootComment} {
			for l := range strings.Lines(c) {
				if l = strings.TrimSpace(l); l != "" {
					comments = append(comments, l)
				}
			}
		}
		if seen[n] {
			return
		}
		seen[n] = true
		for _, c := range n.Content {
			walk(c)
		}
		b.WriteString("end\n")
	}
	var doc yaml.Node
	if yaml.Unmarshal(src, &doc) == nil && root != nil {
		walk(&doc)
	}
	slices.Sort(comments)
	// Comments that the library does not see are lost by it: the marks of all are counted too.
	return b.String() + strings.Join(comments, "\n") + fmt.Sprint(strings.Count(string(src), "#"))
}

// trimmed takes white space from the ends of lines that are no part of a text, and leaves one line end at the end.
func trimmed(src []byte) []byte {
	inside, ok := textLines(src)
	if !ok {
		return src
	}
	var b bytes.Buffer
	for i, l := range strings.Split(strings.TrimRight(string(src), " \t\r\n"), "\n") {
		if inside[i+1] {
			b.WriteString(l + "\n")
		} else {
			b.WriteString(strings.TrimRight(l, " \t\r") + "\n")
		}
	}
	if strings.TrimSpace(b.String()) == "" {
		return src
	}
	if yamlContent(b.Bytes()) != yamlContent(src) {
		return src
	}
	return b.Bytes()
}
