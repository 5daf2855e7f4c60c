// Package dialect is the neutral model between wire formats: N + M, never N × M. A client's dialect decodes a request
// into a [Request]; the target's encodes it. The target's answer is decoded into [Event]s; the client's dialect
// encodes them. Each dialect is a folder of its own (openaichat, anthropic) and knows no other.
package dialect

import (
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/vendor"
)

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
	Document // a PDF
	Audio
)

// Part is a piece of a message's content.
type Part struct {
	Kind PartKind
	Text string // Text, Refusal, Thinking

	MediaType string // Image, Document, Audio: of Data
	Data      string // Image, Document, Audio: base64; RedactedThinking: opaque
	URL       string // Image, Document
	Detail    string // Image: openai's "detail"

	ID        string // ToolCall, ToolResult: the call's id; Thinking: the item's id, where the dialect gives it one
	Name      string // ToolCall, ToolResult (where the dialect says it); Document: file name
	Arguments string // ToolCall: JSON object as text
	Content   []Part // ToolResult
	IsError   bool   // ToolResult
	// Signature seals Thinking, Text or a ToolCall for the provider that made it, which wants it back unchanged. SignedBy
	// says who that is, for these and for RedactedThinking.
	Signature string
	SignedBy  Signer

	Cache Cache // the caller marks the end of a prefix that is worth caching
	At    int   // place in the client's list of parts, from 0; -1 where the content is not a list
}

// Signer names those who sign, by the dialect in which they do: "anthropic" (signatures of thinking blocks), "gemini"
// (thoughtSignature), "openai" (encrypted_content of reasoning items), "bedrock" (signatures of reasoningContent). "" is
// unknown: whoever gets it judges. What one signed is of no use to another.
type Signer string

const (
	SignerUnknown   Signer = ""
	SignerAnthropic Signer = "anthropic"
	SignerGemini    Signer = "gemini"
	SignerOpenAI    Signer = "openai"
	SignerBedrock   Signer = "bedrock"
)

// Cache is a caller's caching mark: how long the prefix that ends here should be kept.
type Cache string

const (
	NoCache Cache = ""
	Cache5m Cache = "5m" // the provider's default
	Cache1h Cache = "1h"
)

// Message is one turn. At is its place in the client's list of messages, from 0, for errors that name the place.
type Message struct {
	Role  Role
	Parts []Part
	Name  string
	At    int
}

// ToolDef is a function that the model may call. Parameters is a JSON Schema as raw JSON.
type ToolDef struct {
	Name, Description string
	Parameters        []byte
	Strict            *bool
	Cache             Cache
}

// Format is the form that the caller wants the answer's text to have. Kind is "" (free text), "json_object" (any JSON
// object) or "json_schema" (then Schema, raw JSON).
type Format struct {
	Kind, Name, Description string
	Schema                  []byte
	Strict                  *bool
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
	TopK         *int64
	Stop         []string
	Stream       bool
	IncludeUsage bool // the caller asked for usage in the stream
	User         string
	Reasoning    string // effort: "" (nothing said), "none", "minimal", "low", "medium", "high", "xhigh", "max"
	// ThinkingBudget is the number of tokens that the caller allows for thinking, where it says so in tokens; Reasoning
	// is then the nearest effort.
	ThinkingBudget *int64
	// Summary asks for the thinking to be told, and at what length: "" (nothing said), "auto", "concise", "detailed".
	Summary string
	Format  Format

	Choices          *int64 // how many answers are wanted; see Event.Choice
	Seed             *int64
	FrequencyPenalty *float64
	PresencePenalty  *float64
	Logprobs         *int64   // log probabilities are wanted, with so many alternatives for each token
	LogitBias        []byte   // raw JSON object: token id → bias
	CacheKey         string   // the same for requests that begin alike, for providers that look for cached beginnings by it
	ServiceTier      string   // "" (nothing said), "auto", "default", "flex", "priority"
	Metadata         []byte   // raw JSON object of strings
	Modalities       []string // of the answer, where more than text is wanted: "text", "audio", "image"
	Voice            *Voice   // of the answer's audio
	Verbosity        string   // "", "low", "medium", "high"

	// Embedding is what is asked for instead of a conversation's next turn, where it is not nil; messages and all else
	// that makes a conversation are empty then.
	Embedding *Embedding

	// Unsupported lists what the caller said that has no place in the neutral model, as paths in the client's body
	// ("logprobs", "n", "messages[2].content[0].input_audio"). The path's last name is the key of the loss tables:
	// the target's encoder refuses what changes the meaning and drops the rest. See [Losses].
	Unsupported []string
	// Echo is what the caller's dialect repeats of a request in its answers, in a form of its own; see [Opening].
	Echo []byte
}

