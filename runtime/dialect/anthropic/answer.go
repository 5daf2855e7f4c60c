package anthropic

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// Encoder turns the neutral events of one answer into this dialect: into the events of a stream, from message_start to
// message_stop, or into one message.
//
// The dialect's content blocks come one after the other, while calls of tools may arrive side by side: a call that
// begins while another is not at its end waits for it. Usage may come after the stop reason and belongs to
// message_delta, so that event is written at the end.
type Encoder struct {
	o       dialect.Opening
	started bool
	done    bool

	err      *dialect.Error
	reason   dialect.StopReason
	sequence string
	usage    dialect.Usage

	open    opened
	index   int // of the open block, or of the next one
	calls   []toolUse
	content []byte // of a body: the blocks so far
	text    []byte // of a body: the open block's text
	cut     bool   // of a body: a call's arguments were not a whole object
}

// opened says which block is open.
type opened struct {
	kind    blockKind
	ordinal int // of a call or of thinking
}

// toolUse is a call of a tool that has begun and whose block is not closed.
type toolUse struct {
	index     int
	id, name  string
	arguments []byte // that wait; of a body: all of them
	ended     bool
}

var _ dialect.Encoder = (*Encoder)(nil)

// Reset makes e ready for another answer and keeps its buffers, unless they have grown large.
func (e *Encoder) Reset(o dialect.Opening) {
	clear(e.calls)
	*e = Encoder{o: o, calls: e.calls[:0], content: keep(e.content), text: keep(e.text)}
}

// Err returns the error that ended the answer, nil if there was none so far.
func (e *Encoder) Err() *dialect.Error { return e.err }

// Done reports whether the answer is at its end.
func (e *Encoder) Done() bool { return e.done }

// Event implements [dialect.Encoder].
func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done || ev.Choice > 0 {
		return dst // the dialect has one answer: the first
	}
	if !e.started && ev.Kind != dialect.ErrorEvent {
		e.started = true
		if e.o.ID == "" {
			e.o.ID = ev.ID
		}
		if e.o.Model == "" {
			e.o.Model = ev.Model
		}
		if ev.Kind == dialect.UsageEvent {
			e.usage = ev.Usage
		}
		if e.o.Stream {
			dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":"...)
			dst = e.head(dst)
			dst = append(dst, `[],"stop_reason":null,"stop_sequence":null,"usage":`...)
			dst = appendUsage(dst, &e.usage)
			dst = append(dst, "}}\n\n"...)
		}
	}
	switch ev.Kind {
	case dialect.TextDelta, dialect.RefusalDelta: // a refusal has no block of its own: it is text, with a stop reason that tells
		if ev.Text != "" {
			dst = e.delta(e.begin(dst, opened{kind: blockText}), "text_delta", "text", ev.Text)
		}
	case dialect.ThinkingDelta:
		if ev.Text != "" {
			dst = e.delta(e.begin(dst, opened{blockThinking, ev.Index}), "thinking_delta", "thinking", ev.Text)
		}
	case dialect.SignatureDelta:
		dst = e.signature(e.begin(dst, opened{blockThinking, ev.Index}), dialect.Seal(dialect.SignerAnthropic, ev.SignedBy, ev.Text))
	case dialect.RedactedThinkingEvent:
		dst = e.redacted(e.close(dst), dialect.Seal(dialect.SignerAnthropic, ev.SignedBy, ev.Text))
	case dialect.ToolStart:
		e.calls = append(e.calls, toolUse{index: ev.Index, id: ev.ID, name: ev.Name})
		dst = e.advance(dst)
	case dialect.ToolDelta:
		dst = e.argument(dst, ev, false)
	case dialect.ToolEnd:
		dst = e.argument(dst, ev, true)
	case dialect.UsageEvent:
		e.usage = ev.Usage
	case dialect.Stop:
		e.reason, e.sequence = ev.StopReason, ev.StopSequence
		for i := range e.calls {
			e.calls[i].ended = true
		}
		dst = e.close(e.advance(dst))
	case dialect.ErrorEvent:
		e.err = ev.Err
		if e.err == nil {
			e.err = &dialect.Error{}
		}
		dst = e.fail(dst)
	case dialect.End:
		if e.reason == "" {
			e.err = &dialect.Error{Type: "api_error", Message: "The provider's answer ended without a stop reason."}
			return e.fail(dst)
		}
		dst = e.end(dst)
	}
	return dst
}

// head writes a message up to its content.
func (e *Encoder) head(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, e.o.ID)
	dst = append(dst, `,"type":"message","role":"assistant","model":`...)
	dst = jsonscan.AppendString(dst, e.o.Model)
	return append(dst, `,"content":`...)
}

