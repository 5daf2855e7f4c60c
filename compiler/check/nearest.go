package check

import "strings"

// nearest returns the name that someone most likely meant by a word, if there is one: equal but for case, or within
// one edit of a short word, two of a longer one, three of a long one. Of two that are as near, the first wins.
func nearest(word string, names []string) (string, bool) {
	best, limit := "", 1
	switch {
	case len(word) > 9:
		limit = 3
	case len(word) > 4:
		limit = 2
	}
	found := false
	lower := strings.ToLower(word)
	for _, n := range names {
		if d := distance(lower, strings.ToLower(n), limit); d <= limit && (!found || d < limit) {
			best, found = n, true
			limit = d
		}
	}
	return best, found
}

// distance is the Damerau-Levenshtein distance (optimal string alignment) of two words in bytes: insertions,
// deletions, substitutions, and exchanges of neighbours. Above limit it may be any number above limit.
func distance(a, b string, limit int) int {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(a)+1), make([]int, len(a)+1), make([]int, len(a)+1)
	for i := range last {
		last[i] = i
	}
	for j := 1; j <= len(b); j++ {
		row[0] = j
		for i := 1; i <= len(a); i++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[i] = min(last[i]+1, row[i-1]+1, last[i-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[i] = min(row[i], before[i-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(a)]
}
