package check

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/gwc-dev/gwc/compiler/load"
	"github.com/gwc-dev/gwc/compiler/pack"
	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Keep is where results of units are kept from one build to the next. A nil Keep keeps nothing.
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

// Inputs are all that the result of a unit depends on. Whatever else a unit's evaluation comes to see belongs here, or
// a result is taken for one that it is not.
type Inputs struct {
	Tool    string
	Tenant  string
	Missing bool    // a file of the unit is too large to be read
	Files   []Input // the unit's files by path
	Imports []Input // what it sees of others, such as what the platform locks
}

// Input is a file, or something else with a name and a content.
type Input struct {
	Name   string
	Digest [sha256.Size]byte
}

// Key returns the digest of the inputs, of the language, and of the form in which results are written.
func (in *Inputs) Key() [sha256.Size]byte {
	h := sha256.New()
	text := func(s string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	text("unit")
	text(in.Tool)
	text(form())
	text(in.Tenant)
	if in.Missing {
		text("missing")
	}
	for _, list := range [][]Input{in.Files, in.Imports} {
		h.Write(binary.AppendUvarint(nil, uint64(len(list))))
		for _, i := range list {
			text(i.Name)
			h.Write(i.Digest[:])
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// form identifies the language and the form of a Fragment.
var form = sync.OnceValue(func() string {
	c, err := codec()
	if err != nil {
		return ""
	}
	shape := sha256.Sum256([]byte(c.Shape()))
	return language.Digest() + string(shape[:])
})

var codec = sync.OnceValues(pack.Of[Fragment])

// inputs returns what a unit depends on.
func (k *Keep) inputs(src *load.Sources, u *load.Unit, locks []lock) *Inputs {
	in := &Inputs{Tool: k.Tool, Tenant: u.Tenant, Missing: u.Broken, Imports: lockInputs(locks)}
	for _, f := range u.Files {
		d, _ := src.Digest(f.Path)
		in.Files = append(in.Files, Input{strings.Join(append([]string{f.Path}, f.Share...), "\x00"), d})
	}
	return in
}

// get returns the kept result of a unit, or nil.
func (k *Keep) get(src *load.Sources, u *load.Unit, locks []lock) *Fragment {
	if k == nil || u.Parsed {
		return nil
	}
	c, err := codec()
	if err != nil {
		return nil
	}
	data, ok := k.Store.Get(k.inputs(src, u, locks).Key())
	if !ok {
		return nil
	}
	f, err := c.Decode(data)
	if err != nil {
		return nil
	}
	return f
}

// put keeps the result of a unit, unless a secret was found in its files: what is kept must not hold one.
func (k *Keep) put(src *load.Sources, u *load.Unit, locks []lock, f *Fragment) {
	if k == nil || u.Parsed || src.Err() != nil || slices.ContainsFunc(f.Report, secretive) || slices.ContainsFunc(f.Objects, secretive) {
		return
	}
	c, err := codec()
	if err != nil {
		return
	}
	if data, err := c.Encode(f); err == nil {
		k.Store.Put(k.inputs(src, u, locks).Key(), data)
	}
}

// secretive reports whether a finding is about a secret, or of a place that may hold one.
func secretive(d diag.Diagnostic) bool {
	return d.Code == codeSecret || d.Primary.Secret || slices.ContainsFunc(d.Secondary, func(l diag.Label) bool { return l.Secret })
}
