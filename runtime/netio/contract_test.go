//go:build linux

package netio

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"testing"
	"time"
)

// The contract: one suite, run in every mode. What netpoll's Connection would do in the same place, and the test that
// shows that it does not happen here:
//
//	reads never stop, the buffer has no bound        TestAPausedConnectionStopsItsPeer
//	one reader that does not read stops a poller     TestASlowReaderDelaysNobody
//	no write timeout                                 TestAPeerThatDoesNotReadIsCutAfterTheWriteTimeout
//	Close in a callback spins for ever               TestEveryMethodMayBeCalledFromEveryCallback
//	bytes that are left spin                         TestAPartOfAMessageDoesNotSpin
//	an idle timeout is only a keep-alive probe       TestTimeouts
//	a half-close loses the answer (kept: documented) TestAHalfCloseIsAClose
//	Detach loses bytes                               TestSoak, TestAConnectionThatBeginsWithThePrefaceIsHandedOverWithAllItsBytes
//	Dial waits for the poller (ours is off it)       TestAHandlerSeesNothingBeforeItExists
//	Shutdown waits for idle connections              TestLoopCloseEndsEverythingAndWaits
//	a peer's end is seen at once (kept)              TestTheEndIsNoticedAtOnceOnAnIdleConnection

func TestWhatThePeerSendsComesBackInOrder(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{Pollers: 2})
		_, peer := r.one(echo)
		for size := 1; size <= 1<<20; size = size*5/2 + 1 {
			want := random(size)
			go peer.Write(want)
			got := make([]byte, size)
			if _, err := io.ReadFull(peer, got); err != nil {
				t.Fatalf("after %d bytes: %v", size, err)
			}
			if !bytes.Equal(want, got) {
				t.Fatalf("%d bytes came back different", size)
			}
		}
	})
}

func TestThePeersCloseIsAnEndOfFileAfterItsLastByte(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		sum := 0
		p, peer := r.one(func(p *probe, b []byte) { sum += len(b) })
		const size = 3 << 20
		if _, err := peer.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		peer.Close()
		if err := wait(t, p.closed, "Closed"); err != io.EOF {
			t.Errorf("Closed(%v), want io.EOF", err)
		}
		if sum != size {
			t.Errorf("%d bytes arrived of %d", sum, size)
		}
		if err := p.c.Write([]byte("x")); err == nil {
			t.Error("Write after the end succeeds")
		}
	})
}

func TestTheEndIsNoticedAtOnceOnAnIdleConnection(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(nil)
		peer.Close()
		wait(t, p.closed, "Closed")
	})
}

func TestCloseSendsTheQueueFirst(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{MaxQueue: 32 << 20})
		piece := random(1 << 20)
		var want []byte
		filled := make(chan struct{})
		p, peer := r.one(func(p *probe, b []byte) {
			for p.c.Queued() == 0 {
				if err := p.c.Write(piece); err != nil {
					t.Error(err)
				}
				want = append(want, piece...)
			}
			p.c.Close()
			p.c.Close()
			if err := p.c.Write([]byte("late")); err != ErrClosed {
				t.Errorf("Write after Close: %v", err)
			}
			close(filled)
		})
		peer.Write([]byte("go"))
		wait(t, filled, "a queue")
		got, err := io.ReadAll(peer)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Fatalf("got %d bytes, want %d, or they differ", len(got), len(want))
		}
		peer.Close()
		if err := wait(t, p.closed, "Closed"); err != ErrClosed {
			t.Errorf("Closed(%v), want ErrClosed", err)
		}
	})
}

func TestAnAnswerIsNotLostWhileThePeerStillUploads(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(func(p *probe, b []byte) {
			p.c.Write([]byte("413 too large"))
			p.c.Close()
		})
		if _, err := peer.Write(make([]byte, 8<<20)); err != nil { // more than all buffers hold
			t.Fatal(err)
		}
		got, err := io.ReadAll(peer)
		if err != nil || string(got) != "413 too large" {
			t.Fatalf("got %q, %v", got, err)
		}
		peer.Close()
		wait(t, p.closed, "Closed")
	})
}

