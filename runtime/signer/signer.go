// Package signer proves to providers who calls: by a key in a header, by a token that an authorization server gives
// for a while, or by a signature over the call.
//
// A call enters, header lines leave. The invariant: Sign never waits, because it runs on a poller. What is not at hand
// (the first token, or one whose renewal has failed until it expired) is fetched on a goroutine, and the flow comes back
// when it has come. Tokens are renewed well before they expire, while the old one serves.
//
// Refused: a transport that adds credentials, as SDKs have it. It hides from the flow which secret is in use, and then no
// error of a provider can be cleaned of it.
package signer

import (
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/secret"
)

// Call is what is signed: the call as it will be sent. Target is the request target, path and query as they stand on
// the wire; Host is the value of the Host header.
type Call struct {
	Method string
	Host   string
	Target []byte
	Body   []byte
	Now    time.Time
}

// Signer proves who calls. Its methods may be called from any goroutine.
type Signer interface {
	// Sign appends the header lines ("name: value\r\n") that carry the proof, and returns what in them is secret, so that
	// no error can carry it back. ok is false where something has to be fetched first: see Await.
	Sign(dst []byte, c *Call) (fields []byte, secret string, ok bool)

	// Await calls then once, on a goroutine of its own: with nil when Sign has what it needs, or with the reason why it
	// will not have it. The reason holds no secret.
	Await(then func(error))
}

// header signs with one of several keys, used in turn.
type header struct {
	name, prefix string
	keys         []*secret.Value
	next         atomic.Uint32
}

// Header sends a key behind prefix in a header of that name: ("Authorization", "Bearer "), ("x-api-key", ""). Several
// keys are used in turn; without any, calls carry none.
func Header(name, prefix string, keys []*secret.Value) Signer {
	return &header{name: name + ": ", prefix: prefix, keys: keys}
}

// Sign implements [Signer]. No allocation.
func (h *header) Sign(dst []byte, _ *Call) ([]byte, string, bool) {
	var key string
	switch n := len(h.keys); n {
	case 0:
		return dst, "", true
	case 1:
		key = h.keys[0].Get()
	default:
		key = h.keys[int(h.next.Add(1)-1)%n].Get()
	}
	if key == "" {
		return dst, "", true
	}
	dst = append(append(append(append(dst, h.name...), h.prefix...), key...), '\r', '\n')
	return dst, key, true
}

// Await implements [Signer]: there is nothing to wait for.
func (h *header) Await(then func(error)) { go then(nil) }
