package anthropic

import (
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
)

// tapEvent bounds a streamed event that a Tap reads; a larger one passes unread.
const tapEvent = 1 << 20

// tapBody bounds a whole answer that a Tap keeps to read it at the end.
const tapBody = 8 << 20

// Tap reads an answer of this dialect aside while its bytes pass through. Only the events that tell of the message as a
// whole are read; deltas pass by their names alone.
type Tap struct {
	dialect.Aside

	stream bool
	split  sse.Splitter
	ev     sse.Event
	body   []byte
	lost   bool // the body is too long to be kept
	usage  usage
	buf    []byte
}

var _ dialect.Tap = (*Tap)(nil)

// Reset makes t ready for another answer and keeps its buffers, unless they have grown large.
func (t *Tap) Reset(stream bool) {
	*t = Tap{stream: stream, split: t.split, body: keep(t.body), buf: keep(t.buf)}
	t.split.Reset(tapEvent)
}

// Seen returns what was read so far.
func (t *Tap) Seen() *dialect.Aside { return &t.Aside }

// Feed reads b, the next piece of the answer.
func (t *Tap) Feed(b []byte) {
	if !t.stream {
		if t.lost = t.lost || len(t.body)+len(b) > tapBody; !t.lost {
			t.body = append(t.body, b...)
		}
		return
	}
	for len(b) > 0 {
		n, ok, _ := t.split.Next(b, &t.ev)
		if ok {
			t.event()
		}
		b = b[n:]
	}
}

// Filter reads b and passes it on as it is: this dialect's streams always carry usage.
func (t *Tap) Filter(dst, b []byte) []byte {
	t.Feed(b)
	return append(dst, b...)
}

// FilterEnd ends the answer.
func (t *Tap) FilterEnd(dst []byte) []byte {
	t.Finish()
	return dst
}

// Finish ends the answer: what came last counts, even if its blank line is missing.
func (t *Tap) Finish() {
	switch {
	case t.stream:
		if t.split.End(&t.ev) {
			t.event()
		}
	case !t.lost && len(t.body) > 0 && jsonscan.Valid(t.body) == nil:
		t.message(t.body)
		t.Done = true
	}
}

func (t *Tap) event() {
	switch string(t.ev.Name) {
	case "content_block_delta":
		t.Pieces++
		return
	case "content_block_start", "content_block_stop", "ping":
		return
	}
	data := t.ev.Data
	if jsonscan.Valid(data) != nil {
		return
	}
	var kind, message, delta, numbers []byte
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			kind = c.Skip()
		case "message":
			message = c.Skip()
		case "delta":
			delta = c.Skip()
		case "usage":
			numbers = c.Skip()
		default:
			c.Skip()
		}
	}
	switch string(kind) {
	case `"message_start"`:
		t.message(message)
	case `"message_delta"`:
		t.numbers(numbers)
		t.message(delta) // it holds stop_reason, as the message does
	case `"message_stop"`:
		t.Done = true
	case `"error"`:
		t.Err = streamError(data)
	}
}

// message reads what a message, or the delta of one, tells.
func (t *Tap) message(raw []byte) {
	if !isObject(raw) {
		return
	}
	failed := false
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			failed = string(c.Skip()) == `"error"`
		case "model":
			if s := c.Skip(); len(s) > 2 && s[0] == '"' && len(s) <= 512 {
				var name []byte
				name, t.buf = jsonscan.Unquote(s, t.buf)
				t.Model = string(name)
			}
		case "stop_reason":
			if s := c.Skip(); len(s) > 0 && s[0] == '"' {
				t.Stop = stopReason(s)
			}
		case "usage":
			t.numbers(c.Skip())
		default:
			c.Skip()
		}
	}
	if failed {
		t.Err = streamError(raw)
	}
}

func (t *Tap) numbers(raw []byte) {
	if t.usage.read(raw) {
		t.Usage = t.usage.neutral()
	}
}
