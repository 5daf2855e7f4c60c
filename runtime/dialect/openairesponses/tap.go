package openairesponses

import (
	"bytes"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// tapEvent bounds a streamed event that a Tap reads. A larger one passes unread: the final response repeats the whole
// answer, so the bound is wide.
const tapEvent = 16 << 20

// Tap reads an answer of this dialect aside while its bytes pass through. The gateway asks for nothing that the caller
// did not ask for, so nothing is ever filtered. Deltas are not parsed: their type, which comes first, tells that they
// hold nothing of interest.
type Tap struct {
	dialect.Aside

	stream  bool
	split   sse.Splitter
	ev      sse.Event
	body    openai.Members
	service string
	status  string
	calls   bool // a function was called
	filter  bool // the answer ended because its content was filtered
	served  price.Units
	buf     []byte
}

var _ dialect.Tap = (*Tap)(nil)

// wanted are the members of a response that tell what a tap wants to know. It is never written to.
var wanted = openai.Wanted{
	Top:   []string{"model", "usage", "error", "service_tier", "status", "incomplete_details"},
	Array: "output", Inner: []string{"type", "action"},
}

// Seen returns what was read so far.
func (t *Tap) Seen() *dialect.Aside { return &t.Aside }

// Reset makes t ready for another answer and keeps its buffers, unless they have grown large.
func (t *Tap) Reset(stream bool) {
	*t = Tap{stream: stream, split: t.split, buf: keep(t.buf), body: t.body}
	t.split.Reset(tapEvent)
	t.body.Reset(&wanted)
}

// Feed reads b, the next piece of the answer.
func (t *Tap) Feed(b []byte) {
	if !t.stream {
		t.body.Feed(b, t)
		t.Done = t.body.Complete()
		return
	}
	for len(b) > 0 {
		n, ok, _ := t.split.Next(b, &t.ev)
		if ok {
			t.event(t.ev.Data)
		}
		b = b[n:]
	}
}

// Finish ends the answer: what came last counts, even if its blank line is missing.
func (t *Tap) Finish() {
	if !t.stream {
		t.end()
	} else if t.split.End(&t.ev) {
		t.event(t.ev.Data)
	}
}

// Filter reads b as Feed does; everything passes.
func (t *Tap) Filter(dst, b []byte) []byte {
	t.Feed(b)
	return append(dst, b...)
}

// FilterEnd ends the answer. Nothing was held back.
func (t *Tap) FilterEnd(dst []byte) []byte {
	t.Finish()
	return dst
}

// event reads one event.
func (t *Tap) event(data []byte) {
	if t.Done {
		return
	}
	kind, whole := eventType(data)
	switch {
	case bytes.HasSuffix(kind, []byte(`.delta"`)):
		t.Pieces++
		return
	case string(kind) == `"error"`:
	case !bytes.HasPrefix(kind, []byte(`"response.`)) || bytes.IndexByte(kind[len(`"response.`):], '.') >= 0:
		return // not about the response itself
	}
	if !whole && jsonscan.Valid(data) != nil {
		return
	}
	switch string(kind) {
	case `"response.created"`, `"response.in_progress"`, `"response.queued"`:
		if t.Model == "" {
			t.response(readEvent(data).response)
		}
	case `"response.completed"`, `"response.incomplete"`, `"response.failed"`, `"response.cancelled"`:
		t.response(readEvent(data).response)
		t.end()
		t.Done = true
	case `"error"`:
		t.failure(data)
		t.Done = true
	}
}

// eventType returns the raw type of an event. It stands first in practice; where it does not, the event is read as a
// whole, and is then known to be JSON.
func eventType(data []byte) (kind []byte, whole bool) {
	const first = `{"type":"`
	if len(data) > len(first) && string(data[:len(first)]) == first {
		rest := data[len(first):]
		if end := bytes.IndexByte(rest[:min(len(rest), 128)], '"'); end >= 0 {
			return data[len(first)-1 : len(first)+end+1], false
		}
	}
	if jsonscan.Valid(data) != nil {
		return nil, false
	}
	return readEvent(data).kind, true
}

// response reads the response object of an event.
func (t *Tap) response(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	t.body.Reset(&wanted)
	t.calls, t.served = false, price.Units{}
	t.body.Feed(raw, t)
}

// Found implements [openai.Found].
func (t *Tap) Found(element, name int, raw []byte) {
	switch {
	case element >= 0:
		switch string(raw) {
		case `"function_call"`:
			t.calls = true
		default:
			if name == 0 {
				serve(&t.served, raw)
			} else {
				follows(&t.served, raw)
			}
		}
	case name == 0:
		if t.Model == "" && len(raw) > 2 && raw[0] == '"' && len(raw) <= 512 {
			var s []byte
			s, t.buf = jsonscan.Unquote(raw, t.buf)
			t.Model = string(s)
		}
	case name == 1:
		if u, ok := readUsage(raw); ok {
			t.Usage = u
		}
	case name == 2:
		if len(raw) > 2 && (raw[0] == '{' || raw[0] == '"') {
			t.failure(raw)
		}
	case name == 3:
		t.service = dialect.Service(raw)
	case name == 4:
		switch string(raw) {
		case `"completed"`:
			t.status = "completed"
		case `"incomplete"`:
			t.status = "incomplete"
		case `"failed"`, `"cancelled"`:
			t.status = "failed"
		}
	case name == 5:
		t.filter = bytes.Contains(raw, []byte(`"content_filter"`))
	}
}

func (t *Tap) failure(raw []byte) {
	if t.Err == nil {
		e := readFailure(raw)
		t.Err = &e
	}
}

// end puts together what a response said of its end.
func (t *Tap) end() {
	if t.Usage.Known {
		t.Usage.Service, t.Usage.Units = t.service, t.served
	}
	switch {
	case t.status == "completed" && t.calls:
		t.Stop = dialect.StopToolCalls
	case t.status == "completed":
		t.Stop = dialect.StopEnd
	case t.status == "incomplete" && t.filter:
		t.Stop = dialect.StopFilter
	case t.status == "incomplete":
		t.Stop = dialect.StopLength
	case t.status == "failed":
		t.Stop = dialect.StopError
	}
}
