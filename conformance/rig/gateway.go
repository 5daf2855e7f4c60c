package rig

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Gateway is a running gwcd and the repository that it was built from.
type Gateway struct {
	*Process
	Bin      Binaries
	Repo     string // folder of the repository
	Artifact string // file
	Addr     string // host:port of the listener
	URL      string // http://Addr
	Admin    string // http://host:port
}

// Options say how a gateway is started.
type Options struct {
	Dir    string   // empty folder of its own
	CPUs   string   // see [Start]
	Env    []string // "NAME=value"
	Scheme string   // "http" when empty; only for Gateway.URL
	NoWait bool     // return before it is ready
	Args   []string // more flags of gwcd
}

// Serve writes the repository into o.Dir, builds it and runs gwcd on free ports, by --listen and --admin.
func (b Binaries) Serve(ctx context.Context, r Repo, o Options) (*Gateway, error) {
	g := &Gateway{Bin: b, Repo: filepath.Join(o.Dir, "repo"), Artifact: filepath.Join(o.Dir, "run", "gateway.gwca")}
	if err := r.Write(g.Repo); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(g.Artifact), 0o755); err != nil {
		return nil, err
	}
	if err := b.Build(ctx, g.Repo, g.Artifact); err != nil {
		return nil, err
	}
	return g, g.run(o)
}

// ServeFile runs gwcd on an artifact that exists.
func (b Binaries) ServeFile(file string, o Options) (*Gateway, error) {
	g := &Gateway{Bin: b, Artifact: file}
	return g, g.run(o)
}

func (g *Gateway) run(o Options) error {
	scheme := o.Scheme
	if scheme == "" {
		scheme = "http"
	}
	g.Addr = fmt.Sprintf("127.0.0.1:%d", FreePort())
	g.URL = scheme + "://" + g.Addr
	admin := fmt.Sprintf("127.0.0.1:%d", FreePort())
	g.Admin = "http://" + admin
	var err error
	g.Process, err = Start(o.CPUs, o.Env, g.Bin.GWCD, append([]string{g.Artifact, "--listen", g.Addr, "--admin", admin}, o.Args...)...)
	if err != nil {
		return err
	}
	if o.NoWait {
		return nil
	}
	if err := g.Ready(20 * time.Second); err != nil {
		g.Kill()
		return err
	}
	return nil
}

// Ready waits until /readyz answers 200.
func (g *Gateway) Ready(limit time.Duration) error { return g.await(g.Admin+"/readyz", limit) }

// Snapshot is what /snapshot says.
func (g *Gateway) Snapshot() (map[string]any, error) {
	b, err := get(g.Admin + "/snapshot")
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(b, &m)
}

// Metrics is one scrape: values by series, as Prometheus writes them (`name{label="v"}`).
type Metrics map[string]float64

// Metrics scrapes the admin listener.
func (g *Gateway) Metrics() (Metrics, error) {
	b, err := get(g.Admin + "/metrics")
	if err != nil {
		return nil, err
	}
	m := Metrics{}
	for line := range strings.SplitSeq(string(b), "\n") {
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %q: %w", line, err)
		}
		m[line[:i]] = v
	}
	return m, nil
}

// Sum adds all series of a name whose labels have every one of the given parts, such as `route="ai.chat"`.
func (m Metrics) Sum(name string, labels ...string) float64 {
	var sum float64
	for series, v := range m {
		base, rest, _ := strings.Cut(series, "{")
		if base == name && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			sum += v
		}
	}
	return sum
}

func get(url string) ([]byte, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", url, resp.Status, b)
	}
	return b, err
}

// Record is a call record as a reader of the log sees it.
type Record map[string]any

// Records waits until the call log holds at least n records and returns all of them, oldest segment first. It also
// returns what it has after ten seconds, with an error.
func (g *Gateway) Records(n int) ([]Record, error) {
	deadline := time.Now().Add(10 * time.Second)
	for {
		list, err := g.readRecords()
		if err != nil || len(list) >= n {
			return list, err
		}
		if time.Now().After(deadline) {
			return list, fmt.Errorf("the call log has %d records, expected %d", len(list), n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// LogFiles are the segments of the call log, in order of name.
func (g *Gateway) LogFiles() ([]string, error) {
	return filepath.Glob(filepath.Join(filepath.Dir(g.Artifact), "calls", "*.ndjson"))
}

func (g *Gateway) readRecords() ([]Record, error) {
	files, err := g.LogFiles()
	if err != nil {
		return nil, err
	}
	var list []Record
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		s := bufio.NewScanner(bytes.NewReader(b))
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			var r Record
			if err := json.Unmarshal(s.Bytes(), &r); err != nil {
				// The last line may be half written at this moment; any other must be whole.
				if bytes.HasSuffix(b, s.Bytes()) {
					break
				}
				return nil, fmt.Errorf("%s: %w: %s", f, err, s.Bytes())
			}
			list = append(list, r)
		}
	}
	return list, nil
}
