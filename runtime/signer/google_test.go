package signer

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/runtime/secret"
)

var accountKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// keyFile is the key file of an account that exists for one test, as a secret.
func keyFile(t *testing.T, tokenURI string) *secret.Value {
	t.Helper()
	key, err := accountKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(map[string]string{"type": "service_account", "client_email": "gwc@p.iam.gserviceaccount.example", "private_key_id": "k1", "token_uri": tokenURI,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE" + " KEY", Bytes: der}))}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return fileOf(t, string(text))
}

func fileOf(t *testing.T, text string) *secret.Value {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "account.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := secret.NewStore(dir, nil).ResolvePEM("file:account.json")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestServiceAccountChangesAnAssertionForAToken(t *testing.T) {
	var claims map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.FormValue("assertion"), ".")
		if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
			t.Errorf("got %v", r.Form)
			return
		}
		body, _ := base64.RawURLEncoding.DecodeString(parts[1])
		json.Unmarshal(body, &claims)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"tok-1","token_type":"Bearer","expires_in":3599}`)
	}))
	defer server.Close()
	v := keyFile(t, server.URL+"/token")
	id, fetch := ServiceAccount("file:account.json", v)
	s := NewTokens(nil).Bearer(id, fetch)
	if err := await(s); err != nil {
		t.Fatal(err)
	}
	fields, secret, ok := s.Sign(nil, &Call{Now: time.Now()})
	if string(fields) != "Authorization: Bearer tok-1\r\n" || secret != "tok-1" || !ok {
		t.Errorf("got %q, %q, %v", fields, secret, ok)
	}
	if claims["iss"] != "gwc@p.iam.gserviceaccount.example" || claims["scope"] != cloudPlatform || claims["aud"] != server.URL+"/token" {
		t.Errorf("claims: %v", claims)
	}
}

func TestWhyThereIsNoTokenForAServiceAccount(t *testing.T) {
	answer := func(status int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status == http.StatusFound {
				http.Redirect(w, r, "https://elsewhere.example", status)
				return
			}
			w.WriteHeader(status)
			fmt.Fprint(w, strings.ReplaceAll(body, "ECHO", r.FormValue("assertion")))
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	signed := func(uri string) *secret.Value { return keyFile(t, uri) }
	for _, c := range []struct {
		name string
		file *secret.Value
		want string
	}{
		{"not JSON", fileOf(t, "key"), `secret "file:account.json": it is not the key file of a service account: it is not JSON`},
		{"another kind of credential", fileOf(t, `{"type":"authorized_user"}`), `secret "file:account.json": it is not the key file of a service account: its "type" is another one`},
		{"no key", fileOf(t, `{"type":"service_account","client_email":"a"}`), `secret "file:account.json": it is not the key file of a service account: "client_email" or "private_key" is missing`},
		{"a key that is none", fileOf(t, `{"type":"service_account","client_email":"a","private_key":"hidden"}`), `service account of secret "file:account.json": its key cannot be used, or the token server's answer cannot be read`},
		{"a server that is not safe", signed("http://tokens.example/token"), `secret "file:account.json": its "token_uri" is neither https nor on this machine`},
		{"a refusal that echoes the assertion", signed(answer(400, `{"error":"invalid_grant","error_description":"ECHO"}`)), `service account of secret "file:account.json": the token server answered with status 400: invalid_grant`},
		{"HTML", signed(answer(502, `<html>`)), `service account of secret "file:account.json": the token server answered with status 502`},
		{"no token", signed(answer(200, `{}`)), `service account of secret "file:account.json": the token server gave no usable token`},
		{"a redirect", signed(answer(302, "")), `service account of secret "file:account.json": the token server could not be asked: "https://elsewhere.example": the token server answered with a redirect`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, fetch := ServiceAccount("file:account.json", c.file)
			if _, err := fetch(context.Background()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheFetchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { cancel(); <-ctx.Done() }))
	defer server.Close()
	v := keyFile(t, server.URL)
	_, fetch := ServiceAccount("file:account.json", v)
	if _, err := fetch(ctx); err == nil {
		t.Error("no error")
	}
}

func TestSignersTakeTurnsAndPassOverOneThatWaits(t *testing.T) {
	k := keys(t, "one", "two")
	waiting := NewTokens(nil).Bearer("id", func(ctx context.Context) (Token, error) { return Token{}, fmt.Errorf("none") })
	s := Turns([]Signer{Header("a", "", k[:1]), waiting, Header("b", "", k[1:])})
	var got []string
	for range 3 {
		fields, _, ok := s.Sign(nil, &Call{Now: time.Now()})
		if !ok {
			t.Fatal("two of three have a key at hand")
		}
		got = append(got, string(fields))
	}
	if want := "a: one\r\n b: two\r\n b: two\r\n"; strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
	if _, _, ok := Turns(nil).Sign(nil, &Call{}); ok {
		t.Error("nobody signs")
	}
}
