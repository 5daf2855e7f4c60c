package gemini

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

const (
	// maxChoices bounds the candidates of an answer; the API gives at most eight.
	maxChoices = 128
	// maxText bounds the text that is kept to count the characters before a citation.
	maxText = 1 << 20
)

// Decoder reads one answer: whole, as server-sent events, or as a JSON array, which it tells by the first byte. It
// allocates one string per delta in steady state.
type Decoder struct {
	dialect.Intake

	form    form
	array   array
	started bool
	id      string
	blocked bool // the prompt was refused
	choices []choice
	usage   dialect.Usage
	told    dialect.Usage // the usage of the last event

	// Of the first choice: sources and its text so far, by which their places are counted. Chunks repeat the sources
	// with more of them, so the last ones count.
	grounding, citations, text []byte
	scratch                    []byte
}

type form uint8

const (
	formUnknown form = iota
	formEvents
	formArray
)

// choice is one candidate.
type choice struct {
	index    int
	calls    int
	thoughts int
	thinking bool // a block of thinking is open
	reason   string
	message  string
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
	clear(d.choices)
	d.array.reset()
	*d = Decoder{Intake: d.Intake, array: d.array, choices: d.choices[:0], grounding: keep(d.grounding), citations: keep(d.citations), text: keep(d.text), scratch: keep(d.scratch)}
	d.Intake.Reset(stream)
}

func keep(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// formOf tells what a stream is by its first byte that is no white space.
func formOf(b []byte) form {
	for _, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '[':
			return formArray
		}
		return formEvents
	}
	return formUnknown
}

// Feed implements [dialect.Decoder].
func (d *Decoder) Feed(b []byte, emit func(*dialect.Event)) {
	if d.Stream && d.form == formUnknown {
		if d.form = formOf(b); d.form == formUnknown {
			return
		}
	}
	if d.form != formArray {
		d.Take(b, emit, d.event)
		return
	}
	for len(b) > 0 && !d.Ended {
		n, element, err := d.array.next(b)
		if err != nil {
			d.Fail(emit, "A piece of the provider's stream is too long.")
			return
		}
		if element != nil {
			d.piece(element, emit)
		}
		b = b[n:]
	}
}

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
	if d.form == formEvents && d.Last(func(data []byte) bool { return jsonscan.Valid(data) == nil }) {
		d.event(emit)
	}
	if d.Ended {
		return
	}
	complete := d.blocked || len(d.choices) > 0
	for i := range d.choices {
		complete = complete && d.choices[i].reason != ""
	}
	if !complete {
		d.Fail(emit, "The provider's stream ended before the answer was complete.")
		return
	}
	d.conclude(emit)
}

// event reads one event of a stream.
func (d *Decoder) event(emit func(*dialect.Event)) {
	if string(d.SSE.Data) == "[DONE]" { // some servers in front of the API send it
		return
	}
	d.piece(d.SSE.Data, emit)
}

// piece reads one piece of a stream. What is not JSON breaks the answer off: without it the rest would look whole.
func (d *Decoder) piece(data []byte, emit func(*dialect.Event)) {
	if jsonscan.Valid(data) != nil {
		d.Fail(emit, "The provider's stream holds an event that cannot be read.")
		return
	}
	if isObject(bytes.TrimLeft(data, " \t\r\n")) {
		d.chunk(data, emit)
	}
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
	d.chunk(d.Body, emit)
	switch {
	case d.Ended:
	case !d.blocked && len(d.choices) == 0:
		d.Fail(emit, broken)
	default:
		d.conclude(emit)
	}
}

