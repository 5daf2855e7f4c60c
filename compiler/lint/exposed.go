package lint

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gwc-dev/gwc/compiler/ir"
	"github.com/gwc-dev/gwc/schema/diag"
)

const (
	codeClearListener diag.Code = "GWC4106" // clear text where everybody expects TLS
	codeClearUpstream diag.Code = "GWC4107" // requests go to the internet in clear text
	codeOneSecret     diag.Code = "GWC4108" // one vendor gets the key of another
	codeOpenListener  diag.Code = "GWC4121" // callers' keys in clear text, to every network of the machine
	codeSecretTwice   diag.Code = "GWC5108" // a credential twice in a pool
)

// clearListener: a listener without TLS on a port where clients begin with a TLS handshake.
func (l *linter) clearListener() {
	for i := range l.p.Gateway.Listeners {
		ln := &l.p.Gateway.Listeners[i]
		if _, port, err := net.SplitHostPort(ln.Address); err != nil || ln.TLS != nil || port != "443" && port != "8443" {
			continue
		}
		l.warn(codeClearListener, []string{"gateway", "listeners", ln.Name, "address"}, diag.Diagnostic{
			Summary: fmt.Sprintf("listener %q is on a port of TLS and speaks clear text", ln.Name),
			Help:    []string{`give it tls: {cert: "file:…", key: "file:…"}, or another port`}})
	}
}

// openListener: a listener without TLS on every address of the machine, where callers send keys. On a port of TLS it is
// clearListener's.
func (l *linter) openListener() {
	if !slices.ContainsFunc(l.p.Routes, func(r ir.Route) bool { return r.Auth != "none" }) || len(l.p.Keys) == 0 {
		return
	}
	for i := range l.p.Gateway.Listeners {
		ln := &l.p.Gateway.Listeners[i]
		host, port, err := net.SplitHostPort(ln.Address)
		if err != nil || ln.TLS != nil || port == "443" || port == "8443" {
			continue
		}
		if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
			continue
		}
		l.warn(codeOpenListener, []string{"gateway", "listeners", ln.Name, "address"}, diag.Diagnostic{
			Summary: fmt.Sprintf("listener %q takes callers' keys in clear text on every address of the machine", ln.Name),
			Help:    []string{`give it tls: {cert: "file:…", key: "file:…"}, or the address that the proxy in front of it connects to`}})
	}
}

// clearUpstream: an endpoint on the internet over http://.
func (l *linter) clearUpstream() {
	for i := range l.p.Upstreams {
		u := &l.p.Upstreams[i]
		for j, e := range u.Endpoints {
			at, err := url.Parse(e.URL)
			if err != nil || at.Scheme != "http" || !public(at.Hostname()) {
				continue
			}
			path := []string{"upstreams", u.Name, "endpoints", strconv.Itoa(j), "url"}
			d := diag.Diagnostic{
				Summary: fmt.Sprintf("requests to upstream %q go to %q on the internet in clear text", u.Name, at.Host),
				Help:    []string{"use https:// where the server can"}}
			if at.Port() == "" {
				if s := l.p.Places.Value(path...); !s.IsZero() {
					d.Fixes = []diag.Fix{{Title: "use https://", Edits: []diag.Edit{{Span: s, New: strconv.Quote("https" + strings.TrimPrefix(e.URL, "http"))}}}}
				}
			}
			l.warn(codeClearUpstream, path, d)
		}
	}
}

// inside are the ends of names that nobody on the internet has (RFC 2606, RFC 6761, RFC 6762, RFC 8375, and what
// clusters and companies use).
var inside = []string{".internal", ".local", ".localhost", ".lan", ".corp", ".home", ".home.arpa", ".intranet", ".private", ".svc", ".consul", ".test", ".example", ".invalid"}

// public reports whether a host is surely on the internet: a name with dots that is not one of a company's own, or an
// address that is routed there.
func public(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
		return ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared.Contains(ip.Unmap()) && !documentation(ip.Unmap())
	}
	return strings.Contains(host, ".") && !slices.ContainsFunc(inside, func(end string) bool { return strings.HasSuffix(host, end) })
}

// documentation reports whether an address is one of those for examples (RFC 5737, RFC 3849).
func documentation(ip netip.Addr) bool {
	return slices.ContainsFunc([]string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"}, func(p string) bool {
		return netip.MustParsePrefix(p).Contains(ip)
	})
}

// oneSecret: a credential that two vendors get, or one vendor's pool has twice.
func (l *linter) oneSecret() {
	type use struct {
		provider, at int
	}
	path := func(u use) []string {
		return []string{"providers", l.p.Providers[u.provider].Name, "credentials", strconv.Itoa(u.at), "ref"}
	}
	first := map[string]use{}
	for i := range l.p.Providers {
		p := &l.p.Providers[i]
		for j, ref := range p.Credentials {
			was, seen := first[ref]
			if !seen {
				first[ref] = use{i, j}
				continue
			}
			other := &l.p.Providers[was.provider]
			d := diag.Diagnostic{Secondary: []diag.Label{{Span: l.at(path(was)), Text: "first here"}}}
			switch {
			case was.provider == i:
				d.Summary = fmt.Sprintf("provider %q has one credential twice", p.Name)
				d.Help = []string{"remove one of the two, or name another account's"}
				l.warn(codeSecretTwice, path(use{i, j}), d)
			case vendor(p) != vendor(other):
				d.Summary = fmt.Sprintf("providers %q and %q send one credential to two vendors, %q and %q", other.Name, p.Name, vendor(other), vendor(p))
				d.Help = []string{"name each vendor's own key: what one of them gets works at the other"}
				l.warn(codeOneSecret, path(use{i, j}), d)
			}
		}
	}
}

// vendor is who gets a provider's credentials: the host of its base URL. A service account and an access key of AWS sign for
// every location and region, and are sent to none.
func vendor(p *ir.Provider) string {
	if p.Kind == "vertex" || p.Kind == "bedrock" {
		return p.Kind
	}
	u, err := url.Parse(p.BaseURL)
	if err != nil {
		return p.BaseURL
	}
	return u.Hostname()
}
