package conformance

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestQuickstart does what its README says, on ports of its own: every curl line that `gwc run` prints works, an edit
// takes effect by itself, a mistake is reported while the last good state serves on.
func TestQuickstart(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("skipped: curl is not installed")
	}
	mock := startMock(t)
	listen, admin := fmt.Sprintf("127.0.0.1:%d", rig.FreePort()), fmt.Sprintf("127.0.0.1:%d", rig.FreePort())
	ports := strings.NewReplacer("127.0.0.1:4010", strings.TrimPrefix(mock.URL, "http://"), "127.0.0.1:8080", listen, "127.0.0.1:9090", admin)
	dir := t.TempDir()
	source := filepath.Join("..", "examples", "quickstart")
	err := fs.WalkDir(os.DirFS(source), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		// What a run has left there belongs to nobody.
		if strings.HasPrefix(path, "calls/") || filepath.Ext(path) == ".gwca" {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(source, path))
		if err != nil {
			return err
		}
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, []byte(ports.Replace(string(b))), 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	run, err := rig.Start("", nil, bin.GWC, "run", "-C", dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		run.Stop()
		if t.Failed() {
			t.Logf("gwc run said:\n%s", run.Output())
		}
	})
	curl := regexp.MustCompile(`(?m)^# (.*)\n((?:curl|cat|sleep) .*)$`)
	var lines [][]string
	eventually(t, func() (bool, string) {
		lines = curl.FindAllStringSubmatch(run.Output(), -1)
		return len(lines) >= 7, "the curl lines are not printed"
	})
	want := map[string]string{
		"a chat":          `"finish_reason":"stop"`,
		"a streamed chat": "data: [DONE]",
		"the same model, as Anthropic's clients ask for it": `"stop_reason":"end_turn"`,
		"an API call":                   `"name":"Rex"`,
		"a refused call, without a key": "401",
		"the call log":                  `"cost_usd":0.00`,
		"the metrics":                   "gwc_requests_total",
	}
	paste := func(line string) string {
		out, err := exec.Command("bash", "-c", line).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return string(out)
	}
	for _, l := range lines {
		contains, known := want[l[1]]
		if !known {
			t.Errorf("a line that this test does not know: %s", l[1])
		}
		delete(want, l[1])
		// The call log is written within a second.
		eventually(t, func() (bool, string) {
			out := paste(l[2])
			return strings.Contains(out, contains), fmt.Sprintf("%s\n%s", l[2], out)
		})
	}
	if len(want) > 0 {
		t.Errorf("lines that were not printed: %v", want)
	}

	demo, err := os.ReadFile(filepath.Join(dir, "demo-key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(string(demo))
	ask := func() (int, string) {
		status, head, _ := post(t, "http://"+listen+"/v1/chat/completions", key, `{"model":"smart","messages":[{"role":"user","content":"Say hello"}]}`)
		return status, head.Get("X-Gwc-Model")
	}
	if status, model := ask(); status != 200 || model != "claude-sonnet-4-5" {
		t.Fatalf("status %d by %q", status, model)
	}
	models := filepath.Join(dir, "platform", "models.cue")
	original, err := os.ReadFile(models)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) {
		t.Helper()
		text := strings.Replace(string(original), old, new, 1)
		if text == string(original) {
			t.Fatalf("models.cue does not have %q", old)
		}
		if err := os.WriteFile(models, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit(`"claude-sonnet-4-5"`, `"claude-haiku-4-5"`)
	eventually(t, func() (bool, string) {
		status, model := ask()
		return status == 200 && model == "claude-haiku-4-5", fmt.Sprintf("the edit did not take effect: %d %q", status, model)
	})
	edit(`strategy:`, `stratgy:`)
	eventually(t, func() (bool, string) {
		return strings.Contains(run.Output(), `"stratgy"`) && strings.Contains(run.Output(), `did you mean "strategy"?`), "the mistake is not reported:\n" + run.Output()
	})
	if status, model := ask(); status != 200 || model != "claude-haiku-4-5" {
		t.Errorf("after a mistake: %d %q", status, model)
	}
	edit(`"claude-sonnet-4-5"`, `"claude-opus-4-5"`)
	eventually(t, func() (bool, string) {
		status, model := ask()
		return status == 200 && model == "claude-opus-4-5", fmt.Sprintf("the repair did not take effect: %d %q", status, model)
	})
	run.Stop()
	if run.Err() != nil {
		t.Errorf("gwc run ended with %v", run.Err())
	}
}

// TestForeignRepository writes a repository by hand: other names, another document (the Petstore of
// learn.openapis.org), all in one file. It builds without a warning and serves.
func TestForeignRepository(t *testing.T) {
	corpora := os.Getenv("GWC_CORPORA")
	if corpora == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	var document string
	for _, name := range []string{"examples/v3.0/petstore.yaml", "v3.0/petstore.yaml", "petstore.yaml"} {
		matches, err := filepath.Glob(filepath.Join(corpora, "openapi", "learn.openapis.org", "*", name))
		if err != nil {
			t.Fatal(err)
		}
		direct := filepath.Join(corpora, "openapi", "learn.openapis.org", name)
		if _, err := os.Stat(direct); err == nil {
			matches = append(matches, direct)
		}
		if document == "" && len(matches) > 0 {
			document = matches[0]
		}
	}
	if document == "" {
		t.Fatal("the corpora hold no petstore.yaml of learn.openapis.org")
	}
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	mock := startMock(t)
	dir := t.TempDir()
	repo := rig.Repo{
		"everything.cue": fmt.Sprintf(`package gateway

gateway: {
	listeners: front: {address: "127.0.0.1:%d", engine: "std"}
	admin: address: "127.0.0.1:%d"
	calls: dir: "log/calls"
}
providers: vendor: {kind: "anthropic", baseURL: %q, credentials: [{ref: "env:VENDOR"}], headers: "x-team": "zoo"}
models: "house-model.v1": targets: [{provider: "vendor", model: "claude-haiku-4-5"}]
upstreams: zoo: {endpoints: [{url: %[3]q}], timeouts: connect: "1s"}
apis: "pet-shop": {
	owner: "zoo", openapi: "docs/pets.yaml", basePath: "/zoo/v2", upstream: "zoo"
	policies: auth: "none"
	operations: createPets: policies: auth: "key"
}
tenants: zoo: {
	owners: ["zoe@zoo.example"]
	apps: "ticket-desk": {keys: [{id: "k1", hash: %[4]q, expires: "2999-12-31"}], models: ["house-model.v1"], limits: [{requests: 1000, per: "1m"}]}
}
`, rig.FreePort(), rig.FreePort(), mock.URL, hashOf(appKey)),
		"docs/pets.yaml": string(b),
	}
	if err := repo.Write(dir); err != nil {
		t.Fatal(err)
	}
	// One warning is right: the document's server has a path, the mock has none.
	if out, err := exec.Command(bin.GWC, "vet", "-C", dir).CombinedOutput(); err != nil || strings.Count(string(out), "warning[") != 1 || !strings.Contains(string(out), "GWC3021") {
		t.Errorf("gwc vet: %v\n%s", err, out)
	}
	g := serve(t, repo, rig.Options{Env: []string{"VENDOR=" + providerKey}})
	if status, _, body := getURL(t, g.URL+"/zoo/v2/pets"); status != 200 || !strings.Contains(body, "Rex") {
		t.Errorf("GET /pets: %d %s", status, body)
	}
	if status, _, body := getURL(t, g.URL+"/zoo/v2/pets/2"); status != 200 || !strings.Contains(body, "Tom") {
		t.Errorf("GET /pets/2: %d %s", status, body)
	}
	if status, _, body := post(t, g.URL+"/zoo/v2/pets", "", `{"name":"Bo"}`); status != 401 {
		t.Errorf("POST /pets without a key: %d %s", status, body)
	}
	if status, _, body := post(t, g.URL+"/zoo/v2/pets", appKey, `{"name":"Bo"}`); status != 201 {
		t.Errorf("POST /pets: %d %s", status, body)
	}
	got, _, err := newOfficialGo(g.URL, appKey).call(t.Context(), request{model: "house-model.v1", messages: user("say hi")})
	if err != nil || got.Text != "hi" {
		t.Errorf("%+v, %v", got, err)
	}
	seen, err := mock.Requests(1)
	if err != nil || seen[0].Header.Get("X-Team") != "zoo" || seen[0].Header.Get("X-Api-Key") != hashOf(providerKey) {
		t.Errorf("the provider saw %v, %v", seen, err)
	}
	eventually(t, func() (bool, string) {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(g.Artifact), "log", "calls", "*.ndjson"))
		return err == nil && len(files) > 0, "no call log"
	})
}
