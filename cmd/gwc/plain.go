package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/price"
	"github.com/gwc-dev/gwc/schema/artifact/prompt"
	"github.com/gwc-dev/gwc/schema/catalogue"
)

// object is a JSON object that keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements [json.Marshaler].
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// writeJSON writes indented JSON.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return unreachable(err)
	}
	return nil
}

// namer turns an index in a field, named "Type.Field", into the name of what it points to.
type namer map[string]func(i int) any

// plain turns a value of the artifact or the program into what JSON has: fields by their names in lower case with
// underscores, durations as text, hashes in hex, indices as names. Empty lists stay, so that every field is there;
// pointers to nothing are left out.
func (n namer) plain(v reflect.Value, at string) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return x.String()
	case [32]byte:
		return "sha256:" + hex.EncodeToString(x[:])
	case artifact.RouteKind:
		return kindName(x)
	case match.Table:
		routes := 0
		for range x.All() {
			routes++
		}
		return object{{"patterns", routes}, {"hosts", len(x.Hosts)/4 + len(x.Wildcards)/4}, {"nodes", len(x.Nodes) / 8}, {"text_bytes", len(x.Pool)}}
	case ir.Ref:
		return x.Name
	case prompt.Version:
		return n.version(&x)
	case price.Rate:
		return plainRate(x)
	case catalogue.Capabilities:
		return append([]string{}, x.Names()...)
	case catalogue.Modalities:
		return append([]string{}, x.Names()...)
	}
	switch v.Kind() {
	case reflect.Struct:
		o := object{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type.Kind() == reflect.Interface || f.Type.Kind() == reflect.Pointer && v.Field(i).IsNil() {
				continue
			}
			if f.Name == "Prompt" && !ofPrompt(v.Interface()) || f.Name == "Provider" && otherRoute(v.Interface(), artifact.RoutePassthrough) {
				continue
			}
			o = append(o, member{snake(f.Name), n.plain(v.Field(i), v.Type().Name()+"."+f.Name)})
		}
		return o
	case reflect.Slice:
		l := make([]any, 0, v.Len())
		for i := range v.Len() {
			l = append(l, n.plain(v.Index(i), at))
		}
		return l
	case reflect.Pointer:
		return n.plain(v.Elem(), at)
	case reflect.Int:
		if name := n[at]; name != nil {
			return name(int(v.Int()))
		}
	}
	return v.Interface()
}

// ofPrompt reports whether the field Prompt of a route says something.
func ofPrompt(v any) bool {
	switch r := v.(type) {
	case artifact.Route:
		return r.Kind.Prompt()
	case ir.Route:
		return r.Kind.Prompt()
	}
	return true
}

// otherRoute reports whether a value is a route of another kind.
func otherRoute(v any, kind artifact.RouteKind) bool {
	switch r := v.(type) {
	case artifact.Route:
		return r.Kind != kind
	case ir.Route:
		return r.Kind != kind
	}
	return false
}

// version shows a version of a prompt as its author would say it: templates instead of steps, types in one line.
func (n namer) version(v *prompt.Version) any {
	o := object{{"number", v.Number}}
	if name := n["Version.Model"]; name != nil {
		o = append(o, member{"model", name(v.Model)})
	}
	o = append(o, member{"inputs", v.Shape(0)})
	if v.Output != 0 {
		o = append(o, member{"output", v.Shape(v.Output)}, member{"on_invalid", v.OnInvalid}, member{"told", append([]int{}, v.Told...)})
	}
	messages := []object{}
	for i := range v.Messages {
		messages = append(messages, object{{"role", v.Messages[i].Role}, {"text", v.Source(i)}})
	}
	o = append(o, member{"messages", messages})
	if v.Temperature != nil {
		o = append(o, member{"temperature", *v.Temperature})
	}
	if v.TopP != nil {
		o = append(o, member{"top_p", *v.TopP})
	}
	if v.Caching != "" {
		o = append(o, member{"caching", v.Caching})
	}
	return append(o, member{"max_tokens", v.MaxTokens}, member{"stop", append([]string{}, v.Stop...)}, member{"reasoning", v.Reasoning}, member{"stream", v.Stream})
}

// snake turns "BaseURL" into "base_url" and "APIs" into "apis".
func snake(name string) string {
	name = strings.NewReplacer("APIs", "Apis", "OpenAPI", "Openapi", "URLs", "Urls").Replace(name)
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

func kindName(k artifact.RouteKind) string {
	if k == artifact.RouteAPI {
		return "api"
	}
	switch k {
	case artifact.RoutePrompt:
		return "prompt"
	case artifact.RoutePromptDocument:
		return "prompt_document"
	case artifact.RoutePassthrough:
		return "passthrough"
	}
	r, _ := k.AI()
	return r.Name
}

// named returns a function that gives the name at an index of a list, or null where there is none.
func named[T any](list []T, name func(*T) string) func(int) any {
	return func(i int) any {
		if i < 0 || i >= len(list) {
			return nil
		}
		return name(&list[i])
	}
}

func plainArtifact(a *artifact.Artifact) any {
	app := func(p *artifact.App) string { return a.Tenants[p.Tenant].Name + "/" + p.Name }
	return namer{
		"Target.Provider":      named(a.Providers, func(p *artifact.Provider) string { return p.Name }),
		"Target.Price":         func(i int) any { return version(a, i) },
		"API.Owner":            named(a.Tenants, func(t *artifact.Tenant) string { return t.Name }),
		"API.Upstream":         named(a.Upstreams, func(u *artifact.Upstream) string { return u.Name }),
		"App.Tenant":           named(a.Tenants, func(t *artifact.Tenant) string { return t.Name }),
		"App.Models":           named(a.Models, func(m *artifact.Model) string { return m.Name }),
		"App.Prompts":          named(a.Prompts, func(p *prompt.Prompt) string { return p.Name }),
		"Prompt.Owner":         named(a.Tenants, func(t *artifact.Tenant) string { return t.Name }),
		"Version.Model":        named(a.Models, func(m *artifact.Model) string { return m.Name }),
		"Key.App":              named(a.Apps, app),
		"Route.API":            named(a.APIs, func(p *artifact.API) string { return p.Name }),
		"Route.Provider":       named(a.Providers, func(p *artifact.Provider) string { return p.Name }),
		"Passthrough.Provider": named(a.Providers, func(p *artifact.Provider) string { return p.Name }),
	}.plain(reflect.ValueOf(*a), "")
}

func plainProgram(p *ir.Program) any {
	return namer{
		"App.Tenant":     named(p.Tenants, func(t *ir.Tenant) string { return t.Name }),
		"Key.App":        named(p.Apps, func(a *ir.App) string { return p.Tenants[a.Tenant].Name + "/" + a.Name }),
		"Route.API":      named(p.APIs, func(a *ir.API) string { return a.Name }),
		"Route.Provider": named(p.Providers, func(x *ir.Provider) string { return x.Name }),
	}.plain(reflect.ValueOf(*p), "")
}
