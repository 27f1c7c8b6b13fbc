package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
)

const serviceTask = "service"

// asService makes this program the service.
const asService = "contention-service"

// CPUs that are used: the daemon, the agent and the harness on the first, service
// and hogs on the one that is measured.
const (
	firstCPU    = 0
	measuredCPU = 1
)

// onMeasured is a command that runs on the measured CPU only.
func onMeasured(command ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", strconv.Itoa(measuredCPU)}, command...)...)
}

// node is an agent with a service, on one CPU.
type node struct {
	*daemons
	dir    string
	agent  *fakeagent.Agent
	cancel context.CancelFunc
	asking sync.WaitGroup
	guard  *guard
	in     io.WriteCloser
	out    *json.Decoder
	events fakeagent.Events
}

// nodeConfig says what differs between measurements.
type nodeConfig struct {
	fakeagent.Config
	// shielded: others do not even get what the containers leave of the CPU.
	shielded bool
}

func newNode(o *options, c nodeConfig) (n *node, err error) {
	dir, err := os.MkdirTemp("", "estimatord-contention-")
	if err != nil {
		return nil, err
	}
	n = &node{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.guard, err = newGuard(); err != nil {
		return n, err
	}
	c.Socket, c.Purpose, c.Below = socketIn(dir), "contention", n.guard.Root()
	c.EstimateInterval, c.Observe, c.Log = 200*time.Millisecond, n.events.Observe, slog.New(slog.DiscardHandler)
	if n.agent, err = fakeagent.New(c.Config); err != nil {
		return n, err
	}
	n.daemons = newDaemons(o.daemon, n.agent.Tree(), dir, o.log)
	if err := n.guard.confine(n.agent.Tree(), c.shielded); err != nil {
		return n, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.asking.Go(func() { n.agent.Run(ctx) })
	err = n.launchService()
	return n, err
}

func (n *node) close() error {
	var errs []error
	if n.in != nil {
		errs = append(errs, n.in.Close())
	}
	if n.agent != nil {
		errs = append(errs, n.agent.Close())
	}
	if n.cancel != nil {
		n.cancel()
		n.asking.Wait()
	}
	if n.guard != nil {
		errs = append(errs, n.guard.close())
	}
	return errors.Join(append(errs, os.RemoveAll(n.dir))...)
}

// await returns the first event of the kind about the task.
func (n *node) await(ctx context.Context, kind fakeagent.EventKind, task string) (fakeagent.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, process.Timeout)
	defer cancel()
	return n.events.Await(ctx, kind, task)
}

func (n *node) launchService() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := onMeasured(self, asService)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	n.in, n.out = in, json.NewDecoder(out)
	return n.agent.Launch(fakeagent.Task{ID: serviceTask, Regular: cpus(resources.Unit), Command: cmd})
}

func cpus(q resources.Milli) resources.Quantities {
	return resources.Quantities{{Name: resources.CPUs, Amount: q}}
}

// ask has the service do something, and waits for its report.
func (n *node) ask(o order) (report, error) {
	if err := n.send(o); err != nil {
		return report{}, err
	}
	return n.receive()
}

func (n *node) send(o order) error { return json.NewEncoder(n.in).Encode(o) }

func (n *node) receive() (r report, err error) {
	err = n.out.Decode(&r)
	return r, err
}

// launchHogs launches so many best-effort tasks, each of so many processes that
// spin, on the measured CPU.
func (n *node) launchHogs(names []string, processes int) error {
	for _, name := range names {
		if err := n.launchRevocable(name, onMeasured("sh", "-c", spinners(processes))); err != nil {
			return err
		}
		c, err := n.agent.Container(name)
		if err != nil {
			return err
		}
		if err := awaitProcesses(c, processes); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (n *node) launchRevocable(name string, cmd *exec.Cmd) error {
	for deadline := time.Now().Add(process.Timeout); ; time.Sleep(10 * time.Millisecond) {
		err := n.agent.Launch(fakeagent.Task{ID: name, Revocable: cpus(resources.Unit), Command: cmd})
		if !errors.Is(err, fakeagent.ErrNotOffered) || time.Now().After(deadline) {
			return err
		}
	}
}

func awaitProcesses(c *tree.Container, want int) error {
	for deadline := time.Now().Add(process.Timeout); ; time.Sleep(5 * time.Millisecond) {
		pids, err := c.Pids()
		if err == nil && len(pids) == want {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes, want %d: %w", len(pids), want, err)
		}
	}
}

// awaitEmpty waits until no process is left.
func awaitEmpty(c *tree.Container) {
	for limit := time.Now().Add(process.Timeout); time.Now().Before(limit); time.Sleep(500 * time.Microsecond) {
		if pids, err := c.Pids(); err != nil || len(pids) == 0 {
			return
		}
	}
}

// spinners is a shell script of so many processes that spin.
func spinners(processes int) string {
	return strings.Repeat("while :; do :; done & ", processes-1) + "while :; do :; done"
}

// signal sends a signal to each process of the hogs.
func (n *node) signal(names []string, sig syscall.Signal) error {
	for _, name := range names {
		c, err := n.agent.Container(name)
		if err != nil {
			continue // it was killed
		}
		pids, err := c.Pids()
		if err != nil {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// file is the path of a control file of a task's container.
func (n *node) file(task, name string) (string, error) {
	c, err := n.agent.Container(task)
	if err != nil {
		return "", err
	}
	for _, dir := range c.Dirs() {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("container of %s: %w: %s", task, os.ErrNotExist, name)
}

// set writes a control file of each of the tasks.
func (n *node) set(tasks []string, name, value string) error {
	for _, task := range tasks {
		path, err := n.file(task, name)
		if err != nil {
			return err
		}
		if err := write(path, value); err != nil {
			return err
		}
	}
	return nil
}

// get reads a control file of a task.
func (n *node) get(task, name string) (string, error) {
	path, err := n.file(task, name)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

// awaitAll waits until the file of all tasks is as it should be.
func (n *node) awaitAll(ctx context.Context, tasks []string, name string, ok func(value string) bool) error {
	for deadline := time.Now().Add(process.Timeout); ; {
		var values []string
		for _, task := range tasks {
			v, err := n.get(task, name)
			if err != nil {
				return err
			}
			values = append(values, v)
		}
		if !slices.ContainsFunc(values, func(v string) bool { return !ok(v) }) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is %q for too long", name, values)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(path, value string) error { return os.WriteFile(path, []byte(value), 0o600) }
