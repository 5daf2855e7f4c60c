// Package diff says what a change of a repository does: to which requests, to whose access, to what the process needs.
//
// Two [Side]s, artifacts with their sources where there are some, enter [Compare]; a list of typed [Change]s in a fixed order leaves. Each has a kind of the table in
// kinds.go, which gives its class; the apps that it affects; a fingerprint that does not depend on the rest of the
// change; and, where it changes a decision, a witness: one concrete request with what either artifact decides about
// it. Decisions are looked up in the artifacts' own tables through package match, as the runtime does. A witness is
// only given when the two decisions really differ, so that a reviewer can send it to two gateways and see it.
//
// Artifacts and not programs are compared, because the other side of a comparison may be a file, or what a gateway
// runs, without its sources. A comparison of the files' text was refused: it shows what was written, not what
// changes, and it would show secrets. One cause gives one change: a base path that moves a hundred operations is one
// change of the API, and the operations of a removed API are counted, not listed.
//
// OpenAPI documents below the operation are compared by package document, where both sides have them; where one is
// only an artifact, a change says that the document is another one.
//
// Values of headers, keys and their hashes never enter a change; references to secrets do, because they are none.
package diff

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// Change is one difference that means something. It is immutable.
type Change struct {
	Kind Kind
	// Tenant is whose definition changed; "" is the platform.
	Tenant string
	// Subject names the definition: "operation orders.listOrders", "app acme/web".
	Subject string
	// Summary says the change in one lower-case clause without a full stop.
	Summary string
	// Before and After are the two values, "" where there is none or it must not be shown.
	Before, After string
	// Operations holds the ids of the operations whose documents say it, sorted; nil where the subject says it.
	Operations []string
	// Check is oasdiff's name of the rule that found a change of a document, else "".
	Check string
	// Source is the file and line of the operation, "tenants/acme/orders.yaml:8", where the artifact knows it.
	Source string
	Blast  Blast
	// Witness is nil where no single request is decided differently.
	Witness *Witness
	// Fingerprint is 16 hex digits over kind, tenant, subject and both values: it stays the same from commit to commit
	// while this change does, whatever else changes.
	Fingerprint string

	secret string // enters the fingerprint and is not shown
}

// Class returns the class of the change's kind.
func (c *Change) Class() Class { return c.Kind.rule().Class }

// Direction returns whether the kind gives or takes access.
func (c *Change) Direction() Direction { return c.Kind.rule().Direction }

// Restart reports whether the running process takes the change only when it is started again.
func (c *Change) Restart() bool { return c.Kind.rule().Restart }

// Blast is who is affected: apps that have a key and could make the requests in question.
type Blast struct {
	Everyone bool // also callers without a key
	Apps     int
	Tenants  int
	Some     []string // the first of the apps, "tenant/app", at most five
}

// String returns "37 apps of 4 tenants", "everyone", or "no app".
func (b Blast) String() string {
	apps := "no app"
	if b.Apps > 0 {
		apps = fmt.Sprintf("%s of %s", count(b.Apps, "app"), count(b.Tenants, "tenant"))
	}
	if b.Everyone {
		if b.Apps == 0 {
			return "everyone"
		}
		return "everyone, among them " + apps
	}
	return apps
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Side is what a comparison may know of a gateway. Files holds the repository's files by path, and is nil where there
// is only the artifact, which does not hold the OpenAPI documents.
type Side struct {
	Artifact *artifact.Artifact
	Files    map[string][]byte
}

// Compare returns what changes from base to target: those of the platform first, then by tenant; within one by class
// in the order of [Classes], then by kind and subject. It depends on nothing but the two sides, which it does not
// change. Provenance and the places of definitions are no changes.
func Compare(base, target Side) []Change {
	c := &comparison{base: NewView(base.Artifact), target: NewView(target.Artifact)}
	c.common()
	c.ops = map[*View][]*operation{c.base: c.base.operations(), c.target: c.target.operations()}
	c.gateway()
	c.locks()
	c.providers()
	c.models()
	c.upstreams()
	c.prompts()
	c.apis()
	c.documents(base.Files, target.Files)
	c.tenants()
	c.apps()
	c.keys()
	for i := range c.list {
		x := &c.list[i]
		sum := sha256.Sum256([]byte(strings.Join([]string{string(x.Kind), x.Tenant, x.Subject, x.Before, x.After, x.secret}, "\x00")))
		x.Fingerprint = hex.EncodeToString(sum[:8])
	}
	slices.SortStableFunc(c.list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Class(), b.Class()), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After), cmp.Compare(a.Summary, b.Summary))
	})
	return c.list
}

// comparison is one run of Compare.
type comparison struct {
	base, target *View
	list         []Change
	// both holds the keys that are the same app's in both artifacts: as whom a witness is sent. Those that never
	// expire come first, then by app.
	both  []artifact.Key
	byApp map[string]*artifact.Key // the first of each app's
	// keyed holds who may call what needs a key, by view.
	keyed map[*View]Blast
	ops   map[*View][]*operation
}

func (c *comparison) add(x Change) { c.list = append(c.list, x) }

// pairs calls f for each name in either list, in order, with the indices, -1 where it is missing.
func pairs[T any](a, b []T, name func(*T) string, f func(name string, i, j int)) {
	at := make(map[string][2]int, len(a)+len(b))
	names := make([]string, 0, len(a)+len(b))
	for i := range a {
		n := name(&a[i])
		at[n] = [2]int{i, -1}
		names = append(names, n)
	}
	for j := range b {
		n := name(&b[j])
		if p, ok := at[n]; ok {
			at[n] = [2]int{p[0], j}
			continue
		}
		at[n] = [2]int{-1, j}
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		f(n, at[n][0], at[n][1])
	}
}
