package openairesponses

import (
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// echo is what a response repeats of its request beside what the neutral request holds.
type echo struct{ instructions string }

// append appends the members of a response that repeat the request, without a comma in front. It stands in
// [dialect.Request.Echo].
func (e *echo) append(dst []byte, r *dialect.Request) []byte {
	dst = append(dst, `"background":false,"instructions":`...)
	dst = openai.AppendStringOrNull(dst, e.instructions)
	dst = append(dst, `,"max_output_tokens":`...)
	if r.MaxTokens == nil {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendInt(dst, *r.MaxTokens, 10)
	}
	dst = append(dst, `,"metadata":`...)
	if len(r.Metadata) == 0 {
		dst = append(dst, "{}"...)
	} else {
		dst = append(dst, r.Metadata...)
	}
	dst = append(dst, `,"parallel_tool_calls":`...)
	dst = strconv.AppendBool(dst, r.Parallel == nil || *r.Parallel)
	dst = append(dst, `,"previous_response_id":null,"reasoning":{"effort":`...)
	dst = openai.AppendStringOrNull(dst, r.Reasoning)
	dst = append(dst, `,"summary":`...)
	dst = openai.AppendStringOrNull(dst, r.Summary)
	dst = append(dst, `},"store":false,"temperature":`...)
	dst = appendFloat(dst, r.Temperature)
	dst = append(dst, `,"text":{"format":`...)
	dst = appendFormat(dst, &r.Format)
	if r.Verbosity != "" {
		dst = append(dst, `,"verbosity":`...)
		dst = jsonscan.AppendString(dst, r.Verbosity)
	}
	dst = append(dst, `},"tool_choice":`...)
	dst = appendChoice(dst, &r.ToolChoice)
	dst = append(dst, `,"tools":[`...)
	for i := range r.Tools {
		if i > 0 {
			dst = append(dst, ',')
		}
		t := &r.Tools[i]
		dst = appendTool(dst, t, "null", "null")
	}
	dst = append(dst, `],"top_p":`...)
	dst = appendFloat(dst, r.TopP)
	if r.Logprobs != nil {
		dst = append(dst, `,"top_logprobs":`...)
		dst = strconv.AppendInt(dst, *r.Logprobs, 10)
	}
	dst = append(dst, `,"truncation":"disabled"`...)
	if r.User != "" {
		dst = append(dst, `,"user":`...)
		dst = jsonscan.AppendString(dst, r.User)
	}
	return dst
}

func appendFloat(dst []byte, f *float64) []byte {
	if f == nil {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, *f, 'g', -1, 64)
}

// appendFormat appends the value of text.format.
func appendFormat(dst []byte, f *dialect.Format) []byte {
	switch f.Kind {
	case "json_object":
		return append(dst, `{"type":"json_object"}`...)
	case "json_schema":
		dst = append(dst, `{"type":"json_schema","name":`...)
		dst = jsonscan.AppendString(dst, f.Name)
		if f.Description != "" {
			dst = append(dst, `,"description":`...)
			dst = jsonscan.AppendString(dst, f.Description)
		}
		dst = append(dst, `,"schema":`...)
		if len(f.Schema) == 0 {
			dst = append(dst, "{}"...)
		}
		dst = append(dst, f.Schema...)
		if f.Strict != nil {
			dst = append(dst, `,"strict":`...)
			dst = strconv.AppendBool(dst, *f.Strict)
		}
		return append(dst, '}')
	}
	return append(dst, `{"type":"text"}`...)
}

// appendChoice appends the value of tool_choice.
func appendChoice(dst []byte, c *dialect.ToolChoice) []byte {
	switch c.Mode {
	case "":
		return append(dst, `"auto"`...)
	case "tool":
		dst = append(dst, `{"type":"function","name":`...)
		dst = jsonscan.AppendString(dst, c.Name)
		return append(dst, '}')
	}
	return jsonscan.AppendString(dst, c.Mode)
}

// appendTool appends a function; parameters and strict stand where the caller said nothing of them.
func appendTool(dst []byte, t *dialect.ToolDef, parameters, strict string) []byte {
	dst = append(dst, `{"type":"function","name":`...)
	dst = jsonscan.AppendString(dst, t.Name)
	if t.Description != "" {
		dst = append(dst, `,"description":`...)
		dst = jsonscan.AppendString(dst, t.Description)
	}
	dst = append(dst, `,"parameters":`...)
	if len(t.Parameters) > 0 {
		dst = append(dst, t.Parameters...)
	} else {
		dst = append(dst, parameters...)
	}
	dst = append(dst, `,"strict":`...)
	if t.Strict != nil {
		dst = strconv.AppendBool(dst, *t.Strict)
	} else {
		dst = append(dst, strict...)
	}
	return append(dst, '}')
}
