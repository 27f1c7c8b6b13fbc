package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/fakeagent"
)

// A spinning service has its CPU back when it gets this share of it, from then
// on for this long. Floors of throttled containers take 2 % each.
const (
	backShare  = 0.9
	backWindow = 50 * time.Millisecond
)

// onset is one time that the hogs began.
type onset struct {
	// written is when the first throttle was seen in a cgroup, back when the
	// service had its CPU again, both since the hogs were let go.
	written, back time.Duration
	outside       float64
	// quota: one followed within quotaWithin.
	quota bool
}

// quick is the policy in a file, with a throttle given back fast, so that the
// next onset need not wait.
func quick(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	before, dwell, found := strings.Cut(string(b), "\n  dwell: 10s")
	if !found {
		return "", fmt.Errorf("%s: no dwell of 10s", path)
	}
	return before + "\n  dwell: 1s" + dwell, nil
}

func measureReaction(ctx context.Context, o *options, out io.Writer) (err error) {
	n, err := newNode(o, nodeConfig{Config: fakeagent.Config{EqualWeights: true}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	policy, err := quick(o.policy)
	if err != nil {
		return err
	}
	d, err := n.start(ctx, policy)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Stop()) }()
	hogs := []string{"hog-0", "hog-1"}
	if err := n.launchHogs(hogs, 2); err != nil {
		return err
	}
	if err := n.signal(hogs, syscall.SIGSTOP); err != nil {
		return err
	}
	w, err := n.watch(ctx)
	if err != nil {
		return err
	}
	var all []onset
	disturbed := 0
	for len(all) < o.onsets && disturbed < 3*o.onsets {
		s, err := oneOnset(ctx, n, w, hogs)
		if err != nil {
			return err
		}
		if s.outside > maxOutside {
			disturbed++
			continue
		}
		all = append(all, s)
	}
	_, _ = fmt.Fprintf(out, "\n%d onsets (%d more with others on the CPU, or a throttle before, discarded), hogs with equal weights\n\n%s", len(all), disturbed, spreadHead)
	spread(out, "from the onset: throttle written", all, func(s onset) float64 { return ms(s.written) })
	spread(out, "from the onset: the service has its CPU back", all, func(s onset) float64 { return ms(s.back) })
	quotas := 0
	for _, s := range all {
		if s.quota {
			quotas++
		}
	}
	_, _ = fmt.Fprintf(out, "\nA quota followed within %s at %d of them.\n", quotaWithin, quotas)
	return nil
}

// spreadHead is the head of a table of spreads.
const spreadHead = "| ms to | least | p50 | p90 | worst |\n|---|---|---|---|---|\n"

func spread[T any](out io.Writer, name string, all []T, of func(T) float64) {
	v := valuesOf(all, of)
	_, _ = fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f | %.1f |\n", name, quantile(v, 0), quantile(v, 0.5), quantile(v, 0.9), quantile(v, 1))
}

// watched are the gaps of a service that spins on and on: one that starts and
// stops would be taken for one whose use goes up and down by itself.
type watched struct {
	mu   sync.Mutex
	gaps []gap
	to   time.Duration
	err  error
}

// spinFor is the time between two reports of a spinning service.
const spinFor = 2 * time.Second

// watch has the service spin until the node is closed.
func (n *node) watch(ctx context.Context) (*watched, error) {
	spin := order{Spin: true, Seconds: spinFor.Seconds()}
	if err := errors.Join(n.send(spin), n.send(spin)); err != nil {
		return nil, err
	}
	w := &watched{}
	go func() {
		for ctx.Err() == nil {
			r, err := n.receive()
			if err == nil {
				err = n.send(spin) // one is always waiting
			}
			w.mu.Lock()
			w.gaps, w.to, w.err = append(w.gaps, r.Gaps...), r.To, err
			w.mu.Unlock()
			if err != nil {
				return // the node was closed, or the onset that waits for it says so
			}
		}
	}()
	return w, nil
}

// since are the gaps that end after a time, once all up to another are known.
func (w *watched) since(ctx context.Context, from, to time.Duration) (r report, err error) {
	for {
		w.mu.Lock()
		if w.to >= to {
			for _, g := range w.gaps {
				if g.To > from {
					r.Gaps = append(r.Gaps, g)
				}
			}
			r.To = w.to
		}
		err = w.err
		w.mu.Unlock()
		if r.To > 0 || err != nil {
			return r, err
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return r, err
		}
	}
}

// oneOnset lets the hogs go while the service spins, at a random time within a
// tick.
func oneOnset(ctx context.Context, n *node, w *watched, hogs []string) (s onset, err error) {
	// Nothing is in force from the time before, and what comes next has nothing to
	// do with when that was given back, which is at a tick.
	free := func(v string) bool { return v != leastShares }
	if err := n.awaitAll(ctx, hogs, "cpu.shares", free); err != nil {
		return s, err
	}
	if err := sleep(ctx, time.Second+rand.N(time.Second)); err != nil {
		return s, err
	}
	others, err := newOutside(n)
	if err != nil {
		return s, err
	}
	began := clock(unix.CLOCK_MONOTONIC)
	if err := n.signal(hogs, syscall.SIGCONT); err != nil {
		return s, err
	}
	limit := began + watchFor
	for v := ""; free(v) && clock(unix.CLOCK_MONOTONIC) < limit; {
		if v, err = n.get(hogs[0], "cpu.shares"); err != nil {
			return s, err
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return s, err
		}
	}
	s.written = clock(unix.CLOCK_MONOTONIC) - began
	if err := sleep(ctx, 4*backWindow); err != nil {
		return s, err
	}
	if s.outside, err = others.share(); err != nil {
		return s, err
	}
	if s.written < 2*time.Millisecond {
		s.outside = 1 // it was throttled before: something else came between
	}
	for end := clock(unix.CLOCK_MONOTONIC) + quotaWithin; clock(unix.CLOCK_MONOTONIC) < end && !s.quota; {
		if err := sleep(ctx, 5*backWindow); err != nil {
			return s, err
		}
		v, err := n.get(hogs[0], "cpu.cfs_quota_us")
		if err != nil {
			return s, err
		}
		s.quota = v != noQuota
	}
	if err := n.signal(hogs, syscall.SIGSTOP); err != nil {
		return s, err
	}
	r, err := w.since(ctx, began, clock(unix.CLOCK_MONOTONIC))
	s.back = back(&r, began)
	return s, err
}

// watchFor is how long a throttle is waited for, quotaWithin how long after that
// a quota.
const (
	watchFor    = 5 * time.Second
	quotaWithin = 3 * time.Second
)

// back is how long after began a spinning service had its CPU again.
func back(r *report, began time.Duration) time.Duration {
	from := began
	for i := 0; ; i++ {
		if free(r.Gaps, from, from+backWindow) >= backShare {
			return from - began
		}
		// The next time that it can have begun is the end of a gap.
		for i < len(r.Gaps) && r.Gaps[i].To <= from {
			i++
		}
		if i == len(r.Gaps) {
			return r.To - began
		}
		from = r.Gaps[i].To
	}
}

// free is the share of the time from one point on to another without gaps.
func free(gaps []gap, from, to time.Duration) float64 {
	lost := time.Duration(0)
	for _, g := range gaps {
		lost += max(0, min(g.To, to)-max(g.From, from))
	}
	return 1 - lost.Seconds()/(to-from).Seconds()
}
