package dialect

import (
	"fmt"
	"net/http"
	"strconv"
)

// Refusal is the error for the first thing in r that the table rejects, nil where it rejects nothing: what has no place
// in the neutral model, and what has one and is named by its field of openai-chat ("n", "logprobs", "parallel_tool_calls",
// "logit_bias", …). Encoders call it first. Values that ask for what happens anyway (one choice, a penalty of 0) ask for
// nothing. Parts of messages are the encoder's own to judge, since it knows their places.
func (l Losses) Refusal(r *Request) *Error {
	for _, path := range r.Unsupported {
		if e := l.alone(path).refuses(path); e != nil {
			return e
		}
	}
	for i := range fields {
		if f := &fields[i]; f.asked(r) {
			if e := l.rejects(f.name); e != nil {
				return e
			}
		}
	}
	for _, f := range [...]struct {
		name string
		kind PartKind
	}{{"document_url", Document}, {"audio_url", Audio}} {
		at := byAddress(r, f.kind)
		if at == "" {
			continue
		}
		if row := l.Of(f.name); row.Fate == Rejected {
			return Refuse(at, "unsupported_parameter", "'%s' is not supported by this model's provider: %s.", at, row.Why)
		}
	}
	return nil
}

// byAddress is the place of the first part of a kind that is given by its address, "" where none is.
func byAddress(r *Request, kind PartKind) string {
	for i := range r.Messages {
		m := &r.Messages[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind == kind && p.URL != "" {
				return PartPlace(m, p)
			}
			for k := range p.Content {
				if c := &p.Content[k]; c.Kind == kind && c.URL != "" {
					return PartPlace(m, c)
				}
			}
		}
	}
	return ""
}

func beyondText(modalities []string) bool {
	for _, m := range modalities {
		if m != "text" {
			return true
		}
	}
	return false
}

func (l Losses) rejects(field string) *Error { return l.Of(field).refuses(field) }

// refuses is the error for what stands at a path, nil where the row does not reject it.
func (row Loss) refuses(path string) *Error {
	if row.Fate != Rejected {
		return nil
	}
	return Refuse(path, "unsupported_parameter", "'%s' is not supported by this model's provider: %s.", path, row.Why)
}

// MaxLost bounds how many fields are named as lost of one request.
const MaxLost = 16

// Relieved returns what is left of r where losses are accepted, and what of it the target cannot express, by the names of
// the table. With accept, what the table rejects is taken out of a copy of r, so that an encoder finds nothing to refuse;
// without, r itself is returned, for the encoder to refuse. What the table drops is named either way: the encoder leaves it
// out. Of the parts of messages only sounds are taken out; others are refused whatever is accepted, since a turn
// without its document is another turn.
func (l Losses) Relieved(r *Request, accept bool) (left *Request, lost []string) {
	if left = r; len(l) == 0 {
		return r, nil // a target that has no table judges by itself
	}
	own := func() *Request {
		if left == r {
			c := *r
			left = &c
		}
		return left
	}
	name := func(field string) {
		for _, f := range lost {
			if f == field {
				return
			}
		}
		switch {
		case len(lost) < MaxLost:
			lost = append(lost, field)
		case len(lost) == MaxLost:
			lost = append(lost, "…")
		}
	}
	for n, path := range r.Unsupported {
		row := l.alone(path)
		if row.Fate == Dropped {
			name(row.Field)
		}
		if row.Fate != Rejected || !accept {
			continue
		}
		name(row.Field)
		if c := own(); len(c.Unsupported) == len(r.Unsupported) {
			c.Unsupported = append([]string(nil), r.Unsupported[:n]...)
			for _, path := range r.Unsupported[n+1:] {
				if l.alone(path).Fate != Rejected {
					c.Unsupported = append(c.Unsupported, path)
				}
			}
		}
	}
	for i := range fields {
		f := &fields[i]
		if !f.asked(r) {
			continue
		}
		switch row := l.Of(f.name); {
		case row.Fate == Dropped:
			name(row.Field)
		case row.Fate == Rejected && accept:
			name(row.Field)
			f.clear(own())
		}
	}
	for said, i := look(r), 0; said != 0; said, i = said>>1, i+1 {
		if said&1 != 0 && l.Of(told[i]).Fate == Dropped {
			name(told[i])
		}
	}
	if accept && l.Of("input_audio").Fate == Rejected {
		for m := range r.Messages {
			if hasAudio(r.Messages[m].Parts) {
				name("input_audio")
				c := own()
				c.Messages = append([]Message(nil), c.Messages...)
				c.Messages[m].Parts = withoutAudio(r.Messages[m].Parts)
			}
		}
	}
	return left, lost
}

