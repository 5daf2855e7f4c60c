package check

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	language "github.com/gwc-dev/gwc/schema/cue"
	"github.com/gwc-dev/gwc/schema/diag"
)

// Withheld is what errors keep out of a [Config], so that later stages can go on with the rest and say nothing that
// only follows from those errors: a name that is defined with a mistake in it is not an unknown name.
type Withheld struct {
	// Any says that there may be names that nobody knows of: a unit could not be evaluated, or a field at the top.
	Any bool
	// Names holds the definitions that have an error in them, sorted, by field: "providers", "models". Apps are in
	// "apps" as "tenant/app"; the tenant of such an app is not withheld.
	Names map[string][]string
}

// unsound returns the joined paths of the definitions in which errors are, and whether errors may hide any name at all.
func unsound(list []diag.Diagnostic) (paths []string, any bool) {
	found := map[string]bool{}
	for i := range list {
		d := &list[i]
		if d.Severity != diag.Error {
			continue
		}
		switch path := d.Path; {
		case len(path) == 1 && d.Code == codeNotYet:
			// Nothing can refer to what is not built yet.
		case len(path) > 0 && path[0] == "gateway":
			found[join(path[:1])] = true
		case len(path) < 2 || !topLevel(path[0]):
			any = true
		case len(path) > 3 && path[0] == "tenants" && path[2] == "apps":
			found[join(path[:4])] = true
		default:
			found[join(path[:2])] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), any
}

func topLevel(field string) bool {
	_, ok := language.Read().Root.Field(field)
	return ok
}

// withhold takes the definitions with errors in them out of a configuration, and notes their names.
func (c *Config) withhold(units []*Fragment, report diag.Report) {
	paths, any := unsound(report.All())
	c.Withheld.Any = any
	for _, u := range units {
		c.Withheld.Any = c.Withheld.Any || u.Broken
		paths = append(paths, u.Unsound...)
	}
	slices.Sort(paths)
	for _, joined := range slices.Compact(paths) {
		path := strings.Split(strings.TrimSuffix(joined, "\x00"), "\x00")
		if len(path) == 1 {
			c.Gateway = Gateway{}
			continue
		}
		field, name := path[0], path[1]
		if t, ok := c.Tenants[name]; ok && len(path) == 4 {
			t.Apps = maps.Clone(t.Apps) // a fragment's
			delete(t.Apps, path[3])
			c.Tenants[name] = t
			field, name = "apps", name+"/"+path[3]
		} else {
			c.without(field, name)
		}
		if c.Withheld.Names == nil {
			c.Withheld.Names = map[string][]string{}
		}
		c.Withheld.Names[field] = append(c.Withheld.Names[field], name)
	}
	for field := range c.Withheld.Names {
		slices.Sort(c.Withheld.Names[field])
	}
}

// without takes an object out of the map of a field, which Config names as the language does: Config.APIs for "apis".
func (c *Config) without(field, name string) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Type.Kind() == reflect.Map && strings.EqualFold(f.Name, field) {
			v.Field(i).SetMapIndex(reflect.ValueOf(name), reflect.Value{})
		}
	}
}
