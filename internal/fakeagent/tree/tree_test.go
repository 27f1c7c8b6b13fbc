package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/resources"
)

const someID = "49d86de8-ed27-4a62-9faf-789cb75fb3e1"

// patience is how long a test waits for what must come; it only runs out on
// failure.
const patience = 60 * time.Second

func create(t *testing.T, purpose string) *Tree {
	t.Helper()
	tr, err := Create(purpose)
	if errors.Is(err, ErrNoPlace) {
		t.Skipf("needs root, or a delegated cgroup2 subtree: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
		for _, dir := range tr.Dirs() {
			if exists(dir) {
				t.Errorf("%s is still there", dir)
			}
		}
	})
	return tr
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// waiting is a command that waits to be killed.
func waiting(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(self, "wait")
}

func TestLayout(t *testing.T) {
	tr := create(t, "layout")
	c, err := tr.NewContainer(someID, Limits{CPUs: 1100, Mem: 96 * resources.Unit, Revocable: true})
	if err != nil {
		t.Fatal(err)
	}
	regular, err := tr.NewContainer("7501e3a6-b96f-4897-92d0-64d34b5fa3e8", Limits{CPUs: 600})
	if err != nil {
		t.Fatal(err)
	}
	// The figures a real agent wrote on v1 for 1.1 revocable and 0.6 regular
	// cpus are 11 and 614.
	want := map[string][2]string{"cpu.shares": {"11", "614"}, "memory.limit_in_bytes": {"100663296", ""}}
	if tr.V2() {
		want = map[string][2]string{"cpu.weight": {"1", "60"}, "memory.max": {"100663296", ""}}
	}
	for file, values := range want {
		for i, container := range []*Container{c, regular} {
			if values[i] == "" {
				continue
			}
			if got := find(t, container.Dirs(), file); got != values[i] {
				t.Errorf("%s of container %d is %q, want %q", file, i, got, values[i])
			}
		}
	}
	for i, dir := range c.Dirs() {
		if dir != filepath.Join(tr.Dirs()[i], someID) {
			t.Errorf("container directory %s is not below %s", dir, tr.Dirs()[i])
		}
		if tr.V2() && !exists(filepath.Join(dir, "leaf", "cgroup.procs")) {
			t.Errorf("%s has no leaf", dir)
		}
	}
	for _, dir := range tr.Dirs() {
		rel, err := filepath.Rel(tr.Mount(), dir)
		if err != nil || !strings.HasSuffix(rel, tr.Root()) {
			t.Errorf("%s does not fit mount %s and root %s", dir, tr.Mount(), tr.Root())
		}
	}
}

// find reads the file from the directory that has it; a host without the
// controller has none.
func find(t *testing.T, dirs []string, file string) string {
	t.Helper()
	for _, dir := range dirs {
		if b, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			return strings.TrimSpace(string(b))
		}
	}
	t.Skipf("this host has no %s", file)
	return ""
}

// TestStartIsInside lets a process say itself where it is: it must have been
// put into all cgroups before it ran.
func TestStartIsInside(t *testing.T) {
	tr := create(t, "start")
	c, err := tr.NewContainer(someID, Limits{CPUs: 1000})
	if err != nil {
		t.Fatal(err)
	}
	cmd := waiting(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Path, cmd.Args = "/proc/self/exe", nil
	if cat, err := exec.LookPath("cat"); err == nil {
		cmd.Path, cmd.Args = cat, []string{"cat", "/proc/self/cgroup"}
	} else {
		t.Skipf("needs cat: %v", err)
	}
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join("/", tr.Root(), someID)
	if tr.V2() {
		want = filepath.Join(want, "leaf")
	}
	inside := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(strings.TrimSpace(line), ":"+want) {
			inside++
		}
	}
	if inside != len(tr.Dirs()) {
		t.Errorf("the process was in %d hierarchies, want %d: %s", inside, len(tr.Dirs()), text)
	}
}

