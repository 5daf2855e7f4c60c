package openaichat

import (
	"bytes"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// maxCalls bounds the calls of tools in one answer.
const maxCalls = 1024

// maxChoices bounds the choices of one answer, as the API does.
const maxChoices = 128

// Decoder reads one answer of a provider that speaks this dialect. It allocates one string per delta in steady state.
type Decoder struct {
	dialect.Intake

	// Tags tells that thinking stands in the text, between <think> and </think>. It is set before Reset.
	Tags bool

	started bool
	*course           // of the choice that is being read
	courses []*course // of all choices, by index; kept from answer to answer
	begun   int       // how many of them this answer has
}

// course is how far a choice has come.
type course struct {
	n       int // its index
	reason  dialect.StopReason
	thought bool // inside a run of thinking, which has one index
	blocks  int  // runs of thinking so far
	calls   []calling
	tags
}

// follow goes on with a choice. It reports false where the API has none of the kind.
func (d *Decoder) follow(n int64) bool {
	if n < 0 || n >= maxChoices {
		return false
	}
	for d.begun <= int(n) {
		if d.begun == len(d.courses) {
			d.courses = append(d.courses, &course{n: d.begun})
		}
		d.begun++
	}
	d.course = d.courses[n]
	return true
}

// Emit passes an event of the current choice on.
func (d *Decoder) Emit(emit func(*dialect.Event), ev dialect.Event) {
	ev.Choice = d.n
	d.Intake.Emit(emit, ev)
}

var _ dialect.Decoder = (*Decoder)(nil)

// calling is a call of a tool that has begun.
type calling struct {
	index int64 // the provider's
	id    string
	ended bool
	// signature is Google's over the call; its OpenAI-compatible API gives it beside the call.
	signature string
	balance
}

// balance tells when the fragments of a JSON object have come to its end.
type balance struct {
	depth            int
	inString, escape bool
	whole            bool
	some             bool // anything but white space was seen
}

// add takes the next fragment.
func (b *balance) add(s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case b.escape:
			b.escape = false
		case b.inString:
			switch c {
			case '\\':
				b.escape = true
			case '"':
				b.inString = false
			}
		case c == '"':
			b.inString, b.some = true, true
		case c == '{' || c == '[':
			b.some = true
			b.depth++
		case c == '}' || c == ']':
			b.depth--
			b.whole = b.depth == 0
		case c != ' ' && c != '\n' && c != '\r' && c != '\t':
			b.some = true
		}
	}
}

// Reset makes d ready for another answer and keeps its buffers, unless they have grown large.
func (d *Decoder) Reset(stream bool) {
	for i, c := range d.courses {
		clear(c.calls)
		*c = course{n: i, calls: c.calls[:0]}
	}
	*d = Decoder{Intake: d.Intake, Tags: d.Tags, courses: d.courses}
	d.Intake.Reset(stream)
	d.follow(0)
}

// Feed implements [dialect.Decoder].
func (d *Decoder) Feed(b []byte, emit func(*dialect.Event)) { d.Take(b, emit, d.event) }

// Finish implements [dialect.Decoder].
func (d *Decoder) Finish(emit func(*dialect.Event)) {
	if d.Ended {
		return
	}
	if !d.Stream {
		d.whole(emit)
		d.Body = nil
		return
	}
	if d.Last(func(data []byte) bool { return bytes.HasPrefix(data, done) || jsonscan.Valid(data) == nil }) {
		d.event(emit)
	}
	switch {
	case d.Ended:
	case d.complete():
		d.end(emit) // only [DONE] is missing
	default:
		d.Fail(emit, "The provider's stream ended before the answer was complete.")
	}
}

// complete reports whether every choice has its finish reason.
func (d *Decoder) complete() bool {
	for _, c := range d.courses[:d.begun] {
		if c.reason == "" {
			return false
		}
	}
	return true
}

// end emits the stop reasons, which are held back until all has been said, and the end.
func (d *Decoder) end(emit func(*dialect.Event)) {
	for n := range d.begun {
		d.follow(int64(n))
		d.untag(emit)
		for i := range d.calls {
			d.endCall(&d.calls[i], emit)
		}
		if d.reason == dialect.StopEnd && len(d.calls) > 0 {
			d.reason = dialect.StopToolCalls // some servers say "stop" for calls as well
		}
		d.Emit(emit, dialect.Event{Kind: dialect.Stop, StopReason: d.reason})
	}
	d.End(emit)
}

