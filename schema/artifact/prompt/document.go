package prompt

import (
	"slices"
	"strconv"
	"strings"
)

// problemSchema is the schema of problem details (RFC 9457), as the gateway answers them.
const problemSchema = `{"type":"object","required":["type","title","status"],"properties":{"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},"errors":{"type":"array","description":"What is wrong with which value of the request.","items":{"type":"object","required":["pointer","detail"],"properties":{"pointer":{"type":"string","description":"JSON pointer (RFC 6901) as a fragment."},"detail":{"type":"string"}}}}}}`

// Document returns the OpenAPI 3.1 document of a version, as JSON with a line end. Same prompt, same bytes.
func (s *Set) Document(g *Program) []byte {
	b := []byte(`{"openapi":"3.1.0","info":{"title":`)
	b = appendString(b, s.Name)
	if s.Description != "" {
		b = appendString(append(b, `,"description":`...), s.Description)
	}
	b = appendString(append(b, `,"version":`...), strconv.FormatInt(g.Number, 10))
	b = append(b, `},"paths":{`...)
	b = appendString(b, s.Path)
	b = append(b, `:{"post":{"operationId":`...)
	b = appendString(b, s.Name)
	b = append(b, `,"parameters":[{"name":"version","in":"query","description":`...)
	b = appendString(b, s.choice())
	b = append(b, `,"schema":{"type":"string","enum":[`...)
	for i, name := range s.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
	}
	b = append(b, `]}}],"requestBody":{"required":`...)
	b = strconv.AppendBool(b, true)
	b = append(b, `,"content":{"application/json":{"schema":`...)
	b = g.InputSchema(b)
	b = append(b, `}}},"responses":{"200":{"description":"The model's answer.","content":{"application/json":{"schema":`...)
	b = append(b, `{"type":"object","required":["prompt","version","output","stop_reason"],"properties":{"prompt":{"type":"string","const":`...)
	b = appendString(b, s.Name)
	b = append(b, `},"version":{"type":"integer"},"output":`...)
	if g.Untyped() {
		b = append(b, `{"type":"string"}`...)
	} else {
		b = g.OutputSchema(b)
	}
	b = append(b, `,"stop_reason":{"type":"string","description":"Why the model stopped: \"stop\", \"length\" (its limit), \"stop_sequence\", \"content_filter\"."}}}}`...)
	if g.Stream {
		b = append(b, `,"text/event-stream":{"schema":{"type":"string","description":"Events \"delta\" with {text}, then one \"end\" with {prompt, version, stop_reason}, or one \"error\" with a problem. Sent to those who accept it."}}`...)
	}
	b = append(b, `}}`...)
	for _, r := range []struct{ status, means string }{
		{"400", "The request does not fit."}, {"401", "There is no key, or not one that is known."}, {"403", "The app may not call the prompt."},
		{"429", "A limit is used up."}, {"502", "The model failed, or answered what does not fit."}, {"504", "The model took too long."},
	} {
		b = appendString(append(b, ','), r.status)
		b = appendString(append(b, `:{"description":`...), r.means)
		b = append(b, `,"content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}`...)
	}
	b = append(b, `},"security":[{"key":[]}]}}},"components":{"schemas":{"Problem":`...)
	b = append(b, problemSchema...)
	return append(b, `},"securitySchemes":{"key":{"type":"http","scheme":"bearer"}}}}`+"\n"...)
}

// choice says in words what answers where no version is named.
func (s *Set) choice() string {
	if len(s.Split) == 0 {
		return "Which version answers; version " + strconv.FormatInt(s.Default, 10) + " where nothing is said."
	}
	parts := make([]string, len(s.Split))
	for i, w := range s.Split {
		parts[i] = strconv.FormatInt(w.Number, 10) + " (" + strconv.Itoa(w.Weight) + ")"
	}
	by := "the request's id"
	if s.SplitBy == "app" {
		by = "the app"
	}
	return "Which version answers; where nothing is said, one of versions " + strings.Join(parts, ", ") + " by " + by + "."
}

// Names returns what a request may name a version by: numbers, then aliases.
func (s *Set) Names() []string {
	var l []string
	for i := range s.Versions {
		l = append(l, strconv.FormatInt(s.Versions[i].Number, 10))
	}
	for _, a := range s.Aliases {
		l = append(l, a.Name)
	}
	return l
}

// Untyped reports whether the output is text.
func (g *Program) Untyped() bool { return g.Version.Output == 0 }

// InputSchema appends the JSON Schema of the inputs.
func (g *Program) InputSchema(b []byte) []byte { return g.schema(b, 0, "", false) }

// OutputSchema appends the JSON Schema of the output, with all that the gateway holds it to.
func (g *Program) OutputSchema(b []byte) []byte { return g.schema(b, g.Version.Output, "", false) }

// AskedSchema appends the JSON Schema that providers are sent: what the strict modes of all of them take. There every
// field is required, so that one that may be absent may be null, and bounds are left to the gateway.
func (g *Program) AskedSchema(b []byte) []byte { return g.schema(b, g.Version.Output, "", true) }

// schema appends the schema of a type. value is the default of the field that it stands in.
func (g *Program) schema(b []byte, at int, value string, asked bool) []byte {
	t := &g.Types[at]
	b = append(b, `{"type":`...)
	b = appendString(b, map[bool]string{true: "string", false: t.Kind.String()}[t.Kind == Image])
	if t.Description != "" {
		b = appendString(append(b, `,"description":`...), t.Description)
	}
	if len(t.Values) > 0 {
		b = append(b, `,"enum":[`...)
		for i, v := range t.Values {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, v)
		}
		b = append(b, ']')
	}
	if !asked {
		least, most := `,"minLength":`, `,"maxLength":`
		if t.Kind == Array {
			least, most = `,"minItems":`, `,"maxItems":`
		}
		if t.Least != nil {
			b = strconv.AppendInt(append(b, least...), *t.Least, 10)
		}
		if t.Most != nil {
			b = strconv.AppendInt(append(b, most...), *t.Most, 10)
		}
		if t.Low != nil {
			b = append(append(b, `,"minimum":`...), decimal(*t.Low)...)
		}
		if t.High != nil {
			b = append(append(b, `,"maximum":`...), decimal(*t.High)...)
		}
		if t.Pattern != "" {
			b = appendString(append(b, `,"pattern":`...), t.Pattern)
		}
		if t.Kind == Image {
			b = append(b, `,"format":"uri"`...)
		}
		if value != "" {
			b = append(append(b, `,"default":`...), value...)
		}
	}
	switch t.Kind {
	case Array:
		b = append(b, `,"items":`...)
		b = g.schema(b, t.Items, "", asked)
	case Object:
		b = append(b, `,"properties":{`...)
		var required []string
		for i := range t.Fields {
			f := &t.Fields[i]
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, f.Name), ':')
			switch {
			case asked && !f.Required:
				b = append(b, `{"anyOf":[`...)
				b = g.schema(b, f.Type, "", true)
				b = append(b, `,{"type":"null"}]}`...)
			default:
				b = g.schema(b, f.Type, f.Default, asked)
			}
			if f.Required || asked {
				required = append(required, f.Name)
			}
		}
		b = append(b, '}')
		if len(required) > 0 {
			b = append(b, `,"required":[`...)
			for i, name := range required {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendString(b, name)
			}
			b = append(b, ']')
		}
		b = append(b, `,"additionalProperties":false`...)
	}
	return append(b, '}')
}

// Tells reports whether a target of the model, by index, is told of the output's schema in words.
func (g *Program) Tells(target int) bool { return slices.Contains(g.Version.Told, target) }
