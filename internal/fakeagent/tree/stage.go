package tree

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/estimatord/estimatord/internal/fakeagent/spawn"
)

// stage waits for a line on descriptor 3, which the agent writes when it has put
// the process into its cgroups, and becomes the command. Where the agent goes
// away, read fails and the command does not run.
const stage = `read -r _ <&3 && exec "$@" 3<&-`

// startStaged starts cmd through the stage: a child of a process in another
// cgroup cannot be forked into v1 hierarchies, so it waits until it was moved,
// and only then runs the command.
func (c *Container) startStaged(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, cmd.Err)
	}
	gate, open, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, err)
	}
	defer func() { _ = open.Close() }()
	command := cmd.Path
	cmd.Path, cmd.ExtraFiles = "/bin/sh", []*os.File{gate}
	cmd.Args = append([]string{"stage", "-c", stage, "stage", command}, cmd.Args[min(1, len(cmd.Args)):]...)
	err = spawn.Start(cmd, syscall.SIGKILL)
	_ = gate.Close()
	if err == nil {
		if err = c.tree.Enter(c.id, cmd.Process.Pid); err == nil {
			_, err = open.WriteString("go\n")
		}
		if err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	if err != nil {
		return fmt.Errorf("start in container %s: %w", c.id, err)
	}
	return nil
}
