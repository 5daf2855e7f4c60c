// Package http1 is gwc's strict HTTP/1.1 codec: it parses heads and bodies out of bytes and writes heads and chunks
// into bytes. It does no I/O, keeps no goroutine and allocates nothing in steady state.
//
// It is strict on purpose (RFC 9112): whatever two parsers could read differently is refused, and what is forwarded
// is written anew from what was parsed, never copied unparsed.
package http1

// ID is a header field that gwc treats in some special way; Other is every other field. IDs make filtering a switch
// on a byte instead of a comparison of strings.
type ID uint8

// Field is one header or trailer field. Name and Value point into the parsed bytes; Value has no surrounding white
// space. Name keeps the sender's case.
type Field struct {
	Name, Value []byte
	ID          ID
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
	HasUpgrade    bool // an Upgrade field together with "upgrade" in Connection
}

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

// What this package provides (the implementation's files and comments say more):
//
//	func (h *Head) ParseRequest(b []byte, l Limits) (n int, err *Error)
//	      n > 0: the head took n bytes. n == 0 and err == nil: incomplete, call again with more.
//	      Cheap to call again on a growing b (it must not be quadratic: a scanned offset is kept in Head, reset by Reset).
//	func (h *Head) ParseResponse(b []byte, l Limits) (n int, err *Error)
//	func (h *Head) Get(id ID) []byte                     // first value with that ID, nil if absent
//	func (h *Head) Lookup(name string) []byte            // lower-case name; first value
//
//	type Body struct{…}                                  // value type, no pointers to the heap
//	func (x *Body) Request(h *Head)                      // framing by RFC 9112 §6.3 for a request
//	func (x *Body) Response(h *Head, toHEAD bool) *Error // for a response to method HEAD, 1xx, 204, 304, CL, chunked, until close
//	func (x *Body) Next(b []byte) (data []byte, n int, err *Error)
//	      consumes n bytes of b and yields at most one piece of payload (a subslice of b); call again with b[n:]
//	      until n == 0 or Done. Trailer fields are validated and kept (bounded) in x.
//	func (x *Body) Done() bool
//	func (x *Body) UntilClose() bool
//	func (x *Body) Length() int64                        // declared length; -1 chunked or until close
//	func (x *Body) Trailers() []Field                    // after Done; valid until the next use of x. Forbidden trailer names (framing, routing, auth) are dropped.
//
//	func AppendChunk(dst, data []byte) []byte            // "hex CRLF data CRLF"
//	func AppendChunkHeader(dst []byte, n int) []byte
//	func AppendLastChunk(dst []byte, trailers []Field) []byte
//	func AppendStatusLine(dst []byte, status int) []byte // with the standard reason phrase
//	func AppendField(dst []byte, name string, value []byte) []byte
//	func HopByHop(h *Head, i int) bool                   // field i must not be forwarded: the fixed set and whatever Connection lists
//	func NormalizePath(dst, raw []byte) (p []byte, err *Error)
//	      the one form of a path that is matched and forwarded: percent-encodings upper-cased, unreserved characters
//	      decoded (RFC 3986 §6.2.2), everything else left; refuses malformed %XX, NUL/CTL, "\" , dot segments also when
//	      encoded, non-ASCII raw bytes. Returns raw itself where it is already in that form (no copy).
