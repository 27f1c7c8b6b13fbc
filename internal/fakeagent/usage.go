package fakeagent

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/estimatord/estimatord/internal/agentresources"
	"github.com/estimatord/estimatord/internal/resources"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// usage is the report that the agent sends with every call, as Slave::usage
// builds it (slave.cpp:9629-9694). It carries no statistics, as when no
// isolator has answered yet: the daemon reads the kernel itself.
func (a *Agent) usage() *wire.ResourceUsage {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := &wire.ResourceUsage{Total: append(scalars(a.cfg.total("")), ports())}
	for _, role := range slices.Sorted(maps.Keys(a.cfg.Reserved)) {
		u.Total = append(u.Total, reserved(role, scalars(a.cfg.total(role)))...)
	}
	for _, e := range a.executors {
		u.Executors = append(u.Executors, a.describe(e))
	}
	return u
}

func (a *Agent) describe(e *executor) *wire.ResourceUsage_Executor {
	id := e.task.ID
	task := &wire.ResourceUsage_Executor_Task{Name: proto.String(id), Id: &wire.TaskID{Value: proto.String(id)}}
	task.Resources = append(reserved(e.task.Role, allocated(e.task.Regular, nil)), allocated(nil, e.task.Revocable)...)
	x := &wire.ResourceUsage_Executor{
		ExecutorInfo: &wire.ExecutorInfo{
			ExecutorId:  &wire.ExecutorID{Value: proto.String(id)},
			FrameworkId: &wire.FrameworkID{Value: proto.String(a.frameworkID)},
			Resources:   allocated(overhead, nil),
			Name:        proto.String(e.name),
			Source:      proto.String(id),
		},
		Allocated:   allocated(e.regular(), e.task.Revocable),
		ContainerId: &wire.ContainerID{Value: proto.String(e.containerID)},
	}
	if e.task.Role != "" { // the overhead is unreserved all the same
		x.Allocated = append(allocated(overhead, nil), task.Resources...)
	}
	if e.state != registering {
		x.Tasks = append(x.Tasks, task) // queued ones count as allocated, but are not listed
	}
	return x
}

// allocated are resources in the agent's format after reservation refinement:
// no role of their own, allocated to the role "*".
func allocated(regular, revocable resources.Quantities) []*wire.Resource {
	out := scalars(regular)
	for _, r := range scalars(revocable) {
		r.Revocable = &wire.Resource_RevocableInfo{}
		out = append(out, r)
	}
	for _, r := range out {
		r.AllocationInfo = &wire.Resource_AllocationInfo{Role: proto.String("*")}
	}
	return out
}

// total is what the agent has that is reserved to the role, or to none with "".
func (c *Config) total(role string) resources.Quantities {
	if role != "" {
		return c.Reserved[role]
	}
	rest := c.Total
	for _, q := range c.Reserved {
		rest = rest.Minus(q)
	}
	return rest
}

// reserved are those resources as they are reserved to the role, "" for none.
func reserved(role string, rs []*wire.Resource) []*wire.Resource {
	if role == "" {
		return rs
	}
	for _, r := range rs {
		r.Reservations = []*wire.Resource_ReservationInfo{{Role: proto.String(role)}}
	}
	return rs
}

// ports is the range that every agent adds (src/slave/constants.hpp:112).
func ports() *wire.Resource {
	return &wire.Resource{
		Name: proto.String("ports"), Type: wire.Value_RANGES.Enum(),
		Ranges: &wire.Value_Ranges{Range: []*wire.Value_Range{{Begin: proto.Uint64(31000), End: proto.Uint64(32000)}}},
	}
}

func scalars(q resources.Quantities) []*wire.Resource {
	out := make([]*wire.Resource, 0, len(q))
	for _, e := range q {
		if e.Amount <= 0 {
			continue
		}
		out = append(out, &wire.Resource{
			Name: proto.String(e.Name), Type: wire.Value_SCALAR.Enum(),
			Scalar: &wire.Value_Scalar{Value: proto.Float64(e.Amount.Float())},
		})
	}
	return out
}

// DetectTotal is what a Mesos agent finds on this host when it is told nothing,
// as far as it counts here.
func DetectTotal() (resources.Quantities, error) {
	all, err := agentresources.Of(agentresources.Flags{DefaultRole: "*"}, agentresources.ThisHost())
	if err != nil {
		return nil, fmt.Errorf("detect what the host has: %w", err)
	}
	var total resources.Quantities
	for _, v := range all {
		if v.Name == resources.CPUs || v.Name == resources.Mem {
			total.Set(v.Name, v.Amount)
		}
	}
	return total, nil
}
