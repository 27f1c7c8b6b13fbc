package cgroup

import (
	"github.com/estimatord/estimatord/internal/kernel"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// memory.stat on cgroup v1: first the cgroup's own, then with total_ those of
// all below it as well, in bytes (abridged):
//
//	cache 9625600
//	rss 12087296
//	inactive_file 57344
//	total_cache 809410560
//	total_rss 580739072
//	total_rss_huge 0
//	total_inactive_file 395878400
//
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#stat-file
//
// memory.stat on cgroup v2, hierarchical by itself, in bytes (abridged):
//
//	anon 580739072
//	file 809410560
//	anon_thp 0
//	inactive_file 395878400
//
// https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files

var (
	keyTotalRSS          = kernel.NewKey("total_rss")
	keyTotalInactiveFile = kernel.NewKey("total_inactive_file")
	keyAnon              = kernel.NewKey("anon")
	keyInactiveFile      = kernel.NewKey("inactive_file")
)

// memoryStat is what is used of memory.stat.
type memoryStat struct{ anonBytes, inactiveFileBytes snapshot.Count }

func parseMemoryStat(file []byte, mode Mode) memoryStat {
	if mode == V2 {
		return memoryStat{kernel.Keyed(file, keyAnon), kernel.Keyed(file, keyInactiveFile)}
	}
	return memoryStat{kernel.Keyed(file, keyTotalRSS), kernel.Keyed(file, keyTotalInactiveFile)}
}

// workingSet is usage − inactive file cache, never below zero: the two are read
// from different files, and the cache may have been dropped in between.
func workingSet(usage, inactiveFile snapshot.Count) snapshot.Count {
	switch {
	case !usage.OK():
		return snapshot.Count{Why: usage.Why}
	case !inactiveFile.OK():
		return snapshot.Count{Why: inactiveFile.Why}
	}
	return snapshot.CountOf(usage.N - min(usage.N, inactiveFile.N))
}
