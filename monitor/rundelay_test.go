package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// waiters is a node with threads that wait, on copied trees.
type waiters struct {
	*cgrouptest.Copied
	t     *testing.T
	n     *node
	proc  string
	v2    bool
	usage *snapshot.Usage
	host  time.Duration // that some task of it waited
}

func newWaiters(t *testing.T, shape cgrouptest.Shape) *waiters {
	t.Helper()
	w := &waiters{
		t: t, Copied: cgrouptest.NewCopied(t, t.TempDir(), shape), proc: t.TempDir(),
		v2: shape == cgrouptest.UnifiedV2, usage: &snapshot.Usage{},
	}
	w.MakeRoot()
	w.file("pressure/cpu", pressureText(0))
	w.file("self/schedstat", "1 2 3\n")
	w.n = newNode(t, monitor.Config{
		CgroupRoot: w.Root, ProcRoot: w.proc,
		// How much is read is not to depend on how fast this machine is.
		ThreadCPU: func() time.Duration { return 0 },
	})
	return w
}

func pressureText(total time.Duration) string {
	return fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", total.Microseconds())
}

func (w *waiters) file(rel, text string) {
	w.t.Helper()
	path := filepath.Join(w.proc, rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// threads makes tids the threads of a container, which is made if need be.
func (w *waiters) threads(rel string, tids ...int) {
	w.t.Helper()
	var list strings.Builder
	for _, tid := range tids {
		fmt.Fprintln(&list, tid)
	}
	name := "tasks"
	if w.v2 {
		name = "leaf/cgroup.threads"
	}
	w.Write("cpuacct", rel, name, list.String())
}

func (w *waiters) container(id string, class snapshot.Class, tids ...int) {
	w.t.Helper()
	w.Make(id)
	if w.v2 {
		if err := os.Remove(filepath.Join(w.Dir("cpu", id), "cpu.pressure")); err != nil {
			w.t.Fatal(err)
		}
	} else {
		w.Write("cpu", id, "cpu.cfs_quota_us", "-1\n")
	}
	w.threads(id, tids...)
	w.usage.Executors = append(w.usage.Executors, snapshot.Executor{ContainerID: id, Class: class})
	w.usage = &snapshot.Usage{Executors: w.usage.Executors}
}

func (w *waiters) waited(tid int, d time.Duration) {
	w.file(fmt.Sprintf("%d/schedstat", tid), fmt.Sprintf("1000000 %d 12\n", d.Nanoseconds()))
}

// tick is a second in which some task of the host waited for so much of it.
func (w *waiters) tick(busy float64) map[string]snapshot.Value {
	w.t.Helper()
	w.host += time.Duration(busy * 1e9)
	w.file("pressure/cpu", pressureText(w.host))
	got := map[string]snapshot.Value{}
	for _, c := range w.n.tick(time.Second, w.usage).Containers {
		got[c.ID] = c.CPU.RunDelay
	}
	return got
}

func TestRunDelay(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		t.Run(string(shape), func(t *testing.T) {
			w := newWaiters(t, shape)
			w.container("hog", snapshot.ClassRevocable, 9)
			w.container("web", snapshot.ClassRegular, 11, 12)
			if w.v2 { // one with a quota is another test
				w.Write("cpu", "web", "cpu.max", "max 100000\n")
			}
			expect := func(what string, busy float64, want snapshot.Value) {
				t.Helper()
				got := w.tick(busy)
				if got["web"].Why != want.Why || got["web"].V < want.V-1e-9 || got["web"].V > want.V+1e-9 || got["hog"] != noValue(snapshot.NotRead) {
					t.Errorf("%s: %+v, want %+v", what, got, want)
				}
			}
			for _, tid := range []int{9, 11, 12, 13} {
				w.waited(tid, time.Hour)
			}
			expect("nothing is known of the host", 0, noValue(snapshot.NotRead))
			expect("the host is idle", 0.04, noValue(snapshot.NotRead))
			expect("it is busy", 0.06, noValue(snapshot.FirstSample))
			w.waited(11, time.Hour+300*time.Millisecond)
			w.waited(12, time.Hour+500*time.Millisecond)
			expect("two wait", 0.06, value(0.8))
			expect("none waits", 0.06, value(0))
			w.waited(11, time.Hour+400*time.Millisecond)
			w.waited(13, time.Hour+time.Minute)
			w.threads("web", 13, 11)
			expect("one began, one ended", 0.06, value(0.1))
			w.waited(11, time.Hour)
			w.waited(13, time.Hour+time.Minute+time.Second)
			expect("one counts backwards, one waited all the time", 0.06, value(1))
			w.waited(11, time.Hour+time.Second/4)
			w.waited(13, 2*time.Hour)
			expect("one waited for longer than it can have", 0.06, noValue(snapshot.Impossible))
			w.waited(11, time.Hour+time.Second/2)
			expect("and goes on", 0.06, value(0.25))
			w.threads("web")
			expect("none is left", 0.06, value(0))
			w.threads("web", 11)
			expect("none was there before", 0.06, noValue(snapshot.FirstSample))
			w.threads("web", 11, 999999)
			expect("one has ended since it was listed", 0.06, value(0))
			w.Write("cpuacct", "web", map[bool]string{true: "leaf/cgroup.threads", false: "tasks"}[w.v2], "eleven\n")
			expect("what is no list", 0.06, noValue(snapshot.Malformed))
			w.threads("web", 11)
			expect("a list again", 0.06, noValue(snapshot.FirstSample))
			for range 5 {
				expect("busy a moment ago", 0, value(0))
			}
			open := w.n.Stats().OpenFiles
			expect("idle", 0, noValue(snapshot.NotRead))
			if got := w.n.Stats().OpenFiles; got != open-1 {
				t.Errorf("%d descriptors, %d before", got, open)
			}
		})
	}
}

// A wait is added when it ends, however long it was.
func TestRunDelayOfALongWait(t *testing.T) {
	w := newWaiters(t, cgrouptest.Split)
	w.container("web", snapshot.ClassRegular, 11)
	w.waited(11, time.Hour)
	for range 6 {
		w.tick(1)
	}
	w.waited(11, time.Hour+5*time.Second)
	if got := w.tick(1)["web"]; got != value(1) {
		t.Errorf("five seconds until now: %+v, want all of this one", got)
	}
}

// Threads that cannot be seen are not none: those of another PID namespace.
func TestRunDelayOfHiddenThreads(t *testing.T) {
	for _, shape := range cgrouptest.Shapes() {
		w := newWaiters(t, shape)
		w.container("web", snapshot.ClassRegular)
		used := 2 * time.Second
		for i, tc := range []struct {
			what string
			list string
			used time.Duration
			want snapshot.Value
		}{
			{"at first", "", 0, noValue(snapshot.NotRead)},
			{"none is listed, but one uses CPU", "", time.Second / 2, noValue(snapshot.Hidden)},
			{"all are listed as 0", "0\n0\n", 0, noValue(snapshot.Hidden)},
			{"one that is not there", "999999\n", time.Second / 2, noValue(snapshot.Hidden)},
			{"nobody is in it", "", 0, value(0)},
		} {
			used += tc.used
			if w.v2 {
				w.Write("cpu", "web", "cpu.max", "max 100000\n")
				w.Write("cpu", "web", "cpu.stat", fmt.Sprintf("usage_usec %d\n", used.Microseconds()))
			} else {
				w.Write("cpuacct", "web", "cpuacct.usage", fmt.Sprintln(used.Nanoseconds()))
			}
			w.Write("cpuacct", "web", map[bool]string{true: "leaf/cgroup.threads", false: "tasks"}[w.v2], tc.list)
			if got := w.tick(1)["web"]; got != tc.want {
				t.Errorf("%s, %d: %s: %+v, want %+v", shape, i, tc.what, got, tc.want)
			}
		}
	}
}

// What the container's own quota held back is charged to each thread that had
// to wait for it.
func TestRunDelayWithoutThrottling(t *testing.T) {
	w := newWaiters(t, cgrouptest.Split)
	w.container("web", snapshot.ClassRegular, 1, 2)
	w.Write("cpu", "web", "cpu.cfs_quota_us", "20000\n")
	set := func(throttled time.Duration, one, two time.Duration) {
		w.Write("cpu", "web", "cpu.stat", fmt.Sprintf("nr_periods 1\nnr_throttled 1\nthrottled_time %d\n", throttled.Nanoseconds()))
		w.waited(1, one)
		w.waited(2, two)
	}
	const ms = time.Millisecond
	set(0, 0, 0)
	w.tick(1)
	w.tick(1)
	for i, want := range []snapshot.Value{value(0.2), value(0.05), noValue(snapshot.Backwards), value(0.4)} {
		switch i {
		case 0: // as measured: 0.2 of the CPU, shared by two
			set(800*ms, 900*ms, 900*ms)
		case 1: // one of them did not run at all
			set(1200*ms, 1350*ms, 900*ms)
		case 2:
			set(100*ms, 1350*ms, 900*ms)
		case 3:
			set(100*ms, 1750*ms, 900*ms)
		}
		if got := w.tick(1)["web"]; got.Why != want.Why || got.V < want.V-1e-9 || got.V > want.V+1e-9 {
			t.Errorf("%d: %+v, want %+v", i, got, want)
		}
	}
	w.Write("cpu", "web", "cpu.stat", "nr_periods 1\n")
	if got := w.tick(1)["web"]; got != noValue(snapshot.NoKey) {
		t.Errorf("without throttled_time: %+v", got)
	}
}

func TestRunDelayOfNested(t *testing.T) {
	w := newWaiters(t, cgrouptest.Split)
	w.container("pod", snapshot.ClassRegular, 1)
	w.Make("pod/mesos/a")
	w.Write("cpu", "pod/mesos/a", "cpu.cfs_quota_us", "20000\n")
	w.Write("cpu", "pod/mesos/a", "cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 0\n")
	w.threads("pod/mesos/a", 2)
	w.waited(1, 0)
	w.waited(2, 0)
	for range 3 {
		w.tick(1)
	}
	w.waited(1, 600*time.Millisecond)
	w.waited(2, 700*time.Millisecond)
	w.Write("cpu", "pod/mesos/a", "cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 500000000\n")
	got := w.tick(1)
	// Whose thread it is that its quota held back is not looked at.
	if v := got["pod"]; !v.OK() || v.V < 0.3-1e-9 || v.V > 0.3+1e-9 {
		t.Errorf("%+v", got)
	}
	if got["a"] != noValue(snapshot.NotRead) {
		t.Errorf("the nested one by itself: %+v", got["a"])
	}
}

func TestRunDelayIsBounded(t *testing.T) {
	w := newWaiters(t, cgrouptest.Split)
	next := 1
	tids := func(n int) (list []int) {
		for range n {
			list = append(list, next)
			w.waited(next, 0)
			next++
		}
		return list
	}
	ids := []string{"a", "b", "c", "d", "e"}
	for _, id := range ids {
		w.container(id, snapshot.ClassRegular, tids(200)...)
	}
	w.container("many", snapshot.ClassRegular, tids(513)...)
	w.tick(1)
	read := map[string]int{}
	most, others := 0, w.n.Stats().OpenFiles
	for range 40 {
		for id, v := range w.tick(1) {
			switch v.Why {
			case snapshot.Present:
				read[id]++
			case snapshot.NotRead, snapshot.FirstSample:
			default:
				t.Fatalf("%s: %+v", id, v)
			}
		}
		most = max(most, w.n.Stats().OpenFiles-others)
	}
	for _, id := range ids {
		if read[id] < 5 { // fewer where few files may be open
			t.Errorf("%s was read %d times in 40 ticks: %v", id, read[id], read)
		}
	}
	if read["many"] != 0 || most > 512 || most < 200 {
		t.Errorf("%v, up to %d descriptors", read, most)
	}
}

// The threads of so many containers are listed in a tick, however few they have.
func TestRunDelayOfManyContainers(t *testing.T) {
	w := newWaiters(t, cgrouptest.Split)
	const containers = 150
	for i := range containers {
		w.container(fmt.Sprintf("c%03d", i), snapshot.ClassRegular)
	}
	for range 10 {
		w.tick(0) // they are young no more
	}
	quiet := w.n.Stats().Tree.Opens
	w.tick(1)
	seen := map[string]int{}
	most := 0
	for range 20 {
		for id, v := range w.tick(1) {
			if v.OK() {
				seen[id]++
			}
		}
		most = max(most, w.n.Stats().Tree.Opens)
	}
	if len(seen) != containers || most > quiet+64+containers/5 {
		t.Errorf("%d of %d were read, with %d files opened in a tick and %d without", len(seen), containers, most, quiet)
	}
}

func TestRunDelayUnknown(t *testing.T) {
	t.Run("a kernel without schedstat", func(t *testing.T) {
		w := newWaiters(t, cgrouptest.Split)
		w.container("web", snapshot.ClassRegular, 1)
		if err := os.RemoveAll(filepath.Join(w.proc, "self")); err != nil {
			t.Fatal(err)
		}
		w.tick(1)
		if got := w.tick(1)["web"]; got != noValue(snapshot.NoFile) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a container with pressure of its own", func(t *testing.T) {
		w := newWaiters(t, cgrouptest.UnifiedV2)
		w.container("web", snapshot.ClassRegular, 1)
		w.waited(1, 0)
		w.Write("cpu", "web", "cpu.pressure", pressureText(0))
		w.tick(1)
		w.tick(1)
		if got := w.tick(1)["web"]; got != noValue(snapshot.NotRead) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a host without pressure", func(t *testing.T) {
		w := newWaiters(t, cgrouptest.Split)
		if err := os.RemoveAll(filepath.Join(w.proc, "pressure")); err != nil {
			t.Fatal(err)
		}
		w.container("web", snapshot.ClassRegular, 1)
		w.waited(1, 0)
		busy := 0
		for i, tc := range []struct {
			percent int
			want    snapshot.Absence
		}{
			{0, snapshot.NotRead}, {79, snapshot.NotRead}, {81, snapshot.FirstSample}, {50, snapshot.Present},
		} {
			busy += tc.percent
			w.file("stat", fmt.Sprintf("cpu  %d 0 0 7 0 0 0 0 0 0\ncpu0 %d 0 0 7 0 0 0 0 0 0\nintr 1\n", busy, busy))
			w.n.clock.mono += time.Second
			s := w.n.Sample(epoch.Add(w.n.clock.mono), w.usage)
			if got := s.Containers[0].CPU.RunDelay; got.Why != tc.want {
				t.Errorf("%d: %+v, want %v", i, got, tc.want)
			}
		}
	})
}

func TestRunDelayAllocatesNothing(t *testing.T) {
	w := newWaiters(t, cgrouptest.Split)
	for i := range 10 {
		w.container(fmt.Sprintf("c%d", i), snapshot.ClassRegular, 2*i+1, 2*i+2)
		w.waited(2*i+1, 0)
		w.waited(2*i+2, 0)
	}
	for range 3 {
		w.tick(1)
	}
	// Within the ticks that it goes on.
	read := 0
	if got := testing.AllocsPerRun(3, func() {
		if w.n.tick(time.Second, w.usage).Containers[0].CPU.RunDelay.OK() {
			read++
		}
	}); got != 0 || read != 4 {
		t.Errorf("%v allocations, read in %d of 4 ticks", got, read)
	}
}
