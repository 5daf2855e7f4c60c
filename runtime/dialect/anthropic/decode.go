package anthropic

import (
	"net/http"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// maxOpen bounds the content blocks that are open at a time; the API opens one after the other.
const maxOpen = 256

// Decoder reads one answer. It allocates one string per delta in steady state.
type Decoder struct {
	dialect.Intake

	usage   usage
	id      string
	started bool
	stopped bool

	blocks   []block // open content blocks
	tools    int     // tool calls so far
	thoughts int     // blocks of thinking so far
	said     int     // characters of text so far
}

type blockKind uint8

const (
	blockOther blockKind = iota // left out: server-side tools and what is not known
	blockText
	blockThinking
	blockTool
)

// block is a content block between its start and its stop.
type block struct {
	index     int64 // the provider's
	kind      blockKind
	ordinal   int // among tool calls, or among blocks of thinking
	fragments bool
	input     string // of a tool call, where its start already holds it
	signature []byte
	start     int // of a text: how many characters of text the answer had before it
	cites     []dialect.Citation
}

// maxCites bounds the sources of one block of text.
const maxCites = 256

// usage is as the provider counts: input without the cached tokens. Numbers are cumulative, so the last one counts;
// a zero never replaces a number, because servers that imitate the API fill in zeros where they know nothing.
type usage struct {
	input, output, cacheRead, cacheWrite, cacheWrite5m, cacheWrite1h, thinking int64
	searches                                                                   int64 // of the web; fetches are free
	known                                                                      bool
	service                                                                    string
	fast, us                                                                   bool // how and where it ran, where that has a price of its own
}

// tier is the service tier that the usage is charged by. Nobody says what two of them cost together.
func (u *usage) tier() string {
	switch {
	case u.service == "" && u.fast && !u.us:
		return "fast"
	case u.service == "" && u.us && !u.fast:
		return "us"
	case u.fast || u.us:
		return price.Other
	}
	return u.service
}

// neutral is u in the inside convention.
func (u *usage) neutral() dialect.Usage {
	write := max(u.cacheWrite, u.cacheWrite5m+u.cacheWrite1h)
	return dialect.Usage{
		Input: u.input + u.cacheRead + write, Output: u.output,
		CacheRead: u.cacheRead, CacheWrite: write, CacheWrite1h: u.cacheWrite1h,
		Units: price.Units{WebSearches: u.searches}, Reasoning: min(u.thinking, u.output), Known: u.known, Service: u.tier(),
	}
}

var _ dialect.Decoder = (*Decoder)(nil)

// NewDecoder returns a decoder for one answer with status 200, streamed or whole.
func NewDecoder(stream bool) *Decoder {
	d := &Decoder{}
	d.Reset(stream)
	return d
}

// Reset makes d ready for another answer and keeps its buffers, unless they have grown large.
func (d *Decoder) Reset(stream bool) {
	*d = Decoder{Intake: d.Intake, blocks: d.blocks[:0]}
	d.Intake.Reset(stream)
}

func keep(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
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
	if d.Last(func(data []byte) bool { return jsonscan.Valid(data) == nil }) {
		d.event(emit)
	}
	switch {
	case d.Ended:
	case d.stopped:
		// Only message_stop is missing: everything that was to be said has been said.
		d.End(emit)
	default:
		d.Fail(emit, "The provider's stream ended before the answer was complete.")
	}
}

// event reads one event of a stream. Types that are not known are ignored: the API's versioning policy allows new ones.
// What is not JSON breaks the answer off: a piece of it is lost, and without it the rest would look whole.
func (d *Decoder) event(emit func(*dialect.Event)) {
	data := d.SSE.Data
	if jsonscan.Valid(data) != nil {
		if !d.stopped {
			d.Fail(emit, "The provider's stream holds an event that cannot be read.")
		}
		return
	}
	// The type comes first in practice; the members that depend on it are read afterwards.
	var kind, message, contentBlock, delta, numbers, failure []byte
	index := int64(-1)
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			kind = c.Skip()
		case "index":
			if n, ok := c.Int(); ok {
				index = n
			}
		case "message":
			message = c.Skip()
		case "content_block":
			contentBlock = c.Skip()
		case "delta":
			delta = c.Skip()
		case "usage":
			numbers = c.Skip()
		case "error":
			failure = c.Skip()
		default:
			c.Skip()
		}
	}
	if kind == nil && string(d.SSE.Name) == "error" {
		kind, failure = []byte(`"error"`), data // from something in front of the API
	}
	switch string(kind) {
	case `"message_start"`:
		if isObject(message) {
			d.start(message, emit)
		}
	case `"content_block_start"`:
		if isObject(contentBlock) && !d.stopped {
			d.ensureStarted(emit)
			d.blockStart(index, contentBlock, emit)
		}
	case `"content_block_delta"`:
		if isObject(delta) && !d.stopped {
			d.ensureStarted(emit)
			d.blockDelta(index, delta, emit)
		}
	case `"content_block_stop"`:
		d.blockStop(index, emit)
	case `"message_delta"`:
		d.ensureStarted(emit)
		if d.usage.read(numbers) {
			d.emitUsage(emit)
		}
		if isObject(delta) {
			d.messageDelta(delta, emit)
		}
	case `"message_stop"`:
		if !d.stopped {
			d.ensureStarted(emit)
			d.stop(emit, dialect.StopEnd, "")
		}
		d.End(emit)
	case `"error"`:
		if len(failure) > 0 {
			d.FailWith(emit, streamError(data))
		}
	}
}

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

