package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// judgement is one rule at one tick.
type judgement struct {
	rule *policy.Rule
	sig  *signal.Signal
	out  *RuleState
	// index is that of the rule in its policy.
	index int
	// unclear: the reading is above the clear level, whether it is active or not.
	unclear bool
}

// judge fills in what was read and how long it has been above. A tick at which
// the rule is blind, or has nobody to act on or for, interrupts: that time does
// not count as above. An active rule stays so while the reading is absent, for as
// long as a reading may be old: nothing is tightened then, and nothing let go
// on a whim.
func (t *turn) judge(j *judgement) {
	r, out, mem, v := j.rule, j.out, t.e.rules[j.index], t.v
	out.Name, out.Signal, out.Action = r.Name, r.Signal, r.Action
	out.Above, out.Clear, out.ForSeconds = r.Above, r.Clear, r.For.Seconds()
	if r.While != (policy.While{}) {
		out.While = &r.While
	}
	out.Reading = v.Read(r)
	open := snapshot.ValueOf(1)
	if v.Blind == "" && out.Value.OK() && r.While != (policy.While{}) {
		open = whileHolds(v, r, out)
	}
	switch {
	case v.Blind != "":
		mem = memory{}
		out.Why = reason.Blind
	case !out.Value.OK() || !open.OK():
		if !open.OK() {
			out.Value = open
		}
		if mem.blind.IsZero() {
			mem.blind = t.now
		}
		mem.since = time.Time{}
		mem.active = mem.active && t.now.Sub(mem.blind) <= t.p.Fresh.Sample
		out.Why = reason.Blind
		if out.Value.Why == snapshot.NoFile {
			out.Why = reason.NoSignal
		}
	default:
		mem.blind = time.Time{}
		out.Exceeded = out.Value.V > r.Above && open.V > 0
		j.unclear = out.Value.V > r.Clear && open.V > 0
		mem = t.followRule(j, mem, open.V > 0)
	}
	out.Since, out.Active = t.calendar(mem.since), mem.active
	t.e.remember(j.index, mem)
}

// followRule is the rule's memory after a tick at which everything could be read.
func (t *turn) followRule(j *judgement, mem memory, open bool) memory {
	r, out, v := j.rule, j.out, t.v
	nobody := r.Action > policy.StopOffering && v.Revocable == 0 || j.sig.Protects && v.Regular == 0
	switch {
	case nobody:
		out.Why = reason.Calm
		if out.Exceeded {
			out.Why = reason.NoVictim
		}
		return memory{}
	case !out.Exceeded:
		mem.since = time.Time{}
		mem.active = mem.active && open && out.Value.V > r.Clear
		out.Why = reason.Calm
		if mem.active {
			out.Why = reason.Clearing
		}
		return mem
	}
	if mem.since.IsZero() {
		mem.since = t.now
	}
	if t.now.Sub(mem.since) >= r.For-min(tickJitter, r.For/20) {
		mem.active = true
	}
	out.Why = reason.Waiting
	if mem.active {
		out.Why = reason.Climbing // until it is known how far the ladder is
	}
	return mem
}

// tickJitter is how much sooner than it should a tick may come after another
// one: each is late by what the machine makes it, a ms and more when it is busy.
// Without it, half of the rules that wait for whole ticks would wait for one
// more. It is a twentieth of the default interval, and never more of For.
const tickJitter = 50 * time.Millisecond

// whileHolds is 1 when the rule's second condition holds, 0 when it does not,
// and absent when that is not known.
func whileHolds(v *signal.View, r *policy.Rule, out *RuleState) snapshot.Value {
	gate := policy.Rule{Signal: r.While.Signal, Above: r.While.Above}
	if s := signal.Of(r.While.Signal); s != nil {
		gate.PerCPU = r.PerCPU && s.PerCPU
	}
	m := v.Read(&gate)
	if !m.Value.OK() {
		out.Input = m.Input
		return snapshot.Value{Why: m.Value.Why}
	}
	if m.Value.V > r.While.Above {
		return snapshot.ValueOf(1)
	}
	return snapshot.ValueOf(0)
}
