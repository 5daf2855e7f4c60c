package bedrock

import (
	"bytes"
	"encoding/base64"
	"net/http"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/eventstream"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

const (
	// maxOpen bounds the content blocks of a stream that are open at once.
	maxOpen = 256
	// maxSealed bounds the signature or the redacted content of one block, in bytes.
	maxSealed = 4 << 20
)

// Decoder reads one answer, streamed or whole. It allocates one string per delta in steady state.
type Decoder struct {
	dialect.Intake
	frames eventstream.Splitter
	frame  eventstream.Frame

	started, stopped bool
	blocks           []block // those that are open
	tools, thoughts  int     // so far
}

var _ dialect.Decoder = (*Decoder)(nil)

type blockKind uint8

const (
	blockText blockKind = iota
	blockThinking
	blockTool
	blockOther // of a kind that no request asks for
)

type block struct {
	index     int64 // the provider's
	kind      blockKind
	ordinal   int // among blocks of thinking or calls of tools
	fragments bool
	signature []byte
	redacted  []byte // decoded
}

// Reset makes d ready for another answer and keeps its buffers, unless they have grown large.
func (d *Decoder) Reset(stream bool) {
	clear(d.blocks)
	*d = Decoder{Intake: d.Intake, frames: d.frames, blocks: d.blocks[:0]}
	d.Intake.Reset(stream)
	d.frames.Reset(0)
}

// Feed implements [dialect.Decoder].
func (d *Decoder) Feed(b []byte, emit func(*dialect.Event)) {
	if !d.Stream {
		d.Take(b, emit, nil)
		return
	}
	for len(b) > 0 && !d.Ended {
		n, ok, err := d.frames.Next(b, &d.frame)
		switch {
		case err == eventstream.ErrTooLong:
			d.Fail(emit, "An event of the provider's stream is too long.")
			return
		case err != nil:
			d.Fail(emit, "The provider's stream is broken: an event has a wrong checksum or form.")
			return
		case ok:
			d.event(emit)
		}
		b = b[n:]
	}
}

// Finish implements [dialect.Decoder].
func (d *Decoder) Finish(emit func(*dialect.Event)) {
	switch {
	case d.Ended:
	case !d.Stream:
		d.whole(emit)
		d.Body = nil
	case d.stopped && !d.frames.Inside():
		d.End(emit)
	default:
		d.Fail(emit, "The provider's stream ended before the answer was complete.")
	}
}

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

func isList(raw []byte) bool { return len(raw) > 0 && raw[0] == '[' }

// first returns the first member of an object: unions have one alone.
func first(raw []byte) (name, value []byte) {
	if !isObject(raw) {
		return nil, nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		name, value = c.Key(), c.Skip()
		if string(name) != "type" || isObject(value) {
			return name, value
		}
	}
	return nil, nil
}

// event reads one frame. Events that are not known are ignored.
func (d *Decoder) event(emit func(*dialect.Event)) {
	f := &d.frame
	switch string(f.Type) {
	case "event":
	case "exception":
		d.FailWith(emit, exception(string(f.Name), f.Payload))
		return
	case "error":
		d.FailWith(emit, failure(string(f.Name), string(f.Message)))
		return
	default:
		d.Fail(emit, "The provider's stream holds a message of a type that does not exist.")
		return
	}
	payload := bytes.TrimSpace(f.Payload)
	if jsonscan.Valid(payload) != nil || !isObject(payload) {
		d.Fail(emit, "The provider's stream holds an event that cannot be read.")
		return
	}
	if !d.started {
		d.started = true
		d.Emit(emit, dialect.Event{Kind: dialect.Start})
	}
	switch string(f.Name) {
	case "contentBlockStart":
		index, raw := indexed(payload, "start")
		if !d.stopped {
			d.open(index, raw, emit)
		}
	case "contentBlockDelta":
		index, raw := indexed(payload, "delta")
		if !d.stopped {
			d.delta(index, raw, emit)
		}
	case "contentBlockStop":
		index, _ := indexed(payload, "")
		for i := range d.blocks {
			if d.blocks[i].index == index {
				d.close(&d.blocks[i], emit)
				d.blocks = append(d.blocks[:i], d.blocks[i+1:]...)
				break
			}
		}
	case "messageStop":
		var reason, more []byte
		c := jsonscan.Over(payload)
		for c.Enter(); c.More(); {
			switch string(c.Key()) {
			case "stopReason":
				reason = c.Skip()
			case "additionalModelResponseFields":
				more = c.Skip()
			default:
				c.Skip()
			}
		}
		d.stop(reason, more, emit)
	case "metadata":
		d.usage(payload, emit)
		if d.stopped {
			d.End(emit)
		}
	}
}

// indexed reads {"contentBlockIndex",name}.
func indexed(payload []byte, name string) (index int64, value []byte) {
	c := jsonscan.Over(payload)
	for c.Enter(); c.More(); {
		switch key := c.Key(); {
		case string(key) == "contentBlockIndex":
			index, _ = c.Int()
		case string(key) == name:
			value = c.Skip()
		default:
			c.Skip()
		}
	}
	return index, value
}

// open reads {"toolUse":{"toolUseId","name"}}. Texts and thinking begin without a start, or with an empty one.
func (d *Decoder) open(index int64, raw []byte, emit func(*dialect.Event)) {
	name, value := first(raw)
	if name == nil {
		return
	}
	if string(name) != "toolUse" {
		d.begin(index, blockOther, emit)
		return
	}
	b := d.begin(index, blockTool, emit)
	if b == nil {
		return
	}
	id, tool, _, own := call(value)
	if own {
		b.kind = blockOther
		return
	}
	d.start(b, id, tool, emit)
}

// start begins a call.
func (d *Decoder) start(b *block, id, name []byte, emit func(*dialect.Event)) {
	b.ordinal = d.tools
	d.tools++
	d.Emit(emit, dialect.Event{Kind: dialect.ToolStart, Index: b.ordinal, ID: d.Text(id), Name: d.Text(name)})
}

// call reads {"toolUseId","name","input","type"}; own is set for a tool that the provider runs itself.
func call(raw []byte) (id, name, input []byte, own bool) {
	if !isObject(raw) {
		return nil, nil, nil, false
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "toolUseId":
			id = c.Skip()
		case "name":
			name = c.Skip()
		case "input":
			input = c.Skip()
		case "type":
			own = string(c.Skip()) == `"server_tool_use"`
		default:
			c.Skip()
		}
	}
	return id, name, input, own
}

