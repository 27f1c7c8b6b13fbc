package tree

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// leave is an earlier run that is about to be killed.
func leave() {
	tr, err := Create("left")
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	c, err := tr.NewContainer(someID, Limits{CPUs: 1000})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	self, _ := os.Executable()
	cmd := exec.Command(self, "wait")
	if err := c.Start(cmd); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println(tr.name, cmd.Process.Pid)
	time.Sleep(time.Hour)
}

// earlierRun starts one and returns its process, its root's name and its
// container's process.
func earlierRun(t *testing.T) (run *exec.Cmd, name string, pid int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run = exec.Command(self)
	run.Env = append(os.Environ(), leaveEnv+"=1")
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Process.Kill(); _ = run.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &name, &pid); err != nil {
		t.Fatalf("the earlier run says %q: %v", line, err)
	}
	return run, name, pid
}

func TestLeftoversAreRemoved(t *testing.T) {
	mine := create(t, "mine")
	run, name, pid := earlierRun(t)
	dirs := func() (there []string) {
		for _, b := range mine.place.bases {
			if dir := filepath.Join(b.dir, name); exists(dir) {
				there = append(there, dir)
			}
		}
		return there
	}
	again := create(t, "again") // while the other lives
	if got := len(dirs()); got != len(mine.place.bases) {
		t.Fatalf("of the living run's root %d directories are there, want %d", got, len(mine.place.bases))
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if err := run.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait()
	awaitGone(t, pid) // its child dies with it
	if len(dirs()) == 0 {
		t.Fatal("nothing was left to be removed")
	}
	create(t, "later")
	if left := dirs(); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// TestLeftProcessesAreKilled: what escaped the death signal dies with its
// cgroup.
func TestLeftProcessesAreKilled(t *testing.T) {
	tr := create(t, "escaped")
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Skipf("needs true: %v", err)
	}
	cmd := waiting(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	name := fmt.Sprintf("estimatord-left-%d-1", gone.Process.Pid)
	for _, b := range tr.place.bases {
		dir := filepath.Join(b.dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(dir) })
		if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(cmd.Process.Pid)); err != nil {
			t.Fatal(err)
		}
	}
	create(t, "later")
	select {
	case err := <-ended:
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("the left process ended with %v, want SIGKILL", err)
		}
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Error("the left process still runs")
	}
	for _, b := range tr.place.bases {
		if exists(filepath.Join(b.dir, name)) {
			t.Errorf("%s is still there", filepath.Join(b.dir, name))
		}
	}
}

func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		p, err := procfs.NewProc(pid)
		if err != nil {
			return
		}
		if stat, err := p.Stat(); err != nil || stat.State == "Z" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}
