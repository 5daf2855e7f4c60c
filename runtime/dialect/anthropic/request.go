package anthropic

import (
	"net/http"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DecodeRequest reads a request body of POST /v1/messages. The request shares no memory with body. The error has
// status 400 and the API's words: type invalid_request_error, and the place in the message.
func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error) { return decodeRequest(body, false) }

func decodeRequest(body []byte, count bool) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: "The request body is not valid JSON: " + err.Error()}
	}
	d := decoding{Reader: fields.Over(body), r: &dialect.Request{IncludeUsage: true}, count: count}
	if d.Kind() != '{' {
		return nil, &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: "The request body must be a JSON object."}
	}
	d.request()
	if f := d.Fault(); f != nil {
		return nil, sentence(f)
	}
	return d.r, nil
}

// sentence says a fault in the API's words.
func sentence(f *fields.Fault) *dialect.Error {
	e := &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: f.Path.Dotted()}
	switch f.Kind {
	case fields.Missing:
		e.Message = "Field required"
	case fields.Type:
		e.Message = "Input should be " + f.Want + ", not " + f.Got
	case fields.Value:
		e.Message = "Input should be " + f.Want + ", not " + f.Got
	case fields.Below, fields.Range:
		e.Message = "Input should be " + f.Want + ", not " + f.Got
	default:
		e.Message = f.Want
	}
	return e
}

// decoding reads one request.
type decoding struct {
	*fields.Reader
	r     *dialect.Request
	count bool // of count_tokens, which takes no limit
}

// noPlace lists the top-level fields of the API that the neutral model has no place for. Whether a target can do
// without them stands in its loss table.
var noPlace = map[string]bool{
	"container": true, "context_management": true, "inference_geo": true, "mcp_servers": true, "service_tier": true, "speed": true,
}

func (d *decoding) unsupported(feature string) {
	d.r.Unsupported = append(d.r.Unsupported, d.In(feature).Dotted())
}

func (d *decoding) request() {
	r := d.r
	var (
		stream                   *bool
		messages                 bool
		thinking, choice, output []byte
		mark                     dialect.Cache
	)
	for ok := d.Object(); ok && d.More(); {
		key := d.Key()
		switch string(key) {
		case "model":
			d.String(&r.Model)
		case "max_tokens":
			d.Int(&r.MaxTokens, 1)
		case "messages":
			messages = true
			for ok := d.Array(); ok && d.More(); {
				d.message()
			}
		case "system":
			if d.Kind() == '"' {
				var s string
				d.String(&s)
				r.System = append(r.System, dialect.Part{Kind: dialect.Text, Text: s, At: -1})
				break
			}
			for ok := d.Array(); ok && d.More(); {
				p, ok := d.block(inSystem)
				if ok {
					r.System = append(r.System, p)
				}
			}
		case "stream":
			d.Bool(&stream)
		case "temperature":
			d.Float(&r.Temperature, 0, 1)
		case "top_p":
			d.Float(&r.TopP, 0, 1)
		case "top_k":
			d.Int(&r.TopK, 0)
		case "stop_sequences":
			for ok := d.Array(); ok && d.More(); {
				var s string
				d.String(&s)
				r.Stop = append(r.Stop, s)
			}
		case "metadata":
			for ok := d.Object(); ok && d.More(); {
				if string(d.Key()) == "user_id" {
					d.String(&r.User)
				} else {
					d.Skip()
				}
			}
		case "tools":
			for ok := d.Array(); ok && d.More(); {
				d.tool()
			}
		case "tool_choice":
			choice = d.Raw()
		case "thinking":
			thinking = d.Raw()
		case "output_config":
			output = d.Raw()
		case "cache_control":
			// The API puts the mark at the last block by itself.
			mark = d.cache()
		default:
			name := string(key)
			if raw := d.Raw(); raw != nil && (noPlace[name] || !silent(raw)) {
				d.r.Unsupported = append(d.r.Unsupported, name)
			}
		}
	}
	if stream != nil {
		r.Stream = *stream
	}
	switch {
	case r.Model == "":
		d.Missing("model")
	case !messages:
		d.Missing("messages")
	case r.MaxTokens == nil && !d.count:
		d.Missing("max_tokens")
	case len(r.Messages) == 0:
		d.FailIn("messages", "", "at least one message is required")
	}
	if n := len(r.Messages); mark != dialect.NoCache && n > 0 {
		if parts := r.Messages[n-1].Parts; len(parts) > 0 && parts[len(parts)-1].Cache == dialect.NoCache {
			parts[len(parts)-1].Cache = mark
		}
	}
	d.choice(choice)
	d.thinking(thinking)
	d.output(output)
}

// silent reports whether a value of an unknown field says nothing.
func silent(raw []byte) bool {
	switch string(raw) {
	case "false", "[]", "{}", `""`, "0":
		return true
	}
	return false
}

