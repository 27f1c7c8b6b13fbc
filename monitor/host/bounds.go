package host

import (
	"fmt"
	"path/filepath"

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
	sets   []setFiles
	next   uint64 // the tick of the next derivation

	// quota is the tightest one, absent with NoQuota when there is none;
	// quotaAt is its index in quotas.
	quota   snapshot.Value
	quotaAt int
	// set is the cpuset; setWhy is NoQuota when there is none.
	set    cpuSet
	setAt  int
	setWhy snapshot.Absence

	memory []memoryLimit
}

// setFiles are where one cgroup says which processors its tasks use: the first of
// them that is there.
type setFiles struct {
	dir   kernel.Path
	files []kernel.Path
}

type quotaFiles struct {
	dir   string
	quota kernel.QuotaFiles
	usage kernel.Path
}

// Bound has r look for limits in b, at once and then every so many ticks.
func (r *Reader) Bound(b Bounds) {
	r.bounds = bounds{v2: b.V2, setWhy: snapshot.NoQuota, quota: snapshot.Value{Why: snapshot.NoQuota}}
	// Before Linux 3.17, cpuset.cpus of v1 is what is in force.
	usage, sets := "cpuacct.usage", []string{"cpuset.effective_cpus", "cpuset.cpus"}
	if b.V2 {
		usage, sets = "cpu.stat", []string{"cpuset.cpus.effective"}
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
		f := setFiles{dir: kernel.NewPath(dir)}
		for _, name := range sets {
			f.files = append(f.files, kernel.NewPath(filepath.Join(dir, name)))
		}
		r.bounds.sets = append(r.bounds.sets, f)
	}
	r.bounds.memory = newMemoryLimits(b)
	r.deriveBounds()
	if text, why := r.buf.ReadOnce(unix.AT_FDCWD, r.paths[kindMeminfo]); why == snapshot.Present {
		r.memTotal = parseMeminfo(text, r.reserve).total.N
	}
	if text, why := r.buf.ReadOnce(unix.AT_FDCWD, r.paths[kindStat]); why == snapshot.Present {
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
		found = append(found, fmt.Sprintf("a cpuset of %d CPUs in %s", r.inSet, b.sets[b.setAt].dir))
	case b.setWhy != snapshot.NoQuota:
		found = append(found, fmt.Sprintf("a cpuset that could not be read (%s) in %s", b.setWhy, b.sets[b.setAt].dir))
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
	b.setWhy = snapshot.NoQuota
	for i := range b.sets {
		why := r.readSet(&b.sets[i])
		if why == snapshot.NoQuota {
			continue
		}
		b.setWhy, b.setAt = why, i
		break
	}
}

// readSet reads the cpuset of one cgroup; NoQuota when it has none of its own.
func (r *Reader) readSet(f *setFiles) snapshot.Absence {
	why := snapshot.NoFile
	for _, path := range f.files {
		var text []byte
		if text, why = r.buf.ReadOnce(unix.AT_FDCWD, path); why == snapshot.Present {
			why = r.bounds.set.parse(text)
		}
		if !gone(why) {
			break
		}
	}
	switch {
	case gone(why) && r.has(f.dir) && !r.bounds.v2:
		// It is there, and nothing says which processors it has.
		return snapshot.NoFile
	case gone(why), why == snapshot.Present && r.bounds.set.n == 0:
		// No such cgroup, no controller in it (v2), or made and not filled in (v1):
		// no task is in it then.
		return snapshot.NoQuota
	}
	return why
}

// has reports whether there is such a directory.
func (r *Reader) has(dir kernel.Path) bool {
	_, errno := kernel.StatDir(unix.AT_FDCWD, dir, &r.statBuf)
	return errno == 0
}

// readQuota is the quota of one cgroup.
func (r *Reader) readQuota(f *quotaFiles) snapshot.Value {
	none := false
	q := f.quota.Cores(func(path kernel.Path) ([]byte, snapshot.Absence) {
		text, why := r.buf.ReadOnce(unix.AT_FDCWD, path)
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

// capacity is what can be used and how busy that was, from s as read at the time
// at.
func (r *Reader) capacity(s stat, at kernel.Span, h *snapshot.Host) {
	h.CPUs = s.cpus
	// One that goes offline was there for a part of the time.
	online := float64(max(s.cpus.N, r.online))
	r.online, r.inSet = s.cpus.N, s.setCPUs
	r.allBusy = r.allRate.next(s.all, at, online)
	b := &r.bounds
	h.UsableCPUs, h.CapacityFrom = snapshot.Value{V: float64(s.cpus.N), Why: s.cpus.Why}, snapshot.CapacityOnline
	if h.UsableCPUs.OK() && b.setWhy == snapshot.Present && s.setCPUs < s.cpus.N {
		h.UsableCPUs, h.CapacityFrom = snapshot.ValueOf(float64(s.setCPUs)), snapshot.CapacityCPUSet
		if s.setCPUs == 0 {
			// The kernel keeps no set with tasks empty, so what was read no
			// longer holds, and the next derivation will tell.
			h.UsableCPUs = snapshot.Value{Why: snapshot.Malformed}
		}
	}
	if h.UsableCPUs.OK() && b.quota.OK() && b.quota.V < h.UsableCPUs.V {
		h.UsableCPUs, h.CapacityFrom = b.quota, snapshot.CapacityQuota
	}
	of := domain{from: h.CapacityFrom}
	switch h.CapacityFrom {
	case snapshot.CapacityCPUSet:
		of.of = s.setHash
	case snapshot.CapacityQuota:
		of.of = uint64(b.quotaAt) //nolint:gosec // an index
	}
	if of != r.busyOf {
		r.busy, r.usage, r.busyOf = busyRate{}, kernel.Rate{}, of
	}
	switch h.CapacityFrom {
	case snapshot.CapacityCPUSet:
		h.BusyCores = r.busy.next(s.set, at, float64(s.setCPUs))
	case snapshot.CapacityQuota:
		began := r.mono()
		usage := r.readUsage(&b.quotas[b.quotaAt])
		h.BusyCores = r.usage.Next(usage, kernel.Span{Began: began, Ended: r.mono()}, kernel.QuotaLimit(b.quota, online))
		if h.BusyCores.Why == snapshot.Impossible {
			b.next = 0 // or the quota has changed
		}
	default:
		h.BusyCores = r.busy.next(s.all, at, online)
	}
	switch {
	case !h.UsableCPUs.OK():
	case b.setWhy != snapshot.Present && b.setWhy != snapshot.NoQuota:
		h.UsableCPUs = snapshot.Value{Why: b.setWhy}
	case !b.quota.OK() && b.quota.Why != snapshot.NoQuota:
		h.UsableCPUs = snapshot.Value{Why: b.quota.Why}
	}
	if !h.UsableCPUs.OK() {
		h.CapacityFrom = snapshot.CapacityUnknown
	}
}

// Busy is how many processors of the whole machine were busy, whatever bounds
// the containers; as of the last Read.
func (r *Reader) Busy() snapshot.Value { return r.allBusy }

// readUsage is the CPU time of the cgroup with the quota, in ns.
func (r *Reader) readUsage(f *quotaFiles) snapshot.Count {
	text, why := r.buf.ReadOnce(unix.AT_FDCWD, f.usage)
	r.reads++
	switch {
	case why != snapshot.Present:
		return snapshot.Count{Why: why}
	case !r.bounds.v2:
		return kernel.ParseNumber(text)
	}
	return kernel.MicrosToNanos(kernel.Keyed(text, keyUsageMicros))
}

var keyUsageMicros = kernel.NewKey("usage_usec")
