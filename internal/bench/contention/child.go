package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The program is its own helper processes.
const (
	asService = "contention-service"
	asPinned  = "contention-pinned"
	// pinnedEnv marks the harness once it stays on its CPU.
	pinnedEnv = "ESTIMATORD_CONTENTION_PINNED"
)

// CPUs that are used; the last one is measured.
const (
	firstCPU    = 0
	measuredCPU = 1
)

// asChild is the helper process, if this is to be one.
func asChild(args []string) (child bool, err error) {
	switch {
	case len(args) > 0 && args[0] == asService:
		return true, serve(os.Stdin, os.Stdout)
	case len(args) > 2 && args[0] == asPinned:
		return true, pinAndExec(args[1], args[2:])
	}
	return false, nil
}

// pinAndExec becomes a command that runs on one CPU only, or on all.
func pinAndExec(where string, command []string) error {
	set, err := cpuSet(where)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the affinity of this thread is what exec keeps
	if err := unix.SchedSetaffinity(0, set); err != nil {
		return fmt.Errorf("run on CPU %s: %w", where, err)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, command, os.Environ()))
}

const everywhere = "any"

func cpuSet(where string) (*unix.CPUSet, error) {
	var set unix.CPUSet
	if where == everywhere {
		set.Set(firstCPU)
		set.Set(measuredCPU)
		return &set, nil
	}
	cpu, err := strconv.Atoi(where)
	if err != nil {
		return nil, fmt.Errorf("%q is no CPU", where)
	}
	set.Set(cpu)
	return &set, nil
}

// pinned is the command that runs another one on that CPU.
func pinned(where string, command ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return exec.Command(self, append([]string{asPinned, where}, command...)...), nil
}

// stayOn has this process run on one CPU. Threads inherit that from the one
// that makes them, so it has to be there before the runtime's other threads.
func stayOn(cpu int) error {
	if runtime.NumCPU() <= measuredCPU && os.Getenv(pinnedEnv) == "" {
		return errors.New("needs two CPUs: one to measure, one for everything else")
	}
	if os.Getenv(pinnedEnv) != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv(pinnedEnv, "1"); err != nil {
		return err
	}
	return pinAndExec(strconv.Itoa(cpu), append([]string{self}, os.Args[1:]...))
}