// EncodeFunc writes a request in a target's dialect.
type EncodeFunc func(dst []byte, r *Request, t *Target) ([]byte, *Error)

// Encode writes r by the target's encoder, and returns what of it is lost; see [Losses.Relieved]. Where losses are
// accepted, a field that only this model cannot have (which the encoder knows, and no table) is taken out as well.
func (l Losses) Encode(encode EncodeFunc, dst []byte, r *Request, t *Target, accept bool) (out []byte, lost []string, err *Error) {
	r, lost = l.Relieved(r, accept)
	for range fields {
		if out, err = encode(dst, r, t); err == nil || !accept {
			return out, lost, err
		}
		taken := false
		for i := range fields {
			if f := &fields[i]; f.name == err.Param && f.asked(r) {
				c := *r
				f.clear(&c)
				r, taken = &c, true
				if len(lost) < MaxLost {
					lost = append(lost, f.name)
				}
			}
		}
		if !taken {
			break
		}
	}
	return out, lost, err
}

func hasAudio(parts []Part) bool {
	for i := range parts {
		if parts[i].Kind == Audio {
			return true
		}
	}
	return false
}

func withoutAudio(parts []Part) (rest []Part) {
	for i := range parts {
		if parts[i].Kind != Audio {
			rest = append(rest, parts[i])
		}
	}
	return rest
}

// fields are those of a request that tables name by their openai-chat names. asked tells whether the caller asks for
// anything but what happens anyway; clear takes it back.
var fields = [...]struct {
	name  string
	asked func(*Request) bool
	clear func(*Request)
}{
	{"n", func(r *Request) bool { return r.Choices != nil && *r.Choices > 1 }, func(r *Request) { r.Choices = nil }},
	{"logprobs", func(r *Request) bool { return r.Logprobs != nil }, func(r *Request) { r.Logprobs = nil }},
	{"logit_bias", func(r *Request) bool { return len(r.LogitBias) > len("{}") }, func(r *Request) { r.LogitBias = nil }},
	{"modalities", func(r *Request) bool { return beyondText(r.Modalities) }, func(r *Request) { r.Modalities = nil }},
	{"audio", func(r *Request) bool { return r.Voice != nil }, func(r *Request) { r.Voice = nil }},
	{"stop", func(r *Request) bool { return len(r.Stop) > 0 }, func(r *Request) { r.Stop = nil }},
	{"temperature", func(r *Request) bool { return r.Temperature != nil }, func(r *Request) { r.Temperature = nil }},
	{"top_p", func(r *Request) bool { return r.TopP != nil }, func(r *Request) { r.TopP = nil }},
	{"reasoning_effort", func(r *Request) bool { return r.Reasoning != "" && r.ThinkingBudget == nil }, func(r *Request) { r.Reasoning = "" }},
	{"thinking", func(r *Request) bool { return r.ThinkingBudget != nil }, func(r *Request) { r.Reasoning, r.ThinkingBudget = "", nil }},
	{"tools", func(r *Request) bool { return len(r.Tools) > 0 }, func(r *Request) { r.Tools, r.ToolChoice, r.Parallel = nil, ToolChoice{}, nil }},
	{"tool_choice", func(r *Request) bool {
		return len(r.Tools) > 0 && r.ToolChoice.Mode != "" && r.ToolChoice.Mode != "auto"
	}, func(r *Request) { r.ToolChoice = ToolChoice{} }},
	{"seed", func(r *Request) bool { return r.Seed != nil }, func(r *Request) { r.Seed = nil }},
	{"frequency_penalty", func(r *Request) bool { return r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0 }, func(r *Request) { r.FrequencyPenalty = nil }},
	{"presence_penalty", func(r *Request) bool { return r.PresencePenalty != nil && *r.PresencePenalty != 0 }, func(r *Request) { r.PresencePenalty = nil }},
	{"top_k", func(r *Request) bool { return r.TopK != nil }, func(r *Request) { r.TopK = nil }},
	{"parallel_tool_calls", func(r *Request) bool { return r.Parallel != nil && !*r.Parallel && len(r.Tools) > 0 }, func(r *Request) { r.Parallel = nil }},
	{"service_tier", func(r *Request) bool {
		return r.ServiceTier != "" && r.ServiceTier != "auto" && r.ServiceTier != "default"
	}, func(r *Request) { r.ServiceTier = "" }},
	{"metadata", func(r *Request) bool { return len(r.Metadata) > len("{}") }, func(r *Request) { r.Metadata = nil }},
	{"user", func(r *Request) bool { return r.User != "" }, func(r *Request) { r.User = "" }},
	{"verbosity", func(r *Request) bool { return r.Verbosity != "" }, func(r *Request) { r.Verbosity = "" }},
}

