package load

import (
	"maps"
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
		syntax, _ := parse(name, files[name])
		if syntax == nil {
			return nil, false
		}
		if _, ok := checkPackage(name, syntax); !ok {
			return nil, false
		}
		u.Files = append(u.Files, File{Path: name, Data: files[name], Syntax: syntax})
	}
	return u, len(u.Files) > 0
}
