package qos

import (
	"math"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// What is read, compared and said, at the second tick of a node in that state.
func TestSentences(t *testing.T) {
	cpu := cpuPolicy()
	gone := func(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }
	withLoad := func(above float64, change func(r *policy.Rule)) *policy.Policy {
		p := policyOf(ruleOf("load", signal.Load5, above))
		change(&p.Rules[0])
		return p
	}
	as := func(*policy.Rule) {}
	unreadable := func(s *snapshot.Snapshot) {
		busy(1.5)(s)
		s.Containers[0].CPU.Cores = gone(snapshot.Vanished)
	}
	for _, tc := range []struct {
		name   string
		policy *policy.Policy
		before func(*snapshot.Snapshot)
		set    func(*snapshot.Snapshot)
		want   reason.Code
		text   string
	}{
		{"cpu just above", cpu, nil, busy(1.93), reason.Waiting, "cpu: 1.93 of 2 CPUs busy (96.5 %) above 95 % for 0 s of 5 s; regular 0.50, revocable 0.60, outside 0.83"},
		{"cpu below", cpu, nil, busy(1.2), reason.Calm, "cpu: 1.20 of 2 CPUs busy (60 %), not above 95 %; regular 0.50, revocable 0.60, outside 0.10"},
		{"cpu of a cpuset", cpu, nil, func(s *snapshot.Snapshot) {
			busy(1.96)(s)
			s.Host.CPUs, s.Host.UsableCPUs = snapshot.CountOf(64), snapshot.ValueOf(2)
		}, reason.Waiting, "cpu: 1.96 of 2 CPUs busy (98 %) above 95 % for 0 s of 5 s; regular 0.50, revocable 0.60, outside 0.86"},
		{"cpu of a quota", cpu, nil, func(s *snapshot.Snapshot) {
			busy(1.2)(s)
			s.Host.CPUs, s.Host.UsableCPUs = snapshot.CountOf(64), snapshot.ValueOf(1.5)
		}, reason.Calm, "cpu: 1.20 of 1.50 CPUs busy (80 %), not above 95 %; regular 0.50, revocable 0.60, outside 0.10"},
		{"cpu with an unreadable quota", cpu, nil, func(s *snapshot.Snapshot) {
			s.Host.UsableCPUs = gone(snapshot.Denied)
		}, reason.Blind, "cpu: blind, the number of CPUs could not be read (denied)"},
		{"load per CPU is of the machine", withLoad(1.5, func(r *policy.Rule) { r.PerCPU = true }), nil, func(s *snapshot.Snapshot) {
			load(9, 2.5, 99)(s)
			s.Host.UsableCPUs = snapshot.ValueOf(1)
		}, reason.Calm, "load: load5 per CPU 1.25, not above 1.5"},
		{"cpu idle", cpu, nil, busy(0), reason.Calm, "cpu: 0.00 of 2 CPUs busy (0 %), not above 95 %; regular 0.50, revocable 0.60, outside 0.00"},
		{"cpu: an unreadable container is outside", cpu, nil, unreadable, reason.Calm, "cpu: 1.50 of 2 CPUs busy (75 %), not above 95 %; regular 0.00, revocable 0.60, outside 0.90 with 1 unreadable containers"},
		{"cpu waiting", cpu, busy(1.99), busy(1.99), reason.Waiting, "cpu: 1.99 of 2 CPUs busy (99.5 %) above 95 % for 4 s of 5 s; regular 0.50, revocable 0.60, outside 0.89"},
		{"cpu no hog", cpu, nil, with(busy(2), without("hog-a", "hog-b")), reason.NoVictim, "cpu: 2.00 of 2 CPUs busy (100 %) above 95 %; regular 0.50, revocable 0.00, outside 1.50; no revocable container to take it from"},
		{"cpu nothing regular", cpu, nil, with(busy(2), without("web")), reason.NoVictim, "cpu: 2.00 of 2 CPUs busy (100 %) above 95 %; regular 0.00, revocable 0.60, outside 1.40; no regular container to take it for"},
		{"cpu denied", cpu, nil, func(s *snapshot.Snapshot) { s.Host.BusyCores = gone(snapshot.Denied) }, reason.Blind, "cpu: blind, the CPUs' busy time could not be read (denied)"},
		{"cpu without CPUs", cpu, nil, func(s *snapshot.Snapshot) { s.Host.CPUs.Why = snapshot.Malformed }, reason.Blind, "cpu: blind, the number of CPUs could not be read (malformed)"},
		{"old report", cpu, nil, func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(-90 * time.Second) }, reason.Blind, "cpu: blind. The agent's last report is older than the limit."},
		{"no report", cpu, nil, func(s *snapshot.Snapshot) { s.Usage = nil }, reason.Blind, "cpu: blind. No agent has reported its usage yet."},
		{"no tree", cpu, nil, func(s *snapshot.Snapshot) { s.TreeWhy = snapshot.NoFile }, reason.Blind, "cpu: blind. The container tree could not be read."},
		{"load calm", withLoad(6, as), nil, load(9, 3, 1), reason.Calm, "load: load5 3.00, not above 6"},
		{"load per CPU", withLoad(1.5, func(r *policy.Rule) { r.PerCPU = true }), nil, load(9, 2.5, 99), reason.Calm, "load: load5 per CPU 1.25, not above 1.5"},
		{"load1 over", withLoad(6, func(r *policy.Rule) { r.While = policy.While{Signal: signal.Load1, Above: 5.5} }), nil, load(5, 8, 0), reason.Calm, "load: load5 8.00 above 6, but load1 is not above 5.5"},
		{"load waiting", withLoad(6, func(r *policy.Rule) { r.While, r.For = policy.While{Signal: signal.Load1, Above: 5}, time.Minute }), load(9, 8, 0), load(9, 8, 0), reason.Waiting, "load: load5 8.00 above 6 for 4 s of 60 s"},
		{"load malformed", withLoad(6, as), nil, func(s *snapshot.Snapshot) { s.Host.Load5 = gone(snapshot.Malformed) }, reason.Blind, "load: blind, load5 could not be read (malformed)"},
		{"the condition beside it is unknown", withLoad(6, func(r *policy.Rule) { r.While = policy.While{Signal: signal.Load1, Above: 5} }), nil, with(load(9, 8, 0), func(s *snapshot.Snapshot) { s.Host.Load1 = gone(snapshot.Malformed) }), reason.Blind, "load: blind, load1 could not be read (malformed)"},
		{"load not used", withLoad(6, as), nil, func(s *snapshot.Snapshot) { s.Host.Load15 = gone(snapshot.Malformed) }, reason.Calm, "load: load5 0.00, not above 6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			node := func(at float64, set func(*snapshot.Snapshot)) *snapshot.Snapshot {
				s := node(after(at), 0, regular("web", 0.5), revocable("hog-a", 0.4), revocable("hog-b", 0.2))
				if set != nil {
					set(s)
				}
				return s
			}
			_, st := decide(tc.policy, State{}, node(0, tc.before), nil)
			d, _ := decide(tc.policy, st, node(4, tc.set), nil)
			r := d.Rules[0]
			if text := d.Sentence(&r, after(4)); r.Why != tc.want || text != tc.text {
				t.Errorf("%s: %q\nwant %s: %q", r.Why, text, tc.want, tc.text)
			}
		})
	}
}

