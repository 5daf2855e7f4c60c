package openairesponses

import (
	"bytes"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// maxItems bounds the items of one answer.
const maxItems = 4096

// Decoder reads one answer of a provider that speaks this dialect. It allocates one string per delta in steady state.
// What a stream has told in pieces is not read again where the dialect repeats it; what it has told only as a whole
// (some servers send no deltas) is taken from there.
type Decoder struct {
	dialect.Intake

	started bool
	items   []heard
	calls   int         // calls of functions so far
	blocks  int         // blocks of thinking so far
	served  price.Units // calls of tools that the provider ran
	runes   int         // characters of the answer's text so far
	part    int         // of which before the part that is being told
}

// heard is an item of the answer that has begun.
type heard struct {
	index   int64 // the provider's output_index
	kind    itemKind
	id      string // of thinking
	ordinal int    // among calls, or among blocks of thinking
	said    bool
	content bool // of thinking: it is told in full, so that its summary is left out
	ended   bool
}

// other is an item that has no place in the neutral model.
const other itemKind = 255

var _ dialect.Decoder = (*Decoder)(nil)

// Reset makes d ready for another answer and keeps its buffers, unless they have grown large.
func (d *Decoder) Reset(stream bool) {
	items := d.items[:0]
	if cap(items) > 256 {
		items = nil
	}
	*d = Decoder{Intake: d.Intake, items: items}
	d.Intake.Reset(stream)
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
	if !d.Ended {
		d.Fail(emit, "The provider's stream ended before the answer was complete.")
	}
}

// whole reads an answer that was not streamed.
func (d *Decoder) whole(emit func(*dialect.Event)) {
	if jsonscan.Valid(d.Body) != nil {
		d.Fail(emit, "The provider's answer is not a complete response.")
		return
	}
	c := jsonscan.Over(d.Body)
	if c.Kind() != '{' {
		d.Fail(emit, "The provider's answer is not a complete response.")
		return
	}
	d.response(d.Body, true, emit)
	if !d.Ended {
		d.Fail(emit, "The provider's answer is not a complete response.")
	}
}

// eventMembers are the members of a stream's events that matter.
type eventMembers struct {
	kind, delta, item, part, annotation, logprobs, response, arguments []byte
	index, summary                                                     int64
}

func readEvent(data []byte) (m eventMembers) {
	m.index = -1
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return m
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			m.kind = c.Skip()
		case "delta":
			m.delta = c.Skip()
		case "output_index":
			if n, ok := c.Int(); ok {
				m.index = n
			}
		case "summary_index":
			if n, ok := c.Int(); ok {
				m.summary = n
			}
		case "item":
			m.item = c.Skip()
		case "part":
			m.part = c.Skip()
		case "annotation":
			m.annotation = c.Skip()
		case "logprobs":
			m.logprobs = c.Skip()
		case "response":
			m.response = c.Skip()
		case "arguments":
			m.arguments = c.Skip()
		default:
			c.Skip()
		}
	}
	return m
}

