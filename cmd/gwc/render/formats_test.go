package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/diag"
)

func write(t *testing.T, format string, list []diag.Diagnostic, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(&b, format, list, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestNoFormatShowsASecret(t *testing.T) {
	const value, key = "hunter2hunter2", "sk-live-0123456789abcdef"
	src := "package gateway\n\na: {ref: \"" + value + "\", oops: 1} // once more: " + value + "\nb: \"" + key + "\"\n"
	source := func(string) []byte { return []byte(src) }
	secret := diag.Label{Span: at("a.cue", src, `"`+value+`"`), Text: "it is " + value, Secret: true}
	all := value + " " + key
	list := []diag.Diagnostic{
		{Code: "GWC1301", Summary: "one: " + all, Path: []string{"a", key}, Primary: secret, Notes: []string{all}, Help: []string{all},
			Fixes: []diag.Fix{{Title: "replace " + all, Safe: true, Edits: []diag.Edit{{Span: secret.Span, New: "x"}}}}},
		{Code: "GWC1203", Summary: "two: " + all, Primary: diag.Label{Span: at("a.cue", src, "oops"), Text: all}, Secondary: []diag.Label{secret, {Span: at("a.cue", src, "b:"), Text: all}},
			Fixes: []diag.Fix{
				{Title: "copy", Safe: true, Edits: []diag.Edit{{Span: at("a.cue", src, "oops"), New: value}}},
				{Title: "rename " + value, Safe: true, Edits: []diag.Edit{{Span: at("a.cue", src, "oops"), New: "ref"}}},
			}},
		{Code: "GWC1203", Severity: diag.Warning, Summary: "three", Primary: diag.Label{Span: at("a.cue", src, "b:")},
			Fixes: []diag.Fix{{Title: "rename", Safe: true, Edits: []diag.Edit{{Span: at("a.cue", src, "b:"), New: "c:"}}}}},
	}
	for _, format := range Formats() {
		got := write(t, format, list, Options{Source: source})
		for _, s := range []string{value, key, "0123456789abcdef"} {
			if strings.Contains(got, s) {
				t.Errorf("%s shows %q:\n%s", format, s, got)
			}
		}
		if !strings.Contains(got, "two: [secret] [secret]") && !strings.Contains(got, `two: \[secret\] \[secret\]`) {
			t.Errorf("%s does not show the finding:\n%s", format, got)
		}
	}
}

func TestLiteralsBehindTellingLabelsAreBlanked(t *testing.T) {
	path := []string{"providers", "a", "credentials", "0", "reff"}
	for _, tt := range []struct {
		src, want string
		path      []string
	}{
		{`a: {kind: "openai", apiKey: "hunter2"} // X`, `a: {kind: "openai", apiKey: "[secret]"} // X`, nil},
		{`"x-api-key": 'hunter2' // X`, `"x-api-key": '[secret]' // X`, nil},
		{`a: credentials: ["hunter2", {reff: "hunter2", kind: "x"}] // X`, `a: credentials: ["[secret]", {reff: "[secret]", kind: "x"}] // X`, nil},
		{`{ref: "env:KEY", password?: "hun\"ter2", other: "y"} // X`, `{ref: "env:KEY", password?: "[secret]", other: "y"} // X`, nil},
		{`keys: [{id: "web", hash: "sha256:00"}] // X`, `keys: [{id: "web", hash: "sha256:00"}] // X`, nil},
		{`reff: "hunter2" // X`, `reff: "[secret]" // X`, path},
		{`"hunter2", "env:OK" // X`, `"[secret]", "env:OK" // X`, path},
		{`tokens: "hunter2" // X`, `tokens: "hunter2" // X`, nil},
	} {
		d := diag.Diagnostic{Summary: "s", Path: tt.path, Primary: diag.Label{Span: at("a.cue", tt.src, "X")}}
		lines := strings.Split(write(t, "text", []diag.Diagnostic{d}, Options{Source: func(string) []byte { return []byte(tt.src) }}), "\n")
		if diff := cmp.Diff("1 | "+tt.want, lines[3]); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", tt.src, diff)
		}
	}
}

func TestGitHub(t *testing.T) {
	d := diag.Diagnostic{
		Code: "GWC1203", Summary: "50 % of a:b, c", Primary: diag.Label{Span: diag.Span{File: "a,b:%.cue", Start: diag.Pos{Line: 3, Col: 2}, End: diag.Pos{Line: 4, Col: 1}}},
		Notes: []string{"x\r\ny"},
	}
	want := "::error file=gw/a%2Cb%3A%25.cue,line=3,col=2,endLine=4,endColumn=1,title=GWC1203%3A unknown field::50 %25 of a:b, c%0Ax%0D%0Ay\n" +
		"::warning file=gw/x.cue::no place\n::notice::nowhere\n"
	got := write(t, "github", []diag.Diagnostic{d, {Severity: diag.Warning, Summary: "no place", Primary: diag.Label{Span: diag.Span{File: "x.cue"}}}, {Severity: diag.Note, Summary: "nowhere"}}, Options{Folder: "gw"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestGitHubStopsAtTenOfALevel(t *testing.T) {
	var list []diag.Diagnostic
	for i := range 12 {
		list = append(list, diag.Diagnostic{Code: "GWC1203", Summary: fmt.Sprint(i)})
	}
	for range 10 {
		list = append(list, diag.Diagnostic{Code: "GWC2013", Severity: diag.Warning})
	}
	got := write(t, "github", list, Options{})
	if strings.Count(got, "::error ") != 10 || strings.Count(got, "::warning ") != 10 || !strings.HasSuffix(got, "\n2 more errors without an annotation: GitHub shows 10 of a step\n") {
		t.Errorf("got:\n%s", got)
	}
}

func TestMarkdownStaysWithinAComment(t *testing.T) {
	src := strings.Repeat("x", 300) + "\n"
	var list []diag.Diagnostic
	for i := range 500 {
		list = append(list, diag.Diagnostic{Code: "GWC1203", Summary: fmt.Sprint(i, strings.Repeat("`<|@", 200)), Primary: diag.Label{Span: at("a.cue", src, "x"), Text: "```"}, Notes: []string{strings.Repeat("n", 9_000)}})
	}
	got := write(t, "markdown", list, Options{Source: func(string) []byte { return []byte(src) }})
	if len(got) > 65_536 || !strings.HasPrefix(got, Marker+"\n**gwc failed: 500 errors in 1 file**\n") || !strings.HasSuffix(got, "</details>\n") {
		t.Errorf("%d bytes:\n%.500s", len(got), got)
	}
	if strings.Count(got, "<details>") != strings.Count(got, "</details>") || !strings.Contains(got, "more findings in the text and JSON forms") {
		t.Error("it is not whole")
	}
}

func TestSARIFTellsEqualFingerprintsApart(t *testing.T) {
	d := diag.Diagnostic{Code: "GWC1203", Summary: "x", Primary: diag.Label{Span: diag.Span{File: "a b/ü.cue"}}}
	got := write(t, "sarif", []diag.Diagnostic{d, d}, Options{Folder: "gw"})
	for _, want := range []string{`"gwc/v1":"` + d.Fingerprint() + `"`, `"gwc/v1":"` + d.Fingerprint() + `:2"`, `"uri":"gw/a%20b/%C3%BC.cue"`} {
		if strings.Count(got, want) == 0 {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

func TestWriteRefusesAnUnknownFormat(t *testing.T) {
	if _, err := Write(io.Discard, "yaml", nil, Options{}); !errors.Is(err, ErrFormat) {
		t.Errorf("the error is %v", err)
	}
}

// FuzzFormats holds that every format stays what it is whatever a file and its findings hold.
func FuzzFormats(f *testing.F) {
	f.Add("a: 1\nb: 😀\xff\n", "sum\x00mary\r\n::error::x", "a/../ü.cue", 1, 2, 2, 3)
	f.Add("", "]]>&<!-- x -->", "", 0, 0, 0, 0)
	f.Add("|`@x`|\n", "```\n</details>", "a", 1, 1, 1, 5)
	f.Fuzz(func(t *testing.T, src, text, file string, l1, c1, l2, c2 int) {
		if l1 > 100 || l2 > 100 || l1 < -100 || l2 < -100 {
			return
		}
		s := diag.Span{File: file, Start: diag.Pos{Line: l1, Col: c1}, End: diag.Pos{Line: l2, Col: c2}}
		list := []diag.Diagnostic{{
			Code: "GWC1203", Summary: text, Path: []string{text}, Primary: diag.Label{Span: s, Text: text}, Secondary: []diag.Label{{Span: s, Text: text, Secret: true}},
			Notes: []string{text}, Help: []string{text}, Fixes: []diag.Fix{{Title: text, Safe: true, Edits: []diag.Edit{{Span: s, New: text}}}},
		}, {Severity: diag.Warning, Summary: text}}
		o := Options{Source: func(string) []byte { return []byte(src) }}
		for _, format := range Formats() {
			got := write(t, format, list, o)
			if again := write(t, format, list, o); again != got {
				t.Errorf("%s differs from run to run", format)
			}
			switch format {
			case "json", "sarif", "gitlab":
				if !json.Valid([]byte(got)) {
					t.Errorf("%s is not JSON: %s", format, got)
				}
			case "jsonl":
				lines := strings.SplitAfter(got, "\n")
				if len(lines) != 3 || !json.Valid([]byte(lines[0])) || !json.Valid([]byte(lines[1])) {
					t.Errorf("it is not two lines of JSON: %s", got)
				}
			case "junit":
				var x struct {
					Cases []struct{} `xml:"testsuite>testcase"`
				}
				if err := xml.Unmarshal([]byte(got), &x); err != nil || len(x.Cases) != 2 {
					t.Errorf("%d cases, %v: %s", len(x.Cases), err, got)
				}
			case "github":
				if n := strings.Count(got, "\n"); n != 2 || strings.Contains(got, "\r") {
					t.Errorf("%d lines: %q", n, got)
				}
			}
		}
	})
}
