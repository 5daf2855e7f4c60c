package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestFallbackTranslatesTheBodyAnew: whichever kind of target fails first, the second one gets a body in its own
// dialect, the client gets the answer, the record tells both attempts, and the metrics count them.
func TestFallbackTranslatesTheBodyAnew(t *testing.T) {
	w := startWorld(t)
	mocks := map[string]*rig.Mock{"openai": w.openai, "claude": w.anthropic}
	records := 0
	for _, chain := range []struct{ model, first, second, upstreamModel string }{
		{"openai-first", "openai", "claude", "claude-sonnet-4-5"},
		{"claude-first", "claude", "openai", "gpt-4o-mini"},
	} {
		for fault, outcome := range map[string]string{"429": "status", "500": "status", "529": "status", "timeout": "timeout", "reset": "protocol", "close": "protocol", "html": "status"} {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/stream=%v", chain.model, fault, stream), func(t *testing.T) {
					if err := mocks[chain.first].Fault(fault); err != nil {
						t.Fatal(err)
					}
					defer mocks[chain.first].Fault()
					r := request{model: chain.model, tools: true, stream: stream, messages: []message{
						{role: "system", text: "Be brief."},
						{role: "user", text: "weather in Rome?"},
						{role: "assistant", calls: []idCall{{"call_1", "get_weather", `{"city":"Rome"}`}}},
						{role: "tool", id: "call_1", text: "25 C"},
					}}
					got, _, err := newOfficialGo(w.URL, appKey).call(t.Context(), r)
					if err != nil {
						t.Fatal(err)
					}
					if want := "Here is what I found: get_weather gave 25 C."; got.Text != want {
						t.Errorf("got %q, want %q", got.Text, want)
					}
					records++
					list, err := w.Records(records)
					if err != nil {
						t.Fatal(err)
					}
					last := list[len(list)-1]
					attempts, _ := last["attempts"].([]any)
					if len(attempts) != 2 {
						t.Fatalf("attempts: %v", last)
					}
					a, b := attempts[0].(map[string]any), attempts[1].(map[string]any)
					if a["provider"] != chain.first || b["provider"] != chain.second || b["status"] != 200.0 || b["error"] != nil {
						t.Errorf("attempts %v, %v", a, b)
					}
					if e := fmt.Sprint(a["error"]); e != outcome && !(outcome == "protocol" && (e == "connect" || e == "protocol")) {
						t.Errorf("the first attempt's error is %v, want %q", a["error"], outcome)
					}
					if last["provider"] != chain.second || last["upstream_model"] != chain.upstreamModel || last["model"] != chain.model {
						t.Errorf("record %v", last)
					}
				})
			}
		}
	}
	m, err := w.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Sum("gwc_target_attempts_total", `outcome="429"`); n != 4 {
		t.Errorf("%v attempts with outcome 429, want 4", n)
	}
	if n := m.Sum("gwc_target_attempts_total", `outcome="timeout"`); n != 4 {
		t.Errorf("%v attempts with outcome timeout, want 4", n)
	}
	if n := m.Sum("gwc_target_attempts_total", `outcome="ok"`); n != float64(records) {
		t.Errorf("%v attempts with outcome ok, want %d", n, records)
	}
}

