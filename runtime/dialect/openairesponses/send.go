package openairesponses

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// leastTokens is the smallest max_output_tokens that the API takes.
const leastTokens = 16

// EncodeRequest appends r as the body of POST /responses for a target, whose MaxTokens 0 leaves the limit to the
// provider. An error has status 400 and names the place in the caller's body; dst is then returned as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	if e := LossTable.Refusal(r); e != nil {
		return dst, e
	}
	if len(r.Stop) > 0 {
		return dst, refused("stop")
	}
	for i := range r.Messages {
		for j := range r.Messages[i].Parts {
			if r.Messages[i].Parts[j].Kind == dialect.Audio {
				return dst, refused("input_audio")
			}
		}
	}
	w := sender{r: r, dst: dst, reasons: openai.Reasons(t.Model)}
	w.request(t)
	return w.dst, nil
}

func refused(field string) *dialect.Error {
	return openai.Invalid(field, "unsupported_parameter", fmt.Sprintf("'%s' is not supported by this model's provider: %s.", field, LossTable.Of(field).Why))
}

// sender writes a request.
type sender struct {
	r       *dialect.Request
	dst     []byte
	reasons bool
	sep     string // before the next item
}

func (w *sender) lit(s string) { w.dst = append(w.dst, s...) }

func (w *sender) str(s string) { w.dst = jsonscan.AppendString(w.dst, s) }

func (w *sender) float(name string, f *float64) {
	if f != nil {
		w.lit(name)
		w.dst = strconv.AppendFloat(w.dst, *f, 'g', -1, 64)
	}
}

func (w *sender) request(t *dialect.Target) {
	r := w.r
	w.lit(`{"model":`)
	w.str(t.Model)
	for i := range r.System {
		if i == 0 {
			w.lit(`,"instructions":"`)
		} else {
			w.dst = jsonscan.AppendEscaped(w.dst, between)
		}
		w.dst = jsonscan.AppendEscaped(w.dst, r.System[i].Text)
	}
	if len(r.System) > 0 {
		w.lit(`"`)
	}
	w.lit(`,"input":[`)
	for i := range r.Messages {
		w.message(&r.Messages[i])
	}
	w.lit(`],"store":false`)
	limit := t.MaxTokens
	if r.MaxTokens != nil {
		limit = *r.MaxTokens
	}
	if limit > 0 {
		w.lit(`,"max_output_tokens":`)
		w.dst = strconv.AppendInt(w.dst, max(limit, leastTokens), 10)
	}
	if w.reasons {
		w.reasoning()
	} else {
		w.float(`,"temperature":`, r.Temperature)
		w.float(`,"top_p":`, r.TopP)
	}
	w.include()
	w.tools()
	if r.Format.Kind != "" || r.Verbosity != "" {
		w.lit(`,"text":{"format":`)
		w.dst = appendFormat(w.dst, &r.Format)
		if r.Verbosity != "" {
			w.lit(`,"verbosity":`)
			w.str(r.Verbosity)
		}
		w.lit("}")
	}
	if r.CacheKey != "" {
		w.lit(`,"prompt_cache_key":`)
		w.str(r.CacheKey)
	}
	if len(r.Metadata) > 0 {
		w.lit(`,"metadata":`)
		w.dst = append(w.dst, r.Metadata...)
	}
	if r.ServiceTier != "" {
		w.lit(`,"service_tier":`)
		w.str(r.ServiceTier)
	}
	if r.User != "" {
		w.lit(`,"user":`)
		w.str(r.User)
	}
	if r.Stream {
		w.lit(`,"stream":true`)
	}
	w.lit("}")
}

// reasoning writes the effort, and whether thinking is to be told. That is asked for only where the caller does: OpenAI
// tells it to verified organizations alone, and refuses others.
func (w *sender) reasoning() {
	effort := w.r.Reasoning
	if effort == "max" {
		effort = "xhigh"
	}
	sep := `,"reasoning":{`
	if effort != "" {
		w.lit(sep + `"effort":`)
		w.str(effort)
		sep = ","
	}
	if w.r.Summary != "" {
		w.lit(sep + `"summary":`)
		w.str(w.r.Summary)
		sep = ","
	}
	if sep == "," {
		w.lit("}")
	}
}

// include asks for what does not come by itself: encrypted thinking, without which the next turn would start to think
// anew, and log probabilities.
func (w *sender) include() {
	sep := `,"include":[`
	if w.reasons {
		w.lit(sep + `"reasoning.encrypted_content"`)
		sep = ","
	}
	if w.r.Logprobs != nil {
		w.lit(sep + `"message.output_text.logprobs"`)
		sep = ","
	}
	if sep == "," {
		w.lit("]")
	}
	if w.r.Logprobs != nil {
		w.lit(`,"top_logprobs":`)
		w.dst = strconv.AppendInt(w.dst, *w.r.Logprobs, 10)
	}
}

// item begins an item of the input.
func (w *sender) item(s string) {
	w.lit(w.sep)
	w.sep = ","
	w.lit(s)
}

