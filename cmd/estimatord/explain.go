package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/printable"
)

// explaining is what all the commands of explain have in common.
type explaining struct {
	dir, at string
	json    bool
}

func newExplain() *cobra.Command {
	e := &explaining{}
	question := func(use, short, long string, args cobra.PositionalArgs, complete cobra.CompletionFunc, ask func(l *explain.Log, args []string) (explanation, error)) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Long: long, Args: args, ValidArgsFunction: complete, RunE: func(cmd *cobra.Command, args []string) error {
			return e.answer(cmd, func(l *explain.Log) (explanation, error) { return ask(l, args) })
		}}
	}
	cmd := newGroup("explain", "Say why, from the decision log",
		`explain reads the decision log that the daemon keeps (setting decisions.dir) and
says why the offer is what it is, why a container was killed, and why one was
not. The daemon need not run. The words in brackets are stable codes, which the
daemon's log and metrics use as well.`,
		question("offer", "Say why the offer is what it is", "", noArguments, nil,
			func(l *explain.Log, _ []string) (explanation, error) { return l.Offer() }),
		question("kill CONTAINER", "Say why a container was killed",
			`kill says which rule killed a container and what it read, who else was weighed,
what became of it, and how it was throttled before.

`+whichContainer, one("container"), containerNames(true),
			func(l *explain.Log, args []string) (explanation, error) { return l.Kill(args[0]) }),
		question("why-not CONTAINER", "Say why a container is not killed",
			`why-not says whether a container could be killed, and why it is not.

`+whichContainer, one("container"), containerNames(false),
			func(l *explain.Log, args []string) (explanation, error) { return l.WhyNot(args[0]) }),
	)
	cmd.Example = `  estimatord explain offer
  estimatord explain kill 5f3a
  estimatord explain why-not batch.task-7 --at 2026-03-01T12:00:00Z`
	flags := cmd.PersistentFlags()
	config.Flags(flags, "config", "operator_socket")
	flags.StringVar(&e.dir, "dir", "", dirHelp)
	flags.StringVar(&e.at, "at", "", "time to ask about, in RFC 3339, as explain prints it, or as a duration ago; empty: the end of the log")
	_ = cmd.RegisterFlagCompletionFunc("at", cobra.NoFileCompletions)
	flags.BoolVar(&e.json, "json", false, "print JSON")
	return cmd
}

const whichContainer = `CONTAINER is a container's id, the beginning of one, or the id of its executor
or of one of its tasks.`

// explanation is an answer that can be printed, as text or as JSON.
type explanation interface{ Text() string }

func (e *explaining) answer(cmd *cobra.Command, ask func(*explain.Log) (explanation, error)) error {
	until, err := explain.ParseTime(e.at, time.Now())
	if err != nil {
		return usageError{fmt.Errorf("--at: %w", err)}
	}
	l, err := openLog(cmd, e.dir, until)
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
	text := printable.Text(a.Text())
	if e.json {
		if text, err = jsonOf(a); err != nil {
			return err
		}
		text += "\n"
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text)
	return err
}

// jsonOf is v for people and scripts.
func jsonOf(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(printable.JSON(&b))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}
