package sse_test

import (
	"fmt"

	"github.com/gwc-dev/gwc/runtime/dialect/sse"
)

func Example() {
	var s sse.Splitter
	var ev sse.Event
	for _, piece := range []string{"event: delta\r\nda", "ta:{\"a\":1}\r\n\r", "\n: ping\n\ndata: [DONE]\n\n"} {
		for b := []byte(piece); len(b) > 0; {
			n, ok, err := s.Next(b, &ev)
			if err != nil {
				fmt.Println(err)
			}
			if ok {
				fmt.Printf("%q %s\n", ev.Name, ev.Data)
			}
			b = b[n:]
		}
	}
	// Output:
	// "delta" {"a":1}
	// "" [DONE]
}
