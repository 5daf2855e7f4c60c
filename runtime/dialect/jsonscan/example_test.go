package jsonscan_test

import (
	"fmt"

	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// A chat request is passed on with another model, and with usage asked for in its stream. Nothing else changes.
func ExampleSplice() {
	body := []byte(`{"model": "fast", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}`)
	var head jsonscan.ChatHead
	if err := jsonscan.Chat(body, &head); err != nil {
		fmt.Println(err)
		return
	}
	edits := []jsonscan.Edit{head.ReplaceModel(jsonscan.AppendString(nil, "gpt-5-mini"))}
	if head.Stream {
		if e, needed := head.RequestUsage(body); needed {
			edits = append(edits, e)
		}
	}
	fmt.Println(string(head.Model))
	fmt.Println(string(jsonscan.Splice(nil, body, edits...)))
	// Output:
	// fast
	// {"model": "gpt-5-mini", "stream": true, "messages": [{"role": "user", "content": "Hi"}],"stream_options":{"include_usage":true}}
}

func ExampleCheck() {
	fmt.Println(jsonscan.Check([]byte(`{"model":"a","mod\u0065l":"b"}`)))
	// Output: invalid JSON at byte 13: the name "model" stands twice in one object
}
