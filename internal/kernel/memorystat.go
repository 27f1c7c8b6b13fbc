package kernel

import "github.com/estimatord/estimatord/internal/snapshot"

// memory.stat on cgroup v1: first the cgroup's own, then with total_ those of
// all below it as well, in bytes (abridged):
//
//	cache 9625600
//	rss 12087296
//	total_rss 580739072
//	total_dirty 135168
//	total_writeback 0
//	total_inactive_file 395878400
//	total_active_file 14848000
//
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#stat-file
//
// memory.stat on cgroup v2, hierarchical by itself, in bytes (abridged):
//
//	anon 580739072
//	file_dirty 135168
//	file_writeback 0
//	inactive_file 395878400
//	active_file 14848000
//	slab_reclaimable 10485760
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files

// MemoryStat is what is used of memory.stat.
type MemoryStat struct {
	// AnonBytes is anonymous memory: total_rss on v1, anon on v2.
	AnonBytes snapshot.Count
	// ReclaimableBytes is what the kernel drops at need, as it counts it in
	// MemAvailable (mm/show_mem.c, si_mem_available):
	//
	//	inactive_file + active_file − dirty − writeback + slab_reclaimable
	//
	// The two lists of file pages hold neither shared memory, which is on the
	// anonymous lists, nor locked pages, which are unevictable. Dirty pages have to
	// be written first. v1 does not tell which kernel memory is reclaimable, and
	// kernels before 4.2 not what is dirty.
	ReclaimableBytes snapshot.Count
}

// memoryKeys are those of one version; dirty and slab may be missing.
type memoryKeys struct {
	anon                     Key
	inactiveFile, activeFile Key
	dirty                    [2]Key
	slab                     Key
}

var (
	memoryKeysV1 = memoryKeys{
		anon:         NewKey("total_rss"),
		inactiveFile: NewKey("total_inactive_file"),
		activeFile:   NewKey("total_active_file"),
		dirty:        [2]Key{NewKey("total_dirty"), NewKey("total_writeback")},
		slab:         NewKey("total_slab_reclaimable"),
	}
	memoryKeysV2 = memoryKeys{
		anon:         NewKey("anon"),
		inactiveFile: NewKey("inactive_file"),
		activeFile:   NewKey("active_file"),
		dirty:        [2]Key{NewKey("file_dirty"), NewKey("file_writeback")},
		slab:         NewKey("slab_reclaimable"),
	}
)

// ParseMemoryStat reads memory.stat of v1 or v2.
func ParseMemoryStat(file []byte, v2 bool) MemoryStat {
	keys := &memoryKeysV1
	if v2 {
		keys = &memoryKeysV2
	}
	return MemoryStat{Keyed(file, keys.anon), keys.reclaimable(file)}
}

func (k *memoryKeys) reclaimable(file []byte) snapshot.Count {
	sum := uint64(0)
	for _, key := range [...]Key{k.inactiveFile, k.activeFile} {
		c := Keyed(file, key)
		if !c.OK() {
			return c
		}
		sum += c.N
	}
	for _, key := range k.dirty {
		switch c := Keyed(file, key); {
		case c.OK():
			// Pages that are dirty may be on no list at the moment.
			sum -= min(sum, c.N)
		case c.Why != snapshot.NoKey:
			return c
		}
	}
	switch c := Keyed(file, k.slab); {
	case c.OK():
		sum += c.N
	case c.Why != snapshot.NoKey:
		return c
	}
	return snapshot.CountOf(sum)
}

// Unreclaimable is usage − reclaimable, in bytes: what cannot be taken back
// without a write or without killing somebody. The two are of different files,
// so that a little more than all of it may be reclaimable; much more is
// impossible.
func Unreclaimable(usage, reclaimable snapshot.Count) snapshot.Count {
	switch {
	case !usage.OK():
		return snapshot.Count{Why: usage.Why}
	case !reclaimable.OK():
		return snapshot.Count{Why: reclaimable.Why}
	}
	if c := AtMost(reclaimable, usage.N); !c.OK() {
		return c
	}
	return snapshot.CountOf(usage.N - min(usage.N, reclaimable.N))
}

// memorySlack is what a reading of memory may be above what is possible beside
// Tolerance: the kernel charges in batches, and two files are not of the same
// instant.
const memorySlack = 16 << 20

// AtMost is c, or Impossible where it is more than so many bytes; 0 for bytes
// that are not known.
func AtMost(c snapshot.Count, bytes uint64) snapshot.Count {
	if c.OK() && bytes > 0 && float64(c.N) > float64(bytes)*(1+Tolerance)+memorySlack {
		return snapshot.Count{Why: snapshot.Impossible}
	}
	return c
}
