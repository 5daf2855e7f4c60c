package clock

import (
	"testing"
	"time"
)

func TestNilIsTheClockOfTheMachine(t *testing.T) {
	var c *Clock
	before := time.Now()
	now := c.Now()
	if now.Before(before) || c.Since(before) < now.Sub(before) || c.Until(now.Add(time.Hour)) > time.Hour {
		t.Errorf("the nil clock says %v after %v", now, before)
	}
	done := make(chan struct{})
	c.After(0, func() { close(done) })
	<-done
	if n := testing.AllocsPerRun(100, func() { c.Since(c.Now()) }); n != 0 {
		t.Errorf("it allocates %v times", n)
	}
}

func TestAClockAsksItsOwner(t *testing.T) {
	at := time.Unix(1000, 0)
	var waits []time.Duration
	c := New(func() time.Time { return at }, func(d time.Duration, _ func()) { waits = append(waits, d) })
	if !c.Now().Equal(at) || c.Since(at.Add(-time.Minute)) != time.Minute || c.Until(at.Add(time.Second)) != time.Second {
		t.Errorf("it says %v, %v, %v", c.Now(), c.Since(at.Add(-time.Minute)), c.Until(at.Add(time.Second)))
	}
	c.After(time.Hour, nil)
	if len(waits) != 1 || waits[0] != time.Hour {
		t.Errorf("its owner was asked to wait for %v", waits)
	}
}

// BenchmarkNow holds what the indirection costs against time.Now itself.
func BenchmarkNow(b *testing.B) {
	b.Run("the machine's", func(b *testing.B) {
		var c *Clock
		b.ReportAllocs()
		for b.Loop() {
			c.Now()
		}
	})
	b.Run("package time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			time.Now()
		}
	})
}
