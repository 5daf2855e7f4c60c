package main

import (
	"net"
	"strings"
	"testing"

	"github.com/gwc-dev/gwc/runtime"
	"github.com/gwc-dev/gwc/schema/artifact"
)

func TestExamplesPreferClearText(t *testing.T) {
	addr := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }
	secure := artifact.Listener{Name: "a", TLS: &artifact.TLS{Cert: "file:c", Key: "file:k"}}
	for _, tt := range []struct {
		name      string
		listeners []artifact.Listener
		want      string
	}{
		{"a listener in clear text comes before one with TLS", []artifact.Listener{secure, {Name: "b"}}, "curl -si http://127.0.0.1:2/v1/models"},
		{"TLS where there is nothing else", []artifact.Listener{secure}, "curl -ski https://127.0.0.1:1/v1/models"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &artifact.Artifact{Gateway: artifact.Gateway{Listeners: tt.listeners}, Models: []artifact.Model{{Name: "m"}}}
			i := runtime.Info{Listeners: map[string]net.Addr{}}
			for n, l := range tt.listeners {
				i.Listeners[l.Name] = addr(n + 1)
			}
			if got := examples(a, i, "", "", "."); !strings.Contains(got, tt.want+"\n") {
				t.Errorf("no line %q in:\n%s", tt.want, got)
			}
		})
	}
}