// TestNoFallbackWhereItWouldHarm: client errors are not retried, nor is anything once bytes have gone out.
func TestNoFallbackWhereItWouldHarm(t *testing.T) {
	w := startWorld(t)
	c := newOfficialGo(w.URL, appKey)
	t.Run("a refused request", func(t *testing.T) {
		if err := w.openai.Fault("400"); err != nil {
			t.Fatal(err)
		}
		defer w.openai.Fault()
		if _, _, err := c.call(t.Context(), request{model: "openai-first", messages: user("hi")}); err == nil || !strings.HasPrefix(err.Error(), "400") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a stream that breaks", func(t *testing.T) {
		if err := w.openai.Fault("truncate"); err != nil {
			t.Fatal(err)
		}
		defer w.openai.Fault()
		got, _, err := c.call(t.Context(), request{model: "openai-first", messages: user("count to 50"), stream: true})
		if err == nil && got.Stop != "" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("no connection", func(t *testing.T) {
		got, _, err := c.call(t.Context(), request{model: "nowhere-first", messages: user("say hi")})
		if err != nil || got.Text != "hi" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	s, err := w.anthropic.Stats()
	if err != nil || s.Requests != 1 {
		t.Errorf("the second target was asked %d times, want once: %v", s.Requests, err)
	}
}

// TestCallRecords compares whole records, field by field, but for what differs from run to run.
func TestCallRecords(t *testing.T) {
	w := startWorld(t)
	c := newOfficialGo(w.URL, appKey)
	for _, r := range []request{
		{model: "passed", messages: user("say hi")},
		{model: "translated", messages: user("say hi"), stream: true},
		{model: "translated", messages: user("weather in Oslo?"), tools: true},
		{model: "unheard-of", messages: user("hi")},
	} {
		c.call(t.Context(), r)
		// One after the other: records are written in the order in which exchanges end.
	}
	newOfficialGo(w.URL, "gwc_unknown_NEVER").call(t.Context(), request{model: "passed", messages: user("hi")})
	post(t, w.URL+"/nowhere?secret=NEVER", appKey, "{}")
	list, err := w.Records(6)
	if err != nil {
		t.Fatal(err)
	}
	vary := map[string]string{"time": "string", "request_id": "string", "artifact": "string", "client": "string", "duration_ms": "float64", "first_byte_ms": "float64", "upstream_ms": "float64", "bytes_in": "float64", "bytes_out": "float64"}
	ids := map[any]bool{}
	for _, r := range list {
		ids[r["request_id"]] = true
		for k, kind := range vary {
			if v, ok := r[k]; ok && fmt.Sprintf("%T", v) != kind {
				t.Errorf("%s is %v", k, v)
			}
			delete(r, k)
		}
		for _, a := range asList(r["attempts"]) {
			delete(a.(map[string]any), "duration_ms")
			delete(a.(map[string]any), "target")
		}
	}
	if len(ids) != len(list) {
		t.Errorf("request ids repeat: %v", ids)
	}
	var want []rig.Record
	if err := json.Unmarshal([]byte(`[
		{"tenant":"acme","app":"web","key":"web-1","route":"ai.chat","method":"POST","path":"/v1/chat/completions","status":200,
		 "attempts":[{"provider":"openai","model":"gpt-4o-mini","status":200}],"model":"passed","provider":"openai","upstream_model":"gpt-4o-mini",
		 "stream":false,"tokens":{"input":9,"output":1},"unpriced":["input","output"],"stop_reason":"stop"},
		{"tenant":"acme","app":"web","key":"web-1","route":"ai.chat","method":"POST","path":"/v1/chat/completions","status":200,
		 "attempts":[{"provider":"claude","model":"claude-sonnet-4-5","status":200}],"model":"translated","provider":"claude","upstream_model":"claude-sonnet-4-5",
		 "stream":true,"tokens":{"input":9,"output":1},"unpriced":["input","output"],"stop_reason":"stop"},
		{"tenant":"acme","app":"web","key":"web-1","route":"ai.chat","method":"POST","path":"/v1/chat/completions","status":200,
		 "attempts":[{"provider":"claude","model":"claude-sonnet-4-5","status":200}],"model":"translated","provider":"claude","upstream_model":"claude-sonnet-4-5",
		 "stream":false,"tokens":{"input":55,"output":12},"unpriced":["input","output"],"stop_reason":"tool_calls"},
		{"tenant":"acme","app":"web","key":"web-1","route":"ai.chat","method":"POST","path":"/v1/chat/completions","status":404,"model":"unheard-of","stream":false,"error":"request"},
		{"route":"ai.chat","method":"POST","path":"/v1/chat/completions","status":401,"error":"auth"},
		{"method":"POST","path":"/nowhere","status":404,"error":"route"}]`), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, list); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
	m, err := w.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"gwc_requests_total", []string{`route="ai.chat"`, `code="2xx"`}, 3},
		{"gwc_requests_total", []string{`route="ai.chat"`, `code="4xx"`}, 2},
		{"gwc_requests_total", []string{`route="unmatched"`, `code="4xx"`}, 1},
		{"gwc_tokens_total", []string{`provider="claude"`, `kind="input"`}, 64},
		{"gwc_tokens_total", []string{`provider="claude"`, `kind="output"`}, 13},
		{"gwc_tokens_total", []string{`provider="openai"`, `kind="input"`}, 9},
		{"gwc_auth_failures_total", nil, 1},
		{"gwc_calllog_records_total", nil, 6},
		{"gwc_calllog_dropped_total", nil, 0},
	} {
		if got := m.Sum(c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}
