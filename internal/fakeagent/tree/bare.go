package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Make makes a cgroup without limits below the root, "id" or "id/mesos/child",
// in each hierarchy, as far as it is not there. On v2 it has a leaf for
// processes.
func (t *Tree) Make(rel string) error {
	for i, root := range t.Dirs() {
		dir := filepath.Join(root, rel)
		if t.place.v2 {
			dir = filepath.Join(dir, leaf)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make cgroup %s: %w", rel, err)
		}
		if !t.place.v2 {
			continue
		}
		// From the top: a controller is there only if the parent hands it out.
		at := root
		for _, name := range append([]string{""}, strings.Split(rel, "/")...) {
			at = filepath.Join(at, name)
			if err := enable(at, t.place.bases[i].controllers); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaf is the child of a v2 container that holds its processes.
const leaf = "leaf"

// members are the directories that processes of the cgroup are put into.
func (t *Tree) members(rel string) []string {
	dirs := t.Dirs()
	for i := range dirs {
		dirs[i] = filepath.Join(dirs[i], rel)
		if t.place.v2 {
			dirs[i] = filepath.Join(dirs[i], leaf)
		}
	}
	return dirs
}

// Enter moves a process into the cgroup.
func (t *Tree) Enter(rel string, pid int) error {
	for _, dir := range t.members(rel) {
		if err := write(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("enter cgroup %s: %w", rel, err)
		}
	}
	return nil
}

// Remove removes the cgroup, which holds no process that is to stay, and all
// below it.
func (t *Tree) Remove(rel string) error {
	var errs []error
	for _, root := range t.Dirs() {
		errs = append(errs, RemoveAll(filepath.Join(root, rel)))
	}
	return errors.Join(errs...)
}

// Dir is where the cgroup is in the controller's hierarchy, which on v2 is one
// for all; "" without one.
func (t *Tree) Dir(controller, rel string) string {
	for i, b := range t.place.bases {
		if t.place.v2 || slices.Contains(b.controllers, controller) {
			return filepath.Join(t.Dirs()[i], rel)
		}
	}
	return ""
}

// RemoveAll removes the cgroup dir, which holds no process that is to stay, and
// all below it.
func RemoveAll(dir string) error { return remove(dir, time.Now().Add(destroyTimeout)) }
