package host_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/host"
)

// machine is /proc/stat of processors 0 to n-1, of which those in offline have
// no line. Processor i was busy for i+1 seconds a round.
func machine(n, round int, offline ...int) string {
	total := 0
	var lines strings.Builder
	for i := range n {
		busy := (i + 1) * round * 100
		total += busy
		if !slices.Contains(offline, i) {
			fmt.Fprintf(&lines, "cpu%d %d 0 0 7 0 0 0 0 0 0\n", i, busy)
		}
	}
	return fmt.Sprintf("cpu  %d 0 0 7 0 0 0 0 0 0\n%sintr 1\n", total, lines.String())
}

// capacity is what a tick says of it.
type capacity struct {
	CPUs   snapshot.Count
	Usable snapshot.Value
	From   snapshot.CapacityFrom
	Busy   snapshot.Value
}

func capacityOf(h snapshot.Host) capacity {
	return capacity{h.CPUs, h.UsableCPUs, h.CapacityFrom, h.BusyCores}
}

func TestCapacity(t *testing.T) {
	const (
		all    = snapshot.CapacityOnline
		set    = snapshot.CapacityCPUSet
		quota  = snapshot.CapacityQuota
		nobody = snapshot.CapacityUnknown
	)
	ok, no := snapshot.ValueOf, func(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }
	four := snapshot.CountOf(4)
	// In a round of 10 s the processors were busy for 1, 2, 3 and 4 s, and the
	// cgroup with the quota used 5 s.
	for _, tc := range []struct {
		name  string
		v2    bool
		files map[string]string
		want  capacity
	}{
		{"nothing around it", true, nil, capacity{four, ok(4), all, ok(1)}},
		{"no limits", true, map[string]string{"m/cpu.max": "max 100000\n", "m/cpuset.cpus.effective": "0-3\n"}, capacity{four, ok(4), all, ok(1)}},
		{"cpuset", true, map[string]string{"m/cpuset.cpus.effective": "1,3\n"}, capacity{four, ok(2), set, ok(0.6)}},
		{"cpuset of the cgroup above", true, map[string]string{"cpuset.cpus.effective": "2-3\n"}, capacity{four, ok(2), set, ok(0.7)}},
		{"the nearer cpuset counts", true, map[string]string{"m/cpuset.cpus.effective": "0\n", "cpuset.cpus.effective": "0-2\n"}, capacity{four, ok(1), set, ok(0.1)}},
		{"cpuset with processors that are offline", true, map[string]string{"m/cpuset.cpus.effective": "3-7\n"}, capacity{four, ok(1), set, ok(0.4)}},
		{"cpuset of none that is online", true, map[string]string{"m/cpuset.cpus.effective": "6\n"}, capacity{four, no(snapshot.Malformed), nobody, no(snapshot.NoKey)}},
		{"quota", true, map[string]string{"m/cpu.max": "150000 100000\n"}, capacity{four, ok(1.5), quota, ok(0.5)}},
		{"quota of the cgroup above", true, map[string]string{"m/cpu.max": "max 100000\n", "cpu.max": "50000 25000\n"}, capacity{four, ok(2), quota, ok(0.5)}},
		{"the tightest quota counts", true, map[string]string{"m/cpu.max": "300000 100000\n", "cpu.max": "100000 100000\n"}, capacity{four, ok(1), quota, ok(0.5)}},
		{"quota of more than there is", true, map[string]string{"m/cpu.max": "800000 100000\n"}, capacity{four, ok(4), all, ok(1)}},
		{"quota within a cpuset", true, map[string]string{"m/cpuset.cpus.effective": "0-1\n", "cpu.max": "100000 100000\n"}, capacity{four, ok(1), quota, ok(0.5)}},
		{"cpuset within a quota", true, map[string]string{"m/cpuset.cpus.effective": "0-1\n", "cpu.max": "300000 100000\n"}, capacity{four, ok(2), set, ok(0.3)}},
		{"a quota that makes no sense", true, map[string]string{"m/cpu.max": "much\n"}, capacity{four, no(snapshot.Malformed), nobody, ok(1)}},
		{"a quota of nothing", true, map[string]string{"m/cpu.max": "0 100000\n"}, capacity{four, no(snapshot.Malformed), nobody, ok(1)}},
		{"a tight quota below one that makes no sense", true, map[string]string{"m/cpu.max": "1 1\n", "cpu.max": "1 \n"}, capacity{four, no(snapshot.Malformed), nobody, ok(1)}},
		{"a cpuset that makes no sense", true, map[string]string{"m/cpuset.cpus.effective": "3-1\n"}, capacity{four, no(snapshot.Malformed), nobody, ok(1)}},
		{"v1 no limits", false, map[string]string{"m/cpu.cfs_quota_us": "-1\n", "m/cpu.cfs_period_us": "100000\n", "m/cpuset.effective_cpus": "0-3\n"}, capacity{four, ok(4), all, ok(1)}},
		{"v1 quota", false, map[string]string{"m/cpu.cfs_quota_us": "-1\n", "cpu.cfs_quota_us": "250000\n", "cpu.cfs_period_us": "100000\n"}, capacity{four, ok(2.5), quota, ok(0.5)}},
		{"v1 quota without a period", false, map[string]string{"cpu.cfs_quota_us": "250000\n"}, capacity{four, no(snapshot.NoFile), nobody, ok(1)}},
		{"v1 cpuset", false, map[string]string{"m/cpuset.effective_cpus": "0,3\n"}, capacity{four, ok(2), set, ok(0.5)}},
		{"v1 before Linux 3.17", false, map[string]string{"m/cpuset.cpus": "0,3\n"}, capacity{four, ok(2), set, ok(0.5)}},
		{"v1 a cpuset that does not tell its processors", false, nil, capacity{four, no(snapshot.NoFile), nobody, ok(1)}},
		{"v1 cpuset made and not filled in", false, map[string]string{"m/cpuset.effective_cpus": "\n", "cpuset.effective_cpus": "0-1\n"}, capacity{four, ok(2), set, ok(0.3)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proc, root := t.TempDir(), t.TempDir()
			round := func(n int) {
				write(t, proc, "stat", machine(4, n))
				for _, dir := range []string{".", "m"} {
					write(t, root, dir+"/cpu.stat", fmt.Sprintf("usage_usec %d\nuser_usec 1\n", 5_000_000*n))
					write(t, root, dir+"/cpuacct.usage", fmt.Sprintf("%d\n", 5_000_000_000*n))
				}
			}
			round(1)
			if !tc.v2 {
				write(t, root, "cpuset.effective_cpus", "0-3\n")
				if !strings.Contains(tc.name, "cpuset") && !strings.Contains(tc.name, "3.17") {
					write(t, root, "m/cpuset.effective_cpus", "0-3\n")
				}
			}
			for name, text := range tc.files {
				write(t, root, name, text)
			}
			read, r := reader(t, proc)
			m := filepath.Join(root, "m")
			r.Bound(host.Bounds{V2: tc.v2, Quotas: []host.QuotaDir{{CPU: m, Usage: m}, {CPU: root, Usage: root}}, CPUSets: []string{m, root}})
			read(10 * time.Second)
			round(2)
			if diff := cmp.Diff(tc.want, capacityOf(read(10*time.Second)), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Error(diff)
			}
			if bounded := tc.want.From != all; (len(r.Bounds()) > 0) != bounded && tc.name != "quota of more than there is" {
				t.Errorf("bounds %q", r.Bounds())
			}
		})
	}
}

