// Package spawn starts child processes that do not outlive this one.
package spawn

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// jobs are run on one thread that lives as long as this process:
// PR_SET_PDEATHSIG is tied to the thread that forked, not to the process
// (prctl(2); go.dev/issue/27505), and Go's threads come and go.
var jobs = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread() // never unlocked: no other goroutine ends the thread
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

// Start starts cmd so that it gets sig when this process ends, however it
// ends, and that a terminal's signals do not reach it: this process ends its
// children in its own order.
func Start(cmd *exec.Cmd, sig syscall.Signal) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = sig
	cmd.SysProcAttr.Setpgid = true
	result := make(chan error, 1)
	jobs() <- func() { result <- cmd.Start() }
	if err := <-result; err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}
