package dialect_test

import (
	"testing"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
	"github.com/gwc-dev/gwc/runtime/dialect/openaitask"
	"github.com/gwc-dev/gwc/runtime/dialect/recorded"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/catalogue"
)

// made is an answer that no recording has: its form is that of the provider's documents, its numbers are chosen so that
// each kind of unit, tier and threshold stands on the invoice. want is what its usage means, read by hand.
type made struct {
	name, provider, model string
	tap                   func() dialect.Tap
	answer                string
	want                  dialect.Usage
}

func (m *made) position(t *testing.T) *position {
	t.Helper()
	e, _, ok := catalogue.Lookup(m.provider, m.model)
	if !ok || e.Price == nil {
		t.Fatalf("%s: the catalogue has no price of %s/%s", m.name, m.provider, m.model)
	}
	p := &position{x: &recorded.Exchange{Name: m.name, Answer: m.answer}, provider: m.provider, model: m.model, entry: e, usage: m.want,
		read: func(x *recorded.Exchange) dialect.Usage {
			tap := m.tap()
			tap.Reset(false)
			tap.Feed([]byte(x.Answer))
			tap.Finish()
			return tap.Seen().Usage
		}}
	p.split()
	return p
}

func handmade() []made {
	chat := func() dialect.Tap { return new(openaichat.Tap) }
	responses := func() dialect.Tap { return new(openairesponses.Tap) }
	claude := func() dialect.Tap { return new(anthropic.Tap) }
	google := func() dialect.Tap { return new(gemini.Tap) }
	task := func() dialect.Tap { return new(openaitask.Tap) }
	images := func() dialect.Tap { return openaitask.NewImagesTap() }
	said := func(usage string) string {
		return `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],` + usage + `}`
	}
	message := func(usage string) string {
		return `{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":` + usage + `}`
	}
	candidate := func(usage string) string {
		return `{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":` + usage + `}`
	}
	response := func(output, rest string) string {
		return `{"id":"r","object":"response","status":"completed","model":"m","output":[` + output + `],` + rest + `}`
	}
	return []made{
		{"flex, with cached input", "openai", "gpt-5", chat, said(`"service_tier":"flex","usage":{"prompt_tokens":10000,"completion_tokens":700,"total_tokens":10700,"prompt_tokens_details":{"cached_tokens":8192},"completion_tokens_details":{"reasoning_tokens":512}}`),
			dialect.Usage{Input: 10000, CacheRead: 8192, Output: 700, Reasoning: 512, Service: "flex", Known: true}},
		{"priority", "openai", "gpt-4.1-mini", chat, said(`"usage":{"prompt_tokens":1234,"completion_tokens":567},"service_tier":"priority"`),
			dialect.Usage{Input: 1234, Output: 567, Service: "priority", Known: true}},
		{"a tier that the vendor does not sell for this model", "openai", "gpt-4o-mini", chat, said(`"service_tier":"scale","usage":{"prompt_tokens":10,"completion_tokens":10}`),
			dialect.Usage{Input: 10, Output: 10, Service: "scale", Known: true}},
		{"flex beyond 272,000 tokens, of which the price list is silent", "openai", "gpt-5.4", chat, said(`"service_tier":"flex","usage":{"prompt_tokens":300000,"completion_tokens":10}`),
			dialect.Usage{Input: 300000, Output: 10, Service: "flex", Known: true}},
		{"beyond 272,000 tokens, with cached ones", "openai", "gpt-5.4", chat, said(`"service_tier":"default","usage":{"prompt_tokens":272001,"completion_tokens":999,"prompt_tokens_details":{"cached_tokens":272000}}`),
			dialect.Usage{Input: 272001, CacheRead: 272000, Output: 999, Known: true}},
		{"at 272,000 tokens", "openai", "gpt-5.4", chat, said(`"usage":{"prompt_tokens":272000,"completion_tokens":999,"prompt_tokens_details":{"cached_tokens":271999}}`),
			dialect.Usage{Input: 272000, CacheRead: 271999, Output: 999, Known: true}},
		{"a batch, with both caches written and a search", "anthropic", "claude-sonnet-4-5", claude, message(`{"input_tokens":100,"cache_read_input_tokens":5000,"cache_creation_input_tokens":3000,"cache_creation":{"ephemeral_5m_input_tokens":1000,"ephemeral_1h_input_tokens":2000},"output_tokens":300,"service_tier":"batch","server_tool_use":{"web_search_requests":1}}`),
			dialect.Usage{Input: 8100, CacheRead: 5000, CacheWrite: 3000, CacheWrite1h: 2000, Output: 300, Service: "batch", Units: price.Units{WebSearches: 1}, Known: true}},
		{"searches and fetches: the latter are free", "anthropic", "claude-haiku-4-5", claude, message(`{"input_tokens":2100,"output_tokens":300,"service_tier":"standard","server_tool_use":{"web_search_requests":3,"web_fetch_requests":2}}`),
			dialect.Usage{Input: 2100, Output: 300, Units: price.Units{WebSearches: 3}, Known: true}},
		{"priority of Anthropic, which is sold as capacity", "anthropic", "claude-haiku-4-5", claude, message(`{"input_tokens":21,"output_tokens":3,"service_tier":"priority"}`),
			dialect.Usage{Input: 21, Output: 3, Service: "priority", Known: true}},
		{"fast mode, with cached input", "anthropic", "claude-opus-4-6", claude, message(`{"input_tokens":100,"cache_read_input_tokens":1000,"output_tokens":10,"service_tier":"standard","speed":"fast","inference_geo":"global"}`),
			dialect.Usage{Input: 1100, CacheRead: 1000, Output: 10, Service: "fast", Known: true}},
		{"work in the United States alone", "anthropic", "claude-sonnet-4-6", claude, message(`{"input_tokens":101,"output_tokens":13,"service_tier":"standard","speed":"standard","inference_geo":"us"}`),
			dialect.Usage{Input: 101, Output: 13, Service: "us", Known: true}},
		{"both at once, which nobody has a price for", "anthropic", "claude-opus-4-6", claude, message(`{"input_tokens":101,"output_tokens":13,"speed":"fast","inference_geo":"us"}`),
			dialect.Usage{Input: 101, Output: 13, Service: price.Other, Known: true}},
		{"two searches, a page that was opened, a search of files", "openai", "gpt-5", responses,
			response(`{"type":"web_search_call","id":"a","action":{"type":"search","query":"q"}},{"action":{"type":"open_page","url":"https://a.example"},"type":"web_search_call","id":"b"},{"type":"web_search_call","id":"c","action":{"type":"search","query":"r"}},{"type":"file_search_call","id":"d","queries":["q"]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}`,
				`"service_tier":"default","usage":{"input_tokens":9000,"input_tokens_details":{"cached_tokens":0},"output_tokens":400,"output_tokens_details":{"reasoning_tokens":256},"total_tokens":9400}`),
			dialect.Usage{Input: 9000, Output: 400, Reasoning: 256, Units: price.Units{WebSearches: 2, FileSearches: 1}, Known: true}},
		{"a container for code, whose price no entry has", "openai", "gpt-5", responses,
			response(`{"type":"code_interpreter_call","id":"a","code":"1"}`, `"usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}`),
			dialect.Usage{Input: 9, Output: 4, Units: price.Units{ServerTools: 1}, Known: true}},
		{"speech that is heard and spoken", "openai", "gpt-4o-audio-preview", chat, said(`"usage":{"prompt_tokens":130,"completion_tokens":250,"prompt_tokens_details":{"text_tokens":10,"audio_tokens":120},"completion_tokens_details":{"text_tokens":50,"audio_tokens":200}}`),
			dialect.Usage{Input: 130, InputAudio: 120, Output: 250, OutputAudio: 200, Known: true}},
		{"audio that a model has no price for", "openai", "gpt-4o", chat, said(`"usage":{"prompt_tokens":130,"completion_tokens":25,"prompt_tokens_details":{"audio_tokens":120}}`),
			dialect.Usage{Input: 130, InputAudio: 120, Output: 25, Known: true}},
		{"audio and images to Gemini", "google", "gemini-2.5-flash", google, candidate(`{"promptTokenCount":1350,"candidatesTokenCount":50,"thoughtsTokenCount":200,"totalTokenCount":1600,"promptTokensDetails":[{"modality":"TEXT","tokenCount":92},{"modality":"AUDIO","tokenCount":1000},{"modality":"IMAGE","tokenCount":258}]}`),
			dialect.Usage{Input: 1350, InputAudio: 1000, InputImage: 258, Output: 250, Reasoning: 200, Known: true}},
		{"an image of Gemini, with text beside it", "google", "gemini-2.5-flash-image", google, candidate(`{"promptTokenCount":12,"candidatesTokenCount":1310,"totalTokenCount":1322,"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"IMAGE","tokenCount":1290}]}`),
			dialect.Usage{Input: 12, Output: 1310, OutputImage: 1290, Known: true}},
		{"Gemini with two searches, which are free or not by the day's count", "google", "gemini-2.5-flash", google, `{"candidates":[{"content":{"role":"model","parts":[{"text":"a"}]},"finishReason":"STOP","groundingMetadata":{"webSearchQueries":["a","b"]}}],"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":10,"totalTokenCount":22}}`,
			dialect.Usage{Input: 12, Output: 10, Units: price.Units{WebSearches: 2}, Known: true}},
		{"capacity that was bought before", "google-vertex", "gemini-2.5-pro", google, candidate(`{"promptTokenCount":12,"candidatesTokenCount":10,"totalTokenCount":22,"trafficType":"PROVISIONED_THROUGHPUT"}`),
			dialect.Usage{Input: 12, Output: 10, Service: "provisioned", Known: true}},
		{"Gemini beyond 200,000 tokens, mostly cached", "google", "gemini-2.5-pro", google, candidate(`{"promptTokenCount":250000,"cachedContentTokenCount":240000,"candidatesTokenCount":100,"thoughtsTokenCount":28,"totalTokenCount":250128}`),
			dialect.Usage{Input: 250000, CacheRead: 240000, Output: 128, Reasoning: 28, Known: true}},
		{"an image by tokens, from another image", "openai", "gpt-image-1.5", images, `{"created":1,"data":[{"b64_json":"aGVsbG8="}],"usage":{"total_tokens":4500,"input_tokens":340,"output_tokens":4160,"input_tokens_details":{"text_tokens":40,"image_tokens":300},"output_tokens_details":{"image_tokens":4160}}}`,
			dialect.Usage{Input: 340, InputImage: 300, Output: 4160, OutputImage: 4160, Units: price.Units{Images: 1}, Known: true}},
		{"a transcription by the second", "openai", "whisper-1", task, `{"text":"hello","usage":{"type":"duration","seconds":61}}`,
			dialect.Usage{Units: price.Units{Seconds: 61}}},
		{"a transcription by tokens", "openai", "gpt-4o-transcribe", task, `{"text":"hello","usage":{"type":"tokens","input_tokens":124,"input_token_details":{"text_tokens":10,"audio_tokens":114},"output_tokens":45,"total_tokens":169}}`,
			dialect.Usage{Input: 124, InputAudio: 114, Output: 45, Known: true}},
		{"a reranking of 150 documents", "cohere", "rerank-v3.5", task, `{"id":"r","results":[],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":2}}}`,
			dialect.Usage{Units: price.Units{SearchUnits: 2}}},
		{"the least of searching", "perplexity", "sonar", chat, said(`"usage":{"prompt_tokens":14,"completion_tokens":300,"total_tokens":314,"search_context_size":"low","cost":{"input_tokens_cost":0.000014,"output_tokens_cost":0.0003,"request_cost":0.005,"total_cost":0.005314}}`),
			dialect.Usage{Input: 14, Output: 300, Known: true}},
		{"the most of searching", "perplexity", "sonar-pro", chat, said(`"usage":{"prompt_tokens":14,"completion_tokens":300,"total_tokens":314,"search_context_size":"high"}`),
			dialect.Usage{Input: 14, Output: 300, Service: "search-high", Known: true}},
		{"deep research: reasoning, citations and searches beside the tokens", "perplexity", "sonar-deep-research", chat, said(`"usage":{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"citation_tokens":20016,"num_search_queries":18,"reasoning_tokens":73997}`),
			dialect.Usage{Input: 33, Output: 7163 + 73997, Reasoning: 73997, Citation: 20016, Units: price.Units{WebSearches: 18}, Known: true}},
		{"flex of Groq, at the usual price", "groq", "openai/gpt-oss-120b", chat, said(`"service_tier":"flex","usage":{"prompt_tokens":77,"completion_tokens":33,"total_tokens":110,"completion_tokens_details":{"reasoning_tokens":20}}`),
			dialect.Usage{Input: 77, Output: 33, Reasoning: 20, Service: "flex", Known: true}},
	}
}
