package lower

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeNotThere diag.Code = "GWC2018" // only or exclude name an operation that the document lacks
	codeNothing  diag.Code = "GWC2019" // only and exclude leave nothing to publish
	codeLeftOut  diag.Code = "GWC2020" // settings for an operation that is not published
)

// published returns the operations of a document that an API publishes: those of `only`, or all, without those of
// `exclude`. Somebody else's document often has operations that a gateway should not offer, or two that the same
// request could mean, and is not to be edited for it.
func (l *lowerer) published(api string, in *check.API, doc *openapi.Document) []openapi.Operation {
	if len(in.Only) == 0 && len(in.Exclude) == 0 {
		return doc.Operations
	}
	ids := make([]string, len(doc.Operations))
	for i := range doc.Operations {
		ids[i] = doc.Operations[i].ID
	}
	sound := l.named(api, "only", in.Only, ids, doc)
	sound = l.named(api, "exclude", in.Exclude, ids, doc) && sound
	var list []openapi.Operation
	for _, op := range doc.Operations {
		if (len(in.Only) == 0 || slices.Contains(in.Only, op.ID)) && !slices.Contains(in.Exclude, op.ID) {
			list = append(list, op)
			continue
		}
		if _, set := in.Operations[op.ID]; set {
			path := []string{"apis", api, "operations", op.ID}
			d := diag.Diagnostic{Code: codeLeftOut, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.c.Key(path...)},
				Summary: fmt.Sprintf("operation %q of API %q has settings and is not published", op.ID, api),
				Help:    []string{"remove the settings, or publish the operation"}}
			if i := slices.Index(in.Exclude, op.ID); i >= 0 {
				d.Secondary = []diag.Label{{Span: l.c.Value("apis", api, "exclude", strconv.Itoa(i)), Text: "left out here"}}
			} else {
				d.Secondary = []diag.Label{{Span: l.c.Key("apis", api, "only"), Text: "not among these"}}
			}
			l.report.Add(d)
		}
	}
	if len(list) == 0 && sound && len(ids) > 0 {
		path := []string{"apis", api, "exclude"}
		if len(in.Exclude) == 0 {
			path[2] = "only"
		}
		l.report.Add(diag.Diagnostic{Code: codeNothing, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.c.Key(path...)},
			Summary: fmt.Sprintf("API %q publishes none of the %d operations of its document", api, len(ids)),
			Help:    []string{"leave fewer operations out, or remove the API"}})
	}
	return list
}

// named reports operations of a list that the document does not have.
func (l *lowerer) named(api, field string, list, ids []string, doc *openapi.Document) (sound bool) {
	sound = true
	for i, id := range list {
		if slices.Contains(ids, id) || doc.Partial {
			continue
		}
		sound = false
		path := []string{"apis", api, field, strconv.Itoa(i)}
		d := diag.Diagnostic{Code: codeNotThere, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.c.Value(path...)},
			Summary: fmt.Sprintf("%q of API %q names operation %q, which its document does not have", field, api, id)}
		if best, ok := diag.Nearest(id, ids); ok {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
			if !slices.Contains(list, best) {
				d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name operation %q", best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(best)}}}}
			}
		} else if len(ids) > 0 {
			d.Notes = []string{fmt.Sprintf("operations of %q: %s", doc.File, some(ids))}
		}
		l.report.Add(d)
	}
	return sound
}
