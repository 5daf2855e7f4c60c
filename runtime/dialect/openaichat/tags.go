package openaichat

import (
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

const (
	openTag  = "<think>"
	closeTag = "</think>"
)

// tags takes thinking out of the text of an answer, where a server writes it in front of it between <think> and
// </think>. What may be half a tag is held back until it is known. Tags further on are text.
type tags struct {
	state tagState
	held  string
}

type tagState uint8

const (
	tagsAhead tagState = iota // nothing but white space was said
	tagsOpen                  // inside of thinking
	tagsAfter                 // behind it, where white space is left out
	tagsOver
)

// tagged reads a piece of text.
func (d *Decoder) tagged(s string, emit func(*dialect.Event)) {
	t := &d.tags
	s, t.held = t.held+s, ""
	if t.state == tagsAhead {
		lead := strings.TrimLeft(s, " \t\r\n")
		switch {
		case strings.HasPrefix(lead, openTag):
			t.state, s = tagsOpen, lead[len(openTag):]
		case strings.HasPrefix(openTag, lead):
			t.held = s
			return
		default:
			t.state = tagsOver
		}
	}
	if t.state == tagsOpen {
		before, after, closed := strings.Cut(s, closeTag)
		if !closed {
			for n := min(len(s), len(closeTag)-1); n > 0; n-- {
				if strings.HasPrefix(closeTag, s[len(s)-n:]) {
					s, t.held = s[:len(s)-n], s[len(s)-n:]
					break
				}
			}
			d.think(s, emit)
			return
		}
		d.think(before, emit)
		t.state, s = tagsAfter, after
	}
	if t.state == tagsAfter {
		if s = strings.TrimLeft(s, " \t\r\n"); s == "" {
			return
		}
		t.state = tagsOver
	}
	d.say(dialect.TextDelta, s, emit)
}

// untag lets go of what was held back: the text goes on with something else, or has ended.
func (d *Decoder) untag(emit func(*dialect.Event)) {
	s := d.tags.held
	d.tags.held = ""
	if d.tags.state == tagsOpen {
		d.think(s, emit)
		return
	}
	d.say(dialect.TextDelta, s, emit)
}
