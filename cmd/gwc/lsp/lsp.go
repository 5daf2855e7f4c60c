// Package lsp is a language server for repositories of gwc (LSP 3.17): findings while somebody types, what a field holds
// and where that comes from, completion, definitions, references, renaming, fixes, formatting and symbols.
//
// Messages of a client enter, and answers leave. One goroutine reads and does nothing else, so that a request can be
// cancelled while another is answered; one owns all state and answers; and each repository has at most one build under
// way, which works on a copy of the buffers and hands its result back. So nothing but the queue is shared, and an
// answer never waits for a build, but for the first one of a repository.
//
// A build is the compiler's own ([compiler.Build]) over a file system in which buffers stand in the place of files, so
// that editor and pipeline cannot disagree. It says what is wrong. What the cursor is in, and which names there are, is
// asked of package query, which reads files that do not parse; so completion works while the build is red. A server of
// its own for CUE was refused: `cue lsp` exists, knows nothing of what CUE evaluates to here, and runs beside this one.
package lsp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"
)

// Options say what the server is made with.
type Options struct {
	// Format returns a CUE or configuration file formatted, or why it cannot be.
	Format func(name string, data []byte) ([]byte, error)
	// Now is asked for the time against which expiries are judged.
	Now func() time.Time
	// Log gets what the operator of the server should know. It must be safe for concurrent use.
	Log func(format string, args ...any)
	// Version is the version of gwc.
	Version string
}

// debounce is how long after a change the build begins: people type in bursts.
const debounce = 100 * time.Millisecond

// queued bounds the messages that are read and not yet answered.
const queued = 256

// ErrNoShutdown is returned where the client left without asking for a shutdown, as LSP wants an exit code for.
var ErrNoShutdown = errors.New("the client left without asking for a shutdown")

// ErrRunaway is returned where an evaluation went beyond its bounds. Nothing but the end of the process ends it, and it
// would take all memory in the end; clients start a server that has ended anew.
var ErrRunaway = errors.New("an evaluation goes on that cannot be stopped: gwc ends with it")

// Serve speaks with a client until it says exit, the stream ends or the context does. It returns after its builds have
// ended. Reading itself cannot be interrupted: the goroutine that reads ends with the stream or the message exit.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{
		options: o, ctx: ctx, sender: &sender{w: out}, queue: make(chan incoming, queued),
		built: make(chan *built), pending: map[string]bool{}, sessions: map[string]*session{}, buffers: map[string]*buffer{},
	}
	go s.read(in)
	err := s.loop()
	cancel()
	for range s.building {
		<-s.built
	}
	if err == nil {
		err = s.sender.failed()
	}
	return err
}

// incoming is a message, or the end of the stream.
type incoming struct {
	message
	bad *fault // it is not one; its id is not known
	err error
	key string // of a request's id
}

// server is the state; all but pending belongs to the goroutine of loop.
type server struct {
	options  Options
	ctx      context.Context
	sender   *sender
	queue    chan incoming
	built    chan *built
	building int

	mu      sync.Mutex
	pending map[string]bool // requests that wait, by id; true: cancelled

	phase    phase
	utf8     bool // columns count bytes
	watches  bool // the client watches files if it is asked to
	calls    int  // requests sent to the client
	opens    int  // buffers that were opened
	sessions map[string]*session
	buffers  map[string]*buffer // by path
}

type phase uint8

const (
	fresh phase = iota
	running
	down
)

// read passes messages on. It marks cancelled requests at once, while those before them are still being answered.
func (s *server) read(in io.Reader) {
	f := newFrames(in)
	for {
		body, err := f.next()
		var m incoming
		var large *tooLarge
		switch {
		case errors.As(err, &large):
			m.bad = &fault{invalidRequest, large.Error()}
		case err != nil:
			m.err = err
		default:
			m = parse(body)
		}
		if m.Method == "$/cancelRequest" {
			s.cancel(m.Params)
			continue
		}
		if m.ID != nil && m.Method != "" {
			m.key = string(m.ID)
			s.mu.Lock()
			s.pending[m.key] = false
			s.mu.Unlock()
		}
		select {
		case s.queue <- m:
		case <-s.ctx.Done():
			return
		}
		if m.err != nil || m.Method == "exit" {
			return
		}
	}
}

