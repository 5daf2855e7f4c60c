package runtime

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// raw opens a connection and sends bytes.
func (g *running) raw(t testing.TB, send string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func chatRequest(body string) string {
	return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nx-api-key: %s\r\nContent-Length: %d\r\n\r\n%s", testKey, len(body), body)
}

func heap() int64 {
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// A big body towards a side that does not take it stays where it is: memory does not grow, and others are served.
func TestBigBodiesWaitForTheSlowSide(t *testing.T) {
	const size = 160 << 20
	release := make(chan struct{})
	var sum [32]byte
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "POST":
			h := sha256.New()
			io.CopyN(h, r.Body, 1000)
			<-release
			io.Copy(h, r.Body)
			h.Sum(sum[:0])
		case strings.HasSuffix(r.URL.Path, "/pets"):
			w.Header().Set("Content-Length", fmt.Sprint(size))
			b := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
			for n := 0; n < size; n += len(b) {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		default:
			io.WriteString(w, "ok")
		}
	}))
	defer up.Close()
	g := run(t, repo{upstream: up.URL, calls: "calls"}, Options{})
	before := heap()

	_, down := g.raw(t, "GET /pets/v1/pets HTTP/1.1\r\nHost: a\r\nx-api-key: "+testKey+"\r\n\r\n") // nobody reads for now
	upload, answer := g.raw(t, fmt.Sprintf("POST /pets/v1/pets HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size))
	want := sha256.New()
	var sent atomic.Int64
	uploaded := make(chan error, 1)
	go func() {
		b := bytes.Repeat([]byte("fedcba9876543210"), 4<<10)
		for n := 0; n < size; n += len(b) {
			if _, err := upload.Write(b); err != nil {
				uploaded <- err
				return
			}
			want.Write(b)
			sent.Add(int64(len(b)))
		}
		uploaded <- nil
	}()
	until(t, "the upload has begun", func() bool { return sent.Load() > 1<<20 })
	for range 50 {
		if resp, body := g.do(t, "GET", "/pets/v1/health", ""); resp.StatusCode != 200 || body != "ok" {
			t.Fatal(resp.Status, body)
		}
	}
	last := int64(-1)
	until(t, "the upload stands still", func() bool {
		time.Sleep(50 * time.Millisecond)
		n := sent.Load()
		still := n == last
		last = n
		return still
	})
	if last > 64<<20 {
		t.Errorf("%d MB of the upload were taken while the upstream took nothing", last>>20)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	close(release)
	if err := <-uploaded; err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(answer, nil); err != nil || resp.StatusCode != 200 || string(want.Sum(nil)) != string(sum[:]) {
		t.Errorf("the upload: %v %v; the upstream read other bytes: %v", resp, err, string(want.Sum(nil)) != string(sum[:]))
	}
	resp, err := http.ReadResponse(down, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("the download gave %d bytes, %v", n, err)
	}
	if rs := g.records(t, "calls", 52); len(rs) != 52 {
		t.Errorf("%d records", len(rs))
	}
}

// A client that leaves while its upload waits for a slow upstream is noticed at once, though its input is paused.
func TestAPausedClientThatLeavesIsNoticed(t *testing.T) {
	for _, async := range []bool{false, true} {
		t.Run(fmt.Sprintf("async=%v", async), func(t *testing.T) {
			gone := make(chan struct{})
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(300 * time.Millisecond) // takes nothing, and is not told by its own reading
				io.Copy(io.Discard, r.Body)
				close(gone)
			}))
			defer up.Close()
			g := run(t, repo{upstream: up.URL, calls: "calls"}, Options{Async: async})
			c, _ := g.raw(t, "POST /pets/v1/pets HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n")
			c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			b := make([]byte, 1<<20)
			for err := error(nil); err == nil; {
				_, err = c.Write(b)
			}
			c.Close()
			until(t, "the exchange has ended", func() bool { return g.inflight(t) == 0 })
			<-gone
			if r := g.records(t, "calls", 1)[0]; r["error"] != "client_abort" {
				t.Errorf("record %v", r)
			}
		})
	}
}