func (d *Decoder) ensureStarted(emit func(*dialect.Event)) {
	if !d.started {
		d.started = true
		d.Emit(emit, dialect.Event{Kind: dialect.Start})
	}
}

func (d *Decoder) emitUsage(emit func(*dialect.Event)) {
	if d.usage.known {
		d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: d.usage.neutral()})
	}
}

// start reads the message of message_start: id, model and the first usage; and what else it holds already where the
// model does not begin anew, but goes on with what a server-side tool called (tool_use blocks and the stop reason).
func (d *Decoder) start(message []byte, emit func(*dialect.Event)) {
	ev := dialect.Event{Kind: dialect.Start}
	var list, reason []byte
	c := jsonscan.Over(message)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "id":
			ev.ID = d.Text(c.Skip())
		case "model":
			ev.Model = d.Text(c.Skip())
		case "usage":
			d.usage.read(c.Skip())
		case "content":
			list = c.Skip()
		case "stop_reason":
			reason = c.Skip()
		default:
			c.Skip()
		}
	}
	if d.started {
		// Seen behind gateways: the same event twice, which is harmless, and a second generation after a retry, whose
		// blocks must not be mixed with the first one's.
		if ev.ID != d.id || len(d.blocks) > 0 || d.stopped {
			d.Fail(emit, "The provider's stream began a second message in the middle of the first.")
		}
		return
	}
	d.started, d.id = true, ev.ID
	d.Emit(emit, ev)
	d.emitUsage(emit)
	if len(list) > 0 && list[0] == '[' {
		d.content(list, emit)
	}
	if len(reason) > 0 && reason[0] == '"' {
		d.stop(emit, stopReason(reason), "")
	}
}

// content is what a content block's start, or a block of a whole answer, holds.
type content struct {
	kind, text, thinking, signature, data, id, name, input, citations []byte
}

func readContent(raw []byte) (b content) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			b.kind = c.Skip()
		case "text":
			b.text = c.Skip()
		case "thinking":
			b.thinking = c.Skip()
		case "signature":
			b.signature = c.Skip()
		case "data":
			b.data = c.Skip()
		case "id":
			b.id = c.Skip()
		case "name":
			b.name = c.Skip()
		case "input":
			b.input = c.Skip()
		case "citations":
			b.citations = c.Skip()
		default: // caller, …
			c.Skip()
		}
	}
	return b
}

