// Package http1 is gwc's strict HTTP/1.1 codec: it parses heads and bodies out of bytes and writes heads and chunks
// into bytes. It does no I/O, keeps no goroutine and allocates nothing in steady state.
//
// What enters is whatever a peer sent, in pieces of any size. What leaves is a [Head], whose slices point into those
// bytes, a [Body] that says which bytes are payload, and the bytes of the messages that gwc writes itself.
//
// It is strict on purpose (RFC 9112): whatever two parsers could read differently is refused, and what is forwarded
// is written anew from what was parsed, never copied unparsed. The invariant is that a message which was taken has one
// reading, whichever way it was cut into pieces: the verdict and the result do not depend on the reads.
//
// After an error the connection must be closed, since nobody knows where the next message begins. When Head.Close is
// set, bytes after the message belong to nobody and must not be parsed.
//
// Names with "_" are legal and kept, but never known: X_Api_Key is not X-Api-Key. Those that imitate a known name are
// marked [Field.Hop], because many servers cannot tell them apart.
//
// A parser that is a table of states, one byte at a time (as llhttp's), was refused: it needs no second look at a head
// that comes in pieces, but heads come whole, and scanning words for the few bytes that matter is several times faster.
package http1

// ID is a header field that gwc treats in some special way; Other is every other field. IDs make filtering a switch
// on a byte instead of a comparison of strings.
type ID uint8

// Field is one header or trailer field. Name and Value point into the parsed bytes; Value has no surrounding white
// space. Name keeps the sender's case.
type Field struct {
	Name, Value []byte
	ID          ID
	// Hop: the field ends at this hop and must not be forwarded. It is one of the fixed set (RFC 9110 §7.6.1: Connection,
	// Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-Authenticate, Proxy-Authorization, and
	// those of the WebSocket handshake), or Connection lists it, or its name imitates a known one with "_" for "-".
	Hop bool
}

// Head is a parsed message head. All slices point into the bytes given to the parser. A Head is reused: parsing into
// it again keeps its Fields' array.
type Head struct {
	Method []byte // request
	Target []byte // request: as received
	// Path and Query are the request's, for origin-form and absolute-form targets: Path is raw (still
	// percent-encoded), begins with "/"; Query is without "?", HasQuery tells "?" alone from nothing.
	Path, Query []byte
	HasQuery    bool
	Host        []byte // request: authority of an absolute-form target, else the Host field; checked
	Status      int    // response
	Minor       uint8  // 0 for HTTP/1.0, 1 for HTTP/1.1

	Fields []Field

	ContentLength int64 // -1: none given
	Chunked       bool
	Close         bool // the connection ends after this message (Connection: close, or HTTP/1.0 without keep-alive)
	Expect100     bool // request: Expect: 100-continue
	HasUpgrade    bool // an Upgrade field together with "upgrade" in Connection; never in HTTP/1.0

	has      uint64 // the set of IDs in Fields
	host     int    // where in Fields Host is
	seen     int    // bytes of an incomplete head that were looked at
	line     int    // where the first incomplete line of it begins
	inFields bool   // its start line is complete
	long     bool   // it is not, and ends in its target or reason
	inValue  bool   // the first incomplete line is a field's and has its colon
	at       int    // how far that line was checked
}

// Reset forgets everything but the array of Fields, so that h can read the head of another message or connection.
// It is needed only after a call that said "incomplete"; after a head or an error the parser begins anew by itself.
func (h *Head) Reset() {
	h.clear()
	h.seen = 0
}

// clear empties what a parse fills.
func (h *Head) clear() {
	*h = Head{Fields: h.Fields[:0], ContentLength: -1, seen: h.seen}
}

// Get returns the value of the first field with that ID: nil if there is none, empty but not nil if it is empty.
func (h *Head) Get(id ID) []byte {
	if h.has>>id&1 != 0 {
		for i := range h.Fields {
			if h.Fields[i].ID == id {
				return h.Fields[i].Value
			}
		}
	}
	return nil
}

// Lookup returns the value of the first field with that name, which is in lower case; nil if there is none.
func (h *Head) Lookup(name string) []byte {
	for i := range h.Fields {
		if equalFold(h.Fields[i].Name, name) {
			return h.Fields[i].Value
		}
	}
	return nil
}

// HopByHop tells whether field i must not be forwarded; see [Field.Hop].
func HopByHop(h *Head, i int) bool { return h.Fields[i].Hop }

// Limits bound a head.
type Limits struct {
	Head   int // bytes, start line and all fields with the final blank line [64 KiB]
	Fields int // [256]
}

// Error is why a message was refused. Status is what the client should be told (400, 414, 431, 501, 505); for a
// response it is 502. Reason is a short lower-case phrase that quotes nothing of the message.
type Error struct {
	Status int
	Reason string
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }
