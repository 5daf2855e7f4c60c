// Package scaffold holds what `gwc init` writes: a small repository that builds as it is and shows each part of the
// language that a beginner needs, with the language itself beside it.
//
// Options enter; files leave, by path: nothing is written here. The repository stands in one archive,
// repository.txtar, so that it can be read as a whole; its CUE files use the form `schema.#Gateway & {…}`, which
// closes nested structs, so that plain `cue vet` finds a typo at any depth. (Embedding schema.#Gateway on a line of
// its own would leave them open.) The language goes to cue.mod/pkg, where CUE finds packages without a registry.
package scaffold

import (
	_ "embed"
	"path"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	language "github.com/gwc-dev/gwc/schema/cue"
)

//go:embed repository.txtar
var repository []byte

// Options are what differs between the repositories that `gwc init` writes.
type Options struct {
	// Module is the path of the CUE module, such as "example.com/gateway", without a version.
	Module string
	// KeyID and KeyHash are the label and the hash ("sha256:…") of the demo app's key.
	KeyID, KeyHash string
}

// Files returns the files of a new repository by path, the vendored schema included.
func Files(o Options) map[string][]byte {
	r := strings.NewReplacer("MODULE", o.Module, "KEYID", o.KeyID, "KEYHASH", o.KeyHash)
	files := Schema()
	for _, f := range txtar.Parse(repository).Files {
		files[f.Name] = []byte(r.Replace(string(f.Data)))
	}
	return files
}

// Schema returns the files of the language where a repository keeps them. In a repository that exists, `gwc init`
// writes these only.
func Schema() map[string][]byte {
	files := map[string][]byte{}
	for _, f := range language.Files() {
		files[path.Join("cue.mod", "pkg", language.ImportPath, f.Name)] = f.Data
	}
	return files
}
