package importer

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/compiler/scaffold"
)

// apisix imports apisix.yaml of the standalone mode.
//
// A route with a uri is one path; one that ends with "*" is that path with anything after it. A request goes to the
// upstream as it came, but for the plugin proxy-rewrite where it takes a beginning of the path off.
func (b *builder) apisix() {
	x := &apisix{builder: b, upstreams: map[string]*value{}, services: map[string]*value{}, configs: map[string]*value{}}
	for _, group := range []struct {
		name string
		into map[string]*value
	}{{"upstreams", x.upstreams}, {"services", x.services}, {"plugin_configs", x.configs}} {
		for _, v := range b.doc.get(group.name).list() {
			group.into[v.get("id").str()] = v
		}
	}
	global := gate{}
	for i, r := range b.doc.get("global_rules").list() {
		r.ignore("id", "desc", "labels")
		global = x.plugins(r.get("plugins"), fmt.Sprintf("global_rules[%d].plugins", i), global)
	}
	groups := map[string]*value{}
	for _, g := range b.doc.get("consumer_groups").list() {
		groups[g.get("id").str()] = g
	}
	for i, c := range b.doc.get("consumers").list() {
		x.consumer(c, fmt.Sprintf("consumers[%d]", i), groups)
	}
	for i, r := range b.doc.get("routes").list() {
		x.route(r, fmt.Sprintf("routes[%d]", i), global)
	}
}

type apisix struct {
	*builder
	upstreams, services, configs map[string]*value
}

// gate is what the plugins of a route come to.
type gate struct {
	auth     string // "key", or "" where no plugin says
	from, to string // the beginning of the path that is taken off, and what is put in its place
	reason   string // why the route cannot be carried over
}

// authentication are plugins that decide who may call.
var authentication = []string{"key-auth", "jwt-auth", "basic-auth", "hmac-auth", "openid-connect", "wolf-rbac", "authz-casbin", "authz-keycloak", "authz-casdoor",
	"forward-auth", "opa", "ldap-auth", "cas-auth", "multi-auth", "consumer-restriction", "ip-restriction", "ua-restriction", "referer-restriction", "csrf", "jwe-decrypt", "uri-blocker", "acl"}

// unguarded are plugins that refuse nobody who could call without them.
var unguarded = []string{"cors", "prometheus", "zipkin", "skywalking", "opentelemetry", "request-id", "real-ip", "response-rewrite", "proxy-cache", "proxy-mirror", "proxy-control",
	"http-logger", "tcp-logger", "udp-logger", "file-logger", "kafka-logger", "syslog", "log-rotate", "datadog", "error-log-logger", "loggly", "splunk-hec-logging", "clickhouse-logger",
	"elasticsearch-logger", "gzip", "brotli", "redirect", "echo", "api-breaker", "traffic-split", "request-validation", "client-control", "server-info", "node-status", "grpc-web",
	"grpc-transcode", "body-transformer", "mocking", "public-api", "ai-proxy", "attach-consumer-label"}

// strip is the form of regex_uri that takes a beginning of the path off: ["^/v1/(.*)", "/$1"].
var (
	stripFrom = regexp.MustCompile(`^\^?((?:/[A-Za-z0-9._~-]+)*)/\(\.[*+]\)\$?$`)
	stripTo   = regexp.MustCompile(`^((?:/[A-Za-z0-9._~-]+)*)/\$1$`)
)

