package http1

// The fields that gwc treats in some special way. The order carries no meaning; there are fewer than 64, so that a
// head's set of known fields is one word.
const (
	// Other is every field that has no ID.
	Other ID = iota
	// Host is the Host field of a request (RFC 9112 §3.2).
	Host
	// ContentLength is the Content-Length field (RFC 9110 §8.6).
	ContentLength
	// TransferEncoding is the Transfer-Encoding field (RFC 9112 §6.1).
	TransferEncoding
	// Connection is the Connection field (RFC 9110 §7.6.1).
	Connection
	// KeepAlive is the Keep-Alive field.
	KeepAlive
	// TE is the TE field (RFC 9110 §10.1.4).
	TE
	// Trailer is the Trailer field (RFC 9110 §6.6.2).
	Trailer
	// Upgrade is the Upgrade field (RFC 9110 §7.8).
	Upgrade
	// Expect is the Expect field (RFC 9110 §10.1.1).
	Expect
	// ProxyConnection is the Proxy-Connection field, which was never standardised.
	ProxyConnection
	// ProxyAuthenticate is the Proxy-Authenticate field.
	ProxyAuthenticate
	// ProxyAuthorization is the Proxy-Authorization field.
	ProxyAuthorization
	// Authorization is the Authorization field.
	Authorization
	// XAPIKey is the X-Api-Key field.
	XAPIKey
	// XGoogAPIKey is the X-Goog-Api-Key field.
	XGoogAPIKey
	// ContentType is the Content-Type field.
	ContentType
	// ContentEncoding is the Content-Encoding field.
	ContentEncoding
	// Accept is the Accept field.
	Accept
	// AcceptEncoding is the Accept-Encoding field.
	AcceptEncoding
	// UserAgent is the User-Agent field.
	UserAgent
	// XForwardedFor is the X-Forwarded-For field.
	XForwardedFor
	// XForwardedProto is the X-Forwarded-Proto field.
	XForwardedProto
	// XForwardedHost is the X-Forwarded-Host field.
	XForwardedHost
	// Forwarded is the Forwarded field (RFC 7239).
	Forwarded
	// Via is the Via field.
	Via
	// Date is the Date field.
	Date
	// Server is the Server field.
	Server
	// RetryAfter is the Retry-After field.
	RetryAfter
	// XRequestID is the X-Request-Id field.
	XRequestID
	// Location is the Location field.
	Location
	// SetCookie is the Set-Cookie field.
	SetCookie
	// Cookie is the Cookie field.
	Cookie
	// Range is the Range field.
	Range
	// XGwc is any field whose name begins with "x-gwc-".
	XGwc
	// Traceparent is the traceparent field of W3C Trace Context.
	Traceparent
	// SecWebSocketKey is the Sec-WebSocket-Key field (RFC 6455 §11.3.1).
	SecWebSocketKey
	// SecWebSocketAccept is the Sec-WebSocket-Accept field (RFC 6455 §11.3.3).
	SecWebSocketAccept
	// SecWebSocketVersion is the Sec-WebSocket-Version field (RFC 6455 §11.3.5).
	SecWebSocketVersion
	// SecWebSocketProtocol is the Sec-WebSocket-Protocol field (RFC 6455 §11.3.4).
	SecWebSocketProtocol
	// SecWebSocketExtensions is the Sec-WebSocket-Extensions field (RFC 6455 §11.3.2).
	SecWebSocketExtensions

	idEnd
)

// The set of known fields must fit a word.
var _ [64 - idEnd]struct{}

// longestName is the length of the longest name that lookup knows.
const longestName = len("sec-websocket-extensions")

// hop holds the fields that end at this hop whether or not Connection lists them: RFC 9110 §7.6.1, plus Trailer (the
// trailers that gwc forwards are its own choice), the proxy credentials, which are for gwc if for anybody, and those of
// the WebSocket handshake, which is made anew with each side.
const hop uint64 = 1<<Connection | 1<<KeepAlive | 1<<ProxyConnection | 1<<TE | 1<<Trailer | 1<<TransferEncoding |
	1<<Upgrade | 1<<ProxyAuthenticate | 1<<ProxyAuthorization |
	1<<SecWebSocketKey | 1<<SecWebSocketAccept | 1<<SecWebSocketVersion | 1<<SecWebSocketProtocol | 1<<SecWebSocketExtensions

// lookup names a field by its name in lower case. A name with "_" is never known: see imitates.
func lookup(low []byte) ID {
	switch string(low) {
	case "te":
		return TE
	case "via":
		return Via
	case "host":
		return Host
	case "date":
		return Date
	case "range":
		return Range
	case "accept":
		return Accept
	case "expect":
		return Expect
	case "cookie":
		return Cookie
	case "server":
		return Server
	case "upgrade":
		return Upgrade
	case "trailer":
		return Trailer
	case "location":
		return Location
	case "forwarded":
		return Forwarded
	case "x-api-key":
		return XAPIKey
	case "connection":
		return Connection
	case "keep-alive":
		return KeepAlive
	case "user-agent":
		return UserAgent
	case "set-cookie":
		return SetCookie
	case "retry-after":
		return RetryAfter
	case "traceparent":
		return Traceparent
	case "content-type":
		return ContentType
	case "x-request-id":
		return XRequestID
	case "authorization":
		return Authorization
	case "content-length":
		return ContentLength
	case "x-goog-api-key":
		return XGoogAPIKey
	case "accept-encoding":
		return AcceptEncoding
	case "x-forwarded-for":
		return XForwardedFor
	case "content-encoding":
		return ContentEncoding
	case "proxy-connection":
		return ProxyConnection
	case "x-forwarded-host":
		return XForwardedHost
	case "transfer-encoding":
		return TransferEncoding
	case "x-forwarded-proto":
		return XForwardedProto
	case "proxy-authenticate":
		return ProxyAuthenticate
	case "proxy-authorization":
		return ProxyAuthorization
	case "sec-websocket-key":
		return SecWebSocketKey
	case "sec-websocket-accept":
		return SecWebSocketAccept
	case "sec-websocket-version":
		return SecWebSocketVersion
	case "sec-websocket-protocol":
		return SecWebSocketProtocol
	case "sec-websocket-extensions":
		return SecWebSocketExtensions
	}
	if len(low) >= 6 && string(low[:6]) == "x-gwc-" {
		return XGwc
	}
	return Other
}

// identify returns the ID of a name in any case, for names outside the hot loop.
func identify(name []byte) ID {
	var low [longestName + 1]byte
	n := copy(low[:], name)
	for i, c := range low[:n] {
		low[i] = lower[c]
	}
	return lookup(low[:n])
}

// imitates tells whether a name would be a known field's if its "_" were "-". Gateways to CGI, WSGI and Rack turn both
// into "_" and cannot tell X-Api-Key from X_Api_Key, so such a field could pose as one that gwc checks or sets. It is
// kept, so that it can be looked at, and never forwarded.
func imitates(name []byte) bool {
	var low [longestName + 1]byte
	n := copy(low[:], name)
	under := false
	for i, c := range low[:n] {
		low[i] = lower[c]
		if c == '_' {
			low[i], under = '-', true
		}
	}
	return under && lookup(low[:n]) != Other
}
