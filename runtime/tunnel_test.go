package runtime

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/runtime/websocket"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// socket is one end of a WebSocket, plain enough to misbehave.
type socket struct {
	net.Conn
	br     *bufio.Reader
	client bool
	head   http.Header // of the other side's handshake
}

// frame is one as it was read, unmasked.
type frame struct {
	Fin     bool
	Op      websocket.Opcode
	Payload string
}

func (s *socket) send(first byte, payload string) {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(n))
	default:
		b = binary.BigEndian.AppendUint64([]byte{first, 127}, uint64(n))
	}
	if s.client {
		b[1] |= 0x80
		b = append(b, 1, 2, 3, 4)
		for i := range len(payload) {
			b = append(b, payload[i]^byte(i&3+1))
		}
	} else {
		b = append(b, payload...)
	}
	s.Write(b)
}

func (s *socket) text(m string) { s.send(0x81, m) }

func (s *socket) close(code int, why string) {
	s.send(0x88, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+why)
}

// read reads one frame.
func (s *socket) read() (f frame, err error) {
	var h [2]byte
	if _, err = io.ReadFull(s.br, h[:]); err != nil {
		return f, err
	}
	f.Fin, f.Op = h[0]&0x80 != 0, websocket.Opcode(h[0]&0x0f)
	n := uint64(h[1] & 0x7f)
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(s.br, ext[6:])
		n = binary.BigEndian.Uint64(ext[:])
	case 127:
		_, err = io.ReadFull(s.br, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	var mask [4]byte
	if masked := h[1]&0x80 != 0; masked == s.client {
		return f, fmt.Errorf("masked: %v", masked)
	} else if masked {
		io.ReadFull(s.br, mask[:])
	}
	b := make([]byte, n)
	if _, err2 := io.ReadFull(s.br, b); err2 != nil {
		return f, err2
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
	f.Payload = string(b)
	return f, err
}

func (s *socket) want(t *testing.T, want frame) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	got, err := s.read()
	if err != nil {
		t.Fatalf("%v instead of %s %.40q", err, want.Op, want.Payload)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("mismatch (-want +got):\n%.400s", diff)
	}
}

// wantClose reads up to a Close frame and the end of the connection.
func (s *socket) wantClose(t *testing.T, code int, why string) {
	t.Helper()
	s.want(t, frame{true, websocket.Close, string(binary.BigEndian.AppendUint16(nil, uint16(code))) + why})
}

func (s *socket) wantEnd(t *testing.T) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(5 * time.Second))
	if f, err := s.read(); err == nil {
		t.Fatalf("%s %.60q came instead of the end", f.Op, f.Payload)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatal("the connection was not ended")
	}
}

// speaks is a provider that answers handshakes and gives the connection to serve.
func speaks(t *testing.T, serve func(s *socket)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-unseen", "1")
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		var protocol string
		if p := r.Header.Get("Sec-WebSocket-Protocol"); p != "" {
			first, _, _ := strings.Cut(p, ",")
			protocol = "Sec-WebSocket-Protocol: " + first + "\r\n"
		}
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%sopenai-processing-ms: 7\r\nOpenAI-Organization: org-ours\r\n\r\n",
			websocket.AppendAccept(nil, []byte(r.Header.Get("Sec-WebSocket-Key"))), protocol)
		r.Header.Set(":uri", r.RequestURI)
		serve(&socket{Conn: c, br: rw.Reader, head: r.Header})
	}
}

const handshakeKey = "AQIDBAUGBwgJCgsMDQ4PEA=="

