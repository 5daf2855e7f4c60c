package openairesponses

// field is a top-level field of a request that the neutral model has no place for. A value that equals one of silent
// (or is null) says nothing: it asks for what happens anyway.
//
// Source: schema CreateResponse of OpenAI's OpenAPI document.
type field struct {
	name   string
	silent []string
}

var noPlace = [...]field{
	{"background", []string{"false"}},
	{"context_management", []string{"[]"}},
	{"conversation", nil},
	{"max_tool_calls", nil},
	{"moderation", nil},
	{"previous_response_id", []string{`""`}},
	{"prompt", nil},
	{"prompt_cache_key", nil},
	{"prompt_cache_options", []string{"{}"}},
	{"prompt_cache_retention", nil},
	{"store", []string{"false"}},
	{"truncation", []string{`"disabled"`}},
}

// says reports whether a field of that name with that value asks for anything. Fields that are in no table do.
func says(name string, raw []byte) bool {
	if isNull(raw) {
		return false
	}
	for i := range noPlace {
		if noPlace[i].name != name {
			continue
		}
		for _, s := range noPlace[i].silent {
			if string(raw) == s {
				return false
			}
		}
	}
	return true
}
