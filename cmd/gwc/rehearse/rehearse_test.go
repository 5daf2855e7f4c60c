package rehearse_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gwc-dev/gwc/cmd/gwc/rehearse"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/schema/artifact"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// platform is the repository of most tests here.
const platform = `package gateway

gateway: listeners: main: address: "127.0.0.1:8080"
providers: openai: {kind: "openai", credentials: [{ref: "env:KEY"}], timeouts: {connect: "5s", firstByte: "2m", idle: "1m"}}
providers: claude: {kind: "anthropic", baseURL: "https://claude.example/x", credentials: [{ref: "file:c"}]}
models: m: {targets: [{provider: "claude", model: "c-1"}, {provider: "openai", model: "o-1"}]}
models: one: {targets: [{provider: "openai", model: "o-2"}], retry: attempts: 3}
upstreams: pets: {endpoints: [{url: "http://10.0.0.7:8080/base"}, {url: "http://10.0.0.8:8080"}], timeouts: {connect: "2s", firstByte: "10s", idle: "3s"}}
apis: pets: {openapi: "pets.yaml", basePath: "/pets", upstream: "pets", policies: timeout: "1h"}
apis: open: {openapi: "pets.yaml", basePath: "/open", upstream: "pets", hosts: ["open.example"], policies: auth: "none"}
tenants: acme: apps: web: {
	keys: [{id: "old", hash: "sha256:` + "1111111111111111111111111111111111111111111111111111111111111111" + `", expires: "2026-06-30"}, {id: "new", hash: "sha256:` + "2222222222222222222222222222222222222222222222222222222222222222" + `"}]
	models: ["m", "one"]
	limits: [{requests: 2, per: "1m"}]
}
tenants: acme: apps: free: {keys: [{id: "k", hash: "sha256:` + "3333333333333333333333333333333333333333333333333333333333333333" + `"}], models: ["m", "one"]}
`

const document = `openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets:
    get: {operationId: listPets}
    post: {operationId: addPet}
`

// run builds the platform with tests and returns what failed, in words, and the coverage.
func run(t testing.TB, tests string, o rehearse.Options) ([]string, *rehearse.Coverage) {
	t.Helper()
	return runIn(t, map[string]string{"gateway.cue": platform, "pets.yaml": document, "tests/a.cue": "package gateway\n" + tests}, o)
}

func runIn(t testing.TB, files map[string]string, o rehearse.Options) ([]string, *rehearse.Coverage) {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	res, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Tool: "test", Rehearsal: true})
	if err != nil {
		t.Fatal(err)
	}
	if res.Bytes == nil || len(res.Tests) == 0 {
		for _, d := range res.Report.All() {
			t.Errorf("%s %s at %v", d.Code, d.Summary, d.Primary.Span)
		}
		t.FailNow()
	}
	a, digest, err := artifact.Decode(res.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, cover := rehearse.Run(context.Background(), a, digest.String(), res.Tests, o)
	var failed []string
	for _, out := range outcomes {
		for _, f := range out.Failures {
			failed = append(failed, fmt.Sprintf("%s: %s: %s is %s, expected %s", out.Test.Name, f.Request, f.Path, f.Got, f.Want))
		}
	}
	return failed, cover
}

const ask = `_ask: {method: "POST", path: "/v1/chat/completions", as: "acme/free", json: {model: string | *"one", stream: bool | *false, messages: [{role: "user", content: "Hi"}]}}
_list: {path: "/pets/pets", as: "acme/free"}
`