// connect makes a handshake with the gateway. status is 101 where it was taken.
func (g *running) connect(t *testing.T, path string, header ...string) (s *socket, status int, body string) {
	t.Helper()
	c, err := net.Dial("tcp", g.info.Listeners["main"].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	h := http.Header{"Host": {"gateway.example"}, "Authorization": {"Bearer " + testKey}, "Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Key": {handshakeKey}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
		if header[i+1] == "" {
			h.Del(header[i])
		}
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\n", path)
	h.Write(c)
	io.WriteString(c, "\r\n")
	br := bufio.NewReader(c)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(br, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 {
		b, _ := io.ReadAll(resp.Body)
		return &socket{head: resp.Header}, resp.StatusCode, string(b)
	}
	if resp.Header.Get("Sec-WebSocket-Accept") != string(websocket.AppendAccept(nil, []byte(handshakeKey))) || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("the handshake's answer is %v", resp.Header)
	}
	return &socket{Conn: c, br: br, client: true, head: resp.Header}, 101, ""
}

// tunnelling runs a test over both engines, against a provider that serves each connection.
func tunnelling(t *testing.T, p passing, serve func(s *socket), test func(t *testing.T, g *running)) {
	for _, engine := range []string{"netpoll", "std"} {
		t.Run(engine, func(t *testing.T) {
			p := p
			p.engine = engine
			if p.provider.Kind == "" {
				p.provider = artifact.Provider{Kind: "openai", BaseURL: "/v1"}
			}
			p.opened = opens("WEBSOCKET", "/realtime")
			if serve != nil {
				p.serve = speaks(t, serve)
			}
			g, _ := p.start(t)
			test(t, g)
		})
	}
}

// record returns the tunnel's record.
func (g *running) record(t *testing.T, want map[string]any) map[string]any {
	t.Helper()
	r := g.records(t, "calls", 1)[0]
	for k, v := range want {
		if diff := cmp.Diff(v, r[k]); diff != "" {
			t.Errorf("%s in the record, mismatch (-want +got):\n%s", k, diff)
		}
	}
	return r
}

const rt = "/passthrough/vendor/realtime?model=gpt-realtime&x=1"

func TestATunnelIsOpenedInTheGatewaysName(t *testing.T) {
	heads := make(chan http.Header, 1)
	tunnelling(t, passing{}, func(s *socket) {
		heads <- s.head
		for {
			f, err := s.read()
			if err != nil {
				return
			}
			if f.Op == websocket.Close {
				s.send(0x88, f.Payload)
				return
			}
			s.text("got " + f.Payload)
		}
	}, func(t *testing.T, g *running) {
		c, status, _ := g.connect(t, rt, "Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key."+testKey+", openai-beta.realtime-v1", "Authorization", "", "OpenAI-Beta", "realtime=v1", "Origin", "https://app.example")
		if status != 101 || c.head.Get("Sec-WebSocket-Protocol") != "realtime" || c.head.Get("Openai-Processing-Ms") != "7" || c.head.Get("OpenAI-Organization") != "" || c.head.Get("X-Request-Id") == "" {
			t.Fatal(status, c.head)
		}
		h := <-heads
		if k := h.Get("Sec-WebSocket-Key"); k == handshakeKey || len(k) != 24 {
			t.Errorf("the key is %q", k)
		}
		for _, d := range []string{"Sec-Websocket-Key", "X-Request-Id"} {
			h.Del(d)
		}
		want := http.Header{"Authorization": {"Bearer sk-" + "provider-secret"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Openai-Beta": {"realtime=v1"}, "Origin": {"https://app.example"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Protocol": {"realtime, openai-beta.realtime-v1"}, ":uri": {"/v1/realtime?model=gpt-realtime&x=1"}}
		if diff := cmp.Diff(want, h); diff != "" {
			t.Errorf("the provider's handshake, mismatch (-want +got):\n%s", diff)
		}
		c.text("hello")
		c.want(t, frame{true, websocket.Text, "got hello"})
		c.close(1000, "bye")
		c.wantClose(t, 1000, "bye")
		c.wantEnd(t)
		g.record(t, map[string]any{"status": 101.0, "ws_close": 1000.0, "ws_closed_by": "client", "model": "gpt-realtime", "upstream_model": "gpt-realtime", "provider": "vendor",
			"path": "/passthrough/vendor/realtime", "bytes_in": 11.0 + 11.0, "bytes_out": 11.0 + 7.0, "error": nil, "tokens": nil, "cost_usd": nil, "stream": true, "key": "web-1"})
	})
}

func TestFramesOfEveryKindPassThroughATunnel(t *testing.T) {
	big := strings.Repeat("0123456789", 1<<20) // 10 MB
	tunnelling(t, passing{}, func(s *socket) {
		for {
			f, err := s.read()
			if err != nil {
				return
			}
			first := byte(f.Op)
			if f.Fin {
				first |= 0x80
			}
			s.send(first, f.Payload)
		}
	}, func(t *testing.T, g *running) {
		c, _, _ := g.connect(t, rt)
		for _, f := range []frame{
			{true, websocket.Text, ""}, {true, websocket.Binary, "\x00\xff"}, {true, websocket.Ping, "are you there"}, {true, websocket.Pong, ""}, {true, websocket.Pong, "gwc"},
			{false, websocket.Text, "one "}, {true, websocket.Ping, ""}, {false, websocket.Continuation, ""}, {true, websocket.Pong, "gwc2"}, {true, websocket.Continuation, "two"},
			{true, websocket.Binary, big[:125]}, {true, websocket.Binary, big[:126]}, {true, websocket.Binary, big[:65535]}, {true, websocket.Binary, big[:65536]}, {true, websocket.Text, big},
		} {
			first := byte(f.Op)
			if f.Fin {
				first |= 0x80
			}
			go c.send(first, f.Payload)
			c.want(t, f)
		}
		c.close(4001, "")
		c.wantClose(t, 4001, "")
	})
}

func TestATunnelPassesWhatComesInPieces(t *testing.T) {
	var in bytes.Buffer
	half := socket{Conn: recorder{b: &in}, client: true}
	half.text("hello")
	half.send(0x89, "ping")
	half.send(0x82, strings.Repeat("x", 126))
	tunnelling(t, passing{}, func(s *socket) {
		for range 3 {
			f, err := s.read()
			if err != nil {
				t.Error(err)
				return
			}
			for _, b := range []byte("\x81" + string(rune(len(f.Payload))) + f.Payload) {
				if len(f.Payload) < 126 {
					s.Write([]byte{b})
					time.Sleep(time.Millisecond)
				}
			}
		}
		s.close(1000, "")
		s.read()
	}, func(t *testing.T, g *running) {
		c, _, _ := g.connect(t, rt)
		for _, b := range in.Bytes() {
			c.Write([]byte{b})
			time.Sleep(100 * time.Microsecond)
		}
		c.want(t, frame{true, websocket.Text, "hello"})
		c.want(t, frame{true, websocket.Text, "ping"})
		c.wantClose(t, 1000, "")
		c.close(1000, "")
		c.wantEnd(t)
		g.record(t, map[string]any{"error": nil, "bytes_in": float64(in.Len() + 8), "bytes_out": 7.0 + 6.0 + 4.0})
	})
}

// recorder collects what is written.
type recorder struct {
	net.Conn
	b *bytes.Buffer
}

func (r recorder) Write(b []byte) (int, error) { return r.b.Write(b) }

func TestAFaultEndsATunnelAndIsToldApart(t *testing.T) {
	ends := make(chan frame, 1)
	for name, test := range map[string]struct {
		client, provider string // what it sends that is wrong
		code             int
		why              string
		atProvider       string
		err              string
	}{
		"the client does not mask":        {client: "\x81\x01x", code: 1002, why: "a frame of a client that is not masked", atProvider: "\x03\xe9the client broke the protocol", err: "request"},
		"the client sets a reserved bit":  {client: "\xc1\x80\x00\x00\x00\x00", code: 1002, why: "a reserved bit is set", atProvider: "\x03\xe9the client broke the protocol", err: "request"},
		"the provider masks":              {provider: "\x81\x81\x01\x02\x03\x04x", code: 1011, why: "the provider broke the protocol", atProvider: "\x03\xeaa frame of a server that is masked", err: "upstream_protocol"},
		"the provider speaks of nothing":  {provider: "\x80\x00", code: 1011, why: "the provider broke the protocol", atProvider: "\x03\xeaa continuation of no message", err: "upstream_protocol"},
		"the provider sends HTTP instead": {provider: "HTTP/1.1 500 No\r\n\r\n", code: 1011, why: "the provider broke the protocol", atProvider: "\x03\xeaa reserved bit is set", err: "upstream_protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			tunnelling(t, passing{}, func(s *socket) {
				io.WriteString(s, test.provider)
				f, _ := s.read()
				ends <- f
				io.Copy(io.Discard, s.br)
			}, func(t *testing.T, g *running) {
				c, _, _ := g.connect(t, rt)
				io.WriteString(c, test.client)
				c.wantClose(t, test.code, test.why)
				c.wantEnd(t)
				if diff := cmp.Diff(frame{true, websocket.Close, test.atProvider}, <-ends); diff != "" {
					t.Errorf("the provider's last frame, mismatch (-want +got):\n%s", diff)
				}
				g.record(t, map[string]any{"error": test.err, "ws_close": float64(test.code), "ws_closed_by": "gateway", "status": 101.0})
			})
		})
	}
}

func TestATunnelEndsWithEitherSide(t *testing.T) {
	t.Run("the provider closes", func(t *testing.T) {
		got := make(chan frame, 1)
		tunnelling(t, passing{}, func(s *socket) {
			s.close(1001, "session over")
			f, _ := s.read()
			got <- f
		}, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			c.wantClose(t, 1001, "session over")
			c.close(1001, "")
			c.wantEnd(t)
			if f := <-got; f.Op != websocket.Close {
				t.Errorf("the client's answer did not come: %v", f)
			}
			g.record(t, map[string]any{"error": nil, "ws_close": 1001.0, "ws_closed_by": "provider"})
		})
	})
	t.Run("the provider vanishes", func(t *testing.T) {
		tunnelling(t, passing{}, func(s *socket) { s.read() }, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			c.text("x")
			c.wantClose(t, 1011, "the provider's connection has ended")
			c.wantEnd(t)
			g.record(t, map[string]any{"error": "upstream_protocol", "ws_close": 1006.0, "ws_closed_by": "provider"})
		})
	})
	t.Run("the provider vanishes within a frame", func(t *testing.T) {
		tunnelling(t, passing{}, func(s *socket) { io.WriteString(s, "\x81\x05he") }, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			c.wantEnd(t)
			g.record(t, map[string]any{"error": "upstream_protocol", "ws_close": 1006.0, "ws_closed_by": "provider"})
		})
	})
	t.Run("the client vanishes", func(t *testing.T) {
		got := make(chan frame, 1)
		tunnelling(t, passing{}, func(s *socket) {
			f, _ := s.read()
			got <- f
		}, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			c.Close()
			if diff := cmp.Diff(frame{true, websocket.Close, "\x03\xe9the client has gone"}, <-got); diff != "" {
				t.Errorf("the provider's last frame, mismatch (-want +got):\n%s", diff)
			}
			g.record(t, map[string]any{"error": "client_abort", "ws_close": 1006.0, "ws_closed_by": "client", "status": 101.0})
		})
	})
	t.Run("the client vanishes within a frame", func(t *testing.T) {
		ended := make(chan error, 1)
		tunnelling(t, passing{}, func(s *socket) {
			_, err := s.read()
			ended <- err
		}, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			c.Write([]byte{0x81, 0x85, 1, 2, 3, 4, 5})
			time.Sleep(20 * time.Millisecond)
			c.Close()
			if err := <-ended; err == nil {
				t.Error("a frame came that is not whole")
			}
		})
	})
	t.Run("the client hangs up behind its Close", func(t *testing.T) {
		got := make(chan frame, 1)
		tunnelling(t, passing{}, func(s *socket) {
			f, _ := s.read()
			got <- f
		}, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			c.close(1000, "")
			c.Close()
			if f := <-got; f.Payload != "\x03\xe8" {
				t.Errorf("the Close frame did not come: %v", f)
			}
			g.record(t, map[string]any{"error": nil, "ws_close": 1000.0, "ws_closed_by": "client"})
		})
	})
}

