package host

import (
	"bytes"

	"github.com/estimatord/estimatord/monitor/internal/kernel"
	"github.com/estimatord/estimatord/snapshot"
)

// The quota of a cgroup on v2, cpu.max, in µs per period of µs:
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

// quota is a limit in processors; absent with NoQuota where there is none.
func quota(micros, period uint64) snapshot.Value {
	if micros == 0 || period == 0 {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return snapshot.ValueOf(float64(micros) / float64(period))
}

func parseCPUMax(file []byte) snapshot.Value {
	line, ok := bytes.CutSuffix(file, []byte("\n"))
	if !ok {
		return snapshot.Value{Why: snapshot.Truncated}
	}
	limit, period, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	p, ok := decimal(period)
	if !ok {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	if string(limit) == "max" {
		return snapshot.Value{Why: snapshot.NoQuota}
	}
	n, ok := decimal(limit)
	if !ok {
		return snapshot.Value{Why: snapshot.Malformed}
	}
	return quota(n, p)
}

// parseQuotaV1 is what cpu.cfs_quota_us says, in µs; absent with NoQuota where
// there is none.
func parseQuotaV1(file []byte) snapshot.Count {
	if string(file) == "-1\n" {
		return snapshot.Count{Why: snapshot.NoQuota}
	}
	return kernel.ParseNumber(file)
}
