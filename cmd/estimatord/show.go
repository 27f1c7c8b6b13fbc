package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func newRecordShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show PATH",
		Short: "Print what is in a recording, a line for each tick",
		Long: `show prints a line for each tick of a recording (a directory, or one of its
files): when it was, how many containers there were and what they used in all. A
dash is a number that was not read. A file that was cut off, as by a daemon that
was killed or that still records, is read as far as it goes.`,
		Args: one("recording"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := recording.Open(args[0])
			if err != nil {
				return usageError{err}
			}
			return show(r, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object for each tick")
	return cmd
}

// line is what is shown of a tick. What was not read is null.
type line struct {
	Seq                uint64    `json:"seq"`
	At                 time.Time `json:"at"`
	Tree               string    `json:"tree"`
	Containers         int       `json:"containers"`
	Unreadable         int       `json:"unreadable"`
	Cores              *float64  `json:"cores"`
	UnreclaimableBytes *uint64   `json:"working_set_bytes"`
	HostCPUs           *uint64   `json:"host_cpus"`
	HostBusyCores      *float64  `json:"host_busy_cores"`
	Agent              string    `json:"agent"`
	Executors          int       `json:"executors"`
	UsageAgeSeconds    *float64  `json:"usage_age_seconds"`
}

// lineOf sums the containers at top level: their readings include those of the
// ones nested in them.
func lineOf(s *snapshot.Snapshot) line {
	l := line{Seq: s.Seq, At: s.At, Tree: s.TreeWhy.String(), Containers: len(s.Containers)}
	for i := range s.Containers {
		c := &s.Containers[i]
		if !c.CPU.UsageNanos.OK() {
			l.Unreadable++
		}
		if c.Parent != "" {
			continue
		}
		if c.CPU.Cores.OK() {
			add(&l.Cores, c.CPU.Cores.V)
		}
		if c.Memory.UnreclaimableBytes.OK() {
			add(&l.UnreclaimableBytes, c.Memory.UnreclaimableBytes.N)
		}
	}
	if s.Host.CPUs.OK() {
		add(&l.HostCPUs, s.Host.CPUs.N)
	}
	if s.Host.BusyCores.OK() {
		add(&l.HostBusyCores, s.Host.BusyCores.V)
	}
	if age, ok := s.UsageAge(); ok {
		add(&l.UsageAgeSeconds, age.Seconds())
		l.Agent, l.Executors = s.Usage.Agent, len(s.Usage.Executors)
	}
	return l
}

func add[T uint64 | float64](sum **T, v T) {
	if *sum == nil {
		*sum = new(T)
	}
	**sum += v
}

func show(r *recording.Reader, asJSON bool, out, stderr io.Writer) error {
	w := bufio.NewWriter(out)
	header := "%-8s %-25s %-11s %10s %10s %8s %12s %12s %9s %8s\n"
	row := "%-8d %-25s %-11s %10d %10d %8s %12s %12s %9d %8s\n"
	if !asJSON {
		_, _ = fmt.Fprintf(w, header, "SEQ", "TIME", "TREE", "CONTAINERS", "UNREADABLE", "CORES", "WORKING-SET", "HOST-BUSY", "EXECUTORS", "AGE")
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
		l := lineOf(s)
		if asJSON {
			err = js.Encode(&l)
		} else {
			_, err = fmt.Fprintf(w, row, l.Seq, l.At.UTC().Format("2006-01-02T15:04:05.000Z"), l.Tree, l.Containers, l.Unreadable,
				float(l.Cores), mib(l.UnreclaimableBytes), float(l.HostBusyCores), l.Executors, age(l.UsageAgeSeconds))
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

func float(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', 3, 64)
}

func mib(v *uint64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(float64(*v)/(1<<20), 'f', 1, 64) + "MiB"
}

func age(v *float64) string {
	if v == nil {
		return "-"
	}
	return strconv.FormatFloat(*v, 'f', 1, 64) + "s"
}
