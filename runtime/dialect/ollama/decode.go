package ollama

import (
	"bytes"
	"hash/fnv"
	"net/http"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
)

// maxCalls bounds the calls of tools in one answer.
const maxCalls = 1024

// Decoder reads one answer, streamed or whole. It allocates one string per delta in steady state.
type Decoder struct {
	dialect.Intake

	started, done bool
	thought, said bool // inside a run of thinking, which has one index; anything was said at all
	blocks        int  // runs of thinking so far
	calls         int
	model         string
}

var _ dialect.Decoder = (*Decoder)(nil)

// Reset makes d ready for another answer and keeps its buffers, unless they have grown large.
func (d *Decoder) Reset(stream bool) {
	*d = Decoder{Intake: d.Intake}
	d.Intake.Reset(stream)
}

// Feed implements [dialect.Decoder]. Of a stream it reads each line as soon as it is complete, straight from b where it
// is complete there; what was cut waits in Body.
func (d *Decoder) Feed(b []byte, emit func(*dialect.Event)) {
	if !d.Stream {
		d.Take(b, emit, nil)
		return
	}
	for len(b) > 0 && !d.Ended {
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			if len(d.Body)+len(b) > sse.DefaultMax {
				d.Fail(emit, "A line of the provider's stream is too long.")
				return
			}
			d.Body = append(d.Body, b...)
			return
		}
		line := b[:n]
		if len(d.Body) > 0 {
			d.Body = append(d.Body, line...)
			line = d.Body
		}
		d.line(line, emit)
		d.Body = d.Body[:0]
		b = b[n+1:]
	}
}

// Finish implements [dialect.Decoder].
func (d *Decoder) Finish(emit func(*dialect.Event)) {
	if d.Ended {
		return
	}
	if d.Stream {
		// The last line may lack its end; one that was cut is no JSON.
		if jsonscan.Valid(d.Body) == nil {
			d.line(d.Body, emit)
		}
		if !d.Ended {
			d.Fail(emit, "The provider's stream ended before the answer was complete.")
		}
		return
	}
	d.line(d.Body, emit)
	d.Body = nil
	if !d.Ended {
		d.Fail(emit, "The provider's answer is not complete.")
	}
}

// line reads one object. What is not JSON breaks the answer off: a piece of it is lost, and without it the rest would
// look whole.
func (d *Decoder) line(raw []byte, emit func(*dialect.Event)) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return
	}
	if jsonscan.Valid(raw) != nil {
		d.Fail(emit, "The provider's answer holds something that cannot be read.")
		return
	}
	c := jsonscan.Over(raw)
	if c.Kind() != '{' {
		d.Fail(emit, "The provider's answer holds something that cannot be read.")
		return
	}
	var model, created, message, reason, logprobs, failure []byte
	prompt, answer := int64(-1), int64(-1)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "model":
			model = c.Skip()
		case "created_at":
			created = c.Skip()
		case "message":
			message = c.Skip()
		case "done":
			d.done = string(c.Skip()) == "true"
		case "done_reason":
			reason = c.Skip()
		case "prompt_eval_count":
			count(&c, &prompt)
		case "eval_count":
			count(&c, &answer)
		case "logprobs":
			logprobs = c.Skip()
		case "error":
			failure = c.Skip()
		default:
			c.Skip()
		}
	}
	if len(failure) > 2 && failure[0] != 'n' {
		d.FailWith(emit, broken(raw))
		return
	}
	if !d.started {
		d.started, d.model = true, d.Text(model)
		d.Emit(emit, dialect.Event{Kind: dialect.Start, Model: d.model})
	}
	if len(message) > 0 && message[0] == '{' {
		d.message(message, created, emit)
	}
	if len(logprobs) > 2 && logprobs[0] == '[' {
		if list := dialect.ReadLogprobs(logprobs); len(list) > 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.LogprobsEvent, Logprobs: list})
		}
	}
	if d.done && !d.Ended {
		if answer < 0 && !d.said {
			answer = 0 // a count of zero is left out
		}
		if prompt >= 0 && answer >= 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: prompt, Output: answer, Known: true}})
		}
		d.Emit(emit, dialect.Event{Kind: dialect.Stop, StopReason: d.stopReason(reason)})
		d.End(emit)
	}
}

