// Package plan writes what a change of a repository does, for a terminal, for tools and for a pull request.
//
// A [Report] enters, which holds the changes that compiler/diff found; text, JSON or Markdown leaves. The writers add
// nothing to what the changes say and keep their order within a group. Text that a team chose, such as an API's title,
// can neither end a line nor carry markup or a terminal's control codes.
package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/gwc-dev/gwc/compiler/diff"
)

// Report is a plan. It is immutable.
type Report struct {
	Base, Target Side
	Changes      []diff.Change // in the order of diff.Compare
	Calls        *Replay       // nil where no calls were replayed
	// DigestOnly says that nothing is known of the base but its digest, so that Changes is empty.
	DigestOnly bool
}

// Side is one of the two gateways that are compared.
type Side struct {
	What   string // "HEAD (1a2b3c4d5e6f)", "the working tree", "old.gwca"
	Digest string // "sha256:…"
}

// Count returns how many changes have a class.
func (r *Report) Count(c diff.Class) (n int) {
	for i := range r.Changes {
		if r.Changes[i].Class() == c {
			n++
		}
	}
	return n
}

// Verdict says the plan in one line: "1 breaking, 2 security changes" or "nothing changes".
func (r *Report) Verdict() string {
	if r.DigestOnly {
		if r.Changed() {
			return "the gateway runs another artifact; its digest does not say what changes"
		}
		return "the gateway runs this build"
	}
	if len(r.Changes) == 0 {
		return "nothing changes"
	}
	var parts []string
	for _, c := range diff.Classes() {
		if n := r.Count(c); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c))
		}
	}
	noun := "changes"
	if len(r.Changes) == 1 {
		noun = "change"
	}
	return strings.Join(parts, ", ") + " " + noun
}

// Changed reports whether there is any difference.
func (r *Report) Changed() bool {
	if r.DigestOnly {
		return r.Base.Digest != r.Target.Digest
	}
	return len(r.Changes) > 0
}

// same says why two digests may differ where nothing changes.
func (r *Report) same() string {
	if r.Base.Digest == r.Target.Digest {
		return "both are the same artifact"
	}
	return "the artifacts differ only in what they were made from"
}

// group is the changes of one owner.
type group struct {
	title                   string
	changes, grants, takens []*diff.Change
}

// groups returns the changes by tenant, grants and revokes apart.
func (r *Report) groups() (list []group) {
	for i := range r.Changes {
		c := &r.Changes[i]
		title := "platform"
		if c.Tenant != "" {
			title = "tenant " + c.Tenant
		}
		if len(list) == 0 || list[len(list)-1].title != title {
			list = append(list, group{title: title})
		}
		g := &list[len(list)-1]
		switch c.Direction() {
		case diff.Grant:
			g.grants = append(g.grants, c)
		case diff.Revoke:
			g.takens = append(g.takens, c)
		default:
			g.changes = append(g.changes, c)
		}
	}
	return list
}

// loosened returns the changes by which a policy asks less than before.
func (r *Report) loosened() (list []*diff.Change) {
	for i := range r.Changes {
		if r.Changes[i].Direction() == diff.Loosened {
			list = append(list, &r.Changes[i])
		}
	}
	return list
}

func (r *Report) restart() bool {
	return slices.ContainsFunc(r.Changes, func(c diff.Change) bool { return c.Restart() })
}

const needsRestart = "a running gateway refuses this artifact until it is started again: listeners, admin address and call log belong to the process"

// values returns "from x to y", "x" or "".
func values(c *diff.Change) string {
	switch {
	case c.Before != "" && c.After != "" && c.Before != c.After:
		return fmt.Sprintf("%s -> %s", plain(c.Before), plain(c.After))
	case c.After != "" && c.Before == "":
		return plain(c.After)
	case c.Before != "" && c.After == "":
		return "was " + plain(c.Before)
	}
	return ""
}

// terms returns what the two decisions say differently of timeouts and attempts, where they let the request through.
func terms(w *diff.Witness) (before, after string) {
	if w.Before.Status != 0 || w.After.Status != 0 || slices.Equal(w.Before.Terms, w.After.Terms) {
		return "", ""
	}
	only := func(a, b []string) string {
		var l []string
		for _, x := range a {
			if !slices.Contains(b, x) {
				l = append(l, x)
			}
		}
		if len(l) == 0 {
			return ""
		}
		return " (" + strings.Join(l, ", ") + ")"
	}
	return only(w.Before.Terms, w.After.Terms), only(w.After.Terms, w.Before.Terms)
}

// plain keeps text on one line and without control codes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Text writes the plan for people, in plain ASCII but for what the repository says.
func Text(w io.Writer, r *Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "base    %s, %s\ntarget  %s, %s\n", plain(r.Base.What), r.Base.Digest, plain(r.Target.What), r.Target.Digest)
	if len(r.Changes) == 0 && !r.DigestOnly {
		fmt.Fprintf(&b, "\nnothing changes: %s\n", r.same())
	} else {
		fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	}
	if r.restart() {
		fmt.Fprintf(&b, "note: %s\n", needsRestart)
	}
	if l := r.loosened(); len(l) > 0 {
		b.WriteString("\nloosened\n")
		for _, c := range l {
			fmt.Fprintf(&b, "  ! %-9s %s: %s\n", c.Class(), owner(c), plain(c.Summary))
		}
	}
	for _, g := range r.groups() {
		fmt.Fprintf(&b, "\n%s\n", plain(g.title))
		for _, c := range g.changes {
			textChange(&b, c, "  ")
		}
		section(&b, "grants", g.grants)
		section(&b, "revokes", g.takens)
	}
	if r.Calls != nil {
		r.Calls.text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func owner(c *diff.Change) string {
	if c.Tenant == "" {
		return "platform"
	}
	return plain(c.Tenant)
}

func section(b *strings.Builder, title string, list []*diff.Change) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "  %s\n", title)
	for _, c := range list {
		textChange(b, c, "    ")
	}
}

func textChange(b *strings.Builder, c *diff.Change, in string) {
	fmt.Fprintf(b, "%s%-9s %s [%s %s]\n", in, c.Class(), plain(c.Summary), c.Kind, c.Fingerprint)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "%s          %-8s %s\n", in, name, value)
		}
	}
	row("value", values(c))
	if len(c.Operations) > 3 { // else the summary names them
		row("of", plain(strings.Join(c.Operations, ", ")))
	}
	row("source", plain(c.Source))
	if c.Blast.Apps > 0 || c.Blast.Everyone {
		row("affects", affected(c.Blast))
	}
	if w := c.Witness; w != nil {
		before, after := terms(w)
		row("witness", plain(w.Request.String()))
		row("before", plain(w.Before.String()+before))
		row("after", plain(w.After.String()+after))
	}
}

// affected names the apps where they are few.
func affected(b diff.Blast) string {
	s := b.String()
	if b.Apps > 0 && b.Apps == len(b.Some) {
		s += " (" + plain(strings.Join(b.Some, ", ")) + ")"
	}
	return s
}
