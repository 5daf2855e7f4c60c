package openapi

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/diag"
)

// maxID is the greatest length of an operationId in bytes.
const maxID = 256

// reader takes one document apart.
type reader struct {
	lib    *library
	t      *tree
	report *diag.Report
	folds  []fold
	ids    map[string]Operation // operations by id
	// partial: an operation is missing because of a fault that was reported
	partial bool
}

// fold gathers findings of one cause: a document with three hundred operations without operationId has one fault.
type fold struct {
	first diag.Diagnostic
	more  []diag.Label
	many  func(n int) string // the summary for several
}

var (
	supported = regexp.MustCompile(`^3\.[01](\.[0-9]+)?(-.*)?$`)
	version   = regexp.MustCompile(`^[0-9]+\.[0-9]+`)
)

// document returns the document, or nil where it is none. Faults are reported either way.
func (r *reader) document() *Document {
	t := r.t
	if t.get(0).kind != kindObject {
		r.fail(codeVersion, diag.Label{Span: t.valueSpan(0)}, "the file is not an OpenAPI document: it holds no object with an \"openapi\" field")
		return nil
	}
	d := &Document{File: t.file}
	if !r.version(d) {
		return nil
	}
	info := t.member(0, "info")
	var lacks []string
	if info != none {
		d.Title, d.Version = line(t, info, "title"), line(t, info, "version")
	}
	if d.Title == "" {
		lacks = append(lacks, `"info.title"`)
	}
	if d.Version == "" {
		lacks = append(lacks, `"info.version"`)
	}
	if lacks != nil {
		at := t.valueSpan(0)
		if info != none {
			at = t.keySpan(info)
		} else if c := t.member(0, "openapi"); c != none {
			at = t.keySpan(c)
		}
		r.warn(codeInfo, diag.Label{Span: at}, fmt.Sprintf("the document has no %s", strings.Join(lacks, " and no ")), nil)
	}
	v := visitor{lib: r.lib, report: r.report, visited: map[*tree][]uint32{}, root: t}
	v.walk(t, 0, document)
	r.extensions(0)
	d.Servers = r.servers()
	r.leak()
	r.paths(d)
	for _, f := range r.folds {
		if n := 1 + len(f.more); n > 1 {
			f.first.Summary = f.many(n)
			f.first.Secondary = append(f.first.Secondary, f.more[:min(2, len(f.more))]...)
			if n > 3 {
				f.first.Notes = append(f.first.Notes, fmt.Sprintf("and %d more places", n-3))
			}
		}
		r.report.Add(f.first)
	}
	d.Partial = r.partial
	d.Digest = digest(t, v.visited)
	return d
}

// digest is that of a document whose objects lie in these trees.
func digest(root *tree, visited map[*tree][]uint32) [sha256.Size]byte {
	all := sha256.New()
	sum := root.digest()
	all.Write(sum[:])
	for _, t := range slices.SortedFunc(maps.Keys(visited), func(a, b *tree) int { return cmp.Compare(a.file, b.file) }) {
		if t != root {
			sum := t.digest()
			all.Write(sum[:])
		}
	}
	return [sha256.Size]byte(all.Sum(nil))
}

// line returns a text of the document as one line of bounded length, for people.
func line(t *tree, i int32, key string) string {
	s, _ := t.str(i, key)
	s = strings.Join(strings.FieldsFunc(s, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }), " ")
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func (r *reader) fail(code diag.Code, at diag.Label, summary string, help ...string) {
	r.report.Add(diag.Diagnostic{Code: code, Severity: diag.Error, Summary: summary, Primary: at, Help: help})
}

// warn adds a warning; those of one code are folded into one, with the summary that many gives for their number.
func (r *reader) warn(code diag.Code, at diag.Label, summary string, many func(n int) string, help ...string) {
	if many != nil {
		for i := range r.folds {
			if f := &r.folds[i]; f.first.Code == code {
				f.more = append(f.more, at)
				return
			}
		}
	}
	r.folds = append(r.folds, fold{
		first: diag.Diagnostic{Code: code, Severity: diag.Warning, Summary: summary, Primary: at, Help: help},
		many:  many,
	})
}

