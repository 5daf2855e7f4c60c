package reload

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loader stands for the runtime: it takes any bytes that begin with "good", and remembers what happened.
type loader struct {
	t *testing.T
	w *Watcher

	mu      sync.Mutex
	applied []string // accepted contents, in order
	results []string // what OnResult was told
	changed []string // what OnChange was told
	fail    error    // what Apply returns for good bytes
	busy    bool
}

func (l *loader) apply(data []byte) error {
	l.mu.Lock()
	if l.busy {
		l.t.Error("two Apply at once")
	}
	l.busy = true
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.busy = false
		l.mu.Unlock()
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !bytes.HasPrefix(data, []byte("good")) || !bytes.HasSuffix(data, []byte("end")) {
		return fmt.Errorf("not an artifact of %d bytes", len(data))
	}
	if l.fail != nil {
		return l.fail
	}
	l.applied = append(l.applied, string(data))
	return nil
}

func (l *loader) result(err error, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := "ok"
	if err != nil {
		s = err.Error()
	}
	if err == nil && !strings.HasPrefix(digest, "sha256:") {
		l.t.Errorf("success with digest %q", digest)
	}
	l.results = append(l.results, s)
}

func (l *loader) change(paths []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range paths {
		l.changed = append(l.changed, filepath.Base(p))
	}
}

func (l *loader) snapshot() (applied, results, changed []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.applied), slices.Clone(l.results), slices.Clone(l.changed)
}