func TestLingeringEndsThoughThePeerNeverCloses(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(func(p *probe, b []byte) { p.c.Close() })
		peer.Write([]byte("x"))
		if err := wait(t, p.closed, "Closed"); err != ErrClosed {
			t.Errorf("Closed(%v), want ErrClosed", err)
		}
	})
}

func TestLingeringEndsThoughThePeerNeverStopsSending(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(func(p *probe, b []byte) { p.c.Close() })
		b := make([]byte, 1<<20)
		for {
			if _, err := peer.Write(b); err != nil {
				break
			}
		}
		wait(t, p.closed, "Closed")
	})
}

func TestAbortResetsThePeer(t *testing.T) {
	for _, where := range []string{"Data", "Timeout", "a goroutine"} {
		t.Run(where, func(t *testing.T) {
			eachModeAtOnce(t, func(t *testing.T, m mode) {
				r := newRig(t, m, Options{})
				p, peer := r.one(func(p *probe, b []byte) {
					p.onTime = func(p *probe) { p.c.Abort() }
					p.c.Write([]byte("HTTP/1.1 200 OK\r\n\r\nhalf an ans"))
					switch where {
					case "Data":
						p.c.Abort()
						p.c.Abort()
						p.c.Close()
					case "Timeout":
						p.c.SetTimeout(time.Millisecond)
					default:
						go p.c.Abort()
					}
				})
				peer.Write([]byte("x"))
				if err := wait(t, p.closed, "Closed"); err != ErrAborted {
					t.Errorf("Closed(%v), want ErrAborted", err)
				}
				_, err := io.ReadAll(peer)
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the peer saw %v, want a reset", err)
				}
			})
		})
	}
}

func TestAQueueThatIsFullEndsTheConnection(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{MaxQueue: 256 << 10})
		failed := make(chan error, 1)
		p, peer := r.one(func(p *probe, b []byte) {
			for n := 0; n < 256<<20; n += 64 << 10 {
				if err := p.c.Write(make([]byte, 64<<10)); err != nil {
					failed <- err
					return
				}
				if q := p.c.Queued(); q > 256<<10 {
					t.Errorf("%d bytes are queued", q)
				}
			}
			failed <- nil
		})
		peer.Write([]byte("x")) // and never read
		if err := wait(t, failed, "the end of writing"); err != ErrOverflow {
			t.Errorf("Write: %v, want ErrOverflow", err)
		}
		if err := wait(t, p.closed, "Closed"); err != ErrOverflow {
			t.Errorf("Closed(%v), want ErrOverflow", err)
		}
	})
}

func TestAPeerThatDoesNotReadIsCutAfterTheWriteTimeout(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{MaxQueue: 64 << 20, WriteTimeout: 200 * time.Millisecond})
		p, peer := r.one(func(p *probe, b []byte) { p.c.Write(make([]byte, 48<<20)) })
		peer.Write([]byte("x"))
		if err := wait(t, p.closed, "Closed"); err != ErrWriteTimeout {
			t.Errorf("Closed(%v), want ErrWriteTimeout", err)
		}
	})
}

func TestAPeerThatReadsSlowlyIsNotCut(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, m mode) {
		const size = 12 << 20
		r := newRig(t, m, Options{MaxQueue: 64 << 20, WriteTimeout: time.Second})
		p, peer := r.one(func(p *probe, b []byte) { p.c.Write(make([]byte, size)) })
		peer.Write([]byte("x"))
		buf := make([]byte, 512<<10)
		for n := 0; n < size; {
			time.Sleep(50 * time.Millisecond)
			k, err := io.ReadFull(peer, buf[:min(len(buf), size-n)])
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
		wait(t, p.drained, "Drained")
	})
}

