package dialect

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// ReadError reads the body of a provider's error answer in the forms that are met: {"error":{"message","type","code",
// "param"}}, {"type":"error","error":{…}}, {"error":"text"}, {"message":"text"}, {"detail":"text"}, a list of such
// objects, and such an object written as a string into another one's message. The status and headers are the caller's
// to fill in. ok is false where no message was found (HTML, an empty body, other JSON); then a short plain text is
// taken as the message if there is one.
func ReadError(body []byte) (e Error, ok bool) {
	body = bytes.TrimSpace(body)
	if jsonscan.Valid(body) == nil {
		readError(&e, body, 0)
		e.Message = Redact(e.Message)
		return e, e.Message != ""
	}
	if len(body) == 0 || len(body) > 500 || body[0] == '<' || body[0] == '{' || body[0] == '[' || !utf8.Valid(body) {
		return e, false
	}
	for _, r := range string(body) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return e, false
		}
	}
	e.Message = Redact(string(body))
	return e, false
}

func readError(e *Error, raw []byte, depth int) {
	if depth > 4 {
		return
	}
	c := jsonscan.Over(raw)
	switch c.Kind() {
	case '[':
		if c.Enter(); c.More() {
			readError(e, c.Skip(), depth+1)
		}
	case '"':
		text, _, _ := c.Text(nil)
		setMessage(e, text, depth)
	case '{':
		var inner, detail, message []byte
		for c.Enter(); c.More(); {
			key := c.Key()
			value := c.Skip()
			if len(value) == 0 || string(value) == "null" {
				continue
			}
			switch string(key) {
			case "error", "errors":
				inner = value
			case "detail", "error_description":
				detail = value
			case "message":
				message = value
			case "type":
				if t := scalar(value); t != "error" {
					e.Type = t
				}
			case "code":
				e.Code = scalar(value)
			case "param":
				e.Param = scalar(value)
			}
		}
		// What stands deepest is the most exact.
		if message != nil && message[0] == '"' {
			text, _ := jsonscan.Unquote(message, nil)
			setMessage(e, text, depth)
		}
		if inner != nil {
			readError(e, inner, depth+1)
		}
		if e.Message == "" && detail != nil {
			readError(e, detail, depth+1)
		}
		if e.Message == "" && depth > 0 {
			// FastAPI servers (vLLM and others): {"detail":[{"loc":[…],"msg":"…"}]}
			c := jsonscan.Over(raw)
			for c.Enter(); c.More(); {
				key := c.Key()
				if value := c.Skip(); string(key) == "msg" && len(value) > 0 {
					e.Message = scalar(value)
				}
			}
		}
	}
}

// setMessage takes text as the message, or what it says where it is itself a JSON object.
func setMessage(e *Error, text []byte, depth int) {
	if t := bytes.TrimSpace(text); len(t) > 0 && t[0] == '{' && jsonscan.Valid(t) == nil {
		inner := Error{}
		if readError(&inner, t, depth+1); inner.Message != "" {
			*e = inner
			return
		}
	}
	e.Message = string(text)
}

func scalar(raw []byte) string {
	switch raw[0] {
	case '"':
		s, _ := jsonscan.Unquote(raw, nil)
		return string(s)
	case '{', '[':
		return ""
	}
	return string(raw)
}

// Redact replaces what looks like a credential in a provider's message. Providers quote the key that they refuse,
// half masked at best, and that key is the gateway's, not the caller's.
func Redact(message string) string {
	const bound = " \t\r\n\"'`,;()[]{}<>"
	for _, prefix := range [...]string{"sk-", "gsk_", "xai-", "AIza", "Bearer ", "AKIA"} {
		if !strings.Contains(message, prefix) {
			continue
		}
		var out strings.Builder
		for at := 0; ; {
			i := strings.Index(message[at:], prefix)
			if i < 0 {
				out.WriteString(message[at:])
				break
			}
			i += at
			end := i + len(prefix)
			n := strings.IndexAny(message[end:], bound)
			if n < 0 {
				n = len(message) - end
			}
			if n < 6 || i > 0 && !strings.ContainsRune(bound+":=", rune(message[i-1])) {
				out.WriteString(message[at:end])
				at = end
				continue
			}
			out.WriteString(message[at:i])
			out.WriteString("[redacted]")
			at = end + n
		}
		message = out.String()
	}
	return message
}

// Refused is the message of an error by which a provider refused the credentials that the gateway presented (401).
// The provider's own text would tell the caller about a key that is not the caller's.
const Refused = "The provider refused the gateway's credentials."
