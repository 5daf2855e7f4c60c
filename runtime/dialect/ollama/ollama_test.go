package ollama_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

func decode(t testing.TB, stream bool, raw string, cuts ...int) (got []dialect.Event) {
	t.Helper()
	d := new(ollama.Decoder)
	d.Reset(stream)
	emit := func(ev *dialect.Event) { got = append(got, *ev) }
	at := 0
	for _, end := range append(cuts, len(raw)) {
		d.Feed([]byte(raw[at:end]), emit)
		at = end
	}
	d.Finish(emit)
	return got
}

// tale says a sequence of events in a line each, without ids.
func tale(evs []dialect.Event) (lines []string) {
	names := map[dialect.EventKind]string{dialect.Start: "start", dialect.TextDelta: "text", dialect.ThinkingDelta: "thinking", dialect.ToolStart: "call",
		dialect.ToolEnd: "arguments", dialect.UsageEvent: "usage", dialect.Stop: "stop", dialect.ErrorEvent: "error", dialect.End: "end", dialect.LogprobsEvent: "logprobs"}
	for i := range evs {
		ev := &evs[i]
		line := names[ev.Kind]
		for _, s := range []string{ev.Model, ev.Name, ev.Text, string(ev.StopReason)} {
			if s != "" {
				line += " " + s
			}
		}
		if ev.Err != nil {
			line += " " + ev.Err.Message
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAnswers(t *testing.T) {
	const thinks = `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}` + "\n"
	const calls = `{"model":"m","created_at":"2026-01-01T00:00:01Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"a","arguments":{"x":1}}},{"function":{"index":0,"name":"b","arguments":{}}}]},"done":false}` + "\n"
	const last = `{"model":"m","created_at":"2026-01-01T00:00:02Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}`
	for _, c := range []struct {
		name   string
		stream bool
		raw    string
		want   []string
	}{
		{"thinking, two calls in one line, and the end", true, thinks + calls + last + "\n", []string{"start m", "thinking hm", "call a", `arguments {"x":1}`, "call b", "arguments {}", "usage", "stop tool_calls", "end"}},
		{"the last line lacks its end", true, thinks + last, []string{"start m", "thinking hm", "usage", "stop stop", "end"}},
		{"lines end in CR LF, and one is empty", true, strings.ReplaceAll(thinks, "\n", "\r\n\r\n") + last + "\r\n", []string{"start m", "thinking hm", "usage", "stop stop", "end"}},
		{"cut inside the last line", true, thinks + last[:40], []string{"start m", "thinking hm", "error The provider's stream ended before the answer was complete.", "end"}},
		{"ended without its last line", true, thinks, []string{"start m", "thinking hm", "error The provider's stream ended before the answer was complete.", "end"}},
		{"an error in the middle", true, thinks + `{"error":"model runner has stopped"}` + "\n" + last, []string{"start m", "thinking hm", "error model runner has stopped", "end"}},
		{"no JSON in the middle", true, thinks + "<html>\n" + last, []string{"start m", "thinking hm", "error The provider's answer holds something that cannot be read.", "end"}},
		{"a count is missing", false, `{"model":"m","message":{"role":"assistant","content":"hi"},"done":true,"done_reason":"length","eval_count":7}`, []string{"start m", "text hi", "stop length", "end"}},
		{"nothing was said", false, `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":7}`, []string{"start m", "usage", "stop stop", "end"}},
		{"old servers give no reason", false, `{"model":"m","message":{"role":"assistant","content":"hi"},"done":true}`, []string{"start m", "text hi", "stop stop", "end"}},
		{"a body that is not done", false, `{"model":"m","message":{"role":"assistant","content":"hi"},"done":false}`, []string{"start m", "text hi", "error The provider's answer is not complete.", "end"}},
		{"a body that is an error", false, `{"error":"bad"}`, []string{"error bad", "end"}},
		{"arguments as text", false, `{"model":"m","message":{"tool_calls":[{"id":"own","function":{"name":"a","arguments":"{\"x\":1}"}}]},"done":true}`, []string{"start m", "call a", `arguments {"x":1}`, "stop tool_calls", "end"}},
		{"log probabilities", false, `{"model":"m","message":{"content":"a"},"logprobs":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[{"token":"b","logprob":-2}]}],"done":true}`, []string{"start m", "text a", "logprobs", "stop stop", "end"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			evs := decode(t, c.stream, c.raw)
			if diff := cmp.Diff(c.want, tale(evs)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			for i := range c.raw {
				if got := decode(t, c.stream, c.raw, i); !reflect.DeepEqual(evs, got) {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", i, cmp.Diff(evs, got))
				}
			}
		})
	}
}

func TestInventedIdsAreStableAndDiffer(t *testing.T) {
	call := `{"function":{"name":"a","arguments":{}}}`
	ids := map[string]bool{}
	for _, created := range []string{"1", "2"} {
		raw := `{"model":"m","created_at":"` + created + `","message":{"tool_calls":[` + call + `,` + call + `]},"done":true}`
		first, second := decode(t, false, raw), decode(t, false, raw)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("the same answer has other ids (-first +second):\n%s", diff)
		}
		for _, ev := range first {
			if ev.Kind == dialect.ToolStart {
				ids[ev.ID] = true
			}
		}
	}
	if len(ids) != 4 || ids[""] {
		t.Errorf("four calls of two answers have the ids %v", ids)
	}
}

func TestRequests(t *testing.T) {
	target := &dialect.Target{Model: "llama3.2"}
	for _, c := range []struct{ name, in, want string }{
		{"a system message, sampling and limits",
			`{"model":"x","messages":[{"role":"developer","content":"Be brief."},{"role":"system","content":"Be kind."},{"role":"user","content":"hi"}],"max_tokens":5,"temperature":0.5,"top_p":0.9,"stop":["a","b"],"stream":true}`,
			`{"model":"llama3.2","messages":[{"role":"system","content":"Be brief.\n\nBe kind."},{"role":"user","content":"hi"}],"options":{"num_predict":5,"temperature":0.5,"top_p":0.9,"stop":["a","b"]},"stream":true}`},
		{"a tool's result goes back by the tool's name",
			`{"model":"x","messages":[{"role":"user","content":"?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"a","arguments":"{\"x\": 1}"}},{"id":"c2","type":"function","function":{"name":"b","arguments":""}}]},{"role":"tool","tool_call_id":"c2","content":"two"},{"role":"tool","tool_call_id":"c1","content":"one"}],"tools":[{"type":"function","function":{"name":"a"}}]}`,
			`{"model":"llama3.2","messages":[{"role":"user","content":"?"},{"role":"assistant","content":"","tool_calls":[{"id":"c1","function":{"name":"a","arguments":{"x": 1}}},{"id":"c2","function":{"name":"b","arguments":{}}}]},{"role":"tool","tool_name":"b","tool_call_id":"c2","content":"two"},{"role":"tool","tool_name":"a","tool_call_id":"c1","content":"one"}],"tools":[{"type":"function","function":{"name":"a","description":"","parameters":{"type":"object","properties":{}}}}],"stream":false}`},
		{"an image as data, and texts around it",
			`{"model":"x","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}},{"type":"text","text":"b"}]}]}`,
			`{"model":"llama3.2","messages":[{"role":"user","content":"a\n\nb","images":["QUJD"]}],"stream":false}`},
		{"a schema, and no thinking",
			`{"model":"x","messages":[{"role":"user","content":"a"}],"reasoning_effort":"none","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}}`,
			`{"model":"llama3.2","messages":[{"role":"user","content":"a"}],"format":{"type":"object"},"think":false,"stream":false}`},
		{"tools that must not be called are left out",
			`{"model":"x","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"none","reasoning_effort":"low"}`,
			`{"model":"llama3.2","messages":[{"role":"user","content":"a"}],"think":true,"stream":false}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, derr := openaichat.DecodeRequest([]byte(c.in))
			if derr != nil {
				t.Fatal(derr)
			}
			got, derr := ollama.EncodeRequest(nil, r, target)
			if derr != nil {
				t.Fatal(derr)
			}
			if err := jsonscan.Check(got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
	r, derr := anthropic.DecodeRequest([]byte(`{"model":"x","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"t"},{"type":"tool_use","id":"i","name":"n","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QQ"}}]},{"type":"text","text":"go on"}]}]}`))
	if derr != nil {
		t.Fatal(derr)
	}
	got, derr := ollama.EncodeRequest(nil, r, &dialect.Target{Model: "gpt-oss:20b"})
	if derr != nil {
		t.Fatal(derr)
	}
	want := `{"model":"gpt-oss:20b","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"t","thinking":"hm","tool_calls":[{"id":"i","function":{"name":"n","arguments":{}}}]},{"role":"tool","tool_name":"n","tool_call_id":"i","content":"r"},{"role":"user","content":"go on","images":["QQ"]}],"options":{"num_predict":9},"stream":false}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeSaidIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct{ name, in, param string }{
		{"an image by its URL", `{"model":"x","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://pictures.example/a.png"}}]}]}`, "messages[0].content[0]"},
		{"a PDF", `{"model":"x","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,QQ"}}]}]}`, "messages[0].content[0]"},
		{"a forced call", `{"model":"x","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"required"}`, "tool_choice"},
		{"one call at most", `{"model":"x","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"a"}}],"parallel_tool_calls":false}`, "parallel_tool_calls"},
		{"several choices", `{"model":"x","messages":[{"role":"user","content":"a"}],"n":2}`, "n"},
		{"a token's bias", `{"model":"x","messages":[{"role":"user","content":"a"}],"logit_bias":{"1":5}}`, "logit_bias"},
		{"arguments that are no object", `{"model":"x","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"a","arguments":"[1]"}}]},{"role":"tool","tool_call_id":"c","content":""}]}`, "messages[0].tool_calls"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, derr := openaichat.DecodeRequest([]byte(c.in))
			if derr != nil {
				t.Fatal(derr)
			}
			dst, derr := ollama.EncodeRequest([]byte("before"), r, &dialect.Target{Model: "m"})
			if derr == nil || derr.Status != 400 || derr.Param != c.param || string(dst) != "before" {
				t.Errorf("error %+v at %q, want 400 at %q", derr, dst, c.param)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	got := ollama.DecodeError(&dialect.ErrorAnswer{Status: 404, Body: []byte(`{"error":"model 'x' not found"}`)})
	want := &dialect.Error{Status: 404, Type: "not_found_error", Message: "model 'x' not found"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add(true, []byte(`{"model":"m","message":{"content":"hi","thinking":"x","tool_calls":[{"function":{"name":"a","arguments":{"b":null}}}]},"done":true,"eval_count":1}`+"\n"), 7)
	f.Add(false, []byte(`{"error":{"message":"x"}}`), 3)
	f.Add(true, []byte("{}\n{\"done\":true,\"logprobs\":[{\"bytes\":[1]}]}"), 1)
	f.Fuzz(func(t *testing.T, stream bool, raw []byte, cut int) {
		whole := decode(t, stream, string(raw))
		ends := 0
		for _, ev := range whole {
			if ev.Kind == dialect.End {
				ends++
			}
		}
		if ends != 1 || whole[len(whole)-1].Kind != dialect.End {
			t.Fatalf("%d ends: %v", ends, tale(whole))
		}
		if cut = min(max(cut, 0), len(raw)); !reflect.DeepEqual(whole, decode(t, stream, string(raw), cut)) {
			t.Fatalf("cut at %d it reads otherwise", cut)
		}
	})
}
