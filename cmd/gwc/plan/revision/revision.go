// Package revision reads a repository as it was at a revision of git, without touching the working tree.
//
// The folder of a repository and the name of a revision enter; a file system in memory leaves, which holds the files
// that a build may read. Objects are read with `git ls-tree` and `git cat-file`. `git archive` was refused: attributes
// such as export-ignore and export-subst make its files differ from those that were committed. A temporary checkout
// was refused, because it writes to the repository and leaves folders behind where it is killed.
package revision

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/load"
)

var (
	// ErrNoGit: there is no git, or the folder is not in a repository of it.
	ErrNoGit = errors.New("not in a git repository")
	// ErrUnknown: there is no such revision.
	ErrUnknown = errors.New("no such revision")
	// ErrTooLarge: the revision holds more than a build reads.
	ErrTooLarge = errors.New("the revision is too large")
)

// Read returns the files of dir, a folder within a git repository, as they were at ref, and the commit's whole id.
func Read(ctx context.Context, dir, ref string) (fs.FS, string, error) {
	if _, err := run(ctx, dir, nil, "rev-parse", "--is-inside-work-tree"); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrNoGit, err)
	}
	// --end-of-options keeps a name that begins with "-" from being taken for a flag.
	out, err := run(ctx, dir, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	commit := strings.TrimSpace(string(out))
	if err != nil || commit == "" {
		return nil, "", ErrUnknown
	}
	t, err := read(ctx, dir, commit)
	return t, commit, err
}

// entry is a line of ls-tree.
type entry struct {
	path, object string
	size         int64
	link         bool
}

func read(ctx context.Context, dir, commit string) (tree, error) {
	// Without --full-tree, names are relative to dir and nothing outside of it is listed.
	out, err := run(ctx, dir, nil, "ls-tree", "-r", "-l", "-z", commit)
	if err != nil {
		return nil, err
	}
	var wanted []entry
	var total int64
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		head, name, ok := strings.Cut(line, "\t")
		f := strings.Fields(head)
		if !ok || len(f) != 4 || f[1] != "blob" || !fs.ValidPath(name) {
			continue // A submodule, or nothing at all.
		}
		switch path.Ext(name) {
		case ".cue", ".yaml", ".yml", ".json":
		default:
			continue
		}
		size, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git ls-tree says %q", line)
		}
		if total += size; total > load.MaxTotal || len(wanted) == load.MaxFiles {
			return nil, fmt.Errorf("%w: more than %d files or %d MiB", ErrTooLarge, load.MaxFiles, load.MaxTotal>>20)
		}
		wanted = append(wanted, entry{path: name, object: f[2], size: size, link: f[0] == "120000"})
	}
	var ask bytes.Buffer
	for _, e := range wanted {
		fmt.Fprintln(&ask, e.object)
	}
	if out, err = run(ctx, dir, &ask, "cat-file", "--batch"); err != nil {
		return nil, err
	}
	t := tree{".": {dir: true}}
	links := map[string]string{}
	r := bufio.NewReader(bytes.NewReader(out))
	for _, e := range wanted {
		head, err := r.ReadString('\n')
		if err != nil || !strings.HasSuffix(head, fmt.Sprintf(" blob %d\n", e.size)) {
			return nil, fmt.Errorf("git cat-file has no %s", e.path)
		}
		data := make([]byte, e.size)
		if _, err := io.ReadFull(r, data); err != nil {
			return nil, fmt.Errorf("git cat-file cuts %s off", e.path)
		}
		if _, err := r.Discard(1); err != nil {
			return nil, fmt.Errorf("git cat-file cuts %s off", e.path)
		}
		if e.link {
			links[e.path] = string(data)
			continue
		}
		t.add(e.path, data)
	}
	// A link to a file within the folder is that file; a build refuses any other, so it stays one that leads nowhere.
	for _, name := range slices.Sorted(maps.Keys(links)) {
		to := name
		for range 16 {
			target, ok := links[to]
			if !ok {
				break
			}
			to = path.Join(path.Dir(to), target)
		}
		if n := t[to]; n != nil && !n.dir {
			t.add(name, n.data)
		} else {
			t.add(name, nil)
			t[name].dangling = true
		}
	}
	return t, nil
}

// run returns what git writes. The error holds what it said.
func run(ctx context.Context, dir string, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &said
	if err := cmd.Run(); err != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		if text == "" {
			text = err.Error()
		}
		return nil, fmt.Errorf("git %s: %s", args[0], text)
	}
	return out.Bytes(), nil
}

// tree is a file system in memory, by path. It is immutable once it is read.
type tree map[string]*node

type node struct {
	name     string
	dir      bool
	dangling bool // a link that leads nowhere
	data     []byte
	below    []string // names, of a folder
}

// add puts a file and the folders above it.
func (t tree) add(name string, data []byte) {
	n := &node{name: path.Base(name), data: data}
	for {
		_, known := t[name]
		if !known || !n.dir {
			t[name] = n
		}
		if known {
			return
		}
		dir := path.Dir(name)
		above := t[dir]
		if above == nil {
			above = &node{name: path.Base(dir), dir: true}
		}
		above.below = append(above.below, n.name)
		name, n = dir, above
	}
}

func (t tree) find(op, name string) (*node, error) {
	n := t[name]
	if !fs.ValidPath(name) || n == nil || n.dangling {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// Open implements [fs.FS].
func (t tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	f := &file{node: n, Reader: bytes.NewReader(n.data)}
	if n.dir {
		if f.entries, err = t.ReadDir(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// ReadDir implements [fs.ReadDirFS].
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	var list []fs.DirEntry
	for _, below := range slices.Sorted(slices.Values(n.below)) {
		list = append(list, fs.FileInfoToDirEntry(info{t[path.Join(name, below)]}))
	}
	return list, nil
}

// Stat implements [fs.StatFS].
func (t tree) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// ReadFile implements [fs.ReadFileFS].
func (t tree) ReadFile(name string) ([]byte, error) {
	n, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	return bytes.Clone(n.data), nil
}

// file is an open file or folder.
type file struct {
	*bytes.Reader
	node    *node
	entries []fs.DirEntry // not read yet
}

func (f *file) Stat() (fs.FileInfo, error) { return info{f.node}, nil }
func (f *file) Close() error               { return nil }

// Read implements [fs.File].
func (f *file) Read(b []byte) (int, error) {
	if f.node.dir {
		return 0, &fs.PathError{Op: "read", Path: f.node.name, Err: fs.ErrInvalid}
	}
	return f.Reader.Read(b)
}

// ReadDir implements [fs.ReadDirFile].
func (f *file) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.node.dir {
		return nil, &fs.PathError{Op: "readdir", Path: f.node.name, Err: fs.ErrInvalid}
	}
	if n > 0 && len(f.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	list := f.entries[:n]
	f.entries = f.entries[n:]
	return list, nil
}

// info describes a node.
type info struct{ n *node }

func (i info) Name() string {
	if i.n.name == "" {
		return "."
	}
	return i.n.name
}
func (i info) Size() int64        { return int64(len(i.n.data)) }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.n.dir }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	switch {
	case i.n.dir:
		return fs.ModeDir | 0o555
	case i.n.dangling:
		return fs.ModeSymlink | 0o444
	}
	return 0o444
}

var (
	_ fs.ReadDirFS   = tree(nil)
	_ fs.ReadFileFS  = tree(nil)
	_ fs.StatFS      = tree(nil)
	_ fs.ReadDirFile = (*file)(nil)
)
