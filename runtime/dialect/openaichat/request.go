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

func wrongType(param, want string, raw []byte) *dialect.Error {
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

func wrongValue(param, got string, want ...string) *dialect.Error {
	if len(got) > 64 {
		got = got[:64] + "…"
	}
	message := fmt.Sprintf("Invalid value for '%s': %q.", param, got)
	if len(want) > 0 {
		message += " Supported values are: '" + strings.Join(want, "', '") + "'."
	}
	return invalid(param, "invalid_value", message)
}

func missing(param string) *dialect.Error {
	return invalid(param, "missing_required_parameter", "Missing required parameter: '"+param+"'.")
}

type decoder struct {
	c   jsonscan.Cursor
	r   *dialect.Request
	key []byte // for names with escape sequences
	buf []byte // for strings with escape sequences
}

// text copies a raw JSON string out of the body.
func (d *decoder) text(raw []byte) string {
	var s []byte
	s, d.buf = jsonscan.Unquote(raw, d.buf)
	return string(s)
}

func isNull(raw []byte) bool { return len(raw) == 0 || raw[0] == 'n' }

func (d *decoder) unsupported(path string) { d.r.Unsupported = append(d.r.Unsupported, path) }

func (d *decoder) request() *dialect.Error {
	r := d.r
	var (
		messages, toolChoice, safety []byte
		completion, old              bool // max_completion_tokens, max_tokens
		maxTokens                    *int64
		err                          *dialect.Error
	)
	for d.c.Enter(); d.c.More() && err == nil; {
		var key []byte
		key, d.key = d.c.KeyText(d.key)
		switch string(key) {
		case "model":
			raw := d.c.Skip()
			if raw[0] != '"' {
				return wrongType("model", "a string", raw)
			}
			r.Model = d.text(raw)
		case "messages":
			messages = d.c.Skip()
		case "tools":
			err = d.tools(d.c.Skip())
		case "tool_choice":
			toolChoice = d.c.Skip()
		case "parallel_tool_calls":
			r.Parallel, err = boolean("parallel_tool_calls", d.c.Skip())
		case "max_completion_tokens":
			if maxTokens, err = count("max_completion_tokens", d.c.Skip()); maxTokens != nil {
				completion, r.MaxTokens = true, maxTokens
			}
		case "max_tokens":
			if maxTokens, err = count("max_tokens", d.c.Skip()); maxTokens != nil {
				old, r.MaxTokens = true, maxTokens
			}
		case "temperature":
			r.Temperature, err = number("temperature", d.c.Skip(), 2)
		case "top_p":
			r.TopP, err = number("top_p", d.c.Skip(), 1)
		case "top_k":
			r.TopK, err = count("top_k", d.c.Skip())
		case "stop":
			err = d.stop(d.c.Skip())
		case "stream":
			var b *bool
			b, err = boolean("stream", d.c.Skip())
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
					err = wrongValue("reasoning_effort", r.Reasoning, "none", "minimal", "low", "medium", "high", "xhigh", "max")
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
		return missing("model")
	case completion && old:
		return invalid("max_tokens", "invalid_parameter_combination", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case messages == nil:
		return missing("messages")
	}
	if !isNull(safety) {
		if err = d.string("safety_identifier", safety, &r.User); err != nil {
			return err
		}
	}
	if err = d.messages(messages); err != nil {
		return err
	}
	return d.toolChoice(toolChoice)
}

func (d *decoder) string(param string, raw []byte, to *string) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '"' {
		return wrongType(param, "a string", raw)
	}
	*to = d.text(raw)
	return nil
}

func boolean(param string, raw []byte) (*bool, *dialect.Error) {
	switch {
	case isNull(raw):
		return nil, nil
	case raw[0] == 't' || raw[0] == 'f':
		return new(raw[0] == 't'), nil
	}
	return nil, wrongType(param, "a boolean", raw)
}

// count reads a whole number of at least 1.
func count(param string, raw []byte) (*int64, *dialect.Error) {
	if isNull(raw) {
		return nil, nil
	}
	n, ok := jsonscan.Int(raw)
	if !ok {
		return nil, wrongType(param, "an integer", raw)
	}
	if n < 1 {
		return nil, invalid(param, "integer_below_min_value", fmt.Sprintf("Invalid '%s': integer below minimum value. Expected a value >= 1, but got %d instead.", param, n))
	}
	return &n, nil
}

// number reads a number from 0 to max.
func number(param string, raw []byte, max float64) (*float64, *dialect.Error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return nil, wrongType(param, "a number", raw)
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
		return wrongType("stop", "a string or an array of strings", raw)
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		s := c.Skip()
		if s[0] != '"' {
			return wrongType(fmt.Sprintf("stop[%d]", len(d.r.Stop)), "a string", s)
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
		return wrongType("stream_options", "an object", raw)
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
		b, err := boolean("stream_options.include_usage", c.Skip())
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
		return wrongType("response_format", "an object", raw)
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
		return missing("response_format.type")
	default:
		return wrongValue("response_format.type", f.Kind, "text", "json_object", "json_schema")
	}
	if isNull(schema) {
		return missing("response_format.json_schema")
	}
	if schema[0] != '{' {
		return wrongType("response_format.json_schema", "an object", schema)
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
			f.Strict, err = boolean("response_format.json_schema.strict", c.Skip())
		case "schema":
			if s := c.Skip(); isNull(s) {
			} else if s[0] != '{' {
				err = wrongType("response_format.json_schema.schema", "an object", s)
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
		return missing("response_format.json_schema.name")
	}
	return nil
}

// cache reads a cache_control object, an extension that Anthropic's clients use through this dialect as well.
func (d *decoder) cache(param string, raw []byte) (dialect.Cache, *dialect.Error) {
	if isNull(raw) {
		return dialect.NoCache, nil
	}
	if raw[0] != '{' {
		return "", wrongType(param, "an object", raw)
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
			return "", wrongValue(param+".ttl", string(value), "5m", "1h")
		}
	}
	return mark, nil
}

func (d *decoder) tools(raw []byte) *dialect.Error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '[' {
		return wrongType("tools", "an array of objects", raw)
	}
	c := jsonscan.Over(raw)
	c.Enter()
	for i := 0; c.More(); i++ {
		if err := d.tool(i, c.Skip()); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) tool(i int, raw []byte) *dialect.Error {
	at := func(suffix string) string { return "tools[" + strconv.Itoa(i) + "]" + suffix }
	if raw[0] != '{' {
		return wrongType(at(""), "an object", raw)
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
			err = d.string(at(".type"), c.Skip(), &kind)
		case "function":
			function = c.Skip()
		case "cache_control":
			t.Cache, err = d.cache(at(".cache_control"), c.Skip())
		default:
			c.Skip()
		}
	}
	switch {
	case err != nil:
		return err
	case kind == "":
		return missing(at(".type"))
	case kind == "custom":
		d.unsupported(at(".custom"))
		return nil
	case kind != "function":
		return wrongValue(at(".type"), kind, "function", "custom")
	case isNull(function):
		return missing(at(".function"))
	case function[0] != '{':
		return wrongType(at(".function"), "an object", function)
	}
	c = jsonscan.Over(function)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		switch string(key) {
		case "name":
			err = d.string(at(".function.name"), c.Skip(), &t.Name)
		case "description":
			err = d.string(at(".function.description"), c.Skip(), &t.Description)
		case "parameters":
			if p := c.Skip(); isNull(p) {
			} else if p[0] != '{' {
				err = wrongType(at(".function.parameters"), "an object", p)
			} else {
				t.Parameters = append([]byte(nil), p...)
			}
		case "strict":
			t.Strict, err = boolean(at(".function.strict"), c.Skip())
		case "cache_control":
			t.Cache, err = d.cache(at(".function.cache_control"), c.Skip())
		default:
			c.Skip()
		}
	}
	if err == nil && t.Name == "" {
		err = missing(at(".function.name"))
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
			return wrongValue("tool_choice", choice.Mode, "none", "auto", "required")
		}
		return nil
	}
	if raw[0] != '{' {
		return wrongType("tool_choice", "a string or an object", raw)
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
		return d.declared("tool_choice.function.name", choice.Name)
	case "custom":
		d.unsupported("tool_choice.custom")
		return nil
	case "allowed_tools":
	case "":
		return missing("tool_choice.type")
	default:
		return wrongValue("tool_choice.type", kind, "function", "allowed_tools", "custom")
	}
	// allowed_tools narrows the tools without changing the prompt's prefix, for the sake of OpenAI's cache. A target
	// without it gets only the allowed ones.
	if isNull(allowed) || allowed[0] != '{' {
		return wrongType("tool_choice.allowed_tools", "an object", allowed)
	}
	var names []string
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
				return wrongType("tool_choice.allowed_tools.tools", "an array of objects", list)
			}
			l := jsonscan.Over(list)
			l.Enter()
			for i := 0; l.More(); i++ {
				at := "tool_choice.allowed_tools.tools[" + strconv.Itoa(i) + "]"
				entry := l.Skip()
				if entry[0] != '{' {
					return wrongType(at, "an object", entry)
				}
				var f []byte
				e := jsonscan.Over(entry)
				for e.Enter(); e.More(); {
					key, d.key = e.KeyText(d.key)
					if value := e.Skip(); string(key) == "function" {
						f = value
					}
				}
				name, err := d.functionName(at+".function", f)
				if err == nil {
					err = d.declared(at+".function.name", name)
				}
				if err != nil {
					return err
				}
				names = append(names, name)
			}
		default:
			c.Skip()
		}
	}
	switch {
	case err != nil:
		return err
	case mode != "auto" && mode != "required":
		return wrongValue("tool_choice.allowed_tools.mode", mode, "auto", "required")
	}
	choice.Mode = mode
	kept := d.r.Tools[:0]
	for _, t := range d.r.Tools {
		for _, name := range names {
			if t.Name == name {
				kept = append(kept, t)
				break
			}
		}
	}
	d.r.Tools = kept
	return nil
}

func (d *decoder) functionName(param string, raw []byte) (name string, err *dialect.Error) {
	if isNull(raw) {
		return "", missing(param)
	}
	if raw[0] != '{' {
		return "", wrongType(param, "an object", raw)
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More() && err == nil; {
		var key []byte
		key, d.key = c.KeyText(d.key)
		if value := c.Skip(); string(key) == "name" {
			err = d.string(param+".name", value, &name)
		}
	}
	if err == nil && name == "" {
		err = missing(param + ".name")
	}
	return name, err
}

func (d *decoder) declared(param, name string) *dialect.Error {
	for i := range d.r.Tools {
		if d.r.Tools[i].Name == name {
			return nil
		}
	}
	return invalid(param, "invalid_value", fmt.Sprintf("Tool choice '%s' not found in 'tools' parameter.", name))
}
