package lsp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	for _, tt := range []struct{ name, stream, want string }{
		{"two messages", "Content-Length: 2\r\n\r\n{}Content-Length: 4\r\n\r\nnull", "{} null EOF"},
		{"a content type that is understood, and another field", "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}", "{} EOF"},
		{"the old name of UTF-8, and names in any case", "content-type: application/vscode-jsonrpc; charset=utf8\r\nCONTENT-LENGTH:2\r\n\r\n{}", "{} EOF"},
		{"an empty message", "Content-Length: 0\r\n\r\n", " EOF"},
		{"nothing at all", "", "EOF"},
		{"no length", "Content-Type: a\r\n\r\n{}", "bad"},
		{"a length that stands twice", "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", "bad"},
		{"a negative length", "Content-Length: -2\r\n\r\n{}", "bad"},
		{"a length with a sign", "Content-Length: +2\r\n\r\n{}", "bad"},
		{"a length that no number holds", "Content-Length: 99999999999999999999\r\n\r\n{}", "bad"},
		{"lines that end with LF alone", "Content-Length: 2\n\n{}", "bad"},
		{"another charset", "Content-Type: a; charset=utf-16\r\nContent-Length: 2\r\n\r\n{}", "bad"},
		{"a line that is no field", "Content-Length 2\r\n\r\n{}", "bad"},
		{"a name with a space", "Content-Length : 2\r\n\r\n{}", "bad"},
		{"a head without end", strings.Repeat("X-A: b\r\n", 1000), "bad"},
		{"a line without end", "X-A: " + strings.Repeat("b", 10000), "bad"},
		{"an end within the head", "Content-Length: 2\r\n", "bad"},
		{"an end within a message", "Content-Length: 3\r\n\r\n{}", "bad"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFrames(strings.NewReader(tt.stream))
			var got []string
			for len(got) < 5 {
				b, err := f.next()
				if err == io.EOF {
					got = append(got, "EOF")
					break
				}
				if err != nil {
					if !errors.Is(err, errFrame) {
						t.Errorf("got error %v", err)
					}
					got = append(got, "bad")
					break
				}
				got = append(got, string(b))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

// TestFramesSkipWhatIsTooLarge reads the message behind one that is too large to be held.
func TestFramesSkipWhatIsTooLarge(t *testing.T) {
	size := int64(maxMessage + 1)
	f := newFrames(io.MultiReader(
		strings.NewReader(fmt.Sprintf("Content-Length: %d\r\n\r\n", size)), io.LimitReader(zeros{}, size),
		strings.NewReader("Content-Length: 2\r\n\r\n{}"),
	))
	var large *tooLarge
	if _, err := f.next(); !errors.As(err, &large) || large.size != size {
		t.Errorf("got %v, want that it is too large", err)
	}
	if b, err := f.next(); err != nil || string(b) != "{}" {
		t.Errorf("got %q, %v behind it", b, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// FuzzFrames holds that a stream is read as what was written to it, and that whatever else is read came out of it.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("Content-Length: 2\r\n\r\n{}"), []byte("Content-Length: 1\r\n\r\nx"))
	f.Add([]byte{}, []byte("Content-Length: 5\r\n"))
	f.Add([]byte("a\r\nb"), []byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, body, rest []byte) {
		var w strings.Builder
		s := &sender{w: &w}
		s.send(body)
		r := newFrames(strings.NewReader(w.String() + string(rest)))
		got, err := r.next()
		if err != nil || string(got) != string(body) {
			t.Fatalf("got %q, %v, want %q", got, err, body)
		}
		read := 0
		for {
			b, err := r.next()
			if err != nil {
				return
			}
			if read += len(b); read > len(rest) {
				t.Fatalf("%d bytes were read out of %d", read, len(rest))
			}
		}
	})
}
