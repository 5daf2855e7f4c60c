//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/conformance/bench/upstream"
	"github.com/gwc-dev/gwc/conformance/rig"
)

// proxy is a running candidate.
type proxy struct {
	name string
	port int
	pid  int
}

const key = "gwc_bench_key_of_a_bench_app"

// startUpstream runs the epoll upstream and returns its port.
func (b *bench) startUpstream(cpus string, o upstream.Options) (int, error) {
	o.Port = rig.FreePort()
	if o.Events == 0 {
		o.Events, o.Gap = 100, 5*time.Millisecond
	}
	arg, err := json.Marshal(o)
	if err != nil {
		return 0, err
	}
	p, err := rig.Start(cpus, []string{"GOMAXPROCS=2"}, b.self, "upstream", string(arg))
	if err != nil {
		return 0, err
	}
	b.procs = append(b.procs, p)
	return o.Port, dialable(o.Port)
}

// dialable waits until a port accepts connections.
func dialable(port int) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

const nginxConf = `
daemon off; master_process on; worker_processes %[1]d; pid %[2]s/nginx.pid; error_log %[2]s/error.log crit;
worker_rlimit_nofile 40000;
events { worker_connections 25000; }
http {
  access_log %[3]s; keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on;
  client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Proxy 1;
  upstream b { server 127.0.0.1:%[4]d; keepalive 2048; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:%[5]d backlog=4096;
    location / { proxy_pass http://b; }
    location /sse { proxy_pass http://b; proxy_buffering off; }
    location /v1/stream/ { proxy_pass http://b; proxy_buffering off; }
  }
}
`

// startNginx runs nginx, with its usual buffered access log or without one.
func (b *bench) startNginx(name, cpus string, workers, up int, accessLog bool) (*proxy, error) {
	dir := b.fresh(name)
	log := "off"
	if accessLog {
		log = dir + "/access.log combined buffer=64k flush=1s"
	}
	port := rig.FreePort()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, nginxConf, workers, dir, log, up, port), 0o644); err != nil {
		return nil, err
	}
	return b.startPeer(name, port, cpus, b.nginx, "-c", file, "-p", dir, "-e", "/dev/null")
}

const haproxyConf = `
global
  nbthread %d
  maxconn 9900
defaults
  mode http
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  http-reuse always
frontend f
  bind 127.0.0.1:%d
  default_backend b
backend b
  http-request set-header X-Proxy 1
  server s 127.0.0.1:%d
`

func (b *bench) startHAProxy(cpus string, threads, up int) (*proxy, error) {
	dir := b.fresh("haproxy")
	port := rig.FreePort()
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, fmt.Appendf(nil, haproxyConf, threads, port, up), 0o644); err != nil {
		return nil, err
	}
	return b.startPeer("haproxy", port, cpus, b.haprox, "-f", file, "-db")
}

func (b *bench) startPeer(name string, port int, cpus, program string, args ...string) (*proxy, error) {
	p, err := rig.Start(cpus, nil, program, args...)
	if err != nil {
		return nil, err
	}
	b.procs = append(b.procs, p)
	if err := dialable(port); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, p.Output())
	}
	return &proxy{name, port, p.PID()}, nil
}

// startGateway builds a repository and serves it.
func (b *bench) startGateway(name, cpus string, r rig.Repo) (*proxy, error) {
	g, err := b.bin.Serve(context.Background(), r, rig.Options{Dir: b.fresh(name), CPUs: cpus, Env: b.env})
	if err != nil {
		return nil, err
	}
	b.procs = append(b.procs, g)
	var port int
	fmt.Sscanf(g.Addr[strings.LastIndexByte(g.Addr, ':')+1:], "%d", &port)
	return &proxy{name, port, g.PID()}, nil
}

// fresh makes a folder.
func (b *bench) fresh(name string) string {
	b.serial++
	dir := filepath.Join(b.dir, fmt.Sprintf("%02d-%s", b.serial, name))
	os.MkdirAll(dir, 0o755) // what is written into it next reports the failure
	return dir
}

