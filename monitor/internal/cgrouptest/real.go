// Package cgrouptest makes containers for tests: real cgroups with real
// processes where the kernel and our rights allow, and copied trees anywhere.
package cgrouptest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/monitor/cgroup"
)

// Root is where the host mounts cgroup file systems.
const Root = "/sys/fs/cgroup"

var serial atomic.Int64

// Real is an agent's root of its own in the host's cgroups.
type Real struct {
	tb     testing.TB
	Layout cgroup.Layout
	// Name is the agent's root, as in --cgroups_root.
	Name string
	dirs []string
}

// NewReal makes a root of a unique name, which is removed with all below it
// when the test ends. It skips the test where that is not possible.
func NewReal(tb testing.TB) *Real {
	tb.Helper()
	layout, err := cgroup.Detect(Root, "/proc")
	if err != nil {
		tb.Skipf("no usable cgroups on this host: %v", err)
	}
	if os.Geteuid() != 0 {
		tb.Skip("making cgroups needs root")
	}
	r := &Real{tb: tb, Layout: layout, Name: fmt.Sprintf("estmon%d-%d", os.Getpid(), serial.Add(1))}
	for _, at := range layout.Mounts {
		if at != "" && !contains(r.dirs, filepath.Join(at, r.Name)) {
			r.dirs = append(r.dirs, filepath.Join(at, r.Name))
		}
	}
	if layout.Mode == cgroup.V2 {
		if err := delegate(Root); err != nil {
			tb.Skipf("controllers cannot be turned on here: %v", err)
		}
	}
	tb.Cleanup(r.remove)
	if err := r.makeRoot(); err != nil {
		tb.Skipf("cgroups cannot be made here: %v", err)
	}
	return r
}

// MakeRoot makes the root again after RemoveRoot.
func (r *Real) MakeRoot() {
	r.tb.Helper()
	if err := r.makeRoot(); err != nil {
		r.tb.Fatal(err)
	}
}

func (r *Real) makeRoot() error {
	for _, dir := range r.dirs {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if r.Layout.Mode == cgroup.V2 {
		return delegate(r.dirs[0])
	}
	return nil
}

// RemoveRoot removes the root, which must be empty.
func (r *Real) RemoveRoot() {
	r.tb.Helper()
	for _, dir := range r.dirs {
		if err := rmdir(dir); err != nil {
			r.tb.Fatal(err)
		}
	}
}

// delegate turns on every controller for the children of dir, as the agent
// does (docs/cgroups2-support.md).
func delegate(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(text)) {
		switch c {
		case "cpu", "memory", "pids", "io":
			if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644); err != nil {
				return fmt.Errorf("controller %s for %s: %w", c, dir, err)
			}
		}
	}
	return nil
}

// Make makes the container rel, "id" or "id/mesos/child", in each hierarchy.
func (r *Real) Make(rel string) {
	r.tb.Helper()
	if err := r.TryMake(rel); err != nil {
		r.tb.Fatal(err)
	}
}

// TryMake is Make for goroutines other than the test's.
func (r *Real) TryMake(rel string) error {
	for _, dir := range r.dirs {
		if err := os.MkdirAll(filepath.Join(dir, rel), 0o755); err != nil {
			return err
		}
	}
	if r.Layout.Mode == cgroup.V2 {
		// From the top: a controller must be on in each directory above.
		at := r.dirs[0]
		for name := range strings.SplitSeq(rel, "/") {
			at = filepath.Join(at, name)
			if err := delegate(at); err != nil {
				return err
			}
		}
		return os.Mkdir(filepath.Join(r.dirs[0], rel, "leaf"), 0o755)
	}
	return nil
}

// Remove removes the container rel in each hierarchy.
func (r *Real) Remove(rel string) {
	r.tb.Helper()
	if err := r.TryRemove(rel); err != nil {
		r.tb.Fatal(err)
	}
}

// TryRemove is Remove for goroutines other than the test's.
func (r *Real) TryRemove(rel string) error {
	var errs []error
	for _, dir := range r.dirs {
		if r.Layout.Mode == cgroup.V2 {
			errs = append(errs, rmdir(filepath.Join(dir, rel, "leaf")))
		}
		errs = append(errs, rmdir(filepath.Join(dir, rel)))
	}
	return errors.Join(errs...)
}

// Enter moves a process into the container rel.
func (r *Real) Enter(rel string, pid int) {
	r.tb.Helper()
	for _, dir := range r.dirs {
		at := filepath.Join(dir, rel)
		if r.Layout.Mode == cgroup.V2 {
			at = filepath.Join(at, "leaf")
		}
		if err := os.WriteFile(filepath.Join(at, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			r.tb.Fatal(err)
		}
	}
}

// Dir is where the container rel is in the controller's hierarchy.
func (r *Real) Dir(controller, rel string) string {
	return filepath.Join(r.Layout.Mount(controller), r.Name, rel)
}

// remove is the clean-up: it removes whatever is below the root. Its processes
// have ended by then, since theirs is the later clean-up registered.
func (r *Real) remove() {
	for _, dir := range r.dirs {
		RemoveTree(r.tb, dir)
	}
}

// RemoveTree removes the cgroup dir and all below it.
func RemoveTree(tb testing.TB, dir string) {
	tb.Helper()
	if err := removeTree(dir); err != nil {
		tb.Errorf("clean-up: %v", err)
	}
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return rmdir(dir)
}

// rmdir waits while the kernel still counts a process that just ended.
func rmdir(dir string) error {
	for range 1000 {
		err := unix.Rmdir(dir)
		switch {
		case err == nil, errors.Is(err, unix.ENOENT):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return fmt.Errorf("rmdir %s: %w", dir, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("rmdir %s: still busy after 5 s", dir)
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}
