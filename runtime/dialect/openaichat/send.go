package openaichat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/schema/vendor"
)

// LossTable says what becomes of what a caller of another dialect asks for at a provider of this one.
var LossTable = dialect.Losses{
	{Field: "model", Fate: dialect.Lossless, Why: "the target's model"},
	{Field: "messages", Fate: dialect.Emulated, Why: "results of tools become messages of their own, before what else the turn holds"},
	{Field: "system", Fate: dialect.Lossless, Why: "a system message in front"},
	{Field: "tools", Fate: dialect.Lossless, Why: "functions"},
	{Field: "strict", Fate: dialect.Lossless, Why: "same"},
	{Field: "tool_choice", Fate: dialect.Lossless, Why: "auto, required, none, function"},
	{Field: "parallel_tool_calls", Fate: dialect.Lossless, Why: "same"},
	{Field: "disable_parallel_tool_use", Fate: dialect.Lossless, Why: "parallel_tool_calls"},
	{Field: "max_tokens", Fate: dialect.Lossless, Why: "max_completion_tokens"},
	{Field: "temperature", Fate: dialect.Emulated, Why: "left out for models that reason, which fix it"},
	{Field: "top_p", Fate: dialect.Emulated, Why: "left out for models that reason, which fix it"},
	{Field: "stop_sequences", Fate: dialect.Emulated, Why: "stop, at most four; which of them it was is not told"},
	{Field: "stream", Fate: dialect.Lossless, Why: "same, usage included"},
	{Field: "user", Fate: dialect.Lossless, Why: "same"},
	{Field: "include_usage", Fate: dialect.Lossless, Why: "same"},
	{Field: "user_id", Fate: dialect.Lossless, Why: "user"},
	{Field: "thinking", Fate: dialect.Emulated, Why: "an effort instead of a budget; left out for models that do not reason"},
	{Field: "effort", Fate: dialect.Emulated, Why: "reasoning_effort; max becomes xhigh; left out for models that do not reason"},
	{Field: "format", Fate: dialect.Lossless, Why: "response_format"},
	{Field: "name", Fate: dialect.Lossless, Why: "same"},
	{Field: "detail", Fate: dialect.Lossless, Why: "same"},
	{Field: "filename", Fate: dialect.Lossless, Why: "same"},
	{Field: "input_audio", Fate: dialect.Lossless, Why: "same"},
	{Field: "image", Fate: dialect.Lossless, Why: "image_url; in the result of a tool: in a user message behind the results"},
	{Field: "document", Fate: dialect.Lossless, Why: "a PDF becomes a file; a text becomes text"},
	{Field: "n", Fate: dialect.Lossless, Why: "same"},
	{Field: "seed", Fate: dialect.Lossless, Why: "same"},
	{Field: "frequency_penalty", Fate: dialect.Emulated, Why: "left out for models that reason, which take none"},
	{Field: "presence_penalty", Fate: dialect.Emulated, Why: "left out for models that reason, which take none"},
	{Field: "logprobs", Fate: dialect.Lossless, Why: "same"},
	{Field: "logit_bias", Fate: dialect.Lossless, Why: "same; tokens are the model's own"},
	{Field: "metadata", Fate: dialect.Lossless, Why: "same"},
	{Field: "service_tier", Fate: dialect.Lossless, Why: "same"},
	{Field: "verbosity", Fate: dialect.Lossless, Why: "same"},
	{Field: "modalities", Fate: dialect.Lossless, Why: "same"},
	{Field: "audio", Fate: dialect.Lossless, Why: "of the answer: same; of a message: input_audio"},

	{Field: "thinking_blocks", Fate: dialect.Dropped, Why: "earlier thinking cannot be given back"},
	{Field: "cache_control", Fate: dialect.Dropped, Why: "prefixes are cached without a mark"},
	{Field: "is_error", Fate: dialect.Dropped, Why: "of a tool's result: the text tells"},
	{Field: "top_k", Fate: dialect.Dropped, Why: "a hint to sampling"},
}

// maxStop is the number of stop sequences that the API takes.
const maxStop = 4

