package check

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	"pgregory.net/rapid"

	"github.com/gwc-dev/gwc/compiler/load"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// whole is a repository in which every field of the language is set.
const whole = `{
	"gateway": {
		"listeners": {
			"main": {"address": "127.0.0.1:8080", "engine": "std", "tls": {"cert": "file:a.pem", "key": "file:a.key"}},
			"other": {"address": "[::1]:8081"}
		},
		"admin": {"address": ":9090"},
		"calls": {"dir": "calls", "bodies": "none", "flush": "1s", "rotate": "64MB"},
		"unwaivable": ["security", "GWC5102"]
	},
	"waivers": {
		"old-key": {"code": "GWC4103", "at": "tenants.acme", "reason": "it is taken out in May", "expires": "2027-06-30", "by": "@acme/leads"}
	},
	"providers": {
		"openai": {
			"kind": "openai", "baseURL": "https://api.openai.com/v1", "catalogue": "openai", "credentials": [{"ref": "env:A"}, {"ref": "file:b"}],
			"headers": {"X-Team": "blue"}, "timeouts": {"connect": "1s", "firstByte": "2s", "idle": "3s", "total": "4m"}
		},
		"claude": {"kind": "anthropic"}
	},
	"models": {
		"fast": {
			"strategy": "priority", "targets": [{"provider": "openai", "model": "gpt-5"}, {"provider": "claude", "model": "c", "price": {"request": "0.01"}}],
			"capabilities": ["tools", "vision"],
			"price": {
				"currency": "USD", "input": "1.25", "output": "10", "cacheRead": "0.125", "cacheWrite": "1", "cacheWrite1h": "2", "reasoning": "10",
				"inputAudio": "40", "outputAudio": "80", "image": "0.04", "request": "0",
				"tiers": [{"above": 200000, "service": "batch", "input": "2.5"}], "source": "https://example.com/prices", "date": "2026-06-30"
			},
			"retry": {"attempts": 2, "on": ["429", "connect"]}, "maxTokens": 100, "onLoss": "warn",
			"timeouts": {"connect": "1s", "firstByte": "2s", "idle": "3s", "total": "4m"}
		}
	},
	"catalogue": {
		"openai/house": {
			"like": "openai/gpt-5", "context": 1000, "output": 100, "has": ["tools"], "lacks": ["pdf"], "price": {"input": "1"},
			"deprecated": "2026-01-01", "retires": "2027-01-01", "replacement": "gpt-5"
		}
	},
	"upstreams": {
		"pets": {
			"endpoints": [{"url": "http://10.0.0.7:8080", "weight": 3}],
			"timeouts": {"connect": "1s", "firstByte": "2s", "idle": "3s", "total": "4m"}
		}
	},
	"apis": {
		"pets": {
			"owner": "acme", "openapi": "pets.yaml", "only": ["listPets", "getPet"], "exclude": ["getPet"], "basePath": "/pets/v1", "hosts": ["a.example", "*.b.example"], "upstream": "pets",
			"policies": {"auth": "none", "timeout": "5s"}, "operations": {"listPets": {"policies": {"auth": "key", "timeout": "1s"}}},
			"lifecycle": {"state": "published"}, "visibility": "team", "approval": "auto"
		}
	},
	"tenants": {
		"acme": {
			"owners": ["@acme/leads"],
			"apps": {"web": {
				"keys": [{"id": "k", "hash": "sha256:0000000000000000000000000000000000000000000000000000000000000000", "expires": "2027-06-30"}],
				"models": ["fast"], "limits": [{"requests": 5, "per": "1m"}]
			}}
		}
	},
	"locks": {
		"apis.*.policies.timeout": {"atLeast": "1s", "atMost": "30s", "reason": "r"},
		"tenants.*.apps.*.keys.*.expires": {"required": true, "within": "24h", "except": ["acme"], "reason": "r"},
		"tenants.*.apps.*.keys.*.id": {"matches": "k.*", "reason": "r"},
		"tenants.*.apps.*.models": {"values": ["fast", "slow"], "reason": "r"},
		"apis.*.policies.auth": {"value": "key", "reason": "r"},
		"providers": {"forbidden": true, "reason": "r"}
	},
	"assertions": {
		"who": {"kind": "reach", "reason": "it is dear", "calls": ["model:*"], "only": ["acme"], "never": ["everyone"], "unless": ["pets.listPets"], "unlessPolicies": ["limits"]},
		"cost": {"kind": "spend", "each": "key", "apps": ["acme/web"], "per": "1h", "requests": 10, "tokens": 20, "usd": "1.5", "unless": ["acme/x"]},
		"most": {"kind": "timeout", "most": "1m"},
		"cap": {"kind": "limit", "requests": 5, "per": "1m"},
		"two": {"kind": "targets", "among": ["openai"], "providers": 2},
		"own": {"kind": "isolation", "tenants": ["*"]},
		"all": {"kind": "auth"},
		"end": {"kind": "expiry", "days": 90}
	}
}`

