package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/replay"
)

// recordingOf is the recording that is meant: what is named, or the daemon's.
func recordingOf(cmd *cobra.Command, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	cfg, err := find(cmd)
	if err == nil && cfg.Recording.Dir == "" {
		err = usageError{errors.New("name a recording: recording.dir is not set in the daemon's settings")}
	}
	if err != nil {
		return "", err
	}
	return cfg.Recording.Dir, nil
}

func newRecord() *cobra.Command {
	return newGroup("record", "Show or export what the daemon recorded",
		`With recording.dir set, the daemon also writes every reading and every report of
the agent into that directory. It holds the ids, names, roles and labels of
tasks, and no command line or environment. Without a PATH, that directory of the
daemon on this node is meant.`, newRecordShow(), newRecordExport())
}

func newRecordExport() *cobra.Command {
	var format, out string
	var step time.Duration
	cmd := &cobra.Command{
		Use:   "export [PATH]",
		Short: "Write a recording as a trace",
		Long: `export writes the regular containers of a recording (a directory, or one of its
files) as a trace that estimatord replay and other programs read: CSV with the
header
  ` + replay.Header,
		Example: `  estimatord record export --step 1m --out node.csv.gz
  estimatord record export /var/lib/estimatord/recording`,
		Args: oneAtMost("recording"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := recordingOf(cmd, args)
			if err != nil {
				return err
			}
			if format != "csv" {
				return usageError{fmt.Errorf("--format: %q is not csv", format)}
			}
			return replay.Export(path, out, step, replay.TerminalProgress(os.Stderr), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&format, "format", "csv", "form of the trace: csv")
	config.Flags(cmd.Flags(), "config")
	_ = cmd.RegisterFlagCompletionFunc("format", chosenFrom([]string{"csv"}))
	cmd.Flags().DurationVar(&step, "step", replay.DefaultStep, "time that a row is about, in whole seconds")
	cmd.Flags().StringVar(&out, "out", "", "`file` to write, gzipped when it ends in .gz (default: standard output)")
	return cmd
}
