package snapshot

import (
	"time"

	"github.com/estimatord/estimatord/internal/enum"
	"github.com/estimatord/estimatord/internal/resources"
)

// Usage is the agent's view of the node: one decoded mesos.ResourceUsage. It
// never changes once it is made.
type Usage struct {
	// At is when the daemon received it.
	At time.Time `json:"at"`
	// Agent identifies the agent process that sent it.
	Agent string `json:"agent"`
	// Executors are the agent's executors that are not terminated, in the
	// order sent. Those being terminated are among them (slave.cpp, usage()).
	Executors []Executor `json:"executors"`
	// Total is what the agent has, without anything revocable.
	Total resources.Quantities `json:"total,omitempty"`
	// Reservations are the parts of Total by whom they are reserved to, and what is
	// allocated from each, sorted by role.
	Reservations []Reservation `json:"reservations,omitempty"`
	// Dropped counts executors that could not be used: no ids, a negative or
	// infinite amount. They are logged by the receiver.
	Dropped int `json:"dropped,omitzero"`
	// DroppedRevocable is what is allocated to the dropped executors as
	// revocable. Revocable counts it.
	DroppedRevocable resources.Quantities `json:"dropped_revocable,omitempty"`
}

// Unreserved is the Role of what is reserved to nobody.
const Unreserved = "*"

// Reservation is what is reserved to one role. A refined reservation is that of
// the role it was refined for (Resource.reservations, the last one).
type Reservation struct {
	// Role is Unreserved for the rest.
	Role string `json:"role"`
	// Reserved is the role's part of Total, disks of their own included.
	Reserved resources.Quantities `json:"reserved,omitempty"`
	// Allocated is what of it is allocated to executors as regular; a shared volume
	// counts once. Of what is unreserved it can be more than there is: nobody
	// accounts for the 0.1 cpus and 32 MB that the agent adds to a command task
	// (src/slave/slave.cpp, getExecutorInfo).
	Allocated resources.Quantities `json:"allocated,omitempty"`
	// Disks is what of Reserved are persistent volumes and disks of their own that
	// no executor has. A volume holds its role's data.
	Disks resources.Quantities `json:"disks,omitempty"`
}

// Free is how much of the resource is reserved and not allocated, disks of their
// own left out; below zero where more is allocated than there is.
func (r *Reservation) Free(resource string) resources.Milli {
	return r.Reserved.Get(resource).Plus(-r.Allocated.Get(resource)).Plus(-r.Disks.Get(resource))
}

// Revocable is the sum of what is allocated to executors as revocable, the
// dropped ones included.
func (u *Usage) Revocable() resources.Quantities {
	sum := u.DroppedRevocable.Clone()
	for i := range u.Executors {
		sum.AddAll(u.Executors[i].Revocable)
	}
	return sum
}

// Regular is the sum of what is allocated to executors as regular resources,
// the overhead of revocable ones included.
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
	// ClassRevocable means that at least one resource is revocable and every task of it,
	// queued ones included, runs on revocable ones, whatever regular overhead its
	// executor has: the agent adds 0.1 cpus and 32 MB of regular resources to every
	// command task. Only such a container may be throttled or killed.
	ClassRevocable
	// ClassShared means that revocable resources are allocated to it, but it also
	// runs, or may be about to run, a task without any. It is never touched, and its
	// regular part counts as fully used.
	ClassShared
)

var classWords = enum.Words{"unknown", "regular", "revocable", "shared"}

// String is the word for c, as in logs and metric labels.
func (c Class) String() string { return classWords.String(uint8(c)) }

// MarshalText is the word for c.
func (c Class) MarshalText() ([]byte, error) { return classWords.Marshal(uint8(c)) }

// UnmarshalText reads the word for c.
func (c *Class) UnmarshalText(text []byte) error { return enum.Unmarshal(classWords, text, c) }

// Executor is one executor as the agent reports it, with its one container.
type Executor struct {
	ContainerID string `json:"container_id"`
	FrameworkID string `json:"framework_id"`
	// FrameworkName is what the framework calls itself, "" where the agent's own API
	// is not asked: its report has ids only.
	FrameworkName string `json:"framework_name,omitzero"`
	ExecutorID    string `json:"executor_id"`
	Name          string `json:"name,omitzero"`
	// Source is deprecated in Mesos; for a command task it is the task id.
	Source string `json:"source,omitzero"`
	// Role is the allocation role of its resources, "" when the agent sent none.
	Role   string  `json:"role,omitzero"`
	Labels []Label `json:"labels,omitempty"`
	// Regular and Revocable are what is allocated to it, executor overhead and
	// queued tasks included; scalars only.
	Regular   resources.Quantities `json:"regular,omitempty"`
	Revocable resources.Quantities `json:"revocable,omitempty"`
	// Own is what of Regular the executor itself takes, its tasks apart
	// (ExecutorInfo.resources).
	Own resources.Quantities `json:"own,omitempty"`
	// Class follows from the amounts and Tasks; see Classify.
	Class Class `json:"class"`
	// Tasks are the launched tasks that have not ended.
	Tasks []Task `json:"tasks,omitempty"`
	// HasStatistics: the agent's containerizer answered for it.
	HasStatistics bool `json:"has_statistics,omitzero"`
}

// InFramework reports whether that is the id or the name of e's framework.
func (e *Executor) InFramework(word string) bool {
	return word == e.FrameworkID || word == e.FrameworkName && word != ""
}

// Task is one task of an executor.
type Task struct {
	ID        string               `json:"id"`
	Name      string               `json:"name,omitzero"`
	Regular   resources.Quantities `json:"regular,omitempty"`
	Revocable resources.Quantities `json:"revocable,omitempty"`
	Labels    []Label              `json:"labels,omitempty"`
}

// Label is one Mesos label.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value,omitzero"`
}

// Classify derives an executor's class from what is allocated to it and what it
// runs.
//
// Upstream calls a container revocable when any of its resources is
// (docs/oversubscription.md), which is also true of an executor that runs a
// regular task beside a revocable one: validation looks at one task at a time
// (src/master/validation.cpp:1533). Such a one is ClassShared here, since a
// kill would take the regular task with it.
//
// The agent lists launched tasks only, but what is allocated holds queued ones,
// too (src/slave/slave.cpp:11372): those of an executor that has not registered
// yet, for one. Regular resources that neither the executor nor a listed task
// accounts for may be a regular task's. A revocable task with regular memory
// looks the same until it is launched, and is left alone for as long.
func (e *Executor) Classify() Class {
	if e.Revocable.IsZero() {
		return ClassRegular
	}
	for i := range e.Tasks {
		if e.Tasks[i].Revocable.IsZero() {
			return ClassShared
		}
	}
	for _, r := range e.Regular {
		left := r.Amount.Plus(-e.Own.Get(r.Name))
		for i := range e.Tasks {
			left = left.Plus(-e.Tasks[i].Regular.Get(r.Name))
		}
		if left > 0 {
			return ClassShared
		}
	}
	return ClassRevocable
}
