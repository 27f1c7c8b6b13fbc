package monitor_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// stepsEnv is how many steps are measured; two are enough to see that it works.
const stepsEnv = "ESTIMATORD_TEST_STEPS"

// contended is a regular container with a spinner, and one with a revocable
// spinner on the same processor, which is stopped.
type contended struct {
	r     *cgrouptest.Real
	m     *monitor.Monitor
	fast  *monitor.FastSampler
	hog   int
	usage *snapshot.Usage
}

func newContended(t *testing.T, maxWakes int) *contended {
	t.Helper()
	s := &contended{r: cgrouptest.NewReal(t), usage: &snapshot.Usage{Executors: []snapshot.Executor{
		{ContainerID: "web", Class: snapshot.ClassRegular}, {ContainerID: "hog", Class: snapshot.ClassRevocable},
	}}}
	for _, id := range []string{"web", "hog"} {
		s.r.Make(id)
		pid, start := cgrouptest.NewBurner(t)
		s.r.Enter(id, pid)
		start()
		pin(t, pid)
		if id == "hog" {
			s.hog = pid
		}
	}
	s.signal(t, unix.SIGSTOP)
	// Whatever else runs here shall not be what contends.
	name, weight := "cpu.shares", "262144"
	if s.r.Layout.Mode == cgroup.V2 {
		name, weight = "cpu.weight", "10000"
	}
	if err := os.WriteFile(s.r.Dir("cpu", "")+"/"+name, []byte(weight), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := monitor.New(monitor.Config{MesosRoot: s.r.Name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeMonitor(t, m) })
	s.m, s.fast = m, m.NewFastSampler(maxWakes)
	t.Cleanup(s.fast.Close)
	return s
}

// pin leaves every thread of a process the last processor only.
func pin(t *testing.T, pid int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	last := 0
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			last = cpu
		}
	}
	set.Zero()
	set.Set(last)
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil {
			t.Fatal(err)
		}
	}
}

func (s *contended) signal(t *testing.T, sig unix.Signal) {
	t.Helper()
	if err := unix.Kill(s.hog, sig); err != nil {
		t.Fatal(err)
	}
}

// A spinner that starts beside a regular one is noticed, and so is that it
// stopped. How fast is logged: it depends on the machine.
func TestRealFastNoticesAStep(t *testing.T) {
	s := newContended(t, 1000)
	if q := s.fast.Poll(time.Now()); q.Why == snapshot.ContentionNoPressure {
		t.Skip("this kernel has no pressure")
	}
	steps := 2
	if n, err := strconv.Atoi(os.Getenv(stepsEnv)); err == nil {
		steps = n
	}
	ticks := time.NewTicker(monitor.FastEvery)
	defer ticks.Stop()
	polls, wakes := 0, 0
	poll := func() snapshot.Contention {
		<-ticks.C
		if polls%10 == 0 {
			s.fast.Follow(s.m.Sample(time.Now(), s.usage))
		}
		polls++
		return s.fast.Poll(time.Now())
	}
	calm := func() {
		t.Helper()
		for row, deadline := 0, time.Now().Add(time.Minute); row < 15; {
			if time.Now().After(deadline) {
				t.Fatalf("not calm: %+v", s.fast.Poll(time.Now()))
			}
			q := poll()
			if row++; q.State != snapshot.ContentionCalm {
				row = 0
			}
			if q.Wake {
				wakes++
			}
		}
	}
	// step lets the hog go, anywhere between two polls, and returns how long it
	// took to be noticed.
	step := func(i int) (time.Duration, bool) {
		calm()
		time.Sleep(time.Duration(i*37%100) * time.Millisecond)
		began := time.Now()
		s.signal(t, unix.SIGCONT)
		defer s.signal(t, unix.SIGSTOP)
		for time.Since(began) < 3*time.Second {
			if q := poll(); q.Wake && q.Container == "web" && q.State == snapshot.ContentionContended {
				return time.Since(began), true
			}
		}
		return 0, false
	}
	var noticed []time.Duration
	missed := 0
	for i := range steps {
		took, ok := step(i)
		// What it tells apart is before and after. Where the machine stops this
		// test over the step there is no before, so it may try again.
		for try := 1; !ok && try < 5; try++ {
			missed++
			took, ok = step(i)
		}
		if !ok {
			t.Fatalf("step %d was not noticed in five tries: %+v", i, s.fast.Poll(time.Now()))
		}
		noticed = append(noticed, took)
	}
	slices.Sort(noticed)
	t.Logf("%d steps: p50 %v, p90 %v, slowest %v; %d missed; %d wakes without a step in %d polls",
		steps, noticed[steps/2], noticed[steps*9/10], noticed[steps-1], missed, wakes, polls)
}

// BenchmarkFast is one poll of real containers that used CPU.
func BenchmarkFast(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("real/%d", n), func(b *testing.B) {
			r, names := realContainers(b, n)
			m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
			if err != nil {
				b.Fatal(err)
			}
			defer closeMonitor(b, m)
			usage := &snapshot.Usage{}
			for _, name := range names {
				usage.Executors = append(usage.Executors, snapshot.Executor{ContainerID: name, Class: snapshot.ClassRegular})
			}
			fast := m.NewFastSampler(0)
			defer fast.Close()
			fast.Follow(m.Sample(time.Now(), usage))
			now := time.Now()
			if q := fast.Poll(now); q.Watched != n {
				b.Skipf("%+v", q)
			}
			b.ReportAllocs()
			for b.Loop() {
				fast.Poll(now)
			}
			// As a share of one core.
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(monitor.FastEvery)*100, "%core")
		})
	}
}