// parse takes a message apart.
func parse(body []byte) incoming {
	var m incoming
	if err := json.Unmarshal(body, &m.message); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return incoming{bad: &fault{parseError, "the message is not JSON: " + syntax.Error()}}
		}
		return incoming{bad: &fault{invalidRequest, "the message is not a request of JSON-RPC"}}
	}
	if string(m.ID) == "null" {
		m.ID = nil
	}
	if len(m.ID) > 0 && m.ID[0] != '"' && m.ID[0] != '-' && (m.ID[0] < '0' || m.ID[0] > '9') {
		return incoming{bad: &fault{invalidRequest, "the id of a request is a number or a string"}}
	}
	if m.Version != "2.0" {
		return incoming{message: message{ID: m.ID}, bad: &fault{invalidRequest, `the message has no "jsonrpc": "2.0"`}}
	}
	return m
}

func (s *server) cancel(params json.RawMessage) {
	var p struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, waits := s.pending[string(p.ID)]; waits {
		s.pending[string(p.ID)] = true
	}
}

// taken takes a request off the list of those that wait, and reports whether it was cancelled.
func (s *server) taken(key string) (cancelled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cancelled = s.pending[key]
	delete(s.pending, key)
	return cancelled
}

func (s *server) loop() error {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		if err := s.sender.failed(); err != nil {
			return err
		}
		if at, ok := s.due(); ok {
			timer.Reset(time.Until(at))
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-timer.C:
			s.begin(time.Now())
		case b := <-s.built:
			s.building--
			s.finish(b)
			if b.result != nil && b.result.Units.Runaway {
				s.notify("window/showMessage", map[string]any{"type": messageError, "message": "gwc: " + b.session.root + ": " + ErrRunaway.Error()})
				return ErrRunaway
			}
		case m := <-s.queue:
			switch {
			case m.err == io.EOF:
				if s.phase == down {
					return nil
				}
				return ErrNoShutdown
			case m.err != nil:
				return m.err
			case m.bad != nil:
				s.answer(m.ID, nil, m.bad)
				continue
			case m.Method == "exit":
				if s.phase == down {
					return nil
				}
				return ErrNoShutdown
			}
			s.take(m)
		}
	}
}

// take handles one message.
func (s *server) take(m incoming) {
	if m.Method == "" {
		return // An answer of the client's.
	}
	if m.ID == nil {
		if s.phase == running {
			s.guard(func() { s.notified(m.Method, m.Params) })
		}
		return
	}
	var f *fault
	switch {
	case s.phase == fresh && m.Method != "initialize":
		f = &fault{notInitialized, "the first request is initialize"}
	case s.phase != fresh && m.Method == "initialize":
		f = &fault{invalidRequest, "initialize was asked for already"}
	case s.phase == down:
		f = &fault{invalidRequest, "the server is shutting down"}
	}
	if f != nil {
		s.taken(m.key)
		s.answer(m.ID, nil, f)
		return
	}
	handle, ok := requests[m.Method]
	if !ok {
		s.taken(m.key)
		s.answer(m.ID, nil, &fault{methodNotFound, fmt.Sprintf("there is no method %q", m.Method)})
		return
	}
	if handle.place {
		var p documentParams
		if err := json.Unmarshal(m.Params, &p); err != nil {
			s.taken(m.key)
			s.answer(m.ID, nil, &fault{invalidParams, fmt.Sprintf("the parameters of %s are not its own", m.Method)})
			return
		}
		if x := s.sessionOf(pathOf(p.TextDocument.URI)); x != nil && x.waits() {
			x.waiting = append(x.waiting, m) // for the first build, which knows the other files
			return
		}
	}
	s.ask(m, handle)
}

// ask answers a request.
func (s *server) ask(m incoming, handle request) {
	if s.taken(m.key) {
		s.answer(m.ID, nil, &fault{requestCancelled, "the request was cancelled"})
		return
	}
	var result any
	err := s.guard(func() {
		var e error
		result, e = handle.answer(s, m.Params)
		if e != nil {
			result = e
		}
	})
	if e, ok := result.(error); ok {
		err = e
	}
	s.answer(m.ID, result, err)
}

// guard runs what a message asks for. A panic is a bug, and costs one answer and not the editor's session.
func (s *server) guard(do func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.options.Log("a bug in gwc: %v\n%s", r, debug.Stack())
			err = &fault{internalError, fmt.Sprintf("a bug in gwc: %v", r)}
		}
	}()
	do()
	return nil
}

// answer answers a request. An error that is not a *fault is one of reading the parameters.
func (s *server) answer(id json.RawMessage, result any, err error) {
	a := answer{Version: "2.0", ID: id}
	if id == nil {
		a.ID = json.RawMessage("null")
	}
	var f *fault
	switch {
	case errors.As(err, &f):
		a.Error = f
	case err != nil:
		a.Error = &fault{invalidParams, err.Error()}
	default:
		b, err := json.Marshal(result)
		if err != nil {
			a.Error = &fault{internalError, "a bug in gwc: " + err.Error()}
		} else {
			a.Result = b
		}
	}
	s.write(a)
}