func TestAPeerThatReadsNothingStopsTheOther(t *testing.T) {
	const piece = 64 << 10
	const total = 48 << 20
	pour := func(s *socket, done chan<- int) {
		sent := 0
		b := append(prefix(s.client, piece), make([]byte, piece)...)
		for ; sent < total; sent += piece {
			s.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if _, err := s.Write(b); err != nil {
				break
			}
		}
		done <- sent
	}
	for _, client := range []bool{true, false} {
		t.Run(fmt.Sprintf("the client pours: %v", client), func(t *testing.T) {
			done := make(chan int, 1)
			stop := make(chan struct{})
			tunnelling(t, passing{}, func(s *socket) {
				if !client {
					pour(s, done)
				}
				<-stop
			}, func(t *testing.T, g *running) {
				c, _, _ := g.connect(t, rt)
				if client {
					go pour(c, done)
				}
				if n := <-done; n > 24<<20 {
					t.Errorf("%d MB were taken for a peer that reads nothing", n>>20)
				}
				c.Close()
			})
			close(stop)
		})
	}
}

// prefix is the head of a binary frame.
func prefix(client bool, n int) []byte {
	b := binary.BigEndian.AppendUint64([]byte{0x82, 127}, uint64(n))
	if client {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

func TestARefusedTunnelIsTheProvidersAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		header []string
		want   int
		text   string
		absent string
		err    string
	}{
		"401, which repeats the credential": {status: 401, body: `{"error":{"message":"Incorrect key sk-` + `provider-secret"}}`, want: 401, text: `Incorrect key [redacted]`, absent: "sk-" + "provider-secret", err: "upstream_status"},
		"404":                               {status: 404, body: "no such model", want: 404, text: "no such model", err: "upstream_status"},
		"429":                               {status: 429, body: "{}", header: []string{"Retry-After", "7"}, want: 429, text: "{}", err: "upstream_status"},
		"a page in place of it":             {status: 200, body: "<html>", want: 200, text: "<html>", err: "upstream_status"},
		"a redirection":                     {status: 302, header: []string{"Location", "https://elsewhere.example/"}, want: 302, err: "upstream_status"},
		"compressed":                        {status: 400, body: "\x1f\x8b", header: []string{"Content-Encoding", "gzip"}, want: 400, text: "the provider refused the WebSocket", err: "upstream_status"},
		"a body without end":                {status: 400, body: strings.Repeat("x", 70_000), want: 400, text: "the provider refused the WebSocket", err: "upstream_status"},
	} {
		t.Run(name, func(t *testing.T) {
			p := passing{serve: func(w http.ResponseWriter, r *http.Request) {
				for i := 0; i < len(test.header); i += 2 {
					w.Header().Set(test.header[i], test.header[i+1])
				}
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			}}
			tunnelling(t, p, nil, func(t *testing.T, g *running) {
				s, status, body := g.connect(t, rt)
				if status != test.want || !strings.Contains(body, test.text) || test.absent != "" && strings.Contains(body, test.absent) {
					t.Errorf("%d %.200q", status, body)
				}
				if test.status == 429 && s.head.Get("Retry-After") != "7" {
					t.Errorf("Retry-After was lost: %v", s.head)
				}
				g.record(t, map[string]any{"status": float64(test.want), "error": test.err, "ws_close": nil})
			})
		})
	}
}

