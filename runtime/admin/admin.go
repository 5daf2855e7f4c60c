// Package admin serves what operators ask a runtime: is it alive, is it ready, what runs, how does it do.
//
// Functions that tell the state enter, an http.Handler and a small server leave. Everything is read-only: there is no
// endpoint that changes anything, so a page in an operator's browser that reaches the listener by DNS rebinding can
// change nothing either, and can read nothing across origins since no CORS header is ever sent; a request that a
// browser marks as made by another site is refused besides.
//
// It runs on net/http with a listener of its own: it must answer when the data plane's pollers are busy or stuck, and
// its handful of requests need no speed. Profiles are served only when asked for, because a profile can be used to
// slow the process down and shows its insides.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// Options of [New].
type Options struct {
	Metrics http.Handler // GET /metrics; nil: 404
	// Snapshot returns what /snapshot shows, as something that encoding/json can encode; nil: 404. Only what is no
	// secret belongs there.
	Snapshot func() any
	// Ready reports whether the runtime takes exchanges, and if not, why: "loading", "draining"; nil: always.
	Ready func() (ok bool, why string)
	Pprof bool // serve /debug/pprof/
}

// New returns the handler of
//
//	/healthz       200 while the process lives
//	/readyz        200 when ready, else 503 and the reason
//	/metrics       Prometheus text
//	/snapshot      JSON
//	/debug/pprof/  profiles, if asked for
//
// Anything else is 404, and any method but GET and HEAD is 405.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		line(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if o.Ready != nil {
			if ok, why := o.Ready(); !ok {
				line(w, http.StatusServiceUnavailable, why)
				return
			}
		}
		line(w, http.StatusOK, "ready")
	})
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	if o.Snapshot != nil {
		mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) {
			b, err := json.MarshalIndent(o.Snapshot(), "", "  ")
			if err != nil {
				line(w, http.StatusInternalServerError, "the snapshot cannot be shown: "+err.Error())
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write(append(b, '\n'))
		})
	}
	if o.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return guard(mux)
}

func line(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// guard keeps browsers from storing, sniffing or embedding answers, and refuses what another site made them ask.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			line(w, http.StatusForbidden, "not for other sites")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Server serves a handler on a listener of its own.
type Server struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

// Listen binds the address ("host:port") and serves h until Close. An error names the address.
func Listen(address string, h http.Handler, log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	s := &Server{
		listener: l,
		server: &http.Server{
			Handler:           h,
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			// No WriteTimeout shorter than the longest profile that is worth taking.
			WriteTimeout:   5 * time.Minute,
			IdleTimeout:    time.Minute,
			MaxHeaderBytes: 16 << 10,
			ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		done: make(chan error, 1),
	}
	go func() { s.done <- s.server.Serve(l) }()
	return s, nil
}

// Addr is the address that is bound, with the port if the system chose it.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close lets requests that run finish until ctx is over, then cuts them, and waits for the server's goroutine. It
// belongs at the end of a drain: until then /readyz says why there is no readiness.
func (s *Server) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if serve := <-s.done; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return err
}
