package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// TestCredentialsAreReadAgain: a provider's credential is exchanged by changing the file, without a new artifact.
func TestCredentialsAreReadAgain(t *testing.T) {
	const next = "rotated-credential-NEVER-SHOWN"
	old, rotated := startMock(t, "--provider", "openai", "--key", providerKey), startMock(t, "--provider", "openai", "--key", next)
	claude := startMock(t)
	o := rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=x"}}
	before := serve(t, aiRepo(old.URL, claude.URL), o)
	after := serve(t, aiRepo(rotated.URL, claude.URL), o)
	ask := func(g *rig.Gateway) error {
		_, _, err := newOfficialGo(g.URL, appKey).call(t.Context(), request{model: "passed", messages: user("say hi")})
		return err
	}
	if err := ask(before); err != nil {
		t.Fatal(err)
	}
	if err := ask(after); err == nil || !strings.HasPrefix(err.Error(), "401") && !strings.HasPrefix(err.Error(), "5") {
		t.Fatalf("a credential that the provider refuses gave %v", err)
	}
	for _, g := range []*rig.Gateway{before, after} {
		file := filepath.Join(filepath.Dir(g.Artifact), "provider-key")
		if err := os.WriteFile(file+".new", []byte(next+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() (bool, string) {
		err := ask(after)
		return err == nil, fmt.Sprint("the new credential is not used: ", err)
	})
	eventually(t, func() (bool, string) { return ask(before) != nil, "the old credential is still used" })
}

// TestUnresolvableCredential: a gateway whose secrets cannot be read does not become ready, and says which.
func TestUnresolvableCredential(t *testing.T) {
	dir := t.TempDir()
	repo := aiRepo("http://127.0.0.1:9", "http://127.0.0.1:9")
	delete(repo, "../run/provider-key")
	g, err := bin.Serve(t.Context(), repo, rig.Options{Dir: dir, NoWait: true})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Kill()
	eventually(t, func() (bool, string) {
		out := g.Output()
		return strings.Contains(out, "provider-key") || strings.Contains(out, "CONFORMANCE_PROVIDER_KEY"), "the missing secret is not named:\n" + out
	})
}

// TestChatsThroughEveryListener: the SDK does not notice which engine serves it, in clear text or TLS, HTTP/1.1 or 2.
func TestChatsThroughEveryListener(t *testing.T) {
	openai, claude := startMock(t), startMock(t)
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			repo := aiRepo(openai.URL, claude.URL)
			repo["gateway.cue"] = strings.Replace(repo["gateway.cue"], `address: "127.0.0.1:8080"`, e.listener, 1)
			repo["../run/tls.pem"], repo["../run/tls.key"] = string(certificate.cert), string(certificate.key)
			o := rig.Options{Env: []string{"CONFORMANCE_PROVIDER_KEY=x"}}
			if e.tls {
				o.Scheme = "https"
			}
			g := serve(t, repo, o)
			for _, model := range []string{"passed", "translated"} {
				for _, stream := range []bool{false, true} {
					for _, http2 := range []bool{false, true} {
						if http2 && !e.tls {
							continue
						}
						c := officialOver(g.URL, appKey, http2)
						got, _, err := c.call(t.Context(), request{model: model, messages: user("count to 40"), maxTokens: 900, stream: stream})
						if err != nil || got.Text != counted(40) || got.Stop != "stop" || !got.HasUsage {
							t.Errorf("%s, stream %v, HTTP/2 %v: %+v, %v", model, stream, http2, got, err)
						}
					}
				}
			}
			// A picture of three megabytes.
			r := request{messages: []message{{role: "user", text: "what is it?", image: "data:image/png;base64," + strings.Repeat("iVBO", 1<<20)}}}
			for _, model := range []string{"passed", "translated"} {
				r.model = model
				got, _, err := officialOver(g.URL, appKey, false).call(t.Context(), r)
				if err != nil || !strings.Contains(got.Text, "image/png of 3145728 bytes") {
					t.Errorf("%s: %.300s, %v", model, got.Text, err)
				}
			}
		})
	}
}
