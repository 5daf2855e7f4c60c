package importer

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gwc-dev/gwc/compiler/scaffold"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// api is an API in the making: its settings, and the operations for which a document is written.
type api struct {
	scaffold.API
	title string
	paths []operation // nil: it has a document
}

// operation is a method of a path template.
type operation struct {
	id, method, path string
	auth, timeout    string
}

// methods are those that a document can have, for routes that take any.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// publish adds an operation to an API. It says why it cannot, or "".
func (b *builder) publish(a *api, method, template, auth, timeout string) string {
	hosts := a.Hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	var marks []string
	for _, h := range hosts {
		if _, err := match.Normal(match.Pattern{Host: h, Method: method, Path: a.BasePath + template}); err != nil {
			return "is not a path that gwc can match"
		}
		mark := h + " " + method + " " + blank(a.BasePath+template)
		if b.published[mark] {
			return "another route has the same host, method and path"
		}
		marks = append(marks, mark)
	}
	for _, m := range marks {
		b.published[m] = true
	}
	a.add(method, template, auth, timeout)
	return ""
}

func (a *api) add(method, template, auth, timeout string) {
	base := strings.ToLower(method)
	for _, word := range words.FindAllString(template, -1) {
		base += strings.ToUpper(word[:1]) + word[1:]
	}
	id := base
	for n := 2; slices.ContainsFunc(a.paths, func(o operation) bool { return o.id == id }); n++ {
		id = fmt.Sprintf("%s%d", base, n)
	}
	a.paths = append(a.paths, operation{id, method, template, auth, timeout})
}

var (
	words  = regexp.MustCompile(`[A-Za-z0-9]+`)
	params = regexp.MustCompile(`\{[^{}/]*\}`)
)

// blank is a template without the names of its parameters.
func blank(template string) string {
	return params.ReplaceAllStringFunc(template, func(p string) string {
		if strings.HasSuffix(p, "+}") {
			return "{+}"
		}
		return "{}"
	})
}

// definition returns the API with what its operations have in common said once.
func (a *api) definition() scaffold.API {
	out := a.API
	if a.paths == nil {
		return out
	}
	out.Document = "openapi.yaml"
	auth, timeout := common(a.paths, func(o operation) string { return o.auth }), common(a.paths, func(o operation) string { return o.timeout })
	if auth != "key" {
		out.Auth = auth
	}
	out.Timeout = timeout
	for _, o := range a.paths {
		own := scaffold.Operation{ID: o.id}
		if o.auth != auth {
			own.Auth = o.auth
		}
		if o.timeout != timeout {
			own.Timeout = o.timeout
		}
		if own.Auth != "" || own.Timeout != "" {
			out.Operations = append(out.Operations, own)
		}
	}
	return out
}

// common returns the value that most operations have, of equals the first. A timeout that not all have is common to
// none: what an API sets no operation can unset.
func common(list []operation, of func(operation) string) string {
	best, most := "", 0
	counts := map[string]int{}
	for _, o := range list {
		v := of(o)
		if counts[v]++; counts[v] > most {
			best, most = v, counts[v]
		}
	}
	if slices.ContainsFunc(list, func(o operation) bool { return of(o) == "" }) {
		return ""
	}
	return best
}

// document writes the OpenAPI document of the operations: what the other gateway knew of them, which is their paths.
func (a *api) document() scaffold.File {
	var b strings.Builder
	fmt.Fprintf(&b, "openapi: 3.0.3\ninfo:\n  title: %s\n  version: \"1\"\npaths:\n", quoteYAML(a.title))
	var order []string
	for _, o := range a.paths {
		if !slices.Contains(order, o.path) {
			order = append(order, o.path)
		}
	}
	for _, p := range order {
		fmt.Fprintf(&b, "  %s:\n", quoteYAML(p))
		for _, o := range a.paths {
			if o.path != p {
				continue
			}
			fmt.Fprintf(&b, "    %s:\n      operationId: %s\n", strings.ToLower(o.method), quoteYAML(o.id))
			if names := params.FindAllString(p, -1); len(names) > 0 {
				b.WriteString("      parameters:\n")
				for _, n := range names {
					fmt.Fprintf(&b, "        - {name: %s, in: path, required: true, schema: {type: string}}\n", quoteYAML(strings.Trim(n, "{}")))
				}
			}
			b.WriteString("      responses:\n        default:\n          description: What the server answers.\n")
		}
	}
	return scaffold.File{Path: path.Join(a.Folder(), "openapi.yaml"), Data: []byte(b.String())}
}

// quoteYAML writes a text as a double-quoted scalar, which is also JSON.
func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd:
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// basePath reports whether a text can be the base path of an API.
var basePathForm = regexp.MustCompile(`^((/[A-Za-z0-9._~-]+)*)$`)

func isBasePath(s string) bool {
	return basePathForm.MatchString(s) && !slices.ContainsFunc(strings.Split(s, "/"), func(p string) bool { return p == "." || p == ".." })
}

// hostForm is what the language takes as a host pattern.
var hostForm = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// serverURL returns a URL as an upstream's endpoint has it, or what is wrong with it.
func serverURL(text string) (string, string) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", "is neither http nor https"
	case u.Host == "" || u.Hostname() == "":
		return "", "has no host"
	case u.User != nil:
		return "", "has a user in it"
	case u.RawQuery != "" || u.Fragment != "":
		return "", "has a query"
	case strings.ContainsAny(text, " \t{}$*\"\\^`|<>"):
		return "", "has characters that no URL has"
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), ""
}
