package main

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gwc-dev/gwc/runtime/pipeline"
	"github.com/gwc-dev/gwc/schema/artifact/passthrough"
)

// pass decides a call of a provider's own path, as the runtime does.
func (d *decision) pass() {
	p := &d.a.Providers[d.route.Provider]
	rest := strings.TrimPrefix(d.path, passthrough.Root+p.Name)
	socket := strings.EqualFold(d.q.header.Get("Upgrade"), "websocket")
	t, _ := d.a.Apps[d.app].Table(d.route.Provider, socket)
	status, why, allow := passthrough.Decide(&t, p.Kind, d.q.method, socket, []byte(rest))
	if status != 0 {
		d.allow = allow
		if status == http.StatusNotFound {
			why = fmt.Sprintf("%s of provider %q is not opened to app %s", rest, p.Name, d.caller())
		}
		d.refuse(status, why)
		return
	}
	if passthrough.SignsBody(p.Kind) && len(d.q.body) > 0 {
		d.refuse(http.StatusRequestEntityTooLarge, "a request with a body cannot be passed through to this provider, which wants it signed")
		return
	}
	d.endpoints = append(d.endpoints, endpoint{"provider " + p.Name, d.q.method + " " + p.BaseURL + rest + pipeline.PassedQuery(p, d.q.query), "passed through"})
	if socket {
		d.notes = append(d.notes, "a WebSocket: the gateway makes a handshake of its own with the provider's credentials, and passes frames both ways if that is answered with 101; usage is read aside")
		return
	}
	d.notes = append(d.notes, "the caller's credentials are taken out, the provider's are put in; it is metered by requests alone")
}
