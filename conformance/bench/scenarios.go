//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/conformance/bench/load"
	"github.com/gwc-dev/gwc/conformance/bench/upstream"
	"github.com/gwc-dev/gwc/conformance/rig"
)

// scenarios in the order in which they run.
var scenarios = []struct {
	name, what string
	run        func(b *bench, name string) error
}{
	{"plain1", "plain proxying, the proxy alone on one core", func(b *bench, s string) error { return b.http(s, 1, false) }},
	{"plain2", "plain proxying, everything on two cores", func(b *bench, s string) error { return b.http(s, 2, false) }},
	{"api1", "an API with key, limit, metrics and call log, beside nginx with access log, on one core", func(b *bench, s string) error { return b.http(s, 1, true) }},
	{"api2", "the same with everything on two cores", func(b *bench, s string) error { return b.http(s, 2, true) }},
	{"chat", "a chat of 2 KB passed through and translated, with everything on, beside nginx with access log", (*bench).chat},
	{"chat2", "what a chat of 2 KB takes longer through the gateway, at 1,000 a second, everything on two cores", (*bench).chatLatency},
	{"streams", "5,000 slow streams of chats at a time", (*bench).streams},
	{"sse", "100 streams with an event each 5 ms", (*bench).sse},
	{"idle", "idle keep-alive connections", (*bench).hold},
	{"routes", "64 busy connections with 10,000 routes loaded", (*bench).routes},
	{"build", "building repositories and loading their artifacts", (*bench).build},
	{"compile", "the compiler: cold and warm builds of up to 100,000 APIs, plan, vet", (*bench).compile},
}

func scenarioNames() []string {
	var s []string
	for _, x := range scenarios {
		s = append(s, x.name)
	}
	return s
}