// event reads one chunk. What is not JSON breaks the answer off: a piece of it is lost, and without it the rest would
// look whole.
func (d *Decoder) event(emit func(*dialect.Event)) {
	data := d.SSE.Data
	if bytes.HasPrefix(data, done) {
		if !d.complete() {
			d.Fail(emit, "The provider's stream ended without a finish reason.")
			return
		}
		d.end(emit)
		return
	}
	if jsonscan.Valid(data) != nil {
		d.Fail(emit, "The provider's stream holds an event that cannot be read.")
		return
	}
	d.chunk(data, "delta", emit)
}

// whole reads an answer that was not streamed.
func (d *Decoder) whole(emit func(*dialect.Event)) {
	if jsonscan.Valid(d.Body) != nil {
		d.Fail(emit, "The provider's answer is not a complete chat completion.")
		return
	}
	d.chunk(d.Body, "message", emit)
	switch {
	case d.Ended:
	case d.complete():
		d.end(emit)
	default:
		d.Fail(emit, "The provider's answer is not a complete chat completion.")
	}
}

// chunk reads a chunk or a whole answer; member is where a choice holds its content.
func (d *Decoder) chunk(data []byte, member string, emit func(*dialect.Event)) {
	var id, model, choices, usage, groq, service, failure []byte
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "id":
			id = c.Skip()
		case "model":
			model = c.Skip()
		case "choices":
			choices = c.Skip()
		case "usage":
			usage = c.Skip()
		case "x_groq":
			groq = c.Skip()
		case "service_tier":
			service = c.Skip()
		case "error":
			failure = c.Skip()
		default:
			c.Skip()
		}
	}
	if len(failure) > 0 && (failure[0] == '{' || failure[0] == '"' && len(failure) > 2) {
		d.FailWith(emit, streamError(data))
		return
	}
	if !d.started && string(choices) == "[]" && len(d.Text(id)) == 0 && member == "delta" {
		return // Azure's first chunk, with what its filter found in the prompt, says nothing of the answer
	}
	if !d.started {
		d.started = true
		d.Emit(emit, dialect.Event{Kind: dialect.Start, ID: d.Text(id), Model: d.Text(model)})
	}
	if len(choices) > 0 && choices[0] == '[' {
		c := jsonscan.Over(choices)
		for c.Enter(); c.More(); {
			if raw := c.Skip(); len(raw) > 0 && raw[0] == '{' {
				if usage2 := d.choice(raw, member, emit); usage2 != nil && usage == nil {
					usage = usage2
				}
			}
			if d.Ended {
				return
			}
		}
	}
	if usage == nil && len(groq) > 0 && groq[0] == '{' {
		c := jsonscan.Over(groq)
		for c.Enter(); c.More(); {
			if name := c.Key(); string(name) == "usage" {
				usage = c.Skip()
			} else {
				c.Skip()
			}
		}
	}
	d.follow(0)
	if u, ok := readUsage(usage); ok {
		if s := dialect.Service(service); s != "" {
			u.Service = s
		}
		d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: u})
	}
}

// choice reads a choice and returns the usage that some servers put there.
func (d *Decoder) choice(raw []byte, member string, emit func(*dialect.Event)) (usage []byte) {
	var content, finish, logprobs []byte
	index := int64(0)
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch key := c.Key(); {
		case string(key) == "index":
			if n, ok := c.Int(); ok {
				index = n
			}
		case string(key) == "logprobs":
			logprobs = c.Skip()
		case string(key) == member:
			content = c.Skip()
		case string(key) == "finish_reason":
			finish = c.Skip()
		case string(key) == "usage":
			usage = c.Skip()
		default:
			c.Skip()
		}
	}
	if !d.follow(index) {
		return nil
	}
	if len(content) > 0 && content[0] == '{' {
		d.message(content, emit)
	}
	if len(logprobs) > 0 && logprobs[0] == '{' {
		c := jsonscan.Over(logprobs)
		for c.Enter(); c.More(); {
			if key := c.Key(); string(key) != "content" {
				c.Skip()
			} else if list := dialect.ReadLogprobs(c.Skip()); len(list) > 0 {
				d.Emit(emit, dialect.Event{Kind: dialect.LogprobsEvent, Logprobs: list})
			}
		}
	}
	if r := stopReason(finish); r != "" {
		d.reason = r
	}
	return usage
}

