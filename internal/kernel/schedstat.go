package kernel

import (
	"bytes"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// /proc/<pid>/task/<tid>/schedstat: the time spent on a CPU and the time spent
// waiting on a run queue, both in ns, and the number of timeslices run. With
// the id of a thread as pid, /proc/<tid>/schedstat is that thread's too.
//
//	69283 56004 2
//
// https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
//
// It is there with CONFIG_SCHED_INFO, and all zero ("0 0 0") where sched_info is
// compiled in but off.

// ParseRunDelay is the second number.
func ParseRunDelay(file []byte) snapshot.Count {
	line, why := oneLine(file)
	if why != snapshot.Present {
		return snapshot.Count{Why: why}
	}
	run, rest, ok := cutField(line)
	delay, slices, ok2 := cutField(rest)
	if !ok || !ok2 || bytes.IndexByte(slices, ' ') >= 0 {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	_, okRun := wholeNumber(run)
	n, okDelay := wholeNumber(delay)
	_, okSlices := wholeNumber(slices)
	if !okRun || !okDelay || !okSlices {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	return snapshot.CountOf(n)
}

// ParseState is the state in /proc/<tid>/stat, 0 when it is not there: R for a
// thread that runs or waits for a CPU.
//
//	4242 (a name) S 1 4242 ...
//
// https://docs.kernel.org/filesystems/proc.html (1.1)
func ParseState(file []byte) byte {
	// A name may hold anything, a parenthesis and a space too.
	i := bytes.LastIndexByte(file, ')')
	if i < 0 || len(file) < i+3 || file[i+1] != ' ' {
		return 0
	}
	return file[i+2]
}

// ParseTasks appends the thread ids in a cgroup's list of them, one a line, and
// says whether they are all there: the file may be longer than what was read.
// What it appended before it found a fault is of no use.
//
// https://docs.kernel.org/admin-guide/cgroup-v1/cgroups.html (tasks),
// https://docs.kernel.org/admin-guide/cgroup-v2.html (cgroup.threads)
func ParseTasks(file []byte, tids []int32) ([]int32, snapshot.Absence) {
	for len(file) > 0 {
		n, rest, why := cutNumber(file)
		switch {
		case why != snapshot.Present:
			return tids, why
		case len(rest) == 0:
			return tids, snapshot.Truncated
		case rest[0] != '\n' || n > MaxTID:
			return tids, snapshot.Malformed
		case n == 0: // of a PID namespace that is not below ours
			return tids, snapshot.Hidden
		}
		tids = append(tids, int32(n)) //nolint:gosec // at most MaxTID
		file = rest[1:]
	}
	return tids, snapshot.Present
}

// MaxTID is PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h).
const MaxTID = 4 << 20
