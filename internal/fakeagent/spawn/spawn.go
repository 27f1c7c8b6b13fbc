// Package spawn starts child processes that do not outlive this one.
//
// PR_SET_PDEATHSIG is tied to the thread that forked, not to the process
// (prctl(2); go.dev/issue/27505), and Go's threads come and go. A Spawner
// therefore forks on one thread that it keeps until it is closed.
package spawn

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// ErrClosed is what Start returns after Close.
var ErrClosed = errors.New("spawner is closed")

// Spawner starts processes from a thread of its own. It is safe for concurrent
// use.
type Spawner struct {
	jobs   chan func()
	closed chan struct{}
	once   sync.Once
}

// New makes a Spawner; Close releases its thread.
func New() *Spawner {
	s := &Spawner{jobs: make(chan func()), closed: make(chan struct{})}
	go func() {
		// Never unlocked: no other goroutine runs on the thread and ends it.
		runtime.LockOSThread()
		for {
			select {
			case job := <-s.jobs:
				job()
			case <-s.closed:
				return
			}
		}
	}()
	return s
}

// Start starts cmd so that it gets sig when this process ends, however it
// ends, and that a terminal's signals do not reach it: this process ends its
// children in its own order.
func (s *Spawner) Start(cmd *exec.Cmd, sig syscall.Signal) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = sig
	cmd.SysProcAttr.Setpgid = true
	result := make(chan error, 1)
	select {
	case s.jobs <- func() { result <- cmd.Start() }:
		if err := <-result; err != nil {
			return fmt.Errorf("start %s: %w", cmd.Path, err)
		}
		return nil
	case <-s.closed:
		return ErrClosed
	}
}

// Close releases the thread. Whether children that still run get their signal
// then depends on which thread it was, the process's first one only ends with
// it: end them before.
func (s *Spawner) Close() { s.once.Do(func() { close(s.closed) }) }
