package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// TestLanguageServer plays the scripts of testdata/lsp against the command over pipes, as an editor does, and compares
// what comes back with the transcript in the same archive. GWC_UPDATE=1 rewrites the transcripts.
//
// A script has a command on each line; FILE is a file of the archive, and TEXT stands in it once, with "|" where the
// cursor is:
//
//	open FILE | close FILE | save FILE
//	type FILE OLD => NEW          change OLD, which stands in the file once, to NEW; \n and \t are what they are in Go
//	write FILE OLD => NEW         change a file on disk, and tell the server
//	hover|complete|definition|references|rename NAME|actions FILE TEXT
//	format|symbols FILE
func TestLanguageServer(t *testing.T) {
	names, err := filepath.Glob("testdata/lsp/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("there are no scripts", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var script, want string
			for _, f := range ar.Files {
				switch f.Name {
				case "script":
					script = string(f.Data)
				case "transcript":
					want = string(f.Data)
				default:
					write(t, filepath.Join(dir, f.Name), string(f.Data))
				}
			}
			e := newEditor(t, dir, map[string]any{})
			for line := range strings.Lines(script) {
				e.play(strings.TrimSuffix(line, "\n"))
			}
			e.quit()
			got := e.transcript.String()
			if os.Getenv("GWC_UPDATE") != "" {
				i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == "transcript" })
				if i < 0 {
					ar.Files = append(ar.Files, txtar.File{Name: "transcript"})
					i = len(ar.Files) - 1
				}
				ar.Files[i].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// editor is a client with a mind of its own about positions, so that the server's are compared with another opinion.
type editor struct {
	t          *testing.T
	dir        string
	cmd        *exec.Cmd
	in         io.WriteCloser
	messages   chan map[string]any
	errs       bytes.Buffer
	ids        int
	text       map[string]string
	version    map[string]int
	transcript strings.Builder
}

func newEditor(t *testing.T, dir string, capabilities map[string]any, args ...string) *editor {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &editor{t: t, dir: dir, messages: make(chan map[string]any, 1000), text: map[string]string{}, version: map[string]int{}}
	e.cmd = exec.Command(exe)
	e.cmd.Args = append([]string{"gwc", "lsp", "--now", "2026-01-01"}, args...)
	e.cmd.Stderr = &e.errs
	if e.in, err = e.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(e.messages)
		r := bufio.NewReader(out)
		for {
			size := 0
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == "\r\n" {
					break
				}
				if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
					size, _ = strconv.Atoi(strings.TrimSpace(n))
				}
			}
			body := make([]byte, size)
			if _, err := io.ReadFull(r, body); err != nil {
				return
			}
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				m = map[string]any{"bad": string(body)}
			}
			e.messages <- m
		}
	}()
	t.Cleanup(func() {
		e.in.Close()
		e.cmd.Process.Kill()
		<-read
		e.cmd.Wait()
	})
	e.request("initialize", map[string]any{"processId": nil, "rootUri": e.uri("."), "capabilities": capabilities})
	e.notify("initialized", map[string]any{})
	return e
}

func (e *editor) uri(file string) string {
	return "file://" + filepath.ToSlash(filepath.Join(e.dir, file))
}

// file is what a URI is in the transcript.
func (e *editor) file(uri string) string {
	return strings.TrimPrefix(strings.TrimPrefix(uri, "file://"+filepath.ToSlash(e.dir)), "/")
}

func (e *editor) raw(body []byte) {
	e.t.Helper()
	if _, err := fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		e.t.Fatalf("cannot write to the server: %v; stderr:\n%s", err, e.errs.String())
	}
}

func (e *editor) send(m map[string]any) {
	e.t.Helper()
	m["jsonrpc"] = "2.0"
	b, err := json.Marshal(m)
	if err != nil {
		e.t.Fatal(err)
	}
	e.raw(b)
}

func (e *editor) notify(method string, params any) {
	e.t.Helper()
	e.send(map[string]any{"method": method, "params": params})
}

// next returns the next message of the server.
func (e *editor) next() map[string]any {
	e.t.Helper()
	select {
	case m, ok := <-e.messages:
		if !ok {
			e.t.Fatalf("the server has gone; stderr:\n%s", e.errs.String())
		}
		return m
	case <-time.After(time.Minute):
		e.t.Fatal("the server says nothing for a minute")
	}
	return nil
}

// ask sends a request and returns its id.
func (e *editor) ask(method string, params any) int {
	e.t.Helper()
	e.ids++
	e.send(map[string]any{"id": e.ids, "method": method, "params": params})
	return e.ids
}

// answer waits for the answer to a request; what else comes is written to the transcript.
func (e *editor) answer(id int) map[string]any {
	e.t.Helper()
	for {
		m := e.next()
		if m["method"] == nil && fmt.Sprint(m["id"]) == strconv.Itoa(id) {
			return m
		}
		e.other(m)
	}
}

