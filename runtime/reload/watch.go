package reload

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// print is what stat says of a file: if none of it has changed, neither have the contents. The time of the last change
// of the inode cannot be set by a program, unlike the modification time.
type print struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64
}

// fingerprint follows links. A file that cannot be seen has a print of its own kind.
func fingerprint(path string) print {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return print{size: -1}
	}
	return print{uint64(st.Dev), st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// settled returns the print if it can be relied on: file systems keep times in steps of some milliseconds, so a file
// that changed just now may change again without looking different. The zero print makes the next poll look again.
func settled(p print) print {
	if p.size >= 0 && time.Since(time.Unix(0, p.ctime)) < 100*time.Millisecond {
		return print{}
	}
	return p
}

// rewatch makes the watched folders those that matter now: links and folders may have been replaced. It does nothing
// where nothing has changed. Afterwards w.blind tells whether some of them give no events.
func (w *Watcher) rewatch() {
	want := map[string]struct{}{}
	for _, t := range w.targets() {
		t.names = map[string]struct{}{}
		trail(t.path, t.names, want)
	}
	w.blind = w.events == nil
	if w.blind {
		return
	}
	watched := w.events.WatchList() // without the folders that were deleted
	for folder, was := range w.folders {
		var is unix.Stat_t
		_, wanted := want[folder]
		if wanted && slices.Contains(watched, folder) && unix.Stat(folder, &is) == nil && is.Dev == was.Dev && is.Ino == was.Ino {
			delete(want, folder)
			continue
		}
		w.events.Remove(folder) // the error says that it is gone already
		delete(w.folders, folder)
	}
	for folder := range want {
		// A folder that has gone meanwhile, that is forbidden, or for which no watch is left: the poll comes here again.
		if err := w.events.Add(folder); err != nil {
			w.blind = true
			continue
		}
		var st unix.Stat_t
		if unix.Stat(folder, &st) == nil {
			w.folders[folder] = st
		}
	}
}

// trail follows path through all links and collects the names whose appearance, change or disappearance can make it
// another file, and the folders in which they stand. path is absolute and clean.
func trail(path string, names, folders map[string]struct{}) {
	for range 40 { // links; what the kernel allows, too
		next := step(path, names, folders)
		if next == "" {
			return
		}
		path = next
	}
}

// step walks along path up to the first link, and returns the path with the link replaced, or "" at the end.
func step(path string, names, folders map[string]struct{}) string {
	note := func(name string) {
		names[name] = struct{}{}
		folders[filepath.Dir(name)] = struct{}{}
	}
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	at := "/"
	for i, part := range parts {
		parent := at
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if err != nil {
			note(at) // missing: it may appear
			return ""
		}
		if info.Mode()&os.ModeSymlink == 0 {
			continue
		}
		note(at)
		to, err := os.Readlink(at)
		if err != nil {
			return ""
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(parent, to)
		}
		return filepath.Join(to, filepath.Join(parts[i+1:]...))
	}
	note(at)
	if parent := filepath.Dir(at); parent != "/" {
		note(parent)
	}
	return ""
}
