package diff_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

// unsaid are the fields that may differ without a change, with the reason. A field that is added to the artifact is in
// none of these lists, so that this test fails until a kind of change says it.
var unsaid = map[string]string{
	"Table":                         "it follows from the routes, and the artifact's validation holds that",
	"Provenance":                    "what an artifact was made from, not what it does",
	"Locks[].Reason":                "why a lock is there",
	"Routes[].Origin":               "where a definition stands",
	"Routes[].Operation":            "the route's id holds it",
	"APIs[].Document.File":          "the digest says whether it is another one",
	"Prices[].Source":               "who said a price; the numbers are compared",
	"Prices[].Date":                 "when somebody said it",
	"Prices[].Version":              "it follows from the rates",
	"Models[].Targets[].Price":      "an index; what it leads to is compared",
	"Keys[].App":                    "an index; see TestEachKind for keys that move",
	"Apps[].Tenant":                 "an index; see TestEachKind for tenants that go",
	"Routes[].API":                  "an index; see TestEachKind for operations of other APIs",
	"Routes[].Kind":                 "a route of another kind has another id",
	"Routes[].Prompt":               "an index; what it leads to is compared",
	"Prompts[].Versions[].Told":     "it follows from what the targets can do",
	"Models[].Targets[].Provider":   "an index; the name behind it is compared as part of the target",
	"Apps[].Passthrough[].Provider": "an index; the name behind it is compared as part of the path",
	"Routes[].Provider":             "an index; what it leads to is compared, and said of the apps",
}

// other holds values for fields in which not every text or number is one.
var other = map[string]any{
	"Gateway.Listeners[].Engine":  "std",
	"Providers[].Kind":            "anthropic",
	"Providers[].Vendor":          "groq",
	"Models[].Retry.On[]":         "timeout",
	"Locks[].Kind":                "text",
	"Routes[].Method":             "PUT",
	"Routes[].Auth":               "none",
	"Routes[].Host":               "other.example",
	"Routes[].Path":               "/orders/v2/others/{id}",
	"APIs[].Owner":                1,
	"APIs[].Upstream":             1,
	"APIs[].Hosts[]":              "other.example",
	"APIs[].BasePath":             "/orders/v3",
	"Apps[].Models[]":             1,
	"Upstreams[].Endpoints[].URL": "http://10.9.9.9",
	"Providers[].BaseURL":         "https://elsewhere.example",
	"Prices[].Rates[].Service":    "batch",
	"Prices[].Rates[].Kind":       price.Image,
	"Apps[].Prompts[]":            1,
	"Prompts[].Owner":             1,
	"Prompts[].Path":              "/v1/elsewhere",
	"Prompts[].Versions[].Model":  1,
}