// message writes a message: its text in one item or more, and every call, result and block of thinking in one of its own.
func (w *sender) message(m *dialect.Message) {
	role := `{"role":"user","content":[`
	if m.Role == dialect.Assistant {
		role = `{"role":"assistant","content":[`
	}
	open := false
	for i := range m.Parts {
		p := &m.Parts[i]
		id, content, sealed := own(p)
		thought := p.Kind == dialect.Thinking || p.Kind == dialect.RedactedThinking
		if thought && !sealed {
			continue
		}
		apart := thought || p.Kind == dialect.ToolCall || p.Kind == dialect.ToolResult
		if apart && open {
			w.lit("]}")
			open = false
		}
		switch {
		case thought:
			w.thinking(p, id, content)
		case p.Kind == dialect.ToolCall:
			w.call(p)
		case p.Kind == dialect.ToolResult:
			w.result(p)
		default:
			if open {
				w.lit(",")
			} else {
				w.item(role)
				open = true
			}
			if m.Role == dialect.Assistant {
				w.said(p)
			} else {
				w.part(p)
			}
		}
	}
	if open {
		w.lit("]}")
	}
}

// own takes a signature of OpenAI's apart. Only what it encrypted itself is of use to it.
func own(p *dialect.Part) (id, content string, ok bool) {
	if p.Kind != dialect.Thinking || p.SignedBy != dialect.SignerOpenAI && p.SignedBy != dialect.SignerUnknown {
		return "", "", false
	}
	id, content, ok = strings.Cut(p.Signature, ":")
	return id, content, ok && strings.HasPrefix(id, "rs_") && content != ""
}

func (w *sender) thinking(p *dialect.Part, id, content string) {
	w.item(`{"type":"reasoning","id":`)
	w.str(id)
	w.lit(`,"summary":[`)
	if p.Text != "" {
		w.lit(`{"type":"summary_text","text":`)
		w.str(p.Text)
		w.lit("}")
	}
	w.lit(`],"encrypted_content":`)
	w.str(content)
	w.lit("}")
}

func (w *sender) call(p *dialect.Part) {
	w.item(`{"type":"function_call","call_id":`)
	w.str(p.ID)
	w.lit(`,"name":`)
	w.str(p.Name)
	w.lit(`,"arguments":`)
	if p.Arguments == "" {
		w.lit(`"{}"`)
	} else {
		w.str(p.Arguments)
	}
	w.lit("}")
}

// result writes what a function gave: a string where it is text alone, else a list.
func (w *sender) result(p *dialect.Part) {
	w.item(`{"type":"function_call_output","call_id":`)
	w.str(p.ID)
	w.lit(`,"output":`)
	switch {
	case len(p.Content) == 0:
		w.lit(`""`)
	case len(p.Content) == 1 && p.Content[0].Kind == dialect.Text:
		w.str(p.Content[0].Text)
	default:
		for i := range p.Content {
			if i == 0 {
				w.lit("[")
			} else {
				w.lit(",")
			}
			w.part(&p.Content[i])
		}
		w.lit("]")
	}
	w.lit("}")
}

// said writes a part of what the assistant said.
func (w *sender) said(p *dialect.Part) {
	if p.Kind == dialect.Refusal {
		w.lit(`{"type":"refusal","refusal":`)
	} else {
		w.lit(`{"type":"output_text","text":`)
	}
	w.str(p.Text)
	w.lit("}")
}

// part writes a part of a user's message or of a result.
func (w *sender) part(p *dialect.Part) {
	switch p.Kind {
	case dialect.Image:
		w.lit(`{"type":"input_image","image_url":`)
		if p.URL != "" {
			w.str(p.URL)
		} else {
			w.dst = openai.AppendDataURL(w.dst, p.MediaType, p.Data)
		}
		w.lit(`,"detail":`)
		if p.Detail == "" {
			w.lit(`"auto"}`)
			return
		}
		w.str(p.Detail)
		w.lit("}")
	case dialect.Document:
		w.lit(`{"type":"input_file"`)
		if p.URL != "" {
			w.lit(`,"file_url":`)
			w.str(p.URL)
			w.lit("}")
			return
		}
		w.lit(`,"filename":`)
		if p.Name != "" {
			w.str(p.Name)
		} else {
			w.lit(`"document.pdf"`) // the API wants one
		}
		w.lit(`,"file_data":`)
		w.dst = openai.AppendDataURL(w.dst, p.MediaType, p.Data)
		w.lit("}")
	default:
		w.lit(`{"type":"input_text","text":`)
		w.str(p.Text)
		w.lit("}")
	}
}

// tools writes the functions. The API takes a function for a strict one where nothing is said, others do not.
func (w *sender) tools() {
	r := w.r
	for i := range r.Tools {
		if i == 0 {
			w.lit(`,"tools":[`)
		} else {
			w.lit(",")
		}
		w.dst = appendTool(w.dst, &r.Tools[i], `{"type":"object","properties":{}}`, "false")
	}
	if len(r.Tools) == 0 {
		return
	}
	w.lit("]")
	if r.ToolChoice.Mode != "" {
		w.lit(`,"tool_choice":`)
		w.dst = appendChoice(w.dst, &r.ToolChoice)
	}
	if r.Parallel != nil {
		w.lit(`,"parallel_tool_calls":`)
		w.dst = strconv.AppendBool(w.dst, *r.Parallel)
	}
}
