//go:build linux

package netio

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childMain is the other process of TestIdleConnectionsAreCheap: it opens connections, uses each once, and keeps them
// until its standard input ends.
func childMain() bool {
	addr, ok := os.LookupEnv("NETIO_TEST_DIAL")
	if !ok {
		return false
	}
	n, _ := strconv.Atoi(os.Getenv("NETIO_TEST_CONNS"))
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Println(err)
			return true
		}
		if os.Getenv("NETIO_TEST_TLS") != "" {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		conns[i] = c
		if _, err := c.Write(make([]byte, 700)); err != nil {
			fmt.Println(err)
			return true
		}
		if _, err := io.ReadFull(c, make([]byte, 700)); err != nil {
			fmt.Println(err)
			return true
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	for _, c := range conns {
		c.Close()
	}
	return true
}

type plainEcho struct{ c *Conn }

func (e *plainEcho) Data(b []byte) { _ = e.c.Write(b) }
func (e *plainEcho) Drained()      {}
func (e *plainEcho) Timeout()      {}
func (e *plainEcho) Closed(error)  {}

// TestIdleConnectionsAreCheap holds the budget of an idle connection that was in use once, everything of this package
// and of netpoll included: 1 KB in clear text, and 12 under TLS, most of which is crypto/tls's.
func TestIdleConnectionsAreCheap(t *testing.T) {
	for _, c := range []struct {
		name   string
		tls    bool
		conns  int
		budget float64 // KB
	}{{"clear text", false, 5000, 1}, {"TLS", true, 500, 12}} {
		t.Run(c.name, func(t *testing.T) {
			if raceEnabled {
				t.Skip("skipped: the race detector has memory of its own")
			}
			l, err := New(Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close(t.Context())
			o := ListenOptions{Accept: func(c *Conn) Handler { return &plainEcho{c} }}
			if c.tls {
				o.TLS = &tls.Config{Certificates: []tls.Certificate{certificate()}}
			}
			ln, err := l.Listen("127.0.0.1:0", o)
			if err != nil {
				t.Fatal(err)
			}
			before := memory()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "NETIO_TEST_DIAL="+ln.Addr().String(), "NETIO_TEST_CONNS="+strconv.Itoa(c.conns))
			if c.tls {
				cmd.Env = append(cmd.Env, "NETIO_TEST_TLS=1")
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer in.Close()
			if line, _ := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(line) != "ready" {
				t.Fatalf("the other process says %q", line)
			}
			if n := l.Conns(); n != c.conns {
				t.Fatalf("%d connections, want %d", n, c.conns)
			}
			kb := float64(memory()-before) / 1024 / float64(c.conns)
			t.Logf("%d idle connections: %.2f KB of heap and stacks each", c.conns, kb)
			if kb > c.budget {
				t.Errorf("an idle connection costs %.2f KB, want at most %.1f", kb, c.budget)
			}
		})
	}
}

func memory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// blocking is a peer that costs nothing: a blocking socket.
func blocking(t testing.TB, addr net.Addr) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: addr.(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd
}

// TestNothingIsAllocated holds the budget of the hot path: a Data event, the timer calls of a request, and a Write
// that the socket takes, or that it does not and that goes through the queue.
func TestNothingIsAllocated(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector allocates")
	}
	l, err := New(Options{Pollers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	ln, err := l.Listen("127.0.0.1:0", ListenOptions{Accept: func(c *Conn) Handler { return &costs{c: c, big: make([]byte, 6<<20)} }})
	if err != nil {
		t.Fatal(err)
	}
	fd := blocking(t, ln.Addr())
	buf := make([]byte, 64<<10)
	for _, c := range []struct {
		name string
		cmd  byte
		size int
		runs int
	}{{"an echo with two timers", 'e', 1, 2000}, {"an answer through the queue", 'q', 6 << 20, 20}, {"a pause and a resume", 'p', 1, 500}} {
		round := func() {
			buf[0] = c.cmd
			if _, err := syscall.Write(fd, buf[:1]); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < c.size; {
				k, err := syscall.Read(fd, buf)
				if err != nil || k == 0 {
					t.Fatalf("read: %d, %v", k, err)
				}
				n += k
			}
		}
		round()
		// What the runtime allocates beside is counted, too: what the code allocates, it does each time.
		n := testing.AllocsPerRun(c.runs, round)
		for range 4 {
			n = min(n, testing.AllocsPerRun(c.runs, round))
		}
		if n > 0 {
			t.Errorf("%s allocates %v times", c.name, n)
		}
	}
}

type costs struct {
	plainEcho
	c   *Conn
	big []byte
}

func (h *costs) Data(b []byte) {
	switch b[0] {
	case 'q':
		h.c.Write(h.big)
	case 'p':
		h.c.Pause()
		h.c.Resume()
		h.c.Write(b)
	default:
		h.c.SetTimeout(5e9)
		h.c.Write(b)
		h.c.SetTimeout(60e9)
	}
}

// BenchmarkEcho is one request and answer of 1 KB over one connection, peer included: two writes, two reads.
func BenchmarkEcho(b *testing.B) {
	for _, async := range []bool{false, true} {
		b.Run(map[bool]string{false: "direct", true: "async"}[async], func(b *testing.B) {
			l, err := New(Options{Async: async})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close(b.Context())
			ln, err := l.Listen("127.0.0.1:0", ListenOptions{Accept: func(c *Conn) Handler { return &plainEcho{c} }})
			if err != nil {
				b.Fatal(err)
			}
			fd := blocking(b, ln.Addr())
			buf := make([]byte, 1024)
			b.ReportAllocs()
			for b.Loop() {
				syscall.Write(fd, buf)
				for n := 0; n < len(buf); {
					k, err := syscall.Read(fd, buf[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += k
				}
			}
		})
	}
}