// everything is an artifact in which each list has something and each field is set.
func everything(t *testing.T) *artifact.Artifact {
	to := artifact.Timeouts{Connect: time.Second, FirstByte: 2 * time.Second, Idle: 3 * time.Second, Total: 4 * time.Second}
	a := &artifact.Artifact{
		Gateway: artifact.Gateway{
			Listeners: []artifact.Listener{{Name: "main", Address: "127.0.0.1:1", Engine: "netpoll", TLS: &artifact.TLS{Cert: "file:c", Key: "file:k"}}},
			Admin:     "127.0.0.1:2", Calls: artifact.Calls{Dir: "calls", Flush: time.Second, MaxBytes: 1},
			Signatures: &artifact.Signing{Keys: []artifact.SigningKey{{Name: "ci", Key: [32]byte{1}}, {Name: "lead", Key: [32]byte{2}}}, Need: 1},
		},
		Providers: []artifact.Provider{{Name: "p", Kind: "openai", BaseURL: "https://p.example/v1", Credentials: []string{"env:P"}, Headers: []artifact.Header{{Name: "x-h", Value: "v"}}, Timeouts: to,
			Vendor: "vllm", APIVersion: "v1", Region: "us-east-1", AWSKeys: []artifact.AWSKey{{AccessKeyID: "env:I", SecretAccessKey: "env:K", SessionToken: "env:T"}}, Entra: &artifact.Entra{Tenant: "t", ClientID: "c", ClientSecret: "env:S", Authority: "https://login.example", Scope: "s"}}},
		Models: []artifact.Model{
			{Name: "m", Strategy: "priority", Targets: []artifact.Target{{Provider: 0, Model: "u", Price: 1}}, Retry: artifact.Retry{Attempts: 2, On: []string{"429"}}, Timeouts: to, MaxTokens: 9, Capabilities: []string{"tools"}, OnLoss: "warn", KeepAlive: time.Second},
			{Name: "n", Strategy: "priority", Targets: []artifact.Target{{Provider: 0, Model: "v", Price: 1}}, Retry: artifact.Retry{Attempts: 1, On: []string{"429"}}, Timeouts: to, MaxTokens: 9, Capabilities: []string{"tools"}},
		},
		Upstreams: []artifact.Upstream{{Name: "u", Endpoints: []artifact.Endpoint{{URL: "http://10.0.0.1", Weight: 1}}, Timeouts: to}, {Name: "w", Endpoints: []artifact.Endpoint{{URL: "http://10.0.0.2", Weight: 1}}, Timeouts: to}},
		APIs:      []artifact.API{{Name: "orders", Owner: 0, BasePath: "/orders/v2", Hosts: []string{"a.example"}, Upstream: 0, Title: "T", Version: "1", Document: artifact.Document{File: "o.yaml", Digest: [32]byte{1}}}},
		Tenants:   []artifact.Tenant{{Name: "acme", Owners: []string{"@a"}}, {Name: "shop", Owners: []string{"@s"}}},
		Apps: []artifact.App{{Name: "web", Tenant: 0, Models: []int{0}, Limits: []artifact.Limit{{Requests: 1, Per: time.Second}}, Prompts: []int{0},
			Passthrough: []artifact.Passthrough{{Provider: 0, Paths: []string{"/files"}, Methods: []string{"GET", "POST"}}}}},
		Prompts: prompts(),
		Keys:    []artifact.Key{{Hash: [32]byte{1}, ID: "k", App: 0, Expires: 1_900_000_000}},
		Prices:  []price.Price{price.Price{Source: "s", Date: "2026-01-01", Rates: []price.Rate{{Kind: price.Input, Above: 5, Femto: 7, Service: "flex"}}}.Identify()},
		Routes: []artifact.Route{{ID: "orders.get", Kind: artifact.RouteAPI, Host: "a.example", Method: "GET", Path: "/orders/v2/orders/{id}", API: 0, Operation: "get", Auth: "key", Timeout: time.Second, Origin: artifact.Origin{File: "o.yaml", Line: 1}},
			{ID: "ai.chat", Kind: artifact.RouteChat, Host: "", Method: "POST", Path: "/v1/chat/completions", API: -1, Operation: "-", Auth: "key", Timeout: time.Second, Origin: artifact.Origin{File: "o.yaml", Line: 1}}},
		Locks:      []artifact.Lock{{Path: "tenants.*.apps.*.limits.*.requests", Kind: "number", Values: []string{"5"}, AtLeast: "1", AtMost: "9", Matches: "5", Within: time.Hour, Required: true, Except: []string{"acme"}, Reason: "r"}},
		Provenance: artifact.Provenance{Tool: "t", Schema: "s", Sources: []artifact.Source{{File: "f", Digest: "d"}}, Revision: "r"},
	}
	table(t, a)
	return a
}

