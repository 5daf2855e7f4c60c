package load

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/token"
	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/compiler/yamltext"
	"github.com/gwc-dev/gwc/schema/diag"
)

// yaml reads a YAML file as YAML 1.2 with the scalars of JSON: true, false, null, decimal numbers, and text. A plain
// scalar of which other readers of YAML make something else (`no`, `0777`, `1_000`, `12:30:00`, `.inf`) is an error
// that shows how to say it without doubt. Days such as 2027-06-30 are text. Keys are text, whatever they look like:
// `on:` is a key that people write.
//
// Aliases and merge keys are carried out, within maxValues; tags but !!str are refused.
func (b *builder) yaml() (*ast.File, map[int]int, []diag.Diagnostic) {
	y := yamlReader{builder: b, at: yamltext.NewPlaces(b.data), open: map[*yaml.Node]bool{}}
	root, err := yamltext.Document(b.data)
	if err != nil {
		message, at, help, _ := y.at.Problem(err)
		if strings.HasPrefix(message, "a second document begins") && help == "" {
			help = "put each document into a file of its own"
		}
		b.problem(codePlainSyntax, extent(at), "not valid YAML: "+message, some(help)...)
		return b.finish(nil)
	}
	if root == nil || root.Kind == yaml.ScalarNode && nothing(root.Value) && root.Style == 0 {
		return b.finish(nil)
	}
	top := y.value(root, 0)
	if _, ok := top.(*ast.StructLit); !ok && top != nil {
		what := "a single value"
		if root.Kind == yaml.SequenceNode {
			what = "a list"
		}
		b.notAStruct(what, y.start(root))
	}
	return b.finish(top)
}

type yamlReader struct {
	*builder
	at   *yamltext.Places
	open map[*yaml.Node]bool // anchored values that are being read
	end  int                 // where the last value that was read ends
}

func (y *yamlReader) start(n *yaml.Node) extent {
	from := y.at.Offset(n)
	return extent{from, min(from+1, len(y.data))}
}

// value returns a value; nil where there is something wrong with it.
func (y *yamlReader) value(n *yaml.Node, depth int) ast.Expr {
	at := y.start(n)
	y.end = at.To
	if depth == maxNesting {
		y.problem(codePlainSyntax, at, fmt.Sprintf("values are nested more than %d deep", maxNesting))
		return nil
	}
	if !y.count(at) {
		return nil
	}
	if n.Style&yaml.TaggedStyle != 0 && !(n.Kind == yaml.ScalarNode && n.Tag == "!!str") {
		y.problem(codeTag, y.tag(at.From), fmt.Sprintf("tag %s has no meaning in gwc", quoted(n.Tag)),
			"remove the tag; quotes make text of a value")
		return nil
	}
	switch n.Kind {
	case yaml.AliasNode:
		return y.alias(n, at, depth)
	case yaml.ScalarNode:
		return y.scalar(n, at.From)
	case yaml.SequenceNode:
		defer y.enter(n)()
		list := &ast.ListLit{Lbrack: y.pos(at.From)}
		for _, e := range n.Content {
			if v := y.value(e, depth+1); v != nil {
				list.Elts = append(list.Elts, v)
			}
		}
		y.close(n, ']')
		list.Rbrack = y.pos(y.end - 1)
		return list
	case yaml.MappingNode:
		defer y.enter(n)()
		s := &ast.StructLit{Elts: y.members(n, depth)}
		y.close(n, '}')
		if n.Style&yaml.FlowStyle != 0 || len(s.Elts) == 0 {
			s.Lbrace = y.pos(at.From)
		}
		s.Rbrace = y.pos(y.end - 1)
		return s
	}
	return nil
}

// tag returns the range of the tag among the properties that stand before a value.
func (y *yamlReader) tag(from int) extent {
	rest := y.data[from:]
	i := slices.Index(rest, '!')
	if i < 0 {
		return extent{from, from + 1}
	}
	n := i
	for n < len(rest) && strings.IndexByte(" \t\r\n,]}", rest[n]) < 0 {
		n++
	}
	return extent{from + i, from + n}
}

// enter notes that an anchored value is being read, until its result is called.
func (y *yamlReader) enter(n *yaml.Node) func() {
	if n.Anchor == "" {
		return func() {}
	}
	y.open[n] = true
	return func() { delete(y.open, n) }
}

// close moves the end of a value in brackets behind its bracket.
func (y *yamlReader) close(n *yaml.Node, bracket byte) {
	if n.Style&yaml.FlowStyle == 0 {
		return
	}
	for i := max(y.end-1, y.at.Offset(n)+1); i < len(y.data); i++ {
		switch c := y.data[i]; {
		case c == bracket:
			y.end = i + 1
			return
		case c == '#':
			for i < len(y.data) && y.data[i] != '\n' {
				i++
			}
		}
	}
}

func (y *yamlReader) alias(n *yaml.Node, at extent, depth int) ast.Expr {
	whole := extent{at.From, min(at.From+1+len(n.Value), len(y.data))}
	if y.open[n.Alias] {
		y.problem(codeAlias, whole, fmt.Sprintf("alias %q stands inside the value that it names", "*"+n.Value))
		return nil
	}
	before := y.values
	v := y.value(n.Alias, depth)
	if before <= maxValues && y.values > maxValues {
		// The alias that multiplies is the mistake, and not the value behind it.
		y.problems[len(y.problems)-1].Primary.Span = y.span(whole)
		y.problems[len(y.problems)-1].Help = []string{"write the values out: aliases of aliases multiply"}
	}
	y.end = whole.To
	return v
}