func count(c *jsonscan.Cursor, to *int64) {
	if n, ok := c.Int(); ok && n >= 0 {
		*to = n
	}
}

// broken makes the error of an object {"error"} that came with status 200; some servers say a status beside it.
func broken(raw []byte) *dialect.Error {
	e, _ := dialect.ReadError(raw)
	if e.Message == "" {
		e.Message = "The provider broke its answer off with an error."
	}
	if e.Type == "" {
		e.Type = "api_error"
	}
	e.Status = http.StatusBadGateway
	return &e
}

// stopReason is the neutral word; load and unload are answers to requests without a message.
func (d *Decoder) stopReason(raw []byte) dialect.StopReason {
	switch {
	case string(raw) == `"length"`:
		return dialect.StopLength
	case d.calls > 0:
		return dialect.StopToolCalls
	}
	return dialect.StopEnd
}

func (d *Decoder) message(raw, created []byte, emit func(*dialect.Event)) {
	var text, thinking, calls []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "content":
			text = c.Skip()
		case "thinking":
			thinking = c.Skip()
		case "tool_calls":
			calls = c.Skip()
		default:
			c.Skip()
		}
	}
	if s := d.Text(thinking); s != "" {
		d.thought, d.said = true, true
		d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: d.blocks, Text: s})
	}
	if s := d.Text(text); s != "" {
		d.rest()
		d.Emit(emit, dialect.Event{Kind: dialect.TextDelta, Text: s})
	}
	if len(calls) > 0 && calls[0] == '[' {
		c := jsonscan.Over(calls)
		for c.Enter(); c.More() && !d.Ended; {
			if raw := c.Skip(); len(raw) > 0 && raw[0] == '{' {
				d.call(raw, created, emit)
			}
		}
	}
}

// rest ends a run of thinking.
func (d *Decoder) rest() {
	d.said = true
	if d.thought {
		d.thought = false
		d.blocks++
	}
}

// call reads a whole call: {"id","function":{"name","arguments":{…}}}.
func (d *Decoder) call(raw, created []byte, emit func(*dialect.Event)) {
	var id, function, name, arguments []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "id":
			id = c.Skip()
		case "function":
			function = c.Skip()
		default:
			c.Skip()
		}
	}
	if len(function) == 0 || function[0] != '{' {
		return
	}
	c = jsonscan.Over(function)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "name":
			name = c.Skip()
		case "arguments":
			arguments = c.Skip()
		default:
			c.Skip()
		}
	}
	if d.calls >= maxCalls {
		d.Fail(emit, "The provider's answer calls too many tools.")
		return
	}
	d.rest()
	n := d.calls
	d.calls++
	ev := dialect.Event{Kind: dialect.ToolStart, Index: n, ID: d.Text(id), Name: d.Text(name)}
	if ev.ID == "" {
		ev.ID = d.invent(created, raw)
	}
	d.Emit(emit, ev)
	text := "{}"
	switch {
	case len(arguments) > 2 && arguments[0] == '{':
		text = string(arguments)
	case len(arguments) > 2 && arguments[0] == '"': // the object's text: models behind servers that imitate the API
		text = d.Text(arguments)
	}
	d.Emit(emit, dialect.Event{Kind: dialect.ToolEnd, Index: n, Text: text})
}

// invent makes the id of the last call from what the answer says: when, by which model, which call it is, and the call.
func (d *Decoder) invent(created, call []byte) string {
	h := fnv.New64a()
	h.Write(created)
	h.Write([]byte(d.model))
	h.Write([]byte{byte(d.calls), byte(d.calls >> 8)})
	h.Write(call)
	return "call_" + strconv.FormatUint(h.Sum64(), 36)
}

// DecodeError reads an error answer, {"error":"…"}. It always gives an error with a message, whatever the body holds.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error {
	return dialect.AnswerError(a, errorType)
}

// errorType is a word for a status; the server gives none.
func errorType(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusNotFound:
		return "not_found_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case 400 <= status && status < 500:
		return "invalid_request_error"
	}
	return "server_error"
}
