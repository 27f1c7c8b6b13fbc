package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// noTime is no time at all.
var noTime time.Time

// Decide judges every rule of p against in and says what is to be done.
//
// st is what the last call returned (the zero State at first); ticks come in
// order of time. Nothing that is passed in is changed, and the Decision shares
// no memory with it. A nil p decides nothing. p must have passed Validate.
func Decide(p *policy.Policy, st State, in Input) (Decision, State) {
	s := in.Snapshot
	if p == nil || len(p.Rules) == 0 {
		st.policy, st.at = p, s.At
		st.past = signal.Past{}
		// What was done ends. What was killed still counts when rules are back.
		l := &st.live
		st.live = engine{kills: l.kills, opened: l.opened, dying: l.dying, goneAt: l.goneAt}
		st.shadow = engine{}
		d := Decision{Why: reason.NoPolicy, StopOffering: in.Commands.Paused}
		if in.Commands.Paused {
			d.Why = reason.Paused
		}
		return d, st
	}
	st = st.follow(p, s.At, in.InFlight)
	if in.Commands.ResetBudget {
		st.live.resetBudget()
		st.shadow.resetBudget()
	}
	v := signal.Look(st.past, p.Fresh, s, in.Demands, in.Promises)
	next := v.Remember()
	live := func(r *policy.Rule) bool { return !in.Commands.Paused && !p.Shadow && !r.Shadow }
	if in.Commands.Paused { // what was above before it counts anew afterwards
		st.live.rules = make([]memory, len(p.Rules))
	}
	d := st.live.decide(p, live, &v, &in)
	d.StopOffering = d.StopOffering || in.Commands.Paused
	d.Signals = readAll(&v)
	shadow := func(r *policy.Rule) bool { return !live(r) }
	if rulesAmong(p, shadow) > 0 {
		sh := st.shadow.pretend(p, shadow, &v, &in)
		d.Shadow = &sh
		if len(d.Rules) == 0 {
			d.Why = reason.Shadow
		}
	} else {
		st.shadow = engine{rules: st.shadow.rules}
	}
	if in.Commands.Paused {
		d.Why = reason.Paused
	}
	st.past = next
	return d, st
}

func rulesAmong(p *policy.Policy, which func(*policy.Rule) bool) (n int) {
	for i := range p.Rules {
		if which(&p.Rules[i]) {
			n++
		}
	}
	return n
}

// readAll takes every signal's reading.
func readAll(v *signal.View) []SignalReading {
	out := make([]SignalReading, 0, signal.Count)
	signal.ReadAll(v, func(name policy.Signal, r signal.Reading) {
		out = append(out, SignalReading{Signal: name, Reading: r})
	})
	return out
}

// decide is one tick of the rules that count.
func (e *engine) decide(p *policy.Policy, counts func(*policy.Rule) bool, v *signal.View, in *Input) Decision {
	d := Decision{LastGone: e.goneAt, Blind: v.Blind, Sums: v.Sums}
	n := rulesAmong(p, counts)
	d.Rules = make([]RuleState, n)
	js := make([]judgement, 0, n)
	for i := range p.Rules {
		if !counts(&p.Rules[i]) {
			continue
		}
		js = append(js, judgement{rule: &p.Rules[i], sig: signal.Of(p.Rules[i].Signal), out: &d.Rules[len(js)], index: i})
		e.judge(p, v, &js[len(js)-1])
	}
	t := turn{p: p, e: e, v: v, in: in, d: &d, js: js}
	if v.Blind != "" || n == 0 {
		// Who is revocable is not known, or no rule may do anything (any more):
		// whatever was done is undone.
		for res := range e.ladders {
			e.ladders[res].release(v.Snapshot.At)
		}
		e.limits, e.light, e.frozen = nil, nil, nil
		d.Ladders = t.ladderStates(&[policy.NumResources]asks{})
	} else {
		t.climb()
	}
	d.Why = summary(d.Rules)
	d.Candidates = t.conclude()
	d.Budget = e.budget(p)
	d.StopOffering = d.StopOffering || d.Budget.Open() && n > 0
	return d
}

// turn is one tick of an engine.
type turn struct {
	p  *policy.Policy
	e  *engine
	v  *signal.View
	in *Input
	d  *Decision
	js []judgement
	// weighed are the candidates, by resource; nil: nobody asked.
	weighed [policy.NumResources][]*weighed
	// chosen are those of them that are killed.
	chosen []*weighed
}

