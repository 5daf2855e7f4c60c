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

// spoken is a dialect as callers speak it.
type spoken struct {
	id          dialectID
	answerID    string // what ids of answers begin with
	decode      func(body []byte) (*dialect.Request, *dialect.Error)
	encoder     func() dialect.Encoder
	tap         func() dialect.Tap
	asksUsage   bool // usage comes in a stream only where it is asked for, by stream_options
	appendError func(dst []byte, e *dialect.Error) []byte
	status      func(e *dialect.Error) int
}

// served is a dialect as providers speak it: how they are called, and what they answer.
type served struct {
	id          dialectID // a caller who speaks the same one is passed through
	path        string    // behind the base URL
	fields      func(b []byte, secret string) []byte
	encode      func(dst []byte, r *dialect.Request, model string, maxTokens int64) ([]byte, *dialect.Error)
	decoder     func() dialect.Decoder
	decodeError func(status int, retryAfter string, body []byte) *dialect.Error
}

var spokenDialects = [dialects]spoken{
	openAIChat: {
		id: openAIChat, answerID: "chatcmpl-", decode: openaichat.DecodeRequest, asksUsage: true,
		encoder:     func() dialect.Encoder { return new(openaichat.Encoder) },
		tap:         func() dialect.Tap { return new(openaichat.Tap) },
		appendError: openaichat.AppendError, status: openaichat.ClientStatus,
	},
	anthropicMessages: {
		id: anthropicMessages, answerID: "msg_", decode: anthropic.DecodeRequest,
		encoder:     func() dialect.Encoder { return new(anthropic.Encoder) },
		tap:         func() dialect.Tap { return new(anthropic.Tap) },
		appendError: anthropic.AppendError, status: anthropic.ClientStatus,
	},
}

var servedDialects = [dialects]served{
	openAIChat: {
		id: openAIChat, path: "/chat/completions", encode: openaichat.EncodeRequest, decodeError: openaichat.DecodeError,
		decoder: func() dialect.Decoder { return new(openaichat.Decoder) },
		fields: func(b []byte, secret string) []byte {
			if secret == "" {
				return b
			}
			return append(append(append(b, "Authorization: Bearer "...), secret...), '\r', '\n')
		},
	},
	anthropicMessages: {
		id: anthropicMessages, path: "/v1/messages", encode: anthropic.EncodeRequest, decodeError: anthropic.DecodeError,
		decoder: func() dialect.Decoder { return new(anthropic.Decoder) },
		fields: func(b []byte, secret string) []byte {
			if secret == "" {
				return b
			}
			return append(append(append(b, "x-api-key: "...), secret...), '\r', '\n')
		},
	},
}

// speaks is the dialect of a route's callers.
func speaks(k artifact.RouteKind) *spoken {
	if k == artifact.RouteMessages {
		return &spokenDialects[anthropicMessages]
	}
	return &spokenDialects[openAIChat]
}

// serves is the dialect of a kind of provider.
func serves(kind string) *served {
	if kind == "anthropic" {
		return &servedDialects[anthropicMessages]
	}
	return &servedDialects[openAIChat]
}
