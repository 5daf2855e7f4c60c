package cue

import "testing"

func TestTheLanguageCanBeRead(t *testing.T) {
	l, err := read(Files())
	if err != nil {
		t.Fatal(err)
	}
	for n, d := range l.Types {
		t.Log(n, d.Shape, d.At, len(d.Fields), d.Doc)
	}
}
