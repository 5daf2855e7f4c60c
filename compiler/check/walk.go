package check

import (
	"slices"
	"strconv"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"

	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// node is a value of the language: what the files say, with what holds where they say nothing. A node that was
// reported is nil.
type node struct {
	fields map[string]*node // Struct, Map; nil values were reported
	order  []string         // Struct, Map: the labels that files set, in the order of evaluation
	elems  []*node          // List
	str    string           // Enum, String
	num    int64            // Int; sizes in bytes
	flag   bool             // Bool
	arm    *language.Type   // Union: the arm that kind names
	set    bool             // a file says it
	at     place            // where a file says it
	free   any              // Any: data as [json.RawMessage]; expectations: a *script.Pattern
}

// get returns a field, never nil, so that chains of get need no checks.
func (n *node) get(name string) *node {
	if f := n.fields[name]; f != nil {
		return f
	}
	return &node{}
}

// walker walks the values of one unit.
type walker struct {
	*bench
	unit  *unit
	root  cue.Value
	path  []string
	at    place              // the innermost known place, for values that have none
	bad   map[string]bool    // joined data paths that CUE could not evaluate and that were reported
	wrong int                // mistakes met so far
	nodes map[string]*inFile // syntax nodes by offset, by file; made when first asked for
}

// inFile finds syntax nodes of a file by where they begin.
type inFile struct {
	fields map[int]*ast.Field // by their labels
	values map[int]*ast.Field // by their values
	exprs  map[int]ast.Node   // the innermost
}

func (w *walker) report(d diag.Diagnostic) {
	if d.Path == nil {
		d.Path = append([]string(nil), w.path...)
	}
	w.wrong++
	w.unit.report.Add(d)
}

// value checks a value against a type. f is the field that the type stands in, if it stands in one.
func (w *walker) value(v cue.Value, t *language.Type, f *language.Field) *node {
	before := w.at
	defer func() { w.at = before }()
	at := w.where(v)
	if len(w.path) > 0 {
		w.at = at
		w.unit.places[join(w.path)] = at
	}
	if len(w.bad) > 0 && w.bad[join(w.path)] {
		w.wrong++
		return nil
	}
	v, _ = v.Default()
	var n *node
	switch t.Shape {
	case language.Struct:
		n = w.structure(v, t, t)
	case language.Union:
		n = w.union(v, t)
	case language.Map:
		n = w.mapping(v, t)
	case language.List:
		n = w.list(v, t)
	case language.Any:
		n = w.free(v, t)
	default:
		n = w.scalar(v, t, f)
	}
	if n != nil {
		n.set, n.at = true, at
		if w.unit.rehearses && expects(t) {
			n.free = w.pattern(v, t)
		}
		if len(w.locks) > 0 {
			w.locked(n, t, at)
		}
	}
	return n
}

// child checks the value below a label.
func (w *walker) child(label string, v cue.Value, t *language.Type, f *language.Field) *node {
	w.path = append(w.path, label)
	n := w.value(v, t, f)
	w.path = w.path[:len(w.path)-1]
	return n
}

// structure checks a struct with named fields. named is the type to speak of: the union whose arm t is, or t itself.
func (w *walker) structure(v cue.Value, t, named *language.Type) *node {
	it, ok := w.labels(v, t)
	if !ok {
		return nil
	}
	n := &node{fields: map[string]*node{}}
	var meant []string // fields that a typo was most likely meant for
	reserved := false
	for it.Next() {
		label := it.Selector().Unquoted()
		f, known := t.Field(label)
		switch {
		case !known:
			meant = append(meant, w.unknownField(v, it.Value(), label, t, meant))
			reserved = reserved || slices.Contains(t.Reserved, label)
			continue
		case len(w.path) == 0 && (label == "gateway" || label == "locks") && w.unit.tenant != "":
			w.notPlatform(label, it.Value())
			continue
		case len(w.path) == 0 && w.misplaced(label, it.Value()):
			continue
		}
		wrong := w.wrong
		c := w.child(label, it.Value(), f.Type, f)
		n.order = append(n.order, label)
		n.fields[label] = c
		if len(w.path) == 0 && label == "locks" {
			w.lockMap(it.Value(), c)
		}
		if len(w.path) == 0 && f.Type.Shape == language.Struct && w.wrong == wrong {
			w.prove(label, it.Value(), f.Type, c)
		}
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if _, set := n.fields[f.Name]; set {
			continue
		}
		if f.Required {
			// A typo of its name, or a field that may stand in its place and is not built yet, is one mistake.
			if !slices.Contains(meant, f.Name) && !reserved {
				w.missing(f, t)
			}
			continue
		}
		if len(w.locks) > 0 {
			w.demanded(f)
		}
		if !f.Optional {
			n.fields[f.Name] = absent(f)
		}
	}
	return n
}

// labels iterates over the fields of a value that must be a struct.
func (w *walker) labels(v cue.Value, t *language.Type) (*cue.Iterator, bool) {
	if !w.isKind(v, t, cue.StructKind) {
		return nil, false
	}
	it, err := v.Fields()
	if err != nil || w.ownError(v) {
		// What could not be evaluated may hold fields, so that nothing can be said of those that seem to be missing.
		w.unevaluated(v)
		return nil, false
	}
	return it, true
}

// ownError reports whether a struct itself could not be evaluated, and not only a value in it.
func (w *walker) ownError(v cue.Value) bool {
	if v.IncompleteKind() != cue.BottomKind {
		return false
	}
	depth := len(v.Path().Selectors())
	for _, e := range errors.Errors(v.Err()) {
		if len(e.Path()) > depth {
			return false
		}
	}
	return true
}

func (w *walker) union(v cue.Value, t *language.Type) *node {
	if !w.isKind(v, t, cue.StructKind) {
		return nil
	}
	arm := w.arm(v, t)
	if arm == nil {
		return nil
	}
	n := w.structure(v, arm, t)
	if n != nil {
		n.arm = arm
	}
	return n
}

func (w *walker) mapping(v cue.Value, t *language.Type) *node {
	it, ok := w.labels(v, t)
	if !ok {
		return nil
	}
	n := &node{fields: map[string]*node{}}
	values := map[string]cue.Value{}
	for it.Next() {
		label := it.Selector().Unquoted()
		w.label(label, it.Value(), t.Label)
		wrong := w.wrong
		c := w.child(label, it.Value(), t.Elem, nil)
		n.order = append(n.order, label)
		n.fields[label] = c
		values[label] = it.Value()
		if len(w.path) == 1 && w.wrong == wrong {
			w.prove(label, it.Value(), t.Elem, c)
		}
	}
	if t.Filled && len(n.order) == 0 {
		w.empty(t)
	}
	if t.Label.Is == "headername" {
		w.headers(n.order, values)
	}
	return n
}

func (w *walker) list(v cue.Value, t *language.Type) *node {
	if !w.isKind(v, t, cue.ListKind) {
		return nil
	}
	n := &node{}
	if it, err := v.List(); err == nil {
		for i := 0; it.Next(); i++ {
			n.elems = append(n.elems, w.child(strconv.Itoa(i), it.Value(), t.Elem, nil))
		}
	} else {
		// A list with an error in an element cannot be iterated, but its elements can be had one by one.
		for i := 0; ; i++ {
			e := v.LookupPath(cue.MakePath(cue.Index(i)))
			if !e.Exists() {
				break
			}
			n.elems = append(n.elems, w.child(strconv.Itoa(i), e, t.Elem, nil))
		}
		if len(n.elems) == 0 {
			w.unevaluated(v)
			return nil
		}
	}
	if t.Filled && len(n.elems) == 0 {
		w.empty(t)
	}
	return n
}

// absent returns what holds when no file sets a field.
func absent(f *language.Field) *node {
	switch f.Type.Shape {
	case language.Struct:
		n := &node{fields: map[string]*node{}}
		for i := range f.Type.Fields {
			if in := &f.Type.Fields[i]; !in.Optional && !in.Required {
				n.fields[in.Name] = absent(in)
			}
		}
		return n
	case language.Map:
		return &node{fields: map[string]*node{}}
	}
	return written(f.Default, f.Type)
}

func written(v any, t *language.Type) *node {
	switch v := v.(type) {
	case string:
		if t.Is == "size" {
			n, _ := parseSize(v)
			return &node{num: n}
		}
		return &node{str: v}
	case int64:
		return &node{num: v}
	case bool:
		return &node{flag: v}
	case []any:
		n := &node{}
		for _, e := range v {
			n.elems = append(n.elems, written(e, t.Elem))
		}
		return n
	}
	return &node{}
}

// prove unifies an object in which the walk found nothing with its definition. Whatever CUE still has against it is
// reported: the walk knows less than the language then, and plain `cue vet` would refuse the file.
func (w *walker) prove(label string, v cue.Value, t *language.Type, n *node) {
	if n.arm != nil {
		t = n.arm
	}
	got := w.definition(t.Name).Unify(v)
	err := got.Validate(cue.Concrete(!w.unit.rehearses)) // expectations are constraints
	if err == nil {
		return
	}
	w.path = append(w.path, label)
	w.unexplained(err, t)
	w.path = w.path[:len(w.path)-1]
}

// where returns the place of a value: its label and what follows it.
func (w *walker) where(v cue.Value) place {
	src := v.Source()
	if src == nil {
		// Several files or structs say it: CUE names one of them.
		pos := v.Pos()
		if !pos.IsValid() {
			return w.at
		}
		in := w.inFile(pos.Filename())
		if f, ok := in.fields[pos.Offset()]; ok {
			src = f
		} else if src, ok = in.exprs[pos.Offset()]; !ok {
			return w.at
		}
	}
	if _, ok := w.unit.files[src.Pos().Filename()]; !ok {
		return w.at
	}
	if label, ok := lastLabel(v); ok {
		if f, ok := src.(*ast.Field); !ok || !labelled(f, label) {
			// Of several structs that make a field CUE may name the value alone, or the first field in it.
			f := w.inFile(src.Pos().Filename()).values[src.Pos().Offset()]
			if f != nil && labelled(f, label) {
				src = f
			}
		}
	}
	if f, ok := src.(*ast.Field); ok {
		return place{key: w.unit.span(f.Label), value: w.unit.span(f.Value)}
	}
	s := w.unit.span(src)
	return place{key: s, value: s}
}

// lastLabel returns the label of a value, if it is a field and not an element of a list.
func lastLabel(v cue.Value) (string, bool) {
	path := v.Path().Selectors()
	if len(path) == 0 || path[len(path)-1].LabelType() != cue.StringLabel {
		return "", false
	}
	return path[len(path)-1].Unquoted(), true
}

func labelled(f *ast.Field, label string) bool {
	name, _, err := ast.LabelName(f.Label)
	return err == nil && name == label
}

func (w *walker) inFile(name string) *inFile {
	in, ok := w.nodes[name]
	if ok {
		return in
	}
	in = &inFile{fields: map[int]*ast.Field{}, values: map[int]*ast.Field{}, exprs: map[int]ast.Node{}}
	if f, ok := w.unit.files[name]; ok {
		ast.Walk(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				in.fields[n.Pos().Offset()] = n
				in.values[n.Value.Pos().Offset()] = n
			case ast.Expr:
				in.exprs[n.Pos().Offset()] = n
			}
			return true
		}, nil)
	}
	if w.nodes == nil {
		w.nodes = map[string]*inFile{}
	}
	w.nodes[name] = in
	return in
}

func spanOf(n ast.Node) diag.Span {
	start, end := n.Pos(), n.End()
	return diag.Span{
		File:  start.Filename(),
		Start: diag.Pos{Line: start.Line(), Col: start.Column(), Offset: start.Offset()},
		End:   diag.Pos{Line: end.Line(), Col: end.Column(), Offset: end.Offset()},
	}
}
