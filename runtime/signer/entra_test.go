package signer

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEntraTokensAreAskedForAsTheDocumentsSay(t *testing.T) {
	var got url.Values
	var path string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		body, _ := io.ReadAll(r.Body)
		got, _ = url.ParseQuery(string(body))
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"a-token"}`)
	}))
	defer srv.Close()
	id, fetch := Entra(srv.URL, "acme.example", "app-1", "https://cognitiveservices.azure.com/.default", keys(t, "a-secret")[0])
	token, err := fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app-1"}, "client_secret": {"a-secret"}, "scope": {"https://cognitiveservices.azure.com/.default"}}
	if diff := cmp.Diff(want, got); diff != "" || path != "/acme.example/oauth2/v2.0/token" {
		t.Errorf("at %s: mismatch (-want +got):\n%s", path, diff)
	}
	if left := time.Until(token.Expires); token.Value != "a-token" || left < 50*time.Minute || left > time.Hour {
		t.Errorf("token %q for %v", token.Value, left)
	}
	if strings.Contains(id, "a-secret") || !strings.Contains(id, "acme.example") || !strings.Contains(id, "app-1") {
		t.Errorf("id %q", id)
	}
}

func TestEntraErrorsHoldNoSecret(t *testing.T) {
	for _, c := range []struct {
		name, answer, want string
		status             int
	}{
		{"a refusal that quotes what it got", `{"error":"invalid_client","error_description":"bad secret a-secret"}`, `the token endpoint answered with status 401: "invalid_client"`, 401},
		{"no JSON", `<html>a-secret</html>`, "the token endpoint answered with status 503", 503},
		{"no token", `{"token_type":"Bearer"}`, "the token endpoint could not be reached, or gave no token", 200},
		{"a redirect", ``, "the token endpoint answered with status 302", 302},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				io.WriteString(w, c.answer)
			}))
			defer srv.Close()
			_, fetch := Entra(srv.URL, "t", "c", "s", keys(t, "a-secret")[0])
			_, err := fetch(context.Background())
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
