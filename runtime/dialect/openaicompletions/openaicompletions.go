// Package openaicompletions is the dialect of OpenAI's legacy Completions API (POST /v1/completions), as callers speak it.
//
// A request enters ([DecodeRequest]) and leaves as one turn of the user; neutral events enter ([Encoder]) and leave as
// text_completion objects, streamed and ended by data: [DONE], or as one. Providers that have the API themselves get the
// bytes as they are, and their answers, which have the shape of chat completions around another choice, are read aside
// by that dialect's tap.
//
// Invariants: what a conversation's next turn cannot be asked for (text to insert before a suffix, the prompt repeated,
// the best of several, prompts given as tokens, several prompts at once) is handed on by name and refused, never read
// as something else; an answer has exactly one terminal event and nothing after it.
//
// Prompts that continue a text word for word are beyond models for conversations: the turn is sent as it stands, without
// an instruction of the gateway's own.
package openaicompletions

import (
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// defaultTokens is the API's own output limit where the caller names none.
const defaultTokens = 16

// CallerTable says what becomes of the fields of this dialect's callers at a target of another one. What it does not
// name is in [dialect.Only] or in the target's own table.
var CallerTable = dialect.Losses{
	{Field: "prompt", Fate: dialect.Emulated, Why: "one turn of the user"},
	{Field: "max_tokens", Fate: dialect.Lossless, Why: "the output limit; 16 where nothing is said, as the API has it"},
	{Field: "prompts", Fate: dialect.Rejected, Why: "several prompts in one request are several answers"},
	{Field: "tokens", Fate: dialect.Rejected, Why: "prompts of tokens are known to one provider's models alone"},
	{Field: "suffix", Fate: dialect.Rejected, Why: "a conversation has no text behind the answer"},
	{Field: "echo", Fate: dialect.Rejected, Why: "the prompt is not repeated"},
	{Field: "best_of", Fate: dialect.Rejected, Why: "one answer is made"},
	{Field: "completion_logprobs", Fate: dialect.Rejected, Why: "logprobs: no log probabilities in this form"},
}

// DecodeRequest reads a request body. The request shares no memory with body. The error has status 400 and OpenAI's
// words.
func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, openai.Invalid("", "invalid_json", "We could not parse the JSON body of your request: "+err.Error()+".")
	}
	d := decoder{Reader: fields.Over(body), r: &dialect.Request{}}
	if d.Kind() != '{' {
		return nil, openai.Invalid("", "invalid_json", "The request's body must be a JSON object.")
	}
	d.request()
	if f := d.Fault(); f != nil {
		return nil, openai.FaultError(f)
	}
	return d.r, nil
}

type decoder struct {
	*fields.Reader
	r *dialect.Request
}

// unsupported notes what has no place in the neutral model.
func (d *decoder) unsupported(path string) { d.r.Unsupported = append(d.r.Unsupported, path) }

