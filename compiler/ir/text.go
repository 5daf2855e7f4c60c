package ir

import (
	"fmt"
	"strings"
	"time"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// Text writes a program for people and for goldens: a line for each definition, indented lines for what it holds,
// everything that has a value. Hashes of keys are shortened; a reference that is not resolved has a "?".
func (p *Program) Text() string {
	t := texter{p: p}
	for _, l := range p.Gateway.Listeners {
		t.line("listener %s %s %s", l.Name, l.Address, l.Engine)
		if l.TLS != nil {
			t.line("\ttls %s %s", l.TLS.Cert, l.TLS.Key)
		}
	}
	if p.Gateway.Admin != "" {
		t.line("admin %s", p.Gateway.Admin)
	}
	if c := p.Gateway.Calls; c.Dir != "" {
		t.line("calls %s flush=%s max=%d", c.Dir, Duration(c.Flush), c.MaxBytes)
	}
	if s := p.Gateway.Signatures; s != nil {
		t.line("signatures need=%d", s.Need)
		for _, k := range s.Keys {
			t.line("\tkey %s %x", k.Name, k.Key)
		}
	}
	for _, v := range p.Providers {
		t.line("provider %s %s %s%s", v.Name, v.Kind, v.BaseURL, timeouts(v.Timeouts))
		if v.Project != "" {
			t.line("\tproject %s location %s", v.Project, v.Location)
		}
		for _, c := range v.Credentials {
			t.line("\tcredential %s", c)
		}
		if v.Region != "" {
			t.line("\tregion %s", v.Region)
		}
		for _, k := range v.AWSKeys {
			t.line("\tkey %s %s %s", k.AccessKeyID, k.SecretAccessKey, k.SessionToken)
		}
		for _, h := range v.Headers {
			t.line("\theader %s: %s", h.Name, h.Value)
		}
	}
	for _, m := range p.Models {
		t.line("model %s %s attempts=%d on=%s maxTokens=%d%s%s", m.Name, m.Strategy, m.Retry.Attempts, strings.Join(m.Retry.On, ","), m.MaxTokens, onLoss(m.OnLoss)+keepAlive(m.KeepAlive), timeouts(m.Timeouts))
		for _, g := range m.Targets {
			t.line("\ttarget %s %s", t.ref(g.Provider), g.Model)
		}
	}
	for _, u := range p.Upstreams {
		t.line("upstream %s%s", u.Name, timeouts(u.Timeouts))
		for _, e := range u.Endpoints {
			t.line("\tendpoint %s weight=%d", e.URL, e.Weight)
		}
	}
	for _, v := range p.Tenants {
		t.line("tenant %s %s", v.Name, strings.Join(v.Owners, " "))
	}
	for i, a := range p.Apps {
		t.line("app %s/%s", p.Tenants[a.Tenant].Name, a.Name)
		for _, m := range a.Models {
			t.line("\tmodel %s", t.ref(m))
		}
		for _, l := range a.Limits {
			t.line("\tlimit %d per %s", l.Requests, Duration(l.Per))
		}
		for _, k := range p.Keys {
			if k.App != i {
				continue
			}
			expires := ""
			if k.Expires != 0 {
				expires = " until " + time.Unix(k.Expires, 0).UTC().Format(time.RFC3339)
			}
			t.line("\tkey %s sha256:%x…%s", k.ID, k.Hash[:4], expires)
		}
	}
	for _, a := range p.APIs {
		owner := "the platform"
		if a.Owner.Name != "" {
			owner = t.ref(a.Owner)
		}
		t.line("api %s at %q%s upstream=%s owner=%s %q %q", a.Name, a.BasePath, hosts(a.Hosts), t.ref(a.Upstream), owner, a.Title, a.Version)
	}
	for _, r := range p.Routes {
		from := ""
		if !r.Origin.IsZero() {
			from = fmt.Sprintf(" (%s:%d)", r.Origin.File, r.Origin.Start.Line)
		}
		t.line("route %s %s %s%s auth=%s%s%s", r.ID, r.Method, r.Host, r.Path, r.Auth, bound("timeout", r.Timeout), from)
	}
	return t.b.String()
}

type texter struct {
	p *Program
	b strings.Builder
}

func (t *texter) line(format string, args ...any) {
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

func (t *texter) ref(r Ref) string {
	if r.Index == Unresolved {
		return r.Name + "?"
	}
	return r.Name
}

func hosts(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return " on " + strings.Join(l, ",")
}

func bound(name string, d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(" %s=%s", name, Duration(d))
}

// Duration writes a duration as the language does: "1m30s", "24h", without the zero units that its String adds.
func Duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func timeouts(t artifact.Timeouts) string {
	return bound("connect", t.Connect) + bound("firstByte", t.FirstByte) + bound("idle", t.Idle) + bound("total", t.Total)
}

func keepAlive(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return " keepAlive=" + d.String()
}

// onLoss is silent of the default.
func onLoss(s string) string {
	if s == "" || s == "reject" {
		return ""
	}
	return " onLoss=" + s
}