// Large chats: on a goroutine, towards a provider that reads slowly, up to the bound and beyond it.
func TestLargeChats(t *testing.T) {
	type seen struct {
		n   int
		sum [32]byte
	}
	var got atomic.Pointer[seen]
	hold := atomic.Int64{}
	one, _ := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(hold.Load()))
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		got.Store(&seen{len(b), sha256.Sum256(b)})
		okChat(w, "m")
	})
	two, _ := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(hold.Load()))
		b, _ := io.ReadAll(r.Body)
		got.Store(&seen{n: len(b)})
		fmt.Fprint(w, `{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":4}}`)
	})
	for _, async := range []bool{false, true} {
		g := run(t, repo{openai: []string{one}, anthropic: two, calls: "calls"}, Options{Async: async})
		records := 0
		sizes := []int{70 << 10, 6 << 20}
		if !async {
			sizes = []int{60 << 10, 70 << 10, 6 << 20, 31 << 20}
		}
		for _, n := range sizes {
			for _, model := range []string{"fast", "smart"} {
				hold.Store(int64(100 * time.Millisecond))
				body := `{"model":"` + model + `","messages":[{"role":"user","content":"` + strings.Repeat("x", n) + `"}]}`
				resp, text := g.do(t, "POST", "/v1/chat/completions", body)
				records++
				if resp.StatusCode != 200 || !strings.Contains(text, "hello") {
					t.Fatalf("%d MB to %s: %d %.300s", n>>20, model, resp.StatusCode, text)
				}
				if model == "fast" {
					want := strings.Replace(body, `"fast"`, `"gpt-0"`, 1)
					if s := got.Load(); s.sum != sha256.Sum256([]byte(want)) {
						t.Errorf("%d bytes: the provider got %d other bytes", len(want), s.n)
					}
				} else if s := got.Load(); s.n < n {
					t.Errorf("the provider got %d of %d bytes", s.n, n)
				}
			}
		}
		hold.Store(0)
		for _, chunked := range []bool{false, true}[:len(sizes)-2] {
			body := io.Reader(strings.NewReader(`{"model":"fast","messages":[{"role":"user","content":"` + strings.Repeat("x", 33<<20) + `"}]}`))
			if chunked {
				body = io.MultiReader(body)
			}
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", body)
			req.Header.Set("x-api-key", testKey)
			resp, err := http.DefaultClient.Do(req)
			records++
			if err == nil {
				if resp.StatusCode != 413 {
					t.Errorf("33 MB: %s", resp.Status)
				}
				resp.Body.Close()
			} else if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
				t.Error(err)
			}
		}
		// Aborts at any place of a body, and while it is worked on.
		whole := chatRequest(`{"model":"smart","messages":[{"role":"user","content":"` + strings.Repeat("y", 900<<10) + `"}]}`)
		for i := range 20 {
			c, _ := g.raw(t, whole[:len(whole)*(i+1)/20])
			c.Close()
			records++
		}
		until(t, "no exchange is in flight", func() bool { return g.inflight(t) == 0 })
		if rs := g.records(t, "calls", records); len(rs) != records {
			t.Errorf("%d records of %d exchanges", len(rs), records)
		}
		if s := g.log.String(); strings.Contains(s, "panic") {
			t.Error(s)
		}
	}
}

// deafServer gives the URL of a listener whose backlog is full: connecting to it neither succeeds nor fails.
func deafServer(t *testing.T) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
	for {
		c, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return "http://" + addr
		}
		t.Cleanup(func() { c.Close() })
	}
}

// rawProvider is a provider that gets the request unread.
func rawProvider(t *testing.T, h http.HandlerFunc) (url string, s *httptest.Server) {
	s = httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL, s
}

