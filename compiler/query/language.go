package query

import (
	"slices"
	"strings"

	language "github.com/gwc-dev/gwc/schema/cue"
)

// Slot is what the language has at a data path. Field is nil for elements of lists and maps and for the package.
type Slot struct {
	Type  *language.Type
	Field *language.Field
}

// SlotAt returns what the language has at a data path. Kind tells which arm of a union stands at a path, by the value of
// "kind" there; where it does not know, the slot of a field that any arm has is the first arm's that has it.
func SlotAt(path []string, kind func(path []string) string) (Slot, bool) {
	s := Slot{Type: language.Read().Root}
	for i, label := range path {
		t := s.Type
		if t.Shape == language.Union {
			if label == "kind" {
				f, _ := t.Arms[0].Field("kind")
				s = Slot{kinds(t), f}
				continue
			}
			t = Arm(t, kind(path[:i]))
			if t == nil {
				if t = armWith(s.Type, label); t == nil {
					return Slot{}, false
				}
			}
		}
		switch t.Shape {
		case language.Struct:
			f, ok := t.Field(label)
			if !ok {
				return Slot{}, false
			}
			s = Slot{f.Type, f}
		case language.Map, language.List:
			s = Slot{Type: t.Elem}
		default:
			return Slot{}, false
		}
	}
	return s, true
}

// Arm returns the arm of a union with a kind, or nil.
func Arm(t *language.Type, kind string) *language.Type {
	if i := slices.IndexFunc(t.Arms, func(a *language.Type) bool { return kind != "" && a.Kind() == kind }); i >= 0 {
		return t.Arms[i]
	}
	return nil
}

func armWith(t *language.Type, label string) *language.Type {
	if i := slices.IndexFunc(t.Arms, func(a *language.Type) bool { _, ok := a.Field(label); return ok }); i >= 0 {
		return t.Arms[i]
	}
	return nil
}

// kinds is the type of the field "kind" of a union: the kinds of all arms.
func kinds(t *language.Type) *language.Type {
	out := &language.Type{Shape: language.Enum, At: t.At, Doc: t.Doc}
	for _, a := range t.Arms {
		out.Values = append(out.Values, a.Kind())
	}
	return out
}

// Fields returns the fields that a struct or a union can have: of a union whose kind is not known those of all arms, each
// name once.
func Fields(t *language.Type, kind string) []language.Field {
	if t.Shape != language.Union {
		return t.Fields
	}
	if a := Arm(t, kind); a != nil {
		return a.Fields
	}
	var out []language.Field
	for _, a := range t.Arms {
		for _, f := range a.Fields {
			if !slices.ContainsFunc(out, func(o language.Field) bool { return o.Name == f.Name }) {
				out = append(out, f)
			}
		}
	}
	return out
}

// Space is a kind of names: the top-level field that defines them, such as "models", or one of the two that stand
// elsewhere.
type Space string

const (
	// Operations are the operations of an API's document; they stand in it, by operationId.
	Operations Space = "operations"
	// Documents are files of the repository.
	Documents Space = "documents"
)

// references says which values, and which labels of maps, name something that stands elsewhere. "*" is any label or
// index.
var references = []struct {
	path  string
	label bool
	space Space
}{
	{"models.*.targets.*.provider", false, "providers"},
	{"apis.*.upstream", false, "upstreams"},
	{"apis.*.owner", false, "tenants"},
	{"apis.*.openapi", false, Documents},
	{"apis.*.operations.*", true, Operations},
	{"tenants.*.apps.*.models.*", false, "models"},
	{"tenants.*.apps.*.prompts.*", false, "prompts"},
	{"prompts.*.model", false, "models"},
	{"prompts.*.versions.*.model", false, "models"},
	{"prompts.*.owner", false, "tenants"},
	{"assertions.*.among.*", false, "providers"},
	{"locks.*.except.*", false, "tenants"},
	{"tests.*.providers.*", true, "providers"},
	{"tests.*.upstreams.*", true, "upstreams"},
	{"tests.*.steps.*.providers.*", true, "providers"},
	{"tests.*.steps.*.upstreams.*", true, "upstreams"},
	{"tests.*.expect.calls.*.provider", false, "providers"},
	{"tests.*.expect.calls.*.upstream", false, "upstreams"},
	{"tests.*.expect.record.provider", false, "providers"},
	{"tests.*.expect.record.model", false, "models"},
	{"tests.*.steps.*.expect.calls.*.provider", false, "providers"},
	{"tests.*.steps.*.expect.calls.*.upstream", false, "upstreams"},
	{"tests.*.steps.*.expect.record.provider", false, "providers"},
	{"tests.*.steps.*.expect.record.model", false, "models"},
}

// Refers returns the kind of names that the value at a data path is one of.
func Refers(path []string) (Space, bool) { return refers(path, false) }

// LabelRefers returns the kind of names that the label at a data path is one of.
func LabelRefers(path []string) (Space, bool) { return refers(path, true) }

func refers(path []string, label bool) (Space, bool) {
	for _, r := range references {
		if r.label == label && matches(r.path, path) {
			return r.space, true
		}
	}
	return "", false
}

func matches(pattern string, path []string) bool {
	n := 0
	for part := range strings.SplitSeq(pattern, ".") {
		if n == len(path) || part != Any && part != path[n] {
			return false
		}
		n++
	}
	return n == len(path)
}

// Defines returns the kind of names that a data path defines one of: "models" and "fast" for models.fast.
func Defines(path []string) (Space, string, bool) {
	if len(path) != 2 || path[1] == Any {
		return "", "", false
	}
	switch path[0] {
	case "providers", "models", "upstreams", "apis", "tenants", "prompts":
		return Space(path[0]), path[1], true
	}
	return "", "", false
}
