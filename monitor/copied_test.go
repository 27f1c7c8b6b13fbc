package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

func count(n uint64) snapshot.Count               { return snapshot.CountOf(n) }
func noCount(why snapshot.Absence) snapshot.Count { return snapshot.Count{Why: why} }
func value(v float64) snapshot.Value              { return snapshot.ValueOf(v) }
func noValue(why snapshot.Absence) snapshot.Value { return snapshot.Value{Why: why} }

// copied is a copied tree with the agent's root, and a monitor on it.
func copied(t *testing.T, shape cgrouptest.Shape) (*cgrouptest.Copied, *node) {
	t.Helper()
	c := cgrouptest.NewCopied(t, t.TempDir(), shape)
	c.MakeRoot()
	return c, newNode(t, monitor.Config{CgroupRoot: c.Root, StatEvery: 3, CheckEvery: 3})
}

func TestEveryReadingOfEveryShape(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			c, n := copied(t, shape)
			c.Make("c1")
			n.tick(time.Second, nil)
			// Two seconds later: 1.5 s of CPU more.
			if shape == cgrouptest.UnifiedV2 {
				c.Write("cpu", "c1", "cpu.stat", "usage_usec 3500000\nnr_periods 120\nnr_throttled 11\nthrottled_usec 600000\n")
				c.Write("cpu", "c1", "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n")
				c.Write("memory", "c1", "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2200000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1600000\n")
			} else {
				c.Write("cpuacct", "c1", "cpuacct.usage", "3500000000\n")
				c.Write("cpu", "c1", "cpu.stat", "nr_periods 120\nnr_throttled 11\nthrottled_time 600000000\n")
			}
			got := *only(t, n.tick(2*time.Second, nil))
			if got.Inode == 0 || got.Parent != "" {
				t.Errorf("key %+v, parent %q", got.Key, got.Parent)
			}
			got.Inode = 0
			want := snapshot.Container{
				Key: snapshot.Key{ID: "c1"}, OnDisk: true,
				FirstSeen: epoch.Add(time.Second), At: epoch.Add(3 * time.Second),
				CPU: snapshot.CPU{
					UsageNanos: count(3_500_000_000), Cores: value(0.75),
					ThrottledNanos: count(600_000_000),
					QuotaCores:     value(0.5),
				},
				Memory: snapshot.Memory{
					UsageBytes: count(96 << 20), AnonBytes: count(64 << 20), ReclaimableBytes: count(32 << 20),
					UnreclaimableBytes: count(64 << 20), StatAt: got.Memory.StatAt,
				},
				Pids: count(3),
			}
			if shape == cgrouptest.UnifiedV2 {
				want.Pressure = snapshot.Pressure{
					CPUSome: value(0.25), CPUSomeMicros: count(1_500_000),
					MemorySome: value(0.1), MemoryFull: value(0.05), IOSome: value(0), IOFull: value(0),
				}
			} else {
				no := noValue(snapshot.NoFile)
				want.Pressure = snapshot.Pressure{
					CPUSome: no, MemorySome: no, MemoryFull: no, IOSome: no, IOFull: no, CPUSomeMicros: noCount(snapshot.NoFile),
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiscovery(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			c := cgrouptest.NewCopied(t, t.TempDir(), shape)
			n := newNode(t, monitor.Config{CgroupRoot: c.Root, CheckEvery: 2})
			expect := func(why snapshot.Absence, want ...string) {
				t.Helper()
				s := n.tick(time.Second, nil)
				if s.TreeWhy != why {
					t.Errorf("tree: %v, want %v", s.TreeWhy, why)
				}
				if diff := cmp.Diff(append([]string{}, want...), ids(s)); diff != "" {
					t.Error(diff)
				}
			}
			expect(snapshot.NoFile) // the agent has not started
			c.MakeRoot()
			expect(snapshot.Present)
			c.Make("c2")
			c.Make("c1")
			expect(snapshot.Present, "c1", "c2")
			c.Make("c1/mesos/n1")
			expect(snapshot.Present, cmpNested(n, "c1", "n1", "c2")...)
			c.Make("not.an.id")
			c.Remove("c2")
			expect(snapshot.Present, "c1", "c1/n1")
			c.Remove("c1/mesos/n1")
			n.tick(time.Second, nil) // nested ones may take CheckEvery ticks
			expect(snapshot.Present, "c1")
			for _, h := range c.Hierarchies() {
				if err := os.RemoveAll(filepath.Join(c.Root, h, cgrouptest.CopiedMesosRoot)); err != nil {
					t.Fatal(err)
				}
			}
			expect(snapshot.NoFile)
			c.MakeRoot()
			c.Make("c3")
			expect(snapshot.Present, "c3")
			if open := n.Stats().OpenFiles; open > 30 {
				t.Errorf("%d descriptors for one container", open)
			}
		})
	}
}

// cmpNested lets a nested container take CheckEvery ticks to be found: it ticks
// once more first.
func cmpNested(n *node, parent, child string, others ...string) []string {
	n.tick(time.Second, nil)
	return append([]string{parent}, append(others, parent+"/"+child)...)
}

