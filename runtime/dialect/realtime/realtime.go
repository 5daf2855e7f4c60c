// Package realtime reads usage aside from sessions over WebSocket: OpenAI's Realtime API, which Azure and xAI have too,
// and Gemini's Live API.
//
// What enters are the payloads of messages, in pieces as they pass; what leaves is what the session has used so far
// ([Seen]). The invariant is that a session's memory does not depend on its messages: a scanner looks for a handful of
// values by their names and keeps those alone, at most 4 KB each, however large the audio beside them is.
//
// Collecting the messages that begin like a wanted type was refused: neither API promises an order of members, Gemini
// has no types, and its usage may stand in the very message that has the audio.
//
// Sources: OpenAI's OpenAPI document (RealtimeServerEventResponseDone, RealtimeServerEventConversationItemInputAudio-
// TranscriptionCompleted), Google's reference of the Live API (BidiGenerateContentServerMessage, UsageMetadata).
package realtime

import (
	"bytes"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
)

// Seen is what a session has shown so far.
type Seen struct {
	// Usage is the sum over all answers. InputAudio and InputImage are those that were not cached, so that no token is
	// part of two kinds.
	Usage dialect.Usage
	// Model is the model that the server named, or of Gemini the client.
	Model string
	// Errors is the number of error events.
	Errors int64
	// Open is the number of answers that have begun and not ended.
	Open int64
	// Other tells that another model was used beside, which is charged apart: the input was transcribed.
	Other bool
	// Cut tells that some usage could not be read: the sum is too low.
	Cut bool
}

// Tap reads a session aside. The zero value is ready. It is not safe for concurrent use.
type Tap struct {
	seen   Seen
	last   dialect.Usage // of Gemini's turn
	server watch
	client *watch // until the client has named its model
	done   bool   // no message of the client's is of interest any more
}

// Reset makes the Tap ready for another session.
func (t *Tap) Reset() { *t = Tap{} }

// Seen returns what the session has shown so far.
func (t *Tap) Seen() *Seen { return &t.seen }

// Client reports whether messages of the client are of interest: the first one names the model of a Gemini session.
func (t *Tap) Client() bool { return !t.done }

// FromClient takes a piece of a message's payload from the client, without its mask. begins and ends tell of the
// message.
func (t *Tap) FromClient(b []byte, begins, ends bool) {
	if t.done {
		return
	}
	if t.client == nil {
		t.client = new(watch)
	}
	t.client.feed(b)
	if !ends {
		return
	}
	if m := text(t.client.values[setupModel]); m != "" {
		t.seen.Model = m
	}
	t.client, t.done = nil, true
}

// FromServer takes a piece of a message's payload from the server.
//
// Budget: no allocation once the values have grown; text of audio costs two passes of a vectorised search.
func (t *Tap) FromServer(b []byte, begins, ends bool) {
	if begins {
		t.server.reset()
	}
	t.server.feed(b)
	if ends {
		t.message(&t.server)
		t.server.reset()
	}
}

func (t *Tap) message(w *watch) {
	if w.cut {
		t.seen.Cut = true
	}
	if raw := w.values[usageMetadata]; len(raw) > 0 {
		if raw = bytes.TrimSpace(raw); jsonscan.Valid(raw) == nil {
			if u, ok := gemini.ReadUsage(raw); ok {
				t.turn(&u)
			}
		}
	}
	if m := text(w.values[sessionModel]); m != "" {
		t.seen.Model = m
	}
	switch string(bytes.TrimSpace(w.values[typ])) {
	case `"response.created"`:
		t.seen.Open++
	case `"response.done"`:
		if t.seen.Open > 0 {
			t.seen.Open--
		}
		if raw := bytes.TrimSpace(w.values[responseUsage]); len(raw) > 0 && raw[0] == '{' && jsonscan.Valid(raw) == nil {
			if u, ok := readUsage(raw); ok {
				t.add(&u)
			}
		}
	case `"conversation.item.input_audio_transcription.completed"`:
		if raw := bytes.TrimSpace(w.values[usage]); len(raw) > 0 && raw[0] == '{' {
			t.seen.Other = true
		}
	case `"error"`:
		t.seen.Errors++
	}
}

// turn takes what Gemini tells of a turn. It tells that once, or several times with growing totals; what it tells of the
// next turn has another prompt, because that holds the turns before.
func (t *Tap) turn(u *dialect.Usage) {
	if t.last.Known && t.last.Input == u.Input {
		t.plus(&t.last, -1)
	}
	t.add(u)
	t.last = *u
}

// add adds the usage of an answer to the session's.
func (t *Tap) add(u *dialect.Usage) { t.plus(u, 1) }

func (t *Tap) plus(u *dialect.Usage, sign int64) {
	s := &t.seen.Usage
	s.Input += sign * u.Input
	s.Output += sign * u.Output
	s.CacheRead += sign * u.CacheRead
	s.CacheWrite += sign * u.CacheWrite
	s.Reasoning += sign * u.Reasoning
	s.InputAudio += sign * u.InputAudio
	s.OutputAudio += sign * u.OutputAudio
	s.InputImage += sign * u.InputImage
	s.OutputImage += sign * u.OutputImage
	if u.Service != "" {
		s.Service = u.Service
	}
	s.Known = true
}

// readUsage reads the usage of one answer of the Realtime API.
func readUsage(raw []byte) (u dialect.Usage, ok bool) {
	var cachedAudio, cachedImage int64
	number := func(c *jsonscan.Cursor, to *int64) bool {
		v, ok := c.Int()
		if ok && v >= 0 {
			*to = v
		}
		return ok && v >= 0
	}
	object := func(c *jsonscan.Cursor, member func(name string) bool) {
		if c.Kind() != '{' {
			c.Skip()
			return
		}
		for c.Enter(); c.More(); {
			if !member(string(c.Key())) {
				c.Skip()
			}
		}
	}
	c := jsonscan.Over(raw)
	object(&c, func(name string) bool {
		switch name {
		case "input_tokens":
			ok = number(&c, &u.Input) || ok
		case "output_tokens":
			ok = number(&c, &u.Output) || ok
		case "input_token_details", "input_tokens_details":
			object(&c, func(name string) bool {
				switch name {
				case "cached_tokens":
					number(&c, &u.CacheRead)
				case "audio_tokens":
					number(&c, &u.InputAudio)
				case "image_tokens":
					number(&c, &u.InputImage)
				case "cached_tokens_details":
					object(&c, func(name string) bool {
						switch name {
						case "audio_tokens":
							number(&c, &cachedAudio)
						case "image_tokens":
							number(&c, &cachedImage)
						default:
							return false
						}
						return true
					})
				default:
					return false
				}
				return true
			})
		case "output_token_details", "output_tokens_details":
			object(&c, func(name string) bool {
				switch name {
				case "audio_tokens":
					number(&c, &u.OutputAudio)
				case "reasoning_tokens":
					number(&c, &u.Reasoning)
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	u.InputAudio = max(u.InputAudio-cachedAudio, 0)
	u.InputImage = max(u.InputImage-cachedImage, 0)
	u.Known = ok
	return u, ok
}

// text is the string that a raw value holds, "" for any other, and for one with escape sequences, which no name has.
func text(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
		return ""
	}
	return string(raw[1 : len(raw)-1])
}
