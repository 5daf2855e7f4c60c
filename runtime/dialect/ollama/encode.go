package ollama

import (
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// EncodeRequest appends r as the body of POST /api/chat for the given target. The target's output limit is not sent:
// the server has no need of one. An error has status 400 and names the place in the caller's body; dst is then returned
// as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	if err := LossTable.Refusal(r); err != nil {
		return dst, err
	}
	w := sender{r: r, dst: dst}
	if err := w.request(t.Model); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// sender writes a request. It is done with the first fault.
type sender struct {
	r     *dialect.Request
	dst   []byte
	names map[string]string // of the tools that were called, by the calls' ids
}

func (w *sender) lit(s string) { w.dst = append(w.dst, s...) }

func (w *sender) str(s string) { w.dst = jsonscan.AppendString(w.dst, s) }

func (w *sender) request(model string) *dialect.Error {
	r := w.r
	w.lit(`{"model":`)
	w.str(model)
	if err := w.messages(); err != nil {
		return err
	}
	if err := w.tools(); err != nil {
		return err
	}
	switch f := &r.Format; {
	case f.Kind == "json_object", f.Kind == "json_schema" && len(f.Schema) == 0:
		w.lit(`,"format":"json"`)
	case f.Kind == "json_schema":
		w.lit(`,"format":`)
		w.dst = append(w.dst, f.Schema...)
	}
	w.think(model)
	if r.Logprobs != nil {
		w.lit(`,"logprobs":true,"top_logprobs":`)
		w.dst = strconv.AppendInt(w.dst, *r.Logprobs, 10)
	}
	w.options()
	w.lit(`,"stream":`) // without it the server streams
	w.dst = strconv.AppendBool(w.dst, r.Stream)
	w.lit("}")
	return nil
}

// think asks for thinking, or for none. gpt-oss takes a level and ignores true; other models take true, and those that
// cannot think refuse it.
func (w *sender) think(model string) {
	level := ""
	switch w.r.Reasoning {
	case "":
		return
	case "none":
		w.lit(`,"think":false`)
		return
	case "minimal", "low":
		level = "low"
	case "medium":
		level = "medium"
	default:
		level = "high"
	}
	if !strings.Contains(model, "gpt-oss") {
		w.lit(`,"think":true`)
		return
	}
	w.lit(`,"think":`)
	w.str(level)
}

func (w *sender) options() {
	r := w.r
	sep := `,"options":{`
	name := func(s string) {
		w.lit(sep)
		sep = ","
		w.str(s)
		w.lit(":")
	}
	for _, o := range [...]struct {
		name string
		n    *int64
	}{{"num_predict", r.MaxTokens}, {"seed", r.Seed}, {"top_k", r.TopK}} {
		if o.n != nil {
			name(o.name)
			w.dst = strconv.AppendInt(w.dst, *o.n, 10)
		}
	}
	for _, o := range [...]struct {
		name string
		f    *float64
	}{{"temperature", r.Temperature}, {"top_p", r.TopP}, {"frequency_penalty", r.FrequencyPenalty}, {"presence_penalty", r.PresencePenalty}} {
		if o.f != nil {
			name(o.name)
			w.dst = strconv.AppendFloat(w.dst, *o.f, 'g', -1, 64)
		}
	}
	for i, s := range r.Stop {
		if i == 0 {
			name("stop")
			w.lit("[")
		} else {
			w.lit(",")
		}
		w.str(s)
	}
	if len(r.Stop) > 0 {
		w.lit("]")
	}
	if sep == "," {
		w.lit("}")
	}
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
		var err *dialect.Error
		if m.Role == dialect.Assistant {
			err = w.assistant(m)
		} else {
			err = w.user(m)
		}
		if err != nil {
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
		w.lit(`{"role":"tool","tool_name":`)
		name := p.Name
		if name == "" {
			name = w.names[p.ID]
		}
		w.str(name)
		w.lit(`,"tool_call_id":`)
		w.str(p.ID)
		w.lit(`,"content":`)
		w.texts(p.Content)
		w.lit("}")
		for j := range p.Content {
			if p.Content[j].Kind != dialect.Text {
				others++
			}
		}
	}
	if others == 0 && results > 0 {
		return nil
	}
	if results > 0 {
		w.lit(",")
	}
	w.lit(`{"role":"user","content":`)
	w.texts(m.Parts)
	sep := `,"images":[`
	image := func(p *dialect.Part) *dialect.Error {
		switch p.Kind {
		case dialect.Text, dialect.Refusal, dialect.ToolResult:
			return nil
		case dialect.Image:
			if p.URL != "" {
				return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "An image has to be given as data: this model's provider fetches no URL.")
			}
			w.lit(sep)
			sep = ","
			w.str(p.Data)
			return nil
		case dialect.Document:
			return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "Documents are not supported by this model's provider.")
		}
		return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "Content of this type is not supported by this model's provider.")
	}
	for i := range m.Parts {
		if err := image(&m.Parts[i]); err != nil {
			return err
		}
		for j := range m.Parts[i].Content {
			if err := image(&m.Parts[i].Content[j]); err != nil {
				return err
			}
		}
	}
	if sep == "," {
		w.lit("]")
	}
	w.lit("}")
	return nil
}

