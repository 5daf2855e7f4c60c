//go:build linux

// Package upstream is the server behind the proxies that the bench measures: one thread, fixed answers.
//
//	POST …/chat/completions   an OpenAI answer of about 1 KB, or with "stream":true a stream of its chunks
//	POST …/messages           the same text as an Anthropic answer, or its stream
//	GET  …/sse                a stream of OpenAI-like chunks
//	else                      1,024 bytes of JSON
//
// Streams have a fixed number of events and a fixed time between two of them.
package upstream

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/conformance/bench/epoll"
	"github.com/gwc-dev/gwc/conformance/bench/wire"
)

// Options of a run.
type Options struct {
	Port   int
	Events int           // of a stream
	Gap    time.Duration // between two events
}

type conn struct {
	fd      int
	in      wire.Reader
	body    []byte
	stream  *script // being streamed
	event   int     // next of the script
	due     time.Time
	pending []byte // not taken by the socket yet
}

// script is a stream: its head with the first event, then an event at a time.
type script struct {
	first []byte
	event []byte
	last  []byte // what ends it, with the last chunk
}

func pad(n int) string { return strings.Repeat("abcdefghi ", n/10+1)[:n] }

func answer(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func chunk(s string) []byte { return fmt.Appendf(nil, "%x\r\n%s\r\n", len(s), s) }

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"

// plain is a body of 1,024 bytes.
func plain() []byte {
	const head, foot = `{"object":"list","data":"`, `"}`
	return answer(head + pad(1024-len(head)-len(foot)) + foot)
}

func openAIAnswer() []byte {
	return answer(`{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":"` +
		pad(780) + `","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":420,"completion_tokens":180,"total_tokens":600}}`)
}

func anthropicAnswer() []byte {
	return answer(`{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"` +
		pad(780) + `"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":420,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":180}}`)
}

func openAIStream() *script {
	event := func(delta, finish string) string {
		return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","choices":[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + `}]}` + "\n\n"
	}
	return &script{
		first: append([]byte(streamHead), chunk(event(`{"role":"assistant","content":""}`, "null"))...),
		event: chunk(event(`{"content":"`+pad(44)+`"}`, "null")),
		last: append(chunk(event("{}", `"stop"`)+
			`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o-mini","choices":[],"usage":{"prompt_tokens":420,"completion_tokens":180,"total_tokens":600}}`+"\n\ndata: [DONE]\n\n"), "0\r\n\r\n"...),
	}
}

func anthropicStream() *script {
	event := func(name, rest string) string {
		return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + rest + "}\n\n"
	}
	return &script{
		first: append([]byte(streamHead), chunk(
			event("message_start", `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":420,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}`)+
				event("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`))...),
		event: chunk(event("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"`+pad(44)+`"}`)),
		last: append(chunk(event("content_block_stop", `,"index":0`)+
			event("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":180}`)+event("message_stop", "")), "0\r\n\r\n"...),
	}
}

// Run serves until its process ends.
func Run(o Options) error {
	runtime.LockOSThread()
	poll, err := epoll.New()
	if err != nil {
		return err
	}
	listener, err := epoll.Listen(o.Port)
	if err != nil {
		return err
	}
	poll.Add(listener, epoll.In)
	json, chat, messages := plain(), openAIAnswer(), anthropicAnswer()
	chatStream, messagesStream := openAIStream(), anthropicStream()
	conns := map[int]*conn{}
	var streaming []*conn
	buf := make([]byte, 64<<10)
	gone := func(c *conn) {
		epoll.Close(c.fd)
		delete(conns, c.fd)
		c.fd = -1
	}
	send := func(c *conn, b []byte) {
		n := 0
		if len(c.pending) == 0 {
			if n = epoll.Write(c.fd, b); n < 0 {
				gone(c)
				return
			}
		}
		if n < len(b) {
			c.pending = append(c.pending, b[n:]...)
			poll.Modify(c.fd, epoll.In|epoll.Out)
		}
	}
	request := func(c *conn, now time.Time) {
		target := c.in.Head
		if i := bytes.IndexByte(target, '\n'); i > 0 {
			target = target[:i]
		}
		stream := bytes.Contains(target, []byte("/sse ")) || bytes.Contains(c.body, []byte(`"stream":true`))
		native := bytes.Contains(target, []byte("/messages"))
		switch {
		case stream:
			c.stream = chatStream
			if native {
				c.stream = messagesStream
			}
			c.event, c.due = 1, now.Add(o.Gap)
			streaming = append(streaming, c)
			send(c, c.stream.first)
		case native:
			send(c, messages)
		case target[0] == 'P':
			send(c, chat)
		default:
			send(c, json)
		}
		c.body = c.body[:0]
	}
	for {
		wait := time.Second
		now := time.Now()
		for _, c := range streaming {
			wait = min(wait, c.due.Sub(now))
		}
		events := poll.Wait(wait)
		now = time.Now()
		keep := streaming[:0]
		for _, c := range streaming {
			if c.fd < 0 {
				continue
			}
			if !c.due.After(now) {
				if c.event++; c.event >= o.Events {
					send(c, c.stream.last)
					continue
				}
				send(c, c.stream.event)
				c.due = c.due.Add(o.Gap)
			}
			keep = append(keep, c)
		}
		streaming = keep
		for _, e := range events {
			fd := int(e.Fd)
			if fd == listener {
				for fd := epoll.Accept(listener); fd >= 0; fd = epoll.Accept(listener) {
					conns[fd] = &conn{fd: fd}
					poll.Add(fd, epoll.In)
				}
				continue
			}
			c := conns[fd]
			if c == nil {
				continue
			}
			if e.Events&epoll.Out != 0 {
				n := epoll.Write(fd, c.pending)
				if n < 0 {
					gone(c)
					continue
				}
				if c.pending = append(c.pending[:0], c.pending[n:]...); len(c.pending) == 0 {
					poll.Modify(fd, epoll.In)
				}
			}
			if e.Events&^epoll.Out == 0 {
				continue
			}
			n, ok := epoll.Read(fd, buf)
			if !ok {
				continue
			}
			if n == 0 {
				gone(c)
				continue
			}
			for b := buf[:n]; len(b) > 0 && c.fd >= 0; {
				m, done := c.in.Feed(b, func(b []byte) { c.body = append(c.body, b...) })
				if b = b[m:]; done {
					request(c, now)
				}
			}
		}
	}
}
