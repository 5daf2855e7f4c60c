package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/lsp"
	"github.com/gwc-dev/gwc/cmd/serve"
	"github.com/gwc-dev/gwc/schema/release"
)

func newLSP(s streams) *cobra.Command {
	var now string
	cmd := &cobra.Command{
		Use:   "lsp",
		Short: "Serve editors over stdin and stdout",
		Long: `lsp is a language server: an editor starts it and speaks the Language Server Protocol 3.17 with it over stdin and
stdout. It checks repositories as vet does, with the buffers of the editor in the place of files, while somebody types;
it completes, explains and renames, leads to definitions, applies fixes and formats.

It exits with 0 when the editor has asked for a shutdown, and with 1 when the editor left without, or
when a file of CUE keeps it busy beyond all bounds.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			clock := time.Now
			if now != "" {
				at, err := instant(now)
				if err != nil {
					return err
				}
				clock = func() time.Time { return at }
			}
			ctx, stop := serve.Signals(cmd.Context())
			defer stop()
			var mu sync.Mutex
			err := lsp.Serve(ctx, s.in, s.out, lsp.Options{
				Format: formatCUE, Now: clock, Version: release.Version,
				Log: func(format string, args ...any) {
					mu.Lock()
					defer mu.Unlock()
					s.say(format, args...)
				},
			})
			switch {
			case err == nil, ctx.Err() != nil:
				return nil
			case errors.Is(err, lsp.ErrNoShutdown), errors.Is(err, lsp.ErrRunaway):
				return &exit{code: serve.Invalid, err: err}
			}
			return unreachable(fmt.Errorf("cannot speak with the editor: %w", err))
		},
	}
	cmd.Flags().StringVar(&now, "now", "", "judge expiries as of `TIME` (2006-01-02 or RFC 3339) instead of the clock")
	cmd.Flags().Bool("stdio", true, "speak over stdin and stdout, which is the only way")
	return cmd
}