func TestAbsences(t *testing.T) {
	for _, tc := range []struct {
		name   string
		break_ func(t *testing.T, c *cgrouptest.Copied)
		cpu    snapshot.Absence
		cores  snapshot.Absence
		usage  snapshot.Absence
		set    snapshot.Absence
		pids   snapshot.Absence
	}{
		{
			"all is well", func(*testing.T, *cgrouptest.Copied) {},
			snapshot.Present, snapshot.Present, snapshot.Present, snapshot.Present, snapshot.Present,
		},
		{
			"counter backwards",
			func(_ *testing.T, c *cgrouptest.Copied) { c.Write("cpuacct", "c1", "cpuacct.usage", "1\n") },
			snapshot.Present, snapshot.Backwards, snapshot.Present, snapshot.Present, snapshot.Present,
		},
		{
			"usage is not a number",
			func(_ *testing.T, c *cgrouptest.Copied) { c.Write("cpuacct", "c1", "cpuacct.usage", "many\n") },
			snapshot.Malformed, snapshot.Malformed, snapshot.Present, snapshot.Present, snapshot.Present,
		},
		{
			"usage is cut off",
			func(_ *testing.T, c *cgrouptest.Copied) { c.Write("cpuacct", "c1", "cpuacct.usage", "20000") },
			snapshot.Truncated, snapshot.Truncated, snapshot.Present, snapshot.Present, snapshot.Present,
		},
		{
			"memory usage is empty",
			func(_ *testing.T, c *cgrouptest.Copied) { c.Write("memory", "c1", "memory.usage_in_bytes", "") },
			snapshot.Present, snapshot.Present, snapshot.Truncated, snapshot.Truncated, snapshot.Present,
		},
		{
			"memory.stat lacks the key",
			func(_ *testing.T, c *cgrouptest.Copied) { c.Write("memory", "c1", "memory.stat", "cache 1\n") },
			snapshot.Present, snapshot.Present, snapshot.Present, snapshot.NoKey, snapshot.Present,
		},
		{
			"pids is a directory",
			func(t *testing.T, c *cgrouptest.Copied) {
				path := filepath.Join(c.Dir("pids", "c1"), "pids.current")
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(path, 0o755); err != nil {
					t.Fatal(err)
				}
			},
			snapshot.Present, snapshot.Present, snapshot.Present, snapshot.Present, snapshot.Failed,
		},
		{
			"no memory hierarchy",
			func(t *testing.T, c *cgrouptest.Copied) {
				if err := os.RemoveAll(c.Dir("memory", "c1")); err != nil {
					t.Fatal(err)
				}
			},
			snapshot.Present, snapshot.Present, snapshot.NoFile, snapshot.NoFile, snapshot.Present,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := copied(t, cgrouptest.Split)
			c.Make("c1")
			n := newNode(t, monitor.Config{CgroupRoot: c.Root, StatEvery: 1})
			if tc.cores == snapshot.Present || tc.cores == snapshot.Backwards {
				n.tick(time.Second, nil)
			}
			// A file that is replaced has to be so before it is opened.
			if tc.pids != snapshot.Present || tc.usage == snapshot.NoFile {
				n = newNode(t, monitor.Config{CgroupRoot: c.Root, StatEvery: 1})
				tc.break_(t, c)
				n.tick(time.Second, nil)
			} else {
				tc.break_(t, c)
			}
			got := only(t, n.tick(time.Second, nil))
			type reasons struct{ CPU, Cores, Usage, WorkingSet, Pids snapshot.Absence }
			want := reasons{tc.cpu, tc.cores, tc.usage, tc.set, tc.pids}
			if diff := cmp.Diff(want, reasons{
				got.CPU.UsageNanos.Why, got.CPU.Cores.Why,
				got.Memory.UsageBytes.Why, got.Memory.UnreclaimableBytes.Why, got.Pids.Why,
			}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	dir := t.TempDir()
	// Another user has to come this far.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := cgrouptest.NewCopied(t, dir, cgrouptest.Split)
	c.MakeRoot()
	c.Make("c1")
	for _, name := range []string{"memory.usage_in_bytes", "memory.stat"} {
		if err := os.Chmod(filepath.Join(c.Dir("memory", "c1"), name), 0); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		cgrouptest.RunAs(t, cgrouptest.Nobody, rerunOK, deniedEnv+"="+c.Root)
	} else if err := sampleDenied(c.Root); err != nil {
		t.Error(err)
	}
}

func TestQuotaComesAndGoes(t *testing.T) {
	c, n := copied(t, cgrouptest.Split)
	c.Make("c1")
	throttled := func() snapshot.Count {
		var got snapshot.Count
		for range 3 { // CheckEvery
			got = only(t, n.tick(time.Second, nil)).CPU.ThrottledNanos
		}
		return got
	}
	if got := throttled(); got != count(500_000_000) {
		t.Errorf("with a quota: %+v", got)
	}
	c.Write("cpu", "c1", "cpu.cfs_quota_us", "-1\n")
	if got := throttled(); got != noCount(snapshot.NoQuota) {
		t.Errorf("without a quota: %+v", got)
	}
	c.Write("cpu", "c1", "cpu.cfs_quota_us", "50000\n")
	if got := throttled(); got != count(500_000_000) {
		t.Errorf("with a quota again: %+v", got)
	}
}

func TestMemoryStatIsReadAtItsTurn(t *testing.T) {
	c, n := copied(t, cgrouptest.UnifiedV2)
	c.Make("c1")
	n.tick(time.Second, nil)
	c.Write("memory", "c1", "memory.stat", "anon 1\ninactive_file 2\nactive_file 1\n")
	seen := 0
	for range 6 {
		got := only(t, n.tick(time.Second, nil))
		if got.Memory.StatAt.Equal(got.At) {
			seen++
			if got.Memory.AnonBytes != count(1) {
				t.Errorf("at its turn: %+v", got.Memory)
			}
		}
	}
	if seen != 2 {
		t.Errorf("read %d times in 6 ticks with StatEvery 3", seen)
	}
}

// Rates are of monotonic time: whoever sets the wall clock does not move them.
func TestWallClockSteps(t *testing.T) {
	c, n := copied(t, cgrouptest.Split)
	c.Make("c1")
	for i, wall := range []time.Time{epoch, epoch.Add(time.Hour), epoch.Add(-24 * time.Hour)} {
		c.Write("cpuacct", "c1", "cpuacct.usage", fmt.Sprintln(1_000_000_000*i))
		n.clock.mono += 2 * time.Second
		got := only(t, n.Sample(wall, nil))
		if !got.At.Equal(wall) {
			t.Errorf("tick %d: at %v, want %v", i, got.At, wall)
		}
		if i > 0 && got.CPU.Cores != value(0.5) {
			t.Errorf("tick %d: %+v, want half a core", i, got.CPU.Cores)
		}
	}
}

// A read in which the scheduler stopped us says nothing of when the counter
// was taken, so it is made once more.
func TestInterruptedReadIsMadeAgain(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.Split)
	c.MakeRoot()
	c.Make("c1")
	var mono, step time.Duration
	m, err := monitor.New(monitor.Config{CgroupRoot: c.Root, StatEvery: 1000, Monotonic: func() time.Duration {
		mono += step
		return mono
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	m.Sample(epoch, nil)
	m.Sample(epoch, nil)
	calm := m.Stats().Tree.Reads
	step = 2 * time.Millisecond // each reading of the clock is that much later
	m.Sample(epoch, nil)
	if got := m.Stats().Tree.Reads; got != calm+1 {
		t.Errorf("%d reads, %d on a calm node", got, calm)
	}
}

// The working set is a difference with a file that is read seldom: a usage
// that jumps has it read at once.
func TestMemoryStatIsReadEarlyWhenTheUsageJumps(t *testing.T) {
	c := cgrouptest.NewCopied(t, t.TempDir(), cgrouptest.UnifiedV2)
	c.MakeRoot()
	c.Make("c1")
	n := newNode(t, monitor.Config{CgroupRoot: c.Root, StatEvery: 1000})
	n.tick(time.Second, nil)
	c.Write("memory", "c1", "memory.stat", "anon 1\ninactive_file 2\nactive_file 1\n")
	if got := only(t, n.tick(time.Second, nil)); got.Memory.AnonBytes != count(64<<20) {
		t.Fatalf("read without need: %+v", got.Memory)
	}
	c.Write("memory", "c1", "memory.current", fmt.Sprintln(200<<20))
	got := only(t, n.tick(time.Second, nil))
	if got.Memory.AnonBytes != count(1) || got.Memory.UnreclaimableBytes != count(200<<20-3) || n.Stats().Tree.EarlyStats != 1 {
		t.Errorf("after the jump: %+v, %+v", got.Memory, n.Stats().Tree)
	}
}

// A snapshot stays as it is while the next one is made.
func TestSnapshotOutlivesTheNextTick(t *testing.T) {
	c, n := copied(t, cgrouptest.Split)
	c.Make("c1")
	first := n.tick(time.Second, nil)
	before := *first
	before.Containers = append([]snapshot.Container(nil), first.Containers...)
	c.Make("c2")
	c.Write("cpuacct", "c1", "cpuacct.usage", "9000000000\n")
	n.tick(time.Second, nil)
	if diff := cmp.Diff(&before, first); diff != "" {
		t.Error(diff)
	}
}

func TestSteadyTickAllocatesNothing(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			c, n := copied(t, shape)
			for i := range 50 {
				c.Make(fmt.Sprintf("c%02d", i))
			}
			c.Make("c00/mesos/n1")
			usage := &snapshot.Usage{Executors: []snapshot.Executor{{ContainerID: "c01"}, {ContainerID: "elsewhere"}}}
			for range 10 {
				n.tick(time.Second, usage)
			}
			if got := testing.AllocsPerRun(20, func() { n.tick(time.Second, usage) }); got != 0 {
				t.Errorf("%v allocations per tick", got)
			}
		})
	}
}
