package conformance

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestBedrockWithTheMachinesKey: a provider that names no credentials signs with what AWS's default chain finds, and where
// it finds nothing the caller hears that the gateway's credential is missing, and the gateway's log says why.
func TestBedrockWithTheMachinesKey(t *testing.T) {
	m := startMock(t, "--provider", "bedrock", "--key", providerKey)
	repo := bedrockRepo(m.URL)
	repo["gateway.cue"] = strings.Replace(repo["gateway.cue"], `, credentials: [{accessKeyId: "file:key-id", secretAccessKey: "file:provider-key"}]`, "", 1)
	none := filepath.Join(t.TempDir(), "none")
	bare := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none}

	g := serve(t, repo, rig.Options{Env: append(bare, "AWS_ACCESS_KEY_ID=AKIA"+"NOBODYSKEYATALL0", "AWS_SECRET_ACCESS_KEY="+providerKey)})
	for client, dial := range callers {
		if a, _, err := dial(g.URL, appKey).call(t.Context(), request{model: "bedrock", messages: user("Say hello, world")}); err != nil || a.Text != "hello, world" {
			t.Errorf("%s: %+v, %v", client, a, err)
		}
	}

	g = serve(t, repo, rig.Options{Env: append(bare, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")})
	for client, dial := range callers {
		_, _, err := dial(g.URL, appKey).call(t.Context(), request{model: "bedrock", messages: user("hi")})
		if refusal, ok := errors.AsType[refused](err); !ok || refusal.Status != 503 && refusal.Status != 502 {
			t.Errorf("%s: without any key: %v", client, err)
		}
	}
	eventually(t, func() (bool, string) {
		return strings.Contains(g.Output(), "default chain of AWS found no key"), "the log does not say why:\n" + g.Output()
	})
}