// prompts are two, of which the first has each thing that a prompt may have.
func prompts() []prompt.Prompt {
	n, f := int64(2), 0.5
	types := []prompt.Type{
		{Kind: prompt.Object, Description: "d", Fields: []prompt.Field{{Name: "list", Type: 2, Required: true, Default: "[]"}, {Name: "n", Type: 4, Default: "1"}}},
		{Kind: prompt.Object, Fields: []prompt.Field{{Name: "label", Type: 3, Required: true}}},
		{Kind: prompt.Array, Items: 3, Least: &n, Most: &n},
		{Kind: prompt.String, Pattern: "x", Values: []string{"a", "b"}},
		{Kind: prompt.Number, Low: &f, High: &f},
	}
	// What only the first type has is compared there, whatever its kind.
	types[0].Least, types[0].Most, types[0].Low, types[0].High, types[0].Pattern, types[0].Values, types[0].Items = &n, &n, &f, &f, "y", []string{"c", "d"}, 2
	v := prompt.Version{Number: 1, Types: types, Output: 1, Temperature: &f, TopP: &f, MaxTokens: 1, Stop: []string{"s", "t"}, Reasoning: "low", Stream: true, OnInvalid: "repair", Told: []int{0}, Caching: "5m",
		Messages: []prompt.Message{{Role: "user", Ops: []prompt.Op{{Code: prompt.Print, Path: []int{1, 0}, Text: "t"}, {Code: prompt.Text, Text: "x"}}, Images: [][]int{{0, 1}, {1}}}}}
	return []prompt.Prompt{
		{Name: "p", Owner: 0, Path: "/v1/p", Visibility: "team", Description: "d", Versions: []prompt.Version{v}, Aliases: []prompt.Alias{{Name: "latest", Number: 1}},
			Default: 1, Split: []prompt.Share{{Number: 1, Weight: 1}}, SplitBy: "app"},
		{Name: "q", Owner: 0, Path: "/v1/q", Visibility: "team", Versions: []prompt.Version{{Number: 1, Types: types[:1], Messages: v.Messages}}, Default: 1},
	}
}

// table makes the routing table of an artifact's routes.
func table(t *testing.T, a *artifact.Artifact) {
	t.Helper()
	var list []match.Pattern
	for i, r := range a.Routes {
		list = append(list, match.Pattern{Host: r.Host, Method: r.Method, Path: r.Path, Value: uint32(i)})
	}
	built, conflicts := match.Build(list)
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	a.Table = built
}

// clone copies a value with all that it leads to.
func clone(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(clone(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(clone(v.Index(i)))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if out.Field(i).CanSet() {
				out.Field(i).Set(clone(v.Field(i)))
			}
		}
	}
	return out
}

// mutation changes one thing of an artifact. The path is of types: "Models[].Retry.On[]".
type mutation struct {
	path, what string
	do         func(a reflect.Value)
}

// mutations lists what can be changed below a value of the artifact, in its first element of each list.
func mutations(t *testing.T, v reflect.Value, path string, at func(reflect.Value) reflect.Value) (list []mutation) {
	if _, ok := unsaid[path]; ok {
		return nil
	}
	add := func(what string, f func(v reflect.Value)) {
		list = append(list, mutation{path, what, func(a reflect.Value) { f(at(a)) }})
	}
	if o, ok := other[path]; ok {
		add("another value", func(v reflect.Value) { v.Set(reflect.ValueOf(o).Convert(v.Type())) })
		return list
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			below := name
			if path != "" {
				below = path + "." + name
			}
			list = append(list, mutations(t, v.Field(i), below, func(a reflect.Value) reflect.Value { return at(a).Field(i) })...)
		}
	case reflect.Pointer:
		if v.IsNil() {
			t.Fatalf("the sample has no %s", path)
		}
		add("nothing", func(v reflect.Value) { v.SetZero() })
		list = append(list, mutations(t, v.Elem(), path, func(a reflect.Value) reflect.Value { return at(a).Elem() })...)
	case reflect.Slice:
		if v.Len() == 0 {
			t.Fatalf("the sample has no %s", path)
		}
		if strings.Contains(path, ".") { // lists of the artifact itself are indexed by others
			add("one less", func(v reflect.Value) { v.Set(v.Slice(0, v.Len()-1)) })
		}
		list = append(list, mutations(t, v.Index(0), path+"[]", func(a reflect.Value) reflect.Value { return at(a).Index(0) })...)
	case reflect.Array: // of bytes
		add("another byte", func(v reflect.Value) { v.Index(0).SetUint(v.Index(0).Uint() ^ 0xff) })
	case reflect.String:
		add("another text", func(v reflect.Value) { v.SetString(v.String() + "2") })
	case reflect.Int, reflect.Int64:
		add("one more", func(v reflect.Value) { v.SetInt(v.Int() + 1) })
	case reflect.Float64:
		add("one more", func(v reflect.Value) { v.SetFloat(v.Float() + 1) })
	case reflect.Bool:
		add("the other", func(v reflect.Value) { v.SetBool(!v.Bool()) })
	case reflect.Uint8, reflect.Uint64:
		add("one more", func(v reflect.Value) { v.SetUint(v.Uint() + 1) })
	default:
		t.Fatalf("%s has a type that this test does not know: %s", path, v.Type())
	}
	return list
}

