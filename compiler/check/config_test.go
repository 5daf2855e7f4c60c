package check

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// config checks files that must be correct.
func config(t *testing.T, files map[string]string) *Config {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte("package gateway\n" + text)}
	}
	src, report, err := load.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	cfg, r := Check(src)
	report.Merge(r)
	for _, d := range report.All() {
		t.Errorf("%s: %s", d.Code, d.Summary)
	}
	if cfg == nil {
		t.FailNow()
	}
	return cfg
}

func TestEveryFieldReachesTheConfig(t *testing.T) {
	got := config(t, map[string]string{"gateway.cue": whole})
	timeouts := Timeouts{Connect: time.Second, FirstByte: 2 * time.Second, Idle: 3 * time.Second, Total: 4 * time.Minute}
	want := &Config{
		Gateway: Gateway{
			Listeners: map[string]Listener{
				"main":  {Address: "127.0.0.1:8080", Engine: "std", TLS: &TLS{Cert: "file:a.pem", Key: "file:a.key"}},
				"other": {Address: "[::1]:8081", Engine: "netpoll"},
			},
			Admin: ":9090",
			Calls: Calls{Dir: "calls", Flush: time.Second, MaxBytes: 64 << 20},

			Unwaivable: []string{"security", "GWC5102"},
		},
		Providers: map[string]Provider{
			"openai": {
				Catalogue: "openai", Kind: "openai", BaseURL: "https://api.openai.com/v1", Credentials: []string{"env:A", "file:b"},
				Headers: map[string]string{"X-Team": "blue"}, Timeouts: timeouts,
			},
			"claude": {
				Kind: "anthropic", BaseURL: "https://api.anthropic.com",
				Timeouts: Timeouts{Connect: 5 * time.Second, FirstByte: 2 * time.Minute, Idle: time.Minute},
			},
		},
		Models: map[string]Model{"fast": {
			Strategy: "priority", Targets: []Target{{Provider: "openai", Model: "gpt-5"}, {Provider: "claude", Model: "c", Price: &Price{Rates: []price.Rate{{Kind: price.Request, Femto: 10_000_000_000_000}}}}},
			Retry: Retry{Attempts: 2, On: []string{"429", "connect"}}, Timeouts: timeouts, MaxTokens: 100, OnLoss: "warn",
			Capabilities: []string{"tools", "vision"},
			Price: &Price{Source: "https://example.com/prices", Date: "2026-06-30", Rates: []price.Rate{
				{Kind: price.Input, Femto: 1_250_000_000}, {Kind: price.Output, Femto: 10_000_000_000}, {Kind: price.CacheRead, Femto: 125_000_000},
				{Kind: price.CacheWrite, Femto: 1_000_000_000}, {Kind: price.CacheWrite1h, Femto: 2_000_000_000}, {Kind: price.Reasoning, Femto: 10_000_000_000},
				{Kind: price.InputAudio, Femto: 40_000_000_000}, {Kind: price.OutputAudio, Femto: 80_000_000_000},
				{Kind: price.Image, Femto: 40_000_000_000_000}, {Kind: price.Request},
				{Service: "batch", Above: 200_000, Kind: price.Input, Femto: 2_500_000_000},
			}},
		}},
		Catalogue: map[string]Facts{"openai/house": {
			Like: "openai/gpt-5", Context: 1000, Output: 100, Has: []string{"tools"}, Lacks: []string{"pdf"},
			Price: &Price{Rates: []price.Rate{{Kind: price.Input, Femto: 1_000_000_000}}}, Deprecated: "2026-01-01", Retires: "2027-01-01", Replacement: "gpt-5",
		}},
		Upstreams: map[string]Upstream{"pets": {Endpoints: []Endpoint{{"http://10.0.0.7:8080", 3}}, Timeouts: timeouts}},
		APIs: map[string]API{"pets": {
			Owner: "acme", OpenAPI: "pets.yaml", Only: []string{"listPets", "getPet"}, Exclude: []string{"getPet"}, BasePath: "/pets/v1", Hosts: []string{"a.example", "*.b.example"}, Upstream: "pets",
			Policies:   Policies{Auth: "none", Timeout: 5 * time.Second},
			Operations: map[string]Operation{"listPets": {Policies{Auth: "key", Timeout: time.Second}}},
		}},
		Tenants: map[string]Tenant{"acme": {
			Owners: []string{"@acme/leads"},
			Apps: map[string]App{"web": {
				Keys: []Key{{ID: "k", Expires: time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC).Unix()}}, Models: []string{"fast"},
				Limits: []Limit{{5, time.Minute}},
			}},
		}},
		Assertions: map[string]Assertion{
			"who":  {Kind: "reach", Reason: "it is dear", Calls: []string{"model:*"}, Only: []string{"acme"}, Never: []string{"everyone"}, Unless: []string{"pets.listPets"}, Policies: []string{"limits"}},
			"cost": {Kind: "spend", Each: "key", Apps: []string{"acme/web"}, Per: time.Hour, Requests: 10, Tokens: 20, USD: "1.5", Answers: 1, Unless: []string{"acme/x"}},
			"most": {Kind: "timeout", Calls: []string{"*"}, Most: time.Minute},
			"cap":  {Kind: "limit", Apps: []string{"*"}, Requests: 5, Per: time.Minute, Limit: Limit{5, time.Minute}},
			"two":  {Kind: "targets", Calls: []string{"model:*"}, Among: []string{"openai"}, Providers: 2},
			"own":  {Kind: "isolation", Apps: []string{"*"}, Apart: []string{"apis", "upstreams", "credentials"}},
			"all":  {Kind: "auth", Calls: []string{"*"}, Auth: []string{"key"}},
			"end":  {Kind: "expiry", Apps: []string{"*"}, Days: 90},
		},
		Locks: map[string]artifact.Lock{
			"apis.*.policies.timeout":         {Path: "apis.*.policies.timeout", Kind: "duration", AtLeast: "1000000000", AtMost: "30000000000", Reason: "r"},
			"tenants.*.apps.*.keys.*.expires": {Path: "tenants.*.apps.*.keys.*.expires", Kind: "day", Within: 24 * time.Hour, Required: true, Except: []string{"acme"}, Reason: "r"},
			"tenants.*.apps.*.keys.*.id":      {Path: "tenants.*.apps.*.keys.*.id", Kind: "text", Matches: "k.*", Reason: "r"},
			"tenants.*.apps.*.models":         {Path: "tenants.*.apps.*.models", Kind: "text", Values: []string{"fast", "slow"}, Reason: "r"},
			"apis.*.policies.auth":            {Path: "apis.*.policies.auth", Kind: "text", Values: []string{"key"}, Reason: "r"},
			"providers":                       {Path: "providers", Kind: "text", Forbidden: true, Reason: "r"},
		},
		Prompts: map[string]Prompt{}, Partials: map[string]Partial{},
		Waivers: map[string]Waiver{"old-key": {
			Code: "GWC4103", At: "tenants.acme", Reason: "it is taken out in May", By: "@acme/leads", Expires: time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC).Unix(),
		}},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{})); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	got := config(t, map[string]string{
		"gateway.cue": `
gateway: listeners: main: address: ":80"
providers: a: {kind: "anthropic", baseURL: "http://127.0.0.1:1/"}
models: m: targets: [{provider: "a", model: "x"}, {provider: "a", model: "y"}, {provider: "a", model: "z"}]
upstreams: u: endpoints: [{url: "http://127.0.0.1:2/"}]`,
		"tenants/acme/apis/pets/api.cue": `
apis: pets: {openapi: "../doc/pets.json", upstream: "u", basePath: "/"}
tenants: acme: apps: web: {}`,
	})
	want := &Config{
		Gateway: Gateway{
			Listeners: map[string]Listener{"main": {Address: ":80", Engine: "netpoll"}},
			Calls:     Calls{Dir: "calls", Flush: time.Second, MaxBytes: 64 << 20},
		},
		Providers: map[string]Provider{"a": {
			Kind: "anthropic", BaseURL: "http://127.0.0.1:1",
			Timeouts: Timeouts{Connect: 5 * time.Second, FirstByte: 2 * time.Minute, Idle: time.Minute},
		}},
		Models: map[string]Model{"m": {
			Strategy: "priority", Targets: []Target{{Provider: "a", Model: "x"}, {Provider: "a", Model: "y"}, {Provider: "a", Model: "z"}},
			Retry: Retry{Attempts: 3, On: []string{"connect", "429", "5xx", "timeout"}}, MaxTokens: 4096, OnLoss: "reject",
		}},
		Catalogue: map[string]Facts{},
		Upstreams: map[string]Upstream{"u": {
			Endpoints: []Endpoint{{"http://127.0.0.1:2", 1}},
			Timeouts:  Timeouts{Connect: 5 * time.Second, FirstByte: 30 * time.Second, Idle: time.Minute},
		}},
		APIs: map[string]API{"pets": {
			Owner: "acme", OpenAPI: "tenants/acme/apis/doc/pets.json", Upstream: "u", Operations: map[string]Operation{},
		}},
		Tenants:    map[string]Tenant{"acme": {Apps: map[string]App{"web": {}}}},
		Assertions: map[string]Assertion{},
		Locks:      map[string]artifact.Lock{},
		Prompts:    map[string]Prompt{},
		Partials:   map[string]Partial{},
		Waivers:    map[string]Waiver{},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Config{})); d != "" {
		t.Errorf("mismatch (-want +got):\n%s", d)
	}
}

