package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
)

// raised: the service's load rises, and nothing more may be revocable.
func (s *story) raised(ctx context.Context) error {
	s.chapter("3. the service needs its whole allocation; capacity is to be taken back")
	if err := workload.SetCores(s.service, s.plan.high); err != nil {
		return err
	}
	s.set(func() { s.load = s.plan.high })
	s.raisedAt, s.contended = time.Now(), s.meter(serviceTask)
	s.say("the service's load rises from %.2f to %.2f cpus", s.plan.low, s.plan.high)
	var zeroAt time.Time
	ok, err := s.until(ctx, preemptTimeout, func() (zero bool) {
		zeroAt, zero = s.totalZero()
		return zero && s.free() == 0
	})
	if err != nil {
		return err
	}
	b := s.last()
	seen := fmt.Sprintf("revocable total %s cpus, %s offered", b.cpus().RevocableTotal, s.free())
	took := zeroAt.Sub(s.raisedAt)
	switch {
	case ok && took < 0:
		seen = "the revocable total was 0 when the load rose"
	case ok:
		seen = "revocable total 0 after " + round(took).String()
		s.measured("load raised to a revocable total of 0", took)
	}
	return s.point(Point{
		Name: "nothing is offered any more", OK: ok, Expected: fmt.Sprintf("0 cpus within %s", preemptTimeout),
		Seen: seen, Because: s.whyNoOffer(s.since() - time.Since(s.raisedAt)),
	})
}

// preempted: the daemon has the hog killed, and the agent does it.
func (s *story) preempted(ctx context.Context) error {
	var decidedAt time.Time
	var seen string
	ok, err := s.until(ctx, preemptTimeout, func() (found bool) {
		decidedAt, seen, found = s.killOf(s.hogTask)
		return found
	})
	if err != nil {
		return err
	}
	if ok {
		s.measured("load raised to the decision to preempt", decidedAt.Sub(s.raisedAt))
	} else {
		b := s.last()
		seen = b.busy() + " busy, no decision"
	}
	err = s.point(Point{
		Name: "the daemon decides to preempt the hog", OK: ok,
		Expected: fmt.Sprintf("more than %.0f %% of the CPUs busy for %s, and a decision within %s", 100*above, ruleFor, preemptTimeout),
		Seen:     seen, Because: s.whoElse(0),
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
		s.measured("decision to kill handed to the agent", received.At.Sub(decidedAt))
		s.measured("kill handed over to the hog's container gone", ended.At.Sub(received.At))
	}
	return s.point(Point{
		Name: "the hog is preempted", OK: ok && ended.State == "TASK_GONE",
		Expected: fmt.Sprintf("TASK_GONE REASON_CONTAINER_PREEMPTED within %s", preemptTimeout),
		Seen:     strings.TrimSpace(ended.State + " " + ended.Reason), Because: s.whoElse(0),
	})
}

// kept: the service has its CPU, and nothing regular was touched.
func (s *story) kept(ctx context.Context) error {
	s.chapter("4. the hog is gone; the service is to get all it asks for")
	s.say("while both wanted the CPUs the service got %.2f of %.2f", s.contended.cores(), s.plan.high)
	if err := s.pass(ctx, settle); err != nil {
		return err
	}
	service := s.meter(serviceTask)
	if err := s.pass(ctx, after); err != nil {
		return err
	}
	if err := s.keeps("the service has its CPU back", service, s.plan.high); err != nil {
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
