package mock

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
)

// start runs a mock and returns its root URL.
func start(t *testing.T, o Options) string {
	t.Helper()
	o.Now = func() time.Time { return time.Unix(1700000000, 0) }
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ConnState = h.journal.connState
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer x")
	r.Header.Set("X-Api-Key", "x")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// read decodes into the anonymous structs of these tests, whose fields carry no names where case is all that differs.
func read(body string, v any) error {
	return json.Unmarshal([]byte(body), v, json.MatchCaseInsensitiveNames(true))
}

const weatherTool = `{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["C","F"]}},"required":["city"]}`

func openAITools(more string) string {
	return `"tools":[{"type":"function","function":{"name":"get_weather","parameters":` + weatherTool + `}}]` + more
}

func TestOpenAIRefusesWhatTheProviderRefuses(t *testing.T) {
	url := start(t, Options{}) + "/v1/chat/completions"
	user := `"messages":[{"role":"user","content":"hi"}]`
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"a body that is not JSON":           {`{`, 400, "not valid JSON"},
		"a repeated key":                    {`{"model":"gpt-4o","model":"gpt-5",` + user + `}`, 400, "not valid JSON"},
		"a field that does not exist":       {`{"model":"gpt-4o",` + user + `,"max_output":3}`, 400, `Unknown parameter: 'max_output'.`},
		"a field unknown in a message":      {`{"model":"gpt-4o","messages":[{"role":"user","content":"hi","cache_control":{}}]}`, 400, `messages[0].cache_control`},
		"no messages":                       {`{"model":"gpt-4o"}`, 400, "Missing required parameter: 'messages'."},
		"a model of the other provider":     {`{"model":"claude-sonnet-4-5",` + user + `}`, 404, "model_not_found"},
		"a number where text belongs":       {`{"model":"gpt-4o","messages":[{"role":"user","content":5}]}`, 400, "invalid_type"},
		"a tool message without a call":     {`{"model":"gpt-4o","messages":[{"role":"user","content":"x"},{"role":"tool","tool_call_id":"a","content":"b"}]}`, 400, "must be a response to a preceeding message"},
		"a call that is not answered":       {`{"model":"gpt-4o","messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"y"}]}`, 400, "did not have response messages: a"},
		"temperature above its range":       {`{"model":"gpt-4o","temperature":2.5,` + user + `}`, 400, "decimal_above_max_value"},
		"stream options without a stream":   {`{"model":"gpt-4o","stream_options":{"include_usage":true},` + user + `}`, 400, "stream_options"},
		"a tool choice without tools":       {`{"model":"gpt-4o","tool_choice":"auto",` + user + `}`, 400, "tool_choice"},
		"a role that does not exist":        {`{"model":"gpt-4o","messages":[{"role":"model","content":"hi"}]}`, 400, "Invalid value: 'model'"},
		"an image that is not one":          {`{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%%"}}]}]}`, 400, "invalid_image_url"},
		"five stop sequences":               {`{"model":"gpt-4o","stop":["1","2","3","4","5"],` + user + `}`, 400, "array_above_max_length"},
		"a model that says it is not there": {`{"model":"no-such-model",` + user + `}`, 404, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := post(t, url, c.body)
			if status != c.status || !strings.Contains(body, c.want) || !strings.Contains(body, `{"error":{"message":`) {
				t.Errorf("status %d, body %s; want %d and %q", status, body, c.status, c.want)
			}
		})
	}
}

