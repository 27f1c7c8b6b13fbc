package replay

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
)

// simNode makes the Snapshots that the daemon would see on a node of a trace,
// with best-effort tasks beside the trace's containers, on cgroup v2. Where more
// is wanted than there is, all get the same part of it, as if the kernel knew no
// weights: this is what a rule is to prevent, not the kernel. Tasks whose weight
// a throttle has taken get what is left over.
type simNode struct {
	cores   float64
	seq     uint64
	usage   snapshot.Usage
	shot    snapshot.Snapshot
	regular []simRegular
	tasks   []*simTask // oldest first
	started int
	// firstSeen outlives a step, by container.
	firstSeen map[string]time.Time
	loads     [3]float64
}

// simRegular is one container of the trace during one step.
type simRegular struct {
	id        string
	used      float64 // wanted, in cores
	got       float64
	allocated resources.Milli
	execution *snapshot.Executor
	firstSeen time.Time
}

// simTask is one best-effort task of one core.
type simTask struct {
	id      string
	started time.Time
	doomed  bool // a kill is under way
	exec    snapshot.Executor
	// got is what it uses, in cores; left how much of its work is to be done.
	got  float64
	left time.Duration
	// limit is what a throttle leaves it, in cores; light: its weight is taken.
	limit float64
	light bool
}

// want is what a task would use on an idle node, in cores.
func (t *simTask) want() float64 { return min(1, t.limit) }

// simAgent names the agent in the reports of simulated nodes.
const simAgent = "replay"

func newSimNode(cores float64) *simNode {
	return &simNode{cores: cores, firstSeen: make(map[string]time.Time)}
}

// enter begins a step of the trace.
func (n *simNode) enter(s *Step, now time.Time) {
	n.regular = n.regular[:0]
	seen := make(map[string]time.Time, len(s.Rows))
	for i := range s.Rows {
		cpu := s.Rows[i].CPU
		if !cpu.Present {
			continue
		}
		id := s.IDs[i]
		first, known := n.firstSeen[id]
		if !known {
			first = now
		}
		seen[id] = first
		allocated := resources.FloorMilli(cpu.Allocated)
		n.regular = append(n.regular, simRegular{
			id: id, used: min(cpu.Used, cpu.Allocated), allocated: allocated, firstSeen: first,
			execution: &snapshot.Executor{
				ContainerID: id, FrameworkID: "trace", ExecutorID: id, Class: snapshot.ClassRegular, HasStatistics: true,
				Regular: resources.Quantities{{Name: resources.CPUs, Amount: allocated}},
			},
		})
	}
	n.firstSeen = seen
}

// launch starts one best-effort task with so much work.
func (n *simNode) launch(now time.Time, work time.Duration) {
	n.started++
	id := "~task-" + strconv.Itoa(1_000_000+n.started) // after the ids of the trace, in order
	one := resources.Quantities{{Name: resources.CPUs, Amount: resources.Unit}}
	n.tasks = append(n.tasks, &simTask{id: id, started: now, left: work, limit: 1, exec: snapshot.Executor{
		ContainerID: id, FrameworkID: "best-effort", ExecutorID: id, Class: snapshot.ClassRevocable, HasStatistics: true,
		Revocable: one, Tasks: []snapshot.Task{{ID: id, Revocable: one}},
	}})
}

// sample is the node at now, as monitor and agentapi would give it. It is valid
// until the next call.
func (n *simNode) sample(now time.Time, elapsed time.Duration) *snapshot.Snapshot {
	n.seq++
	busy := n.share()
	for i, minutes := range [...]float64{1, 5, 15} {
		n.loads[i] += (n.demand() - n.loads[i]) * (1 - math.Exp(-elapsed.Minutes()/minutes))
	}
	n.usage = snapshot.Usage{
		At: now, Agent: simAgent, Executors: n.usage.Executors[:0],
		Total: resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(n.cores)}},
	}
	containers := n.shot.Containers[:0]
	add := func(id string, used, waits float64, first time.Time, e *snapshot.Executor) {
		n.usage.Executors = append(n.usage.Executors, *e)
		containers = append(containers, snapshot.Container{
			Key: snapshot.Key{ID: id, Inode: 1}, OnDisk: true, Executor: e, FirstSeen: first, At: now,
			CPU: snapshot.CPU{Cores: snapshot.ValueOf(used), ThrottledNanos: snapshot.CountOf(0)},
			// Some task of it waits all the time when a whole core is missing.
			Pressure: snapshot.Pressure{CPUSome: snapshot.ValueOf(min(1, waits))},
		})
	}
	for i := range n.regular {
		r := &n.regular[i]
		add(r.id, r.got, r.used-r.got, r.firstSeen, r.execution)
	}
	for _, t := range n.tasks {
		add(t.id, t.got, t.want()-t.got, t.started, &t.exec)
	}
	for i := range containers {
		containers[i].Executor = &n.usage.Executors[i] // as the monitor has it
	}
	n.shot = snapshot.Snapshot{
		Seq: n.seq, At: now, Usage: &n.usage, Containers: containers, TreeWhy: snapshot.Present,
		Host: snapshot.Host{
			At: now, CPUs: snapshot.CountOf(uint64(n.cores)), UsableCPUs: snapshot.ValueOf(n.cores),
			BusyCores: snapshot.ValueOf(busy), Load1: snapshot.ValueOf(n.loads[0]), Load5: snapshot.ValueOf(n.loads[1]), Load15: snapshot.ValueOf(n.loads[2]),
		},
	}
	return &n.shot
}

// demand is what regular containers want, and tasks whose weight is not taken,
// in cores: what cannot wait.
func (n *simNode) demand() float64 {
	sum := 0.0
	for i := range n.regular {
		sum += n.regular[i].used
	}
	for _, t := range n.tasks {
		if !t.light {
			sum += t.want()
		}
	}
	return sum
}

// taken reports whether any task takes CPU that a regular container may want.
func (n *simNode) taken() bool {
	return slices.ContainsFunc(n.tasks, func(t *simTask) bool { return !t.light && t.limit > 0 })
}

// share says what everybody gets, and how much that is.
func (n *simNode) share() (busy float64) {
	demand := n.demand()
	part := 1.0
	if demand > n.cores {
		part = n.cores / demand
	}
	for i := range n.regular {
		n.regular[i].got = n.regular[i].used * part
	}
	light := 0.0
	for _, t := range n.tasks {
		t.got = t.want() * part
		if t.light {
			light += t.want()
		}
	}
	rest := max(0, n.cores-demand*part)
	for _, t := range n.tasks {
		if t.light {
			t.got = t.want() * min(1, rest/light)
		}
	}
	return demand*part + min(light, rest)
}

// act carries out what was decided: from now on it holds for the tasks.
func (n *simNode) act(a *qos.Actions) {
	for _, t := range n.tasks {
		t.limit, t.light = 1, false
		if i := slices.IndexFunc(a.Throttles, func(th qos.Throttle) bool { return th.Victim.Key().ID == t.id }); i >= 0 {
			t.light = a.Throttles[i].LowWeight
			if limit := a.Throttles[i].Cores; limit > 0 {
				t.limit = limit
			}
		}
		if slices.ContainsFunc(a.Freezes, func(v qos.Victim) bool { return v.Key().ID == t.id }) {
			t.limit = 0
		}
	}
}

// allocated is what the trace's containers hold, in cores.
func (n *simNode) allocated() float64 {
	sum := 0.0
	for i := range n.regular {
		sum += n.regular[i].allocated.Float()
	}
	return sum
}
