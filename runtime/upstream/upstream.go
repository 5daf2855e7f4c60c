// Package upstream carries requests to servers behind the gateway: upstreams of APIs and AI providers.
//
// A [Pool] is one server address. [Pool.Start] begins a [Call]; the answer is pushed to its [Receiver]. Two transports
// stand behind it: our own HTTP/1.1 codec over event-driven connections for clear text (the hot path; nothing blocks,
// a connection that died in the pool is known at once), and [net/http.Transport] for TLS and HTTP/2.
//
// Locking: a Call belongs to an exchange and uses its mutex. It is held by the caller during Start and every method
// of the Call, and by this package during every call to the Receiver. A Call is not pooled, so an event that comes
// late finds a Call that is over instead of somebody else's.
//
// Pools outlive snapshots: a [Registry] keeps them by address, so that a reload drops no warm connection.
package upstream

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/clock"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/runtime/netio"
)

// Lengths of request bodies that are not a number of bytes.
const (
	Chunked int64 = -1
	NoBody  int64 = -2
)

// Request is what is sent. Target is origin-form. Fields are complete lines with CRLF, without Host, framing and
// connection management. All of it must stay unchanged until the first event of the call or Cancel.
type Request struct {
	Method string
	Target []byte
	Host   string
	Fields []byte
	Length int64
	// Upgrade is the protocol that the connection shall change to: "websocket". It needs NoBody. Where the server
	// answers 101, the call is a tunnel from then on: what is written goes out as it is, and AnswerBody delivers what
	// comes, until either side closes. No timeouts hold any more. Any other answer is one as usual.
	Upgrade string
}

// Timeouts of one call; zero means none. Deadline is absolute.
type Timeouts struct {
	Connect, FirstByte, Idle time.Duration
	Deadline                 time.Time
}

// Class says in which way a call failed.
type Class uint8

const (
	// Connect: no connection could be made. Nothing was sent.
	Connect Class = iota + 1
	// Timeout: the server was too slow: connecting, its first byte, between bytes, or in all.
	Timeout
	// Protocol: the answer is not HTTP as we accept it.
	Protocol
	// Reset: the connection ended before the answer was complete.
	Reset
	// Overflow: the server did not take the request's body and our bound was reached.
	Overflow
)

// String returns the word that records and metrics use.
func (c Class) String() string {
	switch c {
	case Connect:
		return "connect"
	case Timeout:
		return "timeout"
	case Protocol, Reset:
		return "protocol"
	case Overflow:
		return "overflow"
	}
	return ""
}

// Failure is why a call failed. Reused tells that the connection had served other calls: a Reset before the first
// answer byte may then only mean that the server had just closed it. Unsent tells that no byte of the request had been
// given to the connection: the server cannot have done anything.
type Failure struct {
	Class  Class
	Err    error
	Reused bool
	Unsent bool
}

// Error returns the class and the cause.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Class.String()
	}
	return f.Class.String() + ": " + f.Err.Error()
}

// Receiver gets the answer of a call. All calls are made with the exchange's mutex held; none may block. What it is
// given is valid during the call.
type Receiver interface {
	// Interim delivers a 1xx head other than 100 and 101.
	Interim(h *http1.Head)
	// AnswerHead delivers the final answer's head. length is the body's: a number of bytes, or -1 for not known. It is
	// never 101 but for a Request with Upgrade.
	AnswerHead(h *http1.Head, length int64)
	// AnswerBody delivers a piece of the answer's body.
	AnswerBody(b []byte)
	// AnswerFlush ends a batch of events: everything that has arrived was delivered. It does not follow the last event.
	AnswerFlush()
	// AnswerEnd says that the answer is complete. It is the last event.
	AnswerEnd(trailers []http1.Field)
	// AnswerFail is the last event of a call that did not complete.
	AnswerFail(f *Failure)
	// RequestDrained says that request bytes that had to wait have been written out.
	RequestDrained()
}

// carrier is what a transport does for a Call. The exchange's mutex is held.
type carrier interface {
	write(b []byte)
	end(trailers []http1.Field)
	flush()
	cancel()
	close()
	queued() int
	pause()
	resume()
}

// Call is one request on its way. Its methods are called with the exchange's mutex held, and do nothing once the call
// is over.
type Call struct {
	mu *sync.Mutex
	r  Receiver // nil once over
	t  carrier
}

// Write sends body bytes; b is not kept.
func (c *Call) Write(b []byte) {
	if c.r != nil {
		c.t.write(b)
	}
}

// End says that the request is complete, and flushes.
func (c *Call) End(trailers []http1.Field) {
	if c.r != nil {
		c.t.end(trailers)
	}
}

// Flush sends what has been collected.
func (c *Call) Flush() {
	if c.r != nil {
		c.t.flush()
	}
}

// Cancel ends the call at once; no event follows.
func (c *Call) Cancel() {
	if c.r != nil {
		if s, ok := c.r.(*staged); ok {
			s.line.Over()
		}
		c.r = nil
		c.t.cancel()
	}
}

// Close ends a call that is a tunnel: what was written is still sent, then the connection is closed. No event follows.
func (c *Call) Close() {
	if c.r != nil {
		if s, ok := c.r.(*staged); ok {
			s.line.Over()
		}
		c.r = nil
		c.t.close()
	}
}

// Queued is the number of request bytes that the server has not taken yet.
func (c *Call) Queued() int {
	if c.r == nil {
		return 0
	}
	return c.t.queued()
}

// Pause stops the answer; at most what is already read still comes. Resume lets it go on.
func (c *Call) Pause() {
	if c.r != nil {
		c.t.pause()
	}
}

