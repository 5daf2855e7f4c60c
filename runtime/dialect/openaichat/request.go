package openaichat

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DecodeRequest reads a request body of POST /v1/chat/completions. The request shares no memory with body. The error
// has status 400 and OpenAI's words: type invalid_request_error, a code, and the param at fault.
func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error) {
	if err := jsonscan.Check(body); err != nil {
		return nil, syntaxError(err)
	}
	d := decoder{c: jsonscan.Over(body), r: &dialect.Request{}}
	if d.c.Kind() != '{' {
		return nil, invalid("", "invalid_json", "The request's body must be a JSON object.")
	}
	if err := d.request(); err != nil {
		return nil, err
	}
	return d.r, nil
}

// SyntaxError turns an error of package jsonscan into the 400 that a caller of this dialect gets.
func syntaxError(err error) *dialect.Error {
	var e *jsonscan.Error
	if errors.As(err, &e) && e.Param != "" {
		return invalid(e.Param, "invalid_type", "Invalid type for '"+e.Param+"': "+e.Reason+".")
	}
	return invalid("", "invalid_json", "We could not parse the JSON body of your request: "+err.Error()+".")
}

func invalid(param, code, message string) *dialect.Error {
	return &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

func (d *decoder) wrongType(suffix, want string, raw []byte) *dialect.Error {
	param := d.path(suffix)
	got := "nothing"
	if len(raw) > 0 {
		switch raw[0] {
		case '{':
			got = "an object"
		case '[':
			got = "an array"
		case '"':
			got = "a string"
		case 't', 'f':
			got = "a boolean"
		case 'n':
			got = "null"
		default:
			got = "a number"
		}
	}
	return invalid(param, "invalid_type", fmt.Sprintf("Invalid type for '%s': expected %s, but got %s instead.", param, want, got))
}

func (d *decoder) wrongValue(suffix, got string, want ...string) *dialect.Error {
	param := d.path(suffix)
	if len(got) > 64 {
		got = got[:64] + "…"
	}
	message := fmt.Sprintf("Invalid value for '%s': %q.", param, got)
	if len(want) > 0 {
		message += " Supported values are: '" + strings.Join(want, "', '") + "'."
	}
	return invalid(param, "invalid_value", message)
}

func (d *decoder) missing(suffix string) *dialect.Error {
	param := d.path(suffix)
	return invalid(param, "missing_required_parameter", "Missing required parameter: '"+param+"'.")
}

type decoder struct {
	c   jsonscan.Cursor
	r   *dialect.Request
	key []byte // for names with escape sequences
	buf []byte // for strings with escape sequences

	// steps[:n] is the list element that is being read, for errors; paths are only written where one is needed.
	steps [2]step
	n     int
}

type step struct {
	list  string
	index int
}

func (d *decoder) enter(list string, index int) {
	d.steps[d.n] = step{list, index}
	d.n++
}

func (d *decoder) leave() { d.n-- }

// path is the place of something in the request, such as messages[2].content[0].text. An error ends the decoding, so
// that nobody needs to leave what was entered on the way to it.
func (d *decoder) path(suffix string) string {
	if d.n == 0 {
		return suffix
	}
	var b []byte
	for _, s := range d.steps[:d.n] {
		b = append(b, s.list...)
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(s.index), 10)
		b = append(b, ']')
	}
	return string(append(b, suffix...))
}

// text copies a raw JSON string out of the body.
func (d *decoder) text(raw []byte) string {
	var s []byte
	s, d.buf = jsonscan.Unquote(raw, d.buf)
	return string(s)
}

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

func (d *decoder) unsupported(suffix string) {
	d.r.Unsupported = append(d.r.Unsupported, d.path(suffix))
}

