package openaichat

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// Encoder turns the neutral events of one answer into this dialect: into server-sent events for a stream, or into one
// body. It allocates nothing per streamed event beyond the growth of dst, except for thinking, whose text it keeps
// until the block ends.
type Encoder struct {
	stream, includeUsage bool
	id, model            string
	created              int64

	prefix  []byte // of every chunk, up to the choice
	started bool
	done    bool // the terminal event was written

	usage dialect.Usage
	err   *dialect.Error

	*choice           // the one that is being written
	choices []*choice // by index; kept from answer to answer
	begun   int       // how many of them this answer has
}

// choice is one of several answers to the same request.
type choice struct {
	n      int // its index
	opened bool
	reason dialect.StopReason

	text, refusal, thinking []byte // of a body
	blocks                  []byte // of a body: elements of thinking_blocks
	block                   []byte // text of the current block of thinking
	blockIndex              int
	tools                   []toolCall

	// Of a body, elements of lists; data and transcript are those of its sound.
	logprobs                        []dialect.Logprob
	images, notes, data, transcript []byte
	soundID                         string
}

type toolCall struct {
	index     int
	id, name  string
	arguments []byte
	signature string
	signedBy  dialect.Signer
}

// follow goes on with a choice.
func (e *Encoder) follow(n int) {
	n = min(max(n, 0), maxChoices-1)
	for e.begun <= n {
		if e.begun == len(e.choices) {
			e.choices = append(e.choices, &choice{n: e.begun})
		}
		e.begun++
	}
	e.choice = e.choices[n]
}

var _ dialect.Encoder = (*Encoder)(nil)

// NewEncoder returns an encoder for one answer; see [dialect.Opening].
func NewEncoder(stream, includeUsage bool, id string, created int64, model string) *Encoder {
	e := &Encoder{}
	e.Reset(dialect.Opening{Stream: stream, IncludeUsage: includeUsage, ID: id, Created: created, Model: model})
	return e
}

// Reset makes e ready for another answer and keeps its buffers, unless they have grown large.
func (e *Encoder) Reset(o dialect.Opening) {
	for i, c := range e.choices {
		clear(c.tools)
		*c = choice{n: i, text: keep(c.text), refusal: keep(c.refusal), thinking: keep(c.thinking), blocks: keep(c.blocks), block: keep(c.block), tools: c.tools[:0],
			images: keep(c.images), notes: keep(c.notes), data: keep(c.data), transcript: keep(c.transcript)}
	}
	*e = Encoder{stream: o.Stream, includeUsage: o.IncludeUsage, id: o.ID, created: o.Created, model: o.Model, prefix: keep(e.prefix), choices: e.choices}
	e.follow(0)
}

// Err returns the error that ended the answer, nil if there was none so far.
func (e *Encoder) Err() *dialect.Error { return e.err }

// Done reports whether the answer is at its end: the terminal event has been written, or [Encoder.Body] is ready.
func (e *Encoder) Done() bool { return e.done }

// Event appends to dst what ev becomes in a stream: no, one or two server-sent events. For a body it collects ev and
// returns dst as it is. Events behind the terminal one are ignored.
func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done {
		return dst
	}
	if !e.started {
		if e.id == "" {
			e.id = ev.ID
		}
		if e.model == "" {
			e.model = ev.Model
		}
		if ev.Kind != dialect.ErrorEvent {
			e.started = true
			if e.stream {
				e.begin()
				dst = e.first(dst)
			}
		}
	}
	if ev.Choice != e.n {
		e.follow(ev.Choice)
		if e.started && e.stream && !e.opened {
			dst = e.first(dst)
		}
	}
	switch ev.Kind {
	case dialect.UsageEvent:
		e.usage = ev.Usage
		return dst
	case dialect.Stop:
		e.reason = ev.StopReason
	case dialect.ErrorEvent:
		e.err = ev.Err
		if e.err == nil {
			e.err = &dialect.Error{}
		}
	case dialect.End:
		if e.err == nil && !e.stopped() {
			e.err = &dialect.Error{Type: "api_error", Message: "The provider's answer ended without a stop reason."}
		}
	}
	if !e.stream {
		e.collect(ev)
		return dst
	}
	return e.chunk(dst, ev)
}