// event reads one event of a stream. Types that are not known are ignored: new ones come often, most of them for tools
// that the provider runs. What is not JSON breaks the answer off: a piece of it is lost, and without it the rest would
// look whole.
func (d *Decoder) event(emit func(*dialect.Event)) {
	data := d.SSE.Data
	if jsonscan.Valid(data) != nil {
		if !bytes.HasPrefix(data, done) { // which other endpoints of the same servers send
			d.Fail(emit, "The provider's stream holds an event that cannot be read.")
		}
		return
	}
	m := readEvent(data)
	switch string(m.kind) {
	case `"response.created"`, `"response.in_progress"`, `"response.queued"`:
		d.response(m.response, false, emit)
	case `"response.completed"`, `"response.incomplete"`, `"response.failed"`, `"response.cancelled"`:
		d.response(m.response, false, emit)
		if !d.Ended {
			d.Fail(emit, "The provider's stream ended with a response that is not complete.")
		}
	case `"error"`:
		d.failure(data, emit)
	case `"response.output_item.added"`:
		d.begin(m.index, m.item, emit)
	case `"response.output_item.done"`:
		d.end(m.index, m.item, emit)
	case `"response.content_part.added"`:
		d.part = d.runes
	case `"response.output_text.delta"`:
		d.say(m.index, dialect.TextDelta, m.delta, emit)
		d.logprobs(m.logprobs, emit)
	case `"response.refusal.delta"`:
		d.say(m.index, dialect.RefusalDelta, m.delta, emit)
	case `"response.output_text.annotation.added"`:
		d.annotation(m.annotation, emit)
	case `"response.reasoning_summary_part.added"`:
		if h := d.find(m.index, reasoning); h != nil && h.said && !h.content && m.summary > 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: h.ordinal, ID: h.id, Text: between})
		}
	case `"response.reasoning_summary_text.delta"`:
		d.think(m.index, false, d.Text(m.delta), emit)
	case `"response.reasoning_text.delta"`:
		d.think(m.index, true, d.Text(m.delta), emit)
	case `"response.function_call_arguments.delta"`:
		if h := d.find(m.index, call); h != nil {
			d.argument(h, d.Text(m.delta), emit)
		}
	case `"response.function_call_arguments.done"`:
		if h := d.find(m.index, call); h != nil && !h.said {
			d.argument(h, d.Text(m.arguments), emit)
		}
	}
}

var done = []byte("[DONE]")

// find returns an item that has begun and is not at its end. Servers that give no index mean the last one.
func (d *Decoder) find(index int64, kind itemKind) *heard {
	for i := len(d.items) - 1; i >= 0; i-- {
		if h := &d.items[i]; h.kind == kind && !h.ended && (h.index == index || index < 0) {
			return h
		}
	}
	return nil
}

// outputItem are the members of an item that matter.
type outputItem struct {
	kind, id, callID, name, arguments, content, summary, encrypted, result, action []byte
}

func readItem(raw []byte) (it outputItem) {
	if len(raw) == 0 || raw[0] != '{' {
		return it
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			it.kind = c.Skip()
		case "id":
			it.id = c.Skip()
		case "call_id":
			it.callID = c.Skip()
		case "name":
			it.name = c.Skip()
		case "arguments":
			it.arguments = c.Skip()
		case "content":
			it.content = c.Skip()
		case "summary":
			it.summary = c.Skip()
		case "encrypted_content":
			it.encrypted = c.Skip()
		case "result":
			it.result = c.Skip()
		case "action":
			it.action = c.Skip()
		default:
			c.Skip()
		}
	}
	return it
}

// begin reads an item that has begun.
func (d *Decoder) begin(index int64, raw []byte, emit func(*dialect.Event)) *heard {
	it := readItem(raw)
	if len(d.items) == maxItems {
		d.Fail(emit, "The provider's answer has too many items.")
		return nil
	}
	h := heard{index: index, kind: other}
	switch string(it.kind) {
	case `"message"`:
		h.kind = message
	case `"reasoning"`:
		h.kind, h.ordinal, h.id = reasoning, d.blocks, d.Text(it.id)
		d.blocks++
	case `"function_call"`:
		h.kind, h.ordinal = call, d.calls
		d.calls++
		id := d.Text(it.callID)
		if id == "" {
			if id = d.Text(it.id); id == "" {
				id = "call_" + strconv.Itoa(h.ordinal)
			}
		}
		d.Emit(emit, dialect.Event{Kind: dialect.ToolStart, Index: h.ordinal, ID: id, Name: d.Text(it.name)})
	case `"image_generation_call"`:
		h.kind = image
	}
	d.items = append(d.items, h)
	return &d.items[len(d.items)-1]
}

