package cgroup

import (
	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Where the ids of a container's threads are. On v2 its processes are in the
// leaf.
var (
	tasksV1 = kernel.NewPath("tasks")
	tasksV2 = kernel.NewPath("leaf/cgroup.threads")
)

// Threads appends the ids of the threads of c and of the containers nested in
// it. Cgroups that its own tasks made are not among them. Unless the answer is
// Present, not all are there.
func (t *Tree) Threads(c *Container, tids []int32) ([]int32, snapshot.Absence) {
	s := spec{tasksV1, CPUAcct}
	if t.cfg.Layout.Mode == V2 {
		s.name = tasksV2
	}
	text, why := t.readOnce(c, s)
	switch why {
	case snapshot.Present:
		tids, why = kernel.ParseTasks(text, tids)
	case snapshot.Truncated:
		if len(text) == 0 {
			why = snapshot.Present // it names nobody
		}
	}
	for _, child := range c.nested {
		if why != snapshot.Present {
			break
		}
		tids, why = t.Threads(child, tids)
	}
	return tids, why
}

// Throttled is for how long the quotas of c and of the containers nested in it
// held their tasks back up to now, in ns, added up; NoQuota when none has one.
func (t *Tree) Throttled(c *Container) snapshot.Count {
	sum := t.throttledOf(c)
	for _, child := range c.nested {
		n := t.Throttled(child)
		switch {
		case n.Why == snapshot.NoQuota:
		case sum.Why == snapshot.NoQuota || sum.OK() && !n.OK():
			sum = n
		case sum.OK():
			sum.N += n.N
		}
	}
	return sum
}

func (t *Tree) throttledOf(c *Container) snapshot.Count {
	if why := c.slow.quotaCores.Why; why == snapshot.NoQuota || why == snapshot.NoFile {
		return snapshot.Count{Why: snapshot.NoQuota}
	}
	kind := kindThrottle
	if t.cfg.Layout.Mode == V2 {
		kind = kindCPU
	}
	text, why := t.read(c, kind)
	if why != snapshot.Present {
		return snapshot.Count{Why: why}
	}
	if t.cfg.Layout.Mode == V2 {
		return kernel.MicrosToNanos(kernel.Keyed(text, keyThrottledMicros))
	}
	return kernel.Keyed(text, keyThrottledNanos)
}