func (d *Decoder) blockStart(index int64, raw []byte, emit func(*dialect.Event)) {
	d.blockStop(index, emit) // an index that is used again without its stop
	if len(d.blocks) >= maxOpen {
		d.Fail(emit, "The provider's stream has too many open content blocks.")
		return
	}
	c := readContent(raw)
	b := block{index: index}
	switch string(c.kind) {
	case `"text"`:
		b.kind, b.start = blockText, d.said
		if s := d.Text(c.text); s != "" {
			d.text(s, emit)
		}
		if len(c.citations) > 0 && c.citations[0] == '[' {
			l := jsonscan.Over(c.citations)
			for l.Enter(); l.More(); {
				d.cite(&b, l.Skip())
			}
		}
	case `"thinking"`:
		b.kind, b.ordinal = blockThinking, d.thoughts
		d.thoughts++
		if s := d.Text(c.thinking); s != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: b.ordinal, Text: s})
		}
		b.signature = append(b.signature, d.Text(c.signature)...)
	case `"redacted_thinking"`:
		d.Emit(emit, dialect.Event{Kind: dialect.RedactedThinkingEvent, Index: d.thoughts, Text: d.Text(c.data), SignedBy: dialect.SignerAnthropic})
		d.thoughts++
	case `"tool_use"`:
		b.kind, b.ordinal = blockTool, d.tools
		d.tools++
		if len(c.input) > 2 && c.input[0] == '{' {
			b.input = string(c.input)
		}
		d.Emit(emit, dialect.Event{Kind: dialect.ToolStart, Index: b.ordinal, ID: d.Text(c.id), Name: d.Text(c.name)})
	}
	d.blocks = append(d.blocks, b)
}

// text passes text on and counts it, since sources are told by their place in it.
func (d *Decoder) text(s string, emit func(*dialect.Event)) {
	d.said += utf8.RuneCountInString(s)
	d.Emit(emit, dialect.Event{Kind: dialect.TextDelta, Text: s})
}

// cite keeps a source of a block of text until the block is at its end, which is then what the source is for.
func (d *Decoder) cite(b *block, raw []byte) {
	if len(raw) == 0 || raw[0] != '{' || len(b.cites) == maxCites {
		return
	}
	c := jsonscan.Over(raw)
	cite := dialect.Citation{Start: b.start, Document: -1}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "url":
			cite.URL = d.Text(c.Skip())
		case "title", "document_title":
			cite.Title = d.Text(c.Skip())
		case "cited_text":
			cite.Text = d.Text(c.Skip())
		case "document_index":
			if n, ok := c.Int(); ok && n >= 0 && n < 1<<20 {
				cite.Document = int(n)
			}
		default:
			c.Skip()
		}
	}
	if cite.URL != "" || cite.Title != "" || cite.Text != "" {
		b.cites = append(b.cites, cite)
	}
}

func (d *Decoder) open(index int64) *block {
	for i := range d.blocks {
		if d.blocks[i].index == index {
			return &d.blocks[i]
		}
	}
	return nil
}

func (d *Decoder) blockDelta(index int64, raw []byte, emit func(*dialect.Event)) {
	b := d.open(index)
	if b == nil || b.kind == blockOther {
		return
	}
	var kind, text, citation []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			kind = c.Skip()
		case "text", "thinking", "signature", "partial_json":
			text = c.Skip()
		case "citation":
			citation = c.Skip()
		default:
			c.Skip()
		}
	}
	if string(kind) == `"citations_delta"` && b.kind == blockText {
		d.cite(b, citation)
		return
	}
	s := d.Text(text)
	if s == "" {
		return // an empty first fragment of arguments is normal
	}
	switch string(kind) {
	case `"text_delta"`:
		if b.kind == blockText {
			d.text(s, emit)
		}
	case `"thinking_delta"`:
		if b.kind == blockThinking {
			d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: b.ordinal, Text: s})
		}
	case `"signature_delta"`:
		if b.kind == blockThinking && len(b.signature)+len(s) <= sse.DefaultMax {
			b.signature = append(b.signature, s...)
		}
	case `"input_json_delta"`:
		if b.kind == blockTool {
			b.fragments = true
			d.Emit(emit, dialect.Event{Kind: dialect.ToolDelta, Index: b.ordinal, Text: s})
		}
	}
}

