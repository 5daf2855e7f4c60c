package rehearse_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gwc-dev/gwc/cmd/gwc/rehearse"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/diag"
)

// quickstart reads the example.
func quickstart(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	dir := os.DirFS("../../../examples/quickstart")
	err := fs.WalkDir(dir, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(dir, p)
		out[p] = &fstest.MapFile{Data: data, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// verdict builds a repository and runs its tests. It returns what caught a mistake: "vet" with the findings, "test" with
// the failures, or "".
func verdict(t *testing.T, fsys fs.FS) (string, []string, *rehearse.Coverage) {
	t.Helper()
	res, err := compiler.Build(context.Background(), compiler.Options{FS: fsys, Tool: "test", Rehearsal: true})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, d := range res.Report.All() {
		if d.Severity == diag.Error {
			said = append(said, string(d.Code)+" "+d.Summary)
		}
	}
	if len(said) > 0 {
		return "vet", said, nil
	}
	a, digest, err := artifact.Decode(res.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, cover := rehearse.Run(context.Background(), a, digest.String(), res.Tests, rehearse.Options{})
	for _, o := range outcomes {
		for _, f := range o.Failures {
			said = append(said, o.Test.Name+": "+f.Path+" is "+f.Got+", expected "+f.Want)
		}
	}
	if len(said) > 0 {
		return "test", said, cover
	}
	return "", nil, cover
}

// TestTheQuickstartIsCoveredWholly runs the example's tests.
func TestTheQuickstartIsCoveredWholly(t *testing.T) {
	by, said, cover := verdict(t, quickstart(t))
	if by != "" {
		t.Fatalf("%s: %s", by, strings.Join(said, "\n"))
	}
	for _, i := range cover.Items {
		if !i.Covered {
			t.Errorf("no test has exercised %s %s", i.Kind, i.Name)
		}
	}
}

// TestSeededFaultsAreCaught makes one mistake at a time in the quickstart, as people make them, and holds that vet or the
// quickstart's own tests find it.
func TestSeededFaultsAreCaught(t *testing.T) {
	const (
		api       = "tenants/acme/apis/petstore/api.cue"
		doc       = "tenants/acme/apis/petstore/openapi.yaml"
		demo      = "tenants/acme/apps/demo.cue"
		models    = "platform/models.cue"
		providers = "platform/providers.cue"
		upstreams = "platform/upstreams.cue"
	)
	claude, gpt := `{provider: "claude", model: "claude-sonnet-4-5"}`, `{provider: "openai", model: "gpt-5"}`
	for _, test := range []struct{ name, file, old, new, by string }{
		{"an API is open to everybody", api, `policies: auth: "key"`, `policies: auth: "none"`, "test"},
		{"an operation is open to everybody", api, `policies: timeout: "2s"`, `policies: {timeout: "2s", auth: "none"}`, "test"},
		{"another base path", api, `"/petstore/v1"`, `"/petstore/v2"`, "test"},
		{"a host that nobody asks for", api, `upstream: "petstore"`, "upstream: \"petstore\"\nhosts: [\"api.example.com\"]", "test"},
		{"an unknown upstream", api, `upstream: "petstore"`, `upstream: "petstor"`, "vet"},
		{"an unknown operation", api, `operations: listPets`, `operations: listPet`, "vet"},
		{"a timeout of another operation", api, `operations: listPets`, `operations: getPet`, "test"},
		{"a timeout ten times as long", api, `"2s"`, `"20s"`, "test"},
		{"a timeout without its unit", api, `"2s"`, `"2"`, "vet"},
		{"no timeout", api, `operations: listPets: policies: timeout: "2s"`, ``, "test"},
		{"an upstream with a path too many", upstreams, `http://127.0.0.1:4010`, `http://127.0.0.1:4010/v1`, "test"},
		{"an upstream at another port", upstreams, `http://127.0.0.1:4010`, `http://127.0.0.1:4011`, "test"},
		{"swapped targets", models, claude + ",\n\t\t\t\t" + gpt, gpt + ",\n\t\t\t\t" + claude, "test"},
		{"a fallback that is gone", models, gpt + ",", ``, "test"},
		{"one attempt in place of two", models, `attempts: 2`, `attempts: 1`, "test"},
		{"no retry after a timeout", models, `"5xx", "timeout"]`, `"5xx"]`, "test"},
		{"no retry after a failure of the server", models, `"429", "5xx"`, `"429"`, "test"},
		{"no retry where nothing listens", models, `["connect", `, `[`, "test"},
		{"another upstream model", models, `"gpt-5-mini"`, `"gpt-5-nano"`, "test"},
		{"another provider for a model", models, `targets: [{provider: "openai", model: "gpt-5-mini"}]`, `targets: [{provider: "claude", model: "claude-haiku-4-5"}]`, "test"},
		{"an unknown provider", models, `{provider: "claude"`, `{provider: "cluade"`, "vet"},
		{"a version too many in a base URL", providers, `"http://127.0.0.1:4010"`, `"http://127.0.0.1:4010/v1"`, "test"},
		{"no version in a base URL", providers, `4010/v1"`, `4010"`, "test"},
		{"another secret", providers, `file:secrets/demo-provider-key.txt`, `file:secrets/other.txt`, "test"},
		{"no credentials", providers, `credentials: [{ref: "file:secrets/demo-provider-key.txt"}]`, ``, "test"},
		{"another kind of provider", providers, `"anthropic"`, `"openai"`, "test"},
		{"a limit ten times as high", demo, `requests: 600`, `requests: 6000`, "test"},
		{"a limit ten times as low", demo, `requests: 600`, `requests: 60`, "test"},
		{"a limit in another window", demo, `per: "1m"`, `per: "1h"`, "test"},
		{"no limit", demo, `limits: [{requests: 600, per: "1m"}]`, ``, "test"},
		{"a model less", demo, `["fast", "smart"]`, `["fast"]`, "test"},
		{"a renamed key", demo, `id: "demo-1"`, `id: "demo-2"`, "vet"},
		{"an expired key", demo, `{id: "demo-1",`, `{expires: "2025-01-01", id: "demo-1",`, "test"},
		{"a renamed app", demo, `apps: demo`, `apps: web`, "vet"},
		{"a renamed operation", doc, `operationId: getPet`, `operationId: showPet`, "vet"},
		{"an operation less", doc, "    delete:\n", "    x-delete:\n", "vet"},
		{"another path", doc, `/pets/{petId}:`, `/pet/{petId}:`, "test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fsys := quickstart(t)
			before := string(fsys[test.file].Data)
			after := strings.Replace(before, test.old, test.new, 1)
			if before == after {
				t.Fatalf("%q does not stand in %s:\n%s", test.old, test.file, before)
			}
			fsys[test.file] = &fstest.MapFile{Data: []byte(after), Mode: 0o644}
			by, said, _ := verdict(t, fsys)
			if by != test.by {
				t.Errorf("it was caught by %q, want %q:\n%s", by, test.by, strings.Join(said, "\n"))
			}
		})
	}
}