func TestSentencesOfActions(t *testing.T) {
	p := cpuPolicy()
	at := func(seconds float64) *snapshot.Snapshot {
		return node(after(seconds), 1.93, regular("web", 1.52), revocable("hog", 0.41))
	}
	dying := []InFlight{{Key: snapshot.Key{ID: "hog", Inode: 7}}}
	const read = "cpu: 1.93 of 2 CPUs busy (96.5 %) above 95 % for "
	const made = "; regular 1.52, revocable 0.41, outside 0.00"
	_, st := decide(p, State{}, at(0), nil)
	for _, tc := range []struct {
		at       float64
		inFlight []InFlight
		want     string
	}{
		{5, nil, read + "5 s" + made + "; killing hog (executor executor-of-hog), which uses 0.41 CPUs and was given 1.00 CPUs"},
		{6, dying, read + "6 s" + made + "; waiting for the last victim to be gone"},
		{7.5, nil, read + "7.5 s" + made + "; the last victim's relief may take another 5 s"},
	} {
		var d Decision
		d, st = decide(p, st, at(tc.at), tc.inFlight)
		got := d.Sentence(&d.Rules[0], after(tc.at))
		if len(d.Kills) > 0 {
			got = d.Kills[0].Cause().Text
		}
		if got != tc.want {
			t.Errorf("at %g s:\n got %q\nwant %q", tc.at, got, tc.want)
		}
		for _, v := range d.Kills {
			if c := v.Cause(); c.Rule != "cpu" || c.Text != tc.want {
				t.Errorf("cause %+v, want the rule's sentence", c)
			}
		}
	}
	p.Victims.MinUsage = 0.5
	d, _ := decide(p, st, at(13), nil)
	if want, got := read+"13 s"+made+"; none of the revocable containers may be taken", d.Sentence(&d.Rules[0], after(13)); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Every input, with every fault: nothing is killed, and the rule that needs it
// is blind.
func TestFaults(t *testing.T) {
	faults := map[string]func(v *snapshot.Value){
		"not a number": func(v *snapshot.Value) { v.V = math.NaN() },
		"infinite":     func(v *snapshot.Value) { v.V = math.Inf(1) },
		"below zero":   func(v *snapshot.Value) { v.V = -3 },
		"huge":         func(v *snapshot.Value) { v.V = 1e18 },
	}
	for why := snapshot.NotRead; int(why) < snapshot.NumAbsences; why++ {
		if why != snapshot.Present {
			faults[why.String()] = func(v *snapshot.Value) { v.Why = why }
		}
	}
	for name, input := range map[string]struct {
		p    *policy.Policy
		pick func(s *snapshot.Snapshot) *snapshot.Value
	}{
		"busy":   {cpuPolicy(), func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.BusyCores }},
		"load5":  {policyOf(ruleOf("l", signal.Load5, 6)), func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.Load5 }},
		"load15": {policyOf(ruleOf("l", signal.Load15, 4)), func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.Load15 }},
		"load1": {func() *policy.Policy {
			p := policyOf(ruleOf("l", signal.Load5, 6))
			p.Rules[0].While = policy.While{Signal: signal.Load1, Above: 1}
			return p
		}(), func(s *snapshot.Snapshot) *snapshot.Value {
			return &s.Host.Load1
		}},
	} {
		input.p.Rules[0].For = 0
		for fault, apply := range faults {
			s := scene(t0)
			with(busy(2), load(9, 9, 9))(s)
			if d, _ := decide(input.p, State{}, s, nil); len(d.Kills) != 1 {
				t.Fatalf("%s without a fault: %s", name, d.Why)
			}
			apply(input.pick(s))
			if d, _ := decide(input.p, State{}, s, nil); d.Why != blindFor(fault) || len(d.Kills) != 0 || d.Candidates != nil {
				t.Errorf("%s %s: decided %s, killed %q, want %s and nothing", name, fault, d.Why, killed(d), blindFor(fault))
			}
		}
	}
	for name, apply := range map[string]func(s *snapshot.Snapshot){
		"the host's readings are old":           func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(-11 * time.Second) },
		"the host's readings are of the future": func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(11 * time.Second) },
		"the report is of the future":           func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(46 * time.Second) },
		"the host was never read":               func(s *snapshot.Snapshot) { s.Host = snapshot.Host{} },
		"no CPUs":                               func(s *snapshot.Snapshot) { s.Host.CPUs = snapshot.CountOf(0) },
		"nothing at all":                        func(s *snapshot.Snapshot) { *s = snapshot.Snapshot{} },
	} {
		p := cpuPolicy()
		p.Rules[0].For = 0
		p.Rules = append(p.Rules, loadPolicy().Rules...)
		p.Rules[1].PerCPU, p.Rules[2].PerCPU = true, true
		s := scene(t0)
		with(busy(2), load(99, 99, 99))(s)
		apply(s)
		if d, _ := decide(p, State{}, s, nil); d.Why != reason.Blind || len(d.Kills) != 0 {
			t.Errorf("%s: decided %s, killed %q, want %s and nothing", name, d.Why, killed(d), reason.Blind)
		}
	}
}

