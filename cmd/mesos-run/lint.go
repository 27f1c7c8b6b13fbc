package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/tasklint"
)

func newLint() *cobra.Command {
	var c cluster
	var policy string
	cmd := &cobra.Command{
		Use:   "lint FILE",
		Short: "Say whether Mesos takes a task on revocable resources, and what estimatord does to it",
		Long: `lint reads a TaskInfo or a task group of Mesos as JSON, a Marathon app or an Aurora
task, and says what the master would refuse, and what the QoS controller of a
node with --policy would do. The exit code is 1 when the master would refuse it.`,
		Example: "  mesos-run lint task.json --policy=/etc/estimatord/policy.yaml",
		Args:    one("file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := config.Read(args[0])
			if err != nil {
				return usageError{err}
			}
			var f *config.PolicyFile
			if policy != "" {
				if f, err = config.LoadPolicy(policy); err != nil {
					return usageError{err}
				}
			}
			r, err := tasklint.Lint(text, f)
			if err != nil {
				return usageError{fmt.Errorf("%s: %w", args[0], err)}
			}
			rows := [][]string{{r.Form, fmt.Sprintf("%s (regular %s, revocable %s)", r.Class, r.Regular, r.Revocable)}}
			for _, part := range []struct {
				head  string
				lines []string
			}{{"refused", r.Refused}, {"warning", r.Warnings}, {"qos", r.QoS}} {
				for _, line := range part.lines {
					rows = append(rows, []string{part.head, line})
				}
			}
			if err := c.print(cmd, r, rows); err != nil {
				return err
			}
			if len(r.Refused) > 0 {
				return tasksError(1)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&policy, "policy", "", "policy file of the node")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}
