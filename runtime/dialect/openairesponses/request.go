package openairesponses

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// DecodeRequest reads a request body of POST /v1/responses. The request shares no memory with body. The error has
// status 400 and OpenAI's words: type invalid_request_error, a code, and the param at fault.
func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, openai.Invalid("", "invalid_json", "We could not parse the JSON body of your request: "+err.Error()+".")
	}
	d := decoder{Reader: fields.Over(body), r: &dialect.Request{IncludeUsage: true}}
	if d.Kind() != '{' {
		return nil, openai.Invalid("", "invalid_json", "The request's body must be a JSON object.")
	}
	d.request()
	if f := d.Fault(); f != nil {
		return nil, openai.FaultError(f)
	}
	d.r.Echo = d.echo.append(nil, d.r)
	return d.r, nil
}

// decoder reads one request. In sentences of its own a "$" stands for the place.
type decoder struct {
	*fields.Reader
	r      *dialect.Request
	echo   echo
	hosted bool // a tool that is no function was declared
}

// unsupported notes what has no place in the neutral model: a field, by its name, of an object whose members have all
// been read.
func (d *decoder) unsupported(name string) {
	d.r.Unsupported = append(d.r.Unsupported, d.In(name).Indexed())
}

// plain makes a name fit for a path: a dot would make it look like one.
func plain(name []byte) string { return strings.ReplaceAll(string(name), ".", "_") }

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

func (d *decoder) request() {
	r := d.r
	var (
		stream                *bool
		toolChoice, input     []byte
		instructions, safety  string
		top                   *int64
		wantsLogprobs, hasAny bool
	)
	for ok := d.Object(); ok && d.More(); {
		key := d.Key()
		switch string(key) {
		case "model":
			if d.Kind() != '"' {
				d.WrongTypeHere("a string")
			}
			d.String(&r.Model)
		case "input":
			hasAny = d.Kind() != 'n'
			input = d.RawOrNull()
		case "instructions":
			d.String(&instructions)
		case "tools":
			for ok := d.Array(); ok && d.More(); {
				d.tool()
			}
		case "tool_choice":
			toolChoice = d.Raw()
		case "parallel_tool_calls":
			d.Bool(&r.Parallel)
		case "max_output_tokens":
			d.Int(&r.MaxTokens, 1)
		case "temperature":
			d.Float(&r.Temperature, 0, 2)
		case "top_p":
			d.Float(&r.TopP, 0, 1)
		case "top_logprobs":
			d.Int(&top, 0)
		case "include":
			wantsLogprobs = d.include() || wantsLogprobs
		case "stream":
			d.Bool(&stream)
		case "stream_options":
			for ok := d.Object(); ok && d.More(); {
				d.Key()
				if raw := d.Raw(); raw != nil && raw[0] != 'f' {
					r.Unsupported = append(r.Unsupported, d.Path().Indexed())
				}
			}
		case "text":
			d.text()
		case "reasoning":
			d.reasoning()
		case "metadata":
			if raw := d.RawObject(); len(raw) > 2 {
				r.Metadata = raw
			}
		case "user":
			d.String(&r.User)
		case "safety_identifier":
			d.String(&safety)
		case "service_tier":
			d.Enum(&r.ServiceTier, "auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
		default:
			name := string(key)
			if says(name, d.RawOrNull()) {
				r.Unsupported = append(r.Unsupported, plain([]byte(name)))
			}
		}
	}
	if stream != nil {
		r.Stream = *stream
	}
	if safety != "" {
		r.User = safety
	}
	if instructions != "" {
		d.echo.instructions = instructions
		r.System = append(r.System, dialect.Part{Kind: dialect.Text, Text: instructions, At: -1})
	}
	switch {
	case top != nil && (*top > 0 || wantsLogprobs):
		r.Logprobs = top
	case wantsLogprobs:
		r.Logprobs = new(int64)
	}
	switch {
	case r.Model == "":
		d.Missing("model")
	case !hasAny && !d.noted("previous_response_id", "conversation", "prompt"):
		d.Missing("input")
	default:
		d.input(input)
	}
	d.toolChoice(toolChoice)
}

// noted reports whether one of these fields was asked for and has no place in the neutral model.
func (d *decoder) noted(names ...string) bool {
	for _, name := range names {
		if slices.Contains(d.r.Unsupported, name) {
			return true
		}
	}
	return false
}

// include reads the list of what the caller wants beside the answer, and reports whether log probabilities are of it.
// Encrypted thinking always comes, and the rest belongs to tools that OpenAI runs itself.
func (d *decoder) include() (logprobs bool) {
	for ok := d.Array(); ok && d.More(); {
		if d.Kind() != '"' {
			d.WrongTypeHere("a string")
		}
		var s string
		d.Word(&s, "reasoning.encrypted_content", "message.output_text.logprobs")
		switch s {
		case "message.output_text.logprobs":
			logprobs = true
		case "reasoning.encrypted_content", "":
		default:
			d.r.Unsupported = append(d.r.Unsupported, "include")
		}
	}
	return logprobs
}

// text reads {"format","verbosity"}.
func (d *decoder) text() {
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "format":
			d.format()
		case "verbosity":
			d.Enum(&d.r.Verbosity, "low", "medium", "high")
		default:
			if d.Raw() != nil {
				d.r.Unsupported = append(d.r.Unsupported, d.Path().Indexed())
			}
		}
	}
}

