package diff

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gwc-dev/gwc/compiler/diff/document"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// documents compares the OpenAPI documents of the APIs that both have, where they are not the same.
func (c *comparison) documents(before, after map[string][]byte) {
	type pair struct {
		name     string
		x, y     *artifact.API
		findings []document.Finding
		problem  *document.Problem
	}
	var list []*pair
	pairs(c.base.a.APIs, c.target.a.APIs, func(a *artifact.API) string { return a.Name }, func(name string, i, j int) {
		if i < 0 || j < 0 {
			return
		}
		if x, y := &c.base.a.APIs[i], &c.target.a.APIs[j]; x.Document.Digest != y.Document.Digest {
			list = append(list, &pair{name: name, x: x, y: y})
		}
	})
	if before != nil && after != nil {
		work := make(chan *pair)
		var wg sync.WaitGroup
		for range min(len(list), runtime.GOMAXPROCS(0)) {
			wg.Go(func() {
				for p := range work {
					p.findings, p.problem = document.Compare(document.Side{File: p.x.Document.File, Files: before}, document.Side{File: p.y.Document.File, Files: after})
				}
			})
		}
		for _, p := range list {
			work <- p
		}
		close(work)
		wg.Wait()
	}
	published := map[string][]*operation{}
	for _, o := range c.ops[c.target] {
		published[o.api] = append(published[o.api], o)
	}
	for _, p := range list {
		ops := published[p.name]
		switch {
		case before == nil || after == nil:
			side := "target"
			if before == nil {
				side = "base"
			}
			c.incomparable(p.name, p.x, p.y, ops, "the "+side+" is an artifact, which does not hold it", "")
		case p.problem != nil:
			why := p.problem.Why
			if p.problem.Before {
				why = "of the base: " + why
			}
			c.incomparable(p.name, p.x, p.y, ops, why, p.problem.Place.String())
		default:
			c.findings(p.name, p.y, ops, p.findings)
		}
	}
}

// incomparable says that two documents differ and that nobody knows how.
func (c *comparison) incomparable(api string, x, y *artifact.API, ops []*operation, why, at string) {
	c.add(Change{Kind: DocumentUnknown, Tenant: c.target.owner(y), Subject: "document of API " + api, Source: at, Blast: c.callers(c.target, open(ops)),
		Summary: fmt.Sprintf("the document of API %q is another one; what that changes is not known: %s", api, redact(why)),
		// A document has no shorter name than its digest.
		secret: fmt.Sprintf("%x %x", x.Document.Digest, y.Document.Digest)})
}

// findings adds what the documents of an API say differently of operations that are published.
func (c *comparison) findings(api string, a *artifact.API, ops []*operation, list []document.Finding) {
	published := map[string]*operation{}
	at := func(method, path string) string { return method + " " + blank(path) }
	for _, o := range ops {
		published[at(o.method, o.path)] = o
	}
	for _, f := range list {
		var ids []string
		var first *operation
		everyone := false
		for _, op := range f.Operations {
			n, err := match.Normal(match.Pattern{Method: op.Method, Path: a.BasePath + op.Path})
			if err != nil {
				continue // not a path that could be published
			}
			o := published[at(n.Method, n.Path)]
			if o == nil {
				continue
			}
			if first == nil || o.id < first.id {
				first = o
			}
			ids = append(ids, o.id)
			everyone = everyone || o.auth == "none"
		}
		if first == nil {
			continue
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		text := redact(f.Text)
		ch := Change{Tenant: c.target.owner(a), Subject: "document of API " + api, Operations: ids, Check: f.Check, Blast: c.callers(c.base, everyone),
			Kind:    [...]Kind{document.Breaking: DocumentBreaking, document.Behaviour: DocumentBehaviour, document.Neutral: DocumentNeutral}[f.Level],
			Summary: fmt.Sprintf("%s: %s", several(ids), text), secret: strings.Join(append([]string{f.Check, text}, ids...), "\x00")}
		for _, s := range []string{f.Target.String(), f.Base.String(), first.source} {
			if ch.Source == "" {
				ch.Source = s
			}
		}
		if f.Target.Line == 0 && f.Base.Line != 0 {
			ch.Source += " of the base"
		}
		c.add(ch)
	}
}

// several names operations: `operation "a"`, `operations "a" and "b"`, `operations "a", "b" and 3 more`.
func several(ids []string) string {
	switch len(ids) {
	case 1:
		return fmt.Sprintf("operation %q", ids[0])
	case 2:
		return fmt.Sprintf("operations %q and %q", ids[0], ids[1])
	case 3:
		return fmt.Sprintf("operations %q, %q and %q", ids[0], ids[1], ids[2])
	}
	return fmt.Sprintf("operations %q, %q and %d more", ids[0], ids[1], len(ids)-2)
}