// until waits for something that must come.
func (l *loader) until(what string, ok func(applied, results, changed []string) bool) {
	l.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		a, r, c := l.snapshot()
		if ok(a, r, c) {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("waited in vain: %s; applied %q, results %q, changed %q", what, short(a), short(r), c)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func short(l []string) []string {
	var out []string
	for _, s := range l {
		if len(s) > 80 {
			s = s[:80] + "…"
		}
		out = append(out, s)
	}
	return out
}

func (l *loader) untilApplied(want string) {
	l.t.Helper()
	l.until("applied "+want, func(a, r, c []string) bool { return len(a) > 0 && a[len(a)-1] == want })
}

// start loads and watches file. Poll is so long that what a test sees came by events, unless it says otherwise.
func start(t *testing.T, o Options, change ...func(*Watcher)) *loader {
	t.Helper()
	l := &loader{t: t}
	o.Apply, o.OnResult, o.OnChange = l.apply, l.result, l.change
	if o.Poll == 0 {
		o.Poll = time.Hour
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.w = w
	for _, c := range change {
		c(w)
	}
	if err := w.Load(); err != nil {
		t.Fatal(err)
	}
	w.Start()
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file in its place as gwc build does: written beside it, then renamed over it.
func replace(t *testing.T, path, text string) {
	t.Helper()
	put(t, path+".next", text)
	rename(t, path+".next", path)
}

func TestEveryWayToReplaceAFile(t *testing.T) {
	type setup struct {
		prepare func(t *testing.T, dir string) string // makes the file and returns its path
		change  func(t *testing.T, dir, text string)
	}
	file := func(t *testing.T, dir string) string {
		put(t, filepath.Join(dir, "a.gwca"), "good 0 end")
		return filepath.Join(dir, "a.gwca")
	}
	configMap := func(t *testing.T, dir string) string {
		put(t, filepath.Join(mkdir(t, filepath.Join(dir, "..2026_0")), "a.gwca"), "good 0 end")
		link(t, "..2026_0", filepath.Join(dir, "..data"))
		link(t, "..data/a.gwca", filepath.Join(dir, "a.gwca"))
		return filepath.Join(dir, "a.gwca")
	}
	tests := map[string]setup{
		"renamed over": {file, func(t *testing.T, dir, text string) { replace(t, filepath.Join(dir, "a.gwca"), text) }},
		"renamed over from another folder": {file, func(t *testing.T, dir, text string) {
			other := filepath.Join(mkdir(t, filepath.Join(dir, "staging")), "b")
			put(t, other, text)
			rename(t, other, filepath.Join(dir, "a.gwca"))
		}},
		"rewritten in place": {file, func(t *testing.T, dir, text string) { put(t, filepath.Join(dir, "a.gwca"), text) }},
		"rewritten in place with the same length and times": {file, func(t *testing.T, dir, text string) {
			path := filepath.Join(dir, "a.gwca")
			put(t, path, text)
			if err := os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}},
		"removed and made again": {file, func(t *testing.T, dir, text string) {
			path := filepath.Join(dir, "a.gwca")
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			put(t, path, text)
		}},
		"linked over": {file, func(t *testing.T, dir, text string) {
			os.Remove(filepath.Join(dir, "b")) // else it would be the same file, which a rename over leaves as it is
			put(t, filepath.Join(dir, "b"), text)
			if err := os.Link(filepath.Join(dir, "b"), filepath.Join(dir, "c")); err != nil {
				t.Fatal(err)
			}
			rename(t, filepath.Join(dir, "c"), filepath.Join(dir, "a.gwca"))
		}},
		"a Kubernetes ConfigMap": {configMap, func(t *testing.T, dir, text string) {
			version := fmt.Sprintf("..2026_%x", text)
			put(t, filepath.Join(mkdir(t, filepath.Join(dir, version)), "a.gwca"), text)
			old, err := os.Readlink(filepath.Join(dir, "..data"))
			if err != nil {
				t.Fatal(err)
			}
			link(t, version, filepath.Join(dir, "..data_tmp"))
			rename(t, filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
			if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
				t.Fatal(err)
			}
		}},
		"a link to another folder, written there": {
			func(t *testing.T, dir string) string {
				put(t, filepath.Join(mkdir(t, filepath.Join(dir, "releases")), "a.gwca"), "good 0 end")
				mkdir(t, filepath.Join(dir, "etc"))
				link(t, "../releases/a.gwca", filepath.Join(dir, "etc", "a.gwca"))
				return filepath.Join(dir, "etc", "a.gwca")
			},
			func(t *testing.T, dir, text string) { replace(t, filepath.Join(dir, "releases", "a.gwca"), text) },
		},
		"a link to another folder, pointed elsewhere": {
			func(t *testing.T, dir string) string {
				put(t, filepath.Join(mkdir(t, filepath.Join(dir, "releases", "0")), "a.gwca"), "good 0 end")
				link(t, filepath.Join(dir, "releases", "0"), filepath.Join(dir, "current"))
				return filepath.Join(dir, "current", "a.gwca")
			},
			func(t *testing.T, dir, text string) {
				release := mkdir(t, filepath.Join(dir, "releases", fmt.Sprintf("%x", text)))
				put(t, filepath.Join(release, "a.gwca"), text)
				link(t, release, filepath.Join(dir, "next"))
				rename(t, filepath.Join(dir, "next"), filepath.Join(dir, "current"))
			},
		},
		"its folder deleted and made again": {
			func(t *testing.T, dir string) string { return file(t, mkdir(t, filepath.Join(dir, "etc"))) },
			func(t *testing.T, dir, text string) {
				if err := os.RemoveAll(filepath.Join(dir, "etc")); err != nil {
					t.Fatal(err)
				}
				put(t, filepath.Join(mkdir(t, filepath.Join(dir, "etc")), "a.gwca"), text)
			},
		},
		"its folder moved away and another put in place": {
			func(t *testing.T, dir string) string { return file(t, mkdir(t, filepath.Join(dir, "etc"))) },
			func(t *testing.T, dir, text string) {
				next := mkdir(t, filepath.Join(dir, "next"))
				put(t, filepath.Join(next, "a.gwca"), text)
				rename(t, filepath.Join(dir, "etc"), filepath.Join(dir, fmt.Sprintf("old-%x", text)))
				rename(t, next, filepath.Join(dir, "etc"))
			},
		},
	}
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			l := start(t, Options{File: s.prepare(t, dir)})
			for i := 1; i <= 3; i++ {
				text := fmt.Sprintf("good %d end", i)
				s.change(t, dir, text)
				l.untilApplied(text)
			}
		})
		t.Run(name+", without events", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := startPolling(t, Options{File: s.prepare(t, dir), Poll: 10 * time.Millisecond})
			for i := 1; i <= 3; i++ {
				text := fmt.Sprintf("good %d end", i)
				s.change(t, dir, text)
				l.untilApplied(text)
			}
		})
	}
}

// startPolling is start on a system that gives no events.
func startPolling(t *testing.T, o Options) *loader {
	t.Helper()
	l := &loader{t: t}
	o.Apply, o.OnResult, o.OnChange = l.apply, l.result, l.change
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if w.events != nil {
		w.events.Close()
		w.events = nil
	}
	l.w = w
	if err := w.Load(); err != nil {
		t.Fatal(err)
	}
	w.Start()
	t.Cleanup(func() { w.Close() })
	return l
}

