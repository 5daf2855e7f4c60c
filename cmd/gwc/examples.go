package main

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/runtime"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// examples returns curl lines that work when they are pasted, each with a comment above.
func examples(a *artifact.Artifact, i runtime.Info, secret, owner, root string) string {
	var b strings.Builder
	names := slices.Sorted(maps.Keys(i.Listeners))
	if len(names) == 0 {
		return ""
	}
	// The first listener in clear text, which needs no certificate to be trusted; else the first.
	secure := func(name string) bool {
		return slices.ContainsFunc(a.Gateway.Listeners, func(l artifact.Listener) bool { return l.Name == name && l.TLS != nil })
	}
	name := names[max(0, slices.IndexFunc(names, func(n string) bool { return !secure(n) }))]
	base, flags := "http://"+local(i.Listeners[name]), "-s"
	if secure(name) {
		base, flags = "https://"+local(i.Listeners[name]), "-sk"
	}
	line := func(comment, format string, args ...any) {
		fmt.Fprintf(&b, "\n# %s\n%s\n", comment, fmt.Sprintf(format, args...))
	}
	auth := fmt.Sprintf("-H 'Authorization: Bearer %s'", secret)
	model := ""
	if owner != "" {
		fmt.Fprintf(&b, "\n# The key belongs to app %s and works only while this command runs.\n", owner)
		for _, app := range a.Apps {
			if a.Tenants[app.Tenant].Name+"/"+app.Name == owner && len(app.Models) > 0 {
				model = a.Models[app.Models[0]].Name
			}
		}
	}
	if model != "" {
		chat := func(flags, more string) string {
			return fmt.Sprintf(`curl %s %s/v1/chat/completions %s -H 'Content-Type: application/json' -d '{"model":"%s",%s"messages":[{"role":"user","content":"Hello"}]}'`, flags, base, auth, model, more)
		}
		line("a chat", "%s", chat(flags, ""))
		line("a streamed chat", "%s", chat(flags+"N", `"stream":true,`))
		line("the same model, as Anthropic's clients ask for it", `curl %s %s/v1/messages %s -H 'anthropic-version: 2023-06-01' -H 'Content-Type: application/json' -d '{"model":"%s","max_tokens":200,"messages":[{"role":"user","content":"Hello"}]}'`,
			flags, base, strings.Replace(auth, "Authorization: Bearer ", "x-api-key: ", 1), model)
	}
	if r := exampleRoute(a); r != nil && (owner != "" || r.Auth == "none") {
		host, with := "", ""
		if r.Host != "" {
			host = fmt.Sprintf(" -H 'Host: %s'", strings.Replace(r.Host, "*", "any", 1))
		}
		if r.Auth != "none" {
			with = " " + auth
		}
		line("an API call", "curl %s '%s%s'%s%s", flags, base, fill(r.Path), host, with)
	}
	if len(a.Models) > 0 {
		line("a refused call, without a key", "curl %si %s/v1/models", flags, base)
	}
	if dir := a.Gateway.Calls.Dir; dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(root, dir)
		}
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		// Pasted at once after the calls, the records may not be on disk yet.
		wait := ""
		if flush := a.Gateway.Calls.Flush; flush <= 5*time.Second {
			wait = fmt.Sprintf("sleep %d; ", 1+int((flush+time.Second-1)/time.Second))
		}
		line("the call log", "%scat '%s'/*.ndjson", wait, dir)
	}
	if i.Admin != nil {
		line("the metrics", "curl -s http://%s/metrics", local(i.Admin))
	}
	b.WriteByte('\n')
	return b.String()
}

// exampleRoute returns an operation that can be called without a body: GET, on any host if there is one, with the
// fewest parameters.
func exampleRoute(a *artifact.Artifact) *artifact.Route {
	var best *artifact.Route
	score := func(r *artifact.Route) int {
		n := strings.Count(r.Path, "{")
		if r.Host != "" {
			n += 100
		}
		return n
	}
	for i := range a.Routes {
		r := &a.Routes[i]
		if r.Kind == artifact.RouteAPI && r.Method == "GET" && (best == nil || score(r) < score(best)) {
			best = r
		}
	}
	return best
}

// fill puts 1 for each parameter of a template.
func fill(path string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(path, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, path, _ = strings.Cut(rest, "}")
		b.WriteByte('1')
	}
}

// local returns an address at which this machine reaches a listener.
func local(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
