package importer

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// krakend imports version 3 of KrakenD's configuration.
//
// gwc takes the base path off a request and puts the path of the upstream's URL in its place, so an endpoint can be
// carried over where it and its url_pattern end alike. Endpoints whose beginnings and hosts are the same become one API.
func (b *builder) krakend() {
	doc := b.doc
	doc.ignore("$schema", "@comment", "name", "output_encoding", "debug_endpoint", "echo_endpoint", "sequential_start")
	if v := doc.get("version"); v.there() && !v.is("3") {
		b.lose(v, "version", "only version 3 is known; what looks the same was carried over")
	}
	if port, ok := doc.get("port").integer(); ok && port > 0 && port < 65536 {
		b.gateway.Address = fmt.Sprintf(":%d", port)
	} else {
		b.gateway.Address = ":8080"
	}
	tls := doc.get("tls")
	pair := tls
	if keys := tls.get("keys").list(); len(keys) > 0 {
		pair = keys[0]
		for i, k := range keys[1:] {
			b.lose(k, fmt.Sprintf("tls.keys[%d]", i+1), "a listener has one certificate")
		}
	}
	if cert, key := pair.get("public_key").str(), pair.get("private_key").str(); cert != "" && key != "" {
		b.gateway.Cert, b.gateway.Key = "file:"+cert, "file:"+key
	}
	timeout := b.period(doc.get("timeout"), "timeout")
	if timeout == 0 {
		timeout = 2 * time.Second // KrakenD's own default
	}
	extra := doc.get("extra_config")
	hosts := doc.get("host")
	headers := b.krakendKeys(extra.get("auth/api-keys"))
	for i, e := range doc.get("endpoints").list() {
		b.endpoint(e, fmt.Sprintf("endpoints[%d]", i), hosts, timeout, headers)
	}
	b.extra(extra, "extra_config")
}

// period reads a duration of Go's form, or whole nanoseconds.
func (b *builder) period(v *value, path string) time.Duration {
	if !v.there() {
		return 0
	}
	d, err := time.ParseDuration(v.str())
	if err != nil || d <= 0 {
		b.lose(v, path, "is not a duration")
		return 0
	}
	return d
}

// extra reports extensions, each with its reason.
func (b *builder) extra(extra *value, path string) {
	for _, f := range extra.fields {
		if f.v.used {
			continue
		}
		reason := "extension %q has no counterpart"
		switch name, _, _ := strings.Cut(f.name, "/"); {
		case strings.HasPrefix(f.name, "auth/"):
			reason = "%q is not built: the operation asks for a key of gwc instead"
		case strings.HasPrefix(f.name, "qos/ratelimit"):
			reason = "%q: only apps have limits yet"
		case name == "telemetry":
			reason = "%q: gwc has its own call log and metrics"
		case name == "validation":
			reason = "%q: requests are not held against a schema yet"
		}
		b.lose(f.v, path+"."+f.name, reason, f.name)
	}
}

// krakendKeys makes an app of each key of the role-based API keys.
func (b *builder) krakendKeys(v *value) (known bool) {
	if !v.there() {
		return false
	}
	const path = "extra_config.auth/api-keys"
	if s := v.get("strategy"); s.there() && !s.is("header") {
		b.lose(s, path+".strategy", "callers have to send the key in Authorization, x-api-key or x-goog-api-key")
	}
	if id := v.get("identifier"); id.there() && !ownHeader(id.str()) {
		b.lose(id, path+".identifier", "callers have to send the key in Authorization, x-api-key or x-goog-api-key")
	}
	hashing, salt := v.get("hash"), v.get("salt")
	roles := map[string]bool{}
	for i, k := range v.get("keys").list() {
		at := fmt.Sprintf("%s.keys[%d]", path, i)
		text := k.get("@description").str()
		for _, r := range k.get("roles").texts() {
			roles[r] = true
			if text == "" {
				text = r
			}
		}
		k.ignore("enabled", "plain")
		if text == "" {
			text = "app"
		}
		app := scaffold.App{Tenant: b.o.Tenant, Name: b.name("app", text)}
		key := k.get("key")
		switch {
		case !hashing.there() || hashing.is("plain"):
			b.addKey(&app, key, at+".key")
		case hashing.is("sha256") && salt.str() == "" && sha256Hex.MatchString(key.str()):
			app.Keys = []scaffold.Key{{ID: app.Name + "-1", Hash: "sha256:" + strings.ToLower(key.str())}}
		default:
			b.lose(key, at+".key", "its hash is not a plain SHA-256: make a key with `gwc keys new %s/%s`", app.Tenant, app.Name)
		}
		b.apps = append(b.apps, app)
	}
	if len(roles) > 1 {
		b.lost = append(b.lost, Loss{v.line, path + ".keys", "every key reaches every operation that asks for one: roles are not carried over"})
	}
	return true
}

