package openaichat

import (
	"bytes"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/runtime/dialect/sse"
)

// tapEvent bounds a streamed event that a Tap reads, and what it holds back in [Tap.Filter]. A larger one (an image
// inside a chunk) passes unread.
const tapEvent = 1 << 20

// Tap reads an answer of this dialect aside while its bytes pass through. Reset makes it ready; then either Feed or
// Filter takes the bytes in whatever pieces they come, and Finish (or FilterEnd) ends it. It allocates nothing per
// event, holds a bounded amount of memory, and malformed input only means that it learns less.
type Tap struct {
	dialect.Aside // Stop is the first choice's

	stream  bool
	split   sse.Splitter
	ev      sse.Event
	body    openai.Members
	service string // the service tier, which stands beside the usage
	buf     []byte

	held   []byte // bytes of a block that is not complete yet
	pass   bool   // the current block is too long to be held back
	hidden bool   // the last block was hidden
}

var _ dialect.Tap = (*Tap)(nil)

// Seen returns what was read so far.
func (t *Tap) Seen() *dialect.Aside { return &t.Aside }

// Reset makes t ready for another answer and keeps its buffers, unless they have grown large.
func (t *Tap) Reset(stream bool) {
	*t = Tap{stream: stream, split: t.split, held: keep(t.held), buf: keep(t.buf), body: t.body}
	t.split.Reset(tapEvent)
	t.body.Reset(&wanted)
}

func keep(b []byte) []byte {
	if cap(b) > 64<<10 {
		return nil
	}
	return b[:0]
}

// Feed reads b, the next piece of the answer.
func (t *Tap) Feed(b []byte) {
	if !t.stream {
		t.whole(b)
		return
	}
	for len(b) > 0 {
		n, ok, _ := t.split.Next(b, &t.ev)
		if ok {
			t.event(t.ev.Data)
		}
		b = b[n:]
	}
}

// wanted are the members of a body that tell what a tap wants to know. It is never written to.
var wanted = openai.Wanted{Top: []string{"model", "usage", "error", "x_groq", "service_tier"}, Array: "choices", Inner: []string{"finish_reason"}}

func (t *Tap) whole(b []byte) {
	t.body.Feed(b, t)
	t.Done = t.body.Complete()
}

// Found implements [openai.Found].
func (t *Tap) Found(element, name int, raw []byte) {
	switch {
	case element >= 0:
		if element == 0 {
			t.stop(raw)
		}
	case name == 0:
		t.model(raw)
	case name == 1:
		t.usage(raw)
	case name == 2:
		t.failure(raw, raw)
	case name == 3:
		t.groq(raw)
	case name == 4:
		if t.service = dialect.Service(raw); t.service != "" {
			t.Usage.Service = t.service
		}
	}
}

// Finish ends the answer: what came last counts, even if its blank line is missing.
func (t *Tap) Finish() {
	if t.stream && t.split.End(&t.ev) {
		t.event(t.ev.Data)
	}
}

// Filter reads b as Feed does and appends to dst what the client shall see: everything except a chunk that holds
// usage and no choice, which the provider sends because the gateway asked for it. Bytes of a chunk that is not
// complete are held back until it is.
func (t *Tap) Filter(dst, b []byte) []byte {
	if !t.stream {
		t.whole(b)
		return append(dst, b...)
	}
	for len(b) > 0 {
		if t.split.PendingLF() && b[0] == '\n' && !t.split.InBlock() {
			// The second half of a line end that was cut in two goes where the first half went.
			t.split.Next(b[:1], &t.ev)
			if !t.hidden {
				dst = append(dst, '\n')
			}
			b = b[1:]
			continue
		}
		n, ok, err := t.split.Next(b, &t.ev)
		t.hidden = ok && t.event(t.ev.Data)
		switch {
		case !t.split.InBlock():
			if !t.hidden {
				dst = append(dst, t.held...)
				dst = append(dst, b[:n]...)
			}
			t.held, t.pass = t.held[:0], false
		case t.pass || err != nil:
			dst = append(dst, t.held...)
			dst = append(dst, b[:n]...)
			t.held, t.pass = t.held[:0], true
		default:
			t.held = append(t.held, b[:n]...)
		}
		b = b[n:]
	}
	return dst
}

// FilterEnd ends the answer and appends to dst what Filter still held back.
func (t *Tap) FilterEnd(dst []byte) []byte {
	hide := false
	if t.stream && t.split.End(&t.ev) {
		hide = t.event(t.ev.Data)
	}
	if !hide {
		dst = append(dst, t.held...)
	}
	t.held = t.held[:0]
	return dst
}

var (
	done         = []byte("[DONE]")
	nameUsage    = []byte(`"usage"`)
	nameError    = []byte(`"error"`)
	nameFinished = []byte(`"finish_reason"`)
)

// event reads one chunk and reports whether it holds usage and no choice. Most chunks hold a delta alone; they are
// only searched for the names that matter, in a form that cannot stand inside a string (there, quotes are escaped).
func (t *Tap) event(data []byte) (usageOnly bool) {
	if bytes.HasPrefix(data, done) {
		t.Done = true
		return false
	}
	t.Pieces++
	if t.Model != "" && !mentions(data, nameUsage) && !mentions(data, nameFinished) && !mentions(data, nameError) {
		return false
	}
	if jsonscan.Valid(data) != nil {
		return false
	}
	c := jsonscan.Over(data)
	if c.Kind() != '{' {
		return false
	}
	choices, usage := false, false
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "model":
			t.model(c.Skip())
		case "choices":
			choices = t.choices(&c)
		case "usage":
			if raw := c.Skip(); t.usage(raw) {
				usage = true
			}
		case "x_groq":
			t.groq(c.Skip())
		case "service_tier":
			if t.service = dialect.Service(c.Skip()); t.service != "" {
				t.Usage.Service = t.service
			}
		case "error":
			t.failure(c.Skip(), data)
		default:
			c.Skip()
		}
	}
	if usage && !choices || t.Err != nil {
		t.Pieces--
	}
	return usage && !choices && t.Err == nil
}

