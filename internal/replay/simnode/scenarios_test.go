package simnode

import (
	"math"
	"time"

	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// Scenarios are the stories of docs/evidence/ladder.md. All are of 8 CPUs, of which a
// regular service was given 6.
func Scenarios() []Scenario {
	all := []Scenario{
		{
			Name: "square", About: "Regular demand jumps between 2 and 6 cores every 4 minutes; 4 revocable tasks want a core each. The throttle gives way each time, and nothing is killed.",
			Demand: func(s int) float64 { return surge(s/240%2 == 1, 6) }, Tasks: 4, TaskWants: 1, Seconds: 1920, Policy: ladder(), Offers: true,
		},
		{
			Name: "ramp", About: "Regular demand climbs from 1 to 7.4 cores in 10 minutes and falls again.",
			Demand: func(s int) float64 { return 1 + 6.4*max(0, 1-math.Abs(float64(s)-700)/600) }, Tasks: 4, TaskWants: 1, Seconds: 1800, Policy: ladder(), Offers: true,
		},
		{
			Name: "sine", About: "Regular demand swings between 2 and 7 cores in 10 minutes.",
			Demand: func(s int) float64 { return 4.5 - 2.5*math.Cos(2*math.Pi*float64(s)/600) }, Tasks: 4, TaskWants: 1, Seconds: 1800, Policy: ladder(), Offers: true,
		},
		{
			Name: "bursts", About: "Regular demand bursts to 8 cores for 3 s every 30 s, which is shorter than the rule's `for`: nothing is done.",
			Demand: func(s int) float64 { return surge(s%30 >= 27, 8) }, Tasks: 4, TaskWants: 1, Seconds: 900, Policy: ladder(), Offers: true,
		},
		{
			Name: "constant", About: "Regular demand rises to 5 cores for good. The limit comes to rest below the clear level and stays there.",
			Demand: func(s int) float64 { return surge(s >= 120, 5) }, Tasks: 4, TaskWants: 1, Seconds: 2400, Policy: ladder(), Offers: true,
		},
		{
			Name: "pressure", About: "The same with a rule that reads the service's own CPU pressure, on a node whose revocable tasks weigh as much as regular ones: what was too much last time is remembered, and tried again every 8 dwells only.",
			Demand: func(s int) float64 { return surge(s >= 120, 5) }, Tasks: 6, TaskWants: 1, TaskWeight: regularWeight, Seconds: 2400, Policy: pressure(), Offers: true,
		},
		{
			Name: "throttle-cures", About: "A step to 7 cores and back. The throttle alone cures it.",
			Demand: func(s int) float64 { return surge(s >= 60 && s < 360, 7) }, Tasks: 5, TaskWants: 1, Seconds: 900, Policy: ladder(),
		},
		{
			Name: "throttle-fails", About: "Each container keeps 0.5 cores (`floor`), so that a step to 6.5 cores cannot be cured by the throttle. 0.05 + 6.5 + 0.5·n ≤ 7.6 holds for n ≤ 2: of 4 revocable tasks exactly 2 go, one after the other, although each takes 20 s to die.",
			Demand: func(s int) float64 { return surge(s >= 60, 6.5) }, Tasks: 4, TaskWants: 1, Seconds: 600, Policy: floor(ladder(), 0.5),
		},
		{
			Name: "no-quota", About: "The agent owns the quota, so that no throttle works. The ladder notices and kills: 0.05 + 5 + n ≤ 7.6 holds for n ≤ 2, so that exactly 2 of 4 go.",
			Demand: func(s int) float64 { return surge(s >= 60, 5) }, Tasks: 4, TaskWants: 1, Seconds: 600, Policy: ladder(), NoQuota: true,
		},
		{
			Name: "immediate", About: "A rule that kills at once (`immediate`), from 60 s to 400 s: 0.05 + 6.5 + n ≤ 7.6 holds for n ≤ 1, so that exactly 3 of 4 go, although each takes 20 s to die. What they leave is offered again only after the hold.",
			Demand: func(s int) float64 { return surge(s >= 60 && s < 400, 6.5) }, Tasks: 4, TaskWants: 1, Seconds: 1500, Policy: immediate(), Offers: true,
		},
		{
			Name: "offers", About: "Revocable tasks come as long as the offer allows, until regular demand rises to 6 cores. The offer stops with the first rung, nobody else comes, and it is open again after the throttle is gone and the hold over.",
			Demand: func(s int) float64 { return surge(s >= 600 && s < 900, 6) }, Tasks: 1, TaskWants: 1.5, Seconds: 1800, Policy: ladder(), Offers: true,
		},
	}
	for i := range all {
		all[i].CPUs, all[i].Allocated = 8, 6
	}
	return all
}

// Find is the scenario of that name.
func Find(name string) (Scenario, bool) {
	for _, sc := range Scenarios() {
		if sc.Name == name {
			return sc, true
		}
	}
	return Scenario{}, false
}

// surge is what the service wants: that many cores while busy, else 2.
func surge(busy bool, cores float64) float64 {
	if busy {
		return cores
	}
	return 2
}

// ladder is a policy with the rule "node_cpu above 95 % for 5 s", up to a kill.
func ladder() policy.Policy {
	p := policy.DefaultPolicy()
	r := signal.Of(signal.NodeCPU).Rule()
	r.Name, r.Action = "cpu", policy.Kill
	p.Rules = []policy.Rule{r}
	return p
}

func floor(p policy.Policy, cores float64) policy.Policy {
	p.Ladder.FloorCores = cores
	return p
}

func immediate() policy.Policy {
	p := ladder()
	p.Rules[0].Immediate = true
	p.Ladder.KillsAtOnce = 3
	return p
}

func pressure() policy.Policy {
	p := policy.DefaultPolicy()
	r := signal.Of(signal.RegularCPUPressure).Rule()
	r.Name, r.For = "pressure", time.Second
	p.Rules = []policy.Rule{r}
	return p
}
