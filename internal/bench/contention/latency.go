package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
)

// latencyCase is one row of the table.
type latencyCase struct {
	name string
	// alone: the hogs do not run.
	alone bool
	// equal: the hogs have the weight of regular containers; overload: the
	// service cannot answer all that it is asked.
	equal, overload bool
	// files are written to the hogs' cgroups by hand, without the daemon.
	files []string
	// weightless: the service has the least weight there is itself, so that to take
	// the hogs' is no help.
	weightless bool
	// policy is the daemon's, "" none.
	policy string
	// reached waits until the rung is in force.
	reached func(context.Context, *node, []string) error
}

// shipped stands for the policy of the file that is shipped.
const shipped = "shipped"

// The rules of one rung at a time.
const (
	stopPolicy     = "rules:\n  - {name: stop, signal: node_cpu, above: 0.95, clear: 0.9, for: 0s, action: stop_offering}\n"
	throttlePolicy = "rules:\n  - {name: slow, signal: node_cpu, above: 0.95, clear: 0.9, for: 0s, action: throttle}\n"
	freezePolicy   = "rules:\n  - {name: freeze, signal: node_cpu, above: 0.95, for: 0s, action: freeze, immediate: true}\nladder: {freeze_for: 5m, dwell: 5m}\n"
	killPolicy     = "rules:\n  - {name: kill, signal: node_cpu, above: 0.95, for: 1s, action: kill, immediate: true, settle: 1s}\nbudget: {kills: 1000, per: 1h}\n"
)

var latencyCases = []latencyCase{
	{name: "alone", alone: true},
	{name: "hogs, equal weights", equal: true, overload: true},
	{name: "hogs, stock Mesos weights"},
	{name: "rung 1: stop offering", policy: stopPolicy, reached: notOffered},
	{name: "shipped policy, stock Mesos weights", policy: shipped, reached: inForce},
	{name: "shipped policy, equal weights", equal: true, policy: shipped, reached: leastWeight},
	{name: "shipped policy, equal weights, no weight for the service", equal: true, weightless: true, policy: shipped, reached: throttled},
	{name: "rung 2: throttle by node_cpu", policy: throttlePolicy, reached: throttled},
	{name: "rung 2: throttle by node_cpu, equal weights", equal: true, policy: throttlePolicy, reached: throttled},
	{name: "rung 3: freeze", policy: freezePolicy, reached: frozen},
	{name: "rung 4: kill", policy: killPolicy, reached: killed},
	{name: "by hand: shares 2", files: []string{"cpu.shares=2"}},
	{name: "by hand: shares 2, 2 % in 100 ms", files: []string{"cpu.shares=2", "cpu.cfs_quota_us=2000"}},
}

// seen is one run.
type seen struct {
	p50, p99, p999 time.Duration
	// done is answered requests per second, hogs what the hogs got in cores,
	// outside what others took of the CPU.
	done, hogs, outside float64
	// kept slices of those that were tried, which others did not disturb.
	kept, slices int
	// lowWeight and quota are the slices kept at whose end a hog had the least
	// weight, or a quota.
	lowWeight, quota int
}

func measureLatency(ctx context.Context, o *options, out io.Writer) error {
	cases, err := chosen(o.cases)
	if err != nil {
		return err
	}
	runs := make([][]seen, len(cases))
	// Round by round, so that whatever changes slowly changes for all.
	for range o.runs {
		for i := range cases {
			s, err := latencyRun(ctx, o, &cases[i])
			if err != nil {
				return fmt.Errorf("%s: %w", cases[i].name, err)
			}
			runs[i] = append(runs[i], s)
		}
	}
	printLatency(out, o, cases, runs)
	return nil
}

func chosen(text string) ([]latencyCase, error) {
	if text == "" {
		return latencyCases, nil
	}
	var out []latencyCase
	for word := range strings.SplitSeq(text, ",") {
		i, err := strconv.Atoi(word)
		if err != nil || i < 0 || i >= len(latencyCases) {
			return nil, fmt.Errorf("-cases: %q is none of 0 to %d", word, len(latencyCases)-1)
		}
		out = append(out, latencyCases[i])
	}
	return out, nil
}

