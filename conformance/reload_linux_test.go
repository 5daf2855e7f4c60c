package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/conformance/bench/load"
	"github.com/gwc-dev/gwc/conformance/rig"
)

// artifactsOf builds two artifacts that differ in nothing that a request would notice.
func artifactsOf(t testing.TB, r rig.Repo) [2][]byte {
	t.Helper()
	var list [2][]byte
	for i := range list {
		dir := t.TempDir()
		r["variant.cue"] = fmt.Sprintf("package gateway\n\nupstreams: variant%d: endpoints: [{url: \"http://127.0.0.1:9\"}]\n", i)
		if err := r.Write(dir); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, "out.gwca")
		if err := bin.Build(t.Context(), dir, file); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = b
	}
	return list
}

// land puts an artifact in place, as a deployment does: written beside, then renamed.
func land(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func digestOf(t testing.TB, g *rig.Gateway) string {
	t.Helper()
	s, err := g.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return text(s["digest"])
}

// TestReloadUnderLoad replaces the artifact a hundred times in a row under half of the load that the gateway can
// take, and holds: no request fails, each artifact is taken, and goroutines, descriptors and memory are back where
// they were.
func TestReloadUnderLoad(t *testing.T) {
	reloads := 100
	if testing.Short() {
		reloads = 10
	}
	if os.Getenv("GWC_SOAK") != "" {
		reloads = 2000
	}
	up := newScripted(t)
	up.on("/base/t/load", answerWith("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	repo := thingsRepo("", up.url())
	g := serve(t, repo, rig.Options{})
	both := artifactsOf(t, repo)
	plan := load.Plan{Request: []byte("GET /api/t/load HTTP/1.1\r\nHost: a\r\n\r\n"), Conns: 32, For: time.Second}
	fmt.Sscanf(g.Addr[strings.LastIndexByte(g.Addr, ':')+1:], "%d", &plan.Port)
	most, err := load.Run(plan)
	if err != nil {
		t.Fatal(err)
	}
	plan.Rate = float64(most.Done) / most.Seconds / 2
	before := settled(t, g, nil)

	stop := make(chan struct{})
	total := make(chan load.Result, 1)
	go func() {
		var sum load.Result
		for running := true; running; {
			select {
			case <-stop:
				running = false
			default:
			}
			r, err := load.Run(plan)
			if err != nil {
				t.Error(err)
			}
			sum.Done, sum.Bad, sum.Errors, sum.Max = sum.Done+r.Done, sum.Bad+r.Bad, sum.Errors+r.Errors, max(sum.Max, r.Max)
		}
		total <- sum
	}()
	var slowest time.Duration
	digest := digestOf(t, g)
	for i := range reloads {
		start := time.Now()
		land(t, g.Artifact, both[i%2])
		eventually(t, func() (bool, string) {
			now := digestOf(t, g)
			return now != digest, fmt.Sprintf("reload %d is not taken", i)
		})
		digest = digestOf(t, g)
		slowest = max(slowest, time.Since(start))
	}
	close(stop)
	sum := <-total
	if sum.Bad > 0 || sum.Errors > 0 {
		t.Errorf("%d answers were bad and %d connections lost, of %d requests", sum.Bad, sum.Errors, sum.Done)
	}
	t.Logf("%d requests at %.0f/s, the slowest answer after %.1f ms; %d reloads, the slowest seen after %v", sum.Done, plan.Rate, sum.Max/1000, reloads, slowest)
	m, err := g.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if ok, bad := m.Sum("gwc_reloads_total", `result="ok"`), m.Sum("gwc_reloads_total", `result="error"`); ok < float64(reloads) || bad != 0 {
		t.Errorf("the metrics count %v reloads and %v errors", ok, bad)
	}
	if m.Sum("gwc_calllog_dropped_total") != 0 {
		t.Error("call records were dropped")
	}
	settled(t, g, &before)
}

// vital are the numbers that a leak would move.
type vital struct {
	goroutines, descriptors int
	memory                  int64
}

// settled returns the vitals when they have come to rest, and with a base waits until they are back at it, give or
// take what a garbage collector may.
func settled(t testing.TB, g *rig.Gateway, base *vital) vital {
	t.Helper()
	read := func() vital {
		m, err := g.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		_, memory := rig.Memory(g.PID())
		return vital{int(m.Sum("go_goroutines")), rig.Descriptors(g.PID()), memory}
	}
	if base == nil {
		time.Sleep(500 * time.Millisecond)
		return read()
	}
	var now vital
	eventually(t, func() (bool, string) {
		now = read()
		// Memory that was reserved under load stays with the process; a leak of 100 snapshots would be far more.
		ok := now.goroutines <= base.goroutines+5 && now.descriptors <= base.descriptors+5 && now.memory <= base.memory+48<<20
		return ok, fmt.Sprintf("it leaks: %+v, before %+v", now, *base)
	})
	t.Logf("vitals %+v, before %+v", now, *base)
	return now
}

// TestBadArtifactKeepsTheLastGoodOne: whatever lands in place of an artifact, the gateway serves on and says so.
func TestBadArtifactKeepsTheLastGoodOne(t *testing.T) {
	up := newScripted(t)
	repo := thingsRepo("", up.url())
	g := serve(t, repo, rig.Options{})
	both := artifactsOf(t, repo)
	digest := digestOf(t, g)
	errorsBefore := 0.0
	for name, bad := range map[string][]byte{
		"garbage":         []byte("this is no artifact"),
		"nothing":         {},
		"half of one":     both[0][:len(both[0])/2],
		"a flipped bit":   flipped(both[0], len(both[0])/2),
		"a flipped first": flipped(both[0], 0),
		"a flipped last":  flipped(both[0], len(both[0])-1),
		"trailing bytes":  append(append([]byte{}, both[0]...), "more"...),
	} {
		t.Run(name, func(t *testing.T) {
			land(t, g.Artifact, bad)
			eventually(t, func() (bool, string) {
				m, err := g.Metrics()
				n := m.Sum("gwc_reloads_total", `result="error"`)
				return err == nil && n > errorsBefore, "the failure is not counted"
			})
			m, err := g.Metrics()
			if err != nil {
				t.Fatal(err)
			}
			errorsBefore = m.Sum("gwc_reloads_total", `result="error"`)
			s, err := g.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if text(s["digest"]) != digest || text(dig(s, "last_error")) == "" && dig(s, "last_error") == nil {
				t.Errorf("/snapshot says %v", s)
			}
			if status, _, body := getURL(t, g.URL+"/api/t/x"); status != 200 || body != "ok" {
				t.Errorf("status %d: %q", status, body)
			}
			if !strings.Contains(g.Output(), filepath.Base(g.Artifact)) {
				t.Errorf("the log does not name the file:\n%s", g.Output())
			}
		})
	}
	t.Run("no file at all", func(t *testing.T) {
		if err := os.Remove(g.Artifact); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if status, _, _ := getURL(t, g.URL+"/api/t/x"); status != 200 {
			t.Errorf("status %d", status)
		}
	})
	t.Run("then a good one", func(t *testing.T) {
		land(t, g.Artifact, both[1])
		eventually(t, func() (bool, string) { return digestOf(t, g) != digest, "it is not taken" })
		s, err := g.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if e := dig(s, "last_error"); e != nil && text(e) != "" {
			t.Errorf("the old error stays: %v", e)
		}
	})
	t.Run("then one that is written in place, in pieces", func(t *testing.T) {
		digest := digestOf(t, g)
		f, err := os.OpenFile(g.Artifact, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for rest := both[0]; len(rest) > 0; {
			n := min(len(rest), 1+len(both[0])/5)
			if _, err := f.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			if status, _, _ := getURL(t, g.URL+"/api/t/x"); status != 200 {
				t.Errorf("status %d", status)
			}
			time.Sleep(30 * time.Millisecond)
		}
		eventually(t, func() (bool, string) { return digestOf(t, g) != digest, "it is not taken" })
	})
}

func flipped(b []byte, at int) []byte {
	c := append([]byte{}, b...)
	c[at] ^= 0x10
	return c
}

// TestStreamsFinishOnTheirSnapshot: a stream that began before a reload goes on to its end.
func TestStreamsFinishOnTheirSnapshot(t *testing.T) {
	w := startWorld(t, "--chunk-gap", "10ms")
	repo := aiRepo(w.openai.URL, w.anthropic.URL)
	both := artifactsOf(t, repo)
	// The last reload takes the models away: new calls are refused, old streams are not.
	delete(repo, "variant.cue")
	repo["gateway.cue"] = strings.ReplaceAll(repo["gateway.cue"], `models: ["passed", "translated", `, `models: [`)
	less := artifactsOf(t, repo)[0]
	for _, model := range []string{"passed", "translated"} {
		land(t, w.Artifact, both[0])
		eventually(t, func() (bool, string) {
			_, _, err := newOfficialGo(w.URL, appKey).call(t.Context(), request{model: model, messages: user("say hi")})
			return err == nil, fmt.Sprint(err)
		})
		type result struct {
			answer
			err error
		}
		streams := make(chan result, 4)
		before, err := w.openai.Stats()
		before2, err2 := w.anthropic.Stats()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		for range cap(streams) {
			go func() {
				a, _, err := newOfficialGo(w.URL, appKey).call(context.Background(), request{model: model, messages: user("count to 60"), maxTokens: 1000, stream: true})
				streams <- result{a, err}
			}()
		}
		eventually(t, func() (bool, string) {
			a, err := w.openai.Stats()
			b, err2 := w.anthropic.Stats()
			return err == nil && err2 == nil && a.Streams+b.Streams == before.Streams+before2.Streams+cap(streams), "the streams have not begun"
		})
		digest := digestOf(t, w.Gateway)
		land(t, w.Artifact, both[1])
		eventually(t, func() (bool, string) { return digestOf(t, w.Gateway) != digest, "not taken" })
		digest = digestOf(t, w.Gateway)
		land(t, w.Artifact, less)
		eventually(t, func() (bool, string) { return digestOf(t, w.Gateway) != digest, "not taken" })
		if _, _, err := newOfficialGo(w.URL, appKey).call(t.Context(), request{model: model, messages: user("say hi")}); err == nil {
			t.Errorf("%s is still served", model)
		}
		for range cap(streams) {
			if r := <-streams; r.err != nil || r.Text != counted(60) || r.Stop != "stop" {
				t.Errorf("%s: %+v", model, r)
			}
		}
	}
}
