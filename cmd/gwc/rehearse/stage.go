package rehearse

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gwc-dev/gwc/cmd/gwc/mock"
	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/runtime/upstream"
)

const (
	maxCall   = 64 << 20               // body of a request that a server reads
	trickle   = 100 * time.Millisecond // between two pieces of a body that never ends
	trickleOf = 16 << 10               // bytes
)

// stage plays the servers of one test.
type stage struct {
	time  *conductor
	kinds map[string]string // of providers

	panicked func(v any, stack []byte)

	wg sync.WaitGroup // servers

	mu      sync.Mutex
	scripts map[string]*follower // by "provider/openai", "upstream/pets"
	calls   []any                // of the exchange in flight
	lines   map[*line]struct{}   // with a server that runs
	serial  uint16
	closed  bool
}

// follower is where a server stands in its script.
type follower struct {
	answers []script.Answer
	next    int
}

func newStage(t *conductor, kinds map[string]string, panicked func(v any, stack []byte)) *stage {
	return &stage{time: t, kinds: kinds, panicked: panicked, scripts: map[string]*follower{}, lines: map[*line]struct{}{}}
}

// follow gives servers the scripts of a step.
func (s *stage) follow(step *script.Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sc := range step.Providers {
		s.scripts["provider/"+sc.Name] = &follower{answers: sc.Answers}
	}
	for _, sc := range step.Upstreams {
		s.scripts["upstream/"+sc.Name] = &follower{answers: sc.Answers}
	}
}

// took returns the calls since the last time, and forgets them.
func (s *stage) took() []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.calls
	s.calls = nil
	if list == nil {
		list = []any{}
	}
	return list
}

// Call implements [upstream.Stage].
func (s *stage) Call(owner, addr string) upstream.Line {
	l := &line{stage: s, owner: owner, addr: addr, woken: make(chan struct{}, 1), gone: make(chan struct{})}
	s.mu.Lock()
	s.serial++
	l.remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), s.serial)
	l.answer = script.Answer{Status: 200, Cut: -1}
	if f := s.scripts[owner]; f != nil && len(f.answers) > 0 {
		l.answer = f.answers[min(f.next, len(f.answers)-1)]
		f.next++
	}
	what := map[string]any{"endpoint": addr}
	kind, name, _ := strings.Cut(owner, "/")
	what[kind] = name
	l.call = what
	s.calls = append(s.calls, what)
	s.mu.Unlock()
	s.time.mu.Lock()
	s.time.lines[l] = struct{}{}
	s.time.mu.Unlock()
	return l
}

// close ends all servers and waits for them.
func (s *stage) close() {
	s.mu.Lock()
	s.closed = true
	for l := range s.lines {
		l.end()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// line is one call to a server, and the server's side of it.
type line struct {
	stage  *stage
	owner  string
	addr   string
	remote netip.AddrPort
	answer script.Answer
	call   map[string]any // what it is told of the call; stage.mu

	woken chan struct{}
	gone  chan struct{} // closed when the call is over
	once  sync.Once
	conn  net.Conn

	// conductor.mu
	asleep    bool
	never     bool
	until     time.Time
	written   int
	delivered int
}

// Over implements [upstream.Line].
func (l *line) Over() { l.end() }

func (l *line) end() {
	l.once.Do(func() {
		t := l.stage.time
		t.mu.Lock()
		delete(t.lines, l)
		t.mu.Unlock()
		close(l.gone)
		t.look()
	})
}

// Delivered implements [upstream.Line].
func (l *line) Delivered(n int) {
	t := l.stage.time
	t.mu.Lock()
	l.delivered += n
	t.mu.Unlock()
	t.look()
}

// sleep waits in the test's time; for ever where d is negative. It is false when the call is over.
func (l *line) sleep(d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := l.stage.time
	t.mu.Lock()
	l.asleep, l.never, l.until = true, d < 0, t.now.Add(d)
	t.mu.Unlock()
	t.look()
	select {
	case <-l.woken:
		return true
	case <-l.gone:
		return false
	}
}

// timeout is the error of a connect that took too long.
type timeout struct{}

func (timeout) Error() string { return "connect: timed out" }
func (timeout) Timeout() bool { return true }

// Dial implements [upstream.Line].
func (l *line) Dial(ctx context.Context, d time.Duration) (int, netip.AddrPort, error) {
	switch l.answer.Fault {
	case "refuse":
		return 0, l.remote, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case "unreachable":
		if d <= 0 {
			d = -1
		}
		if !l.sleep(d) {
			return 0, l.remote, context.Canceled
		}
		return 0, l.remote, &net.OpError{Op: "dial", Net: "tcp", Err: timeout{}}
	}
	fd, conn, err := pair()
	if err != nil {
		return 0, l.remote, err
	}
	s := l.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		_ = unix.Close(fd)
		return 0, l.remote, context.Canceled
	}
	l.conn = conn
	s.lines[l] = struct{}{}
	s.wg.Go(l.serve)
	return fd, l.remote, nil
}

// pair makes a pair of connected stream sockets: a descriptor for the runtime's loop, and a connection.
func pair() (int, net.Conn, error) {
	// Not every system can set the flags in the call itself; no process may be forked in between.
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = unix.SetNonblock(fds[0], true)
	}
	if err != nil {
		return 0, nil, os.NewSyscallError("socketpair", err)
	}
	f := os.NewFile(uintptr(fds[1]), "server")
	defer f.Close() // FileConn has a duplicate
	conn, err := net.FileConn(f)
	if err != nil {
		_ = unix.Close(fds[0])
		return 0, nil, err
	}
	return fds[0], conn, nil
}

