package link

import (
	"fmt"
	"strconv"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/diag"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// The codes of what is wrong with what only some kinds of providers have. Each has its page in schema/rules.
const (
	codeQuirks    diag.Code = "GWC2330" // a provider is of a vendor that has no row
	codeNoAddress diag.Code = "GWC2331" // a provider has no address, and its vendor has none for everyone
	codeTwoProofs diag.Code = "GWC2332" // a provider has an application of Entra ID and keys
)

// peculiar checks what only some kinds of providers have.
func (l *linker) peculiar(p *ir.Provider) {
	if p.Entra != nil && len(p.Credentials) > 0 {
		path := []string{"providers", p.Name, "entra"}
		l.report.Add(diag.Diagnostic{Code: codeTwoProofs, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Key(path...)},
			Summary:   fmt.Sprintf("provider %q has both keys and an application of Entra ID", p.Name),
			Secondary: []diag.Label{{Span: l.p.Places.Key("providers", p.Name, "credentials"), Text: "the keys"}},
			Notes:     []string{"a call carries one proof of who makes it"},
			Help:      []string{"leave out one of them"}})
	}
	if p.Kind != "openai-compatible" {
		return
	}
	path := []string{"providers", p.Name, "vendor"}
	row := vendor.Get(p.Vendor)
	if p.Vendor != "" && row == nil {
		d := diag.Diagnostic{Code: codeQuirks, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Value(path...)},
			Summary: fmt.Sprintf("provider %q is of unknown vendor %q", p.Name, p.Vendor),
			Notes:   []string{"vendor says how a server's form of Chat Completions differs; a server that is not listed goes without it"}}
		if best, ok := diag.Nearest(p.Vendor, vendor.Names()); ok {
			d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
			d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %q", best), Edits: []diag.Edit{{Span: d.Primary.Span, New: strconv.Quote(best)}}}}
		} else {
			d.Help = []string{"docs/providers.md lists the vendors"}
		}
		l.report.Add(d)
		return
	}
	if p.BaseURL != "" {
		return
	}
	d := diag.Diagnostic{Code: codeNoAddress, Severity: diag.Error, Path: []string{"providers", p.Name, "baseURL"}, Primary: diag.Label{Span: l.p.Places.Key("providers", p.Name)},
		Summary: fmt.Sprintf("provider %q has no baseURL", p.Name),
		Notes:   []string{"a provider of kind \"openai-compatible\" is reached at its baseURL, or at its vendor's usual one"}}
	if row != nil {
		d.Notes = []string{fmt.Sprintf("the address of %s depends on the account or the machine", row.Title)}
	}
	d.Help = []string{`say where it is: baseURL: "https://…/v1"`}
	l.report.Add(d)
}
