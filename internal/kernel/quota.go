package kernel

import "github.com/estimatord/estimatord/internal/snapshot"

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

// Quota is how much CPU time a cgroup may use in each period, both in µs.
type Quota struct{ Micros, PeriodMicros uint64 }

// Cores is the quota in cores.
func (q Quota) Cores() float64 { return float64(q.Micros) / float64(q.PeriodMicros) }

// ParseCPUMax reads cpu.max (v2). Without a quota the reason is NoQuota, and
// the period is there.
func ParseCPUMax(file []byte) (Quota, snapshot.Absence) {
	line, why := oneLine(file)
	if why != snapshot.Present {
		return Quota{}, why
	}
	limit, rest, ok := cutField(line)
	period, okPeriod := wholeNumber(rest)
	if !ok || !okPeriod || period == 0 {
		return Quota{}, snapshot.Malformed
	}
	if string(limit) == "max" {
		return Quota{PeriodMicros: period}, snapshot.NoQuota
	}
	micros, ok := wholeNumber(limit)
	if !ok || micros == 0 {
		return Quota{}, snapshot.Malformed
	}
	return Quota{Micros: micros, PeriodMicros: period}, snapshot.Present
}

// ParseCFSQuota is what cpu.cfs_quota_us says (v1); absent with NoQuota where
// there is none.
func ParseCFSQuota(file []byte) snapshot.Count {
	if string(file) == "-1\n" {
		return snapshot.Count{Why: snapshot.NoQuota}
	}
	c := ParseNumber(file)
	if c.OK() && c.N == 0 {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return c
}

// QuotaFiles are those of a cgroup's quota; Period is nil on v2.
type QuotaFiles struct{ Limit, Period Path }

// Cores is the quota in cores, absent with NoQuota where there is none; read is
// the content of a file until it is called again.
func (f QuotaFiles) Cores(read func(Path) ([]byte, snapshot.Absence)) snapshot.Value {
	text, why := read(f.Limit)
	if why != snapshot.Present {
		return snapshot.Value{Why: why}
	}
	if f.Period == nil {
		q, why := ParseCPUMax(text)
		if why != snapshot.Present {
			return snapshot.Value{Why: why}
		}
		return snapshot.ValueOf(q.Cores())
	}
	micros := ParseCFSQuota(text)
	if !micros.OK() {
		return snapshot.Value{Why: micros.Why}
	}
	if text, why = read(f.Period); why != snapshot.Present {
		return snapshot.Value{Why: why}
	}
	period := ParseNumber(text)
	if period.OK() && period.N == 0 {
		period.Why = snapshot.Malformed
	}
	if !period.OK() {
		return snapshot.Value{Why: period.Why}
	}
	return snapshot.ValueOf(Quota{micros.N, period.N}.Cores())
}