func (d *decoder) request() {
	r := d.r
	var stream, echo *bool
	var best *int64
	var suffix string
	hasPrompt := false
	for ok := d.Object(); ok && d.More(); {
		key := d.Key()
		switch string(key) {
		case "model":
			if d.Kind() != '"' {
				d.WrongTypeHere("a string")
			}
			d.String(&r.Model)
		case "prompt":
			hasPrompt = d.Kind() != 'n'
			d.prompt()
		case "max_tokens":
			d.Int(&r.MaxTokens, 1)
		case "temperature":
			d.Float(&r.Temperature, 0, 2)
		case "top_p":
			d.Float(&r.TopP, 0, 1)
		case "n":
			d.Int(&r.Choices, 1)
		case "best_of":
			d.Int(&best, 1)
		case "echo":
			d.Bool(&echo)
		case "suffix":
			d.String(&suffix)
		case "logprobs":
			if d.Raw() != nil {
				d.unsupported("completion_logprobs")
			}
		case "stop":
			d.stop()
		case "stream":
			d.Bool(&stream)
		case "stream_options":
			for ok := d.Object(); ok && d.More(); {
				if name := d.Key(); string(name) != "include_usage" {
					if d.Raw() != nil {
						d.unsupported(d.Path().Indexed())
					}
					continue
				}
				var b *bool
				d.Bool(&b)
				r.IncludeUsage = b != nil && *b
			}
		case "frequency_penalty":
			d.Float(&r.FrequencyPenalty, -2, 2)
		case "presence_penalty":
			d.Float(&r.PresencePenalty, -2, 2)
		case "logit_bias":
			r.LogitBias = d.RawObject()
		case "seed":
			d.Int(&r.Seed, -1<<63)
		case "user":
			d.String(&r.User)
		default:
			name := strings.ReplaceAll(string(key), ".", "_")
			if d.Raw() != nil {
				d.unsupported(name)
			}
		}
	}
	r.Stream = stream != nil && *stream
	if r.MaxTokens == nil {
		r.MaxTokens = new(int64(defaultTokens))
	}
	if echo != nil && *echo {
		d.unsupported("echo")
	}
	if suffix != "" {
		d.unsupported("suffix")
	}
	if best != nil && *best > 1 {
		d.unsupported("best_of")
	}
	switch {
	case r.Model == "":
		d.Missing("model")
	case !hasPrompt:
		d.Missing("prompt")
	}
}

// prompt reads a string, or a list of strings, of tokens, or of lists of tokens.
func (d *decoder) prompt() {
	var text string
	switch d.Kind() {
	case '"':
		d.String(&text)
	case '[':
		n := 0
		for ok := d.Array(); ok && d.More(); {
			if n++; d.Kind() != '"' {
				if n == 1 {
					d.unsupported("prompt.tokens")
				}
				d.Skip()
				continue
			}
			d.String(&text)
			if n == 2 {
				d.unsupported("prompt.prompts")
			}
		}
		if n == 0 {
			d.Fail("empty_array", "Invalid '$': empty array. Expected an array with minimum length 1, but got an empty array instead.")
		}
	case 'n', 0:
		d.Skip()
		return
	default:
		d.WrongTypeHere("a string or an array")
	}
	d.r.Messages = []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, Text: text, At: -1}}}}
}

func (d *decoder) stop() {
	switch d.Kind() {
	case '"':
		var s string
		d.String(&s)
		d.r.Stop = []string{s}
	case '[', 'n', 0:
		for ok := d.Array(); ok && d.More(); {
			if d.Kind() != '"' {
				d.WrongTypeHere("a string")
			}
			var s string
			d.String(&s)
			d.r.Stop = append(d.r.Stop, s)
		}
	default:
		d.WrongTypeHere("a string or an array of strings")
	}
}

// Encoder turns the neutral events of one answer into this dialect. Of what it has no place for, thinking is left out,
// and a refusal is text. It allocates nothing per streamed event beyond the growth of dst.
type Encoder struct {
	o       dialect.Opening
	started bool
	done    bool
	stopped bool
	usage   dialect.Usage
	err     *dialect.Error
	choices []choice // of a body, by their number
}

// choice is one of the texts of a body.
type choice struct {
	text   []byte
	reason dialect.StopReason
}

// maxChoices bounds the number of a choice that is believed.
const maxChoices = 128

var _ dialect.Encoder = (*Encoder)(nil)

// Reset makes e ready for another answer and keeps its buffers, unless they have grown large.
func (e *Encoder) Reset(o dialect.Opening) {
	kept := e.choices[:0]
	for i := range kept[:cap(kept)] {
		if cap(kept[:cap(kept)][i].text) > 64<<10 {
			kept = nil
			break
		}
	}
	*e = Encoder{o: o, choices: kept}
}

// choice is where what a body's n-th choice says is kept.
func (e *Encoder) choice(n int) *choice {
	for len(e.choices) <= n {
		if len(e.choices) < cap(e.choices) {
			e.choices = e.choices[:len(e.choices)+1]
			c := &e.choices[len(e.choices)-1]
			c.text, c.reason = c.text[:0], ""
			continue
		}
		e.choices = append(e.choices, choice{})
	}
	return &e.choices[n]
}

