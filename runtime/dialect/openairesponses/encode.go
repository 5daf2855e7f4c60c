package openairesponses

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// nothingEchoed stands where nobody knows the request: its values are those that an empty one would have.
const nothingEchoed = `"background":false,"instructions":null,"max_output_tokens":null,"metadata":{},"parallel_tool_calls":true,"previous_response_id":null,` +
	`"reasoning":{"effort":null,"summary":null},"store":false,"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,` +
	`"truncation":"disabled"`

// Encoder turns the neutral events of one answer into this dialect: into the numbered events of a stream, or into one
// response. Since the dialect repeats what it has streamed (when a part ends, when its item ends, and in the final
// response), it keeps the whole answer; it allocates nothing per streamed event beyond the growth of its buffers.
//
// Thinking and text come in runs, so that the item that holds them ends when another begins. Calls may run side by
// side: each is an item of its own until its end.
type Encoder struct {
	o       dialect.Opening
	suffix  string // of the ids of items: what the answer's id has behind "resp_"
	started bool
	done    bool
	number  int64 // of the next event

	err     *dialect.Error
	reason  dialect.StopReason
	usage   dialect.Usage
	service string

	items []item
	open  int // the item of text or thinking that is open, by its index; -1: none
	think int // of the open item of thinking: the neutral index

	part     partKind // of the open message
	parts    []byte   // of the open message: its closed parts
	nParts   int
	text     []byte // of the open part, or of the open item of thinking
	notes    []byte // of the open part: its annotations
	nNotes   int
	logprobs []byte // of the open part
	before   int    // characters of the answer's text before the open part
}

type partKind uint8

const (
	noPart partKind = iota
	outputText
	refusal
)

type itemKind uint8

const (
	message itemKind = iota
	reasoning
	call
	image
)

// item is an element of "output".
type item struct {
	kind   itemKind
	id     string
	callID string
	name   string
	index  int  // of a call: the neutral one
	closed bool // body is whole
	body   []byte
}

var _ dialect.Encoder = (*Encoder)(nil)

// Reset makes e ready for another answer and keeps its buffers, unless they have grown large.
func (e *Encoder) Reset(o dialect.Opening) {
	for i := range e.items {
		e.items[i] = item{body: keep(e.items[i].body)}
	}
	*e = Encoder{o: o, open: -1, items: e.items[:0], parts: keep(e.parts), text: keep(e.text), notes: keep(e.notes), logprobs: keep(e.logprobs)}
}

