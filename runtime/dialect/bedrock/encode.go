package bedrock

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"strings"
	"unicode"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// argumentsDepth is how deeply a tool call's arguments may be nested, so that the whole body stays within
// [jsonscan.MaxDepth].
const argumentsDepth = jsonscan.MaxDepth - 8

// answerTokens is what is left for the answer beside a thinking budget, where nobody named a limit.
const answerTokens = 4096

// AppendTarget appends the request target of a call, behind the base URL's path: the model in one segment, its colons and
// slashes encoded. The same bytes are signed and sent.
func AppendTarget(dst []byte, model string, stream bool) []byte {
	const digits = "0123456789ABCDEF"
	dst = append(dst, "/model/"...)
	for i := range len(model) {
		c := model[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	if stream {
		return append(dst, "/converse-stream"...)
	}
	return append(dst, "/converse"...)
}

// EncodeRequest appends r as a body for the given target, whose model stands in the path and not in the body. Whether the
// answer is streamed is said by the path as well. An output limit is sent where the caller or the configuration names
// one; thinking with a budget needs one. An error has status 400 and names the place in the caller's body; dst is then
// returned as it was.
func EncodeRequest(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error) {
	if err := LossTable.Refusal(r); err != nil {
		return dst, err
	}
	w := sender{r: r, quirk: quirkOf(t.Model), dst: dst, max: t.MaxTokens}
	if w.one() && !w.quirk.claude {
		return dst, dialect.Refuse("parallel_tool_calls", "unsupported_parameter", "'parallel_tool_calls' cannot be false for this model: its provider cannot limit calls of tools to one.")
	}
	if r.MaxTokens != nil {
		w.max = *r.MaxTokens
	}
	if err := w.request(); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// sender writes a request. It is done with the first fault.
type sender struct {
	r         *dialect.Request
	quirk     quirk
	dst       []byte
	max       int64 // output limit; 0: none
	documents int   // so far: their names have to differ

	called []string // names of the tools that the conversation has called, where none is declared
	calls  bool     // the conversation holds calls or results of tools
}

func (w *sender) lit(s string) { w.dst = append(w.dst, s...) }

func (w *sender) str(s string) { w.dst = jsonscan.AppendString(w.dst, s) }

func (w *sender) int(n int64) { w.dst = strconv.AppendInt(w.dst, n, 10) }

func (w *sender) float(f float64) { w.dst = strconv.AppendFloat(w.dst, f, 'g', -1, 64) }

// sep writes what stands before a list's or object's next member: begin before the first one, a comma before others.
func (w *sender) sep(some *bool, begin string) {
	if *some {
		begin = ","
	}
	*some = true
	w.lit(begin)
}

func (w *sender) request() *dialect.Error {
	r := w.r
	w.look()
	forbidden := r.ToolChoice.Mode == "none" || len(r.Tools) == 0
	w.lit("{")
	if w.system(forbidden && w.calls) {
		w.lit(",")
	}
	if err := w.messages(); err != nil {
		return err
	}
	if !forbidden || w.calls {
		if err := w.tools(forbidden); err != nil {
			return err
		}
	}
	thinking, effort := w.thinking()
	if err := w.inference(thinking != ""); err != nil {
		return err
	}
	w.additional(thinking, effort, forbidden)
	if err := w.output(); err != nil {
		return err
	}
	switch r.ServiceTier {
	case "default", "flex", "priority":
		w.lit(`,"serviceTier":{"type":`)
		w.str(r.ServiceTier)
		w.lit("}")
	}
	w.metadata()
	w.lit("}")
	return nil
}

// look finds out whether the conversation holds tools, and which.
func (w *sender) look() {
	seen := map[string]bool(nil)
	for i := range w.r.Messages {
		for j := range w.r.Messages[i].Parts {
			p := &w.r.Messages[i].Parts[j]
			if p.Kind != dialect.ToolCall && p.Kind != dialect.ToolResult {
				continue
			}
			w.calls = true
			if p.Kind == dialect.ToolCall && len(w.r.Tools) == 0 && !seen[p.Name] {
				if seen == nil {
					seen = map[string]bool{}
				}
				seen[p.Name] = true
				w.called = append(w.called, p.Name)
			}
		}
	}
}

// system writes the system texts and reports whether there were any.
func (w *sender) system(forbid bool) (some bool) {
	for i := range w.r.System {
		if p := &w.r.System[i]; !dialect.Blank(p.Text) {
			w.sep(&some, `"system":[`)
			w.text(p.Text)
			w.cache(p.Cache)
		}
	}
	if forbid {
		w.sep(&some, `"system":[`)
		w.text("Do not call any tool.")
	}
	if some {
		w.lit("]")
	}
	return some
}

func (w *sender) text(s string) {
	w.lit(`{"text":`)
	w.str(s)
	w.lit("}")
}

// cache writes a block behind the one that a caller marked.
func (w *sender) cache(mark dialect.Cache) {
	if mark == dialect.NoCache || !w.quirk.cache {
		return
	}
	w.lit(`,{"cachePoint":{"type":"default"`)
	if mark == dialect.Cache1h && w.quirk.hour {
		w.lit(`,"ttl":"1h"`)
	}
	w.lit("}}")
}

// foreign reports whether p is thinking that this model could not take back: without a signature, or with that of another
// provider. Claude's signatures are the same at Anthropic and here; redacted thinking is wrapped otherwise.
func (w *sender) foreign(p *dialect.Part) bool {
	switch p.Kind {
	case dialect.Thinking:
		switch p.SignedBy {
		case dialect.SignerUnknown, dialect.SignerBedrock:
			return p.Signature == ""
		case dialect.SignerAnthropic:
			return p.Signature == "" || !w.quirk.claude
		}
		return true
	case dialect.RedactedThinking:
		return p.SignedBy != dialect.SignerUnknown && p.SignedBy != dialect.SignerBedrock
	}
	return false
}

// vanishes reports whether nothing of a message is left to send.
func (w *sender) vanishes(m *dialect.Message) bool {
	for i := range m.Parts {
		p := &m.Parts[i]
		switch p.Kind {
		case dialect.Text, dialect.Refusal:
			if !dialect.Blank(p.Text) {
				return false
			}
		default:
			if !w.foreign(p) {
				return false
			}
		}
	}
	return true
}

// messages writes the turns. A turn is a run of messages that are all the assistant's, or all not.
func (w *sender) messages() *dialect.Error {
	w.lit(`"messages":[`)
	messages := w.r.Messages
	for len(messages) > 0 && w.vanishes(&messages[0]) {
		messages = messages[1:]
	}
	some := false
	if len(messages) == 0 || messages[0].Role == dialect.Assistant {
		// The API wants the user to begin, with a text that is not blank.
		some = true
		w.lit(`{"role":"user","content":[{"text":"."}]}`)
	}
	var open pending
	for len(messages) > 0 {
		n, assistant := 1, messages[0].Role == dialect.Assistant
		for n < len(messages) && ((messages[n].Role == dialect.Assistant) == assistant || w.vanishes(&messages[n])) {
			n++
		}
		turn := messages[:n]
		messages = messages[n:]
		w.sep(&some, "")
		var err *dialect.Error
		if assistant {
			open, err = w.assistant(turn, len(messages) == 0)
		} else {
			err = w.user(turn, &open)
			open = pending{}
		}
		if err != nil {
			return err
		}
	}
	if err := open.unanswered(); err != nil {
		return err
	}
	w.lit("]")
	return nil
}

// pending holds the ids of a turn's calls, in order, until their results have come.
type pending struct {
	ids  []string
	open map[string]bool
}

func (p *pending) add(id string) bool {
	if p.open == nil {
		p.open = map[string]bool{}
	}
	if _, twice := p.open[id]; twice {
		return false
	}
	p.ids = append(p.ids, id)
	p.open[id] = true
	return true
}

func (p *pending) take(id string) bool {
	if !p.open[id] {
		return false
	}
	p.open[id] = false
	return true
}

func (p *pending) unanswered() *dialect.Error {
	var ids []string
	for _, id := range p.ids {
		if p.open[id] {
			if ids = append(ids, id); len(ids) == 8 {
				ids = append(ids, "…")
				break
			}
		}
	}
	if ids == nil {
		return nil
	}
	return dialect.Refuse("messages", "invalid_value", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(ids, ", "))
}

// assistant writes a turn of the assistant and returns its tool calls.
func (w *sender) assistant(turn []dialect.Message, last bool) (calls pending, err *dialect.Error) {
	w.lit(`{"role":"assistant","content":[`)
	some := false
	var final *dialect.Part // the conversation's last text, if it ends with one
	if last {
		for i := range turn {
			for j := range turn[i].Parts {
				if p := &turn[i].Parts[j]; p.Kind != dialect.Text && p.Kind != dialect.Refusal {
					final = nil
				} else if !dialect.Blank(p.Text) {
					final = p
				}
			}
		}
	}
	for i := range turn {
		m := &turn[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if w.foreign(p) {
				continue
			}
			switch p.Kind {
			case dialect.Text, dialect.Refusal:
				text := p.Text
				if p == final {
					text = strings.TrimRightFunc(text, unicode.IsSpace) // the API refuses white space at the end
				}
				if !dialect.Blank(text) {
					w.sep(&some, "")
					w.text(text)
					w.cache(p.Cache)
				}
			case dialect.Thinking:
				w.sep(&some, "")
				w.lit(`{"reasoningContent":{"reasoningText":{"text":`)
				w.str(p.Text)
				w.lit(`,"signature":`)
				w.str(p.Signature)
				w.lit("}}}")
			case dialect.RedactedThinking:
				w.sep(&some, "")
				w.lit(`{"reasoningContent":{"redactedContent":`)
				w.str(p.Data)
				w.lit("}}")
			case dialect.ToolCall:
				w.sep(&some, "")
				w.lit(`{"toolUse":{"toolUseId":`)
				w.dst = appendID(w.dst, p.ID)
				w.lit(`,"name":`)
				w.str(p.Name)
				w.lit(`,"input":`)
				args := bytes.TrimSpace([]byte(p.Arguments))
				switch {
				case len(args) == 0:
					w.lit("{}")
				case args[0] != '{' || jsonscan.CheckDepth(args, argumentsDepth) != nil:
					return calls, dialect.Refuse(place(m.At, ".tool_calls["+strconv.Itoa(p.At)+"].function.arguments"), "invalid_value",
						"The arguments of the tool call '%s' are not a JSON object without repeated names, as this model's provider needs them.", p.ID)
				default:
					w.dst = append(w.dst, args...)
				}
				w.lit("}}")
				w.cache(p.Cache)
				if !calls.add(p.ID) {
					return calls, dialect.Refuse(place(m.At, ".tool_calls["+strconv.Itoa(p.At)+"].id"), "invalid_value", "The tool call id '%s' stands twice in one turn.", p.ID)
				}
			}
		}
	}
	w.lit("]}")
	return calls, nil
}

// user writes a turn of the user: the results of the tool calls in open first, then all else in order.
func (w *sender) user(turn []dialect.Message, open *pending) *dialect.Error {
	w.lit(`{"role":"user","content":[`)
	some, texts, documents := false, false, false
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
			w.sep(&some, "")
			if err := w.result(m, p); err != nil {
				return err
			}
		}
	}
	if err := open.unanswered(); err != nil {
		return err
	}
	for i := range turn {
		m := &turn[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			text := p.Kind == dialect.Text || p.Kind == dialect.Refusal
			if p.Kind == dialect.ToolResult || text && dialect.Blank(p.Text) || w.foreign(p) {
				continue
			}
			texts, documents = texts || text, documents || p.Kind == dialect.Document
			w.sep(&some, "")
			if err := w.content(m, p); err != nil {
				return err
			}
			w.cache(p.Cache)
		}
	}
	if documents && !texts { // the API wants a text beside a document
		w.sep(&some, "")
		w.text(".")
	}
	w.lit("]}")
	return nil
}

// result writes the result of a tool. Marks of the cache inside of it stand behind it.
func (w *sender) result(m *dialect.Message, p *dialect.Part) *dialect.Error {
	w.lit(`{"toolResult":{"toolUseId":`)
	w.dst = appendID(w.dst, p.ID)
	w.lit(`,"content":[`)
	some, mark := false, p.Cache
	for i := range p.Content {
		c := &p.Content[i]
		if c.Cache != dialect.NoCache && mark == dialect.NoCache {
			mark = c.Cache
		}
		if c.Kind == dialect.Text && dialect.Blank(c.Text) {
			continue
		}
		w.sep(&some, "")
		if c.Kind == dialect.Audio {
			return w.unsupported(m, c)
		}
		if err := w.content(m, c); err != nil {
			return err
		}
	}
	if !some {
		w.text("(no output)")
	}
	w.lit("]")
	if p.IsError && w.quirk.status {
		w.lit(`,"status":"error"`)
	}
	w.lit("}}")
	w.cache(mark)
	return nil
}

// content writes a block of the user's, or of a tool's result.
func (w *sender) content(m *dialect.Message, p *dialect.Part) *dialect.Error {
	switch p.Kind {
	case dialect.Text, dialect.Refusal:
		w.text(p.Text)
		return nil
	case dialect.Image:
		if p.URL != "" {
			return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "Images that are given by a URL are not supported by this model's provider; give the image as data.")
		}
		format, ok := imageFormats[p.MediaType]
		if !ok {
			return dialect.Refuse(dialect.PartPlace(m, p), "invalid_image_format", "The image's media type '%s' is not supported by this model's provider. Supported are image/jpeg, image/png, image/gif and image/webp.", p.MediaType)
		}
		w.media("image", format, "", p.Data)
		return nil
	case dialect.Document:
		if p.URL != "" {
			return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "Documents that are given by a URL are not supported by this model's provider; give the document as data.")
		}
		format, ok := documentFormats[p.MediaType]
		if !ok {
			return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "The document's media type '%s' is not supported by this model's provider.", p.MediaType)
		}
		w.documents++
		w.media("document", format, documentName(p.Name, w.documents), p.Data)
		return nil
	case dialect.Audio:
		format, ok := strings.CutPrefix(p.MediaType, "audio/")
		if !ok {
			return w.unsupported(m, p)
		}
		if other := audioFormats[format]; other != "" {
			format = other
		}
		w.media("audio", format, "", p.Data)
		return nil
	}
	return w.unsupported(m, p)
}

