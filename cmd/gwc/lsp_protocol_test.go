package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// small is a repository in a few lines.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gateway.cue"), "package gateway\n\ngateway: listeners: main: address: \"127.0.0.1:8080\"\n")
	return dir
}

// code returns the code of an answer's error, 0 where it has none.
func code(m map[string]any) int {
	f, ok := m["error"].(map[string]any)
	if !ok {
		return 0
	}
	return int(f["code"].(float64))
}

// ends waits for the server to end and returns its exit code.
func (e *editor) ends() int {
	e.t.Helper()
	err := e.cmd.Wait()
	var x *exec.ExitError
	if errors.As(err, &x) {
		return x.ExitCode()
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return 0
}

func TestLanguageServerAnswersBadMessages(t *testing.T) {
	e := newEditor(t, small(t), map[string]any{})
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"what is not JSON", `{"jsonrpc":`, -32700},
		{"a batch", `[{"jsonrpc":"2.0","id":1,"method":"shutdown"}]`, -32600},
		{"an id that is a struct", `{"jsonrpc":"2.0","id":{},"method":"shutdown"}`, -32600},
		{"no version", `{"id":1,"method":"shutdown"}`, -32600},
		{"a method that there is not", `{"jsonrpc":"2.0","id":"x","method":"textDocument/nothing"}`, -32601},
		{"parameters of another method", `{"jsonrpc":"2.0","id":7,"method":"textDocument/hover","params":[1]}`, -32602},
		{"a second initialize", `{"jsonrpc":"2.0","id":8,"method":"initialize","params":{}}`, -32600},
		{"JSON that is nested without end", `{"jsonrpc":"2.0","id":9,"method":"textDocument/hover","params":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`, -32700},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e.raw([]byte(tt.body))
			if got := e.next(); code(got) != tt.want {
				t.Errorf("got %v, want code %d", got, tt.want)
			}
		})
	}
	// Notifications have no answer, whatever they hold; neither have answers.
	for _, body := range []string{
		`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":7}}`,
		`{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":"file:///never/opened.cue","version":2},"contentChanges":[{"text":"x"}]}}`,
		`{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"off"}}`,
		`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":99}}`,
		`{"jsonrpc":"2.0","id":"gwc-1","result":null}`,
	} {
		e.raw([]byte(body))
	}
	if got := e.request("textDocument/hover", map[string]any{"textDocument": map[string]any{"uri": "untitled:1"}, "position": map[string]any{"line": 0, "character": 0}}); got != nil {
		t.Errorf("a hover over a document that is not open: got %v", got)
	}
	if err := e.request("shutdown", nil); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if got := e.answer(e.ask("textDocument/hover", map[string]any{})); code(got) != -32600 {
		t.Errorf("a request after shutdown: got %v", got)
	}
	e.notify("exit", nil)
	if got := e.ends(); got != 0 {
		t.Errorf("exit code %d; stderr:\n%s", got, e.errs.String())
	}
}

func TestLanguageServerExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*editor)
		want int
	}{
		{"exit behind shutdown", func(e *editor) { e.request("shutdown", nil); e.notify("exit", nil) }, 0},
		{"the end of the stream behind shutdown", func(e *editor) { e.request("shutdown", nil); e.in.Close() }, 0},
		{"exit without shutdown", func(e *editor) { e.notify("exit", nil) }, 1},
		{"the end of the stream without shutdown", func(e *editor) { e.in.Close() }, 1},
		{"a stream that is not the protocol", func(e *editor) { fmt.Fprint(e.in, "GET / HTTP/1.1\r\n\r\n") }, 69},
		{"a message that is cut", func(e *editor) { fmt.Fprint(e.in, "Content-Length: 10\r\n\r\n{"); e.in.Close() }, 69},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEditor(t, small(t), map[string]any{})
			tt.do(e)
			if got := e.ends(); got != tt.want {
				t.Errorf("got %d, want %d; stderr:\n%s", got, tt.want, e.errs.String())
			}
			for line := range strings.Lines(e.errs.String()) {
				if !strings.HasPrefix(line, "gwc: ") {
					t.Errorf("a line on stderr without prefix: %q", line)
				}
			}
		})
	}
}

func TestLanguageServerWantsInitializeFirst(t *testing.T) {
	e := &editor{t: t}
	body := []byte(`{"jsonrpc":"2.0","id":1,"method":"textDocument/hover","params":{}}`)
	exit := []byte(`{"jsonrpc":"2.0","method":"exit"}`)
	var in, out, errs bytes.Buffer
	for _, b := range [][]byte{body, exit} {
		fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(b), b)
	}
	if got := run(e.t.Context(), []string{"lsp"}, streams{&in, &out, &errs}); got != 1 {
		t.Errorf("exit code %d", got)
	}
	if !strings.Contains(out.String(), `"code":-32002`) {
		t.Errorf("got %s", out.String())
	}
}

