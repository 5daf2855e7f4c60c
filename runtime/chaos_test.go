package runtime

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
	"go.uber.org/goleak"
)

// part is what an upstream does with one request, and so what its client must see. Both derive it from the request's
// number, so that neither has to tell the other.
type part struct {
	kind    string
	status  int
	body    []byte
	trailer string
	interim bool
	slow    bool // the upstream reads and writes in small pieces with pauses
	last    bool // the upstream closes its connection after the answer
}

// parts are the kinds of answers with how often each is played. The first group is complete, the others end badly.
var parts = []struct {
	kind string
	n    int
}{
	{"length", 30}, {"chunked", 25}, {"until close", 6}, {"no content", 5}, {"not modified", 4}, {"early", 6},
	{"cut body", 5}, {"cut chunks", 4}, {"reset body", 4}, {"nothing", 4}, {"garbage", 4}, {"bad chunk", 3}, {"two lengths", 2}, {"split", 3}, {"silence", 1},
}

func play(id uint64) (p part) {
	r := rand.New(rand.NewPCG(id, 7))
	total := 0
	for _, k := range parts {
		total += k.n
	}
	at := r.IntN(total)
	for _, k := range parts {
		if at -= k.n; at < 0 {
			p.kind = k.kind
			break
		}
	}
	p.status = []int{200, 200, 201, 404, 500}[r.IntN(5)]
	p.body = make([]byte, []int{0, 1, 100, 5000, 70_000, 300_000}[r.IntN(6)])
	for i := range p.body {
		p.body[i] = 'a' + byte(r.IntN(26))
	}
	p.interim, p.slow, p.last = r.IntN(6) == 0, r.IntN(8) == 0, r.IntN(8) == 0
	if p.slow {
		p.body = p.body[:min(len(p.body), 5000)]
	}
	switch p.kind {
	case "chunked":
		if r.IntN(2) == 0 {
			p.trailer = strconv.FormatUint(id, 36)
		}
	case "no content":
		p.status, p.body = 204, nil
	case "not modified":
		p.status, p.body = 304, nil
	case "early":
		p.status, p.last = 413, true
	case "cut body", "cut chunks", "reset body", "bad chunk":
		p.body = append(p.body, "xxxxxxxx"...)
	}
	return p
}

// ok tells whether the client gets the whole answer.
func (p *part) ok() bool {
	switch p.kind {
	case "length", "chunked", "until close", "no content", "not modified", "early":
		return true
	}
	return false
}

// cut tells whether the answer begins and then breaks off.
func (p *part) cut() bool {
	switch p.kind {
	case "cut body", "cut chunks", "reset body", "bad chunk":
		return true
	}
	return false
}

// stage is the upstream. It serves each connection until a part ends it.
func stage(t *testing.T) (url string, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	quit := make(chan struct{})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				done := make(chan struct{})
				defer close(done)
				wg.Go(func() {
					select {
					case <-quit:
						c.Close()
					case <-done:
					}
				})
				br := bufio.NewReader(c)
				for perform(t, c, br) {
				}
			})
		}
	})
	return "http://" + ln.Addr().String(), func() {
		ln.Close()
		close(quit)
		wg.Wait()
	}
}

