package cohere

import (
	"bytes"
	"hash/fnv"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// maxCalls and maxSources bound the calls of tools in one answer and the sources of one citation.
const (
	maxCalls   = 1024
	maxSources = 64
)

// Decoder reads one answer, streamed or whole. It allocates one string per delta in steady state.
type Decoder struct {
	dialect.Intake

	started bool
	id      string
	thought bool // inside a run of thinking, which has one index
	blocks  int  // runs of thinking so far
	calls   []calling
	said    int // characters of text so far
	base    int // where the text began that citations count from
}

var _ dialect.Decoder = (*Decoder)(nil)

// calling is a call of a tool that has begun.
type calling struct {
	index        int64 // the provider's
	ended, wrote bool
	held         []byte // arguments that do not begin like an object: it may be null
}

// Reset makes d ready for another answer and keeps its buffers, unless they have grown large.
func (d *Decoder) Reset(stream bool) {
	clear(d.calls)
	*d = Decoder{Intake: d.Intake, calls: d.calls[:0]}
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

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

func isList(raw []byte) bool { return len(raw) > 0 && raw[0] == '[' }

// member returns the raw value of an object's member, nil where there is none.
func member(raw []byte, name string) (value []byte) {
	if !isObject(raw) {
		return nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if string(c.Key()) == name {
			value = c.Skip()
		} else {
			c.Skip()
		}
	}
	return value
}

// event reads one event of a stream. Types that are not known are ignored. What is not JSON breaks the answer off: a
// piece of it is lost, and without it the rest would look whole.
func (d *Decoder) event(emit func(*dialect.Event)) {
	data := d.SSE.Data
	if jsonscan.Valid(data) != nil {
		if string(bytes.TrimSpace(data)) == "[DONE]" {
			d.Fail(emit, "The provider's stream ended before the answer was complete.")
			return
		}
		d.Fail(emit, "The provider's stream holds an event that cannot be read.")
		return
	}
	var kind, id, delta, failure []byte
	index := int64(0)
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "type":
			kind = c.Skip()
		case "id":
			id = c.Skip()
		case "index":
			if n, ok := c.Int(); ok {
				index = n
			}
		case "delta":
			delta = c.Skip()
		case "message":
			failure = c.Skip()
		default:
			c.Skip()
		}
	}
	if len(kind) == 0 {
		if len(failure) > 2 && failure[0] == '"' {
			d.FailWith(emit, broken(data, http.StatusBadGateway))
		}
		return
	}
	d.start(id, emit)
	message := member(delta, "message")
	switch string(kind) {
	case `"content-start"`, `"content-delta"`:
		if string(kind) == `"content-start"` {
			d.rest()
			d.base = d.said
		}
		d.content(member(message, "content"), emit)
	case `"content-end"`:
		d.rest()
	case `"tool-plan-delta"`:
		d.say(d.Text(member(message, "tool_plan")), emit)
	case `"tool-call-start"`:
		d.call(index, member(message, "tool_calls"), emit)
	case `"tool-call-delta"`:
		d.fragment(index, member(message, "tool_calls"), emit)
	case `"tool-call-end"`:
		for i := range d.calls {
			if d.calls[i].index == index {
				d.end(i, emit)
			}
		}
	case `"citation-start"`:
		d.citation(member(message, "citations"), emit)
	case `"message-end"`:
		d.finish(delta, emit)
	}
}

func (d *Decoder) start(id []byte, emit func(*dialect.Event)) {
	if !d.started {
		d.started, d.id = true, d.Text(id)
		d.Emit(emit, dialect.Event{Kind: dialect.Start, ID: d.id})
	}
}

// content reads {"type","text"} or {"type","thinking"}, whose type stands in the first of a block alone.
func (d *Decoder) content(raw []byte, emit func(*dialect.Event)) {
	if !isObject(raw) {
		return
	}
	var text, thinking []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "text":
			text = c.Skip()
		case "thinking":
			thinking = c.Skip()
		default:
			c.Skip()
		}
	}
	if s := d.Text(thinking); s != "" {
		d.thought = true
		d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Index: d.blocks, Text: s})
	}
	d.say(d.Text(text), emit)
}

func (d *Decoder) say(s string, emit func(*dialect.Event)) {
	if s != "" {
		d.rest()
		d.said += utf8.RuneCountInString(s)
		d.Emit(emit, dialect.Event{Kind: dialect.TextDelta, Text: s})
	}
}

// rest ends a run of thinking.
func (d *Decoder) rest() {
	if d.thought {
		d.thought = false
		d.blocks++
	}
}

