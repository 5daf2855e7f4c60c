package main

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// hugePage is what the kernel can map at once on most machines.
const hugePage = 2 << 20

// ahead gives the heap its room before it is needed, in memory that the kernel is asked to map in huge pages: page
// faults of 4 KB each are a third of the CPU time of a large build. Nothing is touched: a small build takes no more
// memory. Where there are no huge pages nothing changes.
func ahead() {
	old := debug.SetGCPercent(-1)
	room := make([][]byte, heapRoom/hugePage)
	for i := range room {
		room[i] = make([]byte, hugePage) // In one piece it would be filled with zeros where the collector has run.
		if unix.Madvise(room[i], unix.MADV_HUGEPAGE) != nil {
			break
		}
	}
	clear(room)
	debug.SetGCPercent(old)
	runtime.GC() // The heap is small yet; now the room is free.
}