func (d *Decoder) blockStop(index int64, emit func(*dialect.Event)) {
	for i := range d.blocks {
		if d.blocks[i].index != index {
			continue
		}
		b := d.blocks[i]
		d.blocks = append(d.blocks[:i], d.blocks[i+1:]...)
		d.close(&b, emit)
		return
	}
}

// close emits what ends a block.
func (d *Decoder) close(b *block, emit func(*dialect.Event)) {
	switch b.kind {
	case blockText:
		for i := range b.cites {
			cite := b.cites[i]
			cite.End = d.said
			d.Emit(emit, dialect.Event{Kind: dialect.CitationEvent, Citation: &cite})
		}
	case blockThinking:
		if len(b.signature) > 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.SignatureDelta, Index: b.ordinal, Text: string(b.signature), SignedBy: dialect.SignerAnthropic})
		}
	case blockTool:
		ev := dialect.Event{Kind: dialect.ToolEnd, Index: b.ordinal}
		if !b.fragments {
			if ev.Text = b.input; ev.Text == "" {
				ev.Text = "{}"
			}
		}
		d.Emit(emit, ev)
	}
}

func (d *Decoder) messageDelta(raw []byte, emit func(*dialect.Event)) {
	var reason, sequence []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "stop_reason":
			reason = c.Skip()
		case "stop_sequence":
			sequence = c.Skip()
		default:
			c.Skip()
		}
	}
	if len(reason) > 0 && reason[0] == '"' {
		d.stop(emit, stopReason(reason), d.Text(sequence))
	}
}

func (d *Decoder) stop(emit func(*dialect.Event), reason dialect.StopReason, sequence string) {
	if d.stopped {
		return
	}
	d.stopped = true
	for i := range d.blocks {
		d.close(&d.blocks[i], emit)
	}
	d.blocks = d.blocks[:0]
	d.Emit(emit, dialect.Event{Kind: dialect.Stop, StopReason: reason, StopSequence: sequence})
}

// stopReason maps a raw stop_reason. One that is not known ends the turn like end_turn.
func stopReason(raw []byte) dialect.StopReason {
	switch string(raw) {
	case `"max_tokens"`, `"model_context_window_exceeded"`:
		return dialect.StopLength
	case `"stop_sequence"`:
		return dialect.StopSequence
	case `"tool_use"`:
		return dialect.StopToolCalls
	case `"refusal"`:
		return dialect.StopFilter
	case `"pause_turn"`:
		return dialect.StopPause
	}
	return dialect.StopEnd
}

// whole reads an answer that was not streamed.
func (d *Decoder) whole(emit func(*dialect.Event)) {
	const broken = "The provider's answer is not a complete message."
	if jsonscan.Valid(d.Body) != nil {
		d.Fail(emit, broken)
		return
	}
	c := jsonscan.Over(d.Body)
	if c.Kind() != '{' {
		d.Fail(emit, broken)
		return
	}
	var kind, list, reason, sequence []byte
	start := dialect.Event{Kind: dialect.Start}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			kind = c.Skip()
		case "id":
			start.ID = d.Text(c.Skip())
		case "model":
			start.Model = d.Text(c.Skip())
		case "content":
			list = c.Skip()
		case "stop_reason":
			reason = c.Skip()
		case "stop_sequence":
			sequence = c.Skip()
		case "usage":
			d.usage.read(c.Skip())
		default:
			c.Skip()
		}
	}
	if string(kind) == `"error"` {
		d.FailWith(emit, streamError(d.Body))
		return
	}
	if len(list) == 0 || list[0] != '[' {
		d.Fail(emit, broken)
		return
	}
	d.Emit(emit, start)
	d.content(list, emit)
	d.emitUsage(emit)
	d.stop(emit, stopReason(reason), d.Text(sequence))
	d.End(emit)
}

