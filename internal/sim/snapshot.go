package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
)

func key(id string) snapshot.Key { return snapshot.Key{ID: id, Inode: 1} }

func cpus(amount float64) resources.Quantities {
	return resources.Quantities{{Name: resources.CPUs, Amount: resources.FloorMilli(amount)}}
}

// snapshot is the node as it would be read, on cgroup v2.
func (n *node) snapshot(now time.Time) *snapshot.Snapshot {
	busy := outside + n.used
	for _, h := range n.hogs {
		busy += h.used
	}
	s := &snapshot.Snapshot{
		At: now, TreeWhy: snapshot.Present,
		Host: snapshot.Host{
			At: now, CPUs: snapshot.CountOf(uint64(n.sc.CPUs)), BusyCores: snapshot.ValueOf(busy),
			Load1: snapshot.ValueOf(n.load[0]), Load5: snapshot.ValueOf(n.load[1]), Load15: snapshot.ValueOf(n.load[2]),
		},
		Usage: &snapshot.Usage{At: now, Agent: "sim", Total: cpus(n.sc.CPUs)},
	}
	add := func(id string, since time.Time, used float64, e snapshot.Executor) *snapshot.Container {
		e.ContainerID, e.FrameworkID, e.ExecutorID, e.HasStatistics = id, "framework", "executor-of-"+id, true
		s.Usage.Executors = append(s.Usage.Executors, e)
		s.Containers = append(s.Containers, snapshot.Container{
			Key: key(id), OnDisk: true, FirstSeen: since, At: now, Executor: &e,
			CPU: snapshot.CPU{Cores: snapshot.ValueOf(used), ThrottledNanos: snapshot.CountOf(0)},
		})
		return &s.Containers[len(s.Containers)-1]
	}
	given := cpus(n.sc.Allocated)
	web := add("web", begin.Add(-time.Hour), n.used, snapshot.Executor{
		Class: snapshot.ClassRegular, Regular: given, Tasks: []snapshot.Task{{ID: "web", Regular: given}},
	})
	web.Pressure.CPUSome, web.Pressure.CPUSomeMicros = snapshot.ValueOf(n.pressure), snapshot.CountOf(n.stall)
	web.CPU.UsageNanos = snapshot.CountOf(n.cpu)
	for _, h := range n.hogs {
		one := cpus(1)
		add(h.id, h.since, h.used, snapshot.Executor{
			Class: snapshot.ClassRevocable, Revocable: one, Tasks: []snapshot.Task{{ID: h.id, Revocable: one}},
		})
	}
	slices.SortFunc(s.Containers, func(a, b snapshot.Container) int { return strings.Compare(a.ID, b.ID) })
	return s
}
