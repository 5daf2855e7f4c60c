package openapi

import (
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// visitor walks the objects of one document, and of those parts of other files that it refers to, and resolves every
// reference on the way. Each node is visited once for each shape, so recursive schemas and reference cycles end.
type visitor struct {
	lib     *library
	report  *diag.Report
	visited map[*tree][]uint32 // bit set of shapes, by node
	queue   []visit
	ids     map[string]bool // values of $id and $anchor in the document; collected when first needed
	root    *tree
}

type visit struct {
	t *tree
	i int32
	s shape
}

// walk visits the node i of t as an object of shape s, and all that it leads to.
func (v *visitor) walk(t *tree, i int32, s shape) {
	v.queue = append(v.queue, visit{t, i, s})
	for len(v.queue) > 0 {
		n := v.queue[len(v.queue)-1]
		v.queue = v.queue[:len(v.queue)-1]
		v.object(n.t, n.i, n.s)
	}
}

func (v *visitor) object(t *tree, i int32, s shape) {
	i = t.real(i)
	if t.nodes[i].kind != kindObject {
		return
	}
	if s == schemaOrFlag {
		s = schema
	}
	seen := v.visited[t]
	if seen == nil {
		seen = make([]uint32, len(t.nodes))
		v.visited[t] = seen
	}
	if seen[i]&(1<<s) != 0 {
		return
	}
	seen[i] |= 1 << s
	o := &objects[s]
	t.members(i, func(c int32, n *node) bool {
		switch {
		case o.every != nil:
			if !strings.HasPrefix(n.key, "x-") && n.key != "$ref" {
				v.object(t, c, o.every.shape)
			}
		case o.fields != nil:
			if f, ok := o.fields[n.key]; ok {
				v.field(t, c, f)
			}
		}
		if o.ref && n.key == "$ref" {
			if tt, ti, ok := v.resolve(t, c, s); ok {
				v.queue = append(v.queue, visit{tt, ti, s})
			}
		}
		return true
	})
}

func (v *visitor) field(t *tree, i int32, f field) {
	switch k := t.get(i).kind; {
	case f.form == list || f.form == loose && k == kindArray:
		if k == kindArray {
			t.members(i, func(c int32, _ *node) bool { v.object(t, c, f.shape); return true })
		}
	case f.form == named:
		if k == kindObject {
			t.members(i, func(c int32, _ *node) bool { v.object(t, c, f.shape); return true })
		}
	default:
		v.object(t, i, f.shape)
	}
}

// resolve finds what the "$ref" at node i stands for, and reports where there is no such thing.
func (v *visitor) resolve(t *tree, i int32, s shape) (*tree, int32, bool) {
	n := t.get(i)
	if n.kind != kindText {
		v.report.Add(diag.Diagnostic{Code: codeRef, Severity: diag.Error, Summary: "a \"$ref\" is not a string",
			Primary: diag.Label{Span: t.valueSpan(i)}})
		return nil, 0, false
	}
	ref := n.value
	tt, ti, why := v.lib.lookup(t, ref)
	if why == "" {
		return tt, ti, true
	}
	if why == isRemote || strings.HasPrefix(why, isMissing) && !strings.HasPrefix(ref, "#/") {
		// JSON Schema names schemas by $id and $anchor wherever they stand.
		if v.hasID(ref) {
			return nil, 0, false
		}
	}
	d := diag.Diagnostic{Code: codeRef, Severity: diag.Error, Primary: diag.Label{Span: t.valueSpan(i)}}
	switch {
	case why == isRemote && s == pathItem:
		d.Summary = fmt.Sprintf("$ref %q is outside the repository, so its operations are not known", ref)
		d.Help = []string{"copy the document into the repository and refer to it by a relative path"}
	case why == isRemote:
		d.Code, d.Severity = codeRemoteRef, diag.Warning
		d.Summary = fmt.Sprintf("$ref %q is outside the repository and was not read", ref)
		d.Help = []string{"copy the document into the repository and refer to it by a relative path"}
	default:
		d.Summary = fmt.Sprintf("$ref %q cannot be resolved: %s", ref, strings.TrimPrefix(why, isMissing))
		if better := v.lib.suggestRef(t, ref); better != "" {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", better)
			d.Fixes = []diag.Fix{{Title: fmt.Sprintf("refer to %q", better), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(better)}}}}
		}
	}
	v.report.Add(d)
	return nil, 0, false
}

