package lsp

import (
	"bytes"
	"crypto/sha256"
	"iter"
	"maps"
	"path"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/compiler/query"
)

// view is what a request sees: a document as it is now, and the repository around it. It belongs to one request.
type view struct {
	server  *server
	session *session // nil: the document is in no repository
	path    string
	name    string // in the repository
	text    *text
	outline *query.Outline   // nil where the document is not configuration
	repo    query.Repository // with buffers as they are now, where they parse
	torn    bool             // a buffer does not parse
}

// view returns what a request about a document sees, false where the document is not there.
func (s *server) view(uri string) (*view, bool) {
	v := &view{server: s, path: pathOf(uri), session: s.sessionOf(pathOf(uri)), repo: query.Repository{}}
	b := s.buffers[v.path]
	if b == nil {
		return nil, false // Who asks about a document has opened it.
	}
	v.text, v.name = b.text, v.path
	if x := v.session; x != nil {
		v.name = x.name(v.path)
		maps.Copy(v.repo, x.outlines)
		for _, b := range s.buffers {
			name := x.name(b.path)
			if b.root != x.root || !load.Configuration(name, b.text.data) {
				continue
			}
			o := x.outlines[name]
			if o == nil || !bytes.Equal(o.Data, b.text.data) {
				o = query.Read(name, b.text.data)
			}
			if b.path == v.path {
				v.outline = o
			}
			if load.Parses(name, b.text.data) {
				x.good[name] = o
			} else {
				v.torn = true
				if good := x.good[name]; good != nil {
					o = good
				}
			}
			v.repo[name] = o
		}
	}
	if v.outline == nil && path.Ext(v.path) == ".cue" {
		v.outline = query.Read(v.name, v.text.data)
	}
	return v, true
}

// kind returns what "kind" is in the struct at a data path; elements of lists are those of the view's document.
func (v *view) kind(path []string) string {
	path = append(path[:len(path):len(path)], "kind")
	if v.outline != nil {
		for i := range v.outline.Fields {
			if f := &v.outline.Fields[i]; f.Form == query.Text && equal(f.Path, path) {
				return f.Text
			}
		}
	}
	return v.repo.Text(v.name, path)
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// textOf returns a file as the outlines have it: a buffer's text, or what the last build read.
func (v *view) textOf(name string) *text {
	if name == v.name {
		return v.text
	}
	if v.session == nil {
		return nil
	}
	if b := v.server.buffers[v.session.path(name)]; b != nil {
		return b.text
	}
	if data, ok := v.data(name); ok {
		return newText(data, v.server.utf8)
	}
	return nil
}

// data returns what a file holds: as the buffer does, or as the last build read it.
func (v *view) data(name string) ([]byte, bool) {
	if b := v.server.buffers[v.session.path(name)]; b != nil {
		return b.text.data, true
	}
	if r := v.session.result; r != nil && r.Sources != nil {
		return r.Sources.Data(name)
	}
	return nil, false
}

// location turns a place into one of the client's.
func (v *view) location(p query.Place) (location, bool) {
	t := v.textOf(p.File)
	if t == nil {
		return location{}, false
	}
	return location{v.uri(p.File), t.span(p.At)}, true
}

// uri returns what the client calls a file.
func (v *view) uri(name string) string { return v.server.uri(v.session, name) }

func (s *server) uri(x *session, name string) string {
	if b := s.buffers[x.path(name)]; b != nil {
		return b.uri
	}
	return uriOf(x.path(name))
}

// document returns the OpenAPI document that an API publishes, or nil.
func (v *view) document(api string) *openapi.Document {
	if v.session == nil {
		return nil
	}
	name, _ := v.repo.Document(api)
	return v.read(name)
}

// read returns an OpenAPI document of the repository, as the buffer has it. One that cannot be read any more is what it
// last was.
func (v *view) read(name string) *openapi.Document {
	data, ok := v.data(name)
	if !ok {
		return nil
	}
	x := v.session
	if old, ok := x.readFrom[name]; ok && bytes.Equal(old, data) {
		return x.read[name]
	}
	docs, _ := openapi.Read(openapi.Input{Files: documents{v}, Wanted: []openapi.Wanted{{File: name}}})
	x.readFrom[name] = data
	if d := docs.ByFile[name]; d != nil {
		x.read[name] = d
	}
	return x.read[name]
}

// documents are the files that a document may refer to.
type documents struct{ *view }

func (d documents) Data(name string) ([]byte, bool) { return d.data(name) }

func (d documents) Digest(name string) ([sha256.Size]byte, bool) {
	data, ok := d.data(name)
	return sha256.Sum256(data), ok
}

func (d documents) Paths() iter.Seq[string] {
	if r := d.session.result; r != nil && r.Sources != nil {
		return r.Sources.Paths()
	}
	return func(func(string) bool) {}
}

// values returns what the unit of the document evaluates to, as of its buffers; where it does not evaluate, as it last
// did.
func (v *view) values() *check.Values {
	x := v.session
	if x == nil || x.result == nil || x.result.Sources == nil {
		return nil
	}
	tenant, ok := load.UnitOf(v.name)
	if !ok {
		return nil
	}
	files := map[string][]byte{}
	for name := range v.repo {
		if t, ok := load.UnitOf(name); ok && t == tenant {
			if data, ok := v.data(name); ok {
				files[name] = data
			}
		}
	}
	old := x.values[tenant]
	if old != nil && maps.EqualFunc(old.files, files, bytes.Equal) {
		return old.values
	}
	unit, ok := load.ParseUnit(tenant, files)
	if !ok {
		if old != nil {
			return old.values
		}
		return nil
	}
	got := check.Evaluate(unit)
	if got == nil && old != nil {
		return old.values
	}
	x.values[tenant] = &unitValues{files, got}
	return got
}
