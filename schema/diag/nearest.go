package diag

import (
	"slices"
	"strings"
)

// Nearest returns the candidate that a writer of word most likely meant, for "did you mean". It allows about one
// slip (an insertion, deletion, change, or two neighbours swapped) in three characters, and none where nothing is
// that close. Case alone is the smallest slip. Between equals the first in byte order wins. Where nothing is close, it
// is the one candidate that the word abbreviates, lengthens or inflects: "addr" is "address", "policy" is "policies".
func Nearest(word string, candidates []string) (string, bool) {
	best, bestAt := "", 1+max(1, len(word)/3)*2
	lower := strings.ToLower(word)
	for _, c := range candidates {
		if c == word || c == "" {
			continue
		}
		limit := (bestAt + 1) / 2
		if d := len(c) - len(word); d > limit || -d > limit {
			continue
		}
		at := distance(lower, strings.ToLower(c), limit) * 2
		if at > 0 && distance(word, c, limit)*2 == at {
			at-- // the slips are not in the case
		}
		if at < bestAt || at == bestAt && best != "" && c < best {
			best, bestAt = c, at
		}
	}
	if best == "" {
		return related(lower, candidates)
	}
	return best, true
}

// related returns the only candidate that begins as a word does, but for the last byte of the shorter of the two.
func related(lower string, candidates []string) (string, bool) {
	found := ""
	for _, c := range candidates {
		other := strings.ToLower(c)
		same, short := 0, min(len(lower), len(other))
		for same < short && lower[same] == other[same] {
			same++
		}
		if other == lower || same < max(3, short-1) {
			continue
		}
		if found != "" {
			return "", false
		}
		found = c
	}
	return found, found != ""
}

// distance is the optimal string alignment distance of two strings, in bytes; a value above limit means only that it
// is above limit.
func distance(a, b string, limit int) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		if slices.Min(cur) > limit {
			return limit + 1
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
