package replay

import (
	"math"
	"strconv"
	"time"

	"github.com/estimatord/estimatord/resources"
	"github.com/estimatord/estimatord/snapshot"
)

// simNode makes the Snapshots that the daemon would see on a node of a trace,
// with best-effort tasks beside the trace's containers. Contention is not
// modelled: everybody uses what it wants, and the host's busy cores end at the
// number of cores.
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
	used      float64
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
}

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

// launch starts one best-effort task.
func (n *simNode) launch(now time.Time) {
	n.started++
	id := "~task-" + strconv.Itoa(1_000_000+n.started) // after the ids of the trace, in order
	one := resources.Quantities{{Name: resources.CPUs, Amount: resources.Unit}}
	n.tasks = append(n.tasks, &simTask{id: id, started: now, exec: snapshot.Executor{
		ContainerID: id, FrameworkID: "best-effort", ExecutorID: id, Class: snapshot.ClassRevocable, HasStatistics: true,
		Revocable: one, Tasks: []snapshot.Task{{ID: id, Revocable: one}},
	}})
}

// sample is the node at now, as monitor and agentapi would give it. It is valid
// until the next call.
func (n *simNode) sample(now time.Time, elapsed time.Duration) *snapshot.Snapshot {
	n.seq++
	busy := math.Min(n.cores, n.demand())
	for i, minutes := range [...]float64{1, 5, 15} {
		n.loads[i] += (n.demand() - n.loads[i]) * (1 - math.Exp(-elapsed.Minutes()/minutes))
	}
	n.usage = snapshot.Usage{
		At: now, Agent: simAgent, Executors: n.usage.Executors[:0],
		Total: resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(n.cores)}},
	}
	containers := n.shot.Containers[:0]
	add := func(id string, used float64, first time.Time, e *snapshot.Executor) {
		n.usage.Executors = append(n.usage.Executors, *e)
		containers = append(containers, snapshot.Container{
			Key: snapshot.Key{ID: id, Inode: 1}, OnDisk: true, Executor: e, FirstSeen: first, At: now,
			CPU: snapshot.CPU{Cores: snapshot.ValueOf(used)},
		})
	}
	for i := range n.regular {
		r := &n.regular[i]
		add(r.id, r.used, r.firstSeen, r.execution)
	}
	for _, t := range n.tasks {
		add(t.id, 1, t.started, &t.exec)
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

// demand is what regular containers and tasks want, in cores.
func (n *simNode) demand() float64 {
	sum := float64(len(n.tasks))
	for i := range n.regular {
		sum += n.regular[i].used
	}
	return sum
}

// allocated is what the trace's containers hold, in cores.
func (n *simNode) allocated() float64 {
	sum := 0.0
	for i := range n.regular {
		sum += n.regular[i].allocated.Float()
	}
	return sum
}