// content reads whole content blocks.
func (d *Decoder) content(list []byte, emit func(*dialect.Event)) {
	c := jsonscan.Over(list)
	c.Enter()
	for i := int64(0); c.More(); i++ {
		raw := c.Skip()
		if !isObject(raw) {
			continue
		}
		d.blockStart(i, raw, emit)
		d.blockStop(i, emit)
	}
}

// read takes the numbers of a usage object and reports whether there were any.
func (u *usage) read(raw []byte) (any bool) {
	if !isObject(raw) {
		return false
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var to *int64
		switch string(c.Key()) {
		case "input_tokens":
			to = &u.input
		case "output_tokens":
			to = &u.output
		case "cache_read_input_tokens":
			to = &u.cacheRead
		case "cache_creation_input_tokens":
			to = &u.cacheWrite
		case "cache_creation":
			u.details(&c, "ephemeral_5m_input_tokens", &u.cacheWrite5m, "ephemeral_1h_input_tokens", &u.cacheWrite1h)
			continue
		case "service_tier":
			u.service = dialect.Service(c.Skip())
			continue
		case "speed":
			u.fast = string(c.Skip()) == `"fast"`
			continue
		case "inference_geo":
			u.us = string(c.Skip()) == `"us"`
			continue
		case "server_tool_use":
			u.details(&c, "web_search_requests", &u.searches, "", nil)
			continue
		case "output_tokens_details":
			u.details(&c, "thinking_tokens", &u.thinking, "", nil)
			continue
		default:
			c.Skip()
			continue
		}
		if n, ok := c.Int(); ok && n >= 0 {
			if n > 0 {
				*to = n
			}
			any, u.known = true, true
		}
	}
	return any
}

func (u *usage) details(c *jsonscan.Cursor, a string, toA *int64, b string, toB *int64) {
	if c.Kind() != '{' {
		c.Skip()
		return
	}
	for c.Enter(); c.More(); {
		var to *int64
		switch name := c.Key(); {
		case string(name) == a:
			to = toA
		case toB != nil && string(name) == b:
			to = toB
		default:
			c.Skip()
			continue
		}
		if n, ok := c.Int(); ok && n > 0 {
			*to = n
		}
	}
}

// streamError reads an error that came with status 200. Its type says which status it stands for.
func streamError(body []byte) *dialect.Error {
	e, _ := dialect.ReadError(body)
	e.Status = statusOf(e.Type)
	if e.Type == "" {
		e.Type = "api_error"
	}
	if e.Message == "" {
		e.Message = "The provider broke its answer off with an error."
	}
	return &e
}

// statusOf is the HTTP status that belongs to an error type (page "Errors" of the API's documentation).
func statusOf(kind string) int {
	switch kind {
	case "invalid_request_error":
		return http.StatusBadRequest
	case "authentication_error":
		return http.StatusUnauthorized
	case "billing_error":
		return http.StatusPaymentRequired
	case "permission_error":
		return http.StatusForbidden
	case "not_found_error":
		return http.StatusNotFound
	case "request_too_large":
		return http.StatusRequestEntityTooLarge
	case "rate_limit_error":
		return http.StatusTooManyRequests
	case "timeout_error":
		return http.StatusGatewayTimeout
	case "overloaded_error":
		return 529
	}
	return http.StatusInternalServerError
}

// DecodeError reads an error answer: {"type":"error","error":{"type","message"}}. It always gives an error with a
// message, whatever the body holds.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error {
	return dialect.AnswerError(a, typeOf)
}

// typeOf is the reverse of statusOf, for answers that something in front of the API gave.
func typeOf(status int) string {
	for _, kind := range [...]string{"invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
		"request_too_large", "rate_limit_error", "timeout_error", "overloaded_error"} {
		if statusOf(kind) == status {
			return kind
		}
	}
	if 400 <= status && status < 500 {
		return "invalid_request_error"
	}
	return "api_error"
}
