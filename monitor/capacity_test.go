package monitor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// A quota on the agent's root is what its containers have, and what it used of
// it is how busy that is.
func TestRealQuotaOfTheRoot(t *testing.T) {
	r := cgrouptest.NewReal(t)
	r.Make("c1")
	if s := newNode(t, monitor.Config{MesosRoot: r.Name}).tick(time.Second, nil); s.Host.CapacityFrom == snapshot.CapacityQuota {
		t.Skipf("there is a quota around us already: %+v", s.Host.UsableCPUs)
	}
	setQuota(t, r, "") // 0.4 CPUs
	pid, start := cgrouptest.NewBurner(t)
	r.Enter("c1", pid)
	start()
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	if text := m.Layout(); !strings.Contains(text, "within a quota of 0.40 CPUs in "+r.Dir("cpu", "")) {
		t.Errorf("layout %q", text)
	}
	first := m.Sample(time.Now(), nil).Containers[0].CPU.UsageNanos.N
	var s *snapshot.Snapshot
	for deadline := time.Now().Add(20 * time.Second); ; {
		// Long against the 20 ms of 50 that the quota leaves it.
		time.Sleep(500 * time.Millisecond)
		s = m.Sample(time.Now(), nil)
		if only(t, s).CPU.UsageNanos.N > first+5e7 && s.Host.BusyCores.OK() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no progress: %+v", s.Host)
		}
	}
	if s.Host.UsableCPUs != snapshot.ValueOf(0.4) || s.Host.CapacityFrom != snapshot.CapacityQuota {
		t.Errorf("%+v from %v", s.Host.UsableCPUs, s.Host.CapacityFrom)
	}
	// Nothing but the container is below the root, though all processors may
	// be busy with other things. The two were read one after the other.
	if c := only(t, s).CPU.Cores; !c.OK() || s.Host.BusyCores.V > c.V+0.2 || s.Host.BusyCores.V < c.V-0.2 {
		t.Errorf("busy %+v, the only container %+v", s.Host.BusyCores, c)
	}
}

// realCPUSet makes a cpuset of the first processor for the agent's root.
func realCPUSet(t *testing.T, r *cgrouptest.Real) (dir string) {
	t.Helper()
	if r.Layout.CPUSet == "" {
		t.Skip("no cpuset controller is mounted")
	}
	dir = filepath.Join(r.Layout.CPUSet, r.Name)
	if r.Layout.Mode == cgroup.V2 {
		if err := os.WriteFile(filepath.Join(r.Layout.Root, "cgroup.subtree_control"), []byte("+cpuset"), 0o644); err != nil {
			t.Skipf("the cpuset controller cannot be turned on: %v", err)
		}
	} else if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("cpusets cannot be made here: %v", err)
	}
	t.Cleanup(func() { cgrouptest.RemoveTree(t, dir) })
	for _, f := range []struct{ name, text string }{{"cpuset.mems", "0"}, {"cpuset.cpus", "0"}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(f.text), 0o644); err != nil {
			t.Skipf("%s: %v", f.name, err)
		}
	}
	return dir
}

// With a cpuset of one of several processors, that is all there is, and how
// busy the others are does not matter.
func TestRealCPUSetOfTheRoot(t *testing.T) {
	r := cgrouptest.NewReal(t)
	n := newNode(t, monitor.Config{MesosRoot: r.Name})
	if s := n.tick(time.Second, nil); s.Host.CPUs.N < 2 {
		t.Skip("a machine of one processor has no smaller part")
	}
	dir := realCPUSet(t, r)
	pid, start := cgrouptest.NewBurner(t)
	start()
	// The burner stands for the containers: it has processor 0.
	if r.Layout.Mode == cgroup.V2 {
		r.Make("c1")
		r.Enter("c1", pid)
	} else if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	if text := m.Layout(); !strings.Contains(text, "within a cpuset of 1 CPUs in "+dir) {
		t.Errorf("layout %q", text)
	}
	m.Sample(time.Now(), nil)
	var h snapshot.Host
	for deadline := time.Now().Add(20 * time.Second); h.BusyCores.V < 0.9; {
		if time.Now().After(deadline) {
			t.Fatalf("processor 0 is not busy: %+v", h)
		}
		time.Sleep(200 * time.Millisecond)
		h = m.Sample(time.Now(), nil).Host
		// The kernel may be late in counting by kernel.CPULimit, 0.3 of these 200 ms;
		// with the other processors it would be 2 and more while they are busy.
		if h.UsableCPUs != snapshot.ValueOf(1) || h.CapacityFrom != snapshot.CapacityCPUSet || h.BusyCores.V > 1.5 {
			t.Fatalf("%+v", h)
		}
	}
}

// Offlining a processor would hurt everyone on this machine, so what the kernel
// does then is left to copied files; that the kernel has the file is not.
func TestRealCapacityAgreesWithTheKernelsOnlineList(t *testing.T) {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no list of online processors")
	} else if err != nil {
		t.Fatal(err)
	}
	online := 0
	for item := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		from, to, ok := strings.Cut(item, "-")
		if !ok {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil {
			t.Fatalf("%q", text)
		}
		online += b - a + 1
	}
	r := cgrouptest.NewReal(t)
	h := newNode(t, monitor.Config{MesosRoot: r.Name}).tick(time.Second, nil).Host
	if h.CPUs != snapshot.CountOf(uint64(online)) || !h.UsableCPUs.OK() || h.UsableCPUs.V > float64(online) {
		t.Errorf("%+v of %+v, the kernel says %d", h.UsableCPUs, h.CPUs, online)
	}
}
