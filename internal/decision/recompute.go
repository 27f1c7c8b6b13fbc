package decision

import (
	"cmp"
	"slices"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
)

// Recomputed is what follows from the terms of one resource.
type Recomputed struct {
	Slack, Target, Gross, Free Amount
	Why                        reason.Code
}

// Recompute finds the offer of one resource again from its terms alone:
//
//	slack  = max(0, allocated − peak − margin − unmanaged)
//	target = min(slack, cap)
//	gross  = governor(target)
//	free   = max(0, gross − allocated as revocable)
//
// What an operator fixed, and what is offered blindly, follows from no slack.
func (o *OfferLine) Recompute() Recomputed {
	r := Recomputed{Slack: o.Slack, Target: o.Target}
	decided := reason.Code(o.Why)
	switch decided {
	case reason.Noop, reason.Fixed:
		r.Gross, r.Why = o.Target, decided
		r.Free = clamp(int64(o.Target - max(0, o.Held)))
		return r
	}
	if decided.IsBlind() {
		return Recomputed{Slack: o.Slack, Target: o.Target, Why: decided}
	}
	if o.Governor.Quantum == 0 && decided == reason.Stopped { // a fixed total that is stopped
		r.Gross, r.Why = min(o.Target, max(0, o.Held)), reason.Stopped
		return r
	}
	r.Slack = clamp(int64(o.Allocated - o.Peak - Amount(resources.Milli(o.Margin).Plus(resources.Milli(o.Unmanaged)))))
	r.Target = r.Slack
	if o.Cap != nil {
		r.Target = min(r.Slack, *o.Cap)
	}
	terms := o.Governor.terms()
	gross, why := terms.Decide(resources.Milli(r.Target), resources.Milli(o.Held))
	switch {
	case why != reason.Slack:
	case r.Target < r.Slack:
		why = reason.Cap
	case gross == 0:
		why = reason.NoSlack
	}
	r.Gross, r.Why = Amount(gross), why
	r.Free = clamp(int64(r.Gross - max(0, o.Held)))
	return r
}

// RecomputeKills finds the victims again: from the rules, the ladders, the kills
// under way, the budget and what was weighed, by the documented order and not
// by that of the line.
func (l *Line) RecomputeKills() []KeyLine {
	k := killing{l: l, left: l.budgetBefore()}
	for i := range l.Rules {
		r := &l.Rules[i]
		if r.Held && r.Exceeded && r.Action == policy.Kill.String() && l.rungOf(r.Resource) == policy.Kill.String() {
			k.rule(r)
		}
	}
	return k.keys
}

// budgetBefore is how many kills were left before the tick.
func (l *Line) budgetBefore() int {
	if l.Budget.Open != nil && len(l.Kills) == 0 {
		return 0
	}
	return max(0, l.Limits.BudgetKills-(l.Budget.Used-len(l.Kills)))
}

func (l *Line) rungOf(resource string) string {
	for i := range l.Ladders {
		if l.Ladders[i].Resource == resource {
			return l.Ladders[i].Rung
		}
	}
	return ""
}

// killing collects the victims of one tick.
type killing struct {
	l    *Line
	left int
	keys []KeyLine
	uses []CandidateLine
}

// least is what a kill under way brings at least, so that it is not nothing.
const least = 1e-9

// rule takes what rule r would take: nothing while the kills under way may be
// enough or their relief is not yet to be seen.
func (k *killing) rule(r *RuleLine) {
	room, credit := k.l.Limits.KillsAtOnce-len(k.keys), 0.0
	for i := range k.uses {
		credit += max(least, k.useOf(&k.uses[i].KeyLine, r.Resource))
	}
	for i := range k.l.InFlight {
		d := &k.l.InFlight[i]
		if d.Since > k.l.Limits.IgnoredAfter {
			continue
		}
		room--
		credit += max(least, d.use(r.Resource))
	}
	enough := func() bool { return credit > 0 && (!r.Missing.OK() || credit >= r.Missing.V) }
	settles := k.l.Gone != nil && *k.l.Gone < r.Settle
	if room <= 0 || enough() || settles || k.left == 0 {
		return
	}
	if !r.Missing.OK() {
		room = 1
	}
	for _, c := range k.order(r.Resource) {
		if room == 0 || k.left == 0 || credit > 0 && credit >= r.Missing.V {
			return
		}
		if slices.Contains(k.keys, c.KeyLine) {
			continue
		}
		k.keys, k.uses = append(k.keys, c.KeyLine), append(k.uses, c)
		credit += max(least, c.Usage)
		room--
		k.left--
	}
}

func (d *DyingLine) use(resource string) float64 {
	if resource == policy.CPU.String() {
		return d.Cores.V
	}
	return d.WorkingSet.V
}

// useOf is what a container of this tick uses of a resource, 0 when it was not
// weighed by that.
func (k *killing) useOf(key *KeyLine, resource string) float64 {
	for i := range k.l.Candidates {
		if c := &k.l.Candidates[i]; c.KeyLine == *key && c.Resource == resource {
			return c.Usage
		}
	}
	return 0
}

// order is those of the candidates by a resource that may be killed, best
// victim first.
func (k *killing) order(resource string) []CandidateLine {
	var out []CandidateLine
	for _, c := range k.l.Candidates {
		if c.Resource == resource && c.MayBeKilled() {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, compareVictims)
	return out
}

// MayBeKilled reports whether nothing about the container itself speaks against
// it.
func (c *CandidateLine) MayBeKilled() bool { return !reason.Code(c.Why).IsUnfit() }

// compareVictims is the order of victims (docs/reference/policy.md): lowest priority,
// most above its own allocation, most relief, youngest, id.
func compareVictims(a, b CandidateLine) int {
	return cmp.Or(
		cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.over(), a.over()), cmp.Compare(b.Usage, a.Usage),
		cmp.Compare(a.Age, b.Age), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Inode, b.Inode),
	)
}

// over is how far c is above its allocation; within 5 % of it counts as not.
func (c *CandidateLine) over() float64 {
	if c.Over <= 0.05*(c.Usage-c.Over) {
		return 0
	}
	return c.Over
}

// Key is the container's identity.
func (k KeyLine) Key() snapshot.Key { return snapshot.Key{ID: k.ID, Inode: k.Inode} }
