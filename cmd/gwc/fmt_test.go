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