// benchRepo is a repository whose API has GET /json and GET /sse, and whose models "chat" and "translated" lead to
// the upstream as an OpenAI and as an Anthropic provider. Full has everything on; otherwise there is no key, no limit
// and no call log.
func benchRepo(up int, full bool) rig.Repo {
	auth, calls := "none", `""`
	if full {
		auth, calls = "key", `"calls"`
	}
	sum := sha256.Sum256([]byte(key))
	return rig.Repo{
		"gateway.cue": fmt.Sprintf(`package gateway

gateway: {
	listeners: main: address: "127.0.0.1:8080"
	admin: address: "127.0.0.1:9090"
	calls: dir: %s
}
providers: {
	openai: {kind: "openai", baseURL: "http://127.0.0.1:%[2]d/v1", credentials: [{ref: "file:provider-key"}]}
	claude: {kind: "anthropic", baseURL: "http://127.0.0.1:%[2]d", credentials: [{ref: "file:provider-key"}]}
}
models: {
	chat: targets: [{provider: "openai", model: "gpt-4o-mini"}]
	translated: targets: [{provider: "claude", model: "claude-sonnet-4-5"}]
}
upstreams: bench: endpoints: [{url: "http://127.0.0.1:%[2]d"}]
tenants: bench: apps: load: {
	keys: [{id: "load-1", hash: "sha256:%s"}]
	models: ["chat", "translated"]
	limits: [{requests: 1000000000, per: "1s"}]
}
apis: bench: {owner: "bench", openapi: "openapi.yaml", upstream: "bench", policies: auth: %q}
`, calls, up, hex.EncodeToString(sum[:]), auth),
		"openapi.yaml": `openapi: 3.0.3
info: {title: Bench, version: 1.0.0}
paths:
  /json:
    get: {operationId: json, responses: {"200": {description: OK}}}
  /sse:
    get: {operationId: sse, responses: {"200": {description: OK}}}
`,
		// References to files are relative to the artifact, which lies in the folder beside.
		"../run/provider-key": "bench-provider-key\n",
	}
}

// manyAPIs adds tenants with ten APIs each to a repository, every API with an OpenAPI document of n operations.
func manyAPIs(r rig.Repo, apis, operations int) rig.Repo {
	if _, ok := r["gateway.cue"]; !ok {
		r["gateway.cue"] = "package gateway\n\ngateway: listeners: main: address: \"127.0.0.1:8080\"\ngateway: admin: address: \"127.0.0.1:9090\"\n"
	}
	r["platform/upstreams.cue"] = "package gateway\n\nupstreams: back: endpoints: [{url: \"http://127.0.0.1:9\"}]\n"
	for i := range apis {
		tenant, api := fmt.Sprintf("t%04d", i/10), fmt.Sprintf("a%05d", i)
		folder := "tenants/" + tenant + "/"
		if i%10 == 0 {
			sum := sha256.Sum256([]byte(tenant))
			r[folder+"tenant.cue"] = fmt.Sprintf("package gateway\n\ntenants: %[1]s: {\n\towners: [\"@%[1]s/leads\"]\n\tapps: web: {\n\t\tkeys: [{id: \"web-1\", hash: \"sha256:%[2]x\"}]\n\t\tlimits: [{requests: 600, per: \"1m\"}]\n\t}\n}\n", tenant, sum)
		}
		folder += "apis/" + api + "/"
		r[folder+"api.cue"] = fmt.Sprintf("package gateway\n\napis: %[1]s: {\n\towner: %[2]q\n\topenapi: \"openapi.yaml\"\n\tbasePath: \"/%[2]s/%[1]s\"\n\tupstream: \"back\"\n\toperations: op0: policies: timeout: \"2s\"\n}\n", api, tenant)
		var doc strings.Builder
		fmt.Fprintf(&doc, "openapi: 3.0.3\ninfo:\n  title: API %s\n  version: 1.0.0\npaths:\n", api)
		for k := 0; k < operations; k += 2 {
			fmt.Fprintf(&doc, "  /things%d/{id}:\n    parameters:\n      - {name: id, in: path, required: true, schema: {type: string}}\n", k)
			for j, method := range []string{"get", "put"}[:min(2, operations-k)] {
				fmt.Fprintf(&doc, "    %s:\n      operationId: op%d\n      summary: Operation %d of %s\n      responses:\n        \"200\":\n          description: OK\n          content:\n            application/json:\n              schema: {$ref: \"#/components/schemas/Thing\"}\n", method, k+j, k+j, api)
			}
		}
		doc.WriteString("components:\n  schemas:\n    Thing:\n      type: object\n      required: [id]\n      properties:\n        id: {type: string}\n        name: {type: string}\n        size: {type: integer, minimum: 0}\n")
		r[folder+"openapi.yaml"] = doc.String()
	}
	return r
}