const (
	// settleFor is how long a case is in force before it is measured.
	settleFor = 2 * time.Second
	// slice is over how long it is judged whether others took part: short, since
	// others come and go.
	slice = time.Second
	// triedFor bounds the search for calm slices, in windows.
	triedFor = 8
)

func latencyRun(ctx context.Context, o *options, c *latencyCase) (s seen, err error) {
	n, err := newNode(o, nodeConfig{Config: fakeagent.Config{EqualWeights: c.equal}, shielded: true})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	d, err := n.start(ctx, "")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	var hogs []string
	for i := range hogCount {
		hogs = append(hogs, "hog-"+strconv.Itoa(i))
	}
	if err := n.launchHogs(hogs, 2); err != nil {
		return s, err
	}
	for _, f := range c.files {
		name, value, _ := strings.Cut(f, "=")
		if err := n.set(hogs, name, value); err != nil {
			return s, err
		}
	}
	if c.weightless {
		if err := n.set([]string{serviceTask}, "cpu.shares", leastShares); err != nil {
			return s, err
		}
	}
	if c.alone {
		if err := n.signal(hogs, syscall.SIGSTOP); err != nil {
			return s, err
		}
	}
	// The service works while the ladder is climbed: for it, if need be.
	if c.policy != "" {
		if err := d.Stop(); err != nil {
			return s, err
		}
		policy := c.policy
		if policy == shipped {
			text, err := os.ReadFile(o.policy)
			if err != nil {
				return s, err
			}
			policy = string(text)
		}
		if d, err = n.start(ctx, policy); err != nil {
			return s, err
		}
		reached := make(chan error, 1)
		go func() { reached <- c.reached(ctx, n, hogs) }()
		for waiting := true; waiting; {
			if _, err := n.ask(requests(500*time.Millisecond, 0)); err != nil {
				return s, err
			}
			select {
			case err := <-reached:
				if err != nil {
					return s, err
				}
				waiting = false
			default:
			}
		}
	}
	if _, err := n.ask(requests(settleFor, 0)); err != nil {
		return s, err
	}
	err = s.measure(ctx, o, c, n, hogs)
	return s, err
}

// requests is the order of that many requests.
func requests(length time.Duration, seed uint64) order {
	return order{Rate: rate, Work: work, Seconds: length.Seconds(), Seed: seed}
}

// measure lets the service work slice by slice until a window's worth of them
// was calm. The k-th that is kept has the same arrivals in each case.
func (s *seen) measure(ctx context.Context, o *options, c *latencyCase, n *node, hogs []string) error {
	others, err := newOutside(n)
	if err != nil {
		return err
	}
	length := slice
	if c.overload {
		length = o.window
	}
	want := int(o.window / length)
	var latencies []time.Duration
	var givenUp int
	var took, hogTime time.Duration
	for s.slices = 0; s.kept < want && s.slices < triedFor*want; s.slices++ {
		before, began := n.usage(hogs), time.Now()
		if _, err := others.share(); err != nil {
			return err
		}
		r, err := n.ask(requests(length, uint64(s.kept)))
		if err != nil {
			return err
		}
		share, err := others.share()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if share > maxOutside {
			continue
		}
		s.kept++
		if slices.ContainsFunc(hogs, n.lowWeight) {
			s.lowWeight++
		}
		if slices.ContainsFunc(hogs, n.hasQuota) {
			s.quota++
		}
		s.outside += share / float64(want)
		took += time.Since(began)
		hogTime += n.usage(hogs) - before
		latencies = append(latencies, r.Latencies...)
		givenUp += r.GivenUp
	}
	s.take(latencies)
	s.hogs = hogTime.Seconds() / took.Seconds()
	s.done = float64(len(latencies)-givenUp) / took.Seconds()
	return nil
}

func (s *seen) take(latencies []time.Duration) {
	slices.Sort(latencies)
	s.p50, s.p99, s.p999 = quantile(latencies, 0.5), quantile(latencies, 0.99), quantile(latencies, 0.999)
}

