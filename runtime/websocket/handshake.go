package websocket

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 §1.3 says so; it proves that the peer knows the protocol and nothing else
	"encoding/base64"
	"errors"
	"iter"
	"net/http"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// Refusal is why a client's handshake was refused. Reason is a sentence without its full stop; Fields are header lines
// that the answer needs.
type Refusal struct {
	Status int
	Reason string
	Fields string
}

// Asks reports whether a request asks for a WebSocket, well or badly: Upgrade names the protocol, or there is a field
// that only its handshake has.
func Asks(h *http1.Head) bool {
	return named(h) || h.Get(http1.SecWebSocketKey) != nil || h.Get(http1.SecWebSocketVersion) != nil
}

// named reports whether Upgrade names the protocol.
func named(h *http1.Head) bool {
	for i := range h.Fields {
		if h.Fields[i].ID != http1.Upgrade {
			continue
		}
		for t := range list(h.Fields[i].Value) {
			if bytes.EqualFold(t, websocket) {
				return true
			}
		}
	}
	return false
}

var websocket = []byte("websocket")

// Check judges the handshake of a client (RFC 6455 §4.2.1). A nil Refusal means that it is whole; its key is the head's
// field [http1.SecWebSocketKey] then.
func Check(h *http1.Head, http2 bool) *Refusal {
	bad := func(reason string) *Refusal { return &Refusal{Status: http.StatusBadRequest, Reason: reason} }
	switch {
	case http2:
		return &Refusal{Status: http.StatusNotImplemented, Reason: "WebSockets over HTTP/2 (RFC 8441) are not supported: use HTTP/1.1"}
	case string(h.Method) != http.MethodGet:
		return &Refusal{Status: http.StatusMethodNotAllowed, Reason: "a WebSocket handshake is a GET", Fields: "Allow: GET\r\n"}
	case h.Minor == 0:
		return bad("a WebSocket handshake needs HTTP/1.1")
	case !named(h):
		return bad(`the WebSocket handshake has no "Upgrade: websocket"`)
	case !h.HasUpgrade:
		return bad(`the WebSocket handshake has no "Connection: Upgrade"`)
	case h.ContentLength > 0 || h.Chunked:
		return bad("a WebSocket handshake has no body")
	}
	version, n := only(h, http1.SecWebSocketVersion)
	if n != 1 || string(version) != "13" {
		return &Refusal{
			Status: http.StatusUpgradeRequired, Reason: `the WebSocket handshake needs "Sec-WebSocket-Version: 13"`,
			Fields: "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
		}
	}
	key, n := only(h, http1.SecWebSocketKey)
	if n != 1 || !validKey(key) {
		return bad("Sec-WebSocket-Key is not 16 bytes in base64")
	}
	var seen [maxProtocols][]byte
	n = 0
	for p := range Protocols(h) {
		if n == maxProtocols || !token(p) {
			return bad("Sec-WebSocket-Protocol is malformed or too long")
		}
		for _, other := range seen[:n] {
			if bytes.Equal(p, other) {
				return bad("Sec-WebSocket-Protocol names a subprotocol twice")
			}
		}
		seen[n] = p
		n++
	}
	return nil
}

// maxProtocols is how many subprotocols a client may offer; each is compared with each.
const maxProtocols = 32

// only returns the value of the first field with an ID, and how many there are.
func only(h *http1.Head, id http1.ID) (value []byte, n int) {
	for i := range h.Fields {
		if h.Fields[i].ID == id {
			if n++; n == 1 {
				value = h.Fields[i].Value
			}
		}
	}
	return value, n
}

// validKey reports whether k is what RFC 6455 §4.1 asks for: 16 bytes in base64, with its padding.
func validKey(k []byte) bool {
	var raw [18]byte
	if len(k) != 24 {
		return false
	}
	n, err := base64.StdEncoding.Strict().Decode(raw[:], k)
	return err == nil && n == 16
}

// Protocols yields the subprotocols of a head in their order, over all fields that name some.
func Protocols(h *http1.Head) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range h.Fields {
			if h.Fields[i].ID != http1.SecWebSocketProtocol {
				continue
			}
			for p := range list(h.Fields[i].Value) {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// list yields the elements of a comma-separated list (RFC 9110 §5.6.1) without surrounding white space; empty ones are
// left out, as a recipient must.
func list(v []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for e := range bytes.SplitSeq(v, []byte(",")) {
			if e = bytes.Trim(e, " \t"); len(e) > 0 && !yield(e) {
				return
			}
		}
	}
}

// token reports whether b is a token (RFC 9110 §5.6.2).
func token(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || bytes.IndexByte([]byte(`"(),/:;<=>?@[\]{}`), c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// NewKey returns a fresh key for a handshake of the gateway's own.
func NewKey() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// AppendAccept appends the value of Sec-WebSocket-Accept that proves that key was understood (RFC 6455 §4.2.2).
func AppendAccept(dst, key []byte) []byte {
	s := sha1.New()
	s.Write(key)
	s.Write([]byte("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	var sum [sha1.Size]byte
	return base64.StdEncoding.AppendEncode(dst, s.Sum(sum[:0]))
}

// Why a server's answer 101 was refused.
var (
	ErrUpgrade   = errors.New("the answer 101 is not for a WebSocket")
	ErrAccept    = errors.New("Sec-WebSocket-Accept does not belong to the key that was sent")
	ErrExtension = errors.New("the answer has an extension that was not offered")
	ErrProtocol  = errors.New("the answer has a subprotocol that was not offered")
)

// CheckAnswer judges a server's answer 101 to a handshake with that key, which offered these subprotocols and no
// extension (RFC 6455 §4.1). It returns the subprotocol that the server has chosen, nil where it has chosen none; it
// points into offered.
func CheckAnswer(h *http1.Head, key string, offered iter.Seq[[]byte]) (protocol []byte, err error) {
	if h.Status != http.StatusSwitchingProtocols || !h.HasUpgrade || !named(h) {
		return nil, ErrUpgrade
	}
	var want [28]byte
	accept, n := only(h, http1.SecWebSocketAccept)
	if n != 1 || !bytes.Equal(accept, AppendAccept(want[:0], []byte(key))) {
		return nil, ErrAccept
	}
	if h.Get(http1.SecWebSocketExtensions) != nil {
		return nil, ErrExtension
	}
	chosen, n := only(h, http1.SecWebSocketProtocol)
	if n == 0 {
		return nil, nil
	}
	if n == 1 {
		for p := range offered {
			if bytes.Equal(p, chosen) {
				return p, nil
			}
		}
	}
	return nil, ErrProtocol
}
