//go:build linux

// Package load makes requests: one thread, many keep-alive connections.
//
// Closed loop: every connection sends its next request when it has the answer; this shows what a proxy costs.
// Open loop: requests are due at fixed instants whatever the proxy does, and latency counts from the instant a
// request was due, so that a stall is not hidden by the requests that were not sent meanwhile (coordinated
// omission).
package load

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/gwc-dev/gwc/conformance/bench/epoll"
	"github.com/gwc-dev/gwc/conformance/bench/wire"
)

// Plan is what to do.
type Plan struct {
	Port    int
	Request []byte // the same bytes for every request
	Conns   int
	Rate    float64       // requests a second in all (open loop); 0: closed loop
	For     time.Duration // no request is begun after it
	Wait    time.Duration // for answers after that; at least 5 s
	Warm    time.Duration // latencies of this time at the beginning are not counted
}

// Result is what came of it. Latencies are in microseconds, of requests that were answered.
type Result struct {
	Done, Errors, Bad int // answered; connection lost; answered with another status than 2xx
	Events            int // of streams
	Unsent            int // open loop: due but still waiting for a free connection at the end
	Seconds           float64
	P50, P90, P99     float64
	Max               float64
}

type conn struct {
	fd      int
	due     time.Time
	busy    bool
	in      wire.Reader
	pending []byte
}

// Run executes a plan.
func Run(p Plan) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var res Result
	poll, err := epoll.New()
	if err != nil {
		return res, err
	}
	byFD := map[int]*conn{}
	var idle []*conn
	open := func() error {
		fd, err := epoll.Dial(p.Port)
		if err != nil {
			return err
		}
		c := &conn{fd: fd}
		byFD[fd] = c
		poll.Add(fd, epoll.In|epoll.RdHup)
		idle = append(idle, c)
		return nil
	}
	for range p.Conns {
		if err := open(); err != nil {
			return res, err
		}
	}
	send := func(due time.Time) {
		c := idle[len(idle)-1]
		idle = idle[:len(idle)-1]
		c.due, c.busy = due, true
		if n := epoll.Write(c.fd, p.Request); n >= 0 && n < len(p.Request) {
			c.pending = p.Request[n:]
			poll.Modify(c.fd, epoll.In|epoll.Out|epoll.RdHup)
		} // a connection that is gone shows itself by an event
	}
	var latencies []float64
	buf := make([]byte, 64<<10)
	start := time.Now()
	end, hard := start.Add(p.For), start.Add(p.For+max(p.Wait, 5*time.Second))
	next, period := start, time.Duration(0)
	if p.Rate > 0 {
		period = time.Duration(float64(time.Second) / p.Rate)
	}
	for now := start; ; now = time.Now() {
		if now.After(hard) || now.After(end) && len(idle) == len(byFD) {
			break
		}
		wait := 100 * time.Millisecond
		if now.Before(end) {
			if period == 0 {
				for len(idle) > 0 {
					send(now)
				}
			}
			for period > 0 && !next.After(now) && len(idle) > 0 {
				send(next)
				next = next.Add(period)
			}
			if period > 0 && len(idle) > 0 {
				wait = time.Until(next)
			}
		}
		for _, e := range poll.Wait(wait) {
			c := byFD[int(e.Fd)]
			if c == nil {
				continue
			}
			if e.Events&epoll.Out != 0 && len(c.pending) > 0 {
				if n := epoll.Write(c.fd, c.pending); n > 0 {
					if c.pending = c.pending[n:]; len(c.pending) == 0 {
						poll.Modify(c.fd, epoll.In|epoll.RdHup)
					}
				}
			}
			if e.Events&^epoll.Out == 0 {
				continue
			}
			n, ok := epoll.Read(c.fd, buf)
			if !ok {
				continue
			}
			if n == 0 {
				res.Errors++
				epoll.Close(c.fd)
				delete(byFD, c.fd)
				idle = slices.DeleteFunc(idle, func(x *conn) bool { return x == c })
				if err := open(); err != nil {
					return res, err
				}
				continue
			}
			_, done := c.in.Feed(buf[:n], nil)
			if !done || !c.busy {
				continue
			}
			c.busy = false
			idle = append(idle, c)
			res.Events += c.in.Events
			c.in.Events = 0
			if len(c.in.Head) < 12 || c.in.Head[9] != '2' {
				res.Bad++
			}
			res.Done++
			t := time.Now()
			if t.Sub(start) >= p.Warm {
				latencies = append(latencies, float64(t.Sub(c.due).Nanoseconds())/1e3)
			}
			if period == 0 && t.Before(end) {
				send(t) // at once, not when the batch is over: bursts would flatter proxies that like them
			}
		}
	}
	res.Seconds = time.Since(start).Seconds()
	if period > 0 && next.Before(end) {
		res.Unsent = int(end.Sub(next) / period)
	}
	for fd := range byFD {
		epoll.Close(fd)
	}
	slices.Sort(latencies)
	quantile := func(q float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[min(len(latencies)-1, int(q*float64(len(latencies))))]
	}
	res.P50, res.P90, res.P99, res.Max = quantile(.5), quantile(.9), quantile(.99), quantile(1)
	return res, nil
}

// Hold opens connections, makes one request on each, says ready and keeps them until release is closed. It returns
// how many of them were answered.
func Hold(p Plan, ready func(answered int), release <-chan struct{}) error {
	poll, err := epoll.New()
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	answered := 0
	for range p.Conns {
		fd, err := epoll.Dial(p.Port)
		if err != nil {
			return fmt.Errorf("after %d connections: %w", answered, err)
		}
		poll.Add(fd, epoll.In)
		epoll.Write(fd, p.Request)
		var in wire.Reader
		for tries := 0; tries < 50; tries++ {
			poll.Wait(100 * time.Millisecond)
			n, ok := epoll.Read(fd, buf)
			if !ok {
				continue
			}
			if n == 0 {
				break
			}
			if _, done := in.Feed(buf[:n], nil); done {
				answered++
				break
			}
		}
	}
	ready(answered)
	<-release
	return nil
}
