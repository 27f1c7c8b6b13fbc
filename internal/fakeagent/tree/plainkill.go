package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// freezeRetry is the time between two looks whether all has stopped. (Mesos
// takes longer, which is not this package's to show.)
const freezeRetry = time.Millisecond

// KillPlainly kills the processes of the container as a Mesos agent does,
// lending them nothing to die with: on v1 it freezes them, sends SIGKILL, and
// thaws (TasksKiller, src/linux/cgroups.cpp); on v2 it writes cgroup.kill
// (src/linux/cgroups2.cpp). It returns when none is left. Destroy removes the
// cgroups afterwards.
func (c *Container) KillPlainly() error {
	deadline := time.Now().Add(destroyTimeout)
	for {
		err := c.killPlainly(deadline)
		if err != nil {
			return fmt.Errorf("kill container %s: %w", c.id, err)
		}
		pids, err := c.Pids()
		switch {
		case isGone(err), err == nil && len(pids) == 0:
			return nil
		case err != nil:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("kill container %s: %d processes do not die", c.id, len(pids))
		}
	}
}

// killPlainly is one round of it.
func (c *Container) killPlainly(deadline time.Time) error {
	if c.tree.place.v2 {
		if err := write(filepath.Join(c.dirs[0], "cgroup.kill"), "1"); err != nil {
			return err
		}
		return c.awaitEmpty(deadline)
	}
	freezer := c.freezer()
	if freezer != "" {
		if err := awaitState(freezer, "FROZEN", deadline); err != nil {
			return err
		}
	}
	pids, err := c.Pids()
	if err != nil {
		return err
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	if freezer != "" {
		if err := awaitState(freezer, "THAWED", deadline); err != nil {
			return err
		}
	}
	return c.awaitEmpty(deadline)
}

// freezer is freezer.state of the container, "" where there is none.
func (c *Container) freezer() string {
	for _, dir := range c.dirs {
		path := filepath.Join(dir, "freezer.state")
		if _, err := words(path); err == nil {
			return path
		}
	}
	return ""
}

// awaitState writes a state of the freezer until it is reached.
func awaitState(path, state string, deadline time.Time) error {
	for {
		if err := write(path, state); err != nil {
			return err
		}
		now, err := words(path)
		switch {
		case err != nil:
			return err
		case strings.Join(now, " ") == state:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%s stays %s", path, strconv.Quote(strings.Join(now, " ")))
		}
		time.Sleep(freezeRetry)
	}
}

func (c *Container) awaitEmpty(deadline time.Time) error {
	for time.Now().Before(deadline) {
		pids, err := c.Pids()
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(pids) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		time.Sleep(freezeRetry)
	}
	return nil // KillPlainly says so
}
