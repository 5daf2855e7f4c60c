package openaichat

import (
	"net/http"
	"strconv"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
)

// AppendError appends e in OpenAI's shape: {"error":{"message","type","param","code"}}, where param and code are null
// if there is nothing to say.
func AppendError(dst []byte, e *dialect.Error) []byte { return openai.AppendError(dst, e) }

// ClientStatus is the HTTP status with which a provider's error is answered. It is the provider's own, except that
// 529 (Anthropic's "overloaded", unknown to HTTP) becomes 503, and what is not an error status at all becomes 502.
func ClientStatus(e *dialect.Error) int { return openai.ClientStatus(e) }

// DecodeError reads an error answer of a provider that speaks this dialect. It always gives an error with a message,
// whatever the body holds.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error { return openai.DecodeError(a) }

func invalid(param, code, message string) *dialect.Error {
	return openai.Invalid(param, code, message)
}

// streamError reads an error that came with status 200. Its status is what it would have been as an answer of its own:
// some servers give it as the code, and what is neither the caller's fault nor a matter of limits is the provider's.
func streamError(data []byte) *dialect.Error {
	e, _ := dialect.ReadError(data)
	if e.Message == "" {
		e.Message = "The provider broke its answer off with an error."
	}
	n, err := strconv.Atoi(e.Code)
	switch {
	case err == nil && n >= 400 && n <= 599:
		e.Status = n
	case e.Code == "rate_limit_exceeded" || e.Code == "insufficient_quota" || e.Type == "rate_limit_error":
		e.Status = http.StatusTooManyRequests
	case e.Type == "invalid_request_error":
		e.Status = http.StatusBadRequest
	default:
		e.Status = http.StatusBadGateway
	}
	if e.Type == "" {
		e.Type = "api_error"
	}
	return &e
}
