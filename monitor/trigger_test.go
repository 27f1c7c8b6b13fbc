package monitor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// looker is a fast lane as the daemon runs it, on one goroutine with the ticks.
type looker struct {
	*squeezed
	t              *testing.T
	polls, glances int
	told           int // wakes that a glance said
}

func newLooker(t *testing.T, cfg monitor.FastConfig) *looker {
	t.Helper()
	l := &looker{squeezed: newSqueezed(t, cfg), t: t}
	firstInLine(t)
	l.follow()
	return l
}

// firstInLine has the thread of this test run before all others: beside spinners
// of such a weight it would be late itself. Where that is not allowed, it is.
func firstInLine(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if unix.SchedSetAttr(0, &attr, 0) == nil {
		t.Cleanup(func() {
			if err := unix.SchedSetAttr(0, before, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// needTriggers skips the test where there can be none.
func needTriggers(t *testing.T) {
	t.Helper()
	m, err := monitor.New(monitor.Config{})
	if err != nil {
		t.Skipf("no cgroups to look at here: %v", err)
	}
	defer closeMonitor(t, m)
	m.NewFast(monitor.FastConfig{}).Close()
	if why := m.Layout().NoTriggers; why != "" {
		t.Skip(why)
	}
}

func (l *looker) follow() { l.fast.Follow(l.m.Sample(time.Now(), l.usage)) }

func (l *looker) look() snapshot.Contention {
	if l.fast.Wait() {
		l.glances++
		q := l.fast.Glance(time.Now())
		if q.Wake {
			l.told++
		}
		return q
	}
	if l.polls++; l.polls%10 == 0 {
		l.follow()
	}
	return l.fast.Poll(time.Now())
}

// calm waits until nothing was squeezed for more than a second.
func (l *looker) calm() {
	l.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for row := 0; row < 15; row++ {
		if q := l.look(); q.State != snapshot.ContentionCalm {
			row = -1
			if time.Now().After(deadline) {
				l.t.Fatalf("not calm: %+v", q)
			}
		}
	}
}

// step lets the hog go, somewhen between two polls, and returns what was said and when.
func (l *looker) step(i int) (snapshot.Contention, time.Duration) {
	l.t.Helper()
	l.calm()
	// The hog goes while the lane waits, as it does in life.
	went := make(chan time.Time, 1)
	go func() {
		time.Sleep(time.Duration(i*37%100) * time.Millisecond)
		went <- time.Now()
		unix.Kill(l.hog, unix.SIGCONT) //nolint:errcheck // it is missed then
	}()
	defer l.signal(l.t, unix.SIGSTOP)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if q := l.look(); q.Wake {
			return q, time.Since(<-went)
		}
	}
	l.t.Fatalf("step %d was not noticed", i)
	return snapshot.Contention{}, 0
}

// What triggers notice is what polling notices, and sooner. How fast is logged: it
// depends on the machine.
func TestRealTriggersNoticeAStep(t *testing.T) {
	needTriggers(t)
	steps := 3
	if n, err := strconv.Atoi(os.Getenv(stepsEnv)); err == nil {
		steps = n
	}
	for _, only := range []bool{false, true} {
		t.Run(fmt.Sprintf("poll only %v", only), func(t *testing.T) {
			l := newLooker(t, monitor.FastConfig{MaxWakes: 1000, PollOnly: only})
			if got := l.fast.Triggers(); got != 1 && !only || got != 0 && only {
				t.Fatalf("%d triggers for one regular container", got)
			}
			var took []time.Duration
			// Where each step came just before a poll, there was no use in a trigger.
			for i := 0; i < steps || !only && l.glances == 0 && i < steps+10; i++ {
				q, d := l.step(i)
				if q.State != snapshot.ContentionContended || q.Container != "web" || q.Why != snapshot.ContentionStalled {
					t.Errorf("step %d: %+v", i, q)
				}
				took = append(took, d)
			}
			if (l.glances == 0) != only {
				t.Errorf("%d glances in %d steps", l.glances, len(took))
			}
			slices.Sort(took)
			t.Logf("%d steps: p50 %v, p90 %v, slowest %v; %d polls, %d glances, %d of them noticed it",
				len(took), took[len(took)/2], took[len(took)*9/10], took[len(took)-1], l.polls, l.glances, l.told)
		})
	}
}

// The trigger of a cgroup that is gone says so once, and costs no descriptor
// after that.
func TestRealTriggerOfARemovedCgroup(t *testing.T) {
	needTriggers(t)
	r := cgrouptest.NewReal(t)
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	fast := m.NewFast(monitor.FastConfig{})
	defer fast.Close()
	usage := &snapshot.Usage{}
	for i := range 20 {
		id := "c" + strconv.Itoa(i)
		r.Make(id)
		usage.Executors = append(usage.Executors, snapshot.Executor{ContainerID: id, Class: snapshot.ClassRegular})
	}
	fast.Follow(m.Sample(time.Now(), usage))
	const most = 8
	if got := fast.Triggers(); got != most {
		t.Errorf("%d triggers for 20 containers, want %d", got, most)
	}
	before := openFiles(t)
	for i := range 20 {
		r.Remove("c" + strconv.Itoa(i))
	}
	looks, deadline := 0, time.Now().Add(time.Second)
	for ; time.Now().Before(deadline); looks++ {
		if fast.Wait() {
			fast.Glance(time.Now())
		} else {
			fast.Poll(time.Now())
		}
	}
	if looks > 15 {
		t.Errorf("%d looks in a second", looks)
	}
	if got := openFiles(t); got != before-20 || fast.Triggers() != 0 {
		t.Errorf("%d descriptors of %d are left, and %d triggers", got, before, fast.Triggers())
	}
	// What goes makes room for what comes.
	r.Make("c1")
	fast.Follow(m.Sample(time.Now(), usage))
	if fast.Triggers() != 1 {
		t.Errorf("%d triggers for what came then", fast.Triggers())
	}
}

// Without a kernel behind them, files are read and not written to.
func TestTriggersLeaveACopyAlone(t *testing.T) {
	for _, shape := range []cgrouptest.Shape{cgrouptest.UnifiedV2, cgrouptest.Split} {
		l := newFastSampler(t, shape, monitor.FastConfig{}, "web")
		layout := l.n.Layout()
		if want := "a copied tree has no kernel behind it"; !layout.Fast || layout.NoTriggers != want || l.fast.Triggers() != 0 || !strings.Contains(layout.String(), want) {
			t.Errorf("%s: %+v", shape, layout)
		}
		if layout.Mode != cgroup.V2 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(l.Dir("cpu", "web"), "cpu.pressure"))
		if err != nil || !strings.HasPrefix(string(text), "some avg10=") {
			t.Errorf("cpu.pressure: %q, %v", text, err)
		}
	}
}
