package openaichat_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
)

func TestThinkingBetweenTagsIsNoText(t *testing.T) {
	for _, c := range []struct{ name, text, thinking, want string }{
		{"thinking and an answer", "\n<think>\nWell, 1 < 2.</thin k>\n</think>\n\nIt is </think> so.", "\nWell, 1 < 2.</thin k>\n", "It is </think> so."},
		{"no tags", "<thin ice", "", "<thin ice"},
		{"half a tag and nothing more", "<thi", "", "<thi"},
		{"thinking that does not end", "<think>a</thi", "a</thi", ""},
		{"white space in front of text", "  hi", "", "  hi"},
		{"a tag behind text", "hi <think>x</think>", "", "hi <think>x</think>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for cut := range len(c.text) + 1 {
				raw := ""
				for _, piece := range []string{c.text[:cut], c.text[cut:]} {
					content, err := json.Marshal(piece)
					if err != nil {
						t.Fatal(err)
					}
					raw += `data: {"id":"1","choices":[{"index":0,"delta":{"content":` + string(content) + "}}]}\n\n"
				}
				raw += `data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
				d := &openaichat.Decoder{Tags: true}
				d.Reset(true)
				var text, thinking string
				emit := func(ev *dialect.Event) {
					switch ev.Kind {
					case dialect.TextDelta:
						text += ev.Text
					case dialect.ThinkingDelta:
						thinking += ev.Text
					case dialect.ErrorEvent:
						t.Fatal(ev.Err)
					}
				}
				d.Feed([]byte(raw), emit)
				d.Finish(emit)
				if diff := cmp.Diff([]string{c.thinking, c.want}, []string{thinking, text}); diff != "" {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", cut, diff)
				}
			}
		})
	}
}
