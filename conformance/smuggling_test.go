package conformance

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var requestLines = regexp.MustCompile(`(?m)^[A-Z]+ (\S+) HTTP/1\.1\r?$`)

func unescapeAll(target string) (string, error) {
	path, _, _ := strings.Cut(target, "?")
	path, err := url.PathUnescape(path)
	for range 2 { // an encoded encoding
		if next, err := url.PathUnescape(path); err == nil {
			path = next
		}
	}
	return path, err
}

// smuggle is a request that two parsers could read differently. PATH stands for a path of its own.
type smuggle struct {
	name, raw string
	legal     bool // it must be taken; any other must be refused
}

// normalised are the probes that the std engine takes: net/http forgives them before gwc sees them, with one reading
// of its own, and what goes on to the upstream is written anew from that reading. At the netpoll engines all of them
// are refused.
var normalised = []string{
	"length then chunked", "chunked then length", "chunked and length 0", // chunked wins
	"lengths 5 and 5",
	"a folded field", "a folded field by tab", "a folded coding", "a folded trailer",
	"bare LF everywhere", "bare LF after the request line", "bare LF after a field", "bare LF at the end of the head", "bare LF at the end of trailers",
	"coding in HTTP/1.0", // net/http takes it for a body of no bytes
	"NUL in an extension",
	"an absolute target with a user",
}

// clear are probes whose framing is beyond doubt: the std engine refuses them and may go on with the connection.
var clear = []string{"a fragment in the target", "bytes above 127 in the target"}

const hostField = "Host: a\r\n"

// framed builds a probe out of the framing fields and a body.
func framed(fields, body string) string {
	return "POST PATH HTTP/1.1\r\n" + hostField + fields + "\r\n" + body
}

