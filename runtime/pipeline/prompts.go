package pipeline

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/runtime/calllog"
	"github.com/gwc-dev/gwc/runtime/dialect"
	"github.com/gwc-dev/gwc/runtime/dialect/jsonscan"
	"github.com/gwc-dev/gwc/runtime/dialect/promptrest"
	"github.com/gwc-dev/gwc/runtime/engine"
	"github.com/gwc-dev/gwc/runtime/http1"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
)

var headerAccept = []byte("accept")

// promptSpoken is the dialect of those who call prompts. No provider speaks it.
func promptSpoken() spoken {
	return spoken{
		id: promptREST, op: chat, routes: []artifact.RouteKind{artifact.RoutePrompt, artifact.RoutePromptDocument}, problems: true, words: promptrest.Words,
		encoder:     func() dialect.Encoder { return new(promptrest.Encoder) },
		appendError: promptrest.AppendError, status: promptrest.Status,
	}
}

// asked is what a chatFlow has of a call of a prompt.
type asked struct {
	program  *prompt.Program // nil: the exchange is no call of a prompt
	messages []prompt.Rendered
	faults   []prompt.Fault
	tooLong  bool
	mend     *promptrest.Invalid // an answer that the model is asked to mend
}

// mayPrompt reports whether the caller may call the prompt of the route; if not, it has answered.
func (x *exchange) mayPrompt() bool {
	if x.key != nil && x.key.App.Prompts[x.r.Prompt.Name] {
		return true
	}
	x.fail(http.StatusForbidden, "auth", "the app may not call this prompt: it is another tenant's, and the app does not list it")
	return false
}

// promptVersion finds the version that a request asks for; where there is none it has answered.
func (x *exchange) promptVersion(q *engine.Request, split bool) *prompt.Program {
	set := x.r.Prompt.Set
	named, given, ok := versionOf(q.Query)
	if !ok {
		x.fail(http.StatusBadRequest, "request", "the query has something else than one \"version\"")
		return nil
	}
	if !given {
		if split {
			return set.Pick(x.id[:x.idLen], x.key.App.Tenant+"/"+x.key.App.Name)
		}
		return set.Program(strconv.FormatInt(set.Default, 10))
	}
	if g := set.Program(named); g != nil {
		return g
	}
	x.fail(http.StatusBadRequest, "request", "the prompt has no version "+strconv.Quote(clip(named))+", expected one of "+strings.Join(set.Names(), ", "))
	return nil
}

// versionOf reads a query, which may hold "version" once and nothing else.
func versionOf(query []byte) (name string, given, ok bool) {
	if len(query) == 0 {
		return "", false, true
	}
	value, found := bytes.CutPrefix(query, []byte("version="))
	if !found || bytes.IndexByte(value, '&') >= 0 {
		return "", false, false
	}
	name, err := url.QueryUnescape(string(value))
	return name, true, err == nil
}

// beginPrompt reads from the head what a call of a prompt needs. It reports false where it has answered.
func (f *chatFlow) beginPrompt(q *engine.Request) bool {
	f.asked = asked{}
	if !f.mayPrompt() {
		return false
	}
	g := f.promptVersion(q, true)
	if g == nil {
		return false
	}
	f.rec.Prompt, f.rec.PromptVersion = g.Prompt, g.Number
	if ct := q.Get(http1.ContentType); !isJSON(ct) {
		f.fail(http.StatusUnsupportedMediaType, "request", "the request's body has to be application/json")
		return false
	}
	stream, whole := accepts(q)
	if stream && !g.Stream && !whole {
		f.fail(http.StatusNotAcceptable, "request", "the prompt does not stream its answer: accept application/json")
		return false
	}
	f.program = g
	f.head = jsonscan.ChatHead{Stream: stream && g.Stream}
	return true
}

func isJSON(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	return bytes.EqualFold(bytes.TrimSpace(media), applicationJSON)
}

// accepts reports whether a caller names streams of events among what it accepts, and whether it takes JSON.
func accepts(q *engine.Request) (stream, whole bool) {
	said := false
	for i := range q.Fields {
		if !bytes.EqualFold(q.Fields[i].Name, headerAccept) {
			continue
		}
		said = true
		for part := range bytes.SplitSeq(q.Fields[i].Value, []byte(",")) {
			media, _, _ := bytes.Cut(part, []byte(";"))
			switch media = bytes.ToLower(bytes.TrimSpace(media)); string(media) {
			case "text/event-stream":
				stream = true
			case "application/json", "application/*", "*/*":
				whole = true
			}
		}
	}
	return stream, whole || !said
}