// A chat whose client leaves at any stage ends once: one record, nothing in flight, no goroutine.
func TestAChatWhoseClientLeavesAtEachStage(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	waiting := make(chan struct{}, 16)
	quit := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) { // silent
		io.Copy(io.Discard, r.Body) // only then net/http notices that its client leaves
		waiting <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-quit:
		}
	}
	stream := func(w http.ResponseWriter, r *http.Request) { // one piece, then silent
		w.Header().Set("Content-Type", "text/event-stream")
		if strings.HasSuffix(r.URL.Path, "/messages") {
			io.WriteString(w, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n"+
				"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"+
				"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n")
		} else {
			io.WriteString(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"}}]}\n\n")
		}
		w.(http.Flusher).Flush()
		slow(w, r)
	}
	busy := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(503)
		waiting <- struct{}{}
	}
	body := func(model string, stream bool) string {
		return fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, model, stream)
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		model  string
		stream bool
		cut    int  // bytes of the request that are not sent
		silent bool // a server that is not there: packets are dropped
		read   string
		status float64
		tries  int
	}{
		{name: "in the head", cut: 150, tries: -1},
		{name: "in the body", cut: 10, status: 499},
		{name: "while the provider is dialled", silent: true, status: 499, tries: 1},
		{name: "while the provider is silent", answer: slow, status: 499, tries: 1},
		{name: "in the middle of a stream passed through", answer: stream, stream: true, read: "hi", status: 200, tries: 1},
		{name: "in the middle of a translated stream", answer: stream, model: "smart", stream: true, read: "hi", status: 200, tries: 1},
		{name: "before another attempt", answer: busy, status: 499, tries: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := deafServer(t)
			if tt.answer != nil {
				url, _ = rawProvider(t, tt.answer)
			}
			if tt.model == "" {
				tt.model = "fast"
			}
			g := run(t, repo{openai: []string{url}, anthropic: url, calls: "calls", retry: artifact.Retry{Attempts: 5, On: []string{"5xx", "connect", "timeout"}},
				timeouts: artifact.Timeouts{Connect: 20 * time.Second, FirstByte: 20 * time.Second, Idle: 20 * time.Second}}, Options{})
			req := chatRequest(body(tt.model, tt.stream))
			c, br := g.raw(t, req[:len(req)-tt.cut])
			switch {
			case tt.read != "":
				for {
					line, err := br.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(line, tt.read) {
						break
					}
				}
			case tt.answer != nil:
				<-waiting
			case tt.tries >= 0:
				until(t, "the exchange has begun", func() bool { return g.inflight(t) == 1 })
			}
			if tt.name == "before another attempt" {
				time.Sleep(50 * time.Millisecond) // within the 200 ms before it
			}
			c.Close()
			until(t, "no exchange is in flight", func() bool { return g.inflight(t) == 0 })
			time.Sleep(300 * time.Millisecond) // a second record, or another attempt, would come now
			if err := g.stop(); err != nil {
				t.Error(err)
			}
			if tt.tries < 0 {
				return
			}
			rs := g.records(t, "calls", 1)
			if len(rs) != 1 || rs[0]["status"] != tt.status || rs[0]["error"] != "client_abort" {
				t.Errorf("records %v", rs)
			}
			if l, _ := rs[0]["attempts"].([]any); len(l) != tt.tries {
				t.Errorf("%d attempts, want %d", len(l), tt.tries)
			}
			if s := g.log.String(); strings.Contains(s, "panic") {
				t.Error(s)
			}
			for len(waiting) > 0 {
				<-waiting
			}
		})
	}
	close(quit)
	goleak.VerifyNone(t, leaks)
}

// cutServer answers one request on each connection with bytes, written in two pieces of which the first has n bytes.
func cutServer(t *testing.T, answer func(n int) string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err == nil {
				io.Copy(io.Discard, req.Body)
				a := answer(n)
				io.WriteString(c, a[:min(n, len(a))])
				time.Sleep(time.Millisecond)
				io.WriteString(c, a[min(n, len(a)):])
			}
			c.Close()
		}
	})
	return "http://" + ln.Addr().String()
}

const claudeStream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n" +
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"häl\"}}\n\n" +
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n"
const claudeEnd = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\n" +
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
const claudeOverloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"