func TestPlacesAreThoseOfTheText(t *testing.T) {
	files := map[string]string{"gateway.cue": `
gateway: listeners: main: address: ":80"
_server: {url: "http://a.example", weight: 2}
providers: {
	"open-ai": {kind: "openai", headers: "X-A": "b"}
}
models: smart: targets: [{provider: "open-ai", model: "x"}, {
	provider: "open-ai", model: "y"
}]
models: smart: maxTokens: 5
for n in ["a", "b"] {upstreams: (n): endpoints: [_server]}
`}
	cfg := config(t, files)
	text := "package gateway\n" + files["gateway.cue"]
	show := func(s diag.Span) string {
		if s.IsZero() {
			return "nothing"
		}
		lines := strings.Split(text, "\n")
		if got := s.Start.Offset - len(strings.Join(lines[:s.Start.Line-1], "\n")); s.Start.Line > 1 && got != s.Start.Col {
			return fmt.Sprintf("line, column and offset differ: %+v", s)
		}
		return text[s.Start.Offset:s.End.Offset]
	}
	for _, c := range []struct{ name, path, key, value string }{
		{"a field of a struct", "gateway/listeners/main/address", `address`, `":80"`},
		{"a quoted label", "providers/open-ai/kind", `kind`, `"openai"`},
		{"an object with a quoted label", "providers/open-ai", `"open-ai"`, `{kind: "openai", headers: "X-A": "b"}`},
		{"a label of a map", "providers/open-ai/headers/X-A", `"X-A"`, `"b"`},
		{"an element of a list", "models/smart/targets/0", `{provider: "open-ai", model: "x"}`, `{provider: "open-ai", model: "x"}`},
		{"a field of an element of a list", "models/smart/targets/1/model", `model`, `"y"`},
		{"a field that another struct adds", "models/smart/maxTokens", `maxTokens`, `5`},
		{"a label that a comprehension makes", "upstreams/b", `(n)`, `endpoints: [_server]`},
		{"a field that a template gives", "upstreams/b/endpoints/0/url", `url`, `"http://a.example"`},
		{"a field that no file sets", "models/smart/strategy", "nothing", "nothing"},
		{"an object that does not exist", "models/dumb", "nothing", "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := strings.Split(c.path, "/")
			if d := cmp.Diff([]string{c.key, c.value}, []string{show(cfg.Key(path...)), show(cfg.Value(path...))}); d != "" {
				t.Errorf("mismatch (-want +got):\n%s", d)
			}
		})
	}
}

