package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// kernelPackage is Debian's kernel for virtual machines: small, and with
// cgroups, PSI and the serial console built in.
const kernelPackage = "linux-image-cloud-amd64"

// findKernel is the kernel that was asked for, that of the host, or a
// downloaded one.
func findKernel(ctx context.Context, o options) (string, error) {
	if o.kernel != "" {
		return o.kernel, nil
	}
	downloaded := filepath.Join(o.dir, "kernel")
	for _, dir := range []string{"/boot", filepath.Join(downloaded, "boot")} {
		if k := newest(dir); k != "" {
			return k, nil
		}
	}
	if err := download(ctx, downloaded); err != nil {
		return "", fmt.Errorf("%w; install Debian's %s, or give -kernel", err, kernelPackage)
	}
	if k := newest(filepath.Join(downloaded, "boot")); k != "" {
		return k, nil
	}
	return "", errors.New("the downloaded package holds no kernel")
}

// newest is the last readable cloud kernel in dir, "" if none.
func newest(dir string) string {
	found, _ := filepath.Glob(filepath.Join(dir, "vmlinuz-*-cloud-amd64")) // the pattern is right
	slices.Sort(found)
	for _, k := range slices.Backward(found) {
		if f, err := os.Open(k); err == nil {
			_ = f.Close()
			return k
		}
	}
	return ""
}

// download unpacks the kernel's package into dir, without installing it.
func download(ctx context.Context, dir string) error {
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", kernelPackage).Output()
	if err != nil {
		return fmt.Errorf("no kernel found, and none to download: %w", err)
	}
	name := dependency(string(out))
	if name == "" {
		return fmt.Errorf("no kernel found, and %s names none", kernelPackage)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	get := exec.CommandContext(ctx, "apt-get", "download", name)
	get.Dir, get.Stderr = dir, os.Stderr
	if err := get.Run(); err != nil {
		return fmt.Errorf("apt-get download %s: %w", name, err)
	}
	debs, _ := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
	if len(debs) == 0 {
		return fmt.Errorf("apt-get download %s left nothing", name)
	}
	unpack := exec.CommandContext(ctx, "dpkg-deb", "-x", debs[0], dir)
	unpack.Stderr = os.Stderr
	if err := unpack.Run(); err != nil {
		return fmt.Errorf("dpkg-deb -x %s: %w", debs[0], err)
	}
	return os.Remove(debs[0])
}

// dependency reads "  Depends: linux-image-6.1.0-56-cloud-amd64" from what
// apt-cache depends says.
func dependency(text string) string {
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok {
			return "linux-image-" + name
		}
	}
	return ""
}
