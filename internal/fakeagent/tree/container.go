package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/spawn"
	"github.com/estimatord/estimatord/internal/resources"
)

// What a Mesos agent gives a container per cpu: src/slave/containerizer/mesos/
// isolators/cgroups/constants.hpp:30 and cgroups2/constants.hpp:29. Revocable
// containers get the low figure for all their cpus, the regular overhead of
// the executor included (cgroups/subsystems/cpu.cpp:75).
const (
	sharesPerCPU, sharesPerCPURevocable, minShares            = 1024, 10, 2
	weightPerCPU, weightPerCPURevocable, minWeight, maxWeight = 100, 1, 1, 10000
)

// Limits are what a container is allowed, executor overhead included.
type Limits struct {
	CPUs resources.Milli
	Mem  resources.Milli // in Mesos MB; 0: no limit
	// Revocable: any of it is revocable, and CPU weights are those of
	// --revocable_cpu_low_priority.
	Revocable bool
}

// Container is one container's cgroups.
type Container struct {
	tree *Tree
	id   string
	// dirs are its directories, one per hierarchy, limits live there.
	dirs []string
}

// NewContainer makes the cgroups of a container.
func (t *Tree) NewContainer(id string, l Limits) (*Container, error) {
	if id == "" || id != filepath.Base(id) {
		return nil, fmt.Errorf("container id %q", id)
	}
	c := &Container{tree: t, id: id}
	if err := c.make(l); err != nil {
		return nil, errors.Join(fmt.Errorf("make the cgroups of container %s: %w", id, err), c.Destroy())
	}
	return c, nil
}

func (c *Container) make(l Limits) error {
	t := c.tree
	for _, root := range t.Dirs() {
		dir := filepath.Join(root, c.id)
		if _, err := os.Stat(dir); err == nil {
			c.dirs = nil // somebody else's
			return fmt.Errorf("%s: %w", dir, fs.ErrExist)
		}
		c.dirs = append(c.dirs, dir)
	}
	if err := t.Make(c.id); err != nil {
		return err
	}
	return c.write(l)
}

// write writes the limits.
func (c *Container) write(l Limits) error {
	for i, dir := range c.dirs {
		for _, s := range settings(c.tree.place.v2, c.tree.place.bases[i].controllers, l) {
			if err := write(filepath.Join(dir, s.file), s.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// settings are the control files that the agent writes on the first update of
// a container, as far as the hierarchy has the controllers.
func settings(v2 bool, controllers []string, l Limits) []setting {
	per := func(perCPU int) int { return int(l.CPUs) * perCPU / int(resources.Unit) }
	mem := strconv.FormatInt(int64(l.Mem)*resources.MemUnitBytes/int64(resources.Unit), 10)
	var out []setting
	for _, c := range controllers {
		switch {
		case c == "cpu" && v2 && l.Revocable:
			out = append(out, setting{"cpu.weight", strconv.Itoa(max(minWeight, per(weightPerCPURevocable)))})
		case c == "cpu" && v2:
			// Above 100 cpus a real agent fails here, the kernel's maximum is 10000.
			out = append(out, setting{"cpu.weight", strconv.Itoa(min(maxWeight, max(minWeight, per(weightPerCPU))))})
		case c == "cpu" && l.Revocable:
			out = append(out, setting{"cpu.shares", strconv.Itoa(max(minShares, per(sharesPerCPURevocable)))})
		case c == "cpu":
			out = append(out, setting{"cpu.shares", strconv.Itoa(max(minShares, per(sharesPerCPU)))})
		case c == "memory" && l.Mem == 0:
		case c == "memory" && v2:
			out = append(out, setting{"memory.low", mem}, setting{"memory.max", mem})
		case c == "memory":
			out = append(out, setting{"memory.soft_limit_in_bytes", mem}, setting{"memory.limit_in_bytes", mem})
		}
	}
	return out
}

// Update writes the control files as an agent does whenever it looks at a
// container again: at each end of a task, at a launch into it, and after its
// own restart (slave.cpp:3458, :5464, :6327). What others wrote is lost.
func (c *Container) Update(l Limits) error {
	if err := c.write(l); err != nil {
		return fmt.Errorf("update container %s: %w", c.id, err)
	}
	return nil
}

// ID is the container id.
func (c *Container) ID() string { return c.id }

// Dirs are the container's directories, one per hierarchy.
func (c *Container) Dirs() []string { return slices.Clone(c.dirs) }

// Start starts cmd inside the container: on v2 it is forked into its cgroup,
// on v1 it waits in a stage until it is in all hierarchies. It gets SIGKILL
// when this process ends.
func (c *Container) Start(cmd *exec.Cmd) error {
	if c.tree.place.v2 {
		leaf, err := os.Open(c.tree.members(c.id)[0])
		if err != nil {
			return fmt.Errorf("start in container %s: %w", c.id, err)
		}
		defer func() { _ = leaf.Close() }()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(leaf.Fd())}
		return spawn.Start(cmd, syscall.SIGKILL)
	}
	return c.startStaged(cmd)
}

// CPUTime is the CPU time that the container has used.
func (c *Container) CPUTime() (time.Duration, error) {
	path, format, unit := filepath.Join(c.tree.Dir("cpuacct", c.id), "cpuacct.usage"), "%d", time.Nanosecond
	if c.tree.place.v2 {
		path, format, unit = filepath.Join(c.dirs[0], "cpu.stat"), "usage_usec %d", time.Microsecond
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("CPU time of container %s: %w", c.id, err)
	}
	var n int64
	if _, err := fmt.Sscanf(string(text), format, &n); err != nil {
		return 0, fmt.Errorf("CPU time of container %s: %s: %w", c.id, path, err)
	}
	return time.Duration(n) * unit, nil
}

// Pids are the processes in the container.
func (c *Container) Pids() ([]int, error) {
	list, err := words(filepath.Join(c.tree.members(c.id)[0], "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("processes of container %s: %w", c.id, err)
	}
	pids := make([]int, 0, len(list))
	for _, w := range list {
		pid, err := strconv.Atoi(w)
		if err != nil {
			return nil, fmt.Errorf("processes of container %s: %w", c.id, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// Destroy kills the processes of the container without grace and removes its
// cgroups. It is done when it returns nil, and may be repeated otherwise.
func (c *Container) Destroy() error {
	// On v1 one process is in all directories: it has to be thawed and to get CPU
	// in each before its end is waited for in the first.
	for _, d := range c.dirs {
		boost(d)
	}
	for _, d := range c.dirs {
		if err := destroy(d); err != nil {
			return fmt.Errorf("destroy container %s: %w", c.id, err)
		}
	}
	return nil
}
