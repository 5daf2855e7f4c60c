package signer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/gwc-dev/gwc/runtime/secret"
)

// cloudPlatform is the scope of Google Cloud's APIs.
const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// ServiceAccount gets tokens for a service account of Google Cloud, whose key file (JSON) is the secret: an assertion
// that the key signs is changed for a token (RFC 7523) at the server that the file names. ref is the secret's reference;
// with its version it makes the id. Nothing is asked of the machine's metadata server, nor of the environment.
func ServiceAccount(ref string, file *secret.Value) (id string, fetch Fetch) {
	return "google " + ref + " " + strconv.FormatUint(file.Version(), 10), func(ctx context.Context) (Token, error) {
		c, err := account(file.Get())
		if err != nil {
			return Token{}, fmt.Errorf("secret %q: %w", ref, err)
		}
		client := &http.Client{Transport: bound{ctx}, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the token server answered with a redirect")
		}}
		t, err := c.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
		if err != nil {
			return Token{}, fmt.Errorf("service account of secret %q: %w", ref, without(err))
		}
		expires := t.Expiry
		switch {
		case t.AccessToken == "" || !inHeader(t.AccessToken):
			return Token{}, fmt.Errorf("service account of secret %q: the token server gave no usable token", ref)
		case expires.IsZero():
			expires = time.Now().Add(time.Minute) // it said nothing: ask again soon
		}
		return Token{Value: t.AccessToken, Expires: expires}, nil
	}
}

// account reads a key file. The errors quote nothing of it.
func account(text string) (*jwt.Config, error) {
	var f struct {
		Type         string `json:"type"`
		ClientEmail  string `json:"client_email"`
		PrivateKey   string `json:"private_key"`
		PrivateKeyID string `json:"private_key_id"`
		TokenURI     string `json:"token_uri"`
	}
	if json.Unmarshal([]byte(text), &f) != nil {
		return nil, errors.New("it is not the key file of a service account: it is not JSON")
	}
	switch {
	case f.Type != "service_account":
		return nil, errors.New(`it is not the key file of a service account: its "type" is another one`)
	case f.ClientEmail == "" || f.PrivateKey == "":
		return nil, errors.New(`it is not the key file of a service account: "client_email" or "private_key" is missing`)
	case f.TokenURI == "":
		f.TokenURI = "https://oauth2.googleapis.com/token"
	}
	if !safe(f.TokenURI) {
		return nil, errors.New(`its "token_uri" is neither https nor on this machine`)
	}
	return &jwt.Config{Email: f.ClientEmail, PrivateKey: []byte(f.PrivateKey), PrivateKeyID: f.PrivateKeyID, Scopes: []string{cloudPlatform}, TokenURL: f.TokenURI}, nil
}

// safe tells whether an assertion may be sent to a URL: over TLS, or within this machine.
func safe(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// without is an error of the token server without what it may have echoed.
func without(err error) error {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) {
		var told struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(answer.Body, &told) == nil && len(told.Error) < 64 && inHeader(told.Error) && told.Error != "" {
			return fmt.Errorf("the token server answered with status %d: %s", answer.Response.StatusCode, told.Error)
		}
		return fmt.Errorf("the token server answered with status %d", answer.Response.StatusCode)
	}
	// The package tells failures of the call apart by their text alone; what it quotes of the call is its URL.
	if _, why, ok := strings.Cut(err.Error(), "cannot fetch token: Post "); ok {
		return errors.New("the token server could not be asked: " + why)
	}
	return errors.New("its key cannot be used, or the token server's answer cannot be read")
}

// inHeader tells whether a text is printable ASCII.
func inHeader(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// bound makes the calls of a package that knows no context obey one. Connections are not kept: tokens hold for an hour.
type bound struct{ ctx context.Context }

func (b bound) RoundTrip(r *http.Request) (*http.Response, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return t.RoundTrip(r.WithContext(b.ctx))
}

// turns signs with one of several signers.
type turns struct {
	of   []Signer
	next atomic.Uint32
}

// Turns uses several signers in turn. One that has to fetch something first is passed over as long as another has not.
func Turns(of []Signer) Signer {
	if len(of) == 1 {
		return of[0]
	}
	return &turns{of: of}
}

// Sign implements [Signer].
func (t *turns) Sign(dst []byte, c *Call) (fields []byte, secret string, ok bool) {
	n := int(t.next.Add(1) - 1)
	for i := range t.of {
		if fields, secret, ok = t.of[(n+i)%len(t.of)].Sign(dst, c); ok {
			return fields, secret, true
		}
	}
	return dst, "", false
}

// Await implements [Signer].
func (t *turns) Await(then func(error)) {
	if len(t.of) == 0 {
		go then(errors.New("there is no service account"))
		return
	}
	t.of[int(t.next.Load())%len(t.of)].Await(then)
}
