package openapi

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/schema/diag"
)

// read reads the document "api.yaml" or "api.json" of a txtar archive.
func read(t *testing.T, archive string) (*Document, []string) {
	t.Helper()
	in := Input{Files: Bytes{}}
	for _, f := range txtar.Parse([]byte(archive)).Files {
		in.Files.(Bytes)[f.Name] = f.Data
		if strings.HasPrefix(f.Name, "api.") {
			in.Wanted = []Wanted{{File: f.Name, Path: []string{"apis", "x", "openapi"}}}
		}
	}
	if in.Wanted == nil {
		in.Wanted = []Wanted{{File: "api.yaml", At: diag.Span{File: "x.cue", Start: diag.Pos{Line: 1, Col: 1}}, Path: []string{"apis", "x", "openapi"}}}
	}
	docs, report := Read(in)
	return docs.ByFile[in.Wanted[0].File], lines(report)
}

// lines writes findings one a line: place, code, summary, label, help.
func lines(report diag.Report) (l []string) {
	for _, d := range report.All() {
		p := d.Primary.Span
		s := fmt.Sprintf("%s:%d:%d-%d:%d %s[%s] %s", p.File, p.Start.Line, p.Start.Col, p.End.Line, p.End.Col, d.Severity, d.Code, d.Summary)
		if d.Primary.Text != "" {
			s += " | " + d.Primary.Text
		}
		for _, o := range d.Secondary {
			s += fmt.Sprintf(" | %s:%d:%d %s", o.Span.File, o.Span.Start.Line, o.Span.Start.Col, o.Text)
		}
		l = append(l, s)
	}
	return l
}

