package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// scripted is an upstream under the test's full control: it records every byte that it is sent, and each path is
// answered by a script that writes raw bytes.
type scripted struct {
	net.Listener
	mu      sync.Mutex
	scripts map[string]script
	seen    map[string][]*seen // by path
	streams []*bytes.Buffer    // all bytes of every connection
	wg      sync.WaitGroup
}

// script answers one request on a connection. It returns false when the connection is to be closed.
type script func(c net.Conn, r *seen) bool

// seen is a request as it arrived.
type seen struct {
	*http.Request
	Head string // raw, with the blank line
	Body []byte // decoded
	Err  error  // of reading the body
}

// field returns the raw values of a field, in order.
func (s *seen) field(name string) []string {
	var list []string
	for line := range strings.SplitSeq(s.Head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			list = append(list, strings.TrimSpace(v))
		}
	}
	return list
}

func newScripted(t testing.TB) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{Listener: l, scripts: map[string]script{}, seen: map[string][]*seen{}}
	var mu sync.Mutex
	var open []net.Conn
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *scripted) url() string { return "http://" + s.Addr().String() }

// on sets the script of a path.
func (s *scripted) on(path string, f script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[path] = f
}

// requests returns what arrived at a path.
func (s *scripted) requests(path string) []*seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*seen(nil), s.seen[path]...)
}

// raw returns all bytes of all connections.
func (s *scripted) raw() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, b := range s.streams {
		list = append(list, b.String())
	}
	return list
}

// tap records what is read.
type tap struct {
	net.Conn
	s   *scripted
	all *bytes.Buffer
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.s.mu.Lock()
	if t.all.Len() < 1<<20 {
		t.all.Write(b[:n])
	}
	t.s.mu.Unlock()
	return n, err
}

func (s *scripted) serve(conn net.Conn) {
	defer conn.Close()
	t := &tap{Conn: conn, s: s, all: new(bytes.Buffer)}
	s.mu.Lock()
	s.streams = append(s.streams, t.all)
	s.mu.Unlock()
	br := bufio.NewReaderSize(t, 256<<10)
	for {
		// The head is taken as raw text first, so that nothing that net/http would forgive or change is missed.
		var head []byte
		for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			line, err := br.ReadSlice('\n')
			head = append(head, line...)
			if err != nil || len(head) > 1<<20 {
				return
			}
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			fmt.Fprintf(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return
		}
		one := &seen{Request: r, Head: string(head)}
		// The body is read from the connection's own reader, by the framing that the head says.
		if len(r.TransferEncoding) > 0 {
			one.Body, one.Err = one.chunked(br)
		} else if r.ContentLength > 0 {
			one.Body = make([]byte, r.ContentLength)
			var n int
			n, one.Err = io.ReadFull(br, one.Body)
			one.Body = one.Body[:n]
		}
		path := r.URL.EscapedPath()
		s.mu.Lock()
		s.seen[path] = append(s.seen[path], one)
		f := s.scripts[path]
		s.mu.Unlock()
		if one.Err != nil {
			return
		}
		if f == nil {
			f = ok
		}
		if !f(conn, one) {
			return
		}
	}
}

// chunked reads a chunked body with its trailers, from br alone.
func (s *seen) chunked(br *bufio.Reader) ([]byte, error) {
	var body []byte
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return body, err
		}
		var size int
		if _, err := fmt.Sscanf(line, "%x\r\n", &size); err != nil {
			return body, fmt.Errorf("chunk line %q: %w", line, err)
		}
		if size == 0 {
			break
		}
		n := len(body)
		body = append(body, make([]byte, size+2)...)
		if _, err := io.ReadFull(br, body[n:]); err != nil {
			return body, err
		}
		if string(body[n+size:]) != "\r\n" {
			return body, fmt.Errorf("chunk of %d bytes does not end in CRLF", size)
		}
		body = body[:n+size]
	}
	s.Request.Trailer = http.Header{}
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return body, err
		}
		if line == "\r\n" {
			return body, nil
		}
		name, value, _ := strings.Cut(line, ":")
		s.Request.Trailer.Add(name, strings.TrimSpace(value))
	}
}

// ok is the script of paths that have none.
func ok(c net.Conn, r *seen) bool {
	return answerWith("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(c, r)
}

// answerWith writes raw bytes, all at once. For HEAD it leaves the body out.
func answerWith(raw string) script {
	return func(c net.Conn, r *seen) bool {
		if r.Method == "HEAD" {
			raw := raw[:strings.Index(raw, "\r\n\r\n")+4]
			_, err := io.WriteString(c, raw)
			return err == nil
		}
		_, err := io.WriteString(c, raw)
		return err == nil
	}
}

// answerAndClose writes raw bytes and closes the connection.
func answerAndClose(raw string) script {
	return func(c net.Conn, r *seen) bool {
		io.WriteString(c, raw)
		return false
	}
}
