package cache

import (
	"bytes"
	"sync"
	"time"

	"github.com/gwc-dev/gwc/compiler/load"
)

// Memory keeps results from one build to the next of one process, such as an editor's server, which builds after every
// few letters. It holds what the newest builds used, stands in front of a [Cache] where there is one, and knows the
// digests of files without a folder of the user. The zero value is ready; it is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	builds  int
	entries map[Key]*remembered
	files   map[string]file // as of read
	read    int64
}

type remembered struct {
	data []byte
	used int // the last build that asked for it
}

// remembers is for how many builds an entry is kept that none of them asks for: what somebody types goes through many
// states, and often back to one.
const remembers = 20

// Build begins a build: it returns where results are kept, with a cache behind it, which may be nil.
func (m *Memory) Build(behind *Cache) *Layers {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.builds++
	for k, e := range m.entries {
		if e.used < m.builds-remembers {
			delete(m.entries, k)
		}
	}
	l := &Layers{memory: m, behind: behind, began: time.Now().UnixNano(), files: m.files, read: m.read}
	return l
}

// Layers are a [Memory] and the [Cache] behind it, for one build.
type Layers struct {
	memory *Memory
	behind *Cache
	began  int64
	files  map[string]file
	read   int64
}

// Get returns the bytes of a key. They are the caller's.
func (l *Layers) Get(key Key) ([]byte, bool) {
	m := l.memory
	m.mu.Lock()
	e := m.entries[key]
	if e != nil {
		e.used = m.builds
	}
	m.mu.Unlock()
	if e != nil {
		return bytes.Clone(e.data), true
	}
	data, ok := l.behind.Get(key)
	if ok {
		l.remember(key, bytes.Clone(data))
	}
	return data, ok
}

// Put keeps bytes under a key.
func (l *Layers) Put(key Key, data []byte) {
	l.remember(key, bytes.Clone(data))
	l.behind.Put(key, data)
}

func (l *Layers) remember(key Key, data []byte) {
	m := l.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = map[Key]*remembered{}
	}
	m.entries[key] = &remembered{data, m.builds}
}

// Known is a [load.Known], as that of [Tree].
func (l *Layers) Known(path string, s load.Stamp) (load.Digest, bool) {
	f, ok := l.files[path]
	if !ok || s != f.Stamp || s == (load.Stamp{}) || max(s.Modified, s.Changed) >= l.read-int64(settled) {
		return load.Digest{}, false
	}
	return f.Digest, true
}

// Before is Known, and what another says of a file that it does not know; that may be nil.
func (l *Layers) Before(other load.Known) load.Known {
	return func(path string, s load.Stamp) (load.Digest, bool) {
		if d, ok := l.Known(path, s); ok || other == nil {
			return d, ok
		}
		return other(path, s)
	}
}

// Learn keeps what a build found of the files.
func (l *Layers) Learn(src *load.Sources) {
	files := map[string]file{}
	for path, s := range src.Stamps() {
		if s.Stamp != (load.Stamp{}) {
			files[path] = file{path, s.Stamp, s.Digest}
		}
	}
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	l.memory.files, l.memory.read = files, l.began
}
