// Package cgrouptest makes containers for tests: real cgroups with real
// processes where the kernel and our rights allow, and copied trees anywhere.
package cgrouptest

import (
	"errors"
	"testing"

	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/monitor/cgroup"
)

// Root is where the host mounts cgroup file systems.
const Root = "/sys/fs/cgroup"

// Real is an agent's root of its own in the host's cgroups.
type Real struct {
	tb     testing.TB
	Layout cgroup.Layout
	// Name is the agent's root, as in --cgroups_root.
	Name string
	*tree.Tree
}

// NewReal makes a root of a unique name, which is removed with all below it
// when the test ends. It skips the test where that is not possible.
func NewReal(tb testing.TB) *Real {
	tb.Helper()
	layout, err := cgroup.Detect(Root, "/proc")
	if err != nil {
		tb.Skipf("no usable cgroups on this host: %v", err)
	}
	t, err := tree.Create("monitor")
	if errors.Is(err, tree.ErrNoPlace) {
		tb.Skipf("cgroups cannot be made here: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := t.Close(); err != nil {
			tb.Errorf("clean-up: %v", err)
		}
	})
	return &Real{tb: tb, Layout: layout, Name: t.Root(), Tree: t}
}

// Make makes the container rel, "id" or "id/mesos/child", in each hierarchy.
// Tree.Make is for goroutines other than the test's.
func (r *Real) Make(rel string) { r.must(r.Tree.Make(rel)) }

// Remove removes the container rel in each hierarchy.
func (r *Real) Remove(rel string) { r.must(r.Tree.Remove(rel)) }

// Enter moves a process into the container rel.
func (r *Real) Enter(rel string, pid int) { r.must(r.Tree.Enter(rel, pid)) }

func (r *Real) must(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Fatal(err)
	}
}

// RemoveTree removes the cgroup dir and all below it.
func RemoveTree(tb testing.TB, dir string) {
	tb.Helper()
	if err := tree.RemoveAll(dir); err != nil {
		tb.Errorf("clean-up: %v", err)
	}
}
