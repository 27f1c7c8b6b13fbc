package config

import (
	"fmt"
	"time"

	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// lint collects what is legal and most likely not meant.
func (p *policyText) lint() {
	warn := func(path, reason string) { p.faultAt(path, reason, nil) }
	live, highest := 0, policy.None
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.Shadow {
			live++
		}
		highest = max(highest, r.Action)
		p.lintRule(r, fmt.Sprintf("rules[%d]", i), warn)
	}
	switch {
	case p.Shadow:
		warn("shadow", "the whole policy is in shadow mode: nothing will be done")
	case live == 0:
		warn("rules", "every rule is in shadow mode: nothing will be done")
	}
	if p.Ladder.FreezeFor > 0 && highest < policy.Freeze {
		warn("ladder.freeze_for", "has no effect: no rule goes as far as freeze")
	}
	if p.Ladder.Dwell == 0 {
		warn("ladder.dwell", "0s loosens throttles at each tick: they will go up and down")
	}
	if p.Ladder.KillsAtOnce > p.Budget.Kills {
		warn("ladder.kills_at_once", fmt.Sprintf("%d is more than the %d kills of the budget", p.Ladder.KillsAtOnce, p.Budget.Kills))
	}
	for i := range p.Victims.Priorities {
		for j := range i {
			if p.Victims.Priorities[j].Includes(&p.Victims.Priorities[i]) {
				warn(fmt.Sprintf("victims.priorities[%d]", i), fmt.Sprintf("has no effect: priorities[%d] matches the same containers before", j))
				break
			}
		}
	}
	if isSet(&p.hook) && highest < policy.Kill {
		warn("hook", "has no effect: no rule kills")
	}
}

func (p *policyText) lintRule(r *policy.Rule, at string, warn func(path, reason string)) {
	kills := r.Action == policy.Kill
	isSet := func(key string) bool { return p.places[at+"."+key] != nil }
	switch {
	case r.Immediate && r.Action == policy.StopOffering:
		warn(at+".immediate", "has no effect: there is no rung below stop_offering")
	case r.Immediate && kills && r.For == 0:
		warn(at+".for", "0s with immediate kills at the first reading above, without another one to confirm it")
	}
	if r.Action <= policy.Throttle && isSet("settle") {
		warn(at+".settle", fmt.Sprintf("has no effect: action %s goes no further than a throttle", r.Action))
	}
	if isSet("clear") && r.Clear >= r.Above {
		warn(at+".clear", "is the threshold itself: the rule will come and go with each reading")
	}
	if r.While.Signal == r.Signal && r.While.Above <= r.Above {
		warn(at+".while", fmt.Sprintf("has no effect: %s above %v is above %v as well", r.Signal, r.Above, r.While.Above))
	}
	// Of the load that a victim took away, load5 still shows e^(-60/300) = 82 %
	// after a minute, load15 94 % (see docs/reference/signals.md).
	slow := r.Signal == signal.Load5 || r.Signal == signal.Load15
	if kills && slow && r.Settle < time.Minute && r.While == (policy.While{}) {
		warn(at+".settle", fmt.Sprintf("%s is short for %s, which still shows most of a victim's load after a minute: more will be killed than must be (see while)",
			shortDuration(r.Settle), r.Signal))
	}
}
