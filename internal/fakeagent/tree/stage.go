package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// stageEnv marks a process that waits in the stage: its value is the number of
// the file descriptor that says when to go on.
const stageEnv = "ESTIMATORD_LOCALAGENT_STAGE"

// InStage reports whether this process was started to wait in the stage. The
// main function of a program that starts containers asks this first and calls
// Stage if so.
func InStage() bool { return os.Getenv(stageEnv) != "" }

// Stage waits until the agent has put this process into its cgroups and
// becomes the command in os.Args[1:]. It only returns when that fails.
func Stage() error {
	fd, err := strconv.Atoi(os.Getenv(stageEnv))
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	gate := os.NewFile(uintptr(fd), "gate")
	if _, err := io.ReadFull(gate, make([]byte, 1)); err != nil {
		return errors.New("stage: the agent went away")
	}
	_ = gate.Close()
	if len(os.Args) < 3 {
		return errors.New("stage: no command")
	}
	if err := os.Unsetenv(stageEnv); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	// Args are the path to run, then its own arguments from argv[0] on.
	return fmt.Errorf("stage: %s: %w", os.Args[1], syscall.Exec(os.Args[1], os.Args[2:], os.Environ()))
}

// startStaged starts cmd through the stage: a child of a process in another
// cgroup cannot be forked into v1 hierarchies, so the child waits until it was
// moved, and only then runs the command.
func (c *Container) startStaged(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, cmd.Err)
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, err)
	}
	gate, open, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, err)
	}
	defer func() { _ = open.Close() }()
	cmd.Args = append([]string{"stage", cmd.Path}, cmd.Args...)
	cmd.Path = self
	fd := 3 + len(cmd.ExtraFiles)
	cmd.ExtraFiles = append(cmd.ExtraFiles, gate)
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("%s=%d", stageEnv, fd))
	err = c.tree.spawner.Start(cmd, syscall.SIGKILL)
	_ = gate.Close()
	if err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, err)
	}
	if err := c.letGo(cmd.Process.Pid, open); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("start in container %s: %w", c.id, err)
	}
	return nil
}

func (c *Container) letGo(pid int, open io.Writer) error {
	for _, dir := range c.members {
		if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	_, err := open.Write([]byte{1})
	return err
}