// stopped reports whether every choice has its stop reason.
func (e *Encoder) stopped() bool {
	for _, c := range e.choices[:e.begun] {
		if c.reason == "" {
			return false
		}
	}
	return true
}

func (e *Encoder) begin() {
	p := append(e.prefix[:0], `{"id":`...)
	p = jsonscan.AppendString(p, e.id)
	p = append(p, `,"object":"chat.completion.chunk","created":`...)
	p = strconv.AppendInt(p, e.created, 10)
	p = append(p, `,"model":`...)
	p = jsonscan.AppendString(p, e.model)
	e.prefix = append(p, `,"choices":[`...)
}

// first writes the first chunk of a choice.
func (e *Encoder) first(dst []byte) []byte {
	e.opened = true
	dst = e.open(dst)
	dst = append(dst, `{"role":"assistant","content":"","refusal":null}`...)
	return e.close(dst)
}

func (e *Encoder) open(dst []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, e.prefix...)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(e.n), 10)
	return append(dst, `,"delta":`...)
}

func (e *Encoder) close(dst []byte) []byte { return e.closeWith(dst, "") }

func (e *Encoder) closeWith(dst []byte, reason string) []byte {
	return e.tail(append(dst, `,"logprobs":null`...), reason)
}

// tail ends a chunk behind its log probabilities.
func (e *Encoder) tail(dst []byte, reason string) []byte {
	dst = append(dst, `,"finish_reason":`...)
	dst = openai.AppendStringOrNull(dst, reason)
	dst = append(dst, "}]"...)
	if e.includeUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

// chunk writes one event of a stream.
func (e *Encoder) chunk(dst []byte, ev *dialect.Event) []byte {
	switch ev.Kind {
	case dialect.TextDelta, dialect.RefusalDelta:
		if ev.Text == "" {
			return dst
		}
		dst = e.open(dst)
		if ev.Kind == dialect.TextDelta {
			dst = append(dst, `{"content":`...)
		} else {
			dst = append(dst, `{"refusal":`...)
		}
		dst = jsonscan.AppendString(dst, ev.Text)
		dst = append(dst, '}')
		return e.close(dst)
	case dialect.ThinkingDelta:
		e.think(ev)
		if ev.Text == "" {
			return dst
		}
		dst = e.open(dst)
		dst = append(dst, `{"reasoning_content":`...)
		dst = jsonscan.AppendString(dst, ev.Text)
		dst = append(dst, '}')
		return e.close(dst)
	case dialect.SignatureDelta, dialect.RedactedThinkingEvent:
		dst = e.open(dst)
		dst = append(dst, `{"thinking_blocks":[`...)
		dst = e.thinkingBlock(dst, ev)
		dst = append(dst, "]}"...)
		return e.close(dst)
	case dialect.ToolStart:
		dst = e.open(dst)
		dst = append(dst, `{"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(ev.Index), 10)
		dst = append(dst, `,"id":`...)
		dst = jsonscan.AppendString(dst, ev.ID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = jsonscan.AppendString(dst, ev.Name)
		dst = append(dst, `,"arguments":""}`...)
		dst = appendSignature(dst, ev.Signature, ev.SignedBy)
		dst = append(dst, "}]}"...)
		return e.close(dst)
	case dialect.ToolDelta, dialect.ToolEnd:
		if ev.Text == "" {
			return dst
		}
		dst = e.open(dst)
		dst = append(dst, `{"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, int64(ev.Index), 10)
		dst = append(dst, `,"function":{"arguments":`...)
		dst = jsonscan.AppendString(dst, ev.Text)
		dst = append(dst, "}}]}"...)
		return e.close(dst)
	case dialect.LogprobsEvent:
		dst = e.open(dst)
		dst = append(dst, `{},"logprobs":{"content":`...)
		dst = openai.AppendLogprobs(dst, ev.Logprobs)
		return e.tail(append(dst, `,"refusal":null}`...), "")
	case dialect.CitationEvent:
		if ev.Citation == nil || ev.Citation.URL == "" {
			return dst
		}
		dst = append(e.open(dst), `{"annotations":[`...)
		dst = append(appendCitation(dst, ev.Citation), "]}"...)
		return e.close(dst)
	case dialect.ImageEvent:
		dst = append(e.open(dst), `{"images":[`...)
		dst = append(appendImage(dst, ev), "]}"...)
		return e.close(dst)
	case dialect.AudioDelta:
		dst = append(e.open(dst), `{"audio":{"id":`...)
		dst = jsonscan.AppendString(dst, ev.ID)
		if ev.Data != "" {
			dst = jsonscan.AppendString(append(dst, `,"data":`...), ev.Data)
		}
		if ev.Text != "" {
			dst = jsonscan.AppendString(append(dst, `,"transcript":`...), ev.Text)
		}
		return e.close(append(dst, "}}"...))
	case dialect.Stop:
		dst = e.open(dst)
		dst = append(dst, "{}"...)
		return e.closeWith(dst, finishReason(e.reason))
	case dialect.ErrorEvent:
		return e.fail(dst)
	case dialect.End:
		if e.err != nil {
			return e.fail(dst)
		}
		e.done = true
		if e.includeUsage && e.usage.Known {
			dst = append(dst, "data: "...)
			dst = append(dst, e.prefix...)
			dst = append(dst, `],"usage":`...)
			dst = openai.AppendUsage(dst, &e.usage)
			dst = append(dst, "}\n\n"...)
		}
		return append(dst, "data: [DONE]\n\n"...)
	}
	return dst
}

// fail writes the error as the stream's terminal event. OpenAI's SDKs raise an error for data with an "error" member,
// wherever it comes, and read no further; [DONE] behind it would tell other readers that the answer is complete.
func (e *Encoder) fail(dst []byte) []byte {
	e.done = true
	dst = append(dst, "data: "...)
	dst = AppendError(dst, e.err)
	return append(dst, "\n\n"...)
}

// think keeps the text of the current block of thinking, because its signature comes last.
func (e *Encoder) think(ev *dialect.Event) {
	if ev.Index != e.blockIndex {
		e.blockIndex, e.block = ev.Index, e.block[:0]
	}
	e.block = append(e.block, ev.Text...)
}

// thinkingBlock writes one element of thinking_blocks.
func (e *Encoder) thinkingBlock(dst []byte, ev *dialect.Event) []byte {
	if ev.Kind == dialect.RedactedThinkingEvent {
		dst = append(dst, `{"type":"redacted_thinking","data":`...)
		dst = jsonscan.AppendString(dst, seal(ev))
		return append(dst, '}')
	}
	if ev.Index != e.blockIndex {
		e.blockIndex, e.block = ev.Index, e.block[:0]
	}
	dst = append(dst, `{"type":"thinking","thinking":`...)
	dst = jsonscan.AppendString(dst, e.block)
	dst = append(dst, `,"signature":`...)
	dst = jsonscan.AppendString(dst, seal(ev))
	e.block = e.block[:0]
	return append(dst, '}')
}

// seal gives a signature as callers get it. The field thinking_blocks is made after Anthropic's blocks, so what Anthropic
// signed bears no name in it.
func seal(ev *dialect.Event) string {
	return dialect.Seal(dialect.SignerAnthropic, ev.SignedBy, ev.Text)
}

// collect keeps an event for the body.
func (e *Encoder) collect(ev *dialect.Event) {
	switch ev.Kind {
	case dialect.TextDelta:
		e.text = append(e.text, ev.Text...)
	case dialect.RefusalDelta:
		e.refusal = append(e.refusal, ev.Text...)
	case dialect.ThinkingDelta:
		e.think(ev)
		e.thinking = append(e.thinking, ev.Text...)
	case dialect.SignatureDelta, dialect.RedactedThinkingEvent:
		if len(e.blocks) > 0 {
			e.blocks = append(e.blocks, ',')
		}
		e.blocks = e.thinkingBlock(e.blocks, ev)
	case dialect.ToolStart:
		e.tools = append(e.tools, toolCall{index: ev.Index, id: ev.ID, name: ev.Name, signature: ev.Signature, signedBy: ev.SignedBy})
	case dialect.ToolDelta, dialect.ToolEnd:
		for i := len(e.tools) - 1; i >= 0; i-- {
			if e.tools[i].index == ev.Index {
				e.tools[i].arguments = append(e.tools[i].arguments, ev.Text...)
				break
			}
		}
	case dialect.LogprobsEvent:
		e.logprobs = append(e.logprobs, ev.Logprobs...)
	case dialect.CitationEvent:
		if ev.Citation != nil && ev.Citation.URL != "" {
			e.notes = appendCitation(comma(e.notes), ev.Citation)
		}
	case dialect.ImageEvent:
		e.images = appendImage(comma(e.images), ev)
	case dialect.AudioDelta:
		if ev.ID != "" {
			e.soundID = ev.ID
		}
		e.data = append(e.data, ev.Data...)
		e.transcript = append(e.transcript, ev.Text...)
	case dialect.ErrorEvent, dialect.End:
		e.done = true
	}
}

// comma makes a list ready for another element.
func comma(list []byte) []byte {
	if len(list) > 0 {
		return append(list, ',')
	}
	return list
}

// Body appends the whole answer of a call that was not streamed: a chat.completion, or the error that ended the
// answer (then [Encoder.Err] is not nil and [ClientStatus] gives the status). It is complete after End.
func (e *Encoder) Body(dst []byte) []byte {
	if e.err != nil {
		return AppendError(dst, e.err)
	}
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, e.id)
	dst = append(dst, `,"object":"chat.completion","created":`...)
	dst = strconv.AppendInt(dst, e.created, 10)
	dst = append(dst, `,"model":`...)
	dst = jsonscan.AppendString(dst, e.model)
	dst = append(dst, `,"choices":[`...)
	for n := range e.begun {
		if n > 0 {
			dst = append(dst, ',')
		}
		e.follow(n)
		dst = e.message(dst)
	}
	dst = append(dst, ']')
	if e.usage.Known {
		dst = append(dst, `,"usage":`...)
		dst = openai.AppendUsage(dst, &e.usage)
	}
	return append(dst, '}')
}

// message writes a choice of a body.
func (e *Encoder) message(dst []byte) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(e.n), 10)
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	if len(e.text) == 0 && (len(e.tools) > 0 || len(e.refusal) > 0) {
		dst = append(dst, "null"...)
	} else {
		dst = jsonscan.AppendString(dst, e.text)
	}
	dst = append(dst, `,"refusal":`...)
	if len(e.refusal) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = jsonscan.AppendString(dst, e.refusal)
	}
	if len(e.thinking) > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = jsonscan.AppendString(dst, e.thinking)
	}
	if len(e.blocks) > 0 {
		dst = append(dst, `,"thinking_blocks":[`...)
		dst = append(dst, e.blocks...)
		dst = append(dst, ']')
	}
	for i := range e.tools {
		t := &e.tools[i]
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = jsonscan.AppendString(dst, t.id)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = jsonscan.AppendString(dst, t.name)
		dst = append(dst, `,"arguments":`...)
		dst = jsonscan.AppendString(dst, t.arguments)
		dst = append(dst, '}')
		dst = append(appendSignature(dst, t.signature, t.signedBy), '}')
	}
	if len(e.tools) > 0 {
		dst = append(dst, ']')
	}
	for _, l := range [...]struct {
		name string
		list []byte
	}{{"annotations", e.notes}, {"images", e.images}} {
		if len(l.list) > 0 {
			dst = append(append(append(append(append(dst, `,"`...), l.name...), `":[`...), l.list...), ']')
		}
	}
	if e.soundID != "" || len(e.data) > 0 {
		dst = jsonscan.AppendString(append(dst, `,"audio":{"id":`...), e.soundID)
		dst = jsonscan.AppendString(append(dst, `,"expires_at":0,"data":`...), e.data)
		dst = jsonscan.AppendString(append(dst, `,"transcript":`...), e.transcript)
		dst = append(dst, '}')
	}
	dst = append(dst, `},"logprobs":`...)
	if len(e.logprobs) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = openai.AppendLogprobs(append(dst, `{"content":`...), e.logprobs)
		dst = append(dst, `,"refusal":null}`...)
	}
	dst = append(dst, `,"finish_reason":`...)
	dst = jsonscan.AppendString(dst, finishReason(e.reason))
	return append(dst, '}')
}

// finishReason is the dialect's word for a neutral stop reason. A pause has none: to a client that did not ask for
// server-side tools, the turn is over.
func finishReason(r dialect.StopReason) string {
	switch r {
	case dialect.StopLength:
		return "length"
	case dialect.StopToolCalls:
		return "tool_calls"
	case dialect.StopFilter:
		return "content_filter"
	}
	return "stop"
}
