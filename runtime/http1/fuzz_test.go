package http1_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// payload runs x over b, step bytes at a time (0: at once), and returns the payload, how many bytes x took, and the
// error.
func payload(x *http1.Body, b []byte, step int) (data []byte, taken int, err *http1.Error) {
	if step == 0 {
		step = max(1, len(b))
	}
	for end := 0; end < len(b) && !x.Done(); {
		end = min(len(b), end+step)
		for !x.Done() {
			piece, n, err := x.Next(b[taken:end])
			if err != nil {
				return data, taken, err
			}
			data = append(data, piece...)
			if taken += n; n == 0 {
				break
			}
		}
	}
	return data, taken, nil
}

// parse reads one head, step bytes at a time (0: at once).
func parse(h *http1.Head, b []byte, response bool, step int) (n int, err *http1.Error) {
	h.Reset()
	if step == 0 {
		step = max(1, len(b))
	}
	for end := 0; end < len(b) && n == 0 && err == nil; {
		end = min(len(b), end+step)
		if response {
			n, err = h.ParseResponse(b[:end], http1.Limits{})
		} else {
			n, err = h.ParseRequest(b[:end], http1.Limits{})
		}
	}
	return n, err
}

// header makes an http.Header of fields, without those that net/http takes out of its own or changes.
func header(fields []http1.Field) http.Header {
	h := http.Header{}
	for _, f := range fields {
		h[textproto.CanonicalMIMEHeaderKey(string(f.Name))] = append(h[textproto.CanonicalMIMEHeaderKey(string(f.Name))], string(f.Value))
	}
	return withoutOwn(h)
}

// withoutOwn removes what net/http itself treats.
func withoutOwn(h http.Header) http.Header {
	h = h.Clone()
	if v := h["Pragma"]; len(v) > 0 && v[0] == "no-cache" && len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{"no-cache"}
	}
	for _, name := range []string{"Host", "Transfer-Encoding", "Content-Length", "Trailer"} {
		delete(h, name)
	}
	return h
}

