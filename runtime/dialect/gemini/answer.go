package gemini

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// Encoder turns the neutral events of one answer into this dialect: into chunks as server-sent events, into chunks as
// the elements of a JSON array (see [dialect.Opening]), or into one answer.
//
// A call of a function is one part here, so its arguments are kept until they are whole, and calls that arrive side by
// side leave in the order in which they began. A stream's last chunk has the reason and the usage; there is no terminal
// event beside it.
type Encoder struct {
	o       dialect.Opening
	started bool
	opened  bool // of an array: the bracket is written
	done    bool
	err     *dialect.Error
	usage   dialect.Usage
	tail    []byte // of every chunk: modelVersion and responseId
	choices []said

	thought []byte // the last piece of thinking of a stream, which is held back
	thinker int    // the choice that it belongs to
	holds   bool
}

// said is what one choice has said.
type said struct {
	index     int
	parts     []byte // of a body: the parts so far
	text      []byte // of a body: the open text or thought
	open      opened
	calls     []call
	citations []byte
	logprobs  []byte // chosenCandidates
	tops      []byte // topCandidates
	reason    dialect.StopReason
	malformed bool // a call's arguments are not an object
}

type opened uint8

const (
	openNothing opened = iota
	openText
	openThought
)

// call is a call that has begun and not left yet.
type call struct {
	index     int
	id, name  string
	signature string
	arguments []byte
	ended     bool
}

var _ dialect.Encoder = (*Encoder)(nil)

// Reset makes e ready for another answer.
func (e *Encoder) Reset(o dialect.Opening) {
	clear(e.choices)
	*e = Encoder{o: o, tail: keep(e.tail), choices: e.choices[:0], thought: keep(e.thought)}
}

// Err returns the error that ended the answer, nil if there was none so far.
func (e *Encoder) Err() *dialect.Error { return e.err }

// Done reports whether the answer is at its end.
func (e *Encoder) Done() bool { return e.done }

// choice finds what a choice has said so far.
func (e *Encoder) choice(index int) *said {
	for i := range e.choices {
		if e.choices[i].index == index {
			return &e.choices[i]
		}
	}
	e.choices = append(e.choices, said{index: index})
	return &e.choices[len(e.choices)-1]
}

// Event implements [dialect.Encoder].
func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done {
		return dst
	}
	if !e.started && ev.Kind != dialect.ErrorEvent {
		e.started = true
		if e.o.ID == "" {
			e.o.ID = ev.ID
		}
		if e.o.Model == "" {
			e.o.Model = ev.Model
		}
		e.tail = append(e.tail[:0], `,"modelVersion":`...)
		e.tail = jsonscan.AppendString(e.tail, e.o.Model)
		e.tail = append(e.tail, `,"responseId":`...)
		e.tail = jsonscan.AppendString(e.tail, e.o.ID)
		e.tail = append(e.tail, '}')
	}
	if e.holds && ev.Kind != dialect.SignatureDelta {
		dst = e.think(dst, "")
	}
	switch ev.Kind {
	case dialect.TextDelta, dialect.RefusalDelta: // a refusal has no part of its own: it is text, with a reason that tells
		return e.text(dst, ev, openText)
	case dialect.ThinkingDelta:
		return e.text(dst, ev, openThought)
	case dialect.SignatureDelta:
		return e.signature(dst, ev)
	case dialect.RedactedThinkingEvent:
		c := e.choice(ev.Choice)
		return e.part(dst, c, func(b []byte) []byte {
			b = append(b, `{"thought":true,"text":"","thoughtSignature":`...)
			return append(jsonscan.AppendString(b, sealRedacted(ev.SignedBy, ev.Text)), '}')
		})
	case dialect.ImageEvent, dialect.AudioDelta:
		return e.media(dst, ev)
	case dialect.ToolStart:
		c := e.choice(ev.Choice)
		c.calls = append(c.calls, call{index: ev.Index, id: ev.ID, name: ev.Name, signature: own(&dialect.Part{Signature: ev.Signature, SignedBy: ev.SignedBy})})
	case dialect.ToolDelta, dialect.ToolEnd:
		c := e.choice(ev.Choice)
		for i := range c.calls {
			if k := &c.calls[i]; k.index == ev.Index && !k.ended {
				k.arguments = append(k.arguments, ev.Text...)
				k.ended = ev.Kind == dialect.ToolEnd
				break
			}
		}
		return e.advance(dst, c)
	case dialect.CitationEvent:
		e.choice(ev.Choice).cite(ev.Citation)
	case dialect.LogprobsEvent:
		e.choice(ev.Choice).probable(ev.Logprobs)
	case dialect.UsageEvent:
		e.usage = ev.Usage
	case dialect.Stop:
		c := e.choice(ev.Choice)
		for i := range c.calls {
			c.calls[i].ended = true
		}
		dst = e.advance(dst, c)
		c.reason = ev.StopReason
	case dialect.ErrorEvent:
		e.err = ev.Err
		if e.err == nil {
			e.err = &dialect.Error{}
		}
		return e.fail(dst)
	case dialect.End:
		complete := len(e.choices) > 0
		for i := range e.choices {
			complete = complete && e.choices[i].reason != ""
		}
		if !complete {
			e.err = &dialect.Error{Type: "INTERNAL", Message: "The provider's answer ended without a stop reason."}
			return e.fail(dst)
		}
		return e.end(dst)
	}
	return dst
}

