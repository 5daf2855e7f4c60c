package pipeline

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/anthropic"
	"github.com/gwc-dev/gwc/runtime/dialect/form"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/openai"
	"github.com/gwc-dev/gwc/runtime/dialect/openaitask"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// tasks are the dialects of what is asked of models apart from conversations.
const tasks = 1<<openAIEmbeddings | 1<<openAIImages | 1<<openAIImageEdits | 1<<openAIImageVariations | 1<<openAISpeech |
	1<<openAITranscriptions | 1<<openAITranslations | 1<<openAIModerations

// taskPaths are OpenAI's, behind a base URL with the version.
var taskPaths = [dialects]string{
	openAIChat:            "/chat/completions",
	openAIResponses:       "/responses",
	openAICompletions:     "/completions",
	openAIEmbeddings:      "/embeddings",
	openAIImages:          "/images/generations",
	openAIImageEdits:      "/images/edits",
	openAIImageVariations: "/images/variations",
	openAISpeech:          "/audio/speech",
	openAITranscriptions:  "/audio/transcriptions",
	openAITranslations:    "/audio/translations",
	openAIModerations:     "/moderations",
	cohereRerank:          "/rerank",
}

// openAIPath is the target of kinds whose paths are OpenAI's.
func openAIPath(dst []byte, c *callee) []byte { return append(dst, taskPaths[c.dialect]...) }

// task is a dialect of which only usage is read.
func task(id dialectID, op operation, form bool, routes ...artifact.RouteKind) spoken {
	return spoken{
		id: id, op: op, routes: routes, form: form,
		tap:         func() dialect.Tap { return new(openaitask.Tap) },
		appendError: openai.AppendError, status: openai.ClientStatus,
		object: id == openAIImages || id == openAIImageEdits || id == openAIImageVariations || id == openAIModerations,
	}
}

// images are a task of which the answer's images are counted.
func images(id dialectID, form bool, route artifact.RouteKind) spoken {
	s := task(id, media, form, route)
	s.tap = func() dialect.Tap { return openaitask.NewImagesTap() }
	return s
}

// embeddings are translated where a provider is asked for vectors otherwise.
func embeddings() spoken {
	s := task(openAIEmbeddings, embed, false, artifact.RouteEmbeddings)
	s.decode = openaitask.DecodeEmbeddings
	s.encoder = func() dialect.Encoder { return new(openaitask.EmbeddingsEncoder) }
	return s
}

// reranks have Cohere's form, which its competitors have taken over.
func reranks() spoken {
	s := task(cohereRerank, rerank, false, artifact.RouteRerank, artifact.RouteRerankV1)
	s.appendError = func(dst []byte, e *dialect.Error) []byte {
		return append(jsonscan.AppendString(append(dst, `{"message":`...), openai.Message(e)), '}')
	}
	return s
}

// counts ask how many tokens a conversation has. Where no target counts, the gateway guesses, and says so in a header.
func counts() spoken {
	s := task(anthropicCount, count, false, artifact.RouteCountTokens)
	s.appendError, s.status = anthropic.AppendError, anthropic.ClientStatus
	s.decode = anthropic.DecodeCount
	s.encoder = func() dialect.Encoder { return dialect.NewCountEncoder(anthropic.CountMember) }
	s.own = guess(anthropic.CountMember)
	return s
}

// guess answers with a number of tokens that the gateway made up from the size of the request.
func guess(member string) func(f *chatFlow) (fields, body []byte) {
	return func(f *chatFlow) ([]byte, []byte) {
		return []byte("x-gwc-estimate: tokens\r\n"), dialect.AppendCount(nil, member, tokensOf(int64(len(f.body))))
	}
}

// servedTask is what providers answer to a task.
func servedTask(id dialectID) served {
	return served{id: id, streams: "text/event-stream", decodeError: openai.DecodeError}
}

// servedEmbeddings are OpenAI's.
func servedEmbeddings() served {
	s := servedTask(openAIEmbeddings)
	s.encode = openaitask.EncodeEmbeddings
	s.decoder = openaitask.NewEmbeddingsDecoder
	return s
}

