package main

import (
	"net"

	"github.com/spf13/cobra"

	"github.com/gwc-dev/gwc/cmd/gwc/mock"
	"github.com/gwc-dev/gwc/cmd/serve"
)

func newMock(s streams) *cobra.Command {
	var o mock.Options
	cmd := &cobra.Command{
		Use:   "mock",
		Short: "Stand in for provider servers",
		Long: `mock answers as the providers' servers do, with fixed but believable answers, tools, usage and streams, and with
faults where they are asked for. It also serves a small HTTP API.`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := serve.Signals(cmd.Context())
			defer stop()
			if _, err := mock.New(o); err != nil {
				return usage("%v", err)
			}
			o.Ready = func(a net.Addr) { s.say("mock: listening on %s", a) }
			if err := mock.Serve(ctx, o); err != nil && ctx.Err() == nil {
				return unreachable(err)
			}
			return nil
		},
	}
	cmd.Flags().AddGoFlagSet(mock.Flags(&o))
	return cmd
}
