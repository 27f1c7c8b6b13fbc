package monitor

import (
	"path/filepath"

	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/host"
)

// bounds says where limits on what the agent's containers can use are looked
// for: in the agent's root and the cgroups above it, whether it exists yet or
// not. On v1 an agent without the cpuset isolator leaves its containers in its
// own cpuset, which is taken to be ours.
func bounds(l cgroup.Layout, cfg Config) host.Bounds {
	b := host.Bounds{V2: l.Mode == cgroup.V2}
	if at := l.Mount("cpu"); at != "" {
		usage := cgroup.Above(l.Mount("cpuacct"), cfg.MesosRoot)
		for i, dir := range cgroup.Above(at, cfg.MesosRoot) {
			b.Quotas = append(b.Quotas, host.QuotaDir{CPU: dir, Usage: usage[i]})
		}
	}
	if at := l.Mount("memory"); at != "" {
		b.Memory = cgroup.Above(at, cfg.MesosRoot)
	}
	switch {
	case l.CPUSet == "":
	case b.V2:
		b.CPUSets = cgroup.Above(l.CPUSet, cfg.MesosRoot)
	default:
		b.CPUSets = []string{filepath.Join(l.CPUSet, cfg.MesosRoot)}
		if own := l.OwnCPUSet(cfg.ProcRoot); own != "" {
			b.CPUSets = append(b.CPUSets, own)
		}
		b.CPUSets = append(b.CPUSets, l.CPUSet)
	}
	return b
}
