package gemini

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

const (
	maxStop = 5 // stop sequences that the API takes
	// structDepth is how deeply what becomes a protobuf Struct may be nested, so that the whole body stays within
	// [jsonscan.MaxDepth].
	structDepth = jsonscan.MaxDepth - 8
	// unsigned stands for a signature that nobody has: of a call that another model made, or whose signature the caller's
	// dialect had no place for. Models that want one refuse the turn without.
	//
	// Source: "Thought signatures" of the Gemini API's documentation.
	unsigned = "skip_thought_signature_validator"
)

// EncodeRequest appends r as the body of generateContent for a target, whose MaxTokens 0 leaves the limit to the
// provider. Model and streaming are in the request's path. An error has status 400 and names the place in the caller's
// body; dst is then returned as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	w := sender{r: r, quirk: quirkOf(t.Model), dst: dst}
	if err := w.request(t.MaxTokens); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// sender writes a request.
type sender struct {
	r     *dialect.Request
	quirk quirk
	dst   []byte
	turn  int // index of the message with which the current turn begins: calls from there on must be signed
}

func (w *sender) lit(s string) { w.dst = append(w.dst, s...) }

func (w *sender) str(s string) { w.dst = jsonscan.AppendString(w.dst, s) }

func (w *sender) request(maxTokens int64) *dialect.Error {
	r := w.r
	if err := LossTable.Refusal(r); err != nil {
		return err
	}
	for _, path := range r.Unsupported {
		if l := LossTable.Of(path); l.Fate != dialect.Dropped && !hint(l.Field) {
			// The target has it, and the caller's dialect said it in a way that has no neutral form.
			return dialect.Refuse(path, "unsupported_parameter", "'%s' cannot be translated for this model's provider.", path)
		}
	}
	if len(r.Stop) > maxStop {
		return dialect.Refuse("stop", "too_many_stop_sequences", "This model's provider takes %d stop sequences at most, the request has %d.", maxStop, len(r.Stop))
	}
	w.lit(`{"contents":[`)
	if err := w.contents(); err != nil {
		return err
	}
	w.lit("]")
	w.system()
	w.tools()
	if err := w.config(maxTokens); err != nil {
		return err
	}
	switch r.ServiceTier {
	case "flex", "priority":
		w.lit(`,"serviceTier":`)
		w.str(r.ServiceTier)
	}
	w.lit("}")
	return nil
}

// hint tells whether a field only nudges the answer, so that it may be lost where it cannot be carried over.
func hint(field string) bool {
	switch field {
	case "seed", "frequency_penalty", "presence_penalty", "service_tier":
		return true
	}
	return false
}

func (w *sender) system() {
	sep := `,"systemInstruction":{"parts":[`
	for i := range w.r.System {
		if s := w.r.System[i].Text; s != "" {
			w.lit(sep)
			sep = ","
			w.text(s)
		}
	}
	if sep == "," {
		w.lit("]}")
	}
}

func (w *sender) text(s string) {
	w.lit(`{"text":`)
	w.str(s)
	w.lit("}")
}

// contents writes the turns. A turn is a run of messages that are all the assistant's, or all not.
func (w *sender) contents() *dialect.Error {
	messages := w.r.Messages
	for i := range messages {
		m := &messages[i]
		if m.Role == dialect.User && !slices.ContainsFunc(m.Parts, func(p dialect.Part) bool { return p.Kind == dialect.ToolResult }) {
			w.turn = i
		}
	}
	sep := ""
	var open calls
	for at := 0; at < len(messages); {
		n, assistant := at+1, messages[at].Role == dialect.Assistant
		for n < len(messages) && (messages[n].Role == dialect.Assistant) == assistant {
			n++
		}
		turn := messages[at:n]
		first := at
		at = n
		if gone(turn) {
			continue
		}
		w.lit(sep)
		if assistant {
			if sep == "" {
				w.lit(`{"role":"user","parts":[{"text":"."}]},`) // a call must come after a turn of the user
			}
			if err := open.left(); err != nil {
				return err
			}
			open = calls{}
			if err := w.model(turn, first >= w.turn, &open); err != nil {
				return err
			}
		} else if err := w.user(turn, &open); err != nil {
			return err
		}
		sep = ","
	}
	if err := open.left(); err != nil {
		return err
	}
	if sep == "" {
		w.lit(`{"role":"user","parts":[{"text":"."}]}`) // the API wants something
	}
	return nil
}

// vanishes reports whether nothing of a part is left to send: an empty text is refused, and thinking goes back only to
// the one who signed it.
func vanishes(p *dialect.Part) bool {
	switch p.Kind {
	case dialect.Text:
		return p.Text == "" && own(p) == ""
	case dialect.Refusal:
		return p.Text == ""
	case dialect.Thinking:
		return own(p) == ""
	case dialect.RedactedThinking:
		return true
	}
	return false
}

