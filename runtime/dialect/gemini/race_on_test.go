//go:build race

package gemini

// raced tells that the race detector is on, under which sync.Pool drops what it holds at random and allocations cannot
// be counted.
const raced = true