func TestDrainedComesWhenTheQueueIsOut(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{MaxQueue: 64 << 20})
		filled := make(chan int, 1)
		p, peer := r.one(func(p *probe, b []byte) {
			p.onDrain = func(p *probe) {
				if n := p.c.Queued(); n != 0 {
					t.Errorf("Drained with %d bytes queued", n)
				}
			}
			filled <- p.fill()
		})
		peer.Write([]byte("x"))
		size := wait(t, filled, "a queue")
		if _, err := io.CopyN(io.Discard, peer, int64(size)); err != nil {
			t.Fatal(err)
		}
		wait(t, p.drained, "Drained")
	})
}

// TestAPausedConnectionStopsItsPeer: NETPOLL's first trap, reads that never stop.
func TestAPausedConnectionStopsItsPeer(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		const size = 512 << 20
		var got int
		done := make(chan struct{})
		p, peer := r.one(func(p *probe, b []byte) {
			if got == 0 {
				p.c.Pause()
			}
			if got += len(b); got >= 24<<20 {
				signalClose(done)
			}
		})
		tcp := peer
		if tc, ok := peer.(*tls.Conn); ok {
			tcp = tc.NetConn()
		}
		shrink(t, tcp, p.c)
		b := make([]byte, 1<<20)
		sent := 0
		for sent < size {
			tcp.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			n, err := peer.Write(b)
			sent += n
			if err != nil {
				break
			}
		}
		if sent > 8<<20 {
			t.Fatalf("the peer could push %d MB to a paused connection", sent>>20)
		}
		if m.tls != 0 {
			return // crypto/tls does not go on after a write that timed out
		}
		p.c.Resume()
		tcp.SetWriteDeadline(time.Now().Add(patience))
		for ; sent < 24<<20; sent += len(b) {
			if _, err := peer.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, done, "the rest")
	})
}

func TestOutputGoesOnWhileReadingIsPaused(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{MaxQueue: 64 << 20})
		want := random(10 << 20)
		first := true
		p, peer := r.one(func(p *probe, b []byte) {
			if first {
				first = false
				p.c.Pause()
				return
			}
		})
		if _, err := peer.Write(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
		if err := p.c.Write(want); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(peer, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Fatal("bytes differ")
		}
		wait(t, p.drained, "Drained")
		p.c.Resume()
	})
}

func TestAPausedConnectionHearsOfTheHangUpAndStillGetsItsBytes(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		if m.tls != 0 {
			t.Skip("skipped: the number of bytes on the wire is not the number of bytes")
		}
		r := newRig(t, m, Options{})
		var got int
		p, peer := r.one(func(p *probe, b []byte) { got += len(b); p.c.Pause() })
		const size = 100 << 10 // more than one read, less than the window: a FIN behind a full window cannot be seen
		if _, err := peer.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		peer.Close()
		wait(t, p.hungUp, "HungUp")
		for { // each Data call pauses again
			p.c.Resume()
			select {
			case err := <-p.closed:
				if err != io.EOF {
					t.Errorf("Closed(%v), want io.EOF", err)
				}
				if got != size {
					t.Errorf("%d bytes arrived of %d", got, size)
				}
				return
			case <-p.hungUp:
			case <-time.After(time.Millisecond):
			}
		}
	})
}

