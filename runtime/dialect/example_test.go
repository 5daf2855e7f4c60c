package dialect_test

import (
	"fmt"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

// A client of one dialect talks to a target of another: each side knows only the neutral form between them.
func Example() {
	request, err := openaichat.DecodeRequest([]byte(`{"model":"smart","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	up, err := anthropic.EncodeRequest(nil, request, &dialect.Target{Model: "claude-sonnet-4-5", MaxTokens: 1024})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(up))

	answer := `{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"Hello."}],"stop_reason":"end_turn","usage":{"input_tokens":12,"output_tokens":4}}`
	encoder := openaichat.NewEncoder(false, false, "chatcmpl-1", 1700000000, "smart")
	decoder := anthropic.NewDecoder(false)
	emit := func(ev *dialect.Event) { encoder.Event(nil, ev) }
	decoder.Feed([]byte(answer), emit)
	decoder.Finish(emit)
	fmt.Println(string(encoder.Body(nil)))
	// Output:
	// {"model":"claude-sonnet-4-5","max_tokens":1024,"system":"Be brief.","messages":[{"role":"user","content":"Hi"}]}
	// {"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"smart","choices":[{"index":0,"message":{"role":"assistant","content":"Hello.","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":4,"total_tokens":16,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}
}