func TestAnAnswerThatIsNoHandshakeIsTheProvidersFault(t *testing.T) {
	for name, lines := range map[string]string{
		"another accept":                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
		"no accept":                       "Upgrade: websocket\r\nConnection: Upgrade\r\n",
		"another protocol":                "Upgrade: h2c\r\nConnection: Upgrade\r\n",
		"an extension":                    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
		"a subprotocol nobody offered":    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: other\r\n",
		"the subprotocol with the secret": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: openai-insecure-api-key." + testKey + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			p := passing{serve: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-unseen", "1")
				c, _, _ := w.(http.Hijacker).Hijack()
				defer c.Close()
				l := lines
				if strings.Contains(l, "%s") {
					l = fmt.Sprintf(l, websocket.AppendAccept(nil, []byte(r.Header.Get("Sec-WebSocket-Key"))))
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n"+l+"\r\n")
				io.Copy(io.Discard, c)
			}}
			tunnelling(t, p, nil, func(t *testing.T, g *running) {
				_, status, body := g.connect(t, rt, "Authorization", "", "Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key."+testKey)
				if status != 502 || !strings.Contains(body, "handshake") || strings.Contains(body, testKey) {
					t.Errorf("%d %s", status, body)
				}
				g.record(t, map[string]any{"status": 502.0, "error": "upstream_protocol"})
			})
		})
	}
	t.Run("none at all", func(t *testing.T) {
		p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, serve: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("x-unseen", "1")
			<-r.Context().Done()
		}, edit: func(a *artifact.Artifact) { a.Providers[0].Timeouts.FirstByte = 100 * time.Millisecond }}
		tunnelling(t, p, nil, func(t *testing.T, g *running) {
			if _, status, body := g.connect(t, rt); status != 504 {
				t.Errorf("%d %s", status, body)
			}
			g.record(t, map[string]any{"status": 504.0, "error": "timeout"})
		})
	})
}

