package runtime

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"syscall"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// TestIdleTunnelsCostLittle measures what a tunnel keeps in memory that nobody uses: gateway, client and provider run in
// this process, so that what the two ends cost alone is measured first and taken off. GWC_MEASURE asks for the figures
// of docs/runtime.md.
func TestIdleTunnelsCostLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be measured")
	}
	n := 200
	if os.Getenv("GWC_MEASURE") != "" {
		n = 1000
	}
	heap := func() int {
		goruntime.GC()
		goruntime.GC()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return int(m.HeapInuse + m.StackInuse)
	}
	hold := make(chan struct{})
	serve := func(s *socket) { <-hold }
	direct := httptest.NewServer(speaks(t, serve))
	defer direct.Close()
	defer close(hold)
	open := func(g *running) (per int) {
		before := heap()
		list := make([]*socket, n)
		for i := range list {
			list[i], _, _ = g.connect(t, rt)
		}
		per = (heap() - before) / n
		for _, s := range list {
			s.Close()
		}
		return per
	}
	alone := open(&running{info: Info{Listeners: map[string]net.Addr{"main": direct.Listener.Addr()}}})
	for _, engine := range []string{"netpoll", "std"} {
		p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, opened: opens("WEBSOCKET", "/realtime"), engine: engine, serve: speaks(t, serve)}
		g, _ := p.start(t)
		per := open(g) - alone
		t.Logf("%s: %d bytes per idle tunnel, its ends (%d) not counted", engine, per, alone)
		if most := map[string]int{"netpoll": 12 << 10, "std": 48 << 10}[engine]; per > most {
			t.Errorf("%s: an idle tunnel keeps %d bytes, more than %d", engine, per, most)
		}
	}
}

// TestMeasureFrames measures the CPU time that a frame of 1 KB from the provider and a short one from the client cost
// through a tunnel, each sent when the other has come. What the two ends cost alone is taken off. It is for
// docs/runtime.md and runs when asked for.
func TestMeasureFrames(t *testing.T) {
	if os.Getenv("GWC_MEASURE") == "" {
		t.Skip("GWC_MEASURE is not set")
	}
	const rounds = 50_000
	cpu := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	piece := append([]byte("\x82\x7e\x04\x00"), make([]byte, 1024)...)
	answer := []byte("\x81\x81\x00\x00\x00\x00x")
	serve := func(s *socket) {
		b := make([]byte, len(answer))
		for range rounds {
			s.Write(piece)
			if _, err := io.ReadFull(s.br, b); err != nil {
				return
			}
		}
	}
	run := func(g *running) time.Duration {
		before := cpu()
		c, _, _ := g.connect(t, rt)
		b := make([]byte, len(piece))
		for range rounds {
			c.SetReadDeadline(time.Time{})
			if _, err := io.ReadFull(c.br, b); err != nil {
				t.Fatal(err)
			}
			c.Write(answer)
		}
		c.Close()
		return (cpu() - before) / rounds
	}
	srv := httptest.NewServer(http.HandlerFunc(speaks(t, serve)))
	defer srv.Close()
	alone := run(&running{info: Info{Listeners: map[string]net.Addr{"main": srv.Listener.Addr()}}})
	for _, engine := range []string{"netpoll", "std"} {
		p := passing{provider: artifact.Provider{Kind: "openai", BaseURL: "/v1"}, opened: opens("WEBSOCKET", "/realtime"), engine: engine, serve: speaks(t, serve)}
		g, _ := p.start(t)
		t.Logf("%s: %v per frame, its ends (%v) not counted", engine, (run(g)-alone)/2, alone/2)
	}
}
