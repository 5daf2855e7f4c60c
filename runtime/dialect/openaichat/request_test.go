package openaichat

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
)

func TestRequestsAreReadIntoTheNeutralModel(t *testing.T) {
	user := func(s string) dialect.Message {
		return dialect.Message{Role: dialect.User, Parts: []dialect.Part{{Kind: dialect.Text, Text: s, At: -1}}}
	}
	at := func(m dialect.Message, i int) dialect.Message { m.At = i; return m }
	const hi = `"model":"m","messages":[{"role":"user","content":"hi"}]`
	for _, c := range []struct {
		name, body string
		want       dialect.Request
	}{
		{"the least", `{` + hi + `}`, dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}}},
		{"null says nothing", `{` + hi + `,"temperature":null,"top_p":null,"max_tokens":null,"max_completion_tokens":null,"stop":null,"stream":null,"stream_options":null,
			"tools":null,"tool_choice":null,"parallel_tool_calls":null,"user":null,"n":null,"seed":null,"logprobs":null,"response_format":null,"reasoning_effort":null,"audio":null}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}}},
		{"defaults say nothing", `{` + hi + `,"n":1,"logprobs":false,"store":false,"logit_bias":{},"frequency_penalty":0,"presence_penalty":0.0,"modalities":["text"],"response_format":{"type":"text"},"service_tier":"auto","metadata":{ }}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}}},
		{"settings", `{` + hi + `,"temperature":0.5,"top_p":1,"top_k":40,"max_tokens":7,"stop":"END","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"user":"u","parallel_tool_calls":false,"reasoning_effort":"minimal"}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Temperature: new(0.5), TopP: new(1.0), TopK: new(int64(40)), MaxTokens: new(int64(7)),
				Stop: []string{"END"}, Stream: true, IncludeUsage: true, User: "u", Parallel: new(false), Reasoning: "minimal", Unsupported: []string{"stream_options.include_obfuscation"}}},
		{"the newer names", `{` + hi + `,"max_completion_tokens":9,"stop":["a","b\n"],"user":"old","safety_identifier":"s"}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, MaxTokens: new(int64(9)), Stop: []string{"a", "b\n"}, User: "s"}},
		{"what OpenAI's relatives have as well", `{"n":2,"seed":-7,"logprobs":true,"top_logprobs":3,"logit_bias":{"50256":-100},"frequency_penalty":0.5,"presence_penalty":-1,"metadata":{"a":"b"},"service_tier":"flex","verbosity":"low",
			"modalities":["text","audio"],"audio":{"voice":"alloy","format":"mp3"},` + hi + `}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Choices: new(int64(2)), Seed: new(int64(-7)), Logprobs: new(int64(3)), LogitBias: []byte(`{"50256":-100}`), FrequencyPenalty: new(0.5), PresencePenalty: new(-1.0),
				Metadata: []byte(`{"a":"b"}`), ServiceTier: "flex", Verbosity: "low", Modalities: []string{"text", "audio"}, Voice: &dialect.Voice{Name: "alloy", Format: "mp3"}}},
		{"what has no place is named", `{"store":true,"prediction":{},"functions":[{"name":"f"}],"x.y":1,` + hi + `}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Unsupported: []string{"store", "prediction", "functions", "x_y"}}},
		{"escaped names are names", `{"mod\u0065l":"m","messages":[{"r\u006fle":"user","content":"hi"}],"str\u0065am":true}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Stream: true}},
		{"system and developer texts are lifted out in order", `{"model":"m","messages":[{"role":"system","content":"a"},{"role":"user","content":"hi"},{"role":"developer","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"c"}]}]}`,
			dialect.Request{Model: "m", System: []dialect.Part{{Text: "a", At: -1}, {Text: "b", Cache: dialect.Cache1h}, {Text: "c", At: 1}}, Messages: []dialect.Message{at(user("hi"), 1)}}},
		{"images", `{"model":"m","messages":[{"role":"user","name":"bob","content":[{"type":"text","text":"what?"},{"type":"image_url","image_url":{"url":"https://x.test/a.png","detail":"low"}},{"type":"image_url","image_url":{"url":"DATA:image/PNG;charset=x;base64,AAAA"}}]}]}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{{Name: "bob", Parts: []dialect.Part{{Text: "what?"}, {Kind: dialect.Image, URL: "https://x.test/a.png", Detail: "low", At: 1}, {Kind: dialect.Image, MediaType: "image/png", Data: "AAAA", At: 2}}}}}},
		{"parts without a place are named by their place", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}},{"type":"file","file":{"file_id":"f"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA=="}},{"type":"file","file":{"file_data":"data:text/plain;base64,AA=="}}]}]}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{{Parts: []dialect.Part{{Text: "x"}, {Kind: dialect.Audio, MediaType: "audio/wav", Data: "UklG", At: 1}, {Kind: dialect.Document, MediaType: "application/pdf", Data: "AA==", Name: "a.pdf", At: 3}}}},
				Unsupported: []string{"messages[0].content[2].file", "messages[0].content[4].file"}}},
		{"calls and results", `{"model":"m","messages":[{"role":"assistant","content":null,"refusal":null,"audio":null,"annotations":[],"function_call":null,"tool_calls":[{"id":"c1","type":"function","index":0,"function":{"name":"f","arguments":"{\"a\":\"é\\n\"}"}},{"id":"c2","function":{"name":"g","arguments":""}}]},
			{"role":"tool","tool_call_id":"c2","content":"ok","cache_control":{"type":"ephemeral"}},{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"t"}],"is_error":true}]}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{
				{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.ToolCall, ID: "c1", Name: "f", Arguments: "{\"a\":\"é\\n\"}"}, {Kind: dialect.ToolCall, ID: "c2", Name: "g", At: 1}}},
				{Role: dialect.Tool, At: 1, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "c2", At: -1, Cache: dialect.Cache5m, Content: []dialect.Part{{Text: "ok", At: -1}}}}},
				{Role: dialect.Tool, At: 2, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "c1", At: -1, IsError: true, Content: []dialect.Part{{Text: "t"}}}}}}}},
		{"thinking comes first, whatever the order of members", `{"model":"m","messages":[{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}],"content":"so","refusal":"no","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"xx"}],"reasoning_content":"hm","role":"assistant"}]}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.Thinking, Text: "hm", Signature: "sig"}, {Kind: dialect.RedactedThinking, Data: "xx", At: 1},
				{Kind: dialect.Text, Text: "so", At: -1}, {Kind: dialect.Refusal, Text: "no", At: -1}, {Kind: dialect.ToolCall, ID: "c", Name: "f", Arguments: "{}"}}}}}},
		{"reasoning without a signature has no place", `{"model":"m","messages":[{"role":"assistant","content":"so","reasoning_content":"hm"},{"role":"assistant","content":"so","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":null}]}]}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{{Text: "so", At: -1}}}, {Role: dialect.Assistant, At: 1, Parts: []dialect.Part{{Text: "so", At: -1}}}},
				Unsupported: []string{"messages[0].reasoning_content", "messages[1].thinking_blocks[0].signature"}}},
		{"refusals as parts", `{"model":"m","messages":[{"role":"assistant","content":[{"type":"refusal","refusal":"no"},{"type":"text","text":"but"}]}]}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.Refusal, Text: "no"}, {Text: "but", At: 1}}}}}},
		{"tools", `{` + hi + `,"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"function":{"name":"g"},"type":"function","cache_control":{"type":"ephemeral"}},{"type":"custom","custom":{"name":"c"}}],"tool_choice":{"type":"function","function":{"name":"g"}}}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Tools: []dialect.ToolDef{{Name: "f", Description: "d", Parameters: []byte(`{"type":"object"}`), Strict: new(true)}, {Name: "g", Cache: dialect.Cache5m}},
				ToolChoice: dialect.ToolChoice{Mode: "tool", Name: "g"}, Unsupported: []string{"tools[2].custom"}}},
		{"a choice before the tools", `{"tool_choice":"required","tools":[{"type":"function","function":{"name":"f"}}],` + hi + `}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Tools: []dialect.ToolDef{{Name: "f"}}, ToolChoice: dialect.ToolChoice{Mode: "required"}}},
		{"allowed tools narrow the tools", `{` + hi + `,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Tools: []dialect.ToolDef{{Name: "g"}}, ToolChoice: dialect.ToolChoice{Mode: "auto"}}},
		{"a schema for the answer", `{` + hi + `,"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","strict":true,"schema":{"type":"object"}}}}`,
			dialect.Request{Model: "m", Messages: []dialect.Message{user("hi")}, Format: dialect.Format{Kind: "json_schema", Name: "n", Description: "d", Strict: new(true), Schema: []byte(`{"type":"object"}`)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			got, err := DecodeRequest(body)
			if err != nil {
				t.Fatalf("%s (%s)", err.Message, err.Param)
			}
			clear(body) // a request that aliases its body shows
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusalsNameThePlaceAndTheCause(t *testing.T) {
	message := func(m string) string { return `{"model":"m","messages":[{"role":"user","content":"x"},` + m + `]}` }
	with := func(s string) string { return `{"model":"m","messages":[{"role":"user","content":"x"}],` + s + `}` }
	for _, c := range []struct{ name, body, param, code, says string }{
		{"not JSON", `{"model":`, "", "invalid_json", "byte 9"},
		{"a list", `[]`, "", "invalid_json", "object"},
		{"a repeated name", `{"model":"m","messages":[{"role":"user","role":"system","content":"x"}]}`, "", "invalid_json", `"role" stands twice`},
		{"a repeated name in another spelling", with(`"mod\u0065l":"n"`), "", "invalid_json", `"model" stands twice`},
		{"a repeated name deep in a schema", with(`"tools":[{"type":"function","function":{"name":"f","parameters":{"a":{"b":1,"b":2}}}}]`), "", "invalid_json", `"b" stands twice`},
		{"no model", `{"messages":[]}`, "messages", "empty_array", ""},
		{"no model but messages", `{"messages":[{"role":"user","content":"x"}]}`, "model", "missing_required_parameter", ""},
		{"a model that is no string", `{"model":1}`, "model", "invalid_type", "a number"},
		{"no messages", `{"model":"m"}`, "messages", "missing_required_parameter", ""},
		{"messages that are no list", `{"model":"m","messages":{}}`, "messages", "invalid_type", "an object"},
		{"a message that is no object", message(`"x"`), "messages[1]", "invalid_type", "a string"},
		{"no role", message(`{"content":"x"}`), "messages[1].role", "missing_required_parameter", ""},
		{"an unknown role", message(`{"role":"robot","content":"x"}`), "messages[1].role", "invalid_value", "'developer'"},
		{"the role function", message(`{"role":"function","name":"f","content":"x"}`), "messages[1].role", "unsupported_value", "deprecated"},
		{"no content", message(`{"role":"user"}`), "messages[1].content", "missing_required_parameter", ""},
		{"null content", message(`{"role":"user","content":null}`), "messages[1].content", "invalid_type", "null"},
		{"content that is an object", message(`{"role":"system","content":{}}`), "messages[1].content", "invalid_type", ""},
		{"an empty list of parts", message(`{"role":"user","content":[]}`), "messages[1].content", "empty_array", ""},
		{"an assistant without anything", message(`{"role":"assistant"}`), "messages[1].content", "missing_required_parameter", ""},
		{"a part that is no object", message(`{"role":"user","content":["x"]}`), "messages[1].content[0]", "invalid_type", ""},
		{"a part without type", message(`{"role":"user","content":[{"text":"x"}]}`), "messages[1].content[0].type", "missing_required_parameter", ""},
		{"a part of an unknown type", message(`{"role":"user","content":[{"type":"text","text":"x"},{"type":"video"}]}`), "messages[1].content[1].type", "invalid_value", "'image_url'"},
		{"an image from the assistant", message(`{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"x"}}]}`), "messages[1].content[0].type", "invalid_value", "'refusal'"},
		{"an image in the system text", message(`{"role":"system","content":[{"type":"image_url","image_url":{"url":"x"}}]}`), "messages[1].content[0].type", "invalid_value", "'text'"},
		{"a text part without text", message(`{"role":"user","content":[{"type":"text"}]}`), "messages[1].content[0].text", "missing_required_parameter", ""},
		{"a text that is a number", message(`{"role":"user","content":[{"type":"text","text":1}]}`), "messages[1].content[0].text", "invalid_type", ""},
		{"an image without URL", message(`{"role":"user","content":[{"type":"image_url","image_url":{}}]}`), "messages[1].content[0].image_url.url", "missing_required_parameter", ""},
		{"an image as a string", message(`{"role":"user","content":[{"type":"image_url","image_url":"https://x"}]}`), "messages[1].content[0].image_url", "invalid_type", ""},
		{"a data URL that is not base64", message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,AAAA"}}]}`), "messages[1].content[0].image_url.url", "invalid_image_url", ""},
		{"a file part without a file", message(`{"role":"user","content":[{"type":"file"}]}`), "messages[1].content[0].file", "missing_required_parameter", ""},
		{"a file that is a string", message(`{"role":"user","content":[{"type":"file","file":"x"}]}`), "messages[1].content[0].file", "invalid_type", ""},
		{"a result without its call", message(`{"role":"tool","content":"x"}`), "messages[1].tool_call_id", "missing_required_parameter", ""},
		{"a call without id", message(`{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}`), "messages[1].tool_calls[0].id", "missing_required_parameter", ""},
		{"a call without function", message(`{"role":"assistant","tool_calls":[{"id":"c","type":"function"}]}`), "messages[1].tool_calls[0].function", "missing_required_parameter", ""},
		{"a call with arguments as an object", message(`{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":{}}}]}`), "messages[1].tool_calls[0].function.arguments", "invalid_type", ""},
		{"a call of another type", message(`{"role":"assistant","tool_calls":[{"id":"c","type":"x"}]}`), "messages[1].tool_calls[0].type", "invalid_value", ""},
		{"the old function_call", message(`{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}}`), "messages[1].function_call", "unsupported_parameter", "deprecated"},
		{"thinking of another type", message(`{"role":"assistant","content":"x","thinking_blocks":[{"type":"x"}]}`), "messages[1].thinking_blocks[0].type", "invalid_value", ""},
		{"a caching mark of another time", message(`{"role":"user","content":"x","cache_control":{"ttl":"2h"}}`), "messages[1].cache_control.ttl", "invalid_value", ""},
		{"a temperature that is a string", with(`"temperature":"1"`), "temperature", "invalid_type", "a string"},
		{"a temperature above 2", with(`"temperature":2.1`), "temperature", "decimal_out_of_range", "2"},
		{"a negative top_p", with(`"top_p":-1`), "top_p", "decimal_out_of_range", ""},
		{"no tokens", with(`"max_tokens":0`), "max_tokens", "integer_below_min_value", ""},
		{"half a token", with(`"max_completion_tokens":1.5`), "max_completion_tokens", "invalid_type", ""},
		{"two limits", with(`"max_completion_tokens":1,"max_tokens":1`), "max_tokens", "invalid_parameter_combination", ""},
		{"stop as a number", with(`"stop":1`), "stop", "invalid_type", ""},
		{"a stop sequence as a number", with(`"stop":["a",1]`), "stop[1]", "invalid_type", ""},
		{"stream as a string", with(`"stream":"yes"`), "stream", "invalid_type", ""},
		{"include_usage as a number", with(`"stream_options":{"include_usage":1}`), "stream_options.include_usage", "invalid_type", ""},
		{"an unknown effort", with(`"reasoning_effort":"huge"`), "reasoning_effort", "invalid_value", "'minimal'"},
		{"tools as an object", with(`"tools":{}`), "tools", "invalid_type", ""},
		{"a tool without type", with(`"tools":[{"function":{"name":"f"}}]`), "tools[0].type", "missing_required_parameter", ""},
		{"a tool of another type", with(`"tools":[{"type":"web_search"}]`), "tools[0].type", "invalid_value", ""},
		{"a tool without name", with(`"tools":[{"type":"function","function":{}}]`), "tools[0].function.name", "missing_required_parameter", ""},
		{"parameters as a list", with(`"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`), "tools[0].function.parameters", "invalid_type", ""},
		{"a choice that does not exist", with(`"tool_choice":"any"`), "tool_choice", "invalid_value", "'required'"},
		{"a forced choice without tools", with(`"tool_choice":"required"`), "tool_choice", "invalid_value", "'tools'"},
		{"a choice of a tool that is not there", with(`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}`), "tool_choice.function.name", "invalid_value", "'g' not found"},
		{"an allowed tool that is not there", with(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}`), "tool_choice.allowed_tools.tools[0].function.name", "invalid_value", "'g' not found"},
		{"a format of another type", with(`"response_format":{"type":"xml"}`), "response_format.type", "invalid_value", ""},
		{"a format without its schema", with(`"response_format":{"type":"json_schema"}`), "response_format.json_schema", "missing_required_parameter", ""},
		{"a schema without its name", with(`"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`), "response_format.json_schema.name", "missing_required_parameter", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeRequest([]byte(c.body))
			if err == nil {
				t.Fatal("accepted")
			}
			got := []any{err.Status, err.Type, err.Param, err.Code}
			if diff := cmp.Diff([]any{400, "invalid_request_error", c.param, c.code}, got); diff != "" {
				t.Errorf("%s: mismatch (-want +got):\n%s", err.Message, diff)
			}
			if !strings.Contains(err.Message, c.says) || c.param != "" && c.says == "" && !strings.Contains(err.Message, c.param) {
				t.Errorf("the message is %q", err.Message)
			}
		})
	}
}
