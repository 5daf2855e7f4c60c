package mock

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// chat is a request of either dialect, reduced to what an answer depends on.
type chat struct {
	model      string
	system     string
	turns      []turn
	tools      []tool
	choice     string // "auto", "none", "required", or "tool" (then choiceName)
	choiceName string
	parallel   bool
	maxTokens  int // 0: no limit
	stops      []string
	schema     map[string]any // of a structured output; nil: free text
	thinking   bool
	cacheable  int // length of the prompt, in tokens, up to the last cache mark; 0: none
	seed       [32]byte
}

// turn is one message. Text holds all its text parts; results are those of tools.
type turn struct {
	role    string // "user", "assistant", "tool"
	text    string
	images  []string // one description each
	calls   []call
	results []result
}

type tool struct {
	name, description string
	schema            map[string]any
	size              int // bytes of the declaration
}

type call struct{ id, name, arguments string }

type result struct {
	id, text string
	failed   bool
	images   int
}

// answer is what the model says. Pieces concatenate to the text; the numbers are tokens, in the inside convention
// of the design: input includes what was read from and written to the cache, output includes reasoning.
type answer struct {
	id           string // hex, a function of the request
	thinking     []string
	pieces       []string
	calls        []call
	stop         string // "stop", "stop_sequence", "length", "tool_calls"
	stopSequence string

	input, cacheRead, cacheWrite, output, reasoning int
}

func (a *answer) text() string { return strings.Join(a.pieces, "") }

// compose answers c.
func compose(c *chat, chunks int) *answer {
	a := &answer{id: hex.EncodeToString(c.seed[:12]), input: c.promptTokens()}
	if c.thinking {
		a.thinking = pieces(fmt.Sprintf("The caller asks about %q. I answer plainly.", clip(c.question(), 60)))
		a.reasoning = len(a.thinking)
	}
	if a.calls = c.callTools(a.id); a.calls != nil {
		a.stop = "tool_calls"
		for _, k := range a.calls {
			a.output += len(pieces(k.name)) + len(pieces(k.arguments))
		}
		a.output += a.reasoning
		return a
	}
	text := c.say()
	if c.schema == nil {
		text = lengthen(text, chunks)
	}
	a.stop = "stop"
	at := -1
	for _, s := range c.stops {
		if i := strings.Index(text, s); i >= 0 && (at < 0 || i < at) {
			at, a.stopSequence = i, s
		}
	}
	if at >= 0 {
		text, a.stop = text[:at], "stop_sequence"
	}
	a.pieces = pieces(text)
	if left := c.maxTokens - a.reasoning; c.maxTokens > 0 && len(a.pieces) > left {
		a.pieces, a.stop, a.stopSequence = a.pieces[:max(left, 0)], "length", ""
	}
	a.output = len(a.pieces) + a.reasoning
	if chunks > 0 {
		a.pieces = regroup(a.pieces, chunks)
	}
	return a
}

// question is the text of the last user turn that has one.
func (c *chat) question() string {
	for _, t := range slices.Backward(c.turns) {
		if t.role == "user" && strings.TrimSpace(t.text) != "" {
			return t.text
		}
	}
	return ""
}

var (
	sayWords = regexp.MustCompile(`(?is)^\s*(?:please\s+)?(?:say|repeat|echo|reply with|answer with)\b[:\s]*(?:exactly\b[:\s]*)?(.+?)\s*$`)
	countTo  = regexp.MustCompile(`(?i)\bcount (?:up )?to (\d{1,5})\b`)
)

// say is the text of an answer without tools: the result of tools, a count, an echo, or a sentence that names what
// arrived, so that a reader (and a test) sees that nothing was lost on the way.
func (c *chat) say() string {
	q := c.question()
	if c.schema != nil {
		b, err := json.Marshal(newFiller(q).value("", c.schema), json.Deterministic(true))
		if err != nil {
			return "{}"
		}
		return string(b)
	}
	last := c.turns[len(c.turns)-1]
	if len(last.results) > 0 {
		var s []string
		for _, r := range last.results {
			line := fmt.Sprintf("%s gave %s", c.toolOf(r.id), strings.TrimSpace(r.text))
			if r.failed {
				line = fmt.Sprintf("%s failed with %s", c.toolOf(r.id), strings.TrimSpace(r.text))
			}
			if r.images > 0 {
				line += fmt.Sprintf(" and %s", plural(r.images, "image"))
			}
			s = append(s, line)
		}
		return "Here is what I found: " + strings.Join(s, "; ") + "."
	}
	if m := countTo.FindStringSubmatch(q); m != nil {
		n, _ := strconv.Atoi(m[1])
		var b strings.Builder
		for i := 1; i <= n; i++ {
			if i > 1 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.Itoa(i))
		}
		return b.String()
	}
	if m := sayWords.FindStringSubmatch(q); m != nil && len(last.images) == 0 {
		return strings.Trim(m[1], `"'`)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "This is %s. You said: %q.", c.model, clip(q, 200))
	if c.system != "" {
		fmt.Fprintf(&b, " My instructions are: %q.", clip(c.system, 120))
	}
	if len(last.images) > 0 {
		fmt.Fprintf(&b, " I see %s: %s.", plural(len(last.images), "image"), strings.Join(last.images, ", "))
	}
	if n := len(c.turns); n > 1 {
		fmt.Fprintf(&b, " That was message %d of our talk.", n)
	}
	return b.String()
}

