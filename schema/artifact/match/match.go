// Package match decides which route a request head takes. The compiler builds the [Table] with it and proves it free
// of ambiguity; the runtime and `gwc try` look up in it. There is one implementation, so that they cannot disagree.
package match

// Table is the flat routing table: arrays of integers and one string pool, as they stand in the artifact.
type Table struct{}
