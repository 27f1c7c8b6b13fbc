package decision_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/estimatord/estimatord/estimator"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// recomputed is what follows from the terms of one resource.
type recomputed struct {
	total, offered resources.Milli
	why            reason.Code
}

// recompute finds the offer of one resource again from its terms alone:
//
//	slack           = max(0, regular allocated − peak − margin − unmanaged)
//	target          = min(slack, cap)
//	revocable total = governor(target)
//	offered         = max(0, revocable total − revocable allocated)
//
// What an operator fixed, and what is offered blindly, follows from no slack.
func recompute(o *estimator.ResourceOffer) recomputed {
	if o.Allocation == nil {
		return recomputeUsage(o)
	}
	got := recomputed{why: o.Allocation.Why}
	if o.Governor != nil {
		got = recomputeUsage(o)
	}
	allocated := resources.Milli(0)
	if o.Allocated != nil {
		allocated = max(0, o.RevocableAllocated)
	}
	if total := recomputeAllocation(o.Allocation, allocated); got.why != reason.Stopped {
		if got.total == 0 {
			got.why = o.Allocation.Why
		}
		got.total += total
		got.offered = max(0, got.total-allocated)
	} else {
		got.total += total
	}
	return got
}

func recomputeAllocation(a *estimator.AllocationOffer, allocated resources.Milli) resources.Milli {
	if a.Governor == nil {
		return 0
	}
	slack := -a.Shortfall
	for _, r := range a.Roles {
		slack += max(0, r.Unallocated-r.Keep)
	}
	target := max(0, slack)
	if a.Cap != nil {
		target = min(target, *a.Cap)
	}
	total, _ := a.Governor.Decide(target, allocated)
	return total
}

func recomputeUsage(o *estimator.ResourceOffer) recomputed {
	allocated := resources.Milli(0)
	if o.Allocated != nil {
		allocated = max(0, o.RevocableAllocated)
	}
	switch {
	case o.Why == reason.Noop, o.Why == reason.Fixed:
		return recomputed{o.Target, max(0, o.Target-allocated), o.Why}
	case o.Why.IsBlind():
		return recomputed{why: o.Why}
	case o.Governor == nil && o.Why == reason.Stopped: // a fixed total that is stopped
		return recomputed{min(o.Target, allocated), 0, reason.Stopped}
	}
	slack := max(0, o.RegularAllocated-o.Peak-o.Margin-o.Unmanaged)
	target := slack
	if o.Cap != nil {
		target = min(slack, *o.Cap)
	}
	total, why := o.Governor.Decide(target, allocated)
	switch {
	case why != reason.Slack:
	case target < slack:
		why = reason.Cap
	case total == 0:
		why = noSlack(o.Estimate)
	}
	return recomputed{total, max(0, total-allocated), why}
}

// noSlack is the greatest of what takes the allocation of regular containers.
func noSlack(e *estimator.Estimate) reason.Code {
	switch need := e.Peak - e.InFull + e.Margin; max(need, e.Unmanaged, e.InFull) {
	case need:
		return reason.NoSlack
	case e.Unmanaged:
		return reason.UsedOutside
	}
	return reason.CountedInFull
}

// recomputeKills finds the victims again: from the policy, the rules, the
// ladders, the kills under way, the budget and what was weighed, by the
// documented order and not by that of the line.
func recomputeKills(p *policy.Policy, r *decision.Record) []snapshot.Key {
	k := killing{p: p, r: r, left: budgetBefore(p, r)}
	for i := range r.QoS.Rules {
		rule := &r.QoS.Rules[i]
		of := signal.Of(rule.Signal).Resource
		if rule.Active && rule.Exceeded && rule.Action == policy.Kill && r.QoS.Ladders[of].Rung == policy.Kill {
			k.rule(rule, of)
		}
	}
	return k.keys
}

// budgetBefore is how many kills were left before the tick.
func budgetBefore(p *policy.Policy, r *decision.Record) int {
	if r.QoS.Budget.Open() && len(r.QoS.Kills) == 0 {
		return 0
	}
	return max(0, p.Budget.Kills-(r.QoS.Budget.Used-len(r.QoS.Kills)))
}

// killing collects the victims of one tick.
type killing struct {
	p    *policy.Policy
	r    *decision.Record
	left int
	keys []snapshot.Key
}

// least is what a kill under way brings at least, so that it is not nothing.
const least = 1e-9

// rule takes what rule would take: nothing while the kills under way may be
// enough or their relief is not yet to be seen.
func (k *killing) rule(rule *qos.RuleState, of policy.Resource) {
	room, credit := k.p.Ladder.KillsAtOnce-len(k.keys), 0.0
	for _, key := range k.keys {
		credit += max(least, k.useOf(key, of))
	}
	for i := range k.r.Dying {
		d := &k.r.Dying[i]
		if k.r.At.Sub(d.Since) > k.p.Ladder.IgnoredAfter {
			continue
		}
		room--
		use := d.Cores.V
		if of == policy.Memory {
			use = d.WorkingSetBytes.V
		}
		credit += max(least, use)
	}
	enough := credit > 0 && (!rule.Shortfall.OK() || credit >= rule.Shortfall.V)
	gone := k.r.QoS.LastGone
	settles := !gone.IsZero() && k.r.At.Sub(gone) < k.settle(rule.Name)
	if room <= 0 || enough || settles || k.left == 0 {
		return
	}
	if !rule.Shortfall.OK() {
		room = 1
	}
	for _, c := range k.order(of) {
		if room == 0 || k.left == 0 || credit > 0 && credit >= rule.Shortfall.V {
			return
		}
		if slices.Contains(k.keys, c.Key) {
			continue
		}
		k.keys = append(k.keys, c.Key)
		credit += max(least, c.Usage)
		room--
		k.left--
	}
}

func (k *killing) settle(name string) time.Duration {
	for i := range k.p.Rules {
		if k.p.Rules[i].Name == name {
			return k.p.Rules[i].Settle
		}
	}
	return 0
}

// useOf is what a container of this tick uses of a resource, 0 when it was not
// weighed by that.
func (k *killing) useOf(key snapshot.Key, of policy.Resource) float64 {
	for i := range k.r.QoS.Candidates {
		if c := &k.r.QoS.Candidates[i]; c.Key == key && c.Resource == of {
			return c.Usage
		}
	}
	return 0
}

// order is those of the candidates by a resource that may be killed, best victim
// first: lowest priority, most above its own allocation, most relief, youngest,
// id (docs/reference/policy.md).
func (k *killing) order(of policy.Resource) []qos.Candidate {
	var out []qos.Candidate
	for _, c := range k.r.QoS.Candidates {
		if c.Resource == of && !c.Why.IsUnfit() {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b qos.Candidate) int {
		return cmp.Or(
			cmp.Compare(a.Priority, b.Priority), cmp.Compare(over(&b), over(&a)), cmp.Compare(b.Usage, a.Usage),
			cmp.Compare(a.AgeSeconds, b.AgeSeconds), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Inode, b.Inode),
		)
	})
	return out
}

// over is how far c is above its allocation; within 5 % of it counts as not.
func over(c *qos.Candidate) float64 {
	if c.Over <= 0.05*(c.Usage-c.Over) {
		return 0
	}
	return c.Over
}