func keep(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// Err returns the error that ended the answer, nil if there was none so far.
func (e *Encoder) Err() *dialect.Error { return e.err }

// Done reports whether the answer is at its end.
func (e *Encoder) Done() bool { return e.done }

// Event implements [dialect.Encoder]. Of several answers it takes the first.
func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done || ev.Choice > 0 {
		return dst
	}
	if !e.started && ev.Kind != dialect.ErrorEvent {
		dst = e.start(dst, ev)
	}
	switch ev.Kind {
	case dialect.TextDelta:
		if ev.Text != "" {
			dst = e.say(dst, outputText, ev.Text)
		}
	case dialect.RefusalDelta:
		if ev.Text != "" {
			dst = e.say(dst, refusal, ev.Text)
		}
	case dialect.ThinkingDelta:
		if ev.Text != "" {
			dst = e.thought(dst, ev)
		}
	case dialect.SignatureDelta:
		dst = e.closeThinking(e.thinking(dst, ev), ev.Text, ev.SignedBy)
	case dialect.RedactedThinkingEvent:
		dst = e.closeThinking(e.thinking(e.close(dst), ev), redacted+ev.Text, ev.SignedBy)
	case dialect.ToolStart:
		dst = e.call(e.close(dst), ev)
	case dialect.ToolDelta:
		dst = e.argument(dst, ev)
	case dialect.ToolEnd:
		if ev.Text != "" {
			dst = e.argument(dst, ev)
		}
		if i := e.find(ev.Index); i >= 0 {
			dst = e.closeCall(dst, i, "completed")
		}
	case dialect.CitationEvent:
		dst = e.annotation(dst, ev.Citation)
	case dialect.LogprobsEvent:
		dst = e.logprob(dst, ev.Logprobs)
	case dialect.ImageEvent:
		if ev.Data != "" {
			dst = e.image(e.close(dst), ev.Data)
		}
	case dialect.UsageEvent:
		e.usage = ev.Usage
		switch ev.Usage.Service {
		case "batch", "flex", "priority", "scale": // the tiers that OpenAI has a word for
			e.service = ev.Usage.Service
		}
	case dialect.Stop:
		e.reason = ev.StopReason
	case dialect.ErrorEvent:
		if e.err = ev.Err; e.err == nil {
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

func (e *Encoder) start(dst []byte, ev *dialect.Event) []byte {
	e.started = true
	if e.o.ID == "" {
		e.o.ID = ev.ID
	}
	if e.o.Model == "" {
		e.o.Model = ev.Model
	}
	e.suffix = strings.TrimPrefix(e.o.ID, "resp_")
	if !e.o.Stream {
		return dst
	}
	for _, name := range [...]string{"response.created", "response.in_progress"} {
		dst = e.event(dst, name)
		dst = append(dst, `,"response":`...)
		dst = e.response(dst, "in_progress")
		dst = append(dst, "}\n\n"...)
	}
	return dst
}

// event begins an event: what follows are its members, and "}\n\n".
func (e *Encoder) event(dst []byte, name string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, name...)
	dst = append(dst, "\ndata: {\"type\":\""...)
	dst = append(dst, name...)
	dst = append(dst, `","sequence_number":`...)
	dst = strconv.AppendInt(dst, e.number, 10)
	e.number++
	return dst
}

// of writes which item an event is about.
func (e *Encoder) of(dst []byte, i int) []byte {
	dst = append(dst, `,"item_id":`...)
	dst = jsonscan.AppendString(dst, e.items[i].id)
	return e.at(dst, i)
}

func (e *Encoder) at(dst []byte, i int) []byte {
	dst = append(dst, `,"output_index":`...)
	return strconv.AppendInt(dst, int64(i), 10)
}

// ofPart writes which part of the open message an event is about.
func (e *Encoder) ofPart(dst []byte) []byte {
	dst = append(e.of(dst, e.open), `,"content_index":`...)
	return strconv.AppendInt(dst, int64(e.nParts), 10)
}

// add begins an item. Its id is the provider's where that has one for it.
func (e *Encoder) add(kind itemKind, id, prefix string) *item {
	n := len(e.items)
	if e.items = slices.Grow(e.items, 1)[:n+1]; id == "" {
		id = prefix + e.suffix + "_" + strconv.Itoa(n)
	}
	it := &e.items[n]
	*it = item{kind: kind, id: id, body: it.body[:0]}
	return it
}

// added tells that the last item has begun; body appends it.
func (e *Encoder) added(dst []byte, body func(dst []byte, it *item) []byte) []byte {
	if !e.o.Stream {
		return dst
	}
	n := len(e.items) - 1
	dst = e.at(e.event(dst, "response.output_item.added"), n)
	dst = append(dst, `,"item":`...)
	dst = body(dst, &e.items[n])
	return append(dst, "}\n\n"...)
}

// ended tells that an item is whole.
func (e *Encoder) ended(dst []byte, i int) []byte {
	e.items[i].closed = true
	if !e.o.Stream {
		return dst
	}
	dst = e.at(e.event(dst, "response.output_item.done"), i)
	dst = append(dst, `,"item":`...)
	dst = append(dst, e.items[i].body...)
	return append(dst, "}\n\n"...)
}

// say takes a piece of text or of a refusal.
func (e *Encoder) say(dst []byte, kind partKind, text string) []byte {
	dst = e.begin(dst, kind)
	e.text = append(e.text, text...)
	if !e.o.Stream {
		return dst
	}
	if kind == refusal {
		dst = e.ofPart(e.event(dst, "response.refusal.delta"))
		dst = append(dst, `,"delta":`...)
		dst = jsonscan.AppendString(dst, text)
		return append(dst, "}\n\n"...)
	}
	dst = e.ofPart(e.event(dst, "response.output_text.delta"))
	dst = append(dst, `,"delta":`...)
	dst = jsonscan.AppendString(dst, text)
	return append(dst, ",\"logprobs\":[]}\n\n"...)
}

// begin opens a part of a message, unless it is the one that is open.
func (e *Encoder) begin(dst []byte, kind partKind) []byte {
	if e.open >= 0 && e.items[e.open].kind == message {
		if e.part == kind {
			return dst
		}
		dst = e.closePart(dst)
	} else {
		dst = e.close(dst)
		e.add(message, "", "msg_")
		e.open = len(e.items) - 1
		dst = e.added(dst, func(dst []byte, it *item) []byte { return e.message(dst, it, "in_progress") })
	}
	e.part = kind
	if !e.o.Stream {
		return dst
	}
	dst = e.ofPart(e.event(dst, "response.content_part.added"))
	if kind == refusal {
		return append(dst, ",\"part\":{\"type\":\"refusal\",\"refusal\":\"\"}}\n\n"...)
	}
	return append(dst, ",\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[],\"logprobs\":[]}}\n\n"...)
}

// message writes a message with its closed parts.
func (e *Encoder) message(dst []byte, it *item, status string) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, it.id)
	dst = append(dst, `,"type":"message","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","role":"assistant","content":[`...)
	dst = append(dst, e.parts...)
	return append(dst, "]}"...)
}

