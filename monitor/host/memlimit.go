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
//	total     = min(MemTotal, limit of each cgroup above)
//	available = min(MemAvailable, limit − (usage − inactive file cache) of each)
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
	dir                     string
	limits                  []kernel.Path
	hierarchy, usage, cache kernel.Path
	key                     kernel.Key
	// bytes is the limit; absent with NoQuota when there is none.
	bytes snapshot.Count
}

func newMemoryLimits(b Bounds) []memoryLimit {
	limits := make([]memoryLimit, 0, len(b.Memory))
	for _, dir := range b.Memory {
		path := func(name string) kernel.Path { return kernel.NewPath(filepath.Join(dir, name)) }
		l := memoryLimit{
			dir: dir, limits: []kernel.Path{path("memory.limit_in_bytes")}, hierarchy: path("memory.use_hierarchy"),
			usage: path("memory.usage_in_bytes"), cache: path("memory.stat"), key: keyTotalInactiveFile,
		}
		if b.V2 {
			l.limits, l.hierarchy = []kernel.Path{path("memory.max"), path("memory.high")}, nil
			l.usage, l.key = path("memory.current"), keyInactiveFile
		}
		limits = append(limits, l)
	}
	return limits
}

var (
	keyInactiveFile      = kernel.NewKey("inactive_file")
	keyTotalInactiveFile = kernel.NewKey("total_inactive_file")
)

// deriveMemory reads the limits anew.
func (r *Reader) deriveMemory() {
	for i := range r.bounds.memory {
		l := &r.bounds.memory[i]
		l.bytes = r.readMemoryLimit(l)
	}
}

func (r *Reader) readMemoryLimit(l *memoryLimit) snapshot.Count {
	if l.hierarchy != nil {
		if text, why := kernel.ReadOnce(unix.AT_FDCWD, l.hierarchy, r.buf); why == snapshot.Present && string(text) == "0\n" {
			return snapshot.Count{Why: snapshot.NoQuota}
		}
	}
	least := snapshot.Count{Why: snapshot.NoQuota}
	for _, path := range l.limits {
		text, why := kernel.ReadOnce(unix.AT_FDCWD, path, r.buf)
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

// usableMemory is what can be used of the memory in h.
func (r *Reader) usableMemory(h *snapshot.Host) {
	h.UsableMemBytes, h.UsableMemAvailableBytes, h.MemoryFrom = h.MemTotalBytes, h.MemAvailableBytes, snapshot.MemoryMachine
	if !h.MemTotalBytes.OK() {
		h.MemoryFrom = snapshot.MemoryUnknown
		return
	}
	for i := range r.bounds.memory {
		l := &r.bounds.memory[i]
		switch {
		case l.bytes.Why == snapshot.NoQuota || l.bytes.OK() && l.bytes.N >= h.MemTotalBytes.N:
			continue
		case !l.bytes.OK():
			// What this one leaves is not known, so neither is the least.
			absent := snapshot.Count{Why: l.bytes.Why}
			h.UsableMemBytes, h.UsableMemAvailableBytes, h.MemoryFrom = absent, absent, snapshot.MemoryUnknown
			return
		}
		h.MemoryFrom = snapshot.MemoryLimit
		h.UsableMemBytes.N = min(h.UsableMemBytes.N, l.bytes.N)
		left := r.memoryLeft(l)
		if h.UsableMemAvailableBytes.OK() && (!left.OK() || left.N < h.UsableMemAvailableBytes.N) {
			h.UsableMemAvailableBytes = left
		}
	}
}

// memoryLeft is how much is left below the limit l.
func (r *Reader) memoryLeft(l *memoryLimit) snapshot.Count {
	text, why := kernel.ReadOnce(unix.AT_FDCWD, l.usage, r.buf)
	r.reads++
	if why != snapshot.Present {
		return snapshot.Count{Why: why}
	}
	usage := kernel.ParseNumber(text)
	if !usage.OK() {
		return usage
	}
	text, why = kernel.ReadOnce(unix.AT_FDCWD, l.cache, r.buf)
	r.reads++
	if why != snapshot.Present {
		return snapshot.Count{Why: why}
	}
	cache := kernel.Keyed(text, l.key)
	if !cache.OK() {
		return cache
	}
	used := usage.N - min(usage.N, cache.N)
	return snapshot.CountOf(l.bytes.N - min(l.bytes.N, used))
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
