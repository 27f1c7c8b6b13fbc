package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/replay"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func newRecord() *cobra.Command {
	rec := &recorder{}
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
			rec.dir, rec.opts.MaxFileBytes, rec.opts.MaxTotalBytes = args[0], maxFile<<20, maxTotal<<20
			return runDaemon(cmd.Context(), settingsOf(cmd), rec, cmd.ErrOrStderr())
		},
	}
	config.Flags(cmd.Flags())
	fs := cmd.Flags()
	fs.Int64Var(&maxFile, "record-file-mib", maxFile, "size at which a new file is begun, in MiB")
	fs.Int64Var(&maxTotal, "record-total-mib", maxTotal, "size of all files from which the oldest is removed, in MiB")
	fs.DurationVar(&rec.opts.MaxAge, "record-max-age", 0, "age from which a file is removed when a new one is begun; 0: none is")
	fs.DurationVar(&rec.opts.FlushEvery, "record-flush-every", recording.DefaultFlushEvery, "time in which ticks are collected before they are written")
	fs.DurationVar(&rec.opts.SyncEvery, "record-sync-every", recording.DefaultSyncEvery, "time after which what was written is forced to the disk")
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

// recording is where the daemon records. It is a loop.Observer, which remembers
// what a tick was decided on, and a loop.Watcher, which records it.
type recorder struct {
	dir    string
	opts   recording.Options
	writer *recording.Writer
	// begins is what the daemon began with, until that is recorded.
	begins *recording.Start
	last   *decision.Record

	log *slog.Logger
	// behind and refused are when the last tick was said to be missing.
	behind, refused time.Time
}

// sayEvery is how often a missing tick is worth a line.
const sayEvery = time.Minute

func (r *recorder) start(begins *recording.Start, log *slog.Logger) (err error) {
	r.log, r.begins = log, begins
	if r.writer, err = recording.Create(r.dir, r.opts, log); err != nil {
		return err
	}
	log.Info("recording", "dir", r.dir)
	return nil
}

// Observe remembers the tick's record until its snapshot comes.
func (r *recorder) Observe(tick *decision.Record) { r.last = tick }

// Watch records one tick.
func (r *recorder) Watch(s *snapshot.Snapshot) {
	var in *recording.Inputs
	if r.last != nil && r.last.Seq == s.Seq {
		in = replay.InputsOf(r.last, r.begins)
	}
	err := r.writer.RecordTick(s, in)
	last := &r.refused
	switch {
	case err == nil:
		r.begins = nil
		return
	case errors.Is(err, recording.ErrPaused): // the error itself was logged
		return
	case errors.Is(err, recording.ErrBehind):
		last = &r.behind
	}
	if s.At.Sub(*last) < sayEvery {
		return
	}
	*last = s.At
	r.log.Warn("tick not recorded", "err", err)
}

func (r *recorder) stop() {
	if err := r.writer.Close(); err != nil {
		r.log.Error("the recording may lack its end", "err", err)
	}
	st := r.writer.Stats()
	r.log.Info("recorded", "dir", r.dir, "ticks", st.Ticks, "bytes", st.Bytes, "missing", st.Behind+st.Lost+st.Refused)
}