func TestFindings(t *testing.T) {
	const head = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\n"
	for _, test := range []struct {
		name    string
		archive string
		want    []string
	}{
		{"a sound document has no findings",
			"-- api.yaml --\n" + head + "paths:\n  /a: {get: {operationId: a}}\n", nil},
		{"a missing document is an error where it is named",
			"-- other.yaml --\n",
			[]string{`x.cue:1:1-0:0 error[GWC3001] OpenAPI document "api.yaml" does not exist`}},
		{"a missing document with a near name says so",
			"-- apis.yaml --\n",
			[]string{`x.cue:1:1-0:0 error[GWC3001] OpenAPI document "api.yaml" does not exist | did you mean "apis.yaml"?`}},
		{"a $ref to nothing is an error at its value, in YAML",
			"-- api.yaml --\n" + head + "paths:\n  /a:\n    get:\n      operationId: a\n      responses:\n        '200':\n          $ref: '#/components/responses/Okk'\ncomponents:\n  responses:\n    Ok: {description: fine}\n",
			[]string{`api.yaml:9:17-9:45 error[GWC3007] $ref "#/components/responses/Okk" cannot be resolved: there is no "Okk" | did you mean "#/components/responses/Ok"?`}},
		{"a $ref to nothing is an error at its value, in JSON",
			"-- api.json --\n{\"openapi\": \"3.1.0\", \"info\": {\"title\": \"é\", \"version\": \"1\"},\n \"components\": {\"schemas\": {\"é\": {\"$ref\": \"#/components/schemas/X\"}}},\n \"paths\": {\"/a\": {\"get\": {\"operationId\": \"a\"}}}}\n",
			[]string{`api.json:2:44-2:68 error[GWC3007] $ref "#/components/schemas/X" cannot be resolved: there is no "X"`}},
		{"columns are bytes, after characters of several bytes in YAML too",
			"-- api.yaml --\n" + head + "paths: {'/ä': {get: {operationId: ä, parameters: [{$ref: '#/nö'}]}}}\n",
			[]string{`api.yaml:3:60-3:67 error[GWC3007] $ref "#/nö" cannot be resolved: there is no "nö"`}},
		{"a $ref is data in examples, defaults, extensions and property names",
			"-- api.yaml --\n" + head + `paths:
  /a:
    get:
      operationId: a
      x-thing: {$ref: '#/nowhere'}
      responses:
        '200':
          description: d
          content:
            application/json:
              example: {$ref: '#/nowhere'}
              schema:
                default: {$ref: '#/nowhere'}
                enum: [{$ref: '#/nowhere'}]
                properties:
                  $ref: {type: string}
                  example: {type: string}
`, nil},
		{"a property called like a keyword holds references all the same",
			"-- api.yaml --\n" + head + "paths: {/a: {get: {operationId: a}}}\ncomponents:\n  schemas:\n    A: {properties: {example: {$ref: '#/components/schemas/B'}}}\n",
			[]string{`api.yaml:6:38-6:62 error[GWC3007] $ref "#/components/schemas/B" cannot be resolved: there is no "B" | did you mean "#/components/schemas/A"?`}},
		{"references go through files and are checked there, and no more than what is referred to",
			"-- api.yaml --\n" + head + "paths: {/a: {$ref: 'more/paths.yaml#/a'}}\n-- more/paths.yaml --\na: {get: {operationId: a, parameters: [{$ref: 'params.json#/P'}, {$ref: 'params.json#/Q'}]}}\nunused: {$ref: '#/nowhere'}\n-- more/params.json --\n{\"P\": {\"name\": \"p\", \"in\": \"query\", \"schema\": {\"$ref\": \"#/none\"}}}\n",
			[]string{
				`more/params.json:1:55-1:63 error[GWC3007] $ref "#/none" cannot be resolved: there is no "none"`,
				`more/paths.yaml:1:73-1:89 error[GWC3007] $ref "params.json#/Q" cannot be resolved: there is no "Q" | did you mean "params.json#/P"?`,
			}},
		{"a $ref to a missing file, or out of the repository, is an error",
			"-- api.yaml --\n" + head + "paths: {/a: {get: {operationId: a, parameters: [{$ref: 'x.yaml'}, {$ref: '../x.yaml#/a'}, {$ref: /etc/passwd}]}}}\n",
			[]string{
				`api.yaml:3:56-3:64 error[GWC3007] $ref "x.yaml" cannot be resolved: there is no file "x.yaml"`,
				`api.yaml:3:74-3:88 error[GWC3007] $ref "../x.yaml#/a" cannot be resolved: the file is outside the repository`,
				`api.yaml:3:98-3:109 error[GWC3007] $ref "/etc/passwd" cannot be resolved: the file is outside the repository`,
			}},
		{"a body of a method that gives it no meaning is told once",
			"-- api.yaml --\n" + head + "paths: {/a: {get: {operationId: a, requestBody: {}}, head: {operationId: b, requestBody: {}}, delete: {operationId: c, requestBody: {}}}}\n",
			[]string{"api.yaml:3:36-3:47 warning[GWC3020] 2 operations have a request body that their method gives no meaning | api.yaml:3:77 "}},
		{"a key in an example is told without the key",
			"-- api.yaml --\n" + head + "paths: {/a: {get: {operationId: a, description: 'gw" + "c_f3Kq9ZrT7mWv2LxB8cNd5HsJ6gYp4QaU0e'}}}\n",
			[]string{`api.yaml:3:50-3:88 warning[GWC4110] a key stands in clear in OpenAPI document "api.yaml"`}},
		{"a remote $ref is a warning in a schema and an error as a path item",
			"-- api.yaml --\n" + head + "paths: {/a: {put: {operationId: a, requestBody: {content: {x: {schema: {$ref: 'https://a.example/s.json#/S'}}}}}}, /b: {$ref: 'https://a.example/p.json'}}\n",
			[]string{
				`api.yaml:3:79-3:108 warning[GWC3008] $ref "https://a.example/s.json#/S" is outside the repository and was not read`,
				`api.yaml:3:127-3:153 error[GWC3007] $ref "https://a.example/p.json" is outside the repository, so its operations are not known`,
			}},
		{"$id and $anchor name schemas",
			"-- api.yaml --\nopenapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {/a: {get: {operationId: a}}}\ncomponents: {schemas: {A: {$id: 'https://a.example/a', $anchor: here}, B: {$ref: 'https://a.example/a'}, C: {$ref: '#here'}, D: {$ref: '#there'}}}\n",
			[]string{`api.yaml:4:136-4:144 error[GWC3007] $ref "#there" cannot be resolved: there is no anchor "there"`}},
		{"recursive schemas, and references in a circle, end",
			"-- api.yaml --\n" + head + "paths: {/a: {$ref: '#/paths/~1b'}, /b: {$ref: '#/paths/~1a'}}\ncomponents: {schemas: {A: {properties: {a: {$ref: '#/components/schemas/A'}}}, B: {$ref: '#/components/schemas/B'}}}\n",
			[]string{`api.yaml:3:1-3:6 warning[GWC3015] the document has no operations, so the API publishes nothing`}},
		{"an operationId given twice is an error at the second",
			"-- api.yaml --\n" + head + "paths:\n  /a: {get: {operationId: same}}\n  /b: {get: {operationId: same}}\n",
			[]string{`api.yaml:5:27-5:31 error[GWC3009] operationId "same" is given to two operations: GET /a and GET /b | api.yaml:4:27 first here`}},
		{"missing operationIds are one warning",
			"-- api.yaml --\n" + head + "paths:\n  /a: {get: {}, post: {}}\n  /b: {get: {}}\n  /c: {get: {}}\n  /d: {get: {}}\n",
			[]string{`api.yaml:4:8-4:11 warning[GWC3010] 5 operations have no operationId | api.yaml:4:17  | api.yaml:5:8 `}},
		{"a parameter that is not declared is a warning, and so is one that is not in the path",
			"-- api.yaml --\n" + head + "paths:\n  /a/{petId}: {get: {operationId: a, parameters: [{name: petID, in: path, required: true}]}}\n",
			[]string{
				`api.yaml:4:3-4:13 warning[GWC3012] path parameter "petId" of GET /a/{petId} is not declared`,
				`api.yaml:4:51-4:52 warning[GWC3013] path parameter "petID" is declared for GET /a/{petId}, whose path has no such parameter | did you mean "petId"?`,
			}},
		{"parameters may be declared beside the operations and by reference",
			"-- api.yaml --\n" + head + "paths:\n  /a/{x}/{y}.json: {parameters: [{$ref: '#/components/parameters/X'}], get: {operationId: a, parameters: [{name: y, in: path}]}}\ncomponents: {parameters: {X: {name: x, in: path}}}\n", nil},
		{"a path that is no template is an error at its key",
			"-- api.yaml --\n" + head + "paths:\n  a: {get: {operationId: a}}\n  '/b/{': {get: {operationId: b}}\n  '/{}': {get: {operationId: c}}\n  '/{a}{b}': {get: {operationId: d}}\n",
			[]string{
				`api.yaml:4:3-4:4 error[GWC3011] path "a" is not a path template: the path does not begin with "/"`,
				`api.yaml:5:3-5:9 error[GWC3011] path "/b/{" is not a path template: "{" has an opening brace without a closing one`,
				`api.yaml:6:3-6:8 error[GWC3011] path "/{}" is not a path template: "{}" has a parameter without a name`,
				`api.yaml:7:3-7:12 error[GWC3011] path "/{a}{b}" is not a path template: "{a}{b}" has two parameters with nothing between them`,
			}},
		{"a path with a query is a second face of its operation",
			"-- api.yaml --\n" + head + "paths:\n  /a?x=1: {get: {operationId: ax}, post: {operationId: p}}\n  /a: {get: {operationId: a}}\n",
			[]string{`api.yaml:4:3-4:9 warning[GWC3018] path "/a?x=1" holds a query or fragment, which takes no part in routing`}},
		{"a misspelt method is not dropped in silence",
			"-- api.yaml --\n" + head + "paths:\n  /a: {gett: {operationId: a}, post: {operationId: b}}\n",
			[]string{`api.yaml:4:8-4:12 warning[GWC3014] path item of "/a" has an unknown field "gett", which is not published | did you mean "get"?`}},
		{"a path item or an operation that is no object is an error",
			"-- api.yaml --\n" + head + "paths:\n  /a: [1]\n  /b: {get: soon}\n  /c: null\n  /d: {get: {operationId: d}}\n",
			[]string{
				`api.yaml:4:7-4:8 error[GWC3006] path item of "/a" is not an object`,
				`api.yaml:5:13-5:17 error[GWC3006] operation "get" of "/b" is not an object`,
			}},
		{"x-gwc- extensions are reserved",
			"-- api.yaml --\n" + head + "x-gwc-auth: none\npaths:\n  /a: {get: {operationId: a, x-gwc-timeout: 2s}, x-other: 1}\n",
			[]string{
				`api.yaml:3:1-3:11 error[GWC3016] extension "x-gwc-auth" is not read yet`,
				`api.yaml:5:30-5:43 error[GWC3016] extension "x-gwc-timeout" is not read yet`,
			}},
		{"Swagger 2.0 is refused by name",
			"-- api.json --\n{\"swagger\": \"2.0\"}\n",
			[]string{`api.json:1:13-1:18 error[GWC3005] document is Swagger "2.0", expected OpenAPI 3.0 or 3.1`}},
		{"OpenAPI 3.2 is refused by name",
			"-- api.yaml --\nopenapi: 3.2.0\n",
			[]string{`api.yaml:1:10-1:15 error[GWC3005] document is OpenAPI "3.2.0", which gwc does not read yet; expected 3.0 or 3.1`}},
		{"another YAML file is no document",
			"-- api.yaml --\nopenapy: 3.1.0\n",
			[]string{`api.yaml:1:1-1:8 error[GWC3005] the file is not an OpenAPI document: it has no "openapi" field | did you mean "openapi"?`}},
		{"an empty file is no document",
			"-- api.yaml --\n",
			[]string{`api.yaml:1:1-1:1 error[GWC3005] the file is not an OpenAPI document: it holds no object with an "openapi" field`}},
		{"missing titles are a warning",
			"-- api.yaml --\nopenapi: 3.1.0\ninfo: {title: T}\npaths: {/a: {get: {operationId: a}}}\n",
			[]string{`api.yaml:2:1-2:5 warning[GWC3017] the document has no "info.version"`}},
		{"YAML that does not parse is an error at its line",
			"-- api.yaml --\nopenapi: 3.1.0\ninfo: {title: T\npaths: {}\n",
			[]string{`api.yaml:2:1-2:16 error[GWC3002] not valid YAML: did not find expected ',' or '}'`}},
		{"JSON that does not parse is an error at its place",
			"-- api.json --\n{\"openapi\": \"3.1.0\",\n  \"info\": {,}}\n",
			[]string{`api.json:2:12-2:13 error[GWC3002] not valid JSON: found ',', expected a key in double quotes`}},
		{"a key that stands twice is refused, in YAML",
			"-- api.yaml --\n" + head + "paths:\n  /a: {get: {operationId: a}}\n  /a: {get: {operationId: b}}\n",
			[]string{`api.yaml:5:3-5:5 error[GWC3003] key "/a" stands twice in one object | api.yaml:4:3 first here`}},
		{"a key that stands twice is refused, in JSON and through escapes",
			"-- api.json --\n{\"openapi\": \"3.1.0\",\n \"\\u006fpenapi\": \"3.0.0\"}\n",
			[]string{`api.json:2:2-2:16 error[GWC3003] key "openapi" stands twice in one object | api.json:1:2 first here`}},
		{"a second YAML document is refused",
			"-- api.yaml --\n" + head + "---\nopenapi: 3.1.0\n",
			[]string{`api.yaml:3:1-3:4 error[GWC3002] not valid YAML: a second document begins, one was expected`}},
		{"an operationId with a control character is refused",
			"-- api.yaml --\n" + head + "paths: {/a: {get: {operationId: \"a\\u0000b\"}}}\n",
			[]string{`api.yaml:3:33-3:43 error[GWC3019] operationId cannot be used as a name: it is longer than 256 bytes or holds a control character`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := read(t, test.archive)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings: mismatch (-want +got)\n%s", diff)
			}
		})
	}
}

