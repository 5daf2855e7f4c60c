package main

import (
	"bytes"
	"io/fs"
	"path"
	"time"
)

// overlay is a file system in which some files hold something else than on disk. Only files that are there are
// replaced, so folders list the same names.
type overlay struct {
	fs.FS
	files map[string][]byte
}

func (o overlay) Open(name string) (fs.File, error) {
	if data, ok := o.files[name]; ok {
		return &changedFile{bytes.NewReader(data), changedInfo{path.Base(name), int64(len(data))}}, nil
	}
	return o.FS.Open(name)
}

func (o overlay) ReadFile(name string) ([]byte, error) {
	if data, ok := o.files[name]; ok {
		return bytes.Clone(data), nil
	}
	return fs.ReadFile(o.FS, name)
}

func (o overlay) Stat(name string) (fs.FileInfo, error) {
	if data, ok := o.files[name]; ok {
		return changedInfo{path.Base(name), int64(len(data))}, nil
	}
	return fs.Stat(o.FS, name)
}

func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(o.FS, name) }
func (o overlay) ReadLink(name string) (string, error)       { return fs.ReadLink(o.FS, name) }
func (o overlay) Lstat(name string) (fs.FileInfo, error)     { return fs.Lstat(o.FS, name) }

type changedFile struct {
	*bytes.Reader
	info changedInfo
}

func (f *changedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *changedFile) Close() error               { return nil }

type changedInfo struct {
	name string
	size int64
}

func (i changedInfo) Name() string       { return i.name }
func (i changedInfo) Size() int64        { return i.size }
func (i changedInfo) Mode() fs.FileMode  { return 0o644 }
func (i changedInfo) ModTime() time.Time { return time.Time{} }
func (i changedInfo) IsDir() bool        { return false }
func (i changedInfo) Sys() any           { return nil }

var (
	_ fs.ReadFileFS = overlay{}
	_ fs.ReadDirFS  = overlay{}
	_ fs.StatFS     = overlay{}
	_ fs.ReadLinkFS = overlay{}
)