func get(path string, headers ...string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: bench.local\r\nUser-Agent: bench\r\nAccept: */*\r\n" + strings.Join(headers, "") + "\r\n")
}

const authorization = "Authorization: Bearer " + key + "\r\n"

func post(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench.local\r\nUser-Agent: bench\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", path, authorization, len(body), body)
}

// measure runs one load against a proxy and returns the result with the proxy's CPU time per unit.
func (b *bench) measure(p *proxy, cpus string, plan load.Plan) (load.Result, float64, error) {
	plan.Port = p.port
	before := rig.CPU(p.pid)
	r, err := b.load(cpus, plan)
	used := rig.CPU(p.pid) - before
	if err != nil {
		return r, 0, fmt.Errorf("%s: %w", p.name, err)
	}
	per := r.Done
	if r.Events > r.Done { // a stream
		per = r.Events
	}
	return r, float64(used.Nanoseconds()) / 1e3 / float64(per), nil
}

// warm lets pools fill and code be compiled or paged in.
func (b *bench) warm(p *proxy, cpus string, plan load.Plan) error {
	plan.Port, plan.For, plan.Rate = p.port, min(b.secs, 400*time.Millisecond), 0
	_, err := b.load(cpus, plan)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// candidates starts nginx, HAProxy and the gateway in front of one upstream.
func (b *bench) candidates(coresOfProxy int, full bool) (list []*proxy, up int, other string, err error) {
	cpus, other := cores(coresOfProxy)
	if up, err = b.startUpstream(other, upstream.Options{}); err != nil {
		return nil, 0, "", err
	}
	add := func(p *proxy, err error) error {
		if err == nil {
			list = append(list, p)
		}
		return err
	}
	if b.nginx != "" {
		name := "nginx"
		if full {
			name = "nginx+log"
		}
		if err := add(b.startNginx(name, cpus, coresOfProxy, up, full)); err != nil {
			return nil, 0, "", err
		}
	}
	if b.haprox != "" && !full {
		if err := add(b.startHAProxy(cpus, coresOfProxy, up)); err != nil {
			return nil, 0, "", err
		}
	}
	if b.peers {
		return list, up, other, nil
	}
	return list, up, other, add(b.startGateway("gwc", cpus, benchRepo(up, full)))
}

// http measures GETs: closed loops of 64 and 512 connections for CPU, an open loop for latency, memory at the end.
func (b *bench) http(scenario string, n int, full bool) error {
	list, up, other, err := b.candidates(n, full)
	if err != nil {
		return err
	}
	request := get("/json")
	if full {
		request = get("/json", authorization)
	}
	for round := range b.rounds {
		for _, conns := range []int{64, 512} {
			plan := load.Plan{Request: request, Conns: conns, For: b.secs}
			for _, p := range list {
				if err := b.warm(p, other, plan); err != nil {
					return err
				}
				r, cpu, err := b.measure(p, other, plan)
				if err != nil {
					return err
				}
				b.add(scenario, p.name, fmt.Sprintf("CPU per request, %d connections", conns), "µs", round, cpu)
				b.add(scenario, p.name, fmt.Sprintf("requests a second, %d connections", conns), "1/s", round, float64(r.Done)/r.Seconds)
				if conns == 64 {
					rss, _ := rig.Memory(p.pid)
					b.add(scenario, p.name, "RSS, 64 connections", "MB", round, float64(rss)/(1<<20))
				}
			}
		}
		if err := b.latency(scenario, list, up, other, round, load.Plan{Request: request, Conns: 64, Rate: b.rate, For: b.secs, Warm: b.secs / 6}); err != nil {
			return err
		}
	}
	return nil
}

// latency measures what each proxy adds to an open loop that goes straight to the upstream.
func (b *bench) latency(scenario string, list []*proxy, up int, other string, round int, plan load.Plan) error {
	plan.Port = up
	direct, err := b.load(other, plan)
	if err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	for _, p := range list {
		r, cpu, err := b.measure(p, other, plan)
		if err != nil {
			return err
		}
		at := fmt.Sprintf("at %.0f/s", plan.Rate)
		b.add(scenario, p.name, "added p50 "+at, "µs", round, r.P50-direct.P50)
		b.add(scenario, p.name, "added p99 "+at, "µs", round, r.P99-direct.P99)
		b.add(scenario, p.name, "CPU per request "+at, "µs", round, cpu)
	}
	return nil
}

// chatBody is a request of about 2 KB.
func chatBody(model string, stream bool) string {
	s := ""
	if stream {
		s = `"stream":true,`
	}
	return fmt.Sprintf(`{"model":%q,%s"messages":[{"role":"system","content":"You are brief."},{"role":"user","content":%q}],"temperature":0.7,"max_tokens":256}`, model, s, strings.Repeat("abcdefghij", 185))
}

func (b *bench) chat(scenario string) error {
	list, up, other, err := b.candidates(1, true)
	if err != nil {
		return err
	}
	type variant struct {
		*proxy
		request []byte
	}
	var variants []variant
	for _, p := range list {
		if p.name != "gwc" {
			variants = append(variants, variant{p, post("/v1/chat/completions", chatBody("gpt-4o-mini", false))})
			continue
		}
		for _, model := range []string{"chat", "translated"} {
			name := map[string]string{"chat": "gwc", "translated": "gwc translated"}[model]
			variants = append(variants,
				variant{&proxy{name, p.port, p.pid}, post("/v1/chat/completions", chatBody(model, false))},
				variant{&proxy{name + ", 20 KB with tools", p.port, p.pid}, post("/v1/chat/completions", toolsBody(model))})
		}
	}
	for round := range b.rounds {
		for _, v := range variants {
			plan := load.Plan{Request: v.request, Conns: 64, For: b.secs}
			if err := b.warm(v.proxy, other, plan); err != nil {
				return err
			}
			r, cpu, err := b.measure(v.proxy, other, plan)
			if err != nil {
				return err
			}
			b.add(scenario, v.name, "CPU per request, 64 connections", "µs", round, cpu)
			b.add(scenario, v.name, "requests a second, 64 connections", "1/s", round, float64(r.Done)/r.Seconds)
			plan.Rate, plan.Warm = b.rate/4, b.secs/6
			if err := b.latency(scenario, []*proxy{v.proxy}, up, other, round, plan); err != nil {
				return err
			}
		}
	}
	return nil
}

// toolsBody is a conversation of about 20 KB: twelve tools, and turns with calls and their results.
func toolsBody(model string) string {
	var s strings.Builder
	fmt.Fprintf(&s, `{"model":%q,"messages":[{"role":"system","content":"You are brief."}`, model)
	for turn := range 8 {
		fmt.Fprintf(&s, `,{"role":"user","content":%q},{"role":"assistant","content":null,"tool_calls":[{"id":"call_%02d","type":"function","function":{"name":"tool_%d","arguments":"{\"query\":\"turn %d\",\"limit\":10}"}}]},{"role":"tool","tool_call_id":"call_%02d","content":%q}`,
			strings.Repeat("abcdefghij ", 40), turn, turn, turn, turn, strings.Repeat(`{"row": 1, "value": "x"} `, 32))
	}
	s.WriteString(`,{"role":"user","content":"And now?"}],"tools":[`)
	for tool := range 12 {
		if tool > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"type":"function","function":{"name":"tool_%d","description":%q,"parameters":{"type":"object","properties":{"query":{"type":"string","description":"What to look for"},"limit":{"type":"integer","minimum":1,"maximum":100},"order":{"type":"string","enum":["asc","desc"]}},"required":["query"],"additionalProperties":false}}}`,
			tool, strings.Repeat("Looks things up. ", 16))
	}
	s.WriteString(`],"temperature":0.7,"max_tokens":256}`)
	return s.String()
}

// chatLatency measures what chats take longer through each proxy in an open loop, everything on two cores.
func (b *bench) chatLatency(scenario string) error {
	list, up, other, err := b.candidates(2, true)
	if err != nil {
		return err
	}
	for round := range b.rounds {
		for _, p := range list {
			model := "gpt-4o-mini"
			if p.name == "gwc" {
				model = "chat"
			}
			plan := load.Plan{Request: post("/v1/chat/completions", chatBody(model, false)), Conns: 64, Rate: b.rate / 4, For: b.secs, Warm: b.secs / 6}
			if err := b.warm(p, other, plan); err != nil {
				return err
			}
			if err := b.latency(scenario, []*proxy{p}, up, other, round, plan); err != nil {
				return err
			}
		}
	}
	return nil
}

// streams measures the memory of slow streams: each has an event a second, which is what a slow model does, and all of
// them are open when it is looked at.
func (b *bench) streams(scenario string) error {
	cpus, other := cores(1)
	n, gap, events := 5000, time.Second, 8
	if b.short {
		n, gap, events = 100, 50*time.Millisecond, 20
	}
	up, err := b.startUpstream(other, upstream.Options{Gap: gap, Events: events})
	if err != nil {
		return err
	}
	for _, model := range []string{"chat", "translated"} {
		p, err := b.startGateway("gwc "+model, cpus, benchRepo(up, true))
		if err != nil {
			return err
		}
		// What the first streams cost once, in code and pools, is not counted.
		small := load.Plan{Port: p.port, Request: post("/v1/chat/completions", chatBody(model, true)), Conns: 10, Rate: 100, For: 100 * time.Millisecond, Wait: 2 * gap * time.Duration(events)}
		if _, err := b.load(other, small); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		_, before := rig.Memory(p.pid)
		length := gap * time.Duration(events)
		plan := small
		plan.Conns, plan.For = n, length/4
		plan.Rate = float64(n) / plan.For.Seconds()
		type outcome struct {
			load.Result
			error
		}
		done := make(chan outcome, 1)
		go func() {
			r, err := b.load(other, plan)
			done <- outcome{r, err}
		}()
		time.Sleep(length * 6 / 8) // all have begun, none has ended
		_, after := rig.Memory(p.pid)
		o := <-done
		if o.error != nil {
			return fmt.Errorf("%s: %w", p.name, o.error)
		}
		if o.Done < n*9/10 {
			return fmt.Errorf("%s: %d of %d streams", p.name, o.Done, n)
		}
		b.add(scenario, p.name, "memory per stream", "KB", 0, float64(after-before)/1024/float64(o.Done))
		b.add(scenario, p.name, "streams", "", 0, float64(o.Done))
	}
	return nil
}

func (b *bench) sse(scenario string) error {
	list, _, other, err := b.candidates(1, false)
	if err != nil {
		return err
	}
	type variant struct {
		*proxy
		request []byte
	}
	var variants []variant
	for _, p := range list {
		variants = append(variants, variant{p, get("/sse")})
		if p.name == "gwc" {
			variants = append(variants,
				variant{&proxy{"gwc chat", p.port, p.pid}, post("/v1/chat/completions", chatBody("chat", true))},
				variant{&proxy{"gwc translated", p.port, p.pid}, post("/v1/chat/completions", chatBody("translated", true))})
		}
	}
	for round := range b.rounds {
		for _, v := range variants {
			// Starts are spread over the time between two events, as those of real callers are.
			plan := load.Plan{Request: v.request, Conns: 100, Rate: 400, For: b.secs}
			if err := b.warm(v.proxy, other, load.Plan{Request: v.request, Conns: 10}); err != nil {
				return err
			}
			r, cpu, err := b.measure(v.proxy, other, plan)
			if err != nil {
				return err
			}
			b.add(scenario, v.name, "CPU per event", "µs", round, cpu)
			b.add(scenario, v.name, "events a second", "1/s", round, float64(r.Events)/r.Seconds)
		}
	}
	return nil
}

// hold measures the memory of idle connections, each of which has made one request.
func (b *bench) hold(scenario string) error {
	list, _, other, err := b.candidates(1, false)
	if err != nil {
		return err
	}
	for _, p := range list {
		n := b.idle
		if p.name == "haproxy" {
			n = min(n, 9000) // its maxconn counts both sides
		}
		if err := b.warm(p, other, load.Plan{Request: get("/json"), Conns: 64}); err != nil {
			return err
		}
		_, before := rig.Memory(p.pid)
		cmd := b.role(other, "hold")
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		json.NewEncoder(in).Encode(load.Plan{Port: p.port, Request: get("/json"), Conns: n})
		line, err := bufio.NewReader(out).ReadString('\n')
		var answered int
		fmt.Sscanf(line, "%d", &answered)
		if err == nil && answered == n {
			time.Sleep(500 * time.Millisecond) // buffers go back to their pools
			_, after := rig.Memory(p.pid)
			b.add(scenario, p.name, "memory per idle connection", "KB", 0, float64(after-before)/1024/float64(n))
			b.add(scenario, p.name, "memory before", "MB", 0, float64(before)/(1<<20))
			cpu := rig.CPU(p.pid)
			time.Sleep(500 * time.Millisecond)
			b.add(scenario, p.name, "CPU while idle", "%", 0, float64(rig.CPU(p.pid)-cpu)/float64(500*time.Millisecond)*100)
		}
		in.Close()
		err = errors.Join(err, cmd.Wait())
		if err != nil || answered != n {
			return fmt.Errorf("%s: %d of %d connections were answered: %w", p.name, answered, n, err)
		}
	}
	return nil
}

// routes measures the gateway alone, with many routes beside the one that is called.
func (b *bench) routes(scenario string) error {
	cpus, other := cores(1)
	up, err := b.startUpstream(other, upstream.Options{})
	if err != nil {
		return err
	}
	apis := 1000
	if b.short {
		apis = 20
	}
	p, err := b.startGateway("gwc", cpus, manyAPIs(benchRepo(up, true), apis, 10))
	if err != nil {
		return err
	}
	for round := range b.rounds {
		plan := load.Plan{Request: get("/json", authorization), Conns: 64, For: b.secs}
		if err := b.warm(p, other, plan); err != nil {
			return err
		}
		_, cpu, err := b.measure(p, other, plan)
		if err != nil {
			return err
		}
		rss, _ := rig.Memory(p.pid)
		b.add(scenario, p.name, "CPU per request, 64 connections", "µs", round, cpu)
		b.add(scenario, p.name, "RSS, 64 connections", "MB", round, float64(rss)/(1<<20))
	}
	return nil
}

// build measures `gwc build` and the time from the start of gwcd until it is ready.
func (b *bench) build(scenario string) error {
	type shape struct{ apis, operations int }
	var shapes []shape
	for _, n := range b.sizes {
		shapes = append(shapes, shape{n, 4})
	}
	if !b.short {
		shapes = append(shapes, shape{1000, 10}) // 10,000 routes
	}
	for _, s := range shapes {
		dir := b.fresh("build")
		if err := manyAPIs(rig.Repo{}, s.apis, s.operations).Write(filepath.Join(dir, "repo")); err != nil {
			return err
		}
		file := filepath.Join(dir, "gateway.gwca")
		what := fmt.Sprintf("%d APIs, %d routes", s.apis, s.apis*s.operations)
		rounds := b.rounds
		if s.apis > 1000 {
			rounds = 1
		}
		for round := range rounds {
			start := time.Now()
			if err := b.bin.Build(context.Background(), filepath.Join(dir, "repo"), file); err != nil {
				return err
			}
			b.add(scenario, "gwc", "gwc build, "+what, "ms", round, float64(time.Since(start).Microseconds())/1e3)
			start = time.Now()
			g, err := b.bin.ServeFile(file, rig.Options{Env: b.env})
			if err != nil {
				return err
			}
			b.add(scenario, "gwc", "start until ready, "+what, "ms", round, float64(time.Since(start).Microseconds())/1e3)
			g.Stop()
		}
		if info, err := os.Stat(file); err == nil {
			b.add(scenario, "gwc", "artifact, "+what, "KB", 0, float64(info.Size())/1024)
		}
		os.RemoveAll(dir)
	}
	return nil
}
