package engine

import (
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// stallTimeout is how long a client of a tunnel may take no byte of what waits for it; netio has the same for the
// direct engine.
const stallTimeout = 30 * time.Second

// carry serves an exchange that has become a tunnel, to its end: the connection is taken from net/http, a goroutine
// reads it, and the handler's goroutine, which calls, writes it. first is what was written behind the head.
func (c *stdClient) carry(r *http.Request, fields, first []byte) {
	name, _ := r.Context().Value(listenerKey{}).(string)
	conn, buffered, err := c.rc.Hijack()
	if err != nil { // HTTP/2: the exchange should have looked at HasUpgrade
		c.leave(err)
		return
	}
	c.s.carried.Add(1)
	c.s.open.Add(1)
	c.s.tunnels.Store(conn, nil)
	c.s.obs.Conn(name, 1) // net/http has counted it out
	c.mu.Lock()
	c.tunnel = conn
	conn.SetDeadline(time.Time{})
	conn.SetWriteDeadline(time.Now().Add(stallTimeout))
	c.mu.Unlock()
	head := append(http1.AppendStatusLine(nil, http.StatusSwitchingProtocols), fields...)
	head = append(append(head, "Connection: Upgrade\r\n\r\n"...), first...)
	var pre []byte // what a hasty client has sent behind its handshake
	if n := buffered.Reader.Buffered(); n > 0 {
		pre, _ = buffered.Reader.Peek(n)
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		c.hear(conn, pre)
	}()
	graceful := c.tell(conn, head, len(first))
	if half, ok := conn.(interface{ CloseWrite() error }); graceful && ok && half.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(lingerTime))
		select {
		case <-reading:
			io.CopyN(io.Discard, conn, lingerMax)
		case <-time.After(lingerTime):
		}
	} else if tcp, ok := conn.(*net.TCPConn); ok && c.aborted {
		tcp.SetLinger(0)
	}
	conn.Close()
	<-reading
	c.s.tunnels.Delete(conn)
	c.s.obs.Conn(name, -1)
	c.s.open.Add(-1)
	c.s.carried.Add(-1)
}

// hear pushes what the client sends to the exchange, until either ends.
func (c *stdClient) hear(conn net.Conn, pre []byte) {
	if len(pre) > 0 && !c.heard(pre, nil) {
		return
	}
	pre = nil
	small := make([]byte, 4<<10) // an idle tunnel waits with this one
	for {
		c.mu.Lock()
		for c.paused && c.x != nil {
			c.cond.Wait()
		}
		over := c.x == nil
		c.mu.Unlock()
		if over {
			return
		}
		n, err := conn.Read(small)
		if !c.heard(small[:n], err) {
			return
		}
		if n == len(small) && !c.hearMore(conn) {
			return
		}
	}
}

// hearMore goes on with a large buffer while the client sends much. It reports whether the tunnel goes on.
func (c *stdClient) hearMore(conn net.Conn) bool {
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	if cap(*buf) < 32<<10 {
		*buf = make([]byte, 0, 32<<10)
	}
	b := (*buf)[:cap(*buf)]
	for {
		c.mu.Lock()
		for c.paused && c.x != nil {
			c.cond.Wait()
		}
		over := c.x == nil
		c.mu.Unlock()
		if over {
			return false
		}
		n, err := conn.Read(b)
		if !c.heard(b[:n], err) {
			return false
		}
		if n < len(b)/4 {
			return true
		}
	}
}

// heard gives a piece to the exchange. It reports whether more is wanted.
func (c *stdClient) heard(b []byte, err error) bool {
	c.mu.Lock()
	defer c.unlock()
	if c.x != nil && len(b) > 0 {
		c.x.Body(b)
		if c.x != nil {
			c.x.Flush()
		}
	}
	if x := c.x; x != nil && err != nil {
		c.x = nil
		c.gone = true
		c.cond.Broadcast()
		x.Gone(err)
	}
	return c.x != nil
}

// tell writes what the exchange writes, until the tunnel ends. It reports whether that was by End, with everything
// written.
func (c *stdClient) tell(conn net.Conn, out []byte, counted int) bool {
	for {
		_, err := conn.Write(out)
		more, ended := c.told(err, counted)
		if err != nil || more == nil {
			return ended && err == nil
		}
		out, counted = more, len(more)
	}
}

// told notes that n bytes were written, or why not, and waits for what is to be written next: nil, when the tunnel has
// ended.
func (c *stdClient) told(err error, n int) (out []byte, ended bool) {
	c.mu.Lock()
	defer c.unlock()
	c.queued -= n
	if err != nil {
		if x := c.x; x != nil {
			c.x = nil
			c.gone = true
			c.cond.Broadcast()
			x.Gone(err)
		}
		return nil, false
	}
	if c.queued == 0 && n > 0 && c.x != nil {
		c.x.Drained()
	}
	for len(c.out) == 0 && !c.ended && !c.aborted && !c.gone {
		c.cond.Wait()
	}
	if c.aborted || c.gone {
		return nil, false
	}
	out, c.out = c.out, nil
	if len(out) == 0 {
		return nil, c.ended
	}
	c.tunnel.SetWriteDeadline(time.Now().Add(stallTimeout)) // with mu, lest it undoes Abort's
	return out, false
}