func TestDestroy(t *testing.T) {
	tr := create(t, "destroy")
	for _, processes := range []int{0, 1, 20} {
		t.Run(strconv.Itoa(processes), func(t *testing.T) {
			c, err := tr.NewContainer(someID, Limits{CPUs: 10, Revocable: true})
			if err != nil {
				t.Fatal(err)
			}
			for range processes {
				cmd := waiting(t)
				if err := c.Start(cmd); err != nil {
					t.Fatal(err)
				}
				go func() { _ = cmd.Wait() }()
			}
			pids, err := c.Pids()
			if err != nil || len(pids) != processes {
				t.Fatalf("%d processes are in the container, want %d: %v", len(pids), processes, err)
			}
			began := time.Now()
			if err := c.Destroy(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d processes were gone after %s", processes, time.Since(began))
			for _, dir := range c.Dirs() {
				if exists(dir) {
					t.Errorf("%s is still there", dir)
				}
			}
			if err := c.Destroy(); err != nil {
				t.Errorf("destroying it again: %v", err)
			}
		})
	}
}

// TestDestroyThrottled destroys a container that somebody froze and throttled.
func TestDestroyThrottled(t *testing.T) {
	tr := create(t, "throttled")
	c, err := tr.NewContainer(someID, Limits{CPUs: 10, Revocable: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := waiting(t)
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	frozen := false
	for _, dir := range c.Dirs() {
		for _, s := range []setting{{"freezer.state", "FROZEN"}, {"cgroup.freeze", "1"}} {
			frozen = write(filepath.Join(dir, s.file), s.value) == nil || frozen
		}
		_ = write(filepath.Join(dir, "cpu.cfs_quota_us"), "1000")
		_ = write(filepath.Join(dir, "cpu.max"), "1000 100000")
	}
	if !frozen {
		t.Skip("this host has no freezer")
	}
	if err := c.Destroy(); err != nil {
		t.Fatal(err)
	}
}

func TestOwnerGone(t *testing.T) {
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		fmt.Sprintf("estimatord-x-%d-%d", os.Getpid(), start):   false,
		fmt.Sprintf("estimatord-x-%d-%d", os.Getpid(), start+1): true, // the pid was used again
		"estimatord-x-4194999-1":                                true, // above the largest pid there can be
		"estimatord-x-99999999999-1":                            false,
		"estimatord-x-0-1":                                      false,
		"estimatord-x-12":                                       false,
		"estimatord-12-1":                                       false,
		"estimatord-x-12-1-y":                                   false,
		"estimatord-X-4194999-1":                                false,
		"xestimatord-x-4194999-1":                               false,
		"mesos":                                                 false,
		"process_api":                                           false,
	} {
		if got := ownerGone(name); got != want {
			t.Errorf("ownerGone(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestBadNames(t *testing.T) {
	for _, purpose := range []string{"", "a-b", "A", "..", "x/y", "12345678901234567"} {
		if name, err := rootName(purpose); err == nil {
			t.Errorf("rootName(%q) = %q, want an error", purpose, name)
		}
	}
	tr := create(t, "names")
	for _, id := range []string{"", "a/b", "../x", "/"} {
		if _, err := tr.NewContainer(id, Limits{}); err == nil {
			t.Errorf("a container of id %q was made", id)
		}
	}
}

func TestSettings(t *testing.T) {
	all := []string{"cpu", "cpuacct", "memory", "freezer", "pids"}
	for _, c := range []struct {
		name   string
		v2     bool
		limits Limits
		want   []setting
	}{
		{"v1 regular", false, Limits{CPUs: 600}, []setting{{"cpu.shares", "614"}}},
		{"v1 revocable counts all cpus", false, Limits{CPUs: 1100, Revocable: true}, []setting{{"cpu.shares", "11"}}},
		{"v1 smallest", false, Limits{CPUs: 1}, []setting{{"cpu.shares", "2"}}},
		{"v1 memory", false, Limits{CPUs: 1000, Mem: 96000}, []setting{
			{"cpu.shares", "1024"}, {"memory.soft_limit_in_bytes", "100663296"}, {"memory.limit_in_bytes", "100663296"},
		}},
		{"v2 regular", true, Limits{CPUs: 600}, []setting{{"cpu.weight", "60"}}},
		{"v2 revocable", true, Limits{CPUs: 3100, Revocable: true}, []setting{{"cpu.weight", "3"}}},
		{"v2 smallest", true, Limits{CPUs: 100, Revocable: true}, []setting{{"cpu.weight", "1"}}},
		{"v2 largest", true, Limits{CPUs: 128_000}, []setting{{"cpu.weight", "10000"}}},
		{"v2 memory", true, Limits{CPUs: 1000, Mem: 500}, []setting{
			{"cpu.weight", "100"}, {"memory.low", "524288"}, {"memory.max", "524288"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := settings(c.v2, all, c.limits); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := settings(c.v2, []string{"pids"}, c.limits); len(got) != 0 {
				t.Errorf("without controllers got %v, want none", got)
			}
		})
	}
}
