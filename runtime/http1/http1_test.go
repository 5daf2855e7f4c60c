package http1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// request parses raw, which must be a complete head.
func request(t *testing.T, raw string) *http1.Head {
	t.Helper()
	var h http1.Head
	if n, err := h.ParseRequest([]byte(raw), http1.Limits{}); n != len(raw) || err != nil {
		t.Fatalf("ParseRequest(%q) = %d, %v", raw, n, err)
	}
	return &h
}

// response parses raw, which must be a complete head.
func response(t *testing.T, raw string) *http1.Head {
	t.Helper()
	var h http1.Head
	if n, err := h.ParseResponse([]byte(raw), http1.Limits{}); n != len(raw) || err != nil {
		t.Fatalf("ParseResponse(%q) = %d, %v", raw, n, err)
	}
	return &h
}

func TestTargetsAreTakenApart(t *testing.T) {
	type parts struct {
		Path, Query, Host string
		HasQuery          bool
	}
	for line, want := range map[string]parts{
		"GET / HTTP/1.1":                   {Path: "/", Host: "a"},
		"GET /p HTTP/1.1":                  {Path: "/p", Host: "a"},
		"GET /p? HTTP/1.1":                 {Path: "/p", Host: "a", HasQuery: true},
		"GET /p?x=1&y HTTP/1.1":            {Path: "/p", Query: "x=1&y", Host: "a", HasQuery: true},
		"GET /p?x?y/z HTTP/1.1":            {Path: "/p", Query: "x?y/z", Host: "a", HasQuery: true},
		"GET //b/p HTTP/1.1":               {Path: "//b/p", Host: "a"},
		"GET http://b HTTP/1.1":            {Path: "/", Host: "b"},
		"GET HTTPS://b:443/p/q?r HTTP/1.1": {Path: "/p/q", Query: "r", Host: "b:443", HasQuery: true},
		"GET http://b?x HTTP/1.1":          {Path: "/", Query: "x", Host: "b", HasQuery: true},
		"GET http://[::1]:8080/p HTTP/1.1": {Path: "/p", Host: "[::1]:8080"},
		"OPTIONS * HTTP/1.1":               {Path: "*", Host: "a"},
		"OPTIONS http://b HTTP/1.1":        {Path: "*", Host: "b"},
		"OPTIONS http://b/ HTTP/1.1":       {Path: "/", Host: "b"},
		"OPTIONS http://b? HTTP/1.1":       {Path: "/", Host: "b", HasQuery: true},
	} {
		t.Run(line, func(t *testing.T) {
			h := request(t, line+"\r\nHost: a\r\n\r\n")
			got := parts{string(h.Path), string(h.Query), string(h.Host), h.HasQuery}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if string(h.Get(http1.Host)) != want.Host {
				t.Errorf("the Host field says %q, want %q", h.Get(http1.Host), want.Host)
			}
		})
	}
}