func TestYAMLMeansWhatJSONMeans(t *testing.T) {
	for _, test := range []struct{ name, yaml, json string }{
		{"anchors, aliases and merge keys",
			"openapi: 3.1.0\nx: &get {operationId: a}\ny: &item {get: *get, post: {operationId: b}}\npaths: {/a: {<<: *item, post: {operationId: c}}, /b: {put: {<<: [{operationId: d}, {operationId: e}]}}}\n",
			`{"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "a"}, "post": {"operationId": "c"}}, "/b": {"put": {"operationId": "d"}}}}`},
		{"keys that are numbers, quoted text, folded text",
			"openapi: \"3.1.0\"\ninfo:\n  title: >\n    Two\n    lines\n  version: 2\npaths:\n  '/it''s':\n    get: {operationId: \"\\x61\", responses: {200: {description: x}}}\n",
			`{"openapi": "3.1.0", "info": {"title": "Two lines\n", "version": "2"}, "paths": {"/it's": {"get": {"operationId": "a"}}}}`},
		{"line ends and byte order mark",
			"\ufeffopenapi: 3.1.0\r\npaths:\r\n  /a:\r\n    get: {operationId: a}\r\n",
			"\ufeff{\"openapi\": \"3.1.0\",\r\n\"paths\": {\"/a\": {\"get\": {\"operationId\": \"\\u0061\"}}}}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			strip := func(d *Document) *Document {
				if d == nil {
					t.Fatal("no document")
				}
				for i := range d.Operations {
					o := &d.Operations[i]
					o.MethodSpan, o.PathSpan, o.IDSpan = diag.Span{}, diag.Span{}, diag.Span{}
				}
				d.File, d.Digest = "", [32]byte{} // of what is written, not of what it means
				return d
			}
			y, _ := read(t, "-- api.yaml --\n"+test.yaml)
			j, _ := read(t, "-- api.json --\n"+test.json)
			if diff := cmp.Diff(strip(j), strip(y)); diff != "" {
				t.Errorf("documents: mismatch (-JSON +YAML)\n%s", diff)
			}
		})
	}
}

