package openaichat

import (
	"fmt"
	"math"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// DecodeRequest reads a request body of POST /v1/chat/completions. The request shares no memory with body. The error
// has status 400 and OpenAI's words: type invalid_request_error, a code, and the param at fault.
func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, invalid("", "invalid_json", "We could not parse the JSON body of your request: "+err.Error()+".")
	}
	d := decoder{Reader: fields.Over(body), r: &dialect.Request{}}
	if d.Kind() != '{' {
		return nil, invalid("", "invalid_json", "The request's body must be a JSON object.")
	}
	d.request()
	if f := d.Fault(); f != nil {
		return nil, openai.FaultError(f)
	}
	return d.r, nil
}

// decoder reads one request. In sentences of its own a "$" stands for the place.
type decoder struct {
	*fields.Reader
	r *dialect.Request
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
		stream                     *bool
		toolChoice                 []byte
		completion, old            *int64 // max_completion_tokens, max_tokens
		safety                     string
		messages, hasFormat, named bool
		logprobs                   *bool
		alternatives               *int64 // top_logprobs
	)
	for ok := d.Object(); ok && d.More(); {
		key := d.Key()
		switch string(key) {
		case "model":
			if d.Kind() != '"' {
				d.WrongTypeHere("a string")
			}
			d.String(&r.Model)
		case "messages":
			messages = true
			d.messages()
		case "tools":
			for ok := d.Array(); ok && d.More(); {
				d.tool()
			}
		case "tool_choice":
			toolChoice = d.Raw()
		case "parallel_tool_calls":
			d.Bool(&r.Parallel)
		case "max_completion_tokens":
			d.Int(&completion, 1)
		case "max_tokens":
			d.Int(&old, 1)
		case "temperature":
			d.Float(&r.Temperature, 0, 2)
		case "top_p":
			d.Float(&r.TopP, 0, 1)
		case "top_k":
			d.Int(&r.TopK, 1)
		case "stop":
			d.stop()
		case "stream":
			d.Bool(&stream)
		case "stream_options":
			d.streamOptions()
		case "user":
			d.String(&r.User)
		case "safety_identifier":
			d.String(&safety)
		case "reasoning_effort":
			d.Enum(&r.Reasoning, "none", "minimal", "low", "medium", "high", "xhigh", "max")
		case "response_format":
			hasFormat, named = d.format()
		case "n":
			d.Int(&r.Choices, 1)
		case "seed":
			d.Int(&r.Seed, math.MinInt64)
		case "frequency_penalty":
			d.Float(&r.FrequencyPenalty, -2, 2)
		case "presence_penalty":
			d.Float(&r.PresencePenalty, -2, 2)
		case "logprobs":
			d.Bool(&logprobs)
		case "top_logprobs":
			d.Int(&alternatives, 0)
		case "logit_bias":
			r.LogitBias = d.RawObject()
		case "metadata":
			r.Metadata = d.RawObject()
		case "service_tier":
			d.Word(&r.ServiceTier, "auto", "default", "flex", "priority", "scale")
		case "modalities":
			d.modalities()
		case "audio":
			d.voice()
		case "verbosity":
			d.Enum(&r.Verbosity, "low", "medium", "high")
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
	if r.MaxTokens = completion; completion == nil {
		r.MaxTokens = old
	}
	if safety != "" {
		r.User = safety
	}
	d.silence()
	wanted := logprobs != nil && *logprobs
	if wanted {
		if r.Logprobs = alternatives; alternatives == nil {
			r.Logprobs = new(int64)
		}
	}
	switch {
	case r.Model == "":
		d.Missing("model")
	case completion != nil && old != nil:
		d.FailIn("max_tokens", "invalid_parameter_combination", "Setting '$' and 'max_completion_tokens' at the same time is not supported.")
	case !messages:
		d.Missing("messages")
	case alternatives != nil && *alternatives > 0 && !wanted:
		d.FailIn("top_logprobs", "invalid_parameter_combination", "The '$' parameter is only allowed when 'logprobs' is enabled.")
	case alternatives != nil && *alternatives > maxAlternatives:
		d.FailIn("top_logprobs", "integer_above_max_value", "Invalid '$': integer above maximum value. Expected a value <= 20.")
	case hasFormat && !named:
		d.Missing("response_format.json_schema.name")
	}
	d.toolChoice(toolChoice)
}

// silence drops what asks for what happens anyway.
func (d *decoder) silence() {
	r := d.r
	if r.Choices != nil && *r.Choices == 1 {
		r.Choices = nil
	}
	for _, p := range []**float64{&r.FrequencyPenalty, &r.PresencePenalty} {
		if *p != nil && **p == 0 {
			*p = nil
		}
	}
	for _, o := range []*[]byte{&r.LogitBias, &r.Metadata} {
		if string(compact(*o)) == "{}" {
			*o = nil
		}
	}
	if r.ServiceTier == "auto" {
		r.ServiceTier = ""
	}
	if r.Verbosity == "medium" {
		r.Verbosity = ""
	}
}

// maxAlternatives bounds the alternatives of a token that can be asked for.
const maxAlternatives = 20

// modalities reads what the answer may be made of.
func (d *decoder) modalities() {
	for ok := d.Array(); ok && d.More(); {
		s := ""
		d.Enum(&s, "text", "audio", "image")
		d.r.Modalities = append(d.r.Modalities, s)
	}
	if len(d.r.Modalities) == 1 && d.r.Modalities[0] == "text" {
		d.r.Modalities = nil // which is what happens anyway
	}
}

// voice reads {"voice","format"} of the answer's audio. A voice may be an object with the id of one's own.
func (d *decoder) voice() {
	v := dialect.Voice{}
	some := d.Kind() == '{'
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "voice":
			if d.Kind() == '{' {
				d.r.Unsupported = append(d.r.Unsupported, d.Path().Indexed())
				d.Skip()
			} else {
				d.String(&v.Name)
			}
		case "format":
			d.Word(&v.Format, "wav", "aac", "mp3", "flac", "opus", "pcm16")
		default:
			d.Skip()
		}
	}
	if some {
		d.r.Voice = &v
	}
}

