// Package load reads a repository: the only stage of the compiler that touches files.
//
// A tree of files enters; [Sources] leaves: configuration in CUE, YAML and JSON sorted into units, and every YAML and JSON
// file by name, because an OpenAPI document may refer to others and no later stage may read. What a file holds beyond its syntax is not this
// package's business.
//
// [Load] reads and parses everything. [Open] does no more than it must: a file whose digest is known from an earlier
// build, and whose size, times and inode are those of that time, is not even opened, and a unit is parsed where it is
// evaluated and only if it is. So a large repository in which one file changed costs a walk over its folders, and the
// syntax trees of a hundred thousand files are never in memory together.
//
// A unit is what is evaluated together: the platform (files of the root folder and below platform/), and each folder
// below tenants/. Units know each other by names only, so that two teams cannot break each other's evaluation and a
// large repository is evaluated in parallel. cue/load was refused for this: it adds the files of parent folders to
// each package, walks modules and registries, and gives no place to bound what is read.
//
// Invariants: Sources depends on names and contents alone, never on the order of the directory or on the clock; paths
// are relative to the root with forward slashes; no link is followed out of the repository; every size is bounded.
package load

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"cuelang.org/go/cue/ast"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Bounds of what is read. A repository that needs more is one where something else went wrong, such as a call log
// that was committed.
const (
	// MaxCUE is the size of a CUE file in bytes.
	MaxCUE = 1 << 20
	// MaxDocument is the size of a YAML or JSON file in bytes.
	MaxDocument = 32 << 20
	// MaxTotal is the size of all files together in bytes.
	MaxTotal = 512 << 20
	// MaxFiles is the number of files that are read.
	MaxFiles = 200_000
	// maxDepth is how deep folders may lie.
	maxDepth = 32
)

// Sources is a repository as it was read. It is immutable, but for two things: evaluating the syntax trees of a unit
// resolves their identifiers in place, so that one Sources may be checked many times, but not at the same time; and
// the bytes of a file that [Open] did not need are read when [Sources.Data] is first asked for them.
type Sources struct {
	// Units holds the platform first, then the tenants' folders by name. Units without a CUE file are absent.
	Units []Unit
	// Tests holds the units of tests, in the same order: what lies in tests/ of the root and of the tenants' folders.
	// They are parsed where somebody wants to know of them, and nothing of them enters an artifact.
	Tests []Unit
	// Oversize holds the size of YAML and JSON files that were not read because they are larger than MaxDocument.
	Oversize map[string]int64
	// Environments holds the environments that the repository has, by name. Overlays of the one that was chosen are
	// among the files of Units too.
	Environments []Environment
	// Environment is the one that was chosen, "" none.
	Environment string

	fsys  fs.FS
	again bool // fsys gives a file again
	files contents
}

// Unit is a set of files that are evaluated together.
type Unit struct {
	// Tenant is the name of the folder below tenants/; "" is the platform.
	Tenant string
	// Tests says that it is a unit of tests.
	Tests bool
	// Files holds the unit's files by path.
	Files []File
	// Broken says that a file of the unit could not be read or parsed and is missing in Files.
	Broken bool
	// Parsed says that Files have their syntax trees. [Sources.Parse] gives a unit that has them.
	Parsed bool
}

// File is a file of the configuration. Data, Syntax and Ends are there once its unit is parsed.
type File struct {
	Path string
	Data []byte
	// Syntax is what the file says as CUE. Places in it are those of the file, in whatever form it is written.
	Syntax *ast.File
	// Ends holds where the keys and scalars of a YAML or JSON file end, by where they begin, in bytes; a file in CUE
	// has none: its syntax tree knows.
	Ends map[int]int
	// Share names what of an overlay counts for the unit: fields at the top, and objects in them as field and name with
	// a NUL between; "" is what belongs to no object. It is nil for a file that counts as a whole.
	Share []string
}

// Dir reads and parses the repository in a folder of the machine. Links that lead out of the folder are refused.
func Dir(name string) (*Sources, diag.Report, error) {
	folder, err := OpenFolder(name)
	if err != nil {
		return nil, diag.Report{}, err
	}
	defer folder.Close()
	return Load(folder)
}

// Load reads and parses the repository in a file system, whose Open must not follow links out of it (as that of
// [os.Root]). What is wrong with the repository is in the report, and Sources holds the rest; the error is what the
// machine got wrong.
func Load(fsys fs.FS) (*Sources, diag.Report, error) { return LoadIn(fsys, "") }

// LoadIn is [Load] with the overlays of an environment; "" is none. The error is an [EnvironmentError] where there is no
// such environment.
func LoadIn(fsys fs.FS, environment string) (*Sources, diag.Report, error) {
	src, report, err := Open(context.Background(), fsys, environment, nil)
	if err != nil {
		return nil, diag.Report{}, err
	}
	reports := make([]diag.Report, len(src.Units))
	err = each(context.Background(), len(src.Units), func(i int) {
		src.Units[i], reports[i] = src.Parse(src.Units[i])
	})
	for _, r := range reports {
		report.Merge(r)
	}
	return src, report, errors.Join(err, src.Err())
}