// Resume undoes Pause.
func (c *Call) Resume() {
	if c.r != nil {
		c.t.resume()
	}
}

// unlock ends an event of a call. It is deferred, and contains a panic of the receiver: where the call is not over, it
// fails, and everybody else goes on. broken, if not nil, ends what carries the call.
func (p *Pool) unlock(c *Call, broken func()) {
	if v := recover(); v != nil {
		p.reg.panicked(v, debug.Stack())
		p.broken(c, broken)
	}
	c.mu.Unlock()
}

func (p *Pool) broken(c *Call, broken func()) {
	defer func() { _ = recover() }() // a receiver that is broken may break again
	if broken != nil {
		broken()
	}
	c.fail(&Failure{Class: Protocol})
}

func (c *Call) fail(f *Failure) {
	if r := c.r; r != nil {
		c.r = nil
		r.AnswerFail(f)
	}
}

// Stats of a pool.
type Stats struct {
	Open, Idle int
	Healthy    bool
}

// Pool is one server: scheme, host and port, with its connections and its health.
type Pool struct {
	reg    *Registry
	scheme string
	owner  string // on a stage: who is played
	addr   string // host:port to dial
	host   string // Host field: without the scheme's default port
	rt     *http.Transport

	mu      sync.Mutex
	free    []*plainConn
	open    int
	retired bool

	fails     atomic.Int32
	downUntil atomic.Int64 // Unix nanoseconds
}

// Host is the value of the Host field for this server.
func (p *Pool) Host() string { return p.host }

// Addr is host:port.
func (p *Pool) Addr() string { return p.addr }

// Down reports whether connecting has just failed: another endpoint should be tried first. A server that does not
// answer connects is left alone for 1 s, doubling up to 30 s; the first connection that stands clears it. Answers,
// whatever their status, never take a server out.
func (p *Pool) Down(now time.Time) bool { return p.downUntil.Load() > now.UnixNano() }

func (p *Pool) connected(ok bool) {
	if ok {
		if p.fails.Load() != 0 {
			p.fails.Store(0)
			p.downUntil.Store(0)
		}
		return
	}
	n := min(p.fails.Add(1)-1, 5)
	p.downUntil.Store(p.reg.clock.Now().Add(min(time.Second<<n, 30*time.Second)).UnixNano())
}

// Stats returns the pool's figures.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{Open: p.open, Idle: len(p.free), Healthy: p.downUntil.Load() <= p.reg.clock.Now().UnixNano()}
}

// Start begins a call. mu is the exchange's mutex, which the caller holds. No event comes before Start has returned.
func (p *Pool) Start(mu *sync.Mutex, r Receiver, q *Request, t Timeouts) *Call {
	if p.reg.stage != nil {
		r = &staged{Receiver: r, line: p.reg.stage.Call(p.owner, p.addr)}
	}
	c := &Call{mu: mu, r: r}
	if p.rt != nil {
		startStd(p, c, q, t)
	} else {
		startPlain(p, c, q, t)
	}
	return c
}

// Registry keeps the pools of a process by server.
type Registry struct {
	loop  *netio.Loop
	tls   *tls.Config
	clock *clock.Clock
	stage Stage // nil: the network

	panicked func(v any, stack []byte)

	mu    sync.Mutex
	pools map[string]*Pool
}

// NewRegistry makes a registry. Connections to clear-text servers run on the loop; tc (nil for the system's roots)
// is used for the others. panicked is told of panics of receivers, which cost their call and not the process.
func NewRegistry(loop *netio.Loop, tc *tls.Config, panicked func(v any, stack []byte)) *Registry {
	return &Registry{loop: loop, tls: tc, panicked: panicked, pools: map[string]*Pool{}}
}

// Get returns the pool of a server, given as a URL of which scheme, host and port count.
func (g *Registry) Get(u *url.URL) *Pool { return g.GetFor("", u) }

// GetFor is Get for somebody who calls the server by a name of his own. On the network all share the pool of a server;
// on a [Stage] each name has its own, and is who is played.
func (g *Registry) GetFor(owner string, u *url.URL) *Pool {
	if g.stage == nil {
		owner = ""
	}
	host := strings.ToLower(u.Hostname())
	port := u.Port()
	standard := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if port == "" {
		port = standard
	}
	addr := net.JoinHostPort(host, port)
	key := owner + u.Scheme + "://" + addr
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.pools[key]; p != nil {
		p.mu.Lock()
		p.retired = false
		p.mu.Unlock()
		return p
	}
	p := &Pool{reg: g, scheme: u.Scheme, owner: owner, addr: addr, host: addr}
	if port == standard {
		p.host = host
		if strings.Contains(host, ":") {
			p.host = "[" + host + "]"
		}
	}
	if u.Scheme == "https" && g.stage == nil {
		p.rt = newTransport(g.tls)
	}
	g.pools[key] = p
	return p
}

// Retain retires the pools that are not in keep: their idle connections are closed, their calls in flight finish.
func (g *Registry) Retain(keep map[*Pool]bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, p := range g.pools {
		if !keep[p] {
			delete(g.pools, k)
			p.retire()
		}
	}
}

// Close closes all idle connections. Calls must be over.
func (g *Registry) Close() { g.Retain(nil) }

func (p *Pool) retire() {
	p.mu.Lock()
	free := p.free
	p.free = nil
	p.retired = true
	p.mu.Unlock()
	for _, u := range free {
		u.nc.Close()
	}
	if p.rt != nil {
		p.rt.CloseIdleConnections()
	}
}