// readStream reads an OpenAI stream: its text, whether it ended with [DONE], and the error it told of, if any.
func readStream(t *testing.T, body io.Reader) (text string, done bool, failure string, err error) {
	b, err := io.ReadAll(body)
	for event := range strings.SplitSeq(string(b), "\n\n") {
		data, ok := strings.CutPrefix(event, "data: ")
		switch {
		case event == "", strings.HasPrefix(event, ": "):
			continue
		case !ok:
			t.Errorf("no event: %q", event)
			continue
		case data == "[DONE]":
			done = true
			continue
		}
		var m struct {
			Error   *struct{ Message, Type string }
			Choices []struct{ Delta struct{ Content string } }
		}
		if e := json.Unmarshal([]byte(data), &m); e != nil {
			t.Errorf("%v in %q", e, data)
		}
		if m.Error != nil {
			failure = m.Error.Message
		}
		for _, c := range m.Choices {
			text += c.Delta.Content
		}
	}
	return text, done, failure, err
}

func TestATranslatedStreamComesOutTheSameHoweverItIsCut(t *testing.T) {
	whole := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + claudeStream + claudeEnd
	g := run(t, repo{anthropic: cutServer(t, func(int) string { return whole })}, Options{})
	for i := range whole {
		req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"smart","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
		req.Header.Set("x-api-key", testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, done, failure, err := readStream(t, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || text != "hällo" || !done || failure != "" || err != nil {
			t.Fatalf("cut after %d bytes: %d %q done=%v %q %v", i, resp.StatusCode, text, done, failure, err)
		}
	}
}

// openOverloaded is how a server of OpenAI's dialect says within a stream that it is overloaded.
const openOverloaded = `data: {"error":{"message":"Overloaded","type":"server_error","code":"overloaded"}}` + "\n\n"

// A stream that breaks off: a translated one says so in the caller's dialect, one passed through is cut.
func TestStreamsThatBreakOff(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	chunked := head + "Transfer-Encoding: chunked\r\n\r\n"
	ok := func(int) string {
		return "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"B\"}}]}\n\ndata: [DONE]\n\n"
	}
	for _, tt := range []struct {
		name, model, answer string
		text, failure       string
		done, cut           bool
		status              int
		record              any
	}{
		{"translated, cut after content", "smart", chunked + chunk(claudeStream), "hällo", "ended before", false, false, 200, "upstream_protocol"},
		{"translated, a malformed chunk after content", "smart", chunked + chunk(claudeStream) + "zz\r\n", "hällo", "ended before", false, false, 200, "upstream_protocol"},
		{"translated, ends without its end", "smart", chunked + chunk(claudeStream) + "0\r\n\r\n", "hällo", "ended before", false, false, 200, "upstream_protocol"},
		{"translated, an error after content", "smart", chunked + chunk(claudeStream+claudeOverloaded), "hällo", "Overloaded", false, false, 200, "upstream_status"},
		{"translated, an error first", "smart", chunked + chunk(claudeOverloaded) + "0\r\n\r\n", "", "", false, false, 503, "upstream_status"},
		{"translated, all said but the connection reset", "smart", chunked + chunk(claudeStream+claudeEnd), "hällo", "", true, false, 200, nil},
		{"passed through, cut after content", "fast", chunked + chunk("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"A\"}}]}\n\n"), "A", "", false, true, 200, "upstream_protocol"},
		{"passed through, an error first", "fast", chunked + chunk(openOverloaded) + chunk("data: [DONE]\n\n") + "0\r\n\r\n", "B", "", true, false, 200, nil},
		{"passed through, an error first that has no end", "fast", chunked + chunk(openOverloaded), "B", "", true, false, 200, nil},
		{"passed through, an error after a sign of life", "fast", chunked + chunk(": wait\n\n") + chunk(openOverloaded) + "0\r\n\r\n", "", "Overloaded", false, false, 200, "upstream_status"},
		{"passed through, an error after content", "fast", chunked + chunk("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"A\"}}]}\n\n"+openOverloaded) + "0\r\n\r\n", "A", "Overloaded", false, false, 200, "upstream_status"},
		{"passed through, without an event", "fast", chunked + "0\r\n\r\n", "B", "", true, false, 200, nil},
		{"passed through, cut in its first event", "fast", chunked + chunk("data: {\"id\":\"c\",\"choi"), "B", "", true, false, 200, nil},
		{"passed through, ended in its first event", "fast", chunked + chunk("data: {\"id\":\"c\",\"choi") + "0\r\n\r\n", "B", "", true, false, 200, nil},
		{"passed through, cut in its head", "fast", "HTTP/1.1 200 O", "B", "", true, false, 200, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := cutServer(t, func(int) string { return tt.answer })
			g := run(t, repo{openai: []string{first, cutServer(t, ok)}, anthropic: first, calls: "calls"}, Options{})
			req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(`{"model":"`+tt.model+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
			req.Header.Set("x-api-key", testKey)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Fatal(resp.Status)
			}
			if tt.status == 200 {
				text, done, failure, err := readStream(t, resp.Body)
				if text != tt.text || (failure != "") != (tt.failure != "") || !strings.Contains(failure, tt.failure) || tt.failure == "" && done != tt.done || (err != nil) != tt.cut {
					t.Errorf("%q done=%v failure %q, %v", text, done, failure, err)
				}
			}
			if r := g.records(t, "calls", 1)[0]; r["error"] != tt.record {
				t.Errorf("record %v", r)
			}
		})
	}
}

// A target that cannot express the request is passed over; the caller hears of it only if no target can.
func TestATargetThatCannotExpressTheRequestIsPassedOver(t *testing.T) {
	claude, claudes := provider(t, func(_ int, w http.ResponseWriter, _ map[string]any, _ *http.Request) { io.WriteString(w, "{}") })
	var status atomic.Int32
	open, opens := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, _ *http.Request) {
		if s := int(status.Load()); s != 200 {
			w.WriteHeader(s)
			return
		}
		okChat(w, m["model"])
	})
	const impossible = `{"model":"both","n":3,"messages":[{"role":"user","content":"hi"}]}` // Anthropic gives one answer
	for _, tt := range []struct {
		name     string
		kinds    []string
		provider int // status of the OpenAI one
		status   int
		attempts []any
	}{
		{"another target can", []string{"anthropic", "openai"}, 200, 200, []any{"request", nil}},
		{"none can", []string{"anthropic", "anthropic"}, 200, 400, []any{"request", "request"}},
		{"the one that could has failed", []string{"openai", "anthropic"}, 500, 500, []any{"status", "request", "status"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status.Store(int32(tt.provider))
			claudes.Store(0)
			opens.Store(0)
			r := repo{openai: []string{open}, anthropic: claude, calls: "calls"}
			a := r.artifact(t)
			m := artifact.Model{Name: "both", Strategy: "priority", Retry: artifact.Retry{Attempts: 2, On: []string{"5xx"}}, MaxTokens: 100}
			for _, k := range tt.kinds {
				for i, p := range a.Providers {
					if p.Kind == k {
						m.Targets = append(m.Targets, artifact.Target{Provider: i, Model: "m"})
					}
				}
			}
			a.Models = append([]artifact.Model{m}, a.Models...)
			a.Apps[2].Models = []int{0, 1, 2}
			b, err := artifact.Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			g := runBytes(t, b, Options{})
			resp, body := g.do(t, "POST", "/v1/chat/completions", impossible)
			if resp.StatusCode != tt.status {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			rec := g.records(t, "calls", 1)[0]
			var got []any
			for _, a := range rec["attempts"].([]any) {
				got = append(got, a.(map[string]any)["error"])
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.attempts) || claudes.Load() != 0 {
				t.Errorf("attempts %v, want %v; %d calls of the one that cannot", got, tt.attempts, claudes.Load())
			}
		})
	}
}