// TestWhatTheEngineDoes runs tests that all pass, because each says what the runtime really does.
func TestWhatTheEngineDoes(t *testing.T) {
	for _, test := range []struct{ name, tests string }{
		{"endpoints take turns, with their own prefixes", `steps: [
			{request: _list, expect: calls: [{endpoint: "10.0.0.7:8080", path: "/base/pets", host: "10.0.0.7:8080"}]},
			{request: _list, expect: calls: [{endpoint: "10.0.0.8:8080", path: "/pets"}]}]`},
		{"a server that accepts no connection is left out", `{request: _list, upstreams: pets: [{fault: "refuse"}, {status: 201}],
			expect: {answer: status: 201, record: attempts: [{error: "connect"}, {status: 201}], calls: [{method?: _|_}, {method: "GET"}]}}`},
		{"connecting takes its time", `{request: _list, upstreams: pets: [{fault: "unreachable"}, {fault: "refuse"}],
			expect: {answer: status: 502, record: {error: "connect", duration_ms: >=2000 & <2300}}}`},
		{"a server that is silent times out", `{request: _list, upstreams: pets: [{fault: "silence"}],
			expect: {answer: {status: 504, json: type: =~"timeout"}, record: {error: "timeout", duration_ms: >=10000 & <10300}}}`},
		{"a first byte just in time", `{request: _list, upstreams: pets: [{delay: "9900ms"}], expect: {answer: status: 200, record: {duration_ms: 9900, first_byte_ms: 9900}}}`},
		{"a pause between two pieces", `{request: _list, upstreams: pets: [{events: [{data: "a"}, {data: "b", delay: "2900ms"}, {data: "c", delay: "2900ms"}]}],
			expect: {answer: {status: 200, events: [{data: "a"}, {data: "b"}, {data: "c"}]}, record: duration_ms: 5800}}`},
		{"a pause that is too long", `{request: _list, upstreams: pets: [{events: [{data: "a"}, {data: "b", delay: "1h"}]}],
			expect: {answer: {status: 200, cut: true, body: "data: a\n\n"}, record: {error: "timeout", duration_ms: >=3000 & <3300}}}`},
		{"a route's timeout ends a trickle", `{request: _list, upstreams: pets: [{events: [for i in list.Range(0, 2000, 1) {data: "x", delay: "2s"}]}],
			expect: {answer: {status: 200, cut: true}, record: {error: "timeout", duration_ms: >=3600000 & <3600300}}}`},
		{"a body that breaks off", `{request: _list, upstreams: pets: [{body: "hello", cut: 2}], expect: {answer: {status: 200, body: "he", cut: true}}}`},
		{"a connection that is closed", `{request: _list, upstreams: pets: [{fault: "close"}], expect: answer: status: 502}`},
		{"an answer that is no HTTP", `{request: _list, upstreams: pets: [{fault: "garbage"}], expect: {answer: status: 502, record: error: "upstream_protocol"}}`},
		{"a body in pieces", `{request: _list, upstreams: pets: [{body: "0123456789", pieces: 3}], expect: answer: {body: "0123456789", headers: {"content-length"?: _|_}}}`},
		{"an empty answer", `{request: _list, upstreams: pets: [{status: 204}], expect: answer: {status: 204, body: ""}}`},
		{"HEAD", `{request: {method: "HEAD", path: "/pets/pets", as: "acme/free"}, expect: answer: {body: "", status: 405 | 200}}`},
		{"a request's body arrives", `{request: {method: "POST", path: "/pets/pets?a=b", as: "acme/free", body: "x y", headers: "Content-Type": "text/plain"},
			expect: calls: [{body: "x y", query: "a=b", json?: _|_, headers: "content-type": "text/plain"}]}`},
		{"the key is consumed, other credentials are not", `{request: {path: "/pets/pets", as: "acme/free", headers: "x-api-key": "theirs"}, expect: calls: [{headers: {authorization?: _|_, "x-api-key": "theirs"}}]}`},
		{"a host decides", `steps: [{request: {path: "/open/pets", host: "open.example"}, expect: {answer: status: 200, record: {api: "open", key?: _|_}}},
			{request: path: "/open/pets", expect: answer: status: 404}]`},
		{"a key expires at the end of its day", `{at: "2026-06-30T23:59:59Z", steps: [
			{request: {path: "/v1/models", as: "acme/web", key: "old"}, expect: record: key: "old"},
			{advance: "1s", request: {path: "/v1/models", as: "acme/web", key: "old"}, expect: answer: {status: 401, json: error: message: =~"expired"}},
			{request: {path: "/v1/models", as: "acme/web"}, expect: record: key: "new"}]}`},
		{"a limit refuses, and time gives it back", `steps: [
			{request: {path: "/v1/models", as: "acme/web"}, times: 2, expect: answer: status: 200},
			{request: {path: "/v1/models", as: "acme/web"}, expect: {answer: {status: 429, headers: "retry-after": "30"}, record: limit: "2 per 1m"}},
			{advance: "29s", request: {path: "/v1/models", as: "acme/web"}, expect: answer: status: 429},
			{advance: "1s"},
			{request: {path: "/v1/models", as: "acme/web"}, expect: answer: status: 200}]`},
		{"a refused request uses nothing of another app's limit", `steps: [{request: {path: "/v1/models", as: "acme/web"}, times: 2, expect: answer: status: 200},
			{request: {path: "/v1/models", as: "acme/free"}, times: 20, expect: answer: status: 200}]`},
		{"an https provider is called as such", `{request: _ask & {json: model: "m"}, expect: calls: [{provider: "claude", host: "claude.example", endpoint: "claude.example:443", path: "/x/v1/messages", headers: "x-api-key": "{file:c}"}]}`},
		{"a retry waits", `{request: _ask, providers: openai: [{status: 500}, {status: 429, headers: "retry-after": "1"}, {}],
			expect: {answer: status: 200, record: {attempts: [{status: 500}, {status: 429}, {status: 200}], duration_ms: >=1000 & <2000}}}`},
		{"attempts are used up", `{request: _ask, providers: openai: [{status: 500}], expect: {answer: status: 500, calls: [{}, {}, {}]}}`},
		{"a script goes on in later steps", `{providers: openai: [{status: 400}, {}], steps: [{request: _ask, expect: answer: status: 400}, {request: _ask, times: 2, expect: answer: status: 200},
			{request: _ask, providers: openai: [{status: 401}], expect: answer: status: 401}]}`},
		{"a stream is translated", `{request: _ask & {json: {model: "m", stream: true}}, expect: {answer: {text: !="", events: [_, ...]}, record: {stream: true, tokens: output: >0, provider: "claude"}}}`},
		{"a stream that ends without its end", `{request: _ask & {json: stream: true}, providers: openai: [{events: [{data: {choices: [{delta: content: "a"}]}}]}], expect: {answer: cut: true, record: error: "upstream_protocol"}}`},
		{"a large body goes through a goroutine", `{request: {method: "POST", path: "/v1/chat/completions", as: "acme/free", json: {model: "one", messages: [{role: "user", content: strings.Repeat("x", 300000)}]}},
			providers: openai: [{delay: "1s"}], expect: {answer: status: 200, record: {bytes_in: >300000, duration_ms: 1000}}}`},
		{"a large answer", `{request: _list, upstreams: pets: [{body: strings.Repeat("0123456789", 200000)}], expect: {record: bytes_out: 2000000}}`},
		{"malformed JSON is refused", `{request: {method: "POST", path: "/v1/chat/completions", as: "acme/free", body: "{"}, expect: {answer: status: 400, calls: []}}`},
		{"what is no request has no record", `{request: {path: "/pets/pets", headers: {"transfer-encoding": "x"}}, expect: answer: status: 400 | 501}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			imports := ""
			for _, p := range []string{"list", "strings"} {
				if strings.Contains(test.tests, p+".R") {
					imports += "import \"" + p + "\"\n"
				}
			}
			body := test.tests
			if strings.HasPrefix(body, "steps") {
				body = "{" + body + "}"
			}
			failed, _ := run(t, imports+ask+"tests: it: "+body, rehearse.Options{})
			if len(failed) > 0 {
				t.Errorf("%s", strings.Join(failed, "\n"))
			}
		})
	}
}

// TestFailuresSayWhat runs tests that fail.
func TestFailuresSayWhat(t *testing.T) {
	for _, test := range []struct {
		name, tests string
		want        []string
	}{
		{"a status", `{request: _list, expect: answer: status: 404}`, []string{"it: GET /pets/pets as acme/free: answer.status is 200, expected 404"}},
		{"a call too many", `{request: _list, expect: calls: []}`, []string{"it: GET /pets/pets as acme/free: calls is 1 element: "}},
		{"a step", `{steps: [{advance: "1s"}, {request: _list, times: 3, expect: record: status: <200}]}`, []string{"it: step 2: request 1 of 3: GET /pets/pets as acme/free: record.status is 200, expected <200"}},
		{"an answer that breaks off without anybody saying so", `{request: _list, upstreams: pets: [{body: "hello", cut: 1}], expect: answer: status: 200}`, []string{"it: GET /pets/pets as acme/free: answer.cut is true, expected false"}},
		{"an answer without an end", `{request: {path: "/open/pets", host: "open.example"}, upstreams: pets: [{fault: "endless"}], expect: answer: status: 200}`, []string{"it: GET /open/pets: answer.cut is true, expected false"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			failed, _ := run(t, ask+"tests: it: "+test.tests, rehearse.Options{})
			if len(failed) != len(test.want) {
				t.Fatalf("got %q, want %q", failed, test.want)
			}
			for i, w := range test.want {
				if !strings.HasPrefix(failed[i], w) {
					t.Errorf("got %q, want %q", failed[i], w)
				}
			}
		})
	}
}

// TestATestThatNeverEndsIsEnded takes the machine's time from a test: it is ended, and the others are not harmed.
func TestATestThatNeverEndsIsEnded(t *testing.T) {
	failed, _ := run(t, ask+`
tests: a: steps: [{request: _list, times: 10000, expect: answer: status: 200}]
tests: b: {request: _list, expect: answer: status: 200}
`, rehearse.Options{Limit: time.Millisecond, Workers: 1})
	if len(failed) == 0 || !strings.Contains(failed[0], "takes too long") {
		t.Errorf("it was not ended: %q", failed)
	}
}

// TestCoverageTellsWhatWasNeverExercised counts the parts that tests reach.
func TestCoverageTellsWhatWasNeverExercised(t *testing.T) {
	failed, cover := run(t, ask+`
tests: a: {request: _list, expect: answer: status: 200}
tests: b: {request: path: "/pets/pets", expect: answer: status: 401}
tests: c: {request: _ask & {json: model: "m"}, expect: answer: status: 200}
tests: d: {request: {path: "/v1/models", as: "acme/web", key: "old"}, expect: answer: status: 200}
`, rehearse.Options{})
	if len(failed) > 0 {
		t.Fatal(failed)
	}
	var covered, never []string
	for _, i := range cover.Items {
		line := fmt.Sprintf("%s %s %s", i.Tenant, i.Kind, i.Name)
		if i.Covered {
			covered = append(covered, line)
		} else {
			never = append(never, line)
		}
	}
	if d := cmp.Diff([]string{
		" operation pets.listPets", ` policy auth "key" of API pets`, " target m: target 1, claude/c-1",
		"acme key acme/free: k", "acme key acme/web: old",
	}, covered); d != "" {
		t.Errorf("covered: mismatch (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{
		" operation open.addPet", " operation open.listPets", " operation pets.addPet",
		` policy auth "key" of the models' paths`, ` policy auth "none" of API open`, " policy timeout 1h0m0s of API pets",
		" target m: target 2, openai/o-1", " target one: target 1, openai/o-2", "acme key acme/web: new", "acme policy limit 2 per 1m of app acme/web",
	}, never); d != "" {
		t.Errorf("never: mismatch (-want +got):\n%s", d)
	}
}