// end reads an item that is whole.
func (d *Decoder) end(index int64, raw []byte, emit func(*dialect.Event)) {
	it := readItem(raw)
	kind := other
	switch string(it.kind) {
	case `"message"`:
		kind = message
	case `"reasoning"`:
		kind = reasoning
	case `"function_call"`:
		kind = call
	case `"image_generation_call"`:
		kind = image
	}
	serve(&d.served, it.kind)
	follows(&d.served, it.action)
	h := d.find(index, kind)
	if h == nil {
		if h = d.begin(index, raw, emit); h == nil {
			return
		}
	}
	h.ended = true
	switch kind {
	case message:
		if !h.said {
			d.parts(it.content, emit)
		}
	case reasoning:
		d.endThinking(h, &it, emit)
	case call:
		if !h.said {
			d.argument(h, d.Text(it.arguments), emit)
		}
		ev := dialect.Event{Kind: dialect.ToolEnd, Index: h.ordinal}
		if !h.said {
			ev.Text = "{}" // nothing was sent
		}
		d.Emit(emit, ev)
	case image:
		if data := d.Text(it.result); data != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.ImageEvent, MediaType: imageType(data), Data: data})
		}
	}
}

// imageType tells an image's media type by how its base64 begins.
func imageType(data string) string {
	switch {
	case len(data) > 4 && data[:4] == "/9j/":
		return "image/jpeg"
	case len(data) > 5 && data[:5] == "UklGR":
		return "image/webp"
	}
	return "image/png"
}

// say takes a piece of text or of a refusal.
func (d *Decoder) say(index int64, kind dialect.EventKind, raw []byte, emit func(*dialect.Event)) {
	s := d.Text(raw)
	if s == "" {
		return
	}
	if h := d.find(index, message); h != nil {
		h.said = true
	}
	d.spoken(kind, s, emit)
}

func (d *Decoder) spoken(kind dialect.EventKind, s string, emit func(*dialect.Event)) {
	if kind == dialect.TextDelta {
		d.runes += utf8.RuneCountInString(s)
	}
	d.Emit(emit, dialect.Event{Kind: kind, Text: s})
}

// parts reads the content of a message that was told as a whole.
func (d *Decoder) parts(raw []byte, emit func(*dialect.Event)) {
	if len(raw) == 0 || raw[0] != '[' {
		return
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		raw := c.Skip()
		if len(raw) == 0 || raw[0] != '{' {
			continue
		}
		var kind, text, refusal, annotations, logprobs []byte
		p := jsonscan.Over(raw)
		for p.Enter(); p.More(); {
			switch string(p.Key()) {
			case "type":
				kind = p.Skip()
			case "text":
				text = p.Skip()
			case "refusal":
				refusal = p.Skip()
			case "annotations":
				annotations = p.Skip()
			case "logprobs":
				logprobs = p.Skip()
			default:
				p.Skip()
			}
		}
		d.part = d.runes
		switch string(kind) {
		case `"output_text"`:
			if s := d.Text(text); s != "" {
				d.spoken(dialect.TextDelta, s, emit)
			}
			d.logprobs(logprobs, emit)
			if len(annotations) > 0 && annotations[0] == '[' {
				a := jsonscan.Over(annotations)
				for a.Enter(); a.More(); {
					d.annotation(a.Skip(), emit)
				}
			}
		case `"refusal"`:
			if s := d.Text(refusal); s != "" {
				d.spoken(dialect.RefusalDelta, s, emit)
			}
		}
	}
}

// think takes a piece of thinking: of its summary, or of the thinking itself, which open models tell.
func (d *Decoder) think(index int64, content bool, s string, emit func(*dialect.Event)) {
	h := d.find(index, reasoning)
	if h == nil || s == "" || h.content && !content {
		return
	}
	if content && h.said && !h.content {
		return // the summary was told already
	}
	h.said, h.content = true, content
	d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: h.ordinal, ID: h.id, Text: s})
}

// endThinking ends a block of thinking. Its item's id is part of the signature, for OpenAI binds the one to the other.
func (d *Decoder) endThinking(h *heard, it *outputItem, emit func(*dialect.Event)) {
	if !h.said {
		s := d.joinTexts(it.content)
		if s == "" {
			s = d.joinTexts(it.summary)
		}
		if s != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: h.ordinal, ID: h.id, Text: s})
		}
	}
	if s := d.Text(it.encrypted); s != "" {
		by, signature := dialect.Unseal(dialect.SignerOpenAI, s) // another gateway of this kind may stand behind it
		if signature == s {
			signature = h.id + ":" + s
		}
		d.Emit(emit, dialect.Event{Kind: dialect.SignatureDelta, Index: h.ordinal, ID: h.id, Text: signature, SignedBy: by})
	}
}