// TestLanguageServerCancels sends requests with their cancellations behind a build that all of them wait for, so that
// none is answered before it is cancelled.
func TestLanguageServerCancels(t *testing.T) {
	dir := small(t)
	e := newEditor(t, dir, map[string]any{})
	const n = 20
	e.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": e.uri("gateway.cue"), "languageId": "cue", "version": 1, "text": "package gateway\n"}})
	ids := make([]int, n)
	for i := range ids {
		ids[i] = e.ask("textDocument/documentSymbol", map[string]any{"textDocument": map[string]any{"uri": e.uri("gateway.cue")}})
		if i%2 == 0 {
			e.notify("$/cancelRequest", map[string]any{"id": ids[i]})
		}
	}
	answered := map[int]int{}
	for len(answered) < n {
		m := e.next()
		if id, ok := m["id"].(float64); ok {
			answered[int(id)] = code(m)
		}
	}
	for i, id := range ids {
		// A request may have been answered before its cancellation came; one that was not cancelled never fails.
		if got := answered[id]; got != 0 && (got != -32800 || i%2 == 1) {
			t.Errorf("request %d ended with %d", i, got)
		}
	}
	e.quit()
}

// TestLanguageServerKeepsRepositoriesApart opens files of two repositories, of which one lies in the other's folder, and
// one of none.
func TestLanguageServerKeepsRepositoriesApart(t *testing.T) {
	dir := t.TempDir()
	gateway := "package gateway\n\ngateway: listeners: main: address: \"127.0.0.1:8080\"\n"
	write(t, filepath.Join(dir, "gateway.cue"), gateway)
	write(t, filepath.Join(dir, "nested/cue.mod/module.cue"), "module: \"nested.example\"\nlanguage: version: \"v0.9.0\"\n")
	write(t, filepath.Join(dir, "nested/gateway.cue"), gateway)
	write(t, filepath.Join(dir, "nested/tenants/a/tenant.cue"), "package gateway\n\ntenants: b: {}\n")
	e := newEditor(t, dir, map[string]any{})
	for _, line := range []string{"open gateway.cue", "open nested/tenants/a/tenant.cue", "type nested/tenants/a/tenant.cue b: {} => a: {}", "type gateway.cue listeners => lisseners"} {
		e.play(line)
	}
	other := t.TempDir()
	write(t, filepath.Join(other, "x.cue"), "a:   1\n")
	e.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "file://" + filepath.Join(other, "x.cue"), "languageId": "cue", "version": 1, "text": "a:   1\n"}})
	r := e.request("textDocument/formatting", map[string]any{"textDocument": map[string]any{"uri": "file://" + filepath.Join(other, "x.cue")}})
	if l := list(r); len(l) != 1 || l[0]["newText"] != "a: 1\n" {
		t.Errorf("formatting a file of no repository: got %v", r)
	}
	e.quit()
	want := `> open gateway.cue
findings in gateway.cue version 1
> open nested/tenants/a/tenant.cue
findings in nested/tenants/a/tenant.cue version 1
  3:10-3:11 error GWC1104 GWC1104.md: tenant "b" stands in the folder of tenant "a", expected in its own or among the platform's files
    help: move it to tenants/b/tenant.cue
> type nested/tenants/a/tenant.cue b: {} => a: {}
findings in nested/tenants/a/tenant.cue version 2
> type gateway.cue listeners => lisseners
findings in gateway.cue version 2
  3:10-3:19 error GWC1203 GWC1203.md: unknown field "lisseners" in "gateway": did you mean "listeners"?
    allowed: … (schema: gateway.cue)
`
	if d := gocmp.Diff(want, e.transcript.String()); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

// TestLanguageServerTakesAFileThatIsNotThereYet has a buffer for a file in a folder that does not exist.
func TestLanguageServerTakesAFileThatIsNotThereYet(t *testing.T) {
	dir := small(t)
	e := newEditor(t, dir, map[string]any{"workspace": map[string]any{"didChangeWatchedFiles": map[string]any{"dynamicRegistration": true}}})
	e.play("open tenants/new/tenant.cue")
	e.play("type tenants/new/tenant.cue  => package gateway\\n\\ntenants: new: apps: a: models: [\"m\"]\\n")
	e.quit()
	got := e.transcript.String()
	for _, want := range []string{"client/registerCapability", "**/*.{cue,yaml,yml,json}", "version 2\n  3:33-3:36 error GWC2002"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

// TestLanguageServerCountsBytesIfAsked negotiates the encoding of positions.
func TestLanguageServerCountsBytesIfAsked(t *testing.T) {
	dir := small(t)
	write(t, filepath.Join(dir, "platform/x.cue"), "package gateway\n\ntenants: a: owners: [\"🦊\"], tenantss: {}\n")
	for encoding, want := range map[string]string{"utf-8": "3:31-3:39", "utf-16": "3:29-3:37"} {
		e := newEditor(t, dir, map[string]any{"general": map[string]any{"positionEncodings": []string{"utf-32", encoding}}})
		e.play("open platform/x.cue")
		e.quit()
		if !strings.Contains(e.transcript.String(), want+" error GWC1101") {
			t.Errorf("%s: no %s in:\n%s", encoding, want, e.transcript.String())
		}
	}
}