func TestClientsHandshakesAreJudged(t *testing.T) {
	tunnelling(t, passing{}, func(s *socket) {}, func(t *testing.T, g *running) {
		for _, x := range []struct {
			name   string
			status int
			text   string
			header []string
		}{
			{"no key of the gateway's", 401, "no key", []string{"Authorization", ""}},
			{"an unknown one in a subprotocol", 401, "not known", []string{"Authorization", "", "Sec-WebSocket-Protocol", "openai-insecure-api-key.gwc_x"}},
			{"two different ones", 401, "several different keys", []string{"Sec-WebSocket-Protocol", "openai-insecure-api-key." + testKey + "-few"}},
			{"two credentials in subprotocols", 400, "several credentials", []string{"Sec-WebSocket-Protocol", "openai-insecure-api-key.x, openai-insecure-api-key.y"}},
			{"an old version", 426, "Sec-WebSocket-Version: 13", []string{"Sec-WebSocket-Version", "8"}},
			{"no version", 426, "", []string{"Sec-WebSocket-Version", ""}},
			{"no Upgrade", 400, "Upgrade: websocket", []string{"Upgrade", ""}},
			{"no Connection", 400, "Connection: Upgrade", []string{"Connection", "keep-alive"}},
			{"a short key", 400, "Sec-WebSocket-Key", []string{"Sec-WebSocket-Key", "AAAA"}},
			{"a subprotocol twice", 400, "twice", []string{"Sec-WebSocket-Protocol", "a, a"}},
		} {
			s, status, body := g.connect(t, rt, x.header...)
			if status != x.status || !strings.Contains(body, x.text) || strings.Contains(body, testKey) {
				t.Errorf("%s: %d %s, want %d", x.name, status, body, x.status)
			}
			if status == 426 && (s.head.Get("Sec-WebSocket-Version") != "13" || s.head.Get("Upgrade") != "websocket") {
				t.Errorf("%s: the answer has %v", x.name, s.head)
			}
		}
		for _, path := range []string{"/passthrough/vendor/files", "/passthrough/other/realtime", "/v1/realtime"} {
			if _, status, _ := g.connect(t, path); status != 404 {
				t.Errorf("%s: %d", path, status)
			}
		}
	})
}