func TestAnthropicRefusesWhatTheProviderRefuses(t *testing.T) {
	url := start(t, Options{}) + "/v1/messages"
	head := `{"model":"claude-sonnet-4-5","max_tokens":50,`
	use := `{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}}]}`
	for name, c := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"no max_tokens":                      {`{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}`, 400, "max_tokens: Field required"},
		"a model of the other provider":      {`{"model":"gpt-5","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`, 404, "not_found_error"},
		"two user turns in a row":            {head + `"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}`, 400, "roles must alternate"},
		"an assistant turn first":            {head + `"messages":[{"role":"assistant","content":"a"}]}`, 400, "first message must use"},
		"a system turn":                      {head + `"messages":[{"role":"system","content":"a"}]}`, 400, "top-level `system` parameter"},
		"a field of the other dialect":       {head + `"frequency_penalty":1,"messages":[{"role":"user","content":"a"}]}`, 400, "frequency_penalty: Extra inputs are not permitted"},
		"an extra field in a block":          {head + `"messages":[{"role":"user","content":[{"type":"text","text":"a","detail":"low"}]}]}`, 400, "messages.0.content.0.detail: Extra inputs"},
		"an empty text block":                {head + `"messages":[{"role":"user","content":[{"type":"text","text":""}]}]}`, 400, "text content blocks must be non-empty"},
		"temperature of the other range":     {head + `"temperature":1.5,"messages":[{"role":"user","content":"a"}]}`, 400, "temperature: range: 0..1"},
		"a tool use without its result":      {head + `"messages":[{"role":"user","content":"a"},` + use + `,{"role":"user","content":"b"}]}`, 400, "without `tool_result` blocks immediately after: t1"},
		"a result after other content":       {head + `"messages":[{"role":"user","content":"a"},` + use + `,{"role":"user","content":[{"type":"text","text":"b"},{"type":"tool_result","tool_use_id":"t1","content":"c"}]}]}`, 400, "immediately after: t1"},
		"a result for nothing":               {head + `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t9","content":"c"}]}]}`, 400, "unexpected `tool_use_id`"},
		"tool input that is text":            {head + `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":"{}"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1"}]}]}`, 400, "Input should be a valid dictionary"},
		"a tool in the other dialect's form": {head + `"tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"a"}]}`, 400, "Extra inputs"},
		"a schema without a type":            {head + `"tools":[{"name":"f","input_schema":{}}],"messages":[{"role":"user","content":"a"}]}`, 400, "input_schema.type: Field required"},
		"an image type that is not served":   {head + `"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/tiff","data":"aGk="}}]}]}`, 400, "media_type"},
		"a thought that was tampered with":   {head + `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]}`, 400, "Invalid `signature`"},
		"blank at the end of a prefill":      {head + `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b "}]}`, 400, "trailing whitespace"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := post(t, url, c.body)
			if status != c.status || !strings.Contains(body, c.want) || !strings.HasPrefix(body, `{"type":"error","error":{"type":`) {
				t.Errorf("status %d, body %s; want %d and %q", status, body, c.status, c.want)
			}
		})
	}
}

