package dialect

import "strings"

// Fate says what becomes of a client's field at a target.
type Fate uint8

const (
	Lossless Fate = iota // the target has the same thing
	Emulated             // something near to it is sent instead; Why says what
	Dropped              // it is left out: the answer's meaning does not depend on it
	Rejected             // the request is refused: without it the answer would not be what was asked for
)

// String returns the word of the loss report.
func (f Fate) String() string {
	return [...]string{"lossless", "emulated", "dropped", "rejected"}[f]
}

// Loss is a row of a loss table: what becomes of a client's field, and why in a word. Field is a path's last name, in
// the words of the client's dialect.
type Loss struct {
	Field string
	Fate  Fate
	Why   string
}

// Losses is a target's loss table.
type Losses []Loss

// Of returns the row for a path such as those of [Request.Unsupported]. A field that the table does not know is
// dropped: a provider that does not know it would ignore it as well.
func (l Losses) Of(path string) Loss {
	name := path
	if dot := strings.LastIndexByte(path, '.'); dot >= 0 {
		name = path[dot+1:]
	}
	for _, row := range l {
		if row.Field == name {
			return row
		}
	}
	return Loss{Field: name, Fate: Dropped, Why: "not a field of the API"}
}
