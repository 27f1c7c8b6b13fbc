package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

// daemon is the real one, as a child process with a directory of its own.
type daemon struct {
	*process.Process
	dir, socket string
	command     []string
}

func newDaemon(command []string) (*daemon, error) {
	dir, err := os.MkdirTemp("", "estimatord-demo-")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return &daemon{dir: dir, socket: filepath.Join(dir, "agent.sock"), command: command}, nil
}

// start runs the command, which gets its flags appended, and waits until it
// serves. watch is told of every line of the daemon's log.
func (d *daemon) start(ctx context.Context, config, rules string, cgroups *tree.Tree, watch func(process.Line)) (err error) {
	config += "socket: " + d.socket + "\ndecisions: {dir: " + d.decisions() + "}\n"
	if rules != "" {
		config += "policy: " + filepath.Join(d.dir, "policy.yaml") + "\n"
	}
	for name, text := range map[string]string{"config.yaml": config, "policy.yaml": rules} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	args := append(slices.Clone(d.command[1:]),
		"--config="+d.settings(),
		"--listen=127.0.0.1:0", "--interval="+tick.String(),
		"--cgroup-root="+cgroups.Mount(), "--mesos-cgroups-root="+cgroups.Root(), "--log-format=json", "--log-level=info",
	)
	d.Process, err = process.Start(ctx, exec.Command(d.command[0], args...), watch)
	return err
}

// settings is the file by which commands find the daemon.
func (d *daemon) settings() string { return filepath.Join(d.dir, "config.yaml") }

// operatorSocket is where the daemon tells people how things stand.
func (d *daemon) operatorSocket() string { return filepath.Join(d.dir, "operator.sock") }

// decisions is where the daemon keeps what it decided and why.
func (d *daemon) decisions() string { return filepath.Join(d.dir, "decisions") }

// explain is what the daemon's own command line says, long after, about the
// kill of a task.
func (d *daemon) explain(task string) (string, error) {
	args := append(slices.Clone(d.command[1:]), "explain", "kill", task, "--config", d.settings())
	out, err := exec.Command(d.command[0], args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w cannot explain the kill: %w: %s", process.ErrDaemon, err, out)
	}
	return string(out), nil
}

// end lets the daemon end, and reports when it does not end well. One that
// ended by itself was reported by who noticed.
func (d *daemon) end() error {
	if d.Process == nil {
		return nil
	}
	select {
	case <-d.Ended():
		return nil
	default:
		return d.Stop()
	}
}

// remove removes what the daemon had.
func (d *daemon) remove() error {
	var left error
	if _, err := os.Stat(d.socket); err == nil {
		left = fmt.Errorf("%w left its socket behind", process.ErrDaemon)
	}
	return errors.Join(left, os.RemoveAll(d.dir))
}