// frame begins a piece of a stream.
func (e *Encoder) frame(dst []byte) []byte {
	switch {
	case !e.o.Array:
		return append(dst, "data: "...)
	case !e.opened:
		e.opened = true
		return append(dst, '[')
	}
	return append(dst, ",\r\n"...)
}

func (e *Encoder) endFrame(dst []byte) []byte {
	if e.o.Array {
		return dst
	}
	return append(dst, "\r\n\r\n"...)
}

// head writes a chunk of one choice up to its first part.
func (e *Encoder) head(dst []byte) []byte {
	return append(e.frame(dst), `{"candidates":[{"content":{"parts":[`...)
}

// foot ends a chunk of one choice behind its last part.
func (e *Encoder) foot(dst []byte, c *said) []byte {
	dst = append(dst, `],"role":"model"},"index":`...)
	dst = strconv.AppendInt(dst, int64(c.index), 10)
	dst = append(dst, "}]"...)
	return e.endFrame(append(dst, e.tail...))
}

// part writes a whole part: as a chunk of a stream, or among the parts of a body.
func (e *Encoder) part(dst []byte, c *said, write func([]byte) []byte) []byte {
	if e.o.Stream {
		return e.foot(write(e.head(dst)), c)
	}
	c.close("")
	c.parts = write(c.element())
	return dst
}

func (c *said) element() []byte {
	if len(c.parts) > 0 {
		return append(c.parts, ',')
	}
	return c.parts
}

// text writes a piece of text or of thinking.
func (e *Encoder) text(dst []byte, ev *dialect.Event, kind opened) []byte {
	if ev.Text == "" && ev.Signature == "" {
		return dst
	}
	c := e.choice(ev.Choice)
	signature := ""
	if ev.Signature != "" {
		signature = seal(ev.SignedBy, ev.Signature)
	}
	if e.o.Stream && kind == openThought && signature == "" {
		e.holds, e.thinker, e.thought = true, ev.Choice, append(e.thought[:0], ev.Text...)
		return dst
	}
	if e.o.Stream {
		return e.foot(appendText(e.head(dst), kind, ev.Text, signature), c)
	}
	if c.open != kind {
		c.close("")
		c.open = kind
	}
	c.text = append(c.text, ev.Text...)
	if signature != "" {
		c.close(signature)
	}
	return dst
}

func appendText[S []byte | string](dst []byte, kind opened, s S, signature string) []byte {
	if kind == openThought {
		dst = append(dst, `{"thought":true,"text":`...)
	} else {
		dst = append(dst, `{"text":`...)
	}
	dst = jsonscan.AppendString(dst, s)
	if signature != "" {
		dst = append(dst, `,"thoughtSignature":`...)
		dst = jsonscan.AppendString(dst, signature)
	}
	return append(dst, '}')
}

// close puts the open text or thought of a body among its parts.
func (c *said) close(signature string) {
	if c.open == openNothing {
		return
	}
	c.parts = appendText(c.element(), c.open, c.text, signature)
	c.open, c.text = openNothing, c.text[:0]
}

