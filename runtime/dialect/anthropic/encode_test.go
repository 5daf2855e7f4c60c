package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

func text(s string) dialect.Part { return dialect.Part{Kind: dialect.Text, Text: s, At: -1} }

func user(parts ...dialect.Part) dialect.Message {
	return dialect.Message{Role: dialect.User, Parts: parts}
}

func assistant(parts ...dialect.Part) dialect.Message {
	return dialect.Message{Role: dialect.Assistant, Parts: parts}
}

func call(id, args string) dialect.Part {
	return dialect.Part{Kind: dialect.ToolCall, ID: id, Name: "f", Arguments: args}
}

func result(id string, content ...dialect.Part) dialect.Message {
	return dialect.Message{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: id, Content: content}}}
}

// normal writes a JSON text in one form, so that two can be compared.
func normal(t *testing.T, raw string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRequestsAreWritten(t *testing.T) {
	f := []dialect.ToolDef{{Name: "f", Parameters: []byte(`{"type":"object"}`)}}
	const fTool = `"tools":[{"name":"f","input_schema":{"type":"object"}}]`
	hi := []dialect.Message{user(text("hi"))}
	const hiTurn = `"messages":[{"role":"user","content":"hi"}]`
	for _, c := range []struct {
		name  string
		model string // "" is claude-sonnet-4-5
		r     dialect.Request
		want  string // besides model and max_tokens 4096
	}{
		{"one text", "", dialect.Request{Messages: hi}, hiTurn},
		{"settings", "", dialect.Request{Messages: hi, Temperature: new(0.5), TopP: new(0.9), TopK: new(int64(5)), Stop: []string{"a", "b"}, Stream: true, User: "u\"1"},
			hiTurn + `,"stream":true,"temperature":0.5,"top_p":0.9,"top_k":5,"stop_sequences":["a","b"],"metadata":{"user_id":"u\"1"}`},
		{"a temperature above 1 becomes 1", "", dialect.Request{Messages: hi, Temperature: new(1.7)}, hiTurn + `,"temperature":1`},
		{"one system text", "", dialect.Request{Messages: hi, System: []dialect.Part{text("s")}}, `"system":"s",` + hiTurn},
		{"system texts in order, blank ones left out", "", dialect.Request{Messages: hi, System: []dialect.Part{text("a"), text(" \n"), {Text: "b", Cache: dialect.Cache1h}}},
			`"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}],` + hiTurn},
		{"neighbours of one role are joined", "", dialect.Request{Messages: []dialect.Message{user(text("a")), user(text("b")), assistant(text("c")), assistant(text("d")), user(text("e"))}},
			`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},{"role":"user","content":"e"}]`},
		{"the user begins", "", dialect.Request{Messages: []dialect.Message{assistant(text("hello")), user(text("hi"))}},
			`"messages":[{"role":"user","content":"."},{"role":"assistant","content":[{"type":"text","text":"hello"}]},{"role":"user","content":"hi"}]`},
		{"a system text alone", "", dialect.Request{System: []dialect.Part{text("s")}}, `"system":"s","messages":[{"role":"user","content":"."}]`},
		{"blank messages vanish and their neighbours are joined", "", dialect.Request{Messages: []dialect.Message{user(text("")), user(text("a")), assistant(text(" ")), user(text("b")), assistant(text("c")), user(text("\n"))}},
			`"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"text","text":"c"}]}]`},
		{"the last text of the assistant ends without white space", "", dialect.Request{Messages: []dialect.Message{user(text("a")), assistant(text("b \n"), text(" "))}},
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text","text":"b"}]}]`},
		{"caching marks", "", dialect.Request{Messages: []dialect.Message{user(dialect.Part{Text: "a", Cache: dialect.Cache5m})}, Tools: []dialect.ToolDef{{Name: "f", Description: "d", Cache: dialect.Cache5m}}},
			`"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}],"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{}},"cache_control":{"type":"ephemeral"}}]`},
		{"images", "", dialect.Request{Messages: []dialect.Message{user(dialect.Part{Kind: dialect.Image, URL: "https://x"}, dialect.Part{Kind: dialect.Image, MediaType: "image/jpg", Data: "AA=="})}},
			`"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x"}},{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AA=="}}]}]`},
		{"a PDF", "", dialect.Request{Messages: []dialect.Message{user(text("read"), dialect.Part{Kind: dialect.Document, MediaType: "application/pdf", Data: "AA==", Name: "a.pdf", Cache: dialect.Cache5m})}},
			`"messages":[{"role":"user","content":[{"type":"text","text":"read"},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AA=="},"title":"a.pdf","cache_control":{"type":"ephemeral"}}]}]`},
		{"results come first in the next user turn, all of them", "", dialect.Request{Tools: f, Messages: []dialect.Message{user(text("q")), assistant(text("a"), call("c1", `{"x":1}`), call("c2", ``)),
			user(text("by the way")), result("c2", text("two")), result("c1", text("one"), dialect.Part{Kind: dialect.Image, URL: "https://x"})}},
			`"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"c1","name":"f","input":{"x":1}},{"type":"tool_use","id":"c2","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"c2","content":"two"},{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"one"},{"type":"image","source":{"type":"url","url":"https://x"}}]},{"type":"text","text":"by the way"}]}],` + fTool},
		{"a failed result and an empty one", "", dialect.Request{Tools: f, Messages: []dialect.Message{user(text("q")), assistant(call("c1", `{}`), call("c2", ` {} `)),
			{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "c1", IsError: true, Cache: dialect.Cache5m, Content: []dialect.Part{text("bad")}}}}, result("c2", text(""), text(" "))}},
			`"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}},{"type":"tool_use","id":"c2","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"bad","is_error":true,"cache_control":{"type":"ephemeral"}},{"type":"tool_result","tool_use_id":"c2"}]}],` + fTool},
		{"thinking goes back before the call, as it was", "", dialect.Request{Tools: f, Messages: []dialect.Message{user(text("q")),
			assistant(dialect.Part{Kind: dialect.Thinking, Text: "hm ", Signature: "s+/="}, dialect.Part{Kind: dialect.RedactedThinking, Data: "xx"}, call("c1", `{}`)), result("c1", text("r"))}, Reasoning: "low"},
			`"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm ","signature":"s+/="},{"type":"redacted_thinking","data":"xx"},{"type":"tool_use","id":"c1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"r"}]}],` + fTool + `,"thinking":{"type":"enabled","budget_tokens":2048}`},
		{"foreign ids are changed alike in both places", "", dialect.Request{Tools: f, Messages: []dialect.Message{user(text("q")), assistant(call("functions.f:0", `{}`)), result("functions.f:0", text("r"))}},
			`"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"ID","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"ID","content":"r"}]}],` + fTool},
		{"calls without declared tools", "", dialect.Request{Messages: []dialect.Message{user(text("q")), assistant(call("c1", `{}`)), result("c1", text("r"))}},
			`"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"r"}]}],` + fTool + `,"tool_choice":{"type":"none"}`},
		{"parameters without a type", "", dialect.Request{Messages: hi, Tools: []dialect.ToolDef{{Name: "f", Parameters: []byte(` { "properties" : {} } `)}, {Name: "g", Parameters: []byte(`{}`)}, {Name: "h", Parameters: []byte(`{"t\u0079pe":"object"}`)}}},
			hiTurn + `,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}},{"name":"g","input_schema":{"type":"object"}},{"name":"h","input_schema":{"type":"object"}}]`},
		{"strict tools", "", dialect.Request{Messages: hi, Tools: []dialect.ToolDef{{Name: "f", Parameters: []byte(`{"type":"object"}`), Strict: new(true)}}}, hiTurn + `,"tools":[{"name":"f","input_schema":{"type":"object"},"strict":true}]`},
		{"strict tools of an older model", "claude-sonnet-4-20250514", dialect.Request{Messages: hi, Tools: []dialect.ToolDef{{Name: "f", Parameters: []byte(`{"type":"object"}`), Strict: new(true)}}}, hiTurn + "," + fTool},
		{"choice auto", "", dialect.Request{Messages: hi, Tools: f, ToolChoice: dialect.ToolChoice{Mode: "auto"}}, hiTurn + "," + fTool + `,"tool_choice":{"type":"auto"}`},
		{"choice required", "", dialect.Request{Messages: hi, Tools: f, ToolChoice: dialect.ToolChoice{Mode: "required"}, Parallel: new(false)}, hiTurn + "," + fTool + `,"tool_choice":{"type":"any","disable_parallel_tool_use":true}`},
		{"choice none", "", dialect.Request{Messages: hi, Tools: f, ToolChoice: dialect.ToolChoice{Mode: "none"}, Parallel: new(false)}, hiTurn + "," + fTool + `,"tool_choice":{"type":"none"}`},
		{"choice of one", "", dialect.Request{Messages: hi, Tools: f, ToolChoice: dialect.ToolChoice{Mode: "tool", Name: "f"}, Parallel: new(true)}, hiTurn + "," + fTool + `,"tool_choice":{"type":"tool","name":"f"}`},
		{"no parallel calls", "", dialect.Request{Messages: hi, Tools: f, Parallel: new(false)}, hiTurn + "," + fTool + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`},
		{"a choice without tools", "", dialect.Request{Messages: hi, ToolChoice: dialect.ToolChoice{Mode: "auto"}, Parallel: new(false)}, hiTurn},
		{"effort as a budget", "", dialect.Request{Messages: hi, Reasoning: "high", Temperature: new(0.2), TopP: new(0.5)}, hiTurn + `,"thinking":{"type":"enabled","budget_tokens":2048}`},
		{"effort none", "", dialect.Request{Messages: hi, Reasoning: "none", Temperature: new(0.2)}, hiTurn + `,"temperature":0.2`},
		{"effort with a forced call", "", dialect.Request{Messages: hi, Tools: f, Reasoning: "high", ToolChoice: dialect.ToolChoice{Mode: "required"}}, hiTurn + "," + fTool + `,"tool_choice":{"type":"any"}`},
		{"effort after calls without thinking", "", dialect.Request{Tools: f, Reasoning: "high", Messages: []dialect.Message{user(text("q")), assistant(call("c1", `{}`)), result("c1", text("r"))}},
			`"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"r"}]}],` + fTool},
		{"effort at a model with adaptive thinking", "claude-opus-4-6", dialect.Request{Messages: hi, Reasoning: "minimal"}, hiTurn + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"low"}`},
		{"effort and a forced call at a model with adaptive thinking", "claude-opus-4-6", dialect.Request{Messages: hi, Tools: f, Reasoning: "xhigh", ToolChoice: dialect.ToolChoice{Mode: "required"}, Temperature: new(0.5)},
			hiTurn + "," + fTool + `,"tool_choice":{"type":"any"},"output_config":{"effort":"xhigh"},"temperature":0.5`},
		{"effort at a model that cannot think", "claude-3-haiku-20240307", dialect.Request{Messages: hi, Reasoning: "high", Temperature: new(0.2)}, hiTurn + `,"temperature":0.2`},
		{"a name with a region's prefix", "eu.anthropic.claude-sonnet-4-20250514-v1:0", dialect.Request{Messages: hi, Reasoning: "minimal"}, hiTurn + `,"thinking":{"type":"enabled","budget_tokens":1024}`},
		{"a schema and an effort", "claude-opus-4-6", dialect.Request{Messages: hi, Reasoning: "high", Format: dialect.Format{Kind: "json_schema", Name: "n", Schema: []byte(`{"type":"object","additionalProperties":false}`)}},
			hiTurn + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}`},
		{"what does not matter is dropped", "", dialect.Request{Messages: hi, Unsupported: []string{"seed", "store", "metadata", "service_tier", "messages[0].reasoning_content", "not_a_field"}}, hiTurn},
	} {
		t.Run(c.name, func(t *testing.T) {
			model := c.model
			if model == "" {
				model = "claude-sonnet-4-5"
			}
			c.r.Model = "asked"
			got, err := EncodeRequest([]byte("kept"), &c.r, &dialect.Target{Model: model, MaxTokens: 4096})
			if err != nil {
				t.Fatalf("%s (%s)", err.Message, err.Param)
			}
			body, kept := strings.CutPrefix(string(got), "kept")
			if err := jsonscan.Check([]byte(body)); err != nil || !kept {
				t.Fatalf("%v in %s", err, got)
			}
			want := `{"model":"` + model + `","max_tokens":4096,` + c.want + "}"
			if strings.Contains(c.want, `"ID"`) { // the id ends in a hash: take it from the first place
				id := body[strings.Index(body, "functions_f_0_"):]
				want = strings.ReplaceAll(want, `"ID"`, `"`+id[:strings.IndexByte(id, '"')]+`"`)
			}
			if diff := cmp.Diff(normal(t, want), normal(t, body)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTokensOfTheCallerCount(t *testing.T) {
	r := dialect.Request{Messages: []dialect.Message{user(text("hi"))}, MaxTokens: new(int64(40000)), Reasoning: "high"}
	got, err := EncodeRequest(nil, &r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"claude-sonnet-4-5","max_tokens":40000,"messages":[{"role":"user","content":"hi"}],"thinking":{"type":"enabled","budget_tokens":16384}}`
	if string(got) != want {
		t.Errorf("got %s", got)
	}
	r.MaxTokens = new(int64(1024)) // no room for the least budget
	if got, _ = EncodeRequest(nil, &r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096}); strings.Contains(string(got), "thinking") {
		t.Errorf("got %s", got)
	}
}

func TestWhatCannotBeSaidIsRefused(t *testing.T) {
	hi := []dialect.Message{user(text("hi"))}
	at := func(m dialect.Message, i int) dialect.Message { m.At = i; return m }
	for _, c := range []struct {
		name string
		r    dialect.Request
		at   string
		says string
	}{
		{"several choices", dialect.Request{Messages: hi, Unsupported: []string{"seed", "n"}}, "n", "one choice"},
		{"log probabilities", dialect.Request{Messages: hi, Unsupported: []string{"logprobs"}}, "logprobs", ""},
		{"audio input", dialect.Request{Messages: hi, Unsupported: []string{"messages[0].content[1].input_audio"}}, "messages[0].content[1].input_audio", "audio"},
		{"a custom tool", dialect.Request{Messages: hi, Unsupported: []string{"tools[2].custom"}}, "tools[2].custom", ""},
		{"the old functions", dialect.Request{Messages: hi, Unsupported: []string{"functions"}}, "functions", "use tools"},
		{"any JSON object", dialect.Request{Messages: hi, Format: dialect.Format{Kind: "json_object"}}, "response_format", "json_schema"},
		{"a form without its schema", dialect.Request{Messages: hi, Format: dialect.Format{Kind: "json_schema"}}, "response_format.json_schema.schema", ""},
		{"a blank stop sequence", dialect.Request{Messages: hi, Stop: []string{"a", "\n"}}, "stop", "white space"},
		{"a result that answers nothing", dialect.Request{Messages: []dialect.Message{user(text("q")), at(result("c9", text("r")), 1)}}, "messages[1].tool_call_id", "'c9'"},
		{"a result that comes twice", dialect.Request{Messages: []dialect.Message{user(text("q")), assistant(call("c1", "{}")), result("c1", text("r")), at(result("c1", text("r")), 3)}}, "messages[3].tool_call_id", "'c1'"},
		{"a result that comes too late", dialect.Request{Messages: []dialect.Message{user(text("q")), assistant(call("c1", "{}")), result("c1"), assistant(text("x")), at(result("c1"), 4)}}, "messages[4].tool_call_id", "'c1'"},
		{"a call without its result", dialect.Request{Messages: []dialect.Message{user(text("q")), assistant(call("c1", "{}"), call("c2", "{}")), result("c1", text("r")), user(text("x"))}}, "messages", "c2"},
		{"a call at the end", dialect.Request{Messages: []dialect.Message{user(text("q")), assistant(call("c1", "{}"))}}, "messages", "c1"},
		{"one id for two calls", dialect.Request{Messages: []dialect.Message{user(text("q")), at(assistant(call("c1", "{}"), dialect.Part{Kind: dialect.ToolCall, ID: "c1", Name: "f", At: 1}), 1)}}, "messages[1].tool_calls[1].id", "twice"},
		{"arguments that are not JSON", dialect.Request{Messages: []dialect.Message{user(text("q")), at(assistant(call("c1", `{"a":`)), 1)}}, "messages[1].tool_calls[0].function.arguments", "c1"},
		{"arguments that are a list", dialect.Request{Messages: []dialect.Message{user(text("q")), at(assistant(call("c1", `[]`)), 1)}}, "messages[1].tool_calls[0].function.arguments", "c1"},
		{"arguments with a repeated name", dialect.Request{Messages: []dialect.Message{user(text("q")), at(assistant(call("c1", `{"a":1,"a":2}`)), 1)}}, "messages[1].tool_calls[0].function.arguments", "repeated names"},
		{"a tool whose parameters are no object", dialect.Request{Messages: hi, Tools: []dialect.ToolDef{{Name: "f", Parameters: []byte(`{"type":"string"}`)}}}, "tools", "function 'f'"},
		{"an image of another type", dialect.Request{Messages: []dialect.Message{at(user(dialect.Part{Kind: dialect.Image, MediaType: "image/tiff", Data: "AA==", At: 2}), 1)}}, "messages[1].content[2].image_url.url", "image/tiff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := EncodeRequest([]byte("kept"), &c.r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096})
			if err == nil {
				t.Fatalf("accepted: %s", got)
			}
			if string(got) != "kept" {
				t.Errorf("something was written: %s", got)
			}
			if err.Status != 400 || err.Type != "invalid_request_error" || err.Param != c.at || !strings.Contains(err.Message, c.says) {
				t.Errorf("%+v", err)
			}
		})
	}
	schema := dialect.Request{Messages: hi, Format: dialect.Format{Kind: "json_schema", Schema: []byte(`{}`)}}
	if _, err := EncodeRequest(nil, &schema, &dialect.Target{Model: "claude-3-7-sonnet-latest", MaxTokens: 4096}); err == nil || err.Param != "response_format" {
		t.Errorf("a schema at a model without structured outputs: %+v", err)
	}
}

func TestEncodingLeavesTheRequestAsItIs(t *testing.T) {
	r := dialect.Request{Messages: []dialect.Message{user(dialect.Part{Kind: dialect.Image, MediaType: "image/jpg", Data: "AA=="}), assistant(call("c1", "")), result("c1", text("r"))}}
	first, err := EncodeRequest(nil, &r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096})
	if err != nil {
		t.Fatal(err)
	}
	second, err := EncodeRequest(nil, &r, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 4096})
	if err != nil || string(first) != string(second) {
		t.Errorf("the second target gets %s, the first got %s (%v)", second, first, err)
	}
	if r.Messages[0].Parts[0].MediaType != "image/jpg" {
		t.Error("the request was changed")
	}
}

func TestManyCallsFindTheirResults(t *testing.T) {
	var calls []dialect.Part
	messages := []dialect.Message{user(text("q")), {}}
	for i := range 500 {
		calls = append(calls, call(fmt.Sprint("c", i), "{}"))
		messages = append(messages, result(fmt.Sprint("c", 499-i), text("r")))
	}
	messages[1] = assistant(calls...)
	if _, err := EncodeRequest(nil, &dialect.Request{Messages: messages}, &dialect.Target{Model: "claude-sonnet-4-5"}); err != nil {
		t.Error(err.Message)
	}
	messages[9] = messages[8]
	if _, err := EncodeRequest(nil, &dialect.Request{Messages: messages}, &dialect.Target{Model: "claude-sonnet-4-5"}); err == nil || !strings.Contains(err.Message, "c493") {
		t.Errorf("a result that comes twice: %+v", err)
	}
	if _, err := EncodeRequest(nil, &dialect.Request{Messages: messages[:400]}, &dialect.Target{Model: "claude-sonnet-4-5"}); err == nil {
		t.Error("calls without results are accepted")
	}
}

func TestForeignIDsStayApart(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"a.b", "a:b", "a b", "a_b", strings.Repeat("x", 60) + ".1", strings.Repeat("x", 60) + ".2", ""} {
		got := string(appendID(nil, id))
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q both become %s", id, other, got)
		}
		seen[got] = id
	}
}
