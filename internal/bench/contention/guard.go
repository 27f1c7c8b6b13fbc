package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

const hierarchies = "/sys/fs/cgroup"

// guard keeps the rest of the machine off the measured CPU, as far as weights
// can: the agent's root is in a cgroup that has the greatest weight there is,
// and beside the root there, if wanted, a process spins that only runs when
// nothing else of that cgroup wants to (cpu.idle). As the CPU is then never
// idle, the kernel takes no task of others there.
//
//	<hierarchy>/<name>                262144 shares
//	<hierarchy>/<name>/<root>         262144 shares, a quota of one CPU
//	<cpu>/<name>/shield               cpu.idle
//
// The quota makes one CPU the whole node to the daemon, with what its containers
// use as its busy time. It never binds: they run on one CPU only, and may save
// some up.
type guard struct {
	name   string
	dirs   []string
	shield *exec.Cmd
}

func newGuard() (*guard, error) {
	g := &guard{name: "estimatord-guard-" + strconv.Itoa(os.Getpid())}
	for _, controller := range []string{"cpu", "cpuacct", "memory", "freezer", "pids"} {
		at := filepath.Join(hierarchies, controller)
		if !exists(filepath.Join(at, "cgroup.procs")) {
			continue
		}
		dir := filepath.Join(at, g.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, g.close())
		}
		g.dirs = append(g.dirs, dir)
	}
	cpu := filepath.Join(hierarchies, "cpu", g.name)
	if !exists(filepath.Join(cpu, "cpu.shares")) {
		return nil, errors.Join(errors.New("the measurements need cgroup v1 in "+hierarchies+"; the test runs on v2 as well"), g.close())
	}
	if err := write(filepath.Join(cpu, "cpu.shares"), mostShares); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// mostShares is the greatest weight there is (MAX_SHARES, kernel/sched/sched.h).
const mostShares = "262144"

// confine makes the measured CPU the whole node.
func (g *guard) confine(tr *tree.Tree, shielded bool) error {
	root := filepath.Join(tr.Mount(), "cpu", tr.Root())
	for _, s := range [][2]string{{"cpu.shares", mostShares}, {"cpu.cfs_quota_us", "100000"}, {"cpu.cfs_burst_us", "100000"}} {
		if err := write(filepath.Join(root, s[0]), s[1]); err != nil {
			return err
		}
	}
	if !shielded {
		return nil
	}
	dir := filepath.Join(hierarchies, "cpu", g.name, "shield")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	g.dirs = append(g.dirs, dir)
	if err := write(filepath.Join(dir, "cpu.idle"), "1"); err != nil {
		return fmt.Errorf("the shield needs Linux 5.15: %w", err)
	}
	cmd := onMeasured("sh", "-c", spinners(1))
	if err := cmd.Start(); err != nil {
		return err
	}
	g.shield = cmd
	return write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(cmd.Process.Pid))
}

// close removes the guard, once the agent's root is gone.
func (g *guard) close() error {
	if g.shield != nil {
		_ = g.shield.Process.Kill()
		_ = g.shield.Wait() // its exit status is the kill's
	}
	var errs []error
	for i := range g.dirs {
		errs = append(errs, os.Remove(g.dirs[len(g.dirs)-1-i]))
	}
	return errors.Join(errs...)
}