// sameInParts holds that the head that parsed from b as a whole comes out the same when b arrives in parts.
func sameInParts(t *testing.T, b []byte, response bool) {
	t.Helper()
	var whole, parts http1.Head
	n, err := parse(&whole, b, response, 0)
	for _, step := range []int{1, 17, len(b)/2 + 1} {
		if step == 1 && len(b) > 4096 {
			continue
		}
		m, failed := parse(&parts, b, response, step)
		if diff := cmp.Diff(err, failed); m != n || diff != "" {
			t.Fatalf("whole: %d, %v; %d bytes at a time: %d, %v", n, err, step, m, failed)
		}
		if n == 0 {
			continue
		}
		if diff := cmp.Diff(whole, parts, cmpopts.IgnoreUnexported(http1.Head{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%d bytes at a time, mismatch (-whole +parts):\n%s", step, diff)
		}
	}
}

// sameTrailers holds that each trailer that the codec gives stands in what net/http gives.
func sameTrailers(t *testing.T, x *http1.Body, theirs http.Header) {
	t.Helper()
	at := map[string]int{}
	for _, f := range x.Trailers() {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		if i := at[name]; i >= len(theirs[name]) || theirs[name][i] != string(f.Value) {
			t.Fatalf("trailer %q: %q is not in %q", f.Name, f.Value, theirs[name])
		}
		at[name]++
	}
}

// FuzzRequest compares with net/http: what the codec takes net/http must take too and read in the same way. net/http
// is stricter in two respects, which are not findings: it parses the target as a URL, which the codec leaves to
// NormalizePath, and refuses a Trailer field that announces framing.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(typicalRequest + "{\"model\":\"fast\",\"stream\":1}"))
	f.Add([]byte("GET http://b:80?q HTTP/1.1\r\nHost: a\r\nConnection: close, x-a\r\nX-A: 1\r\n\r\n"))
	f.Add([]byte("\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\nPragma: no-cache\r\n\r\n"))
	f.Add([]byte(chunked + "5;a=\"b\"\r\nhello\r\n0\r\nX-T: 1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\n"))
	for _, p := range smugglingRequests() {
		if len(p.raw) < 1000 {
			f.Add([]byte(p.raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		sameInParts(t, raw, false)
		var h http1.Head
		n, bad := h.ParseRequest(raw, http1.Limits{})
		if n == 0 || bad != nil {
			return
		}
		// The codec skips empty lines before the request line; net/http's server leaves that to nobody.
		start := len(raw) - len(bytes.TrimLeft(raw, "\r\n"))
		br := bufio.NewReaderSize(bytes.NewReader(raw[start:]), 64<<10)
		req, err := http.ReadRequest(br)
		if err != nil {
			_, malformed := http1.NormalizePath(nil, h.Path)
			if _, urlErr := url.ParseRequestURI(string(h.Target)); urlErr != nil && malformed != nil {
				return
			}
			if strings.Contains(err.Error(), "bad trailer key") {
				return
			}
			t.Fatalf("taken, but net/http: %v", err)
		}
		if req.Method != string(h.Method) || req.RequestURI != string(h.Target) || req.ProtoMinor != int(h.Minor) {
			t.Fatalf("request line: %q %q 1.%d, net/http: %q %q 1.%d", h.Method, h.Target, h.Minor, req.Method, req.RequestURI, req.ProtoMinor)
		}
		if req.Host != string(h.Host) || req.URL.RawQuery != string(h.Query) {
			t.Fatalf("Host %q, query %q; net/http: %q, %q", h.Host, h.Query, req.Host, req.URL.RawQuery)
		}
		if decoded, err := url.PathUnescape(string(h.Path)); err != nil || decoded != req.URL.Path && req.URL.Path != "" {
			t.Fatalf("path %q (%v), net/http: %q", h.Path, err, req.URL.Path)
		}
		if chunked := len(req.TransferEncoding) > 0; chunked != h.Chunked || !chunked && req.ContentLength != max(h.ContentLength, 0) {
			t.Fatalf("length %d, chunked %v; net/http: %d, %v", h.ContentLength, h.Chunked, req.ContentLength, req.TransferEncoding)
		}
		if req.Close != h.Close {
			t.Fatalf("Close %v, net/http: %v", h.Close, req.Close)
		}
		if diff := cmp.Diff(withoutOwn(req.Header), header(h.Fields)); diff != "" {
			t.Fatalf("fields, mismatch (-net/http +codec):\n%s", diff)
		}
		var x http1.Body
		x.Request(&h)
		data, taken, bad := payload(&x, raw[n:], 0)
		if bad != nil {
			return
		}
		theirs, err := io.ReadAll(req.Body)
		if !x.Done() {
			if err == nil {
				t.Fatalf("the body is incomplete, but net/http reads it: %q", theirs)
			}
			return
		}
		if err != nil || !bytes.Equal(theirs, data) {
			t.Fatalf("body %q, net/http: %q, %v", data, theirs, err)
		}
		sameTrailers(t, &x, req.Trailer)
		if rest, _ := io.ReadAll(br); !bytes.Equal(rest, raw[n+taken:]) {
			t.Fatalf("the next message begins with %q, net/http: %q", raw[n+taken:], rest)
		}
	})
}

// FuzzResponse compares with net/http, as FuzzRequest does.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(typicalResponse+"2\r\n{}\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil close"), false)
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n"), false)
	f.Add([]byte("HTTP/1.1 204\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), false)
	f.Add([]byte(ok+"Content-Length: 5\r\n\r\n"), true)
	for _, p := range smugglingResponses() {
		if len(p.raw) < 1000 {
			f.Add([]byte(p.raw), false)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, toHEAD bool) {
		sameInParts(t, raw, true)
		var h http1.Head
		n, bad := h.ParseResponse(raw, http1.Limits{})
		if n == 0 || bad != nil {
			return
		}
		method := "GET"
		if toHEAD {
			method = "HEAD"
		}
		start := len(raw) - len(bytes.TrimLeft(raw, "\r\n"))
		br := bufio.NewReaderSize(bytes.NewReader(raw[start:]), 64<<10)
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			if strings.Contains(err.Error(), "bad trailer key") {
				return
			}
			t.Fatalf("taken, but net/http: %v", err)
		}
		if resp.StatusCode != h.Status || resp.ProtoMinor != int(h.Minor) {
			t.Fatalf("status %d 1.%d, net/http: %d 1.%d", h.Status, h.Minor, resp.StatusCode, resp.ProtoMinor)
		}
		if diff := cmp.Diff(withoutOwn(resp.Header), header(h.Fields)); diff != "" {
			t.Fatalf("fields, mismatch (-net/http +codec):\n%s", diff)
		}
		var x http1.Body
		if x.Response(&h, toHEAD) != nil {
			return
		}
		if resp.Close && !h.Close {
			t.Fatalf("not Close, but net/http closes")
		}
		if h.Status == 101 {
			return
		}
		data, taken, bad := payload(&x, raw[n:], 0)
		if bad != nil {
			return
		}
		theirs, err := io.ReadAll(resp.Body)
		if !x.Done() && !x.UntilClose() {
			if err == nil {
				t.Fatalf("the body is incomplete, but net/http reads it: %q", theirs)
			}
			return
		}
		if err != nil || !bytes.Equal(theirs, data) {
			t.Fatalf("body %q, net/http: %q, %v", data, theirs, err)
		}
		sameTrailers(t, &x, resp.Trailer)
		if rest, _ := io.ReadAll(br); !bytes.Equal(rest, raw[n+taken:]) {
			t.Fatalf("the next message begins with %q, net/http: %q", raw[n+taken:], rest)
		}
	})
}

// FuzzBody holds that a chunked body comes out the same however its bytes arrive, and that what is written from it
// reads as the same again.
func FuzzBody(f *testing.F) {
	f.Add([]byte("5;a=\"b\"\r\nhello\r\n0\r\nX-T: 1\r\nX-T: 2\r\n\r\nrest"))
	f.Add([]byte("1\r\nx\r\n1\r\ny\r\n0\r\n\r\n"))
	for _, p := range smugglingChunks() {
		if len(p.raw) < 3000 {
			f.Add([]byte(p.raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 8192 {
			return
		}
		head := http1.Head{Chunked: true, ContentLength: -1}
		var whole http1.Body
		whole.Request(&head)
		data, taken, err := payload(&whole, raw, 0)
		for _, step := range []int{1, 2, 5, len(raw)/2 + 1} {
			var parts http1.Body
			parts.Request(&head)
			again, took, failed := payload(&parts, raw, step)
			if (err == nil) != (failed == nil) || !bytes.Equal(data, again) || whole.Done() != parts.Done() || err == nil && took != taken {
				t.Fatalf("whole: %q, %d, %v, done %v; %d bytes at a time: %q, %d, %v, done %v",
					data, taken, err, whole.Done(), step, again, took, failed, parts.Done())
			}
			if diff := cmp.Diff(whole.Trailers(), parts.Trailers(), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%d bytes at a time, trailers, mismatch (-whole +parts):\n%s", step, diff)
			}
		}
		if !whole.Done() || err != nil {
			return
		}
		written := http1.AppendLastChunk(http1.AppendChunk(nil, data), whole.Trailers())
		var second http1.Body
		second.Request(&head)
		again, took, err := payload(&second, written, 0)
		if err != nil || !second.Done() || took != len(written) || !bytes.Equal(again, data) {
			t.Fatalf("written anew as %q: %q, %d, %v", written, again, took, err)
		}
		if diff := cmp.Diff(whole.Trailers(), second.Trailers(), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("written anew, trailers, mismatch (-first +second):\n%s", diff)
		}
	})
}

// FuzzNormalizePath holds what the one form promises.
func FuzzNormalizePath(f *testing.F) {
	for _, path := range []string{"/", "*", "/a/b.c", "/%7e/%2f/%2F", "/%2e%2E/x", "/a/..;x/b", "/a%2f..%2fb", "/caf%c3%a9", "/a|b\"c", "/%zz", "/%5c", "/%00", "/a%20b", "/..a/.b./..."} {
		f.Add([]byte(path))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		prefix := []byte("prefix")
		p, bad := http1.NormalizePath(prefix, raw)
		if !bytes.Equal(raw, before) || string(prefix) != "prefix" {
			t.Fatalf("the input was changed: %q, %q", raw, prefix)
		}
		if bad != nil {
			return
		}
		again, bad := http1.NormalizePath(nil, p)
		if bad != nil || !bytes.Equal(p, again) || &p[0] != &again[0] {
			t.Fatalf("%q became %q, and that %q, %v", raw, p, again, bad)
		}
		want, err := url.PathUnescape(string(raw))
		if err != nil {
			t.Fatalf("%q was taken: %v", raw, err)
		}
		decoded, err := url.PathUnescape(string(p))
		if err != nil || decoded != want {
			t.Fatalf("%q became %q, which means %q and not %q: %v", raw, p, decoded, want, err)
		}
		for segment := range strings.SplitSeq(decoded, "/") {
			segment, _, _ = strings.Cut(segment, ";")
			if segment == "." || segment == ".." {
				t.Fatalf("%q was taken as %q, with a dot segment", raw, p)
			}
		}
		for _, c := range []byte(decoded) {
			if c < ' ' || c == 0x7f || c == '\\' {
				t.Fatalf("%q was taken as %q, with %#02x", raw, p, c)
			}
		}
		if string(p) == "*" {
			return
		}
		if u, err := url.ParseRequestURI(string(p)); err != nil || u.EscapedPath() != string(p) {
			t.Fatalf("%q is no path as net/url writes it: %v", p, err)
		}
	})
}
