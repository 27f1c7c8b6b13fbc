// Package workload holds the programs that the embedded agent runs as tasks:
// a service whose load can be set while it runs, a best-effort hog, and processes
// that use memory and CPU step by step for measurements and tests. They
// are this same binary, run again with a mark in the environment, so that
// nothing else is needed where the demo or a test runs.
//
// A load of c cores means: work worth c seconds of CPU time arrives each
// second. What cannot be done within its period is dropped, as a service with
// a deadline does: the CPU time that is used falls short of the load exactly
// when the CPU was not available.
package workload

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// env marks a process that is a workload; its value is the kind.
const env = "ESTIMATORD_LOCALAGENT_WORKLOAD"

// Kinds of workload.
const (
	kindService = "service"
	kindHog     = "hog"
	kindBurner  = "burner"
	kindToucher = "toucher"
)

// Is reports whether this process was started to be a workload. The main
// function of a program that starts some asks this first and calls Run if so.
func Is() bool { return os.Getenv(env) != "" }

// Run is the workload. It returns when the standard input of a service ends,
// and for a hog never.
func Run() error {
	flags := flag.NewFlagSet("workload", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	cores := flags.Float64("cores", 0, "CPU time to use per time")
	limit := flags.Float64("max-cores", 0, "the most that will be asked of a service")
	threads := flags.Int("threads", 0, "threads of a hog")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	switch kind := os.Getenv(env); kind {
	case kindService:
		b := newBurner(max(1, int(math.Ceil(min(max(*cores, *limit), maxCores)))), *cores)
		b.start()
		return listen(os.Stdin, b)
	case kindHog:
		if *threads < 1 || *threads > maxCores {
			return fmt.Errorf("workload: a hog of %d threads", *threads)
		}
		newBurner(*threads, *cores).start()
		select {}
	case kindBurner:
		return runBurner(os.Stdin, os.Stdout)
	case kindToucher:
		return runToucher(os.Stdin, os.Stdout)
	default:
		return fmt.Errorf("workload: no kind %q", kind)
	}
}

// Service is the command of a service that uses cores, and may later be asked
// for up to limit by SetCores on its standard input.
func Service(cores, limit float64) (*exec.Cmd, error) {
	return command(kindService, "-cores="+decimal(cores), "-max-cores="+decimal(limit))
}

// Hog is the command of a best-effort task that uses as much as it can get, up
// to cores, with that many threads. As many as the host has CPUs find every
// gap that others leave.
func Hog(cores float64, threads int) (*exec.Cmd, error) {
	return command(kindHog, "-cores="+decimal(cores), "-threads="+strconv.Itoa(threads))
}

func command(kind string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "estimatord-" + kind
	cmd.Env = []string{env + "=" + kind}
	return cmd, nil
}

// SetCores asks the service that reads w for another load.
func SetCores(w io.Writer, cores float64) error {
	if _, err := fmt.Fprintf(w, "cores %s\n", decimal(cores)); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	return nil
}

// listen takes what SetCores writes, until there is no more.
func listen(in io.Reader, b *burner) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		cores, err := parseCores(lines.Text())
		if err != nil {
			return err
		}
		b.set(cores)
	}
	return lines.Err()
}

func decimal(cores float64) string { return strconv.FormatFloat(cores, 'f', 3, 64) }

// errProtocol is what a line that cannot be read gives.
var errProtocol = errors.New("not in the workload's protocol")

// parseCores reads a line "cores <number>".
func parseCores(line string) (float64, error) {
	word, number, ok := strings.Cut(strings.TrimSpace(line), " ")
	cores, err := strconv.ParseFloat(number, 64)
	if !ok || word != "cores" || err != nil || !(cores >= 0 && cores <= maxCores) {
		return 0, fmt.Errorf("%w: %q", errProtocol, line)
	}
	return cores, nil
}

// maxCores bounds what may be asked, and with it the number of threads.
const maxCores = 4096
