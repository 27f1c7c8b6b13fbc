package demo

import (
	"context"
	"errors"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
)

// tellAgain tells the story until ctx ends, whatever comes of each time: a machine
// on which others work may spoil one.
func (s *story) tellAgain(ctx context.Context) error {
	first := s.result
	defer func() { s.result = first }()
	for {
		if s.result.OK() {
			s.say("the story came out as told, and begins again; Ctrl-C ends it")
		} else {
			s.say("the story did not come out this time, and begins again; Ctrl-C ends it")
		}
		s.result = Result{points: storyPoints}
		s.set(func() { s.boards, s.kills = s.boards[max(0, len(s.boards)-1):], nil })
		// The peak of the last time has to leave the daemon's window first.
		s.patience = s.since() + s.wait + window
		if err := s.calmDown(ctx); err != nil && !errors.Is(err, errEnds) {
			return err
		}
	}
}

// calmDown begins with a calm service, and tells the rest of the story.
func (s *story) calmDown(ctx context.Context) error {
	if err := workload.SetCores(s.service, s.plan.low); err != nil {
		return err
	}
	s.set(func() { s.load = s.plan.low })
	s.say("the service's load falls to %.2f cpus", s.plan.low)
	if _, gone := s.events.Find(fakeagent.TaskEnded, s.hogTask); gone || s.hogTask == "" { // else it still runs
		if err := s.shared(ctx); err != nil {
			return err
		}
	}
	return s.takenBack(ctx)
}
