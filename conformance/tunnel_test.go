package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gwc-dev/gwc/conformance/rig"
)

// tunnelRepo opens a provider's realtime API to an app, on both engines.
func tunnelRepo(provider, engine string) rig.Repo {
	repo := rig.Repo{
		"gateway.cue": gatewayFile("", fmt.Sprintf(`
providers: openai: {kind: "openai", baseURL: "%s/v1", credentials: [{ref: "file:provider-key"}]}
tenants: acme: apps: voice: {
	keys: [{id: "voice-1", hash: %q, expires: "2099-12-31"}]
	limits: [{requests: 1000, per: "1m"}]
	passthrough: [{provider: "openai", paths: ["/realtime"], websocket: true}]
}
`, provider, hashOf(appKey))),
		"../run/provider-key": providerKey + "\n",
	}
	repo["gateway.cue"] = strings.Replace(repo["gateway.cue"], `address: "127.0.0.1:8080"`, `address: "127.0.0.1:8080", engine: "`+engine+`"`, 1)
	return repo
}

// TestRealtimeThroughAWebSocketLibrary puts a library of the field at both ends of a tunnel: the client sends the key as
// browsers do, the server echoes.
func TestRealtimeThroughAWebSocketLibrary(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/realtime" || r.Header.Get("Authorization") != "Bearer "+providerKey || strings.Contains(fmt.Sprint(r.Header, r.URL), appKey) {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"realtime"}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return
		}
		c.SetReadLimit(-1)
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(b) == "bye" {
				c.Close(4000, "as you wish")
				return
			}
			if c.Write(r.Context(), kind, b) != nil {
				return
			}
		}
	}))
	defer provider.Close()
	for _, engine := range []string{"netpoll", "std"} {
		t.Run(engine, func(t *testing.T) {
			g := serve(t, tunnelRepo(provider.URL, engine), rig.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			url := strings.Replace(g.URL, "http", "ws", 1) + "/passthrough/openai/realtime?model=gpt-realtime"
			c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"realtime", "openai-insecure-api-key." + appKey}, CompressionMode: websocket.CompressionContextTakeover})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			c.SetReadLimit(-1)
			if c.Subprotocol() != "realtime" {
				t.Errorf("the subprotocol is %q", c.Subprotocol())
			}
			for i, n := range []int{0, 1, 125, 126, 65_535, 65_536, 10 << 20} {
				kind := websocket.MessageText
				if i%2 == 1 {
					kind = websocket.MessageBinary
				}
				want := bytes.Repeat([]byte("a"), n)
				go c.Write(ctx, kind, want)
				got, b, err := c.Read(ctx)
				if err != nil || got != kind || !bytes.Equal(b, want) {
					t.Fatalf("%d bytes: %v, %d bytes, %v", n, got, len(b), err)
				}
			}
			reading := c.CloseRead(ctx) // whose Pongs Ping waits for
			if err := c.Ping(ctx); err != nil {
				t.Error("ping:", err)
			}
			_ = reading
			c.Write(ctx, websocket.MessageText, []byte("bye"))
			<-reading.Done()

			again, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + appKey}}})
			if err != nil {
				t.Fatal(err)
			}
			defer again.CloseNow()
			again.Write(ctx, websocket.MessageText, []byte("bye"))
			_, _, err = again.Read(ctx)
			var end websocket.CloseError
			if !errors.As(err, &end) || end.Code != 4000 || end.Reason != "as you wish" {
				t.Errorf("the end is %v", err)
			}
			if _, resp, err := websocket.Dial(ctx, url, nil); err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("without a key: %v, %v", resp, err)
			}
		})
	}
}
