// Package throttle carries out on cgroups what a Decision wants of revocable
// containers: it throttles, freezes, lets the dying run, and undoes all that.
//
// What is written, and nothing else (docs/internals/throttling.md):
//
//	v1  <cpu>/<root>/<id>/cpu.shares          low weight; high while it dies
//	    <cpu>/<root>/<id>/cpu.cfs_quota_us    quota, where the agent sets none
//	    <freezer>/<root>/<id>/freezer.state   freeze
//	v2  <root>/<id>/cpu.weight                low weight; high while it dies
//	    <root>/<id>/leaf/cpu.max              quota
//	    <root>/<id>/leaf/memory.high          memory
//	    <root>/<id>/cgroup.freeze             freeze
//
// Invariants:
//   - A container can only be named by a qos.Victim, which is only made from
//     revocable ones, and is only written to while its cgroup has the inode of
//     the Victim's key.
//   - Files of the agent (weight, v1 quota) are borrowed: what is restored is
//     the agent's last value, and a quota that the agent set is never changed.
//   - Nothing is written that the journal on disk does not name, but for the
//     weight of a container that dies.
//   - No directory is made or removed, no process moved, cpu.idle and
//     memory.max never written.
//   - Nothing here forks, sleeps, or waits for a disk.
package throttle
