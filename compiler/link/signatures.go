package link

import (
	"fmt"

	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeSignersFew  diag.Code = "GWC8003" // more signatures are required than there are keys
	codeSignerTwice diag.Code = "GWC8004" // one key under two names
)

// signatures: what the gateway requires of artifacts can be had.
func (l *linker) signatures() {
	s := l.p.Gateway.Signatures
	if s == nil {
		return
	}
	at := func(path ...string) []string { return append([]string{"gateway", "signatures"}, path...) }
	for i, k := range s.Keys {
		for _, first := range s.Keys[:i] {
			if first.Key != k.Key {
				continue
			}
			path := at("keys", k.Name)
			l.report.Add(diag.Diagnostic{Code: codeSignerTwice, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Value(path...)},
				Summary:   fmt.Sprintf("signing keys %q and %q are one key, whose signature counts once", first.Name, k.Name),
				Secondary: []diag.Label{{Span: l.p.Places.Value(at("keys", first.Name)...), Text: "the same key"}},
				Help:      []string{"name another key, or take one of the two away"}})
			return
		}
	}
	if s.Need > len(s.Keys) {
		path := at("require")
		l.report.Add(diag.Diagnostic{Code: codeSignersFew, Severity: diag.Error, Path: path, Primary: diag.Label{Span: l.p.Places.Value(path...)},
			Summary: fmt.Sprintf("%d signatures are required, and there are %d keys", s.Need, len(s.Keys)),
			Help:    []string{"require no more signatures than there are keys, or leave \"require\" away, which means all of them"}})
	}
}
