// Package tree makes and removes the cgroups of the embedded agent: the same
// layout as a Mesos agent's, under a root of its own, with real processes in
// it.
//
//	v1: <hierarchy>/<root>/<container id>          in cpu, cpuacct, memory, freezer, pids
//	v2: <base>/<root>/<container id>               limits
//	    <base>/<root>/<container id>/leaf          processes
//
// Layout: Mesos src/slave/containerizer/mesos/paths.cpp:48, :657.
//
// Invariants:
//   - Nothing outside a root of the package's own name pattern is written, but
//     for a cgroup2 subtree that was delegated to this process: there its
//     processes move to a child, since a cgroup with processes cannot hand out
//     controllers (Documentation/admin-guide/cgroup-v2.rst, "No Internal
//     Process Constraint").
//   - A root's name holds the pid and start time of its process, and its
//     directories are locked as long as that lives. What a process left behind
//     that was killed is found by that and removed by the next one.
//   - Only processes inside a root are ever signalled.
package tree
