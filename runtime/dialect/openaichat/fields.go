package openaichat

import "bytes"

// field is a top-level field of a chat request that the neutral model has no place for. A value that equals one of
// silent (or is null) says nothing: it asks for what happens anyway.
//
// Source: schema CreateChatCompletionRequest of OpenAI's OpenAPI document, and the extensions that the SDKs' users
// send to compatible servers.
type field struct {
	name   string
	silent []string
}

var noPlace = [...]field{
	{"function_call", nil},
	{"functions", []string{"[]"}},
	{"moderation", nil},
	{"prediction", nil},
	{"prompt_cache_key", nil},
	{"prompt_cache_options", nil},
	{"prompt_cache_retention", nil},
	{"store", []string{"false"}},
	{"web_search_options", nil},
}

// says reports whether a field of that name with that value asks for anything. Fields that are in no table do.
func says(name string, raw []byte) bool {
	if string(raw) == "null" {
		return false
	}
	for i := range noPlace {
		if noPlace[i].name != name {
			continue
		}
		for _, s := range noPlace[i].silent {
			if string(raw) == s || len(raw) < 32 && bytes.ContainsAny(raw, " \t\r\n") && string(compact(raw)) == s {
				return false
			}
		}
		return true
	}
	return true
}

func compact(raw []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, raw)
}
