package rig

import (
	"runtime"
	"testing"
	"time"
)

// TestAProcessOutlivesTheThreadsOfOthers: goroutines that end locked to their thread end the thread, and with it, on
// Linux, every process that was started from it.
func TestAProcessOutlivesTheThreadsOfOthers(t *testing.T) {
	var running []*Process
	done := make(chan error)
	for range 16 {
		go func() {
			runtime.LockOSThread() // and never unlocked
			p, err := Start("", nil, "sleep", "60")
			if err == nil {
				running = append(running, p)
			}
			done <- err
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	for _, p := range running {
		select {
		case <-p.Exited():
			t.Errorf("a process ended with its starter: %v", p.Err())
		default:
			p.Kill()
		}
	}
}
