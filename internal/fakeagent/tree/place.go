package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ErrNoPlace is returned when this process may not make cgroups anywhere that
// would do. Its text says what was tried.
var ErrNoPlace = errors.New("no cgroup to work in")

// wanted are the controllers that containers get; cpu (and cpuacct on v1) are
// needed, the others are taken where they are.
var wanted = []string{"cpu", "cpuacct", "memory", "freezer", "pids", "io"}

// place is where roots can be made.
type place struct {
	v2 bool
	// mount is the directory that the daemon takes as its cgroup root: that
	// of the cgroup2 mount, or the parent of the v1 hierarchies.
	mount string
	// prefix is the path of the bases below their mounts, "" at the top.
	prefix string
	bases  []base
	// own is set where the base is the cgroup of this process.
	own bool
}

// base is one directory that a root is made in.
type base struct {
	dir         string
	controllers []string
}

// findPlace looks at what is mounted where and at what this process may do.
// v1 wins where it has the cpu controller: a controller is in one hierarchy
// only.
func findPlace(fs procfs.FS) (place, error) {
	self, err := fs.Self()
	if err != nil {
		return place{}, fmt.Errorf("find cgroups: %w", err)
	}
	mounts, err := fs.GetProcMounts(self.PID)
	if err != nil {
		return place{}, fmt.Errorf("find cgroups: %w", err)
	}
	if p, ok := findV1(mounts); ok {
		for _, b := range p.bases {
			if err := writable(b.dir); err != nil {
				return place{}, fmt.Errorf("%w: cgroup v1 hierarchies belong to root: %w", ErrNoPlace, err)
			}
		}
		return p, nil
	}
	cgroups, err := self.Cgroups()
	if err != nil {
		return place{}, fmt.Errorf("find cgroups: %w", err)
	}
	return findV2(mounts, cgroups)
}

// below is the place in a cgroup of that name, p itself for "".
func (p place) below(name string) place {
	if name == "" {
		return p
	}
	p.prefix = filepath.Join(p.prefix, name)
	p.bases = slices.Clone(p.bases)
	for i := range p.bases {
		p.bases[i].dir = filepath.Join(p.bases[i].dir, name)
	}
	return p
}

func findV1(mounts []*procfs.MountInfo) (place, bool) {
	p := place{}
	seen := map[string]bool{}
	for _, m := range mounts {
		if m.FSType != "cgroup" {
			continue
		}
		b := base{dir: m.MountPoint}
		for _, c := range wanted {
			if _, ok := m.SuperOptions[c]; ok && !seen[c] {
				b.controllers = append(b.controllers, c)
				seen[c] = true
			}
		}
		if len(b.controllers) > 0 {
			p.bases = append(p.bases, b)
			if slices.Contains(b.controllers, "cpuacct") {
				p.mount = filepath.Dir(m.MountPoint)
			}
		}
	}
	return p, seen["cpu"] && seen["cpuacct"]
}

func findV2(mounts []*procfs.MountInfo, cgroups []procfs.Cgroup) (place, error) {
	mount := ""
	for _, m := range mounts {
		if m.FSType == "cgroup2" && (mount == "" || len(m.MountPoint) < len(mount)) {
			mount = m.MountPoint
		}
	}
	if mount == "" {
		return place{}, fmt.Errorf("%w: neither cgroup v1 with cpu and cpuacct nor cgroup2 is mounted", ErrNoPlace)
	}
	// Only the real top of the hierarchy has no cgroup.type, and only there may
	// processes live beside cgroups with controllers.
	_, err := os.Stat(filepath.Join(mount, "cgroup.type"))
	top := errors.Is(err, os.ErrNotExist)
	if top && writable(mount) == nil {
		return v2At(mount, "", false)
	}
	own := ""
	for _, c := range cgroups {
		if c.HierarchyID == 0 {
			own = strings.Trim(c.Path, "/")
		}
	}
	if filepath.Base(own) == processesName {
		own = strings.TrimPrefix(filepath.Dir(own), ".")
	}
	if top && own == "" {
		return place{}, fmt.Errorf("%w: %w", ErrNoPlace, writable(mount))
	}
	p, err := v2At(mount, own, true)
	if err != nil {
		return place{}, err
	}
	dir := p.bases[0].dir
	for _, path := range []string{dir, filepath.Join(dir, "cgroup.procs"), filepath.Join(dir, "cgroup.subtree_control")} {
		if err := writable(path); err != nil {
			return place{}, fmt.Errorf("%w: the cgroup of this process is not delegated to it: %w", ErrNoPlace, err)
		}
	}
	return p, nil
}

func v2At(mount, prefix string, own bool) (place, error) {
	dir := filepath.Join(mount, prefix)
	have, err := words(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return place{}, fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	b := base{dir: dir}
	for _, c := range wanted {
		if slices.Contains(have, c) {
			b.controllers = append(b.controllers, c)
		}
	}
	if !slices.Contains(b.controllers, "cpu") {
		return place{}, fmt.Errorf("%w: %s has no cpu controller, only %q", ErrNoPlace, dir, have)
	}
	return place{v2: true, mount: mount, prefix: prefix, bases: []base{b}, own: own}, nil
}

func writable(path string) error {
	if err := unix.Access(path, unix.W_OK); err != nil {
		return &os.PathError{Op: "write to", Path: path, Err: err}
	}
	return nil
}

// words reads a file of words, as cgroup.controllers and cgroup.procs are.
func words(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	return strings.Fields(string(b)), err
}