var smuggles = []smuggle{
	{"a plain GET", "GET PATH HTTP/1.1\r\n" + hostField + "\r\n", true},
	{"a chunked body", framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), true},
	{"a chunk extension", framed("Transfer-Encoding: chunked\r\n", "5;a=b\r\nhello\r\n0\r\n\r\n"), true},
	{"a quoted chunk extension", framed("Transfer-Encoding: chunked\r\n", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"), true},
	{"another case of chunked", framed("transfer-encoding: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"), true},

	{"length then chunked", framed("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG"), false},
	{"chunked then length", framed("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\nG"), false},
	{"chunked and length 0", framed("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), false},
	{"lengths 5 and 6", framed("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"), false},
	{"lengths 5 and 5", framed("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), false},
	{"length '5, 5'", framed("Content-Length: 5, 5\r\n", "hello"), false},
	{"length '5,6'", framed("Content-Length: 5,6\r\n", "hello!"), false},
	{"length '+5'", framed("Content-Length: +5\r\n", "hello"), false},
	{"length '-1'", framed("Content-Length: -1\r\n", "hello"), false},
	{"length '0x5'", framed("Content-Length: 0x5\r\n", "hello"), false},
	{"length '5 5'", framed("Content-Length: 5 5\r\n", "hello"), false},
	{"length '5e0'", framed("Content-Length: 5e0\r\n", "hello"), false},
	{"length '5_0'", framed("Content-Length: 5_0\r\n", "hello"), false},
	{"length '\"5\"'", framed("Content-Length: \"5\"\r\n", "hello"), false},
	{"length empty", framed("Content-Length: \r\n", "hello"), false},
	{"length in other digits", framed("Content-Length: \xd9\xa5\r\n", "hello"), false},
	{"length 2^64+5", framed("Content-Length: 18446744073709551621\r\n", "hello"), false},
	{"length 2^63", framed("Content-Length: 9223372036854775808\r\n", "hello"), false},
	{"length of thirty digits", framed("Content-Length: "+strings.Repeat("9", 30)+"\r\n", "hello"), false},
	{"length in GET with two values", "GET PATH HTTP/1.1\r\n" + hostField + "Content-Length: 5\r\ncontent-length: 0\r\n\r\nhello", false},

	{"a folded field", "GET PATH HTTP/1.1\r\n" + hostField + "X-A: 1\r\n folded\r\n\r\n", false},
	{"a folded field by tab", "GET PATH HTTP/1.1\r\n" + hostField + "X-A: 1\r\n\tfolded\r\n\r\n", false},
	{"a folded coding", framed("Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), false},
	{"a first field that begins with a space", "GET PATH HTTP/1.1\r\n Host: a\r\n\r\n", false},
	{"bare LF everywhere", "GET PATH HTTP/1.1\nHost: a\n\n", false},
	{"bare LF after the request line", "GET PATH HTTP/1.1\nHost: a\r\n\r\n", false},
	{"bare LF after a field", framed("X-A: 1\nContent-Length: 5\r\n", "hello"), false},
	{"bare LF at the end of the head", "GET PATH HTTP/1.1\r\nHost: a\r\n\n", false},
	{"bare CR in a value", "GET PATH HTTP/1.1\r\n" + hostField + "X-A: 1\rX-B: 2\r\n\r\n", false},
	{"bare CR at the end of a value", framed("Content-Length: 5\r\r\n", "hello"), false},
	{"CR CR LF at the end of the head", "GET PATH HTTP/1.1\r\n" + hostField + "\r\r\n", false},
	{"a space before the colon of a length", framed("Content-Length : 5\r\n", "hello"), false},
	{"a space before the colon of a coding", framed("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), false},
	{"a tab before the colon of a coding", framed("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), false},
	{"coding xchunked", framed("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), false},
	{"coding chunked, identity", framed("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), false},
	{"coding identity, chunked", framed("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"), false},
	{"coding gzip, chunked", framed("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), false},
	{"coding chunked, chunked", framed("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"), false},
	{"coding chunked with a parameter", framed("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"), false},
	{"coding in quotes", framed("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), false},
	{"coding with a leading comma", framed("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), false},
	{"coding empty", framed("Transfer-Encoding: \r\n", "0\r\n\r\n"), false},
	{"coding identity and a length", framed("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello"), false},
	{"coding twice, one unknown", framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), false},
	{"coding twice", framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), false},
	{"coding after a vertical tab", framed("Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), false},
	{"coding after a form feed", framed("Transfer-Encoding: \x0cchunked\r\n", "0\r\n\r\n"), false},
	{"coding with a NUL", framed("Transfer-Encoding: chunked\x00\r\n", "0\r\n\r\n"), false},
	{"coding in HTTP/1.0", "POST PATH HTTP/1.0\r\n" + hostField + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false},

	{"a chunk size that overflows", framed("Transfer-Encoding: chunked\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n"), false},
	{"a chunk size of 2^63", framed("Transfer-Encoding: chunked\r\n", "8000000000000000\r\nhello\r\n0\r\n\r\n"), false},
	{"chunk size -5", framed("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"), false},
	{"chunk size +5", framed("Transfer-Encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n"), false},
	{"chunk size 0x5", framed("Transfer-Encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n"), false},
	{"chunk size 5_", framed("Transfer-Encoding: chunked\r\n", "5_\r\nhello\r\n0\r\n\r\n"), false},
	{"chunk size 5g", framed("Transfer-Encoding: chunked\r\n", "5g\r\nhello\r\n0\r\n\r\n"), false},
	{"a space before a chunk size", framed("Transfer-Encoding: chunked\r\n", " 5\r\nhello\r\n0\r\n\r\n"), false},
	{"no chunk size", framed("Transfer-Encoding: chunked\r\n", "\r\nhello\r\n0\r\n\r\n"), false},
	{"only an extension", framed("Transfer-Encoding: chunked\r\n", ";a=b\r\nhello\r\n0\r\n\r\n"), false},
	{"bare LF in an extension", framed("Transfer-Encoding: chunked\r\n", "5;a\nhello\r\n0\r\n\r\n"), false},
	{"bare CR in an extension", framed("Transfer-Encoding: chunked\r\n", "5;a\rb\r\nhello\r\n0\r\n\r\n"), false},
	{"NUL in an extension", framed("Transfer-Encoding: chunked\r\n", "5;a\x00b\r\nhello\r\n0\r\n\r\n"), false},
	{"an extension of a megabyte", framed("Transfer-Encoding: chunked\r\n", "5;a="+strings.Repeat("x", 1<<20)+"\r\nhello\r\n0\r\n\r\n"), false},
	{"bare LF after a chunk size", framed("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n"), false},
	{"bare LF after chunk data", framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\n0\r\n\r\n"), false},
	{"chunk data longer than its size", framed("Transfer-Encoding: chunked\r\n", "5\r\nhelloXX0\r\n\r\n"), false},
	{"bare LF at the end of trailers", framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\n"), false},
	{"a folded trailer", framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n"), false},
	{"a trailer without a colon", framed("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nGET /x\r\n\r\n"), false},

	{"no host", "GET PATH HTTP/1.1\r\nX-A: 1\r\n\r\n", false},
	{"two hosts", "GET PATH HTTP/1.1\r\n" + hostField + "Host: b\r\n\r\n", false},
	{"the same host twice", "GET PATH HTTP/1.1\r\n" + hostField + hostField + "\r\n", false},
	{"a host list", "GET PATH HTTP/1.1\r\nHost: a, b\r\n\r\n", false},
	{"a host with a path", "GET PATH HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"a host with a user", "GET PATH HTTP/1.1\r\nHost: u@a\r\n\r\n", false},
	{"a host with a space", "GET PATH HTTP/1.1\r\nHost: a b\r\n\r\n", false},
	{"a host with a bad port", "GET PATH HTTP/1.1\r\nHost: a:b\r\n\r\n", false},
	{"NUL in a value", "GET PATH HTTP/1.1\r\n" + hostField + "X-A: a\x00b\r\n\r\n", false},
	{"DEL in a value", "GET PATH HTTP/1.1\r\n" + hostField + "X-A: a\x7fb\r\n\r\n", false},
	{"a bad field name", "GET PATH HTTP/1.1\r\n" + hostField + "X A(: 1\r\n\r\n", false},
	{"a field name with bytes above 127", "GET PATH HTTP/1.1\r\n" + hostField + "X-\xc3\xa9: 1\r\n\r\n", false},
	{"an empty field name", "GET PATH HTTP/1.1\r\n" + hostField + ": 1\r\n\r\n", false},
	{"a field without a colon", "GET PATH HTTP/1.1\r\n" + hostField + "X-A\r\n\r\n", false},
	{"version 9.9", "GET PATH HTTP/9.9\r\n" + hostField + "\r\n", false},
	{"version 1.10", "GET PATH HTTP/1.10\r\n" + hostField + "\r\n", false},
	{"version 2.0", "GET PATH HTTP/2.0\r\n" + hostField + "\r\n", false},
	{"version in lower case", "GET PATH http/1.1\r\n" + hostField + "\r\n", false},
	{"no version", "GET PATH\r\n" + hostField + "\r\n", false},
	{"a control character in the target", "GET PATH\x01 HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"a space in the target", "GET PATH q HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"a tab in the request line", "GET\tPATH HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"two spaces in the request line", "GET  PATH HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"a space after the version", "GET PATH HTTP/1.1 \r\n" + hostField + "\r\n", false},
	{"a fragment in the target", "GET PATH#x HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"bytes above 127 in the target", "GET PATH\xc3\xa9 HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"a bad method", "G(T PATH HTTP/1.1\r\n" + hostField + "\r\n", false},
	{"an absolute target with a user", "GET http://u:p@aPATH HTTP/1.1\r\n" + hostField + "\r\n", false},
}

// TestSmuggling sends every probe to every engine, each followed by a request that only a confused parser would see,
// and holds two things: what is not legal is refused, and nothing that reaches the upstream can be read in two ways.
func TestSmuggling(t *testing.T) {
	onEveryEngine(t, func(t *testing.T, s *stage) {
		// The probes run side by side within a group, so that those which end by a timeout cost little.
		t.Run("probes", func(t *testing.T) {
			for i, p := range smuggles {
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					path := fmt.Sprintf("/api/t/probe%03d", i)
					c := s.dial(t)
					c.SetDeadline(time.Now().Add(5 * time.Second))
					go func() {
						// The server may close while this is being written.
						c.Write([]byte(strings.ReplaceAll(p.raw, "PATH", path) + "GET /api/t/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
					}()
					r, answered := c.receive("GET")
					for answered && r.StatusCode == 100 {
						r, answered = c.receive("GET")
					}
					std := strings.HasPrefix(s.engine.name, "std")
					if std && slices.Contains(normalised, p.name) {
						return // judged below by what went on
					}
					if p.legal {
						if !answered || r.StatusCode != 200 {
							t.Fatalf("refused: %+v", r.Response)
						}
						c.must("GET", 200)
						return
					}
					if answered && r.StatusCode < 400 {
						t.Fatalf("taken with status %d", r.StatusCode)
					}
					if answered && !(std && slices.Contains(clear, p.name)) {
						c.ended()
					}
				})
			}
		})
		std := strings.HasPrefix(s.engine.name, "std")
		legal, more := 0, 0
		for i, p := range smuggles {
			got := s.up.requests(fmt.Sprintf("/base/t/probe%03d", i))
			if p.legal {
				legal++
			}
			if std && (slices.Contains(normalised, p.name) || slices.Contains(clear, p.name)) {
				more++
				continue
			}
			for _, r := range got {
				// A refused body may have been begun, but must never be complete.
				if !p.legal && r.Err == nil {
					t.Errorf("%s reached the upstream as\n%s%s", p.name, r.Head, r.Body)
				}
			}
		}
		if got := len(s.up.requests("/base/t/smuggled")); got < legal || got > legal+more {
			t.Errorf("the request behind the probes arrived %d times, want %d", got, legal)
		}
		for _, raw := range s.up.raw() {
			checkCanonical(t, raw)
		}
	})
}

var canonicalField = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$")

// checkCanonical reads a connection's bytes by a parser of its own that forgives nothing.
func checkCanonical(t *testing.T, raw string) {
	t.Helper()
	for raw != "" {
		head, rest, whole := strings.Cut(raw, "\r\n\r\n")
		if !whole {
			t.Errorf("a head without an end: %q", raw)
			return
		}
		lines := strings.Split(head, "\r\n")
		if !requestLines.MatchString(lines[0]) {
			t.Errorf("request line %q", lines[0])
		}
		length, chunked := -1, false
		hosts := 0
		for _, l := range lines[1:] {
			name, value, _ := strings.Cut(l, ":")
			if !canonicalField.MatchString(l) {
				t.Errorf("field %q", l)
			}
			switch strings.ToLower(name) {
			case "host":
				hosts++
			case "content-length":
				if length >= 0 || chunked {
					t.Errorf("framed twice: %q", head)
				}
				if _, err := fmt.Sscanf(value, "%d", &length); err != nil || fmt.Sprintf(" %d", length) != value {
					t.Errorf("length %q", value)
				}
			case "transfer-encoding":
				if length >= 0 || chunked || strings.TrimSpace(value) != "chunked" {
					t.Errorf("coding %q in %q", value, head)
				}
				chunked = true
			}
		}
		if hosts != 1 {
			t.Errorf("%d hosts in %q", hosts, head)
		}
		raw = rest
		if length > 0 {
			raw = raw[min(len(raw), length):]
		}
		for chunked {
			line, rest, whole := strings.Cut(raw, "\r\n")
			var size int
			if _, err := fmt.Sscanf(line, "%x", &size); !whole || err != nil {
				return // begun and not ended: the upstream cannot take it for a whole one
			}
			if fmt.Sprintf("%x", size) != strings.ToLower(line) {
				t.Errorf("chunk line %q", line)
			}
			if size == 0 {
				_, raw, _ = strings.Cut("\r\n"+rest, "\r\n\r\n")
				break
			}
			if len(rest) < size+2 {
				return
			}
			if rest[size:size+2] != "\r\n" {
				t.Errorf("chunk %q", rest[:size+2])
			}
			raw = rest[size+2:]
		}
	}
}
