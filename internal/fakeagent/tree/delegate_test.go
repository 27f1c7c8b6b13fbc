package tree

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
)

// delegatedEnv makes the test binary an ordinary user's program in a cgroup
// that was delegated to it.
const delegatedEnv = "ESTIMATORD_TEST_DELEGATED"

// nobody is an ordinary user.
const nobody = 65534

// inDelegated makes a root with a container and a process in its own cgroup,
// and removes it all.
func inDelegated() {
	tr, err := Create("delegated")
	if err == nil {
		err = errors.Join(useDelegated(tr), tr.Close())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("root", tr.Root())
	os.Exit(0)
}

func useDelegated(tr *Tree) error {
	c, err := tr.NewContainer(someID, Limits{CPUs: 600, Mem: 32 * resources.Unit})
	if err != nil {
		return err
	}
	weight, err := words(filepath.Join(c.Dirs()[0], "cpu.weight"))
	if err != nil || !slices.Equal(weight, []string{"60"}) {
		return fmt.Errorf("cpu.weight is %q, %w", weight, err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "wait")
	if err := c.Start(cmd); err != nil {
		return err
	}
	pids, err := c.Pids()
	if err != nil || !slices.Equal(pids, []int{cmd.Process.Pid}) {
		return fmt.Errorf("in the container are %v, %w", pids, err)
	}
	go func() { _ = cmd.Wait() }()
	return c.Destroy()
}

// delegate makes a cgroup as systemd does for a user's scope with Delegate=yes.
func delegate(t *testing.T) string {
	t.Helper()
	tr := create(t, "scope")
	if !tr.V2() || os.Getuid() != 0 {
		t.Skip("needs root and cgroup2 without v1 controllers, to delegate a subtree to another user")
	}
	dir := filepath.Join(tr.Dirs()[0], "scope")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		if err := os.Chown(filepath.Join(dir, name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runDelegated runs the test binary in the cgroup as an ordinary user.
func runDelegated(t *testing.T, dir string) (out string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fd.Close() }()
	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), delegatedEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		UseCgroupFD: true, CgroupFD: int(fd.Fd()),
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody},
	}
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func TestDelegated(t *testing.T) {
	dir := delegate(t)
	out, err := runDelegated(t, dir)
	if err != nil || !strings.Contains(out, "root ") || !strings.Contains(out, "/scope/estimatord-delegated-") {
		t.Fatalf("an ordinary user in its own cgroup: %v: %s", err, out)
	}
	dirs, err := below(dir)
	if err != nil || !slices.Equal(dirs, []string{dir}) {
		t.Errorf("left in the delegated cgroup: %v, %v", dirs, err)
	}
	if left, err := words(filepath.Join(dir, "cgroup.subtree_control")); err != nil || len(left) > 0 {
		t.Errorf("controllers are still handed out: %q, %v", left, err)
	}
}

// TestDelegatedToSomethingElse: a cgroup that also holds a stranger was not
// made for this.
func TestDelegatedToSomethingElse(t *testing.T) {
	dir := delegate(t)
	stranger := waiting(t)
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(stranger.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	out, err := runDelegated(t, dir)
	if err == nil || !strings.Contains(out, "nothing to do with this one") || !strings.Contains(out, ErrNoPlace.Error()) {
		t.Errorf("with a stranger in the cgroup: %v: %s", err, out)
	}
	if pids, err := words(filepath.Join(dir, "cgroup.procs")); err != nil || !slices.Equal(pids, []string{strconv.Itoa(stranger.Process.Pid)}) {
		t.Errorf("the cgroup holds %q, %v, want the stranger alone", pids, err)
	}
}

// TestNotDelegated: an ordinary user may not make cgroups elsewhere.
func TestNotDelegated(t *testing.T) {
	dir := delegate(t)
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"} {
		if err := os.Chown(filepath.Join(dir, name), 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	out, err := runDelegated(t, dir)
	if err == nil || !strings.Contains(out, ErrNoPlace.Error()) || !strings.Contains(out, "not delegated") || !strings.Contains(out, "permission denied") {
		t.Errorf("in root's cgroup: %v: %s", err, out)
	}
}
