package load

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// tree lists the folders of a repository, all of them at once: with a file system's own functions a folder costs its
// whole path for each file in it, which is half the time of a build in which one file changed.
//
// It lists what the loader looks into and no more, and follows no link: what is no plain file or folder is left to the
// file system, which keeps within the repository.
type tree struct {
	root *os.Root

	mu      sync.Mutex
	folders map[string][]fs.DirEntry
	err     error
}

// list returns the entries of all folders by path, each in order of name.
func list(root *os.Root) (map[string][]fs.DirEntry, error) {
	t := &tree{root: root, folders: map[string][]fs.DirEntry{}}
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0)-1)
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, err := t.folder(dir)
		t.mu.Lock()
		if err != nil {
			t.err = cmp.Or(t.err, err)
		} else {
			t.folders[dir] = entries
		}
		failed := t.err != nil
		t.mu.Unlock()
		if failed || depth > maxDepth {
			return
		}
		for _, e := range entries {
			if !e.IsDir() || skipped(e.Name()) || e.Name() == "cue.mod" {
				continue
			}
			p := path.Join(dir, e.Name())
			select {
			case free <- struct{}{}:
				wg.Go(func() {
					walk(p, depth+1)
					<-free
				})
			default:
				walk(p, depth+1)
			}
		}
	}
	walk(".", 0)
	wg.Wait()
	return t.folders, t.err
}

func (t *tree) folder(dir string) ([]fs.DirEntry, error) {
	f, err := t.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	if dir != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "cue.mod" }) {
		return entries[:0:0], nil // Another module: the loader does not look into it either.
	}
	fd := int(f.Fd())
	for i, e := range entries {
		if !e.Type().IsRegular() || skipped(e.Name()) || !readable(e.Name()) {
			continue
		}
		var st unix.Stat_t
		err := unix.Fstatat(fd, e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
			entries[i] = plain{e, Stamp{Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev)}}
		}
	}
	runtime.KeepAlive(f)
	return entries, nil
}

// StampOf returns what a folder says of a file, or the zero Stamp where it says too little to go by.
func StampOf(info fs.FileInfo) Stamp {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{}
	}
	return Stamp{Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev)}
}