var sha256Hex = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// ownHeader reports whether gwc looks for keys in a header.
func ownHeader(name string) bool {
	return slices.Contains([]string{"authorization", "x-api-key", "x-goog-api-key"}, strings.ToLower(name))
}

// endpoint carries one endpoint over.
func (b *builder) endpoint(e *value, path string, hosts *value, timeout time.Duration, keys bool) {
	e.ignore("@comment", "output_encoding_comment")
	template := e.get("endpoint").str()
	method := e.get("method").str()
	if method == "" {
		method = "GET"
	}
	auth := "none"
	extra := e.get("extra_config")
	for _, f := range extra.fields {
		if strings.HasPrefix(f.name, "auth/") || strings.HasPrefix(f.name, "security/") || strings.HasPrefix(f.name, "plugin/") || strings.HasPrefix(f.name, "validation/cel") || strings.HasPrefix(f.name, "modifier/lua") {
			auth = "key" // Whatever it is that protects it: it stays protected.
		}
	}
	if k := extra.get("auth/api-keys"); k.there() && keys {
		k.get("roles").all() // Said once, with the keys.
		k.ignore("identifier", "strategy", "propagate_role")
	} else if k.there() {
		k.used = false
	}
	b.extra(extra, path+".extra_config")
	if d := b.period(e.get("timeout"), path+".timeout"); d > 0 {
		timeout = d
	}
	if enc := e.get("output_encoding"); enc.there() && !enc.is("no-op") && !enc.is("json") {
		b.lose(enc, path+".output_encoding", "answers are passed on as they are")
	}
	for _, f := range []string{"input_headers", "input_query_strings"} {
		if v := e.get(f); v.there() {
			// What KrakenD leaves out when nothing is said, gwc passes on.
			if !slices.Contains(v.texts(), "*") {
				b.lose(v, path+"."+f, "all of them are passed on")
			}
			v.all()
		}
	}
	if v := e.get("concurrent_calls"); v.there() && !v.is("1") {
		b.lose(v, path+".concurrent_calls", "each request is sent once")
	}
	backends := e.get("backend").list()
	if len(backends) != 1 {
		b.lose(e, path, "an endpoint with %d backends has no counterpart: answers are not merged", len(backends))
		return
	}
	back, backPath := backends[0], path+".backend[0]"
	pattern := back.get("url_pattern").str()
	if m := back.get("method"); m.there() && !strings.EqualFold(m.str(), method) {
		b.lose(e, path, "its backend has another method")
		return
	}
	back.ignore("encoding", "disable_host_sanitize", "@comment")
	if sd := back.get("sd"); sd.there() && !sd.is("static") {
		b.lose(e, path, "its backend is found by service discovery")
		return
	}
	for _, f := range []string{"allow", "deny", "mapping", "group", "target", "is_collection"} {
		b.lose(back.get(f), backPath+"."+f, "answers are passed on as they are")
	}
	b.extra(back.get("extra_config"), backPath+".extra_config")
	if h := back.get("host"); h.there() {
		hosts = h
	}
	want := scaffold.Upstream{}
	prefix, rest, ok := sharedEnd(template, pattern)
	if !ok {
		b.lose(e, path, "its path and its url_pattern do not end alike, so no base path leads from one to the other")
		return
	}
	if !slices.Contains(methods, strings.ToUpper(method)) {
		b.lose(e, path, "method %q cannot stand in an OpenAPI document", clean(method))
		return
	}
	for _, h := range hosts.list() {
		text := h.str()
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		at, wrong := serverURL(text + prefix[1])
		if wrong != "" {
			b.lose(e, path, "its host %s", wrong)
			return
		}
		want.Endpoints = append(want.Endpoints, scaffold.Endpoint{URL: at})
		if u, err := url.Parse(at); err == nil && want.Name == "" {
			want.Name = u.Hostname()
		}
	}
	if len(want.Endpoints) == 0 {
		b.lose(e, path, "it has no host")
		return
	}
	a, rests := b.place(prefix[0], nil, want, rest)
	if a == nil {
		b.lose(e, path, "another upstream is published at %s already: give one of the two a path of its own", prefix[0])
		return
	}
	if wrong := b.publish(a, strings.ToUpper(method), rests[0], auth, duration(timeout, time.Millisecond, time.Hour)); wrong != "" {
		b.lose(e, path, "%s", wrong)
	}
}

