package importer

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// kong imports a declarative configuration of format 3.x (and 2.x where it reads the same).
//
// A route of Kong takes every path that begins with one of its own. gwc publishes operations, so each becomes two paths
// of a document, the path itself and "{path+}" for all below it, with the methods that the route names, or all.
func (b *builder) kong() {
	doc := b.doc
	doc.ignore("_comment", "_info", "_workspace")
	if v := doc.get("_format_version"); !strings.HasPrefix(v.str(), "3") && v.there() {
		b.lose(v, "_format_version", "only format 3 is known; what looks the same was carried over")
	}
	doc.get("_transform").used = true
	k := &kong{builder: b, upstreams: map[string]*value{}}
	for i, u := range doc.get("upstreams").list() {
		k.upstreams[u.get("name").str()] = u
		k.balancing(u, fmt.Sprintf("upstreams[%d]", i))
	}
	k.global = k.plugins(doc.get("plugins"), "plugins", "")
	for i, c := range doc.get("consumers").list() {
		k.consumer(c, fmt.Sprintf("consumers[%d]", i))
	}
	for i, s := range doc.get("services").list() {
		k.service(s, fmt.Sprintf("services[%d]", i))
	}
	k.loose()
}

type kong struct {
	*builder
	upstreams map[string]*value
	global    policy
}

// policy is what plugins come to.
type policy struct {
	auth   string           // "key", or "" where no plugin says
	limits []scaffold.Limit // of each consumer
}

// plugins reads a list of plugins of one scope: "" is global, else "service", "route" or "consumer".
func (k *kong) plugins(list *value, path, scope string) (p policy) {
	for i, plugin := range list.list() {
		at := fmt.Sprintf("%s[%d]", path, i)
		name := plugin.get("name").str()
		plugin.ignore("tags", "id", "protocols", "instance_name")
		if plugin.get("enabled").is("false") {
			plugin.all()
			continue
		}
		config := plugin.get("config")
		if scope == "" && (plugin.get("service").there() || plugin.get("route").there() || plugin.get("consumer").there()) {
			// One that stands apart from what it is about.
			if !slices.Contains(harmless, name) {
				p.auth = "key"
			}
			k.lose(plugin, at, "plugin %q: move it below what it names and import again", clean(name))
			continue
		}
		switch {
		case name == "key-auth":
			p.auth = "key"
			if names := config.get("key_names"); slices.ContainsFunc(names.texts(), func(n string) bool { return !ownHeader(n) }) || !names.there() {
				if !names.there() {
					names = plugin.get("name")
				}
				k.lose(names, at, "callers have to send the key in Authorization (as Bearer), x-api-key or x-goog-api-key")
			}
			config.ignore("hide_credentials", "key_in_body", "key_in_header", "key_in_query", "run_on_preflight", "anonymous", "realm")
			if config.get("anonymous").there() {
				k.lost = append(k.lost, Loss{config.get("anonymous").line, at + ".config.anonymous", "callers without a key are refused"})
			}
		case isAuth(name):
			p.auth = "key" // It stays protected, though by another credential.
			k.lose(plugin, at, "plugin %q is not built: operations ask for a key of gwc instead", clean(name))
		case name == "rate-limiting" && (scope == "consumer" || scope == "" && (config.get("limit_by").is("consumer") || !config.get("limit_by").there())):
			for _, w := range []struct{ field, per string }{{"second", "1s"}, {"minute", "1m"}, {"hour", "1h"}, {"day", "24h"}} {
				if n, ok := config.get(w.field).integer(); ok && n > 0 && n <= 1_000_000_000 {
					p.limits = append(p.limits, scaffold.Limit{Requests: n, Per: w.per})
				}
			}
			for _, f := range []string{"month", "year"} {
				if config.get(f).there() {
					k.lose(config.get(f), at+".config."+f, "windows longer than a day are not built yet")
				}
			}
			if pol := config.get("policy"); pol.there() && !pol.is("local") {
				k.lose(pol, at+".config.policy", "counters live in each process")
			}
			config.ignore("limit_by", "fault_tolerant", "hide_client_headers", "error_code", "error_message", "sync_rate")
			for _, f := range config.fields {
				if strings.HasPrefix(f.name, "redis") {
					k.lose(f.v, at+".config."+f.name, "counters live in each process")
				}
			}
		case name == "rate-limiting":
			k.lose(plugin, at, "plugin \"rate-limiting\": only apps have limits yet")
		default:
			if !slices.Contains(harmless, name) {
				p.auth = "key" // Nobody knows whom it lets through.
				k.lose(plugin, at, "plugin %q is not known: operations ask for a key of gwc instead", clean(name))
				continue
			}
			k.lose(plugin, at, "plugin %q has no counterpart", clean(name))
		}
	}
	p.limits = binding(p.limits)
	return p
}