func (d *decoder) format() {
	f := &d.r.Format
	var kind string
	some, schema := d.Kind() == '{', false
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "text", "json_object", "json_schema")
		case "name":
			d.String(&f.Name)
		case "description":
			d.String(&f.Description)
		case "schema":
			f.Schema = d.RawObject()
			schema = f.Schema != nil
		case "strict":
			d.Bool(&f.Strict)
		default:
			d.Skip()
		}
	}
	switch {
	case !some:
		return
	case kind == "":
		d.Missing("type")
	case kind == "json_schema" && f.Name == "":
		d.Missing("name")
	case kind == "json_schema" && !schema:
		d.Missing("schema")
	case kind == "json_schema":
		f.Kind = kind
		return
	}
	*f = dialect.Format{}
	if kind == "json_object" {
		f.Kind = kind
	}
}

// reasoning reads {"effort","summary","generate_summary"}.
func (d *decoder) reasoning() {
	var old string
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "effort":
			d.Enum(&d.r.Reasoning, "none", "minimal", "low", "medium", "high", "xhigh", "max")
		case "summary":
			d.Enum(&d.r.Summary, "auto", "concise", "detailed")
		case "generate_summary":
			d.Enum(&old, "auto", "concise", "detailed")
		default:
			if d.Raw() != nil {
				d.r.Unsupported = append(d.r.Unsupported, d.Path().Indexed())
			}
		}
	}
	if d.r.Summary == "" {
		d.r.Summary = old
	}
}

func (d *decoder) tool() {
	var (
		kind string
		t    dialect.ToolDef
	)
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Word(&kind, "function", "custom", "web_search", "file_search", "code_interpreter", "mcp", "image_generation")
		case "name":
			if d.Kind() == '"' {
				d.String(&t.Name)
			} else {
				d.Skip()
			}
		case "description":
			if d.Kind() == '"' {
				d.String(&t.Description)
			} else {
				d.Skip()
			}
		case "parameters":
			t.Parameters = d.RawObject()
		case "strict":
			d.Bool(&t.Strict)
		default:
			d.Skip()
		}
	}
	switch kind {
	case "":
		d.Missing("type")
	case "function":
		if t.Name == "" {
			d.Missing("name")
		}
		d.r.Tools = append(d.r.Tools, t)
	case "custom":
		d.hosted = true
		d.unsupported("custom")
	default:
		// Tools that OpenAI runs itself, and those whose form only its models know. New ones come often.
		d.hosted = true
		d.unsupported("server_tools")
	}
}

func (d *decoder) toolChoice(raw []byte) {
	if raw == nil {
		return
	}
	choice := &d.r.ToolChoice
	if raw[0] == '"' {
		switch mode := d.Text("tool_choice", raw); {
		case mode == "required" && len(d.r.Tools) == 0 && !d.hosted:
			d.FailIn("tool_choice", "invalid_value", "Invalid value for '$': '$' is only allowed when 'tools' are specified.")
		case mode == "auto", mode == "none", mode == "required":
			choice.Mode = mode
		default:
			d.WrongValueIn("tool_choice", mode, "none", "auto", "required")
		}
		return
	}
	if raw[0] != '{' {
		d.WrongType("tool_choice", raw, "a string or an object")
		return
	}
	var kind, mode, name string
	var allowed []byte
	for ok := d.ObjectIn("tool_choice", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Word(&kind, "function", "allowed_tools", "custom")
		case "name":
			d.String(&name)
		case "mode":
			d.Enum(&mode, "auto", "required")
		case "tools":
			allowed = d.Raw()
		default:
			d.Skip()
		}
	}
	switch kind {
	case "":
		d.Missing("tool_choice.type")
	case "function":
		if name == "" {
			d.Missing("tool_choice.name")
		}
		choice.Mode, choice.Name = "tool", name
		for i := range d.r.Tools {
			if d.r.Tools[i].Name == name {
				return
			}
		}
		d.undeclared("tool_choice.name", name)
	case "allowed_tools":
		if mode == "" {
			d.Missing("tool_choice.mode")
		}
		choice.Mode = mode
		d.allowed(allowed)
	case "custom":
		d.unsupported("tool_choice.custom")
	default:
		d.unsupported("tool_choice.server_tools")
	}
}

// allowed reads the tools of allowed_tools, which narrow those that are declared without changing the prompt's prefix,
// for the sake of OpenAI's cache. A target without it gets only the allowed ones.
func (d *decoder) allowed(raw []byte) {
	declared := make(map[string]bool, len(d.r.Tools)) // true: allowed
	for i := range d.r.Tools {
		declared[d.r.Tools[i].Name] = false
	}
	if raw == nil {
		d.Missing("tool_choice.tools")
	}
	for ok := d.ArrayIn("tool_choice.tools", raw); ok && d.More(); {
		var kind, name string
		if d.Kind() != '{' {
			d.WrongTypeHere("an object")
		}
		for ok := d.Object(); ok && d.More(); {
			switch string(d.Key()) {
			case "type":
				d.Word(&kind, "function")
			case "name":
				d.String(&name)
			default:
				d.Skip()
			}
		}
		if kind != "function" {
			d.unsupported("server_tools")
			continue
		}
		if name == "" {
			d.Missing("name")
		}
		if _, known := declared[name]; !known {
			d.undeclared("name", name)
		}
		declared[name] = true
	}
	kept := d.r.Tools[:0]
	for _, t := range d.r.Tools {
		if declared[t.Name] {
			kept = append(kept, t)
		}
	}
	d.r.Tools = kept
}

func (d *decoder) undeclared(at, name string) {
	d.FailIn(at, "invalid_value", fmt.Sprintf("Tool choice '%s' not found in 'tools' parameter.", strings.ReplaceAll(name, "$", "_")))
}