func TestTheGatewayClosesTunnelsWhenItStops(t *testing.T) {
	got := make(chan frame, 1)
	tunnelling(t, passing{}, func(s *socket) {
		s.send(0x01, "half a message")
		f, _ := s.read()
		got <- f
		io.Copy(io.Discard, s.br)
	}, func(t *testing.T, g *running) {
		c, _, _ := g.connect(t, rt)
		c.want(t, frame{false, websocket.Text, "half a message"})
		began := time.Now()
		stopped := make(chan error, 1)
		go func() { stopped <- g.stop() }()
		c.wantClose(t, 1001, "the gateway is stopping")
		c.close(1001, "")
		c.wantEnd(t)
		c.Close()
		if f := <-got; f.Op != websocket.Close || f.Payload != "\x03\xe9the gateway is stopping" {
			t.Errorf("the provider's last frame is %v", f)
		}
		if err := <-stopped; err != nil || time.Since(began) > DefaultDrain/2 {
			t.Errorf("stopping took %v: %v", time.Since(began), err)
		}
		g.record(t, map[string]any{"ws_close": 1001.0, "ws_closed_by": "gateway", "error": nil})
	})
}

func TestATunnelThatCannotBeClosedIsCutAtTheDeadline(t *testing.T) {
	tunnelling(t, passing{drain: 200 * time.Millisecond}, func(s *socket) {
		io.WriteString(s, "\x81\x05he") // a frame that never ends
		io.Copy(io.Discard, s.br)
	}, func(t *testing.T, g *running) {
		c, _, _ := g.connect(t, rt)
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(c.br, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if err := g.stop(); err != nil {
			t.Fatal(err)
		}
		c.wantEnd(t)
		g.record(t, map[string]any{"status": 101.0, "ws_close": 1001.0, "ws_closed_by": "gateway", "error": nil})
	})
}

func TestSilentPeersAreAskedAndThenLeft(t *testing.T) {
	quick := passing{edit: func(a *artifact.Artifact) { a.Providers[0].Timeouts.Idle = 100 * time.Millisecond }}
	t.Run("both answer", func(t *testing.T) {
		tunnelling(t, quick, func(s *socket) {
			for {
				f, err := s.read()
				if err != nil {
					return
				}
				switch f.Op {
				case websocket.Ping:
					s.send(0x8a, f.Payload)
				case websocket.Text:
					s.text(f.Payload)
				}
			}
		}, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			for range 5 {
				c.want(t, frame{true, websocket.Ping, "gwc"})
				c.send(0x8a, "gwc")
			}
			c.text("still there")
			for {
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				f, err := c.read()
				if err != nil {
					t.Fatal(err)
				}
				if f.Op == websocket.Text {
					break
				}
				if f.Op != websocket.Ping {
					t.Fatalf("%v", f)
				}
			}
		})
	})
	t.Run("the provider is dead", func(t *testing.T) {
		hold := make(chan struct{})
		defer close(hold)
		tunnelling(t, quick, func(s *socket) { <-hold }, func(t *testing.T, g *running) {
			c, _, _ := g.connect(t, rt)
			for {
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				f, err := c.read()
				if err != nil {
					t.Fatal(err)
				}
				if f.Op == websocket.Ping {
					c.send(0x8a, f.Payload)
					continue
				}
				if diff := cmp.Diff(frame{true, websocket.Close, "\x03\xf3the provider is silent"}, f); diff != "" {
					t.Errorf("mismatch (-want +got):\n%s", diff)
				}
				break
			}
			g.record(t, map[string]any{"error": "timeout", "ws_close": 1006.0, "ws_closed_by": "provider"})
		})
	})
	t.Run("the client is dead", func(t *testing.T) {
		tunnelling(t, quick, func(s *socket) {
			for {
				f, err := s.read()
				if err != nil {
					return
				}
				if f.Op == websocket.Ping {
					s.send(0x8a, f.Payload)
				}
			}
		}, func(t *testing.T, g *running) {
			g.connect(t, rt)
			g.record(t, map[string]any{"error": "timeout", "ws_close": 1006.0, "ws_closed_by": "client"})
		})
	})
}