// EncodeRequest appends r as the body of POST /chat/completions for a target, whose MaxTokens 0 leaves the limit to the
// provider. An error has status 400 and names the place in the caller's body; dst is then returned as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	if err := LossTable.Refusal(r); err != nil {
		return dst, err
	}
	if len(r.Stop) > maxStop {
		return dst, invalid("stop", "too_many_stop_sequences", fmt.Sprintf("This model's provider takes %d stop sequences at most, the request has %d.", maxStop, len(r.Stop)))
	}
	w := sender{r: r, dst: dst, texted: t.Vendor != nil && slices.Contains(t.Vendor.Members, "refusal"), google: strings.Contains(t.Model, "gemini")}
	w.request(t)
	return w.dst, nil
}

// sender writes a request.
type sender struct {
	r      *dialect.Request
	dst    []byte
	texted bool // a refusal is text: the vendor has no other place for it
	google bool // the model is one of Google's, which wants its signatures back
}

func (w *sender) lit(s string) { w.dst = append(w.dst, s...) }

func (w *sender) str(s string) { w.dst = jsonscan.AppendString(w.dst, s) }

func (w *sender) int(name string, n *int64) {
	if n != nil {
		w.lit(name)
		w.dst = strconv.AppendInt(w.dst, *n, 10)
	}
}

func (w *sender) float(name string, f *float64) {
	if f != nil {
		w.lit(name)
		w.dst = strconv.AppendFloat(w.dst, *f, 'g', -1, 64)
	}
}

func (w *sender) request(t *dialect.Target) {
	r, model, maxTokens := w.r, t.Model, t.MaxTokens
	w.lit(`{"model":`)
	w.str(model)
	w.messages()
	if r.MaxTokens != nil {
		maxTokens = *r.MaxTokens
	}
	if maxTokens > 0 {
		w.int(`,"max_completion_tokens":`, &maxTokens)
	}
	if openai.Reasons(model) {
		if r.Reasoning != "" {
			w.lit(`,"reasoning_effort":`)
			if effort := r.Reasoning; effort == "max" {
				w.str("xhigh")
			} else {
				w.str(effort)
			}
		}
	} else {
		if r.Reasoning != "" && t.Vendor != nil && vendor.Thinks(model) {
			w.lit(`,"reasoning_effort":`)
			w.str(r.Reasoning)
		}
		w.float(`,"temperature":`, r.Temperature)
		w.float(`,"top_p":`, r.TopP)
		w.float(`,"frequency_penalty":`, r.FrequencyPenalty)
		w.float(`,"presence_penalty":`, r.PresencePenalty)
	}
	w.int(`,"n":`, r.Choices)
	w.int(`,"seed":`, r.Seed)
	if r.Logprobs != nil {
		w.lit(`,"logprobs":true`)
		if *r.Logprobs > 0 {
			n := min(*r.Logprobs, maxAlternatives)
			w.int(`,"top_logprobs":`, &n)
		}
	}
	w.raw(`,"logit_bias":`, r.LogitBias)
	w.raw(`,"metadata":`, r.Metadata)
	w.word(`,"prompt_cache_key":`, r.CacheKey)
	w.word(`,"service_tier":`, r.ServiceTier)
	w.word(`,"verbosity":`, r.Verbosity)
	for i, m := range r.Modalities {
		if i == 0 {
			w.lit(`,"modalities":[`)
		} else {
			w.lit(",")
		}
		w.str(m)
	}
	if len(r.Modalities) > 0 {
		w.lit("]")
	}
	if v := r.Voice; v != nil {
		w.lit(`,"audio":{"voice":`)
		w.str(v.Name)
		w.lit(`,"format":`)
		w.str(v.Format)
		w.lit("}")
	}
	for i, s := range r.Stop {
		if i == 0 {
			w.lit(`,"stop":[`)
		} else {
			w.lit(",")
		}
		w.str(s)
	}
	if len(r.Stop) > 0 {
		w.lit("]")
	}
	w.tools()
	w.format()
	if r.User != "" {
		w.lit(`,"user":`)
		w.str(r.User)
	}
	if r.Stream {
		w.lit(`,"stream":true,"stream_options":{"include_usage":true}`)
	}
	w.lit("}")
}

