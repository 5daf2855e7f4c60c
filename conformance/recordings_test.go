package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// recording is one exchange with a real provider.
type recording struct {
	name    string // file and number
	kind    string // "openai" or "anthropic"
	request map[string]any
	answer  string
	status  int
	stream  bool
}

// excluded are recordings that cannot be replayed this way, with the reason.
var excluded = map[string]string{
	"TestAnthropicWebSearch": "the answer holds the results of a tool that runs at the provider, which OpenAI's chat has no place for",
}

func readRecordings(t *testing.T, root string) []recording {
	t.Helper()
	var list []recording
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		for name := range excluded {
			if strings.Contains(path, name) {
				return nil
			}
		}
		b, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		if !bytes.Contains(b, []byte("https://api.openai.com/v1/chat/completions")) && !bytes.Contains(b, []byte("https://api.anthropic.com/v1/messages")) {
			return nil
		}
		var file struct {
			Interactions []struct {
				Request  struct{ Body, URL string }
				Response struct {
					Body string
					Code int
				}
			}
		}
		if err := yaml.Unmarshal(b, &file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i, x := range file.Interactions {
			r := recording{name: fmt.Sprintf("%s/%d", strings.TrimSuffix(path, ".yaml"), i), answer: x.Response.Body, status: x.Response.Code}
			switch {
			case strings.HasPrefix(x.Request.URL, "https://api.openai.com/v1/chat/completions"):
				r.kind = "openai"
			case strings.HasPrefix(x.Request.URL, "https://api.anthropic.com/v1/messages"):
				r.kind = "anthropic"
			default:
				continue
			}
			if err := json.Unmarshal([]byte(x.Request.Body), &r.request); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.stream, _ = r.request["stream"].(bool)
			list = append(list, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// replayer is a provider that answers with recordings. Which one, and how it is cut, stands in the request: the mark
// "replay:<number>:<cut>".
type replayer struct {
	list []recording
	mu   sync.Mutex
	last map[int]string // the last request for each recording
}

var replayMark = regexp.MustCompile(`replay:(\d+):([a-z0-9-]+)`)

// serve is a [script].
func (p *replayer) serve(c net.Conn, r *seen) bool {
	m := replayMark.FindSubmatch(r.Body)
	if m == nil {
		return answerWith("HTTP/1.1 400 Bad Request\r\nContent-Length: 7\r\n\r\nno mark")(c, r)
	}
	n, _ := strconv.Atoi(string(m[1]))
	p.mu.Lock()
	p.last[n] = string(r.Body)
	p.mu.Unlock()
	x := p.list[n]
	kind := "application/json"
	if x.stream {
		kind = "text/event-stream; charset=utf-8"
	}
	cut := string(m[2])
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", x.status, http.StatusText(x.status), kind)
	var whole bytes.Buffer
	var bounds []int // where writes end
	switch {
	case cut == "whole" && !x.stream:
		fmt.Fprintf(&whole, "%sContent-Length: %d\r\n\r\n%s", head, len(x.answer), x.answer)
	case cut == "whole":
		fmt.Fprintf(&whole, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(x.answer), x.answer)
	case cut == "bytes":
		// A chunk for every byte: the gateway's decoders see every cut there can be, however the kernel joins writes.
		fmt.Fprintf(&whole, "%sTransfer-Encoding: chunked\r\n\r\n", head)
		for i := range len(x.answer) {
			whole.Write([]byte{'1', '\r', '\n', x.answer[i], '\r', '\n'})
		}
		whole.WriteString("0\r\n\r\n")
	default: // a seed
		seed, _ := strconv.ParseUint(strings.TrimPrefix(cut, "seed-"), 10, 64)
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		fmt.Fprintf(&whole, "%sTransfer-Encoding: chunked\r\n\r\n", head)
		for rest := x.answer; rest != ""; {
			k := min(len(rest), 1+random.IntN(1+random.IntN(300)))
			fmt.Fprintf(&whole, "%x\r\n%s\r\n", k, rest[:k])
			rest = rest[k:]
			bounds = append(bounds, whole.Len()-random.IntN(3))
		}
		whole.WriteString("0\r\n\r\n")
	}
	b := whole.Bytes()
	at := 0
	for i, end := range append(bounds, len(b)) {
		if _, err := c.Write(b[at:end]); err != nil {
			return false
		}
		if at = end; i%20 == 19 {
			time.Sleep(200 * time.Microsecond) // now and then the reader is waiting for the next piece
		}
	}
	return true
}

// meaning is what an answer says, whatever dialect it came in.
type meaning struct {
	Text                       string
	Calls                      []toolCall // arguments as canonical JSON
	Stop                       string
	In, Out, Cached, Reasoning float64
}

func canonical(t testing.TB, text string) string {
	t.Helper()
	if text == "" {
		text = "{}"
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("arguments %q: %v", text, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parse(t testing.TB, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v: %.500q", err, text)
	}
	return m
}

// dig follows names and indices; nil where there is nothing.
func dig(v any, path ...any) any {
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

func text(v any) string    { s, _ := v.(string); return s }
func number(v any) float64 { n, _ := v.(float64); return n }

// events splits a stream the naive way; replayed streams are well formed.
func events(stream string) []string {
	var list []string
	for block := range strings.SplitSeq(strings.ReplaceAll(stream, "\r\n", "\n"), "\n\n") {
		var data []string
		for line := range strings.SplitSeq(block, "\n") {
			if d, ok := strings.CutPrefix(line, "data:"); ok {
				data = append(data, strings.TrimPrefix(d, " "))
			}
		}
		if data != nil {
			list = append(list, strings.Join(data, "\n"))
		}
	}
	return list
}

// openAIMeaning reads an answer or a stream of OpenAI's chat dialect.
func openAIMeaning(t testing.TB, body string, stream bool) meaning {
	t.Helper()
	var m meaning
	usage := func(v any) {
		if v == nil {
			return
		}
		m.In, m.Out = number(dig(v, "prompt_tokens")), number(dig(v, "completion_tokens"))
		m.Cached = number(dig(v, "prompt_tokens_details", "cached_tokens"))
		m.Reasoning = number(dig(v, "completion_tokens_details", "reasoning_tokens"))
	}
	if !stream {
		v := parse(t, body)
		m.Text, m.Stop = text(dig(v, "choices", 0, "message", "content")), text(dig(v, "choices", 0, "finish_reason"))
		for _, c := range asList(dig(v, "choices", 0, "message", "tool_calls")) {
			m.Calls = append(m.Calls, toolCall{text(dig(c, "function", "name")), canonical(t, text(dig(c, "function", "arguments")))})
		}
		usage(dig(v, "usage"))
		return m
	}
	list := events(body)
	if len(list) == 0 || list[len(list)-1] != "[DONE]" || slices.Index(list, "[DONE]") != len(list)-1 {
		t.Fatalf("the stream has not one [DONE] at its end: %.300q", body[max(0, len(body)-300):])
	}
	for _, e := range list[:len(list)-1] {
		v := parse(t, e)
		m.Text += text(dig(v, "choices", 0, "delta", "content"))
		for _, c := range asList(dig(v, "choices", 0, "delta", "tool_calls")) {
			if i := int(number(dig(c, "index"))); i == len(m.Calls) {
				m.Calls = append(m.Calls, toolCall{})
			} else if i > len(m.Calls) {
				t.Fatalf("call %d before call %d", i, len(m.Calls))
			}
			k := &m.Calls[int(number(dig(c, "index")))]
			k.Name += text(dig(c, "function", "name"))
			k.Arguments += text(dig(c, "function", "arguments"))
		}
		if s := text(dig(v, "choices", 0, "finish_reason")); s != "" {
			m.Stop = s
		}
		usage(dig(v, "usage"))
	}
	for i := range m.Calls {
		m.Calls[i].Arguments = canonical(t, m.Calls[i].Arguments)
	}
	return m
}

// anthropicMeaning reads an answer or a stream of Anthropic's dialect into OpenAI's terms.
func anthropicMeaning(t testing.TB, body string, stream bool) meaning {
	t.Helper()
	var m meaning
	counts := map[string]float64{}
	usage := func(v any) {
		u, _ := v.(map[string]any)
		for k, n := range u {
			if f, ok := n.(float64); ok {
				counts[k] = f // later ones are totals, not increments
			}
		}
	}
	stop := ""
	if !stream {
		v := parse(t, body)
		stop = text(dig(v, "stop_reason"))
		usage(dig(v, "usage"))
		for _, b := range asList(dig(v, "content")) {
			switch text(dig(b, "type")) {
			case "text":
				m.Text += text(dig(b, "text"))
			case "tool_use":
				in, err := json.Marshal(dig(b, "input"))
				if err != nil {
					t.Fatal(err)
				}
				m.Calls = append(m.Calls, toolCall{text(dig(b, "name")), canonical(t, string(in))})
			}
		}
	} else {
		calls := map[float64]int{} // by block
		for _, e := range events(body) {
			v := parse(t, e)
			index := number(dig(v, "index"))
			switch text(dig(v, "type")) {
			case "message_start":
				usage(dig(v, "message", "usage"))
			case "content_block_start":
				if text(dig(v, "content_block", "type")) == "tool_use" {
					calls[index] = len(m.Calls)
					m.Calls = append(m.Calls, toolCall{Name: text(dig(v, "content_block", "name"))})
				}
			case "content_block_delta":
				m.Text += text(dig(v, "delta", "text"))
				if i, ok := calls[index]; ok {
					m.Calls[i].Arguments += text(dig(v, "delta", "partial_json"))
				}
			case "message_delta":
				stop = text(dig(v, "delta", "stop_reason"))
				usage(dig(v, "usage"))
			}
		}
		for i := range m.Calls {
			m.Calls[i].Arguments = canonical(t, m.Calls[i].Arguments)
		}
	}
	m.Stop = map[string]string{"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}[stop]
	m.In = counts["input_tokens"] + counts["cache_read_input_tokens"] + counts["cache_creation_input_tokens"]
	m.Out, m.Cached = counts["output_tokens"], counts["cache_read_input_tokens"]
	return m
}

// TestRecordingsReplay sends each recorded answer through the gateway to an OpenAI client, whole, cut at every byte
// and cut at random, and compares what it means with what was recorded; the tokens in the call log too.
func TestRecordingsReplay(t *testing.T) {
	corpora := os.Getenv("GWC_CORPORA")
	if corpora == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	list := readRecordings(t, filepath.Join(corpora, "recordings", "fantasy"))
	if len(list) < 90 {
		t.Fatalf("only %d recordings were found", len(list))
	}
	replay := &replayer{list: list, last: map[int]string{}}
	up := newScripted(t)
	up.on("/v1/chat/completions", replay.serve)
	up.on("/v1/messages", replay.serve)
	g := serve(t, aiRepo(up.url(), up.url()), rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=" + providerKey}})
	cuts := []string{"whole", "bytes", "seed-1", "seed-2", "seed-3"}
	if testing.Short() {
		cuts = cuts[:3]
	}
	wanted := map[string]meaning{} // by the request id of the call record
	var mu sync.Mutex
	t.Run("replay", func(t *testing.T) {
		for i, r := range list {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				var want meaning
				if r.kind == "openai" {
					want = openAIMeaning(t, r.answer, r.stream)
				} else {
					want = anthropicMeaning(t, r.answer, r.stream)
				}
				if want.Stop == "" || want.Out == 0 {
					t.Fatalf("the recording is not whole: %+v", want)
				}
				for _, cut := range cuts {
					body := replayRequest(t, r, fmt.Sprintf("replay:%d:%s", i, cut))
					status, head, got := post(t, g.URL+"/v1/chat/completions", appKey, body)
					if status != 200 {
						t.Fatalf("%s: status %d: %s", cut, status, got)
					}
					if d := cmp.Diff(want, openAIMeaning(t, got, r.stream)); d != "" {
						t.Errorf("%s: mismatch (-want +got)\n%s", cut, d)
					}
					// Bytes of the caller's own dialect are passed as they came.
					if r.kind == "openai" && got != r.answer {
						t.Errorf("%s: the bytes differ: %s", cut, cmp.Diff(r.answer, got))
					}
					mu.Lock()
					wanted[head.Get("X-Request-Id")] = want
					mu.Unlock()
				}
			})
		}
	})
	records, err := g.Records(len(list) * len(cuts))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		want, ok := wanted[text(r["request_id"])]
		if !ok {
			t.Errorf("record of nothing: %v", r)
			continue
		}
		got := meaning{In: number(dig(r["tokens"], "input")), Out: number(dig(r["tokens"], "output")), Cached: number(dig(r["tokens"], "cache_read"))}
		if got.In != want.In || got.Out != want.Out || got.Cached != want.Cached || r["error"] != nil {
			t.Errorf("tokens of the record %v, want %+v", r, want)
		}
	}
}

// replayRequest is the request that the recording answers: the recorded one where the dialect is the caller's, else
// one that asks in general.
func replayRequest(t testing.TB, r recording, mark string) string {
	t.Helper()
	request := map[string]any{}
	if r.kind == "openai" {
		for k, v := range r.request {
			request[k] = v
		}
		request["model"], request["user"] = "passed", mark
	} else {
		request["model"], request["stream"] = "translated", r.stream
		request["messages"] = []any{map[string]any{"role": "user", "content": "Go on. " + mark}}
		if r.stream {
			request["stream_options"] = map[string]any{"include_usage": true}
		}
	}
	b, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
