package upstream

import (
	"io"
	"time"

	"github.com/gwc-dev/gwc/runtime/http1"
)

// lingerTime is how long a server may take to close after the gateway has; netio has the same for clear text.
const lingerTime = 2 * time.Second

// carry serves a call over TLS that has become a tunnel, to its end. The goroutine that calls reads; another one
// writes what waits. The exchange's mutex is held, but while either of them waits.
func (s *stdCall) carry(h *http1.Head, conn io.ReadWriteCloser) {
	s.wait.Stop()
	s.tunnel = conn
	s.c.r.AnswerHead(h, -1)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.send(conn)
	}()
	err := s.receive(conn)
	if r := s.c.r; r != nil {
		s.c.r = nil
		if err == io.EOF {
			r.AnswerEnd(nil)
		} else {
			r.AnswerFail(&Failure{Class: Reset, Err: err})
		}
	}
	conn.Close()
	s.cond.Broadcast()
	s.c.mu.Unlock()
	<-sent
	s.c.mu.Lock()
}

// receive pushes what the server sends, until either side ends.
func (s *stdCall) receive(conn io.Reader) error {
	small := make([]byte, 4<<10) // an idle tunnel waits with this one
	b, large := small, (*[]byte)(nil)
	defer func() {
		if large != nil {
			putBuffer(large)
		}
	}()
	for {
		for s.paused && s.c.r != nil {
			s.cond.Wait()
		}
		if s.c.r == nil && !s.ended {
			return io.ErrClosedPipe
		}
		s.c.mu.Unlock()
		n, err := conn.Read(b)
		s.c.mu.Lock()
		if n > 0 && s.c.r != nil {
			s.c.r.AnswerBody(b[:n])
			if s.c.r != nil {
				s.c.r.AnswerFlush()
			}
		}
		switch {
		case err != nil:
			return err
		case large == nil && n == len(small): // much is coming
			large = buffers.Get().(*[]byte)
			if cap(*large) < 32<<10 {
				*large = make([]byte, 0, 32<<10)
			}
			b = (*large)[:cap(*large)]
		case large != nil && n < len(small):
			putBuffer(large)
			b, large = small, nil
		}
	}
}

// send writes what waits for the server, until the tunnel ends. A server that takes nothing for [stallTimeout] is given
// up.
func (s *stdCall) send(conn io.WriteCloser) {
	stalled := time.AfterFunc(time.Hour, func() { conn.Close() })
	defer stalled.Stop()
	for {
		out, ended := s.next(stalled)
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				conn.Close() // which ends receive
				return
			}
			continue
		}
		half, ok := conn.(interface{ CloseWrite() error })
		if !ended || !ok || half.CloseWrite() != nil {
			conn.Close()
			return
		}
		// What the server still sends is read and thrown away, lest the last bytes for it be lost to a reset.
		time.AfterFunc(lingerTime, func() { conn.Close() })
		return
	}
}

// next notes that what it returned before was written, and waits for what is to be written next: nothing, when the
// tunnel has ended; ended tells that this was by close.
func (s *stdCall) next(stalled *time.Timer) (out []byte, ended bool) {
	s.c.mu.Lock()
	defer s.p.unlock(s.c, func() { s.tunnel.Close() })
	stalled.Stop()
	if s.flying = 0; len(s.out) == 0 && s.c.r != nil {
		s.c.r.RequestDrained()
	}
	for len(s.out) == 0 && s.c.r != nil {
		s.cond.Wait()
	}
	if s.c.r == nil && !s.ended {
		return nil, false
	}
	out, s.out = s.out, nil
	s.flying = len(out)
	if len(out) > 0 {
		stalled.Reset(stallTimeout)
	}
	return out, s.ended
}
