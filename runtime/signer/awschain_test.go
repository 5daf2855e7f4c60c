package signer

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// bareMachine leaves the default chain of AWS nothing to find but what env says.
func bareMachine(t *testing.T, env map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, name := range []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		t.Setenv(name, none)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func awaited(s Signer) error {
	c := make(chan error, 1)
	s.Await(func(err error) { c <- err })
	return <-c
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestTheDefaultChainSignsWithWhatItFinds runs the SDK's chain against what stands for each of its sources.
func TestTheDefaultChainSignsWithWhatItFinds(t *testing.T) {
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":%q,"SecretAccessKey":%q,"Token":%q,"Expiration":%q}`, testID, testSecret, testToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer container.Close()
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("WebIdentityToken") != "jwt" {
			http.Error(w, "not what was to be asked", http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			testID, testSecret, testToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	for _, c := range []struct {
		name  string
		env   map[string]string
		token string
	}{
		{"the environment", map[string]string{"AWS_ACCESS_KEY_ID": testID, "AWS_SECRET_ACCESS_KEY": testSecret}, ""},
		{"a temporary key of the environment", map[string]string{"AWS_ACCESS_KEY_ID": testID, "AWS_SECRET_ACCESS_KEY": testSecret, "AWS_SESSION_TOKEN": testToken}, testToken},
		{"a profile of a shared file", map[string]string{"AWS_PROFILE": "prod", "AWS_SHARED_CREDENTIALS_FILE": file(t, "[prod]\naws_access_key_id = "+testID+"\naws_secret_access_key = "+testSecret+"\n")}, ""},
		{"a container's role", map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL + "/role"}, testToken},
		{"a web identity", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "jwt"), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/gateway", "AWS_ENDPOINT_URL_STS": sts.URL}, testToken},
	} {
		t.Run(c.name, func(t *testing.T) {
			bareMachine(t, c.env)
			s := NewTokens(nil).AWSDefault("us-east-1", "bedrock")
			call := &Call{Method: "POST", Host: "bedrock-runtime.us-east-1.amazonaws.com", Target: []byte("/model/a%3Ab/converse"), Body: []byte(`{}`), Now: time.Now()}
			if _, _, ok := s.Sign(nil, call); ok {
				t.Fatal("signed before a key was found: who asked for it has waited")
			}
			if err := awaited(s); err != nil {
				t.Fatal(err)
			}
			lines, secret, ok := s.Sign(nil, call)
			if !ok {
				t.Fatal("not signed with the key that was found")
			}
			got, want := parsed(t, lines), bySDK(t, call, testID, testSecret, c.token)
			for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token"} {
				if got.Get(name) != want.Get(name) {
					t.Errorf("%s: %q, want %q", name, got.Get(name), want.Get(name))
				}
			}
			if want := cmp.Or(c.token, testID); secret != want {
				t.Errorf("the secret in the lines is %q, want %q", secret, want)
			}
		})
	}
}

func TestTheDefaultChainRenewsWhatEnds(t *testing.T) {
	var asked atomic.Int32
	container := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"AccessKeyId":"%s%d","SecretAccessKey":%q,"Token":"t","Expiration":%q}`, testID, asked.Add(1), testSecret, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer container.Close()
	bareMachine(t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": container.URL})
	tokens := NewTokens(nil)
	s := tokens.AWSDefault("us-east-1", "bedrock")
	if err := awaited(s); err != nil {
		t.Fatal(err)
	}
	at := func(now time.Time) (string, bool) {
		lines, _, ok := s.Sign(nil, &Call{Method: "POST", Host: "h", Target: []byte("/"), Now: now})
		return string(lines), ok
	}
	if lines, ok := at(time.Now()); !ok || !strings.Contains(lines, testID+"1/") {
		t.Errorf("signed with %q, %v", lines, ok)
	}
	// The SDK takes five minutes off the hour, and the renewal is five before that.
	if lines, ok := at(time.Now().Add(52 * time.Minute)); !ok || !strings.Contains(lines, testID+"1/") {
		t.Errorf("shortly before its end, while it is renewed, signed with %q, %v", lines, ok)
	}
	if err := awaited(tokens.AWSDefault("us-east-1", "bedrock")); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if lines, ok := at(time.Now()); ok && strings.Contains(lines, testID+"2/") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("it was not renewed")
}

func TestTheDefaultChainsErrorsHoldNoSecret(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>bad token jwt-of-nobody</Message></Error></ErrorResponse>`)
	}))
	defer refusing.Close()
	for _, c := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"nothing is there", nil, "the default chain of AWS found no key: neither in the environment nor in the shared files, nor for a web identity, a container or an instance"},
		{"a profile that does not exist", map[string]string{"AWS_PROFILE": "prod"}, `the shared files of AWS have no profile "prod"`},
		{"a refused identity", map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "jwt-of-nobody"), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/gateway", "AWS_ENDPOINT_URL_STS": refusing.URL, "AWS_MAX_ATTEMPTS": "1"}, `AWS gave no key: "InvalidIdentityToken"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			bareMachine(t, c.env)
			var reported error
			err := awaited(NewTokens(func(id string, err error) { reported = err }).AWSDefault("us-east-1", "bedrock"))
			if err == nil || err.Error() != c.want || reported != err {
				t.Errorf("error %v, reported %v, want %s", err, reported, c.want)
			}
		})
	}
}

func TestARehearsalLooksForNoKey(t *testing.T) {
	bareMachine(t, nil)
	s := NewRehearsal().AWSDefault("us-east-1", "bedrock")
	call := &Call{Method: "POST", Host: "h", Target: []byte("/"), Now: testNow}
	lines, secret, ok := s.Sign(nil, call)
	if !ok || secret != "{default chain}" || !strings.Contains(string(lines), "Credential={default chain}/20261123/us-east-1/bedrock/aws4_request") {
		t.Errorf("signed %q with %q, %v", lines, secret, ok)
	}
}
