//go:build linux

package netio

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestTheWheelVisitsAtTheRightTick turns a wheel by hand, over several rounds, while deadlines move both ways, and
// compares with what each connection's deadline was.
func TestTheWheelVisitsAtTheRightTick(t *testing.T) {
	l := &Loop{}
	w := &l.wheel
	w.init(l)
	rnd := rand.New(rand.NewPCG(5, 5))
	conns := make([]*Conn, 300)
	want := make([]int64, len(conns)) // 0: none
	for i := range conns {
		conns[i] = &Conn{l: l, finishing: true} // fire then does nothing
	}
	for now := int64(2); now < 6*wheelSlots; now++ {
		for range 20 {
			i := rnd.IntN(len(conns))
			switch rnd.IntN(6) {
			case 0:
				conns[i].SetTimeout(0)
				want[i] = 0
			default:
				d := time.Duration(1+rnd.IntN(int(tick)*1500)) * 1
				if rnd.IntN(2) == 0 {
					d = time.Duration(1 + rnd.IntN(int(tick)*20))
				}
				conns[i].SetTimeout(d)
				want[i] = conns[i].user.Load()
				if least := w.now.Load() + int64(d/tick); want[i] < least || want[i] > least+2 {
					t.Fatalf("a timeout of %v is at tick %d of now %d", d, want[i], w.now.Load())
				}
			}
		}
		w.now.Store(now)
		w.visit(now)
		for i, c := range conns {
			switch at := c.user.Load(); {
			case want[i] != 0 && want[i] <= now && at != fired:
				t.Fatalf("tick %d: the deadline %d has not fired, it is %d", now, want[i], at)
			case want[i] > now && at != want[i]:
				t.Fatalf("tick %d: the deadline %d is %d", now, want[i], at)
			case want[i] == 0 && at > 0:
				t.Fatalf("tick %d: a cleared deadline is %d", now, at)
			}
			if want[i] <= now {
				want[i] = 0
			}
		}
	}
	l.wg.Wait()
	for _, c := range conns {
		w.drop(c)
		c.SetTimeout(time.Second)
	}
	for i, c := range w.slots {
		if c != nil {
			t.Fatalf("slot %d holds a connection that was dropped", i)
		}
	}
}

func BenchmarkSetTimeout(b *testing.B) {
	l := &Loop{}
	l.wheel.init(l)
	c := &Conn{l: l}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.SetTimeout(5 * time.Second)
		c.SetTimeout(60 * time.Second)
	}
}