// TestNoFieldChangesUnsaid changes each field of an artifact by itself: some typed change must say it, both ways.
func TestNoFieldChangesUnsaid(t *testing.T) {
	base := everything(t)
	seen := map[string]bool{}
	list := mutations(t, reflect.ValueOf(*base), "", func(a reflect.Value) reflect.Value { return a })
	if len(list) < 70 {
		t.Fatalf("only %d fields were found", len(list))
	}
	for _, m := range list {
		seen[m.path] = true
		name := m.path + ": " + m.what
		x := clone(reflect.ValueOf(*base))
		m.do(x)
		a := x.Addr().Interface().(*artifact.Artifact)
		for i := range a.Prices {
			a.Prices[i] = a.Prices[i].Identify()
		}
		table(t, a)
		for _, pair := range [][2]*artifact.Artifact{{base, a}, {a, base}} {
			changes := diff.Compare(diff.Side{Artifact: pair[0]}, diff.Side{Artifact: pair[1]})
			if len(changes) == 0 {
				t.Errorf("%s: nothing is said", name)
			}
			prints := map[string]bool{}
			for _, c := range changes {
				if prints[c.Fingerprint] {
					t.Errorf("%s: a fingerprint stands twice: %s", name, c.Summary)
				}
				prints[c.Fingerprint] = true
				if !slices.ContainsFunc(diff.Rules(), func(r diff.Rule) bool { return r.Kind == c.Kind }) {
					t.Errorf("%s: kind %s has no rule", name, c.Kind)
				}
			}
		}
	}
	for path := range other {
		if !seen[path] {
			t.Errorf("there is no field %s", path)
		}
	}
	for path := range unsaid {
		field := reflect.TypeFor[artifact.Artifact]()
		for part := range strings.SplitSeq(path, ".") {
			f, ok := field.FieldByName(strings.TrimSuffix(part, "[]"))
			if !ok {
				t.Errorf("there is no field %s", path)
				break
			}
			if field = f.Type; strings.HasSuffix(part, "[]") {
				field = field.Elem()
			}
		}
	}
	// What is no change is none, also when all of it is another one at once.
	a := clone(reflect.ValueOf(*base)).Addr().Interface().(*artifact.Artifact)
	a.Provenance = artifact.Provenance{Tool: "x"}
	a.Routes[0].Origin, a.Routes[0].Operation = artifact.Origin{File: "else.yaml", Line: 9}, "x"
	a.APIs[0].Document.File = "else.yaml"
	a.Prices[0].Source, a.Prices[0].Date = "x", "2026-02-02"
	if changes := diff.Compare(diff.Side{Artifact: base}, diff.Side{Artifact: a}); len(changes) != 0 {
		t.Errorf("these are changes:\n%s", dump(changes))
	}
	if testing.Verbose() {
		fmt.Printf("%d mutations of %d fields\n", len(list), len(seen))
	}
}