// Known finds the digest of a file that was read before, by its path and by what its folder says of it. It says false
// of a file that may have changed since. It is called by several goroutines.
type Known func(path string, stamp Stamp) (Digest, bool)

// Open finds the files of a repository and sorts them into units, which are not parsed. It reads the files whose
// digest known does not have; known may be nil. Otherwise it is as [LoadIn].
func Open(ctx context.Context, fsys fs.FS, environment string, known Known) (*Sources, diag.Report, error) {
	l := loader{fsys: fsys, env: environment, known: known, src: &Sources{Environment: environment, Oversize: map[string]int64{}, fsys: fsys}}
	if f, ok := fsys.(*Folder); ok {
		l.fsys, l.src.fsys, l.src.again = f.FS, f.FS, true
		var err error
		if l.listed, err = list(f.root); err != nil {
			return nil, diag.Report{}, err
		}
	}
	if err := l.folder(".", 0); err != nil {
		return nil, diag.Report{}, err
	}
	if err := l.read(ctx); err != nil {
		return nil, diag.Report{}, err
	}
	if err := l.sort(); err != nil {
		return nil, diag.Report{}, err
	}
	return l.src, l.report, nil
}

// each calls f for 0 to n-1 on all processors and returns when all calls did, or ctx is done.
func each(ctx context.Context, n int, f func(i int)) error {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

type loader struct {
	fsys   fs.FS
	listed map[string][]fs.DirEntry // folders whose entries are known
	env    string
	known  Known
	src    *Sources
	report diag.Report
	found  []*found
	total  int64
	full   bool
}

// found is a file on its way into Sources.
type found struct {
	path   string
	size   int64
	stamp  Stamp
	digest Digest
	data   []byte // nil where the digest was known
	err    error
}

func (f *found) cue() bool { return strings.HasSuffix(f.path, ".cue") }

// folder collects the files of a folder and those below it.
func (l *loader) folder(dir string, depth int) error {
	entries, listed := l.listed[dir]
	if !listed {
		var err error
		if entries, err = fs.ReadDir(l.fsys, dir); err != nil {
			return err
		}
	}
	if dir != "." && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "cue.mod" }) {
		return nil // Another module, which is not part of this repository's package.
	}
	for _, e := range entries {
		name := e.Name()
		p := path.Join(dir, name)
		if name[0] == '.' || name[0] == '_' {
			continue // Hidden, and as in CUE.
		}
		if (e.IsDir() || readable(name)) && !printable(name) {
			l.report.Add(badName(dir, name))
			continue
		}
		if e.IsDir() {
			switch {
			case name == "cue.mod":
				if dir == "." {
					if err := l.vendored(); err != nil {
						return err
					}
				}
			case name == "node_modules" || name == "testdata":
			case depth == maxDepth:
				l.report.Add(tooDeep(p))
			default:
				if err := l.folder(p, depth+1); err != nil {
					return err
				}
			}
			continue
		}
		switch path.Ext(name) {
		case ".cue", ".yaml", ".yml", ".json":
		default:
			if e.Type()&fs.ModeSymlink != 0 && l.hides(p) {
				l.report.Add(badLink(p))
			}
			continue
		}
		if err := l.file(p, e); err != nil {
			return err
		}
	}
	return nil
}

// hides reports whether a link stands for a folder in which somebody expects files to be read. Of one that leads out of
// the repository nobody can tell.
func (l *loader) hides(p string) bool {
	if top, _, _ := strings.Cut(p, "/"); top != "platform" && top != "tenants" && top != "tests" {
		return false
	}
	info, err := fs.Stat(l.fsys, p)
	if err != nil {
		return path.Ext(p) == "" // most likely a folder
	}
	return info.IsDir()
}

func (l *loader) file(p string, e fs.DirEntry) error {
	if s, ok := plainStamp(e); ok {
		l.plain(p, s)
		return nil
	}
	info, err := fs.Stat(l.fsys, p)
	if e.Type()&fs.ModeSymlink != 0 && (err != nil || !info.Mode().IsRegular() || l.leaves(p)) {
		l.report.Add(badLink(p))
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		l.report.Add(noFile(p)) // Reading a pipe or a device could last for ever.
		return nil
	}
	s := StampOf(info)
	s.Size = info.Size()
	l.plain(p, s)
	return nil
}

// plain takes a plain file.
func (l *loader) plain(p string, s Stamp) {
	if l.full {
		return
	}
	f := &found{path: p, size: s.Size, stamp: s}
	if s.Inode == 0 {
		f.stamp = Stamp{} // Its size alone says nothing.
	}
	switch {
	case len(l.found) == MaxFiles || l.total+f.size > MaxTotal:
		l.report.Add(tooMuch(p))
		l.full = true
	case f.cue() && f.size > MaxCUE:
		l.report.Add(tooLarge(p, f.size))
		l.found = append(l.found, f) // Its unit is broken.
	case f.size > MaxDocument:
		l.src.Oversize[p] = f.size
	default:
		l.total += f.size
		l.found = append(l.found, f)
	}
}

