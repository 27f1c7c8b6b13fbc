package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func newRecordShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [PATH]",
		Short: "Print what is in a recording, a line for each tick",
		Long: `show prints a line for each tick of a recording (a directory, or one of its
files): when it was, how many containers there were and what they used in all. A
dash is a number that was not read; --json prints all that was. A file that was
cut off, as by a daemon that was killed or that still records, is read as far as
it goes.`,
		Example: `  estimatord record show
  estimatord record show --json /var/lib/estimatord/recording`,
		Args: oneAtMost("recording"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := recordingOf(cmd, args)
			if err != nil {
				return err
			}
			r, err := recording.Open(path)
			if err != nil {
				return usageError{err}
			}
			return show(r, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	config.Flags(cmd.Flags(), "config")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each tick: all that was read")
	return cmd
}

func show(r *recording.Reader, asJSON bool, out, stderr io.Writer) error {
	w := bufio.NewWriter(out)
	const columns = "%-8v %-24s %-11s %10v %10v %8s %13s %9s %9v %8s\n"
	if !asJSON {
		_, _ = fmt.Fprintf(w, columns, "SEQ", "TIME", "TREE", "CONTAINERS", "UNREADABLE", "CORES", "UNRECLAIMABLE", "HOST-BUSY", "EXECUTORS", "AGE")
	}
	js := json.NewEncoder(w)
	ticks, cuts := 0, 0
	var damage error
	for s, err := range r.All() {
		switch {
		case errors.Is(err, recording.ErrCut):
			cuts++
			_, _ = fmt.Fprintln(stderr, "estimatord:", err)
			continue
		case err != nil:
			damage = errors.Join(damage, err)
			continue
		}
		ticks++
		if asJSON {
			err = js.Encode(s)
		} else {
			cores, memory, unreadable := sums(s)
			executors, age := 0, snapshot.Value{Why: snapshot.NoFile}
			if old, ok := s.UsageAge(); ok {
				executors, age = len(s.Usage.Executors), snapshot.ValueOf(old.Seconds())
			}
			_, err = fmt.Fprintf(w, columns, s.Seq, s.At.UTC().Format("2006-01-02T15:04:05.000Z"), s.TreeWhy, len(s.Containers), unreadable,
				dash(cores, "%.3f"), dash(memory, "%.1fMiB"), dash(s.Host.BusyCores, "%.3f"), executors, dash(age, "%.1fs"))
		}
		if err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stderr, "%d ticks in %d files, %d of them cut off\n", ticks, len(r.Files()), cuts)
	return damage
}

// sums are what the containers at top level use, in cores and MiB: their
// readings include those of the ones nested in them. A sum of nothing is absent.
func sums(s *snapshot.Snapshot) (cores, memory snapshot.Value, unreadable int) {
	cores, memory = snapshot.Value{Why: snapshot.NoFile}, snapshot.Value{Why: snapshot.NoFile}
	for i := range s.Containers {
		c := &s.Containers[i]
		if !c.CPU.UsageNanos.OK() {
			unreadable++
		}
		if c.Parent != "" {
			continue
		}
		if c.CPU.Cores.OK() {
			cores = snapshot.ValueOf(cores.V + c.CPU.Cores.V)
		}
		if c.Memory.UnreclaimableBytes.OK() {
			memory = snapshot.ValueOf(memory.V + float64(c.Memory.UnreclaimableBytes.N)/(1<<20))
		}
	}
	return cores, memory, unreadable
}

// dash is v in that form, a dash when it is absent.
func dash(v snapshot.Value, form string) string {
	if !v.OK() {
		return "-"
	}
	return fmt.Sprintf(form, v.V)
}
