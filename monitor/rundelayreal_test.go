package monitor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/estimatord/estimatord/monitor"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
	"github.com/estimatord/estimatord/snapshot"
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
	near := func(v snapshot.Value, low, high float64) bool { return v.OK() && v.V >= low && v.V <= high }
	var last *snapshot.Snapshot
	before := uint64(0)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		time.Sleep(500 * time.Millisecond)
		last = m.Sample(time.Now(), usage)
		capped, db, idle, web := &last.Containers[0].CPU, &last.Containers[1].CPU, &last.Containers[2].CPU, &last.Containers[3].CPU
		held := capped.ThrottledNanos.N - before
		before = capped.ThrottledNanos.N
		if near(db.RunDelay, 0.4, 0.6) && near(web.RunDelay, 0.4, 0.6) && near(idle.RunDelay, 0, 0.05) &&
			near(capped.RunDelay, 0, 0.15) && held > 200e6 && near(capped.QuotaCores, 0.4, 0.4) {
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