// chunk reads one GenerateContentResponse.
func (d *Decoder) chunk(data []byte, emit func(*dialect.Event)) {
	var candidates, feedback, numbers, model, id []byte
	c := jsonscan.Over(data)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "candidates":
			candidates = c.Skip()
		case "promptFeedback":
			feedback = c.Skip()
		case "usageMetadata":
			numbers = c.Skip()
		case "modelVersion":
			model = c.Skip()
		case "responseId":
			id = c.Skip()
		case "error":
			if raw := c.Skip(); isObject(raw) {
				d.FailWith(emit, streamError(data))
				return
			}
		default:
			c.Skip()
		}
	}
	if candidates == nil && feedback == nil && numbers == nil {
		return
	}
	if !d.started {
		d.started, d.id = true, d.Text(id)
		d.Emit(emit, dialect.Event{Kind: dialect.Start, ID: d.id, Model: d.Text(model)})
	}
	if len(candidates) > 0 && candidates[0] == '[' {
		c = jsonscan.Over(candidates)
		for c.Enter(); c.More() && !d.Ended; {
			if raw := c.Skip(); isObject(raw) {
				d.candidate(raw, emit)
			}
		}
	}
	if isObject(feedback) {
		c = jsonscan.Over(feedback)
		for c.Enter(); c.More(); {
			if key := c.Key(); string(key) != "blockReason" {
				c.Skip()
			} else if raw := c.Skip(); len(raw) > 2 && raw[0] == '"' && string(raw) != `"BLOCK_REASON_UNSPECIFIED"` && string(raw) != `"BLOCKED_REASON_UNSPECIFIED"` {
				d.blocked = true
			}
		}
	}
	if d.Ended {
		return
	}
	if readUsage(numbers, &d.usage) && d.usage != d.told {
		d.told = d.usage
		d.Emit(emit, dialect.Event{Kind: dialect.UsageEvent, Usage: d.usage})
	}
}

// candidate reads one candidate of a chunk.
func (d *Decoder) candidate(raw []byte, emit func(*dialect.Event)) {
	var content, reason, message, grounding, citations, logprobs []byte
	index := int64(0)
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "index":
			if n, ok := c.Int(); ok && n >= 0 {
				index = n
			}
		case "content":
			content = c.Skip()
		case "finishReason":
			reason = c.Skip()
		case "finishMessage":
			message = c.Skip()
		case "groundingMetadata":
			grounding = c.Skip()
			searches(grounding, &d.usage)
		case "citationMetadata":
			citations = c.Skip()
		case "logprobsResult":
			logprobs = c.Skip()
		default:
			c.Skip()
		}
	}
	if index >= maxChoices {
		d.Fail(emit, "The provider's answer has too many candidates.")
		return
	}
	at := -1
	for i := range d.choices {
		if d.choices[i].index == int(index) {
			at = i
		}
	}
	if at < 0 {
		at = len(d.choices)
		d.choices = append(d.choices, choice{index: int(index)})
	}
	if isObject(content) {
		c = jsonscan.Over(content)
		for c.Enter(); c.More(); {
			if key := c.Key(); string(key) != "parts" || c.Kind() != '[' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				if part := c.Skip(); isObject(part) && !d.Ended {
					d.part(&d.choices[at], part, emit)
				}
			}
		}
	}
	if d.Ended {
		return
	}
	if isObject(logprobs) {
		if list := readLogprobs(logprobs); len(list) > 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.LogprobsEvent, Choice: int(index), Logprobs: list})
		}
	}
	if index == 0 {
		if isObject(grounding) {
			d.grounding = append(d.grounding[:0], grounding...)
		}
		if isObject(citations) {
			d.citations = append(d.citations[:0], citations...)
		}
	}
	if r := d.Text(reason); r != "" && r != "FINISH_REASON_UNSPECIFIED" {
		d.choices[at].reason, d.choices[at].message = r, d.Text(message)
	}
}