func (w *sender) raw(name string, value []byte) {
	if len(value) > 0 {
		w.lit(name)
		w.dst = append(w.dst, value...)
	}
}

func (w *sender) word(name, value string) {
	if value != "" {
		w.lit(name)
		w.str(value)
	}
}

func (w *sender) messages() {
	w.lit(`,"messages":[`)
	sep := ""
	if len(w.r.System) > 0 {
		w.lit(`{"role":"system","content":`)
		w.texts(w.r.System)
		w.lit("}")
		sep = ","
	}
	messages := w.r.Messages
	for len(messages) > 0 {
		n := 1
		if messages[0].Role != dialect.Assistant {
			for n < len(messages) && messages[n].Role != dialect.Assistant {
				n++
			}
			sep = w.userTurn(messages[:n], sep)
		} else {
			w.lit(sep)
			sep = ","
			w.assistant(&messages[0])
		}
		messages = messages[n:]
	}
	w.lit("]")
}

// texts writes content that holds text alone: a string where there is one part, else a list.
func (w *sender) texts(parts []dialect.Part) {
	if len(parts) == 1 {
		w.str(parts[0].Text)
		return
	}
	for i := range parts {
		if i == 0 {
			w.lit("[")
		} else {
			w.lit(",")
		}
		w.text(parts[i].Text)
	}
	w.lit("]")
}

func (w *sender) text(s string) {
	w.lit(`{"type":"text","text":`)
	w.str(s)
	w.lit("}")
}

// userTurn writes what comes between two messages of the assistant: first the results of its calls, which must follow
// it directly, then each message's other parts, and images of the results, for which the role "tool" has no place.
func (w *sender) userTurn(turn []dialect.Message, sep string) string {
	images := 0
	for i := range turn {
		for j := range turn[i].Parts {
			p := &turn[i].Parts[j]
			if p.Kind != dialect.ToolResult {
				continue
			}
			w.lit(sep)
			sep = ","
			w.lit(`{"role":"tool","tool_call_id":`)
			w.str(p.ID)
			w.lit(`,"content":`)
			var texts []dialect.Part
			for _, c := range p.Content {
				if c.Kind == dialect.Text {
					texts = append(texts, c)
				} else {
					images++
				}
			}
			if len(texts) == 0 {
				w.lit(`""`)
			} else {
				w.texts(texts)
			}
			w.lit("}")
		}
	}
	if images > 0 {
		w.lit(sep)
		sep = ","
		w.lit(`{"role":"user","content":[`)
		first := true
		for i := range turn {
			for j := range turn[i].Parts {
				p := &turn[i].Parts[j]
				told := false
				for k := range p.Content {
					if p.Content[k].Kind == dialect.Text {
						continue
					}
					if !first {
						w.lit(",")
					}
					first = false
					if !told {
						told = true
						w.text("From the result of the tool call " + p.ID + ":")
						w.lit(",")
					}
					w.part(&p.Content[k])
				}
			}
		}
		w.lit("]}")
	}
	for i := range turn {
		m := &turn[i]
		n := 0
		for j := range m.Parts {
			if m.Parts[j].Kind != dialect.ToolResult {
				n++
			}
		}
		if n == 0 {
			continue
		}
		w.lit(sep)
		sep = ","
		w.lit(`{"role":"user","content":`)
		if len(m.Parts) == 1 && m.Parts[0].Kind == dialect.Text {
			w.str(m.Parts[0].Text)
		} else {
			inner := "["
			for j := range m.Parts {
				if p := &m.Parts[j]; p.Kind != dialect.ToolResult {
					w.lit(inner)
					inner = ","
					w.part(p)
				}
			}
			w.lit("]")
		}
		if m.Name != "" {
			w.lit(`,"name":`)
			w.str(m.Name)
		}
		w.lit("}")
	}
	return sep
}

