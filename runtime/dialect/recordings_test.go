package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
)

// interaction is one recorded request with its answer.
type interaction struct {
	name      string // file, below the corpus, and number
	host      string
	path      string
	request   string
	status    int
	mediaType string
	answer    string
}

func (i *interaction) stream() bool { return strings.HasPrefix(i.mediaType, "text/event-stream") }

// anthropicAnswer and chatAnswer tell whose dialect a recording is in; bodies that came through Vertex or Bedrock are
// Anthropic's as well.
func (i *interaction) anthropicAnswer() bool {
	switch {
	case strings.HasPrefix(i.host, "bedrock-runtime."):
		return strings.HasSuffix(i.path, "/invoke")
	case strings.HasSuffix(i.path, ":rawPredict") || strings.HasSuffix(i.path, ":streamRawPredict"):
		return strings.Contains(i.path, "/publishers/anthropic/")
	}
	return strings.HasSuffix(i.path, "/v1/messages")
}

func (i *interaction) chatAnswer() bool { return strings.HasSuffix(i.path, "/chat/completions") }

// unusable says why a recording cannot be used, "" if it can.
func (i *interaction) unusable() string {
	if i.status != 200 {
		return fmt.Sprintf("status %d", i.status)
	}
	return ""
}

// recordings are the recorded chats of every corpus, in whatever dialect.
func recordings(t testing.TB) []interaction {
	t.Helper()
	return interactions(recorded.Of(t, recorded.Chat, recorded.Messages, recorded.Gemini, recorded.Cohere, recorded.Ollama, recorded.Responses, recorded.Converse))
}

// interactions takes of exchanges what the oracles want. What cannot be used is left out; the matrix lists it.
func interactions(all []*recorded.Exchange) (is []interaction) {
	for _, x := range all {
		if x.Operation == recorded.OpChat && x.Excluded == "" {
			is = append(is, interactionOf(x))
		}
	}
	return is
}

func interactionOf(x *recorded.Exchange) interaction {
	i := interaction{name: x.Corpus + "/" + x.Name, host: x.Host, path: x.Path, request: x.Request, status: x.Status, mediaType: x.MediaType, answer: x.Answer}
	switch {
	case x.Stream == recorded.Array:
		i.mediaType = "array"
	case x.Stream == recorded.Whole && x.Answer != "":
		i.mediaType = "application/json"
	}
	return i
}

// answer is what an answer says, in the words of no dialect.
type answer struct {
	Model     string
	Text      string
	Reasoning string
	Blocks    []thinking
	Tools     []tool
	Stop      string
	Usage     dialect.Usage
	Terminals int
	Others    map[int]string // texts of further choices
}

// other takes the text of another choice than the first.
func (a *answer) other(n int, m *chatMessage) {
	if m != nil && m.Content != nil {
		if a.Others == nil {
			a.Others = map[int]string{}
		}
		a.Others[n] += *m.Content
	}
}

type thinking struct{ Type, Thinking, Signature, Data string }

type tool struct {
	ID, Name  string
	Arguments any
}

