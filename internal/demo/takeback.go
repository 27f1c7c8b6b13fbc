package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
)

// raised: the service's load rises, and nothing is promised any more.
func (s *story) raised(ctx context.Context) error {
	s.chapter("3. the service needs its whole allocation; capacity is to be taken back")
	if err := s.driver.SetCores(s.plan.high); err != nil {
		return err
	}
	s.raisedAt = time.Now()
	s.say("the service's load rises from %.2f to %.2f cpus", s.plan.low, s.plan.high)
	var decided process.Line
	ok, err := s.until(ctx, preemptTimeout, func() (nothing bool) {
		decided, nothing = s.notes.promisesNothing()
		return nothing && s.free() == 0
	})
	if err != nil {
		return err
	}
	seen := fmt.Sprintf("%s cpus promised, %s offered", s.notes.last().cpus("revocable_total"), s.free())
	took := decided.Time.Sub(s.raisedAt)
	switch {
	case ok && took < 0:
		seen = "nothing was promised any more when the load rose"
	case ok:
		seen = "nothing promised after " + round(took).String()
		s.measured("load raised to nothing promised any more", took)
	}
	return s.point(Point{
		Name: "nothing is offered any more", OK: ok, Expected: fmt.Sprintf("0 cpus within %s", preemptTimeout),
		Seen: seen, Because: s.whyNoOffer(s.since() - time.Since(s.raisedAt)),
	})
}

// preempted: the daemon has the hog killed, and the agent does it.
func (s *story) preempted(ctx context.Context) error {
	var decided process.Line
	ok, err := s.until(ctx, preemptTimeout, func() (found bool) {
		decided, found = s.notes.killLine(s.hogTask)
		return found
	})
	if err != nil {
		return err
	}
	if ok {
		s.measured("load raised to the decision to preempt", decided.Time.Sub(s.raisedAt))
	}
	err = s.point(Point{
		Name: "the daemon decides to preempt the hog", OK: ok,
		Expected: fmt.Sprintf("more than %.0f %% of the CPUs busy for %s, and a decision within %s", 100*above, holds, preemptTimeout),
		Seen:     s.seenDecision(decided, ok), Because: s.whoElse(0),
	})
	if err != nil {
		return err
	}
	var received, ended fakeagent.Event
	ok, err = s.until(ctx, preemptTimeout, func() (gone bool) {
		received, _ = s.events.Find(fakeagent.KillReceived, s.hogTask)
		ended, gone = s.events.Find(fakeagent.TaskEnded, s.hogTask)
		return gone
	})
	if err != nil {
		return err
	}
	if ok {
		s.measured("decision to kill handed to the agent", received.At.Sub(decided.Time))
		s.measured("kill handed over to the hog's container gone", ended.At.Sub(received.At))
	}
	return s.point(Point{
		Name: "the hog is preempted", OK: ok && ended.State == "TASK_GONE",
		Expected: fmt.Sprintf("TASK_GONE REASON_CONTAINER_PREEMPTED within %s", preemptTimeout),
		Seen:     strings.TrimSpace(ended.State + " " + ended.Reason), Because: s.whoElse(0),
	})
}

func (s *story) seenDecision(decided process.Line, ok bool) string {
	if ok {
		return decided.Why
	}
	return s.notes.last().busy() + " busy, no decision"
}

// kept: the service has its CPU, and nothing regular was touched.
func (s *story) kept(ctx context.Context) error {
	s.chapter("4. the hog is gone; the service is to get all it asks for")
	if got, ok := s.driver.Between(s.raisedAt, time.Now()); ok {
		s.say("while both wanted the CPUs the service got %.2f of %.2f", got.Achieved, got.Asked)
	}
	from, fromAt := time.Now().Add(settle), s.since()+settle
	if err := s.pass(ctx, settle+after); err != nil {
		return err
	}
	if err := s.keeps("the service has its CPU back", from, fromAt); err != nil {
		return err
	}
	ignored, odd := s.events.Find(fakeagent.KillIgnored, "")
	seen := "one preemption, that of the hog; the service runs"
	if odd {
		seen = ignored.String()
	}
	return s.point(Point{
		Name: "nothing else was touched", OK: !odd,
		Expected: "no other correction", Seen: seen,
	})
}
