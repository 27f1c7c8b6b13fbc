package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// scratch is an agent's root in real cgroups. cgrouptest cannot be used from
// inside this package, which it imports.
func scratch(t *testing.T) (tree *Tree, mkdir, rmdir func(id string)) {
	t.Helper()
	layout, err := Detect("/sys/fs/cgroup", "/proc")
	if err != nil {
		t.Skipf("no usable cgroups on this host: %v", err)
	}
	at := layout.Mounts[CPUAcct]
	if at == "" || os.Geteuid() != 0 {
		t.Skip("making cgroups needs root and a CPU accounting hierarchy")
	}
	root, err := os.MkdirTemp(at, "estscan")
	if err != nil {
		t.Skipf("cgroups cannot be made here: %v", err)
	}
	live := make(map[string]bool)
	mkdir = func(id string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(root, id), 0o755); err != nil {
			t.Fatal(err)
		}
		live[id] = true
	}
	rmdir = func(id string) {
		t.Helper()
		if err := os.Remove(filepath.Join(root, id)); err != nil {
			t.Fatal(err)
		}
		delete(live, id)
	}
	t.Cleanup(func() {
		for id := range live {
			os.Remove(filepath.Join(root, id)) //nolint:errcheck // the root's removal tells
		}
		if err := os.Remove(root); err != nil {
			t.Errorf("clean-up: %v", err)
		}
	})
	var mono time.Duration
	tree = NewTree(Config{
		Layout: layout, MesosRoot: strings.TrimPrefix(root, at), SlowEvery: 10, CheckEvery: 1000, RescanEvery: 1000,
		MaxFiles: 1000, KeepFiles: 1000,
		Monotonic: func() time.Duration { mono += time.Microsecond; return mono },
	})
	t.Cleanup(tree.Close)
	return tree, mkdir, rmdir
}

func (t *Tree) mustRefresh(tb testing.TB) {
	tb.Helper()
	if why := t.Refresh(time.Unix(0, 0), Machine{}); why != snapshot.Present {
		tb.Fatalf("tree: %v", why)
	}
}

func names(t *Tree) string {
	var list []string
	for _, c := range t.Containers() {
		list = append(list, c.ID)
	}
	return strings.Join(list, " ")
}

// One goes unseen between the look at the link count and the listing, and
// another comes after it: no descriptor tells of the first, and the link count
// says that nothing changed.
func TestRealChangeDuringAListing(t *testing.T) {
	tree, mkdir, rmdir := scratch(t)
	tree.mustRefresh(t)
	mkdir("a")
	if why := tree.refreshRoots(); why != snapshot.Present {
		t.Fatal(why)
	}
	counted := tree.roots[tree.identity].state
	rmdir("a")
	if why := tree.refreshTop(); why != snapshot.Present {
		t.Fatal(why)
	}
	mkdir("b")
	if why := tree.refreshRoots(); why != snapshot.Present {
		t.Fatal(why)
	}
	if now := tree.roots[tree.identity].state; now != counted {
		t.Fatalf("the root's state tells of it by itself: %+v, then %+v", counted, now)
	}
	tree.mustRefresh(t)
	if got := names(tree); got != "b" {
		t.Errorf("containers %q, want b", got)
	}
	// And it comes to rest.
	tree.mustRefresh(t)
	tree.mustRefresh(t)
	if tree.Work().Listings != 0 {
		t.Errorf("still lists: %+v", tree.Work())
	}
}

// A container that is made anew between two ticks, under its name and by chance
// with its inode number too, is another one.
func TestRealSameNameAndInodeIsAnotherContainer(t *testing.T) {
	tree, mkdir, rmdir := scratch(t)
	mkdir("a")
	tree.mustRefresh(t)
	var first, vanished, again snapshot.Container
	old := tree.Containers()[0]
	tree.Read(old, &first)
	tree.Read(old, &first)
	rmdir("a")
	mkdir("a")
	// What a kernel that gives numbers again would have said all along.
	old.Inode = inodeOf(t, filepath.Join(tree.IdentityRoot(), "a"))
	old.dirInode = old.Inode
	tree.mustRefresh(t)
	tree.Read(old, &vanished)
	if vanished.CPU.UsageNanos.Why != snapshot.Vanished {
		t.Fatalf("the old one: %+v", vanished.CPU)
	}
	tree.mustRefresh(t)
	if len(tree.Containers()) != 1 || tree.Containers()[0] == old {
		t.Fatalf("taken for the old one: %q", names(tree))
	}
	tree.Read(tree.Containers()[0], &again)
	if !again.CPU.UsageNanos.OK() || again.CPU.Cores.Why != snapshot.FirstSample {
		t.Errorf("the new one: %+v", again.CPU)
	}
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}
