package kernel

import (
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

func count(n uint64) snapshot.Count              { return snapshot.CountOf(n) }
func absent(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }

func TestParseMemoryStat(t *testing.T) {
	const v1 = "cache 9625600\nrss 12087296\nrss_huge 0\ninactive_file 57344\n" +
		"total_cache 809410560\ntotal_rss 580739072\ntotal_rss_huge 0\ntotal_inactive_file 395878400\ntotal_active_file 14848000\n"
	const v2 = "anon 580739072\nfile 809410560\nanon_thp 0\ninactive_file 395878400\nactive_file 14848000\nworkingset_refault_anon 1\n"
	noKey := absent(snapshot.NoKey)
	for _, tc := range []struct {
		name, file string
		v2         bool
		want       MemoryStat
	}{
		{"v1 counts those below as well", v1, false, MemoryStat{count(580739072), count(395878400 + 14848000)}},
		{"v2", v2, true, MemoryStat{count(580739072), count(395878400 + 14848000)}},
		{"v1 what is dirty", v1 + "total_dirty 4096\ntotal_writeback 8192\n", false, MemoryStat{count(580739072), count(395878400 + 14848000 - 12288)}},
		{"v2 what is dirty", v2 + "file_dirty 4096\nfile_writeback 8192\n", true, MemoryStat{count(580739072), count(395878400 + 14848000 - 12288)}},
		{"v2 more is dirty than is on a list", "anon 1\nfile_dirty 4096\ninactive_file 0\nactive_file 1024\n", true, MemoryStat{count(1), count(0)}},
		{"v2 kernel memory", v2 + "slab 9\nslab_reclaimable 5\nslab_unreclaimable 4\n", true, MemoryStat{count(580739072), count(395878400 + 14848000 + 5)}},
		{"v2 shared memory is not dropped", v2 + "shmem 999\nunevictable 999\n", true, MemoryStat{count(580739072), count(395878400 + 14848000)}},
		{"v2 read as v1", v2, false, MemoryStat{noKey, noKey}},
		{"v1 without the keys", "cache 1\n", false, MemoryStat{noKey, noKey}},
		{"one list only", "anon 1\ninactive_file 1\n", true, MemoryStat{count(1), noKey}},
		{"cut", v1[:len(v1)-12], false, MemoryStat{count(580739072), absent(snapshot.Truncated)}},
		{"empty", "", true, MemoryStat{absent(snapshot.Truncated), absent(snapshot.Truncated)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ParseMemoryStat([]byte(tc.file), tc.v2); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestUnreclaimable(t *testing.T) {
	for _, tc := range []struct {
		name            string
		usage, inactive snapshot.Count
		want            snapshot.Count
	}{
		{"difference", count(100), count(30), count(70)},
		{"the cache was dropped in between", count(10), count(30), count(0)},
		{"much more cache than use", count(100), count(1 << 60), absent(snapshot.Impossible)},
		{"no usage", absent(snapshot.Denied), count(30), absent(snapshot.Denied)},
		{"no stat", count(100), absent(snapshot.NoKey), absent(snapshot.NoKey)},
	} {
		if got := Unreclaimable(tc.usage, tc.inactive); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}
