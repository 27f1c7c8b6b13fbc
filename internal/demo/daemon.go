package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/spawn"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
)

// errDaemon is the class of what goes wrong with the daemon's process.
var errDaemon = errors.New("the daemon")

// stopTimeout is how long the daemon may take to end.
const stopTimeout = 10 * time.Second

// daemon is the real one, as a child process with a directory of its own.
type daemon struct {
	dir, socket string
	// listens gets the address of /metrics, addr is it once ready has returned.
	listens chan string
	addr    string
	command []string
	cmd     *exec.Cmd
	spawner *spawn.Spawner
	// ended is closed when the process is gone, with exit set before.
	ended chan struct{}
	exit  error
	log   func(line)

	mu   sync.Mutex
	tail []string // the last lines of its log
}

// newDaemon prepares the directory; log is told of every line of the daemon's
// log.
func newDaemon(log func(line)) (*daemon, error) {
	dir, err := os.MkdirTemp("", "estimatord-demo-")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	d := &daemon{dir: dir, socket: filepath.Join(dir, "agent.sock"), spawner: spawn.New(), listens: make(chan string, 1), ended: make(chan struct{}), log: log}
	return d, nil
}

// start runs the command, which gets its flags appended.
func (d *daemon) start(command []string, config string, cgroups *tree.Tree) error {
	d.command = command
	config += "decisions: {dir: " + d.decisions() + "}\n"
	for name, text := range map[string]string{"config.yaml": config, "policy.yaml": policy()} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	args := append(slices.Clone(command[1:]),
		"--mode=usage", "--config="+filepath.Join(d.dir, "config.yaml"), "--policy="+filepath.Join(d.dir, "policy.yaml"),
		"--socket="+d.socket, "--listen=127.0.0.1:0", "--interval="+tick.String(),
		"--cgroup-root="+cgroups.Mount(), "--mesos-cgroups-root="+cgroups.Root(), "--log-format=json", "--log-level=info",
	)
	cmd := exec.Command(command[0], args...)
	// No setting of the caller's environment is to change the story.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := d.spawner.Start(cmd, syscall.SIGTERM); err != nil {
		return fmt.Errorf("%w: %w", errDaemon, err)
	}
	d.cmd = cmd
	go func() {
		defer close(d.ended)
		d.read(stderr)
		d.exit = cmd.Wait()
	}()
	return nil
}

// tailLines is how much of the log is shown when the daemon ends by itself.
const tailLines = 10

func (d *daemon) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		d.mu.Lock()
		d.tail = append(d.tail, lines.Text())
		d.tail = d.tail[max(0, len(d.tail)-tailLines):]
		d.mu.Unlock()
		l, err := parseLine(lines.Bytes())
		if err != nil {
			continue // a crash is no JSON; it is in the tail
		}
		if l.Msg == "metrics" {
			select {
			case d.listens <- l.Listen:
			default: // it says so once
			}
		}
		d.log(l)
	}
}

// ready waits until the daemon says where it listens.
func (d *daemon) ready(ctx context.Context) error {
	select {
	case d.addr = <-d.listens:
		return nil
	case <-d.ended:
		return d.died()
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(startTimeout):
		return fmt.Errorf("%w did not listen within %s", errDaemon, startTimeout)
	}
}

// died says how the daemon ended; to be called when it has.
func (d *daemon) died() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := fmt.Errorf("%w ended by itself: %w", errDaemon, cmpExit(d.exit))
	for _, l := range d.tail {
		err = fmt.Errorf("%w\n  %s", err, l)
	}
	return err
}

func cmpExit(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// decisions is where the daemon keeps what it decided and why.
func (d *daemon) decisions() string { return filepath.Join(d.dir, "decisions") }

// explain is what the daemon's own command line says, long after, about the
// kill of a task.
func (d *daemon) explain(task string) (string, error) {
	args := append(slices.Clone(d.command[1:]), "explain", "kill", task, "--dir", d.decisions())
	out, err := exec.Command(d.command[0], args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w cannot explain the kill: %w: %s", errDaemon, err, out)
	}
	return string(out), nil
}

// end lets the daemon end, and reports when it does not end well.
func (d *daemon) end() error {
	if d.cmd == nil {
		return nil
	}
	return d.terminate()
}

// remove removes what the daemon had.
func (d *daemon) remove() error {
	var errs []error
	d.spawner.Close()
	if _, err := os.Stat(d.socket); err == nil {
		errs = append(errs, fmt.Errorf("%w left its socket behind", errDaemon))
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

func (d *daemon) terminate() error {
	select {
	case <-d.ended:
		return nil // whoever noticed has said so
	default:
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the daemon: %w", err)
	}
	select {
	case <-d.ended:
		if d.exit != nil {
			return fmt.Errorf("%w did not end well: %w", errDaemon, d.exit)
		}
		return nil
	case <-time.After(stopTimeout):
		_ = d.cmd.Process.Kill()
		<-d.ended
		return fmt.Errorf("%w did not end within %s of SIGTERM", errDaemon, stopTimeout)
	}
}
