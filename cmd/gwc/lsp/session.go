package lsp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/cmd/gwc/overlay"
	"github.com/gwc-dev/gwc/compiler"
	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/compiler/check"
	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/openapi"
	"github.com/gwc-dev/gwc/compiler/query"
	"github.com/gwc-dev/gwc/schema/release"
)

// buffer is a file that is open in the editor. Its text is what counts, whatever the disk says.
type buffer struct {
	uri     string
	path    string
	version int
	text    *text
	root    string // of its repository; "": in none
	opened  int    // counts buffers that were opened
}

// session is one repository.
type session struct {
	root    string
	memory  cache.Memory
	due     time.Time // when the next build begins; zero: none is needed
	running bool
	stop    context.CancelFunc // of the build under way
	stale   bool               // what it works on has changed
	waiting []incoming         // requests that came before the first build ended

	result    *compiler.Result
	version   map[string]int               // of the buffers that result was made from, by file
	program   *ir.Program                  // the last that there was
	outlines  map[string]*query.Outline    // of the files on disk and the buffers, as of result
	others    map[string]load.Digest       // YAML and JSON files that are not configuration
	good      map[string]*query.Outline    // of buffers: the last outline of a text that parsed
	values    map[string]*unitValues       // by tenant, of units that were asked for
	read      map[string]*openapi.Document // documents that were asked for, by file
	readFrom  map[string][]byte
	published map[string]publishParams // by file
	foundIn   map[string]load.Digest   // what a file was when its findings were published
}

type unitValues struct {
	files  map[string][]byte
	values *check.Values
}

// waits reports whether nothing is known of the repository yet and soon will be.
func (x *session) waits() bool { return x.result == nil && (x.running || !x.due.IsZero()) }

// built is what a build came to.
type built struct {
	session *session
	version map[string]int
	result  *compiler.Result
	err     error
}

// pathOf returns the path that a URI names, "" where it names none on this machine.
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || !strings.HasPrefix(u.Path, "/") {
		return ""
	}
	return filepath.Clean(filepath.FromSlash(u.Path))
}