// serve reads one request and plays the answer.
func (l *line) serve() {
	s := l.stage
	stop := make(chan struct{})
	defer func() {
		if v := recover(); v != nil {
			s.panicked(v, debug.Stack())
		}
		close(stop)
		l.conn.Close()
		s.mu.Lock()
		delete(s.lines, l)
		s.mu.Unlock()
	}()
	s.wg.Go(func() { // a read or write that waits ends with the call
		select {
		case <-l.gone:
			_ = l.conn.SetDeadline(time.Unix(1, 0))
		case <-stop:
		}
	})
	req, err := http.ReadRequest(bufio.NewReader(l.conn))
	if err != nil {
		return
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxCall))
	if err != nil {
		return
	}
	s.mu.Lock()
	l.describe(req, body)
	s.mu.Unlock()
	switch l.answer.Fault {
	case "silence":
		l.sleep(-1)
		return
	case "close":
		return
	}
	if !l.sleep(l.answer.Delay) {
		return
	}
	if l.answer.Fault == "garbage" {
		l.write([]byte("\x00\x01 this is not HTTP\r\n\r\n"))
		return
	}
	l.play(req, body)
}

// describe notes what the server got. The caller holds stage.mu.
func (l *line) describe(req *http.Request, body []byte) {
	path, query, _ := strings.Cut(req.RequestURI, "?")
	l.call["method"], l.call["path"], l.call["query"], l.call["host"] = req.Method, path, query, req.Host
	l.call["headers"] = headerMap(req.Header)
	l.call["body"] = string(body)
	if v, ok := script.Decode(body); ok {
		l.call["json"] = v
	}
}

