package check

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/schema/diag"
)

// Fragment is what one unit came to: its part of the configuration, what is wrong with it, and where everything
// stands. It depends on the unit's own files and on the platform's locks, and on nothing else, so that it can be kept (see [Keep]). It is immutable.
type Fragment struct {
	Tenant  string
	First   string   // the first file; "" where none could be read
	Broken  bool     // names may be missing in Config that Unsound does not have
	Unsound []string // joined paths of the definitions of Config that Report has errors of; see [Withheld]
	Listens bool     // it says "gateway"
	Config  Config
	Places  Places
	Report  []diag.Diagnostic // of the unit as such
	Dated   []Dated           // days that locks bound by the day of the build
	Objects []diag.Diagnostic // of single objects; their paths begin with field and name
}

// assemble makes one Config of all units, in their order, and reports what is wrong with each and what only shows
// between them.
func assemble(units []*Fragment) (*Config, diag.Report) {
	var report diag.Report
	c := newConfigFor(units)
	broken := len(units) == 0
	listens := false
	for _, u := range units {
		for _, d := range u.Report {
			report.Add(c.named(d))
		}
		c.dated = append(c.dated, u.Dated...)
		broken = broken || u.Broken || slices.Contains(u.Unsound, join([]string{"gateway"}))
		c.positions.add(u.Tenant, &Places{Files: u.Places.Files, Text: u.Places.Text, Index: u.Places.Index})
		if u.Listens {
			listens = true
			c.Gateway = u.Config.Gateway
		}
		twice := joiner{unit: u, config: &c, report: &report}.join()
		for _, d := range u.Objects {
			if len(d.Path) < 2 || !twice[join(d.Path[:2])] {
				report.Add(d)
			}
		}
	}
	if len(units) == 0 {
		report.Add(diag.Diagnostic{
			Code:    codeEmpty,
			Summary: "the repository has no CUE file of package \"gateway\"",
			Help:    []string{"run `gwc init` to begin one, or name its folder with -C"},
		})
	} else if !listens && !broken {
		report.Add(diag.Diagnostic{
			Code:    codeMissing,
			Summary: "missing field \"gateway\" in the platform's files: the gateway listens nowhere",
			Path:    []string{"gateway"},
			Primary: diag.Label{Span: startOf(units[0].First)},
			Help:    []string{`add gateway: listeners: main: address: "127.0.0.1:8080"`},
		})
	}
	if !broken && !report.Failed() {
		c.idle(&report)
	}
	return &c, withoutHalves(report)
}

// newConfigFor returns a Config with room for what units hold.
func newConfigFor(units []*Fragment) Config {
	c := newConfig()
	from, heads := reflect.ValueOf(&c).Elem(), 0
	for i := range from.NumField() {
		field := from.Type().Field(i)
		if !field.IsExported() || field.Type.Kind() != reflect.Map {
			continue
		}
		n := 0
		for _, u := range units {
			n += reflect.ValueOf(&u.Config).Elem().Field(i).Len()
		}
		from.Field(i).Set(reflect.MakeMapWithSize(field.Type, n))
		heads += n
	}
	c.positions = &Positions{homes: make(map[string]int, heads)}
	return c
}

// withoutHalves takes out what is missing in objects that two units define: each has only its half of the fields.
func withoutHalves(report diag.Report) diag.Report {
	twice := map[string]bool{}
	for _, d := range report.All() {
		if d.Code == codeTwice {
			twice[join(d.Path)] = true
		}
	}
	if len(twice) == 0 {
		return report
	}
	var out diag.Report
	for _, d := range report.All() {
		if d.Code != codeMissing || len(d.Path) != 3 || !twice[join(d.Path[:2])] {
			out.Add(d)
		}
	}
	return out
}

// joiner adds the objects of one unit to a Config.
type joiner struct {
	unit   *Fragment
	config *Config
	report *diag.Report
}

// join adds every map of objects that a Config has, by its name: Config.APIs holds what files say under "apis". It
// returns the objects that an earlier unit defined too.
func (j joiner) join() (twice map[string]bool) {
	from, into := reflect.ValueOf(&j.unit.Config).Elem(), reflect.ValueOf(j.config).Elem()
	for i := range from.NumField() {
		field := from.Type().Field(i)
		if objects := from.Field(i); field.IsExported() && objects.Kind() == reflect.Map && objects.Len() > 0 {
			twice = j.objects(strings.ToLower(field.Name), objects, into.Field(i), twice)
		}
	}
	return twice
}

func (j joiner) objects(field string, from, into reflect.Value, twice map[string]bool) map[string]bool {
	var again []string
	for it := from.MapRange(); it.Next(); {
		if into.MapIndex(it.Key()).IsValid() {
			again = append(again, it.Key().String())
			continue
		}
		into.SetMapIndex(it.Key(), it.Value())
	}
	slices.Sort(again)
	for _, name := range again {
		if twice == nil {
			twice = map[string]bool{}
		}
		path := []string{field, name}
		twice[join(path)] = true
		at, _ := j.unit.Places.find(join(path))
		j.report.Add(diag.Diagnostic{
			Code:      codeTwice,
			Summary:   fmt.Sprintf("%s %q is defined in two units", objectWord(field), name),
			Path:      path,
			Primary:   diag.Label{Span: at.key},
			Secondary: []diag.Label{{Span: j.config.Key(field, name), Text: "first defined here"}},
			Notes:     []string{"units are the platform (the root folder and platform/) and each tenant's folder; their names are one space"},
		})
	}
	return twice
}
