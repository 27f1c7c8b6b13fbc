package monitor_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  monitor.Config
		want error
	}{
		{"no root", monitor.Config{CgroupRoot: filepath.Join(t.TempDir(), "none")}, monitor.ErrNoRoot},
		{"no cgroups", monitor.Config{CgroupRoot: t.TempDir()}, monitor.ErrNotCgroup},
		{"negative StatEvery", monitor.Config{StatEvery: -1}, monitor.ErrConfig},
		{"negative CheckEvery", monitor.Config{CheckEvery: -1}, monitor.ErrConfig},
		{"negative RescanEvery", monitor.Config{RescanEvery: -1}, monitor.ErrConfig},
		{"negative CostBudget", monitor.Config{CostBudget: -0.01}, monitor.ErrConfig},
		{"CostBudget that is no number", monitor.Config{CostBudget: math.NaN()}, monitor.ErrConfig},
		{"negative KeepFiles", monitor.Config{KeepFiles: -1}, monitor.ErrConfig},
		{"the hierarchy itself as the agent's root", monitor.Config{MesosRoot: "/"}, monitor.ErrConfig},
		{"an agent's root outside", monitor.Config{MesosRoot: "../mesos"}, monitor.ErrConfig},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := monitor.New(tc.cfg)
			if m != nil || !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// A host without the memory controller is read without it, and says so.
func TestDegraded(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.Split)
	c.MakeRoot()
	c.Make("c1")
	if err := os.RemoveAll(filepath.Join(c.Root, "memory")); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, monitor.Config{CgroupRoot: c.Root})
	n.tick(time.Second, nil)
	got := only(t, n.tick(time.Second, nil))
	if !got.CPU.Cores.OK() || got.Memory.UsageBytes.Why != snapshot.NoFile || got.Memory.UnreclaimableBytes.Why != snapshot.NoFile {
		t.Errorf("%+v", got)
	}
	text := n.Layout()
	for part, want := range map[string]bool{"no cpu: ": false, "no throttling: ": false, "no memory: the memory controller": true, "no pressure: cgroup v1": true, "\n": false} {
		if strings.Contains(text, part) != want {
			t.Errorf("%q: layout %q", part, text)
		}
	}
}

// Without cpuacct, containers are found in the memory hierarchy.
func TestWithoutCPUAcct(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.Split)
	c.MakeRoot()
	c.Make("c1")
	if err := os.RemoveAll(filepath.Join(c.Root, "cpuacct")); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, monitor.Config{CgroupRoot: c.Root})
	got := only(t, n.tick(time.Second, nil))
	if got.Inode == 0 || got.CPU.UsageNanos.Why != snapshot.NoFile || !got.Memory.UnreclaimableBytes.OK() {
		t.Errorf("%+v", got)
	}
}

func TestKernelWithoutPressure(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.UnifiedV2)
	c.MakeRoot()
	proc := t.TempDir()
	text := func() string { return newNode(t, monitor.Config{CgroupRoot: c.Root, ProcRoot: proc}).Layout() }
	if got := text(); !strings.Contains(got, "no pressure: the kernel") {
		t.Errorf("without: %q", got)
	}
	if err := os.Mkdir(filepath.Join(proc, "pressure"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := text(); strings.Contains(got, "pressure") {
		t.Errorf("with: %q", got)
	}
}
