package daemon

import (
	"context"
	"runtime"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/metrics"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
)

// fastSampler polls between two ticks whether regular tasks wait for CPU, and
// wakes the loop when they begin to. It is a tick.Observer.
type fastSampler struct {
	fast   *monitor.FastSampler
	counts *metrics.FastSampler
	wake   func()
}

func newFastSampler(fast *monitor.FastSampler, wake func()) *fastSampler {
	return &fastSampler{fast: fast, counts: metrics.NewFastSampler(), wake: wake}
}

// Observe tells which containers are regular.
func (f *fastSampler) Observe(_ *decision.Record, s *snapshot.Snapshot) { f.fast.Follow(s) }

// run polls until ctx ends, and returns within monitor.FastEvery after that. It
// waits in the kernel, on a thread of its own (monitor.FastSampler.Wait says why).
func (f *fastSampler) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for ctx.Err() == nil {
		f.fast.Wait()
		s := f.fast.Poll(time.Now())
		f.counts.Observe(s)
		if s.Wake {
			f.wake()
		}
	}
	return nil
}
