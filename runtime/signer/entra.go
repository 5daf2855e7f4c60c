package signer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gwc-dev/gwc/runtime/secret"
)

// Entra gets tokens of Microsoft Entra ID for an application that proves itself with a secret (OAuth 2.0 client
// credentials, version 2.0 of the endpoint), and their id for [Tokens.Bearer]. The secret is read anew for each token, so
// that one which was changed takes effect with the next.
//
// Source: "Microsoft identity platform and the OAuth 2.0 client credentials flow".
func Entra(authority, tenant, clientID, scope string, key *secret.Value) (id string, fetch Fetch) {
	endpoint := authority + "/" + tenant + "/oauth2/v2.0/token"
	client := &http.Client{Timeout: fetchTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return "entra " + endpoint + " " + clientID + " " + scope, func(ctx context.Context) (Token, error) {
		c := clientcredentials.Config{ClientID: clientID, ClientSecret: key.Get(), TokenURL: endpoint, Scopes: []string{scope}, AuthStyle: oauth2.AuthStyleInParams}
		t, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
		if err != nil {
			return Token{}, refusal(err)
		}
		expires := t.Expiry
		if expires.IsZero() {
			expires = time.Now().Add(time.Minute) // it does not say; the next one is asked for soon
		}
		return Token{Value: t.AccessToken, Expires: expires}, nil
	}
}

// refusal makes an error that holds neither the request nor the answer, of which nobody knows what is in them.
func refusal(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return errors.New("the token endpoint could not be reached, or gave no token")
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	if refused.ErrorCode != "" && len(refused.ErrorCode) <= 64 {
		return fmt.Errorf("the token endpoint answered with status %d: %q", status, refused.ErrorCode)
	}
	return fmt.Errorf("the token endpoint answered with status %d", status)
}
