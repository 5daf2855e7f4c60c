package openapi

import (
	"encoding/json"
	"strings"
	"testing"
)

var seeds = []string{
	`{"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {"/a/{b}": {"get": {"operationId": "a", "parameters": [{"$ref": "#/components/parameters/b"}]}}}, "components": {"parameters": {"b": {"name": "b", "in": "path"}}}}`,
	`{"a": [1, -0.5e+3, true, false, null, "\u00e9\ud83d\ude00\n", {}]}`,
	`{"a": 1, "a": 2}`, `{"a": 01}`, `[1,]`, `"\x"`, "\ufeff{}",
	"openapi: 3.0.3\ninfo: &i {title: T, version: '1'}\npaths:\n  /a?b=c:\n    get: &g\n      operationId: \"a\\u0020b\"\n    post: *g\n  \"/b\": {<<: [{get: {}}], $ref: 'x.yaml#/y'}\n",
	"a: |\n  text\nb: >-\n  more\n  text\n? c\n: d\n'e''f': !!str 1\n&k g: *k\n",
	"a: &a [*a]\n", "- - -\n", "? {a: b}\n", "a:\r\n  b: \u2028c\r\n", "---\na\n---\nb\n", "%YAML 1.2\n---\n{}\n",
	"swagger: '2.0'\n", "openapi: 3.2.0\n",
}

// Whatever the bytes, reading ends without a panic, says something where it finds no document, and every place that
// it names lies in the file.
func FuzzRead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, src []byte, asJSON bool) {
		name := "a.yaml"
		if asJSON {
			name = "a.json"
		}
		docs, report := Read(Input{Files: Bytes{name: src}, Wanted: []Wanted{{File: name}}})
		if docs.ByFile[name] == nil && !report.Failed() {
			t.Error("no document and no error")
		}
		for _, d := range report.All() {
			p := d.Primary.Span
			if p.File != name || p.Start.Line < 1 || p.Start.Col < 1 || p.End.Offset < p.Start.Offset || p.End.Offset > len(src) {
				t.Errorf("%s: place %+v is not in a file of %d bytes", d.Code, p, len(src))
			}
		}
	})
}

// encoding/json is the judge of what JSON is, and of what a string means.
func FuzzJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, bad := parseJSON("a.json", src)
		if bad != nil && (bad.code != codeSyntax || strings.Contains(bad.summary, "UTF-8")) {
			return // what we refuse beyond the grammar
		}
		bare := []byte(strings.TrimPrefix(string(src), "\ufeff"))
		if got, want := bad == nil, json.Valid(bare); got != want {
			t.Fatalf("accepted %v, want %v", got, want)
		}
		if bad != nil {
			return
		}
		for i := range tree.nodes {
			n := &tree.nodes[i]
			if n.kind == kindText {
				var want string
				if err := json.Unmarshal(src[n.at.start:n.at.end], &want); err != nil || n.value != want {
					t.Errorf("string %q at %v, want %q (%v)", n.value, n.at, want, err)
				}
			}
			if n.keyAt != (extent{}) {
				var want string
				if err := json.Unmarshal(src[n.keyAt.start:n.keyAt.end], &want); err != nil || n.key != want {
					t.Errorf("key %q at %v, want %q (%v)", n.key, n.keyAt, want, err)
				}
			}
		}
	})
}
