package load

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// tree lists the folders of a repository, on all processors: with a file system's own functions a folder costs its
// whole path for each file in it, which is half the time of a build in which one file changed.
//
// It lists what the loader looks into and no more, and follows no link: a folder is opened from the one around it by
// its own name, and what is neither a plain file nor a folder is left to the file system, which keeps within the
// repository.
type tree struct {
	mu      sync.Mutex
	folders map[string][]fs.DirEntry
	err     error
}

// list returns the entries of all folders by path, each in order of name.
func list(root *os.Root) (map[string][]fs.DirEntry, error) {
	top, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer top.Close()
	t := &tree{folders: map[string][]fs.DirEntry{}}
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0)-1)
	var walk func(dir string, fd, depth int)
	below := func(dir, name string, parent, depth int) {
		fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			t.fail("open", path.Join(dir, name), err)
			return
		}
		p := path.Join(dir, name)
		select {
		case free <- struct{}{}:
			wg.Go(func() {
				walk(p, fd, depth)
				unix.Close(fd)
				<-free
			})
		default:
			walk(p, fd, depth)
			unix.Close(fd)
		}
	}
	walk = func(dir string, fd, depth int) {
		entries, err := folder(fd, dir == ".")
		if err != nil {
			t.fail("readdir", dir, err)
			return
		}
		t.mu.Lock()
		t.folders[dir] = entries
		failed := t.err != nil
		t.mu.Unlock()
		if failed || depth > maxDepth {
			return
		}
		for _, e := range entries {
			if e.IsDir() && !skipped(e.Name()) && e.Name() != "cue.mod" {
				below(dir, e.Name(), fd, depth+1)
			}
		}
	}
	walk(".", int(top.Fd()), 0)
	wg.Wait()
	return t.folders, t.err
}

func (t *tree) fail(op, name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = &fs.PathError{Op: op, Path: name, Err: err}
	}
}

// folder returns the entries of an open folder; none of one that is another module, which the loader does not look
// into either.
func folder(fd int, top bool) ([]fs.DirEntry, error) {
	var entries []fs.DirEntry
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		case n == 0:
			slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
			return entries, nil
		}
		for rest := buf[:n]; len(rest) > 0; {
			// struct linux_dirent64: inode, offset, the record's length, type, name.
			size := int(binary.NativeEndian.Uint16(rest[16:]))
			name, _, _ := bytes.Cut(rest[19:size], []byte{0})
			kind := rest[18]
			rest = rest[size:]
			e := &entry{name: string(name)}
			if e.name == "." || e.name == ".." {
				continue
			}
			if e.name == "cue.mod" && !top {
				return nil, nil
			}
			if err := e.look(fd, kind); err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
	}
}

// entry is a name in a folder. plain tells that it is a plain file and has its stamp.
type entry struct {
	name  string
	mode  fs.FileMode // the bits of its type
	plain bool
	stamp Stamp
}

// look fills in what an entry is. Some file systems do not say it in the listing.
func (e *entry) look(fd int, kind byte) error {
	switch kind {
	case unix.DT_DIR:
		e.mode = fs.ModeDir
		return nil
	case unix.DT_LNK:
		e.mode = fs.ModeSymlink
		return nil
	case unix.DT_REG, unix.DT_UNKNOWN:
	default:
		e.mode = fs.ModeIrregular
		return nil
	}
	if kind == unix.DT_REG && (skipped(e.name) || !readable(e.name)) {
		return nil
	}
	var st unix.Stat_t
	for {
		err := unix.Fstatat(fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.mode = fs.ModeDir
	case unix.S_IFLNK:
		e.mode = fs.ModeSymlink
	case unix.S_IFREG:
		e.plain = true
		e.stamp = Stamp{Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev)}
	default:
		e.mode = fs.ModeIrregular
	}
	return nil
}

func (e *entry) Name() string      { return e.name }
func (e *entry) IsDir() bool       { return e.mode.IsDir() }
func (e *entry) Type() fs.FileMode { return e.mode }

// Info is not known beyond the stamp.
func (e *entry) Info() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// plainStamp returns the stamp of a plain file that list found.
func plainStamp(e fs.DirEntry) (Stamp, bool) {
	if e, ok := e.(*entry); ok {
		return e.stamp, e.plain
	}
	return Stamp{}, false
}

// StampOf returns what a folder says of a file, or the zero Stamp where it says too little to go by.
func StampOf(info fs.FileInfo) Stamp {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{}
	}
	return Stamp{Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev)}
}

var _ fs.DirEntry = (*entry)(nil)
