package openaichat

import (
	"net/http"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// AppendError appends e in OpenAI's shape: {"error":{"message","type","param","code"}}, where param and code are null
// if there is nothing to say.
func AppendError(dst []byte, e *dialect.Error) []byte {
	message, kind := e.Message, e.Type
	if message == "" {
		message = "The provider answered with an error and no message."
	}
	if kind == "" {
		kind = "api_error"
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = jsonscan.AppendString(dst, message)
	dst = append(dst, `,"type":`...)
	dst = jsonscan.AppendString(dst, kind)
	dst = append(dst, `,"param":`...)
	dst = appendStringOrNull(dst, e.Param)
	dst = append(dst, `,"code":`...)
	dst = appendStringOrNull(dst, e.Code)
	return append(dst, "}}"...)
}

func appendStringOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsonscan.AppendString(dst, s)
}

// ClientStatus is the HTTP status with which a provider's error is answered. It is the provider's own, except that
// 529 (Anthropic's "overloaded", unknown to HTTP) becomes 503, and what is not an error status at all becomes 502.
func ClientStatus(e *dialect.Error) int {
	switch {
	case e.Status == 529:
		return http.StatusServiceUnavailable
	case e.Status < 400 || e.Status > 599:
		return http.StatusBadGateway
	}
	return e.Status
}

// DecodeError reads an error answer of a provider that speaks this dialect. It always gives an error with a message,
// whatever the body holds.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error {
	return dialect.AnswerError(a, errorType)
}

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