func TestEveryMethodMayBeCalledFromEveryCallback(t *testing.T) {
	calls := map[string]func(c *Conn){
		"Close":  (*Conn).Close,
		"Abort":  (*Conn).Abort,
		"Pause":  func(c *Conn) { c.Pause(); c.Resume(); c.Pause(); c.Abort() },
		"Resume": func(c *Conn) { c.Resume(); c.Close() },
		"Write":  func(c *Conn) { c.Write(make([]byte, 8<<20)); c.Abort() },
		"Others": func(c *Conn) {
			c.SetTimeout(time.Hour)
			c.SetTimeout(0)
			_, _, _, _ = c.Queued(), c.LocalAddr(), c.RemoteAddr(), c.TLS()
			c.Close()
		},
	}
	for name, call := range calls {
		for _, where := range []string{"Accept", "Data", "Drained", "Timeout", "HungUp", "Closed"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				eachModeAtOnce(t, func(t *testing.T, m mode) {
					r := newRig(t, m, Options{Pollers: 1, MaxQueue: 16 << 20})
					got := make(chan *probe, 1)
					filled := make(chan struct{})
					peer := r.tryConnect(func(c *Conn) Handler {
						p := newProbe(t, c, func(p *probe, b []byte) {
							switch where {
							case "Data":
								call(p.c)
							case "Drained":
								p.fill()
								close(filled)
							case "HungUp":
								p.c.Pause()
							case "Closed":
								p.c.Close()
							}
						})
						switch where {
						case "Accept":
							call(c)
						case "Drained":
							p.onDrain = func(p *probe) { call(p.c) }
						case "Timeout":
							c.SetTimeout(time.Millisecond)
							p.onTime = func(p *probe) { call(p.c) }
						case "HungUp":
							p.onHup = func(p *probe) { call(p.c); p.c.Abort() }
						}
						got <- p
						if where == "Closed" {
							return &closer{p, call}
						}
						return p
					})
					go func() {
						if peer == nil {
							return // aborted in Accept, before connect(2) had returned to the client
						}
						peer.Write([]byte("x"))
						if where == "HungUp" {
							peer.Write(make([]byte, 40<<10)) // less than the window: a FIN behind a full one is not seen
							peer.Close()
							return
						}
						if where == "Drained" {
							<-filled
						}
						io.Copy(io.Discard, peer)
						peer.Close()
					}()
					p := wait(t, got, "the connection")
					wait(t, p.closed, "Closed")
				})
			})
		}
	}
}

type closer struct {
	*probe
	call func(*Conn)
}

func (c *closer) Closed(err error) {
	c.call(c.c)
	c.probe.Closed(err)
}

func TestTimeouts(t *testing.T) {
	eachModeAtOnce(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, _ := r.one(nil)
		p.c.SetTimeout(time.Millisecond)
		wait(t, p.timeout, "Timeout")
		if !p.c.Expired() {
			t.Error("not Expired after Timeout")
		}
		p.c.SetTimeout(time.Hour)
		if p.c.Expired() {
			t.Error("Expired after SetTimeout")
		}
		p.c.SetTimeout(50 * time.Millisecond) // earlier than the visit that is planned
		wait(t, p.timeout, "Timeout")
		before := p.count()
		p.c.SetTimeout(time.Millisecond)
		p.c.SetTimeout(0)
		q, _ := r.one(nil)
		q.c.SetTimeout(300 * time.Millisecond)
		wait(t, q.timeout, "Timeout of another connection")
		if p.count() != before {
			t.Error("a timer that was cleared fired")
		}
	})
}

func (p *probe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.events
}

// fill writes to a peer that does not read until something is queued, and returns how much that took.
func (p *probe) fill() (n int) {
	b := make([]byte, 1<<20)
	for p.c.Queued() == 0 {
		if err := p.c.Write(b); err != nil {
			p.t.Errorf("Write: %v", err)
			return n
		}
		n += len(b)
	}
	return n
}

func TestASlowReaderDelaysNobody(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{Pollers: 1, MaxQueue: 128 << 20})
		for range 3 {
			_, slow := r.one(func(p *probe, b []byte) { p.c.Write(make([]byte, 32<<20)) })
			slow.Write([]byte("x"))
		}
		_, peer := r.one(echo)
		for range 100 {
			pingPong(t, peer)
		}
	})
}

func TestAPartOfAMessageDoesNotSpin(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{Pollers: 1})
		p, part := r.one(func(p *probe, b []byte) {})
		part.Write([]byte("GET / HT"))
		_, peer := r.one(echo)
		for range 100 {
			pingPong(t, peer)
		}
		if n := p.count(); n > 1 {
			t.Errorf("%d events for one write of a part of a head", n)
		}
	})
}

// TestAHalfCloseIsAClose documents the decision, which is nginx's default for what it proxies.
func TestAHalfCloseIsAClose(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(nil)
		if err := peer.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := wait(t, p.closed, "Closed"); err != io.EOF {
			t.Errorf("Closed(%v), want io.EOF", err)
		}
		if b, err := io.ReadAll(peer); len(b) > 0 || err != nil {
			t.Errorf("the peer got %q, %v", b, err)
		}
	})
}