// texts writes the texts of a message as one string; an empty line stands between two of them.
func (w *sender) texts(parts []dialect.Part) {
	w.lit(`"`)
	some := false
	for i := range parts {
		if p := &parts[i]; p.Kind == dialect.Text || p.Kind == dialect.Refusal {
			if some {
				w.lit(`\n\n`)
			}
			some = true
			w.dst = jsonscan.AppendEscaped(w.dst, p.Text)
		}
	}
	w.lit(`"`)
}

func (w *sender) assistant(m *dialect.Message) *dialect.Error {
	w.lit(`{"role":"assistant","content":`)
	w.texts(m.Parts)
	thought := false
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind == dialect.Thinking && p.Text != "" {
			if !thought {
				w.lit(`,"thinking":"`)
			} else {
				w.lit(`\n\n`)
			}
			thought = true
			w.dst = jsonscan.AppendEscaped(w.dst, p.Text)
		}
	}
	if thought {
		w.lit(`"`)
	}
	sep := `,"tool_calls":[`
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind != dialect.ToolCall {
			continue
		}
		if w.names == nil {
			w.names = make(map[string]string)
		}
		w.names[p.ID] = p.Name
		w.lit(sep)
		sep = ","
		w.lit(`{"id":`)
		w.str(p.ID)
		w.lit(`,"function":{"name":`)
		w.str(p.Name)
		w.lit(`,"arguments":`)
		switch arguments := strings.TrimSpace(p.Arguments); {
		case arguments == "":
			w.lit("{}")
		case arguments[0] != '{' || jsonscan.CheckDepth([]byte(arguments), argumentsDepth) != nil:
			return dialect.Refuse("messages["+strconv.Itoa(m.At)+"].tool_calls", "invalid_value", "The arguments of the call of '%s' are not a JSON object.", p.Name)
		default:
			w.lit(arguments)
		}
		w.lit("}}")
	}
	if sep == "," {
		w.lit("]")
	}
	w.lit("}")
	return nil
}

// argumentsDepth is how deeply a tool call's arguments may be nested, so that the whole body stays within
// [jsonscan.MaxDepth].
const argumentsDepth = jsonscan.MaxDepth - 8

func (w *sender) tools() *dialect.Error {
	r := w.r
	if len(r.Tools) == 0 {
		return nil
	}
	switch r.ToolChoice.Mode {
	case "none":
		return nil // what is not declared cannot be called
	case "required", "tool":
		return dialect.Refuse("tool_choice", "unsupported_value", "'tool_choice' other than 'auto' and 'none' is not supported by this model's provider: no call of a tool can be forced.")
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
		w.lit(`,"description":`)
		w.str(t.Description)
		w.lit(`,"parameters":`)
		if len(t.Parameters) > 0 {
			w.dst = append(w.dst, t.Parameters...)
		} else {
			w.lit(`{"type":"object","properties":{}}`)
		}
		w.lit("}}")
	}
	w.lit("]")
	return nil
}