func (d *decoder) request() *dialect.Error {
	r := d.r
	var (
		toolChoice, safety []byte
		messages           bool
		completion, old    bool // max_completion_tokens, max_tokens
		maxTokens          *int64
		err                *dialect.Error
	)
	for d.c.Enter(); d.c.More() && err == nil; {
		var key []byte
		key, d.key = d.c.KeyText(d.key)
		switch string(key) {
		case "model":
			raw := d.c.Skip()
			if raw[0] != '"' {
				return d.wrongType("model", "a string", raw)
			}
			r.Model = d.text(raw)
		case "messages":
			messages = true
			err = d.messages()
		case "tools":
			err = d.tools(d.c.Skip())
		case "tool_choice":
			toolChoice = d.c.Skip()
		case "parallel_tool_calls":
			r.Parallel, err = d.boolean("parallel_tool_calls", d.c.Skip())
		case "max_completion_tokens":
			if maxTokens, err = d.count("max_completion_tokens", d.c.Skip()); maxTokens != nil {
				completion, r.MaxTokens = true, maxTokens
			}
		case "max_tokens":
			if maxTokens, err = d.count("max_tokens", d.c.Skip()); maxTokens != nil {
				old, r.MaxTokens = true, maxTokens
			}
		case "temperature":
			r.Temperature, err = d.number("temperature", d.c.Skip(), 2)
		case "top_p":
			r.TopP, err = d.number("top_p", d.c.Skip(), 1)
		case "top_k":
			r.TopK, err = d.count("top_k", d.c.Skip())
		case "stop":
			err = d.stop(d.c.Skip())
		case "stream":
			var b *bool
			b, err = d.boolean("stream", d.c.Skip())
			r.Stream = b != nil && *b
		case "stream_options":
			err = d.streamOptions(d.c.Skip())
		case "user":
			err = d.string("user", d.c.Skip(), &r.User)
		case "safety_identifier":
			safety = d.c.Skip()
		case "reasoning_effort":
			if err = d.string("reasoning_effort", d.c.Skip(), &r.Reasoning); err == nil {
				switch r.Reasoning {
				case "", "none", "minimal", "low", "medium", "high", "xhigh", "max":
				default:
					err = d.wrongValue("reasoning_effort", r.Reasoning, "none", "minimal", "low", "medium", "high", "xhigh", "max")
				}
			}
		case "response_format":
			err = d.format(d.c.Skip())
		default:
			name := string(key)
			if says(name, d.c.Skip()) {
				// A dot would make the name look like a path.
				d.unsupported(strings.ReplaceAll(name, ".", "_"))
			}
		}
	}
	switch {
	case err != nil:
		return err
	case r.Model == "":
		return d.missing("model")
	case completion && old:
		return invalid("max_tokens", "invalid_parameter_combination", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case !messages:
		return d.missing("messages")
	}
	if !isNull(safety) {
		if err = d.string("safety_identifier", safety, &r.User); err != nil {
			return err
		}
	}
	return d.toolChoice(toolChoice)
}

func (d *decoder) string(suffix string, raw []byte, to *string) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '"' {
		return d.wrongType(suffix, "a string", raw)
	}
	*to = d.text(raw)
	return nil
}

func (d *decoder) boolean(suffix string, raw []byte) (*bool, *dialect.Error) {
	switch {
	case isNull(raw):
		return nil, nil
	case raw[0] == 't' || raw[0] == 'f':
		return new(raw[0] == 't'), nil
	}
	return nil, d.wrongType(suffix, "a boolean", raw)
}

// count reads a whole number of at least 1.
func (d *decoder) count(param string, raw []byte) (*int64, *dialect.Error) {
	if isNull(raw) {
		return nil, nil
	}
	n, ok := jsonscan.Int(raw)
	if !ok {
		return nil, d.wrongType(param, "an integer", raw)
	}
	if n < 1 {
		return nil, invalid(param, "integer_below_min_value", fmt.Sprintf("Invalid '%s': integer below minimum value. Expected a value >= 1, but got %d instead.", param, n))
	}
	return &n, nil
}

// number reads a number from 0 to max.
func (d *decoder) number(param string, raw []byte, max float64) (*float64, *dialect.Error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return nil, d.wrongType(param, "a number", raw)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f < 0 || f > max {
		return nil, invalid(param, "decimal_out_of_range", fmt.Sprintf("Invalid '%s': expected a value between 0 and %g.", param, max))
	}
	return &f, nil
}

func (d *decoder) stop(raw []byte) *dialect.Error {
	switch {
	case isNull(raw):
		return nil
	case raw[0] == '"':
		d.r.Stop = []string{d.text(raw)}
		return nil
	case raw[0] != '[':
		return d.wrongType("stop", "a string or an array of strings", raw)
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		s := c.Skip()
		if s[0] != '"' {
			d.enter("stop", len(d.r.Stop))
			return d.wrongType("", "a string", s)
		}
		d.r.Stop = append(d.r.Stop, d.text(s))
	}
	return nil
}

func (d *decoder) streamOptions(raw []byte) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '{' {
		return d.wrongType("stream_options", "an object", raw)
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var key []byte
		key, d.key = c.KeyText(d.key)
		if string(key) != "include_usage" {
			if name := string(key); !isNull(c.Skip()) {
				d.unsupported("stream_options." + name)
			}
			continue
		}
		b, err := d.boolean("stream_options.include_usage", c.Skip())
		if err != nil {
			return err
		}
		d.r.IncludeUsage = b != nil && *b
	}
	return nil
}

