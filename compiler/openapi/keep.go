package openapi

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/gwc-dev/gwc/compiler/pack"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Keep is where documents are kept from one build to the next, as operations and findings. It differs from [Cache],
// which keeps syntax trees in memory for a program that builds again and again. A nil Keep keeps nothing.
type Keep struct {
	// Store holds bytes by key. It may lose them, and gives them as they were put or not at all.
	Store Store
	// Tool identifies the program: another program may come to other results.
	Tool string
}

// Store keeps bytes by the digest of all that they depend on. It is safe for concurrent use.
type Store interface {
	Get(key [sha256.Size]byte) ([]byte, bool)
	Put(key [sha256.Size]byte, data []byte)
}

// kept is a document with what it was made of: files that it refers to, which are known only when it has been read, so
// that they cannot be part of the key.
type kept struct {
	Needs    []need
	Document *Document // nil where the file is none
	Report   []diag.Diagnostic
}

// need is a file that was asked for, and how it was then. Oversize is set for files that are too large to be read.
type need struct {
	File     string
	There    bool
	Digest   [sha256.Size]byte
	Oversize int64
}

func needOf(in Input, file string) need {
	digest, ok := in.Files.Digest(file)
	return need{file, ok, digest, in.Oversize[file]}
}

var codec = sync.OnceValues(pack.Of[kept])

// key is that of a document by its own file alone.
func (k *Keep) key(file string, digest [sha256.Size]byte, shape string) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range []string{"document", k.Tool, shape, file} {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	h.Write(digest[:])
	return [sha256.Size]byte(h.Sum(nil))
}

// get returns the kept document of a file, or nil.
func (k *Keep) get(in Input, file string) *kept {
	if k == nil {
		return nil
	}
	digest, ok := in.Files.Digest(file)
	c, err := codec()
	if !ok || err != nil {
		return nil
	}
	data, ok := k.Store.Get(k.key(file, digest, c.Shape()))
	if !ok {
		return nil
	}
	d, err := c.Decode(data)
	if err != nil || slices.ContainsFunc(d.Needs, func(n need) bool { return n != needOf(in, n.File) }) {
		return nil
	}
	return d
}

// read returns the files that the document was made of.
func (d *kept) read() (files []string) {
	for _, n := range d.Needs {
		if n.There {
			files = append(files, n.File)
		}
	}
	return files
}

// put keeps a document, unless a finding is of a place that may hold a secret.
func (k *Keep) put(in Input, file string, used map[string]bool, doc *Document, report []diag.Diagnostic) {
	if k == nil || slices.ContainsFunc(report, func(d diag.Diagnostic) bool { return d.Primary.Secret }) {
		return
	}
	digest, ok := in.Files.Digest(file)
	c, err := codec()
	if !ok || err != nil {
		return
	}
	d := kept{Document: doc, Report: report}
	for _, f := range slices.Sorted(maps.Keys(used)) {
		d.Needs = append(d.Needs, needOf(in, f))
	}
	if data, err := c.Encode(&d); err == nil {
		k.Store.Put(k.key(file, digest, c.Shape()), data)
	}
}
