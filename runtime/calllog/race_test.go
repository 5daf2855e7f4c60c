//go:build race

package calllog

// underRace tells tests of allocations that the race detector makes sync.Pool drop things at random.
const underRace = true
