package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/demo"
)

func newDemo() *cobra.Command {
	var plain, page bool
	var told string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job on real containers, in under a minute",
		Long: `demo starts this daemon and a small embedded agent with real processes in real
cgroups: a regular service far below its allocation, slack being offered, a
best-effort hog launched on it, the service's load rising, the hog being
preempted, the service keeping its CPU. The exit code says whether the story
came out. It needs root, or a cgroup2 subtree that is delegated to you.

--story=reservation tells another one: best-effort work runs on what is reserved
to a role that is not there, the owner comes, has its CPU, leaves, and the slack
comes back after the hold-off.

With --page the story goes on until Ctrl-C, and the demo says where its page is
and how to see it in a terminal: estimatord top.`,
		Example: `  estimatord demo
  estimatord demo --page
  estimatord demo --story=reservation`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(demo.Stories(), told) {
				return usageError{fmt.Errorf("--story: %q is none of %s", told, strings.Join(demo.Stories(), ", "))}
			}
			if page && told != string(demo.StoryUsage) {
				return usageError{errors.New("--page goes on with --story=usage only")}
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			// A terminal that hangs up leaves nothing running.
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			result, err := demo.Run(ctx, demo.Config{Story: demo.Story(told), Plain: plain, Page: page, Out: cmd.OutOrStdout(), Daemon: []string{self}})
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
	cmd.Flags().StringVar(&told, "story", string(demo.StoryUsage), "which one: "+strings.Join(demo.Stories(), " or "))
	_ = cmd.RegisterFlagCompletionFunc("story", chosenFrom(demo.Stories()))
	cmd.Flags().BoolVar(&page, "page", false, "go on until Ctrl-C, to try the page and estimatord top")
	cmd.Flags().BoolVar(&plain, "plain", false, "print lines instead of a live table")
	return cmd
}
