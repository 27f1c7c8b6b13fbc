package monitor_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// What a tick costs, and what the alternatives cost for the same containers in
// the same run. Trust the ratios, not the times: see docs/evidence/cost.md.

// perContainer reports the time of one container.
func perContainer(b *testing.B, containers int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(containers), "ns/container")
}

// realContainers makes n containers in real cgroups, which have used memory and
// CPU time.
func realContainers(b *testing.B, n int) (*cgrouptest.Real, []string) {
	b.Helper()
	r := cgrouptest.NewReal(b)
	names := make([]string, n)
	pid, touch := cgrouptest.NewToucher(b)
	for i := range names {
		names[i] = fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", i)
		r.Make(names[i])
		r.Enter(names[i], pid)
		touch()
	}
	return r, names
}

var sizes = []int{10, 100, 1000}

func benchmarkTick(b *testing.B, cfg monitor.Config, containers int) {
	b.Helper()
	// Ticks without a pause are no second apart.
	cfg.CostBudget = math.Inf(1)
	m, err := monitor.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer closeMonitor(b, m)
	now := time.Now()
	for range 2 * monitor.DefaultCheckEvery {
		m.Sample(now, nil)
	}
	if got := m.Stats().OnDisk; got != containers {
		b.Fatalf("%d containers of %d", got, containers)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Sample(now, nil)
	}
	perContainer(b, containers)
}

func BenchmarkTick(b *testing.B) {
	for _, n := range append(sizes, 5000) {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) {
			r, _ := realContainers(b, n)
			benchmarkTick(b, monitor.Config{MesosRoot: r.Name}, n)
		})
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("copied/%d", n), func(b *testing.B) {
			c := cgrouptest.NewCopied(b, b.TempDir(), cgrouptest.UnifiedV2)
			c.MakeRoot()
			for i := range n {
				c.Make(fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", i))
			}
			benchmarkTick(b, monitor.Config{CgroupRoot: c.Root}, n)
		})
	}
}

// BenchmarkChurn is a tick of 2000 containers of which 200 went, the oldest or the
// newest, and 200 came since the one before, with a second between the two.
func BenchmarkChurn(b *testing.B) {
	for _, tc := range []struct {
		name   string
		churn  int
		newest bool
	}{{"none", 0, false}, {"oldest", 200, false}, {"newest", 200, true}} {
		churn := tc.churn
		b.Run("real/2000/"+tc.name, func(b *testing.B) {
			const n = 2000
			r, names := realContainers(b, n)
			names = names[:n-1] // a process is in the last one
			var mono time.Duration
			m, err := monitor.New(monitor.Config{MesosRoot: r.Name, Monotonic: func() time.Duration { return mono }})
			if err != nil {
				b.Fatal(err)
			}
			defer closeMonitor(b, m)
			next := n
			tick := func() time.Duration {
				gone := names[:churn]
				if tc.newest {
					gone = names[len(names)-churn:]
				}
				for i, name := range gone {
					r.Remove(name)
					gone[i] = fmt.Sprintf("0a6e8b3c-2d1f-4a55-9c3e-%012d", next)
					next++
					r.Make(gone[i])
				}
				if !tc.newest {
					names = append(names[churn:], gone...)
				}
				mono += time.Second
				m.Sample(time.Unix(0, int64(mono)), nil)
				if got := m.Stats().OnDisk; got != n {
					b.Fatalf("%d containers of %d", got, n)
				}
				return m.Stats().Cost
			}
			for range 20 {
				tick()
			}
			cost := time.Duration(0)
			for b.Loop() {
				cost += tick()
			}
			b.ReportMetric(float64(cost.Nanoseconds())/float64(b.N)/1e9*100, "%core")
		})
	}
}

// BenchmarkTickStatEachTime reads memory.stat at each tick.
func BenchmarkTickStatEachTime(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) {
			r, _ := realContainers(b, n)
			benchmarkTick(b, monitor.Config{MesosRoot: r.Name, StatEvery: 1}, n)
		})
	}
}

