package wire

import (
	"strings"
	"testing"
)

func TestReaderFindsEndsAndEventsHoweverTheInputIsCut(t *testing.T) {
	input := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" +
		"HTTP/1.1 204 No Content\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"C;x=1\r\ndata: a\n\ndat\r\n8\r\na: b\n\n:\n\r\n0\r\nTrailer: 1\r\n\r\n" +
		"POST / HTTP/1.1\r\ncontent-LENGTH:  2\r\n\r\n{}"
	for size := 1; size <= len(input); size++ {
		var r Reader
		var bodies []string
		var body strings.Builder
		for rest := input; rest != ""; {
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			for piece != "" {
				n, done := r.Feed([]byte(piece), func(b []byte) { body.Write(b) })
				piece = piece[n:]
				if done {
					bodies = append(bodies, body.String())
					body.Reset()
				}
			}
		}
		if got := strings.Join(bodies, "|"); got != "hello||data: a\n\ndata: b\n\n:\n|{}" || r.Events != 2 {
			t.Fatalf("in pieces of %d: bodies %q, %d events", size, got, r.Events)
		}
	}
}