// joinTexts joins the texts of a list of parts.
func (d *Decoder) joinTexts(raw []byte) (all string) {
	if len(raw) == 0 || raw[0] != '[' {
		return ""
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		raw := c.Skip()
		if len(raw) == 0 || raw[0] != '{' {
			continue
		}
		p := jsonscan.Over(raw)
		for p.Enter(); p.More(); {
			if key := p.Key(); string(key) == "text" {
				all = joined(all, d.Text(p.Skip()))
			} else {
				p.Skip()
			}
		}
	}
	return all
}

func (d *Decoder) argument(h *heard, s string, emit func(*dialect.Event)) {
	if s != "" {
		h.said = true
		d.Emit(emit, dialect.Event{Kind: dialect.ToolDelta, Index: h.ordinal, Text: s})
	}
}

// annotation reads a source. One that has no address is a file of the provider's own.
func (d *Decoder) annotation(raw []byte, emit func(*dialect.Event)) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var kind, url, title []byte
	from, to := int64(0), int64(0)
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			kind = c.Skip()
		case "url":
			url = c.Skip()
		case "title", "filename":
			title = c.Skip()
		case "start_index":
			from, _ = c.Int()
		case "end_index":
			to, _ = c.Int()
		default:
			c.Skip()
		}
	}
	cite := dialect.Citation{URL: d.Text(url), Title: d.Text(title), Document: -1}
	if string(kind) == `"url_citation"` && 0 <= from && from <= to && to < 1<<40 {
		cite.Start, cite.End = d.part+int(from), d.part+int(to)
	}
	if cite.URL != "" || cite.Title != "" {
		d.Emit(emit, dialect.Event{Kind: dialect.CitationEvent, Citation: &cite})
	}
}

// logprobs reads a list of log probabilities.
func (d *Decoder) logprobs(raw []byte, emit func(*dialect.Event)) {
	if list := dialect.ReadLogprobs(raw); len(list) > 0 {
		d.Emit(emit, dialect.Event{Kind: dialect.LogprobsEvent, Logprobs: list})
	}
}

// response reads the response object, whose status tells how far the answer is. Of an answer that was not streamed
// (whole) it holds the items.
func (d *Decoder) response(raw []byte, whole bool, emit func(*dialect.Event)) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	var id, model, status, output, usage, service, failure, details []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "id":
			id = c.Skip()
		case "model":
			model = c.Skip()
		case "status":
			status = c.Skip()
		case "output":
			output = c.Skip()
		case "usage":
			usage = c.Skip()
		case "service_tier":
			service = c.Skip()
		case "error":
			failure = c.Skip()
		case "incomplete_details":
			details = c.Skip()
		default:
			c.Skip()
		}
	}
	if !d.started && status == nil && failure != nil && failure[0] == '{' {
		d.failure(raw, emit)
		return
	}
	if !d.started {
		if whole && status == nil && output == nil {
			return // not a response at all
		}
		d.started = true
		d.Emit(emit, dialect.Event{Kind: dialect.Start, ID: d.Text(id), Model: d.Text(model)})
	}
	stop := dialect.StopReason("")
	switch string(status) {
	case `"completed"`:
		stop = dialect.StopEnd
	case `"incomplete"`:
		stop = dialect.StopLength
		if bytes.Contains(details, []byte(`"content_filter"`)) {
			stop = dialect.StopFilter
		}
	case `"failed"`, `"cancelled"`:
		stop = dialect.StopError
	default:
		return
	}
	if whole && len(output) > 0 && output[0] == '[' {
		o := jsonscan.Over(output)
		for o.Enter(); o.More() && !d.Ended; {
			d.end(int64(len(d.items)), o.Skip(), emit)
		}
		if d.Ended {
			return
		}
	}
	for i := range d.items {
		if h := &d.items[i]; h.kind == call && !h.ended { // cut off by the limit
			h.ended = true
			ev := dialect.Event{Kind: dialect.ToolEnd, Index: h.ordinal}
			if !h.said {
				ev.Text = "{}"
			}
			d.Emit(emit, ev)
		}
	}
	if u, ok := readUsage(usage); ok {
		u.Service = dialect.Service(service)
		u.Units = d.served
		d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: u})
	}
	if stop == dialect.StopError {
		if len(failure) > 0 && failure[0] == '{' {
			d.failure(raw, emit)
		} else {
			d.Fail(emit, "The provider broke its answer off.")
		}
		return
	}
	if stop == dialect.StopEnd && d.calls > 0 {
		stop = dialect.StopToolCalls
	}
	d.Emit(emit, dialect.Event{Kind: dialect.Stop, StopReason: stop})
	d.End(emit)
}

