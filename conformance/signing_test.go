package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// gwc runs the tool and returns its exit code and all that it wrote.
func gwc(t testing.TB, dir string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin.GWC, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// must runs the tool and holds that it succeeds.
func must(t testing.TB, dir string, args ...string) {
	t.Helper()
	if code, out := gwc(t, dir, args...); code != 0 {
		t.Fatalf("gwc %s ends with %d:\n%s", strings.Join(args, " "), code, out)
	}
}

// TestOnlySignedArtifactsAreTaken: a gateway that requires a key starts only with that key's signature, keeps what it
// serves when a file without it lands, says why, and takes the file once it is signed.
func TestOnlySignedArtifactsAreTaken(t *testing.T) {
	up := newScripted(t)
	up.on("/base/t/x", answerWith("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	repo := thingsRepo("", up.url())
	both := artifactsOf(t, repo)
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.gwca")
	must(t, dir, "keygen", "ci")
	must(t, dir, "keygen", "stranger")
	land(t, file, both[0])

	unsigned, err := bin.ServeFile(file, rig.Options{NoWait: true, Args: []string{"--require-key", filepath.Join(dir, "ci.pub")}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() (bool, string) {
		out := unsigned.Output()
		return strings.Contains(out, "not signed as required"), "a gateway starts without the signature that it requires:\n" + out
	})
	unsigned.Kill()

	must(t, dir, "sign", file, "--key", "ci.key")
	g, err := bin.ServeFile(file, rig.Options{Args: []string{"--require-key", filepath.Join(dir, "ci.pub")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Kill)
	first := digestOf(t, g)
	signed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	refused := func(what, reason, says string) {
		t.Helper()
		eventually(t, func() (bool, string) {
			s, err := g.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			said, _ := s["last_error"].(string)
			return strings.Contains(said, says), fmt.Sprintf("%s: /snapshot says %q, want %q", what, said, says)
		})
		if now := digestOf(t, g); now != first {
			t.Errorf("%s is served", what)
		}
		m, err := g.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		if m.Sum("gwc_reload_failures_total", fmt.Sprintf("reason=%q", reason)) == 0 {
			t.Errorf("%s: the metrics do not count a failure for reason %s", what, reason)
		}
	}
	land(t, file, both[1])
	refused("an unsigned artifact", "signature", "it has no signature")
	must(t, dir, "sign", file, "--key", "stranger.key")
	refused("a stranger's artifact", "signature", `signatures that name "stranger"`)
	// The signatures of the first artifact behind the second one.
	land(t, file, append(both[1][:len(both[1])-4:len(both[1])-4], signed[len(both[0])-4:]...))
	refused("another artifact's signature", "damaged", "its signatures are not about it")
	broken := append([]byte{}, signed...)
	broken[len(broken)-10] ^= 1
	land(t, file, broken)
	refused("a signature with another bit", "signature", "is not good")

	land(t, file, both[1])
	refused("an unsigned artifact", "signature", "it has no signature")
	must(t, dir, "sign", file, "--key", "ci.key")
	eventually(t, func() (bool, string) {
		return digestOf(t, g) != first, "an artifact that was signed in place is not taken"
	})
	s, err := g.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(s["signatures"]); !strings.Contains(text, "name:ci") || !strings.Contains(text, "ed25519:") || s["last_error"] != nil {
		t.Errorf("the snapshot says %v", s)
	}
}
