package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Classes of errors for a cgroup root that cannot be used.
var (
	// ErrNoRoot: the cgroup root does not exist.
	ErrNoRoot = errors.New("no such cgroup root")
	// ErrDenied: the cgroup root may not be read.
	ErrDenied = errors.New("cgroup root may not be read")
	// ErrNotCgroup: the cgroup root is not where cgroup file systems are mounted.
	ErrNotCgroup = errors.New("not a cgroup root")
	// ErrNoController: no controller there tells what containers use.
	ErrNoController = errors.New("no usable controller")
)

// Mode is how cgroups are mounted.
type Mode uint8

const (
	// V1 has one hierarchy for each controller, or a few that share one.
	V1 Mode = iota + 1
	// Hybrid is V1 with a cgroup2 tree beside. A Mesos agent puts containers
	// into the v1 hierarchies of such a host (it refuses a cgroup2 that is not
	// mounted at /sys/fs/cgroup: src/linux/cgroups2.cpp:276-294).
	Hybrid
	// V2 has one hierarchy for everything.
	V2
)

// String is "v1", "hybrid" or "v2".
func (m Mode) String() string {
	switch m {
	case V1:
		return "v1"
	case Hybrid:
		return "hybrid"
	case V2:
		return "v2"
	}
	return "none"
}

// The controllers that are read.
const (
	CPU = iota
	CPUAcct
	Memory
	Pids
	numControllers
)

var controllerNames = [numControllers]string{CPU: "cpu", CPUAcct: "cpuacct", Memory: "memory", Pids: "pids"}

// Layout is what is mounted where.
type Layout struct {
	Mode Mode
	// Root is the directory that was examined.
	Root string
	// Real: the kernel answers below Root; otherwise it is a copy of a tree.
	Real bool
	// Mounts are the directories of the controllers' hierarchies, by
	// controller; "" for one that is not there. On V2 they are all Root.
	Mounts [numControllers]string
	// CPUSet is where the cpuset controller is, "" if nowhere. Containers are
	// not read there; it bounds what they can use.
	CPUSet string
	// Freezer is where the freezer controller is, "" if nowhere; on V2 it is
	// Root. Nothing is read there; containers can be stopped in it.
	Freezer string
	// Unified is where cgroup2 is mounted; "" on V1.
	Unified string
}

// Mount is where the named controller is.
func (l Layout) Mount(controller string) string {
	if i := slices.Index(controllerNames[:], controller); i >= 0 {
		return l.Mounts[i]
	}
	return ""
}

// Detect finds out how cgroups are mounted below root. procRoot is where its
// own mounts are read from; without it, the directories' names decide, as they
// do for a copied tree.
func Detect(root, procRoot string) (Layout, error) {
	clean, err := checkRoot(root)
	if err != nil {
		return Layout{}, err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(clean, &st); err != nil {
		return Layout{}, fmt.Errorf("%w: statfs %q: %w", ErrNoRoot, root, err)
	}
	switch st.Type {
	case unix.CGROUP2_SUPER_MAGIC:
		return detectV2(Layout{Mode: V2, Root: clean, Unified: clean, Real: true})
	case unix.CGROUP_SUPER_MAGIC:
		return Layout{}, fmt.Errorf("%w: %q is the mount of one v1 hierarchy: give the directory above it", ErrNotCgroup, root)
	}
	if l, ok := detectMounts(clean, procRoot); ok {
		return l, usable(l)
	}
	return detectTree(clean)
}

// checkRoot tells the ways in which root can be unusable apart, and returns it
// without symbolic links.
func checkRoot(root string) (string, error) {
	_, err := os.ReadDir(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %q: is the cgroup file system mounted?", ErrNoRoot, root)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.Is(err, unix.ENOTDIR):
		return "", fmt.Errorf("%w: %q is not a directory", ErrNotCgroup, root)
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrNoRoot, err)
	}
	clean, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoRoot, err)
	}
	return clean, nil
}

