package fakeagent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
)

// Errors of Launch.
var (
	// ErrNotOffered: the task asks for more than is free.
	ErrNotOffered = errors.New("not offered")
	// ErrBadTask: the task cannot be one.
	ErrBadTask = errors.New("bad task")
)

// Task is a command task: one process, run by a command executor.
type Task struct {
	// ID is unique among running tasks; it is the executor's id too
	// (slave.cpp:6786).
	ID string
	// Regular and Revocable are what the task asks for; for one resource only
	// one of them may (src/master/validation.cpp:998).
	Regular, Revocable resources.Quantities
	// Role is whose reservation Regular is of, "" for what is unreserved.
	Role string
	// Command is run. Its Path and Args, Dir, Env and standard files count,
	// the rest is the agent's to set.
	Command *exec.Cmd
}

// executorState is that of slave.hpp, Executor::State.
type executorState int

const (
	registering executorState = iota
	running
	terminating
)

// executor is a running command task with its executor and container.
type executor struct {
	task Task
	// name is what the agent calls the executor (slave.cpp:6786).
	name        string
	containerID string
	state       executorState
	container   *tree.Container
	// destroy kills and removes the container, once; nil before it is there.
	destroy func() error
	// preempted: it ends because of a correction.
	preempted bool
}

// overhead is what the agent adds for a command executor: slave.cpp:6925 and
// constants.hpp, DEFAULT_EXECUTOR_CPUS and DEFAULT_EXECUTOR_MEM.
var overhead = resources.Quantities{{Name: resources.CPUs, Amount: 100}, {Name: resources.Mem, Amount: 32 * resources.Unit}}

// regular is what is allocated to the executor as regular resources.
func (e *executor) regular() resources.Quantities {
	q := overhead.Clone()
	q.AddAll(e.task.Regular)
	return q
}

func (a *Agent) limits(e *executor) tree.Limits {
	all := e.regular()
	all.AddAll(e.task.Revocable)
	return tree.Limits{
		CPUs: all.Get(resources.CPUs), Mem: all.Get(resources.Mem),
		Revocable: !a.cfg.EqualWeights && !e.task.Revocable.IsZero(),
	}
}

func (t Task) validate() error {
	switch {
	case t.ID == "":
		return fmt.Errorf("%w: no id", ErrBadTask)
	case t.Command == nil:
		return fmt.Errorf("%w: %s has no command", ErrBadTask, t.ID)
	}
	for _, q := range t.Regular {
		if q.Amount > 0 && t.Revocable.Get(q.Name) > 0 {
			return fmt.Errorf("%w: %s asks for regular and revocable %s at once", ErrBadTask, t.ID, q.Name)
		}
	}
	return nil
}

// Launch starts the task in a container of its own and returns when its
// process runs. It fails with ErrNotOffered when the resources are not free.
func (a *Agent) Launch(t Task) error {
	if err := t.validate(); err != nil {
		return err
	}
	e := &executor{
		task: t, containerID: newUUID(),
		name: fmt.Sprintf("Command Executor (Task: %s) (Command: %s)", t.ID, strings.Join(t.Command.Args, " ")),
	}
	if err := a.admit(e); err != nil {
		return err
	}
	if err := a.start(e); err != nil {
		if !errors.Is(err, ErrClosed) {
			a.forget(e) // else await does
		}
		return fmt.Errorf("launch %s: %w", t.ID, err)
	}
	a.event(Event{Kind: TaskRunning, Task: t.ID, Container: e.containerID})
	return nil
}

