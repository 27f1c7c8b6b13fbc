package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/demo"
)

func newDemo() *cobra.Command {
	var plain, page bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on real containers, in under a minute",
		Long: `demo starts this daemon and a small embedded agent with real processes in real
cgroups: a regular service far below its allocation, slack being offered, a
best-effort hog launched on it, the service's load rising, the hog being
preempted, the service keeping its CPU. The exit code says whether the story
came out. It needs root, or a cgroup2 subtree that is delegated to you.

With --page the story goes on until Ctrl-C, and the demo says where its page is
and how to see it in a terminal: estimatord top.`,
		Example: `  estimatord demo
  estimatord demo --page`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			// A terminal that hangs up leaves nothing running.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			result, err := demo.Run(ctx, demo.Config{Plain: plain, Page: page, Out: cmd.OutOrStdout(), Daemon: []string{self}})
			switch {
			case errors.Is(err, demo.ErrCannotRun):
				return usageError{err}
			case err != nil:
				return err
			case !result.OK() && !page:
				return errors.New("the story did not come out")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&page, "page", false, "go on until Ctrl-C, to try the page and estimatord top")
	cmd.Flags().BoolVar(&plain, "plain", false, "print lines instead of a live table")
	return cmd
}
