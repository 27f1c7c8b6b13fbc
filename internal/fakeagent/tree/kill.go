package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// destroyTimeout bounds the removal of one container or root. Mesos waits 60 s
// (--cgroups_destroy_timeout); boosted processes die within milliseconds, and
// a demo is not to hang for a minute.
const destroyTimeout = 15 * time.Second

// setting is one control file and what is written to it.
type setting struct{ file, value string }

// boosts let dying processes run: exiting takes CPU time, and a spinning
// process with 10 shares on a busy host takes seconds to get it (measured:
// 0.1-5 s without, 2-13 ms with). pids.max 0 keeps them from forking, a frozen
// v1 cgroup does not die at all. Files that are not there are skipped.
var boosts = []setting{
	{"pids.max", "0"},
	{"freezer.state", "THAWED"},
	{"cgroup.freeze", "0"},
	{"cpu.idle", "0"},
	{"cpu.cfs_quota_us", "-1"},
	{"cpu.max", "max"},
	{"cpu.shares", "10240"},
	{"cpu.weight", "10000"},
}

// killBelow kills every process in dir and the cgroups below it, and waits
// until they are gone.
func killBelow(dir string, deadline time.Time) error {
	wait := time.Millisecond
	for {
		dirs, err := below(dir)
		if err != nil {
			return err
		}
		populated, err := killOnce(dirs)
		if err != nil || !populated {
			return err
		}
		for _, d := range dirs {
			boost(d)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes in %s do not die", dir)
		}
		time.Sleep(wait)
		wait = min(2*wait, 20*time.Millisecond)
	}
}

// killOnce sends SIGKILL to the processes of dirs, and reports whether there
// were any.
func killOnce(dirs []string) (populated bool, err error) {
	for _, d := range dirs {
		pids, err := words(filepath.Join(d, "cgroup.procs"))
		switch {
		case isGone(err):
			continue
		case err != nil:
			return false, fmt.Errorf("list processes: %w", err)
		case len(pids) == 0:
			continue
		}
		populated = true
		if write(filepath.Join(d, "cgroup.kill"), "1") == nil {
			continue // v2 since Linux 5.14
		}
		if err := signal(d, pids); err != nil {
			return false, err
		}
	}
	return populated, nil
}

// signal sends SIGKILL to pids as far as they are still in dir. The handle is
// taken first: it stays with the process even if its pid is used again.
func signal(dir string, pids []string) error {
	handles := make(map[string]*os.Process, len(pids))
	for _, word := range pids {
		pid, err := strconv.Atoi(word)
		if err != nil || pid <= 1 {
			return fmt.Errorf("%s: cannot kill process %q", dir, word)
		}
		if p, err := os.FindProcess(pid); err == nil {
			handles[word] = p
		}
	}
	still, err := words(filepath.Join(dir, "cgroup.procs"))
	for word, p := range handles {
		if err == nil && slices.Contains(still, word) {
			if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return fmt.Errorf("kill process %s: %w", word, err)
			}
		}
		_ = p.Release()
	}
	if isGone(err) {
		return nil
	}
	return err
}

func boost(dir string) {
	for _, s := range boosts {
		// What is not there or not allowed cannot be helped; the caller waits
		// for the processes either way.
		_ = write(filepath.Join(dir, s.file), s.value)
	}
}

// isGone: the cgroup or the process was removed meanwhile.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ESRCH)
}