// begin opens a block of a kind; nil after a fault.
func (d *Decoder) begin(index int64, kind blockKind, emit func(*dialect.Event)) *block {
	if d.find(index) != nil {
		d.Fail(emit, "The provider's stream begins a content block a second time.")
		return nil
	}
	if len(d.blocks) >= maxOpen {
		d.Fail(emit, "The provider's stream has too many open content blocks.")
		return nil
	}
	d.blocks = append(d.blocks, block{index: index, kind: kind})
	b := &d.blocks[len(d.blocks)-1]
	if kind == blockThinking {
		b.ordinal = d.thoughts
		d.thoughts++
	}
	return b
}

// find returns the open block with an index, nil where there is none.
func (d *Decoder) find(index int64) *block {
	for i := range d.blocks {
		if d.blocks[i].index == index {
			return &d.blocks[i]
		}
	}
	return nil
}

// delta reads {"text"}, {"toolUse":{"input"}} or {"reasoningContent":{"text"|"signature"|"redactedContent"}}. Blocks of
// text have no state, and are not kept.
func (d *Decoder) delta(index int64, raw []byte, emit func(*dialect.Event)) {
	kind := blockOther
	name, value := first(raw)
	switch string(name) {
	case "text":
		kind = blockText
	case "toolUse":
		kind = blockTool
	case "reasoningContent":
		kind = blockThinking
	}
	b := d.find(index)
	switch {
	case kind == blockOther || b != nil && b.kind == blockOther:
		return
	case b == nil && kind == blockThinking:
		if b = d.begin(index, kind, emit); b == nil {
			return
		}
	case b == nil && kind == blockTool, b != nil && b.kind != kind:
		d.Fail(emit, "The provider's stream goes on with a content block that has not begun.")
		return
	}
	switch kind {
	case blockText:
		if s := d.Text(value); s != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.TextDelta, Text: s})
		}
	case blockTool:
		_, _, input, _ := call(value)
		if s := d.Text(input); s != "" { // an empty first fragment is normal
			b.fragments = true
			d.Emit(emit, dialect.Event{Kind: dialect.ToolDelta, Index: b.ordinal, Text: s})
		}
	case blockThinking:
		d.reason(b, value, emit)
	}
}