func TestFieldsAreIdentified(t *testing.T) {
	for name, want := range map[string]http1.ID{
		"Host": http1.Host, "content-length": http1.ContentLength, "CONNECTION": http1.Connection,
		"Keep-Alive": http1.KeepAlive, "TE": http1.TE, "Trailer": http1.Trailer, "Upgrade": http1.Upgrade, "Expect": http1.Expect,
		"Proxy-Connection": http1.ProxyConnection, "Proxy-Authenticate": http1.ProxyAuthenticate, "Proxy-Authorization": http1.ProxyAuthorization,
		"Authorization": http1.Authorization, "X-API-Key": http1.XAPIKey, "x-goog-api-key": http1.XGoogAPIKey, "Content-Type": http1.ContentType,
		"Content-Encoding": http1.ContentEncoding, "Accept": http1.Accept, "Accept-Encoding": http1.AcceptEncoding, "User-Agent": http1.UserAgent,
		"X-Forwarded-For": http1.XForwardedFor, "X-Forwarded-Proto": http1.XForwardedProto, "X-Forwarded-Host": http1.XForwardedHost,
		"Forwarded": http1.Forwarded, "Via": http1.Via, "Date": http1.Date, "Server": http1.Server, "Retry-After": http1.RetryAfter,
		"X-Request-Id": http1.XRequestID, "Location": http1.Location, "Set-Cookie": http1.SetCookie, "Cookie": http1.Cookie, "Range": http1.Range,
		"x-gwc-app": http1.XGwc, "X-GWC-" + strings.Repeat("a", 90): http1.XGwc, "traceparent": http1.Traceparent,
		"Sec-WebSocket-Key": http1.SecWebSocketKey, "Sec-WebSocket-Accept": http1.SecWebSocketAccept, "Sec-WebSocket-Version": http1.SecWebSocketVersion,
		"sec-websocket-protocol": http1.SecWebSocketProtocol, "SEC-WEBSOCKET-EXTENSIONS": http1.SecWebSocketExtensions,
		"Accept-Language": http1.Other, "X-Gw": http1.Other, "Content_Length": http1.Other, "x_api_key": http1.Other, "Hos": http1.Other, "Hostt": http1.Other,
		strings.Repeat("a", 64): http1.Other,
	} {
		raw := "GET / HTTP/1.0\r\n" + name + ": 1\r\n\r\n"
		h := request(t, raw)
		if got := h.Fields[0].ID; got != want {
			t.Errorf("%s has ID %d, want %d", name, got, want)
		}
		if got := h.Get(want); string(got) != "1" {
			t.Errorf("Get finds %q for %s", got, name)
		}
		if got := h.Lookup(strings.ToLower(name)); string(got) != "1" {
			t.Errorf("Lookup finds %q for %s", got, name)
		}
	}
}

func TestAbsentAndEmptyFieldsDiffer(t *testing.T) {
	h := request(t, "GET / HTTP/1.0\r\nAccept:\r\nX-A: \t\r\nVia: 1\r\nVia: 2\r\n\r\n")
	if v := h.Get(http1.Accept); v == nil || len(v) != 0 {
		t.Errorf("an empty field: %v, want empty and not nil", v)
	}
	if v := h.Lookup("x-a"); v == nil || len(v) != 0 {
		t.Errorf("an empty field: %v, want empty and not nil", v)
	}
	if h.Get(http1.Cookie) != nil || h.Lookup("x-b") != nil {
		t.Errorf("an absent field was found")
	}
	if v := h.Get(http1.Via); string(v) != "1" {
		t.Errorf("Get gives %q, want the first", v)
	}
}

func TestHopByHopFieldsAreMarked(t *testing.T) {
	h := request(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-A,, keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\n"+
		"Upgrade: h2c\r\nProxy-Connection: close\r\nProxy-Authorization: x\r\nProxy-Authenticate: x\r\nx-a: 1\r\nX-AB: 2\r\nX-A: 3\r\nX-B: 4\r\n"+
		"connection: x-b, Cache-Control\r\nCache-Control: no-store\r\nX_Api_Key: 5\r\nX_A: 6\r\nx_forwarded-For: 7\r\nAuthorization: 8\r\n\r\n")
	var kept []string
	for i := range h.Fields {
		if !http1.HopByHop(h, i) {
			kept = append(kept, string(h.Fields[i].Name))
		}
	}
	if diff := cmp.Diff([]string{"Host", "X-AB", "X_A", "Authorization"}, kept); diff != "" {
		t.Errorf("forwarded, mismatch (-want +got):\n%s", diff)
	}
	if !h.Close || h.HasUpgrade {
		t.Errorf("Close %v, HasUpgrade %v; want true, false", h.Close, h.HasUpgrade)
	}
}