// part reads one part of a candidate's content.
func (d *Decoder) part(to *choice, raw []byte, emit func(*dialect.Event)) {
	var txt, thought, signature, call, inline, file []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "text":
			txt = c.Skip()
		case "thought":
			thought = c.Skip()
		case "thoughtSignature":
			signature = c.Skip()
		case "functionCall":
			call = c.Skip()
		case "inlineData":
			inline = c.Skip()
		case "fileData":
			file = c.Skip()
		default: // executableCode, codeExecutionResult and other things of tools that the provider runs itself
			c.Skip()
		}
	}
	if string(thought) == "true" {
		if !to.thinking {
			to.thinking = true
			to.thoughts++
		}
		if s := d.Text(txt); s != "" {
			d.Emit(emit, dialect.Event{Kind: dialect.ThinkingDelta, Choice: to.index, Index: to.thoughts - 1, Text: s})
		}
		if s := d.Text(signature); s != "" {
			to.thinking = false
			d.Emit(emit, dialect.Event{Kind: dialect.SignatureDelta, Choice: to.index, Index: to.thoughts - 1, Text: s, SignedBy: dialect.SignerGemini})
		}
		return
	}
	to.thinking = false
	switch {
	case isObject(call):
		d.call(to, call, d.Text(signature), emit)
	case isObject(inline):
		d.media(to, inline, emit)
	case isObject(file):
		d.media(to, file, emit)
	case txt != nil || signature != nil:
		ev := dialect.Event{Kind: dialect.TextDelta, Choice: to.index, Text: d.Text(txt), Signature: d.Text(signature)}
		if ev.Signature != "" {
			ev.SignedBy = dialect.SignerGemini
		}
		if to.index == 0 && len(d.text)+len(ev.Text) <= maxText {
			d.text = append(d.text, ev.Text...)
		}
		if ev.Text != "" || ev.Signature != "" {
			d.Emit(emit, ev)
		}
	}
}

// call reads a functionCall, which is always whole.
func (d *Decoder) call(to *choice, raw []byte, signature string, emit func(*dialect.Event)) {
	var id, name, args []byte
	pieces := false
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "id":
			id = c.Skip()
		case "name":
			name = c.Skip()
		case "args":
			args = c.Skip()
		case "partialArgs":
			c.Skip()
			pieces = true
		case "willContinue":
			pieces = pieces || string(c.Skip()) == "true"
		default:
			c.Skip()
		}
	}
	ev := dialect.Event{Kind: dialect.ToolStart, Choice: to.index, Index: to.calls, ID: d.Text(id), Name: d.Text(name), Signature: signature}
	if pieces || ev.Name == "" {
		d.Fail(emit, "The provider sent a function call in pieces, for which it was not asked.")
		return
	}
	if signature != "" {
		ev.SignedBy = dialect.SignerGemini
	}
	if ev.ID == "" {
		ev.ID = d.invent(to)
	}
	to.calls++
	d.Emit(emit, ev)
	arguments := "{}"
	if isObject(args) {
		arguments = string(args)
	}
	d.Emit(emit, dialect.Event{Kind: dialect.ToolEnd, Choice: to.index, Index: to.calls - 1, Text: arguments})
}

// invent makes the id of a call that has none, of the answer's id and the calls before it: the same however often and in
// whatever pieces the answer is read. No more than 40 characters, which is what OpenAI's API takes.
func (d *Decoder) invent(to *choice) string {
	b := append(d.scratch[:0], "call_"...)
	b = append(b, d.id[:min(len(d.id), 24)]...)
	b = append(b, '_')
	if to.index > 0 {
		b = strconv.AppendInt(b, int64(to.index), 10)
		b = append(b, '_')
	}
	b = strconv.AppendInt(b, int64(to.calls), 10)
	d.scratch = b
	return string(b)
}

