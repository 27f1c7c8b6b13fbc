package spawn

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// patience is how long a test waits for what must come; it only runs out on
// failure.
const patience = 60 * time.Second

// The test binary is also the child, and the parent that is killed.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "child":
		time.Sleep(time.Hour)
	case len(os.Args) == 2 && os.Args[1] == "parent":
		self, _ := os.Executable()
		cmd := exec.Command(self, "child")
		if err := Start(cmd, syscall.SIGTERM); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(cmd.Process.Pid)
		time.Sleep(time.Hour)
	default:
		os.Exit(m.Run())
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, "parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = parent.Process.Kill() })
	var word string
	if _, err := fmt.Fscan(out, &word); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(word)
	if err != nil {
		t.Fatalf("the parent says %q", word)
	}
	if !runs(pid) {
		t.Fatal("the child does not run")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for deadline := time.Now().Add(patience); runs(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the child %d still runs", pid)
		}
	}
}

// runs reports whether the process runs; one that nobody has waited for yet
// does not.
func runs(pid int) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	stat, err := p.Stat()
	return err == nil && stat.State != "Z"
}

func TestStartFails(t *testing.T) {
	if err := Start(exec.Command("/nonexistent/command"), syscall.SIGKILL); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is no such file", err)
	}
}
