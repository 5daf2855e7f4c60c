package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/render"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/compiler/cache"
	"github.com/gwc-dev/gwc/runtime"
	"github.com/gwc-dev/gwc/schema/artifact"
)

func newRun(s streams) *cobra.Command {
	c := compiling{memory: &cache.Memory{}}
	var f serve.Flags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Build, serve and watch a repository, for development",
		Long: `run builds the repository, serves it, and builds it again whenever a file changes. A change that does not build is
reported and the last good state goes on serving.

It prints curl lines with a key that works only while the command runs. Do not use it in production: there, gwcd serves
the artifact that was built and reviewed.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats, now, err := c.check()
			if err != nil {
				return err
			}
			if err := f.Check(); err != nil {
				return usage("%v", err)
			}
			ctx, stop := serve.Signals(cmd.Context())
			defer stop()
			d := dev{c: &c, formats: formats, s: s, key: newKey()}
			if c.now == "" {
				d.clock = time.Now
			} else {
				d.clock = func() time.Time { return now }
			}
			return d.run(ctx, f)
		},
	}
	c.bind(cmd.Flags())
	f.Bind(cmd.Flags())
	return cmd
}

// dev is a running `gwc run`.
type dev struct {
	c       *compiling
	formats []form
	s       streams
	key     key
	clock   func() time.Time

	root  string
	file  string // the artifact
	built []byte // as the compiler made it, without the demo key
	owner string // app of the demo key; "" where there is no app
	a     *artifact.Artifact
}

func (d *dev) run(ctx context.Context, f serve.Flags) error {
	root, err := d.c.root()
	if err != nil {
		return err
	}
	d.root = root
	// The artifact lies in the repository itself, because relative paths in it are relative to its folder. Its name
	// is hidden from the compiler and its kind from git, and it goes when the command ends.
	d.file = filepath.Join(root, fmt.Sprintf(".run-%d.gwca", os.Getpid()))
	defer os.Remove(d.file)
	if err := d.build(ctx); err != nil {
		return err
	}
	w, err := newWatch(root, filepath.Join(root, filepath.FromSlash(d.a.Gateway.Calls.Dir)))
	if err != nil {
		d.s.say("changes of files are not noticed: %v", err)
	} else {
		defer w.close()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan runtime.Info, 1)
	served := make(chan error, 1)
	go func() {
		served <- runtime.Run(ctx, runtime.Options{
			Path: d.file, Listen: f.Listen, Admin: f.Admin, Drain: f.Drain, Pprof: f.Pprof, Unsigned: true,
			Log:   slog.New(slog.NewTextHandler(prefixed{d.s.err}, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime})),
			Ready: func(i runtime.Info) { ready <- i },
		})
	}()
	var changes <-chan struct{}
	for {
		select {
		case err := <-served:
			if code := serve.Code(err); code != serve.OK {
				// The artifact's name is of no use to anybody: the place is in the repository.
				return &exit{code: code, err: errors.New(strings.TrimPrefix(err.Error(), d.file+": "))}
			}
			return nil
		case i := <-ready:
			d.s.say("%s", serve.Ready(i))
			if _, err := io.WriteString(d.s.out, examples(d.a, i, d.key.secret, d.owner, d.root)); err != nil {
				d.s.say("cannot write the examples: %v", cause(err))
			}
			if w != nil {
				changes = w.changes
			}
		case <-changes:
			if err := d.build(ctx); err != nil && ctx.Err() == nil {
				var e *exit
				if errors.As(err, &e) && e.err != nil {
					d.s.say("%v", e.err)
				}
				if errors.Is(err, errRunaway) {
					return err
				}
				d.s.say("the last good state goes on serving")
			}
		}
	}
}

// errRunaway ends a process in which an evaluation goes on that nothing can stop: it would take all memory in the end.
var errRunaway = &exit{code: serve.Invalid, err: errors.New("an evaluation goes on that cannot be stopped: gwc ends with it")}

// build compiles the repository and puts the artifact where the runtime looks for it.
func (d *dev) build(ctx context.Context) error {
	r, err := d.c.compile(ctx, d.clock(), "")
	if err != nil {
		return err
	}
	if len(r.list) > 0 {
		err = d.c.report(r, d.formats, d.s.err, d.s)
	}
	if r.Units.Runaway {
		return errRunaway
	}
	if err != nil {
		return err
	}
	if bytes.Equal(r.Bytes, d.built) {
		d.s.say("no change (%d ms)", r.elapsed.Milliseconds())
		return nil
	}
	a := *r.Artifact
	d.owner = addDemoKey(&a, &d.key)
	b, err := artifact.Encode(&a)
	if err != nil {
		return &exit{code: serve.Bug, err: fmt.Errorf("a bug in gwc: %w", err)}
	}
	// The file ends with the command: to wait for a busy disk would be for nothing.
	if err := replaceFile(d.file, b, false); err != nil {
		return err
	}
	d.a, d.built = &a, r.Bytes
	d.s.say("built %s in %d ms", render.Count(len(a.Routes), "route"), r.elapsed.Milliseconds())
	return nil
}

// addDemoKey gives the key to the app with the most models, and returns that app's name.
func addDemoKey(a *artifact.Artifact, k *key) string {
	if len(a.Apps) == 0 {
		return ""
	}
	best := 0
	for i := range a.Apps {
		if len(a.Apps[i].Models) > len(a.Apps[best].Models) {
			best = i
		}
	}
	k.id = "gwc-run"
	a.Keys = append(slices.Clone(a.Keys), artifact.Key{Hash: k.hash, ID: k.id, App: best})
	slices.SortFunc(a.Keys, func(x, y artifact.Key) int { return bytes.Compare(x.Hash[:], y.Hash[:]) })
	return a.Tenants[a.Apps[best].Tenant].Name + "/" + a.Apps[best].Name
}

// prefixed puts "gwc: " before each write, which is one line of the log.
type prefixed struct{ w io.Writer }

func (p prefixed) Write(b []byte) (int, error) {
	if _, err := p.w.Write(append([]byte("gwc: "), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
