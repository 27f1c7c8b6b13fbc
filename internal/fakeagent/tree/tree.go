package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// Tree is a root and what is under it. It is safe for concurrent use as far as
// different containers are concerned.
type Tree struct {
	place place
	name  string
	locks []*os.File
	moved *delegation
}

// Prefer gives the root as a whole sixteen times the CPU weight of another
// cgroup, or of a process outside of all. A real agent leaves its root as the
// kernel makes it; a story or a test that must come out the same on a busy host
// cannot. Much more would starve the daemon, which is outside: a process that
// wakes up waits for its 3 ms slice times the ratio of the weights
// (Documentation/scheduler/sched-eevdf.rst), here 50 ms.
func (t *Tree) Prefer() error {
	for i, dir := range t.Dirs() {
		file, weight := "cpu.shares", "16384" // of 1024
		if t.place.v2 {
			file, weight = "cpu.weight", "1600" // of 100
		}
		if !slices.Contains(t.place.bases[i].controllers, "cpu") {
			continue
		}
		if err := write(filepath.Join(dir, file), weight); err != nil {
			return fmt.Errorf("prefer the cgroup root: %w", err)
		}
	}
	return nil
}

// Create makes a root for the purpose (a word of the root's name), after
// removing what earlier processes left behind. It fails with ErrNoPlace where
// this process may not make cgroups.
func Create(purpose string) (*Tree, error) { return CreateBelow("", purpose) }

// CreateBelow is Create in a cgroup of that name, which the caller has made in
// each hierarchy and removes after Close.
func CreateBelow(name, purpose string) (*Tree, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	at, err := findPlace(proc)
	if err != nil {
		return nil, err
	}
	return createAt(at.below(name), purpose)
}

func createAt(at place, purpose string) (*Tree, error) {
	name, err := rootName(purpose)
	if err != nil {
		return nil, err
	}
	for _, b := range at.bases {
		if err := removeLeft(b.dir); err != nil {
			return nil, err
		}
	}
	t := &Tree{place: at, name: name}
	if err := t.make(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Tree) make() (err error) {
	if t.place.own {
		if t.moved, err = moveInside(t.place.bases[0].dir); err != nil {
			return err
		}
	}
	for _, b := range t.place.bases {
		dir := filepath.Join(b.dir, t.name)
		if t.place.v2 {
			if err := enable(b.dir, b.controllers); err != nil {
				return err
			}
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make the cgroup root: %w", err)
		}
		f, err := lock(dir)
		if err != nil {
			return fmt.Errorf("make the cgroup root: %w", err)
		}
		t.locks = append(t.locks, f)
		if t.place.v2 {
			if err := enable(dir, b.controllers); err != nil {
				return err
			}
		}
	}
	return nil
}

// V2 reports whether the tree is a cgroup2 one.
func (t *Tree) V2() bool { return t.place.v2 }

// Mount is what the daemon takes as its cgroup root: the directory of the
// cgroup2 mount, or the one that holds the v1 hierarchies.
func (t *Tree) Mount() string { return t.place.mount }

// Root is the path of the root below the mount (below each hierarchy on v1):
// what the daemon takes as the agent's cgroups root.
func (t *Tree) Root() string { return filepath.Join(t.place.prefix, t.name) }

// Dirs are the directories of the root, one per hierarchy.
func (t *Tree) Dirs() []string {
	dirs := make([]string, 0, len(t.place.bases))
	for _, b := range t.place.bases {
		dirs = append(dirs, filepath.Join(b.dir, t.name))
	}
	return dirs
}

// Close kills what still runs in the root and removes it.
func (t *Tree) Close() error {
	var errs []error
	for _, dir := range t.Dirs() {
		errs = append(errs, destroy(dir))
	}
	for _, f := range t.locks {
		errs = append(errs, f.Close())
	}
	t.locks = nil
	if t.moved != nil {
		errs = append(errs, t.moved.undo(t.place.bases[0].controllers))
		t.moved = nil
	}
	return errors.Join(errs...)
}

// removeLeft removes the roots below base whose processes are gone.
func removeLeft(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for cgroups left by an earlier run: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !ownerGone(e.Name()) {
			continue
		}
		left := filepath.Join(dir, e.Name())
		f, err := lock(left)
		if err != nil {
			continue // in use after all, in another pid namespace
		}
		err = destroy(left)
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("remove a cgroup left by an earlier run: %w", err)
		}
	}
	return nil
}

// destroy kills everything in dir and below, and removes it.
func destroy(dir string) error {
	deadline := time.Now().Add(destroyTimeout)
	if err := killBelow(dir, deadline); err != nil {
		return err
	}
	return remove(dir, deadline)
}

// remove removes dir and the cgroups below it, deepest first. A cgroup is busy
// for a moment after its last process is gone.
func remove(dir string, deadline time.Time) error {
	dirs, err := below(dir)
	if err != nil {
		return err
	}
	for _, d := range slices.Backward(dirs) {
		err := os.Remove(d)
		for wait := time.Millisecond; err != nil && !errors.Is(err, fs.ErrNotExist) && time.Now().Before(deadline); wait = min(2*wait, 50*time.Millisecond) {
			time.Sleep(wait)
			err = os.Remove(d)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a cgroup: %w", err)
		}
	}
	return nil
}

// below lists dir and the cgroups below it, parents first; none when dir does
// not exist.
func below(dir string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs, err
}

// enable hands the controllers out to the children of dir.
func enable(dir string, controllers []string) error {
	path := filepath.Join(dir, "cgroup.subtree_control")
	have, err := words(path)
	if err != nil {
		return fmt.Errorf("enable controllers: %w", err)
	}
	var missing []string
	for _, c := range controllers {
		if !slices.Contains(have, c) {
			missing = append(missing, "+"+c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := write(path, strings.Join(missing, " ")); err != nil {
		return fmt.Errorf("enable controllers: %w", err)
	}
	return nil
}

// write writes a control file in one write, and never creates one.
func write(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