func (y *yamlReader) members(n *yaml.Node, depth int) []ast.Decl {
	m := members{b: y.builder}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		from := y.at.Offset(k)
		at := extent(y.at.Scalar(k, from))
		if k.Kind == yaml.AliasNode {
			at = extent{from, min(from+1+len(k.Value), len(y.data))}
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			y.problem(codePlainSyntax, y.start(k), "a key is no text: it is a list or a struct")
			continue
		case k.Tag == "!!merge":
			merges = append(merges, v)
			continue
		case k.Style&yaml.TaggedStyle != 0 && k.Tag != "!!str":
			y.problem(codeTag, y.tag(from), fmt.Sprintf("tag %s has no meaning in gwc", quoted(k.Tag)), "remove the tag")
			continue
		}
		m.add(k.Value, at, y.value(v, depth+1))
	}
	end := y.end
	for _, from := range merges {
		y.merge(&m, from, depth)
	}
	y.end = max(end, y.end)
	return m.elts
}

// merge adds the members of the mapping that a merge key names, or of the mappings in its list, which the object does
// not have itself.
func (y *yamlReader) merge(m *members, from *yaml.Node, depth int) {
	at := y.start(from)
	target := from
	if target.Kind == yaml.AliasNode {
		target = target.Alias
	}
	switch target.Kind {
	case yaml.SequenceNode:
		for _, e := range target.Content {
			if e.Kind == yaml.SequenceNode || e.Kind == yaml.AliasNode && e.Alias.Kind == yaml.SequenceNode {
				y.problem(codePlainSyntax, y.start(e), `a merge key "<<" holds something other than a struct`)
				continue
			}
			y.merge(m, e, depth)
		}
	case yaml.MappingNode:
		s, ok := y.value(from, depth+1).(*ast.StructLit)
		if !ok {
			return
		}
		for _, d := range s.Elts {
			f := d.(*ast.Field)
			name, _, _ := ast.LabelName(f.Label)
			if _, taken := m.first[name]; taken {
				continue
			}
			if m.first == nil {
				m.first = map[string]extent{}
			}
			m.first[name] = at
			m.elts = append(m.elts, f)
		}
	default:
		y.problem(codePlainSyntax, at, `a merge key "<<" holds something other than a struct`)
	}
}

var (
	integerForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	floatForm   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	// elsewhereForm matches text that some reader of YAML takes for a number.
	elsewhereForm = regexp.MustCompile(`^[-+]?(0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$`)
)

// nothing reports whether a plain scalar is null.
func nothing(s string) bool { return s == "" || s == "~" || s == "null" || s == "Null" || s == "NULL" }

// scalar returns a scalar that begins at an offset, its tag and anchor included.
func (y *yamlReader) scalar(n *yaml.Node, from int) ast.Expr {
	at := extent(y.at.Scalar(n, from))
	y.end = at.To
	if n.Style != 0 {
		return y.text(n.Value, at)
	}
	s := n.Value
	switch s {
	case "true", "True", "TRUE":
		return y.word(token.TRUE, at)
	case "false", "False", "FALSE":
		return y.word(token.FALSE, at)
	case "yes", "Yes", "YES", "on", "On", "ON", "y", "Y":
		y.twofold(at, s, "true")
		return nil
	case "no", "No", "NO", "off", "Off", "OFF", "n", "N":
		y.twofold(at, s, "false")
		return nil
	}
	switch {
	case nothing(s):
		return y.word(token.NULL, at)
	case integerForm.MatchString(s), floatForm.MatchString(s):
		if v := y.number(s, at); v != nil {
			return v
		}
		return nil
	case elsewhereForm.MatchString(s):
		y.twofold(at, s, decimal(s))
		return nil
	}
	return y.text(s, at)
}

// decimal returns an integer that was written in another form in decimal, "" where readers differ or there is none.
func decimal(s string) string {
	if strings.HasPrefix(strings.TrimLeft(s, "+-"), "0") && !strings.ContainsAny(s, "xob") {
		return "" // 0777 is 511 to some and 777 to others.
	}
	n, err := strconv.ParseInt(s, 0, 64)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// twofold reports a plain scalar that readers of YAML take for different things. other is what it is besides text.
func (y *yamlReader) twofold(at extent, s, other string) {
	kind := "a number"
	if other == "true" || other == "false" {
		kind = other
	}
	y.problem(codeAmbiguous, at, fmt.Sprintf("%s is text to some readers of YAML and %s to others", quoted(s), kind))
	d := &y.problems[len(y.problems)-1]
	span := y.span(at)
	d.Help = []string{"put it in quotes if it is text"}
	d.Fixes = []diag.Fix{{Title: "put it in quotes", Edits: []diag.Edit{{Span: span, New: strconv.Quote(s)}}}}
	if other != "" {
		d.Help = []string{fmt.Sprintf("put it in quotes if it is text, or write %s", other)}
		d.Fixes = append(d.Fixes, diag.Fix{Title: "write " + other, Edits: []diag.Edit{{Span: span, New: other}}})
	}
}
