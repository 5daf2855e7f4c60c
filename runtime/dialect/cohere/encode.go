package cohere

import (
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// maxStop is the number of stop sequences that the API takes.
const maxStop = 5

// EncodeRequest appends r as the body of POST /v2/chat for the given target. Its output limit is not sent where the
// caller named none: the API does not require one. An error has status 400 and names the place in the caller's body; dst
// is then returned as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	if err := LossTable.Refusal(r); err != nil {
		return dst, err
	}
	if len(r.Stop) > maxStop {
		return dst, dialect.Refuse("stop", "too_many_stop_sequences", "This model's provider takes %d stop sequences at most, the request has %d.", maxStop, len(r.Stop))
	}
	w := sender{r: r, dst: dst}
	if err := w.request(t.Model); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// reasons tells by its name whether a model thinks. Others refuse to be asked.
//
// Source: "Reasoning" of Cohere's documentation.
func reasons(model string) bool {
	return strings.Contains(model, "reasoning") || strings.HasPrefix(model, "command-a-plus") || strings.HasPrefix(model, "north-")
}

// budget is the number of tokens for an effort. It stays below the provider's limit of output for these models.
func budget(effort string) int64 {
	switch effort {
	case "minimal":
		return 512
	case "low":
		return 2048
	case "medium":
		return 8192
	}
	return 24576
}

// sender writes a request. It is done with the first fault.
type sender struct {
	r   *dialect.Request
	dst []byte
}

func (w *sender) lit(s string) { w.dst = append(w.dst, s...) }

func (w *sender) str(s string) { w.dst = jsonscan.AppendString(w.dst, s) }

func (w *sender) int(name string, n *int64) {
	if n != nil {
		w.lit(name)
		w.dst = strconv.AppendInt(w.dst, *n, 10)
	}
}

// float writes a number, or the nearest one from least to most.
func (w *sender) float(name string, f *float64, least, most float64) {
	if f != nil {
		w.lit(name)
		w.dst = strconv.AppendFloat(w.dst, min(max(*f, least), most), 'g', -1, 64)
	}
}

func (w *sender) request(model string) *dialect.Error {
	r := w.r
	w.lit(`{"model":`)
	w.str(model)
	if err := w.messages(); err != nil {
		return err
	}
	w.tools()
	w.int(`,"max_tokens":`, r.MaxTokens)
	w.float(`,"temperature":`, r.Temperature, 0, 2)
	w.float(`,"p":`, r.TopP, 0.01, 0.99)
	if r.TopK != nil {
		k := min(*r.TopK, 500)
		w.int(`,"k":`, &k)
	}
	w.int(`,"seed":`, r.Seed)
	w.float(`,"frequency_penalty":`, r.FrequencyPenalty, 0, 1)
	w.float(`,"presence_penalty":`, r.PresencePenalty, 0, 1)
	for i, s := range r.Stop {
		if i == 0 {
			w.lit(`,"stop_sequences":[`)
		} else {
			w.lit(",")
		}
		w.str(s)
	}
	if len(r.Stop) > 0 {
		w.lit("]")
	}
	if f := &r.Format; f.Kind != "" {
		w.lit(`,"response_format":{"type":"json_object"`)
		if len(f.Schema) > 0 {
			w.lit(`,"json_schema":`)
			w.dst = append(w.dst, f.Schema...)
		}
		w.lit("}")
	}
	if r.Reasoning != "" && reasons(model) {
		switch {
		case r.Reasoning == "none":
			w.lit(`,"thinking":{"type":"disabled"}`)
		default:
			n := budget(r.Reasoning)
			if r.ThinkingBudget != nil {
				n = *r.ThinkingBudget
			}
			w.lit(`,"thinking":{"type":"enabled"`)
			w.int(`,"token_budget":`, &n)
			w.lit("}")
		}
	}
	w.lit(`,"stream":`)
	w.dst = strconv.AppendBool(w.dst, r.Stream)
	w.lit("}")
	return nil
}

func (w *sender) messages() *dialect.Error {
	w.lit(`,"messages":[`)
	sep := ""
	if len(w.r.System) > 0 {
		w.lit(`{"role":"system","content":"`)
		for i := range w.r.System {
			if i > 0 {
				w.lit(`\n\n`)
			}
			w.dst = jsonscan.AppendEscaped(w.dst, w.r.System[i].Text)
		}
		w.lit(`"}`)
		sep = ","
	}
	for i := range w.r.Messages {
		m := &w.r.Messages[i]
		w.lit(sep)
		sep = ","
		if m.Role == dialect.Assistant {
			w.assistant(m)
			continue
		}
		if err := w.user(m); err != nil {
			return err
		}
	}
	w.lit("]")
	return nil
}

