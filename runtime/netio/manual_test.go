//go:build linux

package netio

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waiter notes how far a Loop's time had moved when its connection timed out.
type waiter struct {
	nc     *Conn
	now    *time.Duration
	fired  []time.Duration
	bytes  chan string
	closed chan struct{}
}

func (w *waiter) Data(b []byte) { w.bytes <- string(b) }
func (w *waiter) Drained()      {}
func (w *waiter) Timeout()      { w.fired = append(w.fired, *w.now) }
func (w *waiter) Closed(error)  { close(w.closed) }

// TestAManualLoopMovesFromDeadlineToDeadline attaches a socket that this test made, and moves the time by hand: nothing
// happens by itself, and what is due happens before Advance returns.
func TestAManualLoopMovesFromDeadlineToDeadline(t *testing.T) {
	l, err := New(Options{Pollers: 1, Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	peer := os.NewFile(uintptr(fds[1]), "peer")
	var now time.Duration
	w := &waiter{now: &now, bytes: make(chan string, 1), closed: make(chan struct{})}
	from := netip.MustParseAddrPort("192.0.2.1:7")
	if w.nc, err = l.Attach(fds[0], from, func(*Conn) Handler { return w }); err != nil {
		t.Fatal(err)
	}
	if w.nc.RemoteAddr() != from {
		t.Errorf("the peer is %v", w.nc.RemoteAddr())
	}
	if _, err := peer.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	if got := <-w.bytes; got != "hello" {
		t.Errorf("it read %q", got)
	}
	if d, ok := l.Next(); ok {
		t.Errorf("a deadline in %v without a timeout", d)
	}
	for _, timeout := range []time.Duration{time.Millisecond, 2 * time.Second, 2 * time.Minute, 30 * time.Hour} {
		w.fired = nil
		w.nc.SetTimeout(timeout)
		d, ok := l.Next()
		if !ok || d < timeout || d > timeout+200*time.Millisecond {
			t.Fatalf("a timeout of %v is due in %v, %v", timeout, d, ok)
		}
		now += d - 1
		l.Advance(d - 1)
		if len(w.fired) > 0 {
			t.Fatalf("a timeout of %v fired after %v", timeout, d-1)
		}
		now++
		l.Advance(1)
		if len(w.fired) != 1 {
			t.Fatalf("a timeout of %v did not fire after %v", timeout, d)
		}
	}
	w.nc.SetTimeout(time.Second)
	w.nc.SetTimeout(0)
	l.Advance(time.Hour)
	if len(w.fired) != 1 {
		t.Error("a timeout that was cleared has fired")
	}
	peer.Close()
	<-w.closed
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