// begin opens a block of text or of thinking, unless it is the one that is open. A call whose block is open is at its
// end then: no provider goes back to one.
func (e *Encoder) begin(dst []byte, o opened) []byte {
	if e.open == o {
		return dst
	}
	if e.open.kind == blockTool {
		e.calls = append(e.calls[:0], e.calls[1:]...)
	}
	dst = e.close(dst)
	e.open = o
	if !e.o.Stream {
		return dst
	}
	dst = e.start(dst)
	if o.kind == blockText {
		return append(dst, "{\"type\":\"text\",\"text\":\"\"}}\n\n"...)
	}
	return append(dst, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"...)
}

func (e *Encoder) start(dst []byte) []byte {
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(e.index), 10)
	return append(dst, `,"content_block":`...)
}

// delta writes a piece of the open block's text.
func (e *Encoder) delta(dst []byte, kind, member, text string) []byte {
	if !e.o.Stream {
		e.text = append(e.text, text...)
		return dst
	}
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(e.index), 10)
	dst = append(dst, `,"delta":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","`...)
	dst = append(dst, member...)
	dst = append(dst, `":`...)
	dst = jsonscan.AppendString(dst, text)
	return append(dst, "}}\n\n"...)
}

// signature ends a block of thinking.
func (e *Encoder) signature(dst []byte, signature string) []byte {
	if e.o.Stream {
		return e.close(e.delta(dst, "signature_delta", "signature", signature))
	}
	e.sign(signature)
	return dst
}

// sign puts the open block of thinking into the body.
func (e *Encoder) sign(signature string) {
	e.element()
	e.content = append(e.content, `{"type":"thinking","thinking":`...)
	e.content = jsonscan.AppendString(e.content, e.text)
	e.content = append(e.content, `,"signature":`...)
	e.content = jsonscan.AppendString(e.content, signature)
	e.content = append(e.content, '}')
	e.open, e.text = opened{}, e.text[:0]
}

func (e *Encoder) redacted(dst []byte, data string) []byte {
	if !e.o.Stream {
		e.element()
		e.content = append(e.content, `{"type":"redacted_thinking","data":`...)
		e.content = jsonscan.AppendString(e.content, data)
		e.content = append(e.content, '}')
		return dst
	}
	dst = append(e.start(dst), `{"type":"redacted_thinking","data":`...)
	dst = jsonscan.AppendString(dst, data)
	dst = append(dst, "}}\n\n"...)
	e.open = opened{blockOther, -1}
	return e.close(dst)
}

func (e *Encoder) element() {
	if len(e.content) > 0 {
		e.content = append(e.content, ',')
	}
}

// close ends the open block, if one is open.
func (e *Encoder) close(dst []byte) []byte {
	o := e.open
	if o == (opened{}) {
		return dst
	}
	e.open = opened{}
	if !e.o.Stream {
		switch o.kind {
		case blockText:
			e.element()
			e.content = append(e.content, `{"type":"text","text":`...)
			e.content = jsonscan.AppendString(e.content, e.text)
			e.content = append(e.content, '}')
			e.text = e.text[:0]
		case blockThinking:
			e.sign("")
		}
		return dst
	}
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(e.index), 10)
	e.index++
	return append(dst, "}\n\n"...)
}

// argument takes a fragment of a call's arguments, or its end.
func (e *Encoder) argument(dst []byte, ev *dialect.Event, end bool) []byte {
	for i := range e.calls {
		c := &e.calls[i]
		if c.index != ev.Index {
			continue
		}
		c.ended = end
		if e.o.Stream && e.open == (opened{blockTool, c.index}) {
			if ev.Text != "" {
				dst = e.delta(dst, "input_json_delta", "partial_json", ev.Text)
			}
		} else {
			c.arguments = append(c.arguments, ev.Text...)
		}
		return e.advance(dst)
	}
	if ev.Text != "" && !end {
		e.err = &dialect.Error{Type: "api_error", Message: "The provider's stream went back to a call that was at its end."}
		return e.fail(dst)
	}
	return dst
}

// advance closes the first of the waiting calls if it is at its end, and opens the next one, and so on.
func (e *Encoder) advance(dst []byte) []byte {
	for len(e.calls) > 0 {
		c := &e.calls[0]
		if !e.o.Stream {
			if !c.ended {
				return dst
			}
			dst = e.close(dst)
			e.element()
			e.content = append(e.content, `{"type":"tool_use","id":`...)
			e.content = appendID(e.content, c.id)
			e.content = append(e.content, `,"name":`...)
			e.content = jsonscan.AppendString(e.content, c.name)
			e.content = append(e.content, `,"input":`...)
			switch {
			case len(c.arguments) == 0:
				e.content = append(e.content, "{}"...)
			case c.arguments[0] != '{' || jsonscan.Valid(c.arguments) != nil:
				// The message holds an object, not text: what the model cut short can only be told apart.
				e.cut = true
				e.content = append(e.content, "{}"...)
			default:
				e.content = append(e.content, c.arguments...)
			}
			e.content = append(e.content, '}')
		} else {
			if me := (opened{blockTool, c.index}); e.open != me {
				dst = e.close(dst)
				e.open = me
				dst = append(e.start(dst), `{"type":"tool_use","id":`...)
				dst = appendID(dst, c.id)
				dst = append(dst, `,"name":`...)
				dst = jsonscan.AppendString(dst, c.name)
				dst = append(dst, ",\"input\":{}}}\n\n"...)
				if len(c.arguments) > 0 {
					dst = e.delta(dst, "input_json_delta", "partial_json", string(c.arguments))
					c.arguments = c.arguments[:0]
				}
			}
			if !c.ended {
				return dst
			}
			dst = e.close(dst)
		}
		e.calls = append(e.calls[:0], e.calls[1:]...)
	}
	return dst
}

