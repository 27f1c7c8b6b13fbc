package qos

import (
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/reason"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// absentInputs are the readings that each signal cannot do without, as the
// sampler makes them absent: impossible, hidden in another namespace, or with any
// other reason.
var absentInputs = map[policy.Signal][]func(s *snapshot.Snapshot, why snapshot.Absence){
	signal.NodeCPU: {
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.BusyCores = snapshot.Value{Why: why} },
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.UsableCPUs = snapshot.Value{Why: why} },
	},
	signal.RegularCPUContention: {
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.BusyCores = snapshot.Value{Why: why} },
		func(s *snapshot.Snapshot, why snapshot.Absence) { regularOf(s).CPU.Cores = snapshot.Value{Why: why} },
	},
	signal.RegularCPUPressure: {
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.BusyCores = snapshot.Value{Why: why} },
		func(s *snapshot.Snapshot, why snapshot.Absence) {
			regularOf(s).Pressure.CPUSome = snapshot.Value{Why: why}
		},
	},
	signal.NodeMemory: {
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.MemAvailableBytes = snapshot.Count{Why: why} },
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.MemTotalBytes = snapshot.Count{Why: why} },
	},
	signal.RegularMemory: {
		func(s *snapshot.Snapshot, why snapshot.Absence) {
			regularOf(s).Memory.UnreclaimableBytes = snapshot.Count{Why: why}
		},
	},
	signal.RegularMemoryPressure: {
		func(s *snapshot.Snapshot, why snapshot.Absence) {
			regularOf(s).Pressure.MemoryFull = snapshot.Value{Why: why}
		},
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.MemAvailableBytes = snapshot.Count{Why: why} },
	},
	signal.Load5: {
		func(s *snapshot.Snapshot, why snapshot.Absence) { s.Host.Load5 = snapshot.Value{Why: why} },
	},
}

func regularOf(s *snapshot.Snapshot) *snapshot.Container {
	return s.Find(snapshot.Key{ID: "web", Inode: 7})
}

// strained is a node on which every signal is high.
func strained(at time.Time) *snapshot.Snapshot {
	web := regular("web", 0.5)
	web.Executor.Regular.Set("mem", 100_000)
	web.CPU.ThrottledNanos = snapshot.CountOf(0)
	web.Pressure.CPUSome, web.Pressure.MemoryFull = snapshot.ValueOf(0.7), snapshot.ValueOf(0.6)
	web.Memory.UnreclaimableBytes = snapshot.CountOf(94 << 20)
	hog := revocable("hog", 1.5)
	hog.Memory.UnreclaimableBytes = snapshot.CountOf(1 << 30)
	s := node(at, 2, hog, web)
	s.Host.Load5 = snapshot.ValueOf(9)
	s.Host.MemTotalBytes, s.Host.MemAvailableBytes = snapshot.CountOf(2<<30), snapshot.CountOf(10<<20)
	return s
}

// Whatever a rule's input lacks, the rule is blind and takes nothing: a throttle
// or a kill that would follow from it does not.
func TestAnAbsentReadingTakesNothing(t *testing.T) {
	for name, inputs := range absentInputs {
		for _, action := range []policy.Rung{policy.StopOffering, policy.Throttle, policy.Kill} {
			r := ruleOf("rule", name, 0.3)
			r.Action, r.For = action, 0
			p := policyOf(r)
			if d, _ := decide(p, State{}, strained(t0), nil); !d.Rules[0].Active {
				t.Fatalf("%s %s: with all readings: %+v", name, action, d.Rules[0])
			}
			for i, lose := range inputs {
				for why := range snapshot.Absence(snapshot.NumAbsences) {
					if why == snapshot.Present || why == snapshot.NotRead && name == signal.NodeCPU {
						continue // usable CPUs that nobody derived are those of the machine
					}
					s := strained(t0)
					lose(s, why)
					d, _ := decide(p, State{}, s, nil)
					rule := &d.Rules[0]
					if rule.Why != reason.Blind && rule.Why != reason.NoSignal || rule.Value.OK() || rule.Exceeded || rule.Active {
						t.Errorf("%s %s, input %d %s: %+v", name, action, i, why, rule)
					}
					if len(d.Kills)+len(d.Actions.Throttles)+len(d.Actions.Freezes) != 0 || d.StopOffering {
						t.Errorf("%s %s, input %d %s: taken: %+v", name, action, i, why, d.Actions)
					}
				}
			}
		}
	}
}

// One tick with an absent reading changes nothing of what is in force: nothing is
// taken and nothing let go; and the time for which a rule was exceeded begins
// anew.
func TestOneAbsentTickNeitherReleasesNorActs(t *testing.T) {
	for name, inputs := range absentInputs {
		r := ruleOf("rule", name, 0.3)
		r.Action, r.For, r.Settle, r.Immediate = policy.Throttle, 0, time.Minute, true
		p := policyOf(r)
		for i, lose := range inputs {
			var st State
			var before Decision
			for at := range 3 {
				before, st = decide(p, st, strained(after(float64(at))), nil)
			}
			if len(before.Actions.Throttles) == 0 {
				t.Fatalf("%s: nothing in force: %+v", name, before.Rules[0])
			}
			s := strained(after(3))
			lose(s, snapshot.Impossible)
			during, st := decide(p, st, s, nil)
			if !during.Rules[0].Active || !sameActions(before.Actions, during.Actions) || during.Acted || !during.StopOffering {
				t.Errorf("%s, input %d: %+v became %+v", name, i, before.Actions, during.Actions)
			}
			if again, _ := decide(p, st, strained(after(4)), nil); !sameActions(before.Actions, again.Actions) {
				t.Errorf("%s, input %d, a tick later: %+v became %+v", name, i, before.Actions, again.Actions)
			}
		}
	}
}

func sameActions(a, b Actions) bool {
	if len(a.Throttles) != len(b.Throttles) || len(a.Freezes) != len(b.Freezes) {
		return false
	}
	for i := range a.Throttles {
		x, y := a.Throttles[i], b.Throttles[i]
		if x.Victim.Key() != y.Victim.Key() || x.Cores != y.Cores || x.LowWeight != y.LowWeight || x.MemoryHighBytes != y.MemoryHighBytes {
			return false
		}
	}
	return true
}
