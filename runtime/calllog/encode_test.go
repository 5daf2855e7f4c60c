package calllog

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// aRecord is an exchange that was answered by its second target.
func aRecord() *Record {
	r := &Record{
		Time:      time.Date(2026, 11, 22, 21, 55, 0, 123456789, time.FixedZone("CET", 3600)),
		RequestID: "0198c1f2a77b4c3d9e",
		Artifact:  "sha256:8c3f0d2f1f3f9a70d3d1f7a4fd3a3c9f0e7b7f7d7c0a3b1e5f9d2c4b6a8e0f12",
		Tenant:    "acme",
		App:       "web",
		Key:       "web-1",
		Route:     "ai.chat",
		Method:    "POST",
		Path:      "/v1/chat/completions",
		Status:    200,
		Client:    netip.MustParseAddrPort("203.0.113.7:51234"),
		BytesIn:   2048,
		BytesOut:  812,
		Duration:  1234567 * time.Microsecond,
		FirstByte: 312499 * time.Microsecond,
		Upstream:  1230001 * time.Microsecond,
		NAttempt:  2,

		Model:         "smart",
		Provider:      "openai",
		UpstreamModel: "gpt-5",
		Stream:        true,
		Tokens:        Tokens{Input: 512, Output: 128, CacheRead: 256, Reasoning: 64},
		HasTokens:     true,
		StopReason:    "stop",
	}
	r.Attempts[0] = Attempt{Provider: "claude", Model: "claude-sonnet-4-5", Target: "api.anthropic.com:443", Status: 429, Duration: 20 * time.Millisecond, Error: "status"}
	r.Attempts[1] = Attempt{Provider: "openai", Model: "gpt-5", Target: "api.openai.com:443", Status: 200, Duration: 1210 * time.Millisecond}
	return r
}

func encodeString(r *Record) string {
	var e encoder
	return string(e.encode(r))
}

