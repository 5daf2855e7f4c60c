// Package vendor is the table of servers that speak OpenAI's Chat Completions, each a little differently: a row for each,
// data and not code.
//
// The compiler takes a provider's default address from it and knows by it which names of vendors exist; the runtime
// takes from it what a request must look like for that vendor, whether the caller's own bytes pass through or a
// translation is sent. Rows say only what differs, and name the page of the vendor's documentation (or the recordings)
// that says so. What a row does not mention goes as it is: a field that the vendor ignores does no harm.
//
// The invariant: a field that would make the vendor refuse a request is left out where the answer does not depend on
// it, and refused by the gateway, with its name, where it does. So another target of the model can be tried, and the
// caller hears which field it was.
//
// Code per vendor was refused: it cannot be read as a table, and a new server would need a release of the gateway's
// logic instead of a row.
package vendor

import (
	"slices"
	"strings"
)

// Effort is how a vendor is told how hard to think.
type Effort uint8

const (
	EffortField  Effort = iota // reasoning_effort, as at OpenAI
	EffortNone                 // not at all: reasoning_effort is left out
	EffortType                 // thinking: {"type": "enabled"}, or "disabled" for an effort of "none"
	EffortSwitch               // enable_thinking: true, or false
)

// Fate says what becomes of a field that a vendor does not take.
type Fate uint8

const (
	Dropped  Fate = iota // it is left out: the answer does not depend on it
	Rejected             // the request is refused: without it the answer would not be what was asked for
)

// Field is a top-level field of a request that a vendor does not take.
type Field struct {
	Name string
	Fate Fate
}

// Images are the images that a vendor takes.
type Images uint8

const (
	ImagesAny  Images = iota // by URL or as data, or it depends on the model
	ImagesData               // as data alone
	ImagesURL                // by URL alone
	ImagesNone
)

// Forms are the forms of answers that a vendor can be held to.
type Forms uint8

const (
	FormsAll    Forms = iota // json_schema and json_object
	FormsObject              // json_object alone
	FormsSchema              // json_schema alone
)

// Choices are the values of tool_choice that a vendor takes, as bits.
type Choices uint8

const (
	ChooseAuto Choices = 1 << iota
	ChooseNone
	ChooseRequired
	ChooseNamed
	ChooseAny = ChooseAuto | ChooseNone | ChooseRequired | ChooseNamed
)

// Row is what is peculiar to a vendor. The zero value of each field is what OpenAI does, but for the first four.
type Row struct {
	Name    string // in configurations
	Title   string // as the vendor writes itself
	BaseURL string // "" where it depends on the account or the machine
	// Limit is the name of the limit of output that is sent, "" where the vendor takes both: max_tokens or
	// max_completion_tokens.
	Limit string
	// UsageAlways tells that streams carry usage without being asked, and that stream_options is left out.
	UsageAlways bool
	Developer   bool // it takes messages of role developer; else they become those of role system
	Effort      Effort
	ThinkTags   bool // thinking stands in the text between <think> and </think>
	// ThinkParts tells that the content of an answer with thinking is a list of parts, which OpenAI's clients cannot read:
	// the answers of models that think are told to them anew, with the thinking in its own field.
	ThinkParts bool
	Forms      Forms
	Images     Images
	OneChoice  bool    // n is 1
	OneCall    bool    // parallel_tool_calls is not taken
	Choice     Choices // 0: any
	Hottest    float64 // the greatest temperature, 0: 2
	Required   string  // what "required" is called in tool_choice, "" required
	CallIDs    int     // length of the ids of calls, letters and digits alone; 0: any id
	Documents  bool    // a file given as data is a part document_url
	Rename     map[string]string
	Fields     []Field
	// Members are members of messages (and of their parts) that are left out, since the vendor refuses them.
	Members []string
	Models  []Model
	// Answers says in words what is peculiar to answers; the decoder reads all of it, whoever sends it.
	Answers string
	Source  string // where the row comes from
}

// Model is what some models of a vendor do not take, by their names or the beginnings of them.
type Model struct {
	Names    []string // whole ones
	Prefixes []string
	Fields   []Field
}

func (m *Model) is(model string) bool {
	return slices.Contains(m.Names, model) || slices.ContainsFunc(m.Prefixes, func(p string) bool { return strings.HasPrefix(model, p) })
}

// Lacks returns what becomes of a field that the vendor does not take from a model; ok is false for one that it does.
func (r *Row) Lacks(model, field string) (fate Fate, ok bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == field {
			return r.Fields[i].Fate, true
		}
	}
	for i := range r.Models {
		if !r.Models[i].is(model) {
			continue
		}
		for j := range r.Models[i].Fields {
			if r.Models[i].Fields[j].Name == field {
				return r.Models[i].Fields[j].Fate, true
			}
		}
	}
	return 0, false
}

// ChoiceOf returns the values of tool_choice that the vendor takes.
func (r *Row) ChoiceOf() Choices {
	if r.Choice == 0 {
		return ChooseAny
	}
	return r.Choice
}

// Thinks tells by its name whether a model that is served under the vendor's flag takes an effort. A model that does not
// would refuse the request, and a caller who asks for thinking in general is better served without it.
func Thinks(model string) bool {
	model = strings.ToLower(model)
	for _, part := range [...]string{"gpt-oss", "gpt-5", "/o1", "/o3", "/o4", "reason", "-r1", "think", "qwen3", "qwq", "grok-3-mini", "grok-4", "deepseek-v3.", "deepseek-v4", "kimi-k2", "kimi-k3", "glm-4.", "glm-5", "magistral", "minimax-m", "claude-", "gemini-2.5", "gemini-3", "sonar-deep", "nemotron", "mistral-medium-3.5", "mistral-small-4"} {
		if strings.Contains(model, part) {
			return true
		}
	}
	return false
}

// Get returns the row of a vendor, nil where there is none. Rows are not to be changed.
func Get(name string) *Row {
	i, ok := slices.BinarySearchFunc(table[:], name, func(r Row, name string) int { return strings.Compare(r.Name, name) })
	if !ok {
		return nil
	}
	return &table[i]
}

// Names returns the names of all vendors, sorted.
func Names() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Name
	}
	return names
}

// All returns the table, sorted by name. The slice is the caller's, the rows' own slices are not.
func All() []Row { return slices.Clone(table[:]) }

// Unknown is the row of a server that nobody has named: an old and careful form of the dialect, which every server
// takes.
func Unknown() *Row { return &unknown }

// Mistral is the row of the kind "mistral", whose API is OpenAI's with differences.
func Mistral() *Row { return &mistral }

// dropped and rejected make lists of fields.
func dropped(names ...string) []Field { return fields(Dropped, names) }

func rejected(names ...string) []Field { return fields(Rejected, names) }

func fields(fate Fate, names []string) []Field {
	l := make([]Field, len(names))
	for i, n := range names {
		l[i] = Field{n, fate}
	}
	return l
}

func both(lists ...[]Field) []Field { return slices.Concat(lists...) }
