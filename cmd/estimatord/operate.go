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
		`status asks the daemon on this node: what is offered and why, where the ladder
stands, what each rule reads, what is throttled or dies, and whether the policy
file is good. It needs root, or the user that the daemon runs as.`,
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
	return newCall("pause", "Emergency switch: offer nothing and take nothing until resume or a restart",
		`pause stops the offer, undoes throttles and freezes, and lets no rule do anything
more, until "estimatord resume" or a restart of the daemon. A kill that the agent
was already told of cannot be called back. What is allocated stays allocated.
What would be done goes on being shown by status and in the metrics.`,
		func(ctx context.Context, c control.Client) (string, error) {
			r, err := c.Pause(ctx)
			if err == nil && r.WasPaused {
				return "it was paused already", nil
			}
			return "paused from the next tick on, until resume or a restart", err
		})
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