func TestPlacesOfOperations(t *testing.T) {
	d, findings := read(t, "-- api.yaml --\nopenapi: 3.1.0\ninfo: {title: T, version: x}\npaths:\n  # é\n  \"/pets/{id}\":\n    parameters: [{name: id, in: path}]\n    delete: &x\n      operationId: removePet\n    get:\n      summary: none\n")
	if want := []string{`api.yaml:9:5-9:8 warning[GWC3010] operation GET /pets/{id} has no operationId`}; !cmp.Equal(want, findings) {
		t.Errorf("findings: mismatch (-want +got)\n%s", cmp.Diff(want, findings))
	}
	at := func(line, col, offset, n int) diag.Span {
		return diag.Span{File: "api.yaml", Start: diag.Pos{Line: line, Col: col, Offset: offset}, End: diag.Pos{Line: line, Col: col + n, Offset: offset + n}}
	}
	want := []Operation{
		{ID: "get_/pets/{id}", Summary: "none", Method: "GET", Path: "/pets/{id}", Params: []string{"id"}, MethodSpan: at(9, 5, 161, 3), PathSpan: at(5, 3, 60, 12), IDSpan: at(9, 5, 161, 3)},
		{ID: "removePet", Given: true, Method: "DELETE", Path: "/pets/{id}", Params: []string{"id"}, MethodSpan: at(7, 5, 117, 6), PathSpan: at(5, 3, 60, 12), IDSpan: at(8, 20, 147, 9)},
	}
	if diff := cmp.Diff(want, d.Operations); diff != "" {
		t.Errorf("operations: mismatch (-want +got)\n%s", diff)
	}
}