func (r *reader) version(d *Document) bool {
	t := r.t
	v, at := t.str(0, "openapi")
	d.OpenAPI = v
	if at == none {
		if s, c := t.str(0, "swagger"); c != none {
			r.fail(codeVersion, diag.Label{Span: t.valueSpan(c)}, fmt.Sprintf("document is Swagger %q, expected OpenAPI 3.0 or 3.1", s),
				"convert the document, for example with swagger2openapi or the Swagger editor")
			return false
		}
		label := diag.Label{Span: t.valueSpan(0)}
		if c := t.first(0); c != none {
			label.Span = t.keySpan(c)
		}
		var keys []string
		t.members(0, func(_ int32, n *node) bool { keys = append(keys, n.key); return len(keys) < 50 })
		if best, ok := diag.Nearest("openapi", keys); ok {
			c := t.member(0, best)
			label = diag.Label{Span: t.keySpan(c), Text: `did you mean "openapi"?`}
		}
		r.fail(codeVersion, label, "the file is not an OpenAPI document: it has no \"openapi\" field",
			`begin the document with openapi: "3.1.0"`)
		return false
	}
	if supported.MatchString(v) {
		return true
	}
	what := fmt.Sprintf("document has version %q, expected OpenAPI 3.0 or 3.1", v)
	var help []string
	if m := version.FindString(v); m == "3.2" {
		what = fmt.Sprintf("document is OpenAPI %q, which gwc does not read yet; expected 3.0 or 3.1", v)
		help = []string{`a document that uses nothing new in 3.2 can say openapi: "3.1.1"`}
	}
	r.fail(codeVersion, diag.Label{Span: t.valueSpan(at)}, what, help...)
	return false
}

// extensions reports "x-gwc-…" keys: they are reserved, and a setting that is silently not applied is the worst kind.
func (r *reader) extensions(i int32) {
	r.t.members(i, func(c int32, n *node) bool {
		if strings.HasPrefix(n.key, "x-gwc-") {
			r.fail(codeExtension, diag.Label{Span: r.t.keySpan(c)}, fmt.Sprintf("extension %q is not read yet", n.key),
				"set policies in the API's own definition, under \"operations\"")
		}
		return true
	})
}

// item is a path item, in the tree where it stands: a "$ref" may have led into another file.
type item struct {
	t *tree
	i int32
}

func (r *reader) paths(d *Document) {
	t := r.t
	paths := t.member(0, "paths")
	if paths != none && t.null(paths) {
		paths = none
	}
	if paths != none && t.get(paths).kind != kindObject {
		r.partial = true
		r.fail(codeShape, diag.Label{Span: t.valueSpan(paths)}, "\"paths\" is not an object of path items")
		return
	}
	r.ids = map[string]Operation{}
	if paths != none {
		var variants []int32
		t.members(paths, func(c int32, n *node) bool {
			switch {
			case strings.HasPrefix(n.key, "x-"):
			case strings.HasPrefix(n.key, "/") && strings.ContainsAny(n.key, "?#"):
				variants = append(variants, c)
			default:
				r.path(d, c, n, n.key)
			}
			return true
		})
		r.variants(d, variants)
	}
	if len(d.Operations) == 0 && !r.partial {
		at := diag.Label{Span: t.keySpan(t.member(0, "openapi"))}
		if paths != none {
			at.Span = t.keySpan(paths)
		}
		r.warn(codeNoOperations, at, "the document has no operations, so the API publishes nothing", nil)
	}
}

// variants takes paths such as "/responses?beta=true" or "/chat#stream", under which documents describe a second face
// of an operation. Queries and fragments take no part in routing, so requests go to the operation of the bare path;
// only methods that the bare path does not have are published from here.
func (r *reader) variants(d *Document, variants []int32) {
	for _, c := range variants {
		n := &r.t.nodes[c]
		bare := n.key[:strings.IndexAny(n.key, "?#")]
		before := len(d.Operations)
		r.path(d, c, n, bare)
		kept := d.Operations[:before]
		for _, o := range d.Operations[before:] {
			if !slices.ContainsFunc(kept, func(k Operation) bool { return k.Method == o.Method && k.Path == o.Path }) {
				kept = append(kept, o)
			}
		}
		d.Operations = kept
		r.warn(codeVariant, diag.Label{Span: r.t.keySpan(c)},
			fmt.Sprintf("path %q holds a query or fragment, which takes no part in routing", n.key),
			func(n int) string {
				return fmt.Sprintf("%d paths hold a query or fragment, which takes no part in routing", n)
			},
			"requests go to the operation of the path without it")
	}
}

