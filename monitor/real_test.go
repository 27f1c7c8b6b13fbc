package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// oracle is what containerd reads of the same container.
type oracle struct {
	usageNanos, throttledNanos uint64
	memoryUsage, anon, file    uint64
	pids                       uint64
	cpuSomeMicros              uint64
}

// containerd reads a container with containerd/cgroups.
func containerd(tb testing.TB, mode cgroup.Mode, path string) func() oracle {
	tb.Helper()
	if mode == cgroup.V2 {
		m, err := cgroup2.Load(path)
		if err != nil {
			tb.Fatal(err)
		}
		return func() oracle {
			s, err := m.Stat()
			if err != nil {
				tb.Fatal(err)
			}
			return oracle{
				usageNanos:     s.CPU.UsageUsec * 1000,
				throttledNanos: s.CPU.ThrottledUsec * 1000,
				memoryUsage:    s.Memory.Usage, anon: s.Memory.Anon, file: s.Memory.InactiveFile + s.Memory.ActiveFile,
				pids: s.Pids.Current, cpuSomeMicros: s.CPU.PSI.GetSome().GetTotal(),
			}
		}
	}
	cg, err := cgroup1.Load(cgroup1.StaticPath(path))
	if err != nil {
		tb.Fatal(err)
	}
	return func() oracle {
		s, err := cg.Stat(cgroup1.IgnoreNotExist)
		if err != nil {
			tb.Fatal(err)
		}
		return oracle{
			usageNanos:     s.CPU.Usage.Total,
			throttledNanos: s.CPU.Throttling.ThrottledTime,
			memoryUsage:    s.Memory.Usage.Usage, anon: s.Memory.TotalRSS, file: s.Memory.TotalInactiveFile + s.Memory.TotalActiveFile,
			pids: s.Pids.Current,
		}
	}
}

