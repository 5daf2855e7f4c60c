package anthropic

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DefaultMaxTokens is the output limit where neither the caller nor the configuration names one. The API has no default,
// and a model's whole limit would make every reservation huge.
const DefaultMaxTokens = 4096

// EncodeRequest appends r as the body of POST /v1/messages for a target, whose MaxTokens 0 is [DefaultMaxTokens]. An
// error has status 400 and names the place in the caller's body; dst is then returned as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	e := encoder{r: r, quirk: quirkOf(t.Model), dst: dst, max: t.MaxTokens}
	if r.MaxTokens != nil {
		e.max = *r.MaxTokens
	}
	if e.max < 1 {
		e.max = DefaultMaxTokens
	}
	if err := e.request(t.Model); err != nil {
		return dst, err
	}
	return e.dst, nil
}

// argumentsDepth is how deeply a tool call's arguments may be nested, so that the whole body stays within
// [jsonscan.MaxDepth].
const argumentsDepth = jsonscan.MaxDepth - 8

type encoder struct {
	r     *dialect.Request
	quirk quirk
	dst   []byte
	max   int64

	called nameSet // of tools that were called in the conversation, if none is declared
}

// nameSet keeps names in order and finds them. It stays linear for a few names, which is nearly every request, and
// does not become quadratic for a hostile one.
type nameSet struct {
	names []string
	gone  []bool
	index map[string]int
}

func (s *nameSet) find(name string) int {
	if s.index != nil {
		if i, ok := s.index[name]; ok {
			return i
		}
		return -1
	}
	for i, n := range s.names {
		if n == name {
			return i
		}
	}
	return -1
}

// add reports whether name was new.
func (s *nameSet) add(name string) bool {
	if s.find(name) >= 0 {
		return false
	}
	s.names, s.gone = append(s.names, name), append(s.gone, false)
	switch {
	case s.index != nil:
		s.index[name] = len(s.names) - 1
	case len(s.names) > 16:
		s.index = make(map[string]int, 64)
		for i, n := range s.names {
			s.index[n] = i
		}
	}
	return true
}

// take removes name and reports whether it was there.
func (s *nameSet) take(name string) bool {
	i := s.find(name)
	if i < 0 || s.gone[i] {
		return false
	}
	s.gone[i] = true
	return true
}

// left is what was added and not taken.
func (s *nameSet) left() (names []string) {
	for i, n := range s.names {
		if !s.gone[i] {
			names = append(names, n)
		}
	}
	return names
}

func (e *encoder) lit(s string) { e.dst = append(e.dst, s...) }

func (e *encoder) str(s string) { e.dst = jsonscan.AppendString(e.dst, s) }

func (e *encoder) int(n int64) { e.dst = strconv.AppendInt(e.dst, n, 10) }

func (e *encoder) float(f float64) { e.dst = strconv.AppendFloat(e.dst, f, 'g', -1, 64) }

func (e *encoder) request(model string) *dialect.Error {
	r := e.r
	if err := LossTable.Refusal(r); err != nil {
		return err
	}
	e.lit(`{"model":`)
	e.str(model)
	e.lit(`,"max_tokens":`)
	e.int(e.max)
	if r.Stream {
		e.lit(`,"stream":true`)
	}
	e.system()
	if err := e.messages(); err != nil {
		return err
	}
	if err := e.tools(); err != nil {
		return err
	}
	thinking, effort := e.thinking()
	e.lit(thinking)
	if err := e.outputConfig(effort); err != nil {
		return err
	}
	if thinking == "" {
		if r.Temperature != nil {
			e.lit(`,"temperature":`)
			e.float(min(*r.Temperature, 1))
		}
		if r.TopP != nil {
			e.lit(`,"top_p":`)
			e.float(*r.TopP)
		}
		if r.TopK != nil {
			e.lit(`,"top_k":`)
			e.int(*r.TopK)
		}
	}
	for i, s := range r.Stop {
		if strings.TrimSpace(s) == "" {
			return dialect.Refuse("stop", "unsupported_value", "A stop sequence of white space alone is not supported by this model's provider.")
		}
		if i == 0 {
			e.lit(`,"stop_sequences":[`)
		} else {
			e.lit(",")
		}
		e.str(s)
	}
	if len(r.Stop) > 0 {
		e.lit("]")
	}
	if r.User != "" {
		e.lit(`,"metadata":{"user_id":`)
		e.str(r.User)
		e.lit("}")
	}
	e.lit("}")
	return nil
}

