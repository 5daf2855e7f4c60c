package diff_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/compiler/specimen"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

// build compiles files and reads the artifact back, as a runtime would.
func build(t testing.TB, files map[string]string) diff.Side {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	a, problem := tryBuild(t, fsys)
	if problem != "" {
		t.Fatal(problem)
	}
	return a
}

func tryBuild(t testing.TB, fsys fstest.MapFS) (diff.Side, string) {
	t.Helper()
	r, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Tool: "gwc test"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Artifact == nil {
		for _, d := range r.Report.All() {
			return diff.Side{}, fmt.Sprintf("%s %s at %+v", d.Code, d.Summary, d.Primary.Span)
		}
	}
	a, _, err := artifact.Decode(r.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return diff.Side{Artifact: a, Files: r.Sources.All()}, ""
}

// edit is one change of the repository below.
type edit struct {
	name      string
	file      string
	from, to  string
	want      []diff.Kind // of the changes, in order
	noWitness []diff.Kind // that no single request shows
}

var repository = readArchive("testdata/base.txtar")

func readArchive(name string) map[string]string {
	ar, err := txtar.ParseFile(name)
	if err != nil {
		panic(err)
	}
	m := map[string]string{}
	for _, f := range ar.Files {
		m[f.Name] = string(f.Data)
	}
	return m
}

const (
	platformFile = "platform/models.cue"
	gatewayFile  = "gateway.cue"
	acmeFile     = "tenants/acme/acme.cue"
	shopFile     = "tenants/shop/shop.cue"
	ordersDoc    = "tenants/acme/orders.yaml"
)

// signingKey is the public half of a key that nobody has.
var signingKey = sign.PublicKey(bytes.Repeat([]byte{7}, 32)).String()

var edits = []edit{
	{"a listener is added", gatewayFile, `main: {address: "127.0.0.1:8080"}`, `{main: {address: "127.0.0.1:8080"}, other: {address: "127.0.0.1:8081"}}`, []diff.Kind{diff.ListenerAdded}, nil},
	{"a listener is removed", gatewayFile, `listeners: tls: {address: "127.0.0.1:8443", tls: {cert: "file:cert.pem", key: "file:key.pem"}}`, ``, []diff.Kind{diff.ListenerRemoved}, nil},
	{"a listener moves", gatewayFile, `"127.0.0.1:8080"`, `"127.0.0.1:8085"`, []diff.Kind{diff.ListenerAddress}, nil},
	{"a listener gets another engine", gatewayFile, `main: {address`, `main: {engine: "std", address`, []diff.Kind{diff.ListenerEngine}, nil},
	{"a listener speaks TLS", gatewayFile, `main: {address`, `main: {tls: {cert: "file:c.pem", key: "file:k.pem"}, address`, []diff.Kind{diff.ListenerTLSOn}, nil},
	{"a listener no longer speaks TLS", gatewayFile, `, tls: {cert: "file:cert.pem", key: "file:key.pem"}`, ``, []diff.Kind{diff.ListenerTLSOff}, nil},
	{"a listener gets another certificate", gatewayFile, `"file:cert.pem"`, `"file:new.pem"`, []diff.Kind{diff.ListenerCertificate}, nil},
	{"the admin listener moves", gatewayFile, `"127.0.0.1:9090"`, `"127.0.0.1:9091"`, []diff.Kind{diff.AdminAddress}, nil},
	{"the call log is turned off", gatewayFile, `calls: dir: "calls"`, `calls: dir: ""`, []diff.Kind{diff.CallsOff}, nil},
	{"the call log moves", gatewayFile, `calls: dir: "calls"`, `calls: dir: "other"`, []diff.Kind{diff.CallsChanged}, nil},

	{"artifacts must be signed", gatewayFile, `calls: dir: "calls"`, `calls: dir: "calls"
	signatures: keys: ci: "` + signingKey + `"`, []diff.Kind{diff.SignaturesMore}, nil},

	{"a provider is added", platformFile, `providers: {`, "providers: {\n\tspare: {kind: \"openai\", credentials: [{ref: \"env:SPARE\"}]}", []diff.Kind{diff.ProviderAdded}, nil},
	{"a provider has another kind", platformFile, `claude: {kind: "anthropic", baseURL: "https://claude.example"`, `claude: {kind: "openai", baseURL: "https://claude.example"`, []diff.Kind{diff.ProviderKind}, nil},
	{"a provider is asked at another API", platformFile, `{kind: "openai"`, `{api: "responses", kind: "openai"`, []diff.Kind{diff.ProviderAPI}, nil},
	{"a provider is at another server", platformFile, `https://claude.example`, `https://other.example`, []diff.Kind{diff.ProviderServer}, nil},
	{"a provider loses its encryption", platformFile, `https://claude.example`, `http://claude.example`, []diff.Kind{diff.ProviderServer}, nil},
	{"a provider is at another path", platformFile, `https://claude.example`, `https://claude.example/v9`, []diff.Kind{diff.ProviderPath}, nil},
	{"a provider has other credentials", platformFile, `file:secrets/anthropic`, `file:secrets/other`, []diff.Kind{diff.ProviderCredentials}, []diff.Kind{diff.ProviderCredentials}},
	{"a provider's header has another value", platformFile, `"org-1"`, `"org-2"`, []diff.Kind{diff.ProviderHeaders}, []diff.Kind{diff.ProviderHeaders}},
	{"a provider has other timeouts", platformFile, `kind: "anthropic",`, `kind: "anthropic", timeouts: connect: "7s",`, []diff.Kind{diff.ProviderTimeouts}, nil},

	{"a model is added", platformFile, `models: {`, "models: {\n\ttiny: targets: [{provider: \"openai\", model: \"gpt-5-nano\"}]", []diff.Kind{diff.ModelAdded}, []diff.Kind{diff.ModelAdded}},
	{"a target is added", platformFile, `{provider: "openai", model: "gpt-5"}]`, `{provider: "openai", model: "gpt-5"}, {provider: "openai", model: "gpt-4"}]`, []diff.Kind{diff.ModelTargetAdded}, nil},
	{"a target is removed", platformFile, `, {provider: "openai", model: "gpt-5"}]`, `]`, []diff.Kind{diff.ModelTargetRemoved}, nil},
	{"targets are asked in another order", platformFile, `{provider: "claude", model: "sonnet"}, {provider: "openai", model: "gpt-5"}`, `{provider: "openai", model: "gpt-5"}, {provider: "claude", model: "sonnet"}`, []diff.Kind{diff.ModelTargetsOrder}, nil},
	{"the only target is another", platformFile, `model: "gpt-5-mini"`, `model: "gpt-6-mini"`, []diff.Kind{diff.ModelTargetAdded, diff.ModelTargetRemoved}, nil},
	{"a model may be tried more often", platformFile, `attempts: 2`, `attempts: 4`, []diff.Kind{diff.ModelAttemptsMore}, nil},
	{"a model is tried less often", platformFile, `attempts: 2`, `attempts: 1`, []diff.Kind{diff.ModelAttemptsLess}, nil},
	{"a model is tried again after other failures", platformFile, `["429", "5xx"]`, `["429", "5xx", "timeout"]`, []diff.Kind{diff.ModelRetryOn}, nil},
	{"a model has other timeouts", platformFile, `retry: {`, `timeouts: total: "33s", retry: {`, []diff.Kind{diff.ModelTimeouts}, nil},
	{"a model keeps its streams alive", platformFile, `retry: {`, `keepAlive: "15s", retry: {`, []diff.Kind{diff.ModelKeepAlive}, nil},
	{"a model leaves out what a target cannot express", platformFile, `retry: {`, `onLoss: "warn", retry: {`, []diff.Kind{diff.ModelOnLoss}, nil},
	{"a model may answer longer", platformFile, `maxTokens: 1000`, `maxTokens: 2000`, []diff.Kind{diff.ModelTokensMore}, nil},
	{"a model must answer shorter", platformFile, `maxTokens: 1000`, `maxTokens: 500`, []diff.Kind{diff.ModelTokensLess}, nil},

	{"a target costs more", platformFile, `input: "0.25"`, `input: "0.5"`, []diff.Kind{diff.PriceRaised}, []diff.Kind{diff.PriceRaised}},
	{"a target costs less", platformFile, `output: "2"`, `output: "1.5"`, []diff.Kind{diff.PriceLowered}, nil},
	{"a target costs more and less", platformFile, `input: "0.25", output: "2"`, `input: "0.5", output: "1"`, []diff.Kind{diff.PriceOther}, []diff.Kind{diff.PriceOther}},
	{"a target has a price for what it had none", platformFile, `output: "2"`, `output: "2", cacheRead: "0.025"`, []diff.Kind{diff.PriceOther}, []diff.Kind{diff.PriceOther}},
	{"what a target costs is known", platformFile, `retry: {`, `price: {input: "3", output: "15"}, retry: {`, []diff.Kind{diff.PriceKnown, diff.PriceOther}, []diff.Kind{diff.PriceOther, diff.PriceUnknown}},
	{"a model is said to be capable of more", platformFile, `input: "0.25", output: "2"}`, `input: "0.25", output: "2"}, capabilities: ["tools"]`, []diff.Kind{diff.ModelPromised}, []diff.Kind{diff.ModelUnpromised}},

	{"an upstream is added", platformFile, `upstreams: {`, "upstreams: {\n\tspare: endpoints: [{url: \"http://10.9.9.9\"}]", []diff.Kind{diff.UpstreamAdded}, nil},
	{"an endpoint is added", platformFile, `{url: "http://10.0.0.8:8080", weight: 3}`, `{url: "http://10.0.0.8:8080", weight: 3}, {url: "http://10.0.0.9:8080"}`, []diff.Kind{diff.EndpointAdded}, nil},
	{"an endpoint is removed", platformFile, `, {url: "http://10.0.0.8:8080", weight: 3}`, ``, []diff.Kind{diff.EndpointRemoved}, nil},
	{"an endpoint has another weight", platformFile, `weight: 3`, `weight: 5`, []diff.Kind{diff.EndpointWeight}, nil},
	{"endpoints stand in another order", platformFile, `{url: "http://10.0.0.7:8080/root"}, {url: "http://10.0.0.8:8080", weight: 3}`, `{url: "http://10.0.0.8:8080", weight: 3}, {url: "http://10.0.0.7:8080/root"}`, []diff.Kind{diff.EndpointsOrder}, nil},
	{"an upstream has other timeouts", platformFile, `shop: endpoints`, `shop: timeouts: connect: "9s", shop: endpoints`, []diff.Kind{diff.UpstreamTimeouts}, nil},

	{"an API goes to another upstream", acmeFile, `upstream: "shop"`, `upstream: "bank"`, []diff.Kind{diff.APIUpstream}, nil},
	{"an API moves to another base path", acmeFile, `/orders/v2`, `/orders/v3`, []diff.Kind{diff.APIBasePath}, nil},
	{"an API is bound to a host", acmeFile, `openapi:  "orders.yaml"`, "openapi:  \"orders.yaml\"\n\thosts: [\"api.example\"]", []diff.Kind{diff.APIHostRemoved, diff.APIHostAdded}, nil},
	{"an API is served on one more host", shopFile, `hosts: ["shop.example"]`, `hosts: ["shop.example", "*.shop.example"]`, []diff.Kind{diff.APIHostAdded}, nil},
	{"an API has another title", ordersDoc, `title: Orders`, `title: All orders`, []diff.Kind{diff.APITitle}, nil},
	{"an API has another version", ordersDoc, `version: 2.1.0`, `version: 2.2.0`, []diff.Kind{diff.APIVersion}, nil},

	{"an operation is added", ordersDoc, `paths:`, "paths:\n  /refunds:\n    get: {operationId: listRefunds, responses: {\"200\": {description: ok}}}", []diff.Kind{diff.RouteAdded}, nil},
	{"an operation takes what another served in the same way", ordersDoc, `paths:`, "paths:\n  /orders/mine:\n    get: {operationId: myOrder, responses: {\"200\": {description: ok}}}", []diff.Kind{diff.RouteAdded}, []diff.Kind{diff.RouteAdded}},
	{"an operation is removed", ordersDoc, "    post: {operationId: addOrder, responses: {\"201\": {description: ok}}}\n", ``, []diff.Kind{diff.RouteRemoved}, nil},
	{"an operation has another method", ordersDoc, `post: {operationId: addOrder`, `put: {operationId: addOrder`, []diff.Kind{diff.RouteMethod}, nil},
	{"an operation has another path", ordersDoc, `/health:`, `/healthz:`, []diff.Kind{diff.RoutePath}, nil},
	{"a parameter has another name", ordersDoc, "/orders/{id}:\n    get:\n      operationId: getOrder\n      parameters: [{name: id,", "/orders/{order}:\n    get:\n      operationId: getOrder\n      parameters: [{name: order,", []diff.Kind{diff.RouteParameter}, nil},
	{"an operation needs no key any more", acmeFile, `operations: health:`, "operations: listOrders: policies: auth: \"none\"\n\toperations: health:", []diff.Kind{diff.RouteLoosened}, nil},
	{"an operation needs a key", acmeFile, `auth: "none", timeout: "2s"`, `timeout: "2s"`, []diff.Kind{diff.RouteTightened}, nil},
	{"an operation may take longer", acmeFile, `timeout: "2s"`, `timeout: "4s"`, []diff.Kind{diff.RouteTimeout}, nil},
	{"an operation has another id", ordersDoc, `operationId: addOrder`, `operationId: createOrder`, []diff.Kind{diff.RouteRenamed}, nil},

	{"answers lose a property", ordersDoc, "        total: {type: number}\n", ``, []diff.Kind{diff.DocumentBreaking}, []diff.Kind{diff.DocumentBreaking}},
	{"a parameter takes more", ordersDoc, `maximum: 100`, `maximum: 200`, []diff.Kind{diff.DocumentNeutral}, nil},
	{"a parameter that may be left out goes", ordersDoc, "      parameters: [{name: limit, in: query, schema: {type: integer, maximum: 100}}]\n", ``, []diff.Kind{diff.DocumentBehaviour}, []diff.Kind{diff.DocumentBehaviour}},
	{"a document cannot be compared", ordersDoc, `note: {type: string}`, `note: {$ref: "https://elsewhere.example/note.json"}`, []diff.Kind{diff.DocumentUnknown}, []diff.Kind{diff.DocumentUnknown}},
	{"an operation goes with what only it said", ordersDoc, "    get:\n      operationId: getOrder\n      parameters: [{name: id, in: path, required: true, schema: {type: string}}]\n", "    delete:\n      operationId: getOrder\n      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]\n", []diff.Kind{diff.RouteMethod}, nil},

	{"a lock is added", gatewayFile, `locks: `, "locks: \"tenants.*.apps.*.models\": {values: [\"fast\", \"smart\"], reason: \"money\"}\nlocks: ", []diff.Kind{diff.LockAdded}, nil},
	{"a lock is removed", gatewayFile, `locks: "tenants.*.apps.*.limits.*.requests": {atMost: 100000, reason: "capacity"}`, ``, []diff.Kind{diff.LockRemoved}, []diff.Kind{diff.LockRemoved}},
	{"a lock is loosened", gatewayFile, `atMost: 100000`, `atMost: 200000`, []diff.Kind{diff.LockLoosened}, []diff.Kind{diff.LockLoosened}},
	{"a lock has an exception", gatewayFile, `atMost: 100000`, `except: ["acme"], atMost: 100000`, []diff.Kind{diff.LockLoosened}, []diff.Kind{diff.LockLoosened}},
	{"a lock is tightened", gatewayFile, `atMost: 100000`, `atMost: 90000`, []diff.Kind{diff.LockTightened}, nil},

	{"a tenant has other owners", acmeFile, `"@acme/leads"`, `"@acme/all"`, []diff.Kind{diff.TenantOwners}, nil},
	{"an app is added", shopFile, `apps: {`, "apps: {\n\t\tkiosk: {keys: [{id: \"k\", hash: \"sha256:" + strings.Repeat("ab", 32) + "\"}], models: [\"fast\"]}", []diff.Kind{diff.AppAdded}, nil},
	{"an app is removed", shopFile, "\t\ttill: {keys: [{id: \"till-1\", hash: \"sha256:" + strings.Repeat("03", 32) + "\"}], models: [\"fast\"], passthrough: [{provider: \"openai\", paths: [\"/files\", \"/files/{rest+}\"], methods: [\"GET\"]}]}\n", ``, []diff.Kind{diff.AppRemoved}, nil},
	{"a model is granted", acmeFile, `models: ["smart"]`, `models: ["fast", "smart"]`, []diff.Kind{diff.ModelGranted}, nil},
	{"a model is revoked", acmeFile, `models: ["smart"]`, `models: []`, []diff.Kind{diff.ModelRevoked}, nil},
	{"a limit is added", acmeFile, `limits: [{requests: 10, per: "1s"}]`, `limits: [{requests: 10, per: "1s"}, {requests: 99, per: "1h"}]`, []diff.Kind{diff.LimitAdded}, []diff.Kind{diff.LimitAdded}},
	{"a limit is removed", acmeFile, `limits: [{requests: 10, per: "1s"}]`, ``, []diff.Kind{diff.LimitRemoved}, []diff.Kind{diff.LimitRemoved}},
	{"a limit is raised", acmeFile, `requests: 10,`, `requests: 20,`, []diff.Kind{diff.LimitRaised}, []diff.Kind{diff.LimitRaised}},
	{"a limit is lowered", acmeFile, `requests: 10,`, `requests: 5,`, []diff.Kind{diff.LimitLowered}, []diff.Kind{diff.LimitLowered}},
	{"limits stand in another order", acmeFile, `{requests: 7, per: "1s"}, {requests: 90, per: "1m"}`, `{requests: 90, per: "1m"}, {requests: 7, per: "1s"}`, []diff.Kind{diff.LimitRepeats}, nil},
	{"a key is added", acmeFile, `keys: [{id: "web-1"`, `keys: [{id: "web-2", hash: "sha256:` + strings.Repeat("cd", 32) + `"}, {id: "web-1"`, []diff.Kind{diff.KeyAdded}, nil},
	{"a key is removed", acmeFile, `, {id: "batch-2", hash: "sha256:` + strings.Repeat("04", 32) + `"}`, ``, []diff.Kind{diff.KeyRemoved}, nil},
	{"a key is called otherwise", acmeFile, `"web-1"`, `"web-one"`, []diff.Kind{diff.KeyRenamed}, nil},
	{"a key works longer", acmeFile, `2027-06-30`, `2028-06-30`, []diff.Kind{diff.KeyLonger}, nil},
	{"a key works for ever", acmeFile, `, expires: "2027-06-30"`, ``, []diff.Kind{diff.KeyLonger}, nil},
	{"a key stops earlier", acmeFile, `2027-06-30`, `2027-01-31`, []diff.Kind{diff.KeyShorter}, nil},
}

// whole are changes of more than one place, as functions of the files.
var whole = []struct {
	name string
	edit func(map[string]string)
	want []diff.Kind
}{
	{"a key moves to another app", func(m map[string]string) {
		key := `, {id: "batch-2", hash: "sha256:` + strings.Repeat("04", 32) + `"}`
		m[acmeFile] = strings.Replace(m[acmeFile], key, "", 1)
		m[acmeFile] = strings.Replace(m[acmeFile], `keys: [{id: "web-1"`, `keys: [`+key[2:]+`, {id: "web-1"`, 1)
	}, []diff.Kind{diff.KeyMoved}},
	{"an API is removed", func(m map[string]string) {
		m[acmeFile], _, _ = strings.Cut(m[acmeFile], "apis: orders")
		delete(m, ordersDoc)
	}, []diff.Kind{diff.APIRemoved}},
	{"an API belongs to another tenant", func(m map[string]string) {
		var api string
		m[acmeFile], api, _ = strings.Cut(m[acmeFile], "apis: orders")
		m["platform/orders.cue"] = "package gateway\n\napis: orders" + strings.Replace(api, `"acme"`, `"shop"`, 1)
		m["platform/orders.yaml"] = m[ordersDoc]
	}, []diff.Kind{diff.APIOwner}},
	{"an operation takes what another served, for longer", func(m map[string]string) {
		m[ordersDoc] = strings.Replace(m[ordersDoc], "paths:", "paths:\n  /orders/mine:\n    get: {operationId: myOrder, responses: {\"200\": {description: ok}}}", 1)
		m[acmeFile] = strings.Replace(m[acmeFile], "operations: health:", "operations: myOrder: policies: timeout: \"9s\"\n\toperations: health:", 1)
	}, []diff.Kind{diff.RouteTakes, diff.RouteAdded}},
	{"an operation of another API takes some of what one served", func(m map[string]string) {
		m[shopFile] = strings.Replace(m[shopFile], "\thosts: [\"shop.example\"]\n", "\tbasePath: \"/orders\"\n", 1)
		m["tenants/shop/shop.yaml"] = strings.Replace(m["tenants/shop/shop.yaml"], "/goods/{id}.json", "/v2/orders/{id}.json", 1)
	}, []diff.Kind{diff.APIBasePath, diff.APIHostRemoved, diff.APIHostAdded, diff.RoutePath, diff.RouteTakes}},
	{"an API has another name", func(m map[string]string) {
		m[acmeFile] = strings.Replace(m[acmeFile], "apis: orders", "apis: purchases", 1)
	}, []diff.Kind{diff.APIReplaced, diff.APIAdded, diff.RouteRenamed, diff.RouteRenamed, diff.RouteRenamed, diff.RouteRenamed}},
	{"an API has another name and upstream", func(m map[string]string) {
		m[acmeFile] = strings.Replace(m[acmeFile], "apis: orders", "apis: purchases", 1)
		m[acmeFile] = strings.Replace(m[acmeFile], `upstream: "shop"`, `upstream: "bank"`, 1)
	}, []diff.Kind{diff.RouteMoved, diff.RouteMoved, diff.RouteMoved, diff.RouteMoved, diff.APIAdded, diff.APIReplaced}},
	{"a model is removed with its grants", func(m map[string]string) {
		m[platformFile] = strings.Replace(m[platformFile], "\tfast: {targets: [{provider: \"openai\", model: \"gpt-5-mini\"}], price: {input: \"0.25\", output: \"2\"}}\n", "", 1)
		m[acmeFile] = strings.Replace(m[acmeFile], `"fast", "smart"`, `"smart"`, 1)
		m[shopFile] = strings.Replace(m[shopFile], `models: ["fast"]`, `models: []`, 1)
	}, []diff.Kind{diff.ModelRemoved}},
	{"a provider is removed with its target", func(m map[string]string) {
		m[platformFile] = strings.Replace(m[platformFile], `{provider: "claude", model: "sonnet"}, `, "", 1)
		m[platformFile] = regexp.MustCompile(`(?m)^\tclaude: .*\n`).ReplaceAllString(m[platformFile], "")
	}, []diff.Kind{diff.ModelTargetRemoved, diff.ModelTargetsOrder, diff.ProviderRemoved}},
	{"a tenant is removed", func(m map[string]string) { delete(m, shopFile); delete(m, "tenants/shop/shop.yaml") },
		[]diff.Kind{diff.APIRemoved, diff.AppRemoved, diff.AppIdle, diff.TenantRemoved}},
}

func apply(t testing.TB, e edit) map[string]string {
	t.Helper()
	m := map[string]string{}
	for k, v := range repository {
		m[k] = v
	}
	if !strings.Contains(m[e.file], e.from) {
		t.Fatalf("%s does not hold %q", e.file, e.from)
	}
	m[e.file] = strings.Replace(m[e.file], e.from, e.to, 1)
	return m
}

func kindsOf(list []diff.Change) (k []diff.Kind) {
	for _, c := range list {
		k = append(k, c.Kind)
	}
	return k
}

// sorted compares as sets with counts: the order is by tenant and class, which other tests hold.
func sorted(k []diff.Kind) []diff.Kind { return slices.Sorted(slices.Values(k)) }

// needsWitness reports whether a change must come with a witness where someone can show one.
func needsWitness(c *diff.Change) bool {
	switch c.Kind {
	case diff.APIOwner, diff.TenantOwners, diff.ListenerAdded, diff.ListenerRemoved, diff.ListenerAddress, diff.ListenerEngine,
		diff.ListenerTLSOn, diff.ListenerTLSOff, diff.ListenerCertificate, diff.AdminAddress, diff.CallsOff, diff.SignaturesMore,
		diff.SignaturesLess, diff.SignersChanged:
		return false
	}
	return c.Class() != diff.Neutral
}

func TestEachKind(t *testing.T) {
	base := build(t, repository)
	seen := map[diff.Kind]bool{}
	check := func(t *testing.T, x, y diff.Side, want, without []diff.Kind) {
		t.Helper()
		list := diff.Compare(x, y)
		if d := cmp.Diff(sorted(want), sorted(kindsOf(list))); d != "" {
			t.Errorf("kinds mismatch (-want +got)\n%s%s", d, dump(list))
		}
		for i := range list {
			seen[list[i].Kind] = true
			if needsWitness(&list[i]) && list[i].Witness == nil && !slices.Contains(without, list[i].Kind) {
				t.Errorf("no witness of %s %s", list[i].Kind, list[i].Summary)
			}
		}
		verify(t, x, y, list)
	}
	for _, e := range slices.Concat(edits, promptEdits, passthroughEdits) {
		t.Run(e.name, func(t *testing.T) {
			target := build(t, apply(t, e))
			check(t, base, target, e.want, e.noWitness)
			// And back: what was added is removed. Only the witnesses are judged.
			back := diff.Compare(target, base)
			for i := range back {
				seen[back[i].Kind] = true
			}
			if len(back) == 0 {
				t.Error("nothing changes on the way back")
			}
			verify(t, target, base, back)
		})
	}
	for _, e := range whole {
		t.Run(e.name, func(t *testing.T) {
			m := map[string]string{}
			for k, v := range repository {
				m[k] = v
			}
			e.edit(m)
			target := build(t, m)
			check(t, base, target, e.want, nil)
			back := diff.Compare(target, base)
			for i := range back {
				seen[back[i].Kind] = true
			}
			verify(t, target, base, back)
		})
	}
	t.Run("every kind is made by a test", func(t *testing.T) {
		// These cannot be written today: there is one strategy, and the hosts of an operation are those of its API.
		seen[diff.ModelStrategy], seen[diff.RouteHosts] = true, true
		// These need keys on both sides: TestNoFieldChangesUnsaid makes them.
		seen[diff.SignersChanged], seen[diff.SignerRenamed] = true, true
		for _, r := range diff.Rules() {
			if !seen[r.Kind] {
				t.Errorf("no test makes a change of kind %s", r.Kind)
			}
			delete(seen, r.Kind)
		}
		if len(seen) != 0 {
			t.Errorf("kinds without a rule: %v", seen)
		}
	})
}

// verify holds of every list of changes: witnesses decide differently, in the tables themselves; fingerprints are
// unique; the order is right.
func verify(t *testing.T, x, y diff.Side, list []diff.Change) {
	t.Helper()
	prints := map[string]string{}
	before, after := diff.NewView(x.Artifact), diff.NewView(y.Artifact)
	for i := range list {
		c := &list[i]
		if other, dup := prints[c.Fingerprint]; dup {
			t.Errorf("one fingerprint for %q and %q", other, c.Summary)
		}
		prints[c.Fingerprint] = c.Summary
		if i > 0 && list[i-1].Tenant == c.Tenant && list[i-1].Class() > c.Class() || i > 0 && list[i-1].Tenant > c.Tenant {
			t.Errorf("%s stands behind %s", c.Kind, list[i-1].Kind)
		}
		w := c.Witness
		if w == nil {
			continue
		}
		if !w.Before.Differs(w.After) {
			t.Errorf("%s: the witness %s does not differ: %s", c.Kind, w.Request, w.Before)
		}
		if d := cmp.Diff(w.Before, before.Decide(w.Request)); d != "" {
			t.Errorf("%s: before: mismatch (-want +got)\n%s", c.Kind, d)
		}
		if d := cmp.Diff(w.After, after.Decide(w.Request)); d != "" {
			t.Errorf("%s: after: mismatch (-want +got)\n%s", c.Kind, d)
		}
		lookup(t, x.Artifact, w.Request, w.Before)
		lookup(t, y.Artifact, w.Request, w.After)
	}
}

// lookup holds a decision against the table itself.
func lookup(t *testing.T, a *artifact.Artifact, q diff.Request, d diff.Decision) {
	t.Helper()
	var p match.Params
	v, outcome := a.Table.Lookup([]byte(q.Host), []byte(q.Method), []byte(q.Path), &p)
	switch {
	case outcome == match.NotFound && d.Status == 404 && d.Route == "", outcome == match.MethodNotAllowed && d.Status == 405:
	case outcome == match.Found && a.Routes[v].ID == d.Route:
	default:
		t.Errorf("%s: the table says %s, the witness %+v", q, outcome, d)
	}
}

func dump(list []diff.Change) string {
	var b strings.Builder
	for i := range list {
		c := &list[i]
		fmt.Fprintf(&b, "%s %s %s %s: %s [%s] -> [%s] affects %s\n", c.Fingerprint, c.Class(), c.Kind, c.Direction(), c.Summary, c.Before, c.After, c.Blast)
		if w := c.Witness; w != nil {
			fmt.Fprintf(&b, "\t%s\n\t- %s\n\t+ %s\n", w.Request, w.Before, w.After)
		}
	}
	return b.String()
}

// TestGolden holds the words of every change: testdata/changes.golden. GWC_UPDATE=1 rewrites it.
func TestGolden(t *testing.T) {
	base := build(t, repository)
	var b strings.Builder
	for _, e := range slices.Concat(edits, promptEdits, passthroughEdits) {
		target := build(t, apply(t, e))
		fmt.Fprintf(&b, "# %s\n%s\n# %s, undone\n%s\n", e.name, dump(diff.Compare(base, target)), e.name, dump(diff.Compare(target, base)))
	}
	const name = "testdata/changes.golden"
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
}

// TestRandomEdits applies several edits at once and holds that every witness is true, that nothing is missed, and
// that the result depends on nothing else.
func TestRandomEdits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	base := build(t, repository)
	witnesses := 0
	for range 60 {
		fsys := fstest.MapFS{}
		m := map[string]string{}
		for k, v := range repository {
			m[k] = v
		}
		var names []string
		for range 1 + r.IntN(8) {
			e := edits[r.IntN(len(edits))]
			if strings.Contains(m[e.file], e.from) {
				names = append(names, e.name)
				m[e.file] = strings.Replace(m[e.file], e.from, e.to, 1)
			}
		}
		for k, v := range m {
			fsys[k] = &fstest.MapFile{Data: []byte(v)}
		}
		target, problem := tryBuild(t, fsys)
		if problem != "" {
			continue // two edits that do not go together
		}
		for _, pair := range [][2]diff.Side{{base, target}, {target, base}} {
			list := diff.Compare(pair[0], pair[1])
			verify(t, pair[0], pair[1], list)
			if d := cmp.Diff(dump(list), dump(diff.Compare(pair[0], pair[1]))); d != "" {
				t.Errorf("%v: two runs differ\n%s", names, d)
			}
			for i := range list {
				if list[i].Witness != nil {
					witnesses++
				}
			}
			if len(list) == 0 && !alike(t, pair[0].Artifact, pair[1].Artifact) {
				t.Errorf("%v: nothing is said of artifacts that differ", names)
			}
		}
		if t.Failed() {
			t.Fatal(names)
		}
	}
	if witnesses < 200 {
		t.Errorf("only %d witnesses were judged", witnesses)
	}
}

