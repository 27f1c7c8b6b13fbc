package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
)

// Names in the story of a reservation.
const (
	ownerTask = "owner"
	ownerRole = "web"
)

const (
	// reservationPoints is how many points the whole story has.
	reservationPoints = 6
	// holdOff is the daemon's after the owner came.
	holdOff = 6 * time.Second
	// ownerTimeout bounds what is waited for while owner and hog run.
	ownerTimeout = 20 * time.Second
	// ownerStays is how long the owner stays when it has what is its own.
	ownerStays = 3 * time.Second
	// share is over how long the owner's CPU is measured, look how often.
	share, look = 100 * time.Millisecond, 10 * time.Millisecond
)

// reservationConfig is the daemon's. There is no policy: giving back is built in.
func reservationConfig(p plan) string {
	return fmt.Sprintf(reservationText, holdOff, p.cpus, raiseEvery, hold)
}

const reservationText = `mode: allocation
allocation:
  hold_off: %s
governor:
  step: cpus:%d
  raise_every: %s
  hold: %s
  dead_band: cpus:0.1
`

// reserve gives most of the agent to a role. Containers weigh the same, as they do
// in Docker: where revocable ones have the agent's low weight, the owner has most of
// its CPU before anybody does anything.
func (s *story) reserve(a *fakeagent.Config) {
	a.EqualWeights = true
	a.Reserved = map[string]resources.Quantities{ownerRole: quantities(s.plan.allocated, 2*memory)}
	s.plan.wanted, s.plan.least, s.plan.most = s.plan.allocated-100, s.plan.allocated/2, s.plan.allocated
}

// tellReservation is the story of a reservation.
func (s *story) tellReservation(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{s.absent, s.comes, s.leaves} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// absent: the owner is not there, and a hog runs on what is reserved to it.
func (s *story) absent(ctx context.Context) error {
	s.chapter("1. " + s.plan.allocated.String() + " cpus are reserved to role " + ownerRole + ", which has nothing; they are to be offered")
	began := time.Now()
	ok, err := s.until(ctx, s.patience, func() bool { return s.free() >= s.plan.wanted })
	if err != nil {
		return err
	}
	if ok {
		s.measured("start to the reservation offered", time.Since(began))
	}
	err = s.point(Point{
		Name: "what is reserved and not allocated is offered", OK: ok,
		Expected: fmt.Sprintf("%s cpus within %s", s.plan.wanted, s.patience), Seen: fmt.Sprintf("%s cpus", s.free()),
		Because: "the daemon's terms: " + s.terms(),
	})
	if err != nil {
		return err
	}
	s.chapter("2. a best-effort hog runs on the reservation of the absent owner")
	s.set(func() { s.hogTask = "hog-1" })
	size := s.free()
	if err := s.launchHog(size); err != nil {
		return err
	}
	if err := s.pass(ctx, settle); err != nil {
		return err
	}
	hog := s.meter(s.hogTask)
	if err := s.pass(ctx, together); err != nil {
		return err
	}
	return s.hogUses(hog, size)
}

// comes: the owner allocates all that is reserved to it, and has its CPU.
func (s *story) comes(ctx context.Context) error {
	s.chapter("3. the owner comes for its reservation")
	cores := s.plan.allocated.Float()
	cmd, err := workload.Service(cores, cores)
	if err != nil {
		return err
	}
	if s.service, err = cmd.StdinPipe(); err != nil {
		return err
	}
	s.set(func() { s.load = cores })
	launched := time.Now()
	err = s.agent.Launch(fakeagent.Task{ID: ownerTask, Role: ownerRole, Regular: quantities(s.plan.allocated, 2*memory), Command: cmd})
	if err != nil {
		return err
	}
	s.say("the owner launched on all of its %s cpus", s.plan.allocated)
	given, ok, err := s.servedAt(ctx, cores)
	if err != nil {
		return err
	}
	seen := "not yet"
	if ok {
		seen = "after " + round(given.Sub(launched)).String()
		s.measured("owner launched to its CPU being there", given.Sub(launched))
	}
	err = s.point(Point{
		Name: "the owner has its CPU", OK: ok,
		Expected: fmt.Sprintf("%.0f %% of %.2f cpus, or a hog that takes nothing of it, within %s", 100*fair, cores, ownerTimeout),
		Seen:     seen, Because: s.whoElse(0),
	})
	if err != nil {
		return err
	}
	var ended fakeagent.Event
	ok, err = s.until(ctx, ownerTimeout, func() (gone bool) {
		ended, gone = s.events.Find(fakeagent.TaskEnded, s.hogTask)
		return gone
	})
	if err != nil {
		return err
	}
	if ok {
		s.measured("owner launched to the hog's container gone", ended.At.Sub(launched))
	}
	return s.point(Point{
		Name: "the hog, all of whose allocation is the owner's now, is preempted", OK: ok && ended.State == "TASK_GONE",
		Expected: fmt.Sprintf("TASK_GONE within %s", ownerTimeout), Seen: ended.State + " " + ended.Reason,
	})
}

// servedAt is since when the owner gets what it asks for, or the hog leaves it all
// to the owner and to other processes of this machine: the begin of the first time
// span in which that is so.
func (s *story) servedAt(ctx context.Context, cores float64) (at time.Time, ok bool, err error) {
	type sample struct {
		at        time.Time
		used, hog time.Duration
	}
	var past []sample
	last := time.Time{}
	ok, err = s.until(ctx, ownerTimeout, func() bool {
		now := time.Now()
		if now.Sub(last) < look {
			return false
		}
		last = now
		used, err := s.agent.CPUTime(ownerTask)
		if err != nil {
			return false
		}
		hog, err := s.agent.CPUTime(s.hogTask)
		gone := err != nil
		for len(past) > 0 && now.Sub(past[0].at) >= share {
			asked := cores * now.Sub(past[0].at).Seconds()
			if (used-past[0].used).Seconds() >= fair*asked || gone || (hog-past[0].hog).Seconds() <= (1-fair)/2*asked {
				at = past[0].at
				return true
			}
			past = past[1:]
		}
		past = append(past, sample{now, used, hog})
		return false
	})
	return at, ok, err
}

// leaves: the owner ends, and after the hold-off its reservation is offered again.
func (s *story) leaves(ctx context.Context) error {
	if err := s.pass(ctx, settle); err != nil {
		return err
	}
	owner := s.meter(ownerTask)
	if err := s.pass(ctx, ownerStays); err != nil {
		return err
	}
	left := max(0, float64(s.plan.cpus)-s.others(owner.fromAt)) // by other processes
	if err := s.keeps("the owner keeps it", owner, min(s.plan.allocated.Float(), left)); err != nil {
		return err
	}
	s.chapter("4. the owner leaves; its reservation is offered again after the hold-off")
	if err := s.service.(io.Closer).Close(); err != nil {
		return err
	}
	s.set(func() { s.load = 0 })
	ended := time.Now()
	ok, err := s.until(ctx, s.wait, func() bool { return s.free() >= s.plan.wanted })
	if err != nil {
		return err
	}
	if ok {
		s.measured("owner left to its reservation offered again", time.Since(ended))
	}
	return s.point(Point{
		Name: "the slack comes back", OK: ok, Expected: fmt.Sprintf("%s cpus within %s", s.plan.wanted, s.wait),
		Seen: fmt.Sprintf("%s cpus after %s", s.free(), round(time.Since(ended))), Because: "the daemon's terms: " + s.terms(),
	})
}

// terms is why the daemon offers what it does.
func (s *story) terms() string {
	b := s.last()
	return words(string(b.cpus().Why))
}
