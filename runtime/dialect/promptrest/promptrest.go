// Package promptrest is prompts as REST, as a dialect: what a prompt's inputs ask of a model, and what its caller gets.
//
// Messages that package prompt has written enter and a [dialect.Request] leaves; the events of the model's answer enter
// and the prompt's answer leaves: {"prompt", "version", "output", "stop_reason"}, or events of a stream. It is a dialect
// that only callers speak, so that every provider that can hold a conversation can serve a prompt.
//
// Where the output has a type, the provider is asked for JSON by a schema if its model surely can, and told in words
// else; [Encoder.Judge] holds the answer against the type in either case, because neither is a promise. A tool call
// whose arguments are the output was refused as the way for models without schemas: it costs the same tokens, fails
// in the same way, and there are models without tools, too.
package promptrest

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// Invalid is an answer that does not fit, for the model that is asked to mend it.
type Invalid struct {
	Text   string
	Faults []prompt.Fault
}

// Request is what a model is asked. told says that the target cannot be held to a schema; before is the answer that is
// to be mended, or nil.
//
// caches says how the target keeps beginnings of requests, for prompts that want that: the mark stands behind what all
// requests begin with, and the words about the output's schema count as part of it.
func Request(g *prompt.Program, messages []prompt.Rendered, stream, told bool, caches Caches, before *Invalid) *dialect.Request {
	r := &dialect.Request{Stream: stream, IncludeUsage: true, Temperature: g.Temperature, TopP: g.TopP, Stop: g.Stop, Reasoning: g.Reasoning}
	if g.MaxTokens > 0 {
		r.MaxTokens = &g.MaxTokens
	}
	front := -1
	if g.Caching != "" {
		switch front = prompt.Front(messages); {
		case front < 0:
		case caches == ByKey:
			r.CacheKey = key(g)
		case caches == Never:
			r.Unsupported = append(r.Unsupported, "cache_control")
		}
		if caches != ByMark {
			front = -1
		}
	}
	mark := func(i int) dialect.Cache {
		if i != front {
			return dialect.NoCache
		}
		return dialect.Cache(g.Caching)
	}
	for i := range messages {
		m := &messages[i]
		if m.Role == "system" || m.Role == "developer" {
			r.System = append(r.System, dialect.Part{Kind: dialect.Text, Text: m.Text, Cache: mark(i), At: -1})
			continue
		}
		out := dialect.Message{Role: dialect.User, At: i}
		if m.Role == "assistant" {
			out.Role = dialect.Assistant
		}
		for _, image := range m.Images {
			media, data, link := prompt.SplitImage(image)
			out.Parts = append(out.Parts, dialect.Part{Kind: dialect.Image, MediaType: media, Data: data, URL: link, At: len(out.Parts)})
		}
		if strings.TrimSpace(m.Text) != "" {
			out.Parts = append(out.Parts, dialect.Part{Kind: dialect.Text, Text: m.Text, Cache: mark(i), At: len(out.Parts)})
		}
		r.Messages = append(r.Messages, out)
	}
	if g.Untyped() {
		return r
	}
	if told {
		var kept dialect.Cache
		if n := len(r.System); n > 0 {
			kept, r.System[n-1].Cache = r.System[n-1].Cache, dialect.NoCache
		}
		r.System = append(r.System, dialect.Part{Kind: dialect.Text, At: -1, Cache: kept,
			Text: "Answer with one JSON object that fits this JSON Schema, and with nothing else:\n" + string(g.OutputSchema(nil))})
	} else {
		strict := true
		r.Format = dialect.Format{Kind: "json_schema", Name: strings.ReplaceAll(g.Prompt, "-", "_"), Schema: g.AskedSchema(nil), Strict: &strict}
	}
	if before != nil {
		text := before.Text
		if strings.TrimSpace(text) == "" {
			text = "(nothing)"
		}
		r.Messages = append(r.Messages,
			dialect.Message{Role: dialect.Assistant, At: len(messages), Parts: []dialect.Part{{Kind: dialect.Text, Text: text, At: -1}}},
			dialect.Message{Role: dialect.User, At: len(messages) + 1, Parts: []dialect.Part{{Kind: dialect.Text, At: -1,
				Text: "This answer does not fit. Answer again, with the JSON object alone:\n" + faultLines(before.Faults)}}})
	}
	return r
}

// Caches is how a target keeps beginnings of requests.
type Caches uint8

const (
	ByMark Caches = iota // behind a mark (Anthropic, Bedrock)
	ByKey                // by itself, and looks where a key says (OpenAI)
	Alone                // by itself (Gemini)
	Never                // nobody knows that it does: the loss is named
)

// maxKey is how long OpenAI lets a key be.
const maxKey = 64

// key is the same for all requests of a version of a prompt, and for nothing else.
func key(g *prompt.Program) string {
	k := "prompt:" + g.Prompt + ":" + strconv.FormatInt(g.Number, 10)
	if len(k) > maxKey {
		sum := sha256.Sum256([]byte(k))
		k = "prompt:" + hex.EncodeToString(sum[:16])
	}
	return k
}

