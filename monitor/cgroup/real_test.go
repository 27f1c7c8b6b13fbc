package cgroup_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/monitor/cgroup"
	"github.com/estimatord/estimatord/monitor/internal/cgrouptest"
)

// realTree is a tree on real cgroups, with a clock that moves a second with
// each refresh.
type realTree struct {
	*cgroup.Tree
	mono time.Duration
}

func newRealTree(t *testing.T, r *cgrouptest.Real) *realTree {
	t.Helper()
	tree := &realTree{}
	tree.Tree = cgroup.NewTree(cgroup.Config{
		Layout: r.Layout, MesosRoot: r.Name, SlowEvery: 2, CheckEvery: 2, RescanEvery: 1000,
		MaxFiles: 1000, KeepFiles: 1000,
		Monotonic: func() time.Duration { return tree.mono },
	})
	t.Cleanup(tree.Close)
	return tree
}

func (t *realTree) refresh(tb testing.TB) []*cgroup.Container {
	tb.Helper()
	t.mono += time.Second
	if why := t.Refresh(time.Unix(0, int64(t.mono)), cgroup.Machine{}); why != snapshot.Present {
		tb.Fatalf("tree: %v", why)
	}
	return t.Containers()
}

func TestRealVanishesWhileItIsRead(t *testing.T) {
	r := cgrouptest.NewReal(t)
	tree := newRealTree(t, r)
	tree.refresh(t)
	base := tree.OpenFiles()
	r.Make("c1")
	list := tree.refresh(t)
	if len(list) != 1 {
		t.Fatalf("%d containers", len(list))
	}
	var got snapshot.Container
	tree.Read(list[0], &got)
	if !got.CPU.UsageNanos.OK() || !got.Memory.UnreclaimableBytes.OK() {
		t.Fatalf("before: %+v", got)
	}
	r.Remove("c1")
	tree.Read(list[0], &got)
	for name, why := range map[string]snapshot.Absence{
		"usage": got.CPU.UsageNanos.Why, "cores": got.CPU.Cores.Why, "throttled": got.CPU.ThrottledNanos.Why,
		"memory": got.Memory.UsageBytes.Why, "anon": got.Memory.AnonBytes.Why, "working set": got.Memory.UnreclaimableBytes.Why,
		"pids": got.Pids.Why, "pressure": got.Pressure.CPUSome.Why,
	} {
		if why != snapshot.Vanished {
			t.Errorf("%s: %v, want vanished", name, why)
		}
	}
	if list := tree.refresh(t); len(list) != 0 {
		t.Errorf("still there: %+v", list[0].Key)
	}
	if tree.OpenFiles() != base {
		t.Errorf("%d descriptors, %d before", tree.OpenFiles(), base)
	}
}

// The link count of the agent's root is the same before and after; what tells
// is ENODEV on the descriptors of the one that was removed.
func TestRealSameNameIsAnotherContainer(t *testing.T) {
	r := cgrouptest.NewReal(t)
	tree := newRealTree(t, r)
	r.Make("c1")
	var first, vanished, again snapshot.Container
	tree.Read(tree.refresh(t)[0], &first)
	r.Remove("c1")
	r.Make("c1")
	tree.Read(tree.refresh(t)[0], &vanished)
	if vanished.Key != first.Key || vanished.CPU.UsageNanos.Why != snapshot.Vanished {
		t.Errorf("the old one: %+v", vanished)
	}
	tree.Read(tree.refresh(t)[0], &again)
	if again.ID != first.ID || again.Inode == first.Inode || again.Inode == 0 {
		t.Errorf("keys %+v and %+v", first.Key, again.Key)
	}
	if again.FirstSeen.Equal(first.FirstSeen) || again.CPU.Cores.Why != snapshot.FirstSample || !again.CPU.UsageNanos.OK() {
		t.Errorf("first seen %v after %v, %+v", again.FirstSeen, first.FirstSeen, again.CPU)
	}
}

// The agent makes a container's directories one hierarchy after the other, and
// we may come by in between.
func TestRealHierarchiesAppearOneByOne(t *testing.T) {
	r := cgrouptest.NewReal(t)
	if r.Layout.Mode == cgroup.V2 {
		t.Skip("cgroup v2 has one hierarchy")
	}
	tree := newRealTree(t, r)
	if err := os.Mkdir(r.Dir("cpuacct", "c1"), 0o755); err != nil {
		t.Fatal(err)
	}
	var got snapshot.Container
	tree.Read(tree.refresh(t)[0], &got)
	if !got.CPU.UsageNanos.OK() || got.Memory.UsageBytes.Why != snapshot.NoFile {
		t.Errorf("with cpuacct only: %+v %+v", got.CPU, got.Memory)
	}
	r.Make("c1")
	tree.Read(tree.refresh(t)[0], &got)
	if !got.Memory.UsageBytes.OK() || !got.Pids.OK() {
		t.Errorf("with all: %+v %+v", got.Memory, got.Pids)
	}
}

