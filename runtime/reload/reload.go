// Package reload notices when the artifact changes, and hands its new bytes on.
//
// The path of an artifact enters; each new content leaves through [Options.Apply], on one goroutine, one after
// another, never on a path that serves exchanges. Apply loads beside what runs and swaps, or returns an error and
// swaps nothing: keeping the last good snapshot is the absence of an action, so it cannot fail.
//
// A change is noticed by fsnotify and made certain by the digest: events only say "look". What is watched are
// folders, never files, because a file that is replaced takes its watch with it: the folder of the artifact, the
// folders of all links that lead to it (Kubernetes swaps a link named ..data), and the folder above, in which a folder
// is deleted and made again. A poll, stat first, is the net under it: for file systems without events, for lost
// events, and for a system whose watches are used up, where it alone does the work in shorter steps.
//
// Events are gathered until the file has been quiet for a moment. A file that Apply refuses may still be in the
// writing, so it is tried again shortly before it is declared bad, and later at growing intervals, because the cause
// may lie outside it (a secret's file that is missing). The outcome is reported when it changes: once for a bad file,
// however often it is tried, and once when the file is good again.
//
// Refused: trusting modification times (ConfigMaps and rsync keep them), and re-reading on every event (a copy of a
// large file gives hundreds).
package reload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Defaults of [Options], and how bad files are treated.
const (
	DefaultDebounce = 20 * time.Millisecond
	DefaultPoll     = 2 * time.Second
	DefaultMaxBytes = 512 << 20

	maxDebounce = 5                      // times Debounce: how long a busy file is waited for
	firstRetry  = 150 * time.Millisecond // between the first and the second look at a file that is refused
	lastRetry   = time.Minute            // longest interval between later looks
	barePoll    = 100 * time.Millisecond // of the poll when the system gives no events
)

// Options of [New]. Zero values mean the defaults.
type Options struct {
	File     string        // the artifact
	Debounce time.Duration // how long the file must have been quiet before it is read [DefaultDebounce]
	Poll     time.Duration // [DefaultPoll]
	MaxBytes int64         // of the file [DefaultMaxBytes]

	// Apply loads and swaps. It may keep data. It is called again for the same bytes only after it returned an error.
	Apply func(data []byte) error
	// OnResult is told each new outcome: nil and the digest of the file's bytes ("sha256:…") when they are in use, also
	// when a bad file gave way to the one in use; or why a file is not used. The digest is "" if it could not be read.
	// May be nil.
	OnResult func(err error, digest string)
	// OnChange is told which of the files named by [Watcher.Watch] may have changed, each once after it is named. May
	// be nil.
	OnChange func(paths []string)
}

// Watcher watches an artifact and other files. Make it with [New], then call [Watcher.Load] for the first load and
// [Watcher.Start] for all later ones.
type Watcher struct {
	o      Options
	events *fsnotify.Watcher // nil if the system gives none
	cancel context.CancelFunc
	ctx    context.Context
	grace  time.Duration // firstRetry, but in tests
	done   chan struct{}
	nudge  chan struct{}

	mu     sync.Mutex
	named  []string // by Watch
	look   bool     // by Check
	starts bool

	// Of the goroutine (and of New and Load, before Start).
	file    target
	others  []*target
	folders map[string]unix.Stat_t
	blind   bool   // not every folder gives events
	digest  digest // of the bytes in use
	inUse   bool
	bad     failure
}

// target is a file that is watched.
type target struct {
	path  string
	names map[string]struct{} // paths whose events mean that the file may have changed
	print print
	dirty bool
}

type digest [sha256.Size]byte

