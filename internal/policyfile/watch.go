package policyfile

import (
	"context"
	"time"
)

const (
	// quiet is how long nothing must happen before the file is read: an editor
	// writes in steps.
	quiet = 200 * time.Millisecond
	// patience is how long steps may go on: in a directory in which something
	// always happens, the file is read all the same.
	patience = 2 * time.Second
	// pollEvery is how often the file is compared without having been told that
	// it changed: network file systems tell nothing.
	pollEvery = 30 * time.Second
)

// Run takes the file over whenever it changes, until ctx ends.
func (s *Source) Run(ctx context.Context) error {
	if s.cfg.Path == "" {
		<-ctx.Done()
		return nil
	}
	var events chan struct{}
	refresh := func() {}
	w, err := newWatch(s.cfg.Path)
	if err != nil {
		s.cfg.Log.Warn("cannot watch the policy file, it is compared from time to time", "every", pollEvery.String(), "err", err)
	} else {
		events, refresh = make(chan struct{}, 1), w.refresh
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.run(events)
		}()
		defer func() {
			w.close()
			<-done
		}()
	}
	s.follow(ctx, events, refresh)
	return nil
}

// follow looks at the file after events, and when it differs at a poll. refresh
// is called at each poll.
func (s *Source) follow(ctx context.Context, events <-chan struct{}, refresh func()) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	settled := time.NewTimer(quiet) // what happened before the watch began
	defer settled.Stop()
	deadline := time.Now().Add(patience)
	waiting := true
	arm := func() {
		if !waiting {
			waiting, deadline = true, time.Now().Add(patience)
		}
		settled.Reset(max(0, min(quiet, time.Until(deadline))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			arm()
		case <-poll.C:
			refresh()
			if s.changed() {
				arm()
			}
		case <-settled.C:
			waiting = false
			s.look()
		}
	}
}
