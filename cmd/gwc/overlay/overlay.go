// Package overlay is a file system in which some files hold something else than on disk: what a repair would write, what
// a buffer of an editor holds. A file that is not on disk is there too, with the folders above it.
package overlay

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// FS is a file system with files in front of it, by path. Files must not change while it is in use.
type FS struct {
	fs.FS
	Files map[string][]byte
}

// Open opens a file.
func (o FS) Open(name string) (fs.File, error) {
	if data, ok := o.Files[name]; ok {
		return &file{bytes.NewReader(data), info{name: path.Base(name), size: int64(len(data))}}, nil
	}
	return o.FS.Open(name)
}

// ReadFile returns what a file holds. The data is the caller's.
func (o FS) ReadFile(name string) ([]byte, error) {
	if data, ok := o.Files[name]; ok {
		return bytes.Clone(data), nil
	}
	return fs.ReadFile(o.FS, name)
}

// Stat returns what a name stands for.
func (o FS) Stat(name string) (fs.FileInfo, error) {
	if data, ok := o.Files[name]; ok {
		return info{name: path.Base(name), size: int64(len(data))}, nil
	}
	i, err := fs.Stat(o.FS, name)
	if errors.Is(err, fs.ErrNotExist) && o.above(name) {
		return info{name: path.Base(name), dir: true}, nil
	}
	return i, err
}

// ReadDir lists a folder, in order of name.
func (o FS) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(o.FS, name)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && o.above(name)) {
		return list, err
	}
	more := len(list)
	for p := range o.Files {
		rest := p
		if name != "." {
			var below bool
			if rest, below = strings.CutPrefix(p, name+"/"); !below {
				continue
			}
		}
		first, _, deeper := strings.Cut(rest, "/")
		if !slices.ContainsFunc(list, func(e fs.DirEntry) bool { return e.Name() == first }) {
			list = append(list, fs.FileInfoToDirEntry(info{name: first, size: int64(len(o.Files[p])), dir: deeper}))
		}
	}
	if len(list) > more {
		slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	}
	return list, nil
}

// above reports whether a name is a folder above one of the files.
func (o FS) above(name string) bool {
	for p := range o.Files {
		if strings.HasPrefix(p, name+"/") {
			return true
		}
	}
	return false
}

// ReadLink returns where a link on disk leads.
func (o FS) ReadLink(name string) (string, error) { return fs.ReadLink(o.FS, name) }

// Lstat is Stat for what is not followed.
func (o FS) Lstat(name string) (fs.FileInfo, error) {
	i, err := fs.Lstat(o.FS, name)
	if errors.Is(err, fs.ErrNotExist) {
		return o.Stat(name)
	}
	return i, err
}

type file struct {
	*bytes.Reader
	info info
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

var (
	_ fs.ReadFileFS = FS{}
	_ fs.ReadDirFS  = FS{}
	_ fs.StatFS     = FS{}
	_ fs.ReadLinkFS = FS{}
)