func (w *sender) unsupported(m *dialect.Message, p *dialect.Part) *dialect.Error {
	return dialect.Refuse(dialect.PartPlace(m, p), "unsupported_value", "Content of this type is not supported by this model's provider.")
}

func (w *sender) media(kind, format, name, data string) {
	w.lit(`{"` + kind + `":{"format":`)
	w.str(format)
	if name != "" {
		w.lit(`,"name":`)
		w.str(name)
	}
	w.lit(`,"source":{"bytes":`)
	w.str(data)
	w.lit("}}}")
}

var (
	imageFormats = map[string]string{"image/jpeg": "jpeg", "image/jpg": "jpeg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}

	documentFormats = map[string]string{
		"application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
		"application/msword": "doc", "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
		"application/vnd.ms-excel": "xls", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
	}

	// audioFormats lists the media types that are not called as the API calls them.
	audioFormats = map[string]string{"x-wav": "wav", "wave": "wav", "mpeg": "mp3", "x-m4a": "m4a", "pcm16": "pcm", "L16": "pcm"}
)

// documentName makes a name that the API takes: letters, digits, single spaces, hyphens, parentheses and brackets, and no
// name twice.
func documentName(name string, n int) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '-' || r == '(' || r == ')' || r == '[' || r == ']' || r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), " "):
			b.WriteByte(' ')
		}
		if b.Len() >= 150 {
			break
		}
	}
	name = strings.TrimSpace(b.String())
	if name == "" {
		name = "document"
	}
	return name + " " + strconv.Itoa(n)
}

