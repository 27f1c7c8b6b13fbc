package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

// guard keeps the rest of the machine off the measured CPU, as far as weights
// can: the agent's root is in a cgroup that has the greatest weight there is,
// and beside the root there, if wanted, a process spins that only runs when
// nothing else of that cgroup wants to (cpu.idle). As the CPU is then never
// idle, the kernel takes no task of others there.
//
//	<hierarchy>/<guard>               262144 shares
//	<hierarchy>/<guard>/<root>        262144 shares, a quota of one CPU
//	<hierarchy>/<guard>/shield        cpu.idle
//
// The quota makes one CPU the whole node to the daemon, with what its containers
// use as its busy time. It never binds: they run on one CPU only, and may save
// some up.
type guard struct {
	*tree.Tree
	shield *exec.Cmd
}

// mostShares is the greatest weight there is (MAX_SHARES, kernel/sched/sched.h).
const mostShares = "262144"

func newGuard() (*guard, error) {
	t, err := tree.Create("guard")
	if err != nil {
		return nil, err
	}
	g := &guard{Tree: t}
	if t.V2() {
		err = errors.New("the measurements need cgroup v1; the test runs on v2 as well")
	} else {
		err = write(filepath.Join(t.Dir("cpu", ""), "cpu.shares"), mostShares)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// confine makes the measured CPU the whole node.
func (g *guard) confine(tr *tree.Tree, shielded bool) error {
	for _, s := range [][2]string{{"cpu.shares", mostShares}, {"cpu.cfs_quota_us", "100000"}, {"cpu.cfs_burst_us", "100000"}} {
		if err := write(filepath.Join(tr.Dir("cpu", ""), s[0]), s[1]); err != nil {
			return err
		}
	}
	if !shielded {
		return nil
	}
	c, err := g.NewContainer("shield", tree.Limits{})
	if err != nil {
		return err
	}
	if err := write(filepath.Join(g.Dir("cpu", "shield"), "cpu.idle"), "1"); err != nil {
		return fmt.Errorf("the shield needs Linux 5.15: %w", err)
	}
	cmd := onMeasured("sh", "-c", spinners(1))
	if err := c.Start(cmd); err != nil {
		return err
	}
	g.shield = cmd
	return nil
}

// close removes the guard, once the agent's root is gone.
func (g *guard) close() error {
	err := g.Close()
	if g.shield != nil {
		_ = g.shield.Wait() // it was killed
	}
	return err
}