// idealOf is what queuing alone comes to.
func idealOf(o *options) (s seen) {
	var all []time.Duration
	for k := range int(o.window / slice) {
		all = append(all, ideal(arrivalsOf(rate, slice, uint64(k)), work)...)
	}
	s.take(all)
	s.done = float64(len(all)) / o.window.Seconds()
	return s
}

// usage is the CPU time of those hogs that are there.
func (n *node) usage(hogs []string) (sum time.Duration) {
	for _, h := range hogs {
		if used, err := n.agent.CPUTime(h); err == nil {
			sum += used
		}
	}
	return sum
}

func notOffered(ctx context.Context, n *node, _ []string) error {
	for deadline := time.Now().Add(process.Timeout); !n.agent.Offer().Free().IsZero(); {
		if time.Now().After(deadline) {
			return errors.New("something is offered for too long")
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// leastShares and noQuota are the least weight there is (MIN_SHARES,
// kernel/sched/sched.h), and no limit.
const (
	leastShares = "2"
	noQuota     = "-1"
)

func (n *node) lowWeight(task string) bool {
	v, err := n.get(task, "cpu.shares")
	return err == nil && v == leastShares
}

func (n *node) hasQuota(task string) bool {
	v, err := n.get(task, "cpu.cfs_quota_us")
	return err == nil && v != noQuota
}

// inForce waits for nothing in particular: the shipped policy need not do
// anything, but has had the time to.
func inForce(ctx context.Context, _ *node, _ []string) error { return sleep(ctx, 5*time.Second) }

// fileIs waits until a control file of all hogs is as it should be.
func fileIs(name string, ok func(value string) bool) func(context.Context, *node, []string) error {
	return func(ctx context.Context, n *node, hogs []string) error { return n.awaitAll(ctx, hogs, name, ok) }
}

var (
	throttled   = fileIs("cpu.cfs_quota_us", func(v string) bool { return v != noQuota })
	leastWeight = fileIs("cpu.shares", func(v string) bool { return v == leastShares })
	frozen      = fileIs("freezer.state", func(v string) bool { return v == "FROZEN" })
)

func killed(ctx context.Context, n *node, hogs []string) error {
	for _, h := range hogs {
		if _, err := n.await(ctx, fakeagent.TaskEnded, h); err != nil {
			return err
		}
	}
	return nil
}

func printLatency(out io.Writer, o *options, cases []latencyCase, runs [][]seen) {
	_, _ = fmt.Fprintf(out, "%.0f requests/s of %s; medians of %d runs of %s, in brackets the least; slices of %s with more than %.0f %% of others discarded\n\n",
		float64(rate), work, o.runs, o.window, slice, 100*maxOutside)
	_, _ = fmt.Fprintln(out, "| case | p50 ms | p99 ms | p99.9 ms | p99 to alone | answered/s | hogs, cores | others, share | slices kept | with least weight | with a quota |")
	_, _ = fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|")
	q := idealOf(o)
	_, _ = fmt.Fprintf(out, "| queuing alone (computed) | %.2f | %.2f | %.2f | | %.0f | | | | | |\n", ms(q.p50), ms(q.p99), ms(q.p999), q.done)
	var alone float64
	for i := range cases {
		calm := slices.DeleteFunc(slices.Clone(runs[i]), func(s seen) bool { return s.kept == 0 })
		p99 := median(calm, func(s seen) float64 { return ms(s.p99) })
		if cases[i].alone {
			alone = p99
		}
		kept, tried, low, quota := 0, 0, 0, 0
		for _, s := range runs[i] {
			kept, tried, low, quota = kept+s.kept, tried+s.slices, low+s.lowWeight, quota+s.quota
		}
		_, _ = fmt.Fprintf(out, "| %s | %s | %s | %s | %.2f | %.0f | %.3f | %.3f | %d of %d | %d | %d |\n", cases[i].name,
			withLeast(calm, func(s seen) float64 { return ms(s.p50) }), withLeast(calm, func(s seen) float64 { return ms(s.p99) }),
			withLeast(calm, func(s seen) float64 { return ms(s.p999) }), p99/alone,
			median(calm, func(s seen) float64 { return s.done }), median(calm, func(s seen) float64 { return s.hogs }),
			median(calm, func(s seen) float64 { return s.outside }), kept, tried, low, quota)
	}
}