// system writes the system texts: as one string where there is one without a caching mark, else as blocks.
func (e *encoder) system() {
	texts, only := 0, 0
	for i := range e.r.System {
		if p := &e.r.System[i]; !dialect.Blank(p.Text) {
			texts++
			only = i
		}
	}
	if texts == 0 {
		return
	}
	e.lit(`,"system":`)
	if p := &e.r.System[only]; texts == 1 && p.Cache == dialect.NoCache {
		e.str(p.Text)
		return
	}
	sep := "["
	for i := range e.r.System {
		if p := &e.r.System[i]; !dialect.Blank(p.Text) {
			e.lit(sep)
			sep = ","
			e.text(p.Text, p.Cache)
		}
	}
	e.lit("]")
}

func (e *encoder) text(s string, mark dialect.Cache) {
	e.lit(`{"type":"text","text":`)
	e.str(s)
	e.cache(mark)
	e.lit("}")
}

func (e *encoder) cache(mark dialect.Cache) {
	switch mark {
	case dialect.Cache5m:
		e.lit(`,"cache_control":{"type":"ephemeral"}`)
	case dialect.Cache1h:
		e.lit(`,"cache_control":{"type":"ephemeral","ttl":"1h"}`)
	}
}

// messages writes the turns. A turn is a run of messages that are all the assistant's, or all not.
func (e *encoder) messages() *dialect.Error {
	e.lit(`,"messages":[`)
	messages := e.r.Messages
	for len(messages) > 0 && e.vanishes(&messages[0]) {
		messages = messages[1:]
	}
	if len(messages) == 0 || messages[0].Role == dialect.Assistant {
		// The API wants the user to begin, with a text that is not blank.
		e.lit(`{"role":"user","content":"."}`)
		if len(messages) > 0 {
			e.lit(",")
		}
	}
	var open nameSet // ids of the last assistant turn's tool calls, to be answered
	first := true
	for len(messages) > 0 {
		n, assistant := 1, messages[0].Role == dialect.Assistant
		for n < len(messages) && ((messages[n].Role == dialect.Assistant) == assistant || e.vanishes(&messages[n])) {
			n++
		}
		turn := messages[:n]
		messages = messages[n:]
		if !first {
			e.lit(",")
		}
		first = false
		var err *dialect.Error
		if assistant {
			open, err = e.assistantTurn(turn, len(messages) == 0)
		} else {
			err = e.userTurn(turn, &open)
			open = nameSet{}
		}
		if err != nil {
			return err
		}
	}
	if ids := open.left(); len(ids) > 0 {
		return unanswered(ids)
	}
	e.lit("]")
	return nil
}

// vanishes reports whether nothing of a message is left to send.
func (e *encoder) vanishes(m *dialect.Message) bool {
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Kind != dialect.Text && p.Kind != dialect.Refusal || !dialect.Blank(p.Text) {
			return false
		}
	}
	return true
}

