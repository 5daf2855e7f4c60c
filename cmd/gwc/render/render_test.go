package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/diag"
)

// at returns the span of the first occurrence of text in a source.
func at(file, src, text string) diag.Span {
	i := strings.Index(src, text)
	if i < 0 {
		panic("no " + text)
	}
	pos := func(i int) diag.Pos {
		return diag.Pos{Line: 1 + strings.Count(src[:i], "\n"), Col: i - strings.LastIndexByte(src[:i], '\n'), Offset: i}
	}
	return diag.Span{File: file, Start: pos(i), End: pos(i + len(text))}
}

const providers = `package gateway

providers: {
	search: {kind: "openai", baseUrl: "https://api.openai.com/v1"}
	größe: {kind: "日本語", x: 1}
	a: {kind: "openai", apiKey: "hunter2hunter2"}
	b: {kind: "openai", apiKey: "sk-live-0123456789abcdef", oops: 1}
}
`

func TestText(t *testing.T) {
	f := "platform/providers.cue"
	span := func(text string) diag.Span { return at(f, providers, text) }
	tests := []struct {
		name string
		list []diag.Diagnostic
		o    Options
		want string
	}{
		{"a span with label, note and help", []diag.Diagnostic{{
			Code: "GWC1203", Summary: `unknown field "baseUrl" in provider of kind "openai"`,
			Primary: diag.Label{Span: span("baseUrl"), Text: `did you mean "baseURL"?`},
			Notes:   []string{"allowed: kind, baseURL, credentials, headers, timeouts"}, Help: []string{"run `gwc fix --select GWC1203`"},
		}}, Options{}, `
error[GWC1203]: unknown field "baseUrl" in provider of kind "openai"
 --> platform/providers.cue:4:27
  |
4 |     search: {kind: "openai", baseUrl: "https://api.openai.com/v1"}
  |                              ^^^^^^^ did you mean "baseURL"?
  |
  = allowed: kind, baseURL, credentials, headers, timeouts
  = help: run ` + "`gwc fix --select GWC1203`" + `

`},
		{"carets stand under wide characters", []diag.Diagnostic{
			{Severity: diag.Warning, Code: "GWC1000", Summary: "a", Primary: diag.Label{Span: span("日本語")}},
			{Severity: diag.Note, Code: "GWC1000", Summary: "b", Primary: diag.Label{Span: span("x: 1")}},
		}, Options{}, `
warning[GWC1000]: a
 --> platform/providers.cue:5:19
  |
5 |     größe: {kind: "日本語", x: 1}
  |                    ^^^^^^

note[GWC1000]: b
 --> platform/providers.cue:5:31
  |
5 |     größe: {kind: "日本語", x: 1}
  |                             ^^^^

`},
		{"a secret is blanked, in every excerpt of its line, and the carets stay with what they mark", []diag.Diagnostic{
			{Code: "GWC4001", Summary: "a credential is not a reference", Primary: diag.Label{Span: span(`"hunter2hunter2"`), Secret: true}},
			{Code: "GWC4002", Summary: "another thing", Primary: diag.Label{Span: span(`a: {kind: "openai", apiKey: "hunter2hunter2"}`)}},
		}, Options{}, `
error[GWC4001]: a credential is not a reference
 --> platform/providers.cue:6:30
  |
6 |     a: {kind: "openai", apiKey: [secret]}
  |                                 ^^^^^^^^

error[GWC4002]: another thing
 --> platform/providers.cue:6:2
  |
6 |     a: {kind: "openai", apiKey: [secret]}
  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

`},
		{"what looks like a key is blanked unasked", []diag.Diagnostic{
			{Code: "GWC1203", Summary: `unknown field "oops" near gwc_0123456789abcdef`, Primary: diag.Label{Span: span("oops")}},
		}, Options{}, `
error[GWC1203]: unknown field "oops" near [secret]
 --> platform/providers.cue:7:58
  |
7 |     b: {kind: "openai", apiKey: "[secret]", oops: 1}
  |                                             ^^^^

`},
		{"secondary places, and no more than three excerpts", []diag.Diagnostic{{
			Code: "GWC2001", Summary: "many", Primary: diag.Label{Span: span("kind")},
			Secondary: []diag.Label{{Span: span("package"), Text: "here"}, {Span: span("providers"), Text: "there"}, {Span: span("b: {")}, {Span: span("oops")}},
		}}, Options{}, `
error[GWC2001]: many
 --> platform/providers.cue:4:11
  |
4 |     search: {kind: "openai", baseUrl: "https://api.openai.com/v1"}
  |              ^^^^
  |
 ::: platform/providers.cue:1:1
  |
1 | package gateway
  | ------- here
  |
 ::: platform/providers.cue:3:1
  |
3 | providers: {
  | --------- there
  |
  = and 2 more places

`},
		{"identical causes are folded", []diag.Diagnostic{
			{Code: "GWC2001", Summary: "unknown provider", Primary: diag.Label{Span: span("search"), Text: "here"}},
			{Code: "GWC2001", Summary: "unknown provider", Primary: diag.Label{Span: span("größe"), Text: "here"}},
		}, Options{}, `
error[GWC2001]: unknown provider (2 places)
 --> platform/providers.cue:4:2
  |
4 |     search: {kind: "openai", baseUrl: "https://api.openai.com/v1"}
  |     ^^^^^^ here
  |
 ::: platform/providers.cue:5:2
  |
5 |     größe: {kind: "日本語", x: 1}
  |     ^^^^^

`},
		{"a span of several lines is marked to the end of its first", []diag.Diagnostic{
			{Code: "GWC1000", Summary: "x", Primary: diag.Label{Span: span("{\n\tsearch")}},
		}, Options{}, `
error[GWC1000]: x
 --> platform/providers.cue:3:12
  |
3 | providers: {
  |            ^

`},
		{"a file that is not there has no excerpt, and no file at all no place", []diag.Diagnostic{
			{Code: "GWC3001", Summary: "x", Primary: diag.Label{Span: diag.Span{File: "x.yaml"}, Text: "gone"}, Notes: []string{"a fact"}},
			{Code: "GWC9001", Summary: "y\x1b[2J"},
		}, Options{}, `
error[GWC3001]: x
 --> x.yaml
  = gone
  = a fact

error[GWC9001]: y [2J

`},
		{"a place past the end of the line or file", []diag.Diagnostic{
			{Code: "GWC1000", Summary: "x", Primary: diag.Label{Span: diag.Span{File: f, Start: diag.Pos{Line: 1, Col: 99}, End: diag.Pos{Line: 1, Col: 120}}}},
			{Code: "GWC1001", Summary: "x", Primary: diag.Label{Span: diag.Span{File: f, Start: diag.Pos{Line: 99, Col: 1}}}},
		}, Options{}, `
error[GWC1000]: x
 --> platform/providers.cue:1:99
  |
1 | package gateway
  |                ^

error[GWC1001]: x
  --> platform/providers.cue:99:1

`},
		{"colours", []diag.Diagnostic{{Code: "GWC1000", Summary: "x", Help: []string{"y"}}}, Options{Color: true},
			"\n\x1b[1;31merror[GWC1000]\x1b[0m\x1b[1m: x\x1b[0m\n  \x1b[1;34m=\x1b[0m \x1b[1mhelp:\x1b[0m y\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Source = func(name string) []byte {
				if name == f {
					return []byte(providers)
				}
				return nil
			}
			var b bytes.Buffer
			if _, err := Text(&b, tt.list, tt.o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, "\n"+b.String()); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLongLinesAreCutAroundTheSpan(t *testing.T) {
	src := `{"a":"` + strings.Repeat("é", 400) + `","oops":1,"b":"` + strings.Repeat("x", 400) + `"}`
	d := diag.Diagnostic{Code: "GWC3006", Summary: "x", Primary: diag.Label{Span: at("a.json", src, `"oops"`)}}
	var b bytes.Buffer
	if _, err := Text(&b, []diag.Diagnostic{d}, Options{Source: func(string) []byte { return []byte(src) }}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	text, marks := []rune(lines[3]), []rune(lines[4])
	if len(text) > maxColumns+20 || !strings.Contains(lines[3], "...") {
		t.Errorf("the line is not cut: %d characters", len(text))
	}
	from := strings.IndexRune(string(marks), '^')
	if got := string(text[from:len(marks)]); got != `"oops"` {
		t.Errorf("the carets are under %q:\n%s\n%s", got, lines[3], lines[4])
	}
}

func TestMaxHidesErrorsAndWarningsApart(t *testing.T) {
	var list []diag.Diagnostic
	for i := range 5 {
		list = append(list, diag.Diagnostic{Code: "GWC1000", Summary: fmt.Sprint(i)}, diag.Diagnostic{Code: "GWC1001", Severity: diag.Warning, Summary: fmt.Sprint(i)})
	}
	var b bytes.Buffer
	hidden, err := Text(&b, list, Options{Max: 2})
	if err != nil || hidden != 6 || strings.Count(b.String(), "error[") != 2 || strings.Count(b.String(), "warning[") != 2 {
		t.Errorf("hidden %d, error %v, text:\n%s", hidden, err, b.String())
	}
}

func TestSummary(t *testing.T) {
	e := diag.Diagnostic{Primary: diag.Label{Span: diag.Span{File: "a"}}}
	w := diag.Diagnostic{Severity: diag.Warning, Primary: diag.Label{Span: diag.Span{File: "b"}}}
	for want, got := range map[string]string{
		"1 error, 2 warnings in 2 files, 3 waived (412 routes, 88 ms)": Summary([]diag.Diagnostic{e, w, w}, Stats{Routes: 412, Elapsed: 88 * time.Millisecond, Waived: 3}),
		"no findings (1 route, 12.5 s)":                                Summary(nil, Stats{Routes: 1, Elapsed: 12500 * time.Millisecond}),
		"1 note (0 ms)":                                                Summary([]diag.Diagnostic{{Severity: diag.Note}}, Stats{Routes: -1}),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	d := diag.Diagnostic{
		Code: "GWC1203", Summary: "s <x>", Path: []string{"providers", "search"},
		Primary:   diag.Label{Span: at("a.cue", "x: 1", "x"), Text: "l"},
		Secondary: []diag.Label{{Span: diag.Span{File: "b.cue"}}},
		Notes:     []string{"n gwc_0123456789abcdef"},
		Fixes:     []diag.Fix{{Title: "t", Safe: true, Edits: []diag.Edit{{Span: at("a.cue", "x: 1", "x"), New: "y"}}}},
	}
	var b bytes.Buffer
	if _, err := JSON(&b, []diag.Diagnostic{d, {Severity: diag.Warning, Code: "GWC6000", Summary: "w"}}, Options{}); err != nil {
		t.Fatal(err)
	}
	want := `{"format_version":"1.0","summary":{"errors":1,"warnings":1,"notes":0},"diagnostics":[` +
		`{"code":"GWC1203","severity":"error","summary":"s <x>","path":["providers","search"],` +
		`"primary":{"file":"a.cue","start":{"line":1,"col":1},"end":{"line":1,"col":2},"label":"l"},"secondary":[{"file":"b.cue"}],` +
		`"notes":["n [secret]"],"help":[],"fixes":[{"title":"t","safe":true,"edits":[{"file":"a.cue","start":{"line":1,"col":1},"end":{"line":1,"col":2},"new":"y"}]}],` +
		`"fingerprint":"` + d.Fingerprint() + `"},` +
		`{"code":"GWC6000","severity":"warning","summary":"w","path":[],"secondary":[],"notes":[],"help":[],"fixes":[],"fingerprint":"` + (&diag.Diagnostic{Code: "GWC6000", Summary: "w"}).Fingerprint() + `"}]}` + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	if !json.Valid(b.Bytes()) {
		t.Error("it is not JSON")
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\tb\nc\xff日", 1, 2, 1, 3, true)
	f.Add("", 3, 0, 2, 9, false)
	f.Fuzz(func(t *testing.T, src string, l1, c1, l2, c2 int, secret bool) {
		s := diag.Span{File: "f", Start: diag.Pos{Line: l1, Col: c1}, End: diag.Pos{Line: l2 % 1000, Col: c2}}
		if l1 > 1000 || l1 < -1000 {
			return
		}
		var b bytes.Buffer
		if _, err := Text(&b, []diag.Diagnostic{{Code: "GWC1000", Summary: src, Primary: diag.Label{Span: s, Secret: secret}}}, Options{Source: func(string) []byte { return []byte(src) }}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(b.String(), '\x1b') {
			t.Error("an escape sequence of the source reaches the terminal")
		}
		if b.Len() > 20*(len(src)+200) {
			t.Error("the text is out of all proportion")
		}
	})
}
