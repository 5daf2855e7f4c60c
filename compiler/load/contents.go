package load

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
)

// Digest is the SHA-256 of a file's bytes.
type Digest = [sha256.Size]byte

// Stamp is what a folder says of a file. Two equal stamps that are not zero mean the same bytes, unless the file was
// changed again within the resolution of the file system's times; see package cache. The zero Stamp says nothing.
type Stamp struct {
	Size     int64
	Modified int64 // nanoseconds since 1970
	Changed  int64 // of the inode: it cannot be set back
	Inode    uint64
	Device   uint64
}

// ErrChanged: a file was changed while the repository was read.
var ErrChanged = errors.New("it was changed while it was read")

// contents holds the files of a repository by path, in order.
type contents struct {
	list []content
	at   map[string]int // in list, by path

	mu  sync.Mutex // guards data and read of all, and err
	err error
}

type content struct {
	path   string
	stamp  Stamp
	digest Digest
	data   []byte
	read   bool
}

// take fills contents with files that are in order.
func (c *contents) take(files []*found) {
	c.list, c.at = make([]content, 0, len(files)), make(map[string]int, len(files))
	for _, f := range files {
		if f.size > MaxCUE && f.cue() {
			continue
		}
		c.at[f.path] = len(c.list)
		c.list = append(c.list, content{path: f.path, stamp: f.stamp, digest: f.digest, data: f.data, read: f.data != nil || f.size == 0})
	}
}

func (c *contents) find(path string) *content {
	i, ok := c.at[path]
	if !ok {
		return nil
	}
	return &c.list[i]
}

// Data returns the bytes of a file: CUE, YAML or JSON. It is false where there is no such file, and where a file that
// [Open] did not read cannot be read now or is another one; [Sources.Err] says so. It may be called at any time.
func (s *Sources) Data(path string) ([]byte, bool) {
	f := s.files.find(path)
	if f == nil {
		return nil, false
	}
	s.files.mu.Lock()
	data, read := f.data, f.read
	s.files.mu.Unlock()
	if read {
		return data, true
	}
	data, err := s.readFile(path, f.stamp.Size)
	if err == nil && sha256.Sum256(data) != f.digest {
		err = &fs.PathError{Op: "read", Path: path, Err: ErrChanged}
	}
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	if err != nil {
		if s.files.err == nil {
			s.files.err = fmt.Errorf("read %s: %w", path, err)
		}
		return nil, false
	}
	f.data, f.read = data, true
	return data, true
}

// readFile reads a file that is most likely of a size: other than fs.ReadFile it allocates no more than that.
func (s *Sources) readFile(path string, size int64) ([]byte, error) {
	if !s.again {
		return fs.ReadFile(s.fsys, path)
	}
	f, err := s.fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, size+1)
	n, err := io.ReadFull(f, data)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return data[:n:n], nil
	case err != nil:
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(f, MaxDocument)) // It has grown.
	return append(data, rest...), err
}

// Release forgets the bytes of files whose names end so, which [Sources.Data] reads again where they are asked for.
// Files of another file system than a [Folder] stay: nobody knows what it costs to read them, and whether it gives the
// same twice.
func (s *Sources) Release(suffix string) {
	if !s.again {
		return
	}
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	for i := range s.files.list {
		if f := &s.files.list[i]; f.data != nil && strings.HasSuffix(f.path, suffix) {
			f.data, f.read = nil, false
		}
	}
}

// Err returns why a file could not be read when [Sources.Data] was asked for it, or nil. What was made of Sources is of
// no use then.
func (s *Sources) Err() error {
	s.files.mu.Lock()
	defer s.files.mu.Unlock()
	return s.files.err
}

// Digest returns the digest of a file, without reading it.
func (s *Sources) Digest(path string) (Digest, bool) {
	f := s.files.find(path)
	if f == nil {
		return Digest{}, false
	}
	return f.digest, true
}

// Paths returns the paths of all files in order.
func (s *Sources) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range s.files.list {
			if !yield(s.files.list[i].path) {
				return
			}
		}
	}
}

// Stamps returns all files with their stamps and digests, in order of path: what a later [Open] is told by [Known].
func (s *Sources) Stamps() iter.Seq2[string, Stamped] {
	return func(yield func(string, Stamped) bool) {
		for i := range s.files.list {
			if f := &s.files.list[i]; !yield(f.path, Stamped{f.stamp, f.digest}) {
				return
			}
		}
	}
}

// Stamped is a file's stamp when it had a digest.
type Stamped struct {
	Stamp  Stamp
	Digest Digest
}

// All returns the bytes of every file by path. It reads what was not read before.
func (s *Sources) All() map[string][]byte {
	m := make(map[string][]byte, len(s.files.list))
	for i := range s.files.list {
		path := s.files.list[i].path
		if data, ok := s.Data(path); ok {
			m[path] = data
		}
	}
	return m
}
