// Command cgroup2vm runs Go tests on a kernel with cgroup v2 and nothing else
// mounted, whatever the host has: it compiles the test binaries of packages,
// boots a Debian kernel under qemu with them in its initramfs, and reports
// what they say. It needs no root and no network (unless there is no kernel to
// be found).
//
// Under plain emulation the guest's clock counts the instructions of its one
// CPU, 8 ns each, and jumps while that is idle. Time in the guest is then not
// that of the host: neither the slowness of emulation nor what else the host is
// doing changes what a test measures.
//
//	go run ./internal/cgroup2vm [flags] package...
//
// The same binary is the guest's init.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	kernel, run, accel string
	timeout            time.Duration
	dir                string
	patterns           []string
}

func main() {
	if os.Getpid() == 1 {
		guest()
		return
	}
	var o options
	flag.StringVar(&o.kernel, "kernel", "", "kernel image; the newest Debian cloud kernel if empty")
	flag.StringVar(&o.run, "run", "", "only tests that match, as in go test")
	flag.StringVar(&o.accel, "accel", "tcg", "accelerator of qemu: tcg, or kvm where it is allowed")
	flag.DurationVar(&o.timeout, "timeout", 20*time.Minute, "limit for the guest")
	flag.StringVar(&o.dir, "dir", "build/cgroup2vm", "directory for what is built and downloaded")
	flag.Parse()
	o.patterns = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cgroup2vm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out io.Writer) error {
	if len(o.patterns) == 0 {
		return errors.New("no packages given")
	}
	qemu, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		return fmt.Errorf("%w: install Debian's qemu-system-x86", err)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	kernel, err := findKernel(ctx, o)
	if err != nil {
		return err
	}
	began := time.Now()
	image := filepath.Join(o.dir, "initramfs.cpio")
	packages, err := build(ctx, o, image)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d test binaries built in %s; booting %s\n", len(packages), time.Since(began).Round(time.Second), kernel)
	return boot(ctx, o, out, qemuCommand{qemu, kernel, image}, packages)
}

// qemuCommand is what is booted: paths of the emulator, kernel and initramfs.
type qemuCommand struct{ path, kernel, image string }

// boot runs the guest and reports.
func boot(ctx context.Context, o options, out io.Writer, q qemuCommand, packages []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("the guest did not end within %s", o.timeout))
	defer cancel()
	// CommandContext kills qemu by its pid when the time is over.
	args := []string{
		"-accel", o.accel, "-cpu", "max", "-m", "2G", "-nographic", "-no-reboot", "-nodefaults",
		"-serial", "stdio", "-monitor", "none", "-kernel", q.kernel, "-initrd", q.image,
		"-append", "console=ttyS0 quiet panic=-1 psi=1 random.trust_cpu=on",
	}
	if o.accel == "tcg" {
		args = append(args, "-smp", "1", "-icount", "shift=3,sleep=off")
	} else {
		args = append(args, "-smp", "2")
	}
	cmd := exec.CommandContext(ctx, q.path, args...)
	cmd.Stderr = os.Stderr
	serial, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	began := time.Now()
	report := newReport(out)
	readErr := report.read(serial)
	if err := cmd.Wait(); ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), report.verdict(packages))
	} else if err != nil {
		return fmt.Errorf("qemu: %w", err)
	}
	_, _ = fmt.Fprintf(out, "guest ran for %s\n", time.Since(began).Round(time.Second))
	return errors.Join(readErr, report.verdict(packages))
}