// media reads inlineData or fileData of an answer.
func (d *Decoder) media(to *choice, raw []byte, emit func(*dialect.Event)) {
	var kind, data, uri []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "mimeType":
			kind = c.Skip()
		case "data":
			data = c.Skip()
		case "fileUri":
			uri = c.Skip()
		default:
			c.Skip()
		}
	}
	ev := dialect.Event{Kind: dialect.ImageEvent, Choice: to.index, MediaType: d.Text(kind), Data: d.Text(data), URL: d.Text(uri)}
	if len(ev.MediaType) > 6 && ev.MediaType[:6] == "audio/" {
		ev.Kind = dialect.AudioDelta
	}
	if ev.Data != "" || ev.URL != "" {
		d.Emit(emit, ev)
	}
}

// readLogprobs reads a logprobsResult.
func readLogprobs(raw []byte) (list []dialect.Logprob) {
	var chosen, top []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "chosenCandidates":
			chosen = c.Skip()
		case "topCandidates":
			top = c.Skip()
		default:
			c.Skip()
		}
	}
	list = logprobs(chosen)
	if len(top) == 0 || top[0] != '[' {
		return list
	}
	c = jsonscan.Over(top)
	i := 0
	for c.Enter(); c.More(); i++ {
		if c.Kind() != '{' {
			c.Skip()
			continue
		}
		for c.Enter(); c.More(); {
			if key := c.Key(); string(key) == "candidates" {
				if alternatives := logprobs(c.Skip()); i < len(list) {
					list[i].Top = alternatives
				}
			} else {
				c.Skip()
			}
		}
	}
	return list
}

func logprobs(raw []byte) (list []dialect.Logprob) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if c.Kind() != '{' {
			c.Skip()
			continue
		}
		var l dialect.Logprob
		for c.Enter(); c.More(); {
			switch string(c.Key()) {
			case "token":
				l.Token = text(c.Skip())
			case "logProbability":
				l.Logprob, _ = strconv.ParseFloat(string(c.Skip()), 64)
			default:
				c.Skip()
			}
		}
		list = append(list, l)
	}
	return list
}

// conclude emits what ends an answer that is complete.
func (d *Decoder) conclude(emit func(*dialect.Event)) {
	for i := range d.choices {
		if ch := &d.choices[i]; failed(ch.reason) {
			message := "The model's answer could not be used"
			if ch.message != "" {
				message += ": " + dialect.Redact(ch.message)
			}
			d.FailWith(emit, &dialect.Error{Status: 502, Type: "api_error", Code: lower(ch.reason), Message: message + "."})
			return
		}
	}
	d.sources(emit)
	if len(d.choices) == 0 {
		d.Emit(emit, dialect.Event{Kind: dialect.Stop, StopReason: dialect.StopFilter})
	}
	for i := range d.choices {
		ch := &d.choices[i]
		reason := stopReason(ch.reason, ch.calls > 0)
		if d.blocked && ch.reason == "" {
			reason = dialect.StopFilter
		}
		d.Emit(emit, dialect.Event{Kind: dialect.Stop, Choice: ch.index, StopReason: reason})
	}
	d.End(emit)
}

// failed tells whether a finishReason says that the model has failed, and what it gave is not an answer.
func failed(reason string) bool {
	switch reason {
	case "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "OTHER", "IMAGE_OTHER", "NO_IMAGE":
		return true
	}
	return false
}

// stopReason maps a finishReason. One that is not known ends the turn like STOP.
func stopReason(word string, calls bool) dialect.StopReason {
	switch word {
	case "MAX_TOKENS":
		return dialect.StopLength
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION":
		return dialect.StopFilter
	}
	if failed(word) {
		return dialect.StopError
	}
	if calls {
		return dialect.StopToolCalls
	}
	return dialect.StopEnd
}

func lower(word string) string { return string(bytes.ToLower([]byte(word))) }

// sources emits the citations of the first choice.
func (d *Decoder) sources(emit func(*dialect.Event)) {
	if len(d.citations) > 0 {
		c := jsonscan.Over(d.citations)
		for c.Enter(); c.More(); {
			if key := c.Key(); string(key) != "citations" && string(key) != "citationSources" || c.Kind() != '[' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				if raw := c.Skip(); isObject(raw) {
					d.citation(raw, emit)
				}
			}
		}
	}
	if len(d.grounding) > 0 {
		d.grounded(emit)
	}
}