// part writes a part of a user's message.
func (w *sender) part(p *dialect.Part) {
	switch p.Kind {
	case dialect.Image:
		w.lit(`{"type":"image_url","image_url":{"url":`)
		if p.URL != "" {
			w.str(p.URL)
		} else {
			w.dst = openai.AppendDataURL(w.dst, p.MediaType, p.Data)
		}
		if p.Detail != "" {
			w.lit(`,"detail":`)
			w.str(p.Detail)
		}
		w.lit("}}")
	case dialect.Document:
		w.lit(`{"type":"file","file":{"filename":`)
		if p.Name != "" {
			w.str(p.Name)
		} else {
			w.str("document.pdf") // the API wants one
		}
		w.lit(`,"file_data":`)
		w.dst = openai.AppendDataURL(w.dst, p.MediaType, p.Data)
		w.lit("}}")
	case dialect.Audio:
		w.lit(`{"type":"input_audio","input_audio":{"data":`)
		w.str(p.Data)
		w.lit(`,"format":`)
		w.str(soundFormat(p.MediaType))
		w.lit("}}")
	default:
		w.text(p.Text)
	}
}

// soundFormat is the dialect's word for a media type.
func soundFormat(mediaType string) string {
	switch format := strings.TrimPrefix(mediaType, "audio/"); format {
	case "mpeg":
		return "mp3"
	case "x-wav", "wave", "vnd.wave":
		return "wav"
	default:
		return format
	}
}

func (w *sender) assistant(m *dialect.Message) {
	w.lit(`{"role":"assistant","content":`)
	var texts []dialect.Part
	refusal, calls := "", 0
	for i := range m.Parts {
		switch p := &m.Parts[i]; p.Kind {
		case dialect.Text:
			texts = append(texts, *p)
		case dialect.Refusal:
			if w.texted {
				texts = append(texts, *p)
			} else {
				refusal += p.Text
			}
		case dialect.ToolCall:
			calls++
		}
	}
	switch {
	case len(texts) > 0:
		w.texts(texts)
	case calls > 0 || refusal != "":
		w.lit("null")
	default:
		w.lit(`""`)
	}
	if refusal != "" {
		w.lit(`,"refusal":`)
		w.str(refusal)
	}
	sep := `,"tool_calls":[`
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != dialect.ToolCall {
			continue
		}
		w.lit(sep)
		sep = ","
		w.lit(`{"id":`)
		w.str(p.ID)
		w.lit(`,"type":"function","function":{"name":`)
		w.str(p.Name)
		w.lit(`,"arguments":`)
		w.str(p.Arguments)
		w.lit("}")
		if w.google {
			w.dst = appendSignature(w.dst, p.Signature, p.SignedBy)
		}
		w.lit("}")
	}
	if calls > 0 {
		w.lit("]")
	}
	w.lit("}")
}

func (w *sender) tools() {
	r := w.r
	if len(r.Tools) == 0 {
		return
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		if i == 0 {
			w.lit(`,"tools":[`)
		} else {
			w.lit(",")
		}
		w.lit(`{"type":"function","function":{"name":`)
		w.str(t.Name)
		if t.Description != "" {
			w.lit(`,"description":`)
			w.str(t.Description)
		}
		if len(t.Parameters) > 0 {
			w.lit(`,"parameters":`)
			w.dst = append(w.dst, t.Parameters...)
		}
		w.bool(`,"strict":`, t.Strict)
		w.lit("}}")
	}
	w.lit("]")
	switch mode := r.ToolChoice.Mode; mode {
	case "":
	case "tool":
		w.lit(`,"tool_choice":{"type":"function","function":{"name":`)
		w.str(r.ToolChoice.Name)
		w.lit("}}")
	default:
		w.lit(`,"tool_choice":`)
		w.str(mode)
	}
	w.bool(`,"parallel_tool_calls":`, r.Parallel)
}

func (w *sender) bool(name string, b *bool) {
	if b != nil {
		w.lit(name)
		w.dst = strconv.AppendBool(w.dst, *b)
	}
}

func (w *sender) format() {
	f := &w.r.Format
	switch f.Kind {
	case "json_object":
		w.lit(`,"response_format":{"type":"json_object"}`)
	case "json_schema":
		w.lit(`,"response_format":{"type":"json_schema","json_schema":{"name":`)
		w.str(f.Name)
		if f.Description != "" {
			w.lit(`,"description":`)
			w.str(f.Description)
		}
		w.lit(`,"schema":`)
		w.dst = append(w.dst, f.Schema...)
		w.bool(`,"strict":`, f.Strict)
		w.lit("}}")
	}
}
