package estimator

import (
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
)

// Terms are all that the governor knew of one resource at one tick, beside the
// target: what is promised can be found again from them alone.
type Terms struct {
	// Before is what was promised before it.
	Before resources.Milli `json:"before"`
	// Least is the least target within Hold, this tick's included.
	Least resources.Milli `json:"least"`
	// HoldSeconds is for how long nothing is raised yet after an action.
	HoldSeconds float64 `json:"hold_s,omitzero"`
	// RaiseSeconds is how long the next raise has to wait, after the last one and
	// with the node's own delay.
	RaiseSeconds float64 `json:"raise_in_s,omitzero"`
	// Stopped: nothing new may be offered, whatever the slack is.
	Stopped bool `json:"stopped,omitzero"`
	// Quantum, Step, DeadBand and Reserve are those of the configuration, for
	// what is allocated and how much the slack changes by itself.
	Quantum  resources.Milli `json:"quantum"`
	Step     resources.Milli `json:"step"`
	DeadBand resources.Milli `json:"dead_band"`
	Reserve  resources.Milli `json:"reserve"`
}

// Decide is the whole of the governor's rule: from the terms of a tick, its
// target and what is allocated as revocable to what may be revocable in all. The
// reason is Slack when nothing but the target decided.
func (t *Terms) Decide(target, allocated resources.Milli) (resources.Milli, reason.Code) {
	target = max(0, target).FloorTo(t.Quantum)
	total, why := t.follow(target)
	if t.Stopped {
		return min(total, max(0, allocated)), reason.Stopped
	}
	return total, why
}

// follow is Decide without a stop. A cut is at once, and to Reserve below the
// target: who cuts to the very edge cuts again at the next small fall.
func (t *Terms) follow(target resources.Milli) (resources.Milli, reason.Code) {
	switch goal := t.goal(); {
	case target < t.Before:
		return max(0, target-t.Reserve).FloorTo(t.Quantum), reason.Slack
	case target == t.Before:
		return target, reason.Slack
	case t.HoldSeconds > 0 || t.Least <= t.Before:
		return t.Before, reason.Hold
	case !t.rises():
		return t.Before, reason.DeadBand
	case t.RaiseSeconds > 0:
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
	return rise > 0 && rise >= t.DeadBand && t.HoldSeconds == 0 && !t.Stopped
}