// reason reads a piece of thinking: {"text"}, {"signature"} or {"redactedContent"}.
func (d *Decoder) reason(b *block, raw []byte, emit func(*dialect.Event)) {
	name, value := first(raw)
	switch string(name) {
	case "text":
		if s := d.Text(value); s != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: b.ordinal, Text: s})
		}
	case "signature":
		if s := d.Text(value); len(b.signature)+len(s) <= maxSealed {
			b.signature = append(b.signature, s...)
		}
	case "redactedContent", "data":
		s, err := base64.StdEncoding.DecodeString(d.Text(value))
		if err != nil || len(b.redacted)+len(s) > maxSealed {
			d.Fail(emit, "The provider's answer holds redacted thinking that cannot be read.")
			return
		}
		b.redacted = append(b.redacted, s...)
	}
}

// close emits what ends a block.
func (d *Decoder) close(b *block, emit func(*dialect.Event)) {
	switch b.kind {
	case blockThinking:
		if len(b.redacted) > 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.RedactedThinkingEvent, Index: b.ordinal, Text: base64.StdEncoding.EncodeToString(b.redacted), SignedBy: dialect.SignerBedrock})
		} else if len(b.signature) > 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.SignatureDelta, Index: b.ordinal, Text: string(b.signature), SignedBy: dialect.SignerBedrock})
		}
	case blockTool:
		ev := dialect.Event{Kind: dialect.ToolEnd, Index: b.ordinal}
		if !b.fragments {
			ev.Text = "{}"
		}
		d.Emit(emit, ev)
	}
}

// stop ends the content. The model's own response fields tell which stop sequence it was, where they were asked for.
func (d *Decoder) stop(reason, more []byte, emit func(*dialect.Event)) {
	if d.stopped {
		return
	}
	for i := range d.blocks {
		d.close(&d.blocks[i], emit)
	}
	d.blocks = d.blocks[:0]
	ev := dialect.Event{Kind: dialect.Stop, StopReason: dialect.StopEnd}
	switch string(reason) {
	case `"tool_use"`:
		ev.StopReason = dialect.StopToolCalls
	case `"max_tokens"`, `"model_context_window_exceeded"`:
		ev.StopReason = dialect.StopLength
	case `"stop_sequence"`:
		ev.StopReason = dialect.StopSequence
		if isObject(more) {
			c := jsonscan.Over(more)
			for c.Enter(); c.More(); {
				if string(c.Key()) == "stop_sequence" {
					ev.StopSequence = d.Text(c.Skip())
				} else {
					c.Skip()
				}
			}
		}
	case `"guardrail_intervened"`, `"content_filtered"`:
		ev.StopReason = dialect.StopFilter
	case `"malformed_model_output"`, `"malformed_tool_use"`:
		code := d.Text(reason)
		d.FailWith(emit, &dialect.Error{Status: http.StatusBadGateway, Type: "api_error", Code: code, Message: "The provider could not read what the model said (" + code + ")."})
		return
	}
	d.stopped = true
	d.Emit(emit, ev)
}

// usage reads the members "usage" and "serviceTier" of a metadata event, or of a whole answer.
func (d *Decoder) usage(raw []byte, emit func(*dialect.Event)) {
	var u dialect.Usage
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch key := c.Key(); {
		case string(key) == "usage" && c.Kind() == '{':
			readUsage(&c, &u)
		case string(key) == "serviceTier":
			_, tier := member(c.Skip(), "type")
			u.Service = dialect.Service(tier)
		default:
			c.Skip()
		}
	}
	if u.Known {
		d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: u})
	}
}

// member returns the raw value of an object's member.
func member(raw []byte, name string) (ok bool, value []byte) {
	if !isObject(raw) {
		return false, nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if string(c.Key()) == name {
			ok, value = true, c.Skip()
		} else {
			c.Skip()
		}
	}
	return ok, value
}

