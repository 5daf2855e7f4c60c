// Package openai is what OpenAI's endpoints share, whatever they do: the shape of errors, data: URLs, and which models
// reason. The dialects of the endpoints (openaichat, openairesponses, openaicompletions) know this package and not each
// other.
//
// What is wrong with a request ([fields.Fault]) enters and leaves as an error in OpenAI's words ([FaultError], [Invalid]); a
// neutral error leaves as a body ([AppendError]) with a status ([ClientStatus]); a provider's error answer enters and
// leaves in neutral form ([DecodeError]).
package openai

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/fields"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// Invalid is an error with status 400 and type invalid_request_error. param is the place at fault in the caller's body.
func Invalid(param, code, message string) *dialect.Error {
	return &dialect.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: message}
}

// FaultError says a fault in OpenAI's words. In sentences of a dialect's own (faults of kind Other) a "$" stands for the place.
func FaultError(f *fields.Fault) *dialect.Error {
	at := f.Path.Indexed()
	switch f.Kind {
	case fields.Missing:
		return Invalid(at, "missing_required_parameter", "Missing required parameter: '"+at+"'.")
	case fields.Type:
		return Invalid(at, "invalid_type", fmt.Sprintf("Invalid type for '%s': expected %s, but got %s instead.", at, f.Want, f.Got))
	case fields.Value:
		return Invalid(at, "invalid_value", fmt.Sprintf("Invalid value for '%s': %s. Supported values are: %s.", at, f.Got, f.Want))
	case fields.Below:
		return Invalid(at, "integer_below_min_value", fmt.Sprintf("Invalid '%s': integer below minimum value. Expected %s, but got %s instead.", at, f.Want, f.Got))
	case fields.Range:
		return Invalid(at, "decimal_out_of_range", fmt.Sprintf("Invalid '%s': expected a value %s.", at, f.Want))
	}
	return Invalid(at, f.Code, strings.ReplaceAll(f.Want, "$", at))
}

// AppendError appends e in OpenAI's shape: {"error":{"message","type","param","code"}}, where param and code are null if
// there is nothing to say. A provider's own word for the type, where it is none of OpenAI's, is the code unless it gave one.
func AppendError(dst []byte, e *dialect.Error) []byte {
	return append(AppendErrorObject(append(dst, `{"error":`...), e), '}')
}

// AppendErrorObject appends the value of "error" alone.
func AppendErrorObject(dst []byte, e *dialect.Error) []byte {
	dst = append(dst, `{"message":`...)
	dst = jsonscan.AppendString(dst, Message(e))
	dst = append(dst, `,"type":`...)
	kind, code := typeFor(e), e.Code
	if code == "" && kind != e.Type && e.Type != "" {
		code = e.Type
	}
	dst = jsonscan.AppendString(dst, kind)
	dst = append(dst, `,"param":`...)
	dst = AppendStringOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = AppendStringOrNull(dst, code)
	return append(dst, '}')
}

// typeFor is the type of e in OpenAI's words, which callers compare: those that only Anthropic, Google or AWS have become
// OpenAI's word for the status. What a provider with OpenAI's shape of errors calls its own stays, and "api_error" is the
// gateway's word for an answer that it cannot use.
func typeFor(e *dialect.Error) string {
	switch kind := e.Type; kind {
	case "":
		return "api_error"
	case "api_error":
		if e.Status == http.StatusBadGateway || e.Status < 500 {
			return kind
		}
	case "overloaded_error", "timeout_error", "request_too_large", "billing_error":
	default:
		if !isRPCWord(kind) {
			return kind
		}
	}
	return errorType(ClientStatus(e))
}

// isRPCWord tells the names of google.rpc.Code ("INVALID_ARGUMENT") from other words.
func isRPCWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if (s[i] < 'A' || s[i] > 'Z') && s[i] != '_' {
			return false
		}
	}
	return true
}

// AppendUsage writes the usage object of Chat Completions and of the legacy Completions. The neutral convention is OpenAI's:
// the parts are inside the totals.
func AppendUsage(dst []byte, u *dialect.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input+u.Output, 10)
	dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheRead, 10)
	dst = append(dst, `,"cache_write_tokens":`...)
	dst = strconv.AppendInt(dst, u.CacheWrite, 10)
	dst = appendAudio(dst, u.InputAudio)
	dst = append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, u.Reasoning, 10)
	dst = appendAudio(dst, u.OutputAudio)
	return append(dst, "}}"...)
}

// appendAudio writes tokens of audio where there are any.
func appendAudio(dst []byte, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, `,"audio_tokens":`...), n, 10)
}

// Message is what e says; never "".
func Message(e *dialect.Error) string {
	if e.Message == "" {
		return "The provider answered with an error and no message."
	}
	return e.Message
}

// AppendStringOrNull appends a JSON string, or null for "".
func AppendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonscan.AppendString(dst, s)
}

// ClientStatus is the HTTP status with which a provider's error is answered. It is the provider's own, except that 529
// (Anthropic's "overloaded", unknown to HTTP) becomes 503, and what is not an error status at all becomes 502.
func ClientStatus(e *dialect.Error) int {
	switch {
	case e.Status == 529:
		return http.StatusServiceUnavailable
	case e.Status < 400 || e.Status > 599 || e.Status == http.StatusProxyAuthRequired: // whose client is the gateway
		return http.StatusBadGateway
	}
	return e.Status
}

// DecodeError reads an error answer of a provider that has OpenAI's shape of errors, or none. It always gives an error with
// a message, whatever the body holds.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error { return dialect.AnswerError(a, errorType) }

// errorType is OpenAI's word for a status, for providers that give none.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	if 400 <= status && status < 500 {
		return "invalid_request_error"
	}
	return "server_error"
}

// Reasons tells whether a model reasons, and so takes an effort and no temperature, by the beginning of its name.
//
// Source: "Reasoning models" of OpenAI's documentation.
func Reasons(model string) bool {
	if slash := strings.LastIndexByte(model, '/'); slash >= 0 {
		model = model[slash+1:]
	}
	if strings.HasPrefix(model, "gpt-5") {
		return !strings.Contains(model, "-chat")
	}
	return len(model) >= 2 && model[0] == 'o' && '1' <= model[1] && model[1] <= '9'
}

// DataURL takes a data: URL with base64 data apart (RFC 2397). ok is false for any other URL.
func DataURL(s string) (mediaType, data string, ok bool) {
	if !IsDataURL(s) {
		return "", "", false
	}
	head, data, comma := strings.Cut(s[5:], ",")
	mediaType, base64 := strings.CutSuffix(head, ";base64")
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return strings.ToLower(mediaType), data, comma && base64
}

// IsDataURL tells a data: URL from others.
func IsDataURL(s string) bool { return len(s) >= 5 && strings.EqualFold(s[:5], "data:") }

// AppendDataURL appends a data: URL as a JSON string.
func AppendDataURL(dst []byte, mediaType, data string) []byte {
	dst = append(dst, `"data:`...)
	dst = jsonscan.AppendEscaped(dst, mediaType)
	dst = append(dst, ";base64,"...)
	dst = jsonscan.AppendEscaped(dst, data)
	return append(dst, '"')
}