func (d *decoder) stop() {
	switch d.Kind() {
	case '"':
		var s string
		d.String(&s)
		d.r.Stop = []string{s}
	case '[', 'n', 0:
		for ok := d.Array(); ok && d.More(); {
			if d.Kind() != '"' {
				d.WrongTypeHere("a string")
			}
			var s string
			d.String(&s)
			d.r.Stop = append(d.r.Stop, s)
		}
	default:
		d.WrongTypeHere("a string or an array of strings")
	}
}

func (d *decoder) streamOptions() {
	for ok := d.Object(); ok && d.More(); {
		if name := d.Key(); string(name) != "include_usage" {
			if d.Raw() != nil {
				d.r.Unsupported = append(d.r.Unsupported, d.Path().Indexed())
			}
			continue
		}
		var b *bool
		d.Bool(&b)
		d.r.IncludeUsage = b != nil && *b
	}
}

// format reads response_format. schema tells that it wants one, named that the schema has a name.
func (d *decoder) format() (schema, named bool) {
	f := &d.r.Format
	var kind string
	var raw []byte
	some := d.Kind() == '{'
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "text", "json_object", "json_schema")
		case "json_schema":
			raw = d.Raw()
		default:
			d.Skip()
		}
	}
	switch {
	case kind == "" && some:
		d.Missing("type")
	case kind == "json_object":
		f.Kind = kind
	case kind == "json_schema" && raw == nil:
		d.Missing("json_schema")
	case kind == "json_schema":
		f.Kind = kind
		for ok := d.ObjectIn("json_schema", raw); ok && d.More(); {
			switch string(d.Key()) {
			case "name":
				d.String(&f.Name)
			case "description":
				d.String(&f.Description)
			case "strict":
				d.Bool(&f.Strict)
			case "schema":
				f.Schema = d.RawObject()
			default:
				d.Skip()
			}
		}
		return true, f.Name != ""
	}
	return false, false
}

// cache reads a cache_control object, an extension that Anthropic's clients use through this dialect as well.
func (d *decoder) cache() dialect.Cache {
	if d.Null() {
		return dialect.NoCache
	}
	mark, ttl := dialect.Cache5m, ""
	for ok := d.Object(); ok && d.More(); {
		if string(d.Key()) == "ttl" {
			d.Enum(&ttl, "5m", "1h")
		} else {
			d.Skip()
		}
	}
	if ttl == "1h" {
		mark = dialect.Cache1h
	}
	return mark
}