func faultLines(faults []prompt.Fault) string {
	var b strings.Builder
	for _, f := range faults {
		b.WriteString("- ")
		if f.Pointer != "" {
			b.WriteString(f.Pointer)
			b.WriteString(": ")
		}
		b.WriteString(f.Detail)
		b.WriteByte('\n')
	}
	return b.String()
}

// Encoder writes a prompt's answer. [Encoder.Bind] comes after each Reset. A refusal of the model counts as its text.
type Encoder struct {
	open    dialect.Opening
	program *prompt.Program
	text    strings.Builder
	output  []byte // what Judge has found right
	stop    dialect.StopReason
	refused bool
	err     *dialect.Error
	done    bool
}

// Reset implements [dialect.Encoder].
func (e *Encoder) Reset(o dialect.Opening) {
	*e = Encoder{open: o, output: e.output[:0]}
}

// Bind says which version of which prompt is answered.
func (e *Encoder) Bind(g *prompt.Program) { e.program = g }

// Text returns what the model has written.
func (e *Encoder) Text() string { return e.text.String() }

// Refused reports whether the model refused, in a way of its own.
func (e *Encoder) Refused() bool { return e.refused }

// Stopped returns why the model stopped.
func (e *Encoder) Stopped() dialect.StopReason { return e.stop }

// Judge holds the answer against the type of the output. It comes before Body; nothing is wrong with a text.
func (e *Encoder) Judge() []prompt.Fault {
	if e.program.Untyped() {
		e.output = jsonscan.AppendString(e.output[:0], e.text.String())
		return nil
	}
	v, faults := e.program.Output(e.text.String())
	if len(faults) == 0 {
		e.output = e.program.AppendJSON(e.output[:0], e.program.Version.Output, v)
	}
	return faults
}

// Event implements [dialect.Encoder].
func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte {
	if e.done || ev.Choice > 0 {
		return dst
	}
	switch ev.Kind {
	case dialect.RefusalDelta, dialect.TextDelta:
		e.refused = e.refused || ev.Kind == dialect.RefusalDelta
		if !e.open.Stream {
			e.text.WriteString(ev.Text)
			break
		}
		if ev.Text != "" {
			dst = jsonscan.AppendString(append(dst, "event: delta\ndata: {\"text\":"...), ev.Text)
			dst = append(dst, "}\n\n"...)
		}
	case dialect.Stop:
		e.stop = ev.StopReason
	case dialect.ErrorEvent:
		e.err = ev.Err
		if e.open.Stream {
			dst = AppendError(append(dst, "event: error\ndata: "...), ev.Err)
			dst = append(dst, "\n\n"...)
		}
	case dialect.End:
		e.done = true
		if e.open.Stream && e.err == nil {
			dst = e.head(append(dst, "event: end\ndata: "...))
			dst = append(e.tail(dst), "\n\n"...)
		}
	}
	return dst
}

func (e *Encoder) head(dst []byte) []byte {
	dst = jsonscan.AppendString(append(dst, `{"prompt":`...), e.program.Prompt)
	return strconv.AppendInt(append(dst, `,"version":`...), e.program.Number, 10)
}

func (e *Encoder) tail(dst []byte) []byte {
	stop := e.stop
	if e.refused {
		stop = dialect.StopFilter
	}
	return append(jsonscan.AppendString(append(dst, `,"stop_reason":`...), string(stop)), '}')
}

// Body implements [dialect.Encoder].
func (e *Encoder) Body(dst []byte) []byte {
	dst = append(append(e.head(dst), `,"output":`...), e.output...)
	return append(e.tail(dst), '\n')
}

// Err implements [dialect.Encoder].
func (e *Encoder) Err() *dialect.Error { return e.err }

// Done implements [dialect.Encoder].
func (e *Encoder) Done() bool { return e.done }

// AppendError appends an error of a provider as problem details (RFC 9457). What the provider says of the request is not
// among them: the caller knows neither the messages nor the provider.
func AppendError(dst []byte, e *dialect.Error) []byte {
	status := Status(e)
	class, detail := "upstream_status", "the model's provider answered with an error"
	switch {
	case status == 429:
		detail = "the model's provider has no capacity for the gateway at the moment"
	case strings.HasPrefix(e.Code, "upstream") || e.Type == "api_error" && (e.Code == "connect" || e.Code == "timeout"):
		class, detail = e.Code, e.Message // the gateway's own words
	}
	dst = append(dst, `{"type":"https://gwc.dev/problems/`...)
	dst = append(dst, class...)
	dst = append(dst, `","title":"`...)
	dst = append(dst, title(status)...)
	dst = strconv.AppendInt(append(dst, `","status":`...), int64(status), 10)
	dst = jsonscan.AppendString(append(dst, `,"detail":`...), detail)
	return append(dst, '}')
}

func title(status int) string {
	switch status {
	case 429:
		return "Too Many Requests"
	case 503:
		return "Service Unavailable"
	case 504:
		return "Gateway Timeout"
	}
	return "Bad Gateway"
}

// Status is what the caller gets for a provider's error: a refused request is not the caller's fault, who wrote none of
// it but inputs that fit.
func Status(e *dialect.Error) int {
	switch e.Status {
	case 429, 503, 504:
		return e.Status
	case 529: // Anthropic's
		return 503
	}
	return 502
}

var _ dialect.Encoder = (*Encoder)(nil)
