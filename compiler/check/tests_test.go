package check

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/schema/diag"
)

// testsOf checks a file of tests, which has one test of one request with the expectation on its record.
func testsOf(t *testing.T, text string) ([]script.Test, []diag.Diagnostic) {
	t.Helper()
	src, report, err := load.Load(fstest.MapFS{"tests/a.cue": {Data: []byte("package gateway\n" + text)}})
	if err != nil || report.Failed() {
		t.Fatal(err, report.All())
	}
	if len(src.Units) != 0 || len(src.Tests) != 1 {
		t.Fatalf("units %v, tests %v", src.Units, src.Tests)
	}
	tests, report, err := Tests(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	return tests.Tests, report.All()
}

// TestExpectationsAreCUE holds actual values against what files expect.
func TestExpectationsAreCUE(t *testing.T) {
	for _, test := range []struct{ name, expect, actual, want string }{
		{"equal text", `{route: "a.b"}`, `{"route":"a.b","x":1}`, ``},
		{"other text", `{route: "a.b"}`, `{"route":"a.c"}`, `record.route: want "a.b", got "a.c"`},
		{"a missing field", `{route: "a.b"}`, `{}`, `record.route: want "a.b", got nothing`},
		{"a field that must be absent", `{error?: _|_}`, `{"error":"auth"}`, `record.error: want nothing, got "auth"`},
		{"a field that is absent", `{error?: _|_}`, `{}`, ``},
		{"an optional field that is absent", `{error?: "auth"}`, `{}`, ``},
		{"an optional field that is there", `{error?: "auth"}`, `{"error":"x"}`, `record.error: want "auth", got "x"`},
		{"any value", `{error: _}`, `{"error":null}`, ``},
		{"any value that is absent", `{error: _}`, `{}`, `record.error: want any value, got nothing`},
		{"a bound that holds", `{duration_ms: >=100 & <200}`, `{"duration_ms":100}`, ``},
		{"a bound that does not hold", `{duration_ms: >=100 & <200}`, `{"duration_ms":200.5}`, `record.duration_ms: want >=100 & <200, got 200.5`},
		{"one number in two forms", `{duration_ms: 1}`, `{"duration_ms":1.0}`, ``},
		{"a number that is no text", `{status: "1"}`, `{"status":1}`, `record.status: want "1", got 1`},
		{"a huge number", `{status: 1}`, `{"status":1e999999999}`, `record.status: want 1, got 1e999999999`},
		{"a pattern of text", `{route: =~"^a"}`, `{"route":"b"}`, `record.route: want =~"^a", got "b"`},
		{"alternatives", `{status: 200 | 201}`, `{"status":204}`, `record.status: want 200 | 201, got 204`},
		{"alternatives with a default", `{status: *200 | 201}`, `{"status":201}`, ``},
		{"a type", `{route: string}`, `{"route":1}`, `record.route: want string, got 1`},
		{"not", `{error: !="auth"}`, `{"error":"auth"}`, `record.error: want !="auth", got "auth"`},
		{"a struct has more fields", `{tokens: input: 1}`, `{"tokens":{"input":1,"output":2}}`, ``},
		{"a closed struct", `{tokens: close({input: 1})}`, `{"tokens":{"input":1,"output":2}}`, `record.tokens.output: want nothing (the struct is closed), got 2`},
		{"a list in full", `{attempts: [{status: 500}, {status: 200}]}`, `{"attempts":[{"status":500}]}`, `record.attempts: want 2 elements, got 1 element: [{"status":500}]`},
		{"an empty list", `{attempts: []}`, `{"attempts":[1]}`, `record.attempts: want no elements, got 1 element: [1]`},
		{"an open list", `{attempts: [{status: 500}, ...]}`, `{"attempts":[{"status":500},{"status":200}]}`, ``},
		{"an open list of a type", `{attempts: [...{status: 500}]}`, `{"attempts":[{"status":500},{"status":200}]}`, `record.attempts[1].status: want 500, got 200`},
		{"an element", `{attempts: [{status: 500}]}`, `{"attempts":[{"status":"x"}]}`, `record.attempts[0].status: want 500, got "x"`},
		{"a list that is none", `{attempts: [1]}`, `{"attempts":{}}`, `record.attempts: want a list, got {}`},
		{"null", `{error: null}`, `{"error":null}`, ``},
		{"a label that is no word", `{tokens: "a b": 1}`, `{"tokens":{}}`, `record.tokens["a b"]: want 1, got nothing`},
		{"a reference in the file", `{route: _r}`, `{"route":"z"}`, `record.route: want "r", got "z"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			tests, found := testsOf(t, "_r: \"r\"\ntests: x: {request: path: \"/\", expect: record: "+test.expect+"}\n")
			if len(found) > 0 || len(tests) != 1 {
				t.Fatalf("%d tests, findings %v", len(tests), found)
			}
			actual, ok := script.Decode([]byte(test.actual))
			if !ok {
				t.Fatal("the actual value is no JSON")
			}
			var got []string
			for _, m := range tests[0].Steps[0].Expect.Record.Match("record", actual) {
				got = append(got, fmt.Sprintf("%s: want %s, got %s", m.Path, m.Want, m.Got))
				if m.At.File != "tests/a.cue" || m.At.Start.Line < 2 {
					t.Errorf("%s has the place %v", m.Path, m.At)
				}
			}
			if d := cmp.Diff(test.want, strings.Join(got, "\n")); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

func TestTestsAreWhatFilesSay(t *testing.T) {
	tests, found := testsOf(t, `
tests: "b": {
	at: "2027-01-02T03:04:05Z"
	providers: openai: [{status: 503, headers: "retry-after": "1"}, {events: [{data: {a: 1}}, {data: "x\ny", event: "e", delay: "2s"}], cut: 7}]
	steps: [
		{request: {method: "POST", path: "/v1/x?y=1", as: "acme/web", key: "k", json: {a: 1.5, b: ["x"]}, headers: "X-A": "1"}},
		{advance: "1m30s"},
		{request: {path: "/", body: "text"}, times: 3, upstreams: pets: [{fault: "refuse"}], expect: answer: status: 502},
	]
}
`)
	if len(found) > 0 || len(tests) != 1 {
		t.Fatal(tests, found)
	}
	type answer struct {
		Status  int
		Events  []string
		Headers []script.Header
		Cut     int64
		Fault   string
	}
	var got []string
	line := func(v any) { b, _ := json.Marshal(v); got = append(got, string(b)) }
	line(tests[0].Begin)
	for _, s := range tests[0].Steps {
		if q := s.Request; q != nil {
			line([]any{q.Method, q.Path, q.Host, q.As, q.Key, q.Headers, string(q.Body), q.PlainJSON})
		}
		line([]any{s.Advance.String(), s.Times, s.Expect.Empty()})
		for _, list := range [][]script.Script{s.Providers, s.Upstreams} {
			for _, sc := range list {
				for _, a := range sc.Answers {
					out := answer{Status: a.Status, Headers: a.Headers, Cut: a.Cut, Fault: a.Fault}
					for _, e := range a.Events {
						out.Events = append(out.Events, e.Delay.String()+" "+string(e.Wire))
					}
					line([]any{sc.Name, out})
				}
			}
		}
	}
	want := []string{
		`"2027-01-02T03:04:05Z"`,
		`["POST","/v1/x?y=1","gateway.test","acme/web","k",[{"Name":"X-A","Value":"1"}],"{\"a\":1.5,\"b\":[\"x\"]}",true]`,
		`["0s",1,true]`,
		`["openai",{"Status":503,"Events":null,"Headers":[{"Name":"retry-after","Value":"1"}],"Cut":-1,"Fault":""}]`,
		`["openai",{"Status":200,"Events":["0s data: {\"a\":1}\n\n","2s event: e\ndata: x\ndata: y\n\n"],"Headers":null,"Cut":7,"Fault":""}]`,
		`["1m30s",1,true]`,
		`["GET","/","gateway.test","","",null,"text",false]`,
		`["0s",3,false]`,
		`["pets",{"Status":200,"Events":null,"Headers":null,"Cut":-1,"Fault":"refuse"}]`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

// TestMistakesInTests gives each mistake its one finding.
func TestMistakesInTests(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"a typo in a test", `x: {reqest: path: "/"}`, `GWC1203 unknown field "reqest" in test`},
		{"a typo in a request", `x: {request: {path: "/", metod: "GET"}}`, `GWC1203 unknown field "metod" in "request"`},
		{"a typo in an expectation", `x: {request: path: "/", expect: anser: status: 200}`, `GWC1203 unknown field "anser" in "expect"`},
		{"a typo in a record", `x: {request: path: "/", expect: record: rout: "x"}`, `GWC1203 unknown field "rout" in "record"`},
		{"a typo of an absent field", `x: {request: path: "/", expect: record: {eror?: _|_}}`, `GWC1203 unknown field "eror" in "record"`},
		{"a typo in a call", `x: {request: path: "/", expect: calls: [{provder: "x"}]}`, `GWC1203 unknown field "provder" in "calls"`},
		{"a status out of bounds", `x: {request: path: "/", upstreams: u: [{status: 700}], expect: answer: status: 200}`, `GWC1205 "status" is 700`},
		{"an unknown fault", `x: {request: path: "/", upstreams: u: [{fault: "fire"}], expect: answer: status: 200}`, `GWC1202 "fault" is "fire"`},
		{"a constraint as data", `x: {request: {path: "/", json: {a: >1}}, expect: answer: status: 200}`, `GWC1405 "json" has no definite value`},
		{"a conflict", `x: {request: path: "/", expect: answer: status: 200 & 201}`, `GWC1002 "tests.x.expect.answer.status" has two values`},
		{"a secret", `x: {request: {path: "/", headers: authorization: "Bearer abcdefgh"}, expect: answer: status: 401}`, `GWC1301 header "authorization" carries a secret`},
		{"an empty test", `x: {}`, `GWC1403 test "x" makes no request`},
		{"steps and a request", `x: {request: path: "/", steps: [{request: path: "/"}], expect: answer: status: 200}`, `GWC1403 test "x" has steps and a "request" of its own`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, found := testsOf(t, "tests: "+test.text)
			if len(found) == 0 || !strings.HasPrefix(string(found[0].Code)+" "+found[0].Summary, test.want) {
				t.Errorf("found %v, want %s", found, test.want)
			}
			if len(found) > 1 && test.name != "steps and a request" {
				t.Errorf("there is more: %v", found[1:])
			}
		})
	}
}
