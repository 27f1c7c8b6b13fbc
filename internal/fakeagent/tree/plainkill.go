package tree

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
)

// KillPlainly kills the processes of the container as a Mesos agent does,
// without more CPU for them to die with: on v1 it freezes them, sends SIGKILL,
// and thaws (TasksKiller, src/linux/cgroups.cpp); on v2 it writes cgroup.kill
// (src/linux/cgroups2.cpp). It returns when none is left. Destroy removes the
// cgroups afterwards.
func (c *Container) KillPlainly() error {
	pids, err := c.Pids()
	if err == nil {
		err = c.killPlainly(pids)
	}
	for deadline := time.Now().Add(destroyTimeout); err == nil && len(pids) > 0; time.Sleep(time.Millisecond) {
		if pids, err = c.Pids(); err == nil && time.Now().After(deadline) {
			err = fmt.Errorf("%d processes do not die", len(pids))
		}
	}
	if err != nil && !isGone(err) {
		return fmt.Errorf("kill container %s: %w", c.id, err)
	}
	return nil
}

// killPlainly kills them and does not wait.
func (c *Container) killPlainly(pids []int) error {
	if c.tree.place.v2 {
		return write(filepath.Join(c.dirs[0], "cgroup.kill"), "1")
	}
	thaw := func() error { return nil }
	if c.tree.Dir("freezer", c.id) != "" {
		freezer, path := cgroup1.NewFreezer(c.tree.Mount()), filepath.Join(c.tree.Root(), c.id)
		if err := freezer.Freeze(path); err != nil {
			return err
		}
		thaw = func() error { return freezer.Thaw(path) }
	}
	var errs []error
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("kill process %d: %w", pid, err))
		}
	}
	return errors.Join(append(errs, thaw())...)
}