// What a provider asks for with Retry-After is waited for, in both of its forms, or not tried at all.
func TestRetryAfterIsHonoured(t *testing.T) {
	for _, tt := range []struct {
		name, after string
		status      int
		least       time.Duration
	}{
		{"no wish", "", 200, 200 * time.Millisecond},
		{"a second", "1", 200, time.Second},
		{"a date that has passed", "Mon, 02 Jan 2006 15:04:05 GMT", 200, 200 * time.Millisecond},
		{"too long", "60", 429, 0},
		{"a date far away", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 429, 0},
		{"nonsense", "soon", 200, 200 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var at [2]time.Time
			one, calls := provider(t, func(n int, w http.ResponseWriter, m map[string]any, _ *http.Request) {
				at[(n-1)%2] = time.Now()
				if n == 1 {
					if tt.after != "" {
						w.Header().Set("Retry-After", tt.after)
					}
					w.WriteHeader(429)
					return
				}
				okChat(w, m["model"])
			})
			g := run(t, repo{openai: []string{one}, retry: artifact.Retry{Attempts: 2, On: []string{"429"}}}, Options{})
			resp, _ := g.do(t, "POST", "/v1/chat/completions", chatBody)
			if resp.StatusCode != tt.status {
				t.Fatal(resp.Status)
			}
			if tt.status == 429 {
				if calls.Load() != 1 || resp.Header.Get("Retry-After") != tt.after {
					t.Errorf("%d calls, Retry-After %q", calls.Load(), resp.Header.Get("Retry-After"))
				}
			} else if d := at[1].Sub(at[0]); d < tt.least {
				t.Errorf("called again after %v", d)
			}
		})
	}
}