// admit allocates the resources of the task.
func (a *Agent) admit(e *executor) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return ErrClosed
	}
	regular := a.cfg.total(e.task.Role)
	for _, other := range a.executors {
		if other.task.ID == e.task.ID {
			return fmt.Errorf("%w: %s runs already", ErrBadTask, e.task.ID)
		}
		if other.task.Role == e.task.Role {
			regular = regular.Minus(other.task.Regular)
		}
	}
	free := a.offer().Free()
	for _, q := range e.task.Regular {
		if q.Amount > regular.Get(q.Name) {
			return fmt.Errorf("%w: %s asks for %s %s, free are %s", ErrNotOffered, e.task.ID, q.Amount, q.Name, regular.Get(q.Name))
		}
	}
	for _, q := range e.task.Revocable {
		if q.Amount > free.Get(q.Name) {
			return fmt.Errorf("%w: %s asks for %s revocable %s, free are %s", ErrNotOffered, e.task.ID, q.Amount, q.Name, free.Get(q.Name))
		}
	}
	a.executors = append(a.executors, e)
	a.running.Add(1)
	return nil
}

func (a *Agent) start(e *executor) error {
	container, err := a.tree.NewContainer(e.containerID, a.limits(e))
	if err != nil {
		return err
	}
	destroy := sync.OnceValue(func() error {
		a.mu.Lock()
		plainly := a.cfg.PlainKill && e.preempted
		a.mu.Unlock()
		if plainly {
			_ = container.KillPlainly() // what it leaves, Destroy ends
		}
		return container.Destroy()
	})
	cmd := e.task.Command
	// A process outside the container may hold the pipes; it is not waited for.
	cmd.WaitDelay = time.Second
	if err := container.Start(cmd); err != nil {
		return errors.Join(err, destroy())
	}
	a.mu.Lock()
	e.container, e.destroy, e.state = container, destroy, running
	closed := a.closed
	a.mu.Unlock()
	go a.await(e)
	if closed { // Close has looked before the task could be killed
		return errors.Join(ErrClosed, destroy())
	}
	return nil
}

// CPUTime is the CPU time that a running task has used, as its cgroup counts.
func (a *Agent) CPUTime(task string) (time.Duration, error) {
	c, _, err := a.containerOf(task)
	if err != nil {
		return 0, err
	}
	return c.CPUTime()
}

// Container is that of a running task.
func (a *Agent) Container(task string) (*tree.Container, error) {
	c, _, err := a.containerOf(task)
	return c, err
}

// Update writes the control files of a running task's container again, as a
// real agent does now and then.
func (a *Agent) Update(task string) error {
	c, limits, err := a.containerOf(task)
	if err != nil {
		return err
	}
	return c.Update(limits)
}

func (a *Agent) containerOf(task string) (*tree.Container, tree.Limits, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.executors {
		if e.task.ID == task && e.container != nil {
			return e.container, a.limits(e), nil
		}
	}
	return nil, tree.Limits{}, fmt.Errorf("%w: %s does not run", ErrBadTask, task)
}

// await waits for the end of the task's process, removes the container, and
// only then reports the end, as the agent does (slave.cpp, executorTerminated).
func (a *Agent) await(e *executor) {
	exit := e.task.Command.Wait()
	if err := e.destroy(); err != nil {
		// The executor stays terminating, its resources allocated, until Close.
		a.mu.Lock()
		e.state = terminating
		a.mu.Unlock()
		a.event(Event{Kind: DestroyFailed, Task: e.task.ID, Container: e.containerID, Text: err.Error()})
		a.running.Done()
		return
	}
	ended := Event{Kind: TaskEnded, Task: e.task.ID, Container: e.containerID, State: "TASK_FINISHED"}
	a.mu.Lock()
	preempted := e.preempted
	a.mu.Unlock()
	switch {
	case preempted:
		ended.State, ended.Reason, ended.Text = "TASK_GONE", "REASON_CONTAINER_PREEMPTED", "Container preempted by QoS correction"
	case exit != nil:
		ended.State, ended.Text = "TASK_FAILED", exit.Error()
	}
	a.forget(e)
	a.event(ended)
}

// forget removes the executor and frees its resources.
func (a *Agent) forget(e *executor) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, other := range a.executors {
		if other == e {
			a.executors = append(a.executors[:i:i], a.executors[i+1:]...)
			a.running.Done()
			return
		}
	}
}

// newUUID is a random (version 4) UUID, RFC 9562 §5.4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
