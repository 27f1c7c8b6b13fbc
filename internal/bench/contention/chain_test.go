package main

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/fakeagent/workload"
	"github.com/estimatord/estimatord/internal/resources"
)

// binaryEnv names a daemon that is there already, where none can be built.
const binaryEnv = "ESTIMATORD_BINARY"

// alwaysThrottle is active on every node on which a hog spins: the least busy share
// that a rule may ask for is no condition.
const alwaysThrottle = "rules:\n  - {name: slow, signal: node_cpu, above: 0.001, for: 0s, action: throttle, immediate: true}\n" +
	"ladder: {floor: 0.03, dwell: 1h}\n"

// The containers of this test are this same binary.
func TestMain(m *testing.M) {
	if child, err := fakeagent.Child(); child {
		exit(err)
	}
	os.Exit(m.Run())
}

// chain is the whole way: an agent with a regular and a revocable container,
// the daemon, and the files that come of it.
type chain struct {
	*testing.T
	*daemons
	agent *fakeagent.Agent
	// files are those that a throttle writes, of the revocable container;
	// regular all that are there of the regular one.
	files, regular []string
}

const (
	regularTask   = "regular"
	revocableTask = "best-effort"
)

func newChain(t *testing.T) *chain {
	t.Helper()
	dir := t.TempDir()
	agent, err := fakeagent.New(fakeagent.Config{
		Socket: socketIn(dir), Purpose: "chain", EstimateInterval: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	if errors.Is(err, tree.ErrNoPlace) {
		t.Skipf("needs root, or a delegated cgroup2 subtree: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := agent.Close(); err != nil {
			t.Errorf("close the agent: %v", err)
		}
	})
	if err := agent.Tree().Prefer(); err != nil {
		t.Fatal(err)
	}
	c := &chain{T: t, daemons: newDaemons(daemonBinary(t), agent.Tree(), dir, false), agent: agent}
	ended := make(chan struct{})
	go func() { defer close(ended); agent.Run(t.Context()) }()
	t.Cleanup(func() { <-ended })
	return c
}

// daemonBinary is the real daemon.
func daemonBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(binaryEnv); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "estimatord")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/estimatord/estimatord/cmd/estimatord")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the daemon: %v\n%s", err, out)
	}
	return path
}

// run starts the daemon, and ends it with the test if need be.
func (c *chain) run(policy string) *process.Process {
	c.Helper()
	r, err := c.start(c.Context(), policy, "--interval=200ms")
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(r.Kill)
	return r
}