func (c *chat) toolOf(id string) string {
	for _, t := range c.turns {
		for _, k := range t.calls {
			if k.id == id {
				return k.name
			}
		}
	}
	return "the tool"
}

// callTools decides which tools are called. A tool is called when the choice demands it, or when the last message
// is the user's and has a word of the tool's name; once for each place that the text names ("weather for Paris and
// Oslo"), and only once in all where parallel calls are switched off.
func (c *chat) callTools(id string) []call {
	last := c.turns[len(c.turns)-1]
	if len(c.tools) == 0 || c.choice == "none" || c.choice != "tool" && len(last.results) > 0 {
		return nil
	}
	q := c.question()
	var chosen []tool
	for _, t := range c.tools {
		if c.choice == "tool" && t.name == c.choiceName || c.choice != "tool" && last.role == "user" && mentions(last.text, t.name) {
			chosen = append(chosen, t)
		}
	}
	if c.choice == "required" && len(chosen) == 0 {
		chosen = c.tools[:1]
	}
	var calls []call
	for _, t := range chosen {
		each := newFiller(q).split(len(chosen) == 1 && c.parallel)
		for _, f := range each {
			b, err := json.Marshal(f.value("", t.schema), json.Deterministic(true))
			if err != nil || len(b) == 0 || b[0] != '{' {
				b = []byte("{}")
			}
			calls = append(calls, call{id: fmt.Sprintf("%s%02d", id[:20], len(calls)), name: t.name, arguments: string(b)})
		}
	}
	if !c.parallel && len(calls) > 1 {
		calls = calls[:1]
	}
	return calls
}

// dull are words of tool names that say nothing about when to call the tool.
var dull = []string{"get", "set", "list", "find", "fetch", "call", "run", "the", "tool", "for", "and", "make", "new", "all", "info", "use", "search", "current", "create", "with"}

// mentions says whether text has the tool's name, or one telling word of it.
func mentions(text, name string) bool {
	low := strings.ToLower(text)
	if strings.Contains(low, strings.ToLower(name)) {
		return true
	}
	words := strings.FieldsFunc(low, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for _, w := range nameWords(name) {
		if len(w) >= 3 && !slices.Contains(dull, w) && slices.Contains(words, w) {
			return true
		}
	}
	return false
}

// nameWords splits snake_case, kebab-case and camelCase into lower-case words.
func nameWords(name string) []string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteByte(' ')
		}
	}
	return strings.Fields(b.String())
}

// promptTokens counts what was sent: every text, a fixed price for an image, a quarter of a declaration's bytes.
func (c *chat) promptTokens() int {
	n := 3 + len(pieces(c.system))
	for _, t := range c.turns {
		n += 4 + len(pieces(t.text)) + 85*len(t.images)
		for _, k := range t.calls {
			n += len(pieces(k.name)) + len(pieces(k.arguments))
		}
		for _, r := range t.results {
			n += 2 + len(pieces(r.text)) + 85*r.images
		}
	}
	for _, t := range c.tools {
		n += t.size / 4
	}
	return n
}

// pieces cuts text into what the mock counts as tokens: a word of at most eight letters with the blank before it,
// or one other character. Pieces are valid UTF-8 and concatenate to the text.
func pieces(text string) []string {
	var out []string
	for text != "" {
		n, letters := 0, 0
		for n < len(text) {
			r, size := utf8.DecodeRuneInString(text[n:])
			word := unicode.IsLetter(r) || unicode.IsDigit(r)
			if n == 0 && r == ' ' {
				n = size
				continue
			}
			if !word && letters > 0 || letters == 8 {
				break
			}
			n += size
			letters++
			if !word {
				break
			}
		}
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

// lengthen repeats text until it has enough pieces for chunks events.
func lengthen(text string, chunks int) string {
	if text == "" {
		return text
	}
	n := len(pieces(text))
	if n >= chunks {
		return text
	}
	return strings.Repeat(text+" ", chunks/n) + text
}

// regroup joins pieces into n groups of nearly equal number; fewer where there are fewer pieces.
func regroup(p []string, n int) []string {
	n = min(n, len(p))
	out := make([]string, 0, n)
	for i := range n {
		out = append(out, strings.Join(p[i*len(p)/n:(i+1)*len(p)/n], ""))
	}
	return out
}

func clip(s string, n int) string {
	s = strings.TrimSpace(s)
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "…"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
}

// promptCache remembers prompts by hash, as providers' prompt caches do, so that the second call with a marked or
// long prefix reads what the first one wrote. It holds at most 1,024 and then starts anew.
type promptCache struct {
	mu   sync.Mutex
	held map[[32]byte]bool
}

// touch says whether the prompt was seen before, and remembers it.
func (p *promptCache) touch(prompt []byte) bool {
	key := sha256.Sum256(prompt)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[key] {
		return true
	}
	if p.held == nil || len(p.held) >= 1024 {
		p.held = map[[32]byte]bool{}
	}
	p.held[key] = true
	return false
}

// object reads a JSON object; nil when v is not one.
func object(v jsontext.Value) map[string]any {
	var m map[string]any
	if json.Unmarshal(v, &m) != nil {
		return nil
	}
	return m
}