// BenchmarkContainerdStat reads the containers with containerd/cgroups' Stat,
// loaded once.
func BenchmarkContainerdStat(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) {
			r, names := realContainers(b, n)
			stats := make([]func() oracle, n)
			for i, name := range names {
				stats[i] = containerd(b, r.Layout.Mode, "/"+r.Name+"/"+name)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, stat := range stats {
					stat()
				}
			}
			perContainer(b, n)
		})
	}
}

// tickFiles are the files a tick reads of each container, the slow ones last: memory.stat and pids.current.
func tickFiles(r *cgrouptest.Real, name string) []string {
	if r.Layout.Mode == cgroup.V2 {
		dir := r.Dir("cpu", name)
		return []string{
			filepath.Join(dir, "cpu.stat"), filepath.Join(dir, "memory.current"),
			filepath.Join(dir, "cpu.pressure"), filepath.Join(dir, "memory.pressure"), filepath.Join(dir, "io.pressure"),
			filepath.Join(dir, "memory.stat"), filepath.Join(dir, "pids.current"),
		}
	}
	return []string{
		filepath.Join(r.Dir("cpuacct", name), "cpuacct.usage"),
		filepath.Join(r.Dir("memory", name), "memory.usage_in_bytes"),
		filepath.Join(r.Dir("memory", name), "memory.stat"),
		filepath.Join(r.Dir("pids", name), "pids.current"),
	}
}

// BenchmarkOpenReadClose opens, reads and closes the same files at the same
// cadence with plain system calls and one buffer, and parses nothing.
func BenchmarkOpenReadClose(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) {
			r, names := realContainers(b, n)
			buf := make([]byte, 16<<10)
			files := make([][]string, n)
			for i, name := range names {
				files[i] = tickFiles(r, name)
			}
			every := cadenceOf(n, monitor.DefaultStatEvery)
			for tick := 0; b.Loop(); tick++ {
				for i, paths := range files {
					for _, path := range at(every, paths, tick+i) {
						fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
						if err != nil {
							b.Fatal(err)
						}
						if _, err := unix.Pread(fd, buf, 0); err != nil {
							b.Fatal(err)
						}
						unix.Close(fd)
					}
				}
			}
			perContainer(b, n)
		})
	}
}

// BenchmarkBarePread is the floor: the same files at the same cadence, open
// already, read and not looked at.
func BenchmarkBarePread(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) { benchmarkBarePread(b, n, monitor.DefaultStatEvery) })
	}
}

func benchmarkBarePread(b *testing.B, n, statEvery int) {
	b.Helper()
	r, names := realContainers(b, n)
	buf := make([]byte, 16<<10)
	files := make([][]int, n)
	for i, name := range names {
		for _, path := range tickFiles(r, name) {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Close(fd)
			files[i] = append(files[i], fd)
		}
	}
	every := cadenceOf(n, statEvery)
	for tick := 0; b.Loop(); tick++ {
		for i, fds := range files {
			for _, fd := range at(every, fds, tick+i) {
				if _, err := unix.Pread(fd, buf, 0); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	perContainer(b, n)
}

// BenchmarkBarePreadStatEachTime is the floor with memory.stat at each tick.
func BenchmarkBarePreadStatEachTime(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) { benchmarkBarePread(b, n, 1) })
	}
}

// cadence is how many ticks lie between two readings of a container's
// memory.stat, and of its pids.current: with too many containers to keep both
// open the latter is read seldom.
type cadence struct{ stat, pids int }

func cadenceOf(containers, statEvery int) cadence {
	c := cadence{stat: statEvery, pids: statEvery}
	if v1Files := 4; containers*v1Files > monitor.DefaultKeepFiles {
		c.pids = monitor.DefaultCheckEvery
	}
	return c
}

// at is what of files, which end with memory.stat and pids.current, is read in
// that turn: c.pids is a multiple of c.stat.
func at[T any](c cadence, files []T, turn int) []T {
	switch {
	case turn%c.pids == 0:
		return files
	case turn%c.stat == 0:
		return files[:len(files)-1]
	}
	return files[:len(files)-2]
}