func TestConnectionState(t *testing.T) {
	type state struct{ Close, Upgrade, Expect bool }
	for fields, want := range map[string]state{
		"1.1":                                                {},
		"1.1|Connection: close":                              {Close: true},
		"1.1|Connection: CLOSE , x":                          {Close: true},
		"1.1|Connection: keep-alive, close":                  {Close: true},
		"1.1|Connection: x|Connection: close":                {Close: true},
		"1.1|Connection: closed":                             {},
		"1.1|Proxy-Connection: close":                        {},
		"1.0":                                                {Close: true},
		"1.0|Connection: keep-alive":                         {},
		"1.0|Connection: keep-alive, close":                  {Close: true},
		"1.0|Proxy-Connection: keep-alive":                   {Close: true},
		"1.1|Connection: Upgrade|Upgrade: websocket":         {Upgrade: true},
		"1.1|Connection: close, upgrade|Upgrade: a":          {Close: true, Upgrade: true},
		"1.1|Upgrade: websocket":                             {},
		"1.1|Connection: upgrade":                            {},
		"1.0|Connection: keep-alive, upgrade|Upgrade: x":     {},
		"1.1|Expect: 100-Continue":                           {Expect: true},
		"1.1|Expect: 200-ok":                                 {},
		"1.0|Connection: keep-alive|Expect: 100-continue":    {},
		"1.1|Connection: HTTP2-Settings|HTTP2-Settings: AAM": {},
	} {
		t.Run(fields, func(t *testing.T) {
			version, rest, _ := strings.Cut(fields+"|", "|")
			h := request(t, "GET / HTTP/"+version+"\r\nHost: a\r\n"+strings.ReplaceAll(rest, "|", "\r\n")+"\r\n")
			if diff := cmp.Diff(want, state{h.Close, h.HasUpgrade, h.Expect100}); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	head := get + "X-A: 1\r\n\r\n"
	line := strings.Index(head, "\r\n") + 2
	for limit := 1; limit <= len(head)+1; limit++ {
		want := 0
		switch {
		case limit < line:
			want = 414
		case limit < len(head):
			want = 431
		}
		for _, step := range []int{1, 7, len(head)} {
			var h http1.Head
			status, n := 0, 0
			for end := 0; end < len(head) && n == 0 && status == 0; {
				end = min(len(head), end+step)
				var err *http1.Error
				if n, err = h.ParseRequest([]byte(head[:end]), http1.Limits{Head: limit}); err != nil {
					status = err.Status
				}
			}
			if status != want || (n == len(head)) != (want == 0) {
				t.Errorf("limit %d of %d, %d bytes at a time: status %d and %d bytes, want status %d", limit, len(head), step, status, n, want)
			}
		}
	}
	var h http1.Head
	if _, err := h.ParseRequest([]byte(head), http1.Limits{Fields: 1}); err == nil || err.Status != 431 {
		t.Errorf("two fields where one is allowed: %v, want status 431", err)
	}
	if _, err := h.ParseRequest([]byte(head), http1.Limits{Fields: 2}); err != nil {
		t.Errorf("two fields where two are allowed: %v", err)
	}
	if _, err := h.ParseRequest([]byte(get+strings.Repeat("a:\r\n", 256)+"\r\n"), http1.Limits{}); err == nil || err.Status != 431 {
		t.Errorf("257 fields: %v, want status 431", err)
	}
	if _, err := h.ParseRequest([]byte("GET /"+strings.Repeat("a", 64<<10)), http1.Limits{}); err == nil || err.Status != 414 {
		t.Errorf("a request line of 64 KiB: %v, want status 414", err)
	}
	if _, err := h.ParseResponse([]byte(ok+strings.Repeat("a", 64<<10)), http1.Limits{}); err == nil || err.Status != 502 {
		t.Errorf("an answer's head of 64 KiB: %v, want status 502", err)
	}
}

// TestGarbageIsRefusedAtOnce holds that nobody waits for the end of a head that is wrong already: neither when the bad
// byte comes with the first bytes nor when it comes alone after many good ones.
func TestGarbageIsRefusedAtOnce(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, bad := range []string{
		"\x16", "\n", "G\x00", " ", "\r\n\n", "{", "GET /\x00", "GET /\xe9", "GET /#", "GET / X", "GET / HTTP/2.0", "GET /\n", "BREW ", "aaaaaaaaaaaaaaaaaa",
		get + "\n", get + " ", get + "\t", get + ":", get + "X ", get + "X-A\t", get + "X-A\x00", get + "X-A: \x00", get + "X-A: \n", get + "X-A: \rx", get + "\rx",
		get + "X: " + long + "\x01", get + long + "\x01", get + long + " ", get + "X: " + long + "\n", get + "X: " + long + "\r\n ", get + "X: " + long + "\r\n:",
		get + "X: " + long + "\r\nHost: b\r\n", get + "X: " + long + "\r\nContent-Length: x\r\n", "GET /" + long + "\x00", "GET /" + long + " X", "GET /" + long + " HTTP/1.1\r\n ",
	} {
		for _, step := range []int{1, 5, len(bad)} {
			var h http1.Head
			n, err := parse(&h, []byte(bad), false, step)
			if n != 0 || err == nil {
				t.Errorf("%q, %d bytes at a time: %d, %v; want an error", bad, step, n, err)
			}
			if _, before := parse(&h, []byte(bad[:len(bad)-1]), false, 0); before != nil && len(bad) > 1 {
				t.Errorf("%q is refused already (%v): the case is not about its last byte", bad[:len(bad)-1], before)
			}
		}
	}
}

func TestResetForgetsAnIncompleteHead(t *testing.T) {
	var h http1.Head
	start := get + "X-A: " + strings.Repeat("x", 100)
	if n, err := h.ParseRequest([]byte(start), http1.Limits{}); n != 0 || err != nil {
		t.Fatalf("an incomplete head: %d, %v", n, err)
	}
	h.Reset()
	other := "GET /other HTTP/1.1\r\nHost: b\r\nX-Long: " + strings.Repeat("\t", 200) + "\r\n\r\n"
	if n, err := h.ParseRequest([]byte(other), http1.Limits{}); n != len(other) || err != nil || string(h.Host) != "b" || len(h.Fields) != 2 {
		t.Errorf("another head after Reset: %d, %v, %+v", n, err, h)
	}
}

func TestBodyKinds(t *testing.T) {
	type body struct {
		Done, UntilClose, Close bool
		Length                  int64
	}
	for _, test := range []struct {
		head   string
		toHEAD bool
		want   body
	}{
		{ok + "Content-Length: 5\r\n\r\n", false, body{Length: 5}},
		{ok + "Content-Length: 5\r\n\r\n", true, body{Done: true}},
		{ok + "Content-Length: 0\r\n\r\n", false, body{Done: true}},
		{okChunk, false, body{Length: -1}},
		{okChunk, true, body{Done: true}},
		{ok + "\r\n", false, body{UntilClose: true, Close: true, Length: -1}},
		{ok + "\r\n", true, body{Done: true}},
		{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", false, body{UntilClose: true, Close: true, Length: -1}},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", false, body{Length: 5, Close: true}},
		{"HTTP/1.1 100 Continue\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 103 Early Hints\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 204 No Content\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", false, body{Done: true, Close: true}},
		{"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", false, body{Done: true, Close: true}},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", false, body{Done: true}},
		{"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", false, body{Done: true}},
	} {
		t.Run(fmt.Sprintf("%q to HEAD %v", test.head, test.toHEAD), func(t *testing.T) {
			h := response(t, test.head)
			var x http1.Body
			if err := x.Response(h, test.toHEAD); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, body{x.Done(), x.UntilClose(), h.Close, x.Length()}); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if h.Status == 204 {
				for i := range h.Fields {
					if !http1.HopByHop(h, i) {
						t.Errorf("%s of a 204 would be forwarded", h.Fields[i].Name)
					}
				}
			}
		})
	}
	var x http1.Body
	x.Request(request(t, get+"\r\n"))
	if !x.Done() || x.Length() != 0 {
		t.Errorf("a request without length: done %v, length %d", x.Done(), x.Length())
	}
	x.Request(request(t, chunked))
	if x.Done() || x.Length() != -1 || x.UntilClose() {
		t.Errorf("a chunked request: done %v, length %d, until close %v", x.Done(), x.Length(), x.UntilClose())
	}
}

func TestBodyUntilCloseGivesEverything(t *testing.T) {
	h := response(t, ok+"\r\n")
	var x http1.Body
	if err := x.Response(h, false); err != nil {
		t.Fatal(err)
	}
	data, n, err := x.Next([]byte("5\r\nhello\r\n0\r\n\r\n"))
	if string(data) != "5\r\nhello\r\n0\r\n\r\n" || n != 15 || err != nil || x.Done() {
		t.Errorf("Next = %q, %d, %v, done %v", data, n, err, x.Done())
	}
}

func TestBodyErrorsStay(t *testing.T) {
	var x http1.Body
	x.Request(request(t, chunked))
	_, _, first := x.Next([]byte("zz"))
	_, n, second := x.Next([]byte("5\r\nhello\r\n"))
	if first == nil || second != first || n != 0 || x.Done() {
		t.Errorf("errors %v, then %v with %d bytes, done %v", first, second, n, x.Done())
	}
}

func TestForbiddenTrailersAreDropped(t *testing.T) {
	var x http1.Body
	x.Request(request(t, chunked))
	raw := "5\r\nhello\r\n0\r\nX-Checksum: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nAuthorization: x\r\nCookie: x\r\nSet-Cookie: x\r\n" +
		"Content-Type: x\r\nContent-Encoding: x\r\nContent-Range: x\r\nTrailer: x\r\nTE: x\r\nConnection: x\r\nCache-Control: x\r\nExpires: x\r\nVary: x\r\nAge: x\r\n" +
		"X-Api-Key: x\r\nx_api_key: x\r\nContent_Length: 5\r\nX-Forwarded-Port: x\r\nProxy-Thing: x\r\nSec-Fetch-Mode: x\r\nAccess-Control-Allow-Origin: *\r\nWWW-Authenticate: x\r\n" +
		"If-Match: x\r\nMax-Forwards: x\r\nX-Gwc-App: x\r\nx-checksum: 2 \r\nServer-Timing: a;dur=1\r\ngrpc-status: 0\r\n\r\nrest"
	data, n, err := payload(&x, []byte(raw), 3)
	if string(data) != "hello" || n != len(raw)-4 || err != nil || !x.Done() {
		t.Fatalf("payload %q, %d bytes, %v, done %v", data, n, err, x.Done())
	}
	var got []string
	for _, f := range x.Trailers() {
		got = append(got, string(f.Name)+": "+string(f.Value))
	}
	if diff := cmp.Diff([]string{"X-Checksum: 1", "x-checksum: 2", "Server-Timing: a;dur=1", "grpc-status: 0"}, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	x.Request(request(t, chunked))
	if _, _, err := payload(&x, []byte(last), 0); err != nil || len(x.Trailers()) != 0 {
		t.Errorf("the next body has trailers of the last: %v, %v", x.Trailers(), err)
	}
}

func TestPathsAreNormalised(t *testing.T) {
	for raw, want := range map[string]string{
		"/": "/", "*": "*", "//": "//", "/a//b": "/a//b", "/a/b.c": "/a/b.c", "/...": "/...", "/.a": "/.a", "/a.": "/a.", "/a..b": "/a..b", "/..a/": "/..a/",
		"/%41%7a%2D%2e%5F%7E": "/Az-._~", "/%2f": "/%2F", "/%2F": "/%2F", "/a%3b": "/a%3B", "/%c3%a9": "/%C3%A9", "/%C3%A9": "/%C3%A9", "/a%20b": "/a%20b",
		"/a+b": "/a+b", "/a%2Bb": "/a%2Bb", "/%252e%252e/": "/%252e%252e/", "/a;b=c": "/a;b=c", "/v1beta/models/x:generateContent": "/v1beta/models/x:generateContent",
		"/{id}": "/%7Bid%7D", "/a|b": "/a%7Cb", "/\"<>^`[]": "/%22%3C%3E%5E%60%5B%5D", "/!$&'()*+,;=:@": "/!$&'()*+,;=:@", "/%3f%23": "/%3F%23", "/a%2e": "/a.",
	} {
		got, err := http1.NormalizePath(nil, []byte(raw))
		if err != nil || string(got) != want {
			t.Errorf("%q became %q (%v), want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"", "a", "a/b", "**", "/.", "/..", "/./", "/../", "/a/.", "/a/..", "/a/./b", "/a/../b", "/%2e", "/%2E%2e", "/.%2e/", "/%2e./x", "/..;", "/..;x=1/a", "/.;/a",
		"/..%3B/", "/..%3bx", "/a%2f..", "/a%2F..%2Fb", "/a%2f.%2fb", "/..%2f", "/%2e%2e%2f", "/\\", "/a\\..\\b", "/%5c", "/%5C..", "/%00", "/%0a", "/%0D", "/%1f", "/%7f", "/%", "/%4", "/%zz", "/%4g", "/a%",
		"/a b", "/a\tb", "/é", "/\x80", "/\x7f", "/a?b", "/a#b"} {
		if got, err := http1.NormalizePath(nil, []byte(raw)); err == nil || err.Status != 400 {
			t.Errorf("%q was taken as %q (%v), want status 400", raw, got, err)
		}
	}
	raw := []byte("/petstore/v1/pets")
	if p, err := http1.NormalizePath([]byte("dst"), raw); err != nil || &p[0] != &raw[0] {
		t.Errorf("a path in the one form was copied: %q, %v", p, err)
	}
}

func TestWriters(t *testing.T) {
	trailers := []http1.Field{{Name: []byte("X-T"), Value: []byte("1")}}
	for want, got := range map[string][]byte{
		"HTTP/1.1 200 OK\r\n":                http1.AppendStatusLine(nil, 200),
		"HTTP/1.1 103 Early Hints\r\n":       http1.AppendStatusLine(nil, 103),
		"HTTP/1.1 429 Too Many Requests\r\n": http1.AppendStatusLine(nil, 429),
		"HTTP/1.1 299 \r\n":                  http1.AppendStatusLine(nil, 299),
		"HTTP/1.1 999 \r\n":                  http1.AppendStatusLine(nil, 999),
		"aX-A: b\r\n":                        http1.AppendField([]byte("a"), "X-A", []byte("b")),
		"X-A: b  Set-Cookie: c\t\xe9\r\n":    http1.AppendField(nil, "X-A", []byte("b\r\nSet-Cookie: c\t\xe9")),
		"X-A:    \r\n":                       http1.AppendField(nil, "X-A", []byte("\x00\x7f\n")),
		"X-T: 1\r\n":                         trailers[0].Append(nil),
		"5\r\nhello\r\n":                     http1.AppendChunk(nil, []byte("hello")),
		"":                                   http1.AppendChunk(nil, nil),
		"1f4\r\n":                            http1.AppendChunkHeader(nil, 500),
		"x":                                  http1.AppendChunkHeader([]byte("x"), 0),
		"0\r\n\r\n":                          http1.AppendLastChunk(nil, nil),
		"0\r\nX-T: 1\r\n\r\n":                http1.AppendLastChunk(nil, trailers),
		"HTTP/1.1 431 Request Header Fields Too Large\r\n": http1.AppendStatusLine(nil, 431),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestHotPathsDoNotAllocate holds the budgets that the functions state.
func TestHotPathsDoNotAllocate(t *testing.T) {
	var (
		h         http1.Head
		x         http1.Body
		reqBytes  = []byte(typicalRequest)
		respBytes = []byte(typicalResponse)
		body      = http1.AppendLastChunk(http1.AppendChunk(nil, make([]byte, 100)), nil)
		path      = []byte("/petstore/v1/pets/%7e42")
		out       = make([]byte, 0, 4096)
	)
	for name, hot := range map[string]func(){
		"ParseRequest":  func() { h.ParseRequest(reqBytes, http1.Limits{}) },
		"ParseResponse": func() { h.ParseResponse(respBytes, http1.Limits{}) },
		"a request in parts": func() {
			h.ParseRequest(reqBytes[:100], http1.Limits{})
			h.ParseRequest(reqBytes[:200], http1.Limits{})
			h.ParseRequest(reqBytes, http1.Limits{})
		},
		"a chunked body": func() {
			h.Chunked = true
			x.Request(&h)
			for b := body; !x.Done(); {
				_, n, _ := x.Next(b)
				b = b[n:]
			}
		},
		"NormalizePath": func() { http1.NormalizePath(out, path) },
		"writers": func() {
			b := http1.AppendStatusLine(out, 200)
			b = http1.AppendField(b, "content-type", path)
			b = http1.AppendChunk(b, body)
			http1.AppendLastChunk(b, nil)
		},
	} {
		hot()
		if n := testing.AllocsPerRun(100, hot); n != 0 {
			t.Errorf("%s: %v allocations, the budget is 0", name, n)
		}
	}
}
