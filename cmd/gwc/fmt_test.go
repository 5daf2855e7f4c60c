package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// FuzzFormat holds what fmt promises of every file that parses: formatting comes to rest at once, and the tokens and
// comments are those of the source. What cannot be promised of a file is said, and the file stays.
func FuzzFormat(f *testing.F) {
	for _, src := range []string{
		"package gateway\n\na: b: 1 // c\n", "a:{b:[1,2,\n3]\n}", "import (\n\"strings\"\n\"list\"\n)\na: strings.ToUpper(\"x\")",
		"a: \"\"\"\n\tx\n\t y\n\t\"\"\"", "a: #\"\\#(b)\"#", "// only a comment", "a: {\n\t// lost?\n}", "a: [ // first\n1, // one\n]",
		"#D: {a?: int, ...}\nb: #D & {a: 1 | *2}", "if true {a: 1}\nfor x in [1] {\"\\(x)\": x}", "a: 1,\r\nb: 2", "\xef\xbb\xbfa: 1", "a: b: c",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := formatCUE("a.cue", src)
		if err != nil {
			return
		}
		again, err := formatCUE("a.cue", out)
		if err != nil || !bytes.Equal(out, again) {
			t.Errorf("%q\nbecame %q\nand then %q (%v)", src, out, again, err)
		}
	})
}

func TestFormatRefusesWhatItWouldChange(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		same       bool
	}{
		{"white space and commas", "a: [1,2,]\nb: 3", "a: [1, 2]\n\nb:   3", true},
		{"a comment that moves over a comma", "a: [1, // x\n]", "a: [1 // x\n]", true},
		{"a comment that is lost", "a: 1 // x", "a: 1", false},
		{"a value", "a: 1", "a: 2", false},
		{"a string", `a: "x y"`, `a: "x  z"`, false},
		{"an order", "a: 1\nb: 2", "b: 2\na: 1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(content([]byte(tt.a)), "\x00") == strings.Join(content([]byte(tt.b)), "\x00"); got != tt.same {
				t.Errorf("%q and %q are the same: %v, want %v", tt.a, tt.b, got, tt.same)
			}
		})
	}
	if _, err := formatCUE("a.cue", []byte("a: {")); err == nil || errors.Is(err, errUnfaithful) || !strings.HasPrefix(err.Error(), "a.cue:1:") {
		t.Errorf("the error is %v", err)
	}
	if _, err := formatCUE("a.cue", []byte("a: "+strings.Repeat("[", 1<<18))); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("the error is %.200v", err)
	}
}

func TestYAMLKeepsItsCommentsAndEmptyLines(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"indentation", "models:\n    fast:\n        targets:\n        - provider: openai\n          model: gpt-5\n", "models:\n  fast:\n    targets:\n      - provider: openai\n        model: gpt-5\n"},
		{"comments", "# head\nmodels: # the models\n    # of fast\n    fast: {targets: []} # none\n# end\n", "# head\nmodels: # the models\n  # of fast\n  fast: {targets: []} # none\n# end\n"},
		{"empty lines", "a: 1\n\n\n\nb:\n    c: 1\n\n    d: 2\n\n\n", "a: 1\n\nb:\n  c: 1\n\n  d: 2\n"},
		{"text of several lines", "a: |\n    one\n\n\n    two\nb:   2\n", "a: |\n  one\n\n\n  two\nb: 2\n"},
		{"anchors and quotes", "a: &x   {b: 'one', c: \"two\"}\nd:    *x\n", "a: &x {b: 'one', c: \"two\"}\nd: *x\n"},
		{"line ends of other machines", "a: 1\r\nb:  2\r\n", "a: 1\nb: 2\n"},
		{"what is formatted", "a: 1\n", "a: 1\n"},
		{"a text that cannot be written otherwise", "a: |\n    one  \nb:   2  \n", "a: |\n    one  \nb:   2\n"},
		{"nothing", "# only this\n", "# only this\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := formatYAML([]byte(tt.in))
			if string(got) != tt.want {
				t.Errorf("%q became %q, want %q", tt.in, got, tt.want)
			}
			if again := formatYAML(got); !bytes.Equal(again, got) {
				t.Errorf("%q became %q again", got, again)
			}
		})
	}
}

func FuzzFormatYAML(f *testing.F) {
	for _, s := range []string{"a: 1\n", "a:\n    - b # c\n\n\n# d\n", "a: |\n  x\n\n  y\n", "a: &x {b: [1,\n 2]}\nc: *x\n", "- a\n-   b\n", "a: \"x\n\n  y\"\n", "#\n\na: 'x'\n\n#b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if _, err := formatFile("a.yaml", src); err != nil {
			return
		}
		out := formatYAML(src)
		if yamlContent(out) != yamlContent(src) {
			t.Fatalf("%q became %q", src, out)
		}
		if again := formatYAML(out); !bytes.Equal(again, out) {
			t.Fatalf("%q became %q, and then %q", src, out, again)
		}
	})
}