// end writes what ends a message that came whole.
func (e *Encoder) end(dst []byte) []byte {
	dst = e.close(dst)
	e.done = true
	if !e.o.Stream {
		if e.cut && e.reason == dialect.StopToolCalls {
			e.err = &dialect.Error{Type: "api_error", Message: "The model called a tool with arguments that are not a JSON object."}
		}
		return dst
	}
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"...)
	dst = append(e.stop(append(dst, '{')), '}')
	dst = append(dst, `,"usage":`...)
	dst = appendUsage(dst, &e.usage)
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}

// stop writes stop_reason and stop_sequence.
func (e *Encoder) stop(dst []byte) []byte {
	dst = append(dst, `"stop_reason":"`...)
	dst = append(dst, stopWord(e.reason)...)
	dst = append(dst, `","stop_sequence":`...)
	if e.sequence == "" {
		return append(dst, "null"...)
	}
	return jsonscan.AppendString(dst, e.sequence)
}

// stopWord is the dialect's word for a neutral stop reason.
func stopWord(r dialect.StopReason) string {
	switch r {
	case dialect.StopLength:
		return "max_tokens"
	case dialect.StopSequence:
		return "stop_sequence"
	case dialect.StopToolCalls:
		return "tool_use"
	case dialect.StopFilter:
		return "refusal"
	case dialect.StopPause:
		return "pause_turn"
	}
	return "end_turn"
}

// fail writes the error as the stream's last event, as the API itself reports errors in the middle of a stream.
func (e *Encoder) fail(dst []byte) []byte {
	e.done = true
	if !e.o.Stream {
		return dst
	}
	dst = append(dst, "event: error\ndata: "...)
	dst = AppendError(dst, e.err)
	return append(dst, "\n\n"...)
}

// Body appends the whole message, or the error that ended the answer.
func (e *Encoder) Body(dst []byte) []byte {
	if e.err != nil {
		return AppendError(dst, e.err)
	}
	dst = e.head(dst)
	dst = append(dst, '[')
	dst = append(dst, e.content...)
	dst = append(dst, "],"...)
	dst = e.stop(dst)
	dst = append(dst, `,"usage":`...)
	dst = appendUsage(dst, &e.usage)
	return append(dst, '}')
}

// appendUsage writes a usage object. The API counts cached tokens beside input_tokens, the neutral form inside.
func appendUsage(dst []byte, u *dialect.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = strconv.AppendInt(dst, max(u.Input-u.CacheRead-u.CacheWrite, 0), 10)
	dst = append(dst, `,"cache_creation_input_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite, 10)
	dst = append(dst, `,"cache_read_input_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheRead, 10)
	if u.CacheWrite > 0 {
		dst = append(dst, `,"cache_creation":{"ephemeral_5m_input_tokens":`...)
		dst = strconv.AppendInt(dst, u.CacheWrite-u.CacheWrite1h, 10)
		dst = append(dst, `,"ephemeral_1h_input_tokens":`...)
		dst = strconv.AppendInt(dst, u.CacheWrite1h, 10)
		dst = append(dst, '}')
	}
	dst = append(dst, `,"output_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	if u.Reasoning > 0 {
		dst = append(dst, `,"output_tokens_details":{"thinking_tokens":`...)
		dst = strconv.AppendInt(dst, u.Reasoning, 10)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendError appends e in this dialect's shape: {"type":"error","error":{"type","message"}}. The type is the API's word
// for the status: SDKs choose their exception by the status, people read the type.
func AppendError(dst []byte, e *dialect.Error) []byte {
	message := e.Message
	if message == "" {
		message = "The provider answered with an error and no message."
	}
	if e.Param != "" {
		message = e.Param + ": " + message
	}
	dst = append(dst, `{"type":"error","error":{"type":`...)
	dst = jsonscan.AppendString(dst, typeOf(ClientStatus(e)))
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, message)
	return append(dst, "}}"...)
}

// ClientStatus is the HTTP status with which a provider's error is answered: its own, 529 ("overloaded") for another
// provider's 503, 502 for what is not an error status at all.
func ClientStatus(e *dialect.Error) int {
	switch {
	case e.Status == 503:
		return 529
	case e.Status < 400 || e.Status > 599 || e.Status == 407: // whose client is the gateway
		return 502
	}
	return e.Status
}