func TestCredentialsAreRequired(t *testing.T) {
	url := start(t, Options{Key: "right"})
	for name, c := range map[string]struct {
		path, header, value string
		status              int
	}{
		"openai without a key":           {"/v1/chat/completions", "X-None", "", 401},
		"openai with another key":        {"/v1/chat/completions", "Authorization", "Bearer wrong", 401},
		"openai with the key":            {"/v1/chat/completions", "Authorization", "Bearer right", 400},
		"anthropic without a key":        {"/v1/messages", "X-None", "", 401},
		"anthropic with another key":     {"/v1/messages", "X-Api-Key", "wrong", 401},
		"anthropic with the key":         {"/v1/messages", "X-Api-Key", "right", 400},
		"the HTTP API asks for no key":   {"/pets", "X-None", "", 422},
		"the key also lists the models":  {"/v1/models", "Authorization", "Bearer right", 200},
		"no key does not list the model": {"/v1/models", "X-None", "", 401},
	} {
		t.Run(name, func(t *testing.T) {
			method := "POST"
			if c.path == "/v1/models" {
				method = "GET"
			}
			r, _ := http.NewRequest(method, url+c.path, strings.NewReader(`{}`))
			r.Header.Set(c.header, c.value)
			if c.header == "X-Api-Key" {
				r.Header.Set("Anthropic-Version", "2023-06-01")
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
}

// said is what both dialects are reduced to, so that one table checks both.
type said struct {
	Text  string
	Calls []string // name and arguments
	Stop  string
}

func readOpenAI(t *testing.T, body string) said {
	t.Helper()
	var a struct {
		Choices []struct {
			Message struct {
				Content   *string
				ToolCalls []openAIToolCall `json:"tool_calls"`
			}
			FinishReason string `json:"finish_reason"`
		}
		Usage openAIUsage
	}
	if err := read(body, &a); err != nil || len(a.Choices) == 0 {
		t.Fatalf("%v: %s", err, body)
	}
	if a.Usage.TotalTokens != a.Usage.PromptTokens+a.Usage.CompletionTokens || a.Usage.PromptTokens == 0 {
		t.Errorf("usage does not add up: %+v", a.Usage)
	}
	s := said{Stop: a.Choices[0].FinishReason}
	if c := a.Choices[0].Message.Content; c != nil {
		s.Text = *c
	}
	for _, k := range a.Choices[0].Message.ToolCalls {
		s.Calls = append(s.Calls, k.Function.Name+k.Function.Arguments)
	}
	return s
}

func readAnthropic(t *testing.T, body string) said {
	t.Helper()
	var a struct {
		Content    []anthropicBlock
		StopReason string `json:"stop_reason"`
	}
	if err := read(body, &a); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	s := said{Stop: a.StopReason}
	for _, b := range a.Content {
		switch b.Type {
		case "text":
			s.Text += *b.Text
		case "tool_use":
			s.Calls = append(s.Calls, *b.Name+string(b.Input))
		}
	}
	return s
}

func TestAnswersFitTheRequest(t *testing.T) {
	url := start(t, Options{})
	add := `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]}`
	for name, c := range map[string]struct {
		text, more string // of an OpenAI request
		want       said
	}{
		"an echo":                           {"Say hello there", "", said{Text: "hello there", Stop: "stop"}},
		"a count":                           {"count to 4", "", said{Text: "1, 2, 3, 4", Stop: "stop"}},
		"a limit of tokens":                 {"count to 400", `,"max_tokens":5`, said{Text: "1, 2, 3", Stop: "length"}},
		"a stop sequence":                   {"count to 9", `,"stop":[" 3"]`, said{Text: "1, 2,", Stop: "stop"}},
		"a tool that the text names":        {"What is the weather in Paris?", "," + openAITools(""), said{Calls: []string{`get_weather{"city":"Paris"}`}, Stop: "tool_calls"}},
		"the same tool once per place":      {"weather for Paris and New York, please", "," + openAITools(""), said{Calls: []string{`get_weather{"city":"Paris"}`, `get_weather{"city":"New York"}`}, Stop: "tool_calls"}},
		"once where parallel is off":        {"weather for Paris and Oslo", `,"parallel_tool_calls":false,` + openAITools(""), said{Calls: []string{`get_weather{"city":"Paris"}`}, Stop: "tool_calls"}},
		"no tool where none is wanted":      {"say hi", "," + openAITools(""), said{Text: "hi", Stop: "stop"}},
		"no tool where none is allowed":     {"say weather", "," + openAITools(`,"tool_choice":"none"`), said{Text: "weather", Stop: "stop"}},
		"a tool where one is demanded":      {"say hi in Oslo", "," + openAITools(`,"tool_choice":"required"`), said{Calls: []string{`get_weather{"city":"Oslo"}`}, Stop: "tool_calls"}},
		"the tool that is demanded by name": {"say hi", "," + openAITools(`,"tool_choice":{"type":"function","function":{"name":"get_weather"}}`), said{Calls: []string{`get_weather{"city":"city"}`}, Stop: "tool_calls"}},
		"two tools with the text's numbers": {"Add and multiply the number 2 and 3", `,"tools":[{"type":"function","function":{"name":"add","parameters":` + add + `}},{"type":"function","function":{"name":"multiply","parameters":` + add + `}}]`,
			said{Calls: []string{`add{"a":2,"b":3}`, `multiply{"a":2,"b":3}`}, Stop: "tool_calls"}},
		"structured output": {"Invent a person called Ada of age 36", `,"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"]}}}`,
			said{Text: `{"age":36,"name":"Ada"}`, Stop: "stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			request := fmt.Sprintf(`{"model":"gpt-4o","messages":[{"role":"user","content":%q}]%s}`, c.text, c.more)
			status, body := post(t, url+"/v1/chat/completions", request)
			if status != 200 {
				t.Fatalf("status %d: %s", status, body)
			}
			if d := cmp.Diff(c.want, readOpenAI(t, body)); d != "" {
				t.Errorf("mismatch (-want +got)\n%s", d)
			}
			if _, again := post(t, url+"/v1/chat/completions", request); again != body {
				t.Errorf("the same request was answered in two ways:\n%s\n%s", body, again)
			}
			// The stream says the same.
			status, body = post(t, url+"/v1/chat/completions", strings.Replace(request, "{", `{"stream":true,"stream_options":{"include_usage":true},`, 1))
			if status != 200 {
				t.Fatalf("status %d: %s", status, body)
			}
			if d := cmp.Diff(c.want, joinOpenAI(t, body)); d != "" {
				t.Errorf("stream mismatch (-want +got)\n%s", d)
			}
		})
	}
}

// joinOpenAI reads a stream, judging its grammar on the way.
func joinOpenAI(t *testing.T, body string) said {
	t.Helper()
	var s said
	var usage *openAIUsage
	events := strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n")
	if last := events[len(events)-1]; last != "data: [DONE]" {
		t.Fatalf("the last event is %q", last)
	}
	for i, e := range events[:len(events)-1] {
		data, ok := strings.CutPrefix(e, "data: ")
		var c struct {
			Choices []struct {
				Delta struct {
					Role, Content *string
					ToolCalls     []openAICall `json:"tool_calls"`
				}
				FinishReason *string `json:"finish_reason"`
			}
			Usage *openAIUsage
		}
		if err := read(data, &c); err != nil || !ok {
			t.Fatalf("event %d: %v: %q", i, err, e)
		}
		if usage != nil || s.Stop != "" && len(c.Choices) > 0 {
			t.Errorf("event %d follows the end", i)
		}
		if usage = c.Usage; len(c.Choices) == 0 {
			continue
		}
		d := c.Choices[0]
		if (d.Delta.Role != nil) != (i == 0) {
			t.Errorf("event %d: role is in the first event only", i)
		}
		if d.Delta.Content != nil {
			s.Text += *d.Delta.Content
		}
		for _, k := range d.Delta.ToolCalls {
			if (k.ID != "") != (*k.Index == len(s.Calls)) {
				t.Errorf("event %d: a call has its id in its first fragment only", i)
			}
			if k.ID != "" {
				s.Calls = append(s.Calls, k.Function.Name)
			}
			s.Calls[*k.Index] += k.Function.Arguments
		}
		if d.FinishReason != nil {
			s.Stop = *d.FinishReason
		}
	}
	if usage == nil {
		t.Error("no usage in the last chunk")
	}
	return s
}

func TestAnthropicStreamHasItsGrammar(t *testing.T) {
	url := start(t, Options{Provider: Anthropic}) + "/v1/messages"
	tools := `"tools":[{"name":"get_weather","input_schema":` + weatherTool + `},{"name":"ping_host","input_schema":{"type":"object"}}]`
	for name, c := range map[string]struct {
		body  string
		order string // event types without deltas, one letter each
	}{
		"text":                        {`"messages":[{"role":"user","content":"say hello"}]`, "S b p e D M"},
		"thinking before text":        {`"thinking":{"type":"enabled","budget_tokens":1024},"max_tokens":2000,"messages":[{"role":"user","content":"say hello"}]`, "S b p e b e D M"},
		"parallel calls":              {tools + `,"messages":[{"role":"user","content":"weather for Paris and Oslo"}]`, "S b p e b e D M"},
		"a call without arguments":    {tools + `,"tool_choice":{"type":"tool","name":"ping_host"},"messages":[{"role":"user","content":"go"}]`, "S b p e D M"},
		"an answer cut at its limits": {`"max_tokens":3,"messages":[{"role":"user","content":"count to 90"}]`, "S b p e D M"},
	} {
		t.Run(name, func(t *testing.T) {
			request := `{"model":"claude-sonnet-4-5",` + c.body + `}`
			if !strings.Contains(request, `"max_tokens"`) {
				request = strings.Replace(request, "{", `{"max_tokens":90,`, 1)
			}
			status, whole := post(t, url, request)
			if status != 200 {
				t.Fatalf("status %d: %s", status, whole)
			}
			_, body := post(t, url, strings.Replace(request, "{", `{"stream":true,`, 1))
			got, order := joinAnthropic(t, body)
			if d := cmp.Diff(c.order, order); d != "" {
				t.Errorf("order mismatch (-want +got)\n%s", d)
			}
			want := readAnthropic(t, whole)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("stream mismatch (-want +got)\n%s", d)
			}
		})
	}
}

func joinAnthropic(t *testing.T, body string) (said, string) {
	t.Helper()
	var s said
	var order []string
	letters := map[string]string{"message_start": "S", "content_block_start": "b", "ping": "p", "content_block_stop": "e", "message_delta": "D", "message_stop": "M"}
	var tool string
	for e := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(e, "event: "), "\ndata: ")
		var v struct {
			Type         string
			ContentBlock anthropicBlock `json:"content_block"`
			Delta        struct {
				Type, Text string
				Partial    string `json:"partial_json"`
				StopReason string `json:"stop_reason"`
			}
		}
		if err := read(data, &v); err != nil || v.Type != name {
			t.Fatalf("%v: %q", err, e)
		}
		if name != "content_block_delta" {
			order = append(order, letters[name])
		}
		switch name {
		case "content_block_start":
			tool = ""
			if v.ContentBlock.Type == "tool_use" {
				s.Calls = append(s.Calls, *v.ContentBlock.Name)
			}
		case "content_block_delta":
			s.Text += v.Delta.Text
			tool += v.Delta.Partial
		case "content_block_stop":
			if n := len(s.Calls); n > 0 && !strings.Contains(s.Calls[n-1], "{") {
				if tool == "" {
					tool = "{}"
				}
				s.Calls[n-1] += tool
			}
		case "message_delta":
			s.Stop = v.Delta.StopReason
		}
	}
	return s, strings.Join(order, " ")
}

func TestBothDialectsAnswerToResultsAndImages(t *testing.T) {
	url := start(t, Options{})
	png := "iVBORw0KGgo="
	_, body := post(t, url+"/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"weather in Oslo"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"4 C"}],`+openAITools("")+`}`)
	if d := cmp.Diff("Here is what I found: get_weather gave 4 C.", readOpenAI(t, body).Text); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	_, body = post(t, url+"/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":99,"messages":[{"role":"user","content":"weather in Oslo"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"get_weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"down","is_error":true}]}]}`)
	if d := cmp.Diff("Here is what I found: get_weather failed with down.", readAnthropic(t, body).Text); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	_, body = post(t, url+"/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"what is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,`+png+`"}}]}]}`)
	want := `This is gpt-4o. You said: "what is it?". My instructions are: "Be brief.". I see 1 image: image/png of 8 bytes.`
	if d := cmp.Diff(want, readOpenAI(t, body).Text); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	_, body = post(t, url+"/v1/messages", `{"model":"claude-haiku-4-5","max_tokens":99,"system":"Be brief.","messages":[{"role":"user","content":[{"type":"text","text":"what is it?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"`+png+`"}}]}]}`)
	if d := cmp.Diff(strings.Replace(want, "gpt-4o", "claude-haiku-4-5", 1), readAnthropic(t, body).Text); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
}

func TestPromptCachesAreWrittenThenRead(t *testing.T) {
	url := start(t, Options{})
	request := `{"model":"claude-sonnet-4-5","max_tokens":9,"system":[{"type":"text","text":"` + strings.Repeat("rule ", 50) + `","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"say hi"}]}`
	var got []anthropicUsage
	for range 2 {
		_, body := post(t, url+"/v1/messages", request)
		var a struct{ Usage anthropicUsage }
		if err := read(body, &a); err != nil {
			t.Fatal(err)
		}
		got = append(got, a.Usage)
	}
	if got[0].CacheCreation == 0 || got[0].CacheRead != 0 || got[1].CacheCreation != 0 || got[1].CacheRead != got[0].CacheCreation || got[0].InputTokens != got[1].InputTokens {
		t.Errorf("first %+v, second %+v", got[0], got[1])
	}
}

func TestChunksSetsTheNumberOfTextEvents(t *testing.T) {
	for _, chunks := range []int{1, 3, 200} {
		url := start(t, Options{Chunks: chunks})
		_, body := post(t, url+"/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":9000,"stream":true,"messages":[{"role":"user","content":"tell me"}]}`)
		if n := strings.Count(body, "text_delta"); n != chunks {
			t.Errorf("%d text events, want %d", n, chunks)
		}
	}
}

func TestFaults(t *testing.T) {
	const plain, stream = `{"model":"gpt-4o","messages":[{"role":"user","content":"count to 30"}]}`, `{"stream":true,"model":"gpt-4o","messages":[{"role":"user","content":"count to 30"}]}`
	for name, c := range map[string]struct {
		fault, body string
		status      int    // 0: no head
		broken      bool   // the body ends with an error
		contains    string // of what could be read
	}{
		"a status":                       {"429", plain, 429, false, "rate_limit_exceeded"},
		"a status of overload":           {"529", stream, 529, false, "Overloaded"},
		"a reset":                        {"reset", plain, 0, false, ""},
		"a close":                        {"close", plain, 0, false, ""},
		"a body that ends early":         {"truncate", plain, 200, true, "chatcmpl-"},
		"a stream that ends early":       {"truncate", stream, 200, true, "chat.completion.chunk"},
		"an error within a stream":       {"midstream-error", stream, 200, false, `data: {"error":`},
		"an error in place of a body":    {"midstream-error", plain, 500, false, "server_error"},
		"a slow body is whole":           {"slow", plain, 200, false, `"usage"`},
		"a slow stream is whole":         {"slow", `{"stream":true,"model":"gpt-4o","messages":[{"role":"user","content":"say a"}]}`, 200, false, "[DONE]"},
		"a body that is not JSON":        {"bad-json", plain, 200, false, "chatcmpl-"},
		"no body":                        {"empty", plain, 200, false, ""},
		"a page":                         {"html", plain, 502, false, "502 Bad Gateway"},
		"a fault that has passed by":     {"500:after 1", plain, 200, false, "chatcmpl-"},
		"a fault for every second":       {"500:every 2", plain, 200, false, "chatcmpl-"},
		"a fault for the first requests": {"503:first 1", plain, 503, false, "Overloaded"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := ParseFault(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			url := start(t, Options{Faults: []Fault{f}})
			r, _ := http.NewRequest("POST", url+"/v1/chat/completions", strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer x")
			resp, err := http.DefaultTransport.RoundTrip(r)
			if (err != nil) != (c.status == 0) {
				t.Fatalf("error %v", err)
			}
			if err != nil {
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if resp.StatusCode != c.status || (err != nil) != c.broken || !strings.Contains(string(b), c.contains) {
				t.Errorf("status %d, error %v, body %s", resp.StatusCode, err, b)
			}
		})
	}
}

func TestBadJSONBreaksOneEventOfAStream(t *testing.T) {
	url := start(t, Options{Faults: []Fault{{Kind: "bad-json"}}})
	_, body := post(t, url+"/v1/chat/completions", `{"stream":true,"model":"gpt-4o","messages":[{"role":"user","content":"count to 30"}]}`)
	broken := 0
	for e := range strings.SplitSeq(strings.TrimSuffix(body, "\n\ndata: [DONE]\n\n"), "\n\n") {
		var v any
		if read(strings.TrimPrefix(e, "data: "), &v) != nil {
			broken++
		}
	}
	if broken != 1 {
		t.Errorf("%d events are not JSON, want 1", broken)
	}
}

func TestFaultGrammar(t *testing.T) {
	for _, s := range []string{"429", "timeout:first 2", "500:every 3", "slow:after 1", "stall"} {
		f, err := ParseFault(s)
		if err != nil || f.String() != s {
			t.Errorf("ParseFault(%q) = %q, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "200", "boom", "429:", "429:first", "429:first 0", "429:often 3", "reset:every -1", "600"} {
		if f, err := ParseFault(s); err == nil {
			t.Errorf("ParseFault(%q) = %q, want an error", s, f)
		}
	}
}

// A client that hangs up is seen, whether the mock was waiting, streaming or stalling.
func TestClientThatGoesAwayIsCounted(t *testing.T) {
	for name, o := range map[string]Options{
		"before the answer": {Faults: []Fault{{Kind: "timeout"}}},
		"in a stream":       {ChunkGap: time.Hour},
		"in a stall":        {Faults: []Fault{{Kind: "stall"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := New(o)
			if err != nil {
				t.Fatal(err)
			}
			arrived := make(chan struct{})
			left := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(arrived)
				defer close(left)
				h.ServeHTTP(w, r)
			}))
			defer s.Close()
			conn, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			body := `{"stream":true,"model":"gpt-4o","messages":[{"role":"user","content":"count to 30"}]}`
			fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			<-arrived
			if name != "before the answer" {
				if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
					t.Fatalf("%q, %v", line, err)
				}
			}
			conn.Close()
			<-left
			if g := h.journal.stats; g.ClientGone != 1 || g.Aborted != 1 || g.Active != 0 {
				t.Errorf("stats %+v", g)
			}
		})
	}
}

func TestPets(t *testing.T) {
	url := start(t, Options{})
	var got bytes.Buffer
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/pets?limit=2", ""},
		{"GET", "/pets/2", ""},
		{"POST", "/pets", `{"name":"Bo","tag":"dog"}`},
		{"GET", "/pets?tag=dog", ""},
		{"PUT", "/pets/4", `{"name":"Boo"}`},
		{"DELETE", "/pets/1", ""},
		{"GET", "/pets/1", ""},
		{"GET", "/pets/x", ""},
		{"GET", "/pets?limit=0", ""},
		{"POST", "/pets", `{"tag":"dog"}`},
		{"POST", "/pets", `{"name":"a","name":"b"}`},
		{"GET", "/nowhere", ""},
	} {
		r, _ := http.NewRequest(c.method, url+c.path, strings.NewReader(c.body))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode >= 400 {
			b = []byte(resp.Header.Get("Content-Type") + "\n")
		}
		fmt.Fprintf(&got, "%s %s %d %s", c.method, c.path, resp.StatusCode, b)
		if len(b) == 0 {
			got.WriteByte('\n')
		}
	}
	want := `GET /pets?limit=2 200 [{"id":1,"name":"Rex","tag":"dog"},{"id":2,"name":"Tom","tag":"cat"}]
GET /pets/2 200 {"id":2,"name":"Tom","tag":"cat"}
POST /pets 201 {"id":4,"name":"Bo","tag":"dog"}
GET /pets?tag=dog 200 [{"id":1,"name":"Rex","tag":"dog"},{"id":4,"name":"Bo","tag":"dog"}]
PUT /pets/4 200 {"id":4,"name":"Boo"}
DELETE /pets/1 204 
GET /pets/1 404 application/problem+json
GET /pets/x 400 application/problem+json
GET /pets?limit=0 400 application/problem+json
POST /pets 422 application/problem+json
POST /pets 400 application/problem+json
GET /nowhere 404 application/problem+json
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
}

func TestJournalHidesCredentials(t *testing.T) {
	url := start(t, Options{})
	r, _ := http.NewRequest("POST", url+"/echo/a%2Fb?q=1", strings.NewReader("hello"))
	r.Header.Set("Authorization", "Bearer very-secret")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answered, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp, err = http.Get(url + "/mock/requests?last=1")
	if err != nil {
		t.Fatal(err)
	}
	recorded, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	for _, b := range [][]byte{answered, recorded} {
		if bytes.Contains(b, []byte("very-secret")) || !bytes.Contains(b, []byte("sha256:")) || !bytes.Contains(b, []byte("hello")) {
			t.Errorf("journal: %s", b)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan net.Addr, 1)
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, Options{Listen: "127.0.0.1:0", Faults: []Fault{{Kind: "timeout"}}, Ready: func(a net.Addr) { ready <- a }})
	}()
	addr := <-ready
	conn, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /pets HTTP/1.1\r\nHost: a\r\n\r\n")
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve returned %v", err)
	}
}

func TestFlagsSetTheirOptions(t *testing.T) {
	var o Options
	fs := Flags(&o)
	err := fs.Parse(strings.Fields("--listen :0 --provider openai --latency 5ms --chunks 7 --chunk-gap 1ms --fault 429:first=2 --fault slow --key k --models a,b"))
	if err != nil {
		t.Fatal(err)
	}
	want := Options{Listen: ":0", Provider: "openai", Latency: 5e6, Chunks: 7, ChunkGap: 1e6, Key: "k", Models: []string{"a", "b"},
		Faults: []Fault{{"status", 429, "first", 2}, {Kind: "slow"}}}
	if d := cmp.Diff(want, o, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Ready" || p.Last().String() == ".Now" }, cmp.Ignore())); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
}

func FuzzChatRequests(f *testing.F) {
	f.Add([]byte(`{"model":"gpt-4o","messages":[{"role":"user","content":"weather for Paris"}],` + openAITools("") + `}`))
	f.Add([]byte(`{"model":"claude-x","max_tokens":5,"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}]}`))
	f.Add([]byte(`{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"count to 5"}]}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"array","items":{"$ref":"#"}}}}}`))
	h, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/v1/chat/completions", "/v1/messages"} {
			r := httptest.NewRequest("POST", path, bytes.NewReader(body))
			r.Header.Set("Authorization", "Bearer x")
			r.Header.Set("Anthropic-Version", "2023-06-01")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
				var v any
				if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
					t.Errorf("%s: %v: %s", path, err, w.Body)
				}
			}
		}
	})
}
