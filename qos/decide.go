package qos

import (
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Decide judges every rule of p against in and says what is to be done.
//
// st is what the last call returned (the zero State at first). Nothing that is
// passed in is changed, and the Decision shares no memory with it. A nil p
// decides nothing. p must have passed Validate.
func Decide(p *policy.Policy, st State, in Input) (Decision, State) {
	if p == nil || len(p.Rules) == 0 {
		return decideNothing(p, st, &in)
	}
	now := st.follow(p, &in)
	if in.Commands.ResetBudget {
		st.live.resetBudget()
		st.shadow.resetBudget()
	}
	v := signal.Look(st.past, p.Fresh, in.Snapshot, in.Demands, in.Promises)
	st.past = v.Remember()
	live := func(r *policy.Rule) bool { return !in.Commands.Paused && !p.Shadow && !r.Shadow }
	if in.Commands.Paused { // the time for which a rule was exceeded counts anew afterwards
		st.live.rules = make([]memory, len(p.Rules))
	}
	d := st.live.decide(p, live, &v, now)
	d.StopOffering = d.StopOffering || in.Commands.Paused
	d.Signals = v.ReadAll()
	shadow := func(r *policy.Rule) bool { return !live(r) }
	if rulesAmong(p, shadow) > 0 {
		sh := st.shadow.decideShadow(p, shadow, &v, now)
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
	return d, st
}

// decideNothing is Decide without a rule: what was done ends. What was killed
// still counts when there are rules again.
func decideNothing(p *policy.Policy, st State, in *Input) (Decision, State) {
	l := &st.live
	st = State{policy: p, clock: st.clock, live: engine{kills: l.kills, opened: l.opened, dying: l.dying, lastGone: l.lastGone}}
	st.clock.Advance(in.Snapshot)
	d := Decision{Why: reason.NoPolicy, StopOffering: in.Commands.Paused}
	if in.Commands.Paused {
		d.Why = reason.Paused
	}
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

// turn is one tick of an engine.
type turn struct {
	p *policy.Policy
	e *engine
	v *signal.View
	// now is the time by the State's clock.
	now time.Time
	d   *Decision
	js  []judgement
	// weighed are the candidates, by resource; nil: nobody asked.
	weighed [policy.NumResources][]*weighed
	// chosen are those of them that are killed.
	chosen []*weighed
}

// decide is one tick of the rules that count.
func (e *engine) decide(p *policy.Policy, counts func(*policy.Rule) bool, v *signal.View, now time.Time) Decision {
	n := rulesAmong(p, counts)
	d := Decision{Blind: v.Blind, Sums: v.Sums, Rules: make([]RuleState, n)}
	t := turn{p: p, e: e, v: v, now: now, d: &d, js: make([]judgement, 0, n)}
	for i := range p.Rules {
		if !counts(&p.Rules[i]) {
			continue
		}
		t.js = append(t.js, judgement{rule: &p.Rules[i], sig: signal.Of(p.Rules[i].Signal), out: &d.Rules[len(t.js)], index: i})
		t.judge(&t.js[len(t.js)-1])
	}
	if v.Blind != "" || n == 0 {
		// Who is revocable is not known, or no rule may do anything (any more):
		// whatever was done is undone.
		for res := range e.ladders {
			e.ladders[res].release(now)
		}
		e.limits, e.lowWeight, e.frozen = [policy.NumResources][]limit{}, nil, nil
		d.Ladders = t.ladderStates(&[policy.NumResources]asks{})
	} else {
		t.climb()
	}
	d.Why = summary(d.Rules)
	d.Candidates = t.conclude()
	d.LastGone = t.calendar(e.lastGone)
	d.Budget = BudgetState{Left: e.killsLeft(p), Used: len(e.kills), OpenSince: t.calendar(e.opened)}
	d.StopOffering = d.StopOffering || d.Budget.Open() && n > 0
	return d
}

// calendar is a time of the State's clock by the calendar of the tick.
func (t *turn) calendar(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return t.v.Snapshot.At.Add(at.Sub(t.now))
}

// climb moves every ladder and does what its rung says.
func (t *turn) climb() {
	e, d := t.e, t.d
	var all [policy.NumResources]asks
	for i := range e.ladders {
		res := policy.Resource(i)
		all[i] = t.ask(res)
		a, l := &all[i], &e.ladders[i]
		a.frozen = t.freezing(res)
		moved := l.move(t.p, t.now, a)
		if a.rule >= 0 {
			l.rule = t.js[a.rule].rule.Name
		}
		d.Acted = t.throttle(res, a) || d.Acted
		if a.push >= policy.Freeze || l.rung >= policy.Freeze {
			t.weighed[i] = t.weigh(res)
		}
		d.Acted = t.freeze(res, a) || d.Acted
		if !moved {
			l.climb(t.p, t.now, a)
		}
		d.StopOffering = d.StopOffering || l.rung >= policy.StopOffering
	}
	for i := range t.js {
		t.reach(&t.js[i])
	}
	for _, v := range d.Kills {
		e.kills = append(e.kills[:len(e.kills):len(e.kills)], t.now)
		e.dying = append(e.dying[:len(e.dying):len(e.dying)], InFlight{Key: v.Key(), Since: t.now})
	}
	d.Acted = d.Acted || len(d.Kills) > 0
	d.Ladders = t.ladderStates(&all)
	d.Actions = Actions{Throttles: t.throttles(), Freezes: t.freezes()}
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
			a.unclear = max(a.unclear, j.rule.Action)
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
			a.waits = j.sig.Waits && (a.waits || !a.throttle)
			a.throttle = true
			if m := j.out.Shortfall; m.OK() && (!a.shortfall.OK() || m.V > a.shortfall.V) {
				a.shortfall = m
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
		out[res] = LadderState{Resource: policy.Resource(res), Rung: l.rung, Wanted: max(a.push, a.keep), Since: t.calendar(l.since), Limit: l.limit}
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