// readUsage reads {"inputTokens","outputTokens","cacheReadInputTokens","cacheWriteInputTokens","cacheDetails":[{"ttl",
// "inputTokens"}]}. Input tokens leave the cached ones out.
func readUsage(c *jsonscan.Cursor, u *dialect.Usage) {
	var input, hour int64
	for c.Enter(); c.More(); {
		var to *int64
		switch string(c.Key()) {
		case "inputTokens":
			to = &input
		case "outputTokens":
			to = &u.Output
		case "cacheReadInputTokens":
			to = &u.CacheRead
		case "cacheWriteInputTokens":
			to = &u.CacheWrite
		case "cacheDetails":
			if c.Kind() != '[' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				detail := c.Skip()
				if _, ttl := member(detail, "ttl"); string(ttl) == `"1h"` {
					_, raw := member(detail, "inputTokens")
					if n, ok := jsonscan.Int(raw); ok && n > 0 {
						hour += n
					}
				}
			}
			continue
		default:
			c.Skip()
			continue
		}
		if n, ok := c.Int(); ok && n >= 0 {
			*to, u.Known = n, true
		}
	}
	u.Input = input + u.CacheRead + u.CacheWrite
	u.CacheWrite1h = min(hour, u.CacheWrite)
}

// whole reads an answer that was not streamed.
func (d *Decoder) whole(emit func(*dialect.Event)) {
	const incomplete = "The provider's answer is not a complete message."
	body := bytes.TrimSpace(d.Body)
	if jsonscan.Valid(body) != nil || !isObject(body) {
		d.Fail(emit, incomplete)
		return
	}
	var output, reason, more []byte
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "output":
			output = c.Skip()
		case "stopReason":
			reason = c.Skip()
		case "additionalModelResponseFields":
			more = c.Skip()
		default:
			c.Skip()
		}
	}
	_, message := member(output, "message")
	_, content := member(message, "content")
	if !isList(content) || len(reason) < 3 || reason[0] != '"' {
		d.Fail(emit, incomplete)
		return
	}
	d.Emit(emit, dialect.Event{Kind: dialect.Start})
	c = jsonscan.Over(content)
	c.Enter()
	for c.More() && !d.Ended {
		d.content(c.Skip(), emit)
	}
	if d.Ended {
		return
	}
	d.usage(body, emit)
	if d.stop(reason, more, emit); !d.Ended {
		d.End(emit)
	}
}

// content reads a block of a whole answer.
func (d *Decoder) content(raw []byte, emit func(*dialect.Event)) {
	name, value := first(raw)
	switch string(name) {
	case "text":
		if s := d.Text(value); s != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.TextDelta, Text: s})
		}
	case "toolUse":
		id, tool, input, own := call(value)
		if own {
			return
		}
		b := block{kind: blockTool}
		d.start(&b, id, tool, emit)
		ev := dialect.Event{Kind: dialect.ToolEnd, Index: b.ordinal, Text: "{}"}
		if isObject(input) {
			ev.Text = string(input)
		} else if s := d.Text(input); s != "" {
			ev.Text = s
		}
		d.Emit(emit, ev)
	case "reasoningContent":
		b := block{kind: blockThinking, ordinal: d.thoughts}
		d.thoughts++
		if name, text := first(value); string(name) == "reasoningText" && isObject(text) {
			c := jsonscan.Over(text)
			for c.Enter(); c.More(); {
				switch string(c.Key()) {
				case "text":
					if s := d.Text(c.Skip()); s != "" {
						d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: b.ordinal, Text: s})
					}
				case "signature":
					b.signature = append(b.signature, d.Text(c.Skip())...)
				default:
					c.Skip()
				}
			}
		} else {
			d.reason(&b, value, emit)
		}
		if !d.Ended {
			d.close(&b, emit)
		}
	case "citationsContent":
		_, list := member(value, "content")
		if !isList(list) {
			return
		}
		c := jsonscan.Over(list)
		for c.Enter(); c.More(); {
			d.content(c.Skip(), emit)
		}
	}
}