// signature ends a block of thinking.
func (e *Encoder) signature(dst []byte, ev *dialect.Event) []byte {
	c := e.choice(ev.Choice)
	s := seal(ev.SignedBy, ev.Text)
	if e.o.Stream {
		if e.thinker != ev.Choice {
			dst = e.think(dst, "")
		}
		e.thinker = ev.Choice
		return e.think(dst, s)
	}
	if c.open != openThought {
		c.close("")
		c.open = openThought
	}
	c.close(s)
	return dst
}

// think writes the piece of thinking that was held back. A piece waits for the event behind it, since that may be its
// signature: Google's own answers have both in one part, and clients forget the signature of a part without text.
func (e *Encoder) think(dst []byte, signature string) []byte {
	if !e.holds && signature == "" {
		return dst
	}
	e.holds = false
	dst = e.foot(appendText(e.head(dst), openThought, e.thought, signature), e.choice(e.thinker))
	e.thought = e.thought[:0]
	return dst
}

func (e *Encoder) media(dst []byte, ev *dialect.Event) []byte {
	c := e.choice(ev.Choice)
	if ev.Data == "" && ev.URL == "" {
		return dst // a piece of a transcript
	}
	return e.part(dst, c, func(b []byte) []byte {
		kind := ev.MediaType
		if ev.Kind == dialect.AudioDelta && kind != "" && !strings.Contains(kind, "/") {
			kind = "audio/" + kind
		}
		if ev.Data != "" {
			b = append(b, `{"inlineData":{"mimeType":`...)
			b = jsonscan.AppendString(b, kind)
			b = append(b, `,"data":`...)
			b = jsonscan.AppendString(b, ev.Data)
			return append(b, "}}"...)
		}
		b = append(b, `{"fileData":{"mimeType":`...)
		b = jsonscan.AppendString(b, kind)
		b = append(b, `,"fileUri":`...)
		b = jsonscan.AppendString(b, ev.URL)
		return append(b, "}}"...)
	})
}

// advance lets the calls leave that are whole and have no other before them.
func (e *Encoder) advance(dst []byte, c *said) []byte {
	for len(c.calls) > 0 && c.calls[0].ended {
		k := c.calls[0]
		c.calls = append(c.calls[:0], c.calls[1:]...)
		switch {
		case len(k.arguments) == 0:
			k.arguments = []byte("{}")
		case k.arguments[0] != '{' || jsonscan.Valid(k.arguments) != nil:
			// A part holds an object, not text: what the model cut short has no place.
			c.malformed = true
			continue
		}
		dst = e.part(dst, c, func(b []byte) []byte {
			b = append(b, `{"functionCall":{"name":`...)
			b = jsonscan.AppendString(b, k.name)
			b = append(b, `,"args":`...)
			b = appendLine(b, k.arguments)
			if k.id != "" {
				b = append(b, `,"id":`...)
				b = jsonscan.AppendString(b, k.id)
			}
			b = append(b, '}')
			if k.signature != "" {
				b = append(b, `,"thoughtSignature":`...)
				b = jsonscan.AppendString(b, k.signature)
			}
			return append(b, '}')
		})
	}
	return dst
}

// appendLine appends JSON without its line breaks, which would end a line of server-sent events. Strings hold none.
func appendLine(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexAny(raw, "\r\n")
		if i < 0 {
			break
		}
		dst = append(dst, raw[:i]...)
		raw = raw[i+1:]
	}
	return append(dst, raw...)
}

// cite writes a source as an element of citationMetadata. The API counts bytes, and this side no longer has the text, so
// places of text with other letters than ASCII's are only near.
func (c *said) cite(s *dialect.Citation) {
	if s == nil {
		return
	}
	if len(c.citations) > 0 {
		c.citations = append(c.citations, ',')
	}
	b := append(c.citations, `{"startIndex":`...)
	b = strconv.AppendInt(b, int64(s.Start), 10)
	b = append(b, `,"endIndex":`...)
	b = strconv.AppendInt(b, int64(s.End), 10)
	if s.URL != "" {
		b = append(b, `,"uri":`...)
		b = jsonscan.AppendString(b, s.URL)
	}
	if s.Title != "" {
		b = append(b, `,"title":`...)
		b = jsonscan.AppendString(b, s.Title)
	}
	c.citations = append(b, '}')
}

