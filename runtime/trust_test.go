package runtime

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

// TestAnArtifactSaysWhoSignsTheNext: what an artifact demands holds for itself and for its successor, so that a key is
// exchanged by an artifact that the old and the new one have signed, and a demand is dropped by whom it names.
func TestAnArtifactSaysWhoSignsTheNext(t *testing.T) {
	key := func(name string) *sign.Key {
		k, err := sign.Generate(name)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	old, next := key("old"), key("next")
	// build returns an artifact that demands the signature of a key, signed by others. more tells artifacts apart.
	build := func(demands *sign.Key, more bool, by ...*sign.Key) []byte {
		a := repo{api2: more}.artifact(t)
		if demands != nil {
			a.Gateway.Signatures = &artifact.Signing{Keys: []artifact.SigningKey{{Name: demands.Name(), Key: demands.Public()}}}
		}
		b, err := artifact.Encode(a)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range by {
			if b, err = sign.Add(b, k); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	file := filepath.Join(t.TempDir(), "gateway.gwca")
	for what, b := range map[string][]byte{"no signature": build(old, false), "another signature": build(old, false, next)} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Run(t.Context(), Options{Path: file}); !errors.Is(err, sign.ErrUnsigned) || !strings.Contains(err.Error(), "which it demands itself") {
			t.Errorf("an artifact with %s is served: %v", what, err)
		}
	}

	g := runBytes(t, build(old, false, old), Options{})
	snapshot := func() (s struct {
		Digest     string
		LastError  string `json:"last_error"`
		Signatures []signature
		Required   []required `json:"required_signatures"`
	}) {
		resp, err := http.Get(g.admin + "/snapshot")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := snapshot()
	if len(first.Required) != 1 || first.Required[0].Keys[0] != old.Public().String() || len(first.Signatures) != 1 || first.Signatures[0].Key != old.Public().String() {
		t.Errorf("the snapshot says %+v", first)
	}
	land := func(what string, b []byte, taken bool, says string) {
		t.Helper()
		before := snapshot().Digest
		if err := os.WriteFile(g.file+".new", b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(g.file+".new", g.file); err != nil {
			t.Fatal(err)
		}
		for range 500 {
			now := snapshot()
			if taken && now.Digest != before && now.LastError == "" || !taken && strings.Contains(now.LastError, says) {
				if !taken && now.Digest != before {
					t.Errorf("%s: it is served", what)
				}
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s: taken=%t is not seen: %+v", what, taken, snapshot())
	}
	land("nobody signed the next one", build(nil, true), false, "which the artifact in use demands")
	land("the next one's own key signed it", build(next, true, next), false, "which the artifact in use demands")
	land("only the old key signed one that demands the next", build(next, true, old), false, "which it demands itself")
	land("both signed it", build(next, true, old, next), true, "")
	land("the old key signed the one after", build(old, false, old), false, "which the artifact in use demands")
	land("the demand is dropped by the key that it names", build(nil, false, next), true, "")
	land("nothing is demanded any more", build(nil, true), true, "")

	unsigned := runBytes(t, build(old, false), Options{Unsigned: true})
	if err := unsigned.stop(); err != nil {
		t.Error(err)
	}
}

func TestReasonsOfFailedReloads(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{sign.ErrUnsigned, "signature"}, {sign.ErrSignature, "signature"}, {artifact.ErrDigest, "damaged"}, {artifact.ErrTruncated, "damaged"},
		{artifact.ErrNewer, "newer"}, {artifact.ErrContent, "content"}, {errRestart, "restart"},
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "unreadable"}, {errors.New("x"), "other"},
	} {
		if got := why(tt.err); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.err, got, tt.want)
		}
	}
}