// call begins a call: {"id","type","function":{"name","arguments"}}. It returns its place in d.calls, -1 after a fault.
func (d *Decoder) call(index int64, raw []byte, emit func(*dialect.Event)) int {
	if !isObject(raw) {
		return -1
	}
	if len(d.calls) >= maxCalls {
		d.Fail(emit, "The provider's answer calls too many tools.")
		return -1
	}
	for i := range d.calls {
		if d.calls[i].index == index {
			d.end(i, emit) // an index that is used again without its end
			d.calls[i].index = -1
		}
	}
	d.rest()
	n := len(d.calls)
	d.calls = append(d.calls, calling{index: index})
	id := d.Text(member(raw, "id"))
	function := member(raw, "function")
	name := d.Text(member(function, "name"))
	if id == "" {
		h := fnv.New64a()
		h.Write([]byte(d.id + "/" + strconv.Itoa(n) + "/" + name))
		id = "call_" + strconv.FormatUint(h.Sum64(), 36)
	}
	d.Emit(emit, dialect.Event{Kind: dialect.ToolStart, Index: n, ID: id, Name: name})
	d.arguments(n, d.Text(member(function, "arguments")), emit)
	return n
}

func (d *Decoder) fragment(index int64, raw []byte, emit func(*dialect.Event)) {
	for i := len(d.calls) - 1; i >= 0; i-- {
		if d.calls[i].index == index && !d.calls[i].ended {
			d.arguments(i, d.Text(member(member(raw, "function"), "arguments")), emit)
			return
		}
	}
	d.Fail(emit, "The provider's stream goes on with a call of a tool that has not begun.")
}

// arguments takes a piece of a call's arguments. What does not begin like an object is held back until it is known.
func (d *Decoder) arguments(n int, s string, emit func(*dialect.Event)) {
	c := &d.calls[n]
	if s == "" {
		return
	}
	if !c.wrote {
		c.held = append(c.held, s...)
		switch t := bytes.TrimSpace(c.held); {
		case len(t) == 0, len(t) <= len("null") && bytes.HasPrefix([]byte("null"), t):
			return
		}
		s, c.held = string(c.held), nil
		c.wrote = true
	}
	d.Emit(emit, dialect.Event{Kind: dialect.ToolDelta, Index: n, Text: s})
}

// end ends a call. Arguments that were not sent, or are null, are those of a function that takes none.
func (d *Decoder) end(n int, emit func(*dialect.Event)) {
	c := &d.calls[n]
	if c.ended {
		return
	}
	c.ended, c.held = true, nil
	ev := dialect.Event{Kind: dialect.ToolEnd, Index: n}
	if !c.wrote {
		ev.Text = "{}"
	}
	d.Emit(emit, ev)
}

// citation reads {"start","end","text","sources":[…]} and emits one event for each source: a document of the caller's,
// or the output of a tool.
func (d *Decoder) citation(raw []byte, emit func(*dialect.Event)) {
	if !isObject(raw) {
		return
	}
	var start, end int64
	var sources []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "start":
			start, _ = c.Int()
		case "end":
			end, _ = c.Int()
		case "sources":
			sources = c.Skip()
		default:
			c.Skip()
		}
	}
	const far = 1 << 30
	if !isList(sources) || start < 0 || end < start || end > far {
		return
	}
	c = jsonscan.Over(sources)
	n := 0
	for c.Enter(); c.More(); {
		raw := c.Skip()
		if n++; !isObject(raw) || n > maxSources {
			continue
		}
		cited := &dialect.Citation{Start: d.base + int(start), End: d.base + int(end), Document: -1}
		document := member(raw, "document")
		if document == nil {
			document = member(raw, "tool_output")
		}
		cited.Title = d.Text(member(document, "title"))
		cited.URL = d.Text(member(document, "url"))
		if cited.Text = d.Text(member(document, "text")); cited.Text == "" {
			cited.Text = d.Text(member(document, "snippet"))
		}
		if cited.Title == "" {
			cited.Title = d.Text(member(raw, "id"))
		}
		d.Emit(emit, dialect.Event{Kind: dialect.CitationEvent, Citation: cited})
	}
}

// finish reads {"finish_reason","usage","error"} and ends the answer.
func (d *Decoder) finish(raw []byte, emit func(*dialect.Event)) {
	if u, ok := readUsage(member(raw, "usage")); ok {
		d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: u})
	}
	reason := dialect.StopEnd
	switch finish := member(raw, "finish_reason"); string(finish) {
	case `"STOP_SEQUENCE"`:
		reason = dialect.StopSequence
	case `"MAX_TOKENS"`:
		reason = dialect.StopLength
	case `"TOOL_CALL"`:
		reason = dialect.StopToolCalls
	case `"ERROR_TOXIC"`:
		reason = dialect.StopFilter
	case `"ERROR"`:
		d.FailWith(emit, broken(raw, http.StatusBadGateway))
		return
	case `"TIMEOUT"`:
		d.FailWith(emit, broken(raw, http.StatusGatewayTimeout))
		return
	case "", "null":
		d.Fail(emit, "The provider's answer ended without a finish reason.")
		return
	}
	for i := range d.calls {
		d.end(i, emit)
	}
	d.rest()
	d.Emit(emit, dialect.Event{Kind: dialect.Stop, StopReason: reason})
	d.End(emit)
}

