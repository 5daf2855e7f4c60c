package http1_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// Parts of probes.
const (
	get     = "GET /p HTTP/1.1\r\nHost: a\r\n"
	post    = "POST /p HTTP/1.1\r\nHost: a\r\n"
	chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
	last    = "0\r\n\r\n"
	ok      = "HTTP/1.1 200 OK\r\n"
	okChunk = ok + "Transfer-Encoding: chunked\r\n\r\n"
)

// probe is one message that must be refused with a status.
type probe struct {
	name, raw string
	status    int
}

// smugglingRequests are the requests that request smuggling, cache poisoning and access bypasses are made of.
func smugglingRequests() []probe {
	probes := []probe{
		// Two ways to say how long the body is.
		{"CL before TE", post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400},
		{"TE before CL", post + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG", 400},
		{"CL and TE in other cases", post + "cONTENT-lENGTH: 6\r\nTRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\nG", 400},
		{"CL and TE apart", post + "Content-Length: 6\r\nX-A: 1\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400},
		{"CL 0 and TE", post + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two CLs that differ", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
		{"two CLs that are equal", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
		{"two CLs, one empty", post + "Content-Length: 5\r\nContent-Length:\r\n\r\nhello", 400},
		{"two CLs in other cases", post + "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", 400},
		{"TE on HTTP/1.0", "POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two TEs, chunked last", post + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
		{"two TEs, chunked first", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400},
		{"two TEs, both chunked", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"TE identity with CL", post + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello", 501},

		// Folds, and line ends that are none.
		{"a fold", get + "X-A: 1\r\n folded\r\n\r\n", 400},
		{"a fold with a tab", get + "X-A: 1\r\n\tfolded\r\n\r\n", 400},
		{"a fold that holds the TE", post + "Content-Length: 5\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400},
		{"a fold after the request line", "GET /p HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"a line of white space before the blank one", get + " \r\n\r\n", 400},
		{"bare LF everywhere", "GET /p HTTP/1.1\nHost: a\n\n", 400},
		{"bare LF after the request line", "GET /p HTTP/1.1\nHost: a\r\n\r\n", 400},
		{"bare LF after a field", get + "X-A: 1\nContent-Length: 5\r\n\r\nhello", 400},
		{"bare LF in an empty field", get + "X-A:\nContent-Length: 5\r\n\r\nhello", 400},
		{"bare LF as the blank line", get + "\n", 400},
		{"bare LF before the request line", "\n" + get + "\r\n", 400},
		{"bare LF in the target", "GET /p\nq HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"bare LF after a name", get + "X-A\n: 1\r\n\r\n", 400},
		{"CR LF LF", get + "X-A: 1\r\n\nGET /q HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"CR CR LF", get + "X-A: 1\r\r\n\r\n", 400},
		{"bare CR in a value", get + "X-A: 1\rX-B: 2\r\n\r\n", 400},
		{"bare CR in an empty field", get + "X-A:\rTransfer-Encoding: chunked\r\n\r\n", 400},
		{"bare CR after the request line", "GET /p HTTP/1.1\rHost: a\r\n\r\n", 400},
		{"bare CR as the blank line", get + "\rX", 400},
		{"bare CR before the request line", "\r" + get + "\r\n", 400},
		{"three empty lines first", "\r\n\r\n\r\n" + get + "\r\n", 400},
		{"a space before the request line", " " + get + "\r\n", 400},
		{"an empty line and a space before the request line", "\r\n " + get + "\r\n", 400},

		// Names and colons.
		{"space before a CL's colon", post + "Content-Length : 5\r\n\r\nhello", 400},
		{"space before a TE's colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
		{"tab before a colon", post + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400},
		{"no name", get + ": 1\r\n\r\n", 400},
		{"no colon", get + "X-A\r\n\r\n", 400},
		{"no colon and a fold", get + "X-A\r\n : 1\r\n\r\n", 400},
		{"space in a name", get + "X A: 1\r\n\r\n", 400},

		// Hosts.
		{"no Host", "GET /p HTTP/1.1\r\nX-A: 1\r\n\r\n", 400},
		{"two Hosts", get + "Host: b\r\n\r\n", 400},
		{"two equal Hosts", get + "Host: a\r\n\r\n", 400},
		{"two Hosts on HTTP/1.0", "GET /p HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"absolute target without Host", "GET http://a/p HTTP/1.1\r\n\r\n", 400},
		{"absolute target with a bad Host", "GET http://a/p HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"absolute target with user information", "GET http://u:p@a/p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"absolute target without an authority", "GET http:///p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"absolute target with a bad port", "GET http://a:99999/p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"absolute target of another scheme", "GET ftp://a/p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"absolute target with one slash", "GET http:/p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"absolute target with a backslash", "GET http://a\\b/p HTTP/1.1\r\nHost: a\r\n\r\n", 400},

		// Request lines.
		{"two spaces before the target", "GET  /p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"two spaces before the version", "GET /p  HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a space at the end", "GET /p HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
		{"a tab for a space", "GET\t/p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a tab before the version", "GET /p\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a space in the target", "GET /p q HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"another request line in the target", "GET /p HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"no version", "GET /p\r\nHost: a\r\n\r\n", 400},
		{"only a method", "GET\r\n\r\n", 400},
		{"an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a path without a slash", "GET p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"an authority as the target", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a fragment", "GET /p#f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"UTF-8 in the target", "GET /é HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"version 9.9", "GET /p HTTP/9.9\r\nHost: a\r\n\r\n", 505},
		{"version 2.0", "GET /p HTTP/2.0\r\nHost: a\r\n\r\n", 505},
		{"version 1.2", "GET /p HTTP/1.2\r\nHost: a\r\n\r\n", 505},
		{"version 0.9", "GET /p HTTP/0.9\r\nHost: a\r\n\r\n", 505},
		{"version 1.10", "GET /p HTTP/1.10\r\nHost: a\r\n\r\n", 400},
		{"version 01.1", "GET /p HTTP/01.1\r\nHost: a\r\n\r\n", 400},
		{"version in lower case", "GET /p http/1.1\r\nHost: a\r\n\r\n", 400},
		{"version with a space", "GET /p HTTP/ 1.1\r\nHost: a\r\n\r\n", 400},
		{"version without a minor one", "GET /p HTTP/1\r\nHost: a\r\n\r\n", 400},
		{"no method", " /p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a method in lower case", "get /p HTTP/1.1\r\nHost: a\r\n\r\n", 501},
		{"a method that is a rest of a body", "0GET /p HTTP/1.1\r\nHost: a\r\n\r\n", 501},
		{"a method with a colon", "GE:T /p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"CONNECT with a path", "CONNECT /p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
		{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},

		// Connection options that ask the next hop to drop what checks rely on.
		{"Connection lists Authorization", get + "Authorization: Bearer x\r\nConnection: close, Authorization\r\n\r\n", 400},
		{"Connection lists Host", get + "Connection: host\r\n\r\n", 400},
		{"Connection lists Content-Length", post + "Content-Length: 5\r\nConnection: Content-Length\r\n\r\nhello", 400},
		{"Connection lists X-Forwarded-For", get + "Connection: close,x-forwarded-for\r\n\r\n", 400},
		{"Connection lists X-Api-Key", get + "Connection: X-Api-Key\r\n\r\n", 400},
		{"Connection lists Cookie", get + "Connection: Cookie\r\n\r\n", 400},
		{"Connection lists x-gwc-app", get + "Connection: x-gwc-app\r\n\r\n", 400},
		{"a second Connection lists Cookie", get + "Connection: close\r\nConnection: Cookie\r\n\r\n", 400},
		{"Connection with no token", get + "Connection: clo se\r\n\r\n", 400},
		{"Connection with quotes", get + "Connection: \"close\"\r\n\r\n", 400},
		{"Connection with too many options", get + "Connection: " + strings.Repeat("x,", 33) + "y\r\n\r\n", 400},
	}
	for _, v := range []string{"5, 5", "5,5", "5,", ",5", "+5", "-1", "-0", "0x5", "0X5", "5.0", "5e0", "5;", "5 5", "\"5\"",
		"", " ", "five", "18446744073709551621", "9223372036854775808", "0000000000000000005", "٥", "5\v", "5\u00a0"} {
		probes = append(probes, probe{fmt.Sprintf("Content-Length %q", v), post + "Content-Length: " + v + "\r\n\r\nhello", 400})
	}
	for v, status := range map[string]int{
		"xchunked": 501, "chunkedx": 501, "identity": 501, "gzip": 501, "cow": 501, "trailers": 501, "chunked chunked": 400,
		"chunked, identity": 400, "identity, chunked": 400, "gzip, chunked": 400, "chunked, chunked": 400, "chunked,": 400,
		",chunked": 400, ", chunked": 400, "chunked;q=1": 400, "chunked; q=1": 400, "chunked;": 400, "\"chunked\"": 400,
		"'chunked'": 501, "\vchunked": 400, "chunked\v": 400, "\x00chunked": 400, "chunked\x00": 400, "\fchunked": 400,
		"chu\tnked": 400, "": 400, " ": 400, "\u00a0chunked": 400, "\x85chunked": 400, "chun\u212aed": 400, "chunKed\x7f": 400,
		"[chunked]": 400, "chunked\n": 400, "chunked\r": 400, "chunked:": 400, "deflate\r\n , chunked": 501,
	} {
		probes = append(probes, probe{fmt.Sprintf("Transfer-Encoding %q", v), post + "Transfer-Encoding: " + v + "\r\n\r\n0\r\n\r\n", status})
	}
	for _, v := range []string{"", " ", "a b", "a\tb", "a, b", "a,b", "u@a", "u:p@a", "a@", "@a", "a:", "a:b", "a:-1", "a:+80", "a:65536",
		"a:123456", "a:80:80", ":80", "a/b", "a?b", "a#b", "a\\b", "http://a", "[::1", "::1", "[]", "[::1]x", "[::1]:", "[::1%25eth0]",
		"[v1.x]", "[1:2:3]", "[1:2:3:4:5:6:7:8:9]", "[::1::2]", "[1:2:3:4:5:6:7::8:9]", "[:1]", "[1:]", "[12345::]", "[::1.2.3]", "[::256.1.1.1]", "[::01.1.1.1]",
		"[1.2.3.4]", "[fe80::1.2.3.4:5]", "a%", "a%4", "a%41", "a%zz", "a%00", "a%0d", "a%20b", "a%ff", "a\"b", "<a>", "a|b", "é", "a\x00", "a\x7f", "a^", "a`", "{a}"} {
		probes = append(probes, probe{fmt.Sprintf("Host %q", v), "GET /p HTTP/1.1\r\nHost: " + v + "\r\n\r\n", 400})
	}
	for _, c := range []byte("\x00\x01\a\b\v\f\x1b\x1f\x7f") {
		probes = append(probes,
			probe{fmt.Sprintf("byte %#02x in a value", c), get + "X-A: a" + string(rune(c)) + "b\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x alone in a value", c), get + "X-A: " + string(rune(c)) + "\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x at a value's end", c), get + "X-A: a" + string(rune(c)) + "\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x in a name", c), get + "X-" + string(rune(c)) + "A: b\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x before a name", c), get + string(rune(c)) + "X-A: b\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x before a colon", c), get + "Transfer-Encoding" + string(rune(c)) + ": chunked\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x in the target", c), "GET /p" + string(rune(c)) + " HTTP/1.1\r\nHost: a\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x in the method", c), "G" + string(rune(c)) + "T /p HTTP/1.1\r\nHost: a\r\n\r\n", 400},
			probe{fmt.Sprintf("byte %#02x after the version", c), "GET /p HTTP/1.1" + string(rune(c)) + "\r\nHost: a\r\n\r\n", 400},
		)
	}
	for _, c := range []byte("()<>@,;\\\"/[]?={} ") {
		probes = append(probes, probe{fmt.Sprintf("%q in a name", c), get + "X-" + string(rune(c)) + "A: b\r\n\r\n", 400})
	}
	for _, s := range []string{"é", "\u017f", "\u212a"} {
		probes = append(probes, probe{fmt.Sprintf("%q in a name", s), get + "X-" + s + ": b\r\n\r\n", 400})
	}
	for _, c := range smugglingChunks() {
		probes = append(probes, probe{c.name, chunked + c.raw, c.status})
	}
	return probes
}

// smugglingChunks are chunked bodies that must be refused.
func smugglingChunks() []probe {
	probes := []probe{
		{"size that overflows 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n", 400},
		{"size that overflows an int64", "8000000000000005\r\nhello\r\n0\r\n\r\n", 400},
		{"size of all ones", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 400},
		{"size with 17 digits", "00000000000000005\r\nhello\r\n0\r\n\r\n", 400},
		{"size -5", "-5\r\nhello\r\n0\r\n\r\n", 400},
		{"size +5", "+5\r\nhello\r\n0\r\n\r\n", 400},
		{"size 0x5", "0x5\r\nhello\r\n0\r\n\r\n", 400},
		{"size 5h", "5h\r\nhello\r\n0\r\n\r\n", 400},
		{"size 5_0", "5_0\r\nhello\r\n0\r\n\r\n", 400},
		{"no size", "\r\nhello\r\n0\r\n\r\n", 400},
		{"no size but an extension", ";a=b\r\nhello\r\n0\r\n\r\n", 400},
		{"space before the size", " 5\r\nhello\r\n0\r\n\r\n", 400},
		{"space after the size", "5 \r\nhello\r\n0\r\n\r\n", 400},
		{"tab after the size", "5\t\r\nhello\r\n0\r\n\r\n", 400},
		{"space before the extension", "5 ;a=b\r\nhello\r\n0\r\n\r\n", 400},
		{"size with a bare LF", "5\nhello\r\n0\r\n\r\n", 400},
		{"size with a bare CR", "5\rXhello\r\n0\r\n\r\n", 400},
		{"size with CR CR LF", "5\r\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with a bare LF", "5;a\nhello\r\n0\r\n\r\n", 400},
		{"extension with a bare CR", "5;a\rXhello\r\n0\r\n\r\n", 400},
		{"extension with a bare LF in its value", "5;a=b\nhello\r\n0\r\n\r\n", 400},
		{"extension with a bare LF in quotes", "5;a=\"b\n\"\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with a CR LF in quotes", "5;a=\"b\r\n\"\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with an escaped CR", "5;a=\"b\\\r\n\"\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with a NUL", "5;a=\x00\r\nhello\r\n0\r\n\r\n", 400},
		{"extension without a name", "5;\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with only a value", "5;=b\r\nhello\r\n0\r\n\r\n", 400},
		{"extension without its value", "5;a=\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with quotes left open", "5;a=\"b\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with more after the quotes", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with two equals signs", "5;a==b\r\nhello\r\n0\r\n\r\n", 400},
		{"extension with a space", "5; a=b\r\nhello\r\n0\r\n\r\n", 400},
		{"extension that is too long", "5;" + strings.Repeat("a", 2000) + "\r\nhello\r\n0\r\n\r\n", 400},
		{"too many extensions", strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20) + last, 400},
		{"data without a line end", "5\r\nhelloXX0\r\n\r\n", 400},
		{"data with a bare LF after it", "5\r\nhello\n0\r\n\r\n", 400},
		{"data with a bare CR after it", "5\r\nhello\r0\r\n\r\n", 400},
		{"data longer than its size", "4\r\nhello\r\n0\r\n\r\n", 400},
		{"data shorter than its size", "6\r\nhello\r\n0\r\n\r\n", 400},
		{"last chunk with a bare LF", "5\r\nhello\r\n0\n\r\n", 400},
		{"end with a bare LF", "5\r\nhello\r\n0\r\n\n", 400},
		{"end with a bare CR", "5\r\nhello\r\n0\r\n\rX", 400},
		{"trailer with a bare LF", "0\r\nA: b\n\r\n", 400},
		{"trailer with a bare CR", "0\r\nA: b\rC: d\r\n\r\n", 400},
		{"trailer with a fold", "0\r\nA: b\r\n c\r\n\r\n", 400},
		{"trailer that begins with a space", "0\r\n A: b\r\n\r\n", 400},
		{"trailer without a colon", "0\r\nA\r\n\r\n", 400},
		{"trailer without a name", "0\r\n: b\r\n\r\n", 400},
		{"trailer with a space before its colon", "0\r\nA : b\r\n\r\n", 400},
		{"trailer with a NUL", "0\r\nA: \x00\r\n\r\n", 400},
		{"trailer that is a request line", "0\r\nGET /q HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"trailers that are too large", "0\r\nA: " + strings.Repeat("b", 9000) + "\r\n\r\n", 431},
		{"too many trailers", "0\r\n" + strings.Repeat("a:\r\n", 65) + "\r\n", 431},
	}
	for i := range probes {
		probes[i].name = "chunk: " + probes[i].name
	}
	return probes
}

// smugglingResponses are what a broken or hostile upstream answers.
func smugglingResponses() []probe {
	probes := []probe{
		{"CL before TE", ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},
		{"TE before CL", ok + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 502},
		{"two CLs that differ", ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 502},
		{"two CLs that are equal", ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 502},
		{"a list of CLs", ok + "Content-Length: 5, 5\r\n\r\nhello", 502},
		{"CL +5", ok + "Content-Length: +5\r\n\r\nhello", 502},
		{"CL -1", ok + "Content-Length: -1\r\n\r\nhello", 502},
		{"an empty CL", ok + "Content-Length:\r\n\r\nhello", 502},
		{"TE gzip", ok + "Transfer-Encoding: gzip\r\n\r\nhello", 502},
		{"TE gzip, chunked", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 502},
		{"TE chunked, identity", ok + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 502},
		{"TE twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},
		{"TE on HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502},
		{"a switch of protocols without Upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 502},
		{"a switch of protocols without the option", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 502},
		{"a fold", ok + "X-A: 1\r\n folded\r\n\r\n", 502},
		{"a bare LF", ok + "X-A: 1\nContent-Length: 0\r\n\r\n", 502},
		{"a bare CR", ok + "X-A: 1\rContent-Length: 0\r\n\r\n", 502},
		{"a bare LF after the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", 502},
		{"a bare CR in the reason", "HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n", 502},
		{"a NUL in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n", 502},
		{"a NUL in a value", ok + "X-A: \x00\r\n\r\n", 502},
		{"a space before a colon", ok + "Content-Length : 5\r\n\r\nhello", 502},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", 502},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", 502},
		{"a status below 100", "HTTP/1.1 099 OK\r\n\r\n", 502},
		{"a negative status", "HTTP/1.1 -20 OK\r\n\r\n", 502},
		{"a status that is no number", "HTTP/1.1 2x0 OK\r\n\r\n", 502},
		{"two spaces before the status", "HTTP/1.1  200 OK\r\n\r\n", 502},
		{"a tab before the status", "HTTP/1.1\t200 OK\r\n\r\n", 502},
		{"no status", "HTTP/1.1\r\n\r\n", 502},
		{"version 2.0", "HTTP/2.0 200 OK\r\n\r\n", 502},
		{"version 1.2", "HTTP/1.2 200 OK\r\n\r\n", 502},
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n", 502},
		{"a body where a head should be", "{\"error\": 1}", 502},
		{"Connection lists Set-Cookie", ok + "Connection: Set-Cookie\r\nContent-Length: 0\r\n\r\n", 502},
	}
	for _, c := range smugglingChunks() {
		probes = append(probes, probe{c.name, okChunk + c.raw, 502})
	}
	return probes
}

// cuts returns the ways in which a message is given to read: whole, in small parts, and in two parts cut at each byte;
// a long one only in a few.
func cuts(raw string) []int {
	if len(raw) > 2000 {
		return []int{0, 1, 1009}
	}
	steps := []int{0, 1, 3}
	for cut := 1; cut < len(raw); cut++ {
		steps = append(steps, -cut)
	}
	return steps
}

// TestSmugglingProbesAreRefused feeds each probe whole and cut at every byte; in none of the ways may it be taken.
func TestSmugglingProbesAreRefused(t *testing.T) {
	for kind, probes := range map[string][]probe{"request": smugglingRequests(), "response": smugglingResponses()} {
		for _, p := range probes {
			t.Run(kind+" with "+p.name, func(t *testing.T) {
				for _, step := range cuts(p.raw) {
					messages, _, err := read([]byte(p.raw), kind == "response", false, step)
					var refused *http1.Error
					switch {
					case errors.As(err, &refused) && refused.Status == p.status:
					case p.name == "CONNECT" && err == nil && messages[0].Method == "CONNECT":
						// read takes the 501 of a well-formed CONNECT for an end.
					default:
						t.Fatalf("in parts (%d): got %v (%+v), want status %d", step, err, err, p.status)
					}
				}
			})
		}
		t.Logf("%d probes of kind %s", len(probes), kind)
	}
}

// TestGoodMessagesAreTaken holds that strictness does not refuse what is right.
func TestGoodMessagesAreTaken(t *testing.T) {
	tests := []struct {
		name, raw string
		response  bool
		want      []message
	}{
		{"a GET", get + "\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: a"}, Complete: true}}},
		{"one empty line first", "\r\n" + get + "\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: a"}, Complete: true}}},
		{"a chunked POST", chunked + "5\r\nhello\r\n" + last, false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Transfer-Encoding: chunked"}, Body: "hello", Complete: true}}},
		{"chunk extensions of every kind", chunked + "5;a;b=c;d=\"e;\\\"\tf\"\r\nhello\r\n0;x\r\n\r\n", false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Transfer-Encoding: chunked"}, Body: "hello", Complete: true}}},
		{"chunk sizes with zeros and in both cases", chunked + "0005\r\nhello\r\nA\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Transfer-Encoding: chunked"}, Body: "hello01234567890123456789", Complete: true}}},
		{"chunks of one byte", chunked + strings.Repeat("1\r\nx\r\n", 500) + last, false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Transfer-Encoding: chunked"}, Body: strings.Repeat("x", 500), Complete: true}}},
		{"chunks with signatures, as object stores' clients send them", chunked + strings.Repeat("400;chunk-signature="+strings.Repeat("f", 64)+"\r\n"+strings.Repeat("x", 1024)+"\r\n", 300) + last, false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Transfer-Encoding: chunked"}, Body: strings.Repeat("x", 300*1024), Complete: true}}},
		{"TE in capitals with white space around it", post + "transfer-encoding: \t CHUNKED \t\r\n\r\n" + last, false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "transfer-encoding: CHUNKED"}, Complete: true}}},
		{"a body and a pipelined request", post + "Content-Length: 5\r\n\r\nhello" + get + "\r\n", false, []message{
			{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Content-Length: 5"}, Body: "hello", Complete: true},
			{Method: "GET", Target: "/p", Fields: []string{"Host: a"}, Complete: true}}},
		{"an empty line after a body", post + "Content-Length: 5\r\n\r\nhello\r\n" + get + "\r\n", false, []message{
			{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Content-Length: 5"}, Body: "hello", Complete: true},
			{Method: "GET", Target: "/p", Fields: []string{"Host: a"}, Complete: true}}},
		{"zeros before a CL are dropped", post + "Content-Length: 005\r\n\r\nhello", false, []message{{Method: "POST", Target: "/p", Fields: []string{"Host: a", "Content-Length: 5"}, Body: "hello", Complete: true}}},
		{"an absolute target replaces the Host", "GET http://b:80/p?q HTTP/1.1\r\nHost: a\r\n\r\n", false, []message{{Method: "GET", Target: "http://b:80/p?q", Fields: []string{"Host: b:80"}, Complete: true}}},
		{"an absolute target replaces an empty Host", "GET http://b/ HTTP/1.1\r\nHost:\r\n\r\n", false, []message{{Method: "GET", Target: "http://b/", Fields: []string{"Host: b"}, Complete: true}}},
		{"HTTP/1.0 without a Host", "GET /p HTTP/1.0\r\n\r\n", false, []message{{Method: "GET", Target: "/p", Complete: true}}},
		{"tabs and text beyond ASCII in a value", get + "X-A:\ta\t\xe9\xff \r\n\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: a", "X-A: a\t\xe9\xff"}, Complete: true}}},
		{"every tchar in a name", get + "!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: a", "!#$%&'*+-.^_`|~09azAZ: 1"}, Complete: true}}},
		{"an empty value", get + "X-A:\r\n\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: a", "X-A: "}, Complete: true}}},
		{"a name of 5000 bytes", get + strings.Repeat("n", 5000) + ": v\r\n\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: a", strings.Repeat("n", 5000) + ": v"}, Complete: true}}},
		{"a target of 5000 bytes", "GET /" + strings.Repeat("p", 5000) + " HTTP/1.1\r\nHost: a\r\n\r\n", false, []message{{Method: "GET", Target: "/" + strings.Repeat("p", 5000), Fields: []string{"Host: a"}, Complete: true}}},

		{"an answer with a length", ok + "Content-Length: 5\r\n\r\nhello", true, []message{{Status: 200, Fields: []string{"Content-Length: 5"}, Body: "hello", Complete: true}}},
		{"an answer until close", ok + "\r\nhello", true, []message{{Status: 200, Body: "hello"}}},
		{"an answer of no reason and no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", true, []message{{Status: 200, Fields: []string{"Content-Length: 0"}, Complete: true}}},
		{"an answer of no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", true, []message{{Status: 200, Fields: []string{"Content-Length: 0"}, Complete: true}}},
		{"an unusual status", "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", true, []message{{Status: 999, Fields: []string{"Content-Length: 0"}, Complete: true}}},
		{"100, 103 and 200", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", true, []message{
			{Status: 100, Complete: true}, {Status: 103, Fields: []string{"Link: </a>"}, Complete: true}, {Status: 200, Fields: []string{"Content-Length: 1"}, Body: "x", Complete: true}}},
		{"a 204 and another", "HTTP/1.1 204 No Content\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", true, []message{{Status: 204, Complete: true}, {Status: 200, Fields: []string{"Content-Length: 1"}, Body: "x", Complete: true}}},
		{"a 304 with a length and another", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", true, []message{{Status: 304, Fields: []string{"Content-Length: 5"}, Complete: true}, {Status: 200, Fields: []string{"Content-Length: 1"}, Body: "x", Complete: true}}},
		{"Connection lists Transfer-Encoding, as some edges write", ok + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n" + last, true, []message{{Status: 200, Fields: []string{"Connection: Transfer-Encoding", "Transfer-Encoding: chunked"}, Complete: true}}},
	}
	for _, host := range []string{"a", "a.b-c_d~e", "A.EXAMPLE", "127.0.0.1", "a:80", "a:0", "a:65535", "[::1]", "[::1]:8080", "[::]", "[2001:db8::8:800:200C:417A]",
		"[1:2:3:4:5:6:7:8]", "[::ffff:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]", "[1::8]", "[1:2:3:4:5:6:7::]", "a!$&'()*+;=b", "xn--bcher-kva.example."} {
		tests = append(tests, struct {
			name, raw string
			response  bool
			want      []message
		}{"Host " + host, "GET /p HTTP/1.1\r\nHost: " + host + "\r\n\r\n", false, []message{{Method: "GET", Target: "/p", Fields: []string{"Host: " + host}, Complete: true}}})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, step := range cuts(test.raw) {
				got, _, err := read([]byte(test.raw), test.response, false, step)
				if err != nil {
					t.Fatalf("in parts (%d): %v", step, err)
				}
				if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(message{})); diff != "" {
					t.Fatalf("in parts (%d): mismatch (-want +got):\n%s", step, diff)
				}
			}
		})
	}
}
