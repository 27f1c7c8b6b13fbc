package throttle

import (
	"path/filepath"

	"github.com/estimatord/estimatord/monitor/cgroup"
)

// kind is one thing that is set of a container.
type kind uint8

const (
	weight kind = iota
	quota
	memoryHigh
	freeze
	numKinds
)

// kindNames are for the Report.
var kindNames = [numKinds]string{weight: "weight", quota: "quota", memoryHigh: "memory_high", freeze: "freeze"}

// leafName is the cgroup of a container's own processes on v2
// (src/slave/containerizer/mesos/paths.cpp:657).
const leafName = "leaf"

// nestedName is the cgroup of the containers nested in one (CGROUP_SEPARATOR
// in src/slave/containerizer/mesos/constants.hpp).
const nestedName = "mesos"

// spec is where a kind is set.
type spec struct {
	// root is the directory in which containers are; "": no such controller.
	root string
	// leaf: in the container's leaf, not in the container.
	leaf bool
	// file is the control file; "" where the kernel has none of the sort.
	file string
}

// path is the control file of a container.
func (s *spec) path(id string) string {
	if s.leaf {
		return filepath.Join(s.root, id, leafName, s.file)
	}
	return filepath.Join(s.root, id, s.file)
}

// specsOf is where each kind is set on this node, and the directory whose
// inodes identify containers: that of snapshot.Key.
func specsOf(l cgroup.Layout, mesosRoot string) (specs [numKinds]spec, root string) {
	below := func(mount string) string {
		if mount == "" {
			return ""
		}
		return filepath.Join(mount, mesosRoot)
	}
	if l.Mode == cgroup.V2 {
		// A leaf's weight only competes with that of the nested containers
		// beside it; what other containers feel is the weight of <id>.
		root = below(l.Root)
		return [numKinds]spec{
			weight:     {root: root, file: "cpu.weight"},
			quota:      {root: root, file: "cpu.max", leaf: true},
			memoryHigh: {root: root, file: "memory.high", leaf: true},
			freeze:     {root: root, file: "cgroup.freeze"},
		}, root
	}
	root = below(l.Mounts[cgroup.CPUAcct])
	if root == "" {
		root = below(l.Mounts[cgroup.Memory])
	}
	return [numKinds]spec{
		weight:     {root: below(l.Mounts[cgroup.CPU]), file: "cpu.shares"},
		quota:      {root: below(l.Mounts[cgroup.CPU]), file: "cpu.cfs_quota_us"},
		memoryHigh: {root: below(l.Mounts[cgroup.Memory])},
		freeze:     {root: below(l.Freezer), file: "freezer.state"},
	}, root
}