// hasID reports whether the document names a schema by that URI, or "#anchor".
func (v *visitor) hasID(ref string) bool {
	if v.ids == nil {
		v.ids = map[string]bool{}
		for i := range v.root.nodes {
			n := &v.root.nodes[i]
			if n.kind != kindText {
				continue
			}
			switch n.key {
			case "$id":
				v.ids[strings.TrimSuffix(n.value, "#")] = true
			case "$anchor", "$dynamicAnchor":
				v.ids["#"+n.value] = true
			}
		}
	}
	uri, _, _ := strings.Cut(ref, "#")
	return v.ids[ref] || uri != "" && v.ids[uri]
}

const (
	isRemote  = "remote"
	isMissing = "missing: " // with the reason
)

// lookup resolves a URI reference (RFC 3986) that stands in t: "#/…" in the same file, or "file.yaml#/…" relative to
// it. The reason is empty where it was found, isRemote, or isMissing with words.
func (l *library) lookup(t *tree, ref string) (tt *tree, i int32, reason string) {
	uri, fragment, _ := strings.Cut(ref, "#")
	if uri != "" {
		file, ok := relative(t.file, uri)
		if !ok {
			return nil, 0, isRemote
		}
		if file == "" {
			return nil, 0, isMissing + "the file is outside the repository"
		}
		e := l.open(file)
		switch {
		case e == nil && l.in.Oversize[file] > 0:
			return nil, 0, isMissing + fmt.Sprintf("%q is too large to be read", file)
		case e == nil:
			return nil, 0, isMissing + fmt.Sprintf("there is no file %q", file)
		case e.fault != nil:
			return nil, 0, isMissing + fmt.Sprintf("%q cannot be read: %s", file, e.fault.summary)
		}
		t = e.tree
	}
	i, missing := t.resolve(fragment)
	if i == none {
		if !strings.HasPrefix(missing, "/") && fragment != "" && fragment[0] != '/' {
			return nil, 0, isMissing + fmt.Sprintf("there is no anchor %q", missing)
		}
		return nil, 0, isMissing + fmt.Sprintf("there is no %q", missing)
	}
	return t, i, ""
}

// relative resolves the path part of a reference against the file in which it stands. It is not ok where the
// reference names another scheme or host, and "" where it leads out of the repository.
func relative(from, uri string) (file string, ok bool) {
	u, err := url.Parse(uri)
	if err == nil && (u.Scheme != "" || u.Host != "") {
		return "", false
	}
	p := uri
	if err == nil {
		p = u.Path
	}
	if strings.HasPrefix(p, "/") {
		return "", true
	}
	file = path.Join(path.Dir(from), p)
	if file == ".." || strings.HasPrefix(file, "../") {
		return "", true
	}
	return file, true
}

// suggestRef returns the reference that was probably meant: a sibling of the missing part with a similar name, or
// the same name under another kind of component.
func (l *library) suggestRef(t *tree, ref string) string {
	uri, fragment, _ := strings.Cut(ref, "#")
	if uri != "" {
		if file, ok := relative(t.file, uri); ok && file != "" {
			e := l.open(file)
			if e == nil {
				return ""
			}
			if e.tree == nil {
				return ""
			}
			t = e.tree
		}
	}
	if !strings.HasPrefix(fragment, "/") {
		return ""
	}
	cut := strings.LastIndexByte(fragment, '/')
	parent, _ := t.resolve(fragment[:cut])
	name := unescapePointer(fragment[cut+1:])
	if parent == none {
		if i, _ := t.resolve("/components" + fragment); i != none {
			return uri + "#/components" + fragment
		}
		if rest, ok := strings.CutPrefix(fragment, "/definitions/"); ok {
			if i, _ := t.resolve("/components/schemas/" + rest); i != none {
				return uri + "#/components/schemas/" + rest
			}
		}
		return ""
	}
	var names []string
	t.members(parent, func(_ int32, n *node) bool { names = append(names, n.key); return len(names) < 5000 })
	if best, ok := diag.Nearest(name, names); ok {
		return uri + "#" + fragment[:cut+1] + escapePointer(best)
	}
	return ""
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(s)
}