// message reads a delta, or a whole message: thinking, text, refusal, calls.
func (d *Decoder) message(raw []byte, emit func(*dialect.Event)) {
	var text, refusal, thinking, blocks, calls, function, sound, images, notes []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "content":
			text = c.Skip()
		case "refusal":
			refusal = c.Skip()
		case "reasoning_content", "reasoning":
			if s := c.Skip(); len(s) > 2 && s[0] == '"' {
				thinking = s
			}
		case "thinking_blocks":
			blocks = c.Skip()
		case "tool_calls":
			calls = c.Skip()
		case "function_call":
			function = c.Skip()
		case "audio":
			sound = c.Skip()
		case "images":
			images = c.Skip()
		case "annotations":
			notes = c.Skip()
		default:
			c.Skip()
		}
	}
	if thinking != nil {
		d.think(d.Text(thinking), emit)
	}
	if len(blocks) > 0 && blocks[0] == '[' {
		d.thinkingBlocks(blocks, thinking == nil && !d.thought, emit)
	}
	switch {
	case len(text) > 2 && text[0] == '"':
		if d.Tags {
			d.tagged(d.Text(text), emit)
		} else {
			d.say(dialect.TextDelta, d.Text(text), emit)
		}
	case len(text) > 0 && text[0] == '[':
		d.parts(text, emit)
	}
	if len(refusal) > 2 && refusal[0] == '"' {
		d.say(dialect.RefusalDelta, d.Text(refusal), emit)
	}
	if len(sound) > 0 && sound[0] == '{' {
		d.sound(sound, emit)
	}
	if len(images) > 0 && images[0] == '[' {
		d.images(images, emit)
	}
	if len(notes) > 0 && notes[0] == '[' {
		d.annotations(notes, emit)
	}
	if len(calls) > 0 && calls[0] == '[' {
		c := jsonscan.Over(calls)
		for c.Enter(); c.More(); {
			if raw := c.Skip(); len(raw) > 0 && raw[0] == '{' {
				d.call(raw, emit)
			}
		}
	}
	if len(function) > 0 && function[0] == '{' { // the form before tools: one call, without an id
		d.function(&calling{index: -1}, nil, function, emit)
	}
}

func (d *Decoder) say(kind dialect.EventKind, s string, emit func(*dialect.Event)) {
	if s != "" {
		d.rest()
		d.Emit(emit, dialect.Event{Kind: kind, Text: s})
	}
}

func (d *Decoder) think(s string, emit func(*dialect.Event)) {
	if s != "" {
		d.thought = true
		d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: d.blocks, Text: s})
	}
}

// rest ends a run of thinking.
func (d *Decoder) rest() {
	if d.thought {
		d.thought = false
		d.blocks++
	}
}

// thinkingBlocks reads the extension by which gateways carry signed thinking: in a stream each signature behind its
// text, in a whole answer the blocks beside the text, which is then the same (withText: it is not).
func (d *Decoder) thinkingBlocks(raw []byte, withText bool, emit func(*dialect.Event)) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		raw := c.Skip()
		if len(raw) == 0 || raw[0] != '{' {
			continue
		}
		var kind, text, signature, data []byte
		b := jsonscan.Over(raw)
		for b.Enter(); b.More(); {
			switch string(b.Key()) {
			case "type":
				kind = b.Skip()
			case "thinking":
				text = b.Skip()
			case "signature":
				signature = b.Skip()
			case "data":
				data = b.Skip()
			default:
				b.Skip()
			}
		}
		if string(kind) == `"redacted_thinking"` {
			d.rest()
			by, data := dialect.Unseal(dialect.SignerUnknown, d.Text(data))
			d.Emit(emit, dialect.Event{Kind: dialect.RedactedThinkingEvent, Index: d.blocks, Text: data, SignedBy: by})
			d.blocks++
			continue
		}
		if withText {
			d.think(d.Text(text), emit)
		}
		if s := d.Text(signature); s != "" {
			d.thought = true
			by, s := dialect.Unseal(dialect.SignerUnknown, s)
			d.Emit(emit, dialect.Event{Kind: dialect.SignatureDelta, Index: d.blocks, Text: s, SignedBy: by})
			d.rest()
		}
	}
}

// parts reads content that is a list: text and refusal, and thinking as Mistral's models give it.
func (d *Decoder) parts(raw []byte, emit func(*dialect.Event)) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		raw := c.Skip()
		if len(raw) == 0 || raw[0] != '{' {
			continue
		}
		var kind, text, thinking []byte
		b := jsonscan.Over(raw)
		for b.Enter(); b.More(); {
			switch string(b.Key()) {
			case "type":
				kind = b.Skip()
			case "text", "refusal":
				text = b.Skip()
			case "thinking":
				thinking = b.Skip()
			default:
				b.Skip()
			}
		}
		switch string(kind) {
		case `"text"`:
			d.say(dialect.TextDelta, d.Text(text), emit)
		case `"refusal"`:
			d.say(dialect.RefusalDelta, d.Text(text), emit)
		case `"thinking"`:
			if len(thinking) > 0 && thinking[0] == '"' {
				d.think(d.Text(thinking), emit)
				continue
			}
			if len(thinking) == 0 || thinking[0] != '[' {
				continue
			}
			t := jsonscan.Over(thinking)
			for t.Enter(); t.More(); {
				if t.Kind() != '{' {
					t.Skip()
					continue
				}
				for t.Enter(); t.More(); {
					if key := t.Key(); string(key) == "text" {
						d.think(d.Text(t.Skip()), emit)
					} else {
						t.Skip()
					}
				}
			}
		}
	}
}