// Embedding asks for a vector for each of some texts.
type Embedding struct {
	Inputs     []string
	Dimensions *int64
	Base64     bool   // the caller wants vectors as base64 of little-endian float32
	Task       string // what the vectors are for: "" (nothing said), "query", "document", "similarity", "classification", "clustering"
}

// Voice is how spoken output shall sound: the provider's name of a voice, and the encoding ("wav", "mp3", "pcm16", …).
type Voice struct{ Name, Format string }

// Logprob is the log probability of one token of the answer, with those of the alternatives.
type Logprob struct {
	Token   string
	Logprob float64
	Bytes   []byte // nil where the provider does not tell
	Top     []Logprob
}

// Citation is a source that the provider names for a piece of its answer. Start and End count characters (Unicode code
// points) of the answer's text; both are 0 where the provider does not say.
type Citation struct {
	URL, Title string
	Text       string // of the source
	Start, End int
	Document   int // index of the caller's document, from 0; -1 where the source is none
}

// EventKind says what an [Event] is.
type EventKind uint8

const (
	Start                 EventKind = iota // ID, Model
	TextDelta                              // Text
	ThinkingDelta                          // Index, Text
	SignatureDelta                         // Index, Text: the whole signature; it ends the block of thinking with that Index
	RefusalDelta                           // Text
	ToolStart                              // Index, ID, Name
	ToolDelta                              // Index, Text: a fragment of the arguments
	ToolEnd                                // Index; Text: whole arguments where no fragment was sent
	UsageEvent                             // Usage: totals so far (not increments)
	Stop                                   // StopReason, StopSequence
	ErrorEvent                             // Err: the answer failed in the middle
	End                                    // the one terminal event
	RedactedThinkingEvent                  // Index, Text: an opaque block of thinking
	CitationEvent                          // Citation
	LogprobsEvent                          // Logprobs, of the text that came before
	AudioDelta                             // ID, MediaType, Data: base64 of a piece; Text: a piece of the transcript
	ImageEvent                             // MediaType, Data (base64) or URL: a whole image
	VectorEvent                            // Index, Text: the vector of that input, a JSON list of numbers
	CountEvent                             // Count: the tokens of a conversation, where that is all that was asked for
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
// CacheWrite includes CacheWrite1h. Tokens of audio and images are part of Input and Output; those of Citation, of the
// sources that the provider read, stand beside them. Units are what is charged by the piece: searches and calls of tools
// that the provider runs itself, images, seconds. Service is the service tier that the provider says it served with, where
// that has a price of its own; see [Service].
type Usage struct {
	Input, Output, CacheRead, CacheWrite, CacheWrite1h, Reasoning int64
	InputAudio, OutputAudio, InputImage, OutputImage              int64
	Citation                                                      int64
	Units                                                         price.Units
	Service                                                       string
	// BilledInput and BilledOutput are what the provider charges for where it says that this is not Input and Output
	// (Cohere's billed units); both are 0 otherwise.
	BilledInput, BilledOutput int64
	// Stated is what the provider itself says that the answer cost, where it does (HasStated): a fact beside the cost that
	// is made of the rest.
	Stated    price.Amount
	HasStated bool
	Known     bool // tokens were told
}

// Service returns the service tier that a raw JSON value names: "" for the usual one, whatever it is called; one of
// [price.Services]; or [price.Other] for a word that is none of these, of which nobody can say what it costs.
func Service(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return ServiceNamed(raw[1 : len(raw)-1])
}

// ServiceNamed returns the service tier of a word, as [Service] does of a JSON value.
func ServiceNamed(word []byte) string {
	switch string(word) {
	case "default", "standard", "auto", "on_demand", "":
		return ""
	case "batch":
		return "batch"
	case "flex":
		return "flex"
	case "priority":
		return "priority"
	case "performance":
		return "performance"
	case "scale":
		return "scale"
	case "reserved":
		return "reserved"
	case "provisioned":
		return "provisioned"
	}
	return price.Other
}

// Event is one step of an answer. The order is Start, then deltas, then Stop, then End; UsageEvent may stand anywhere
// between Start and End; ErrorEvent may come at any time and is followed by End alone. Start, Stop and End come at
// most once (Stop once for each Choice), End always. A decoder reuses its Event: a receiver copies what it keeps (the strings may be kept).
type Event struct {
	Kind EventKind
	// Index counts tool calls (in Tool… events) or blocks of thinking (in Thinking…, Signature… and Redacted… events)
	// of the answer, each from 0.
	Index        int
	ID           string
	Model        string
	Name         string
	Text         string
	Usage        Usage
	StopReason   StopReason
	StopSequence string
	Err          *Error

	Choice               int    // which of several answers, from 0; see Request.Choices
	Signature            string // ToolStart: of the call; TextDelta: of the text up to here
	SignedBy             Signer // SignatureDelta, RedactedThinkingEvent, and of Signature
	MediaType, Data, URL string
	Citation             *Citation
	Logprobs             []Logprob
	Count                int64
}

// Decoder reads one answer of a provider, streamed or whole and in whatever pieces it comes, and calls emit for each
// event that it completes. The event is valid during the call; its strings may be kept. Finish ends the answer: it
// emits End unless that has happened, after an ErrorEvent if the answer is not complete.
type Decoder interface {
	Reset(stream bool)
	Feed(b []byte, emit func(*Event))
	Finish(emit func(*Event))
}

// Opening is what an [Encoder] must know of an answer before its first event.
type Opening struct {
	Stream       bool
	Array        bool   // the stream is a JSON array, in a dialect that has such streams
	IncludeUsage bool   // the caller asked for usage in its stream, in a dialect in which that is asked for
	ID           string // of the answer; "" takes the one of the Start event
	Created      int64  // Unix seconds
	Model        string // as the caller knows it; "" takes the one of the Start event
	Base64       bool   // see [Embedding]
	Echo         []byte // of the request; see [Request]. Nil where there is nothing to repeat
}

// Encoder turns the events of one answer into the dialect of a caller. Event appends to dst what an event becomes in a
// stream; of an answer that is not streamed it collects the events, and Body appends the whole after End. Err is the
// error that ended the answer, nil if there was none; Done reports whether the terminal event has been written, or
// Body is ready. Events behind the terminal one are ignored.
type Encoder interface {
	Reset(Opening)
	Event(dst []byte, ev *Event) []byte
	Body(dst []byte) []byte
	Err() *Error
	Done() bool
}

// Aside is what is read of an answer while its bytes pass through untouched.
type Aside struct {
	Usage Usage
	Stop  StopReason // "" if none was seen
	Model string     // as the provider names it
	Done  bool       // the answer is complete: its terminal event was seen, or the body's last byte
	Err   *Error     // an error inside the answer
	// Pieces counts the pieces of content of a stream: a measure of its length where no usage came.
	Pieces int64
}

// Tap reads an answer aside while its bytes pass through in the dialect in which they came. Either Feed or Filter takes
// the bytes, in whatever pieces; Finish or FilterEnd ends the answer. Filter appends to dst what the caller shall see
// where the gateway asked for more than the caller did; bytes that it cannot judge yet are held back. A Tap holds a
// bounded amount of memory, and malformed input only means that it learns less.
type Tap interface {
	Reset(stream bool)
	Feed(b []byte)
	Finish()
	Filter(dst, b []byte) []byte
	FilterEnd(dst []byte) []byte
	Seen() *Aside
}

// Target is what an encoder must know of the model that a request goes to. MaxTokens is the output limit to send where
// the provider requires one and the caller named none; 0: the dialect's default.
//
// Vendor is how the provider differs from OpenAI, where it speaks OpenAI's dialect in a way of its own; nil elsewhere.
type Target struct {
	Model     string
	MaxTokens int64
	Vendor    *vendor.Row
}

// ErrorAnswer is a provider's answer with an error status, as it came. Type is what a header says of the error
// (x-amzn-errortype), where the provider sends one; RetryAfter is that header's value.
type ErrorAnswer struct {
	Status           int
	RetryAfter, Type string
	Body             []byte
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

// codeUnusable is the code of errors that the gateway makes of answers that cannot be used.
const codeUnusable = "upstream_protocol"

// Unusable reports whether e is the gateway's own verdict: the provider's answer is not what it should be. Other errors
// are what the provider said.
func (e *Error) Unusable() bool { return e.Code == codeUnusable }
