package monitor_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// step is how far apart polls are here.
const step = 100 * time.Millisecond

// fastNode is a fast sampler on a copied tree and a stepped clock.
type fastNode struct {
	*cgrouptest.Copied
	t     *testing.T
	n     *node
	fast  *monitor.FastSampler
	proc  string
	usage *snapshot.Usage
	host  int // the host's total, in µs
}

func newFastSampler(t *testing.T, shape cgrouptest.Shape, maxWakes int, ids ...string) *fastNode {
	t.Helper()
	l := &fastNode{t: t, Copied: cgrouptest.NewCopied(t, t.TempDir(), shape), proc: t.TempDir(), usage: &snapshot.Usage{}}
	l.MakeRoot()
	if err := os.Mkdir(filepath.Join(l.proc, "pressure"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.busy(0)
	l.n = newNode(t, monitor.Config{CgroupRoot: l.Root, ProcRoot: l.proc})
	l.fast = l.n.NewFastSampler(maxWakes)
	t.Cleanup(l.fast.Close)
	l.regular(ids...)
	return l
}

// regular makes containers of that class, and follows them.
func (l *fastNode) regular(ids ...string) {
	l.t.Helper()
	for _, id := range ids {
		l.Make(id)
		l.usage.Executors = append(l.usage.Executors, snapshot.Executor{ContainerID: id, Class: snapshot.ClassRegular})
	}
	l.follow()
}

func (l *fastNode) follow() { l.fast.Follow(l.n.tick(0, l.usage)) }

// cpus is how many processors are online, 0: that cannot be told.
func (l *fastNode) cpus(n int) {
	l.t.Helper()
	text := "intr 1\n"
	for i := range n {
		text = fmt.Sprintf("cpu%d 1 0 0 7 0 0 0 0 0 0\n%s", i, text)
	}
	if err := os.WriteFile(filepath.Join(l.proc, "stat"), []byte("cpu  1 0 0 7 0 0 0 0 0 0\n"+text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	for range 31 { // a file that was missing is tried again
		l.follow()
	}
}

// busy adds to the time in which tasks of the host waited.
func (l *fastNode) busy(d time.Duration) {
	l.t.Helper()
	l.host += int(d.Microseconds())
	text := fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", l.host)
	if err := os.WriteFile(filepath.Join(l.proc, "pressure", "cpu"), []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// waited and used set the counters of one container.
func (l *fastNode) waited(id string, total time.Duration) {
	l.Write("cpu", id, "cpu.pressure", fmt.Sprintf("some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", total.Microseconds()))
}

func (l *fastNode) used(id string, total time.Duration) {
	l.Write("cpuacct", id, "cpuacct.usage", fmt.Sprintln(total.Nanoseconds()))
}

func (l *fastNode) poll() snapshot.Contention {
	l.n.clock.mono += step
	return l.fast.Poll(epoch.Add(l.n.clock.mono))
}

func (l *fastNode) expect(what string, want snapshot.Contention) {
	l.t.Helper()
	got := l.poll()
	want.At, want.Every = got.At, max(1, want.Every)
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 0.02)); diff != "" {
		l.t.Errorf("%s: %s", what, diff)
	}
}

func TestFastOnV2(t *testing.T) {
	l := newFastSampler(t, cgrouptest.UnifiedV2, 0, "web")
	l.Make("hog") // not regular: nobody asks about it
	l.follow()
	watch := snapshot.Contention{Why: snapshot.ContentionTooSoon, Regular: 1, Watched: 1}
	l.expect("first", watch)
	calm := watch
	calm.State, calm.Why, calm.Judged = snapshot.ContentionCalm, snapshot.ContentionNone, 1
	l.expect("second", calm)
	l.waited("hog", time.Hour)
	l.expect("the revocable one waits", calm)
	l.waited("web", 1050*time.Millisecond)
	contended := calm
	contended.State, contended.Why, contended.Container = snapshot.ContentionContended, snapshot.ContentionStalled, "web"
	contended.Degree, contended.Since = 0.5, epoch.Add(l.n.clock.mono+step)
	news := contended
	news.Wake = true
	l.expect("half of the time", news)
	l.waited("web", 1100*time.Millisecond)
	l.expect("it goes on", contended)
	l.expect("it is over", calm)
	l.Write("cpu", "web", "cpu.pressure", "some\n")
	l.expect("what cannot be understood", watch)
}

// A tick passes on what the last poll saw, and for how long that has been so,
// as long as polls are made.
func TestTickTellsWhatWasSeen(t *testing.T) {
	l := newFastSampler(t, cgrouptest.UnifiedV2, 0, "web", "db")
	if got := l.n.tick(time.Second, l.usage).Contention; got != (snapshot.Contention{}) {
		t.Errorf("before the first poll: %+v", got)
	}
	l.poll()
	l.poll()
	db, web := time.Second, time.Second
	var since time.Time
	for i := range 5 {
		db += 30 * time.Millisecond // is contended all the time
		l.waited("db", db)
		if i%2 == 0 {
			web += 60 * time.Millisecond // and this one more, at times
		}
		l.waited("web", web)
		seen := l.poll()
		if i == 0 {
			since = seen.At
		}
		got := l.n.tick(10*time.Millisecond, l.usage).Contention
		if got != seen {
			t.Errorf("poll %d: the tick says %+v, the poll %+v", i, got, seen)
		}
		id, from, degree := "db", since, 0.3
		if i%2 == 0 {
			id, from, degree = "web", seen.At, 0.6
		}
		// 110 ms lie between two polls.
		if i > 0 {
			degree *= 100.0 / 110
		}
		if got.State != snapshot.ContentionContended || got.Container != id || !got.Since.Equal(from) || math.Abs(got.Degree-degree) > 0.01 {
			t.Errorf("poll %d: %+v, want %s by %v since %v", i, got, id, degree, from)
		}
	}
	old := l.n.tick(time.Second-10*time.Millisecond, l.usage).Contention
	if old.State != snapshot.ContentionContended {
		t.Errorf("a second later: %+v", old)
	}
	old = l.n.tick(time.Millisecond, l.usage).Contention
	if want := (snapshot.Contention{At: old.At, Why: snapshot.ContentionStale}); old != want || old.At.IsZero() {
		t.Errorf("later than that: %+v", old)
	}
	// One whose clock is far ahead is none of now either.
	l.fast.Poll(epoch.Add(48 * time.Hour))
	if got := l.n.tick(0, l.usage).Contention; got.Why != snapshot.ContentionStale {
		t.Errorf("from the future: %+v", got)
	}
}

func TestFastOnV1(t *testing.T) {
	for _, shape := range []cgrouptest.Shape{cgrouptest.Split, cgrouptest.CoMounted, cgrouptest.HybridV1} {
		t.Run(string(shape), func(t *testing.T) {
			l := newFastSampler(t, shape, 0, "db", "web")
			watch := snapshot.Contention{Why: snapshot.ContentionTooSoon, Regular: 2, Watched: 2}
			used := 10 * time.Second
			run := func(db, web, waited time.Duration) {
				used += 100 * time.Millisecond
				l.busy(waited)
				l.used("db", used+db)
				l.used("web", used+web)
			}
			run(0, 0, 0)
			l.expect("first", watch)
			run(0, 0, 0)
			l.expect("second", watch)
			calm := watch
			calm.State, calm.Why, calm.Judged = snapshot.ContentionCalm, snapshot.ContentionNone, 2
			for range 5 {
				run(0, 0, 0)
				l.expect("a core each", calm)
			}
			run(-20*time.Millisecond, -50*time.Millisecond, 0)
			l.expect("less, on an idle host", calm)
			for range 30 {
				run(-20*time.Millisecond, -50*time.Millisecond, 0)
				l.expect("a core each again", calm)
			}
			run(-50*time.Millisecond, -110*time.Millisecond, 50*time.Millisecond)
			contended := calm
			contended.State, contended.Why, contended.Container, contended.Wake = snapshot.ContentionContended, snapshot.ContentionSlowed, "web", true
			contended.Degree, contended.Since = 0.6, epoch.Add(l.n.clock.mono+step)
			l.expect("less, on a busy host", contended)
		})
	}
}

// On v1 a container that uses less on a busy host may have less to do: it is
// contended if a thread of it, or of one nested in it, runs or waits for a CPU.
func TestFastTellsAPauseFromContention(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tasks  map[string]string // by container
		states map[int]string
		want   snapshot.ContentionState
	}{
		{"all sleep", map[string]string{"web": "11\n12\n"}, map[int]string{11: "S", 12: "D"}, snapshot.ContentionCalm},
		{"one waits for a CPU", map[string]string{"web": "11\n12\n"}, map[int]string{11: "S", 12: "R"}, snapshot.ContentionContended},
		{"a nested one waits for a CPU", map[string]string{"web": "11\n", "web/mesos/db": "12\n"}, map[int]string{11: "S", 12: "R"}, snapshot.ContentionContended},
		{"nested ones sleep", map[string]string{"web": "", "web/mesos/db": "12\n"}, map[int]string{12: "S"}, snapshot.ContentionCalm},
		{"the list cannot be read", nil, nil, snapshot.ContentionContended},
		{"nobody can be seen", map[string]string{"web": ""}, nil, snapshot.ContentionContended},
		{"of another PID namespace", map[string]string{"web": "0\n"}, nil, snapshot.ContentionContended},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newFastSampler(t, cgrouptest.Split, 0, "web")
			for id, text := range tc.tasks {
				l.Make(id)
				l.Write("cpuacct", id, "tasks", text)
			}
			for tid, state := range tc.states {
				dir := filepath.Join(l.proc, strconv.Itoa(tid))
				if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "stat"), fmt.Appendf(nil, "%d (web) %s 1 1\n", tid, state), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			used := 10 * time.Second
			var got snapshot.Contention
			for i := range 30 {
				used += step
				if i == 29 {
					used -= step * 7 / 10
				}
				l.busy(step / 2)
				l.used("web", used)
				got = l.poll()
			}
			if got.State != tc.want {
				t.Errorf("%+v, want %v", got, tc.want)
			}
		})
	}
}

func TestFastUnknown(t *testing.T) {
	t.Run("nothing regular", func(t *testing.T) {
		l := newFastSampler(t, cgrouptest.UnifiedV2, 0)
		l.expect("at once", snapshot.Contention{State: snapshot.ContentionCalm, Why: snapshot.ContentionNothingRegular})
	})
	t.Run("a kernel without pressure", func(t *testing.T) {
		for _, shape := range cgrouptest.Shapes() {
			c := cgrouptest.NewCopied(t, t.TempDir(), shape)
			c.MakeRoot()
			c.Make("web")
			n := newNode(t, monitor.Config{CgroupRoot: c.Root, ProcRoot: t.TempDir()})
			fast := n.NewFastSampler(0)
			fast.Follow(n.tick(0, &snapshot.Usage{Executors: []snapshot.Executor{{ContainerID: "web", Class: snapshot.ClassRegular}}}))
			if q := fast.Poll(epoch); q.State != snapshot.ContentionUnknown || q.Why != snapshot.ContentionNoPressure {
				t.Errorf("%s: %+v", shape, q)
			}
			fast.Close()
		}
	})
	t.Run("nothing can be read", func(t *testing.T) {
		l := newFastSampler(t, cgrouptest.Split, 0)
		l.Make("web")
		if err := os.Remove(filepath.Join(l.Dir("cpuacct", "web"), "cpuacct.usage")); err != nil {
			t.Fatal(err)
		}
		l.usage.Executors = []snapshot.Executor{{ContainerID: "web", Class: snapshot.ClassRegular}}
		l.follow()
		l.expect("at once", snapshot.Contention{Why: snapshot.ContentionUnreadable, Regular: 1})
	})
}

// At most so many wakes a second, and news that came too early is told later,
// if it still holds.
func TestFastWakesAreBounded(t *testing.T) {
	l := newFastSampler(t, cgrouptest.UnifiedV2, 2, "web")
	total := time.Second
	wakes := []int{}
	for i := range 60 { // waits in every other poll, until the last second
		if i >= 2 && (i%2 == 0 || i >= 50) {
			total += 80 * time.Millisecond
		}
		l.waited("web", total)
		if l.poll().Wake {
			wakes = append(wakes, i)
		}
	}
	for i, at := range wakes[1:] {
		if at-wakes[i] < 5 {
			t.Errorf("wakes at %v, less than half a second apart", wakes)
		}
	}
	if len(wakes) < 3 || wakes[0] != 2 {
		t.Errorf("wakes at %v", wakes)
	}
}

// More containers than are read in one poll take turns.
func TestFastTakesTurns(t *testing.T) {
	ids := make([]string, 300)
	for i := range ids {
		ids[i] = fmt.Sprintf("c%03d", i)
	}
	l := newFastSampler(t, cgrouptest.UnifiedV2, 0, ids...)
	for range 12 {
		l.poll()
	}
	calm := snapshot.Contention{
		State: snapshot.ContentionCalm, Why: snapshot.ContentionNone,
		Regular: 300, Watched: 300, Judged: 300, Every: 6,
	}
	l.expect("calm", calm)
	l.waited("c007", 1300*time.Millisecond)
	wakes := 0
	for range 6 {
		if q := l.poll(); q.Wake && q.Container == "c007" {
			wakes++
		}
	}
	if wakes != 1 {
		t.Errorf("%d wakes in a round", wakes)
	}
}

// What a container's own quota held back in the last tick is none of others'.
func TestFastLeavesThrottlingOut(t *testing.T) {
	l := newFastSampler(t, cgrouptest.UnifiedV2, 0, "web")
	l.poll()
	l.poll()
	l.Write("cpu", "web", "cpu.stat", "usage_usec 2000000\nnr_periods 100\nnr_throttled 10\nthrottled_usec 1300000\n")
	l.fast.Follow(l.n.tick(time.Second, l.usage)) // 0.8 s of it
	l.poll()
	l.waited("web", 1080*time.Millisecond)
	if q := l.poll(); q.State != snapshot.ContentionCalm {
		t.Errorf("%+v", q)
	}
}

// A container that was made anew under its old name is another one, and what
// goes leaves no descriptor behind.
func TestRealFastFollowsContainers(t *testing.T) {
	r := cgrouptest.NewReal(t)
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	fast := m.NewFastSampler(0)
	defer fast.Close()
	if q := fast.Poll(time.Now()); q.Why == snapshot.ContentionNoPressure {
		t.Skip("this kernel has no pressure")
	}
	usage := &snapshot.Usage{Executors: []snapshot.Executor{{ContainerID: "c1", Class: snapshot.ClassRegular}, {ContainerID: "c2", Class: snapshot.ClassRegular}}}
	m.Sample(time.Now(), nil)
	before := openFiles(t) - m.Stats().OpenFiles
	watched := func(what string, regular, want int) {
		t.Helper()
		m.Sample(time.Now(), usage)
		fast.Follow(m.Sample(time.Now(), usage))
		if q := fast.Poll(time.Now()); q.Regular != regular || q.Watched != want {
			t.Errorf("%s: %+v, want %d of %d", what, q, want, regular)
		}
		if got := openFiles(t) - before - m.Stats().OpenFiles; got != want {
			t.Errorf("%s: %d descriptors, want %d", what, got, want)
		}
	}
	r.Make("c1")
	r.Make("c2")
	watched("both", 2, 2)
	r.Remove("c1")
	if q := fast.Poll(time.Now()); q.Watched != 1 {
		t.Errorf("one was removed since the tick: %+v", q)
	}
	r.Make("c1")
	watched("made anew", 2, 2)
	r.Remove("c1")
	r.Remove("c2")
	watched("none", 0, 0)
}

func TestFastAllocatesNothing(t *testing.T) {
	for _, shape := range []cgrouptest.Shape{cgrouptest.Split, cgrouptest.UnifiedV2} {
		l := newFastSampler(t, shape, 0, "c1", "c2", "c3")
		s := l.n.tick(time.Second, l.usage)
		if got := testing.AllocsPerRun(100, func() { l.poll(); l.fast.Follow(s) }); got != 0 {
			t.Errorf("%s: %v allocations", shape, got)
		}
	}
}

// Follow and Poll belong to two goroutines.
func TestRealFastTwoGoroutines(t *testing.T) {
	r := cgrouptest.NewReal(t)
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	fast := m.NewFastSampler(0)
	defer fast.Close()
	usage := &snapshot.Usage{}
	for i := range 30 {
		id := fmt.Sprintf("c%d", i)
		usage.Executors = append(usage.Executors, snapshot.Executor{ContainerID: id, Class: snapshot.ClassRegular})
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	polled := 0
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				fast.Poll(time.Now())
				polled++
			}
		}
	})
	for i := range 30 {
		id := fmt.Sprintf("c%d", i)
		r.Make(id)
		fast.Follow(m.Sample(time.Now(), usage))
		if i%3 == 0 {
			r.Remove(id)
		}
	}
	close(done)
	wg.Wait()
	if polled == 0 {
		t.Error("never polled")
	}
}
