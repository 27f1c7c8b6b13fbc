// Command estimatord offers the idle, already allocated capacity of a Mesos
// agent's node as revocable resources, and takes it back when regular tasks
// need it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/printable"
)

// Exit codes: what an init system or a script may tell apart.
const (
	exitFailed = 1 // it ran and something went wrong
	exitUsage  = 2 // it did not start: flags, configuration or permissions

	exitDoctorWarning = 3 // doctor found nothing worse than a warning
	exitDoctorError   = 4 // doctor found an error
)

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

// usageError is an error in what the user asked for, or in what was found
// before anything was started.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func main() {
	if child, err := fakeagent.Child(); child { // the demo runs this same binary as its tasks
		os.Exit(exitCode(err, os.Stderr))
	}
	os.Exit(run(newRoot(), os.Stderr))
}

// run runs the command line until it ends or is told to.
func run(root *cobra.Command, stderr io.Writer) int {
	// SIGHUP is each command's own: the daemon reloads, the others end.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return exitCode(root.ExecuteContext(ctx), stderr)
}

// exitCode is the exit code for err, which is told on stderr, one line per
// fault.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(stderr, "estimatord:", printable.Text(err.Error()))
	if usage := (usageError{}); errors.As(err, &usage) {
		return exitUsage
	}
	if own := (exitError{}); errors.As(err, &own) {
		return own.code
	}
	return exitFailed
}
