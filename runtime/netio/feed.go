//go:build linux

package netio

import (
	"io"
	"sync"
)

// block is a pooled buffer for reading outside the pollers. Methods take nil.
type block struct{ b [readSize]byte }

var blocks = sync.Pool{New: func() any { return new(block) }}

func newBlock() *block { return blocks.Get().(*block) }

func (k *block) free() {
	if k != nil {
		blocks.Put(k)
	}
}

func (k *block) bytes() []byte {
	if k == nil {
		return nil
	}
	return k.b[:]
}

// feed is where read events put bytes while a goroutine, and not the poller, is their consumer: the TLS handshake, the
// hand-over, and the pump of async mode. Guarded by Conn.mu. When it holds feedSize, reading stops (fFull).
type feed struct {
	buf  []byte
	wake chan struct{} // of capacity 1
}

func newFeed() *feed { return &feed{wake: make(chan struct{}, 1)} }

func (f *feed) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// push appends b to the feed; false when bytes do not go to the feed any more.
func (c *Conn) push(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.flags.Load()
	switch {
	case f&fDiscard != 0:
		return true
	case f&fFeed == 0:
		return false
	}
	c.feed.buf = append(c.feed.buf, b...)
	if len(c.feed.buf) >= feedSize {
		c.flags.Or(fFull)
	}
	c.feed.wakeUp()
	if c.async && c.h != nil {
		c.pump()
	}
	return true
}

// take waits for bytes in the feed and moves up to len(p) of them to p. It is for goroutines only.
func (c *Conn) take(p []byte) (int, error) {
	for {
		c.mu.Lock()
		if n := copy(p, c.feed.buf); n > 0 {
			c.feed.buf = c.feed.buf[n:]
			if len(c.feed.buf) == 0 {
				c.feed.buf = nil
			}
			if c.flags.Load()&fFull != 0 {
				c.restartLocked(fFull)
			}
			c.mu.Unlock()
			return n, nil
		}
		if c.finishing {
			err := c.cause
			c.mu.Unlock()
			if err == nil {
				err = io.EOF
			}
			return 0, err
		}
		c.mu.Unlock()
		<-c.feed.wake
	}
}

// pump starts the goroutine of async mode unless it runs. c.mu is held.
func (c *Conn) pump() {
	if c.pumping || c.handing {
		return
	}
	c.pumping = true
	c.workers++
	c.l.wg.Go(c.runPump)
}

// runPump delivers what is in the feed, and Drained, until nothing is left. It is a worker.
func (c *Conn) runPump() {
	defer c.leave()
	plain := (*block)(nil)
	defer func() { plain.free() }()
	if c.tls != nil {
		plain = newBlock()
	}
	var spare []byte
	for {
		c.mu.Lock()
		b, drained := c.feed.buf, c.drained
		if len(b) == 0 && !drained && !c.kick || c.handing {
			c.pumping = false
			c.mu.Unlock()
			return
		}
		drained = drained && c.q.n == 0 // filled again since: another Drained will come
		c.feed.buf, c.drained, c.kick = spare[:0], false, false
		if c.flags.Load()&fFull != 0 {
			c.restartLocked(fFull)
		}
		c.mu.Unlock()
		spare = b
		f := c.flags.Load()
		switch {
		case f&fDiscard != 0:
			continue
		case f&fTLS != 0:
			c.decrypt(b, plain.bytes())
		case len(b) == 0:
		case f&fSniff != 0:
			c.sniff(b)
		default:
			c.h.Data(b)
		}
		if drained && c.flags.Load()&fDiscard == 0 {
			c.h.Drained()
		}
	}
}
