package host_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/host"
)

// memory is what a tick says of it, in MiB.
type memory struct {
	Total, Available snapshot.Count
	From             snapshot.MemoryFrom
}

func TestUsableMemory(t *testing.T) {
	const (
		all    = snapshot.MemoryMachine
		limit  = snapshot.MemoryLimit
		nobody = snapshot.MemoryUnknown
		// No limit on v1, where a page has 4 KiB.
		v1None = "9223372036854771712\n"
	)
	mib, no := func(n uint64) snapshot.Count { return snapshot.CountOf(n << 20) }, func(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }
	// The machine has 1000 MiB, 600 of which are available. The agent's root
	// uses 300, 100 of which are inactive cache; the cgroup above 380 and 30.
	machine := memory{mib(1000), mib(600), all}
	for _, tc := range []struct {
		name  string
		v2    bool
		files map[string]string
		want  memory
	}{
		{"nothing around it", true, nil, machine},
		{"no limits", true, map[string]string{"m/memory.max": "max\n", "m/memory.high": "max\n"}, machine},
		{"a limit", true, map[string]string{"m/memory.max": "419430400\n"}, memory{mib(400), mib(200), limit}},
		{"the machine has less left than the limit", true, map[string]string{"m/memory.max": "943718400\n"}, memory{mib(900), mib(600), limit}},
		{"a limit that is used up", true, map[string]string{"m/memory.max": "209715200\n", "m/memory.current": "209715200\n", "m/memory.stat": "inactive_file 0\nactive_file 0\n"}, memory{mib(200), mib(0), limit}},
		{"active cache is dropped at need too", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.stat": "inactive_file 52428800\nactive_file 157286400\n"}, memory{mib(400), mib(300), limit}},
		{"dirty pages are not dropped", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.stat": "file_dirty 10485760\nfile_writeback 41943040\ninactive_file 104857600\nactive_file 104857600\n"}, memory{mib(400), mib(250), limit}},
		{"kernel memory that is dropped at need", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.stat": "inactive_file 0\nactive_file 0\nslab_reclaimable 104857600\n"}, memory{mib(400), mib(200), limit}},
		{"v1 active cache", false, map[string]string{"m/memory.limit_in_bytes": "419430400\n", "memory.limit_in_bytes": v1None, "m/memory.stat": "total_dirty 10485760\ntotal_inactive_file 10485760\ntotal_active_file 283115520\n"}, memory{mib(400), mib(370), limit}},
		{"a use beyond the limit", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.current": "18446744073709547520\n"}, memory{mib(400), no(snapshot.Impossible), limit}},
		{"more cache than use", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.stat": "inactive_file 0\nactive_file 18446744073709547520\n"}, memory{mib(400), no(snapshot.Impossible), limit}},
		{"a limit of the cgroup above", true, map[string]string{"m/memory.max": "max\n", "memory.max": "419430400\n"}, memory{mib(400), mib(50), limit}},
		{"two limits", true, map[string]string{"m/memory.max": "314572800\n", "memory.max": "419430400\n"}, memory{mib(300), mib(50), limit}},
		{"memory.high below memory.max", true, map[string]string{"m/memory.max": "524288000\n", "m/memory.high": "419430400\n"}, memory{mib(400), mib(200), limit}},
		{"more than there is", true, map[string]string{"m/memory.max": "1048576000\n"}, machine},
		{"a limit that makes no sense", true, map[string]string{"m/memory.max": "much\n"}, memory{no(snapshot.Malformed), no(snapshot.Malformed), nobody}},
		{"a limit that makes no sense above another", true, map[string]string{"m/memory.max": "419430400\n", "memory.max": "-1\n"}, memory{no(snapshot.Malformed), no(snapshot.Malformed), nobody}},
		{"a use that makes no sense", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.current": "much\n"}, memory{mib(400), no(snapshot.Malformed), limit}},
		{"no inactive cache is told", true, map[string]string{"m/memory.max": "419430400\n", "m/memory.stat": "anon 1\n"}, memory{mib(400), no(snapshot.NoKey), limit}},
		{"v1 no limits", false, map[string]string{"m/memory.limit_in_bytes": v1None, "memory.limit_in_bytes": v1None}, machine},
		{"v1 a limit", false, map[string]string{"m/memory.limit_in_bytes": "419430400\n", "memory.limit_in_bytes": v1None}, memory{mib(400), mib(200), limit}},
		{"v1 a limit of the cgroup above", false, map[string]string{"m/memory.use_hierarchy": "1\n", "m/memory.limit_in_bytes": v1None, "memory.limit_in_bytes": "419430400\n"}, memory{mib(400), mib(50), limit}},
		{"v1 a limit that does not count those below", false, map[string]string{"m/memory.use_hierarchy": "0\n", "m/memory.limit_in_bytes": "419430400\n", "memory.limit_in_bytes": v1None}, machine},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proc, root := t.TempDir(), t.TempDir()
			write(t, proc, "meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 614400 kB\n")
			for dir, use := range map[string][2]string{"m": {"314572800\n", "104857600\n"}, ".": {"398458880\n", "31457280\n"}} {
				for _, name := range []string{"memory.current", "memory.usage_in_bytes"} {
					write(t, root, filepath.Join(dir, name), use[0])
				}
				write(t, root, filepath.Join(dir, "memory.stat"), "inactive_file "+use[1]+"active_file 0\ntotal_inactive_file "+use[1]+"total_active_file 0\n")
			}
			for name, text := range tc.files {
				write(t, root, name, text)
			}
			read, r := reader(t, proc)
			r.Bound(host.Bounds{V2: tc.v2, Memory: []string{filepath.Join(root, "m"), root}})
			h := read(time.Second)
			got := memory{h.UsableMemBytes, h.UsableMemAvailableBytes, h.MemoryFrom}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			total, available := h.UsableMemory()
			if total != got.Total || available != got.Available {
				t.Errorf("UsableMemory says %+v and %+v", total, available)
			}
			if bounded := tc.want.From != all; strings.Contains(strings.Join(r.Bounds(), ";"), "a memory limit") != bounded {
				t.Errorf("bounds %q", r.Bounds())
			}
		})
	}
}

// A limit that is set later is seen, and so is one that is lifted.
func TestMemoryLimitChanges(t *testing.T) {
	proc, root := t.TempDir(), t.TempDir()
	write(t, proc, "meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 614400 kB\n")
	write(t, root, "memory.current", "0\n")
	write(t, root, "memory.stat", "inactive_file 0\nactive_file 0\n")
	read, r := reader(t, proc)
	r.Bound(host.Bounds{V2: true, Memory: []string{root}})
	for _, tc := range []struct {
		text string
		want snapshot.Count
	}{{"max\n", snapshot.CountOf(1000 << 20)}, {"1048576\n", snapshot.CountOf(1 << 20)}, {"max\n", snapshot.CountOf(1000 << 20)}} {
		write(t, root, "memory.max", tc.text)
		var h snapshot.Host
		for range 31 {
			h = read(time.Second)
		}
		if h.UsableMemBytes != tc.want {
			t.Errorf("%q: %+v, want %+v", tc.text, h.UsableMemBytes, tc.want)
		}
	}
}

// Without the machine's own memory nothing is known.
func TestUsableMemoryOfAnUnknownMachine(t *testing.T) {
	proc, root := t.TempDir(), t.TempDir()
	write(t, proc, "meminfo", "MemFree: 1 kB\n")
	write(t, root, "memory.max", "1048576\n")
	read, r := reader(t, proc)
	r.Bound(host.Bounds{V2: true, Memory: []string{root}})
	h := read(time.Second)
	if total, _ := h.UsableMemory(); total.Why != snapshot.NoKey || h.MemoryFrom != snapshot.MemoryUnknown {
		t.Errorf("%+v from %v", total, h.MemoryFrom)
	}
	// What nobody derived is the machine's.
	old := snapshot.Host{MemTotalBytes: snapshot.CountOf(5), MemAvailableBytes: snapshot.CountOf(3)}
	if total, available := old.UsableMemory(); total != snapshot.CountOf(5) || available != snapshot.CountOf(3) {
		t.Errorf("%+v %+v", total, available)
	}
}

// What is in use is counted as containers count it: on v1 with all of the
// reclaimable kernel memory of the machine, since they have some of it.
func TestUsedMemory(t *testing.T) {
	for _, tc := range []struct {
		name  string
		v2    bool
		limit string
		want  snapshot.Count
	}{
		{"v2", true, "max\n", snapshot.CountOf(400 << 20)},
		{"v1", false, "9223372036854771712\n", snapshot.CountOf(500 << 20)},
		{"v2 below a limit", true, "209715200\n", snapshot.CountOf(150 << 20)},
		{"v1 below a limit", false, "209715200\n", snapshot.CountOf(150 << 20)},
		{"a limit that makes no sense", true, "much\n", snapshot.Count{Why: snapshot.Malformed}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proc, root := t.TempDir(), t.TempDir()
			write(t, proc, "meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 614400 kB\nSReclaimable: 102400 kB\n")
			for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
				write(t, root, name, tc.limit)
			}
			for _, name := range []string{"memory.current", "memory.usage_in_bytes"} {
				write(t, root, name, "167772160\n")
			}
			write(t, root, "memory.stat", "inactive_file 10485760\nactive_file 0\ntotal_inactive_file 10485760\ntotal_active_file 0\n")
			read, r := reader(t, proc)
			r.Bound(host.Bounds{V2: tc.v2, Memory: []string{root}})
			h := read(time.Second)
			if h.UsableMemUsedBytes != tc.want || h.UsedMemory() != tc.want {
				t.Errorf("%+v, %+v; want %+v", h.UsableMemUsedBytes, h.UsedMemory(), tc.want)
			}
		})
	}
	old := snapshot.Host{MemTotalBytes: snapshot.CountOf(5), MemAvailableBytes: snapshot.CountOf(3)}
	if got := old.UsedMemory(); got != snapshot.CountOf(2) {
		t.Errorf("what nobody derived: %+v", got)
	}
}