func (x *apisix) plugins(list *value, path string, g gate) gate {
	for _, f := range list.fields {
		f.v.used = true
		at := path + "." + f.name
		if meta := f.v.get("_meta"); meta.get("disable").is("true") {
			f.v.all()
			continue
		}
		switch {
		case f.name == "key-auth":
			g.auth = "key"
			if h := f.v.get("header"); !ownHeader(h.str()) {
				if !h.there() {
					h = f.v
				}
				x.lose(h, at, "callers have to send the key in Authorization (as Bearer), x-api-key or x-goog-api-key")
			}
			f.v.ignore("query", "hide_credentials", "_meta")
		case slices.Contains(authentication, f.name):
			g.auth = "key" // It stays protected, though by something else.
			x.lose(f.v, at, "plugin %q is not built: the operation asks for a key of gwc instead", f.name)
		case f.name == "proxy-rewrite":
			regex := f.v.get("regex_uri").texts()
			switch {
			case f.v.get("uri").there():
				g.reason = "proxy-rewrite to one fixed path has no counterpart"
			case len(regex) == 2 && stripFrom.MatchString(regex[0]) && stripTo.MatchString(regex[1]):
				g.from, g.to = stripFrom.FindStringSubmatch(regex[0])[1], stripTo.FindStringSubmatch(regex[1])[1]
			case len(regex) > 0:
				g.reason = "this regex_uri is more than taking a beginning off the path"
			case f.v.get("method").there():
				g.reason = "methods cannot be rewritten"
			}
			for _, n := range []string{"host", "headers", "scheme"} {
				x.lose(f.v.get(n), at+"."+n, "not built yet")
			}
			f.v.ignore("use_real_request_uri_unsafe", "_meta", "uri", "method")
		case strings.HasPrefix(f.name, "limit-"):
			x.lose(f.v, at, "plugin %q: only apps have limits yet", f.name)
		case !slices.Contains(unguarded, f.name):
			g.auth = "key" // Nobody knows whom it lets through.
			x.lose(f.v, at, "plugin %q is not known: the operation asks for a key of gwc instead", clean(f.name))
		default:
			x.lose(f.v, at, "plugin %q has no counterpart", f.name)
		}
	}
	return g
}

// consumer becomes an app.
func (x *apisix) consumer(c *value, path string, groups map[string]*value) {
	c.ignore("desc", "labels", "create_time", "update_time")
	app := scaffold.App{Tenant: x.o.Tenant, Name: x.name("app", c.get("username").str())}
	plugins := []struct {
		v    *value
		path string
	}{{c.get("plugins"), path + ".plugins"}}
	if id := c.get("group_id"); id.there() {
		if g := groups[id.str()]; g != nil {
			plugins = append(plugins, struct {
				v    *value
				path string
			}{g.get("plugins"), "consumer_groups.plugins"})
		} else {
			x.lose(id, path+".group_id", "the group is not in the file")
		}
	}
	for _, p := range plugins {
		for _, f := range p.v.fields {
			f.v.used = true
			at := p.path + "." + f.name
			switch f.name {
			case "key-auth":
				x.addKey(&app, f.v.get("key"), at+".key")
				f.v.ignore("_meta")
			case "limit-count":
				n, ok := f.v.get("count").integer()
				window, inSeconds := f.v.get("time_window").integer()
				if !ok || !inSeconds || n < 1 || n > 1_000_000_000 || window < 1 || window > 86400 {
					x.lose(f.v, at, "its count or its window is not one that gwc knows")
					continue
				}
				app.Limits = append(app.Limits, scaffold.Limit{Requests: n, Per: duration(time.Duration(window)*time.Second, time.Second, 24*time.Hour)})
				if pol := f.v.get("policy"); pol.there() && !pol.is("local") {
					x.lose(pol, at+".policy", "counters live in each process")
				}
				f.v.ignore("key", "key_type", "rejected_code", "rejected_msg", "show_limit_quota_header", "allow_degradation", "group", "_meta")
			default:
				if slices.Contains(authentication, f.name) {
					x.lose(f.v, at, "callers are known by keys only")
				} else {
					x.lose(f.v, at, "plugin %q has no counterpart", clean(f.name))
				}
			}
		}
	}
	app.Limits = binding(app.Limits)
	x.apps = append(x.apps, app)
}

