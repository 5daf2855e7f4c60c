package gemini

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// heard decodes an answer that comes in pieces of n bytes.
func heard(stream bool, answer string, n int) (evs []dialect.Event) {
	d := NewDecoder(stream)
	emit := func(ev *dialect.Event) { evs = append(evs, *ev) }
	for b := []byte(answer); len(b) > 0; {
		k := min(n, len(b))
		d.Feed(b[:k:k], emit)
		b = b[k:]
	}
	d.Finish(emit)
	return evs
}

// events makes a stream of server-sent events of chunks.
func events(chunks ...string) string {
	var b strings.Builder
	for _, c := range chunks {
		b.WriteString("data: " + c + "\r\n\r\n")
	}
	return b.String()
}

const head = `"modelVersion":"gemini-x","responseId":"r1"`

func say(parts, rest string) string {
	return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}` + rest + `,"index":0}],` + head + `}`
}

var (
	start = dialect.Event{Kind: dialect.Start, ID: "r1", Model: "gemini-x"}
	end   = dialect.Event{Kind: dialect.End}
	used  = dialect.Event{Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 12, Output: 9, CacheRead: 4, Reasoning: 6, InputImage: 5, Known: true}}
)

func stop(r dialect.StopReason) dialect.Event {
	return dialect.Event{Kind: dialect.Stop, StopReason: r}
}

func failure(status int, kind, code, message string) []dialect.Event {
	return []dialect.Event{{Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: status, Type: kind, Code: code, Message: message}}, end}
}

const numbers = `"usageMetadata":{"promptTokenCount":10,"toolUsePromptTokenCount":2,"cachedContentTokenCount":4,"candidatesTokenCount":3,"thoughtsTokenCount":6,"totalTokenCount":21,"promptTokensDetails":[{"modality":"TEXT","tokenCount":5},{"modality":"IMAGE","tokenCount":5}]}`

func TestStreamsBecomeEvents(t *testing.T) {
	done := `,"finishReason":"STOP"`
	text := dialect.Event{Kind: dialect.TextDelta, Text: "Hä"}
	for _, c := range []struct {
		name, answer string
		want         []dialect.Event
	}{
		{"text, with thoughts counted into the output and the last usage counting",
			events(`{"candidates":[{"content":{"parts":[{"text":"Hä"}]}}],"usageMetadata":{"promptTokenCount":1,"totalTokenCount":1},`+head+`}`, `{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],`+numbers+`}`),
			[]dialect.Event{start, text, {Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 1, Known: true}}, used, stop("stop"), end}},
		{"a JSON array", "[" + say(`{"text":"Hä"}`, "") + "\n,\r\n" + say(`{"text":"]}[{\"\\"}`, done) + "\n]\n",
			[]dialect.Event{start, text, {Kind: dialect.TextDelta, Text: `]}[{"\`}, stop("stop"), end}},
		{"a reason in every chunk ends nothing", events(say(`{"text":"Hä"}`, done), say(`{"text":"Hä"}`, done)), []dialect.Event{start, text, text, stop("stop"), end}},
		{"calls without ids get ids of their own, and arguments where they are absent", events(say(`{"functionCall":{"name":"f","args":{"x": 1}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f"}}`, ""), say(`{"functionCall":{"name":"g","id":"mine","args":{}}}`, done)),
			[]dialect.Event{start, {Kind: dialect.ToolStart, ID: "call_r1_0", Name: "f", Signature: "c2ln", SignedBy: dialect.SignerGemini}, {Kind: dialect.ToolEnd, Text: `{"x": 1}`},
				{Kind: dialect.ToolStart, Index: 1, ID: "call_r1_1", Name: "f"}, {Kind: dialect.ToolEnd, Index: 1, Text: "{}"},
				{Kind: dialect.ToolStart, Index: 2, ID: "mine", Name: "g"}, {Kind: dialect.ToolEnd, Index: 2, Text: "{}"}, stop("tool_calls"), end}},
		{"thoughts, and a signature on an empty text", events(say(`{"text":"hm","thought":true}`, ""), say(`{"text":"Hä"}`, ""), say(`{"text":"","thoughtSignature":"c2ln"}`, done)),
			[]dialect.Event{start, {Kind: dialect.ThinkingDelta, Text: "hm"}, text, {Kind: dialect.TextDelta, Signature: "c2ln", SignedBy: dialect.SignerGemini}, stop("stop"), end}},
		{"signed thoughts in two blocks", events(say(`{"text":"a","thought":true,"thoughtSignature":"c2ln"},{"text":"b","thought":true}`, done)),
			[]dialect.Event{start, {Kind: dialect.ThinkingDelta, Text: "a"}, {Kind: dialect.SignatureDelta, Text: "c2ln", SignedBy: dialect.SignerGemini}, {Kind: dialect.ThinkingDelta, Index: 1, Text: "b"}, stop("stop"), end}},
		{"a blocked prompt has no candidates", events(`{"promptFeedback":{"blockReason":"SAFETY"},` + head + `}`), []dialect.Event{start, stop("content_filter"), end}},
		{"too long", events(say(`{"text":"Hä"}`, `,"finishReason":"MAX_TOKENS"`)), []dialect.Event{start, text, stop("length"), end}},
		{"refused in the middle", events(say(`{"text":"Hä"}`, `,"finishReason":"RECITATION"`)), []dialect.Event{start, text, stop("content_filter"), end}},
		{"a model that fails is an error", events(say("", `,"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: f("`)),
			append([]dialect.Event{start}, failure(502, "api_error", "malformed_function_call", "The model's answer could not be used: Malformed function call: f(.")...)},
		{"several candidates", events(`{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0},{"content":{"parts":[{"text":"b"}]},"index":1,"finishReason":"STOP"}],`+head+`}`, say("", done)),
			[]dialect.Event{start, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Choice: 1, Text: "b"}, stop("stop"), {Kind: dialect.Stop, Choice: 1, StopReason: "stop"}, end}},
		{"images and speech", events(say(`{"inlineData":{"mimeType":"image/png","data":"aW1n"}},{"inlineData":{"mimeType":"audio/L16;codec=pcm;rate=24000","data":"cGNt"}}`, done)),
			[]dialect.Event{start, {Kind: dialect.ImageEvent, MediaType: "image/png", Data: "aW1n"}, {Kind: dialect.AudioDelta, MediaType: "audio/L16;codec=pcm;rate=24000", Data: "cGNt"}, stop("stop"), end}},
		{"log probabilities", events(say(`{"text":"Hä"}`, done+`,"logprobsResult":{"chosenCandidates":[{"token":"Hä","logProbability":-0.5}],"topCandidates":[{"candidates":[{"token":"Hä","logProbability":-0.5},{"token":"Ho","logProbability":-2}]}]}`)),
			[]dialect.Event{start, text, {Kind: dialect.LogprobsEvent, Logprobs: []dialect.Logprob{{Token: "Hä", Logprob: -0.5, Top: []dialect.Logprob{{Token: "Hä", Logprob: -0.5}, {Token: "Ho", Logprob: -2}}}}}, stop("stop"), end}},
		{"sources, whose places are counted in characters", events(say(`{"text":"Hä"}`, ""), say(`{"text":" Hä"}`, done+`,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}},{"web":{"uri":"https://b.example"}}],"groundingSupports":[{"segment":{"startIndex":4,"endIndex":7},"groundingChunkIndices":[0]}]},"citationMetadata":{"citations":[{"startIndex":0,"endIndex":3,"uri":"https://c.example"}]}`)),
			[]dialect.Event{start, text, {Kind: dialect.TextDelta, Text: " Hä"},
				{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://c.example", Start: 0, End: 2, Document: -1}},
				{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://a.example", Title: "A", Start: 3, End: 5, Document: -1}},
				{Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://b.example", Document: -1}}, stop("stop"), end}},
		{"an end before the reason is an error", events(say(`{"text":"Hä"}`, "")), append([]dialect.Event{start, text}, failure(502, "api_error", "upstream_protocol", "The provider's stream ended before the answer was complete.")...)},
		{"one of two candidates without a reason is an error", events(`{"candidates":[{"content":{"parts":[]},"index":0,"finishReason":"STOP"},{"content":{"parts":[]},"index":1}],` + head + `}`),
			append([]dialect.Event{start}, failure(502, "api_error", "upstream_protocol", "The provider's stream ended before the answer was complete.")...)},
		{"an array that breaks off is an error", "[" + say(`{"text":"Hä"}`, "") + ",\n{\"cand", append([]dialect.Event{start, text}, failure(502, "api_error", "upstream_protocol", "The provider's stream ended before the answer was complete.")...)},
		{"nothing at all is an error", "", failure(502, "api_error", "upstream_protocol", "The provider's stream ended before the answer was complete.")},
		{"what is not JSON is an error", events(say(`{"text":"Hä"}`, ""), `{"candidates":[{]}`), append([]dialect.Event{start, text}, failure(502, "api_error", "upstream_protocol", "The provider's stream holds an event that cannot be read.")...)},
		{"an error in the stream", events(say(`{"text":"Hä"}`, ""), `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`), append([]dialect.Event{start, text}, failure(503, "UNAVAILABLE", "", "The model is overloaded.")...)},
		{"an error as the array", `[{"error":{"code":429,"message":"Slow down.","status":"RESOURCE_EXHAUSTED"}}]`, failure(429, "RESOURCE_EXHAUSTED", "", "Slow down.")},
		{"calls in pieces, which nobody asked for, are an error", events(say(`{"functionCall":{"name":"f","willContinue":true}}`, "")), append([]dialect.Event{start}, failure(502, "api_error", "upstream_protocol", "The provider sent a function call in pieces, for which it was not asked.")...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 7, 1 << 20} {
				if diff := cmp.Diff(c.want, heard(true, c.answer, n)); diff != "" {
					t.Fatalf("pieces of %d: mismatch (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

func TestBodiesBecomeEvents(t *testing.T) {
	const broken = "The provider's answer is not a complete message."
	for _, c := range []struct {
		name, answer string
		want         []dialect.Event
	}{
		{"text", `{"candidates":[{"content":{"parts":[{"text":"a"},{"text":"b"}]},"finishReason":"STOP"}],` + numbers + `,` + head + `}`,
			[]dialect.Event{start, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Text: "b"}, used, stop("stop"), end}},
		{"flex is charged otherwise", `{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"trafficType":"ON_DEMAND_FLEX"},` + head + `}`,
			[]dialect.Event{start, {Kind: dialect.UsageEvent, Usage: dialect.Usage{Input: 1, Service: "flex", Known: true}}, stop("stop"), end}},
		{"an error with status 200", `{"error":{"code":500,"message":"x","status":"INTERNAL"}}`, failure(500, "INTERNAL", "", "x")},
		{"HTML", `<html>`, failure(502, "api_error", "upstream_protocol", broken)},
		{"a list", `[]`, failure(502, "api_error", "upstream_protocol", broken)},
		{"nothing of an answer", `{}`, failure(502, "api_error", "upstream_protocol", broken)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, heard(false, c.answer, 5)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorAnswers(t *testing.T) {
	for _, c := range []struct {
		name string
		in   dialect.ErrorAnswer
		want dialect.Error
	}{
		{"the time to wait in the details", dialect.ErrorAnswer{Status: 429, Body: []byte(`{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}`)},
			dialect.Error{Status: 429, Type: "RESOURCE_EXHAUSTED", Message: "You exceeded your current quota.", RetryAfter: "35"}},
		{"a header counts more", dialect.ErrorAnswer{Status: 429, RetryAfter: "7", Body: []byte(`{"error":{"message":"x","details":[{"@type":"x/google.rpc.RetryInfo","retryDelay":"34s"}]}}`)},
			dialect.Error{Status: 429, Type: "RESOURCE_EXHAUSTED", Message: "x", RetryAfter: "7"}},
		{"a wrong key is the gateway's fault, though the API calls it the caller's", dialect.ErrorAnswer{Status: 400, Body: []byte(`[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}]`)},
			dialect.Error{Status: 401, Type: "UNAUTHENTICATED", Code: "API_KEY_INVALID", Message: dialect.Refused}},
		{"something in front of the API", dialect.ErrorAnswer{Status: 502, Body: []byte(`<html>`)}, dialect.Error{Status: 502, Type: "UNAVAILABLE", Message: "The provider answered with status 502 and no readable error."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(&c.want, DecodeError(&c.in)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorsInGooglesShape(t *testing.T) {
	for _, c := range []struct {
		name string
		in   dialect.Error
		want string
	}{
		{"another provider's limit", dialect.Error{Status: 429, Type: "rate_limit_error", Message: "Slow.", RetryAfter: "3"},
			`{"error":{"code":429,"message":"Slow.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3s"}]}}`},
		{"a place and a code", dialect.Error{Status: 400, Code: "too_many_stop_sequences", Param: "stop", Message: "Five."},
			`{"error":{"code":400,"message":"Five.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"stop","description":"Five."}]},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"TOO_MANY_STOP_SEQUENCES","domain":"gwc.dev"}]}}`},
		{"its own word for a status that has several", dialect.Error{Status: 400, Type: "FAILED_PRECONDITION", Message: "x"}, `{"error":{"code":400,"message":"x","status":"FAILED_PRECONDITION"}}`},
		{"Anthropic's 529", dialect.Error{Status: 529, Type: "overloaded_error", Message: "x"}, `{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`},
		{"another provider's word for 500", dialect.Error{Status: 500, Type: "server_error", Message: "x"}, `{"error":{"code":500,"message":"x","status":"INTERNAL"}}`},
		{"what is no status", dialect.Error{}, `{"error":{"code":502,"message":"The provider answered with an error and no message.","status":"UNAVAILABLE"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, string(AppendError(nil, &c.in))); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// body is the request that a neutral one becomes.
func body(t *testing.T, r dialect.Request, model string) string {
	t.Helper()
	b, err := EncodeRequest(nil, &r, &dialect.Target{Model: model})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if err := jsonscan.Check(b); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return string(b)
}

func user(s string) dialect.Message {
	return dialect.Message{Parts: []dialect.Part{{Kind: dialect.Text, Text: s}}}
}

func TestRequestsToTheProvider(t *testing.T) {
	hi := `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]`
	called := []dialect.Message{user("hi"), {Role: dialect.Assistant, Parts: []dialect.Part{
		{Kind: dialect.ToolCall, ID: "a", Name: "f", Arguments: `{"x":1}`}, {Kind: dialect.ToolCall, ID: "b", Name: "g", Arguments: "{}"}}},
		{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "b", Content: []dialect.Part{{Kind: dialect.Text, Text: `{"ok":true}`}}}}},
		{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "a", IsError: true, Content: []dialect.Part{{Kind: dialect.Text, Text: "no"}, {Kind: dialect.Image, MediaType: "image/jpg", Data: "aW1n"}}}}}}
	for _, c := range []struct {
		name, model string
		in          dialect.Request
		want        string
	}{
		{"everything of the settings", "gemini-2.5-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, System: []dialect.Part{{Text: "Be brief."}, {Text: "Be kind."}}, MaxTokens: ptr[int64](5), Temperature: ptr(0.5), TopP: ptr(0.9), TopK: ptr[int64](3),
			Choices: ptr[int64](2), Seed: ptr[int64](7), PresencePenalty: ptr(0.1), FrequencyPenalty: ptr(-0.1), Stop: []string{"x"}, Logprobs: ptr[int64](2), ServiceTier: "flex"},
			hi + `,"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"Be kind."}]},"generationConfig":{"maxOutputTokens":5,"temperature":0.5,"topP":0.9,"topK":3,"candidateCount":2,"seed":7,"presencePenalty":0.1,"frequencyPenalty":-0.1,"stopSequences":["x"],"responseLogprobs":true,"logprobs":2},"serviceTier":"flex"}`},
		{"an effort is a budget for Gemini 2.5", "gemini-2.5-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, Reasoning: "high"}, hi + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":24576,"includeThoughts":true}}}`},
		{"a budget stays one", "gemini-2.5-pro", dialect.Request{Messages: []dialect.Message{user("hi")}, Reasoning: "low", ThinkingBudget: ptr[int64](3000)}, hi + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":3000,"includeThoughts":true}}}`},
		{"thinking is turned off where it can be", "gemini-2.5-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, Reasoning: "none"}, hi + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`},
		{"and made small where it cannot", "gemini-2.5-pro", dialect.Request{Messages: []dialect.Message{user("hi")}, Reasoning: "none"}, hi + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":128}}}`},
		{"an effort is a level for Gemini 3", "gemini-3-pro-preview", dialect.Request{Messages: []dialect.Message{user("hi")}, Reasoning: "minimal"}, hi + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}}}`},
		{"a budget as well", "publishers/google/models/gemini-3-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, ThinkingBudget: ptr[int64](9000)}, hi + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"MEDIUM","includeThoughts":true}}}`},
		{"models that do not think are not asked to", "gemini-2.0-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, Reasoning: "high"}, hi + `}`},
		{"a schema", "gemini-2.5-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, Format: dialect.Format{Kind: "json_schema", Schema: []byte(`{"type":"object"}`)}}, hi + `,"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object"}}}`},
		{"JSON", "gemini-2.5-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, Format: dialect.Format{Kind: "json_object"}}, hi + `,"generationConfig":{"responseMimeType":"application/json"}}`},
		{"functions, one of which is demanded", "gemini-2.5-flash", dialect.Request{Messages: []dialect.Message{user("hi")}, Tools: []dialect.ToolDef{{Name: "f", Description: "F", Parameters: []byte(`{"type":"object","properties":{"x":{}}}`)}, {Name: "g", Parameters: []byte(`{"type":"object","properties":{}}`)}}, ToolChoice: dialect.ToolChoice{Mode: "tool", Name: "f"}},
			hi + `,"tools":[{"functionDeclarations":[{"name":"f","description":"F","parametersJsonSchema":{"type":"object","properties":{"x":{}}}},{"name":"g"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`},
		{"results stand together, under the names of their functions, images beside them", "gemini-2.5-flash", dialect.Request{Messages: called},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1},"id":"a"}},{"functionCall":{"name":"g","args":{},"id":"b"}}]},{"role":"user","parts":[{"functionResponse":{"id":"b","name":"g","response":{"ok":true}}},{"functionResponse":{"id":"a","name":"f","response":{"error":"no"}}},{"text":"From the result of the tool call a:"},{"inlineData":{"mimeType":"image/jpeg","data":"aW1n"}}]}]}`},
		{"Gemini 3 takes the images in the result, and a word for a signature that nobody has", "gemini-3-flash", dialect.Request{Messages: called},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1},"id":"a"},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"name":"g","args":{},"id":"b"}}]},{"role":"user","parts":[{"functionResponse":{"id":"b","name":"g","response":{"ok":true}}},{"functionResponse":{"id":"a","name":"f","response":{"error":"no"},"parts":[{"inlineData":{"mimeType":"image/jpeg","data":"aW1n"}}]}}]}]}`},
		{"earlier turns need no signature", "gemini-3-flash", dialect.Request{Messages: append(called[:len(called):len(called)], dialect.Message{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.Text, Text: "ok"}}}, user("hi"))},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1},"id":"a"}},{"functionCall":{"name":"g","args":{},"id":"b"}}]},{"role":"user","parts":[{"functionResponse":{"id":"b","name":"g","response":{"ok":true}}},{"functionResponse":{"id":"a","name":"f","response":{"error":"no"},"parts":[{"inlineData":{"mimeType":"image/jpeg","data":"aW1n"}}]}}]},{"role":"model","parts":[{"text":"ok"}]},{"role":"user","parts":[{"text":"hi"}]}]}`},
		{"what Gemini signed goes back where it stood, what others signed does not", "gemini-2.5-pro", dialect.Request{Messages: []dialect.Message{user("hi"), {Role: dialect.Assistant, Parts: []dialect.Part{
			{Kind: dialect.Thinking, Text: "hm", Signature: "c2ln", SignedBy: dialect.SignerGemini}, {Kind: dialect.Thinking, Text: "hm", Signature: "x", SignedBy: dialect.SignerAnthropic}, {Kind: dialect.RedactedThinking, Data: "x"},
			{Kind: dialect.Text, Text: "ok", Signature: "c2ln", SignedBy: dialect.SignerGemini}}}, user("and"), user("so on")}},
			`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"thought":true,"text":"hm","thoughtSignature":"c2ln"},{"text":"ok","thoughtSignature":"c2ln"}]},{"role":"user","parts":[{"text":"and"},{"text":"so on"}]}]}`},
		{"media", "gemini-2.5-pro", dialect.Request{Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Image, URL: "https://x.example/a.PNG?b"}, {Kind: dialect.Document, Data: "cGRm", MediaType: "application/pdf"}, {Kind: dialect.Audio, Data: "d2F2", MediaType: "wav"}}}}},
			`{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://x.example/a.PNG?b"}},{"inlineData":{"mimeType":"application/pdf","data":"cGRm"}},{"inlineData":{"mimeType":"audio/wav","data":"d2F2"}}]}]}`},
		{"a conversation that does not begin with the user", "gemini-2.5-pro", dialect.Request{Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.Text, Text: "hi"}}}, user("")}},
			`{"contents":[{"role":"user","parts":[{"text":"."}]},{"role":"model","parts":[{"text":"hi"}]}]}`},
		{"no conversation at all", "gemini-2.5-pro", dialect.Request{System: []dialect.Part{{Text: "Go."}}}, `{"contents":[{"role":"user","parts":[{"text":"."}]}],"systemInstruction":{"parts":[{"text":"Go."}]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, body(t, c.in, c.model)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestsThatCannotBeSent(t *testing.T) {
	call := dialect.Message{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.ToolCall, ID: "a", Name: "f", Arguments: "{}"}}}
	for _, c := range []struct {
		name, param string
		in          dialect.Request
	}{
		{"a call without a result", "messages", dialect.Request{Messages: []dialect.Message{user("hi"), call, user("hi")}}},
		{"a call at the end", "messages", dialect.Request{Messages: []dialect.Message{user("hi"), call}}},
		{"a result without a call", "messages[0].tool_call_id", dialect.Request{Messages: []dialect.Message{{Role: dialect.Tool, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "a"}}}}}},
		{"arguments that are no object", "messages[0].tool_calls[0].function.arguments", dialect.Request{Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.ToolCall, ID: "a", Arguments: "[]"}}}}}},
		{"six stop sequences", "stop", dialect.Request{Messages: []dialect.Message{user("hi")}, Stop: make([]string, 6)}},
		{"biased tokens", "logit_bias", dialect.Request{Messages: []dialect.Message{user("hi")}, LogitBias: []byte(`{"1":2}`)}},
		{"what the table rejects", "functions", dialect.Request{Messages: []dialect.Message{user("hi")}, Unsupported: []string{"functions"}}},
		{"what the target has and the neutral form has not", "messages[0].content[0].input_audio", dialect.Request{Messages: []dialect.Message{user("hi")}, Unsupported: []string{"messages[0].content[0].input_audio"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := EncodeRequest([]byte("x"), &c.in, &dialect.Target{Model: "gemini-2.5-pro"})
			if err == nil || err.Status != 400 || err.Param != c.param || string(out) != "x" {
				t.Errorf("got %q, %+v", out, err)
			}
		})
	}
}

func TestRequestsOfCallers(t *testing.T) {
	const turn = `"contents":[{"parts":[{"text":"hi"}]}]`
	hi := []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Text, Text: "hi"}}}}
	for _, c := range []struct {
		name, in string
		want     dialect.Request
	}{
		{"both spellings", `{"contents":[{"role":"user","parts":[{"inline_data":{"mime_type":"image/png","data":"a-_"}},{"inlineData":{"mimeType":"application/pdf","data":"eA=="}}]}],"system_instruction":{"parts":[{"text":"s"}]},"generation_config":{"max_output_tokens":"5","stop_sequences":["x"],"top_k":40.0}}`,
			dialect.Request{System: []dialect.Part{{Kind: dialect.Text, Text: "s"}}, MaxTokens: ptr[int64](5), Stop: []string{"x"}, TopK: ptr[int64](40),
				Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Image, MediaType: "image/png", Data: "a+/="}, {Kind: dialect.Document, MediaType: "application/pdf", Data: "eA==", At: 1}}}}}},
		{"calls and results without ids pair by name and order", `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1}}},{"function_call":{"name":"f"}}]},{"role":"function","parts":[{"functionResponse":{"name":"f","response":{"output":"one"}}},{"function_response":{"name":"f","response":{"error":"two"}}}]}]}`,
			dialect.Request{Messages: []dialect.Message{hi[0], {Role: dialect.Assistant, At: 1, Parts: []dialect.Part{{Kind: dialect.ToolCall, ID: "call_0", Name: "f", Arguments: `{"x":1}`}, {Kind: dialect.ToolCall, ID: "call_1", Name: "f", Arguments: "{}", At: 1}}},
				{At: 2, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "call_0", Name: "f", Content: []dialect.Part{{Text: "one", At: -1}}}, {Kind: dialect.ToolResult, ID: "call_1", Name: "f", IsError: true, Content: []dialect.Part{{Text: "two", At: -1}}, At: 1}}}}}},
		{"a result beside the function's name, as Vercel's SDK sends it", `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"name":"f","content":"one"}}}]}]}`,
			dialect.Request{Messages: []dialect.Message{hi[0], {Role: dialect.Assistant, At: 1, Parts: []dialect.Part{{Kind: dialect.ToolCall, ID: "call_0", Name: "f", Arguments: "{}"}}},
				{At: 2, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "call_0", Name: "f", Content: []dialect.Part{{Text: "one", At: -1}}}}}}}},
		{"a result that is more than a text", `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"functionCall":{"id":"a","name":"f"}}]},{"parts":[{"functionResponse":{"id":"a","name":"f","response":{"x":[1]},"parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}}]}]}`,
			dialect.Request{Messages: []dialect.Message{hi[0], {Role: dialect.Assistant, At: 1, Parts: []dialect.Part{{Kind: dialect.ToolCall, ID: "a", Name: "f", Arguments: "{}"}}},
				{At: 2, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "a", Name: "f", Content: []dialect.Part{{Text: `{"x":[1]}`, At: -1}, {Kind: dialect.Image, MediaType: "image/png", Data: "eA=="}}}}}}}},
		{"signatures bear their signers", `{"contents":[{"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"` + seal(dialect.SignerAnthropic, "EqQ=") + `"},{"text":"","thought":true,"thoughtSignature":"` + sealRedacted(dialect.SignerAnthropic, "xx") + `"},{"text":"a","thoughtSignature":"c2ln"}]},{"parts":[{"text":"hi"}]}]}`,
			dialect.Request{Messages: []dialect.Message{{Role: dialect.Assistant, Parts: []dialect.Part{{Kind: dialect.Thinking, Text: "hm", Signature: "EqQ=", SignedBy: dialect.SignerAnthropic}, {Kind: dialect.RedactedThinking, Data: "xx", SignedBy: dialect.SignerAnthropic, At: 1}, {Kind: dialect.Text, Text: "a", Signature: "c2ln", SignedBy: dialect.SignerGemini, At: 2}}},
				{At: 1, Parts: hi[0].Parts}}}},
		{"a turn that came in a stream comes back in its pieces", `{"contents":[{"parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"hm","thought":true}]},{"role":"model","parts":[{"text":" hm","thought":true}]},{"role":"model","parts":[{"text":"","thought":true,"thoughtSignature":"` + seal(dialect.SignerAnthropic, "EqQ=") + `"}]},{"role":"model","parts":[{"text":"I "}]},{"role":"model","parts":[{"text":"look."},{"functionCall":{"name":"f"}}]},{"role":"model","parts":[{"functionCall":{"name":"g"}},{}]},{"parts":[{"functionResponse":{"name":"f","response":{"output":"1"}}},{"functionResponse":{"name":"g","response":{"output":"2"}}}]}]}`,
			dialect.Request{Messages: []dialect.Message{hi[0], {Role: dialect.Assistant, At: 1, Parts: []dialect.Part{{Kind: dialect.Thinking, Text: "hm hm", Signature: "EqQ=", SignedBy: dialect.SignerAnthropic}, {Text: "I look."},
				{Kind: dialect.ToolCall, ID: "call_0", Name: "f", Arguments: "{}", At: 1}, {Kind: dialect.ToolCall, ID: "call_1", Name: "g", Arguments: "{}"}}},
				{At: 7, Parts: []dialect.Part{{Kind: dialect.ToolResult, ID: "call_0", Name: "f", Content: []dialect.Part{{Text: "1", At: -1}}}, {Kind: dialect.ToolResult, ID: "call_1", Name: "g", At: 1, Content: []dialect.Part{{Text: "2", At: -1}}}}}}}},
		{"functions, with the API's own kind of schema", `{` + turn + `,"tools":[{"functionDeclarations":[{"name":"f","description":"F","parameters":{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true,"format":"enum","enum":["a"]},"max_items":{"type":"ARRAY","items":{"type":"INTEGER"},"max_items":"3"}},"required":["type"],"propertyOrdering":["type"]}},{"name":"g"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g"]}}}`,
			dialect.Request{Messages: hi, ToolChoice: dialect.ToolChoice{Mode: "tool", Name: "g"}, Tools: []dialect.ToolDef{{Name: "f", Description: "F", Parameters: []byte(`{"properties":{"type":{"enum":["a"],"type":["string","null"]},"max_items":{"items":{"type":"integer"},"maxItems":3,"type":"array"}},"required":["type"],"propertyOrdering":["type"],"type":"object"}`)}, {Name: "g", Parameters: []byte(`{"type":"object","properties":{}}`)}}}},
		{"the settings", `{` + turn + `,"generationConfig":{"candidateCount":2,"seed":-3,"presencePenalty":0.5,"frequencyPenalty":-0.5,"responseLogprobs":true,"logprobs":4,"responseModalities":["TEXT","IMAGE"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}},"responseMimeType":"application/json","responseSchema":{"type":"STRING"},"thinkingConfig":{"thinkingBudget":9000,"includeThoughts":true}},"labels":{"team":"a"},"serviceTier":"PRIORITY"}`,
			dialect.Request{Messages: hi, Choices: ptr[int64](2), Seed: ptr[int64](-3), PresencePenalty: ptr(0.5), FrequencyPenalty: ptr(-0.5), Logprobs: ptr[int64](4), Modalities: []string{"text", "image"}, Voice: &dialect.Voice{Name: "Kore"},
				Format: dialect.Format{Kind: "json_schema", Name: "output", Schema: []byte(`{"type":"string"}`), Strict: ptr(true)}, Reasoning: "medium", ThinkingBudget: ptr[int64](9000), Summary: "auto", Metadata: []byte(`{"team":"a"}`), ServiceTier: "priority"}},
		{"a level", `{` + turn + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"low"},"responseModalities":["TEXT"],"candidateCount":1}}`, dialect.Request{Messages: hi, Reasoning: "low"}},
		{"no thinking", `{` + turn + `,"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}`, dialect.Request{Messages: hi, Reasoning: "none"}},
		{"what only Google has is handed on by name", `{` + turn + `,"safetySettings":[{}],"cachedContent":"cachedContents/x","tools":[{"google_search":{}},{"codeExecution":{}}],"generationConfig":{"mediaResolution":"LOW"}}`,
			dialect.Request{Messages: hi, Unsupported: []string{"safetySettings", "cachedContent", "tools[0].googleSearch", "tools[1].codeExecution", "generationConfig.mediaResolution"}}},
		{"files of Google's are nobody else's", `{"contents":[{"parts":[{"fileData":{"mimeType":"image/png","fileUri":"gs://b/x.png"}},{"fileData":{"fileUri":"https://x.example/x.png"}},{"text":"hi"}]}]}`,
			dialect.Request{Messages: []dialect.Message{{Parts: []dialect.Part{{Kind: dialect.Image, URL: "https://x.example/x.png", At: 1}, {Text: "hi", At: 2}}}}, Unsupported: []string{"contents[0].parts[0].fileData.file"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeRequest([]byte(c.in))
			if err != nil {
				t.Fatalf("%+v", err)
			}
			c.want.IncludeUsage = true
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaultsOfCallers(t *testing.T) {
	const turn = `"contents":[{"parts":[{"text":"hi"}]}]`
	for _, c := range []struct{ name, in, param, message string }{
		{"no JSON", `{`, "", "Invalid JSON payload received. "},
		{"no object", `[]`, "", "Invalid JSON payload received. Root element must be a message."},
		{"no contents", `{}`, "contents", "Invalid value at 'contents': the field is required."},
		{"no parts", `{"contents":[{"role":"user"}]}`, "contents[0].parts", "Invalid value at 'contents[0].parts': the field is required."},
		{"a wrong type", `{"contents":[{"parts":[{"text":1}]}]}`, "contents[0].parts[0].text", "Invalid value at 'contents[0].parts[0].text': it must be a string, not a number."},
		{"an unknown role", `{"contents":[{"role":"assistant","parts":[]}]}`, "contents[0].role", "Invalid value at 'contents[0].role': it must be 'user', 'model' or 'function', not 'assistant'."},
		{"a field in both spellings", `{` + turn + `,"system_instruction":{},"systemInstruction":{}}`, "systemInstruction", "Invalid value at 'systemInstruction': the field is given twice, in both spellings."},
		{"a setting out of range", `{` + turn + `,"generationConfig":{"temperature":3}}`, "generationConfig.temperature", "Invalid value at 'generationConfig.temperature': it must be from 0 to 2, not 3."},
		{"a response to no call", `{"contents":[{"parts":[{"functionResponse":{"name":"f"}}]}]}`, "contents[0].parts[0].functionResponse.name", "Invalid value at 'contents[0].parts[0].functionResponse.name': no call of the function 'f' in the turn before is without a response."},
		{"a call of the user's", `{"contents":[{"parts":[{"functionCall":{"name":"f"}}]}]}`, "contents[0].parts[0].functionCall", "Invalid value at 'contents[0].parts[0].functionCall': only the role 'model' calls functions."},
		{"a schema without JSON", `{` + turn + `,"generationConfig":{"responseSchema":{}}}`, "generationConfig.responseMimeType", "Invalid value at 'generationConfig.responseMimeType': it must be 'application/json' where a schema is given."},
		{"an unknown function", `{` + turn + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`, "toolConfig.functionCallingConfig.allowedFunctionNames", "Invalid value at 'toolConfig.functionCallingConfig.allowedFunctionNames': the function 'f' is not declared in tools."},
		{"an unknown level", `{` + turn + `,"generationConfig":{"thinkingConfig":{"thinkingLevel":"x"}}}`, "generationConfig.thinkingConfig.thinkingLevel", "Invalid value at 'generationConfig.thinkingConfig.thinkingLevel': 'x' is none of 'MINIMAL', 'LOW', 'MEDIUM' and 'HIGH'."},
		{"a number in a string that is none", `{` + turn + `,"generationConfig":{"seed":"x"}}`, "generationConfig.seed", "Invalid value at 'generationConfig.seed': it must be 'a whole number of at least -2147483648', not 'x'."},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeRequest([]byte(c.in))
			if err == nil || err.Status != 400 || err.Type != "INVALID_ARGUMENT" || err.Param != c.param || !strings.HasPrefix(err.Message, c.message) {
				t.Errorf("got %+v", err)
			}
		})
	}
}

// told writes an answer's events in one form of the dialect.
func told(o dialect.Opening, evs ...dialect.Event) string {
	var e Encoder
	o.ID, o.Model = "r1", "smart"
	e.Reset(o)
	var out []byte
	for i := range evs {
		out = e.Event(out, &evs[i])
	}
	if !o.Stream {
		out = e.Body(out)
	}
	return string(out)
}

func TestAnswersToCallers(t *testing.T) {
	began := dialect.Event{Kind: dialect.Start, ID: "x", Model: "y"}
	calls := []dialect.Event{began, {Kind: dialect.ToolStart, ID: "a", Name: "f"}, {Kind: dialect.ToolStart, Index: 1, ID: "b", Name: "g", Signature: "c2ln", SignedBy: dialect.SignerGemini}, {Kind: dialect.ToolDelta, Index: 1, Text: "{\n\"x\":"},
		{Kind: dialect.ToolDelta, Index: 1, Text: "1}"}, {Kind: dialect.ToolEnd, Index: 1}, {Kind: dialect.ToolEnd, Text: "{}"}, stop("tool_calls"), used, end}
	const tail = `"modelVersion":"smart","responseId":"r1"}`
	const usage = `"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":3,"totalTokenCount":21,"cachedContentTokenCount":4,"thoughtsTokenCount":6,"promptTokensDetails":[{"modality":"TEXT","tokenCount":7},{"modality":"IMAGE","tokenCount":5}]},`
	part := func(p string) string {
		return `{"candidates":[{"content":{"parts":[` + p + `],"role":"model"},"index":0}],` + tail
	}
	last := func(reason, rest string) string {
		return `{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"` + reason + `"` + rest + `,"index":0}],`
	}
	f, g := `{"functionCall":{"name":"f","args":{},"id":"a"}}`, `{"functionCall":{"name":"g","args":{"x":1},"id":"b"},"thoughtSignature":"c2ln"}`
	thinks := []dialect.Event{began, {Kind: dialect.ThinkingDelta, Text: "h"}, {Kind: dialect.ThinkingDelta, Text: "m"}, {Kind: dialect.SignatureDelta, Text: "EqQ=", SignedBy: dialect.SignerAnthropic}, {Kind: dialect.RedactedThinkingEvent, Index: 1, Text: "xx", SignedBy: dialect.SignerAnthropic},
		{Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Text: "b"}, stop("stop"), end}
	sealed, redacted := seal(dialect.SignerAnthropic, "EqQ="), sealRedacted(dialect.SignerAnthropic, "xx")
	for _, c := range []struct {
		name string
		o    dialect.Opening
		evs  []dialect.Event
		want string
	}{
		{"calls are whole and in order, in events", dialect.Opening{Stream: true}, calls, events(part(f), part(g), last("STOP", "")+usage+tail)},
		{"in an array", dialect.Opening{Stream: true, Array: true}, calls, "[" + part(f) + ",\r\n" + part(g) + ",\r\n" + last("STOP", "") + usage + tail + "]\n"},
		{"in a body", dialect.Opening{}, calls, `{"candidates":[{"content":{"parts":[` + f + `,` + g + `],"role":"model"},"finishReason":"STOP","index":0}],` + usage + tail},
		{"another's signed thinking, in events", dialect.Opening{Stream: true}, thinks, events(part(`{"thought":true,"text":"h"}`), part(`{"thought":true,"text":"m","thoughtSignature":"`+sealed+`"}`),
			part(`{"thought":true,"text":"","thoughtSignature":"`+redacted+`"}`), part(`{"text":"a"}`), part(`{"text":"b"}`), last("STOP", "")+tail)},
		{"in a body", dialect.Opening{}, thinks, `{"candidates":[{"content":{"parts":[{"thought":true,"text":"hm","thoughtSignature":"` + sealed + `"},{"thought":true,"text":"","thoughtSignature":"` + redacted + `"},{"text":"ab"}],"role":"model"},"finishReason":"STOP","index":0}],` + tail},
		{"arguments that were cut short have no place", dialect.Opening{Stream: true}, []dialect.Event{began, {Kind: dialect.ToolStart, ID: "a", Name: "f"}, {Kind: dialect.ToolDelta, Text: `{"x":`}, stop("tool_calls"), end},
			events(last("MALFORMED_FUNCTION_CALL", `,"finishMessage":"The model called a function with arguments that are not a JSON object."`) + tail)},
		{"several choices", dialect.Opening{}, []dialect.Event{began, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.TextDelta, Choice: 1, Text: "b"}, stop("stop"), {Kind: dialect.Stop, Choice: 1, StopReason: "length"}, end},
			`{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"STOP","index":0},{"content":{"parts":[{"text":"b"}],"role":"model"},"finishReason":"MAX_TOKENS","index":1}],` + tail},
		{"sources, log probabilities and an image", dialect.Opening{}, []dialect.Event{began, {Kind: dialect.ImageEvent, MediaType: "image/png", Data: "aW1n"}, {Kind: dialect.CitationEvent, Citation: &dialect.Citation{URL: "https://a.example", Title: "A", Start: 1, End: 2}}, {Kind: dialect.LogprobsEvent, Logprobs: []dialect.Logprob{{Token: "a", Logprob: -1, Top: []dialect.Logprob{{Token: "b", Logprob: -2}}}}}, stop("content_filter"), end},
			`{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aW1n"}}],"role":"model"},"finishReason":"SAFETY","citationMetadata":{"citations":[{"startIndex":1,"endIndex":2,"uri":"https://a.example","title":"A"}]},"logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}],"topCandidates":[{"candidates":[{"token":"b","logProbability":-2}]}]},"index":0}],` + tail},
		{"an error in the middle of an array", dialect.Opening{Stream: true, Array: true}, []dialect.Event{began, {Kind: dialect.TextDelta, Text: "a"}, {Kind: dialect.ErrorEvent, Err: &dialect.Error{Status: 529, Message: "Overloaded"}}, end},
			"[" + part(`{"text":"a"}`) + ",\r\n" + `{"error":{"code":503,"message":"Overloaded","status":"UNAVAILABLE"}}` + "]\n"},
		{"an end without a reason is an error", dialect.Opening{Stream: true}, []dialect.Event{began, {Kind: dialect.TextDelta, Text: "a"}, end}, events(part(`{"text":"a"}`), `{"error":{"code":502,"message":"The provider's answer ended without a stop reason.","status":"UNAVAILABLE"}}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, told(c.o, c.evs...)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSignaturesComeBackToTheirSigners(t *testing.T) {
	for _, c := range []struct {
		by        dialect.Signer
		signature string
		redacted  bool
	}{{dialect.SignerGemini, "c2ln", false}, {dialect.SignerAnthropic, "EqQBCg==", false}, {dialect.SignerUnknown, "no base64!", false}, {dialect.SignerAnthropic, "data", true}, {dialect.SignerUnknown, "data", true}} {
		s := seal(c.by, c.signature)
		if c.redacted {
			s = sealRedacted(c.by, c.signature)
		}
		if !isBase64(s) {
			t.Errorf("%+v: %q is no base64", c, s)
		}
		if by, signature, redacted := unseal(s); by != c.by || signature != c.signature || redacted != c.redacted {
			t.Errorf("%+v: got %q, %q, %v", c, by, signature, redacted)
		}
	}
	if by, s, _ := unseal("Z3djIT"); by != dialect.SignerGemini || s != "Z3djIT" {
		t.Errorf("a signature that only looks like a sealed one: got %q, %q", by, s)
	}
}

func TestTapSeesWhatPasses(t *testing.T) {
	stream := events(say(`{"functionCall":{"name":"f"}}`, ""), `{"candidates":[{"content":{"parts":[]},"finishReason":"STOP"}],`+numbers+`,`+head+`}`)
	for _, c := range []struct {
		name, answer string
		stream       bool
		want         dialect.Aside
	}{
		{"events", stream, true, dialect.Aside{Usage: used.Usage, Stop: "tool_calls", Model: "gemini-x", Done: true, Pieces: 2}},
		{"an array", "[" + say(`{"text":"a"}`, "") + ",\r\n" + say("", `,"finishReason":"STOP"`) + "]", true, dialect.Aside{Stop: "stop", Model: "gemini-x", Done: true, Pieces: 2}},
		{"a stream that breaks off", events(say(`{"text":"a"}`, "")), true, dialect.Aside{Model: "gemini-x", Pieces: 1}},
		{"a blocked prompt", events(`{"promptFeedback":{"blockReason":"SAFETY"}}`), true, dialect.Aside{Stop: "content_filter", Done: true, Pieces: 1}},
		{"an error", events(`{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}`), true, dialect.Aside{Err: &dialect.Error{Status: 503, Type: "UNAVAILABLE", Message: "x"}}},
		{"a body", say(`{"text":"a"}`, `,"finishReason":"MAX_TOKENS"`), false, dialect.Aside{Stop: "length", Model: "gemini-x", Done: true, Pieces: 1}},
		{"garbage", "data: {\"candidates\":[{]}\r\n\r\n[[", true, dialect.Aside{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{1, 1 << 20} {
				var tap Tap
				tap.Reset(c.stream)
				var passed []byte
				for b := []byte(c.answer); len(b) > 0; {
					k := min(n, len(b))
					passed = tap.Filter(passed, b[:k])
					b = b[k:]
				}
				passed = tap.FilterEnd(passed)
				if diff := cmp.Diff(&c.want, tap.Seen()); diff != "" || string(passed) != c.answer {
					t.Errorf("pieces of %d: mismatch (-want +got):\n%s", n, diff)
				}
			}
		})
	}
}

// TestSteadyStateAllocations holds the budget: a tap allocates nothing, a translated piece of a stream two strings at most.
func TestSteadyStateAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	piece := []byte(events(`{"candidates":[{"content":{"parts":[{"text":" a few more words"}],"role":"model"},"index":0}],` + numbers + `,` + head + `}`))
	var tap Tap
	tap.Reset(true)
	tap.Feed(piece)
	if n := testing.AllocsPerRun(200, func() { tap.Feed(piece) }); n != 0 {
		t.Errorf("the tap allocates %v times per piece", n)
	}
	d := NewDecoder(true)
	var e Encoder
	e.Reset(dialect.Opening{Stream: true, ID: "r1", Model: "smart"})
	var out []byte
	emit := func(ev *dialect.Event) { out = e.Event(out[:0], ev) }
	d.Feed(piece, emit)
	if n := testing.AllocsPerRun(200, func() { d.Feed(piece, emit) }); n > 2 {
		t.Errorf("decoding and encoding allocate %v times per piece", n)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(events(say(`{"text":"a","thought":true},{"functionCall":{"name":"f"}}`, `,"finishReason":"STOP"`))), true, 3)
	f.Add([]byte("["+say(`{"text":"a"}`, `,"finishReason":"STOP"`)+"]"), true, 1)
	f.Add([]byte(say(`{"text":"ä"}`, `,"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"endIndex":2},"groundingChunkIndices":[0]}]}`)), false, 9)
	f.Fuzz(func(t *testing.T, answer []byte, stream bool, n int) {
		evs := heard(stream, string(answer), len(answer)+1)
		if diff := cmp.Diff(evs, heard(stream, string(answer), 1+n&15)); diff != "" {
			t.Fatalf("cuts change the answer (-whole +cut):\n%s", diff)
		}
		ends := 0
		for i := range evs {
			if evs[i].Kind == dialect.End {
				ends++
			}
		}
		if ends != 1 || evs[len(evs)-1].Kind != dialect.End {
			t.Fatalf("%d ends in %+v", ends, evs)
		}
		for _, o := range []dialect.Opening{{}, {Stream: true}, {Stream: true, Array: true}} {
			out := told(o, evs...)
			switch {
			case o.Stream && !o.Array:
				for line := range strings.SplitSeq(strings.TrimSuffix(out, "\r\n\r\n"), "\r\n\r\n") {
					if data, ok := strings.CutPrefix(line, "data: "); !ok || !json.Valid([]byte(data)) || strings.ContainsAny(data, "\r\n") {
						t.Fatalf("not an event: %q", line)
					}
				}
			case !json.Valid([]byte(out)):
				t.Fatalf("not JSON: %s", out)
			}
		}
		var tap Tap
		tap.Reset(stream)
		tap.Feed(answer)
		tap.Finish()
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"contents":[{"parts":[{"text":"hi"},{"inline_data":{"mime_type":"image/png","data":"eA"}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}}]}],"generationConfig":{"seed":"1","thinkingConfig":{"thinkingBudget":-1}}}`))
	f.Add([]byte(`{"contents":[{"parts":[]}],"generationConfig":{"speechConfig":{"voiceConfig":{}},"responseMimeType":"application/json","responseSchema":{"anyOf":[{"type":"STRING"}]}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := DecodeRequest(in)
		if err != nil {
			if err.Status != 400 || err.Message == "" {
				t.Fatalf("%+v", err)
			}
			return
		}
		for _, model := range []string{"gemini-2.5-pro", "gemini-3-flash"} {
			out, err := EncodeRequest(nil, r, &dialect.Target{Model: model})
			if err != nil {
				continue
			}
			if err := jsonscan.Valid(out); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
		}
	})
}

func FuzzError(f *testing.F) {
	f.Add(400, []byte(`[{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"@type":"google.rpc.ErrorInfo","reason":"API_KEY_INVALID"},{"@type":"google.rpc.RetryInfo","retryDelay":"1.5s"}]}}]`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := DecodeError(&dialect.ErrorAnswer{Status: status, Body: body})
		if e.Message == "" || e.Type == "" {
			t.Fatalf("%+v", e)
		}
		if out := AppendError(nil, e); !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
	})
}