// readAnthropic is the oracle: a recorded answer read with encoding/json and without regard for anything rare.
func readAnthropic(t testing.TB, i *interaction) (a answer) {
	t.Helper()
	type usage struct {
		Input  int64 `json:"input_tokens"`
		Output int64 `json:"output_tokens"`
		Read   int64 `json:"cache_read_input_tokens"`
		Write  int64 `json:"cache_creation_input_tokens"`
		By     struct {
			H1 int64 `json:"ephemeral_1h_input_tokens"`
		} `json:"cache_creation"`
		Details struct {
			Thinking int64 `json:"thinking_tokens"`
		} `json:"output_tokens_details"`
	}
	type block struct {
		Type, Text, Thinking, Signature, Data, ID, Name string
		Input                                           json.RawMessage
		json                                            string
	}
	var blocks []*block
	var u usage
	stop := ""
	if i.stream() {
		for line := range strings.Lines(i.answer) {
			data, ok := strings.CutPrefix(line, "data:")
			if !ok {
				continue
			}
			var ev struct {
				Type    string
				Index   int
				Message struct {
					Model   string
					Content []*block
					Stop    string `json:"stop_reason"`
					Usage   usage
				}
				Block *block `json:"content_block"`
				Delta struct {
					Type, Text, Thinking, Signature string
					Partial                         string `json:"partial_json"`
					Stop                            string `json:"stop_reason"`
				}
				Usage json.RawMessage
			}
			if err := json.Unmarshal([]byte(data), &ev); err != nil {
				t.Fatalf("%s: %v", i.name, err)
			}
			switch ev.Type {
			case "message_start":
				a.Model, u, blocks, stop = ev.Message.Model, ev.Message.Usage, ev.Message.Content, ev.Message.Stop
			case "content_block_start":
				blocks = append(blocks, ev.Block)
			case "content_block_delta":
				b := blocks[ev.Index]
				b.Text += ev.Delta.Text
				b.Thinking += ev.Delta.Thinking
				b.Signature += ev.Delta.Signature
				b.json += ev.Delta.Partial
			case "message_delta":
				stop = ev.Delta.Stop
				if err := json.Unmarshal(ev.Usage, &u); err != nil {
					t.Fatal(err)
				}
			case "message_stop":
				a.Terminals++
			}
		}
	} else {
		var m struct {
			Model   string
			Content []*block
			Stop    string `json:"stop_reason"`
			Usage   usage
		}
		if err := json.Unmarshal([]byte(i.answer), &m); err != nil {
			t.Fatalf("%s: %v", i.name, err)
		}
		a.Model, blocks, stop, u = m.Model, m.Content, m.Stop, m.Usage
		a.Terminals = 1
	}
	for _, b := range blocks {
		switch b.Type {
		case "text":
			a.Text += b.Text
		case "thinking":
			a.Reasoning += b.Thinking
			if b.Signature != "" {
				a.Blocks = append(a.Blocks, thinking{"thinking", b.Thinking, b.Signature, ""})
			}
		case "redacted_thinking":
			a.Blocks = append(a.Blocks, thinking{"redacted_thinking", "", "", b.Data})
		case "tool_use":
			in := b.json
			if in == "" {
				in = string(b.Input)
			}
			var v any
			if err := json.Unmarshal([]byte(in), &v); err != nil {
				t.Fatalf("%s: arguments %q: %v", i.name, in, err)
			}
			a.Tools = append(a.Tools, tool{b.ID, b.Name, v})
		}
	}
	a.Stop = map[string]string{"end_turn": "stop", "max_tokens": "length", "stop_sequence": "stop", "tool_use": "tool_calls", "refusal": "content_filter"}[stop]
	a.Usage = dialect.Usage{Input: u.Input + u.Read + u.Write, Output: u.Output, CacheRead: u.Read, CacheWrite: u.Write, CacheWrite1h: u.By.H1, Reasoning: u.Details.Thinking, Known: true}
	return a
}