// alike compares artifacts without provenance and places.
func alike(t *testing.T, a, b *artifact.Artifact) bool {
	t.Helper()
	bare := func(a *artifact.Artifact) []byte {
		x := *a
		x.Provenance = artifact.Provenance{}
		x.Routes = slices.Clone(x.Routes)
		for i := range x.Routes {
			x.Routes[i].Origin = artifact.Origin{}
		}
		x.APIs = slices.Clone(x.APIs)
		for i := range x.APIs {
			x.APIs[i].Document = artifact.Document{}
		}
		out, err := artifact.Encode(&x)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	return bytes.Equal(bare(a), bare(b))
}

func TestFingerprintsOutliveOtherChanges(t *testing.T) {
	base := build(t, repository)
	one := diff.Compare(base, build(t, apply(t, edits[slices.IndexFunc(edits, func(e edit) bool { return e.name == "an operation may take longer" })])))
	m := apply(t, edits[slices.IndexFunc(edits, func(e edit) bool { return e.name == "a limit is raised" })])
	m[acmeFile] = "// A line more, so that all places move.\n" + strings.Replace(m[acmeFile], `timeout: "2s"`, `timeout: "4s"`, 1)
	found := false
	for _, c := range diff.Compare(base, build(t, m)) {
		found = found || c.Fingerprint == one[0].Fingerprint
	}
	if !found {
		t.Error("the fingerprint is not the same beside another change")
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	base := build(t, repository)
	m := map[string]string{}
	for k, v := range repository {
		m[k] = strings.NewReplacer(`"org-1"`, `"hush-hush"`, strings.Repeat("02", 32), strings.Repeat("ef", 32)).Replace(v)
	}
	list := diff.Compare(base, build(t, m))
	if want := []diff.Kind{diff.KeyAdded, diff.KeyRemoved, diff.ProviderHeaders}; !slices.Equal(want, sorted(kindsOf(list))) {
		t.Fatalf("the changes are %v", kindsOf(list))
	}
	text := fmt.Sprintf("%+v", list) + dump(list)
	for _, secret := range []string{"org-1", "hush-hush"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in a change", secret)
		}
	}
	for _, hash := range []string{strings.Repeat("02", 8), strings.Repeat("ef", 8)} {
		if strings.Contains(dump(list), hash) {
			t.Errorf("the hash %q is shown in\n%s", hash, dump(list))
		}
	}
}

// TestSecretsInDocumentsAreBlanked plants credentials where the text of a change repeats the document.
func TestSecretsInDocumentsAreBlanked(t *testing.T) {
	base := build(t, repository)
	for name, secret := range map[string]string{
		"an OpenAI key": "sk-" + "proj-abcdefgh12345678", "a key of gwc": "gwc_" + strings.Repeat("a1", 20), "a token of GitHub": "ghp_" + strings.Repeat("A1", 18),
		"a token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "a key of AWS": "AKIA" + "ABCDEFGHIJKLMNOP", "a header": "Bearer " + strings.Repeat("abc123", 4),
	} {
		m := map[string]string{}
		for k, v := range repository {
			m[k] = strings.Replace(v, "note: {type: string}", fmt.Sprintf("note: {type: string, enum: [%q]}", secret), 1)
		}
		target := build(t, m)
		for _, list := range [][]diff.Change{diff.Compare(base, target), diff.Compare(target, base)} {
			if len(list) == 0 {
				t.Errorf("%s: nothing changes", name)
			}
			if text := fmt.Sprintf("%+v", list); strings.Contains(text, secret) {
				t.Errorf("%s is in a change:\n%s", name, text)
			}
		}
	}
}

func TestNothingChangesWithComments(t *testing.T) {
	m := map[string]string{}
	for k, v := range repository {
		if strings.HasSuffix(k, ".cue") {
			v = "// A comment.\n\n" + v
		}
		m[k] = v
	}
	if list := diff.Compare(build(t, repository), build(t, m)); len(list) != 0 {
		t.Error(dump(list))
	}
}

func TestAgainstNothing(t *testing.T) {
	a := build(t, repository)
	none := diff.Side{Artifact: &artifact.Artifact{}}
	verify(t, none, a, diff.Compare(none, a))
	verify(t, a, none, diff.Compare(a, none))
}

// specimens returns a gateway of many APIs, and the same with one text of its files replaced.
func specimens(t testing.TB, apis int, from, to string) (x, y diff.Side) {
	t.Helper()
	fsys, changed := fstest.MapFS{}, fstest.MapFS{}
	for name, data := range specimen.Repository(apis, "http://127.0.0.1:1") {
		fsys[name] = &fstest.MapFile{Data: data}
		if strings.HasSuffix(name, ".cue") {
			data = bytes.ReplaceAll(data, []byte(from), []byte(to))
		}
		changed[name] = &fstest.MapFile{Data: data}
	}
	var problem string
	if x, problem = tryBuild(t, fsys); problem != "" {
		t.Fatal(problem)
	}
	if y, problem = tryBuild(t, changed); problem != "" {
		t.Fatal(problem)
	}
	return x, y
}

// BenchmarkCompare compares 10,000 APIs of 1,000 tenants, where each app's limits or each API's base path changed.
func BenchmarkCompare(b *testing.B) {
	for _, bb := range []struct{ name, from, to string }{
		{"limits", "requests: 1000000", "requests: 2000000"},
		{"base paths", "basePath: \"", "basePath: \"/new"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			x, y := specimens(b, 10_000, bb.from, bb.to)
			n := 0
			for b.Loop() {
				n = len(diff.Compare(x, y))
			}
			b.ReportMetric(float64(n), "changes")
		})
	}
}

// TestThePageHasEveryKind holds docs/plan.md against the table. GWC_UPDATE=1 rewrites the page's table.
func TestThePageHasEveryKind(t *testing.T) {
	const name = "../../docs/plan.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range diff.Rules() {
		restart := ""
		if r.Restart {
			restart = " ↻"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s | %s |\n", r.Kind, restart, r.Class, r.Direction, r.Why)
	}
	const head = "| kind | class | | because |\n|---|---|---|---|\n"
	before, rest, ok := strings.Cut(string(page), head)
	_, after, end := strings.Cut(rest, "\n\n")
	if !ok || !end {
		t.Fatal("the page has no table of kinds")
	}
	want := before + head + b.String() + "\n" + after
	if os.Getenv("GWC_UPDATE") != "" {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, string(page)); d != "" {
		t.Errorf("mismatch (-want +got)\n%s", d)
	}
}
