package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// guest is the init of the virtual machine: it runs the jobs and powers off.
func guest() {
	say := func(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }
	if err := work(say); err != nil {
		say(markFailed, err)
	}
	say(markDone)
	_ = os.Stdout.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func work(say func(...any)) error {
	if err := prepare(); err != nil {
		return err
	}
	b, err := os.ReadFile("/" + planPath)
	if err != nil {
		return err
	}
	var jobs []job
	if err := json.Unmarshal(b, &jobs); err != nil {
		return err
	}
	for _, j := range jobs {
		say(markRun, j.Package)
		code, err := execute(j)
		if err != nil {
			return err
		}
		say(markExit, j.Package, code)
	}
	return nil
}

// prepare mounts what a program expects, and cgroup2 as systemd does: alone,
// with its controllers handed out.
func prepare() error {
	for _, m := range []struct{ kind, dir string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"}, {"cgroup2", "/sys/fs/cgroup"},
	} {
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	have, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(have)) {
		if err := os.WriteFile("/sys/fs/cgroup/cgroup.subtree_control", []byte("+"+c), 0); err != nil {
			return fmt.Errorf("enable controller %s: %w", c, err)
		}
	}
	return loopback()
}

// loopback brings lo up; the kernel gives it 127.0.0.1 itself.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// execute runs one job and returns its exit code. As init it also reaps what
// was left by others.
func execute(j job) (int, error) {
	dir := "/" + j.Dir
	p, err := os.StartProcess(filepath.Join(dir, "test"), append([]string{"test"}, j.Args...), &os.ProcAttr{
		Dir:   dir,
		Env:   []string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp", daemonEnv + "=/" + daemonPath},
		Files: []*os.File{nil, os.Stdout, os.Stdout},
	})
	if err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait: %w", err)
		case pid != p.Pid:
		case status.Exited():
			return status.ExitStatus(), nil
		default:
			return 128 + int(status.Signal()), nil
		}
	}
}
