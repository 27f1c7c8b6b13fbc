// Command contention measures what the ladder does for a regular service whose
// CPU best-effort hogs take: its latency on each rung, how soon it has its CPU
// back, and how long a killed container takes to go. It runs the real daemon
// beside the embedded agent, and prints tables (docs/evidence/contention.md).
//
//	make bench-contention
//
// It needs root, cgroup v1 and two CPUs, and removes all it made when it ends.
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
	// decisions is where each run's decisions are kept, in a directory of its
	// name; "" keeps none.
	decisions string
	parts     string
	// runs is how often each case is measured; window for how long.
	runs   int
	window time.Duration
	load   load
	// hogs is the number of hogs; each spins in two threads.
	hogs   int
	cases  string
	onsets int
	kills  int
	// outside is the share of the measured CPU that others may take before a
	// run is discarded.
	outside float64
	// anywhere: the daemon may run on the measured CPU as well.
	anywhere bool
	verbose  bool
}

func main() {
	if child, err := fakeagent.Child(); child {
		exit(err)
	}
	if child, err := asChild(os.Args[1:]); child {
		exit(err)
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
	fs.StringVar(&o.decisions, "decisions", "", "a directory to keep the decisions of latency and reaction in")
	fs.StringVar(&o.parts, "parts", "latency,reaction,kill", "what to measure")
	fs.IntVar(&o.runs, "runs", 3, "runs of each case of latency")
	fs.DurationVar(&o.window, "window", 5*time.Second, "length of a run")
	fs.Float64Var(&o.load.rate, "rate", 400, "requests per second")
	fs.DurationVar(&o.load.work, "work", time.Millisecond, "CPU time of a request")
	fs.IntVar(&o.hogs, "hogs", 2, "number of best-effort containers")
	fs.StringVar(&o.cases, "cases", "", "only these cases of latency, by number")
	fs.IntVar(&o.onsets, "onsets", 20, "onsets of reaction")
	fs.IntVar(&o.kills, "kills", 5, "kills of each sort")
	fs.Float64Var(&o.outside, "outside", 0.02, "share of the measured CPU that others may take before a run is discarded")
	fs.BoolVar(&o.anywhere, "anywhere", false, "let the daemon run on the measured CPU too")
	fs.BoolVar(&o.verbose, "v", false, "print every run, and the daemon's log")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if o.runs < 1 || o.hogs < 1 || o.onsets < 1 || o.kills < 1 {
		return o, errors.New("-runs, -hogs, -onsets and -kills are at least 1")
	}
	for part := range strings.SplitSeq(o.parts, ",") {
		if partOf(part) == nil {
			return o, fmt.Errorf("-parts: there is no %q", part)
		}
	}
	for _, path := range [...]*string{&o.daemon, &o.policy, &o.decisions} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
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
	// All but the containers stays off the CPU that is measured.
	if err := stayOn(firstCPU); err != nil {
		return err
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