// servedCounts are Anthropic's.
func servedCounts() served {
	s := servedTask(anthropicCount)
	s.decodeError, s.fields = anthropic.DecodeError, (*chatFlow).version
	s.encode, s.losses = anthropic.EncodeCount, anthropic.LossTable
	s.decoder = func() dialect.Decoder { return dialect.NewCountDecoder(anthropic.CountMember) }
	return s
}

var (
	applicationJSON = []byte("application/json")
	eventStream     = []byte("text/event-stream")
)

// scanForm reads the head of a form with files.
func scanForm(contentType string, body []byte) (jsonscan.ChatHead, error) {
	h, err := form.Read(contentType, body)
	return jsonscan.ChatHead{Model: []byte(h.Model), HasModel: h.HasModel, ModelSpan: jsonscan.Span{Start: h.Start, End: h.End}, Stream: h.Stream}, err
}

// Asked reads which model a request asks for, and whether for a stream.
func Asked(contentType string, body []byte) (head jsonscan.ChatHead, err error) {
	if form.Is([]byte(contentType)) {
		return scanForm(contentType, body)
	}
	err = jsonscan.Chat(body, &head)
	return head, err
}

// streams reports whether an answer that passes is a stream of events.
func (f *chatFlow) streams(contentType []byte) bool {
	if f.speaks.op == chat {
		return f.head.Stream
	}
	return isEvents(contentType)
}

// isEvents reports whether a content type is that of server-sent events.
func isEvents(contentType []byte) bool {
	return len(contentType) >= len(eventStream) && bytes.EqualFold(contentType[:len(eventStream)], eventStream)
}

// answerOwn answers what no target can be asked for, where the gateway has an answer of its own.
func (f *chatFlow) answerOwn() {
	extra, body := f.speaks.own(f)
	f.target = nil
	f.answer(http.StatusOK, "application/json", extra, body)
	f.recycle()
}

// holds counts the bytes of an answer that has to be collected, where it is a large one, against what the process holds of
// requests. It reports false where that is full: the exchange is over then.
func (f *chatFlow) holds(n int) bool {
	if f.received <= keptBody {
		return true
	}
	f.held += int64(n)
	if f.p.held.Add(int64(n)) <= f.p.HoldAtMost {
		return true
	}
	f.call.Cancel()
	f.done(f.status, "overload", "aborted")
	f.failWith(http.StatusServiceUnavailable, "overload", "the gateway holds as many large answers as it can; try again", []byte("Retry-After: 1\r\n"))
	f.recycle()
	return false
}

// pourAnswer sends the whole of a translated answer. What is larger than a queue should hold goes out at the pace at
// which the caller takes it: a batch of vectors may have tens of megabytes.
func (f *chatFlow) pourAnswer(body []byte) {
	if len(body) <= highWater {
		f.answer(http.StatusOK, "application/json", f.told(slices.Clip(f.target.Header)), body)
		f.recycle()
		return
	}
	f.call = nil // it has ended
	b := f.told(append(append(f.fields[:0], "Content-Type: application/json\r\n"...), f.target.Header...))
	f.fields = f.exchange.head(b)
	f.headOut = true
	f.rec.Status = http.StatusOK
	f.rec.FirstByte = f.p.clock.Since(f.start)
	f.c.Start(http.StatusOK, f.fields, int64(len(body)))
	f.out, f.rest, f.pouring = body, body, true
	f.pour()
}

func (f *chatFlow) pour() {
	for len(f.rest) > 0 {
		if f.c.Queued() > highWater {
			f.c.Flush()
			return // Drained goes on
		}
		n := min(len(f.rest), uploadPiece)
		f.rec.BytesOut += int64(n)
		f.c.Write(f.rest[:n])
		f.rest = f.rest[n:]
	}
	f.pouring, f.rest = false, nil
	c := f.c
	f.finish()
	f.recycle()
	c.End(nil)
}
