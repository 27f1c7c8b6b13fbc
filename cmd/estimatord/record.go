package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newRecord() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Show or export what the daemon recorded",
		Long: `With recording.dir set, the daemon also writes every reading and every report of
the agent into that directory. It holds the ids, names, roles and labels of tasks,
and no command line or environment.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newRecordShow())
	return cmd
}

// oneRecording is one argument.
func oneRecording(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{fmt.Errorf("%s: name one recording, not %d", cmd.CommandPath(), len(args))}
	}
	return nil
}