func unanswered(ids []string) *dialect.Error {
	if len(ids) > 8 {
		ids = append(ids[:8:8], "…")
	}
	return dialect.Refuse("messages", "invalid_value", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
}

// assistantTurn writes a turn of the assistant and returns its tool calls.
func (e *encoder) assistantTurn(turn []dialect.Message, last bool) (calls nameSet, err *dialect.Error) {
	e.lit(`{"role":"assistant","content":[`)
	sep := ""
	put := func() {
		e.lit(sep)
		sep = ","
	}
	var final *dialect.Part // the conversation's last text, if it ends with one
	if last {
		for i := len(turn) - 1; i >= 0 && final == nil; i-- {
			for j := len(turn[i].Parts) - 1; j >= 0 && final == nil; j-- {
				if p := &turn[i].Parts[j]; p.Kind != dialect.Text && p.Kind != dialect.Refusal || !dialect.Blank(p.Text) {
					final = p
				}
			}
		}
	}
	for i := range turn {
		m := &turn[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if foreign(p) {
				continue
			}
			switch p.Kind {
			case dialect.Text, dialect.Refusal:
				text := p.Text
				if p == final {
					text = strings.TrimRightFunc(text, unicode.IsSpace) // the API refuses white space at the end
				}
				if !dialect.Blank(text) {
					put()
					e.text(text, p.Cache)
				}
			case dialect.Thinking:
				put()
				e.lit(`{"type":"thinking","thinking":`)
				e.str(p.Text)
				e.lit(`,"signature":`)
				e.str(p.Signature)
				e.lit("}")
			case dialect.RedactedThinking:
				put()
				e.lit(`{"type":"redacted_thinking","data":`)
				e.str(p.Data)
				e.lit("}")
			case dialect.ToolCall:
				put()
				e.lit(`{"type":"tool_use","id":`)
				e.dst = appendID(e.dst, p.ID)
				e.lit(`,"name":`)
				e.str(p.Name)
				e.lit(`,"input":`)
				args := bytes.TrimSpace([]byte(p.Arguments))
				switch {
				case len(args) == 0:
					e.lit("{}")
				case args[0] != '{' || jsonscan.CheckDepth(args, argumentsDepth) != nil:
					return calls, dialect.Refuse(place(m.At, ".tool_calls["+strconv.Itoa(p.At)+"].function.arguments"), "invalid_value",
						"The arguments of the tool call '%s' are not a JSON object without repeated names, as this model's provider needs them.", p.ID)
				default:
					e.dst = append(e.dst, args...)
				}
				e.cache(p.Cache)
				e.lit("}")
				if !calls.add(p.ID) {
					return calls, dialect.Refuse(place(m.At, ".tool_calls["+strconv.Itoa(p.At)+"].id"), "invalid_value", "The tool call id '%s' stands twice in one turn.", p.ID)
				}
				if len(e.r.Tools) == 0 {
					e.called.add(p.Name)
				}
			}
		}
	}
	e.lit("]}")
	return calls, nil
}

// userTurn writes a turn of the user: the results of the tool calls in open first, then all else in order.
func (e *encoder) userTurn(turn []dialect.Message, open *nameSet) *dialect.Error {
	// The common case is short: one text.
	if len(turn) == 1 && len(turn[0].Parts) == 1 && len(open.names) == 0 {
		if p := &turn[0].Parts[0]; p.Kind == dialect.Text && p.Cache == dialect.NoCache {
			e.lit(`{"role":"user","content":`)
			e.str(p.Text)
			e.lit("}")
			return nil
		}
	}
	e.lit(`{"role":"user","content":[`)
	sep := ""
	for i := range turn {
		m := &turn[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind != dialect.ToolResult {
				continue
			}
			if !open.take(p.ID) {
				return dialect.Refuse(place(m.At, ".tool_call_id"), "invalid_value", "Messages with role 'tool' must be a response to a preceding message with 'tool_calls': '%s' answers none that is open.", p.ID)
			}
			e.lit(sep)
			sep = ","
			if err := e.toolResult(m, p); err != nil {
				return err
			}
		}
	}
	if ids := open.left(); len(ids) > 0 {
		return unanswered(ids)
	}
	for i := range turn {
		m := &turn[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind == dialect.ToolResult || p.Kind == dialect.Text && dialect.Blank(p.Text) {
				continue
			}
			e.lit(sep)
			sep = ","
			if err := e.content(m, p); err != nil {
				return err
			}
		}
	}
	e.lit("]}")
	return nil
}

// content writes a block of the user's or of a tool's result.
func (e *encoder) content(m *dialect.Message, p *dialect.Part) *dialect.Error {
	switch p.Kind {
	case dialect.Image:
		return e.image(m, p)
	case dialect.Audio:
		at := dialect.PartPlace(m, p)
		return dialect.Refuse(at, "unsupported_parameter", "'%s' is not supported by this model's provider: no audio input.", at)
	case dialect.Document:
		if p.URL != "" {
			e.lit(`{"type":"document","source":{"type":"url","url":`)
			e.str(p.URL)
		} else {
			e.lit(`{"type":"document","source":{"type":"base64","media_type":`)
			e.str(p.MediaType)
			e.lit(`,"data":`)
			e.str(p.Data)
		}
		e.lit("}")
		if p.Name != "" {
			e.lit(`,"title":`)
			e.str(p.Name)
		}
		e.cache(p.Cache)
		e.lit("}")
	default:
		e.text(p.Text, p.Cache)
	}
	return nil
}

func (e *encoder) toolResult(m *dialect.Message, p *dialect.Part) *dialect.Error {
	e.lit(`{"type":"tool_result","tool_use_id":`)
	e.dst = appendID(e.dst, p.ID)
	if len(p.Content) == 1 && p.Content[0].Kind == dialect.Text && p.Content[0].Cache == dialect.NoCache {
		e.lit(`,"content":`)
		e.str(p.Content[0].Text)
	} else {
		sep := `,"content":[`
		end := ""
		for i := range p.Content {
			c := &p.Content[i]
			if c.Kind == dialect.Text && dialect.Blank(c.Text) {
				continue
			}
			e.lit(sep)
			sep, end = ",", "]"
			if err := e.content(m, c); err != nil {
				return err
			}
		}
		e.lit(end)
	}
	if p.IsError {
		e.lit(`,"is_error":true`)
	}
	e.cache(p.Cache)
	e.lit("}")
	return nil
}

// image writes an image block. The API fetches URLs itself and takes four media types.
func (e *encoder) image(m *dialect.Message, p *dialect.Part) *dialect.Error {
	if p.URL != "" {
		e.lit(`{"type":"image","source":{"type":"url","url":`)
		e.str(p.URL)
	} else {
		media := p.MediaType
		switch media {
		case "image/jpeg", "image/png", "image/gif", "image/webp":
		case "image/jpg": // common, and wrong
			media = "image/jpeg"
		default:
			return dialect.Refuse(dialect.PartPlace(m, p)+".image_url.url", "invalid_image_format", "The image's media type '%s' is not supported by this model's provider. Supported are image/jpeg, image/png, image/gif and image/webp.", media)
		}
		e.lit(`{"type":"image","source":{"type":"base64","media_type":`)
		e.str(media)
		e.lit(`,"data":`)
		e.str(p.Data)
	}
	e.lit("}")
	e.cache(p.Cache)
	e.lit("}")
	return nil
}

func place(message int, suffix string) string {
	return "messages[" + strconv.Itoa(message) + "]" + suffix
}

// appendID writes the id of a tool call. The API takes letters, digits, "_" and "-"; ids of other providers (a
// conversation may have begun elsewhere) that have more are changed, the same way wherever they stand.
func appendID(dst []byte, id string) []byte {
	valid := func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
	}
	clean := true
	for i := 0; i < len(id); i++ {
		clean = clean && valid(id[i])
	}
	dst = append(dst, '"')
	if clean {
		dst = append(dst, id...)
		return append(dst, '"')
	}
	for i := 0; i < len(id) && i < 40; i++ {
		c := id[i]
		if !valid(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	h := fnv.New64a() // keeps ids apart that differ only in what was changed
	h.Write([]byte(id))
	dst = append(dst, '_')
	dst = strconv.AppendUint(dst, h.Sum64(), 36)
	return append(dst, '"')
}

// tools writes the declared tools and the choice among them.
func (e *encoder) tools() *dialect.Error {
	r := e.r
	if len(r.Tools) == 0 {
		// A conversation that holds tool calls needs tools; these are declared so that it can be read, and not called.
		for i, name := range e.called.names {
			if i == 0 {
				e.lit(`,"tools":[`)
			} else {
				e.lit(",")
			}
			e.lit(`{"name":`)
			e.str(name)
			e.lit(`,"input_schema":{"type":"object"}}`)
		}
		if len(e.called.names) > 0 {
			e.lit(`],"tool_choice":{"type":"none"}`)
		}
		return nil
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		if i == 0 {
			e.lit(`,"tools":[`)
		} else {
			e.lit(",")
		}
		e.lit(`{"name":`)
		e.str(t.Name)
		if t.Description != "" {
			e.lit(`,"description":`)
			e.str(t.Description)
		}
		e.lit(`,"input_schema":`)
		var err *dialect.Error
		if e.dst, err = dialect.AppendSchema(e.dst, t); err != nil {
			return err
		}
		if t.Strict != nil && *t.Strict && e.quirk.structured {
			e.lit(`,"strict":true`)
		}
		e.cache(t.Cache)
		e.lit("}")
	}
	e.lit("]")
	mode := r.ToolChoice.Mode
	one := r.Parallel != nil && !*r.Parallel
	if mode == "" && !one {
		return nil
	}
	e.lit(`,"tool_choice":{"type":`)
	switch mode {
	case "required":
		e.lit(`"any"`)
	case "none":
		e.lit(`"none"}`)
		return nil
	case "tool":
		e.lit(`"tool","name":`)
		e.str(r.ToolChoice.Name)
	default:
		e.lit(`"auto"`)
	}
	if one {
		e.lit(`,"disable_parallel_tool_use":true`)
	}
	e.lit("}")
	return nil
}

// thinking returns the thinking member for the effort that the caller asked for, and the effort for output_config.
func (e *encoder) thinking() (member, effort string) {
	r := e.r
	if r.Reasoning == "" || r.Reasoning == "none" {
		return "", ""
	}
	forced := r.ToolChoice.Mode == "required" || r.ToolChoice.Mode == "tool" // thinking allows auto and none alone
	switch e.quirk.thinking {
	case thinkingAdaptive:
		if forced {
			return "", effortName(r.Reasoning)
		}
		return `,"thinking":{"type":"adaptive"}`, effortName(r.Reasoning)
	case thinkingBudget:
		// The budget counts towards max_tokens; half of it is left for the answer.
		n := min(budget(r.Reasoning), e.max/2)
		if n < 1024 && e.max > 1024 {
			n = 1024
		}
		if n < 1024 || forced || e.unthoughtCalls() {
			return "", ""
		}
		return `,"thinking":{"type":"enabled","budget_tokens":` + strconv.FormatInt(n, 10) + "}", ""
	}
	return "", ""
}

// foreign reports whether p is thinking that another provider signed: the API would refuse its signature.
func foreign(p *dialect.Part) bool {
	return (p.Kind == dialect.Thinking || p.Kind == dialect.RedactedThinking) && p.SignedBy != dialect.SignerUnknown && p.SignedBy != dialect.SignerAnthropic
}

// unthoughtCalls reports whether the last assistant turn calls tools without a block of thinking before them. With a
// thinking budget the API refuses to go on from there.
func (e *encoder) unthoughtCalls() bool {
	for i := len(e.r.Messages) - 1; i >= 0; i-- {
		m := &e.r.Messages[i]
		if m.Role != dialect.Assistant {
			continue
		}
		for j := range m.Parts {
			switch m.Parts[j].Kind {
			case dialect.Thinking, dialect.RedactedThinking:
				if !foreign(&m.Parts[j]) {
					return false
				}
			case dialect.ToolCall:
				return true
			}
		}
		return false
	}
	return false
}

// outputConfig writes the effort and the form of the answer.
func (e *encoder) outputConfig(effort string) *dialect.Error {
	f := &e.r.Format
	switch {
	case f.Kind == "json_object":
		return dialect.Refuse("response_format", "unsupported_value", "'response_format' of type 'json_object' is not supported by this model's provider. Use 'json_schema'.")
	case f.Kind == "json_schema" && !e.quirk.structured:
		return dialect.Refuse("response_format", "unsupported_value", "'response_format' of type 'json_schema' is not supported by this model.")
	case f.Kind == "json_schema" && len(f.Schema) == 0:
		return dialect.Refuse("response_format.json_schema.schema", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema.schema'.")
	case f.Kind == "" && effort == "":
		return nil
	}
	e.lit(`,"output_config":{`)
	if effort != "" {
		e.lit(`"effort":`)
		e.str(effort)
	}
	if f.Kind != "" {
		if effort != "" {
			e.lit(",")
		}
		e.lit(`"format":{"type":"json_schema","schema":`)
		e.dst = append(e.dst, f.Schema...)
		e.lit("}")
	}
	e.lit("}")
	return nil
}