// call reads an element of tool_calls. In a stream the first of a call has its id and name, the others are fragments of
// its arguments; servers that send whole calls give many of them the same index, or none.
func (d *Decoder) call(raw []byte, emit func(*dialect.Event)) {
	now := calling{index: -1}
	var id, function, extra []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "index":
			if n, ok := c.Int(); ok && n >= 0 {
				now.index = n
			}
		case "id":
			id = c.Skip()
		case "function":
			function = c.Skip()
		case "extra_content":
			extra = c.Skip()
		default:
			c.Skip()
		}
	}
	now.signature = thoughtSignature(extra)
	d.function(&now, id, function, emit)
}

func (d *Decoder) function(now *calling, id, raw []byte, emit func(*dialect.Event)) {
	d.untag(emit)
	var name, arguments []byte
	if len(raw) > 0 && raw[0] == '{' {
		c := jsonscan.Over(raw)
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
	}
	now.id = d.Text(id)
	n := d.find(now, len(name) > 2)
	if n < 0 {
		if len(d.calls) == maxCalls {
			d.Fail(emit, "The provider's answer calls too many tools.")
			return
		}
		n = len(d.calls)
		d.rest()
		for i := range d.calls {
			if d.calls[i].whole {
				d.endCall(&d.calls[i], emit)
			}
		}
		if now.id == "" {
			now.id = "call_" + strconv.Itoa(n)
		}
		d.calls = append(d.calls, *now)
		ev := dialect.Event{Kind: dialect.ToolStart, Index: n, ID: now.id, Name: d.Text(name)}
		if now.signature != "" {
			ev.Signature, ev.SignedBy = now.signature, dialect.SignerGemini
		}
		d.Emit(emit, ev)
	}
	if len(arguments) == 0 {
		return
	}
	s := ""
	switch arguments[0] {
	case '"':
		s = d.Text(arguments)
	case '{':
		s = string(arguments) // an object instead of its text: some servers
	}
	if s == "" {
		return
	}
	call := &d.calls[n]
	if call.ended {
		d.Fail(emit, "The provider's stream went back to a call that was at its end.")
		return
	}
	call.add(s)
	d.Emit(emit, dialect.Event{Kind: dialect.ToolDelta, Index: n, Text: s})
}

// find returns the call that an element goes on with, -1 where it begins a new one.
func (d *Decoder) find(now *calling, named bool) int {
	for i := len(d.calls) - 1; i >= 0; i-- {
		c := &d.calls[i]
		switch {
		case now.index >= 0 && c.index == now.index:
			if named && now.id != "" && now.id != c.id {
				return -1
			}
			return i
		case now.index < 0 && now.id != "" && now.id == c.id:
			return i
		case now.index < 0 && now.id == "" && !named:
			return i
		}
	}
	return -1
}

func (d *Decoder) endCall(c *calling, emit func(*dialect.Event)) {
	if c.ended {
		return
	}
	c.ended = true
	ev := dialect.Event{Kind: dialect.ToolEnd}
	for i := range d.calls {
		if &d.calls[i] == c {
			ev.Index = i
		}
	}
	if !c.some {
		ev.Text = "{}" // nothing was sent
	}
	d.Emit(emit, ev)
}

// stopReason maps a raw finish_reason; "" where there is none yet.
func stopReason(raw []byte) dialect.StopReason {
	switch string(raw) {
	case "", "null", `""`:
		return ""
	case `"length"`, `"model_length"`: // Mistral's word where the model's context is full
		return dialect.StopLength
	case `"tool_calls"`, `"function_call"`:
		return dialect.StopToolCalls
	case `"content_filter"`, `"sensitive"`: // Z.ai's word
		return dialect.StopFilter
	case `"error"`, `"network_error"`, `"insufficient_system_resource"`: // Z.ai's and DeepSeek's words
		return dialect.StopError
	}
	return dialect.StopEnd
}
