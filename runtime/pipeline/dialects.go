package pipeline

import (
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// dialectID numbers the dialects, so that a flow can keep its coders by dialect.
type dialectID uint8

const (
	openAIChat dialectID = iota
	anthropicMessages
	dialects // how many there are
)

// operation is what a caller wants of a model, in whatever dialect it is said. A translation stays within one.
type operation uint8

const (
	chat operation = iota // a conversation and its next turn
	operations
)

// spoken is a dialect as callers speak it.
type spoken struct {
	id          dialectID
	op          operation
	answerID    string // what ids of answers begin with
	decode      func(body []byte) (*dialect.Request, *dialect.Error)
	encoder     func() dialect.Encoder
	tap         func() dialect.Tap
	asksUsage   bool // usage comes in a stream only where it is asked for, by stream_options
	appendError func(dst []byte, e *dialect.Error) []byte
	status      func(e *dialect.Error) int
}

// served is a dialect as providers speak it: what they are sent, and what they answer. How a kind of provider is reached
// in it is in kinds.go.
type served struct {
	id          dialectID // a caller who speaks the same one is passed through
	streams     string    // the media type of its streams
	fields      func(f *chatFlow, b []byte) []byte
	encode      func(dst []byte, r *dialect.Request, t *dialect.Target) ([]byte, *dialect.Error)
	decoder     func() dialect.Decoder
	decodeError func(a *dialect.ErrorAnswer) *dialect.Error
}

var spokenDialects = [dialects]spoken{
	openAIChat: {
		id: openAIChat, op: chat, answerID: "chatcmpl-", decode: openaichat.DecodeRequest, asksUsage: true,
		encoder:     func() dialect.Encoder { return new(openaichat.Encoder) },
		tap:         func() dialect.Tap { return new(openaichat.Tap) },
		appendError: openaichat.AppendError, status: openaichat.ClientStatus,
	},
	anthropicMessages: {
		id: anthropicMessages, op: chat, answerID: "msg_", decode: anthropic.DecodeRequest,
		encoder:     func() dialect.Encoder { return new(anthropic.Encoder) },
		tap:         func() dialect.Tap { return new(anthropic.Tap) },
		appendError: anthropic.AppendError, status: anthropic.ClientStatus,
	},
}

var servedDialects = [dialects]served{
	openAIChat: {
		id: openAIChat, streams: "text/event-stream", encode: openaichat.EncodeRequest, decodeError: openaichat.DecodeError,
		decoder: func() dialect.Decoder { return new(openaichat.Decoder) },
	},
	anthropicMessages: {
		id: anthropicMessages, streams: "text/event-stream", encode: anthropic.EncodeRequest, decodeError: anthropic.DecodeError,
		decoder: func() dialect.Decoder { return new(anthropic.Decoder) },
		fields:  (*chatFlow).version,
	},
}

// speaks is the dialect of a route's callers.
func speaks(k artifact.RouteKind) *spoken {
	if k == artifact.RouteMessages {
		return &spokenDialects[anthropicMessages]
	}
	return &spokenDialects[openAIChat]
}
