//go:build linux

package netio

import (
	"io"
	"sync"
	_ "unsafe" // for go:linkname

	"github.com/cloudwego/netpoll"
)

// openPoll makes one netpoll poller. netpoll keeps its constructor to itself and shares one process-wide set of
// pollers, configured once and never stopped; a Loop wants its own, with the number it was asked for, that end with
// it. Everything else comes through netpoll's exported Poll and FDOperator. Should a later netpoll lose the name, the
// link fails, which is loud enough.
//
//go:linkname openPoll github.com/cloudwego/netpoll.openPoll
func openPoll() (netpoll.Poll, error)

// poller is one epoll loop and the buffers that its callbacks share. All callbacks of a connection that run on a
// poller run on the same one, one after the other.
type poller struct {
	netpoll.Poll
	in    []byte // what an event reads; lent to Data
	plain []byte // what TLS makes of it; lent to Data
}

// quiet stops netpoll's log, which is the process's: the one line that it can write for us, a failed detach, comes
// whenever an abort and the peer's hang-up meet, and means nothing.
var quiet = sync.OnceFunc(func() { netpoll.SetLoggerOutput(io.Discard) })

func newPoller() (*poller, error) {
	quiet()
	p, err := openPoll()
	if err != nil {
		return nil, err
	}
	return &poller{Poll: p, in: make([]byte, readSize), plain: make([]byte, plainSize)}, nil
}