func place(message int, suffix string) string {
	return "messages[" + strconv.Itoa(message) + "]" + suffix
}

// appendID writes the id of a tool call. The API takes up to 64 letters, digits, "_" and "-"; other ids (a conversation
// may have begun elsewhere) are changed, the same way wherever they stand.
func appendID(dst []byte, id string) []byte {
	valid := func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
	}
	clean := 0 < len(id) && len(id) <= 64
	for i := 0; i < len(id) && clean; i++ {
		clean = valid(id[i])
	}
	dst = append(dst, '"')
	if clean {
		return append(append(dst, id...), '"')
	}
	for i := 0; i < len(id) && i < 40; i++ {
		if c := id[i]; valid(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '_')
		}
	}
	h := fnv.New64a() // keeps ids apart that differ only in what was changed
	h.Write([]byte(id))
	dst = strconv.AppendUint(append(dst, '_'), h.Sum64(), 36)
	return append(dst, '"')
}

// one reports whether tools must be called one at a time.
func (w *sender) one() bool { return w.r.Parallel != nil && !*w.r.Parallel && len(w.r.Tools) > 0 }

// tools writes the declared tools, or those that the conversation has called, and the choice among them.
func (w *sender) tools(forbidden bool) *dialect.Error {
	r := w.r
	some := false
	for _, name := range w.called {
		w.sep(&some, `,"toolConfig":{"tools":[`)
		w.lit(`{"toolSpec":{"name":`)
		w.str(name)
		w.lit(`,"inputSchema":{"json":{"type":"object"}}}}`)
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		w.sep(&some, `,"toolConfig":{"tools":[`)
		w.lit(`{"toolSpec":{"name":`)
		w.str(t.Name)
		if t.Description != "" {
			w.lit(`,"description":`)
			w.str(t.Description)
		}
		w.lit(`,"inputSchema":{"json":`)
		var err *dialect.Error
		if w.dst, err = dialect.AppendSchema(w.dst, t); err != nil {
			return err
		}
		w.lit("}")
		if t.Strict != nil && *t.Strict && w.quirk.structured {
			w.lit(`,"strict":true`)
		}
		w.lit("}}")
		if w.quirk.cacheTools {
			w.cache(t.Cache)
		}
	}
	if !some {
		return nil // results without calls, which messages has refused
	}
	w.lit("]")
	switch {
	case forbidden || w.one(): // see additional
	case r.ToolChoice.Mode == "auto":
		w.lit(`,"toolChoice":{"auto":{}}`)
	case r.ToolChoice.Mode == "required":
		w.lit(`,"toolChoice":{"any":{}}`)
	case r.ToolChoice.Mode == "tool":
		w.lit(`,"toolChoice":{"tool":{"name":`)
		w.str(r.ToolChoice.Name)
		w.lit("}}")
	}
	w.lit("}")
	return nil
}

