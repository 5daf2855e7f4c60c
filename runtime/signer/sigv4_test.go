package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/gwc-dev/gwc/runtime/secret"
)

// Not a key of anybody's.
const (
	testID     = "AKIA" + "TESTTESTTESTTEST"
	testSecret = "secret/of+nobody"
	testToken  = "token+of/nobody=="
)

var testNow = time.Date(2026, 11, 23, 6, 30, 5, 0, time.UTC)

// bySDK signs a call with the provider's own library and returns its headers. Only what [SigV4] signs is signed.
func bySDK(t testing.TB, c *Call, id, secretKey, token string) http.Header {
	t.Helper()
	u, err := url.ParseRequestURI(string(c.Target))
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: c.Method, Host: c.Host, URL: u, Header: http.Header{}}
	sum := sha256.Sum256(c.Body)
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: id, SecretAccessKey: secretKey, SessionToken: token},
		r, hex.EncodeToString(sum[:]), "bedrock", "us-east-1", c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return r.Header
}

// parsed reads header lines.
func parsed(t testing.TB, lines []byte) http.Header {
	t.Helper()
	h := http.Header{}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(lines), "\r\n"), "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("not a header line: %q", line)
		}
		h.Add(name, value)
	}
	return h
}

func TestSignaturesAreThoseOfTheSDK(t *testing.T) {
	for name, c := range map[string]Call{
		"a plain model":               {Target: []byte("/model/amazon.nova-micro/converse")},
		"a model with a colon":        {Target: []byte("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream")},
		"a colon that is not encoded": {Target: []byte("/model/anthropic.claude-v2:1/converse")},
		"a profile's ARN":             {Target: []byte("/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude-3-7-sonnet-20250219-v1%3A0/converse")},
		"a prefix of a proxy":         {Target: []byte("/pro%20xy/a+b/model/m/converse")},
		"an empty body and root":      {Target: []byte("/"), Body: []byte{}},
		"a port":                      {Target: []byte("/model/m/converse"), Host: "127.0.0.1:8080"},
		"bytes beyond ASCII":          {Target: []byte("/model/%C3%A9/converse"), Body: []byte("é\x00")},
		"a query":                     {Target: []byte("/model/m/converse?b=2&a=x%20y&a=1")},
	} {
		for _, token := range []string{"", testToken} {
			t.Run(name+"/"+token, func(t *testing.T) {
				c.Method, c.Now = http.MethodPost, testNow
				if c.Host == "" {
					c.Host = "bedrock-runtime.us-east-1.amazonaws.com"
				}
				if c.Body == nil {
					c.Body = []byte(`{"messages":[]}`)
				}
				texts := []string{testID, testSecret}
				if token != "" {
					texts = append(texts, token)
				}
				vs := keys(t, texts...)
				k := AWSKey{ID: vs[0], Secret: vs[1]}
				hidden := testID
				if token != "" {
					k.SessionToken, hidden = vs[2], token
				}
				lines, secret, ok := SigV4("us-east-1", "bedrock", []AWSKey{k}).Sign([]byte("Accept: */*\r\n"), &c)
				if !ok || secret != hidden {
					t.Errorf("secret %q, %v", secret, ok)
				}
				got, want := parsed(t, lines), bySDK(t, &c, testID, testSecret, token)
				for _, name := range []string{"X-Amz-Date", "X-Amz-Security-Token", "Authorization"} {
					if got.Get(name) != want.Get(name) {
						t.Errorf("%s: %q, want %q", name, got.Get(name), want.Get(name))
					}
				}
				if len(got) != len(want)+1 {
					t.Errorf("headers %v, want %v and Accept", got, want)
				}
				if wrong := VerifySigV4(&c, want.Get, "us-east-1", "bedrock", testID, testSecret); wrong != "" {
					t.Errorf("the SDK's signature does not verify: %s", wrong)
				}
			})
		}
	}
}

