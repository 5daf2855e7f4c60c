package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// hostile is a report whose every text tries to break out of its place.
func hostile(n int) *Report {
	const evil = "x\n| y | <script> `` ``` ```` @team [a](b) \x1b[31m \u202e #1 --> \\"
	r := &Report{Base: Side{evil, "sha256:aa"}, Target: Side{evil, "sha256:bb"}}
	for i := range n {
		r.Changes = append(r.Changes, diff.Change{Kind: diff.RouteLoosened, Tenant: evil, Subject: evil, Summary: evil, Before: evil, After: evil + "z", Source: evil,
			Fingerprint: fmt.Sprintf("%016x", i), Blast: diff.Blast{Apps: 1, Tenants: 1, Some: []string{evil}},
			Witness: &diff.Witness{Request: diff.Request{Method: "GET", Path: evil}, Before: diff.Decision{Status: 404, Why: evil}, After: diff.Decision{To: []string{evil}}}})
	}
	return r
}

func TestTextOfTeamsStaysInItsPlace(t *testing.T) {
	var text, md bytes.Buffer
	if err := Text(&text, hostile(1)); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&md, hostile(1)); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]string{"text": text.String(), "markdown": md.String()} {
		if strings.ContainsAny(s, "\x1b\u202e\r") {
			t.Errorf("%s holds a control code:\n%s", name, s)
		}
		if strings.Contains(s, "\n| y") {
			t.Errorf("%s has a line that a team began:\n%s", name, s)
		}
	}
	fenced := ""
	for line := range strings.Lines(md.String()) {
		line = strings.TrimRight(line, "\n")
		switch {
		case fenced == "" && strings.HasPrefix(line, "```"):
			fenced = strings.TrimSuffix(line, "diff")
		case fenced != "" && line == fenced:
			fenced = ""
		case fenced == "" && (strings.Contains(line, "<script") || strings.Contains(line, "@team") || strings.Contains(line, "](b)")):
			t.Errorf("markup in %q", line)
		case fenced == "" && strings.HasPrefix(line, "| ") && strings.Count(line, "|") != 5:
			t.Errorf("a row of another table: %q", line)
		}
	}
	if fenced != "" {
		t.Error("a block does not end")
	}
}

func TestAMarkdownCommentHasItsMarkerAndFits(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, hostile(1000)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), Marker+"\n") {
		t.Error("the marker is not first")
	}
	if b.Len() > 65_536 {
		t.Errorf("the comment has %d bytes", b.Len())
	}
	rows := strings.Count(b.String(), "\n| security |")
	if !strings.Contains(b.String(), fmt.Sprintf("%d more changes are in the text and JSON forms.", 1000-rows)) {
		t.Error("nothing is said of the changes that are left out")
	}
	if rows == 0 || rows > maxRows {
		t.Errorf("there are %d rows", rows)
	}
}

func TestJSONOfNothingHasAllFields(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, &Report{Base: Side{"a", "sha256:aa"}, Target: Side{"b", "sha256:aa"}}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"format_version", "base", "target", "compared", "changed", "restart", "summary", "changes"} {
		if got[field] == nil {
			t.Errorf("%s is absent or null in\n%s", field, b.String())
		}
	}
}

func FuzzCalls(f *testing.F) {
	f.Add([]byte(`{"method":"GET","path":"/x","status":404}` + "\n" + `{"method":"GET"`))
	f.Add([]byte(`{"method":"POST","path":"/v1/chat/completions","route":"ai.chat","model":"m","tenant":"t","app":"a","key":"k"}`))
	f.Add([]byte("\n\nnull\n[]\n{}\n"))
	v := diff.NewView(&artifact.Artifact{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Calls(bytes.NewReader(b), v, v)
		if err != nil {
			return
		}
		n := r.Replayed
		for _, s := range r.Skipped {
			n += s.Records
		}
		if n != r.Records {
			t.Errorf("%d records, but %d are accounted for", r.Records, n)
		}
		if r.Changed != 0 {
			t.Error("one artifact decides differently from itself")
		}
	})
}