// thinking returns the members of additionalModelRequestFields for the thinking that the caller asked for, and the
// effort for output_config. It raises the output limit where there was none.
func (w *sender) thinking() (member, effort string) {
	r := w.r
	if r.Reasoning == "" || r.Reasoning == "none" {
		return "", ""
	}
	forced := r.ToolChoice.Mode == "required" || r.ToolChoice.Mode == "tool" // Claude's thinking allows auto and none alone
	switch w.quirk.thinking {
	case thinkingAdaptive:
		effort = effortOf(r.Reasoning, "max")
		if forced {
			return "", effort
		}
		return `"thinking":{"type":"adaptive"}`, effort
	case thinkingBudget:
		n := budget(r.Reasoning)
		if r.ThinkingBudget != nil {
			n = *r.ThinkingBudget
		}
		switch {
		case forced || w.unthoughtCalls():
			return "", ""
		case w.max == 0:
			n = max(n, 1024)
			w.max = n + answerTokens
		case r.ThinkingBudget == nil:
			n = max(min(n, w.max/2), 1024) // half of the limit is left for the answer
		}
		if n >= w.max {
			return "", ""
		}
		return `"thinking":{"type":"enabled","budget_tokens":` + strconv.FormatInt(n, 10) + "}", ""
	case thinkingNova:
		return `"reasoningConfig":{"type":"enabled","maxReasoningEffort":"` + effortOf(r.Reasoning, "high") + `"}`, ""
	case thinkingEffort:
		return `"reasoning_effort":"` + effortOf(r.Reasoning, "high") + `"`, ""
	}
	return "", ""
}

