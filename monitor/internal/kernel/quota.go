package kernel

import (
	"github.com/estimatord/estimatord/internal/snapshot"
)

// The CPU quota of a cgroup on v2, cpu.max, in µs per period of µs:
//
//	200000 100000
//	max 100000
//
// on v1 in two files, cpu.cfs_quota_us and cpu.cfs_period_us:
//
//	-1
//	100000
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
// https://docs.kernel.org/scheduler/sched-bwc.html

// ParseCPUMax is the quota in cores; absent with NoQuota where there is none.
func ParseCPUMax(file []byte) snapshot.Value {
	line, why := oneLine(file)
	if why != snapshot.Present {
		return snapshot.Value{Why: why}
	}
	limit, period, ok := cutField(line)
	if !ok {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	p, ok := wholeNumber(period)
	if !ok {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	if string(limit) == "max" {
		return snapshot.Value{Why: snapshot.NoQuota}
	}
	n, ok := wholeNumber(limit)
	if !ok {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return QuotaCores(n, p)
}

// ParseQuotaMicros is what cpu.cfs_quota_us says; absent with NoQuota where
// there is none.
func ParseQuotaMicros(file []byte) snapshot.Count {
	if string(file) == "-1\n" {
		return snapshot.Count{Why: snapshot.NoQuota}
	}
	return ParseNumber(file)
}

// QuotaCores is a quota of so many µs in each period, in cores. The kernel
// allows neither to be zero.
func QuotaCores(micros, period uint64) snapshot.Value {
	if micros == 0 || period == 0 {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return snapshot.ValueOf(float64(micros) / float64(period))
}
