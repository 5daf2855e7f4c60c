package http1_test

import (
	"testing"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// typicalRequest is what an API client sends: ten fields.
const typicalRequest = "POST /petstore/v1/pets/42?limit=10 HTTP/1.1\r\n" +
	"Host: gateway.example.com:8080\r\n" +
	"User-Agent: OpenAI/Python 1.58.1\r\n" +
	"Accept: application/json\r\n" +
	"Accept-Encoding: gzip, deflate\r\n" +
	"Connection: keep-alive\r\n" +
	"Content-Type: application/json\r\n" +
	"Authorization: Bearer gwc_0123456789abcdef0123456789abcdef\r\n" +
	"X-Stainless-Lang: python\r\n" +
	"Content-Length: 27\r\n" +
	"X-Request-Id: 8e9c1f2a-3b4d-4c5e-9f60-718293a4b5c6\r\n" +
	"\r\n"

// typicalResponse is what a provider answers.
const typicalResponse = "HTTP/1.1 200 OK\r\n" +
	"Date: Sun, 22 Nov 2026 21:55:00 GMT\r\n" +
	"Content-Type: application/json\r\n" +
	"Transfer-Encoding: chunked\r\n" +
	"Connection: keep-alive\r\n" +
	"openai-organization: acme\r\n" +
	"openai-processing-ms: 412\r\n" +
	"x-ratelimit-remaining-requests: 9999\r\n" +
	"x-request-id: req_0123456789abcdef\r\n" +
	"strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n" +
	"Server: cloudflare\r\n" +
	"\r\n"

func BenchmarkParseRequest(b *testing.B) {
	raw := []byte(typicalRequest)
	var h http1.Head
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := h.ParseRequest(raw, http1.Limits{}); n != len(raw) {
			b.Fatalf("ParseRequest: %d, %v", n, err)
		}
	}
}

func BenchmarkParseResponse(b *testing.B) {
	raw := []byte(typicalResponse)
	var h http1.Head
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := h.ParseResponse(raw, http1.Limits{}); n != len(raw) {
			b.Fatalf("ParseResponse: %d, %v", n, err)
		}
	}
}

// BenchmarkParseRequestByBytes feeds the same head one byte more at a time, the worst a client can do.
func BenchmarkParseRequestByBytes(b *testing.B) {
	raw := []byte(typicalRequest)
	var h http1.Head
	b.ReportAllocs()
	for b.Loop() {
		for i := 1; i <= len(raw); i++ {
			if n, err := h.ParseRequest(raw[:i], http1.Limits{}); err != nil || (n > 0) != (i == len(raw)) {
				b.Fatalf("ParseRequest of %d bytes: %d, %v", i, n, err)
			}
		}
	}
}

// BenchmarkChunkedEvents reads a stream of 100-byte events, a chunk each, as providers send them.
func BenchmarkChunkedEvents(b *testing.B) {
	var raw []byte
	event := make([]byte, 100)
	for range 10 {
		raw = http1.AppendChunk(raw, event)
	}
	raw = http1.AppendLastChunk(raw, nil)
	h := http1.Head{Chunked: true, ContentLength: -1}
	var x http1.Body
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		x.Request(&h)
		total := 0
		for rest := raw; !x.Done(); {
			data, n, err := x.Next(rest)
			if err != nil || n == 0 {
				b.Fatalf("Next: %d, %v", n, err)
			}
			total, rest = total+len(data), rest[n:]
		}
		if total != 1000 {
			b.Fatalf("payload of %d bytes", total)
		}
	}
}

func BenchmarkNormalizePath(b *testing.B) {
	for name, path := range map[string]string{
		"as it is": "/petstore/v1/pets/42/photos/main.png",
		"to do":    "/petstore/v1/pets/%7e42/caf%c3%a9",
	} {
		b.Run(name, func(b *testing.B) {
			raw, dst := []byte(path), make([]byte, 0, 256)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := http1.NormalizePath(dst, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