// No key of the gateway reaches an upstream, whether the route asks for one or not, and whether it is valid or not.
func TestKeysAreNotForwarded(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, n := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key"} {
			fmt.Fprint(w, strings.Join(r.Header.Values(n), ","), ";")
		}
		fmt.Fprint(w, r.Header.Get("X-Gwc-Model"), r.Header.Get("X_Api_Key"))
	}))
	defer up.Close()
	g := run(t, repo{upstream: up.URL}, Options{})
	for _, tt := range []struct {
		name, path string
		header     []string
		want       string
	}{
		{"a valid key where none is needed", "/pets/v1/health", nil, ";;;"},
		{"an unknown key where none is needed", "/pets/v1/health", []string{"Authorization", "Bearer gwc_unknown"}, ";;;"},
		{"a bare key", "/pets/v1/health", []string{"Authorization", "gwc_unknown"}, ";;;"},
		{"a key after a tab", "/pets/v1/health", []string{"Authorization", "Bearer\tgwc_unknown"}, ";;;"},
		{"an old key beside a valid one", "/pets/v1/pets/1", []string{"x-api-key", "gwc_old"}, ";;;"},
		{"a credential for the upstream", "/pets/v1/health", []string{"Authorization", "Basic abc", "x-api-key", "sk-theirs"}, "Basic abc;sk-theirs;;"},
		{"fields of gwc's own", "/pets/v1/health", []string{"x-gwc-model", "forged", "X_Api_Key", "x"}, ";;;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if resp, body := g.do(t, "GET", tt.path, "", tt.header...); resp.StatusCode != 200 || body != tt.want {
				t.Errorf("%d, the upstream got %q, want %q", resp.StatusCode, body, tt.want)
			}
		})
	}
}

func TestARequestIDIsTakenOnlyWhenPlain(t *testing.T) {
	g := run(t, repo{}, Options{})
	for _, tt := range []struct {
		id    string
		taken bool
	}{{"abc-123", true}, {"a:b/c=d+e_f.g", true}, {"a b", false}, {`a"b`, false}, {"a<b", false}, {"ä", false}, {strings.Repeat("x", 65), false}, {strings.Repeat("x", 64), true}} {
		resp, _ := g.do(t, "GET", "/none", "", "X-Request-Id", tt.id)
		if got := resp.Header.Get("X-Request-Id"); (got == tt.id) != tt.taken || got == "" {
			t.Errorf("%q became %q", tt.id, got)
		}
	}
}