// user writes a message of the caller: the results of tools, each a message of its own, and then what else it holds,
// with the images of the results.
func (w *sender) user(m *dialect.Message) *dialect.Error {
	results, others := 0, 0
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != dialect.ToolResult {
			others++
			continue
		}
		if results++; results > 1 {
			w.lit(",")
		}
		w.lit(`{"role":"tool","tool_call_id":`)
		w.str(p.ID)
		w.lit(`,"content":"`)
		some := false
		for j := range p.Content {
			c := &p.Content[j]
			if c.Kind != dialect.Text {
				others++
				continue
			}
			if some {
				w.lit(`\n\n`)
			}
			some = true
			w.dst = jsonscan.AppendEscaped(w.dst, c.Text)
		}
		w.lit(`"}`)
	}
	if others == 0 && results > 0 {
		return nil
	}
	if results > 0 {
		w.lit(",")
	}
	w.lit(`{"role":"user","content":`)
	if len(m.Parts) == 1 && m.Parts[0].Kind == dialect.Text {
		w.str(m.Parts[0].Text)
		w.lit("}")
		return nil
	}
	w.lit("[")
	sep := ""
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == dialect.ToolResult {
			for j := range p.Content {
				if c := &p.Content[j]; c.Kind != dialect.Text {
					w.lit(sep)
					sep = ","
					if err := w.part(m, c); err != nil {
						return err
					}
				}
			}
			continue
		}
		w.lit(sep)
		sep = ","
		if err := w.part(m, p); err != nil {
			return err
		}
	}
	w.lit("]}")
	return nil
}

func (w *sender) part(m *dialect.Message, p *dialect.Part) *dialect.Error {
	switch p.Kind {
	case dialect.Text, dialect.Refusal:
		w.lit(`{"type":"text","text":`)
		w.str(p.Text)
		w.lit("}")
		return nil
	case dialect.Image:
		w.lit(`{"type":"image_url","image_url":{"url":`)
		if p.URL != "" {
			w.str(p.URL)
		} else {
			w.lit(`"data:`)
			w.dst = jsonscan.AppendEscaped(w.dst, p.MediaType)
			w.lit(";base64,")
			w.dst = jsonscan.AppendEscaped(w.dst, p.Data)
			w.lit(`"`)
		}
		if p.Detail != "" {
			w.lit(`,"detail":`)
			w.str(p.Detail)
		}
		w.lit("}}")
		return nil
	}
	at := dialect.PartPlace(m, p)
	if p.Kind == dialect.Document {
		return dialect.Refuse(at, "unsupported_value", "Documents are not supported by this model's provider; give their text.")
	}
	return dialect.Refuse(at, "unsupported_value", "Content of this type is not supported by this model's provider.")
}

// assistant writes an earlier turn of the model. Its text is the tool plan where it calls tools.
func (w *sender) assistant(m *dialect.Message) {
	w.lit(`{"role":"assistant"`)
	calls := false
	for i := range m.Parts {
		calls = calls || m.Parts[i].Kind == dialect.ToolCall
	}
	sep, plan := `,"content":[`, `,"tool_plan":"`
	for i := range m.Parts {
		switch p := &m.Parts[i]; {
		case p.Kind == dialect.Thinking && p.Text != "":
			w.lit(sep)
			sep = ","
			w.lit(`{"type":"thinking","thinking":`)
			w.str(p.Text)
			w.lit("}")
		case (p.Kind == dialect.Text || p.Kind == dialect.Refusal) && !calls:
			w.lit(sep)
			sep = ","
			w.lit(`{"type":"text","text":`)
			w.str(p.Text)
			w.lit("}")
		}
	}
	switch {
	case sep == ",":
		w.lit("]")
	case !calls:
		w.lit(`,"content":""`)
	}
	if !calls {
		w.lit("}")
		return
	}
	for i := range m.Parts {
		if p := &m.Parts[i]; (p.Kind == dialect.Text || p.Kind == dialect.Refusal) && p.Text != "" {
			w.lit(plan)
			plan = `\n\n`
			w.dst = jsonscan.AppendEscaped(w.dst, p.Text)
		}
	}
	if plan == `\n\n` {
		w.lit(`"`)
	}
	sep = `,"tool_calls":[`
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
		if strings.TrimSpace(p.Arguments) == "" {
			w.str("{}")
		} else {
			w.str(p.Arguments)
		}
		w.lit("}}")
	}
	w.lit("]}")
}

func (w *sender) tools() {
	r := w.r
	if len(r.Tools) == 0 {
		return
	}
	sep, strict := `,"tools":[`, true
	for i := range r.Tools {
		t := &r.Tools[i]
		if r.ToolChoice.Mode == "tool" && t.Name != r.ToolChoice.Name {
			continue
		}
		strict = strict && t.Strict != nil && *t.Strict
		w.lit(sep)
		sep = ","
		w.lit(`{"type":"function","function":{"name":`)
		w.str(t.Name)
		if t.Description != "" {
			w.lit(`,"description":`)
			w.str(t.Description)
		}
		w.lit(`,"parameters":`)
		if len(t.Parameters) > 0 {
			w.dst = append(w.dst, t.Parameters...)
		} else {
			w.lit(`{"type":"object","properties":{}}`)
		}
		w.lit("}}")
	}
	if sep != "," {
		return // a choice of a tool that is not declared, which the caller's dialect has refused before
	}
	w.lit("]")
	if strict {
		w.lit(`,"strict_tools":true`)
	}
	switch r.ToolChoice.Mode {
	case "required", "tool":
		w.lit(`,"tool_choice":"REQUIRED"`)
	case "none":
		w.lit(`,"tool_choice":"NONE"`)
	}
}