func (d *decoder) tool() {
	var (
		kind     string
		function []byte
		t        dialect.ToolDef
	)
	if d.Kind() != '{' {
		d.WrongTypeHere("an object")
	}
	for ok := d.Object(); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "function", "custom")
		case "function":
			function = d.Raw()
		case "cache_control":
			t.Cache = d.cache()
		default:
			d.Skip()
		}
	}
	switch {
	case kind == "":
		d.Missing("type")
	case kind == "custom":
		d.unsupported("custom")
		return
	case function == nil:
		d.Missing("function")
	}
	for ok := d.ObjectIn("function", function); ok && d.More(); {
		switch string(d.Key()) {
		case "name":
			d.String(&t.Name)
		case "description":
			d.String(&t.Description)
		case "parameters":
			t.Parameters = d.RawObject()
		case "strict":
			d.Bool(&t.Strict)
		case "cache_control":
			t.Cache = d.cache()
		default:
			d.Skip()
		}
	}
	if t.Name == "" {
		d.Missing("function.name")
	}
	d.r.Tools = append(d.r.Tools, t)
}

func (d *decoder) toolChoice(raw []byte) {
	if raw == nil {
		return
	}
	choice := &d.r.ToolChoice
	if raw[0] == '"' {
		switch mode := d.Text("tool_choice", raw); {
		case mode == "required" && len(d.r.Tools) == 0 && len(d.r.Unsupported) == 0:
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
	var kind string
	var function, allowed []byte
	for ok := d.ObjectIn("tool_choice", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "type":
			d.Enum(&kind, "function", "allowed_tools", "custom")
		case "function":
			function = d.Raw()
		case "allowed_tools":
			allowed = d.Raw()
		default:
			d.Skip()
		}
	}
	switch kind {
	case "":
		d.Missing("tool_choice.type")
	case "custom":
		d.unsupported("tool_choice.custom")
	case "function":
		choice.Mode = "tool"
		choice.Name = d.functionName("tool_choice.function", function)
		for i := range d.r.Tools {
			if d.r.Tools[i].Name == choice.Name {
				return
			}
		}
		d.undeclared("tool_choice.function.name", choice.Name)
	case "allowed_tools":
		d.allowed(allowed)
	}
}

// allowed reads allowed_tools, which narrows the tools without changing the prompt's prefix, for the sake of OpenAI's
// cache. A target without it gets only the allowed ones.
func (d *decoder) allowed(raw []byte) {
	declared := make(map[string]bool, len(d.r.Tools)) // true: allowed
	for i := range d.r.Tools {
		declared[d.r.Tools[i].Name] = false
	}
	var mode string
	if raw == nil {
		d.Missing("tool_choice.allowed_tools")
	}
	for ok := d.ObjectIn("tool_choice.allowed_tools", raw); ok && d.More(); {
		switch string(d.Key()) {
		case "mode":
			d.Enum(&mode, "auto", "required")
		case "tools":
			for ok := d.Array(); ok && d.More(); {
				var function []byte
				if d.Kind() != '{' {
					d.WrongTypeHere("an object")
				}
				for ok := d.Object(); ok && d.More(); {
					if string(d.Key()) == "function" {
						function = d.Raw()
					} else {
						d.Skip()
					}
				}
				name := d.functionName("function", function)
				if _, known := declared[name]; !known {
					d.undeclared("function.name", name)
				}
				declared[name] = true
			}
		default:
			d.Skip()
		}
	}
	if mode == "" {
		d.Missing("tool_choice.allowed_tools.mode")
	}
	d.r.ToolChoice.Mode = mode
	kept := d.r.Tools[:0]
	for _, t := range d.r.Tools {
		if declared[t.Name] {
			kept = append(kept, t)
		}
	}
	d.r.Tools = kept
}

// functionName reads {"name"} of an object whose members have all been read.
func (d *decoder) functionName(at string, raw []byte) (name string) {
	if raw == nil {
		d.Missing(at)
	}
	for ok := d.ObjectIn(at, raw); ok && d.More(); {
		if string(d.Key()) == "name" {
			d.String(&name)
		} else {
			d.Skip()
		}
	}
	if name == "" {
		d.Missing(at + ".name")
	}
	return name
}

func (d *decoder) undeclared(at, name string) {
	d.FailIn(at, "invalid_value", fmt.Sprintf("Tool choice '%s' not found in 'tools' parameter.", strings.ReplaceAll(name, "$", "_")))
}
