package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
	"github.com/gwc-dev/gwc/schema/diag"
)

// The codes of passthrough.
const (
	codePassShared diag.Code = "GWC4150" // tenants share an account at which they may read what is kept there
	codePassLock   diag.Code = "GWC4151" // a passthrough asks models that a lock keeps from the tenant's apps
)

// opens is an element of an app's passthrough, with its data path.
func (l *linter) opens(each func(tenant string, app, i int, path []string)) {
	for app := range l.p.Apps {
		a := &l.p.Apps[app]
		tenant := l.p.Tenants[a.Tenant].Name
		for i := range a.Passthrough {
			if a.Passthrough[i].Provider.Index >= 0 {
				each(tenant, app, i, []string{"tenants", tenant, "apps", a.Name, "passthrough", strconv.Itoa(i)})
			}
		}
	}
}

// sharedAccounts: what is kept at a provider, such as files and batches, belongs to the account. Apps of two tenants that
// open paths of one account read, change and delete what the other has left there. It is said once of each tenant.
func (l *linter) sharedAccounts() {
	type first struct {
		tenant, app string
		path        []string
	}
	firsts := map[string]first{} // by credential
	said := map[string]bool{}
	l.opens(func(tenant string, app, i int, path []string) {
		a := &l.p.Apps[app]
		o := &a.Passthrough[i]
		p := &l.p.Providers[o.Provider.Index]
		refs := slices.Clone(p.Credentials)
		for _, k := range p.AWSKeys {
			refs = append(refs, k.SecretAccessKey)
		}
		if p.Entra != nil {
			refs = append(refs, p.Entra.ClientSecret)
		}
		for _, ref := range refs {
			f, known := firsts[ref]
			switch {
			case !known:
				firsts[ref] = first{tenant, a.Name, path}
			case f.tenant != tenant && !said[tenant+"\x00"+ref]:
				said[tenant+"\x00"+ref] = true
				l.warn(codePassShared, append(slices.Clone(path), "provider"), diag.Diagnostic{
					Summary:   fmt.Sprintf("app %q of tenant %q and app %q of tenant %q open paths of one account at provider %q", f.app, f.tenant, a.Name, tenant, p.Name),
					Secondary: []diag.Label{{Span: l.at(append(slices.Clone(f.path), "provider")), Text: "the other app"}},
					Notes:     []string{"files, batches and whatever else a provider keeps belong to the account: each of them reads and deletes what the other has left there"},
					Help:      []string{"give each tenant a provider with a credential of its own"}})
			}
		}
	})
}

// passthroughLocks: the platform locks which models tenants' apps list, and an app opens paths at which any model of the
// provider is asked, such as batches.
func (l *linter) passthroughLocks() {
	var models *artifact.Lock
	for i := range l.p.Locks {
		switch k := &l.p.Locks[i]; {
		case k.Path == "tenants.*.apps.*.models" && len(k.Values) > 0:
			models = k
		case strings.HasPrefix(k.Path, "tenants.*.apps.*.passthrough"):
			return // the platform has thought of it
		}
	}
	if models == nil {
		return
	}
	l.opens(func(tenant string, app, i int, path []string) {
		a := &l.p.Apps[app]
		o := &a.Passthrough[i]
		for j, pattern := range o.Paths {
			at := append(slices.Clone(path), "paths", strconv.Itoa(j))
			asks := passthrough.Asks(o.Opened(), pattern)
			if asks == "" || slices.Contains(models.Except, tenant) || !strings.HasPrefix(l.at(at).File, "tenants/") {
				continue
			}
			l.warn(codePassLock, at, diag.Diagnostic{
				Summary:   fmt.Sprintf("app %q of tenant %q opens %s of provider %q, where models are asked that a lock may keep from it", a.Name, tenant, asks, o.Provider.Name),
				Secondary: []diag.Label{{Span: l.p.Places.Key("locks", models.Path), Text: models.Reason}},
				Help:      []string{`lock "tenants.*.apps.*.passthrough.*.paths" to what is meant to be opened`}})
			return
		}
	})
}