// isAuth reports whether a plugin decides who may call.
func isAuth(name string) bool {
	return slices.Contains([]string{"key-auth", "basic-auth", "jwt", "hmac-auth", "oauth2", "ldap-auth", "ldap-auth-advanced", "openid-connect", "mtls-auth",
		"jwt-signer", "session", "acl", "ip-restriction", "key-auth-enc", "oauth2-introspection", "saml", "vault-auth", "opa", "header-cert-auth", "bot-detection",
		"request-termination"}, name)
}

// harmless are plugins that refuse nobody who could call without them.
var harmless = []string{"rate-limiting", "rate-limiting-advanced", "response-ratelimiting", "request-size-limiting", "cors", "correlation-id", "prometheus", "proxy-cache",
	"proxy-cache-advanced", "request-transformer", "request-transformer-advanced", "response-transformer", "response-transformer-advanced", "file-log", "http-log", "tcp-log", "udp-log",
	"syslog", "loggly", "statsd", "datadog", "zipkin", "opentelemetry", "standard-webhooks", "grpc-web", "grpc-gateway", "ai-proxy", "redirect", "canary", "route-by-header"}

// binding drops limits that another one makes void: the language refuses them.
func binding(limits []scaffold.Limit) (out []scaffold.Limit) {
	for i, l := range limits {
		per, _ := time.ParseDuration(l.Per)
		void := false
		for j, o := range limits {
			other, _ := time.ParseDuration(o.Per)
			if i == j || other == 0 || per == 0 {
				continue
			}
			// o lets at most as many through in every window of l, and at once.
			if other <= per && float64(o.Requests)*float64(per)/float64(other) <= float64(l.Requests) && (other < per || j < i) {
				void = true
			}
			if other > per && o.Requests <= l.Requests {
				void = true
			}
		}
		if !void {
			out = append(out, l)
		}
	}
	return out
}

// consumer becomes an app.
func (k *kong) consumer(c *value, path string) {
	name := c.get("username").str()
	if name == "" {
		name = c.get("custom_id").str()
	}
	c.ignore("tags", "id", "custom_id")
	app := scaffold.App{Tenant: k.o.Tenant, Name: k.name("app", name)}
	for i, key := range c.get("keyauth_credentials").list() {
		key.ignore("tags", "id")
		if ttl := key.get("ttl"); ttl.there() {
			k.lose(ttl, fmt.Sprintf("%s.keyauth_credentials[%d].ttl", path, i), "write the day on which the key ends: expires")
		}
		k.addKey(&app, key.get("key"), fmt.Sprintf("%s.keyauth_credentials[%d].key", path, i))
	}
	p := k.plugins(c.get("plugins"), path+".plugins", "consumer")
	app.Limits = p.limits
	if app.Limits == nil {
		app.Limits = k.global.limits
	}
	for _, f := range c.fields {
		if !f.v.used && (strings.HasSuffix(f.name, "_credentials") || f.name == "jwt_secrets" || f.name == "acls" || f.name == "groups") {
			k.lose(f.v, path+"."+f.name, "callers are known by keys only")
		}
	}
	k.apps = append(k.apps, app)
}

// balancing reports what an upstream has beside its targets.
func (k *kong) balancing(u *value, path string) {
	u.ignore("tags", "id", "slots", "hash_fallback_header")
	if a := u.get("algorithm"); a.there() && !a.is("round-robin") {
		k.lose(a, path+".algorithm", "endpoints take turns by weight")
	}
	for _, f := range []string{"healthchecks", "host_header", "client_certificate"} {
		if v := u.get(f); v.there() {
			k.lose(v, path+"."+f, "not built yet")
		}
	}
	if h := u.get("hash_on"); h.there() && !h.is("none") {
		k.lose(h, path+".hash_on", "endpoints take turns by weight")
	}
	for i, t := range u.get("targets").list() {
		t.ignore("tags", "id", "target", "weight")
		_ = i
	}
}

