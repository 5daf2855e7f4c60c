package openaichat

import (
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