// maxPathRefs bounds a chain of path items that refer to each other.
const maxPathRefs = 20

// path adds the operations of the path item at c, whose path is template.
func (r *reader) path(d *Document, c int32, n *node, template string) {
	t := r.t
	params, bad := templateParams(template)
	if bad != nil {
		r.partial = true
		r.fail(codeTemplate, diag.Label{Span: t.keySpan(c)}, fmt.Sprintf("path %q is not a path template: %v", n.key, bad))
	}
	// A path item may be replaced by one elsewhere; fields beside the "$ref" win.
	items := []item{{t, c}}
	for len(items) <= maxPathRefs {
		last := items[len(items)-1]
		ref, at := last.t.str(last.i, "$ref")
		if at == none {
			break
		}
		tt, ti, why := r.lib.lookup(last.t, ref)
		if why != "" {
			r.partial = true
		}
		if why != "" || slices.Contains(items, item{tt, ti}) {
			break // the visitor reports what does not resolve; a cycle adds nothing
		}
		items = append(items, item{tt, ti})
	}
	for _, it := range items {
		if it.t.null(it.i) {
			return
		}
		if it.t.get(it.i).kind != kindObject {
			r.partial = true
			r.fail(codeShape, diag.Label{Span: it.t.valueSpan(it.i)}, fmt.Sprintf("path item of %q is not an object", n.key))
			return
		}
		r.unknownFields(it, n.key)
	}
	for _, m := range methods {
		for _, it := range items {
			op := it.t.member(it.i, m)
			if op == none {
				continue
			}
			if it.t.get(op).kind != kindObject {
				r.partial = true
				r.fail(codeShape, diag.Label{Span: it.t.valueSpan(op)}, fmt.Sprintf("operation %q of %q is not an object", m, n.key))
				break
			}
			o := Operation{Method: strings.ToUpper(m), Path: template, Params: params, PathSpan: t.keySpan(c), MethodSpan: it.t.keySpan(op)}
			r.operation(&o, items, it, op)
			if bad == nil {
				d.Operations = append(d.Operations, o)
			}
			break
		}
	}
}

func (r *reader) unknownFields(it item, path string) {
	it.t.members(it.i, func(c int32, n *node) bool {
		if strings.HasPrefix(n.key, "x-gwc-") {
			r.fail(codeExtension, diag.Label{Span: it.t.keySpan(c)}, fmt.Sprintf("extension %q is not read yet", n.key),
				"set policies in the API's own definition, under \"operations\"")
		}
		if strings.HasPrefix(n.key, "x-") || slices.Contains(pathItemFields, n.key) {
			return true
		}
		at := diag.Label{Span: it.t.keySpan(c)}
		if best, ok := diag.Nearest(n.key, pathItemFields); ok {
			at.Text = fmt.Sprintf("did you mean %q?", best)
		}
		r.warn(codeUnknownMethod, at, fmt.Sprintf("path item of %q has an unknown field %q, which is not published", path, n.key),
			func(n int) string {
				return fmt.Sprintf("path items have %d unknown fields, which are not published", n)
			})
		return true
	})
}