func (d *Decoder) citation(raw []byte, emit func(*dialect.Event)) {
	cite := dialect.Citation{Document: -1}
	var from, to int64
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "uri":
			cite.URL = d.Text(c.Skip())
		case "title":
			cite.Title = d.Text(c.Skip())
		case "startIndex":
			from, _ = c.Int()
		case "endIndex":
			to, _ = c.Int()
		default:
			c.Skip()
		}
	}
	cite.Start, cite.End = d.place(from, to)
	d.Emit(emit, dialect.Event{Kind: dialect.CitationEvent, Citation: &cite})
}

// place turns offsets in bytes of the answer's text into offsets in characters; 0, 0 where they are none.
func (d *Decoder) place(from, to int64) (int, int) {
	if from < 0 || to <= from || to > int64(len(d.text)) {
		return 0, 0
	}
	start := utf8.RuneCount(d.text[:from])
	return start, start + utf8.RuneCount(d.text[from:to])
}

// maxSources bounds the citations of an answer.
const maxSources = 1024

// grounded emits a citation for each source of each supported segment, and one without a place for each source that
// supports none.
func (d *Decoder) grounded(emit func(*dialect.Event)) {
	type source struct {
		url, title, text string
		used             bool
	}
	var sources []source
	var supports []byte
	c := jsonscan.Over(d.grounding)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "groundingSupports":
			supports = c.Skip()
		case "groundingChunks":
			if c.Kind() != '[' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				var s source
				if c.Kind() != '{' {
					c.Skip()
					sources = append(sources, s)
					continue
				}
				for c.Enter(); c.More(); {
					c.Key() // web, retrievedContext, maps or image
					if c.Kind() != '{' {
						c.Skip()
						continue
					}
					for c.Enter(); c.More(); {
						switch string(c.Key()) {
						case "uri", "sourceUri":
							s.url = d.Text(c.Skip())
						case "title":
							s.title = d.Text(c.Skip())
						case "text":
							s.text = d.Text(c.Skip())
						default:
							c.Skip()
						}
					}
				}
				if len(sources) < maxSources {
					sources = append(sources, s)
				}
			}
		default:
			c.Skip()
		}
	}
	left := maxSources
	tell := func(s *source, start, end int) {
		if left--; left >= 0 {
			d.Emit(emit, dialect.Event{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: s.url, Title: s.title, Text: s.text, Start: start, End: end, Document: -1}})
		}
	}
	if len(supports) > 0 && supports[0] == '[' {
		c = jsonscan.Over(supports)
		for c.Enter(); c.More(); {
			if c.Kind() != '{' {
				c.Skip()
				continue
			}
			var from, to int64
			var indices []byte
			for c.Enter(); c.More(); {
				switch string(c.Key()) {
				case "groundingChunkIndices":
					indices = c.Skip()
				case "segment":
					if c.Kind() != '{' {
						c.Skip()
						continue
					}
					for c.Enter(); c.More(); {
						switch string(c.Key()) {
						case "startIndex":
							from, _ = c.Int()
						case "endIndex":
							to, _ = c.Int()
						default:
							c.Skip()
						}
					}
				default:
					c.Skip()
				}
			}
			if len(indices) == 0 || indices[0] != '[' {
				continue
			}
			start, end := d.place(from, to)
			i := jsonscan.Over(indices)
			for i.Enter(); i.More(); {
				if n, ok := i.Int(); ok && n >= 0 && n < int64(len(sources)) {
					sources[n].used = true
					tell(&sources[n], start, end)
				}
			}
		}
	}
	for n := range sources {
		if s := &sources[n]; !s.used && (s.url != "" || s.title != "") {
			tell(s, 0, 0)
		}
	}
}
