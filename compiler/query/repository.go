package query

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/load"
)

// Place is a range of a file.
type Place struct {
	File string
	At   Extent
}

// Repository is the outlines of a repository's files, by path. Its functions answer in order of path and place.
type Repository map[string]*Outline

// Names returns the names of a space that files define, sorted.
func (r Repository) Names(s Space) []string {
	found := map[string]bool{}
	r.each(func(_ *Outline, f *Field) {
		if space, name, ok := Defines(f.Path); ok && space == s {
			found[name] = true
		}
	})
	return slices.Sorted(maps.Keys(found))
}

// Definitions returns the labels that define a name. There may be several: two files of a unit may say parts of it.
func (r Repository) Definitions(s Space, name string) []Place {
	var out []Place
	r.each(func(o *Outline, f *Field) {
		if space, n, ok := Defines(f.Path); ok && space == s && n == name {
			out = append(out, Place{o.Name, f.Label})
		}
	})
	return out
}

// References returns the values that refer to a name, without their quotes' meaning: the extent of the whole literal.
func (r Repository) References(s Space, name string) []Place {
	var out []Place
	r.each(func(o *Outline, f *Field) {
		if space, ok := Refers(f.Path); ok && space == s && f.Form == Text && f.Text == name {
			out = append(out, Place{o.Name, f.Value})
		}
	})
	return out
}

// LabelReferences returns the labels that refer to a name: those of maps whose labels are names of other things, as tests have them.
func (r Repository) LabelReferences(s Space, name string) []Place {
	var out []Place
	r.each(func(o *Outline, f *Field) {
		if space, ok := LabelRefers(f.Path); ok && space == s && f.Path[len(f.Path)-1] == name {
			out = append(out, Place{o.Name, f.Label})
		}
	})
	return out
}

// Text returns what the files of a unit say at a data path, where it is a literal. Within lists it is what the file
// itself says, because elements of two files are not told apart by their index.
func (r Repository) Text(file string, path []string) string {
	in := func(o *Outline) (string, bool) {
		for i := range o.Fields {
			if f := &o.Fields[i]; f.Form == Text && slices.Equal(f.Path, path) {
				return f.Text, true
			}
		}
		return "", false
	}
	if o := r[file]; o != nil {
		if s, ok := in(o); ok {
			return s
		}
	}
	for _, o := range r.unit(file) {
		if s, ok := in(o); ok {
			return s
		}
	}
	return ""
}

// Labels returns the labels that the files of a unit set in the struct at a data path.
func (r Repository) Labels(file string, at []string) map[string]bool {
	out := map[string]bool{}
	for _, o := range r.unit(file) {
		for i := range o.Fields {
			if p := o.Fields[i].Path; len(p) == len(at)+1 && slices.Equal(p[:len(at)], at) {
				out[p[len(at)]] = true
			}
		}
	}
	return out
}

// Says returns the fields of a unit's files that stand at a data path.
func (r Repository) Says(file string, at []string) []Place {
	var out []Place
	for _, o := range r.unit(file) {
		for i := range o.Fields {
			if f := &o.Fields[i]; slices.Equal(f.Path, at) {
				out = append(out, Place{o.Name, f.Label})
			}
		}
	}
	return out
}

// Document returns the path of an API's OpenAPI document, relative to the root, and the file that names it; "" where no
// file does.
func (r Repository) Document(api string) (document, by string) {
	r.each(func(o *Outline, f *Field) {
		if document == "" && f.Form == Text && matches("apis.*.openapi", f.Path) && f.Path[1] == api {
			if p := path.Join(path.Dir(o.Name), f.Text); f.Text != "" && p != ".." && !strings.HasPrefix(p, "../") {
				document, by = p, o.Name
			}
		}
	})
	return document, by
}

// Publishers returns the names of the APIs that publish a document, sorted.
func (r Repository) Publishers(document string) []string {
	var out []string
	r.each(func(o *Outline, f *Field) {
		if f.Form == Text && matches("apis.*.openapi", f.Path) && path.Join(path.Dir(o.Name), f.Text) == document {
			out = append(out, f.Path[1])
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// Settings returns the labels under which the APIs that publish a document set something for an operation of it.
func (r Repository) Settings(document, operation string) []Place {
	apis := r.Publishers(document)
	var out []Place
	r.each(func(o *Outline, f *Field) {
		if matches("apis.*.operations.*", f.Path) && f.Path[3] == operation && slices.Contains(apis, f.Path[1]) {
			out = append(out, Place{o.Name, f.Label})
		}
	})
	return out
}

func (r Repository) each(f func(*Outline, *Field)) {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		o := r[name]
		for i := range o.Fields {
			f(o, &o.Fields[i])
		}
	}
}

// unit returns the outlines of the unit that a file belongs to, by path; of a file that belongs to none, its own.
func (r Repository) unit(file string) []*Outline {
	tenant, ok := load.UnitOf(file)
	if !ok {
		if o := r[file]; o != nil {
			return []*Outline{o}
		}
		return nil
	}
	var out []*Outline
	for name, o := range r {
		if t, ok := load.UnitOf(name); ok && t == tenant {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *Outline) int { return strings.Compare(a.Name, b.Name) })
	return out
}