// blindFor is what a rule is called whose input has that fault.
func blindFor(fault string) reason.Code {
	if fault == snapshot.NoFile.String() {
		return reason.NoSignal
	}
	return reason.Blind
}

// A rule about something that this host does not have does not make the others
// look blind.
func TestRuleWithoutASignalIsNotTheSummary(t *testing.T) {
	p := policyOf(ruleOf("pressure", signal.RegularCPUPressure, 0.1), ruleOf("cpu", signal.NodeCPU, 0.95))
	s := scene(t0)
	s.Host.Pressure.CPUSome.Why = snapshot.NoFile
	for i := range s.Containers {
		s.Containers[i].Pressure.CPUSome.Why = snapshot.NoFile
	}
	s.Contention.Why = snapshot.ContentionNoPressure
	d, _ := decide(p, State{}, s, nil)
	if d.Rules[0].Why != reason.NoSignal || d.Why != reason.Calm {
		t.Errorf("%s and %s, want %s and %s", d.Rules[0].Why, d.Why, reason.NoSignal, reason.Calm)
	}
	busy(2)(s)
	if d, _ := decide(p, State{}, s, nil); d.Why != reason.Waiting {
		t.Errorf("busy: %s, want %s", d.Why, reason.Waiting)
	}
}

func TestDroppedExecutorsCountAsRegular(t *testing.T) {
	p := cpuPolicy()
	p.Rules[0].For = 0
	s := node(t0, 2, revocable("hog", 1.9))
	s.Usage.Dropped = 1
	if d, _ := decide(p, State{}, s, nil); d.Why != reason.Preempt {
		t.Errorf("decided %s, want %s", d.Why, reason.Preempt)
	}
}

func TestUnvalidatedPolicyIsBlind(t *testing.T) {
	s := scene(t0)
	with(busy(2), load(99, 99, 99))(s)
	for name, p := range map[string]*policy.Policy{
		"unknown signal": {Rules: []policy.Rule{{Name: "a", Signal: "psi"}}, Fresh: policy.DefaultFresh()},
		"no signal":      {Rules: []policy.Rule{{}}, Fresh: policy.DefaultFresh()},
	} {
		if d, _ := decide(p, State{}, s, nil); d.Why != reason.Blind || len(d.Kills) != 0 {
			t.Errorf("%s: decided %s, killed %q", name, d.Why, killed(d))
		}
	}
}