// whole reads an answer that was not streamed.
func (d *Decoder) whole(emit func(*dialect.Event)) {
	const incomplete = "The provider's answer is not a complete message."
	if jsonscan.Valid(d.Body) != nil || !isObject(bytes.TrimSpace(d.Body)) {
		d.Fail(emit, incomplete)
		return
	}
	body := bytes.TrimSpace(d.Body)
	message := member(body, "message")
	if !isObject(message) {
		if len(message) > 2 {
			d.FailWith(emit, broken(body, http.StatusBadGateway)) // {"message":"…"} with status 200
			return
		}
		d.Fail(emit, incomplete)
		return
	}
	d.start(member(body, "id"), emit)
	var content, plan, calls, citations []byte
	c := jsonscan.Over(message)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "content":
			content = c.Skip()
		case "tool_plan":
			plan = c.Skip()
		case "tool_calls":
			calls = c.Skip()
		case "citations":
			citations = c.Skip()
		default:
			c.Skip()
		}
	}
	switch {
	case isList(content):
		c := jsonscan.Over(content)
		for c.Enter(); c.More(); {
			if block := c.Skip(); isObject(block) {
				d.rest()
				if string(member(block, "type")) == `"text"` {
					d.base = d.said
				}
				d.content(block, emit)
			}
		}
	case len(content) > 2 && content[0] == '"':
		d.say(d.Text(content), emit)
	}
	if isList(citations) {
		c := jsonscan.Over(citations)
		for c.Enter(); c.More(); {
			d.citation(c.Skip(), emit)
		}
	}
	d.say(d.Text(plan), emit)
	if isList(calls) {
		c := jsonscan.Over(calls)
		c.Enter()
		for i := int64(0); c.More() && !d.Ended; i++ {
			if n := d.call(i, c.Skip(), emit); n >= 0 {
				d.end(n, emit)
			}
		}
	}
	if !d.Ended {
		d.finish(body, emit)
	}
}

// broken makes the error of an answer that failed behind status 200.
func broken(raw []byte, status int) *dialect.Error {
	e := &dialect.Error{Status: status, Type: "api_error", Message: "The provider broke its answer off with an error."}
	said := member(raw, "error")
	if said == nil {
		said = member(raw, "message")
	}
	if len(said) > 2 && said[0] == '"' {
		text, _ := jsonscan.Unquote(said, nil)
		e.Message = dialect.Redact(string(text))
	}
	return e
}

// readUsage reads {"billed_units":{"input_tokens","output_tokens"},"tokens":{…},"cached_tokens"}. Where only one of the
// two is there it stands for both.
func readUsage(raw []byte) (u dialect.Usage, ok bool) {
	if !isObject(raw) {
		return u, false
	}
	var billed, tokens bool
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "billed_units":
			billed = pair(&c, &u.BilledInput, &u.BilledOutput)
		case "tokens":
			tokens = pair(&c, &u.Input, &u.Output)
		case "cached_tokens":
			if n, ok := c.Int(); ok && n > 0 {
				u.CacheRead = n
			}
		default:
			c.Skip()
		}
	}
	if !tokens {
		u.Input, u.Output, u.BilledInput, u.BilledOutput = u.BilledInput, u.BilledOutput, 0, 0
	}
	u.CacheRead = min(u.CacheRead, u.Input)
	u.Known = billed || tokens
	return u, u.Known
}

func pair(c *jsonscan.Cursor, input, output *int64) (ok bool) {
	if c.Kind() != '{' {
		c.Skip()
		return false
	}
	for c.Enter(); c.More(); {
		var to *int64
		switch string(c.Key()) {
		case "input_tokens":
			to = input
		case "output_tokens":
			to = output
		default:
			c.Skip()
			continue
		}
		// The API's documents give these as numbers with a fraction, of zero.
		raw := c.Skip()
		if cut := bytes.IndexByte(raw, '.'); cut > 0 {
			raw = raw[:cut]
		}
		if n, is := jsonscan.Int(raw); is && n >= 0 {
			*to, ok = n, true
		}
	}
	return ok
}

// DecodeError reads an error answer, {"id","message"}. It always gives an error with a message, whatever the body holds.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error { return dialect.AnswerError(a, errorType) }

// errorType is a word for a status; the API gives none. 498 is its own: the content was refused.
func errorType(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusNotFound:
		return "not_found_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case 400 <= status && status < 500:
		return "invalid_request_error"
	}
	return "server_error"
}
