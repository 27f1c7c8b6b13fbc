package monitor

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// sleeper starts a process that sleeps until it is ended.
func sleeper(t *testing.T) (tid int32, end func()) {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Skipf("nothing to start: %v", err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			cmd.Process.Kill() //nolint:errcheck // it may have ended
			cmd.Wait()         //nolint:errcheck // it was killed
		}
	}
	t.Cleanup(end)
	return int32(cmd.Process.Pid), end
}

// A thread that ended is not mistaken for another one that got its id.
func TestEndedThreads(t *testing.T) {
	r := newThreadReader("/proc", monotonic)
	if !r.hasSchedstat() {
		t.Skip("this kernel does not tell how long threads wait (CONFIG_SCHED_INFO)")
	}
	var s threads
	state := func(what string, tids []int32, want int, compared bool) {
		t.Helper()
		if why := r.update(&s, tids); why != snapshot.Present {
			t.Fatalf("%s: %v", what, why)
		}
		if len(s.list) != want || r.open != want {
			t.Fatalf("%s: %d threads, %d open, want %d", what, len(s.list), r.open, want)
		}
		for _, th := range s.list {
			if th.compared != compared {
				t.Errorf("%s: %+v", what, th)
			}
		}
	}
	tid, end := sleeper(t)
	state("first", []int32{tid}, 1, false)
	state("second", []int32{tid}, 1, true)
	end()
	state("ended", []int32{tid}, 0, false)

	tid, end = sleeper(t)
	state("another", []int32{tid}, 1, false)
	state("another again", []int32{tid}, 1, true)
	end()
	if !reuse(t, tid) {
		t.Skip("the id could not be had again")
	}
	state("another process of that id", []int32{tid}, 1, false)
	r.forget(&s)
	if r.open != 0 || len(s.list) != 0 {
		t.Errorf("%d left open", r.open)
	}
}

// reuse has the kernel give a process id again.
func reuse(t *testing.T, tid int32) bool {
	t.Helper()
	for range 50 {
		if os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(int(tid-1))), 0o644) != nil {
			return false
		}
		got, end := sleeper(t)
		if got == tid {
			return true
		}
		end()
	}
	return false
}
