package lsp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// serve plays messages to a server and returns what it wrote and how it ended.
func serve(t *testing.T, bodies ...string) (string, error) {
	t.Helper()
	var in, out bytes.Buffer
	for _, b := range bodies {
		fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(b), b)
	}
	var mu sync.Mutex
	var log strings.Builder
	err := Serve(t.Context(), &in, &out, Options{
		Format: func(_ string, data []byte) ([]byte, error) { return bytes.TrimSpace(data), nil },
		Now:    time.Now,
		Log: func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&log, format+"\n", args...)
		},
	})
	if s := log.String(); strings.Contains(s, "a bug in gwc") {
		t.Fatalf("%q: %s", bodies, s)
	}
	return out.String(), err
}

const (
	hello   = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}`
	goodbye = `{"jsonrpc":"2.0","id":2,"method":"shutdown"}`
	exit    = `{"jsonrpc":"2.0","method":"exit"}`
)

// TestServeLeavesNothingBehind ends servers in the middle of a build.
func TestServeLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.cue")
	if err := os.WriteFile(file, []byte("package gateway\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	open := fmt.Sprintf(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":%q,"version":1,"text":"package gateway\n\nmodels: {}\n"}}}`, uriOf(file))
	ask := fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":"textDocument/hover","params":{"textDocument":{"uri":%q},"position":{"line":2,"character":1}}}`, uriOf(file))
	if _, err := serve(t, hello, open, ask, goodbye, exit); err != nil {
		t.Errorf("with a shutdown: %v", err)
	}
	if _, err := serve(t, hello, open, ask, exit); !errors.Is(err, ErrNoShutdown) {
		t.Errorf("without a shutdown: %v", err)
	}
	if err := Serve(t.Context(), strings.NewReader(fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(hello), hello)), broken{}, Options{}); !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, ErrNoShutdown) {
		t.Errorf("with an editor that does not listen: %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzServe sends whatever comes to mind to a server that has a document open, whose text is anything too.
func FuzzServe(f *testing.F) {
	at := `"params":{"textDocument":{"uri":"file:///nowhere/a.cue"},"position":{"line":1,"character":2},"newName":"b","range":{"start":{"line":0,"character":0},"end":{"line":9,"character":9}},"context":{}}}`
	for method := range requests {
		f.Add("package gateway\n\nmodels: a: {}\n", fmt.Sprintf(`{"jsonrpc":"2.0","id":3,"method":%q,%s`, method, at))
	}
	f.Add("a: [", `{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///nowhere/a.cue","version":-1},"contentChanges":[{"range":{"start":{"line":-5,"character":99},"end":{"line":0,"character":-1}},"text":"x"},{"text":""}]}}`)
	f.Add("", `{"jsonrpc":"2.0","method":"textDocument/didClose","params":{"textDocument":{"uri":"file:///nowhere/a.cue"}}}`)
	f.Fuzz(func(t *testing.T, text, body string) {
		if strings.Contains(body, "file://") && !strings.Contains(body, "file:///nowhere/a.cue") {
			return // Nobody should wander about this machine.
		}
		open := fmt.Sprintf(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///nowhere/a.cue","version":1,"text":%q}}}`, strings.ToValidUTF8(text, ""))
		after := fmt.Sprintf(`{"jsonrpc":"2.0","id":4,"method":"textDocument/completion",%s`, at)
		_, err := serve(t, hello, open, body, after, goodbye, exit)
		if err != nil && !errors.Is(err, ErrNoShutdown) {
			t.Fatal(err)
		}
	})
}