func (e *editor) request(method string, params any) any {
	e.t.Helper()
	m := e.answer(e.ask(method, params))
	if err := m["error"]; err != nil {
		return err
	}
	return m["result"]
}

// published waits for the findings of a file in its newest version, and what came with them.
func (e *editor) published(file string) {
	e.t.Helper()
	for {
		m := e.next()
		e.other(m)
		p, _ := m["params"].(map[string]any)
		if m["method"] == "textDocument/publishDiagnostics" && p["uri"] == e.uri(file) && fmt.Sprint(p["version"]) == strconv.Itoa(e.version[file]) {
			break
		}
	}
	e.request("workspace/nothing", nil) // Its answer comes behind the rest of the findings.
}

func (e *editor) quit() {
	e.t.Helper()
	e.request("shutdown", nil)
	e.notify("exit", nil)
	if err := e.cmd.Wait(); err != nil {
		e.t.Errorf("the server ended with %v; stderr:\n%s", err, e.errs.String())
	}
}

// other writes a notification to the transcript.
func (e *editor) other(m map[string]any) {
	if m["method"] != "textDocument/publishDiagnostics" {
		e.say("%v", m)
		return
	}
	p := m["params"].(map[string]any)
	version := ""
	if v := p["version"]; v != nil {
		version = fmt.Sprintf(" version %v", v)
	}
	e.say("findings in %s%s", e.file(p["uri"].(string)), version)
	for _, d := range list(p["diagnostics"]) {
		severity := []string{"", "error", "warning", "note"}[int(d["severity"].(float64))]
		link := ""
		if c, ok := d["codeDescription"].(map[string]any); ok {
			link = " " + filepath.Base(c["href"].(string))
		}
		e.say("  %s %s %v%s: %s", at(d["range"]), severity, d["code"], link, strings.ReplaceAll(d["message"].(string), "\n", "\n    "))
		for _, r := range list(d["relatedInformation"]) {
			l := r["location"].(map[string]any)
			e.say("    %s %s %v", e.file(l["uri"].(string)), at(l["range"]), r["message"])
		}
	}
}

// say writes to the transcript, without what changes with every field that the language gets.
func (e *editor) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	line = allowed.ReplaceAllString(line, "allowed: … (")
	e.transcript.WriteString(schemaLine.ReplaceAllString(line, "$1") + "\n")
}

var (
	allowed    = regexp.MustCompile(`allowed: [^(\n]*\(`)
	schemaLine = regexp.MustCompile(`((?:schema: |default, )[a-z]+\.cue):\d+`)
)

func list(v any) []map[string]any {
	var out []map[string]any
	l, _ := v.([]any)
	for _, x := range l {
		out = append(out, x.(map[string]any))
	}
	return out
}

// at writes a range as people count: from 1.
func at(v any) string {
	r := v.(map[string]any)
	p := func(k string) (int, int) {
		m := r[k].(map[string]any)
		return int(m["line"].(float64)) + 1, int(m["character"].(float64)) + 1
	}
	l, c := p("start")
	l2, c2 := p("end")
	return fmt.Sprintf("%d:%d-%d:%d", l, c, l2, c2)
}

// position finds TEXT with its "|" in a file.
func (e *editor) position(file, text string) map[string]any {
	e.t.Helper()
	before, after, ok := strings.Cut(escapes.Replace(text), "|")
	if !ok || strings.Count(e.text[file], before+after) != 1 {
		e.t.Fatalf("%q does not stand once in %s, or has no |", text, file)
	}
	return position(e.text[file], strings.Index(e.text[file], before+after)+len(before))
}

func position(text string, offset int) map[string]any {
	before := text[:offset]
	line := strings.Count(before, "\n")
	column := len(utf16.Encode([]rune(before[strings.LastIndexByte(before, '\n')+1:])))
	return map[string]any{"line": line, "character": column}
}

