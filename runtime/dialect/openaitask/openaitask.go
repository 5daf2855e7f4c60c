// Package openaitask knows what the gateway has to know of OpenAI's endpoints that are no conversation: embeddings,
// images, speech, transcription, translation and moderation. Their bytes pass through; only usage is read aside.
//
// What enters is an answer in pieces, a JSON object, a stream of events or the bytes of a sound; what leaves is its
// usage, in the inside convention of package dialect. Answers may hold megabytes of images or vectors: nothing of them
// is kept.
//
// Source: the schemas CreateEmbeddingResponse, ImagesResponse, ImageGenCompletedEvent, CreateTranscriptionResponse…,
// TranscriptTextDoneEvent, SpeechAudioDoneEvent of OpenAI's OpenAPI document.
package openaitask

import (
	"strings"
	"unicode/utf8"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// eventMax bounds an event that a Tap reads. A larger one is a piece of an image or a sound, and passes unread; the
// event that ends a stream of images holds the last image, so that its size is that of one.
const eventMax = 24 << 20

// Tap reads an answer aside. It makes no difference between the endpoints: what is not there is not found.
type Tap struct {
	dialect.Aside

	stream bool
	images bool // what an answer lists are images, each of which may have a price
	split  sse.Splitter
	ev     sse.Event
	body   openai.Members
	buf    []byte
}

var _ dialect.Tap = (*Tap)(nil)

// wanted is what is looked for at the top of an answer or an event. meta is Cohere's place for usage.
var wanted = openai.Wanted{Top: []string{"model", "usage", "error", "type", "meta"}, Array: "data"}

// NewImagesTap returns a Tap that counts the images of an answer.
func NewImagesTap() *Tap { return &Tap{images: true} }

// Seen returns what was read so far.
func (t *Tap) Seen() *dialect.Aside { return &t.Aside }

// Reset makes t ready for another answer.
func (t *Tap) Reset(stream bool) {
	t.Aside, t.stream = dialect.Aside{}, stream
	t.split.Reset(eventMax)
	t.body.Reset(&wanted)
}

// Feed reads the next piece.
func (t *Tap) Feed(b []byte) {
	if !t.stream {
		t.body.Feed(b, t)
		t.Done = t.body.Complete()
		if t.images {
			t.Usage.Units.Images = t.body.Objects()
		}
		return
	}
	for len(b) > 0 {
		n, ok, _ := t.split.Next(b, &t.ev)
		if ok {
			t.event()
		}
		b = b[n:]
	}
}

// Finish ends the answer.
func (t *Tap) Finish() {
	if t.stream && t.split.End(&t.ev) {
		t.event()
	}
}

// Filter is Feed: the gateway asks for nothing that callers do not.
func (t *Tap) Filter(dst, b []byte) []byte {
	t.Feed(b)
	return append(dst, b...)
}

// FilterEnd is Finish.
func (t *Tap) FilterEnd(dst []byte) []byte {
	t.Finish()
	return dst
}

func (t *Tap) event() {
	if string(t.ev.Data) == "[DONE]" {
		t.Done = true
		return
	}
	t.Pieces++
	t.body.Reset(&wanted)
	t.body.Feed(t.ev.Data, t)
}

// Found implements [openai.Found].
func (t *Tap) Found(_, name int, raw []byte) {
	switch wanted.Top[name] {
	case "model":
		if t.Model == "" && len(raw) < 512 {
			t.Model = t.text(raw)
		}
	case "type":
		// transcript.text.done, image_generation.completed, image_edit.completed, speech.audio.done end their streams.
		if kind := t.text(raw); t.stream && (strings.HasSuffix(kind, ".done") && !strings.HasSuffix(kind, "segment.done") || strings.HasSuffix(kind, ".completed")) {
			t.Done = true
			if t.images {
				t.Usage.Units.Images++
			}
		}
	case "error":
		if len(raw) > 0 && raw[0] == '{' && t.Err == nil {
			e, _ := dialect.ReadError(raw)
			if e.Message == "" {
				e.Message = "The provider broke its answer off with an error."
			}
			t.Err = &e
		}
	case "usage":
		if u, ok := Usage(raw); ok || u.Units.Any() {
			u.Units.Images = t.Usage.Units.Images
			t.Usage = u
		}
	case "meta":
		if u, ok := billed(raw); ok || u.Units.Any() {
			t.Usage = u
		}
	}
}

func (t *Tap) text(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	var s []byte
	s, t.buf = jsonscan.Unquote(raw, t.buf)
	return string(s)
}

// Usage reads a usage object of one of these endpoints: prompt_tokens of embeddings, input_tokens and output_tokens with
// their details by modality of the others. Usage by duration is in seconds and not in tokens: ok is false then.
func Usage(raw []byte) (u dialect.Usage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return u, false
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "prompt_tokens", "input_tokens":
			ok = count(&c, &u.Input) || ok
		case "completion_tokens", "output_tokens":
			ok = count(&c, &u.Output) || ok
		case "seconds", "prompt_audio_seconds": // OpenAI's and Mistral's
			u.Units.Seconds = seconds(&c)
		case "cost":
			u.Stated, u.HasStated = dialect.Stated(c.Skip())
		case "input_tokens_details", "input_token_details":
			details(&c, &u.CacheRead, &u.InputImage, &u.InputAudio)
		case "output_tokens_details", "output_token_details":
			var none int64
			details(&c, &none, &u.OutputImage, &u.OutputAudio)
		default:
			c.Skip()
		}
	}
	u.Known = ok
	return u, ok
}

func details(c *jsonscan.Cursor, cached, image, audio *int64) {
	if c.Kind() != '{' {
		c.Skip()
		return
	}
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "cached_tokens":
			count(c, cached)
		case "image_tokens":
			count(c, image)
		case "audio_tokens":
			count(c, audio)
		default:
			c.Skip()
		}
	}
}

// seconds reads a length of audio, in whole seconds that have begun: providers bill no fractions.
func seconds(c *jsonscan.Cursor) int64 {
	a, ok := price.ReadAmount(c.Skip())
	if !ok {
		return 0
	}
	return int64((a + price.PerUSD - 1) / price.PerUSD)
}

// Characters counts the characters of the text that a request for speech wants to have read: Unicode code points of its
// input.
func Characters(body []byte) int64 {
	if len(body) == 0 || body[0] != '{' {
		return 0
	}
	c := jsonscan.Over(body)
	for c.Enter(); c.More(); {
		if name := c.Key(); string(name) != "input" {
			c.Skip()
			continue
		}
		raw := c.Skip()
		if len(raw) < 2 || raw[0] != '"' {
			return 0
		}
		text, _ := jsonscan.Unquote(raw, nil)
		return int64(utf8.RuneCount(text))
	}
	return 0
}

// billed reads Cohere's meta.billed_units.
func billed(raw []byte) (u dialect.Usage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return u, false
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if string(c.Key()) != "billed_units" || c.Kind() != '{' {
			c.Skip()
			continue
		}
		for c.Enter(); c.More(); {
			switch string(c.Key()) {
			case "input_tokens":
				ok = count(&c, &u.Input) || ok
			case "output_tokens":
				ok = count(&c, &u.Output) || ok
			case "search_units":
				count(&c, &u.Units.SearchUnits)
			default:
				c.Skip()
			}
		}
	}
	u.Known = ok
	return u, ok
}

func count(c *jsonscan.Cursor, to *int64) bool {
	n, ok := c.Int()
	if ok && n >= 0 {
		*to = n
	}
	return ok && n >= 0
}