// What is busy is never a difference between two parts of the machine: not when
// a processor goes or comes, and not when a limit does.
func TestCapacityChanges(t *testing.T) {
	proc, root := t.TempDir(), t.TempDir()
	write(t, root, "cpuset.cpus.effective", "0-2\n")
	read, r := reader(t, proc)
	write(t, proc, "stat", machine(4, 1))
	r.Bound(host.Bounds{V2: true, Quotas: []host.QuotaDir{{CPU: root, Usage: root}}, CPUSets: []string{root}})
	round := 1
	expect := func(what string, usable snapshot.Value, busy snapshot.Value, offline ...int) {
		t.Helper()
		round++
		write(t, proc, "stat", machine(4, round, offline...))
		h := read(10 * time.Second)
		if h.UsableCPUs != usable || h.BusyCores != busy {
			t.Errorf("%s: %+v usable, %+v busy; want %+v, %+v", what, h.UsableCPUs, h.BusyCores, usable, busy)
		}
	}
	first := snapshot.Value{Why: snapshot.FirstSample}
	v := snapshot.ValueOf
	expect("at first", v(3), first)
	expect("then", v(3), v(0.6))
	expect("one offline", v(2), first, 2)
	expect("and then", v(2), v(0.3), 2)
	expect("online again", v(3), first)
	expect("and then", v(3), v(0.6))
	expect("one outside of the cpuset offline: it is all there is", v(3), first, 3)
	// The whole machine's line keeps the time of those that are offline.
	expect("and then", v(3), v(1), 3)
	write(t, root, "cpu.max", "50000 100000\n")
	write(t, root, "cpu.stat", "usage_usec 1000000\n")
	for range 30 {
		round++
		write(t, proc, "stat", machine(4, round))
		read(10 * time.Second)
	}
	write(t, root, "cpu.stat", "usage_usec 5000000\n")
	expect("a quota was set meanwhile", v(0.5), v(0.4))
}

func TestBoundedReadAllocatesNothing(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		proc, root := t.TempDir(), t.TempDir()
		write(t, proc, "stat", machine(4, 1))
		read, r := reader(t, proc)
		none := filepath.Join(root, "none")
		r.Bound(host.Bounds{V2: v2, Quotas: []host.QuotaDir{{CPU: none, Usage: none}}, CPUSets: []string{none}, Memory: []string{none}})
		read(time.Second)
		// The limits are looked for in each 30th.
		if got := testing.AllocsPerRun(1, func() {
			for range 60 {
				read(time.Second)
			}
		}); got != 0 {
			t.Errorf("v2 %v: %v allocations in 60 reads", v2, got)
		}
	}

	proc, root := t.TempDir(), t.TempDir()
	write(t, proc, "stat", machine(4, 1))
	write(t, root, "cpuset.cpus.effective", "0-2\n")
	write(t, root, "cpu.max", "50000 100000\n")
	write(t, root, "cpu.stat", "usage_usec 1000000\n")
	read, r := reader(t, proc)
	r.Bound(host.Bounds{V2: true, Quotas: []host.QuotaDir{{CPU: root, Usage: root}}, CPUSets: []string{root}})
	read(time.Second)
	if got := testing.AllocsPerRun(100, func() { read(time.Second) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