// launch runs the two containers, on what a daemon without a policy offers.
func (c *chain) launch() {
	c.Helper()
	for _, id := range []string{regularTask, revocableTask} {
		cmd, err := workload.Hog(1, 1)
		if err != nil {
			c.Fatal(err)
		}
		task := fakeagent.Task{ID: id, Command: cmd}
		if id == regularTask {
			task.Regular = cpus(resources.Unit / 2)
		} else {
			task.Revocable = cpus(resources.Unit / 2)
		}
		c.until("an offer to launch "+id+" on", func() string {
			if err := c.agent.Launch(task); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	c.files = c.pathsOf(revocableTask, "cpu.shares", "cpu.cfs_quota_us", "cpu.weight", "leaf/cpu.max")
	c.regular = c.pathsOf(regularTask, "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "freezer.state", "memory.limit_in_bytes",
		"cpu.weight", "cpu.max", "cpu.idle", "memory.high", "memory.max", "cgroup.freeze", "leaf/cpu.weight", "leaf/cpu.max", "leaf/memory.high")
	if len(c.files) != 2 || len(c.regular) < 3 {
		c.Skipf("the kernel has no CPU weight or quota of cgroups (CONFIG_CFS_BANDWIDTH): %q, %q", c.files, c.regular)
	}
}

// pathsOf are those of the control files that the task's container has.
func (c *chain) pathsOf(task string, names ...string) (paths []string) {
	c.Helper()
	container, err := c.agent.Container(task)
	if err != nil {
		c.Fatal(err)
	}
	for _, dir := range container.Dirs() {
		for _, name := range names {
			if path := filepath.Join(dir, name); exists(path) {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// values are what the files contain, joined.
func (c *chain) values(paths []string) string {
	c.Helper()
	var all []string
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			c.Fatal(err)
		}
		all = append(all, filepath.Base(path)+" "+strings.TrimSpace(string(b)))
	}
	return strings.Join(all, ", ")
}

// until waits until there is nothing to complain about.
func (c *chain) until(what string, complaint func() string) {
	c.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		why := complaint()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("%s did not come: %s", what, why)
		}
	}
}

// untilThrottled waits until the least weight and a quota are in force, and
// returns what the files contain then.
func (c *chain) untilThrottled(before string) (throttled string) {
	c.Helper()
	c.until("the throttle", func() string {
		throttled = c.values(c.files)
		if isThrottled(throttled) {
			return ""
		}
		return throttled + ", before " + before
	})
	return throttled
}

// isThrottled: the least weight, and a quota (which a hog has no other way to
// get).
func isThrottled(values string) bool {
	low, limited := false, false
	for v := range strings.SplitSeq(values, ", ") {
		name, value, _ := strings.Cut(v, " ")
		switch name {
		case "cpu.shares":
			low = value == "2"
		case "cpu.weight":
			low = value == "1"
		case "cpu.cfs_quota_us":
			limited = value != "-1"
		case "cpu.max":
			limited = !strings.HasPrefix(value, "max")
		}
	}
	return low && limited
}

// TestThrottleThroughTheWholeChain throttles a container by a rule, and has it
// overwritten by the agent, outlive the daemon, and given back exactly.
func TestThrottleThroughTheWholeChain(t *testing.T) {
	c := newChain(t)
	first := c.run("")
	c.launch()
	before, regular := c.values(c.files), c.values(c.regular)
	if isThrottled(before) {
		t.Fatalf("throttled from the start: %s", before)
	}
	unchanged := func(when string) {
		t.Helper()
		if now := c.values(c.regular); now != regular {
			t.Errorf("%s the regular container has %s, before %s", when, now, regular)
		}
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if now := c.values(c.files); now != before {
		t.Errorf("a daemon without a policy left %s, before %s", now, before)
	}

	d := c.run(alwaysThrottle)
	c.untilThrottled(before)
	unchanged("with the throttle")

	// The agent writes what it wrote first; the daemon writes its own again.
	if err := c.agent.Update(revocableTask); err != nil {
		t.Fatal(err)
	}
	c.untilThrottled(before)
	unchanged("after an update")

	// Nobody is there to give it back.
	d.Kill()
	throttled := c.values(c.files)
	if !isThrottled(throttled) {
		t.Fatalf("after kill -9 the container has %s, want it throttled", throttled)
	}

	// The next one does so at its start, whatever its policy.
	d = c.run("")
	c.until("what was before", func() string {
		if now := c.values(c.files); now != before {
			return now + ", before " + before
		}
		return ""
	})
	unchanged("after the restart")
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}

	// One that is told to end does so before it ends.
	d = c.run(alwaysThrottle)
	c.untilThrottled(before)
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if now := c.values(c.files); now != before {
		t.Errorf("after SIGTERM the container has %s, before %s", now, before)
	}
	unchanged("at the end")
	if pids := c.pids(revocableTask); pids != "1" {
		t.Errorf("%s processes of the throttled container are left, want 1", pids)
	}
	if err := syscall.Access(filepath.Join(c.dir, "agent.sock.throttles"), 0); err == nil {
		if b, err := os.ReadFile(filepath.Join(c.dir, "agent.sock.throttles")); err != nil || strings.Contains(string(b), "cpu") {
			t.Errorf("the journal still says %q, %v", b, err)
		}
	}
}

func (c *chain) pids(task string) string {
	c.Helper()
	container, err := c.agent.Container(task)
	if err != nil {
		c.Fatal(err)
	}
	pids, err := container.Pids()
	if err != nil {
		c.Fatal(err)
	}
	return strconv.Itoa(len(pids))
}