// detectMounts uses the mounts below root.
func detectMounts(root, procRoot string) (Layout, bool) {
	mounts, err := cgroupMounts(procRoot)
	if err != nil {
		return Layout{}, false
	}
	l := Layout{Mode: V1, Root: root, Real: true}
	found := false
	for _, m := range mounts {
		if !strings.HasPrefix(m.Mountpoint, root+"/") || !isCgroup(m.Mountpoint) {
			continue
		}
		found = true
		if m.FSType == "cgroup2" {
			l.Mode, l.Unified = Hybrid, m.Mountpoint
			continue
		}
		// The controllers of a v1 hierarchy are among its super options.
		for option := range strings.SplitSeq(m.VFSOptions, ",") {
			l.place(option, m.Mountpoint)
		}
	}
	return l, found
}

// cgroupMounts are the cgroup file systems that this process sees mounted.
func cgroupMounts(procRoot string) ([]*mountinfo.Info, error) {
	f, err := os.Open(filepath.Join(procRoot, "self", "mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mountinfo.GetMountsFromReader(f, mountinfo.FSTypeFilter("cgroup", "cgroup2"))
}

// place notes that the named controller is at path, unless it has a place
// already.
func (l *Layout) place(controller, path string) {
	at := &l.CPUSet
	switch i := slices.Index(controllerNames[:], controller); {
	case i >= 0:
		at = &l.Mounts[i]
	case controller == "freezer":
		at = &l.Freezer
	case controller != "cpuset":
		return
	}
	if *at == "" {
		*at = path
	}
}

// isCgroup reports whether path is on a cgroup file system: a mountinfo that
// is itself a copy proves nothing.
func isCgroup(path string) bool {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return false
	}
	return st.Type == unix.CGROUP_SUPER_MAGIC || st.Type == unix.CGROUP2_SUPER_MAGIC
}

// detectTree judges a tree by the names in it.
func detectTree(root string) (Layout, error) {
	if isFile(filepath.Join(root, "cgroup.controllers")) {
		return detectV2(Layout{Mode: V2, Root: root, Unified: root})
	}
	l := Layout{Mode: V1, Root: root}
	entries, err := os.ReadDir(root)
	if err != nil {
		return Layout{}, fmt.Errorf("%w: %w", ErrNoRoot, err)
	}
	for _, e := range entries {
		// A hierarchy of several controllers is named after all of them, and
		// each may have a symbolic link of its own.
		path, err := filepath.EvalSymlinks(filepath.Join(root, e.Name()))
		if err != nil {
			continue
		}
		if isFile(filepath.Join(path, "cgroup.controllers")) {
			l.Mode, l.Unified = Hybrid, path
			continue
		}
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			continue
		}
		for name := range strings.SplitSeq(e.Name(), ",") {
			l.place(name, path)
		}
		l.Real = l.Real || isCgroup(path)
	}
	if l.Mounts == [numControllers]string{} {
		return Layout{}, fmt.Errorf("%w: %q holds no cgroup mount (neither cgroup.controllers nor a directory of a v1 controller)", ErrNotCgroup, root)
	}
	return l, usable(l)
}

// detectV2 finds l's controllers.
func detectV2(l Layout) (Layout, error) {
	text, err := os.ReadFile(filepath.Join(l.Root, "cgroup.controllers"))
	if err != nil {
		return Layout{}, fmt.Errorf("%w: %w", ErrNotCgroup, err)
	}
	have := strings.Fields(string(text))
	l.CPUSet, l.Freezer = l.Root, l.Root
	for i, name := range controllerNames {
		// CPU accounting needs no controller on v2: every cgroup has cpu.stat.
		if i == CPUAcct || slices.Contains(have, name) {
			l.Mounts[i] = l.Root
		}
	}
	return l, usable(l)
}

// usable refuses a layout of which nothing could be read. With either of the
// two it is degraded, which the monitor's Layout tells.
func usable(l Layout) error {
	if l.Mounts[CPUAcct] == "" && l.Mounts[Memory] == "" {
		return fmt.Errorf("%w: neither cpuacct nor memory below %q", ErrNoController, l.Root)
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