func (r *reader) operation(o *Operation, items []item, it item, op int32) {
	t := it.t
	it.t.members(op, func(c int32, n *node) bool {
		if strings.HasPrefix(n.key, "x-gwc-") {
			r.fail(codeExtension, diag.Label{Span: t.keySpan(c)}, fmt.Sprintf("extension %q is not read yet", n.key),
				"set policies in the API's own definition, under \"operations\"")
		}
		return true
	})
	o.Summary, _ = t.str(op, "summary")
	id, at := t.str(op, "operationId")
	switch {
	case id != "" && (len(id) > maxID || strings.ContainsFunc(id, unicode.IsControl)):
		r.partial = true
		r.fail(codeBadID, diag.Label{Span: t.valueSpan(at)}, "operationId cannot be used as a name: it is longer than "+strconv.Itoa(maxID)+" bytes or holds a control character",
			"policies, subscriptions, logs and metrics name operations by it")
		return
	case id != "":
		o.ID, o.Given, o.IDSpan = id, true, t.valueSpan(at)
	default:
		o.ID, o.IDSpan = strings.ToLower(o.Method)+"_"+o.Path, o.MethodSpan
		r.warn(codeNoID, diag.Label{Span: o.MethodSpan}, fmt.Sprintf("operation %s %s has no operationId", o.Method, o.Path),
			func(n int) string { return fmt.Sprintf("%d operations have no operationId", n) },
			fmt.Sprintf("it is called %q in gwc's configuration and logs", o.ID))
	}
	if first, ok := r.ids[o.ID]; ok {
		// An item that two paths share by reference stands in the file once, but is two operations.
		r.report.Add(diag.Diagnostic{Code: codeSameID, Severity: diag.Error,
			Summary:   fmt.Sprintf("operationId %q is given to two operations: %s %s and %s %s", o.ID, first.Method, first.Path, o.Method, o.Path),
			Primary:   diag.Label{Span: o.IDSpan},
			Secondary: []diag.Label{{Span: first.IDSpan, Text: "first here"}},
			Help:      []string{"give each operation an id of its own; policies, subscriptions and metrics name operations by it"}})
	} else {
		r.ids[o.ID] = *o
	}
	r.parameters(o, items, it, op)
	if body := t.member(op, "requestBody"); body != none && (o.Method == "GET" || o.Method == "HEAD" || o.Method == "TRACE") {
		r.warn(codeBody, diag.Label{Span: t.keySpan(body)}, fmt.Sprintf("operation %s %s has a request body", o.Method, o.Path),
			func(n int) string {
				return fmt.Sprintf("%d operations have a request body that their method gives no meaning", n)
			},
			"a body of GET, HEAD or TRACE has no meaning (RFC 9110, section 9.3.1), and servers and proxies may refuse or drop it")
	}
}

// parameters compares the parameters of the template with those that are declared.
func (r *reader) parameters(o *Operation, items []item, it item, op int32) {
	declared := map[string]diag.Span{}
	sound := true
	take := func(t *tree, list int32) {
		if list == none {
			return
		}
		t.members(list, func(c int32, _ *node) bool {
			pt, pi := t, t.real(c)
			for hops := 0; hops < maxPathRefs; hops++ {
				ref, at := pt.str(pi, "$ref")
				if at == none {
					break
				}
				nt, ni, why := r.lib.lookup(pt, ref)
				if why != "" {
					sound = false
					return true
				}
				pt, pi = nt, ni
			}
			if in, _ := pt.str(pi, "in"); in == "path" {
				if name, at := pt.str(pi, "name"); at != none {
					name = strings.TrimSuffix(name, "+")
					if _, ok := declared[name]; !ok {
						declared[name] = t.valueSpan(c)
					}
				}
			}
			return true
		})
	}
	own := it.t.member(op, "parameters")
	take(it.t, own)
	operationsOwn := len(declared)
	for _, it := range items {
		take(it.t, it.t.member(it.i, "parameters"))
	}
	if !sound {
		return
	}
	for _, p := range o.Params {
		if _, ok := declared[p]; !ok {
			r.warn(codeUndeclared, diag.Label{Span: o.PathSpan}, fmt.Sprintf("path parameter %q of %s %s is not declared", p, o.Method, o.Path),
				func(n int) string { return fmt.Sprintf("%d path parameters are not declared", n) })
		}
	}
	if operationsOwn == 0 {
		return
	}
	// Declarations of the path item are judged with the operations that have none of their own to override them.
	var extra []string
	for name := range declared {
		if !slices.Contains(o.Params, name) {
			extra = append(extra, name)
		}
	}
	slices.Sort(extra)
	for _, name := range extra {
		at := diag.Label{Span: declared[name]}
		if best, ok := diag.Nearest(name, o.Params); ok {
			at.Text = fmt.Sprintf("did you mean %q?", best)
		}
		r.warn(codeNotInPath, at, fmt.Sprintf("path parameter %q is declared for %s %s, whose path has no such parameter", name, o.Method, o.Path),
			func(n int) string { return fmt.Sprintf("%d declared path parameters are not in their paths", n) })
	}
}

// templateParams returns the names of a path template's parameters, or why it is none. The last segment may be a
// wildcard "{name+}", as API gateways export them; OpenAPI has no such thing and declares it as parameter "name".
func templateParams(p string) (names []string, err error) {
	if err := match.Check(match.Pattern{Method: "GET", Path: p}); err != nil {
		return nil, err
	}
	for {
		_, rest, ok := strings.Cut(p, "{")
		if !ok {
			return names, nil
		}
		name, rest, _ := strings.Cut(rest, "}")
		names = append(names, strings.TrimSuffix(name, "+"))
		p = rest
	}
}
