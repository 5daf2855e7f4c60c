package rules

import (
	"slices"
	"strings"
	"testing"
)

func TestPagesAreInOrderAndFoundByCode(t *testing.T) {
	all := All()
	if len(all) == 0 {
		t.Fatal("there are no pages")
	}
	for i, r := range all {
		if i > 0 && all[i-1].Code >= r.Code {
			t.Errorf("%s stands after %s", r.Code, all[i-1].Code)
		}
		for _, as := range []string{string(r.Code), strings.ToLower(string(r.Code)), string(r.Code[3:])} {
			if got, ok := Get(as); !ok || got.Code != r.Code {
				t.Errorf("Get(%q) = %q, %v", as, got.Code, ok)
			}
		}
		if r.Title != strings.TrimSpace(r.Title) || strings.HasSuffix(r.Title, ".") {
			t.Errorf("%s: title %q is not one phrase", r.Code, r.Title)
		}
		if r.Example == nil != (r.Fix == nil) {
			t.Errorf("%s has one of example and fix", r.Code)
		}
	}
	if _, ok := Get("GWC0000"); ok {
		t.Error("GWC0000 was found")
	}
}

func TestTitlesAreUnique(t *testing.T) {
	var titles []string
	for _, r := range All() {
		if slices.Contains(titles, r.Title) {
			t.Errorf("%s: title %q is taken", r.Code, r.Title)
		}
		titles = append(titles, r.Title)
	}
}

func TestMalformedPagesAreRefused(t *testing.T) {
	const head = "---\ncode: GWC2001\ntitle: t\nseverity: error\ngroup: references\n---\n"
	const says = "## What it says\na\n## Why it matters\nb\n"
	const block = "```txtar\n-- a.cue --\nx\n```\n"
	for _, test := range []struct{ name, page, want string }{
		{"no head", "## What it says\n", "does not begin with a head"},
		{"an unknown field", "---\ncolour: red\n---\n", `unknown field "colour"`},
		{"an unknown severity", "---\nseverity: fatal\n---\n", `unknown severity "fatal"`},
		{"another group", strings.Replace(head, "references", "shape", 1), `group "references"`},
		{"no sections", head, `"What it says"`},
		{"text before the first heading", head + "text\n" + says, "before the first heading"},
		{"no example", head + says, "section Example: it is missing"},
		{"an example that does not end", head + says + "## Example\n```txtar\n-- a.cue --\n", "section Example: its block does not end"},
		{"an example without files", head + says + "## Example\n```txtar\nx\n```\n", "section Example: its block holds no file"},
		{"no fix", head + says + "## Example\n" + block, "section Fix: it is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parse(test.page); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	r, err := parse(head + says + "## Example\n" + block + "## Fix\n" + block)
	if err != nil || r.Says != "a" || r.Why != "b" || len(r.Example) != 1 || string(r.Fix[0].Data) != "x\n" {
		t.Errorf("a sound page gives %+v, %v", r, err)
	}
}
