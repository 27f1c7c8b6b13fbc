package monitor

import (
	"cmp"
	"slices"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// row is one container of the next snapshot.
type row struct {
	id string
	// onDisk is nil for a container that only the agent knows.
	onDisk *cgroup.Container
	// executor is nil for a container that the agent does not list.
	executor  *snapshot.Executor
	firstSeen time.Time
}

// join matches containers on disk with the agent's executors. It is made anew
// only when either changed.
type join struct {
	made       bool
	generation uint64
	listed     bool
	usage      *snapshot.Usage
	list       []row

	executors map[string]*snapshot.Executor
	matched   map[string]bool
	// offDisk is when each container that only the agent knows was seen first.
	offDisk map[string]time.Time
}

func newJoin() join {
	return join{
		executors: make(map[string]*snapshot.Executor),
		matched:   make(map[string]bool),
		offDisk:   make(map[string]time.Time),
	}
}

// rows are the containers to read, sorted by id and inode, until the next call.
func (j *join) rows(now time.Time, tree *cgroup.Tree, usage *snapshot.Usage) []row {
	containers := tree.Containers()
	listed := containers != nil
	if j.made && j.generation == tree.Generation() && j.usage == usage && j.listed == listed {
		return j.list
	}
	j.made, j.generation, j.usage, j.listed = true, tree.Generation(), usage, listed
	j.index(usage)
	clear(j.matched)
	clear(j.list)
	j.list = j.list[:0]
	for _, c := range containers {
		r := row{id: c.ID, onDisk: c}
		// The agent's report is of top-level containers only.
		if c.Parent == "" {
			if r.executor = j.executors[c.ID]; r.executor != nil {
				j.matched[c.ID] = true
			}
		}
		j.list = append(j.list, r)
	}
	j.addOffDisk(now)
	slices.SortStableFunc(j.list, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.inode(), b.inode()))
	})
	return j.list
}

// addOffDisk adds the executors without a container on disk.
func (j *join) addOffDisk(now time.Time) {
	for id, e := range j.executors {
		if j.matched[id] {
			continue
		}
		if _, ok := j.offDisk[id]; !ok {
			j.offDisk[id] = now
		}
		j.list = append(j.list, row{id: id, executor: e, firstSeen: j.offDisk[id]})
	}
	for id := range j.offDisk {
		if j.executors[id] == nil || j.matched[id] {
			delete(j.offDisk, id)
		}
	}
}

// index lists the agent's executors by container. If two claim the same one,
// which a sound agent never says, the one that is not revocable has it: what
// is in doubt is not touched.
func (j *join) index(usage *snapshot.Usage) {
	clear(j.executors)
	if usage == nil {
		return
	}
	for i := range usage.Executors {
		e := &usage.Executors[i]
		if known := j.executors[e.ContainerID]; known != nil && known.Class != snapshot.ClassRevocable {
			continue
		}
		j.executors[e.ContainerID] = e
	}
}

func (r *row) inode() uint64 {
	if r.onDisk == nil {
		return 0
	}
	return r.onDisk.Inode
}
