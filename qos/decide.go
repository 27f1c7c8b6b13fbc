package qos

import (
	"github.com/estimatord/estimatord/reason"
	"github.com/estimatord/estimatord/snapshot"
)

// Decide judges every rule of p against s and proposes at most one kill.
//
// st is what the last call returned (the zero State at first), inFlight the
// kills decided and not yet confirmed; ticks come in order of time. Nothing
// that is passed in is changed, and the Decision shares no memory with it. A
// nil p decides nothing. p must have passed Validate.
func Decide(p *Policy, st State, s *snapshot.Snapshot, inFlight []InFlight) (Decision, State) {
	d := Decision{Seq: s.Seq, At: s.At, Why: reason.NoPolicy}
	if p == nil || len(p.Rules) == 0 {
		return d, State{}
	}
	st = st.follow(p, s.At, inFlight)
	j := &judgement{view: look(p, s)}
	d.Rules = make([]RuleState, len(p.Rules))
	var ws []*weighed
	for i := range p.Rules {
		j.rule, j.kind, j.out = &p.Rules[i], kindOf(p.Rules[i].Kind), &d.Rules[i]
		st = j.judge(i, st)
		if !j.out.Held {
			j.say()
			continue
		}
		if ws == nil {
			ws = weigh(p, &j.view, inFlight)
		}
		if victim, ok := j.act(st, ws, inFlight, d.Kills); ok {
			d.Kills = append(d.Kills, victim)
			st.dying = append(st.dying, victim.key)
		}
	}
	d.Why = summary(d.Rules)
	d.Candidates = conclude(ws, d.Why)
	return d, st
}

// judgement is one rule at one tick, one after the other.
type judgement struct {
	view view
	rule *Rule
	kind *kind
	m    reading
	out  *RuleState
	// room is where sentences are put together.
	room [256]byte
}

// judge fills in what was read and how long it has been above. A tick at which
// the rule is blind, or has nobody to act on or for, interrupts: that time does
// not count as above.
func (j *judgement) judge(i int, st State) State {
	r, v, out := j.rule, &j.view, j.out
	out.Name, j.m = r.Name, reading{}
	if j.kind == nil { // p has not passed Validate
		j.m.input = "kind " + string(r.Kind)
	} else if v.blind == "" {
		j.m = j.kind.measure(r, v)
		out.Signal, out.Above, out.Exceeded = j.m.signal, j.m.above, j.m.exceeded
	}
	switch {
	case v.blind != "" || !j.m.signal.OK():
		out.Why = reason.Blind
	case !out.Exceeded:
		out.Why = reason.Calm
	case v.revocable == 0, j.kind.protects && v.regular == 0:
		out.Why = reason.NoVictim
	default:
		out.Since = st.since[i]
		if out.Since.IsZero() {
			out.Since = v.s.At
		}
		out.Why = reason.Waiting
		out.Held = v.s.At.Sub(out.Since) >= r.For
	}
	return st.setSince(i, out.Since)
}

// act decides what a rule that has held does: it waits for the kill under way,
// then for its relief to show, then it takes the first of ws.
func (j *judgement) act(st State, ws []*weighed, inFlight []InFlight, kills []Victim) (Victim, bool) {
	switch {
	case len(inFlight) > 0, len(kills) > 0:
		j.out.Why = reason.KillInFlight
	case st.settlesFor(j.rule) > 0:
		j.out.Why = reason.Settling
	case len(ws) == 0 || !ws[0].eligible():
		j.out.Why = reason.NoVictim
	default:
		j.out.Why = reason.Preempt
		j.sayVictim(ws[0])
		victim, err := NewVictim(ws[0].c, Cause{Rule: j.rule.Name, Text: j.out.Text})
		if err == nil {
			return victim, true
		}
		j.out.Why = reason.NoVictim // weigh has asked before, so this is not reached
	}
	j.saySettling(st)
	return Victim{}, false
}

// summary is the Why of a decision: that of the rule that got furthest.
func summary(rules []RuleState) reason.Code {
	for _, why := range [...]reason.Code{
		reason.Preempt, reason.KillInFlight, reason.Settling, reason.NoVictim, reason.Waiting, reason.Blind,
	} {
		for i := range rules {
			if rules[i].Why == why {
				return why
			}
		}
	}
	return reason.Calm
}

// conclude tells each container that may be killed what became of it: the
// first is chosen when there is a kill, else all share the reason why not.
func conclude(ws []*weighed, why reason.Code) []Candidate {
	if len(ws) == 0 {
		return nil
	}
	out := make([]Candidate, len(ws))
	for i := range ws {
		out[i] = ws[i].Candidate
		switch {
		case !ws[i].eligible():
		case why != reason.Preempt:
			out[i].Why = why
		case i == 0:
			out[i].Why = reason.Chosen
		default:
			out[i].Why = reason.NotFirst
		}
	}
	return out
}
