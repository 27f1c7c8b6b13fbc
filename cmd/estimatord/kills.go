package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/decision/explain"
	decisionlog "github.com/estimatord/estimatord/internal/decision/log"
	"github.com/estimatord/estimatord/internal/printable"
)

func newKills() *cobra.Command {
	var since, dir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "kills",
		Short: "List what was killed, and why, in one line each",
		Long: `kills lists the kills in order of time, with the begin of the container's id,
its tasks, the rule and what it read, and what became of it. They come from the
decision log (setting decisions.dir) or, where there is none, from the running
daemon, which remembers the last 100 since its start. Times are UTC.
"estimatord explain kill" has all that led to one.`,
		Example: `  estimatord kills --since 1h
  estimatord kills --since 2026-03-01T12:00:00Z --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := explain.ParseTime(since, time.Now())
			if err != nil {
				return usageError{fmt.Errorf("--since: %w", err)}
			}
			kills, err := killsSince(cmd, dir, from)
			if err != nil {
				return err
			}
			return printKills(cmd, kills, since, asJSON)
		},
	}
	callFlags(cmd)
	cmd.Flags().StringVar(&since, "since", "24h", "how far back: a duration, or a time in RFC 3339; empty: all that is known")
	cmd.Flags().StringVar(&dir, "dir", "", dirHelp)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.RegisterFlagCompletionFunc("since", cobra.NoFileCompletions)
	return cmd
}

// killsSince are the kills of the log or, where none is kept, those that the daemon
// remembers.
func killsSince(cmd *cobra.Command, dir string, from time.Time) ([]explain.Killed, error) {
	l, err := openLog(cmd, dir, time.Time{})
	if err == nil {
		return l.Kills(from), nil
	}
	if dir != "" || !errors.Is(err, decisionlog.ErrNoLog) {
		return nil, err
	}
	c, also := operator(cmd)
	if also != nil {
		return nil, errors.Join(err, also)
	}
	st, also := c.Status(cmd.Context())
	if also != nil {
		return nil, errors.Join(err, also)
	}
	slices.Reverse(st.Kills)
	return slices.DeleteFunc(st.Kills, func(k explain.Killed) bool { return k.At.Before(from) }), nil
}

func printKills(cmd *cobra.Command, kills []explain.Killed, since string, asJSON bool) error {
	if asJSON {
		text, err := jsonOf(append([]explain.Killed{}, kills...))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
		return err
	}
	if len(kills) == 0 {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing was killed, --since", printable.Quote(since))
		return err
	}
	columns := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for i := range kills {
		cells := kills[i].Cells()
		for k := range cells {
			cells[k] = strings.ReplaceAll(printable.Text(cells[k]), "\n", " ")
		}
		_, _ = fmt.Fprintln(columns, strings.Join(cells, "\t")) // Flush has the error
	}
	return columns.Flush()
}

// dirHelp is what --dir means.
const dirHelp = "directory of the decision log (default: decisions.dir of the settings, or " + defaultDecisions + ")"

// openLog opens the decision log in dir or, when that is "", of this node's daemon,
// up to a time.
func openLog(cmd *cobra.Command, dir string, until time.Time) (*explain.Log, error) {
	if dir == "" {
		cfg, err := find(cmd)
		if err != nil {
			return nil, err
		}
		dir = cfg.Decisions.Dir
	}
	return explain.Open(dir, until)
}
