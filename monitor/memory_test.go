package monitor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// A memory limit around all containers is what can be used, and what one of them
// holds is not left of it.
func TestRealMemoryLimit(t *testing.T) {
	r := cgrouptest.NewReal(t)
	if r.Layout.Mount("memory") == "" {
		t.Skip("the memory controller is not mounted")
	}
	r.Make("c1")
	pid, start := cgrouptest.NewBurner(t)
	r.Enter("c1", pid)
	start() // it holds its memory now
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	h := m.Sample(time.Now(), nil).Host
	closeMonitor(t, m)
	// A machine in a container has a limit anyway.
	before, _ := h.UsableMemory()
	const limit = 8 * cgrouptest.BurnerBytes
	if !before.OK() || before.N <= limit {
		t.Fatalf("%+v of memory can be used", before)
	}
	name := "memory.limit_in_bytes"
	if r.Layout.Mode == cgroup.V2 {
		name = "memory.max"
	}
	if err := os.WriteFile(filepath.Join(r.Dir("memory", ""), name), []byte("256M"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err = monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	h = m.Sample(time.Now(), nil).Host
	total, available := h.UsableMemory()
	if total != snapshot.CountOf(limit) || h.MemoryFrom != snapshot.MemoryLimit {
		t.Errorf("%+v from %v, want %d", total, h.MemoryFrom, limit)
	}
	// The burner is a Go program: it holds more than its burden, twice that under
	// the race detector.
	if !available.OK() || available.N > limit-cgrouptest.BurnerBytes || available.N < limit/3 {
		t.Errorf("%+v available of %d, %d of which are held", available, limit, cgrouptest.BurnerBytes)
	}
	if h.MemTotalBytes.N <= limit {
		t.Errorf("the machine has %+v", h.MemTotalBytes)
	}
	if text := m.Layout(); !strings.Contains(text, "a memory limit of 256 MiB in ") {
		t.Errorf("layout %q", text)
	}
}