// appendPart writes the open part.
func (e *Encoder) appendPart(dst []byte) []byte {
	if e.part == refusal {
		dst = append(dst, `{"type":"refusal","refusal":`...)
		dst = jsonscan.AppendString(dst, e.text)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"output_text","text":`...)
	dst = jsonscan.AppendString(dst, e.text)
	dst = append(dst, `,"annotations":[`...)
	dst = append(dst, e.notes...)
	dst = append(dst, `],"logprobs":[`...)
	dst = append(dst, e.logprobs...)
	return append(dst, "]}"...)
}

// closePart ends the open part of the open message.
func (e *Encoder) closePart(dst []byte) []byte {
	if e.part == noPart {
		return dst
	}
	if e.o.Stream {
		if e.part == refusal {
			dst = e.ofPart(e.event(dst, "response.refusal.done"))
			dst = append(dst, `,"refusal":`...)
			dst = jsonscan.AppendString(dst, e.text)
		} else {
			dst = e.ofPart(e.event(dst, "response.output_text.done"))
			dst = append(dst, `,"text":`...)
			dst = jsonscan.AppendString(dst, e.text)
			dst = append(dst, `,"logprobs":[`...)
			dst = append(dst, e.logprobs...)
			dst = append(dst, ']')
		}
		dst = append(dst, "}\n\n"...)
		dst = e.ofPart(e.event(dst, "response.content_part.done"))
		dst = append(dst, `,"part":`...)
		dst = e.appendPart(dst)
		dst = append(dst, "}\n\n"...)
	}
	if e.nParts > 0 {
		e.parts = append(e.parts, ',')
	}
	e.parts = e.appendPart(e.parts)
	if e.part == outputText {
		e.before += utf8.RuneCount(e.text)
	}
	e.nParts++
	e.part, e.text, e.notes, e.nNotes, e.logprobs = noPart, e.text[:0], e.notes[:0], 0, e.logprobs[:0]
	return dst
}

// close ends the open item of text or thinking.
func (e *Encoder) close(dst []byte) []byte { return e.closeAs(dst, "completed") }

func (e *Encoder) closeAs(dst []byte, status string) []byte {
	switch {
	case e.open < 0:
		return dst
	case e.items[e.open].kind == reasoning:
		return e.closeThinking(dst, "", dialect.SignerUnknown)
	}
	dst = e.closePart(dst)
	it := &e.items[e.open]
	it.body = e.message(it.body, it, status)
	dst = e.ended(dst, e.open)
	e.open, e.parts, e.nParts = -1, e.parts[:0], 0
	return dst
}

// thinking opens an item of thinking, unless it is the one that is open.
func (e *Encoder) thinking(dst []byte, ev *dialect.Event) []byte {
	if e.open >= 0 && e.items[e.open].kind == reasoning && e.think == ev.Index {
		return dst
	}
	dst = e.close(dst)
	id := ""
	if strings.HasPrefix(ev.ID, "rs_") {
		id = ev.ID
	}
	e.add(reasoning, id, "rs_")
	e.open, e.think = len(e.items)-1, ev.Index
	return e.added(dst, func(dst []byte, it *item) []byte {
		dst = append(dst, `{"id":`...)
		dst = jsonscan.AppendString(dst, it.id)
		return append(dst, `,"type":"reasoning","summary":[]}`...)
	})
}

// ofSummary writes which summary an event is about: an item has one part of it.
func (e *Encoder) ofSummary(dst []byte) []byte {
	return append(e.of(dst, e.open), `,"summary_index":0`...)
}

// thought takes a piece of thinking.
func (e *Encoder) thought(dst []byte, ev *dialect.Event) []byte {
	dst = e.thinking(dst, ev)
	if e.o.Stream {
		if len(e.text) == 0 {
			dst = e.ofSummary(e.event(dst, "response.reasoning_summary_part.added"))
			dst = append(dst, ",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}\n\n"...)
		}
		dst = e.ofSummary(e.event(dst, "response.reasoning_summary_text.delta"))
		dst = append(dst, `,"delta":`...)
		dst = jsonscan.AppendString(dst, ev.Text)
		dst = append(dst, "}\n\n"...)
	}
	e.text = append(e.text, ev.Text...)
	return dst
}

// closeThinking ends the open item of thinking.
func (e *Encoder) closeThinking(dst []byte, signature string, by dialect.Signer) []byte {
	it := &e.items[e.open]
	b := append(it.body, `{"id":`...)
	b = jsonscan.AppendString(b, it.id)
	b = append(b, `,"type":"reasoning","summary":[`...)
	if len(e.text) > 0 {
		if e.o.Stream {
			dst = e.ofSummary(e.event(dst, "response.reasoning_summary_text.done"))
			dst = append(dst, `,"text":`...)
			dst = jsonscan.AppendString(dst, e.text)
			dst = append(dst, "}\n\n"...)
			dst = e.ofSummary(e.event(dst, "response.reasoning_summary_part.done"))
			dst = append(dst, `,"part":`...)
			dst = e.summary(dst)
			dst = append(dst, "}\n\n"...)
		}
		b = e.summary(b)
	}
	b = append(b, ']')
	if signature != "" {
		b = append(b, `,"encrypted_content":`...)
		b = jsonscan.AppendString(b, seal(it.id, by, signature))
	}
	it.body = append(b, '}')
	dst = e.ended(dst, e.open)
	e.open, e.text = -1, e.text[:0]
	return dst
}

// seal gives encrypted_content: OpenAI's own as it was under its id, anything else with its signer's name.
func seal(id string, by dialect.Signer, signature string) string {
	if by == dialect.SignerOpenAI {
		if content, ok := strings.CutPrefix(signature, id+":"); ok {
			return content
		}
		// Under another id than its own: OpenAI's name brings the right one back.
		return dialect.Seal(dialect.SignerUnknown, by, signature)
	}
	if by == dialect.SignerUnknown {
		by = nobody // without a name it would be taken for OpenAI's
	}
	return dialect.Seal(dialect.SignerOpenAI, by, signature)
}

// nobody is the name of signers whom nobody knows: whoever gets such a signature back judges.
const nobody dialect.Signer = "unknown"

func (e *Encoder) summary(dst []byte) []byte {
	dst = append(dst, `{"type":"summary_text","text":`...)
	dst = jsonscan.AppendString(dst, e.text)
	return append(dst, '}')
}

// call opens the item of a call.
func (e *Encoder) call(dst []byte, ev *dialect.Event) []byte {
	it := e.add(call, "", "fc_")
	it.callID, it.name, it.index = ev.ID, ev.Name, ev.Index
	return e.added(dst, func(dst []byte, it *item) []byte { return appendCall(dst, it, "in_progress", nil) })
}

func appendCall(dst []byte, it *item, status string, arguments []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, it.id)
	dst = append(dst, `,"type":"function_call","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","call_id":`...)
	dst = jsonscan.AppendString(dst, it.callID)
	dst = append(dst, `,"name":`...)
	dst = jsonscan.AppendString(dst, it.name)
	dst = append(dst, `,"arguments":`...)
	dst = jsonscan.AppendString(dst, arguments)
	return append(dst, '}')
}

// find returns the item of an open call, -1 if there is none.
func (e *Encoder) find(index int) int {
	for i := len(e.items) - 1; i >= 0; i-- {
		if it := &e.items[i]; it.kind == call && it.index == index && !it.closed {
			return i
		}
	}
	return -1
}

// argument takes a fragment of a call's arguments. Until its end, the item's body holds the arguments alone.
func (e *Encoder) argument(dst []byte, ev *dialect.Event) []byte {
	i := e.find(ev.Index)
	if i < 0 || ev.Text == "" {
		return dst
	}
	e.items[i].body = append(e.items[i].body, ev.Text...)
	if !e.o.Stream {
		return dst
	}
	dst = e.of(e.event(dst, "response.function_call_arguments.delta"), i)
	dst = append(dst, `,"delta":`...)
	dst = jsonscan.AppendString(dst, ev.Text)
	return append(dst, "}\n\n"...)
}

func (e *Encoder) closeCall(dst []byte, i int, status string) []byte {
	it := &e.items[i]
	if e.o.Stream {
		dst = e.of(e.event(dst, "response.function_call_arguments.done"), i)
		dst = append(dst, `,"name":`...)
		dst = jsonscan.AppendString(dst, it.name)
		dst = append(dst, `,"arguments":`...)
		dst = jsonscan.AppendString(dst, it.body)
		dst = append(dst, "}\n\n"...)
	}
	// The buffer of what was streamed holds the arguments while the item is written behind them.
	n := len(it.body)
	it.body = appendCall(it.body, it, status, it.body[:n])
	it.body = append(it.body[:0], it.body[n:]...)
	return e.ended(dst, i)
}

// annotation takes a source that has an address. It belongs to the open part, or to one without text.
func (e *Encoder) annotation(dst []byte, c *dialect.Citation) []byte {
	if c == nil || c.URL == "" {
		return dst
	}
	dst = e.begin(dst, outputText)
	from := len(e.notes)
	if from > 0 {
		e.notes = append(e.notes, ',')
		from++
	}
	e.notes = append(e.notes, `{"type":"url_citation","start_index":`...)
	e.notes = strconv.AppendInt(e.notes, int64(max(c.Start-e.before, 0)), 10)
	e.notes = append(e.notes, `,"end_index":`...)
	e.notes = strconv.AppendInt(e.notes, int64(max(c.End-e.before, 0)), 10)
	e.notes = append(e.notes, `,"url":`...)
	e.notes = jsonscan.AppendString(e.notes, c.URL)
	e.notes = append(e.notes, `,"title":`...)
	e.notes = jsonscan.AppendString(e.notes, c.Title)
	e.notes = append(e.notes, '}')
	if e.o.Stream {
		dst = e.ofPart(e.event(dst, "response.output_text.annotation.added"))
		dst = append(dst, `,"annotation_index":`...)
		dst = strconv.AppendInt(dst, int64(e.nNotes), 10)
		dst = append(dst, `,"annotation":`...)
		dst = append(dst, e.notes[from:]...)
		dst = append(dst, "}\n\n"...)
	}
	e.nNotes++
	return dst
}

// logprob takes the log probabilities of text that has been sent: they go with a delta that adds nothing to it.
func (e *Encoder) logprob(dst []byte, list []dialect.Logprob) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = e.begin(dst, outputText)
	from := len(e.logprobs)
	for i := range list {
		if len(e.logprobs) > 0 {
			e.logprobs = append(e.logprobs, ',')
		}
		if i == 0 {
			from = len(e.logprobs)
		}
		e.logprobs = appendLogprob(e.logprobs, &list[i], true)
	}
	if e.o.Stream {
		dst = e.ofPart(e.event(dst, "response.output_text.delta"))
		dst = append(dst, `,"delta":"","logprobs":[`...)
		dst = append(dst, e.logprobs[from:]...)
		dst = append(dst, "]}\n\n"...)
	}
	return dst
}

func appendLogprob(dst []byte, l *dialect.Logprob, top bool) []byte {
	dst = append(dst, `{"token":`...)
	dst = jsonscan.AppendString(dst, l.Token)
	dst = append(dst, `,"logprob":`...)
	dst = strconv.AppendFloat(dst, l.Logprob, 'g', -1, 64)
	dst = append(dst, `,"bytes":[`...)
	for i, b := range l.Bytes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(b), 10)
	}
	dst = append(dst, ']')
	if top {
		dst = append(dst, `,"top_logprobs":[`...)
		for i := range l.Top {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendLogprob(dst, &l.Top[i], false)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// image writes a whole image as what OpenAI's own tool for images would have made.
func (e *Encoder) image(dst []byte, data string) []byte {
	it := e.add(image, "", "ig_")
	it.body = append(it.body, `{"id":`...)
	it.body = jsonscan.AppendString(it.body, it.id)
	it.body = append(it.body, `,"type":"image_generation_call","status":"completed","result":`...)
	it.body = jsonscan.AppendString(it.body, data)
	it.body = append(it.body, '}')
	dst = e.added(dst, func(dst []byte, it *item) []byte {
		dst = append(dst, `{"id":`...)
		dst = jsonscan.AppendString(dst, it.id)
		return append(dst, `,"type":"image_generation_call","status":"in_progress","result":null}`...)
	})
	return e.ended(dst, len(e.items)-1)
}

// status is the dialect's word for how an answer ended. A pause has none: to a caller who did not ask for server-side
// tools the turn is over.
func (e *Encoder) status() string {
	switch e.reason {
	case dialect.StopLength, dialect.StopFilter:
		return "incomplete"
	case dialect.StopError:
		return "failed"
	}
	return "completed"
}

// end closes what is open and writes what ends an answer that came to its end.
func (e *Encoder) end(dst []byte) []byte {
	status := e.status()
	item := "completed"
	if status != "completed" {
		item = "incomplete"
	}
	dst = e.closeAs(dst, item)
	for i := range e.items {
		if !e.items[i].closed {
			dst = e.closeCall(dst, i, item)
		}
	}
	e.done = true
	if !e.o.Stream {
		return dst
	}
	dst = append(e.event(dst, "response."+status), `,"response":`...)
	dst = e.response(dst, status)
	return append(dst, "}\n\n"...)
}

// fail writes the error as the stream's last event. Its members are told twice: flat, as the API's document has them,
// and below "error", as the API sends them and as the SDKs look for them.
func (e *Encoder) fail(dst []byte) []byte {
	e.done = true
	if !e.o.Stream {
		return dst
	}
	dst = e.event(dst, "error")
	dst = append(dst, `,"code":`...)
	dst = openai.AppendStringOrNull(dst, e.err.Code)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, openai.Message(e.err))
	dst = append(dst, `,"param":`...)
	dst = openai.AppendStringOrNull(dst, e.err.Param)
	dst = append(dst, `,"error":`...)
	dst = openai.AppendErrorObject(dst, e.err)
	return append(dst, "}\n\n"...)
}

// Body appends the whole response of a call that was not streamed, or the error that ended it.
func (e *Encoder) Body(dst []byte) []byte {
	if e.err != nil {
		return openai.AppendError(dst, e.err)
	}
	return e.response(dst, e.status())
}

// response writes the response object.
func (e *Encoder) response(dst []byte, status string) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, e.o.ID)
	dst = append(dst, `,"object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, e.o.Created, 10)
	dst = append(dst, `,"status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","error":`...)
	if status == "failed" {
		dst = append(dst, `{"code":"server_error","message":"The model did not come to the end of its answer."}`...)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"incomplete_details":`...)
	switch {
	case status != "incomplete":
		dst = append(dst, "null"...)
	case e.reason == dialect.StopFilter:
		dst = append(dst, `{"reason":"content_filter"}`...)
	default:
		dst = append(dst, `{"reason":"max_output_tokens"}`...)
	}
	dst = append(dst, `,"model":`...)
	dst = jsonscan.AppendString(dst, e.o.Model)
	dst = append(dst, `,"output":[`...)
	if status != "in_progress" {
		for i := range e.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, e.items[i].body...)
		}
	}
	dst = append(dst, "],"...)
	if len(e.o.Echo) > 0 {
		dst = append(dst, e.o.Echo...)
	} else {
		dst = append(dst, nothingEchoed...)
	}
	if e.service != "" && e.service != "batch" { // a batch is no tier of this API
		dst = append(dst, `,"service_tier":`...)
		dst = jsonscan.AppendString(dst, e.service)
	}
	if status != "in_progress" && e.usage.Known {
		dst = append(dst, `,"usage":`...)
		dst = appendUsage(dst, &e.usage)
	}
	return append(dst, '}')
}

// appendUsage writes a usage object. The neutral convention is OpenAI's: the parts are inside the totals.
func appendUsage(dst []byte, u *dialect.Usage) []byte {
	dst = append(dst, `{"input_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input, 10)
	dst = append(dst, `,"input_tokens_details":{"cached_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheRead, 10)
	dst = append(dst, `,"cache_write_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite, 10)
	dst = append(dst, `},"output_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	dst = append(dst, `,"output_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, u.Reasoning, 10)
	dst = append(dst, `},"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input+u.Output, 10)
	return append(dst, '}')
}
