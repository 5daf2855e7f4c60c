package http1_test

import (
	"fmt"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// A connection's bytes become a head, then the pieces of its body; what is left belongs to the next message.
func Example() {
	b := []byte("POST /v1/pets?dry HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"7\r\n{\"a\": 1\r\n1\r\n}\r\n0\r\n\r\nGET / HTTP/1.1\r\n")
	var head http1.Head
	n, err := head.ParseRequest(b, http1.Limits{})
	if err != nil || n == 0 {
		return
	}
	fmt.Printf("%s %s at %s\n", head.Method, head.Path, head.Host)
	var body http1.Body
	body.Request(&head)
	for b = b[n:]; !body.Done(); b = b[n:] {
		var data []byte
		if data, n, err = body.Next(b); err != nil || n == 0 {
			return
		}
		fmt.Printf("%q\n", data)
	}
	fmt.Printf("next: %q\n", b)
	// Output:
	// POST /v1/pets at example.com
	// "{\"a\": 1"
	// "}"
	// next: "GET / HTTP/1.1\r\n"
}
