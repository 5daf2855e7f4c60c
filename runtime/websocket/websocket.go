// Package websocket knows RFC 6455 as a gateway must: it judges the handshakes of both sides, and reads frames while
// their bytes pass from one side to the other. It does no I/O, keeps no goroutine and allocates nothing per frame.
//
// What enters a [Reader] is what one peer sent, in pieces of any size; what leaves are the bytes to pass on, which are
// the peer's own: masks, fragments and lengths stay as they are. The invariant is that nothing is passed on that was
// not judged: a frame's head is held until it is complete, and a control frame as a whole (at most 131 bytes), so that a
// faulty frame never reaches the other side, not even its first byte. Payloads of data frames pass as they come, and
// are never collected.
//
// Two consequences. A tunnel's memory does not depend on what is sent through it. And between two frames, which is
// where [Reader.Boundary] says so, the gateway may add a frame of its own: a Close when it has to end the tunnel, a Ping
// when a peer has been silent.
//
// Extensions are refused: the gateway offers none and accepts none, so a frame with one of the bits RSV1 to RSV3 is a
// fault. With permessage-deflate between the peers, nobody could read usage aside without undoing it, at some 300 KB of
// state per tunnel. Text is not checked to be UTF-8: that is between the peers, who must do it anyway.
//
// A library of the field was refused because they all own the connection: they read into messages, answer Pings by
// themselves, and block. The conformance suite holds this reader against one of them.
package websocket
