// Package cue is the language of gwc: the CUE files that say which fields a repository may have, what they mean, how
// they are bounded and what holds when they are absent.
//
// The files are the one source. They are embedded here; `gwc init` writes them into a repository, so that plain
// `cue vet` and editors check it; the compiler unifies every definition with them; and [Read] gives the same files as
// a tree of Go values ([Language]), from which the compiler speaks about mistakes in words: which fields are allowed,
// which values, between which bounds, described on which line. Writing that tree by hand beside the CUE was refused:
// two descriptions of one language drift apart.
//
// To stay readable as a tree, the files keep to a part of CUE: structs of named fields, maps (`[#Name]: #Thing`),
// lists (`[...#Thing]`, at least one: `[#Thing, ...#Thing]`), enumerations, unions of definitions told apart by
// `kind`, scalars with a pattern, bounds of integers, defaults, and the attributes that gateway.cue explains. Read
// refuses anything else, and a test holds the tree against CUE's own view of the files.
//
// Importers that also import cuelang.org/go/cue name this package language.
package cue

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
)

// ImportPath is how files of a repository import the language.
const ImportPath = "gwc.dev/schema"

//go:embed *.cue
var files embed.FS

// File is one file of the language.
type File struct {
	Name string // "provider.cue"
	Data []byte
}

// Files returns the files of the language in order of name. The data is the caller's.
func Files() []File {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // The files are part of the program.
	}
	list := make([]File, 0, len(entries))
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err)
		}
		list = append(list, File{Name: e.Name(), Data: data})
	}
	return list
}

// Digest is the SHA-256 of the language, "sha256:" and 64 hex digits: of every file's name, length and content, in
// order of name.
func Digest() string {
	h := sha256.New()
	for _, f := range Files() {
		sum := sha256.Sum256(f.Data)
		h.Write([]byte(f.Name))
		h.Write([]byte{0})
		h.Write(sum[:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
