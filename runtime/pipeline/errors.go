package pipeline

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unsafe"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Types of gwc's problem details (RFC 9457). They are stable: clients may compare them.
const problemType = "https://gwc.dev/problems/"

// fail answers with an error of gwc's own. class is the record's error class and the last part of the problem's type.
func (x *exchange) fail(status int, class, detail string) { x.failWith(status, class, detail, nil) }

func (x *exchange) failWith(status int, class, detail string, extra []byte) {
	x.rec.Error = class
	if x.speaks != nil && !x.speaks.problems {
		x.answer(status, "application/json", extra, x.speaks.appendError(nil, &dialect.Error{
			Status: status, Type: openAIType(status), Code: openAICode(status, class), Message: detail,
		}))
		return
	}
	x.problemWith(status, class, detail, extra, nil)
}

// problemWith answers with problem details; more is further members of the object, with the comma before each.
func (x *exchange) problemWith(status int, class, detail string, extra, more []byte) {
	b := append([]byte(`{"type":"`), problemType...)
	b = append(b, class...)
	b = append(b, `","title":`...)
	b = strconv.AppendQuote(b, http.StatusText(status))
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, `,"detail":`...)
	b = strconv.AppendQuoteToASCII(b, detail)
	b = append(b, `,"instance":"urn:gwc:request:`...)
	b = append(b, x.id[:x.idLen]...)
	b = append(append(append(b, '"'), more...), "}\n"...)
	x.answer(status, "application/problem+json", extra, b)
}

// openAIType is the "type" that OpenAI's API uses with a status.
func openAIType(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status < 500:
		return "invalid_request_error"
	}
	return "api_error"
}

func openAICode(status int, class string) string {
	switch status {
	case http.StatusUnauthorized:
		return "invalid_api_key"
	case http.StatusTooManyRequests:
		return "rate_limit_exceeded"
	}
	return class
}

// noModel answers for a model that does not exist or that the app may not use: the caller cannot tell which.
func (x *exchange) noModel(name string) {
	if len(name) > 128 {
		name = name[:128]
	}
	x.rec.Error, x.rec.Model = "request", name
	hint := ""
	if x.key != nil {
		if near, ok := diag.Nearest(name, slices.Collect(maps.Keys(x.key.App.Models))); ok && x.key.App.Models[near] {
			hint = "; did you mean " + strconv.Quote(near) + "?"
		}
	}
	x.answer(http.StatusNotFound, "application/json", nil, x.speaks.appendError(nil, &dialect.Error{
		Status: http.StatusNotFound, Type: "invalid_request_error", Code: "model_not_found", Param: "model",
		Message: "The model " + strconv.Quote(name) + " does not exist or this key has no access to it" + hint,
	}))
}

// unsafeString gives b as a string without a copy, for a record that is encoded before b changes.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
