//go:build linux

package netio

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Loop owns pollers, a timer wheel, and the connections that live on them. Loops share nothing with each other.
type Loop struct {
	o       Options
	pollers []*poller
	next    atomic.Uint32
	wheel   wheel
	wg      sync.WaitGroup // every goroutine of the Loop

	mu      sync.Mutex
	closed  bool
	first   *Conn // intrusive list of the open connections
	open    int
	empty   chan struct{} // closed when closed is set and the list is empty
	lns     map[*Listener]struct{}
	stopped chan struct{}
}

// New starts the pollers and the timer wheel of a Loop. Close ends them.
func New(o Options) (*Loop, error) {
	if o.Pollers <= 0 {
		o.Pollers = runtime.GOMAXPROCS(0)
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = defaultMaxQueue
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = defaultWriteTimeout
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	l := &Loop{o: o, empty: make(chan struct{}), stopped: make(chan struct{}), lns: map[*Listener]struct{}{}}
	for range o.Pollers {
		p, err := newPoller()
		if err != nil {
			for _, p := range l.pollers {
				_ = p.Close()
				_ = p.Wait() // sees the close at once and frees the descriptors
			}
			return nil, fmt.Errorf("netio: opening a poller: %w", err)
		}
		l.pollers = append(l.pollers, p)
	}
	for _, p := range l.pollers {
		l.wg.Go(func() {
			if err := p.Wait(); err != nil {
				l.o.Logf("netio: a poller stopped: %v", err)
			}
		})
	}
	l.wheel.init(l)
	if !o.Manual {
		l.wg.Go(l.wheel.run)
	}
	return l, nil
}

// Conns returns how many connections are open, those in the TLS handshake and those that linger included.
func (l *Loop) Conns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Close closes the listeners, aborts every connection, waits until all have had their Closed, and stops the pollers
// and the wheel. Connections that were handed over are not the Loop's any more. When ctx ends first, its error is
// returned and the rest happens when the last callback returns. It must not be called from a callback.
func (l *Loop) Close(ctx context.Context) error {
	l.mu.Lock()
	first := !l.closed
	l.closed = true
	var lns []*Listener
	for ln := range l.lns {
		lns = append(lns, ln)
	}
	var conns []*Conn
	for c := l.first; c != nil; c = c.next {
		conns = append(conns, c)
	}
	if first && l.open == 0 {
		close(l.empty)
	}
	l.mu.Unlock()
	for _, ln := range lns {
		_ = ln.Close()
	}
	for _, c := range conns {
		c.kill(ErrLoopClosed, true)
	}
	if first {
		go func() { // ends with the Loop's last goroutine; Close waits for it below
			<-l.empty
			for _, p := range l.pollers {
				if err := p.Close(); err != nil {
					l.o.Logf("netio: closing a poller: %v", err)
				}
			}
			l.wheel.stop()
			l.wg.Wait()
			close(l.stopped)
		}()
	}
	select {
	case <-l.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pick chooses the poller of a new connection, in turn.
func (l *Loop) pick() *poller {
	return l.pollers[int(l.next.Add(1))%len(l.pollers)]
}

// add puts c on the list; false when the Loop is closed.
func (l *Loop) add(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	c.next = l.first
	if l.first != nil {
		l.first.prev = c
	}
	l.first = c
	l.open++
	return true
}

func (l *Loop) remove(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	l.open--
	if l.closed && l.open == 0 {
		close(l.empty)
	}
}
