package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/control"
)

// newCall is a command that calls the daemon of this node and prints what came
// of it.
func newCall(use, short, long string, call func(context.Context, control.Client) (answer string, err error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: noArguments}
	callFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := operator(cmd)
		if err != nil {
			return err
		}
		answer, err := call(cmd.Context(), c)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), answer)
		return err
	}
	return cmd
}

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := newCall("status", "Show what the running daemon sees, offers and does",
		`status asks the daemon on this node: whether all is well, what is offered and
why, where the ladder stands, what each rule reads, who uses most, what is
throttled or dies, the last kills, and whether the policy file is good. It needs
root, or the user that the daemon runs as.`,
		func(ctx context.Context, c control.Client) (string, error) {
			st, err := c.Status(ctx)
			switch {
			case err != nil:
				return "", err
			case asJSON:
				return jsonOf(st)
			default:
				return control.Text(st, time.Now()), nil
			}
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Example = `  estimatord status
  estimatord status --json | jq .words.summary`
	return cmd
}

func newBudget() *cobra.Command {
	reset := newCall("reset", "Forget the kills so far and close the breaker", "",
		func(ctx context.Context, c control.Client) (string, error) {
			r, err := c.ResetBudget(ctx)
			if err != nil {
				return "", err
			}
			kills, breaker := "kills", "it was not spent"
			if r.Forgotten == 1 {
				kills = "kill"
			}
			if r.BreakerWasOpen {
				breaker = "the breaker is closed"
			}
			return fmt.Sprintf("%d %s forgotten, %s", r.Forgotten, kills, breaker), nil
		})
	return newGroup("budget", "Look after the kill budget of the running daemon", "", reset)
}

func newPause() *cobra.Command {
	var length time.Duration
	var kept bool
	cmd := newCall("pause", "Emergency switch: offer nothing and take nothing",
		`pause stops the offer, undoes throttles and freezes, and lets no rule do
anything more, until "estimatord resume" or a restart of the daemon; with --for
until then, with --until-resumed until resume alone, whatever is restarted. A
kill that the agent was already told of cannot be called back. What is allocated
stays allocated. What would be done goes on being shown by status and in the
metrics.`,
		func(ctx context.Context, c control.Client) (string, error) {
			if length < 0 || length > control.MaxPause {
				return "", usageError{fmt.Errorf("--for: %s is not up to %s", length, control.MaxPause)}
			}
			r, err := c.Pause(ctx, length, kept)
			switch {
			case err != nil:
				return "", err
			case kept && !r.PauseKept:
				return "", fmt.Errorf("paused until %s: without state_file no pause outlasts a restart", r.Ends())
			case r.WasPaused:
				return "it was paused already, and is until " + r.Ends(), nil
			}
			return "paused from the next tick on, until " + r.Ends(), nil
		})
	cmd.Example = `  estimatord pause --for 2h
  estimatord pause --until-resumed`
	cmd.Flags().DurationVar(&length, "for", 0, "end by itself after this time, and not with a restart")
	cmd.Flags().BoolVar(&kept, "until-resumed", false, "end with resume alone, not with a restart")
	cmd.MarkFlagsMutuallyExclusive("for", "until-resumed")
	return cmd
}

func newResume() *cobra.Command {
	return newCall("resume", "End a pause", "",
		func(ctx context.Context, c control.Client) (string, error) {
			r, err := c.Resume(ctx)
			if err == nil && !r.WasPaused {
				return "it was not paused", nil
			}
			return "resumed from the next tick on", err
		})
}