// TestOutcomesAreTheSameEachTime runs tests that fail many times, side by side: what they say must not depend on the
// machine's load.
func TestOutcomesAreTheSameEachTime(t *testing.T) {
	var b strings.Builder
	b.WriteString(ask)
	for i := range 60 {
		fmt.Fprintf(&b, "tests: \"t%02d\": {request: _ask & {json: model: \"m\"}, providers: {claude: [{fault: \"silence\"}], openai: [{status: 503, delay: \"%dms\"}]}, expect: {record: {duration_ms: 0, upstream_ms: 0}, answer: body: \"\"}}\n", i, 1+i*37)
	}
	first, _ := run(t, b.String(), rehearse.Options{Workers: 1})
	for range 3 {
		again, _ := run(t, b.String(), rehearse.Options{Workers: 8})
		if d := cmp.Diff(first, again); d != "" {
			t.Fatalf("mismatch (-first +again):\n%s", d)
		}
	}
}

// BenchmarkTwoHundredTests is a repository with 200 tests of one request, a third of them with a timeout of minutes.
func BenchmarkTwoHundredTests(b *testing.B) {
	var text strings.Builder
	text.WriteString(ask)
	for i := range 200 {
		answer := `{}`
		if i%3 == 0 {
			answer = `{fault: "silence"}, {}`
		}
		fmt.Fprintf(&text, "tests: \"t%d\": {request: _ask, providers: openai: [%s], expect: answer: status: 200}\n", i, answer)
	}
	for b.Loop() {
		if failed, _ := run(b, text.String(), rehearse.Options{}); len(failed) > 0 {
			b.Fatal(failed)
		}
	}
}