// probable writes log probabilities as elements of logprobsResult.
func (c *said) probable(list []dialect.Logprob) {
	one := func(b []byte, l *dialect.Logprob) []byte {
		b = append(b, `{"token":`...)
		b = jsonscan.AppendString(b, l.Token)
		b = append(b, `,"logProbability":`...)
		b = strconv.AppendFloat(b, l.Logprob, 'g', -1, 64)
		return append(b, '}')
	}
	for i := range list {
		if len(c.logprobs) > 0 {
			c.logprobs, c.tops = append(c.logprobs, ','), append(c.tops, ',')
		}
		c.logprobs = one(c.logprobs, &list[i])
		c.tops = append(c.tops, `{"candidates":[`...)
		for j := range list[i].Top {
			if j > 0 {
				c.tops = append(c.tops, ',')
			}
			c.tops = one(c.tops, &list[i].Top[j])
		}
		c.tops = append(c.tops, "]}"...)
	}
}

// end writes what ends an answer that came whole.
func (e *Encoder) end(dst []byte) []byte {
	e.done = true
	if !e.o.Stream {
		return dst
	}
	dst = e.answer(e.frame(dst))
	dst = e.endFrame(dst)
	if e.o.Array {
		dst = append(dst, "]\n"...)
	}
	return dst
}

// answer writes a GenerateContentResponse with all candidates: of a stream the last one, of a body the only one.
func (e *Encoder) answer(dst []byte) []byte {
	dst = append(dst, `{"candidates":[`...)
	for i := range e.choices {
		c := &e.choices[i]
		c.close("")
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"content":{"parts":[`...)
		if len(c.parts) == 0 {
			dst = append(dst, `{"text":""}`...) // readers that take the first part find one
		}
		dst = append(dst, c.parts...)
		dst = append(dst, `],"role":"model"},"finishReason":"`...)
		dst = append(dst, c.finishReason()...)
		dst = append(dst, '"')
		if c.malformed {
			dst = append(dst, `,"finishMessage":"The model called a function with arguments that are not a JSON object."`...)
		}
		if len(c.citations) > 0 {
			dst = append(dst, `,"citationMetadata":{"citations":[`...)
			dst = append(dst, c.citations...)
			dst = append(dst, "]}"...)
		}
		if len(c.logprobs) > 0 {
			dst = append(dst, `,"logprobsResult":{"chosenCandidates":[`...)
			dst = append(dst, c.logprobs...)
			dst = append(dst, `],"topCandidates":[`...)
			dst = append(dst, c.tops...)
			dst = append(dst, "]}"...)
		}
		dst = append(dst, `,"index":`...)
		dst = strconv.AppendInt(dst, int64(c.index), 10)
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if e.usage.Known {
		dst = append(dst, `,"usageMetadata":`...)
		dst = appendUsage(dst, &e.usage)
	}
	return append(dst, e.tail...)
}

// finishReason is the dialect's word for how a choice ended. A pause has none: to a client that did not ask for
// server-side tools, the turn is over.
func (c *said) finishReason() string {
	switch c.reason {
	case dialect.StopLength:
		return "MAX_TOKENS"
	case dialect.StopFilter:
		return "SAFETY"
	case dialect.StopError:
		return "OTHER"
	}
	if c.malformed {
		return "MALFORMED_FUNCTION_CALL"
	}
	return "STOP"
}

// fail writes the error as the stream's last piece, as the API itself reports errors in the middle of a stream.
func (e *Encoder) fail(dst []byte) []byte {
	e.done = true
	if !e.o.Stream {
		return dst
	}
	dst = e.endFrame(AppendError(e.frame(dst), e.err))
	if e.o.Array {
		dst = append(dst, "]\n"...)
	}
	return dst
}

// Body appends the whole answer, or the error that ended it.
func (e *Encoder) Body(dst []byte) []byte {
	if e.err != nil {
		return AppendError(dst, e.err)
	}
	return e.answer(dst)
}
