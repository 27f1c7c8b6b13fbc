package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/snapshot"
	"github.com/estimatord/estimatord/web"
)

// fastLane looks between two ticks whether regular tasks are squeezed, and
// wakes the loop when they begin to be. It is a loop.Watcher.
type fastLane struct {
	fast  *monitor.Fast
	shown *web.FastLane
	wake  chan struct{}
}

func newFastLane(fast *monitor.Fast) *fastLane {
	return &fastLane{fast: fast, shown: web.NewFastLane(), wake: make(chan struct{}, 1)}
}

// Watch tells which containers are regular.
func (f *fastLane) Watch(s *snapshot.Snapshot) { f.fast.Follow(s) }

// run looks until ctx ends, and returns within monitor.FastEvery after that.
//
// It sleeps in the kernel on a thread of its own. A timer of the runtime would
// wake one thread that looks for timers, another one that looks for work, and
// the runtime's monitor: ten times a second that is more than all the looking.
func (f *fastLane) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for next := monotonic(); ctx.Err() == nil; {
		if next += monitor.FastEvery; monotonic() > next {
			next = monotonic() // looks that are missed are not made up for
		}
		sleepUntil(next)
		s := f.fast.Poll(time.Now())
		f.shown.Observe(s)
		if !s.Wake {
			continue
		}
		select {
		case f.wake <- struct{}{}:
		default: // the loop is about to tick anyway
		}
	}
	return nil
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0 // every kernel has this clock
	}
	return time.Duration(ts.Nano())
}

// sleepUntil sleeps until that time of the monotonic clock.
func sleepUntil(at time.Duration) {
	ts := unix.NsecToTimespec(at.Nanoseconds())
	for errors.Is(unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil), unix.EINTR) {
	}
}