// play does what a line of a script says.
func (e *editor) play(line string) {
	e.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	if verb == "" || verb == "#" {
		e.say("%s", line)
		return
	}
	e.say("> %s", line)
	name := ""
	if verb == "rename" {
		name, rest, _ = strings.Cut(rest, " ")
	}
	file, text, _ := strings.Cut(rest, " ")
	doc := map[string]any{"uri": e.uri(file)}
	switch verb {
	case "open":
		b, err := os.ReadFile(filepath.Join(e.dir, file))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			e.t.Fatal(err)
		}
		e.text[file] = string(b)
		e.version[file] = 1
		e.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": e.uri(file), "languageId": "cue", "version": 1, "text": string(b)}})
		e.published(file)
	case "close":
		e.notify("textDocument/didClose", map[string]any{"textDocument": doc})
	case "save":
		write(e.t, filepath.Join(e.dir, file), e.text[file])
		e.notify("textDocument/didSave", map[string]any{"textDocument": doc})
	case "type", "write":
		was, is, ok := strings.Cut(text, " => ")
		was, is = escapes.Replace(was), escapes.Replace(is)
		content := e.text[file]
		if verb == "write" {
			b, err := os.ReadFile(filepath.Join(e.dir, file))
			if err != nil {
				e.t.Fatal(err)
			}
			content = string(b)
		}
		i := strings.Index(content, was)
		if !ok || i < 0 || was != "" && strings.Count(content, was) != 1 {
			e.t.Fatalf("%q does not stand once in %s", was, file)
		}
		if verb == "write" {
			write(e.t, filepath.Join(e.dir, file), content[:i]+is+content[i+len(was):])
			e.notify("workspace/didChangeWatchedFiles", map[string]any{"changes": []any{map[string]any{"uri": e.uri(file), "type": 2}}})
			for {
				m := e.next()
				e.other(m)
				if m["method"] == "textDocument/publishDiagnostics" {
					break
				}
			}
			e.request("workspace/nothing", nil)
			return
		}
		e.version[file]++
		change := map[string]any{"range": map[string]any{"start": position(content, i), "end": position(content, i+len(was))}, "text": is}
		e.text[file] = content[:i] + is + content[i+len(was):]
		e.notify("textDocument/didChange", map[string]any{
			"textDocument": map[string]any{"uri": e.uri(file), "version": e.version[file]}, "contentChanges": []any{change},
		})
		e.published(file)
	case "hover":
		r := e.request("textDocument/hover", map[string]any{"textDocument": doc, "position": e.position(file, text)})
		h, ok := r.(map[string]any)
		if !ok || h["contents"] == nil {
			e.say("  %v", r)
			return
		}
		e.say("  %s\n  %s", at(h["range"]), strings.ReplaceAll(e.relative(h["contents"].(map[string]any)["value"].(string)), "\n", "\n  "))
	case "complete":
		r := e.request("textDocument/completion", map[string]any{"textDocument": doc, "position": e.position(file, text)})
		items := list(r.(map[string]any)["items"])
		slices.SortStableFunc(items, func(a, b map[string]any) int {
			return cmp.Compare(fmt.Sprint(a["sortText"]), fmt.Sprint(b["sortText"]))
		})
		for _, i := range items {
			edit := i["textEdit"].(map[string]any)
			e.say("  %s %q %v", at(edit["range"]), edit["newText"], cmp.Or[any](i["detail"], ""))
		}
		if len(items) == 0 {
			e.say("  nothing")
		}
	case "definition", "references":
		r := e.request("textDocument/"+verb, map[string]any{"textDocument": doc, "position": e.position(file, text), "context": map[string]any{"includeDeclaration": true}})
		for _, l := range list(r) {
			e.say("  %s %s", e.file(l["uri"].(string)), at(l["range"]))
		}
		if len(list(r)) == 0 {
			e.say("  %v", r)
		}
	case "rename":
		p := map[string]any{"textDocument": doc, "position": e.position(file, text)}
		e.say("  prepared: %v", e.request("textDocument/prepareRename", p))
		p["newName"] = name
		e.edit(e.request("textDocument/rename", p))
	case "actions":
		p := e.position(file, text)
		r := e.request("textDocument/codeAction", map[string]any{"textDocument": doc, "range": map[string]any{"start": p, "end": p}, "context": map[string]any{"diagnostics": []any{}}})
		for _, a := range list(r) {
			preferred := ""
			if a["isPreferred"] == true {
				preferred = ", preferred"
			}
			e.say("  %s: %s%s", a["kind"], a["title"], preferred)
			e.edit(a["edit"])
		}
		if len(list(r)) == 0 {
			e.say("  nothing")
		}
	case "format":
		r := e.request("textDocument/formatting", map[string]any{"textDocument": doc, "options": map[string]any{"tabSize": 4, "insertSpaces": false}})
		for _, x := range list(r) {
			e.say("  %s %q", at(x["range"]), x["newText"])
		}
		if len(list(r)) == 0 {
			e.say("  %v", r)
		}
	case "symbols":
		r := e.request("textDocument/documentSymbol", map[string]any{"textDocument": doc})
		var show func(v any, indent string)
		show = func(v any, indent string) {
			for _, s := range list(v) {
				e.say("%s%s %s %v", indent, s["name"], at(s["range"]), cmp.Or[any](s["detail"], ""))
				show(s["children"], indent+"  ")
			}
		}
		show(r, "  ")
	default:
		e.t.Fatalf("a script has no %q", verb)
	}
}

var escapes = strings.NewReplacer(`\n`, "\n", `\t`, "\t")

func (e *editor) relative(s string) string {
	return strings.ReplaceAll(s, "file://"+filepath.ToSlash(e.dir), "")
}

// edit writes a workspace edit to the transcript.
func (e *editor) edit(v any) {
	m, _ := v.(map[string]any)
	changes, ok := m["changes"].(map[string]any)
	if !ok {
		e.say("  %v", v)
		return
	}
	for _, uri := range slices.Sorted(maps.Keys(changes)) {
		for _, x := range list(changes[uri]) {
			e.say("    %s %s %q", e.file(uri), at(x["range"]), x["newText"])
		}
	}
}
