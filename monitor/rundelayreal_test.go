package monitor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// Two spinners on one processor wait half of the time each, one that sleeps does
// not wait, and one that only its own quota holds back does not either.
func TestRealRunDelay(t *testing.T) {
	r := cgrouptest.NewReal(t)
	if r.Layout.Mode == cgroup.V2 {
		t.Skip("pressure of each cgroup says it on cgroup v2")
	}
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not tell how long threads wait (CONFIG_SCHED_INFO)")
	}
	usage := &snapshot.Usage{}
	for _, id := range []string{"capped", "db", "idle", "web"} {
		r.Make(id)
		usage.Executors = append(usage.Executors, snapshot.Executor{ContainerID: id, Class: snapshot.ClassRegular})
		if id == "idle" {
			pid, _ := cgrouptest.NewBurner(t)
			r.Enter(id, pid)
			continue
		}
		pid := newSpinner(t)
		r.Enter(id, pid)
		if id != "capped" {
			pin(t, pid)
		}
	}
	setQuota(t, r, "capped")
	// Whatever else runs here shall not be what they wait for.
	if err := os.WriteFile(filepath.Join(r.Dir("cpu", ""), "cpu.shares"), []byte("262144"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := monitor.New(monitor.Config{MesosRoot: r.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer closeMonitor(t, m)
	if m.Sample(time.Now(), usage).Host.Pressure.CPUSome.Why == snapshot.NoFile {
		t.Skip("this kernel has no pressure, and the load here may not be enough without")
	}
	// A spinner runs, or waits, or is held back by its quota: together that is all
	// of the time, however much else runs here.
	near := func(v, low, high float64) bool { return v >= low && v <= high }
	var last *snapshot.Snapshot
	var before snapshot.Container
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		time.Sleep(time.Second)
		last = m.Sample(time.Now(), usage)
		capped, db, idle, web := &last.Containers[0].CPU, &last.Containers[1].CPU, &last.Containers[2].CPU, &last.Containers[3].CPU
		held := float64(capped.ThrottledNanos.N-before.CPU.ThrottledNanos.N) / float64(last.Containers[0].At.Sub(before.At))
		before = last.Containers[0]
		if !capped.RunDelay.OK() || !db.RunDelay.OK() || !idle.RunDelay.OK() || !web.RunDelay.OK() {
			continue
		}
		if near(db.RunDelay.V, 0.35, 1) && near(web.RunDelay.V, 0.35, 1) && near(idle.RunDelay.V, 0, 0.05) &&
			near(db.Cores.V+db.RunDelay.V, 0.9, 1.1) && near(web.Cores.V+web.RunDelay.V, 0.9, 1.1) &&
			near(capped.Cores.V+held+capped.RunDelay.V, 0.8, 1.1) && capped.QuotaCores == snapshot.ValueOf(0.4) {
			return
		}
	}
	for _, c := range last.Containers {
		t.Errorf("%s: %+v", c.ID, c.CPU)
	}
}

// newSpinner starts a process of one thread that spins; a Go program has threads
// that wait beside the one that does.
func newSpinner(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Skipf("no shell that could spin: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	return cmd.Process.Pid
}
