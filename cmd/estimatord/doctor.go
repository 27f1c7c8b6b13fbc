package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/doctor"
)

func newDoctor() *cobra.Command {
	var asJSON bool
	var agentURL string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find what keeps the daemon from working well on this node",
		Long: `doctor looks at the kernel, at permissions and disks, at the agent (when agent_url
or --agent-url says where it is), at the daemon and its policy. It changes nothing.
Each finding has a code, how bad it is, what it means and what to do about it;
docs/reference/doctor.md lists all of them.

Where the daemon runs, its own command line and environment say which settings are
looked at; otherwise those that are given here.

The exit code is 0 when there is nothing worse than an info, 3 when the worst
finding is a warning, and 4 when it is an error.`,
		Example: `  sudo estimatord doctor
  sudo estimatord doctor --agent-url http://127.0.0.1:5051 --json`,
		Args: noArguments,
	}
	config.Flags(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&agentURL, "agent-url", "", "the agent's own API, where the settings have no agent_url")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		h := doctor.Gather(cmd.Context(), doctor.Options{
			Load: func(flags *pflag.FlagSet, environ []string) (config.Config, error) {
				cfg, _, err := config.Load(flags, environ, config.Read)
				return cfg, err
			},
			Flags: cmd.Flags(), Environ: os.Environ(), AgentURL: agentURL, Version: build().Version,
		})
		report, write := doctor.Examine(h), (*doctor.Report).Text
		if asJSON {
			write = (*doctor.Report).JSON
		}
		if err := write(report, cmd.OutOrStdout()); err != nil {
			return err
		}
		switch worst := report.Worst(); worst {
		case doctor.Error:
			return exitError{exitDoctorError, fmt.Errorf("the worst finding is an %s", worst)}
		case doctor.Warning:
			return exitError{exitDoctorWarning, fmt.Errorf("the worst finding is a %s", worst)}
		}
		return nil
	}
	return cmd
}