// mentions reports whether a member of that name stands in data with a value other than null.
func mentions(data, name []byte) bool {
	for {
		i := bytes.Index(data, name)
		if i < 0 {
			return false
		}
		data = data[i+len(name):]
		for j := 0; j < len(data); j++ {
			switch data[j] {
			case ' ', '\t', ':':
				continue
			case 'n':
			default:
				return true
			}
			break
		}
	}
}

func (t *Tap) model(raw []byte) {
	if t.Model != "" || len(raw) < 2 || raw[0] != '"' || len(raw) > 512 {
		return
	}
	var s []byte
	s, t.buf = jsonscan.Unquote(raw, t.buf)
	t.Model = string(s)
}

// choices reads the first choice's finish_reason and reports whether there is a choice at all.
func (t *Tap) choices(c *jsonscan.Cursor) (any bool) {
	if c.Kind() != '[' {
		c.Skip()
		return false
	}
	for c.Enter(); c.More(); {
		if any || c.Kind() != '{' {
			any = true
			c.Skip()
			continue
		}
		any = true
		for c.Enter(); c.More(); {
			switch string(c.Key()) {
			case "finish_reason":
				t.stop(c.Skip())
			case "usage": // Moonshot puts the numbers here
				t.usage(c.Skip())
			default:
				c.Skip()
			}
		}
	}
	return any
}

func (t *Tap) stop(raw []byte) {
	if r := stopReason(raw); r != "" {
		t.Stop = r
	}
}

// groq reads {"usage":…} of Groq's x_groq member, for servers that send nothing else.
func (t *Tap) groq(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' || t.Usage.Known {
		return
	}
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		if name := c.Key(); string(name) == "usage" {
			t.usage(c.Skip())
		} else {
			c.Skip()
		}
	}
}

func (t *Tap) failure(raw, whole []byte) {
	if len(raw) == 0 || raw[0] != '{' && raw[0] != '"' || string(raw) == `""` || t.Err != nil {
		return
	}
	t.Err = streamError(whole)
}

// usage reads a usage object and reports whether it was one. The later one counts.
func (t *Tap) usage(raw []byte) bool {
	u, ok := readUsage(raw)
	if ok {
		t.Usage = u
		if t.service != "" {
			t.Usage.Service = t.service
		}
	}
	return ok
}

// readUsage reads a usage object into the inside convention. OpenAI's is the same; of its relatives
//   - DeepSeek names the cached part prompt_cache_hit_tokens,
//   - xAI leaves reasoning out of completion_tokens, which its total_tokens gives away,
//   - Perplexity leaves reasoning_tokens, which stand beside citation_tokens there, out of both,
//   - Vercel's gateway leaves it out of both for Gemini, which shows where it is more than the whole.
func readUsage(raw []byte) (u dialect.Usage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return u, false
	}
	total, cited := int64(-1), false
	c := jsonscan.Over(raw)
	for c.Enter(); c.More(); {
		switch string(c.Key()) {
		case "prompt_tokens":
			ok = tokens(&c, &u.Input) || ok
		case "completion_tokens":
			ok = tokens(&c, &u.Output) || ok
		case "total_tokens":
			tokens(&c, &total)
		case "prompt_cache_hit_tokens":
			tokens(&c, &u.CacheRead)
		case "num_sources_used", "num_search_queries": // xAI's and Perplexity's searches
			tokens(&c, &u.Units.WebSearches)
		case "citation_tokens":
			cited = tokens(&c, &u.Citation) || cited
		case "reasoning_tokens":
			tokens(&c, &u.Reasoning)
		case "search_context_size":
			switch string(c.Skip()) { // Perplexity charges a request by it
			case `"medium"`:
				u.Service = "search-medium"
			case `"high"`:
				u.Service = "search-high"
			}
		case "prompt_audio_seconds": // Mistral's, beside its tokens
			tokens(&c, &u.Units.Seconds)
		case "cost":
			u.Stated, u.HasStated = dialect.Stated(c.Skip())
		case "cost_in_usd_ticks": // xAI's: 10^-10 USD each
			u.Stated, u.HasStated = dialect.Ticks(c.Skip())
		case "prompt_tokens_details":
			details(&c, "cached_tokens", &u.CacheRead, "cache_write_tokens", &u.CacheWrite, "audio_tokens", &u.InputAudio)
		case "completion_tokens_details":
			details(&c, "reasoning_tokens", &u.Reasoning, "audio_tokens", &u.OutputAudio, "", nil)
		default:
			c.Skip()
		}
	}
	if u.Reasoning > 0 && (total == u.Input+u.Output+u.Reasoning || u.Reasoning > u.Output || cited) {
		u.Output += u.Reasoning
	}
	u.Known = ok
	return u, ok
}

func tokens(c *jsonscan.Cursor, to *int64) bool {
	n, ok := c.Int()
	if ok && n >= 0 {
		*to = n
	}
	return ok && n >= 0
}

func details(c *jsonscan.Cursor, a string, toA *int64, b string, toB *int64, third string, toThird *int64) {
	if c.Kind() != '{' {
		c.Skip()
		return
	}
	for c.Enter(); c.More(); {
		switch name := c.Key(); {
		case string(name) == a:
			tokens(c, toA)
		case string(name) == b:
			tokens(c, toB)
		case toThird != nil && string(name) == third:
			tokens(c, toThird)
		default:
			c.Skip()
		}
	}
}
