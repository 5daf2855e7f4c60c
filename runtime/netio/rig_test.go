//go:build linux

package netio

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

// A mode is one way in which the same contract has to hold.
type mode struct {
	name    string
	async   bool
	dialled bool   // the connection under test is dialled, not accepted
	tls     uint16 // the version; 0 is clear text
	h2      bool   // a HandOver is set, so that first bytes are looked at
}

var modes = []mode{
	{name: "direct accepted"},
	{name: "direct accepted sniffing", h2: true},
	{name: "direct dialled", dialled: true},
	{name: "async accepted", async: true},
	{name: "async dialled", async: true, dialled: true},
	{name: "TLS 1.3", tls: tls.VersionTLS13},
	{name: "TLS 1.2", tls: tls.VersionTLS12},
	{name: "TLS 1.3 async", tls: tls.VersionTLS13, async: true},
}

// patience is how long a test waits for what must happen; nothing is asserted about how long it took.
const patience = 20 * time.Second

// rig is a Loop and a way to get pairs of a peer, made with package net, and a Conn.
type rig struct {
	t    *testing.T
	m    mode
	l    *Loop
	ln   *Listener    // accepted modes
	back net.Listener // dialled modes

	mu   sync.Mutex
	make func(*Conn) Handler // of the next connection
}

func newRig(t *testing.T, m mode, o Options) *rig {
	t.Helper()
	o.Async = m.async
	if o.Logf == nil {
		o.Logf = func(format string, args ...any) {}
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, m: m, l: l}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("Loop.Close: %v, with %d connections open", err, l.Conns())
		}
	})
	if m.dialled {
		r.back, err = net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.back.Close() })
		return r
	}
	lo := ListenOptions{Accept: r.accept}
	if m.tls != 0 {
		lo.TLS = &tls.Config{Certificates: []tls.Certificate{certificate()}, MinVersion: m.tls, MaxVersion: m.tls}
	}
	if m.h2 {
		lo.HandOver = func(c net.Conn) {
			t.Error("handed over")
			c.Close()
		}
	}
	if r.ln, err = l.Listen("127.0.0.1:0", lo); err != nil {
		t.Fatal(err)
	}
	return r
}

// next sets what makes the Handlers of connections that are accepted from now on.
func (r *rig) next(f func(*Conn) Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.make = f
}

func (r *rig) accept(c *Conn) Handler {
	r.mu.Lock()
	f := r.make
	r.mu.Unlock()
	return f(c)
}

// connect makes a connection whose Handler is what f returns, and returns the peer's end, with a deadline far away.
func (r *rig) connect(f func(*Conn) Handler) net.Conn {
	r.t.Helper()
	peer := r.tryConnect(f)
	if peer == nil {
		r.t.Fatal("the connection was reset before it could be used")
	}
	return peer
}

// tryConnect returns nil when the peer's connect(2) is answered with a reset.
func (r *rig) tryConnect(f func(*Conn) Handler) net.Conn {
	r.t.Helper()
	raw := r.connectRaw(f)
	if raw == nil || r.m.tls == 0 {
		return raw
	}
	return tls.Client(raw, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
}

func (r *rig) connectRaw(f func(*Conn) Handler) net.Conn {
	r.t.Helper()
	var peer net.Conn
	var err error
	if r.m.dialled {
		got := make(chan net.Conn, 1)
		go func() {
			c, err := r.back.Accept()
			if err != nil {
				r.t.Error(err)
			}
			got <- c
		}()
		if _, err := r.l.Dial(context.Background(), r.back.Addr().String(), patience, f); err != nil {
			r.t.Error(err)
		}
		peer = <-got
	} else {
		r.next(f)
		peer, err = net.Dial("tcp", r.ln.Addr().String())
	}
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { peer.Close() })
	peer.SetDeadline(time.Now().Add(3 * patience))
	return peer
}

// probe is a Handler that reports every event, and answers Data with what its func says.
type probe struct {
	t       *testing.T
	c       *Conn
	data    func(p *probe, b []byte)
	onDrain func(p *probe)
	onTime  func(p *probe)
	onHup   func(p *probe)
	drained chan struct{}
	timeout chan struct{}
	hungUp  chan struct{}
	closed  chan error

	mu     sync.Mutex
	busy   bool // Data runs
	gone   bool // Closed was called
	events int
}

func newProbe(t *testing.T, c *Conn, data func(p *probe, b []byte)) *probe {
	return &probe{t: t, c: c, data: data,
		drained: make(chan struct{}, 1), timeout: make(chan struct{}, 1), hungUp: make(chan struct{}, 1), closed: make(chan error, 1)}
}

func (p *probe) event(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events++
	if p.gone {
		p.t.Errorf("%s after Closed", name)
	}
}

func (p *probe) Data(b []byte) {
	p.event("Data")
	p.mu.Lock()
	if p.busy {
		p.t.Error("Data calls overlap")
	}
	p.busy = true
	p.mu.Unlock()
	if len(b) == 0 {
		p.t.Error("Data without bytes")
	}
	if p.data != nil {
		p.data(p, b)
	}
	p.mu.Lock()
	p.busy = false
	p.mu.Unlock()
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

func (p *probe) Drained() {
	p.event("Drained")
	if p.onDrain != nil {
		p.onDrain(p)
	}
	signal(p.drained)
}

func (p *probe) Timeout() {
	p.event("Timeout")
	if p.onTime != nil {
		p.onTime(p)
	}
	signal(p.timeout)
}

func (p *probe) HungUp() {
	p.event("HungUp")
	if p.onHup != nil {
		p.onHup(p)
	}
	signal(p.hungUp)
}

func (p *probe) Closed(err error) {
	p.event("Closed")
	p.mu.Lock()
	if p.busy {
		p.t.Error("Closed while Data runs")
	}
	p.gone = true
	p.mu.Unlock()
	p.closed <- err // a second one would block, and Loop.Close would notice
}

func wait[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

// one makes a connection with a probe and returns both ends.
func (r *rig) one(data func(p *probe, b []byte)) (*probe, net.Conn) {
	r.t.Helper()
	got := make(chan *probe, 1)
	peer := r.connect(func(c *Conn) Handler {
		p := newProbe(r.t, c, data)
		got <- p
		return p
	})
	if tc, ok := peer.(*tls.Conn); ok {
		if err := tc.Handshake(); err != nil {
			r.t.Fatal(err)
		}
	}
	return wait(r.t, got, "the connection"), peer
}

func echo(p *probe, b []byte) {
	if err := p.c.Write(b); err != nil {
		p.t.Errorf("Write: %v", err)
	}
}

var certificate = sync.OnceValue(func() tls.Certificate {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}
})

// eachMode runs f once per mode.
func eachMode(t *testing.T, f func(t *testing.T, m mode)) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { f(t, m) })
	}
}

// eachModeAtOnce is eachMode for tests that mostly wait.
func eachModeAtOnce(t *testing.T, f func(t *testing.T, m mode)) {
	eachMode(t, func(t *testing.T, m mode) {
		t.Parallel()
		f(t, m)
	})
}