// stricter holds the rules that say more than the language's CUE can.
var stricter = []diag.Code{codeBounds, codeFew, codeDuration, codeRepeated, codeDate, codeURL, codeAddress, codeBasePath, codeHost, codeDocument, codeSize, codeSecret, codeCall, codeCaller, codeNoSay}

// TestCheckAndCUEAgree breaks a correct repository at random and compares with `schema.#Gateway & {…}` as CUE itself
// judges it: what CUE refuses is refused, in words (never by the rule that only repeats CUE), and what CUE accepts is
// refused only by the rules that say more than CUE can.
func TestCheckAndCUEAgree(t *testing.T) {
	ctx := cuecontext.New()
	var text strings.Builder
	for _, f := range language.Files() {
		text.WriteString(strings.Replace(string(f.Data), "package schema", "", 1))
	}
	schema := ctx.CompileString(text.String()).LookupPath(cue.MakePath(cue.Def("#Gateway")))
	if err := schema.Err(); err != nil {
		t.Fatal(err)
	}
	labels := []string{"kind", "baseURL", "bodies", "weight", "prompts", "x", "apps", "Keys", "a b", "address"}
	values := []string{
		`1`, `0`, `-1`, `1.5`, `true`, `null`, `{}`, `[]`, `""`, `"x"`, `"openai"`, `"anthropic"`, `"env:A"`, `"file:x"`, `"1s"`, `"1h"`, `"64MB"`,
		`":80"`, `"http://a.example"`, `"/x"`, `"2027-01-01"`, `["x"]`, `[{}]`, `{"x": 1}`, `{"ref": "env:A"}`, `"weighted"`, `100000000000000000000`,
	}
	rapid.Check(t, func(t *rapid.T) {
		var repository any
		if err := json.Unmarshal([]byte(whole), &repository); err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 3).Draw(t, "mistakes") {
			repository = mutate(t, repository, labels, values)
		}
		data, err := json.Marshal(repository)
		if err != nil {
			t.Fatal(err)
		}
		top, ok := repository.(map[string]any)
		if !ok {
			return
		}
		src := "package gateway\n"
		for _, k := range slices.Sorted(maps.Keys(top)) {
			v, _ := json.Marshal(top[k])
			src += strconv.Quote(k) + ": " + string(v) + "\n"
		}
		sources, report, err := load.Load(fstest.MapFS{"gateway.cue": {Data: []byte(src)}})
		if err != nil || report.Failed() {
			t.Fatalf("%v %v\n%s", err, report.All(), src)
		}
		_, report = Check(sources)
		refused := schema.Unify(ctx.CompileBytes(data)).Validate(cue.Concrete(true)) != nil
		if refused && !report.Failed() {
			t.Fatalf("CUE refuses what gwc accepts:\n%s", src)
		}
		for _, d := range report.All() {
			if d.Code == codeUnfit {
				t.Fatalf("%s\n%s", d.Summary, src)
			}
			if d.Primary.Span.IsZero() || d.Summary == "" {
				t.Fatalf("%+v names no place\n%s", d, src)
			}
			if len(d.Path) > 0 && d.Path[0] == "locks" {
				continue // What a lock says has the type of another place, of which CUE knows nothing.
			}
			if !refused && !slices.Contains(stricter, d.Code) && !strings.Contains(d.Summary, "listens nowhere") {
				t.Fatalf("gwc refuses what CUE accepts: %s %s\n%s", d.Code, d.Summary, src)
			}
		}
	})
}

// mutate changes one value, label or element, or adds one.
func mutate(t *rapid.T, v any, labels, values []string) any {
	other := func() any {
		var x any
		if err := json.Unmarshal([]byte(rapid.SampledFrom(values).Draw(t, "value")), &x); err != nil {
			t.Fatal(err)
		}
		return x
	}
	deeper := rapid.IntRange(0, 9).Draw(t, "deeper") > 1
	switch v := v.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		if len(keys) > 0 && deeper {
			k := rapid.SampledFrom(keys).Draw(t, "key")
			v[k] = mutate(t, v[k], labels, values)
			return v
		}
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			v[rapid.SampledFrom(labels).Draw(t, "label")] = other()
		case 1:
			if len(keys) > 0 {
				delete(v, rapid.SampledFrom(keys).Draw(t, "key"))
			}
		case 2:
			if len(keys) > 0 {
				k := rapid.SampledFrom(keys).Draw(t, "key")
				v[k+"s"] = v[k]
				delete(v, k)
			}
		default:
			return other()
		}
		return v
	case []any:
		if len(v) > 0 && deeper {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
			v[i] = mutate(t, v[i], labels, values)
			return v
		}
		if rapid.Bool().Draw(t, "append") {
			return append(v, other())
		}
		return other()
	case string:
		if rapid.Bool().Draw(t, "edit") {
			return v + rapid.SampledFrom([]string{"x", " ", "/", "0", "-", "A", "é"}).Draw(t, "suffix")
		}
	}
	return other()
}
