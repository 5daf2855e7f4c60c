package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/gwc-dev/gwc/compiler/diff"
)

// Marker is the first line of the Markdown form. A bot that finds it in a comment edits that comment.
const Marker = "<!-- gwc plan -->"

// Bounds of what a comment lists: GitHub takes 65,536 characters.
const (
	maxRows      = 100
	maxWitnesses = 40
	maxCell      = 400    // characters of a text
	rowsEnd      = 40_000 // bytes after which no row begins
	witnessesEnd = 56_000 // bytes after which no witness begins
)

// Markdown writes the plan as a comment on a pull request.
func Markdown(w io.Writer, r *Report) error {
	var b strings.Builder
	b.WriteString(Marker + "\n")
	if len(r.Changes) == 0 && !r.DigestOnly {
		fmt.Fprintf(&b, "**gwc plan: nothing changes** (%s)\n", r.same())
	} else {
		fmt.Fprintf(&b, "**gwc plan: %s**\n", r.Verdict())
	}
	if r.restart() {
		fmt.Fprintf(&b, "\n> %s\n", needsRestart)
	}
	if l := r.loosened(); len(l) > 0 {
		b.WriteString("\n**Loosened**\n\n")
		for i, c := range l {
			if i == maxRows || b.Len() > rowsEnd/2 {
				fmt.Fprintf(&b, "- and %d more\n", len(l)-i)
				break
			}
			fmt.Fprintf(&b, "- %s: %s (%s)\n", escape(owner(c)), escape(c.Summary), c.Class())
		}
	}
	left := maxRows
	for _, g := range r.groups() {
		fmt.Fprintf(&b, "\n#### %s\n", escape(g.title))
		table(&b, "", g.changes, &left)
		table(&b, "Grants", g.grants, &left)
		table(&b, "Revokes", g.takens, &left)
		if left == 0 || b.Len() > rowsEnd {
			break
		}
	}
	if n := len(r.Changes) - (maxRows - left); n > 0 {
		fmt.Fprintf(&b, "\n%d more changes are in the text and JSON forms.\n", n)
	}
	witnesses(&b, r)
	if r.Calls != nil {
		b.WriteString("\n<details><summary>Logged calls</summary>\n\n")
		var t strings.Builder
		r.Calls.text(&t)
		text := t.String()
		if n := 8_000; len(text) > n {
			text = strings.ToValidUTF8(text[:n], "") + "\n..."
		}
		fence(&b, strings.TrimSpace(text))
		b.WriteString("</details>\n")
	}
	fmt.Fprintf(&b, "\n<sub>base %s `%s`, target %s `%s`</sub>\n", escape(r.Base.What), r.Base.Digest, escape(r.Target.What), r.Target.Digest)
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, title string, list []*diff.Change, left *int) {
	if len(list) == 0 || *left == 0 || b.Len() > rowsEnd {
		return
	}
	if title != "" {
		fmt.Fprintf(b, "\n%s\n", title)
	}
	b.WriteString("\n| class | change | affects | fingerprint |\n|---|---|---|---|\n")
	for _, c := range list {
		if *left == 0 || b.Len() > rowsEnd {
			return
		}
		*left--
		what := escape(c.Summary)
		if v := values(c); v != "" {
			what += "<br>" + escape(v)
		}
		if c.Source != "" {
			what += "<br>" + escape(c.Source)
		}
		affects := ""
		if c.Blast.Apps > 0 || c.Blast.Everyone {
			affects = escape(c.Blast.String())
		}
		fmt.Fprintf(b, "| %s | %s | %s | `%s` |\n", c.Class(), what, affects, c.Fingerprint)
	}
}

func witnesses(b *strings.Builder, r *Report) {
	var list []*diff.Change
	for i := range r.Changes {
		if r.Changes[i].Witness != nil {
			list = append(list, &r.Changes[i])
		}
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n<details><summary>Witnesses: %d requests that are decided differently</summary>\n\n", len(list))
	for i, c := range list {
		if i == maxWitnesses || b.Len() > witnessesEnd {
			fmt.Fprintf(b, "%d more are in the text and JSON forms.\n", len(list)-i)
			break
		}
		w := c.Witness
		before, after := terms(w)
		fmt.Fprintf(b, "`%s` %s\n", c.Fingerprint, escape(c.Summary))
		fence(b, fmt.Sprintf("%s\n- %s\n+ %s", cut(w.Request.String()), cut(w.Before.String()+before), cut(w.After.String()+after)))
	}
	b.WriteString("</details>\n")
}

// fence writes text as a block that it cannot end.
func fence(b *strings.Builder, text string) {
	ticks := "```"
	for strings.Contains(text, ticks) {
		ticks += "`"
	}
	fmt.Fprintf(b, "%sdiff\n%s\n%s\n\n", ticks, text, ticks)
}

// cut keeps text on one line and short.
func cut(s string) string {
	if r := []rune(plain(s)); len(r) > maxCell {
		return string(r[:maxCell]) + "..."
	}
	return plain(s)
}

// escape makes text that stands in a table's cell: no markup, no mention, no link, no end of the cell.
func escape(s string) string {
	var b strings.Builder
	for _, r := range cut(s) {
		switch r {
		case '&', '<', '>', '|', '`', '*', '_', '[', ']', '#', '~', '@', '\\', '!':
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
