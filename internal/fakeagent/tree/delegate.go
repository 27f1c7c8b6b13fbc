package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// processesName is the child of a delegated cgroup that its processes move to.
const processesName = "estimatord-processes"

// delegation is a delegated cgroup whose processes were moved to a child.
type delegation struct {
	dir string
}

// moveInside moves the processes of dir, which is the cgroup of this process,
// to a child, so that dir can hand out controllers. It refuses when there are
// others than this process, its ancestors and what came from it: then the
// cgroup was not made for this.
func moveInside(dir string) (*delegation, error) {
	pids, err := words(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	family := ancestors(os.Getpid())
	for _, word := range pids {
		pid, err := strconv.Atoi(word)
		if err != nil || !family[pid] && !ancestors(pid)[os.Getpid()] {
			return nil, fmt.Errorf("%w: the cgroup %s also holds process %s, which has nothing to do with this one", ErrNoPlace, dir, word)
		}
	}
	child := filepath.Join(dir, processesName)
	if err := os.Mkdir(child, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	if err := moveAll(dir, child); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPlace, err)
	}
	return &delegation{dir: dir}, nil
}

// undo takes the controllers back and the processes with it. It leaves things
// as they are while another root is in use.
func (d *delegation) undo(controllers []string) error {
	err := write(filepath.Join(d.dir, "cgroup.subtree_control"), "-"+strings.Join(controllers, " -"))
	if err != nil {
		return nil //nolint:nilerr // busy: another root still uses them and undoes it later
	}
	child := filepath.Join(d.dir, processesName)
	if err := moveAll(child, d.dir); err != nil {
		return fmt.Errorf("move processes back: %w", err)
	}
	if err := os.Remove(child); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("move processes back: %w", err)
	}
	return nil
}

// moveAll moves processes until there are none left; they may fork meanwhile.
func moveAll(from, to string) error {
	for range 100 {
		pids, err := words(filepath.Join(from, "cgroup.procs"))
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := write(filepath.Join(to, "cgroup.procs"), pid); err != nil && !isGone(err) {
				return err
			}
		}
	}
	return fmt.Errorf("processes keep appearing in %s", from)
}

// ancestors holds pid and every process above it.
func ancestors(pid int) map[int]bool {
	set := map[int]bool{}
	for pid > 0 && !set[pid] {
		set[pid] = true
		p, err := procfs.NewProc(pid)
		if err != nil {
			break
		}
		stat, err := p.Stat()
		if err != nil {
			break
		}
		pid = stat.PPID
	}
	return set
}