// Credentials that change while they are used: each call carries the old or the new, and none fails.
func TestACredentialChangesWhileItIsUsed(t *testing.T) {
	var valid sync.Map
	secret := t.TempDir() + "/key"
	set := func(v string) {
		valid.Store("Bearer "+v, true)
		if err := os.WriteFile(secret+".new", []byte(v+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(secret+".new", secret); err != nil {
			t.Fatal(err)
		}
	}
	set("sk-0")
	var last atomic.Value
	one, _ := provider(t, func(_ int, w http.ResponseWriter, m map[string]any, r *http.Request) {
		a := r.Header.Get("Authorization")
		if _, ok := valid.Load(a); !ok {
			w.WriteHeader(401)
			return
		}
		last.Store(a)
		okChat(w, m["model"])
	})
	g := run(t, repo{openai: []string{one}, creds: []string{"file:" + secret}}, Options{})
	for i := range 5 {
		v := fmt.Sprintf("sk-%d", i+1)
		set(v)
		until(t, "the new credential is used", func() bool {
			resp, body := g.do(t, "POST", "/v1/chat/completions", chatBody)
			if resp.StatusCode != 200 {
				t.Fatal(resp.Status, body)
			}
			return last.Load() == "Bearer "+v
		})
	}
}

// A hundred reloads under load: no request fails, no counter begins anew, nothing is left over; and an upstream that
// is no longer named keeps no connection.
func TestReloadsUnderLoad(t *testing.T) {
	swaps := 100
	if testing.Short() {
		swaps = 20
	}
	leaks := goleak.IgnoreCurrent()
	var conns [2]atomic.Int64
	var ups [2]string
	var stop []func()
	for i := range ups {
		up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/chat/completions" {
				okChat(w, "m")
				return
			}
			io.WriteString(w, "ok")
		}))
		up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				conns[i].Add(1)
			case http.StateClosed:
				conns[i].Add(-1)
			}
		}
		up.Start()
		stop = append(stop, up.Close)
		ups[i] = up.URL
	}
	r := repo{upstream: ups[0], openai: []string{ups[0]}, requests: 500, calls: "calls"}
	g := run(t, r, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	tr := &http.Transport{MaxIdleConnsPerHost: 16}
	client := &http.Client{Transport: tr}
	var wg sync.WaitGroup
	var sent, allowed, limited atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				method, path, key, body := "GET", "/pets/v1/pets/1", testKey, ""
				switch (n + i) % 3 {
				case 1:
					method, path, body = "POST", "/v1/chat/completions", chatBody
				case 2:
					key += "-few"
				}
				req, _ := http.NewRequest(method, g.url+path, strings.NewReader(body))
				req.Header.Set("x-api-key", key)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				sent.Add(1)
				switch {
				case err != nil:
					t.Error(err)
				case resp.StatusCode == 429 && key != testKey:
					limited.Add(1)
				case resp.StatusCode != 200:
					t.Errorf("%s: %s %s", path, resp.Status, text)
				case key != testKey:
					allowed.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	for i := range swaps {
		r.api2 = i%2 == 0
		r.upstream, r.openai = ups[i/2%2], []string{ups[i/2%2]}
		b := r.bytes(t)
		if err := os.WriteFile(g.file+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(g.file+".new", g.file); err != nil {
			t.Fatal(err)
		}
		want := 404
		if r.api2 {
			want = 200
		}
		until(t, "the artifact is loaded", func() bool {
			req, _ := http.NewRequest("GET", g.url+"/pets/v1/extra", nil)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			sent.Add(1)
			return resp.StatusCode == want
		})
	}
	cancel()
	wg.Wait()
	t.Logf("%d requests, %d allowed and %d refused by the limit", sent.Load(), allowed.Load(), limited.Load())
	if n := allowed.Load(); limited.Load() > 0 && n != 500 || n > 500 {
		t.Errorf("a limit of 500 let %d pass", n)
	}
	gone := 1 - (swaps-1)/2%2
	until(t, "the upstream that is no longer named has no connection", func() bool { return conns[gone].Load() == 0 })
	until(t, "no exchange is in flight", func() bool { return g.inflight(t) == 0 })
	if rs := g.records(t, "calls", int(sent.Load())); int64(len(rs)) != sent.Load() {
		t.Errorf("%d records of %d requests", len(rs), sent.Load())
	}
	if err := g.stop(); err != nil {
		t.Error(err)
	}
	tr.CloseIdleConnections()
	for _, f := range stop {
		f()
	}
	goleak.VerifyNone(t, leaks)
}

// TestLargeChatsAreHeldWithinABound: what callers upload side by side cannot grow beyond the bound, and gives its room
// back however it ends.
func TestLargeChatsAreHeldWithinABound(t *testing.T) {
	one, _ := rawProvider(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); okChat(w, "m") })
	g := run(t, repo{openai: []string{one}, calls: "calls"}, Options{HoldAtMost: 1 << 20})
	body := `{"model":"fast","messages":[{"role":"user","content":"` + strings.Repeat("x", 700<<10) + `"}]}`
	send := func(part io.Reader) (int, string) {
		req, _ := http.NewRequest("POST", g.url+"/v1/chat/completions", part)
		req.ContentLength = int64(len(body))
		req.Header.Set("x-api-key", testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Retry-After") + string(b)
	}
	for _, finish := range []bool{true, false} {
		until(t, "one is held while another one is refused", func() bool {
			held, rest := io.Pipe()
			done := make(chan int, 1)
			go func() {
				status, _ := send(held)
				done <- status
			}()
			io.WriteString(rest, body[:600<<10])
			status, text := send(strings.NewReader(body))
			if finish {
				io.WriteString(rest, body[600<<10:])
				rest.Close()
			} else {
				rest.CloseWithError(io.ErrUnexpectedEOF)
			}
			// Where the other one was faster, the first one is refused, or both.
			first := <-done
			return status == 503 && strings.HasPrefix(text, "1{") && strings.Contains(text, "overload") && first == map[bool]int{true: 200}[finish]
		})
		until(t, "there is room again", func() bool {
			status, _ := send(strings.NewReader(body))
			return status == 200
		})
	}
}

// Answers with vectors are collected whole before they are translated; together they are held within the same bound.
func TestLargeVectorsAreHeldWithinABound(t *testing.T) {
	vector := "[" + strings.Repeat("0.125,", 100_000) + "1]" // 600 KB
	one, _ := rawProvider(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `{"model":"m","embeddings":[`+vector+`],"prompt_eval_count":3}`)
	})
	r := repo{openai: []string{one}, calls: "calls"}
	a := r.artifact(t)
	a.Providers[0].Kind, a.Providers[0].Credentials = "ollama", nil
	a.Routes = append(a.Routes, artifact.Route{ID: "ai.embeddings", Kind: artifact.RouteEmbeddings, Method: "POST", Path: "/v1/embeddings", API: -1, Auth: "key"})
	var ps []match.Pattern
	for i := range a.Routes {
		ps = append(ps, match.Pattern{Method: a.Routes[i].Method, Path: a.Routes[i].Path, Value: uint32(i)})
	}
	a.Table, _ = match.Build(ps)
	b, err := artifact.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		bound  int64
		status int
	}{{2 << 20, 200}, {300 << 10, 503}} {
		g := runBytes(t, b, Options{HoldAtMost: c.bound})
		for range 3 { // what one has held, the next may hold
			resp, body := g.do(t, "POST", "/v1/embeddings", `{"model":"fast","input":"a"}`)
			if resp.StatusCode != c.status || c.status == 200 && !strings.Contains(body, vector) || c.status == 503 && resp.Header.Get("Retry-After") != "1" {
				t.Errorf("bound %d: status %d, %d bytes, %.200s", c.bound, resp.StatusCode, len(body), body)
			}
		}
		rec := g.records(t, "calls", 3)[0]
		if want := map[int]any{200: nil, 503: "overload"}[c.status]; rec["error"] != want {
			t.Errorf("bound %d: record %v", c.bound, rec)
		}
	}
}
