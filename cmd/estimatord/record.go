package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/replay"
)

func newRecord() *cobra.Command {
	return newGroup("record", "Show or export what the daemon recorded",
		`With recording.dir set, the daemon also writes every reading and every report of
the agent into that directory. It holds the ids, names, roles and labels of tasks,
and no command line or environment.`, newRecordShow(), newRecordExport())
}

func newRecordExport() *cobra.Command {
	var format, out string
	var step time.Duration
	cmd := &cobra.Command{
		Use:   "export PATH",
		Short: "Write a recording as a trace",
		Long: `export writes the regular containers of a recording (a directory, or one of its
files) as a trace that estimatord replay and other programs read: CSV with the header
  ` + replay.Header,
		Args: one("recording"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "csv" {
				return usageError{fmt.Errorf("--format: %q is not csv", format)}
			}
			return replay.Export(args[0], out, step, replay.TerminalProgress(os.Stderr), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&format, "format", "csv", "form of the trace: csv")
	cmd.Flags().DurationVar(&step, "step", replay.DefaultStep, "time that a row is about, in whole seconds")
	cmd.Flags().StringVar(&out, "out", "", "`file` to write, gzipped when it ends in .gz (default: standard output)")
	return cmd
}
