package rehearse

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/compiler/script"
	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/meter"
	"github.com/gwc-dev/gwc/runtime/netio"
	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/runtime/secret"
	"github.com/gwc-dev/gwc/runtime/signer"
	"github.com/gwc-dev/gwc/runtime/snapshot"
	"github.com/gwc-dev/gwc/runtime/telemetry"
	"github.com/gwc-dev/gwc/runtime/upstream"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// production is what all tests of a run share. It is immutable, but for metrics, which nobody reads.
type production struct {
	artifact *artifact.Artifact // with keys made up for tests beside its own
	digest   string
	kinds    map[string]string
	keys     map[string][]testKey // by "tenant/app"
	metrics  *telemetry.Metrics
	secure   bool // the first listener asks for TLS
}

// testKey stands in for a key of an app.
type testKey struct {
	id      string
	text    string
	expires int64
}

func newProduction(a *artifact.Artifact, digest string) *production {
	p := &production{digest: digest, kinds: map[string]string{}, keys: map[string][]testKey{}, metrics: telemetry.New()}
	for i := range a.Providers {
		p.kinds[a.Providers[i].Name] = a.Providers[i].Kind
	}
	own := *a
	own.Keys = slices.Clone(a.Keys)
	for i := range a.Keys {
		k := a.Keys[i]
		app := &a.Apps[k.App]
		name := a.Tenants[app.Tenant].Name + "/" + app.Name
		t := testKey{id: k.ID, text: fmt.Sprintf("gwc_rehearsal_%s_%s", strings.ReplaceAll(name, "/", "_"), k.ID), expires: k.Expires}
		p.keys[name] = append(p.keys[name], t)
		k.Hash = sha256.Sum256([]byte(t.text))
		own.Keys = append(own.Keys, k)
	}
	for _, list := range p.keys {
		slices.SortFunc(list, func(x, y testKey) int { return strings.Compare(x.id, y.id) })
	}
	p.artifact = &own
	p.secure = len(a.Gateway.Listeners) > 0 && a.Gateway.Listeners[0].TLS != nil
	return p
}

// key returns the text of a key of an app: that of an id, or the first that is valid at a time, or any.
func (p *production) key(app, id string, now time.Time) (string, bool) {
	list := p.keys[app]
	for _, k := range list {
		if id != "" && k.id == id || id == "" && (k.expires == 0 || now.Unix() < k.expires) {
			return k.text, true
		}
	}
	if id == "" && len(list) > 0 {
		return list[0].text, true
	}
	return "", false
}

// gateway is the runtime of one test.
type gateway struct {
	p      *production
	loop   *netio.Loop
	time   *conductor
	stage  *stage
	pools  *upstream.Registry
	direct *engine.Direct

	mu     sync.Mutex
	record []byte // of the exchange in flight
	bugs   []string
	caller *caller
	cause  error // why it was aborted
}

// open starts a gateway.
func (p *production) open(t *script.Test) (*gateway, error) {
	g := &gateway{p: p}
	var err error
	g.loop, err = netio.New(netio.Options{Pollers: 1, Manual: true})
	if err != nil {
		return nil, err
	}
	g.time = newConductor(t.Begin, g.loop)
	g.time.stuck = g.abort
	g.stage = newStage(g.time, p.kinds, g.panicked)
	g.pools = upstream.NewRegistry(g.loop, nil, g.panicked)
	g.pools.Rehearse(g.stage, g.time.clock())
	snap, err := snapshot.New(p.artifact, p.digest, snapshot.Deps{
		Pools: g.pools, Secrets: secret.NewRehearsal(), Tokens: signer.NewRehearsal(), Metrics: p.metrics, Meter: &meter.Meter{},
	}, t.Begin)
	if err != nil {
		_ = g.loop.Close(context.Background())
		return nil, err
	}
	pipe := pipeline.New(nil, p.metrics, g.panicked)
	pipe.Rehearse(g.time.clock(), g.observe)
	pipe.Swap(snap)
	g.direct = engine.NewDirect(g.loop, pipe, observer{g})
	go g.time.run()
	return g, nil
}

