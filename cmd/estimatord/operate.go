package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/control"
)

// operatorSocketEnv is the variable of the setting, which the commands go by
// too.
const operatorSocketEnv = config.EnvPrefix + "OPERATOR_SOCKET"

// socketFlag adds the flag that says which daemon is meant.
func socketFlag(cmd *cobra.Command) *string {
	def := control.DefaultSocket
	if v := os.Getenv(operatorSocketEnv); v != "" {
		def = v
	}
	return cmd.Flags().String("operator-socket", def, "operator_socket of the daemon ["+operatorSocketEnv+"]")
}

// noArguments is a usage error where there are any.
func noArguments(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the running daemon sees, offers and does",
		Long: `status asks the daemon on this node: what is offered and why, where the ladder
stands, what each rule reads, what is held back or dies, and whether the policy
file is good. It needs root, or the user that the daemon runs as.`,
		Args: noArguments,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st, err := control.Client(*socket).Status(cmd.Context())
		switch {
		case err != nil:
			return err
		case asJSON:
			return printJSON(cmd.OutOrStdout(), st)
		default:
			return control.Print(cmd.OutOrStdout(), st, time.Now())
		}
	}
	return cmd
}

func newBudget() *cobra.Command {
	budget := &cobra.Command{
		Use:   "budget",
		Short: "Look after the kill budget of the running daemon",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	reset := &cobra.Command{
		Use:   "reset",
		Short: "Forget the kills so far and close the breaker",
		Args:  noArguments,
	}
	socket := socketFlag(reset)
	reset.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := control.Client(*socket).ResetBudget(cmd.Context())
		if err != nil {
			return err
		}
		breaker := "it was not spent"
		if r.BreakerWasOpen {
			breaker = "the breaker is closed"
		}
		kills := "kills"
		if r.Forgotten == 1 {
			kills = "kill"
		}
		return reply(cmd, "%d %s forgotten, %s", r.Forgotten, kills, breaker)
	}
	budget.AddCommand(reset)
	return budget
}

func newPause() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Emergency switch: offer nothing and take nothing until resume or a restart",
		Long: `pause stops the offer, undoes throttles and freezes, and lets no rule do anything
more, until "estimatord resume" or a restart of the daemon. A kill that the agent
was already told of cannot be called back. What is handed out stays handed out.
What would be done goes on being shown by status and in the metrics.`,
		Args: noArguments,
	}
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := control.Client(*socket).Pause(cmd.Context())
		switch {
		case err != nil:
			return err
		case r.WasPaused:
			return reply(cmd, "it was paused already")
		default:
			return reply(cmd, "paused from the next tick on, until resume or a restart")
		}
	}
	return cmd
}

func newResume() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "End a pause",
		Args:  noArguments,
	}
	socket := socketFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := control.Client(*socket).Resume(cmd.Context())
		switch {
		case err != nil:
			return err
		case !r.WasPaused:
			return reply(cmd, "it was not paused")
		default:
			return reply(cmd, "resumed from the next tick on")
		}
	}
	return cmd
}

// reply writes one line.
func reply(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(fmt.Sprintf(format, args...)))
	return err
}
