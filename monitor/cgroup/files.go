package cgroup

import (
	"github.com/estimatord/estimatord/internal/kernel"
)

// kind is one file that is read of each container. The order is that in which
// descriptors are kept when they are scarce.
type kind uint8

const (
	kindCPU kind = iota
	kindMemUsage
	kindPSICPU
	kindThrottle // v1 only: v2 has it in kindCPU's file
	kindPSIMemory
	kindPSIIO
	kindMemStat
	kindPids
	numKinds
)

// essential kinds are read at each tick whatever it costs; pressure moves to
// the slow turn when its descriptors cannot be kept. The last two are always
// read there.
func (k kind) essential() bool { return k <= kindPSICPU }

// spec is where a kind of file is.
type spec struct {
	name       kernel.Path // "" (nil) when this mode has none
	controller int
}

// The files of cgroup v1. There is no pressure in it.
// https://docs.kernel.org/admin-guide/cgroup-v1/
var specsV1 = [numKinds]spec{
	kindCPU:      {kernel.NewPath("cpuacct.usage"), CPUAcct},
	kindMemUsage: {kernel.NewPath("memory.usage_in_bytes"), Memory},
	kindThrottle: {kernel.NewPath("cpu.stat"), CPU},
	kindPids:     {kernel.NewPath("pids.current"), Pids},
	kindMemStat:  {kernel.NewPath("memory.stat"), Memory},
}

// The files of cgroup v2, all of the container's own directory, not of the
// "leaf" below it where its processes are: limits and hierarchical counts are
// here. https://docs.kernel.org/admin-guide/cgroup-v2.html
var specsV2 = [numKinds]spec{
	kindCPU:       {kernel.NewPath("cpu.stat"), CPUAcct},
	kindMemUsage:  {kernel.NewPath("memory.current"), Memory},
	kindPSICPU:    {kernel.NewPath("cpu.pressure"), CPUAcct},
	kindPids:      {kernel.NewPath("pids.current"), Pids},
	kindPSIMemory: {kernel.NewPath("memory.pressure"), CPUAcct},
	kindPSIIO:     {kernel.NewPath("io.pressure"), CPUAcct},
	kindMemStat:   {kernel.NewPath("memory.stat"), Memory},
}

// Files that are read at the check turn only: the quota, on v1 in two files,
// which also tells whether cpu.stat is worth reading there.
var (
	quotaV1 = kernel.QuotaFiles{Limit: kernel.NewPath("cpu.cfs_quota_us"), Period: kernel.NewPath("cpu.cfs_period_us")}
	quotaV2 = kernel.QuotaFiles{Limit: kernel.NewPath("cpu.max")}
)

// The memory limit, which is read only when the usage jumps.
var (
	limitV1 = kernel.NewPath("memory.limit_in_bytes")
	limitV2 = kernel.NewPath("memory.max")
)
