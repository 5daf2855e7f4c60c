// Package dialect is the neutral model between wire formats: N + M, never N × M. A client's dialect decodes a request
// into a [Request]; the target's encodes it. The target's answer is decoded into [Event]s; the client's dialect
// encodes them. Each dialect is a folder of its own (openaichat, anthropic) and knows no other.
package dialect

// Role of a message's author.
type Role uint8

const (
	User Role = iota
	Assistant
	Tool // results of tool calls
)

// PartKind says what a [Part] holds.
type PartKind uint8

const (
	Text PartKind = iota
	Image
	ToolCall
	ToolResult
	Thinking
	RedactedThinking
	Refusal
)

// Part is a piece of a message's content.
type Part struct {
	Kind PartKind
	Text string // Text, Refusal, Thinking

	MediaType string // Image: of Data
	Data      string // Image: base64; RedactedThinking: opaque
	URL       string // Image
	Detail    string // Image: openai's "detail"

	ID        string // ToolCall, ToolResult: the call's id
	Name      string // ToolCall
	Arguments string // ToolCall: JSON object as text
	Content   []Part // ToolResult
	IsError   bool   // ToolResult
	Signature string // Thinking
}

// Message is one turn.
type Message struct {
	Role  Role
	Parts []Part
	Name  string
}

// ToolDef is a function that the model may call. Parameters is a JSON Schema as raw JSON.
type ToolDef struct {
	Name, Description string
	Parameters        []byte
	Strict            *bool
}

// ToolChoice: Mode is "" (default), "auto", "none", "required" or "tool" (then Name).
type ToolChoice struct{ Mode, Name string }

// Request is a chat request in neutral form. Pointers are nil where the caller said nothing.
type Request struct {
	Model        string
	System       []Part // text parts, in order
	Messages     []Message
	Tools        []ToolDef
	ToolChoice   ToolChoice
	Parallel     *bool // parallel tool calls
	MaxTokens    *int64
	Temperature  *float64
	TopP         *float64
	Stop         []string
	Stream       bool
	IncludeUsage bool // the caller asked for usage in the stream
	User         string
	Reasoning    string // effort: "", "minimal", "low", "medium", "high"
	// Unsupported lists fields that were understood but have no place in the neutral model (such as "logprobs", "n"
	// > 1, "seed"): the target's encoder refuses those that change meaning and drops the rest, by its loss table.
	Unsupported []string
}

// EventKind says what an [Event] is.
type EventKind uint8

const (
	Start          EventKind = iota // ID, Model
	TextDelta                       // Text
	ThinkingDelta                   // Text
	SignatureDelta                  // Text
	RefusalDelta                    // Text
	ToolStart                       // Index, ID, Name
	ToolDelta                       // Index, Text: a fragment of the arguments
	ToolEnd                         // Index; Text: whole arguments where no fragment was sent
	UsageEvent                      // Usage: totals so far (not increments)
	Stop                            // StopReason, StopSequence
	ErrorEvent                      // Err: the answer failed in the middle
	End                             // the one terminal event
)

// StopReason in neutral form.
type StopReason string

const (
	StopEnd       StopReason = "stop"
	StopSequence  StopReason = "stop_sequence"
	StopLength    StopReason = "length"
	StopToolCalls StopReason = "tool_calls"
	StopFilter    StopReason = "content_filter"
	StopPause     StopReason = "pause"
	StopError     StopReason = "error"
)

// Usage in the inside convention (DIALECTS.md): Input includes CacheRead and CacheWrite; Output includes Reasoning;
// CacheWrite includes CacheWrite1h.
type Usage struct {
	Input, Output, CacheRead, CacheWrite, CacheWrite1h, Reasoning int64
	Known                                                         bool
}

// Event is one step of an answer.
type Event struct {
	Kind         EventKind
	Index        int
	ID           string
	Model        string
	Name         string
	Text         string
	Usage        Usage
	StopReason   StopReason
	StopSequence string
	Err          *Error
}

// Error is a provider's error in neutral form. Status is the provider's; Type and Code are its own words; Message is
// shown to the caller.
type Error struct {
	Status              int
	Type, Code, Message string
	Param               string
	RetryAfter          string // header value as received
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// What the packages below provide:
//
// runtime/dialect/jsonscan (no allocation; the hot path of pass-through):
//	func Chat(body []byte, out *ChatHead) error   // one pass over the whole document: valid JSON, repeated keys refused at every depth, depth <= 64;
//	    // ChatHead{Model string-bytes + value span, HasModel; Stream bool; StreamOptions span, IncludeUsage}
//	func Splice(dst, body []byte, edits ...Edit) []byte
//	func Check(body []byte) error                 // the same validation alone
//
// runtime/dialect/sse: a splitter for server-sent events over arbitrary splits (CR, LF, CRLF, BOM, comments, no space after colon, multi-line data; bounded event size)
//
// runtime/dialect/openaichat:
//	func DecodeRequest(body []byte) (*dialect.Request, *dialect.Error)          // Error.Status 400, OpenAI's words, Param set
//	type Encoder (client side): func NewEncoder(stream, includeUsage bool, id string, created int64, model string) *Encoder
//	    func (e *Encoder) Event(dst []byte, ev *dialect.Event) []byte           // stream: bytes of SSE to send; non-stream: collects, returns dst
//	    func (e *Encoder) Body(dst []byte) []byte                               // non-stream: the whole answer after End
//	func AppendError(dst []byte, e *dialect.Error) []byte                       // {"error":{"message","type","param","code"}}
//	func ClientStatus(e *dialect.Error) int                                     // 529 -> 503 …
//	type Tap: reads usage, stop reason and model aside from bytes passed through, stream or body, fed in arbitrary pieces, bounded memory, malformed input never breaks the pass-through
//	    func (t *Tap) Reset(stream bool); func (t *Tap) Feed(b []byte); func (t *Tap) Finish() ; t.Usage, t.Stop, t.Model, t.Done (saw [DONE] or complete body), t.Err (in-stream error)
//	    // Strip mode: when gwc itself asked for stream_options.include_usage, the usage-only chunk is hidden from the client again:
//	    func (t *Tap) Filter(dst, b []byte) []byte
//	func DecodeError(status int, retryAfter string, body []byte) *dialect.Error
//
// runtime/dialect/anthropic (target side):
//	func EncodeRequest(dst []byte, r *dialect.Request, model string, maxTokens int64) ([]byte, *dialect.Error)
//	type Decoder: func NewDecoder(stream bool) *Decoder
//	    func (d *Decoder) Feed(b []byte, emit func(*dialect.Event)) ; func (d *Decoder) Finish(emit func(*dialect.Event))   // Finish: end of the body; an early end becomes ErrorEvent
//	func DecodeError(status int, retryAfter string, body []byte) *dialect.Error