func TestATunnelsUsageIsCountedAndCharged(t *testing.T) {
	rates := price.Price{Source: "test", Rates: []price.Rate{
		{Kind: price.Input, Femto: 4_000_000_000}, {Kind: price.Output, Femto: 16_000_000_000}, {Kind: price.CacheRead, Femto: 400_000_000},
		{Kind: price.InputAudio, Femto: 32_000_000_000}, {Kind: price.OutputAudio, Femto: 64_000_000_000}}}.Identify()
	priced := func(a *artifact.Artifact) {
		a.Prices = append(a.Prices, rates)
		a.Models = append(a.Models, artifact.Model{Name: "voice", Strategy: "priority", Retry: artifact.Retry{Attempts: 1}, MaxTokens: 100,
			Targets: []artifact.Target{{Provider: 0, Model: "gpt-realtime", Price: len(a.Prices)}}})
		a.Apps[2].Models = []int{len(a.Models) - 1}
	}
	const (
		done = `{"type":"response.done","response":{"usage":{"input_tokens":132,"output_tokens":121,"input_token_details":{"audio_tokens":13,"cached_tokens":64,"cached_tokens_details":{"audio_tokens":4}},"output_token_details":{"audio_tokens":91}}}}`
		more = `{"type":"response.done","response":{"usage":{"input_tokens":10,"output_tokens":5}}}`
	)
	tokens := map[string]any{"input": 142.0, "output": 126.0, "cache_read": 64.0, "input_audio": 9.0, "output_audio": 91.0}
	guess := map[string]any{"input": 142.0, "output": 126.0, "cache_read": 64.0, "input_audio": 9.0, "output_audio": 91.0, "estimate": true}
	for name, test := range map[string]struct {
		edit func(*artifact.Artifact)
		path string
		last string
		want map[string]any
	}{
		// 69 × 4 + 9 × 32 + 64 × 0.4 + 35 × 16 + 91 × 64 µUSD
		"to the last digit":                  {priced, rt, `{"type":"session.updated"}`, map[string]any{"tokens": tokens, "cost_usd": 0.0069736, "price": rates.Version, "cost_estimate": nil}},
		"the model as the session names it":  {priced, "/passthrough/vendor/realtime", `{"type":"session.updated","session":{"model":"gpt-realtime"}}`, map[string]any{"tokens": tokens, "cost_usd": 0.0069736, "upstream_model": "gpt-realtime"}},
		"an answer that was under way":       {priced, rt, `{"type":"response.created"}`, map[string]any{"tokens": guess, "cost_usd": 0.0069736, "cost_estimate": true}},
		"a transcription, which is apart":    {priced, rt, `{"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"duration","seconds":3}}`, map[string]any{"tokens": tokens, "cost_usd": nil}},
		"a model that no target has":         {priced, "/passthrough/vendor/realtime?model=other", `{}`, map[string]any{"tokens": tokens, "cost_usd": nil, "upstream_model": "other"}},
		"no prices: unknown, which is not 0": {nil, rt, `{}`, map[string]any{"tokens": tokens, "cost_usd": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			tunnelling(t, passing{edit: test.edit}, func(s *socket) {
				s.text(done)
				s.send(0x01, more[:20])
				s.send(0x89, "")
				s.send(0x80, more[20:])
				s.text(test.last)
				s.close(1000, "")
				s.read()
			}, func(t *testing.T, g *running) {
				c, _, _ := g.connect(t, test.path)
				for {
					c.SetReadDeadline(time.Now().Add(5 * time.Second))
					f, err := c.read()
					if err != nil {
						t.Fatal(err)
					}
					if f.Op == websocket.Close {
						c.close(1000, "")
						break
					}
				}
				c.wantEnd(t)
				g.record(t, test.want)
			})
		})
	}
}
