package main

import (
	"context"
	"runtime"
	"time"

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
	return &fastLane{fast: fast, shown: web.NewFastLane(fast.Triggers), wake: make(chan struct{}, 1)}
}

// Watch tells which containers are regular.
func (f *fastLane) Watch(s *snapshot.Snapshot) { f.fast.Follow(s) }

// run looks until ctx ends, and returns within monitor.FastEvery after that. It
// waits in the kernel, on a thread of its own (monitor.Fast.Wait says why).
func (f *fastLane) run(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for ctx.Err() == nil {
		var s snapshot.Squeeze
		if f.fast.Wait() {
			s = f.fast.Glance(time.Now())
			f.shown.Glanced(s)
		} else {
			s = f.fast.Poll(time.Now())
			f.shown.Observe(s)
		}
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
