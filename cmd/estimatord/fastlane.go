package main

import (
	"context"
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
	return &fastLane{fast: fast, shown: web.NewFastLane(), wake: make(chan struct{}, 1)}
}

// Watch tells which containers are regular.
func (f *fastLane) Watch(s *snapshot.Snapshot) { f.fast.Follow(s) }

// run looks until ctx ends.
func (f *fastLane) run(ctx context.Context) error {
	ticker := time.NewTicker(monitor.FastEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
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
}
