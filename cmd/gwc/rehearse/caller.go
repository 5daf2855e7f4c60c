package rehearse

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gwc-dev/gwc/compiler/script"
)

// maxAnswer is how much of an answer is read. What is longer is cut by the caller.
const maxAnswer = 16 << 20

// caller is a client with one connection for one request.
type caller struct{ conn net.Conn }

// unread reports whether bytes have come that the caller has not read.
func (c *caller) unread() bool {
	n := 0
	if raw, err := c.conn.(syscall.Conn).SyscallConn(); err == nil {
		var peek [1]byte
		_ = raw.Control(func(fd uintptr) { n, _, _ = unix.Recvfrom(int(fd), peek[:], unix.MSG_PEEK|unix.MSG_DONTWAIT) })
	}
	return n > 0
}

// heard is a connection that tells of each read.
type heard struct {
	net.Conn
	told func()
}

// Read implements [net.Conn].
func (h heard) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	h.told()
	return n, err
}

// call sends a request and reads the answer; told is called whenever some of it was read.
func (c *caller) call(q *script.Request, key string, told func()) *exchange {
	head := requestHead(q, key)
	sent := make(chan struct{})
	go func() { // the answer may come before the request is through
		defer close(sent)
		if _, err := c.conn.Write(head); err == nil && q.HasBody {
			_, _ = c.conn.Write(q.Body)
		}
	}()
	x := c.read(heard{c.conn, told}, q.Method)
	c.conn.Close()
	<-sent
	return x
}

// requestHead writes a request's head. It is written by hand, so that what a test says goes over the wire.
func requestHead(q *script.Request, key string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", q.Method, q.Path)
	has := map[string]bool{}
	for _, h := range q.Headers {
		has[strings.ToLower(h.Name)] = true
	}
	line := func(name, value string) {
		if !has[strings.ToLower(name)] {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	line("Host", q.Host)
	if key != "" {
		line("Authorization", "Bearer "+key)
	}
	if q.PlainJSON {
		line("Content-Type", "application/json")
	}
	if q.HasBody {
		line("Content-Length", strconv.Itoa(len(q.Body)))
	}
	for _, h := range q.Headers {
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// read reads the final answer.
func (c *caller) read(conn net.Conn, method string) *exchange {
	r := bufio.NewReader(conn)
	var resp *http.Response
	for {
		var err error
		if resp, err = http.ReadResponse(r, &http.Request{Method: method}); err != nil {
			return &exchange{cut: true, answer: map[string]any{"cut": true}} // there was none
		}
		if resp.StatusCode >= 200 {
			break
		}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	x := &exchange{cut: err != nil || len(body) > maxAnswer}
	x.answer = map[string]any{
		"status": json.Number(strconv.Itoa(resp.StatusCode)), "headers": headerMap(resp.Header), "body": string(body), "cut": x.cut,
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		events := readEvents(string(body))
		x.answer["events"] = events
		x.answer["text"] = streamedText(events)
	} else if v, ok := script.Decode(body); ok {
		x.answer["json"] = v
		if text, ok := wholeText(v); ok {
			x.answer["text"] = text
		}
	}
	return x
}

// readEvents splits a stream of server-sent events, of which ours and the providers' use "event" and "data".
func readEvents(body string) []any {
	events := []any{}
	for block := range strings.SplitSeq(strings.ReplaceAll(body, "\r\n", "\n"), "\n\n") {
		event := map[string]any{}
		var data []string
		for line := range strings.SplitSeq(block, "\n") {
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "event":
				event["event"] = value
			case "data":
				data = append(data, value)
			}
		}
		if data == nil {
			continue
		}
		text := strings.Join(data, "\n")
		event["data"] = any(text)
		if v, ok := script.Decode([]byte(text)); ok {
			event["data"] = v
		}
		events = append(events, event)
	}
	return events
}

// streamedText joins what the events of a chat completion, a message or a prompt say.
func streamedText(events []any) string {
	var b strings.Builder
	for _, e := range events {
		for _, path := range [][]any{{"data", "choices", 0, "delta", "content"}, {"data", "delta", "text"}, {"data", "text"}} {
			if text, ok := at(e, path...).(string); ok {
				b.WriteString(text)
			}
		}
	}
	return b.String()
}

// wholeText returns what a chat completion, a message or a prompt whose output is text says.
func wholeText(v any) (string, bool) {
	if text, ok := at(v, "choices", 0, "message", "content").(string); ok {
		return text, true
	}
	if text, ok := at(v, "output").(string); ok && at(v, "prompt") != nil {
		return text, true
	}
	blocks, _ := at(v, "content").([]any)
	var b strings.Builder
	said := false
	for _, block := range blocks {
		if text, ok := at(block, "text").(string); ok {
			b.WriteString(text)
			said = true
		}
	}
	return b.String(), said
}

// at follows a path through JSON; nil where it ends.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}