func (d digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// failure is what is wrong with the file since the last success.
type failure struct {
	err      error
	digest   digest // of the refused bytes; zero if the file could not be read
	text     string // as reported; "" before
	since    time.Time
	next     time.Time // of the next look; zero: none
	interval time.Duration
}

// New prepares to watch. It fails only if the path cannot be made absolute.
func New(o Options) (*Watcher, error) {
	path, err := filepath.Abs(o.File)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", o.File, err)
	}
	o.File = path
	if o.Debounce <= 0 {
		o.Debounce = DefaultDebounce
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.OnResult == nil {
		o.OnResult = func(error, string) {}
	}
	if o.OnChange == nil {
		o.OnChange = func([]string) {}
	}
	w := &Watcher{
		o:       o,
		grace:   firstRetry,
		done:    make(chan struct{}),
		nudge:   make(chan struct{}, 1),
		file:    target{path: path, dirty: true},
		folders: map[string]unix.Stat_t{},
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	if w.events, err = fsnotify.NewWatcher(); err != nil {
		w.events = nil
	}
	w.rewatch()
	return w, nil
}

// Load reads the artifact and applies it, on the caller's goroutine. It is for the first load, before Start; its error
// is not told to OnResult.
func (w *Watcher) Load() error {
	w.file.dirty = false
	data, d, err := w.read()
	if err != nil {
		return err
	}
	if err := w.o.Apply(data); err != nil {
		w.file.print = print{}
		return err
	}
	w.digest, w.inUse = d, true
	return nil
}

// Start begins to watch. Without a Load before, the first look is a load.
func (w *Watcher) Start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.starts {
		return
	}
	w.starts = true
	w.wake() // what changed since Load, or the first load
	go w.run()
}

// Close stops watching and waits until an Apply that runs has returned. It must not be called from a callback.
func (w *Watcher) Close() error {
	w.cancel()
	w.mu.Lock()
	started := w.starts
	w.starts = true // a later Start does nothing
	w.mu.Unlock()
	if started {
		<-w.done
	}
	if w.events != nil {
		return w.events.Close()
	}
	return nil
}

// Watch replaces the set of other files that are watched, by absolute paths. It may be called from Apply and from
// OnChange.
func (w *Watcher) Watch(paths []string) {
	w.mu.Lock()
	w.named = slices.Clone(paths)
	if w.named == nil {
		w.named = []string{}
	}
	w.mu.Unlock()
	w.wake()
}

// Check looks at everything now, as an operator may ask for (SIGHUP). A file that was refused is tried again.
func (w *Watcher) Check() {
	w.mu.Lock()
	w.look = true
	w.mu.Unlock()
	w.wake()
}

func (w *Watcher) wake() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// run is the watcher's goroutine.
func (w *Watcher) run() {
	defer close(w.done)
	var events chan fsnotify.Event
	var errs chan error
	if w.events != nil {
		events, errs = w.events.Events, w.events.Errors
	}
	period := w.period()
	poll := time.NewTicker(period)
	defer poll.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var first, due time.Time // of the events that are gathered; zero: none
	for {
		next := due
		if next.IsZero() {
			next = w.bad.next
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(time.Until(next), 0))
		}
		settle := false
		select {
		case <-w.ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if !w.mark(e.Name) {
				continue
			}
			now := time.Now()
			if due.IsZero() {
				first = now
			}
			due = now.Add(w.o.Debounce)
			if last := first.Add(maxDebounce * w.o.Debounce); due.After(last) {
				due = last
			}
		case _, ok := <-errs:
			if !ok {
				errs = nil
				continue
			}
			// Most likely events were lost: look at everything.
			w.markAll()
			settle = true
		case <-w.nudge:
			w.adopt()
			w.markChanged()
			settle = true
		case <-poll.C:
			w.markChanged()
			settle = true
		case <-timer.C:
			settle = true
		}
		if !settle {
			continue
		}
		if due.IsZero() || !time.Now().Before(due) {
			first, due = time.Time{}, time.Time{}
			w.rewatch()
			if p := w.period(); p != period {
				period = p
				poll.Reset(p)
			}
			w.settle()
		}
	}
}

// period is the poll's: shorter where it does the work alone.
func (w *Watcher) period() time.Duration {
	if w.blind {
		return min(w.o.Poll, barePoll)
	}
	return w.o.Poll
}

