package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gwc-dev/gwc/schema/diag"
)

// loaded loads a folder of the machine and returns the codes that were reported.
func loaded(t *testing.T, dir string) []diag.Code {
	t.Helper()
	_, report, err := Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []diag.Code
	for _, d := range report.All() {
		list = append(list, d.Code)
	}
	return list
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPipesAndNamesThatCannotBeShownAreRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "gateway.cue", "package gateway\n")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.cue"), 0o644); err != nil {
		t.Skip(err)
	}
	write(t, dir, "platform/a\nb.cue", "package gateway\n")
	write(t, dir, "platform/a\x1b[2Jb.yaml", "providers: {}\n")
	write(t, dir, "tenants/\u202eemca/a.cue", "package gateway\n")
	want := []diag.Code{codeName, codeName, codeName, codeNoFile}
	if d := cmp.Diff(want, loaded(t, dir), cmpopts.SortSlices(func(a, b diag.Code) bool { return a < b })); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

func TestLinksInACircleAreRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "gateway.cue", "package gateway\n")
	for from, to := range map[string]string{"a.cue": "b.cue", "b.cue": "a.cue", "platform/self": "../platform", "c.yaml": "/etc/hosts"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, from)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]diag.Code{codeLink, codeLink, codeLink, codeLink}, loaded(t, dir)); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

func TestMarksAndLineEndsOfOtherMachinesAreRead(t *testing.T) {
	for name, text := range map[string]string{
		"a.cue":  "\ufeffpackage gateway\r\n\r\nproviders: x: {\r\n\tkind: \"openai\"\r\n}\r\n",
		"a.yaml": "\ufeffproviders:\r\n  x:\r\n    kind: openai\r\n",
		"a.json": "\ufeff{\r\n \"providers\": {\"x\": {\"kind\": \"openai\"}}}\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			src, report, err := Load(fstest.MapFS{"platform/" + name: {Data: []byte(text)}})
			if err != nil || len(report.All()) > 0 {
				t.Fatalf("%v %v", err, report.All())
			}
			got := spokenOf(src.Units[0].Files[0].Syntax)
			if d := cmp.Diff([][]string{{"providers", "x"}}, got); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// Each of these is one mistake: its code, and the text that its place covers.
func TestFilesThatReadersReadDifferentlyAreRefused(t *testing.T) {
	bomb := "models:\n  a: &a {x: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}\n"
	for i := 'b'; i <= 'h'; i++ {
		bomb += fmt.Sprintf("  %c: &%[1]c {x: [%s]}\n", i, strings.Repeat(fmt.Sprintf("*%c, ", i-1), 9)+fmt.Sprintf("*%c", i-1))
	}
	for _, c := range []struct {
		name, file, text string
		code             diag.Code
		at               string
	}{
		{"a key that stands twice", "a.yaml", "models:\n  a: 1\n  a: 2\n", codeDuplicate, "a"},
		{"a key that stands twice in JSON", "a.json", `{"models": {"a": 1, "b": 2, "a": 3}}`, codeDuplicate, `"a"`},
		{"a key that stands twice in two forms", "a.yaml", "models: {a: 1, \"a\": 2}\n", codeDuplicate, `"a"`},
		{"no", "a.yaml", "models: {a: no}\n", codeAmbiguous, "no"},
		{"an octal number", "a.yaml", "models: {a: 0777}\n", codeAmbiguous, "0777"},
		{"a hexadecimal number", "a.yaml", "models: {a: 0x1F}\n", codeAmbiguous, "0x1F"},
		{"an underscore in a number", "a.yaml", "models: {a: 1_000}\n", codeAmbiguous, "1_000"},
		{"base 60", "a.yaml", "models: {a: 12:30:00}\n", codeAmbiguous, "12:30:00"},
		{"no number", "a.yaml", "models: {a: .nan}\n", codeAmbiguous, ".nan"},
		{"infinity", "a.yaml", "models: {a: -.inf}\n", codeAmbiguous, "-.inf"},
		{"a tag", "a.yaml", "models: {a: !secret x}\n", codeTag, "!secret"},
		{"binary data", "a.yaml", "models:\n  a: !!binary aGk=\n", codeTag, "!!binary"},
		{"a tag of a struct", "a.yaml", "models: !!map {}\n", codeTag, "!!map"},
		{"aliases of aliases", "a.yaml", bomb, codeAlias, "*d"},
		{"an alias in itself", "a.yaml", "models: &m {a: *m}\n", codeAlias, "*m"},
		{"a huge integer", "a.yaml", "models: {a: 99999999999999999999}\n", codeNumber, "99999999999999999999"},
		{"a huge exponent", "a.json", `{"models": {"a": 1e999999999}}`, codeNumber, "1e999999999"},
		{"two documents", "a.yaml", "models: {}\n---\nmodels: {}\n", codePlainSyntax, "---"},
		{"a list", "gateway.yaml", "- models\n", codePlainSyntax, "-"},
		{"text", "gateway.json", `"models"`, codePlainSyntax, `"`},
		{"a tabulator", "a.yaml", "models:\n\ta: 1\n", codePlainSyntax, "a: 1"},
		{"a key that is a list", "a.yaml", "models: {[a]: 1}\n", codePlainSyntax, "["},
		{"bytes that are not UTF-8", "gateway.yaml", "models: \"\xff\"\n", codePlainSyntax, "\xff"},
		{"UTF-16", "gateway.json", "\xff\xfe{\x00}\x00", codePlainSyntax, "\xff"},
		{"a comment in JSON", "gateway.json", "{\n // no\n}", codePlainSyntax, "/"},
		{"a comma too much", "gateway.json", `{"models": {"a": 1,}}`, codePlainSyntax, "}"},
		{"half a file", "gateway.json", `{"models": {`, codePlainSyntax, ""},
		{"deep nesting", "gateway.json", `{"models": ` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + "}", codePlainSyntax, "["},
		{"deep nesting in YAML", "gateway.yaml", `models: ` + strings.Repeat("[", 600) + strings.Repeat("]", 600), codePlainSyntax, "["},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := "platform/" + c.file
			if strings.HasPrefix(c.file, "gateway.") {
				file = c.file
			}
			_, report, err := Load(fstest.MapFS{file: {Data: []byte(c.text)}})
			if err != nil {
				t.Fatal(err)
			}
			list := report.All()
			if len(list) != 1 {
				t.Fatalf("%d findings, want one: %v", len(list), list)
			}
			s := list[0].Primary.Span
			if s.File != file || s.End.Offset > len(c.text) {
				t.Fatalf("the place is %+v", s)
			}
			got := []string{string(list[0].Code), c.text[s.Start.Offset:s.End.Offset]}
			if d := cmp.Diff([]string{string(c.code), c.at}, got); d != "" {
				t.Errorf("mismatch (-want +got):\n%s\n%s", d, list[0].Summary)
			}
		})
	}
}

func TestWhichFilesAreConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		want             bool
		codes            []diag.Code
	}{
		{"fields of a gateway", "tenants/a/x.yaml", "# x\n\napis: {}\n", true, nil},
		{"in braces", "tenants/a/x.yaml", "{apis: {}}\n", true, nil},
		{"in JSON", "tenants/a/x.json", `{"apis": {}}`, true, nil},
		{"a key in quotes", "tenants/a/x.yml", "\"apis\": {}\n", true, nil},
		{"a document", "tenants/a/x.yaml", "openapi: 3.0.3\npaths: {}\n", false, nil},
		{"a document of JSON", "tenants/a/x.json", `{"swagger": "2.0"}`, false, nil},
		{"a document by its name", "tenants/a/x.openapi.yaml", "models: {}\n", false, nil},
		{"a fragment", "tenants/a/x.yaml", "components: {}\n", false, nil},
		{"both", "tenants/a/x.yaml", "openapi: 3.0.3\napis: {}\n", false, []diag.Code{codeTwofold}},
		{"a typo", "tenants/a/x.yaml", "tenant: {}\n", false, []diag.Code{codeUnread}},
		{"another tool's", "compose.yaml", "services: {}\nmodels: {}\n", false, []diag.Code{codeForeign}},
		{"the gateway's with a typo", "x.yaml", "models: {}\nprovider: {}\n", true, nil},
		{"nothing", "gateway.yaml", "# soon\n", true, nil},
		{"not ours", "docs/x.yaml", "models: {}\n", false, nil},
		{"nowhere", "tenants/x.yaml", "tenants: {}\n", false, []diag.Code{codeStray}},
		{"text of several lines", "tenants/a/x.yaml", "info: |\n  apis: no\n\n  tenants:\n", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			src, report, err := Load(fstest.MapFS{c.file: {Data: []byte(c.text)}})
			if err != nil {
				t.Fatal(err)
			}
			got := len(src.Units) == 1 && slices.ContainsFunc(src.Units[0].Files, func(f File) bool { return f.Path == c.file })
			var codes []diag.Code
			for _, d := range report.All() {
				codes = append(codes, d.Code)
			}
			if d := cmp.Diff([]any{c.want, c.codes}, []any{got, codes}); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// FuzzPlain holds that no YAML or JSON file makes the loader panic or lie about places.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		"models:\n  a: &x {b: [1, 'two', \"three\"]}\n  c: *x\n", "a: {<<: {b: 1}, b: 2}\n", `{"a": {"b": [1, -2.5e3, true, null, "\ud83d\ude00"]}}`,
		"\ufeffa: |\r\n  text\r\nb: >-\n  more\n", "? [a]\n: b\n", "a: !!str 1\nb: !x {}\n", "{a: {b: {c: [}}}", "a: *a\n", "- a\n- b\n", "a: 'it''s'\nb: \"\\\"\"\n",
		"a: [\n  1, # one\n  2\n]\n", "\"\\/\": 1", "a:\u2028b", "a: 1e400\nb: 0x1\nc: no\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		name := "a.yaml"
		if asJSON {
			name = "a.json"
		}
		kindOf("tenants/a/"+name, data)
		syntax, ends, problems := parsePlain(name, data)
		if (syntax == nil) != (len(problems) > 0) {
			t.Fatalf("a tree and findings: %v", problems)
		}
		for _, d := range problems {
			s := d.Primary.Span
			if s.Start.Offset > s.End.Offset || s.End.Offset > len(data) || bytes.Count(data[:s.Start.Offset], []byte("\n"))+1 != s.Start.Line {
				t.Fatalf("%s is at %+v of %d bytes", d.Summary, s, len(data))
			}
		}
		for from, to := range ends {
			if from > to || to > len(data)+1 {
				t.Fatalf("a value from %d to %d of %d bytes", from, to, len(data))
			}
		}
	})
}
