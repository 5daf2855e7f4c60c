// Package runtime runs a gateway: it opens an artifact, listens, serves, reloads and drains.
//
// [Run] is the life of the process: load → listen → serve, with the artifact's file watched, until the context ends;
// then drain → close. Everything that a request needs is made before the first one is accepted; everything that
// outlives a reload is made here, once, and handed to each snapshot.
package runtime

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gwc-dev/gwc/runtime/admin"
	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/meter"
	"github.com/gwc-dev/gwc/runtime/netio"
	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/runtime/reload"
	"github.com/gwc-dev/gwc/runtime/secret"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/runtime/telemetry"
	"github.com/gwc-dev/gwc/runtime/upstream"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

// DefaultDrain is how long SIGTERM waits for what is in flight.
const DefaultDrain = 8 * time.Second

// Options of [Run]. Path is the artifact's file. Listen and Admin override the artifact's addresses where not empty;
// Listen needs an artifact with one listener. Async runs all events on goroutines instead of pollers.
type Options struct {
	Path   string
	Listen string
	Admin  string
	Drain  time.Duration
	Pprof  bool
	Async  bool
	// HoldAtMost bounds the bytes of AI request bodies over 64 KB that are held at a time; 0: 512 MB.
	HoldAtMost int64
	// Require says whose signatures an artifact must have, at start and later.
	Require sign.Policy
	// Unsigned takes artifacts that are not signed as they demand: for a process that serves what it built itself.
	Unsigned bool
	Log      *slog.Logger
	Ready    func(Info)
}

// Info is what Run tells when the gateway is ready. Addresses are the real ones, also where port 0 was asked for.
type Info struct {
	Digest    string
	Listeners map[string]net.Addr
	Admin     net.Addr // nil: none
	LoadTime  time.Duration
}

// ErrListen wraps failures to open an address.
var ErrListen = errors.New("cannot listen")

type gateway struct {
	o       Options
	dir     string
	log     *slog.Logger
	watch   *reload.Watcher
	loop    *netio.Loop
	metrics *telemetry.Metrics
	deps    snapshot.Deps
	pipe    *pipeline.Pipeline
	calls   *calllog.Log

	draining atomic.Bool
	mu       sync.Mutex
	lastErr  string
	lastAt   time.Time
	signers  []signature // of the artifact in use
}

// Run serves the artifact until ctx ends and everything has been drained. Errors before the gateway is ready are
// returned; later ones (an artifact that cannot be loaded, a full disk) are logged and counted.
func Run(ctx context.Context, o Options) error {
	began := time.Now()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if o.Drain == 0 {
		o.Drain = DefaultDrain
	}
	g := &gateway{o: o, log: o.Log, dir: filepath.Dir(o.Path), metrics: telemetry.New()}
	var err error
	g.watch, err = reload.New(reload.Options{File: o.Path, MaxBytes: artifact.MaxSize, Apply: g.apply, OnResult: g.result, OnChange: g.refresh})
	if err != nil {
		return err
	}
	defer g.close()
	if err := g.watch.Load(); err != nil {
		return fmt.Errorf("%s: %w", o.Path, err)
	}
	art, loop := g.pipe.Snapshot().Artifact, g.loop
	if o.Listen != "" && len(art.Gateway.Listeners) != 1 {
		return fmt.Errorf("--listen overrides one listener, but the artifact has %d", len(art.Gateway.Listeners))
	}

	direct := engine.NewDirect(loop, g.pipe, observer{g})
	std := engine.NewStd(g.pipe, observer{g}, g.log)
	info := Info{Digest: g.pipe.Snapshot().Digest, Listeners: map[string]net.Addr{}}
	stopNow := make(chan struct{})
	close(stopNow)
	for _, l := range art.Gateway.Listeners {
		addr := l.Address
		if o.Listen != "" {
			addr = o.Listen
		}
		tc, err := g.serverTLS(l.TLS)
		var a net.Addr
		if err == nil {
			if l.Engine == "std" {
				a, err = std.Listen(l.Name, addr, tc)
			} else {
				a, err = direct.Listen(l.Name, addr, tc, std.HandOver(l.Name))
			}
		}
		if err != nil {
			direct.Drain(stopNow)
			std.Drain(stopNow)
			return fmt.Errorf("listener %q: %w: %w", l.Name, ErrListen, err)
		}
		info.Listeners[l.Name] = a
	}

	adminAddr := art.Gateway.Admin
	if o.Admin != "" {
		adminAddr = o.Admin
	}
	var adm *admin.Server
	if adminAddr != "" {
		adm, err = admin.Listen(adminAddr, admin.New(admin.Options{
			Metrics: g.scrape(g.metrics.Handler()), Snapshot: g.state, Ready: g.ready, Pprof: o.Pprof,
		}), g.log)
		if err != nil {
			direct.Drain(stopNow)
			std.Drain(stopNow)
			return fmt.Errorf("admin: %w: %w", ErrListen, err)
		}
		info.Admin = adm.Addr()
	}

	g.watch.Watch(g.deps.Secrets.Files())
	g.watch.Start()
	info.LoadTime = time.Since(began)
	if o.Ready != nil {
		o.Ready(info)
	}
	<-ctx.Done()

	g.draining.Store(true)
	g.watch.Close()
	g.log.Info("draining", "inflight", g.pipe.Inflight(), "deadline", o.Drain.String())
	deadline := make(chan struct{})
	timer := time.AfterFunc(o.Drain, func() { close(deadline) })
	g.pipe.Drain()
	var cut int
	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, drain := range []func(<-chan struct{}) int{direct.Drain, std.Drain} {
		wg.Go(func() {
			n := drain(deadline)
			mu.Lock()
			cut += n
			mu.Unlock()
		})
	}
	wg.Wait()
	timer.Stop()
	if cut > 0 {
		g.log.Warn("connections were cut at the drain's deadline", "connections", cut)
	}
	if adm != nil {
		closing, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		adm.Close(closing)
	}
	g.log.Info("stopped")
	return nil
}

