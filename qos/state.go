package qos

import (
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// State is what Decide remembers from one tick to the next; the zero State is
// the start. A State is a value: Decide never changes the one it is given.
type State struct {
	// policy is what the rules' memories belong to.
	policy *policy.Policy
	// at is the tick before.
	at time.Time
	// past is what the signals remember of it.
	past signal.Past
	// live is what is done, shadow what the rules in shadow mode would do.
	live, shadow engine
}

// Resume is the State of a daemon that starts again: kills are the times of
// those that still count in the budget, oldest first.
func Resume(kills []time.Time) State {
	return State{live: engine{kills: slices.Clone(kills)}}
}

// Kills are the times of the kills that still count in the budget, oldest
// first.
func (st State) Kills() []time.Time { return slices.Clone(st.live.kills) }

// engine is the memory of one set of rules. Its slices are copied on change.
type engine struct {
	rules   []memory
	ladders [policy.NumResources]ladder
	// dying are the kills that were under way at the tick before; goneAt is when
	// the last one of them was seen to be gone.
	dying  []snapshot.Key
	goneAt time.Time
	// limits are the throttles in force, frozen the containers that are or were
	// frozen since the ladder came to that rung; both sorted by key.
	limits []limit
	// light are the containers whose weight is taken, sorted.
	light  []snapshot.Key
	frozen []frozen
	// kills are the times of the kills in the budget's span, oldest first;
	// opened is when the breaker opened.
	kills  []time.Time
	opened time.Time
	// ghosts are containers that would have been killed and still run.
	ghosts []ghost
}

// memory is that of one rule.
type memory struct {
	// since is when it was first above without interruption; zero when it is
	// not.
	since time.Time
	// active: see RuleState.Active.
	active bool
	// blind is since when its reading is absent; zero when it is not.
	blind time.Time
}

// follow brings st to the tick at now: it forgets what was interrupted.
func (st State) follow(p *policy.Policy, now time.Time, inFlight []InFlight) State {
	// Nobody looked between two ticks that are too far apart, and a clock that
	// went back says nothing about how long anything lasted.
	gap := now.Sub(st.at)
	fresh := st.policy == p && gap >= 0 && gap <= p.Fresh.Sample
	for _, e := range []*engine{&st.live, &st.shadow} {
		if !fresh || len(e.rules) != len(p.Rules) {
			e.rules = carry(p, st.policy, e.rules, gap >= 0 && gap <= p.Fresh.Sample)
		}
		e.follow(p, now, inFlight)
	}
	st.policy, st.at = p, now
	return st
}

// carry is the rules' memory under a policy that was swapped in: what a rule that
// is in both has held stays so, or each reload would let go of everything for a
// while. How long the others, and those that still wait, were above is forgotten.
func carry(p, before *policy.Policy, rules []memory, seamless bool) []memory {
	next := make([]memory, len(p.Rules))
	if before == nil || before == p || !seamless || len(rules) != len(before.Rules) {
		return next
	}
	for i := range p.Rules {
		if k := slices.Index(before.Rules, p.Rules[i]); k >= 0 {
			next[i] = memory{active: rules[k].active, blind: rules[k].blind}
		}
	}
	return next
}

// follow notices which kills are done, and moves what lies in the future of a
// clock that was set back.
func (e *engine) follow(p *policy.Policy, now time.Time, inFlight []InFlight) {
	e.goneAt = earliest(e.goneAt, now)
	e.opened = earliest(e.opened, now)
	e.thawFuture(now)
	for i := range e.ladders {
		e.ladders[i].follow(now)
	}
	for _, k := range e.dying {
		if !slices.ContainsFunc(inFlight, func(f InFlight) bool { return f.Key == k }) {
			e.goneAt = now
		}
	}
	e.dying = nil
	if len(inFlight) > 0 {
		e.dying = make([]snapshot.Key, len(inFlight))
		for i := range inFlight {
			e.dying[i] = inFlight[i].Key
		}
	}
	e.forgetKills(p, now)
}

// earliest is t, or now when t is later.
func earliest(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// remember sets rule i's memory. The slice is copied on a change only: a calm
// tick allocates nothing.
func (e *engine) remember(i int, m memory) {
	if was := e.rules[i]; was.active != m.active || !was.since.Equal(m.since) || !was.blind.Equal(m.blind) {
		e.rules = slices.Clone(e.rules)
		e.rules[i] = m
	}
}

// settlesFor is how long rule r must still wait for the last victim's relief
// to show at time now.
func (e *engine) settlesFor(r *policy.Rule, now time.Time) time.Duration {
	if e.goneAt.IsZero() {
		return 0
	}
	return max(0, e.goneAt.Add(r.Settle).Sub(now))
}
