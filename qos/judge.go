package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// judgement is one rule at one tick.
type judgement struct {
	rule *Rule
	sig  *signal
	m    reading
	out  *RuleState
	// index is that of the rule in its policy.
	index int
	// unclear: the reading is above the clear level, whether it has held or not.
	unclear bool
}

// judge fills in what was read and how long it has been above. A tick at which
// the rule is blind, or has nobody to act on or for, interrupts: that time does
// not count as above. What has held is kept while the reading is absent, for as
// long as a reading may be old: nothing is tightened then, and nothing let go
// on a whim.
func (e *engine) judge(p *Policy, v *view, j *judgement) {
	r, out, mem := j.rule, j.out, e.rules[j.index]
	out.Name, out.Signal, out.Action = r.Name, r.Signal, r.Action
	out.Above, out.Clear = r.Above, r.Clear
	j.m = read(v, r)
	out.Value, out.Shortfall, out.Container = j.m.value, j.m.missing, j.m.worst
	open := snapshot.ValueOf(1)
	if v.blind == "" && j.m.value.OK() && r.While != (While{}) {
		open = whileHolds(v, r, j)
	}
	switch {
	case v.blind != "":
		mem = memory{}
		out.Why = reason.Blind
	case !j.m.value.OK() || !open.OK():
		out.Value = j.m.value
		if !open.OK() {
			out.Value = open
		}
		if mem.blind.IsZero() {
			mem.blind = v.s.At
		}
		mem.since = noTime
		mem.active = mem.active && v.s.At.Sub(mem.blind) <= p.Fresh.Sample
		out.Why = reason.Blind
		if out.Value.Why == snapshot.NoFile {
			out.Why = reason.NoSignal
		}
	default:
		mem.blind = noTime
		out.Exceeded = j.m.value.V > r.Above && open.V > 0
		j.unclear = j.m.value.V > r.Clear && open.V > 0
		mem = j.follow(v, mem, open.V > 0)
	}
	out.Since, out.Active = mem.since, mem.active
	e.remember(j.index, mem)
}

// follow is the rule's memory after a tick at which everything could be read.
func (j *judgement) follow(v *view, mem memory, open bool) memory {
	r, out := j.rule, j.out
	nobody := r.Action > StopOffering && v.revocable == 0 || j.sig.protects && v.regular == 0
	switch {
	case nobody:
		out.Why = reason.Calm
		if out.Exceeded {
			out.Why = reason.NoVictim
		}
		return memory{}
	case !out.Exceeded:
		mem.since = noTime
		mem.active = mem.active && open && j.m.value.V > r.Clear
		out.Why = reason.Calm
		if mem.active {
			out.Why = reason.Clearing
		}
		return mem
	}
	if mem.since.IsZero() {
		mem.since = v.s.At
	}
	if v.s.At.Sub(mem.since) >= r.For-min(tickJitter, r.For/20) {
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

// read takes the rule's reading. A policy that has not passed Validate may name
// a signal that does not exist.
func read(v *view, r *Rule) reading {
	switch s := signalOf(r.Signal); {
	case s == nil:
		return unknown(snapshot.NotRead, "signal "+string(r.Signal))
	case v.blind != "":
		return unknown(snapshot.NotRead, "")
	default:
		m := s.measure(v, r)
		m.value, m.missing = usable(m.value), usable(m.missing)
		return m
	}
}

// whileHolds is 1 when the rule's second condition holds, 0 when it does not,
// and absent when that is not known.
func whileHolds(v *view, r *Rule, j *judgement) snapshot.Value {
	gate := Rule{Signal: r.While.Signal, Above: r.While.Above, PerCPU: r.PerCPU && r.While.Signal.PerCPU()}
	m := read(v, &gate)
	if !m.value.OK() {
		j.m.input = m.input
		return snapshot.Value{Why: m.value.Why}
	}
	if m.value.V > r.While.Above {
		return snapshot.ValueOf(1)
	}
	return snapshot.ValueOf(0)
}
