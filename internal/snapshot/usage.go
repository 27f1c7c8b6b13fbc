package snapshot

import (
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

// Usage is the agent's view of the node: one decoded mesos.ResourceUsage. It
// never changes once it is made.
type Usage struct {
	// At is when the daemon received it.
	At time.Time
	// Agent identifies the agent process that sent it.
	Agent string
	// Executors are the agent's executors that are not terminated, in the
	// order sent. Those being terminated are among them (slave.cpp, usage()).
	Executors []Executor
	// Total is what the agent has, without anything revocable.
	Total resources.Quantities
	// Dropped counts executors that could not be used: no ids, a negative or
	// infinite amount. They are logged by the receiver.
	Dropped int
	// DroppedRevocable is what the dropped executors hold as revocable: it is
	// held all the same, so Revocable counts it.
	DroppedRevocable resources.Quantities
}

// Revocable is the sum of what executors hold as revocable, the dropped ones
// included.
func (u *Usage) Revocable() resources.Quantities {
	sum := u.DroppedRevocable.Clone()
	for i := range u.Executors {
		sum.AddAll(u.Executors[i].Revocable)
	}
	return sum
}

// Regular is the sum of what executors hold as regular resources, the overhead
// of revocable ones included.
func (u *Usage) Regular() resources.Quantities {
	var sum resources.Quantities
	for i := range u.Executors {
		sum.AddAll(u.Executors[i].Regular)
	}
	return sum
}

// Class says what an executor's container is to estimatord.
type Class uint8

const (
	// ClassUnknown means that the agent does not list the container. It is counted as
	// fully used and never touched.
	ClassUnknown Class = iota
	// ClassRegular means that no resource of it is revocable. It is never touched.
	ClassRegular
	// ClassRevocable means that at least one resource is revocable and every task of it
	// runs on revocable ones, whatever regular overhead its executor has: the
	// agent adds 0.1 cpus and 32 MB of regular resources to every command
	// task. Only such a container may be throttled or killed.
	ClassRevocable
	// ClassShared means that it holds revocable resources, but also runs a task without
	// any. It is never touched, and its regular part counts as fully used.
	ClassShared
)

var classNames = [...]string{ClassUnknown: "unknown", ClassRegular: "regular", ClassRevocable: "revocable", ClassShared: "shared"}

// String is the stable word for c.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "invalid"
}

// Executor is one executor as the agent reports it, with its one container.
type Executor struct {
	ContainerID string
	FrameworkID string
	ExecutorID  string
	Name        string
	// Source is deprecated in Mesos; for a command task it is the task id.
	Source string
	// Role is the allocation role of its resources, "" when the agent sent none.
	Role   string
	Labels []Label
	// Regular and Revocable are what is allocated to it, executor overhead and
	// queued tasks included; scalars only.
	Regular, Revocable resources.Quantities
	// Class follows from Regular, Revocable and Tasks; see Classify.
	Class Class
	// Tasks are the launched tasks that have not ended.
	Tasks []Task
	// HasStatistics: the agent's containerizer answered for it.
	HasStatistics bool
}

// Task is one task of an executor.
type Task struct {
	ID, Name           string
	Regular, Revocable resources.Quantities
	Labels             []Label
}

// Label is one Mesos label.
type Label struct{ Key, Value string }

// Classify derives an executor's class from what it holds and runs.
//
// Upstream calls a container revocable when any of its resources is
// (docs/oversubscription.md), which is also true of an executor that runs a
// regular task beside a revocable one: validation looks at one task at a time
// (src/master/validation.cpp:1533). Such a one is ClassShared here, since a
// kill would take the regular task with it.
func (e *Executor) Classify() Class {
	if e.Revocable.IsZero() {
		return ClassRegular
	}
	for i := range e.Tasks {
		t := &e.Tasks[i]
		if t.Revocable.IsZero() && !t.Regular.IsZero() {
			return ClassShared
		}
	}
	return ClassRevocable
}