// chatUsage, chatMessage and chatCompletion are the published shape of the openai-chat dialect.
type chatUsage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	In         struct {
		Cached int64 `json:"cached_tokens"`
		Write  int64 `json:"cache_write_tokens"`
		Audio  int64 `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	Out struct {
		Reasoning int64 `json:"reasoning_tokens"`
		Audio     int64 `json:"audio_tokens"`
	} `json:"completion_tokens_details"`
}

type chatMessage struct {
	Role      string
	Content   *string
	Refusal   *string
	Reasoning string     `json:"reasoning_content"`
	Blocks    []thinking `json:"thinking_blocks"`
	ToolCalls []struct {
		Index    *int
		ID, Type string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

type chatCompletion struct {
	ID, Object, Model string
	Created           int64
	Choices           []struct {
		Index   int
		Message *chatMessage
		Delta   *chatMessage
		Finish  *string `json:"finish_reason"`
	}
	Usage *chatUsage
	Error *struct {
		Message, Type string
		Param, Code   *string
	}
}

// readChat reads an answer in the openai-chat dialect with encoding/json, and fails on anything a strict client would
// trip over.
func readChat(t testing.TB, stream bool, raw []byte) (a answer, failure string) {
	t.Helper()
	args := map[int]*strings.Builder{}
	take := func(m *chatMessage) {
		if m.Content != nil {
			a.Text += *m.Content
		}
		if m.Refusal != nil {
			a.Text += *m.Refusal
		}
		a.Reasoning += m.Reasoning
		a.Blocks = append(a.Blocks, m.Blocks...)
		for n, c := range m.ToolCalls {
			at := n
			if stream {
				if c.Index == nil {
					t.Fatalf("a tool call without an index in %s", raw)
				}
				at = *c.Index
			}
			if args[at] == nil {
				if c.ID == "" || c.Function.Name == "" || c.Type != "function" || at != len(a.Tools) {
					t.Fatalf("tool call %d begins with %+v", at, c)
				}
				args[at] = &strings.Builder{}
				a.Tools = append(a.Tools, tool{ID: c.ID, Name: c.Function.Name})
			} else if c.ID != "" || c.Function.Name != "" {
				t.Fatalf("tool call %d has its id or name twice", at)
			}
			args[at].WriteString(c.Function.Arguments)
		}
	}
	use := func(u *chatUsage) {
		if u.Total != u.Prompt+u.Completion {
			t.Errorf("total_tokens %d is not %d + %d", u.Total, u.Prompt, u.Completion)
		}
		a.Usage = dialect.Usage{Input: u.Prompt, Output: u.Completion, CacheRead: u.In.Cached, CacheWrite: u.In.Write, Reasoning: u.Out.Reasoning, InputAudio: u.In.Audio, OutputAudio: u.Out.Audio, Known: true}
	}
	one := func(doc []byte) {
		if err := jsonscan.Check(doc); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		var c chatCompletion
		if err := json.Unmarshal(doc, &c); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if c.Error != nil {
			failure = c.Error.Message
			a.Terminals++
			return
		}
		if c.ID == "" || c.Created == 0 || c.Model == "" || c.Object != map[bool]string{true: "chat.completion.chunk", false: "chat.completion"}[stream] {
			t.Fatalf("incomplete head: %s", doc)
		}
		a.Model = c.Model
		for _, ch := range c.Choices {
			if ch.Index > 0 {
				a.other(ch.Index, ch.Message)
				a.other(ch.Index, ch.Delta)
				continue
			}
			if ch.Message != nil {
				take(ch.Message)
			}
			if ch.Delta != nil {
				take(ch.Delta)
			}
			if ch.Finish != nil {
				if a.Stop != "" {
					t.Fatalf("two finish reasons")
				}
				a.Stop = *ch.Finish
			}
		}
		if c.Usage != nil {
			use(c.Usage)
		}
	}
	if !stream {
		one(raw)
		if failure == "" {
			a.Terminals = 1
		}
	} else {
		for _, ev := range strings.Split(strings.TrimSuffix(string(raw), "\n\n"), "\n\n") {
			data, ok := strings.CutPrefix(ev, "data: ")
			if !ok || strings.Contains(data, "\n") {
				t.Fatalf("not one data line: %q", ev)
			}
			if a.Terminals > 0 {
				t.Fatalf("%q behind the terminal event", ev)
			}
			if data == "[DONE]" {
				a.Terminals++
				continue
			}
			one([]byte(data))
		}
	}
	for n := range a.Tools {
		if err := json.Unmarshal([]byte(args[n].String()), &a.Tools[n].Arguments); err != nil && failure == "" {
			t.Fatalf("arguments %q: %v", args[n], err)
		}
	}
	return a, failure
}

// events decodes an answer that is cut at the given places.
func events(stream bool, raw string, cuts ...int) (got []dialect.Event) {
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
	d := anthropic.NewDecoder(stream)
	at := 0
	for _, end := range append(cuts, len(raw)) {
		piece := []byte(raw[at:end])
		d.Feed(piece, emit)
		clear(piece) // an event that aliases its input shows
		at = end
	}
	d.Finish(emit)
	return got
}

func checkGrammar(t testing.TB, evs []dialect.Event) {
	t.Helper()
	count, choices := map[dialect.EventKind]int{}, map[int]bool{}
	open := map[int]bool{}
	for n, ev := range evs {
		count[ev.Kind]++
		if n == 0 && ev.Kind != dialect.Start && ev.Kind != dialect.ErrorEvent {
			t.Errorf("the first event is of kind %d", ev.Kind)
		}
		if ev.Kind == dialect.End != (n == len(evs)-1) {
			t.Errorf("End is event %d of %d", n, len(evs))
		}
		if ev.Kind == dialect.ErrorEvent && n != len(evs)-2 {
			t.Errorf("ErrorEvent is event %d of %d", n, len(evs))
		}
		switch ev.Kind {
		case dialect.ToolStart:
			open[ev.Index] = true
		case dialect.ToolDelta:
			if !open[ev.Index] {
				t.Errorf("a fragment for tool call %d, which is not open", ev.Index)
			}
		case dialect.ToolEnd:
			if !open[ev.Index] {
				t.Errorf("an end for tool call %d, which is not open", ev.Index)
			}
			delete(open, ev.Index)
		case dialect.Stop:
			if len(open) > 0 {
				t.Errorf("stop with open tool calls %v", open)
			}
			if choices[ev.Choice] {
				t.Errorf("choice %d stops twice", ev.Choice)
			}
			choices[ev.Choice] = true
		}
	}
	if count[dialect.End] != 1 || count[dialect.Start] > 1 || count[dialect.Stop]+count[dialect.ErrorEvent] < 1 {
		t.Errorf("count by kind: %v", count)
	}
}

// cuttings gives ways to cut n bytes: every byte alone; at one place, every one for short answers; at random places.
func cuttings(n int) (all [][]int) {
	each := make([]int, n)
	for i := range each {
		each[i] = i
	}
	all = append(all, each)
	for i := 0; i < n; i += 1 + n/400 {
		all = append(all, []int{i})
	}
	r := rand.New(rand.NewPCG(uint64(n), 7))
	for range 8 {
		var cuts []int
		for at := r.IntN(1 + n/8); at < n; at += 1 + r.IntN(1+n/8) {
			cuts = append(cuts, at)
		}
		all = append(all, cuts)
	}
	return all
}

func report(t testing.TB, what string, excluded map[string]string) {
	t.Helper()
	names := make([]string, 0, len(excluded))
	for n := range excluded {
		names = append(names, n)
	}
	sort.Strings(names)
	t.Logf("%s; %d excluded", what, len(excluded))
	for _, n := range names {
		t.Logf("excluded: %s: %s", n, excluded[n])
	}
}

// chatOracle reads a recorded chat answer with encoding/json. It knows the field's quirks by host.
func chatOracle(t testing.TB, i *interaction) (u dialect.Usage, stop, model string, hidden int) {
	t.Helper()
	var docs []string
	if i.stream() {
		for line := range strings.Lines(i.answer) {
			if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data:"); ok && strings.TrimSpace(data) != "[DONE]" {
				docs = append(docs, data)
			}
		}
	} else {
		docs = []string{i.answer}
	}
	for _, doc := range docs {
		var c struct {
			chatCompletion
			Groq struct{ Usage *chatUsage } `json:"x_groq"`
			Tier string                     `json:"service_tier"`
		}
		if err := json.Unmarshal([]byte(doc), &c); err != nil {
			t.Fatalf("%s: %v in %s", i.name, err, doc)
		}
		if model == "" {
			model = c.Model
		}
		if len(c.Choices) > 0 && c.Choices[0].Index == 0 && c.Choices[0].Finish != nil && *c.Choices[0].Finish != "" {
			stop = *c.Choices[0].Finish
			if word, old := map[string]string{"function_call": "tool_calls", "eos": "stop"}[stop]; old {
				stop = word
			}
		}
		x := c.Usage
		if x == nil && !u.Known {
			x = c.Groq.Usage
		}
		if x != nil {
			u = dialect.Usage{Input: x.Prompt, Output: x.Completion, CacheRead: x.In.Cached, CacheWrite: x.In.Write, Reasoning: x.Out.Reasoning, InputAudio: x.In.Audio, OutputAudio: x.Out.Audio, Known: true}
			if c.Tier == "priority" || c.Tier == "flex" {
				u.Service = c.Tier
			}
			if i.host == "api.x.ai" || x.Out.Reasoning > x.Completion { // Vercel's gateway, for Gemini
				u.Output += x.Out.Reasoning
			}
		}
		if i.stream() && len(c.Choices) == 0 && c.Usage != nil {
			hidden++
		}
	}
	return u, stop, model, hidden
}

func TestRecordedChatAnswersPassThroughUnharmed(t *testing.T) {
	var streams, bodies, hiddenChunks, withUsage int
	excluded := map[string]string{}
	hosts := map[string]int{}
	for _, i := range recordings(t) {
		if !i.chatAnswer() {
			continue
		}
		if why := i.unusable(); why != "" {
			excluded[i.name] = why
			continue
		}
		hosts[i.host]++
		t.Run(i.name, func(t *testing.T) {
			wantUsage, wantStop, wantModel, hidden := chatOracle(t, &i)
			check := func(how string, tap *openaichat.Tap) {
				t.Helper()
				told := tap.Usage
				told.Stated, told.HasStated = 0, false // the golden invoice holds what providers state
				got := []any{told, string(tap.Stop), tap.Model, tap.Done, tap.Err}
				want := []any{wantUsage, wantStop, wantModel, true, (*dialect.Error)(nil)}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%s: mismatch (-want +got):\n%s", how, diff)
				}
			}
			var tap openaichat.Tap
			tap.Reset(i.stream())
			tap.Feed([]byte(i.answer))
			tap.Finish()
			check("fed whole", &tap)

			// What the filter must give: the recording without the events that hold usage alone.
			visible := i.answer
			if i.stream() {
				visible = ""
				for _, block := range strings.SplitAfter(i.answer, "\n\n") {
					if strings.Contains(block, `"usage":{`) && strings.Contains(strings.ReplaceAll(block, " ", ""), `"choices":[]`) {
						continue
					}
					visible += block
				}
			}
			for _, cuts := range cutsOf(len(i.answer)) {
				tap.Reset(i.stream())
				var out []byte
				at := 0
				for _, end := range append(cuts, len(i.answer)) {
					piece := []byte(i.answer[at:end])
					out = tap.Filter(out, piece)
					clear(piece)
					at = end
				}
				out = tap.FilterEnd(out)
				if string(out) != visible {
					t.Fatalf("cut at %v: %s", cuts, cmp.Diff(visible, string(out)))
				}
				check(fmt.Sprintf("cut at %v", cuts), &tap)
			}
			hiddenChunks += hidden
			if wantUsage.Known {
				withUsage++
			}
			if i.stream() {
				streams++
			} else {
				bodies++
			}
		})
	}
	report(t, fmt.Sprintf("%d streams and %d bodies in the openai-chat dialect from %d hosts, %d with usage, %d usage chunks hidden", streams, bodies, len(hosts), withUsage, hiddenChunks), excluded)
	if streams < 100 || bodies < 100 || hosts["api.openai.com"] < 50 {
		t.Errorf("only %d streams and %d bodies were found: %v", streams, bodies, hosts)
	}
}

// noEqual tells whether a refusal is one that the loss tables name: what is asked for has no equal at the target.
func noEqual(e *dialect.Error) bool {
	switch e.Param {
	case "functions", "function_call", "n", "web_search_options", "response_format", "modalities", "logprobs", "messages[0].content[1]":
		return e.Status == 400 && strings.Contains(e.Message, "not supported by this model's provider")
	}
	return false
}

// anthropicRequest is the published shape of a Messages request.
type anthropicRequest struct {
	Model     string
	MaxTokens int64 `json:"max_tokens"`
	Stream    bool
	System    json.RawMessage
	Messages  []struct {
		Role    string
		Content json.RawMessage
	}
	Tools []struct {
		Name   string
		Schema map[string]any `json:"input_schema"`
	}
	ToolChoice *struct{ Type, Name string } `json:"tool_choice"`
}

type anthropicBlock struct {
	Type, Text, ID, Name, Signature, Data string
	ToolUseID                             string `json:"tool_use_id"`
	Input                                 json.RawMessage
	Content                               json.RawMessage
	Source                                map[string]string
}

func (b *anthropicBlock) blank() bool { return b.Type == "text" && strings.TrimSpace(b.Text) == "" }

// checkAnthropicRequest holds a body against the rules that the API enforces.
func checkAnthropicRequest(body []byte) (r anthropicRequest, err error) {
	if err := jsonscan.Check(body); err != nil {
		return r, err
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, err
	}
	if r.Model == "" || r.MaxTokens < 1 || len(r.Messages) == 0 {
		return r, fmt.Errorf("model %q, max_tokens %d, %d messages", r.Model, r.MaxTokens, len(r.Messages))
	}
	calls := map[string]bool{} // of the assistant turn before
	for n, m := range r.Messages {
		if want := []string{"user", "assistant"}[n%2]; m.Role != want {
			return r, fmt.Errorf("turn %d is the %s's", n, m.Role)
		}
		var blocks []anthropicBlock
		if m.Content[0] == '"' {
			var s string
			if err := json.Unmarshal(m.Content, &s); err != nil {
				return r, err
			}
			blocks = []anthropicBlock{{Type: "text", Text: s}}
		} else if err := json.Unmarshal(m.Content, &blocks); err != nil {
			return r, err
		}
		if len(blocks) == 0 {
			return r, fmt.Errorf("turn %d is empty", n)
		}
		now := map[string]bool{}
		others := false
		for k, b := range blocks {
			switch b.Type {
			case "text":
				others = true
				if b.blank() {
					return r, fmt.Errorf("turn %d block %d is blank", n, k)
				}
			case "image":
				others = true
				if m.Role != "user" || b.Source["type"] == "" {
					return r, fmt.Errorf("turn %d block %d: %+v", n, k, b)
				}
			case "tool_use":
				others = true
				if m.Role != "assistant" || b.ID == "" || now[b.ID] || len(b.Input) == 0 || b.Input[0] != '{' || strings.Trim(b.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
					return r, fmt.Errorf("turn %d block %d: %+v", n, k, b)
				}
				now[b.ID] = true
			case "tool_result":
				if m.Role != "user" || others || !calls[b.ToolUseID] {
					return r, fmt.Errorf("turn %d block %d: a result out of place for %q", n, k, b.ToolUseID)
				}
				delete(calls, b.ToolUseID)
			case "thinking", "redacted_thinking":
				if m.Role != "assistant" || b.Signature == "" && b.Data == "" {
					return r, fmt.Errorf("turn %d block %d: %+v", n, k, b)
				}
			default:
				return r, fmt.Errorf("turn %d block %d is of type %q", n, k, b.Type)
			}
		}
		if len(calls) > 0 {
			return r, fmt.Errorf("turn %d leaves calls unanswered: %v", n, calls)
		}
		calls = now
	}
	if len(calls) > 0 {
		return r, fmt.Errorf("calls unanswered at the end: %v", calls)
	}
	for n, t := range r.Tools {
		if _, several := t.Schema["type"].([]any); t.Name == "" || t.Schema["type"] != "object" && !several {
			return r, fmt.Errorf("tool %d: %+v", n, t)
		}
	}
	return r, nil
}

func TestRecordedChatRequestsBecomeValidMessagesRequests(t *testing.T) {
	done, withTools, withResults := 0, 0, 0
	excluded := map[string]string{}
	dropped := map[string]int{}
	for _, i := range recordings(t) {
		if !i.chatAnswer() {
			continue
		}
		if !json.Valid([]byte(i.request)) {
			excluded[i.name] = "request body is not JSON"
			continue
		}
		t.Run(i.name, func(t *testing.T) {
			r, derr := openaichat.DecodeRequest([]byte(i.request))
			if derr != nil && i.status == 400 {
				excluded[i.name] = "refused by its provider, too: " + derr.Message
				return
			}
			if derr != nil {
				t.Fatalf("refused: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			for _, u := range r.Unsupported {
				dropped[u]++
			}
			body, derr := anthropic.EncodeRequest(nil, r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096})
			if derr != nil && noEqual(derr) {
				excluded[i.name] = derr.Message
				return
			}
			if derr != nil {
				t.Fatalf("refused: %s (%s)\n%s", derr.Message, derr.Param, i.request)
			}
			got, err := checkAnthropicRequest(body)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, i.request, body)
			}
			var in struct {
				Stream   bool
				Tools    []any
				Messages []struct{ Role string }
			}
			if err := json.Unmarshal([]byte(i.request), &in); err != nil {
				t.Fatal(err)
			}
			results := strings.Count(string(body), `"type":"tool_result"`)
			asked := 0
			for _, m := range in.Messages {
				if m.Role == "tool" {
					asked++
				}
			}
			if got.Stream != in.Stream || len(got.Tools) != len(in.Tools) && (len(in.Tools) > 0 || results == 0) || results != asked {
				t.Errorf("stream %v, %d tools, %d results; want %v, %d, %d", got.Stream, len(got.Tools), results, in.Stream, len(in.Tools), asked)
			}
			done++
			if len(in.Tools) > 0 {
				withTools++
			}
			if asked > 0 {
				withResults++
			}
		})
	}
	report(t, fmt.Sprintf("%d chat requests, %d with tools, %d with tool results; fields without a place: %v", done, withTools, withResults, dropped), excluded)
	if done < 200 {
		t.Errorf("only %d requests were found", done)
	}
}

// TestNewestEventTypesDisturbNothing reads the streams of another project's fixtures, which hold server-side tools,
// citations, compaction, fallbacks and more, one event a line. Some of them are made by hand.
func TestNewestEventTypesDisturbNothing(t *testing.T) {
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	files, err := filepath.Glob(filepath.Join(root, "recordings/vercel-ai/packages/anthropic/src/__fixtures__/*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	streams, bodies := 0, 0
	excluded := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(f)
		t.Run(name, func(t *testing.T) {
			i := interaction{name: name, answer: string(raw)}
			if strings.HasSuffix(name, ".chunks.txt") {
				i.mediaType = "text/event-stream"
				var b strings.Builder
				for line := range bytes.Lines(raw) {
					if line = bytes.TrimSpace(line); len(line) > 0 {
						fmt.Fprintf(&b, "data: %s\n\n", line)
					}
				}
				i.answer = b.String()
			}
			evs := events(i.stream(), i.answer)
			checkGrammar(t, evs)
			e := openaichat.NewEncoder(true, true, "chatcmpl-1", 1700000000, "asked")
			var out []byte
			for n := range evs {
				out = e.Event(out, &evs[n])
			}
			got, failure := readChat(t, true, out)
			if got.Terminals != 1 {
				t.Errorf("%d terminal events", got.Terminals)
			}
			switch {
			case name == "spliced-message-start.chunks.txt":
				if failure == "" {
					t.Error("a second message in one stream is not reported")
				}
				excluded[name] = "holds two messages by design; is reported as an error"
				return
			case i.stream() && !strings.Contains(i.answer, `"message_stop"`) && failure != "":
				excluded[name] = "stream without its end; is reported as an error"
				return
			case failure != "":
				t.Fatal(failure)
			}
			if i.stream() {
				streams++
			} else {
				bodies++
			}
		})
	}
	report(t, fmt.Sprintf("%d streams and %d bodies with the newest event types", streams, bodies), excluded)
}
