package dialect

import (
	"fmt"
	"net/http"
)

// Refusal is the error for the first thing in r that the table rejects, nil where it rejects nothing: what has no place
// in the neutral model, and what has one and is named by its field of openai-chat ("n", "logprobs", "parallel_tool_calls",
// "logit_bias", …). Encoders call it first. Values that ask for what happens anyway (one choice, a penalty of 0) ask for
// nothing. Parts of messages are the encoder's own to judge, since it knows their places.
func (l Losses) Refusal(r *Request) *Error {
	for _, path := range r.Unsupported {
		if e := l.rejects(path); e != nil {
			return e
		}
	}
	for _, asked := range [...]struct {
		field string
		is    bool
	}{
		{"n", r.Choices != nil && *r.Choices > 1},
		{"logprobs", r.Logprobs != nil},
		{"logit_bias", len(r.LogitBias) > len("{}")},
		{"modalities", beyondText(r.Modalities)},
		{"audio", r.Voice != nil},
		{"seed", r.Seed != nil},
		{"frequency_penalty", r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0},
		{"presence_penalty", r.PresencePenalty != nil && *r.PresencePenalty != 0},
		{"top_k", r.TopK != nil},
		{"parallel_tool_calls", r.Parallel != nil && !*r.Parallel && len(r.Tools) > 0},
	} {
		if asked.is {
			if e := l.rejects(asked.field); e != nil {
				return e
			}
		}
	}
	return nil
}

func beyondText(modalities []string) bool {
	for _, m := range modalities {
		if m != "text" {
			return true
		}
	}
	return false
}

func (l Losses) rejects(path string) *Error {
	row := l.Of(path)
	if row.Fate != Rejected {
		return nil
	}
	return &Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: "unsupported_parameter", Param: path,
		Message: fmt.Sprintf("'%s' is not supported by this model's provider: %s.", path, row.Why)}
}
