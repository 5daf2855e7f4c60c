package importer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/compiler/scaffold"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/vendor"
)

var examples = map[string]string{"litellm": "litellm.yaml", "krakend": "krakend.json", "kong": "kong.yaml", "apisix": "apisix.yaml", "openapi": "openapi.yaml"}

func read(t testing.TB, system string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", examples[system]))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExamples imports a configuration of each system and compares all that it comes to. GWC_UPDATE=1 rewrites.
func TestExamples(t *testing.T) {
	for system := range examples {
		t.Run(system, func(t *testing.T) {
			res, err := Import(system, read(t, system), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := &txtar.Archive{}
			var b strings.Builder
			for _, l := range res.Lost {
				fmt.Fprintf(&b, "%d: %s: %s\n", l.Line, l.Path, l.Reason)
			}
			got.Files = append(got.Files, txtar.File{Name: "lost", Data: []byte(b.String())})
			b.Reset()
			for _, v := range res.Env {
				fmt.Fprintf(&b, "%s %d\n", v.Name, v.Line)
			}
			got.Files = append(got.Files, txtar.File{Name: "env", Data: []byte(b.String())})
			for _, f := range res.Files {
				got.Files = append(got.Files, txtar.File{Name: f.Path, Data: f.Data})
			}
			text := txtar.Format(got)
			if strings.Contains(string(text), "PLACEHOLDER") && system != "openapi" {
				t.Error("a secret of the file is in what was made of it")
			}
			golden := filepath.Join("testdata", system+".txtar")
			if os.Getenv("GWC_UPDATE") != "" {
				if err := os.WriteFile(golden, text, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(text)); diff != "" {
				t.Errorf("mismatch (-want +got)\n%s", diff)
			}
		})
	}
}

// build compiles what was imported; nothing may be said of it.
func build(t testing.TB, files []scaffold.File) *artifact.Artifact {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, f := range files {
		if _, twice := fsys[f.Path]; twice {
			t.Fatalf("%s is written twice", f.Path)
		}
		fsys[f.Path] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	res, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Tool: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range res.Report.All() {
		if d.Code == "GWC4121" {
			continue // The imported system listens in clear text on every address, and its repository says so.
		}
		t.Errorf("%s[%s]: %s at %s:%d", d.Severity, d.Code, d.Summary, d.Primary.Span.File, d.Primary.Span.Start.Line)
	}
	if res.Artifact == nil {
		for _, f := range files {
			t.Logf("-- %s --\n%s", f.Path, f.Data)
		}
		t.FailNow()
	}
	return res.Artifact
}

// TestImportedRepositoriesServeTheSameRoutes builds each and asks the routing table where requests go.
func TestImportedRepositoriesServeTheSameRoutes(t *testing.T) {
	type request struct {
		method, host, path, app, model string
		want                           string // the first server, or the status
	}
	for system, requests := range map[string][]request{
		"litellm": {
			{"POST", "", "/v1/chat/completions", "master", "gpt-4o", "openai/gpt-4o (openai at https://api.openai.com/v1)"},
			{"POST", "", "/v1/chat/completions", "master", "gpt-4", "openai/gpt-4o (openai at https://api.openai.com/v1)"},
			{"POST", "", "/v1/chat/completions", "master", "claude", "anthropic/claude-sonnet-4-5 (anthropic at https://api.anthropic.com)"},
			{"POST", "", "/v1/chat/completions", "master", "team-llama", "hosted-vllm/meta-llama/Llama-3.3-70B-Instruct (openai-compatible at http://10.0.0.20:8000/v1)"},
			{"POST", "", "/v1/chat/completions", "master", "azure-gpt", "azure/gpt-4o (azure-openai at https://team.openai.azure.com)"},
			{"POST", "", "/v1/chat/completions", "master", "bedrock", "bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0 (bedrock at https://bedrock-runtime.eu-central-1.amazonaws.com)"},
			{"POST", "", "/v1/chat/completions", "master", "open", "groq/openai/gpt-oss-120b (openai-compatible at https://api.groq.com/openai/v1)"},
			{"POST", "", "/v1/embeddings", "master", "embedder", "openai/text-embedding-3-small (openai at https://api.openai.com/v1)"},
			{"POST", "", "/v1/chat/completions", "master", "studio", "404"},
			{"POST", "", "/v1/chat/completions", "", "gpt-4o", "401"},
			{"GET", "", "/v1/models", "master", "", "200"},
		},
		"krakend": {
			{"GET", "", "/v1/products", "", "", "http://catalog.internal:9000/products (weight 1)"},
			{"GET", "", "/v1/products/7", "", "", "http://catalog.internal:9000/products/7 (weight 1)"},
			{"GET", "", "/v1/orders/1/lines/2", "", "", "401"},
			{"GET", "", "/v1/orders/1/lines/2", "web-shop", "", "https://orders.internal/api/orders/1/lines/2"},
			{"GET", "", "/same/path", "", "", "http://same.internal/same/path"},
			{"GET", "", "/home", "", "", "404"},
			{"POST", "", "/v1/products", "", "", "405"},
		},
		"kong": {
			{"GET", "", "/orders/7", "", "", "401"},
			{"GET", "", "/orders/7", "web-shop", "", "http://orders.internal:8080/api/7"},
			{"POST", "", "/orders/", "web-shop", "", "http://orders.internal:8080/api/"},
			{"DELETE", "", "/orders/7", "web-shop", "", "405"},
			{"DELETE", "admin.example.com", "/admin/orders/7/8", "web-shop", "", "http://orders.internal:8080/api/7/8"},
			{"DELETE", "other.example.com", "/admin/orders/7/8", "web-shop", "", "404"},
			{"GET", "", "/status", "", "", "http://10.0.0.31:8000/status (weight 100)"},
			{"GET", "", "/status/deep/er", "", "", "http://10.0.0.31:8000/status/deep/er (weight 100)"},
			{"GET", "", "/reports/2026", "web-shop", "", "http://orders.internal:8080/api/2026"},
			{"GET", "", "/beta", "web-shop", "", "404"},
		},
		"apisix": {
			{"GET", "", "/orders/7", "", "", "401"},
			{"GET", "", "/orders/7", "web-shop", "", "http://orders.internal:8080/api/v2/7"},
			{"DELETE", "", "/orders/7", "web-shop", "", "405"},
			{"GET", "", "/status", "", "", "http://10.0.0.41:8000/status (weight 1)"},
			{"GET", "", "/health", "", "", "http://10.0.0.41:8000/health (weight 1)"},
			{"GET", "a.users.example", "/users/9", "", "", "https://users.internal:8443/users/9"},
			{"GET", "users.example", "/users/9", "", "", "404"},
			{"POST", "", "/partner", "", "", "401"},
			{"GET", "", "/fixed", "", "", "404"},
			{"GET", "", "/beta/x", "", "", "404"},
		},
		"openapi": {
			{"GET", "", "/pet-store/pets", "", "", "401"},
		},
	} {
		t.Run(system, func(t *testing.T) {
			res, err := Import(system, read(t, system), Options{})
			if err != nil {
				t.Fatal(err)
			}
			v := diff.NewView(build(t, res.Files))
			for _, r := range requests {
				q := diff.Request{Method: r.method, Host: r.host, Path: r.path, Model: r.model}
				if r.app != "" {
					with, ok := v.As(q, "imported/"+r.app, r.app+"-1")
					if !ok {
						t.Errorf("app %s has no key", r.app)
					}
					q = with
				}
				d := v.Decide(q)
				got := fmt.Sprint(d.Status)
				if d.Status == 0 {
					got = d.To[0]
				}
				if got != r.want {
					t.Errorf("%s: %s, want %s", q, got, r.want)
				}
			}
		})
	}
}

// TestNothingIsLostInSilence adds a field to every mapping of an example in turn: it must be on the list.
func TestNothingIsLostInSilence(t *testing.T) {
	for system := range examples {
		if system == "openapi" {
			continue // the document is copied as it is
		}
		t.Run(system, func(t *testing.T) {
			var mappings func(*value) int
			mappings = func(v *value) (n int) {
				if v.kind == 'm' {
					n++
				}
				for _, f := range v.fields {
					n += mappings(f.v)
				}
				for _, e := range v.items {
					n += mappings(e)
				}
				return n
			}
			doc, err := parse(read(t, system))
			if err != nil {
				t.Fatal(err)
			}
			total := mappings(doc)
			for at := range total {
				doc, err := parse(read(t, system))
				if err != nil {
					t.Fatal(err)
				}
				k := at
				line := plant(doc, &k)
				res := importTree(t, system, doc)
				if !slices.ContainsFunc(res.Lost, func(l Loss) bool { return strings.HasSuffix(l.Path, "x-planted") || covers(l, line) }) {
					t.Errorf("a field planted in mapping %d (line %d) is not on the list", at, line)
				}
			}
			if total < 10 {
				t.Errorf("only %d mappings", total)
			}
		})
	}
}

// covers reports whether a loss is of the mapping that a field was planted in, or of one around it.
func covers(l Loss, line int) bool { return l.Line <= line && line-l.Line < 40 }

// plant adds a field to the mapping with a number and returns its line.
func plant(v *value, k *int) int {
	if v.kind == 'm' {
		if *k == 0 {
			v.fields = append(v.fields, field{"x-planted", v.line, &value{line: v.line, kind: 's', text: "x"}})
			*k = -1
			return v.line
		}
		*k--
	}
	for _, f := range v.fields {
		if line := plant(f.v, k); *k < 0 {
			return line
		}
	}
	for _, e := range v.items {
		if line := plant(e, k); *k < 0 {
			return line
		}
	}
	return 0
}

func importTree(t *testing.T, system string, doc *value) *Result {
	t.Helper()
	b := newBuilder(doc, Options{})
	switch system {
	case "litellm":
		b.litellm()
	case "krakend":
		b.krakend()
	case "kong":
		b.kong()
	case "apisix":
		b.apisix()
	}
	return b.result()
}

// TestProvidersOfLiteLLM imports one deployment each and wants its provider, in one line, and what is lost. What is made
// builds.
func TestProvidersOfLiteLLM(t *testing.T) {
	for _, tt := range []struct {
		name, params string
		want         string // the provider and the model; "" where nothing is carried over
		lost         string
	}{
		{"a vendor by its prefix", "model: fireworks_ai/accounts/fireworks/models/deepseek-v4-flash", `kind: "openai-compatible" vendor: "fireworks" credentials: [{ref: "env:FIREWORKS_AI_API_KEY"}] accounts/fireworks/models/deepseek-v4-flash`, ""},
		{"a vendor at a server of one's own", "{model: deepseek/deepseek-chat, api_base: 'https://ds.example/v1/'}", `kind: "openai-compatible" vendor: "deepseek" baseURL: "https://ds.example/v1" credentials: [{ref: "env:DEEPSEEK_API_KEY"}] deepseek-chat`, ""},
		{"a server of one's own without a key", "{model: hosted_vllm/a/b, api_base: 'http://10.0.0.1/v1'}", `kind: "openai-compatible" vendor: "vllm" baseURL: "http://10.0.0.1/v1" a/b`, ""},
		{"a server of one's own that is not named", "model: hosted_vllm/a/b", "", "it needs an api_base"},
		{"LM Studio that is not named", "model: lm_studio/a", "", "it needs an api_base"},
		{"a provider that is named apart", "{model: openai/gpt-oss-120b, custom_llm_provider: groq}", `kind: "openai-compatible" vendor: "groq" credentials: [{ref: "env:GROQ_API_KEY"}] openai/gpt-oss-120b`, ""},
		{"a provider that is named twice", "{model: groq/llama-3.3-70b-versatile, custom_llm_provider: groq}", `kind: "openai-compatible" vendor: "groq" credentials: [{ref: "env:GROQ_API_KEY"}] llama-3.3-70b-versatile`, ""},
		{"Ollama where it listens", "model: ollama_chat/qwen3:8b", `kind: "ollama" qwen3:8b`, ""},
		{"Ollama behind a key", "{model: ollama/qwen3, api_base: 'https://o.example', api_key: os.environ/O_KEY}", `kind: "ollama" baseURL: "https://o.example" credentials: [{ref: "env:O_KEY"}] qwen3`, ""},
		{"Azure without a version", "{model: azure/gpt-4o, api_base: 'https://a.openai.azure.com'}", `kind: "azure-openai" baseURL: "https://a.openai.azure.com" credentials: [{ref: "env:AZURE_API_KEY"}] gpt-4o`, "it is not said: gwc asks for 2024-10-21 unless apiVersion says otherwise"},
		{"Azure with a version that gwc does not have", "{model: azure/gpt-4o, api_base: 'https://a.openai.azure.com', api_version: latest}", `kind: "azure-openai" baseURL: "https://a.openai.azure.com" credentials: [{ref: "env:AZURE_API_KEY"}] gpt-4o`, "it is no version of Azure's API: set apiVersion of its provider"},
		{"Azure by version v1", "{model: azure/gpt-4o, api_base: 'https://a.openai.azure.com', api_version: v1}", `kind: "azure-openai" baseURL: "https://a.openai.azure.com" apiVersion: "v1" credentials: [{ref: "env:AZURE_API_KEY"}] gpt-4o`, ""},
		{"Entra whose directory stands in a variable", "{model: azure/gpt-4o, api_base: 'https://a.openai.azure.com', api_version: v1, tenant_id: os.environ/T, client_id: c, client_secret: os.environ/S}", "", "its tenant_id and client_id have to stand in the file: gwc reads only secrets from variables"},
		{"Vertex AI with JSON in the file", "{model: vertex_ai/claude-sonnet-4-5@20250929, vertex_project: p-1, vertex_credentials: '{\"private_key\": \"x\"}'}", `kind: "vertex" project: "p-1" location: "us-central1" credentials: [{serviceAccount: "env:VERTEX_SERVICE_ACCOUNT"}] claude-sonnet-4-5@20250929`, ""},
		{"Vertex AI as whoever the machine is", "{model: vertex_ai/gemini-2.5-flash, vertex_project: p-1, vertex_location: global}", `kind: "vertex" project: "p-1" location: "global" credentials: [{serviceAccount: "env:VERTEX_SERVICE_ACCOUNT"}] gemini-2.5-flash`, "gwc does not look for credentials of the machine: set the variable VERTEX_SERVICE_ACCOUNT to the key file of a service account, as JSON"},
		{"Vertex AI without a project", "model: vertex_ai/gemini-2.5-flash", "", "it needs a vertex_project"},
		{"Bedrock as whoever the machine is", "{model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1}", `kind: "bedrock" region: "us-east-1" amazon.nova-lite-v1:0`, ""},
		{"Bedrock with half a key", "{model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1, aws_access_key_id: os.environ/A}", "", "it needs both parts of its access key"},
		{"Bedrock with a temporary key", "{model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1, aws_access_key_id: os.environ/A, aws_secret_access_key: os.environ/B, aws_session_token: os.environ/C}", `kind: "bedrock" region: "us-east-1" credentials: [{accessKeyId: "env:A", secretAccessKey: "env:B", sessionToken: "env:C"}] amazon.nova-lite-v1:0`, ""},
		{"Bedrock by InvokeModel", "{model: bedrock/invoke/amazon.nova-lite-v1:0, aws_region_name: us-east-1}", `kind: "bedrock" region: "us-east-1" amazon.nova-lite-v1:0`, "gwc calls models of Bedrock by Converse and not by InvokeModel"},
		{"Bedrock by a role", "{model: bedrock/amazon.nova-lite-v1:0, aws_region_name: us-east-1, aws_role_name: r}", `kind: "bedrock" region: "us-east-1" amazon.nova-lite-v1:0`, "roles are not taken on by gwc: give the gateway the role"},
		{"Bedrock without a region", "model: bedrock/amazon.nova-lite-v1:0", "", "it needs an aws_region_name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			params := tt.params
			if !strings.HasPrefix(params, "{") {
				params = "{" + params + "}"
			}
			res, err := Import("litellm", []byte("model_list:\n- {model_name: m, litellm_params: "+params+"}\n"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, f := range res.Files {
				text := string(f.Data)
				if strings.HasPrefix(f.Path, "platform/providers/") {
					_, body, _ := strings.Cut(text, ": {\n")
					body, _, _ = strings.Cut(body, "\n\t}")
					got += strings.Join(strings.Fields(body), " ")
				}
			}
			for _, f := range res.Files {
				if strings.HasPrefix(f.Path, "platform/models/") {
					_, model, _ := strings.Cut(string(f.Data), `model: "`)
					model, _, _ = strings.Cut(model, `"`)
					got += " " + model
				}
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			var lost []string
			for _, l := range res.Lost {
				lost = append(lost, l.Reason)
			}
			if strings.Join(lost, "; ") != tt.lost {
				t.Errorf("lost %q, want %q", lost, tt.lost)
			}
			if tt.want != "" {
				build(t, res.Files)
			}
		})
	}
}

// TestEveryVendorOfLiteLLMIsOne holds the names of vendors against the table.
func TestEveryVendorOfLiteLLMIsOne(t *testing.T) {
	for prefix, v := range prefixes {
		if v.kind == "openai-compatible" && v.vendor != "" && vendor.Get(v.vendor) == nil {
			t.Errorf("%s is of vendor %q, which nobody knows", prefix, v.vendor)
		}
		if v.vendor != "" && !v.own && vendor.Get(v.vendor) != nil && vendor.Get(v.vendor).BaseURL == "" {
			t.Errorf("%s needs an api_base: the server of %s depends on the account", prefix, v.vendor)
		}
	}
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	deep := strings.Repeat("[", 500) + strings.Repeat("]", 500)
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "the file is empty"},
		{"a scalar", "x", "line 1: the document is not a mapping of fields"},
		{"broken YAML", "a: [", "did not find expected"},
		{"broken JSON", `{"a": `, "did not find expected"},
		{"two documents", "a: 1\n---\nb: 2\n", "more than one document"},
		{"a key twice", "a: 1\nb: 2\na: 3\n", "line 3: a key stands twice"},
		{"a key twice in JSON", "{\"a\": 1,\n\"a\": 2}", "line 2: a key stands twice"},
		{"deep nesting", "a: " + deep, "nested deeper"},
		{"deep nesting in JSON", `{"a": ` + deep + "}", "nested deeper"},
		{"aliases that multiply", bomb(), "values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Import("litellm", []byte(tt.text), Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// bomb is a few lines of YAML that come to 10^9 values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

// FuzzImport holds for any bytes: no panic, and a repository that was made compiles without an error.
func FuzzImport(f *testing.F) {
	for i, system := range Sources() {
		f.Add(byte(i), read(f, system))
	}
	f.Add(byte(3), []byte("services:\n- url: http://a\n  routes:\n  - paths: ['/a/../b', '~/x', /]\n  - paths: [/]\n"))
	f.Add(byte(4), []byte("routes:\n- uri: /a/*\n  upstream: {nodes: {'h:1': 1}}\n- uri: '*'\n"))
	f.Add(byte(2), []byte(`{"version":3,"endpoints":[{"endpoint":"/{a}/{b}","backend":[{"url_pattern":"/{a}/{b}","host":["h"]}]}]}`))
	f.Add(byte(1), []byte("model_list:\n- &x {model_name: '..', litellm_params: {model: gpt-4, api_key: k}}\n- *x\n"))
	f.Add(byte(1), []byte("model_list:\n- {model_name: a, litellm_params: {model: bedrock/us-east-1/x, aws_access_key_id: a, aws_secret_access_key: b}}\n- {model_name: b, litellm_params: {model: vertex_ai/gemini-x, vertex_project: p, vertex_credentials: {a: 1}}}\n"))
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		if int(which) >= len(Sources()) || len(data) > 1<<14 {
			return
		}
		system := Sources()[which]
		res, err := Import(system, data, Options{})
		if err != nil || system == "openapi" {
			return
		}
		fsys := fstest.MapFS{}
		for _, file := range res.Files {
			fsys[file.Path] = &fstest.MapFile{Data: file.Data, Mode: 0o644}
		}
		r, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Tool: "fuzz"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Report.Failed() {
			for _, d := range r.Report.All() {
				t.Errorf("%s: %s at %s:%d", d.Code, d.Summary, d.Primary.Span.File, d.Primary.Span.Start.Line)
			}
		}
	})
}