func TestHostileDocumentsAreRefusedWithBoundedWork(t *testing.T) {
	bomb := "openapi: 3.1.0\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n"
	for i := 1; i < 60; i++ {
		bomb += fmt.Sprintf("x%d: &x%d [%s*x%d]\n", i, i, strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 9), i-1)
	}
	schemas := "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {/a: {get: {operationId: a}}}\ncomponents:\n  schemas:\n    s0: &s0 {type: object}\n"
	for i := 1; i < 60; i++ {
		schemas += fmt.Sprintf("    s%d: &s%d {allOf: [*s%d, *s%d, *s%d]}\n", i, i, i-1, i-1, i-1)
	}
	chain := "openapi: 3.1.0\nx0: &x0 {}\n"
	for i := 1; i < 2000; i++ {
		chain += fmt.Sprintf("x%d: &x%d {a: *x%d}\n", i, i, i-1)
	}
	merges := "openapi: 3.1.0\nx: &x {" + strings.Repeat("k: 1, ", 0)
	for i := range 5000 {
		merges += fmt.Sprintf("k%d: 1, ", i)
	}
	merges += "}\npaths: {<<: [" + strings.Repeat("*x, ", 5000) + "]}\n"
	refs := "openapi: 3.1.0\ninfo: {title: T, version: '1'}\npaths: {/a: {get: {operationId: a}}}\ncomponents:\n  schemas:\n"
	for i := range 3000 {
		refs += fmt.Sprintf("    s%d: {allOf: [{$ref: '#/components/schemas/s%d'}, {$ref: '#/components/schemas/s%d'}]}\n", i, (i+1)%3000, (i*7)%3000)
	}
	for _, test := range []struct {
		name, file, src string
		want            string // a part of the first finding; "" for none
	}{
		{"aliases that would multiply", "a.yaml", bomb, "GWC3017"},
		{"schemas that would multiply", "a.yaml", schemas, ""},
		{"aliases that hide depth", "a.yaml", chain, "GWC3004] the document nests deeper than 300 levels"},
		{"an alias inside what it names", "a.yaml", "openapi: 3.1.0\nx: &x {a: *x}\n", "GWC3004] alias"},
		{"merge keys that multiply", "a.yaml", merges, "GWC3004] the document holds more than"},
		{"references in a web", "a.yaml", refs, ""},
		{"deep JSON", "a.json", strings.Repeat("[", 1_000_000), "GWC3004] the document nests deeper than 300 levels"},
		{"deep JSON objects", "a.json", strings.Repeat(`{"a":`, 1_000_000), "GWC3004]"},
		{"deep flow YAML", "a.yaml", "a: " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), "GWC3004]"},
		{"deeper flow YAML", "a.yaml", "a: " + strings.Repeat("[", 1_000_000), "GWC3004]"},
		{"deep block YAML", "a.yaml", strings.Repeat("- ", 9_000) + "a", "GWC3004]"},
		{"many values", "a.json", "[" + strings.Repeat("1,", maxValues+1) + "1]", "GWC3004] the document holds more than"},
		{"many values in YAML", "a.yaml", "[" + strings.Repeat("1,", maxValues+1) + "1]", "GWC3004] the document holds more than"},
		{"an unknown alias", "a.yaml", "a: *b", "GWC3002]"},
		{"not UTF-8", "a.yaml", "openapi: 3.1.0\nx: \xff\n", "GWC3002] the file is not UTF-8"},
		{"UTF-16", "a.yaml", "\xff\xfeo\x00p\x00", "GWC3002] the file is not UTF-8"},
		{"a NUL", "a.yaml", "openapi: 3.1.0\x00\n", "GWC3002]"},
		{"tabs", "a.yaml", "openapi: 3.1.0\ninfo:\n\ttitle: T\n", "GWC3002]"},
		{"keys that are not text", "a.yaml", "? {a: b}\n: c\n", "GWC3002] a key is not a string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, report := Read(Input{Files: Bytes{test.file: []byte(test.src)}, Wanted: []Wanted{{File: test.file}}})
			got := strings.Join(lines(report), "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("findings %q, want %q", got, test.want)
			}
			t.Logf("%d bytes in %v", len(test.src), time.Since(start))
		})
	}
}

