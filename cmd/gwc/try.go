package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/serve"
)

func newTry(s streams) *cobra.Command {
	var c compiling
	var as, data string
	var headers []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "try METHOD PATH",
		Short: "Show what would happen to a request, without I/O",
		Long: `try compiles the repository and takes one request through the routing table and the rules of the runtime. It
prints the decision and why, with the lines of the sources, and contacts nobody.

PATH may have a query and, as in http://host/path, a host. --as says which app asks; without it a key in -H counts.`,
		Args: arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, now, err := c.check()
			if err != nil {
				return err
			}
			q, err := newRequest(args[0], args[1], headers, now)
			if err != nil {
				return err
			}
			if q.body, err = readBody(data, s.in); err != nil {
				return err
			}
			if data != "" && !cmd.Flags().Changed("header") && q.header.Get("Content-Type") == "" {
				q.header.Set("Content-Type", "application/json")
			}
			defer oneShot()()
			r, err := c.compile(cmd.Context(), now, "table")
			if err != nil {
				return err
			}
			if r.Artifact == nil || c.verdict(r) != nil {
				return c.report(r, []form{{name: "text"}}, s.err, s)
			}
			if as != "" {
				if q.as, err = findCaller(r.Artifact, as); err != nil {
					return err
				}
			}
			d := decide(r.Artifact, q)
			d.program = r.Program
			if asJSON {
				return writeJSON(s.out, d.json())
			}
			if _, err := io.WriteString(s.out, d.text()); err != nil {
				return unreachable(err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	c.bind(f)
	f.StringVar(&as, "as", "", "ask as `TENANT/APP`")
	f.StringArrayVarP(&headers, "header", "H", nil, "send a header, `'NAME: VALUE'`; may be repeated")
	f.StringVarP(&data, "data", "d", "", "send a body, `DATA`, or @FILE, or @- for stdin")
	f.BoolVar(&asJSON, "json", false, "write the decision as JSON")
	return cmd
}

// tried is the request of try. Host is empty for any.
type tried struct {
	method, host, path, query string
	hasQuery                  bool
	header                    http.Header
	body                      []byte
	as                        int // app; -1: whoever the headers say
	now                       time.Time
}

func newRequest(method, target string, headers []string, now time.Time) (*tried, error) {
	q := &tried{method: method, as: -1, header: http.Header{}, now: now}
	if strings.ToUpper(method) != method && slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, strings.ToUpper(method)) {
		return nil, usage("methods are case-sensitive: %q is not %q", method, strings.ToUpper(method))
	}
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(target, scheme); ok {
			at := strings.IndexAny(rest, "/?")
			if at < 0 {
				at = len(rest)
			}
			q.host, target = rest[:at], rest[at:]
			if !strings.HasPrefix(target, "/") {
				target = "/" + target
			}
		}
	}
	q.path, q.query, q.hasQuery = strings.Cut(target, "?")
	if !strings.HasPrefix(q.path, "/") {
		return nil, usage("the path %q does not begin with \"/\"", target)
	}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usage("-H %q is not 'NAME: VALUE'", h)
		}
		if http.CanonicalHeaderKey(name) == "Host" {
			q.host = strings.TrimSpace(value)
			continue
		}
		q.header.Add(name, strings.TrimSpace(value))
	}
	return q, nil
}

func readBody(data string, in io.Reader) ([]byte, error) {
	const limit = 32 << 20
	file, ok := strings.CutPrefix(data, "@")
	if !ok {
		return []byte(data), nil
	}
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usage("cannot read %s: %v", file, cause(err))
		}
		defer f.Close()
		in = f
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(in, limit+1)); err != nil {
		return nil, &exit{code: serve.Unreachable, err: fmt.Errorf("cannot read the body: %w", cause(err))}
	}
	if b.Len() > limit {
		return nil, usage("the body is larger than %d MiB", limit>>20)
	}
	return b.Bytes(), nil
}