// setQuota limits the container to 20 ms of CPU per 50 ms.
func setQuota(t *testing.T, r *cgrouptest.Real, rel string) {
	t.Helper()
	files := map[string]string{"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "20000"}
	if r.Layout.Mode == cgroup.V2 {
		files = map[string]string{"cpu.max": "20000 50000"}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(r.Dir("cpu", rel), name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// The same container, read by us, by containerd, and by us again: what
// containerd sees lies between.
func TestRealAgreesWithContainerd(t *testing.T) {
	r := cgrouptest.NewReal(t)
	r.Make("c1")
	setQuota(t, r, "c1")
	pid, start := cgrouptest.NewBurner(t)
	r.Enter("c1", pid)
	start()

	m, err := monitor.New(monitor.Config{MesosRoot: r.Name, StatEvery: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	sample := func() snapshot.Container { return *only(t, m.Sample(time.Now(), nil)) }
	stat := containerd(t, r.Layout.Mode, "/"+r.Name+"/c1")

	// Until the quota has throttled it.
	before := sample()
	for deadline := time.Now().Add(20 * time.Second); before.CPU.ThrottledNanos.N == 0; before = sample() {
		if !before.CPU.ThrottledNanos.OK() || time.Now().After(deadline) {
			t.Fatalf("not throttled: %+v", before.CPU)
		}
		time.Sleep(10 * time.Millisecond)
	}
	want := stat()
	after := sample()

	between := func(what string, v uint64, before, after snapshot.Count, tolerance uint64) {
		t.Helper()
		if !before.OK() || !after.OK() {
			t.Errorf("%s: absent, %v and %v", what, before.Why, after.Why)
			return
		}
		low, high := min(before.N, after.N), max(before.N, after.N)
		if v+tolerance < low || v > high+tolerance {
			t.Errorf("%s: containerd says %d, we said %d and %d", what, v, before.N, after.N)
		}
	}
	between("usage", want.usageNanos, before.CPU.UsageNanos, after.CPU.UsageNanos, 0)
	between("throttled time", want.throttledNanos, before.CPU.ThrottledNanos, after.CPU.ThrottledNanos, 0)
	// Memory comes and goes, and the kernel flushes its counts in batches.
	const batch = 4 << 20
	between("memory usage", want.memoryUsage, before.Memory.UsageBytes, after.Memory.UsageBytes, batch)
	between("anon", want.anon, before.Memory.AnonBytes, after.Memory.AnonBytes, batch)
	between("file cache", want.file, before.Memory.ReclaimableBytes, after.Memory.ReclaimableBytes, batch)
	between("pids", want.pids, before.Pids, after.Pids, 0)
	if r.Layout.Mode == cgroup.V2 && before.Pressure.CPUSomeMicros.Why != snapshot.NoFile {
		between("cpu pressure", want.cpuSomeMicros, before.Pressure.CPUSomeMicros, after.Pressure.CPUSomeMicros, 0)
	}
	// And what is known of the burner itself.
	if after.Memory.AnonBytes.N < cgrouptest.BurnerBytes || after.Pids.N < 1 || after.CPU.UsageNanos.N == 0 {
		t.Errorf("a burner of %d bytes: %+v", cgrouptest.BurnerBytes, after)
	}
}

// The cgroup2 tree of a hybrid host has no controllers, but every cgroup in it
// has cpu.stat and, with PSI, pressure: the v2 code on a real kernel.
func TestRealUnifiedOfAHybridHost(t *testing.T) {
	l, err := cgroup.Detect(cgrouptest.Root, "/proc")
	if err != nil || l.Mode != cgroup.Hybrid {
		t.Skip("this host is not hybrid")
	}
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	root := fmt.Sprintf("estmonu%d", os.Getpid())
	dir := filepath.Join(l.Unified, root, "c1", "leaf")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skipf("cgroups cannot be made here: %v", err)
	}
	t.Cleanup(func() { cgrouptest.RemoveTree(t, filepath.Join(l.Unified, root)) })
	pid, start := cgrouptest.NewBurner(t)
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	start()
	m, err := monitor.New(monitor.Config{CgroupRoot: l.Unified, MesosRoot: root})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	first := *only(t, m.Sample(time.Now(), nil))
	second := first
	for deadline := time.Now().Add(20 * time.Second); second.CPU.UsageNanos.N < first.CPU.UsageNanos.N+2e7; {
		if time.Now().After(deadline) {
			t.Fatalf("no progress: %+v", second.CPU)
		}
		time.Sleep(10 * time.Millisecond)
		second = *only(t, m.Sample(time.Now(), nil))
	}
	if !second.CPU.Cores.OK() || second.CPU.ThrottledNanos.Why != snapshot.NoKey || second.Memory.UsageBytes.Why != snapshot.NoFile {
		t.Errorf("%+v %+v", second.CPU, second.Memory)
	}
	if _, err := os.Stat(filepath.Join(dir, "cpu.pressure")); err == nil && !second.Pressure.CPUSome.OK() {
		t.Errorf("the kernel has pressure: %+v", second.Pressure)
	}
}

func TestRealSteadyTickAllocatesNothing(t *testing.T) {
	r := cgrouptest.NewReal(t)
	for i := range 20 {
		r.Make(fmt.Sprintf("c%02d", i))
	}
	n := newNode(t, monitor.Config{MesosRoot: r.Name, StatEvery: 2})
	for range 10 {
		n.tick(time.Second, nil)
	}
	if got := testing.AllocsPerRun(20, func() { n.tick(time.Second, nil) }); got != 0 {
		t.Errorf("%v allocations per tick", got)
	}
	if work := n.Stats().Tree; work.Listings != 0 {
		t.Errorf("a steady tick lists directories: %+v", work)
	}
}

func TestCloseClosesEverything(t *testing.T) {
	r := cgrouptest.NewReal(t)
	for i := range 20 {
		r.Make(fmt.Sprintf("c%02d", i))
	}
	before := openFiles(t)
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	m.Sample(time.Now(), nil)
	if got, want := openFiles(t)-before, m.Stats().OpenFiles; got != want || want < 40 {
		t.Errorf("%d descriptors more, Stats says %d", got, want)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if got := openFiles(t); got != before {
		t.Errorf("%d descriptors after Close, %d before", got, before)
	}
}

// openFiles is the number of descriptors of this process.
func openFiles(tb testing.TB) int {
	tb.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(entries)
}
