package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/decision/explain"
)

// defaultDecisions is where the unit has the daemon keep its decision log.
const defaultDecisions = "/var/lib/estimatord/decisions"

// explaining is what all the commands of explain have in common.
type explaining struct {
	dir, at string
	json    bool
}

func newExplain() *cobra.Command {
	e := &explaining{}
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say why, from the decision log",
		Long: `explain reads the decision log that the daemon keeps (setting decisions.dir) and
says why the offer is what it is, why a container was killed, and why one was
not. The daemon need not run. The words in brackets are stable codes, which the
daemon's log and metrics use as well.`,
		Example: `  estimatord explain offer
  estimatord explain kill 5f3a
  estimatord explain why-not batch.task-7 --at 2026-03-01T12:00:00Z`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&e.dir, "dir", defaultDecisions, "directory of the decision log")
	flags.StringVar(&e.at, "at", "", "time to ask about, in RFC 3339 or as a duration ago (default: the end of the log)")
	flags.BoolVar(&e.json, "json", false, "print JSON")
	cmd.AddCommand(
		&cobra.Command{
			Use:   "offer",
			Short: "Say why the offer is what it is",
			Args:  arguments(0, "no argument"),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return e.answer(cmd, func(l *explain.Log) (explanation, error) { return l.Offer() })
			},
		},
		&cobra.Command{
			Use:   "kill CONTAINER",
			Short: "Say why a container was killed",
			Long: `kill says which rule killed a container and what it read, who else was weighed,
what became of it, and how it was throttled before.

` + whichContainer,
			Args: arguments(1, "one container"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.answer(cmd, func(l *explain.Log) (explanation, error) { return l.Kill(args[0]) })
			},
		},
		&cobra.Command{
			Use:   "why-not CONTAINER",
			Short: "Say why a container is not killed",
			Long: `why-not says whether a container could be killed, and why it is not.

` + whichContainer,
			Args: arguments(1, "one container"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.answer(cmd, func(l *explain.Log) (explanation, error) { return l.WhyNot(args[0]) })
			},
		},
	)
	return cmd
}

const whichContainer = `CONTAINER is a container's id, the beginning of one, or the id of its executor or
of one of its tasks.`

// arguments are n arguments.
func arguments(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n || n > 0 && args[0] == "" {
			return usageError{fmt.Errorf("%s: name %s, not %q", cmd.CommandPath(), what, args)}
		}
		return nil
	}
}

// explanation is an answer that can be printed, as text or as JSON.
type explanation interface{ Text() string }

func (e *explaining) answer(cmd *cobra.Command, ask func(*explain.Log) (explanation, error)) error {
	until, err := e.until(time.Now())
	if err != nil {
		return usageError{err}
	}
	l, err := explain.Open(e.dir, until)
	if err != nil {
		return err
	}
	a, err := ask(l)
	if n := l.Skipped(); n > 0 {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "estimatord: %d lines of the log could not be read\n", n)
	}
	if err != nil {
		return err
	}
	return e.print(cmd.OutOrStdout(), a)
}

func (e *explaining) print(w io.Writer, a explanation) error {
	if !e.json {
		_, err := io.WriteString(w, a.Text())
		return err
	}
	return printJSON(w, a)
}

// printJSON writes v for people and scripts.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

var errTime = errors.New("--at: neither a time like 2026-03-01T12:00:00Z nor a duration like 10m")

// until is the time that --at means, zero for none.
func (e *explaining) until(now time.Time) (time.Time, error) {
	if e.at == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, e.at); err == nil {
		return t, nil
	}
	ago, err := time.ParseDuration(strings.TrimPrefix(e.at, "-"))
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %q", errTime, e.at)
	}
	return now.Add(-ago), nil
}
