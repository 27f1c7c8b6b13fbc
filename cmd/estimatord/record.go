package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/daemon"
	"github.com/estimatord/estimatord/internal/recording"
)

func newRecord() *cobra.Command {
	rec := &daemon.Recording{}
	maxFile, maxTotal := int64(recording.DefaultMaxFileBytes>>20), int64(recording.DefaultMaxTotalBytes>>20)
	cmd := &cobra.Command{
		Use:   "record DIR",
		Short: "Run the daemon and record all that it sees into DIR",
		Long: `record is the daemon, with the same settings, that also writes every reading and
every report of the agent into DIR: about 30 MB a day for 50 containers. What is
recorded can be looked at with "estimatord record show". It holds the ids, names,
roles and labels of tasks, and no command line or environment. When the disk is
slow or full the daemon goes on; the ticks that are missing are counted in
/metrics and in the log.

A DIR called "show" is written ./show.`,
		Example: `  estimatord record /var/lib/estimatord/recording --mode=noop
  estimatord record show /var/lib/estimatord/recording`,
		Args: directory,
		RunE: func(cmd *cobra.Command, args []string) error {
			rec.Dir, rec.Options.MaxFileBytes, rec.Options.MaxTotalBytes = args[0], maxFile<<20, maxTotal<<20
			return runDaemon(cmd, rec)
		},
	}
	config.Flags(cmd.Flags())
	fs := cmd.Flags()
	fs.Int64Var(&maxFile, "record-file-mib", maxFile, "size at which a new file is begun, in MiB")
	fs.Int64Var(&maxTotal, "record-total-mib", maxTotal, "size of all files from which the oldest is removed, in MiB")
	fs.DurationVar(&rec.Options.MaxAge, "record-max-age", 0, "age from which a file is removed when a new one is begun; 0: none is")
	fs.DurationVar(&rec.Options.FlushEvery, "record-flush-every", recording.DefaultFlushEvery, "time in which ticks are collected before they are written")
	fs.DurationVar(&rec.Options.SyncEvery, "record-sync-every", recording.DefaultSyncEvery, "time after which what was written is forced to the disk")
	cmd.AddCommand(newRecordShow())
	return cmd
}

// directory is one argument.
func directory(cmd *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(cmd, args); err != nil {
		return usageError{fmt.Errorf("%s: name one recording directory, not %d", cmd.CommandPath(), len(args))}
	}
	return nil
}