func TestBadFileKeepsTheLastGoodAndIsReportedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path, Poll: 10 * time.Millisecond})
	replace(t, path, "bad")
	l.until("the bad file is reported", func(a, r, c []string) bool { return len(r) == 1 })
	replace(t, path, "worse one")
	l.until("another bad file is reported", func(a, r, c []string) bool { return len(r) == 2 })
	time.Sleep(100 * time.Millisecond) // many polls, which must not report it again
	replace(t, path, "good 1 end")
	l.untilApplied("good 1 end")
	l.until("the good file is reported", func(a, r, c []string) bool { return len(r) == 3 })
	a, r, _ := l.snapshot()
	if diff := cmp.Diff([]string{"good 0 end", "good 1 end"}, a); diff != "" {
		t.Errorf("applied: mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"not an artifact of 3 bytes", "not an artifact of 9 bytes", "ok"}, r); diff != "" {
		t.Errorf("results: mismatch (-want +got):\n%s", diff)
	}
}

func TestBadFileThatGivesWayToTheOneInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path})
	replace(t, path, "bad")
	l.until("the bad file is reported", func(a, r, c []string) bool { return len(r) == 1 })
	replace(t, path, "good 0 end")
	l.until("that all is well again is reported", func(a, r, c []string) bool { return len(r) == 2 && r[1] == "ok" })
	if a, _, _ := l.snapshot(); len(a) != 1 {
		t.Errorf("the same bytes were applied again: %q", a)
	}
}

func TestRemovedFileKeepsTheLastGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.until("the loss is reported", func(a, r, c []string) bool { return len(r) == 1 })
	if _, r, _ := l.snapshot(); !strings.Contains(r[0], "no such file") {
		t.Errorf("reported %q", r[0])
	}
	put(t, path, "good 1 end")
	l.untilApplied("good 1 end")
}

func TestSameBytesAreNotAppliedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path})
	for range 3 {
		replace(t, path, "good 0 end")
		time.Sleep(30 * time.Millisecond)
	}
	replace(t, path, "good 1 end")
	l.untilApplied("good 1 end")
	if a, _, _ := l.snapshot(); len(a) != 2 {
		t.Errorf("applied %q", a)
	}
}

func TestSlowWriterIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	// However long this machine lets the writer wait between two parts, nothing is declared bad.
	l := start(t, Options{File: path}, func(w *Watcher) { w.grace = time.Hour })
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := ""
	for _, part := range []string{"good ", "1 and ", "more and ", "more ", "end"} {
		if _, err := f.WriteString(part); err != nil {
			t.Fatal(err)
		}
		want += part
		time.Sleep(60 * time.Millisecond) // longer than the debounce, so that parts are looked at
	}
	l.untilApplied(want)
	if _, r, _ := l.snapshot(); slices.ContainsFunc(r, func(s string) bool { return s != "ok" }) {
		t.Errorf("a file in the writing was declared bad: %q", r)
	}
}

func TestHundredRapidReplacements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path})
	filler := strings.Repeat("x", 100_000)
	for i := 1; i <= 100; i++ {
		replace(t, path, fmt.Sprintf("good %d %s end", i, filler))
	}
	want := "good 100 " + filler + " end"
	l.untilApplied(want)
	_, r, _ := l.snapshot()
	for _, s := range r {
		if s != "ok" {
			t.Errorf("a file that was renamed into place was refused: %s", s)
		}
	}
	fds := descriptors(t)
	for i := 101; i <= 200; i++ {
		replace(t, path, fmt.Sprintf("good %d end", i))
		time.Sleep(time.Millisecond)
	}
	l.untilApplied("good 200 end")
	if now := descriptors(t); now > fds+2 {
		t.Errorf("%d descriptors are open, %d were before", now, fds)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("skipped: /proc is not there")
	}
	return len(d)
}

func TestCauseOutsideTheFileIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path, Poll: 20 * time.Millisecond})
	l.mu.Lock()
	l.fail = errors.New(`secret "file:key": no such file`)
	l.mu.Unlock()
	replace(t, path, "good 1 end")
	l.until("the refusal is reported", func(a, r, c []string) bool { return len(r) == 1 })
	l.mu.Lock()
	l.fail = nil
	l.mu.Unlock()
	l.untilApplied("good 1 end")
}

func TestCheckTriesARefusedFileAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := start(t, Options{File: path})
	l.mu.Lock()
	l.fail = errors.New("no")
	l.mu.Unlock()
	replace(t, path, "good 1 end")
	l.until("the refusal is reported", func(a, r, c []string) bool { return len(r) == 1 })
	l.mu.Lock()
	l.fail = nil
	l.mu.Unlock()
	l.w.Check()
	l.untilApplied("good 1 end")
}

