// Package cache keeps what the compiler worked out from one build to the next, in a folder of the user.
//
// Bytes enter under a key that is the digest of all that they depend on, and leave under the same key or not at all. A
// key's bytes never change, so there is nothing to invalidate: a file that changes is another key. Beside them the
// cache knows, for each repository, the digest of every file as of its size, times and inode ([Cache.Tree]), so that
// what did not change is not even opened.
//
// Nothing depends on the cache but time. An entry carries a digest over its key and its bytes, and whatever does not
// agree with it is taken for absent; an entry is written beside its place and renamed, so that any number of builds may
// read and write at the same time, and one that dies leaves nothing that another takes for an entry; a folder that
// cannot be written makes builds slower and never wrong. What has not been used for longest is removed when the folder
// has grown too large. A database in one file was refused: it needs a lock, and a crash in it concerns every entry.
//
// Entries are as readable as the files that they were made of are to the user: the folder and the files are for the
// user alone. Callers keep nothing in which a secret was found.
package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// magic begins every entry. Its last byte is the version of the entry's form.
	magic = "GWCC\x01"
	// overhead is what an entry holds beside its bytes.
	overhead = len(magic) + sha256.Size
	// maxEntry bounds an entry.
	maxEntry = 64 << 20
	// MaxSize is how large the folder may grow, in bytes.
	MaxSize = 1 << 30
	// used is how old the time of an entry's last use may be before it is written anew, and how often the folder's size
	// is looked at.
	used = time.Hour
)

// Key is the digest of all that an entry depends on.
type Key = [sha256.Size]byte

// Cache is a folder of entries. It is safe for concurrent use, also by several processes.
type Cache struct {
	// Tool identifies the program, for keys: another program may come to other results.
	Tool string

	dir   string
	began time.Time
	max   int64

	wrote  atomic.Bool
	mu     sync.Mutex
	failed error // the first thing that could not be written; nothing is written any more
}

// Open opens the cache in a folder, which is made where it is missing.
func Open(dir string) (*Cache, error) {
	c := &Cache{dir: dir, began: time.Now(), max: MaxSize}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: errors.New("it is not a folder")}
	}
	return c, nil
}

// file is the place of an entry. Entries are spread over 256 folders, because listing one of a hundred thousand takes
// long on some file systems.
func (c *Cache) file(key Key) string {
	name := hex.EncodeToString(key[:])
	return filepath.Join(c.dir, name[:2], name[2:])
}

// Get returns the bytes of a key. They are the caller's.
func (c *Cache) Get(key Key) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	name := c.file(key)
	b, last, ok := read(name)
	if !ok {
		return nil, false
	}
	data, ok := open(key, b)
	if !ok {
		return nil, false // It is written again.
	}
	if c.began.Sub(last) > used {
		os.Chtimes(name, c.began, c.began) // Where this fails the entry is only removed sooner.
	}
	return data, true
}

// plausible reports whether a file of that size may be an entry.
func plausible(size int64) bool { return size >= int64(overhead) && size <= maxEntry }

// open checks an entry.
func open(key Key, b []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return nil, false
	}
	data := rest[sha256.Size:]
	sum := seal(key, data)
	return data, bytes.Equal(rest[:sha256.Size], sum[:])
}

func seal(key Key, data []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(key[:])
	h.Write(data)
	return [sha256.Size]byte(h.Sum(nil))
}

// Put keeps bytes under a key. What cannot be written is not kept; [Cache.Close] says why.
func (c *Cache) Put(key Key, data []byte) {
	if c == nil || len(data)+overhead > maxEntry {
		return
	}
	c.mu.Lock()
	failed := c.failed != nil
	c.mu.Unlock()
	if failed {
		return
	}
	sum := seal(key, data)
	if err := c.write(c.file(key), []byte(magic), sum[:], data); err != nil {
		c.mu.Lock()
		c.failed = cmp.Or(c.failed, err)
		c.mu.Unlock()
		return
	}
	c.wrote.Store(true)
}

// temporary begins the names of files that are being written.
const temporary = ".tmp-"

// write writes a file beside its place and renames it. It is not synced: after a power cut an entry may be damaged,
// which its digest tells.
func (c *Cache) write(name string, parts ...[]byte) (err error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, temporary)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			f, err = os.CreateTemp(dir, temporary)
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	for _, p := range parts {
		if _, err = f.Write(p); err != nil {
			f.Close()
			return err
		}
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Close removes what has not been used for longest where the folder has grown too large, which it looks at once an
// hour. It returns the first thing that could not be written.
func (c *Cache) Close() error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	failed := c.failed
	c.mu.Unlock()
	if failed != nil || !c.wrote.Load() {
		return failed
	}
	mark := filepath.Join(c.dir, "trimmed")
	if info, err := os.Stat(mark); err == nil && c.began.Sub(info.ModTime()).Abs() < used {
		return nil
	}
	if err := c.write(mark); err != nil {
		return err
	}
	return c.trim()
}

// trim removes entries, the ones used last at last, until a tenth of the room is free; and what builds that died left
// behind.
func (c *Cache) trim() error {
	type entry struct {
		name string
		size int64
		time time.Time
	}
	var entries []entry
	var total int64
	err := filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // What another build removes at the same time is gone, which is all that matters here.
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if strings.HasPrefix(d.Name(), temporary) {
			if c.began.Sub(info.ModTime()) > used {
				os.Remove(name)
			}
			return nil
		}
		total += info.Size()
		entries = append(entries, entry{name, info.Size(), info.ModTime()})
		return nil
	})
	if err != nil || total <= c.max {
		return err
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(a.time.Compare(b.time), strings.Compare(a.name, b.name))
	})
	for _, e := range entries {
		if total <= c.max-c.max/10 {
			break
		}
		if err := os.Remove(e.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("trim the cache: %w", err)
		}
		total -= e.size
	}
	return nil
}
