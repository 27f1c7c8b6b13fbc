// Command contention measures what the ladder does for a regular service whose
// CPU best-effort hogs take: its latency on each rung, how soon it has its CPU
// back, and how long a killed container takes to go. It runs the real daemon
// beside the embedded agent, and prints tables (docs/evidence/contention.md).
//
//	make bench-contention
//
// It needs root, cgroup v1 and two CPUs, runs on the first of them, and removes
// all it made when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
)

// options are the flags.
type options struct {
	daemon string
	// policy is the file that is shipped.
	policy string
	parts  string
	// runs is how often each case is measured; window for how long.
	runs   int
	window time.Duration
	cases  string
	onsets int
	kills  int
	// log: show the daemon's log.
	log bool
}

const (
	// hogCount best-effort containers are launched; each spins in two processes.
	hogCount = 2
	// maxOutside is the share of the measured CPU that others may take before a
	// measurement is discarded.
	maxOutside = 0.02
)

func main() {
	if child, err := fakeagent.Child(); child {
		exit(err)
	}
	if len(os.Args) > 1 && os.Args[1] == asService {
		exit(serve(os.Stdin, os.Stdout))
	}
	exit(harness(os.Args[1:], os.Stdout))
}

func exit(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "contention:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("contention", flag.ContinueOnError)
	fs.StringVar(&o.daemon, "daemon", "bin/estimatord", "the daemon's binary")
	fs.StringVar(&o.policy, "policy", "configs/policy.yaml", "the policy that is shipped")
	fs.StringVar(&o.parts, "parts", "latency,reaction,kill", "what to measure")
	fs.IntVar(&o.runs, "runs", 3, "runs of each case of latency")
	fs.DurationVar(&o.window, "window", 5*time.Second, "length of a run")
	fs.StringVar(&o.cases, "cases", "", "only these cases of latency, by number")
	fs.IntVar(&o.onsets, "onsets", 20, "onsets of reaction")
	fs.IntVar(&o.kills, "kills", 5, "kills of each sort")
	fs.BoolVar(&o.log, "v", false, "show the daemon's log")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.runs < 1 || o.onsets < 1 || o.kills < 1 {
		return o, errors.New("-runs, -onsets and -kills are at least 1")
	}
	for part := range strings.SplitSeq(o.parts, ",") {
		if partOf(part) == nil {
			return o, fmt.Errorf("-parts: there is no %q", part)
		}
	}
	var err error
	o.daemon, err = filepath.Abs(o.daemon)
	return o, err
}

// partOf is a measurement, nil for none of that name.
func partOf(name string) func(context.Context, *options, io.Writer) error {
	switch name {
	case "latency":
		return measureLatency
	case "reaction":
		return measureReaction
	case "kill":
		return measureKills
	}
	return nil
}

func harness(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if runtime.NumCPU() != 1 {
		return fmt.Errorf("all but the containers stays off the CPU that is measured: run it with taskset -c %d", firstCPU)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for part := range strings.SplitSeq(o.parts, ",") {
		if err := partOf(part)(ctx, &o, out); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	return nil
}
