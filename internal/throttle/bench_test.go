package throttle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/qos"
)

// BenchmarkDeath measures how long 100 spinning processes take from SIGKILL to
// an empty cgroup while regular containers want all CPUs: as the agent left
// them and throttled, with a Boost and without. It is run with a small number
// of iterations: go test -run '^$' -bench Death -benchtime 5x ./internal/throttle.
func BenchmarkDeath(b *testing.B) {
	for _, bc := range []struct {
		name     string
		throttle qos.Throttle
		boost    bool
	}{
		{"agent's weight", qos.Throttle{}, false},
		{"agent's weight, boosted", qos.Throttle{}, true},
		{"least weight", qos.Throttle{LowWeight: true}, false},
		{"least weight, boosted", qos.Throttle{LowWeight: true}, true},
		{"quota of 0.05 cores", qos.Throttle{Cores: 0.05}, false},
		{"quota of 0.05 cores, boosted", qos.Throttle{Cores: 0.05}, true},
	} {
		b.Run(bc.name, func(b *testing.B) {
			n := newRealNode(b, "throttledeath")
			if err := n.tree.Prefer(); err != nil {
				b.Fatal(err)
			}
			regular, err := n.tree.NewContainer(two, tree.Limits{CPUs: resources.Milli(runtime.NumCPU()) * resources.Unit})
			if err != nil {
				b.Fatal(err)
			}
			r := &realContainer{Container: regular, tb: b}
			begin := r.spin(runtime.NumCPU())
			begin()
			a := n.actor()
			var took []time.Duration
			for range b.N {
				c := n.add(one)
				begin := c.spin(100)
				begin()
				t := bc.throttle
				t.Victim = c.victim
				a.Apply(time.Now(), qos.Actions{Throttles: []qos.Throttle{t}}, nil)
				time.Sleep(500 * time.Millisecond) // what they were owed from before is used up
				took = append(took, c.die(a, bc.boost))
				if err := c.Destroy(); err != nil {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "ms/p50")
			b.ReportMetric(float64(took[len(took)-1])/1e6, "ms/max")
			b.ReportMetric(0, "ns/op") // what was done around it says nothing
			if err := a.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// spin starts n processes; begin has all of them want a CPU.
func (c *realContainer) spin(n int) (begin func()) {
	c.tb.Helper()
	gate := filepath.Join(c.tb.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		c.tb.Fatal(err)
	}
	hold, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		c.tb.Fatal(err)
	}
	c.run(fmt.Sprintf("go() { read _ < '%s'; while :; do :; done; }; i=1; while [ $i -lt %d ]; do go & i=$((i+1)); done; go", gate, n))
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		pids, err := c.Pids()
		if err != nil {
			c.tb.Fatal(err)
		}
		if len(pids) == n {
			break
		}
		if time.Now().After(deadline) {
			c.tb.Fatalf("%d processes of %d", len(pids), n)
		}
	}
	time.Sleep(50 * time.Millisecond) // for the last to come to the gate
	return func() { _ = hold.Close() }
}

// die kills all processes, as an agent that was handed a KILL, and waits until
// they are gone.
func (c *realContainer) die(a *Actor, boost bool) time.Duration {
	c.tb.Helper()
	pids, err := c.Pids()
	if err != nil {
		c.tb.Fatal(err)
	}
	defer urgent(c.tb)()
	began := time.Now()
	if boost {
		a.Boost(began, c.victim)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for {
		left, err := c.Pids()
		if err != nil {
			c.tb.Fatal(err)
		}
		if len(left) == 0 {
			return time.Since(began)
		}
		if time.Since(began) > patience {
			c.tb.Fatalf("%d processes do not die", len(left))
		}
		// Not time.Sleep, which another thread would end.
		_ = unix.Nanosleep(&unix.Timespec{Nsec: 500_000}, nil)
	}
}

// urgent lets this thread run before all others, as the measured time must not
// include that of whoever measures to get a CPU.
func urgent(tb testing.TB) (end func()) {
	tb.Helper()
	runtime.LockOSThread()
	policy := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := unix.SchedSetAttr(0, &policy, 0); err != nil {
		tb.Logf("measured at normal priority, which adds the time to get a CPU: %v", err)
	}
	return func() {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
		runtime.UnlockOSThread()
	}
}

// BenchmarkApply measures a tick at which 50 containers are throttled and
// nothing has to be written, and the first one, at which all has.
func BenchmarkApply(b *testing.B) {
	const containers = 50
	n := newRealNode(b, "throttlebench")
	var actions qos.Actions
	for i := range containers {
		c := n.add("c" + strconv.Itoa(i))
		actions.Throttles = append(actions.Throttles, qos.Throttle{Victim: c.victim, Cores: 0.5, LowWeight: true})
	}
	b.Run("again", func(b *testing.B) {
		a := n.actor()
		a.Apply(time.Now(), actions, nil)
		b.ReportAllocs()
		for b.Loop() {
			a.Apply(time.Now(), actions, nil)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/containers, "µs/container")
		if err := a.Close(); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("apply and give back", func(b *testing.B) {
		a := n.actor()
		b.ReportAllocs()
		for b.Loop() {
			a.Apply(time.Now(), actions, nil)
			a.Apply(time.Now(), qos.Actions{}, nil)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/containers, "µs/container")
	})
	b.Run("nothing wanted", func(b *testing.B) {
		a := n.actor()
		b.ReportAllocs()
		for b.Loop() {
			a.Apply(time.Now(), qos.Actions{}, nil)
		}
	})
}

// BenchmarkJournal measures one writing of a journal of 100 files, and what
// syncing it would add.
func BenchmarkJournal(b *testing.B) {
	d := document{Entries: make([]entry, 100)}
	for i := range d.Entries {
		d.Entries[i] = entry{ID: one, Inode: 1 << 40, DirInode: 1 << 40, File: "cpu.shares", Before: "1024", Wrote: []string{"2"}}
	}
	dir, err := os.MkdirTemp(".", "journal") // on a disk, where /tmp may not be
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	f := openJournal(b, nil, filepath.Join(dir, "journal"))
	for name, write := range map[string]func(uint64, []byte) error{"as it is": f.Replace, "synced": f.ReplaceSynced} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				text, err := json.Marshal(d)
				if err := errors.Join(err, write(f.Next(), text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