// notify sends a notification; call sends a request, whose answer nobody needs.
func (s *server) notify(method string, params any) {
	s.write(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

func (s *server) call(method string, params any) {
	s.calls++
	s.write(map[string]any{"jsonrpc": "2.0", "id": fmt.Sprintf("gwc-%d", s.calls), "method": method, "params": params})
}

func (s *server) write(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.options.Log("a bug in gwc: %v", err)
		return
	}
	s.sender.send(b)
}

// request is a method that is answered. Those with a place ask about a document.
type request struct {
	place  bool
	answer func(*server, json.RawMessage) (any, error)
}

// at makes the handler of a method that asks about a place in a document.
func at(f func(*view, documentParams) (any, error)) request {
	return request{true, func(s *server, raw json.RawMessage) (any, error) {
		var p documentParams
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, err
		}
		v, ok := s.view(p.TextDocument.URI)
		if !ok {
			return nil, nil
		}
		return f(v, p)
	}}
}

var requests = map[string]request{
	"initialize": {false, (*server).initialize},
	"shutdown": {false, func(s *server, _ json.RawMessage) (any, error) {
		s.phase = down
		return nil, nil
	}},
	"textDocument/hover":          at((*view).hover),
	"textDocument/completion":     at((*view).complete),
	"textDocument/definition":     at((*view).definition),
	"textDocument/references":     at((*view).references),
	"textDocument/prepareRename":  at((*view).prepareRename),
	"textDocument/rename":         at((*view).rename),
	"textDocument/codeAction":     at((*view).codeActions),
	"textDocument/formatting":     at((*view).format),
	"textDocument/documentSymbol": at((*view).symbols),
}

func (s *server) initialize(raw json.RawMessage) (any, error) {
	var p initializeParams
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	encoding := encodingUTF16
	for _, e := range p.Capabilities.General.PositionEncodings {
		if e == encodingUTF8 || e == encodingUTF16 {
			encoding = e // the client's first choice that is known
			break
		}
	}
	s.utf8 = encoding == encodingUTF8
	s.watches = p.Capabilities.Workspace.DidChangeWatchedFiles.DynamicRegistration
	s.phase = running
	return map[string]any{
		"serverInfo": map[string]any{"name": "gwc", "version": s.options.Version},
		"capabilities": map[string]any{
			"positionEncoding": encoding,
			"textDocumentSync": map[string]any{"openClose": true, "change": syncIncremental, "save": map[string]any{"includeText": false}},
			"hoverProvider":    true, "definitionProvider": true, "referencesProvider": true, "documentFormattingProvider": true,
			"documentSymbolProvider": true,
			"completionProvider":     map[string]any{"triggerCharacters": []string{`"`, ":", " ", "/"}},
			"renameProvider":         map[string]any{"prepareProvider": true},
			"codeActionProvider":     map[string]any{"codeActionKinds": []string{kindQuickFix, kindFixAll}},
			"workspace":              map[string]any{"workspaceFolders": map[string]any{"supported": true}},
		},
	}, nil
}

// notified handles notifications. Those that are not known are passed over, as the protocol wants it.
func (s *server) notified(method string, raw json.RawMessage) {
	read := func(to any) bool {
		err := json.Unmarshal(raw, to)
		if err != nil {
			s.options.Log("%s has parameters that are not its own: %v", method, err)
		}
		return err == nil
	}
	switch method {
	case "initialized":
		if s.watches {
			s.call("client/registerCapability", map[string]any{"registrations": []any{map[string]any{
				"id": watchRegistration, "method": "workspace/didChangeWatchedFiles",
				"registerOptions": map[string]any{"watchers": []any{map[string]any{"globPattern": "**/*.{cue,yaml,yml,json}"}}},
			}}})
		}
	case "textDocument/didOpen":
		var p openParams
		if read(&p) {
			s.opened(p.TextDocument.URI, p.TextDocument.Version, p.TextDocument.Text)
		}
	case "textDocument/didChange":
		var p changeParams
		if read(&p) {
			s.changed(p)
		}
	case "textDocument/didSave":
		var p documentParams
		if read(&p) {
			s.saved(p.TextDocument.URI)
		}
	case "textDocument/didClose":
		var p documentParams
		if read(&p) {
			s.closed(p.TextDocument.URI)
		}
	case "workspace/didChangeWatchedFiles":
		var p watchedParams
		if read(&p) {
			for _, c := range p.Changes {
				s.touched(c.URI)
			}
		}
	}
}