// mark marks the targets that an event speaks of and reports whether there are any.
func (w *Watcher) mark(name string) bool {
	any := false
	for _, t := range w.targets() {
		if _, ok := t.names[name]; ok {
			t.dirty, any = true, true
		}
	}
	return any
}

func (w *Watcher) markAll() {
	for _, t := range w.targets() {
		t.dirty = true
	}
}

// markChanged marks the targets that look different from when they were last looked at.
func (w *Watcher) markChanged() {
	for _, t := range w.targets() {
		if t.print == (print{}) || fingerprint(t.path) != t.print {
			t.dirty = true
		}
	}
}

func (w *Watcher) targets() []*target { return append(w.others[:len(w.others):len(w.others)], &w.file) }

// adopt takes over what Watch and Check asked for.
func (w *Watcher) adopt() {
	w.mu.Lock()
	named, look := w.named, w.look
	w.named, w.look = nil, false
	w.mu.Unlock()
	if named != nil {
		known := map[string]*target{}
		for _, t := range w.others {
			known[t.path] = t
		}
		w.others = nil
		for _, p := range named {
			t := known[p]
			if t == nil {
				// Whoever named it has read it before we watched it, so one look is due in any case.
				t = &target{path: p, dirty: true}
			}
			w.others = append(w.others, t)
		}
	}
	if look {
		w.markAll()
	}
}

// settle looks at what is dirty.
func (w *Watcher) settle() {
	var changed []string
	for _, t := range w.others {
		if t.dirty {
			t.dirty = false
			t.print = settled(fingerprint(t.path))
			changed = append(changed, t.path)
		}
	}
	if len(changed) > 0 {
		w.o.OnChange(changed)
		if w.bad.err != nil {
			w.file.dirty = true // the cause of the refusal may have been one of these
		}
	}
	if !w.bad.next.IsZero() && !time.Now().Before(w.bad.next) {
		w.file.dirty = true
	}
	if w.file.dirty {
		w.file.dirty = false
		w.check()
	}
}

// check reads the artifact and applies it if it is new.
func (w *Watcher) check() {
	data, d, err := w.read()
	if err == nil {
		if w.inUse && d == w.digest {
			if w.bad.text != "" {
				w.o.OnResult(nil, d.String())
			}
			w.bad = failure{}
			return
		}
		if err = w.o.Apply(data); err == nil {
			w.digest, w.inUse, w.bad = d, true, failure{}
			w.o.OnResult(nil, d.String())
			return
		}
	}
	now := time.Now()
	if w.bad.err == nil || w.bad.digest != d {
		// New trouble: perhaps the file is still being written.
		w.bad = failure{err: err, digest: d, text: w.bad.text, since: now, next: now.Add(w.grace), interval: w.o.Poll}
		return
	}
	w.bad.err = err
	if now.Sub(w.bad.since) < w.grace {
		return
	}
	w.bad.next = now.Add(w.bad.interval)
	w.bad.interval = min(2*w.bad.interval, lastRetry)
	text := d.String() + err.Error()
	if w.bad.text != text {
		w.bad.text = text
		shown := ""
		if d != (digest{}) {
			shown = d.String()
		}
		w.o.OnResult(err, shown)
	}
}

// read returns the artifact's bytes and their digest, and remembers what the file looked like.
func (w *Watcher) read() ([]byte, digest, error) {
	w.file.print = settled(fingerprint(w.file.path))
	data, err := readFile(w.file.path, w.o.MaxBytes)
	if err != nil {
		return nil, digest{}, err
	}
	return data, sha256.Sum256(data), nil
}

// readFile reads a regular file. O_NONBLOCK keeps the open of a pipe from waiting for its writer.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	var b bytes.Buffer
	b.Grow(int(info.Size()) + bytes.MinRead)
	n, err := io.Copy(&b, io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b.Bytes(), nil
}
