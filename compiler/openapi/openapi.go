// Package openapi reads OpenAPI documents for what a gateway needs of them: operations, with the place of each.
//
// The bytes of the repository's YAML and JSON files enter, with the list of documents that the configuration names;
// [Document] values and graded findings leave. Nothing is read from disk or network. What routing depends on must be
// sound: the document parses, its version is known, every "$ref" in it resolves, paths are templates, operationIds
// are unique. These faults are errors. Faults of the writer that change no route (a
// parameter that is not declared, a missing operationId) are warnings, one for each document however often they occur.
//
// Documents are read into flat trees with byte ranges, by a JSON reader of our own and by yaml.v3. kin-openapi was
// measured and refused here: it takes fourteen times as long for a thousand small documents (both benchmarks are in
// this package), its model keeps no places of JSON values or of references, and it ends at the first reference that
// does not resolve. It is the judge in this package's tests instead: both must find the same operations in the same
// real documents.
//
// Documents are input that others wrote. Size, depth and number of values are bounded, YAML aliases are never
// expanded, each node is visited at most once for each role, and nothing outside the repository is opened.
package openapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Limits of a document. Real ones reach 12 MB (GitHub's) and half a million values.
const (
	maxBytes  = 32 << 20
	maxValues = 2 << 20
)

// Wanted is a document that the configuration names: the file, relative to the repository's root, and the place and
// data path that name it.
type Wanted struct {
	File string
	At   diag.Span
	Path []string
}

// Files are the repository's files by path. They are asked for by several goroutines.
type Files interface {
	// Data returns a file's bytes; false: there is no such file.
	Data(path string) ([]byte, bool)
	// Digest returns the SHA-256 of a file's bytes.
	Digest(path string) ([sha256.Size]byte, bool)
	// Paths returns all paths.
	Paths() iter.Seq[string]
}

// Bytes are files that are in memory.
type Bytes map[string][]byte

// Data returns a file's bytes.
func (b Bytes) Data(path string) ([]byte, bool) { data, ok := b[path]; return data, ok }

// Digest returns the SHA-256 of a file's bytes.
func (b Bytes) Digest(path string) ([sha256.Size]byte, bool) {
	data, ok := b[path]
	return sha256.Sum256(data), ok
}

// Paths returns all paths, in no order.
func (b Bytes) Paths() iter.Seq[string] { return maps.Keys(b) }

// Input is what [Read] works on. Files holds the repository's files by path, Oversize the sizes of those that are too
// large to be in it. Cache and Keep may be nil.
type Input struct {
	Files    Files
	Oversize map[string]int64
	Wanted   []Wanted
	Cache    *Cache
	Keep     *Keep
}

// Documents are those of the wanted documents that could be read, by file, and the names of all files that were
// read for them, sorted. It is immutable.
type Documents struct {
	ByFile map[string]*Document
	Read   []string
	Count  Count
}

// Count says how many documents there are and how many of them were parsed; the others were kept.
type Count struct{ Documents, Parsed int }

// Document is what routing and publishing need of an OpenAPI document. It is immutable. Operations are in the file's
// order of paths, and within a path in the order get, put, post, delete, options, head, patch, trace.
type Document struct {
	File       string
	OpenAPI    string // "3.0.3"
	Title      string
	Version    string
	Servers    []string // the paths of its servers, "/v2", if each of them has one; else none
	Operations []Operation
	Partial    bool // operations are missing because of faults that were reported
	// Digest is SHA-256 over the SHA-256 digests of the document's files, its own first, then those that it refers to
	// in order of their names: it changes where, and only where, one of them does.
	Digest [sha256.Size]byte
}

// Operation is one method of one path.
type Operation struct {
	ID         string    // operationId, or "get_/pets/{id}" where the document has none
	Given      bool      // the document gives the operationId
	Summary    string    // as the document writes it, for people: of any length, or ""
	Method     string    // "GET"
	Path       string    // the template as the document writes it
	Params     []string  // the names in the template, in its order
	MethodSpan diag.Span // of the key "get"
	PathSpan   diag.Span // of the path's key
	IDSpan     diag.Span // of the operationId's value, or of the key "get"
}

// Cache keeps parsed files from one Read to the next, by name and digest, for commands that build again and again.
// It holds what the newest Read used. The zero value is ready; a nil Cache keeps nothing. It is safe for concurrent
// use.
type Cache struct {
	mu    sync.Mutex
	trees map[cacheKey]*entry
}

type cacheKey struct {
	file   string
	digest [sha256.Size]byte
}

// Read reads the wanted documents, on as many goroutines as there are processors to run them. Findings do not depend
// on the order of in.Wanted.
func Read(in Input) (*Documents, diag.Report) {
	s := &shelf{in: in, entries: map[string]*entry{}}
	if in.Cache != nil {
		in.Cache.mu.Lock()
		s.old = in.Cache.trees
		in.Cache.mu.Unlock()
		s.keep = map[cacheKey]*entry{}
	}
	byFile := map[string][]Wanted{}
	for _, w := range in.Wanted {
		byFile[w.File] = append(byFile[w.File], w)
	}
	names := slices.Sorted(maps.Keys(byFile))
	docs := make([]*Document, len(names))
	reports := make([]diag.Report, len(names))
	read := make([][]string, len(names))
	var parsed atomic.Int64
	each(len(names), func(i int) {
		if k := in.Keep.get(in, names[i]); k != nil {
			docs[i], read[i] = k.Document, k.read()
			reports[i].Add(k.Report...)
			return
		}
		lib := &library{shelf: s, used: map[string]bool{}}
		docs[i] = lib.document(names[i], byFile[names[i]], &reports[i])
		for f, found := range lib.used {
			if found {
				read[i] = append(read[i], f)
			}
		}
		if lib.used[names[i]] {
			parsed.Add(1)
			in.Keep.put(in, names[i], lib.used, docs[i], reports[i].All())
		}
	})
	if in.Cache != nil {
		in.Cache.mu.Lock()
		in.Cache.trees = s.keep
		in.Cache.mu.Unlock()
	}
	out := &Documents{ByFile: make(map[string]*Document, len(names)), Read: slices.Compact(slices.Sorted(slices.Values(slices.Concat(read...)))),
		Count: Count{len(names), int(parsed.Load())}}
	var report diag.Report
	type finding struct {
		code    diag.Code
		at      diag.Span
		summary string
	}
	seen := map[finding]bool{} // documents that share a file find the same faults in it
	for i := range names {
		if docs[i] != nil {
			out.ByFile[names[i]] = docs[i]
		}
		for _, d := range reports[i].All() {
			if f := (finding{d.Code, d.Primary.Span, d.Summary}); !seen[f] {
				seen[f] = true
				report.Add(d)
			}
		}
	}
	return out, report
}

// each calls f for 0 to n-1 on all processors and returns when all calls did.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// library opens files for one document, and remembers which: used is false for files that there are not.
type library struct {
	*shelf
	used map[string]bool
}

// open returns a file parsed, or nil where there is no such file.
func (l *library) open(file string) *entry {
	e := l.shelf.open(file)
	l.used[file] = e != nil
	return e
}

// shelf opens files, each at most once.
type shelf struct {
	in  Input
	old map[cacheKey]*entry

	mu      sync.Mutex
	entries map[string]*entry
	keep    map[cacheKey]*entry
}

type entry struct {
	once  sync.Once
	tree  *tree
	fault *fault
}

func (l *shelf) open(file string) *entry {
	src, ok := l.in.Files.Data(file)
	if !ok {
		return nil
	}
	l.mu.Lock()
	e := l.entries[file]
	if e == nil {
		if l.keep == nil {
			e = &entry{}
		} else {
			k := cacheKey{file, sha256.Sum256(src)}
			if e = l.old[k]; e == nil {
				e = &entry{}
			}
			l.keep[k] = e
		}
		l.entries[file] = e
	}
	l.mu.Unlock()
	e.once.Do(func() { e.tree, e.fault = parse(file, src) })
	return e
}

func (l *library) source(file string) []byte {
	src, _ := l.in.Files.Data(file)
	return src
}

// parse reads a file by its name's ending: ".json" as JSON, all others as YAML, of which JSON is a part but for
// small things; so a file that begins as a JSON object is tried as JSON first.
func parse(file string, src []byte) (*tree, *fault) {
	if len(src) > maxBytes {
		return nil, &fault{code: codeHostile, summary: fmt.Sprintf("the document is larger than %d MB", maxBytes>>20)}
	}
	// Each value but the first follows one of these, so there are at most as many values, whatever the format.
	n := 1
	for _, before := range []string{",", ":", "[", "- ", "-\n", "-\r", "-\t", "? "} {
		n += bytes.Count(src, []byte(before))
	}
	if n > maxValues {
		return nil, &fault{code: codeHostile, summary: fmt.Sprintf("the document holds more than %d values", maxValues)}
	}
	if path.Ext(file) == ".json" {
		return parseJSON(file, src)
	}
	if s := bytes.TrimLeft(src, " \t\r\n"); len(s) > 0 && s[0] == '{' {
		if t, f := parseJSON(file, src); f == nil || f.code != codeSyntax {
			return t, f
		}
	}
	return parseYAML(file, src)
}

// diagnostic turns a fault of a file into a finding.
func (f *fault) diagnostic(file string, src []byte) diag.Diagnostic {
	t := &tree{file: file, src: src}
	d := diag.Diagnostic{Code: f.code, Severity: diag.Error, Summary: f.summary, Primary: diag.Label{Span: t.span(f.at)}}
	if f.other != (extent{}) {
		d.Secondary = []diag.Label{{Span: t.span(f.other), Text: f.otherAs}}
	}
	if f.help != "" {
		d.Help = []string{f.help}
	}
	return d
}

// document reads one wanted document. It returns nil where there is none.
func (l *library) document(file string, wanted []Wanted, report *diag.Report) *Document {
	e := l.open(file)
	if e == nil {
		for _, w := range wanted {
			report.Add(l.missing(w))
		}
		return nil
	}
	if e.fault != nil {
		report.Add(e.fault.diagnostic(file, l.source(file)))
		return nil
	}
	r := reader{lib: l, t: e.tree, report: report}
	return r.document()
}

func (l *library) missing(w Wanted) diag.Diagnostic {
	d := diag.Diagnostic{Code: codeNoFile, Severity: diag.Error, Path: w.Path,
		Summary: fmt.Sprintf("OpenAPI document %q does not exist", w.File), Primary: diag.Label{Span: w.At}}
	if size, ok := l.in.Oversize[w.File]; ok {
		d.Code, d.Summary = codeHostile, fmt.Sprintf("OpenAPI document %q is too large to be read: %d MB, at most %d", w.File, size>>20, maxBytes>>20)
		return d
	}
	if w.File == "" || strings.HasPrefix(w.File, "../") || path.IsAbs(w.File) {
		d.Summary = fmt.Sprintf("OpenAPI document %q is outside the repository", w.File)
		d.Help = []string{"name a file of the repository by a path relative to this file"}
		return d
	}
	for part := range strings.SplitSeq(w.File, "/") {
		if strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") || part == "node_modules" || part == "testdata" {
			d.Notes = []string{fmt.Sprintf("nothing at or below %q is read", part)}
			d.Help = []string{"move the document"}
			return d
		}
	}
	dir, base := path.Split(w.File)
	var here, elsewhere []string
	for f := range l.in.Files.Paths() {
		if path.Ext(f) == ".cue" {
			continue
		}
		switch d, b := path.Split(f); {
		case d == dir:
			here = append(here, b)
		case b == base:
			elsewhere = append(elsewhere, f)
		}
	}
	if best, ok := diag.Nearest(base, here); ok {
		d.Primary.Text = fmt.Sprintf("did you mean %q?", best)
		if !w.At.IsZero() && path.Clean(dir) == path.Dir(w.At.File) { // Else it is named by a way through other folders.
			d.Fixes = []diag.Fix{{Title: fmt.Sprintf("name %q", best), Edits: []diag.Edit{{Span: w.At, New: strconv.Quote(best)}}}}
		}
	} else if len(elsewhere) > 0 {
		d.Notes = []string{fmt.Sprintf("there is %q", slices.MinFunc(elsewhere, func(a, b string) int {
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		}))}
	} else if slices.Sort(here); len(here) > 0 && len(here) <= 5 {
		d.Notes = []string{fmt.Sprintf("YAML and JSON files in %q: %s", cmp.Or(strings.TrimSuffix(dir, "/"), "."), strings.Join(here, ", "))}
	}
	d.Help = []string{"the path is relative to the file that names it"}
	return d
}