// open makes what outlives snapshots, from the first artifact.
func (g *gateway) open(a *artifact.Artifact) error {
	var err error
	if c := a.Gateway.Calls; c.Dir != "" {
		g.calls, err = calllog.Open(calllog.Options{Dir: under(g.dir, c.Dir), Flush: c.Flush, MaxBytes: c.MaxBytes, Report: g.logTrouble})
		if err != nil {
			return fmt.Errorf("the call log cannot be opened: %w", err)
		}
		g.metrics.SetCallLog(func() telemetry.CallLog {
			s := g.calls.Stats()
			return telemetry.CallLog{Records: s.Records, Dropped: s.Dropped, Errors: s.Errors, Queued: s.Queued}
		})
	}
	// On one CPU the scheduler is given a second processor, without a second poller: it then leaves a poller that waits
	// in epoll alone, instead of taking its processor away after each wait. Streams cost a third less.
	pollers := goruntime.GOMAXPROCS(0)
	if pollers == 1 {
		goruntime.GOMAXPROCS(2)
	}
	g.loop, err = netio.New(netio.Options{Pollers: pollers, Async: g.o.Async, Logf: func(f string, a ...any) { g.log.Warn(fmt.Sprintf(f, a...)) }})
	if err != nil {
		return err
	}
	g.deps = snapshot.Deps{
		Pools:   upstream.NewRegistry(g.loop, nil, g.panicked),
		Secrets: secret.NewStore(g.dir, g.secretChanged),
		Tokens:  signer.NewTokens(g.tokenFetched),
		Metrics: g.metrics,
		Meter:   &meter.Meter{},
	}
	g.pipe = pipeline.New(g.calls, g.metrics, g.panicked)
	if g.o.HoldAtMost > 0 {
		g.pipe.HoldAtMost = g.o.HoldAtMost
	}
	return nil
}

// close ends what open and New made. It comes last, also after a failed start.
func (g *gateway) close() {
	g.watch.Close()
	if g.loop != nil {
		g.deps.Pools.Close()
		closing, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		g.loop.Close(closing)
	}
	if g.calls != nil {
		if err := g.calls.Close(); err != nil {
			g.log.Error("the call log did not close well", "error", err)
		}
	}
}

func under(dir, p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(dir, p)
}

