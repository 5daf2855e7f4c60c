package openaichat_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/schema/vendor"
)

func TestAdaptedRequests(t *testing.T) {
	for _, c := range []struct{ name, vendor, model, in, want string }{
		{"nothing to change: not a byte", "openrouter", "a/b", `{ "model" : "m", "messages" : [ ], "max_tokens":1, "max_completion_tokens":2,"x":{"y":[1, 2]}}`, ""},
		{"nothing that this request has is changed", "groq", "m", ` {"model": "m", "messages": [{"role": "user", "content": "a \"developer\"'s refusal"}]}`, ""},
		{"the limit of output by its old name", "deepseek", "deepseek-chat", `{"model":"m","max_completion_tokens":5,"messages":[]}`, `{"model":"m","max_tokens":5,"messages":[]}`},
		{"both limits: the one that is known counts", "deepseek", "deepseek-chat", `{"max_completion_tokens":5,"max_tokens":6}`, `{"max_tokens":6}`},
		{"the limit of output by its new name", "groq", "m", `{"max_tokens":5}`, `{"max_completion_tokens":5}`},
		{"a name that stands in a tool's schema is no limit", "deepseek", "m", `{"max_completion_tokens":5,"tools":[{"function":{"parameters":{"properties":{"max_tokens":{}}}}}]}`, `{"max_tokens":5,"tools":[{"function":{"parameters":{"properties":{"max_tokens":{}}}}}]}`},
		{"the caller's own word for an effort counts", "zai", "m", `{"reasoning_effort":"high","thinking":{"type":"disabled"}}`, `{"thinking":{"type":"disabled"}}`},
		{"developer messages become system messages", "deepseek", "deepseek-chat", `{"messages":[{"role":"developer","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}]}`, `{"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}]}`},
		{"members that clients send back are left out", "groq", "m", `{"messages":[{"role":"assistant","content":"a","refusal":null,"annotations":[],"reasoning_content":"x","name":"n"},{"role":"user","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}]}`, `{"messages":[{"role":"assistant","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}]}`},
		{"what the answer does not depend on is left out", "cerebras", "m", `{"frequency_penalty":1,"model":"m","store":true,"parallel_tool_calls":true,"n":1,"logit_bias":{}}`, `{"model":"m"}`},
		{"an effort as a switch", "zai", "glm-4.7", `{"reasoning_effort":"high"}`, `{"thinking":{"type":"enabled"}}`},
		{"no effort as a switch", "alibaba", "qwen3", `{"reasoning_effort":"none"}`, `{"enable_thinking":false}`},
		{"the greatest temperature", "moonshot", "moonshot-v1-8k", `{"temperature":1.5,"top_p":0.5}`, `{"temperature":1,"top_p":0.5}`},
		{"a model with fixed sampling", "moonshot", "kimi-k2.6", `{"temperature":0.5,"top_p":0.5,"model":"kimi-k2.6"}`, `{"model":"kimi-k2.6"}`},
		{"usage that always comes is not asked for", "perplexity", "sonar", `{"stream":true,"stream_options":{"include_usage":true}}`, `{"stream":true}`},
		{"a refusal is a text where nothing else is left of the turn", "groq", "m", `{"messages":[{"role":"assistant","content":null,"refusal":"no"},{"role":"assistant","refusal":"no","content":"x"}]}`, `{"messages":[{"role":"assistant","content":"no"},{"role":"assistant","content":"x"}]}`},
		{"marks of caches are left out of tools as well, and not of their schemas", "groq", "m", `{"tools":[{"type":"function","cache_control":{"type":"ephemeral"},"function":{"name":"f","cache_control":{},"parameters":{"properties":{"cache_control":{}}}}}]}`, `{"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"cache_control":{}}}}}]}`},
		{"Mistral: a file is a document", "mistral", "m", `{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QQ"}}]}]}`, `{"messages":[{"role":"user","content":[{"type":"document_url","document_url":"data:application/pdf;base64,QQ","document_name":"a.pdf"}]}]}`},
		{"Mistral: names, ids and what it refuses", "mistral", "mistral-large", `{"seed":3,"user":"u","tool_choice":"required","safe_prompt":true,"messages":[{"role":"assistant","prefix":true,"tool_calls":[{"id":"call_abc","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"abcDEF123"}]},{"role":"tool","tool_call_id":"call_abc","content":"x"}]}`,
			`{"random_seed":3,"tool_choice":"any","safe_prompt":true,"messages":[{"role":"assistant","prefix":true,"tool_calls":[{"id":"<1>","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"abcDEF123"}]},{"role":"tool","tool_call_id":"<1>","content":"x"}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := vendor.Get(c.vendor)
			if c.vendor == "mistral" {
				row = vendor.Mistral()
			}
			got, derr := openaichat.Adapt([]byte("before"), []byte(c.in), row, c.model)
			if derr != nil {
				t.Fatal(derr)
			}
			out := strings.TrimPrefix(string(got), "before")
			if c.want == "" {
				c.want = c.in
			}
			if i := strings.Index(c.want, "<1>"); i >= 0 {
				id := out[i : i+9]
				if strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
					t.Errorf("id %q", id)
				}
				c.want = strings.ReplaceAll(c.want, "<1>", id)
			}
			if diff := cmp.Diff(c.want, out); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAVendorLacksIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ name, vendor, in, param string }{
		{"a token's bias", "groq", `{"logit_bias":{"1":2}}`, "logit_bias"},
		{"several choices", "groq", `{"n":3}`, "n"},
		{"a schema where there is none", "deepseek", `{"response_format":{"type":"json_schema"}}`, "response_format"},
		{"JSON without a schema where there must be one", "lm-studio", `{"response_format":{"type":"json_object"}}`, "response_format"},
		{"one call at most", "cerebras", `{"parallel_tool_calls":false}`, "parallel_tool_calls"},
		{"a choice that it does not take", "moonshot", `{"tool_choice":"required"}`, "tool_choice"},
		{"a named tool", "lm-studio", `{"tool_choice":{"type":"function","function":{"name":"f"}}}`, "tool_choice"},
		{"tools", "perplexity", `{"tools":[{"type":"function"}]}`, "tools"},
		{"an image", "deepseek", `{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://p.example"}}]}]}`, "messages[0].content[1].image_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			row := vendor.Get(c.vendor)
			got, derr := openaichat.Adapt([]byte("before"), []byte(c.in), row, "m")
			if derr == nil || derr.Status != 400 || derr.Param != c.param || !strings.Contains(derr.Message, row.Title) || string(got) != "before" {
				t.Errorf("error %+v, want 400 at %q", derr, c.param)
			}
		})
	}
}

func FuzzAdapt(f *testing.F) {
	f.Add([]byte(`{"messages":[{"role":"developer","content":[{"type":"image_url","image_url":"x"}],"tool_calls":[{"id":"\u0061"},3]},null],"n":2,"temperature":3,"tool_choice":{},"reasoning_effort":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if jsonscan.Check(body) != nil {
			return
		}
		for _, row := range append(vendor.All(), *vendor.Mistral(), *vendor.Unknown()) {
			out, derr := openaichat.Adapt(nil, body, &row, "kimi-k3")
			if derr != nil {
				continue
			}
			if err := jsonscan.Check(out); err != nil && !strings.Contains(err.Error(), "repeated") {
				t.Fatalf("%s: %v in %s of %s", row.Name, err, out, body)
			}
		}
	})
}