// own is the signature of a part if Gemini made it.
func own(p *dialect.Part) string {
	if p.SignedBy == dialect.SignerGemini {
		return p.Signature
	}
	return ""
}

func gone(turn []dialect.Message) bool {
	for i := range turn {
		for j := range turn[i].Parts {
			if !vanishes(&turn[i].Parts[j]) {
				return false
			}
		}
	}
	return true
}

// calls are those of the last turn of the model, to be answered.
type calls struct {
	ids  []string
	name map[string]string // by id; an answered one is gone
}

// left is an error if a call is not answered.
func (c *calls) left() *dialect.Error {
	var ids []string
	for _, id := range c.ids {
		if _, open := c.name[id]; open {
			if ids = append(ids, id); len(ids) > 8 {
				ids[8] = "…"
				break
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return dialect.Refuse("messages", "invalid_value", "Each call of a tool must be answered by a result in the next turn. There is none for: %s", strings.Join(ids, ", "))
}

// model writes a turn of the model. current tells that the turn belongs to what the user asked last.
func (w *sender) model(turn []dialect.Message, current bool, open *calls) *dialect.Error {
	sep := `{"role":"model","parts":[`
	first := true // of the calls: the one that bears the signature of all
	for i := range turn {
		for j := range turn[i].Parts {
			p := &turn[i].Parts[j]
			if vanishes(p) {
				continue
			}
			w.lit(sep)
			sep = ","
			signature := own(p)
			switch p.Kind {
			case dialect.Thinking:
				w.lit(`{"thought":true,"text":`)
				w.str(p.Text)
			case dialect.ToolCall:
				if open.name == nil {
					open.name = map[string]string{}
				}
				if _, twice := open.name[p.ID]; twice {
					return dialect.Refuse(place(turn[i].At, ".tool_calls["+strconv.Itoa(p.At)+"].id"), "invalid_value", "The tool call id '%s' stands twice in one turn.", p.ID)
				}
				open.ids, open.name[p.ID] = append(open.ids, p.ID), p.Name
				if signature == "" && first && current && w.quirk.signed {
					signature = unsigned
				}
				first = false
				if err := w.call(&turn[i], p); err != nil {
					return err
				}
			case dialect.Image, dialect.Audio, dialect.Document:
				w.media(p)
			default:
				w.lit(`{"text":`)
				w.str(p.Text)
			}
			if signature != "" {
				w.lit(`,"thoughtSignature":`)
				w.str(signature)
			}
			w.lit("}")
		}
	}
	w.lit("]}")
	return nil
}

// call writes a part with a functionCall up to its closing brace.
func (w *sender) call(m *dialect.Message, p *dialect.Part) *dialect.Error {
	w.lit(`{"functionCall":{"name":`)
	w.str(p.Name)
	w.lit(`,"args":`)
	args := bytes.TrimSpace([]byte(p.Arguments))
	switch {
	case len(args) == 0:
		w.lit("{}")
	case args[0] != '{' || jsonscan.CheckDepth(args, structDepth) != nil:
		return dialect.Refuse(place(m.At, ".tool_calls["+strconv.Itoa(p.At)+"].function.arguments"), "invalid_value",
			"The arguments of the tool call '%s' are not a JSON object without repeated names, as this model's provider needs them.", p.ID)
	default:
		w.dst = append(w.dst, args...)
	}
	if p.ID != "" {
		w.lit(`,"id":`)
		w.str(p.ID)
	}
	w.lit("}")
	return nil
}

// user writes a turn of the user: the results of the calls in open first, then all else in order.
func (w *sender) user(turn []dialect.Message, open *calls) *dialect.Error {
	sep := `{"role":"user","parts":[`
	beside := false // media of results stand behind them
	for i := range turn {
		for j := range turn[i].Parts {
			p := &turn[i].Parts[j]
			if p.Kind != dialect.ToolResult {
				continue
			}
			name, ok := open.name[p.ID]
			if !ok {
				return dialect.Refuse(place(turn[i].At, ".tool_call_id"), "invalid_value", "The result of a tool must answer a call of the turn before: '%s' answers none that is open.", p.ID)
			}
			delete(open.name, p.ID)
			w.lit(sep)
			sep = ","
			beside = w.result(p, name) || beside
		}
	}
	if err := open.left(); err != nil {
		return err
	}
	*open = calls{}
	for i := range turn {
		for j := range turn[i].Parts {
			p := &turn[i].Parts[j]
			if p.Kind == dialect.ToolResult {
				if !beside {
					continue
				}
				told := false
				for k := range p.Content {
					if c := &p.Content[k]; c.Kind != dialect.Text && c.Kind != dialect.Refusal {
						if !told {
							told = true
							w.lit(",")
							w.text("From the result of the tool call " + p.ID + ":")
						}
						w.lit(",")
						w.media(c)
						w.lit("}")
					}
				}
				continue
			}
			if vanishes(p) {
				continue
			}
			w.lit(sep)
			sep = ","
			switch p.Kind {
			case dialect.Image, dialect.Audio, dialect.Document:
				w.media(p)
				w.lit("}")
			default:
				w.text(p.Text)
			}
		}
	}
	w.lit("]}")
	return nil
}

// result writes a part with a functionResponse. beside reports that it has media that have no place in it.
func (w *sender) result(p *dialect.Part, name string) (beside bool) {
	w.lit(`{"functionResponse":{`)
	if p.ID != "" {
		w.lit(`"id":`)
		w.str(p.ID)
		w.lit(",")
	}
	w.lit(`"name":`)
	w.str(name)
	w.lit(`,"response":`)
	var texts []string
	media := 0
	for i := range p.Content {
		if c := &p.Content[i]; c.Kind == dialect.Text || c.Kind == dialect.Refusal {
			texts = append(texts, c.Text)
		} else {
			media++
		}
	}
	said := strings.Join(texts, "\n")
	switch whole := strings.TrimSpace(said); {
	case p.IsError:
		w.lit(`{"error":`)
		w.str(said)
		w.lit("}")
	case strings.HasPrefix(whole, "{") && jsonscan.CheckDepth([]byte(whole), structDepth) == nil:
		w.lit(whole)
	default:
		w.lit(`{"output":`)
		w.str(said)
		w.lit("}")
	}
	if media > 0 && w.quirk.media {
		sep := `,"parts":[`
		for i := range p.Content {
			if c := &p.Content[i]; c.Kind != dialect.Text && c.Kind != dialect.Refusal {
				w.lit(sep)
				sep = ","
				w.media(c)
				w.lit("}")
			}
		}
		w.lit("]")
	}
	w.lit("}}")
	return media > 0 && !w.quirk.media
}

// media writes a part with inlineData or fileData up to its closing brace.
func (w *sender) media(p *dialect.Part) {
	kind := p.MediaType
	switch {
	case kind == "image/jpg": // common, and wrong
		kind = "image/jpeg"
	case p.Kind == dialect.Document && kind == "":
		kind = "application/pdf"
	case p.Kind == dialect.Audio && kind != "" && !strings.Contains(kind, "/"):
		kind = "audio/" + kind
	}
	if p.URL != "" {
		if kind == "" {
			kind = kindOf(p.URL)
		}
		w.lit(`{"fileData":{`)
		if kind != "" {
			w.lit(`"mimeType":`)
			w.str(kind)
			w.lit(",")
		}
		w.lit(`"fileUri":`)
		w.str(p.URL)
		w.lit("}")
		return
	}
	w.lit(`{"inlineData":{"mimeType":`)
	w.str(kind)
	w.lit(`,"data":`)
	w.str(p.Data)
	w.lit("}")
}

// kindOf is the media type that the end of a URL's path tells; "" leaves it to the provider to find out.
func kindOf(url string) string {
	if i := strings.IndexAny(url, "?#"); i >= 0 {
		url = url[:i]
	}
	switch strings.ToLower(path.Ext(url)) {
	case ".png":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".webp":
		return "image/webp"
	case ".gif":
		return "image/gif"
	case ".heic":
		return "image/heic"
	case ".pdf":
		return "application/pdf"
	case ".mp3":
		return "audio/mp3"
	case ".wav":
		return "audio/wav"
	}
	return ""
}

func place(message int, suffix string) string {
	return "messages[" + strconv.Itoa(message) + "]" + suffix
}

// tools writes the declared functions and the choice among them.
func (w *sender) tools() {
	r := w.r
	if len(r.Tools) == 0 {
		return
	}
	w.lit(`,"tools":[{"functionDeclarations":[`)
	for i := range r.Tools {
		t := &r.Tools[i]
		if i > 0 {
			w.lit(",")
		}
		w.lit(`{"name":`)
		w.str(t.Name)
		if t.Description != "" {
			w.lit(`,"description":`)
			w.str(t.Description)
		}
		if takesSomething(t.Parameters) {
			w.lit(`,"parametersJsonSchema":`)
			w.dst = append(w.dst, t.Parameters...)
		}
		w.lit("}")
	}
	w.lit("]}]")
	mode := ""
	switch r.ToolChoice.Mode {
	case "auto":
		mode = "AUTO"
	case "none":
		mode = "NONE"
	case "required", "tool":
		mode = "ANY"
	default:
		return
	}
	w.lit(`,"toolConfig":{"functionCallingConfig":{"mode":"`)
	w.lit(mode)
	w.lit(`"`)
	if r.ToolChoice.Mode == "tool" {
		w.lit(`,"allowedFunctionNames":[`)
		w.str(r.ToolChoice.Name)
		w.lit("]")
	}
	w.lit("}}")
}

// takesSomething tells whether a schema of parameters has any: of a function without parameters the API wants none.
func takesSomething(schema []byte) bool {
	if len(schema) == 0 {
		return false
	}
	c := jsonscan.Over(schema)
	if c.Kind() != '{' {
		return true
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "properties":
			if c.Kind() == '{' {
				p := jsonscan.Over(c.Skip())
				if p.Enter(); p.More() {
					return true
				}
				continue
			}
			return true
		case "type", "title", "description", "additionalProperties", "required", "$schema", "strict":
			c.Skip()
		default:
			return true
		}
	}
	return false
}

// config writes generationConfig.
func (w *sender) config(maxTokens int64) *dialect.Error {
	r := w.r
	start := len(w.dst)
	begin := func(name string) {
		if len(w.dst) == start {
			w.lit(`,"generationConfig":{"`)
		} else {
			w.lit(`,"`)
		}
		w.lit(name)
		w.lit(`":`)
	}
	integer := func(name string, n *int64) {
		if n != nil {
			begin(name)
			w.dst = strconv.AppendInt(w.dst, *n, 10)
		}
	}
	number := func(name string, f *float64) {
		if f != nil {
			begin(name)
			w.dst = strconv.AppendFloat(w.dst, *f, 'g', -1, 64)
		}
	}
	if r.MaxTokens != nil {
		maxTokens = *r.MaxTokens
	}
	if maxTokens > 0 {
		integer("maxOutputTokens", &maxTokens)
	}
	number("temperature", r.Temperature)
	number("topP", r.TopP)
	integer("topK", r.TopK)
	if r.Choices != nil && *r.Choices > 1 {
		integer("candidateCount", r.Choices)
	}
	if r.Seed != nil {
		seed := int64(int32(*r.Seed)) // the API takes 32 bits
		integer("seed", &seed)
	}
	number("presencePenalty", r.PresencePenalty)
	number("frequencyPenalty", r.FrequencyPenalty)
	for i, s := range r.Stop {
		if i == 0 {
			begin("stopSequences")
			w.lit("[")
		} else {
			w.lit(",")
		}
		w.str(s)
	}
	if len(r.Stop) > 0 {
		w.lit("]")
	}
	if r.Logprobs != nil {
		begin("responseLogprobs")
		w.lit("true")
		if *r.Logprobs > 0 {
			integer("logprobs", r.Logprobs)
		}
	}
	switch f := &r.Format; f.Kind {
	case "json_object":
		begin("responseMimeType")
		w.lit(`"application/json"`)
	case "json_schema":
		if len(f.Schema) == 0 {
			return dialect.Refuse("response_format.json_schema.schema", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema.schema'.")
		}
		begin("responseMimeType")
		w.lit(`"application/json"`)
		begin("responseJsonSchema")
		w.dst = append(w.dst, f.Schema...)
	}
	for i, m := range r.Modalities {
		if i == 0 {
			begin("responseModalities")
			w.lit("[")
		} else {
			w.lit(",")
		}
		w.str(strings.ToUpper(m))
	}
	if len(r.Modalities) > 0 {
		w.lit("]")
	}
	if r.Voice != nil && r.Voice.Name != "" {
		begin("speechConfig")
		w.lit(`{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":`)
		w.str(r.Voice.Name)
		w.lit("}}}")
	}
	if r.Reasoning != "" || r.ThinkingBudget != nil {
		w.thinking(begin)
	}
	if len(w.dst) > start {
		w.lit("}")
	}
	return nil
}

// thinking writes thinkingConfig in the form that the model takes.
func (w *sender) thinking(begin func(string)) {
	r := w.r
	switch w.quirk.thinking {
	case thinkingNone:
		return
	case thinkingBudget:
		n := budget(r.Reasoning)
		if r.ThinkingBudget != nil && r.Reasoning != "none" {
			n = *r.ThinkingBudget
		}
		n = min(max(n, w.quirk.least), w.quirk.most)
		begin("thinkingConfig")
		w.lit(`{"thinkingBudget":`)
		w.dst = strconv.AppendInt(w.dst, n, 10)
	case thinkingLevel:
		begin("thinkingConfig")
		w.lit(`{"thinkingLevel":"`)
		effort := r.Reasoning
		if effort == "" {
			effort = effortOf(*r.ThinkingBudget)
		}
		w.lit(w.quirk.level(effort))
		w.lit(`"`)
	}
	if r.Reasoning != "none" {
		w.lit(`,"includeThoughts":true`)
	}
	w.lit("}")
}