// close ends everything and waits for it. It returns the bugs that were met.
func (g *gateway) close() []Failure {
	g.time.stop()
	g.stage.close()
	g.pools.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := g.loop.Close(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Failure
	for _, b := range g.bugs {
		list = append(list, Failure{Got: "a bug in gwc ended an exchange: " + b, Bug: true})
	}
	if err != nil {
		list = append(list, Failure{Got: "the gateway does not end: " + err.Error(), Bug: true})
	}
	return list
}

// observe takes the record of an exchange.
func (g *gateway) observe(r *calllog.Record) {
	b := r.AppendJSON(nil)
	g.mu.Lock()
	g.record = b
	g.mu.Unlock()
}

func (g *gateway) panicked(v any, _ []byte) {
	g.mu.Lock()
	g.bugs = append(g.bugs, fmt.Sprint(v))
	g.mu.Unlock()
}

// abort ends the exchange in flight.
func (g *gateway) abort(cause error) {
	g.mu.Lock()
	if g.cause == nil {
		g.cause = cause
	}
	c := g.caller
	g.mu.Unlock()
	if c != nil {
		_ = c.conn.SetDeadline(time.Unix(1, 0))
	}
}

// exchange is what came of one request, as patterns see it.
type exchange struct {
	answer  map[string]any
	calls   []any
	record  any // nil: none
	cut     bool
	trouble string // there is no answer for a reason outside of the gateway's configuration
	bug     bool
}

// summary is the answer in one line.
func (x *exchange) summary() string {
	if x.answer == nil {
		return ""
	}
	s := fmt.Sprint(x.answer["status"])
	if body, _ := x.answer["body"].(string); body != "" {
		s += " " + strings.TrimSpace(oneLine(body))
	}
	return s
}

func oneLine(s string) string {
	const most = 240
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// exchange makes a request.
func (g *gateway) exchange(q *script.Request, cover *Coverage) *exchange {
	g.mu.Lock()
	g.record = nil
	cause := g.cause
	g.mu.Unlock()
	if cause != nil {
		return &exchange{trouble: cause.Error()}
	}
	g.stage.took()
	key := ""
	if q.As != "" {
		var ok bool
		if key, ok = g.p.key(q.As, q.Key, g.time.time()); !ok {
			return &exchange{trouble: fmt.Sprintf("app %q has no key to call with", q.As)}
		}
	}
	fd, conn, err := pair()
	if err != nil {
		return &exchange{trouble: err.Error()}
	}
	c := &caller{conn: conn}
	defer conn.Close()
	g.mu.Lock()
	g.caller = c
	g.mu.Unlock()
	g.time.fly(c.unread)
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 50000)
	if err := g.direct.Attach("main", fd, from, g.p.secure); err != nil {
		g.time.land()
		return &exchange{trouble: err.Error()}
	}
	x := c.call(q, key, g.time.look)
	g.time.land()
	x.calls = g.stage.took()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.caller = nil
	switch {
	case g.cause != nil:
		x.trouble = g.cause.Error()
	case len(g.bugs) > 0:
		x.trouble, x.bug = "a bug in gwc ended the exchange", true
	}
	if g.record != nil {
		x.record, _ = script.Decode(g.record)
		cover.exchange(x.record, q)
	}
	return x
}

// observer is told of what no exchange was made of.
type observer struct{ g *gateway }

// Conn implements [engine.Observer].
func (observer) Conn(string, int) {}

// Refused implements [engine.Observer].
func (observer) Refused(string, string) {}

// Panicked implements [engine.Observer].
func (o observer) Panicked(v any, stack []byte) { o.g.panicked(v, stack) }

var _ engine.Observer = observer{}
