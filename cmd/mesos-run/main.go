// Command mesos-run runs a command on regular or revocable resources of a Mesos
// cluster, and shows which kind is offered and used.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/job"
	"github.com/estimatord/estimatord/internal/printable"
	"github.com/estimatord/estimatord/internal/scheduler"
)

// version is set by the linker (see Makefile).
var version = "unknown"

const exitUsage = 2 // it did not start: flags or files

// usageError is an error in what the user asked for.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// tasksError is that of tasks that did not end well, which has been told.
type tasksError int

func (e tasksError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() {
	os.Exit(run(newRoot(), os.Stderr))
}

// run runs the command line until it ends or is told to; told a second time, it
// ends at once.
func run(root *cobra.Command, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := root.ExecuteContext(ctx)
	tasks, usage := tasksError(0), usageError{}
	if err != nil && !errors.As(err, &tasks) {
		tell(stderr, "%v", err)
	}
	switch {
	case err == nil:
		return 0
	case tasks > 0:
		return int(tasks)
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, job.ErrTimeout):
		return job.ExitTimeout
	case ctx.Err() != nil:
		return job.ExitInterrupted
	}
	return job.ExitFailed
}

// tell prints a line for people.
func tell(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintln(w, "mesos-run:", printable.Text(fmt.Sprintf(format, args...)))
}

// cluster is how the masters are reached, for all commands.
type cluster struct {
	master, credential string
	timeout            time.Duration
	asJSON             bool
}

// flags adds the flags of a command that talks to a master.
func (c *cluster) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.master, "master", "", "HOST:PORT of a master, several behind commas, or zk://HOST:PORT,.../PATH")
	f.StringVar(&c.credential, "credential", "", "file with a principal and its secret, separated by a blank")
	f.DurationVar(&c.timeout, "connect-timeout", 10*time.Second, "how long the leading master is looked for")
	f.BoolVar(&c.asJSON, "json", false, "print JSON")
}

// client makes the client that the flags ask for.
func (c *cluster) client() (*scheduler.Client, error) {
	masters, err := scheduler.ParseMasters(c.master)
	if err != nil {
		return nil, usageError{fmt.Errorf("--master: %w", err)}
	}
	if c.timeout <= 0 {
		return nil, usageError{fmt.Errorf("--connect-timeout: %s is no time to connect in", c.timeout)}
	}
	client := scheduler.NewClient(masters, c.timeout)
	if c.credential != "" {
		text, err := os.ReadFile(c.credential)
		if err != nil {
			return nil, usageError{fmt.Errorf("--credential: %w", err)}
		}
		words := strings.Fields(string(text))
		if len(words) != 2 {
			return nil, usageError{fmt.Errorf("--credential: %s does not hold a principal and a secret", c.credential)}
		}
		client.Principal, client.Secret = words[0], words[1]
	}
	return client, nil
}

// print prints document as JSON, or rows as a table under their heads.
func (c *cluster) print(cmd *cobra.Command, document any, rows [][]string) error {
	if c.asJSON {
		js := json.NewEncoder(printable.JSON(cmd.OutOrStdout()))
		js.SetEscapeHTML(false)
		js.SetIndent("", "  ")
		return js.Encode(document)
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = cmp.Or(printable.Text(cell), "-")
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}
