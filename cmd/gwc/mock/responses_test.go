package mock

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const weatherFunction = `[{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]},"strict":false}]`

func TestResponsesJudgesRequests(t *testing.T) {
	url := start(t, Options{}) + "/v1/responses"
	for _, c := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"a string", `{"model":"gpt-4o","input":"say hi"}`, 200, `"text":"hi"`},
		{"items", `{"model":"gpt-4o","input":[{"role":"developer","content":"x"},{"role":"user","content":[{"type":"input_text","text":"say hi"}]}]}`, 200, `"text":"hi"`},
		{"a call", `{"model":"gpt-4o","input":"weather in Paris?","tools":` + weatherFunction + `}`, 200, `"type":"function_call"`},
		{"structured output", `{"model":"gpt-4o","input":"x","text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}}}}`, 200, `{\"a\":`},
		{"the limit", `{"model":"gpt-4o","input":"count to 100","max_output_tokens":16}`, 200, `"reason":"max_output_tokens"`},
		{"an output without its call", `{"model":"gpt-4o","input":[{"type":"function_call_output","call_id":"c","output":"x"}]}`, 400, "No tool call found"},
		{"a call without its output", `{"model":"gpt-4o","input":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}`, 400, "No tool output found"},
		{"reasoning under another id", `{"model":"gpt-5","input":[{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"` + encrypted("rs_1") + `"}]}`, 400, "invalid_encrypted_content"},
		{"a response that nobody kept", `{"model":"gpt-4o","input":"x","previous_response_id":"resp_1"}`, 400, "previous_response_not_found"},
		{"an unknown field", `{"model":"gpt-4o","input":"x","stop":["y"]}`, 400, "unknown_parameter"},
		{"too small a limit", `{"model":"gpt-4o","input":"x","max_output_tokens":1}`, 400, "integer_below_min_value"},
		{"text of the assistant in the user's", `{"model":"gpt-4o","input":[{"role":"user","content":[{"type":"output_text","text":"x"}]}]}`, 400, "invalid_value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := post(t, url, c.body); status != c.status || !strings.Contains(body, c.says) {
				t.Errorf("status %d: %s", status, body)
			}
		})
	}
}

func TestResponsesStreams(t *testing.T) {
	url := start(t, Options{}) + "/v1/responses"
	status, body := post(t, url, `{"model":"gpt-5","input":"say hello to all of you","stream":true,"reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"]}`)
	if status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	text, number, last := "", 0, ""
	for _, block := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		_, data, _ := strings.Cut(block, "\ndata: ")
		var ev struct {
			Type   string `json:"type"`
			Number int    `json:"sequence_number"`
			Delta  string `json:"delta"`
		}
		if err := json.Unmarshal([]byte(data), &ev); err != nil || ev.Number != number {
			t.Fatalf("event %d: %v: %s", number, err, block)
		}
		if ev.Type == "response.output_text.delta" {
			text += ev.Delta
		}
		number, last = number+1, ev.Type
	}
	if text != "hello to all of you" || last != "response.completed" || !strings.Contains(body, "reasoning_summary_text.delta") || !strings.Contains(body, fmt.Sprintf("%q", "encrypted_content")) {
		t.Errorf("%q, last %s\n%s", text, last, body)
	}
}

func TestCompletionsAnswersAPrompt(t *testing.T) {
	url := start(t, Options{}) + "/v1/completions"
	if status, body := post(t, url, `{"model":"gpt-3.5-turbo-instruct","prompt":["say hi"]}`); status != 200 || !strings.Contains(body, `"text":"hi"`) {
		t.Errorf("status %d: %s", status, body)
	}
	if status, body := post(t, url, `{"model":"gpt-3.5-turbo-instruct","prompt":"say hi","stream":true,"stream_options":{"include_usage":true}}`); status != 200 || !strings.HasSuffix(body, "data: [DONE]\n\n") || !strings.Contains(body, `"choices":[],`) {
		t.Errorf("status %d: %s", status, body)
	}
}