// headerMap gives headers the form that patterns see.
func headerMap(h http.Header) map[string]any {
	m := map[string]any{}
	for name, values := range h {
		m[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return m
}

// write sends bytes and counts them.
func (l *line) write(b []byte) bool {
	n, err := l.conn.Write(b)
	t := l.stage.time
	t.mu.Lock()
	l.written += n
	t.mu.Unlock()
	return err == nil
}

// play sends the answer.
func (l *line) play(req *http.Request, body []byte) {
	a := &l.answer
	status, header, content := a.Status, http.Header{}, a.Body
	var pieces []piece
	switch {
	case a.Stream:
		header.Set("Content-Type", "text/event-stream")
		for _, e := range a.Events {
			pieces = append(pieces, piece{e.Delay, e.Wire})
		}
	case !a.HasBody && a.Fault != "endless":
		status, header, content = l.natural(req, body, status)
	case a.PlainJSON:
		header.Set("Content-Type", "application/json")
	}
	for _, h := range a.Headers {
		header.Set(h.Name, h.Value)
	}
	if pieces == nil && len(content) > 0 {
		size := len(content)
		if a.Pieces > 0 {
			size = a.Pieces
		}
		for c := range slices.Chunk(content, size) {
			pieces = append(pieces, piece{0, c})
		}
	}
	bodiless := req.Method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	length := len(content)
	chunked := a.Stream || a.Fault == "endless" || a.Pieces > 0
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.1 %03d %s\r\n", status, http.StatusText(status))
	header.Del("Content-Length")
	header.Del("Transfer-Encoding")
	header.Set("Connection", "close")
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified:
	case chunked && !bodiless:
		header.Set("Transfer-Encoding", "chunked")
	default:
		header.Set("Content-Length", strconv.Itoa(length))
	}
	for _, name := range slices.Sorted(maps.Keys(header)) {
		for _, v := range header[name] {
			head.WriteString(name + ": " + v + "\r\n")
		}
	}
	head.WriteString("\r\n")
	if !l.write([]byte(head.String())) || bodiless {
		return
	}
	sent := int64(0)
	send := func(b []byte) bool {
		cut := a.Cut >= 0 && sent+int64(len(b)) > a.Cut
		if cut {
			b = b[:a.Cut-sent]
		}
		sent += int64(len(b))
		if chunked && len(b) > 0 {
			b = fmt.Appendf(nil, "%x\r\n%s\r\n", len(b), b)
		}
		return (len(b) == 0 || l.write(b)) && !cut
	}
	for _, p := range pieces {
		if !l.sleep(p.delay) || !send(p.data) {
			return
		}
	}
	for a.Fault == "endless" {
		if !send([]byte(strings.Repeat(".", trickleOf))) || !l.sleep(trickle) {
			return
		}
	}
	if chunked && (a.Cut < 0 || sent < a.Cut) {
		l.write([]byte("0\r\n\r\n"))
	}
}

type piece struct {
	delay time.Duration
	data  []byte
}

// natural is what a server of this kind answers by itself: what `gwc mock` says for a provider, and {} otherwise.
func (l *line) natural(req *http.Request, body []byte, status int) (int, http.Header, []byte) {
	plain := http.Header{"Content-Type": {"application/json"}}
	name, provider := strings.CutPrefix(l.owner, "provider/")
	kind, path := "", ""
	if provider {
		kind, path = standIn(l.stage.kinds[name], req.URL.EscapedPath())
	}
	if path == "" || status != http.StatusOK && status < 400 {
		if status == http.StatusNoContent || status == http.StatusNotModified {
			return status, http.Header{}, nil
		}
		return status, plain, []byte("{}\n")
	}
	o := mock.Options{Provider: kind, Now: l.stage.time.time}
	if status >= 400 {
		o.Faults = []mock.Fault{{Kind: "status", Status: status}}
	}
	h, err := mock.New(o)
	if err != nil {
		return status, plain, []byte("{}\n")
	}
	r := req.Clone(context.Background())
	if !setPath(r.URL, path) {
		return status, plain, []byte("{}\n")
	}
	r.RequestURI = path
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if r.Header.Get("Authorization") == "" && r.Header.Get("X-Api-Key") == "" {
		// Servers that are called without credentials ask for none.
		r.Header.Set("Authorization", "Bearer none")
		r.Header.Set("X-Api-Key", "none")
	}
	if kind == mock.Bedrock {
		// In a rehearsal a key's id is its reference, in which a path may stand; the stand-in splits at each "/".
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=none/20260101/none/bedrock/aws4_request, SignedHeaders=host, Signature=none")
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(w, r)
	w.header.Del("Date")
	return w.status, w.header, w.body
}

// recorder is an [http.ResponseWriter] that keeps what is written.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

// Header implements [http.ResponseWriter].
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write implements [http.ResponseWriter].
func (w *recorder) Write(b []byte) (int, error) {
	w.body = append(w.body, b...)
	return len(b), nil
}

// Flush implements [http.Flusher].
func (w *recorder) Flush() {}

var (
	_ upstream.Stage = (*stage)(nil)
	_ upstream.Line  = (*line)(nil)
)
