package calllog

import (
	"net/netip"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact/price"
)

// MaxAttempts bounds the attempts that a record can hold: as many as the language allows an exchange to make.
const MaxAttempts = 10

// Record is the log entry of one exchange. It is filled by the pipeline, encoded by [Log.Append] and then reused.
// Strings may alias memory of the snapshot; Append copies what it keeps. It never holds a header value other than
// what is named here, no query string, no key. docs/call-log.md says what each field is called in the file.
type Record struct {
	Time      time.Time // when the head was complete
	RequestID string
	Artifact  string // digest, "sha256:…"
	Tenant    string
	App       string
	Key       string // the key's id
	Route     string
	API       string
	Operation string
	Method    string
	Path      string // the route's template; for an unmatched request the path without query, cut at 256 bytes
	Status    int    // as sent to the client; 499 when the client went away before a head was sent
	Client    netip.AddrPort
	BytesIn   int64 // body bytes received from the client
	BytesOut  int64 // body bytes sent to the client
	Duration  time.Duration
	FirstByte time.Duration // head complete → first answer byte to the client; 0 none
	Upstream  time.Duration // time spent waiting for upstreams, over all attempts

	Attempts [MaxAttempts]Attempt
	NAttempt int

	Model         string // as asked
	Provider      string // that answered
	UpstreamModel string
	Prompt        string // that was called
	PromptVersion int64
	Stream        bool
	Tokens        Tokens
	HasTokens     bool
	Units         price.Units  // what was used apart from tokens
	Stated        price.Amount // what the provider itself says that the answer cost
	HasStated     bool
	Cost          price.Amount // of all attempts
	HasCost       bool         // false: nobody knows what it costs, which is not 0
	CostEstimate  bool         // Cost rests on a guess
	Unpriced      price.Set    // what was used and has no price, where the cost is not known for that
	ServiceTier   string       // of the provider, where it is not its usual one: one of [price.Services], or [price.Other]
	Price         string       // the version of the price that the answer was charged by
	StopReason    string
	Losses        string // what of the request the target could not express and was left out: fields, with commas between
	WSClose       int    // of a WebSocket tunnel: the code with which it was closed; 0: it was none
	WSClosedBy    string // who closed it: "client", "provider", "gateway"
	Limit         string // the limit that refused
	Error         string // error class: "", "auth", "limit", "route", "request", "client_abort", "upstream_credential", "connect", "timeout", "upstream_status", "upstream_protocol", "overflow", "internal"
}

// Attempt is one try at a target or endpoint. Target is the endpoint ("host:port") for APIs.
type Attempt struct {
	Provider string
	Model    string
	Target   string
	Status   int
	Duration time.Duration
	Cost     price.Amount
	HasCost  bool
	Error    string // "", "connect", "timeout", "status", "protocol", "overflow", "aborted", "request"
}

// Tokens by kind, in the inside convention of the dialects: Input includes CacheRead and CacheWrite; Output includes
// Reasoning. CacheWrite includes CacheWrite1h.
type Tokens struct {
	Input, Output, CacheRead, CacheWrite, CacheWrite1h, Reasoning int64
	// Tokens of audio and images are part of Input and Output.
	InputAudio, OutputAudio, InputImage, OutputImage int64
	// Citation stands beside Input and Output.
	Citation int64
	// Estimate tells that the provider did not count, or not to the end.
	Estimate bool
	// BilledInput and BilledOutput are what the provider charges for, where it says that this is not Input and Output.
	BilledInput, BilledOutput int64
}
