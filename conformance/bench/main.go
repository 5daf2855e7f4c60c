//go:build linux

// Command bench measures what a gateway costs, beside nginx and HAProxy doing the same job on the same machine in the
// same minutes.
//
//	go run ./bench [--bin DIR] [--rounds N] [--secs D] [--only a,b] [--short] [--json FILE]
//
// The first number is CPU time of the proxy's processes per request, from the scheduler's nanosecond counts: client,
// upstream and proxy share a few cores, so requests per second would measure all three. Absolute times say little
// about another machine; ratios to nginx, whose rounds alternate with the gateway's, do. Latency is what a proxy adds
// to the same load sent straight to the upstream, in an open loop at a fixed rate.
//
// The command starts itself again for the load generator and the upstream (the roles "load", "hold" and "upstream"),
// so that each is a process that can be pinned. wrk was refused for the load: it has no open loop, and it cannot
// count the events of a stream.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gwc-dev/gwc/conformance/bench/load"
	"github.com/gwc-dev/gwc/conformance/bench/upstream"
	"github.com/gwc-dev/gwc/conformance/rig"
)

// options of the command line.
type options struct {
	rounds    int
	secs      time.Duration // of one measured run
	rate      float64       // of the open loop
	idle      int           // connections held open
	sizes     []int         // of the repositories that are built
	companies []int         // APIs of the repositories with which the compiler is measured
	only      []string      // scenarios
	out       string
	binDir    string
	env       []string // of the gateway
	short     bool
	peers     bool // without the gateway
}

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			if err := role(); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				os.Exit(1)
			}
			return
		}
	}
	var o options
	flag.StringVar(&o.binDir, "bin", "", "folder with gwc and gwcd; they are built when it is not given")
	flag.IntVar(&o.rounds, "rounds", 5, "rounds; the medians of them are shown")
	flag.DurationVar(&o.secs, "secs", 2*time.Second, "length of one measured run")
	flag.Float64Var(&o.rate, "rate", 4000, "requests a second of the open loop")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections to hold")
	only := flag.String("only", "", "comma-separated scenarios, of: "+strings.Join(scenarioNames(), ", "))
	gatewayEnv := flag.String("env", "", "comma-separated NAME=VALUE for the gateway, such as GOMAXPROCS=2")
	flag.StringVar(&o.out, "json", "", "file to write every measurement to")
	flag.BoolVar(&o.peers, "peers", false, "measure only nginx and HAProxy: what the rig itself is good for")
	flag.BoolVar(&o.short, "short", false, "a smoke test of some twenty seconds; its numbers mean nothing")
	flag.Parse()
	o.sizes, o.companies = []int{100, 1_000, 10_000}, []int{1_000, 10_000, 100_000}
	if o.short {
		o.rounds, o.secs, o.rate, o.idle, o.sizes, o.companies = 1, 150*time.Millisecond, 1000, 200, []int{100}, []int{20, 100}
	}
	for _, s := range strings.FieldsFunc(*only, func(r rune) bool { return r == ',' }) {
		if !slices.Contains(scenarioNames(), s) {
			fmt.Fprintf(os.Stderr, "bench: there is no scenario %q, only %s\n", s, strings.Join(scenarioNames(), ", "))
			os.Exit(64)
		}
		o.only = append(o.only, s)
	}
	if *gatewayEnv != "" {
		o.env = strings.Split(*gatewayEnv, ",")
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	// Ten thousand connections on both sides of a proxy. Children inherit the limit.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = min(limit.Max, 65536)
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	dir, err := os.MkdirTemp("", "gwc-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var bin rig.Binaries
	if o.binDir != "" {
		os.Setenv("GWC_BIN", o.binDir)
	}
	if !o.peers {
		if bin, err = rig.Find(dir); err != nil {
			return err
		}
	}
	b := &bench{options: o, bin: bin, dir: dir}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		b.stopAll() // what is measured next fails, and run returns with the table so far
	}()
	defer b.stopAll()
	b.findPeers()
	var failed []error
	for _, s := range scenarios {
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s: %s\n", s.name, s.what)
		if err := s.run(b, s.name); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", s.name, err))
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", s.name, err)
		}
		b.stopAll()
	}
	fmt.Print(b.table())
	if o.out != "" {
		if err := b.save(o.out); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// roles are what this program is when it starts itself.
var roles = map[string]func() error{
	"load": func() error {
		var p load.Plan
		if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
			return err
		}
		r, err := load.Run(p)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	},
	"hold": func() error {
		var p load.Plan
		d := json.NewDecoder(os.Stdin)
		if err := d.Decode(&p); err != nil {
			return err
		}
		release := make(chan struct{})
		go func() {
			io.Copy(io.Discard, os.Stdin)
			close(release)
		}()
		return load.Hold(p, func(n int) { fmt.Println(n) }, release)
	},
	"upstream": func() error {
		var o upstream.Options
		if err := json.Unmarshal([]byte(os.Args[2]), &o); err != nil {
			return err
		}
		return upstream.Run(o)
	},
}

// bench is one run of the command.
type bench struct {
	options
	bin    rig.Binaries
	dir    string
	self   string
	nginx  string // path, or empty where it is not installed
	haprox string
	procs  []interface{ Stop() }
	rows   []Measurement
	serial int
}

func (b *bench) stopAll() {
	for _, p := range slices.Backward(b.procs) {
		p.Stop()
	}
	b.procs = nil
}

// findPeers looks for the proxies to compare with, and installs what is missing where it may.
func (b *bench) findPeers() {
	var missing []string
	for name, path := range map[string]*string{"nginx": &b.nginx, "haproxy": &b.haprox} {
		if p, err := lookPath(name); err == nil {
			*path = p
		} else {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return
	}
	slices.Sort(missing)
	if _, err := exec.LookPath("apt-get"); err == nil && os.Getuid() == 0 {
		cmd := exec.Command("apt-get", append([]string{"install", "-y", "--no-install-recommends"}, missing...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: apt-get: %v\n%s\n", err, out)
		}
		b.nginx, _ = lookPath("nginx")
		b.haprox, _ = lookPath("haproxy")
	}
	for name, path := range map[string]string{"nginx": b.nginx, "haproxy": b.haprox} {
		if path == "" {
			fmt.Fprintf(os.Stderr, "bench: skipped: %s is not installed\n", name)
		}
	}
}

// lookPath also looks where Debian keeps daemons.
func lookPath(name string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// load runs one load in a process of its own.
func (b *bench) load(cpus string, p load.Plan) (load.Result, error) {
	var r load.Result
	cmd := b.role(cpus, "load")
	in, err := json.Marshal(p)
	if err != nil {
		return r, err
	}
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return r, fmt.Errorf("load: %w: %s", err, exit.Stderr)
		}
		return r, fmt.Errorf("load: %w", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("load: %w: %s", err, out)
	}
	if r.Done == 0 || r.Bad > 0 || r.Errors > 0 {
		return r, fmt.Errorf("the load was not answered well: %+v", r)
	}
	return r, nil
}

func (b *bench) role(cpus, role string) *exec.Cmd {
	if cpus == "" {
		return exec.Command(b.self, role)
	}
	return exec.Command("taskset", "-c", cpus, b.self, role)
}

// cores says where proxy and peers run: the proxy alone on one core, or everything on two. It is empty, which pins
// nothing, where that cannot be had.
func cores(proxyCores int) (proxy, other string) {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		return "", ""
	}
	if proxyCores == 1 {
		return "0", "1"
	}
	return "0,1", "0,1"
}
