package tree

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// namePattern is what every root's name looks like: purpose, pid and start
// time (in ticks since boot, /proc/<pid>/stat field 22) of its process.
var namePattern = regexp.MustCompile(`^estimatord-([a-z0-9]{1,16})-([1-9][0-9]{0,9})-([0-9]{1,19})$`)

var purposePattern = regexp.MustCompile(`^[a-z0-9]{1,16}$`)

// rootName is the name of this process's root for the purpose.
func rootName(purpose string) (string, error) {
	if !purposePattern.MatchString(purpose) {
		return "", fmt.Errorf("purpose %q of a cgroup root: want 1 to 16 of a-z and 0-9", purpose)
	}
	pid := os.Getpid()
	start, err := startTime(pid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("estimatord-%s-%d-%d", purpose, pid, start), nil
}

func startTime(pid int) (uint64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	stat, err := p.Stat()
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	return stat.Starttime, nil
}

// ownerGone reports whether name is that of a root whose process no longer
// lives. In doubt it does.
func ownerGone(name string) bool {
	m := namePattern.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	pid, err := strconv.Atoi(m[2])
	if err != nil {
		return false
	}
	start, err := startTime(pid)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	return strconv.FormatUint(start, 10) != m[3]
}

// lock takes the lock that says that dir is in use; the kernel drops it when
// the process ends. It is what tells a living root from a left one across pid
// namespaces, where a pid says nothing.
func lock(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}
