package importer

import (
	"path"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// openapi makes an API of a document, which is copied as it is.
func (b *builder) openapi(data []byte) error {
	doc := b.doc
	if v := doc.get("openapi").str(); !strings.HasPrefix(v, "3.") {
		return &errDocument{doc.line, "the document is not OpenAPI 3: it has no field \"openapi\" of 3.x"}
	}
	title := doc.get("info").get("title").str()
	name := b.o.Name
	if name == "" {
		name = b.name("api", title)
	}
	file := "openapi.yaml"
	if t := strings.TrimLeft(string(data), " \t\r\n\ufeff"); strings.HasPrefix(t, "{") {
		file = "openapi.json"
	}
	server := b.o.Upstream
	for i, s := range doc.get("servers").list() {
		u := s.get("url")
		if _, wrong := serverURL(u.str()); server == "" && wrong == "" {
			server = u.str()
			continue
		} else if b.o.Upstream == "" && i > 0 && server != "" {
			b.lost = append(b.lost, Loss{u.line, "servers", "only the first server is asked: add the others as endpoints of the upstream"})
		}
	}
	if server == "" {
		return &errDocument{doc.get("servers").line, "the document names no server by an absolute URL: say --upstream URL"}
	}
	at, wrong := serverURL(server)
	if wrong != "" {
		return &errDocument{0, "the upstream's URL " + wrong}
	}
	a := &api{title: title, API: scaffold.API{Name: name, Tenant: b.o.Tenant, BasePath: b.o.BasePath, Document: file}}
	if a.BasePath == "" {
		a.BasePath = "/" + name
	}
	a.Upstream = b.upstream(scaffold.Upstream{Name: name, Endpoints: []scaffold.Endpoint{{URL: at}}})
	b.apis = append(b.apis, a)
	b.documents = append(b.documents, scaffold.File{Path: path.Join(a.Folder(), file), Data: slices.Clone(data)})
	if s := doc.get("security"); s.there() {
		b.lost = append(b.lost, Loss{s.line, "security", "is not read: every operation asks for a key of gwc"})
	}
	b.references(doc, "")
	doc.all()
	return nil
}

// references reports references to other files: they have to be copied by hand.
func (b *builder) references(v *value, at string) {
	for _, f := range v.fields {
		if f.name == "$ref" && f.v.kind == 's' && !strings.HasPrefix(f.v.text, "#") {
			b.lost = append(b.lost, Loss{f.v.line, strings.TrimPrefix(at+".$ref", "."), "copy the file that it refers to beside the document"})
			continue
		}
		b.references(f.v, at+"."+f.name)
	}
	for _, e := range v.items {
		b.references(e, at+"[]")
	}
}
