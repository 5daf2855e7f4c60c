package pipeline

import (
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/bedrock"
	"github.com/gwc-dev/gwc/runtime/dialect/cohere"
	"github.com/gwc-dev/gwc/runtime/dialect/gemini"
	"github.com/gwc-dev/gwc/runtime/dialect/ollama"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/runtime/dialect/openaichat"
	"github.com/gwc-dev/gwc/runtime/dialect/openaicompletions"
	"github.com/gwc-dev/gwc/runtime/dialect/openairesponses"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// dialectID numbers the dialects, so that a flow can keep its coders by dialect.
type dialectID uint8

const (
	openAIChat dialectID = iota
	anthropicMessages
	openAIEmbeddings
	openAIImages
	openAIImageEdits
	openAIImageVariations
	openAISpeech
	openAITranscriptions
	openAITranslations
	openAIModerations
	cohereRerank
	anthropicCount
	promptREST
	cohereChat // served alone, as is the next
	ollamaChat
	cohereEmbed
	ollamaEmbed
	geminiEmbed
	vertexEmbed
	geminiEmbedOne
	geminiCount
	vertexCount
	geminiGenerate
	openAIResponses
	openAICompletions
	bedrockConverse
	dialects // how many there are
)

// operation is what a caller wants of a model, in whatever dialect it is said. A translation stays within one.
type operation uint8

const (
	chat operation = iota // a conversation and its next turn
	embed
	rerank
	count // the tokens of a conversation
	media // images, sounds and what else only passes through
)

// spoken is a dialect as callers speak it.
type spoken struct {
	id          dialectID
	op          operation
	routes      []artifact.RouteKind
	form        bool           // requests may be forms with files
	object      bool           // whole answers are JSON objects, though nothing is read of them but usage
	google      bool           // it is at Google's paths, which have rules of their own
	problems    bool           // errors are problem details
	words       dialect.Words  // what its callers can say of a conversation
	reading     dialect.Losses // what is lost of that before any target is known
	answerID    string         // what ids of answers begin with
	decode      func(body []byte) (*dialect.Request, *dialect.Error)
	readdress   func(dst, body []byte, model string) []byte // where a body repeats the model of its path: with the target's
	encoder     func() dialect.Encoder
	tap         func() dialect.Tap
	streamKind  artifact.RouteKind // where the path says that a stream is wanted: the route that does
	asksUsage   bool               // usage comes in a stream only where it is asked for, by stream_options
	appendError func(dst []byte, e *dialect.Error) []byte
	status      func(e *dialect.Error) int
	own         func(f *chatFlow) (fields, body []byte) // the answer where no target has one; nil: an error
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
	losses      dialect.Losses // what becomes of what callers of other dialects say
}

var spokenDialects = [dialects]spoken{
	openAIChat: {
		id: openAIChat, op: chat, routes: []artifact.RouteKind{artifact.RouteChat}, words: openaichat.Words, answerID: "chatcmpl-", decode: openaichat.DecodeRequest, asksUsage: true,
		encoder:     func() dialect.Encoder { return new(openaichat.Encoder) },
		tap:         func() dialect.Tap { return new(openaichat.Tap) },
		appendError: openaichat.AppendError, status: openaichat.ClientStatus,
	},
	anthropicMessages: {
		id: anthropicMessages, op: chat, routes: []artifact.RouteKind{artifact.RouteMessages}, words: anthropic.Words, answerID: "msg_", decode: anthropic.DecodeRequest,
		encoder:     func() dialect.Encoder { return new(anthropic.Encoder) },
		tap:         func() dialect.Tap { return new(anthropic.Tap) },
		appendError: anthropic.AppendError, status: anthropic.ClientStatus,
	},
	openAIResponses: {
		id: openAIResponses, op: chat, routes: []artifact.RouteKind{artifact.RouteResponses}, words: openairesponses.Words, reading: openairesponses.CallerTable, answerID: "resp_", decode: openairesponses.DecodeRequest,
		encoder:     func() dialect.Encoder { return new(openairesponses.Encoder) },
		tap:         func() dialect.Tap { return new(openairesponses.Tap) },
		appendError: openai.AppendError, status: openai.ClientStatus,
	},
	openAICompletions: {
		id: openAICompletions, op: chat, routes: []artifact.RouteKind{artifact.RouteCompletions}, words: openaicompletions.Words, reading: openaicompletions.CallerTable, answerID: "cmpl-", decode: openaicompletions.DecodeRequest, asksUsage: true,
		encoder:     func() dialect.Encoder { return new(openaicompletions.Encoder) },
		tap:         func() dialect.Tap { return new(openaichat.Tap) }, // usage and finish reasons stand where chat completions have them
		appendError: openai.AppendError, status: openai.ClientStatus,
	},
	openAIEmbeddings:      embeddings(),
	openAIImages:          images(openAIImages, false, artifact.RouteImages),
	openAIImageEdits:      images(openAIImageEdits, true, artifact.RouteImageEdits),
	openAIImageVariations: images(openAIImageVariations, true, artifact.RouteImageVariations),
	openAISpeech:          task(openAISpeech, media, false, artifact.RouteSpeech),
	openAITranscriptions:  task(openAITranscriptions, media, true, artifact.RouteTranscriptions),
	openAITranslations:    task(openAITranslations, media, true, artifact.RouteTranslations),
	openAIModerations:     task(openAIModerations, media, false, artifact.RouteModerations),
	cohereRerank:          reranks(),
	anthropicCount:        counts(),
	promptREST:            promptSpoken(),
	cohereChat:            {id: cohereChat},
	ollamaChat:            {id: ollamaChat},
	cohereEmbed:           {id: cohereEmbed},
	ollamaEmbed:           {id: ollamaEmbed},
	geminiEmbed:           googleEmbeddings(geminiEmbed, artifact.RouteEmbedContents),
	geminiEmbedOne:        googleEmbeddings(geminiEmbedOne, artifact.RouteEmbedContent),
	geminiCount:           googleCounts(),
	vertexEmbed:           {id: vertexEmbed},
	vertexCount:           {id: vertexCount},
	geminiGenerate: {
		id: geminiGenerate, op: chat, google: true, words: gemini.Words, reading: gemini.CallerTable, decode: gemini.DecodeRequest, streamKind: artifact.RouteGenerateStream,
		routes:      []artifact.RouteKind{artifact.RouteGenerate, artifact.RouteGenerateStream, artifact.RouteGoogleModels, artifact.RouteGoogleModel},
		encoder:     func() dialect.Encoder { return new(gemini.Encoder) },
		tap:         func() dialect.Tap { return new(gemini.Tap) },
		appendError: gemini.AppendError, status: gemini.ClientStatus,
	},
	bedrockConverse: {id: bedrockConverse},
}

var servedDialects = [dialects]served{
	openAIChat: {
		id: openAIChat, streams: "text/event-stream", losses: openaichat.LossTable, encode: openaichat.EncodeRequest, decodeError: openaichat.DecodeError,
		decoder: func() dialect.Decoder { return new(openaichat.Decoder) },
	},
	anthropicMessages: {
		id: anthropicMessages, streams: "text/event-stream", losses: anthropic.LossTable, encode: anthropic.EncodeRequest, decodeError: anthropic.DecodeError,
		decoder: func() dialect.Decoder { return new(anthropic.Decoder) },
		fields:  (*chatFlow).version,
	},
	openAIResponses: {
		id: openAIResponses, streams: "text/event-stream", losses: openairesponses.LossTable, encode: openairesponses.EncodeRequest, decodeError: openai.DecodeError,
		decoder: func() dialect.Decoder { return new(openairesponses.Decoder) },
	},
	openAICompletions:     servedTask(openAICompletions),
	openAIEmbeddings:      servedEmbeddings(),
	openAIImages:          servedTask(openAIImages),
	openAIImageEdits:      servedTask(openAIImageEdits),
	openAIImageVariations: servedTask(openAIImageVariations),
	openAISpeech:          servedTask(openAISpeech),
	openAITranscriptions:  servedTask(openAITranscriptions),
	openAITranslations:    servedTask(openAITranslations),
	openAIModerations:     servedTask(openAIModerations),
	cohereRerank:          servedTask(cohereRerank),
	anthropicCount:        servedCounts(),
	cohereEmbed:           {id: cohereEmbed, encode: cohere.EncodeEmbedding, decodeError: cohere.DecodeError, decoder: cohere.NewEmbeddingDecoder},
	ollamaEmbed:           {id: ollamaEmbed, encode: ollama.EncodeEmbedding, decodeError: ollama.DecodeError, decoder: ollama.NewEmbeddingDecoder},
	geminiEmbed:           {id: geminiEmbed, encode: gemini.EncodeEmbedding, decodeError: gemini.DecodeError, decoder: gemini.NewEmbeddingDecoder},
	geminiEmbedOne:        {id: geminiEmbedOne, decodeError: gemini.DecodeError},
	geminiCount:           {id: geminiCount, encode: gemini.EncodeCount, losses: gemini.LossTable, decodeError: gemini.DecodeError, decoder: googleCount},
	vertexCount:           {id: vertexCount, encode: gemini.EncodeVertexCount, losses: gemini.LossTable, decodeError: gemini.DecodeError, decoder: googleCount},
	vertexEmbed:           {id: vertexEmbed, encode: gemini.EncodePrediction, decodeError: gemini.DecodeError, decoder: gemini.NewPredictionDecoder},
	cohereChat: {
		id: cohereChat, streams: "text/event-stream", losses: cohere.LossTable, encode: cohere.EncodeRequest, decodeError: cohere.DecodeError,
		decoder: func() dialect.Decoder { return new(cohere.Decoder) },
	},
	ollamaChat: {
		id: ollamaChat, streams: "application/x-ndjson", losses: ollama.LossTable, encode: ollama.EncodeRequest, decodeError: ollama.DecodeError,
		decoder: func() dialect.Decoder { return new(ollama.Decoder) },
	},
	geminiGenerate: {
		id: geminiGenerate, streams: "text/event-stream", losses: gemini.LossTable, encode: gemini.EncodeRequest, decodeError: gemini.DecodeError,
		decoder: func() dialect.Decoder { return new(gemini.Decoder) },
	},
	bedrockConverse: {
		id: bedrockConverse, streams: "application/vnd.amazon.eventstream", losses: bedrock.LossTable, encode: bedrock.EncodeRequest, decodeError: bedrock.DecodeError,
		decoder: func() dialect.Decoder { return new(bedrock.Decoder) },
	},
}

// byRoute finds the dialect of a route's callers.
var byRoute = func() (t [artifact.RouteKinds]*spoken) {
	for i := range t {
		t[i] = &spokenDialects[openAIChat] // of what has no dialect of its own, such as the list of models
	}
	for i := range spokenDialects {
		for _, k := range spokenDialects[i].routes {
			t[k] = &spokenDialects[i]
		}
	}
	return t
}()

// speaks is the dialect of a route's callers.
func speaks(k artifact.RouteKind) *spoken { return byRoute[k] }

// errorType is the media type of errors.
func (s *spoken) errorType() string {
	if s.problems {
		return "application/problem+json"
	}
	return "application/json"
}
