package websocket_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/websocket"
)

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ==" // RFC 6455 §1.3

// handshake is a whole one, each of whose lines a test may replace.
func handshake(replace ...string) string {
	s := "GET /rt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Version: 13\r\n\r\n"
	return strings.NewReplacer(replace...).Replace(s)
}

func parse(t *testing.T, raw string) *http1.Head {
	t.Helper()
	h := new(http1.Head)
	if n, err := h.ParseRequest([]byte(raw), http1.Limits{}); err != nil || n == 0 {
		t.Fatalf("%q is no request: %v", raw, err)
	}
	return h
}

func TestHandshakesAreJudged(t *testing.T) {
	key := "Sec-WebSocket-Key: " + sampleKey + "\r\n"
	for name, test := range map[string]struct {
		raw    string
		http2  bool
		status int // 0: whole
	}{
		"as browsers send it":                  {raw: handshake()},
		"names in any case":                    {raw: handshake("Upgrade: websocket", "UPGRADE: WebSocket", "Upgrade\r\nSec", "upgrade\r\nSec")},
		"one protocol among several":           {raw: handshake("Upgrade: websocket", "Upgrade: h2c, websocket")},
		"subprotocols over two fields":         {raw: handshake("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n\r\n")},
		"over HTTP/2":                          {raw: handshake(), http2: true, status: 501},
		"a POST":                               {raw: handshake("GET", "POST"), status: 405},
		"HTTP/1.0":                             {raw: handshake("HTTP/1.1", "HTTP/1.0"), status: 400},
		"no Upgrade":                           {raw: handshake("Upgrade: websocket\r\n", ""), status: 400},
		"another protocol":                     {raw: handshake("Upgrade: websocket", "Upgrade: websockets"), status: 400},
		"no Connection":                        {raw: handshake("Connection: keep-alive, Upgrade\r\n", ""), status: 400},
		"a body":                               {raw: handshake("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n"), status: 400},
		"a chunked body":                       {raw: handshake("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"), status: 400},
		"no version":                           {raw: handshake("Sec-WebSocket-Version: 13\r\n", ""), status: 426},
		"an old version":                       {raw: handshake("Version: 13", "Version: 8"), status: 426},
		"two versions":                         {raw: handshake("Version: 13", "Version: 13\r\nSec-WebSocket-Version: 13"), status: 426},
		"a list of versions":                   {raw: handshake("Version: 13", "Version: 13, 8"), status: 426},
		"no key":                               {raw: handshake(key, ""), status: 400},
		"two keys":                             {raw: handshake(key, key+key), status: 400},
		"a key of 15 bytes":                    {raw: handshake(sampleKey, "AAAAAAAAAAAAAAAAAAAA"), status: 400},
		"a key of 17 bytes":                    {raw: handshake(sampleKey, "AAAAAAAAAAAAAAAAAAAAAAA="), status: 400},
		"a key with bits behind its last byte": {raw: handshake(sampleKey, "dGhlIHNhbXBsZSBub25jZR=="), status: 400},
		"a key without padding":                {raw: handshake("ZQ==", "ZQAA"), status: 400},
		"a subprotocol twice":                  {raw: handshake("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b, a\r\n\r\n"), status: 400},
		"a subprotocol that is no token":       {raw: handshake("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a b\r\n\r\n"), status: 400},
		"more subprotocols than anybody can mean": {raw: handshake("\r\n\r\n", "\r\nSec-WebSocket-Protocol: "+strings.Join(numbered(33), ",")+"\r\n\r\n"), status: 400},
	} {
		h := parse(t, test.raw)
		if !websocket.Asks(h) {
			t.Errorf("%s: not taken for a handshake", name)
		}
		status := 0
		if bad := websocket.Check(h, test.http2); bad != nil {
			status = bad.Status
			if status == 426 && !strings.Contains(bad.Fields, "Sec-WebSocket-Version: 13\r\n") {
				t.Errorf("%s: the answer does not name the version: %q", name, bad.Fields)
			}
		}
		if status != test.status {
			t.Errorf("%s: status %d, want %d", name, status, test.status)
		}
	}
	if websocket.Asks(parse(t, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")) {
		t.Error("a request for h2c is taken for a handshake")
	}
}

func numbered(n int) (l []string) {
	for i := range n {
		l = append(l, "p"+strings.Repeat("x", i))
	}
	return l
}

func TestAnswersAreJudged(t *testing.T) {
	accept := string(websocket.AppendAccept(nil, []byte(sampleKey)))
	if accept != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 §1.3
		t.Fatalf("the RFC's key is accepted with %q", accept)
	}
	whole := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\nSec-WebSocket-Protocol: realtime\r\n\r\n"
	for name, test := range map[string]struct {
		old, new string
		err      error
		protocol string
	}{
		"whole":                   {protocol: "realtime"},
		"without a subprotocol":   {old: "Sec-WebSocket-Protocol: realtime\r\n"},
		"another accept":          {old: accept, new: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", err: websocket.ErrAccept},
		"no accept":               {old: "Sec-WebSocket-Accept: " + accept + "\r\n", err: websocket.ErrAccept},
		"no Upgrade":              {old: "Upgrade: websocket\r\n", err: websocket.ErrUpgrade},
		"an extension":            {old: "\r\n\r\n", new: "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", err: websocket.ErrExtension},
		"a strange subprotocol":   {old: "Protocol: realtime", new: "Protocol: other", err: websocket.ErrProtocol},
		"a list of subprotocols":  {old: "Protocol: realtime", new: "Protocol: realtime, v2", err: websocket.ErrProtocol},
		"two subprotocols' lines": {old: "\r\n\r\n", new: "\r\nSec-WebSocket-Protocol: v2\r\n\r\n", err: websocket.ErrProtocol},
	} {
		h := new(http1.Head)
		if n, bad := h.ParseResponse([]byte(strings.Replace(whole, test.old, test.new, 1)), http1.Limits{}); bad != nil || n == 0 {
			t.Fatalf("%s: %v", name, bad)
		}
		protocol, err := websocket.CheckAnswer(h, sampleKey, slices.Values([][]byte{[]byte("realtime"), []byte("v2")}))
		if err != test.err || string(protocol) != test.protocol {
			t.Errorf("%s: %q, %v; want %q, %v", name, protocol, err, test.protocol, test.err)
		}
	}
	if a, b := websocket.NewKey(), websocket.NewKey(); a == b || len(a) != 24 {
		t.Errorf("keys %q, %q", a, b)
	}
}

// frame writes one frame of a server, or of a client with a mask.
func frame(first byte, payload string, mask ...byte) string {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if len(mask) == 4 {
		b[1] |= 0x80
		b = append(b, mask...)
		for i := range len(payload) {
			b = append(b, payload[i]^mask[i&3])
		}
		return string(b)
	}
	return string(b) + payload
}

// seen is what a Reader makes of a stream.
type seen struct {
	Out      string
	Messages []string
	Code     int
	Err      string
}

// read gives a stream to a Reader in pieces of the lengths that cut returns.
func read(client bool, in string, cut func(left int) int) seen {
	var r websocket.Reader
	var p websocket.Piece
	var s seen
	var message []byte
	r.Reset(client)
	scratch := make([]byte, 7)
	for b := []byte(in); len(b) > 0; {
		part := b[:cut(len(b))]
		b = b[len(part):]
		part = bytes.Clone(part) // what is kept of it must not depend on it
		for len(part) > 0 {
			n, err := r.Next(part, &p)
			if err != nil {
				s.Err = err.Error()
				return s
			}
			s.Out += string(p.Out)
			if p.Op == websocket.Text || p.Op == websocket.Binary {
				if p.First {
					message = message[:0]
				}
				if client { // in pieces as long as the scratch
					whole := p
					plain := make([]byte, len(p.Out))
					message = append(message, whole.Plain(plain)...)
					_ = whole.Plain(scratch)
				} else {
					message = append(message, p.Plain(make([]byte, len(p.Out)))...)
				}
				if p.Last {
					s.Messages = append(s.Messages, string(message))
				}
			}
			for i := range part[:n] {
				part[i] = 0xee
			}
			part = part[n:]
		}
		if code, ok := r.Closed(); ok {
			s.Code = code
		}
	}
	return s
}

func whole(left int) int { return left }

func TestFramesPassAsTheyAre(t *testing.T) {
	big := strings.Repeat("audio", 14_000)
	m := []byte{0x11, 0x22, 0x33, 0x44}
	for name, test := range map[string]struct {
		in       string
		client   bool
		messages []string
		code     int
		dropped  string
	}{
		"one text":                    {in: frame(0x81, "hello"), messages: []string{"hello"}},
		"an empty text":               {in: frame(0x81, ""), messages: []string{""}},
		"a masked one":                {in: frame(0x82, "hello", m...), client: true, messages: []string{"hello"}},
		"a length of two bytes":       {in: frame(0x82, big[:126]) + frame(0x82, big[:65535]), messages: []string{big[:126], big[:65535]}},
		"a length of eight":           {in: frame(0x82, big[:65536]), messages: []string{big[:65536]}},
		"masked and long":             {in: frame(0x82, big, m...) + frame(0x81, big[:300], m...), client: true, messages: []string{big, big[:300]}},
		"fragments with a ping in":    {in: frame(0x01, "he") + frame(0x89, "are you there") + frame(0x00, "") + frame(0x80, "llo"), messages: []string{"hello"}},
		"masked fragments":            {in: frame(0x01, "he", m...) + frame(0x8a, "", 9, 9, 9, 9) + frame(0x80, "llo", 1, 2, 3, 4), client: true, messages: []string{"hello"}},
		"text that is not UTF-8":      {in: frame(0x81, "\xff\xfe"), messages: []string{"\xff\xfe"}},
		"a close with a reason":       {in: frame(0x88, "\x03\xe8bye"), code: 1000},
		"a masked close":              {in: frame(0x88, "\x0f\xa0", m...), client: true, code: 4000},
		"a close without a code":      {in: frame(0x88, ""), code: websocket.NoCode},
		"a close within a message":    {in: frame(0x01, "he") + frame(0x88, "\x03\xe9"), code: 1001},
		"what comes behind the close": {in: frame(0x88, "\x03\xe8"), dropped: frame(0x81, "more") + "\xff\xff", code: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			want := seen{Out: test.in, Messages: test.messages, Code: test.code}
			if diff := cmp.Diff(want, read(test.client, test.in+test.dropped, whole)); diff != "" {
				t.Fatalf("mismatch (-want +got):\n%s", diff)
			}
			all := test.in + test.dropped
			for at := 1; at < len(all); at++ {
				if at > 200 && at < len(all)-200 && at%1009 != 0 {
					continue
				}
				first := true
				got := read(test.client, all, func(left int) int {
					if first {
						first = false
						return at
					}
					return left
				})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("cut at %d: mismatch (-want +got):\n%s", at, diff)
				}
			}
			if len(all) < 1000 {
				if diff := cmp.Diff(want, read(test.client, all, func(int) int { return 1 })); diff != "" {
					t.Fatalf("byte by byte: mismatch (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestFaultyFramesAreNotPassedOn(t *testing.T) {
	long := func(b ...byte) string { return string(b) + strings.Repeat("x", 300) }
	for name, test := range map[string]struct {
		in     string
		client bool
	}{
		"RSV1":                                 {in: frame(0xc1, "x")},
		"RSV3 of a control frame":              {in: frame(0x99, "x")},
		"opcode 3":                             {in: frame(0x83, "x")},
		"opcode 15":                            {in: frame(0x8f, "x")},
		"a client that does not mask":          {in: frame(0x81, "x"), client: true},
		"a server that masks":                  {in: frame(0x81, "x", 1, 2, 3, 4)},
		"a fragmented ping":                    {in: frame(0x09, "x")},
		"a ping of 126 bytes":                  {in: frame(0x89, strings.Repeat("x", 126))},
		"a continuation of nothing":            {in: frame(0x80, "x")},
		"a text within a text":                 {in: frame(0x01, "x") + frame(0x81, "y")},
		"a binary within a text":               {in: frame(0x01, "x") + frame(0x02, "y")},
		"a continuation behind the end":        {in: frame(0x01, "x") + frame(0x80, "y") + frame(0x80, "z")},
		"125 in two bytes":                     {in: long(0x81, 126, 0, 125)},
		"65535 in eight bytes":                 {in: long(0x81, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff)},
		"a length of 64 bits":                  {in: long(0x81, 127, 0x80, 0, 0, 0, 0, 1, 0, 0)},
		"a close with one byte":                {in: frame(0x88, "\x03")},
		"a close with 1005":                    {in: frame(0x88, "\x03\xed")},
		"a close with 1006":                    {in: frame(0x88, "\x03\xee")},
		"a close with 999":                     {in: frame(0x88, "\x03\xe7")},
		"a close with 5000":                    {in: frame(0x88, "\x13\x88")},
		"a masked close with 1015":             {in: frame(0x88, "\x03\xf7", 1, 2, 3, 4), client: true},
		"an HTTP request in place of a frame":  {in: "GET / HTTP/1.1\r\n\r\n", client: true},
		"a second handshake's answer":          {in: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
		"garbage behind a frame that was good": {in: frame(0x81, "ok") + "\xff\xff\xff\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			want := read(test.client, test.in, whole)
			if want.Err == "" {
				t.Fatalf("taken: %+v", want)
			}
			good := strings.HasSuffix(want.Out, "ok") || want.Out == "" || strings.HasPrefix(test.in, frame(0x01, "x"))
			if !good || !strings.HasPrefix(test.in, want.Out) {
				t.Fatalf("%q was passed on", want.Out)
			}
			if diff := cmp.Diff(want, read(test.client, test.in, func(int) int { return 1 })); diff != "" {
				t.Errorf("byte by byte: mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBoundariesAreWhereAFrameMayBeAdded(t *testing.T) {
	var r websocket.Reader
	var p websocket.Piece
	in := []byte(frame(0x01, "hello") + frame(0x89, "ping") + frame(0x80, "!"))
	ends := map[int]bool{0: true}
	for at, size := 0, []int{7, 6, 3}; len(size) > 0; size = size[1:] {
		at += size[0]
		ends[at] = true
	}
	passed := 0
	for i := range in {
		if _, err := r.Next(in[i:i+1], &p); err != nil {
			t.Fatal(err)
		}
		passed += len(p.Out)
		if r.Boundary() != ends[passed] {
			t.Errorf("after %d bytes, %d passed on: boundary %v", i+1, passed, r.Boundary())
		}
	}
	if passed != len(in) || r.Messages() != 1 {
		t.Errorf("%d bytes, %d messages", passed, r.Messages())
	}
}

func TestControlFramesAreWritten(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	for _, client := range []bool{false, true} {
		m := &mask
		if !client {
			m = nil
		}
		b := websocket.AppendControl(nil, websocket.Ping, []byte("gwc"), m)
		b = websocket.AppendClose(b, 1001, strings.Repeat("r", 200), m)
		got := read(client, string(b), whole)
		if diff := cmp.Diff(seen{Out: string(b), Code: 1001}, got); diff != "" {
			t.Errorf("mismatch (-want +got):\n%s", diff)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	var r websocket.Reader
	var p websocket.Piece
	in := []byte(frame(0x81, strings.Repeat("x", 1000), 1, 2, 3, 4))
	r.Reset(true)
	if n := testing.AllocsPerRun(100, func() {
		for _, cut := range [...]int{len(in), 3} {
			for b := in; len(b) > 0; {
				n, err := r.Next(b[:min(cut, len(b))], &p)
				if err != nil {
					t.Fatal(err)
				}
				b = b[n:]
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzReader holds a Reader that gets a stream at once against one that gets it in pieces, and what both pass on
// against the stream.
func FuzzReader(f *testing.F) {
	f.Add([]byte(frame(0x01, "he")+frame(0x89, "p")+frame(0x80, "llo")+frame(0x88, "\x03\xe8")), false, uint8(1))
	f.Add([]byte(frame(0x82, strings.Repeat("x", 200), 1, 2, 3, 4)+frame(0x88, "", 4, 3, 2, 1)), true, uint8(5))
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0, 1}, false, uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, client bool, piece uint8) {
		want := read(client, string(in), whole)
		got := read(client, string(in), func(left int) int { return min(left, int(piece)%17+1) })
		if want.Err != "" && want.Code == 0 {
			want.Code, got.Code = 0, 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("mismatch (-whole +pieces):\n%s", diff)
		}
		if !bytes.HasPrefix(in, []byte(want.Out)) {
			t.Fatalf("%q was passed on of %q", want.Out, in)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var r websocket.Reader
	var p websocket.Piece
	in := []byte(frame(0x81, strings.Repeat("x", 1024)))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for c := in; len(c) > 0; {
			n, err := r.Next(c, &p)
			if err != nil {
				b.Fatal(err)
			}
			c = c[n:]
		}
	}
}