// climb moves every ladder and does what its rung says.
func (t *turn) climb() {
	var all [policy.NumResources]asks
	for res := range t.e.ladders {
		all[res] = t.ask(policy.Resource(res))
		a, l := &all[res], &t.e.ladders[res]
		a.frozen = t.e.freezing(t.p, policy.Resource(res), t.v.Snapshot.At)
		moved := l.move(t.p, t.v.Snapshot.At, a)
		if a.rule >= 0 {
			l.rule = t.js[a.rule].rule.Name
		}
		t.d.Acted = t.e.slow(t.p, t.v, policy.Resource(res), a, t.in) || t.d.Acted
		if a.push >= policy.Freeze || l.rung >= policy.Freeze {
			t.weighed[res] = t.e.weigh(t.p, t.v, policy.Resource(res), t.in.InFlight)
		}
		t.d.Acted = t.e.freeze(t.p, t.v, policy.Resource(res), a, t.weighed[res]) || t.d.Acted
		if !moved {
			l.climb(t.p, t.v.Snapshot.At, a)
		}
		t.d.StopOffering = t.d.StopOffering || l.rung >= policy.StopOffering
	}
	for i := range t.js {
		t.reach(&t.js[i])
	}
	t.e.spend(len(t.d.Kills), t.v.Snapshot.At)
	t.d.Acted = t.d.Acted || len(t.d.Kills) > 0
	t.d.Ladders = t.ladderStates(&all)
	inFlight := t.in.InFlight
	for _, v := range t.d.Kills { // what is killed now is not throttled any more
		inFlight = append(inFlight[:len(inFlight):len(inFlight)], InFlight{Key: v.Key(), Since: t.v.Snapshot.At})
		t.e.dying = append(t.e.dying[:len(t.e.dying):len(t.e.dying)], v.Key())
	}
	t.d.Actions = Actions{
		Throttles: t.e.throttles(t.p, t.v, inFlight),
		Freezes:   t.e.freezes(t.p, t.v, inFlight),
	}
}

// ask collects what the rules of res ask for.
func (t *turn) ask(res policy.Resource) asks {
	a := asks{rule: -1}
	for i := range t.js {
		j := &t.js[i]
		if j.sig == nil || j.sig.Resource != res {
			continue
		}
		a.limitRoom(t.room(j))
		if j.unclear {
			a.hold = max(a.hold, j.rule.Action)
		}
		if !j.out.Active {
			continue
		}
		r := j.rule
		if r.Action > a.keep {
			a.keep = r.Action
			if a.push == policy.None {
				a.rule = i
			}
		}
		if !j.out.Exceeded {
			continue
		}
		switch {
		case r.Action > a.push:
			a.push, a.rule, a.settle, a.immediate = r.Action, i, r.Settle, r.Immediate
		case r.Action == a.push:
			a.settle, a.immediate = min(a.settle, r.Settle), a.immediate || r.Immediate
		}
		if r.Action == policy.Throttle || r.Action > policy.Throttle && !r.Immediate {
			a.waits = j.sig.Waits && (a.waits || !a.slow)
			a.slow = true
			if m := j.out.Shortfall; m.OK() && (!a.known || m.V > a.missing) {
				a.missing, a.known = m.V, true
			}
		}
	}
	return a
}

// room is how much more of its resource may be used until the rule is not clear
// any more, where its signal tells: what is loosened is used at once by whoever
// is throttled. Of the others only a trial shows it.
func (t *turn) room(j *judgement) snapshot.Value {
	if j.rule.Signal != signal.NodeCPU || !j.out.Value.OK() || j.rule.Action < policy.Throttle {
		return snapshot.Value{}
	}
	cpus, why := t.v.UsableCPUs()
	if why != snapshot.Present {
		return snapshot.Value{Why: why}
	}
	return snapshot.ValueOf(max(0, (j.rule.Clear-j.out.Value.V)*cpus))
}

// reach says of a rule that is above how far the ladder is for it, and lets it
// kill.
func (t *turn) reach(j *judgement) {
	if j.out.Why != reason.Climbing {
		return
	}
	l := &t.e.ladders[j.sig.Resource]
	switch {
	case l.rung < j.rule.Action:
	case j.rule.Action == policy.Kill:
		t.kill(j)
	case j.rule.Action == policy.Throttle && !l.throttles():
		j.out.Why = reason.NoVictim
	default:
		j.out.Why = reached(j.rule.Action)
	}
}

func (t *turn) ladderStates(all *[policy.NumResources]asks) []LadderState {
	out := make([]LadderState, policy.NumResources)
	for res := range out {
		l, a := &t.e.ladders[res], &all[res]
		out[res] = LadderState{Resource: policy.Resource(res), Rung: l.rung, Wanted: max(a.push, a.keep), Since: l.since, Limit: l.limit}
		if a.rule >= 0 && out[res].Wanted > policy.None {
			out[res].Rule = t.js[a.rule].rule.Name
		}
	}
	return out
}

// summary is the Why of a decision: that of the rule that got furthest. A rule
// whose signal this host does not have counts only where there is no other.
func summary(rules []RuleState) reason.Code {
	for _, why := range [...]reason.Code{
		reason.Preempt, reason.KillInFlight, reason.Settling, reason.BudgetSpent, reason.Frozen, reason.Throttled,
		reason.NoVictim, reason.Climbing, reason.Stopped, reason.Clearing, reason.Waiting, reason.Blind, reason.Calm, reason.NoSignal,
	} {
		for i := range rules {
			if rules[i].Why == why {
				return why
			}
		}
	}
	return reason.Calm
}

// reached is the reason of an active rule whose action is in force.
func reached(action policy.Rung) reason.Code {
	switch action {
	case policy.StopOffering:
		return reason.Stopped
	case policy.Throttle:
		return reason.Throttled
	case policy.Freeze:
		return reason.Frozen
	default:
		return reason.Preempt
	}
}