func uriOf(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

// rootOf returns the nearest folder above a file that has a gateway.cue or a cue.mod, "" where there is none. A buffer
// counts as the file that it will be.
func (s *server) rootOf(path string) string {
	if path == "" {
		return ""
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		for _, f := range []string{"cue.mod", "gateway.cue"} {
			p := filepath.Join(dir, f)
			if _, open := s.buffers[p]; open {
				return dir
			}
			if _, err := os.Stat(p); err == nil {
				return dir
			}
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// sessionOf returns the repository that a file belongs to, or nil.
func (s *server) sessionOf(path string) *session {
	if b := s.buffers[path]; b != nil {
		return s.sessions[b.root]
	}
	return s.sessions[s.rootOf(path)]
}

// session returns the repository at a root, and begins it where it is new.
func (s *server) session(root string) *session {
	x := s.sessions[root]
	if x == nil && root != "" {
		x = &session{root: root, good: map[string]*query.Outline{}, values: map[string]*unitValues{}, published: map[string]publishParams{}, foundIn: map[string]load.Digest{},
			read: map[string]*openapi.Document{}, readFrom: map[string][]byte{}}
		s.sessions[root] = x
	}
	return x
}

// name returns a file's name in the repository, "" for one outside.
func (x *session) name(path string) string {
	rel, err := filepath.Rel(x.root, path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return ""
	}
	return filepath.ToSlash(rel)
}

func (x *session) path(name string) string { return filepath.Join(x.root, filepath.FromSlash(name)) }

func (s *server) opened(uri string, version int, content string) {
	path := pathOf(uri)
	if path == "" {
		return // It has no place in a repository: a diff, or a file that was never saved.
	}
	b := &buffer{uri: uri, path: path, version: version, text: newText([]byte(content), s.utf8)}
	s.buffers[path] = b
	s.opens++
	b.opened = s.opens
	b.root = s.rootOf(path)
	s.build(s.session(b.root), 0)
}

func (s *server) changed(p changeParams) {
	b := s.buffers[pathOf(p.TextDocument.URI)]
	if b == nil {
		return
	}
	for _, c := range p.ContentChanges {
		b.text = b.text.change(c.Range, c.Text)
	}
	b.version = p.TextDocument.Version
	s.build(s.sessions[b.root], debounce)
}

func (s *server) saved(uri string) {
	path := pathOf(uri)
	b := s.buffers[path]
	if b == nil {
		return
	}
	if root := s.rootOf(path); root != b.root { // It became a repository, or is none any more.
		old := s.sessions[b.root]
		b.root = root
		s.build(old, 0)
	}
	s.build(s.session(b.root), 0)
}

func (s *server) closed(uri string) {
	path := pathOf(uri)
	b := s.buffers[path]
	if b == nil {
		return
	}
	delete(s.buffers, path)
	x := s.sessions[b.root]
	if x == nil {
		return
	}
	if p, ok := x.published[x.name(path)]; ok && p.Version != nil {
		p.Version = nil
		x.published[x.name(path)] = p
	}
	delete(x.good, x.name(path))
	s.build(x, 0) // The disk may say something else.
}

// touched is told of files that changed outside of the editor.
func (s *server) touched(uri string) {
	path := pathOf(uri)
	if x := s.sessions[s.rootOf(path)]; x != nil && s.buffers[path] == nil {
		s.build(x, debounce)
	}
}

// build asks for a build of a repository after a while. One that is under way is stopped: what it works on is old.
func (s *server) build(x *session, after time.Duration) {
	if x == nil {
		return
	}
	x.due = time.Now().Add(after)
	if x.running {
		x.stale = true
		x.stop()
	}
}

// due returns when the next build should begin.
func (s *server) due() (at time.Time, ok bool) {
	for _, x := range s.sessions {
		if !x.running && !x.due.IsZero() && (!ok || x.due.Before(at)) {
			at, ok = x.due, true
		}
	}
	return at, ok
}

// begin begins the builds that are due.
func (s *server) begin(now time.Time) {
	for _, root := range slices.Sorted(maps.Keys(s.sessions)) {
		x := s.sessions[root]
		if x.running || x.due.IsZero() || x.due.After(now) {
			continue
		}
		files, version := map[string][]byte{}, map[string]int{}
		for _, b := range s.buffers {
			if b.root == x.root {
				files[x.name(b.path)] = b.text.data
				version[x.name(b.path)] = b.version
			}
		}
		env := s.environment(x)
		ctx, cancel := context.WithCancel(s.ctx)
		x.due, x.running, x.stale, x.stop = time.Time{}, true, false, cancel
		s.building++
		go func() {
			defer cancel()
			b := &built{session: x, version: version}
			b.result, b.err = x.compile(ctx, files, env, s.options.Now())
			s.built <- b
		}()
	}
}

// environment returns the environment that a repository is built in: that of the overlay that was opened last, because
// overlays of others are not looked at; without one, none.
func (s *server) environment(x *session) string {
	env, last := "", 0
	for _, b := range s.buffers {
		if b.root == x.root && b.opened > last {
			if e, ok := load.EnvironmentOf(x.name(b.path)); ok {
				env, last = e, b.opened
			}
		}
	}
	return env
}

// compile builds the repository with buffers in the place of files. It touches nothing of the session but what never
// changes and the memory of builds, which is safe for concurrent use.
func (x *session) compile(ctx context.Context, files map[string][]byte, env string, now time.Time) (res *compiler.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a bug in gwc: %v", r)
		}
	}()
	root, err := load.OpenFolder(x.root)
	if err != nil {
		return nil, err
	}
	return compiler.Build(ctx, compiler.Options{
		FS: overlay.FS{FS: root, Files: files}, Now: now, StopAfter: "table", Tool: release.Tool, Memory: &x.memory, Environment: env, Tests: true,
	})
}

// finish takes a build's result, publishes its findings and answers the requests that waited for it.
func (s *server) finish(b *built) {
	x := b.session
	x.running = false
	switch {
	case b.err == nil:
		x.take(b)
		if !x.stale {
			s.publish(x)
		}
	case errors.Is(b.err, context.Canceled):
		if x.result == nil && !x.due.IsZero() {
			return // Those who wait go on waiting.
		}
	case errors.Is(b.err, load.ErrChanged):
		s.build(x, debounce)
		return
	default:
		s.options.Log("%s: %v", x.root, b.err)
		s.notify("window/logMessage", map[string]any{"type": messageWarning, "message": fmt.Sprintf("gwc: %s: %v", x.root, b.err)})
	}
	waiting := x.waiting
	x.waiting = nil
	for _, m := range waiting {
		s.ask(m, requests[m.Method])
	}
}

// take keeps a result, and what was made of the one before where the file is the same.
func (x *session) take(b *built) {
	old, before, others := x.outlines, x.result, x.others
	x.others = map[string]load.Digest{}
	x.result, x.version = b.result, b.version
	if b.result.Program != nil {
		x.program = b.result.Program
	}
	src := b.result.Sources
	x.outlines = make(map[string]*query.Outline, len(old))
	for name := range src.Paths() {
		if o := old[name]; o != nil {
			was, _ := before.Sources.Digest(name)
			if is, ok := src.Digest(name); ok && is == was {
				x.outlines[name] = o
				continue
			}
		}
		digest, _ := src.Digest(name)
		if path.Ext(name) != ".cue" && (!mayConfigure(name) || others[name] == digest) {
			if others[name] == digest {
				x.others[name] = digest
			}
			continue
		}
		if data, ok := src.Data(name); ok && load.Configuration(name, data) {
			x.outlines[name] = query.Read(name, data)
		} else if ok {
			x.others[name] = digest
		}
	}
}

// mayConfigure reports whether a YAML or JSON file may be configuration, by its name: documents need not be read for it.
func mayConfigure(name string) bool {
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	return stem != "openapi" && stem != "swagger" && !strings.HasSuffix(stem, ".openapi") && !strings.HasSuffix(stem, ".swagger")
}