func TestAddresses(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{})
		p, peer := r.one(nil)
		if got, want := p.c.RemoteAddr().String(), peer.LocalAddr().String(); got != want {
			t.Errorf("RemoteAddr %s, want %s", got, want)
		}
		if got, want := p.c.LocalAddr().String(), peer.RemoteAddr().String(); got != want {
			t.Errorf("LocalAddr %s, want %s", got, want)
		}
		if m.tls == 0 != (p.c.TLS() == nil) {
			t.Errorf("TLS() is %v", p.c.TLS())
		} else if m.tls != 0 && p.c.TLS().Version != m.tls {
			t.Errorf("version %x, want %x", p.c.TLS().Version, m.tls)
		}
		for _, o := range []struct{ level, name int }{{syscall.IPPROTO_TCP, syscall.TCP_NODELAY}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE}} {
			if v, err := syscall.GetsockoptInt(p.c.fd, o.level, o.name); v != 1 || err != nil {
				t.Errorf("socket option %v is %d, %v", o, v, err)
			}
		}
	})
}

// TestSoak sends random streams both ways at once, in random pieces, with Pause and Resume at random, and compares
// sums.
func TestSoak(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		size := 128 << 20
		if raceEnabled || m.tls != 0 || testing.Short() {
			size = 24 << 20
		}
		r := newRig(t, m, Options{Pollers: 2, MaxQueue: 1 << 20})
		inSum, outSum := sha256.New(), sha256.New()
		in := 0
		rnd := rand.New(rand.NewPCG(1, uint64(len(m.name))))
		allIn := make(chan struct{})
		p, peer := r.one(func(p *probe, b []byte) {
			inSum.Write(b)
			if in += len(b); in == size {
				close(allIn)
				return
			}
			switch rnd.IntN(20) {
			case 0:
				p.c.Pause()
				go p.c.Resume()
			case 1:
				p.c.Pause()
				time.AfterFunc(time.Millisecond, p.c.Resume)
			case 2:
				p.c.Pause()
				p.c.Resume()
			}
		})
		p.c.Resume()

		// The peer writes and reads.
		peerSum, peerGot := sha256.New(), sha256.New()
		errs := make(chan error, 2)
		go func() {
			rnd := rand.New(rand.NewPCG(2, 2))
			src := random(1 << 20)
			for n := 0; n < size; {
				k := min(1+rnd.IntN(len(src)), size-n)
				if rnd.IntN(2) == 0 {
					k = min(1+rnd.IntN(5000), size-n)
				}
				peerSum.Write(src[:k])
				if _, err := peer.Write(src[:k]); err != nil {
					errs <- err
					return
				}
				n += k
			}
			errs <- nil
		}()
		go func() {
			rnd := rand.New(rand.NewPCG(3, 3))
			buf := make([]byte, 300<<10)
			for n := 0; n < size; {
				k, err := peer.Read(buf[:1+rnd.IntN(min(len(buf), size-n))])
				peerGot.Write(buf[:k])
				n += k
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()

		// This side writes, and waits for Drained when much is queued.
		rnd2 := rand.New(rand.NewPCG(4, 4))
		src := random(256 << 10)
		for n := 0; n < size; {
			k := min(1+rnd2.IntN(len(src)), size-n)
			outSum.Write(src[:k])
			if err := p.c.Write(src[:k]); err != nil {
				t.Fatalf("Write after %d bytes: %v", n, err)
			}
			n += k
			for p.c.Queued() > 256<<10 {
				select {
				case <-p.drained:
				case <-time.After(patience):
					t.Fatal("Drained did not come")
				}
			}
		}
		for range 2 {
			if err := wait(t, errs, "the peer"); err != nil {
				t.Fatal(err)
			}
		}
		wait(t, allIn, "the last byte")
		if !bytes.Equal(inSum.Sum(nil), peerSum.Sum(nil)) {
			t.Error("what arrived differs from what the peer sent")
		}
		if !bytes.Equal(outSum.Sum(nil), peerGot.Sum(nil)) {
			t.Error("what the peer got differs from what was written")
		}
		peer.Close()
		wait(t, p.closed, "Closed")
	})
}

