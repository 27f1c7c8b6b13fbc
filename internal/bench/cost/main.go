// Command cost measures what the daemon costs: it makes containers in real
// cgroups, runs the real daemon on them at one tick a second in a cgroup of its
// own, reports to it as an agent does, and prints a table (docs/evidence/cost.md).
//
//	make build && go run ./internal/bench/cost -daemon bin/estimatord
//
// It needs root, removes all it made when it ends, and takes some minutes.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
)

// options are the flags.
type options struct {
	daemon  string
	sizes   []int
	settle  time.Duration
	measure time.Duration
	record  bool
	page    bool
	// other is a program to measure in the daemon's place.
	other string
}

func main() {
	if child, err := fakeagent.Child(); child {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout))
}

func exit(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("cost", flag.ContinueOnError)
	fs.StringVar(&o.daemon, "daemon", "bin/estimatord", "the daemon's binary")
	sizes := fs.String("containers", "10,100,1000,5000", "numbers of containers, one run each")
	fs.DurationVar(&o.settle, "settle", 15*time.Second, "time before the measurement")
	fs.DurationVar(&o.measure, "measure", 45*time.Second, "time of the measurement")
	fs.BoolVar(&o.record, "record", false, "have the daemon record, too")
	fs.BoolVar(&o.page, "page", false, "measure once more with a status page open")
	fs.StringVar(&o.other, "other", "", "measure this program instead; its argument is the cgroup whose containers it samples")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-containers: %q is no number of containers", text)
		}
		o.sizes = append(o.sizes, n)
	}
	return o, nil
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(out)
	_, _ = fmt.Fprintln(w, "| containers | CPU, % of a core | µs per container and tick | RSS MiB | kernel memory MiB | start: RSS | /metrics ms | /metrics/containers ms | recorded B per container and tick | with a page open, % of a core more |")
	_, _ = fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, n := range o.sizes {
		c, err := measure(ctx, &o, n)
		if err != nil {
			return fmt.Errorf("%d containers: %w", n, err)
		}
		_, _ = fmt.Fprintf(w, "| %d | %.2f | %.1f | %.1f | %.1f | %.1f | %s | %s | %s | %s |\n", n, 100*c.share, 1e6*c.share/float64(n),
			mib(c.rss), mib(c.kernel), mib(c.rssAtStart), ms(c.metrics), ms(c.containers), orDash(c.recorded), orDash(c.page))
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

// ms is a time in ms, a dash where it was not measured.
func ms(d time.Duration) string {
	if d == 0 {
		return orDash("")
	}
	return strconv.FormatFloat(float64(d.Microseconds())/1e3, 'f', 1, 64)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}
