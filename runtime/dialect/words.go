package dialect

import "slices"

// A loss table speaks of a target; what a caller loses depends on what he can say as well. So a dialect of callers has its
// [Words]: what it calls the fields of the neutral model, and what it alone has. [Between] puts the two together, and is
// the table of that pair: N + M tables are written, and N × M are read, by people and by the tests that hold each of them
// against what happens. A table for each pair was the alternative; nobody would keep fifty of them true.

// Word is one field of a dialect of callers, by the name that its documents have, and the field of the neutral model that
// it says something about; see [Neutral]. Is "" is a field that the dialect alone has.
type Word struct{ Field, Is string }

// Words is what callers of a dialect can say.
type Words []Word

// Neutral lists the fields of the neutral model by the names of the loss tables. Of the names in a row the first is the
// field's own; tables may have rows by the others, too, where the same thing said otherwise has another fate.
var Neutral = [...][]string{
	{"model"},
	{"messages"},
	{"system"},
	{"name"},
	{"tools"},
	{"strict"},
	{"tool_choice"},
	{"parallel_tool_calls", "disable_parallel_tool_use"},
	{"is_error"},
	{"image", "image_url"},
	{"detail"},
	{"document"},
	{"document_url"},
	{"filename"},
	{"input_audio"},
	{"audio_url"},
	{"thinking_blocks"},
	{"cache_control"},
	{"max_tokens", "max_completion_tokens"},
	{"temperature"},
	{"top_p"},
	{"top_k"},
	{"stop", "stop_sequences"},
	{"stream"},
	{"include_usage"},
	{"user", "user_id", "safety_identifier"},
	{"reasoning_effort", "effort"},
	{"thinking"},
	{"response_format", "format"},
	{"n"},
	{"seed"},
	{"frequency_penalty"},
	{"presence_penalty"},
	{"logprobs", "top_logprobs"},
	{"logit_bias"},
	{"service_tier"},
	{"metadata"},
	{"modalities"},
	{"audio"},
	{"verbosity"},
}

// Neutrally is the neutral field that a name of the tables stands for, "" if it is none.
func Neutrally(name string) string {
	for _, names := range Neutral {
		if slices.Contains(names, name) {
			return names[0]
		}
	}
	return ""
}

// row finds the row for a caller's word: by the word itself where it is a name of the same neutral field, else by the
// field's names in their order.
func (l Losses) row(w Word) (Loss, bool) {
	find := func(name string) (Loss, bool) {
		for _, row := range l {
			if row.Field == name {
				return row, true
			}
		}
		return Loss{}, false
	}
	if w.Is == "" {
		return find(w.Field)
	}
	for _, names := range Neutral {
		if names[0] != w.Is {
			continue
		}
		if slices.Contains(names, w.Field) {
			if row, ok := find(w.Field); ok {
				return row, true
			}
		}
		for _, name := range names {
			if row, ok := find(name); ok {
				return row, true
			}
		}
	}
	return Loss{}, false
}

// Between is the table of a pair: what becomes of each word of a caller's dialect at a target. reading is what the
// dialect's own reader makes of its words, before any target is known; what is emulated there stays emulated.
func Between(words Words, reading, target Losses) Losses {
	table := make(Losses, 0, len(words))
	for _, w := range words {
		row, ok := target.row(w)
		switch {
		case w.Is == "":
			row = target.alone(w.Field)
		case !ok:
			row = target.Of(w.Is)
		}
		row.Field = w.Field
		if own, ok := reading.row(Word{Field: w.Field}); ok && own.Fate == Emulated {
			switch row.Fate {
			case Lossless:
				row.Fate, row.Why = Emulated, own.Why
			case Emulated:
				row.Why = own.Why + "; " + row.Why
			}
		}
		table = append(table, row)
	}
	return table
}