func perform(t *testing.T, c net.Conn, br *bufio.Reader) bool {
	req, err := http.ReadRequest(br)
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the upstream got no request: %v", err)
		}
		return false
	}
	id, err := strconv.ParseUint(req.Header.Get("X-Number"), 10, 64)
	if err != nil {
		t.Errorf("the upstream got a request without a number: %v", req.Header)
		return false
	}
	p := play(id)
	sum := ""
	if p.kind != "early" {
		h := sha256.New()
		b := make([]byte, 8<<10)
		for {
			n, err := req.Body.Read(b)
			h.Write(b[:n])
			if p.slow && n > 0 && id%3 == 0 {
				time.Sleep(200 * time.Microsecond)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return false // the client went away
			}
		}
		sum = hex.EncodeToString(h.Sum(nil))
	}
	w := &pieces{c: c, slow: p.slow}
	if p.interim {
		fmt.Fprint(w, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
	}
	head := fmt.Sprintf("HTTP/1.1 %d Whatever\r\nX-Number: %d\r\nX-Sum: %s\r\nx-gwc-provider: forged\r\n", p.status, id, sum)
	if p.last {
		head += "Connection: close\r\n"
	}
	body := p.body
	if req.Method == http.MethodHead {
		body = nil
	}
	switch p.kind {
	case "length", "early":
		fmt.Fprintf(w, "%sContent-Length: %d\r\n\r\n%s", head, len(p.body), body)
	case "chunked":
		fmt.Fprintf(w, "%sTransfer-Encoding: chunked\r\n\r\n", head)
		if req.Method != http.MethodHead {
			for len(body) > 0 {
				n := min(len(body), 1+int(id%7000))
				fmt.Fprintf(w, "%x\r\n%s\r\n", n, body[:n])
				body = body[n:]
			}
			io.WriteString(w, "0\r\n")
			if p.trailer != "" {
				fmt.Fprintf(w, "X-Check: %s\r\n", p.trailer)
			}
			io.WriteString(w, "\r\n")
		}
	case "until close":
		if req.Method == http.MethodHead && !p.last { // what ends with the connection for GET ends with its head here
			head += "Connection: close\r\n"
		}
		fmt.Fprintf(w, "%s\r\n%s", head, body)
		return false
	case "no content", "not modified":
		fmt.Fprintf(w, "%s\r\n", head)
	case "cut body":
		fmt.Fprintf(w, "%sContent-Length: %d\r\n\r\n%s", head, len(p.body), p.body[:len(p.body)-3])
		return false
	case "reset body":
		fmt.Fprintf(w, "%sContent-Length: %d\r\n\r\n%s", head, len(p.body), p.body[:len(p.body)-3])
		c.(*net.TCPConn).SetLinger(0)
		return false
	case "cut chunks":
		fmt.Fprintf(w, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", head, len(p.body), p.body)
		return false
	case "bad chunk":
		fmt.Fprintf(w, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%sno end", head, len(p.body), p.body)
		return false
	case "nothing":
		return false
	case "garbage":
		io.WriteString(w, "220 smtp.example ESMTP\r\n")
		return false
	case "two lengths":
		fmt.Fprintf(w, "%sContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", head)
		return false
	case "split":
		fmt.Fprintf(w, "%sX-A: 1\rSet-Cookie: forged\r\nContent-Length: 0\r\n\r\n", head)
		return false
	case "silence":
		io.Copy(io.Discard, br)
		return false
	}
	if p.kind == "early" { // as good servers do: let the client read the answer before the connection is reset
		c.(*net.TCPConn).CloseWrite()
		c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		io.Copy(io.Discard, br)
		return false
	}
	return !p.last
}

// pieces writes in pieces with pauses where slow is set.
type pieces struct {
	c    net.Conn
	slow bool
}

func (p *pieces) Write(b []byte) (int, error) {
	if !p.slow {
		return p.c.Write(b)
	}
	total := 0
	for len(b) > 0 {
		n, err := p.c.Write(b[:min(len(b), 700)])
		total += n
		b = b[n:]
		if err != nil {
			return total, err
		}
		time.Sleep(200 * time.Microsecond)
	}
	return total, nil
}

// asked is one request of a client.
type asked struct {
	id     uint64
	method string
	path   string
	body   []byte
	chunks bool
	local  int // status of an answer that gwc gives by itself
}

func ask(r *rand.Rand, id uint64) asked {
	a := asked{id: id, method: "GET", path: "/pets/v1/pets/1"}
	switch r.IntN(10) {
	case 0:
		a.path, a.local = "/nowhere", 404
	case 1:
		a.path, a.local, a.method = "/pets/v1/pets", 405, "DELETE"
	case 2:
		a.method = "HEAD"
	case 3, 4, 5, 6:
		a.method, a.path = "POST", "/pets/v1/pets"
		a.body = bytes.Repeat([]byte(strconv.FormatUint(id, 10)+"."), r.IntN([]int{1, 20, 2000, 60_000}[r.IntN(4)]+1))
		a.chunks = r.IntN(2) == 0
	}
	return a
}

func (a *asked) wire() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: chaos\r\nx-api-key: %s\r\nX-Number: %d\r\nx-gwc-model: forged\r\nx-request-id: n%d\r\n", a.method, a.path, testKey, a.id, a.id)
	switch {
	case a.method != "POST":
		b.WriteString("\r\n")
	case a.chunks:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for rest := a.body; len(rest) > 0; {
			n := min(len(rest), 1+int(a.id%9000))
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		b.WriteString("0\r\nX-Mine: 1\r\n\r\n")
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(a.body), a.body)
	}
	return b.Bytes()
}

// judge compares an answer that was read (err == nil: to its end) with the part that was played.
func (a *asked) judge(resp *http.Response, body []byte, err error) error {
	p := play(a.id)
	if a.local != 0 {
		if err != nil || resp.StatusCode != a.local {
			return fmt.Errorf("gwc's own answer: %v %v", resp, err)
		}
		return nil
	}
	if resp == nil {
		if p.cut() || p.kind == "early" { // reset before its head was read
			return nil
		}
		return err
	}
	if resp.Header.Get("X-Gwc-Provider") == "forged" || resp.Header.Get("Set-Cookie") != "" {
		return fmt.Errorf("forged fields: %v", resp.Header)
	}
	if got := resp.Header.Get("X-Request-Id"); got != fmt.Sprintf("n%d", a.id) {
		return fmt.Errorf("this is the answer to %s", got)
	}
	if resp.StatusCode == 502 || resp.StatusCode == 504 {
		if err != nil || p.ok() && p.kind != "early" || resp.StatusCode == 504 != (p.kind == "silence") {
			return fmt.Errorf("%d %s %v", resp.StatusCode, body, err)
		}
		return nil
	}
	if got := resp.Header.Get("X-Number"); got != strconv.FormatUint(a.id, 10) || resp.StatusCode != p.status {
		return fmt.Errorf("status %d and number %s, want %d", resp.StatusCode, got, p.status)
	}
	if a.method == "HEAD" {
		if err != nil || len(body) != 0 {
			return fmt.Errorf("%d bytes in an answer to HEAD, %v", len(body), err)
		}
		return nil
	}
	if p.cut() {
		if err == nil {
			return errors.New("an answer that broke off looks complete")
		}
		if !bytes.HasPrefix(p.body, body) {
			return errors.New("the bytes before the cut are not those of the upstream")
		}
		return nil
	}
	if !p.ok() {
		return fmt.Errorf("an answer that cannot be used was passed on: %d %v", resp.StatusCode, err)
	}
	if err != nil {
		if p.kind == "early" {
			return nil
		}
		return err
	}
	if !bytes.Equal(body, p.body) {
		return fmt.Errorf("%d bytes that are not the upstream's %d", len(body), len(p.body))
	}
	if want := sha256.Sum256(a.body); p.kind != "early" && resp.Header.Get("X-Sum") != hex.EncodeToString(want[:]) {
		return errors.New("the upstream got another body")
	}
	if got := resp.Trailer.Get("X-Check"); got != p.trailer {
		return fmt.Errorf("trailer %q, want %q", got, p.trailer)
	}
	return nil
}

// ledger notes what clients have seen, to compare with the records.
type ledger struct {
	mu   sync.Mutex
	seen map[string]int // request id → status of a complete answer
}

// rawClient plays rounds of pipelined, slow and aborted requests over connections of its own.
func rawClient(t *testing.T, addr string, seed, first uint64, rounds int, l *ledger) {
	r := rand.New(rand.NewPCG(seed, first))
	for id := first; rounds > 0; rounds-- {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		c.SetDeadline(time.Now().Add(20 * time.Second))
		var batch []asked
		var wire []byte
		for range 1 + r.IntN(6) {
			a := ask(r, id)
			id++
			batch = append(batch, a)
			wire = append(wire, a.wire()...)
		}
		abort := -1
		if r.IntN(4) == 0 {
			abort = r.IntN(len(wire))
		}
		slow := len(wire) < 20_000 && r.IntN(4) == 0
		var wg sync.WaitGroup
		wg.Go(func() { // an answer may come before the request is complete
			b := wire
			if abort >= 0 {
				b = b[:abort]
			}
			(&pieces{c: c, slow: slow}).Write(b)
			if abort >= 0 {
				if seed%2 == 0 {
					c.(*net.TCPConn).SetLinger(0)
				}
				c.Close()
			}
		})
		br := bufio.NewReader(c)
		dropped := false
		for i := range batch {
			a := &batch[i]
			resp, body, err := readAnswer(br, a.method, slow)
			if abort >= 0 && err != nil {
				break // its own doing
			}
			if resp == nil && dropped {
				break // the rest of a body was more than is dropped to keep a connection
			}
			dropped = dropped || a.chunks && play(a.id).kind == "early"
			if e := a.judge(resp, body, err); e != nil {
				var batched []string
				for _, a := range batch {
					batched = append(batched, fmt.Sprintf("%s %s %q %d chunked=%v", a.method, a.path, play(a.id).kind, len(a.body), a.chunks))
				}
				t.Errorf("request %d, %d of %q: %v", a.id, i+1, batched, e)
			}
			if err != nil {
				break
			}
			l.mu.Lock()
			l.seen[fmt.Sprintf("n%d", a.id)] = resp.StatusCode
			l.mu.Unlock()
			if resp.Close {
				break
			}
		}
		c.Close()
		wg.Wait()
	}
}

func readAnswer(br *bufio.Reader, method string, slow bool) (*http.Response, []byte, error) {
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return nil, nil, err
		}
		if resp.StatusCode < 200 {
			continue
		}
		defer resp.Body.Close()
		var body []byte
		b := make([]byte, 4<<10)
		for {
			n, err := resp.Body.Read(b)
			body = append(body, b[:n]...)
			if err == io.EOF {
				return resp, body, nil
			}
			if err != nil {
				return resp, body, err
			}
			if slow {
				time.Sleep(50 * time.Microsecond)
			}
		}
	}
}

