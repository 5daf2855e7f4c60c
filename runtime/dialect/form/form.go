// Package form reads the little that the gateway needs of a multipart/form-data body (RFC 7578): which model is asked
// for and whether a stream is wanted. The body itself, with its files, passes through; only the model's name in it is
// replaced.
//
// The body is read strictly, since another parser reads it after the gateway and both must see the same fields: each
// delimiter begins a line of its own that ends with CRLF, nothing stands before the first part, a name comes once, the last
// delimiter is there. What another parser might forgive is refused here.
//
// Refused: mime/multipart. It copies every file, tells no offsets, and forgives bare line feeds.
package form

import (
	"bytes"
	"fmt"
	"mime"
	"strings"
)

// Limits of a body: how many parts it may have, and how long a part's header and a field that the gateway reads may be,
// in bytes.
const (
	MaxParts  = 256
	maxHeader = 8 << 10
	maxValue  = 1 << 10
)

// Head is what [Read] finds. The model's value is body[Start:End].
type Head struct {
	Model      string
	HasModel   bool
	Start, End int
	Stream     bool
}

// Error says what is wrong with a body. Param is the field at fault, "" if it is the body.
type Error struct{ Param, Message string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func fault(param, format string, a ...any) *Error { return &Error{param, fmt.Sprintf(format, a...)} }

// Is reports whether a media type is that of a form with files.
func Is(contentType []byte) bool {
	const want = "multipart/form-data"
	return len(contentType) >= len(want) && strings.EqualFold(string(contentType[:len(want)]), want)
}

// Read reads body, whose Content-Type is contentType. The error is an [*Error].
func Read(contentType string, body []byte) (h Head, err error) {
	_, params, perr := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if perr != nil || boundary == "" || len(boundary) > 70 || strings.ContainsAny(boundary, "\r\n") {
		return h, fault("", "the form's Content-Type names no usable boundary")
	}
	dash := []byte("--" + boundary)
	delimiter := []byte("\r\n--" + boundary)
	if !bytes.HasPrefix(body, dash) {
		return h, fault("", "the form does not begin with its boundary")
	}
	at := len(dash)
	names := map[string]bool{}
	for parts := 0; ; parts++ {
		rest := body[at:]
		if bytes.HasPrefix(rest, []byte("--")) {
			if tail := rest[2:]; len(tail) > 0 && string(tail) != "\r\n" {
				return h, fault("", "something stands behind the form's last boundary")
			}
			return h, nil
		}
		if !bytes.HasPrefix(rest, []byte("\r\n")) {
			return h, fault("", "a boundary of the form is not followed by a line end")
		}
		if parts == MaxParts {
			return h, fault("", "the form has more than %d parts", MaxParts)
		}
		at += 2
		end := bytes.Index(body[at:min(len(body), at+maxHeader)], []byte("\r\n\r\n"))
		if end < 0 {
			return h, fault("", "the header of part %d does not end within %d bytes", parts+1, maxHeader)
		}
		name, file, bad := field(body[at : at+end])
		if bad != "" {
			return h, fault("", "part %d: %s", parts+1, bad)
		}
		at += end + 4
		size := bytes.Index(body[at:], delimiter)
		if size < 0 {
			return h, fault("", "the form breaks off in part %d", parts+1)
		}
		value := body[at : at+size]
		switch {
		case name != "model" && name != "stream":
		case file:
			return h, fault(name, "%s is sent as a file", name)
		case names[name]:
			return h, fault(name, "%s is given twice", name)
		case len(value) > maxValue:
			return h, fault(name, "%s is longer than %d bytes", name, maxValue)
		case name == "model":
			h.Model, h.HasModel, h.Start, h.End = string(value), true, at, at+size
		default:
			switch string(value) {
			case "true", "True", "1":
				h.Stream = true
			case "false", "False", "0", "":
			default:
				return h, fault("stream", "stream is %.20q, expected true or false", value)
			}
		}
		names[name] = true
		at += size + len(delimiter)
	}
}

// field reads the header of a part: the field's name and whether it is a file. bad says what is wrong with it.
func field(header []byte) (name string, file bool, bad string) {
	found := false
	for line := range strings.SplitSeq(string(header), "\r\n") {
		key, value, ok := strings.Cut(line, ":")
		switch {
		case !ok || key == "" || strings.ContainsAny(key, " \t") || strings.ContainsAny(line, "\r\n\x00"):
			return "", false, "its header is not well formed"
		case strings.EqualFold(key, "Content-Transfer-Encoding"):
			if enc := strings.TrimSpace(value); !strings.EqualFold(enc, "binary") && !strings.EqualFold(enc, "8bit") && !strings.EqualFold(enc, "7bit") {
				return "", false, "its Content-Transfer-Encoding is not supported"
			}
		case strings.EqualFold(key, "Content-Disposition"):
			kind, params, err := mime.ParseMediaType(value)
			if err != nil || kind != "form-data" || params["name"] == "" {
				return "", false, "its Content-Disposition names no field"
			}
			if found {
				return "", false, "it has two Content-Dispositions"
			}
			found = true
			name = params["name"]
			_, file = params["filename"]
		}
	}
	if !found {
		return "", false, "it has no Content-Disposition"
	}
	return name, file, ""
}
