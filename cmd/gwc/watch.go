package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long files must have been quiet: editors write in several steps, git in many.
const debounce = 75 * time.Millisecond

// watch tells when files of a repository have changed.
type watch struct {
	w       *fsnotify.Watcher
	skip    string // the folder of the call log
	changes chan struct{}
	done    chan struct{}
}

// newWatch watches all folders below root but hidden ones and skip.
func newWatch(root, skip string) (*watch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	x := &watch{w: w, skip: filepath.Clean(skip), changes: make(chan struct{}, 1), done: make(chan struct{})}
	if x.skip == filepath.Clean(root) {
		x.skip = ""
	}
	if err := x.add(root, true); err != nil {
		w.Close()
		return nil, err
	}
	go x.run()
	return x, nil
}

// add watches a folder and those below it.
func (x *watch) add(dir string, root bool) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && root && p == dir:
			return err
		case err != nil:
			return nil // gone again, or not for us to read; the build says so
		case !e.IsDir():
			return nil
		case p == x.skip, !(root && p == dir) && ignored(e.Name()):
			return filepath.SkipDir
		}
		return x.w.Add(p)
	})
}

func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "node_modules" || name == "testdata"
}

// run gathers events until none has come for the debounce time.
func (x *watch) run() {
	defer close(x.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case e, ok := <-x.w.Events:
			if !ok {
				return
			}
			if x.matters(e) {
				quiet.Reset(debounce)
			}
		case _, ok := <-x.w.Errors:
			if !ok {
				return
			}
			quiet.Reset(debounce) // events may be lost
		case <-quiet.C:
			select {
			case x.changes <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
}

// matters reports whether an event can change what the compiler reads. New folders are watched.
func (x *watch) matters(e fsnotify.Event) bool {
	name := filepath.Base(e.Name)
	if ignored(name) || e.Op == fsnotify.Chmod {
		return false
	}
	switch filepath.Ext(name) {
	case ".cue", ".yaml", ".yml", ".json":
		return true
	}
	if !e.Has(fsnotify.Create) {
		// A folder that went away has no extension to go by; anything else without one is not read.
		return e.Has(fsnotify.Remove|fsnotify.Rename) && filepath.Ext(name) == ""
	}
	info, err := os.Stat(e.Name)
	if err != nil || !info.IsDir() || e.Name == x.skip {
		return false
	}
	return x.add(e.Name, false) == nil
}

// close stops watching and waits until it has.
func (x *watch) close() {
	x.w.Close()
	<-x.done
}