// leaves reports whether a link names a place outside of the root, for file systems that can tell.
func (l *loader) leaves(p string) bool {
	links, ok := l.fsys.(fs.ReadLinkFS)
	if !ok {
		return false
	}
	for range 40 {
		to, err := links.ReadLink(p)
		if err != nil {
			return false // Not a link any more.
		}
		if path.IsAbs(to) {
			return true
		}
		p = path.Join(path.Dir(p), to)
		if p == ".." || strings.HasPrefix(p, "../") {
			return true
		}
	}
	return true
}

// read reads what was found and is not known, by as many workers as there are processors.
func (l *loader) read(ctx context.Context) error {
	err := each(ctx, len(l.found), func(i int) {
		f := l.found[i]
		if f.cue() && f.size > MaxCUE {
			return
		}
		if l.known != nil && !l.looksInto(f) {
			var ok bool
			if f.digest, ok = l.known(f.path, f.stamp); ok {
				return
			}
		}
		if f.data, f.err = l.src.readFile(f.path, f.size); f.err == nil {
			f.digest = sha256.Sum256(f.data)
		}
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range l.found {
		if f.err != nil {
			errs = append(errs, fmt.Errorf("read %s: %w", f.path, f.err))
		}
	}
	return errors.Join(errs...)
}

// looksInto reports whether the loader itself needs to see what a file holds.
func (l *loader) looksInto(f *found) bool {
	if env, ok := environmentOf(f.path); ok {
		return env == l.env
	}
	_, _, ok := unitOf(f.path)
	if f.cue() {
		return !ok
	}
	return (ok || path.Dir(f.path) == "tenants") && f.size <= MaxCUE && !namedAsDocument(f.path)
}

// sort puts what was found where it belongs.
func (l *loader) sort() error {
	slices.SortFunc(l.found, func(a, b *found) int { return cmp.Compare(a.path, b.path) })
	l.src.files.take(l.found)
	units, tests := map[string]*Unit{}, map[string]*Unit{}
	for _, f := range l.found {
		if strings.HasSuffix(f.path, "_tool.cue") || strings.HasSuffix(f.path, "_test.cue") {
			continue // Commands and tests of CUE's own, which are not part of a package.
		}
		if env, ok := environmentOf(f.path); ok {
			l.overlay(f, env)
			continue
		}
		tenant, isTest, ok := unitOf(f.path)
		if !ok {
			l.stray(f)
			continue
		}
		large := f.size > MaxCUE
		if !f.cue() {
			k, problems := kindOf(f.path, f.data)
			l.report.Add(problems...)
			if k != configuration {
				continue
			}
			if large {
				l.report.Add(tooLarge(f.path, f.size))
			}
		}
		of := units
		if isTest {
			of = tests
		}
		u := of[tenant]
		if u == nil {
			u = &Unit{Tenant: tenant, Tests: isTest}
			of[tenant] = u
		}
		if large {
			u.Broken = true
			continue
		}
		u.Files = append(u.Files, File{Path: f.path})
	}
	if err := l.choose(units); err != nil {
		return err
	}
	for _, u := range units {
		l.src.Units = append(l.src.Units, *u)
	}
	for _, u := range tests {
		l.src.Tests = append(l.src.Tests, *u)
	}
	for _, list := range [][]Unit{l.src.Units, l.src.Tests} {
		slices.SortFunc(list, func(a, b Unit) int { return cmp.Compare(a.Tenant, b.Tenant) })
	}
	return nil
}

// Parse returns a unit with its files' syntax trees, and what is wrong with their syntax. A unit that is parsed is
// returned as it is. It may be called for several units at the same time.
func (s *Sources) Parse(u Unit) (Unit, diag.Report) {
	var report diag.Report
	if u.Parsed {
		return u, report
	}
	out := Unit{Tenant: u.Tenant, Tests: u.Tests, Broken: u.Broken, Parsed: true}
	for _, f := range u.Files {
		data, ok := s.Data(f.Path)
		if !ok {
			out.Broken = true // Err says why.
			continue
		}
		syntax, ends, problems := parseAny(f.Path, data)
		report.Add(problems...)
		if syntax == nil {
			out.Broken = true
			continue
		}
		if d, ok := checkPackage(f.Path, syntax); !ok {
			report.Add(d)
			out.Broken = true
			continue
		}
		if f.Share != nil {
			part(syntax, f.Share)
		}
		out.Files = append(out.Files, File{Path: f.Path, Data: data, Syntax: syntax, Ends: ends, Share: f.Share})
	}
	return out, report
}

// unitOf returns the unit that a file belongs to, if to any: its tenant, and whether it is one of tests.
func unitOf(p string) (tenant string, tests, ok bool) {
	parts := strings.Split(p, "/")
	switch {
	case len(parts) == 1:
		return "", false, true
	case parts[0] == "platform":
		return "", false, true
	case parts[0] == "tests":
		return "", true, true
	case parts[0] == "tenants" && len(parts) > 2:
		return parts[1], len(parts) > 3 && parts[2] == "tests", true
	}
	return "", false, false
}
