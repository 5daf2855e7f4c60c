package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/pack"
)

// settled is how long before it was read a file must have been changed last for its stamp to stand for its content: a
// change after the reading, but within the resolution of the file system's times, would leave the same stamp. Times of
// some network file systems and of FAT have seconds only.
const settled = 2 * time.Second

// listing is what is known of the files of a repository.
type listing struct {
	Read  int64 // when they were read, or before, in nanoseconds since 1970
	Files []file
}

type file struct {
	Path   string
	Stamp  load.Stamp
	Digest load.Digest
}

var listings = sync.OnceValues(pack.Of[listing])

// listed is where the listing of a repository is kept: unlike entries it changes, so its key is its name.
func (c *Cache) listed(root string) Key {
	h := sha256.New()
	h.Write([]byte("files\x00"))
	codec, err := listings()
	if err == nil {
		h.Write([]byte(codec.Shape()))
	}
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(root))))
	h.Write([]byte(root))
	return Key(h.Sum(nil))
}

// Tree is what the cache knows of the files of one repository, for one build.
type Tree struct {
	cache *Cache
	key   Key
	began time.Time
	files func() map[string]*file // of which Known may speak
}

// Tree returns what the cache knows of the files of the repository in a folder. It is to be asked for before any of
// them is read.
func (c *Cache) Tree(root string) *Tree {
	t := &Tree{cache: c, began: time.Now(), files: func() map[string]*file { return nil }}
	root, err := filepath.Abs(root)
	if c == nil || err != nil {
		t.cache = nil
		return t
	}
	t.key = c.listed(root)
	// What is known is read while the folders are listed: both take long in a large repository.
	t.files = sync.OnceValue(t.known)
	go t.files()
	return t
}

// known reads what the cache knows, which is nil where it knows nothing.
func (t *Tree) known() map[string]*file {
	data, ok := t.cache.Get(t.key)
	codec, err := listings()
	if !ok || err != nil {
		return nil
	}
	l, err := codec.Decode(data)
	if err != nil {
		return nil
	}
	files := make(map[string]*file, len(l.Files))
	for i := range l.Files {
		f := &l.Files[i]
		if last := max(f.Stamp.Modified, f.Stamp.Changed); last < l.Read-int64(settled) {
			files[f.Path] = f
		}
	}
	return files
}

// Known is a [load.Known]: it says nothing of a file whose stamp is another one than it was, or that had been changed
// just before it was read.
func (t *Tree) Known(path string, s load.Stamp) (load.Digest, bool) {
	f, ok := t.files()[path]
	if !ok || s != f.Stamp || s == (load.Stamp{}) {
		return load.Digest{}, false
	}
	return f.Digest, true
}

// Learn keeps what a build found of the files, where that is something new.
func (t *Tree) Learn(src *load.Sources) {
	codec, err := listings()
	if t.cache == nil || err != nil {
		return
	}
	files := t.files()
	l := listing{Read: t.began.UnixNano(), Files: make([]file, 0, len(files))}
	same := 0
	for path, s := range src.Stamps() {
		if s.Stamp == (load.Stamp{}) {
			continue // It has none where files are not in a folder of this machine.
		}
		if k, ok := files[path]; ok && k.Stamp == s.Stamp {
			same++
		}
		l.Files = append(l.Files, file{path, s.Stamp, s.Digest})
	}
	// Where a few files changed it is faster to read them again than to write what is known of all the others.
	if changed := max(len(l.Files), len(files)) - same; changed*100 <= same {
		return
	}
	if data, err := codec.Encode(&l); err == nil {
		t.cache.Put(t.key, data)
	}
}