func TestSignaturesThatAreNotRightAreNotVerified(t *testing.T) {
	c := Call{Method: http.MethodPost, Host: "h", Target: []byte("/model/a%3Ab/converse"), Body: []byte("{}"), Now: testNow}
	h := bySDK(t, &c, testID, testSecret, testToken)
	for name, change := range map[string]func(c *Call, h http.Header){
		"another method": func(c *Call, _ http.Header) { c.Method = http.MethodPut },
		"another host":   func(c *Call, _ http.Header) { c.Host = "i" },
		"another path":   func(c *Call, _ http.Header) { c.Target = []byte("/model/a:b/converse") },
		"another body":   func(c *Call, _ http.Header) { c.Body = []byte("[]") },
		"another token":  func(_ *Call, h http.Header) { h.Set("X-Amz-Security-Token", "t") },
		"another date":   func(_ *Call, h http.Header) { h.Set("X-Amz-Date", testNow.Add(time.Second).Format(amzTime)) },
		"no date":        func(_ *Call, h http.Header) { h.Del("X-Amz-Date") },
		"no signature":   func(_ *Call, h http.Header) { h.Del("Authorization") },
		"a clock behind": func(c *Call, _ http.Header) { c.Now = testNow.Add(Skew + time.Second) },
		"a clock ahead":  func(c *Call, _ http.Header) { c.Now = testNow.Add(-Skew - time.Second) },
		"another scope": func(_ *Call, h http.Header) {
			h.Set("Authorization", strings.Replace(h.Get("Authorization"), "us-east-1", "us-west-2", 1))
		},
		"a token that is not signed": func(_ *Call, h http.Header) {
			h.Set("Authorization", strings.Replace(h.Get("Authorization"), ";x-amz-security-token", "", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, h := c, h.Clone()
			if wrong := VerifySigV4(&c, h.Get, "us-east-1", "bedrock", testID, testSecret); wrong != "" {
				t.Fatalf("before the change: %s", wrong)
			}
			change(&c, h)
			if VerifySigV4(&c, h.Get, "us-east-1", "bedrock", testID, testSecret) == "" {
				t.Error("it verifies")
			}
		})
	}
}

func TestASecretThatIsReadAnewSignsAnew(t *testing.T) {
	dir := t.TempDir()
	store := secret.NewStore(dir, nil)
	read := func(name, text string) *secret.Value {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := store.Resolve("file:" + name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	s := SigV4("us-east-1", "bedrock", []AWSKey{{ID: read("id", testID), Secret: read("secret", testSecret)}})
	c := Call{Method: http.MethodPost, Host: "h", Target: []byte("/"), Now: testNow}
	check := func(id, secretKey string) {
		t.Helper()
		lines, _, _ := s.Sign(nil, &c)
		if wrong := VerifySigV4(&c, parsed(t, lines).Get, "us-east-1", "bedrock", id, secretKey); wrong != "" {
			t.Error(wrong)
		}
	}
	check(testID, testSecret)
	read("id", "AKIA"+"OTHER")
	read("secret", "other")
	store.Refresh(filepath.Join(dir, "id"), filepath.Join(dir, "secret"))
	check("AKIA"+"OTHER", "other")
	c.Now = c.Now.Add(24 * time.Hour)
	check("AKIA"+"OTHER", "other")
}

func TestAWSKeysAreUsedInTurn(t *testing.T) {
	vs := keys(t, "first", "s1", "second", "s2")
	s := SigV4("us-east-1", "bedrock", []AWSKey{{ID: vs[0], Secret: vs[1]}, {ID: vs[2], Secret: vs[3]}})
	for n, want := range []string{"first", "second", "first"} {
		if _, secret, _ := s.Sign(nil, &Call{Now: testNow}); secret != want {
			t.Errorf("call %d is signed with %q, want %q", n, secret, want)
		}
	}
	if lines, secret, ok := SigV4("us-east-1", "bedrock", nil).Sign(nil, &Call{}); len(lines) != 0 || secret != "" || !ok {
		t.Errorf("without keys: %q, %q, %v", lines, secret, ok)
	}
}

func BenchmarkSigV4(b *testing.B) {
	dir := b.TempDir()
	store := secret.NewStore(dir, nil)
	var vs []*secret.Value
	for _, text := range []string{testID, testSecret} {
		if err := os.WriteFile(filepath.Join(dir, text[:4]), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		v, err := store.Resolve("file:" + text[:4])
		if err != nil {
			b.Fatal(err)
		}
		vs = append(vs, v)
	}
	c := Call{Method: http.MethodPost, Host: "bedrock-runtime.us-east-1.amazonaws.com", Now: testNow, Body: make([]byte, 2048),
		Target: []byte("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream")}
	b.Run("own", func(b *testing.B) {
		s := SigV4("us-east-1", "bedrock", []AWSKey{{ID: vs[0], Secret: vs[1]}})
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst, _, _ = s.Sign(dst[:0], &c)
		}
	})
	b.Run("sdk", func(b *testing.B) {
		s := v4.NewSigner()
		u, err := url.ParseRequestURI(string(c.Target))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			r := &http.Request{Method: c.Method, Host: c.Host, URL: u, Header: http.Header{}}
			sum := sha256.Sum256(c.Body)
			err := s.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: testID, SecretAccessKey: testSecret}, r, hex.EncodeToString(sum[:]), "bedrock", "us-east-1", c.Now)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