// apply decodes and binds an artifact and makes it current. Nothing has changed where it fails.
func (g *gateway) apply(data []byte) error {
	// Before anything is read of the content.
	if err := g.trust(data); err != nil {
		return err
	}
	a, digest, err := artifact.Decode(data)
	if err != nil {
		return err
	}
	signatures, err := g.demands(a, data)
	if err != nil {
		return err
	}
	if g.pipe == nil {
		if err := g.open(a); err != nil {
			return err
		}
	} else if err := g.fixed(a); err != nil {
		return err
	}
	s, err := snapshot.New(a, digest.String(), g.deps, time.Now())
	if err != nil {
		return err
	}
	g.pipe.Swap(s)
	g.signed(signatures)
	g.retain(s)
	g.metrics.SnapshotLoaded(s.Digest, s.LoadedAt)
	g.watch.Watch(g.deps.Secrets.Files())
	return nil
}

// retain lets go of what the newest snapshot no longer names. Exchanges that began before keep what they hold.
func (g *gateway) retain(s *snapshot.Snapshot) {
	a := s.Artifact
	var routes, refs, apps []string
	var targets []telemetry.TargetID
	var ups []telemetry.UpstreamID
	for i := range a.Routes {
		routes = append(routes, a.Routes[i].ID)
	}
	for _, m := range s.Models {
		for i := range m.Targets {
			targets = append(targets, telemetry.TargetID{Provider: m.Targets[i].Provider.Name, Model: m.Targets[i].Model})
		}
	}
	for i := range s.Routes {
		if p := s.Routes[i].Provider; p != nil {
			targets = append(targets, telemetry.TargetID{Provider: p.Name})
		}
	}
	for _, u := range s.Upstreams {
		for i := range u.Endpoints {
			ups = append(ups, telemetry.UpstreamID{Name: u.Name, Endpoint: u.Endpoints[i].Pool.Addr()})
		}
	}
	for i := range a.Providers {
		refs = append(refs, a.Providers[i].Refs()...)
	}
	for _, l := range a.Gateway.Listeners {
		if l.TLS != nil {
			refs = append(refs, l.TLS.Cert, l.TLS.Key)
		}
	}
	for i := range s.Apps {
		apps = append(apps, s.Apps[i].Tenant+"/"+s.Apps[i].Name)
	}
	g.deps.Pools.Retain(s.Pools)
	g.deps.Secrets.Retain(refs)
	g.deps.Meter.Retain(apps, s.LoadedAt.UnixNano())
	g.metrics.Retain(routes, targets, ups)
}

// refresh is called by the watcher when a secret's file may have changed.
func (g *gateway) refresh(paths []string) { g.deps.Secrets.Refresh(paths...) }

// logTrouble is told when the call log cannot be written, and when it can be again.
func (g *gateway) logTrouble(err error) {
	if err != nil {
		g.log.Error("the call log cannot be written; records wait in memory and are then dropped, and counted", "error", err)
		return
	}
	g.log.Info("the call log is written again")
}

func (g *gateway) secretChanged(ref string, err error) {
	if err != nil {
		g.log.Error("a secret cannot be read again; the last good value stays", "ref", ref, "error", err)
		return
	}
	g.log.Info("secret refreshed", "ref", ref)
}

func (g *gateway) tokenFetched(id string, err error) {
	if err != nil {
		g.log.Error("a token for a provider could not be fetched", "token", id, "error", err)
		return
	}
	g.log.Info("tokens can be fetched again", "token", id)
}

// fixed refuses what cannot change while the process runs, instead of ignoring it.
func (g *gateway) fixed(a *artifact.Artifact) error {
	was := &g.pipe.Snapshot().Artifact.Gateway
	now := &a.Gateway
	same := len(was.Listeners) == len(now.Listeners) && was.Calls == now.Calls && was.Admin == now.Admin
	for i := 0; same && i < len(now.Listeners); i++ {
		x, y := was.Listeners[i], now.Listeners[i]
		same = x.Name == y.Name && x.Address == y.Address && x.Engine == y.Engine &&
			(x.TLS == nil) == (y.TLS == nil) && (x.TLS == nil || *x.TLS == *y.TLS)
	}
	if !same {
		return errRestart
	}
	return nil
}