func (d *decoding) message() {
	m := dialect.Message{At: d.Index()}
	var role string
	var content []byte
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "role":
			d.Enum(&role, "user", "assistant")
		case "content":
			content = d.Raw()
		default:
			d.Skip()
		}
	}
	switch {
	case role == "":
		d.Missing("role")
	case content == nil:
		d.Missing("content")
	case role == "assistant":
		m.Role = dialect.Assistant
	}
	switch {
	case len(content) > 0 && content[0] == '"':
		m.Parts = []dialect.Part{{Kind: dialect.Text, Text: d.Text("content", content), At: -1}}
	default:
		where := inUser
		if m.Role == dialect.Assistant {
			where = inAssistant
		}
		for ok := d.ArrayIn("content", content); ok && d.More(); {
			if p, ok := d.block(where); ok {
				m.Parts = append(m.Parts, p)
			}
		}
	}
	d.r.Messages = append(d.r.Messages, m)
}

// holder says what a content block stands in, and so which ones may stand there.
type holder uint8

const (
	inSystem holder = iota
	inUser
	inAssistant
	inResult
)

// block reads the content block that comes next. ok is false for one that has no place in the neutral model.
func (d *decoding) block(where holder) (p dialect.Part, ok bool) {
	p.At = d.Index()
	var (
		kind, text, id, name, thinking, signature, data string
		isError                                         *bool
		source, input, content                          []byte
		hasText, hasInput, cited                        bool
	)
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Word(&kind, "text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking")
		case "text":
			hasText = true
			d.String(&text)
		case "source":
			source = d.Raw()
		case "title":
			d.String(&p.Name)
		case "id", "tool_use_id":
			d.String(&id)
		case "name":
			d.String(&name)
		case "input":
			hasInput = true
			input = d.RawObject()
		case "content":
			content = d.Raw()
		case "is_error":
			d.Bool(&isError)
		case "thinking":
			d.String(&thinking)
		case "signature":
			d.String(&signature)
		case "data":
			d.String(&data)
		case "cache_control":
			p.Cache = d.cache()
		case "citations":
			// In a request's document a switch, in an answer's text a list: both are marks upon text.
			if raw := d.Raw(); raw != nil && !silent(raw) {
				cited = true
			}
		default:
			d.Skip()
		}
	}
	if cited && where == inUser {
		d.unsupported("citations")
	}
	allowed := func(holders ...holder) bool {
		for _, h := range holders {
			if h == where {
				return true
			}
		}
		return false
	}
	switch kind {
	case "":
		d.Missing("type")
	case "text":
		if !hasText {
			d.Missing("text")
		}
		p.Kind, p.Text = dialect.Text, text
		return p, true
	case "image":
		if allowed(inUser, inResult) {
			p.Kind = dialect.Image
			return p, d.source(&p, source)
		}
	case "document":
		if allowed(inUser, inResult) {
			p.Kind = dialect.Document
			return p, d.source(&p, source)
		}
	case "tool_use":
		if allowed(inAssistant) {
			switch {
			case id == "":
				d.Missing("id")
			case name == "":
				d.Missing("name")
			case !hasInput:
				d.Missing("input")
			}
			p.Kind, p.ID, p.Name, p.Arguments = dialect.ToolCall, id, name, string(input)
			if input == nil {
				p.Arguments = "{}"
			}
			return p, true
		}
	case "tool_result":
		if allowed(inUser) {
			if id == "" {
				d.Missing("tool_use_id")
			}
			p.Kind, p.ID, p.IsError = dialect.ToolResult, id, isError != nil && *isError
			if len(content) > 0 && content[0] == '"' {
				p.Content = []dialect.Part{{Kind: dialect.Text, Text: d.Text("content", content), At: -1}}
				return p, true
			}
			for ok := d.ArrayIn("content", content); ok && d.More(); {
				if inner, ok := d.block(inResult); ok {
					p.Content = append(p.Content, inner)
				}
			}
			return p, true
		}
	case "thinking":
		if allowed(inAssistant) {
			p.Kind, p.Text = dialect.Thinking, thinking
			p.SignedBy, p.Signature = dialect.Unseal(dialect.SignerAnthropic, signature)
			return p, true
		}
	case "redacted_thinking":
		if allowed(inAssistant) {
			p.Kind = dialect.RedactedThinking
			p.SignedBy, p.Data = dialect.Unseal(dialect.SignerAnthropic, data)
			return p, true
		}
	case "search_result":
		if allowed(inUser, inResult) {
			d.unsupported("search_result")
			return p, false
		}
	case "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result", "bash_code_execution_tool_result",
		"text_editor_code_execution_tool_result", "tool_search_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload", "compaction":
		d.unsupported("server_tools")
		return p, false
	}
	d.FailIn("type", "", "Input tag '"+short(kind)+"' is not expected here")
	return p, false
}

