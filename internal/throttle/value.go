package throttle

import (
	"math"
	"os"
	"strconv"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Formats:
//
//	cpu.shares        1024          v1, 2 to 262144
//	cpu.weight        100           v2, 1 to 10000
//	cpu.cfs_quota_us  -1            v1, µs per cpu.cfs_period_us, -1: none
//	cpu.max           max 100000    v2, quota or "max", and period, in µs
//	memory.high       max           v2, bytes or "max"
//	freezer.state     THAWED        v1, FREEZING, FROZEN
//	cgroup.freeze     0             v2, 1: frozen or about to be
//
// https://docs.kernel.org/scheduler/sched-bwc.html,
// https://docs.kernel.org/admin-guide/cgroup-v2.html,
// https://docs.kernel.org/admin-guide/cgroup-v1/freezer-subsystem.html

// Weights. The kernel's least share (MIN_SHARES, kernel/sched/sched.h) and
// weight (CGROUP_WEIGHT_MIN); what a dying container gets is 10 times the
// kernel's default on v1 and the most there is on v2, with which 100 spinning
// processes were gone in 13 ms.
const (
	leastShares, dyingShares = 2, 10240
	leastWeight, dyingWeight = 1, 10000
)

// leastQuota is the kernel's least quota (min_cfs_quota_period, kernel/sched/
// core.c), in µs.
const leastQuota = 1000

// agentQuotaStep: an agent's quota is cores in steps of 0.001 times its period
// of 100 ms (src/slave/containerizer/mesos/isolators/cgroups/subsystems/
// cpu.cpp:105), so a multiple of 100 µs. Ours never is: it can be told apart.
const agentQuotaStep = 100

// mostCores is beyond any machine; above it there is no limit.
const mostCores = 1 << 20

// quotaMicros is the quota for cores, never more and never one that an agent
// would set; ok is false where there is nothing to limit.
func quotaMicros(cores float64, period uint64) (micros uint64, ok bool) {
	if !(cores > 0) || cores >= mostCores || period == 0 {
		return 0, false
	}
	micros = uint64(cores * float64(period))
	return max(micros-micros%agentQuotaStep, leastQuota+2) - 1, true
}

// isOurQuota reports whether quotaMicros may have made it.
func isOurQuota(micros uint64) bool { return micros > leastQuota && micros%agentQuotaStep != 0 }

// parseCPUMax is cpu.max of v2; without a quota Micros is math.MaxUint64.
func parseCPUMax(text string) (q kernel.Quota, ok bool) {
	q, why := kernel.ParseCPUMax([]byte(text + "\n"))
	if why == snapshot.NoQuota {
		q.Micros, why = math.MaxUint64, snapshot.Present
	}
	return q, why == snapshot.Present
}

// parseBytes is memory.high; math.MaxUint64 for "max".
func parseBytes(text string) (uint64, bool) {
	if text == "max" {
		return math.MaxUint64, true
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

// wholePages is n as the kernel keeps it: memory.high is counted in pages, and
// reads back so.
func wholePages(n uint64) uint64 {
	page := uint64(os.Getpagesize())
	return max(n-n%page, page)
}

// canonical is text as it compares: a v1 cgroup that is freezing is frozen, only
// not all of it yet. ok is false for what the kernel does not write.
func canonical(file, text string) (value string, freezing, ok bool) {
	switch file {
	case "freezer.state":
		switch text {
		case "FREEZING":
			return "FROZEN", true, true
		case "FROZEN", "THAWED":
			return text, false, true
		}
		return "", false, false
	case "cgroup.freeze":
		return text, false, text == "0" || text == "1"
	case "cpu.max":
		_, ok = parseCPUMax(text)
	case "memory.high":
		_, ok = parseBytes(text)
	case "cpu.cfs_quota_us":
		n, err := strconv.ParseInt(text, 10, 64)
		ok = err == nil && n >= -1
	default: // weights
		n, err := strconv.ParseUint(text, 10, 32)
		ok = err == nil && n > 0
	}
	return text, false, ok
}

// mayHaveWritten reports whether this package may have written value where the
// agent had base; both are canonical. It never may where undoing it would take
// something from the container, the boost of a dying one apart.
func mayHaveWritten(file, base, value string) bool {
	switch file {
	case "freezer.state":
		return base == "THAWED" && value == "FROZEN"
	case "cgroup.freeze":
		return base == "0" && value == "1"
	case "cpu.cfs_quota_us":
		micros, err := strconv.ParseUint(value, 10, 64)
		return base == "-1" && err == nil && isOurQuota(micros)
	case "cpu.max":
		was, _ := parseCPUMax(base)
		is, _ := parseCPUMax(value)
		return isOurQuota(is.Micros) && is.Cores() < was.Cores()
	case "memory.high":
		was, _ := parseBytes(base)
		is, _ := parseBytes(value)
		return is <= was
	case "cpu.shares", "cpu.weight":
		least, dying := weightsOf(file)
		was, _ := strconv.ParseUint(base, 10, 64)
		is, _ := strconv.ParseUint(value, 10, 64)
		return is == least && least < was || is == dying && was < dying
	}
	return false
}

// weightsOf are the low weight and that of a dying container.
func weightsOf(file string) (least, dying uint64) {
	if file == "cpu.weight" {
		return leastWeight, dyingWeight
	}
	return leastShares, dyingShares
}
