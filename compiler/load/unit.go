package load

import (
	"maps"
	"path"
	"slices"
)

// UnitOf returns the unit that a CUE file belongs to by its path: the name of a tenant's folder, or "" for the platform.
// It is false for files that belong to none, and for those of tests, which are evaluated apart.
func UnitOf(file string) (tenant string, ok bool) {
	tenant, tests, ok := unitOf(file)
	return tenant, ok && !tests
}

// ParseUnit returns a unit made of files, by path, as [Load] would make it of them. It is false where one of them cannot
// be parsed or is not of the package.
func ParseUnit(tenant string, files map[string][]byte) (*Unit, bool) {
	u := &Unit{Tenant: tenant, Parsed: true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		syntax, ends, _ := parseAny(name, files[name])
		if syntax == nil {
			return nil, false
		}
		if !isPlain(name) {
			if _, ok := checkPackage(name, syntax); !ok {
				return nil, false
			}
		}
		u.Files = append(u.Files, File{Path: name, Data: files[name], Syntax: syntax, Ends: ends})
	}
	return u, len(u.Files) > 0
}

// EnvironmentOf returns the environment that a file is an overlay of; see [Environment].
func EnvironmentOf(file string) (name string, ok bool) { return environmentOf(file) }

// Configuration reports whether a file is one that [Open] reads as configuration: CUE, or YAML and JSON whose keys are
// fields of a gateway. Of a file in no unit and no environment it is false, but for those of tests.
func Configuration(file string, data []byte) bool {
	if !isPlain(file) {
		return path.Ext(file) == ".cue"
	}
	if _, _, ok := unitOf(file); !ok && !Overlays(file) {
		return false
	}
	k, _ := kindOf(file, data)
	return k == configuration
}

// Parses reports whether a file of configuration has no mistake of syntax.
func Parses(file string, data []byte) bool {
	syntax, _, _ := parseAny(file, data)
	return syntax != nil
}
