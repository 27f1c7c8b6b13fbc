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
//
// All times in it are by clock, so that setting the calendar changes nothing.
type State struct {
	// policy is what the rules' memories belong to.
	policy *policy.Policy
	clock  snapshot.Steady
	// past is what the signals remember of the tick before.
	past signal.Past
	// live is what is done, shadow what the rules in shadow mode would do.
	live, shadow engine
}

// Resume is what a daemon that starts again must not have forgotten of a State.
// It is kept before a kill is handed over.
type Resume struct {
	// Clock is what the times are by.
	Clock snapshot.Steady `json:"clock"`
	// Kills are when containers were killed that still count in the budget,
	// oldest first; BreakerOpenSince is when the breaker opened, zero while it is
	// closed.
	Kills            []time.Time `json:"kills,omitempty"`
	BreakerOpenSince time.Time   `json:"breaker_open_since,omitzero"`
	// UnderWay are the kills whose containers are not seen to be gone, LastGone
	// is when the last one was.
	UnderWay []InFlight `json:"kills_under_way,omitempty"`
	LastGone time.Time  `json:"last_gone,omitzero"`
}

// Resume is what to keep of st.
func (st State) Resume() Resume {
	e := &st.live
	return Resume{Clock: st.clock, Kills: e.kills, BreakerOpenSince: e.opened, UnderWay: e.dying, LastGone: e.lastGone}
}

// State is the State of a daemon that starts again. What lies after Clock was not
// written by Resume, and counts as of Clock: nothing may last for longer because a
// file says so.
func (r Resume) State() State {
	past := func(t time.Time) time.Time {
		if t.After(r.Clock.At) {
			return r.Clock.At
		}
		return t
	}
	e := engine{kills: slices.Clone(r.Kills), opened: past(r.BreakerOpenSince), dying: slices.Clone(r.UnderWay), lastGone: past(r.LastGone)}
	for i := range e.kills {
		e.kills[i] = past(e.kills[i])
	}
	slices.SortFunc(e.kills, time.Time.Compare)
	for i := range e.dying {
		e.dying[i].Since = past(e.dying[i].Since)
	}
	return State{clock: r.Clock, live: e}
}

// engine is the memory of one set of rules. Its slices are copied on change.
type engine struct {
	rules   []memory
	ladders [policy.NumResources]ladder
	// dying are the kills under way, each since it was decided; lastGone is when
	// the last one that was is seen to be gone.
	dying    []InFlight
	lastGone time.Time
	// limits are the throttles in force, by resource, sorted by key; frozen are
	// the containers that are or were frozen since the ladder came to that rung.
	limits [policy.NumResources][]limit
	// lowWeight are the containers that have the least CPU weight, sorted.
	lowWeight []snapshot.Key
	frozen    []frozen
	// kills are the times of the kills in the budget's span, oldest first;
	// opened is when the breaker opened.
	kills  []time.Time
	opened time.Time
	// shadowVictims are containers that would have been killed and still run.
	shadowVictims []shadowVictim
}

// memory is that of one rule.
type memory struct {
	// since is when it was first exceeded without interruption; zero when it is
	// not.
	since time.Time
	// active: see RuleState.Active.
	active bool
	// blind is since when its reading is absent; zero when it is not.
	blind time.Time
}

// follow brings st to the tick of s and returns its time: it forgets what was
// interrupted. Nobody looked between two ticks that are too far apart, and a
// clock that goes back does not say for how long.
func (st *State) follow(p *policy.Policy, in *Input) time.Time {
	s, before := in.Snapshot, st.clock
	now := st.clock.Advance(s)
	seamless := now.Sub(before.At) <= p.Fresh.Sample
	if s.Uptime == 0 && s.At.Before(before.Seen) {
		seamless = false
		st.live.frozen, st.shadow.frozen = thawed(st.live.frozen), thawed(st.shadow.frozen)
	}
	for _, e := range []*engine{&st.live, &st.shadow} {
		if !seamless || st.policy != p || len(e.rules) != len(p.Rules) {
			e.rules = carry(p, st.policy, e.rules, seamless)
		}
		e.followKills(in, now)
		e.forgetKills(p, now)
	}
	st.policy = p
	return now
}

// carry is the rules' memory under a policy that was swapped in: a rule that is
// active and in both stays so, or each reload would let go of everything for a
// while. How long the others were exceeded is forgotten.
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

// followKills notices which kills are under way and which have ended.
func (e *engine) followKills(in *Input, now time.Time) {
	for i := range e.dying {
		if !isInFlight(in.InFlight, e.dying[i].Key) {
			e.lastGone = now
		}
	}
	if len(e.dying)+len(in.InFlight) == 0 {
		return
	}
	dying := make([]InFlight, len(in.InFlight))
	for i, f := range in.InFlight {
		dying[i] = InFlight{Key: f.Key, Since: now}
		if k := slices.IndexFunc(e.dying, func(d InFlight) bool { return d.Key == f.Key }); k >= 0 {
			dying[i].Since = e.dying[k].Since
		} else if age := in.Snapshot.At.Sub(f.Since); !f.Since.IsZero() && age > 0 {
			dying[i].Since = now.Add(-age)
		}
	}
	e.dying = dying
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
	if e.lastGone.IsZero() {
		return 0
	}
	return max(0, e.lastGone.Add(r.Settle).Sub(now))
}
