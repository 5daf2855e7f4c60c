package gemini

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// DecodeError reads an error answer: {"error":{"code","message","status","details"}}, or a list that holds one, which
// is what streams without alt=sse answer. It always gives an error with a message, whatever the body holds. Type is the
// google.rpc.Code ("RESOURCE_EXHAUSTED"), Code the reason of an ErrorInfo; RetryAfter is taken from a RetryInfo where
// no header told it.
func DecodeError(a *dialect.ErrorAnswer) *dialect.Error {
	e := dialect.AnswerError(a, statusWord)
	status, _ := readStatus(a.Body)
	e.Type, e.Code = statusWord(a.Status), status.Code
	if status.Type != "" {
		e.Type = status.Type
	}
	if e.RetryAfter == "" {
		e.RetryAfter = status.RetryAfter
	}
	if e.Code == "API_KEY_INVALID" || e.Code == "API_KEY_EXPIRED" {
		// The API answers 400 to a wrong key: the fault is the gateway's, not the caller's.
		e.Status, e.Type, e.Message = http.StatusUnauthorized, "UNAUTHENTICATED", dialect.Refused
	}
	return e
}

// streamError reads an error that came with status 200, inside an answer.
func streamError(raw []byte) *dialect.Error {
	e, ok := readStatus(raw)
	if !ok {
		e.Message = "The provider broke its answer off with an error."
	}
	if e.Status == 0 {
		e.Status = statusOf(e.Type)
	}
	if e.Type == "" {
		e.Type = statusWord(e.Status)
	}
	if e.Status == http.StatusUnauthorized {
		e.Message = dialect.Refused
	}
	return &e
}

// readStatus reads a google.rpc.Status in a member "error", or in the first element of a list. ok tells whether there
// was a message.
func readStatus(body []byte) (e dialect.Error, ok bool) {
	body = bytes.TrimSpace(body)
	if jsonscan.Valid(body) != nil {
		return e, false
	}
	for range 3 {
		c := jsonscan.Over(body)
		switch c.Kind() {
		case '[':
			if c.Enter(); !c.More() {
				return e, false
			}
			body = c.Skip()
			continue
		case '{':
			for c.Enter(); c.More(); {
				if string(c.Key()) == "error" {
					if raw := c.Skip(); isObject(raw) {
						readRPC(&e, raw)
					}
				} else {
					c.Skip()
				}
			}
		}
		break
	}
	e.Message = dialect.Redact(e.Message)
	return e, e.Message != ""
}

func readRPC(e *dialect.Error, raw []byte) {
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "code":
			if n, ok := c.Int(); ok && 400 <= n && n <= 599 {
				e.Status = int(n)
			}
		case "message":
			e.Message = text(c.Skip())
		case "status":
			e.Type = text(c.Skip())
		case "details":
			if c.Kind() != '[' {
				c.Skip()
				continue
			}
			for c.Enter(); c.More(); {
				if c.Kind() != '{' {
					c.Skip()
					continue
				}
				readDetail(e, &c)
			}
		default:
			c.Skip()
		}
	}
}

// readDetail reads one of google.rpc's error details.
func readDetail(e *dialect.Error, c *jsonscan.Cursor) {
	var kind, delay, reason string
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "@type":
			kind = text(c.Skip())
		case "retryDelay":
			delay = text(c.Skip())
		case "reason":
			reason = text(c.Skip())
		default:
			c.Skip()
		}
	}
	switch {
	case strings.HasSuffix(kind, "google.rpc.RetryInfo"):
		if s := seconds(delay); s != "" {
			e.RetryAfter = s
		}
	case strings.HasSuffix(kind, "google.rpc.ErrorInfo"):
		e.Code = reason
	}
}

// seconds makes a Retry-After of a Duration ("34.4s"), rounded up: an early retry is refused again.
func seconds(duration string) string {
	d, ok := strings.CutSuffix(duration, "s")
	f, err := strconv.ParseFloat(d, 64)
	if !ok || err != nil || !(f >= 0 && f < 1e9) {
		return ""
	}
	n := int64(f)
	if float64(n) < f {
		n++
	}
	return strconv.FormatInt(n, 10)
}