// result is told how each reload went.
func (g *gateway) result(err error, _ string) {
	g.metrics.Reloaded(err)
	if err != nil {
		g.metrics.ReloadFailed(why(err))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.lastErr, g.lastAt = err.Error(), time.Now()
		g.log.Error("the artifact was not loaded; the last good one stays", "file", filepath.Base(g.o.Path), "error", err, "serving", g.pipe.Snapshot().Digest)
		return
	}
	g.lastErr = ""
	g.log.Info("artifact loaded", "digest", g.pipe.Snapshot().Digest)
}

// scrape brings the upstreams' gauges up to date before each scrape, so that no request pays for them.
func (g *gateway) scrape(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, u := range g.pipe.Snapshot().Upstreams {
			for i := range u.Endpoints {
				st := u.Endpoints[i].Pool.Stats()
				u.Endpoints[i].Metrics.SetConns(st.Open, st.Idle)
				u.Endpoints[i].Metrics.SetHealthy(st.Healthy)
			}
		}
		h.ServeHTTP(w, r)
	})
}

// state is the body of /snapshot.
func (g *gateway) state() any {
	s := g.pipe.Snapshot()
	g.mu.Lock()
	defer g.mu.Unlock()
	st := struct {
		Digest    string         `json:"digest"`
		Signers   []signature    `json:"signatures"`
		Require   []required     `json:"required_signatures,omitempty"`
		LoadedAt  time.Time      `json:"loaded_at"`
		Counts    map[string]int `json:"counts"`
		Inflight  int64          `json:"inflight"`
		LastError string         `json:"last_error,omitempty"`
		FailedAt  *time.Time     `json:"failed_at,omitempty"`
	}{Digest: s.Digest, Signers: g.signers, Require: g.required(), LoadedAt: s.LoadedAt.UTC(), Counts: s.Counts(), Inflight: g.pipe.Inflight(), LastError: g.lastErr}
	if g.lastErr != "" {
		at := g.lastAt.UTC()
		st.FailedAt = &at
	}
	return st
}

func (g *gateway) ready() (bool, string) {
	if g.draining.Load() {
		return false, "draining"
	}
	return true, ""
}

// serverTLS gives a listener's configuration. The certificate is made anew when its files have changed, for
// connections from then on; a pair that does not fit keeps the last good one. TLS 1.2 is the floor: SDKs of some age
// still speak it.
func (g *gateway) serverTLS(t *artifact.TLS) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	chain, err := g.deps.Secrets.ResolvePEM(t.Cert)
	if err != nil {
		return nil, err
	}
	key, err := g.deps.Secrets.ResolvePEM(t.Key)
	if err != nil {
		return nil, err
	}
	type pair struct {
		cert     tls.Certificate
		versions [2]uint64
	}
	load := func() (*pair, error) {
		p := &pair{versions: [2]uint64{chain.Version(), key.Version()}}
		var err error
		p.cert, err = tls.X509KeyPair([]byte(chain.Get()), []byte(key.Get()))
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", t.Cert, t.Key, err)
		}
		return p, nil
	}
	first, err := load()
	if err != nil {
		return nil, err
	}
	var current atomic.Pointer[pair]
	current.Store(first)
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			p := current.Load()
			if p.versions != [2]uint64{chain.Version(), key.Version()} {
				if n, err := load(); err == nil {
					current.Store(n)
					return &n.cert, nil
				}
			}
			return &p.cert, nil
		},
	}, nil
}

// observer counts what the engines see.
type observer struct{ g *gateway }

// Conn implements [engine.Observer].
func (o observer) Conn(listener string, delta int) {
	if delta > 0 {
		o.g.metrics.Listener(listener).Opened()
	} else {
		o.g.metrics.Listener(listener).Closed()
	}
}

// Refused implements [engine.Observer].
func (o observer) Refused(_, reason string) { o.g.metrics.Refused(reason) }

// Panicked implements [engine.Observer].
func (o observer) Panicked(v any, stack []byte) { o.g.panicked(v, stack) }

func (g *gateway) panicked(v any, stack []byte) {
	g.metrics.Panicked()
	g.log.Error("a bug in gwc ended an exchange", "panic", fmt.Sprint(v), "stack", string(stack))
}
