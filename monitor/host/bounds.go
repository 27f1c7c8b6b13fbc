package host

import (
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// What the agent's containers can use is what all of these leave:
//
//	min(online processors, those in the cpuset, quota of each cgroup above)
//
// The cgroups above are those from the agent's root up to the mount point. In a
// container with a cgroup namespace, or with its own cgroup mounted as the
// root, the mount point is the container's own cgroup, so that a limit from
// outside is seen. Limits on this daemon's cgroup do not matter as long as the
// agent's root is elsewhere: a unit's CPUQuota= is about the daemon alone.
//
// The busy time has to be about the same part of the machine, or what runs
// elsewhere on it would look like a use of what is ours: with a cpuset it is
// that of its processors (whoever uses them), and under a quota the CPU time
// of the cgroup that has the quota (others do not draw on it). What the quota
// promises may still not be there when the rest of the machine is busy; that
// shows as pressure.

// boundTicks is how often the bounds are derived anew. They change when an
// operator or the orchestrator above says so.
const boundTicks = 30

// Bounds says where limits on the containers are looked for.
type Bounds struct {
	// V2: the directories are of cgroup v2.
	V2 bool
	// Quotas are the cgroups above the containers.
	Quotas []QuotaDir
	// CPUSets are directories of the cpuset controller. The first of them that
	// names processors counts: on v2 a cgroup without the controller uses what
	// its parent may.
	CPUSets []string
	// Memory are the directories of the memory controller of the cgroups above
	// the containers, those with a limit among them.
	Memory []string
}

// QuotaDir is one cgroup that may have a quota.
type QuotaDir struct {
	// CPU is its directory of the cpu controller, Usage that of cpuacct: the
	// same on v2.
	CPU, Usage string
}

// bounds is what was found.
type bounds struct {
	v2     bool
	quotas []quotaFiles
	sets   []kernel.Path
	next   uint64 // the tick of the next derivation

	// quota is the tightest one, absent with NoQuota when there is none;
	// quotaAt is its index in quotas.
	quota   snapshot.Value
	quotaAt int
	// set is the cpuset; setWhy is NoFile when there is none.
	set    cpuSet
	setAt  int
	setWhy snapshot.Absence

	memory []memoryLimit
}

type quotaFiles struct {
	dir   string
	quota kernel.QuotaFiles
	usage kernel.Path
}

// Bound has r look for limits in b, at once and then every so many ticks.
func (r *Reader) Bound(b Bounds) {
	r.bounds = bounds{v2: b.V2, setWhy: snapshot.NoFile, quota: snapshot.Value{Why: snapshot.NoQuota}}
	usage, set := "cpuacct.usage", "cpuset.effective_cpus"
	if b.V2 {
		usage, set = "cpu.stat", "cpuset.cpus.effective"
	}
	for _, d := range b.Quotas {
		path := func(name string) kernel.Path { return kernel.NewPath(filepath.Join(d.CPU, name)) }
		files := quotaFiles{
			dir:   d.CPU,
			quota: kernel.QuotaFiles{Limit: path("cpu.cfs_quota_us"), Period: path("cpu.cfs_period_us")},
			usage: kernel.NewPath(filepath.Join(d.Usage, usage)),
		}
		if b.V2 {
			files.quota = kernel.QuotaFiles{Limit: path("cpu.max")}
		}
		r.bounds.quotas = append(r.bounds.quotas, files)
	}
	for _, dir := range b.CPUSets {
		r.bounds.sets = append(r.bounds.sets, kernel.NewPath(filepath.Join(dir, set)))
	}
	r.bounds.memory = newMemoryLimits(b)
	r.deriveBounds()
	if text, why := kernel.ReadOnce(unix.AT_FDCWD, r.paths[kindMeminfo], r.buf); why == snapshot.Present {
		r.memTotal = parseMeminfo(text).totalBytes.N
	}
	if text, why := kernel.ReadOnce(unix.AT_FDCWD, r.paths[kindStat], r.buf); why == snapshot.Present {
		s := parseStat(text, r.cpuset())
		r.online, r.inSet = s.cpus.N, s.setCPUs
	}
}

// Bounds are the limits that were found, each in a few words. A cpuset of all
// processors is none.
func (r *Reader) Bounds() []string {
	var found []string
	b := &r.bounds
	switch {
	case b.quota.OK():
		found = append(found, fmt.Sprintf("a quota of %.2f CPUs in %s", b.quota.V, b.quotas[b.quotaAt].dir))
	case b.quota.Why != snapshot.NoQuota:
		found = append(found, fmt.Sprintf("a quota that could not be read (%s) in %s", b.quota.Why, b.quotas[b.quotaAt].dir))
	}
	switch {
	case b.setWhy == snapshot.Present && r.inSet >= r.online:
	case b.setWhy == snapshot.Present:
		found = append(found, fmt.Sprintf("a cpuset of %d CPUs in %s", r.inSet, filepath.Dir(b.sets[b.setAt].String())))
	case b.setWhy != snapshot.NoFile:
		found = append(found, fmt.Sprintf("a cpuset that could not be read (%s) in %s", b.setWhy, filepath.Dir(b.sets[b.setAt].String())))
	}
	return append(found, r.memoryBounds()...)
}

// deriveBounds reads the limits anew.
func (r *Reader) deriveBounds() {
	b := &r.bounds
	b.next = r.tick + boundTicks
	r.deriveMemory()
	b.quota, b.quotaAt = snapshot.Value{Why: snapshot.NoQuota}, 0
	for i := range b.quotas {
		q := r.readQuota(&b.quotas[i])
		if q.Why == snapshot.NoQuota {
			continue
		}
		if !q.OK() || !b.quota.OK() || q.V < b.quota.V {
			b.quota, b.quotaAt = q, i
		}
		if !q.OK() {
			break // what this one leaves is not known, so neither is the least
		}
	}
	b.setWhy = snapshot.NoFile
	for i, path := range b.sets {
		text, why := kernel.ReadOnce(unix.AT_FDCWD, path, r.buf)
		if why == snapshot.Present {
			why = b.set.parse(text)
		}
		if gone(why) || why == snapshot.Present && b.set.n == 0 {
			// None of its own, or (v1) made and not filled in: no task is in it.
			continue
		}
		b.setWhy, b.setAt = why, i
		break
	}
}

// readQuota is the quota of one cgroup.
func (r *Reader) readQuota(f *quotaFiles) snapshot.Value {
	none := false
	q := f.quota.Cores(func(path kernel.Path) ([]byte, snapshot.Absence) {
		text, why := kernel.ReadOnce(unix.AT_FDCWD, path, r.buf)
		none = none || &path[0] == &f.quota.Limit[0] && gone(why)
		return text, why
	})
	if none {
		return snapshot.Value{Why: snapshot.NoQuota}
	}
	return q
}

// gone reports that there is no such cgroup, or no such file in it: the root
// of a hierarchy has no quota on v2, and no cgroup has one without the
// controller.
func gone(why snapshot.Absence) bool { return why == snapshot.NoFile || why == snapshot.Vanished }

// domain identifies what a busy time was summed up over, so that no difference
// is taken between two of different parts.
type domain struct {
	from snapshot.CapacityFrom
	of   uint64 // the processors, or the index of the quota
}

// capacity is what can be used and how busy that was, from s as read at time
// at.
func (r *Reader) capacity(s stat, at time.Duration, h *snapshot.Host) {
	h.CPUs = s.cpus
	r.online, r.inSet = s.cpus.N, s.setCPUs
	b := &r.bounds
	cut := float64(s.cpus.N)
	busy, of := s.busyNanos, domain{from: snapshot.CapacityOnline}
	h.UsableCPUs, h.CapacityFrom = snapshot.Value{V: cut, Why: s.cpus.Why}, snapshot.CapacityOnline
	if !s.cpus.OK() {
		h.CapacityFrom = snapshot.CapacityUnknown
	}
	if h.UsableCPUs.OK() && b.setWhy == snapshot.Present && s.setCPUs < s.cpus.N {
		h.UsableCPUs, h.CapacityFrom = snapshot.ValueOf(float64(s.setCPUs)), snapshot.CapacityCPUSet
		busy, of, cut = s.setNanos, domain{snapshot.CapacityCPUSet, s.setHash}, float64(s.setCPUs)
		if s.setCPUs == 0 {
			// The kernel keeps no set with tasks empty, so what was read no
			// longer holds, and the next derivation will tell.
			h.UsableCPUs = snapshot.Value{Why: snapshot.Malformed}
		}
	}
	if h.UsableCPUs.OK() && b.quota.OK() && b.quota.V < h.UsableCPUs.V {
		h.UsableCPUs, h.CapacityFrom = b.quota, snapshot.CapacityQuota
		busy, of, cut = r.readUsage(&b.quotas[b.quotaAt]), domain{snapshot.CapacityQuota, uint64(b.quotaAt)}, float64(s.cpus.N)
		at = r.mono()
	}
	switch {
	case !h.UsableCPUs.OK():
	case b.setWhy != snapshot.Present && b.setWhy != snapshot.NoFile:
		h.UsableCPUs = snapshot.Value{Why: b.setWhy}
	case !b.quota.OK() && b.quota.Why != snapshot.NoQuota:
		h.UsableCPUs = snapshot.Value{Why: b.quota.Why}
	}
	if !h.UsableCPUs.OK() {
		h.CapacityFrom = snapshot.CapacityUnknown
	}
	if of != r.busyOf {
		r.busy, r.busyOf = kernel.Rate{}, of
	}
	h.BusyCores = r.busy.Next(busy, at)
	if h.BusyCores.OK() && s.cpus.OK() {
		// The columns move in steps of 10 ms each, so that over a short time
		// more than all processors could come out.
		h.BusyCores.V = min(h.BusyCores.V, cut)
	}
}

// readUsage is the CPU time of the cgroup with the quota, in ns.
func (r *Reader) readUsage(f *quotaFiles) snapshot.Count {
	text, why := kernel.ReadOnce(unix.AT_FDCWD, f.usage, r.buf)
	r.reads++
	switch {
	case why != snapshot.Present:
		return snapshot.Count{Why: why}
	case !r.bounds.v2:
		return kernel.ParseNumber(text)
	}
	micros := kernel.Keyed(text, keyUsageMicros)
	if micros.OK() && micros.N > maxMicros {
		return snapshot.Count{Why: snapshot.Malformed}
	}
	micros.N *= 1000
	return micros
}

var keyUsageMicros = kernel.NewKey("usage_usec")

// maxMicros is what fits into 64 bits as ns.
const maxMicros = (1<<64 - 1) / 1000
