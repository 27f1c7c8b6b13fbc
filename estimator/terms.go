package estimator

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// Terms are all that the governor knew of one resource at one tick, beside the
// target: what is promised can be found again from them alone.
type Terms struct {
	// At is the time of the tick.
	At time.Time
	// Before is what was promised before it.
	Before resources.Milli
	// Least is the least target within Hold, this tick's included.
	Least resources.Milli
	// HoldUntil is when raises may begin again after an action.
	HoldUntil time.Time
	// RaiseFrom is when the next raise may be, after the last one and with the
	// node's own delay.
	RaiseFrom time.Time
	// Stopped: nothing new may be offered, whatever the slack is.
	Stopped bool
	// Quantum, Step, DeadBand and Reserve are those of the configuration, for
	// what is allocated and how restless the slack is.
	Quantum, Step, DeadBand, Reserve resources.Milli
}

// decide is the whole of the governor's rule: from the terms of a tick, its
// target and what is held as revocable to what is promised. The reason is Slack
// when nothing but the target decided.
func (t *Terms) decide(target, held resources.Milli) (resources.Milli, reason.Code) {
	target = max(0, target).FloorTo(t.Quantum)
	gross, why := t.follow(target)
	if t.Stopped {
		return min(gross, max(0, held)), reason.Stopped
	}
	return gross, why
}

// follow is decide without a stop. A cut is at once, and to Reserve below the
// target: who cuts to the very edge cuts again at the next small fall.
func (t *Terms) follow(target resources.Milli) (resources.Milli, reason.Code) {
	switch goal := t.goal(); {
	case target < t.Before:
		return max(0, target-t.Reserve).FloorTo(t.Quantum), reason.Slack
	case target == t.Before:
		return target, reason.Slack
	case t.At.Before(t.HoldUntil) || t.Least <= t.Before:
		return t.Before, reason.Hold
	case !t.rises():
		return t.Before, reason.DeadBand
	case t.At.Before(t.RaiseFrom):
		return t.Before, reason.RaiseStep
	case goal-t.Before > t.Step.FloorTo(t.Quantum):
		return t.Before + t.Step.FloorTo(t.Quantum), reason.RaiseStep
	case t.Least < target:
		return goal, reason.Hold
	default:
		return goal, reason.Slack
	}
}

// goal is what the promise may rise to.
func (t *Terms) goal() resources.Milli {
	return max(0, t.Least-t.Reserve).FloorTo(t.Quantum)
}

// rises: the promise is so far below its goal that a raise is worth it.
func (t *Terms) rises() bool {
	rise := t.goal() - t.Before
	return rise > 0 && rise >= t.DeadBand && !t.At.Before(t.HoldUntil) && !t.Stopped
}

// Recompute finds again, from an offer's terms alone, what was promised and
// why: the same as its Gross and Why. An offer that no governor made is its
// target, one made blind is nothing.
func (r *ResourceOffer) Recompute() (resources.Milli, reason.Code) {
	switch {
	case r.Why.IsBlind():
		return 0, r.Why
	case r.Why == reason.Fixed || r.Why == reason.Noop:
		return r.Target, r.Why
	}
	gross, why := r.Governor.decide(r.Target, r.AllocatedRevocable)
	switch {
	case why != reason.Slack:
		return gross, why
	case r.Capped && r.Cap < r.Slack:
		return gross, reason.Cap
	case gross == 0:
		return gross, reason.NoSlack
	}
	return gross, why
}
