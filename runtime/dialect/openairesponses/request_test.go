package openairesponses

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

func text(s string) dialect.Part { return dialect.Part{Kind: dialect.Text, Text: s, At: -1} }

func TestRequestsAreRead(t *testing.T) {
	user := []dialect.Message{{Parts: []dialect.Part{text("hi")}}}
	for _, c := range []struct {
		name, body string
		want       dialect.Request
	}{
		{"a string is one turn of the user", `{"model":"m","input":"hi"}`, dialect.Request{Messages: user}},
		{"instructions come before system and developer messages",
			`{"model":"m","instructions":"a","input":[{"role":"developer","content":"b"},{"type":"message","role":"system","content":[{"type":"input_text","text":"c"}]},{"role":"user","content":"hi"}]}`,
			dialect.Request{System: []dialect.Part{text("a"), text("b"), {Kind: dialect.Text, Text: "c"}}, Messages: []dialect.Message{{At: 2, Parts: []dialect.Part{text("hi")}}}}},
		{"what the assistant did in one turn is one message",
			`{"model":"m","input":[{"role":"user","content":"hi"},
			{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"gAAA"},
			{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"t","annotations":[]},{"type":"refusal","refusal":"no"}]},
			{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{}"},{"type":"function_call","call_id":"c2","name":"g","arguments":""},
			{"type":"function_call_output","call_id":"c1","output":"1"},
			{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"2"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"low"}]}]}`,
			dialect.Request{Messages: []dialect.Message{
				{Parts: []dialect.Part{text("hi")}},
				{Role: dialect.Assistant, At: 1, Parts: []dialect.Part{
					{Kind: dialect.Thinking, At: 1, ID: "rs_1", Text: "a\n\nb", Signature: "rs_1:gAAA", SignedBy: dialect.SignerOpenAI},
					{Kind: dialect.Text, Text: "t"}, {Kind: dialect.Refusal, Text: "no", At: 1},
					{Kind: dialect.ToolCall, At: 3, ID: "c1", Name: "f", Arguments: "{}"}, {Kind: dialect.ToolCall, At: 4, ID: "c2", Name: "g"}}},
				{Role: dialect.Tool, At: 5, Parts: []dialect.Part{{Kind: dialect.ToolResult, At: 5, ID: "c1", Content: []dialect.Part{text("1")}}}},
				{Role: dialect.Tool, At: 6, Parts: []dialect.Part{{Kind: dialect.ToolResult, At: 6, ID: "c2", Content: []dialect.Part{
					{Kind: dialect.Text, Text: "2"}, {Kind: dialect.Image, At: 1, MediaType: "image/png", Data: "AAAA", Detail: "low"}}}}},
			}}},
		{"another provider's thinking bears its name", `{"model":"m","input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"gwc1:anthropic:Eq"},
			{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gwc1:anthropic:redacted:xx"},{"type":"reasoning","id":"rs_3","summary":[],"encrypted_content":"gwc1:unknown:zz"}]}`,
			dialect.Request{Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{
				{Kind: dialect.Thinking, ID: "rs_1", Text: "a", Signature: "Eq", SignedBy: dialect.SignerAnthropic},
				{Kind: dialect.RedactedThinking, At: 1, ID: "rs_2", Data: "xx", SignedBy: dialect.SignerAnthropic},
				{Kind: dialect.Thinking, At: 2, ID: "rs_3", Signature: "zz"}}}}}},
		{"images and files", `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"https://x/y.png"},
			{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="},{"type":"input_file","file_data":"JVBERi0x"},{"type":"input_text","text":"t","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}`,
			dialect.Request{Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Image, URL: "https://x/y.png"},
				{Kind: dialect.Document, At: 1, Name: "a.pdf", MediaType: "application/pdf", Data: "JVBERi0="}, {Kind: dialect.Document, At: 2, MediaType: "application/pdf", Data: "JVBERi0x"},
				{Kind: dialect.Text, At: 3, Text: "t", Cache: dialect.Cache5m}}}}}},
		{"tools and how they are chosen", `{"model":"m","input":"hi","tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},{"type":"function","name":"g"}],
			"tool_choice":{"type":"function","name":"g"},"parallel_tool_calls":false}`,
			dialect.Request{Messages: user, Tools: []dialect.ToolDef{{Name: "f", Description: "d", Parameters: []byte(`{"type":"object"}`), Strict: new(true)}, {Name: "g"}},
				ToolChoice: dialect.ToolChoice{Mode: "tool", Name: "g"}, Parallel: new(false)}},
		{"allowed tools are the only ones", `{"model":"m","input":"hi","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}}`,
			dialect.Request{Messages: user, Tools: []dialect.ToolDef{{Name: "g"}}, ToolChoice: dialect.ToolChoice{Mode: "required"}}},
		{"settings", `{"model":"m","input":"hi","max_output_tokens":100,"temperature":0.5,"top_p":0.9,"stream":true,"text":{"format":{"type":"json_schema","name":"n","schema":{"a":1},"strict":true},"verbosity":"low"},
			"reasoning":{"effort":"low","summary":"auto"},"metadata":{"a":"b"},"service_tier":"flex","user":"u","safety_identifier":"s","top_logprobs":2,"include":["message.output_text.logprobs","reasoning.encrypted_content"]}`,
			dialect.Request{Messages: user, MaxTokens: new(int64(100)), Temperature: new(0.5), TopP: new(0.9), Stream: true, Format: dialect.Format{Kind: "json_schema", Name: "n", Schema: []byte(`{"a":1}`), Strict: new(true)},
				Verbosity: "low", Reasoning: "low", Summary: "auto", Metadata: []byte(`{"a":"b"}`), ServiceTier: "flex", User: "s", Logprobs: new(int64(2))}},
		{"what says nothing", `{"model":"m","input":"hi","store":false,"background":false,"truncation":"disabled","previous_response_id":null,"conversation":null,"prompt":null,"text":{"format":{"type":"text"}},"reasoning":null,"tools":[],"tool_choice":"auto","metadata":{},"top_logprobs":0,"stream_options":{"include_obfuscation":false}}`,
			dialect.Request{Messages: user, ToolChoice: dialect.ToolChoice{Mode: "auto"}}},
		{"what the gateway does not keep, and what OpenAI runs itself, is handed on by name",
			`{"model":"m","previous_response_id":"resp_1","conversation":"conv_1","background":true,"prompt":{"id":"p"},"store":true,"truncation":"auto","tools":[{"type":"web_search"},{"type":"custom","name":"c"}],
			"input":[{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_file","file_id":"f"},{"type":"input_file","file_url":"https://x"},{"type":"input_image","file_id":"f"}]},
			{"type":"item_reference","id":"msg_1"},{"id":"msg_2"},{"type":"reasoning","id":"rs_1","summary":[]},{"type":"web_search_call","id":"ws_1"}],"tool_choice":{"type":"web_search"},"reasoning":{"context":"auto"},"unheard_of":1}`,
			dialect.Request{Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, Text: "x"}, {Kind: dialect.Document, URL: "https://x", At: 2}}}},
				Unsupported: []string{"previous_response_id", "conversation", "background", "prompt", "store", "truncation", "tools[0].server_tools", "tools[1].custom", "reasoning.context", "unheard_of",
					"input[0].content[1].file", "input[0].content[3].file", "input[1].item_reference", "input[2].item_reference", "input[3].reasoning_item", "input[4].server_tools", "tool_choice.server_tools"}}},
		{"a conversation that OpenAI keeps needs no input", `{"model":"m","previous_response_id":"resp_1"}`, dialect.Request{Unsupported: []string{"previous_response_id"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DecodeRequest([]byte(c.body))
			if err != nil {
				t.Fatal(err.Message)
			}
			if !json.Valid([]byte("{" + string(r.Echo) + "}")) {
				t.Errorf("what is repeated is not JSON: %s", r.Echo)
			}
			c.want.Model, c.want.IncludeUsage, r.Echo = "m", true, nil
			if diff := cmp.Diff(&c.want, r); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestsAreRefusedWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, body, param, code string }{
		{"not JSON", `{"model"`, "", "invalid_json"},
		{"a list", `[]`, "", "invalid_json"},
		{"a name twice", `{"model":"m","model":"n","input":"hi"}`, "", "invalid_json"},
		{"no model", `{"input":"hi"}`, "model", "missing_required_parameter"},
		{"no input", `{"model":"m"}`, "input", "missing_required_parameter"},
		{"input of a wrong type", `{"model":"m","input":1}`, "input", "invalid_type"},
		{"no message at all", `{"model":"m","input":[{"role":"system","content":"x"}]}`, "input", "empty_array"},
		{"an unknown role", `{"model":"m","input":[{"role":"robot","content":"x"}]}`, "input[0].role", "invalid_value"},
		{"a message without content", `{"model":"m","input":[{"role":"user"}]}`, "input[0].content", "missing_required_parameter"},
		{"neither type nor role", `{"model":"m","input":[{"content":"x"}]}`, "input[0].type", "missing_required_parameter"},
		{"text of the assistant in the user's", `{"model":"m","input":[{"role":"user","content":[{"type":"output_text","text":"x"}]}]}`, "input[0].content[0].type", "invalid_value"},
		{"text of the user in the assistant's", `{"model":"m","input":[{"role":"assistant","content":[{"type":"input_text","text":"x"}]}]}`, "input[0].content[0].type", "invalid_value"},
		{"an image without a URL", `{"model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]}`, "input[0].content[0].image_url", "missing_required_parameter"},
		{"an image of a broken data URL", `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:x"}]}]}`, "input[0].content[0].image_url", "invalid_image_url"},
		{"a call without its id", `{"model":"m","input":[{"type":"function_call","name":"f","arguments":"{}"}]}`, "input[0].call_id", "missing_required_parameter"},
		{"a call whose arguments are an object", `{"model":"m","input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]}`, "input[0].arguments", "missing_required_parameter"},
		{"a result without its output", `{"model":"m","input":[{"type":"function_call_output","call_id":"c"}]}`, "input[0].output", "missing_required_parameter"},
		{"a result that is a number", `{"model":"m","input":[{"type":"function_call_output","call_id":"c","output":1}]}`, "input[0].output", "invalid_type"},
		{"a tool without a name", `{"model":"m","input":"x","tools":[{"type":"function"}]}`, "tools[0].name", "missing_required_parameter"},
		{"a choice of a tool that is not there", `{"model":"m","input":"x","tool_choice":{"type":"function","name":"f"}}`, "tool_choice.name", "invalid_value"},
		{"required without tools", `{"model":"m","input":"x","tool_choice":"required"}`, "tool_choice", "invalid_value"},
		{"a temperature out of range", `{"model":"m","input":"x","temperature":3}`, "temperature", "decimal_out_of_range"},
		{"a limit of nothing", `{"model":"m","input":"x","max_output_tokens":0}`, "max_output_tokens", "integer_below_min_value"},
		{"a format without a schema", `{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n"}}}`, "text.format.schema", "missing_required_parameter"},
		{"an effort that is none", `{"model":"m","input":"x","reasoning":{"effort":"huge"}}`, "reasoning.effort", "invalid_value"},
		{"depth", `{"model":"m","input":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "", "invalid_json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DecodeRequest([]byte(c.body))
			if err == nil {
				t.Fatalf("taken: %+v", r)
			}
			if err.Status != 400 || err.Type != "invalid_request_error" || err.Param != c.param || err.Code != c.code {
				t.Errorf("%d %s, param %q, code %q: %s", err.Status, err.Type, err.Param, err.Code, err.Message)
			}
		})
	}
}

func TestRequestsAreSent(t *testing.T) {
	for _, c := range []struct{ name, model, body, want string }{
		{"a conversation with tools", "gpt-4o", `{"model":"m","instructions":"a","input":[{"role":"system","content":"b"},{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},
			{"role":"assistant","content":"y"},{"type":"function_call","call_id":"c","name":"f","arguments":""},{"type":"function_call_output","call_id":"c","output":"r"}],
			"tools":[{"type":"function","name":"f"}],"tool_choice":"required","parallel_tool_calls":true,"temperature":0.5,"max_output_tokens":1}`,
			`{"model":"gpt-4o","instructions":"a\n\nb","input":[{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"}]},` +
				`{"role":"assistant","content":[{"type":"output_text","text":"y"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}],` +
				`"store":false,"max_output_tokens":16,"temperature":0.5,"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}},"strict":false}],"tool_choice":"required","parallel_tool_calls":true}`},
		{"reasoning comes back to the one who encrypted it", "o4-mini", `{"model":"m","input":[{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"gAAA"},
			{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gwc1:anthropic:Eq"},{"role":"assistant","content":"y"}],"reasoning":{"effort":"max","summary":"auto"},"temperature":1,"stream":true,"top_logprobs":1,"user":"u","text":{"verbosity":"low"}}`,
			`{"model":"o4-mini","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"gAAA"},` +
				`{"role":"assistant","content":[{"type":"output_text","text":"y"}]}],"store":false,"reasoning":{"effort":"xhigh","summary":"auto"},"include":["reasoning.encrypted_content","message.output_text.logprobs"],"top_logprobs":1,` +
				`"text":{"format":{"type":"text"},"verbosity":"low"},"user":"u","stream":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := DecodeRequest([]byte(c.body))
			if err != nil {
				t.Fatal(err.Message)
			}
			got, err := EncodeRequest(nil, r, &dialect.Target{Model: c.model})
			if err != nil {
				t.Fatal(err.Message)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
	for _, c := range []struct {
		name string
		r    dialect.Request
	}{
		{"stop sequences", dialect.Request{Stop: []string{"x"}}},
		{"audio", dialect.Request{Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Audio}}}}}},
		{"several answers", dialect.Request{Choices: new(int64(2))}},
		{"what has no place", dialect.Request{Unsupported: []string{"tools[0].custom"}}},
	} {
		if _, err := EncodeRequest(nil, &c.r, &dialect.Target{Model: "gpt-4o"}); err == nil || err.Status != 400 || err.Code != "unsupported_parameter" {
			t.Errorf("%s: %+v", c.name, err)
		}
	}
}

// FuzzRequest: what the decoder takes, the encoder gives back as one valid body which is read again as the same, or refuses.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{`{"model":"m","input":"hi"}`, `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},
		{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"gAAA"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
		{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"2"}]}],"tools":[{"type":"function","name":"f","parameters":{}}],"tool_choice":{"type":"function","name":"f"},"text":{"format":{"type":"json_object"}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		if err != nil {
			if err.Status != 400 || err.Message == "" {
				t.Fatalf("%+v", err)
			}
			return
		}
		if e := jsonscan.Valid([]byte("{" + string(r.Echo) + "}")); e != nil {
			t.Fatalf("%v in %s", e, r.Echo)
		}
		out, err := EncodeRequest(nil, r, &dialect.Target{Model: "o3"})
		if err != nil {
			return
		}
		if e := jsonscan.Check(out); e != nil {
			t.Fatalf("%v in %s", e, out)
		}
		if len(r.Messages) > 0 && len(r.Messages[0].Parts) > 0 && r.Messages[0].Parts[0].Kind == dialect.Text {
			again, err := DecodeRequest(out)
			if err != nil {
				t.Fatalf("%s in %s", err.Message, out)
			}
			if len(again.Tools) != len(r.Tools) || again.ToolChoice != r.ToolChoice && len(r.Tools) > 0 {
				t.Fatalf("%+v became %+v", r.Tools, again.Tools)
			}
		}
	})
}
