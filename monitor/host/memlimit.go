package host

import (
	"bytes"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// What the agent's containers can use of the memory is what all of these leave:
//
//	total     = min(MemTotal − set aside, limit of each cgroup above)
//	available = min(MemAvailable, limit − unreclaimable usage of each)
//
// Set aside is what MemAvailable never counts (meminfo.go), so that a share of
// the total in use begins at 0. What is unreclaimable: kernel.Unreclaimable.
//
// The cgroups are those from the agent's root up to the mount point, as with the
// quotas of bounds.go. A limit is memory.max or memory.high on v2, whichever is
// less: above the latter the kernel slows tasks down until they fit. On v1 it is
// memory.limit_in_bytes; one in a cgroup that does not count those below it
// (memory.use_hierarchy, before Linux 5.11) bounds nobody.
//
//	max
//	268435456
//
// No limit is "max" on v2, and 2⁶³ rounded down to a page on v1, which is more
// than any machine has.
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html

// memoryLimit is one cgroup that may have a limit.
type memoryLimit struct {
	dir                    string
	limits                 []kernel.Path
	hierarchy, usage, stat kernel.Path
	v2                     bool
	// bytes is the limit; absent with NoQuota when there is none.
	bytes snapshot.Count
}

func newMemoryLimits(b Bounds) []memoryLimit {
	limits := make([]memoryLimit, 0, len(b.Memory))
	for _, dir := range b.Memory {
		path := func(name string) kernel.Path { return kernel.NewPath(filepath.Join(dir, name)) }
		l := memoryLimit{dir: dir, v2: b.V2, stat: path("memory.stat")}
		if b.V2 {
			l.limits, l.usage = []kernel.Path{path("memory.max"), path("memory.high")}, path("memory.current")
		} else {
			l.limits, l.usage = []kernel.Path{path("memory.limit_in_bytes")}, path("memory.usage_in_bytes")
			l.hierarchy = path("memory.use_hierarchy")
		}
		limits = append(limits, l)
	}
	return limits
}

// deriveMemory reads the limits anew.
func (r *Reader) deriveMemory() {
	for i := range r.bounds.memory {
		l := &r.bounds.memory[i]
		l.bytes = r.readMemoryLimit(l)
	}
}

func (r *Reader) readMemoryLimit(l *memoryLimit) snapshot.Count {
	if l.hierarchy != nil {
		if text, why := r.buf.ReadOnce(unix.AT_FDCWD, l.hierarchy); why == snapshot.Present && string(text) == "0\n" {
			return snapshot.Count{Why: snapshot.NoQuota}
		}
	}
	least := snapshot.Count{Why: snapshot.NoQuota}
	for _, path := range l.limits {
		text, why := r.buf.ReadOnce(unix.AT_FDCWD, path)
		switch {
		case gone(why):
			continue
		case why != snapshot.Present:
			return snapshot.Count{Why: why}
		}
		n := parseMemoryLimit(text)
		switch {
		case n.Why == snapshot.NoQuota:
		case !n.OK():
			return n
		case !least.OK() || n.N < least.N:
			least = n
		}
	}
	return least
}

// parseMemoryLimit is a limit in bytes; absent with NoQuota when there is none.
func parseMemoryLimit(file []byte) snapshot.Count {
	if bytes.Equal(file, noLimit) {
		return snapshot.Count{Why: snapshot.NoQuota}
	}
	return kernel.ParseNumber(file)
}

var noLimit = []byte("max\n")

// usableMemory is what can be used of the memory in h, of which setAside never
// can; slab of it is reclaimable kernel memory.
func (r *Reader) usableMemory(h *snapshot.Host, setAside, slab uint64) {
	h.MemoryFrom = snapshot.MemoryMachine
	if h.MemTotalBytes.OK() && setAside >= h.MemTotalBytes.N {
		h.MemTotalBytes = snapshot.Count{Why: snapshot.Impossible}
	}
	h.MemAvailableBytes = kernel.AtMost(h.MemAvailableBytes, h.MemTotalBytes.N)
	h.UsableMemBytes, h.UsableMemAvailableBytes = h.MemTotalBytes, h.MemAvailableBytes
	if !h.MemTotalBytes.OK() {
		h.MemoryFrom, h.UsableMemUsedBytes = snapshot.MemoryUnknown, h.MemTotalBytes
		return
	}
	h.UsableMemBytes.N -= setAside
	for i := range r.bounds.memory {
		l := &r.bounds.memory[i]
		switch {
		case l.bytes.Why == snapshot.NoQuota || l.bytes.OK() && l.bytes.N >= h.MemTotalBytes.N:
			continue
		case !l.bytes.OK():
			// What this one leaves is not known, so neither is the least.
			absent := snapshot.Count{Why: l.bytes.Why}
			h.UsableMemBytes, h.UsableMemAvailableBytes, h.MemoryFrom = absent, absent, snapshot.MemoryUnknown
			h.UsableMemUsedBytes = absent
			return
		}
		h.MemoryFrom = snapshot.MemoryLimit
		h.UsableMemBytes.N = min(h.UsableMemBytes.N, l.bytes.N)
		left := r.memoryLeft(l)
		if h.UsableMemAvailableBytes.OK() && (!left.OK() || left.N < h.UsableMemAvailableBytes.N) {
			h.UsableMemAvailableBytes = left
			slab = 0 // what is left below a limit does not count it
		}
	}
	if h.UsableMemUsedBytes = h.UsedMemory(); h.UsableMemUsedBytes.OK() && !r.bounds.v2 {
		h.UsableMemUsedBytes.N += slab
	}
}

// memoryLeft is how much is left below the limit l.
func (r *Reader) memoryLeft(l *memoryLimit) snapshot.Count {
	text, why := r.buf.ReadOnce(unix.AT_FDCWD, l.usage)
	r.reads++
	if why != snapshot.Present {
		return snapshot.Count{Why: why}
	}
	usage := kernel.ParseNumber(text)
	if usage = kernel.AtMost(usage, l.bytes.N); usage.Why == snapshot.Impossible {
		r.bounds.next = 0 // or the limit has changed
	}
	text, why = r.buf.ReadOnce(unix.AT_FDCWD, l.stat)
	r.reads++
	if why != snapshot.Present {
		return snapshot.Count{Why: why}
	}
	used := kernel.Unreclaimable(usage, kernel.ParseMemoryStat(text, l.v2).ReclaimableBytes)
	if used.OK() {
		used.N = l.bytes.N - min(l.bytes.N, used.N)
	}
	return used
}

// memoryBounds are the limits that were found, each in a few words.
func (r *Reader) memoryBounds() (found []string) {
	for i := range r.bounds.memory {
		l := &r.bounds.memory[i]
		switch {
		case l.bytes.OK() && l.bytes.N < r.memTotal:
			found = append(found, fmt.Sprintf("a memory limit of %d MiB in %s", l.bytes.N>>20, l.dir))
		case !l.bytes.OK() && l.bytes.Why != snapshot.NoQuota:
			found = append(found, fmt.Sprintf("a memory limit that could not be read (%s) in %s", l.bytes.Why, l.dir))
		}
	}
	return found
}