// PartPlace names a part of a message in the caller's body, for [Refuse]: "messages[2].content[0]", and for a part of what
// a tool gave "messages[2].content[0].content[1]". p points into m.
func PartPlace(m *Message, p *Part) string {
	at := "messages[" + strconv.Itoa(m.At) + "].content"
	for i := range m.Parts {
		for j := range m.Parts[i].Content {
			if &m.Parts[i].Content[j] == p && m.Parts[i].At >= 0 {
				at += "[" + strconv.Itoa(m.Parts[i].At) + "].content"
			}
		}
	}
	if p.At >= 0 {
		at += "[" + strconv.Itoa(p.At) + "]"
	}
	return at
}

// told are the fields of a conversation's messages and tools, beside its content, that a table may drop; [look] returns
// them as bits, in this order.
var told = [...]string{"name", "detail", "filename", "is_error", "thinking_blocks", "cache_control", "strict"}

const (
	saysName = 1 << iota
	saysDetail
	saysFilename
	saysError
	saysThinking
	saysCache
	saysStrict
)

// look finds out which of the fields in told a request holds.
func look(r *Request) (said uint) {
	said = lookAt(r.System)
	for i := range r.Messages {
		if m := &r.Messages[i]; m.Name != "" {
			said |= saysName
		}
		said |= lookAt(r.Messages[i].Parts)
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		if t.Cache != NoCache {
			said |= saysCache
		}
		if t.Strict != nil && *t.Strict {
			said |= saysStrict
		}
	}
	return said
}

func lookAt(parts []Part) (said uint) {
	for i := range parts {
		p := &parts[i]
		if p.Cache != NoCache {
			said |= saysCache
		}
		switch p.Kind {
		case Image:
			if p.Detail != "" && p.Detail != "auto" {
				said |= saysDetail
			}
		case Document:
			if p.Name != "" {
				said |= saysFilename
			}
		case Thinking, RedactedThinking:
			said |= saysThinking
		case ToolResult:
			if p.IsError {
				said |= saysError
			}
			said |= lookAt(p.Content)
		}
	}
	return said
}

// Refuse is the error for a request that a target cannot be sent, with status 400 and the place at fault in the caller's
// body.
func Refuse(param, code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Code: code, Param: param, Message: fmt.Sprintf(format, args...)}
}