// TestManyShortConnections makes and ends connections in every way at once; descriptors are reused all the time.
func TestManyShortConnections(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := newRig(t, m, Options{Pollers: 2})
		n := 400
		if m.tls != 0 || raceEnabled {
			n = 120
		}
		closed := make(chan error, n)
		byCommand := func(c *Conn) Handler { return &byCommand{c: c, closed: closed} }
		r.next(byCommand)
		work := make(chan int, n)
		for i := range n {
			work <- i
		}
		close(work)
		errs := make(chan error, 8)
		for range 8 {
			go func() {
				for i := range work {
					if err := r.short(i, byCommand); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		for range 8 {
			if err := wait(t, errs, "a client"); err != nil {
				t.Error(err)
			}
		}
		for range n {
			wait(t, closed, "Closed")
		}
	})
}

// byCommand answers each byte x with 1000 times x; 'C' closes, 'A' aborts.
type byCommand struct {
	c      *Conn
	closed chan error
}

func (h *byCommand) Data(b []byte) {
	for _, x := range b {
		h.c.Write(bytes.Repeat([]byte{x}, 1000))
		switch x {
		case 'C':
			h.c.Close()
		case 'A':
			h.c.Abort()
		}
	}
}
func (h *byCommand) Drained()         {}
func (h *byCommand) Timeout()         {}
func (h *byCommand) Closed(err error) { h.closed <- err }

// short is one connection of the i-th kind.
func (r *rig) short(i int, f func(*Conn) Handler) error {
	var peer net.Conn
	if r.m.dialled {
		r.mu.Lock() // one at a time, so that the two ends are each other's
		got := make(chan net.Conn, 1)
		go func() {
			c, _ := r.back.Accept()
			got <- c
		}()
		_, err := r.l.Dial(r.t.Context(), r.back.Addr().String(), patience, f)
		peer = <-got
		r.mu.Unlock()
		if err != nil {
			return err
		}
	} else {
		var err error
		if peer, err = net.Dial("tcp", r.ln.Addr().String()); err != nil {
			return err
		}
	}
	defer peer.Close()
	peer.SetDeadline(time.Now().Add(patience))
	if r.m.tls != 0 {
		peer = tls.Client(peer, &tls.Config{InsecureSkipVerify: true})
	}
	x := byte('a' + i%16)
	want := bytes.Repeat([]byte{x}, 1000)
	got := make([]byte, 1000)
	for range 1 + i%3 {
		if _, err := peer.Write([]byte{x}); err != nil {
			return err
		}
		if _, err := io.ReadFull(peer, got); err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return errors.New("another connection's bytes")
		}
	}
	switch i % 4 {
	case 1:
		peer.Write([]byte("C"))
		_, err := io.Copy(io.Discard, peer)
		return err
	case 2:
		peer.Write([]byte("A"))
		io.Copy(io.Discard, peer)
	case 3:
		if tc, ok := peer.(*net.TCPConn); ok {
			tc.SetLinger(0)
		}
	}
	return nil
}

// ---------------------------------------------------------------- tools

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func pingPong(t *testing.T, peer net.Conn) {
	t.Helper()
	var b [4]byte
	if _, err := peer.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(peer, b[:]); err != nil {
		t.Fatal(err)
	}
}

func signalClose(ch chan struct{}) {
	select {
	case <-ch:
	default:
		close(ch)
	}
}

// shrink bounds what the kernel may hold between the two ends, so that a count says something about this side.
func shrink(t *testing.T, peer net.Conn, c *Conn) {
	t.Helper()
	if err := peer.(*net.TCPConn).SetWriteBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	if err := syscall.SetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 256<<10); err != nil {
		t.Fatal(err)
	}
}