func (d *decoder) format(raw []byte) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '{' {
		return d.wrongType("response_format", "an object", raw)
	}
	f := &d.r.Format
	var schema []byte
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "type":
			if err := d.string("response_format.type", c.Skip(), &f.Kind); err != nil {
				return err
			}
		case "json_schema":
			schema = c.Skip()
		default:
			c.Skip()
		}
	}
	switch f.Kind {
	case "text":
		f.Kind = ""
		return nil
	case "json_object":
		return nil
	case "json_schema":
	case "":
		return d.missing("response_format.type")
	default:
		return d.wrongValue("response_format.type", f.Kind, "text", "json_object", "json_schema")
	}
	if isNull(schema) {
		return d.missing("response_format.json_schema")
	}
	if schema[0] != '{' {
		return d.wrongType("response_format.json_schema", "an object", schema)
	}
	c = jsonscan.Over(schema)
	for c.Enter(); c.More(); {
		var key []byte
		var err *dialect.Error
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "name":
			err = d.string("response_format.json_schema.name", c.Skip(), &f.Name)
		case "description":
			err = d.string("response_format.json_schema.description", c.Skip(), &f.Description)
		case "strict":
			f.Strict, err = d.boolean("response_format.json_schema.strict", c.Skip())
		case "schema":
			if s := c.Skip(); isNull(s) {
			} else if s[0] != '{' {
				err = d.wrongType("response_format.json_schema.schema", "an object", s)
			} else {
				f.Schema = append([]byte(nil), s...)
			}
		default:
			c.Skip()
		}
		if err != nil {
			return err
		}
	}
	if f.Name == "" {
		return d.missing("response_format.json_schema.name")
	}
	return nil
}

// cache reads a cache_control object, an extension that Anthropic's clients use through this dialect as well.
func (d *decoder) cache(suffix string, raw []byte) (dialect.Cache, *dialect.Error) {
	if isNull(raw) {
		return dialect.NoCache, nil
	}
	if raw[0] != '{' {
		return "", d.wrongType(suffix, "an object", raw)
	}
	mark := dialect.Cache5m
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		var key []byte
		key, d.key = c.KeyText(d.key)
		value := c.Skip()
		if string(key) != "ttl" || isNull(value) {
			continue
		}
		switch string(value) {
		case `"5m"`:
		case `"1h"`:
			mark = dialect.Cache1h
		default:
			return "", d.wrongValue(suffix+".ttl", string(value), "5m", "1h")
		}
	}
	return mark, nil
}

func (d *decoder) tools(raw []byte) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '[' {
		return d.wrongType("tools", "an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	for i := 0; c.More(); i++ {
		d.enter("tools", i)
		if err := d.tool(c.Skip()); err != nil {
			return err
		}
		d.leave()
	}
	return nil
}

func (d *decoder) tool(raw []byte) *dialect.Error {
	if raw[0] != '{' {
		return d.wrongType("", "an object", raw)
	}
	var (
		kind     string
		function []byte
		t        dialect.ToolDef
		err      *dialect.Error
	)
	c := jsonscan.Over(raw)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "type":
			err = d.string(".type", c.Skip(), &kind)
		case "function":
			function = c.Skip()
		case "cache_control":
			t.Cache, err = d.cache(".cache_control", c.Skip())
		default:
			c.Skip()
		}
	}
	switch {
	case err != nil:
		return err
	case kind == "":
		return d.missing(".type")
	case kind == "custom":
		d.unsupported(".custom")
		return nil
	case kind != "function":
		return d.wrongValue(".type", kind, "function", "custom")
	case isNull(function):
		return d.missing(".function")
	case function[0] != '{':
		return d.wrongType(".function", "an object", function)
	}
	c = jsonscan.Over(function)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "name":
			err = d.string(".function.name", c.Skip(), &t.Name)
		case "description":
			err = d.string(".function.description", c.Skip(), &t.Description)
		case "parameters":
			if p := c.Skip(); isNull(p) {
			} else if p[0] != '{' {
				err = d.wrongType(".function.parameters", "an object", p)
			} else {
				t.Parameters = append([]byte(nil), p...)
			}
		case "strict":
			t.Strict, err = d.boolean(".function.strict", c.Skip())
		case "cache_control":
			t.Cache, err = d.cache(".function.cache_control", c.Skip())
		default:
			c.Skip()
		}
	}
	if err == nil && t.Name == "" {
		err = d.missing(".function.name")
	}
	if err == nil {
		d.r.Tools = append(d.r.Tools, t)
	}
	return err
}