// h2Client does the same over HTTP/2, with several requests at a time on one connection.
func h2Client(t *testing.T, base string, seed, first uint64, rounds int, l *ledger) {
	r := rand.New(rand.NewPCG(seed, first))
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: &p}
	defer tr.CloseIdleConnections()
	for id := first; rounds > 0; rounds-- {
		var wg sync.WaitGroup
		for range 1 + r.IntN(6) {
			a := ask(r, id)
			id++
			abort := time.Duration(0)
			if r.IntN(4) == 0 {
				abort = time.Duration(1+r.IntN(5000)) * time.Microsecond
			}
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				if abort > 0 {
					ctx, cancel = context.WithTimeout(ctx, abort)
					defer cancel()
				}
				var body io.Reader
				if a.method == "POST" {
					body = bytes.NewReader(a.body)
					if a.chunks {
						body = io.MultiReader(body)
					}
				}
				req, err := http.NewRequestWithContext(ctx, a.method, base+a.path, body)
				if err != nil {
					t.Error(err)
					return
				}
				req.Header = http.Header{"X-Api-Key": {testKey}, "X-Number": {strconv.FormatUint(a.id, 10)}, "X-Request-Id": {fmt.Sprintf("n%d", a.id)}, "X-Gwc-Model": {"forged"}}
				resp, err := tr.RoundTrip(req)
				var got []byte
				if err == nil {
					got, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if abort > 0 && err != nil {
					return
				}
				if e := a.judge(resp, got, err); e != nil {
					t.Errorf("request %d (%s %s, %q, %d bytes): %v", a.id, a.method, a.path, play(a.id).kind, len(a.body), e)
				}
				if err == nil {
					l.mu.Lock()
					l.seen[fmt.Sprintf("n%d", a.id)] = resp.StatusCode
					l.mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("skipped: no /proc")
	}
	return len(l)
}

// inflight reads the gauge that /snapshot shows.
func (g *running) inflight(t *testing.T) int {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Get(g.admin + "/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var s struct{ Inflight int }
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s.Inflight
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never: " + what)
}

// Random clients against a random upstream: whatever a client reads to its end is what the upstream said to that very
// request, what broke off looks broken, every exchange leaves one record, and nothing is left over.
func TestChaos(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("GWC_CHAOS_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	rounds := 16
	if s := os.Getenv("GWC_CHAOS_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	for _, mode := range []struct {
		name   string
		engine string
		async  bool
		h2     bool
	}{{name: "direct"}, {name: "async", async: true}, {name: "std", engine: "std"}, {name: "h2", h2: true}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Logf("GWC_CHAOS_SEED=%d", seed)
			http.DefaultClient.CloseIdleConnections()
			before := descriptors(t)
			leaks := goleak.IgnoreCurrent()
			up, stop := stage(t)
			g := run(t, repo{upstream: up, calls: "calls", engine: mode.engine, timeouts: artifact.Timeouts{Connect: 2 * time.Second, FirstByte: 3 * time.Second, Idle: 5 * time.Second}}, Options{Async: mode.async})
			l := &ledger{seen: map[string]int{}}
			var wg sync.WaitGroup
			for i := range uint64(8) {
				wg.Go(func() {
					first := seed%1_000_000_000*1_000_000 + i*100_000
					if mode.h2 {
						h2Client(t, g.url, seed, first, rounds/2, l)
					} else {
						rawClient(t, strings.TrimPrefix(g.url, "http://"), seed+i, first, rounds, l)
					}
				})
			}
			wg.Wait()
			until(t, "no exchange is in flight", func() bool { return g.inflight(t) == 0 })
			records := map[string]map[string]any{}
			for _, r := range g.records(t, "calls", len(l.seen)) {
				id := r["request_id"].(string)
				if records[id] != nil {
					t.Errorf("two records of %s: %v and %v", id, records[id], r)
				}
				records[id] = r
			}
			if err := g.stop(); err != nil { // also flushes the log
				t.Error(err)
			}
			for _, r := range g.records(t, "calls", len(l.seen)) {
				records[r["request_id"].(string)] = r
			}
			for id, status := range l.seen {
				if r := records[id]; r == nil || r["status"] != float64(status) {
					t.Errorf("%s was answered with %d, its record is %v", id, status, r)
				}
			}
			t.Logf("%d answers read to the end, %d records", len(l.seen), len(records))
			if s := g.log.String(); strings.Contains(s, "panic") {
				t.Error(s)
			}
			stop()
			goleak.VerifyNone(t, leaks)
			until(t, "the descriptors are closed", func() bool { return descriptors(t) <= before })
		})
	}
}