// readInputs reads the body and writes the messages.
func (f *chatFlow) readInputs() {
	inputs, faults := f.program.Inputs(f.body)
	if f.faults = faults; len(faults) > 0 {
		return
	}
	var err error
	f.messages, err = f.program.Render(inputs)
	f.tooLong = err != nil
}

// ask begins the attempts once the messages are there.
func (f *chatFlow) ask() {
	switch {
	case len(f.faults) > 0:
		f.problem(http.StatusBadRequest, "request", "the request's body does not fit the prompt's inputs", f.faults)
	case f.tooLong:
		f.problem(http.StatusBadRequest, "request", "the inputs make messages that are too long", nil)
	case len(f.messages) == 0:
		f.problem(http.StatusBadRequest, "request", "the inputs leave every message empty", nil)
	default:
		f.rec.Stream = f.head.Stream
		f.model = f.r.Prompt.Model(f.program)
		f.rec.Model = f.model.Name
		f.attempt()
		return
	}
	f.recycle()
}

// problem answers with problem details that name places in the request's body.
func (f *chatFlow) problem(status int, class, detail string, faults []prompt.Fault) {
	var more []byte
	for i, at := range faults {
		more = append(more, map[bool]string{true: `,"errors":[{"pointer":`, false: `,{"pointer":`}[i == 0]...)
		more = jsonscan.AppendString(more, "#"+at.Pointer)
		more = append(jsonscan.AppendString(append(more, `,"detail":`...), at.Detail), '}')
	}
	if len(faults) > 0 {
		more = append(more, ']')
	}
	f.rec.Error = class
	var extra []byte
	if f.target != nil {
		extra = f.told(slices.Clip(f.target.Header))
	}
	f.problemWith(status, class, detail, extra, more)
}

// wish is the request for the target whose turn it is.
func (f *chatFlow) wish() *dialect.Request {
	return promptrest.Request(f.program, f.messages, f.head.Stream, f.program.Tells((f.turn-1)%len(f.model.Targets)), f.caches(), f.mend)
}

// caches is how the target whose turn it is keeps beginnings of requests.
func (f *chatFlow) caches() promptrest.Caches {
	switch f.serves.id {
	case anthropicMessages, bedrockConverse:
		return promptrest.ByMark
	case geminiGenerate:
		return promptrest.Alone
	}
	switch f.target.Provider.Kind {
	case "openai":
		return promptrest.ByKey
	case "azure-openai": // older versions of its API refuse a key that they do not know
		return promptrest.Alone
	}
	return promptrest.Never
}

// judged ends a whole answer of a prompt: what fits goes out, what does not is asked for once more or is the model's
// fault.
func (f *chatFlow) judged() {
	e := f.enc.(*promptrest.Encoder)
	faults := e.Judge()
	if len(faults) == 0 {
		f.pourAnswer(e.Body(f.out[:0]))
		return
	}
	class, detail := "output", "the model's answer does not fit the prompt's output"
	switch {
	case e.Refused():
		detail = "the model refused to answer"
	case e.Stopped() == dialect.StopLength:
		detail = "the model's answer was cut at its limit of tokens and does not fit the prompt's output"
	}
	f.rec.Attempts[f.rec.NAttempt-1].Error = "output"
	if f.program.OnInvalid == "repair" && f.mend == nil && !e.Refused() && f.rec.NAttempt < calllog.MaxAttempts {
		f.mend = &promptrest.Invalid{Text: e.Text(), Faults: faults}
		f.turn-- // the same target
		f.attempt()
		return
	}
	f.call = nil // it has ended
	for i := range faults {
		faults[i].Pointer = "/output" + faults[i].Pointer
	}
	f.problem(http.StatusBadGateway, class, detail, faults)
	f.recycle()
}

// document answers GET of a prompt's OpenAPI document.
func (x *exchange) document(q *engine.Request) {
	if !x.mayPrompt() {
		return
	}
	if g := x.promptVersion(q, false); g != nil {
		x.answer(http.StatusOK, "application/json", nil, x.r.Prompt.Set.Document(g))
	}
}
