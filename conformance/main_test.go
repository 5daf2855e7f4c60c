package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/conformance/rig"
)

var bin rig.Binaries

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gwc-conformance-")
	if err == nil {
		bin, err = rig.Find(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// Secrets of the test gateways. Their texts must never show up anywhere (checkSecrets).
const (
	appKey      = "gwc_conformance_key_NEVER_SHOWN_1"
	smallKey    = "gwc_conformance_key_NEVER_SHOWN_2" // of an app with one model and a small limit
	narrowKey   = "gwc_conformance_key_NEVER_SHOWN_3" // of an app with one model
	providerKey = "provider-credential-NEVER-SHOWN-4"
	secretMark  = "NEVER"
)

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func startMock(t testing.TB, args ...string) *rig.Mock {
	t.Helper()
	m, err := bin.Mock(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

// serve runs a gateway until the test ends. What it printed is shown if the test failed, and must hold no secret.
func serve(t testing.TB, r rig.Repo, o rig.Options) *rig.Gateway {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, err := bin.Serve(ctx, r, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		checkSecrets(t, g)
		g.Stop()
		if t.Failed() {
			t.Logf("the gateway said:\n%s", g.Output())
		}
	})
	return g
}

// checkSecrets looks for keys and credentials in everything that a gateway writes or shows.
func checkSecrets(t testing.TB, g *rig.Gateway) {
	t.Helper()
	seen := map[string]string{"its output": g.Output()}
	if s, err := g.Snapshot(); err == nil {
		seen["/snapshot"] = fmt.Sprint(s)
	}
	if m, err := g.Metrics(); err == nil {
		seen["/metrics"] = fmt.Sprint(m)
	}
	files, err := g.LogFiles()
	if err != nil {
		t.Error(err)
	}
	for _, f := range append(files, g.Artifact) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Error(err)
		}
		seen[f] = string(b)
	}
	for where, text := range seen {
		if i := strings.Index(text, secretMark); i >= 0 {
			t.Errorf("a secret shows in %s: …%s…", where, text[max(0, i-100):min(len(text), i+20)])
		}
	}
}

// gatewayFile is the platform's file of a test repository. More is CUE that is added to it.
func gatewayFile(listener, more string) string {
	if listener == "" {
		listener = `address: "127.0.0.1:8080"`
	}
	return fmt.Sprintf(`package gateway

gateway: {
	listeners: main: {%s}
	admin: address: "127.0.0.1:9090"
	calls: {dir: "calls", flush: "20ms"}
}
%s
`, listener, more)
}

// aiRepo has a model for each kind of target and chains of both orders, in front of the given mocks.
func aiRepo(openai, anthropic string) rig.Repo {
	return rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: {
	openai: {kind: "openai", baseURL: "%[1]s/v1", credentials: [{ref: "file:provider-key"}]}
	claude: {kind: "anthropic", baseURL: "%[2]s", credentials: [{ref: "env:CONFORMANCE_PROVIDER_KEY"}]}
	nowhere: {kind: "openai", baseURL: "http://127.0.0.1:1/v1"}
}
models: {
	passed: targets: [{provider: "openai", model: "gpt-4o-mini"}]
	translated: targets: [{provider: "claude", model: "claude-sonnet-4-5"}]
	"openai-first": {
		targets: [{provider: "openai", model: "gpt-4o-mini"}, {provider: "claude", model: "claude-sonnet-4-5"}]
		retry: {attempts: 2, on: ["connect", "429", "5xx", "timeout"]}
		timeouts: firstByte: "500ms"
	}
	"claude-first": {
		targets: [{provider: "claude", model: "claude-sonnet-4-5"}, {provider: "openai", model: "gpt-4o-mini"}]
		retry: {attempts: 2, on: ["connect", "429", "5xx", "timeout"]}
		timeouts: firstByte: "500ms"
	}
	"nowhere-first": {
		targets: [{provider: "nowhere", model: "gpt-4o"}, {provider: "claude", model: "claude-sonnet-4-5"}]
		retry: {attempts: 2, on: ["connect"]}
	}
	nowhere: targets: [{provider: "nowhere", model: "gpt-4o"}]
	"no-such-upstream-model": targets: [{provider: "openai", model: "no-such-model"}]
}
tenants: acme: apps: {
	web: {
		keys: [{id: "web-1", hash: %[3]q}]
		models: ["passed", "translated", "openai-first", "claude-first", "nowhere-first", "nowhere", "no-such-upstream-model"]
	}
	narrow: {
		keys: [{id: "narrow-1", hash: %[5]q}]
		models: ["passed"]
	}
	small: {
		keys: [{id: "small-1", hash: %[4]q}]
		models: ["passed"]
		limits: [{requests: 3, per: "1h"}]
	}
}
`, openai, anthropic, hashOf(appKey), hashOf(smallKey), hashOf(narrowKey))),
		// References to files are relative to the artifact, which lies in the folder beside the repository.
		"../run/provider-key": providerKey + "\n",
	}
}

// world is a gateway in front of a mock of each kind of provider.
type world struct {
	*rig.Gateway
	openai, anthropic *rig.Mock
}

func startWorld(t testing.TB, mockArgs ...string) *world {
	t.Helper()
	w := &world{
		openai:    startMock(t, append([]string{"--provider", "openai", "--key", providerKey}, mockArgs...)...),
		anthropic: startMock(t, append([]string{"--provider", "anthropic", "--key", providerKey}, mockArgs...)...),
	}
	w.Gateway = serve(t, aiRepo(w.openai.URL, w.anthropic.URL), rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=" + providerKey}})
	return w
}

// eventually waits until ok holds, and fails after ten seconds with what was said last.
func eventually(t testing.TB, ok func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		done, why := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(why)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