func TestEncode(t *testing.T) {
	full := aRecord()
	full.API, full.Operation, full.Limit, full.Error = "petstore", "listPets", "600 per 1m", "limit"
	full.Tokens.CacheWrite, full.Tokens.CacheWrite1h = 20, 8
	full.Tokens.InputAudio, full.Tokens.OutputAudio, full.Tokens.Estimate = 3, 2, true
	full.Cost, full.HasCost, full.CostEstimate, full.Price = 1_234_500_000, true, true, "0123456789abcdef"
	full.Attempts[0].Cost, full.Attempts[0].HasCost = 1_000_000_000_000, true
	tests := []struct {
		name   string
		record *Record
		want   string
	}{
		{"a record of nothing has what always applies", &Record{Time: time.Unix(0, 0)},
			`{"time":"1970-01-01T00:00:00.000000Z","bytes_in":0,"bytes_out":0,"duration_ms":0.000}`},
		{"an AI exchange with a fallback", aRecord(),
			`{"time":"2026-11-22T20:55:00.123456Z","request_id":"0198c1f2a77b4c3d9e","artifact":"sha256:8c3f0d2f1f3f9a70d3d1f7a4fd3a3c9f0e7b7f7d7c0a3b1e5f9d2c4b6a8e0f12",` +
				`"tenant":"acme","app":"web","key":"web-1","route":"ai.chat","method":"POST","path":"/v1/chat/completions","status":200,"client":"203.0.113.7:51234",` +
				`"bytes_in":2048,"bytes_out":812,"duration_ms":1234.567,"first_byte_ms":312.499,"upstream_ms":1230.001,` +
				`"attempts":[{"provider":"claude","model":"claude-sonnet-4-5","target":"api.anthropic.com:443","status":429,"duration_ms":20.000,"error":"status"},` +
				`{"provider":"openai","model":"gpt-5","target":"api.openai.com:443","status":200,"duration_ms":1210.000}],` +
				`"model":"smart","provider":"openai","upstream_model":"gpt-5","stream":true,` +
				`"tokens":{"input":512,"output":128,"cache_read":256,"reasoning":64},"stop_reason":"stop"}`},
		{"every field", full,
			`{"time":"2026-11-22T20:55:00.123456Z","request_id":"0198c1f2a77b4c3d9e","artifact":"sha256:8c3f0d2f1f3f9a70d3d1f7a4fd3a3c9f0e7b7f7d7c0a3b1e5f9d2c4b6a8e0f12",` +
				`"tenant":"acme","app":"web","key":"web-1","route":"ai.chat","api":"petstore","operation":"listPets","method":"POST","path":"/v1/chat/completions","status":200,"client":"203.0.113.7:51234",` +
				`"bytes_in":2048,"bytes_out":812,"duration_ms":1234.567,"first_byte_ms":312.499,"upstream_ms":1230.001,` +
				`"attempts":[{"provider":"claude","model":"claude-sonnet-4-5","target":"api.anthropic.com:443","status":429,"duration_ms":20.000,"cost_usd":1,"error":"status"},` +
				`{"provider":"openai","model":"gpt-5","target":"api.openai.com:443","status":200,"duration_ms":1210.000}],` +
				`"model":"smart","provider":"openai","upstream_model":"gpt-5","stream":true,` +
				`"tokens":{"input":512,"output":128,"cache_read":256,"cache_write":20,"cache_write_1h":8,"reasoning":64,"input_audio":3,"output_audio":2,"estimate":true},"cost_usd":0.0012345,"cost_estimate":true,"price":"0123456789abcdef","stop_reason":"stop","limit":"600 per 1m","error":"limit"}`},
		{"a query never gets in by an unmatched path", &Record{Time: time.Unix(1, 999999999), Method: "GET", Path: "/nope?api_key=gwc_secret", Status: 404, Error: "route"},
			`{"time":"1970-01-01T00:00:01.999999Z","method":"GET","path":"/nope","status":404,"bytes_in":0,"bytes_out":0,"duration_ms":0.000,"error":"route"}`},
		{"an AI exchange without a stream says so", &Record{Time: time.Unix(0, 0), Route: "ai.chat", Model: "fast", HasTokens: true},
			`{"time":"1970-01-01T00:00:00.000000Z","route":"ai.chat","bytes_in":0,"bytes_out":0,"duration_ms":0.000,"model":"fast","stream":false,"tokens":{"input":0,"output":0}}`},
		{"a clock that went back gives no negative time", &Record{Time: time.Unix(0, 0), Duration: -time.Second, FirstByte: -1, Upstream: -1},
			`{"time":"1970-01-01T00:00:00.000000Z","bytes_in":0,"bytes_out":0,"duration_ms":0.000}`},
		{"more attempts than fit are not read", &Record{Time: time.Unix(0, 0), NAttempt: 99},
			`{"time":"1970-01-01T00:00:00.000000Z","bytes_in":0,"bytes_out":0,"duration_ms":0.000,"upstream_ms":0.000,"attempts":[` +
				strings.Repeat(`{"duration_ms":0.000},`, MaxAttempts-1) + `{"duration_ms":0.000}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := encodeString(tt.record)
			if diff := cmp.Diff(tt.want+"\n", got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestEncodeNumbers(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0.000"}, {1, "0.000"}, {499, "0.000"}, {500, "0.001"}, {999499, "0.999"}, {999500, "1.000"},
		{time.Hour, "3600000.000"}, {1<<63 - 1, "9223372036854.776"},
	} {
		if got := string(millis(nil, tt.d)); got != tt.want {
			t.Errorf("millis(%d) = %s, want %s", tt.d, got, tt.want)
		}
	}
	for _, tt := range []struct {
		n    int64
		want string
	}{
		{0, "0"}, {9, "9"}, {10, "10"}, {99999, "99999"}, {100000, "100000"}, {-1, "-1"}, {-99999, "-99999"}, {1<<63 - 1, "9223372036854775807"}, {-1 << 63, "-9223372036854775808"},
	} {
		if got := string(number(nil, tt.n)); got != tt.want {
			t.Errorf("number(%d) = %s, want %s", tt.n, got, tt.want)
		}
	}
}

func TestEncodeClients(t *testing.T) {
	for in, want := range map[string]string{
		"0.0.0.0:0":                    "0.0.0.0:0",
		"255.99.100.9:65535":           "255.99.100.9:65535",
		"[::ffff:192.0.2.1]:80":        "192.0.2.1:80",
		"[2001:db8::1]:443":            "[2001:db8::1]:443",
		"[fe80::1%eth0]:443":           "[fe80::1]:443",
		`[fe80::1%e"vil\]:443`:         "[fe80::1]:443",
		"[::ffff:192.0.2.1%eth0]:8080": "192.0.2.1:8080",
	} {
		if got := string(client(nil, netip.MustParseAddrPort(in))); got != want {
			t.Errorf("client(%s) = %s, want %s", in, got, want)
		}
	}
}

func TestEncodeTimesOutsideRFC3339(t *testing.T) {
	var e encoder
	for _, year := range []int{-1, 10000} {
		if got := string(e.time(nil, time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))); got != "1970-01-01T00:00:00.000000Z" {
			t.Errorf("year %d gives %s", year, got)
		}
	}
	// The remembered second must not outlive its second.
	for _, s := range []string{"2026-11-22T21:55:00.000001Z", "2026-11-22T21:55:00.999999Z", "2026-11-22T21:55:01.000000Z", "2026-11-22T21:55:00.500000Z", "0001-01-01T00:00:00.000000Z"} {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(e.time(nil, at)); got != s {
			t.Errorf("got %s, want %s", got, s)
		}
	}
}

func TestEncodeHostileText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"quotes and backslashes", `a"b\c`, `a\"b\\c`},
		{"a line feed cannot begin a forged record", "x\n{\"time\":1}", `x\n{\"time\":1}`},
		{"controls", "\x00\x01\r\t\x1b[31m", `\u0000\u0001\r\t\u001b[31m`},
		{"a lone continuation byte", "a\x80b", "a\uFFFDb"},
		{"a cut rune at the end", "abcdefgh\xe2\x82", "abcdefgh\uFFFD\uFFFD"},
		{"a surrogate in UTF-8", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
		{"line separators", "a\u2028b\u2029c\u0085d", `a\u2028b\u2029c\u0085d`},
		{"plain Unicode stays", "grüße 東京 🙂", "grüße 東京 🙂"},
		{"a special byte in each place of a word", "\"1234567\"1234567", `\"1234567\"1234567`},
		{"DEL is legal", "\x7f", "\x7f"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(text(nil, `,"f":"`, tt.in))
			if diff := cmp.Diff(`,"f":"`+tt.want+`"`, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeBoundsTheLine(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	r := &Record{NAttempt: MaxAttempts}
	fillStrings(reflect.ValueOf(r).Elem(), long)
	line := encodeString(r)
	if len(line) > 64<<10 {
		t.Errorf("a line of %d bytes", len(line))
	}
	if !json.Valid([]byte(line)) || !utf8.ValidString(line) || strings.ContainsRune(line, utf8.RuneError) {
		t.Error("a cut went through a rune")
	}
	stray := encodeString(&Record{Path: "/" + strings.Repeat("a", 1000)})
	if want := `"path":"/` + strings.Repeat("a", maxStrayPath-1) + `"`; !strings.Contains(stray, want) {
		t.Errorf("the path of an unmatched request is not cut at %d bytes: %s", maxStrayPath, stray)
	}
}

func fillStrings(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Struct:
		if v.Type().PkgPath() != "github.com/gwc-dev/gwc/runtime/calllog" {
			return
		}
		for i := range v.NumField() {
			fillStrings(v.Field(i), s)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillStrings(v.Index(i), s)
		}
	}
}

// FuzzEncode holds that whatever stands in a record, the line is one line, valid JSON, valid UTF-8, and decodes to
// what encoding/json makes of the same strings.
func FuzzEncode(f *testing.F) {
	f.Add("", "/", "fast", int64(0), int64(0))
	f.Add("a\"b\\c\n", "/x?y", "\xff\xfe", int64(-1), int64(1)<<62)
	f.Add("\u2028", strings.Repeat("é", 200), "12345678\x1f", int64(1e18), int64(12345))
	f.Fuzz(func(t *testing.T, a, path, model string, ns, n int64) {
		r := &Record{Time: time.Unix(ns, n), RequestID: a, Path: path, Model: model, Duration: time.Duration(ns), BytesIn: n, NAttempt: 1}
		r.Attempts[0].Target = a + path
		line := encodeString(r)
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "}\n") || !utf8.ValidString(line) {
			t.Fatalf("not a line of UTF-8: %q", line)
		}
		var got struct {
			Time      time.Time `json:"time"`
			RequestID string    `json:"request_id"`
			Path      string    `json:"path"`
			Model     string    `json:"model"`
			BytesIn   int64     `json:"bytes_in"`
			Duration  float64   `json:"duration_ms"`
			Attempts  []struct {
				Target string `json:"target"`
			} `json:"attempts"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		naive := func(s string) string {
			s = cut(s, maxText)
			return strings.ToValidUTF8(string([]rune(s)), "\uFFFD")
		}
		want := got
		want.RequestID, want.Path, want.Model, want.BytesIn = naive(a), naive(strayPath(path)), naive(model), n
		want.Attempts = []struct {
			Target string `json:"target"`
		}{{naive(a + path)}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("mismatch (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	var e encoder
	r := aRecord()
	b.ReportAllocs()
	for b.Loop() {
		r.Time = r.Time.Add(time.Microsecond)
		b.SetBytes(int64(len(e.encode(r))))
	}
}

func BenchmarkEncodeAPI(b *testing.B) {
	var e encoder
	r := &Record{
		Time: time.Now(), RequestID: "0198c1f2a77b4c3d9e", Artifact: aRecord().Artifact, Tenant: "acme", App: "web", Key: "web-1", Route: "petstore.listPets",
		API: "petstore", Operation: "listPets", Method: "GET", Path: "/petstore/v1/pets", Status: 200, Client: netip.MustParseAddrPort("203.0.113.7:51234"),
		BytesOut: 1024, Duration: 1234567, FirstByte: 1200000, Upstream: 1100000, NAttempt: 1,
	}
	r.Attempts[0] = Attempt{Provider: "petstore", Target: "10.0.0.7:8080", Status: 200, Duration: 1100000}
	b.ReportAllocs()
	for b.Loop() {
		r.Time = r.Time.Add(time.Microsecond)
		b.SetBytes(int64(len(e.encode(r))))
	}
}