func text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	s, _ := jsonscan.Unquote(raw, nil)
	return string(s)
}

// codes are the names of google.rpc.Code with the HTTP status that each stands for (google/rpc/code.proto).
var codes = [...]struct {
	word   string
	status int
}{
	{"INVALID_ARGUMENT", 400}, {"FAILED_PRECONDITION", 400}, {"OUT_OF_RANGE", 400}, {"UNAUTHENTICATED", 401}, {"PERMISSION_DENIED", 403},
	{"NOT_FOUND", 404}, {"ABORTED", 409}, {"ALREADY_EXISTS", 409}, {"RESOURCE_EXHAUSTED", 429}, {"CANCELLED", 499}, {"INTERNAL", 500},
	{"UNKNOWN", 500}, {"DATA_LOSS", 500}, {"UNIMPLEMENTED", 501}, {"UNAVAILABLE", 503}, {"DEADLINE_EXCEEDED", 504},
}

func statusOf(word string) int {
	for _, c := range codes {
		if c.word == word {
			return c.status
		}
	}
	return http.StatusInternalServerError
}

// statusWord is the first of the names that stand for an HTTP status.
func statusWord(status int) string {
	for _, c := range codes {
		if c.status == status {
			return c.word
		}
	}
	switch {
	case status == http.StatusBadGateway || status == 529:
		return "UNAVAILABLE"
	case 400 <= status && status < 500:
		return "INVALID_ARGUMENT"
	}
	return "INTERNAL"
}

// ClientStatus is the HTTP status with which a provider's error is answered: its own, 503 for 529 (Anthropic's
// "overloaded", unknown to HTTP), 502 for what is not an error status at all.
func ClientStatus(e *dialect.Error) int {
	switch {
	case e.Status == 529:
		return http.StatusServiceUnavailable
	case e.Status < 400 || e.Status > 599 || e.Status == http.StatusProxyAuthRequired: // whose client is the gateway
		return http.StatusBadGateway
	}
	return e.Status
}

// AppendError appends e in this dialect's shape, a google.rpc.Status: {"error":{"code","message","status","details"}}.
// The place of a fault is a BadRequest, a code an ErrorInfo of the domain "gwc.dev", the time to wait a RetryInfo.
func AppendError(dst []byte, e *dialect.Error) []byte {
	message := e.Message
	if message == "" {
		message = "The provider answered with an error and no message."
	}
	status := ClientStatus(e)
	word := statusWord(status)
	for _, c := range codes {
		if c.word == e.Type && c.status == status {
			word = e.Type
		}
	}
	dst = append(dst, `{"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, message)
	dst = append(dst, `,"status":"`...)
	dst = append(append(dst, word...), '"')
	sep, end := `,"details":[`, ""
	if e.Param != "" {
		dst = append(dst, sep...)
		sep, end = ",", "]"
		dst = append(dst, `{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":`...)
		dst = jsonscan.AppendString(dst, e.Param)
		dst = append(dst, `,"description":`...)
		dst = jsonscan.AppendString(dst, message)
		dst = append(dst, "}]}"...)
	}
	if e.Code != "" {
		dst = append(dst, sep...)
		sep, end = ",", "]"
		dst = append(dst, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
		dst = jsonscan.AppendString(dst, strings.ToUpper(e.Code))
		dst = append(dst, `,"domain":"gwc.dev"}`...)
	}
	if n, err := strconv.ParseUint(e.RetryAfter, 10, 31); err == nil {
		dst = append(dst, sep...)
		end = "]"
		dst = append(dst, `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		dst = strconv.AppendUint(dst, n, 10)
		dst = append(dst, `s"}`...)
	}
	dst = append(dst, end...)
	return append(dst, "}}"...)
}
