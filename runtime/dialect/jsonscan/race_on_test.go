//go:build race

package jsonscan

// raced tells that the race detector is on, under which sync.Pool drops what it holds at random and allocations cannot
// be counted.
const raced = true
