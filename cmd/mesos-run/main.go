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
	"os/user"
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

const (
	// frameworkName is how mesos-run registers.
	frameworkName = "mesos-run"
	exitUsage     = 2 // it did not start: flags or files
)

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
	master, user, role string
	timeout            time.Duration
	asJSON             bool
}

// flags adds the flags of a command that talks to a master.
func (c *cluster) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.master, "master", "", "HOST:PORT of a master, several behind commas, or zk://HOST:PORT,.../PATH")
	f.DurationVar(&c.timeout, "connect-timeout", 10*time.Second, "how long the leading master is looked for")
	f.BoolVar(&c.asJSON, "json", false, "print JSON")
}

// roleFlags adds the flags of a command that registers as a framework.
func (c *cluster) roleFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.role, "role", "*", "role whose resources are used")
	cmd.Flags().StringVar(&c.user, "user", "", "user of the agents that runs commands (default: who calls mesos-run)")
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
	return scheduler.NewClient(masters, c.timeout), nil
}

// framework is how mesos-run registers.
func (c *cluster) framework() (scheduler.FrameworkInfo, error) {
	info := scheduler.FrameworkInfo{
		User: c.user, Name: frameworkName, Roles: []string{c.role}, Checkpoint: true,
		Capabilities: []scheduler.Capability{{Type: "REVOCABLE_RESOURCES"}, {Type: "PARTITION_AWARE"}, {Type: "MULTI_ROLE"}},
	}
	if c.user != "" {
		return info, nil
	}
	me, err := user.Current()
	if err != nil {
		return info, usageError{fmt.Errorf("name the --user: %w", err)}
	}
	info.User = me.Username
	return info, nil
}

// print prints document as JSON, or rows as a table.
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

// ask makes a command that asks the master once, within the time to connect.
func (c *cluster) ask(cmd *cobra.Command, do func(ctx context.Context, client *scheduler.Client, args []string) error) *cobra.Command {
	c.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := c.client()
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), c.timeout)
		defer cancel()
		return do(ctx, client, args)
	}
	return cmd
}

// one is one argument, which is what is named.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageError{errors.New(cmd.CommandPath() + ": name one " + what)}
		}
		return nil
	}
}
