package gemini

import (
	"bytes"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
)

const (
	// tapEvent bounds a streamed event that a Tap reads; a larger one passes unread.
	tapEvent = 1 << 20
	// tapBody bounds a whole answer, and an element of an array, that a Tap keeps to read it at the end.
	tapBody = 8 << 20
)

// Tap reads an answer of this dialect aside while its bytes pass through, whichever of its three forms it has.
type Tap struct {
	dialect.Aside

	stream bool
	form   form
	split  sse.Splitter
	ev     sse.Event
	array  array
	body   []byte
	lost   bool // the body is too long to be kept
	called bool // a function was called
	reason []byte
	model  []byte // as written, so that it is decoded once
	buf    []byte
}

var _ dialect.Tap = (*Tap)(nil)

// Reset makes t ready for another answer and keeps its buffers, unless they have grown large.
func (t *Tap) Reset(stream bool) {
	t.array.reset()
	*t = Tap{stream: stream, split: t.split, array: t.array, body: keep(t.body), reason: t.reason[:0], model: t.model[:0], buf: keep(t.buf)}
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
	if t.form == formUnknown {
		if t.form = formOf(b); t.form == formUnknown {
			return
		}
	}
	if t.form == formEvents {
		for len(b) > 0 {
			n, ok, _ := t.split.Next(b, &t.ev)
			if ok {
				t.chunk(t.ev.Data)
			}
			b = b[n:]
		}
		return
	}
	for len(b) > 0 && !t.lost {
		n, element, err := t.array.next(b)
		if err != nil || len(t.array.element) > tapBody {
			t.lost = true
			return
		}
		if element != nil {
			t.chunk(element)
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
		if t.form == formEvents && t.split.End(&t.ev) {
			t.chunk(t.ev.Data)
		}
	case !t.lost && len(t.body) > 0 && jsonscan.Valid(t.body) == nil:
		t.chunk(t.body)
		t.Done = true
	}
}

// chunk reads one GenerateContentResponse.
func (t *Tap) chunk(data []byte) {
	if jsonscan.Valid(data) != nil {
		return
	}
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return
	}
	t.Pieces++
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "candidates":
			if c.Kind() != '[' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				if raw := c.Skip(); isObject(raw) {
					t.candidate(raw)
				}
			}
		case "promptFeedback":
			if raw := c.Skip(); bytes.Contains(raw, blockReason) {
				t.Stop, t.Done = dialect.StopFilter, true
			}
		case "usageMetadata":
			readUsage(c.Skip(), &t.Usage)
		case "modelVersion":
			if raw := c.Skip(); len(raw) > 2 && raw[0] == '"' && len(raw) <= 512 && !bytes.Equal(raw, t.model) {
				t.model = append(t.model[:0], raw...)
				var name []byte
				name, t.buf = jsonscan.Unquote(raw, t.buf)
				t.Model = string(name)
			}
		case "error":
			if raw := c.Skip(); isObject(raw) {
				t.Err = streamError(data)
				t.Pieces--
			}
		default:
			c.Skip()
		}
	}
}

var (
	blockReason  = []byte(`"blockReason"`)
	functionCall = []byte(`"functionCall"`)
)

// candidate reads how a candidate ended. The reason may come before or behind the last call.
func (t *Tap) candidate(raw []byte) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "groundingMetadata":
			searches(c.Skip(), &t.Usage)
		case "content":
			t.called = bytes.Contains(c.Skip(), functionCall) || t.called
		case "finishReason":
			if r := c.Skip(); len(r) > 2 && r[0] == '"' && string(r) != `"FINISH_REASON_UNSPECIFIED"` {
				t.reason = append(t.reason[:0], r[1:len(r)-1]...)
				t.Done = true
			}
		default:
			c.Skip()
		}
	}
	if t.Done {
		t.Stop = stopReason(string(t.reason), t.called)
	}
}
