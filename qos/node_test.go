package qos

import (
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/demand"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// t0 is when the stories begin.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// after is n seconds into the story.
func after(seconds float64) time.Time {
	return t0.Add(time.Duration(seconds * float64(time.Second)))
}

// node is a readable node of 2 CPUs with a fresh report, that many cores busy
// and no load.
func node(at time.Time, busy float64, containers ...snapshot.Container) *snapshot.Snapshot {
	s := &snapshot.Snapshot{
		Seq: uint64(at.Sub(t0)/time.Second) + 1, At: at, TreeWhy: snapshot.Present,
		Host: snapshot.Host{
			At: at, CPUs: snapshot.CountOf(2), BusyCores: snapshot.ValueOf(busy),
			Load1: snapshot.ValueOf(0), Load5: snapshot.ValueOf(0), Load15: snapshot.ValueOf(0),
		},
		Usage:      &snapshot.Usage{At: at, Agent: "agent"},
		Containers: containers,
	}
	for i := range s.Containers {
		s.Containers[i].At = at
	}
	return s
}

// container is a top-level container of that class, on disk since the start,
// with as many cores in use.
func container(id string, class snapshot.Class, cores, allocated float64) snapshot.Container {
	amount := resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(allocated)}}
	e := &snapshot.Executor{ContainerID: id, FrameworkID: "framework", ExecutorID: "executor-of-" + id, Role: "batch", Class: class}
	switch class {
	case snapshot.ClassUnknown:
		e = nil
	case snapshot.ClassRegular:
		e.Regular = amount
		e.Tasks = []snapshot.Task{{ID: "task", Regular: amount}}
	case snapshot.ClassRevocable:
		e.Revocable = amount
		e.Tasks = []snapshot.Task{{ID: "task", Revocable: amount}}
	case snapshot.ClassShared:
		e.Regular, e.Revocable = amount, amount
		e.Tasks = []snapshot.Task{{ID: "task", Revocable: amount}, {ID: "other", Regular: amount}}
	}
	return snapshot.Container{
		Key: snapshot.Key{ID: id, Inode: 7}, OnDisk: true, FirstSeen: t0.Add(-time.Hour),
		Executor: e, CPU: snapshot.CPU{Cores: snapshot.ValueOf(cores)},
	}
}

func regular(id string, cores float64) snapshot.Container {
	return container(id, snapshot.ClassRegular, cores, 2)
}

func revocable(id string, cores float64) snapshot.Container {
	return container(id, snapshot.ClassRevocable, cores, 1)
}

// ruleOf is a rule with its signal's defaults that kills at once when it is
// active, and clears as soon as it is not above.
func ruleOf(name string, s policy.Signal, above float64) policy.Rule {
	r := signal.Of(s).Rule()
	r.Name, r.Above, r.Clear, r.Immediate = name, above, above, true
	return r
}

// policyOf is a policy of those rules that spares nobody.
func policyOf(rules ...policy.Rule) *policy.Policy {
	p := policy.DefaultPolicy()
	p.Rules, p.Victims = rules, policy.Victims{}
	return &p
}

// cpuPolicy is the rule cpu: above 95 % for 5 s, settle 5 s.
func cpuPolicy() *policy.Policy { return policyOf(ruleOf("cpu", signal.NodeCPU, 0.95)) }

// loadPolicy is Mesos's LoadQoSController with the thresholds of its
// documentation.
func loadPolicy() *policy.Policy {
	return policyOf(ruleOf("load5", signal.Load5, 6), ruleOf("load15", signal.Load15, 4))
}

// killed are the ids of the containers that d kills.
func killed(d Decision) string {
	ids := make([]string, len(d.Kills))
	for i, v := range d.Kills {
		ids[i] = v.Key().ID
	}
	return strings.Join(ids, " ")
}

// decide is Decide without promises and commands.
func decide(p *policy.Policy, st State, s *snapshot.Snapshot, inFlight []InFlight) (Decision, State) {
	return Decide(p, st, Input{Snapshot: s, Demands: demandsOf(s), InFlight: inFlight})
}

// demandsOf are the demands at a first tick.
func demandsOf(s *snapshot.Snapshot) []demand.Demand { return new(demand.Tracker).Next(s) }
