package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// sample writes an artifact with one model whose provider nobody calls.
func sample(t *testing.T) string {
	t.Helper()
	a := &artifact.Artifact{
		Gateway:   artifact.Gateway{Listeners: []artifact.Listener{{Name: "main", Address: "127.0.0.1:0", Engine: "netpoll"}}},
		Providers: []artifact.Provider{{Name: "p", Kind: "openai", BaseURL: "http://127.0.0.1:1/v1"}},
		Models:    []artifact.Model{{Name: "m", Strategy: "priority", Targets: []artifact.Target{{Provider: 0, Model: "x"}}, Retry: artifact.Retry{Attempts: 1}}},
		Routes:    []artifact.Route{{ID: "ai.models", Kind: artifact.RouteModels, Method: "GET", Path: "/v1/models", API: -1, Auth: "key"}},
	}
	table, conflicts := match.Build([]match.Pattern{{Method: "GET", Path: "/v1/models"}})
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	a.Table = table
	b, err := artifact.Encode(a)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "gateway.gwca")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExitCodes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := sample(t)
	bad := filepath.Join(t.TempDir(), "bad.gwca")
	if err := os.WriteFile(bad, []byte("GWCA\x00\x09\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"no file", nil, serve.Usage, "", "takes one argument"},
		{"two files", []string{"a", "b"}, serve.Usage, "", "takes one argument"},
		{"an unknown flag", []string{good, "--grants", "x"}, serve.Usage, "", "unknown flag: --grants"},
		{"a malformed address", []string{good, "--listen", "8080"}, serve.Usage, "", `--listen "8080" is not host:port`},
		{"a file that is not there", []string{good + "x"}, serve.Usage, "", "no such file"},
		{"an artifact of a newer format", []string{bad}, serve.Untrusted, "", "newer than this binary"},
		{"an address that is taken", []string{"--listen", taken.Addr().String(), good}, serve.Unreachable, "", "cannot listen"},
		{"help", []string{"--help"}, serve.OK, "--drain D", ""},
		{"version", []string{"--version"}, serve.OK, "gwcd ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := run(t.Context(), tt.args, &out, &errs); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
			if !strings.Contains(out.String(), tt.stdout) || !strings.Contains(errs.String(), tt.stderr) || tt.stdout == "" && out.Len() > 0 {
				t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
			}
		})
	}
}

func TestServesUntilItsContextEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code := make(chan int, 1)
	var out, errs bytes.Buffer
	go func() { code <- run(ctx, []string{sample(t), "--listen", addr, "--drain", "2s"}, &out, &errs) }()
	answered := false
	for range 500 {
		resp, err := http.Get("http://" + addr + "/v1/models")
		if err == nil {
			resp.Body.Close()
			answered = resp.StatusCode == http.StatusUnauthorized
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if got := <-code; got != serve.OK || !answered {
		t.Errorf("exit code %d, answered %t; stderr:\n%s", got, answered, errs.String())
	}
	if !strings.Contains(errs.String(), "gwcd: serving sha256:") || out.Len() > 0 {
		t.Errorf("stdout %q, stderr %q", out.String(), errs.String())
	}
}
