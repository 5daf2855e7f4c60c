package runtime

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// silences serves one answer in pieces, with a silence of d between two of them.
func silences(t *testing.T, d time.Duration, pieces ...string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				io.Copy(io.Discard, req.Body)
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
				for i, p := range pieces {
					if i > 0 {
						time.Sleep(d)
					}
					io.WriteString(c, p)
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String()
}

// TestSilentStreamsGetComments: while a provider is silent, and only between two events, the caller gets comments, over
// both engines, whether its bytes pass or are translated; and none where they were not asked for.
func TestSilentStreamsGetComments(t *testing.T) {
	chunk := func(text string) string {
		return fmt.Sprintf(`data: {"id":"c","choices":[{"index":0,"delta":{"content":%q}}]}`, text) + "\n\n"
	}
	const pause = 1800 * time.Millisecond
	passed := silences(t, pause, chunk("A"), chunk("B")+"data: [DONE]\n\n")
	torn := silences(t, pause, chunk("A")+`data: {"id":"c","choices":[{"index":0,`, `"delta":{"content":"B"}}]}`+"\n\ndata: [DONE]\n\n")
	translated := silences(t, pause, claudeStream, claudeEnd)
	for _, c := range []struct {
		name, model, engine string
		repo                repo
		text                string
		comments            bool
	}{
		{"bytes that pass", "fast", "", repo{openai: []string{passed}, keepAlive: time.Second}, "AB", true},
		{"bytes that pass, by the other engine", "fast", "std", repo{openai: []string{passed}, keepAlive: time.Second}, "AB", true},
		{"within an event", "fast", "", repo{openai: []string{torn}, keepAlive: time.Second}, "AB", false},
		{"a translation", "smart", "", repo{anthropic: translated, keepAlive: time.Second}, "hällo", true},
		{"not asked for", "fast", "", repo{openai: []string{passed}}, "AB", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.repo.engine, c.repo.calls = c.engine, "calls"
			g := run(t, c.repo, Options{})
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"`+c.model+`","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`))
			req.Header.Set("x-api-key", testKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			raw, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			text, done, failure, _ := readStream(t, strings.NewReader(string(raw)))
			if text != c.text || !done || failure != "" {
				t.Errorf("%q, done=%v, %q", text, done, failure)
			}
			if strings.Contains(string(raw), ": keep-alive\n\n") != c.comments {
				t.Errorf("comments are to be there: %v\n%s", c.comments, raw)
			}
			if r := g.records(t, "calls", 1)[0]; r["bytes_out"] != float64(len(raw)) || r["error"] != nil {
				t.Errorf("%d bytes, record %v", len(raw), r)
			}
		})
	}
}
