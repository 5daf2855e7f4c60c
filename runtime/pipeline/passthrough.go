package pipeline

import (
	"bytes"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/runtime/websocket"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// Passthrough: a provider's own paths, opened to an app.
//
// The flow is that of an operation of an API ([apiFlow]); what differs is here. The server is one provider instead of an
// upstream's endpoints; the caller's credentials are taken out of the head and of the query, and the provider's are put
// in; what the answer says of the gateway's account is taken out. Bodies are never held: the paths that can be opened are
// those that gwc does not serve itself (package passthrough), so there is nothing in them that it reads.
//
// What is taken out is listed, and all else passes: an API's own header fields, such as OpenAI-Beta or X-Goog-Upload-*,
// are many and new ones come. A list of those that pass was refused for that.

// provided is what an apiFlow has beside, where it calls a provider.
type provided struct {
	provider *snapshot.Provider // nil for an operation of an API
	own      int                // of reqBuf: the lines without the signer's
	signed   signer.Call
	secret   string      // in use
	masks    bool        // the answer is an error, in which the secret is masked
	looked   []byte      // of the error: what has been looked through
	begun    int         // bytes at the end of looked that may be the beginning of the secret
	home     []byte      // the root of the callers' URLs for this provider: "https://gateway.example/passthrough/openai"
	awaited  bool        // the signer was waited for
	busy     bool        // it is; the flow must not be reused
	left     bool        // the exchange is over while busy
	socket   *tunnelFlow // a WebSocket was asked for
}

// forget drops what would keep memory alive in a pooled flow.
func (p *provided) forget() { *p = provided{home: p.home[:0], looked: p.looked[:0]} }

// speaksAs is the dialect of errors at a kind of provider: what its clients read.
func speaksAs(kind string) *spoken {
	switch kind {
	case "anthropic":
		return &spokenDialects[anthropicMessages]
	case "gemini", "vertex":
		return &spokenDialects[geminiGenerate]
	}
	return &spokenDialects[openAIChat]
}

// opened decides whether the app may call the path. It answers and reports false where it may not.
func (f *apiFlow) opened(q *engine.Request) bool {
	f.provider = f.r.Provider
	socket := websocket.Asks(q.Head)
	var table *match.Table
	if o := f.key.App.Passthrough[f.r.Route.Provider]; o != nil {
		table = &o.HTTP
		if socket {
			table = &o.WebSocket
		}
	}
	status, why, allow := passthrough.Decide(table, f.provider.Kind, f.rec.Method, socket, f.rest())
	switch {
	case status == 0 && passthrough.SignsBody(f.provider.Kind) && q.Length != engine.NoBody && q.Length != 0:
		f.fail(http.StatusRequestEntityTooLarge, "request", "a request with a body cannot be passed through to this provider, which wants it signed")
	case status == 0:
		return true
	case allow != "":
		f.failWith(status, "route", why, []byte("Allow: "+allow+"\r\n"))
	case status == http.StatusNotFound:
		f.fail(status, "route", why)
	default:
		f.fail(status, "request", why)
	}
	return false
}

// rest is what of the path stands behind the provider's name.
func (f *apiFlow) rest() []byte { return f.path[len(passthrough.Root)+len(f.r.Provider.Name):] }

// toProvider writes the header lines that go to the provider, but for its credentials.
func (f *apiFlow) toProvider(b []byte, q *engine.Request) []byte {
	f.home = append(f.home[:0], "http"...)
	if q.TLS {
		f.home = append(f.home, 's')
	}
	f.home = append(append(append(f.home, "://"...), q.Host...), f.path[:len(f.path)-len(f.rest())]...)
	f.query = appendPassed(f.query[:0], q.Query, f.provider.Provider)
	f.hasQuery = len(f.query) > 0
	for i := range q.Fields {
		if fl := &q.Fields[i]; !fl.Hop && !f.withheld(fl) {
			b = append(append(append(append(b, fl.Name...), ": "...), fl.Value...), "\r\n"...)
		}
	}
	b = append(b, f.provider.Fields...)
	b = append(append(append(b, "x-request-id: "...), f.id[:f.idLen]...), '\r', '\n')
	if f.socket != nil {
		b = f.socket.handshake(b)
	}
	f.own = len(b)
	return b
}

// withheld reports whether a field of a caller does not go to the provider: what frames the message, what says who
// calls or for which account, what says where the request comes from, what would make it another request, and what the
// provider's own headers say.
func (f *apiFlow) withheld(fl *http1.Field) bool {
	switch fl.ID {
	case http1.Host, http1.ContentLength, http1.TransferEncoding, http1.Expect, http1.XRequestID, http1.XGwc,
		http1.Authorization, http1.ProxyAuthorization, http1.XAPIKey, http1.XGoogAPIKey, http1.Cookie,
		http1.XForwardedFor, http1.XForwardedProto, http1.XForwardedHost, http1.Forwarded, http1.Via:
		return true
	}
	for i := range f.provider.Headers {
		if len(f.provider.Headers[i].Name) == len(fl.Name) && bytes.EqualFold([]byte(f.provider.Headers[i].Name), fl.Name) {
			return true
		}
	}
	var room [48]byte
	name := lower(room[:0], fl.Name)
	for _, prefix := range [...]string{"x-amz-", "x-forwarded-", "x-envoy-", "x-original-", "x-rewrite-"} {
		if bytes.HasPrefix(name, []byte(prefix)) {
			return true
		}
	}
	switch string(name) {
	case "api-key", "x-auth-token", "x-access-token", "x-goog-user-project", "x-goog-iam-authorization-token", "ocp-apim-subscription-key",
		"openai-organization", "openai-project", "x-ms-authorization-auxiliary",
		"x-http-method", "x-http-method-override", "x-method-override",
		"x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "x-host":
		return true
	}
	return false
}

// lower appends a name in lower case, as far as there is room for the names that matter.
func lower(b, name []byte) []byte {
	for i := 0; i < len(name) && len(b) < cap(b); i++ {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// PassedQuery returns what becomes of a query on its way to a provider, with the "?" before it, or "".
func PassedQuery(p *artifact.Provider, query string) string {
	if b := appendPassed(nil, []byte(query), p); len(b) > 0 {
		return "?" + string(b)
	}
	return ""
}

// appendPassed appends the query without what would be a credential or another method, and with the version of the API
// that Azure wants where the caller names none.
func appendPassed(b, query []byte, p *artifact.Provider) []byte {
	versioned := false
	for len(query) > 0 {
		pair, more, _ := bytes.Cut(query, []byte("&"))
		query = more
		name, _, _ := bytes.Cut(pair, []byte("="))
		var room [32]byte
		switch string(decoded(room[:0], name)) {
		case "key", "api_key", "apikey", "api-key", "access_token", "oauth_token", "subscription-key",
			"$httpmethod", "$httpheaders", "x-amz-security-token", "x-amz-credential", "x-amz-signature", "x-amz-algorithm", "x-amz-date", "x-amz-signedheaders":
			continue
		case "api-version":
			versioned = true
		}
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(b, pair...)
	}
	if v := p.APIVersion; p.Kind == "azure-openai" && !versioned && v != "v1" {
		if len(b) > 0 {
			b = append(b, '&')
		}
		b = append(append(b, "api-version="...), v...)
	}
	return b
}

// decoded appends the name of a query's parameter in lower case without encodings, as far as there is room.
func decoded(b, name []byte) []byte {
	digit := func(c byte) int { return bytes.IndexByte([]byte("0123456789abcdef"), c|0x20) }
	for i := 0; i < len(name) && len(b) < cap(b); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) && digit(name[i+1]) >= 0 && digit(name[i+2]) >= 0 {
			c = byte(digit(name[i+1])<<4 | digit(name[i+2]))
			i += 2
		}
		b = lower(b, []byte{c})
	}
	return b
}

// fromProvider returns what of a field of the answer goes to the caller, nil where it does not: what is said of the
// gateway's account, what speaks of the provider's own host, and what holds the credential in use. URLs of the provider
// become the gateway's.
func (f *apiFlow) fromProvider(fl *http1.Field) []byte {
	if fl.ID == http1.SetCookie || f.secret != "" && bytes.Contains(fl.Value, []byte(f.secret)) {
		return nil
	}
	var room [32]byte
	switch string(lower(room[:0], fl.Name)) {
	case "openai-organization", "openai-project", "alt-svc", "strict-transport-security", "nel", "report-to":
		return nil
	case "location", "content-location", "operation-location", "azure-asyncoperation", "x-goog-upload-url", "x-goog-upload-control-url", "link":
		return f.homeward(fl.Value)
	}
	return fl.Value
}

// homeward replaces the root of the provider in a URL by the gateway's. A path alone, which is one at the provider's
// host, becomes one below the gateway's.
func (f *apiFlow) homeward(value []byte) []byte {
	base := f.provider.BaseURL
	at := bytes.Index(value, []byte(base))
	if at >= 0 {
		if after := value[at+len(base):]; len(after) == 0 || after[0] == '/' || after[0] == '?' || after[0] == '>' {
			return append(append(append([]byte{}, value[:at]...), f.home...), after...)
		}
	}
	if rest, ok := bytes.CutPrefix(value, []byte(f.provider.Prefix+"/")); ok && (len(rest) == 0 || rest[0] != '/') {
		return append(append(append([]byte{}, f.home...), '/'), rest...)
	}
	return value
}

// mask returns what of an error goes to the caller: providers repeat the credential that they refuse. In its place come as
// many stars, so that the length of the answer stays. What may be the beginning of the secret waits for the next piece.
func (f *apiFlow) mask(b []byte) []byte {
	n := copy(f.looked, f.looked[len(f.looked)-f.begun:])
	f.looked = append(f.looked[:n], b...)
	for rest := f.looked; ; {
		i := bytes.Index(rest, []byte(f.secret))
		if i < 0 {
			break
		}
		for j := range f.secret {
			rest[i+j] = '*'
		}
		rest = rest[i+len(f.secret):]
	}
	for f.begun = min(len(f.secret)-1, len(f.looked)); f.begun > 0 && string(f.looked[len(f.looked)-f.begun:]) != f.secret[:f.begun]; {
		f.begun--
	}
	return f.looked[:len(f.looked)-f.begun]
}

// unmask gives the caller what has waited, at the end of the answer: it was no secret.
func (f *apiFlow) unmask() {
	if f.begun > 0 {
		f.rec.BytesOut += int64(f.begun)
		f.c.Write(f.looked[len(f.looked)-f.begun:])
		f.begun = 0
	}
}

// attemptProvider is attempt for a provider, which is one server. A second time is made only where the first connection
// turned out to be closed; another credential is never tried.
func (f *apiFlow) attemptProvider(now time.Time) bool {
	if f.tried&1 != 0 {
		return false
	}
	f.tried |= 1
	f.endpoint, f.sentAt = 0, now
	t := append(append(f.target[:0], f.provider.Prefix...), f.rest()...)
	if f.hasQuery {
		t = append(append(t, '?'), f.query...)
	}
	f.target = t
	f.sign(now)
	return true
}

// sign puts the provider's credentials into the head and starts the call, at once or when the signer has what it needs.
func (f *apiFlow) sign(now time.Time) {
	p := f.provider
	f.signed = signer.Call{Method: f.rec.Method, Host: p.Pool.Host(), Target: f.target, Now: now}
	b, secret, ok := p.Signer.Sign(f.reqBuf[:f.own], &f.signed)
	if !ok {
		f.await()
		return
	}
	f.reqBuf, f.req.Fields, f.secret, f.awaited = b, b, secret, false
	f.launch(p.Pool, &p.Timeouts, now)
	if len(f.kept) > keptBody {
		f.keeping, f.kept = false, f.kept[:0]
	}
}

// await comes back to sign when the signer has what it needs; till then the client is paused. Where the signer has got
// nothing the exchange has failed.
func (f *apiFlow) await() {
	f.call = nil
	if f.awaited { // it had what it needs a moment ago
		f.unsigned()
		return
	}
	f.busy, f.awaited = true, true
	if !f.paused && !f.ended {
		f.paused = true
		f.c.PauseBody()
	}
	mu := f.mu
	f.provider.Signer.Await(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		defer f.contain()
		f.busy = false
		switch {
		case f.left:
			f.left = false
			f.recycle()
		case err != nil:
			f.unsigned()
		default:
			f.sentAt = f.p.clock.Now()
			f.sign(f.sentAt)
			if f.call != nil && f.paused && f.call.Queued() == 0 {
				f.paused = false
				f.c.ResumeBody()
			}
		}
	})
}

// contain is deferred where the pipeline itself is the caller of a flow, with the exchange's mutex held.
func (f *apiFlow) contain() {
	if v := recover(); v != nil {
		f.crash(f.call, v, debug.Stack())
	}
}

// unsigned ends an exchange for which the gateway could not get its credential. The reason is reported to whoever runs
// the gateway, and is none of the callers' business.
func (f *apiFlow) unsigned() {
	f.awaited = false
	f.rec.NAttempt++
	f.done(0, "credential")
	f.fail(http.StatusBadGateway, "upstream_credential", "the gateway could not get its credential for the provider")
	f.recycle()
}