// TestBareFieldsAndTheAmpersandFormMeanTheSame compares the two forms of a repository, correct and broken.
func TestBareFieldsAndTheAmpersandFormMeanTheSame(t *testing.T) {
	for _, body := range []string{
		strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(whole), "{"), "}"),
		`providers: a: {kind: "openai", baseUrl: "x"}, gateway: listeners: main: {}, modles: {}`,
		`providers: a: {kind: "x"}, models: m: {targets: [{provider: 1, modle: "x"}]}`,
	} {
		var said [2][]string
		for i, text := range []string{
			"package gateway\n{" + body + "}\n",
			"package gateway\nimport \"gwc.dev/schema\"\nschema.#Gateway & {" + body + "}\n",
		} {
			src, _, err := load.Load(fstest.MapFS{"gateway.cue": {Data: []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			_, report := Check(src)
			for _, d := range report.All() {
				said[i] = append(said[i], string(d.Code)+": "+d.Summary)
			}
		}
		if d := cmp.Diff(said[0], said[1]); d != "" {
			t.Errorf("mismatch (-bare +ampersand):\n%s", d)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("gateway: listeners: main: address: \":80\"")
	f.Add(whole)
	f.Add("import \"gwc.dev/schema\"\nschema.#Gateway & {providers: a: {kind: \"openai\", baseUrl: 1}}")
	f.Add("models: {for x in [1, 2] {\"\\(x)\": targets: [{}]}}\n_a: _b\n_b: _a")
	f.Add("#X: {a: #X}\nproviders: a: #X & {b: 1 & 2}")
	f.Fuzz(func(t *testing.T, text string) {
		src, report, err := load.Load(fstest.MapFS{"gateway.cue": {Data: []byte("package gateway\n" + text)}})
		if err != nil {
			t.Fatal(err)
		}
		cfg, r := Check(src)
		report.Merge(r)
		if cfg == nil && !report.Failed() {
			t.Fatal("no config and no error")
		}
		for _, d := range report.All() {
			s := d.Primary.Span
			data, _ := src.Data(s.File)
			if n := len(data); s.Start.Offset > n || s.End.Offset > n || s.End.Offset < s.Start.Offset {
				t.Fatalf("span %+v lies outside of its file: %s", s, d.Summary)
			}
		}
	})
}

func TestEveryScalarOfTheLanguageIsChecked(t *testing.T) {
	used := map[string]bool{}
	for name, typ := range language.Read().Types {
		all := []*language.Type{typ}
		for _, f := range typ.Fields {
			all = append(all, f.Type)
		}
		for _, typ := range all {
			if typ.Is == "" {
				continue
			}
			used[typ.Is] = true
			if _, ok := scalars[typ.Is]; !ok && typ.Is != "number" && typ.Is != "json" {
				t.Errorf("%s: nothing checks @is(%s)", name, typ.Is)
			}
		}
		for _, f := range typ.Fields {
			if f.Low == "" {
				continue
			}
			for _, bound := range []string{f.Low, f.Top} {
				if wrong := scalars[f.Type.Is].check(bound); wrong != "" {
					t.Errorf("%s.%s: the bound %q %s", name, f.Name, bound, wrong)
				}
			}
		}
	}
	for is := range scalars {
		if !used[is] {
			t.Errorf("nothing in the language is @is(%s)", is)
		}
	}
}

// TestSourcesCanBeCheckedAgain checks many units at the same time, twice, and compares what is said.
func TestSourcesCanBeCheckedAgain(t *testing.T) {
	fsys := repository(300, true)
	fsys["tenants/t7/wrong.cue"] = &fstest.MapFile{Data: []byte("package gateway\ntenants: t7: oners: []\nmodels: a: {}\n")}
	src, _, err := load.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	_, first := Check(src)
	_, again := Check(src)
	if d := cmp.Diff(first.All(), again.All()); d != "" || first.Count(diag.Error) != 2 {
		t.Errorf("%d errors, mismatch (-first +again):\n%s", first.Count(diag.Error), d)
	}
	delete(fsys, "tenants/t7/wrong.cue")
	src, _, err = load.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := Check(src)
	two, _ := Check(src)
	if d := cmp.Diff(one, two, cmpopts.IgnoreUnexported(Config{})); d != "" {
		t.Errorf("mismatch (-first +again):\n%s", d)
	}
}
