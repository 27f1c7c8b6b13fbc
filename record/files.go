package record

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// segment is one file of a recording. Its number orders it, also when the clock
// was set back; the time is for people.
type segment struct {
	path   string
	number uint64
	bytes  int64
	// last is when it was written last.
	last time.Time
}

func segmentName(number uint64, at time.Time) string {
	return fmt.Sprintf("%08d-%s%s", number, at.UTC().Format("20060102T150405Z"), Extension)
}

// segmentsIn lists the files of the recording in dir, oldest first.
func segmentsIn(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, e := range entries {
		digits, _, ok := strings.Cut(e.Name(), "-")
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || !strings.HasSuffix(e.Name(), Extension) || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, segment{path: filepath.Join(dir, e.Name()), number: number, bytes: info.Size(), last: info.ModTime()})
	}
	slices.SortFunc(list, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.path, b.path))
	})
	return list, nil
}

// lockDir makes this the only process that records into dir, until the file is
// closed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// prune removes the oldest segments so that there is room for another, and
// returns those that are left.
func prune(list []segment, opts *Options, now time.Time) (left []segment, removed int, err error) {
	var total int64
	for _, s := range list {
		total += s.bytes
	}
	for len(list) > 0 {
		s := list[0]
		if total <= opts.MaxTotalBytes-opts.MaxFileBytes && (opts.MaxAge == 0 || now.Sub(s.last) <= opts.MaxAge) {
			break
		}
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return list, removed, err
		}
		total -= s.bytes
		removed++
		list = list[1:]
	}
	return list, removed, nil
}