// failure ends the answer with the error that data holds.
func (d *Decoder) failure(data []byte, emit func(*dialect.Event)) {
	e := readFailure(data)
	d.FailWith(emit, &e)
}

// readFailure reads the error of an "error" event, in both of its forms, or of a response that failed. Its status is
// what its code would have had as an answer of its own.
func readFailure(data []byte) dialect.Error {
	e, _ := dialect.ReadError(data)
	if e.Message == "" {
		e.Message = "The provider broke its answer off with an error."
	}
	switch e.Code {
	case "rate_limit_exceeded", "insufficient_quota":
		e.Status = http.StatusTooManyRequests
	case "server_error", "", "vector_store_timeout":
		e.Status = http.StatusBadGateway
	default:
		e.Status = http.StatusBadRequest
	}
	if e.Type == "" {
		e.Type = "api_error"
		if e.Status == http.StatusBadRequest {
			e.Type = "invalid_request_error"
		}
	}
	return e
}

// readUsage reads a usage object into the inside convention, which is the same.
func readUsage(raw []byte) (u dialect.Usage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return u, false
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "input_tokens":
			ok = tokens(&c, &u.Input) || ok
		case "output_tokens":
			ok = tokens(&c, &u.Output) || ok
		case "input_tokens_details":
			details(&c, "cached_tokens", &u.CacheRead, "cache_write_tokens", &u.CacheWrite)
		case "output_tokens_details":
			details(&c, "reasoning_tokens", &u.Reasoning, "", nil)
		case "cost":
			u.Stated, u.HasStated = dialect.Stated(c.Skip())
		case "cost_in_usd_ticks": // xAI's
			u.Stated, u.HasStated = dialect.Ticks(c.Skip())
		default:
			c.Skip()
		}
	}
	u.Known = ok
	return u, ok
}

// serve counts an item of an answer by its raw type, where it is a call of a tool that the provider ran and charges for. What
// else it runs (servers of the caller's, local shells) is not charged. Images that are made along the way cost tokens
// of another model, which usage does not tell: they count as calls, of which nobody knows the price.
func serve(n *price.Units, kind []byte) {
	switch string(kind) {
	case `"web_search_call"`:
		n.WebSearches++
	case `"file_search_call"`:
		n.FileSearches++
	case `"code_interpreter_call"`, `"image_generation_call"`:
		n.ServerTools++
	}
}

// follows takes a step of a search back that is no search: pages that are opened and looked through are not charged.
func follows(n *price.Units, action []byte) {
	if kind := typeOf(action); string(kind) == `"open_page"` || string(kind) == `"find_in_page"` {
		n.WebSearches--
	}
}

// typeOf returns the raw type of an object, nil where it has none.
func typeOf(raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if name := c.Key(); string(name) == "type" {
			return c.Skip()
		}
		c.Skip()
	}
	return nil
}

func tokens(c *jsonscan.Cursor, to *int64) bool {
	n, ok := c.Int()
	if ok && n >= 0 {
		*to = n
	}
	return ok && n >= 0
}

func details(c *jsonscan.Cursor, a string, toA *int64, b string, toB *int64) {
	if c.Kind() != '{' {
		c.Skip()
		return
	}
	for c.Enter(); c.More(); {
		switch name := c.Key(); {
		case string(name) == a:
			tokens(c, toA)
		case toB != nil && string(name) == b:
			tokens(c, toB)
		default:
			c.Skip()
		}
	}
}