func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	secrets := mkdir(t, filepath.Join(dir, "secrets"))
	path := filepath.Join(dir, "a.gwca")
	key, missing := filepath.Join(secrets, "key"), filepath.Join(secrets, "missing")
	put(t, path, "good 0 end")
	put(t, key, "1")
	l := start(t, Options{File: path})
	count := func(name string) func(a, r, c []string) bool {
		_, _, before := l.snapshot()
		return func(a, r, c []string) bool { return slices.Contains(c[len(before):], name) }
	}
	ok := count("missing")
	l.w.Watch([]string{key, missing})
	l.until("each is looked at once after it is named", ok)
	if _, _, c := l.snapshot(); !slices.Equal(c, []string{"key", "missing"}) {
		t.Errorf("changed %q", c)
	}
	ok = count("key")
	replace(t, key, "2")
	l.until("a replaced file", ok)
	ok = count("missing")
	put(t, missing, "now it is there")
	l.until("a file that appeared", ok)
	ok = count("missing")
	if err := os.Remove(missing); err != nil {
		t.Fatal(err)
	}
	l.until("a file that disappeared", ok)

	// A refused artifact is tried again when one of the others changes.
	l.mu.Lock()
	l.fail = errors.New("no key")
	l.mu.Unlock()
	replace(t, path, "good 1 end")
	l.until("the refusal is reported", func(a, r, c []string) bool { return len(r) == 1 })
	l.mu.Lock()
	l.fail = nil
	l.mu.Unlock()
	put(t, key, "3")
	l.untilApplied("good 1 end")

	l.w.Watch(nil)
	put(t, key, "4")
	replace(t, path, "good 2 end")
	l.untilApplied("good 2 end")
}

func TestFirstLoadFails(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "bad"), "bad")
	put(t, filepath.Join(dir, "large"), strings.Repeat("x", 101))
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing": "open DIR/missing: no such file or directory",
		"bad":     "not an artifact of 3 bytes",
		"large":   "DIR/large has more than 100 bytes",
		"pipe":    "DIR/pipe is not a regular file",
		".":       "DIR is not a regular file",
	} {
		l := &loader{t: t}
		w, err := New(Options{File: filepath.Join(dir, name), Apply: l.apply, MaxBytes: 100})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := w.Load(); err != nil {
			got = strings.ReplaceAll(err.Error(), dir, "DIR")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: mismatch (-want +got):\n%s", name, diff)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		w.Start() // does nothing after Close
	}
}

// TestNoWatchesLeft uses up the watches of a watcher of its own kind: closing it makes every Add fail.
func TestNoWatchesLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "good 0 end")
	l := &loader{t: t}
	w, err := New(Options{File: path, Poll: time.Hour, Apply: l.apply, OnResult: l.result})
	if err != nil {
		t.Fatal(err)
	}
	l.w = w
	if w.events == nil {
		t.Skip("skipped: the system gives no events at all")
	}
	if p := w.period(); p != time.Hour {
		t.Errorf("with events the poll's period is %s", p)
	}
	w.events.Close()
	w.rewatch()
	if p := w.period(); p != barePoll {
		t.Errorf("without events the poll's period is %s", p)
	}
	w.Start()
	defer w.Close()
	l.untilApplied("good 0 end")
	replace(t, path, "good 1 end")
	l.untilApplied("good 1 end")
}

func TestCloseWaitsForApply(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gwca")
	put(t, path, "0")
	began, finish := make(chan struct{}), make(chan struct{})
	over := false
	w, err := New(Options{File: path, Apply: func([]byte) error {
		close(began)
		<-finish
		over = true
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Start()
	w.Start()
	<-began
	go close(finish)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if !over {
		t.Error("Close returned while Apply was running")
	}
}

// BenchmarkReload measures the time from a rename to the end of Apply.
func BenchmarkReload(b *testing.B) {
	path := filepath.Join(b.TempDir(), "a.gwca")
	text := bytes.Repeat([]byte("x"), 4<<20)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	applied := make(chan struct{})
	w, err := New(Options{File: path, Apply: func([]byte) error { applied <- struct{}{}; return nil }})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	w.Start()
	<-applied
	for i := range b.N {
		text[i%len(text)]++
		if err := os.WriteFile(path+".next", text, 0o600); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := os.Rename(path+".next", path); err != nil {
			b.Fatal(err)
		}
		<-applied
		b.StopTimer()
	}
}