// unthoughtCalls reports whether the last assistant turn calls tools without a block of thinking before them. With a
// thinking budget Claude refuses to go on from there.
func (w *sender) unthoughtCalls() bool {
	for i := len(w.r.Messages) - 1; i >= 0; i-- {
		m := &w.r.Messages[i]
		if m.Role != dialect.Assistant {
			continue
		}
		for j := range m.Parts {
			switch p := &m.Parts[j]; p.Kind {
			case dialect.Thinking, dialect.RedactedThinking:
				if !w.foreign(p) {
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

// inference writes the API's own parameters. While Claude thinks, its sampling is fixed.
func (w *sender) inference(thinks bool) *dialect.Error {
	r := w.r
	some := false
	const begin = `,"inferenceConfig":{`
	if w.max > 0 {
		w.sep(&some, begin)
		w.lit(`"maxTokens":`)
		w.int(w.max)
	}
	if !thinks || !w.quirk.claude {
		if r.Temperature != nil {
			w.sep(&some, begin)
			w.lit(`"temperature":`)
			w.float(min(*r.Temperature, 1))
		}
		if r.TopP != nil {
			w.sep(&some, begin)
			w.lit(`"topP":`)
			w.float(*r.TopP)
		}
	}
	for i, s := range r.Stop {
		if w.quirk.claude && dialect.Blank(s) {
			return dialect.Refuse("stop", "unsupported_value", "A stop sequence of white space alone is not supported by this model's provider.")
		}
		if i == 0 {
			w.sep(&some, begin)
			w.lit(`"stopSequences":[`)
		} else {
			w.lit(",")
		}
		w.str(s)
	}
	if len(r.Stop) > 0 {
		w.lit("]")
	}
	if some {
		w.lit("}")
	}
	return nil
}

// additional writes additionalModelRequestFields: what the model's maker has and the API has not.
func (w *sender) additional(thinking, effort string, forbidden bool) {
	r := w.r
	some := false
	const begin = `,"additionalModelRequestFields":{`
	if thinking != "" {
		w.sep(&some, begin)
		w.lit(thinking)
	}
	if effort != "" {
		w.sep(&some, begin)
		w.lit(`"output_config":{"effort":`)
		w.str(effort)
		w.lit("}")
	}
	if r.TopK != nil && (thinking == "" || !w.quirk.claude) {
		switch w.quirk.topK {
		case topKPlain:
			w.sep(&some, begin)
			w.lit(`"top_k":`)
			w.int(*r.TopK)
		case topKShort:
			w.sep(&some, begin)
			w.lit(`"k":`)
			w.int(*r.TopK)
		case topKNova:
			w.sep(&some, begin)
			w.lit(`"inferenceConfig":{"topK":`)
			w.int(*r.TopK)
			w.lit("}")
		}
	}
	if w.one() && !forbidden && w.quirk.claude {
		w.sep(&some, begin)
		w.lit(`"tool_choice":{"type":`)
		switch r.ToolChoice.Mode {
		case "required":
			w.lit(`"any"`)
		case "tool":
			w.lit(`"tool","name":`)
			w.str(r.ToolChoice.Name)
		default:
			w.lit(`"auto"`)
		}
		w.lit(`,"disable_parallel_tool_use":true}`)
	}
	if some {
		w.lit("}")
	}
	if w.quirk.claude && len(r.Stop) > 0 {
		w.lit(`,"additionalModelResponseFieldPaths":["/stop_sequence"]`)
	}
}

// output writes the form of the answer. The API takes the schema as text.
func (w *sender) output() *dialect.Error {
	f := &w.r.Format
	switch {
	case f.Kind == "":
		return nil
	case f.Kind == "json_object":
		return dialect.Refuse("response_format", "unsupported_value", "'response_format' of type 'json_object' is not supported by this model's provider. Use 'json_schema'.")
	case !w.quirk.structured:
		return dialect.Refuse("response_format", "unsupported_value", "'response_format' of type 'json_schema' is not supported by this model.")
	case len(f.Schema) == 0:
		return dialect.Refuse("response_format.json_schema.schema", "missing_required_parameter", "Missing required parameter: 'response_format.json_schema.schema'.")
	}
	w.lit(`,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`)
	w.dst = jsonscan.AppendString(w.dst, f.Schema)
	if f.Name != "" {
		w.lit(`,"name":`)
		w.str(f.Name)
	}
	if f.Description != "" {
		w.lit(`,"description":`)
		w.str(f.Description)
	}
	w.lit("}}}}")
	return nil
}

// metadata writes the caller's labels into requestMetadata, as far as the API takes them: 16 of at most 256 letters,
// digits, spaces and some signs.
func (w *sender) metadata() {
	n := 0
	put := func(key, value string) {
		if n == 16 || key == "" || !label(key) || !label(value) {
			return
		}
		some := n > 0
		w.sep(&some, `,"requestMetadata":{`)
		w.str(key)
		w.lit(":")
		w.str(value)
		n++
	}
	user := w.r.User
	if isObject(bytes.TrimSpace(w.r.Metadata)) {
		c := jsonscan.Over(w.r.Metadata)
		var key, buf []byte
		for c.Enter(); c.More(); {
			key, buf = c.KeyText(buf)
			name := string(key)
			if name == "user" {
				user = ""
			}
			if value, _, ok := c.Text(nil); ok {
				put(name, string(value))
			}
		}
	}
	if user != "" {
		put("user", user)
	}
	if n > 0 {
		w.lit("}")
	}
}

func label(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') && !strings.ContainsRune(" :_@$#=/+,-.", rune(c)) {
			return false
		}
	}
	return len(s) <= 256
}
