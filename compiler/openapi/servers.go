package openapi

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gwc-dev/gwc/compiler/leak"
	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeBody diag.Code = "GWC3020" // a request body of a method that has none
	codeLeak diag.Code = "GWC4110" // a key in clear
)

// servers returns the paths of the document's servers, if each of them has one that says something: a template's
// variables could be anything.
func (r *reader) servers() []string {
	list := r.t.member(0, "servers")
	if list == none {
		return nil
	}
	var paths []string
	all := true
	r.t.members(list, func(c int32, _ *node) bool {
		text, _ := r.t.str(r.t.real(c), "url")
		u, err := url.Parse(text)
		if err != nil || strings.Contains(text, "{") || strings.Trim(u.Path, "/") == "" {
			all = false
			return false
		}
		paths = append(paths, "/"+strings.Trim(u.Path, "/"))
		return true
	})
	if !all {
		return nil
	}
	return paths
}

// leak reports a key in clear: examples of documents are often made from a call that somebody really made.
func (r *reader) leak() {
	from, to, found := leak.Find(r.t.src)
	if !found {
		return
	}
	r.report.Add(diag.Diagnostic{Code: codeLeak, Severity: diag.Warning,
		Summary: fmt.Sprintf("a key stands in clear in OpenAPI document %q", r.t.file),
		Primary: diag.Label{Span: r.t.span(extent{int32(from), int32(to)}), Secret: true},
		Help:    []string{"replace it by a placeholder, and the key at its vendor: whoever can read the repository knows it"}})
}
