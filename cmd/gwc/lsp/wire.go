package lsp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Bounds of what a client may send. The largest text that an editor opens is an OpenAPI document of 32 MB; in JSON a
// byte of it takes two at most, but for control characters.
const (
	maxMessage = 72 << 20
	maxHead    = 4 << 10
)

// tooLarge is a message that was not read but skipped.
type tooLarge struct{ size int64 }

func (e *tooLarge) Error() string {
	return fmt.Sprintf("a message of %d bytes is larger than %d MB", e.size, maxMessage>>20)
}

// errFrame is a stream that is not made of messages; nothing that follows can be trusted.
var errFrame = errors.New("what the client sent is not the Language Server Protocol")

// frames reads messages: a head of lines that end with CR LF, an empty line, and as many bytes as Content-Length says
// (LSP 3.17, Base Protocol). It is strict, because two readers that disagree on where a message ends disagree on all
// that follows: Content-Length stands once, in decimal digits, and an unknown charset is refused.
type frames struct {
	r *bufio.Reader
}

func newFrames(r io.Reader) *frames { return &frames{bufio.NewReaderSize(r, maxHead)} }

// next returns the next message. The error is io.EOF where the stream ends between two messages, a *tooLarge for a
// message that was skipped, so that the next one can be read, and else the end of the stream.
func (f *frames) next() ([]byte, error) {
	size, err := f.head()
	if err != nil {
		return nil, err
	}
	if size > maxMessage {
		if _, err := io.CopyN(io.Discard, f.r, size); err != nil {
			return nil, cut(err)
		}
		return nil, &tooLarge{size}
	}
	// The buffer grows with what comes, and not with what was promised.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, f.r, size); err != nil {
		return nil, cut(err)
	}
	return b.Bytes(), nil
}

// head reads a message's head and returns the length of its body.
func (f *frames) head() (int64, error) {
	size, left := int64(-1), maxHead
	for first := true; ; first = false {
		line, err := f.r.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0 && first:
			return 0, io.EOF
		case errors.Is(err, bufio.ErrBufferFull):
			return 0, fmt.Errorf("%w: its head is longer than %d bytes", errFrame, maxHead)
		case err != nil:
			return 0, cut(err)
		}
		if left -= len(line); left < 0 {
			return 0, fmt.Errorf("%w: its head is longer than %d bytes", errFrame, maxHead)
		}
		text, ok := strings.CutSuffix(string(line), "\r\n")
		if !ok {
			return 0, fmt.Errorf("%w: a line of its head does not end with CR LF", errFrame)
		}
		if text == "" {
			if size < 0 {
				return 0, fmt.Errorf("%w: its head has no Content-Length", errFrame)
			}
			return size, nil
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return 0, fmt.Errorf("%w: a line of its head is not a field", errFrame)
		}
		value = strings.Trim(value, " \t")
		switch strings.ToLower(name) {
		case "content-length":
			if size >= 0 {
				return 0, fmt.Errorf("%w: Content-Length stands twice", errFrame)
			}
			if len(value) == 0 || len(value) > 12 || strings.ContainsFunc(value, func(r rune) bool { return r < '0' || r > '9' }) {
				return 0, fmt.Errorf("%w: Content-Length is not a number of bytes", errFrame)
			}
			size, _ = strconv.ParseInt(value, 10, 64)
		case "content-type":
			_, charset, ok := strings.Cut(strings.ToLower(value), "charset=")
			if ok && strings.Trim(charset, `"`) != "utf-8" && strings.Trim(charset, `"`) != "utf8" {
				return 0, fmt.Errorf("%w: its charset is not UTF-8", errFrame)
			}
		}
	}
}

// cut says that a stream ended within a message.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends within a message", errFrame)
	}
	return err
}

// sender writes messages. It is safe for concurrent use, and writes nothing more after an error, which it keeps.
type sender struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

func (s *sender) send(body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return
	}
	b := make([]byte, 0, len(body)+40)
	b = fmt.Appendf(b, "Content-Length: %d\r\n\r\n", len(body))
	_, s.err = s.w.Write(append(b, body...))
}

func (s *sender) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
