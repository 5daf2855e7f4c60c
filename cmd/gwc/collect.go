package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

const (
	// heapRoom is how much a command that compiles once allocates before the first collection, and how much the heap
	// may grow beside heapGrowth from one collection to the next.
	heapRoom = 128 << 20
	// heapGrowth is by how many percent the heap may grow from one collection to the next.
	heapGrowth = 50
	// heapLeast is what package runtime multiplies with a hundredth of the percentage for the first collection.
	heapLeast = 4 << 20
)

// oneShot is for commands that compile once and end: until its result is called the garbage collector lets the heap
// grow by heapRoom and by heapGrowth. The room takes a third off the CPU time of building 1,000 APIs; without the low
// percentage 100,000 APIs take a third more memory.
//
// A large piece of memory that is reserved and never touched gives the same room, and was refused: where the collector
// has run before, package runtime fills some such pieces with zeros, which costs more than all collections.
func oneShot() func() {
	ahead()
	old := debug.SetGCPercent(heapRoom / heapLeast * 100)
	var ended atomic.Bool
	var collected func(*[16]byte)
	collected = func(*[16]byte) {
		if ended.Load() {
			return
		}
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if live[0].Value.Kind() != metrics.KindUint64 {
			debug.SetGCPercent(heapGrowth)
			return
		}
		debug.SetGCPercent(heapGrowth + int(100*heapRoom/max(live[0].Value.Uint64(), 1)))
		runtime.SetFinalizer(new([16]byte), collected) // It is garbage at once: the next collection calls it.
	}
	runtime.SetFinalizer(new([16]byte), collected)
	return func() {
		ended.Store(true)
		debug.SetGCPercent(old)
	}
}