// Err returns the error that ended the answer, nil if there was none so far.
func (e *Encoder) Err() *dialect.Error { return e.err }

// Done reports whether the answer is at its end.
func (e *Encoder) Done() bool { return e.done }

// Event implements [dialect.Encoder].
func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done || ev.Choice < 0 || ev.Choice >= maxChoices {
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
	}
	switch ev.Kind {
	case dialect.TextDelta, dialect.RefusalDelta:
		if ev.Text == "" {
			return dst
		}
		if !e.o.Stream {
			c := e.choice(ev.Choice)
			c.text = append(c.text, ev.Text...)
			return dst
		}
		dst = e.chunk(dst)
		dst = jsonscan.AppendString(append(dst, `[{"text":`...), ev.Text)
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(ev.Choice), 10)
		dst = append(dst, `,"logprobs":null,"finish_reason":null}]`...)
		return e.close(dst)
	case dialect.UsageEvent:
		e.usage = ev.Usage
	case dialect.Stop:
		e.stopped = e.stopped || ev.StopReason != ""
		if !e.o.Stream {
			e.choice(ev.Choice).reason = ev.StopReason
			return dst
		}
		dst = strconv.AppendInt(append(e.chunk(dst), `[{"text":"","index":`...), int64(ev.Choice), 10)
		dst = append(append(dst, `,"logprobs":null,"finish_reason":"`...), finish(ev.StopReason)...)
		return e.close(append(dst, `"}]`...))
	case dialect.ErrorEvent:
		if e.err = ev.Err; e.err == nil {
			e.err = &dialect.Error{}
		}
		return e.fail(dst)
	case dialect.End:
		if !e.stopped {
			e.err = &dialect.Error{Type: "api_error", Message: "The provider's answer ended without a stop reason."}
			return e.fail(dst)
		}
		e.done = true
		if !e.o.Stream {
			return dst
		}
		if e.o.IncludeUsage && e.usage.Known {
			dst = append(e.chunk(dst), `[],"usage":`...)
			dst = append(openai.AppendUsage(dst, &e.usage), "}\n\n"...)
		}
		return append(dst, "data: [DONE]\n\n"...)
	}
	return dst
}

// chunk begins a chunk, up to its choices.
func (e *Encoder) chunk(dst []byte) []byte { return e.head(append(dst, "data: "...)) }

func (e *Encoder) head(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, e.o.ID)
	dst = append(dst, `,"object":"text_completion","created":`...)
	dst = strconv.AppendInt(dst, e.o.Created, 10)
	dst = append(dst, `,"model":`...)
	dst = jsonscan.AppendString(dst, e.o.Model)
	return append(dst, `,"choices":`...)
}

func (e *Encoder) close(dst []byte) []byte {
	if e.o.IncludeUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

func (e *Encoder) fail(dst []byte) []byte {
	e.done = true
	if !e.o.Stream {
		return dst
	}
	return append(openai.AppendError(append(dst, "data: "...), e.err), "\n\n"...)
}

// Body appends the whole answer of a call that was not streamed, or the error that ended it.
func (e *Encoder) Body(dst []byte) []byte {
	if e.err != nil {
		return openai.AppendError(dst, e.err)
	}
	dst = append(e.head(dst), '[')
	for i := range e.choices {
		c := &e.choices[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(append(dst, `{"text":`...), c.text)
		dst = strconv.AppendInt(append(dst, `,"index":`...), int64(i), 10)
		dst = append(append(append(dst, `,"logprobs":null,"finish_reason":"`...), finish(c.reason)...), `"}`...)
	}
	dst = append(dst, ']')
	if e.usage.Known {
		dst = openai.AppendUsage(append(dst, `,"usage":`...), &e.usage)
	}
	return append(dst, '}')
}

// finish is the dialect's word for a neutral stop reason.
func finish(r dialect.StopReason) string {
	switch r {
	case dialect.StopLength:
		return "length"
	case dialect.StopFilter:
		return "content_filter"
	}
	return "stop"
}
