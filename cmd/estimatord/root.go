package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/daemon"
)

// newRoot is the whole command line. Without a subcommand it runs the daemon.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "estimatord",
		Short: "Offer the idle, already allocated capacity of a Mesos agent as revocable resources",
		Long: `estimatord runs beside a mesos-agent. It samples the containers' cgroups, tells
the agent how much of the node may be handed out as revocable resources, and has
revocable containers preempted when regular tasks need their resources back.

Every setting below is also a key of the file named by --config and an
environment variable; flags win over the environment, the environment over the
file.`,
		Example: `  estimatord --mode=fixed --resources=cpus:4
  estimatord --config /etc/estimatord/estimatord.yaml
  estimatord demo`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.NoArgs(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDaemon(cmd)
		},
	}
	config.Flags(root.Flags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd == root { // a mistyped flag of the unit leaves nothing throttled either
			daemon.Recover(settingsOf(cmd), cmd.ErrOrStderr())
		}
		return usageError{err}
	})
	root.AddCommand(newVersion(), newDemo(), newReplay(), newRecord(), newConfig(), newStatus(), newBudget(), newPause(), newResume(), newExplain())
	return root
}

// settingsOf loads the settings by the flags of cmd, the environment and the
// file, each time anew.
func settingsOf(cmd *cobra.Command) daemon.LoadSettings {
	return func() (config.Config, config.Provenance, error) {
		return config.Load(cmd.Flags(), os.Environ(), config.Read)
	}
}

// runDaemon runs the daemon until it is told to end.
func runDaemon(cmd *cobra.Command) error {
	d, err := daemon.New(daemon.Options{Load: settingsOf(cmd), Build: build(), Log: cmd.ErrOrStderr()})
	if err != nil {
		return usageError{err}
	}
	return d.Run(cmd.Context())
}
