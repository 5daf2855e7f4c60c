package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func TestCheckNamesThePlaceAndTheReason(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	for _, c := range []struct {
		name, body string
		offset     int    // of the refusal
		reason     string // "" means accepted
	}{
		{"an object passes", `{"a":1,"b":[true,false,null,-0.5e+10,"x"]}`, 0, ""},
		{"a bare string passes", ` "x" `, 0, ""},
		{"white space of all four kinds passes", " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", 0, ""},
		{"the greatest depth passes", deep, 0, ""},
		{"equal names in different objects pass", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, 0, ""},
		{"a pair of surrogates passes", `"\ud83d\ude00"`, 0, ""},
		{"multi-byte characters pass", `{"ä":"日本語 😀"}`, 0, ""},
		{"nothing is refused", ``, 0, "empty"},
		{"white space alone is refused", "  \n", 3, "empty"},
		{"one level too many is refused", "[" + deep + "]", MaxDepth, "nested deeper than 64"},
		{"a repeated name is refused", `{"a":1,"b":2,"a":3}`, 13, `the name "a" stands twice in one object`},
		{"a repeated name below is refused", `{"m":[{"x":{"role":1,"role":2}}]}`, 21, `the name "role" stands twice in one object`},
		{"an escaped repetition is refused", `{"model":1,"mod\u0065l":2}`, 11, `the name "model" stands twice in one object`},
		{"a repetition of an escaped name is refused", `{"mod\u0065l":1,"model":2}`, 16, `the name "model" stands twice in one object`},
		{"two escaped spellings are refused", `{"\u0061b":1,"a\u0062":2}`, 13, `the name "ab" stands twice in one object`},
		{"repeated empty names are refused", `{"":1,"":2}`, 6, `the name "" stands twice in one object`},
		{"names that differ in NUL bytes only pass", `{"a":1,"a\u0000":2,"\u0000a":3}`, 0, ""},
		{"bytes after the value are refused", `{} x`, 3, "bytes after the end of the value"},
		{"a second value is refused", `{}{}`, 2, "bytes after the end of the value"},
		{"a byte order mark is refused", "\ufeff{}", 0, "a value is expected"},
		{"a comma before the end is refused", `[1,]`, 3, "a value is expected"},
		{"a comma before a brace is refused", `{"a":1,}`, 7, "a member's name in quotes is expected"},
		{"a missing comma is refused", `[1 2]`, 3, "a comma or closing bracket is expected"},
		{"crossed brackets are refused", `[1}`, 2, "a comma or closing bracket is expected"},
		{"crossed braces are refused", `{"a":1]`, 6, "a comma or closing brace is expected"},
		{"a missing colon is refused", `{"a" 1}`, 5, "a colon is expected"},
		{"a name without quotes is refused", `{a:1}`, 1, "a member's name in quotes is expected"},
		{"an open object is refused", `{"a":1`, 6, "the text ends inside an object or array"},
		{"an open name is refused", `{"a`, 3, "the text ends inside a string"},
		{"a value that is missing is refused", `{"a":`, 5, "the text ends where a value is expected"},
		{"an open array is refused", `[1,`, 3, "the text ends where a value is expected"},
		{"a leading zero is refused", `01`, 1, "bytes after the end of the value"},
		{"a plus sign is refused", `+1`, 0, "a value is expected"},
		{"a point without digits is refused", `[1.]`, 1, "a malformed number"},
		{"an exponent without digits is refused", `[1e+]`, 1, "a malformed number"},
		{"a minus alone is refused", `[-]`, 1, "a malformed number"},
		{"NaN is refused", `[NaN]`, 1, "a value is expected"},
		{"a misspelt literal is refused", `[trua]`, 1, "a misspelt literal"},
		{"a raw newline in a string is refused", "\"a\nb\"", 2, "a control character inside a string"},
		{"an unknown escape is refused", `"a\x"`, 2, "an unknown escape sequence"},
		{"a short escape is refused", `"\u12"`, 1, `a malformed \u escape`},
		{"a high surrogate alone is refused", `"\ud83d"`, 1, "half of a surrogate pair alone"},
		{"a low surrogate alone is refused", `"\ude00"`, 1, "half of a surrogate pair alone"},
		{"two high surrogates are refused", `"\ud83d\ud83d"`, 1, "half of a surrogate pair alone"},
		{"a backslash at the end is refused", `"\`, 1, "the text ends inside a string"},
		{"invalid UTF-8 is refused", "{\"a\":\"x\xffy\"}", 7, "invalid UTF-8"},
		{"an encoded surrogate is refused", "\"\xed\xa0\x80\"", 1, "invalid UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Check([]byte(c.body))
			if c.reason == "" {
				if err != nil {
					t.Fatalf("Check(%q) = %v, want nil", c.body, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Check(%q) = %v, want an *Error", c.body, err)
			}
			if diff := cmp.Diff(Error{c.offset, c.reason, ""}, *e); diff != "" {
				t.Errorf("Check(%q) mismatch (-want +got):\n%s", c.body, diff)
			}
		})
	}
}

func TestValidReadsLeniently(t *testing.T) {
	for _, body := range []string{`{"a":1,"a":2}`, `"\ud83d"`, "\"\xff\""} {
		if err := Valid([]byte(body)); err != nil {
			t.Errorf("Valid(%q) = %v, want nil", body, err)
		}
		if err := Check([]byte(body)); err == nil {
			t.Errorf("Check(%q) = nil, want an error", body)
		}
	}
	for _, body := range []string{``, `{`, `{"a":}`, `{} {}`, `"\u12"`} {
		if err := Valid([]byte(body)); err == nil {
			t.Errorf("Valid(%q) = nil, want an error", body)
		}
	}
}

// TestRepeatedNamesInLargeObjects crosses the border between comparing and hashing, with the repetition at each place.
func TestRepeatedNamesInLargeObjects(t *testing.T) {
	for _, n := range []int{1, linear - 1, linear, linear + 1, linear + 2, 300, 5000} {
		members := make([]string, n)
		for i := range members {
			members[i] = fmt.Sprintf(`"some_long_common_prefix_%d_and_suffix":{"x":%d,"y":[{"x":1}]}`, i, i)
		}
		unique := "{" + strings.Join(members, ",") + "}"
		if err := Check([]byte(unique)); err != nil {
			t.Fatalf("%d different names: %v", n, err)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			twice := `{"z":` + unique[:len(unique)-1] + "," + members[i] + "}}"
			if err := Check([]byte(twice)); err == nil {
				t.Errorf("%d names and name %d again: accepted", n, i)
			}
			spelt := `{"z":` + unique[:len(unique)-1] + `,"\u0073ome_long_common_prefix_` + strconv.Itoa(i) + `_and_suffix":0}}`
			if err := Check([]byte(spelt)); err == nil {
				t.Errorf("%d names and name %d again in another spelling: accepted", n, i)
			}
		}
	}
}

func TestChatFindsWhatTheGatewayNeeds(t *testing.T) {
	type head struct {
		Model, ModelRaw, Options string
		HasModel, Stream, Usage  bool
	}
	many := `{"p0":0`
	for i := 1; i < 40; i++ {
		many += fmt.Sprintf(`,"p%d":%d`, i, i)
	}
	for _, c := range []struct {
		name, body string
		want       head
	}{
		{"an empty object", `{}`, head{}},
		{"all members", `{"stream_options":{"include_usage":true},"model":"gpt-5","stream":true,"messages":[]}`,
			head{"gpt-5", `"gpt-5"`, `{"include_usage":true}`, true, true, true}},
		{"white space around", "{ \"model\" :\n\"m\" , \"stream\" : false }", head{"m", `"m"`, "", true, false, false}},
		{"an escaped value", `{"model":"a\/b\u0063"}`, head{"a/bc", `"a\/b\u0063"`, "", true, false, false}},
		{"an escaped name", `{"m\u006fdel":"x"}`, head{"x", `"x"`, "", true, false, false}},
		{"members below the top do not count", `{"a":{"model":"x","stream":true},"b":[{"stream":true}]}`, head{}},
		{"null is absent", `{"stream":null,"stream_options":null,"model":"m"}`, head{"m", `"m"`, "null", true, false, false}},
		{"an escaped option", `{"stream_options":{"x":1,"include\u005fusage":true}}`, head{"", "", `{"x":1,"include\u005fusage":true}`, false, false, true}},
		{"behind many members", many + `,"mode\u006c":"x","stream":true}`, head{"x", `"x"`, "", true, true, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h ChatHead
			if err := Chat([]byte(c.body), &h); err != nil {
				t.Fatal(err)
			}
			got := head{string(h.Model), c.body[h.ModelSpan.Start:h.ModelSpan.End], c.body[h.StreamOptions.Start:h.StreamOptions.End],
				h.HasModel, h.Stream, h.IncludeUsage}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChatRefusesWrongTypes(t *testing.T) {
	for _, c := range []struct{ body, param, reason string }{
		{`[]`, "", "a JSON object is expected"},
		{`"x"`, "", "a JSON object is expected"},
		{`{"model":1}`, "model", "model must be a string"},
		{`{"model":null}`, "model", "model must be a string"},
		{`{"stream":"true"}`, "stream", "stream must be a boolean"},
		{`{"stream_options":[]}`, "stream_options", "stream_options must be an object"},
		{`{"stream_options":{"include_usage":1}}`, "stream_options.include_usage", "stream_options.include_usage must be a boolean"},
	} {
		var h ChatHead
		var e *Error
		if err := Chat([]byte(c.body), &h); !errors.As(err, &e) || e.Param != c.param || e.Reason != c.reason {
			t.Errorf("Chat(%s) = %+v, want %q at %q", c.body, err, c.reason, c.param)
		}
	}
}

func TestSpliceChangesNothingElse(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"model and a new option", `{"model":"a","x":[1, 2]}`, `{"model":"new","x":[1, 2],"stream_options":{"include_usage":true}}`},
		{"options without usage", `{"stream_options": {"a":1}, "model" : "a"}`, `{"stream_options": {"include_usage":true,"a":1}, "model" : "new"}`},
		{"empty options", `{"model":"a","stream_options":{ }}`, `{"model":"new","stream_options":{"include_usage":true }}`},
		{"null options", `{"model":"a","stream_options":null}`, `{"model":"new","stream_options":{"include_usage":true}}`},
		{"usage refused", `{"stream_options":{"include_usage": false},"model":"a"}`, `{"stream_options":{"include_usage": true},"model":"new"}`},
		{"usage null", `{"stream_options":{"include_usage":null},"model":"a"}`, `{"stream_options":{"include_usage":true},"model":"new"}`},
		{"usage asked for", `{"stream_options":{"include_usage":true},"model":"a"}`, `{"stream_options":{"include_usage":true},"model":"new"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h ChatHead
			if err := Chat([]byte(c.body), &h); err != nil {
				t.Fatal(err)
			}
			edits := []Edit{h.ReplaceModel([]byte(`"new"`))}
			if e, needed := h.RequestUsage([]byte(c.body)); needed {
				edits = append([]Edit{e}, edits...)
			}
			got := string(Splice(nil, []byte(c.body), edits...))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
	var h ChatHead
	if err := Chat([]byte(`{ }`), &h); err != nil {
		t.Fatal(err)
	}
	e, _ := h.RequestUsage([]byte(`{ }`))
	if got, want := string(Splice(nil, []byte(`{ }`), e)), `{ "stream_options":{"include_usage":true}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCursorWalksEverything(t *testing.T) {
	const doc = `{"a":[1,{"b":"x\ny"},[],{}],"c":{"d":null,"e":-2.5},"f":"","g":[ [ ] ]}`
	var walk func(c *Cursor) any
	walk = func(c *Cursor) any {
		switch c.Kind() {
		case '{':
			m := map[string]any{}
			for c.Enter(); c.More(); {
				k := string(c.Key())
				m[k] = walk(c)
			}
			return m
		case '[':
			l := []any{}
			for c.Enter(); c.More(); {
				l = append(l, walk(c))
			}
			return l
		case '"':
			s, _, _ := c.Text(nil)
			return string(s)
		}
		var v any
		if err := json.Unmarshal(c.Skip(), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	var want any
	if err := json.Unmarshal([]byte(doc), &want); err != nil {
		t.Fatal(err)
	}
	c := Over([]byte(doc))
	if diff := cmp.Diff(want, walk(&c)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestIntTakesWholeNumbersOnly(t *testing.T) {
	for raw, want := range map[string]int64{"0": 0, "-7": -7, "12.0": 12, "1e3": 1000, "999999999999999999": 999999999999999999} {
		if got, ok := Int([]byte(raw)); !ok || got != want {
			t.Errorf("Int(%s) = %d %v, want %d", raw, got, ok, want)
		}
	}
	for _, raw := range []string{"", "1.5", "1e300", `"1"`, "null", "-", "99999999999999999999"} {
		if got, ok := Int([]byte(raw)); ok {
			t.Errorf("Int(%s) = %d, want none", raw, got)
		}
	}
}

func TestAppendStringIsReadBackByEncodingJSON(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "ä日😀\u2028<&>", "bad\xffutf8\xed\xa0\x80"} {
		var got string
		if err := json.Unmarshal(AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); len([]rune(got)) < len([]rune(want)) || !strings.HasPrefix(got, want[:min(3, len(want))]) {
			t.Errorf("AppendString(%q) reads back as %q", s, got)
		}
		if !strings.Contains(s, "\xff") && got != s {
			t.Errorf("AppendString(%q) reads back as %q", s, got)
		}
	}
}

// TestScanningAllocatesNothing is the budget of the pass-through path: no allocation per accepted body.
func TestScanningAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	body, out := chatBody(2048), make([]byte, 0, 4096)
	var h ChatHead
	if n := testing.AllocsPerRun(100, func() {
		if err := Chat(body, &h); err != nil {
			t.Fatal(err)
		}
		usage, _ := h.RequestUsage(body)
		out = Splice(out[:0], body, h.ReplaceModel([]byte(`"gpt-5-mini-2025-08-07"`)), usage)
	}); n != 0 {
		t.Errorf("%v allocations per body, want 0", n)
	}
}

// chatBody makes a chat request of about n bytes: a system text, turns with escapes, a tool.
func chatBody(n int) []byte {
	b := []byte(`{"model":"fast","messages":[{"role":"system","content":"You are a careful assistant. Answer briefly."}`)
	for i := 0; len(b) < n-500; i++ {
		role := [2]string{"user", "assistant"}[i%2]
		b = fmt.Appendf(b, `,{"role":%q,"content":"Turn %d. The quick brown fox jumps over the lazy dog, and then it says \"hello\" to everybody in the room.\nA second line follows with some more words in it, as people write them when they ask for help with a task."}`, role, i)
	}
	return append(b, `],"temperature":0.7,"max_tokens":512,"stream":true,"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather at a place","parameters":{"type":"object","properties":{"city":{"type":"string","description":"Name of the city"},"unit":{"type":"string","enum":["c","f"]}},"required":["city"],"additionalProperties":false}}}],"user":"u-1"}`...)
}

func BenchmarkChat(b *testing.B) {
	for _, n := range []int{2 << 10, 20 << 10} {
		b.Run(fmt.Sprintf("%dKB", n>>10), func(b *testing.B) {
			body := chatBody(n)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var h ChatHead
			for b.Loop() {
				if err := Chat(body, &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHostileNames(b *testing.B) {
	var body bytes.Buffer
	body.WriteByte('{')
	for i := range 100_000 {
		fmt.Fprintf(&body, `"k%d":0,`, i)
	}
	body.WriteString(`"last":0}`)
	b.SetBytes(int64(body.Len()))
	for b.Loop() {
		if err := Check(body.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}

// oracle is jsontext, which refuses repeated names and invalid UTF-8 as this package does.
func oracle(b []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	if _, err := d.ReadValue(); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return errors.New("more than one value")
	}
	return nil
}

func depth(b []byte) (deepest int) {
	d, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			d++
			deepest = max(deepest, d)
		case c == '}' || c == ']':
			d--
		}
	}
	return deepest
}

func seeds(f *testing.F) {
	for _, s := range []string{``, `{}`, `[]`, `"x"`, `-1.5e-7`, `{"a":{"b":[1,2,{"c":"d"}]},"a":1}`, `{"model":"m","stream":true,"stream_options":{"include_usage":false}}`,
		`{"\u0061":1,"a":2}`, `"\ud83d\ude00"`, `"\ud83d"`, "\"\xff\"", `[1,2,]`, `{"a":1 "b":2}`, "\ufeff{}", `nul`, `{"stream_options":null}`, string(chatBody(800)),
		`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1,"m":1,"n":1,"o":1,"p":1,"q":1,"a":1}`} {
		f.Add([]byte(s))
	}
}

func FuzzCheckAgreesWithJSONText(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if depth(b) > MaxDepth {
			return
		}
		got, want := Check(b), oracle(b)
		if (got == nil) != (want == nil) {
			t.Fatalf("Check(%q) = %v, jsontext says %v", b, got, want)
		}
		if lenient := Valid(b); lenient != nil && got == nil {
			t.Fatalf("Check accepts what Valid refuses: %v", lenient)
		}
		if lenient := Valid(b); (lenient == nil) != json.Valid(b) {
			t.Fatalf("Valid(%q) = %v, encoding/json says %v", b, lenient, json.Valid(b))
		}
	})
}

func FuzzSpliceChangesOnlyWhatItNames(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var h ChatHead
		if Chat(b, &h) != nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", b, err)
		}
		if m, _ := want["model"].(string); h.HasModel && m != string(h.Model) {
			t.Fatalf("model %q, encoding/json says %q", h.Model, m)
		}
		if s, _ := want["stream"].(bool); s != h.Stream {
			t.Fatalf("stream %v, encoding/json says %v", h.Stream, s)
		}
		var edits []Edit
		if h.HasModel {
			edits = append(edits, h.ReplaceModel([]byte(`"\"patched\""`)))
			want["model"] = `"patched"`
		}
		if e, needed := h.RequestUsage(b); needed {
			edits = append(edits, e)
		}
		o, _ := want["stream_options"].(map[string]any)
		if o == nil {
			o = map[string]any{}
		}
		o["include_usage"] = true
		want["stream_options"] = o
		out := Splice(nil, b, edits...)
		if err := Check(out); err != nil {
			t.Fatalf("%q became %q: %v", b, out, err)
		}
		var got map[string]any
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("mismatch (-want +got):\n%s", diff)
		}
	})
}
