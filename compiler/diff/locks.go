package diff

import (
	"fmt"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// locks compares what the platform keeps tenants' files to. Whether their files still keep to it is no change of the
// gateway: it does not build where they do not.
func (c *comparison) locks() {
	pairs(c.base.a.Locks, c.target.a.Locks, func(l *artifact.Lock) string { return l.Path }, func(path string, i, j int) {
		ch := Change{Subject: "lock " + path}
		switch {
		case i < 0:
			ch.Kind, ch.After, ch.Summary = LockAdded, c.target.a.Locks[j].String(), fmt.Sprintf("tenants are locked at %q", path)
		case j < 0:
			ch.Kind, ch.Before, ch.Summary = LockRemoved, c.base.a.Locks[i].String(), fmt.Sprintf("tenants are no longer locked at %q", path)
		default:
			x, y := &c.base.a.Locks[i], &c.target.a.Locks[j]
			ch.Before, ch.After = x.String(), y.String()
			switch {
			case ch.Before == ch.After:
				return // the reason, which decides nothing
			case y.Looser(x):
				ch.Kind, ch.Summary = LockLoosened, fmt.Sprintf("tenants are locked less at %q", path)
			case x.Looser(y):
				ch.Kind, ch.Summary = LockTightened, fmt.Sprintf("tenants are locked more at %q", path)
			default:
				ch.Kind, ch.Summary = LockLoosened, fmt.Sprintf("tenants are locked otherwise at %q", path)
			}
		}
		c.add(ch)
	})
}