func (x *apisix) route(r *value, path string, global gate) {
	r.ignore("id", "name", "desc", "labels", "priority", "create_time", "update_time")
	if s := r.get("status"); s.is("0") {
		x.lose(r, path, "it is switched off")
		return
	}
	for _, f := range []string{"vars", "remote_addr", "remote_addrs", "filter_func", "script"} {
		if r.get(f).there() {
			x.lose(r, path, "routes are told apart by host, method and path only, not by %s", f)
			return
		}
	}
	if r.get("enable_websocket").is("true") {
		x.lose(r.get("enable_websocket"), path+".enable_websocket", "WebSockets are not built yet")
	}
	g := global
	var service *value = none
	if id := r.get("service_id"); id.there() {
		if service = x.services[id.str()]; service == nil {
			x.lose(r, path, "its service is not in the file")
			return
		}
		service.ignore("id", "name", "desc", "labels", "enable_websocket")
		g = x.plugins(service.get("plugins"), "services."+clean(id.str())+".plugins", g)
	}
	if id := r.get("plugin_config_id"); id.there() {
		config := x.configs[id.str()]
		if config == nil {
			x.lose(r, path, "its plugin_config is not in the file")
			return
		}
		config.ignore("id", "desc", "labels")
		g = x.plugins(config.get("plugins"), "plugin_configs."+clean(id.str())+".plugins", g)
	}
	g = x.plugins(r.get("plugins"), path+".plugins", g)
	if g.reason != "" {
		x.lose(r, path, "%s", g.reason)
		return
	}
	if g.auth == "" {
		g.auth = "none"
	}
	up := r.get("upstream")
	id := r.get("upstream_id")
	if !up.there() && !id.there() && service != none {
		up, id = service.get("upstream"), service.get("upstream_id")
	}
	if !up.there() && id.there() {
		if up = x.upstreams[id.str()]; up == nil {
			x.lose(r, path, "its upstream is not in the file")
			return
		}
	}
	want, wrong := x.nodes(up, path+".upstream")
	if wrong != "" {
		x.lose(r, path, "%s", wrong)
		return
	}
	for i := range want.Endpoints {
		want.Endpoints[i].URL += g.to
	}
	if want.Name == "" {
		if want.Name = id.str(); want.Name == "" || want.Name[0] >= '0' && want.Name[0] <= '9' {
			if u, err := url.Parse(want.Endpoints[0].URL); err == nil {
				want.Name = u.Hostname()
			}
		}
	}
	timeout := ""
	if t := r.get("timeout"); t.there() {
		// It bounds each step; none of them is the whole, so that it is the upstream's.
		want.Connect, want.FirstByte, want.Idle = steps(t)
	}
	var hosts []string
	named := append(r.get("hosts").list(), r.get("host").list()...)
	if len(named) == 0 && service != none {
		named = service.get("hosts").list()
	}
	for _, h := range named {
		if host := strings.ToLower(h.str()); hostForm.MatchString(host) {
			hosts = append(hosts, host)
		} else {
			x.lose(h, path+".hosts", "is not a host that gwc can tell apart")
		}
	}
	if len(named) > 0 && len(hosts) == 0 {
		x.lose(r, path, "none of its hosts is carried over")
		return
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	use := methods
	if m := r.get("methods").texts(); len(m) > 0 {
		use = nil
		for _, name := range m {
			if slices.Contains(methods, name) {
				use = append(use, name)
			} else {
				x.lose(r.get("methods"), path+".methods", "method %q cannot stand in an OpenAPI document", clean(name))
			}
		}
	}
	for _, uri := range append(r.get("uris").list(), r.get("uri").list()...) {
		x.uri(uri, path+".uri", g, hosts, use, timeout, want)
	}
}

// uri publishes one path, or with "*" at its end all that begin with it.
func (x *apisix) uri(uri *value, path string, g gate, hosts, use []string, timeout string, want scaffold.Upstream) {
	text := uri.str()
	template, star := strings.CutSuffix(text, "*")
	if strings.ContainsAny(template, "*{}?#") || !strings.HasPrefix(template, "/") || star && !strings.HasSuffix(template, "/") {
		x.lose(uri, path, "is not a plain path, nor one that ends with \"/*\"")
		return
	}
	// A parameter of APISIX's other router: "/users/:id".
	segments := strings.Split(template, "/")
	for i, s := range segments {
		if name, ok := strings.CutPrefix(s, ":"); ok && paramName.MatchString(name) {
			segments[i] = "{" + name + "}"
		}
	}
	template = strings.Join(segments, "/")
	base := ""
	if g.from != "" {
		rest, ok := strings.CutPrefix(template, g.from)
		if !ok || !strings.HasPrefix(rest, "/") {
			x.lose(uri, path, "proxy-rewrite takes off a beginning that it does not have")
			return
		}
		base, template = g.from, rest
	} else if g.to != "" {
		base = ""
	}
	templates := []string{template}
	if star {
		templates = []string{template, template + "{path+}"}
	}
	a, templates := x.place(base, hosts, want, templates...)
	if a == nil {
		x.lose(uri, path, "another upstream is published at %s already: give one of the two a path of its own", base)
		return
	}
	wrong := ""
	for _, t := range templates {
		for _, m := range use {
			if m == "HEAD" && slices.Contains(use, "GET") {
				continue
			}
			if why := x.publish(a, m, t, g.auth, timeout); why != "" {
				wrong = why
			}
		}
	}
	if wrong != "" {
		x.lose(uri, path, "%s", wrong)
	}
}

var paramName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// steps reads a timeout of APISIX, in seconds for each step.
func steps(t *value) (connect, firstByte, idle string) {
	connect = duration(seconds(t.get("connect")), time.Millisecond, 5*time.Minute)
	read := seconds(t.get("read"))
	t.get("send").used = true
	return connect, duration(read, time.Millisecond, time.Hour), duration(read, time.Millisecond, time.Hour)
}

// nodes reads an upstream.
func (x *apisix) nodes(up *value, path string) (want scaffold.Upstream, wrong string) {
	if !up.there() {
		return want, "it has no upstream"
	}
	up.ignore("id", "name", "desc", "labels", "create_time", "update_time", "hash_on", "key", "pass_host", "retries", "retry_timeout", "keepalive_pool")
	if p := up.get("pass_host"); p.there() && !p.is("pass") {
		x.lose(p, path+".pass_host", "the server is asked by its own name")
	} else if !p.there() {
		up.get("upstream_host").all()
	}
	if t := up.get("type"); t.there() && !t.is("roundrobin") {
		x.lose(t, path+".type", "endpoints take turns by weight")
	}
	for _, f := range []string{"checks", "tls", "upstream_host"} {
		x.lose(up.get(f), path+"."+f, "not built yet")
	}
	if up.get("service_name").there() || up.get("discovery_type").there() {
		return want, "its servers are found by service discovery"
	}
	scheme := up.get("scheme").str()
	if scheme == "" {
		scheme = "http"
	}
	want.Connect, want.FirstByte, want.Idle = steps(up.get("timeout"))
	add := func(host string, port, weight int64) string {
		if weight == 0 {
			return "" // takes no part
		}
		if port > 0 {
			host += ":" + strconv.FormatInt(port, 10)
		}
		at, wrong := serverURL(scheme + "://" + host)
		if wrong != "" {
			return "the address of a node " + wrong
		}
		want.Endpoints = append(want.Endpoints, scaffold.Endpoint{URL: at, Weight: int(min(max(weight, 1), 1000))})
		return ""
	}
	nodes := up.get("nodes")
	for _, f := range nodes.fields {
		f.v.used = true
		weight, ok := f.v.integer()
		if !ok {
			weight = 1
		}
		if wrong := add(f.name, 0, weight); wrong != "" {
			return want, wrong
		}
	}
	if nodes.kind == 'l' {
		for _, n := range nodes.list() {
			weight, ok := n.get("weight").integer()
			if !ok {
				weight = 1
			}
			port, _ := n.get("port").integer()
			n.ignore("priority", "metadata")
			if wrong := add(n.get("host").str(), port, weight); wrong != "" {
				return want, wrong
			}
		}
	}
	if len(want.Endpoints) == 0 {
		return want, "its upstream has no node"
	}
	first := want.Endpoints[0].Weight
	if !slices.ContainsFunc(want.Endpoints, func(e scaffold.Endpoint) bool { return e.Weight != first }) {
		for i := range want.Endpoints {
			want.Endpoints[i].Weight = 0
		}
	}
	return want, ""
}