func short(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// source reads where an image or document comes from.
func (d *decoding) source(p *dialect.Part, raw []byte) bool {
	if raw == nil {
		d.Missing("source")
		return false
	}
	var kind, media, data, url string
	for ok := d.ObjectIn("source", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.String(&kind)
		case "media_type":
			d.String(&media)
		case "data":
			d.String(&data)
		case "url":
			d.String(&url)
		default:
			d.Skip()
		}
	}
	switch kind {
	case "":
		d.Missing("source.type")
	case "base64":
		switch {
		case media == "":
			d.Missing("source.media_type")
		case data == "":
			d.Missing("source.data")
		}
		p.MediaType, p.Data = media, data
		return true
	case "url":
		if url == "" {
			d.Missing("source.url")
		}
		p.URL = url
		return true
	case "text":
		if p.Kind == dialect.Document {
			p.Kind, p.Text = dialect.Text, data // a text is a text; its title stays behind
			return true
		}
	case "content":
		if p.Kind == dialect.Document {
			d.unsupported("search_result")
			return false
		}
	case "file":
		d.unsupported("file")
		return false
	}
	d.FailIn("source.type", "", "Input tag '"+short(kind)+"' is not expected here")
	return false
}

// cache reads a cache_control object.
func (d *decoding) cache() dialect.Cache {
	if d.Null() {
		return dialect.NoCache
	}
	kind, ttl := "", "5m"
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "ephemeral")
		case "ttl":
			d.Enum(&ttl, "5m", "1h")
		default:
			d.Skip()
		}
	}
	if kind == "" {
		d.Missing("type")
	}
	return dialect.Cache(ttl)
}

func (d *decoding) tool() {
	var t dialect.ToolDef
	var kind string
	var schema bool
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.String(&kind)
		case "name":
			d.String(&t.Name)
		case "description":
			d.String(&t.Description)
		case "input_schema":
			schema = true
			t.Parameters = d.RawObject()
		case "strict":
			d.Bool(&t.Strict)
		case "cache_control":
			t.Cache = d.cache()
		default:
			d.Skip()
		}
	}
	switch {
	case kind != "" && kind != "custom":
		d.unsupported("server_tools") // tools with a schema of the provider's own, such as web_search_20250305
		return
	case t.Name == "":
		d.Missing("name")
	case !schema:
		d.Missing("input_schema")
	}
	d.r.Tools = append(d.r.Tools, t)
}

func (d *decoding) choice(raw []byte) {
	if raw == nil {
		return
	}
	var kind, name string
	var single *bool
	for ok := d.ObjectIn("tool_choice", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "auto", "any", "tool", "none")
		case "name":
			d.String(&name)
		case "disable_parallel_tool_use":
			d.Bool(&single)
		default:
			d.Skip()
		}
	}
	c := &d.r.ToolChoice
	switch kind {
	case "":
		d.Missing("tool_choice.type")
	case "any":
		c.Mode = "required"
	case "tool":
		if name == "" {
			d.Missing("tool_choice.name")
		}
		found := len(d.r.Unsupported) > 0
		for i := range d.r.Tools {
			found = found || d.r.Tools[i].Name == name
		}
		if !found {
			d.FailIn("tool_choice.name", "", "Tool '"+short(name)+"' not found in provided tools")
		}
		c.Mode, c.Name = "tool", name
	default:
		c.Mode = kind
	}
	if single != nil && *single {
		d.r.Parallel = new(false)
	}
}

func (d *decoding) thinking(raw []byte) {
	if raw == nil {
		return
	}
	var kind string
	for ok := d.ObjectIn("thinking", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "enabled", "disabled", "adaptive")
		case "budget_tokens":
			d.Int(&d.r.ThinkingBudget, 1024)
		default:
			d.Skip()
		}
	}
	switch {
	case kind == "":
		d.Missing("thinking.type")
	case kind == "enabled" && d.r.ThinkingBudget == nil:
		d.Missing("thinking.budget_tokens")
	case kind == "enabled" && d.r.MaxTokens != nil && *d.r.ThinkingBudget >= *d.r.MaxTokens:
		d.FailIn("thinking.budget_tokens", "", "`max_tokens` must be greater than `thinking.budget_tokens`, which is "+strconv.FormatInt(*d.r.ThinkingBudget, 10))
	case kind == "enabled":
		d.r.Reasoning = effortOf(*d.r.ThinkingBudget)
	default:
		d.r.ThinkingBudget = nil
	}
}

// effortOf is the effort whose budget is nearest below a number of tokens; see [budget].
func effortOf(tokens int64) string {
	for _, effort := range [...]string{"xhigh", "high", "medium", "low"} {
		if tokens >= budget(effort) {
			return effort
		}
	}
	return "minimal"
}

func (d *decoding) output(raw []byte) {
	if raw == nil {
		return
	}
	r := d.r
	for ok := d.ObjectIn("output_config", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "effort":
			d.Enum(&r.Reasoning, "low", "medium", "high", "xhigh", "max")
		case "format":
			var kind string
			for ok := d.Object(); ok && d.More(); {
				switch string(d.Key()) {
				case "type":
					d.Enum(&kind, "json_schema")
				case "schema":
					r.Format.Schema = d.RawObject()
				default:
					d.Skip()
				}
			}
			switch {
			case kind == "":
				continue
			case r.Format.Schema == nil:
				d.Missing("schema")
			}
			r.Format.Kind, r.Format.Name, r.Format.Strict = kind, "output", new(true)
		default:
			d.Skip()
		}
	}
}