// server returns the endpoints of a service.
func (k *kong) server(s *value, path string) (want scaffold.Upstream, ok bool) {
	text := s.get("url").str()
	if text == "" {
		host := s.get("host").str()
		scheme := s.get("protocol").str()
		if scheme == "" {
			scheme = "http"
		}
		port := s.get("port").str()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[scheme]
		}
		text = scheme + "://" + host + ":" + port + s.get("path").str()
		if port == map[string]string{"http": "80", "https": "443"}[scheme] {
			text = scheme + "://" + host + s.get("path").str()
		}
	} else {
		s.ignore("host", "protocol", "port", "path")
	}
	at, wrong := serverURL(text)
	if wrong != "" {
		k.lose(s, path, "its URL %s", wrong)
		return want, false
	}
	u, err := url.Parse(at)
	if err != nil || u.Path != "" && !isBasePath(u.Path) {
		k.lose(s, path, "its URL has a path that is not plain")
		return want, false
	}
	want.Name = s.get("name").str()
	if want.Name == "" {
		want.Name = u.Hostname()
	}
	millis := func(f string) string {
		n, isNumber := s.get(f).integer()
		if !isNumber || n <= 0 || n > 3_600_000 {
			return ""
		}
		return duration(time.Duration(n)*time.Millisecond, time.Millisecond, map[string]time.Duration{"connect_timeout": 5 * time.Minute, "read_timeout": time.Hour}[f])
	}
	want.Connect, want.FirstByte = millis("connect_timeout"), millis("read_timeout")
	want.Idle = want.FirstByte
	balanced := k.upstreams[u.Hostname()]
	if balanced == nil {
		want.Endpoints = []scaffold.Endpoint{{URL: at}}
		return want, true
	}
	for i, t := range balanced.get("targets").list() {
		weight, has := t.get("weight").integer()
		if has && weight == 0 {
			continue
		}
		if !has {
			weight = 100
		}
		host := t.get("target").str()
		if host == "" && t.scalar() {
			host = t.str()
		}
		if !strings.Contains(host, ":") {
			host += ":8000" // Kong's own default
		}
		at, wrong := serverURL(u.Scheme + "://" + host + u.EscapedPath())
		if wrong != "" {
			k.lose(t, fmt.Sprintf("upstreams.%s.targets[%d]", clean(u.Hostname()), i), "its address %s", wrong)
			continue
		}
		want.Endpoints = append(want.Endpoints, scaffold.Endpoint{URL: at, Weight: int(min(max(weight, 1), 1000))})
	}
	if len(want.Endpoints) == 0 {
		k.lose(s, path, "its upstream has no target")
		return want, false
	}
	same := true
	for _, e := range want.Endpoints {
		same = same && e.Weight == want.Endpoints[0].Weight
	}
	if same {
		for i := range want.Endpoints {
			want.Endpoints[i].Weight = 0
		}
	}
	return want, true
}

func (k *kong) service(s *value, path string) {
	s.ignore("tags", "id")
	if s.get("enabled").is("false") {
		k.lose(s, path, "it is not enabled")
		return
	}
	p := k.plugins(s.get("plugins"), path+".plugins", "service")
	if p.auth == "" {
		p.auth = k.global.auth
	}
	want, ok := k.server(s, path)
	if !ok {
		return
	}
	if r := s.get("retries"); r.there() {
		k.lose(r, path+".retries", "gwc makes another attempt only where a server was not reached")
	}
	if w := s.get("write_timeout"); w.there() {
		k.lose(w, path+".write_timeout", "has no counterpart")
	}
	routes := s.get("routes").list()
	for i, r := range routes {
		k.route(r, fmt.Sprintf("%s.routes[%d]", path, i), want, p)
	}
	name := s.get("name").str()
	for i, r := range k.doc.get("routes").list() {
		ref := r.get("service")
		if n := ref.get("name").str() + ref.str(); n != "" && n == name {
			ref.all()
			k.route(r, fmt.Sprintf("routes[%d]", i), want, p)
		}
	}
}