func (d *decoder) toolChoice(raw []byte) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	choice := &d.r.ToolChoice
	if raw[0] == '"' {
		choice.Mode = d.text(raw)
		switch choice.Mode {
		case "auto", "none":
		case "required":
			if len(d.r.Tools) == 0 && len(d.r.Unsupported) == 0 {
				return invalid("tool_choice", "invalid_value", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
			}
		default:
			return d.wrongValue("tool_choice", choice.Mode, "none", "auto", "required")
		}
		return nil
	}
	if raw[0] != '{' {
		return d.wrongType("tool_choice", "a string or an object", raw)
	}
	var (
		kind, mode        string
		function, allowed []byte
		err               *dialect.Error
	)
	c := jsonscan.Over(raw)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "type":
			err = d.string("tool_choice.type", c.Skip(), &kind)
		case "function":
			function = c.Skip()
		case "allowed_tools":
			allowed = c.Skip()
		default:
			c.Skip()
		}
	}
	if err != nil {
		return err
	}
	switch kind {
	case "function":
		choice.Mode = "tool"
		if choice.Name, err = d.functionName("tool_choice.function", function); err != nil {
			return err
		}
		for i := range d.r.Tools {
			if d.r.Tools[i].Name == choice.Name {
				return nil
			}
		}
		return d.undeclared("tool_choice.function.name", choice.Name)
	case "custom":
		d.unsupported("tool_choice.custom")
		return nil
	case "allowed_tools":
	case "":
		return d.missing("tool_choice.type")
	default:
		return d.wrongValue("tool_choice.type", kind, "function", "allowed_tools", "custom")
	}
	// allowed_tools narrows the tools without changing the prompt's prefix, for the sake of OpenAI's cache. A target
	// without it gets only the allowed ones.
	if isNull(allowed) || allowed[0] != '{' {
		return d.wrongType("tool_choice.allowed_tools", "an object", allowed)
	}
	declared := make(map[string]bool, len(d.r.Tools)) // true: allowed
	for i := range d.r.Tools {
		declared[d.r.Tools[i].Name] = false
	}
	c = jsonscan.Over(allowed)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "mode":
			err = d.string("tool_choice.allowed_tools.mode", c.Skip(), &mode)
		case "tools":
			list := c.Skip()
			if list[0] != '[' {
				return d.wrongType("tool_choice.allowed_tools.tools", "an array of objects", list)
			}
			l := jsonscan.Over(list)
			l.Enter()
			for i := 0; l.More(); i++ {
				d.enter("tool_choice.allowed_tools.tools", i)
				entry := l.Skip()
				if entry[0] != '{' {
					return d.wrongType("", "an object", entry)
				}
				var f []byte
				e := jsonscan.Over(entry)
				for e.Enter(); e.More(); {
					key, d.key = e.KeyText(d.key)
					if value := e.Skip(); string(key) == "function" {
						f = value
					}
				}
				name, err := d.functionName(".function", f)
				if err != nil {
					return err
				}
				if _, known := declared[name]; !known {
					return d.undeclared(".function.name", name)
				}
				d.leave()
				declared[name] = true
			}
		default:
			c.Skip()
		}
	}
	switch {
	case err != nil:
		return err
	case mode != "auto" && mode != "required":
		return d.wrongValue("tool_choice.allowed_tools.mode", mode, "auto", "required")
	}
	choice.Mode = mode
	kept := d.r.Tools[:0]
	for _, t := range d.r.Tools {
		if declared[t.Name] {
			kept = append(kept, t)
		}
	}
	d.r.Tools = kept
	return nil
}

func (d *decoder) functionName(suffix string, raw []byte) (name string, err *dialect.Error) {
	if isNull(raw) {
		return "", d.missing(suffix)
	}
	if raw[0] != '{' {
		return "", d.wrongType(suffix, "an object", raw)
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		if value := c.Skip(); string(key) == "name" {
			err = d.string(suffix+".name", value, &name)
		}
	}
	if err == nil && name == "" {
		err = d.missing(suffix + ".name")
	}
	return name, err
}

func (d *decoder) undeclared(suffix, name string) *dialect.Error {
	return invalid(d.path(suffix), "invalid_value", fmt.Sprintf("Tool choice '%s' not found in 'tools' parameter.", name))
}