// place returns the API that publishes paths below a base path of an upstream, a new one where there is none yet, and
// what is left of the paths. Where another upstream has the base path, and the paths go on with a plain segment, that
// becomes part of the base path. It is nil where that does not help.
func (b *builder) place(base string, hosts []string, want scaffold.Upstream, rests ...string) (*api, []string) {
	for {
		taken := false
		for _, a := range b.apis {
			if a.BasePath != base || !overlap(a.Hosts, hosts) {
				continue
			}
			if a.Upstream == b.upstream(want) && slices.Equal(a.Hosts, hosts) {
				return a, rests
			}
			taken = taken || base != ""
		}
		if !taken {
			break
		}
		segment, _, _ := strings.Cut(strings.TrimPrefix(rests[0], "/"), "/")
		if segment == "" || !isBasePath("/"+segment) {
			return nil, nil
		}
		shorter := make([]string, len(rests))
		for i, r := range rests {
			after, ok := strings.CutPrefix(r, "/"+segment)
			if !ok || !strings.HasPrefix(after, "/") {
				return nil, nil
			}
			shorter[i] = after
		}
		base, rests = base+"/"+segment, shorter
		want.Endpoints = slices.Clone(want.Endpoints)
		for i := range want.Endpoints {
			want.Endpoints[i].URL += "/" + segment
		}
	}
	upstream := b.upstream(want)
	name := strings.Trim(base, "/")
	if name == "" {
		name = upstream
	}
	a := &api{title: name, API: scaffold.API{Name: b.name("api", name), Tenant: b.o.Tenant, BasePath: base, Hosts: hosts, Upstream: upstream}}
	b.apis = append(b.apis, a)
	return a, rests
}

// overlap reports whether two lists of hosts have one in common; the empty list is every host.
func overlap(x, y []string) bool {
	return len(x) == 0 && len(y) == 0 || slices.ContainsFunc(x, func(h string) bool { return slices.Contains(y, h) })
}

// sharedEnd splits a path and the path behind it into their beginnings, which must be plain, and the end that they
// share, which must hold all parameters. "/v1/users/{id}" and "/users/{id}" begin with "/v1" and "" and share
// "/users/{id}".
func sharedEnd(front, behind string) (beginnings [2]string, end string, ok bool) {
	if !strings.HasPrefix(front, "/") || !strings.HasPrefix(behind, "/") || strings.ContainsAny(front+behind, "?#* ") {
		return beginnings, "", false
	}
	f, h := strings.Split(front[1:], "/"), strings.Split(behind[1:], "/")
	n := 0
	for n < len(f) && n < len(h) && f[len(f)-1-n] == h[len(h)-1-n] {
		n++
	}
	join := func(l []string) string {
		if len(l) == 0 {
			return ""
		}
		return "/" + strings.Join(l, "/")
	}
	beginnings = [2]string{join(f[:len(f)-n]), join(h[:len(h)-n])}
	end = join(f[len(f)-n:])
	return beginnings, end, n > 0 && isBasePath(beginnings[0]) && isBasePath(beginnings[1])
}