// loose reports routes that no service took.
func (k *kong) loose() {
	for i, r := range k.doc.get("routes").list() {
		if !r.get("service").there() || !r.get("paths").used && !r.get("hosts").used {
			k.lose(r, fmt.Sprintf("routes[%d]", i), "its service is not in the file")
		}
	}
}

func (k *kong) route(r *value, path string, want scaffold.Upstream, p policy) {
	r.ignore("tags", "id", "name", "protocols", "regex_priority", "request_buffering", "response_buffering", "https_redirect_status_code", "path_handling")
	own := k.plugins(r.get("plugins"), path+".plugins", "route")
	auth := own.auth
	if auth == "" {
		auth = p.auth
	}
	if auth == "" {
		auth = "none"
	}
	for _, f := range []string{"headers", "snis", "sources", "destinations", "expression"} {
		if v := r.get(f); v.there() {
			k.lose(r, path, "routes are told apart by host, method and path only, not by %s", f)
			return
		}
	}
	if v := r.get("preserve_host"); v.is("true") {
		k.lose(v, path+".preserve_host", "the server is asked by its own name")
	}
	var hosts []string
	for i, h := range r.get("hosts").list() {
		if host := strings.ToLower(h.str()); hostForm.MatchString(host) {
			hosts = append(hosts, host)
		} else {
			k.lose(h, fmt.Sprintf("%s.hosts[%d]", path, i), "is not a host that gwc can tell apart")
		}
	}
	if len(hosts) == 0 && len(r.get("hosts").list()) > 0 {
		k.lose(r, path, "none of its hosts is carried over")
		return
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	use := methods
	if m := r.get("methods").texts(); len(m) > 0 {
		use = nil
		for _, x := range m {
			if x = strings.ToUpper(x); slices.Contains(methods, x) {
				use = append(use, x)
			} else {
				k.lose(r.get("methods"), path+".methods", "method %q cannot stand in an OpenAPI document", clean(x))
			}
		}
	}
	strip := !r.get("strip_path").is("false")
	prefixes := r.get("paths").list()
	if len(prefixes) == 0 {
		prefixes = []*value{{kind: 's', text: "/", line: r.line, used: true}}
	}
	for i, v := range prefixes {
		at := fmt.Sprintf("%s.paths[%d]", path, i)
		prefix := v.str()
		if strings.HasPrefix(prefix, "~") {
			k.lose(v, at, "regular expressions have no counterpart: write templates")
			continue
		}
		// "/x" and "/x/" take the same paths, but for "/x" itself.
		slash := strings.HasSuffix(prefix, "/")
		prefix = strings.TrimRight(prefix, "/")
		if !isBasePath(prefix) {
			k.lose(v, at, "is not a plain path")
			continue
		}
		k.prefix(v, at, prefix, slash, strip, hosts, use, auth, want)
	}
}

// prefix publishes everything below a path. Where the path is taken off, the path itself cannot be published: what is
// left of it would be empty.
func (b *builder) prefix(v *value, at, prefix string, slash, strip bool, hosts, use []string, auth string, want scaffold.Upstream) {
	base := ""
	paths := []string{prefix + "/", prefix + "/{path+}"}
	if !slash && prefix != "" {
		paths = append([]string{prefix}, paths...)
	}
	if strip {
		base, paths = prefix, []string{"/", "/{path+}"}
		if !slash && prefix != "" {
			b.lost = append(b.lost, Loss{v.line, at, fmt.Sprintf("%s itself is not published, only what is below it: callers have to ask for %s/", prefix, prefix)})
		}
	}
	a, paths := b.place(base, hosts, want, paths...)
	if a == nil {
		b.lose(v, at, "another service is published at %s already: give one of the two a path of its own", base)
		return
	}
	wrong := ""
	for _, p := range paths {
		for _, m := range use {
			if m == "HEAD" && slices.Contains(use, "GET") {
				continue // A GET answers it.
			}
			if why := b.publish(a, m, p, auth, ""); why != "" {
				wrong = why
			}
		}
	}
	if wrong != "" {
		b.lose(v, at, "%s", wrong)
	}
}