func TestRealNested(t *testing.T) {
	r := cgrouptest.NewReal(t)
	tree := newRealTree(t, r)
	r.Make("c1")
	tree.refresh(t)
	r.Make("c1/mesos/n1")
	r.Make("c1/mesos/n2")
	r.Make("c1/other") // no container: not below a separator
	tree.refresh(t)
	list := tree.refresh(t)
	var got []string
	for _, c := range list {
		got = append(got, c.Parent+"/"+c.ID)
	}
	if want := []string{"/c1", "c1/n1", "c1/n2"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	var n1 snapshot.Container
	tree.Read(list[1], &n1)
	if n1.Parent != "c1" || !n1.CPU.UsageNanos.OK() {
		t.Errorf("nested: %+v", n1)
	}
	r.Remove("c1/mesos/n1")
	tree.refresh(t)
	if list := tree.refresh(t); len(list) != 2 {
		t.Errorf("%d containers after one of three was removed", len(list))
	}
}

// One that goes and another that comes leave the link count as it was. What
// tells is reading the one that went.
func TestRealNestedIsReplaced(t *testing.T) {
	r := cgrouptest.NewReal(t)
	tree := newRealTree(t, r)
	tree.Tree = cgroup.NewTree(cgroup.Config{
		Layout: r.Layout, MesosRoot: r.Name, SlowEvery: 2, CheckEvery: 6, RescanEvery: 1000,
		MaxFiles: 1000, KeepFiles: 1000, Monotonic: func() time.Duration { return tree.mono },
	})
	t.Cleanup(tree.Close)
	r.Make("c1/mesos/n1")
	var out snapshot.Container
	tick := func() (ids []string) {
		for _, c := range tree.refresh(t) {
			tree.Read(c, &out)
			ids = append(ids, c.Parent+"/"+c.ID)
		}
		return ids
	}
	for range 10 { // until it is no longer young
		tick()
	}
	r.Remove("c1/mesos/n1")
	r.Make("c1/mesos/n2")
	tick() // tells of the one that went
	if got, want := tick(), []string{"/c1", "c1/n2"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A user may make any number of cgroups below his own; that must not cost any
// number of descriptors.
func TestRealNestedAreBounded(t *testing.T) {
	r := cgrouptest.NewReal(t)
	tree := newRealTree(t, r)
	r.Make("c1")
	for i := range 300 {
		dir := filepath.Join(r.Dir("cpuacct", "c1"), "mesos", "x"+string(rune('a'+i%26))+string(rune('a'+i/26)))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ignored := 0
	for range 2 {
		tree.refresh(t)
		ignored = max(ignored, tree.Work().NestedIgnored)
	}
	if n := len(tree.Containers()); n != 1+256 || ignored != 300-256 || tree.OpenFiles() > 1000 {
		t.Errorf("%d containers, %d ignored, %d descriptors", n, ignored, tree.OpenFiles())
	}
}

func TestRealAgentRestartsWithANewRoot(t *testing.T) {
	r := cgrouptest.NewReal(t)
	tree := newRealTree(t, r)
	r.Make("c1")
	before := tree.refresh(t)[0].Key
	r.Remove("c1")
	for _, dir := range r.Dirs() {
		cgrouptest.RemoveTree(t, dir)
	}
	tree.mono += time.Second
	if why := tree.Refresh(time.Unix(0, int64(tree.mono)), cgroup.Machine{}); why != snapshot.NoFile || len(tree.Containers()) != 0 {
		t.Errorf("without a root: %v, %d containers", why, len(tree.Containers()))
	}
	if tree.OpenFiles() != 0 {
		t.Errorf("%d descriptors without a root", tree.OpenFiles())
	}
	for _, dir := range r.Dirs() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.Make("c1")
	list := tree.refresh(t)
	if len(list) != 1 || list[0].Key == before {
		t.Errorf("with a new root: %d containers", len(list))
	}
	var got snapshot.Container
	tree.Read(list[0], &got)
	if !got.CPU.UsageNanos.OK() || !got.Memory.UsageBytes.OK() || !got.Pids.OK() {
		t.Errorf("%+v", got)
	}
}