func TestCacheKeepsWhatDidNotChange(t *testing.T) {
	files := map[string][]byte{
		"a.yaml": []byte("openapi: 3.1.0\ninfo: {title: A, version: '1'}\npaths: {/a: {$ref: 'b.yaml#/x'}}\n"),
		"b.yaml": []byte("x: {get: {operationId: b}}\n"),
	}
	var cache Cache
	in := Input{Files: Bytes(files), Wanted: []Wanted{{File: "a.yaml"}}, Cache: &cache}
	Read(in)
	before := cache.trees
	files["b.yaml"] = []byte("x: {get: {operationId: c}}\n")
	docs, _ := Read(in)
	if got := docs.ByFile["a.yaml"].Operations[0].ID; got != "c" {
		t.Errorf("operation %q after the change, want %q", got, "c")
	}
	if len(cache.trees) != 2 {
		t.Errorf("the cache holds %d files, want the 2 that were read last", len(cache.trees))
	}
	same := 0
	for k, e := range cache.trees {
		if before[k] == e {
			same++
		}
	}
	if same != 1 {
		t.Errorf("%d files were taken from the cache, want 1", same)
	}
	if want := []string{"a.yaml", "b.yaml"}; !cmp.Equal(want, docs.Read) {
		t.Errorf("files read: mismatch (-want +got)\n%s", cmp.Diff(want, docs.Read))
	}
}
